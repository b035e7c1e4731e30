"""How a batch of changes gets into the file of the read models: its tables, and what is written to them.

What must stay true: all of a batch is written in the one transaction that its caller opened; ids of versions grow and are
never given twice, also when the newest rows were deleted.

Accounts, timelines (a contact's) and meetings have integer ids, given in the order in which they come, so that indexes grow at
their end. What must be found by a name that comes in no order is found by a 63-bit digest of it, and then compared.

A row of `versions` without a body says to live readers that its entry left; it holds for no time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import count
from typing import Any, NamedTuple

import msgspec
from msgspec import Struct

from domain.errors import Conflict
from domain.ports import EntryRow
from domain.sighting import digest
from projections import contacts, meeting_view
from projections.contact_timeline import departed, name, scrubbed
from projections.views import Changes, ContactRow, MeetingRow

_Full = tuple[str, str, str, int]

SCHEMA = (
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
COLUMNS = (
    't.contact, m.meeting, v.occurrence, v.start, v."end", v.status, v.version, v.position, v.recorded_from, v.recorded_to, '
    "v.people, v.body"
)
"""Of an entry's version, as `entry` takes them; `v`, `t`, `m` are versions, timelines, meetings."""
CLEAN, TO_TRUNCATE, TO_VACUUM = 0, 1, 2
"""What is to be done until nothing of what was erased is left behind in the file."""
_JOINED = "versions v JOIN timelines t ON t.id = v.timeline JOIN meetings m ON m.id = v.meeting"
_MOST_KNOWN = 200_000


class _Calendar(Struct):
    calendar: str | None = None


_calendar = msgspec.json.Decoder(_Calendar)
_json = msgspec.json.Encoder().encode


class _Timeline(NamedTuple):
    id: int
    longest: int


def entry(account: str, row: Sequence[Any]) -> EntryRow:
    """A version from its `COLUMNS`."""
    values: Any = (account, *row[:10], tuple(row[10].split()), row[11])
    return EntryRow(*values)


def marks(account: str, meetings: Iterable[str]) -> str:
    """What meetings are found by, as a JSON array."""
    return _json([_mark_of(account, meeting) for meeting in meetings]).decode()


# Remembered: a meeting is looked up before it is folded, written after it, and named by the decision that follows.
@lru_cache(maxsize=16_384)
def _mark_of(account: str, meeting: str) -> int:
    return digest(account, meeting)


def decided(account: str, column: str, value: str) -> int:
    """What `decided` finds decisions by: event, subject or meeting."""
    return _mark_of(account, value) if column == "meeting" else digest(account, column, value)


class Writer:
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

    def __init__(self, connection: sqlite3.Connection, writer: Writer, changes: Changes, position: int, last_id: int) -> None:
        self._connection, self._writer, self._changes, self._position = connection, writer, changes, position
        self.last_id = last_id
        self.unclean = CLEAN

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
        statement = f"SELECT {COLUMNS} FROM {_JOINED} WHERE {where} AND v.body IS NOT NULL"  # noqa: S608 - constants only
        rows = self._connection.execute(statement, (id_,)).fetchall()
        if rows:
            self.unclean = TO_VACUUM
            self._connection.execute(f"DELETE FROM versions AS v WHERE {where} AND v.body IS NOT NULL", (id_,))  # noqa: S608 - constants only
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
            f"SELECT v.id, v.timeline, {COLUMNS} FROM timelines t CROSS JOIN versions v ON v.timeline = t.id "  # noqa: S608 - constants only
            f"JOIN meetings m ON m.id = v.meeting WHERE t.account = ? AND v.body IS NOT NULL AND ({named})",
            (self._account(account), *erased),
        ).fetchall()
        for id_, _, *row in rows:
            clean = scrubbed(entry(account, row), erased)
            self._connection.execute("UPDATE versions SET people = ?, body = ? WHERE id = ?", (" ".join(clean.people), clean.body, id_))
        for timeline in sorted({row[1] for row in rows}):
            self._connection.execute("UPDATE timelines SET touched = ? WHERE id = ?", (self._next_id(), timeline))
        self._rewritten(bool(rows))

    def _scrub_meetings(self, account: str, erased: frozenset[str]) -> None:
        named = " OR ".join("instr(m.body, CAST(? AS BLOB))" for _ in erased)
        rows = self._connection.execute(
            f"SELECT m.id, m.meeting, m.into_, m.position, m.series_to, m.view, m.body FROM meetings m WHERE m.account = ? AND ({named})",  # noqa: S608 - constants only
            (self._account(account), *erased),
        ).fetchall()
        for id_, *row in rows:
            clean = meeting_view.scrubbed(MeetingRow(account, *row), erased)
            self._connection.execute("UPDATE meetings SET body = ? WHERE id = ?", (clean.body, id_))
        self._rewritten(bool(rows))

    def _scrub_contacts(self, account: str, erased: frozenset[str]) -> None:
        rows = self._connection.execute(
            f"SELECT id, contact, key, state, into_, body FROM contacts WHERE account = ? AND key IN ({', '.join('?' * len(erased))})",  # noqa: S608 - constants only
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
            self.unclean = TO_VACUUM

    # --- what is new

    def _write_entries(self, removed: Sequence[_Full]) -> None:
        changes = self._changes
        left = departed(changes, removed)
        if not changes.entries and not left:
            return
        named = [(r.account, r.contact, r.meeting) for r in changes.entries]
        named += [full[:3] for full in left] + [closed[:3] for closed in changes.closed]
        timelines = self._writer.timelines(self._connection, [(account, contact) for account, contact, _ in named])
        meetings = self._writer.meetings(self._connection, [(account, meeting) for account, _, meeting in named])
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
            "INSERT OR REPLACE INTO decisions VALUES (?, ?, ?, ?, ?, ?, ?)",
            [(r.position, self._account(r.account), r.event, r.subject, r.meeting, r.recorded_at, r.body) for r in rows],
        )
        marks = [(decided(r.account, "event", r.event), r.position) for r in rows]
        marks += [(decided(r.account, "subject", r.subject), r.position) for r in rows]
        marks += [(decided(r.account, "meeting", r.meeting), r.position) for r in rows if r.meeting is not None]
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
