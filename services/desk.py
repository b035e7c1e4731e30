"""The desk that decisions are made at: every aggregate and index entry a batch concerns, fetched in few queries, and what the
batch adds to them, so that a later event sees what an earlier one of the same batch decided.

Nothing here decides. Aggregates stay on the desk between batches, since one process owns a partition; if somebody else
recorded meanwhile, the commit conflicts and the desk is cleared. What was handed over to be committed stays on it until it is, so that
what the store does not know yet is known here.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from domain import account as accounts
from domain import connection as connections
from domain import contact as contacts
from domain import meeting as meetings
from domain.account import Account
from domain.asking import CRM
from domain.connection import Connection
from domain.contact import Contact
from domain.events import Ask, Content, Event, MeetingEvent
from domain.matching import Judged, judge
from domain.meeting import Meeting
from domain.naming import account_stream, connection_stream, contact_stream
from domain.outside import Link, Recall, Request
from domain.people import Person
from domain.ports import IndexChange, Place, Recorded, Snapshot, Store, Vault

KEPT = 50_000
"""Meetings and contacts kept on the desk between batches; the oldest go first."""

KEPT_ENTRIES = 300_000
"""Index entries kept on the desk between batches."""

MANY = 32
"""More values of one key than this are held in a dict: a mailbox has as many as meetings, and each new one is looked for among them."""

LONG = 100
"""A stream is long with so many events after its snapshot, or without one. Most meetings change a few times and never have one."""

FOLDED = 3
"""Raised whenever an aggregate's `evolve` comes to something else than before: earlier snapshots are passed over then
(tests/house/test_snapshots.py sees to it). A change of a state's form does that by itself."""

_encode = msgspec.json.Encoder().encode


@lru_cache(maxsize=16)
def snapshot_kind(form: type[Struct]) -> str:
    """The kind of the snapshots of this state as it is formed and folded today."""
    schema = _encode(msgspec.json.schema(form))
    return f"{form.__name__}.{FOLDED}.{hashlib.blake2b(schema, digest_size=6).hexdigest()}"


