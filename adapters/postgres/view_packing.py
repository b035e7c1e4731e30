"""Rows in PostgreSQL's binary COPY format, made by hand: they are most of what a fold writes, and one call packs a row.

What must stay true: columns are those of `COLUMNS`, in that order and of the types in `read_models.sql`.
"""

from __future__ import annotations

from collections.abc import Iterable
from struct import Struct

from adapters.postgres.columns import to_bytes
from projections.bodies import Common
from projections.views import DecisionRow

COLUMNS = {
    "versions": 'id, common, timeline, occurrence, start, "end", recorded_to, version',
    "commons": "id, account, first, last, position, recorded_from, meeting, series, status, times, people, title, about, frame",
    "leavings": "id, account, timeline, occurrence, position, meeting",
    "decisions": "account, position, recorded_at, event_mark, subject_mark, meeting_mark, event, subject, meeting, body",
}
_HEADER, _END = b"PGCOPY\n\xff\r\n\0" + bytes(8), b"\xff\xff"
_NONE = b"\xff\xff\xff\xff"

# Of every value first its length. `version` is the one of four bytes.
version = Struct(">h" + "iq" * 7 + "ii").pack
"""A version: 8, then 8 and a value seven times, then 4 and the last one."""
_common = Struct(">h" + "iq" * 6 + "i16si?").pack
_leaving = Struct(">h" + "iq" * 5 + "i16s").pack
_decision = Struct(">h" + "iq" * 5).pack
_length = Struct(">i").pack
_number = Struct(">iq").pack


def stream(rows: Iterable[bytes]) -> bytes:
    """The rows as COPY takes them."""
    return b"".join([_HEADER, *rows, _END])


def uuid(meeting: str) -> bytes:
    """The bytes of a meeting's id.

    >>> uuid("0b0e6a5c-8d7f-5e21-a1b2-c3d4e5f60718").hex()
    '0b0e6a5c8d7f5e21a1b2c3d4e5f60718'
    """
    return bytes.fromhex(meeting.replace("-", ""))


def common(id_: int, account: int, first: int, last: int, of: Common) -> bytes:
    """A common part with these ids, of an account's digest."""
    fixed = _common(
        *(14, 8, id_, 8, account, 8, first, 8, last, 8, of.position, 8, of.recorded_from),
        *(16, uuid(of.meeting), 1, of.series),
    )
    texts = of.status, of.times, " ".join(of.people), of.title, of.about, of.frame
    return fixed + b"".join([_value(text.encode()) for text in texts])


def leaving(id_: int, account: int, timeline: int, occurrence: int, position: int, meeting: str) -> bytes:
    """An entry that left."""
    return _leaving(6, 8, id_, 8, account, 8, timeline, 8, occurrence, 8, position, 16, uuid(meeting))


def decision(account: int, event_mark: int, subject_mark: int, meeting_mark: int | None, row: DecisionRow) -> bytes:
    """A decision, found by these marks."""
    _, position, event, subject, meeting, recorded_at, body = row
    marked = _NONE if meeting_mark is None else _number(8, meeting_mark)
    about = _NONE if meeting is None else _value(to_bytes(meeting))
    fixed = _decision(10, 8, account, 8, position, 8, recorded_at, 8, event_mark, 8, subject_mark)
    return b"".join((fixed, marked, _value(to_bytes(event)), _value(to_bytes(subject)), about, _value(body)))


def _value(raw: bytes) -> bytes:
    return _length(len(raw)) + raw
