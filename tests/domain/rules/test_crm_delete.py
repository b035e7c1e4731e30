"""Rule crm-delete-keeps-calendar: deleted in the CRM, a meeting leaves the timeline and stays out until the CRM restores it."""

from __future__ import annotations

import pytest

from tests.domain.rules.shuffling import same_in_any_order
from tests.engine import Engine, staged
from tests.examples import (
    ANA,
    BEN,
    BO,
    CY,
    Event,
    configured,
    connected,
    contact,
    deleted,
    hour,
    listed,
    meeting,
    occurrence,
    row,
    row_deleted,
    series,
    ticked,
    user,
)

AT = "2026-04-07T08:00:00Z"
ENTRY = [("Kick-off", AT, "confirmed")]
UID = "g1@google.example"
SERIES_UID = "s1@google.example"
HERE, ROW, GONE = meeting(), row(revision=1, uid=UID), row_deleted(revision=2)


def test_a_meeting_deleted_in_the_crm_leaves_the_timeline() -> None:
    engine = same_in_any_order(HERE, ROW, GONE)
    assert engine.shown() == []
    assert engine.decided(GONE) == [("crm-delete-keeps-calendar", "applied")]


def test_it_leaves_every_contacts_timeline() -> None:
    engine = staged(meeting(guests=(BO, CY)), ROW, GONE)
    assert engine.shown("151") == engine.shown("152") == []


def test_a_meeting_that_only_the_crm_knew_leaves_too() -> None:
    assert same_in_any_order(row(), row_deleted()).shown() == []


AFTERWARDS: dict[str, tuple[Event, ...]] = {
    "a change in the calendar": (meeting(revision=3, title="Renamed"),),
    "a move in the calendar": (meeting(revision=3, start="2026-04-08T10:00:00"),),
    "a new guest in the calendar": (meeting(revision=3, guests=(BO, CY)),),
    "a full resync": (meeting(event_id="resync:g1"), meeting(revision=3, event_id="resync:g1:3")),
    "a deletion in the calendar": (deleted(revision=3),),
    "a deletion and a return in the calendar": (deleted(revision=3), meeting(revision=4)),
    "a change of the deleted row": (row(revision=3, uid=UID, title="Renamed"),),
    "the row's outcome": (row(revision=3, uid=UID, status="cancelled"),),
    "another row of the same UID": (row("901", 3, uid=UID, contacts=("151", "152")),),
}


@pytest.mark.parametrize("later", AFTERWARDS.values(), ids=AFTERWARDS.keys())
def test_nothing_brings_it_back(later: tuple[Event, ...]) -> None:
    engine = same_in_any_order(HERE, ROW, GONE, *later)
    assert engine.shown("151") == engine.shown("152") == []


def test_the_decision_about_a_later_change_says_suppressed() -> None:
    later = meeting(revision=3, title="Renamed")
    engine = staged(HERE, ROW, GONE, later)
    assert engine.decided(later) == [("crm-delete-keeps-calendar", "suppressed")]
    assert engine.notes(later) == []


LISTINGS = {"that holds it": listed(["g1"]), "that does not hold it": listed([])}


@pytest.mark.parametrize("listing", LISTINGS.values(), ids=LISTINGS.keys())
def test_no_listing_brings_it_back(listing: Event) -> None:
    engine = staged(HERE, ROW, GONE, listing)
    assert engine.shown() == []
    assert engine.tell(meeting(revision=101, title="Renamed")).shown() == []


def test_another_mailbox_does_not_bring_it_back() -> None:
    bens = meeting("b1", 3, user="502", guests=(BO, BEN), provenance={"icalUid": UID})
    assert same_in_any_order(HERE, ROW, GONE, bens, before=(connected("502", revision=-5),)).shown() == []


def test_a_replay_from_zero_does_not_bring_it_back() -> None:
    lived = staged(HERE, ROW, GONE, meeting(revision=3, title="Renamed"))
    again = Engine()
    again.source, again.vault = lived.source, lived.vault
    again.start()
    assert again.settle().shown() == []


def test_the_calendar_is_left_alone() -> None:
    """The calendar's copy is neither cancelled nor deleted: once restored, it is as it was there."""
    restored = row(revision=4, uid=UID, kind="meeting.restored")
    engine = same_in_any_order(HERE, ROW, GONE, meeting(revision=3, title="Renamed"), restored)
    assert engine.shown() == [("Renamed", AT, "confirmed")]


