"""The source log read by a consumer group: partitions come and go, consumers die, freeze and stall, and no record is missed."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from kafka import KafkaAdminClient, TopicPartition
from kafka.structs import MemberState

from adapters.kafka.connect import KafkaSettings
from adapters.kafka.source_log import KafkaSourceLog
from domain.errors import TryAgain
from domain.ports import LogRecord, NewRecord
from tests.servers import kafka
from tests.servers.kafka import eventually

ROOT = Path(__file__).parents[2]
GROUP = "sync"
PARTITIONS = {"0", "1", "2", "3"}


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Iterator[KafkaSettings]:
    monkeypatch.setattr("adapters.kafka.reading.SESSION_MS", 6_000)  # the least that a broker allows unless told otherwise
    monkeypatch.setattr("adapters.kafka.reading.HEARTBEAT_MS", 500)
    yield kafka.fresh(kafka.bootstrap(), partitions=4)
    kafka.close_all()


class Member(threading.Thread):
    """A member of the group with a loop of its own, as every role has: who joins waits for all others to look in. `busy` is how long
    it is occupied between two looks."""

    def __init__(self, settings: KafkaSettings, busy: float = 0.0) -> None:
        super().__init__(daemon=True)
        self.log, self.held = kafka.opened(KafkaSourceLog(settings, group=GROUP)), set[str]()
        self._busy, self._stopping = busy, threading.Event()
        self.start()

    def run(self) -> None:
        while not self._stopping.is_set():
            try:
                self.step()
            except TryAgain:
                continue
            self._stopping.wait(self._busy)

    def step(self) -> None:
        self.held = set(self.log.partitions())
        self.log.wait(0, 0.05)

    def stop(self) -> None:
        self._stopping.set()
        self.join()
        self.log.close()
        self.held = set()


@pytest.fixture
def joined() -> Iterator[Callable[..., Member]]:
    """Makes members, and stops those that still run."""
    made: list[Member] = []

    def join(settings: KafkaSettings, busy: float = 0.0) -> Member:
        made.append(Member(settings, busy))
        return made[-1]

    yield join
    for member in made:
        if member.is_alive():
            member.stop()


Join = Callable[..., Member]


def alone(settings: KafkaSettings) -> KafkaSourceLog:
    """A member that has all partitions."""
    log = kafka.opened(KafkaSourceLog(settings, group=GROUP))
    assert eventually(lambda: set(log.partitions()) == PARTITIONS)
    return log


def fill(settings: KafkaSettings, first: int, count: int) -> None:
    writer = KafkaSourceLog(settings)
    writer.append([NewRecord(f"account {n % 60}", n, b"{}") for n in range(first, first + count)], 1)
    writer.close()


def shared(*members: Member) -> bool:
    """Has each some partitions, and all together each once?"""
    held = [member.held for member in members]
    return all(held) and set().union(*held) == PARTITIONS and sum(map(len, held)) == len(PARTITIONS)


class Database:
    """Positions and what was decided, committed together or not at all: what stands between a zombie and the truth."""

    def __init__(self) -> None:
        self.places = dict.fromkeys(PARTITIONS, 0)
        self.decided: list[int] = []
        self.refused = 0
        self._one = threading.Lock()

    def commit(self, partition: str, after: int, records: list[LogRecord]) -> None:
        with self._one:
            if self.places[partition] != after:
                self.refused += 1
                return
            self.places[partition] = records[-1].position
            self.decided += [record.event for record in records]

    def step(self, log: KafkaSourceLog) -> bool:
        moved = False
        for partition in log.partitions():
            after = self.places[partition]
            if records := log.read(partition, after, 7):
                self.commit(partition, after, records)
                moved = True
        return moved


class Role(Member):
    """A `sync`: it decides what its partitions hold."""

    def __init__(self, settings: KafkaSettings, database: Database) -> None:
        self._database = database
        super().__init__(settings)

    def step(self) -> None:
        self.held = set(self.log.partitions())
        if not self._database.step(self.log):
            self.log.wait(0, 0.05)


def test_members_share_the_partitions_and_take_over_from_who_leaves(settings: KafkaSettings, joined: Join) -> None:
    first = joined(settings)
    assert eventually(lambda: shared(first))
    second, third = joined(settings), joined(settings)
    assert eventually(lambda: shared(first, second, third))
    second.stop()
    assert eventually(lambda: shared(first, third))
    first.stop()
    assert eventually(lambda: shared(third))


def test_members_that_look_in_only_now_and_then_share_all_the_same(settings: KafkaSettings, joined: Join) -> None:
    members: list[Member] = []
    for busy in (0.3, 0.5, 0.7):
        members.append(joined(settings, busy))
        assert eventually(lambda: shared(*members))


def test_a_member_reads_on_from_the_database_whatever_was_committed_to_kafka(settings: KafkaSettings) -> None:
    fill(settings, 0, 200)
    first = alone(settings)
    ends = {partition: first.end(partition) for partition in PARTITIONS}
    for partition in PARTITIONS:
        assert len(first.read(partition, 0, 1_000)) == ends[partition]
        assert first.read(partition, ends[partition], 1_000) == []
    first.close()
    second = alone(settings)
    assert {partition: len(second.read(partition, 3, 1_000)) for partition in PARTITIONS} == {
        partition: end - 3 for partition, end in ends.items()
    }


def test_tools_are_shown_how_far_the_database_is(settings: KafkaSettings) -> None:
    fill(settings, 0, 100)
    log = alone(settings)
    for partition in PARTITIONS:
        log.read(partition, 0, 5)
    admin: Any = kafka.opened(KafkaAdminClient(bootstrap_servers=settings.servers))
    topic = settings.topic("source-events")

    def shown() -> dict[str, int]:
        try:
            for partition in log.partitions():
                log.read(partition, 5, 5)  # says that 5 are done with; what is shown is for tools, and may come late
        except TryAgain:
            return {}  # on a busy machine it may have to join anew
        found = admin.list_group_offsets([settings.topic(GROUP)])[settings.topic(GROUP)]
        return {p: found[at].offset for p in PARTITIONS if (at := TopicPartition(topic, int(p))) in found}

    assert eventually(lambda: shown() == dict.fromkeys(PARTITIONS, 5), 60)


def test_a_partition_that_is_another_members_is_empty(settings: KafkaSettings, joined: Join) -> None:
    fill(settings, 0, 200)
    first = joined(settings)
    assert eventually(lambda: shared(first))
    for partition in PARTITIONS:
        assert [record.position for record in first.log.read(partition, 0, 3)] == [1, 2, 3]
    second = joined(settings)
    assert eventually(lambda: shared(first, second))
    for partition in PARTITIONS:
        owner, other = (first, second) if partition in first.held else (second, first)
        assert [record.position for record in owner.log.read(partition, 3, 2)] == [4, 5]
        assert other.log.read(partition, 3, 2) == []


@pytest.mark.timeout(60)
def test_a_member_that_has_to_join_again_reads_what_it_has_meanwhile(settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(settings, 0, 100)
    log = alone(settings)
    monkeypatch.setattr("adapters.kafka.reading.JOIN_SECONDS", 600)
    away = SimpleNamespace(state=MemberState.REBALANCING)
    monkeypatch.setattr(log._reader._consumer, "group_metadata", lambda: away)
    assert {partition: len(log.read(partition, 0, 3)) for partition in PARTITIONS} == dict.fromkeys(PARTITIONS, 3)


def test_partitions_that_are_added_are_shared_without_building_anything_anew(settings: KafkaSettings) -> None:
    log = alone(settings)
    admin: Any = kafka.opened(KafkaAdminClient(bootstrap_servers=settings.servers))
    admin.create_partitions({settings.topic("source-events"): 6})

    coordinator = log._reader._consumer._coordinator

    def heard() -> bool:
        coordinator._cluster.request_update()  # of itself it looks every five minutes
        return bool(coordinator.need_rejoin())

    assert eventually(heard)
    log.read("0", 0, 1)
    time.sleep(0.5)  # what was read is decided; nobody hears that the group has formed
    assert eventually(lambda: set(log.partitions()) == PARTITIONS | {"4", "5"}, 10)
    assert log.stalls == 0


@pytest.mark.slow
def test_members_that_come_and_go_miss_nothing_and_decide_nothing_twice(settings: KafkaSettings, joined: Join) -> None:
    database, count = Database(), 0
    steady = Role(settings, database)
    for _ in range(4):
        passing = Role(settings, database)
        fill(settings, count, 300)
        count += 300
        assert eventually(partial(shared, steady, passing))
        passing.stop()
    assert eventually(lambda: len(database.decided) >= count)
    steady.stop()
    assert sorted(database.decided) == list(range(count))


_FROZEN = """
import sys
from adapters.kafka import reading
from adapters.kafka.connect import KafkaSettings
from adapters.kafka.source_log import KafkaSourceLog
from domain.errors import TryAgain
reading.SESSION_MS, reading.HEARTBEAT_MS = 6_000, 500
log = KafkaSourceLog(KafkaSettings(bootstrap=sys.argv[1], prefix=sys.argv[2]), group=sys.argv[3])
while True:
    try:
        print(*log.partitions(), flush=True)
        log.wait(0, 0.1)
    except TryAgain:
        continue
