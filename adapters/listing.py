"""What a complete listing of a calendar held, as `calendar.listed` events.

What must stay true: an id that the provider listed stands in every event whose stretch of time it may lie in. Naming one too often
costs nothing; leaving one out would delete a meeting. Pure.

An event of the log is at most 256 KiB, which a calendar's ids easily are not: so the whole time is cut into stretches, each told with
the ids that may lie in it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, NamedTuple

import msgspec

from adapters import wording
from domain import recurrence
from domain.source_events import MeetingData, SourceEvent

# What leaves room for the envelope, and for ids that lie in several stretches.
MOST_BYTES = 120_000
# A local time is within a day of the same time in UTC.
_MARGIN = 86_400_000
_EPOCH, _MILLISECOND = datetime(1970, 1, 1), timedelta(milliseconds=1)
_BEFORE, _AFTER = -(10**15), 10**15


class Held(NamedTuple):
    """An id that was listed, and between which times (ms) what it names can lie."""

    id: str
    low: int = _BEFORE
    high: int = _AFTER


class Listing(NamedTuple):
    """Of whose calendar: `calendar` as its events say it, `source` their source. `span`: what time was listed, [from, to). `at`: when
    the listing began (ms). `name` tells it from any other listing of this mailbox."""

    provider: str
    account: str
    user: str
    calendar: str | None
    source: str
    span: tuple[datetime, datetime]
    at: int
    name: str


def held_by(events: Iterable[Mapping[str, Any]]) -> dict[str, Held]:
    """Where the meetings of these source events lie, by id. A series, and what has no time, may lie anywhere."""
    return {event["subject"]: _held(event["subject"], event["data"]) for event in events}


def held_by_read(events: Iterable[SourceEvent]) -> dict[str, Held]:
    """As `held_by`, of events as `source_events.read` gives them."""
    return {event.subject: _held_of(event.subject, event.data) for event in events}


def _held(id: str, data: Mapping[str, Any]) -> Held:
    if data.get("start") is None or data["recurrenceRules"] or data["addedStarts"]:
        return Held(id)
    return _once(id, datetime.fromisoformat(data["start"]), data["duration"])


def _held_of(id: str, data: Any) -> Held:
    if not isinstance(data, MeetingData) or data.recurrence_rules or data.added_starts:
        return Held(id)
    return _once(id, data.start, data.duration)


def _once(id: str, start: datetime, duration: str) -> Held:
    length = recurrence.duration(duration)
    begins = (start - _EPOCH) // _MILLISECOND
    lasts = (length.days * 86_400 + length.seconds) * 1000 if length else 0
    return Held(id, begins - _MARGIN, begins + lasts + _MARGIN)


def events(listing: Listing, held: Iterable[Held]) -> list[dict[str, Any]]:
    """`calendar.listed` for each stretch of the time that was listed; one, if its ids fit. None at all if they fit nowhere: then
    nobody can say what is gone.

    >>> span = (datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC))
    >>> said = events(Listing("google", "62515", "501", "ana@acme.example", "/calendars/ana", span, 0, "n1"), [Held("b"), Held("a")])
    >>> [(e["id"], e["data"]["ids"], e["data"]["from"]) for e in said]
    [('google:501:listed:n1', ['a', 'b'], '2026-01-01T00:00:00.000Z')]
    """
    parts = _parts(sorted(held), tuple(_ms(edge) for edge in listing.span))
    return [_event(listing, part, f":{number}" if len(parts) > 1 else "") for number, part in enumerate(parts, 1)]


class _Part(NamedTuple):
    """The ids that may lie in [low, high)."""

    ids: list[str]
    low: int
    high: int


def _parts(held: Sequence[Held], span: tuple[int, ...]) -> list[_Part]:
    low, high = span
    if _size(held) <= MOST_BYTES:
        return [_Part([one.id for one in held], low, high)]
    edges = [low, *_edges(held, low, high), high]
    parts = [_Part([one.id for one in held if one.low < until and one.high > since], since, until) for since, until in pairwise(edges)]
    return parts if all(sum(map(_bytes, part.ids)) <= 2 * MOST_BYTES for part in parts) else []


def _edges(held: Sequence[Held], low: int, high: int) -> Iterator[int]:
    """Times between which not too much begins."""
    size, edge = 0, low
    for one in sorted(held, key=lambda one: one.low):
        if one.low <= low:
            continue
        size += _bytes(one.id)
        if size > MOST_BYTES // 4 and edge < one.low < high:
            size, edge = 0, one.low
            yield edge


def _size(held: Iterable[Held]) -> int:
    return sum(_bytes(one.id) for one in held)


def _bytes(id: str) -> int:
    """What an id takes in JSON, with its quotes and its comma."""
    return len(msgspec.json.encode(id)) + 1


def _ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def _instant(ms: int) -> str:
    return wording.instant(datetime.fromtimestamp(ms / 1000, UTC))


def _event(listing: Listing, part: _Part, suffix: str) -> dict[str, Any]:
    provenance = {"provider": listing.provider, "user": listing.user, "calendar": listing.calendar}
    return wording.envelope(
        "calendar.listed",
        id=f"{listing.provider}:{listing.user}:listed:{listing.name}{suffix}",
        source=listing.source,
        subject=listing.calendar or "primary",
        time=_instant(listing.at),
        account=listing.account,
        data={"provenance": provenance, "ids": part.ids, "complete": True, "from": _instant(part.low), "to": _instant(part.high)},
    )
