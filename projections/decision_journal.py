"""The decision journal: which rules settled each source event, for explaining any entry and any absence.

What must stay true: each source event's decisions stand here once, at their record's position, and say nothing of a person but
his key.
"""

from __future__ import annotations

from typing import ClassVar

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from domain.decisions import Decision
from domain.events import Event, SourceEventDecided
from projections.views import DecisionRow, stamp

_encode = msgspec.json.Encoder().encode


class Body(Struct, rename="camel"):
    """The decisions about one source event, as readers get them. `time` is the side's, `recordedAt` ours; `position` is the
    place of this record in the domain log."""

    event: str
    source: str
    kind: str
    subject: str
    time: str
    recorded_at: str
    meeting: str | None
    position: int
    decisions: tuple[Decision, ...]


class Decided(Event, frozen=True, kw_only=True):
    """What the read models need of a `SourceEventDecided`: the decisions themselves stand in it as they were recorded."""

    NAME: ClassVar[str] = SourceEventDecided.NAME

    source: str
    kind: str
    subject: str
    meeting: str | None = None
    decisions: Raw = Raw(b"[]")


class _Body(Struct, rename="camel", gc=False):
    """A `Body` with decisions that are JSON already."""

    event: str
    source: str
    kind: str
    subject: str
    time: str
    recorded_at: str
    meeting: str | None
    position: int
    decisions: Raw


def row(event: Decided, position: int) -> DecisionRow:
    """The journal's row of a decided source event; `position` is its record's."""
    cause, subject, recorded_at = event.cause, event.subject, event.recorded_at
    meeting = canonical(event.meeting) if event.meeting else None
    said = _Body(cause, event.source, event.kind, subject, stamp(event.at), stamp(recorded_at), meeting, position, event.decisions)
    return DecisionRow(event.account, position, cause, subject, meeting, recorded_at, _encode(said))


_decoder = msgspec.json.Decoder(Body)


def without_values(row: DecisionRow) -> DecisionRow | None:
    """The row without the values that its decisions kept of a meeting; None if they kept none."""
    if b'"lost"' not in row.body:
        return None
    body = _decoder.decode(row.body)
    decisions = tuple(replace(d, note={k: v for k, v in d.note.items() if k != "lost"} or None) if d.note else d for d in body.decisions)
    return row._replace(body=_encode(replace(body, decisions=decisions)))


def canonical(meeting: str) -> str:
    """A meeting's id as text with hyphens, also when an event has it without.

    >>> canonical("0b0e6a5c8d7f4e21a1b2c3d4e5f60718")
    '0b0e6a5c-8d7f-4e21-a1b2-c3d4e5f60718'
    """
    if len(meeting) != 32:
        return meeting
    return f"{meeting[:8]}-{meeting[8:12]}-{meeting[12:16]}-{meeting[16:20]}-{meeting[20:]}"
