"""An RFC 5545 RRULE as Graph's patternedRecurrence: the way back of `recurrence`. Pure.

What must stay true: Outlook makes exactly the occurrences that the rule makes, or the series is refused by name. What is understood is
small and stands in the table below; whatever comes out of it is read back by `recurrence` and laid out beside the wanted series before
it is believed.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from adapters.office365 import zones
from adapters.office365.recurrence import series
from adapters.wanted import occurrences, shape
from domain.errors import BadInput, Refused
from domain.events import Content

Json = dict[str, Any]
Parts = dict[str, str]

_DAYS = {"MO": "monday", "TU": "tuesday", "WE": "wednesday", "TH": "thursday", "FR": "friday", "SA": "saturday", "SU": "sunday"}
_INDEX = {"1": "first", "2": "second", "3": "third", "4": "fourth", "-1": "last"}
_COMMON = frozenset(("FREQ", "INTERVAL", "COUNT", "UNTIL", "WKST"))


def patterned(content: Content, zone: str) -> Json:
    """The `recurrence` of a series whose times are written in `zone`, as Graph names it. Raises `Refused` for what Outlook cannot make.

    >>> weekly = Content(datetime(2026, 3, 9, 10), "PT1H", time_zone="Europe/Paris", rules=("FREQ=WEEKLY;BYDAY=MO,FR;COUNT=6",))
    >>> patterned(weekly, "Romance Standard Time")["pattern"]["daysOfWeek"]
    ['monday', 'friday']
    """
    if len(content.rules) != 1 or content.excluded or content.added:
        raise Refused("Outlook makes a series by one rule, without single starts taken out or added")
    parts = dict(part.split("=", 1) for part in content.rules[0].upper().rstrip(";").split(";"))
    made = {"pattern": _pattern(parts, content.start), "range": _range(parts, content) | {"recurrenceTimeZone": zone}}
    if not _is_exact(content, made):
        raise Refused("Outlook would make other occurrences by this rule")
    return made


def _pattern(parts: Parts, start: datetime) -> Json:
    allowed = _TABLE.get(parts.get("FREQ", ""))
    if allowed is None or parts.keys() - _COMMON - allowed[0]:
        raise Refused(f"Outlook knows no such rule: {', '.join(sorted(parts.keys() - _COMMON)) or 'without a frequency it has'}")
    return allowed[1](parts, start) | {"interval": int(parts.get("INTERVAL", "1"))}


def _daily(parts: Parts, start: datetime) -> Json:
    return {"type": "daily"}


def _weekly(parts: Parts, start: datetime) -> Json:
    days = [_day(day) for day in parts["BYDAY"].split(",")] if "BYDAY" in parts else [_own_day(start)]
    return {"type": "weekly", "daysOfWeek": days, "firstDayOfWeek": _day(parts.get("WKST", "MO"))}


def _monthly(parts: Parts, start: datetime) -> Json:
    if "BYDAY" in parts:
        return {"type": "relativeMonthly"} | _relative(parts)
    return {"type": "absoluteMonthly", "dayOfMonth": _day_of_month(parts, start, shortest=28)}


def _yearly(parts: Parts, start: datetime) -> Json:
    month = _number(parts.get("BYMONTH", str(start.month)), 12)
    if "BYDAY" in parts:
        if "BYMONTH" not in parts:
            raise Refused("Outlook counts weekdays within a month, not within a year")
        return {"type": "relativeYearly", "month": month} | _relative(parts)
    shortest = 28 if month == 2 else monthrange(2024, month)[1]
    return {"type": "absoluteYearly", "month": month, "dayOfMonth": _day_of_month(parts, start, shortest)}


_TABLE: dict[str, tuple[frozenset[str], Callable[[Parts, datetime], Json]]] = {
    "DAILY": (frozenset(), _daily),
    "WEEKLY": (frozenset(("BYDAY",)), _weekly),
    "MONTHLY": (frozenset(("BYDAY", "BYMONTHDAY", "BYSETPOS")), _monthly),
    "YEARLY": (frozenset(("BYDAY", "BYMONTH", "BYMONTHDAY", "BYSETPOS")), _yearly),
}


def _day_of_month(parts: Parts, start: datetime, shortest: int) -> int:
    """A day that every such month has: Outlook takes the last one of a shorter month, where a rule leaves the month out."""
    if "BYSETPOS" in parts:
        raise Refused("Outlook counts weekdays only, not days of the month")
    text = parts.get("BYMONTHDAY", str(start.day))
    if text == "-1":
        return 31
    day = _number(text, 31)
    if day > shortest:
        raise Refused("Outlook takes the last day of a month that has no such day, where the rule leaves it out")
    return day


def _relative(parts: Parts) -> Json:
    """`BYDAY=2TU`, or `BYDAY=MO,TU;BYSETPOS=-1`."""
    given = parts["BYDAY"].split(",")
    place = parts.get("BYSETPOS")
    if place is None and len(given) == 1:
        place, given = given[0][:-2].lstrip("+"), [given[0][-2:]]
    if place not in _INDEX or "BYMONTHDAY" in parts:
        raise Refused("Outlook knows the first to the fourth and the last of some weekdays in a month")
    return {"daysOfWeek": [_day(day) for day in given], "index": _INDEX[place]}


def _range(parts: Parts, content: Content) -> Json:
    start = {"startDate": content.start.date().isoformat()}
    if "COUNT" in parts:
        return start | {"type": "numbered", "numberOfOccurrences": int(parts["COUNT"])}
    if "UNTIL" in parts:
        return start | {"type": "endDate", "endDate": _last_day(parts["UNTIL"], content).isoformat()}
    return start | {"type": "noEnd"}


def _last_day(until: str, content: Content) -> date:
    """The last day with an occurrence at or before `until`, local to the series: Outlook counts days, not times."""
    text = until.rstrip("Z")
    try:
        end = datetime.strptime(text, "%Y%m%dT%H%M%S" if "T" in text else "%Y%m%d")
        if "T" not in text:
            return end.date()
        if until.endswith("Z"):
            end = end.replace(tzinfo=UTC).astimezone(ZoneInfo(content.time_zone or "UTC")).replace(tzinfo=None)
        return end.date() if end.time() >= content.start.time() else end.date() - timedelta(days=1)
    except (ValueError, OverflowError):
        raise Refused("Outlook ends a series on a day, and this rule names none") from None


def _is_exact(content: Content, made: Json) -> bool:
    """Does Outlook's series, read back, have the wanted one's occurrences?"""
    wanted = shape(content)
    zone = zones.find(made["range"]["recurrenceTimeZone"])
    try:
        back = series(made, first=content.start.date(), zone=None if content.all_day or zone is None else zone.tz)
    except BadInput:
        return False
    return back.makes_start and occurrences(wanted) == occurrences(wanted._replace(rules=(back.rule,)))


def _own_day(start: datetime) -> str:
    return tuple(_DAYS.values())[start.weekday()]


def _day(text: str) -> str:
    if text not in _DAYS:
        raise Refused("Outlook repeats by whole weekdays")
    return _DAYS[text]


def _number(text: str, most: int) -> int:
    if not text.isdecimal() or not 1 <= int(text) <= most:
        raise Refused("Outlook repeats on one day of a month")
    return int(text)
