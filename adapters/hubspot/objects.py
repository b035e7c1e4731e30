"""HubSpot's objects, told apart by their properties and read into four types: a CRM object, a person, a merge, or refused.

Pure. What must stay true: nothing here knows of source events, and nothing in `meetings`, `contacts` and `users` knows
where HubSpot keeps a time, an id or a flag. `flatten` and `read` take any decoded JSON and never raise.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from adapters import wording
from adapters.hubspot import csv_rows
from adapters.hubspot.values import flag, identifier, moment, text
from adapters.wording import Refused

# Objects of HubSpot's own sync are touched once more right after they are made.
_JUST_MADE = timedelta(seconds=5)
_CONTACT = frozenset(("email", "firstname", "lastname", "lastmodifieddate"))
# Properties of companies, deals and tickets, which may well have an `email` of the account's own making.
_NO_CONTACT = frozenset(("dealname", "dealstage", "domain", "hs_pipeline", "hs_pipeline_stage"))
# Field names of an unknown object that its refusal shows: enough to recognise the table.
_SHOWN = 6
_CREATED = ("hs_createdate", "createdate", "created_at")
_UPDATED = ("lastmodifieddate", "hs_lastmodifieddate")


class CrmObject(NamedTuple):
    """A meeting or a contact as it was read. `updated` is when it last changed, None if nobody says; `revision` is that
    time as HubSpot wrote it. `associations` is None where they were not read, as in what a search finds: not none, unknown."""

    kind: str
    id: str
    properties: Mapping[str, Any]
    created: datetime | None
    updated: datetime | None
    revision: str | None
    archived: bool
    associations: object

    @property
    def just_made(self) -> bool:
        """Was it created by the very change that was read?"""
        return self.created is not None and self.updated is not None and abs(self.updated - self.created) <= _JUST_MADE


class Person(NamedTuple):
    """An owner (`owner` is what `hubspot_owner_id` names) or a user; `user` is the CRM user id, None for a queue."""

    owner: str | None
    user: str | None
    inactive_user: str | None
    email: str | None
    queue: bool
    archived: bool
    updated: datetime | None
    revision: str | None


class Merge(NamedTuple):
    """The contacts `merged` became `survivor`: a row of the merge audit, or a webhook item. It knows neither's address."""

    survivor: str
    merged: tuple[str, ...]
    at: datetime | None


def flatten(bodies: Iterable[object]) -> Iterator[object]:
    """Every object in bodies, pages (`{"results": [...]}`), batch answers and lists, in order; errors of a batch too."""
    waiting = deque(bodies)
    while waiting:
        body = waiting.popleft()
        if isinstance(body, dict) and isinstance(body.get("results"), list):
            errors = body.get("errors")
            # Only what a search found says how many there are in all, and it never has associations.
            results = body["results"] if "total" in body else [_whole(one) for one in body["results"]]
            yield from results
            body = errors if isinstance(errors, list) else []
        if isinstance(body, list):
            waiting.extendleft(reversed(body))
        else:
            yield _whole(body)


def _whole(body: object) -> object:
    """An object of an answer in which associations could stand: without the field it has none."""
    if isinstance(body, dict) and isinstance(body.get("properties"), dict) and body.get("associations") is None:
        return body | {"associations": {}}
    return body


def read(body: object) -> CrmObject | Person | Merge | Refused:
    """What one flattened body is: an object of the API, or a row of an export."""
    if not isinstance(body, dict):
        return Refused(f"a JSON {type(body).__name__}", "no object of HubSpot's")
    if "canonical_vid" in body and "vid_to_merge" in body:
        return _merge(body)
    body = csv_rows.as_object(body)
    properties = body.get("properties")
    if isinstance(properties, dict):
        return _crm_object(body, properties)
    if "userId" in body or "userIdIncludingInactive" in body or ("email" in body and body.get("type") in ("PERSON", "QUEUE")):
        return _person(body)
    if "category" in body and "message" in body:
        return Refused("an error in the answer", f"{text(body['category'])}: {text(body['message'])}")
    return _unknown(body)


def _crm_object(body: Mapping[str, Any], properties: Mapping[str, Any]) -> CrmObject | Refused:
    kind = _kind(properties)
    if kind is None:
        return _unknown(properties)
    id = identifier(body.get("id")) or identifier(properties.get("hs_object_id"))
    if id is None:
        return Refused(f"a {kind}", "it has no id")
    created = _first([*(properties.get(name) for name in _CREATED), body.get("createdAt")])
    changes = [*(properties.get(name) for name in _UPDATED), body.get("updatedAt")]
    updated = _first(changes)
    revision = next((text(change, 100) for change in changes if moment(change) is not None), None)
    archived_at = moment(body.get("archivedAt"))
    archived = flag(body["archived"]) if body.get("archived") is not None else archived_at is not None
    if archived and archived_at is not None:
        # A deletion comes after every change it deleted, whether or not it counts as one.
        updated = max(archived_at, updated or archived_at)
    # When the row was read is no revision, but an export that has none puts its rows in that order.
    known = updated or moment(body.get("syncedAt")) or created
    return CrmObject(kind, id, properties, created, known, revision, archived, body.get("associations"))


def _kind(properties: Mapping[str, Any]) -> str | None:
    if any(name.startswith(("hs_meeting_", "hs_i_cal_uid")) for name in properties):
        return "meeting"
    return "contact" if _CONTACT & properties.keys() and not _NO_CONTACT & properties.keys() else None


def _person(body: Mapping[str, Any]) -> Person:
    changes = [body.get("updatedAt"), body.get("createdAt"), body.get("syncedAt")]
    return Person(
        owner=identifier(body.get("id")),
        user=identifier(body.get("userId")),
        inactive_user=identifier(body.get("userIdIncludingInactive")),
        email=(text(body.get("email")) or "").strip() or None,
        queue=(text(body.get("type")) or "").upper() == "QUEUE",
        archived=flag(body.get("archived")),
        updated=_first(changes),
        revision=text(body.get("updatedAt"), 100),
    )


def _merge(row: Mapping[str, Any]) -> Merge | Refused:
    survivor, merged = identifier(row["canonical_vid"]), identifier(row["vid_to_merge"])
    if survivor is None or merged is None or survivor == merged:
        return Refused("a merge", "canonical_vid and vid_to_merge do not name two contacts")
    return Merge(survivor, (merged,), moment(row.get("timestamp")))


def _unknown(fields: Mapping[str, Any]) -> Refused:
    names = [wording.clean(name, 60) or "" for name in sorted(fields)]
    shown = ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
    return Refused(f"an object with {shown or 'no fields'}", "neither a meeting, a contact, an owner, a user nor a merge")


def _first(candidates: Iterable[object]) -> datetime | None:
    return next((found for found in map(moment, candidates) if found is not None), None)
