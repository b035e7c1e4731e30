"""The read models in PostgreSQL. See `projections.views.Views` for what each verb promises.

What must stay true: rows and position are written in one transaction, by whoever saw the position that it moves from; a rebuilt set
takes the place of the live one in one step.

What was purged, forgotten or scrubbed is in no row, and its former rows are taken out of the tables by a VACUUM that follows, unless a
transaction was open that began before: then they go with the next one. A server is no file of ours, though: bytes stay in the unused
space of pages until it is used again, in the write-ahead log until that is recycled, and in its archives, its replicas and its backups
as long as those are kept.

Of a second set that a rebuild left when it was killed, and of the former one, nothing stays when somebody folds next, nor after an
erasure: it would not reach them. Whoever builds one holds a lock that the server takes back from the dead.

A process that only reads may be given a standby: every answer comes from one server, since a page, the position that it is of and the
version of its timeline belong together.
"""

from __future__ import annotations

import threading
import time
import weakref
from collections.abc import Callable, Collection, Iterable
from contextlib import suppress

import psycopg

from adapters.postgres.columns import digest, to_bytes, to_text
from adapters.postgres.connect import Connection, Database, in_our_words
from adapters.postgres.view_reading import CONTACT, WHOLE, ViewReading, contact_row, meetings_among, whole
from adapters.postgres.view_tables import FOREVER, FORM, FORMER, LIVE, NEXT, State, Tables, account_digest, without_limits
from adapters.postgres.view_writer import Writer, calendar_digest
from domain.errors import Conflict, RendezvousError, TryAgain
from projections.bodies import EntryRow, Standing
from projections.views import Changes, ClockRow, ConnectionRow, ContactRow, StoredMeeting

_VACUUM = "VACUUM (INDEX_CLEANUP off, TRUNCATE off) views.commons, views.contacts, views.meetings, views.decisions"
_ANALYZE = "ANALYZE views.accounts, views.timelines, views.commons, views.versions, views.meetings, views.contacts, views.decisions"
_SHORT = 0.2
"""A VACUUM that takes no longer (seconds) is done at once, however often."""
_REST = 10
"""After a longer one, so many times as long passes until the next."""

# A sorted or limited subquery is run once for each key, by the index, whatever the statistics say: with those of a new or empty
# table a plain join may read the whole of it.
_CURRENT = (
    "SELECT v.id, t.contact, c.meeting::text, v.occurrence, v.start, v.version FROM unnest(%b::text[]) AS u (meeting), "
    "LATERAL (SELECT * FROM views.commons WHERE account = %b AND meeting = u.meeting::uuid OFFSET 0) AS c, "
    "LATERAL (SELECT * FROM views.versions WHERE id BETWEEN c.first AND c.last AND common = c.id AND recorded_to = %b OFFSET 0) AS v, "
    "LATERAL (SELECT contact FROM views.timelines WHERE id = v.timeline OFFSET 0) AS t"
)
_OF_CONTACT = (
    "SELECT v.id, c.meeting::text, v.occurrence, v.start, v.version FROM views.versions AS v JOIN views.commons AS c ON c.id = v.common "
    "WHERE v.timeline = %s AND v.recorded_to = %s AND c.account = %s"
)
_STORED = (
    "SELECT u.n, u.meeting, m.series_to, m.view FROM unnest(%b::bigint[], %b::text[]) WITH ORDINALITY AS u (account, meeting, n), "
    "LATERAL (SELECT * FROM views.meetings WHERE account = u.account AND meeting = u.meeting::uuid OFFSET 0) AS m"
)
_TO_EXTEND = "SELECT meeting::text, series_to, view FROM views.meetings WHERE account = %s AND series_to < %s"
# People are named by no index, as only erasing asks for them.
_NAMING = (
    "SELECT c.meeting::text FROM views.commons AS c WHERE c.account = %(account)s AND %(key)s = ANY(string_to_array(c.people, ' ')) "
    "AND EXISTS (SELECT 1 FROM views.versions WHERE id BETWEEN c.first AND c.last AND common = c.id AND recorded_to = %(now)s OFFSET 0) "
    "UNION SELECT m.meeting::text FROM views.meetings AS m WHERE m.account = %(account)s AND position(%(raw)b IN m.view) > 0"
)
_CONTACTS = (
    "SELECT u.n, c.contact, c.key, c.state, c.into_, c.body FROM unnest(%b::bigint[], %b::bigint[]) WITH ORDINALITY AS u (id, account, n), "
    "LATERAL (SELECT * FROM views.contacts WHERE id = u.id AND account = u.account OFFSET 0) AS c"
)
_OF_CALENDARS = (
    "SELECT u.n, c.user_, c.body FROM unnest(%b::bigint[], %b::bytea[], %b::bigint[]) WITH ORDINALITY AS u (digest, calendar, account, n), "
    "LATERAL (SELECT * FROM views.connections WHERE calendar_digest = u.digest AND calendar = u.calendar AND account = u.account OFFSET 0)"
    " AS c ORDER BY c.user_"
)
_CLOCKS_OF = (
    "SELECT u.n, c.ticked, c.before_days, c.after_days FROM unnest(%b::bigint[]) WITH ORDINALITY AS u (account, n), "
    "LATERAL (SELECT * FROM views.clocks WHERE account = u.account OFFSET 0) AS c"
)


