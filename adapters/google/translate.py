"""Google Calendar v3 bodies as source events: pages of an events.list, bare lists of events, single events.

What must stay true:
- pure and total: whatever JSON a body holds, `translate` raises nothing; an item is said, refused or to be read, never lost;
- whatever is said here, the source log accepts: every event is as `source_events.read` would give it, and what might be too large for
  it goes through it;
- ids and etags are opaque. An instance's id names neither its series nor its day (Calendar API, "Events: instances");
- what Google leaves out is unknown, never empty: a time that a tombstone lacks, a guest list that was cut short.

A cancelled item is told as what it says. With times, guests and a revision of its own it is the meeting's record, cancelled
for all; with less it is a tombstone, and so is the record of a meeting that a guest took off his calendar, who declines by it.

When it takes place, and how often, is read in times.py. Field by field from the Calendar API reference, Events resource.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NamedTuple, TypeVar

import msgspec

from adapters import html_text, wording
from adapters.google.times import legible, moment, original_start, times, usable_zone
from adapters.wording import Hint, Refused, Translated
from domain import source_events
from domain.errors import BadInput
from domain.source_events import (
    DeletedData,
    Kind,
    LooseProvenance,
    MeetingData,
    Participant,
    Provenance,
    Roles,
    SourceEvent,
    Status,
)

LINK_PROPERTY = "rendezvousMeeting"
"""The private extended property in which our own writes carry our meeting id."""

_EVENT, _EVENTS = "calendar#event", "calendar#events"
_SIGNS_OF_AN_EVENT = frozenset(("start", "end", "status", "iCalUID", "recurringEventId", "originalStartTime"))
# Google stamps `updated` moments after `created`, so a first revision rarely has them equal.
_AT_ONCE = timedelta(seconds=5)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_Answer = Literal["needs-action", "accepted", "declined", "tentative"]
_KINDS: dict[str, Kind] = {
    "default": "meeting",
    "fromGmail": "meeting",
    "focusTime": "focus",
    "outOfOffice": "out-of-office",
    "workingLocation": "working-location",
    "birthday": "birthday",
}
_ANSWERS: dict[str, _Answer] = {"needsAction": "needs-action", "accepted": "accepted", "declined": "declined", "tentative": "tentative"}
_PRIVATE = ("private", "confidential")
# By whether somebody is the owner, and whether he may stay away.
_ROLES = {(owner, optional): Roles(owner=owner, attendee=True, optional=optional) for owner in (True, False) for optional in (True, False)}
# Who may read a calendar, but not what stands in its private events; and who sees no details of any.
_OUTSIDERS = ("reader", "writerWithoutPrivateAccess")
_BLIND = ("freeBusyReader", "none")
# An event read with all its details has an organiser at the least.
_DETAILS = ("summary", "organizer", "creator", "attendees")
# Calendars that are no person's: rooms, groups, imported ones.
_NOBODYS = ".calendar.google.com"
# So many guests, and so many characters of what Google sets no bound to, surely fit into an event of the log (MAX_BYTES): beside them it
# has a few thousand, and in JSON a clean character takes four bytes at most.
_FEW, _SHORT = 20, 14_000
_NAME = 200
"""Characters of a name that is no matter for the log's limits, alone or in another."""

_Where = TypeVar("_Where", Provenance, LooseProvenance)


class _Mailbox(NamedTuple):
    """`usual`: the log has nothing against its names."""

    account: str
    user: str
    calendar: str
    address: str | None
    source: str
    usual: bool


class _Page(NamedTuple):
    """What a page says about all its items. A single event, as it is read by id, comes without a page: not `listed`."""

    time_zone: str | None = None
    access_role: str | None = None
    listed: bool = False


class _Item(NamedTuple):
    """`where` it stood in the bodies, the decoded JSON itself, and the page around it."""

    where: str
    value: object
    page: _Page


class _Stamps(NamedTuple):
    """When Google made an event, and when it last changed it, in UTC; None if it does not say. Read once: several places need them."""

    created: datetime | None
    updated: datetime | None


