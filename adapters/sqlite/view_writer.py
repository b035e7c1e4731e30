"""How a batch of changes gets into the file of the read models: its tables, and what is written to them.

What must stay true: all of a batch is written in the one transaction that its caller opened; ids of versions grow and are
never given twice, also when the newest rows were deleted.

Accounts, timelines (a contact's) and meetings have integer ids, given in the order in which they come, so that indexes grow at
their end. What must be found by a name that comes in no order is found by a 63-bit digest of it, and then compared.

What entries of one event say alike is a row of `commons`, whose versions have the ids `first` to `last`, though not all of these need
be its own; a meeting refers to one of its own. One without versions (`first` above `last`) that no meeting refers to is deleted.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import astuple

from domain.errors import Conflict
from domain.sighting import digest
from projections import contacts
from projections.bodies import Common, EntryRow
from projections.contact_timeline import Scrub, still_gone
from projections.views import Changes, ContactRow, DecisionRow

_Full = tuple[str, str, str, int]

FORM = 2
"""Which form of these tables a file has (user_version)."""
SCHEMA = (
    f"PRAGMA user_version = {FORM}",
    "CREATE TABLE IF NOT EXISTS state (one INTEGER PRIMARY KEY CHECK (one = 1), position INTEGER NOT NULL, recorded_at INTEGER NOT NULL, "
    "last_id INTEGER NOT NULL, unclean INTEGER NOT NULL)",
    "INSERT OR IGNORE INTO state VALUES (1, 0, 0, 0, 0)",
    "CREATE TABLE IF NOT EXISTS accounts (id INTEGER PRIMARY KEY, account TEXT NOT NULL UNIQUE)",
    # `longest` is the length of the longest entry there ever was: an entry that overlaps a time starts no earlier before it.
    # `touched` is the id given last when its versions changed.
    "CREATE TABLE IF NOT EXISTS timelines (id INTEGER PRIMARY KEY, account INTEGER NOT NULL, contact TEXT NOT NULL, "
    "longest INTEGER NOT NULL, touched INTEGER NOT NULL, UNIQUE (account, contact))",
    "CREATE TABLE IF NOT EXISTS commons (id INTEGER PRIMARY KEY, meeting INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, "
    "position INTEGER NOT NULL, recorded_from INTEGER NOT NULL, status TEXT NOT NULL, times TEXT NOT NULL, series INTEGER NOT NULL, "
    "name TEXT NOT NULL, people TEXT NOT NULL, title TEXT NOT NULL, about TEXT NOT NULL, frame TEXT NOT NULL)",
    "CREATE INDEX IF NOT EXISTS commons_of_meeting ON commons (meeting, first, last)",
    # `recorded_to` is FOREVER while it is current: as wide as what replaces it, so that no row grows.
    "CREATE TABLE IF NOT EXISTS versions (id INTEGER PRIMARY KEY, common INTEGER NOT NULL, timeline INTEGER NOT NULL, "
    'occurrence INTEGER NOT NULL, start INTEGER NOT NULL, "end" INTEGER NOT NULL, version INTEGER NOT NULL, recorded_to INTEGER NOT NULL)',
    # All of it: a page of a timeline is read from this alone, and the common parts.
    'CREATE INDEX IF NOT EXISTS versions_of_timeline ON versions (timeline, recorded_to, start, "end", occurrence, version, common)',
    # What live readers are told beside versions; ids are of one row with theirs.
    "CREATE TABLE IF NOT EXISTS leavings (id INTEGER PRIMARY KEY, timeline INTEGER NOT NULL, meeting INTEGER NOT NULL, "
    "occurrence INTEGER NOT NULL, position INTEGER NOT NULL)",
    "CREATE INDEX IF NOT EXISTS leavings_of_timeline ON leavings (timeline)",
    # `position` is NULL while only entries name the meeting.
    "CREATE TABLE IF NOT EXISTS meetings (id INTEGER PRIMARY KEY, account INTEGER NOT NULL, mark INTEGER NOT NULL, meeting TEXT NOT NULL, "
    'into_ TEXT, position INTEGER, recorded_at INTEGER, series_to INTEGER, common INTEGER, start INTEGER, "end" INTEGER, contacts TEXT, '
    "rules TEXT, view BLOB)",
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
COMMON = "a.account, c.name, c.position, c.recorded_from, c.status, c.times, c.series, c.people, c.title, c.about, c.frame"
"""Of a common part, as `common` takes them; `a`, `c` are accounts, commons."""
VERSION = 't.contact, v.occurrence, v.start, v."end", v.version, v.recorded_to'
"""Of a version, as `entry` takes them; `t`, `v` are timelines, versions."""
FOREVER = 2**63 - 1
"""Until when (ms) a current version holds."""
CLEAN, TO_TRUNCATE, TO_VACUUM = 0, 1, 2
"""What is to be done until nothing of what was erased is left behind in the file."""
_OF_COMMON = "v.id BETWEEN c.first AND c.last AND v.common = c.id"
_MOST_KNOWN = 200_000


class _Calendar(Struct):
    calendar: str | None = None


_calendar = msgspec.json.Decoder(_Calendar)
_json = msgspec.json.Encoder().encode


def common(row: Sequence[Any]) -> Common:
    """A common part from its `COMMON`."""
    account, name, position, recorded_from, status, times, series, people, *said = row
    return Common(account, name, position, recorded_from, status, times, bool(series), tuple(people.split()), *said)


def entry(of: Common, row: Sequence[Any]) -> EntryRow:
    """A version from its `VERSION`."""
    contact, occurrence, start, end, version, recorded_to = row
    return EntryRow(of, contact, occurrence, start, end, version, None if recorded_to == FOREVER else recorded_to)


def marks(account: str, meetings: Iterable[str]) -> str:
    """What meetings are found by, as a JSON array."""
    return _json([_mark_of(account, meeting) for meeting in meetings]).decode()


def _mark_of(account: str, meeting: str) -> int:
    """63 bits. Meetings' ids begin with a time, and so does this: the index grows at its end. Two accounts have no id in common, or
    are told apart by being compared."""
    try:
        return int(meeting[:8] + meeting[9:13] + meeting[14:18], 16) >> 1
    except ValueError:
        return digest(account, meeting)


def decided(account: str, column: str, value: str) -> int:
    """What `decided` finds decisions by: event, subject or meeting. Those found are compared, so that few bits will do."""
    return zlib.crc32(f"{account}|{column}|{value}".encode("utf-8", "surrogatepass"))


class Writer:
    """Writes one batch after another. Remembers the ids it gave, as long as nobody else writes."""

    def __init__(self) -> None:
        self._position = -1
        self._last_meeting = 0
        self._forget()

    def _forget(self) -> None:
        self._accounts: dict[str, int] = {}
        self._timelines: dict[str, dict[str, int]] = {}
        self._meetings: dict[tuple[str, str], int] = {}
        self._known = 0

    def write(self, connection: sqlite3.Connection, changes: Changes, position: int, recorded_at: int, seen: int | None) -> int:
        """All of it, in the transaction that is open. `seen` is the position it was folded from, None if nobody asked. Returns how
        unclean the file is after it."""
        before, last_id, unclean = connection.execute("SELECT position, last_id, unclean FROM state").fetchone()
        if position <= before or seen not in (None, before):
            raise Conflict(f"position {position}, folded from {seen}, does not follow on {before}")
        if before != self._position or self._known + len(self._meetings) > _MOST_KNOWN:
            self._forget()
        self._last_meeting = connection.execute("SELECT coalesce(max(id), 0) FROM meetings").fetchone()[0]
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

    def timelines(self, account: str) -> dict[str, int]:
        """Those known of an account's timelines, by contact."""
        return self._timelines.setdefault(account, {})

    def timeline(self, connection: sqlite3.Connection, account: str, contact: str) -> int:
        """The id of a contact's timeline, made if there is none."""
        known = self.timelines(account)
        found = known.get(contact)
        if found is None:
            self._known += 1
            of = self.account(connection, account)
            connection.execute("INSERT OR IGNORE INTO timelines (account, contact, longest, touched) VALUES (?, ?, 0, 0)", (of, contact))
            asked = "SELECT id FROM timelines WHERE account = ? AND contact = ?"
            found = known[contact] = int(connection.execute(asked, (of, contact)).fetchone()[0])
        return found

    def meetings(self, connection: sqlite3.Connection, wanted: Iterable[tuple[str, str]]) -> tuple[dict[tuple[str, str], int], set[int]]:
        """The ids of (account, meeting), and which of them are new: their rows are still to be inserted."""
        known, new = self._meetings, set()
        for account, meetings in _by_account(pair for pair in wanted if pair not in known).items():
            asked = {meeting: _mark_of(account, meeting) for meeting in meetings}
            rows = connection.execute(
                "SELECT m.meeting, m.id FROM json_each(?) j CROSS JOIN meetings m ON m.mark = j.value WHERE m.account = ?",
                (_json(list(asked.values())).decode(), self.account(connection, account)),
            )
            known.update(((account, meeting), id_) for meeting, id_ in rows if meeting in asked)
            for meeting in asked:
                if (account, meeting) not in known:
                    self._last_meeting += 1
                    known[account, meeting] = self._last_meeting
                    new.add(self._last_meeting)
        return known, new


