"""One examination for every box of dead letters; the memory twin sits it first. A new adapter is one line in `BOXES`, and in
`LASTING` too if its letters outlive the process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from adapters.kafka.dead_letters import KafkaDeadLetters
from adapters.memory.log import MemoryDeadLetters
from adapters.sqlite.log import SqliteDeadLetters
from domain.ports import DeadLetter, DeadLetters
from tests.servers import kafka

Make = Callable[[Path], DeadLetters]
LASTING: dict[str, Make] = {
    "sqlite": lambda folder: SqliteDeadLetters(folder / "log.db"),
    "kafka": lambda folder: kafka.opened(KafkaDeadLetters(kafka.of_folder(folder))),
}
BOXES: dict[str, Make] = {"memory": lambda _: MemoryDeadLetters(), **LASTING}


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    kafka.close_all()


@pytest.fixture(params=BOXES.values(), ids=list(BOXES))
def box(request: pytest.FixtureRequest, tmp_path: Path) -> DeadLetters:
    made: DeadLetters = request.param(tmp_path)
    return made


def letter(name: str, account: str = "62515", state: str = "waiting") -> DeadLetter:
    errors = [{"pointer": "/data/duration", "reason": "not a duration: „bald“"}]
    return DeadLetter(name, account, "0", 12, 1_772_442_904_120, errors, b'{"broken": \xff\x00', state)


def test_a_letter_is_read_as_it_was_put(box: DeadLetters) -> None:
    box.put([letter("0-12"), letter("0-13", account="")])
    assert (box.get("0-12"), box.get("0-13"), box.get("0-14")) == (letter("0-12"), letter("0-13", account=""), None)


def test_no_letters_are_none(box: DeadLetters) -> None:
    box.put([])
    assert box.list(None, "", 10) == []


def test_the_same_letter_again_is_once_and_keeps_the_state_it_came_to(box: DeadLetters) -> None:
    box.put([letter("0-12"), letter("0-12")])
    box.mark("0-12", "retried")
    box.put([letter("0-12")])
    assert box.list(None, "", 10) == [letter("0-12", state="retried")]


LISTS = {
    "all, in order": (None, "", 10, None, ["a1", "a2", "a3", "b1", "é1"]),
    "of one account": ("acme", "", 10, None, ["a1", "a3", "é1"]),
    "of an account that has none": ("other", "", 10, None, []),
    "after one": (None, "a2", 10, None, ["a3", "b1", "é1"]),
    "after one that is not there": (None, "a", 1, None, ["a1"]),
    "no more than asked for": (None, "", 2, None, ["a1", "a2"]),
    "in one state": (None, "", 10, "dropped", ["a3", "b1"]),
    "in one state of one account": ("acme", "", 10, "dropped", ["a3"]),
    "after the last": (None, "é1", 10, None, []),
}


@pytest.mark.parametrize(("account", "after", "limit", "state", "expected"), LISTS.values(), ids=LISTS.keys())
def test_letters_are_listed(box: DeadLetters, account: str | None, after: str, limit: int, state: str | None, expected: list[str]) -> None:
    box.put([letter("é1", "acme"), letter("b1", "beta", "dropped"), letter("a3", "acme", "dropped")])
    box.put([letter("a2", "beta"), letter("a1", "acme")])
    assert [one.letter for one in box.list(account, after, limit, state)] == expected


def test_only_the_letter_marked_changes_its_state(box: DeadLetters) -> None:
    box.put([letter("0-12"), letter("0-13")])
    box.mark("0-13", "dropped")
    assert box.list(None, "", 10) == [letter("0-12"), letter("0-13", state="dropped")]


def test_marking_a_letter_that_is_not_there_makes_none(box: DeadLetters) -> None:
    box.mark("0-12", "dropped")
    assert box.list(None, "", 10) == []


@pytest.mark.parametrize("make", LASTING.values(), ids=LASTING.keys())
def test_letters_are_there_when_the_box_is_opened_again(make: Make, tmp_path: Path) -> None:
    first = make(tmp_path)
    first.put([letter("0-12")])
    first.mark("0-12", "retried")
    assert make(tmp_path).get("0-12") == letter("0-12", state="retried")