class PostgresViews(ViewReading):
    """`projections.views.Views` in a schema of their own beside the store's. Of any number that fold, one at a time gets on. Opens
    nothing before it is first asked; raises `OutOfDate` then."""

    def __init__(self, database: Database, suffix: str = LIVE) -> None:
        super().__init__(Tables(database, suffix))
        self._database = database
        self._writer = Writer(self._tables)
        # A fold is one thread's: others that ask for the position do not say what it began from.
        self._mine = threading.local()
        self._vacuum_after = 0.0
        self._unlock: Callable[[], object] = lambda: None
        self._is_live, self._has_swept = suffix == LIVE, False

    def close(self) -> None:
        """Clean what is unclean yet, if this thread has folded. The database is closed by whoever opened it."""
        self._vacuum_after = 0.0
        if (seen := self._seen()) is not None and seen.unclean:
            self._clean(seen)

    # --- a second set

    def beside(self) -> PostgresViews:
        """An empty second set, in the place of any that was begun and left."""
        found = PostgresViews(self._database, NEXT)
        found._lock(self._building)
        self._throw_away()
        found._tables.drop()
        return found

    def discard(self, other: PostgresViews) -> None:
        """As promised."""
        other._tables.drop()
        other._unlock()

    def become(self, other: PostgresViews) -> None:
        """Be what `other`, made by `beside`, is: whoever asks after it, in whatever process, is answered from the new set, and who is
        in the middle of writing to the former one writes nothing. Raises `Conflict` if the other was taken away."""
        built = other._tables.state()
        other._tables.maintain(_ANALYZE)
        former = Tables(self._database, FORMER)
        former.drop()
        with self._database.transaction() as connection:
            self._replace(connection, other._tables, former, built)
        self._forget()
        other._forget()
        self._throw_away()
        other._unlock()

    @property
    def _building(self) -> int:
        """The lock of whoever builds a second set. Several may: the last of them has it."""
        return self._database.lock_key("views:building")

    def _lock(self, key: int) -> None:
        """Hold it until `_unlock`, or until nobody has this set or its process any more. Waits for one who sweeps, for a moment."""
        connection = self._database.alone()
        self._unlock = weakref.finalize(self, connection.close)
        try:
            connection.execute("SELECT pg_advisory_lock_shared(%s)", (key,))
        except psycopg.Error as error:
            self._unlock()
            raise in_our_words(error) from error

    def left(self) -> bool:
        """As promised; also of a former set."""
        with self._database.transaction() as connection:
            return bool(self._unattended(connection))

    def _sweep(self) -> None:
        """Leave no set beside the live one that nobody is building any more: people stand in it in clear."""
        self._has_swept = True
        # What cannot be dropped, because somebody reads it, say, goes with the next erasure, or with the next rebuild; folding goes on.
        with suppress(RendezvousError), self._database.transaction() as connection:
            for schema in self._unattended(connection):
                connection.execute(f"DROP SCHEMA {schema} CASCADE".encode())

    def _unattended(self, connection: Connection) -> list[str]:
        """The schemas of sets beside the live one, if nobody is building one; nobody begins to for the rest of the transaction."""
        beside = [f"{self._database.schema}{suffix}" for suffix in (NEXT, FORMER)]
        left = connection.execute("SELECT nspname FROM pg_namespace WHERE nspname = ANY(%s)", (beside,)).fetchall()
        if not left or connection.execute("SELECT pg_try_advisory_xact_lock(%s)", (self._building,)).fetchone() != (True,):
            return []
        return [schema for (schema,) in left]

    def _throw_away(self) -> None:
        """What was live before the last switch."""
        try:
            Tables(self._database, FORMER).drop()
        except TryAgain:
            pass  # somebody reads it still; it goes before the next switch

    def _replace(self, connection: Connection, by: Tables, former: Tables, built: State) -> None:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (self._database.lock_key("views"),))
        if connection.execute(by.named("SELECT 1 FROM views.state WHERE made = %s FOR UPDATE"), (built.made,)).fetchone() is None:
            raise Conflict("the read models that were built are not there any more")
        live = connection.execute("SELECT to_regclass(%s)", (f"{self._tables.schema}.state",)).fetchone()
        if live is not None and live[0] is not None:
            self._retire(connection, by)
            connection.execute(f"ALTER SCHEMA {self._tables.schema} RENAME TO {former.schema}".encode())
        connection.execute(f"DROP SCHEMA IF EXISTS {self._tables.schema}".encode())
        connection.execute(f"ALTER SCHEMA {by.schema} RENAME TO {self._tables.schema}".encode())

    def _retire(self, connection: Connection, by: Tables) -> None:
        """Whoever is writing to the live set is waited for, and whoever waits finds it changed; live readers are told of no id twice."""
        ended = connection.execute(self._tables.named("UPDATE views.state SET form = -form RETURNING -form, last_id")).fetchone()
        if ended is not None and ended[0] == FORM:
            connection.execute(by.named("UPDATE views.state SET last_id = greatest(last_id, %s)"), ended[1:])

    def _forget(self) -> None:
        self._tables.renamed()
        self._mine = threading.local()

    # --- folding

    def position(self) -> int:
        """As promised. What this thread folds next begins from here."""
        seen = self._mine.seen = self._tables.state()
        return seen.position

    def apply(self, changes: Changes, position: int, recorded_at: int) -> None:
        """As promised; `Conflict` also if the position was moved, or the set replaced, since this thread asked for it."""
        seen = self._seen() or self._tables.state()
        if position <= seen.position:
            raise Conflict(f"position {position} is not ahead of {seen.position}")
        self._mine.seen = now = self._writer.write(changes, seen, position, recorded_at)
        if self._is_live and (changes.purged or changes.scrubbed or changes.forgotten or not self._has_swept):
            self._sweep()
        if now.unclean:
            self._clean(now)

    def current(self, account: str, meetings: Iterable[str]) -> list[Standing]:
        """As promised."""
        wanted = meetings_among(set(meetings))
        rows = self._rows(_CURRENT, wanted, account_digest(account), FOREVER) if wanted else []
        return [Standing(id_, to_text(contact), *rest) for id_, contact, *rest in rows]

    def entries_of_contact(self, account: str, contact: str) -> list[Standing]:
        """As promised."""
        rows = self._rows(_OF_CONTACT, digest(account, contact), FOREVER, account_digest(account))
        return [Standing(id_, contact, *rest) for id_, *rest in rows]

    def versions(self, account: str, ids: Iterable[int]) -> dict[int, EntryRow]:
        """As promised."""
        rows = self._rows(f"{WHOLE} WHERE v.id = ANY(%b::bigint[]) AND c.account = %s ORDER BY v.id", list(ids), account_digest(account))
        return dict(whole(rows))

    def stored_meetings(self, meetings: Collection[tuple[str, str]]) -> dict[tuple[str, str], StoredMeeting]:
        """As promised."""
        names = set(meetings_among({meeting for _, meeting in meetings}))
        wanted = [at for at in dict.fromkeys(meetings) if at[1] in names]
        rows = self._rows(_STORED, [account_digest(account) for account, _ in wanted], [meeting for _, meeting in wanted]) if wanted else []
        return {wanted[n - 1]: StoredMeeting._make(row) for n, *row in rows}

    def series_to_extend(self, account: str, before: int) -> list[StoredMeeting]:
        """As promised."""
        return list(map(StoredMeeting._make, self._rows(_TO_EXTEND, account_digest(account), before)))

    def meetings_with(self, account: str, key: str) -> list[str]:
        """As promised. Looks at all that is said in the account."""
        self._tables.ready()
        asked = {"account": account_digest(account), "key": key, "raw": to_bytes(key), "now": FOREVER}
        with self._database.transaction() as connection:
            without_limits(connection)
            rows = connection.execute(self._tables.named(_NAMING), asked).fetchall()
        return sorted(meeting for (meeting,) in rows)

    def stored_contacts(self, contacts: Collection[tuple[str, str]]) -> dict[tuple[str, str], ContactRow]:
        """As promised."""
        wanted = list(dict.fromkeys(contacts))
        ids, accounts = [digest(*at) for at in wanted], [account_digest(account) for account, _ in wanted]
        rows = self._rows(_CONTACTS, ids, accounts) if wanted else []
        found = [(wanted[n - 1], contact_row(wanted[n - 1][0], row)) for n, *row in rows]
        return {at: row for at, row in found if row.contact == at[1]}

    def contacts_merged_into(self, account: str, contact: str) -> list[ContactRow]:
        """As promised."""
        rows = self._rows(f"{CONTACT} WHERE into_digest = %s AND account = %s", digest(account, contact), account_digest(account))
        return sorted(found for row in rows if (found := contact_row(account, row)).into == contact)

    def connections_of_calendars(self, calendars: Collection[tuple[str, str]]) -> list[ConnectionRow]:
        """As promised."""
        wanted = list(dict.fromkeys(calendars))
        digests, named = [calendar_digest(*at) for at in wanted], [to_bytes(calendar) for _, calendar in wanted]
        rows = self._rows(_OF_CALENDARS, digests, named, [account_digest(account) for account, _ in wanted]) if wanted else []
        return [ConnectionRow(wanted[n - 1][0], to_text(user), body) for n, user, body in rows]

    def clocks_of(self, accounts: Collection[str]) -> dict[str, ClockRow]:
        """As promised."""
        wanted = list(dict.fromkeys(accounts))
        rows = self._rows(_CLOCKS_OF, list(map(account_digest, wanted))) if wanted else []
        return {wanted[n - 1]: ClockRow(wanted[n - 1], *clock) for n, *clock in rows}

    def _seen(self) -> State | None:
        found: State | None = getattr(self._mine, "seen", None)
        return found

    # --- erasing

    def _clean(self, state: State) -> None:
        """Take former rows out of the tables, which is otherwise left to whenever the server has time."""
        if not state.unclean or time.monotonic() < self._vacuum_after:
            return
        try:
            self._vacuum()
            if self._tables.cleaned(state):
                self._mine.seen = state._replace(unclean=False)
        except TryAgain:
            pass  # somebody else is at the tables: `unclean` stands in the state, and the next batch tries again

    def _vacuum(self) -> None:
        began = time.monotonic()
        self._tables.maintain(_VACUUM)
        # Large tables are cleaned so seldom that folding goes on: in a rebuild many a batch erases something.
        took = time.monotonic() - began
        self._vacuum_after = time.monotonic() + (_REST * took if took > _SHORT else 0)
