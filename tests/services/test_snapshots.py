"""Long streams: a desk that begins anew goes on from a snapshot, and comes to what it would without."""

from __future__ import annotations

from uuid import UUID

import pytest

from domain.ports import Snapshot
from services import desk
from tests.engine import Engine, staged
from tests.examples import BO, DEE, Event, deleted, meeting


def told(count: int) -> list[Event]:
    """One meeting that changes so often, hour by hour."""
    return [meeting("g1", 5 + n, title=f"Plan {n}", guests=(BO, DEE) if n % 2 else (BO,)) for n in range(count)]


def live(events: list[Event], restarts: bool) -> Engine:
    """An engine that was told these one by one, perhaps begun anew before each."""
    engine = staged()
    for event in events:
        if restarts:
            engine.start()
        engine.tell(event)
    return engine


def test_a_desk_that_begins_anew_goes_on_from_snapshots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk, "LONG", 3)
    events = [*told(11), deleted("g1", 30)]
    steady, shaken = live(events, restarts=False), live(events, restarts=True)
    assert shaken.store._snapshots, "nothing was long enough to be snapped"
    assert shaken.essence() == steady.essence()
    assert [row[1:4] for row in shaken.store.notifications(0, 1000)] == [row[1:4] for row in steady.store.notifications(0, 1000)]
    assert shaken.shown() == [("Plan 10", "2026-04-07T08:00:00Z", "cancelled")]


def test_what_follows_a_snapshot_is_all_that_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk, "LONG", 5)
    engine = live(told(12), restarts=False)
    stream = next(s for s in engine.store._snapshots.values() if s.kind.startswith("Meeting")).stream
    loads: list[int] = []
    load = engine.store.load

    def counted(streams: list[UUID], after: dict[UUID, int]) -> dict[UUID, list[object]]:
        found = load(streams, after)
        loads.append(len(found.get(stream, ())))
        return found  # type: ignore[return-value]  # events, as the store gives them

    monkeypatch.setattr(engine.store, "load", counted)
    engine.start()
    engine.tell(meeting("g1", 40, title="At last", guests=(BO,)))
    assert max(loads) == 2
    assert engine.titles() == ["At last"]


def test_a_snapshot_of_another_kind_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(desk, "LONG", 5)
    engine = live(told(12), restarts=False)
    for stream, kept in list(engine.store._snapshots.items()):
        engine.store._snapshots[stream] = Snapshot(stream, kept.version, "of a former form", b"not even JSON")
    engine.start()
    engine.tell(meeting("g1", 40, title="At last", guests=(BO,)))
    assert engine.titles() == ["At last"]
    kinds = {kept.kind.partition(".")[0] for kept in engine.store._snapshots.values() if kept.kind != "of a former form"}
    assert "Meeting" in kinds, "a long stream that had to be folded whole is snapped again"
