"""Writing to a user's primary Google calendar.

What must stay true:
- one event for one meeting: its id is made of the meeting's, so that a second insert, by whatever delivery, is answered 409 and has no
  effect. An event that was made and deleted since is not made again;
- a creation that finds the event made by an earlier one brings it to what is asked for by now, but for what a person changed since;
- an event is changed only as it stood when the change was decided (If-Match), and only in the fields that are asked for. A guest list
  replaces the former one at Google's, so it is written whole, with everybody's answers, or not at all;
- Google mails the guests where the request says so, and never otherwise;
- nothing in here deletes or cancels an event.

Facts: Calendar API reference, Events: insert, patch, list; "Create events" (ids); "Handle API errors".
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from googleapiclient.errors import HttpError

from adapters import html_text, wanted
from adapters.google import calling
from adapters.google.translate import LINK_PROPERTY, translate
from adapters.http import Api
from domain import recurrence
from domain.errors import Overtaken, Refused, TryAgain
from domain.events import Content, Guest
from domain.outside import Request, Written
from domain.people import Person

Json = dict[str, Any]

CALENDAR = "primary"
_FOUND_AT_MOST = 250
_ANSWERS = {"accepted": "accepted", "declined": "declined", "tentative": "tentative"}


class GoogleWriter:
    """`outside.Writer` for Google. Usable by any number of threads. `base` is the API's address, as `api` has it."""

    def __init__(self, api: Api, base: str = calling.BASE) -> None:
        self._api = api
        self._events = calling.service(base).events()

    def write(self, request: Request, people: dict[str, Person]) -> Written:
        """See the port."""
        if request.cancelled:
            raise Refused("a meeting is never cancelled in a calendar from here")
        event = self._there(request)
        if event is None and request.copy is not None:
            raise Overtaken("the event is not in the calendar any more")
        if event is None:
            return self._insert(request, people)
        return (self._complete if request.action == "create" else self._patch)(request, people, event)

    def _there(self, request: Request) -> Json | None:
        """The copy, if it is in the calendar and live: by its id, else by our link, else by its UID."""
        if request.copy is not None:
            return _live(self._get(request, request.copy))
        found = self._list(request, privateExtendedProperty=f"{LINK_PROPERTY}={request.meeting}")
        if found is None and request.uid:
            found = self._list(request, iCalUID=request.uid)
        return found

    def _insert(self, request: Request, people: dict[str, Person]) -> Written:
        call = self._events.insert(calendarId=CALENDAR, body=_without_nothing(_whole(request, people)), sendUpdates=_mails(request))
        try:
            return _written(self._said(call, request, (409,)))
        except HttpError as error:
            return self._made_before(request, people, error)

    def _made_before(self, request: Request, people: dict[str, Person], error: HttpError) -> Written:
        """The event under this meeting's id. If it was deleted since, it was made all the same, and its deletion will be heard of."""
        if error.resp.reason == "conflict":
            raise TryAgain("google is busy with the same event")
        event = self._get(request, _id(request))
        if event is None:
            raise TryAgain("google has the event and does not show it yet")
        if _link(event) != str(request.meeting) and not _is_bare_tombstone(event):
            raise Refused("google has an event of somebody else's under the id of this meeting")
        return self._complete(request, people, event)

    def _complete(self, request: Request, people: dict[str, Person], event: Json) -> Written:
        """What was made already, with what the creation says beyond the one that it was made by."""
        is_ours = _live(event) is not None and _link(event) == str(request.meeting) and not _is_anothers(event)
        body = _changes(request, people, event) if is_ours and request.former is not None else {}
        if not body:
            return _found(request, event)
        mails = request.invite and bool({"attendees", "start"} & body.keys())
        call = self._events.patch(calendarId=CALENDAR, eventId=event["id"], body=body, sendUpdates="all" if mails else "none")
        call.headers["If-Match"] = event["etag"]
        try:
            return _found(request, self._said(call, request, (404, 410, 412)))._replace(called=True)
        except HttpError as error:
            raise TryAgain(f"the event was changed in the calendar meanwhile ({error.resp.status})") from None

    def _patch(self, request: Request, people: dict[str, Person], event: Json) -> Written:
        body = _changes(request, people, event)
        if not body:
            return _found(request, event)
        if request.revision is not None and request.revision != event.get("etag"):
            raise Overtaken("the event was changed in the calendar since")
        if _is_anothers(event):
            raise Refused("the event is another organiser's, and the calendar's owner cannot change it for all")
        call = self._events.patch(calendarId=CALENDAR, eventId=event["id"], body=body, sendUpdates=_mails(request))
        call.headers["If-Match"] = event["etag"]
        try:
            return _written(self._said(call, request, (404, 410, 412)))
        except HttpError as error:
            raise Overtaken(f"the event was changed in the calendar meanwhile ({error.resp.status})") from None

    # --- calls

    def _get(self, request: Request, id: str) -> Json | None:
        """An event, deleted ones too as long as Google knows them."""
        try:
            return self._said(self._events.get(calendarId=CALENDAR, eventId=id), request, (404, 410))
        except HttpError:
            return None

    def _list(self, request: Request, **by: str) -> Json | None:
        """The event that this finds; of a series the whole one."""
        call = self._events.list(calendarId=CALENDAR, showDeleted=False, singleEvents=False, maxResults=_FOUND_AT_MOST, **by)
        while call is not None:
            body = self._said(call, request)
            for event in body.get("items") or []:
                if _live(event) and not event.get("recurringEventId"):
                    return dict(event)
            call = self._events.list_next(call, body)  # a page may be empty, and not be the last
        return None

    def _said(self, call: Any, request: Request, expected: Iterable[int] = ()) -> Json:
        body = call.execute(http=calling.Http(self._api, request.link, expected))
        if not isinstance(body, dict):
            raise TryAgain("google answered with what is no object")
        return body


