"""Concurrent single events: gathered into one append, answered one by one, and none harmed by another."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Mapping, Sequence

import pytest

from adapters.memory.keys import MemoryKeys
from adapters.memory.log import MemorySourceLog
from adapters.vault import SealingVault
from domain.errors import Stop, TryAgain
from domain.ports import Appended, NewRecord
from services.api.gathering import Gathering
from services.publish import Publisher, Receipt
from tests.examples import ACCOUNT, BO, Event, contact, meeting

OTHER = "70000"


class SlowLog(MemorySourceLog):
    """Notes how many records come at a time. The first append lasts until `released`. Refuses what contains `refuses`."""

    def __init__(self) -> None:
        super().__init__()
        self.sizes: list[int] = []
        self.appending, self.released = threading.Event(), threading.Event()
        self.refuses: bytes = b"nothing is called so"
        self.error: Exception = Stop("sqlite: out of order")

    def append(self, records: Sequence[NewRecord], recorded_at: int) -> list[Appended]:
        self.sizes.append(len(records))
        self.appending.set()
        assert self.released.wait(10)
        if any(self.refuses in record.body for record in records):
            raise self.error
        return super().append(records, recorded_at)


class Crowd:
    """Publishers who come while an append, of an event of nobody's concern, is under way."""

    def __init__(self, most: int = 100) -> None:
        self.log = SlowLog()
        self.gathering = Gathering(Publisher(self.log, SealingVault(MemoryKeys()), lambda: 0), most)

    def comes(self, *events: tuple[Event, str] | Event, leaves: int | None = None) -> list[Receipt | BaseException | None]:
        """What each of them gets. The one whose number is `leaves` does not wait for it."""
        return asyncio.run(self._comes([e if isinstance(e, tuple) else (e, ACCOUNT) for e in events], leaves))

    async def _comes(self, events: list[tuple[Event, str]], leaves: int | None) -> list[Receipt | BaseException | None]:
        first = self._ask(meeting("first"), ACCOUNT)
        assert await asyncio.to_thread(self.log.appending.wait, 10)
        asked = [self._ask(event, account) for event, account in events]
        await asyncio.sleep(0)  # each has begun
        assert not first.done()  # it is not in the log yet
        if leaves is not None:
            asked[leaves].cancel()
        self.log.released.set()
        assert (await first).outcome == "accepted"
        return list(await asyncio.gather(*asked, return_exceptions=True))

    def _ask(self, event: Event, account: str) -> asyncio.Task[Receipt]:
        return asyncio.create_task(self.gathering.accept(json.dumps(event).encode(), account))


def said(answers: Sequence[Receipt | BaseException | None]) -> list[tuple[str, int | None] | str]:
    return [(a.outcome, a.position) if isinstance(a, Receipt) else type(a).__name__ for a in answers]


def test_who_comes_while_the_disk_is_waited_for_is_appended_together() -> None:
    crowd = Crowd()
    assert said(crowd.comes(*(meeting(f"g{n}") for n in range(5)))) == [("accepted", n) for n in range(2, 7)]
    assert crowd.log.sizes == [1, 5]


def test_a_group_has_its_limit_and_the_rest_are_the_next() -> None:
    crowd = Crowd(most=2)
    assert said(crowd.comes(*(meeting(f"g{n}") for n in range(5)))) == [("accepted", n) for n in range(2, 7)]
    assert crowd.log.sizes == [1, 2, 2, 1]


def test_the_same_event_twice_in_a_group_is_accepted_once() -> None:
    crowd = Crowd()
    assert said(crowd.comes(meeting("g1"), meeting("g1"), meeting("first"))) == [("accepted", 2), ("duplicate", 2), ("duplicate", 1)]


def test_each_event_is_examined_for_the_account_that_came_with_it() -> None:
    crowd = Crowd()
    answers = crowd.comes((contact("1", BO), OTHER), (contact("1", BO, account=OTHER), OTHER), (contact("1", BO), ACCOUNT))
    assert said(answers) == [("rejected", None), ("accepted", 2), ("accepted", 3)]
    assert [record.account for record in crowd.log.read("0", 1, 10)] == [OTHER, ACCOUNT]


def test_a_bad_event_is_rejected_and_harms_no_other() -> None:
    crowd = Crowd()
    answers = crowd.comes(meeting("g1"), meeting("g2", duration="-PT1H"), meeting("g3"))
    assert said(answers) == [("accepted", 2), ("rejected", None), ("accepted", 3)]


@pytest.mark.parametrize("error", [Stop("sqlite: disk image is malformed"), ValueError("nobody thought of it")], ids=["stop", "a bug"])
def test_an_event_that_cannot_be_appended_harms_no_other(error: Exception) -> None:
    crowd = Crowd()
    crowd.log.refuses, crowd.log.error = b"poisonous", error
    answers = crowd.comes(meeting("g1"), meeting("poisonous"), meeting("g3"))
    assert said(answers) == [("accepted", 2), type(error).__name__, ("accepted", 3)]
    assert crowd.log.end("0") == 3


def test_a_busy_log_is_busy_for_all_and_is_not_asked_again_for_each() -> None:
    crowd = Crowd()
    crowd.log.refuses, crowd.log.error = b"poisonous", TryAgain("sqlite: database is locked")
    assert said(crowd.comes(meeting("poisonous"), meeting("g2"))) == ["TryAgain", "TryAgain"]
    assert crowd.log.sizes == [1, 2]


def test_somebody_who_leaves_takes_no_answer_from_the_others() -> None:
    crowd = Crowd()
    assert said(crowd.comes(meeting("g1"), meeting("g2"), leaves=0)) == ["CancelledError", ("accepted", 3)]


def test_after_a_group_the_next_one_who_comes_alone_is_appended_alone() -> None:
    crowd = Crowd()
    crowd.log.released.set()

    async def one_after_the_other() -> list[str]:
        return [(await crowd.gathering.accept(json.dumps(meeting(f"g{n}")).encode(), ACCOUNT)).outcome for n in range(3)]

    assert asyncio.run(one_after_the_other()) == ["accepted"] * 3
    assert crowd.log.sizes == [1, 1, 1]


class TwoStores(SealingVault):
    """Of which that of OTHER's is away for as long as `back` is not set."""

    def __init__(self) -> None:
        super().__init__(MemoryKeys())
        self.asked, self.back = threading.Event(), threading.Event()

    def seal_all(self, people: Mapping[str, Sequence[tuple[str, str | None]]]) -> Mapping[str, list[str]]:
        if OTHER in people:
            self.asked.set()
            assert self.back.wait(10)
            raise TryAgain("postgresql: nobody answers")
        return super().seal_all(people)


def test_a_store_that_is_waited_for_keeps_nobody_waiting_whose_account_is_in_another() -> None:
    vault = TwoStores()
    gathering = Gathering(Publisher(MemorySourceLog(), vault, lambda: 0, lambda account: int(account == OTHER)))

    async def both() -> list[Receipt | BaseException | None]:
        there = asyncio.create_task(gathering.accept(json.dumps(meeting("g1", account=OTHER)).encode(), OTHER))
        assert await asyncio.to_thread(vault.asked.wait, 10)
        behind = asyncio.create_task(gathering.accept(json.dumps(meeting("g2", account=OTHER)).encode(), OTHER))
        here = await gathering.accept(json.dumps(meeting("g3")).encode(), ACCOUNT)
        vault.back.set()
        return [here, *await asyncio.gather(there, behind, return_exceptions=True)]

    assert said(asyncio.run(both())) == [("accepted", 1), "TryAgain", "TryAgain"]
