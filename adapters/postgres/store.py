"""The event store, the indexes decided by, and the deliveries asked for, in a PostgreSQL schema: a batch is one transaction, in two
round trips, and some more where it asks for outside writes.

Recorded through the `eventsourcing` library with a recorder of our own. What must stay true: writers of a schema take turns, so that
events are numbered 1, 2, 3 … without a gap in the order in which they become visible; a place is moved in the same transaction and
only forwards, so that who lost his partition cannot commit.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, cast
from uuid import UUID

import psycopg
from eventsourcing.persistence import (
    BaseInfrastructureFactory,
    InfrastructureFactory,
    ProcessRecorder,
    StoredEvent,
    Tracking,
    TrackingRecorder,
)
from eventsourcing.postgres import PostgresDatastore, PostgresFactory, PostgresProcessRecorder
from eventsourcing.utils import Environment
from psycopg.errors import LockNotAvailable, UniqueViolation
from psycopg.rows import DictRow, dict_row, tuple_row

from adapters.postgres.columns import digest, to_bytes, to_text
from adapters.postgres.connect import Connection, Database
from adapters.postgres.deliveries import keep_requests
from adapters.recording import Deciding, decode, encode, tracking
from domain.errors import Conflict
from domain.events import Event
from domain.outside import Recall, Request
from domain.ports import NOWHERE, IndexChange, Place, Recorded, Snapshot

TABLES = ("identities", "people", "addresses", "likeness")

# Not the library's LOCK TABLE … IN EXCLUSIVE MODE, which does the same: it also stands in the way of VACUUM and ANALYZE, each of which
# would hold up a batch for a second (deadlock_timeout) before it is cancelled. And no NOTIFY: its lock is the whole server's, so that
# the stores of several shards in one server would wait for each other's disk.
_TURN = "SELECT pg_advisory_xact_lock(%s)"
# A writer that froze while it was sending: no timer of the server runs then, not even that of idle transactions. Whoever has waited in
# vain for the turn ends it; the batch of the frozen one is rolled back, and he decides it again when he wakes.
_FREE_THE_TURN = (
    "SELECT pg_terminate_backend(a.pid) FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid)"
    " WHERE l.locktype = 'advisory' AND l.granted AND ((l.classid::bigint << 32) | l.objid::bigint) = %s AND l.objsubid = 1"
    " AND a.datname = current_database() AND a.wait_event = 'ClientRead' AND a.xact_start < clock_timestamp() - interval '15 seconds'"
)
_TRACK = (
    "INSERT INTO tracking AS t SELECT * FROM unnest(%b::text[], %b::bigint[]) AS u (name, at) WHERE u.at > 0"
    " ON CONFLICT (application_name) DO UPDATE SET notification_id = excluded.notification_id"
    " WHERE t.notification_id < excluded.notification_id"
)
# Arrays are taken apart in the select list, not in FROM, which would first copy all bodies to a temporary file.
_INSERT = (
    "INSERT INTO stored_events (originator_id, originator_version, topic, state, notification_id)"
    " SELECT stream, version, name, body, (SELECT coalesce(max(notification_id), 0) FROM stored_events) + row_number() OVER ()"
    " FROM (SELECT unnest(%b::uuid[]), unnest(%b::bigint[]), unnest(%b::text[]), unnest(%b::bytea[])) AS u (stream, version, name, body)"
)
_SNAPSHOT = (
    "INSERT INTO snapshots SELECT unnest(%b::uuid[]), unnest(%b::bigint[]), unnest(%b::text[]), unnest(%b::bytea[])"
    " ON CONFLICT (originator_id) DO UPDATE SET version = excluded.version, kind = excluded.kind, state = excluded.state"
)
# As in the unique indexes of the tables.
_ENTRY = "(CASE WHEN octet_length({0}.v) <= 500 THEN {0}.v ELSE sha256({0}.v) END)"
_ADD = {table: f"INSERT INTO {table} SELECT unnest(%b::bigint[]), unnest(%b::bytea[]) ON CONFLICT DO NOTHING" for table in TABLES}
_ADD["identities"] = (
    "INSERT INTO identities AS t SELECT unnest(%b::bigint[]), unnest(%b::bytea[])"
    " ON CONFLICT (k) DO UPDATE SET v = excluded.v WHERE t.v <> excluded.v"
)
_REMOVE = {
    table: f"DELETE FROM {table} AS t USING unnest(%b::bigint[], %b::bytea[]) AS u (k, v) WHERE t.k = u.k AND t.v = u.v"  # noqa: S608 - as above
    + ("" if table == "identities" else f" AND {_ENTRY.format('t')} = {_ENTRY.format('u')}")
    for table in TABLES
}
# A sorted or limited subquery is run once for each key, by the index, whatever the statistics say: with those of a new or empty
# table a plain join may read the whole of it.
_LOAD = (
    "SELECT u.n, e.originator_version, e.topic, e.state FROM unnest(%b::uuid[], %b::bigint[]) WITH ORDINALITY AS u (stream, after, n),"
    " LATERAL (SELECT * FROM stored_events WHERE originator_id = u.stream AND originator_version > u.after"
    " ORDER BY originator_version) AS e"
)
_LOOK_UP = {
    table: "SELECT u.n, e.v FROM unnest(%b::bigint[]) WITH ORDINALITY AS u (k, n),"  # noqa: S608 - the table is one of TABLES
    f" LATERAL (SELECT v FROM {table} AS t WHERE t.k = u.k OFFSET 0) AS e"
    for table in TABLES
}
_SNAPSHOTS = "SELECT originator_id, version, kind, state FROM snapshots WHERE originator_id = ANY(%b::uuid[])"
_NOTIFICATIONS = (
    "SELECT notification_id, originator_id, originator_version, topic, state FROM stored_events"
    " WHERE notification_id > %s ORDER BY notification_id LIMIT %s"
)

# Statement and parameters.
_Step = tuple[str, Sequence[Any]]
# Streams, versions, names and bodies of events, each as long as the others.
_Columns = tuple[list[Any], list[int], list[str], list[bytes]]


class FastRecorder(PostgresProcessRecorder):
    """The library's process recorder with array inserts, several positions, our indexes and snapshots in the same transaction."""

    datastore: _Datastore

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int] | None:
        """The library's own way in, with one position at most. Raises as `record`."""
        columns = (
            [one.originator_id for one in stored_events],
            [one.originator_version for one in stored_events],
            [one.topic for one in stored_events],
            [one.state for one in stored_events],
        )
        one = kwargs.get("tracking")
        self.record(columns, [] if one is None else [one], (), ())
        return None

    def record(
        self,
        events: _Columns,
        trackings: Sequence[Tracking],
        index: Sequence[IndexChange],
        snapshots: Sequence[Snapshot],
        requests: Sequence[Request | Recall] = (),
    ) -> None:
        """One transaction. Raises `Conflict`, `TryAgain` or `Stop`. Unlike the library it tries once: the caller knows what to do next."""
        steps = [*_event_steps(events), *_index_steps(index), *_snapshot_steps(snapshots)]
        database = self.datastore.database
        with database.connection() as connection:
            try:
                _write(connection, database.lock_key("store"), trackings, steps, requests)
            except UniqueViolation as error:
                raise Conflict(f"postgresql: {error.diag.message_detail}") from error
            except LockNotAvailable:
                connection.execute(_FREE_THE_TURN, (database.lock_key("store"),))
                raise


