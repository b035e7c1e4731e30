"""Rule active-window: only what was created while the connection is active, by the provider's creation time.

What must stay true: the window is [activated, disconnected); no delta, resync, exception, row of HubSpot's own sync or order
of arrival brings in what lies outside it, and nothing inside it is lost because the user disconnected afterwards.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.domain.rules.shuffling import same_in_any_order
from tests.engine import Engine, staged
from tests.examples import (
    ACCOUNT,
    ANA,
    BEN,
    BO,
    CY,
    Event,
    configured,
    connected,
    contact,
    contact_said,
    deleted,
    ended,
    hour,
    listed,
    meeting,
    occurrence,
    occurrence_deleted,
    row,
    series,
    ticked,
    user,
)

AT = "2026-04-07T08:00:00Z"
ENTRY = [("Kick-off", AT, "confirmed")]
ACTIVATED, DISCONNECTED, RECONNECTED, GONE = -23, 10, 20, 30
TWICE = (ended(revision=DISCONNECTED), connected(revision=RECONNECTED), ended(revision=GONE))
MS = timedelta(milliseconds=1)

# --- the window -------------------------------------------------------------------------------------------------------

WINDOW = {
    "long before the first activation": (hour(-1000), False),
    "a millisecond before the activation": (hour(ACTIVATED) - MS, False),
    "at the activation": (hour(ACTIVATED), True),
    "in the first window": (hour(0), True),
    "a millisecond before the disconnection": (hour(DISCONNECTED) - MS, True),
    "at the disconnection": (hour(DISCONNECTED), False),
    "in the gap": (hour(15), False),
    "a millisecond before the reconnection": (hour(RECONNECTED) - MS, False),
    "at the reconnection": (hour(RECONNECTED), True),
    "in the second window": (hour(25), True),
}


@pytest.mark.parametrize(("created", "synced"), WINDOW.values(), ids=WINDOW.keys())
def test_the_creation_time_decides(created: Any, synced: bool) -> None:
    told = meeting(revision=28, created=created)
    engine = staged(*TWICE[:2], told)
    assert engine.shown() == (ENTRY if synced else [])
    assert engine.decided(told)[0] == (("contact-match", "applied") if synced else ("active-window", "ignored"))


@pytest.mark.parametrize("told", [25, 50, 1000], ids=["delta", "resync", "much later resync"])
def test_no_resync_brings_an_old_meeting_back(told: float) -> None:
    old = meeting("old", 0, created=hour(-100))
    again = meeting("old", told, created=hour(-100), title="Changed since")
    engine = staged(old, *TWICE[:2], again, listed(["old"], told + 1))
    assert engine.shown() == []
    assert engine.decided(again) == [("active-window", "ignored")]


def test_a_meeting_outside_is_not_synced_for_any_of_several_contacts() -> None:
    engine = staged(meeting(created=hour(-100), guests=(BO, CY)))
    assert engine.shown("151") == engine.shown("152") == []


def test_nothing_of_a_meeting_outside_the_window_is_kept() -> None:
    engine = staged(meeting(created=hour(-100), title="Unheard-of title"))
    kept = b"".join(body for *_, body in engine.store.notifications(0, 10**6))
    assert b"Unheard-of title" not in kept


def test_without_any_connection_nothing_is_synced() -> None:
    told = meeting("b1", user="502", owner=BEN)
    engine = staged(told)
    assert engine.shown() == []
    assert engine.decided(told) == [("active-window", "ignored")]


def test_the_window_is_the_users_own() -> None:
    """Ana's connection says nothing about Ben's calendar."""
    engine = staged(connected("502", revision=5), meeting("b1", 6, user="502", owner=BEN, created=hour(1)))
    assert engine.shown() == []


# --- after a disconnection --------------------------------------------------------------------------------------------


def test_a_change_made_before_the_disconnection_counts_when_it_arrives_after_it() -> None:
    engine = same_in_any_order(meeting(), meeting(revision=9, title="Moved"), before=(ended(revision=DISCONNECTED),))
    assert engine.titles() == ["Moved"]


def test_a_meeting_made_before_the_disconnection_counts_when_it_arrives_after_it() -> None:
    assert staged(ended(revision=DISCONNECTED), meeting(revision=9, created=hour(9))).shown() == ENTRY


def test_a_deletion_made_before_the_disconnection_counts_when_it_arrives_after_it() -> None:
    engine = same_in_any_order(meeting(), deleted(revision=9), before=(ended(revision=DISCONNECTED),))
    assert engine.shown() == [("Kick-off", AT, "cancelled")]


@pytest.mark.parametrize("at", [10, 11], ids=["at the disconnection", "after it"])
def test_a_change_made_after_the_disconnection_does_not_count(at: float) -> None:
    engine = same_in_any_order(meeting(), meeting(revision=at, title="Moved"), before=(ended(revision=DISCONNECTED),))
    assert engine.titles() == ["Kick-off"]


def test_a_deletion_made_after_the_disconnection_does_not_count() -> None:
    engine = same_in_any_order(meeting(), deleted(revision=11), before=(ended(revision=DISCONNECTED),))
    assert engine.shown() == ENTRY


def test_a_change_made_in_the_gap_counts_once_the_calendar_is_connected_again() -> None:
    engine = staged(meeting(), *TWICE[:2], meeting(revision=15, title="Moved in the gap"))
    assert engine.titles() == ["Moved in the gap"]


# --- authorisation ----------------------------------------------------------------------------------------------------


def test_a_connection_without_authorisation_is_still_active() -> None:
    lost = ended(revision=2, kind="deauthorised")
    told = meeting(revision=8, created=hour(4))
    engine = staged(lost, connected(revision=6), told)
    assert engine.shown() == ENTRY


def test_what_arrives_before_the_renewal_is_synced_too() -> None:
    assert staged(ended(revision=2, kind="deauthorised"), meeting(revision=4, created=hour(4))).shown() == ENTRY


def test_a_disconnection_after_the_loss_of_authorisation_ends_the_window() -> None:
    engine = staged(ended(revision=2, kind="deauthorised"), ended(revision=4), meeting(revision=5, created=hour(5)))
    assert engine.shown() == []


# --- series -----------------------------------------------------------------------------------------------------------

SECOND = "2026-04-14T08:00:00Z"


def test_an_exception_created_inside_does_not_bring_in_a_series_from_before() -> None:
    master = series(created=hour(-100))
    engine = same_in_any_order(master, occurrence(SECOND, created=hour(1), start="2026-04-14T11:00:00"))
    assert engine.shown() == []


def test_the_occurrence_told_before_its_old_series_leaves_when_the_series_comes() -> None:
    exception = occurrence(SECOND, created=hour(1))
    engine = staged(exception)
    assert engine.shown() == [("Weekly", SECOND, "confirmed")]
    assert engine.tell(series(created=hour(-100))).shown() == []


def test_an_exception_made_in_the_gap_belongs_to_its_series_from_inside() -> None:
    exception = occurrence(SECOND, 21, created=hour(15), start="2026-04-14T11:00:00")
    engine = same_in_any_order(series(), exception, before=TWICE[:2])
    assert [e["start"] for e in engine.timeline()] == [AT, "2026-04-14T09:00:00Z", "2026-04-21T08:00:00Z", "2026-04-28T08:00:00Z"]


def test_a_tombstone_of_a_series_says_nothing_about_when_it_was_created() -> None:
    """The exception was synced as a meeting of its own; that its series is deleted shows it as cancelled, and does not lose it."""
    engine = same_in_any_order(occurrence(SECOND), deleted("s1", 5), occurrence_deleted(SECOND, 5))
    assert engine.shown() == [("Weekly", SECOND, "cancelled")]


# --- HubSpot's own sync -----------------------------------------------------------------------------------------------

UID = "g1@google.example"


def synced_row(created: float, **fields: Any) -> Event:
    """A row that HubSpot's own calendar sync made."""
    return row(uid=UID, origin="native-sync", created=hour(created), **fields)


