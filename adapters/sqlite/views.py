"""The read models in one SQLite file. See `projections.views.Views` for what each verb promises.

What must stay true: rows and position are written in one transaction; every question of a route is answered from an index;
what was purged, forgotten or scrubbed is nowhere in the file or beside it once it has been cleaned.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec

from adapters.sqlite.connect import Connections, connect, in_our_words
from adapters.sqlite.view_writer import CLEAN, COLUMNS, SCHEMA, TO_TRUNCATE, TO_VACUUM, Writer, decided, entry, marks
from domain.errors import TryAgain
from domain.ports import EntryRow
from projections.views import Change, Changes, ClockRow, ConnectionRow, ContactRow, DecisionRow, EntryHit, MeetingRow, Page

_TUNING = (
    # What is deleted or replaced is overwritten, not only forgotten.
    "PRAGMA secure_delete = ON",
    # SQLite's own 2 MB are too few pages for these indexes, and a checkpoint every 1,000 pages writes the same ones again and again.
    "PRAGMA cache_size = -131072",
    "PRAGMA wal_autocheckpoint = 8000",
)
_READING = "PRAGMA mmap_size = 1073741824"
_SHORT = 0.2
"""Rewriting a file that takes no longer (seconds) is done at once, however often."""
_REST = 10
"""After a longer one, so many times as long passes until the next."""

# All statements are put together from constants such as these; what is asked for is always a parameter.
_ACCOUNT = "(SELECT id FROM accounts WHERE account = ?)"
_MEETING = "SELECT m.meeting, m.into_, m.position, m.series_to, m.view, m.body FROM"
_CONTACT = f"SELECT contact, key, state, into_, body FROM contacts WHERE account = {_ACCOUNT}"  # noqa: S608 - constants only
_JOINED = "versions v JOIN timelines t ON t.id = v.timeline JOIN meetings m ON m.id = v.meeting"
# CROSS JOIN: in this order, from the few meetings asked for.
_MARKED = "json_each(?) j CROSS JOIN meetings m ON m.mark = j.value"
# A plus before a column keeps SQLite from choosing an index for the order of the answer rather than for finding it.
_json = msgspec.json.Encoder().encode


class SqliteViews:
    """`projections.views.Views` in a SQLite file. One process folds; any number of threads and processes read."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = Connections(path, SCHEMA, _TUNING)
        self._writer = Writer()
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
        statement = (
            f"SELECT {COLUMNS} FROM {_MARKED} CROSS JOIN versions v ON v.meeting = m.id "  # noqa: S608 - constants only
            f"JOIN timelines t ON t.id = v.timeline WHERE m.account = {_ACCOUNT} AND v.recorded_to IS NULL AND v.body IS NOT NULL"
        )
        wanted = set(meetings)
        return [row for row in self._entries(account, statement, (marks(account, wanted), account)) if row.meeting in wanted]

    def entries_of_contact(self, account: str, contact: str) -> list[EntryRow]:
        """As promised."""
        where = f"t.account = {_ACCOUNT} AND t.contact = ? AND v.recorded_to IS NULL"
        return self._entries(account, f"SELECT {COLUMNS} FROM {_JOINED} WHERE {where}", (account, contact))  # noqa: S608 - constants only

    def stored_meetings(self, account: str, meetings: Iterable[str]) -> dict[str, MeetingRow]:
        """As promised."""
        wanted = set(meetings)
        statement = f"{_MEETING} {_MARKED} WHERE m.account = {_ACCOUNT} AND m.position IS NOT NULL"
        rows = self._rows(statement, (marks(account, wanted), account))
        return {row[0]: MeetingRow(account, *row) for row in rows if row[0] in wanted}

    def series_to_extend(self, account: str, before: int) -> list[MeetingRow]:
        """As promised."""
        statement = f"{_MEETING} meetings m WHERE m.account = {_ACCOUNT} AND m.series_to < ?"
        return [MeetingRow(account, *row) for row in self._rows(statement, (account, before))]

    def meetings_with(self, account: str, key: str) -> list[str]:
        """As promised. Looks at every entry of the account: people are named by no index, as only erasing asks for them."""
        in_entries = (
            "SELECT m.meeting FROM timelines t CROSS JOIN versions v ON v.timeline = t.id JOIN meetings m ON m.id = v.meeting "  # noqa: S608 - constants only
            f"WHERE t.account = {_ACCOUNT} AND v.recorded_to IS NULL AND instr(v.people, ?)"
        )
        in_views = f"SELECT m.meeting FROM meetings m WHERE m.account = {_ACCOUNT} AND instr(m.view, CAST(? AS BLOB))"  # noqa: S608 - constants only
        return [row[0] for row in self._rows(f"{in_entries} UNION {in_views} ORDER BY 1", (account, key, account, key))]

    def stored_contacts(self, account: str, contacts: Iterable[str]) -> dict[str, ContactRow]:
        """As promised."""
        statement = f"{_CONTACT} AND contact IN (SELECT value FROM json_each(?))"  # noqa: S608 - constants only
        rows = self._rows(statement, (account, _json(list(contacts)).decode()))
        return {row[0]: ContactRow(account, *row) for row in rows}

    def contacts_merged_into(self, account: str, contact: str) -> list[ContactRow]:
        """As promised."""
        return [ContactRow(account, *row) for row in self._rows(f"{_CONTACT} AND into_ = ? ORDER BY +contact", (account, contact))]

    def connections_of_calendars(self, account: str, calendars: Iterable[str]) -> list[ConnectionRow]:
        """As promised."""
        statement = (
            "SELECT user, body FROM connections INDEXED BY connections_by_calendar "  # noqa: S608 - constants only
            f"WHERE account = {_ACCOUNT} AND calendar IN (SELECT value FROM json_each(?)) ORDER BY +user"
        )
        return [ConnectionRow(account, *row) for row in self._rows(statement, (account, _json(list(calendars)).decode()))]

    def clock(self, account: str) -> ClockRow | None:
        """As promised."""
        rows = self._rows(f"SELECT ticked, before_days, after_days FROM clocks WHERE account = {_ACCOUNT}", (account,))  # noqa: S608 - constants only
        return ClockRow(account, *rows[0]) if rows else None

    # --- reading

    def clocks(self) -> list[ClockRow]:
        """As promised."""
        rows = self._rows("SELECT a.account, ticked, before_days, after_days FROM clocks c JOIN accounts a ON a.id = c.account ORDER BY 1")
        return [ClockRow(*row) for row in rows]

    def accounts_without_clock(self) -> list[str]:
        """As promised."""
        rows = self._rows("SELECT account FROM accounts WHERE id NOT IN (SELECT account FROM clocks) ORDER BY 1")
        return [str(row[0]) for row in rows]

    def switch_to(self, rebuilt: Path, other: SqliteViews) -> None:
        """Become the read models in `rebuilt`, which `other` has open: one rename. Whoever opens the file after it reads the new
        ones; this object does so with its next question."""
        other.close()
        self._file.close()
        for suffix in ("-wal", "-shm"):
            Path(f"{self._path}{suffix}").unlink(missing_ok=True)
        rebuilt.replace(self._path)
        self._file = Connections(self._path, SCHEMA, _TUNING)
        self._writer = Writer()
        self._mine = threading.local()

    def recorded(self) -> int:
        """As promised."""
        return int(self._rows("SELECT recorded_at FROM state")[0][0])

    def contact(self, account: str, contact: str) -> ContactRow | None:
        """As promised."""
        rows = self._rows(f"{_CONTACT} AND contact = ?", (account, contact))
        return ContactRow(account, *rows[0]) if rows else None

    def contacts_by_key(self, account: str, key: str) -> list[ContactRow]:
        """As promised."""
        rows = self._rows(f"{_CONTACT} AND key = ? AND state = 'live' ORDER BY +contact", (account, key))
        return [ContactRow(account, *row) for row in rows]

    def entries(self, account: str, contact: str, page: Page) -> list[EntryHit]:
        """As promised."""
        timeline = self._rows(f"SELECT id, longest FROM timelines WHERE account = {_ACCOUNT} AND contact = ?", (account, contact))  # noqa: S608 - constants only
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
        statement = (
            "SELECT max(touched, coalesce((SELECT max(id) FROM versions WHERE timeline = timelines.id), 0)) "  # noqa: S608 - constants only
            f"FROM timelines WHERE account = {_ACCOUNT} AND contact = ?"
        )
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
        asked = {column: value for column, value in about.items() if value is not None}
        statement, place, marks_ = "SELECT d.position, d.event, d.subject, d.meeting, d.recorded_at, d.body FROM ", "d.position", []
        if asked:
            statement += "decided i CROSS JOIN decisions d ON d.position = i.position WHERE i.mark = ? AND "
            place, marks_ = "i.position", [decided(account, *next(iter(asked.items())))]
        else:
            statement += "decisions d WHERE "
        statement += f"{place} > ? AND d.account = {_ACCOUNT}" + "".join(f" AND d.{column} = ?" for column in asked)
        rows = self._rows(f"{statement} ORDER BY {place} LIMIT ?", (*marks_, after, account, *asked.values(), limit))
        return [DecisionRow(account, *row) for row in rows]

    def connections(self, account: str) -> list[ConnectionRow]:
        """As promised."""
        rows = self._rows(f"SELECT user, body FROM connections WHERE account = {_ACCOUNT} ORDER BY user", (account,))  # noqa: S608 - constants only
        return [ConnectionRow(account, *row) for row in rows]

    def changes(self, account: str, contact: str | None, after: int, limit: int) -> list[Change]:
        """As promised."""
        statement = f"SELECT v.id, t.contact, m.meeting, v.occurrence, v.position, coalesce(v.body, x'') FROM {_JOINED} "  # noqa: S608 - constants only
        parameters: tuple[object, ...]
        if contact is None:
            statement += f"WHERE v.id > ? AND +t.account = {_ACCOUNT}"
            parameters = (after, account, limit)
        else:
            statement += f"WHERE v.timeline = (SELECT id FROM timelines WHERE account = {_ACCOUNT} AND contact = ?) AND v.id > ?"  # noqa: S608 - constants only
            parameters = (account, contact, after, limit)
        statement += " ORDER BY v.id LIMIT ?"
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
        return {what: self._rows(f"SELECT count(*) FROM {where}")[0][0] for what, where in asked.items()}  # noqa: S608 - constants only

    def rows(self) -> Iterator[tuple[object, ...]]:
        """As promised."""
        of = "JOIN accounts a ON a.id ="
        for kind, columns, tables, order in (
            ("contact", "a.account, contact, key, state, into_, body", f"contacts {of} contacts.account", "1, 2"),
            (
                "meeting",
                "a.account, meeting, into_, position, series_to, view, body",
                f"meetings {of} meetings.account WHERE position IS NOT NULL",
                "1, 2",
            ),
            ("entry", f"a.account, {COLUMNS}", f"{_JOINED} {of} t.account WHERE v.body IS NOT NULL", "1, 2, 3, 4, 9, 8"),
            ("decision", "a.account, position, event, subject, meeting, recorded_at, body", f"decisions {of} decisions.account", "2"),
            ("connection", "a.account, user, body", f"connections {of} connections.account", "1, 2"),
            ("clock", "a.account, ticked, before_days, after_days", f"clocks {of} clocks.account", "1"),
        ):
            for row in self._rows(f"SELECT {columns} FROM {tables} ORDER BY {order}"):  # noqa: S608 - constants only
                yield kind, *row

    # --- the file

    def _rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[Any]:
        if not hasattr(self._mine, "tuned"):
            self._mine.tuned = self._file.rows(_READING)
        return self._file.rows(statement, parameters)

    def _entries(self, account: str, statement: str, parameters: Sequence[Any]) -> list[EntryRow]:
        return [entry(account, row) for row in self._rows(statement, parameters)]

    def _clean(self, unclean: int) -> None:
        """Leave nothing of what was erased behind: pages that were split hold copies of rows, the log former pages."""
        try:
            if unclean == TO_VACUUM:
                if time.monotonic() < self._vacuum_after:
                    return
                self._vacuum()
                self._mark(TO_TRUNCATE)
            self._file.truncate_wal()
            self._mark(CLEAN)
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
    return f"SELECT start, name, body FROM versions WHERE {' AND '.join(where)} ORDER BY start{turn}, name{turn} LIMIT ?"  # noqa: S608 - constants only


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
