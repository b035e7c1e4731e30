"""An event as Graph's JSON, in the way a client prefers.

What must stay true: nothing here changes anything. Times are in UTC unless another zone was asked for, also those of whole days,
which are then not at midnight; a series' occurrences in a delta say no more than their ids and times.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple
from urllib.parse import quote

from services.sandbox import office365_bodies as bodies
from services.sandbox.office365_mailboxes import Calendar, Mailbox, Shown
from services.sandbox.office365_times import Json, say_instant, say_ms, say_point, zone_of

_PREFERENCE = re.compile(r'\s*([\w.\-]+)\s*(?:=\s*(?:"([^"]*)"|([^,;\s]*)))?\s*[,;]?')


class Preferences(NamedTuple):
    """What the Prefer header asks for. `applied` is what Preference-Applied says of it."""

    zone: str = "UTC"
    immutable: bool = False
    page: int | None = None
    text: bool = False
    applied: str = ""


def preferences(headers: Mapping[str, str]) -> Preferences:
    """Of a request. What is not known is passed over. Raises `Refusal` for a zone that is none.

    >>> preferences({"prefer": 'outlook.timezone="Romance Standard Time", IdType="ImmutableId", odata.maxpagesize=50'})[:3]
    ('Romance Standard Time', True, 50)
    """
    asked = {name.lower(): quoted or plain for name, quoted, plain in _PREFERENCE.findall(headers.get("prefer", ""))}
    found, applied = Preferences(), []
    if asked.get("outlook.timezone"):
        zone_of(asked["outlook.timezone"])
        found = found._replace(zone=asked["outlook.timezone"])
        applied.append(f'outlook.timezone="{found.zone}"')
    if asked.get("idtype", "").lower() == "immutableid":
        found = found._replace(immutable=True)
        applied.append('IdType="ImmutableId"')
    if asked.get("odata.maxpagesize", "").isdigit():
        found = found._replace(page=max(1, int(asked["odata.maxpagesize"])))
        applied.append(f"odata.maxpagesize={found.page}")
    if asked.get("outlook.body-content-type", "").lower() == "text":
        found = found._replace(text=True)
        applied.append('outlook.body-content-type="text"')
    return found._replace(applied=", ".join(applied))


def etag(shown: Shown, mailbox: Mailbox) -> str:
    """`@odata.etag` of an event."""
    return f'W/"{change_key(shown, mailbox)}"'


def change_key(shown: Shown, mailbox: Mailbox) -> str:
    """`changeKey`: another one for each version. An exception is kept in its series, and says what that says where it says nothing
    itself: it has another one whenever its series does."""
    # The mailbox's own part makes the keys of two copies differ, as Exchange's do.
    return f"{mailbox.oid[:8]}{shown.event.key:06d}{shown.event.version:08d}{'X' if shown.exception else 'S'}=="


def whole(shown: Shown, mailbox: Mailbox, prefer: Preferences) -> Json:
    """All of an event."""
    event, content, state, times = shown.event, shown.content, shown.state, shown.times
    id = shown.id(prefer.immutable)
    series = Shown(event).id(prefer.immutable) if shown.original is not None else None
    says: Json = {
        "@odata.etag": etag(shown, mailbox),
        "id": id,
        "createdDateTime": say_ms(event.created if shown.kind == "occurrence" else state.created),
        "lastModifiedDateTime": say_ms(event.modified),
        "changeKey": change_key(shown, mailbox),
        "transactionId": event.transaction if shown.original is None else None,
        "originalStartTimeZone": times.start_zone,
        "originalEndTimeZone": times.end_zone,
        "iCalUId": shown.uid,
        "seriesMasterId": series,
        "type": shown.kind,
        "webLink": f"https://outlook.office365.com/owa/?itemid={quote(id, safe='')}&exvsurl=1&path=/calendar/item",
        "isAllDay": times.all_day,
        "recurrence": event.recurrence if shown.original is None else None,
        "bodyPreview": bodies.preview(content["body"]),
        "start": say_point(times.start, prefer.zone),
        "end": say_point(times.end, prefer.zone),
        **content,
    }
    if shown.original is not None:
        says["originalStart"] = say_instant(shown.original)
    if prefer.text:
        says["body"] = {"contentType": "text", "content": bodies.text(content["body"])}
    return says


def in_delta(shown: Shown, mailbox: Mailbox, prefer: Preferences) -> Json:
    """An event as a delta shows it: a bare one, if it is an occurrence as its series makes it."""
    kind = {"@odata.type": "#microsoft.graph.event"}
    if shown.kind != "occurrence":
        return kind | whole(shown, mailbox, prefer)
    return kind | {
        "@odata.etag": etag(shown, mailbox),
        "seriesMasterId": Shown(shown.event).id(prefer.immutable),
        "type": shown.kind,
        "id": shown.id(prefer.immutable),
        "start": say_point(shown.times.start, prefer.zone),
        "end": say_point(shown.times.end, prefer.zone),
    }


def removed(id: str) -> Json:
    """What a delta says of an id that is not in its window, or not any more."""
    return {"@odata.type": "#microsoft.graph.event", "id": id, "@removed": {"reason": "deleted"}}


def of_calendar(calendar: Calendar, mailbox: Mailbox) -> Json:
    """A calendar."""
    return {
        "id": calendar.id,
        "name": calendar.name,
        "color": "auto",
        "hexColor": "",
        "isDefaultCalendar": calendar.default,
        "changeKey": f"{mailbox.oid[:8]}AAAA==",
        "canShare": True,
        "canViewPrivateItems": True,
        "canEdit": True,
        "allowedOnlineMeetingProviders": ["teamsForBusiness"],
        "defaultOnlineMeetingProvider": "teamsForBusiness",
        "isTallyingResponses": calendar.default,
        "isRemovable": not calendar.default,
        "owner": {"name": mailbox.name, "address": mailbox.address},
    }


def of_user(mailbox: Mailbox) -> Json:
    """A user, as /me says it."""
    given, _, family = mailbox.name.partition(" ")
    return {
        "businessPhones": [],
        "displayName": mailbox.name,
        "givenName": given,
        "jobTitle": None,
        "mail": mailbox.address,
        "mobilePhone": None,
        "officeLocation": None,
        "preferredLanguage": None,
        "surname": family or None,
        "userPrincipalName": mailbox.address,
        "id": mailbox.oid,
    }


def moment(at: datetime) -> str:
    """An instant as Graph's `innerError.date` says it: without an offset."""
    return f"{at:%Y-%m-%dT%H:%M:%S}"
