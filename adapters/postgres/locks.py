"""One process of many: a lock that the server takes back by itself from whoever is gone.

What must stay true: at most one holds a name at a time, as the server sees it. A holder that was cut off may go on until it asks
`still`; what it writes meanwhile must be harmless, or refused by what it writes to.
"""

from __future__ import annotations

import time
from types import TracebackType

import psycopg

from adapters.postgres.connect import Connection, Database, in_our_words

_LOOK_SECONDS = 0.25
"""How long a standby may sleep after the lock has become free."""

_SHARING = (
    "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND mode = 'ShareLock' AND objsubid = 1"
    " AND ((classid::bigint << 32) | objid::bigint) = %s"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


class OnlyOne:
    """An advisory lock on a connection of its own; used as a context, left without it.

        with OnlyOne(database, "relay:0") as one:
            if one.take(seconds=60):
                while one.still(): ...

    Used by one thread. Not through a pooler that shares sessions (PgBouncer in transaction mode): the lock is the session's.
    """

    def __init__(self, database: Database, name: str) -> None:
        self._database, self._key = database, database.lock_key(f"only:{name}")
        self._connection: Connection | None = None
        self._held = False

    def __enter__(self) -> OnlyOne:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.release()

    def take(self, seconds: float = 0.0) -> bool:
        """Hold it, waiting up to `seconds` for whoever does; False if he still does. Raises `TryAgain` if the server cannot be asked."""
        until = time.monotonic() + seconds
        while not self._try():
            left = until - time.monotonic()
            if left <= 0:
                return False
            time.sleep(min(_LOOK_SECONDS, left))
        return True

    def still(self) -> bool:
        """Is it ours, still? False for good once the connection was lost: take it again. Costs a round trip."""
        if self._held:
            try:
                self._ask("SELECT 1")
            except psycopg.Error:
                self.release()
        return self._held

    def release(self) -> None:
        """Let others have it."""
        self._held = False
        if self._connection is not None:
            # The session's end frees the lock, also if the server no longer answers.
            self._connection.close()
            self._connection = None

    def _try(self) -> bool:
        if not self.still():
            try:
                self._held = self._ask("SELECT pg_try_advisory_lock(%s)", self._key)
            except psycopg.Error:
                # Nothing was held on it. The next try opens another, and says what is wrong.
                self.release()
        return self._held

    def _ask(self, statement: str, *parameters: int) -> bool:
        if self._connection is None:
            self._connection = self._database.alone()
        row = self._connection.execute(statement.encode(), parameters or None).fetchone()
        return row is not None and bool(row[0])


class Present:
    """How many processes of a name there are: each holds one lock that all of them share, on a connection of its own; used as a
    context, left without it. Used by one thread."""

    def __init__(self, database: Database, name: str) -> None:
        self._database, self._key = database, database.lock_key(f"present:{name}")
        self._connection: Connection | None = None

    def count(self) -> int:
        """This one included. Raises `TryAgain` if the server cannot be asked."""
        if self._connection is None:
            self._connection = self._database.alone()
            self._ask("SELECT pg_try_advisory_lock_shared(%s)")
        return self._ask(_SHARING)

    def __enter__(self) -> Present:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Be counted no more."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _ask(self, statement: str) -> int:
        assert self._connection is not None
        try:
            row = self._connection.execute(statement.encode(), (self._key,)).fetchone()
        except psycopg.Error as error:
            self.close()
            raise in_our_words(error) from error
        assert row is not None
        return int(row[0])
