"""Many connections polled by one process, in rounds: how long a round takes, and how much memory the process has after it.

`python -m tests.benchmarks.providers.polling DATA URL PEOPLE ROUNDS` first reads all of each calendar, which is not counted; then in each
round every connection is due once and says that nothing is new. After each round it sends the same requests again, from as many
threads and with nothing around them. It prints a line of JSON a round.
"""

from __future__ import annotations

import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import msgspec
from msgspec import Struct

from adapters.google.source import PAGE
from adapters.http import client
from domain.outside import Buckets
from services.cli import configure_logging
from services.ingest import Ingesting
from services.running import settle_in
from services.wiring import now
from services.wiring_providers import Outside
from tests.benchmarks.memory import memory
from tests.benchmarks.providers.connected import close, with_google

THREADS = 8


class Round(Struct):
    """Polls a second, the same requests alone a second, and the process's memory in MB after the polls."""

    polled: float
    alone: float
    memory: float


class WideOpen:
    """Buckets that are asked as always and hold a thousand times as much: our own limits below Google's would be all that is measured."""

    def __init__(self, buckets: Buckets) -> None:
        self._buckets = buckets

    def take(self, key: str, rate: float, burst: float, now: int, cost: float = 1.0) -> int:
        """See the port."""
        return self._buckets.take(key, rate * 1000, burst * 1000, now, cost)

    def drain(self, key: str, until: int) -> None:
        """See the port."""
        self._buckets.drain(key, until)


class Alone:
    """The requests of a round and nothing else."""

    def __init__(self, outside: Outside, url: str) -> None:
        self._http, self._url = client(), f"{url}/calendar/v3/calendars"
        self._asking = [({"Authorization": f"Bearer {grant.access}"}, str(grant.calendar)) for grant in outside.grants.all()]
        self._pool = ThreadPoolExecutor(THREADS)
        self._tokens = [str(self._asked(headers, calendar, None)) for headers, calendar in self._asking]

    def seconds(self) -> float:
        """A round."""
        began = time.perf_counter()
        futures = [self._pool.submit(self._asked, *asking, token) for asking, token in zip(self._asking, self._tokens, strict=True)]
        for future in futures:
            future.result()
        return time.perf_counter() - began

    def _asked(self, headers: dict[str, str], calendar: str, token: str | None) -> object:
        """The token to go on from."""
        params: dict[str, str | int] = {"singleEvents": "false", "showDeleted": "true", "maxResults": PAGE}
        if token is not None:
            params["syncToken"] = token
        answer = self._http.get(f"{self._url}/{calendar}/events", params=httpx.QueryParams(params), headers=headers)
        return msgspec.json.decode(answer.raise_for_status().content)["nextSyncToken"]


def main() -> None:
    """Read all, then poll all, over and over."""
    configure_logging("error")
    data, url = Path(sys.argv[1]), sys.argv[2]
    people, rounds = map(int, sys.argv[3:5])
    outside = with_google(data, url)
    outside.buckets = WideOpen(outside.buckets)
    outside.connecting().restore()
    work = Ingesting(outside.ingest(), THREADS)
    settle_in()
    poll(outside, work, people)
    alone = Alone(outside, url)
    for _ in range(rounds):
        polled, used = poll(outside, work, people), memory()
        tell(Round(people / polled, people / alone.seconds(), used))
    work.close()
    close(outside)


def poll(outside: Outside, work: Ingesting, people: int) -> float:
    """The seconds of a round. Raises if a calendar was not read in it."""
    began_at = now()
    for link in [cursor.link for cursor in outside.cursors.all()]:
        outside.cursors.wake(link, "events", began_at)
    began = time.perf_counter()
    while work.step():
        pass
    seconds = time.perf_counter() - began
    unread = [cursor for cursor in outside.cursors.all() if cursor.read_at is None or cursor.read_at < began_at]
    if unread:
        raise RuntimeError(f"{len(unread)} of {people} calendars were not read: {sorted({str(cursor.reason) for cursor in unread})}")
    return seconds


def tell(round_: Round) -> None:
    """A line."""
    sys.stdout.buffer.write(msgspec.json.encode(round_) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
