"""Google's calendars: who has which event, and what becomes of it when the organiser or a guest changes it.

An `Event` is what all see of it; a `Copy` is one calendar's: its revision, what its owner set for himself, and whether he removed
it. All copies have the event's id and iCalendar UID. An exception of a series is an event of its own, with a master.

What must stay true: every change of what a calendar shows gives its copy a new revision (`Copy.rev`, counted over all calendars), a
new ETag and, unless only its owner sees it, a new `updated`; `updated` never repeats and never goes back. What a call changes is
checked before anything is changed.
"""

from __future__ import annotations

import base64
import copy as copying
import datetime as dt
import re
from collections.abc import Callable, Iterable
from typing import Any

from msgspec import Struct, field

from services.sandbox import google_bodies as bodies
from services.sandbox import google_times as times
from services.sandbox.google_words import (
    Refusal,
    deleted,
    duplicate,
    forbidden_non_organizer,
    forbidden_writer,
    invalid,
    not_found,
    required,
    time_range_empty,
)
from services.sandbox.world import World

Wire = dict[str, Any]

ADDRESS = re.compile(r"[^@\s<>,]+@[^@\s<>,]+")
EVENT_ID = re.compile(r"[a-v0-9]{5,1024}")
INSTANCE_ID = re.compile(r"(.+)_(\d{8}(?:T\d{6}Z)?)")
# What every copy has for itself; and what a guest has for himself beside.
OWN = ("reminders", "colorId")
GUESTS_OWN = (*OWN, "transparency", "visibility")
GUEST_RIGHTS = ("guestsCanInviteOthers", "guestsCanModify", "guestsCanSeeOtherGuests", "anyoneCanAddSelf")
KIND_DETAILS = ("focusTimeProperties", "outOfOfficeProperties", "workingLocationProperties", "birthdayProperties")
SHARED = (
    *("summary", "description", "location", "start", "end", "recurrence", "conferenceData", "source", "attachments"),
    *("transparency", "visibility", "eventType", "endTimeUnspecified", *GUEST_RIGHTS, *KIND_DETAILS),
)
# A change of one of these is a new revision for iCalendar.
SCHEDULE = ("start", "end", "recurrence", "location")
EVENT_TYPES = ("birthday", "default", "focusTime", "fromGmail", "outOfOffice", "workingLocation")
ANSWERS = ("needsAction", "declined", "tentative", "accepted")
READS = ("freeBusyReader", "reader", "writerWithoutPrivateAccess", "writer", "owner")
WRITES = ("writerWithoutPrivateAccess", "writer", "owner")


class Event(Struct, kw_only=True):
    """What all see. `attendees` by address in lower case; `master` and `original` of an exception only; `created` in ms."""

    id: str
    uid: str
    organizer: str
    creator: str
    created: int
    fields: Wire
    attendees: dict[str, Wire] = field(default_factory=dict)
    shared_properties: dict[str, str] = field(default_factory=dict)
    cancelled: bool = False
    tentative: bool = False
    sequence: int = 0
    master: str | None = None
    original: Wire | None = None

    @property
    def recurrence(self) -> list[str]:
        """Its lines; empty if it is no series."""
        return self.fields.get("recurrence") or []


class Copy(Struct, kw_only=True):
    """One calendar's. `stamp` (ms) makes the ETag."""

    event: Event
    calendar: str
    own: Wire = field(default_factory=dict)
    properties: dict[str, str] = field(default_factory=dict)
    removed: bool = False
    rev: int = 0
    stamp: int = 0
    updated: int = 0

    @property
    def gone(self) -> bool:
        """Is it cancelled, for all or in this calendar?"""
        return self.removed or self.event.cancelled

    @property
    def etag(self) -> str:
        """Opaque to clients."""
        return f'"{self.stamp * 2000}"'

    def value(self, name: str) -> Any:
        """A field, as this calendar has it."""
        return self.own.get(name, self.event.fields.get(name))


class Calendar(Struct, kw_only=True):
    """`acl` is address -> role. A primary calendar's id is its owner's address."""

    id: str
    owner: str
    summary: str
    zone: str
    primary: bool
    acl: dict[str, str]
    rev: int
    copies: dict[str, Copy] = field(default_factory=dict)
    oldest_token: int = 0


