"""The domain log on a real broker: what a second relay does to it, what others read of it, and what a shard is."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaTimeoutError

from adapters.kafka import domain_log
from adapters.kafka.connect import KafkaSettings
from adapters.kafka.domain_log import KafkaDomainLog
from domain.errors import PositionLost, Stop, TryAgain
from domain.ports import DomainRecord
from tests.servers import kafka

STREAM = UUID("0b0e5d0c-5b1c-5f3a-9c5e-0123456789ab")


@pytest.fixture
def settings() -> Iterator[KafkaSettings]:
    yield kafka.fresh(kafka.bootstrap(), shards=2)
    kafka.close_all()


def opened(settings: KafkaSettings, shard: int = 0) -> KafkaDomainLog:
    return kafka.opened(KafkaDomainLog(settings, shard))


def record(id_: int, body: bytes = b"[]") -> DomainRecord:
    return DomainRecord(0, id_, "62515", STREAM, 3, "meeting.rescheduled.v1", body)


def records(*ids: int) -> list[DomainRecord]:
    return [record(id_) for id_ in ids]


def everything(log: KafkaDomainLog, limit: int = 1_000, after: int = 0) -> list[tuple[int, int]]:
    """(position, id) of all behind a position."""
    found: list[tuple[int, int]] = []
    while page := log.read(found[-1][0] if found else after, limit):
        found += [(one.position, one.id) for one in page]
    return found


def behind_its_back(settings: KafkaSettings, *ids: int) -> None:
    """Append as a relay does that does not know it lost its shard."""
    zombie = KafkaDomainLog(settings)
    zombie._last = zombie._tail.end(0), 0
    zombie.append(records(*ids))
    zombie.close()


def test_shards_are_apart(settings: KafkaSettings) -> None:
    first, second = opened(settings, 0), opened(settings, 1)
    first.append(records(1, 2, 3))
    second.append(records(7))
    assert (everything(first), everything(second)) == ([(1, 1), (2, 2), (3, 3)], [(1, 7)])
    assert (first.last_id(), second.last_id(), first.end(), second.end()) == (3, 7, 3, 1)


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_what_a_relay_repeats_that_lost_its_shard_is_passed_over(settings: KafkaSettings, limit: int) -> None:
    log = opened(settings)
    log.append(records(1, 2, 3, 4))
    behind_its_back(settings, 2, 3, 4, 5, 6)
    log.append(records(5, 6, 7))
    expected = [(1, 1), (2, 2), (3, 3), (4, 4), (8, 5), (9, 6), (10, 7)]
    assert everything(opened(settings), limit) == expected
    for position, _ in expected:
        behind = [pair for pair in expected if pair[0] > position]
        assert everything(opened(settings), limit, position) == behind


def test_repetitions_at_the_end_are_no_news(settings: KafkaSettings) -> None:
    log = opened(settings)
    log.append(records(1, 2))
    behind_its_back(settings, 1, 2)
    assert everything(log) == [(1, 1), (2, 2)]
    assert (log.end(), log.wait(2, 0.05), log.read(2, 10)) == (2, False, [])
    log.append(records(3))
    assert (log.wait(2, 60), everything(log, after=2)) == (True, [(5, 3)])


def test_two_relays_in_turns_see_what_the_other_wrote(settings: KafkaSettings) -> None:
    here, there = opened(settings), opened(settings)
    for id_ in range(1, 9):
        (here if id_ % 2 else there).append(records(*range(1, id_ + 1)))
    assert everything(opened(settings)) == [(n, n) for n in range(1, 9)]


def test_more_than_one_batch_keeps_its_order(settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(domain_log, "BATCH_BYTES", 10_000)
    log = opened(settings)
    log.append([record(id_, b"x" * 3_000) for id_ in range(1, 40)])
    assert everything(log, limit=7) == [(n, n) for n in range(1, 40)]


def test_nothing_follows_a_batch_that_failed(settings: KafkaSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(domain_log, "BATCH_BYTES", 3 * 402)
    log = opened(settings)
    log.append(records(1))
    send = KafkaProducer.send

    def sent(producer: Any, topic: str, value: bytes, **options: Any) -> Any:
        if dict(options["headers"])["ce_id"] == b"6":
            raise KafkaTimeoutError("the broker is away")
        return send(producer, topic, value, **options)

    monkeypatch.setattr(KafkaProducer, "send", sent)
    with pytest.raises(TryAgain):
        log.append(records(2, 3, 4, 5, 6, 7, 8, 9, 10))
    monkeypatch.setattr(KafkaProducer, "send", send)
    there = [id_ for _, id_ in everything(opened(settings))]
    assert there in ([1, 2, 3, 4], [1, 2, 3, 4, 5])  # what was under way with the one that failed may have come through
    log.append(records(*range(2, 11)))
    assert [id_ for _, id_ in everything(log)] == list(range(1, 11))


def test_anybody_can_read_what_stands_there(settings: KafkaSettings) -> None:
    opened(settings).append([record(4, b'{"account":"62515"}')])
    other = kafka.opened(KafkaConsumer(bootstrap_servers=settings.servers, auto_offset_reset="earliest"))
    other.assign([TopicPartition(settings.topic("domain-events"), 0)])
    [[found]] = other.poll(timeout_ms=10_000).values()
    assert (found.key, found.value) == (b"62515", b'{"account":"62515"}')
    assert dict(found.headers) == {
        "ce_id": b"4",
        "ce_type": b"rendezvous.domain.meeting.rescheduled.v1",
        "ce_subject": STREAM.hex.encode(),
        "ce_sequence": b"00000000000000000003",
        "ce_account": b"62515",
        "ce_source": b"/accounts/62515",
        "ce_specversion": b"1.0",
        "content-type": b"application/json",
    }


def test_a_position_that_is_not_there_is_lost(settings: KafkaSettings) -> None:
    log = opened(settings)
    log.append(records(1, 2))
    with pytest.raises(PositionLost):
        log.read(3, 10)
    assert everything(log) == [(1, 1), (2, 2)]


def test_a_log_without_its_beginning_is_not_read_as_if_it_were_whole(settings: KafkaSettings) -> None:
    opened(settings).append(records(1, 2, 3, 4))
    admin = kafka.opened(KafkaAdminClient(bootstrap_servers=settings.servers))
    admin.delete_records({TopicPartition(settings.topic("domain-events"), 0): 2})
    with pytest.raises(PositionLost):
        opened(settings).read(0, 10)
    assert everything(opened(settings), after=3) == [(4, 4)]


def test_what_nobody_of_ours_wrote_says_stop(settings: KafkaSettings) -> None:
    other = kafka.opened(KafkaProducer(bootstrap_servers=settings.servers))
    other.send(settings.topic("domain-events"), b"{}", key=b"62515", partition=0).get(10)
    with pytest.raises(Stop, match="position 1: no domain event of ours"):
        opened(settings).read(0, 10)


def test_a_closed_log_says_stop(settings: KafkaSettings) -> None:
    log = opened(settings)
    log.close()
    for ask in (lambda: log.append(records(1)), lambda: log.read(0, 1), log.last_id):
        with pytest.raises(Stop):
            ask()
