"""HubSpot's values, read: it answers with strings, exports with blanks and numbers, and writes one time in five ways.

Pure. What must stay true: whatever JSON a value is, these answer None rather than raise, and a blank is no value.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

from adapters import wording

# No id of HubSpot's is near this; a longer one would not fit into the ids of source events.
MAX_ID = 200
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECONDS = re.compile(r"-?\d{1,16}")
_DATE_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)(?:[T ](\d{1,2}):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?)? ?(Z|UTC|[+-]\d\d:?\d\d)?", re.IGNORECASE | re.ASCII
)


def text(value: object, limit: int | None = wording.MAX_NAME) -> str | None:
    """A value as clean text, None if it is blank or no text. A property may stand as `{"value": ...}`, a number as itself.

    >>> text(" Room 4"), text("  "), text(42), text({"value": "x"}), text(True)
    (' Room 4', None, '42', 'x', None)
    """
    if isinstance(value, dict):
        value = value.get("value")
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    # Larger integers are no value of HubSpot's, and Python refuses to write the largest.
    if isinstance(value, float) or (isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**18):
        value = str(value)
    cleaned = wording.clean(value, limit)
    return cleaned if cleaned and not cleaned.isspace() else None


def identifier(value: object) -> str | None:
    """An object's id as text, trimmed; None if there is none that could stand in an event's id.

    >>> identifier(9001), identifier(" 9001 "), identifier("x" * 300)
    ('9001', '9001', None)
    """
    found = (text(value, None) or "").strip()
    return found if 0 < len(found) <= MAX_ID else None


def flag(value: object) -> bool:
    """Is this a yes: JSON's true, or the word as exports write it?"""
    return value is True or (text(value) or "").strip().lower() == "true"


def moment(value: object) -> datetime | None:
    """A time in UTC from milliseconds since 1970 (number or text) or from ISO 8601, where no zone means UTC.

    >>> moment("2019-09-26 13:00:00.5") == moment("2019-09-26T15:00:00.500+02:00") == moment(1569502800500)
    True
    >>> moment("soon") is None
    True
    """
    written = (text(value) or "").strip()
    try:
        if _MILLISECONDS.fullmatch(written):
            return _EPOCH + timedelta(milliseconds=int(written))
        found = _DATE_TIME.fullmatch(written)
        return _date_time(found) if found else None
    except (ValueError, OverflowError):
        return None


def _date_time(found: re.Match[str]) -> datetime:
    year, month, day, hour, minute, second = (int(found[n] or 0) for n in range(1, 7))
    microsecond = int((found[7] or "0").ljust(6, "0")[:6])
    return datetime(year, month, day, hour, minute, second, microsecond, tzinfo=_zone(found[8])).astimezone(UTC)


def _zone(written: str | None) -> timezone:
    if written is None or written[0] not in "+-":
        return UTC
    offset = timedelta(hours=int(written[1:3]), minutes=int(written[-2:]))
    return timezone(-offset if written[0] == "-" else offset)
