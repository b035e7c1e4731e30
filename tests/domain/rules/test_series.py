"""Series through the whole engine: what they make, their exceptions, and what is left of them when they change.

Rules calendar-updates, calendar-deletes, same-meeting, active-window. The series of these tests is on Tuesdays at 10 in Paris, from
7 to 28 April 2026, far ahead of the story; or from 3 March on, so that a change on 17 March at 9 (`CHANGE`) finds two
occurrences past, the one of that day an hour ahead, and the others to come.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

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
    contact,
    deleted,
    hour,
    meeting,
    occurrence,
    occurrence_deleted,
    person,
    series,
    ticked,
)

BENS = connected("502")
FIRST, SECOND, THIRD, FOURTH = (f"2026-04-{day}T08:00:00Z" for day in ("07", "14", "21", "28"))
CHANGE = 24 * 15  # 17 March, 8 in UTC
UID = "s1@google.example"
Shown = list[tuple[str, str, str]]


def weekly(*days: str, title: str = "Weekly", status: str = "confirmed") -> Shown:
    """Entries on these days of 2026, given as 04-07, at 10 in Paris."""
    summer = "03-29"
    return [(title, f"2026-{day}T0{8 if day >= summer else 9}:00:00Z", status) for day in days]


def running(revision: float = 0, **fields: Any) -> Event:
    """The series that began on 3 March."""
    return series("s1", revision, **{"rule": "FREQ=WEEKLY;COUNT=5", "start": "2026-03-03T10:00:00", **fields})


def occurrences(engine: Engine, contact: str = "151") -> list[str]:
    """The original starts."""
    return [e["occurrence"] for e in engine.timeline(contact)]


# --- what a series makes ----------------------------------------------------------------------------------------------

ALL_DAY: Event = {"start": "2026-04-07T00:00:00", "timeZone": None, "duration": "P1D", "showWithoutTime": True}
PARIS_NIGHT: Event = {"start": "2026-03-22T02:30:00", "rule": "FREQ=WEEKLY;COUNT=3"}

LAYOUTS: dict[str, tuple[Event, list[str]]] = {
    "weekly": ({}, [FIRST, SECOND, THIRD, FOURTH]),
    "without what is excluded": ({"excludedStarts": ["2026-04-14T10:00:00"]}, [FIRST, THIRD, FOURTH]),
    "without its first": ({"excludedStarts": ["2026-04-07T10:00:00"]}, [SECOND, THIRD, FOURTH]),
    "with what is added": ({"addedStarts": ["2026-04-09T15:00:00"]}, [FIRST, "2026-04-09T13:00:00Z", SECOND, THIRD, FOURTH]),
    "an added start that it makes anyway": ({"addedStarts": ["2026-04-14T10:00:00"]}, [FIRST, SECOND, THIRD, FOURTH]),
    "added and excluded": (
        {"addedStarts": ["2026-04-09T15:00:00"], "excludedStarts": ["2026-04-09T15:00:00"]},
        [FIRST, SECOND, THIRD, FOURTH],
    ),
    "an added start before its first is none": ({"addedStarts": ["2026-04-01T10:00:00"]}, [FIRST, SECOND, THIRD, FOURTH]),
    "an added start after UNTIL is none": (
        {"rule": "FREQ=WEEKLY;UNTIL=20260421T080000Z", "addedStarts": ["2026-04-30T10:00:00"]},
        [FIRST, SECOND, THIRD],
    ),
    "of added starts only": ({"rule": None, "addedStarts": ["2026-04-09T10:00:00"]}, [FIRST, "2026-04-09T08:00:00Z"]),
    "UNTIL is part of it": ({"rule": "FREQ=WEEKLY;UNTIL=20260414T080000Z"}, [FIRST, SECOND]),
    "UNTIL just before": ({"rule": "FREQ=WEEKLY;UNTIL=20260414T075959Z"}, [FIRST]),
    "its first start counts though its rule makes it not": ({"rule": "FREQ=WEEKLY;BYDAY=TH;COUNT=2"}, [FIRST, "2026-04-09T08:00:00Z"]),
    "all day": (ALL_DAY, ["2026-04-07", "2026-04-14", "2026-04-21", "2026-04-28"]),
    "floating": ({"timeZone": None, "rule": "FREQ=WEEKLY;COUNT=2"}, ["2026-04-07T10:00:00", "2026-04-14T10:00:00"]),
    "the same time of day in winter and in summer": (
        {"start": "2026-03-24T10:00:00", "rule": "FREQ=WEEKLY;COUNT=2"},
        ["2026-03-24T09:00:00Z", "2026-03-31T08:00:00Z"],
    ),
    "in the gap of spring: by the offset before": (
        PARIS_NIGHT,
        ["2026-03-22T01:30:00Z", "2026-03-29T01:30:00Z", "2026-04-05T00:30:00Z"],
    ),
    "in the fold of autumn: the first": (
        {"start": "2026-10-25T02:30:00", "rule": "FREQ=WEEKLY;COUNT=2"},
        ["2026-10-25T00:30:00Z", "2026-11-01T01:30:00Z"],
    ),
}


@pytest.mark.parametrize(("told", "expected"), LAYOUTS.values(), ids=list(LAYOUTS))
def test_a_series_makes_these_occurrences(told: Event, expected: list[str]) -> None:
    engine = same_in_any_order(series(title="Before"), series(revision=1, **told))
    assert [e["start"] for e in engine.timeline()] == expected
    assert occurrences(engine) == expected


def test_hours_are_exact_and_days_nominal_over_the_change_of_the_clocks() -> None:
    night: Event = {"start": "2026-03-28T23:00:00", "rule": "FREQ=WEEKLY;COUNT=1"}
    hours = staged(series(duration="PT24H", **night)).timeline()
    days = staged(series(duration="P1D", **night)).timeline()
    assert [(e["start"], e["end"]) for e in hours] == [("2026-03-28T22:00:00Z", "2026-03-29T22:00:00Z")]
    assert [(e["start"], e["end"]) for e in days] == [("2026-03-28T22:00:00Z", "2026-03-29T21:00:00Z")]


def test_the_clock_lays_it_out_further_and_takes_nothing_away() -> None:
    engine = staged(running(rule="FREQ=WEEKLY"))
    before = occurrences(engine)
    assert (before[0], before[-1]) == ("2026-03-03T09:00:00Z", "2027-02-23T09:00:00Z")
    after = occurrences(engine.tell(ticked(24 * 27)))
    assert after[: len(before)] == before
    assert after[-1] == "2027-03-23T09:00:00Z"


# --- exceptions -------------------------------------------------------------------------------------------------------

MOVED = ("Weekly", "2026-04-15T08:00:00Z", "confirmed")

EXCEPTIONS: dict[str, tuple[tuple[Event, ...], Shown]] = {
    "moved": ((occurrence(SECOND, start="2026-04-15T10:00:00"),), [*weekly("04-07"), MOVED, *weekly("04-21", "04-28")]),
    "moved twice": (
        (occurrence(SECOND, 1, start="2026-04-17T10:00:00"), occurrence(SECOND, 2, start="2026-04-15T10:00:00")),
        [*weekly("04-07"), MOVED, *weekly("04-21", "04-28")],
    ),
    "moved behind another": (
        (occurrence(SECOND, start="2026-04-22T10:00:00"),),
        [*weekly("04-07", "04-21"), ("Weekly", "2026-04-22T08:00:00Z", "confirmed"), *weekly("04-28")],
    ),
    "moved and back": (
        (occurrence(SECOND, 1, start="2026-04-15T10:00:00"), occurrence(SECOND, 2)),
        weekly("04-07", "04-14", "04-21", "04-28"),
    ),
    "renamed": ((occurrence(SECOND, title="Finale"),), [*weekly("04-07"), *weekly("04-14", title="Finale"), *weekly("04-21", "04-28")]),
    "equal to its series": ((occurrence(SECOND),), weekly("04-07", "04-14", "04-21", "04-28")),
    "cancelled by a tombstone": (
        (occurrence_deleted(SECOND),),
        [*weekly("04-07"), *weekly("04-14", status="cancelled"), *weekly("04-21", "04-28")],
    ),
    "cancelled in words": (
        (occurrence(SECOND, status="cancelled"),),
        [*weekly("04-07"), *weekly("04-14", status="cancelled"), *weekly("04-21", "04-28")],
    ),
    "moved, then cancelled where it was moved to": (
        (occurrence(SECOND, 1, start="2026-04-15T10:00:00"), occurrence_deleted(SECOND, 2)),
        [*weekly("04-07"), (*MOVED[:2], "cancelled"), *weekly("04-21", "04-28")],
    ),
    "cancelled, then back": (
        (occurrence_deleted(SECOND, 1), occurrence(SECOND, 2, title="Weekly, after all")),
        [*weekly("04-07"), *weekly("04-14", title="Weekly, after all"), *weekly("04-21", "04-28")],
    ),
    "two of them": (
        (occurrence(SECOND, 1, title="Two"), occurrence(FOURTH, 2, title="Four")),
        [*weekly("04-07"), *weekly("04-14", title="Two"), *weekly("04-21"), *weekly("04-28", title="Four")],
    ),
    "the first": ((occurrence(FIRST, title="Start"),), [*weekly("04-07", title="Start"), *weekly("04-14", "04-21", "04-28")]),
}


@pytest.mark.parametrize(("told", "expected"), EXCEPTIONS.values(), ids=list(EXCEPTIONS))
def test_an_exception_differs_and_the_others_are_as_the_series_has_them(told: tuple[Event, ...], expected: Shown) -> None:
    engine = same_in_any_order(series(), *told)
    assert engine.shown() == expected
    assert sorted(occurrences(engine)) == [FIRST, SECOND, THIRD, FOURTH]


def test_a_removed_id_of_an_occurrence_that_was_seen_cancels_that_one() -> None:
    engine = same_in_any_order(series(), occurrence(SECOND, id="opaque"), deleted("opaque", 2))
    assert engine.shown() == [*weekly("04-07"), *weekly("04-14", status="cancelled"), *weekly("04-21", "04-28")]


def test_an_exception_has_guests_of_its_own() -> None:
    engine = same_in_any_order(series(), occurrence(SECOND, guests=(CY,)))
    assert (occurrences(engine), occurrences(engine, "152")) == ([FIRST, THIRD, FOURTH], [SECOND])


def test_an_exception_keeps_its_own_words_when_its_series_is_renamed() -> None:
    engine = same_in_any_order(series(), occurrence(SECOND, 1, title="Finale"), series(revision=2, title="Renamed"))
    assert engine.titles() == ["Renamed", "Finale", "Renamed", "Renamed"]


def test_an_occurrence_that_was_as_its_series_was_follows_it() -> None:
    engine = same_in_any_order(series(), occurrence(SECOND, 1), series(revision=2, title="Renamed"))
    assert engine.titles() == ["Renamed"] * 4


def test_an_occurrence_named_as_its_series_was_before_is_an_exception() -> None:
    engine = same_in_any_order(series(), series(revision=1, title="Renamed"), occurrence(SECOND, 2, title="Weekly"))
    assert engine.titles() == ["Renamed", "Weekly", "Renamed", "Renamed"]


def test_occurrences_told_with_the_series_own_revision_are_sightings() -> None:
    told = [occurrence(original, 0, id=f"o{n}") for n, original in enumerate((FIRST, SECOND, THIRD, FOURTH))]
    engine = same_in_any_order(series(), *told)
    assert engine.shown() == weekly("04-07", "04-14", "04-21", "04-28")
    assert [e["version"] for e in engine.timeline()] == [1, 1, 1, 1]


def test_exceptions_of_a_series_that_is_not_known_stand_for_themselves() -> None:
    engine = same_in_any_order(occurrence(SECOND, 1, title="Two"), occurrence(FOURTH, 2, title="Four"), occurrence_deleted(THIRD, 3))
    assert engine.shown() == [*weekly("04-14", title="Two"), *weekly("04-28", title="Four")]


def test_an_exception_of_a_series_from_before_the_connection_is_not_synced() -> None:
    old = series(created=hour(-24 * 30))
    engine = same_in_any_order(old, told := occurrence(SECOND, 1, title="New"), occurrence(THIRD, 2), occurrence_deleted(FOURTH, 3))
    assert engine.shown() == []
    assert engine.decided(told) == [("active-window", "ignored")]


def test_exceptions_in_two_mailboxes_are_one() -> None:
    bens_series = series("b1", 0, user="502", guests=(BO, BEN), provenance={"icalUid": UID})
    guests = (BO, person(BEN, status="accepted"))
    bens_one = occurrence(SECOND, 2, series="b1", id="b1_2", user="502", uid=UID, guests=guests, title="Two")
    engine = same_in_any_order(
        series(guests=(BO, BEN)), occurrence(SECOND, 1, guests=(BO, BEN), title="Two"), bens_series, bens_one, before=[BENS]
    )
    assert engine.titles() == ["Weekly", "Two", "Weekly", "Weekly"]
    answers = [p["participationStatus"] for e in engine.timeline() for p in e["participants"] if p["email"] == BEN]
    assert answers == ["needs-action", "accepted", "needs-action", "needs-action"]


# --- all-day series ---------------------------------------------------------------------------------------------------

DAYS: Event = {"timeZone": None, "duration": "P1D", "showWithoutTime": True}


@pytest.mark.parametrize("original", ["2026-04-14T00:00:00Z", "2026-04-14T00:00:00+02:00", "2026-04-14T00:00:00-05:00"])
@pytest.mark.parametrize("gone", [False, True], ids=["moved", "cancelled"])
def test_an_exception_of_an_all_day_series_is_that_day(original: str, gone: bool) -> None:
    whole = series(**ALL_DAY)
    told = occurrence_deleted(original) if gone else occurrence(original, start="2026-04-16T00:00:00", **DAYS)
    engine = same_in_any_order(whole, told)
    second = ("Weekly", "2026-04-14", "cancelled") if gone else ("Weekly", "2026-04-16", "confirmed")
    days = [("Weekly", f"2026-04-{day}", "confirmed") for day in ("07", "21", "28")]
    assert engine.shown() == [days[0], second, *days[1:]]
    assert occurrences(engine) == ["2026-04-07", "2026-04-14", "2026-04-21", "2026-04-28"]


# --- cancelled --------------------------------------------------------------------------------------------------------

ENDS: dict[str, Event] = {"deleted": deleted("s1", CHANGE), "cancelled": running(CHANGE, status="cancelled")}


@pytest.mark.parametrize("end", ENDS.values(), ids=list(ENDS))
def test_a_cancelled_series_leaves_its_past_as_it_was(end: Event) -> None:
    engine = same_in_any_order(running(), end)
    assert engine.shown() == [*weekly("03-03", "03-10"), *weekly("03-17", "03-24", "03-31", status="cancelled")]


@pytest.mark.parametrize("end", ENDS.values(), ids=list(ENDS))
def test_a_cancelled_series_leaves_past_exceptions_as_they_were_and_cancels_those_to_come(end: Event) -> None:
    past = occurrence("2026-03-10T09:00:00Z", 1, title="Past", start="2026-03-11T10:00:00")
    cancelled = occurrence_deleted("2026-03-03T09:00:00Z", 2)
    to_come = occurrence("2026-03-24T09:00:00Z", 3, title="To come")
    engine = same_in_any_order(running(), past, cancelled, to_come, end)
    assert engine.shown() == [
        *weekly("03-03", status="cancelled"),
        ("Past", "2026-03-11T09:00:00Z", "confirmed"),
        *weekly("03-17", status="cancelled"),
        *weekly("03-24", title="To come", status="cancelled"),
        *weekly("03-31", status="cancelled"),
    ]


def test_a_series_cancelled_twice_over_is_cancelled_from_the_first_time() -> None:
    engine = same_in_any_order(running(), running(CHANGE, status="cancelled"), deleted("s1", CHANGE + 24 * 7 + 6))
    assert [status for _, _, status in engine.shown()] == ["confirmed"] * 2 + ["cancelled"] * 3


def test_a_series_taken_up_again_is_confirmed_again() -> None:
    engine = same_in_any_order(running(), deleted("s1", CHANGE), running(CHANGE + 1))
    assert [status for _, _, status in engine.shown()] == ["confirmed"] * 5


def test_a_guest_who_removes_a_series_has_declined_it() -> None:
    guests = (BO, ANA)
    engine = same_in_any_order(running(owner=CY, guests=guests), deleted("s1", CHANGE))
    assert [status for _, _, status in engine.shown()] == ["confirmed"] * 5


# --- changed: what it makes no longer ---------------------------------------------------------------------------------

CHANGED: dict[str, tuple[Event, Shown]] = {
    "UNTIL nearer": ({"rule": "FREQ=WEEKLY;UNTIL=20260324T090000Z"}, weekly("03-03", "03-10", "03-17", "03-24")),
    "UNTIL in the past": ({"rule": "FREQ=WEEKLY;UNTIL=20260303T090000Z"}, weekly("03-03", "03-10")),
    "fewer": ({"rule": "FREQ=WEEKLY;COUNT=3"}, weekly("03-03", "03-10", "03-17")),
    "every other week": ({"rule": "FREQ=WEEKLY;INTERVAL=2;COUNT=3"}, weekly("03-03", "03-10", "03-17", "03-31")),
    "another day": (
        {"rule": "FREQ=WEEKLY;COUNT=5", "start": "2026-03-04T10:00:00"},
        weekly("03-03", "03-10", "03-18", "03-25", "04-01"),
    ),
    "another time of day": (
        {"start": "2026-03-03T15:00:00"},
        [*weekly("03-03", "03-10"), *(("Weekly", f"2026-03-{day}:00:00Z", "confirmed") for day in ("17T14", "24T14", "31T13"))],
    ),
    "another zone": (
        {"timeZone": "Europe/London"},
        [*weekly("03-03", "03-10"), *(("Weekly", f"2026-03-{day}:00:00Z", "confirmed") for day in ("17T10", "24T10", "31T09"))],
    ),
    "begins later": ({"start": "2026-03-24T10:00:00", "rule": "FREQ=WEEKLY;COUNT=2"}, weekly("03-03", "03-10", "03-24", "03-31")),
    "one to come excluded": ({"excludedStarts": ["2026-03-24T10:00:00"]}, weekly("03-03", "03-10", "03-17", "03-31")),
    "one past excluded": ({"excludedStarts": ["2026-03-10T10:00:00"]}, weekly("03-03", "03-10", "03-17", "03-24", "03-31")),
    "one in the past added": (
        {"addedStarts": ["2026-03-05T10:00:00"]},
        weekly("03-03", "03-10", "03-17", "03-24", "03-31"),
    ),
    "one to come added": (
        {"addedStarts": ["2026-03-26T10:00:00"]},
        weekly("03-03", "03-10", "03-17", "03-24", "03-26", "03-31"),
    ),
    "no series any more": ({"rule": None, "start": "2026-03-24T10:00:00"}, weekly("03-03", "03-10", "03-24")),
    "only its first is left": ({"rule": None}, weekly("03-03", "03-10")),
}


@pytest.mark.parametrize(("change", "expected"), CHANGED.values(), ids=list(CHANGED))
def test_what_a_changed_series_no_longer_makes_leaves_unless_it_is_past(change: Event, expected: Shown) -> None:
    engine = same_in_any_order(running(), running(1, title="Weekly"), running(CHANGE, **change))
    assert engine.shown() == expected


LEAVING = {
    "another day": running(CHANGE, rule="FREQ=WEEKLY;COUNT=5", start="2026-03-04T10:00:00"),
    "another time of day": running(CHANGE, start="2026-03-03T15:00:00"),
    "no series any more": running(CHANGE, rule=None, start="2026-03-24T10:00:00"),
    **ENDS,
}


@pytest.mark.parametrize("change", LEAVING.values(), ids=list(LEAVING))
@pytest.mark.parametrize("late", [0, 1])
def test_past_occurrences_that_are_removed_because_their_series_changed_stay_as_they_were(change: Event, late: int) -> None:
    past = occurrence("2026-03-10T09:00:00Z", 1, title="Past", start="2026-03-11T10:00:00")
    removed = [occurrence_deleted(f"2026-03-{day}T09:00:00Z", CHANGE + late) for day in ("03", "10", "17")]
    engine = same_in_any_order(running(), past, change, *removed)
    assert engine.shown()[:2] == [*weekly("03-03"), ("Past", "2026-03-11T09:00:00Z", "confirmed")]
    assert ("Weekly", "2026-03-17T09:00:00Z", "confirmed") not in engine.shown()


@pytest.mark.parametrize("change", LEAVING.values(), ids=list(LEAVING))
@pytest.mark.parametrize("again", [False, True])
def test_past_occurrences_that_were_cancelled_before_their_series_changed_stay_cancelled(change: Event, again: bool) -> None:
    cancelled = occurrence_deleted("2026-03-03T09:00:00Z", CHANGE - 1)
    repeated = [occurrence("2026-03-03T09:00:00Z", CHANGE + 1, status="cancelled")] if again else []
    engine = same_in_any_order(running(), cancelled, change, *repeated)
    assert engine.shown()[:2] == [*weekly("03-03", status="cancelled"), *weekly("03-10")]


def test_the_journal_says_which_removals_are_shown() -> None:
    engine = staged(running(), running(CHANGE, rule="FREQ=WEEKLY;COUNT=4", start="2026-03-04T10:00:00"))
    left, gone, off = (occurrence_deleted(f"2026-03-{day}T09:00:00Z", CHANGE + 1) for day in ("03", "17", "18"))
    engine.tell(left, gone, off)
    assert [engine.decided(told)[0] for told in (left, gone, off)] == [
        ("calendar-deletes", "ignored"),
        ("calendar-deletes", "ignored"),
        ("calendar-deletes", "applied"),
    ]
    assert engine.notes(left) == [{"reason": "its series has it no more"}]
    assert engine.shown() == [*weekly("03-03", "03-10"), *weekly("03-18", status="cancelled"), *weekly("03-25")]


def test_a_past_occurrence_of_a_series_that_still_makes_it_can_be_cancelled() -> None:
    shorter = running(CHANGE, rule="FREQ=WEEKLY;COUNT=4")
    engine = same_in_any_order(running(), shorter, occurrence_deleted("2026-03-03T09:00:00Z", CHANGE + 1))
    assert engine.shown() == [*weekly("03-03", status="cancelled"), *weekly("03-10", "03-17", "03-24")]


def test_of_shapes_that_followed_each_other_each_takes_its_own_past_along() -> None:
    second = running(CHANGE, start="2026-03-04T10:00:00")
    third = running(CHANGE + 24 * 7, start="2026-03-05T10:00:00")
    removed = [occurrence_deleted("2026-03-03T09:00:00Z", CHANGE + 1), occurrence_deleted("2026-03-18T09:00:00Z", CHANGE + 24 * 7)]
    called_off = occurrence_deleted("2026-03-10T09:00:00Z", 24 * 3)
    engine = same_in_any_order(running(), called_off, second, third, *removed)
    assert engine.shown()[:3] == [*weekly("03-03"), *weekly("03-10", status="cancelled"), *weekly("03-18")]


def test_a_renamed_series_is_renamed_in_the_past_too() -> None:
    engine = same_in_any_order(running(), running(CHANGE, title="Renamed"))
    assert engine.titles() == ["Renamed"] * 5


def test_changed_twice_each_shape_keeps_what_was_past_at_its_end() -> None:
    second = running(CHANGE, start="2026-03-04T10:00:00")
    third = running(CHANGE + 24 * 7, start="2026-03-05T10:00:00")
    engine = same_in_any_order(running(), second, third)
    assert engine.shown() == weekly("03-03", "03-10", "03-18", "03-26", "04-02")


def test_a_single_meeting_that_became_a_series_is_its_first() -> None:
    engine = same_in_any_order(series(rule=None), series(revision=1))
    assert engine.shown() == weekly("04-07", "04-14", "04-21", "04-28")


OF_THE_FIRST: dict[str, list[Event]] = {
    "removed": [occurrence(FIRST, 0), occurrence_deleted(FIRST, 2)],
    "removed, though it was an exception": [occurrence(FIRST, 1, title="Exception"), occurrence_deleted(FIRST, 2)],
    "removed before anybody saw the change": [occurrence_deleted(FIRST, 1.5)],
    "cancelled in words": [occurrence(FIRST, 2, status="cancelled")],
    "an exception, and no word more": [occurrence(FIRST, 1, title="Exception")],
}


@pytest.mark.parametrize("told", OF_THE_FIRST.values(), ids=list(OF_THE_FIRST))
def test_a_series_made_single_is_what_its_own_copy_says(told: list[Event]) -> None:
    engine = same_in_any_order(series(), series(revision=2, rule=None, title="Once"), *told)
    assert engine.shown() == [("Once", FIRST, "confirmed")]


@pytest.mark.parametrize("end", [deleted("s1", 3), series(revision=3, rule=None, status="cancelled")], ids=["a tombstone", "in words"])
@pytest.mark.parametrize("told", OF_THE_FIRST.values(), ids=list(OF_THE_FIRST))
def test_a_series_made_single_can_be_cancelled_still(told: list[Event], end: Event) -> None:
    engine = same_in_any_order(series(), series(revision=2, rule=None), *told, end)
    assert engine.shown() == [("Weekly", FIRST, "cancelled")]


def test_a_series_made_single_and_a_series_again_has_its_first_cancelled_if_that_was() -> None:
    engine = same_in_any_order(series(), series(revision=2, rule=None), series(revision=3), occurrence_deleted(FIRST, 4))
    assert engine.shown() == [("Weekly", FIRST, "cancelled"), *weekly("04-14", "04-21", "04-28")]


def test_a_series_made_single_and_then_moved_keeps_its_name_and_is_on() -> None:
    moved = series(revision=3, rule=None, start="2026-04-14T10:00:00")
    others = [occurrence_deleted(FIRST, 2), occurrence_deleted("2026-04-14T08:00:00Z", 2)]
    engine = same_in_any_order(series(), series(revision=2, rule=None), moved, *others)
    assert engine.shown() == weekly("04-14")


AT_THE_CHANGE = running(CHANGE, start="2026-03-04T10:00:00")

LEFT_OVER: dict[str, tuple[Event, bool]] = {
    "to come, told before": (occurrence("2026-03-24T09:00:00Z", 1, title="Exception"), False),
    "to come, told after": (occurrence("2026-03-24T09:00:00Z", CHANGE + 1, title="Exception"), True),
    "past, told before": (occurrence("2026-03-10T09:00:00Z", 1, title="Exception"), True),
    "moved from the past into what comes, told before": (
        occurrence("2026-03-10T09:00:00Z", 1, title="Exception", start="2026-03-27T10:00:00"),
        False,
    ),
    "moved from what comes into the past": (
        occurrence("2026-03-24T09:00:00Z", 1, title="Exception", start="2026-03-12T10:00:00"),
        True,
    ),
}


@pytest.mark.parametrize(("exception", "stays"), LEFT_OVER.values(), ids=list(LEFT_OVER))
def test_an_exception_that_no_shape_makes_any_more_stays_if_past_or_told_after(exception: Event, stays: bool) -> None:
    engine = same_in_any_order(running(), exception, AT_THE_CHANGE)
    assert ("Exception" in engine.titles()) is stays


def test_a_cancelled_occurrence_that_is_not_made_any_more_leaves_too() -> None:
    engine = same_in_any_order(running(), occurrence_deleted("2026-03-24T09:00:00Z", 1), AT_THE_CHANGE)
    assert engine.shown() == weekly("03-03", "03-10", "03-18", "03-25", "04-01")


# --- split ------------------------------------------------------------------------------------------------------------


def head(revision: float = 2, **fields: Any) -> Event:
    """What is left of the series when it is split after the second occurrence."""
    return series("s1", revision, rule="FREQ=WEEKLY;UNTIL=20260414T080000Z", **fields)


def tail(revision: float = 2, *, id: str = "s2", **fields: Any) -> Event:
    """The rest of it: Tuesday afternoons, as a series of its own with the same UID."""
    told: Event = {"start": "2026-04-21T15:00:00", "title": "Afternoon", "provenance": {"icalUid": UID}}
    return series(id, revision, **{"rule": "FREQ=WEEKLY;COUNT=2", **told, **fields})


def test_both_parts_of_a_split_series_are_one_meeting() -> None:
    engine = same_in_any_order(series(), head(), tail())
    assert engine.shown() == [
        *weekly("04-07", "04-14"),
        ("Afternoon", "2026-04-21T13:00:00Z", "confirmed"),
        ("Afternoon", "2026-04-28T13:00:00Z", "confirmed"),
    ]
    assert len({e["meeting"] for e in engine.timeline()}) == 1


def test_exceptions_belong_to_the_part_that_makes_their_original_start() -> None:
    first = occurrence(SECOND, 1, title="Of the first")
    second = occurrence("2026-04-28T13:00:00Z", 3, series="s2", uid=UID, title="Of the second", start="2026-04-29T15:00:00")
    engine = same_in_any_order(series(), first, head(), tail(), second)
    assert [(title, start) for title, start, _ in engine.shown()] == [
        ("Weekly", FIRST),
        ("Of the first", SECOND),
        ("Afternoon", "2026-04-21T13:00:00Z"),
        ("Of the second", "2026-04-29T13:00:00Z"),
    ]


def test_an_occurrence_that_neither_part_makes_leaves_in_any_order() -> None:
    engine = same_in_any_order(series(), occurrence(FOURTH, 1, title="Exception"), head(), tail())
    assert "Exception" not in engine.titles()


def test_an_exception_that_is_like_the_other_part_is_one_all_the_same() -> None:
    engine = same_in_any_order(series(), occurrence(SECOND, 1, title="Afternoon"), head(), tail())
    assert engine.titles() == ["Weekly", "Afternoon", "Afternoon", "Afternoon"]


def test_an_exception_from_before_the_split_belongs_to_the_part_that_makes_it_now() -> None:
    same_time = tail(start="2026-04-21T10:00:00")
    engine = same_in_any_order(series(), occurrence(FOURTH, 1, title="Exception"), head(), same_time)
    assert engine.titles() == ["Weekly", "Weekly", "Afternoon", "Exception"]


APART: Event = {"start": "2026-04-21T10:00:00", "provenance": {"icalUid": "s2@google.example"}}
"""The rest of a split series at the same time of day, under a UID of its own: as Google and Graph make it."""

APARTS: dict[str, tuple[tuple[Event, ...], str]] = {
    "told before the split": ((occurrence(FOURTH, 1, title="Exception"),), "Afternoon"),
    "told before the split, under a UID of its own": ((occurrence(FOURTH, 1, title="Exception", uid="e4@google.example"),), "Afternoon"),
    "called off with the split": (
        (occurrence(FOURTH, 1, title="Exception"), occurrence_deleted(FOURTH, 3)),
        "Afternoon",
    ),
    "told anew as the second part's": (
        (occurrence(FOURTH, 1, title="Exception"), occurrence(FOURTH, 3, series="s2", title="Anew")),
        "Anew",
    ),
    "told anew as the second part's, under the id it had": (
        (occurrence(FOURTH, 1, id="e4", title="Exception"), occurrence(FOURTH, 3, id="e4", series="s2", title="Anew")),
        "Anew",
    ),
    "told anew as the second part's, under the UID it had": (
        (
            occurrence(FOURTH, 1, id="e4", uid="e4@google.example", title="Exception"),
            occurrence(FOURTH, 3, id="e5", uid="e4@google.example", series="s2", title="Anew"),
        ),
        "Anew",
    ),
}


@pytest.mark.parametrize(("told", "fourth"), APARTS.values(), ids=list(APARTS))
def test_an_exception_behind_a_split_into_two_uids_is_there_once(told: tuple[Event, ...], fourth: str) -> None:
    engine = same_in_any_order(series(), *told, head(), tail(**APART))
    assert engine.shown() == [*weekly("04-07", "04-14"), *weekly("04-21", title="Afternoon"), *weekly("04-28", title=fourth)]


def test_an_exception_without_details_says_what_its_own_series_says() -> None:
    """Of two parts it is the first's, which neither the newest word nor the last to arrive is of."""
    hidden = occurrence(SECOND, 3, title=None, guests=(), owner=None, provenance={"detailsHidden": True}, start="2026-04-15T10:00:00")
    engine = same_in_any_order(head(1), tail(2), hidden)
    assert [(title, start[:10]) for title, start, _ in engine.shown()] == [
        ("Weekly", "2026-04-07"),
        ("Weekly", "2026-04-15"),
        ("Afternoon", "2026-04-21"),
        ("Afternoon", "2026-04-28"),
    ]


