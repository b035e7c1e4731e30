"""One examination for every table of deliveries; the memory twin sits it first. A new table is one line in `TABLES`, and in `LASTING`
too if its deliveries outlive the process. That they are written with the events stands in tests/contracts/test_store.py."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from adapters.memory.deliveries import MemoryDeliveries
from adapters.postgres.deliveries import PostgresDeliveries
from adapters.sqlite.deliveries import _DUE, _PRUNE, SqliteDeliveries
from adapters.superseding import emptied, kept
from domain.errors import Conflict
from domain.events import Content, Guest
from domain.outside import Deliveries, Delivery, Link, Recall, Request
from tests.contracts.stage import ADA, BO, CRM, OTHER, Clock, at_once
from tests.servers.postgres import closing_databases as closing_databases
from tests.servers.postgres import database

Make = Callable[[Path, Callable[[], int]], Deliveries]
LASTING: dict[str, Make] = {
    "sqlite": lambda folder, now: SqliteDeliveries(folder / "store.db", now),
    "postgres": lambda folder, now: PostgresDeliveries(database(folder), now),
}
TABLES: dict[str, Make] = {"memory": lambda _, now: MemoryDeliveries(now), **LASTING}
KICK_OFF, REVIEW = UUID(int=1), UUID(int=2)
FAR = 10**9


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=TABLES.values(), ids=list(TABLES))
def deliveries(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> Deliveries:
    made: Deliveries = request.param(tmp_path, clock)
    return made


def request(id: str, link: Link = ADA, meeting: UUID = KICK_OFF, action: Literal["create", "update"] = "create", **said: Any) -> Request:
    content = Content(datetime(2026, 3, 9, 10), "PT1H", f"says {id}", guests=(Guest("k.sealed"),), contacts=("151",))
    return replace(Request(id=id, link=link, meeting=meeting, action=action, content=content, requested_at=100), **said)


def update(id: str, *changed: str, copy: str | None = "e1", **said: Any) -> Request:
    return request(id, action="update", copy=copy, changed=changed, revision='"etag"', **said)


def claimed(deliveries: Deliveries, now: int = 1_000, lease_ms: int = 500, limit: int = 10) -> list[str]:
    return [one.request.id for one in deliveries.claim(now, lease_ms, limit)]


def claim_one(deliveries: Deliveries, now: int = 1_000, lease_ms: int = 500) -> Delivery:
    [one] = deliveries.claim(now, lease_ms, 10)
    return one


def states(deliveries: Deliveries) -> dict[str, str]:
    return {one.request.id: one.state for one in deliveries.all(None, None, "", 100)}


def finish(deliveries: Deliveries, *ids: str) -> None:
    """Claim and carry out, in this order."""
    for id in ids:
        one = claim_one(deliveries)
        assert one.request.id == id
        deliveries.keep(replace(one, state="done", tries=1))


# --- putting and getting -----------------------------------------------------------------------------------------------------

WHOLE = {
    "a creation": request("a", invite=True, uid="u@rendezvous"),
    "an update": update("a", "title", "time", cancelled=True),
    "with any text in it": request("\0長" * 500, Link("6\0", "google", "Zoë"), copy="'\0", uid="🐝"),
}


@pytest.mark.parametrize("one", WHOLE.values(), ids=WHOLE.keys())
def test_a_request_waits_as_it_was_put(deliveries: Deliveries, one: Request) -> None:
    deliveries.put([one])
    there = Delivery(request=one, due_at=100)
    assert (deliveries.get(one.id), deliveries.all(one.link.account, "waiting", "", 9)) == (there, [there])


def test_nothing_is_nothing(deliveries: Deliveries) -> None:
    deliveries.put([])
    assert (claimed(deliveries), deliveries.get("a"), deliveries.all(None, None, "", 9), deliveries.retry("a", 0)) == ([], None, [], False)


def test_one_that_is_there_stays_as_it_is(deliveries: Deliveries) -> None:
    first = request("a")
    deliveries.put([first, replace(first, invite=True)])
    one = claim_one(deliveries)
    deliveries.put([replace(first, link=BO)])
    deliveries.keep(replace(one, state="done", tries=1))
    deliveries.put([first])
    assert deliveries.get("a") == Delivery(request=emptied(first), state="done", tries=1, due_at=100)
    assert claimed(deliveries, FAR) == []


LISTS = {
    "all, in order": (None, None, "", 9, ["a", "b", "c", "d"]),
    "of one account": ("70001", None, "", 9, ["b", "d"]),
    "of an account that has none": ("9", None, "", 9, []),
    "in one state": (None, "done", "", 9, ["b", "c"]),
    "in one state of one account": ("62515", "done", "", 9, ["c"]),
    "after one": (None, None, "b", 1, ["c"]),
    "after one that is not there": (None, None, "aa", 2, ["b", "c"]),
    "after the last": (None, None, "d", 9, []),
}


@pytest.mark.parametrize(("account", "state", "after", "limit", "expected"), LISTS.values(), ids=LISTS.keys())
def test_deliveries_are_listed(
    deliveries: Deliveries, account: str | None, state: str | None, after: str, limit: int, expected: list[str]
) -> None:
    deliveries.put([request("c"), request("b", OTHER), request("d", OTHER, REVIEW), request("a", CRM)])
    for one in deliveries.claim(1_000, 500, 9):
        deliveries.keep(replace(one, state="failed" if one.request.id == "a" else "done"))
    assert [one.request.id for one in deliveries.all(account, state, after, limit)] == expected


# --- claiming ----------------------------------------------------------------------------------------------------------------


def test_of_each_link_the_oldest_one_is_claimed(deliveries: Deliveries) -> None:
    deliveries.put([request("b"), request("a", meeting=REVIEW), request("d", CRM), request("c", BO)])
    assert sorted(claimed(deliveries)) == ["b", "c", "d"]
    assert claimed(deliveries) == [], "while it is in flight, nothing else of its link"


def test_what_is_behind_comes_when_the_one_before_is_kept(deliveries: Deliveries) -> None:
    deliveries.put([request("b"), request("a", meeting=REVIEW)])
    finish(deliveries, "b", "a")
    assert (claimed(deliveries), states(deliveries)) == ([], {"a": "done", "b": "done"})


def test_one_that_waits_for_its_next_try_holds_up_its_own_link_only(deliveries: Deliveries) -> None:
    deliveries.put([request("a"), request("b", meeting=REVIEW), request("c", BO), request("d", BO, REVIEW)])
    for one in deliveries.claim(1_000, 500, 9):
        if one.request.id == "a":
            deliveries.keep(replace(one, tries=1, due_at=60_000, reason="it was down \0"))
        else:
            deliveries.keep(replace(one, state="done", tries=1))
    assert claimed(deliveries) == ["d"]
    assert (claimed(deliveries, 59_999, FAR), claimed(deliveries, 60_000)) == (["d"], ["a"])
    assert deliveries.get("b") == Delivery(request=request("b", meeting=REVIEW), due_at=100)


def test_the_longest_due_are_claimed_first_and_no_more_than_asked_for(deliveries: Deliveries) -> None:
    for id, link, at in [("a", ADA, 300), ("b", BO, 100), ("c", CRM, 200), ("d", OTHER, 1_001)]:
        deliveries.put([request(id, link, requested_at=at)])
    assert (claimed(deliveries, limit=2), claimed(deliveries), claimed(deliveries, 1_001)) == (["b", "c"], ["a"], ["d"])


def test_a_claimed_delivery_is_kept_as_it_came_out(deliveries: Deliveries) -> None:
    deliveries.put([request("a")])
    one = claim_one(deliveries)
    assert one == Delivery(request=request("a"), due_at=100, until=1_500, lease=one.lease)
    assert (deliveries.get("a"), one.lease != 0) == (one, True)
    out = replace(one, state="failed", tries=3, reason="the calendar is read-only \0")
    deliveries.keep(out)
    assert deliveries.get("a") == replace(out, until=0, lease=0)


def refused(deliveries: Deliveries, delivery: Delivery) -> bool:
    """Is it, and changes nothing?"""
    before = deliveries.all(None, None, "", 9)
    with pytest.raises(Conflict):
        deliveries.keep(replace(delivery, state="done", tries=99))
    return deliveries.all(None, None, "", 9) == before


def test_an_expired_lease_is_refused_though_nobody_else_came(deliveries: Deliveries, clock: Clock) -> None:
    deliveries.put([request("a")])
    one = claim_one(deliveries)
    clock.at = 1_500
    assert refused(deliveries, one)


def test_a_lease_that_another_has_now_is_refused(deliveries: Deliveries) -> None:
    deliveries.put([request("a")])
    lost = claim_one(deliveries)
    held = claim_one(deliveries, 1_500)
    assert (lost.lease != held.lease, refused(deliveries, lost)) == (True, True)
    deliveries.keep(replace(held, state="done"))
    assert states(deliveries) == {"a": "done"}


def test_what_is_not_held_cannot_be_kept(deliveries: Deliveries) -> None:
    deliveries.put([request("a")])
    assert refused(deliveries, Delivery(request=request("a")))
    assert refused(deliveries, Delivery(request=request("b")))
    one = claim_one(deliveries)
    deliveries.keep(replace(one, due_at=2_000))
    assert refused(deliveries, one)


# --- holding for longer --------------------------------------------------------------------------------------------------------


def test_one_that_is_held_for_longer_is_nobody_elses_until_then_and_kept_as_it_was_claimed(deliveries: Deliveries, clock: Clock) -> None:
    deliveries.put([request("a"), request("b", meeting=REVIEW)])
    one = claim_one(deliveries)
    clock.at = 1_499
    assert deliveries.extend(one, 2_000) == replace(one, until=2_000)
    assert (deliveries.get("a"), claimed(deliveries, 1_500), claimed(deliveries, 1_999)) == (replace(one, until=2_000), [], [])
    clock.at = 1_999
    deliveries.keep(replace(one, state="done", tries=1))
    assert (states(deliveries), claimed(deliveries)) == ({"a": "done", "b": "waiting"}, ["b"])


def test_one_that_is_held_again_and_again_is_lost_when_its_holder_falls_silent(deliveries: Deliveries, clock: Clock) -> None:
    deliveries.put([request("a")])
    one = claim_one(deliveries)
    for clock.at in (1_400, 1_800, 2_200):
        one = deliveries.extend(one, clock.at + 500)
    assert (claimed(deliveries, 2_699), claimed(deliveries, 2_700)) == ([], ["a"])
    assert refused(deliveries, one)


def unheld(deliveries: Deliveries, delivery: Delivery) -> bool:
    """Can it not be held, and nothing changes?"""
    before = deliveries.all(None, None, "", 9)
    with pytest.raises(Conflict):
        deliveries.extend(delivery, FAR)
    return deliveries.all(None, None, "", 9) == before


def test_who_lets_a_lease_run_out_cannot_hold_it_for_longer(deliveries: Deliveries, clock: Clock) -> None:
    deliveries.put([request("a")])
    one = claim_one(deliveries)
    clock.at = 1_500
    assert (unheld(deliveries, one), claimed(deliveries, 1_500)) == (True, ["a"])


def test_what_another_has_by_now_or_is_kept_or_was_never_claimed_cannot_be_held(deliveries: Deliveries) -> None:
    deliveries.put([request("a"), request("b", BO)])
    lost = {one.request.id: one for one in deliveries.claim(1_000, 500, 9)}
    held = {one.request.id: one for one in deliveries.claim(1_500, 500, 9)}
    deliveries.keep(replace(held["b"], due_at=3_000, tries=1))
    assert [unheld(deliveries, one) for one in (lost["a"], lost["b"], held["b"], Delivery(request=request("c")))] == [True] * 4
    assert claimed(deliveries, 1_999) == []


# --- waking --------------------------------------------------------------------------------------------------------------------


def put_off(deliveries: Deliveries, until: int, *ids: str) -> None:
    """Of those that are due, these are."""
    for one in deliveries.claim(1_000, 500, 9):
        assert one.request.id in ids
        deliveries.keep(replace(one, due_at=until, tries=2, reason="connect again"))


def test_what_was_put_off_is_due_when_its_link_is_woken_and_no_others(deliveries: Deliveries) -> None:
    deliveries.put([request("a"), request("b", BO), request("c", meeting=REVIEW)])
    put_off(deliveries, 60_000, "a", "b")
    assert (deliveries.wake(ADA, 2_000), claimed(deliveries, 1_999), claimed(deliveries, 2_000)) == (1, [], ["a"])
    woken = deliveries.get("a")
    assert woken is not None
    assert (woken.due_at, woken.tries, woken.reason) == (2_000, 2, "connect again")
    assert (deliveries.get("b"), deliveries.wake(ADA, 2_000)) == (
        Delivery(request=request("b", BO), due_at=60_000, tries=2, reason="connect again"),
        0,
    )


def test_what_is_due_has_been_due_for_as_long_as_before(deliveries: Deliveries) -> None:
    deliveries.put([request("a")])
    assert (deliveries.wake(ADA, 900), deliveries.wake(BO, 900), deliveries.get("a")) == (0, 0, Delivery(request=request("a"), due_at=100))


def test_one_that_somebody_has_is_not_woken_from_his_hands(deliveries: Deliveries) -> None:
    deliveries.put([request("a")])
    one = claim_one(deliveries)
    assert (deliveries.wake(ADA, 1_200), deliveries.get("a"), claimed(deliveries, 1_200)) == (0, one, [])
    deliveries.keep(replace(one, due_at=60_000, reason="connect again"))
    assert (claimed(deliveries, 59_999), deliveries.wake(ADA, 2_000), claimed(deliveries, 2_000)) == ([], 1, ["a"])


@pytest.mark.parametrize("state", ["done", "failed", "superseded"])
def test_what_does_not_wait_is_not_woken(deliveries: Deliveries, state: Literal["done", "failed", "superseded"]) -> None:
    deliveries.put([request("a")])
    deliveries.keep(replace(claim_one(deliveries), state=state, due_at=9_000))
    before = deliveries.get("a")
    assert (deliveries.wake(ADA, 2_000), deliveries.get("a"), claimed(deliveries, FAR)) == (0, before, [])


# --- superseding -------------------------------------------------------------------------------------------------------------

SUPERSEDED = {
    "fields of which it says all": (update("a", "title"), update("b", "time", "title"), True),
    "the same fields": (update("a", "title"), update("b", "title"), True),
    "a field that it says not": (update("a", "title", "place"), update("b", "title"), False),
    "of another copy": (update("a", "title"), update("b", "title", copy="e2"), False),
    "of another meeting": (update("a", "title"), update("b", "title", meeting=REVIEW), False),
    "of another link": (update("a", "title"), update("b", "title", link=BO), False),
    "a creation by another": (request("a"), request("b"), True),
    "a creation by an update": (request("a"), update("b", "title", copy=None), True),
    "a creation by an update of a copy that is there": (request("a"), update("b", "title"), False),
    "an update by a creation": (update("a", "title"), request("b"), True),
}


@pytest.mark.parametrize(("old", "new", "superseded"), SUPERSEDED.values(), ids=SUPERSEDED.keys())
@pytest.mark.parametrize("together", [True, False], ids=["put together", "put one after the other"])
def test_a_waiting_one_is_superseded_if_the_new_one_says_all_it_said(
    deliveries: Deliveries, old: Request, new: Request, superseded: bool, together: bool
) -> None:
    for some in [[old, new]] if together else [[old], [new]]:
        deliveries.put(some)
    assert states(deliveries) == {"a": "superseded" if superseded else "waiting", "b": "waiting"}
    assert ("a" in claimed(deliveries)) is not superseded


def test_a_creation_that_was_not_begun_stays_one_with_the_newer_content(deliveries: Deliveries) -> None:
    first, second = request("a", invite=True, uid="u@rendezvous"), update("b", "title", copy=None, uid=None)
    deliveries.put([first])
    deliveries.put([second])
    made = replace(second, action="create", changed=(), revision=None, invite=True, uid="u@rendezvous")
    assert claim_one(deliveries).request == made
    assert made.content.title == "says b"


def test_guests_who_were_to_be_told_are_told_by_the_newer_one(deliveries: Deliveries) -> None:
    deliveries.put([update("a", "time", invite=True), update("b", "time", "title")])
    assert claim_one(deliveries).request == update("b", "time", "title", invite=True)


def begun(deliveries: Deliveries, how: str) -> None:
    one = claim_one(deliveries)
    if how == "called":
        deliveries.keep(replace(one, tries=1, due_at=100))
    if how == "done":
        deliveries.keep(replace(one, state="done", tries=1))


@pytest.mark.parametrize("how", ["in flight", "called", "done"])
def test_one_that_somebody_has_begun_is_not_superseded(deliveries: Deliveries, how: str) -> None:
    deliveries.put([update("a", "title")])
    begun(deliveries, how)
    deliveries.put([update("b", "title")])
    assert states(deliveries) == {"a": "done" if how == "done" else "waiting", "b": "waiting"}


def test_one_whose_lease_ran_out_may_have_been_called_and_is_not_superseded(deliveries: Deliveries) -> None:
    deliveries.put([request("a")])
    claim_one(deliveries)
    deliveries.put([request("b")])
    assert (claimed(deliveries, 1_500), states(deliveries)) == (["a"], {"a": "waiting", "b": "waiting"})


def test_one_that_was_claimed_and_put_back_uncalled_is_superseded(deliveries: Deliveries) -> None:
    deliveries.put([update("a", "title")])
    deliveries.keep(replace(claim_one(deliveries), due_at=9_000, reason="connect again"))
    deliveries.put([update("b", "title")])
    assert (states(deliveries), claimed(deliveries)) == ({"a": "superseded", "b": "waiting"}, ["b"])


_FIELDS = st.sets(st.sampled_from(["title", "time", "place", "guests"]), min_size=1).map(lambda some: tuple(sorted(some)))
_UPDATES = st.builds(lambda fields, copy, invite: (fields, copy, invite), _FIELDS, st.sampled_from(["e1", "e2", None]), st.booleans())


@given(st.lists(st.none() | _UPDATES, min_size=1, max_size=6))
def test_whatever_was_asked_for_is_still_said_by_what_waits(asked: list[tuple[tuple[str, ...], str | None, bool] | None]) -> None:
    """None asks for a creation, the others for updates."""
    new = [request(str(n)) if one is None else update(str(n), *one[0], copy=one[1], invite=one[2]) for n, one in enumerate(asked)]
    waiting: list[Request] = []
    for one in new:
        request_, gone = kept(one, waiting)
        waiting = [*(old for old in waiting if old.id not in gone), request_]
    for one in new:
        later = [w for w in waiting if int(w.id) >= int(one.id)]
        says = [w for w in later if w.action == "create" or (w.copy == one.copy and set(one.changed) <= set(w.changed) and one.changed)]
        assert says, one
        assert any(w.invite for w in later) or not one.invite


# --- failed ones -------------------------------------------------------------------------------------------------------------


def failed(deliveries: Deliveries, id: str = "a") -> None:
    deliveries.put([request(id)])
    deliveries.keep(replace(claim_one(deliveries), state="failed", tries=3, reason="no room"))


def test_a_failed_one_is_not_claimed_until_it_is_told_to_try_again(deliveries: Deliveries) -> None:
    failed(deliveries)
    assert (claimed(deliveries, FAR), deliveries.retry("a", 5_000), deliveries.retry("a", 5_000)) == ([], True, False)
    assert deliveries.get("a") == Delivery(request=request("a"), tries=3, due_at=5_000)
    assert (claimed(deliveries, 4_999), claimed(deliveries, 5_000)) == ([], ["a"])


def test_a_failed_one_holds_up_nobody(deliveries: Deliveries) -> None:
    failed(deliveries)
    deliveries.put([request("b", meeting=REVIEW)])
    assert claimed(deliveries) == ["b"]


def test_one_that_is_tried_again_waits_for_what_is_in_flight(deliveries: Deliveries) -> None:
    failed(deliveries)
    deliveries.put([request("b", meeting=REVIEW), request("c", BO)])
    first = {one.request.id: one for one in deliveries.claim(1_000, 500, 9)}
    assert (sorted(first), deliveries.retry("a", 500), claimed(deliveries)) == (["b", "c"], True, [])
    deliveries.keep(replace(first["b"], state="done", tries=1))
    assert claimed(deliveries) == ["a"]


@pytest.mark.parametrize("state", ["waiting", "done", "superseded"])
def test_only_a_failed_one_can_be_tried_again(deliveries: Deliveries, state: Literal["waiting", "done", "superseded"]) -> None:
    deliveries.put([request("a")])
    deliveries.keep(replace(claim_one(deliveries), state=state, due_at=7_000))
    before = deliveries.get("a")
    assert (deliveries.retry("a", 0), deliveries.get("a")) == (False, before)


# --- what is over ------------------------------------------------------------------------------------------------------------

WORDY = Content(
    datetime(2026, 3, 9, 10),
    "PT1H",
    "Dr Feelgood",
    "About Bo",
    "Bo's place",
    "https://meet.example/bo",
    time_zone="Europe/Paris",
    guests=(Guest("k.sealed"),),
    rules=("FREQ=DAILY",),
    contacts=("151",),
    companies=("152",),
    deals=("153",),
    tickets=("154",),
)
BARE = Content(datetime(2026, 3, 9, 10), "PT1H", time_zone="Europe/Paris")


@pytest.mark.parametrize(("state", "stays"), [("done", False), ("superseded", False), ("failed", True), ("waiting", True)])
def test_what_a_delivery_said_is_kept_until_it_is_over(
    deliveries: Deliveries, state: Literal["waiting", "done", "failed", "superseded"], stays: bool
) -> None:
    asked = update("a", "title", "guests", content=WORDY, uid="u@rendezvous", invite=True)
    deliveries.put([asked])
    deliveries.keep(replace(claim_one(deliveries), state=state, tries=1))
    assert deliveries.get("a") == Delivery(request=asked if stays else replace(asked, content=BARE), state=state, tries=1, due_at=100)


def test_what_a_superseded_one_said_is_forgotten_and_said_by_the_newer_one(deliveries: Deliveries) -> None:
    first, second = update("a", "title", content=WORDY), update("b", "title", content=WORDY)
    deliveries.put([first])
    deliveries.put([second])
    assert [one.request for one in deliveries.all(None, None, "", 9)] == [replace(first, content=BARE), second]


def test_what_was_forgotten_is_not_in_the_file_any_more(tmp_path: Path, clock: Clock) -> None:
    deliveries = SqliteDeliveries(tmp_path / "store.db", clock)
    deliveries.put([update("a", "title", content=WORDY)])
    deliveries.put([update("b", "title", content=WORDY)])
    finish(deliveries, "b")
    deliveries._file.truncate_wal()
    assert b"Feelgood" not in (tmp_path / "store.db").read_bytes()
    deliveries.close()


def test_a_failed_one_that_a_person_drops_is_over_and_says_nothing_any_more(deliveries: Deliveries) -> None:
    asked = update("a", "title", content=WORDY)
    deliveries.put([asked, request("b", BO)])
    for one in deliveries.claim(1_000, 500, 9):
        if one.request.id == "a":
            deliveries.keep(replace(one, state="failed", tries=3, reason="no room"))
    assert [deliveries.drop(id) for id in ("a", "a", "b", "never there")] == [True, False, False, False]
    dropped = Delivery(request=replace(asked, content=BARE), state="superseded", tries=3, due_at=100, reason="somebody has dropped it")
    assert (deliveries.get("a"), deliveries.retry("a", 0), claimed(deliveries)) == (dropped, False, [])
    assert (deliveries.prune(FAR), states(deliveries)) == (1, {"b": "waiting"})


# --- taking back -------------------------------------------------------------------------------------------------------------

PRIVATE = Recall("62515", KICK_OFF.hex, "it turned private")


def test_what_waits_or_failed_of_a_recalled_meeting_is_over_and_says_nothing_any_more(deliveries: Deliveries) -> None:
    mine = [update("a", "title", content=WORDY), update("b", "time", link=BO, content=WORDY), request("c", CRM, content=WORDY)]
    deliveries.put([*mine, request("d", meeting=REVIEW), request("e", OTHER)])
    for one in deliveries.claim(1_000, 500, 9):
        if one.request.id == "b":
            deliveries.keep(replace(one, state="failed", tries=3, reason="no room"))
        else:
            deliveries.keep(one)
    deliveries.put([PRIVATE])
    assert states(deliveries) == {"a": "superseded", "b": "superseded", "c": "superseded", "d": "waiting", "e": "waiting"}
    over = deliveries.all(None, "superseded", "", 9)
    assert {(one.request.content, one.reason) for one in over} == {(BARE, "it turned private")}
    assert (sorted(claimed(deliveries, FAR)), deliveries.retry("b", 0), deliveries.drop("b")) == (["d", "e"], False, False)


def test_what_is_asked_for_after_a_recall_waits(deliveries: Deliveries) -> None:
    deliveries.put([request("a"), PRIVATE, request("b")])
    assert (states(deliveries), claimed(deliveries)) == ({"a": "superseded", "b": "waiting"}, ["b"])
    deliveries.put([PRIVATE, request("a")])
    assert states(deliveries)["a"] == "superseded"


@pytest.mark.parametrize(
    ("kept", "state", "tries", "reason"),
    [("waiting", "superseded", 0, "it turned private"), ("failed", "superseded", 0, "it turned private"), ("done", "done", 1, None)],
)
def test_one_that_somebody_has_when_it_is_recalled_is_done_or_over(
    deliveries: Deliveries, kept: Literal["waiting", "failed", "done"], state: str, tries: int, reason: str | None
) -> None:
    deliveries.put([update("a", "title", content=WORDY), request("b", meeting=REVIEW)])
    one = claim_one(deliveries)
    deliveries.put([PRIVATE])
    assert claimed(deliveries) == [], "of its link there is one in flight"
    held = deliveries.extend(one, 1_600)
    assert held.request.content == WORDY
    why = None if kept == "done" else "busy"
    deliveries.keep(replace(held, state=kept, tries=1, due_at=2_000, reason=why))
    after = deliveries.get("a")
    assert after is not None
    assert (after.state, after.tries, after.reason, after.request.content, after.lease) == (state, tries, reason, BARE, 0)
    assert claimed(deliveries) == ["b"]


def test_one_that_was_recalled_while_its_holder_died_is_over(deliveries: Deliveries, clock: Clock) -> None:
    deliveries.put([request("a"), request("b", meeting=REVIEW)])
    one = claim_one(deliveries)
    deliveries.put([PRIVATE])
    clock.at = 1_501
    assert claimed(deliveries, 1_501) == ["b"]
    with pytest.raises(Conflict):
        deliveries.keep(replace(one, state="done"))
    assert states(deliveries)["a"] == "superseded"


def test_a_recall_of_creations_leaves_what_a_provider_may_have_heard_of(deliveries: Deliveries) -> None:
    deliveries.put([request("a"), request("b", CRM), request("c", BO), update("d", "title", link=BO, meeting=REVIEW)])
    [begun] = [one for one in deliveries.claim(1_000, 500, 9) if one.request.id == "c"]
    for one in deliveries.claim(1_501, 500, 9):
        if one.request.id != "c":
            deliveries.keep(replace(one, due_at=FAR))
    deliveries.put([request("e", Link("62515", "google", "777"))])
    deliveries.put([PRIVATE._replace(creations=True), Recall("62515", REVIEW.hex, "", creations=True), Recall("7", KICK_OFF.hex, "")])
    assert begun.request.id == "c"
    assert states(deliveries) == {"a": "superseded", "b": "waiting", "c": "waiting", "d": "waiting", "e": "superseded"}


def test_a_recall_of_what_nobody_asked_for_is_harmless(deliveries: Deliveries) -> None:
    deliveries.put([PRIVATE])
    assert states(deliveries) == {}


def test_what_was_recalled_is_not_in_the_file_any_more(tmp_path: Path, clock: Clock) -> None:
    deliveries = SqliteDeliveries(tmp_path / "store.db", clock)
    deliveries.put([update("a", "title", content=WORDY)])
    deliveries.put([PRIVATE])
    deliveries._file.truncate_wal()
    assert b"Feelgood" not in (tmp_path / "store.db").read_bytes()
    deliveries.close()


def test_those_that_were_over_before_a_time_are_dropped(deliveries: Deliveries) -> None:
    deliveries.put([update("a", "title", meeting=UUID(int=3)), update("b", "title", meeting=UUID(int=3), requested_at=200)])
    deliveries.put([request("c", BO), request("d", CRM), request("e", OTHER)])
    for one in deliveries.claim(1_000, 500, 9):
        if one.request.id != "e":
            deliveries.keep(replace(one, state="failed" if one.request.id == "d" else "done", tries=1))
    assert states(deliveries) == {"a": "superseded", "b": "done", "c": "done", "d": "failed", "e": "waiting"}
    assert (deliveries.prune(100), deliveries.prune(200), deliveries.prune(FAR), deliveries.prune(FAR)) == (0, 2, 1, 0)
    assert states(deliveries) == {"d": "failed", "e": "waiting"}
    deliveries.put([request("c", BO)])
    assert claimed(deliveries) == ["c"]


def test_those_that_tell_whether_a_failed_one_is_outdated_stay(deliveries: Deliveries) -> None:
    failed(deliveries)
    deliveries.put([request("b"), request("c", meeting=REVIEW)])
    finish(deliveries, "b", "c")
    assert (deliveries.prune(FAR), states(deliveries)) == (1, {"a": "failed", "b": "done"})
    assert (deliveries.retry("a", 0), deliveries.prune(FAR)) == (True, 0)
    deliveries.keep(replace(claim_one(deliveries), state="superseded"))
    assert (deliveries.prune(FAR), states(deliveries)) == (2, {})


# --- creations that are asked for again ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["in flight", "called"])
def test_a_creation_behind_one_that_was_begun_knows_what_that_one_said(deliveries: Deliveries, how: str) -> None:
    first, second = request("a"), request("b")
    deliveries.put([first])
    begun(deliveries, how)
    deliveries.put([second])
    assert [one.request for one in deliveries.all(None, None, "", 9)] == [first, replace(second, former=first.content)]


BROUGHT = Content(datetime(2026, 3, 9, 10), "PT1H", "said before")


@pytest.mark.parametrize(
    ("how", "former"),
    [
        pytest.param("never put", BROUGHT, id="it is done, and forgotten"),
        pytest.param("done", BROUGHT, id="it is done"),
        pytest.param("in flight", request("a").content, id="it is in flight"),
        pytest.param("waiting", None, id="nobody began it"),
    ],
)
def test_a_creation_that_says_what_was_asked_before_keeps_that_where_it_may_be_made(
    deliveries: Deliveries, how: str, former: Content | None
) -> None:
    if how != "never put":
        deliveries.put([request("a")])
    if how in ("done", "in flight"):
        begun(deliveries, how)
    deliveries.put([request("b", former=BROUGHT)])
    found = deliveries.get("b")
    assert found is not None
    assert found.request.former == former


def test_what_supersedes_such_a_creation_knows_it_too(deliveries: Deliveries) -> None:
    first, third = request("a"), request("c")
    deliveries.put([first])
    one = claim_one(deliveries)
    deliveries.put([request("b")])
    deliveries.keep(replace(one, state="done", tries=1))
    deliveries.put([third])
    assert (states(deliveries)["b"], claim_one(deliveries).request) == ("superseded", replace(third, former=first.content))
    deliveries.keep(replace(claim_one(deliveries, 1_500), state="done", tries=1))
    found = deliveries.get("c")
    assert found is not None
    assert found.request == emptied(third)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(request("b", meeting=REVIEW), id="another meeting"),
        pytest.param(request("b", BO), id="another link"),
        pytest.param(update("b", "title"), id="an update"),
    ],
)
def test_nothing_else_knows_what_a_creation_that_was_begun_said(deliveries: Deliveries, other: Request) -> None:
    deliveries.put([request("a")])
    begun(deliveries, "called")
    deliveries.put([other])
    assert deliveries.get("b") == Delivery(request=other, due_at=100)


# --- deliveries that last ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", LASTING.values(), ids=LASTING.keys())
def test_deliveries_are_there_when_the_table_is_opened_again(make: Make, tmp_path: Path, clock: Clock) -> None:
    first = make(tmp_path, clock)
    first.put([request("a"), request("b", BO)])
    held = {one.request.id: one for one in first.claim(1_000, 500, 9)}
    first.keep(replace(held["a"], state="done", tries=1))
    again = make(tmp_path, clock)
    assert (states(again), again.get("b"), claimed(again)) == ({"a": "done", "b": "waiting"}, held["b"], [])
    again.keep(replace(held["b"], state="done"))
    assert states(first) == {"a": "done", "b": "done"}


@pytest.mark.parametrize("make", TABLES.values(), ids=TABLES.keys())
def test_of_those_who_claim_at_once_no_two_get_one_link_and_each_link_keeps_its_order(make: Make, tmp_path: Path, clock: Clock) -> None:
    """While requests are still being put."""
    made = make(tmp_path, clock)
    tables = [made if isinstance(made, MemoryDeliveries) else make(tmp_path, clock) for _ in range(5)]
    links = [Link("62515", "google", str(n)) for n in range(6)]
    flying: set[Link] = set()
    done: dict[Link, list[str]] = {link: [] for link in links}
    guard = threading.Lock()

    def act(n: int) -> None:
        if n == 4:
            for step in range(12):
                tables[n].put([request(f"{step:02} {link.user}", link, UUID(int=step)) for link in links])
            return
        while sum(map(len, done.values())) < 72:
            for one in tables[n].claim(1_000, 500, 2):
                with guard:
                    assert one.request.link not in flying
                    flying.add(one.request.link)
                    done[one.request.link].append(one.request.id)
                with guard:
                    flying.remove(one.request.link)
                tables[n].keep(replace(one, state="done", tries=1))

    at_once(5, act)
    assert done == {link: [f"{step:02} {link.user}" for step in range(12)] for link in links}
    assert set(states(made).values()) == {"done"}


@pytest.mark.parametrize("make", LASTING.values(), ids=LASTING.keys())
def test_of_those_who_put_the_same_at_once_each_is_kept_once(make: Make, tmp_path: Path, clock: Clock) -> None:
    tables = [make(tmp_path, clock) for _ in range(4)]
    some = [request(f"{n:02}", link, UUID(int=n)) for n in range(20) for link in [(ADA, BO, CRM, OTHER)[n % 4]]]
    at_once(4, lambda n: tables[n].put(some if n % 2 else some[::-1]))
    assert states(tables[0]) == {f"{n:02}": "waiting" for n in range(20)}


QUESTIONS = {
    "links with something due": "SELECT link FROM delivery_links WHERE due_at <= 1000 AND until <= 1000 ORDER BY due_at LIMIT 10",
    "the oldest that waits": "SELECT n FROM deliveries WHERE link = '\\x00' AND state = 'waiting' ORDER BY n LIMIT 1",
}


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS.keys())
def test_a_claim_reads_no_more_than_is_due(question: str, tmp_path: Path) -> None:
    """Whatever waits behind a provider that is down."""
    opened = database(tmp_path)
    with opened.transaction() as connection:
        connection.execute("SET LOCAL enable_seqscan = off; SET LOCAL enable_bitmapscan = off; SET LOCAL enable_sort = off")
        plan = "\n".join(line for (line,) in connection.execute(f"EXPLAIN {question}".encode()))
    assert ("Index" in plan, "Sort" in plan, "Seq Scan" in plan) == (True, False, False), plan


def test_a_claim_of_a_file_reads_no_more_than_is_due(tmp_path: Path, clock: Clock) -> None:
    deliveries = SqliteDeliveries(tmp_path / "store.db", clock)
    plan = " ".join(row[-1] for row in deliveries._file.rows(f"EXPLAIN QUERY PLAN {_DUE}", (1, 1, 1)))
    assert ("SCAN" in plan, "delivery_links_due" in plan, "deliveries_waiting" in plan) == (False, True, True), plan


def test_pruning_a_file_reads_no_more_than_is_over_for_long(tmp_path: Path, clock: Clock) -> None:
    deliveries = SqliteDeliveries(tmp_path / "store.db", clock)
    plan = " ".join(row[-1] for row in deliveries._file.rows(f"EXPLAIN QUERY PLAN {_PRUNE}", (1,)))
    assert ("SCAN deliveries" in plan, "deliveries_over" in plan, "deliveries_open" in plan) == (False, True, True), plan
