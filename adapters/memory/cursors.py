"""Memory twin of the cursors."""

from __future__ import annotations

import threading
from collections.abc import Callable
from itertools import count

from msgspec.structs import replace

from domain.errors import Conflict
from domain.outside import Cursor, Link

_Key = tuple[Link, str]


class MemoryCursors:
    """`outside.Cursors` in a dict. `now` is our clock (ms): by it a lease has run out."""

    def __init__(self, now: Callable[[], int]) -> None:
        self._now = now
        self._cursors: dict[_Key, Cursor] = {}
        self._woken: dict[_Key, int] = {}
        self._leases = count(1)
        self._lock = threading.Lock()

    def want(self, link: Link, feed: str, due_at: int) -> None:
        """See the port."""
        with self._lock:
            self._cursors.setdefault((link, feed), Cursor(link=link, feed=feed, due_at=due_at))

    def claim(self, now: int, lease_ms: int, limit: int) -> list[Cursor]:
        """See the port."""
        with self._lock:
            free = [one for one in self._cursors.values() if one.due_at <= now and one.until <= now]
            free.sort(key=lambda one: (one.due_at, one.link, one.feed))
            lease = next(self._leases)
            claimed = [replace(one, until=now + lease_ms, lease=lease) for one in free[:limit]]
            for one in claimed:
                self._cursors[one.link, one.feed] = one
                self._woken.pop((one.link, one.feed), None)
        return claimed

    def extend(self, cursor: Cursor, until: int) -> Cursor:
        """See the port."""
        with self._lock:
            held = replace(self._held(cursor), until=until)
            self._cursors[held.link, held.feed] = held
        return replace(cursor, until=until)

    def keep(self, cursor: Cursor) -> None:
        """See the port."""
        with self._lock:
            self._held(cursor)
            key = (cursor.link, cursor.feed)
            due_at = min(cursor.due_at, self._woken.pop(key, cursor.due_at))
            self._cursors[key] = replace(cursor, due_at=due_at, until=0, lease=0)

    def _held(self, cursor: Cursor) -> Cursor:
        there = self._cursors.get((cursor.link, cursor.feed))
        if there is None or there.lease != cursor.lease or there.until <= self._now():
            raise Conflict(f"the lease of the cursor {cursor.feed} is lost")
        return there

    def wake(self, link: Link, feed: str, at: int) -> bool:
        """See the port."""
        with self._lock:
            there = self._cursors.get((link, feed))
            if there is None:
                return False
            self._cursors[link, feed] = replace(there, due_at=min(there.due_at, at))
            self._woken[link, feed] = min(self._woken.get((link, feed), at), at)
        return True

    def forget(self, link: Link) -> None:
        """See the port."""
        with self._lock:
            for key in [key for key in self._cursors if key[0] == link]:
                del self._cursors[key]
                self._woken.pop(key, None)

    def of(self, link: Link) -> list[Cursor]:
        """See the port."""
        with self._lock:
            found = [one for (owner, _), one in self._cursors.items() if owner == link]
        return [replace(one, value=None) for one in sorted(found, key=lambda one: one.feed)]

    def all(self, account: str | None = None) -> list[Cursor]:
        """See the port. In the order of their links and feeds."""
        with self._lock:
            found = sorted(self._cursors.items())
        return [replace(one, value=None) for (link, _), one in found if account in (None, link.account)]

    def reseal(self) -> int:
        """None: nothing is sealed here."""
        return 0
