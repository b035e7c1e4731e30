"""gcal_sync's own sync engine reads the same calendar, into its store in memory, in a process of its own.

`python -m tests.benchmarks.providers.peer URL`, with an access token on standard input, prints a line of JSON: how many events its store
holds, and how long that took.
"""

from __future__ import annotations

import asyncio
import sys
import time

import aiohttp
import msgspec
from gcal_sync.api import GoogleCalendarService
from gcal_sync.auth import AbstractAuth
from gcal_sync.store import InMemoryCalendarStore
from gcal_sync.sync import CalendarEventSyncManager
from msgspec import Struct

from services.running import settle_in


class Synced(Struct):
    """Events that the store holds, the seconds it took, and those that the processor worked for it."""

    events: int
    seconds: float
    worked: float


class Auth(AbstractAuth):
    """With a token that somebody got already."""

    def __init__(self, session: aiohttp.ClientSession, host: str, token: str) -> None:
        super().__init__(session, host)
        self._token = token

    async def async_get_access_token(self) -> str:
        """See `AbstractAuth`."""
        return self._token


async def synced(url: str, token: str) -> Synced:
    """All of the primary calendar."""
    store = InMemoryCalendarStore()
    async with aiohttp.ClientSession() as session:
        manager = CalendarEventSyncManager(GoogleCalendarService(Auth(session, f"{url}/calendar/v3", token)), "primary", store)
        began, at_work = time.perf_counter(), time.process_time()
        await manager.run()
        seconds, worked = time.perf_counter() - began, time.process_time() - at_work
    held = await store.async_load() or {}
    return Synced(len(held["event_sync"]["primary"]["items"]), seconds, worked)


if __name__ == "__main__":
    settle_in()  # as ours does: its work shall not be looked through by the collector either
    sys.stdout.buffer.write(msgspec.json.encode(asyncio.run(synced(sys.argv[1], sys.stdin.read()))))
