"""What is running, put together in one place: plain constructor calls, top to bottom. Only this file knows the adapters."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, suppress
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from adapters.google import translate as google
from adapters.hubspot import translate as hubspot
from adapters.office365 import translate as office365
from adapters.sqlite.keys import SqliteKeys
from adapters.sqlite.log import SqliteDeadLetters, SqliteDomainLog, SqliteSourceLog
from adapters.sqlite.store import SqliteStore
from adapters.sqlite.tokens import SqliteTokens
from adapters.sqlite.views import SqliteViews
from adapters.vault import SealingVault
from adapters.wording import Translated
from domain.ports import DeadLetters, DomainLog, SourceLog, Store
from projections.views import OutOfDate, Rebuildable, Views
from services.explain import Explainer
from services.project import Project
from services.publish import Publisher
from services.reading import Reading
from services.relay import Relay
from services.settings import Settings
from services.sync import Sync
from services.tokens import Tokens

if TYPE_CHECKING:
    # Loaded where they are used: who works on files alone need not wait for drivers of servers.
    from pydantic import SecretStr

    from adapters.kafka.connect import KafkaSettings
    from adapters.kafka.topics import TopicOptions
    from adapters.postgres.connect import Database
    from services.roles import Lock


def now() -> int:
    """Our clock, in milliseconds since 1970 UTC."""
    return time.time_ns() // 1_000_000


class Installation:
    """One installation's parts, each opened when first asked for. `group` names the consumer group whose share of the source log
    this process takes; without, it takes all of it."""

    def __init__(self, settings: Settings, group: str | None = None) -> None:
        self.settings, self._group = settings, group
        self._on_kafka = settings.scheme_of_log() == "kafka"
        self._on_postgres = settings.scheme_of_store() == "postgresql"
        if not self._on_postgres:
            settings.store_folder().mkdir(parents=True, exist_ok=True)
        if not self._on_kafka:
            settings.log_file().parent.mkdir(parents=True, exist_ok=True)

    # --- where things are

    @cached_property
    def database(self) -> Database:
        """The store's database, if it is PostgreSQL."""
        from adapters.postgres.connect import Database

        return Database(self.settings.store_url() or "", self.settings.store_schema)

    @cached_property
    def cluster(self) -> KafkaSettings:
        """The logs' cluster, if it is Kafka. Raises `BadInput`."""
        return kafka_settings(self.settings)

    def migrate(self) -> list[str]:
        """Make topics, tables and indexes, or bring them up to date; what was done, and what is not as it would have been made. The
        embedded files migrate themselves when they are opened."""
        done: list[str] = []
        if self._on_kafka:
            from adapters.kafka.topics import migrate as make_topics

            made = make_topics(self.cluster, topic_options(self.settings))
            done += [f"topic {name}" for name in made.made] + [f"differs: {said}" for said in made.differs]
        if self._on_postgres:
            from adapters.postgres.migrating import migrate as make_tables

            done += [f"schema {self.settings.store_schema}: {name}" for name in make_tables(self.database)]
            with suppress(OutOfDate):  # a rebuild's business, and it says so
                self.views.position()  # a set of read models makes itself when it is first asked, which a standby cannot
        return done

    def stalls(self) -> int:
        """How often a consumer of the logs was built anew because nothing arrived; a file has none."""
        opened = (self.__dict__.get(name) for name in ("source", "domain_log", "dead"))
        return sum(getattr(log, "stalls", 0) for log in opened if log is not None)

    def close(self) -> None:
        """Leave what was opened, in order: a consumer group learns at once that its partitions are free."""
        for name in ("source", "domain_log", "dead", "views", "store", "database"):
            opened = self.__dict__.pop(name, None)
            if opened is not None and hasattr(opened, "close"):
                opened.close()

    def where_logs(self) -> str:
        """Where the logs are, if not in the store's folder; nothing secret."""
        if not self._on_kafka:
            return ""
        return f"kafka {self.cluster.bootstrap}, topics {self.cluster.prefix}.*"

    def where_store(self) -> str:
        """Where the store is, if it is a database; nothing secret."""
        return f"postgresql {self.database.shown}" if self._on_postgres else ""

    def _checked_database(self) -> Database:
        if not self._checked:
            from adapters.postgres.migrating import check

            check(self.database)
            self._checked = True
        return self.database

    _checked = False

    # --- logs

    @cached_property
    def source(self) -> SourceLog:
        """The source log."""
        if self._on_kafka:
            from adapters.kafka.source_log import KafkaSourceLog

            return KafkaSourceLog(self.cluster, self._group)
        return SqliteSourceLog(self.settings.log_file())

    @cached_property
    def domain_log(self) -> DomainLog:
        """The domain log."""
        if self._on_kafka:
            from adapters.kafka.domain_log import KafkaDomainLog

            return KafkaDomainLog(self.cluster)
        return SqliteDomainLog(self.settings.log_file())

    @cached_property
    def dead(self) -> DeadLetters:
        """The dead letters."""
        if self._on_kafka:
            from adapters.kafka.dead_letters import KafkaDeadLetters

            return KafkaDeadLetters(self.cluster)
        return SqliteDeadLetters(self.settings.log_file())

    # --- store

    @cached_property
    def store(self) -> Store:
        """Events and the indexes decided by."""
        if self._on_postgres:
            from adapters.postgres.store import PostgresStore

            return PostgresStore(self._checked_database())
        return SqliteStore(self.settings.store_folder() / "store.sqlite")

    @cached_property
    def vault(self) -> SealingVault:
        """People's keys."""
        if self._on_postgres:
            from adapters.postgres.keys import PostgresKeys

            return SealingVault(PostgresKeys(self._checked_database()))
        return SealingVault(SqliteKeys(self.settings.store_folder() / "vault.sqlite"))

    @property
    def views_file(self) -> Path:
        """The file of the live read models, if they are in a file."""
        return self.settings.store_folder() / "views.sqlite"

    @cached_property
    def views(self) -> Rebuildable:
        """The live read models."""
        if self._on_postgres:
            from adapters.postgres.views import PostgresViews

            return PostgresViews(self._checked_database())
        return SqliteViews(self.views_file, at_once=False)

    @cached_property
    def tokens(self) -> Tokens:
        """Who may ask."""
        if self._on_postgres:
            from adapters.postgres.tokens import PostgresTokens

            return Tokens(PostgresTokens(self._checked_database()), now)
        return Tokens(SqliteTokens(self.settings.store_folder() / "tokens.sqlite"), now)

    @cached_property
    def publisher(self) -> Publisher:
        """The door for source events."""
        return Publisher(self.source, self.vault, now)

    @cached_property
    def reading(self) -> Reading:
        """Answers from the read models."""
        return Reading(self.views, self.vault, self.store)

    @cached_property
    def explainer(self) -> Explainer:
        """Why something is, or is not, in a timeline."""
        return Explainer(self.views, self.vault, self.store)

    def sync(self) -> Sync:
        """The deciding role."""
        return Sync(self.source, self.store, self.vault, self.dead, now)

    def relay(self) -> Relay:
        """The publishing role."""
        return Relay(self.store, self.domain_log)

    def project(self, views: Views | None = None) -> Project:
        """The folding role."""
        return Project(self.domain_log, views or self.views, self.vault)

    def only_one(self, name: str) -> AbstractContextManager[Lock] | None:
        """A lock that one process of many holds; None where nobody needs one, because a file's own locks do as well."""
        if not self._on_postgres:
            return None
        from adapters.postgres.locks import OnlyOne

        return OnlyOne(self._checked_database(), name)

    def partition_of(self, account: str) -> str:
        """The partition of the source log that an account is in."""
        if not self._on_kafka:
            return "0"
        from adapters.kafka.source_log import partition_of

        return str(partition_of(account.encode(), self._partitions))

    @cached_property
    def _partitions(self) -> int:
        from adapters.kafka.topics import SOURCE_EVENTS, check

        return check(self.cluster, (SOURCE_EVENTS,))[SOURCE_EVENTS]


