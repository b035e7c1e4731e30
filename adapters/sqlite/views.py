"""The read models in one SQLite file. See `projections.views.Views` for what each verb promises.

What must stay true: rows and position are written in one transaction; ids of versions grow and are never given twice, for live
readers follow them; what was purged, forgotten or scrubbed is nowhere in the file or beside it once it has been cleaned.

Accounts, timelines (a contact's) and meetings have integer ids, given in the order in which they come, so that indexes grow at
their end. What must be found by a name that comes in no order is found by a 63-bit digest of it, and then compared.

A row of `versions` without a body says to live readers that its entry left; it holds for no time.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec
from msgspec import Struct

from adapters.sqlite.connect import Connections, connect, in_our_words
from domain.errors import Conflict, TryAgain
from domain.ports import EntryRow
from domain.sighting import digest
from projections import contacts, meeting_view
from projections.contact_timeline import departed, name, scrubbed
from projections.views import Change, Changes, ClockRow, ConnectionRow, ContactRow, DecisionRow, EntryHit, MeetingRow, Page

_Key = TypeVar("_Key", bound=tuple[str, ...])
_Full = tuple[str, str, str, int]

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS state (one INTEGER PRIMARY KEY CHECK (one = 1), position INTEGER NOT NULL, recorded_at INTEGER NOT NULL, "
    "last_id INTEGER NOT NULL, unclean INTEGER NOT NULL)",
    "INSERT OR IGNORE INTO state VALUES (1, 0, 0, 0, 0)",
    "CREATE TABLE IF NOT EXISTS accounts (id INTEGER PRIMARY KEY, account TEXT NOT NULL UNIQUE)",
    # `longest` is the length of the longest entry there ever was: an entry that overlaps a time starts no earlier before it.
    # `touched` is an id given when versions were rewritten.
    "CREATE TABLE IF NOT EXISTS timelines (id INTEGER PRIMARY KEY, account INTEGER NOT NULL, contact TEXT NOT NULL, "
    "longest INTEGER NOT NULL, touched INTEGER NOT NULL, UNIQUE (account, contact))",
    "CREATE TABLE IF NOT EXISTS versions (id INTEGER PRIMARY KEY, timeline INTEGER NOT NULL, meeting INTEGER NOT NULL, "
    'occurrence INTEGER NOT NULL, start INTEGER NOT NULL, "end" INTEGER NOT NULL, status TEXT NOT NULL, version INTEGER NOT NULL, '
    "position INTEGER NOT NULL, recorded_from INTEGER NOT NULL, recorded_to INTEGER, name TEXT NOT NULL, people TEXT NOT NULL, body BLOB)",
    "CREATE INDEX IF NOT EXISTS versions_current ON versions (timeline, start, name) WHERE recorded_to IS NULL",
    "CREATE INDEX IF NOT EXISTS versions_of_meeting ON versions (meeting, recorded_to, timeline, occurrence)",
    "CREATE INDEX IF NOT EXISTS versions_of_timeline ON versions (timeline)",
    # `position` is NULL while only entries name the meeting.
    "CREATE TABLE IF NOT EXISTS meetings (id INTEGER PRIMARY KEY, account INTEGER NOT NULL, mark INTEGER NOT NULL, meeting TEXT NOT NULL, "
    "into_ TEXT, position INTEGER, series_to INTEGER, view BLOB, body BLOB)",
    "CREATE INDEX IF NOT EXISTS meetings_by_mark ON meetings (mark)",
    "CREATE INDEX IF NOT EXISTS meetings_to_extend ON meetings (account, series_to) WHERE series_to IS NOT NULL",
    "CREATE TABLE IF NOT EXISTS contacts (id INTEGER PRIMARY KEY, account INTEGER NOT NULL, contact TEXT NOT NULL, key TEXT, "
    "state TEXT NOT NULL, into_ TEXT, body BLOB NOT NULL, UNIQUE (account, contact))",
    "CREATE INDEX IF NOT EXISTS contacts_by_key ON contacts (account, key) WHERE key IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS contacts_merged ON contacts (account, into_) WHERE into_ IS NOT NULL",
    "CREATE TABLE IF NOT EXISTS decisions (position INTEGER PRIMARY KEY, account INTEGER NOT NULL, event TEXT NOT NULL, "
    "subject TEXT NOT NULL, meeting TEXT, recorded_at INTEGER NOT NULL, body BLOB NOT NULL)",
    "CREATE INDEX IF NOT EXISTS decisions_of_account ON decisions (account)",
    "CREATE TABLE IF NOT EXISTS decided (mark INTEGER NOT NULL, position INTEGER NOT NULL, PRIMARY KEY (mark, position)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS connections (account INTEGER NOT NULL, user TEXT NOT NULL, calendar TEXT, body BLOB NOT NULL, "
    "PRIMARY KEY (account, user)) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS connections_by_calendar ON connections (account, calendar)",
    "CREATE TABLE IF NOT EXISTS clocks (account INTEGER PRIMARY KEY, ticked INTEGER NOT NULL, before_days INTEGER NOT NULL, "
    "after_days INTEGER NOT NULL)",
)
_TUNING = (
    # What is deleted or replaced is overwritten, not only forgotten.
    "PRAGMA secure_delete = ON",
    # SQLite's own 2 MB are too few pages for these indexes, and a checkpoint every 1,000 pages writes the same ones again and again.
    "PRAGMA cache_size = -131072",
    "PRAGMA wal_autocheckpoint = 8000",
)
_READING = "PRAGMA mmap_size = 1073741824"

_ACCOUNT = "(SELECT id FROM accounts WHERE account = ?)"
_ENTRY = (
    't.contact, m.meeting, v.occurrence, v.start, v."end", v.status, v.version, v.position, v.recorded_from, v.recorded_to, v.people, v.body'
)
_ENTRIES = f"SELECT {_ENTRY} FROM versions v JOIN timelines t ON t.id = v.timeline JOIN meetings m ON m.id = v.meeting"  # noqa: S608 - constants
_MEETING = "SELECT m.meeting, m.into_, m.position, m.series_to, m.view, m.body FROM meetings m"
_CONTACT = f"SELECT contact, key, state, into_, body FROM contacts WHERE account = {_ACCOUNT}"  # noqa: S608 - constants
_MOST_KNOWN = 200_000
_CLEAN, _TO_TRUNCATE, _TO_VACUUM = 0, 1, 2
_SHORT = 0.2
"""Rewriting a file that takes no longer (seconds) is done at once, however often."""
_REST = 10
"""After a longer one, so many times as long passes until the next."""


class _Calendar(Struct):
    calendar: str | None = None


_calendar = msgspec.json.Decoder(_Calendar)
_json = msgspec.json.Encoder().encode


class _Timeline(NamedTuple):
    id: int
    longest: int


class SqliteViews:
    """`projections.views.Views` in a SQLite file. One process folds; any number of threads and processes read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = Connections(path, _SCHEMA, _TUNING)
        self._writer = _Writer()
        self._mine = threading.local()
        self._vacuum_after = 0.0

    def close(self) -> None:
        """Clean what is unclean yet, and close the file; nobody may use it any more."""
        self._vacuum_after = 0.0
        if unclean := int(self._rows("SELECT unclean FROM state")[0][0]):
            self._clean(unclean)
        self._file.close()

    # --- folding

    def position(self) -> int:
        """As promised."""
        return int(self._rows("SELECT position FROM state")[0][0])

    def apply(self, changes: Changes, position: int, recorded_at: int) -> None:
        """As promised. Erasures rewrite the file as a whole, so that no page keeps a copy of what moved within it."""
        with self._file.writing() as connection:
            unclean = self._writer.write(connection, changes, position, recorded_at)
        if unclean:
            self._clean(unclean)

    def current(self, account: str, meetings: Iterable[str]) -> list[EntryRow]:
        """As promised."""
        # CROSS JOIN: in this order, from the few meetings asked for to their entries.
        statement = (
            f"SELECT {_ENTRY} FROM json_each(?) j CROSS JOIN meetings m ON m.mark = j.value CROSS JOIN versions v ON v.meeting = m.id "  # noqa: S608 - constants
            f"JOIN timelines t ON t.id = v.timeline WHERE m.account = {_ACCOUNT} AND v.recorded_to IS NULL AND v.body IS NOT NULL"
        )
        wanted = set(meetings)
        found = self._entries(account, statement, (_marks(account, wanted), account))
        return [row for row in found if row.meeting in wanted]

    def entries_of_contact(self, account: str, contact: str) -> list[EntryRow]:
        """As promised."""
        where = f" WHERE t.account = {_ACCOUNT} AND t.contact = ? AND v.recorded_to IS NULL"
        return self._entries(account, _ENTRIES + where, (account, contact))

    def stored_meetings(self, account: str, meetings: Iterable[str]) -> dict[str, MeetingRow]:
        """As promised."""
        wanted = set(meetings)
        statement = (
            "SELECT m.meeting, m.into_, m.position, m.series_to, m.view, m.body FROM json_each(?) j CROSS JOIN meetings m ON m.mark = j.value "
            f"WHERE m.account = {_ACCOUNT} AND m.position IS NOT NULL"
        )
        rows = self._rows(statement, (_marks(account, wanted), account))
        return {row[0]: MeetingRow(account, *row) for row in rows if row[0] in wanted}

    def series_to_extend(self, account: str, before: int) -> list[MeetingRow]:
        """As promised."""
        where = f" WHERE m.account = {_ACCOUNT} AND m.series_to < ?"
        return [MeetingRow(account, *row) for row in self._rows(_MEETING + where, (account, before))]

    def meetings_with(self, account: str, key: str) -> list[str]:
        """As promised. Looks at every entry of the account: people are named by no index, as only erasing asks for them."""
        in_entries = f"SELECT m.meeting FROM timelines t JOIN versions v ON v.timeline = t.id JOIN meetings m ON m.id = v.meeting WHERE t.account = {_ACCOUNT} AND v.recorded_to IS NULL AND instr(v.people, ?)"  # noqa: S608, E501 - constants
        in_views = f"SELECT m.meeting FROM meetings m WHERE m.account = {_ACCOUNT} AND instr(m.view, CAST(? AS BLOB))"  # noqa: S608 - constants
        return [row[0] for row in self._rows(f"{in_entries} UNION {in_views} ORDER BY 1", (account, key, account, key))]

    def stored_contacts(self, account: str, contacts: Iterable[str]) -> dict[str, ContactRow]:
        """As promised."""
        rows = self._rows(f"{_CONTACT} AND contact IN (SELECT value FROM json_each(?))", (account, _json(list(contacts)).decode()))
        return {row[0]: ContactRow(account, *row) for row in rows}

    def contacts_merged_into(self, account: str, contact: str) -> list[ContactRow]:
        """As promised."""
        return [ContactRow(account, *row) for row in self._rows(f"{_CONTACT} AND into_ = ? ORDER BY contact", (account, contact))]

    def connections_of_calendars(self, account: str, calendars: Iterable[str]) -> list[ConnectionRow]:
        """As promised."""
        statement = (
            f"SELECT user, body FROM connections WHERE account = {_ACCOUNT} AND calendar IN (SELECT value FROM json_each(?)) ORDER BY user"  # noqa: S608 - constants
        )
        return [ConnectionRow(account, *row) for row in self._rows(statement, (account, _json(list(calendars)).decode()))]

    def clock(self, account: str) -> ClockRow | None:
        """As promised."""
        rows = self._rows(f"SELECT ticked, before_days, after_days FROM clocks WHERE account = {_ACCOUNT}", (account,))  # noqa: S608 - constants
        return ClockRow(account, *rows[0]) if rows else None

    # --- reading

    def recorded(self) -> int:
        """As promised."""
        return int(self._rows("SELECT recorded_at FROM state")[0][0])

    def contact(self, account: str, contact: str) -> ContactRow | None:
        """As promised."""
        rows = self._rows(f"{_CONTACT} AND contact = ?", (account, contact))
        return ContactRow(account, *rows[0]) if rows else None

    def contacts_by_key(self, account: str, key: str) -> list[ContactRow]:
        """As promised."""
        rows = self._rows(f"{_CONTACT} AND key = ? AND state = 'live' ORDER BY contact", (account, key))
        return [ContactRow(account, *row) for row in rows]

    def entries(self, account: str, contact: str, page: Page) -> list[EntryHit]:
        """As promised."""
        timeline = self._rows(f"SELECT id, longest FROM timelines WHERE account = {_ACCOUNT} AND contact = ?", (account, contact))  # noqa: S608 - constants
        if not timeline:
            return []
        statement = _page(
            page.low is not None,
            page.high is not None,
            len(page.status),
            page.as_of is not None,
            page.after is not None,
            page.newest_first,
        )
        return list(map(EntryHit._make, self._rows(statement, _parameters(page, *timeline[0]))))

    def entry_version(self, account: str, contact: str) -> int:
        """As promised."""
        statement = f"SELECT max(touched, coalesce((SELECT max(id) FROM versions WHERE timeline = timelines.id), 0)) FROM timelines WHERE account = {_ACCOUNT} AND contact = ?"  # noqa: S608, E501 - constants
        rows = self._rows(statement, (account, contact))
        return int(rows[0][0]) if rows else 0

    def meeting(self, account: str, meeting: str) -> MeetingRow | None:
        """As promised."""
        return self.stored_meetings(account, (meeting,)).get(meeting)

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
        statement = "SELECT d.position, d.event, d.subject, d.meeting, d.recorded_at, d.body FROM "
        parameters: list[object] = []
        if named:
            column, value = next(iter(named.items()))
            statement += "decided i CROSS JOIN decisions d ON d.position = i.position WHERE i.mark = ? AND i.position > ?"
            parameters = [_decided(account, column, value), after]
        else:
            statement += "decisions d WHERE d.position > ?"
            parameters = [after]
        statement += f" AND d.account = {_ACCOUNT}" + "".join(f" AND d.{column} = ?" for column in named) + " ORDER BY d.position LIMIT ?"
        rows = self._rows(statement, (*parameters, account, *named.values(), limit))
        return [DecisionRow(account, *row) for row in rows]

    def connections(self, account: str) -> list[ConnectionRow]:
        """As promised."""
        rows = self._rows(f"SELECT user, body FROM connections WHERE account = {_ACCOUNT} ORDER BY user", (account,))  # noqa: S608 - constants
        return [ConnectionRow(account, *row) for row in rows]

    def changes(self, account: str, contact: str | None, after: int, limit: int) -> list[Change]:
        """As promised."""
        statement = (
            "SELECT v.id, t.contact, m.meeting, v.occurrence, v.position, coalesce(v.body, x'') FROM versions v "
            "JOIN timelines t ON t.id = v.timeline JOIN meetings m ON m.id = v.meeting "
        )
        if contact is None:
            # +t.account: follow the ids, rather than sort all there is of the account.
            statement += f"WHERE v.id > ? AND +t.account = {_ACCOUNT} ORDER BY v.id LIMIT ?"
            parameters: tuple[object, ...] = (after, account, limit)
        else:
            statement += (
                f"WHERE v.timeline = (SELECT id FROM timelines WHERE account = {_ACCOUNT} AND contact = ?) AND v.id > ? "
                "ORDER BY v.id LIMIT ?"
            )
            parameters = (account, contact, after, limit)
        return [Change(row[0], account, *row[1:]) for row in self._rows(statement, parameters)]

    def counts(self) -> dict[str, int]:
        """As promised: `entries` are current, `versions` those and former ones."""
        asked = {
            "contacts": "contacts",
            "meetings": "meetings WHERE position IS NOT NULL",
            "entries": "versions WHERE recorded_to IS NULL",
            "versions": "versions WHERE body IS NOT NULL",
            "decisions": "decisions",
            "connections": "connections",
            "clocks": "clocks",
        }
        return {what: self._rows(f"SELECT count(*) FROM {where}")[0][0] for what, where in asked.items()}  # noqa: S608 - constants

    def rows(self) -> Iterator[tuple[object, ...]]:
        """As promised."""
        joined = "JOIN accounts a ON a.id ="
        for kind, columns, tables, order in (
            ("contact", "a.account, contact, key, state, into_, body", f"contacts {joined} contacts.account", "1, 2"),
            (
                "meeting",
                "a.account, meeting, into_, position, series_to, view, body",
                f"meetings {joined} meetings.account WHERE position IS NOT NULL",
                "1, 2",
            ),
            (
                "entry",
                f"a.account, {_ENTRY}",
                f"versions v JOIN timelines t ON t.id = v.timeline JOIN meetings m ON m.id = v.meeting {joined} t.account WHERE v.body IS NOT NULL",
                "1, 2, 3, 4, 9, 8",
            ),
            (
                "decision",
                "a.account, position, event, subject, meeting, recorded_at, body",
                f"decisions {joined} decisions.account",
                "2",
            ),
            ("connection", "a.account, user, body", f"connections {joined} connections.account", "1, 2"),
            ("clock", "a.account, ticked, before_days, after_days", f"clocks {joined} clocks.account", "1"),
        ):
            for row in self._rows(f"SELECT {columns} FROM {tables} ORDER BY {order}"):  # noqa: S608 - constants
                yield kind, *row

    # --- the file

    def _rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[Any]:
        if not hasattr(self._mine, "tuned"):
            self._mine.tuned = self._file.rows(_READING)
        return self._file.rows(statement, parameters)

    def _entries(self, account: str, statement: str, parameters: Sequence[Any]) -> list[EntryRow]:
        return [_entry(account, row) for row in self._rows(statement, parameters)]

    def _clean(self, unclean: int) -> None:
        """Leave nothing of what was erased behind: pages that were split hold copies of rows, the log former pages."""
        try:
            if unclean == _TO_VACUUM:
                if time.monotonic() < self._vacuum_after:
                    return
                self._vacuum()
                self._mark(_TO_TRUNCATE)
            self._file.truncate_wal()
            self._mark(_CLEAN)
        except TryAgain:
            pass  # somebody is reading or writing: `unclean` stands in the file, and the next batch tries again

    def _vacuum(self) -> None:
        began = time.monotonic()
        try:
            with closing(connect(self._path)) as connection:
                connection.execute("VACUUM")
        except sqlite3.Error as error:
            raise in_our_words(error) from error
        # A large file is rewritten so seldom that folding goes on: in a rebuild many a batch erases something.
        took = time.monotonic() - began
        self._vacuum_after = time.monotonic() + (_REST * took if took > _SHORT else 0)

    def _mark(self, unclean: int) -> None:
        with self._file.writing() as connection:
            connection.execute("UPDATE state SET unclean = ?", (unclean,))


