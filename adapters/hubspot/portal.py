"""A HubSpot portal, asked: searches, batches with their associations, what is in the recycle bin, and owners.

What must stay true: a meeting leaves here with its associations read or not at all, since one without them would be told as having
none; what a batch failed to read is not taken for what is not there; and a property that a portal lacks costs that property, not the
read.

Facts: HubSpot developer documents, "CRM search" (200 a page, one sort, neither associations nor archived objects), "Batch read" (100
inputs, 207 where some fail), "Associations v4" and "Owners".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from adapters.http import Answer, Api
from adapters.hubspot.calling import SEARCH, V3, Paths
from adapters.hubspot.meetings import LINK
from domain.errors import Refused, TryAgain
from domain.outside import Link

BATCH = 100
"""Objects of a batch: HubSpot's most."""

PAGE = 200
"""Objects that a search finds at once: HubSpot's most."""

Json = dict[str, Any]


class Kind(NamedTuple):
    """A type of object: its `name` in events, its `path`, the property `modified` that says when it changed, and what is read of it.
    `optional` properties are those that not every portal has."""

    name: str
    path: str
    type_id: str
    modified: str
    properties: tuple[str, ...]
    optional: tuple[str, ...]
    associated: tuple[str, ...]


MEETINGS = Kind(
    "meeting",
    "meetings",
    "0-47",
    "hs_lastmodifieddate",
    (
        "hs_createdate",
        "hs_lastmodifieddate",
        "hs_meeting_body",
        "hs_meeting_end_time",
        "hs_meeting_external_url",
        "hs_meeting_location",
        "hs_meeting_outcome",
        "hs_meeting_start_time",
        "hs_meeting_title",
        "hs_timestamp",
        "hubspot_owner_id",
    ),
    ("hs_guest_emails", "hs_i_cal_uid", "hs_meeting_source", LINK),
    ("contacts", "companies", "deals", "tickets"),
)
CONTACTS = Kind(
    "contact",
    "contacts",
    "0-1",
    "lastmodifieddate",
    ("company", "createdate", "email", "firstname", "lastmodifieddate", "lastname"),
    ("hs_calculated_merged_vids", "hs_merged_object_ids"),
    (),
)
KINDS = {kind.name: kind for kind in (MEETINGS, CONTACTS)}

# What a batch says of an object that is not there, and an association read of one that has none, in one version or another.
_NONE = ("NO_ASSOCIATIONS_FOUND", "OBJECT_NOT_FOUND")