class Aggregates:
    """One kind of aggregate by its natural key: loaded by stream, kept with its version, changed by what the batch records."""

    def __init__(
        self, form: type[Struct], stream: Callable[[Any], UUID], empty: Callable[[Any], Any], evolve: Callable[[Any, Event], Any]
    ) -> None:
        self._stream, self._empty, self._evolve = stream, empty, evolve
        self._known: dict[Any, tuple[int, Any]] = {}
        self._kind, self._decoder = snapshot_kind(form), msgspec.json.Decoder(form)
        self._due: dict[Any, None] = {}

    def fetch(self, store: Store, keys: Iterable[Any]) -> None:
        """Have these here, with what the store has of their streams."""
        missing = {key: self._stream(key) for key in keys if key not in self._known}
        if not missing:
            return
        streams = list(missing.values())
        begun = {stream: s for stream, s in store.snapshots(streams).items() if s.kind == self._kind}
        found = store.load(streams, {stream: s.version for stream, s in begun.items()})
        for key, stream in missing.items():
            snapshot = begun.get(stream)
            version, state = (0, self._empty(key)) if snapshot is None else (snapshot.version, self._decoder.decode(snapshot.body))
            history = found.get(stream, ())
            for event in history:
                state = self._evolve(state, event)
            self._known[key] = (version + len(history), state)
            if len(history) >= LONG:
                self._due[key] = None

    def snapshots(self) -> list[Snapshot]:
        """What the long ones among those that changed, or were folded at length, come to now."""
        taken = []
        for key in self._due:
            version, state = self._known[key]
            taken.append(Snapshot(self._stream(key), version, self._kind, _encode(state)))
        self._due.clear()
        return taken

    def get(self, store: Store, key: Any) -> Any:
        """An aggregate."""
        known = self._known.get(key)
        if known is None:
            self.fetch(store, [key])
            known = self._known[key]
        return known[1]

    def record(self, store: Store, key: Any, event: Event) -> Recorded:
        """`event` at its place; the aggregate is changed by it."""
        state = self.get(store, key)
        return self.set(key, self._evolve(state, event), event)

    def set(self, key: Any, state: Any, event: Event) -> Recorded:
        """As `record`, where the decider has given the state after its event."""
        version = self._known[key][0] + 1
        self._known[key] = (version, state)
        if version % LONG == 0:
            self._due[key] = None
        return Recorded(self._stream(key), version, event)

    def begin(self, key: Any) -> Any:
        """One that is known to have no events yet."""
        if key not in self._known:
            self._known[key] = (0, self._empty(key))
        return self._known[key][1]

    def trim(self, most: int) -> None:
        """Forget the oldest, half of them at a time, when there are too many."""
        if len(self._known) > most:
            for key in list(self._known)[: most // 2]:
                del self._known[key]

    def clear(self) -> None:
        """Forget everything."""
        self._known.clear()
        self._due.clear()


_Values = tuple[str, ...] | dict[str, None]

_NOTHING_ADDED: dict[str, None] = {}


def _held(values: tuple[str, ...]) -> _Values:
    """The values of one key, as many as there are."""
    return values if len(values) <= MANY else dict.fromkeys(values)


class _Entries:
    """An account's entries of one index: all of the keys that are `known`, and what the batch `added` to keys nobody looked up."""

    __slots__ = ("added", "known")

    def __init__(self) -> None:
        self.known: dict[str, _Values] = {}
        self.added: dict[str, dict[str, None]] = {}


class Desk:
    """What the deciders of one batch look at (it is a `matching.Surroundings` for one account at a time) and write on."""

    def __init__(self, store: Store, vault: Vault) -> None:
        self._store, self._vault = store, vault
        self._accounts = Aggregates(Account, account_stream, lambda _: Account(), accounts.evolve)
        self._connections = Aggregates(Connection, lambda at: connection_stream(*at), lambda _: Connection(), connections.evolve)
        self._contacts = Aggregates(Contact, lambda at: contact_stream(*at), lambda _: Contact(), contacts.evolve)
        self._meetings = Aggregates(Meeting, _uuid_of, lambda stream: Meeting(_uuid_of(stream), ""), meetings.evolve)
        self._people: dict[str, Person] = {}
        self._closed: dict[str, list[str]] = {}
        self._indexes: dict[str, dict[str, _Entries]] = {}
        self._index: dict[str, _Entries] = {}
        self._kept_entries = 0
        self._adding: list[_Entries] = []
        self.events: list[Recorded] = []
        self._changes: dict[tuple[str, str, str, str], IndexChange] = {}
        self._additions: list[IndexChange] = []
        self._requests: list[Request | Recall] = []
        self._judged: dict[tuple[str, str], Judged] = {}
        self.account_id = ""
        self.account = Account()

    # --- fetching ------------------------------------------------------------------------------------------------------------

    def open(self, tokens: Mapping[str, Iterable[str]]) -> None:
        """Have these people, by account, here, once a batch: who was judged already is opened if somebody asks for him."""
        judged = self._judged
        wanted: dict[str, set[str]] = {}
        for account, some in tokens.items():
            self._closed[account] = closed = [token for token in some if (account, token) in judged]
            if missing := set(some).difference(closed):
                wanted[account] = missing
        self._people.update(self._vault.open_all(wanted))

    def sit(self, account: str) -> None:
        """Decide about this account from now on."""
        self.account_id = account
        self._index = self._index_of(account)
        self.account = self._accounts.get(self._store, account)

    def fetch_accounts(self, wanted: Iterable[str]) -> None:
        """Have these accounts here."""
        self._accounts.fetch(self._store, wanted)

    def fetch_connections(self, wanted: Iterable[tuple[str, str]]) -> None:
        """Have these (account, user)'s connections here."""
        self._connections.fetch(self._store, wanted)

    def fetch_contacts(self, wanted: Collection[tuple[str, str]]) -> None:
        """Have these (account, contact)s here; all of them are opened as soon as somebody asks who one of them is."""
        self._contacts.fetch(self._store, wanted)
        for at in wanted:
            person = self._contacts.get(self._store, at).person
            if person is not None and person not in self._people:
                self._closed.setdefault(at[0], []).append(person)

    def fetch_meetings(self, streams: Iterable[str]) -> None:
        """Have these meetings (stream ids as 32 hexadecimal digits) here, and those they were found to be."""
        pending = list(streams)
        while pending:
            self._meetings.fetch(self._store, pending)
            pending = [m.into.hex for s in pending if (m := self._meetings.get(self._store, s)).into is not None]

    def look_up(self, table: str, wanted: Mapping[str, Iterable[str]]) -> None:
        """Have these keys' entries of an index, by account, here."""
        missing: dict[tuple[str, str], dict[str, None]] = {}
        for account, keys in wanted.items():
            entries = self._index_of(account)[table]
            for key in dict.fromkeys(keys):
                if key not in entries.known:
                    missing[account, key] = entries.added.pop(key, _NOTHING_ADDED)
        if not missing:
            return
        found = self._store.look_up(table, list(missing))
        self._kept_entries += len(missing)
        for (account, key), added in missing.items():
            values = found.get((account, key), ())
            self._indexes[account][table].known[key] = _held(tuple(dict.fromkeys((*values, *added))) if added else values)

    def _index_of(self, account: str) -> dict[str, _Entries]:
        found = self._indexes.get(account)
        if found is None:
            found = self._indexes[account] = {table: _Entries() for table in ("identities", "people", "addresses", "likeness")}
        return found

    # --- looking ---------------------------------------------------------------------------------------------------------------

    def connection(self, user: str) -> Connection:
        """See `matching.Surroundings`."""
        found: Connection = self._connections.get(self._store, (self.account_id, user))
        return found

    def judged(self, token: str) -> Judged:
        """See `matching.Surroundings`."""
        at = (self.account_id, token)
        found = self._judged.get(at)
        if found is None:
            found = self._judged[at] = judge(token, self)
        return found

    def person(self, token: str) -> Person:
        """See `matching.Surroundings`."""
        found = self._people.get(token)
        if found is None:
            self._people.update(self._vault.open(self.account_id, [token, *self._closed.pop(self.account_id, ())]))
            found = self._people[token]
        return found

    def contacts_of(self, key: str) -> tuple[str, ...]:
        """See `matching.Surroundings`."""
        return self.entries("addresses", key)

    def contact(self, contact: str) -> Contact | None:
        """See `matching.Surroundings`."""
        for _ in range(20):  # chains of merges are short; a circle must not hang us
            found = self.contact_itself(contact)
            if found.into is None:
                return found if found.id else None
            contact = found.into
        return None

    def contact_itself(self, contact: str) -> Contact:
        """A contact by its CRM id, merges not followed; empty if it is not known."""
        found: Contact = self._contacts.get(self._store, (self.account_id, contact))
        return found

    def forget_people(self) -> None:
        """Open everybody afresh: somebody was erased."""
        self._people.clear()
        self._judged.clear()

    def entries(self, table: str, key: str) -> tuple[str, ...]:
        """The values of a key of an index, sorted."""
        found = self._index[table].known.get(key)
        if found is None:
            self.look_up(table, {self.account_id: [key]})
            found = self._index[table].known[key]
        return tuple(found) if len(found) < 2 else tuple(sorted(found))

    def has(self, table: str, key: str, value: str) -> bool:
        """Is this one of the values of a key, be they many?"""
        known = self._index[table].known
        if key not in known:
            self.look_up(table, {self.account_id: [key]})
        return value in known[key]

    def named(self, names: Iterable[str]) -> list[str]:
        """The meetings that these names lead to, in the order of the names."""
        known = self._index["identities"].known
        found: list[str] = []
        for name in names:
            led = known.get(name)
            found += self.entries("identities", name) if led is None else led
        return found

    def meeting(self, stream: str) -> Meeting:
        """A meeting by its stream (32 hexadecimal digits), or the one it was found to be."""
        found: Meeting = self._meetings.get(self._store, stream)
        while found.into is not None:
            found = self._meetings.get(self._store, found.into.hex)
        return found if found.account else replace(found, account=self.account_id)

    def new_meeting(self, stream: UUID) -> Meeting:
        """A meeting of which nothing is known: no copy's name leads to it."""
        begun: Meeting = self._meetings.begin(stream.hex)
        return replace(begun, account=self.account_id) if begun.version else Meeting(stream, self.account_id)

    # --- writing ---------------------------------------------------------------------------------------------------------------

    def record_account(self, event: Event) -> None:
        """An event of the account."""
        self.events.append(self._accounts.record(self._store, self.account_id, event))
        self.account = self._accounts.get(self._store, self.account_id)
        self._judged.clear()

    def record_connection(self, user: str, event: Event) -> None:
        """An event of a user's connection."""
        self.events.append(self._connections.record(self._store, (self.account_id, user), event))

    def record_contact(self, contact: str, event: Event) -> None:
        """An event of a contact."""
        self.events.append(self._contacts.record(self._store, (self.account_id, contact), event))

    def record_meeting(self, event: Event, after: Meeting) -> None:
        """An event of a meeting, which is `after` now, and the outside writes it asks for."""
        self.events.append(self._meetings.set(after.id.hex, after, event))
        if isinstance(event, MeetingEvent) and (event.asks or event.recalls):
            self._requests += [*_recalls(event, after), *(_request(event, after, ask) for ask in event.asks if not ask.recalled)]

    def record_decided(self, stream: UUID, event: Event) -> None:
        """The decisions about a source event."""
        self.events.append(Recorded(stream, 1, event))

    def add(self, table: str, key: str, value: str) -> None:
        """Add to an index in which a key has several values. Adding what is there already is harmless: nobody looks first."""
        entries = self._index[table]
        known = entries.known.get(key)
        if known is None:
            if not entries.added:
                self._adding.append(entries)
            entries.added.setdefault(key, {})[value] = None
        elif value in known:
            return
        elif isinstance(known, dict):
            known[value] = None
        else:
            entries.known[key] = _held((*known, value))
        self._additions.append(IndexChange(table, self.account_id, key, value))

    def put(self, table: str, key: str, value: str, gone: bool = False) -> None:
        """Change an index: what later events of the batch see, and what is committed. See `add` for additions to many."""
        if table == "addresses":
            self._judged.clear()
        known = self._index[table].known
        before = known.get(key)
        if before is None:
            before = self.entries(table, key)
        if (value in before) is not gone and (table != "identities" or before == (value,)):
            return
        if gone:
            known[key] = tuple(v for v in before if v != value)
        else:
            known[key] = (value,) if table == "identities" else _held((*before, value))
        slot = "" if table == "identities" else value
        self._changes[table, self.account_id, key, slot] = IndexChange(table, self.account_id, key, value, gone)

    # --- the end of a batch --------------------------------------------------------------------------------------------------

    def commit(self, places: Sequence[Place]) -> None:
        """Write everything in one transaction and make ready for the next batch. On any error nothing was written and the desk is
        cleared."""
        try:
            self.hand_over(places)()
        except BaseException:
            self.clear()
            raise
        self.written()

    def hand_over(self, places: Sequence[Place]) -> Callable[[], None]:
        """What writes everything in one transaction, in any thread. The desk is ready for the next batch, and remembers what the store does
        not know yet, until all that was handed over is `written`, or it is cleared because something could not be."""
        kinds = (self._accounts, self._connections, self._contacts, self._meetings)
        snapshots = [snapshot for kind in kinds for snapshot in kind.snapshots()]
        index = [*self._changes.values(), *self._additions]
        commit = partial(self._store.commit, self.events, index, places, snapshots, self._requests)
        self.events, self._changes, self._additions, self._requests = [], {}, [], []
        self._people.clear()
        self._closed.clear()
        return commit

    def written(self) -> None:
        """Everything that was handed over is in the store: what is too much can be forgotten."""
        if self._kept_entries > KEPT_ENTRIES:
            self._forget_index()
        for entries in self._adding:
            entries.added.clear()
        self._adding.clear()
        if len(self._judged) > KEPT:
            self._judged.clear()
        self._meetings.trim(KEPT)
        self._contacts.trim(KEPT)

    def clear(self) -> None:
        """Forget everything that was fetched or decided and not committed."""
        for kind in (self._accounts, self._connections, self._contacts, self._meetings):
            kind.clear()
        self._judged.clear()
        self.events, self._changes, self._additions, self._requests = [], {}, [], []
        self._forget_index()
        self._people.clear()
        self._closed.clear()

    def _forget_index(self) -> None:
        self._indexes.clear()
        self._adding.clear()
        self._kept_entries = 0
        self._index = self._index_of(self.account_id)


def _request(event: MeetingEvent, after: Meeting, ask: Ask) -> Request:
    """What an event asks for, as it is handed on. The CRM is one link, whoever's meeting it is."""
    return Request(
        id=ask.id,
        link=Link(event.account, ask.provider, "" if ask.provider == CRM else ask.user),
        meeting=after.id,
        action=ask.action,
        owner=ask.user,
        content=ask.content,
        changed=ask.changed,
        copy=ask.copy,
        revision=ask.revision,
        uid=ask.uid,
        invite=ask.invite,
        cancelled=ask.cancelled,
        requested_at=event.recorded_at,
        former=_former(ask, after.asked),
    )


_PRIVATE = "the meeting turned private before it was written"
_OFF = "the meeting was deleted or called off in the CRM before it was written"


def _recalls(event: MeetingEvent, after: Meeting) -> list[Recall]:
    """What an event takes back, under every id that the meeting has had."""
    if not event.recalls:
        return []
    of = (after.id.hex, *after.others)
    return [Recall(event.account, meeting, _PRIVATE if event.purge else _OFF, creations=not event.purge) for meeting in of]


def _former(ask: Ask, asked: Sequence[Ask]) -> Content | None:
    """What the copy that is to be made was to say by an earlier ask: it may be made by now, and nobody has told us yet."""
    if ask.action != "create":
        return None
    made = [a for a in asked if (a.provider, a.user, a.action) == (ask.provider, ask.user, "create")]
    earlier = [a.content for a in itertools.takewhile(lambda one: one.id != ask.id, made)]
    return earlier[-1] if earlier else None


@lru_cache(maxsize=100_000)
def _uuid_of(stream: str) -> UUID:
    return UUID(stream)
