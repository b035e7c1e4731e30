"""What is running, put together in one place: plain constructor calls, top to bottom. Only this file knows the adapters."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, suppress
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar, cast

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
from domain.errors import BadInput
from domain.outside import Cursors
from domain.ports import DeadLetters, DomainLog, SourceLog, Store, Vault
from projections.views import OutOfDate, Rebuildable, Views
from services.behind import Commits
from services.explain import Explainer
from services.progress import Progress
from services.project import Project
from services.publish import Publisher
from services.reading import Reading, Rounds
from services.relay import Relay
from services.settings import Settings
from services.shards import Each, Folded, RoutedExplainer, RoutedProgress, RoutedReading, RoutedVault, store_of
from services.sync import Sync
from services.tokens import Tokens

if TYPE_CHECKING:
    # Loaded where they are used: who works on files alone need not wait for drivers of servers.
    from pydantic import SecretStr

    from adapters.kafka.connect import KafkaSettings
    from adapters.kafka.topics import TopicOptions
    from adapters.postgres.connect import Database
    from adapters.postgres.locks import Present
    from services.roles import Lock


T = TypeVar("T")


def now() -> int:
    """Our clock, in milliseconds since 1970 UTC."""
    return time.time_ns() // 1_000_000


class Shard:
    """One of an installation's stores and what belongs to it: events and the indexes decided by, people's keys, read models, and its
    part of the domain log. Each is opened when first asked for. `number` counts from 0."""

    def __init__(self, parts: Installation, number: int) -> None:
        self.number, self._parts, self.settings = number, parts, parts.settings
        self._on_postgres = parts.on_postgres

    @property
    def publisher(self) -> Publisher:
        """The installation's."""
        return self._parts.publisher

    # --- where it is

    @cached_property
    def database(self) -> Database:
        """The store's, if it is PostgreSQL."""
        from adapters.postgres.connect import Database

        return Database(*self.settings.databases()[self.number])

    @cached_property
    def replica(self) -> Database | None:
        """Where readers are sent instead, if the settings say so: one connection, so that every answer comes from one server."""
        from adapters.postgres.connect import Database

        replicas = self.settings.replicas() if self._on_postgres else []
        return Database(*replicas[self.number], most=1) if replicas else None

    @cached_property
    def checked(self) -> Database:
        """The database, once it is known to be this store and up to date. Raises `BadInput`."""
        from adapters.postgres import migrating, shards

        migrating.check(self.database)
        shards.check(self.database, self.number, len(self._parts.shards))
        return self.database

    @cached_property
    def where(self) -> str:
        """Where it is, if it is a database; nothing secret."""
        return f"postgresql {self.database.shown}" if self._on_postgres else ""

    def probe(self) -> None:
        """Raises `TryAgain` if it does not answer."""
        for database in (self.database, self.replica):
            if database is not None:
                database.rows("SELECT 1")

    def has(self, partition: str) -> bool:
        """Is this partition of the source log decided into this store?"""
        return self._parts.shard_of_partition(partition) is self

    def close(self) -> None:
        """Close what was opened."""
        if self.__dict__.get("readable") is self.__dict__.get("views"):
            self.__dict__.pop("readable", None)  # the same read models, which can be closed once
        for name in ("domain_log", "views", "readable", "store", "database", "replica"):
            opened = self.__dict__.pop(name, None)
            if opened is not None and hasattr(opened, "close"):
                opened.close()

    # --- what is in it

    @cached_property
    def domain_log(self) -> DomainLog:
        """Its part of the domain log."""
        if self._parts.on_kafka:
            from adapters.kafka.domain_log import KafkaDomainLog

            return KafkaDomainLog(self._parts.cluster, self.number)
        return SqliteDomainLog(self.settings.log_file())

    @cached_property
    def store(self) -> Store:
        """Events and the indexes decided by."""
        if self._on_postgres:
            from adapters.postgres.store import PostgresStore

            return PostgresStore(self.checked)
        return SqliteStore(self.settings.store_folder() / "store.sqlite")

    @cached_property
    def vault(self) -> Vault:
        """People's keys."""
        if self._on_postgres:
            from adapters.postgres.keys import PostgresKeys

            return SealingVault(PostgresKeys(self.checked))
        return SealingVault(SqliteKeys(self.settings.store_folder() / "vault.sqlite"))

    @cached_property
    def views(self) -> Rebuildable:
        """The live read models."""
        if self._on_postgres:
            from adapters.postgres.views import PostgresViews

            return PostgresViews(self.checked)
        return SqliteViews(self._parts.views_file, at_once=False)

    @cached_property
    def readable(self) -> Views:
        """The live read models as `serve` reads them."""
        if self.replica is None:
            return self.views
        from adapters.postgres.views import PostgresViews

        return PostgresViews(self.replica)

    # --- what works on it

    def sync(self) -> Sync:
        """The deciding role. SQLite's commits take the interpreter along: nothing is gained by another thread."""
        behind = Commits() if self._parts.on_postgres else None
        return Sync(self._parts.source, self.store, self.vault, self._parts.dead, now, behind=behind)

    def relay(self) -> Relay:
        """The publishing role."""
        return Relay(self.store, self.domain_log)

    def project(self, views: Views | None = None) -> Project:
        """The folding role."""
        return Project(self.domain_log, views or self.views, self.vault)

    def reading(self, views: Views, cursors: Cursors | None = None) -> Reading:
        """Answers from these of its read models; with `cursors`, as fresh as calendars were read that had nothing new."""
        rounds = None if cursors is None else Rounds(cursors, self.progress(views), views.position, now)
        return Reading(views, self.vault, self.store, rounds)

    def explainer(self, views: Views) -> Explainer:
        """Why something is, or is not, in a timeline."""
        return Explainer(views, self.vault, self.store)

    def progress(self, views: Views) -> Progress:
        """How far these of its read models have come."""
        parts = self._parts
        return Progress(parts.source, self.store, self.domain_log, views, parts.partition_of, self.has)

    def only_one(self, name: str) -> AbstractContextManager[Lock] | None:
        """A lock that one process of many holds; None where nobody needs one, because a file's own locks do as well."""
        if not self._on_postgres:
            return None
        from adapters.postgres.locks import OnlyOne

        return OnlyOne(self.checked, name)


