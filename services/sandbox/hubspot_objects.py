"""The routes of CRM objects, /crm/v3/objects/... and /crm/objects/2026-03/...: one by one, in batches, by search, merged and erased.

What must stay true: only what was asked for is shown, with the object's id and its two times; a batch that was refused as a whole
has changed nothing; what it did in part is a 207 that names the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from services.sandbox import hubspot_errors as errors
from services.sandbox.hubspot_associations import read_specs
from services.sandbox.hubspot_portal import Portal, Record
from services.sandbox.hubspot_routing import DATED, Call, Route, answer, done, paged, route
from services.sandbox.hubspot_search import search
from services.sandbox.hubspot_switches import Switches
from services.sandbox.hubspot_types import CONTACTS, ObjectType, Spec, object_type
from services.sandbox.hubspot_values import instant
from services.sandbox.wire import Answer
from services.sandbox.world import Faults

MOST_LISTED = 100
MOST_WITH_HISTORY = 50
MOST_INLINE = 100
"""How many associations of a type an object shows at once."""

_ROOT = rf"/crm/(?:v3/objects|objects/{DATED})/(?P<type>[^/]+)"
Pair = tuple[Record, list[Spec]]


class Objects:
    """`switches` say what the documents leave open. The fault `unreadable` strikes objects of a batch that is read, by path and id
    (`.../batch/read/102`): each is an error of the batch."""

    def __init__(self, switches: Switches, faults: Faults) -> None:
        self._switches, self._faults = switches, faults

    def routes(self) -> list[Route]:
        """What it answers; words before ids."""
        one = _ROOT + r"/(?P<id>[^/]+)"
        batch = _ROOT + "/batch/"
        return [
            route("POST", _ROOT + "/search", "objects.search", self._search, _reads)._replace(search=True),
            route("POST", batch + "read", "objects.batch.read", self._batch_read, _reads),
            route("POST", batch + "create", "objects.batch.create", self._batch_create, _writes),
            route("POST", batch + "update", "objects.batch.update", self._batch_update, _writes),
            route("POST", batch + "upsert", "objects.batch.upsert", self._batch_upsert, _writes),
            route("POST", batch + "archive", "objects.batch.archive", self._batch_archive, _writes),
            route("POST", _ROOT + "/merge", "objects.merge", self._merge, _writes),
            route("POST", _ROOT + "/gdpr-delete", "objects.gdpr-delete", self._erase, _writes),
            route("GET", _ROOT, "objects.list", self._list, _reads),
            route("POST", _ROOT, "objects.create", self._create, _writes),
            route("GET", one, "objects.get", self._get, _reads),
            route("PATCH", one, "objects.update", self._update, _writes),
            route("DELETE", one, "objects.archive", self._archive, _writes),
        ]

    # --- one by one --------------------------------------------------------------------------------------------------------

    def _list(self, call: Call) -> Answer:
        kind = call.kind()
        history = call.words("propertiesWithHistory")
        size = call.limit(10, MOST_WITH_HISTORY if history else MOST_LISTED)
        after = call.request.one("after") or "0"
        if not after.isdecimal():
            raise errors.validation("The cursor is not one of ours.")
        there = [record for record in call.portal.listed(kind, call.flag("archived")) if int(record.id) > int(after)]
        page, paging = paged(there, 0, size, call.request, lambda record: str(record.id))
        return answer(200, {"results": [self._whole(call, record) for record in page], **paging})

    def _get(self, call: Call) -> Answer:
        record = self._named(call, call.flag("archived"))
        if record is None:
            raise errors.missing_object()
        return answer(200, self._whole(call, record))

    def _create(self, call: Call) -> Answer:
        kind, body = call.kind(), call.body()
        values = call.portal.examine(kind, _properties(body), None, call.source)
        pairs = self._pairs(call.portal, kind, body.get("associations"))
        record = self._made(call, kind, values, pairs)
        return answer(201, _shown(record, list(values)))

    def _made(self, call: Call, kind: ObjectType, values: dict[str, str | None], pairs: Sequence[Pair]) -> Record:
        record = call.portal.create(kind, values, call.source)
        for other, specs in pairs:
            call.portal.link(record, other, specs, call.source)
        return record

    def _update(self, call: Call) -> Answer:
        record = self._named(call)
        if record is None:
            raise errors.missing_object()
        values = call.portal.examine(record.type, _properties(call.body()), record, call.source)
        call.portal.update(record, values, call.source)
        return answer(200, _shown(record, list(values)))

    def _archive(self, call: Call) -> Answer:
        """204 for an unknown one too; whether HubSpot does so is of no document."""
        record = self._named(call)
        if record is not None:
            call.portal.archive(record, call.source)
        elif self._switches.unknown_deletes_are_404:
            raise errors.missing_object()
        return done()

    def _named(self, call: Call, archived: bool = False) -> Record | None:
        return call.portal.find(call.kind(), call.parts["id"], call.request.one("idProperty"), archived)

    def _merge(self, call: Call) -> Answer:
        kind, body = call.kind(), call.body()
        found = [call.portal.find(kind, str(body.get(name, ""))) for name in ("primaryObjectId", "objectIdToMerge")]
        primary, other = found
        if primary is None or other is None:
            raise errors.missing_object()
        if primary is other:
            raise errors.validation("An object cannot be merged with itself.")
        return answer(200, _shown(call.portal.merge(primary, other, call.source), []))

    def _erase(self, call: Call) -> Answer:
        kind, body = call.kind(), call.body()
        if kind is not CONTACTS:
            raise errors.Failure(405, "Only contacts can be deleted for privacy.", category="VALIDATION_ERROR")
        id, by = str(body.get("objectId", "")), body.get("idProperty")
        record = call.portal.find(kind, id, by) or call.portal.find(kind, id, by, archived=True)
        if record is None:
            raise errors.missing_object()
        call.portal.erase(record, call.source)
        return done()

    def _search(self, call: Call) -> Answer:
        kind = call.kind()
        body = call.body()
        found = search(call.portal, kind, body, self._switches.search_lag_ms)
        names = [str(name) for name in body.get("properties", [])]
        results = [_shown(record, names, values=values) for record, values in found.page]
        paging = {"paging": {"next": {"after": found.after}}} if found.after else {}
        return answer(200, {"total": found.total, "results": results, **paging})

    # --- batches -----------------------------------------------------------------------------------------------------------

    def _batch_read(self, call: Call) -> Answer:
        kind, body = call.kind(), call.body()
        ids = list(dict.fromkeys(str(one.get("id", "")) for one in call.inputs(_most(body))))
        names, history = (self._readable(call.portal, kind, body.get(part) or []) for part in ("properties", "propertiesWithHistory"))
        broken = [id for id in ids if self._faults.take("unreadable", "hubspot", "POST", f"{call.request.path}/{id}")]
        found = {id: call.portal.find(kind, id, body.get("idProperty"), call.flag("archived")) for id in ids if id not in broken}
        results = [_shown(record, names, history) for record in _once(found.values())]
        bad = _missing(kind, [id for id, record in found.items() if record is None])
        if broken:
            bad.append(errors.item_error("INTERNAL_ERROR", "There was a problem reading some objects.", ids=broken))
        return _batch(call, 200, results, bad)

    def _batch_create(self, call: Call) -> Answer:
        """Refused as a whole if any is bad, unless each brings an objectWriteTraceId to name it by."""
        kind, inputs = call.kind(), call.inputs()
        good: list[tuple[dict[str, Any], dict[str, str | None], list[Pair]]] = []
        bad: list[dict[str, Any]] = []
        taken: set[tuple[str, str]] = set()
        for one in inputs:
            try:
                values = call.portal.examine(kind, _properties(one), None, call.source)
                self._claim(call.portal, kind, values, taken)
                good.append((one, values, self._pairs(call.portal, kind, one.get("associations"))))
            except errors.Failure as failure:
                if any("objectWriteTraceId" not in each for each in inputs):
                    raise
                bad.append(_traced(failure, one))
        made = [(one, values, self._made(call, kind, values, pairs)) for one, values, pairs in good]
        return _batch(call, 201, [_shown(record, list(values)) | _trace(one) for one, values, record in made], bad)

    def _claim(self, portal: Portal, kind: ObjectType, values: dict[str, str | None], taken: set[tuple[str, str]]) -> None:
        """Two of one batch cannot hold the same unique value either."""
        for name, value in values.items():
            if value is not None and portal.definitions[kind.name][name].unique:
                if (name, value) in taken:
                    raise errors.validation(f"Duplicate value of {name} in the batch: {value}")
                taken.add((name, value))

    def _batch_update(self, call: Call) -> Answer:
        kind, inputs = call.kind(), call.inputs()
        found = [(one, call.portal.find(kind, str(one.get("id", "")), one.get("idProperty"))) for one in inputs]
        there = [record for _, record in found if record is not None]
        if len({record.id for record in there}) < len(there):
            raise errors.validation("Duplicate IDs found in batch input.")
        plans = [(one, record, call.portal.examine(kind, _properties(one), record, call.source)) for one, record in found if record]
        for _, record, values in plans:
            call.portal.update(record, values, call.source)
        missing = [str(one.get("id", "")) for one, record in found if record is None]
        return _batch(call, 200, [_shown(record, list(values)) | _trace(one) for one, record, values in plans], _missing(kind, missing))

    def _batch_upsert(self, call: Call) -> Answer:
        """By a unique property: who has the value is updated, who is missing is made with it."""
        kind, inputs = call.kind(), call.inputs()
        ids = [str(one.get("id", "")) for one in inputs]
        if len(set(ids)) < len(ids):
            raise errors.validation("Duplicate IDs found in batch input.")
        plans = [self._upsert_plan(call, kind, one) for one in inputs]
        results = []
        for one, record, values in plans:
            if record is not None:
                call.portal.update(record, values, call.source)
            kept = record or call.portal.create(kind, values, call.source)
            results.append(_shown(kept, list(values)) | {"new": record is None} | _trace(one))
        return _batch(call, 200, results, [])

    def _upsert_plan(
        self, call: Call, kind: ObjectType, one: dict[str, Any]
    ) -> tuple[dict[str, Any], Record | None, dict[str, str | None]]:
        by, id = one.get("idProperty"), str(one.get("id", ""))
        if not isinstance(by, str) or by == "hs_object_id":
            raise errors.validation("An upsert names a unique property in idProperty.")
        record = call.portal.find(kind, id, by)
        return one, record, call.portal.examine(kind, {by: id, **_properties(one)}, record, call.source)

    def _batch_archive(self, call: Call) -> Answer:
        kind = call.kind()
        for one in call.inputs():
            record = call.portal.find(kind, str(one.get("id", "")))
            if record is not None:
                call.portal.archive(record, call.source)
        return done()

    # --- what is shown -----------------------------------------------------------------------------------------------------

    def _whole(self, call: Call, record: Record) -> dict[str, Any]:
        names, history = (self._readable(call.portal, record.type, call.words(part)) for part in ("properties", "propertiesWithHistory"))
        shown = _shown(record, names, history)
        linked = {name: found for name in call.words("associations") for found in [_inline(call.portal, record, name)] if found}
        return shown | ({"associations": linked} if linked else {})

    def _readable(self, portal: Portal, kind: ObjectType, names: Sequence[Any]) -> list[str]:
        """HubSpot leaves out what it does not know; with the switch, it refuses."""
        unknown = [str(name) for name in names if name not in portal.definitions[kind.name]]
        if unknown and self._switches.unknown_reads_are_400:
            raise errors.invalid_values(map(errors.unknown_property, unknown))
        return [str(name) for name in names if name not in unknown]

    def _pairs(self, portal: Portal, kind: ObjectType, asked: Any) -> list[Pair]:
        """What a new object is to be associated with: the type of the other follows from the association's."""
        pairs = []
        for one in asked or []:
            target, specs = read_specs(portal, kind, None, one.get("types"))
            other = portal.find(target, str((one.get("to") or {}).get("id", "")))
            if other is None:
                raise errors.validation(f"No {target.word} with this id: {one.get('to')}")
            pairs.append((other, specs))
        return pairs


