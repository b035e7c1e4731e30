"""Google Calendar v3 bodies as source events: pages of an events.list, bare lists of events, single events.

What must stay true:
- pure and total: whatever JSON a body holds, `translate` raises nothing; an item is said, refused or to be read, never lost;
- whatever is said here, the source log accepts: every event has passed `source_events.read`;
- ids and etags are opaque. An instance's id names neither its series nor its day (Calendar API, "Events: instances");
- what Google leaves out is unknown, never empty: a time that a tombstone lacks, a guest list that was cut short.

A cancelled item is told as what it says. With times, guests and a revision of its own it is the meeting's record, cancelled
for all; with less it is a tombstone, and so is the record of a meeting that a guest took off his calendar, who declines by it.

When it takes place, and how often, is read in times.py. Field by field from the Calendar API reference, Events resource.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from adapters import wording
from adapters.google.times import legible, moment, original_start, times, usable_zone
from adapters.wording import Hint, Refused, Translated
from domain import source_events
from domain.errors import BadInput
from domain.source_events import SourceEvent

LINK_PROPERTY = "rendezvousMeeting"
"""The private extended property in which our own writes carry our meeting id."""

_EVENT, _EVENTS = "calendar#event", "calendar#events"
_SIGNS_OF_AN_EVENT = frozenset(("start", "end", "status", "iCalUID", "recurringEventId", "originalStartTime"))
# Google stamps `updated` moments after `created`, so a first revision rarely has them equal.
_AT_ONCE = timedelta(seconds=5)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_KINDS = {
    "default": "meeting",
    "fromGmail": "meeting",
    "focusTime": "focus",
    "outOfOffice": "out-of-office",
    "workingLocation": "working-location",
    "birthday": "birthday",
}
_ANSWERS = {"needsAction": "needs-action", "accepted": "accepted", "declined": "declined", "tentative": "tentative"}
_PRIVATE = ("private", "confidential")
# Who may read a calendar, but not what stands in its private events; and who sees no details of any.
_OUTSIDERS = ("reader", "writerWithoutPrivateAccess")
_BLIND = ("freeBusyReader", "none")
# An event read with all its details has an organiser at the least.
_DETAILS = ("summary", "organizer", "creator", "attendees")
# Calendars that are no person's: rooms, groups, imported ones.
_NOBODYS = ".calendar.google.com"
_Accepted = tuple[dict[str, Any], SourceEvent]


class _Mailbox(NamedTuple):
    account: str
    user: str
    calendar: str
    address: str | None


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
    return examined(bodies, account, user, calendar, address)[0]


def examined(
    bodies: Iterable[object], account: str, user: str, calendar: str | None, address: str | None
) -> tuple[Translated, list[SourceEvent]]:
    """As `translate`, and its events, one for one, as the source log reads them: nobody need read them again."""
    mailbox = _Mailbox(account, user, calendar or "primary", address or _owners_address(calendar))
    said, read, unread = Translated([], [], []), list[SourceEvent](), dict[str, Hint]()
    for number, body in enumerate(bodies, 1):
        for item in _items(body, f"body {number}"):
            try:
                _tell(item, mailbox, said.events, read, unread)
            except BadInput as error:
                said.refused.append(Refused(_name(item), error.reason if not error.pointer else f"{error.pointer}: {error.reason}"))
    said.hints.extend(unread.values())
    return said, read


def _tell(item: _Item, box: _Mailbox, events: list[dict[str, Any]], read: list[SourceEvent], unread: dict[str, Hint]) -> None:
    """The item as one more event, or as one to be read by id; what is told later in the call has been read."""
    event = _event(item.value)
    if item.page.listed and _is_cut_short(event) and not _is_cancelled(event):
        unread[event["id"]] = Hint("event", event["id"])
        return
    said, as_read = _said(event, item.page, box)
    events.append(said)
    read.append(as_read)
    unread.pop(event["id"], None)


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
    if not value.get("id") or wording.clean(value["id"], 1024) != value["id"]:
        raise BadInput("id", "missing, no clean text, or longer than 1,024 characters")
    return value


# --- one event --------------------------------------------------------------------------------------------------------


def _said(event: dict[str, Any], page: _Page, box: _Mailbox) -> _Accepted:
    stamps = _Stamps(moment(event.get("created")), moment(event.get("updated")))
    if not _is_cancelled(event):
        return _enveloped(event, box, stamps, _event_id(event, box), *_meeting(event, page, box, stamps))
    if _is_record(event, box, stamps):
        # A record that cannot be said whole says at least that it is cancelled.
        with contextlib.suppress(BadInput):
            return _enveloped(event, box, stamps, _event_id(event, box, "cancelled"), *_meeting(event, page, box, stamps))
    return _enveloped(event, box, stamps, _event_id(event, box), *_deletion(event, page, box, stamps))


def _enveloped(event: dict[str, Any], box: _Mailbox, stamps: _Stamps, id: str, kind: str, data: dict[str, Any]) -> _Accepted:
    updated = stamps.updated
    return _accepted(
        wording.envelope(
            kind,
            id=id,
            source=f"/accounts/{box.account}/calendars/google/{box.calendar}",
            subject=event["id"],
            time=data["provenance"]["updated"] if updated else None,
            account=box.account,
            # Before 1970 a sequence would not compare as text.
            sequence=wording.sequence(updated) if updated and updated >= _EPOCH else None,
            data=data,
        )
    )


def _accepted(event: dict[str, Any]) -> _Accepted:
    """If the source log will take it: better refused here, by the provider's id, than there."""
    found = source_events.read(msgspec.json.encode(event))
    if isinstance(found, list):
        raise BadInput(found[0].pointer, "; ".join(problem.reason for problem in found[:3]))
    return event, found


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


