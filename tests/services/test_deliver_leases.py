"""Leases of deliveries: short, so that what a dead process had is soon another's, and renewed, so that what takes long is nobody else's."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from msgspec.structs import replace

from adapters.memory.deliveries import MemoryDeliveries
from domain.errors import Deauthorised, TryAgain
from domain.outside import Delivery, Request, Written
from domain.people import Person
from services import deliver
from services.deliver import LEASE_MS, RENEWED_MS, Delivering
from services.monitor import Numbers
from tests.outgoing import DELIVERY, GOOGLE, request
from tests.services.test_deliver import Calendar, Clock, Scene

MINUTE = 60_000


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks follow each other at once."""
    monkeypatch.setattr(deliver, "PAUSE", 0.002)


class Ticking(Clock):
    """A second passes whenever somebody looks."""

    def __call__(self) -> int:
        self.now += 1_000
        return self.now


class Slow(Calendar):
    """Answers when it is released."""

    def __init__(self) -> None:
        super().__init__()
        self.released, self.begun = threading.Event(), threading.Event()

    def write(self, request: Request, people: dict[str, Person]) -> Written:
        self.begun.set()
        assert self.released.wait(20)
        return super().write(request, people)


class Watched(MemoryDeliveries):
    """After so many extensions the call comes to its end. `refusals` come first. Whoever else asks after each of them gets `given`."""

    def __init__(self, clock: Clock, calendar: Slow, extensions: int, *refusals: TryAgain) -> None:
        super().__init__(clock)
        self._clock, self._calendar, self._extensions, self._refusals = clock, calendar, extensions, list(refusals)
        self.extended = 0
        self.given: list[Delivery] = []

    def extend(self, delivery: Delivery, until: int) -> Delivery:
        if self._refusals:
            raise self._refusals.pop(0)
        held = super().extend(delivery, until)
        self.given += self.claim(self._clock.now, LEASE_MS, 9)
        self.extended += 1
        if self.extended == self._extensions:
            self._calendar.released.set()
        return held


def slow(extensions: int, *refusals: TryAgain) -> tuple[Scene, Watched, Delivering]:
    """A delivery that takes as long as so many extensions."""
    calendar = Slow()
    scene = Scene(calendar)
    scene.clock = Ticking()
    scene.deliveries = watched = Watched(scene.clock, calendar, extensions, *refusals)
    watched.put([scene.of(request(invite=True))])
    return scene, watched, Delivering(scene.process(), Numbers("deliver"))


def test_what_a_dead_process_had_is_anothers_within_a_minute() -> None:
    scene = Scene(Calendar(), request())
    assert len(scene.process().deliveries.claim(scene.clock(), LEASE_MS, 1)) == 1
    assert scene.step() == []
    scene.clock.now += MINUTE
    assert (scene.step(), scene.state()) == (["done"], ("done", 1, None))


@pytest.mark.parametrize(
    "refusals",
    [
        pytest.param([], id="whenever it is said"),
        pytest.param([TryAgain("busy"), TryAgain("busy")], id="though the store is busy now and then"),
    ],
)
def test_a_call_that_takes_longer_than_a_lease_is_nobody_elses(refusals: list[TryAgain]) -> None:
    scene, watched, work = slow(6, *refusals)
    began = scene.clock.now
    assert work.step() == 1
    assert (scene.clock.now - began > 2 * LEASE_MS, watched.given) == (True, [])
    assert (len(scene.calendar.calls), len(scene.told()), scene.state()) == (1, 1, ("done", 1, None))
    work.close()


def test_one_that_is_soon_done_is_not_held_for_longer() -> None:
    """A lease is renewed when a third of it is gone: most calls are over long before."""
    scene, watched, work = slow(1)
    scene.calendar.released.set()
    assert (work.step(), watched.extended, RENEWED_MS) == (1, 0, 2 * LEASE_MS // 3)
    work.close()


def test_what_was_begun_is_held_while_the_role_ends() -> None:
    scene, watched, work = slow(6)
    assert work._begin() == 1
    assert scene.calendar.begun.wait(20)
    work.close()
    assert (watched.extended >= 6, watched.given, scene.state()) == (True, [], ("done", 1, None))


def test_what_is_under_way_is_held_though_a_store_is_away_that_was_asked_for_more(monkeypatch: pytest.MonkeyPatch) -> None:
    calendar = Slow()
    scene = Scene(calendar, request())
    work = Delivering(scene.process(), Numbers("deliver"))
    assert work._begin() == 1

    def away(now: int, lease_ms: int, limit: int) -> list[Delivery]:
        raise TryAgain("a store is away")

    monkeypatch.setattr(scene.deliveries, "claim", away)
    for _ in range(4):
        scene.clock.now += LEASE_MS // 2
        with pytest.raises(TryAgain):
            work.step()
    calendar.released.set()
    work.close()
    assert (len(calendar.calls), scene.state()) == (1, ("done", 1, None))


def test_who_fell_silent_for_too_long_keeps_nothing_and_nothing_doubles() -> None:
    """As a process that was stopped for a while."""
    calendar = Slow()
    scene = Scene(calendar, request(invite=True))
    work = Delivering(scene.process(), Numbers("deliver"))
    assert work._begin() == 1
    assert calendar.begun.wait(20)
    scene.clock.now += LEASE_MS
    [taken] = scene.deliveries.claim(scene.clock(), LEASE_MS, 1)
    work._hold()
    calendar.released.set()
    assert work.step() == 1
    there = scene.deliveries.get(DELIVERY)
    assert there == taken, "it is still the other's"
    assert scene.process().carry_out(taken) == "done"
    assert (len(calendar.calls), len(calendar.mails), len(scene.told()), scene.state()) == (2, 1, 1, ("done", 1, None))
    work.close()


# --- a lost authorisation ------------------------------------------------------------------------------------------------------


class Reconnected(Calendar):
    """Refuses the first call, and while it does, somebody connects again: `id` is the new consent's."""

    scene: Scene

    def __init__(self, id: str) -> None:
        super().__init__()
        self._id = id

    def write(self, request: Request, people: dict[str, Person]) -> Written:
        if not self.calls:
            self.calls.append(request.id)
            there: Any = self.scene.grants.get(GOOGLE)
            self.scene.grants.put(replace(there, id=self._id))
            raise Deauthorised("connect again")
        return super().write(request, people)


@pytest.mark.parametrize(
    ("id", "waits_ms"),
    [pytest.param("a new one", 0, id="by a new consent: at once"), pytest.param("g", 5 * MINUTE, id="by none: later")],
)
def test_what_was_deauthorised_while_somebody_connected_again_is_due_at_once(id: str, waits_ms: int) -> None:
    calendar = Reconnected(id)
    calendar.scene = scene = Scene(calendar, request())
    assert (scene.step(), scene.due_in()) == (["waiting"], waits_ms)
    scene.clock.now += waits_ms
    assert (scene.step(), scene.state()) == (["done"], ("done", 1, None))
