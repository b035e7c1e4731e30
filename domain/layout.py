"""A meeting as its timelines show it, laid out as occurrences in a span of time.

What must stay true: an occurrence keeps its name (its original start) when it moves; what is past stays as it was when its
series is cancelled or changed, and a changed series invents no past it did not have.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from msgspec.structs import replace

from domain import recurrence
from domain.events import Content, Exception_, Former, Part, Shown, View
from domain.recurrence import Slot, Spec


class Laid(NamedTuple):
    """One occurrence: its name (original start, ms), where it is now, what is shown of it."""

    original: int
    slot: Slot
    shown: Shown


def shape(part: Part | Former) -> Spec:
    """The shape in time of a part."""
    shown = part.shown
    return recurrence.spec(shown.start, shown.time_zone, shown.duration, shown.all_day, part.rules, part.excluded, part.added)


def is_series(part: Part | Former) -> bool:
    """Does it have more occurrences than its first?"""
    return bool(part.rules or part.added)


def made_single(parts: Sequence[Part]) -> int | None:
    """The start by which a series that was made a single meeting is named, None of any other. What is told of an occurrence there
    says no more than that the series is gone: whether the meeting is on, its own copy says."""
    part = parts[0] if len(parts) == 1 else None
    return None if part is None or part.since is None or is_series(part) else part.first


def own_slot(said: Shown | Content) -> Slot:
    """Where a single meeting or an exception is."""
    return recurrence.slot(recurrence.spec(said.start, said.time_zone, said.duration, said.all_day), said.start)


def when(said: Shown | Content) -> tuple[int, int, bool]:
    """A time to compare, start and end in ms: instants, so that one zone's words equal another's."""
    at = own_slot(said)
    return (at.start, at.end, said.all_day)


def begins(said: Shown | Content) -> tuple[int, bool]:
    """The same of when it begins alone."""
    return (own_slot(said).start, said.all_day)


def lasts(said: Shown | Content) -> int:
    """How long it takes, in ms."""
    at = own_slot(said)
    return at.end - at.start


def laid_out(view: View, low: int, high: int) -> list[Laid]:
    """The occurrences of a meeting, soonest first: of a series those that start in [low, high) ms, of a single meeting its one."""
    found: dict[int, Laid] = {}
    for part in view.parts:
        for laid in _of_part(part, low, high):
            found[laid.original] = laid
    for exception in view.exceptions:
        _except(found, exception, view, low, high)
    return sorted(found.values(), key=lambda laid: (laid.slot.start, laid.original))


def _of_part(part: Part, low: int, high: int) -> list[Laid]:
    past = {laid.original: laid for former in part.formers for laid in _of_former(former, low, high)}
    if not is_series(part):
        if part.shown.start not in part.excluded:
            at = own_slot(part.shown)
            name = part.first if part.first is not None else at.start
            past[name] = Laid(name, at, _as_of_cancel(part, part.shown, at, True))
        return list(past.values())
    now = recurrence.starts(shape(part), low, high)
    for at in now:
        if part.since is not None and at.end <= part.since and at.start not in past:
            continue
        past[at.start] = Laid(at.start, at, _as_of_cancel(part, part.shown, at, False))
    return list(past.values())


def _of_former(former: Former, low: int, high: int) -> list[Laid]:
    return [
        Laid(at.start, at, former.shown)
        for at in recurrence.starts(shape(former), low, high)
        if at.end <= former.until and (former.since is None or at.end > former.since)
    ]


def _as_of_cancel(part: Part, shown: Shown, at: Slot, single: bool) -> Shown:
    """Cancelled from some time on: what had ended by then stays as it was, unless it is the whole meeting."""
    if part.cancelled_from is None or (not single and at.end <= part.cancelled_from):
        return shown
    return replace(shown, status="cancelled")


def _except(found: dict[int, Laid], exception: Exception_, view: View, low: int, high: int) -> None:
    base = found.get(exception.original)
    if exception.gone:
        found.pop(exception.original, None)
        return
    part, made = _part_making(view, exception.original)
    cancelled = exception.cancelled and not _left_with_its_series(exception, view, part, made, base)
    if part is None or not is_series(part):
        made = base is not None
    # Of the past that stays, what was cancelled in its place stays in it; what was moved is judged by where it went.
    made = made or (base is not None and exception.shown is None)
    shown = exception.shown or (base.shown if base else None)
    if shown is None or (not made and not exception.loose and not _stays(exception, shown, part)):
        if exception.shown is not None:
            found.pop(exception.original, None)  # it was moved out of the past that stays
        return
    at = own_slot(shown) if exception.shown else (base.slot if base else own_slot(shown))
    if not low <= at.start < high and not low <= exception.original < high and view.parts:
        return
    cancelled = cancelled or (part is not None and part.cancelled_from is not None and at.end > part.cancelled_from)
    found[exception.original] = Laid(exception.original, at, replace(shown, status="cancelled") if cancelled else shown)


def _part_making(view: View, original: int) -> tuple[Part | None, bool]:
    """The part of a series that makes this start, or else the first, and whether it does."""
    for part in view.parts:
        if is_series(part) and recurrence.makes(shape(part), original):
            return part, True
    return (view.parts[0] if view.parts else None), False


def _left_with_its_series(exception: Exception_, view: View, part: Part | None, made: bool, base: Laid | None) -> bool:
    """Was it past when its series ceased to make it, and called off by that alone? A provider removes the occurrences that a changed
    or deleted series has no more, also those at which people did meet; what nobody could call off any more, nobody has."""
    ended = None if part is None else _ceased(view, part, made, exception.original)
    if ended is None or exception.updated < ended:
        return False
    at = own_slot(exception.shown) if exception.shown is not None else (base.slot if base is not None else None)
    return at is not None and at.end <= ended


def _ceased(view: View, part: Part, made: bool, original: int) -> int | None:
    """When its series ceased to make this occurrence, in ms; None if it makes it still (`made`), or never did as far as is known."""
    if made:
        return part.cancelled_from
    if original == part.first:
        return None
    ends = [f.until for p in view.parts for f in p.formers if recurrence.makes(shape(f), original)]
    return max(ends, default=part.since)


def _stays(exception: Exception_, shown: Shown, part: Part | None) -> bool:
    """An exception that no part makes any more: it stays if it was past, or if the side told it after the series' change and did not call
    it off. A side that cuts a series short calls off, then or later, the exceptions behind the cut: they left with the others there, and
    their cancellation puts none of them back."""
    if part is None or part.since is None:
        return not exception.cancelled
    was_past = exception.shown is not None and own_slot(shown).end <= part.since
    return was_past or (not exception.cancelled and exception.updated >= part.since)
