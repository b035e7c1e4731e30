"""Our topics: made by `migrate`, examined at each start, never made by accident.

What must stay true: the source log's number of partitions never changes, because an account is found by its hash among them; what
was recorded is not deleted unless somebody chose so; and doing it twice, or two doing it at once, is doing it once.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from kafka import errors
from kafka.admin import ConfigResource

from adapters.kafka.connect import BOOTSTRAP_MS, KafkaSettings, administration
from domain.errors import BadInput, Stop

SOURCE_EVENTS, DOMAIN_EVENTS, DEAD_LETTERS = "source-events", "domain-events", "dead-letters"

FOREVER = -1
"""Kafka's word for a retention without end."""

MOST_REPLICAS = 3
"""Replicas of each partition where nothing else is said and the cluster has as many brokers."""


@dataclass(frozen=True, kw_only=True)
class TopicOptions:
    """What an operator may choose when the topics are made.

    `partitions` of the source log: how many `sync` can share the work, for ever. `shards`: stores, each with a partition of the
    domain log of its own. `retention_ms` of the source log; the domain log is always kept whole, since a read model made of less would
    be wrong without anybody knowing.
    """

    partitions: int = 12
    shards: int = 1
    replicas: int | None = None
    in_sync: int | None = None
    retention_ms: int = FOREVER


@dataclass(frozen=True)
class Migration:
    """What `migrate` did: topics made, partitions added, and in sentences what is not as it would have made it."""

    made: list[str] = field(default_factory=list)
    differs: list[str] = field(default_factory=list)


def migrate(settings: KafkaSettings, options: TopicOptions | None = None) -> Migration:
    """Make what is not there, compare what is. Settings that differ are told and left alone: somebody may have chosen them. Only
    partitions of the domain log are added, one a shard, which moves nothing. Raises `BadInput` for options Kafka could not keep."""
    options = options or TopicOptions()
    with administration(settings) as admin:
        wanted = _wanted(settings, _replicated(options, admin))
        made = [name for name, error in _create(admin, wanted).items() if error is errors.NoError]
        admin.wait_for_topics(list(wanted))
        domain_events = settings.topic(DOMAIN_EVENTS)
        grown = _grow(admin, domain_events, options.shards)
        # It has that many by now, or more for shards to come.
        wanted[domain_events]["num_partitions"] = len(admin.describe_topics([domain_events])[0]["partitions"])
        return Migration(made + grown, _differences(admin, {name: wanted[name] for name in wanted if name not in made}))


def _replicated(options: TopicOptions, admin: Any) -> TopicOptions:
    """The options with replicas and how many of them must have a record: all but one, so that one broker may be away."""
    replicas = options.replicas or min(MOST_REPLICAS, len(admin.describe_cluster()["brokers"]))
    in_sync = options.in_sync or max(1, replicas - 1)
    if in_sync > replicas:
        raise BadInput("in_sync", f"{in_sync} in sync of {replicas} replicas: nothing could ever be written")
    return replace(options, replicas=replicas, in_sync=in_sync)


def _wanted(settings: KafkaSettings, options: TopicOptions) -> dict[str, dict[str, Any]]:
    """Each topic as kafka-python's `create_topics` takes it."""

    def topic(partitions: int, retention_ms: int = FOREVER) -> dict[str, Any]:
        configs = {
            "cleanup.policy": "delete",
            "retention.ms": str(retention_ms),
            "retention.bytes": "-1",
            "compression.type": "lz4",
            "min.insync.replicas": str(options.in_sync),
            "unclean.leader.election.enable": "false",  # a replica that missed records would give their positions to others
            "message.timestamp.type": "CreateTime",
        }
        return {"num_partitions": partitions, "replication_factor": options.replicas, "configs": configs}

    return {
        settings.topic(SOURCE_EVENTS): topic(options.partitions, options.retention_ms),
        settings.topic(DOMAIN_EVENTS): topic(options.shards),
        settings.topic(DEAD_LETTERS): topic(1),
    }


def _create(admin: Any, wanted: dict[str, dict[str, Any]]) -> dict[str, type[errors.BrokerResponseError]]:
    """How it went for each: `NoError` if it was made. Raises for anything but a topic that is there."""
    answers = admin.create_topics(wanted, raise_errors=False)["topics"]
    found = {answer["name"]: errors.for_code(answer["error_code"]) for answer in answers}
    for answer in answers:
        if found[answer["name"]] not in (errors.NoError, errors.TopicAlreadyExistsError):
            raise found[answer["name"]](f"{answer['name']}: {answer['error_message']}")
    return found


def _grow(admin: Any, topic: str, shards: int) -> list[str]:
    [described] = admin.describe_topics([topic])
    if len(described["partitions"]) >= shards:
        return []
    try:
        admin.create_partitions({topic: shards})
    except errors.InvalidPartitionsError:
        return []  # somebody else has just done it
    _until_grown(admin, topic, shards)
    return [f"{topic}, {shards} partitions"]


def _until_grown(admin: Any, topic: str, partitions: int) -> None:
    """Brokers hear of new partitions one after the other."""
    until = time.monotonic() + BOOTSTRAP_MS / 1000
    while len(admin.describe_topics([topic])[0]["partitions"]) < partitions:
        if time.monotonic() > until:
            raise errors.KafkaTimeoutError(f"{topic} has not got its {partitions} partitions")
        time.sleep(0.05)


def _differences(admin: Any, wanted: dict[str, dict[str, Any]]) -> list[str]:
    if not wanted:
        return []
    resources = [ConfigResource("topic", name, None) for name in wanted]
    configured = admin.describe_configs(resources, config_filter="all")["topic"]
    found: list[str] = []
    for described in admin.describe_topics(list(wanted)):
        name = described["name"]
        found += _compared(name, wanted[name], described["partitions"], configured[name])
    return found


def _compared(name: str, wanted: dict[str, Any], partitions: list[dict[str, Any]], configured: dict[str, Any]) -> list[str]:
    """A sentence for each setting that is not the one wanted."""
    pairs = [
        ("partitions", len(partitions), wanted["num_partitions"]),
        ("replicas", min(len(partition["replica_nodes"]) for partition in partitions), wanted["replication_factor"]),
        *((key, configured[key]["value"], value) for key, value in wanted["configs"].items()),
    ]
    return [f"{name}: {key} is {there}, not {value}" for key, there, value in pairs if there != value]


def check(settings: KafkaSettings, names: Sequence[str] = (SOURCE_EVENTS, DOMAIN_EVENTS, DEAD_LETTERS)) -> dict[str, int]:
    """How many partitions each of our topics has. Raises `Stop` if one is not there."""
    with administration(settings) as admin:
        described = admin.describe_topics([settings.topic(name) for name in names])
    there = {topic["name"]: len(topic["partitions"]) for topic in described if topic["error_code"] == errors.NoError.errno}
    missing = [settings.topic(name) for name in names if settings.topic(name) not in there]
    if missing:
        raise missing_topics(settings, missing)
    return {name: there[settings.topic(name)] for name in names}


def missing_topics(settings: KafkaSettings, topics: Sequence[str]) -> Stop:
    """What to say when topics are not there."""
    return Stop(f"Kafka at {settings.bootstrap} has no topic {', '.join(topics)}: run `rendezvous migrate` first")