class Mailbox(Struct, kw_only=True):
    """A person with a Google account."""

    address: str
    name: str
    zone: str


class Mailing:
    """Whom Google mails about a change: `sendUpdates` is all, externalOnly (guests without a Google calendar) or none. The organiser
    is mailed answers, and his own changes never."""

    def __init__(self, world: World, send_updates: str) -> None:
        self._world, self._mode = world, send_updates

    def tell(self, kind: str, event: Event, people: Iterable[str], google: Iterable[str]) -> None:
        """Mail guests: kind is invitation, update or cancellation. `google`: addresses with a Google calendar."""
        inside = set(google)
        for who in people:
            if who != event.organizer and (self._mode == "all" or (self._mode == "externalOnly" and who not in inside)):
                self._world.mail("google", kind, event.organizer, who, event.uid, event.fields.get("summary", ""))

    def answer(self, event: Event, guest: str) -> None:
        """Mail the organiser that a guest answered."""
        if self._mode == "all":
            self._world.mail("google", "response", guest, event.organizer, event.uid, event.fields.get("summary", ""))


class Calendars:
    """All of them. `changed` hears the ids of calendars after each change."""

    def __init__(self, world: World, changed: Callable[[str], None]) -> None:
        self.mailboxes: dict[str, Mailbox] = {}
        self.calendars: dict[str, Calendar] = {}
        self.rev = 0
        self._world, self._changed = world, changed
        self._stamp = 0
        self._touched: dict[str, None] = {}

    # --- people and calendars ---

    def add_mailbox(self, address: str, name: str | None, zone: str) -> Mailbox:
        """A person and his primary calendar; one that is there stays."""
        address = address.lower()
        if address not in self.mailboxes:
            times.zone(zone)
            self.mailboxes[address] = Mailbox(address=address, name=name or address.partition("@")[0].title(), zone=zone)
            self.add_calendar(address, address, address, zone)
        return self.mailboxes[address]

    def add_calendar(self, owner: str, id: str, summary: str, zone: str) -> Calendar:
        """A calendar of his; primary if its id is his address."""
        self.rev += 1
        made = Calendar(id=id, owner=owner, summary=summary, zone=zone, primary=id == owner, acl={owner: "owner"}, rev=self.rev)
        self.calendars[id] = made
        return made

    def share(self, id: str, address: str, role: str) -> None:
        """Give another person a role in a calendar: one of `READS`."""
        self.rev += 1
        self.calendars[id].acl[address.lower()], self.calendars[id].rev = role, self.rev

    def calendar(self, id: str, viewer: str, *, write: bool = False) -> Calendar:
        """By id or `primary`, if he may. Raises `Refusal`."""
        found = self.calendars.get(viewer if id == "primary" else id) or self.calendars.get(id.lower())
        role = found.acl.get(viewer) if found else None
        if found is None or role not in READS:
            raise not_found()
        if write and role not in WRITES:
            raise forbidden_writer()
        return found

    def calendars_of(self, viewer: str) -> list[Calendar]:
        """Those he sees, his primary one first."""
        mine = [each for each in self.calendars.values() if each.acl.get(viewer) in READS]
        return sorted(mine, key=lambda each: (not (each.primary and each.owner == viewer), each.id))

    # --- finding ---

    def copy(self, calendar: Calendar, id: str) -> Copy:
        """A copy that is stored, gone or not. Raises `Refusal`."""
        found = calendar.copies.get(id)
        if found is None:
            raise not_found()
        return found

    def find(self, calendar: Calendar, id: str) -> Copy:
        """A copy, or an instance of a series as a copy that nobody has stored. Raises `Refusal`."""
        if id in calendar.copies:
            return calendar.copies[id]
        match = INSTANCE_ID.fullmatch(id)
        master = calendar.copies.get(match[1]) if match else None
        if match is None or master is None:
            raise not_found()
        # A day more than the instance's own, whatever the zone.
        until = times.day(match[2][:8]) + dt.timedelta(days=2)
        for original in self.originals(master, until):
            if times.stamp(original) == match[2]:
                return self.instance(master, original)
        raise not_found()

    def far(self) -> dt.datetime:
        """The instant to which series without an end are laid out: two years and a half from now."""
        return dt.datetime.fromtimestamp(self._world.now() / 1000, dt.UTC) + dt.timedelta(days=915)

    def originals(self, master: Copy, until: dt.datetime) -> Iterable[Wire]:
        """The starts that a series makes, up to an instant; none of what is no series."""
        lines = master.event.recurrence
        return times.occurrences(master.event.fields["start"], lines, until) if lines else ()

    def exceptions(self, master: Copy) -> list[Copy]:
        """Those of a series in its calendar."""
        return [each for each in self.calendars[master.calendar].copies.values() if each.event.master == master.event.id]

    def instance(self, master: Copy, original: Wire) -> Copy:
        """One occurrence, as a copy that is not stored; it has the series' revision."""
        whole = master.event
        fields = {name: value for name, value in whole.fields.items() if name != "recurrence"}
        fields["start"] = original
        fields["end"] = times.ended(whole.fields["start"], whole.fields["end"], original)
        one = Event(
            id=f"{whole.id}_{times.stamp(original)}",
            uid=whole.uid,
            organizer=whole.organizer,
            creator=whole.creator,
            created=whole.created,
            fields=fields,
            attendees=copying.deepcopy(whole.attendees),
            shared_properties=dict(whole.shared_properties),
            cancelled=whole.cancelled,
            tentative=whole.tentative,
            sequence=whole.sequence,
            master=whole.id,
            original=original,
        )
        return Copy(
            event=one,
            calendar=master.calendar,
            own=dict(master.own),
            properties=dict(master.properties),
            removed=master.removed,
            rev=master.rev,
            stamp=master.stamp,
            updated=master.updated,
        )

    # --- writing ---

    def insert(self, calendar: Calendar, creator: str, body: Wire, mail: Mailing, *, foreign: bool = False) -> Copy:
        """A new event. `foreign`: an import, with an iCalendar UID and perhaps somebody else's. Raises `Refusal`."""
        bodies.event(body)
        id = _foreign_id(body) if foreign else body.get("id") or self._new_id()
        if not foreign and not EVENT_ID.fullmatch(id):
            raise invalid("Invalid resource id value.")
        if id in calendar.copies:
            raise duplicate()
        wanted = self._wanted({}, body, calendar)
        if wanted.get("eventType", "default") in ("focusTime", "outOfOffice", "workingLocation") and not calendar.primary:
            raise invalid("Events of this type can only be made on a primary calendar.")
        event = Event(
            id=id,
            uid=body.get("iCalUID") or f"{id}@google.com",
            organizer=_foreign_organizer(body, calendar.id) if foreign else calendar.id,
            creator=creator,
            created=self._world.now() // 1000 * 1000,
            fields={name: value for name, value in wanted.items() if name in SHARED and name not in OWN},
            attendees=_attendees(body.get("attendees") or []),
            shared_properties=_properties(body, "shared"),
            tentative=body.get("status") == "tentative",
            sequence=int(body.get("sequence") or 0),
        )
        made = Copy(event=event, calendar=calendar.id, properties=_properties(body, "private"))
        made.own = {name: wanted[name] for name in OWN if name in wanted}
        calendar.copies[id] = made
        mail.tell("invitation", event, event.attendees, self.mailboxes)
        self._spread(event, {calendar.id})
        self._tell()
        return made

    def change(self, calendar: Calendar, id: str, body: Wire, mail: Mailing, *, whole: bool = False, received: bool = False) -> Copy:
        """PATCH, or with `whole` PUT: what is left out falls back. `received`: it is the organiser's word. Raises `Refusal`."""
        found = self.find(calendar, id)
        bodies.event(body)
        if body.get("status") == "cancelled" and not found.gone:
            return self.remove(calendar, id, mail)
        old = self._as_written(found)
        merged = {"eventType": old.get("eventType"), **body} if whole else _merged(old, body)
        wanted = self._wanted(old, merged, calendar, exception=found.event.master is not None)
        owns = received or found.event.organizer == calendar.id
        if not owns:
            _refuse_guest(found, old, wanted, merged)
        found = self._stored(calendar, found)
        mine = OWN if owns else GUESTS_OWN
        changed = {name: wanted.get(name) for name in (*SHARED, *OWN) if wanted.get(name) != old.get(name)}
        people = _attendees(merged.get("attendees") or [])
        if not owns:
            people = self._guests_word(found.event, people, calendar.id)
        fields = {name: value for name, value in changed.items() if name not in mine}
        self._apply(found, fields, {n: v for n, v in changed.items() if n in mine}, people, merged, mail)
        self._tell()
        return found

    def remove(self, calendar: Calendar, id: str, mail: Mailing) -> Copy:
        """DELETE: for all if it is the organiser's calendar, and a guest's answer otherwise. Raises `Refusal`."""
        found = self.find(calendar, id)
        if found.gone:
            raise deleted()
        found = self._stored(calendar, found)
        event = found.event
        if event.organizer == calendar.id:
            mail.tell("cancellation", event, event.attendees, self.mailboxes)
            self._call_off(found)
        else:
            found.removed = True
            for exception in self.exceptions(found):
                exception.removed = True
                self._touch(exception, self._next_stamp())
            self._answer(event, calendar.id, "declined", None, mail)
        self._tell()
        return found

    def respond(self, calendar: Calendar, id: str, answer: str, comment: str | None, mail: Mailing) -> Copy:
        """A guest answers, for the whole or for one instance. Raises `Refusal`."""
        if answer not in ANSWERS:
            raise invalid("Invalid attendee response status.")
        found = self.find(calendar, id)
        if calendar.id not in found.event.attendees:
            raise not_found()
        found = self._stored(calendar, found)
        found.removed = found.removed and answer == "declined"
        self._answer(found.event, calendar.id, answer, comment, mail)
        self._tell()
        return found

    def import_(self, calendar: Calendar, creator: str, body: Wire) -> Copy:
        """events.import: by iCalendar UID, nobody is invited. Raises `Refusal`."""
        uid = bodies.event(body).get("iCalUID")
        if not uid:
            raise required("Missing iCalUID.")
        nobody = Mailing(self._world, "none")
        known = next((c for c in calendar.copies.values() if c.event.uid == uid and c.event.master is None), None)
        if known is None:
            return self.insert(calendar, creator, body, nobody, foreign=True)
        return self.change(calendar, known.event.id, body, nobody, whole=True, received=True)

    def withdraw(self, calendar: Calendar, uid: str) -> Copy:
        """An organiser elsewhere calls off what was imported. Raises `Refusal`."""
        known = next((c for c in calendar.copies.values() if c.event.uid == uid and c.event.organizer not in self.calendars), None)
        if known is None:
            raise not_found()
        self._call_off(known)
        self._tell()
        return known

    def relocate(self, calendar: Calendar, id: str, target: Calendar, mail: Mailing) -> Copy:
        """events.move: another calendar, and its owner, becomes the organiser. Raises `Refusal`."""
        found = self.copy(calendar, id)
        event = found.event
        if event.organizer != calendar.id or event.master is not None or found.gone:
            raise Refusal(400, "cannotChangeOrganizer", "Cannot change the organizer of an instance.", "calendar")
        if id in target.copies and not target.copies[id].gone:
            raise duplicate()
        event.organizer = target.id
        found.removed = calendar.id not in event.attendees
        target.copies[id] = Copy(event=event, calendar=target.id)
        mail.tell("update", event, event.attendees, self.mailboxes)
        self._spread(event, {calendar.id, target.id})
        self._tell()
        return target.copies[id]

    def set_conference(self, found: Copy, data: Wire) -> None:
        """A conference that was asked for is there."""
        found.event.fields["conferenceData"] = data
        self._spread(found.event, set())
        self._tell()

    def invalidate(self, id: str | None) -> None:
        """Sync tokens of a calendar, or of all, that were given so far are too old. Raises `Refusal`."""
        if id is not None and id not in self.calendars:
            raise not_found()
        self.rev += 1
        for calendar in [self.calendars[id]] if id else self.calendars.values():
            calendar.oldest_token = self.rev

    # --- what a change does ---

    def _as_written(self, found: Copy) -> Wire:
        """A copy as a client would have written it, to be merged with what he now writes."""
        event = found.event
        written: Wire = {name: found.value(name) for name in (*SHARED, *OWN) if found.value(name) is not None}
        written["attendees"] = [dict(each) for each in event.attendees.values()]
        written["extendedProperties"] = {"private": dict(found.properties), "shared": dict(event.shared_properties)}
        written["status"] = "cancelled" if found.gone else "tentative" if event.tentative else "confirmed"
        written["sequence"] = event.sequence
        return copying.deepcopy(written)

    def _wanted(self, old: Wire, body: Wire, calendar: Calendar, *, exception: bool = False) -> Wire:
        """The fields as we keep them, checked. Raises `Refusal`."""
        wanted = {name: body[name] for name in (*SHARED, *OWN) if body.get(name) is not None}
        if exception:
            wanted.pop("recurrence", None)
        for which in ("start", "end"):
            if which not in wanted:
                raise required(f"Missing {which} time.")
            if wanted.get("recurrence") and isinstance(wanted[which], dict) and not {"date", "timeZone"} & set(wanted[which]):
                raise required(f"Missing time zone definition for {which} time.")
            wanted[which] = times.read(wanted[which], which, calendar.zone)
        _check_times(wanted, calendar)
        _check_kind(old, wanted)
        _attendees(body.get("attendees") or [])
        return wanted

    def _guests_word(self, event: Event, people: dict[str, Wire], guest: str) -> dict[str, Wire]:
        """What a guest says of the guests: his own answer, and whom he brings along."""
        after = copying.deepcopy(event.attendees)
        if guest in people and guest in after:
            after[guest] = people[guest]
        if event.fields.get("guestsCanInviteOthers", True):
            after |= {who: said for who, said in people.items() if who not in after}
        return after

    def _apply(self, found: Copy, fields: Wire, own: Wire, people: dict[str, Wire], merged: Wire, mail: Mailing) -> None:
        event, before = found.event, found.event.attendees
        private, shared = _properties(merged, "private"), _properties(merged, "shared")
        revived = found.gone and merged.get("status") != "cancelled"
        tentative = merged.get("status") == "tentative"
        ours = bool(fields) or people != before or shared != event.shared_properties or tentative != event.tentative or revived
        if not ours and not own and private == found.properties:
            return
        found.own |= own
        found.properties, event.shared_properties = private, shared
        if not ours:
            self._touch(found, self._next_stamp(), seen_by_all=False)
            return
        rescheduled = any(name in fields for name in SCHEDULE) or revived
        event.sequence = max(event.sequence + rescheduled, int(merged.get("sequence") or 0))
        event.tentative = tentative
        if revived:
            event.cancelled = found.removed = False
        self._hand_down(event, fields, before, people)
        self._set(event, fields)
        if "start" in fields or "recurrence" in fields:
            self._drop_orphans(event)
        event.attendees = people
        self._welcome(event, people.keys() - before.keys())
        self._mail_changes(event, before, bool(fields), mail)
        self._make_series_private(event, fields)
        self._spread(event, {found.calendar} | set(before))

    def _set(self, event: Event, fields: Wire) -> None:
        for name, value in fields.items():
            if value is None:
                event.fields.pop(name, None)
            else:
                event.fields[name] = value

    def _mail_changes(self, event: Event, before: dict[str, Wire], changed: bool, mail: Mailing) -> None:
        after = event.attendees
        mail.tell("invitation", event, [who for who in after if who not in before], self.mailboxes)
        mail.tell("cancellation", event, [who for who in before if who not in after], self.mailboxes)
        if changed:
            mail.tell("update", event, [who for who in after if who in before], self.mailboxes)

    def _welcome(self, event: Event, people: Iterable[str]) -> None:
        """Who is invited anew has his copy again, even if he had removed it."""
        for who in people:
            known = self.calendars[who].copies.get(event.id) if who in self.calendars else None
            if known is not None:
                known.removed = False

    def _hand_down(self, event: Event, fields: Wire, before: dict[str, Wire], people: dict[str, Wire]) -> None:
        """Exceptions follow their series in what they do not say differently."""
        for exception in self._exceptions_of(event):
            for name, value in fields.items():
                if name not in ("start", "end", "recurrence") and exception.fields.get(name) == event.fields.get(name):
                    self._set(exception, {name: value})
            for who in before.keys() - people.keys():
                exception.attendees.pop(who, None)
            for who in people.keys() - before.keys():
                exception.attendees[who] = dict(people[who])
            self._spread(exception, set(before))

    def _drop_orphans(self, event: Event) -> None:
        """A series that is laid out anew has no exceptions but those it still makes."""
        made = {times.stamp(start) for start in times.occurrences(event.fields["start"], event.recurrence, self.far())}
        for exception in self._exceptions_of(event):
            if exception.original is not None and times.stamp(exception.original) not in made and not exception.cancelled:
                exception.cancelled = True
                self._spread(exception, set())

    def _make_series_private(self, event: Event, fields: Wire) -> None:
        """One private instance makes the whole series private; the reverse is not so."""
        if event.master is None or fields.get("visibility") not in ("private", "confidential"):
            return
        master = self.calendars[event.organizer].copies.get(event.master) if event.organizer in self.calendars else None
        whole = [master.event, *self._exceptions_of(master.event)] if master else []
        for each in whole:
            each.fields["visibility"] = "private"
            self._spread(each, set())

    def _call_off(self, found: Copy) -> None:
        """Cancelled for all, and a series' exceptions with it."""
        event = found.event
        event.cancelled = True
        event.sequence += 1
        for exception in self._exceptions_of(event):
            if not exception.cancelled:
                exception.cancelled = True
                self._spread(exception, {found.calendar})
        self._spread(event, {found.calendar})

    def _answer(self, event: Event, guest: str, answer: str, comment: str | None, mail: Mailing) -> None:
        said = event.attendees.get(guest)
        if said is not None:
            said["responseStatus"] = answer
            if comment is not None:
                said["comment"] = comment
            mail.answer(event, guest)
            for exception in self._exceptions_of(event):
                if guest in exception.attendees:
                    exception.attendees[guest]["responseStatus"] = answer
                    self._spread(exception, set())
        self._spread(event, {guest})

    def _stored(self, calendar: Calendar, found: Copy) -> Copy:
        """An instance that is about to change becomes an exception: in every calendar that has its series, for it concerns all."""
        event = found.event
        if event.id in calendar.copies:
            return found
        series = self._holders(calendar.copies[event.master or ""].event)
        for id in series:
            copies = self.calendars[id].copies
            master = copies[event.master or ""]
            own, properties = dict(master.own), dict(master.properties)
            copies.setdefault(event.id, Copy(event=event, calendar=id, own=own, properties=properties, removed=master.removed))
        self._spread(event, series)
        return calendar.copies[event.id]

    def _exceptions_of(self, event: Event) -> list[Event]:
        """All that are kept somewhere: who has the series has them, and the organiser has all."""
        holders = [event.organizer] if event.organizer in self.calendars else self._holders(event)
        found = [c.event for id in holders for c in self.calendars[id].copies.values() if c.event.master == event.id]
        return list({id(each): each for each in found}.values())

    def _holders(self, event: Event) -> list[str]:
        """The calendars that have a copy of this event (not of another of its id)."""
        return [each.id for each in self.calendars.values() if (c := each.copies.get(event.id)) is not None and c.event is event]

    def _spread(self, event: Event, also: Iterable[str]) -> None:
        """Every calendar that has, or is to have, a copy shows the event as it is now. Who is no guest any more loses his."""
        stamp = self._next_stamp()
        concerned = [event.organizer, *also, *event.attendees] if event.organizer in self.calendars else self._holders(event)
        for id in dict.fromkeys(concerned):
            calendar = self.calendars.get(id)
            if calendar is None:
                continue
            known = calendar.copies.get(event.id)
            invited = id == event.organizer or id in event.attendees or event.organizer not in self.calendars
            if known is None and invited and not event.cancelled:
                known = calendar.copies[event.id] = Copy(event=event, calendar=id)
            if known is None or known.event is not event:
                continue  # that calendar has another event of this id: its owner chose the same one
            known.removed = known.removed or not invited
            self._touch(known, stamp)

    def _touch(self, copy: Copy, stamp: int, *, seen_by_all: bool = True) -> None:
        self.rev += 1
        copy.rev, copy.stamp = self.rev, stamp
        if seen_by_all:
            copy.updated = stamp
        self._touched[copy.calendar] = None

    def _tell(self) -> None:
        touched, self._touched = self._touched, {}
        for calendar in touched:
            self._changed(calendar)

    def _next_stamp(self) -> int:
        self._stamp = max(self._world.now(), self._stamp + 1)
        return self._stamp

    def _new_id(self) -> str:
        return "".join(self._world.chance.choices("0123456789abcdefghijklmnopqrstuv", k=26))


