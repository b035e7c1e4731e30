"""What always fails to be read, remembered by its id beside a feed's cursor, so that it holds up nothing else.

What must stay true:
- what failed is never taken for read: it stays remembered until it was read, or is not there any more;
- it is tried again by itself, after twice as long each time up to `LONGEST_MS`;
- where one thing after another fails it is the provider that fails: that is raised, and the feed waits;
- nobody's name or words stand here: ids, times, and how it failed.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import msgspec

from adapters import wording
from domain.errors import RendezvousError, TryAgain

FIRST_MS, LONGEST_MS = 60_000, 6 * 3_600_000
"""How long something is left alone after its first failure, and after its latest."""

MOST = 500
"""Things that are remembered. More than these are no exceptions any more: then the feed waits, which everybody sees."""

IN_A_ROW = 10
"""Things that fail for the first time one after another, with none between that does not: so many are the provider's failure."""

AGAIN = 3
"""Failures among what is tried again in one pull: each may take as long as a time-out."""

_LONGEST_REASON = 100


class Unread(msgspec.Struct, array_like=True, frozen=True):
    """How something fails: how often by now, when first and when it is tried next (ms), and how the last time."""

    tries: int
    since: int
    due: int
    why: str


class Remembered:
    """What is unread of a feed, at one pull of it: `unread` by id, changed in here."""

    def __init__(self, unread: dict[str, Unread], now: int) -> None:
        self.unread, self._now = dict(unread), now
        self._in_a_row = 0

    def failed(self, id: str, why: str) -> None:
        """Raises `TryAgain` if it is the provider that fails."""
        known = self.unread.get(id, Unread(0, self._now, 0, ""))
        self._in_a_row += known.tries == 0
        if self._in_a_row > IN_A_ROW or len(self.unread) >= MOST + bool(known.tries):
            raise TryAgain(f"one thing after another could not be read, the last one because {why}")
        wait_ms = min(FIRST_MS * 2 ** min(known.tries, 20), LONGEST_MS)
        self.unread[id] = Unread(known.tries + 1, known.since, self._now + wait_ms, why[:_LONGEST_REASON])

    def read(self, id: str) -> None:
        """It was read, or is not there any more."""
        self._in_a_row = 0
        self.unread.pop(id, None)

    def due(self) -> Iterator[str]:
        """What is to be tried now, the longest due first. Ends early where more fail than is worth the time."""
        failed = 0
        for id, before in sorted(self.unread.items(), key=lambda one: one[1].due):
            if before.due > self._now or failed == AGAIN:
                return
            yield id
            failed += self.unread.get(id, before).tries > before.tries

    def named(self, kind: str) -> list[tuple[str, str]]:
        """What is unread and how it fails, for a person, the longest unread first."""
        found = sorted(self.unread.items(), key=lambda one: one[1].since)
        return [(f"{kind} {id}", f"not read since {_instant(one.since)}, tried {_often(one.tries)}: {one.why}") for id, one in found]


def about_one(error: Exception) -> str | None:
    """How it failed, if that may be about the one thing that was asked for; None if it is about whoever was asked, or for good.

    >>> about_one(TryAgain("no answer")), about_one(TryAgain("too many", after=60.0)), about_one(KeyError("Ana"))
    ('no answer', None, 'KeyError while reading')
    """
    if isinstance(error, TryAgain):
        return str(error) if error.after is None else None
    # Our own bug, met by what one object says, is no other object's business. Its text may be somebody's name.
    return None if isinstance(error, RendezvousError) else f"{type(error).__name__} while reading"


def _often(tries: int) -> str:
    return "once" if tries == 1 else f"{tries} times"


def _instant(ms: int) -> str:
    return wording.instant(datetime.fromtimestamp(ms / 1000, UTC))
