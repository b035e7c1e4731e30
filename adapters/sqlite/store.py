"""The event store, the indexes decided by, and the deliveries asked for, in one SQLite file: a batch is one transaction.

Recorded through the `eventsourcing` library with a recorder of our own: it inserts with `executemany`, takes many positions a
transaction, and writes the indexes beside the events. Indexes are keyed by 63-bit digests: nothing in them can be read, and
what a digest names is checked against the meeting it leads to.
"""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from eventsourcing.persistence import IntegrityError, OperationalError, StoredEvent
from eventsourcing.sqlite import SQLiteCursor, SQLiteProcessRecorder

from adapters.recording import Deciding, decode, encode, tracking
from adapters.sqlite.deliveries import SCHEMA, keep_requests
from domain.errors import Conflict, TryAgain
from domain.events import Event
from domain.outside import Recall, Request
from domain.ports import NOWHERE, IndexChange, Place, Recorded, Snapshot

TABLES = ("identities", "people", "addresses", "likeness")
ADDED = 400_000
"""Rows of `people` that wait in the order of their arrival. The index is by person, hence random, and asked of only when somebody
is erased or a calendar listed whole: written row by row it would cost a page a row once it is large, merged so many at a time a
page takes ten. A question looks through those that wait; decision 0015 has what that costs."""

_SELECTED_AT_ONCE = 500
_PUT_SNAPSHOT = "INSERT OR REPLACE INTO snapshots VALUES (?, ?, ?, ?)"


_Change = tuple[str, bool, list[tuple[int, str]]]
"""A table, whether its rows go, and the rows."""


class FastRecorder(SQLiteProcessRecorder):
    """The library's process recorder with array inserts, several positions and our indexes in the same transaction."""

    def construct_create_table_statements(self) -> list[str]:
        """The library's tables, the indexes, and the deliveries."""
        statements = super().construct_create_table_statements()
        # One name leads to one meeting; the other indexes have several values a key.
        statements.append("CREATE TABLE IF NOT EXISTS identities (k INTEGER PRIMARY KEY, v TEXT NOT NULL)")
        statements += [
            f"CREATE TABLE IF NOT EXISTS {name} (k INTEGER NOT NULL, v TEXT NOT NULL, PRIMARY KEY (k, v)) WITHOUT ROWID"
            for name in TABLES
            if name != "identities"
        ]
        statements.append("CREATE TABLE IF NOT EXISTS people_added (k INTEGER NOT NULL, v TEXT NOT NULL)")
        statements.append(
            "CREATE TABLE IF NOT EXISTS snapshots "
            "(originator_id TEXT PRIMARY KEY, originator_version INTEGER NOT NULL, kind TEXT NOT NULL, state BLOB NOT NULL)"
        )
        return [*statements, *SCHEMA]

    def _insert_events(self, c: SQLiteCursor, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int] | None:
        _tune(c)
        for one in kwargs["trackings"]:
            self._insert_tracking(c, one)
        c.executemany(self.insert_events_statement, kwargs["rows"])
        for change in kwargs["index"]:
            _write_index(c, change)
        if snapshots := kwargs["snapshots"]:
            c.executemany(_PUT_SNAPSHOT, snapshots)
        if requests := kwargs["requests"]:
            keep_requests(c, requests)
        return None


def _tune(c: SQLiteCursor) -> None:
    # The library opens its connections with SQLite's defaults: 2 MB of cache are too few pages for indexes of millions of
    # rows, and a checkpoint every 1,000 pages writes the same index pages to the file again and again. Costs 2 us a batch.
    c.execute("PRAGMA cache_size = -131072")
    c.execute("PRAGMA wal_autocheckpoint = 8000")


