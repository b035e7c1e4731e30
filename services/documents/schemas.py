"""JSON Schemas (2020-12) of the public form of source events: a file for each noun, and one for the envelope.

What must stay true: what `source_events.read` accepts in the public form, these accept. What they cannot say (a time zone
exists, a recurrence rule parses) is examined by `read` alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from domain import recurrence, source_events
from domain.source_events import TYPES, Envelope
from services.documents.names import KEPT_FORM, by_noun, said, schema_id, shapes_of

Json = dict[str, Any]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
NOT_PUBLISHED = {"data", "data_base64"}
"""Fields of the envelope that its schema says by other means, or that no publisher may use."""

# RFC 3339, with the liberties that our reader takes: a blank for the T, small letters, no colon in the offset.
_TIME = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?"
_INSTANT: Json = {"pattern": _TIME + "([Zz]|[+-][0-9]{2}:?[0-9]{2})$"}
_LOCAL: Json = {"pattern": _TIME + "$"}
_DURATION = "^P(?!$)([0-9]{1,5}W)?([0-9]{1,6}D)?(T(?=[0-9])([0-9]{1,7}H)?([0-9]{1,8}M)?([0-9]{1,9}([.][0-9]+)?S)?)?$"
_WHOLE_DAYS = "^P([0-9]+W)?([0-9]+D)?(T(0+H)?(0+M)?(0+([.][0-9]+)?S)?)?$"
_STARTS: Json = {"items": _LOCAL, "maxItems": recurrence.MOST}

# What the types alone cannot say and `source_events.read` examines, as far as a schema can say it.
EXAMINED: dict[str, Json] = {
    "MeetingData": {
        "properties": {
            "start": _LOCAL,
            "duration": {"pattern": _DURATION},
            "excludedStarts": _STARTS,
            "addedStarts": _STARTS,
            "participants": {"maxProperties": source_events.MAX_PARTICIPANTS},
        },
        "allOf": [
            {
                "if": {"properties": {"side": {"const": "calendar"}}},
                "then": {"properties": {"provenance": {"required": ["created"], "properties": {"created": {"type": "string"}}}}},
            },
            {
                "if": {"properties": {"showWithoutTime": {"const": True}}, "required": ["showWithoutTime"]},
                "then": {"properties": {"start": {"pattern": r"[Tt ]00:00:00(\.0+)?$"}, "duration": {"pattern": _WHOLE_DAYS}}},
            },
            {
                "if": {"properties": {"recurrenceRules": {"minItems": 1}}, "required": ["recurrenceRules"]},
                "then": {"properties": {"provenance": {"properties": {"originalStart": {"type": "null"}}}}},
            },
            {
                "if": {"properties": {"provenance": {"properties": {"seriesId": {"type": "string"}}, "required": ["seriesId"]}}},
                "then": {
                    "properties": {"provenance": {"required": ["originalStart"], "properties": {"originalStart": {"type": "string"}}}}
                },
            },
        ],
    },
    "DeletedData": {"properties": {"provenance": {"required": ["id"], "properties": {"id": {"type": "string", "minLength": 1}}}}},
}
EXAMINED_BY_KIND: dict[str, Json] = {
    "meeting.restored": {"properties": {"side": {"const": "crm"}}},
    "user.added": {"required": ["email"], "properties": {"email": {"type": "string", "minLength": 1}}},
}


def public_shapes(structs: Sequence[type[Struct]], template: str) -> dict[str, Json]:
    """Schemas by name of these Structs, and of all they are made of, as publishers may see them."""
    _, shapes = msgspec.json.schema_components(list(structs), ref_template=template)
    by_name = {s.__name__: s for s in shapes_of(structs)}
    return {name: _public(shape, by_name[name]) for name, shape in shapes.items()}


def _public(shape: Json, struct: type[Struct]) -> Json:
    properties = {name: timed(told) for name, told in shape["properties"].items() if name not in KEPT_FORM}
    required = {"required": shape["required"]} if shape["required"] else {}
    plain = {"title": shape["title"], "description": said(struct, public=True), "type": "object", "properties": properties, **required}
    return overlaid(plain, EXAMINED.get(struct.__name__, {}))


def timed(told: Any) -> Any:
    """Formats alone are only annotations: where there is one for a time, say the pattern too."""
    if isinstance(told, dict):
        deep = {key: timed(value) for key, value in told.items() if not (key == "default" and value is None)}
        return deep | _INSTANT if told.get("format") == "date-time" else deep
    return [timed(one) for one in told] if isinstance(told, list) else told


def overlaid(under: Json, over: Json) -> Json:
    """One JSON object laid over another, objects in them likewise.

    >>> overlaid({"a": {"b": 1, "c": 2}}, {"a": {"c": 3}, "d": 4})
    {'a': {'b': 1, 'c': 3}, 'd': 4}
    """
    both = {key: overlaid(under[key], value) for key, value in over.items() if isinstance(value, dict) and isinstance(under.get(key), dict)}
    return {**under, **over, **both}


def noun_schema(noun: str, verbs: dict[str, str]) -> Json:
    """The schema that `dataschema` names: data of any type about this noun; of one type at `#/$defs/<verb>`."""
    defs = {verb: of_kind(f"{noun}.{verb}", f"#/$defs/{TYPES[name].__name__}") for verb, name in verbs.items()}
    shapes = public_shapes(list(dict.fromkeys(TYPES[name] for name in verbs.values())), "#/$defs/{name}")
    return {
        "$schema": DIALECT,
        "$id": schema_id(noun),
        "title": noun,
        "description": f"Data of a source event about a {noun}. Of one type alone: the definition of its verb.",
        "anyOf": [_any_of(noun, verb) for verb in verbs],
        "$defs": defs | shapes,
    }


def of_kind(kind: str, shape: str) -> Json:
    also = EXAMINED_BY_KIND.get(kind)
    return {"allOf": [{"$ref": shape}, also]} if also else {"$ref": shape}


def _any_of(noun: str, verb: str) -> Json:
    told: Json = {"$ref": f"#/$defs/{verb}"}
    # Or every meeting with a mistake in it would pass for a deletion: what names its side claims to be whole.
    return {**told, "not": {"required": ["side"]}} if (noun, verb) == ("meeting", "deleted") else told


def envelope_schema() -> Json:
    """A whole source event in structured mode: CloudEvents attributes, and data by type."""
    return {"$schema": DIALECT, "$id": schema_id("envelope"), **_envelope(lambda noun, verb: {"$ref": f"{schema_id(noun)}#/$defs/{verb}"})}


def embedded(prefix: str, template: str) -> dict[str, Json]:
    """The same for a document of another kind, whole, for who follows no reference out of it: schemas by name, the envelope's being
    `prefix`. `template` is a reference to one of them by its `{name}`."""

    def data_of(noun: str, verb: str) -> Json:
        return of_kind(f"{noun}.{verb}", template.format(name=f"{prefix}.{TYPES[by_noun()[noun][verb]].__name__}"))

    shapes = public_shapes(list(dict.fromkeys(TYPES.values())), template.format(name=f"{prefix}.{{name}}"))
    return {prefix: _envelope(data_of)} | {f"{prefix}.{name}": shape for name, shape in shapes.items()}


def _envelope(data_of: Callable[[str, str], Json]) -> Json:
    fields = [(f.name, f.type, f.default) for f in msgspec.structs.fields(Envelope) if not f.required and f.name not in NOT_PUBLISHED]
    required = [(f.name, f.type) for f in msgspec.structs.fields(Envelope) if f.required]
    twin = msgspec.defstruct("Envelope", [*required, *fields], namespace={"__doc__": Envelope.__doc__})
    plain = public_shapes([twin], "#/$defs/{name}")["Envelope"]
    told = overlaid(
        plain, {"properties": {"type": {"enum": list(TYPES)}, "data": {"type": "object"}}, "required": [*plain["required"], "data"]}
    )
    cases = [_case(name, data_of(noun, verb)) for noun, verbs in by_noun().items() for verb, name in verbs.items()]
    return {**told, "allOf": cases}


def _case(name: str, data: Json) -> Json:
    then: Json = {"properties": {"data": data}}
    if name in source_events.SUBJECT_REQUIRED:
        then |= {"required": ["subject"]}
    return {"if": {"properties": {"type": {"const": name}}}, "then": then}


def schemas() -> dict[str, Json]:
    """Every schema by its file's stem."""
    return {"envelope": envelope_schema()} | {noun: noun_schema(noun, verbs) for noun, verbs in by_noun().items()}
