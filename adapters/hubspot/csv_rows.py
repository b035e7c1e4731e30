"""Rows of CSV exports of a portal, brought into the form of the API's objects, so that nothing else knows of CSV.

Column names are those of the common warehouse connectors: `property_` before a property's name, `_fivetran_synced` for
when the row was read, `engagement_id` with `start_time` for a meeting, `owner_id` with `email` for an owner. Pure.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from typing import Any

from adapters.hubspot import values

# Column of a meeting's row -> property of the API.
_MEETING = {
    "start_time": "hs_meeting_start_time",
    "end_time": "hs_meeting_end_time",
    "title": "hs_meeting_title",
    "body": "hs_meeting_body",
    "location": "hs_meeting_location",
    "external_url": "hs_meeting_external_url",
    "meeting_outcome": "hs_meeting_outcome",
    "source": "hs_meeting_source",
    "owner_id": "hubspot_owner_id",
    "i_cal_uid": "hs_i_cal_uid",
    "guest_emails": "hs_guest_emails",
    "created_at": "hs_createdate",
    "last_updated": "hs_lastmodifieddate",
}
# Column of an owner's or a user's row -> field of the API.
_PERSON = {"active_user_id": "userId", "user_id": "userId", "created_at": "createdAt", "updated_at": "updatedAt"}
# What only the list of users has, as a table or from the API of user provisioning: its id is the user's, not an owner's.
_USERS_ONLY = frozenset(("role_id", "primary_team_id", "roleId", "roleIds", "primaryTeamId", "superAdmin"))
_DELETED = ("_fivetran_deleted", "is_deleted")
_PREFIX = "property_"


def rows(text: str) -> list[dict[str, str]]:
    """The rows of a CSV text with a heading line, as dicts; a short row is filled with blanks, a long one cut.

    Raises csv.Error for a field of over 128 KiB, the standard library's limit.

    >>> rows("id,property_email\\r\\n151,bo@client.example\\r\\n")
    [{'id': '151', 'property_email': 'bo@client.example'}]
    """
    reader = csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""), restkey="", restval="")
    return [{column.strip(): value for column, value in row.items() if column} for row in reader]


def as_object(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """The row in the form of the API's object; what is no row of a table known here is answered unchanged."""
    if isinstance(row.get("properties"), dict):
        return row
    if "engagement_id" in row and "start_time" in row:
        return _object(row, row["engagement_id"], {_MEETING[c]: v for c, v in row.items() if c in _MEETING} | _properties(row))
    if "owner_id" in row and "email" in row:
        return _person(row, row["owner_id"])
    if "email" in row and "id" in row and _USERS_ONLY & row.keys():
        return _person({**row, "userId": row["id"]}, None)
    if _properties(row):
        return _object(row, row.get("id") or row.get("engagement_id") or row.get("contact_id"), _properties(row))
    if any(column.startswith("hs_") for column in row):
        return _object(row, row.get("id") or row.get("hs_object_id"), row)
    return row


def _properties(row: Mapping[str, Any]) -> dict[str, Any]:
    return {c.removeprefix(_PREFIX): v for c, v in row.items() if c.startswith(_PREFIX)}


def _object(row: Mapping[str, Any], id: object, properties: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "id": id,
        "properties": dict(properties),
        "archived": _deleted(row),
        "createdAt": row.get("createdAt"),
        "updatedAt": row.get("updatedAt"),
        "syncedAt": row.get("_fivetran_synced"),
        # Exports keep associations in tables of their own: what a row would say of them, no other read of it can.
        "associations": row.get("associations") or {},
    }


def _person(row: Mapping[str, Any], owner: object) -> dict[str, Any]:
    renamed = {_PERSON[c]: v for c, v in row.items() if c in _PERSON and values.text(v)}
    return {
        **row,
        "type": row.get("type") or "PERSON",
        **renamed,
        "id": owner,
        "archived": _deleted(row),
        "syncedAt": row.get("_fivetran_synced"),
    }


def _deleted(row: Mapping[str, Any]) -> bool:
    return any(values.flag(row.get(column)) for column in (*_DELETED, "archived"))
