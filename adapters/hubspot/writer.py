"""Writing meetings to HubSpot.

What must stay true:
- one row for one meeting: our meeting id stands in a property of unique values, and a row is made by upserting on it. HubSpot has no
  conditional write: a row is read before it is written, and what it says already is not sent;
- a creation that finds the row made by an earlier one brings it to what is asked for by now, but for what a person changed since;
- beside a row of HubSpot's own calendar sync no second one is made, and its content is HubSpot's to write: of ours are its
  associations only;
- only a contact whom we put on a row is taken off it again, for an association made by hand stands: a second property says who they
  are. Companies, deals and tickets, which only the CRM itself knows, are never taken off;
- both properties are defined when they are first needed;
- HubSpot mails nobody about these rows, and nothing in here deletes one.

Facts: HubSpot developer documents, "Meetings", "Properties", "Associations v4", "Search"; association type ids of its SDK.
"""

from __future__ import annotations

import html
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple
from urllib.parse import quote

from msgspec.structs import replace

from adapters import wanted, wording
from adapters.http import Answer, Api
from adapters.hubspot.calling import SEARCH, V3, Paths
from adapters.hubspot.meetings import LINK
from adapters.hubspot.portal import MEETINGS, Portal
from adapters.hubspot.translate import translate
from adapters.hubspot.users import owners_map
from adapters.hubspot.values import moment, text
from domain import recurrence
from domain.errors import Overtaken, Refused, TryAgain
from domain.events import Content
from domain.outside import Link, Request, Written
from domain.people import Person

Json = dict[str, Any]

OURS = "rendezvous_contacts"
"""The property of a row that holds the ids of the contacts whom we associated with it, by blanks."""

NATIVE = "BIDIRECTIONAL_SYNC"
TYPE_IDS = {"contacts": 200, "companies": 188, "deals": 212, "tickets": 226}
"""From a meeting to each kind of object; HubSpot's own, unlabelled association."""

_PROPERTIES = "crm/v3/properties/meetings"
_READ = (
    "hs_meeting_title",
    "hs_meeting_body",
    "hs_timestamp",
    "hs_meeting_start_time",
    "hs_meeting_end_time",
    "hs_meeting_location",
    "hs_meeting_external_url",
    "hs_meeting_outcome",
    "hubspot_owner_id",
    "hs_createdate",
    "hs_lastmodifieddate",
    LINK,
    OURS,
)
# Not every portal has these, and some answer 400 to whoever asks for what is not there.
_OPTIONAL = ("hs_meeting_source", "hs_i_cal_uid")
_GROUP = "engagement"
_CANCELED, _SCHEDULED = "CANCELED", "SCHEDULED"


class _Definition(NamedTuple):
    """A property of our own."""

    name: str
    label: str
    description: str
    unique: bool


_OWN = (
    _Definition(LINK, "Rendezvous meeting", "Which meeting of Rendezvous this is. Written by Rendezvous.", True),
    _Definition(OURS, "Rendezvous contacts", "The contacts that Rendezvous associated with this meeting. Written by Rendezvous.", False),
)


class _Undefined(Refused):
    """It does not know a property that is named."""


