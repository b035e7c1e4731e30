"""The source log on a real broker: what the contract cannot ask, because only Kafka has several partitions and other writers."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from kafka import KafkaAdminClient, KafkaProducer, TopicPartition

from adapters.kafka.connect import KafkaSettings
from adapters.kafka.reading import Reader
from adapters.kafka.source_log import KafkaSourceLog, partition_of
from domain.errors import PositionLost, Stop
from domain.ports import Appended, LogRecord, NewRecord
from domain.sighting import digest
from domain.source_events import SourceEvent, read
from tests.servers import kafka

BIG = b"x" * 200_000


@pytest.fixture
def settings() -> Iterator[KafkaSettings]:
    yield kafka.fresh(kafka.bootstrap(), partitions=4)
    kafka.close_all()


@pytest.fixture
def log(settings: KafkaSettings) -> KafkaSourceLog:
    return kafka.opened(KafkaSourceLog(settings))


def somebody(settings: KafkaSettings, **options: Any) -> Any:
    """A producer that knows nothing of us."""
    return kafka.opened(KafkaProducer(bootstrap_servers=settings.servers, **options))


def everything(log: KafkaSourceLog, limit: int = 1_000) -> dict[str, list[LogRecord]]:
    """Each partition, read to its end."""
    found: dict[str, list[LogRecord]] = {}
    for partition in log.partitions():
        kept = found[partition] = []
        while page := log.read(partition, kept[-1].position if kept else 0, limit):
            kept += page
    return found


# --- partitions ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("account", "hashed"),
    [("21", -973932308), ("foobar", -790332482), ("a-little-bit-long-string", -985981536), ("a-little-bit-longer-string", -1486304829)],
)
def test_an_account_is_where_javas_clients_put_it(account: str, hashed: int) -> None:
    # Hashes of Kafka's own test (UtilsTest.testMurmur2); what a partition is made of one is in BuiltInPartitioner.
    assert partition_of(account.encode(), 10) == (hashed & 0x7FFFFFFF) % 10


def test_an_account_stays_in_one_partition_and_its_order(settings: KafkaSettings, log: KafkaSourceLog) -> None:
    again = kafka.opened(KafkaSourceLog(settings))
    for batch in range(5):
        through = log if batch % 2 else again
        through.append([NewRecord(f"account {n % 40}", batch * 1_000 + n, b"{}") for n in range(200)], batch)
    by_partition = everything(log)
    places = {(kept.account, partition) for partition, records in by_partition.items() for kept in records}
    assert len(places) == 40
    assert sorted(len(records) > 0 for records in by_partition.values()) == [True] * 4
    for records in by_partition.values():
        assert [kept.position for kept in records] == list(range(1, len(records) + 1))
        for account in {kept.account for kept in records}:
            events = [kept.event for kept in records if kept.account == account]
            assert events == sorted(events)


def test_one_partition_far_behind_holds_up_no_other_and_does_not_fill_the_memory(
    settings: KafkaSettings, log: KafkaSourceLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("adapters.kafka.reading.ENOUGH_BYTES", 1_000_000)
    accounts = {partition_of(str(n).encode(), 4): str(n) for n in range(100)}
    for batch in range(6):
        log.append([NewRecord(accounts[0], batch * 100 + n, BIG + b"%d" % n) for n in range(30)], 1)
        log.append([NewRecord(accounts[partition], batch, b"{}") for partition in (1, 2, 3)], 1)
    found = everything(kafka.opened(KafkaSourceLog(settings)), limit=7)
    assert {partition: len(records) for partition, records in found.items()} == {"0": 180, "1": 6, "2": 6, "3": 6}
    # And in turns, as `sync` reads: each has something waiting while another is read.
    turns, places, read_of = kafka.opened(KafkaSourceLog(settings)), dict.fromkeys("0123", 0), dict.fromkeys("0123", 0)
    while True:
        pages = {partition: turns.read(partition, places[partition], 5) for partition in places}
        if not any(pages.values()):
            break
        for partition, page in pages.items():
            places[partition] = page[-1].position if page else places[partition]
            read_of[partition] += len(page)
    assert read_of == {"0": 180, "1": 6, "2": 6, "3": 6}


def test_a_read_is_bounded_in_bytes(settings: KafkaSettings, log: KafkaSourceLog, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.kafka.reading.MOST_BYTES", 1_000_000)
    partition = log.append([NewRecord("62515", n, BIG) for n in range(12)], 1)[0].partition
    sizes = []
    after = 0
    while page := log.read(partition, after, 1_000):
        sizes.append(len(page))
        after = page[-1].position
    assert (sum(sizes), max(sizes)) == (12, 5)


def test_waiting_on_several_partitions_ends_with_news_of_any(settings: KafkaSettings, log: KafkaSourceLog) -> None:
    assert log.wait(0, 60) is True  # nothing was read yet
    everything(log)
    assert log.wait(0, 0.05) is False
    other = kafka.opened(KafkaSourceLog(settings))
    for partition in range(4):
        account = next(str(n) for n in range(1_000) if partition_of(str(n).encode(), 4) == partition)
        other.append([NewRecord(account, 7, b"{}")], 1)
        assert log.wait(0, 60) is True
        found = {name: len(log.read(name, log.end(name) - 1, 10)) for name in [str(partition)]}
        assert found == {str(partition): 1}


# --- positions ----------------------------------------------------------------------------------------------------------


class Sleeping:
    """A consumer that sleeps through whatever it is given, and looks afterwards."""

    def __init__(self, answers: int) -> None:
        self.asked: list[int] = []
        self._answers = answers

    def poll(self, timeout_ms: int, max_records: int) -> dict[TopicPartition, list[Any]]:
        """Nothing, until it has been asked so often."""
        self.asked.append(timeout_ms)
        return {TopicPartition("t", 0): []} if len(self.asked) == self._answers else {}


@pytest.mark.parametrize(("answers", "asked"), [(1, [5]), (3, [5, 10, 20]), (9, [5, 10, 20, 40, 25])])
def test_a_wait_begins_with_a_glance(settings: KafkaSettings, answers: int, asked: list[int]) -> None:
    reader = Reader(settings, "t")
    reader._consumer = Sleeping(answers)
    reader._poll(0.1)
    assert reader._consumer.asked == asked


def test_a_reader_may_go_back_and_forth(log: KafkaSourceLog) -> None:
    [partition] = {answer.partition for answer in log.append([NewRecord("62515", n, b"{}") for n in range(20)], 1)}
    pages = [[kept.event for kept in log.read(partition, after, 3)] for after in (0, 3, 10, 2, 17, 0, 20)]
    assert pages == [[0, 1, 2], [3, 4, 5], [10, 11, 12], [2, 3, 4], [17, 18, 19], [0, 1, 2], []]


def test_a_position_that_the_log_does_not_reach_is_lost(log: KafkaSourceLog) -> None:
    [place] = log.append([NewRecord("62515", 1, b"{}")], 1)
    with pytest.raises(PositionLost):
        log.read(place.partition, 2, 10)
    assert len(log.read(place.partition, 0, 10)) == 1


def test_records_behind_the_first_that_are_gone_are_lost_to_who_needs_them(settings: KafkaSettings, log: KafkaSourceLog) -> None:
    [place, *_] = log.append([NewRecord("62515", n, b"{}") for n in range(10)], 1)
    admin = kafka.opened(KafkaAdminClient(bootstrap_servers=settings.servers))
    admin.delete_records({TopicPartition(settings.topic("source-events"), int(place.partition)): 6})
    assert [kept.position for kept in log.read(place.partition, 0, 10)] == [7, 8, 9, 10]
    assert [kept.position for kept in log.read(place.partition, 6, 10)] == [7, 8, 9, 10]
    with pytest.raises(PositionLost):
        log.read(place.partition, 5, 10)


def test_a_time_is_found_in_each_partition(log: KafkaSourceLog) -> None:
    accounts = {partition_of(str(n).encode(), 4): str(n) for n in range(100)}
    for at in (1_000, 2_000, 3_000):
        log.append([NewRecord(account, at, b"{}") for account in accounts.values()], at)
    asked = {at: [log.position_at(str(partition), at) for partition in range(4)] for at in (999, 1_000, 2_500, 9_000)}
    assert asked == {999: [0] * 4, 1_000: [1] * 4, 2_500: [2] * 4, 9_000: [3] * 4}


# --- other writers ------------------------------------------------------------------------------------------------------

TICK = {
    "specversion": "1.0",
    "id": "tick-1",
    "source": "/accounts/62515/clock",
    "type": "rendezvous.clock.ticked.v1",
    "account": "62515",
    "data": {"at": "2026-03-02T09:00:00Z"},
}


def test_events_that_others_publish_are_read_in_either_mode(settings: KafkaSettings, log: KafkaSourceLog) -> None:
    attributes = [(f"ce_{name}", str(text).encode()) for name, text in TICK.items() if name != "data"]
    other = somebody(settings)
    topic = settings.topic("source-events")
    sent = [
        other.send(topic, json.dumps(TICK).encode(), key=b"62515", timestamp_ms=5_000),
        other.send(topic, json.dumps(TICK["data"]).encode(), key=b"62515", headers=attributes, timestamp_ms=6_000),
    ]
    partition = str({future.get(10).partition for future in sent}.pop())
    assert partition == str(partition_of(b"62515", 4))
    kept = log.read(partition, 0, 10)
    assert [(one.account, one.event, one.recorded_at) for one in kept] == [
        ("62515", digest("/accounts/62515/clock", "tick-1"), at) for at in (5_000, 6_000)
    ]
    for one in kept:
        found = read(one.body)
        assert isinstance(found, SourceEvent)
        assert (found.id, found.kind) == ("tick-1", "clock.ticked")


def test_records_that_are_nothing_at_all_are_read_as_they_are(settings: KafkaSettings, log: KafkaSourceLog) -> None:
    other = somebody(settings)
    for value in (b"", None, b"\x00\xff", b'{"half'):
        other.send(settings.topic("source-events"), value, key=b"62515", partition=2).get(10)
    log.append([NewRecord(next(str(n) for n in range(99) if partition_of(str(n).encode(), 4) == 2), 7, b"{}")], 1)
    assert [(kept.event, kept.body) for kept in log.read("2", 0, 10)] == [(0, b""), (0, b""), (0, b"\x00\xff"), (0, b'{"half'), (7, b"{}")]


def test_what_a_transaction_leaves_behind_is_passed_over(settings: KafkaSettings, log: KafkaSourceLog) -> None:
    other = somebody(settings, transactional_id=settings.prefix)
    other.init_transactions()
    topic = settings.topic("source-events")
    for body, ending in (
        (b"kept", other.commit_transaction),
        (b"taken back", other.abort_transaction),
        (b"kept too", other.commit_transaction),
    ):
        other.begin_transaction()
        other.send(topic, body, key=b"1", partition=1)
        other.flush()
        ending()
    kept = log.read("1", 0, 10)
    assert [(one.position, one.body) for one in kept] == [(1, b"kept"), (5, b"kept too")]
    begun = time.monotonic()
    assert log.read("1", 5, 10) == []
    assert time.monotonic() - begun < 1.5  # only the end of a transaction stands there: nothing to be patient for


# --- appending ----------------------------------------------------------------------------------------------------------


def test_a_log_knows_again_only_so_many(settings: KafkaSettings) -> None:
    log = kafka.opened(KafkaSourceLog(settings, remembered=2))
    places = [log.append([NewRecord("62515", event, b"{}")], 1)[0] for event in (1, 2, 2, 3, 2, 1)]
    partition = places[0].partition
    assert [(place.position, place.duplicate) for place in places] == [(1, False), (2, False), (2, True), (3, False), (2, True), (4, False)]
    assert [kept.event for kept in log.read(partition, 0, 10)] == [1, 2, 3, 1]


def test_a_record_too_large_for_the_broker_says_stop_and_harms_no_other(settings: KafkaSettings, log: KafkaSourceLog) -> None:
    with pytest.raises(Stop):
        log.append([NewRecord("62515", 1, b"x" * 2_000_000)], 1)
    [place] = log.append([NewRecord("62515", 1, b"{}")], 1)
    assert place == Appended(str(partition_of(b"62515", 4)), 1, False)


def test_a_closed_log_says_stop(settings: KafkaSettings, log: KafkaSourceLog) -> None:
    log.close()
    for ask in (lambda: log.append([NewRecord("1", 1, b"")], 1), lambda: log.read("0", 0, 1), lambda: log.wait(0, 1)):
        with pytest.raises(Stop):
            ask()
