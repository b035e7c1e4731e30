"""The contact timeline: every version of every entry, ready to be sent.

What must stay true:
- an entry is named by contact, meeting and occurrence (its original start), and keeps that name when it moves;
- it gets a new version when what an event says of it differs from what the meeting's view said before. Views are compared, with
  people sealed, and not what readers get: so an erasure, which changes what can be opened, changes no history;
- each recorded state can be read again: a version holds from its own recording to the next one's;
- the clock adds occurrences and takes none away, and what is past of a series is not taken away by laying it out anew;
- a body is put together from pieces of JSON that its meeting's entries share, and is what encoding an `Entry` gives.

An entry's id is the hex of a uuid5 of "account|contact|meeting|occurrence (ms)". Its version counts from 1 since it last came
into the timeline. `occurrence` is written as the entry's times are: an instant with Z, a local time if it floats, a date if it is
all-day (and began as that: a meeting that was made all-day keeps the instant that names it).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from hashlib import sha1
from typing import NamedTuple
from uuid import UUID

import msgspec
from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from domain import layout
from domain.events import Shown, View
from domain.layout import Laid
from domain.ports import EntryRow
from projections.contacts import Contacts, People
from projections.views import Changes, Views, local, stamp

DAY = 86_400_000
"""Milliseconds of a day."""

_NAMESPACE = UUID("5f0c0b1e-7a52-5d0e-9f0e-3a9d8c1b6e42")
_NAMED = sha1(_NAMESPACE.bytes, usedforsecurity=False)
_VARIANT = {digit: "89ab"[int(digit, 16) % 4] for digit in "0123456789abcdef"}
"""RFC 9562: the first two bits of this digit are 10."""
_encode = msgspec.json.Encoder().encode

Key = tuple[str, int]
"""Which entry of a meeting: contact and occurrence (ms)."""

_Test = Callable[[EntryRow], bool]


class Organizer(Struct, rename="camel"):
    """Who invited. `contact` only if he is one."""

    email: str | None
    name: str | None
    contact: str | UnsetType = UNSET


class Participant(Struct, rename="camel"):
    """A guest, and which contact he is."""

    email: str | None
    name: str | None
    contact: str | None
    participation_status: str


class Series(Struct, rename="camel"):
    """Of which series an entry is which occurrence."""

    id: str
    occurrence: str


class Associations(Struct):
    """The CRM's ids of what the meeting is about."""

    companies: tuple[str, ...]
    deals: tuple[str, ...]
    tickets: tuple[str, ...]


class Entry(Struct, rename="camel"):
    """A timeline entry as readers get it."""

    entry: str
    contact: str
    meeting: str
    occurrence: str
    title: str | None
    start: str
    end: str
    time_zone: str | None
    all_day: bool
    status: str
    location: str | None
    conference_url: str | None
    organizer: Organizer | None
    participants: tuple[Participant, ...]
    origin: str
    links: dict[str, str | None]
    associations: Associations
    series: Series | None
    recorded_at: str
    version: int
    position: int


_decoder = msgspec.json.Decoder(Entry)


class _About(Struct, gc=False, rename="camel"):
    """The fields of `Entry` that all entries have alike which show the same, in its order; a piece of JSON when encoded."""

    time_zone: str | None
    all_day: bool
    status: str
    location: str | None
    conference_url: str | None
    organizer: Organizer | None
    participants: tuple[Participant, ...]


class _Frame(Struct, gc=False):
    """The fields of `Entry` that all entries of a meeting have alike, in its order; a piece of JSON when encoded."""

    origin: str
    links: dict[str, str | None]
    associations: Associations


class Alike(NamedTuple):
    """What all entries have alike that show the same. `contacts` are those in whose timelines they stand, each as text and as JSON;
    `people` the keys of who is named; `title` is JSON; `about` the JSON of an entry's fields from "timeZone" to "participants"."""

    shown: Shown
    contacts: list[tuple[str, str]]
    people: tuple[str, ...]
    title: str
    about: str


class Moment(NamedTuple):
    """Where and when an event is recorded: account, meeting, position in the domain log, our time (ms)."""

    account: str
    meeting: str
    position: int
    recorded_at: int


class Faces(NamedTuple):
    """The people of an entry, opened. `keys` are the participants' in their order, then the organiser's if he stands there."""

    organizer: Organizer | None
    participants: tuple[Participant, ...]
    keys: tuple[str, ...]


class Times(NamedTuple):
    """An occurrence's times as text."""

    occurrence: str
    start: str
    end: str


# --- what an entry says ------------------------------------------------------------------------------------------------------


