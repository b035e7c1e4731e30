"""Times as Graph writes and reads them: `dateTimeTimeZone` with seven fractional digits and no offset, and plain UTC instants.

What must stay true: inside the simulator an instant is an aware datetime in UTC, and a zone is the name it was given by.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, NamedTuple

from services.sandbox import office365_zones as zones
from services.sandbox.office365_errors import Refusal, invalid

Json = dict[str, Any]

NEVER = "0001-01-01T00:00:00Z"
"""How Graph writes a time that is not."""

YEARS = range(1602, 4500)
"""Exchange's times begin with 1601 and end in 4500; the years at either end are left out for the zones' sake."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Point(NamedTuple):
    """A `dateTimeTimeZone`: its instant, and the zone by the name it was given."""

    at: datetime
    zone: str

    @property
    def local(self) -> datetime:
        """What a clock in its zone shows, without zone."""
        return local(self.at, self.zone)


def zone_of(name: object) -> tzinfo:
    """The zone of this name. Raises `Refusal`."""
    found = zones.find(name) if isinstance(name, str) else None
    if found is None:
        raise Refusal(
            400, "TimeZoneNotSupportedException", f"A valid TimeZone value must be specified. The following TimeZone value {name!r}"
        )
    return found


def local(at: datetime, zone: str) -> datetime:
    """What a clock in this zone shows at an instant."""
    return at.astimezone(zone_of(zone)).replace(tzinfo=None)


def instant(naive: datetime, zone: str) -> datetime:
    """When a clock in this zone shows that. Of two such moments the first; one in a gap by the offset before it."""
    return naive.replace(tzinfo=zone_of(zone), fold=0).astimezone(UTC)


def read_point(value: object, name: str) -> Point:
    """A `dateTimeTimeZone` as a client wrote it; without a zone it is UTC. Raises `Refusal`."""
    if not isinstance(value, dict):
        raise invalid(f"The property '{name}' is required when creating the entity.", "ErrorPropertyValidationFailure")
    zone = value.get("timeZone") or "UTC"
    at = parsed(value.get("dateTime"), name)
    return Point(at.astimezone(UTC) if at.tzinfo else instant(at, zone), zone)


def parsed(text: object, name: str) -> datetime:
    """An ISO date-time of the centuries that Exchange knows, with or without offset. Raises `Refusal`."""
    try:
        at = datetime.fromisoformat(text if isinstance(text, str) else "")
    except ValueError:
        at = datetime.min
    if at.year not in YEARS:
        raise invalid(f"The value '{text}' of parameter '{name}' is invalid.", "ErrorInvalidParameter")
    return at


def read_edge(text: str | None, name: str) -> datetime:
    """An edge of a window: without an offset it is UTC. Raises `Refusal`."""
    if not text:
        raise invalid(
            f"This request requires a time window specified by the query string parameters StartDateTime and EndDateTime: {name}.",
            "ErrorInvalidParameter",
        )
    # A plus sign that a client left unescaped arrives as a blank.
    at = parsed(text.strip().replace(" ", "+"), name)
    return at.astimezone(UTC) if at.tzinfo else at.replace(tzinfo=UTC)


def say_point(at: datetime, zone: str) -> Json:
    """An instant as a `dateTimeTimeZone` in this zone."""
    return {"dateTime": f"{local(at, zone):%Y-%m-%dT%H:%M:%S.%f}0", "timeZone": zone}


def say_instant(at: datetime) -> str:
    """An instant in UTC, as `createdDateTime` is written: seven digits, without those at the end that are nought."""
    digits = f"{at:%f}0".rstrip("0")
    return f"{at:%Y-%m-%dT%H:%M:%S}{'.' if digits else ''}{digits}Z"


def say_ms(ms: int) -> str:
    """The same for ms since 1970."""
    return say_instant(from_ms(ms))


def from_ms(ms: int) -> datetime:
    """Ms since 1970 as an instant."""
    return _EPOCH + timedelta(milliseconds=ms)


def to_ms(at: datetime) -> int:
    """An instant as ms since 1970."""
    return (at - _EPOCH) // timedelta(milliseconds=1)