def _mails(request: Request) -> str:
    return "all" if request.invite else "none"


def _id(request: Request) -> str:
    """The event's, which any process would make the same. Hexadecimal digits are in Google's alphabet, base32hex."""
    return request.meeting.hex


def _live(event: Json | None) -> Json | None:
    return None if event is None or event.get("status") == "cancelled" else event


def _link(event: Json) -> object:
    return ((event.get("extendedProperties") or {}).get("private") or {}).get(LINK_PROPERTY)


def _is_bare_tombstone(event: Json) -> bool:
    """Of a deleted event Google guarantees the id and nothing else: our own may have lost our link, somebody else's has his."""
    return _live(event) is None and "extendedProperties" not in event


def _is_anothers(event: Json) -> bool:
    organizer = event.get("organizer")
    return isinstance(organizer, dict) and organizer.get("self") is not True and bool(organizer.get("email"))


def _written(event: Json) -> Written:
    return Written(event["id"], event.get("etag"), event.get("iCalUID"), event.get("updated"), event.get("created"))


def _found(request: Request, event: Json) -> Written:
    """Nothing was written. What a person made of the event since is told by reading it, and is not ours to confirm."""
    data = _data(request, event)
    location = wanted.place(request.content, wanted.own_link(data))
    if _live(event) and wanted.whole(request.content, data, location):
        return _written(event)._replace(called=False)
    return _written(event)._replace(revision=None, updated=event.get("created"), called=False)


# --- from a meeting to an event -----------------------------------------------------------------------------------------------


def _whole(request: Request, people: dict[str, Person]) -> Json:
    """A new event."""
    content = request.content
    return {
        "id": _id(request),
        "iCalUID": request.uid,
        "summary": content.title,
        "description": _description(content),
        "location": wanted.place(content),
        "status": _status(content),
        **_times(content),
        "recurrence": _recurrence(content),
        "attendees": [_guest(*one) for one in wanted.guests(content, people, organiser=True)],
        "extendedProperties": {"private": {LINK_PROPERTY: str(request.meeting)}},
    }


