"""What readers ask of the read models in PostgreSQL: questions only, so that a standby can answer them as well.

What must stay true: each answer comes from one statement, so that it is of one moment and of one set, whatever is switched meanwhile;
every question of a route is answered from an index.
"""

from __future__ import annotations

import contextlib
import re
import zlib
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

from adapters.postgres.columns import digest, to_bytes, to_text
from adapters.postgres.view_tables import FOREVER, Tables, account_digest, without_limits
from domain.errors import TryAgain
from projections.bodies import Common, EntryRow, MeetingRow, Pieces, said
from projections.views import (
    Change,
    ClockRow,
    ConnectionRow,
    ContactRow,
    DecisionRow,
    EntryHit,
    Page,
    listed,
    listed_meeting,
)

COMMON = "c.id, a.account, c.meeting::text, c.position, c.recorded_from, c.status, c.times, c.series, c.people, c.title, c.about, c.frame"
"""Of a common part, as `common` takes them; `a`, `c` are accounts, commons."""
VERSION = 't.contact, v.occurrence, v.start, v."end", v.version, v.recorded_to'
"""Of a version, as `entry` takes them; `t`, `v` are timelines, versions."""
WHOLE = (
    f"SELECT v.id, {VERSION}, {COMMON} FROM views.versions v JOIN views.timelines t ON t.id = v.timeline "  # noqa: S608 - constants only
    "JOIN views.commons c ON c.id = v.common JOIN views.accounts a ON a.id = c.account"
)
CONTACT = "SELECT contact, key, state, into_, body FROM views.contacts"
CONNECTION = "SELECT user_, body FROM views.connections"

# What is asked for is always a parameter; all else in these statements is constants.
_OF_MEETING = 'm.meeting::text, m.into_, m.position, m.recorded_at, m.series_to, m.view, m.start, m."end", m.contacts, m.rules'
_MEETINGS = (
    f"SELECT {_OF_MEETING}, {COMMON} FROM views.meetings m JOIN views.accounts a ON a.id = m.account "  # noqa: S608 - constants only
    "LEFT JOIN views.commons c ON c.id = m.common"
)
_ENTRIES = (
    'SELECT v.start, v.occurrence, v."end", v.version, c.id, c.meeting::text, c.position, c.recorded_from, c.times, c.series, c.title, '
    "c.about, c.frame FROM views.versions v JOIN views.commons c ON c.id = v.common WHERE v.timeline = %s AND c.account = %s"
)
_NAME = "(c.meeting::text || ':' || v.occurrence) COLLATE \"C\""
_LONGEST = "(SELECT longest FROM views.timelines WHERE id = %s)"
_DECISION = "SELECT position, event, subject, meeting, recorded_at, body FROM views.decisions WHERE"
_CLOCKS = "SELECT a.account, ticked, before_days, after_days FROM views.clocks c JOIN views.accounts a ON a.id = c.account ORDER BY 1"
_WITHOUT_CLOCK = "SELECT account FROM views.accounts WHERE id NOT IN (SELECT account FROM views.clocks) ORDER BY 1"
# One statement for both, so that what is answered is all there was up to its last id.
_CHANGES = (
    f"(SELECT v.id, t.contact, c.meeting::text, v.occurrence, c.position, a.account, c.recorded_from, c.times, c.series, c.title, "  # noqa: S608 - constants only
    f'c.about, c.frame, v.start, v."end", v.version {WHOLE[WHOLE.index("FROM") :]} WHERE c.account = %(account)s AND v.id > %(after)s{{0}} '
    "ORDER BY v.id LIMIT %(limit)s) UNION ALL "
    "(SELECT l.id, t.contact, l.meeting::text, l.occurrence, l.position, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL "
    "FROM views.leavings l JOIN views.timelines t ON t.id = l.timeline WHERE l.account = %(account)s AND l.id > %(after)s{1} "
    "ORDER BY l.id LIMIT %(limit)s) ORDER BY 1 LIMIT %(limit)s"
)
_CHANGES_OF_ALL = _CHANGES.format("", "")
_CHANGES_OF_ONE = _CHANGES.format(" AND v.timeline = %(timeline)s", " AND l.timeline = %(timeline)s")
_COUNTED = {
    "contacts": "contacts",
    "meetings": "meetings",
    "entries": f"versions WHERE recorded_to = {FOREVER}",
    "versions": "versions",
    "decisions": "decisions",
    "connections": "connections",
    "clocks": "clocks",
}
_COUNTS = "SELECT " + ", ".join(f"(SELECT count(*) FROM views.{where})" for where in _COUNTED.values())  # noqa: S608 - constants only
_MADE = "SELECT made FROM views.state"
_AT_ONCE = 2000

