"""The read models in one SQLite file. See `projections.views.Views` for what each verb promises.

What must stay true: rows and position are written in one transaction; every question of a route is answered from an index;
what was purged, forgotten or scrubbed is nowhere in the file or beside it once it has been cleaned. Of a second set that a rebuild
left when it was killed nothing stays when somebody folds next, nor after an erasure: it would not reach it.
"""

from __future__ import annotations

import fcntl
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec

from adapters.durable import on_disk
from adapters.sqlite.connect import Connections, by_account, connect, in_our_words
from adapters.sqlite.view_pages import Paging
from adapters.sqlite.view_writer import (
    CLEAN,
    COMMON,
    FOREVER,
    FORM,
    SCHEMA,
    TO_TRUNCATE,
    TO_VACUUM,
    VERSION,
    Writer,
    common,
    decided,
    entry,
    marks,
)
from domain.errors import TryAgain
from projections.bodies import Common, EntryRow, MeetingRow, Pieces, Standing, said
from projections.views import (
    Change,
    Changes,
    ClockRow,
    ConnectionRow,
    ContactRow,
    DecisionRow,
    EntryHit,
    OutOfDate,
    Page,
    StoredMeeting,
    listed,
    listed_meeting,
)

_TUNING = (
    # What is deleted or replaced is overwritten, not only forgotten.
    "PRAGMA secure_delete = ON",
    # SQLite's own 2 MB are too few pages for these indexes, and a checkpoint every 1,000 pages writes the same ones again and again.
    "PRAGMA cache_size = -131072",
    "PRAGMA wal_autocheckpoint = 8000",
)
_BESIDE = (
    # Nobody reads it and nobody was promised it: what is lost with the machine is folded anew from the beginning. Waiting for the disk
    # and writing the same pages again at each checkpoint are two thirds of a batch once there are millions of rows.
    "PRAGMA synchronous = OFF",
    "PRAGMA wal_autocheckpoint = 64000",
)
"""Further pragmas of a second set until it becomes the live one."""
_READING = "PRAGMA mmap_size = 1073741824"
_SHORT = 0.2
"""Rewriting a file that takes no longer (seconds) is done at once, however often."""
_REST = 10
"""After a longer one, so many times as long passes until the next."""

# All statements are put together from constants such as these; what is asked for is always a parameter.
_ACCOUNT = "(SELECT id FROM accounts WHERE account = ?)"
_STORED = "SELECT m.meeting, m.series_to, m.view FROM"
_MEETING = 'm.meeting, m.into_, m.position, m.recorded_at, m.series_to, m.view, m.start, m."end", m.contacts, m.rules'
_COMMONS = f"(SELECT c.id, {COMMON} FROM commons c JOIN meetings of ON of.id = c.meeting JOIN accounts a ON a.id = of.account)"  # noqa: S608 - constants only
_SAID = "c.id, c.name, c.position, c.recorded_from, c.times, c.series, c.title, c.about, c.frame"
_CONTACT = f"SELECT contact, key, state, into_, body FROM contacts WHERE account = {_ACCOUNT}"  # noqa: S608 - constants only
_WHOLE = (
    f"SELECT c.id, {COMMON}, v.id, {VERSION} FROM versions v JOIN timelines t ON t.id = v.timeline JOIN commons c ON c.id = v.common "  # noqa: S608 - constants only
    "JOIN accounts a ON a.id = t.account"
)
_STANDING = "SELECT v.id, t.contact, m.meeting, v.occurrence, v.start, v.version FROM"
# CROSS JOIN: in this order, from the few meetings asked for.
_MARKED = "json_each(?) j CROSS JOIN meetings m ON m.mark = j.value"
# A plus before a column keeps SQLite from choosing an index for the order of the answer rather than for finding it.
_json = msgspec.json.Encoder().encode