def _write_index(c: SQLiteCursor, change: _Change) -> None:
    table, gone, rows = change
    if gone:
        for one in (table, "people_added") if table == "people" else (table,):
            c.executemany(f"DELETE FROM {one} WHERE k = ? AND v = ?", rows)  # noqa: S608 - one of TABLES, or the constant
    elif table == "identities":
        c.executemany("INSERT INTO identities VALUES (?, ?) ON CONFLICT (k) DO UPDATE SET v = excluded.v", rows)
    elif table == "people":
        c.executemany("INSERT INTO people_added VALUES (?, ?)", rows)
        c.execute("SELECT max(rowid) FROM people_added")
        if (waiting := c.fetchone()) is not None and waiting[0] > ADDED:
            _merge_people(c)
    else:
        c.executemany(f"INSERT OR IGNORE INTO {table} VALUES (?, ?)", rows)  # noqa: S608 - table is one of TABLES


def _merge_people(c: SQLiteCursor) -> None:
    c.execute("INSERT OR IGNORE INTO people SELECT k, v FROM people_added ORDER BY k, v")
    c.execute("DELETE FROM people_added")


class SqliteStore:
    """`ports.Store` on one SQLite file. One writer at a time, any number of readers."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        # `env` wins over the process's environment in the library, so that nobody else's settings reach ours.
        self._app = Deciding(
            env={
                "PERSISTENCE_MODULE": "eventsourcing.sqlite",
                "MAPPER_TOPIC": "adapters.recording:MsgspecMapper",
                "PROCESS_RECORDER_TOPIC": "adapters.sqlite.store:FastRecorder",
                "SQLITE_DBNAME": path.resolve().as_uri(),
                "SQLITE_LOCK_TIMEOUT": "10",
                "CREATE_TABLE": "yes",
            }
        )
        self._recorder = cast(FastRecorder, self._app.recorder)
        self._local = threading.local()

    def close(self) -> None:
        """Close every connection."""
        self._app.close()
        with suppress(AttributeError):
            self._local.connection.close()

    def _reader(self) -> sqlite3.Connection:
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = sqlite3.connect(self._path, timeout=10, isolation_level=None, check_same_thread=False)
            connection.execute("PRAGMA query_only = ON")
            connection.execute("PRAGMA cache_size = -65536")
            self._local.connection = connection
        return cast(sqlite3.Connection, connection)

    def commit(
        self,
        events: Sequence[Recorded],
        index: Sequence[IndexChange],
        places: Sequence[Place],
        snapshots: Sequence[Snapshot] = (),
        requests: Sequence[Request | Recall] = (),
    ) -> None:
        """See `ports.Store.commit`."""
        try:
            # Past the library's `EventStore.put`, which would make two objects a row, to its recorder's transaction.
            self._recorder.insert_events(
                (),
                rows=[(stream.hex, version, event.NAME, encode(event)) for stream, version, event in events],
                trackings=[tracking(p.partition, p.position) for p in places],
                index=_grouped(index),
                snapshots=[(stream.hex, version, kind, body) for stream, version, kind, body in snapshots],
                requests=requests,
            )
        except IntegrityError as error:
            raise Conflict(str(error)) from error
        except OperationalError as error:
            raise TryAgain(str(error)) from error

    def place(self, partition: str) -> int:
        """See `ports.Store.place`."""
        return self._recorder.max_tracking_id(tracking(partition, 0).application_name) or 0

    def load(self, streams: Sequence[UUID], after: Mapping[UUID, int] = NOWHERE) -> dict[UUID, list[Event]]:
        """See `ports.Store.load`."""
        found: dict[str, list[Event]] = {}
        for some in _chunks([s.hex for s in streams if s not in after]):
            where = f"originator_id IN ({','.join('?' * len(some))})"
            self._collect(where, some, found)
        for stream in after.keys() & streams:
            self._collect("originator_id = ? AND originator_version > ?", (stream.hex, after[stream]), found)
        return {stream: events for stream in streams if (events := found.get(stream.hex)) is not None}

    def _collect(self, where: str, parameters: Sequence[object], found: dict[str, list[Event]]) -> None:
        statement = f"SELECT originator_id, topic, state FROM stored_events WHERE {where}"  # noqa: S608 - only names and marks
        for stream, name, body in self._reader().execute(f"{statement} ORDER BY originator_id, originator_version", parameters):
            found.setdefault(stream, []).append(decode(name, body))

    def snapshots(self, streams: Sequence[UUID]) -> dict[UUID, Snapshot]:
        """See `ports.Store.snapshots`."""
        found: dict[UUID, Snapshot] = {}
        for some in _chunks([s.hex for s in streams]):
            marks = ",".join("?" * len(some))
            statement = f"SELECT originator_id, originator_version, kind, state FROM snapshots WHERE originator_id IN ({marks})"  # noqa: S608 - only marks
            for stream, version, kind, body in self._reader().execute(statement, some):
                found[UUID(stream)] = Snapshot(UUID(stream), version, kind, body)
        return found

    def look_up(self, table: str, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], tuple[str, ...]]:
        """See `ports.Store.look_up`."""
        if table not in TABLES:
            raise ValueError(table)
        by_digest = {_digest(table, account, key): (account, key) for account, key in keys}
        found: dict[tuple[str, str], list[str]] = {}
        reader = self._reader()
        for some in _chunks(list(by_digest)):
            where = f"WHERE k IN ({','.join('?' * len(some))})"
            statement = f"SELECT k, v FROM {table} {where}"  # noqa: S608 - table is one of TABLES
            if table == "people":
                statement += f" UNION SELECT k, v FROM people_added {where}"  # noqa: S608 - only marks
                some = [*some, *some]
            for digest, value in reader.execute(statement, some):
                found.setdefault(by_digest[digest], []).append(value)
        return {key: tuple(values) for key, values in found.items()}

    def notifications(self, after: int, limit: int) -> list[tuple[int, UUID, int, str, bytes]]:
        """See `ports.Store.notifications`."""
        rows = self._reader().execute(
            "SELECT rowid, originator_id, originator_version, topic, state FROM stored_events WHERE rowid > ? ORDER BY rowid LIMIT ?",
            (after, limit),
        )
        return [(id_, UUID(stream), version, name, body) for id_, stream, version, name, body in rows]

    def end(self) -> int:
        """See `ports.Store.end`."""
        return self._reader().execute("SELECT COALESCE(MAX(rowid), 0) FROM stored_events").fetchone()[0]  # type: ignore[no-any-return]  # always a number


def _grouped(index: Sequence[IndexChange]) -> list[_Change]:
    """Changes of one table together, sorted, so that one page is written once. Where something goes, each as it comes: the order
    matters then."""
    groups: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for table, account, key, value, gone in index:
        if gone:
            return [(t, g, [(_digest(t, a, k), v)]) for t, a, k, v, g in index]
        groups[table].append((_digest(table, account, key), value))
    if "identities" in groups:
        groups["identities"] = list(dict(groups["identities"]).items())  # one value a key, the last
    for rows in groups.values():
        rows.sort()
    return [(table, False, rows) for table, rows in groups.items()]


@lru_cache(maxsize=200_000)  # a key is looked up first and written after
def _digest(table: str, account: str, key: str) -> int:
    raw = hashlib.blake2b(f"{account}\0{key}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    mark = int.from_bytes(raw) >> 1
    return mark if table != "likeness" else _in_time(key, mark)


def _in_time(key: str, mark: int) -> int:
    """The digest of a likeness key after the hour that it begins with, so that what is new lies side by side."""
    start = key.partition("|")[0]
    hour = int(start) // 3_600_000 if start.lstrip("-").isdecimal() else 0
    return (hour & 0xFFFFFF) << 39 | mark >> 24


def _chunks(items: list[Any]) -> Iterable[list[Any]]:
    return (items[i : i + _SELECTED_AT_ONCE] for i in range(0, len(items), _SELECTED_AT_ONCE))