def translate(bodies: Iterable[object], *, account: str, user: str, calendar: str | None = None, address: str | None = None) -> Translated:
    """Decoded Google bodies, in order, as source events of `user`'s primary calendar; what cannot be said is refused.

    `user` is the CRM user id of the connection's owner, `address` the owner's own address if it is not the calendar's id
    (it fills in for a person whom Google marks `self` without an e-mail address). A hint names a listed event whose guest
    list was cut short: read by id, it is told; its guests, where even then some are left out, as hidden details.

    >>> page = {"kind": "calendar#events", "items": [{"id": "7k1b0", "etag": '"1"', "status": "cancelled"}]}
    >>> said = translate([page, {"kind": "calendar#colors"}], account="62515", user="501")
    >>> said.events[0]["type"], said.events[0]["id"]
    ('rendezvous.meeting.deleted.v1', 'google:501:7k1b0:"1"')
    >>> said.refused
    [Refused(what='body 2', reason='calendar#colors, not an event or a list of events')]
    """
    refused, unread = list[Refused](), dict[str, Hint]()
    events = [public(said) for said, _ in _told(bodies, _mailbox(account, user, calendar, address), refused, unread)]
    return Translated(events, refused, [*unread.values()])


class Examined(NamedTuple):
    """As `Translated`, but for the events, which are as the source log reads them."""

    events: list[SourceEvent]
    refused: list[Refused]
    hints: list[Hint]


def examined(bodies: Iterable[object], account: str, user: str, calendar: str | None, address: str | None) -> Examined:
    """As `translate`, for the log's own door: nobody need read the events again."""
    refused, unread = list[Refused](), dict[str, Hint]()
    events = [read for _, read in _told(bodies, _mailbox(account, user, calendar, address), refused, unread)]
    return Examined(events, refused, [*unread.values()])


def _mailbox(account: str, user: str, calendar: str | None, address: str | None) -> _Mailbox:
    named = calendar or "primary"
    usual = all(0 < len(name) <= _NAME and name.isprintable() for name in (account, user, named, address or named))
    source = f"/accounts/{account}/calendars/google/{named}"
    return _Mailbox(account, user, named, address or _owners_address(calendar), source, usual)


def _told(
    bodies: Iterable[object], box: _Mailbox, refused: list[Refused], unread: dict[str, Hint]
) -> Iterator[tuple[SourceEvent, SourceEvent]]:
    """Each item's event as Google has it and as the log reads it, unless it is to be read by id; what is told later has been read."""
    for number, body in enumerate(bodies, 1):
        for item in _items(body, f"body {number}"):
            try:
                event = _event(item.value)
                if item.page.listed and _is_cut_short(event) and not _is_cancelled(event):
                    unread[event["id"]] = Hint("event", event["id"])
                    continue
                told = _said(event, item.page, box)
            except BadInput as error:
                refused.append(Refused(_name(item), error.reason if not error.pointer else f"{error.pointer}: {error.reason}"))
                continue
            unread.pop(event["id"], None)
            yield told


def _owners_address(calendar: str | None) -> str | None:
    """The id of a primary calendar is its owner's address."""
    return calendar if calendar and "@" in calendar and not calendar.casefold().endswith(_NOBODYS) else None


# --- what is in a body ------------------------------------------------------------------------------------------------


def _items(body: object, where: str) -> Iterator[_Item]:
    if not isinstance(body, list):
        yield from _in_object(body, where)
        return
    for number, part in enumerate(body, 1):
        yield from _in_object(part, f"{where}, item {number}")


def _in_object(body: object, where: str) -> Iterator[_Item]:
    """The items of a page; anything else is one item, said or refused as such."""
    if not isinstance(body, dict) or not _is_page(body):
        yield _Item(where, body, _Page())
        return
    page = _Page(usable_zone(body.get("timeZone")), legible(body.get("accessRole")), listed=True)
    for number, item in enumerate(body.get("items") or [], 1):
        yield _Item(f"{where}, item {number}", item, page)


def _is_page(body: dict[str, Any]) -> bool:
    kind, items = body.get("kind"), body.get("items")
    if items is None:
        return kind == _EVENTS
    if not isinstance(items, list):
        return False
    # A partial answer (`fields=`) may lack `kind`: then a list of calendars is known by what only its entries have.
    return not _are_calendars(items) if kind is None else kind == _EVENTS


def _are_calendars(items: list[Any]) -> bool:
    return bool(items) and all(isinstance(i, dict) and "accessRole" in i and i.get("kind") != _EVENT for i in items)


def _name(item: _Item) -> str:
    """The provider's id of a refused item, or where it stood."""
    given = item.value.get("id") if isinstance(item.value, dict) else None
    return wording.clean(given, 200) or item.where


