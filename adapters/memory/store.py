"""The memory twin of the store: for the simulator and for tests, with the same refusals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from uuid import UUID

from adapters.memory.deliveries import MemoryDeliveries
from adapters.recording import decode, encode
from domain.errors import Conflict
from domain.events import Event
from domain.outside import Recall, Request
from domain.ports import NOWHERE, IndexChange, Place, Recorded, Snapshot


class MemoryStore:
    """`ports.Store` in dictionaries. Events pass through their stored form, so that nothing unstorable is accepted.

    `deliveries` is where the requests go; its own, if none are handed in."""

    def __init__(self, deliveries: MemoryDeliveries | None = None) -> None:
        self.deliveries = MemoryDeliveries() if deliveries is None else deliveries
        self._rows: list[tuple[int, UUID, int, str, bytes]] = []
        self._streams: dict[UUID, list[tuple[str, bytes]]] = {}
        self._index: dict[tuple[str, str, str], dict[str, None]] = {}
        self._places: dict[str, int] = {}
        self._snapshots: dict[UUID, Snapshot] = {}

    def commit(
        self,
        events: Sequence[Recorded],
        index: Sequence[IndexChange],
        places: Sequence[Place],
        snapshots: Sequence[Snapshot] = (),
        requests: Sequence[Request | Recall] = (),
    ) -> None:
        """See `ports.Store.commit`."""
        expected: dict[UUID, int] = {}
        for stream, version, _ in events:
            expected[stream] = expected.get(stream, len(self._streams.get(stream, ()))) + 1
            if version != expected[stream]:
                raise Conflict(f"{stream} is at {expected[stream] - 1}, not before {version}")
        for partition, position in places:
            if position <= self._places.get(partition, 0):
                raise Conflict(f"{partition} was decided up to {self._places[partition]}")
        for stream, version, event in events:
            self._rows.append((len(self._rows) + 1, stream, version, event.NAME, encode(event)))
            self._streams.setdefault(stream, []).append((event.NAME, encode(event)))
        for change in index:
            self._write(change)
        self._places.update((p.partition, p.position) for p in places)
        self._snapshots.update((s.stream, s) for s in snapshots)
        self.deliveries.put(requests)

    def _write(self, change: IndexChange) -> None:
        values = self._index.setdefault((change.table, change.account, change.key), {})
        if change.gone:
            values.pop(change.value, None)
            return
        if change.table == "identities":
            values.clear()
        values[change.value] = None

    def place(self, partition: str) -> int:
        """See `ports.Store.place`."""
        return self._places.get(partition, 0)

    def load(self, streams: Sequence[UUID], after: Mapping[UUID, int] = NOWHERE) -> dict[UUID, list[Event]]:
        """See `ports.Store.load`."""
        rows = {s: self._streams.get(s, [])[after.get(s, 0) :] for s in streams}
        return {s: [decode(name, body) for name, body in some] for s, some in rows.items() if some}

    def snapshots(self, streams: Sequence[UUID]) -> dict[UUID, Snapshot]:
        """See `ports.Store.snapshots`."""
        return {s: self._snapshots[s] for s in streams if s in self._snapshots}

    def look_up(self, table: str, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], tuple[str, ...]]:
        """See `ports.Store.look_up`."""
        found = {(account, key): tuple(self._index.get((table, account, key), ())) for account, key in keys}
        return {at: values for at, values in found.items() if values}

    def notifications(self, after: int, limit: int) -> list[tuple[int, UUID, int, str, bytes]]:
        """See `ports.Store.notifications`."""
        return self._rows[after : after + limit]

    def end(self) -> int:
        """See `ports.Store.end`."""
        return len(self._rows)
