"""Memory twin of the deliveries."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from itertools import count

from msgspec.structs import replace

from adapters.superseding import DROPPED, OVER, emptied, is_recalled, kept
from domain.errors import Conflict
from domain.outside import Delivery, Link, Recall, Request


class MemoryDeliveries:
    """`outside.Deliveries` in a dict, oldest first. `now` is our clock (ms): by it a lease has run out; without one, none does
    before another claims the work."""

    def __init__(self, now: Callable[[], int] = lambda: 0) -> None:
        self._now = now
        self._deliveries: dict[str, Delivery] = {}
        self._leases = count(1)
        self._lock = threading.Lock()

    def put(self, requests: Sequence[Request | Recall]) -> None:
        """See the port."""
        with self._lock:
            for request in requests:
                if isinstance(request, Recall):
                    self._recall(request)
                elif request.id not in self._deliveries:
                    self._put(request)

    def _put(self, new: Request) -> None:
        waiting = [one for one in self._deliveries.values() if _same(one.request, new) and one.state == "waiting"]
        free = [one.request for one in waiting if _nobody_began(one)]
        request, superseded = kept(new, free, [one.request for one in waiting if not _nobody_began(one)])
        for id in superseded:
            old = self._deliveries[id]
            self._deliveries[id] = replace(old, request=emptied(old.request), state="superseded", reason=f"{request.id} says all of it")
        self._deliveries[request.id] = Delivery(request=request, due_at=request.requested_at)

    def _recall(self, by: Recall) -> None:
        for one in list(self._deliveries.values()):
            if one.state not in OVER and is_recalled(one.request, not _nobody_began(one), by):
                over = replace(one, request=emptied(one.request), state="superseded", reason=by.reason)
                self._deliveries[one.request.id] = over

    def claim(self, now: int, lease_ms: int, limit: int) -> list[Delivery]:
        """See the port."""
        with self._lock:
            heads: dict[Link, Delivery] = {}
            for one in self._deliveries.values():
                if one.state == "waiting":
                    heads.setdefault(one.request.link, one)
            busy = {one.request.link for one in self._deliveries.values() if one.until > now}
            due = [one for link, one in heads.items() if one.due_at <= now and link not in busy]
            lease = next(self._leases)
            due.sort(key=lambda one: (one.due_at, one.request.link))
            claimed = [replace(one, until=now + lease_ms, lease=lease) for one in due[:limit]]
            self._deliveries.update((one.request.id, one) for one in claimed)
        return claimed

    def extend(self, delivery: Delivery, until: int) -> Delivery:
        """See the port."""
        with self._lock:
            self._deliveries[delivery.request.id] = replace(self._held(delivery), until=until)
        return replace(delivery, until=until)

    def _held(self, delivery: Delivery) -> Delivery:
        there = self._deliveries.get(delivery.request.id)
        if there is None or there.lease != delivery.lease or there.until <= self._now():
            raise Conflict(f"the lease of the delivery {delivery.request.id} is lost")
        return there

    def keep(self, delivery: Delivery) -> None:
        """See the port."""
        with self._lock:
            there = self._held(delivery)
            kept = there if there.state in OVER and delivery.state != "done" else delivery
            request = emptied(there.request) if kept.state in OVER else there.request
            self._deliveries[delivery.request.id] = replace(kept, request=request, until=0, lease=0)

    def wake(self, link: Link, now: int) -> int:
        """See the port."""
        with self._lock:
            waiting = [one for one in self._deliveries.values() if one.request.link == link and one.state == "waiting"]
            late = [replace(one, due_at=now) for one in waiting if one.due_at > now]
            self._deliveries.update((one.request.id, one) for one in late)
        return len(late)

    def get(self, id: str) -> Delivery | None:
        """See the port."""
        return self._deliveries.get(id)

    def all(self, account: str | None, state: str | None, after: str, limit: int) -> list[Delivery]:
        """See the port."""
        with self._lock:
            found = [one for id, one in sorted(self._deliveries.items()) if id > after]
        return [one for one in found if account in (None, one.request.link.account) and state in (None, one.state)][:limit]

    def retry(self, id: str, now: int) -> bool:
        """See the port."""
        with self._lock:
            there = self._deliveries.get(id)
            if there is None or there.state != "failed":
                return False
            self._deliveries[id] = replace(there, state="waiting", due_at=now, reason=None)
        return True

    def drop(self, id: str) -> bool:
        """See the port."""
        with self._lock:
            there = self._deliveries.get(id)
            if there is None or there.state != "failed":
                return False
            self._deliveries[id] = replace(there, request=emptied(there.request), state="superseded", reason=DROPPED)
        return True

    def prune(self, before: int) -> int:
        """See the port."""
        with self._lock:
            alive = [one.request for one in self._deliveries.values() if one.state not in OVER]
            old = [one.request for one in self._deliveries.values() if one.state in OVER and one.due_at < before]
            gone = [one.id for one in old if not any(_same(one, other) for other in alive)]
            for id in gone:
                del self._deliveries[id]
        return len(gone)


def _same(one: Request, other: Request) -> bool:
    return (one.meeting, one.link) == (other.meeting, other.link)


def _nobody_began(delivery: Delivery) -> bool:
    return not delivery.tries and not delivery.lease
