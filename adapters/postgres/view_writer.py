"""How a batch of changes gets into the read models: a few round trips in one transaction.

What must stay true: the first statement moves the position, from where the fold began and in the set it looked at, and holds its row
until the end: who lost his turn, or folded into a set that was replaced meanwhile, writes nothing. Ids of versions grow and are never
given twice, also when the newest rows were deleted.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import astuple

from adapters.postgres import view_packing as packing
from adapters.postgres.columns import digest, to_bytes, to_text
from adapters.postgres.connect import Connection
from adapters.postgres.view_reading import COMMON, CONTACT, common, contact_row, mark
from adapters.postgres.view_tables import FOREVER, FORM, State, Tables, account_digest
from domain.errors import Conflict, Stop
from projections import contacts
from projections.bodies import Common
from projections.contact_timeline import Scrub, still_gone
from projections.views import Changes, ContactRow, DecisionRow

_Full = tuple[str, str, str, int]
_Step = tuple[str, Sequence[Any]]

# Whatever the statistics of a new or empty table say: rows are found by their index, one after the other. Plans that are made once
# and kept are then right for a large table, too.
_PLANS = "SELECT " + ", ".join(f"set_config('enable_{way}', 'off', true)" for way in ("seqscan", "hashjoin", "mergejoin"))
_MOVE = (
    "UPDATE views.state SET position = %s, recorded_at = greatest(recorded_at, %s), unclean = unclean OR %s "
    "WHERE made = %s AND position = %s AND form = %s"
)
_GIVEN = "UPDATE views.state SET last_id = %s, last_common = %s"
_ACCOUNTS = (
    "INSERT INTO views.accounts AS t SELECT unnest(%b::bigint[]), unnest(%b::bytea[]) ON CONFLICT (id) DO UPDATE SET id = excluded.id "
    "WHERE t.account = excluded.account"
)
_CLOSE = (
    "UPDATE views.versions AS v SET recorded_to = u.at FROM (SELECT unnest(%b::bigint[]) AS id, unnest(%b::bigint[]) AS at) AS u "
    "WHERE v.id = u.id"
)

# --- what goes for good
_PAIRS = "(SELECT unnest(%b::bigint[]) AS account, unnest(%b::text[])::uuid AS meeting) AS u"
_SAID_OF = f"SELECT c.id FROM {_PAIRS} JOIN views.commons AS c ON c.account = u.account AND c.meeting = u.meeting"  # noqa: S608 - constants only
_GONE = "RETURNING v.id, v.timeline, v.recorded_to, a.account, t.contact, c.meeting::text, v.occurrence, c.id"
# A limited subquery is run once for each common part, by the index, whatever the server thinks of such a range.
_VERSIONS_OF = "LATERAL (SELECT id, timeline FROM views.versions WHERE id BETWEEN c.first AND c.last AND common = c.id OFFSET 0)"
_PURGE = (
    f"DELETE FROM views.versions AS v USING views.commons AS c, {_VERSIONS_OF} AS of, views.accounts AS a, views.timelines AS t "  # noqa: S608 - constants only
    f"WHERE c.id = ANY(%b::bigint[]) AND v.id = of.id AND a.id = c.account AND t.id = v.timeline {_GONE}"
)
_FORGET = (
    "DELETE FROM views.versions AS v USING views.commons AS c, views.accounts AS a, views.timelines AS t "  # noqa: S608 - constants only
    f"WHERE v.timeline = ANY(%b::bigint[]) AND c.id = v.common AND a.id = c.account AND t.id = v.timeline {_GONE}"
)
_EMPTY = (
    "UPDATE views.commons AS c SET first = 1, last = 0 WHERE id = ANY(%b::bigint[]) "  # noqa: S608 - constants only
    f"AND NOT EXISTS (SELECT 1 FROM {_VERSIONS_OF} AS of)"
)
_UNSAY = (
    "DELETE FROM views.commons AS c WHERE id = ANY(%b::bigint[]) AND first > last "
    "AND NOT EXISTS (SELECT 1 FROM views.meetings AS m WHERE m.account = c.account AND m.meeting = c.meeting AND m.common = c.id)"
)
_NAMING = (
    f"SELECT {COMMON} FROM views.commons AS c JOIN views.accounts AS a ON a.id = c.account "  # noqa: S608 - constants only
    "WHERE c.account = %s AND string_to_array(c.people, ' ') && %b::text[]"
)
_SCRUB = "UPDATE views.commons SET people = %s, title = %s, about = %s WHERE id = %s"
_SAYING = f"SELECT DISTINCT of.timeline FROM views.commons AS c, {_VERSIONS_OF} AS of WHERE c.id = ANY(%b::bigint[])"  # noqa: S608 - constants only
_TOUCH = "UPDATE views.timelines SET touched = %s WHERE id = ANY(%b::bigint[])"

# --- what is new
_TIMELINES = (
    "INSERT INTO views.timelines AS t (id, account, contact, longest, touched) "
    "SELECT unnest(%b::bigint[]), unnest(%b::bigint[]), unnest(%b::bytea[]), unnest(%b::bigint[]), %s::bigint "
    "ON CONFLICT (id) DO UPDATE SET touched = excluded.touched, longest = greatest(t.longest, excluded.longest)"
)
_NO_LONGER_SHOWN = (
    f"DELETE FROM views.commons AS c USING {_PAIRS} JOIN views.meetings AS m ON m.account = u.account AND m.meeting = u.meeting "  # noqa: S608 - constants only
    "WHERE c.id = m.common AND c.first > c.last"
)
_MEETINGS = (
    'INSERT INTO views.meetings (account, meeting, into_, position, recorded_at, series_to, common, start, "end", contacts, rules, view) '
    "SELECT unnest(%b::bigint[]), unnest(%b::text[])::uuid, unnest(%b::text[]), unnest(%b::bigint[]), unnest(%b::bigint[]), "
    "unnest(%b::bigint[]), unnest(%b::bigint[]), unnest(%b::bigint[]), unnest(%b::bigint[]), unnest(%b::text[]), unnest(%b::text[]), "
    "unnest(%b::bytea[]) ON CONFLICT (account, meeting) DO UPDATE SET into_ = excluded.into_, position = excluded.position, "
    "recorded_at = excluded.recorded_at, series_to = excluded.series_to, common = excluded.common, start = excluded.start, "
    '"end" = excluded."end", contacts = excluded.contacts, rules = excluded.rules, view = excluded.view'
)
_EXTEND = (
    "UPDATE views.meetings AS m SET series_to = u.reach FROM (SELECT unnest(%b::bigint[]) AS account, unnest(%b::text[])::uuid AS meeting, "
    "unnest(%b::bigint[]) AS reach) AS u WHERE m.account = u.account AND m.meeting = u.meeting"
)
_CONTACTS = (
    "INSERT INTO views.contacts (id, account, contact, key, state, into_, into_digest, body) "
    "SELECT unnest(%b::bigint[]), unnest(%b::bigint[]), unnest(%b::bytea[]), unnest(%b::text[]), unnest(%b::text[]), unnest(%b::bytea[]), "
    "unnest(%b::bigint[]), unnest(%b::bytea[]) ON CONFLICT (id) DO UPDATE SET contact = excluded.contact, key = excluded.key, "
    "state = excluded.state, into_ = excluded.into_, into_digest = excluded.into_digest, body = excluded.body"
)
_DECISIONS = (
    "UPDATE views.decisions AS d SET body = u.body FROM (SELECT unnest(%b::bigint[]) AS account, unnest(%b::bigint[]) AS position, "
    "unnest(%b::bytea[]) AS body) AS u WHERE d.account = u.account AND d.position = u.position"
)
_CONNECTIONS = (
    "INSERT INTO views.connections (id, account, user_, calendar, calendar_digest, body) "
    "SELECT unnest(%b::bigint[]), unnest(%b::bigint[]), unnest(%b::bytea[]), unnest(%b::bytea[]), unnest(%b::bigint[]), "
    "unnest(%b::bytea[]) ON CONFLICT (id) DO UPDATE SET calendar = excluded.calendar, calendar_digest = excluded.calendar_digest, "
    "body = excluded.body"
)
_CLOCKS = (
    "INSERT INTO views.clocks SELECT unnest(%b::bigint[]), unnest(%b::bigint[]), unnest(%b::bigint[]), unnest(%b::bigint[]) "
    "ON CONFLICT (account) DO UPDATE SET ticked = excluded.ticked, before_days = excluded.before_days, after_days = excluded.after_days"
)


class _Calendar(Struct):
    calendar: str | None = None


_calendar = msgspec.json.Decoder(_Calendar)


def calendar_digest(account: str, calendar: str) -> int:
    """What connections are found by."""
    return digest(account, f"calendar {calendar}")


class Writer:
    """Writes one batch after another."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._lock = threading.Lock()
        self._accounts: set[str] = set()
        self._made = 0

    def write(self, changes: Changes, seen: State, position: int, recorded_at: int) -> State:
        """All of it, if the set is where it was seen. Returns where it is after it. Raises `Conflict`."""
        with self._lock:
            if seen.made != self._made:
                self._accounts, self._made = set(), seen.made
            batch = _Batch(self._tables, changes, seen, self._accounts)
            with self._tables.database.transaction() as connection:
                self._move(connection, seen, position, recorded_at, batch.erases)
                batch.write(connection, position)
            self._accounts.update(batch.accounts)
            return State(seen.made, position, batch.last_id, batch.last_common, seen.unclean or batch.erases)

    def _move(self, connection: Connection, seen: State, position: int, recorded_at: int, erases: bool) -> None:
        moving = position, recorded_at, erases, seen.made, seen.position, FORM
        with connection.pipeline():
            connection.execute(_PLANS, prepare=True)
            moved = connection.execute(self._tables.named(_MOVE), moving, prepare=True)
        if moved.rowcount != 1:
            raise Conflict(f"the read models are not where they were seen, at position {seen.position}")