_is_meeting = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}").fullmatch


class ViewReading:
    """The reading half of `projections.views.Views`."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    def _rows(self, statement: str, *parameters: Any) -> list[Any]:
        return self._tables.rows(statement, parameters)

    def position(self) -> int:
        """As promised."""
        return self._tables.state().position

    def recorded(self) -> int:
        """As promised."""
        return int(self._rows("SELECT recorded_at FROM views.state")[0][0])

    def clocks(self) -> list[ClockRow]:
        """As promised."""
        return [ClockRow(to_text(account), *clock) for account, *clock in self._rows(_CLOCKS)]

    def accounts_without_clock(self) -> list[str]:
        """As promised."""
        return [to_text(account) for (account,) in self._rows(_WITHOUT_CLOCK)]

    # --- contacts

    def contact(self, account: str, contact: str) -> ContactRow | None:
        """As promised."""
        rows = self._rows(f"{CONTACT} WHERE id = %s AND account = %s", digest(account, contact), account_digest(account))
        return next((found for row in rows if (found := contact_row(account, row)).contact == contact), None)

    def contacts_by_key(self, account: str, key: str) -> list[ContactRow]:
        """As promised."""
        rows = self._rows(f"{CONTACT} WHERE account = %s AND key = %s AND state = 'live'", account_digest(account), key)
        return sorted(contact_row(account, row) for row in rows)

    # --- timelines

    def entries(self, account: str, contact: str, page: Page) -> list[EntryHit]:
        """As promised."""
        asked = page.low is not None, page.high is not None, bool(page.status), page.as_of is not None, page.after is not None
        timeline = digest(account, contact)
        parameters = [timeline, account_digest(account), *_asked(timeline, page), page.limit]
        told: dict[int, Pieces] = {}
        hits = []
        for start, occurrence, end, version, common_, meeting, *text in self._rows(_entries(*asked, page.newest_first), *parameters):
            of = told.get(common_)
            if of is None:
                of = told[common_] = said(account, contact, meeting, *text)
            hits.append(EntryHit(start, f"{meeting}:{occurrence}", of.entry(occurrence, start, end, version)))
        return hits

    def entry_version(self, account: str, contact: str) -> int:
        """As promised."""
        rows = self._rows(
            "SELECT touched FROM views.timelines WHERE id = %s AND account = %s", digest(account, contact), account_digest(account)
        )
        return int(rows[0][0]) if rows else 0

    def changes(self, account: str, contact: str | None, after: int, limit: int) -> list[Change]:
        """As promised."""
        asked: dict[str, object] = {"account": account_digest(account), "after": after, "limit": limit}
        if contact is None:
            statement = _CHANGES_OF_ALL
        elif self.entry_version(account, contact) <= after:
            return []
        else:
            statement, asked = _CHANGES_OF_ONE, {**asked, "timeline": digest(account, contact)}
        return [_change(account, row) for row in self._tables.rows(statement, asked)]

    # --- meetings, decisions, connections

    def meeting(self, account: str, meeting: str) -> MeetingRow | None:
        """As promised."""
        if not _is_meeting(meeting):
            return None
        rows = self._rows(f"{_MEETINGS} WHERE m.account = %s AND m.meeting = %s::text::uuid", account_digest(account), meeting)
        return _meeting(account, rows[0]) if rows else None

    def decisions(
        self,
        account: str,
        *,
        event: str | None = None,
        meeting: str | None = None,
        subject: str | None = None,
        after: int = 0,
        limit: int = 500,
    ) -> list[DecisionRow]:
        """As promised."""
        about = {"event": event, "meeting": meeting, "subject": subject}
        named = {column: value for column, value in about.items() if value is not None}
        conditions, values = ["account = %s", "position > %s"], [account_digest(account), after]
        for column, value in list(named.items())[:1]:
            conditions.append(f"{column}_mark = %s")
            values.append(mark(account, column, value))
        conditions += [f"{column} = %b" for column in named]
        statement = f"{_DECISION} {' AND '.join(conditions)} ORDER BY position LIMIT %s"
        rows = self._rows(statement, *values, *map(to_bytes, named.values()), limit)
        return [decision_row(account, row) for row in rows]

    def connections(self, account: str) -> list[ConnectionRow]:
        """As promised."""
        rows = self._rows(f"{CONNECTION} WHERE account = %s ORDER BY user_", account_digest(account))
        return [ConnectionRow(account, to_text(user), body) for user, body in rows]

    # --- all of it

    def counts(self) -> dict[str, int]:
        """As promised: `entries` are current, `versions` those and former ones."""
        return dict(zip(_COUNTED, self._rows(_COUNTS)[0], strict=True))

    def rows(self) -> Iterator[tuple[object, ...]]:
        """As promised; all of one moment. Raises `TryAgain` if the sets were switched when it began."""
        self._tables.ready()
        with self._tables.database.transaction() as connection, contextlib.ExitStack() as stack:
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            without_limits(connection)
            # All are opened before the first is read: a name that is looked up later may be another set's.
            made = connection.execute(self._tables.named(_MADE)).fetchall()
            opened = [stack.enter_context(connection.cursor(name=kind)) for kind in _ALL]
            for cursor, statement in zip(opened, _ALL.values(), strict=True):
                cursor.itersize = _AT_ONCE
                cursor.execute(self._tables.named(statement), binary=True)
            if connection.execute(self._tables.named(_MADE)).fetchall() != made:
                raise TryAgain("the read models were replaced a moment ago")
            yield from _listed(*opened)


def meetings_among(names: Iterable[str]) -> list[str]:
    """Those that can be a meeting's id."""
    return [name for name in names if _is_meeting(name)]