class PostgresStore:
    """`ports.Store` in one schema. Writers take turns; readers wait for nobody."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._app = _Application(database)
        self._recorder = cast(FastRecorder, self._app.recorder)

    def commit(
        self,
        events: Sequence[Recorded],
        index: Sequence[IndexChange],
        places: Sequence[Place],
        snapshots: Sequence[Snapshot] = (),
        requests: Sequence[Request | Recall] = (),
    ) -> None:
        """See `ports.Store.commit`. After `TryAgain` it may have been committed; then the same call is a `Conflict`."""
        # Past the library's `EventStore.put`, which would make two objects a row, to its recorder's transaction.
        columns = (
            [one.stream for one in events],
            [one.version for one in events],
            [one.event.NAME for one in events],
            [encode(one.event) for one in events],
        )
        self._recorder.record(columns, [tracking(p.partition, p.position) for p in places], index, snapshots, requests)

    def place(self, partition: str) -> int:
        """See `ports.Store.place`."""
        name = tracking(partition, 0).application_name
        found = self._database.rows("SELECT notification_id FROM tracking WHERE application_name = %s", (name,))
        return int(found[0][0]) if found else 0

    def load(self, streams: Sequence[UUID], after: Mapping[UUID, int] = NOWHERE) -> dict[UUID, list[Event]]:
        """See `ports.Store.load`."""
        wanted = list(dict.fromkeys(streams))
        rows = self._database.rows(_LOAD, (wanted, [after.get(stream, 0) for stream in wanted]))
        rows.sort()  # they come so; and it is not promised
        found: dict[UUID, list[Event]] = {}
        for n, _, name, body in rows:
            found.setdefault(wanted[n - 1], []).append(decode(name, body))
        return found

    def snapshots(self, streams: Sequence[UUID]) -> dict[UUID, Snapshot]:
        """See `ports.Store.snapshots`."""
        return {row[0]: Snapshot(*row) for row in self._database.rows(_SNAPSHOTS, (list(streams),))}

    def look_up(self, table: str, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], tuple[str, ...]]:
        """See `ports.Store.look_up`."""
        if table not in TABLES:
            raise ValueError(table)
        wanted = list(dict.fromkeys(keys))
        found: dict[tuple[str, str], list[str]] = {}
        for n, value in self._database.rows(_LOOK_UP[table], ([digest(account, key) for account, key in wanted],)):
            found.setdefault(wanted[n - 1], []).append(to_text(value))
        return {key: tuple(values) for key, values in found.items()}

    def notifications(self, after: int, limit: int) -> list[tuple[int, UUID, int, str, bytes]]:
        """See `ports.Store.notifications`."""
        return cast(list[tuple[int, UUID, int, str, bytes]], self._database.rows(_NOTIFICATIONS, (after, limit)))

    def end(self) -> int:
        """See `ports.Store.end`."""
        return int(self._database.rows("SELECT coalesce(max(notification_id), 0) FROM stored_events")[0][0])


def _write(
    connection: Connection, turn: int, trackings: Sequence[Tracking], steps: Sequence[_Step], requests: Sequence[Request | Recall]
) -> None:
    """One transaction: sent at once, looked at, committed."""
    with connection.pipeline() as pipeline, connection.transaction():
        connection.execute(_TURN, (turn,), prepare=True)
        names = [one.application_name for one in trackings]
        moved = connection.execute(_TRACK, (names, [one.notification_id for one in trackings]), prepare=True)
        for statement, parameters in steps:
            connection.execute(statement, parameters, prepare=True)
        # Here the first error is raised, and the server waits for our word.
        pipeline.sync()
        if moved.rowcount != len(names):
            raise Conflict(f"of {', '.join(names)} not all are behind {', '.join(str(one.notification_id) for one in trackings)}")
        if requests:
            # Behind the refusals: what they say decides what is written, so that the server has to answer first.
            keep_requests(connection, requests)


def _event_steps(events: _Columns) -> Iterator[_Step]:
    if events[0]:
        yield _INSERT, events


def _snapshot_steps(snapshots: Sequence[Snapshot]) -> Iterator[_Step]:
    if snapshots:
        # Of two of one stream the later: a statement may touch a row only once.
        latest = list({one.stream: one for one in snapshots}.values())
        yield _SNAPSHOT, ([s.stream for s in latest], [s.version for s in latest], [s.kind for s in latest], [s.body for s in latest])


def _index_steps(index: Sequence[IndexChange]) -> Iterator[_Step]:
    """As if the changes were made one after the other; those of one table and kind together, unless an entry's key changes sides."""
    groups: dict[tuple[str, bool], dict[Any, bytes]] = {}
    sides: dict[tuple[str, int], bool] = {}
    for table, account, key, value, gone in index:
        k, v = digest(account, key), to_bytes(value)
        if sides.setdefault((table, k), gone) is not gone:
            yield from _statements(groups)
            groups, sides = {}, {(table, k): gone}
        # Of the values of an identity the last one is added; elsewhere each is added once.
        entry = k if table == "identities" and not gone else (k, v)
        groups.setdefault((table, gone), {})[entry] = v
    yield from _statements(groups)


