"""The contact timeline: every version of every entry, ready to be sent.

What must stay true:
- an entry is named by contact, meeting and occurrence (its original start), and keeps that name when it moves;
- it gets a new version when what an event says of it differs from what the meeting's view said before. Views are compared, with
  people sealed, and not what readers get: so an erasure, which changes what can be opened, changes no history;
- each recorded state can be read again: a version holds from its own recording to the next one's;
- the clock adds occurrences and takes none away, and what is past of a series is not taken away by laying it out anew;
- what an event's entries say alike is made once (projections/bodies.py), and a body is what encoding an `Entry` gives.

An entry's version counts from 1 since it last came into the timeline.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import NamedTuple

import msgspec
from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from domain import layout, mentions, recurrence
from domain.events import Shown, View
from domain.layout import Laid
from domain.recurrence import Slot
from projections.bodies import DATES, FLOATING, INSTANTS, TYPED, Common, EntryRow, Standing
from projections.bodies import entry_id as entry_id
from projections.contacts import Contacts, Named, People
from projections.views import Changes, Views

_encode = msgspec.json.Encoder().encode

Key = tuple[str, int]
"""Which entry of a meeting: contact and occurrence (ms)."""

_Entries = dict[Key, Standing | int]
"""A meeting's current entries: one that is stored, or the place of a new one."""
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


class _About(Struct, gc=False, rename="camel"):
    """The fields of `Entry` in `Common.about`; a piece of JSON when encoded."""

    time_zone: str | None
    all_day: bool
    status: str
    location: str | None
    conference_url: str | None
    organizer: Organizer | None
    participants: tuple[Participant, ...]


class _Frame(Struct, gc=False):
    """The fields of `Entry` in `Common.frame`; a piece of JSON when encoded."""

    origin: str
    links: dict[str, str | None]
    associations: Associations


_about = msgspec.json.Decoder(_About)


class Moment(NamedTuple):
    """Where and when an event is recorded: account, meeting, position in the domain log, our time (ms)."""

    account: str
    meeting: str
    position: int
    recorded_at: int


class Faces(NamedTuple):
    """The people of an entry, opened, as JSON: the organiser, the participants put together. `keys` as in `Common.people`."""

    organizer: str
    participants: str
    keys: tuple[str, ...]


# --- what an entry says ------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=16_384)
def _short(text: str | None) -> str:
    """The JSON of a text of which there are few."""
    return _encode(text).decode()


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
    """The guests and the organiser, without whom nothing may be said of any more. What stands here is the JSON of an `Organizer` and
    of `Participant`s."""
    known, matched, standing = people.of(account), shown.matched, contacts.standing
    organizer: Named | None = None
    organizer_json = "null"
    participants: list[str] = []
    keys: list[str] = []
    for guest in shown.guests:
        person = known[guest.person]
        if person is None:
            continue
        key, _, _, said = person
        matching = matched.get(key)
        contact = standing(account, matching) if matching is not None else None
        if guest.owner and organizer is None:
            organizer = person
            organizer_json = f'{{{said},"contact":{_short(contact)}}}' if contact is not None else f"{{{said}}}"
        elif guest.attendee:
            participants.append(f'{{{said},"contact":{_short(contact)},"participationStatus":{_short(guest.status)}}}')
            keys.append(key)
    if organizer is not None:
        keys.append(organizer.key)
    return Faces(organizer_json, ",".join(participants), tuple(keys))


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
        for text in _texts(shown):
            tokens.update(mentions.tokens(text))
        contacts.update(shown.contacts, shown.matched.values())


def _texts(shown: Shown) -> mentions.Texts:
    """What somebody may have typed an address into."""
    return shown.title, shown.location, shown.conference_url


def _spelled(shown: Shown, known: Mapping[str, Named | None]) -> tuple[mentions.Texts, tuple[str, ...]]:
    """The texts, opened, and the keys of those who are named in them, as `Common.people` has them."""
    texts = _texts(shown)
    if not any(mentions.tokens(text) for text in texts):
        return texts, ()
    keys = [key for text in texts for key in _typed(text, known)]
    return tuple(mentions.opened(text, known) for text in texts), tuple([f"{TYPED}{key}" for key in keys])