# --- reading -------------------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=256)
def _page(low: bool, high: bool, statuses: int, as_of: bool, after: bool, newest_first: bool) -> str:
    """The statement for a kind of question; its parameters are those of `_parameters`, in this order."""
    where = ["timeline = ?"]
    if as_of:
        where.append("recorded_from <= ? AND (recorded_to IS NULL OR recorded_to > ?)")
    else:
        where.append("recorded_to IS NULL")
    if low:
        where.append('start >= ? AND ("end" > ? OR start >= ?)')
    if high:
        where.append("start < ?")
    if statuses:
        where.append(f"status IN ({', '.join('?' * statuses)})")
    if after:
        where.append(f"(start, name) {'<' if newest_first else '>'} (?, ?)")
    turn = " DESC" if newest_first else ""
    return f"SELECT start, name, body FROM versions WHERE {' AND '.join(where)} ORDER BY start{turn}, name{turn} LIMIT ?"  # noqa: S608 - constants


def _parameters(page: Page, timeline: int, longest: int) -> list[object]:
    found: list[object] = [timeline]
    if page.as_of is not None:
        found += [page.as_of, page.as_of]
    if page.low is not None:
        found += [page.low - longest, page.low, page.low]
    if page.high is not None:
        found.append(page.high)
    found += page.status
    if page.after is not None:
        found += page.after
    return [*found, page.limit]


