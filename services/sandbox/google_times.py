"""Google's times: what a start or end means, how it is shown in another zone, and which occurrences a series has.

A wire time is {"date"} (all day; an end is exclusive) or {"dateTime", "timeZone"?}. Occurrences are counted in local time of the
series' zone, without offset, so that ten o'clock stays ten o'clock over a change of the clocks (RFC 5545, 3.8.5.3).
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterator
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from dateutil.rrule import rrule, rruleset, rrulestr

from services.sandbox.google_words import invalid, not_found

MOST_OCCURRENCES = 10_000
# Those in which arithmetic with days and zones does not leave the calendar.
YEARS = range(1800, 3000)
LAST_YEAR = "2999"
UTC = dt.UTC
Wire = dict[str, Any]


def rfc3339(ms: int) -> str:
    """As Google writes `created` and `updated`.

    >>> rfc3339(1772442904120)
    '2026-03-02T09:15:04.120Z'
    """
    return f"{dt.datetime.fromtimestamp(ms // 1000, UTC):%Y-%m-%dT%H:%M:%S}.{ms % 1000:03d}Z"


def moment(text: str, parameter: str) -> dt.datetime:
    """A parameter's time; the offset is mandatory. Raises `Refusal`."""
    try:
        read = dt.datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        raise invalid("Bad Request", parameter) from None
    if read.tzinfo is None or read.year not in YEARS:
        raise invalid("Bad Request", parameter)
    return read


def day(digits: str) -> dt.datetime:
    """The beginning, in UTC, of a day that is written YYYYMMDD. Raises `Refusal` (404: it is a part of an identifier)."""
    try:
        read = dt.datetime.strptime(digits, "%Y%m%d").replace(tzinfo=UTC)
    except ValueError:
        raise not_found() from None
    if read.year not in YEARS:
        raise not_found()
    return read


def zone(name: str) -> ZoneInfo:
    """Raises `Refusal` for a name that is no zone's."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise invalid("Invalid time zone definition.") from None


def read(value: Any, which: str, default_zone: str) -> Wire:
    """A start or end that a client wrote, in the form we keep: a date, or a time with offset and zone (the calendar's, if he named
    none). Raises `Refusal`."""
    if not isinstance(value, dict) or bool(value.get("date")) == bool(value.get("dateTime")):
        raise invalid(f"Invalid {which} time.")
    try:
        said = dt.datetime.fromisoformat(value.get("dateTime") or dt.date.fromisoformat(value["date"]).isoformat())
    except (TypeError, ValueError):
        raise invalid(f"Invalid {which} time.") from None
    if said.year not in YEARS:
        raise invalid(f"Invalid {which} time.")
    if value.get("date"):
        return {"date": said.date().isoformat()}
    named = value.get("timeZone") or default_zone
    # RFC 3339 asks for an offset; Google does without one where a zone stands beside.
    there = said.replace(tzinfo=zone(named)) if said.tzinfo is None else said.astimezone(zone(named))
    return {"dateTime": there.isoformat(timespec="seconds"), "timeZone": named}


def all_day(value: Wire) -> bool:
    """Is it a date?"""
    return "date" in value


def instant(value: Wire, calendar_zone: str) -> dt.datetime:
    """When it is; a date begins at midnight in the calendar's zone."""
    if all_day(value):
        return dt.datetime.fromisoformat(value["date"]).replace(tzinfo=ZoneInfo(calendar_zone)).astimezone(UTC)
    return dt.datetime.fromisoformat(value["dateTime"]).astimezone(UTC)


def local(value: Wire) -> dt.datetime:
    """Its reading of the clock in its own zone, without offset; a date's midnight."""
    if all_day(value):
        return dt.datetime.fromisoformat(value["date"])
    return dt.datetime.fromisoformat(value["dateTime"]).astimezone(ZoneInfo(value.get("timeZone") or "UTC")).replace(tzinfo=None)


def shown(value: Wire, in_zone: str) -> Wire:
    """As an answer shows it, in the calendar's zone or the one that was asked for.

    >>> shown({"dateTime": "2026-07-09T10:00:00+02:00", "timeZone": "Europe/Paris"}, "UTC")
    {'dateTime': '2026-07-09T08:00:00Z', 'timeZone': 'Europe/Paris'}
    """
    if all_day(value):
        return dict(value)
    there = dt.datetime.fromisoformat(value["dateTime"]).astimezone(ZoneInfo(in_zone))
    return {"dateTime": there.isoformat(timespec="seconds").replace("+00:00", "Z"), "timeZone": value.get("timeZone") or in_zone}