def name(meeting: str, occurrence: int) -> str:
    """An entry's name within its contact's timeline."""
    return f"{meeting}:{occurrence}"


def entry_id(account: str, contact: str, meeting: str, occurrence: int) -> str:
    """The id of an entry, for good.

    >>> from uuid import uuid5
    >>> entry_id("62515", "151", "m", 0) == uuid5(_NAMESPACE, "62515|151|m|0").hex
    True
    """
    # By hand: the library's own way takes three times as long, and there is one a version.
    named = _NAMED.copy()
    named.update(f"{account}|{contact}|{meeting}|{occurrence}".encode())
    hashed = named.hexdigest()
    return f"{hashed[:12]}5{hashed[13:16]}{_VARIANT[hashed[16]]}{hashed[17:32]}"


def times(laid: Laid) -> Times:
    """An occurrence's name and times: dates if it is all-day, local if it floats, else instants in UTC."""
    original, slot, shown = laid
    if shown.all_day:
        named = _date(original) if original % DAY == 0 else _instant(original)
        return Times(named, _date(slot.start), _date(slot.end))
    write = _floating if shown.time_zone is None else _instant
    start = write(slot.start)
    return Times(start if original == slot.start else write(original), start, write(slot.end))


@lru_cache(maxsize=16_384)
def _instant(at: int) -> str:
    return local(at).isoformat() + "Z"


def _floating(at: int) -> str:
    return local(at).isoformat()


def _date(at: int) -> str:
    return local(at).date().isoformat()


@lru_cache(maxsize=16_384)
def _as_json(contact: str) -> str:
    return _encode(contact).decode()


def fields(value: Struct) -> str:
    """The fields of an object, as they stand within its JSON."""
    return _encode(value)[1:-1].decode()


def links(view: View) -> dict[str, str | None]:
    """Each side's id of the meeting; the CRM's key is always there."""
    found = {"hubspot": view.links.get("hubspot")}
    for provider in sorted(view.links):
        found.setdefault(provider, view.links[provider])
    return found


def faces(account: str, shown: Shown, people: People, contacts: Contacts) -> Faces:
    """The guests and the organiser, without whom nothing may be said of any more."""
    known, matched = people.of(account), shown.matched
    organizer: Organizer | None = None
    organizer_keys: tuple[str, ...] = ()
    participants: list[Participant] = []
    keys: list[str] = []
    for guest in shown.guests:
        person = known[guest.person]
        if person is None:
            continue
        contact = contacts.standing(account, matched[person.key]) if person.key in matched else None
        if guest.owner and organizer is None:
            organizer = Organizer(person.email, person.name, contact if contact is not None else UNSET)
            organizer_keys = (person.key,)
        elif guest.attendee:
            participants.append(Participant(person.email, person.name, contact, guest.status))
            keys.append(person.key)
    return Faces(organizer, tuple(participants), (*keys, *organizer_keys))


def heads(view: View) -> list[Shown]:
    """Everything that a view shows at some time."""
    found = []
    for part in view.parts:
        found.append(part.shown)
        if part.formers:
            found += [former.shown for former in part.formers]
    if view.exceptions:
        found += [exception.shown for exception in view.exceptions if exception.shown is not None]
    return found


def add_named(view: View, tokens: set[str], contacts: set[str]) -> None:
    """Add the sealed people that a view names, and the contacts."""
    for shown in heads(view):
        tokens.update([guest.person for guest in shown.guests])
        contacts.update(shown.contacts, shown.matched.values())


