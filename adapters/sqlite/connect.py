"""How this house opens a SQLite file, and shares it between threads.

One connection writes, behind a lock; each thread reads through one of its own, so that no reader waits for a writer. What must
stay true: a committed transaction is on the disk, whoever is killed next; and two processes may open a new file at once.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from weakref import WeakSet

from domain.errors import RendezvousError, Stop, TryAgain

BUSY_SECONDS = 10.0
_RETRY_SECONDS = 0.01
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)


class _Connection(sqlite3.Connection):
    """A connection that can be referred to weakly, which the built-in class cannot."""


def connect(path: Path) -> sqlite3.Connection:
    """A connection to the file, made if absent; usable by any thread, by one at a time. Raises sqlite3.Error."""
    # isolation_level None: the module begins no transactions of its own accord, every BEGIN stands in our code.
    # check_same_thread False: a writer is shared behind a lock, and whoever closes the file closes all its connections.
    connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, factory=_Connection)
    # `timeout` above is PRAGMA busy_timeout: the two or three processes of an installation write in turn; longer than
    # this nobody holds the file unless he hangs.
    _into_wal(connection)
    # FULL: with WAL, NORMAL leaves commits of the last moments to the operating system, and a receipt given for them
    # would be a lie after a power cut.
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def _into_wal(connection: sqlite3.Connection) -> None:
    # WAL: readers go on while somebody writes. Changing the mode needs the file for oneself, and SQLite answers "locked"
    # to this one statement without waiting; hence the loop. In an existing file it passes at once.
    until = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if not _is_busy(error) or time.monotonic() > until:
                raise
            time.sleep(_RETRY_SECONDS)
        else:
            return


def _is_busy(error: sqlite3.Error) -> bool:
    # The low byte is the kind; the module's own errors (a closed connection) carry no code.
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _BUSY


def in_our_words(error: sqlite3.Error) -> RendezvousError:
    """What follows from an error of SQLite: try again if somebody else has the file, else stop."""
    return TryAgain(f"sqlite: {error}") if _is_busy(error) else Stop(f"sqlite: {error}")


class Connections:
    """The connections to one file. Every method raises `TryAgain` or `Stop`, never an error of SQLite.

    `schema` are statements that may be executed again; `tuning` are pragmas of the writing connection.
    """

    def __init__(self, path: Path, schema: Sequence[str], tuning: Sequence[str] = ()) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._mine = threading.local()
        # Weak: the connection of a thread that has ended closes with it.
        self._readers: WeakSet[sqlite3.Connection] = WeakSet()
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            self._writer = connect(path)
            for pragma in tuning:
                self._writer.execute(pragma)
        except sqlite3.Error as error:
            raise in_our_words(error) from error
        with self.writing() as writer:
            for statement in schema:
                writer.execute(statement)

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction that is durable when the block is left, or did not happen if it is left by an exception."""
        with self._lock:
            try:
                # IMMEDIATE: who reads first and writes later would be refused, not made to wait, if another wrote between.
                self._writer.execute("BEGIN IMMEDIATE")
                try:
                    yield self._writer
                    self._writer.execute("COMMIT")
                except BaseException:
                    # SQLite has rolled back by itself after some errors, and then refuses to do it again.
                    with suppress(sqlite3.OperationalError):
                        self._writer.execute("ROLLBACK")
                    raise
            except sqlite3.Error as error:
                raise in_our_words(error) from error

    def rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[Any]:
        """All rows of a query, through this thread's own connection. Sees every transaction committed before."""
        try:
            return self._reader().execute(statement, parameters).fetchall()
        except sqlite3.Error as error:
            raise in_our_words(error) from error

    def truncate_wal(self) -> None:
        """Bring everything into the file and leave the write-ahead log empty. Raises `TryAgain` if a reader stands in the way."""
        with self._lock:
            try:
                busy = self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            except sqlite3.Error as error:
                raise in_our_words(error) from error
        if busy:
            raise TryAgain("sqlite: the write-ahead log is being read and could not be emptied")

    def close(self) -> None:
        """Close every connection, of every thread. Nobody may use them any more."""
        with self._lock:
            for reader in list(self._readers):
                reader.close()
            self._writer.close()

    def _reader(self) -> sqlite3.Connection:
        reader: sqlite3.Connection | None = getattr(self._mine, "reader", None)
        if reader is None:
            reader = connect(self._path)
            reader.execute("PRAGMA query_only = ON")
            self._mine.reader = reader
            with self._lock:
                self._readers.add(reader)
        return reader


def by_account(those: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    """What is asked for of each account: a statement each, since a file needs no round trip.

    >>> by_account([("62515", "151")])
    {'62515': {'151'}}
    """
    found: dict[str, set[str]] = {}
    for account, one in those:
        found.setdefault(account, set()).add(one)
    return found
