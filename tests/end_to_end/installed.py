"""An installation of either size under torment, and what an undisturbed run makes of the same input.

What must stay true: the input is the source log itself. Whoever publishes again after an answer was lost may write a record twice, and
that record is part of the input then. The undisturbed run reads the same log, with the same keys, decides it alone, in memory, in one
go, and shares nothing else with what it is compared with.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import SecretStr

from adapters.memory.log import MemoryDeadLetters, MemoryDomainLog
from adapters.memory.store import MemoryStore
from adapters.memory.views import MemoryViews
from domain.errors import TryAgain
from services.project import Project
from services.relay import Relay
from services.settings import Settings
from services.sync import Sync
from services.wiring import Installation, Shard, now
from tests.examples import Event, envelope
from tests.servers.processes import Process
from tests.simulation.world import World

SIZES = ("embedded", "scaled")
PARTITIONS = 4
PARTITIONS_OF_SEVERAL = 7
"""Of an installation of three stores: no multiple of three, and of the first accounts of a story each store has some."""

EVERYTHING = 10**9
TIMES = {"recorded_at", "recordedAt", "lastRead", "position"}
FAR_AWAY = "2035-01-01T00:00:00Z"
"""After every day on which this is run: an account whose clock says so is ticked by nobody."""

Rows = dict[str, list[Any]]
"""Rows in order, by account."""


def torment_seconds(usual: float) -> float:
    """How long to go on: RENDEZVOUS_TORMENT_SECONDS, or as long as is usual."""
    return float(os.environ.get("RENDEZVOUS_TORMENT_SECONDS", usual))


def longer() -> bool:
    """Was a long run asked for?"""
    return "RENDEZVOUS_TORMENT_SECONDS" in os.environ


# --- what is published ------------------------------------------------------------------------------------------------------


def story(worlds: int, steps: int = 1500) -> list[bytes]:
    """What happens in two towns a world, each an account of its own, told as it happened; some 2,000 events a world. Without erasures:
    what an erasure leaves unsaid in what is decided again depends on the moment."""
    told = [_of_world(number, steps) for number in range(worlds)]
    in_turn = [event for events in zip(*told, strict=False) for event in events]
    return in_turn + [event for events in told for event in events[len(min(told, key=len)) :]]


def _of_world(number: int, steps: int) -> list[bytes]:
    events = [event for epoch in World(number, steps=steps, erasures=False).epochs() for event in (*epoch.first, *epoch.free)]
    events += [last_tick(account) for account in sorted({event["account"] for event in events})]
    lines = (json.dumps(event) for event in events)
    # Every world has the same two towns: in each they get a number of their own.
    return [line.replace("62515", f"62{number:03d}").replace("70001", f"70{number:03d}").encode() for line in lines]


def last_tick(account: str) -> Event:
    """After it an account's clock is ticked by nobody."""
    return envelope("clock.ticked", account, {"at": FAR_AWAY}, id="the last tick", source="clock", at=FAR_AWAY, account=account)


class Feeder(threading.Thread):
    """Publishes a story, so many events a second, each chunk until it is acknowledged."""

    CHUNK = 20

    def __init__(self, parts: Installation, told: Sequence[bytes], a_second: float) -> None:
        super().__init__(daemon=True)
        self._publisher, self._told, self._pause = parts.publisher, told, self.CHUNK / a_second
        self._stopping = threading.Event()
        self.acknowledged: list[tuple[str, str, int]] = []
        """Source, id and position of what a receipt was given for."""
        self.tried_again = 0
        self.failure: Exception | None = None

    def run(self) -> None:
        """The thread's life."""
        try:
            for at in range(0, len(self._told), self.CHUNK):
                self._publish(list(self._told[at : at + self.CHUNK]))
                if self._stopping.wait(self._pause):
                    return
        except Exception as error:  # told to whoever waits for the end
            self.failure = error

    def _publish(self, chunk: list[bytes]) -> None:
        while not self._stopping.is_set():
            try:
                receipts = self._publisher.accept(chunk)
            except TryAgain:
                self.tried_again += 1
                time.sleep(0.05)
                continue
            assert all(receipt.outcome != "rejected" for receipt in receipts)
            self.acknowledged += [(str(r.source), str(r.id), r.position or 0) for r in receipts]
            return

    def is_done(self) -> bool:
        """Was all of it acknowledged? Raises what ended the thread before."""
        if self.failure is not None:
            raise self.failure
        return not self.is_alive()

    def stop(self) -> None:
        """Publish no more."""
        self._stopping.set()
        self.join(60)
        assert self.is_done()


