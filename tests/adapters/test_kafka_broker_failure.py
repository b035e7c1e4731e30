"""A broker that is killed and started again: what was acknowledged is there, and everybody goes on by himself."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from functools import partial
from uuid import UUID

import pytest

from adapters.kafka.connect import KafkaSettings
from adapters.kafka.domain_log import KafkaDomainLog
from adapters.kafka.source_log import KafkaSourceLog
from domain.errors import TryAgain
from domain.ports import DomainRecord, NewRecord
from tests.servers import kafka
from tests.servers.kafka import Broker, eventually

pytestmark = pytest.mark.slow
KILLS = 2


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    with kafka.broker_of_ones_own() as made:
        yield made


@pytest.fixture
def settings(broker: Broker) -> Iterator[KafkaSettings]:
    yield kafka.fresh(broker.bootstrap, partitions=2)
    kafka.close_all()


class Writer(threading.Thread):
    """Appends batch after batch until told to stop, trying each again until it is acknowledged. With true times: see the log's words."""

    def __init__(self, log: KafkaSourceLog) -> None:
        super().__init__()
        self._log, self._stopping = log, threading.Event()
        self.acknowledged: set[int] = set()
        self.tried_again = 0

    def run(self) -> None:
        first = 0
        while not self._stopping.is_set():
            batch = [NewRecord(f"account {n % 7}", n, b"x" * 500) for n in range(first, first + 20)]
            try:
                self._log.append(batch, time.time_ns() // 1_000_000)
            except TryAgain:
                self.tried_again += 1
                continue
            self.acknowledged.update(record.event for record in batch)
            first += 20

    def stop(self) -> None:
        self._stopping.set()
        self.join()


def again(broker: Broker) -> None:
    broker.kill()
    broker.start()


@pytest.mark.parametrize("group", [None, "sync"], ids=["alone", "in a group"])
def test_nothing_acknowledged_is_lost_and_readers_go_on(broker: Broker, settings: KafkaSettings, group: str | None) -> None:
    reader = kafka.opened(KafkaSourceLog(settings, group=group))
    writer = Writer(kafka.opened(KafkaSourceLog(settings)))
    places = {"0": 0, "1": 0}
    seen: list[int] = []

    def read_all_that_was_acknowledged() -> bool:
        try:
            for partition in reader.partitions():
                if page := reader.read(partition, places[partition], 1_000):
                    assert page[0].position > places[partition]
                    places[partition] = page[-1].position
                    seen.extend(record.event for record in page)
        except TryAgain:
            pass
        return writer.acknowledged <= set(seen)

    def more_than(count: int, read: bool) -> bool:
        read_all_that_was_acknowledged()
        return len(seen if read else writer.acknowledged) > count

    assert eventually(lambda: len(reader.partitions()) == 2)
    writer.start()
    took = []
    for _ in range(KILLS):
        assert eventually(partial(more_than, len(writer.acknowledged) + 200, False))
        again(broker)
        begun = time.monotonic()
        assert eventually(partial(more_than, len(seen), True), 60)
        took.append(round(time.monotonic() - begun, 1))
    writer.stop()
    assert eventually(read_all_that_was_acknowledged, 60)
    assert len(writer.acknowledged) > 0
    # A repetition after an append that failed half is another record; without one there is none.
    assert len(seen) == len(set(seen)) or writer.tried_again > 0
    print(f"read on after {took} s; stalls: {reader.stalls}; appends tried again: {writer.tried_again}")


def test_a_relay_goes_on_without_gap_or_double(broker: Broker, settings: KafkaSettings) -> None:
    log = kafka.opened(KafkaDomainLog(settings))
    stopping = threading.Event()
    last = 0

    def relayed(count: int) -> bool:
        return last > count

    def relay() -> None:
        nonlocal last
        while not stopping.is_set():
            try:
                after = log.last_id()
                log.append([DomainRecord(0, n, "62515", UUID(int=1), 1, "x.v1", b"x" * 500) for n in range(after + 1, after + 51)])
                last = after + 50
            except TryAgain:
                continue

    relaying = threading.Thread(target=relay)
    relaying.start()
    for _ in range(KILLS):
        assert eventually(partial(relayed, last), 60)
        again(broker)
    assert eventually(partial(relayed, last), 60)
    stopping.set()
    relaying.join()
    ids: list[int] = []
    position = 0
    while page := log.read(position, 1_000):
        ids += [record.id for record in page]
        position = page[-1].position
    assert ids == list(range(1, last + 1))


def test_a_broker_that_is_away_says_try_again_in_time(broker: Broker, settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.kafka.connect.BOOTSTRAP_MS", 1_000)
    log = kafka.opened(KafkaSourceLog(settings))
    [place] = log.append([NewRecord("62515", 1, b"{}")], 1)
    broker.kill()
    try:
        begun = time.monotonic()
        with pytest.raises(TryAgain):
            log.read(place.partition, 0, 10)
        assert time.monotonic() - begun < 10
    finally:
        broker.start()
    assert eventually(lambda: _reads(log, place.partition) == [1])


def _reads(log: KafkaSourceLog, partition: str) -> list[int]:
    try:
        return [record.event for record in log.read(partition, 0, 10)]
    except TryAgain:
        return []
