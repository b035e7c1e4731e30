"""The deliveries, in the store's schema: `store` writes them in the transaction of the events that they follow from.

`delivery_links` has a row for each link, with when its oldest waiting delivery is due: a claim reads what is due and nothing else,
however much waits behind a provider that is down. What must stay true: whoever changes what waits for a link locks that row first,
and rows of several links in their order; so of one link never two are in flight, and nobody waits for each other.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import msgspec
from msgspec.structs import replace

from adapters.postgres.columns import digest, to_bytes, to_text
from adapters.postgres.connect import Connection, Database
from adapters.postgres.links import name_of
from adapters.superseding import DROPPED, OVER, emptied, is_recalled, kept
from domain.errors import Conflict
from domain.outside import Delivery, Link, Recall, Request

_COLUMNS = "request, state, tries, due_at, reason, until, lease"
_KNOWN = "SELECT id FROM deliveries WHERE id = ANY(%b::bytea[])"
_MAKE = "INSERT INTO delivery_links (link) SELECT unnest(%b::bytea[]) ON CONFLICT DO NOTHING"
_LOCK = "SELECT FROM delivery_links WHERE link = ANY(%b::bytea[]) ORDER BY link FOR UPDATE"
_BEHIND = "SELECT request, tries <> 0 OR lease <> 0 FROM deliveries WHERE link = %s AND state = 'waiting' AND meeting = %s ORDER BY n"
_SUPERSEDE = "UPDATE deliveries SET state = 'superseded', request = %s, reason = %s WHERE id = %s"
_INSERT = (
    "INSERT INTO deliveries (id, link, account_digest, account, meeting, request, state, due_at)"
    " VALUES (%s, %s, %s, %s, %s, %s, 'waiting', %s)"
)
_REFRESH = (
    "UPDATE delivery_links AS l SET due_at ="
    " (SELECT d.due_at FROM deliveries AS d WHERE d.link = l.link AND d.state = 'waiting' ORDER BY d.n LIMIT 1)"
    " WHERE l.link = ANY(%b::bytea[])"
)
# Materialised: read into the update, the subquery may be run more than once, and lock more rows than are claimed.
_CLAIM_LINKS = (
    "WITH free AS MATERIALIZED (SELECT link FROM delivery_links WHERE due_at <= %(now)s AND until <= %(now)s"
    " ORDER BY due_at LIMIT %(limit)s FOR UPDATE SKIP LOCKED)"
    " UPDATE delivery_links AS l SET until = %(until)s FROM free AS f WHERE l.link = f.link RETURNING l.link"
)
# A statement of its own: it sees what was committed before the links were locked, where the one above may not.
_CLAIM_HEADS = (
    "WITH heads AS MATERIALIZED (SELECT h.n FROM unnest(%b::bytea[]) AS u (link), LATERAL (SELECT n FROM deliveries AS d"  # noqa: S608 - only names
    " WHERE d.link = u.link AND d.state = 'waiting' ORDER BY n LIMIT 1) AS h)"
    " UPDATE deliveries AS d SET until = %s, lease = %s FROM heads AS h WHERE d.n = h.n RETURNING "
    + ", ".join(f"d.{name}" for name in _COLUMNS.split(", "))
)
_EXTEND = "UPDATE deliveries SET until = %s WHERE id = %s AND lease = %s AND until > %s"
_WAKE = "UPDATE deliveries SET due_at = %s WHERE link = ANY(%b::bytea[]) AND state = 'waiting' AND due_at > %s"
_HOLD_LINK = "UPDATE delivery_links SET until = %s WHERE link = ANY(%b::bytea[])"
_KEEP = (
    "UPDATE deliveries SET state = %s, tries = %s, due_at = %s, reason = %s, until = 0, lease = 0, request = COALESCE(%b, request)"
    " WHERE id = %s AND lease = %s AND until > %s AND (state = 'waiting' OR %s = 'done')"
)
_KEEP_RECALLED = "UPDATE deliveries SET until = 0, lease = 0 WHERE id = %s AND lease = %s AND until > %s AND state = 'superseded'"
_LINKS_OF = "SELECT DISTINCT link FROM deliveries WHERE meeting = ANY(%b::uuid[]) AND state IN ('waiting', 'failed')"
_OF_MEETING = "SELECT request, tries <> 0 OR lease <> 0 FROM deliveries WHERE meeting = %s AND state IN ('waiting', 'failed') ORDER BY n"
_PRUNE = (
    "DELETE FROM deliveries AS d WHERE state IN ('done', 'superseded') AND due_at < %s AND NOT EXISTS (SELECT FROM deliveries AS f"
    " WHERE f.state IN ('waiting', 'failed') AND f.meeting = d.meeting AND f.link = d.link)"
)
_FAILED = "SELECT request FROM deliveries WHERE id = %s AND state = 'failed' FOR UPDATE"
_RETRY = "UPDATE deliveries SET state = 'waiting', due_at = %s, reason = NULL WHERE id = %s AND state = 'failed'"

_request = msgspec.json.Decoder(Request)


class PostgresDeliveries:
    """`outside.Deliveries` in the store's schema. `now` is our clock (ms): by it a lease has run out."""

    def __init__(self, database: Database, now: Callable[[], int]) -> None:
        self._database, self._now = database, now

    def put(self, requests: Sequence[Request | Recall]) -> None:
        """See the port."""
        with self._database.transaction() as connection:
            keep_requests(connection, requests)

    def claim(self, now: int, lease_ms: int, limit: int) -> list[Delivery]:
        """See the port."""
        until, lease = now + lease_ms, secrets.randbits(62) | 1
        with self._database.transaction() as connection:
            links = connection.execute(_CLAIM_LINKS, {"now": now, "limit": limit, "until": until}, prepare=True).fetchall()
            if not links:
                return []
            heads = connection.execute(_CLAIM_HEADS, ([link for (link,) in links], until, lease), prepare=True).fetchall()
        return sorted(map(_delivery, heads), key=lambda one: (one.due_at, one.request.link))

    def extend(self, delivery: Delivery, until: int) -> Delivery:
        """See the port."""
        link = [name_of(*delivery.request.link)]
        with self._database.transaction() as connection:
            connection.execute(_LOCK, (link,))
            if not connection.execute(_EXTEND, (until, to_bytes(delivery.request.id), delivery.lease, self._now())).rowcount:
                raise _lost(delivery)
            connection.execute(_HOLD_LINK, (until, link))
        return replace(delivery, until=until)

    def keep(self, delivery: Delivery) -> None:
        """See the port. After `TryAgain` it may have been kept; then the same call is a `Conflict`."""
        d, link = delivery, [name_of(*delivery.request.link)]
        reason = None if d.reason is None else to_bytes(d.reason)
        with self._database.transaction() as connection:
            connection.execute(_LOCK, (link,))
            left = msgspec.json.encode(emptied(d.request)) if d.state in OVER else None
            mine = (to_bytes(d.request.id), d.lease, self._now())
            row = (d.state, d.tries, d.due_at, reason, left, *mine, d.state)
            if not connection.execute(_KEEP, row).rowcount and not connection.execute(_KEEP_RECALLED, mine).rowcount:
                raise _lost(d)
            connection.execute(_HOLD_LINK, (0, link))
            connection.execute(_REFRESH, (link,))

    def wake(self, link: Link, now: int) -> int:
        """See the port. After `TryAgain` they may be due; then the same call finds none that were put off."""
        links = [name_of(*link)]
        with self._database.transaction() as connection:
            connection.execute(_LOCK, (links,))
            woken = connection.execute(_WAKE, (now, links, now)).rowcount
            connection.execute(_REFRESH, (links,))
        return woken

    def get(self, id: str) -> Delivery | None:
        """See the port."""
        rows = self._database.rows(f"SELECT {_COLUMNS} FROM deliveries WHERE id = %s", (to_bytes(id),))  # noqa: S608 - only names
        return _delivery(rows[0]) if rows else None

    def all(self, account: str | None, state: str | None, after: str, limit: int) -> list[Delivery]:
        """See the port."""
        conditions, values = ["id > %s"], [to_bytes(after)]
        wanted: list[Any] = []
        if account is not None:
            conditions.append("account_digest = %s AND account = %s")
            wanted += [digest(account, ""), to_bytes(account)]
        if state is not None:
            conditions.append("state = %s")
            wanted.append(state)
        query = f"SELECT {_COLUMNS} FROM deliveries WHERE {' AND '.join(conditions)} ORDER BY id LIMIT %s"  # noqa: S608 - only names
        return [_delivery(row) for row in self._database.rows(query, (*values, *wanted, limit))]

    def retry(self, id: str, now: int) -> bool:
        """See the port."""
        with self._database.transaction() as connection:
            links = [link for (link,) in connection.execute("SELECT link FROM deliveries WHERE id = %s", (to_bytes(id),))]
            connection.execute(_LOCK, (links,))
            waits = bool(connection.execute(_RETRY, (now, to_bytes(id))).rowcount)
            connection.execute(_REFRESH, (links,))
        return waits

    def drop(self, id: str) -> bool:
        """See the port. After `TryAgain` it may be dropped; then the same call finds none such."""
        with self._database.transaction() as connection:
            failed = connection.execute(_FAILED, (to_bytes(id),)).fetchall()
            for (body,) in failed:
                left = msgspec.json.encode(emptied(_request.decode(body)))
                connection.execute(_SUPERSEDE, (left, to_bytes(DROPPED), to_bytes(id)))
        return bool(failed)

    def prune(self, before: int) -> int:
        """See the port."""
        with self._database.connection() as connection:
            return connection.execute(_PRUNE, (before,)).rowcount


