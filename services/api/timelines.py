"""The timeline page, the API's hot path: a token from memory, one inline read, stored bodies joined, one raw response.

It stands in front of the framework (see `app.Front`), which would cost as much again as the answer. What must stay true: it does
nothing that a route behind the framework may not do, and the same route is registered there, for the API's description.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Mapping
from threading import Lock
from typing import Any, NamedTuple

from domain.errors import BadInput, TryAgain
from services.api.aside import AT_ONCE, Aside
from services.api.door import Door
from services.api.problems import Answer, answer_to
from services.api.questions import ask_of, number, query_of, understood
from services.progress import Progress
from services.reading import Ask, Reading

PREFIX, SUFFIX = "/v1/contacts/", "/timeline"
LOOK_AGAIN_SECONDS = 0.02
"""How often a reader who waits for a position looks whether it is there."""

BEHIND_SECONDS = 2.0
"""How far one copy of the read models is behind another at most, as long as nothing is wrong."""

LOOK_SECONDS = 0.25
"""How long the one reader who has it looked when the calendars were read last waits for that at most."""

KEPT_BYTES = 32 * 1024 * 1024
"""Pages of a store kept in memory at most."""


def named(path: str) -> str | None:
    """Whose timeline this path is, None if it is something else. See `paths` for the form of both.

    >>> named("/v1/contacts/bo@client.example/timeline"), named("/v1/contacts/151")
    ('bo@client.example', None)
    """
    if not (path.startswith(PREFIX) and path.endswith(SUFFIX)):
        return None
    who = path[len(PREFIX) : -len(SUFFIX)]
    return who if who and "/" not in who else None


async def look(reading: Reading, account: str) -> None:
    """Have it looked when the account's calendars were read last, now and then, and in a thread of its own: a log that is away must
    hold up nobody but, for a moment, who came first."""
    if reading.is_due(account):
        looking = asyncio.get_running_loop().run_in_executor(None, reading.look, account)
        await asyncio.wait([looking], timeout=LOOK_SECONDS)


class Whole(NamedTuple):
    """An answer as it was given, and how fresh it said to be."""

    tag: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes
    freshness: bytes


class Kept:
    """Answers of one position of a set of read models. As long as that position stands nothing they say can have changed but how
    fresh it is: one that said so otherwise is none. With the next position all of them go, so that nothing erased outlives its erasing
    here. Usable by any number of threads."""

    def __init__(self, most: int = KEPT_BYTES) -> None:
        self._most = most
        self._position, self._bytes = -1, 0
        self._pages: dict[tuple[str, str, bytes], Whole] = {}
        self._lock = Lock()

    def get(self, position: int, asked: tuple[str, str, bytes], freshness: bytes) -> Whole | None:
        """The answer to this question at this position, if it was kept and is as fresh as that."""
        with self._lock:
            page = self._pages.get(asked) if position == self._position else None
        return page if page is not None and page.freshness == freshness else None

    def put(self, position: int, asked: tuple[str, str, bytes], page: Whole) -> None:
        """Keep an answer. What does not fit any more starts anew."""
        with self._lock:
            if position == self._position and (former := self._pages.pop(asked, None)) is not None:
                self._bytes -= len(former.body)
            if position != self._position or self._bytes + len(page.body) > self._most:
                self._pages, self._position, self._bytes = {}, position, 0
            self._pages[asked] = page
            self._bytes += len(page.body)


class KeptOfStores:
    """The same for several stores, of which each has a position of its own. `store` is the number of an account's."""

    def __init__(self, store: Callable[[str], int], most: int = KEPT_BYTES) -> None:
        self._store, self._most = store, most
        self._kept: dict[int, Kept] = {}

    def of(self, account: str) -> Kept:
        """The answers of this account's store."""
        number = self._store(account)
        if number not in self._kept:
            self._kept[number] = Kept(self._most)
        return self._kept[number]