def _event(value: object) -> dict[str, Any]:
    """This value as a Google event with a usable id."""
    if not isinstance(value, dict):
        raise BadInput("", "not a JSON object")
    if "error" in value:
        raise BadInput("", "an error answer, not an event")
    kind = legible(value.get("kind")) or ("a list of something else" if "items" in value else _EVENT)
    if kind != _EVENT:
        raise BadInput("", f"{kind[:80]}, not an event or a list of events")
    if _SIGNS_OF_AN_EVENT.isdisjoint(value):
        raise BadInput("", "neither an event nor what is left of one")
    if not value.get("id") or legible(value["id"], 1024) != value["id"]:
        raise BadInput("id", "missing, no clean text, or longer than 1,024 characters")
    return value


# --- one event --------------------------------------------------------------------------------------------------------


def _said(event: dict[str, Any], page: _Page, box: _Mailbox) -> tuple[SourceEvent, SourceEvent]:
    stamps = _Stamps(moment(event.get("created")), moment(event.get("updated")))
    if not _is_cancelled(event):
        return _accepted(event, box, stamps, "", _meeting(event, page, box, stamps))
    if _is_record(event, box, stamps):
        # A record that cannot be said whole says at least that it is cancelled.
        with contextlib.suppress(BadInput):
            return _accepted(event, box, stamps, "cancelled", _meeting(event, page, box, stamps))
    # Only the id of a tombstone is certain. Mostly it has no `updated` of its own, and its page's is not its time.
    gone = DeletedData(_provenance(LooseProvenance, event, page, box, *stamps))
    return _accepted(event, box, stamps, "", gone)


def _accepted(
    event: dict[str, Any], box: _Mailbox, stamps: _Stamps, form: str, data: MeetingData | DeletedData
) -> tuple[SourceEvent, SourceEvent]:
    """The event, and as the source log will take it: better refused here, by the provider's id, than there."""
    updated = stamps.updated
    said = SourceEvent(
        _event_id(event, box, form),
        box.source,
        _of_sort(event, data, stamps),
        box.account,
        event["id"],
        _in_ms(updated),
        # Before 1970 a sequence would not compare as text.
        wording.sequence(updated) if updated and updated >= _EPOCH else None,
        data,
    )
    read = source_events.examined(said) if box.usual and _is_short(data) else source_events.read(msgspec.json.encode(public(said)))
    if isinstance(read, list):
        raise BadInput(read[0].pointer, "; ".join(problem.reason for problem in read[:3]))
    return said, read


def _of_sort(event: dict[str, Any], data: MeetingData | DeletedData, stamps: _Stamps) -> str:
    """What kind of source event this is."""
    if isinstance(data, DeletedData):
        return "meeting.deleted"
    created, updated = stamps
    new = updated is None or (created is not None and abs(updated - created) <= _AT_ONCE)
    return "meeting.created" if new and not _is_cancelled(event) else "meeting.updated"


def _is_short(data: MeetingData | DeletedData) -> bool:
    """Is it out of the question that this is too large for the log?"""
    where = data.provenance
    length = len(f"{where.revision}{where.ical_uid}{where.series_id}{where.link}")
    if isinstance(data, DeletedData):
        return length <= _SHORT
    if data.recurrence_rules or data.excluded_starts or data.added_starts:
        return False
    return len(data.participants) <= _FEW and length + len(data.description or "") <= _SHORT


