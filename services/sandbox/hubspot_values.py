"""Values of HubSpot's properties: what is taken, and what is given back. And its times.

What must stay true: every value is text; a time is taken as milliseconds or as ISO 8601 and always given back as ISO 8601 in UTC.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, NamedTuple

import msgspec
from dateutil import parser

from services.sandbox.hubspot_errors import Invalid

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_DIGITS = re.compile(r"-?\d{1,16}")
_EMAIL = re.compile(r"[^@\s]+@[^@\s.]+(\.[^@\s.]+)+")


class Definition(msgspec.Struct, kw_only=True):
    """A property of a type in a portal. Times in ms. `type` is `owner` where the options are the portal's owners."""

    name: str
    label: str
    type: str
    field_type: str
    group: str = ""
    description: str = ""
    options: list[dict[str, Any]] = []
    unique: bool = False
    read_only: bool = False
    defined_by_hubspot: bool = False
    hidden: bool = False
    form_field: bool = False
    created: int = 0
    updated: int = 0
    archived_at: int | None = None


def instant(ms: int) -> str:
    """ISO 8601 in UTC; a fraction only if there is one.

    >>> instant(1767607200000), instant(1767607200123)
    ('2026-01-05T10:00:00Z', '2026-01-05T10:00:00.123Z')
    """
    written = (_EPOCH + timedelta(milliseconds=ms)).isoformat(timespec="milliseconds")
    return written.removesuffix("+00:00").removesuffix(".000") + "Z"


def milliseconds(value: object) -> int | None:
    """Ms since 1970 of a time that is written as ms or as ISO 8601 (without a zone: UTC); None if it is neither.

    >>> milliseconds("1767607200000") == milliseconds("2026-01-05T10:00:00Z") == milliseconds("2026-01-05T11:00+01:00")
    True
    """
    written = str(value).strip()
    return int(written) if _DIGITS.fullmatch(written) else iso_milliseconds(written)


@lru_cache(maxsize=65_536)
def iso_milliseconds(written: str) -> int | None:
    """Of a time in ISO 8601 only. Remembered, because a search reads the time of every object there is."""
    try:
        found = parser.isoparse(written)
    except ValueError:
        return None
    return round((found.replace(tzinfo=found.tzinfo or UTC) - _EPOCH).total_seconds() * 1000)


class Refusing(NamedTuple):
    """What a value is examined with: whether somebody is an owner of the portal."""

    is_owner: Callable[[str], bool]


def taken(definition: Definition, value: object, portal: Refusing) -> str | Invalid | None:
    """A value as it is kept; None clears the property."""
    written = _text(value)
    if written is None or written == "":
        return None
    match definition.type:
        case "datetime" | "date":
            return _time(definition, written)
        case "number":
            return written if _number(written) else Invalid(definition.name, "INVALID_NUMBER", f"{written} was not a valid number.")
        case "bool":
            return _option(definition, written.lower(), ["true", "false"])
        case "enumeration":
            allowed = [str(option["value"]) for option in definition.options]
            return _option(definition, written, allowed) if allowed else written
        case "owner":
            return (
                written if portal.is_owner(written) else Invalid(definition.name, "INVALID_OWNER_ID", f"{written} is not a valid owner id.")
            )
        case _:
            return _email(definition, written) if definition.name == "email" else written


def _text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return str(value).lower() if isinstance(value, bool) else str(value)


def _time(definition: Definition, written: str) -> str | Invalid:
    found = milliseconds(written)
    try:
        if found is not None:
            return instant(found)[: 10 if definition.type == "date" else None]
        return Invalid(definition.name, "INVALID_LONG", f"{written} was not a valid long.")
    except OverflowError:
        return Invalid(definition.name, "INVALID_DATE", f"{written} is too far from today.")


def _number(written: str) -> bool:
    try:
        float(written)
    except ValueError:
        return False
    return True


def _option(definition: Definition, written: str, allowed: list[str]) -> str | Invalid:
    """One of the options, or several of a checkbox, which are parted by semicolons."""
    parts = written.split(";") if definition.field_type == "checkbox" else [written]
    if all(part in allowed for part in parts):
        return written
    return Invalid(definition.name, "INVALID_OPTION", f"{written} was not one of the allowed options: {allowed}")


def _email(definition: Definition, written: str) -> str | Invalid:
    """HubSpot keeps addresses in lower case."""
    address = written.strip().lower()
    if _EMAIL.fullmatch(address):
        return address
    return Invalid(definition.name, "INVALID_EMAIL", f"Email address {written} is invalid")
