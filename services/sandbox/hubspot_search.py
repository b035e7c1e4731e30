"""HubSpot's search over the objects of a type: filters, one sort, pages, and its limits.

What must stay true: it knows what its index knows, which may lag behind; it finds no archived object and says nothing of
associations; and nobody gets past the first 10,000 of what is found.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import msgspec

from services.sandbox import hubspot_errors as errors
from services.sandbox.hubspot_portal import Portal, Record, ordered
from services.sandbox.hubspot_types import ObjectType, object_type
from services.sandbox.hubspot_values import Definition, milliseconds

MOST_FOUND = 10_000
MOST_A_PAGE = 200
MOST_GROUPS = 5
MOST_FILTERS = 6
MOST_FILTERS_IN_ALL = 18
MOST_QUERY = 3000
MOST_VALUES = 100
_ASSOCIATIONS = "associations."


class Filter(msgspec.Struct, rename="camel"):
    """One condition. Values are text or numbers."""

    property_name: str
    operator: str
    value: str | int | float | None = None
    high_value: str | int | float | None = None
    values: list[str | int | float] = []


class FilterGroup(msgspec.Struct):
    """All of its filters."""

    filters: list[Filter] = []


class Sort(msgspec.Struct, rename="camel"):
    """One order."""

    property_name: str
    direction: str = "ASCENDING"


class SearchRequest(msgspec.Struct, rename="camel"):
    """What is searched: any of the groups, and the words of `query`."""

    filter_groups: list[FilterGroup] = []
    sorts: list[str | Sort] = []
    query: str | None = None
    properties: list[str] = []
    limit: int = 10
    after: str | int | None = None


class Found(NamedTuple):
    """A page: objects with what the index knows of them; `after` where the next one begins, if there is one."""

    page: list[tuple[Record, Mapping[str, str | None]]]
    total: int
    after: str | None


class _Seen(NamedTuple):
    """An object as the index knows it."""

    record: Record
    values: Mapping[str, str | None]


def search(portal: Portal, kind: ObjectType, body: object, lag: int) -> Found:
    """Search a portal's objects of a type, with an index that lags by so many ms. Raises `Failure` 400."""
    try:
        asked = msgspec.convert(body if body is not None else {}, SearchRequest)
    except msgspec.ValidationError as error:
        raise errors.validation(f"Invalid input JSON: {error}") from error
    start = _examined(portal, kind, asked)
    seen = [_Seen(record, values) for record in portal.records[kind.name].values() if (values := portal.indexed(record, lag)) is not None]
    found = _sorted(portal, kind, asked, list(filter(_test(portal, kind, asked), seen)))
    page = found[start : start + asked.limit]
    end = start + len(page)
    return Found([(one.record, one.values) for one in page], len(found), str(end) if end < len(found) else None)


def _examined(portal: Portal, kind: ObjectType, asked: SearchRequest) -> int:
    """Where the page begins. Raises `Failure` 400 for what is too much or unknown."""
    filters = [each for group in asked.filter_groups for each in group.filters]
    after = str(asked.after or 0)
    if not after.isdecimal():
        raise errors.validation("The cursor is not one of ours.")
    start = int(after)
    if not 0 < asked.limit <= MOST_A_PAGE:
        raise errors.validation(f"The limit must be between 1 and {MOST_A_PAGE}; it was {asked.limit}")
    if start + asked.limit > MOST_FOUND:
        raise errors.validation("There was a problem with the request.")
    too_many = len(asked.filter_groups) > MOST_GROUPS or len(filters) > MOST_FILTERS_IN_ALL
    if too_many or any(len(group.filters) > MOST_FILTERS for group in asked.filter_groups):
        raise errors.validation(f"At most {MOST_GROUPS} filterGroups, {MOST_FILTERS} filters each, {MOST_FILTERS_IN_ALL} in all")
    if len(asked.query or "") > MOST_QUERY or len(asked.sorts) > 1:
        raise errors.validation("There was a problem with the request.")
    _known(portal, kind, [each.property_name for each in filters] + [_sort(sort).property_name for sort in asked.sorts])
    for each in filters:
        _examine(each)
    return start


def _known(portal: Portal, kind: ObjectType, names: list[str]) -> None:
    unknown = [name for name in names if name not in portal.definitions[kind.name] and not name.startswith(_ASSOCIATIONS)]
    if unknown:
        raise errors.invalid_values(map(errors.unknown_property, unknown))


def _examine(each: Filter) -> None:
    if each.operator not in OPERATORS:
        raise errors.validation(f"{each.operator} is no operator")
    if each.operator in ("IN", "NOT_IN") and not 0 < len(each.values) <= MOST_VALUES:
        raise errors.validation(f"{each.operator} takes 1 to {MOST_VALUES} values")
    needs = each.operator not in ("IN", "NOT_IN", "HAS_PROPERTY", "NOT_HAS_PROPERTY")
    if (needs and each.value is None) or (each.operator == "BETWEEN" and each.high_value is None):
        raise errors.validation(f"{each.operator} takes a value")


# --- matching ------------------------------------------------------------------------------------------------------------------


