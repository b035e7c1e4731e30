"""The deliveries, in the store's SQLite file: `store` writes them in the transaction of the events that they follow from.

`delivery_links` has a row for each link, with when its oldest waiting delivery is due: a claim reads what is due and nothing else,
however much waits behind a provider that is down. What must stay true: what is forgotten of a delivery is overwritten in the file.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

import msgspec
from msgspec.structs import replace

from adapters.sqlite.connect import Connections
from adapters.superseding import DROPPED, OVER, emptied, is_recalled, kept
from domain.errors import Conflict
from domain.outside import Delivery, Link, Recall, Request

SCHEMA = (
    "CREATE TABLE IF NOT EXISTS deliveries (n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, account TEXT NOT NULL, provider TEXT NOT NULL,"
    " user TEXT NOT NULL, meeting TEXT NOT NULL, request BLOB NOT NULL, state TEXT NOT NULL, tries INTEGER NOT NULL DEFAULT 0,"
    " due_at INTEGER NOT NULL, reason TEXT, until INTEGER NOT NULL DEFAULT 0, lease INTEGER NOT NULL DEFAULT 0)",
    "CREATE INDEX IF NOT EXISTS deliveries_waiting ON deliveries (account, provider, user, n) WHERE state = 'waiting'",
    "CREATE INDEX IF NOT EXISTS deliveries_account ON deliveries (account, id)",
    "CREATE INDEX IF NOT EXISTS deliveries_over ON deliveries (due_at) WHERE state IN ('done', 'superseded')",
    "CREATE INDEX IF NOT EXISTS deliveries_open ON deliveries (meeting) WHERE state IN ('waiting', 'failed')",
    "CREATE TABLE IF NOT EXISTS delivery_links (account TEXT NOT NULL, provider TEXT NOT NULL, user TEXT NOT NULL, due_at INTEGER,"
    " until INTEGER NOT NULL DEFAULT 0, PRIMARY KEY (account, provider, user))",
    "CREATE INDEX IF NOT EXISTS delivery_links_due ON delivery_links (due_at) WHERE due_at IS NOT NULL",
)
_COLUMNS = "request, state, tries, due_at, reason, until, lease"
_LINK = "account = ? AND provider = ? AND user = ?"
_WAITING = f"{_LINK} AND state = 'waiting'"
# Of one meeting, not of one link: thousands may wait for a provider that is down. The planner has to be told.
_OPEN = f"deliveries INDEXED BY deliveries_open WHERE {_WAITING} AND state IN ('waiting', 'failed') AND meeting = ?"
_BEHIND = f"SELECT request, tries OR lease FROM {_OPEN} ORDER BY n"  # noqa: S608 - only names
_SUPERSEDE = "UPDATE deliveries SET state = 'superseded', request = ?, reason = ? WHERE id = ?"
_INSERT = "INSERT INTO deliveries (id, account, provider, user, meeting, request, state, due_at) VALUES (?, ?, ?, ?, ?, ?, 'waiting', ?)"
_HEAD = (
    "SELECT {0} FROM deliveries AS d WHERE d.account = l.account AND d.provider = l.provider AND d.user = l.user"
    " AND d.state = 'waiting' ORDER BY d.n LIMIT 1"
)
_REFRESH = f"UPDATE delivery_links AS l SET due_at = ({_HEAD.format('d.due_at')}) WHERE {_LINK}"  # noqa: S608 - as above
_DUE = (
    f"SELECT l.account, l.provider, l.user, ({_HEAD.format('d.n')}) FROM delivery_links AS l"  # noqa: S608 - as above
    " WHERE l.due_at <= ? AND l.until <= ? ORDER BY l.due_at, l.account, l.provider, l.user LIMIT ?"
)
_EXTEND = "UPDATE deliveries SET until = ? WHERE id = ? AND lease = ? AND until > ?"
_WAKE = f"UPDATE deliveries SET due_at = ? WHERE {_WAITING} AND due_at > ?"  # noqa: S608 - as above
_HOLD_LINK = f"UPDATE delivery_links SET until = ? WHERE {_LINK}"  # noqa: S608 - as above
_KEEP = (
    "UPDATE deliveries SET state = ?, tries = ?, due_at = ?, reason = ?, until = 0, lease = 0, request = COALESCE(?, request)"
    " WHERE id = ? AND lease = ? AND until > ? AND (state = 'waiting' OR ? = 'done')"
)
_KEEP_RECALLED = "UPDATE deliveries SET until = 0, lease = 0 WHERE id = ? AND lease = ? AND until > ? AND state = 'superseded'"
_OF_MEETING = (
    "SELECT request, tries OR lease FROM deliveries INDEXED BY deliveries_open"
    " WHERE meeting = ? AND state IN ('waiting', 'failed') ORDER BY n"
)
_PRUNE = (
    "DELETE FROM deliveries WHERE state IN ('done', 'superseded') AND due_at < ? AND NOT EXISTS (SELECT 1 FROM deliveries AS f"
    " WHERE f.state IN ('waiting', 'failed') AND f.meeting = deliveries.meeting AND f.account = deliveries.account"
    " AND f.provider = deliveries.provider AND f.user = deliveries.user)"
)
_OVERWRITING = "PRAGMA secure_delete = ON"

_request = msgspec.json.Decoder(Request)


class Cursor(Protocol):
    """What writes within somebody's transaction: a cursor of sqlite3, or the `eventsourcing` library's around one."""

    def execute(self, statement: str, parameters: Sequence[Any] = ..., /) -> object:
        """Run it."""

    def fetchall(self) -> Any:
        """Its rows."""


class SqliteDeliveries:
    """`outside.Deliveries` in the store's file. `now` is our clock (ms): by it a lease has run out."""

    def __init__(self, path: Path, now: Callable[[], int]) -> None:
        self._file = Connections(path, SCHEMA, (_OVERWRITING,))
        self._now = now

    def close(self) -> None:
        """Close every connection."""
        self._file.close()

    def put(self, requests: Sequence[Request | Recall]) -> None:
        """See the port."""
        with self._file.writing() as writer:
            keep_requests(writer.cursor(), requests)

    def claim(self, now: int, lease_ms: int, limit: int) -> list[Delivery]:
        """See the port."""
        # Looked first: who finds nothing to do holds up no writer.
        if not self._file.rows(_DUE, (now, now, 1)):
            return []
        until, lease = now + lease_ms, secrets.randbits(62) | 1
        with self._file.writing() as writer:
            due = writer.execute(_DUE, (now, now, limit)).fetchall()
            claimed = [(until, lease, n) for *_, n in due]
            writer.executemany(_HOLD_LINK, [(until, *link) for *link, _ in due])
            writer.executemany("UPDATE deliveries SET until = ?, lease = ? WHERE n = ?", claimed)
            one = f"SELECT {_COLUMNS} FROM deliveries WHERE n = ?"  # noqa: S608 - as above
            return [_delivery(writer.execute(one, (n,)).fetchone()) for *_, n in due]

    def extend(self, delivery: Delivery, until: int) -> Delivery:
        """See the port."""
        with self._file.writing() as writer:
            if not writer.execute(_EXTEND, (until, delivery.request.id, delivery.lease, self._now())).rowcount:
                raise _lost(delivery)
            writer.execute(_HOLD_LINK, (until, *delivery.request.link))
        return replace(delivery, until=until)

    def keep(self, delivery: Delivery) -> None:
        """See the port."""
        d = delivery
        with self._file.writing() as writer:
            left = msgspec.json.encode(emptied(d.request)) if d.state in OVER else None
            mine = (d.request.id, d.lease, self._now())
            row = (d.state, d.tries, d.due_at, d.reason, left, *mine, d.state)
            if not writer.execute(_KEEP, row).rowcount and not writer.execute(_KEEP_RECALLED, mine).rowcount:
                raise _lost(d)
            writer.execute(_HOLD_LINK, (0, *d.request.link))
            writer.execute(_REFRESH, d.request.link)

    def wake(self, link: Link, now: int) -> int:
        """See the port."""
        with self._file.writing() as writer:
            woken = writer.execute(_WAKE, (now, *link, now)).rowcount
            writer.execute(_REFRESH, link)
        return woken

    def get(self, id: str) -> Delivery | None:
        """See the port."""
        rows = self._file.rows(f"SELECT {_COLUMNS} FROM deliveries WHERE id = ?", (id,))  # noqa: S608 - as above
        return _delivery(rows[0]) if rows else None

    def all(self, account: str | None, state: str | None, after: str, limit: int) -> list[Delivery]:
        """See the port."""
        wanted = {"account = ?": account, "state = ?": state}
        conditions = ["id > ?", *(condition for condition, value in wanted.items() if value is not None)]
        values = [after, *(value for value in wanted.values() if value is not None)]
        query = f"SELECT {_COLUMNS} FROM deliveries WHERE {' AND '.join(conditions)} ORDER BY id LIMIT ?"  # noqa: S608 - as above
        return [_delivery(row) for row in self._file.rows(query, (*values, limit))]

    def retry(self, id: str, now: int) -> bool:
        """See the port."""
        statement = (
            "UPDATE deliveries SET state = 'waiting', due_at = ?, reason = NULL WHERE id = ? AND state = 'failed'"
            " RETURNING account, provider, user"
        )
        with self._file.writing() as writer:
            links = writer.execute(statement, (now, id)).fetchall()
            writer.executemany(_REFRESH, links)
        return bool(links)

    def drop(self, id: str) -> bool:
        """See the port."""
        with self._file.writing() as writer:
            failed = writer.execute("SELECT request FROM deliveries WHERE id = ? AND state = 'failed'", (id,)).fetchall()
            left = [(msgspec.json.encode(emptied(_request.decode(body))), DROPPED, id) for (body,) in failed]
            writer.executemany(_SUPERSEDE, left)
        return bool(left)

    def prune(self, before: int) -> int:
        """See the port."""
        with self._file.writing() as writer:
            return writer.execute(_PRUNE, (before,)).rowcount