def _in_ms(at: datetime | None) -> datetime | None:
    """The log's times have milliseconds."""
    return at if at is None or not at.microsecond % 1000 else at.replace(microsecond=at.microsecond // 1000 * 1000)


def _event_id(event: dict[str, Any], box: _Mailbox, form: str = "") -> str:
    """`form` tells apart what one revision may be said as: the tombstone in a list, and the record read by id."""
    revision = legible(event.get("etag")) or legible(event.get("updated")) or wording.digest(event)
    named = f"{revision}:{form}" if form else revision
    said = f"google:{box.user}:{event['id']}:{named}"
    # Google allows ids of 1,024 characters, the log as many for the whole.
    return said if len(said) <= 1024 else f"google:{box.user}:{wording.digest([event['id'], named])}"


def _is_cancelled(event: dict[str, Any]) -> bool:
    return event.get("status") == "cancelled"


def _is_cut_short(event: dict[str, Any]) -> bool:
    """Were guests left out of the list?"""
    return event.get("attendeesOmitted") is True


def _is_record(event: dict[str, Any], box: _Mailbox, stamps: _Stamps) -> bool:
    """Is this cancelled item the meeting's whole record, cancelled for all? Without its guests it would take them off the
    meeting, and without its revision's time it could not be told since when it is cancelled."""
    whole = _objects(event.get("attendees")) and not _is_cut_short(event) and event.get("start") is not None
    return bool(whole and stamps.created and stamps.updated) and not _withdrew(event, box)


def _withdrew(event: dict[str, Any], box: _Mailbox) -> bool:
    """Did a guest take the meeting off his own calendar? His copy keeps its details then, cancelled, and he has declined
    (Calendar API, Events resource, `status`)."""
    own = [p for p in _objects(event.get("attendees")) if _is_own(p, box)]
    organises = _is_own(_inside(event, "organizer"), box) or any(p.get("organizer") is True for p in own)
    return not organises and any(p.get("responseStatus") == "declined" for p in own)


def _meeting(event: dict[str, Any], page: _Page, box: _Mailbox, stamps: _Stamps) -> MeetingData:
    created = stamps.created
    if created is None:
        raise BadInput("created", "missing or unreadable: without it nobody can tell whether the connection was active")
    provenance = _provenance(Provenance, event, page, box, created, stamps.updated or created, _details_hidden(event, page))
    when = times(event, page.time_zone)
    location, conference_url = _place(event, provenance.link)
    return MeetingData(
        side="calendar",
        provenance=provenance,
        title=legible(event.get("summary"), wording.MAX_NAME),
        description=_description(event.get("description")),
        start=when.start,
        time_zone=when.time_zone,
        duration=when.duration,
        show_without_time=when.all_day,
        recurrence_rules=when.rhythm.rules,
        excluded_starts=when.rhythm.excluded,
        added_starts=when.rhythm.added,
        status=_status(event),
        privacy="private" if event.get("visibility") in _PRIVATE else "public",
        kind=_kind(event.get("eventType")),
        location=location,
        conference_url=conference_url,
        participants=_participants(event, box),
    )


def _description(value: object) -> str | None:
    """As text: a description "can contain HTML" (Calendar API, Events resource), and nothing says whether this one does."""
    text = legible(value)
    return text if text is None or not ("<" in text or "&" in text) else legible(html_text.plain(text))


def _place(event: dict[str, Any], ours: str | None) -> tuple[str | None, str | None]:
    """Place and conference. In an event of ours the link of a conference that is not Google's stands behind the place."""
    place, conference = legible(event.get("location"), wording.MAX_NAME), _conference(event)
    return wording.parted(place) if conference is None and ours else (place, conference)


def _status(event: dict[str, Any]) -> Status:
    status = event.get("status")
    return status if status in ("tentative", "cancelled") else "confirmed"


def _provenance(
    of: Callable[..., _Where],
    event: dict[str, Any],
    page: _Page,
    box: _Mailbox,
    created: datetime | None,
    updated: datetime | None,
    details_hidden: bool = False,
) -> _Where:
    ours = _link(event)
    return of(
        provider="google",
        user=box.user,
        calendar=box.calendar,
        primary=True,
        id=event["id"],
        revision=legible(event.get("etag")),
        ical_uid=legible(event.get("iCalUID")),
        series_id=legible(event.get("recurringEventId")),
        original_start=original_start(event.get("originalStartTime"), page.time_zone),
        created=_in_ms(created),
        updated=_in_ms(updated),
        origin="rendezvous" if ours else "user",
        link=ours,
        details_hidden=details_hidden,
    )


def _link(event: dict[str, Any]) -> str | None:
    if "extendedProperties" not in event:  # as nearly all are
        return None
    return legible(_inside(_inside(event, "extendedProperties"), "private").get(LINK_PROPERTY))


def _details_hidden(event: dict[str, Any], page: _Page) -> bool:
    """Are the details, or only some guests, unknown to us rather than empty? By accessRole of events.list; an event read by id
    comes without one, and shows it by what it lacks."""
    if page.access_role in _BLIND or _is_cut_short(event):
        return True
    if page.access_role in _OUTSIDERS and event.get("visibility") in _PRIVATE and not legible(event.get("summary")):
        return True
    return all(event.get(name) is None for name in _DETAILS)


def _kind(event_type: object) -> Kind:
    """What sort of entry this is; events older than `eventType` have none and are meetings.

    >>> _kind("focusTime"), _kind(None), _kind("somethingNew")
    ('focus', 'meeting', 'other')
    """
    return _KINDS.get(event_type, "other") if isinstance(event_type, str) else "meeting"


def _conference(event: dict[str, Any]) -> str | None:
    if "conferenceData" not in event:
        return wording.link(event.get("hangoutLink"))
    points = _inside(event, "conferenceData").get("entryPoints")
    videos = [p.get("uri") for p in _objects(points) if p.get("entryPointType") == "video"]
    return next((found for found in map(wording.link, [event.get("hangoutLink"), *videos]) if found), None)


# --- people -----------------------------------------------------------------------------------------------------------


def _participants(event: dict[str, Any], box: _Mailbox) -> dict[str, Participant]:
    """Guests in Google's order, without rooms, then the organiser if he is no guest (his own plain entries, say)."""
    organizer = _inside(event, "organizer")
    owner = _address(organizer, box)
    own, owners_seen, people = (owner or "").casefold(), False, dict[str, Participant]()
    for person in _objects(event.get("attendees")):
        if person.get("resource") is not True and (email := _address(person, box)):
            is_owner = email.casefold() == own
            owners_seen = owners_seen or is_owner
            people[str(len(people) + 1)] = _guest(person, email, is_owner or person.get("organizer") is True)
    if owner and not owners_seen:
        people[str(len(people) + 1)] = Participant(owner, _display_name(organizer), Roles(owner=True), "accepted")
    return people


def _guest(person: dict[str, Any], email: str, owner: bool) -> Participant:
    answer = person.get("responseStatus")
    answered = _ANSWERS.get(answer, "needs-action") if isinstance(answer, str) else "needs-action"
    return Participant(email, _display_name(person), _ROLES[owner, person.get("optional") is True], answered)


def _address(person: dict[str, Any], box: _Mailbox) -> str | None:
    given = (legible(person.get("email"), wording.MAX_NAME) or "").strip()
    return given or (box.address if person.get("self") is True else None)


def _is_own(person: dict[str, Any], box: _Mailbox) -> bool:
    """Is this the mailbox's owner, by Google's word or by his address?"""
    address = _address(person, box)
    return person.get("self") is True or bool(address and box.address and address.casefold() == box.address.casefold())


def _display_name(person: dict[str, Any]) -> str | None:
    return legible(person.get("displayName"), wording.MAX_NAME)


# --- as JSON ----------------------------------------------------------------------------------------------------------


def public(event: SourceEvent) -> dict[str, Any]:
    """An event of this module in the public form, as `rendezvous translate` prints it."""
    return wording.envelope(
        event.kind,
        id=event.id,
        source=event.source,
        subject=event.subject,
        time=wording.instant(event.time) if event.time else None,
        account=event.account,
        sequence=event.sequence,
        data=_public_deletion(event.data) if isinstance(event.data, DeletedData) else _public_meeting(event.data),
    )


def _public_deletion(data: DeletedData) -> dict[str, Any]:
    known = _public_provenance(data.provenance)
    return {"provenance": {name: value for name, value in known.items() if value is not None and name != "detailsHidden"}}


def _public_meeting(data: MeetingData) -> dict[str, Any]:
    said: dict[str, Any] = msgspec.to_builtins(data)
    del said["associations"]
    people = {number: _public_person(person) for number, person in data.participants.items()}
    return said | {"provenance": _public_provenance(data.provenance), "participants": people}


def _public_provenance(where: Provenance | LooseProvenance) -> dict[str, Any]:
    said: dict[str, Any] = msgspec.to_builtins(where)
    return said | {name: wording.instant(at) if (at := getattr(where, name)) else None for name in ("created", "updated")}


def _public_person(person: Participant) -> dict[str, Any]:
    roles = {name: True for name, has in msgspec.structs.asdict(person.roles).items() if has}
    return {"email": person.email, "name": person.name, "roles": roles, "participationStatus": person.participation_status}


# --- reading loose JSON -----------------------------------------------------------------------------------------------


def _inside(value: dict[str, Any], key: str) -> dict[str, Any]:
    found = value.get(key)
    return found if isinstance(found, dict) else {}


def _objects(value: object) -> list[dict[str, Any]]:
    return [part for part in value if isinstance(part, dict)] if isinstance(value, list) else []
