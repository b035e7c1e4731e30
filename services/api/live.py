"""Changes of timelines as they happen: server-sent events, resumed by Last-Event-ID.

A reader who names no place hears what changes from now on. What must stay true: every change is told once and in order, whoever
resumes misses none; a stream ends when its token does, and when the server does.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import msgspec

from projections.contact_timeline import entry_id
from projections.views import Change
from services.api.aside import AT_ONCE, Aside
from services.reading import Reading

LOOK_AGAIN_SECONDS = 0.25
HEARTBEAT_SECONDS = 15.0
"""Shorter than proxies cut silent connections off."""

_AT_ONCE = 200


async def changes(
    reading: Reading,
    account: str,
    contact: str | None,
    after: int | None,
    may_go_on: Callable[[], Awaitable[bool]],
    stopping: Callable[[], bool],
    pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    aside: Aside = AT_ONCE,
) -> AsyncIterator[bytes]:
    """The stream's bytes. `may_go_on` is asked at each heartbeat, `stopping` at each look."""
    # In a thread: of an account where little happens, the read models are searched far.
    place = await asyncio.to_thread(reading.last_change, account, contact) if after is None else after
    yield b"retry: 1000\n\n"
    looked, silent = -1, 0.0
    while True:
        position = await aside(reading.position, account)
        found = await aside(reading.changes, account, contact, place, _AT_ONCE) if position != looked else ()
        if found:
            yield b"".join([frame(change) for change in found])
            place, silent = found[-1].id, 0.0
            continue
        looked = position
        if stopping():
            return
        await pause(LOOK_AGAIN_SECONDS)
        silent += LOOK_AGAIN_SECONDS
        if silent >= HEARTBEAT_SECONDS:
            if not await may_go_on():
                return
            yield b": still here\n\n"
            silent = 0.0


def frame(change: Change) -> bytes:
    """One change as a server-sent event: `entry` with the entry, or `removed` with what named it."""
    if change.body:
        return b"id: %d\nevent: entry\ndata: %b\n\n" % (change.id, change.body)
    gone = {
        "entry": entry_id(change.account, change.contact, change.meeting, change.occurrence),
        "contact": change.contact,
        "meeting": change.meeting,
        "position": change.position,
    }
    return b"id: %d\nevent: removed\ndata: %b\n\n" % (change.id, msgspec.json.encode(gone))
