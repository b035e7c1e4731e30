"""The cursors in PostgreSQL; their values sealed.

A lease is a number that is new with each claim: it is compared before anything is written, so that who lost it writes nothing.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from typing import Any

from msgspec.structs import replace

from adapters.envelope import Envelope
from adapters.postgres.columns import to_bytes, to_text
from adapters.postgres.connect import Database
from adapters.postgres.links import columns_of, link_of, name_of
from adapters.postgres.scrubbing import scrub
from adapters.sealed_records import Old, of_cursor, resealed, text_opened, text_sealed
from domain.errors import Conflict
from domain.outside import Cursor, Link

_COLUMNS = "account, provider, user_id, feed, value, due_at, read_at, failures, reason, until, lease"
_WITHOUT_VALUE = _COLUMNS.replace("value", "NULL::bytea")
_WANT = "INSERT INTO cursors (link, account, provider, user_id, feed, due_at) VALUES (%s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING"
# Materialised: read into the update, the subquery may be run more than once, and lock more rows than are claimed.
_CLAIM = (
    "WITH free AS MATERIALIZED (SELECT link, feed FROM cursors WHERE due_at <= %(now)s AND until <= %(now)s"  # noqa: S608 - only names
    " ORDER BY due_at, account, provider, user_id, feed LIMIT %(limit)s FOR UPDATE SKIP LOCKED)"
    " UPDATE cursors AS c SET until = %(until)s, lease = %(lease)s, woken = NULL FROM free AS f"
    " WHERE c.link = f.link AND c.feed = f.feed RETURNING " + ", ".join(f"c.{name}" for name in _COLUMNS.split(", "))
)
_HELD = "link = %s AND feed = %s AND lease = %s AND until > %s"
_EXTEND = f"UPDATE cursors SET until = %s WHERE {_HELD}"  # noqa: S608 - the condition is a constant
_KEEP = (
    "UPDATE cursors SET value = %s, due_at = least(%s::bigint, woken), read_at = %s, failures = %s, reason = %s, until = 0, lease = 0,"  # noqa: S608 - as above
    f" woken = NULL WHERE {_HELD}"
)
_WAKE = "UPDATE cursors SET due_at = least(due_at, %s::bigint), woken = least(woken, %s::bigint) WHERE link = %s AND feed = %s"


class PostgresCursors:
    """`outside.Cursors` in a schema. `now` is our clock (ms): by it a lease has run out."""

    def __init__(self, database: Database, envelope: Envelope, now: Callable[[], int]) -> None:
        self._database, self._envelope, self._now = database, envelope, now

    def want(self, link: Link, feed: str, due_at: int) -> None:
        """See the port."""
        with self._database.connection() as connection:
            connection.execute(_WANT, (*columns_of(link), feed, due_at))

    def claim(self, now: int, lease_ms: int, limit: int) -> list[Cursor]:
        """See the port."""
        parameters = {"now": now, "limit": limit, "until": now + lease_ms, "lease": secrets.randbits(62) | 1}
        rows = self._database.rows(_CLAIM, parameters)
        return sorted(map(self._cursor, rows), key=lambda one: (one.due_at, one.link, one.feed))

    def extend(self, cursor: Cursor, until: int) -> Cursor:
        """See the port."""
        self._write(_EXTEND, cursor, until)
        return replace(cursor, until=until)

    def keep(self, cursor: Cursor) -> None:
        """See the port. After `TryAgain` it may have been kept; then the same call is a `Conflict`."""
        value = text_sealed(self._envelope, of_cursor(cursor.link, cursor.feed), cursor.value)
        reason = None if cursor.reason is None else to_bytes(cursor.reason)
        self._write(_KEEP, cursor, value, cursor.due_at, cursor.read_at, cursor.failures, reason)

    def _write(self, statement: str, cursor: Cursor, *parameters: Any) -> None:
        held = (name_of(*cursor.link), cursor.feed, cursor.lease, self._now())
        with self._database.connection() as connection:
            if not connection.execute(statement, (*parameters, *held)).rowcount:
                raise Conflict(f"the lease of the cursor {cursor.feed} is lost")

    def wake(self, link: Link, feed: str, at: int) -> bool:
        """See the port."""
        with self._database.connection() as connection:
            return bool(connection.execute(_WAKE, (at, at, name_of(*link), feed)).rowcount)

    def forget(self, link: Link) -> None:
        """See the port. Raises `TryAgain` if they are dropped and their bytes could not be cleared away; the same call again does it."""
        with self._database.connection() as connection:
            connection.execute("DELETE FROM cursors WHERE link = %s", (name_of(*link),))
        scrub(self._database, "cursors")

    def of(self, link: Link) -> list[Cursor]:
        """See the port."""
        query = f'SELECT {_WITHOUT_VALUE} FROM cursors WHERE link = %s ORDER BY feed COLLATE "C"'  # noqa: S608 - only names
        return [self._cursor(row) for row in self._database.rows(query, (name_of(*link),))]

    def all(self, account: str | None = None) -> list[Cursor]:
        """See the port. In the order of their links and feeds."""
        order = 'ORDER BY account, provider, user_id, feed COLLATE "C"'
        condition, parameters = ("", ()) if account is None else ("WHERE account = %s", (to_bytes(account),))
        return [self._cursor(row) for row in self._database.rows(f"SELECT {_WITHOUT_VALUE} FROM cursors {condition} {order}", parameters)]  # noqa: S608 - only names

    def reseal(self) -> int:
        """See `outside.Sealed`."""
        return resealed(self._envelope, self._boxes(), self._replace)

    def _boxes(self) -> Iterator[Old[tuple[bytes, str]]]:
        for *columns, feed, box in self._database.rows(
            "SELECT account, provider, user_id, feed, value FROM cursors WHERE value IS NOT NULL"
        ):
            link = link_of(*columns)
            yield Old((name_of(*link), feed), of_cursor(link, feed), box)

    def _replace(self, row: tuple[bytes, str], old: bytes, new: bytes) -> bool:
        statement = "UPDATE cursors SET value = %s WHERE link = %s AND feed = %s AND value = %s"
        with self._database.connection() as connection:
            return bool(connection.execute(statement, (new, *row, old)).rowcount)

    def _cursor(self, row: tuple[Any, ...]) -> Cursor:
        account, provider, user_id, feed, box, due_at, read_at, failures, reason, until, lease = row
        link = link_of(account, provider, user_id)
        return Cursor(
            link=link,
            feed=feed,
            value=text_opened(self._envelope, of_cursor(link, feed), box),
            due_at=due_at,
            read_at=read_at,
            failures=failures,
            reason=None if reason is None else to_text(reason),
            until=until,
            lease=lease,
        )
