"""When a Google event takes place, and how often: its times, zones and recurrence lines in our words.

What must stay true: a local start is said in a zone in which it and its rule mean what Google shows; what cannot be said so is refused
(`BadInput`) and never moved.

Field by field from the Calendar API reference, Events resource; `recurrence` lines from RFC 5545 3.8.5.
"""

from __future__ import annotations

import re
from datetime import MAXYEAR, MINYEAR, UTC, date, datetime, time, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from adapters import wording
from domain import source_events
from domain.errors import BadInput

_HOUR = timedelta(hours=1)
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?(?:[Zz]|[+-][0-9]{2}:[0-9]{2})?")
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_FIXED_ZONE = re.compile(r"(?:GMT|UTC)([+-])(0?[0-9]|1[0-4])(?::?([0-5][0-9]))?")
_LINE = re.compile(r'(?P<name>[A-Za-z-]+)(?P<parameters>(?:;[A-Za-z-]+=(?:"[^"]*"|[^:;"]*))*):(?P<value>.*)')
_ZONE_PARAMETER = re.compile(r';TZID=("[^"]*"|[^:;"]*)', re.IGNORECASE)
_STAMP = re.compile(r"(?P<day>[0-9]{8})(?:[Tt](?P<clock>[0-9]{6})(?P<utc>[Zz])?)?")


class Rhythm(NamedTuple):
    """How often: RRULE values, and starts that are local in the meeting's zone."""

    rules: list[str]
    excluded: list[datetime]
    added: list[datetime]


class When(NamedTuple):
    """`start` is local in `time_zone` (IANA; None: floating or all-day), `duration` ISO 8601."""

    start: datetime
    time_zone: str | None
    duration: str
    all_day: bool
    rhythm: Rhythm


class _Point(NamedTuple):
    """A start or an end: a date, or a time that is aware where a zone or an offset is known. `zone` as Google names it."""

    at: date | datetime
    zone: str | None = None


class _Frame(NamedTuple):
    """The local start, the IANA zone it is said in, and the zone Google wrote it in (None: floating or all-day)."""

    start: datetime
    zone: str | None = None
    written_in: tzinfo | None = None
    all_day: bool = False


# --- when -------------------------------------------------------------------------------------------------------------


def times(event: dict[str, Any], time_zone: str | None) -> When:
    """When a live event is; `time_zone` is its page's. Raises `BadInput`."""
    start = _point(event.get("start"), "start", time_zone)
    if start is None:
        raise BadInput("start", "missing: neither a date nor a time")
    unspecified = event.get("endTimeUnspecified") is True
    end = None if unspecified else _point(event.get("end"), "end", start.zone)
    frame = _frame(start, series=bool(event.get("recurrence")))
    return When(frame.start, frame.zone, _length(start, end), frame.all_day, _recurrence(event.get("recurrence"), frame))


def _point(value: object, field: str, default_zone: str | None) -> _Point | None:
    """A start or an end as Google writes it; None if it says neither date nor time."""
    if value is None:
        return None
    if not isinstance(value, dict):
        raise BadInput(field, "not an object")
    zone = legible(value.get("timeZone")) or default_zone
    if (text := value.get("dateTime")) is not None:
        return _Point(_placed(text, field, zone), zone)
    if (text := value.get("date")) is not None:
        return _Point(_day(text, field))
    return None


def _placed(text: object, field: str, zone: str | None) -> datetime:
    """The time, aware by its own offset, else by its zone; naive (floating) if Google gave neither."""
    parsed = _parsed(text)
    if parsed is None:
        raise BadInput(f"{field}.dateTime", "not a time that any calendar knows")
    written = parsed.replace(microsecond=0) if parsed.microsecond else parsed
    if written.tzinfo is not None or zone is None:
        return written
    if (tz := _tz(zone)) is None:
        raise BadInput(f"{field}.timeZone", f"no IANA time zone, and no offset to go by: {zone[:80]!r}")
    return written.replace(tzinfo=tz)


def _day(text: object, field: str) -> date:
    try:
        if isinstance(text, str) and _DAY.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:  # the 30th of February, the year 0
        pass
    raise BadInput(f"{field}.date", "not a day that any calendar knows")


