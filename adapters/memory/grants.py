"""Memory twin of the grants. Nothing is sealed: what is in memory is gone with the process."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager

from msgspec.structs import replace

from domain.errors import Conflict, TryAgain
from domain.outside import Grant, Link


class MemoryGrants:
    """`outside.Grants` in a dict."""

    def __init__(self) -> None:
        self._grants: dict[Link, Grant] = {}
        self._lock = threading.Lock()
        self._turns: defaultdict[Link, threading.Lock] = defaultdict(threading.Lock)

    def get(self, link: Link) -> Grant | None:
        """See the port."""
        return self._grants.get(link)

    def put(self, grant: Grant) -> Grant:
        """See the port."""
        with self._lock:
            there = self._grants.get(grant.link)
            if grant.version != (there.version if there else 0):
                raise Conflict(f"the grant is not at version {grant.version}")
            new = self._grants[grant.link] = replace(grant, version=grant.version + 1)
        return new

    def all(self, account: str | None = None) -> list[Grant]:
        """See the port."""
        with self._lock:
            return [grant for link, grant in sorted(self._grants.items()) if account in (None, link.account)]

    def of_tenant(self, provider: str, tenant: str) -> list[Grant]:
        """See the port."""
        return [grant for grant in self.all() if (grant.link.provider, grant.tenant) == (provider, tenant)]

    def drop(self, link: Link) -> None:
        """See the port."""
        with self._lock:
            self._grants.pop(link, None)

    @contextmanager
    def alone(self, link: Link, seconds: float) -> Iterator[None]:
        """See the port."""
        with self._lock:
            turn = self._turns[link]
        if not turn.acquire(timeout=max(0.0, seconds)):
            raise TryAgain("somebody else is at this grant")
        try:
            yield
        finally:
            turn.release()

    def reseal(self) -> int:
        """None: nothing is sealed here."""
        return 0