def _merged(old: Wire, said: Wire) -> Wire:
    """As PATCH merges: objects member by member, everything else, arrays too, whole; null takes away."""
    merged = dict(old)
    for name, value in said.items():
        if value is None:
            merged.pop(name, None)
        elif isinstance(value, dict) and isinstance(old.get(name), dict):
            merged[name] = _merged(old[name], value)
        else:
            merged[name] = value
    return merged


def _attendees(said: Any) -> dict[str, Wire]:
    """By address. Raises `Refusal`."""
    if not isinstance(said, list) or not all(isinstance(each, dict) and ADDRESS.fullmatch(str(each.get("email"))) for each in said):
        raise invalid("Invalid attendee email.")
    people = {str(each["email"]).lower(): _attendee(each) for each in said}
    if any(each["responseStatus"] not in ANSWERS for each in people.values()):
        raise invalid("Invalid attendee response status.")
    return people


def _attendee(said: Wire) -> Wire:
    kept = ("email", "displayName", "optional", "resource", "comment", "additionalGuests")
    return {name: said[name] for name in kept if said.get(name)} | {"responseStatus": said.get("responseStatus") or "needsAction"}


def _properties(body: Wire, kind: str) -> dict[str, str]:
    said = (body.get("extendedProperties") or {}).get(kind) or {}
    return {name: str(value) for name, value in said.items() if value is not None}


