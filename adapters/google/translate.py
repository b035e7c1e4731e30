"""Google Calendar v3 bodies as source events: pages of an events.list, bare lists of events, single events.

What must stay true:
- pure and total: whatever JSON a body holds, `translate` raises nothing; an item is said, refused or to be read, never lost;
- whatever is said here, the source log accepts: every event has passed `source_events.read`;
- ids and etags are opaque. An instance's id names neither its series nor its day (Calendar API, "Events: instances");
- what Google leaves out is unknown, never empty: a time that a tombstone lacks, a guest list that was cut short.

A cancelled item is told as what it says. With times, guests and a revision of its own it is the meeting's record, cancelled
for all; with less it is a tombstone, and so is the record of a meeting that a guest took off his calendar, who declines by it.

Field by field from the Calendar API reference, Events resource; `recurrence` lines from RFC 5545 3.8.5.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from adapters import wording
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
_HOUR = timedelta(hours=1)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})?")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_FIXED_ZONE = re.compile(r"(?:GMT|UTC)([+-])(0?[0-9]|1[0-4])(?::?([0-5][0-9]))?")
_LINE = re.compile(r'(?P<name>[A-Za-z-]+)(?P<parameters>(?:;[A-Za-z-]+=(?:"[^"]*"|[^:;"]*))*):(?P<value>.*)')
_ZONE_PARAMETER = re.compile(r';TZID=("[^"]*"|[^:;"]*)', re.IGNORECASE)
_STAMP = re.compile(r"(?P<day>[0-9]{8})(?:[Tt](?P<clock>[0-9]{6})(?P<utc>[Zz])?)?")

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


class _Point(NamedTuple):
    """A start or an end: a date, or a time that is aware where a zone or an offset is known. `zone` as Google names it."""

    at: date | datetime
    zone: str | None = None


class _Frame(NamedTuple):
    """The local start, the IANA zone it is said in, and the zone Google wrote it in (None: floating or all-day)."""

    start: datetime
    zone: str | None = None
    written_in: tzinfo | None = None
    all_day: bool = False


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
    page = _Page(_usable_zone(body.get("timeZone")), _text(body.get("accessRole")), listed=True)
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
    kind = _text(value.get("kind")) or ("a list of something else" if "items" in value else _EVENT)
    if kind != _EVENT:
        raise BadInput("", f"{kind[:80]}, not an event or a list of events")
    if _SIGNS_OF_AN_EVENT.isdisjoint(value):
        raise BadInput("", "neither an event nor what is left of one")
    if not value.get("id") or wording.clean(value["id"], 1024) != value["id"]:
        raise BadInput("id", "missing, no clean text, or longer than 1,024 characters")
    return value


# --- one event --------------------------------------------------------------------------------------------------------


def _said(event: dict[str, Any], page: _Page, box: _Mailbox) -> _Accepted:
    stamps = _Stamps(_moment(event.get("created")), _moment(event.get("updated")))
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
    revision = _text(event.get("etag")) or _text(event.get("updated")) or wording.digest(event)
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
        **_times(event, page),
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
        "revision": _text(event.get("etag")),
        "icalUid": _text(event.get("iCalUID")),
        "seriesId": _text(event.get("recurringEventId")),
        "originalStart": _original_start(event.get("originalStartTime"), page),
        "created": wording.instant(created) if created else None,
        "updated": wording.instant(updated) if updated else None,
        "origin": "rendezvous" if ours else "user",
        "link": ours,
    }


def _link(event: dict[str, Any]) -> str | None:
    return _text(_inside(_inside(event, "extendedProperties"), "private").get(LINK_PROPERTY))


def _details_hidden(event: dict[str, Any], page: _Page) -> bool:
    """Are the details, or only some guests, unknown to us rather than empty? By accessRole of events.list; an event read by id
    comes without one, and shows it by what it lacks."""
    private = event.get("visibility") in _PRIVATE and not _text(event.get("summary"))
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


# --- when -------------------------------------------------------------------------------------------------------------


def _times(event: dict[str, Any], page: _Page) -> dict[str, Any]:
    """`start`, `timeZone`, `duration`, `showWithoutTime` and the recurrence of a live event."""
    start = _point(event.get("start"), "start", page.time_zone)
    if start is None:
        raise BadInput("start", "missing: neither a date nor a time")
    unspecified = event.get("endTimeUnspecified") is True
    end = None if unspecified else _point(event.get("end"), "end", start.zone)
    frame = _frame(start, series=bool(event.get("recurrence")))
    return {
        "start": frame.start.isoformat(),
        "timeZone": frame.zone,
        "duration": _length(start, end),
        "showWithoutTime": frame.all_day,
        **_recurrence(event.get("recurrence"), frame),
    }


def _point(value: object, field: str, default_zone: str | None) -> _Point | None:
    """A start or an end as Google writes it; None if it says neither date nor time."""
    if value is None:
        return None
    if not isinstance(value, dict):
        raise BadInput(field, "not an object")
    zone = _text(value.get("timeZone")) or default_zone
    if value.get("dateTime") is not None:
        return _Point(_placed(value["dateTime"], field, zone), zone)
    if value.get("date") is not None:
        return _Point(_day(value["date"], field))
    return None


def _placed(text: object, field: str, zone: str | None) -> datetime:
    """The time, aware by its own offset, else by its zone; naive (floating) if Google gave neither."""
    parsed = _parsed(text)
    if parsed is None:
        raise BadInput(f"{field}.dateTime", "not a time that any calendar knows")
    written = parsed.replace(microsecond=0) if parsed.microsecond else parsed
    if written.tzinfo is not None or zone is None:
        return written
    if (tz := _tz(zone)) is None:
        raise BadInput(f"{field}.timeZone", f"no IANA time zone, and no offset to go by: {zone[:80]!r}")
    return written.replace(tzinfo=tz)


def _day(text: object, field: str) -> date:
    try:
        if isinstance(text, str) and _DAY.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:  # the 30th of February, the year 0
        pass
    raise BadInput(f"{field}.date", "not a day that any calendar knows")


def _frame(start: _Point, *, series: bool) -> _Frame:
    """The local start, and the zone it is said in.

    >>> _frame(_Point(datetime(2026, 3, 9, 9, tzinfo=UTC), "Europe/Paris"), series=True)[:2]
    (datetime.datetime(2026, 3, 9, 10, 0), 'Europe/Paris')
    >>> _frame(_Point(date(2026, 3, 9)), series=False)[:2]
    (datetime.datetime(2026, 3, 9, 0, 0), None)
    """
    at = start.at
    if not isinstance(at, datetime):
        return _Frame(datetime.combine(at, time()), all_day=True)
    if at.tzinfo is None:
        return _Frame(at)
    zone, written_in = _zone(at, start.zone, series=series)
    local = _wall_clock(at, ZoneInfo(zone))
    if series and local.date() != _wall_clock(at, written_in).date():
        # The days of the rule (BYDAY, BYMONTHDAY) would be the days before or after.
        raise BadInput("start.timeZone", f"a series {at.utcoffset()} from UTC, of which UTC would change the days")
    if local.fold and not series:
        # A local time in a fold means the first of the two; the second can only be said outside its zone.
        return _Frame(_wall_clock(at, UTC), "UTC", UTC)
    return _Frame(local.replace(fold=0) if local.fold else local, zone, written_in)


def _zone(at: datetime, name: str | None, *, series: bool) -> tuple[str, tzinfo]:
    """The IANA zone to say this time in, and the zone it was written in: the same, unless that is a fixed offset."""
    written_in = _tz(name) if name else at.tzinfo
    if isinstance(written_in, ZoneInfo):
        return written_in.key, written_in
    if written_in is not None:
        return _fixed_zone(written_in.utcoffset(at) or timedelta()), written_in
    if series:
        raise BadInput("start.timeZone", f"no IANA time zone: {(name or '')[:80]!r}")
    return "UTC", UTC


def _tz(name: str) -> tzinfo | None:
    """An IANA zone, or an offset as Google writes one for a zone (`GMT+05:30`)."""
    if source_events.zone_exists(name):
        return ZoneInfo(name)
    if (found := _FIXED_ZONE.fullmatch(name)) is None:
        return None
    offset = timedelta(hours=int(found[2]), minutes=int(found[3] or 0))
    return timezone(-offset if found[1] == "-" else offset)


def _fixed_zone(offset: timedelta) -> str:
    """The IANA name of a fixed offset, whose sign is the other way round; UTC where there is none.

    >>> _fixed_zone(timedelta(hours=2)), _fixed_zone(timedelta(hours=-7)), _fixed_zone(timedelta(hours=5.5))
    ('Etc/GMT-2', 'Etc/GMT+7', 'UTC')
    """
    hours, rest = divmod(offset, _HOUR)
    return "UTC" if rest or not hours or not -12 <= hours <= 14 else f"Etc/GMT{-hours:+d}"


def _wall_clock(at: datetime, tz: tzinfo) -> datetime:
    """The naive local time in `tz`. What was written in `tz` stays as it was written, also in a gap."""
    try:
        there = at.astimezone(tz)
    except (OverflowError, ValueError):  # the first and the last day of the calendar
        raise BadInput("start", "outside the years 1 to 9999") from None
    return datetime.combine(there, there.time())  # four times as fast as `replace`, and this is done for each time of each event


def _length(start: _Point, end: _Point | None) -> str:
    """Whole days of an all-day meeting; of any other the exact time that passes, in which days are no unit."""
    if not isinstance(start.at, datetime):
        return _length_in_days(start.at, end)
    if end is None:
        return "PT0S"
    if not isinstance(end.at, datetime) or (start.at.tzinfo is None) != (end.at.tzinfo is None):
        raise BadInput("end", "not of the same sort as the start")
    return _duration(_absolute(end.at) - _absolute(start.at))


def _length_in_days(start: date, end: _Point | None) -> str:
    if end is None:
        return "P1D"
    if isinstance(end.at, datetime):
        raise BadInput("end", "a time, where the start is a date")
    if end.at < start:
        raise BadInput("end", "before the start")
    return f"P{(end.at - start).days}D"


@lru_cache(maxsize=1024)
def _duration(passed: timedelta) -> str:
    """ISO 8601, in hours, minutes and seconds.

    >>> _duration(timedelta(minutes=90)), _duration(timedelta(days=2)), _duration(timedelta())
    ('PT1H30M', 'PT48H', 'PT0S')
    """
    if passed < timedelta():
        raise BadInput("end", "before the start")
    minutes, seconds = divmod(passed.days * 86_400 + passed.seconds, 60)
    parts = zip((*divmod(minutes, 60), seconds), "HMS", strict=True)
    return "PT" + ("".join(f"{count}{unit}" for count, unit in parts if count) or "0S")


def _absolute(at: datetime) -> datetime:
    """In UTC, so that a difference is what passed and not what the clocks show; a floating time is read as UTC."""
    return _wall_clock(at, UTC) if at.tzinfo else at


def _original_start(value: object, page: _Page) -> str | None:
    """Where the series would have it: an instant, of a date its midnight in UTC."""
    point = _point(value, "originalStartTime", page.time_zone)
    if point is None:
        return None
    at = _absolute(point.at) if isinstance(point.at, datetime) else datetime.combine(point.at, time())
    return f"{at.isoformat()}Z"


# --- how often --------------------------------------------------------------------------------------------------------


def _recurrence(lines: object, frame: _Frame) -> dict[str, list[str]]:
    """Google's `recurrence`: RRULE values as they are, EXDATE and RDATE as starts local in the meeting's zone.

    >>> said = _recurrence(["RRULE:FREQ=DAILY", "EXDATE:20260310T090000Z"], _Frame(datetime(2026, 3, 9, 10), "Europe/Paris"))
    >>> said["recurrenceRules"], said["excludedStarts"]
    (['FREQ=DAILY'], ['2026-03-10T10:00:00'])
    """
    found: dict[str, list[str]] = {"recurrenceRules": [], "excludedStarts": [], "addedStarts": []}
    if lines is not None and not isinstance(lines, list):
        raise BadInput("recurrence", "not a list")
    for line in lines or ():
        match = _LINE.fullmatch(wording.clean(line, None) or "")
        if match is None:
            raise BadInput("recurrence", "a line that is no iCalendar property")
        name, parameters, value = match.groups()
        if name.upper() == "RRULE":
            found["recurrenceRules"].append(value)
        elif name.upper() == "EXDATE":
            found["excludedStarts"] += _starts(value, parameters, frame)
        elif name.upper() == "RDATE":
            found["addedStarts"] += _starts(value, parameters, frame)
        else:
            # EXRULE above all: without it the series would have occurrences that it has not.
            raise BadInput("recurrence", f"{name[:40]} cannot be carried")
    return found


def _starts(value: str, parameters: str, frame: _Frame) -> list[str]:
    """The starts of one EXDATE or RDATE; of a period its start."""
    given = _ZONE_PARAMETER.search(parameters)
    tz = frame.written_in
    if given and (tz := _tz(given[1].strip('"'))) is None:
        raise BadInput("recurrence", f"no IANA time zone: {given[1][:80]!r}")
    try:
        return [_listed(text.partition("/")[0].strip(), tz, frame).isoformat() for text in value.split(",") if text.strip()]
    except ValueError:
        raise BadInput("recurrence", "a start that is no date or time") from None


def _listed(text: str, tz: tzinfo | None, frame: _Frame) -> datetime:
    """One start. A date among times means that day's occurrence, at the series' time of day; ValueError if it is neither."""
    stamp = _STAMP.fullmatch(text)
    if stamp is None:
        raise ValueError(text)
    day = datetime.strptime(stamp["day"], "%Y%m%d")
    if frame.all_day or stamp["clock"] is None:
        return datetime.combine(day, frame.start.time())
    written = datetime.combine(day, datetime.strptime(stamp["clock"], "%H%M%S").time())
    placed = written.replace(tzinfo=UTC if stamp["utc"] else tz)
    if placed.tzinfo is None or frame.zone is None:
        # A floating series has no zone to convert to, and its own starts name none.
        return written
    return _wall_clock(placed, ZoneInfo(frame.zone)).replace(fold=0)


# --- reading loose JSON -----------------------------------------------------------------------------------------------


def _parsed(text: object) -> datetime | None:
    """An RFC 3339 time, or a local one; None for anything else, and for days and years that do not exist."""
    if not isinstance(text, str) or not _TIME.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text.upper())
    except ValueError:
        return None


def _moment(text: object) -> datetime | None:
    """An RFC 3339 instant, in UTC."""
    parsed = _parsed(text)
    try:
        return parsed.astimezone(UTC) if parsed and parsed.tzinfo else None
    except OverflowError:
        return None


def _usable_zone(value: object) -> str | None:
    name = _text(value)
    return name if name and _tz(name) else None


def _text(value: object) -> str | None:
    """Text worth keeping: no control characters, not empty."""
    if isinstance(value, str) and value.isprintable():  # nearly all of it is, and that is found out faster than what to take away
        return value or None
    return wording.clean(value, None) or None


def _inside(value: dict[str, Any], key: str) -> dict[str, Any]:
    found = value.get(key)
    return found if isinstance(found, dict) else {}


def _objects(value: object) -> list[dict[str, Any]]:
    return [part for part in value if isinstance(part, dict)] if isinstance(value, list) else []
