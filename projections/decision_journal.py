"""The decision journal: which rules settled each source event, for explaining any entry and any absence.

What must stay true: each source event's decisions stand here once, at their record's position, and say nothing of a person but
his key.
"""

from __future__ import annotations

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from domain.decisions import Decision
from domain.events import SourceEventDecided
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


def row(event: SourceEventDecided, position: int) -> DecisionRow:
    """The journal's row of a decided source event; `position` is its record's."""
    meeting = canonical(event.meeting) if event.meeting else None
    body = Body(
        event.cause,
        event.source,
        event.kind,
        event.subject,
        stamp(event.at),
        stamp(event.recorded_at),
        meeting,
        position,
        event.decisions,
    )
    return DecisionRow(event.account, position, event.cause, event.subject, meeting, event.recorded_at, _encode(body))


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