class Scene:
    """What all occurrences of a view share, made once. `frame` is the JSON of an entry's fields from "origin" to "associations"."""

    def __init__(self, account: str, meeting: str, view: View, people: People, contacts: Contacts) -> None:
        self.view = view
        self.frame = fields(_Frame(view.origin, links(view), Associations(view.companies, view.deals, view.tickets)))
        self._account, self._meeting, self._people, self._contacts = account, meeting, people, contacts
        self._is_series = _has_series(view)
        self._single = _own_names(view) if self._is_series else frozenset()
        self._faces: dict[tuple[int, int], Faces] = {}
        self._alike: dict[int, Alike] = {}

    def alike(self, shown: Shown) -> Alike:
        """What all occurrences that show this have alike."""
        # By identity: comparing takes longer than making it. What is found here holds its `shown`, whose identity nothing else gets.
        found = self._alike.get(id(shown))
        if found is None:
            found = self._alike[id(shown)] = self._made(shown)
        return found

    def said(self, laid: Laid, alike: Alike, recorded_at: str) -> str:
        """The JSON of an occurrence's entries from "meeting" to "recordedAt"; `alike` is what it has alike with others."""
        named, start, end = times(laid)
        # Neither the meeting's id nor a time has a character that JSON escapes.
        is_of_series = self._is_series and laid.original not in self._single
        series = f'{{"id":"{self._meeting}","occurrence":"{named}"}}' if is_of_series else "null"
        return (
            f'"meeting":"{self._meeting}","occurrence":"{named}","title":{alike.title},"start":"{start}","end":"{end}",{alike.about},'
            f'{self.frame},"series":{series},"recordedAt":"{recorded_at}"'
        )

    def contacts(self, shown: Shown) -> list[str]:
        """In whose timelines an occurrence stands."""
        found = [self._contacts.standing(self._account, contact) for contact in shown.contacts]
        return list(dict.fromkeys([contact for contact in found if contact is not None]))

    def _made(self, shown: Shown) -> Alike:
        seen = self._seen(shown)
        time_zone = None if shown.all_day else shown.time_zone
        about = _About(time_zone, shown.all_day, shown.status, shown.location, shown.conference_url, seen.organizer, seen.participants)
        contacts = [(contact, _as_json(contact)) for contact in self.contacts(shown)]
        return Alike(shown, contacts, seen.keys, _encode(shown.title).decode(), fields(about))

    def _seen(self, shown: Shown) -> Faces:
        # By identity: a series' occurrences share the guests of their part, which the view holds.
        same = id(shown.guests), id(shown.matched)
        found = self._faces.get(same)
        if found is None:
            found = self._faces[same] = faces(self._account, shown, self._people, self._contacts)
        return found


def _has_series(view: View) -> bool:
    for part in view.parts:  # noqa: SIM110 - any() with its generator takes longer than all of a single meeting's parts
        if part.rules or part.added:
            return True
    return False


def _own_names(view: View) -> frozenset[int]:
    singles = [part for part in view.parts if not layout.is_series(part)]
    return frozenset(part.first if part.first is not None else layout.own_slot(part.shown).start for part in singles)


def _frame(view: View) -> tuple[object, ...]:
    """What of a view stands in all of its entries."""
    return (
        view.origin,
        view.links,
        view.companies,
        view.deals,
        view.tickets,
        [(layout.is_series(part), part.first) for part in view.parts],
    )


def _may_be_alike(before: View, after: View) -> bool:
    """Can an occurrence be laid out as it was before? Asked first, as an answer of no spares laying out what was before."""
    formerly, now = heads(before), heads(after)
    # All that laying out changes of what is shown is whether it is cancelled.
    return len(formerly) != 1 or len(now) != 1 or replace(formerly[0], status=now[0].status) == now[0]


def _kept_past(scene: Scene) -> frozenset[str]:
    """The contacts whose entries from before the laid-out span stay as they are: a series' own."""
    view = scene.view
    if view.parts and not _has_series(view):
        return frozenset()
    return frozenset(contact for shown in heads(view) for contact in scene.contacts(shown))


# --- the entries of a batch --------------------------------------------------------------------------------------------------


