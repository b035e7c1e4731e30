"""The routes of associations: /crm/v4/... and its dated forms, one by one and in batches.

What must stay true: an association is seen from both ends, each by its own id; ids are text in answers and text or number in
requests; and taking away what is not there is no error.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from services.sandbox import hubspot_errors as errors
from services.sandbox.hubspot_portal import FIRST_LABEL, Portal, Record
from services.sandbox.hubspot_routing import DATED, Call, Route, answer, done, paged, route
from services.sandbox.hubspot_types import TYPES, UNLABELLED, ObjectType, Spec
from services.sandbox.hubspot_values import instant
from services.sandbox.wire import Answer

MOST_LISTED = 500
MOST_READ = 1000
MOST_WRITTEN = 2000

_ONE = rf"/crm/(?:v4/objects|objects/{DATED})/(?P<type>[^/]+)/(?P<id>[^/]+)/associations"
_BATCH = rf"/crm/(?:v4/associations|associations/{DATED})/(?P<type>[^/]+)/(?P<target>[^/]+)"


def routes() -> list[Route]:
    """What is answered; the unlabelled form before the general one."""
    pair = _ONE + r"/(?P<target>[^/]+)/(?P<target_id>[^/]+)"
    return [
        route("PUT", _ONE + r"/default/(?P<target>[^/]+)/(?P<target_id>[^/]+)", "associations.default", _default, _writes),
        route("GET", _ONE + r"/(?P<target>[^/]+)", "associations.list", _list, _reads),
        route("PUT", pair, "associations.create", _create, _writes),
        route("DELETE", pair, "associations.archive", _archive, _writes),
        route("POST", _BATCH + "/batch/read", "associations.batch.read", _batch_read, _reads),
        route("POST", _BATCH + "/batch/create", "associations.batch.create", _batch_create, _writes),
        route("POST", _BATCH + "/batch/associate/default", "associations.batch.default", _batch_default, _writes),
        route("POST", _BATCH + "/batch/archive", "associations.batch.archive", _batch_archive, _writes),
        route("POST", _BATCH + "/batch/labels/archive", "associations.batch.labels.archive", _batch_labels, _writes),
        route("GET", _BATCH + "/labels", "associations.labels.list", _labels, _reads),
        route("POST", _BATCH + "/labels", "associations.labels.create", _make_label, _writes),
    ]


def read_specs(portal: Portal, kind: ObjectType, target: ObjectType | None, asked: Any) -> tuple[ObjectType, list[Spec]]:
    """The kinds of association that a request names by category and id; which type they lead to follows from them if it is not known.
    Raises `Failure` 400."""
    targets = [target] if target is not None else [one for one in TYPES if (kind.name, one.name) in UNLABELLED]
    wanted = [(str(one.get("associationCategory")), str(one.get("associationTypeId"))) for one in asked or [] if isinstance(one, dict)]
    for one in targets:
        known = {(spec.category, str(spec.id)): spec for spec in portal.specs(kind, one)}
        if wanted and all(each in known for each in wanted):
            return one, [known[each] for each in wanted]
    raise errors.validation(f"No association type of {kind.word} is one of {wanted}")


# --- one by one --------------------------------------------------------------------------------------------------------------


def _list(call: Call) -> Answer:
    record, target = _record(call, call.kind(), call.parts["id"]), call.kind("target")
    after = call.request.one("after") or "0"
    linked = sorted(call.portal.linked(record, target), key=lambda one: int(one[0]))
    there = [one for one in linked if not after.isdecimal() or int(one[0]) > int(after)]
    page, paging = paged(there, 0, call.limit(MOST_LISTED, MOST_LISTED), call.request, lambda one: str(one[0]))
    return answer(200, {"results": [_linked(*one) for one in page], **paging})


def _create(call: Call) -> Answer:
    one, other = _ends(call)
    _, specs = read_specs(call.portal, one.type, other.type, call.listing())
    call.portal.link(one, other, specs, call.source)
    return answer(201, _pair(one, other, specs))


def _default(call: Call) -> Answer:
    one, other = _ends(call)
    return answer(200, _complete(call, _defaults(call, one, other), []))


def _archive(call: Call) -> Answer:
    one = call.portal.find(call.kind(), call.parts["id"])
    other = call.portal.find(call.kind("target"), call.parts["target_id"])
    if one is not None and other is not None:
        call.portal.unlink(one, other, [], call.source)
    return done()


# --- batches -----------------------------------------------------------------------------------------------------------------


def _batch_read(call: Call) -> Answer:
    kind, target = call.kind(), call.kind("target")
    results, missing, bare = [], [], []
    for one in call.inputs(MOST_READ):
        record = call.portal.find(kind, str(one.get("id", "")))
        linked = sorted(call.portal.linked(record, target), key=lambda each: int(each[0])) if record else []
        if record is None:
            missing.append(str(one.get("id", "")))
        elif not linked:
            bare.append(record.id)
        else:
            results.append(_read_page(record, linked, str(one.get("after") or "0")))
    return answer(207 if missing or bare else 200, _complete(call, results, _unread(kind, target, missing, bare)))


def _read_page(record: Record, linked: list[tuple[str, set[Spec]]], after: str) -> dict[str, Any]:
    there = [one for one in linked if int(one[0]) > int(after)] if after.isdecimal() else linked
    page = there[:MOST_LISTED]
    more = {"paging": {"next": {"after": page[-1][0]}}} if len(there) > len(page) else {}
    return {"from": {"id": record.id}, "to": [_linked(*one) for one in page], **more}


def _unread(kind: ObjectType, target: ObjectType, missing: list[str], bare: list[str]) -> list[dict[str, Any]]:
    """Objects without an association are named among the errors too."""
    found = []
    if missing:
        found.append(errors.item_error("OBJECT_NOT_FOUND", f"No {kind.word} with these ids.", ids=missing))
    for id in bare:
        text = f"No {target.singular} is associated with {kind.singular} {id}."
        none = errors.item_error("OBJECT_NOT_FOUND", text, fromObjectId=[id])
        found.append(none | {"subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND"})
    return found


def _batch_create(call: Call) -> Answer:
    plans, missing = _plans(call)
    specs = [read_specs(call.portal, one.type, other.type, asked.get("types"))[1] for asked, one, other in plans]
    results = []
    for (_, one, other), wanted in zip(plans, specs, strict=True):
        call.portal.link(one, other, wanted, call.source)
        results.append(_pair(one, other, wanted))
    return answer(207 if missing else 201, _complete(call, results, missing))


def _batch_default(call: Call) -> Answer:
    plans, missing = _plans(call)
    results = [made for _, one, other in plans for made in _defaults(call, one, other)]
    return answer(207 if missing else 200, _complete(call, results, missing))


def _batch_archive(call: Call) -> Answer:
    """Each input has one `from` and many `to`."""
    kind, target = call.kind(), call.kind("target")
    for one in call.inputs(MOST_WRITTEN):
        record = call.portal.find(kind, _id(one.get("from")))
        others = [call.portal.find(target, _id(to)) for to in one.get("to") or []]
        for other in others:
            if record is not None and other is not None:
                call.portal.unlink(record, other, [], call.source)
    return done()


def _batch_labels(call: Call) -> Answer:
    plans, _ = _plans(call)
    for asked, one, other in plans:
        _, specs = read_specs(call.portal, one.type, other.type, asked.get("types"))
        call.portal.unlink(one, other, specs, call.source)
    return done()


def _plans(call: Call) -> tuple[list[tuple[dict[str, Any], Record, Record]], list[dict[str, Any]]]:
    """The inputs whose two ends are there, and an error for the others."""
    kind, target = call.kind(), call.kind("target")
    found = [
        (one, call.portal.find(kind, _id(one.get("from"))), call.portal.find(target, _id(one.get("to"))))
        for one in call.inputs(MOST_WRITTEN)
    ]
    plans = [(asked, one, other) for asked, one, other in found if one is not None and other is not None]
    gone = [_id(asked.get("from" if one is None else "to")) for asked, one, other in found if one is None or other is None]
    return plans, [errors.item_error("OBJECT_NOT_FOUND", "Some objects do not exist.", ids=gone)] if gone else []


# --- labels ------------------------------------------------------------------------------------------------------------------


def _labels(call: Call) -> Answer:
    return answer(200, {"results": [_spec(spec) for spec in call.portal.specs(call.kind(), call.kind("target"))]})


def _make_label(call: Call) -> Answer:
    """A portal's own label reads alike from both ends here."""
    kind, target, label = call.kind(), call.kind("target"), call.body().get("label")
    if not isinstance(label, str) or not label:
        raise errors.validation("A label has a name.")
    spec = Spec("USER_DEFINED", FIRST_LABEL + sum(len(labels) for labels in call.portal.labels.values()), label)
    for pair in {(kind.name, target.name), (target.name, kind.name)}:
        call.portal.labels.setdefault(pair, []).append(spec)
    return answer(200, {"results": [_spec(spec)]})


