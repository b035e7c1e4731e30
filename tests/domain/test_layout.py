"""Meetings laid out as occurrences: what is past stays, what is changed follows, and an occurrence keeps its name.

The series here is every Monday at 10 UTC from 2 March 2026; the span is four weeks from Monday 9 March. A time is told as
`16T10`: the 16th of March, at 10.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from domain.events import Exception_, Former, Part, Shown, View
from domain.layout import is_series, laid_out, own_slot
from domain.recurrence import millis, moment


def local(text: str) -> datetime:
    """`16T10` is 16 March 2026 at 10; `04-07T10` says the month."""
    day, _, hour = text.partition("T")
    month, _, day = day.rpartition("-")
    return datetime(2026, int(month or 3), int(day), int(hour[:2] or 0), int(hour[3:] or 0))


def ms(text: str) -> int:
    """The same in UTC, in milliseconds."""
    return millis(local(text).replace(tzinfo=UTC))


LOW, HIGH = ms("9"), ms("04-06")


def shown(start: str = "2T10", title: str = "Weekly", **fields: Any) -> Shown:
    """What readers see."""
    return Shown(**{"start": local(start), "duration": "PT1H", "title": title, "time_zone": "UTC", **fields})


def series(rules: tuple[str, ...] = ("FREQ=WEEKLY",), title: str = "Weekly", start: str = "2T10", **fields: Any) -> Part:
    """The Monday series, or another."""
    return Part(shown=shown(start, title), rules=rules, **fields)


def single(start: str = "10T10", **fields: Any) -> Part:
    """A single meeting."""
    return Part(shown=shown(start, "Once"), first=ms(start), **fields)


def instead(original: str, start: str | None = None, **fields: Any) -> Exception_:
    """What differs for the occurrence that its series would start at `original`."""
    return Exception_(ms(original), shown(start, "Moved") if start else None, **fields)


def short(at: int) -> str:
    """An instant as the tables write it."""
    there = moment(at)
    return f"{there.day}T{there:%H}" if there.month == 3 else f"{there:%m-%dT%H}"


def laid(*parts: Part, exceptions: tuple[Exception_, ...] = (), low: int = LOW, high: int = HIGH) -> list[str]:
    """`name`, `name>start` where it moved, with the title where it is another and `cancelled` or `tentative` where it is."""
    found = []
    for one in laid_out(View(parts, exceptions), low, high):
        words = [short(one.original) + (f">{short(one.slot.start)}" if one.slot.start != one.original else "")]
        words += [one.shown.title or ""] if one.shown.title not in ("Weekly", "Once") else []
        words += [one.shown.status] if one.shown.status != "confirmed" else []
        found.append(" ".join(words))
    return found


MONDAYS = ["9T10", "16T10", "23T10", "30T10"]


# --- single meetings ----------------------------------------------------------------------------------------------------------


def test_a_single_meeting_has_its_one_occurrence_wherever_it_is() -> None:
    assert laid(single("10T10")) == ["10T10"]
    assert laid(single("08-01T10")) == ["08-01T10"]


def test_a_single_meeting_keeps_its_name_when_it_moves() -> None:
    assert laid(replace(single("10T10"), shown=shown("12T15", "Once"))) == ["10T10>12T15"]


def test_a_single_meeting_that_is_cancelled_is_cancelled_also_when_it_is_past() -> None:
    assert laid(single("10T10", cancelled_from=ms("10T09"))) == ["10T10 cancelled"]
    assert laid(single("10T10", cancelled_from=ms("20T00"))) == ["10T10 cancelled"]


def test_a_single_meeting_whose_start_is_excluded_is_none() -> None:
    assert laid(single("10T10", excluded=(local("10T10"),))) == []


def test_an_all_day_meeting_is_from_midnight_to_midnight_utc_whatever_its_zone() -> None:
    day = Shown(start=local("10"), duration="P2D", time_zone="America/New_York", all_day=True)
    at = own_slot(day)
    assert (short(at.start), short(at.end)) == ("10T00", "12T00")


# --- series -------------------------------------------------------------------------------------------------------------------


def test_a_series_has_those_that_start_in_the_span() -> None:
    assert laid(series()) == MONDAYS
    assert laid(series(), low=ms("9T10"), high=ms("16T10")) == ["9T10"]
    assert laid(series(), low=ms("9T11"), high=ms("16T10")) == []


def test_what_makes_a_series() -> None:
    assert is_series(series())
    assert is_series(single(added=(local("11T10"),)))
    assert not is_series(single())


def test_added_and_excluded_starts() -> None:
    assert laid(series(excluded=(local("16T10"),), added=(local("18T15"),))) == ["9T10", "18T15", "23T10", "30T10"]
    assert laid(single("10T10", added=(local("11T10"),))) == ["10T10", "11T10"]


def test_the_parts_of_a_split_series_are_one_meeting() -> None:
    assert laid(series(("FREQ=WEEKLY;UNTIL=20260316",)), series(title="After", start="24T11")) == [
        "9T10",
        "16T10",
        "24T11 After",
        "31T11 After",
    ]


@pytest.mark.parametrize(
    ("cancelled", "expected"),
    [
        ("2T00", [f"{m} cancelled" for m in MONDAYS]),
        ("16T10", ["9T10", "16T10 cancelled", "23T10 cancelled", "30T10 cancelled"]),
        ("16T10:30", ["9T10", "16T10 cancelled", "23T10 cancelled", "30T10 cancelled"]),
        ("16T11", ["9T10", "16T10", "23T10 cancelled", "30T10 cancelled"]),
        ("04-30T00", MONDAYS),
    ],
    ids=["before all", "as it starts", "while it is on", "as it ends", "after all"],
)
def test_a_cancelled_series_leaves_its_past_as_it_was(cancelled: str, expected: list[str]) -> None:
    assert laid(series(cancelled_from=ms(cancelled))) == expected


# --- changed series -----------------------------------------------------------------------------------------------------------

WEDNESDAY = ms("18T00")
MONDAY_UNTIL = Former(shown(), ("FREQ=WEEKLY",), WEDNESDAY)


def changed(*rules: str, start: str = "2T10", since: int = WEDNESDAY, formers: tuple[Former, ...] = (MONDAY_UNTIL,), **fields: Any) -> Part:
    """The series since Wednesday 18 March, when it took another shape."""
    return series(rules, title="New", start=start, since=since, formers=formers, **fields)


@pytest.mark.parametrize(
    ("part", "expected"),
    [
        (changed("FREQ=WEEKLY", start="3T10"), ["9T10", "16T10", "24T10 New", "31T10 New"]),
        (changed("FREQ=WEEKLY", start="2T15"), ["9T10", "16T10", "23T15 New", "30T15 New"]),
        (changed("FREQ=DAILY;UNTIL=20260319"), ["9T10", "16T10", "18T10 New", "19T10 New"]),
        (changed("FREQ=WEEKLY;UNTIL=20260310"), ["9T10", "16T10"]),
        (changed("FREQ=WEEKLY;UNTIL=20260316"), ["9T10", "16T10"]),
        (changed("FREQ=WEEKLY;COUNT=1"), ["9T10", "16T10"]),
        (changed("FREQ=WEEKLY", excluded=(local("16T10"), local("23T10"))), ["9T10", "16T10", "30T10 New"]),
        (changed("FREQ=WEEKLY", start="24T10"), ["9T10", "16T10", "24T10 New", "31T10 New"]),
        (changed("FREQ=WEEKLY", start="3T10", cancelled_from=ms("25T00")), ["9T10", "16T10", "24T10 New", "31T10 New cancelled"]),
    ],
    ids=[
        "another day",
        "another hour",
        "more often: no past is invented",
        "ended before",
        "ended with the last past one",
        "no more than the first",
        "a past one excluded stays, a future one goes",
        "begins later",
        "changed, then cancelled",
    ],
)
def test_a_changed_series_keeps_its_past_and_invents_none(part: Part, expected: list[str]) -> None:
    # Both shapes make the Mondays: what is shown of those is the present content, and no matter here.
    found = [one.replace(" New", "") if local(one.split()[0]) < local("18T00") else one for one in laid(part)]
    assert found == expected


def test_an_occurrence_that_is_on_while_the_series_changes_is_of_the_new_shape() -> None:
    during = ms("16T10:30")
    part = changed("FREQ=WEEKLY", start="3T10", since=during, formers=(Former(shown(), ("FREQ=WEEKLY",), during),))
    assert laid(part) == ["9T10", "17T10 New", "24T10 New", "31T10 New"]


def test_each_former_shape_speaks_for_its_own_time() -> None:
    formers = (
        Former(shown(), ("FREQ=WEEKLY",), ms("10T00")),
        Former(shown("3T10", "Second"), ("FREQ=WEEKLY",), WEDNESDAY, since=ms("10T00")),
    )
    assert laid(changed("FREQ=WEEKLY", start="5T10", formers=formers)) == [
        "9T10",
        "10T10 Second",
        "17T10 Second",
        "19T10 New",
        "26T10 New",
        "04-02T10 New",
    ]


def test_a_series_that_became_a_single_meeting_keeps_its_past() -> None:
    part = Part(shown=shown("24T10", "Once"), first=ms("24T10"), since=WEDNESDAY, formers=(MONDAY_UNTIL,))
    assert laid(part) == ["9T10", "16T10", "24T10"]


# --- exceptions ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("exception", "expected"),
    [
        (instead("16T10", "17T15"), ["9T10", "16T10>17T15 Moved", "23T10", "30T10"]),
        (instead("16T10", "16T10"), ["9T10", "16T10 Moved", "23T10", "30T10"]),
        (instead("16T10", "24T15"), ["9T10", "23T10", "16T10>24T15 Moved", "30T10"]),
        (instead("16T10", cancelled=True), ["9T10", "16T10 cancelled", "23T10", "30T10"]),
        (instead("16T10", "17T15", cancelled=True), ["9T10", "16T10>17T15 Moved cancelled", "23T10", "30T10"]),
        (instead("16T10", gone=True), ["9T10", "23T10", "30T10"]),
        (instead("16T10"), MONDAYS),
        (instead("2T10", "17T15"), ["9T10", "2T10>17T15 Moved", "16T10", "23T10", "30T10"]),
        (instead("2T10", "17T15", cancelled=True), ["9T10", "16T10", "2T10>17T15 Moved cancelled", "23T10", "30T10"]),
        (instead("16T10", "04-20T15"), ["9T10", "23T10", "30T10", "16T10>04-20T15 Moved"]),
        (instead("2T10", "3T10"), MONDAYS),
        (instead("17T10", "18T10"), ["9T10", "16T10", "17T10>18T10 Moved", "23T10", "30T10"]),
        (instead("17T10", "18T10", loose=True), ["9T10", "16T10", "17T10>18T10 Moved", "23T10", "30T10"]),
        (instead("17T10", cancelled=True), MONDAYS),
        (instead("17T10", gone=True), MONDAYS),
    ],
    ids=[
        "moved",
        "other content",
        "moved past the next",
        "cancelled",
        "moved, then cancelled",
        "gone",
        "nothing differs",
        "moved into the span",
        "moved into the span, then cancelled",
        "moved out of the span",
        "moved before the span",
        "of a start that no part makes",
        "loose",
        "cancelled, of a start that no part makes",
        "gone, of a start that no part makes",
    ],
)
def test_one_occurrence_that_differs(exception: Exception_, expected: list[str]) -> None:
    assert sorted(laid(series(), exceptions=(exception,))) == sorted(expected)


def test_occurrences_are_in_the_order_of_where_they_are_now() -> None:
    assert laid(series(), exceptions=(instead("30T10", "9T09"), instead("9T10", "31T10"))) == [
        "30T10>9T09 Moved",
        "16T10",
        "23T10",
        "9T10>31T10 Moved",
    ]


def test_an_exception_whose_series_is_not_known_is_a_meeting_of_its_own() -> None:
    assert laid(exceptions=(instead("16T10", "17T15", loose=True),)) == ["16T10>17T15 Moved"]
    assert laid(exceptions=(instead("08-03T10", "08-04T10", loose=True),)) == ["08-03T10>08-04T10 Moved"]


@pytest.mark.parametrize(
    ("exception", "expected"),
    [
        (instead("16T10", "17T15"), ["9T10", "16T10>17T15 Moved", "23T10 cancelled", "30T10 cancelled"]),
        (instead("16T10", "25T15"), ["9T10", "23T10 cancelled", "16T10>25T15 Moved cancelled", "30T10 cancelled"]),
        (instead("30T10", "17T15"), ["9T10", "16T10", "30T10>17T15 Moved", "23T10 cancelled"]),
        (instead("9T10", cancelled=True), ["9T10 cancelled", "16T10", "23T10 cancelled", "30T10 cancelled"]),
    ],
    ids=["past where it was moved", "moved from the past to later", "moved from later to the past", "cancelled before"],
)
def test_of_a_cancelled_series_an_exception_is_past_by_where_it_is(exception: Exception_, expected: list[str]) -> None:
    assert laid(series(cancelled_from=WEDNESDAY), exceptions=(exception,)) == expected


TUESDAYS = changed("FREQ=WEEKLY", start="3T10")


@pytest.mark.parametrize(
    ("exception", "expected"),
    [
        (instead("16T10", "17T15", updated=ms("12T00")), ["9T10", "16T10>17T15 Moved", "24T10 New", "31T10 New"]),
        (instead("23T10", "23T15", updated=ms("12T00")), ["9T10", "16T10", "24T10 New", "31T10 New"]),
        (instead("23T10", "17T15", updated=ms("12T00")), ["9T10", "16T10", "23T10>17T15 Moved", "24T10 New", "31T10 New"]),
        (instead("23T10", "23T15", updated=ms("19T00")), ["9T10", "16T10", "23T10>23T15 Moved", "24T10 New", "31T10 New"]),
        (instead("16T10", cancelled=True, updated=ms("12T00")), ["9T10", "16T10 cancelled", "24T10 New", "31T10 New"]),
        (instead("24T10", "25T15", updated=ms("12T00")), ["9T10", "16T10", "24T10>25T15 Moved", "31T10 New"]),
        (instead("16T10", gone=True, updated=ms("12T00")), ["9T10", "24T10 New", "31T10 New"]),
    ],
    ids=[
        "past and moved",
        "of an occurrence no longer made: leaves",
        "no longer made, but past",
        "no longer made, told after the change: stays",
        "past and cancelled",
        "of one that the new shape makes",
        "past and gone",
    ],
)
def test_an_exception_of_a_changed_series(exception: Exception_, expected: list[str]) -> None:
    assert laid(TUESDAYS, exceptions=(exception,)) == expected


# --- laws ---------------------------------------------------------------------------------------------------------------------

PLACES = st.sampled_from(["2T10", "9T10", "16T10", "17T10", "23T10", "30T10", "04-20T10"])
EXCEPTIONS = st.builds(
    instead, PLACES, st.none() | PLACES, cancelled=st.booleans(), gone=st.booleans(), loose=st.booleans(), updated=PLACES.map(ms)
)
PARTS = st.sampled_from([series(), series(cancelled_from=WEDNESDAY), TUESDAYS, changed("FREQ=DAILY"), single(), single("08-01T10")])


@given(PARTS, st.lists(EXCEPTIONS, max_size=4))
def test_names_are_unique_and_occurrences_in_order(part: Part, exceptions: list[Exception_]) -> None:
    found = laid_out(View((part,), tuple(exceptions)), LOW, HIGH)
    names = [one.original for one in found]
    assert len(set(names)) == len(names)
    assert [one.slot.start for one in found] == sorted(one.slot.start for one in found)


@given(PARTS, PLACES, PLACES)
def test_an_occurrence_keeps_its_name_wherever_it_is_moved(part: Part, place: str, to: str) -> None:
    before = laid_out(View((part,)), LOW, HIGH)
    after = laid_out(View((part,), (instead(place, to, updated=ms("04-30T00")),)), LOW, HIGH)
    names = {one.original for one in before}
    assert names <= {one.original for one in after} <= names | {ms(place)}


@given(st.sampled_from([("FREQ=DAILY",), ("FREQ=WEEKLY",), ("FREQ=MONTHLY",), ("FREQ=DAILY;COUNT=3",)]), PLACES, PLACES)
def test_no_change_of_a_series_changes_what_had_ended_before_it(rules: tuple[str, ...], start: str, when: str) -> None:
    before = {one.original for one in laid_out(View((series(),)), LOW, HIGH) if one.slot.end <= ms(when)}
    part = changed(*rules, start=start, since=ms(when), formers=(Former(shown(), ("FREQ=WEEKLY",), ms(when)),))
    assert {one.original for one in laid_out(View((part,)), LOW, HIGH) if one.slot.end <= ms(when)} == before


@given(PARTS, st.integers(0, 28), st.integers(0, 28))
def test_a_series_in_two_spans_is_the_same_as_in_one(part: Part, one: int, other: int) -> None:
    if not is_series(part):
        return
    low, high = sorted((LOW + one * 86_400_000, LOW + other * 86_400_000))
    whole = laid_out(View((part,)), LOW, HIGH)
    split = [x for a, b in ((LOW, low), (low, high), (high, HIGH)) for x in laid_out(View((part,)), a, b)]
    assert split == whole