def _refuse_guest(found: Copy, old: Wire, wanted: Wire, merged: Wire) -> None:
    """A guest may change what is his own, and what the organiser lets him. Raises `Refusal`."""
    if _properties(merged, "shared") != found.event.shared_properties:
        raise forbidden_non_organizer()
    theirs = [name for name in SHARED if name not in GUESTS_OWN and wanted.get(name) != old.get(name)]
    rights = [name for name in theirs if name in GUEST_RIGHTS]
    if rights or (theirs and not found.event.fields.get("guestsCanModify")):
        raise forbidden_non_organizer()


def _foreign_id(body: Wire) -> str:
    """Made of the iCalendar UID: it is the same in every calendar that the event comes to."""
    return "_" + base64.b32hexencode(str(body["iCalUID"]).encode()).decode().rstrip("=").lower()


def _foreign_organizer(body: Wire, fallback: str) -> str:
    return str((body.get("organizer") or {}).get("email") or fallback).lower()


def _check_times(wanted: Wire, calendar: Calendar) -> None:
    start, end = wanted["start"], wanted["end"]
    if times.all_day(start) != times.all_day(end):
        raise invalid("Invalid start or end time: both must be dates, or both times.")
    if times.instant(end, calendar.zone) < times.instant(start, calendar.zone):
        raise time_range_empty()
    if wanted.get("recurrence"):
        times.series(start, wanted["recurrence"])


def _check_kind(old: Wire, wanted: Wire) -> None:
    kind = wanted.get("eventType", "default")
    if kind not in EVENT_TYPES:
        raise invalid("Invalid event type.", "eventType")
    if old and old.get("eventType", "default") != kind:
        raise Refusal(400, "eventTypeRestriction", "Event type cannot be changed.", "calendar")
    if wanted.get("visibility", "default") not in ("default", "public", "private", "confidential"):
        raise invalid("Invalid visibility.", "visibility")
