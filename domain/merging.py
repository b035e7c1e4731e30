"""What stands when two sides say different things (rule three-way), field by field.

Left gives way to right where both moved. In words, for one field, with `agreed` the last value both sides had at once:

    left now    right now     stands
    = right     = left        that value
    moved       = agreed      left's
    = agreed    moved         right's
    moved       moved         right's, and left's is lost (it is kept in the decision)
    never agreed              right's

What must stay true: the answer follows from what both sides ever said, ordered by the sides' own times, and not from
the order in which it reached us. Which side is which is not known here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

_NEVER = object()

History = Sequence[tuple[int, Any]]
"""(time in ms, value) in the order of time."""


class Merged(NamedTuple):
    """The value that stands; whether it is left's; whether left's value was lost to right's; which side moved since both
    agreed."""

    value: Any
    from_left: bool
    lost: bool
    left_moved: bool
    right_moved: bool


def merge(left: History, right: History) -> Merged:
    """One field of two histories, neither of them empty.

    >>> merge([(1, "Room 4"), (3, "Room 9")], [(1, "Room 4"), (2, "Room 4")])
    Merged(value='Room 9', from_left=True, lost=False, left_moved=True, right_moved=False)
    >>> merge([(1, "A"), (3, "left")], [(1, "A"), (2, "right")])
    Merged(value='right', from_left=False, lost=True, left_moved=True, right_moved=True)
    """
    theirs, ours = left[-1][1], right[-1][1]
    if theirs == ours:
        return Merged(ours, False, False, False, False)
    agreed = last_agreed(left, right)
    if agreed is _NEVER:
        return Merged(ours, False, False, False, False)
    if ours == agreed:
        return Merged(theirs, True, False, True, False)
    moved = theirs != agreed
    return Merged(ours, False, moved, moved, True)


def last_agreed(left: History, right: History) -> Any:
    """The value at the last time at which both sides had the same, or a mark that there was none."""
    i = j = 0
    agreed: Any = _NEVER
    ours: Any = _NEVER
    theirs: Any = _NEVER
    while i < len(left) or j < len(right):
        take_left = j >= len(right) or (i < len(left) and left[i][0] < right[j][0])
        together = i < len(left) and j < len(right) and left[i][0] == right[j][0]
        if take_left or together:
            theirs, i = left[i][1], i + 1
        if not take_left:
            ours, j = right[j][1], j + 1
        if ours is not _NEVER and ours == theirs:
            agreed = ours
    return agreed
