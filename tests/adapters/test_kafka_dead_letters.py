"""Dead letters on a real broker: several processes, large bodies, and what operators see without anything of ours."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition

from adapters.kafka.connect import KafkaSettings
from adapters.kafka.dead_letters import KafkaDeadLetters
from domain.errors import Stop
from domain.ports import DeadLetter
from tests.servers import kafka


@pytest.fixture
def settings() -> Iterator[KafkaSettings]:
    yield kafka.fresh(kafka.bootstrap())
    kafka.close_all()


def letter(name: str, body: bytes = b"\xff", state: str = "waiting") -> DeadLetter:
    return DeadLetter(name, "62515", "0", 12, 1_772_442_904_120, [{"pointer": "/data", "reason": "„bald“"}], body, state)


def test_letters_with_more_than_may_be_held_are_whole_all_the_same(settings: KafkaSettings) -> None:
    box = kafka.opened(KafkaDeadLetters(settings, most_bytes=2_500))
    letters = [letter(f"0-{n}", bytes([n]) * 1_000) for n in range(6)]
    box.put(letters)
    assert box.list(None, "", 10) == letters
    assert [box.get(f"0-{n}") for n in (3, 0, 5)] == [letters[3], letters[0], letters[5]]
    box.mark("0-0", "retried")
    assert box.get("0-0") == letters[0]._replace(state="retried")


def test_processes_see_each_others_letters_and_marks(settings: KafkaSettings) -> None:
    here, there = kafka.opened(KafkaDeadLetters(settings)), kafka.opened(KafkaDeadLetters(settings))
    here.put([letter("0-1")])
    there.mark("0-1", "retried")
    here.put([letter("0-1"), letter("0-2")])
    assert here.list(None, "", 10) == there.list(None, "", 10) == [letter("0-1", state="retried"), letter("0-2")]


def test_an_operator_reads_why_with_any_client(settings: KafkaSettings) -> None:
    kafka.opened(KafkaDeadLetters(settings)).put([letter("0-12", b'{"half')])
    other = kafka.opened(KafkaConsumer(bootstrap_servers=settings.servers, auto_offset_reset="earliest"))
    other.assign([TopicPartition(settings.topic("dead-letters"), 0)])
    [[found]] = other.poll(timeout_ms=10_000).values()
    assert (found.key, found.value) == (b"62515", b'{"half')
    assert dict(found.headers) == {
        "ce_id": b"0-12",
        "ce_type": b"rendezvous.dead-letter.v1",
        "ce_specversion": b"1.0",
        "ce_source": b"/source-log/0",
        "ce_subject": b"12",
        "ce_time": b"2026-03-02T09:15:04.120+00:00",
        "ce_account": b"62515",
        "ce_errors": '[{"pointer":"/data","reason":"„bald“"}]'.encode(),
        "ce_state": b"waiting",
        "content-type": b"application/octet-stream",
    }


def test_what_somebody_else_wrote_there_is_passed_over(settings: KafkaSettings) -> None:
    other = kafka.opened(KafkaProducer(bootstrap_servers=settings.servers))
    for headers in ([], [("ce_id", b"0-1")], [("ce_id", b"0-1"), ("ce_type", b"rendezvous.dead-letter.marked.v1")]):
        other.send(settings.topic("dead-letters"), b"{}", headers=headers).get(10)
    box = kafka.opened(KafkaDeadLetters(settings))
    box.put([letter("0-2")])
    assert box.list(None, "", 10) == [letter("0-2")]


def test_a_closed_box_says_stop(settings: KafkaSettings) -> None:
    box = kafka.opened(KafkaDeadLetters(settings))
    box.close()
    with pytest.raises(Stop):
        box.put([letter("0-1")])
    with pytest.raises(Stop):
        box.get("0-1")