def mark(account: str, column: str, value: str) -> int:
    """What decisions are found by: event, subject or meeting. Those found are compared, so that few bits will do."""
    return zlib.crc32(to_bytes(f"{account}|{column}|{value}"))


# --- pages ---------------------------------------------------------------------------------------------------------------------


def _asked(timeline: int, page: Page) -> list[object]:
    """The parameters of `_entries` between account and limit."""
    found: list[object] = [FOREVER] if page.as_of is None else [page.as_of, page.as_of]
    if page.low is not None:
        found += [page.low, timeline, page.low, page.low]
    if page.high is not None:
        found.append(page.high)
    if page.status:
        found.append(list(page.status))
    if page.after is not None:
        start, name = page.after
        found += [start, start, name]
    return found


@lru_cache(maxsize=256)
def _entries(low: bool, high: bool, status: bool, as_of: bool, after: bool, newest_first: bool) -> str:
    """The statement for a kind of page."""
    turn, beyond = ("DESC", "<") if newest_first else ("ASC", ">")
    where = ["v.recorded_to > %s AND c.recorded_from <= %s" if as_of else "v.recorded_to = %s"]
    if low:
        # What lasts no time overlaps where it starts.
        where.append(f'v.start >= %s - {_LONGEST} AND (v."end" > %s OR v.start >= %s)')
    if high:
        where.append("v.start < %s")
    if status:
        where.append("c.status = ANY(%b::text[])")
    if after:
        # The first half is what the index knows.
        where.append(f"v.start {beyond}= %s AND (v.start {beyond} %s OR {_NAME} {beyond} %s)")
    return f"{_ENTRIES} AND {' AND '.join(where)} ORDER BY v.start {turn}, {_NAME} {turn} LIMIT %s"


# --- rows ----------------------------------------------------------------------------------------------------------------------


