"""Microsoft Graph's calendar bodies as source events. Pure: decoded JSON in, `Translated` out; nothing here ever raises.

What must stay true:
- All bodies of one call are one round: its pages, lists or single events. The same item twice: the last one wins.
- Every item ends as an event, as a refusal that names it, or as hints at what must be read first. None vanishes.
- No value is invented. Without creation or modification time, or with a recurrence or zone nobody can say exactly, an
  item is refused; a bare occurrence (Graph's delta sends only its ids and times) takes its content from its master.
- `@removed` says only that an id left the window of the round, so the window goes with it. What a master makes inside
  the window of a complete round that shows others of its occurrences, and not this one, was cancelled.
- Every event that leaves here passes `domain.source_events.read`.

Facts: Graph v1.0 `event`, calendarView delta, and Outlook's habits with all-day events and custom zones.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any, NamedTuple

import msgspec

from adapters import wording
from adapters.html_text import to_text
from adapters.office365 import zones
from adapters.office365.recurrence import Series, series
from adapters.wording import Hint, Refused, Translated
from domain import recurrence, source_events
from domain.errors import BadInput

Json = dict[str, Any]
Window = tuple[datetime, datetime]

_EVENT_TYPE = "microsoft.graph.event"
_MASTER, _OCCURRENCE, _EXCEPTION, _SINGLE = "seriesMaster", "occurrence", "exception", "singleInstance"
_LINK_PROPERTY = "Name RendezvousMeeting"
_LINK_TRANSACTION = "rendezvous:"
_CREATION = timedelta(seconds=5)  # Exchange touches a new item once more within moments of making it
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# What is cut here is a mail thread quoted into an invitation; uncut it would cost the meeting (256 KiB an event).
_MAX_DESCRIPTION = 30_000
# A date starts up to 12 hours after its midnight in UTC, in the westernmost zone.
_WEST = timedelta(hours=12)
_RESPONSES = {"organizer": "accepted", "accepted": "accepted", "declined": "declined", "tentativelyAccepted": "tentative"}


class _Mailbox(NamedTuple):
    """Whose calendar speaks."""

    account: str
    user: str
    calendar: str | None
    address: str | None

    def event(self, kind: str, name: str, subject: str, time: datetime | None, data: Json) -> Json:
        return wording.envelope(
            kind,
            id=f"office365:{self.user}:{name}",
            source=f"/accounts/{self.account}/calendars/office365/{self.calendar or 'primary'}",
            subject=subject,
            time=wording.instant(time) if time else None,
            account=self.account,
            data=data,
            sequence=wording.sequence(time) if time else None,
        )

    def sighting(self, id: str, **more: object) -> Json:
        return {"provider": "office365", "user": self.user, "calendar": self.calendar, "id": id, **more}


class _Times(NamedTuple):
    """`start` is local in `zone` (None for all-day), `at` its instant (the date's midnight in UTC for all-day)."""

    start: datetime
    at: datetime
    zone: zones.Zone | None
    length: str


class _Master(NamedTuple):
    """A series as it was read, and as it was said."""

    item: Json
    event: Json


class _Round(NamedTuple):
    """What is read together: the items by id, in order of their last mention, from whose calendar, in which window;
    whether a page ended the round; of which series it need not hold all; a fingerprint to tell it from other rounds."""

    mailbox: _Mailbox
    window: Window | None
    items: dict[str, Json]
    complete: bool
    partial: Collection[str]
    name: str


_Masters = dict[str, _Master | None]
"""Every series of the round by id; None: it was refused."""


def translate(
    bodies: Iterable[object],
    *,
    account: str,
    user: str,
    calendar: str | None = None,
    address: str | None = None,
    window: Window | None = None,
    partial: Collection[str] = (),
) -> Translated:
    """What these bodies say about the calendar of `user` (a CRM user id), in the public form of the contract.

    `bodies`: the pages of one calendarView delta round, `{"value": [...]}` lists, or single events. `address` is the user's own,
    if `calendar` does not name it (Graph's ids of calendars name nobody): by it his answer is known. `window`: [from, to)
    of the round, aware datetimes. `partial`: ids of series of which the round may lack occurrences that are there. Anything
    else among the bodies (errors, calendars, notifications) is refused.

    >>> translate([{"error": {"code": "ErrorItemNotFound", "message": "Not there."}}], account="1", user="501").refused
    [Refused(what='error', reason='ErrorItemNotFound: Not there.')]
    """
    out = Translated([], [], [])
    round = _gather(bodies, _Mailbox(account, user, calendar, address or calendar), window, partial, out)
    masters = _say_masters(round, out)
    for id, item in round.items.items():
        if id not in masters:
            _say(id, item, round, masters, out)
    if round.complete:
        _say_absent(round, masters, out)
    return out


# --- from bodies to items ---------------------------------------------------------------------------------------------


def _gather(bodies: Iterable[object], mailbox: _Mailbox, window: Window | None, partial: Collection[str], out: Translated) -> _Round:
    items: dict[str, Json] = {}
    links: list[str] = []
    for body in bodies:
        if isinstance(body, dict) and isinstance(body.get("@odata.deltaLink"), str):
            links.append(body["@odata.deltaLink"])
        for item in _listed(body):
            reason = _no_event(item)
            if reason is not None:
                out.refused.append(Refused(_what(item), reason))
                continue
            items.pop(item["id"], None)
            items[item["id"]] = item
    return _Round(mailbox, window, items, bool(links), partial, _fingerprint(items, links, window))


def _fingerprint(items: dict[str, Json], links: list[str], window: Window | None) -> str:
    """The delta link alone would do for Graph, which gives none twice; what was said tells apart the rounds of those who do."""
    edges = [wording.instant(edge) for edge in window or ()]
    # Sorted: read again, the same round may come in another order.
    return wording.digest([links, edges, sorted((id, _revision(item) or "", "@removed" in item) for id, item in items.items())])


def _listed(body: object) -> list[Any]:
    """The items of a list, a list as such, or the one item that the body is."""
    if isinstance(body, dict) and isinstance(body.get("value"), list):
        return list(body["value"])
    return list(body) if isinstance(body, list) else [body]


def _no_event(item: object) -> str | None:
    """Why this is no event of a calendar, or None if it is one."""
    if not isinstance(item, dict):
        return "no JSON object"
    if "error" in item:
        error = _object(item["error"])
        return _brief(f"{error.get('code')}: {error.get('message')}")
    kind = item.get("@odata.type")
    if kind is not None and str(kind).removeprefix("#") != _EVENT_TYPE:
        return _brief(f"not an event but {kind!r}")
    if "@removed" not in item and "start" not in item:
        return "no event: it has no start"
    # Cleaned, it would be another id than the one Graph knows.
    if not _text(item.get("id")) or wording.clean(item["id"]) != item["id"]:
        return "no usable id"
    return None


def _what(item: object) -> str:
    if not isinstance(item, dict):
        return "body"
    return "error" if "error" in item else _brief(f"item {item.get('id', 'without id')}")


# --- from items to events ---------------------------------------------------------------------------------------------


def _say_masters(round: _Round, out: Translated) -> _Masters:
    """Series first, so that whoever reads in order knows a series before its occurrences."""
    masters: _Masters = {}
    for id, item in round.items.items():
        if _role(item) == _MASTER:
            event = _attempt(id, partial(_whole, id, item, None, round.mailbox), out)
            masters[id] = _Master(item, event) if event else None
    return masters


def _say(id: str, item: Json, round: _Round, masters: _Masters, out: Translated) -> None:
    series_id = _text(item.get("seriesMasterId"))
    master = masters.get(series_id) if series_id else None
    if "@removed" in item:
        _attempt(id, partial(_removed, id, round), out)
    elif not _is_bare(item):
        _attempt(id, partial(_whole, id, item, master, round.mailbox), out)
    elif master is not None:
        _attempt(id, partial(_hydrated, id, item, master, round.mailbox), out)
    elif series_id in masters:
        out.refused.append(Refused(f"event {id}", "/seriesMasterId: its series was refused"))
    else:
        out.hints.extend(h for h in (Hint("event", name) for name in (series_id, id) if name) if h not in out.hints)


def _attempt(id: str, make: Callable[[], Json], out: Translated) -> Json | None:
    """The event, put among the others, or None and a refusal. The contract itself has the last word on it."""
    try:
        event = make()
        problems = source_events.read(msgspec.json.encode(event))
        if isinstance(problems, list):
            raise BadInput("", "; ".join(f"{p.pointer}: {p.reason}" for p in problems))
    except BadInput as error:
        out.refused.append(Refused(_brief(f"event {id}"), _brief(str(error))))
        return None
    out.events.append(event)
    return event


def _role(item: Json) -> str | None:
    """`type`, or what the item shows itself to be; None: removed, or a type nobody knows."""
    if "@removed" in item:
        return None
    kind = item.get("type")
    if kind is None:
        return _MASTER if isinstance(item.get("recurrence"), dict) else _EXCEPTION if item.get("seriesMasterId") else _SINGLE
    return kind if kind in (_MASTER, _OCCURRENCE, _EXCEPTION, _SINGLE) else None


def _is_bare(item: Json) -> bool:
    return _role(item) == _OCCURRENCE and item.get("createdDateTime") is None


def _removed(id: str, round: _Round) -> Json:
    data: Json = {"provenance": round.mailbox.sighting(id)}
    if round.window is not None:
        data |= {"from": wording.instant(round.window[0]), "to": wording.instant(round.window[1])}
    # No revision and no time come with it: the round is all that tells this removal from a later one of the same id.
    return round.mailbox.event("meeting.deleted", f"{id}:removed:{round.name}", id, None, data)


def _whole(id: str, item: Json, master: _Master | None, mailbox: _Mailbox) -> Json:
    """A full item as an event; `master`: of its series, if the round holds it. Raises `BadInput`."""
    role = _role(item)
    if role is None:
        raise BadInput("/type", f"no known type of event: {item.get('type')!r}")
    if item.get("isDraft") is True:
        raise BadInput("/isDraft", "a draft is no meeting yet")
    created, updated = _required_instant(item, "createdDateTime"), _required_instant(item, "lastModifiedDateTime")
    times = _times(item, of_series=role == _MASTER)
    provenance = _provenance(id, item, mailbox, created, updated)
    if role in (_OCCURRENCE, _EXCEPTION):
        provenance |= _place_in_series(item, times, master)
    data = {"side": "calendar", "provenance": provenance} | _content(item, mailbox) | _shape(times)
    if role == _MASTER:
        data |= _repeats(item, times)
    new = abs(updated - created) <= _CREATION and data["status"] != "cancelled"
    name = f"{id}:{_revision(item) or wording.digest(data)}"
    return mailbox.event("meeting.created" if new else "meeting.updated", name, id, updated, data)


def _hydrated(id: str, item: Json, master: _Master, mailbox: _Mailbox) -> Json:
    """A bare occurrence with its master's content and revision, and its own id and time. Raises `BadInput`."""
    said = master.event["data"]
    times = _times({**master.item, **item}, of_series=False)
    provenance = said["provenance"] | {"id": id, "icalUid": _text(item.get("iCalUId"))} | _place_in_series(item, times, master)
    data = said | {"provenance": provenance, "recurrenceRules": [], "excludedStarts": []} | _shape(times)
    if item.get("isCancelled") is True:
        data["status"] = "cancelled"
    updated = _required_instant(master.item, "lastModifiedDateTime")
    # The master's revision does not change when only the occurrence does.
    return mailbox.event(_kind_of(master.event), f"{id}:{wording.digest(data)}", id, updated, data)


def _kind_of(event: Json) -> str:
    return str(event["type"]).removeprefix(source_events.PREFIX).removesuffix(".v1")


# --- occurrences that a series lost -----------------------------------------------------------------------------------


def _say_absent(round: _Round, masters: _Masters, out: Translated) -> None:
    parts_of: dict[str | None, list[Json]] = {}
    for item in round.items.values():
        if _role(item) in (_OCCURRENCE, _EXCEPTION):
            parts_of.setdefault(_text(item.get("seriesMasterId")), []).append(item)
    for id, master in masters.items():
        parts = parts_of.get(id)
        # Without any of them, this round did not lay the series out: it says nothing about single occurrences.
        if master is None or not parts or id in round.partial or round.window is None or master.event["data"]["status"] == "cancelled":
            continue
        shown = {_original(part, master) for part in parts}
        if None in shown:  # one that cannot be placed may be the very one that seems absent
            continue
        for at in _expected(master, round.window):
            if at not in shown:
                _attempt(id, partial(_absent, master, at, round), out)


def _original(part: Json, master: _Master) -> datetime | None:
    try:
        return _original_start(part, _times({**master.item, **part}, of_series=False), master)
    except BadInput:
        return None


def _expected(master: _Master, window: Window) -> list[datetime]:
    """When the series' occurrences that this window must show start."""
    data = master.event["data"]
    shape = recurrence.spec(
        datetime.fromisoformat(data["start"]),
        data["timeZone"],
        data["duration"],
        data["showWithoutTime"],
        tuple(data["recurrenceRules"]),
        tuple(datetime.fromisoformat(s) for s in data["excludedStarts"]),
    )
    starts = [recurrence.moment(slot.start) for slot in recurrence.starts(shape, *window)]
    # Where a window ends within a date, only Graph knows on which side it counted it.
    return [s for s in starts if s + _WEST < window[1]] if shape.all_day else starts


def _absent(master: _Master, at: datetime, round: _Round) -> Json:
    provenance = master.event["data"]["provenance"]
    id = f"{provenance['id']}:{_second(at)}"
    sighting = round.mailbox.sighting(id, seriesId=provenance["id"], originalStart=_second(at), updated=provenance["updated"])
    updated = _required_instant(master.item, "lastModifiedDateTime")
    return round.mailbox.event("meeting.deleted", f"{id}:absent:{round.name}", id, updated, {"provenance": sighting})


# --- provenance -------------------------------------------------------------------------------------------------------


def _provenance(id: str, item: Json, mailbox: _Mailbox, created: datetime, updated: datetime) -> Json:
    link = _our_link(item)
    return mailbox.sighting(
        id,
        primary=True,
        revision=_revision(item),
        icalUid=_text(item.get("iCalUId")),
        seriesId=None,
        originalStart=None,
        created=wording.instant(created),
        updated=wording.instant(updated),
        origin="rendezvous" if link else "user",
        link=link,
        detailsHidden=not ({"subject", "attendees", "body"} & item.keys()),
    )


def _revision(item: Json) -> str | None:
    return _text(item.get("changeKey")) or _text(item.get("@odata.etag"))


def _our_link(item: Json) -> str | None:
    """Our meeting id, where we left it: in an extended property, or in the transaction id of the creation."""
    for entry in _objects(item.get("singleValueExtendedProperties")):
        if str(entry.get("id")).endswith(_LINK_PROPERTY) and _text(entry.get("value")):
            return _text(entry["value"])
    transaction = _text(item.get("transactionId")) or ""
    return _text(transaction.removeprefix(_LINK_TRANSACTION)) if transaction.startswith(_LINK_TRANSACTION) else None


def _place_in_series(item: Json, times: _Times, master: _Master | None) -> Json:
    series_id = _text(item.get("seriesMasterId"))
    if series_id is None:
        raise BadInput("/seriesMasterId", "required for one occurrence of a series")
    return {"seriesId": series_id, "originalStart": _second(_original_start(item, times, master))}


def _original_start(item: Json, times: _Times, master: _Master | None) -> datetime:
    """Where its series had it: an instant, or the midnight in UTC of its date where the series is all-day (an exception
    need not be as its series is)."""
    value = item.get("originalStart")
    if value is None:
        return times.at
    at = _instant(value)
    if at is None:
        raise BadInput("/originalStart", f"no time: {str(value)[:80]!r}")
    at = at.replace(microsecond=0)
    of_dates = master.event["data"]["showWithoutTime"] if master else times.zone is None
    try:
        zoned = item if master is None else {**master.item, **item}
        return _midnight(_date(at.replace(tzinfo=None), zones.GREENWICH, zoned, "/originalStart")) if of_dates else at
    except BadInput:  # midnight nowhere: its series, which this round does not show, is a timed one
        return at


# --- times ------------------------------------------------------------------------------------------------------------


def _instant(value: object) -> datetime | None:
    """A Graph timestamp, which is always UTC; None for what is none, and for its empty one, `0001-01-01T00:00:00Z`."""
    try:
        at = datetime.fromisoformat(value if isinstance(value, str) else "")
        at = (at if at.tzinfo else at.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return at if at >= _EPOCH else None


def _required_instant(item: Json, name: str) -> datetime:
    at = _instant(item.get(name))
    if at is None:
        raise BadInput(f"/{name}", "required: no time is invented")
    return at


def _times(item: Json, *, of_series: bool) -> _Times:
    return _all_day(item) if item.get("isAllDay") is True else _timed(item, of_series=of_series)


def _timed(item: Json, *, of_series: bool) -> _Times:
    (begin, begin_zone), (end, end_zone) = (_given(item, "start", exact=of_series), _given(item, "end", exact=of_series))
    at, until = _utc(begin, begin_zone, "/start"), _utc(end, end_zone, "/end")
    zone = _preferred(item, of_series=of_series) or begin_zone
    start = _local(at, zone)
    if not of_series and start.replace(tzinfo=zone.spoken).astimezone(UTC) != at:
        # The second hour of a fold: said in this zone it would be read as the first.
        zone, start = zones.GREENWICH, at.replace(tzinfo=None)
    return _Times(start, at, zone, _exact(until - at))


def _all_day(item: Json) -> _Times:
    first, last = (_date(*_given(item, name, exact=False), item, f"/{name}") for name in ("start", "end"))
    if last < first:
        raise BadInput("/end", "before start")
    return _Times(datetime(first.year, first.month, first.day), _midnight(first), None, f"P{(last - first).days}D")


def _given(item: Json, name: str, *, exact: bool) -> tuple[datetime, zones.Zone]:
    """A dateTimeTimeZone as it stands. `exact`: an unknown zone is refused instead of being taken for UTC."""
    value = item.get(name)
    text = value.get("dateTime") if isinstance(value, dict) else None
    try:
        local = datetime.fromisoformat(text if isinstance(text, str) else "").replace(microsecond=0)
        if local.tzinfo is not None:
            return local.astimezone(UTC).replace(tzinfo=None), zones.GREENWICH
    except (ValueError, OverflowError):
        raise BadInput(f"/{name}", f"no date-time: {str(text)[:80]!r}") from None
    zone_name = value.get("timeZone") if isinstance(value, dict) else None
    return local, _zone(zone_name, f"/{name}/timeZone", exact=exact) or zones.GREENWICH


def _zone(name: object, pointer: str, *, exact: bool) -> zones.Zone | None:
    """The zone of this name; None if there is no name. An unknown one is UTC, or refused where it must be `exact`."""
    text = _text(name)
    if text is None:
        return None
    zone = zones.find(text)
    if zone is None and exact:
        raise BadInput(pointer, f"no known time zone: {text[:80]!r}; the series can be carried once it is given one of the calendar's list")
    return zone or zones.GREENWICH


def _preferred(item: Json, *, of_series: bool) -> zones.Zone | None:
    """The zone the meeting was made in. A series needs the very one; a single instant may be said in any."""
    made_in = _zone(item.get("originalStartTimeZone"), "/originalStartTimeZone", exact=of_series)
    return made_in or (_pattern_zone(item) if of_series else None)


def _pattern_zone(item: Json) -> zones.Zone | None:
    return _zone(_range(item).get("recurrenceTimeZone"), "/recurrence/range/recurrenceTimeZone", exact=True)


def _range(item: Json) -> Json:
    recurs = item.get("recurrence")
    extent = recurs.get("range") if isinstance(recurs, dict) else None
    return extent if isinstance(extent, dict) else {}


def _utc(local: datetime, zone: zones.Zone, pointer: str) -> datetime:
    try:
        return local.replace(tzinfo=zone.tz).astimezone(UTC)
    except OverflowError:
        raise BadInput(pointer, "outside the calendar") from None


def _local(at: datetime, zone: zones.Zone) -> datetime:
    try:
        return at.astimezone(zone.spoken).replace(tzinfo=None, fold=0)
    except OverflowError:
        raise BadInput("/start", "outside the calendar") from None


def _date(local: datetime, zone: zones.Zone, item: Json, pointer: str) -> date:
    """The date of an all-day boundary. Read in another zone than its own, Graph shows it shifted off midnight."""
    names = (item.get("originalStartTimeZone"), _range(item).get("recurrenceTimeZone"))
    own = [z for z in (zones.find(n) for n in names if isinstance(n, str)) if z is not None]
    for candidate in (local, *(_local(_utc(local, zone, pointer), z) for z in own)):
        if candidate.time() == datetime.min.time():
            return candidate.date()
    raise BadInput(pointer, "an all-day boundary that is midnight in no zone of the event")


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _exact(length: timedelta) -> str:
    """A duration of hours, minutes and seconds, which are exact; days would be nominal.

    >>> _exact(timedelta(hours=25, minutes=30)), _exact(timedelta())
    ('PT25H30M', 'PT0S')
    """
    seconds = length // timedelta(seconds=1)
    if seconds < 0:
        raise BadInput("/end", "before start")
    parts = zip((seconds // 3600, seconds // 60 % 60, seconds % 60), "HMS", strict=True)
    return "PT" + ("".join(f"{number}{unit}" for number, unit in parts if number) or "0S")


def _second(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _shape(times: _Times) -> Json:
    return {
        "start": times.start.isoformat(),
        "timeZone": times.zone.name if times.zone else None,
        "duration": times.length,
        "showWithoutTime": times.zone is None,
    }


def _repeats(item: Json, times: _Times) -> Json:
    made = _series(item, times)
    return {"recurrenceRules": [made.rule], "excludedStarts": [] if made.makes_start else [times.start.isoformat()]}


def _series(item: Json, times: _Times) -> Series:
    """The master's rule. Its days are dates in the pattern's zone: where those are not the dates we say, it is refused."""
    if times.zone is None:
        return series(item.get("recurrence"), first=times.start.date(), zone=None)
    pattern_zone = _pattern_zone(item) or _preferred(item, of_series=True) or _given(item, "start", exact=True)[1]
    try:
        first = times.at.astimezone(pattern_zone.tz).date()
    except OverflowError:
        raise BadInput("/start", "outside the calendar") from None
    made = series(item.get("recurrence"), first=first, zone=pattern_zone.tz)
    if first != times.start.date():
        raise BadInput("/recurrence/range/recurrenceTimeZone", f"its dates are not those of {times.zone.name}")
    return made


# --- content ----------------------------------------------------------------------------------------------------------


def _content(item: Json, mailbox: _Mailbox) -> Json:
    return {
        "title": _text(item.get("subject")),
        "description": _description(item),
        "status": _status(item),
        "privacy": "private" if item.get("sensitivity") in ("private", "confidential") else "public",
        "kind": _kind(item),
        **_place(item),
        "participants": {str(n): p for n, p in enumerate(_participants(item, mailbox), 1)},
        "recurrenceRules": [],
        "excludedStarts": [],
        "addedStarts": [],
        "associations": {"contacts": [], "companies": [], "deals": [], "tickets": []},
    }


def _place(item: Json) -> Json:
    """Place and conference. In an event of ours the link of a conference that is not Outlook's stands behind the place."""
    place = _text(_object(item.get("location")).get("displayName"))
    conference = wording.link(_object(item.get("onlineMeeting")).get("joinUrl"))
    if conference is None and _our_link(item):
        place, conference = wording.parted(place)
    return {"location": place, "conferenceUrl": conference}


def _description(item: Json) -> str | None:
    body = _object(item.get("body"))
    text = body.get("content")
    if not isinstance(text, str):
        text = item.get("bodyPreview")
    elif str(body.get("contentType")).lower() == "html":
        text = to_text(text)
    return _text(text, _MAX_DESCRIPTION)


def _status(item: Json) -> str:
    if item.get("isCancelled") is True:
        return "cancelled"
    # In a guest's copy it is how his own time shows: tentative, until he has answered.
    return "tentative" if item.get("showAs") == "tentative" and item.get("isOrganizer") is not False else "confirmed"


def _kind(item: Json) -> str:
    if item.get("showAs") == "oof":
        return "out-of-office"
    # "Working elsewhere" with guests is a meeting held elsewhere; without, it says only where somebody works.
    return "working-location" if item.get("showAs") == "workingElsewhere" and not _guests(item) else "meeting"


def _participants(item: Json, mailbox: _Mailbox) -> list[Json]:
    """The organiser, then the guests; the same address, whatever its case, stands once."""
    owner = (mailbox.address or "").strip().casefold()
    host = _person(_object(item.get("organizer")), {"owner": True, "attendee": True}, "accepted")
    people: dict[str, Json] = {host["email"].casefold(): host} if host else {}
    for guest in _guests(item):
        key = guest["email"].casefold()
        if key == owner:
            guest = guest | _response(item)
        if host is not None and key == host["email"].casefold():
            people[key] = host | _own_answer(guest)
        else:
            people.setdefault(key, guest)
    return list(people.values())


def _response(item: Json) -> Json:
    """What the mailbox's owner answered, if he did: his own copy says it apart from the guest list, which need not know it."""
    response = _object(item.get("responseStatus")).get("response")
    answer = _RESPONSES.get(response) if isinstance(response, str) and response != "organizer" else None
    return {"participationStatus": answer} if answer else {}


def _own_answer(guest: Json) -> Json:
    """Nobody asks an organiser for an answer; one he gave all the same is his."""
    status = guest["participationStatus"]
    return {} if status == "needs-action" else {"participationStatus": status}


def _guests(item: Json) -> list[Json]:
    people = (_guest(attendee) for attendee in _objects(item.get("attendees")) if attendee.get("type") != "resource")
    return [person for person in people if person is not None]


def _guest(attendee: Json) -> Json | None:
    roles = {"attendee": True} | ({"optional": True} if attendee.get("type") == "optional" else {})
    response = _object(attendee.get("status")).get("response")
    return _person(attendee, roles, _RESPONSES.get(response if isinstance(response, str) else "", "needs-action"))


def _person(recipient: Json, roles: Json, status: str) -> Json | None:
    """None without an e-mail address: Exchange also names people by directory paths (`/O=…/CN=…`)."""
    named = _object(recipient.get("emailAddress"))
    address = (_text(named.get("address")) or "").strip()
    if "@" not in address:
        return None
    return {"email": address, "name": _text(named.get("name")), "roles": roles, "participationStatus": status}


# --- tolerant reading -------------------------------------------------------------------------------------------------


def _object(value: object) -> Json:
    return value if isinstance(value, dict) else {}


def _objects(value: object) -> list[Json]:
    return [v for v in value if isinstance(v, dict)] if isinstance(value, list) else []


def _text(value: object, limit: int = wording.MAX_NAME) -> str | None:
    """Clean text, or None for a blank one and for what is none."""
    cleaned = wording.clean(value, limit)
    return cleaned if cleaned and not cleaned.isspace() else None


def _brief(text: str) -> str:
    return wording.clean(text, 300) or ""
