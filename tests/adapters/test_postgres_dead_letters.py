"""Dead letters in PostgreSQL: whatever made a record unreadable, its letter is written, read, ordered and marked."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from adapters.postgres.dead_letters import PostgresDeadLetters
from domain.ports import DeadLetter
from tests.servers.postgres import closing_databases as closing_databases
from tests.servers.postgres import database


@pytest.fixture
def box(tmp_path: Path) -> PostgresDeadLetters:
    return PostgresDeadLetters(database(tmp_path))


def letter(name: str, account: str = "62515", state: str = "waiting", reason: str = "not a duration") -> DeadLetter:
    return DeadLetter(name, account, "0", 12, 1_772_442_904_120, [{"pointer": "/data", "reason": reason}], b"\xff\x00", state)


HOSTILE = {
    "a null": "a\0b",
    "half a surrogate pair": "\ud83d",
    "longer than an index takes": "".join(chr(0x4E00 + (n * 7_919) % 20_000) for n in range(5_000)),
    "empty": "",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_letter_may_hold_any_account_and_reason(box: PostgresDeadLetters, text: str) -> None:
    put = letter("0-12", text, reason=text)
    box.put([put])
    assert (box.get("0-12"), box.list(text, "", 10), box.list("another", "", 10)) == (put, [put], [])


def test_letters_are_ordered_by_their_characters_and_kept_once_with_their_state(box: PostgresDeadLetters) -> None:
    box.put([letter("é1", "acme"), letter("b1", "beta", "dropped"), letter("a2", "beta"), letter("B1", "acme"), letter("a2", "other")])
    box.mark("a2", "retried")
    box.mark("none", "dropped")
    box.put([letter("a2")])
    assert [(one.letter, one.account, one.state) for one in box.list(None, "", 10)] == [
        ("B1", "acme", "waiting"),
        ("a2", "beta", "retried"),
        ("b1", "beta", "dropped"),
        ("é1", "acme", "waiting"),
    ]


@pytest.mark.parametrize(
    ("account", "after", "limit", "state", "expected"),
    [
        pytest.param("acme", "", 10, None, ["a1", "a3"], id="of an account"),
        pytest.param(None, "a1", 2, None, ["a2", "a3"], id="after one, no more than asked for"),
        pytest.param(None, "", 10, "dropped", ["a3", "b1"], id="in a state"),
        pytest.param("acme", "a1", 10, "dropped", ["a3"], id="all of it"),
        pytest.param("none", "", 10, None, [], id="of an account without any"),
    ],
)
def test_letters_are_chosen(
    box: PostgresDeadLetters, account: str | None, after: str, limit: int, state: str | None, expected: list[str]
) -> None:
    box.put([letter("b1", "beta", "dropped"), letter("a3", "acme", "dropped"), letter("a2", "beta"), letter("a1", "acme")])
    assert [one.letter for one in box.list(account, after, limit, state)] == expected


def test_no_letters_are_none(box: PostgresDeadLetters) -> None:
    box.put([])
    assert (box.list(None, "", 10), box.get("0-1")) == ([], None)


def test_two_that_put_the_same_letters_do_not_wait_for_each_other_for_ever(box: PostgresDeadLetters) -> None:
    letters = [letter(f"{n:04}") for n in range(300)]
    threads = [threading.Thread(target=box.put, args=(some,)) for some in (letters, letters[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert box.list(None, "", 1_000) == letters


def test_letters_are_there_when_the_box_is_opened_again(tmp_path: Path) -> None:
    first = PostgresDeadLetters(database(tmp_path))
    first.put([letter("0-12")])
    first.mark("0-12", "retried")
    assert PostgresDeadLetters(database(tmp_path)).get("0-12") == letter("0-12", state="retried")
