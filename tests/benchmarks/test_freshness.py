"""From accepted by POST to visible in the timeline, at a steady rate, through `rendezvous up` in a process of its own.

The clock of an event starts when its receipt arrives, and stops when its contact's timeline, asked for again and again, shows
it. Polling is used because it is what a reader sees, to some 5 ms; `wait_for` looks every 20 ms and waits for all that was
accepted before as well, and the stream of changes looks every 250 ms. One event in 25 is followed so: following more, or
asking more often, would measure the followers. Each event has a contact of its own, so that one entry is the answer.

The floor is what no program escapes that records durably and in turn what was decided, what was published, and what is shown:
three small transactions on the same disk, one after another.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec
import pytest

from services.bench import Row, close, installation, publish, relay_all
from tests.benchmarks.load import percentile
from tests.benchmarks.serving import serving
from tests.benchmarks.table import WANTED
from tests.benchmarks.workload import rounds, size
from tests.examples import ACCOUNT, contact, hour, meeting, stage

pytestmark = [pytest.mark.bench, pytest.mark.timeout(1800)]

PUBLISHERS = 8
FOLLOWED = 25
"""Every so manieth event is followed into its timeline."""

LOOK_AGAIN_SECONDS = 0.005
LOST_SECONDS = 60.0


def test_freshness(record: Callable[[Row], None], folder: Path) -> None:
    rate, seconds = size("RATE", 500), size("FRESH_SECONDS", 6)
    each = rate * seconds
    data = folder / "data"
    token = prepare(data, each * rounds())
    ours, floor = [], []
    with serving("services.cli", "up", "--data", str(data), "--port", "0", folder=folder) as url:
        for number in range(rounds()):
            ours.append(asyncio.run(Publishing(url, token, rate).run(range(number * each, (number + 1) * each))))
            floor.append(three_transactions(folder / f"floor-{number}.sqlite"))
    accepted = [run.rate for run in ours]
    what = f"source events accepted by POST, one each, over {PUBLISHERS} connections"
    record(Row(what, "/s", accepted, "asked for", [float(rate)], WANTED["accepted"]))
    for share in (50, 99):
        found = [percentile(run.took, share) * 1000 for run in ours]
        beside = [percentile(took, share) * 1000 for took in floor]
        what = f"from accepted to visible in the timeline, p{share}"
        record(Row(what, "ms", found, "three small transactions one after another", beside, WANTED[f"freshness, p{share}"]))


def prepare(data: Path, events: int) -> str:
    """An account with a contact for each event; a token that may publish and read."""
    publish(data, map(msgspec.json.encode, [*stage(), *(contact(who(n), f"{who(n)}@client.example") for n in range(events))]))
    parts = installation(data)
    sync, project = parts.sync(), parts.project()
    while sync.step("0") is not None:
        pass
    relay_all(parts)
    while project.step():
        pass
    token = parts.tokens.create(ACCOUNT, ["events:publish", "timeline:read"])
    close(parts)
    return token


def who(number: int) -> str:
    """The contact that the event of this number is about."""
    return f"c{number}"


def told(number: int) -> bytes:
    """The event of this number."""
    return msgspec.json.encode(meeting(f"e{number}", created=hour(0), guests=(f"{who(number)}@client.example",)))


def three_transactions(file: Path, times: int = 100) -> list[float]:
    """Seconds each took, the three together."""
    took = []
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("CREATE TABLE rows (body BLOB)")
        for _ in range(times):
            began = time.perf_counter()
            for _ in range(3):
                connection.execute("INSERT INTO rows VALUES (zeroblob(1000))")
            took.append(time.perf_counter() - began)
    return took


class Published(NamedTuple):
    """Events accepted a second, and seconds from receipt to visible of those followed."""

    rate: float
    took: list[float]


class Http:
    """One connection kept alive, one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, token: str) -> None:
        self._reader, self._writer, self._token = reader, writer, token

    @classmethod
    async def to(cls, url: str, token: str) -> Http:
        """A connection."""
        address = urlsplit(url)
        return cls(*await asyncio.open_connection(address.hostname, address.port), token)

    async def ask(self, method: str, path: str, body: bytes = b"", kind: str = "cloudevents") -> tuple[int, Any]:
        """Status and JSON."""
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {self._token}\r\n"
        head += f"Content-Type: application/{kind}+json\r\nContent-Length: {len(body)}\r\n\r\n"
        self._writer.write(head.encode() + body)
        told = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        length = int(told.partition(b"content-length:")[2].partition(b"\r\n")[0])
        return int(told.split(b" ", 2)[1]), msgspec.json.decode(await self._reader.readexactly(length))

    def close(self) -> None:
        """Hang up."""
        self._writer.close()


class Publishing:
    """Posts events at a rate, so many `at_once` in a request, and follows some of them."""

    def __init__(self, url: str, token: str, rate: int, at_once: int = 1) -> None:
        self._url, self._token, self._rate, self._at_once = url, token, rate, at_once
        self._due: asyncio.Queue[Sequence[int] | None] = asyncio.Queue()
        self._following: list[asyncio.Task[float]] = []

    async def run(self, numbers: range) -> Published:
        """Post these, each when it is due (several when the last of them is) or, if the server is slower, as soon as a connection is
        free."""
        began = time.perf_counter()
        publishers = [asyncio.create_task(self._publish()) for _ in range(PUBLISHERS)]
        for at in range(0, len(numbers), self._at_once):
            some = numbers[at : at + self._at_once]
            await asyncio.sleep(began + (at + len(some) - 1) / self._rate - time.perf_counter())
            self._due.put_nowait(some)
        for _ in publishers:
            self._due.put_nowait(None)
        await asyncio.gather(*publishers)
        rate = len(numbers) / (time.perf_counter() - began)
        return Published(rate, await asyncio.gather(*self._following))

    async def _publish(self) -> None:
        http = await Http.to(self._url, self._token)
        while (numbers := await self._due.get()) is not None:
            body = told(numbers[0]) if self._at_once == 1 else b"[%b]" % b",".join(map(told, numbers))
            status, answer = await http.ask("POST", "/v1/source-events", body, "cloudevents" if self._at_once == 1 else "cloudevents-batch")
            if status != 202:
                raise RuntimeError(f"{status}: {answer}")
            accepted = time.perf_counter()
            self._following += [asyncio.create_task(self._visible(n, accepted)) for n in numbers if n % FOLLOWED == 0]
        http.close()

    async def _visible(self, number: int, accepted: float) -> float:
        http = await Http.to(self._url, self._token)
        while time.perf_counter() - accepted < LOST_SECONDS:
            status, page = await http.ask("GET", f"/v1/contacts/{who(number)}/timeline")
            if status == 200 and page["entries"]:
                http.close()
                return time.perf_counter() - accepted
            await asyncio.sleep(LOOK_AGAIN_SECONDS)
        raise RuntimeError(f"event {number} was accepted and is not in its timeline after {LOST_SECONDS:.0f} s")