# --- deleted before anything else is known ----------------------------------------------------------------------------


def test_a_deletion_of_which_nothing_is_known_shows_nothing() -> None:
    engine = staged(GONE)
    assert engine.shown() == []
    assert engine.decided(GONE) == [("crm-delete-keeps-calendar", "applied")]


def test_a_deletion_that_arrives_first_is_remembered() -> None:
    engine = staged().tell_one_by_one(GONE, HERE)
    assert engine.shown() == ENTRY  # which row this meeting has is not known yet
    assert engine.tell(ROW).shown() == []


# --- restored ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ordered", [True, False], ids=["both with a sequence", "the deletion without"])
def test_what_is_deleted_and_restored_within_one_instant_is_restored(ordered: bool) -> None:
    gone = GONE if ordered else {name: value for name, value in GONE.items() if name != "sequence"}
    assert same_in_any_order(HERE, ROW, gone, restored(2)).shown() == ENTRY


def test_a_restored_row_that_still_tells_when_it_was_changed_is_restored_all_the_same() -> None:
    back = restored(2)
    back["data"]["provenance"]["updated"] = ROW["data"]["provenance"]["updated"]
    assert same_in_any_order(HERE, ROW, GONE, back).shown() == ENTRY


def restored(revision: float, **fields: str) -> Event:
    """The CRM's restore of the row."""
    return row(revision=revision, uid=UID, kind="meeting.restored", **fields)  # type: ignore[arg-type]  # content, as text


def test_a_restore_brings_it_back() -> None:
    engine = same_in_any_order(HERE, ROW, GONE, restored(3))
    assert engine.shown() == ENTRY
    assert engine.decided(restored(3))[0] == ("crm-delete-keeps-calendar", "applied")


def test_a_restore_brings_back_a_meeting_that_only_the_crm_knew() -> None:
    assert same_in_any_order(row(), row_deleted(), row(revision=2, kind="meeting.restored")).shown() == ENTRY


def test_a_restore_from_before_the_deletion_does_not() -> None:
    assert same_in_any_order(HERE, ROW, restored(1.5), GONE).shown() == []


def test_deleted_again_it_is_out_again() -> None:
    assert same_in_any_order(HERE, ROW, GONE, restored(3), row_deleted(revision=4)).shown() == []


def test_a_change_after_the_restore_is_shown() -> None:
    engine = same_in_any_order(HERE, ROW, GONE, restored(3), row(revision=4, uid=UID, title="Renamed"))
    assert engine.titles() == ["Renamed"]


def test_a_meeting_restored_with_outcome_canceled_is_shown_as_cancelled() -> None:
    engine = same_in_any_order(HERE, ROW, GONE, restored(3, status="cancelled"))
    assert engine.shown() == [("Kick-off", AT, "cancelled")]


def test_a_meeting_cancelled_in_the_calendar_meanwhile_comes_back_cancelled() -> None:
    engine = same_in_any_order(HERE, ROW, GONE, deleted(revision=3), restored(4))
    assert engine.shown() == [("Kick-off", AT, "cancelled")]


# --- rows of HubSpot's own sync, bookings, series ---------------------------------------------------------------------


@pytest.mark.parametrize("origin", ["native-sync", "booking"])
def test_it_holds_for_rows_of_any_origin(origin: str) -> None:
    assert same_in_any_order(HERE, row(revision=1, uid=UID, origin=origin, created=hour(0)), GONE).shown() == []


def test_it_holds_for_a_synced_row_of_a_user_who_is_not_connected_to_us() -> None:
    """HubSpot synced it from Ana's calendar, we from Ben's: a deletion in the CRM means the meeting, whoever owns the row."""
    begun = [configured(), user("501", ANA), user("502", BEN), contact("151", BO), connected("502"), ticked()]
    bens = meeting("b1", user="502", guests=(BO, BEN), provenance={"icalUid": UID})
    engine = Engine().tell(*begun, bens, row(revision=1, uid=UID, origin="native-sync"))
    assert engine.shown() == ENTRY
    assert engine.tell(GONE).shown() == []


