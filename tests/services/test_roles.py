"""Roles as loops: what passes is tried again, what does not ends them, and one of several works while the others stand by."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from domain.errors import Conflict, Stop, TryAgain
from services import roles
from services.monitor import Numbers
from services.roles import Role
from services.running import Stopping
from services.settings import Settings
from services.wiring import Installation
from services.wiring_providers import Outside
from tests.examples import stage
from tests.servers import kafka


class Work:
    """Does what it is told, step by step: so many events, or an error."""

    def __init__(self, *steps: int | Exception, then: Callable[[], None] = lambda: None) -> None:
        self._steps, self._then = iter(steps), then
        self.waited = 0

    def step(self) -> int:
        found = next(self._steps, None)
        if found is None:
            self._then()
            return 0
        if isinstance(found, Exception):
            raise found
        return found

    def wait(self) -> None:
        self.waited += 1

    def lag(self) -> dict[str, int]:
        return {"0": 7}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tries follow each other at once."""
    monkeypatch.setattr(roles, "FIRST_TRY", 0.001)
    monkeypatch.setattr(roles, "LAST_TRY", 0.002)


def ran(begin: Callable[[], Any], until_idle: bool = True, stopping: Stopping | None = None) -> Numbers:
    numbers = Numbers("sync")
    Role(begin, until_idle, numbers).run(stopping or Stopping())
    return numbers


def told(numbers: Numbers, name: str) -> float:
    """The value of a metric."""
    [line] = [line for line in numbers.text().decode().splitlines() if line.startswith(name)]
    return float(line.rpartition(" ")[2])


def test_until_idle_ends_at_the_first_step_that_finds_nothing() -> None:
    work = Work(3, 2)
    numbers = ran(lambda: work)
    assert told(numbers, 'rendezvous_role_events_total{role="sync"}') == 5
    assert work.waited == 0


def test_for_ever_waits_and_ends_when_asked_after_the_step_at_hand() -> None:
    stopping = Stopping()
    work = Work(3, then=stopping.ask)
    ran(lambda: work, until_idle=False, stopping=stopping)
    assert work.waited == 1


def test_what_passes_is_tried_again() -> None:
    work = Work(TryAgain("busy"), TryAgain("busy"), 4)
    numbers = ran(lambda: work)
    assert told(numbers, 'rendezvous_role_refusals_total{kind="TryAgain",role="sync"}') == 2
    assert told(numbers, 'rendezvous_role_events_total{role="sync"}') == 4


def test_after_a_conflict_the_work_is_begun_anew() -> None:
    begun = iter([Work(1, Conflict("somebody was first")), Work(2)])
    numbers = ran(lambda: next(begun))
    assert next(begun, None) is None
    assert told(numbers, 'rendezvous_role_events_total{role="sync"}') == 3


class Closable(Work):
    """Work that has to be closed."""

    closed = 0

    def close(self) -> None:
        self.closed += 1


def test_work_is_closed_when_the_role_ends_when_it_fails_and_when_it_is_begun_anew() -> None:
    first, second, failing = Closable(1, Conflict("somebody was first")), Closable(2), Closable(Stop("broken"))
    begun = iter([first, second])
    ran(lambda: next(begun))
    with pytest.raises(Stop, match="broken"):
        ran(lambda: failing)
    assert (first.closed, second.closed, failing.closed) == (1, 1, 1)


@pytest.mark.parametrize("begun", [roles.ingesting, roles.delivering])
def test_without_a_provider_ingest_and_deliver_are_well_do_nothing_and_open_nothing(
    tmp_path: Path, begun: Callable[[Outside, Numbers], roles.Work]
) -> None:
    parts = Installation(Settings(data=tmp_path, log=None, store=None))
    numbers = ran(lambda: begun(Outside(parts), Numbers("ingest")))
    assert numbers.lag() == {}
    assert told(numbers, 'rendezvous_role_working{role="sync"}') == 1
    assert list(tmp_path.iterdir()) == []
    parts.close()


def test_what_does_not_pass_ends_it() -> None:
    with pytest.raises(Stop, match="broken"):
        ran(lambda: Work(1, Stop("broken")))


def test_until_idle_does_not_wait_for_ever_for_what_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roles, "PATIENCE", 0.0)
    with pytest.raises(TryAgain, match="busy"):
        ran(lambda: Work(*[TryAgain("busy")] * 1000))


def test_who_ends_when_idle_ticks_no_clock_and_who_goes_on_does(tmp_path: Path) -> None:
    parts = Installation(Settings(data=tmp_path, log=None, store=None))
    untold = [event for event in stage() if "clock" not in event["type"]]
    assert all(receipt.outcome == "accepted" for receipt in parts.publisher.accept([json.dumps(event).encode() for event in untold]))
    while parts.sync().step("0") is not None:
        pass
    while parts.relay().step():
        pass
    for clock, told in ((None, len(untold)), (lambda: 1_800_000_000_000, len(untold) + 1)):
        for _ in range(2):  # the first folds, and then it is known whose clock has not ticked
            roles.Folding(parts.shards[0], clock).step()
        assert parts.source.end("0") == told
    parts.close()