def test_the_second_part_deleted_leaves_the_first() -> None:
    engine = same_in_any_order(head(0), tail(0), deleted("s2", 3))
    assert [status for _, _, status in engine.shown()] == ["confirmed", "confirmed", "cancelled", "cancelled"]


def test_the_first_part_deleted_leaves_the_second() -> None:
    engine = same_in_any_order(head(0), tail(0), deleted("s1", 3))
    assert [status for _, _, status in engine.shown()] == ["cancelled", "cancelled", "confirmed", "confirmed"]


def test_a_guests_answer_to_one_part_is_his_answer_to_that_one() -> None:
    shared: Event = {"user": "502", "provenance": {"icalUid": UID}}
    bens = [
        head(3, **shared | {"guests": (BO, person(BEN, status="accepted"))}) | {"id": "ben:head"},
        tail(3, id="b2", **shared | {"guests": (BO, person(BEN, status="declined"))}),
    ]
    engine = same_in_any_order(head(guests=(BO, BEN)), tail(guests=(BO, BEN)), *bens, before=[BENS])
    answers = [p["participationStatus"] for e in engine.timeline() for p in e["participants"] if p["email"] == BEN]
    assert answers == ["accepted", "accepted", "declined", "declined"]


def test_split_in_the_past_what_was_stays() -> None:
    until = running(CHANGE, rule="FREQ=WEEKLY;UNTIL=20260310T090000Z")
    rest = tail(CHANGE, start="2026-03-17T15:00:00", rule="FREQ=WEEKLY;COUNT=2")
    engine = same_in_any_order(running(), until, rest)
    assert [(title, start[:10]) for title, start, _ in engine.shown()] == [
        ("Weekly", "2026-03-03"),
        ("Weekly", "2026-03-10"),
        ("Afternoon", "2026-03-17"),
        ("Afternoon", "2026-03-24"),
    ]


