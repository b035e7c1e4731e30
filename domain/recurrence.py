"""Series laid out as occurrences, local times as instants. RFC 5545 through python-dateutil and zoneinfo; no calendar of our own.

What must stay true:
- a series keeps its wall-clock time: the rule runs on local times, and only its results become instants;
- in a daylight-saving gap a local time is read by the offset before it, in a fold it is the first (RFC 5545 3.3.5);
- days and weeks of a duration are nominal, hours, minutes and seconds exact;
- the first start is an occurrence unless excluded, and counts for COUNT; an added start before the first start or
  after UNTIL is none;
- no input makes this loop for ever: what repeats more often than hourly, or never, is refused beforehand, and a layout
  ends at `MOST` occurrences.

Instants are milliseconds since 1970 in UTC. A floating time is read as UTC; a date is its midnight in UTC.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from itertools import islice
from typing import NamedTuple
from zoneinfo import ZoneInfo

from dateutil.rrule import rrulestr

MOST = 10_000
"""No series is laid out as more occurrences than this at a time."""

OFTEN = 24
"""No rule makes more occurrences a day than this: what repeats more often than hourly is no meeting."""

_EPOCH = datetime(1970, 1, 1)
_EPOCH_UTC = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_DURATION = re.compile(r"P(?:(\d{1,5})W)?(?:(\d{1,6})D)?(?:T(?:(\d{1,7})H)?(?:(\d{1,8})M)?(?:(\d{1,9})(?:\.\d+)?S)?)?", re.ASCII)
_KEYS = frozenset("FREQ UNTIL COUNT INTERVAL BYSECOND BYMINUTE BYHOUR BYDAY BYMONTHDAY BYYEARDAY BYWEEKNO BYMONTH BYSETPOS WKST".split())
_TOO_OFTEN = ("SECONDLY", "MINUTELY")
_VALUE = re.compile(r"[A-Z0-9,+\-]+", re.ASCII)
_UNTIL = re.compile(r"\d{8}(T\d{6}Z?)?", re.ASCII)
_MOST_HOURLY = 100_000
# What the numbers of each list may be, sign apart (RFC 5545 3.3.10).
_RANGES = {
    "BYSECOND": (0, 60),
    "BYMINUTE": (0, 59),
    "BYHOUR": (0, 23),
    "BYMONTHDAY": (1, 31),
    "BYYEARDAY": (1, 366),
    "BYWEEKNO": (1, 53),
    "BYMONTH": (1, 12),
    "BYSETPOS": (1, 366),
}
# A year with leap days ahead and not far from the last one, so that a rule that never happens is seen to end.
_PROBE = datetime(9960, 1, 1, 9)


class Duration(NamedTuple):
    """`days` are nominal (the same wall-clock time that many days on), `seconds` exact."""

    days: int
    seconds: int


class Spec(NamedTuple):
    """The shape in time of a meeting. `start`, `excluded` and `added` are local in `zone` (None: floating or all-day)."""

    start: datetime
    zone: str | None
    length: Duration
    all_day: bool
    rules: tuple[str, ...] = ()
    excluded: tuple[datetime, ...] = ()
    added: tuple[datetime, ...] = ()


class Slot(NamedTuple):
    """One occurrence: its local start, and start and end as instants."""

    local: datetime
    start: int
    end: int


@lru_cache(maxsize=4096)
def duration(text: str) -> Duration | None:
    """An ISO 8601 duration of weeks, days, hours, minutes and seconds, or None if it is anything else.

    >>> duration("PT1H30M"), duration("P1W"), duration("-PT1H"), duration("P1M")
    (Duration(days=0, seconds=5400), Duration(days=7, seconds=0), None, None)
    """
    match = _DURATION.fullmatch(text)
    if match is None or text in ("P", "PT") or text.endswith("T"):
        return None
    weeks, days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return Duration(weeks * 7 + days, hours * 3600 + minutes * 60 + seconds)


def spec(
    start: datetime,
    zone: str | None,
    length: str,
    all_day: bool = False,
    rules: tuple[str, ...] = (),
    excluded: tuple[datetime, ...] = (),
    added: tuple[datetime, ...] = (),
) -> Spec:
    """A shape in time, from values that were examined before (`duration`, `why_not`)."""
    lasts = duration(length)
    if lasts is None:
        raise ValueError(f"not a duration: {length!r}")
    if (rules or added) and start.microsecond:
        start = start.replace(microsecond=0)  # a rule runs on whole seconds, and its first start is one of its occurrences
    return Spec(start, None if all_day else zone, lasts, all_day, rules, excluded, added)


@lru_cache(maxsize=4096)
def why_not(rule: str) -> str | None:
    """Why this text is no RRULE value we carry, or None if it is one.

    >>> why_not("FREQ=WEEKLY;COUNT=4") is None, why_not("every Monday")
    (True, "not an RRULE: 'every Monday' is not NAME=value")
    """
    parts = _parts(rule)
    if isinstance(parts, str):
        return f"not an RRULE: {parts}"
    if parts["FREQ"] in _TOO_OFTEN or _a_day(parts) > OFTEN:
        return "repeats more often than any meeting: at most hourly"
    if parts["FREQ"] == "HOURLY" and int(parts.get("COUNT", "0")) > _MOST_HOURLY:
        return f"COUNT={parts['COUNT']} hours are more than any series"
    if "COUNT" in parts and "UNTIL" in parts:
        return "not an RRULE: both COUNT and UNTIL"
    if "UNTIL" in parts and _until(parts["UNTIL"], None) is None:
        return f"not an RRULE: UNTIL={parts['UNTIL'][:40]} is no date"
    try:
        probe = rrulestr(_text({k: v for k, v in parts.items() if k not in ("COUNT", "UNTIL", "INTERVAL")}), dtstart=_PROBE)
        if next(iter(probe), None) is None:
            return "this rule never happens"
    except (ValueError, TypeError, OverflowError, KeyError, IndexError, AttributeError) as error:
        return f"not an RRULE: {error}"
    return None


def _a_day(parts: dict[str, str]) -> int:
    """How many occurrences a day a rule can make at most."""
    hours = len(parts["BYHOUR"].split(",")) if "BYHOUR" in parts else (24 if parts["FREQ"] == "HOURLY" else 1)
    minutes, seconds = (len(parts[name].split(",")) if name in parts else 1 for name in ("BYMINUTE", "BYSECOND"))
    return hours * minutes * seconds


def _parts(rule: str) -> dict[str, str] | str:
    """NAME -> value, upper case, or what is wrong."""
    if len(rule) > 2000:
        return "longer than 2,000 characters"
    parts: dict[str, str] = {}
    for piece in rule.strip().rstrip(";").split(";"):
        name, equals, value = piece.partition("=")
        name = name.strip().upper()
        if not equals or not value:
            return f"{piece[:40]!r} is not NAME=value"
        if name not in _KEYS or name in parts:
            return f"{name[:40]!r} is {'repeated' if name in parts else 'unknown'}"
        parts[name] = value.strip().upper()
        if not _VALUE.fullmatch(parts[name]):
            return f"{name}={value[:40]!r} is no value"
        if name in _RANGES and not _in_range(parts[name], *_RANGES[name]):
            return f"{name}={value[:40]} is out of range"
    if "FREQ" not in parts:
        return "FREQ is missing"
    for name in ("COUNT", "INTERVAL"):
        if name in parts and not (parts[name].isascii() and parts[name].isdigit() and 0 < int(parts[name]) < 10**9):
            return f"{name}={parts[name][:40]} is no positive number"
    return parts


def _in_range(text: str, low: int, high: int) -> bool:
    numbers = text.split(",")
    return all(n.lstrip("+-").isdigit() and low <= int(n.lstrip("+-")) <= high for n in numbers)


def _text(parts: dict[str, str]) -> str:
    return ";".join(f"{name}={value}" for name, value in parts.items())


def _until(text: str, zone: str | None) -> datetime | None:
    """UNTIL as a local time: UTC is converted, a date is the end of its day, a local time stays."""
    if not _UNTIL.fullmatch(text):
        return None
    for form in ("%Y%m%dT%H%M%SZ", "%Y%m%dT%H%M%S", "%Y%m%d"):
        try:
            moment = datetime.strptime(text, form)
        except ValueError:
            continue
        if form.endswith("Z") and zone is not None:
            try:
                return moment.replace(tzinfo=UTC).astimezone(_zone(zone)).replace(tzinfo=None)
            except OverflowError:  # the very first and last days of the calendar: no offset leads out of it
                return moment
        return moment.replace(hour=23, minute=59, second=59) if form == "%Y%m%d" else moment
    return None


@lru_cache(maxsize=1024)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


@lru_cache(maxsize=65536)
def instant(local: datetime, zone: str | None) -> int:
    """The instant of a local time, in milliseconds since 1970 UTC; floating (None) is read as UTC.

    >>> instant(datetime(2026, 3, 29, 2, 30), "Europe/Paris") == instant(datetime(2026, 3, 29, 3, 30), "Europe/Paris")
    True
    """
    at = (local - _EPOCH) // _MILLISECOND
    if zone is None or zone == "UTC":
        return at
    try:
        offset = local.replace(tzinfo=_zone(zone)).utcoffset()
    except OverflowError:  # the very first and last days of the calendar
        offset = None
    return at - offset // _MILLISECOND if offset else at


def moment(at: int) -> datetime:
    """The aware UTC datetime of an instant."""
    return (_EPOCH + timedelta(milliseconds=at)).replace(tzinfo=UTC)


def millis(at: datetime) -> int:
    """The instant of an aware datetime."""
    return (at - _EPOCH_UTC) // _MILLISECOND


def slot(shape: Spec, local: datetime) -> Slot:
    """The occurrence of this shape that starts at `local`."""
    start = instant(local, shape.zone)
    if not shape.length.days:
        return Slot(local, start, start + shape.length.seconds * 1000)
    try:
        later = local + timedelta(days=shape.length.days)
    except OverflowError:
        later = datetime.max
    return Slot(local, start, instant(later, shape.zone) + shape.length.seconds * 1000)


def starts(shape: Spec, since: datetime | int, until: datetime | int) -> list[Slot]:
    """The occurrences that start in [since, until), soonest first, at most `MOST`. A meeting without rule and added
    start has one, wherever it is."""
    if not shape.rules and not shape.added:
        return [slot(shape, shape.start)] if shape.start not in shape.excluded else []
    low = since if isinstance(since, int) else millis(since)
    high = until if isinstance(until, int) else millis(until)
    return list(_laid_out(shape, low, high))


@lru_cache(maxsize=2048)
def _laid_out(shape: Spec, low: int, high: int) -> tuple[Slot, ...]:
    # Two days on each side cover every zone's offset; the exact instants are compared below.
    first, last = _clamped(low - 86_400_000 * 2), _clamped(high + 86_400_000 * 2)
    found = {local for rule in shape.rules for local in _by_rule(shape, rule, first, last)}
    found.add(shape.start)
    end = _last_until(shape)
    found.update(a for a in shape.added if a >= shape.start and (end is None or instant(a, shape.zone) <= end))
    found.difference_update(shape.excluded)
    # Two local times may be one instant (in a gap, or on a day that a zone skipped): that is one occurrence, the first.
    slots: dict[int, Slot] = {}
    for local in sorted(found):
        at = slot(shape, local)
        if low <= at.start < high:
            slots.setdefault(at.start, at)
    return tuple(islice((slots[start] for start in sorted(slots)), MOST))


class _Rule(NamedTuple):
    """A rule on local times, with its COUNT and its UNTIL as an instant."""

    parts: dict[str, str]
    most: int | None
    until: int | None


def _by_rule(shape: Spec, rule: str, first: datetime, last: datetime) -> list[datetime]:
    made = _rule(shape.zone, rule)
    begin = shape.start if made.most is not None else _skipped(made.parts, shape.start, first)
    try:
        generated: Iterator[datetime] = iter(rrulestr(_text(made.parts), dtstart=begin))
        if made.most is not None and next(iter(rrulestr(_text(made.parts), dtstart=begin)), None) != shape.start:
            # DTSTART counts as the first occurrence even where the rule would not make it (RFC 5545 3.3.10).
            generated = islice(generated, max(made.most - 1, 0))
    except ValueError:  # hours that this first start never reaches: the rule adds nothing to it
        return []
    found: list[datetime] = []
    for local in generated:
        if local > last or len(found) >= MOST:
            break
        if local >= first and (made.until is None or instant(local, shape.zone) <= made.until):
            found.append(local)
    return found


_STRIDES = {"HOURLY": timedelta(hours=1), "DAILY": timedelta(days=1), "WEEKLY": timedelta(weeks=1)}


def _skipped(parts: dict[str, str], start: datetime, first: datetime) -> datetime:
    """A first start nearer to the span, in step with the given one: a whole number of the rule's own intervals later."""
    stride = _STRIDES.get(parts["FREQ"])
    if stride is None or first - start < timedelta(days=400):
        return start
    stride *= int(parts.get("INTERVAL", "1"))
    return start + (first - timedelta(days=14) - start) // stride * stride