@contextmanager
def feeding(parts: Installation, told: Sequence[bytes], a_second: float) -> Iterator[Feeder]:
    """A story being published, until the block is left."""
    feeder = Feeder(parts, told, a_second)
    feeder.start()
    try:
        yield feeder
    finally:
        feeder.stop()


class Publishing:
    """`rendezvous publish` with one file after the other, each again until it has ended well. It may end otherwise only if it is killed,
    or with `may_fail`."""

    def __init__(self, start: Callable[[str], Process], files: Sequence[str], may_fail: bool = False) -> None:
        self._start, self._files, self._may_fail = start, list(files), may_fail
        self.process = start(self._files[0])
        self.kills = 0
        self.failures: list[str] = []
        """The last words of those that ended otherwise."""
        self.acknowledged: list[tuple[str, str, int]] = []
        """As of a feeder."""

    def tend(self) -> None:
        """Go on, if the process has ended."""
        ended = self.process
        if ended.code is None or not self._files:
            return
        told = [json.loads(line) for line in ended.told.splitlines(keepends=True) if line.endswith("\n")]
        assert all(receipt["outcome"] != "rejected" for receipt in told)
        self.acknowledged += [(receipt["source"], receipt["id"], receipt["position"]) for receipt in told]
        if ended.code == 0:
            self._files.pop(0)
        elif not ended.killed:
            assert self._may_fail, ended.said
            self.failures.append(ended.said)
        if self._files:
            self.process = self._start(self._files[0])

    def is_done(self) -> bool:
        """Was every file published to its end?"""
        self.tend()
        return not self._files

    def kill(self) -> None:
        """SIGKILL, if it is running."""
        self.kills += self.process.kill()

    def close(self) -> None:
        """Leave nothing running."""
        self.process.kill()


def files_of(told: Sequence[bytes], folder: Path, size: int) -> list[str]:
    """The story as files of so many events. Their names."""
    names = []
    for at in range(0, len(told), size):
        file = folder / f"{at:06d}.ndjson"
        file.write_bytes(b"".join(event + b"\n" for event in told[at : at + size]))
        names.append(str(file))
    return names


# --- what came of it ----------------------------------------------------------------------------------------------------------


class Outcome(NamedTuple):
    """What stands in the end, without our times: events as (stream, version, name, body), and the rows of the read models. In order
    within an account; where accounts are decided at once, what is of one comes at any moment between what is of another."""

    events: Rows
    rows: Rows


def opened(settings: dict[str, str]) -> Installation:
    """The installation of these settings, for the test itself."""
    told: dict[str, Any] = {name.removeprefix("RENDEZVOUS_").lower(): value for name, value in settings.items()}
    if "store" in told:
        told["store"] = SecretStr(told["store"])
    return Installation(Settings(**told))


def stores_in(settings: dict[str, str], number: int) -> str:
    """So many stores in the database of these settings, each with a schema of its own."""
    dsn, schema = settings["RENDEZVOUS_STORE"], settings["RENDEZVOUS_STORE_SCHEMA"]
    return "\n".join(f"{dsn}{'&' if '?' in dsn else '?'}schema={schema}_{one}" for one in range(1, number + 1))


def is_settled(parts: Installation) -> bool:
    """Is everything that was published decided, relayed and folded?"""
    try:
        decided = all(parts.shard_of_partition(p).store.place(p) >= parts.source.end(p) for p in parts.source.partitions())
        relayed = decided and all(shard.domain_log.last_id() >= shard.store.end() for shard in parts.shards)
        return relayed and all(shard.views.position() >= shard.domain_log.end() for shard in parts.shards)
    except TryAgain:
        return False


def outcome(parts: Installation) -> Outcome:
    """What an installation holds. An account is in one store."""
    events, rows = Rows(), Rows()
    for shard in parts.shards:
        for held, found in ((events, _events(shard.store.notifications(0, EVERYTHING))), (rows, _rows(shard.views.rows()))):
            assert not held.keys() & found.keys(), "an account is in two stores"
            held.update(found)
    return Outcome(events, rows)


