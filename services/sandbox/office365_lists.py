"""OData's query options on plain lists: $filter, $orderby, $select, $skip, $top, $count, $expand.

What must stay true: an option, or a part of a filter, that is not understood is refused, never passed over. A simple filter is
comparisons, `startswith`, `contains`, `not`, joined by `and`, and the one form that finds an extended property.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

from services.sandbox.office365_errors import Refusal, invalid
from services.sandbox.office365_times import Json
from services.sandbox.wire import Request

_COMPARISON = re.compile(r"([\w/]+)\s+(eq|ne|gt|ge|lt|le)\s+(.+)", re.DOTALL)
_FUNCTION = re.compile(r"(startswith|contains)\(\s*([\w/]+)\s*,\s*('(?:[^']|'')*')\s*\)", re.DOTALL)
_PROPERTY = re.compile(
    r"singleValueExtendedProperties/any\(\s*(\w+)\s*:\s*\1/id\s+eq\s+'([^']*)'\s+and\s+\1/value\s+eq\s+'((?:[^']|'')*)'\s*\)",
    re.IGNORECASE,
)
_EXPANDED = re.compile(r"singleValueExtendedProperties\s*\(\s*\$filter\s*=\s*(.*)\)", re.DOTALL | re.IGNORECASE)
_ID = re.compile(r"id\s+eq\s+'([^']*)'", re.IGNORECASE)
_COMPARE: dict[str, Callable[[Any, Any], bool]] = {
    "eq": lambda a, b: bool(a == b),
    "ne": lambda a, b: bool(a != b),
    "gt": lambda a, b: a is not None and bool(a > b),
    "ge": lambda a, b: a is not None and bool(a >= b),
    "lt": lambda a, b: a is not None and bool(a < b),
    "le": lambda a, b: a is not None and bool(a <= b),
}
_MOST = 1000

Extended = Callable[[Json], dict[str, str]]
"""The extended properties of a shown event."""


def page(items: Sequence[Json], request: Request, size: int, extended: Extended) -> Json:
    """One page of a list, filtered, in order, as far as asked for. Raises `Refusal`."""
    found = filtered(list(items), request.one("$filter"), extended)
    found = _ordered(found, request.one("$orderby"))
    skip, top = _number(request, "$skip", 0), min(_number(request, "$top", size), _MOST)
    shown = [selected(expanded(item, request, extended), request) for item in found[skip : skip + top]]
    body: Json = {"value": shown}
    if request.one("$count") == "true":
        body["@odata.count"] = len(found)
    if skip + top < len(found):
        body["@odata.nextLink"] = _next(request, skip + top)
    return body


def filtered(items: list[Json], asked: str | None, extended: Extended) -> list[Json]:
    """What a filter lets through. Raises `Refusal`."""
    if not asked:
        return items
    tests = [_test(part, extended) for part in _parts(asked)]
    return [item for item in items if all(test(item) for test in tests)]


def selected(item: Json, request: Request) -> Json:
    """What $select leaves of an item: the id and the etag always stay."""
    wanted = request.one("$select")
    if not wanted:
        return item
    names = {name.strip() for name in wanted.split(",")} | {"id", "@odata.etag", "@odata.type", "singleValueExtendedProperties"}
    return {name: value for name, value in item.items() if name in names}


def expanded(item: Json, request: Request, extended: Extended) -> Json:
    """With the extended properties that $expand asks for, if it has any of these. Raises `Refusal`."""
    asked = request.one("$expand")
    if not asked:
        return item
    match = _EXPANDED.fullmatch(asked.strip())
    if match is None:
        raise invalid(f"Could not expand '{asked}'.", "BadRequest")
    held = extended(item)
    found = [{"id": id, "value": held[id]} for id in _ID.findall(match[1]) if id in held]
    return item | ({"singleValueExtendedProperties": found} if found else {})


def _parts(asked: str) -> list[str]:
    """A filter's parts, which `and` joins; not those inside of brackets or quotes."""
    parts, depth, quoted, begin = [], 0, False, 0
    for at, sign in enumerate(asked):
        quoted ^= sign == "'"
        depth += 0 if quoted else {"(": 1, ")": -1}.get(sign, 0)
        if not quoted and depth == 0 and asked[at : at + 5].lower() == " and ":
            parts.append(asked[begin:at])
            begin = at + 5
    return [part.strip() for part in (*parts, asked[begin:])]