@lru_cache(maxsize=1024)
def _rule(zone: str | None, rule: str) -> _Rule:
    parts = _parts(rule)
    if isinstance(parts, str):
        raise ValueError(parts)
    count = int(parts["COUNT"]) if "COUNT" in parts else None
    until = _until_instant(parts, zone)
    if "UNTIL" in parts:
        # An instant is compared, not a local time: one may stand for two. A day more, and what is too late is left out.
        later = _clamped_local(_until(parts["UNTIL"], zone))
        parts["UNTIL"] = later.strftime("%Y%m%dT%H%M%S").rjust(15, "0")
    return _Rule(parts, count, until)


def _clamped_local(until: datetime | None) -> datetime:
    if until is None:
        raise ValueError("UNTIL")
    try:
        return until + timedelta(days=1)
    except OverflowError:
        return until


def _until_instant(parts: dict[str, str], zone: str | None) -> int | None:
    if "UNTIL" not in parts:
        return None
    if parts["UNTIL"].endswith("Z"):
        told = _until(parts["UNTIL"], None)
        return None if told is None else instant(told, None)
    local = _until(parts["UNTIL"], zone)
    return None if local is None else instant(local, zone)


def _last_until(shape: Spec) -> int | None:
    """The instant after which no rule makes anything, None if one goes on for ever."""
    ends = [_rule(shape.zone, rule).until for rule in shape.rules]
    known = [end for end in ends if end is not None]
    return max(known) if known and len(known) == len(ends) else None


def _clamped(at: int) -> datetime:
    try:
        return _EPOCH + timedelta(milliseconds=at)
    except OverflowError:
        return datetime.max if at > 0 else datetime.min


def makes(shape: Spec, at: int) -> bool:
    """Does this series make an occurrence that starts at the instant `at`?"""
    return any(s.start == at for s in starts(shape, at, at + 1))