@pytest.mark.parametrize(
    ("created", "synced"),
    [(-24, False), (ACTIVATED, True), (5, True), (DISCONNECTED, False), (15, False), (25, True)],
    ids=["before", "at the activation", "inside", "at the disconnection", "in the gap", "after the reconnection"],
)
def test_the_window_holds_for_rows_of_hubspots_own_sync(created: float, synced: bool) -> None:
    assert staged(*TWICE[:2], synced_row(created)).shown() == (ENTRY if synced else [])


def test_of_a_row_and_the_meeting_it_was_synced_from_the_meetings_time_decides_against() -> None:
    engine = same_in_any_order(meeting(created=hour(-100)), synced_row(1))
    assert engine.shown() == []


def test_of_a_row_and_the_meeting_it_was_synced_from_the_meetings_time_decides_for() -> None:
    engine = same_in_any_order(meeting(created=hour(0)), synced_row(-100))
    assert engine.shown() == ENTRY


def test_another_users_copy_of_an_old_meeting_keeps_its_row_out_too() -> None:
    old = meeting(created=hour(-100), guests=(BEN, BO))
    engine = same_in_any_order(old, synced_row(0, user="502"), before=[connected("502")])
    assert engine.shown() == []


def test_a_row_of_an_owner_connected_later_stays_with_the_meeting_that_another_window_let_in() -> None:
    told = synced_row(26, user="502", revision=26, associations={"deals": ["7"]})
    engine = same_in_any_order(meeting(guests=(BEN, BO)), told, before=[connected("502", revision=25)])
    assert [entry["associations"]["deals"] for entry in engine.timeline()] == [["7"]]


