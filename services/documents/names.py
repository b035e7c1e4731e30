"""What the event types are called in the documents, what their docstrings say, what they are made of, who reads them."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec import inspect as types

import projections
from domain import events, source_events
from domain.events import Event
from domain.source_events import TYPES

SOURCE_EVENTS, DOMAIN_EVENTS, DEAD_LETTERS = "rendezvous.source-events", "rendezvous.domain-events", "rendezvous.dead-letters"
KEPT_FORM = {"sealed"}
"""Fields that only the kept form of a source event has."""


def kind_of(name: str) -> str:
    """A source event's type without prefix and version.

    >>> kind_of("rendezvous.meeting.updated.v1")
    'meeting.updated'
    """
    return name.removeprefix(source_events.PREFIX).removesuffix(".v1")


def by_noun() -> dict[str, dict[str, str]]:
    """The source event types by what they are about: noun to verb to type."""
    found: dict[str, dict[str, str]] = {}
    for name in TYPES:
        noun, _, verb = kind_of(name).partition(".")
        found.setdefault(noun, {})[verb] = name
    return found


def schema_id(noun: str) -> str:
    """What an envelope's `dataschema` says of data about a noun."""
    return f"urn:rendezvous:schema:{noun}:1"


def said(struct: type, public: bool = False) -> str:
    """A type's docstring on one line, fields named as in JSON; for publishers without what concerns the kept form."""
    text = " ".join(inspect.cleandoc(struct.__doc__ or "").split())
    sentences = [s for s in re.split(r"(?<=\.) ", text) if not (public and "sealed" in s)]
    named = re.sub(r"`(\w+)`", lambda match: f"`{_encoded().get(match[1], match[1])}`", " ".join(sentences))
    return named.replace("UNSET", "absent").replace("None", "null")


@lru_cache(maxsize=1)
def _encoded() -> dict[str, str]:
    """Python names of fields to their names in JSON, short stored names apart."""
    structs = [*set(TYPES.values()), *(kind for kind in vars(source_events).values() if _is_struct(kind)), *shapes_of(events.ALL)]
    named = {f.name: f.encode_name for struct in structs for f in msgspec.structs.fields(struct)}
    return {name: told for name, told in named.items() if len(told) > 1}


def _is_struct(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, Struct)


def shapes_of(roots: Iterable[type[Struct]]) -> list[type[Struct]]:
    """These Structs and every Struct they are made of, each once, in the order in which a reader meets them."""
    found: dict[type[Struct], None] = {}
    for root in roots:
        _meet(types.type_info(root), found)
    return list(found)


def _meet(told: types.Type, found: dict[type[Struct], None]) -> None:
    match told:
        case types.StructType():
            struct = told.cls
            if struct not in found:
                found[struct] = None
                for field in told.fields:
                    _meet(field.type, found)
        case types.ListType() | types.VarTupleType():
            _meet(told.item_type, found)
        case types.DictType():
            _meet(told.value_type, found)
        case types.UnionType():
            for arm in told.types:
                _meet(arm, found)


def readers() -> dict[str, list[str]]:
    """Domain event names to the projections that name them, or the kind of event they are."""
    found: dict[str, list[str]] = {name: [] for name in events.BY_NAME}
    for file in sorted(Path(projections.__path__[0]).glob("*.py")):
        tree = ast.parse(file.read_text("utf-8"))
        named = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)} | {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute)}
        for name, kind in events.BY_NAME.items():
            if named & {k.__name__ for k in kind.__mro__ if _is_struct(k) and k not in (Struct, Event)}:
                found[name].append(file.stem)
    return found
