"""Rule calendar-deletes: what is deleted or cancelled in the calendar is shown as cancelled, and nothing else is.

Single occurrences and the past of a series are in `test_series.py`, listings that are held in `test_mass_delete.py`.
"""

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
    connected,
    deleted,
    envelope,
    hour,
    listed,
    meeting,
    occurrence,
    occurrence_deleted,
    person,
    series,
)

CONFIRMED = ("Kick-off", "2026-04-07T08:00:00Z", "confirmed")
CANCELLED = ("Kick-off", "2026-04-07T08:00:00Z", "cancelled")
BENS = connected("502")


def removed(id: str, revision: float, source: str, *, provider: str = "google", **data: object) -> Event:
    """A removal that carries the provider's id and nothing else."""
    told = {"provenance": {"provider": provider, "id": id}, **data}
    return envelope("meeting.deleted", id, told, id=f"removed:{id}:{revision}", source=source, at=hour(revision))


def in_window(event: Event, since: str, until: str) -> Event:
    """The same, found in a round that read this window only."""
    return {**event, "data": {**event["data"], "from": since, "to": until}}


def answers(engine: Engine, of: str) -> list[str]:
    """The answers of one guest, an entry each, soonest first."""
    return [p["participationStatus"] for e in engine.timeline() for p in e["participants"] if p["email"] == of]


# --- cancelled as such ------------------------------------------------------------------------------------------------

GONE = {
    "a tombstone": deleted(revision=1),
    "cancelled in words": meeting(revision=1, status="cancelled"),
    "a tombstone without its time": {**deleted(revision=1), "data": {"provenance": {"provider": "google", "user": "501", "id": "g1"}}},
    "an id and nothing else": removed("g1", 1, f"calendars/google/{ANA}"),
}


@pytest.mark.parametrize("gone", GONE.values(), ids=list(GONE))
def test_what_is_gone_from_its_organisers_calendar_is_shown_as_cancelled(gone: Event) -> None:
    engine = same_in_any_order(meeting(), gone)
    assert engine.shown() == [CANCELLED]
    assert engine.decided(gone)[0] == ("calendar-deletes", "applied")


def test_it_is_cancelled_with_its_last_title_and_place() -> None:
    engine = same_in_any_order(meeting(), meeting(revision=1, title="Contract", start="2026-04-08T10:00:00"), deleted(revision=2))
    assert engine.shown() == [("Contract", "2026-04-08T08:00:00Z", "cancelled")]


def test_cancelled_twice_over_is_cancelled_once() -> None:
    engine = same_in_any_order(meeting(), meeting(revision=1, status="cancelled"), deleted(revision=2))
    assert engine.shown() == [CANCELLED]
    assert engine.names().count("meeting.cancelled.v1") == 1


def test_a_removed_id_that_nobody_has_seen_says_nothing() -> None:
    engine = staged(gone := deleted("g9"))
    assert engine.shown() == []
    assert engine.decided(gone) == [("calendar-deletes", "ignored")]


def test_a_deletion_before_the_meeting_itself_counts_when_it_comes() -> None:
    engine = staged(deleted(revision=1))
    assert engine.shown() == []
    assert engine.tell(meeting()).shown() == [CANCELLED]


# --- a guest's copy ---------------------------------------------------------------------------------------------------


def test_a_guest_who_removes_his_copy_has_declined() -> None:
    engine = same_in_any_order(meeting(owner=CY, guests=(BO, ANA)), gone := deleted(revision=1))
    assert engine.shown() == [CONFIRMED]
    assert answers(engine, ANA) == ["declined"]
    assert engine.decided(gone)[0] == ("calendar-deletes", "ignored")


def test_a_removal_that_the_providers_record_confirms_cancels() -> None:
    record = meeting(owner=CY, guests=(BO, ANA), revision=1.5, status="cancelled")
    engine = same_in_any_order(meeting(owner=CY, guests=(BO, ANA)), deleted(revision=1), record)
    assert engine.shown() == [CANCELLED]


def test_a_guest_who_takes_his_copy_back_has_his_own_answer_again() -> None:
    again = meeting(revision=2, owner=CY, guests=(BO, person(ANA, status="accepted")))
    engine = same_in_any_order(meeting(owner=CY, guests=(BO, ANA)), deleted(revision=1), again)
    assert (engine.shown(), answers(engine, ANA)) == ([CONFIRMED], ["accepted"])


