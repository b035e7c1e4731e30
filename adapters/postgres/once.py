"""What may happen once, in PostgreSQL. Values are sealed, and of what names them only a digest is kept: an open login's state is a key
to it."""

from __future__ import annotations

from collections.abc import Iterator

from adapters.envelope import Envelope
from adapters.postgres.connect import Database
from adapters.postgres.links import name_of
from adapters.sealed_records import Old, of_once, resealed, text_opened

# Until the statement's own commit, which does not wait for the disk: each webhook asks for the first time.
_UNSYNCED = "set_config('synchronous_commit', 'off', true)"
# Some at a time, and not those that another process is at: what is over counts as gone whether it is there or not.
_CLEAR = (
    f"DELETE FROM once USING {_UNSYNCED} WHERE name IN"  # noqa: S608 - only a constant
    " (SELECT name FROM once WHERE until <= %s ORDER BY until LIMIT 100 FOR UPDATE SKIP LOCKED)"
)
_PUT = (
    "INSERT INTO once (name, value, until) VALUES (%s, %s, %s)"
    " ON CONFLICT (name) DO UPDATE SET value = excluded.value, until = excluded.until"
)
_TAKE = "DELETE FROM once WHERE name = %s AND value IS NOT NULL RETURNING value, until"
_FIRST = (
    f"INSERT INTO once AS o (name, until) SELECT %s::bytea, %s::bigint FROM {_UNSYNCED}"  # noqa: S608 - only a constant
    " ON CONFLICT (name) DO UPDATE SET value = NULL, until = excluded.until WHERE o.until <= %s"
)


class PostgresOnce:
    """`outside.Once` in a schema. No value: it was only asked after by `first`."""

    def __init__(self, database: Database, envelope: Envelope) -> None:
        self._database, self._envelope = database, envelope

    def put(self, kind: str, key: str, value: str, until: int) -> None:
        """See the port."""
        name = name_of(kind, key)
        with self._database.connection() as connection:
            connection.execute(_PUT, (name, self._envelope.seal(of_once(name), value.encode()), until))

    def take(self, kind: str, key: str, now: int) -> str | None:
        """See the port. After `TryAgain` it may be gone."""
        name = name_of(kind, key)
        with self._database.connection() as connection:
            connection.execute(_CLEAR, (now,))
            box, until = connection.execute(_TAKE, (name,)).fetchone() or (None, 0)
        return text_opened(self._envelope, of_once(name), box) if until > now else None

    def first(self, kind: str, key: str, until: int, now: int) -> bool:
        """See the port. After `TryAgain` it may have been the first time."""
        with self._database.connection() as connection:
            connection.execute(_CLEAR, (now,))
            return bool(connection.execute(_FIRST, (name_of(kind, key), until, now)).rowcount)

    def reseal(self) -> int:
        """See `outside.Sealed`."""
        return resealed(self._envelope, self._boxes(), self._replace)

    def _boxes(self) -> Iterator[Old[bytes]]:
        for name, box in self._database.rows("SELECT name, value FROM once WHERE value IS NOT NULL"):
            yield Old(name, of_once(name), box)

    def _replace(self, name: bytes, old: bytes, new: bytes) -> bool:
        with self._database.connection() as connection:
            return bool(connection.execute("UPDATE once SET value = %s WHERE name = %s AND value = %s", (new, name, old)).rowcount)