def _entry(account: str, row: Sequence[Any]) -> EntryRow:
    return EntryRow(account, *row[:10], tuple(row[10].split()), row[11])


def _marks(account: str, meetings: Iterable[str]) -> str:
    return _json([_mark_of(account, meeting) for meeting in meetings]).decode()


def _mark_of(account: str, meeting: str) -> int:
    return digest(account, meeting)


def _decided(account: str, column: str, value: str) -> int:
    """What `decided` finds decisions by."""
    return digest(account, column, value)


# --- writing -------------------------------------------------------------------------------------------------------------------


class _Writer:
    """Writes one batch after another. Remembers the ids it gave, as long as nobody else writes."""

    def __init__(self) -> None:
        self._position = -1
        self._forget()

    def _forget(self) -> None:
        self._accounts: dict[str, int] = {}
        self._timelines: dict[tuple[str, str], _Timeline] = {}
        self._meetings: dict[tuple[str, str], int] = {}

    def write(self, connection: sqlite3.Connection, changes: Changes, position: int, recorded_at: int) -> int:
        """All of it, in the transaction that is open. Returns how unclean the file is after it."""
        before, last_id, unclean = connection.execute("SELECT position, last_id, unclean FROM state").fetchone()
        if position <= before:
            raise Conflict(f"position {position} is not ahead of {before}")
        if before != self._position or len(self._timelines) + len(self._meetings) > _MOST_KNOWN:
            self._forget()
        self._position = -1  # until all is written, what is remembered may be rolled back
        batch = _Batch(connection, self, changes, position, last_id)
        batch.write()
        unclean = max(unclean, batch.unclean)
        connection.execute(
            "UPDATE state SET position = ?, recorded_at = max(recorded_at, ?), last_id = ?, unclean = ?",
            (position, recorded_at, batch.last_id, unclean),
        )
        self._position = position
        return int(unclean)

    def account(self, connection: sqlite3.Connection, account: str) -> int:
        """The id of an account."""
        found = self._accounts.get(account)
        if found is None:
            connection.execute("INSERT OR IGNORE INTO accounts (account) VALUES (?)", (account,))
            found = self._accounts[account] = connection.execute("SELECT id FROM accounts WHERE account = ?", (account,)).fetchone()[0]
        return found

    def timelines(self, connection: sqlite3.Connection, wanted: Iterable[tuple[str, str]]) -> dict[tuple[str, str], _Timeline]:
        """The timelines of (account, contact), made where there are none."""
        known = self._timelines
        for account, contacts_ in _by_account(pair for pair in wanted if pair not in known).items():
            of = self.account(connection, account)
            rows = connection.execute(
                "SELECT contact, id, longest FROM timelines WHERE account = ? AND contact IN (SELECT value FROM json_each(?))",
                (of, _json(contacts_).decode()),
            )
            known.update(((account, contact), _Timeline(id_, longest)) for contact, id_, longest in rows)
            new = [contact for contact in contacts_ if (account, contact) not in known]
            ids = count(connection.execute("SELECT coalesce(max(id), 0) + 1 FROM timelines").fetchone()[0])
            made = {contact: _Timeline(next(ids), 0) for contact in new}
            connection.executemany("INSERT INTO timelines VALUES (?, ?, ?, 0, 0)", [(t.id, of, contact) for contact, t in made.items()])
            known.update(((account, contact), timeline) for contact, timeline in made.items())
        return known

    def meetings(self, connection: sqlite3.Connection, wanted: Iterable[tuple[str, str]]) -> dict[tuple[str, str], int]:
        """The ids of (account, meeting), given where there are none."""
        known = self._meetings
        for account, meetings in _by_account(pair for pair in wanted if pair not in known).items():
            of = self.account(connection, account)
            marks = {meeting: _mark_of(account, meeting) for meeting in meetings}
            rows = connection.execute(
                "SELECT m.meeting, m.id FROM json_each(?) j CROSS JOIN meetings m ON m.mark = j.value WHERE m.account = ?",
                (_json(list(marks.values())).decode(), of),
            )
            known.update(((account, meeting), id_) for meeting, id_ in rows if meeting in marks)
            ids = count(connection.execute("SELECT coalesce(max(id), 0) + 1 FROM meetings").fetchone()[0])
            made = [(next(ids), of, mark, meeting) for meeting, mark in marks.items() if (account, meeting) not in known]
            connection.executemany("INSERT INTO meetings (id, account, mark, meeting) VALUES (?, ?, ?, ?)", made)
            known.update(((account, meeting), id_) for id_, _, _, meeting in made)
        return known

    def grown(self, connection: sqlite3.Connection, key: tuple[str, str], length: int) -> None:
        """An entry of this length stands in a timeline."""
        timeline = self._timelines[key]
        self._timelines[key] = timeline._replace(longest=length)
        connection.execute("UPDATE timelines SET longest = ? WHERE id = ?", (length, timeline.id))


