"""One examination for every table of cursors; the memory twin sits it first. A new table is one line in `TABLES`, and in `LASTING`
too if its cursors outlive the process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from adapters.envelope import Envelope
from adapters.memory.cursors import MemoryCursors
from adapters.postgres.cursors import PostgresCursors
from adapters.sqlite.cursors import SqliteCursors
from domain.errors import Conflict, Stop
from domain.outside import Cursor, Cursors, Link
from tests.contracts.stage import ADA, ALONE, BO, CRM, ENVELOPE, LINKS, OTHER, ROTATED, Clock, at_once, bytes_of
from tests.servers.postgres import closing_databases as closing_databases
from tests.servers.postgres import database

Make = Callable[[Path, Envelope, Callable[[], int]], Cursors]
LASTING: dict[str, Make] = {
    "sqlite": lambda folder, envelope, now: SqliteCursors(folder / "cursors.db", envelope, now),
    "postgres": lambda folder, envelope, now: PostgresCursors(database(folder), envelope, now),
}
TABLES: dict[str, Make] = {"memory": lambda _, __, now: MemoryCursors(now), **LASTING}
EVENTS = "events"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=TABLES.values(), ids=list(TABLES))
def cursors(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Cursors:
    made: Cursors = request.param(tmp_path, ENVELOPE, clock)
    return made


def claimed(cursors: Cursors, now: int = 1_000, lease_ms: int = 500, limit: int = 10) -> list[tuple[Link, str]]:
    return [(one.link, one.feed) for one in cursors.claim(now, lease_ms, limit)]


def claim_one(cursors: Cursors, now: int = 1_000, lease_ms: int = 500) -> Cursor:
    [one] = cursors.claim(now, lease_ms, 10)
    return one


# --- claiming ----------------------------------------------------------------------------------------------------------------


def test_a_wanted_cursor_is_claimed_with_nothing_read(cursors: Cursors) -> None:
    cursors.want(ADA, EVENTS, 900)
    one = claim_one(cursors)
    assert one == Cursor(link=ADA, feed=EVENTS, due_at=900, until=1_500, lease=one.lease)
    assert one.lease != 0


def test_wanting_again_changes_nothing(cursors: Cursors) -> None:
    cursors.want(ADA, EVENTS, 900)
    cursors.keep(replace(claim_one(cursors), value="v", due_at=7_000))
    cursors.want(ADA, EVENTS, 0)
    assert (claimed(cursors), [one.due_at for one in cursors.all()]) == ([], [7_000])


def test_the_longest_due_are_claimed_first_and_no_more_than_asked_for(cursors: Cursors) -> None:
    for link, feed, due_at in [
        (ADA, EVENTS, 300),
        (BO, EVENTS, 100),
        (CRM, "meetings", 200),
        (CRM, "contacts", 1_000),
        (OTHER, EVENTS, 1_001),
    ]:
        cursors.want(link, feed, due_at)
    assert claimed(cursors, limit=2) == [(BO, EVENTS), (CRM, "meetings")]
    assert claimed(cursors) == [(ADA, EVENTS), (CRM, "contacts")]
    assert (claimed(cursors), claimed(cursors, 1_001)) == ([], [(OTHER, EVENTS)])


def test_a_claimed_cursor_is_claimed_again_only_when_its_lease_has_run_out(cursors: Cursors) -> None:
    cursors.want(ADA, EVENTS, 0)
    first = claim_one(cursors)
    assert (claimed(cursors, 1_499), claim_one(cursors, 1_500).lease != first.lease) == ([], True)


def test_what_was_kept_is_claimed_when_it_is_due(cursors: Cursors) -> None:
    cursors.want(ADA, EVENTS, 0)
    one = claim_one(cursors)
    kept = replace(one, value='{"token": "Zoë\\u0000"}', due_at=3_000, read_at=1_100, failures=2, reason="it was down \0")
    cursors.keep(kept)
    assert claimed(cursors, 2_999) == []
    again = claim_one(cursors, 3_000)
    assert again == replace(kept, until=3_500, lease=again.lease)


def test_nothing_wanted_is_nothing_to_claim(cursors: Cursors) -> None:
    assert (cursors.claim(1_000, 500, 10), cursors.all(), cursors.wake(ADA, EVENTS, 0)) == ([], [], False)


# --- leases ------------------------------------------------------------------------------------------------------------------


def refused(cursors: Cursors, cursor: Cursor) -> bool:
    """Are both refused?"""
    with pytest.raises(Conflict):
        cursors.keep(replace(cursor, value="stolen", due_at=9))
    with pytest.raises(Conflict):
        cursors.extend(cursor, 99_999)
    return True


def test_an_expired_lease_is_refused_though_nobody_else_came(cursors: Cursors, clock: Clock) -> None:
    cursors.want(ADA, EVENTS, 0)
    one = claim_one(cursors)
    clock.at = 1_500
    assert refused(cursors, one)
    assert claim_one(cursors, 1_500).value is None


def test_a_lease_that_another_has_now_is_refused(cursors: Cursors, clock: Clock) -> None:
    cursors.want(ADA, EVENTS, 0)
    lost, held = claim_one(cursors, 1_000), claim_one(cursors, 1_500)
    assert refused(cursors, lost)
    cursors.keep(replace(held, value="v", due_at=2_000))
    assert [(one.due_at, one.lease) for one in cursors.all()] == [(2_000, 0)]


def test_who_kept_holds_it_no_more(cursors: Cursors) -> None:
    cursors.want(ADA, EVENTS, 0)
    one = claim_one(cursors)
    cursors.keep(replace(one, due_at=2_000))
    assert refused(cursors, one)
    assert [one.due_at for one in cursors.all()] == [2_000]


def test_what_was_never_claimed_cannot_be_kept(cursors: Cursors) -> None:
    cursors.want(ADA, EVENTS, 0)
    assert refused(cursors, Cursor(link=ADA, feed=EVENTS))
    assert refused(cursors, Cursor(link=BO, feed=EVENTS))


def test_an_extended_lease_holds_until_then(cursors: Cursors, clock: Clock) -> None:
    cursors.want(ADA, EVENTS, 0)
    one = claim_one(cursors)
    longer = cursors.extend(one, 9_000)
    clock.at = 8_999
    assert (longer, claimed(cursors, 8_999)) == (replace(one, until=9_000), [])
    cursors.keep(replace(longer, value="v", due_at=9_500))
    assert claim_one(cursors, 9_500).value == "v"


def test_one_that_was_forgotten_and_wanted_again_is_not_the_former_holders(cursors: Cursors) -> None:
    cursors.want(ADA, EVENTS, 0)
    former = claim_one(cursors)
    cursors.forget(ADA)
    assert refused(cursors, former)
    cursors.want(ADA, EVENTS, 0)
    now = claim_one(cursors)
    assert refused(cursors, former)
    cursors.keep(replace(now, value="v", due_at=2_000))
    assert claim_one(cursors, 2_000).value == "v"


# --- waking ------------------------------------------------------------------------------------------------------------------

WAKES = {
    "earlier than it is due": (5_000, [2_000], 2_000),
    "later than it is due": (5_000, [6_000], 5_000),
    "twice, the earlier one last": (5_000, [4_000, 3_000], 3_000),
    "twice, the earlier one first": (5_000, [3_000, 4_000], 3_000),
}


@pytest.mark.parametrize(("due_at", "wakes", "expected"), WAKES.values(), ids=WAKES.keys())
def test_a_cursor_is_due_when_it_is_woken_or_earlier(cursors: Cursors, due_at: int, wakes: list[int], expected: int) -> None:
    cursors.want(ADA, EVENTS, due_at)
    assert [cursors.wake(ADA, EVENTS, at) for at in wakes] == [True] * len(wakes)
    assert [one.due_at for one in cursors.all()] == [expected]


@pytest.mark.parametrize(("due_at", "wakes", "expected"), WAKES.values(), ids=WAKES.keys())
def test_a_wake_that_came_during_the_claim_stands(cursors: Cursors, due_at: int, wakes: list[int], expected: int) -> None:
    cursors.want(ADA, EVENTS, 0)
    one = claim_one(cursors)
    for at in wakes:
        cursors.wake(ADA, EVENTS, at)
    assert claimed(cursors, 1_200) == [], "and whoever has it goes on"
    cursors.keep(replace(one, value="v", due_at=due_at))
    assert [one.due_at for one in cursors.all()] == [expected]


def test_a_wake_before_the_claim_does_not_outlast_it(cursors: Cursors) -> None:
    cursors.want(ADA, EVENTS, 5_000)
    cursors.wake(ADA, EVENTS, 900)
    cursors.keep(replace(claim_one(cursors), due_at=5_000))
    cursors.wake(ADA, EVENTS, 4_000)
    cursors.keep(replace(claim_one(cursors, 4_000, 60_000), due_at=8_000))
    assert [one.due_at for one in cursors.all()] == [8_000]


def test_only_the_feed_named_is_woken(cursors: Cursors) -> None:
    for link, feed in [(ADA, EVENTS), (CRM, "meetings"), (CRM, "contacts")]:
        cursors.want(link, feed, 5_000)
    assert (cursors.wake(CRM, "contacts", 10), cursors.wake(CRM, "owners", 10)) == (True, False)
    assert claimed(cursors) == [(CRM, "contacts")]


# --- listing and forgetting --------------------------------------------------------------------------------------------------


def test_cursors_are_listed_in_the_order_of_their_links_without_their_values(cursors: Cursors) -> None:
    for link in reversed(LINKS):
        cursors.want(link, "b", 0)
        cursors.want(link, "a", 0)
    for one in cursors.claim(1_000, 500, 10):
        cursors.keep(replace(one, value="secret", failures=1, reason="because", due_at=7_000))
    assert [(one.link, one.feed) for one in cursors.all()] == [(link, feed) for link in LINKS for feed in "ab"]
    assert {(one.value, one.failures, one.reason) for one in cursors.all()} == {(None, 1, "because")}
    assert ([one.link for one in cursors.all("70001")], cursors.all("9")) == ([OTHER, OTHER], [])


def test_those_of_one_link_are_listed_in_the_order_of_their_feeds_without_their_values(cursors: Cursors) -> None:
    for link in (CRM, *LINKS):
        for feed in ("owners", "Contacts", "meetings"):
            cursors.want(link, feed, 300)
    for one in cursors.claim(1_000, 500, 100):
        cursors.keep(replace(one, value="secret", read_at=900, failures=2, reason="because", due_at=7_000))
    one = Cursor(link=CRM, feed="Contacts", due_at=7_000, read_at=900, failures=2, reason="because")
    assert cursors.of(CRM) == [one, replace(one, feed="meetings"), replace(one, feed="owners")]


def test_of_a_link_that_nobody_wanted_there_are_none(cursors: Cursors) -> None:
    cursors.want(CRM, "contacts", 0)
    assert (cursors.of(ADA), cursors.of(Link(CRM.account, CRM.provider, "1"))) == ([], [])


def test_all_of_a_link_are_forgotten_and_the_others_stay(cursors: Cursors) -> None:
    for link in LINKS:
        cursors.want(link, "a", 0)
        cursors.want(link, "b", 0)
    cursors.forget(CRM)
    cursors.forget(CRM)
    assert {one.link for one in cursors.all()} == {ADA, BO, OTHER}
    assert cursors.wake(CRM, "a", 0) is False


# --- cursors that last -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", TABLES.values(), ids=TABLES.keys())
def test_of_those_who_claim_at_once_no_two_get_the_same(make: Make, tmp_path: Path, clock: Clock) -> None:
    memory = make(tmp_path, ENVELOPE, clock)
    tables = [memory if isinstance(memory, MemoryCursors) else make(tmp_path, ENVELOPE, clock) for _ in range(4)]
    links = [Link("62515", "google", f"{n:03}") for n in range(60)]
    for link in links:
        tables[0].want(link, EVENTS, 0)

    def take(n: int) -> list[Link]:
        mine: list[Link] = []
        while some := tables[n].claim(1_000, 500, 3):
            mine += [one.link for one in some]
        return mine

    got = at_once(4, take)
    assert sorted(link for some in got for link in some) == links


@pytest.mark.parametrize("make", LASTING.values(), ids=LASTING.keys())
def test_cursors_are_there_when_the_table_is_opened_again(make: Make, tmp_path: Path, clock: Clock) -> None:
    first = make(tmp_path, ENVELOPE, clock)
    first.want(ADA, EVENTS, 0)
    first.keep(replace(claim_one(first), value="v", due_at=1_000))
    assert claim_one(make(tmp_path, ENVELOPE, clock)).value == "v"


@pytest.mark.parametrize("make", LASTING.values(), ids=LASTING.keys())
def test_after_a_rotation_the_old_key_is_needed_by_nobody(make: Make, tmp_path: Path, clock: Clock) -> None:
    old = make(tmp_path, ENVELOPE, clock)
    for link in (ADA, BO):
        old.want(link, EVENTS, 0)
    for one in old.claim(1_000, 500, 1):
        old.keep(replace(one, value="v", due_at=500))
    rotated = make(tmp_path, ROTATED, clock)
    assert isinstance(rotated, SqliteCursors | PostgresCursors)
    assert (rotated.reseal(), rotated.reseal()) == (1, 0), "the other one was never read"
    with pytest.raises(Stop, match="2027"):
        old.claim(1_000, 500, 10)
    assert sorted(str(one.value) for one in make(tmp_path, ALONE, clock).claim(1_500, 500, 10)) == ["None", "v"]


def test_no_value_stands_in_the_file_and_forgotten_ones_are_not_even_there_sealed(tmp_path: Path, clock: Clock) -> None:
    cursors = SqliteCursors(tmp_path / "cursors.db", ENVELOPE, clock)
    for n in range(60):
        cursors.want(Link("62515", "google", str(n)), EVENTS, 0)
    for one in cursors.claim(1_000, 500, 100):
        cursors.keep(replace(one, value="sync-token" + "x" * 700, due_at=9_000))
    boxes = [bytes(box) for (box,) in cursors._file.rows("SELECT value FROM cursors")]
    assert not any(b"sync-token" in held for _, held in bytes_of(tmp_path))
    assert all(any(box[-300:] in held for _, held in bytes_of(tmp_path)) for box in boxes), "the search finds what is there"
    for n in range(60):
        cursors.forget(Link("62515", "google", str(n)))
    pieces = [box[at : at + 64] for box in boxes for at in range(0, len(box) - 64, 64)]
    assert [piece for piece in pieces for _, held in bytes_of(tmp_path) if piece in held] == []
