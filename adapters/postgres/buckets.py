"""The buckets in PostgreSQL, shared by all processes: a row each, asked and changed in one statement."""

from __future__ import annotations

from adapters.postgres.connect import Database
from adapters.postgres.links import name_of
from adapters.token_bucket import ask, wait

# No row comes back if it is not there. Summed in the order of `token_bucket.wait`, to the same last digit.
_TAKE = (
    "INSERT INTO buckets AS b (key, full_at, shut_until) VALUES (%(key)s, %(now)s::float8 + %(need)s::float8, 0)"
    " ON CONFLICT (key) DO UPDATE SET full_at = greatest(b.full_at, %(now)s::float8) + %(need)s::float8"
    " WHERE b.shut_until <= %(now)s::float8"
    " AND greatest(b.full_at, %(now)s::float8) + %(need)s::float8 - %(room)s::float8 - %(now)s::float8 <= 0 RETURNING 1"
)
_DRAIN = (
    "INSERT INTO buckets AS b (key, full_at, shut_until) VALUES (%s, 0, %s)"
    " ON CONFLICT (key) DO UPDATE SET shut_until = greatest(b.shut_until, excluded.shut_until)"
)


class PostgresBuckets:
    """`outside.Buckets` in a schema."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take(self, key: str, rate: float, burst: float, now: int, cost: float = 1.0) -> int:
        """See the port. Raises ValueError if no waiting would help. After `TryAgain` it may have been taken."""
        asked, name = ask(rate, burst, cost), name_of(key)
        if self._database.rows(_TAKE, {"key": name, "now": now, "need": asked.need, "room": asked.room}):
            return 0
        [(full_at, shut_until)] = self._database.rows("SELECT full_at, shut_until FROM buckets WHERE key = %s", (name,))
        # Read a moment later, when others may have taken as well: never sooner than when it was refused.
        return wait(full_at, shut_until, now, asked)

    def drain(self, key: str, until: int) -> None:
        """See the port. An earlier word that asks for longer stands."""
        with self._database.connection() as connection:
            connection.execute(_DRAIN, (name_of(key), until))
