"""A Graph patternedRecurrence as one RFC 5545 RRULE.

What must stay true: the rule makes exactly the dates that Outlook makes, or there is no rule. What is not understood is
refused by name (`BadInput`, with a pointer from the Graph event's root), never approximated.

Two habits of Outlook that RFC 5545 does not have:
- A day of the month that a month does not have falls on its last day: 31 is the last day of every month, 29 February
  is the 28th in other years (Exchange's RecurrencePattern.DayOfMonth). An RRULE would skip those months.
- The first occurrence may lie after the start date (Graph's recurrenceRange). For RFC 5545 the start is an occurrence
  and counts for COUNT, so such a start is excluded and COUNT is one more.

Pattern and range are dates in the range's own time zone.
"""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, date, datetime, time, tzinfo
from typing import Any, NamedTuple

from domain.errors import BadInput

_PATTERN = "/recurrence/pattern"
_RANGE = "/recurrence/range"
_DAYS = {"monday": "MO", "tuesday": "TU", "wednesday": "WE", "thursday": "TH", "friday": "FR", "saturday": "SA", "sunday": "SU"}
_WEEK = tuple(_DAYS.values())
_INDEX = {"first": 1, "second": 2, "third": 3, "fourth": 4, "last": -1}
_FREQUENCY = {
    "daily": "DAILY",
    "weekly": "WEEKLY",
    "absoluteMonthly": "MONTHLY",
    "relativeMonthly": "MONTHLY",
    "absoluteYearly": "YEARLY",
    "relativeYearly": "YEARLY",
}
_SHORTEST_MONTH, _LONGEST_MONTH = 28, 31
_LEAP_YEAR = 2024


class Series(NamedTuple):
    """`rule` is an RRULE value. `makes_start`: is the master's own start an occurrence?"""

    rule: str
    makes_start: bool


def series(recurrence: object, *, first: date, zone: tzinfo | None) -> Series:
    """The RRULE of a master whose start is on `first`, a date in `zone`, the zone of the pattern; None: all-day.

    Raises `BadInput` for whatever cannot be said exactly.

    >>> weekly = {"type": "weekly", "interval": 2, "daysOfWeek": ["monday", "friday"], "firstDayOfWeek": "sunday"}
    >>> series({"pattern": weekly, "range": {"type": "numbered", "numberOfOccurrences": 6}}, first=date(2026, 3, 2), zone=UTC)
    Series(rule='FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,FR;WKST=SU;COUNT=6', makes_start=True)
    """
    whole = _object(recurrence, "/recurrence")
    pattern, extent = _object(whole.get("pattern"), _PATTERN), _object(whole.get("range"), _RANGE)
    parts = _frequency(pattern) | _BY[str(pattern["type"])](pattern)
    makes_start = _makes(pattern, first)
    parts |= _end(extent, zone, uncounted=0 if makes_start else 1)
    return Series(";".join(f"{name}={value}" for name, value in parts.items()), makes_start)


def _frequency(pattern: dict[str, Any]) -> dict[str, str]:
    kind = pattern.get("type")
    if not isinstance(kind, str) or kind not in _FREQUENCY:
        raise BadInput(f"{_PATTERN}/type", f"no known pattern: {str(kind)[:80]!r}")
    interval = _number(pattern, "interval", _PATTERN)
    return {"FREQ": _FREQUENCY[kind]} | ({"INTERVAL": str(interval)} if interval > 1 else {})


def _daily(pattern: dict[str, Any]) -> dict[str, str]:
    return {}


def _weekly(pattern: dict[str, Any]) -> dict[str, str]:
    # Sunday is Graph's default; RFC 5545's is Monday. It decides which weeks an interval of two or more skips.
    first = pattern.get("firstDayOfWeek") or "sunday"
    return {"BYDAY": ",".join(_days(pattern)), "WKST": _day(first, f"{_PATTERN}/firstDayOfWeek")}


def _absolute_monthly(pattern: dict[str, Any]) -> dict[str, str]:
    return _by_month_day(_day_of_month(pattern), _SHORTEST_MONTH, _LONGEST_MONTH)


def _absolute_yearly(pattern: dict[str, Any]) -> dict[str, str]:
    day, month = _day_of_month(pattern), _month(pattern)
    longest = monthrange(_LEAP_YEAR, month)[1]
    if day > longest:
        raise BadInput(f"{_PATTERN}/dayOfMonth", f"month {month} has no day {day}")
    return {"BYMONTH": str(month)} | _by_month_day(day, _SHORTEST_MONTH if month == 2 else longest, longest)