class HubSpotWriter:
    """`outside.Writer` for HubSpot. Usable by any number of threads. `paths` as for reading."""

    def __init__(self, api: Api, paths: Paths = V3) -> None:
        self._api, self._paths = api, paths
        self._objects = paths.objects.format(type="meetings")
        self._defined: set[str] = set()
        self._owners: dict[str, dict[str, str]] = {}

    def write(self, request: Request, people: dict[str, Person]) -> Written:
        """See the port. `people` is not needed: a row names contacts by their ids."""
        account = request.link.account
        known = account in self._defined
        self._define(_portal(request))
        try:
            return self._bring_about(request)
        except Refused as error:
            self._defined.discard(account)  # it may be the property that is not there any more
            if known and isinstance(error, _Undefined):
                raise TryAgain("a property of ours was deleted in HubSpot, and is defined anew") from None
            raise

    def _bring_about(self, request: Request) -> Written:
        row = self._there(request)
        if row is None and request.copy is not None:
            raise Overtaken("the meeting is not in HubSpot any more")
        if row is None:
            return self._upsert(request)
        return self._complete(request, row) if request.action == "create" else self._update(request, row)

    def _there(self, request: Request) -> Json | None:
        """The row: by its id, else by our link, else HubSpot's own of the same UID."""
        if request.copy is not None:
            return self._get(request, request.copy)
        row = self._get(request, str(request.meeting), by=LINK)
        return row or (self._native(request) if request.uid else None)

    def _upsert(self, request: Request) -> Written:
        properties = _whole(request.content, request.cancelled) | {LINK: str(request.meeting)}
        if request.content.contacts:
            properties[OURS] = " ".join(request.content.contacts)
        if owner := self._owner(request):
            properties["hubspot_owner_id"] = owner
        inputs = [{"id": str(request.meeting), "idProperty": LINK, "properties": properties}]
        made = self._batch(request, f"{self._objects}/batch/upsert", inputs)
        if not made:
            raise TryAgain("hubspot answered an upsert with nothing")
        return self._complete(request, _row(made[0]), made=True)

    def _complete(self, request: Request, row: Json, made: bool = False) -> Written:
        """With what it says beyond the creation that the row was made by, and with the associations that are still missing: they are made
        after the row. HubSpot's own row has those that it wants."""
        if _is_native(row):
            return _written(request, row, called=made)
        data = _data(request, row)
        missing = _to_put_on(request, data)
        changes = {} if made or request.former is None else _newer(request, request.former, row, data)
        if not (missing or changes):
            return _written(request, row, called=made)
        self._change(request, row, changes)
        self._associate(request, row, missing)
        return _written(request, self._get(request, row["id"]) or row)

    def _update(self, request: Request, row: Json) -> Written:
        data = _data(request, row)
        gone, missing = _to_take_off(request, row, data), _to_put_on(request, data) if "associations" in request.changed else {}
        changes = {} if _is_native(row) else _changes(request, row, data, request.changed)
        changes |= _contacts_of_ours(row, missing.get("contacts", []), gone)
        if not (gone or missing or changes):
            return _written(request, row, called=False)
        # In this order: whoever dies in between still finds what he has to take off, and takes nothing off that is not ours.
        self._dissociate(request, row, gone)
        self._change(request, row, changes)
        self._associate(request, row, missing)
        return _written(request, self._get(request, row["id"]) or row)

    def _change(self, request: Request, row: Json, changes: Json) -> None:
        if not changes:
            return
        answer = self._call(request, "PATCH", f"{self._objects}/{row['id']}", {"properties": changes}, expected=(400, 404))
        if answer.status == 400:
            raise _refusal(answer)
        if answer.status == 404:
            raise Overtaken("the meeting was deleted in HubSpot meanwhile")

    # --- associations

    def _associate(self, request: Request, row: Json, missing: Mapping[str, list[str]]) -> None:
        for kind, ids in missing.items():
            types = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": TYPE_IDS[kind]}]
            inputs = [{"from": {"id": row["id"]}, "to": {"id": id}, "types": types} for id in ids]
            self._batch(request, f"{self._associations(kind)}/batch/create", inputs)

    def _dissociate(self, request: Request, row: Json, gone: list[str]) -> None:
        if gone:
            inputs = [{"from": {"id": row["id"]}, "to": [{"id": id} for id in gone]}]
            self._call(request, "POST", f"{self._associations('contacts')}/batch/archive", {"inputs": inputs})

    def _associations(self, kind: str) -> str:
        return self._paths.associations.format(one="meetings", other=kind)

    # --- the properties of our own

    def _define(self, portal: Link) -> None:
        """See to it that there are the properties, once a process and account."""
        if portal.account not in self._defined:
            for definition in _OWN:
                self._define_one(portal, definition)
            self._defined.add(portal.account)

    def _define_one(self, portal: Link, definition: _Definition) -> None:
        name = definition.name
        answer = self._api.call(portal, "GET", f"{_PROPERTIES}/{name}", expected=(403, 404))
        if answer.status == 404:
            answer = self._defined_now(portal, definition)
        if answer.status == 403:
            raise Refused(f"HubSpot does not let us define the property {name} of meetings: connect again with that scope, or define it")
        if definition.unique and answer.status != 409 and (answer.body or {}).get("hasUniqueValue") is not True:
            raise Refused(f"the property {name} of meetings is not one of unique values: delete it, and it will be defined anew")

    def _defined_now(self, portal: Link, definition: _Definition) -> Answer:
        """409: somebody else did in the same moment."""
        beside = self._api.call(portal, "GET", f"{_PROPERTIES}/hs_meeting_title", expected=(404,))
        group = beside.body.get("groupName") if beside.status == 200 and isinstance(beside.body, dict) else None
        body = {
            "name": definition.name,
            "label": definition.label,
            "description": definition.description,
            "type": "string",
            "fieldType": "text",
            "groupName": group or _GROUP,
            "hasUniqueValue": definition.unique,
        }
        return self._api.call(portal, "POST", _PROPERTIES, json=body, expected=(403, 409))

    # --- whose it is

    def _owner(self, request: Request) -> str | None:
        """The owner id of the request's user; None for a user whom HubSpot does not list among the owners."""
        if not request.owner:
            return None
        known = self._owners.get(request.link.account, {})
        if request.owner not in known:
            known = self._owners[request.link.account] = self._read_owners(_portal(request))
        return known.get(request.owner)

    def _read_owners(self, portal: Link) -> dict[str, str]:
        """User id to owner id. Former owners come last: somebody who came back is the one he is now."""
        found: dict[str, str] = {}
        for owner, user in owners_map(Portal(self._api, portal, self._paths).owners()).items():
            found.setdefault(user, owner)
        return found

    # --- rows

    def _get(self, request: Request, id: str, by: str = "") -> Json | None:
        """A row with its associations, by its id or by a property of unique values; None if there is none, or an archived one."""
        for names in ((*_READ, *_OPTIONAL), _READ):
            params = {"properties": ",".join(names), "associations": ",".join(TYPE_IDS)} | ({"idProperty": by} if by else {})
            answer = self._api.call(_portal(request), "GET", f"{self._objects}/{quote(id, safe='')}", params=params, expected=(400, 404))
            if answer.status != 400:
                break
        if answer.status == 400:
            raise _refusal(answer)
        row = None if answer.status == 404 else _row(answer.body)
        return None if row is None or row.get("archived") is True else self._with_all(request, row)

    def _with_all(self, request: Request, row: Json) -> Json:
        """With the associations that did not fit: a row bears a page of each kind."""
        for kind, page in row["associations"].items():
            if kind in TYPE_IDS and isinstance(page, dict) and page.get("paging"):
                read = Portal(self._api, _portal(request), self._paths).associated(MEETINGS, kind, [row["id"]])
                page["results"] = [{"id": id} for id in read.get(row["id"], ())] or page.get("results")
        return row

    def _native(self, request: Request) -> Json | None:
        """HubSpot's own row of the same UID; of several, which are a series' occurrences, the one that starts when the meeting does."""
        filters = [
            {"propertyName": "hs_i_cal_uid", "operator": "EQ", "value": request.uid},
            {"propertyName": "hs_meeting_source", "operator": "EQ", "value": NATIVE},
        ]
        query = {"filterGroups": [{"filters": filters}], "properties": ["hs_meeting_start_time"], "limit": 100}
        # A portal that never had HubSpot's own sync does not have the properties either.
        answer = self._call(request, "POST", f"{self._objects}/search", query, expected=(400,), kind=SEARCH)
        rows = sorted((answer.body or {}).get("results") or [], key=lambda row: (not _starts_with(request.content, row), str(row["id"])))
        return self._get(request, str(rows[0]["id"])) if rows else None

    def _batch(self, request: Request, path: str, inputs: list[Json]) -> list[Json]:
        """What a batch answered. Raises `Refused` if a part of it was refused; a contact that was deleted since is no reason."""
        answer = self._call(request, "POST", path, {"inputs": inputs}, expected=(400, 409))
        if answer.status == 409:
            raise TryAgain("hubspot is busy with the same meeting")
        if answer.status == 400:
            raise _refusal(answer)
        body = answer.body or {}
        categories = {text(error.get("category"), 80) if isinstance(error, dict) else None for error in body.get("errors") or []}
        if why := categories - {"OBJECT_NOT_FOUND"}:
            raise _refusal(answer, f"hubspot refused a part: {', '.join(sorted(one or 'without saying why' for one in why))}")
        return body.get("results") or []

    def _call(self, request: Request, method: str, path: str, body: Json, expected: tuple[int, ...] = (), kind: str = "") -> Answer:
        return self._api.call(_portal(request), method, path, json=body, expected=expected, kind=kind)


