"""The deliveries of several stores as one. Each stands in the store of the events it follows from, hence of its account."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from heapq import merge
from itertools import islice

from domain.errors import TryAgain
from domain.outside import Deliveries, Delivery, Link, Recall, Request


class RoutedDeliveries:
    """`domain.outside.Deliveries` over those of each store. `store_of` tells the store of an account."""

    def __init__(self, each: Sequence[Deliveries], store_of: Callable[[str], int]) -> None:
        self._each, self._store_of = each, store_of
        self._first = 0

    def put(self, requests: Sequence[Request | Recall]) -> None:
        """See the port."""
        for number, store in enumerate(self._each):
            mine = [request for request in requests if self._store_of(_account_of(request)) == number]
            if mine:
                store.put(mine)

    def claim(self, now: int, lease_ms: int, limit: int) -> list[Delivery]:
        """See the port. Each call begins with another store, so that a busy one does not keep the others waiting."""
        self._first = (self._first + 1) % len(self._each)
        found: list[Delivery] = []
        for store in (*self._each[self._first :], *self._each[: self._first]):
            if len(found) < limit:
                try:
                    found += store.claim(now, lease_ms, limit - len(found))
                except TryAgain:
                    if not found:
                        raise
        return found  # what was claimed is carried out, whichever store is busy

    def extend(self, delivery: Delivery, until: int) -> Delivery:
        """See the port."""
        return self._each[self._store_of(delivery.request.link.account)].extend(delivery, until)

    def keep(self, delivery: Delivery) -> None:
        """See the port."""
        self._each[self._store_of(delivery.request.link.account)].keep(delivery)

    def wake(self, link: Link, now: int) -> int:
        """See the port."""
        return self._each[self._store_of(link.account)].wake(link, now)

    def get(self, id: str) -> Delivery | None:
        """See the port."""
        return next((found for store in self._each if (found := store.get(id)) is not None), None)

    def all(self, account: str | None, state: str | None, after: str, limit: int) -> list[Delivery]:
        """See the port."""
        stores = self._each if account is None else [self._each[self._store_of(account)]]
        return list(islice(merge(*(store.all(account, state, after, limit) for store in stores), key=lambda d: d.request.id), limit))

    def retry(self, id: str, now: int) -> bool:
        """See the port."""
        return any(store.retry(id, now) for store in self._each)

    def drop(self, id: str) -> bool:
        """See the port."""
        return any(store.drop(id) for store in self._each)

    def prune(self, before: int) -> int:
        """See the port."""
        return sum(store.prune(before) for store in self._each)

    def close(self) -> None:
        """Close each."""
        for store in self._each:
            if hasattr(store, "close"):
                store.close()


def _account_of(one: Request | Recall) -> str:
    return one.account if isinstance(one, Recall) else one.link.account
