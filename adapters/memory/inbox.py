"""Memory twin of the inbox."""

from __future__ import annotations

import threading
from collections.abc import Sequence

from domain.outside import KNOWN_MS, Notice

_Key = tuple[str, str, str]


class MemoryInbox:
    """`outside.Inbox` in dicts: what waits, until when it is claimed, and when each known one was put."""

    def __init__(self) -> None:
        self._waiting: dict[_Key, Notice] = {}
        self._until: dict[_Key, int] = {}
        self._known: dict[_Key, int] = {}
        self._lock = threading.Lock()

    def put(self, notices: Sequence[Notice], now: int) -> int:
        """See the port."""
        with self._lock:
            self._known = {key: at for key, at in self._known.items() if key in self._waiting or at > now - KNOWN_MS}
            new: dict[_Key, Notice] = {}
            for notice in notices:
                if _key(notice) not in self._known:
                    new.setdefault(_key(notice), notice)
            self._waiting.update(new)
            self._known.update(dict.fromkeys(new, now))
        return len(new)

    def claim(self, now: int, lease_ms: int, limit: int) -> list[Notice]:
        """See the port."""
        with self._lock:
            free = [key for key in self._waiting if self._until.get(key, 0) <= now][:limit]
            self._until.update(dict.fromkeys(free, now + lease_ms))
            return [self._waiting[key] for key in free]

    def extend(self, notices: Sequence[Notice], until: int) -> None:
        """See the port."""
        with self._lock:
            for key in map(_key, notices):
                if key in self._waiting:
                    self._until[key] = max(self._until.get(key, 0), until)

    def done(self, notices: Sequence[Notice]) -> None:
        """See the port."""
        with self._lock:
            for key in map(_key, notices):
                self._waiting.pop(key, None)
                self._until.pop(key, None)

    def waiting(self) -> int:
        """See the port."""
        return len(self._waiting)

    def forget(self, account: str, provider: str) -> None:
        """See the port."""
        with self._lock:
            for key in [key for key in self._known if key[:2] == (account, provider)]:
                for kept in (self._waiting, self._until, self._known):
                    kept.pop(key, None)

    def reseal(self) -> int:
        """None: nothing is sealed here."""
        return 0


def _key(notice: Notice) -> _Key:
    return notice.account, notice.provider, notice.id