def _portal(request: Request) -> Link:
    """Whose grant it is: the account's, whatever user the row is of."""
    return Link(request.link.account, "hubspot")


def _refusal(answer: Answer, said: str | None = None) -> Refused | TryAgain:
    """What is behind a refusal: HubSpot's code of it is `VALIDATION_ERROR` whatever it is, and only its message says more."""
    if b"PROPERTY_DOESNT_EXIST" in answer.content:
        return _Undefined(said or f"hubspot answered {answer.status} PROPERTY_DOESNT_EXIST")
    if b"CONFLICTING_UNIQUE_VALUE" in answer.content:
        return TryAgain("hubspot is just making the same row")  # by a call of ours that nobody waited for
    return Refused(said or f"hubspot answered {answer.status} {answer.code}".strip())


def _row(body: Any) -> Json:
    if not isinstance(body, dict) or not body.get("id"):
        raise TryAgain("hubspot answered with what is no meeting")
    return {"associations": {}} | body | {"id": str(body["id"])}


def _properties(row: Json) -> Json:
    return row.get("properties") or {}


def _is_native(row: Json) -> bool:
    return (text(_properties(row).get("hs_meeting_source")) or "").upper() == NATIVE


def _starts_with(content: Content, row: Json) -> bool:
    start = moment(_properties(row).get("hs_meeting_start_time"))
    return start is not None and recurrence.millis(start) == wanted.slot(content).start


