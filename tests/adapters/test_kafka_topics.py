"""Topics: made once by whoever comes first, left alone by whoever comes later, and missed clearly."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from kafka.admin import ConfigResource

from adapters.kafka.connect import KafkaSettings, administration
from adapters.kafka.dead_letters import KafkaDeadLetters
from adapters.kafka.domain_log import KafkaDomainLog
from adapters.kafka.source_log import KafkaSourceLog
from adapters.kafka.topics import Migration, TopicOptions, check, migrate
from domain.errors import BadInput, Stop
from domain.ports import NewRecord
from tests.servers import kafka

SMALL = TopicOptions(partitions=3)


@pytest.fixture
def settings() -> Iterator[KafkaSettings]:
    yield kafka.unmade(kafka.bootstrap())
    kafka.close_all()


def configured(settings: KafkaSettings, name: str, *keys: str) -> list[str]:
    with administration(settings) as admin:
        found = admin.describe_configs([ConfigResource("topic", settings.topic(name), None)], config_filter="all")
    return [found["topic"][settings.topic(name)][key]["value"] for key in keys]


def test_topics_are_made_with_settings_that_keep_what_was_recorded(settings: KafkaSettings) -> None:
    made = migrate(settings, TopicOptions(partitions=3, shards=2, retention_ms=86_400_000)).made
    assert sorted(made) == [settings.topic(name) for name in ("dead-letters", "domain-events", "source-events")]
    assert check(settings) == {"source-events": 3, "domain-events": 2, "dead-letters": 1}
    keys = ("retention.ms", "compression.type", "min.insync.replicas", "cleanup.policy")
    assert configured(settings, "source-events", *keys) == ["86400000", "lz4", "1", "delete"]
    assert configured(settings, "domain-events", *keys) == ["-1", "lz4", "1", "delete"]


def test_a_second_migration_does_nothing(settings: KafkaSettings) -> None:
    migrate(settings, SMALL)
    assert migrate(settings, SMALL) == Migration([], [])


def test_two_migrations_at_once_are_one(settings: KafkaSettings) -> None:
    with ThreadPoolExecutor(4) as threads:
        outcomes = list(threads.map(lambda _: migrate(settings, SMALL), range(4)))
    assert sorted(name for outcome in outcomes for name in outcome.made) == [
        settings.topic(name) for name in ("dead-letters", "domain-events", "source-events")
    ]
    assert [outcome.differs for outcome in outcomes] == [[], [], [], []]


def test_what_differs_is_told_and_left_alone(settings: KafkaSettings) -> None:
    migrate(settings, SMALL)
    assert migrate(settings, TopicOptions(partitions=12, retention_ms=1_000)) == Migration(
        [],
        [f"{settings.topic('source-events')}: partitions is 3, not 12", f"{settings.topic('source-events')}: retention.ms is -1, not 1000"],
    )
    assert check(settings)["source-events"] == 3


def test_shards_are_added(settings: KafkaSettings) -> None:
    migrate(settings, SMALL)
    assert migrate(settings, TopicOptions(partitions=3, shards=4)) == Migration([f"{settings.topic('domain-events')}, 4 partitions"], [])
    assert migrate(settings, TopicOptions(partitions=3, shards=2)) == Migration([], [])
    assert check(settings)["domain-events"] == 4


def test_more_replicas_in_sync_than_there_are_is_refused(settings: KafkaSettings) -> None:
    with pytest.raises(BadInput):
        migrate(settings, TopicOptions(replicas=1, in_sync=2))


def test_more_replicas_than_brokers_says_stop_and_makes_nothing(settings: KafkaSettings) -> None:
    with pytest.raises(Stop):
        migrate(settings, TopicOptions(replicas=3_000))
    with pytest.raises(Stop):
        check(settings)


@pytest.mark.parametrize(
    "ask",
    [
        pytest.param(check, id="examined at start"),
        pytest.param(lambda settings: kafka.opened(KafkaSourceLog(settings)).end("0"), id="source log read"),
        pytest.param(lambda settings: kafka.opened(KafkaSourceLog(settings, group="sync")).partitions(), id="group joined"),
        pytest.param(lambda settings: kafka.opened(KafkaSourceLog(settings)).append([NewRecord("1", 1, b"")], 1), id="source log written"),
        pytest.param(lambda settings: kafka.opened(KafkaDomainLog(settings)).last_id(), id="domain log"),
        pytest.param(lambda settings: kafka.opened(KafkaDeadLetters(settings)).get("0-1"), id="dead letters"),
    ],
)
def test_a_missing_topic_says_at_once_what_to_run(settings: KafkaSettings, ask: Callable[[KafkaSettings], object]) -> None:
    begun = time.monotonic()
    with pytest.raises(Stop, match="rendezvous migrate"):
        ask(settings)
    assert time.monotonic() - begun < 10
    with pytest.raises(Stop, match="source-events"):  # and was not made by being asked for
        check(settings)
