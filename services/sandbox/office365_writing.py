"""What a client writes, examined, and as it is then kept. Pure: JSON in, JSON or times out.

What must stay true: what Graph keeps for itself (ids, keys, the organiser, the answers) is passed over, not refused: clients send
whole events back. A wrong value is refused with Graph's words.
"""

from __future__ import annotations

from datetime import time
from typing import Any
from urllib.parse import quote

from services.sandbox import office365_bodies as bodies
from services.sandbox import office365_recurrence as recurrence
from services.sandbox.office365_errors import Refusal, invalid
from services.sandbox.office365_mailboxes import Event, Mailbox, Times
from services.sandbox.office365_times import NEVER, Json, local, read_point

_WORDS = {
    "importance": ("low", "normal", "high"),
    "sensitivity": ("normal", "personal", "private", "confidential"),
    "showAs": ("free", "tentative", "busy", "oof", "workingElsewhere", "unknown"),
}
_FLAGS = ("isReminderOn", "responseRequested", "allowNewTimeProposals", "hideAttendees")
_KINDS = ("required", "optional", "resource")
_PROVIDERS = ("teamsForBusiness", "skypeForBusiness", "skypeForConsumer")

UNANSWERED = {"response": "none", "time": NEVER}
"""The status of a guest who was not heard of."""

OWN = frozenset({"showAs", "categories", "isReminderOn", "reminderMinutesBeforeStart", "responseStatus", "isOrganizer", "hasAttachments"})
"""What each copy of a meeting has for itself: changing it is told to nobody."""


def person(name: str, address: str) -> Json:
    """A recipient."""
    return {"emailAddress": {"name": name or address, "address": address}}


def fresh(mailbox: Mailbox) -> Json:
    """The content of an event about which nothing was said."""
    return {
        "categories": [],
        "reminderMinutesBeforeStart": 15,
        "isReminderOn": True,
        "hasAttachments": False,
        "hideAttendees": False,
        "subject": "",
        "importance": "normal",
        "sensitivity": "normal",
        "isCancelled": False,
        "isDraft": False,
        "isOrganizer": True,
        "responseRequested": True,
        "allowNewTimeProposals": True,
        "showAs": "busy",
        "onlineMeetingUrl": None,
        "isOnlineMeeting": False,
        "onlineMeetingProvider": "unknown",
        "onlineMeeting": None,
        "responseStatus": {"response": "organizer", "time": NEVER},
        "body": bodies.stored(None),
        "location": _place(None),
        "locations": [],
        "attendees": [],
        "organizer": person(mailbox.name, mailbox.address),
    }


def content(body: Json, before: Json, uid: str) -> Json:
    """What a body changes in a content. Raises `Refusal`."""
    said = _plain(body)
    if "body" in body:
        said["body"] = bodies.stored(body["body"])
    if "attendees" in body:
        said["attendees"] = _attendees(body["attendees"], before["attendees"])
    said |= _places(body)
    return {name: value for name, value in (said | _online(body, before | said, uid)).items() if before[name] != value}


def times(body: Json, before: Times | None) -> Times | None:
    """The times that a body asks for; None: it says nothing of times. Raises `Refusal`."""
    if before is not None and not body.keys() & {"start", "end", "isAllDay"}:
        return None
    start, start_zone = read_point(body["start"], "start") if before is None or "start" in body else (before.start, before.start_zone)
    end, end_zone = read_point(body["end"], "end") if before is None or "end" in body else (before.end, before.end_zone)
    all_day = bool(body.get("isAllDay", before.all_day if before else False))
    asked = Times(start, end, start_zone, end_zone, all_day)
    _examine(asked)
    return asked


def required(body: object) -> Json:
    """A body that makes an event: an object that has a start and an end. Raises `Refusal`."""
    if not isinstance(body, dict):
        raise invalid("Empty Payload. JSON content expected.", "BadRequest")
    lacking = [name for name in ("start", "end") if not isinstance(body.get(name), dict)]
    if lacking:
        raise invalid(f"The property '{lacking[0]}' is required when creating the entity.", "ErrorPropertyValidationFailure")
    return body


def repeats(body: Json, asked: Times) -> Json | None:
    """The recurrence that a body asks for. Raises `Refusal`."""
    if body.get("recurrence") is None:
        return None
    return recurrence.filled(body["recurrence"], local(asked.start, asked.start_zone).date(), asked.start_zone)


def moved_range(event: Event, asked: Times) -> Json | None:
    """The recurrence of a series whose times change and whose pattern does not: it starts on the new date."""
    if event.recurrence is None:
        return None
    extent = event.recurrence["range"] | {
        "startDate": local(asked.start, asked.start_zone).date().isoformat(),
        "recurrenceTimeZone": asked.start_zone,
    }
    return {"pattern": event.recurrence["pattern"], "range": extent}