def _test(part: str, extended: Extended) -> Callable[[Json], bool]:
    if part.startswith("(") and part.endswith(")"):
        inner = [_test(one, extended) for one in _parts(part[1:-1])]
        return lambda item: all(test(item) for test in inner)
    if part.lower().startswith("not "):
        without = _test(part[4:].strip(), extended)
        return lambda item: not without(item)
    if match := _PROPERTY.fullmatch(part):
        name, value = match[2], match[3].replace("''", "'")
        return lambda item: extended(item).get(name) == value
    if match := _FUNCTION.fullmatch(part):
        return _function(match[1], match[2], str(_literal(match[3])))
    if match := _COMPARISON.fullmatch(part):
        path, compare, value = match[1], _COMPARE[match[2]], _literal(match[3])
        return lambda item: compare(_at(item, path), value)
    raise Refusal(400, "BadRequest", f"Invalid filter clause: {part}")


def _function(name: str, path: str, value: str) -> Callable[[Json], bool]:
    if name == "startswith":
        return lambda item: str(_at(item, path) or "").lower().startswith(value.lower())
    return lambda item: value.lower() in str(_at(item, path) or "").lower()


def _literal(text: str) -> Any:
    stripped = text.strip()
    if stripped.startswith("'") and stripped.endswith("'") and len(stripped) > 1:
        return _timed(stripped[1:-1].replace("''", "'"))
    if stripped in ("true", "false", "null"):
        return {"true": True, "false": False, "null": None}[stripped]
    if re.fullmatch(r"-?\d+", stripped):
        return int(stripped)
    if isinstance(timed := _timed(stripped), datetime):
        return timed
    raise Refusal(400, "BadRequest", f"Invalid filter clause: {text}")


def _at(item: Json, path: str) -> Any:
    """The value at a path. Raises `Refusal` for a property that no event has."""
    value: Any = item
    for name in path.split("/"):
        if not isinstance(value, dict) or name not in value:
            raise Refusal(400, "BadRequest", f"Could not find a property named '{path}' on type 'Microsoft.OutlookServices.Event'.")
        value = value[name]
    return _timed(value)


def _timed(value: Any) -> Any:
    """A text that is a time as one, so that it can be compared."""
    if not isinstance(value, str) or not re.match(r"\d{4}-\d{2}-\d{2}(T|$)", value):
        return value
    try:
        at = datetime.fromisoformat(value)
    except ValueError:
        return value
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def _ordered(items: list[Json], asked: str | None) -> list[Json]:
    for key in reversed((asked or "").split(",")) if asked else ():
        path, _, way = key.strip().partition(" ")
        items = sorted(items, key=lambda item, path=path: _sortable(_at(item, path)), reverse=way.strip().lower() == "desc")  # type: ignore[misc]  # mypy knows no lambda with a default
    return items


def _sortable(value: Any) -> tuple[bool, Any]:
    return (value is not None, value)


def _number(request: Request, name: str, default: int) -> int:
    given = request.one(name)
    if given is None:
        return default
    if not given.isdigit():
        raise invalid(f"The value '{given}' of the query option '{name}' is no number.", "BadRequest")
    return int(given)


def _next(request: Request, skip: int) -> str:
    rest = [(name, value) for name, value in request.query if name != "$skip"]
    return f"{request.scheme}://{request.host}{request.raw_path}?{urlencode([*rest, ('$skip', str(skip))])}"