class Timelines:
    """The entries during a fold: those stored of the meetings concerned, and over them what the batch made of them."""

    def __init__(self, views: Views, contacts: Contacts) -> None:
        self._views, self._contacts = views, contacts
        self._rows: dict[tuple[str, str], dict[Key, EntryRow]] = {}
        self._whole: set[tuple[str, str]] = set()
        self._new: list[EntryRow | None] = []
        self._placed: dict[tuple[str, str, str, int], int] = {}
        self._closed: list[tuple[str, str, str, int, int]] = []
        self._purged: dict[tuple[str, str], None] = {}
        self._scrubbed: dict[tuple[str, str], None] = {}
        self._forgotten: dict[tuple[str, str], None] = {}

    def load(self, account: str, meetings: Iterable[str]) -> None:
        """Look up the current entries of these meetings, as far as they have not been."""
        wanted = [meeting for meeting in meetings if (account, meeting) not in self._whole]
        if not wanted:
            return
        self._whole.update((account, meeting) for meeting in wanted)
        for row in self._views.current(account, wanted):
            # What the batch added to a meeting before the rest of it was needed is newer.
            self._rows.setdefault((account, row.meeting), {}).setdefault((row.contact, row.occurrence), row)

    def starts_empty(self, account: str, meeting: str) -> None:
        """This meeting has no stored entries: it is new."""
        self._whole.add((account, meeting))

    def show(self, at: Moment, before: View | None, scene: Scene, low: int, high: int) -> None:
        """The entries follow the view, laid out in [low, high) ms."""
        rows = self._all_of(at.account, at.meeting)
        wanted = self._put_changed(at, before, scene, low, high, rows)
        if wanted != rows.keys():
            kept = _kept_past(scene)
            for key, row in list(rows.items()):
                if key not in wanted and not (row.start < low and key[0] in kept):
                    self._end(at, rows.pop(key))

    def extend(self, at: Moment, scene: Scene, low: int, high: int, looks: bool) -> None:
        """The clock moved: entries that begin in [low, high) ms join those there are. `looks`: part of that was laid out before."""
        # Beside that, only an exception can be in there before its time. Where neither is, nothing stored is looked at: a
        # tick concerns every series of an account.
        looks = looks or bool(scene.view.exceptions)
        rows = self._all_of(at.account, at.meeting) if looks else self._rows.setdefault((at.account, at.meeting), {})
        for laid in layout.laid_out(scene.view, low, high):
            alike = scene.alike(laid.shown)
            self._put(at, [both for both in alike.contacts if (both[0], laid.original) not in rows], laid, alike, scene, rows)

    def close(self, at: Moment) -> None:
        """The meeting leaves all timelines."""
        rows = self._all_of(at.account, at.meeting)
        for row in list(rows.values()):
            self._end(at, row)
        rows.clear()

    def purge(self, account: str, meeting: str) -> None:
        """Every version of the meeting's entries goes for good."""
        self._purged[account, meeting] = None
        self._rows[account, meeting] = {}
        self._whole.add((account, meeting))
        self._drop(lambda row: row.account == account and row.meeting == meeting)

    def move(self, account: str, contacts: Sequence[str], position: int, recorded_at: int) -> None:
        """These contacts became another: wherever they stand, the survivor does, a shared meeting once."""
        concerned = {row.meeting for contact in contacts for row in self._views.entries_of_contact(account, contact)}
        concerned.update(
            meeting for (of, meeting), rows in self._rows.items() if of == account and any(contact in contacts for contact, _ in rows)
        )
        self.load(account, sorted(concerned))
        for meeting in sorted(concerned):
            self._move_meeting(Moment(account, meeting, position, recorded_at), frozenset(contacts))

    def forget(self, account: str, contacts: Iterable[str], keys: Iterable[str]) -> None:
        """Every version of these contacts' entries goes, and nobody of these keys is named any more."""
        gone = frozenset(contacts)
        self._forgotten.update(((account, contact), None) for contact in gone)
        self._scrubbed.update(((account, key), None) for key in keys)
        self._drop(lambda row: row.account == account and row.contact in gone)
        erased = frozenset(keys)
        self._new = [scrubbed(row, erased) if row is not None and row.account == account else row for row in self._new]
        for (of, _), rows in self._rows.items():
            if of == account:
                left = {key: scrubbed(row, erased) for key, row in rows.items() if key[0] not in gone}
                rows.clear()
                rows.update(left)

    def changes(self) -> Changes:
        """What the batch made of the entries."""
        return Changes(
            entries=[row for row in self._new if row is not None],
            closed=self._closed,
            purged=list(self._purged),
            scrubbed=list(self._scrubbed),
            forgotten=list(self._forgotten),
        )

    # --- one entry

    def _all_of(self, account: str, meeting: str) -> dict[Key, EntryRow]:
        if (account, meeting) not in self._whole:
            self.load(account, (meeting,))
        return self._rows.setdefault((account, meeting), {})

    def _put_changed(self, at: Moment, before: View | None, scene: Scene, low: int, high: int, rows: dict[Key, EntryRow]) -> set[Key]:
        """Put the entries that are new or differ from before; returns all that there are to be."""
        same = {}
        if rows and before is not None and _may_be_alike(before, scene.view) and _frame(before) == _frame(scene.view):
            same = {laid.original: laid for laid in layout.laid_out(before, low, high)}
        wanted: set[Key] = set()
        for laid in layout.laid_out(scene.view, low, high):
            original, _, shown = laid
            alike = scene.alike(shown)
            contacts = alike.contacts
            wanted.update([(contact, original) for contact, _ in contacts])
            if same and same.get(original) == laid:
                contacts = [both for both in contacts if (both[0], original) not in rows]
            self._put(at, contacts, laid, alike, scene, rows)
        return wanted

    def _put(
        self, at: Moment, contacts: Sequence[tuple[str, str]], laid: Laid, alike: Alike, scene: Scene, rows: dict[Key, EntryRow]
    ) -> None:
        """An occurrence stands so in the timelines of these contacts (text and JSON)."""
        if not contacts:
            return
        account, meeting, position, recorded_at = at
        original, (_, start, end), shown = laid
        said, people = scene.said(laid, alike, stamp(recorded_at)), alike.people
        for contact, as_json in contacts:
            former = rows.get((contact, original))
            version = former.version + 1 if former is not None else 1
            id_ = entry_id(account, contact, meeting, original)
            body = f'{{"entry":"{id_}","contact":{as_json},{said},"version":{version},"position":{position}}}'.encode()
            row = EntryRow(
                account, contact, meeting, original, start, end, shown.status, version, position, recorded_at, None, people, body
            )
            self._place(at, row, former, rows)

    def _place(self, at: Moment, row: EntryRow, former: EntryRow | None, rows: dict[Key, EntryRow]) -> None:
        if former is not None:
            self._end(at, former)
        rows[row.contact, row.occurrence] = row
        self._placed[row.account, row.contact, row.meeting, row.occurrence] = len(self._new)
        self._new.append(row)

    def _end(self, at: Moment, row: EntryRow) -> None:
        """This version holds no longer: one of this batch is marked, one stored is closed."""
        full = row.account, row.contact, row.meeting, row.occurrence
        index = self._placed.pop(full, None)
        if index is None:
            self._closed.append((*full, at.recorded_at))
        else:
            self._new[index] = replace(row, recorded_to=at.recorded_at)

    def _drop(self, goes: _Test) -> None:
        """Take back what this batch put, and spare closing what is about to be deleted."""
        for index, row in enumerate(self._new):
            if row is not None and goes(row):
                self._new[index] = None
                full = row.account, row.contact, row.meeting, row.occurrence
                if self._placed.get(full) == index:
                    del self._placed[full]

    # --- merges

    def _move_meeting(self, at: Moment, gone: frozenset[str]) -> None:
        """Only the entries that move get a new version: the other guests' say of him what they said, and his id still answers."""
        rows = self._all_of(at.account, at.meeting)
        for (contact, occurrence), row in sorted(rows.items()):
            if contact not in gone:
                continue
            self._end(at, rows.pop((contact, occurrence)))
            standing = self._contacts.standing(at.account, contact)
            if standing is not None and (standing, occurrence) not in rows:
                self._place(at, self._moved(at, row, standing, gone), None, rows)

    def _moved(self, at: Moment, row: EntryRow, standing: str, gone: frozenset[str]) -> EntryRow:
        body = _decoder.decode(row.body)
        organizer = body.organizer
        if organizer is not None and organizer.contact in gone:
            organizer = replace(organizer, contact=standing)
        body = replace(
            body,
            entry=entry_id(at.account, standing, at.meeting, row.occurrence),
            contact=standing,
            organizer=organizer,
            participants=tuple(replace(p, contact=standing) if p.contact in gone else p for p in body.participants),
            recorded_at=stamp(at.recorded_at),
            version=1,
            position=at.position,
        )
        return replace(
            row,
            contact=standing,
            version=1,
            position=at.position,
            recorded_from=at.recorded_at,
            recorded_to=None,
            body=_encode(body),
        )


