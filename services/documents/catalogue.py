"""The catalogue of events, docs/events.md: every type with its fields, in words for people."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import cast

import msgspec
from msgspec import Struct
from msgspec import inspect as types

from domain import events, source_events
from domain.events import Event, MeetingEvent
from domain.source_events import TYPES
from services.documents.names import DOMAIN_EVENTS, KEPT_FORM, SOURCE_EVENTS, by_noun, readers, said, shapes_of


def catalogue() -> str:
    """docs/events.md."""
    return "\n".join([_INTRODUCTION, *_source_part(), *_domain_part()]) + "\n"


_INTRODUCTION = """# Events

Written from the code by `make events`; a test fails when the two differ. What becomes of an event is told in [the map](map.md), by which
rules in [the rules](rules.md).
"""


def _source_part() -> list[str]:
    lines = [
        "## Source events",
        "",
        f"Topic `{SOURCE_EVENTS}`, key: the account. What a side says: full state, never a patch, in a CloudEvents envelope"
        " ([schema](schemas/envelope.json)). Unknown fields are ignored. What depends on another field, as `created` of a calendar's"
        " meeting, stands in the schemas.",
        "",
        "| type | data | subject | schema |",
        "|---|---|---|---|",
    ]
    for noun, verbs in by_noun().items():
        for name in verbs.values():
            subject = "required" if name in source_events.SUBJECT_REQUIRED else "optional"
            lines.append(f"| `{name}` | {_link(TYPES[name])} | {subject} | [{noun}](schemas/{noun}.json) |")
    for struct in shapes_of(list(dict.fromkeys(TYPES.values()))):
        lines += ["", f"### {struct.__name__}", "", said(struct, public=True), *_table(_fields(struct, public=True))]
    return lines


def _domain_part() -> list[str]:
    known = shapes_of(list(dict.fromkeys(TYPES.values())))
    inner = [s for s in shapes_of(events.ALL) if not issubclass(s, Event) and s not in known]
    lines = [
        "",
        "## Domain events",
        "",
        f"Topic `{DOMAIN_EVENTS}`, key: the account. What the aggregates recorded; read models are made of these alone. People stand as"
        " sealed tokens, and only the installation's vault opens them. Names are stored and never change; a changed shape gets a new"
        " version and an upcaster.",
        "",
        "Every domain event has:",
        *_table(_fields(Event)),
        "",
        "Every event of a meeting (`meeting.*`, but for `meeting.absorbed.v1`) has besides:",
        *_table(_own_fields(MeetingEvent)),
        "",
        said(MeetingEvent),
    ]
    read_by = readers()
    for name, kind in events.BY_NAME.items():
        by = ", ".join(f"`{reader}`" for reader in read_by[name]) or "no projection"
        lines += ["", f"### {name}", "", f"{said(kind)} Read by: {by}.", *_table(_own_fields(kind))]
    lines += ["", "## What domain events are made of"]
    for struct in inner:
        lines += ["", f"### {struct.__name__}", "", said(struct), *_table(_fields(struct))]
    return lines


def _fields(struct: type[Struct], public: bool = False) -> list[types.Field]:
    told = cast("types.StructType", types.type_info(struct))
    return [f for f in told.fields if not (public and f.encode_name in KEPT_FORM)]


def _own_fields(kind: type[Event]) -> list[types.Field]:
    """Those that its base does not have."""
    known = {f.name for f in msgspec.structs.fields(kind.__mro__[1])}
    return [f for f in _fields(kind) if f.name not in known]


def _table(fields: Sequence[types.Field]) -> list[str]:
    if not fields:
        return []
    rows = [f"| `{f.encode_name}` | {worded(f.type)} | {_left_out(f)} |" for f in fields]
    return ["", "| field | value | if left out |", "|---|---|---|", *rows]


def _left_out(field: types.Field) -> str:
    if field.required:
        return "**required**"
    default = field.default if field.default_factory is msgspec.NODEFAULT else field.default_factory()
    if default is msgspec.NODEFAULT:  # what msgspec tells of UNSET
        return "as before"
    return "its defaults" if isinstance(default, Struct) else f"`{json.dumps(msgspec.to_builtins(default))}`"


def _link(struct: type) -> str:
    return f"[{struct.__name__}](#{struct.__name__.lower()})"


def worded(told: types.Type) -> str:
    """A type in words for people.

    >>> worded(types.type_info(list[int] | None))
    'list of integer, or null'
    """
    match told:
        case types.StructType():
            return _link(told.cls)
        case types.UnionType():
            arms = [worded(arm) for arm in told.types]
            return ", or ".join([*(arm for arm in arms if arm != "null"), *(["null"] if "null" in arms else [])])
        case types.ListType() | types.VarTupleType():
            return f"list of {worded(told.item_type)}"
        case types.DictType():
            return f"map of text to {worded(told.value_type)}"
        case types.LiteralType():
            return ", ".join(f"`{value}`" for value in told.values)
        case types.EnumType():
            return "the id of a [rule](rules.md)" if len(told.cls) > 10 else ", ".join(f"`{member.value}`" for member in told.cls)
    return _worded_plain(told)


def _worded_plain(told: types.Type) -> str:
    match told:
        case types.StrType():
            bounds = (told.min_length, told.max_length)
            return "text" + {True: "", False: f" ({bounds[0] or 0} to {bounds[1]} characters)"}[bounds == (None, None)]
        case types.IntType() | types.FloatType():
            noun = "integer" if isinstance(told, types.IntType) else "number"
            return noun + (f" ({told.ge or 0} or more)" if told.ge is not None and told.le is None else "") + _between(told.ge, told.le)
        case types.DateTimeType():
            return "instant, RFC 3339" if told.tz else "local time, RFC 3339 without offset"
        case types.BoolType():
            return "true or false"
        case types.NoneType():
            return "null"
    return "anything"


def _between(low: float | None, high: float | None) -> str:
    return "" if high is None else f" ({low} to {high})"