def _all_of(table: str, columns: str, order: str) -> str:
    return f"SELECT a.account, {columns} FROM views.{table} t JOIN views.accounts a ON a.id = t.account ORDER BY {order}"  # noqa: S608 - constants only


_ALL = {
    "contacts": _all_of("contacts", "t.contact, t.key, t.state, t.into_, t.body", "1, 2"),
    "meetings": f"{_MEETINGS.replace('SELECT', 'SELECT a.account,')} ORDER BY 1, m.meeting",
    "versions": f"{WHOLE} ORDER BY a.account, t.contact, c.meeting, v.occurrence, c.position, v.version",
    "decisions": _all_of("decisions", "t.position, t.event, t.subject, t.meeting, t.recorded_at, t.body", "2"),
    "connections": _all_of("connections", "t.user_, t.body", "1, 2"),
    "clocks": _all_of("clocks", "t.ticked, t.before_days, t.after_days", "1"),
}
_Rows = Iterable[Sequence[Any]]


def _listed(contacts: _Rows, meetings: _Rows, versions: _Rows, decisions: _Rows, connections: _Rows, clocks: _Rows) -> Iterator[Any]:
    """The rows of `_ALL` as `Views.rows` has them."""
    for account, *row in contacts:
        yield "contact", *contact_row(to_text(account), row)
    for account, *row in meetings:
        yield listed_meeting(_meeting(to_text(account), row))
    for _, version in whole(versions):
        yield listed(version)
    for account, *row in decisions:
        yield "decision", *decision_row(to_text(account), row)
    for account, user, body in connections:
        yield "connection", to_text(account), to_text(user), body
    for account, *clock in clocks:
        yield "clock", to_text(account), *clock


def common(row: Sequence[Any]) -> Common:
    """A common part from its `COMMON` without the id."""
    account, name, position, recorded_from, status, times, series, people, *text = row
    return Common(to_text(account), name, position, recorded_from, status, times, series, tuple(people.split()), *text)


def entry(of: Common, row: Sequence[Any]) -> EntryRow:
    """A version from its `VERSION`."""
    contact, occurrence, start, end, version, recorded_to = row
    return EntryRow(of, to_text(contact), occurrence, start, end, version, None if recorded_to == FOREVER else recorded_to)


def whole(rows: Iterable[Sequence[Any]]) -> Iterator[tuple[int, EntryRow]]:
    """Ids and versions from the columns of `WHOLE`; what is said by many that follow on each other is one object."""
    last, of = 0, None
    for row in rows:
        if of is None or row[7] != last:
            last, of = row[7], common(row[8:])
        yield row[0], entry(of, row[1:7])


def contact_row(account: str, row: Sequence[Any]) -> ContactRow:
    """A contact from the columns of `CONTACT`."""
    contact, key, state, into, body = row
    return ContactRow(account, to_text(contact), key, state, None if into is None else to_text(into), body)


def decision_row(account: str, row: Sequence[Any]) -> DecisionRow:
    """A decision from its columns after the account."""
    position, event, subject, meeting, recorded_at, body = row
    about = None if meeting is None else to_text(meeting)
    return DecisionRow(account, position, to_text(event), to_text(subject), about, recorded_at, body)


def _meeting(account: str, row: Sequence[Any]) -> MeetingRow:
    """A meeting from the columns of `_MEETINGS`; those of its common part are empty if nothing is shown of it."""
    meeting, into, position, recorded_at, series_to, view, start, end, contacts, rules, of, *text = row
    if of is None:
        return MeetingRow(account, meeting, into, position, recorded_at, series_to, view)
    return MeetingRow(account, meeting, into, position, recorded_at, series_to, view, common(text), start, end, contacts, rules)


def _change(account: str, row: Sequence[Any]) -> Change:
    """A change from the columns of `_CHANGES`."""
    id_, of, meeting, occurrence, position, named, *text, start, end, version = row
    contact, body = to_text(of), b""
    if named is not None:
        body = said(account, contact, meeting, position, *text).entry(occurrence, start, end, version)
    return Change(id_, account, contact, meeting, occurrence, position, body)