class TimelinePage:
    """Answers for one page. `known` are the query's parameters; `wait_seconds` is how long a reader may wait for a position, and `pause`
    how to wait."""

    def __init__(
        self,
        reading: Reading,
        door: Door,
        progress: Progress,
        known: frozenset[str],
        wait_seconds: float,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
        aside: Aside = AT_ONCE,
    ) -> None:
        self._reading, self._door, self._progress = reading, door, progress
        self._known, self._wait_seconds, self._pause, self._aside = known, wait_seconds, pause, aside
        self._kept = KeptOfStores(reading.store)

    async def answer(self, who: str, scope: Mapping[str, Any]) -> Answer:
        """The response to this request. Raises nothing: errors are answers."""
        try:
            return await self._page(who, scope)
        except Exception as error:  # the mapping of every kind of error is in one place, and the last case there is "any other"
            return answer_to(error, scope["path"])

    async def _page(self, who: str, scope: Mapping[str, Any]) -> Answer:
        account = await self._door.account(scope, "timeline:read")
        query = query_of(scope)
        if query:
            understood(query, self._known)
        ask = ask_of(query)
        if "wait_for" in query:
            await self.reached(account, number(query, "wait_for", 0))
        await look(self._reading, account)
        return await self._aside(self._found, account, who, ask, scope)

    def _found(self, account: str, who: str, ask: Ask, scope: Mapping[str, Any]) -> Answer:
        now, freshness = self._reading.freshness(account)
        asked = (account, who, bytes(scope["query_string"]))
        pages = self._kept.of(account)
        kept = pages.get(now, asked, freshness)
        if kept is not None and not _known(scope, kept.tag):
            return Answer(200, kept.headers, kept.body)
        found = self._reading.find(account, who, ask.as_of)
        tag = b'W/"%s-%x"' % (self._reading.version(found).encode(), zlib.crc32(scope["query_string"]))
        if _known(scope, tag):
            # The tag is a weak one: a page that only became fresher is the same page, and its reader keeps his.
            return Answer(304, _headers(tag, now), b"")
        body, position = self._reading.page(found, ask)
        headers = _headers(tag, position)
        headers += [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        if position == now:  # nothing was folded while we looked
            pages.put(now, asked, Whole(tag, headers, body, freshness))
        return Answer(200, headers, body)

    async def told(self, account: str, change: int) -> None:
        """Wait until this change, after which a reader of live changes would go on, is in the read models: another server, which he
        was at before, may be ahead of this one. Raises `BadInput` if that takes too long: what he heard of is no more, and he would
        take silence for peace."""
        loop = asyncio.get_running_loop()
        until = loop.time() + (BEHIND_SECONDS if self._aside.is_far else 0.0)
        while not await self._aside(self._reading.changes, account, None, change - 1, 1):
            if loop.time() >= until:
                raise BadInput("Last-Event-ID", f"{change} is ahead of the log; read the timelines anew and begin again without it")
            await self._pause(LOOK_AGAIN_SECONDS)

    async def reached(self, account: str, position: int) -> None:
        """Wait until the read models hold what was accepted up to this position. Raises `TryAgain` if that takes too long."""
        there = await self._aside(self._progress.reached, account, position)
        loop = asyncio.get_running_loop()
        until = loop.time() + self._wait_seconds
        while not await self._aside(there):
            if loop.time() >= until:
                raise TryAgain(f"position {position} is not in the read models yet; ask again")
            await self._pause(LOOK_AGAIN_SECONDS)


def _headers(tag: bytes, position: int) -> list[tuple[bytes, bytes]]:
    return [
        (b"etag", tag),
        (b"rendezvous-position", b"%d" % position),
        # Stored by the reader only, and asked about each time: what a contact's timeline says may be erased any moment.
        (b"cache-control", b"private, no-cache"),
        (b"vary", b"Authorization"),
    ]


def _known(scope: Mapping[str, Any], tag: bytes) -> bool:
    """Does the reader have this version? Weak comparison (RFC 9110 13.1.2)."""
    for name, value in scope["headers"]:
        if name == b"if-none-match":  # of which there may be several, which are one list
            tags = [one.strip() for one in value.split(b",")]
            if b"*" in tags or tag in tags or tag[2:] in tags:
                return True
    return False
