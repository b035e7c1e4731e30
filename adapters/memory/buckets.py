"""Memory twin of the buckets."""

from __future__ import annotations

import threading

from adapters.token_bucket import ask, wait


class MemoryBuckets:
    """`outside.Buckets` in two dicts: when each is full, and until when it is shut."""

    def __init__(self) -> None:
        self._full_at: dict[str, float] = {}
        self._shut_until: dict[str, int] = {}
        self._lock = threading.Lock()

    def take(self, key: str, rate: float, burst: float, now: int, cost: float = 1.0) -> int:
        """See the port. Raises ValueError if no waiting would help."""
        asked = ask(rate, burst, cost)
        with self._lock:
            full_at = self._full_at.get(key, 0.0)
            missing = wait(full_at, self._shut_until.get(key, 0), now, asked)
            if not missing:
                self._full_at[key] = max(full_at, now) + asked.need
        return missing

    def drain(self, key: str, until: int) -> None:
        """See the port. An earlier word that asks for longer stands."""
        with self._lock:
            self._shut_until[key] = max(self._shut_until.get(key, 0), until)
