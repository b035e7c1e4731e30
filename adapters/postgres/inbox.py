"""The inbox in PostgreSQL; the bodies sealed. What was read keeps its name for some days, and no body."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from adapters.envelope import Envelope
from adapters.postgres.columns import to_bytes, to_text
from adapters.postgres.connect import Database
from adapters.postgres.links import name_of
from adapters.sealed_records import Old, notice_opened, notice_sealed, of_notice, resealed
from domain.outside import KNOWN_MS, Notice

# Rows that another process is forgetting are left to it.
_FORGET = "DELETE FROM inbox WHERE name IN (SELECT name FROM inbox WHERE body IS NULL AND at <= %s FOR UPDATE SKIP LOCKED) AND body IS NULL"
# Sorted by name: of two who put the same notices one waits for the other, and not each for the other.
_PUT = (
    "INSERT INTO inbox (name, account, provider, id, body, place, at)"
    " SELECT name, account, provider, id, body, place, %s FROM (SELECT unnest(%b::bytea[]), unnest(%b::bytea[]), unnest(%b::text[]),"
    " unnest(%b::bytea[]), unnest(%b::bytea[]), unnest(%b::int[])) AS u (name, account, provider, id, body, place)"
    " ORDER BY name, place ON CONFLICT (name) DO NOTHING"
)
# Materialised: read into the update, the subquery may be run more than once, and lock more rows than are claimed.
_CLAIM = (
    "WITH free AS MATERIALIZED (SELECT name FROM inbox WHERE body IS NOT NULL AND until <= %(now)s"
    " ORDER BY at, place, name LIMIT %(limit)s FOR UPDATE SKIP LOCKED)"
    " UPDATE inbox AS i SET until = %(until)s FROM free AS f WHERE i.name = f.name"
    " RETURNING i.at, i.place, i.name, i.account, i.provider, i.id, i.body"
)
_EXTEND = (
    "UPDATE inbox SET until = greatest(until, %(until)s) WHERE name IN (SELECT name FROM inbox WHERE name = ANY(%(names)b::bytea[])"
    " AND body IS NOT NULL ORDER BY name FOR UPDATE)"
)
_DONE = (
    "UPDATE inbox SET body = NULL WHERE name IN (SELECT name FROM inbox WHERE name = ANY(%b::bytea[]) AND body IS NOT NULL"
    " ORDER BY name FOR UPDATE)"
)


class PostgresInbox:
    """`outside.Inbox` in a schema."""

    def __init__(self, database: Database, envelope: Envelope) -> None:
        self._database, self._envelope = database, envelope

    def put(self, notices: Sequence[Notice], now: int) -> int:
        """See the port. After `TryAgain` they may be there; then the same call keeps none of them."""
        columns = (
            [_name(n) for n in notices],
            [to_bytes(n.account) for n in notices],
            [n.provider for n in notices],
            [to_bytes(n.id) for n in notices],
            [notice_sealed(self._envelope, n) for n in notices],
            list(range(len(notices))),
        )
        with self._database.transaction() as connection:
            connection.execute(_FORGET, (now - KNOWN_MS,))
            return connection.execute(_PUT, (now, *columns)).rowcount

    def claim(self, now: int, lease_ms: int, limit: int) -> list[Notice]:
        """See the port."""
        rows = self._database.rows(_CLAIM, {"now": now, "limit": limit, "until": now + lease_ms})
        told = [(to_text(account), provider, to_text(id), box) for *_, account, provider, id, box in sorted(rows)]
        return [notice_opened(self._envelope, *one) for one in told]

    def extend(self, notices: Sequence[Notice], until: int) -> None:
        """See the port."""
        with self._database.connection() as connection:
            connection.execute(_EXTEND, {"until": until, "names": [_name(n) for n in notices]})

    def done(self, notices: Sequence[Notice]) -> None:
        """See the port."""
        with self._database.connection() as connection:
            connection.execute(_DONE, ([_name(n) for n in notices],))

    def waiting(self) -> int:
        """See the port."""
        [(count,)] = self._database.rows("SELECT count(*) FROM inbox WHERE body IS NOT NULL")
        return int(count)

    def forget(self, account: str, provider: str) -> None:
        """See the port."""
        with self._database.connection() as connection:
            connection.execute("DELETE FROM inbox WHERE account = %s AND provider = %s", (to_bytes(account), provider))

    def reseal(self) -> int:
        """See `outside.Sealed`."""
        return resealed(self._envelope, self._boxes(), self._replace)

    def _boxes(self) -> Iterator[Old[bytes]]:
        for name, account, provider, id, box in self._database.rows(
            "SELECT name, account, provider, id, body FROM inbox WHERE body IS NOT NULL"
        ):
            yield Old(name, of_notice(to_text(account), provider, to_text(id)), box)

    def _replace(self, name: bytes, old: bytes, new: bytes) -> bool:
        with self._database.connection() as connection:
            return bool(connection.execute("UPDATE inbox SET body = %s WHERE name = %s AND body = %s", (new, name, old)).rowcount)


def _name(notice: Notice) -> bytes:
    return name_of(notice.account, notice.provider, notice.id)
