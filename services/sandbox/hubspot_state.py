"""What a portal holds, in the few words that a person looks at. The control page shows it; no client of HubSpot's sees it."""

from __future__ import annotations

from typing import Any

from services.sandbox.hubspot_portal import Portal, Record
from services.sandbox.hubspot_types import COMPANIES, CONTACTS, DEALS, MEETINGS, TICKETS

MOST_SHOWN = 200
"""The newest of each kind."""


def portal_state(portal: Portal) -> dict[str, Any]:
    """People, records, and the meetings with what they are logged for, archived ones too."""
    return {
        "id": portal.id,
        "name": portal.name,
        "users": [
            {"id": user.id, "email": user.email, "name": f"{user.first} {user.last}".strip(), "nativeSync": user.native_sync}
            for user in portal.users.values()
        ],
        "owners": [{"id": one.id, "email": one.email, "user": one.user, "archived": one.archived} for one in portal.owners.values()],
        "contacts": [_contact(one) for one in _newest(portal, CONTACTS.name)],
        "companies": [{"id": one.id, "name": one.get("name")} for one in _newest(portal, COMPANIES.name)],
        "deals": [{"id": one.id, "name": one.get("dealname")} for one in _newest(portal, DEALS.name)],
        "tickets": [{"id": one.id, "name": one.get("subject")} for one in _newest(portal, TICKETS.name)],
        "meetings": [_meeting(portal, one) for one in _newest(portal, MEETINGS.name)],
    }


def _newest(portal: Portal, kind: str) -> list[Record]:
    there = [one for one in portal.records[kind].values() if one.merged_into is None]
    return there[-MOST_SHOWN:]


def _contact(one: Record) -> dict[str, Any]:
    name = f"{one.get('firstname') or ''} {one.get('lastname') or ''}".strip()
    return {"id": one.id, "email": one.get("email"), "name": name, "archived": one.archived_at is not None}


def _meeting(portal: Portal, one: Record) -> dict[str, Any]:
    owner = portal.owners.get(one.get("hubspot_owner_id") or "")
    return {
        "id": one.id,
        "title": one.get("hs_meeting_title"),
        "start": one.get("hs_meeting_start_time") or one.get("hs_timestamp"),
        "end": one.get("hs_meeting_end_time"),
        "location": one.get("hs_meeting_location"),
        "outcome": one.get("hs_meeting_outcome"),
        "source": one.get("hs_meeting_source") or one.get("hs_object_source"),
        "uid": one.get("hs_i_cal_uid"),
        "owner": owner.email if owner else None,
        "archived": one.archived_at is not None,
        **{kind.name: [id for id, _ in portal.linked(one, kind)] for kind in (CONTACTS, COMPANIES, DEALS, TICKETS)},
    }