def _reads(call: Call) -> Iterable[str]:
    return [call.kind().reads]


def _writes(call: Call) -> Iterable[str]:
    return [call.kind().writes]


def _most(body: dict[str, Any]) -> int:
    return MOST_WITH_HISTORY if body.get("propertiesWithHistory") else MOST_LISTED


def _once(records: Iterable[Record | None]) -> list[Record]:
    """Two ids of one merged contact are one object."""
    return list({record.id: record for record in records if record is not None}.values())


def _properties(body: dict[str, Any]) -> dict[str, Any]:
    found = body.get("properties")
    if not isinstance(found, dict):
        raise errors.validation("Invalid input JSON: properties must be an object")
    return found


def _trace(one: dict[str, Any]) -> dict[str, Any]:
    return {"objectWriteTraceId": one["objectWriteTraceId"]} if "objectWriteTraceId" in one else {}


def _traced(failure: errors.Failure, one: dict[str, Any]) -> dict[str, Any]:
    category = str(failure.fields.get("category", "VALIDATION_ERROR"))
    return errors.item_error(category, failure.message, objectWriteTraceId=[str(one["objectWriteTraceId"])])


def _missing(kind: ObjectType, ids: list[str]) -> list[dict[str, Any]]:
    text = f"Could not get some {kind.word} objects, they may be deleted or not exist. Check that ids are valid."
    return [errors.item_error("OBJECT_NOT_FOUND", text, ids=ids)] if ids else []