def _frame(start: _Point, *, series: bool) -> _Frame:
    """The local start, and the zone it is said in.

    >>> _frame(_Point(datetime(2026, 3, 9, 9, tzinfo=UTC), "Europe/Paris"), series=True)[:2]
    (datetime.datetime(2026, 3, 9, 10, 0), 'Europe/Paris')
    >>> _frame(_Point(date(2026, 3, 9)), series=False)[:2]
    (datetime.datetime(2026, 3, 9, 0, 0), None)
    """
    at = start.at
    if not isinstance(at, datetime):
        return _Frame(datetime.combine(at, time()), all_day=True)
    if at.tzinfo is None:
        return _Frame(at)
    zone, written_in = _zone(at, start.zone, series=series)
    local = _wall_clock(at, zone)
    if series and local.date() != _wall_clock(at, written_in).date():
        # The days of the rule (BYDAY, BYMONTHDAY) would be the days before or after.
        raise BadInput("start.timeZone", f"a series {at.utcoffset()} from UTC, of which UTC would change the days")
    if local.fold and not series:
        # A local time in a fold means the first of the two; the second can only be said outside its zone.
        return _Frame(_wall_clock(at, UTC), "UTC", UTC)
    return _Frame(local.replace(fold=0) if local.fold else local, zone.key, written_in)


def _zone(at: datetime, name: str | None, *, series: bool) -> tuple[ZoneInfo, tzinfo]:
    """The IANA zone to say this time in, and the zone it was written in: the same, unless that is a fixed offset."""
    written_in = _tz(name) if name else at.tzinfo
    if isinstance(written_in, ZoneInfo):
        return written_in, written_in
    if written_in is not None:
        return ZoneInfo(_fixed_zone(written_in.utcoffset(at) or timedelta())), written_in
    if series:
        raise BadInput("start.timeZone", f"no IANA time zone: {(name or '')[:80]!r}")
    return ZoneInfo("UTC"), UTC


@lru_cache(maxsize=1024)
def _tz(name: str) -> tzinfo | None:
    """An IANA zone, or an offset as Google writes one for a zone (`GMT+05:30`)."""
    if source_events.zone_exists(name):
        return ZoneInfo(name)
    if (found := _FIXED_ZONE.fullmatch(name)) is None:
        return None
    offset = timedelta(hours=int(found[2]), minutes=int(found[3] or 0))
    return timezone(-offset if found[1] == "-" else offset)


def _fixed_zone(offset: timedelta) -> str:
    """The IANA name of a fixed offset, whose sign is the other way round; UTC where there is none.

    >>> _fixed_zone(timedelta(hours=2)), _fixed_zone(timedelta(hours=-7)), _fixed_zone(timedelta(hours=5.5))
    ('Etc/GMT-2', 'Etc/GMT+7', 'UTC')
    """
    hours, rest = divmod(offset, _HOUR)
    return "UTC" if rest or not hours or not -12 <= hours <= 14 else f"Etc/GMT{-hours:+d}"


def _wall_clock(at: datetime, tz: tzinfo) -> datetime:
    """The naive local time in `tz`. What was written in `tz` stays as it was written, also in a gap."""
    try:
        there = at.astimezone(tz)
    except (OverflowError, ValueError):  # the first and the last day of the calendar
        raise BadInput("start", "outside the years 1 to 9999") from None
    return datetime.combine(there, there.time())  # four times as fast as `replace`, and this is done for each time of each event


def _length(start: _Point, end: _Point | None) -> str:
    """Whole days of an all-day meeting; of any other the exact time that passes, in which days are no unit."""
    if not isinstance(start.at, datetime):
        return _length_in_days(start.at, end)
    if end is None:
        return "PT0S"
    if not isinstance(end.at, datetime) or (start.at.tzinfo is None) != (end.at.tzinfo is None):
        raise BadInput("end", "not of the same sort as the start")
    return _duration(_passed(start.at, end.at))


def _passed(start: datetime, end: datetime) -> timedelta:
    """What passed, and not what the clocks show. Raises `BadInput`."""
    if type(start.tzinfo) is timezone is type(end.tzinfo) and _is_ordinary(start) and _is_ordinary(end):
        return end - start  # which is right between fixed offsets, as nearly all are, and is found out faster
    return _absolute(end) - _absolute(start)


def _is_ordinary(at: datetime) -> bool:
    return MINYEAR < at.year < MAXYEAR


def _length_in_days(start: date, end: _Point | None) -> str:
    if end is None:
        return "P1D"
    if isinstance(end.at, datetime):
        raise BadInput("end", "a time, where the start is a date")
    if end.at < start:
        raise BadInput("end", "before the start")
    return f"P{(end.at - start).days}D"


@lru_cache(maxsize=1024)
def _duration(passed: timedelta) -> str:
    """ISO 8601, in hours, minutes and seconds.

    >>> _duration(timedelta(minutes=90)), _duration(timedelta(days=2)), _duration(timedelta())
    ('PT1H30M', 'PT48H', 'PT0S')
    """
    if passed < timedelta():
        raise BadInput("end", "before the start")
    minutes, seconds = divmod(passed.days * 86_400 + passed.seconds, 60)
    parts = zip((*divmod(minutes, 60), seconds), "HMS", strict=True)
    return "PT" + ("".join(f"{count}{unit}" for count, unit in parts if count) or "0S")