def _typed(text: str | None, known: Mapping[str, Named | None]) -> list[str]:
    """Of each address that an opened text shows the key, "" in one of before texts were sealed: beside a sealed one it counts."""
    if typed := mentions.tokens(text):
        return [person.key for token in typed if (person := known[token]) is not None and person.email is not None]
    return [""] * len(mentions.addresses(text))


class Alike:
    """What all occurrences have alike that show the same; `contacts` are those in whose timelines they stand."""

    __slots__ = ("_common", "_of_series", "contacts", "shown")

    def __init__(self, shown: Shown, contacts: list[str], common: Common) -> None:
        self.shown, self.contacts = shown, contacts
        self._common = common
        self._of_series: Common | None = common if common.series else None

    def common(self, of_series: bool | None = None) -> Common:
        """The common part of entries that are, or are not, occurrences of a series; whichever there is if it does not matter."""
        if of_series is None or of_series is self._common.series:
            return self._common
        # Seldom: of a series and a meeting beside it that show one and the same.
        if not of_series:
            return replace(self._common, series=False)
        if self._of_series is None:
            self._of_series = replace(self._common, series=True)
        return self._of_series


@lru_cache(maxsize=16_384)
def _slot(start: datetime, time_zone: str | None, duration: str, all_day: bool) -> Slot:
    """`layout.own_slot`: meetings begin at the same few times."""
    return recurrence.slot(recurrence.spec(start, time_zone, duration, all_day), start)