"""


class Frozen:
    """A member in a process of its own, which says again and again which partitions it has."""

    def __init__(self, settings: KafkaSettings) -> None:
        command = [sys.executable, "-W", "ignore", "-c", _FROZEN, settings.bootstrap, settings.prefix, GROUP]
        self.process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        self.held: set[str] = set()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.held = set(line.split())

    def end(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.mark.slow
def test_a_frozen_member_loses_its_partitions_and_gets_some_again_when_it_wakes(settings: KafkaSettings, joined: Join) -> None:
    frozen = Frozen(settings)
    try:
        assert eventually(lambda: frozen.held == PARTITIONS)
        awake = joined(settings)
        assert eventually(lambda: len(awake.held) == 2 and frozen.held == PARTITIONS - awake.held)
        frozen.process.send_signal(signal.SIGSTOP)
        assert eventually(lambda: shared(awake))
        fill(settings, 0, 100)
        assert sum(len(awake.log.read(partition, 0, 1_000)) for partition in PARTITIONS) == 100
        frozen.process.send_signal(signal.SIGCONT)
        assert eventually(lambda: len(awake.held) == 2 and frozen.held == PARTITIONS - awake.held)
    finally:
        frozen.end()
    assert eventually(lambda: shared(awake))


# --- a consumer that delivers nothing more ------------------------------------------------------------------------------


@pytest.mark.parametrize("group", [None, GROUP], ids=["alone", "in a group"])
def test_a_stalled_consumer_is_built_anew(settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch, group: str | None) -> None:
    monkeypatch.setattr("adapters.kafka.reading.PATIENCE_SECONDS", 0.2)
    monkeypatch.setattr("adapters.kafka.reading.STALLED_SECONDS", 0.5)
    fill(settings, 0, 40)
    log = kafka.opened(KafkaSourceLog(settings, group=group))
    assert eventually(lambda: set(log.partitions()) == PARTITIONS)
    before = log.read("1", 0, 1_000)[-1].position
    monkeypatch.setattr(log._reader._consumer, "poll", lambda **_: {})  # as kafka-python does it: no record, and no error
    fill(settings, 40, 40)

    with pytest.raises(TryAgain):
        log.read("1", before, 1_000)
    assert log.stalls == 0  # a moment is no stall
    found: list[int] = []

    def reads_again() -> bool:
        try:
            if "1" in log.partitions():
                found.extend(record.position for record in log.read("1", before, 1_000))
        except TryAgain:
            pass
        return bool(found)

    assert eventually(reads_again)
    assert (log.stalls, found) == (1, list(range(before + 1, log.end("1") + 1)))


def test_a_group_that_cannot_be_joined_is_tried_anew(settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.kafka.reading.STALLED_SECONDS", -5.5)  # with the session's length: half a second
    monkeypatch.setattr("adapters.kafka.reading.JOIN_SECONDS", 0.1)
    log = kafka.opened(KafkaSourceLog(settings, group=GROUP))
    log.end("0")  # connects, and does not join yet
    monkeypatch.setattr(log._reader._consumer, "poll", lambda **_: {})
    outcomes: list[str] = []

    def joins() -> bool:
        try:
            return set(log.partitions()) == PARTITIONS
        except TryAgain:
            outcomes.append("tried anew")
            monkeypatch.setattr("adapters.kafka.reading.JOIN_SECONDS", 5)
            monkeypatch.setattr("adapters.kafka.reading.STALLED_SECONDS", 60)
            return False

    assert eventually(joins)
    assert (outcomes, log.stalls) == (["tried anew"], 1)
