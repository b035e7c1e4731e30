"""Rule mass-delete: a complete listing that would remove too much of a connection is held for a person, who releases or discards it."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest

from domain.errors import NotFound
from services import held
from tests.engine import Engine, staged
from tests.examples import BEN, Event, configured, connected, deleted, ended, listed, meeting, row, row_deleted

if TYPE_CHECKING:
    from services.wiring import Installation

BENS = connected("502")


def parts(engine: Engine) -> Installation:
    """What the commands about held deletions need of an installation."""
    store = SimpleNamespace(store=engine.store, vault=engine.vault, views=engine.views)
    return cast("Installation", SimpleNamespace(shard_of=lambda account: store))


def many(count: int, **fields: Any) -> list[Event]:
    """So many meetings of Ana's, m0 and so on."""
    return [meeting(f"m{n}", title=f"M{n}", **fields) for n in range(count)]


def without(gone: int, count: int, revision: float = 100) -> Event:
    """A complete listing in which the first `gone` of `count` meetings are missing."""
    return listed([f"m{n}" for n in range(gone, count)], revision)


def policy(count: int, share: float, revision: float = 0) -> Event:
    """Settings with this policy."""
    return configured(revision, policy={"mass_delete": {"count": count, "share": share}})


def cancelled(engine: Engine) -> list[str]:
    """The titles of what is shown as cancelled."""
    return sorted(title for title, _, status in engine.shown() if status == "cancelled")


def mass_deleted(known: int = 30, gone: int = 12) -> Engine:
    """An engine in which 12 of 30 meetings' deletions are held."""
    engine = staged(*many(known), without(gone, known))
    assert cancelled(engine) == []
    return engine


# --- how much is too much ---------------------------------------------------------------------------------------------

HELD, TAKEN = ("mass-delete", "held"), ("calendar-deletes", "applied")
DEFAULT = (10, 0.2)
THRESHOLDS: dict[str, tuple[tuple[int, float], int, int, tuple[str, str]]] = {
    "10 of 20: many, but not more than 10": (DEFAULT, 20, 10, TAKEN),
    "all of 10": (DEFAULT, 10, 10, TAKEN),
    "11 of 20": (DEFAULT, 20, 11, HELD),
    "all of 11": (DEFAULT, 11, 11, HELD),
    "11 of 55: exactly 20 %": (DEFAULT, 55, 11, TAKEN),
    "11 of 54: a little more than 20 %": (DEFAULT, 54, 11, HELD),
    "12 of 60: exactly 20 %": (DEFAULT, 60, 12, TAKEN),
    "none": (DEFAULT, 20, 0, TAKEN),
    "chosen: 3 of 6, exactly half": ((2, 0.5), 6, 3, TAKEN),
    "chosen: 4 of 6, more than half": ((2, 0.5), 6, 4, HELD),
    "chosen: exactly 10 %": ((0, 0.1), 30, 3, TAKEN),
    "chosen: exactly 29 %": ((5, 0.29), 100, 29, TAKEN),
    "chosen: more than 29 %": ((5, 0.29), 100, 30, HELD),
    "chosen: exactly 7 %": ((5, 0.07), 100, 7, TAKEN),
    "nothing is ever held at 100 %": ((0, 1), 12, 12, TAKEN),
    "everything is held at nothing": ((0, 0), 12, 1, HELD),
}


@pytest.mark.parametrize(("chosen", "known", "gone", "expected"), THRESHOLDS.values(), ids=list(THRESHOLDS))
def test_more_than_both_the_number_and_the_share_is_held(
    chosen: tuple[int, float], known: int, gone: int, expected: tuple[str, str]
) -> None:
    engine = staged(policy(*chosen), *many(known), listing := without(gone, known))
    assert engine.decided(listing) == [expected]
    assert len(cancelled(engine)) == (gone if expected is TAKEN else 0)


def test_a_policy_counts_from_when_it_is_made() -> None:
    engine = staged(*many(6), policy(2, 0.2, revision=1), first := without(3, 6, 100))
    assert engine.decided(first) == [HELD]
    engine.tell(policy(10, 0.2, revision=2), second := without(3, 6, 101))
    assert engine.decided(second) == [TAKEN]
    assert cancelled(engine) == ["M0", "M1", "M2"]