class Scene:
    """What all occurrences of a view share, made once."""

    def __init__(self, at: Moment, view: View, people: People, contacts: Contacts) -> None:
        self.view = view
        self.is_series = _has_series(view)
        self.is_single = not self.is_series and len(view.parts) == 1 and not view.parts[0].formers and not view.exceptions
        self._at, self._people, self._contacts = at, people, contacts
        self._frame = fields(_Frame(view.origin, links(view), Associations(view.companies, view.deals, view.tickets)))
        self._single = _own_names(view) if self.is_series else frozenset()
        self._faces: dict[tuple[int, int], Faces] = {}
        self._alike: dict[int, Alike] = {}

    def laid_out(self, low: int, high: int) -> list[Laid]:
        """Its occurrences (`layout.laid_out`)."""
        part = self.view.parts[0] if self.is_single else None
        if part is None or part.excluded or part.cancelled_from is not None:
            return layout.laid_out(self.view, low, high)
        # Nearly every meeting: it is where it is, and nothing of it lies elsewhere.
        shown = part.shown
        slot = _slot(shown.start, shown.time_zone, shown.duration, shown.all_day)
        return [Laid(part.first if part.first is not None else slot.start, slot, shown)]

    def alike(self, shown: Shown) -> Alike:
        """What all occurrences that show this have alike."""
        # By identity: comparing takes longer than making it. What is found here holds its `shown`, whose identity nothing else gets.
        found = self._alike.get(id(shown))
        if found is None:
            found = self._alike[id(shown)] = Alike(shown, self.contacts(shown), self._made(shown))
        return found

    def common(self, shown: Shown) -> Common:
        """The same as rows keep it, whether an occurrence of a series shows it or not."""
        return self.alike(shown).common()

    def of_series(self, original: int) -> bool:
        """Is the occurrence of this name one of a series?"""
        return self.is_series and original not in self._single

    def contacts(self, shown: Shown) -> list[str]:
        """In whose timelines an occurrence stands."""
        standing, account = self._contacts.standing, self._at.account
        found = [contact for of in shown.contacts if (contact := standing(account, of)) is not None]
        return found if len(found) < 2 else list(dict.fromkeys(found))

    def _made(self, shown: Shown) -> Common:
        account, meeting, position, recorded_at = self._at
        seen = self._seen(shown)
        (title, location, conference_url), typed = _spelled(shown, self._people.of(account))
        if shown.all_day:
            times, time_zone = DATES, None
        else:
            time_zone = shown.time_zone
            times = FLOATING if time_zone is None else INSTANTS
        about = (
            f'"timeZone":{_short(time_zone)},"allDay":{"true" if shown.all_day else "false"},"status":{_short(shown.status)},'
            f'"location":{_encode(location).decode()},"conferenceUrl":{_encode(conference_url).decode()},'
            f'"organizer":{seen.organizer},"participants":[{seen.participants}]'
        )
        said, people = _encode(title).decode(), (*seen.keys, *typed) if typed else seen.keys
        return Common(account, meeting, position, recorded_at, shown.status, times, self.is_series, people, said, about, self._frame)

    def _seen(self, shown: Shown) -> Faces:
        # By identity: a series' occurrences share the guests of their part, which the view holds.
        same = id(shown.guests), id(shown.matched)
        found = self._faces.get(same)
        if found is None:
            found = self._faces[same] = faces(self._at.account, shown, self._people, self._contacts)
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
    """The entries during a fold: those stored of the meetings concerned, and over them what the batch made of them.

    Of this batch's own there stands where they are among the new rows."""

    def __init__(self, views: Views, contacts: Contacts) -> None:
        self._views, self._contacts = views, contacts
        self._rows: dict[tuple[str, str], _Entries] = {}
        self._whole: set[tuple[str, str]] = set()
        self._new: list[EntryRow | None] = []
        self._closed: list[tuple[int, int]] = []
        self._left: dict[tuple[str, str, str, int], None] = {}
        self._purged: dict[tuple[str, str], None] = {}
        self._scrubbed: dict[tuple[str, str], None] = {}
        self._forgotten: dict[tuple[str, str], None] = {}

    def load(self, account: str, meetings: Iterable[str]) -> None:
        """Look up the current entries of these meetings, as far as they have not been."""
        wanted = [meeting for meeting in meetings if (account, meeting) not in self._whole]
        if not wanted:
            return
        self._whole.update([(account, meeting) for meeting in wanted])
        of_meetings: dict[str, _Entries] = {}
        for row in self._views.current(account, wanted):
            of_meetings.setdefault(row.meeting, {})[row.contact, row.occurrence] = row
        for meeting, rows in of_meetings.items():
            # What the batch added to a meeting before the rest of it was needed is newer.
            self._rows[account, meeting] = rows | self._rows.get((account, meeting), {})

    def starts_empty(self, account: str, meeting: str) -> None:
        """This meeting has no stored entries: it is new."""
        self._whole.add((account, meeting))

    def show(self, at: Moment, before: View | None, scene: Scene, low: int, high: int, keeps_past: bool = True) -> Laid | None:
        """The entries follow the view, laid out in [low, high) ms, and what is past of a series stays if `keeps_past`. Returns the one
        occurrence of what is no more than a single meeting."""
        rows = self._all_of(at.account, at.meeting)
        laid_out = scene.laid_out(low, high)
        wanted = self._put_changed(at, before, scene, low, high, rows, laid_out)
        if wanted != rows.keys():
            kept = _kept_past(scene) if keeps_past else frozenset()
            for key in [key for key in rows if key not in wanted and not (key[0] in kept and self._start(rows[key]) < low)]:
                self._leave(at, key, rows.pop(key))
        return laid_out[0] if scene.is_single and len(laid_out) == 1 else None

    def extend(self, at: Moment, scene: Scene, low: int, high: int, looks: bool) -> None:
        """The clock moved: entries that begin in [low, high) ms join those there are. `looks`: part of that was laid out before."""
        # Beside that, only an exception can be in there before its time. Where neither is, nothing stored is looked at: a
        # tick concerns every series of an account.
        looks = looks or bool(scene.view.exceptions)
        rows = self._all_of(at.account, at.meeting) if looks else self._rows.setdefault((at.account, at.meeting), {})
        for laid in scene.laid_out(low, high):
            alike = scene.alike(laid.shown)
            contacts = [contact for contact in alike.contacts if (contact, laid.original) not in rows]
            _, start, end = laid.slot
            self._put(at, contacts, laid.original, start, end, alike.common(scene.of_series(laid.original)), rows)

    def close(self, at: Moment) -> None:
        """The meeting leaves all timelines."""
        rows = self._all_of(at.account, at.meeting)
        for key, row in rows.items():
            self._leave(at, key, row)
        rows.clear()

    def purge(self, account: str, meeting: str) -> None:
        """Every version of the meeting's entries goes for good."""
        self._purged[account, meeting] = None
        self._rows[account, meeting] = {}
        self._whole.add((account, meeting))
        self._drop(lambda row: row.common.account == account and row.common.meeting == meeting)
        self._left = {full: None for full in self._left if full[0] != account or full[2] != meeting}

    def move(self, account: str, contacts: Sequence[str], position: int, recorded_at: int) -> None:
        """These contacts became another: wherever they stand, the survivor does, a shared meeting once."""
        concerned = {row.meeting for contact in contacts for row in self._views.entries_of_contact(account, contact)}
        concerned.update(
            meeting for (of, meeting), rows in self._rows.items() if of == account and any(contact in contacts for contact, _ in rows)
        )
        self.load(account, sorted(concerned))
        for meeting in sorted(concerned):
            self._move_meeting(Moment(account, meeting, position, recorded_at), frozenset(contacts))

    def forget(self, account: str, contacts: Iterable[str], scrub: Scrub) -> None:
        """Every version of these contacts' entries goes, and nobody of the scrub's keys is named any more."""
        gone = frozenset(contacts)
        self._forgotten.update(((account, contact), None) for contact in gone)
        self._scrubbed.update(((account, key), None) for key in scrub.erased)
        self._drop(lambda row: row.common.account == account and row.contact in gone)
        self._new = [scrub.row(row) if row is not None and row.common.account == account else row for row in self._new]
        self._left = {full: None for full in self._left if full[0] != account or full[1] not in gone}
        for (of, _), rows in self._rows.items():
            if of == account:
                for key in [key for key in rows if key[0] in gone]:
                    del rows[key]

    def changes(self) -> Changes:
        """What the batch made of the entries."""
        return Changes(
            entries=[row for row in self._new if row is not None],
            closed=self._closed,
            left=list(self._left),
            purged=list(self._purged),
            scrubbed=list(self._scrubbed),
            forgotten=list(self._forgotten),
        )

    # --- one entry

    def _all_of(self, account: str, meeting: str) -> _Entries:
        key = account, meeting
        if key not in self._whole:
            self.load(account, (meeting,))
        found = self._rows.get(key)
        if found is None:
            found = self._rows[key] = {}
        return found

    def _put_changed(
        self, at: Moment, before: View | None, scene: Scene, low: int, high: int, rows: _Entries, laid_out: Sequence[Laid]
    ) -> set[Key]:
        """Put the entries that are new or differ from before; returns all that there are to be."""
        same = {}
        if rows and before is not None and _may_be_alike(before, scene.view) and _frame(before) == _frame(scene.view):
            same = {laid.original: laid for laid in layout.laid_out(before, low, high)}
        wanted: set[Key] = set()
        shown: Shown | None = None
        for laid in laid_out:
            original, (_, start, end), now = laid
            if now is not shown:
                shown, alike = now, scene.alike(now)
            contacts = alike.contacts
            for contact in contacts:
                wanted.add((contact, original))
            if same and same.get(original) == laid:
                contacts = [contact for contact in contacts if (contact, original) not in rows]
            if contacts:
                self._put(at, contacts, original, start, end, alike.common(scene.of_series(original)), rows)
        return wanted

    def _put(self, at: Moment, contacts: Sequence[str], original: int, start: int, end: int, common: Common, rows: _Entries) -> None:
        """An occurrence stands so in the timelines of these contacts."""
        new = self._new
        for contact in contacts:
            key = contact, original
            former = rows.get(key)
            if former is None:
                version = 1
            elif isinstance(former, int):
                version = self._row(former).version + 1
                self._end(at, former)
            else:
                version = former.version + 1
                self._closed.append((former.id, at.recorded_at))
            rows[key] = len(new)
            row = EntryRow(common, contact, original, start, end, version)
            new.append(row)
            if self._left:
                self._left.pop(row.full, None)

    def _row(self, place: int) -> EntryRow:
        row = self._new[place]
        assert row is not None  # what is taken back stands nowhere
        return row

    def _start(self, row: Standing | int) -> int:
        return self._row(row).start if isinstance(row, int) else row.start

    def _end(self, at: Moment, row: Standing | int) -> None:
        """This version holds no longer: one of this batch is marked, one stored is closed."""
        if isinstance(row, int):
            self._new[row] = replace(self._row(row), recorded_to=at.recorded_at)
        else:
            self._closed.append((row.id, at.recorded_at))

    def _leave(self, at: Moment, key: Key, row: Standing | int) -> None:
        """The entry stands in its timeline no longer."""
        self._end(at, row)
        self._left[at.account, key[0], at.meeting, key[1]] = None

    def _drop(self, goes: _Test) -> None:
        """Take back what this batch put, and spare closing what is about to be deleted."""
        self._new = [None if row is None or goes(row) else row for row in self._new]

    # --- merges

    def _move_meeting(self, at: Moment, gone: frozenset[str]) -> None:
        """Only the entries that move get a new version: the other guests' say of him what they said, and his id still answers."""
        rows = self._all_of(at.account, at.meeting)
        moving = {key: rows.pop(key) for key in sorted(rows) if key[0] in gone}
        whole = self._whole_rows(at.account, moving.values())
        moved: dict[int, Common] = {}
        for (key, row), former in zip(moving.items(), whole, strict=True):
            self._leave(at, key, row)
            contact, occurrence = key
            standing = self._contacts.standing(at.account, contact)
            if standing is not None and (standing, occurrence) not in rows:
                common = moved.get(id(former.common))
                if common is None:
                    common = moved[id(former.common)] = _moved(at, former.common, standing, gone)
                self._put(at, [standing], occurrence, former.start, former.end, common, rows)

    def _whole_rows(self, account: str, rows: Iterable[Standing | int]) -> list[EntryRow]:
        """These entries' rows; stored ones without whom this batch erased."""
        scrub = Scrub(key for of, key in self._scrubbed if of == account)
        stored = self._views.versions(account, [row.id for row in rows if not isinstance(row, int)])
        return [scrub.row(self._row(row) if isinstance(row, int) else stored[row.id]) for row in rows]


