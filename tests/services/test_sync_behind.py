"""Batches that are committed while the next is decided: the same comes of them, whatever fails and however late it is written."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any

import pytest

from adapters.memory.store import MemoryStore
from domain.errors import Conflict, RendezvousError, TryAgain
from projections.views import Page
from services.behind import Commits
from services.demo_day import ACCOUNT as TEAM
from services.demo_day import CONTACTS, day
from services.sync import AHEAD, AHEAD_SECONDS, Behind, Sync
from tests.engine import Engine, Late
from tests.examples import contact_said, meeting, stage
from tests.simulation.crashing import SeededKeys

DAY = day(date(2026, 11, 23))


def engine_of(store: MemoryStore, batch: int, behind: Behind | None) -> Engine:
    """An engine whose keys are always the same, and whose clock stands still."""
    engine = Engine(batch, behind, SeededKeys(1))
    engine.store, engine.clock = store, lambda: 10**12  # type: ignore[method-assign]  # so that runs can be compared byte for byte
    engine.start()
    return engine


def told(events: Iterable[Any], batch: int, behind: Behind | None) -> Engine:
    """One that was told these."""
    engine = engine_of(MemoryStore(), batch, behind)
    engine.publish(events)
    return engine.settle()


def timelines(engine: Engine) -> dict[str, list[bytes]]:
    return {one.id: [hit.body for hit in engine.views.entries(TEAM, one.id, Page(limit=1000))] for one in CONTACTS}


@pytest.mark.parametrize(("batch", "kept"), [(1, 50_000), (1, 10), (7, 10), (60, 50_000), (1000, 50_000)])
def test_the_same_events_come_of_the_same_batches(batch: int, kept: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.desk.KEPT", kept)
    monkeypatch.setattr("services.desk.KEPT_ENTRIES", kept)
    late = Late()
    at_once, behind = told(DAY, batch, None), told(DAY, batch, late)
    assert behind.store.notifications(0, 10**6) == at_once.store.notifications(0, 10**6)
    assert (timelines(behind), late.under_way) == (timelines(at_once), 0)
    assert late.begun >= (len(DAY) - 10) // batch  # a few are refused at the door


class Failing(MemoryStore):
    """Refuses the commits of these numbers, the first being 1."""

    def __init__(self, numbers: Sequence[int], error: RendezvousError) -> None:
        super().__init__()
        self._numbers, self._error, self.commits = numbers, error, 0

    def commit(self, *args: Any, **named: Any) -> None:
        """Refused with nothing written, or done."""
        self.commits += 1
        if self.commits in self._numbers:
            raise self._error
        super().commit(*args, **named)


@pytest.mark.parametrize("error", [Conflict("somebody was first"), TryAgain("busy")], ids=["conflict", "try again"])
@pytest.mark.parametrize("numbers", [[1], [2], [5, 6], [3, 5, 7, 9], list(range(2, 20, 2))])
def test_whatever_fails_meanwhile_the_same_comes_of_it(numbers: list[int], error: RendezvousError) -> None:
    store = Failing(numbers, error)
    engine = engine_of(store, 60, Late())
    engine.publish(DAY)
    refused = 0
    for _ in range(3 * len(numbers)):
        try:
            engine.settle()
        except TryAgain:
            refused += 1
    assert refused == (len(numbers) if isinstance(error, TryAgain) and not isinstance(error, Conflict) else 0)
    assert store.commits > numbers[-1], "the test refuses commits that there are"
    at_once = told(DAY, 60, None)
    assert timelines(engine) == timelines(at_once)
    assert engine.store.notifications(0, 10**6) == at_once.store.notifications(0, 10**6)


def test_what_was_decided_on_what_could_not_be_written_is_not_written_either() -> None:
    engine = engine_of(Failing([len(stage()) + 2], TryAgain("busy")), 1, Late())
    engine.publish([*stage(), *(meeting(f"g{n}") for n in range(4))])
    with pytest.raises(TryAgain):
        engine.settle()
    assert engine.store.place("0") == len(stage()) + 1
    assert len(engine.settle().titles()) == 4


def test_all_of_a_step_is_committed_when_it_returns() -> None:
    engine = Engine(2, Late())
    engine.publish([*stage(), *(meeting(f"g{n}") for n in range(4 * AHEAD))])
    for number in (1, 2):
        counts = engine.sync.step("0")
        assert counts is not None
        assert (counts.total(), engine.store.place("0")) == (2 * AHEAD, number * 2 * AHEAD)


def test_a_step_begins_no_batch_when_it_has_taken_long_enough() -> None:
    engine = Engine(2, Late())
    engine.publish([*stage(), *(meeting(f"g{n}") for n in range(4 * AHEAD))])
    elapsed = itertools.count(0.0, AHEAD_SECONDS / 3)
    sync = Sync(engine.source, engine.store, engine.vault, engine.dead, engine.clock, 2, Late(), lambda: next(elapsed))
    counts = sync.step("0")
    assert counts is not None
    assert (counts.total(), engine.store.place("0")) == (2 * 4, 2 * 4)


def test_a_log_that_cannot_be_read_on_leaves_what_was_decided_committed() -> None:
    engine = Engine(2, Late())
    engine.publish([*stage(), *(meeting(f"g{n}") for n in range(9))])
    read = engine.source.read

    def cut_off(partition: str, after: int, limit: int) -> Any:
        if after >= 4:
            raise TryAgain("the broker is gone")
        return read(partition, after, limit)

    engine.source.read = cut_off  # type: ignore[method-assign]  # the log behind it stays
    with pytest.raises(TryAgain):
        engine.sync.step("0")
    assert engine.store.place("0") == 4
    engine.source.read = read  # type: ignore[method-assign]  # as before
    assert len(engine.settle().titles()) == 9


def test_nobody_is_erased_before_what_was_told_before_is_committed() -> None:
    late = Late()
    engine = Engine(1, late)
    erase, under_way = engine.vault.erase, []

    def watched(account: str, keys: Iterable[str]) -> None:
        under_way.append(late.under_way)
        erase(account, keys)

    engine.vault.erase = watched  # type: ignore[method-assign]  # looks, and does the same
    engine.tell(*stage(), meeting("g1"), contact_said("151", "contact.erased", 5), meeting("g2"))
    assert under_way == [0]


def test_a_thread_commits_in_order_and_tells_what_it_could_not() -> None:
    done: list[tuple[int, bool]] = []

    def refuse() -> None:
        raise TryAgain("busy")

    commits = Commits()
    ends = [commits(lambda n=n: done.append((n, threading.current_thread() is threading.main_thread()))) for n in range(3)]  # type: ignore[misc]  # n is bound now
    for end in ends:
        end()
    assert done == [(0, False), (1, False), (2, False)]
    with pytest.raises(TryAgain, match="busy"):
        commits(refuse)()


def test_decided_in_a_thread_it_comes_to_the_same() -> None:
    assert told(DAY, 60, Commits()).store.notifications(0, 10**6) == told(DAY, 60, None).store.notifications(0, 10**6)


def test_without_a_thread_a_step_is_a_batch() -> None:
    engine = Engine(2)
    engine.publish([*stage(), *(meeting(f"g{n}") for n in range(40))])
    counts = Sync(engine.source, engine.store, engine.vault, engine.dead, engine.clock, 2).step("0")
    assert counts is not None
    assert counts.total() == 2