def test_a_policy_without_this_key_is_the_default() -> None:
    engine = staged(policy(2, 0.2, 0), configured(1), *many(20), listing := without(10, 20))
    assert engine.decided(listing) == [TAKEN]


def test_only_that_connections_meetings_count() -> None:
    others = [meeting(f"b{n}", user="502", owner=BEN) for n in range(60)]
    engine = staged(BENS, *others, *many(20), listing := without(11, 20))
    assert engine.decided(listing) == [HELD]
    assert engine.notes(listing)[0]["known"] == 20


def test_what_was_deleted_already_is_neither_known_nor_gone() -> None:
    gone = [deleted(f"m{n}", 1) for n in range(5)]
    engine = staged(*many(20), *gone, listing := without(15, 20))
    assert engine.decided(listing) == [TAKEN]
    assert engine.notes(listing) == [{"deleted": 10, "known": 15}]


GONE: dict[str, tuple[list[Event], tuple[int, int]]] = {
    "cancelled": ([meeting(f"m{n}", 1, status="cancelled") for n in range(12)], (0, 2)),
    "deleted in the CRM": (
        [told for n in range(12) for told in (row(f"9{n}", 1, uid=f"m{n}@google.example"), row_deleted(f"9{n}", 2))],
        (0, 2),
    ),
    "turned private": ([meeting(f"m{n}", 1, privacy="private") for n in range(12)], (0, 2)),
    "changed, and there": ([meeting(f"m{n}", 1) for n in range(12)], (12, 14)),
}


@pytest.mark.parametrize(("before", "counted"), GONE.values(), ids=GONE.keys())
def test_only_what_the_listing_would_remove_counts(before: list[Event], counted: tuple[int, int]) -> None:
    engine = staged(*many(14), *before, listing := without(12, 14))
    gone, known = counted
    if gone:
        assert engine.notes(listing)[0].items() >= {"deletions": gone, "known": known}.items()
    else:
        assert (engine.decided(listing), engine.notes(listing)) == ([TAKEN], [{"deleted": 0, "known": known}])


def test_what_nobody_sees_is_known_to_be_gone_all_the_same() -> None:
    """A meeting that the CRM had deleted and restores is shown as the calendar has it by then."""
    rows = (row("90", 1, uid="m0@google.example"), row_deleted("90", 2))
    engine = staged(*many(2), *rows, without(1, 2))
    assert engine.titles() == ["M1"]
    engine.tell(row("90", 200, uid="m0@google.example", kind="meeting.restored", title="M0"))
    assert ("M0", "cancelled") in [(title, status) for title, _, status in engine.shown()]


def test_a_listing_of_a_connection_that_had_ended_removes_nothing_and_holds_nothing() -> None:
    engine = staged(*many(20), ended(revision=50), listing := listed([]))
    assert (engine.decided(listing), cancelled(engine)) == ([("active-window", "ignored")], [])


def test_a_listing_made_before_the_connection_ended_counts_when_it_arrives_after_it() -> None:
    engine = staged(*many(5), ended(revision=150), listing := listed([]))
    assert (engine.decided(listing), len(cancelled(engine))) == ([TAKEN], 5)


def test_what_is_outside_the_span_of_the_listing_is_known_and_not_gone() -> None:
    elsewhere = [meeting(f"x{n}", start="2027-02-02T10:00:00") for n in range(60)]
    until_june = listed([], until="2026-06-01T00:00:00Z")
    engine = staged(*elsewhere, *many(12), until_june)
    assert engine.decided(until_june) == [TAKEN]
    assert len(cancelled(engine)) == 12


def test_a_listing_that_is_not_complete_removes_nothing_and_holds_nothing() -> None:
    engine = staged(*many(20), listing := listed([], complete=False))
    assert (engine.decided(listing), cancelled(engine)) == ([("mass-delete", "ignored")], [])
    assert held.holds(parts(engine), "62515") == []


# --- held -------------------------------------------------------------------------------------------------------------


def test_what_is_held_is_listed_and_changes_nothing() -> None:
    engine = mass_deleted()
    [hold] = held.holds(parts(engine), "62515")
    assert (hold.user, hold.provider, hold.deletions, hold.known, hold.since) == ("501", "google", 12, 30, "2026-03-06T12:00:00Z")
    assert held.holds(parts(engine), "70001") == []