def _description(content: Content) -> str | None:
    """Google shows HTML as such: text that only looks like it is escaped."""
    return None if content.description is None else html_text.as_plain(content.description)


def _without_nothing(body: Json) -> Json:
    given = {name: _without_nothing(value) if isinstance(value, dict) else value for name, value in body.items()}
    return {name: value for name, value in given.items() if value not in (None, [])}


def _changes(request: Request, people: dict[str, Person], event: Json) -> Json:
    """What a patch has to say; nothing if the event says all of it."""
    content, data = request.content, _data(request, event)
    location = wanted.place(content, wanted.own_link(data))
    changes: dict[str, Json] = {
        "title": {"summary": content.title},
        "description": {"description": _description(content)},
        "place": {"location": location},
        "status": {"status": _status(content)},
        "time": _times(content) | ({"recurrence": _recurrence(content)} if content.rules or event.get("recurrence") else {}),
    }
    names = _names(request, data)
    body: Json = {}
    for name in sorted(wanted.unsaid(content, names, data, location)):
        body |= changes[name]
    return body | (_added_guests(wanted.joining(request), people, event) if "guests" in names else {})


def _names(request: Request, data: wanted.Data) -> Collection[str]:
    former = request.former
    return wanted.fields(request) if former is None else wanted.untouched(former, data, wanted.place(former, wanted.own_link(data)))


def _data(request: Request, event: Json) -> wanted.Data:
    """The event as it would be read, with its place as it stands there."""
    said = translate([event], account=request.link.account, user=request.link.user or "-").events
    found: Json = said[0]["data"] if said else {}
    return found | {"location": event.get("location")}


def _added_guests(content: Content, people: dict[str, Person], event: Json) -> Json:
    """The guest list with those who are missing in it, everybody else as he stands there."""
    present = [one for one in event.get("attendees") or [] if isinstance(one, dict)]
    known = {str(one.get("email", "")).strip().casefold() for one in present}
    missing = [one for one in wanted.guests(content, people) if one[1].casefold() not in known]
    if not missing:
        return {}
    if event.get("attendeesOmitted") is True:
        raise Refused("google shows a part of the guests only, and a list written back would lose the others")
    return {"attendees": present + [_guest(*one) for one in missing]}


def _guest(guest: Guest, address: str, name: str | None) -> Json:
    """Only the organiser's own answer is ours to give."""
    answer = _ANSWERS.get(guest.status, "needsAction") if guest.owner else "needsAction"
    return {"email": address, "responseStatus": answer} | ({"displayName": name} if name else {})


def _status(content: Content) -> str:
    return "tentative" if content.tentative else "confirmed"


def _times(content: Content) -> Json:
    """Start and end. What the other form of a time would hold is emptied: a patch merges objects."""
    at = wanted.slot(content)
    return {"start": _time(content, at.start), "end": _time(content, at.end)}


def _time(content: Content, at: int) -> Json:
    moment = recurrence.moment(at)
    if content.all_day:
        return {"date": moment.date().isoformat(), "dateTime": None, "timeZone": None}
    zone = content.time_zone or "UTC"
    return {"date": None, "dateTime": moment.astimezone(ZoneInfo(zone)).isoformat(timespec="seconds"), "timeZone": zone}


def _recurrence(content: Content) -> list[str]:
    """RFC 5545 lines; single starts are told in UTC, which needs no zone."""
    lines = [f"RRULE:{rule}" for rule in content.rules]
    return lines + [f"{name}{_start(content, at)}" for name, starts in _starts(content) for at in starts]


def _starts(content: Content) -> tuple[tuple[str, tuple[datetime, ...]], ...]:
    return ("EXDATE", content.excluded), ("RDATE", content.added)


def _start(content: Content, local: datetime) -> str:
    if content.all_day:
        return f";VALUE=DATE:{local:%Y%m%d}"
    return f":{recurrence.moment(recurrence.instant(local, content.time_zone)):%Y%m%dT%H%M%SZ}"
