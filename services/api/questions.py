"""What was asked: query parameters, examined. One parser for the whole API, so that a page in front of the framework and one
behind it understand the same.

Raises `BadInput` with the parameter's name for whatever cannot be understood.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

from domain.errors import BadInput
from services.reading import MOST, STATUSES, Ask

EXAMPLES = "2026-03-09, 2026-03-09T10:00:00Z or 2026-03-09T10:00:00+01:00"
"""A time as it can be given."""

_FURTHEST = 1 << 62
_DATE = len("2026-03-09")


def query_of(scope: Mapping[str, Any]) -> dict[str, str]:
    """The query parameters of an ASGI scope, each once."""
    raw: bytes = scope["query_string"]
    if not raw:
        return {}
    try:
        pairs = parse_qsl(raw.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=50)
    except ValueError as error:
        raise BadInput("", "the query is not one of at most 50 parameters in UTF-8") from error
    query = dict(pairs)
    if len(query) < len(pairs):
        raise BadInput(next(name for name, _ in pairs if sum(n == name for n, _ in pairs) > 1), "given more than once")
    return query


def understood(query: Mapping[str, str], known: frozenset[str]) -> None:
    """Refuse what nobody would look at: a mistyped `dry_run` would publish. Raises `BadInput`."""
    for name in query.keys() - known:
        raise BadInput(name[:100], f"no parameter of this path, which knows {', '.join(sorted(known))}")


def ask_of(query: Mapping[str, str]) -> Ask:
    """A question for a page of a timeline."""
    if not query:
        return Ask()
    low, high = instant(query, "from"), instant(query, "to", end_of_day=True)
    span(low, high, "to")
    return Ask(
        low=low,
        high=high,
        status=_status(query.get("status")),
        as_of=instant(query, "as_of"),
        cursor=query.get("cursor") or None,
        newest_first=_order(query.get("order")),
        limit=number(query, "limit", 50, 1, MOST),
    )


def instant(query: Mapping[str, str], name: str, end_of_day: bool = False) -> int | None:
    """A time in ms: see `moment`.

    >>> instant({"to": "2026-03-09"}, "to", end_of_day=True), instant({"from": "2026-03-09T10:00:00+01:00"}, "from")
    (1773100800000, 1773046800000)
    """
    text = query.get(name)
    # A + that nobody encoded arrives as a blank. An empty text is no time: of a variable that was not set, everything would be read.
    return None if text is None else moment(text.replace(" ", "+"), name, end_of_day)


def moment(text: str, name: str, end_of_day: bool = False) -> int:
    """A time in ms: RFC 3339, whose offset nobody may leave to us to guess; or a date: its midnight in UTC, or the next one where a whole
    day is meant. Raises `BadInput` with `name`."""
    try:
        if len(text) == _DATE:
            at = datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
            at += timedelta(days=1) if end_of_day else timedelta()
        else:
            at = datetime.fromisoformat(text)
        if at.tzinfo is not None:
            return int(at.astimezone(UTC).timestamp() * 1000)  # refuses what is in no year that UTC has
        wrong = "has no offset"
    except (ValueError, OverflowError):
        wrong = "is no time"
    raise BadInput(name, f"{text[:40]!r} {wrong}; write {EXAMPLES}")


def span(low: int | None, high: int | None, name: str) -> None:
    """Raises `BadInput`, with `name` for its end, for a time that ends before it begins: whoever swapped the two would read that there is
    nothing."""
    if low is not None and high is not None and high < low:
        raise BadInput(name, "before the beginning: nothing is in between")


def number(query: Mapping[str, str], name: str, default: int, low: int = 0, high: int = _FURTHEST) -> int:
    """A whole number from `low` to `high`."""
    text = query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) < 20 and low <= int(text) <= high):
        raise BadInput(name, f"{text[:40]!r} is no whole number from {low}" + ("" if high == _FURTHEST else f" to {high}"))
    return int(text)


def flag(query: Mapping[str, str], name: str) -> bool:
    """Yes or no; no if it is not there."""
    text = query.get(name, "false")
    if text not in ("true", "false"):
        raise BadInput(name, f"{text[:40]!r} is neither true nor false")
    return text == "true"


def _status(text: str | None) -> tuple[str, ...]:
    if text is None:
        return ()
    wanted = tuple(dict.fromkeys(text.split(",")))
    if any(status not in STATUSES for status in wanted):
        raise BadInput("status", f"{text[:80]!r}: choose of {', '.join(STATUSES)}, separated by commas")
    return wanted


def _order(text: str | None) -> bool:
    if text not in (None, "newest", "soonest"):
        raise BadInput("order", f"{text[:40]!r} is neither newest nor soonest")
    return text != "soonest"