class Portal:
    """One link's portal, for one read."""

    def __init__(self, api: Api, link: Link, paths: Paths = V3) -> None:
        self._api, self._link, self._paths = api, link, paths
        self._lacking: set[str] = set()

    def search(self, kind: Kind, filters: Sequence[tuple[str, str, str]], sort: str) -> tuple[list[Json], bool]:
        """The first page of what fits all `filters` (property, operator, value), ascending by `sort`; and whether there is more."""
        asked = {
            "filterGroups": [{"filters": [{"propertyName": name, "operator": is_, "value": value} for name, is_, value in filters]}],
            "sorts": [{"propertyName": sort, "direction": "ASCENDING"}],
            "properties": [kind.modified],
            "limit": PAGE,
        }
        body = self._post(f"{self._objects(kind)}/search", asked, kind=SEARCH).body
        found = _results(body)
        return found, bool(_inside(_inside(body, "paging"), "next").get("after")) and bool(found)

    def read(self, kind: Kind, ids: Sequence[str], archived: bool = False, patient: bool = True) -> Iterator[Json]:
        """These objects, whole; without those that are not there. `archived`: from the recycle bin. `patient`: what passes by itself is
        tried again in here. Raises `TryAgain` if some could not be read."""
        for start in range(0, len(ids), BATCH):
            yield from self._batch(kind, ids[start : start + BATCH], archived, patient)

    def _batch(self, kind: Kind, ids: Sequence[str], archived: bool, patient: bool) -> list[Json]:
        path = f"{self._objects(kind)}/batch/read" + ("?archived=true" if archived else "")
        while True:
            wanted = self._wanted(kind)
            asked = {"properties": wanted, "inputs": [{"id": id} for id in ids]}
            answer = self._post(path, asked, expected=(400,), patient=patient)
            if answer.status != 400:
                break
            self._lack(kind, wanted, answer)
        _examine(answer.body)
        found = [one for one in _results(answer.body) if one.get("id")]
        if not archived:
            self._associate(kind, found, patient)
        return found

    def recycled(self, kind: Kind) -> Iterator[list[Json]]:
        """Pages of what is in the recycle bin."""
        after: str | None = None
        while True:
            wanted = self._wanted(kind)
            params = {"archived": "true", "limit": str(BATCH), "properties": ",".join(wanted)} | ({"after": after} if after else {})
            answer = self._get(self._objects(kind), params, expected=(400,))
            if answer.status == 400:
                self._lack(kind, wanted, answer)
                continue
            yield _results(answer.body)
            after = _inside(_inside(answer.body, "paging"), "next").get("after")
            if not after:
                return

    def owners(self) -> list[Json]:
        """All owners, former ones included."""
        return [*self._owners(archived=False), *self._owners(archived=True)]

    def _owners(self, archived: bool) -> Iterator[Json]:
        after: str | None = None
        while True:
            params = {"limit": str(BATCH), "archived": str(archived).lower()} | ({"after": after} if after else {})
            body = self._get(self._paths.owners, params).body
            yield from _results(body)
            after = _inside(_inside(body, "paging"), "next").get("after")
            if not after:
                return

    # --- properties

    def _wanted(self, kind: Kind) -> list[str]:
        return [*kind.properties, *(name for name in kind.optional if name not in self._lacking)]

    def _lack(self, kind: Kind, wanted: Iterable[str], answer: Answer) -> None:
        """Ask no more for what this portal does not have. Raises `Refused` if that is not what is wrong."""
        said = answer.content.decode("utf-8", "replace")
        missing = {name for name in wanted if name in kind.optional and name in said and "PROPERTY_DOESNT_EXIST" in said}
        if not missing:
            raise Refused(f"hubspot answered {answer.status} {answer.code}")
        self._lacking |= missing

    # --- associations

    def _associate(self, kind: Kind, found: list[Json], patient: bool) -> None:
        linked: dict[str, Json] = {str(one["id"]): {} for one in found}
        for other in kind.associated:
            for id, ids in self.associated(kind, other, list(linked), patient).items():
                if id in linked:
                    linked[id][other] = [{"toObjectId": to} for to in ids]
        for one in found:
            one["associations"] = linked[str(one["id"])]

    def associated(self, kind: Kind, other: str, ids: list[str], patient: bool = True) -> dict[str, list[str]]:
        """With which objects of another type each of these is associated; nothing of those types that may not be seen."""
        found: dict[str, list[str]] = {}
        path = f"{self._paths.associations.format(one=kind.path, other=other)}/batch/read"
        inputs = [{"id": id} for id in ids]
        while inputs:
            # Deals and tickets are optional scopes of an installation: without one, what it would show is not known.
            answer = self._post(path, {"inputs": inputs}, expected=() if other == "contacts" else (403,), patient=patient)
            if answer.status == 403:
                return {}
            _examine(answer.body)
            inputs = []
            for result in _results(answer.body):
                id = str(_inside(result, "from").get("id"))
                found.setdefault(id, []).extend(str(to["toObjectId"]) for to in result.get("to") or () if "toObjectId" in to)
                after = _inside(_inside(result, "paging"), "next").get("after")
                inputs += [{"id": id, "after": str(after)}] if after else []
        return found

    # --- calling

    def _objects(self, kind: Kind) -> str:
        return self._paths.objects.format(type=kind.path)

    def _get(self, path: str, params: dict[str, str], expected: Iterable[int] = ()) -> Answer:
        return _whole(self._api.call(self._link, "GET", path, params=params, expected=expected, patient=True))

    def _post(self, path: str, asked: Json, expected: Iterable[int] = (), kind: str = "", patient: bool = True) -> Answer:
        """A question that takes a body: nothing is changed by it, so it may be put twice."""
        return _whole(self._api.call(self._link, "POST", path, json=asked, expected=expected, kind=kind, patient=patient))


def _whole(answer: Answer) -> Answer:
    if answer.status < 300 and not isinstance(answer.body, dict):
        raise TryAgain("hubspot answered without a body")
    return answer


def _examine(body: Json) -> None:
    """Raises `TryAgain` if a part of a batch failed otherwise than by having nothing to say."""
    for error in body.get("errors") or ():
        said = f"{error.get('subCategory')} {error.get('category')}" if isinstance(error, dict) else ""
        if not any(name in said for name in _NONE):
            raise TryAgain("hubspot answered a part of a batch only")


def _results(body: Json) -> list[Json]:
    found = body.get("results")
    return [one for one in found if isinstance(one, dict)] if isinstance(found, list) else []


def _inside(value: Any, key: str) -> Json:
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}