def undisturbed(parts: Installation) -> Outcome:
    """What the source log of this installation comes to if nothing happens meanwhile."""
    store, domain_log, views = MemoryStore(), MemoryDomainLog(), MemoryViews()
    sync = Sync(parts.source, store, parts.vault, MemoryDeadLetters(), now)
    for partition in parts.source.partitions():
        while sync.step(partition) is not None:
            pass
        assert store.place(partition) == parts.source.end(partition), "the log said that it had ended, and it had not"
    relay, project = Relay(store, domain_log), Project(domain_log, views, parts.vault)
    while relay.step() or project.step():
        pass
    return Outcome(_events(store.notifications(0, EVERYTHING)), _rows(views.rows()))


def differing(one: Rows, other: Rows) -> list[str]:
    """Where two runs differ, the first of each account: empty if nowhere."""
    found = []
    for account in sorted(one.keys() | other.keys()):
        here, there = one.get(account, []), other.get(account, [])
        pairs = enumerate(zip(here, there, strict=False))
        first = next((f"{account}, {at}: {a} is not {b}" for at, (a, b) in pairs if a != b), None)
        if first is not None or len(here) != len(there):
            found.append(first or f"{account}: {len(here)} are not {len(there)}")
    return found


def assert_undisturbed(parts: Installation, acknowledged: Sequence[tuple[str, str, int]]) -> int:
    """The laws: what was acknowledged is where its receipt says; every record is decided once; what was decided and what readers see
    is what an undisturbed run gives; the domain log has it once, in order. Returns how many records the source log has."""
    records = {(p, record.position): json.loads(record.body) for p in parts.source.partitions() for record in _all(parts, p)}
    there = {(event["source"], event["id"], position) for (_, position), event in records.items()}
    assert set(acknowledged) <= there, f"acknowledged and not there: {sorted(set(acknowledged) - there)[:3]}"
    found, expected = outcome(parts), undisturbed(parts)
    decided = [body for events in found.events.values() for _, _, name, body in events if name == "source_event.decided.v1"]
    assert len(decided) == len(records)
    assert not (differences := differing(found.events, expected.events)), "\n".join(differences)
    assert not (differences := differing(found.rows, expected.rows)), "\n".join(differences)
    for shard in parts.shards:
        relayed = [(r.id, r.stream, r.version, r.name, r.body) for r in _relayed(shard)]
        assert relayed == [tuple(row) for row in shard.store.notifications(0, EVERYTHING)]
    return len(records)


def _all(parts: Installation, partition: str) -> Iterator[Any]:
    after = 0
    while page := parts.source.read(partition, after, 10_000):
        yield from page
        after = page[-1].position


def _relayed(shard: Shard) -> Iterator[Any]:
    after = 0
    while page := shard.domain_log.read(after, 10_000):
        yield from page
        after = page[-1].position


def _events(found: Sequence[tuple[int, Any, int, str, bytes]]) -> Rows:
    events: Rows = {}
    for _, stream, version, name, body in found:
        told = json.loads(body)
        # The position is the source record's here, the same in every run.
        kept = {key: value for key, value in told.items() if key != "recorded_at"}
        events.setdefault(told["account"], []).append((stream, version, name, kept))
    return events


def _rows(found: Any) -> Rows:
    """Rows without our times and their records' positions in the domain log, which depend on what other accounts do."""
    rows: Rows = {}
    for row in found:
        kind, account = str(row[0]), str(row[1])
        dropped = {"decision": (2, 6), "entry": (9, 10, 11), "meeting": (4,)}.get(kind, ())
        columns = [value is not None if index in dropped else _timeless(value) for index, value in enumerate(row)]
        rows.setdefault(account, []).append(tuple(columns))
    return rows


def _timeless(value: Any) -> Any:
    if isinstance(value, bytes) and value.startswith(b"{"):
        return _timeless(json.loads(value))
    if isinstance(value, dict):
        return {name: _timeless(inner) for name, inner in value.items() if name not in TIMES}
    return [_timeless(inner) for inner in value] if isinstance(value, list) else value
