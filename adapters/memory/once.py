"""Memory twin of what may happen once."""

from __future__ import annotations

import threading


class MemoryOnce:
    """`outside.Once` in a dict. A value of None marks what was only asked after by `first`."""

    def __init__(self) -> None:
        self._kept: dict[tuple[str, str], tuple[str | None, int]] = {}
        self._lock = threading.Lock()

    def put(self, kind: str, key: str, value: str, until: int) -> None:
        """See the port."""
        with self._lock:
            self._kept[kind, key] = (value, until)

    def take(self, kind: str, key: str, now: int) -> str | None:
        """See the port."""
        with self._lock:
            self._clear(now)
            if self._kept.get((kind, key), (None, 0))[0] is None:
                return None
            return self._kept.pop((kind, key))[0]

    def first(self, kind: str, key: str, until: int, now: int) -> bool:
        """See the port."""
        with self._lock:
            self._clear(now)
            first = (kind, key) not in self._kept
            if first:
                self._kept[kind, key] = (None, until)
        return first

    def _clear(self, now: int) -> None:
        self._kept = {key: kept for key, kept in self._kept.items() if kept[1] > now}

    def reseal(self) -> int:
        """None: nothing is sealed here."""
        return 0