class Wanted(NamedTuple):
    """What a filter compares with, in the form in which the property is compared; `text` as it was written."""

    value: Any
    high: Any
    values: list[Any]
    text: str


Test = Callable[[_Seen], bool]


def _test(portal: Portal, kind: ObjectType, asked: SearchRequest) -> Test:
    """Everything that was asked for, read once for all objects. Raises `Failure` 400 for a value of the wrong form."""
    groups = [[_filter_test(portal, kind, each) for each in group.filters] for group in asked.filter_groups]
    words = (asked.query or "").lower().split()

    def test(one: _Seen) -> bool:
        return (not groups or any(all(holds(one) for holds in group) for group in groups)) and _has_words(kind, words, one)

    return test


def _filter_test(portal: Portal, kind: ObjectType, each: Filter) -> Test:
    if each.property_name.startswith(_ASSOCIATIONS):
        return lambda one: _associated(portal, each, one.record)
    definition = portal.definitions[kind.name].get(each.property_name)
    value, high = (_comparable(written, definition) for written in (each.value, each.high_value))
    wanted = Wanted(value, high, [_comparable(written, definition) for written in each.values], str(each.value).lower())
    operator, name = OPERATORS[each.operator], each.property_name
    return lambda one: operator(ordered(one.values.get(name), definition), wanted)


def _has_words(kind: ObjectType, query: list[str], one: _Seen) -> bool:
    """Each word is the beginning of a word somewhere."""
    if not query:
        return True
    words = _tokens(" ".join(one.values.get(name) or "" for name in kind.searched).lower())
    return all(any(word.startswith(wanted) for word in words) for wanted in query)


def _tokens(text: str) -> list[str]:
    """Words, and the parts of addresses."""
    return text.replace("@", " ").replace(".", " ").split() + text.split()


def _associated(portal: Portal, each: Filter, record: Record) -> bool:
    target = object_type(each.property_name.removeprefix(_ASSOCIATIONS))
    linked = {id for id, _ in portal.linked(record, target)} if target else set()
    wanted = {str(value) for value in ([each.value] if each.value is not None else each.values)}
    match each.operator:
        case "EQ" | "IN":
            return bool(linked & wanted)
        case "HAS_PROPERTY":
            return bool(linked)
        case "NOT_HAS_PROPERTY":
            return not linked
        case _:
            return not linked & wanted


def _comparable(written: Any, definition: Definition | None) -> Any:
    """A filter's value as it is compared. Raises `Failure` 400 if it is of the wrong form."""
    if written is None:
        return None
    try:
        if definition is not None and definition.type in ("datetime", "date"):
            found = milliseconds(written)
            if found is None:
                raise ValueError(written)
            return found
        if definition is not None and definition.type == "number":
            return float(written)
    except ValueError as error:
        raise errors.validation("There was a problem with the request.") from error
    return str(written).lower()


def _has_token(value: Any, wanted: Wanted) -> bool:
    """A whole word; a star stands for the rest of one."""
    words = _tokens(str(value or ""))
    if "*" in wanted.text:
        return any(wanted.text.strip("*") in word for word in words)
    return all(token in words for token in wanted.text.split())


OPERATORS: dict[str, Callable[[Any, Wanted], bool]] = {
    "EQ": lambda value, wanted: value == wanted.value,
    "NEQ": lambda value, wanted: value != wanted.value,
    "LT": lambda value, wanted: value is not None and value < wanted.value,
    "LTE": lambda value, wanted: value is not None and value <= wanted.value,
    "GT": lambda value, wanted: value is not None and value > wanted.value,
    "GTE": lambda value, wanted: value is not None and value >= wanted.value,
    "BETWEEN": lambda value, wanted: value is not None and wanted.value <= value <= wanted.high,
    "IN": lambda value, wanted: value in wanted.values,
    "NOT_IN": lambda value, wanted: value not in wanted.values,
    "HAS_PROPERTY": lambda value, wanted: value is not None,
    "NOT_HAS_PROPERTY": lambda value, wanted: value is None,
    "CONTAINS_TOKEN": _has_token,
    "NOT_CONTAINS_TOKEN": lambda value, wanted: not _has_token(value, wanted),
}


# --- order ---------------------------------------------------------------------------------------------------------------------


def _sort(written: str | Sort) -> Sort:
    """As an object, or as a name that a minus turns round."""
    if isinstance(written, Sort):
        return written
    return Sort(written.removeprefix("-"), "DESCENDING" if written.startswith("-") else "ASCENDING")


def _sorted(portal: Portal, kind: ObjectType, asked: SearchRequest, found: list[_Seen]) -> list[_Seen]:
    """By the sort, or by creation; equals in the order of their ids. Without a value it stands last."""
    sort = _sort(asked.sorts[0]) if asked.sorts else Sort(kind.created)
    definition = portal.definitions[kind.name].get(sort.property_name)
    with_value = [one for one in found if one.values.get(sort.property_name) is not None]
    without = [one for one in found if one.values.get(sort.property_name) is None]
    with_value.sort(key=lambda one: ordered(one.values[sort.property_name], definition), reverse=sort.direction.upper().startswith("DESC"))
    return with_value + without