# --- names ------------------------------------------------------------------------------------------------------------


def test_an_entry_keeps_its_name_when_its_occurrence_moves() -> None:
    engine = staged(series())
    before = {e["occurrence"]: e["entry"] for e in engine.timeline()}
    engine.tell(occurrence(SECOND, start="2026-04-17T10:00:00"))
    assert {e["occurrence"]: e["entry"] for e in engine.timeline()} == before


def test_entries_of_a_series_say_of_which_series_they_are() -> None:
    engine = staged(series(), meeting())
    named = {e["title"]: e["series"] for e in engine.timeline()}
    assert named["Kick-off"] is None
    assert named["Weekly"]["id"] == next(e["meeting"] for e in engine.timeline() if e["title"] == "Weekly")


def test_the_story_holds_together() -> None:
    """What the other tests take for granted: when the change is made, and which days are Tuesdays."""
    assert hour(CHANGE).isoformat() == "2026-03-17T08:00:00+00:00"
    assert datetime(2026, 3, 3).weekday() == (datetime(2026, 4, 7) + timedelta(weeks=3)).weekday() == 1


def test_an_exception_and_its_removal_under_two_ids_are_the_same_in_any_order_also_for_whom_the_change_re_judges() -> None:
    """That they are one is a change of the meeting: who lost his address meanwhile is matched no more, whichever came first."""
    stage = [series(guests=(BO, CY)), contact("152", None, 2, kind="contact.updated")]
    engine = same_in_any_order(occurrence(SECOND, 3, title="Exc", guests=(BO, CY)), deleted("s1_2026-04-14", 4), before=stage)
    assert occurrences(engine, "152") == []
