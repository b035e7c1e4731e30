"""Which store a question goes to, and what becomes of the others' when one is away; how many stores a process takes."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from domain.errors import Conflict, Stop, TryAgain
from services import shards
from services.shards import Each, store_of
from services.sharing import Shares
from tests.servers.kafka import eventually

STORES = {"ana's": 0, "ben's": 1, "cleo's": 1}


class Stores:
    """Two stores, which answer with their name unless they are away."""

    def __init__(self) -> None:
        self.closing = threading.Event()
        self.made: list[int] = []
        self.asked: list[int] = []
        self.away: dict[int, Exception] = {}
        self.each: Each[int] = Each(self._make, STORES.__getitem__, 2, self.answer, self.closing)

    def _make(self, store: int) -> int:
        self.made.append(store)
        return store

    def answer(self, store: int) -> str:
        if store in self.away:
            raise self.away[store]
        return f"store {store}"

    def ask(self, account: str) -> str:
        def question(store: int) -> str:
            self.asked.append(store)
            return self.answer(store)

        return self.each.ask(account, question)


@pytest.fixture
def stores(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stores]:
    monkeypatch.setattr(shards, "PROBE_SECONDS", 0.005)
    made = Stores()
    yield made
    made.closing.set()


@pytest.mark.parametrize(
    ("stores", "found"),
    [(1, [0, 0, 0, 0, 0, 0, 0]), (2, [0, 1, 0, 1, 0, 1, 0]), (3, [0, 1, 2, 0, 1, 2, 0]), (7, [0, 1, 2, 3, 4, 5, 6])],
    ids=["one", "two", "three", "as many as partitions"],
)
def test_where_a_partition_is_never_changes(stores: int, found: list[int]) -> None:
    assert [store_of(partition, stores) for partition in range(7)] == found


def test_each_is_asked_for_its_own_accounts_and_made_once_it_is_asked(stores: Stores) -> None:
    assert (stores.ask("ben's"), stores.ask("cleo's"), stores.made) == ("store 1", "store 1", [1])
    assert (stores.ask("ana's"), stores.made) == ("store 0", [1, 0])


def test_of_a_store_that_is_away_the_second_to_ask_does_not_wait_and_others_are_answered(stores: Stores) -> None:
    stores.away[1] = TryAgain("nobody answers")
    with pytest.raises(TryAgain, match="nobody answers"):
        stores.ask("ben's")
    with pytest.raises(TryAgain, match="store 2 of 2 does not answer"):
        stores.ask("cleo's")
    assert stores.asked == [1]
    assert stores.ask("ana's") == "store 0"


def test_a_store_that_answers_again_is_asked_again(stores: Stores) -> None:
    stores.away[1] = TryAgain("nobody answers")
    with pytest.raises(TryAgain):
        stores.ask("ben's")
    del stores.away[1]

    def answered() -> bool:
        try:
            return stores.ask("ben's") == "store 1"
        except TryAgain:
            return False

    assert eventually(answered, 10)


@pytest.mark.parametrize("refusal", [Conflict("somebody was first"), Stop("broken")], ids=["a conflict", "what does not pass"])
def test_only_what_passes_by_itself_means_that_a_store_is_away(stores: Stores, refusal: Exception) -> None:
    stores.away[1] = refusal
    for _ in range(2):
        with pytest.raises(type(refusal), match=str(refusal)):
            stores.ask("ben's")
    assert stores.asked == [1, 1]


def test_what_concerns_all_is_asked_of_those_that_answer(stores: Stores) -> None:
    assert stores.each.answers(stores.answer) == ["store 0", "store 1"]
    stores.away[0] = TryAgain("nobody answers")
    assert stores.each.answers(stores.answer) == ["store 1"]
    stores.away[1] = TryAgain("nobody either")
    with pytest.raises(TryAgain, match="nobody either"):
        stores.each.answers(stores.answer)


# --- how many stores a process takes ------------------------------------------------------------------------------------------


def taken(shares: Shares, stores: int) -> list[int]:
    return [store for store in range(stores) if shares.reserve(store)]


@pytest.mark.parametrize(
    ("stores", "processes", "share"),
    [(3, 1, 3), (3, 2, 2), (4, 2, 2), (5, 3, 2), (2, 3, 1), (3, 0, 3)],
    ids=["alone", "the larger half", "half", "rounded up", "more of us than stores", "nobody could be counted"],
)
def test_a_process_takes_its_share_rounded_up(stores: int, processes: int, share: int) -> None:
    shares = Shares(stores)
    shares.counted(processes)
    assert len(taken(shares, stores)) == share


def test_when_another_comes_the_store_taken_last_is_given_back_and_when_he_leaves_it_is_taken_again() -> None:
    shares = Shares(3)
    assert taken(shares, 3) == [0, 1, 2]
    shares.counted(2)
    assert [shares.too_many(store) for store in range(3)] == [False, False, True]
    shares.leave(2)
    assert [shares.too_many(store) for store in range(3)] == [False, False, False]
    assert not shares.reserve(2)
    shares.counted(1)
    assert shares.reserve(2)