class _Kept:
    """A common part of a batch on its way into its table, and the ids of its first and last version."""

    __slots__ = ("common", "first", "id", "last")

    def __init__(self, id_: int, of: Common) -> None:
        self.id, self.common = id_, of
        self.first, self.last = FOREVER, 0

    def packed(self) -> bytes:
        """As it is stored."""
        first = self.first if self.last else 1  # above the last if there is none
        return packing.common(self.id, account_digest(self.common.account), first, self.last, self.common)


class _Batch:
    """One batch. What can be made ready is so before the transaction begins."""

    def __init__(self, tables: Tables, changes: Changes, seen: State, known: set[str]) -> None:
        self._tables, self._changes, self._seen = tables, changes, seen
        self.last_id, self.last_common = seen.last_id, seen.last_common
        self.erases = bool(changes.purged or changes.scrubbed or changes.forgotten)
        self.erases = self.erases or any(row.state == "erased" for row in changes.contacts)
        self.accounts = {account for account in _accounts(changes) if account not in known}
        # By identity: what is found here is held by `changes`.
        self._commons: dict[int, _Kept] = {}
        # Account, contact and longest entry of timelines that may be new; and others whose entries changed.
        self._timelines: dict[int, tuple[str, str, int]] = {}
        self._touched: set[int] = set()
        self._versions = self._packed_versions()
        self._meetings = self._meeting_columns()

    def write(self, connection: Connection, position: int) -> None:
        """Everything but the position, into the transaction that is open."""
        self._name_accounts(connection)
        removed = self._erase(connection) if self.erases else []
        with connection.pipeline():
            self._run(connection, self._first_steps())
        self._copy(connection, "versions", self._versions)
        self._copy(connection, "commons", [kept.packed() for kept in self._commons.values()])
        self._copy(connection, "leavings", self._packed_leavings(still_gone(removed, self._changes), position))
        self._copy(connection, "decisions", self._packed_decisions())
        with connection.pipeline():
            self._run(connection, self._last_steps())

    def _run(self, connection: Connection, steps: Iterable[_Step]) -> None:
        for statement, parameters in steps:
            connection.execute(self._tables.named(statement), parameters, prepare=True)

    def _copy(self, connection: Connection, table: str, rows: Sequence[bytes]) -> None:
        if rows:
            into = f"COPY {self._tables.schema}.{table} ({packing.COLUMNS[table]}) FROM STDIN (FORMAT binary)"
            with connection.cursor() as cursor, cursor.copy(into.encode()) as copy:
                copy.write(packing.stream(rows))

    def _first_steps(self) -> Iterator[_Step]:
        changes = self._changes
        if closed := sorted(changes.closed):
            yield _CLOSE, ([id_ for id_, _ in closed], [at for _, at in closed])
        if changes.meetings:
            yield _NO_LONGER_SHOWN, self._meetings[:2]
            yield _MEETINGS, self._meetings

    def _last_steps(self) -> Iterator[_Step]:
        changes = self._changes
        if changes.extended:
            accounts, meetings, reaches = zip(*changes.extended, strict=True)
            yield _EXTEND, ([account_digest(account) for account in accounts], list(meetings), list(reaches))
        yield from self._timeline_steps()
        if changes.contacts:
            yield _CONTACTS, _contact_columns(changes.contacts)
        if former := [row for row in changes.decisions if row.position <= self._seen.position]:
            yield _DECISIONS, ([account_digest(row.account) for row in former], [r.position for r in former], [r.body for r in former])
        yield from self._rest()
        yield _GIVEN, (self.last_id, self.last_common)

    # --- what goes for good

    def _erase(self, connection: Connection) -> list[_Full]:
        """Take out what is purged, forgotten and scrubbed. Returns the entries that were current."""
        connection.execute("SET LOCAL statement_timeout = 0")
        changes = self._changes

        def ask(statement: str, *parameters: Any) -> list[Any]:
            return connection.execute(self._tables.named(statement), parameters, binary=True).fetchall()

        said = [id_ for (id_,) in ask(_SAID_OF, *_pairs(changes.purged))]
        gone = ask(_PURGE, said)
        gone += ask(_FORGET, [digest(account, contact) for account, contact in changes.forgotten])
        self._touched.update(row[1] for row in gone)
        emptied = sorted({*said, *(row[-1] for row in gone)})
        for statement in (_EMPTY, _UNSAY):
            connection.execute(self._tables.named(statement), (emptied,))
        for account in dict.fromkeys(account for account, _ in changes.scrubbed):
            self._scrub(connection, account, Scrub(key for of, key in changes.scrubbed if of == account))
        current = [row for row in sorted(gone) if row[2] == FOREVER]
        return [(to_text(account), to_text(contact), meeting, at) for _, _, _, account, contact, meeting, at, _ in current]

    def _scrub(self, connection: Connection, account: str, scrub: Scrub) -> None:
        """Looks at all that was ever said in the account: people are named by no index, as only erasing asks for them."""
        named, keys, of = self._tables.named, sorted(scrub.erased), account_digest(account)
        found = connection.execute(named(_NAMING), (of, sorted(scrub.named)), binary=True).fetchall()
        with connection.cursor() as cursor:
            clean = [(row[0], scrub.common(common(row[1:]))) for row in found]
            cursor.executemany(named(_SCRUB), [(" ".join(said.people), said.title, said.about, id_) for id_, said in clean])
        self._touched.update(row[0] for row in connection.execute(named(_SAYING), ([row[0] for row in found],)))
        persons = connection.execute(named(f"{CONTACT} WHERE account = %s AND key = ANY(%b::text[])"), (of, keys), binary=True).fetchall()
        for person in (contacts.scrubbed(contact_row(account, row)) for row in persons):
            connection.execute(named("UPDATE views.contacts SET body = %s WHERE id = %s"), (person.body, digest(account, person.contact)))

    # --- what is new

    def _kept(self, of: Common) -> _Kept:
        """Where a common part of this batch is kept."""
        found = self._commons.get(id(of))
        if found is None:
            self.last_common += 1
            found = self._commons[id(of)] = _Kept(self.last_common, of)
        return found

    def _packed_versions(self) -> list[bytes]:
        rows = []
        timelines, next_id, pack = self._timelines, self.last_id, packing.version
        of: Common | None = None
        kept = None
        for row in self._changes.entries:
            if row.common is not of or kept is None:
                if kept is not None:
                    kept.last = next_id
                of = row.common
                account, kept = of.account, self._kept(of)
                kept.first, kept_id = min(kept.first, next_id + 1), kept.id
            _, contact, occurrence, start, end, version, to = astuple(row)
            timeline = digest(account, contact)
            next_id += 1
            to = FOREVER if to is None else to
            rows.append(pack(8, 8, next_id, 8, kept_id, 8, timeline, 8, occurrence, 8, start, 8, end, 8, to, 4, version))
            if timeline not in timelines or end - start > timelines[timeline][2]:
                timelines[timeline] = account, contact, end - start
        if kept is not None:
            kept.last = next_id
        self.last_id = next_id
        return rows

    def _packed_leavings(self, left: Sequence[_Full], position: int) -> list[bytes]:
        rows = []
        for account, contact, meeting, occurrence in left:
            timeline = digest(account, contact)
            self._timelines.setdefault(timeline, (account, contact, 0))
            self.last_id += 1
            rows.append(packing.leaving(self.last_id, account_digest(account), timeline, occurrence, position, meeting))
        return rows

    def _packed_decisions(self) -> list[bytes]:
        new = (row for row in self._changes.decisions if row.position > self._seen.position)
        return [packing.decision(account_digest(row.account), *_marks(row), row) for row in new]

    def _meeting_columns(self) -> list[list[Any]]:
        """In the order of their index."""
        rows = []
        for r in sorted(self._changes.meetings, key=lambda row: (row.account, row.meeting)):
            shown = (self._kept(r.common).id, r.start, r.end, r.contacts, r.rules) if r.common is not None else (None,) * 5
            rows.append((account_digest(r.account), r.meeting, r.into, r.position, r.recorded_at, r.series_to, *shown, r.view))
        return _columns(rows)

    def _name_accounts(self, connection: Connection) -> None:
        if self.accounts:
            named = _columns(sorted((account_digest(account), to_bytes(account)) for account in self.accounts))
            if connection.execute(self._tables.named(_ACCOUNTS), named).rowcount < len(self.accounts):
                raise Stop("two accounts have one digest")

    def _timeline_steps(self) -> Iterator[_Step]:
        """What was touched has the id given last; if none was given, one is."""
        timelines = sorted(self._timelines.items())
        touched = sorted(self._touched - self._timelines.keys())
        if not timelines and not touched:
            return
        if self.last_id == self._seen.last_id:
            self.last_id += 1
        if touched:
            yield _TOUCH, (self.last_id, touched)
        if timelines:
            columns = [
                [id_ for id_, _ in timelines],
                [account_digest(account) for _, (account, _, _) in timelines],
                [to_bytes(contact) for _, (_, contact, _) in timelines],
                [length for _, (_, _, length) in timelines],
            ]
            yield _TIMELINES, (*columns, self.last_id)

    def _rest(self) -> Iterator[_Step]:
        changes = self._changes
        if changes.connections:
            yield _CONNECTIONS, _columns([_connection(row.account, row.user, row.body) for row in changes.connections])
        if changes.clocks:
            yield _CLOCKS, _columns([(account_digest(r.account), r.ticked, r.before_days, r.after_days) for r in changes.clocks])