def kafka_settings(settings: Settings) -> KafkaSettings:
    """How to reach the cluster that the settings name. Raises `BadInput`, naming the variable."""
    from adapters.kafka.connect import KafkaSettings, servers_of

    def clear(secret: SecretStr | None) -> str | None:
        return None if secret is None else secret.get_secret_value()

    return KafkaSettings(
        bootstrap=servers_of(settings.log or ""),
        prefix=settings.kafka_topic_prefix,
        security=settings.kafka_security,
        mechanism=settings.kafka_mechanism,
        username=settings.kafka_username,
        password=clear(settings.kafka_password),
        token_file=settings.kafka_token_file,
        token_url=settings.kafka_token_url,
        client_id=settings.kafka_client_id,
        client_secret=clear(settings.kafka_client_secret),
        scope=settings.kafka_scope,
        ca_file=settings.kafka_ca_file,
        certificate_file=settings.kafka_certificate_file,
        key_file=settings.kafka_key_file,
        key_password=clear(settings.kafka_key_password),
    )


def topic_options(settings: Settings) -> TopicOptions:
    """What `migrate` makes of the topics."""
    from adapters.kafka.topics import FOREVER, TopicOptions

    days = settings.kafka_retention_days
    return TopicOptions(
        partitions=settings.kafka_partitions,
        replicas=settings.kafka_replicas,
        in_sync=settings.kafka_in_sync,
        retention_ms=FOREVER if days is None else days * 86_400_000,
    )


def translate(
    provider: str,
    bodies: Iterable[object],
    *,
    account: str,
    user: str | None,
    calendar: str | None,
    window: tuple[datetime, datetime] | None,
    owners: Mapping[str, str] | None,
) -> Translated:
    """Provider bodies as source events. `user` is required for calendars."""
    if provider == "hubspot":
        return hubspot.translate(bodies, account=account, user=user, owners=owners)
    assert user is not None
    if provider == "google":
        return google.translate(bodies, account=account, user=user, calendar=calendar)
    return office365.translate(bodies, account=account, user=user, calendar=calendar, window=window)


def rows_of_csv(text: str) -> list[dict[str, Any]]:
    """The rows of a CSV export of CRM objects."""
    return list(hubspot.rows(text))


def owners_map(bodies: Iterable[object]) -> dict[str, str]:
    """CRM owner id to user id."""
    return dict(hubspot.owners_map(bodies))
