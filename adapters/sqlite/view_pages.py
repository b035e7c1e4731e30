"""One page of a timeline: which entries are on it.

What must stay true: the order is by (start, name as text), although the index knows starts only: entries that start together are
fetched together, and put in order here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any

from adapters.sqlite.view_writer import FOREVER
from projections.bodies import Pieces, name
from projections.views import Page

Rows = Callable[[str, Sequence[Any]], list[Any]]
"""Asks the file: statement and parameters to rows."""
Said = Callable[[Iterable[int]], dict[int, Pieces]]
"""What is said by common parts, by their ids."""

_Row = tuple[int, int, int, int, int]
"""start, occurrence, end, version, common"""


class Paging:
    """A question for a page of the timeline of this id, in which the longest entry lasts `longest` ms. `said` is what had to be
    known of its common parts for putting it in order."""

    def __init__(self, ask: Rows, say: Said, timeline: int, longest: int, page: Page) -> None:
        self._ask, self._say, self._timeline, self._longest, self._page = ask, say, timeline, longest, page
        self.said: dict[int, Pieces] = {}

    def found(self) -> list[_Row]:
        """The entries on the page, in order."""
        page = self._page
        if page.after is None:
            found = []
        else:
            start, last = page.after
            found = [row for named, row in self._together(start) if (named < last if page.newest_first else named > last)]
        missing = page.limit - len(found)
        if missing > 0:
            # One more than that says whether some that start together with the last are beyond it.
            rows = self._rows("beyond" if page.after is not None else "all", () if page.after is None else page.after[:1], missing + 1)
            found += self._in_order(rows, missing)
        return found[: page.limit]

    def _in_order(self, rows: list[_Row], wanted: int) -> list[_Row]:
        if len(rows) > wanted:
            cut = rows[wanted][0]
            if rows[wanted - 1][0] != cut:
                del rows[wanted:]
            else:
                rows = [row for row in rows if row[0] != cut]
                return self._sorted(rows) + [row for _, row in self._together(cut)]
        return self._sorted(rows)

    def _sorted(self, rows: list[_Row]) -> list[_Row]:
        """These, which are in the order of their starts, in that of their names as well."""
        if len({row[0] for row in rows}) == len(rows):
            return rows
        named = [(row[0], named, row) for named, row in self._named(rows)]
        return [row for _, _, row in sorted(named, reverse=self._page.newest_first)]

    def _together(self, start: int) -> list[tuple[str, _Row]]:
        """All that start then, by name, in the order of their names."""
        return sorted(self._named(self._rows("at", (start,), -1)), reverse=self._page.newest_first)

    def _named(self, rows: list[_Row]) -> list[tuple[str, _Row]]:
        said = self.said
        if unknown := {row[4] for row in rows} - said.keys():
            said.update(self._say(unknown))
        return [(name(said[row[4]].meeting, row[1]), row) for row in rows]

    def _rows(self, which: str, starts: Sequence[int], limit: int) -> list[_Row]:
        page = self._page
        asked = page.low is not None, page.high is not None, len(page.status), page.as_of is not None
        return self._ask(_statement(which, *asked, page.newest_first), [*self._parameters(), *starts, limit])

    def _parameters(self) -> list[object]:
        page = self._page
        found: list[object] = [self._timeline]
        found += [FOREVER] if page.as_of is None else [page.as_of, page.as_of]
        if page.low is not None:
            found += [page.low - self._longest, page.low, page.low]
        if page.high is not None:
            found.append(page.high)
        return [*found, *page.status]


@lru_cache(maxsize=256)
def _statement(which: str, low: bool, high: bool, statuses: int, as_of: bool, newest_first: bool) -> str:
    """The statement for a kind of question: all entries, those that start at a time, or those beyond it. Its parameters are those of
    `_parameters`, that time, and how many."""
    where = ["v.timeline = ?", "v.recorded_to > ? AND c.recorded_from <= ?" if as_of else "v.recorded_to = ?"]
    if low:
        where.append('v.start >= ? AND (v."end" > ? OR v.start >= ?)')
    if high:
        where.append("v.start < ?")
    if statuses:
        where.append(f"c.status IN ({', '.join('?' * statuses)})")
    if which == "at":
        where.append("v.start = ?")
    elif which == "beyond":
        where.append(f"v.start {'<' if newest_first else '>'} ?")
    said = " JOIN commons c ON c.id = v.common" if as_of or statuses else ""
    turn = " DESC" if newest_first else ""
    return (
        f'SELECT v.start, v.occurrence, v."end", v.version, v.common FROM versions v{said} WHERE {" AND ".join(where)} '  # noqa: S608 - constants only
        f"ORDER BY v.start{turn} LIMIT ?"
    )