def _by_account(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, dict[str, None]] = {}
    for account, other in pairs:
        found.setdefault(account, {})[other] = None
    return {account: list(others) for account, others in found.items()}


class _Kept:
    """A common part of a batch on its way into the file, and the ids of its first and last version."""

    __slots__ = ("common", "first", "id", "last")

    def __init__(self, id_: int, of: Common) -> None:
        self.id, self.common = id_, of
        self.first, self.last = FOREVER, 0

    def row(self, meeting: int) -> tuple[object, ...]:
        """As it is stored."""
        c = self.common
        first = self.first if self.last else 1  # above the last if there is none
        return (
            *(self.id, meeting, first, self.last, c.position, c.recorded_from, c.status, c.times, c.series, c.meeting),
            *(" ".join(c.people), c.title, c.about, c.frame),
        )


def _all_marks(rows: Iterable[DecisionRow]) -> Iterator[tuple[int, int]]:
    for account, position, event, subject, meeting, _, _ in rows:
        yield decided(account, "event", event), position
        yield decided(account, "subject", subject), position
        if meeting is not None:
            yield decided(account, "meeting", meeting), position


class _Batch:
    """One batch on its way into the file."""

    def __init__(self, connection: sqlite3.Connection, writer: Writer, changes: Changes, position: int, last_id: int) -> None:
        self._connection, self._writer, self._changes, self._position = connection, writer, changes, position
        self.last_id = self._began = last_id
        self.unclean = CLEAN
        self._last_common = connection.execute("SELECT coalesce(max(id), 0) FROM commons").fetchone()[0]
        # By identity: what is found here is held by `changes`.
        self._commons: dict[int, _Kept] = {}
        self._touched: dict[int, int] = {}

    def write(self) -> None:
        """Everything but the position."""
        self._number_meetings()
        removed = [*self._purge(), *self._forget_contacts()]
        self._scrub()
        self._look_for_erased()
        self._close()
        self._write_entries()
        self._write_leavings(still_gone(removed, self._changes))
        self._write_meetings()
        self._write_commons()
        self._write_timelines()
        self._write_contacts()
        self._write_decisions()
        self._write_rest()

    def _number_meetings(self) -> None:
        """Ids for all meetings that are named, so that one that is new is inserted once, as it is."""
        changes = self._changes
        wanted = {(row.account, row.meeting): None for row in changes.meetings}
        of: Common | None = None
        for row in changes.entries:
            if row.common is not of:
                of = row.common
                wanted[of.account, of.meeting] = None
        wanted.update((pair, None) for pair in changes.purged)
        self._meetings, self._new = self._writer.meetings(self._connection, wanted)

    def _account(self, account: str) -> int:
        return self._writer.account(self._connection, account)

    def _next_id(self) -> int:
        self.last_id += 1
        return self.last_id

    # --- what goes for good

    def _purge(self) -> list[_Full]:
        found: list[_Full] = []
        for account, meeting in self._changes.purged:
            id_ = self._meetings[account, meeting]
            commons = [row[0] for row in self._connection.execute("SELECT id FROM commons WHERE meeting = ?", (id_,))]
            found += self._delete("c.meeting = ?", id_, f"commons c CROSS JOIN versions v ON {_OF_COMMON}")
            self._unsaid(commons)
            self._rewritten(bool(commons))
        return found

    def _forget_contacts(self) -> list[_Full]:
        found: list[_Full] = []
        for account, contact in self._changes.forgotten:
            id_ = self._writer.timeline(self._connection, account, contact)
            commons = [row[0] for row in self._connection.execute("SELECT DISTINCT common FROM versions WHERE timeline = ?", (id_,))]
            found += self._delete("v.timeline = ?", id_, "versions v JOIN commons c ON c.id = v.common")
            self._unsaid(commons)
        return found

    def _delete(self, where: str, id_: int, tables: str) -> list[_Full]:
        """Delete versions; returns the entries that were current."""
        rows = self._connection.execute(
            f"SELECT v.id, v.timeline, v.recorded_to, a.account, t.contact, c.name, v.occurrence FROM {tables} "  # noqa: S608 - constants only
            f"JOIN timelines t ON t.id = v.timeline JOIN accounts a ON a.id = t.account WHERE {where} ORDER BY v.id",
            (id_,),
        ).fetchall()
        self._connection.executemany("DELETE FROM versions WHERE id = ?", [row[:1] for row in rows])
        self._touched.update((row[1], 0) for row in rows)
        self._rewritten(bool(rows))
        return [tuple(row[3:]) for row in rows if row[2] == FOREVER]

    def _unsaid(self, commons: Sequence[int]) -> None:
        """Nothing is kept of what no version says any more, but for what a meeting still shows."""
        ids = _json(commons).decode()
        self._connection.execute(
            "UPDATE commons AS c SET first = 1, last = 0 WHERE id IN (SELECT value FROM json_each(?)) "  # noqa: S608 - constants only
            f"AND NOT EXISTS (SELECT 1 FROM versions v WHERE {_OF_COMMON})",
            (ids,),
        )
        deleted = self._connection.execute(
            "DELETE FROM commons AS c WHERE id IN (SELECT value FROM json_each(?)) AND first > last "
            "AND NOT EXISTS (SELECT 1 FROM meetings m WHERE m.id = c.meeting AND m.common = c.id)",
            (ids,),
        ).rowcount
        self._rewritten(deleted > 0)

    def _scrub(self) -> None:
        for account, keys in _by_account(self._changes.scrubbed).items():
            self._scrub_commons(account, Scrub(keys))
            self._scrub_contacts(account, frozenset(keys))

    def _scrub_commons(self, account: str, scrub: Scrub) -> None:
        """Looks at everything that was ever said: people are named by no index, as only erasing asks for them."""
        named = " OR ".join("instr(c.people, ?)" for _ in scrub.erased)
        rows = self._connection.execute(
            f"SELECT c.id, {COMMON} FROM commons c CROSS JOIN meetings m ON m.id = c.meeting CROSS JOIN accounts a ON a.id = m.account "  # noqa: S608 - constants only
            f"WHERE ({named}) AND a.account = ?",
            (*scrub.erased, account),
        ).fetchall()
        for id_, *row in rows:
            clean = scrub.common(common(row))
            said = " ".join(clean.people), clean.title, clean.about
            self._connection.execute("UPDATE commons SET people = ?, title = ?, about = ? WHERE id = ?", (*said, id_))
        touched = self._connection.execute(
            "SELECT DISTINCT v.timeline FROM json_each(?) j CROSS JOIN commons c ON c.id = j.value "  # noqa: S608 - constants only
            f"CROSS JOIN versions v ON {_OF_COMMON} ORDER BY 1",
            (_json([row[0] for row in rows]).decode(),),
        ).fetchall()
        for (timeline,) in touched:
            self._touched.setdefault(timeline, 0)
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

    def _close(self) -> None:
        self._connection.executemany("UPDATE versions SET recorded_to = ? WHERE id = ?", [(to, id_) for id_, to in self._changes.closed])

    def _kept(self, of: Common) -> _Kept:
        """Where a common part of this batch is kept."""
        found = self._commons.get(id(of))
        if found is None:
            self._last_common += 1
            found = self._commons[id(of)] = _Kept(self._last_common, of)
        return found

    def _write_entries(self) -> None:
        rows = []
        touched, next_id = self._touched, self.last_id
        of: Common | None = None
        kept, known = None, {}
        for row in self._changes.entries:
            if row.common is not of or kept is None:
                if kept is not None:
                    kept.last = next_id
                of = row.common
                kept, known = self._kept(of), self._writer.timelines(of.account)
                kept.first = min(kept.first, next_id + 1)
            _, contact, occurrence, start, end, version, recorded_to = astuple(row)
            timeline = known.get(contact)
            if timeline is None:
                timeline = self._writer.timeline(self._connection, of.account, contact)
            next_id += 1
            rows.append((next_id, kept.id, timeline, occurrence, start, end, version, FOREVER if recorded_to is None else recorded_to))
            if end - start > touched.get(timeline, -1):
                touched[timeline] = end - start
        if kept is not None:
            kept.last = next_id
        self.last_id = next_id
        self._connection.executemany("INSERT INTO versions VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)

    def _write_leavings(self, left: Sequence[_Full]) -> None:
        meetings, new = self._writer.meetings(self._connection, [(account, meeting) for account, _, meeting, _ in left])
        self._new |= new
        rows = []
        for account, contact, meeting, occurrence in left:
            timeline = self._writer.timeline(self._connection, account, contact)
            self._touched.setdefault(timeline, 0)
            rows.append((self._next_id(), timeline, meetings[account, meeting], occurrence, self._position))
        self._connection.executemany("INSERT INTO leavings VALUES (?, ?, ?, ?, ?)", rows)

    def _write_commons(self) -> None:
        meetings = self._meetings
        self._connection.executemany(
            "INSERT INTO commons VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [kept.row(meetings[kept.common.account, kept.common.meeting]) for kept in self._commons.values()],
        )

    def _write_timelines(self) -> None:
        if self._touched:
            id_ = self.last_id if self.last_id > self._began else self._next_id()
            self._connection.executemany(
                "UPDATE timelines SET touched = ?, longest = max(longest, ?) WHERE id = ?",
                [(id_, length, timeline) for timeline, length in sorted(self._touched.items())],
            )

    def _write_contacts(self) -> None:
        rows = [(self._account(r.account), r.contact, r.key, r.state, r.into, r.body) for r in self._changes.contacts]
        self._connection.executemany(
            "INSERT INTO contacts (account, contact, key, state, into_, body) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (account, contact) "
            "DO UPDATE SET key = excluded.key, state = excluded.state, into_ = excluded.into_, body = excluded.body",
            rows,
        )

    def _write_meetings(self) -> None:
        """New ones are inserted whole: a row that grows moves its neighbours."""
        changes, new = self._changes, self._new
        inserted, updated = [], []
        for r in changes.meetings:
            id_ = self._meetings[r.account, r.meeting]
            shown = (self._kept(r.common).id, r.start, r.end, r.contacts, r.rules) if r.common is not None else (None,) * 5
            values = r.into, r.position, r.recorded_at, r.series_to, *shown, r.view
            if id_ in new:
                new.remove(id_)
                inserted.append((id_, self._account(r.account), _mark_of(r.account, r.meeting), r.meeting, *values))
            else:
                updated.append((*values, id_))
        # What only they showed, goes with what they were.
        self._connection.execute(
            "DELETE FROM commons WHERE first > last AND id IN "
            "(SELECT m.common FROM json_each(?) j CROSS JOIN meetings m ON m.id = j.value)",
            (_json([row[-1] for row in updated]).decode(),),
        )
        self._connection.executemany("INSERT INTO meetings VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", inserted)
        self._connection.executemany(
            'UPDATE meetings SET into_ = ?, position = ?, recorded_at = ?, series_to = ?, common = ?, start = ?, "end" = ?, contacts = ?, '
            "rules = ?, view = ? WHERE id = ?",
            updated,
        )
        named = (
            [(id_, self._account(pair[0]), _mark_of(*pair), pair[1]) for pair, id_ in self._meetings.items() if id_ in new] if new else []
        )
        self._connection.executemany("INSERT INTO meetings (id, account, mark, meeting) VALUES (?, ?, ?, ?)", named)
        self._connection.executemany(
            "UPDATE meetings SET series_to = ? WHERE mark = ? AND account = ? AND meeting = ?",
            [(reach, _mark_of(account, meeting), self._account(account), meeting) for account, meeting, reach in changes.extended],
        )

    def _write_decisions(self) -> None:
        rows = self._changes.decisions
        self._connection.executemany(
            "INSERT OR REPLACE INTO decisions VALUES (?, ?, ?, ?, ?, ?, ?)",
            [(r.position, self._account(r.account), r.event, r.subject, r.meeting, r.recorded_at, r.body) for r in rows],
        )
        # In the order of the index, so that each of its pages is visited once.
        self._connection.executemany("INSERT OR IGNORE INTO decided VALUES (?, ?)", sorted(_all_marks(rows)))

    def _write_rest(self) -> None:
        self._connection.executemany(
            "INSERT OR REPLACE INTO connections VALUES (?, ?, ?, ?)",
            [(self._account(r.account), r.user, _calendar.decode(r.body).calendar, r.body) for r in self._changes.connections],
        )
        self._connection.executemany(
            "INSERT OR REPLACE INTO clocks VALUES (?, ?, ?, ?)",
            [(self._account(r.account), r.ticked, r.before_days, r.after_days) for r in self._changes.clocks],
        )
