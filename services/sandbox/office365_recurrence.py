"""Outlook's recurrence: a `patternedRecurrence` examined, filled in, and laid out with dateutil.

What must stay true: a pattern makes dates on the clock of the series' zone. A day that a month does not have falls on its
last day; the first occurrence is the first date of the pattern from the start date on, and only occurrences are counted.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from itertools import islice, takewhile
from typing import Literal

from dateutil.rrule import DAILY, MONTHLY, SU, WEEKLY, YEARLY, rrule, weekday

from services.sandbox.office365_errors import Refusal
from services.sandbox.office365_times import YEARS, Json

MOST = 5000
"""No series is laid out further than this; Outlook itself makes at most 999 of a numbered one."""

_LARGEST = 999
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_INDEX = {"first": 1, "second": 2, "third": 3, "fourth": 4, "last": -1}
_FREQUENCY: dict[str, Literal[0, 1, 2, 3]] = {
    "daily": DAILY,
    "weekly": WEEKLY,
    "absoluteMonthly": MONTHLY,
    "relativeMonthly": MONTHLY,
    "absoluteYearly": YEARLY,
    "relativeYearly": YEARLY,
}
# What each pattern cannot do without.
_NEEDED = {
    "daily": (),
    "weekly": ("daysOfWeek",),
    "absoluteMonthly": ("dayOfMonth",),
    "relativeMonthly": ("daysOfWeek",),
    "absoluteYearly": ("dayOfMonth", "month"),
    "relativeYearly": ("daysOfWeek", "month"),
}


def filled(value: object, first: date, zone: str) -> Json:
    """A client's recurrence as Graph keeps it, every field there. `first` is the date of the event's start in `zone`. Raises `Refusal`."""
    whole = value if isinstance(value, dict) else {}
    return {"pattern": _pattern(whole.get("pattern")), "range": _range(whole.get("range"), first, zone)}


def starts(recurrence: Json, at: time, since: datetime | None = None, until: datetime | None = None) -> list[datetime]:
    """The clock times of the occurrences in [since, until), each at `at`; all naive. Without `until`, the first `MOST`."""
    laid_out: Iterator[datetime] = iter(_rule(recurrence, at))
    if until is not None:
        laid_out = takewhile(lambda start: start < until, laid_out)
    return [start for start in islice(laid_out, MOST) if since is None or start >= since]


def first_start(recurrence: Json, at: time) -> datetime:
    """The first occurrence. Raises `Refusal` if the pattern makes none."""
    found = next(iter(_rule(recurrence, at)), None)
    if found is None:
        raise _refused("the recurrence has no occurrence")
    return found


def _rule(recurrence: Json, at: time) -> rrule:
    pattern, extent = recurrence["pattern"], recurrence["range"]
    kind = str(pattern["type"])
    days = tuple(weekday(_DAYS.index(day)) for day in pattern.get("daysOfWeek", ())) or None
    by_day, position = None, None
    if kind.startswith("absolute"):
        by_day, position = _by_month_day(int(pattern["dayOfMonth"]))
    elif kind.startswith("relative"):
        position = _INDEX[pattern["index"]]
    return rrule(
        _FREQUENCY[kind],
        dtstart=datetime.combine(date.fromisoformat(extent["startDate"]), at),
        interval=int(pattern["interval"]),
        wkst=weekday(_DAYS.index(pattern["firstDayOfWeek"])) if pattern.get("firstDayOfWeek") else SU,
        bymonth=pattern["month"] if kind.endswith("Yearly") else None,
        bymonthday=by_day,
        byweekday=days if kind not in ("daily", "absoluteMonthly", "absoluteYearly") else None,
        bysetpos=position,
        count=extent["numberOfOccurrences"] if extent["type"] == "numbered" else None,
        until=_last_moment(extent) if extent["type"] == "endDate" else None,
    )


def _by_month_day(day: int) -> tuple[tuple[int, ...], int | None]:
    """The day, or the last one of a month that is shorter."""
    return ((day,), None) if day <= 28 else (tuple(range(28, day + 1)), -1)


def _last_moment(extent: Json) -> datetime:
    return datetime.combine(date.fromisoformat(extent["endDate"]), time()) + timedelta(days=1, microseconds=-1)


def _pattern(value: object) -> Json:
    given = value if isinstance(value, dict) else {}
    kind = given.get("type")
    if kind not in _NEEDED or any(not given.get(name) for name in _NEEDED[kind]):
        raise _refused(f"the pattern of type {kind!r} lacks a field, or there is no such pattern")
    days = [str(day).lower() for day in given.get("daysOfWeek") or ()]
    interval, of_month, month = (_number(given.get(name), least) for name, least in (("interval", 1), ("dayOfMonth", 0), ("month", 0)))
    if any(day not in _DAYS for day in days) or of_month > 31 or month > 12:
        raise _refused("the pattern names a day or a month that is none")
    shown: Json = {"type": kind, "interval": interval, "month": month, "dayOfMonth": of_month}
    return shown | ({"daysOfWeek": days} if days else {}) | {"firstDayOfWeek": _first_day(given), "index": _index(given)}


def _first_day(given: Json) -> str:
    return _one_of(given.get("firstDayOfWeek"), _DAYS, "sunday")


def _index(given: Json) -> str:
    return _one_of(given.get("index"), _INDEX, "first")


def _range(value: object, first: date, zone: str) -> Json:
    given = value if isinstance(value, dict) else {}
    kind = _one_of(given.get("type"), ("endDate", "noEnd", "numbered"), "")
    started = _date(given.get("startDate") or first.isoformat())
    ended = _date(given.get("endDate")) if kind == "endDate" else date.min
    if kind == "endDate" and ended < started:
        raise _refused("the range ends before it starts")
    return {
        "type": kind,
        "startDate": started.isoformat(),
        "endDate": ended.isoformat(),
        "recurrenceTimeZone": given.get("recurrenceTimeZone") or zone,
        "numberOfOccurrences": _number(given.get("numberOfOccurrences"), 1) if kind == "numbered" else 0,
    }


def _one_of(value: object, known: object, default: str) -> str:
    """A word among those known, or the default where there is none."""
    word = str(value or default)
    if not isinstance(known, (tuple, dict)) or word not in known:
        raise _refused(f"{word!r} is not known")
    return word


def _number(value: object, least: int) -> int:
    number = value if value is not None else least
    if not isinstance(number, int) or isinstance(number, bool) or not least <= number <= _LARGEST:
        raise _refused(f"{value!r} is no number from {least} to {_LARGEST}")
    return number


def _date(value: object) -> date:
    try:
        day = date.fromisoformat(str(value))
    except ValueError:
        day = date.min
    if day.year not in YEARS:
        raise _refused(f"{value!r} is no date")
    return day


def _refused(why: str) -> Refusal:
    return Refusal(400, "ErrorInvalidRecurrencePattern", f"Your request can't be completed: {why}.")