# --- columns -------------------------------------------------------------------------------------------------------------------


def _columns(rows: Iterable[Sequence[Any]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


def _accounts(changes: Changes) -> set[str]:
    of_commons = {id(row.common): row.common.account for row in changes.entries}
    rows = (changes.contacts, changes.meetings, changes.decisions, changes.connections, changes.clocks)
    return {*of_commons.values(), *(row.account for part in rows for row in part), *(left[0] for left in changes.left)}


def _pairs(meetings: Sequence[tuple[str, str]]) -> tuple[list[int], list[str]]:
    return [account_digest(account) for account, _ in meetings], [meeting for _, meeting in meetings]


def _marks(row: DecisionRow) -> tuple[int, int, int | None]:
    account = row.account
    about = None if row.meeting is None else mark(account, "meeting", row.meeting)
    return mark(account, "event", row.event), mark(account, "subject", row.subject), about


def _contact_columns(rows: Sequence[ContactRow]) -> list[list[Any]]:
    return _columns([_contact(row) for row in rows])


def _contact(row: ContactRow) -> tuple[Any, ...]:
    account, contact, key, state, into, body = row
    leads = (None, None) if into is None else (to_bytes(into), digest(account, into))
    return digest(account, contact), account_digest(account), to_bytes(contact), key, state, *leads, body


def _connection(account: str, user: str, body: bytes) -> tuple[Any, ...]:
    calendar = _calendar.decode(body).calendar
    found_by = (None, None) if calendar is None else (to_bytes(calendar), calendar_digest(account, calendar))
    return digest(account, f"user {user}"), account_digest(account), to_bytes(user), *found_by, body