def _relative_monthly(pattern: dict[str, Any]) -> dict[str, str]:
    return {"BYDAY": ",".join(_days(pattern)), "BYSETPOS": str(_index(pattern))}


def _relative_yearly(pattern: dict[str, Any]) -> dict[str, str]:
    return {"BYMONTH": str(_month(pattern))} | _relative_monthly(pattern)


_BY = {
    "daily": _daily,
    "weekly": _weekly,
    "absoluteMonthly": _absolute_monthly,
    "relativeMonthly": _relative_monthly,
    "absoluteYearly": _absolute_yearly,
    "relativeYearly": _relative_yearly,
}


def _by_month_day(day: int, shortest: int, longest: int) -> dict[str, str]:
    """The day, or the last one of a month that has fewer days than that."""
    if day <= shortest:
        return {"BYMONTHDAY": str(day)}
    if day == longest:
        return {"BYMONTHDAY": "-1"}
    return {"BYMONTHDAY": ",".join(str(d) for d in range(shortest, day + 1)), "BYSETPOS": "-1"}


def _end(extent: dict[str, Any], zone: tzinfo | None, *, uncounted: int) -> dict[str, str]:
    match extent.get("type"):
        case "noEnd":
            return {}
        case "numbered":
            return {"COUNT": str(_number(extent, "numberOfOccurrences", _RANGE) + uncounted)}
        case "endDate":
            return {"UNTIL": _until(extent.get("endDate"), zone)}
        case other:
            raise BadInput(f"{_RANGE}/type", f"no known range: {str(other)[:80]!r}")


def _until(value: object, zone: tzinfo | None) -> str:
    """The last moment of that day in `zone`, in UTC; the day itself for all-day series."""
    try:
        day = date.fromisoformat(str(value))
        if zone is None:
            return f"{day:%Y%m%d}".rjust(8, "0")
        # fold: where clocks go back across midnight the day's last hour comes twice, and its end is the second.
        end = datetime.combine(day, time(23, 59, 59, fold=1), zone).astimezone(UTC)
    except (ValueError, OverflowError):
        raise BadInput(f"{_RANGE}/endDate", f"no date: {str(value)[:80]!r}") from None
    return f"{end:%Y%m%dT%H%M%SZ}".rjust(16, "0")


def _makes(pattern: dict[str, Any], day: date) -> bool:
    """Is `day` a day of this pattern (as the first one, so that the interval does not matter)?"""
    kind = pattern["type"]
    if kind == "daily":
        return True
    if kind == "weekly":
        return _WEEK[day.weekday()] in _days(pattern)
    if kind.endswith("Yearly") and day.month != _month(pattern):
        return False
    last = monthrange(day.year, day.month)[1]
    if kind.startswith("absolute"):
        return day.day == min(_day_of_month(pattern), last)
    fitting = [d for d in range(1, last + 1) if _WEEK[day.replace(day=d).weekday()] in _days(pattern)]
    index = _index(pattern)
    return len(fitting) >= index and day.day == fitting[index - 1 if index > 0 else index]


def _days(pattern: dict[str, Any]) -> list[str]:
    days = pattern.get("daysOfWeek")
    if not isinstance(days, list) or not days:
        raise BadInput(f"{_PATTERN}/daysOfWeek", f"required for {pattern['type']}")
    return sorted({_day(d, f"{_PATTERN}/daysOfWeek") for d in days}, key=_WEEK.index)


def _day(value: object, pointer: str) -> str:
    if not isinstance(value, str) or value.lower() not in _DAYS:
        raise BadInput(pointer, f"no day of the week: {str(value)[:80]!r}")
    return _DAYS[value.lower()]


def _index(pattern: dict[str, Any]) -> int:
    name = pattern.get("index") or "first"
    if not isinstance(name, str) or name not in _INDEX:
        raise BadInput(f"{_PATTERN}/index", f"no known index: {str(name)[:80]!r}")
    return _INDEX[name]


def _day_of_month(pattern: dict[str, Any]) -> int:
    return _number(pattern, "dayOfMonth", _PATTERN, most=_LONGEST_MONTH)


def _month(pattern: dict[str, Any]) -> int:
    return _number(pattern, "month", _PATTERN, most=12)


def _number(owner: dict[str, Any], name: str, pointer: str, most: int = 10**6) -> int:
    value = owner.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= most:
        raise BadInput(f"{pointer}/{name}", f"no number from 1 to {most}: {str(value)[:80]!r}")
    return value


def _object(value: object, pointer: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadInput(pointer, "required for a series")
    return value