def bens(revision: float = 0.5, **fields: object) -> Event:
    """Ben's copy of Ana's meeting, to which she invited him."""
    return meeting("b1", revision, user="502", guests=(BO, BEN), provenance={"icalUid": "g1@google.example"}, **fields)  # type: ignore[arg-type]  # any field of a meeting


MAILBOXES: dict[str, tuple[tuple[Event, ...], tuple[str, str, str], list[str]]] = {
    "the guest removes his": ((deleted("b1", 1, user="502"),), CONFIRMED, ["declined"]),
    "the organiser removes hers": ((deleted("g1", 1),), CANCELLED, ["needs-action"]),
    "first the guest, then the organiser": ((deleted("b1", 1, user="502"), deleted("g1", 2)), CANCELLED, ["declined"]),
}


@pytest.mark.parametrize(("gone", "expected", "bens_answers"), MAILBOXES.values(), ids=list(MAILBOXES))
def test_of_two_mailboxes_the_organisers_says_what_is_cancelled(
    gone: tuple[Event, ...], expected: tuple[str, str, str], bens_answers: list[str]
) -> None:
    engine = same_in_any_order(meeting(guests=(BO, BEN)), bens(), *gone, before=[BENS])
    assert (engine.shown(), answers(engine, BEN)) == ([expected], bens_answers)


def test_two_guests_who_both_remove_their_copies_have_both_declined() -> None:
    shared = {"icalUid": "g1@google.example"}
    annas = meeting(owner=CY, guests=(BO, ANA, BEN))
    bens_copy = meeting("b1", 0.5, user="502", owner=CY, guests=(BO, ANA, BEN), provenance=shared)
    engine = same_in_any_order(annas, bens_copy, deleted("g1", 1), deleted("b1", 2, user="502"), before=[BENS])
    assert engine.shown() == [CONFIRMED]
    assert (answers(engine, ANA), answers(engine, BEN)) == (["declined"], ["declined"])


def test_an_organisers_tombstone_cancels_also_when_only_the_guests_copy_told_what_it_was() -> None:
    engine = same_in_any_order(bens(), deleted("g1", 1, icalUid="g1@google.example"), before=[BENS])
    assert engine.shown() == [CANCELLED]


def test_a_guest_who_removes_one_occurrence_has_declined_that_one() -> None:
    engine = same_in_any_order(series(owner=CY, guests=(BO, ANA)), occurrence_deleted("2026-04-14T08:00:00Z", 1))
    assert [status for _, _, status in engine.shown()] == ["confirmed"] * 4
    assert answers(engine, ANA) == ["needs-action", "declined", "needs-action", "needs-action"]


# --- a removed id outside the window that was read --------------------------------------------------------------------

WINDOWS: dict[str, tuple[str, str, tuple[str, str, str]]] = {
    "it is in the window": ("2026-04-01T00:00:00Z", "2026-05-01T00:00:00Z", CANCELLED),
    "it is later": ("2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z", CONFIRMED),
    "it is earlier": ("2026-05-01T00:00:00Z", "2026-06-01T00:00:00Z", CONFIRMED),
    "it begins as the window ends": ("2026-04-01T00:00:00Z", "2026-04-07T08:00:00Z", CONFIRMED),
    "it ends as the window begins": ("2026-04-07T09:00:00Z", "2026-05-01T00:00:00Z", CONFIRMED),
    "it reaches into the window": ("2026-04-07T08:30:00Z", "2026-05-01T00:00:00Z", CANCELLED),
    "it begins in the window": ("2026-04-01T00:00:00Z", "2026-04-07T08:30:00Z", CANCELLED),
}


@pytest.mark.parametrize(("since", "until", "expected"), WINDOWS.values(), ids=list(WINDOWS))
def test_a_removed_id_counts_only_if_its_last_known_time_was_in_the_window(since: str, until: str, expected: tuple[str, str, str]) -> None:
    engine = same_in_any_order(meeting(), in_window(deleted(revision=1), since, until))
    assert engine.shown() == [expected]


def test_it_is_the_last_known_time_that_counts_not_the_first() -> None:
    moved = meeting(revision=1, start="2026-06-02T10:00:00")
    engine = same_in_any_order(meeting(), moved, in_window(deleted(revision=2), "2026-04-01T00:00:00Z", "2026-05-01T00:00:00Z"))
    assert engine.shown() == [("Kick-off", "2026-06-02T08:00:00Z", "confirmed")]


