"""The cursors in a SQLite file; their values sealed.

A lease is a number that is new with each claim: it is compared before anything is written, so that who lost it writes nothing.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from msgspec.structs import replace

from adapters.envelope import Envelope
from adapters.sealed_records import Old, of_cursor, resealed, text_opened, text_sealed
from adapters.sqlite.private import PrivateFile
from domain.errors import Conflict
from domain.outside import Cursor, Link

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS cursors (account TEXT NOT NULL, provider TEXT NOT NULL, user TEXT NOT NULL, feed TEXT NOT NULL,"
    " value BLOB, due_at INTEGER NOT NULL, read_at INTEGER, failures INTEGER NOT NULL DEFAULT 0, reason TEXT,"
    " until INTEGER NOT NULL DEFAULT 0, lease INTEGER NOT NULL DEFAULT 0, woken INTEGER, PRIMARY KEY (account, provider, user, feed))",
    "CREATE INDEX IF NOT EXISTS cursors_due ON cursors (due_at)",
)
_COLUMNS = "account, provider, user, feed, value, due_at, read_at, failures, reason, until, lease"
_WITHOUT_VALUE = _COLUMNS.replace("value", "NULL")
_LINK = "account = ? AND provider = ? AND user = ?"
_ONE = f"{_LINK} AND feed = ?"
_HELD = f"{_ONE} AND lease = ? AND until > ?"
_FREE = "due_at <= ? AND until <= ?"
_CLAIM = (
    "UPDATE cursors SET until = ?, lease = ?, woken = NULL WHERE rowid IN"  # noqa: S608 - the names are constants
    f" (SELECT rowid FROM cursors WHERE {_FREE} ORDER BY due_at, account, provider, user, feed LIMIT ?) RETURNING {_COLUMNS}"
)
_KEEP = (
    "UPDATE cursors SET value = ?, due_at = min(?, ifnull(woken, ?)), read_at = ?, failures = ?, reason = ?, until = 0, lease = 0,"  # noqa: S608 - as above
    f" woken = NULL WHERE {_HELD}"
)


class SqliteCursors:
    """`outside.Cursors` in a file. `now` is our clock (ms): by it a lease has run out."""

    def __init__(self, path: Path, envelope: Envelope, now: Callable[[], int]) -> None:
        self._file = PrivateFile(path, _SCHEMA)
        self._envelope, self._now = envelope, now

    def close(self) -> None:
        """Close every connection."""
        self._file.close()

    def want(self, link: Link, feed: str, due_at: int) -> None:
        """See the port."""
        with self._file.writing() as writer:
            row = (*link, feed, due_at)
            writer.execute("INSERT OR IGNORE INTO cursors (account, provider, user, feed, due_at) VALUES (?, ?, ?, ?, ?)", row)

    def claim(self, now: int, lease_ms: int, limit: int) -> list[Cursor]:
        """See the port."""
        # Looked first: who finds nothing to do holds up no writer.
        if not self._file.rows(f"SELECT 1 FROM cursors WHERE {_FREE} LIMIT 1", (now, now)):  # noqa: S608 - the condition is a constant
            return []
        with self._file.writing() as writer:
            rows = writer.execute(_CLAIM, (now + lease_ms, secrets.randbits(62) | 1, now, now, limit)).fetchall()
        return sorted(map(self._cursor, rows), key=lambda one: (one.due_at, one.link, one.feed))

    def extend(self, cursor: Cursor, until: int) -> Cursor:
        """See the port."""
        self._write(f"UPDATE cursors SET until = ? WHERE {_HELD}", cursor, until)  # noqa: S608 - the condition is a constant
        return replace(cursor, until=until)

    def keep(self, cursor: Cursor) -> None:
        """See the port."""
        value = text_sealed(self._envelope, of_cursor(cursor.link, cursor.feed), cursor.value)
        self._write(_KEEP, cursor, value, cursor.due_at, cursor.due_at, cursor.read_at, cursor.failures, cursor.reason)

    def _write(self, statement: str, cursor: Cursor, *parameters: Any) -> None:
        with self._file.writing() as writer:
            held = (*cursor.link, cursor.feed, cursor.lease, self._now())
            if not writer.execute(statement, (*parameters, *held)).rowcount:
                raise Conflict(f"the lease of the cursor {cursor.feed} is lost")

    def wake(self, link: Link, feed: str, at: int) -> bool:
        """See the port."""
        statement = f"UPDATE cursors SET due_at = min(due_at, ?), woken = min(ifnull(woken, ?), ?) WHERE {_ONE}"  # noqa: S608 - as above
        with self._file.writing() as writer:
            return bool(writer.execute(statement, (at, at, at, *link, feed)).rowcount)

    def forget(self, link: Link) -> None:
        """See the port. Raises `TryAgain` if they are dropped and their bytes could not be cleared away; the same call again does it."""
        with self._file.writing() as writer:
            writer.execute(f"DELETE FROM cursors WHERE {_LINK}", link)  # noqa: S608 - as above
        self._file.scrub()

    def of(self, link: Link) -> list[Cursor]:
        """See the port."""
        return [self._cursor(row) for row in self._file.rows(f"SELECT {_WITHOUT_VALUE} FROM cursors WHERE {_LINK} ORDER BY feed", link)]  # noqa: S608 - as above

    def all(self, account: str | None = None) -> list[Cursor]:
        """See the port. In the order of their links and feeds."""
        query = f"SELECT {_WITHOUT_VALUE} FROM cursors WHERE ? IS NULL OR account = ? ORDER BY account, provider, user, feed"  # noqa: S608 - as above
        return [self._cursor(row) for row in self._file.rows(query, (account, account))]

    def reseal(self) -> int:
        """See `outside.Sealed`."""
        return resealed(self._envelope, self._boxes(), self._replace)

    def _boxes(self) -> Iterator[Old[tuple[Link, str]]]:
        for *link, feed, box in self._file.rows("SELECT account, provider, user, feed, value FROM cursors WHERE value IS NOT NULL"):
            yield Old((Link(*link), feed), of_cursor(Link(*link), feed), box)

    def _replace(self, row: tuple[Link, str], old: bytes, new: bytes) -> bool:
        link, feed = row
        with self._file.writing() as writer:
            return bool(writer.execute(f"UPDATE cursors SET value = ? WHERE {_ONE} AND value = ?", (new, *link, feed, old)).rowcount)  # noqa: S608 - as above

    def _cursor(self, row: Any) -> Cursor:
        account, provider, user, feed, box, due_at, read_at, failures, reason, until, lease = row
        link = Link(account, provider, user)
        return Cursor(
            link=link,
            feed=feed,
            value=text_opened(self._envelope, of_cursor(link, feed), box),
            due_at=due_at,
            read_at=read_at,
            failures=failures,
            reason=reason,
            until=until,
            lease=lease,
        )