def _statements(groups: Mapping[tuple[str, bool], Mapping[Any, bytes]]) -> Iterator[_Step]:
    for (table, gone), entries in groups.items():
        # Sorted, so that each page of an index is met once.
        rows = sorted((entry if isinstance(entry, int) else entry[0], v) for entry, v in entries.items())
        yield (_REMOVE if gone else _ADD)[table], ([k for k, _ in rows], [v for _, v in rows])


class _Datastore(PostgresDatastore):
    """The library's door to a database, leading to ours: one pool for all, opened by a DSN."""

    def __init__(self, database: Database) -> None:
        # Not the library's constructor, which would open a pool of its own; these are what its recorder reads of the rest.
        self.database = database
        self.schema = database.schema
        self.lock_timeout = 0
        self.single_row_tracking = True
        self.originator_id_type = "uuid"
        self.enable_db_functions = False  # they record without positions and without taking turns
        self.db_type_names = set()

    def register_type_adapters(self) -> None:
        """There are none: events are inserted as arrays."""

    @contextmanager
    def get_connection(self) -> Iterator[psycopg.Connection[DictRow]]:
        """A connection with the rows that the library's reading methods expect."""
        with self.database.connection() as connection:
            lent = cast("psycopg.Connection[DictRow]", connection)
            lent.row_factory = dict_row
            try:
                yield lent
            finally:
                connection.row_factory = tuple_row

    def close(self) -> None:
        """The database is closed by whoever opened it."""


class _Factory(PostgresFactory):
    """Makes the library's application work on our tables, which a migration made."""

    def __init__(self, env: Environment, database: Database) -> None:
        BaseInfrastructureFactory.__init__(self, env)
        self.datastore = _Datastore(database)

    def process_recorder(self) -> ProcessRecorder:
        """Ours."""
        return FastRecorder(self.datastore, events_table_name="stored_events", tracking_table_name="tracking")


class _Application(Deciding):
    """`Deciding` on a database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        # `env` wins over the process's environment in the library, so that nobody else's settings reach ours.
        super().__init__(env={"PERSISTENCE_MODULE": "eventsourcing.postgres", "MAPPER_TOPIC": "adapters.recording:MsgspecMapper"})

    def construct_factory(self, env: Environment) -> InfrastructureFactory[TrackingRecorder]:
        """See the library."""
        return cast(InfrastructureFactory[TrackingRecorder], _Factory(env, self._database))