def test_a_row_of_a_user_without_connection_is_not_synced() -> None:
    told = synced_row(1, user="502")
    engine = staged(told)
    assert engine.shown() == []
    assert engine.decided(told) == [("active-window", "ignored")]


def test_a_row_made_by_hand_needs_no_window() -> None:
    assert staged(row(created=hour(-100))).shown() == ENTRY


def test_a_row_made_by_hand_stays_when_the_calendars_copy_is_from_before() -> None:
    engine = same_in_any_order(row(uid=UID, title="By hand"), meeting(created=hour(-100), title="Old copy"))
    assert engine.titles() == ["By hand"]


# --- several users ----------------------------------------------------------------------------------------------------


def bens_copy(revision: float, **fields: Any) -> Event:
    """Ana's meeting in Ben's calendar."""
    return meeting("b1", revision, user="502", guests=(BO, BEN), provenance={"icalUid": UID}, **fields)


def test_another_users_later_connection_does_not_take_the_meeting_out() -> None:
    engine = same_in_any_order(meeting(guests=(BO, BEN)), bens_copy(26, title="As Ben sees it"), before=(connected("502", revision=25),))
    assert engine.shown() == ENTRY


def test_another_users_later_connection_does_not_bring_an_old_meeting_in() -> None:
    engine = same_in_any_order(
        meeting(created=hour(-100), guests=(BO, BEN)), bens_copy(26, created=hour(-100)), before=(connected("502", revision=25),)
    )
    assert engine.shown() == []


def test_one_users_window_is_enough() -> None:
    """Ana connected after the meeting was made, Ben before: it is synced by Ben's."""
    late = [connected("502", revision=-5), connected("501", revision=5)]
    engine = Engine().tell(*_stage_without_connection(), *late, meeting(guests=(BO, BEN), created=hour(0)), bens_copy(6, created=hour(0)))
    assert engine.shown() == ENTRY


def _stage_without_connection() -> list[Event]:
    return [configured(), user("501", ANA), user("502", BEN), contact("151", BO), contact("152", CY), ticked()]


# --- replay -----------------------------------------------------------------------------------------------------------


def test_a_replay_from_zero_syncs_the_same() -> None:
    told = [meeting(f"m{n}", 28, created=hour(h), title=f"Made at {h}") for n, h in enumerate([-30, -23, 0, 9, 10, 15, 20, 25])]
    lived = staged().tell_one_by_one(*told[:4], *TWICE[:2], *told[4:])
    again = Engine()
    again.source, again.vault = lived.source, lived.vault
    again.start()
    assert again.settle().essence() == lived.essence()
    assert lived.titles() == ["Made at -23", "Made at 0", "Made at 9", "Made at 20", "Made at 25"]


def test_an_account_has_windows_of_its_own() -> None:
    """The same user id in another account, never connected there."""
    others = [configured(account="99"), contact("151", BO, account="99"), meeting(account="99")]
    engine = staged(meeting(), *others, contact_said("152", "contact.deleted", 1, account="99"))
    assert engine.shown("151", ACCOUNT) == ENTRY
    assert engine.shown("151", "99") == []