def second_row(revision: float = 1) -> Event:
    """The second occurrence of the series, as a row of its own."""
    return row("901", revision, uid=SERIES_UID, start="2026-04-14T10:00:00")


def test_one_of_several_rows_of_a_series_takes_its_occurrence_only() -> None:
    engine = same_in_any_order(series(), row(revision=1, uid=SERIES_UID), second_row(), row_deleted("901", 2))
    assert [e["start"][:10] for e in engine.timeline()] == ["2026-04-07", "2026-04-21", "2026-04-28"]


def test_the_deleted_occurrence_stays_out_when_the_calendar_changes_it() -> None:
    engine = same_in_any_order(
        series(),
        row(revision=1, uid=SERIES_UID),
        second_row(),
        row_deleted("901", 2),
        occurrence("2026-04-14T08:00:00Z", 3, start="2026-04-14T11:00:00"),
    )
    assert [e["start"][:10] for e in engine.timeline()] == ["2026-04-07", "2026-04-21", "2026-04-28"]


def test_a_restore_brings_the_occurrence_back() -> None:
    back = row("901", 3, uid=SERIES_UID, start="2026-04-14T10:00:00", kind="meeting.restored")
    engine = same_in_any_order(series(), row(revision=1, uid=SERIES_UID), second_row(), row_deleted("901", 2), back)
    assert [e["start"][:10] for e in engine.timeline()] == ["2026-04-07", "2026-04-14", "2026-04-21", "2026-04-28"]


def test_a_row_moved_before_it_was_deleted_is_the_occurrence_it_was_made_for() -> None:
    moved = row("901", 2, uid=SERIES_UID, start="2026-04-15T10:00:00")
    engine = same_in_any_order(series(), row(revision=1, uid=SERIES_UID), second_row(), moved, row_deleted("901", 3))
    assert [e["start"][:10] for e in engine.timeline()] == ["2026-04-07", "2026-04-21", "2026-04-28"]


def test_the_only_row_of_a_series_takes_the_whole() -> None:
    engine = same_in_any_order(series(), row(revision=1, uid=SERIES_UID), row_deleted(revision=2), occurrence("2026-04-14T08:00:00Z", 3))
    assert engine.shown() == []


def test_a_row_with_an_original_start_takes_its_occurrence_only() -> None:
    told = row(revision=1, uid=SERIES_UID, start="2026-04-14T10:00:00", provenance={"originalStart": "2026-04-14T08:00:00Z"})
    engine = same_in_any_order(series(), told, row_deleted(revision=2))
    assert [e["start"][:10] for e in engine.timeline()] == ["2026-04-07", "2026-04-21", "2026-04-28"]


def test_all_rows_deleted_before_the_series_is_known_their_occurrences_stay_out() -> None:
    rows = (row(revision=1, uid=SERIES_UID), second_row(), row_deleted(revision=2), row_deleted("901", 2))
    engine = same_in_any_order(*rows, series(revision=3))
    assert [e["start"][:10] for e in engine.timeline()] == ["2026-04-21", "2026-04-28"]


# --- another publisher's deletion -------------------------------------------------------------------------------------


def of_another(told: Event, side: str | None = None) -> Event:
    """As a publisher of another name tells it; a deletion may say its side."""
    provenance = told["data"]["provenance"] | {"provider": "salesdesk"}
    return told | {"source": "/upstream/salesdesk", "data": told["data"] | {"provenance": provenance} | ({"side": side} if side else {})}


def test_a_row_deleted_by_another_publisher_leaves_and_stays_out() -> None:
    engine = same_in_any_order(of_another(row()), of_another(row(revision=2, title="Renamed")), of_another(row_deleted(revision=3), "crm"))
    assert engine.shown() == []


def test_a_deletion_that_does_not_say_its_side_is_of_the_side_on_which_its_meeting_is_known() -> None:
    gone = of_another(row_deleted())
    engine = staged(of_another(row()), gone, of_another(row(revision=2, title="Renamed")))
    assert engine.shown() == []
    assert engine.decided(gone) == [("crm-delete-keeps-calendar", "applied")]


def test_a_deletion_that_says_it_is_the_calendars_cancels() -> None:
    gone = deleted(revision=3)
    gone["data"]["side"] = "calendar"
    engine = staged(HERE, row(uid=UID), gone)
    assert [status for _, _, status in engine.shown()] == ["cancelled"]