def test_a_series_removed_with_an_occurrence_in_the_window_is_cancelled() -> None:
    engine = same_in_any_order(series(), in_window(deleted("s1", 1), "2026-04-20T00:00:00Z", "2026-04-22T00:00:00Z"))
    assert [status for _, _, status in engine.shown()] == ["cancelled"] * 4


def test_a_series_removed_without_an_occurrence_in_the_window_stays() -> None:
    engine = same_in_any_order(series(), in_window(deleted("s1", 1), "2026-05-20T00:00:00Z", "2026-06-22T00:00:00Z"))
    assert [status for _, _, status in engine.shown()] == ["confirmed"] * 4


# --- complete listings ------------------------------------------------------------------------------------------------

LISTINGS: dict[str, tuple[Event, tuple[str, str, str]]] = {
    "not listed": (listed([]), CANCELLED),
    "listed": (listed(["g1"]), CONFIRMED),
    "not complete": (listed([], complete=False), CONFIRMED),
    "outside the span": (listed([], since="2026-05-01T00:00:00Z"), CONFIRMED),
    "begins as the span ends": (listed([], until="2026-04-07T08:00:00Z"), CONFIRMED),
    "ends as the span begins": (listed([], since="2026-04-07T09:00:00Z"), CONFIRMED),
    "reaches into the span": (listed([], since="2026-04-07T08:59:00Z"), CANCELLED),
    "of another mailbox": (listed([], user="502"), CONFIRMED),
    "of another provider": (listed([], provider="office365"), CONFIRMED),
    "made before the meeting": (listed([], revision=-1), CONFIRMED),
}


@pytest.mark.parametrize(("listing", "expected"), LISTINGS.values(), ids=list(LISTINGS))
def test_what_a_complete_listing_does_not_hold_is_cancelled(listing: Event, expected: tuple[str, str, str]) -> None:
    assert staged(BENS, meeting(), listing).shown() == [expected]


def test_a_listing_of_a_calendar_that_is_not_the_primary_one_says_nothing() -> None:
    other = listed([])
    other["data"]["provenance"]["primary"] = False
    engine = staged(meeting(), other)
    assert engine.shown() == [CONFIRMED]
    assert engine.decided(other) == [("primary-only", "ignored")]


def test_a_listing_tells_how_many_it_took_of_how_many() -> None:
    engine = staged(meeting(), meeting("g2"), listing := listed(["g2"]))
    assert engine.decided(listing) == [("calendar-deletes", "applied")]
    assert engine.notes(listing) == [{"deleted": 1, "known": 2}]


def test_a_listing_again_changes_nothing_more() -> None:
    engine = staged(meeting(), listed([]))
    before = engine.names()
    assert engine.tell(listed([], revision=101)).shown() == [CANCELLED]
    assert engine.names() == before


def test_a_meeting_changed_after_the_listing_is_there() -> None:
    engine = staged(meeting(), listed([], revision=5), meeting(revision=6, title="After all"))
    assert engine.shown() == [("After all", "2026-04-07T08:00:00Z", "confirmed")]


def test_a_listing_that_comes_after_a_later_change_says_nothing_of_that_meeting() -> None:
    engine = staged(meeting(), meeting(revision=6, title="Changed"), listed([], revision=5))
    assert engine.shown() == [("Changed", "2026-04-07T08:00:00Z", "confirmed")]


def test_an_older_change_that_comes_after_a_listing_does_not_bring_it_back() -> None:
    engine = staged(meeting(), listed([], revision=5), meeting(revision=1, title="Older"))
    assert engine.shown() == [("Older", "2026-04-07T08:00:00Z", "cancelled")]


def test_an_exception_that_is_not_listed_is_not_cancelled_by_that() -> None:
    engine = staged(series(), occurrence("2026-04-14T08:00:00Z", title="Moved up"), listed(["s1"]))
    assert [status for _, _, status in engine.shown()] == ["confirmed"] * 4


def test_an_occurrence_whose_series_is_not_known_is_missed_like_a_meeting_of_its_own() -> None:
    engine = staged(occurrence("2026-04-14T08:00:00Z"), listed([]))
    assert engine.shown() == [("Weekly", "2026-04-14T08:00:00Z", "cancelled")]


def test_a_guests_listing_without_the_meeting_is_his_answer() -> None:
    engine = staged(BENS, meeting(guests=(BO, BEN)), bens(), listed([], user="502"))
    assert (engine.shown(), answers(engine, BEN)) == ([CONFIRMED], ["declined"])