def _revision(row: Json) -> str | None:
    return text(_properties(row).get("hs_lastmodifieddate"), 100) or text(row.get("updatedAt"), 100)


def _written(request: Request, row: Json, called: bool = True) -> Written:
    """What a person made of the row since is told by reading it, and is not ours to confirm."""
    properties = _properties(row)
    created = _instant(properties.get("hs_createdate") or row.get("createdAt"))
    written = Written(row["id"], _revision(row), text(properties.get("hs_i_cal_uid")), _instant(_revision(row)), created, called)
    unsaid = _changes(request, row, _data(request, row), wanted.FIELDS)
    return written._replace(revision=None, updated=created) if unsaid else written


def _instant(value: object) -> str | None:
    at = moment(value)
    return None if at is None else wording.instant(at)


# --- from a meeting to a row --------------------------------------------------------------------------------------------------


def _whole(content: Content, cancelled: bool) -> Json:
    """The properties of a new row; what is not known is left out."""
    properties = {
        **_times(content),
        "hs_meeting_title": content.title,
        "hs_meeting_body": _body(content),
        "hs_meeting_location": content.location,
        "hs_meeting_external_url": content.conference_url,
        "hs_meeting_outcome": _CANCELED if cancelled else _SCHEDULED,
    }
    return {name: value for name, value in properties.items() if value}