def _moved(at: Moment, common: Common, standing: str, gone: frozenset[str]) -> Common:
    about = _about.decode(f"{{{common.about}}}")
    if about.organizer is not None and about.organizer.contact in gone:
        about.organizer.contact = standing
    for participant in about.participants:
        if participant.contact in gone:
            participant.contact = standing
    return replace(common, position=at.position, recorded_from=at.recorded_at, about=fields(about))


class Scrub:
    """Takes the people of some keys out of what is said: neither name nor address of theirs is left in it. What was one object
    stays one."""

    def __init__(self, erased: Iterable[str]) -> None:
        self.erased = frozenset(erased)
        self.named = self.erased | {f"{TYPED}{key}" for key in self.erased}
        """Them as `Common.people` may name them."""
        # What is found here is held, so that its identity is nothing else's.
        self._made: dict[int, tuple[Common, Common]] = {}

    def row(self, row: EntryRow) -> EntryRow:
        """The same version without them."""
        common = self.common(row.common)
        return row if common is row.common else replace(row, common=common)

    def common(self, common: Common) -> Common:
        """The same without them; itself if it names none of them."""
        if self.named.isdisjoint(common.people):
            return common
        found = self._made.get(id(common))
        if found is None:
            found = self._made[id(common)] = common, self._without(common)
        return found[1]

    def _without(self, common: Common) -> Common:
        about, erased = _about.decode(f"{{{common.about}}}"), self.erased
        keys = tuple(key for key in common.people if not key.startswith(TYPED))
        count = len(about.participants)
        if not erased.isdisjoint(keys[count:]):
            about.organizer = None
        about.participants = tuple(p for p, key in zip(about.participants, keys[:count], strict=True) if key not in erased)
        typed = [key for key in common.people if key.startswith(TYPED)]
        texts = (msgspec.json.decode(common.title), about.location, about.conference_url)
        (title, about.location, about.conference_url), left = mentions.without(texts, typed, self.named)
        people = (*(key for key in keys if key not in erased), *left)
        return replace(common, people=people, title=_encode(title).decode(), about=fields(about))


def still_gone(removed: Iterable[tuple[str, str, str, int]], changes: Changes) -> list[tuple[str, str, str, int]]:
    """The entries that left their timelines: those of `changes.left`, and of the current ones that a store `removed` since they were
    purged or forgotten, those that do not stand there again."""
    left = dict.fromkeys(removed)
    if left:
        for row in changes.entries:
            if row.recorded_to is None:
                left.pop(row.full, None)
    left.update(dict.fromkeys(changes.left))
    return list(left)
