"""What a complete listing of a calendar says about what it does not hold (rules calendar-deletes, mass-delete)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from domain.copies import is_in, outside
from domain.events import Content, Sighting
from domain.matching import Surroundings
from domain.meeting import Meeting
from domain.sighting import last

Span = tuple[int, int]


class Standing(NamedTuple):
    """A copy that may be lost, by its meeting and its key: what it says, when it was told last (ms), and whether somebody sees it."""

    meeting: Meeting
    key: str
    copy: Sighting
    content: Content
    updated: int
    seen: bool


class Missing(NamedTuple):
    """The copies (meeting, copy key) that a listing says were deleted: `gone` those whose loss somebody would see, `unseen` the
    others; and how many copies were known that somebody sees."""

    gone: list[tuple[Meeting, str]]
    unseen: list[tuple[Meeting, str]]
    known: int


def standing(meetings: Iterable[Meeting], prefix: str, around: Surroundings) -> list[Standing]:
    """The copies of a mailbox that a listing may miss. `prefix` is what their keys begin with.

    What is cancelled or deleted already cannot be lost, and of a meeting that is kept out of all timelines, or a copy that does
    not count, nobody sees the loss. An occurrence is missed only where its series is not known: that it is not listed may mean
    that it is as its series again.
    """
    found = []
    for meeting in meetings:
        for key, copy in meeting.copies.items():
            word = last(copy)
            if not key.startswith(prefix) or word.state in ("deleted", "cancelled") or _of_known_series(copy, meeting):
                continue
            content = word.content or _known(copy)
            if content is not None:
                seen = meeting.view is not None and outside(copy, tuple(meeting.copies.values()), around) is None
                found.append(Standing(meeting, key, copy, content, word.updated, seen))
    return found


def missing_from(copies: Sequence[Standing], listed: frozenset[str], span: Span, at: int) -> Missing:
    """What a listing of `listed` ids, made at `at` (ms), says of a mailbox's copies."""
    missing = Missing([], [], sum([one.seen for one in copies]))
    for meeting, key, copy, content, updated, seen in copies:
        if copy.id not in listed and updated <= at and is_in(copy, content, span, meeting.copies.values(), at):
            (missing.gone if seen else missing.unseen).append((meeting, key))
    return missing


def _of_known_series(copy: Sighting, meeting: Meeting) -> bool:
    return copy.original is not None and any(o.id == copy.series and o.user == copy.user for o in meeting.copies.values())


def _known(copy: Sighting) -> Content | None:
    return next((r.content for r in reversed(copy.revisions) if r.content is not None), None)