def at_local(start: Wire, naive: dt.datetime) -> Wire:
    """The same kind of time as a series' start, at another local reading. A reading that the clocks leap over is moved on."""
    if all_day(start):
        return {"date": naive.date().isoformat()}
    name = start.get("timeZone") or "UTC"
    there = naive.replace(tzinfo=ZoneInfo(name)).astimezone(UTC).astimezone(ZoneInfo(name))
    return {"dateTime": there.isoformat(timespec="seconds"), "timeZone": name}


def ended(start: Wire, end: Wire, begin: Wire) -> Wire:
    """The end of an occurrence that begins at `begin`, as long after it as the series' end is after its start."""
    return at_local(begin, local(begin) + (local(end) - local(start)))


def stamp(original: Wire) -> str:
    """The part of an instance's id that says which one it is.

    >>> stamp({"dateTime": "2026-07-09T10:00:00+02:00", "timeZone": "Europe/Paris"}), stamp({"date": "2026-07-09"})
    ('20260709T080000Z', '20260709')
    """
    if all_day(original):
        return str(original["date"]).replace("-", "")
    return f"{dt.datetime.fromisoformat(original['dateTime']).astimezone(UTC):%Y%m%dT%H%M%SZ}"


# --- series ------------------------------------------------------------------------------------------------------------------

_LINE = re.compile(r"^(RRULE|EXRULE|RDATE|EXDATE)((?:;[^:]*)?):(.+)$", re.IGNORECASE)
_UNTIL = re.compile(r"UNTIL=([0-9TZ]+)", re.IGNORECASE)
_TOO_OFTEN = re.compile(r"FREQ=(SECONDLY|MINUTELY|HOURLY)", re.IGNORECASE)


def series(start: Wire, recurrence: list[str]) -> rruleset:
    """The occurrences as local readings. Raises `Refusal` if the lines cannot be read."""
    found, first = rruleset(cache=False), local(start)
    try:
        for line in recurrence:
            _add(found, start, first, line)
    except (ValueError, TypeError, AttributeError, ZoneInfoNotFoundError):
        raise invalid("Invalid recurrence rule.") from None
    if not any(line.upper().startswith("RRULE") for line in recurrence):
        found.rdate(first)
    return found


def _add(found: rruleset, start: Wire, first: dt.datetime, line: str) -> None:
    match = _LINE.match(line.strip())
    if match is None or _TOO_OFTEN.search(line):
        raise ValueError(line)
    kind, parameters, value = match[1].upper(), match[2], match[3]
    if kind in ("RRULE", "EXRULE"):
        rule = rrulestr(_UNTIL.sub(lambda until: f"UNTIL={_until(until[1], start)}", value), dtstart=first)
        if not isinstance(rule, rrule):
            raise ValueError(line)
        (found.rrule if kind == "RRULE" else found.exrule)(rule)
        return
    for text in value.split(","):
        (found.rdate if kind == "RDATE" else found.exdate)(_reading(text, parameters, start))


def _until(text: str, start: Wire) -> str:
    """Local, as the series is counted; a date ends a series of times with that day. Some say for ever by the year 9999."""
    text = text if text[:4] <= LAST_YEAR else LAST_YEAR + text[4:]
    if len(text) == 8 and not all_day(start):
        return text + "T235959"
    return f"{_reading(text, '', start):%Y%m%dT%H%M%S}"


def _reading(text: str, parameters: str, start: Wire) -> dt.datetime:
    """The local reading, in the series' zone, of a time as iCalendar writes it."""
    read = dt.datetime.strptime(text.removesuffix("Z"), "%Y%m%dT%H%M%S" if "T" in text else "%Y%m%d")
    if read.year not in YEARS:
        raise ValueError(text)
    own = ZoneInfo(start.get("timeZone") or "UTC")
    named = re.search(r"TZID=([^;:]+)", parameters, re.IGNORECASE)
    if all_day(start) or "T" not in text:
        return read.replace(hour=0, minute=0, second=0) if all_day(start) else read
    if text.endswith("Z"):
        return read.replace(tzinfo=UTC).astimezone(own).replace(tzinfo=None)
    return read.replace(tzinfo=ZoneInfo(named[1])).astimezone(own).replace(tzinfo=None) if named else read


def occurrences(start: Wire, recurrence: list[str], until: dt.datetime) -> Iterator[Wire]:
    """The starts of a series, in order, up to an instant."""
    last = until.astimezone(ZoneInfo(start.get("timeZone") or "UTC")).replace(tzinfo=None)
    for number, naive in enumerate(series(start, recurrence)):
        if naive > last or number >= MOST_OCCURRENCES:
            return
        yield at_local(start, naive)
