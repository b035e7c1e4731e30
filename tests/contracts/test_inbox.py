"""One examination for every inbox; the memory twin sits it first. A new one is one line in `BOXES`, and in `LASTING` too if its notices
outlive the process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.envelope import Envelope
from adapters.memory.inbox import MemoryInbox
from adapters.postgres.inbox import PostgresInbox
from adapters.sqlite.inbox import SqliteInbox
from domain.errors import Stop
from domain.outside import KNOWN_MS, Inbox, Notice
from tests.contracts.stage import ALONE, ENVELOPE, ROTATED, at_once, bytes_of
from tests.servers.postgres import closing_databases as closing_databases
from tests.servers.postgres import database

Make = Callable[[Path, Envelope], Inbox]
LASTING: dict[str, Make] = {
    "sqlite": lambda folder, envelope: SqliteInbox(folder / "inbox.db", envelope),
    "postgres": lambda folder, envelope: PostgresInbox(database(folder), envelope),
}
BOXES: dict[str, Make] = {"memory": lambda _, __: MemoryInbox(), **LASTING}


@pytest.fixture(params=BOXES.values(), ids=list(BOXES))
def inbox(request: pytest.FixtureRequest, tmp_path: Path) -> Inbox:
    made: Inbox = request.param(tmp_path, ENVELOPE)
    return made


def notice(id: str, account: str = "62515", body: bytes = b'{"objectId": 151}') -> Notice:
    return Notice(account, "hubspot", id, body)


def notices(*ids: str) -> list[Notice]:
    return [notice(id) for id in ids]


ODD = {
    "plain": notice("a"),
    "of no account": notice("a", ""),
    "with any text in it": notice("\0長" * 1_000, "6\0"),
    "with any bytes in it": notice("a", body=bytes(range(256)) * 1_000),
    "without a body": notice("a", body=b""),
}


@pytest.mark.parametrize("one", ODD.values(), ids=ODD.keys())
def test_a_notice_is_claimed_as_it_was_put(inbox: Inbox, one: Notice) -> None:
    assert (inbox.put([one], 1_000), inbox.waiting(), inbox.claim(1_000, 500, 10)) == (1, 1, [one])


def test_an_empty_inbox_has_nothing(inbox: Inbox) -> None:
    assert (inbox.put([], 1_000), inbox.waiting(), inbox.claim(1_000, 500, 10)) == (0, 0, [])
    inbox.done([])
    inbox.done(notices("never there"))
    assert inbox.put(notices("never there"), 1_000) == 1


def test_the_oldest_are_claimed_first_in_the_order_in_which_they_were_put(inbox: Inbox) -> None:
    inbox.put(notices("c", "a"), 1_000)
    inbox.put(notices("b", "d"), 1_001)
    assert inbox.claim(1_001, 500, 3) == notices("c", "a", "b")
    assert (inbox.claim(1_001, 500, 3), inbox.claim(1_001, 500, 3)) == (notices("d"), [])


def test_the_same_notice_again_is_kept_once_as_it_first_came(inbox: Inbox) -> None:
    assert inbox.put([notice("a"), notice("a", body=b"other"), notice("b")], 1_000) == 2
    assert inbox.put([notice("b"), notice("c", body=b"first")], 1_001) == 1
    assert (inbox.claim(1_001, 500, 10), inbox.waiting()) == ([notice("a"), notice("b"), notice("c", body=b"first")], 3)


def test_accounts_and_providers_do_not_know_each_others_notices(inbox: Inbox) -> None:
    told = [notice("a"), notice("a", "70001"), Notice("62515", "other", "a", b"")]
    assert (inbox.put(told, 1_000), inbox.claim(1_000, 500, 10)) == (3, told)


def test_claimed_notices_are_claimed_again_when_the_lease_has_run_out(inbox: Inbox) -> None:
    inbox.put(notices("a", "b"), 1_000)
    assert inbox.claim(1_000, 500, 1) == notices("a")
    assert inbox.claim(1_499, 500, 10) == notices("b")
    assert (inbox.claim(1_499, 500, 10), inbox.claim(1_500, 500, 10)) == ([], notices("a"))


def test_notices_that_are_held_for_longer_are_claimed_again_when_that_has_run_out(inbox: Inbox) -> None:
    inbox.put(notices("a", "b"), 1_000)
    inbox.extend(inbox.claim(1_000, 500, 1), 2_000)
    assert (inbox.claim(1_500, 0, 10), inbox.claim(1_999, 0, 10), inbox.claim(2_000, 0, 10)) == (
        notices("b"),
        notices("b"),
        notices("a", "b"),
    )


def test_no_lease_of_a_notice_is_made_shorter(inbox: Inbox) -> None:
    inbox.put(notices("a"), 1_000)
    inbox.extend(inbox.claim(1_000, 500, 1), 1_200)
    assert (inbox.claim(1_499, 500, 10), inbox.claim(1_500, 500, 10)) == ([], notices("a"))


def test_what_was_read_or_never_there_is_not_brought_back_by_holding_it(inbox: Inbox) -> None:
    inbox.put(notices("a", "b"), 1_000)
    inbox.done(inbox.claim(1_000, 500, 1))
    inbox.extend([*notices("a", "never there"), notice("b", "70001")], 9_000)
    inbox.extend([], 9_000)
    assert (inbox.waiting(), inbox.claim(1_000, 500, 10), inbox.claim(9_000, 500, 10)) == (1, notices("b"), notices("b"))
    assert inbox.put(notices("never there"), 1_001) == 1


def test_what_is_done_is_out_of_the_inbox_and_known_for_days(inbox: Inbox) -> None:
    inbox.put(notices("a", "b"), 1_000)
    inbox.done(inbox.claim(1_000, 500, 1))
    assert (inbox.waiting(), inbox.claim(9_000, 500, 10)) == (1, notices("b"))
    assert (inbox.put(notices("a"), 1_000 + KNOWN_MS - 1), inbox.put(notices("a"), 1_000 + KNOWN_MS)) == (0, 1)
    assert inbox.waiting() == 2


def test_an_accounts_notices_of_a_provider_are_forgotten_read_or_not(inbox: Inbox) -> None:
    others = [notice("a", "70001"), Notice("62515", "other", "a", b"{}")]
    inbox.put([*notices("a", "b", "c"), *others], 1_000)
    inbox.done(inbox.claim(1_000, 500, 1))
    assert inbox.claim(1_000, 500, 1) == notices("b")
    inbox.forget("62515", "hubspot")
    assert (inbox.waiting(), inbox.claim(1_000, 500, 10)) == (2, others)
    inbox.done(notices("b"))
    assert (inbox.put(notices("a", "b", "c"), 1_001), inbox.claim(1_001, 500, 10)) == (3, notices("a", "b", "c"))


def test_what_nobody_read_is_never_forgotten(inbox: Inbox) -> None:
    inbox.put(notices("a"), 1_000)
    assert (inbox.put(notices("a"), 1_000 + 9 * KNOWN_MS), inbox.claim(1_000 + 9 * KNOWN_MS, 500, 10)) == (0, notices("a"))


@pytest.mark.parametrize("make", BOXES.values(), ids=BOXES.keys())
def test_of_those_who_claim_at_once_no_two_get_the_same(make: Make, tmp_path: Path) -> None:
    first = make(tmp_path, ENVELOPE)
    boxes = [first if isinstance(first, MemoryInbox) else make(tmp_path, ENVELOPE) for _ in range(4)]
    first.put(notices(*(f"{n:03}" for n in range(200))), 1_000)

    def take(n: int) -> list[Notice]:
        mine: list[Notice] = []
        while some := boxes[n].claim(1_000, 500, 7):
            mine += some
        return mine

    got = at_once(4, take)
    assert sorted(one.id for some in got for one in some) == [f"{n:03}" for n in range(200)]


@pytest.mark.parametrize("make", BOXES.values(), ids=BOXES.keys())
def test_of_those_who_put_the_same_at_once_each_is_kept_by_one(make: Make, tmp_path: Path) -> None:
    """A provider that waited too long for an answer sends it again while the first is being kept."""
    first = make(tmp_path, ENVELOPE)
    boxes = [first if isinstance(first, MemoryInbox) else make(tmp_path, ENVELOPE) for _ in range(4)]
    told = notices(*(f"{n:03}" for n in range(100)))
    kept = at_once(4, lambda n: boxes[n].put(told if n % 2 else told[::-1], 1_000))
    assert (sum(kept), first.waiting()) == (100, 100)


# --- notices that last -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", LASTING.values(), ids=LASTING.keys())
def test_notices_are_there_when_the_inbox_is_opened_again(make: Make, tmp_path: Path) -> None:
    make(tmp_path, ENVELOPE).put(notices("a"), 1_000)
    again = make(tmp_path, ENVELOPE)
    assert (again.put(notices("a"), 1_001), again.claim(1_001, 500, 10)) == (0, notices("a"))


@pytest.mark.parametrize("make", LASTING.values(), ids=LASTING.keys())
def test_after_a_rotation_the_old_key_is_needed_by_nobody(make: Make, tmp_path: Path) -> None:
    old = make(tmp_path, ENVELOPE)
    old.put(notices("a", "b", "c"), 1_000)
    old.done(notices("b"))
    rotated = make(tmp_path, ROTATED)
    assert isinstance(rotated, SqliteInbox | PostgresInbox)
    assert (rotated.reseal(), rotated.reseal()) == (2, 0), "what was read has nothing left to seal"
    with pytest.raises(Stop, match="2027"):
        old.claim(1_000, 500, 10)
    assert make(tmp_path, ALONE).claim(1_500, 500, 10) == notices("a", "c")


def test_no_body_stands_in_the_file(tmp_path: Path) -> None:
    inbox = SqliteInbox(tmp_path / "inbox.db", ENVELOPE)
    inbox.put([notice("a", body=b'{"propertyValue": "Bo"}')], 1_000)
    held = b"".join(held for _, held in bytes_of(tmp_path))
    assert (b"propertyValue" in held, b"hubspot" in held) == (False, True)
    inbox.done(notices("a"))
    assert inbox._file.rows("SELECT id, body FROM inbox") == [("a", None)]