def _absolute(at: datetime) -> datetime:
    """In UTC, so that a difference is what passed and not what the clocks show; a floating time is read as UTC."""
    return _wall_clock(at, UTC) if at.tzinfo else at


def original_start(value: object, time_zone: str | None) -> datetime | None:
    """Where the series would have it: an instant in UTC, of a date its midnight. Raises `BadInput`."""
    point = _point(value, "originalStartTime", time_zone)
    if point is None:
        return None
    at = _absolute(point.at) if isinstance(point.at, datetime) else datetime.combine(point.at, time())
    return at.replace(tzinfo=UTC)


# --- how often --------------------------------------------------------------------------------------------------------


def _recurrence(lines: object, frame: _Frame) -> Rhythm:
    """Google's `recurrence`: RRULE values as they are, EXDATE and RDATE as starts local in the meeting's zone.

    >>> said = _recurrence(["RRULE:FREQ=DAILY", "EXDATE:20260310T090000Z"], _Frame(datetime(2026, 3, 9, 10), "Europe/Paris"))
    >>> said.rules, said.excluded
    (['FREQ=DAILY'], [datetime.datetime(2026, 3, 10, 10, 0)])
    """
    found = Rhythm([], [], [])
    if lines is None:
        return found
    if not isinstance(lines, list):
        raise BadInput("recurrence", "not a list")
    for line in lines:
        match = _LINE.fullmatch(wording.clean(line, None) or "")
        if match is None:
            raise BadInput("recurrence", "a line that is no iCalendar property")
        name, parameters, value = match.groups()
        if name.upper() == "RRULE":
            found.rules.append(value)
        elif name.upper() == "EXDATE":
            found.excluded.extend(_starts(value, parameters, frame))
        elif name.upper() == "RDATE":
            found.added.extend(_starts(value, parameters, frame))
        else:
            # EXRULE above all: without it the series would have occurrences that it has not.
            raise BadInput("recurrence", f"{name[:40]} cannot be carried")
    return found


def _starts(value: str, parameters: str, frame: _Frame) -> list[datetime]:
    """The starts of one EXDATE or RDATE; of a period its start."""
    given = _ZONE_PARAMETER.search(parameters)
    tz = frame.written_in
    if given and (tz := _tz(given[1].strip('"'))) is None:
        raise BadInput("recurrence", f"no IANA time zone: {given[1][:80]!r}")
    try:
        return [_listed(text.partition("/")[0].strip(), tz, frame) for text in value.split(",") if text.strip()]
    except ValueError:
        raise BadInput("recurrence", "a start that is no date or time") from None


def _listed(text: str, tz: tzinfo | None, frame: _Frame) -> datetime:
    """One start. A date among times means that day's occurrence, at the series' time of day; ValueError if it is neither."""
    stamp = _STAMP.fullmatch(text)
    if stamp is None:
        raise ValueError(text)
    day = datetime.strptime(stamp["day"], "%Y%m%d")
    if frame.all_day or stamp["clock"] is None:
        return datetime.combine(day, frame.start.time())
    written = datetime.combine(day, datetime.strptime(stamp["clock"], "%H%M%S").time())
    placed = written.replace(tzinfo=UTC if stamp["utc"] else tz)
    if placed.tzinfo is None or frame.zone is None:
        # A floating series has no zone to convert to, and its own starts name none.
        return written
    return _wall_clock(placed, ZoneInfo(frame.zone)).replace(fold=0)


# --- reading loose JSON -----------------------------------------------------------------------------------------------


def _parsed(text: object) -> datetime | None:
    """An RFC 3339 time, or a local one; None for anything else, and for days and years that do not exist."""
    if not isinstance(text, str) or not _TIME.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text.upper())
    except ValueError:
        return None


def moment(text: object) -> datetime | None:
    """An RFC 3339 instant, in UTC."""
    parsed = _parsed(text)
    if parsed is not None and parsed.tzinfo is UTC:
        return parsed
    try:
        return parsed.astimezone(UTC) if parsed and parsed.tzinfo else None
    except OverflowError:
        return None


def usable_zone(value: object) -> str | None:
    """The name of a zone, if it is one that times can be said in."""
    name = legible(value)
    return name if name and _tz(name) else None


def legible(value: object, limit: int | None = None) -> str | None:
    """Text worth keeping: no control characters, cut at `limit` characters, not empty."""
    if not isinstance(value, str):
        return None
    # Nearly all of it is printable, and that is found out faster than what to take away.
    return (value[:limit] if value.isprintable() else wording.clean(value, limit)) or None