def _by_account(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, dict[str, None]] = {}
    for account, other in pairs:
        found.setdefault(account, {})[other] = None
    return {account: list(others) for account, others in found.items()}


class _Batch:
    """One batch on its way into the file."""

    def __init__(self, connection: sqlite3.Connection, writer: _Writer, changes: Changes, position: int, last_id: int) -> None:
        self._connection, self._writer, self._changes, self._position = connection, writer, changes, position
        self.last_id = last_id
        self.unclean = _CLEAN

    def write(self) -> None:
        """Everything but the position."""
        removed = [*self._purge(), *self._forget_contacts()]
        self._scrub()
        self._look_for_erased()
        self._write_entries(removed)
        self._write_contacts()
        self._write_meetings()
        self._write_decisions()
        self._write_rest()

    def _account(self, account: str) -> int:
        return self._writer.account(self._connection, account)

    def _next_id(self) -> int:
        self.last_id += 1
        return self.last_id

    # --- what goes for good

    def _purge(self) -> list[_Full]:
        found: list[_Full] = []
        ids = self._writer.meetings(self._connection, self._changes.purged) if self._changes.purged else {}
        for account, meeting in self._changes.purged:
            found += self._delete(account, "v.meeting = ?", ids[account, meeting])
        return found

    def _forget_contacts(self) -> list[_Full]:
        found: list[_Full] = []
        ids = self._writer.timelines(self._connection, self._changes.forgotten) if self._changes.forgotten else {}
        for account, contact in self._changes.forgotten:
            found += self._delete(account, "v.timeline = ?", ids[account, contact].id)
        return found

    def _delete(self, account: str, where: str, id_: int) -> list[_Full]:
        """Delete versions; returns the entries that were current."""
        rows = self._connection.execute(f"{_ENTRIES} WHERE {where} AND v.body IS NOT NULL", (id_,)).fetchall()
        if rows:
            self.unclean = _TO_VACUUM
            self._connection.execute(f"DELETE FROM versions AS v WHERE {where} AND v.body IS NOT NULL", (id_,))  # noqa: S608 - constants
        return [(account, row[0], row[1], row[2]) for row in rows if row[9] is None]

    def _scrub(self) -> None:
        for account, keys in _by_account(self._changes.scrubbed).items():
            erased = frozenset(keys)
            self._scrub_entries(account, erased)
            self._scrub_meetings(account, erased)
            self._scrub_contacts(account, erased)

    def _scrub_entries(self, account: str, erased: frozenset[str]) -> None:
        named = " OR ".join("instr(v.people, ?)" for _ in erased)
        rows = self._connection.execute(
            f"SELECT v.id, v.timeline, {_ENTRY} FROM timelines t CROSS JOIN versions v ON v.timeline = t.id "  # noqa: S608 - constants
            f"JOIN meetings m ON m.id = v.meeting WHERE t.account = ? AND v.body IS NOT NULL AND ({named})",
            (self._account(account), *erased),
        ).fetchall()
        for id_, _, *row in rows:
            clean = scrubbed(_entry(account, row), erased)
            self._connection.execute("UPDATE versions SET people = ?, body = ? WHERE id = ?", (" ".join(clean.people), clean.body, id_))
        for timeline in sorted({row[1] for row in rows}):
            self._connection.execute("UPDATE timelines SET touched = ? WHERE id = ?", (self._next_id(), timeline))
        self._rewritten(bool(rows))

    def _scrub_meetings(self, account: str, erased: frozenset[str]) -> None:
        named = " OR ".join("instr(m.body, CAST(? AS BLOB))" for _ in erased)
        rows = self._connection.execute(
            f"SELECT m.id, m.meeting, m.into_, m.position, m.series_to, m.view, m.body FROM meetings m WHERE m.account = ? AND ({named})",  # noqa: S608 - constants
            (self._account(account), *erased),
        ).fetchall()
        for id_, *row in rows:
            clean = meeting_view.scrubbed(MeetingRow(account, *row), erased)
            self._connection.execute("UPDATE meetings SET body = ? WHERE id = ?", (clean.body, id_))
        self._rewritten(bool(rows))

    def _scrub_contacts(self, account: str, erased: frozenset[str]) -> None:
        rows = self._connection.execute(
            f"SELECT id, contact, key, state, into_, body FROM contacts WHERE account = ? AND key IN ({', '.join('?' * len(erased))})",  # noqa: S608 - constants
            (self._account(account), *erased),
        ).fetchall()
        for id_, *row in rows:
            former = ContactRow(account, *row)
            clean = contacts.scrubbed(former)
            if clean != former:
                self._connection.execute("UPDATE contacts SET body = ? WHERE id = ?", (clean.body, id_))
                self._rewritten(True)

    def _look_for_erased(self) -> None:
        """A contact that is written as erased below may have had a name until now."""
        for row in self._changes.contacts:
            if row.state == "erased":
                statement = "SELECT contact, key, state, into_, body FROM contacts WHERE account = ? AND contact = ?"
                found = self._connection.execute(statement, (self._account(row.account), row.contact)).fetchall()
                self._rewritten(any(contacts.scrubbed(ContactRow(row.account, *former)).body != former[-1] for former in found))

    def _rewritten(self, something: bool) -> None:
        if something:
            self.unclean = _TO_VACUUM

    # --- what is new

    def _write_entries(self, removed: Sequence[_Full]) -> None:
        changes = self._changes
        left = departed(changes, removed)
        if not changes.entries and not left:
            return
        touched = [*changes.closed, *left]
        timelines = self._writer.timelines(self._connection, [*((r.account, r.contact) for r in changes.entries), *(t[:2] for t in touched)])
        meetings = self._writer.meetings(
            self._connection, [*((r.account, r.meeting) for r in changes.entries), *((t[0], t[2]) for t in touched)]
        )
        self._connection.executemany(
            "UPDATE versions SET recorded_to = ? WHERE meeting = ? AND recorded_to IS NULL AND timeline = ? AND occurrence = ?",
            [(to, meetings[a, m], timelines[a, c].id, o) for a, c, m, o, to in changes.closed],
        )
        self._connection.executemany(
            "INSERT INTO versions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    self._next_id(),
                    timelines[r.account, r.contact].id,
                    meetings[r.account, r.meeting],
                    r.occurrence,
                    r.start,
                    r.end,
                    r.status,
                    r.version,
                    r.position,
                    r.recorded_from,
                    r.recorded_to,
                    name(r.meeting, r.occurrence),
                    " ".join(r.people),
                    r.body,
                )
                for r in changes.entries
            ],
        )
        for r in changes.entries:
            if r.end - r.start > timelines[r.account, r.contact].longest:
                self._writer.grown(self._connection, (r.account, r.contact), r.end - r.start)
        self._connection.executemany(
            "INSERT INTO versions VALUES (?, ?, ?, ?, 0, 0, '', 0, ?, 0, 0, '', '', NULL)",
            [(self._next_id(), timelines[a, c].id, meetings[a, m], o, self._position) for a, c, m, o in left],
        )

    def _write_contacts(self) -> None:
        rows = [(self._account(r.account), r.contact, r.key, r.state, r.into, r.body) for r in self._changes.contacts]
        self._connection.executemany(
            "INSERT INTO contacts (account, contact, key, state, into_, body) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (account, contact) "
            "DO UPDATE SET key = excluded.key, state = excluded.state, into_ = excluded.into_, body = excluded.body",
            rows,
        )

    def _write_meetings(self) -> None:
        rows = self._changes.meetings
        ids = self._writer.meetings(self._connection, ((r.account, r.meeting) for r in rows))
        self._connection.executemany(
            "UPDATE meetings SET into_ = ?, position = ?, series_to = ?, view = ?, body = ? WHERE id = ?",
            [(r.into, r.position, r.series_to, r.view, r.body, ids[r.account, r.meeting]) for r in rows],
        )

    def _write_decisions(self) -> None:
        rows = self._changes.decisions
        self._connection.executemany(
            "INSERT INTO decisions VALUES (?, ?, ?, ?, ?, ?, ?)",
            [(r.position, self._account(r.account), r.event, r.subject, r.meeting, r.recorded_at, r.body) for r in rows],
        )
        marks = [(_decided(r.account, "event", r.event), r.position) for r in rows]
        marks += [(_decided(r.account, "subject", r.subject), r.position) for r in rows]
        marks += [(_decided(r.account, "meeting", r.meeting), r.position) for r in rows if r.meeting is not None]
        # In the order of the index, so that each of its pages is visited once.
        self._connection.executemany("INSERT OR IGNORE INTO decided VALUES (?, ?)", sorted(marks))

    def _write_rest(self) -> None:
        self._connection.executemany(
            "INSERT OR REPLACE INTO connections VALUES (?, ?, ?, ?)",
            [(self._account(r.account), r.user, _calendar.decode(r.body).calendar, r.body) for r in self._changes.connections],
        )
        self._connection.executemany(
            "INSERT OR REPLACE INTO clocks VALUES (?, ?, ?, ?)",
            [(self._account(r.account), r.ticked, r.before_days, r.after_days) for r in self._changes.clocks],
        )