def extended(body: Json) -> dict[str, str]:
    """The extended properties that a body sets. Raises `Refusal`."""
    found = {}
    for entry in _typed("singleValueExtendedProperties", body.get("singleValueExtendedProperties") or [], list):
        if not isinstance(entry, dict) or not isinstance(entry.get("id"), str) or not isinstance(entry.get("value"), str):
            raise invalid("The extended property has no id or no value.", "ErrorInvalidPropertyForOperation")
        found[entry["id"]] = entry["value"]
    return found


def address_of(recipient: Json) -> str:
    """Whose it is, for comparison."""
    return str(recipient["emailAddress"]["address"]).strip().lower()


def _examine(asked: Times) -> None:
    if asked.end < asked.start:
        raise invalid("The end date occurs before the start date.", "ErrorCalendarEndDateIsEarlierThanStartDate")
    if not asked.all_day:
        return
    first, last = local(asked.start, asked.start_zone), local(asked.end, asked.end_zone)
    midnights = first.time() == last.time() == time()
    if not midnights or asked.start_zone != asked.end_zone or first.date() == last.date():
        raise invalid(
            "The Event.Start or Event.End property for an all-day event needs to be set to midnight, in the same time zone, a day apart.",
            "ErrorPropertyValidationFailure",
        )


def _plain(body: Json) -> Json:
    said: Json = {}
    for name, known in _WORDS.items():
        if name in body:
            said[name] = _word(name, body[name], known)
    for name in _FLAGS:
        if name in body:
            said[name] = _typed(name, body[name], bool)
    if "subject" in body:
        said["subject"] = _typed("subject", body["subject"] if body["subject"] is not None else "", str)[:255]
    if "reminderMinutesBeforeStart" in body:
        said["reminderMinutesBeforeStart"] = _typed("reminderMinutesBeforeStart", body["reminderMinutesBeforeStart"], int)
    if "categories" in body:
        said["categories"] = [_typed("categories", one, str) for one in _typed("categories", body["categories"] or [], list)]
    return said


def _word(name: str, value: object, known: tuple[str, ...]) -> str:
    if value not in known:
        raise _unreadable(name, value)
    return str(value)


def _typed(name: str, value: Any, kind: type) -> Any:
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise _unreadable(name, value)
    return value


def _unreadable(name: str, value: object) -> Refusal:
    return Refusal(400, "RequestBodyRead", f"Cannot convert the value {value!r} of the property '{name}' to the expected type.")


def _attendees(value: object, before: list[Json]) -> list[Json]:
    """Guests keep the answers they gave; the same address stands once."""
    known = {address_of(guest): guest["status"] for guest in before}
    kept: dict[str, Json] = {}
    for guest in value if isinstance(value, list) else []:
        named = guest.get("emailAddress") if isinstance(guest, dict) else None
        address = named.get("address") if isinstance(named, dict) else None
        if not isinstance(named, dict) or not isinstance(address, str) or "@" not in address:
            raise invalid("At least one recipient isn't valid.", "ErrorInvalidRecipients")
        kind = _word("type", guest.get("type") or "required", _KINDS)
        key = address.strip().lower()
        kept[key] = {"type": kind, "status": known.get(key, UNANSWERED), **person(str(named.get("name") or ""), address.strip())}
    return list(kept.values())


def _places(body: Json) -> Json:
    """`location` and `locations` mirror each other, and setting one drops what the other had more."""
    if body.get("locations"):
        places = [_place(place) for place in _typed("locations", body["locations"], list)]
        return {"location": places[0] | {"displayName": "; ".join(p["displayName"] for p in places)}, "locations": places}
    if "location" in body:
        place = _place(body["location"])
        return {"location": place, "locations": [place] if place["displayName"] else []}
    return {}


def _place(value: object) -> Json:
    given = value if isinstance(value, dict) else {}
    name = str(given.get("displayName") or "")
    place: Json = {"displayName": name, "locationType": given.get("locationType") or "default"}
    place |= {"uniqueId": name, "uniqueIdType": "private"} if name else {"uniqueIdType": "unknown"}
    return place | {key: given[key] for key in ("locationUri", "locationEmailAddress", "address", "coordinates") if given.get(key)}


def _online(body: Json, now: Json, uid: str) -> Json:
    """Once online, a meeting stays so, until somebody takes the block out of its body."""
    if now["isOnlineMeeting"]:
        whole = now["onlineMeeting"]["joinUrl"] in now["body"]["content"]
        return {} if "body" not in body or whole else {"isOnlineMeeting": False, "onlineMeeting": None}
    if body.get("isOnlineMeeting") is not True:
        return {}
    provider = body.get("onlineMeetingProvider")
    link = f"https://teams.microsoft.com/l/meetup-join/{quote(f'19:meeting_{uid[:32]}@thread.v2', safe='')}/0"
    return {
        "isOnlineMeeting": True,
        "onlineMeetingProvider": provider if provider in _PROVIDERS else "teamsForBusiness",
        "onlineMeeting": {"joinUrl": link, "conferenceId": str(int(uid[:8], 16) % 10**9), "tollNumber": "+1 425 555 0123"},
        "body": bodies.with_meeting(now["body"], link),
    }
