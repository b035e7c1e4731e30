"""What a complete listing of a calendar says about what it does not hold (rules calendar-deletes, mass-delete)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from domain import recurrence
from domain.events import Content, Sighting
from domain.meeting import Meeting
from domain.recurrence import millis
from domain.sighting import last

Span = tuple[int, int]


def missing_from(
    meetings: Iterable[Meeting], prefix: str, listed: frozenset[str], span: Span, at: int
) -> tuple[list[tuple[Meeting, str]], int]:
    """The copies (meeting, copy key) of a mailbox that were deleted, for a listing of `listed` ids made at `at` (ms), and how
    many living copies of that mailbox are known. `prefix` is what the mailbox's copy keys begin with.

    Only copies of a whole meeting are missed: that an exception is not listed may mean that it is as its series again.
    """
    gone: list[tuple[Meeting, str]] = []
    living = 0
    for meeting in meetings:
        for key, copy in meeting.copies.items():
            if not key.startswith(prefix) or copy.original is not None or last(copy).state == "deleted":
                continue
            content = _known(copy)
            if content is None:
                continue
            living += 1
            if copy.id not in listed and last(copy).updated <= at and _occurs(content, span):
                gone.append((meeting, key))
    return gone, living


def outside_window(meeting: Meeting, seen: Sighting, window: tuple[datetime | None, datetime | None]) -> bool:
    """Is the last known time of this copy outside the window of the round that reports it removed? Then the report says
    nothing: providers report as removed what only left the window."""
    since, until = window
    if since is None or until is None:
        return False
    copy = meeting.copies.get(seen.key)
    content = _known(copy) if copy is not None else None
    return content is not None and not _occurs(content, (millis(since), millis(until)))


def _known(copy: Sighting) -> Content | None:
    return next((r.content for r in reversed(copy.revisions) if r.content is not None), None)


def _occurs(content: Content, span: Span) -> bool:
    """Has it an occurrence that overlaps [from, to)?"""
    shape = recurrence.spec(
        content.start, content.time_zone, content.duration, content.all_day, content.rules, content.excluded, content.added
    )
    low, high = span
    first = recurrence.slot(shape, shape.start)
    length = max(first.end - first.start, 1)
    return any(s.start < high and max(s.end, s.start + 1) > low for s in recurrence.starts(shape, low - length, high))
