"""Build the read models anew beside the live ones, compare them row for row, switch in one step.

The live ones are folded to the same position first, so that the two must be equal; those that another version of this program left
are not read at all. The switch is one step: whoever asks after it is answered from the new set.
"""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING

from msgspec import Struct

from domain.errors import Conflict
from projections.views import OutOfDate, Rebuildable, Views

if TYPE_CHECKING:
    from services.project import Project
    from services.wiring import Installation, Shard


class Rebuilt(Struct, frozen=True):
    """`equal` if no row differs; `rows` how many there are; `different` the first rows that differ, for a person."""

    events: int
    rows: int
    equal: bool
    switched: bool
    different: list[str]
    sentence: str


def rebuild(parts: Installation, switch: bool = True, show: bool = False) -> Rebuilt:
    """Fold the domain log from its beginning into new read models. With `switch` they become the live ones. Of several stores one
    after the other, each in a step of its own."""
    if len(parts.shards) == 1:
        return _rebuild(parts.shards[0], switch, show)
    return _added_up([_rebuild(shard, switch, show) for shard in parts.shards])


def _added_up(each: list[Rebuilt]) -> Rebuilt:
    """What was said of each store, as one."""
    return Rebuilt(
        sum(one.events for one in each),
        sum(one.rows for one in each),
        all(one.equal for one in each),
        all(one.switched for one in each),
        [f"store {number}: {said}" for number, one in enumerate(each, 1) for said in one.different],
        "; ".join(f"store {number}: {one.sentence}" for number, one in enumerate(each, 1)),
    )


def _rebuild(parts: Shard, switch: bool, show: bool) -> Rebuilt:
    """Nothing of the new set is left where it did not become the live one."""
    live = _live(parts)
    while live is not None and live.step():
        pass
    beside = parts.views.beside()
    try:
        return _built(parts, live, beside, switch, show)
    except Conflict:
        raise  # another rebuild has begun, and what stands there is its
    except BaseException:
        parts.views.discard(beside)
        raise


def _built(parts: Shard, live: Project | None, beside: Rebuildable, switch: bool, show: bool) -> Rebuilt:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    anew = parts.project(beside)
    events = 0
    columns = (TextColumn("folding anew"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not show, transient=True) as progress:
        task = progress.add_task("", total=parts.domain_log.end())
        while moved := anew.step():
            events += moved
            progress.update(task, completed=beside.position())
    while live is not None and live.step():  # what was decided while we folded
        pass
    while moved := anew.step():
        events += moved
    if live is None:
        return _anew(parts, beside, events, switch)
    rows, different = compare(parts.views, beside)
    _end(parts, beside, switch)
    sentence = f"{rows:,} rows, equal to the live ones" if not different else f"{len(different)} or more of {rows:,} rows differ"
    if switch:
        sentence += "; the new ones are live"
    return Rebuilt(events, rows, not different, switch, different, sentence)


def _live(parts: Shard) -> Project | None:
    """What folds into the live read models; None if they are of another version of this program."""
    try:
        parts.views.position()
    except OutOfDate:
        return None
    return parts.project(parts.views)


def _anew(parts: Shard, beside: Rebuildable, events: int, switch: bool) -> Rebuilt:
    """The end of a rebuild that has nothing to compare with."""
    rows = sum(1 for _ in beside.rows())
    _end(parts, beside, switch)
    sentence = f"{rows:,} rows; the live ones are of another version and were not compared" + ("; the new ones are live" if switch else "")
    return Rebuilt(events, rows, True, switch, [], sentence)


def _end(parts: Shard, beside: Rebuildable, switch: bool) -> None:
    if switch:
        parts.views.become(beside)
    else:
        parts.views.discard(beside)


def compare(a: Views, b: Views, most: int = 10) -> tuple[int, list[str]]:
    """How many rows, and the first that differ."""
    rows, different = 0, []
    for one, other in zip_longest(a.rows(), b.rows()):
        rows += 1
        if one != other:
            different.append(f"live {one!r:.300} rebuilt {other!r:.300}")
            if len(different) >= most:
                break
    return rows, different