class OneLock:
    """A lock between threads, with the verbs of the real one."""

    def __init__(self, lock: threading.Lock) -> None:
        self._lock, self._mine = lock, False

    def take(self, seconds: float = 0.0) -> bool:
        self._mine = self._mine or self._lock.acquire(timeout=max(seconds, 0))
        return self._mine

    def still(self) -> bool:
        return self._mine

    def release(self) -> None:
        if self._mine:
            self._mine = False
            self._lock.release()

    def lose(self) -> None:
        """As when the connection is lost and another takes it."""
        self._mine = False


@contextmanager
def holding(lock: OneLock) -> Iterator[OneLock]:
    yield lock


def test_who_lost_the_lock_to_another_does_no_step() -> None:
    shared = threading.Lock()
    mine = OneLock(shared)
    assert mine.take()
    work = Work(1, 1, 1)
    held = roles._Held(work, mine)
    assert held.step() == 1
    mine.lose()
    mine.take = lambda seconds=0.0: False  # type: ignore[method-assign]  # another process has it
    with pytest.raises(Conflict):
        held.step()
    assert next(work._steps) == 1, "the step was done all the same"


def test_a_standby_takes_over_when_the_lock_is_free(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roles, "STANDBY", 0.01)
    shared = threading.Lock()
    shared.acquire()
    numbers, work, stopping = Numbers("relay"), Work(5), Stopping()
    lock = OneLock(shared)
    role = Role(lambda: roles._Held(work, lock), True, numbers)
    standby = threading.Thread(target=roles._while_held, args=(role, numbers, stopping, lock))
    standby.start()
    standby.join(0.1)
    assert standby.is_alive()
    assert told(numbers, 'rendezvous_role_events_total{role="relay"}') == 0
    shared.release()
    standby.join(10)
    assert told(numbers, 'rendezvous_role_events_total{role="relay"}') == 5


# --- several stores -----------------------------------------------------------------------------------------------------------


class Partitions:
    """A source log of two partitions, each decided into a store of its own. `told` is what each store's next steps come to."""

    def __init__(self, *told: list[int | Exception]) -> None:
        self.shards = [SimpleNamespace(number=number, sync=partial(self._sync, steps)) for number, steps in enumerate(told)]
        self.source = SimpleNamespace(partitions=lambda: [str(shard.number) for shard in self.shards])
        self.syncs: list[int] = []

    def _sync(self, steps: list[int | Exception]) -> SimpleNamespace:
        self.syncs.append(len(steps))
        return SimpleNamespace(step=partial(self._step, steps))

    def _step(self, steps: list[int | Exception], partition: str) -> Counter[tuple[str, str]] | None:
        found = steps.pop(0) if steps else 0
        if isinstance(found, Exception):
            raise found
        return Counter({("active-window", "applied"): found}) if found else None

    def shard_of_partition(self, partition: str) -> SimpleNamespace:
        return self.shards[int(partition)]

    def deciding(self, until_idle: bool = False) -> roles.Deciding:
        return roles.Deciding(cast(Installation, self), Numbers("sync"), until_idle)


def test_a_store_that_is_away_holds_up_no_other_and_is_left_alone_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roles, "FIRST_TRY", 60.0)
    monkeypatch.setattr(roles, "LAST_TRY", 60.0)
    away: list[int | Exception] = [TryAgain("nobody answers"), 9]
    deciding = Partitions(away, [3, 4]).deciding()
    assert (deciding.step(), deciding.step(), deciding.step()) == (3, 4, 0)
    assert away == [9], "it was asked once"


def test_a_store_that_is_back_is_decided_into_again() -> None:
    deciding = Partitions([TryAgain("nobody answers"), 9], [3]).deciding()
    assert deciding.step() == 3
    assert kafka.eventually(lambda: deciding.step() == 9, 10)


def test_who_is_to_end_when_idle_waits_for_a_store_that_is_away() -> None:
    deciding = Partitions([TryAgain("nobody answers"), TryAgain("nobody answers"), 9], [3]).deciding(until_idle=True)
    assert deciding.step() == 3
    with pytest.raises(TryAgain, match="nobody answers"):
        deciding.step()
    assert (deciding.step(), deciding.step()) == (9, 0)


def test_after_a_conflict_in_one_store_only_that_one_is_begun_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(roles, "FIRST_TRY", 0.0)
    monkeypatch.setattr(roles, "LAST_TRY", 0.0)
    parts = Partitions([1, Conflict("somebody was first"), 2], [3, 4, 5])
    deciding = parts.deciding()
    assert [deciding.step() for _ in range(3)] == [4, 4, 7]
    assert len(parts.syncs) == 3