def keep_requests(cursor: Cursor, requests: Iterable[Request | Recall]) -> None:
    """`outside.Deliveries.put`, within the cursor's transaction."""
    links: dict[Link, None] = {}
    for request in requests:
        if isinstance(request, Recall):
            links.update(dict.fromkeys(_recall(cursor, request)))
            continue
        cursor.execute("SELECT 1 FROM deliveries WHERE id = ?", (request.id,))
        if not cursor.fetchall():
            _keep(cursor, request)
            links[request.link] = None
    for link in links:
        cursor.execute("INSERT OR IGNORE INTO delivery_links (account, provider, user) VALUES (?, ?, ?)", link)
        cursor.execute(_REFRESH, link)


def _recall(cursor: Cursor, by: Recall) -> list[Link]:
    """The links of what was recalled."""
    cursor.execute(_OF_MEETING, (by.meeting,))
    found = [(_request.decode(body), bool(begun)) for body, begun in cursor.fetchall()]
    gone = [one for one, begun in found if is_recalled(one, begun, by)]
    if gone:
        cursor.execute(_OVERWRITING)  # whosever connection it is
    for old in gone:
        cursor.execute(_SUPERSEDE, (msgspec.json.encode(emptied(old)), by.reason, old.id))
    return [old.link for old in gone]


def _keep(cursor: Cursor, new: Request) -> None:
    cursor.execute(_BEHIND, (*new.link, new.meeting.hex))
    waiting = [(_request.decode(body), bool(begun)) for body, begun in cursor.fetchall()]
    request, superseded = kept(new, [one for one, begun in waiting if not begun], [one for one, begun in waiting if begun])
    if superseded:
        cursor.execute(_OVERWRITING)  # whosever connection it is
    for old in (one for one, _ in waiting if one.id in superseded):
        cursor.execute(_SUPERSEDE, (msgspec.json.encode(emptied(old)), f"{request.id} says all of it", old.id))
    row = (request.id, *request.link, request.meeting.hex, msgspec.json.encode(request), request.requested_at)
    cursor.execute(_INSERT, row)


def _lost(delivery: Delivery) -> Conflict:
    return Conflict(f"the lease of the delivery {delivery.request.id} is lost")


def _delivery(row: Any) -> Delivery:
    body, state, tries, due_at, reason, until, lease = row
    return Delivery(request=_request.decode(body), state=state, tries=tries, due_at=due_at, reason=reason, until=until, lease=lease)
