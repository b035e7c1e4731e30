"""The event store and the indexes decided by, in one SQLite file: a batch is one transaction.

Recorded through the `eventsourcing` library with a recorder of our own: it inserts with `executemany`, takes many positions a
transaction, and writes the indexes beside the events. Indexes are keyed by 63-bit digests: nothing in them can be read, and
what a digest names is checked against the meeting it leads to.
"""

from __future__ import annotations

import hashlib
import sqlite3
import threading
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, cast
from uuid import UUID

from eventsourcing.persistence import IntegrityError, OperationalError, StoredEvent
from eventsourcing.sqlite import SQLiteCursor, SQLiteProcessRecorder

from adapters.recording import Deciding, decode, tracking
from domain.errors import Conflict, TryAgain
from domain.events import Event
from domain.ports import IndexChange, Place, Recorded

TABLES = ("identities", "people", "addresses", "likeness")
_SELECTED_AT_ONCE = 500


class FastRecorder(SQLiteProcessRecorder):
    """The library's process recorder with array inserts, several positions and our indexes in the same transaction."""

    def construct_create_table_statements(self) -> list[str]:
        """The library's tables and the indexes."""
        statements = super().construct_create_table_statements()
        # One name leads to one meeting; the other indexes have several values a key.
        statements.append("CREATE TABLE IF NOT EXISTS identities (k INTEGER PRIMARY KEY, v TEXT NOT NULL)")
        statements += [
            f"CREATE TABLE IF NOT EXISTS {name} (k INTEGER NOT NULL, v TEXT NOT NULL, PRIMARY KEY (k, v)) WITHOUT ROWID"
            for name in TABLES
            if name != "identities"
        ]
        return statements

    def _insert_events(self, c: SQLiteCursor, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int] | None:
        _tune(c)
        for one in kwargs.get("trackings", ()):
            self._insert_tracking(c, one)
        c.executemany(
            self.insert_events_statement, [(cast(UUID, e.originator_id).hex, e.originator_version, e.topic, e.state) for e in stored_events]
        )
        for change in kwargs.get("index", ()):
            _write_index(c, change)
        return None


def _tune(c: SQLiteCursor) -> None:
    # The library opens its connections with SQLite's defaults: 2 MB of cache are too few pages for indexes of millions of
    # rows, and a checkpoint every 1,000 pages writes the same index pages to the file again and again. Costs 2 us a batch.
    c.execute("PRAGMA cache_size = -131072")
    c.execute("PRAGMA wal_autocheckpoint = 8000")


def _write_index(c: SQLiteCursor, change: tuple[str, bool, list[tuple[int, str]]]) -> None:
    table, gone, rows = change
    if gone:
        c.executemany(f"DELETE FROM {table} WHERE k = ? AND v = ?", rows)  # noqa: S608 - table is one of TABLES
    elif table == "identities":
        c.executemany("INSERT INTO identities VALUES (?, ?) ON CONFLICT (k) DO UPDATE SET v = excluded.v", rows)
    else:
        c.executemany(f"INSERT OR IGNORE INTO {table} VALUES (?, ?)", rows)  # noqa: S608 - table is one of TABLES


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

    def commit(self, events: Sequence[Recorded], index: Sequence[IndexChange], places: Sequence[Place]) -> None:
        """See `ports.Store.commit`."""
        try:
            self._app.events.put(
                cast(Any, events),
                trackings=[tracking(p.partition, p.position) for p in places],
                index=list(_grouped(index)),
            )
        except IntegrityError as error:
            raise Conflict(str(error)) from error
        except OperationalError as error:
            raise TryAgain(str(error)) from error

    def place(self, partition: str) -> int:
        """See `ports.Store.place`."""
        return self._recorder.max_tracking_id(tracking(partition, 0).application_name) or 0

    def load(self, streams: Sequence[UUID]) -> dict[UUID, list[Event]]:
        """See `ports.Store.load`."""
        found: dict[UUID, list[Event]] = {}
        reader = self._reader()
        for some in _chunks([s.hex for s in streams]):
            marks = ",".join("?" * len(some))
            rows = reader.execute(
                f"SELECT originator_id, topic, state FROM stored_events WHERE originator_id IN ({marks})"  # noqa: S608 - only marks
                " ORDER BY originator_id, originator_version",
                some,
            )
            for stream, name, body in rows:
                found.setdefault(UUID(stream), []).append(decode(name, body))
        return found

    def look_up(self, table: str, account: str, keys: Sequence[str]) -> dict[str, tuple[str, ...]]:
        """See `ports.Store.look_up`."""
        if table not in TABLES:
            raise ValueError(table)
        by_digest = {_digest(account, key): key for key in keys}
        found: dict[str, tuple[str, ...]] = {}
        reader = self._reader()
        for some in _chunks(list(by_digest)):
            marks = ",".join("?" * len(some))
            for digest, value in reader.execute(f"SELECT k, v FROM {table} WHERE k IN ({marks})", some):  # noqa: S608 - one of TABLES
                key = by_digest[digest]
                found[key] = (*found.get(key, ()), value)
        return found

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


def _grouped(index: Sequence[IndexChange]) -> Iterable[tuple[str, bool, list[tuple[int, str]]]]:
    """Changes of one table and kind together, sorted, so that one page is written once."""
    groups: dict[tuple[str, bool], list[tuple[int, str]]] = {}
    for table, account, key, value, gone in index:
        rows = groups.get((table, gone))
        if rows is None:
            rows = groups[table, gone] = []
        rows.append((_digest(account, key), value))
    for rows in groups.values():
        rows.sort()
    return [(table, gone, rows) for (table, gone), rows in groups.items()]


@lru_cache(maxsize=200_000)  # a key is looked up first and written after
def _digest(account: str, key: str) -> int:
    raw = hashlib.blake2b(f"{account}\0{key}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(raw) >> 1


def _chunks(items: list[Any]) -> Iterable[list[Any]]:
    return (items[i : i + _SELECTED_AT_ONCE] for i in range(0, len(items), _SELECTED_AT_ONCE))