def test_the_decision_names_the_hold() -> None:
    engine = staged(*many(30), listing := without(12, 30))
    [hold] = held.holds(parts(engine), "62515")
    assert engine.notes(listing) == [{"hold": hold.hold, "deletions": 12, "known": 30}]


def test_released_what_was_held_happens() -> None:
    engine = mass_deleted()
    [hold] = held.holds(parts(engine), "62515")
    assert held.release(parts(engine), "62515", hold.hold) == 12
    assert cancelled(engine.settle()) == sorted(f"M{n}" for n in range(12))
    assert held.holds(parts(engine), "62515") == []


def test_discarded_it_never_happens() -> None:
    engine = mass_deleted()
    [hold] = held.holds(parts(engine), "62515")
    held.discard(parts(engine), "62515", hold.hold)
    assert (cancelled(engine.settle()), held.holds(parts(engine), "62515")) == ([], [])


@pytest.mark.parametrize("settle", [held.release, held.discard], ids=["release", "discard"])
@pytest.mark.parametrize("name", ["settled before", "never held", ""])
def test_what_is_not_held_can_be_neither_released_nor_discarded(settle: Any, name: str) -> None:
    engine = mass_deleted()
    [hold] = held.holds(parts(engine), "62515")
    held.discard(parts(engine), "62515", hold.hold)
    engine.settle()
    with pytest.raises(NotFound):
        settle(parts(engine), "62515", hold.hold if name == "settled before" else name)
    assert cancelled(engine.settle()) == []


def test_another_account_can_neither_release_nor_discard_it() -> None:
    engine = mass_deleted()
    [hold] = held.holds(parts(engine), "62515")
    with pytest.raises(NotFound):
        held.release(parts(engine), "70001", hold.hold)
    assert cancelled(engine.settle()) == []


def test_what_changed_after_the_listing_is_not_deleted_by_a_release() -> None:
    engine = mass_deleted()
    engine.tell(meeting("m0", 101, title="M0, after all"), meeting("m1", 99, title="M1, before"))
    [hold] = held.holds(parts(engine), "62515")
    assert held.release(parts(engine), "62515", hold.hold) == 11
    assert "M0, after all" not in cancelled(engine.settle())
    assert "M1, before" in cancelled(engine)


def test_what_was_deleted_meanwhile_is_deleted_once() -> None:
    engine = mass_deleted().tell(deleted("m0", 50))
    [hold] = held.holds(parts(engine), "62515")
    assert held.release(parts(engine), "62515", hold.hold) == 11
    assert len(cancelled(engine.settle())) == 12


def test_after_a_release_what_comes_is_decided_as_ever() -> None:
    engine = mass_deleted()
    [hold] = held.holds(parts(engine), "62515")
    held.release(parts(engine), "62515", hold.hold)
    engine.tell(meeting("m0", 200, title="Back"))
    assert "Back" in engine.titles()
    assert len(cancelled(engine)) == 11


def test_after_a_discard_a_later_listing_is_held_anew() -> None:
    engine = mass_deleted()
    [first] = held.holds(parts(engine), "62515")
    held.discard(parts(engine), "62515", first.hold)
    engine.tell(listing := without(12, 30, revision=101))
    [second] = held.holds(parts(engine), "62515")
    assert engine.decided(listing) == [HELD]
    assert (second.deletions, second.hold != first.hold) == (12, True)


def test_a_listing_that_holds_everything_again_removes_nothing_though_an_earlier_one_is_held() -> None:
    engine = mass_deleted().tell(listing := without(0, 30, revision=101))
    assert (engine.decided(listing), cancelled(engine)) == ([TAKEN], [])


def test_the_same_listing_delivered_twice_is_held_once() -> None:
    engine = mass_deleted().tell(without(12, 30))
    assert len(held.holds(parts(engine), "62515")) == 1


def test_a_hold_survives_a_restart() -> None:
    engine = mass_deleted()
    engine.start()
    [hold] = held.holds(parts(engine), "62515")
    assert held.release(parts(engine), "62515", hold.hold) == 12
    assert len(cancelled(engine.settle())) == 12