def keep_requests(connection: Connection, told: Sequence[Request | Recall]) -> None:
    """`outside.Deliveries.put`, within the connection's transaction."""
    requests = [one for one in told if isinstance(one, Request)]
    recalled = {UUID(one.meeting) for one in told if isinstance(one, Recall)}
    theirs = [link for (link,) in connection.execute(_LINKS_OF, (list(recalled),))] if recalled else []
    links = sorted({*theirs, *(name_of(*one.link) for one in requests)})
    connection.execute(_MAKE, (links,))
    connection.execute(_LOCK, (links,))
    # Asked after the links are locked: what was put by another in the meantime is seen.
    known = {to_text(id) for (id,) in connection.execute(_KNOWN, ([to_bytes(one.id) for one in requests],))}
    for one in told:
        if isinstance(one, Recall):
            _recall(connection, one)
        elif one.id not in known:
            _keep(connection, one)
            known.add(one.id)
    connection.execute(_REFRESH, (links,))


def _recall(connection: Connection, by: Recall) -> None:
    rows = connection.execute(_OF_MEETING, (UUID(by.meeting),)).fetchall()
    found = [(_request.decode(body), begun) for body, begun in rows]
    for old in (one for one, begun in found if is_recalled(one, begun, by)):
        connection.execute(_SUPERSEDE, (msgspec.json.encode(emptied(old)), to_bytes(by.reason), to_bytes(old.id)))


def _keep(connection: Connection, new: Request) -> None:
    link = name_of(*new.link)
    rows = connection.execute(_BEHIND, (link, new.meeting)).fetchall()
    waiting = [(_request.decode(body), begun) for body, begun in rows]
    request, superseded = kept(new, [one for one, begun in waiting if not begun], [one for one, begun in waiting if begun])
    for old in (one for one, _ in waiting if one.id in superseded):
        connection.execute(_SUPERSEDE, (msgspec.json.encode(emptied(old)), to_bytes(f"{request.id} says all of it"), to_bytes(old.id)))
    account = request.link.account
    place = (to_bytes(request.id), link, digest(account, ""), to_bytes(account), request.meeting)
    connection.execute(_INSERT, (*place, msgspec.json.encode(request), request.requested_at))


def _lost(delivery: Delivery) -> Conflict:
    return Conflict(f"the lease of the delivery {delivery.request.id} is lost")


def _delivery(row: tuple[Any, ...]) -> Delivery:
    body, state, tries, due_at, reason, until, lease = row
    told = None if reason is None else to_text(reason)
    return Delivery(request=_request.decode(body), state=state, tries=tries, due_at=due_at, reason=told, until=until, lease=lease)
