"""Writing to a user's primary Outlook calendar through Microsoft Graph.

What must stay true:
- one event for one meeting in a mailbox: its `transactionId` is our link, so that Graph knows a repeated creation, also when the first
  answer was lost; and it comes back with every reading, where extended properties do not;
- a creation that finds the event made by an earlier one brings it to what is asked for by now, but for what a person changed since;
- an event is changed only as it stood when the change was decided (If-Match), and only in the fields that are asked for;
- Graph mails whoever is among the attendees, and cannot be asked not to: they are written only where the request says so;
- a series is written exactly or not at all, and the body of an online meeting is never written (it holds the meeting);
- nothing in here deletes or cancels an event.

Facts: Graph v1.0, "Create event", "Update event", `event` resource type, "Get singleValueLegacyExtendedProperty".
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any
from urllib.parse import quote
from zoneinfo import ZoneInfo

from adapters import wanted
from adapters.http import Answer, Api
from adapters.office365 import zones
from adapters.office365.calling import PREFER
from adapters.office365.repeating import patterned
from adapters.office365.translate import translate
from domain import recurrence
from domain.errors import Overtaken, Refused, TryAgain
from domain.events import Content
from domain.outside import Request, Written
from domain.people import Person

Json = dict[str, Any]

LINK_PROPERTY = "String {6a1b5e0c-2f0b-4f0e-9d43-5a1f3a0b7c11} Name RendezvousMeeting"
"""The extended property that holds our meeting id. The set is our own: the GUID names nothing else."""

TRANSACTION = "rendezvous:"
"""Before our meeting id in a `transactionId`, by which `translate` knows our own writes."""

_PREFERRED = {"Prefer": PREFER}
_CROSSING = "ErrorOccurrenceCrossingBoundary"
_WINDOWS = {iana: name for name, iana in reversed(zones.WINDOWS.items())} | {"UTC": "UTC"}


class Office365Writer:
    """`outside.Writer` for Office 365. Usable by any number of threads."""

    def __init__(self, api: Api) -> None:
        self._api = api

    def write(self, request: Request, people: dict[str, Person]) -> Written:
        """See the port."""
        if request.cancelled:
            raise Refused("a meeting is never cancelled in a calendar from here")
        event = self._get(request, request.copy) if request.copy is not None else self._linked(request)
        if event is None and request.copy is not None:
            raise Overtaken("the event is not in the calendar any more")
        if event is None:
            return self._create(request, people)
        return (self._complete if request.action == "create" else self._patch)(request, people, event)

    def _create(self, request: Request, people: dict[str, Person]) -> Written:
        answer = self._call(request, "POST", "me/events", _whole(request, people), expected=(409,))
        if answer.status != 409:
            # Graph may answer with what an earlier creation made.
            event = _event(answer)
            return _written(event) if request.former is None else self._complete(request, people, event)._replace(called=True)
        # Made before, by a call whose answer was lost, and not yet to be found by our link: a little later it will be.
        raise TryAgain("office365 knows the creation already and does not show the event yet")

    def _complete(self, request: Request, people: dict[str, Person], event: Json) -> Written:
        """What was made already, with what the creation says beyond the one that it was made by."""
        body = _changes(request, people, event) if request.former is not None and event.get("isOrganizer") is not False else {}
        if not body:
            return _found(request, event)
        answer = self._call(request, "PATCH", _path(event["id"]), body, _if_match(event), (404, 409, 412))
        if answer.status in (404, 409, 412):
            raise TryAgain(f"the event was changed in the calendar meanwhile ({answer.status})")
        return _found(request, _event(answer))._replace(called=True)

    def _patch(self, request: Request, people: dict[str, Person], event: Json) -> Written:
        body = _changes(request, people, event)
        if not body:
            return _found(request, event)
        if request.revision is not None and request.revision not in (event.get("changeKey"), event.get("@odata.etag")):
            raise Overtaken("the event was changed in the calendar since")
        if event.get("isOrganizer") is False:
            raise Refused("the event is another organiser's, and the calendar's owner cannot change it for all")
        answer = self._call(request, "PATCH", _path(event["id"]), body, _if_match(event), (400, 404, 409, 412))
        if answer.status in (404, 409, 412):
            raise Overtaken(f"the event was changed in the calendar meanwhile ({answer.status})")
        if answer.code == _CROSSING:
            raise Refused("Outlook moves no occurrence to or past the day of the one before or after it")
        if answer.status == 400:
            raise Refused(f"office365 answered 400 {answer.code}".strip())
        return _written(_event(answer))

    # --- calls

    def _get(self, request: Request, id: str) -> Json | None:
        answer = self._call(request, "GET", _path(id), expected=(404, 410))
        event = _event(answer) if answer.status == 200 else None
        return None if event is None or event.get("isCancelled") is True else event

    def _linked(self, request: Request) -> Json | None:
        """The event that carries our link."""
        wanted_link = f"ep/id eq '{LINK_PROPERTY}' and ep/value eq '{request.meeting}'"
        params: dict[str, str | int] = {"$filter": f"singleValueExtendedProperties/Any(ep: {wanted_link})", "$top": 10}
        answer = self._api.call(request.link, "GET", "me/events", params=params, headers=_PREFERRED)
        found = answer.body.get("value") if isinstance(answer.body, dict) else None
        live = [one for one in found or [] if isinstance(one, dict) and one.get("isCancelled") is not True]
        return next((one for one in live if not one.get("seriesMasterId")), None)

    def _call(
        self,
        request: Request,
        method: str,
        path: str,
        body: Json | None = None,
        headers: dict[str, str] | None = None,
        expected: tuple[int, ...] = (),
    ) -> Answer:
        return self._api.call(request.link, method, path, json=body, headers=_PREFERRED | (headers or {}), expected=expected)


def _path(id: str) -> str:
    return f"me/events/{quote(id, safe='')}"


def _event(answer: Answer) -> Json:
    if not isinstance(answer.body, dict) or not isinstance(answer.body.get("id"), str):
        raise TryAgain("office365 answered with what is no event")
    return answer.body


def _if_match(event: Json) -> dict[str, str]:
    etag = event.get("@odata.etag") or (f'W/"{event["changeKey"]}"' if event.get("changeKey") else None)
    return {"If-Match": etag} if etag else {}


def _written(event: Json) -> Written:
    revision = event.get("changeKey") or event.get("@odata.etag")
    return Written(event["id"], revision, event.get("iCalUId"), event.get("lastModifiedDateTime"), event.get("createdDateTime"))


def _found(request: Request, event: Json) -> Written:
    """Nothing was written. What a person made of the event since is told by reading it, and is not ours to confirm."""
    data = _data(request, event)
    location = wanted.place(request.content, wanted.own_link(data))
    if wanted.whole(request.content, data, location):
        return _written(event)._replace(called=False)
    return _written(event)._replace(revision=None, updated=event.get("createdDateTime"), called=False)


# --- from a meeting to an event -----------------------------------------------------------------------------------------------


def _whole(request: Request, people: dict[str, Person]) -> Json:
    """A new event."""
    content = request.content
    body: Json = {
        "transactionId": f"{TRANSACTION}{request.meeting}",
        "singleValueExtendedProperties": [{"id": LINK_PROPERTY, "value": str(request.meeting)}],
        "subject": content.title or "",
        "location": {"displayName": wanted.place(content) or ""},
        "showAs": "tentative" if content.tentative else "busy",
        **_times(content),
    }
    if content.description:
        body |= _body(content)
    return body | (_added_guests(content, people, {}) if request.invite else {})


def _changes(request: Request, people: dict[str, Person], event: Json) -> Json:
    """What a patch has to say; nothing if the event says all of it."""
    content, data = request.content, _data(request, event)
    location = wanted.place(content, wanted.own_link(data))
    names = _names(request, data)
    missing = wanted.unsaid(content, names, data, location)
    if event.get("isOnlineMeeting") is True:
        missing.discard("description")
    body: Json = {}
    for name in sorted(missing):
        body |= _change(name, content, location, event)
    return body | (_added_guests(wanted.joining(request), people, event) if "guests" in names and request.invite else {})


def _names(request: Request, data: wanted.Data) -> Collection[str]:
    former = request.former
    return wanted.fields(request) if former is None else wanted.untouched(former, data, wanted.place(former, wanted.own_link(data)))


def _change(name: str, content: Content, location: str | None, event: Json) -> Json:
    match name:
        case "title":
            return {"subject": content.title or ""}
        case "description":
            return _body(content)
        case "place":
            return {"location": {"displayName": location or ""}}
        case "status":
            return {"showAs": "tentative" if content.tentative else "busy"}
    # An occurrence has times of its own, and its series' rule is not its to change.
    whole = not event.get("seriesMasterId")
    return _times(content) | ({"recurrence": None} if whole and event.get("recurrence") and not content.rules else {})


def _data(request: Request, event: Json) -> wanted.Data:
    """The event as it would be read, with its place as it stands there."""
    said = translate([event], account=request.link.account, user=request.link.user or "-").events
    found: Json = said[0]["data"] if said else {}
    return found | {"location": (event.get("location") or {}).get("displayName")}


def _body(content: Content) -> Json:
    return {"body": {"contentType": "text", "content": content.description or ""}}


def _added_guests(content: Content, people: dict[str, Person], event: Json) -> Json:
    """The attendees with those who are missing among them, everybody else as he stands there. The organiser is none of them."""
    present = [one for one in event.get("attendees") or [] if isinstance(one, dict)]
    known = {str((one.get("emailAddress") or {}).get("address", "")).strip().casefold() for one in present}
    missing = [one for one in wanted.guests(content, people) if one[1].casefold() not in known]
    added = [{"emailAddress": {"address": address, "name": name or address}, "type": "required"} for _, address, name in missing]
    return {"attendees": present + added} if added else {}


def _times(content: Content) -> Json:
    at, zone = wanted.slot(content), _zone_name(content)
    times = {
        "start": _time(content, at.start, zone),
        "end": _time(content, at.end, zone),
        "isAllDay": content.all_day,
    }
    return times | ({"recurrence": patterned(content, zone)} if content.rules or content.added else {})


def _zone_name(content: Content) -> str:
    """As Windows names it, where it does; Graph understands the IANA name as well."""
    return "UTC" if content.all_day or content.time_zone is None else _WINDOWS.get(content.time_zone, content.time_zone)


def _time(content: Content, at: int, zone: str) -> Json:
    """A local time, which has no offset; where clocks go back and it could be read as the hour before, the time in UTC."""
    moment = recurrence.moment(at)
    own = "UTC" if content.all_day else content.time_zone or "UTC"
    local = moment.astimezone(ZoneInfo(own)).replace(tzinfo=None, fold=0)
    if recurrence.instant(local, own) != at:
        local, zone = moment.replace(tzinfo=None), "UTC"
    return {"dateTime": local.isoformat(timespec="seconds"), "timeZone": zone}
