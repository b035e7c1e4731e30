"""Build the read models anew beside the live ones, compare them row for row, switch in one step.

The live ones are folded to the same position first, so that the two must be equal. The switch is one rename; readers open the
new file with their next question.
"""

from __future__ import annotations

from itertools import zip_longest
from typing import TYPE_CHECKING

from msgspec import Struct

from projections.views import Views

if TYPE_CHECKING:
    from services.wiring import Installation


class Rebuilt(Struct, frozen=True):
    """`equal` if no row differs; `rows` how many there are; `different` the first rows that differ, for a person."""

    events: int
    rows: int
    equal: bool
    switched: bool
    different: list[str]
    sentence: str


def rebuild(parts: Installation, switch: bool = True, show: bool = False) -> Rebuilt:
    """Fold the domain log from its beginning into new read models. With `switch` they become the live ones."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    live = parts.project()
    while live.step():
        pass
    beside = parts.views_beside()
    anew = parts.project(beside)
    events = 0
    columns = (TextColumn("folding anew"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not show, transient=True) as progress:
        task = progress.add_task("", total=parts.views.position())
        while moved := anew.step():
            events += moved
            progress.update(task, completed=beside.position())
    while live.step():  # what was decided while we folded
        pass
    while moved := anew.step():
        events += moved
    rows, different = compare(parts.views, beside)
    if switch:
        parts.views.switch_to(parts.rebuilt_file, beside)
    else:
        beside.close()
    sentence = f"{rows:,} rows, equal to the live ones" if not different else f"{len(different)} or more of {rows:,} rows differ"
    if switch:
        sentence += "; the new ones are live"
    return Rebuilt(events, rows, not different, switch, different, sentence)


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
