"""A HubSpot meeting (object type 0-47) as a source event of the CRM side. Pure.

What must stay true: HubSpot knows of a meeting no time zone, no all-day, no recurrence, no answer and no privacy, and
none of these is made up here: times are UTC, guests have not answered, and the calendar's side says the rest.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from adapters import html_text, wording
from adapters.hubspot.objects import CrmObject
from adapters.hubspot.values import identifier, moment, text
from adapters.wording import Refused

CALENDAR = "meetings"
# The property our writer sets on what it records, with our meeting id.
LINK = "rendezvous_meeting_id"
_ASSOCIATIONS = ("contacts", "companies", "deals", "tickets")
_CANCELLED = ("CANCELED", "CANCELLED")


def source(account: str) -> str:
    """The `source` of every event about meetings of this portal."""
    return f"/accounts/{account}/crm/hubspot/meetings"


def event(
    meeting: CrmObject, *, account: str, user: str | None, owners: Mapping[str, str], restored: datetime | None = None
) -> dict[str, Any] | Refused:
    """The meeting, whole; or its deletion if it is archived. `user` stands in for an owner that `owners` does not know.

    `restored` is when a webhook item said that it came back from the recycle bin: its own revision may be older than
    the deletion, so that time takes part in the order, and in the id, which must not be that of the deleted revision.
    """
    owner = owners.get(identifier(meeting.properties.get("hubspot_owner_id")) or "") or user or None
    if meeting.archived:
        return deletion(meeting.id, account=account, provenance=_provenance(meeting, owner), at=meeting.updated)
    if owner is None:
        return Refused(f"meeting {meeting.id}", "no owner known: neither its hubspot_owner_id among the owners, nor a user given")
    if meeting.updated is None:
        return Refused(f"meeting {meeting.id}", "nothing says when it last changed")
    times = _times(meeting)
    if isinstance(times, Refused):
        return times
    data = _data(meeting, owner, *times)
    order = max(meeting.updated, restored) if restored else meeting.updated
    revision = f"restored:{wording.instant(restored)}" if restored else meeting.revision or ""
    kind = "restored" if restored else "created" if meeting.just_made else "updated"
    return wording.envelope(
        f"meeting.{kind}",
        id=f"hubspot:meeting:{meeting.id}:{revision}:{wording.digest(data)}",
        source=source(account),
        subject=meeting.id,
        time=wording.instant(order),
        account=account,
        data=data,
        sequence=wording.sequence(order),
    )


def deletion(
    id: str, *, account: str, at: datetime | None, provenance: Mapping[str, Any] | None = None, event_id: str | None = None
) -> dict[str, Any]:
    """`meeting.deleted` at `at`, with what is known of its provenance."""
    known = {"provider": "hubspot", "calendar": CALENDAR, "id": id, "updated": wording.instant(at) if at else None, **(provenance or {})}
    data = {"provenance": {name: value for name, value in known.items() if value is not None}}
    return wording.envelope(
        "meeting.deleted",
        id=event_id or f"hubspot:meeting:{id}:deleted:{wording.digest(data)}",
        source=source(account),
        subject=id,
        time=wording.instant(at) if at else None,
        account=account,
        data=data,
        sequence=wording.sequence(at) if at else None,
    )


def _data(meeting: CrmObject, owner: str, start: datetime, end: datetime) -> dict[str, Any]:
    properties = meeting.properties
    location = text(properties.get("hs_meeting_location"))
    outcome = (text(properties.get("hs_meeting_outcome")) or "").strip().upper()
    return {
        "side": "crm",
        "provenance": _provenance(meeting, owner),
        "title": text(properties.get("hs_meeting_title")),
        "description": html_text.to_text(text(properties.get("hs_meeting_body"), None) or "") or None,
        "start": start.replace(tzinfo=None).isoformat(timespec="seconds"),
        "timeZone": "UTC",
        "duration": _duration(end.replace(microsecond=0) - start.replace(microsecond=0)),
        "showWithoutTime": False,
        "status": "cancelled" if outcome in _CANCELLED else "confirmed",
        "privacy": "public",
        "kind": "meeting",
        "location": location,
        "conferenceUrl": wording.link(text(properties.get("hs_meeting_external_url"), None)) or wording.link(location),
        "participants": _guests(text(properties.get("hs_guest_emails"), None) or ""),
        "recurrenceRules": [],
        "excludedStarts": [],
        "addedStarts": [],
        "associations": {kind: list(dict.fromkeys(_associated(meeting.associations, kind))) for kind in _ASSOCIATIONS},
    }


def _provenance(meeting: CrmObject, owner: str | None) -> dict[str, Any]:
    link = text(meeting.properties.get(LINK), 100)
    return {
        "provider": "hubspot",
        "user": owner,
        "calendar": CALENDAR,
        "primary": True,
        "id": meeting.id,
        "revision": meeting.revision,
        "icalUid": text(meeting.properties.get("hs_i_cal_uid")),
        "seriesId": None,
        "originalStart": None,
        "created": wording.instant(meeting.created) if meeting.created else None,
        "updated": wording.instant(meeting.updated) if meeting.updated else None,
        "origin": "rendezvous" if link else _origin(meeting.properties.get("hs_meeting_source")),
        "link": link,
        "detailsHidden": False,
    }


def _origin(source: object) -> str:
    """Who made the meeting. MEETINGS_PUBLIC, MEETINGS_EMBEDDED and their like are the scheduling pages."""
    name = (text(source) or "").strip().upper()
    if name.startswith("MEETINGS"):
        return "booking"
    return "native-sync" if name == "BIDIRECTIONAL_SYNC" else "user"


def _times(meeting: CrmObject) -> tuple[datetime, datetime] | Refused:
    """Start and end. Without an end the end is the start; an end before the start is for a person to put right."""
    written = {name: text(meeting.properties.get(name)) for name in ("hs_meeting_start_time", "hs_timestamp", "hs_meeting_end_time")}
    first = "hs_meeting_start_time" if written["hs_meeting_start_time"] else "hs_timestamp"
    start = moment(written[first])
    end = moment(written["hs_meeting_end_time"]) if written["hs_meeting_end_time"] else start
    what = f"meeting {meeting.id}"
    if start is None:
        return Refused(what, f"{first} is no time: {written[first]!r}" if written[first] else "it has no start")
    if end is None:
        return Refused(what, f"hs_meeting_end_time is no time: {written['hs_meeting_end_time']!r}")
    if end < start:
        return Refused(what, f"it ends ({wording.instant(end)}) before it starts ({wording.instant(start)})")
    return start, end


def _duration(length: timedelta) -> str:
    """ISO 8601, in hours: days are nominal in a source event, and HubSpot's times are instants.

    >>> _duration(timedelta(hours=25, minutes=30)), _duration(timedelta(0))
    ('PT25H30M', 'PT0S')
    """
    minutes, seconds = divmod(int(length.total_seconds()), 60)
    hours, minutes = divmod(minutes, 60)
    written = "".join(f"{count}{unit}" for count, unit in ((hours, "H"), (minutes, "M"), (seconds, "S")) if count)
    return f"PT{written or '0S'}"


def _guests(emails: str) -> dict[str, Any]:
    """The guests of a `;` list, each address once whatever its case; HubSpot does not know what they answered."""
    addresses = {address.lower(): address for address in map(str.strip, emails.split(";")) if address}
    return {
        str(number): {"email": address, "name": None, "roles": {"attendee": True}, "participationStatus": "needs-action"}
        for number, address in enumerate(addresses.values(), 1)
    }


def _associated(associations: object, kind: str) -> Iterator[str]:
    """The ids of one kind: v3 `{"results": [{"id"}]}`, v4 `[{"toObjectId"}]` or `[{"to": [{"toObjectId"}]}]`."""
    for entry in _entries(associations.get(kind) if isinstance(associations, dict) else None):
        for one in _entries(entry["to"]) if isinstance(entry, dict) and isinstance(entry.get("to"), list) else [entry]:
            found = identifier(one.get("toObjectId") or one.get("id")) if isinstance(one, dict) else identifier(one)
            if found:
                yield found


def _entries(linked: object) -> list[Any]:
    if isinstance(linked, dict):
        linked = next((linked[name] for name in ("results", "to") if isinstance(linked.get(name), list)), [linked])
    return linked if isinstance(linked, list) else []