class SqliteViews:
    """`projections.views.Views` in a SQLite file. One process folds; any number of threads and processes read. Without `at_once` it
    opens nothing before it is first asked, and raises `OutOfDate` then. `tuning` are further pragmas of the one that writes."""

    def __init__(self, path: Path, at_once: bool = True, tuning: Sequence[str] = ()) -> None:
        self._path = path
        self._opening = threading.Lock()
        self._connections = _opened(path, tuning) if at_once else None
        self._writer = Writer()
        self._mine = threading.local()
        self._vacuum_after = 0.0
        self._unlock: Callable[[], object] = lambda: None
        self._has_swept = False

    def close(self) -> None:
        """Clean what is unclean yet, and close the file; nobody may use it any more."""
        if self._connections is None:
            return
        self._vacuum_after = 0.0
        if unclean := int(self._rows("SELECT unclean FROM state")[0][0]):
            self._clean(unclean)
        self._connections.close()

    # --- a second set

    def beside(self) -> SqliteViews:
        """An empty second set in a file of its own, in the place of any that was begun and left."""
        lock = _lock_file(self._path).open("wb")
        fcntl.flock(lock, fcntl.LOCK_SH)  # who deletes one that was left is done in a moment
        path = _second(self._path)
        _delete(path)
        found = SqliteViews(path, tuning=_BESIDE)
        found._unlock = weakref.finalize(found, lock.close)
        return found

    def discard(self, other: SqliteViews) -> None:
        """As promised."""
        other.close()
        _delete(other._path)
        other._unlock()

    def become(self, other: SqliteViews) -> None:
        """Be what `other`, made by `beside`, is: one rename. Whoever opens the file after it reads the new set; this object does so
        with its next question."""
        other._go_on_above(self._last_id())
        other.close()
        on_disk(other._path)
        if self._connections is not None:
            self._connections.close()
        for suffix in ("-wal", "-shm"):
            Path(f"{self._path}{suffix}").unlink(missing_ok=True)
        other._path.replace(self._path)
        on_disk(self._path.parent)
        other._unlock()
        self._connections = None
        self._writer = Writer()
        self._mine = threading.local()

    def left(self) -> bool:
        """As promised."""
        with self._unattended() as path:
            return path is not None

    def _sweep(self) -> None:
        """Leave no second set that nobody is building any more: people stand in it in clear."""
        self._has_swept = True
        with self._unattended() as path:
            if path is not None:
                _delete(path)

    @contextmanager
    def _unattended(self) -> Iterator[Path | None]:
        """The second set that nobody is building, if there is one; nobody begins another for the block."""
        path = _second(self._path)
        if not any(one.exists() for one in _files(path)):
            yield None
            return
        with _lock_file(self._path).open("wb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:  # somebody is building it, and folds the erasures as well
                yield None
                return
            yield path

    def _last_id(self) -> int:
        try:
            return int(self._rows("SELECT last_id FROM state")[0][0])
        except OutOfDate:
            return 0

    def _go_on_above(self, last_id: int) -> None:
        """Live readers of another set know ids up to this one: what comes now must have greater ones."""
        with self._file.writing() as connection:
            connection.execute("UPDATE state SET last_id = max(last_id, ?)", (last_id,))

    # --- folding

    def position(self) -> int:
        """As promised. Remembered for the thread that asks: what it folds follows on this position and no other."""
        found = int(self._rows("SELECT position FROM state")[0][0])
        self._mine.seen = found
        return found

    def apply(self, changes: Changes, position: int, recorded_at: int) -> None:
        """As promised. Erasures rewrite the file as a whole, so that no page keeps a copy of what moved within it."""
        with self._file.writing() as connection:
            unclean = self._writer.write(connection, changes, position, recorded_at, getattr(self._mine, "seen", None))
        self._mine.seen = position
        if changes.purged or changes.scrubbed or changes.forgotten or not self._has_swept:
            self._sweep()
        if unclean:
            self._clean(unclean)

    def current(self, account: str, meetings: Iterable[str]) -> list[Standing]:
        """As promised."""
        statement = (
            f"{_STANDING} {_MARKED} CROSS JOIN commons c ON c.meeting = m.id CROSS JOIN versions v ON v.id BETWEEN c.first AND c.last "
            f"JOIN timelines t ON t.id = v.timeline WHERE m.account = {_ACCOUNT} AND v.common = c.id AND v.recorded_to = ?"
        )
        wanted = set(meetings)
        rows = self._rows(statement, (marks(account, wanted), account, FOREVER))
        return [row for row in map(Standing._make, rows) if row.meeting in wanted]

    def entries_of_contact(self, account: str, contact: str) -> list[Standing]:
        """As promised."""
        statement = (
            f"{_STANDING} timelines t JOIN versions v ON v.timeline = t.id AND v.recorded_to = ? JOIN commons c ON c.id = v.common "
            f"JOIN meetings m ON m.id = c.meeting WHERE t.account = {_ACCOUNT} AND t.contact = ?"
        )
        return list(map(Standing._make, self._rows(statement, (FOREVER, account, contact))))

    def versions(self, account: str, ids: Iterable[int]) -> dict[int, EntryRow]:
        """As promised."""
        statement = f"{_WHOLE} WHERE v.id IN (SELECT value FROM json_each(?)) AND a.account = ?"  # noqa: S608 - constants only
        return dict(_whole(self._rows(statement, (_json(list(ids)).decode(), account))))

    def stored_meetings(self, meetings: Collection[tuple[str, str]]) -> dict[tuple[str, str], StoredMeeting]:
        """As promised."""
        statement = f"{_STORED} {_MARKED} WHERE m.account = {_ACCOUNT} AND m.position IS NOT NULL"
        found: dict[tuple[str, str], StoredMeeting] = {}
        for account, wanted in by_account(meetings).items():
            rows = self._rows(statement, (marks(account, wanted), account))
            found.update({(account, row[0]): StoredMeeting._make(row) for row in rows if row[0] in wanted})
        return found

    def series_to_extend(self, account: str, before: int) -> list[StoredMeeting]:
        """As promised."""
        statement = f"{_STORED} meetings m WHERE m.account = {_ACCOUNT} AND m.series_to < ?"
        return list(map(StoredMeeting._make, self._rows(statement, (account, before))))

    def meetings_with(self, account: str, key: str) -> list[str]:
        """As promised. Looks at all that is said: people are named by no index, as only erasing asks for them."""
        in_entries = (
            f"SELECT m.meeting FROM commons c JOIN meetings m ON m.id = c.meeting WHERE m.account = {_ACCOUNT} "  # noqa: S608 - constants only
            "AND instr(' ' || c.people || ' ', ' ' || ? || ' ') "
            "AND EXISTS (SELECT 1 FROM versions v WHERE v.id BETWEEN c.first AND c.last AND v.common = c.id AND v.recorded_to = ?)"
        )
        in_views = f"SELECT m.meeting FROM meetings m WHERE m.account = {_ACCOUNT} AND instr(m.view, CAST(? AS BLOB))"  # noqa: S608 - constants only
        rows = self._rows(f"{in_entries} UNION {in_views} ORDER BY 1", (account, key, FOREVER, account, key))
        return [row[0] for row in rows]

    def stored_contacts(self, contacts: Collection[tuple[str, str]]) -> dict[tuple[str, str], ContactRow]:
        """As promised."""
        statement = f"{_CONTACT} AND contact IN (SELECT value FROM json_each(?))"  # noqa: S608 - constants only
        found: dict[tuple[str, str], ContactRow] = {}
        for account, wanted in by_account(contacts).items():
            rows = self._rows(statement, (account, _json(sorted(wanted)).decode()))
            found.update({(account, row[0]): ContactRow(account, *row) for row in rows})
        return found

    def contacts_merged_into(self, account: str, contact: str) -> list[ContactRow]:
        """As promised."""
        return [ContactRow(account, *row) for row in self._rows(f"{_CONTACT} AND into_ = ? ORDER BY +contact", (account, contact))]

    def connections_of_calendars(self, calendars: Collection[tuple[str, str]]) -> list[ConnectionRow]:
        """As promised."""
        statement = (
            "SELECT user, body FROM connections INDEXED BY connections_by_calendar "  # noqa: S608 - constants only
            f"WHERE account = {_ACCOUNT} AND calendar IN (SELECT value FROM json_each(?)) ORDER BY +user"
        )
        return [
            ConnectionRow(account, *row)
            for account, wanted in by_account(calendars).items()
            for row in self._rows(statement, (account, _json(sorted(wanted)).decode()))
        ]

    def clocks_of(self, accounts: Collection[str]) -> dict[str, ClockRow]:
        """As promised."""
        statement = f"SELECT ticked, before_days, after_days FROM clocks WHERE account = {_ACCOUNT}"  # noqa: S608 - constants only
        return {account: ClockRow(account, *row) for account in accounts for row in self._rows(statement, (account,))}

    # --- reading

    def clocks(self) -> list[ClockRow]:
        """As promised."""
        rows = self._rows("SELECT a.account, ticked, before_days, after_days FROM clocks c JOIN accounts a ON a.id = c.account ORDER BY 1")
        return [ClockRow(*row) for row in rows]

    def accounts_without_clock(self) -> list[str]:
        """As promised."""
        rows = self._rows("SELECT account FROM accounts WHERE id NOT IN (SELECT account FROM clocks) ORDER BY 1")
        return [str(row[0]) for row in rows]

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
        id_, longest = timeline[0]

        def say(commons: Iterable[int]) -> dict[int, Pieces]:
            return self._said(account, contact, commons)

        paging = Paging(self._rows, say, id_, longest, page)
        found, told = paging.found(), paging.said
        if unknown := {row[4] for row in found} - told.keys():
            told.update(say(unknown))
        # As names are made by `name`, without the call: there are fifty on a page.
        return [
            EntryHit(start, f"{(of := told[common_]).meeting}:{occurrence}", of.entry(occurrence, start, end, version))
            for start, occurrence, end, version, common_ in found
        ]

    def entry_version(self, account: str, contact: str) -> int:
        """As promised."""
        rows = self._rows(f"SELECT touched FROM timelines WHERE account = {_ACCOUNT} AND contact = ?", (account, contact))  # noqa: S608 - constants only
        return int(rows[0][0]) if rows else 0

    def meeting(self, account: str, meeting: str) -> MeetingRow | None:
        """As promised."""
        statement = f"SELECT {_MEETING}, c.* FROM {_MARKED} LEFT JOIN {_COMMONS} c ON c.id = m.common WHERE m.account = {_ACCOUNT}"  # noqa: S608 - constants only
        rows = self._rows(f"{statement} AND m.position IS NOT NULL", (marks(account, (meeting,)), account))
        return next((_meeting(account, row) for row in rows if row[0] == meeting), None)

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
        asked: tuple[object, ...]
        # Two questions about one state: what is committed between them waits for the next time.
        last = self._rows("SELECT last_id FROM state")[0][0]
        if contact is None:
            where, asked = f"{{0}}.id > ? AND +t.account = {_ACCOUNT} AND {{0}}.id <= ?", (after, account, last, limit)
        elif self.entry_version(account, contact) <= after:
            return []
        else:
            timeline = f"(SELECT id FROM timelines WHERE account = {_ACCOUNT} AND contact = ?)"  # noqa: S608 - constants only
            where = f"{{0}}.timeline = {timeline} AND {{0}}.id > ? AND {{0}}.id <= ?"
            asked = account, contact, after, last, limit
        told = self._rows(f"{_WHOLE} WHERE {where.format('v')} ORDER BY v.id LIMIT ?", asked)
        found = [Change(id_, *row.full, row.common.position, row.body) for id_, row in _whole(told)]
        left = self._rows(
            "SELECT l.id, t.contact, m.meeting, l.occurrence, l.position FROM leavings l JOIN timelines t ON t.id = l.timeline "  # noqa: S608 - constants only
            f"JOIN meetings m ON m.id = l.meeting WHERE {where.format('l')} ORDER BY l.id LIMIT ?",
            asked,
        )
        found += [Change(id_, account, of, meeting, occurrence, position, b"") for id_, of, meeting, occurrence, position in left]
        return sorted(found)[:limit]

    def counts(self) -> dict[str, int]:
        """As promised: `entries` are current, `versions` those and former ones."""
        asked = {
            "contacts": "contacts",
            "meetings": "meetings WHERE position IS NOT NULL",
            "entries": f"versions WHERE recorded_to = {FOREVER}",
            "versions": "versions",
            "decisions": "decisions",
            "connections": "connections",
            "clocks": "clocks",
        }
        return {what: self._rows(f"SELECT count(*) FROM {where}")[0][0] for what, where in asked.items()}  # noqa: S608 - constants only

    def rows(self) -> Iterator[tuple[object, ...]]:
        """As promised."""
        of = "JOIN accounts a ON a.id ="
        yield from self._listed("contact", "a.account, contact, key, state, into_, body", f"contacts {of} contacts.account", "1, 2")
        meetings = f"FROM meetings m JOIN accounts b ON b.id = m.account LEFT JOIN {_COMMONS} c ON c.id = m.common"
        for account, *row in self._rows(f"SELECT b.account, {_MEETING}, c.* {meetings} WHERE m.position IS NOT NULL ORDER BY 1, 2"):
            yield listed_meeting(_meeting(account, row))
        for _, version in _whole(self._rows(f"{_WHOLE} ORDER BY a.account, t.contact, c.name, v.occurrence, c.position, v.version")):
            yield listed(version)
        columns = "a.account, position, event, subject, meeting, recorded_at, body"
        yield from self._listed("decision", columns, f"decisions {of} decisions.account", "2")
        yield from self._listed("connection", "a.account, user, body", f"connections {of} connections.account", "1, 2")
        yield from self._listed("clock", "a.account, ticked, before_days, after_days", f"clocks {of} clocks.account", "1")

    def _listed(self, kind: str, columns: str, tables: str, order: str) -> Iterator[tuple[object, ...]]:
        for row in self._rows(f"SELECT {columns} FROM {tables} ORDER BY {order}"):  # noqa: S608 - constants only
            yield kind, *row

    # --- the file

    @property
    def _file(self) -> Connections:
        found = self._connections
        if found is None:
            with self._opening:
                # Of two threads that come at once the second finds what the first has opened.
                found = self._connections = self._connections or _opened(self._path)
        return found

    def _rows(self, statement: str, parameters: Sequence[Any] = ()) -> list[Any]:
        if not hasattr(self._mine, "tuned"):
            self._mine.tuned = self._file.rows(_READING)
        return self._file.rows(statement, parameters)

    def _said(self, account: str, contact: str, commons: Iterable[int]) -> dict[int, Pieces]:
        statement = f"SELECT {_SAID} FROM json_each(?) j CROSS JOIN commons c ON c.id = j.value"  # noqa: S608 - constants only
        return {row[0]: said(account, contact, *row[1:]) for row in self._rows(statement, (_json(list(commons)).decode(),))}

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


def _opened(path: Path, tuning: Sequence[str] = ()) -> Connections:
    """The connections to a file of this form, made if absent. Raises `OutOfDate` for one of another."""
    if path.exists():
        try:
            with closing(connect(path)) as connection:
                form = connection.execute("PRAGMA user_version").fetchone()[0]
                if form != FORM and connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'state'").fetchone():
                    raise OutOfDate(f"the read models in {path.name} are of another version: run `rendezvous rebuild`")
        except sqlite3.Error as error:
            raise in_our_words(error) from error
    return Connections(path, SCHEMA, (*_TUNING, *tuning))


def _meeting(account: str, row: Sequence[Any]) -> MeetingRow:
    """A meeting from `_MEETING` and one of `_COMMONS`, which is empty if nothing is shown of it."""
    meeting, into, position, recorded_at, series_to, view, start, end, contacts, rules, of, *said = row
    if of is None:
        return MeetingRow(account, meeting, into, position, recorded_at, series_to, view)
    return MeetingRow(account, meeting, into, position, recorded_at, series_to, view, common(said), start, end, contacts, rules)


def _whole(rows: Iterable[Sequence[Any]]) -> Iterator[tuple[int, EntryRow]]:
    """Ids and versions from the columns of `_WHOLE`; what is said by many is one object."""
    known: dict[int, Common] = {}
    for row in rows:
        of = known.get(row[0])
        if of is None:
            of = known[row[0]] = common(row[1:12])
        yield row[12], entry(of, row[13:])


def _second(path: Path) -> Path:
    """Where a second set beside this one is built."""
    return path.with_name(f"{path.stem}.rebuilt{path.suffix}")


def _lock_file(path: Path) -> Path:
    """The file that says that one is being built, by a lock that the kernel takes back from the dead: whoever builds one shares it. It
    stays: who removed it could let in one who deletes beside one who builds. No file of SQLite's, whose own locks end when another
    opens and closes it."""
    return path.with_name(f"{path.stem}.rebuild.lock")


def _files(path: Path) -> list[Path]:
    return [Path(f"{path}{suffix}") for suffix in ("", "-wal", "-shm")]


def _delete(path: Path) -> None:
    for file in _files(path):
        file.unlink(missing_ok=True)
