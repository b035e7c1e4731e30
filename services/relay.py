"""Put what was recorded on the domain log, in the order of recording, once each.

The domain log itself says how far it is (`last_id`), so that a relay that died between two batches leaves no gap and no double.
"""

from __future__ import annotations

import msgspec

from domain.errors import PositionLost
from domain.ports import DomainLog, DomainRecord, Store
from services.tracing import followed_records

BATCH = 2000


class _Owned(msgspec.Struct):
    """The one field that every domain event has and a relay needs."""

    account: str


_decoder = msgspec.json.Decoder(_Owned)


class Relay:
    """Copies one store's notifications to a domain log."""

    def __init__(self, store: Store, domain_log: DomainLog, batch: int = BATCH) -> None:
        self._store, self._log, self._batch = store, domain_log, batch
        self._after: int | None = None

    def step(self) -> int:
        """Relay the next batch. Returns how many events; 0 if there was none."""
        if self._after is None:
            self._after = self._begin()
        found = self._store.notifications(self._after, self._batch)
        if not found:
            return 0
        records = [DomainRecord(0, id_, _account(body), stream, version, name, body) for id_, stream, version, name, body in found]
        self._log.append(records)
        self._after = found[-1][0]
        followed_records("relayed", records)
        return len(found)

    def _begin(self) -> int:
        """Where the log ends. A store that ends before that has lost what it had committed: what it records next would have the numbers
        of what is in the log already, and never get there."""
        last = self._log.last_id()
        if self._store.end() < last:
            raise PositionLost(f"the domain log holds {last} events, the store {self._store.end()}: it lost some, or is another log's")
        return last


def _account(body: bytes) -> str:
    return _decoder.decode(body).account