def _deletion(event: dict[str, Any], page: _Page, box: _Mailbox, stamps: _Stamps) -> tuple[str, dict[str, Any]]:
    """Only the id of a tombstone is certain. Mostly it has no `updated` of its own, and its page's is not its time."""
    known = _provenance(event, page, box, stamps)
    return "meeting.deleted", {"provenance": {name: value for name, value in known.items() if value is not None}}


def _meeting(event: dict[str, Any], page: _Page, box: _Mailbox, stamps: _Stamps) -> tuple[str, dict[str, Any]]:
    created = stamps.created
    if created is None:
        raise BadInput("created", "missing or unreadable: without it nobody can tell whether the connection was active")
    updated = stamps.updated or created
    provenance = _provenance(event, page, box, _Stamps(created, updated)) | {"detailsHidden": _details_hidden(event, page)}
    data = {
        "side": "calendar",
        "provenance": provenance,
        "title": wording.clean(event.get("summary")) or None,
        "description": wording.clean(event.get("description"), None) or None,
        **times(event, page.time_zone),
        "status": _status(event),
        "privacy": "private" if event.get("visibility") in _PRIVATE else "public",
        "kind": _kind(event.get("eventType")),
        **_place(event, provenance["link"]),
        "participants": _participants(event, box),
    }
    new = abs(updated - created) <= _AT_ONCE and not _is_cancelled(event)
    return "meeting.created" if new else "meeting.updated", data


def _place(event: dict[str, Any], ours: str | None) -> dict[str, str | None]:
    """Place and conference. In an event of ours the link of a conference that is not Google's stands behind the place."""
    place, conference = wording.clean(event.get("location")) or None, _conference(event)
    if conference is None and ours:
        place, conference = wording.parted(place)
    return {"location": place, "conferenceUrl": conference}


def _status(event: dict[str, Any]) -> str:
    status = event.get("status")
    return status if status in ("tentative", "cancelled") else "confirmed"


def _provenance(event: dict[str, Any], page: _Page, box: _Mailbox, stamps: _Stamps) -> dict[str, Any]:
    created, updated = stamps
    ours = _link(event)
    return {
        "provider": "google",
        "user": box.user,
        "calendar": box.calendar,
        "primary": True,
        "id": event["id"],
        "revision": legible(event.get("etag")),
        "icalUid": legible(event.get("iCalUID")),
        "seriesId": legible(event.get("recurringEventId")),
        "originalStart": original_start(event.get("originalStartTime"), page.time_zone),
        "created": wording.instant(created) if created else None,
        "updated": wording.instant(updated) if updated else None,
        "origin": "rendezvous" if ours else "user",
        "link": ours,
    }


def _link(event: dict[str, Any]) -> str | None:
    return legible(_inside(_inside(event, "extendedProperties"), "private").get(LINK_PROPERTY))


def _details_hidden(event: dict[str, Any], page: _Page) -> bool:
    """Are the details, or only some guests, unknown to us rather than empty? By accessRole of events.list; an event read by id
    comes without one, and shows it by what it lacks."""
    private = event.get("visibility") in _PRIVATE and not legible(event.get("summary"))
    nothing = all(event.get(name) is None for name in _DETAILS)
    return page.access_role in _BLIND or (page.access_role in _OUTSIDERS and private) or nothing or _is_cut_short(event)


def _kind(event_type: object) -> str:
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


def _participants(event: dict[str, Any], box: _Mailbox) -> dict[str, dict[str, Any]]:
    """Guests in Google's order, without rooms, then the organiser if he is no guest (his own plain entries, say)."""
    organizer = _inside(event, "organizer")
    owner = _address(organizer, box)
    own, owners_seen, people = (owner or "").casefold(), False, []
    for person in _objects(event.get("attendees")):
        if person.get("resource") is not True and (email := _address(person, box)):
            is_owner = email.casefold() == own
            owners_seen = owners_seen or is_owner
            people.append(_guest(person, email, is_owner or person.get("organizer") is True))
    if owner and not owners_seen:
        people.append({"email": owner, "name": _display_name(organizer), "roles": {"owner": True}, "participationStatus": "accepted"})
    return {str(number): person for number, person in enumerate(people, 1)}


def _guest(person: dict[str, Any], email: str, owner: bool) -> dict[str, Any]:
    answer = person.get("responseStatus")
    roles = {"owner": True, "attendee": True} if owner else {"attendee": True}
    if person.get("optional") is True:
        roles["optional"] = True
    return {
        "email": email,
        "name": _display_name(person),
        "roles": roles,
        "participationStatus": _ANSWERS.get(answer, "needs-action") if isinstance(answer, str) else "needs-action",
    }


def _address(person: dict[str, Any], box: _Mailbox) -> str | None:
    given = (wording.clean(person.get("email")) or "").strip()
    return given or (box.address if person.get("self") is True else None)


def _is_own(person: dict[str, Any], box: _Mailbox) -> bool:
    """Is this the mailbox's owner, by Google's word or by his address?"""
    address = _address(person, box)
    return person.get("self") is True or bool(address and box.address and address.casefold() == box.address.casefold())


def _display_name(person: dict[str, Any]) -> str | None:
    return wording.clean(person.get("displayName")) or None


# --- reading loose JSON -----------------------------------------------------------------------------------------------


def _inside(value: dict[str, Any], key: str) -> dict[str, Any]:
    found = value.get(key)
    return found if isinstance(found, dict) else {}


def _objects(value: object) -> list[dict[str, Any]]:
    return [part for part in value if isinstance(part, dict)] if isinstance(value, list) else []