def _times(content: Content) -> Json:
    at = wanted.slot(content)
    start, end = (wording.instant(recurrence.moment(one)) for one in (at.start, at.end))
    return {"hs_timestamp": start, "hs_meeting_start_time": start, "hs_meeting_end_time": end}


def _body(content: Content) -> str:
    return html.escape(content.description or "", quote=False).replace("\n", "<br>")


def _changes(request: Request, row: Json, data: wanted.Data, names: Collection[str]) -> Json:
    """What the row does not say yet, of these fields."""
    content = request.content
    missing = wanted.unsaid(content, set(names) - {"conference", "status", "time"}, data, content.location)
    changes: Json = {
        "title": {"hs_meeting_title": content.title or ""},
        "description": {"hs_meeting_body": _body(content)},
        "place": {"hs_meeting_location": content.location or ""},
    }
    said: Json = {}
    for name in sorted(missing):
        said |= changes[name]
    if "time" in names:
        said |= _new_times(content, row)
    if "conference" in names and text(_properties(row).get("hs_meeting_external_url")) != content.conference_url:
        said["hs_meeting_external_url"] = content.conference_url or ""
    return said | (_outcome(request, row) if "status" in names else {})


def _newer(request: Request, former: Content, row: Json, data: wanted.Data) -> Json:
    """What the row does not say yet, of the fields in which it says what it was made with; and whom we put on it now."""
    made = replace(request, content=former)
    changes = _changes(request, row, data, [name for name in wanted.FIELDS if not _changes(made, row, data, [name])])
    return changes | _contacts_of_ours(row, _to_put_on(request, data).get("contacts", []), [])


def _new_times(content: Content, row: Json) -> Json:
    """As instants, all HubSpot knows: a series or a date is to it the time of the first."""
    return {name: value for name, value in _times(content).items() if moment(_properties(row).get(name)) != moment(value)}


def _outcome(request: Request, row: Json) -> Json:
    """Cancelled, or no more; any other outcome is the salesperson's."""
    outcome = (text(_properties(row).get("hs_meeting_outcome")) or "").strip().upper()
    if request.cancelled:
        return {} if outcome == _CANCELED else {"hs_meeting_outcome": _CANCELED}
    return {"hs_meeting_outcome": _SCHEDULED} if outcome == _CANCELED else {}


def _data(request: Request, row: Json) -> wanted.Data:
    """The row as it would be read."""
    said = translate([row], account=request.link.account, user=request.owner or "-").events
    found: Json = said[0]["data"] if said else {}
    return found


def _to_put_on(request: Request, data: wanted.Data) -> dict[str, list[str]]:
    """The associations that are wanted and missing, by kind."""
    there = data.get("associations") or {}
    wanted_ids = {kind: getattr(request.content, kind) for kind in TYPE_IDS}
    missing = {kind: [id for id in ids if id not in (there.get(kind) or ())] for kind, ids in wanted_ids.items()}
    return {kind: ids for kind, ids in missing.items() if ids}


def _to_take_off(request: Request, row: Json, data: wanted.Data) -> list[str]:
    """The contacts whom we put on the row and who are not wanted there any more."""
    if "associations" not in request.changed:
        return []
    there = (data.get("associations") or {}).get("contacts") or ()
    return [id for id in there if id in _ours(row) and id not in request.content.contacts]


def _ours(row: Json) -> list[str]:
    return (text(_properties(row).get(OURS), None) or "").split()


def _contacts_of_ours(row: Json, added: list[str], gone: list[str]) -> Json:
    """What is to be remembered of whom we put on the row."""
    before = _ours(row)
    after = [id for id in dict.fromkeys((*before, *added)) if id not in gone]
    return {} if after == before else {OURS: " ".join(after)}
