"""What a complete listing of a calendar says about what it does not hold (rules calendar-deletes, mass-delete)."""

from __future__ import annotations

from collections.abc import Iterable

from domain.copies import occurs
from domain.events import Content, Sighting
from domain.meeting import Meeting
from domain.sighting import last

Span = tuple[int, int]


def missing_from(
    meetings: Iterable[Meeting], prefix: str, listed: frozenset[str], span: Span, at: int
) -> tuple[list[tuple[Meeting, str]], int]:
    """The copies (meeting, copy key) of a mailbox that were deleted, for a listing of `listed` ids made at `at` (ms), and how
    many living copies of that mailbox are known. `prefix` is what the mailbox's copy keys begin with.

    An occurrence is missed only where its series is not known: that it is not listed may mean that it is as its series again.
    """
    gone: list[tuple[Meeting, str]] = []
    living = 0
    for meeting in meetings:
        for key, copy in meeting.copies.items():
            if not key.startswith(prefix) or _of_known_series(copy, meeting) or last(copy).state == "deleted":
                continue
            content = _known(copy)
            if content is None:
                continue
            living += 1
            if copy.id not in listed and last(copy).updated <= at and occurs(content, span):
                gone.append((meeting, key))
    return gone, living


def _of_known_series(copy: Sighting, meeting: Meeting) -> bool:
    return copy.original is not None and any(o.id == copy.series and o.user == copy.user for o in meeting.copies.values())


def _known(copy: Sighting) -> Content | None:
    return next((r.content for r in reversed(copy.revisions) if r.content is not None), None)