# --- wording -----------------------------------------------------------------------------------------------------------------


def _reads(call: Call) -> Iterable[str]:
    return {call.kind().reads, call.kind("target").reads}


def _writes(call: Call) -> Iterable[str]:
    return {call.kind().writes, call.kind("target").writes}


def _id(one: Any) -> str:
    return str(one.get("id", "")) if isinstance(one, dict) else ""


def _record(call: Call, kind: ObjectType, id: str) -> Record:
    found = call.portal.find(kind, id)
    if found is None:
        raise errors.missing_object()
    return found


def _ends(call: Call) -> tuple[Record, Record]:
    return _record(call, call.kind(), call.parts["id"]), _record(call, call.kind("target"), call.parts["target_id"])


def _defaults(call: Call, one: Record, other: Record) -> list[dict[str, Any]]:
    """Made unlabelled; each direction is a result of its own."""
    call.portal.link(one, other, [], call.source)
    return [_default_result(*pair) for pair in ((one, other), (other, one))]


def _default_result(one: Record, other: Record) -> dict[str, Any]:
    spec = UNLABELLED[one.type.name, other.type.name]
    said = {"associationCategory": spec.category, "associationTypeId": spec.id}
    return {"from": {"id": one.id}, "to": {"id": other.id}, "associationSpec": said}


def _spec(spec: Spec) -> dict[str, Any]:
    return {"category": spec.category, "typeId": spec.id, "label": spec.label}


def _linked(id: str, specs: set[Spec]) -> dict[str, Any]:
    return {"toObjectId": id, "associationTypes": [_spec(spec) for spec in sorted(specs)]}


def _pair(one: Record, other: Record, specs: list[Spec]) -> dict[str, Any]:
    return {
        "fromObjectTypeId": one.type.id,
        "fromObjectId": one.id,
        "toObjectTypeId": other.type.id,
        "toObjectId": other.id,
        "labels": [spec.label for spec in specs if spec.label],
    }


def _complete(call: Call, results: list[dict[str, Any]], bad: list[dict[str, Any]]) -> dict[str, Any]:
    now = instant(call.portal.now())
    failed = {"numErrors": len(bad), "errors": bad} if bad else {}
    return {"status": "COMPLETE", "results": results, "startedAt": now, "completedAt": now, **failed}