def _batch(call: Call, status: int, results: list[dict[str, Any]], bad: list[dict[str, Any]]) -> Answer:
    now = instant(call.portal.now())
    body = {"status": "COMPLETE", "results": results, "startedAt": now, "completedAt": now}
    return answer(207, body | {"numErrors": len(bad), "errors": bad}) if bad else answer(status, body)


def _shown(record: Record, names: Sequence[str], history: Sequence[str] = (), values: Any = None) -> dict[str, Any]:
    """An object as it is answered; `values` are those to show if not the current ones."""
    kind, known = record.type, record.current() if values is None else values
    wanted = dict.fromkeys([*(names or kind.shown), *history, kind.created, kind.modified, "hs_object_id"])
    shown: dict[str, Any] = {
        "id": record.id,
        "properties": {name: known.get(name) for name in sorted(wanted)},
        "createdAt": instant(record.created),
        "updatedAt": known.get(kind.modified) or instant(record.updated),
        "archived": record.archived_at is not None and values is None,
    }
    if record.archived_at is not None and values is None:
        shown["archivedAt"] = instant(record.archived_at)
    if history:
        shown["propertiesWithHistory"] = {name: _history(record, name) for name in history}
    return shown


def _history(record: Record, name: str) -> list[dict[str, Any]]:
    """The newest first."""
    return [
        {"value": one.value or "", "timestamp": instant(one.at), "sourceType": one.source.kind, "sourceId": one.source.id}
        | ({"updatedByUserId": one.source.user} if one.source.user is not None else {})
        for one in reversed(record.values.get(name, []))
    ]


def _inline(portal: Portal, record: Record, name: str) -> dict[str, Any] | None:
    """The associations with a type as v3 shows them beside an object; one labelled twice stands there twice."""
    target = object_type(name)
    if target is None:
        raise errors.validation(f"Unable to infer object type from: {name}")
    word = f"{record.type.singular}_to_{target.singular}"
    found = [
        {"id": id, "type": word if spec.label is None else f"{word}_{spec.label.lower()}"}
        for id, specs in portal.linked(record, target)
        for spec in sorted(specs)
    ]
    page = found[:MOST_INLINE]
    more = {"paging": {"next": {"after": page[-1]["id"]}}} if len(found) > len(page) else {}
    return {"results": page, **more} if found else None