class Serving(NamedTuple):
    """What the API answers from."""

    reading: Reading
    explainer: Explainer
    progress: Progress
    views: Views


class Installation:
    """One installation's parts, each opened when first asked for. `group` names the consumer group whose share of the source log
    this process takes; without, it takes all of it.

    What belongs to a store is in `shards`. `store`, `views`, `domain_log` and the like are the only shard's, and refused where there
    are several; `vault`, `reading`, `explainer` and `publisher` are for every account of all of them."""

    def __init__(self, settings: Settings, group: str | None = None) -> None:
        self.settings, self._group = settings, group
        self.on_kafka = settings.scheme_of_log() == "kafka"
        self.on_postgres = settings.scheme_of_store() == "postgresql"
        if not self.on_postgres:
            settings.store_folder().mkdir(parents=True, exist_ok=True)
        if not self.on_kafka:
            settings.log_file().parent.mkdir(parents=True, exist_ok=True)
        self.shards = self._shards()
        self._closing = threading.Event()

    def _shards(self) -> tuple[Shard, ...]:
        stores = len(self.settings.databases()) if self.on_postgres else 1
        if stores > 1 and not self.on_kafka:
            raise BadInput("RENDEZVOUS_STORE", "several stores share the partitions of a log on Kafka; a log in a file has one")
        return tuple(Shard(self, number) for number in range(stores))

    # --- where things are

    @cached_property
    def cluster(self) -> KafkaSettings:
        """The logs' cluster, if it is Kafka. Raises `BadInput`."""
        return kafka_settings(self.settings)

    def migrate(self) -> list[str]:
        """Make topics, tables and indexes, or bring them up to date; what was done, and what is not as it would have been made. The
        embedded files migrate themselves when they are opened. Raises `BadInput`, with no topic or table touched, for stores that
        were made as others."""
        done = self._migrate_stores() if self.on_postgres else []
        return [*self._migrate_topics(), *done] if self.on_kafka else done

    def _migrate_stores(self) -> list[str]:
        from adapters.postgres.shards import migrate as make_tables

        if len(self.shards) > self.settings.kafka_partitions:
            raise BadInput(
                "RENDEZVOUS_STORE", f"{len(self.shards)} stores, and {self.settings.kafka_partitions} partitions to share among them"
            )
        done: list[str] = []
        for shard, made in zip(self.shards, make_tables([shard.database for shard in self.shards]), strict=True):
            done += [f"schema {shard.database.schema}: {name}" for name in made]
            with suppress(OutOfDate):  # a rebuild's business, and it says so
                shard.views.position()  # a set of read models makes itself when it is first asked, which a standby cannot
        return done

    def _migrate_topics(self) -> list[str]:
        from adapters.kafka.topics import migrate as make_topics

        made = make_topics(self.cluster, topic_options(self.settings))
        return [f"topic {name}" for name in made.made] + [f"differs: {said}" for said in made.differs]

    def opened(self) -> None:
        """Open everything, so that what is wrong with any of it is said now."""
        parts: list[object] = [self.source, self.dead, self.tokens]
        for shard in self.shards:
            parts += [shard.domain_log, shard.store, shard.vault, shard.views, shard.readable]
        assert None not in parts

    def stalls(self) -> int:
        """How often a consumer of the logs was built anew because nothing arrived; a file has none."""
        opened = [self.__dict__.get(name) for name in ("source", "dead")]
        opened += [shard.__dict__.get("domain_log") for shard in self.shards]
        return sum(getattr(log, "stalls", 0) for log in opened if log is not None)

    def close(self) -> None:
        """Leave what was opened, in order: a consumer group learns at once that its partitions are free."""
        self._closing.set()
        for name in ("source", "dead"):
            opened = self.__dict__.pop(name, None)
            if opened is not None and hasattr(opened, "close"):
                opened.close()
        for shard in self.shards:
            shard.close()

    def where_logs(self) -> str:
        """Where the logs are, if not in the store's folder; nothing secret."""
        if not self.on_kafka:
            return ""
        return f"kafka {self.cluster.bootstrap}, topics {self.cluster.prefix}.*"

    def where_store(self) -> str:
        """Where the stores are, if they are databases; nothing secret."""
        return "; ".join(shard.where for shard in self.shards if shard.where)

    # --- which store

    def partition_of(self, account: str) -> str:
        """The partition of the source log that an account is in."""
        if not self.on_kafka:
            return "0"
        from adapters.kafka.source_log import partition_of

        return str(partition_of(account.encode("utf-8", "surrogatepass"), self._partitions))

    @cached_property
    def _partitions(self) -> int:
        from adapters.kafka.topics import SOURCE_EVENTS, check

        return check(self.cluster, (SOURCE_EVENTS,))[SOURCE_EVENTS]

    def shard_of(self, account: str) -> Shard:
        """The one that holds this account, for ever."""
        return self.shards[0] if len(self.shards) == 1 else self.shard_of_partition(self.partition_of(account))

    def shard_of_partition(self, partition: str) -> Shard:
        """The one that this partition of the source log is decided into."""
        return self.shards[store_of(int(partition), len(self.shards))]

    @property
    def _only(self) -> Shard:
        if len(self.shards) > 1:
            raise BadInput("RENDEZVOUS_STORE", f"names {len(self.shards)} stores, and this can work on one only")
        return self.shards[0]

    # --- logs

    @cached_property
    def source(self) -> SourceLog:
        """The source log."""
        if self.on_kafka:
            from adapters.kafka.source_log import KafkaSourceLog

            return KafkaSourceLog(self.cluster, self._group)
        return SqliteSourceLog(self.settings.log_file())

    @cached_property
    def dead(self) -> DeadLetters:
        """The dead letters."""
        if self.on_kafka:
            from adapters.kafka.dead_letters import KafkaDeadLetters

            return KafkaDeadLetters(self.cluster)
        return SqliteDeadLetters(self.settings.log_file())

    @property
    def domain_log(self) -> DomainLog:
        """The only store's."""
        return self._only.domain_log

    # --- the only store's

    @property
    def database(self) -> Database:
        """The only store's, if it is PostgreSQL."""
        return self._only.database

    @property
    def store(self) -> Store:
        """See `Shard`."""
        return self._only.store

    @property
    def views(self) -> Rebuildable:
        """See `Shard`."""
        return self._only.views

    @property
    def views_file(self) -> Path:
        """The file of the live read models, if they are in a file."""
        return self.settings.store_folder() / "views.sqlite"

    def sync(self) -> Sync:
        """See `Shard`."""
        return self._only.sync()

    def relay(self) -> Relay:
        """See `Shard`."""
        return self._only.relay()

    def project(self, views: Views | None = None) -> Project:
        """See `Shard`."""
        return self._only.project(views)

    def only_one(self, name: str) -> AbstractContextManager[Lock] | None:
        """See `Shard`."""
        return self._only.only_one(name)

    # --- for every account

    @cached_property
    def vault(self) -> Vault:
        """People's keys."""
        return self.shards[0].vault if len(self.shards) == 1 else RoutedVault(self._each(lambda shard: shard.vault))

    @cached_property
    def tokens(self) -> Tokens:
        """Who may ask. In the first store: a token is looked for before anybody knows whose it is."""
        if self.on_postgres:
            from adapters.postgres.tokens import PostgresTokens

            return Tokens(PostgresTokens(self.shards[0].checked), now)
        return Tokens(SqliteTokens(self.settings.store_folder() / "tokens.sqlite"), now)

    @cached_property
    def publisher(self) -> Publisher:
        """The door for source events."""
        return Publisher(self.source, self.vault, now, lambda account: self.shard_of(account).number)

    @cached_property
    def reading(self) -> Reading:
        """Answers from the read models."""
        return self._reading(lambda shard: shard.views)

    @cached_property
    def explainer(self) -> Explainer:
        """Why something is, or is not, in a timeline."""
        return self._explainer(lambda shard: shard.views)

    def serving(self, cursors: Cursors | None = None) -> Serving:
        """What the API answers from: the standbys, where there are some. `cursors` of the calendars, if any provider is set up."""

        def readable(shard: Shard) -> Views:
            return shard.readable

        # The API asks it for its numbers only.
        views = self.shards[0].readable if len(self.shards) == 1 else cast(Views, Folded(self._each(readable)))
        return Serving(self._reading(readable, cursors), self._explainer(readable), self._progress(readable), views)

    def _reading(self, views: Callable[[Shard], Views], cursors: Cursors | None = None) -> Reading:
        if len(self.shards) == 1:
            return self.shards[0].reading(views(self.shards[0]), cursors)
        return RoutedReading(self._each(lambda shard: shard.reading(views(shard), cursors)))

    def _explainer(self, views: Callable[[Shard], Views]) -> Explainer:
        if len(self.shards) == 1:
            return self.shards[0].explainer(views(self.shards[0]))
        return RoutedExplainer(self._each(lambda shard: shard.explainer(views(shard))))

    def _progress(self, views: Callable[[Shard], Views]) -> Progress:
        if len(self.shards) == 1:
            return self.shards[0].progress(views(self.shards[0]))
        return RoutedProgress(self._each(lambda shard: shard.progress(views(shard))))

    def _each(self, make: Callable[[Shard], T]) -> Each[T]:
        return Each(
            lambda number: make(self.shards[number]),
            lambda account: self.shard_of(account).number,
            len(self.shards),
            lambda number: self.shards[number].probe(),
            self._closing,
        )

    def present(self, name: str) -> Present:
        """How many processes of a role there are. In the first store."""
        from adapters.postgres.locks import Present

        return Present(self.shards[0].database, name)


def kafka_settings(settings: Settings) -> KafkaSettings:
    """How to reach the cluster that the settings name. Raises `BadInput`, naming the variable."""
    from adapters.kafka.connect import KafkaSettings, servers_of

    def clear(secret: SecretStr | None) -> str | None:
        return None if secret is None else secret.get_secret_value()

    try:
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
    except BadInput as error:
        raise BadInput(f"RENDEZVOUS_KAFKA_{error.pointer.upper()}", error.reason) from None


def topic_options(settings: Settings) -> TopicOptions:
    """What `migrate` makes of the topics."""
    from adapters.kafka.topics import FOREVER, TopicOptions

    days = settings.kafka_retention_days
    return TopicOptions(
        partitions=settings.kafka_partitions,
        replicas=settings.kafka_replicas,
        in_sync=settings.kafka_in_sync,
        shards=max(1, len(settings.databases())) if settings.scheme_of_store() == "postgresql" else 1,
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