def without(seen: Faces, erased: frozenset[str]) -> Faces:
    """These people but for those of these keys."""
    organizer, participants, keys = seen
    count = len(participants)
    return Faces(
        organizer if erased.isdisjoint(keys[count:]) else None,
        tuple(p for p, key in zip(participants, keys[:count], strict=True) if key not in erased),
        tuple(key for key in keys if key not in erased),
    )


def scrubbed(row: EntryRow, erased: frozenset[str]) -> EntryRow:
    """The same version without the people of these keys: neither name nor address of theirs is left in it."""
    if erased.isdisjoint(row.people):
        return row
    body = _decoder.decode(row.body)
    left = without(Faces(body.organizer, body.participants, row.people), erased)
    body = replace(body, participants=left.participants, organizer=left.organizer)
    return replace(row, people=left.keys, body=_encode(body))


def departed(changes: Changes, removed: Iterable[tuple[str, str, str, int]]) -> list[tuple[str, str, str, int]]:
    """The entries (account, contact, meeting, occurrence) that left their timeline by these changes, `removed` being those that
    stood there and were purged or forgotten. For a store to tell live readers."""
    left = dict.fromkeys([*(closed[:4] for closed in changes.closed), *removed])
    for row in changes.entries:
        full = row.account, row.contact, row.meeting, row.occurrence
        if row.recorded_to is None:
            left.pop(full, None)
        else:
            left[full] = None
    return list(left)
