"""Rule three-way: what both sides changed since they last agreed, field by field.

What must stay true: one side's change survives the other side's change of another field; of one field the calendar's value
stands and the CRM's is in the decision; nothing of it depends on which change arrives first.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.domain.rules.shuffling import same_in_any_order
from tests.engine import Engine, staged
from tests.examples import BO, Event, meeting, row

AT = "2026-04-07T08:00:00Z"
UID = "g1@google.example"
LINK = "https://meet.example/"

VALUES: dict[str, tuple[str, Any, Any, Any]] = {
    "title": ("title", "Agreed", "CRM's", "Calendar's"),
    "location": ("location", "Room 1", "Room 2", "Room 3"),
    "conferenceUrl": ("conferenceUrl", f"{LINK}1", f"{LINK}2", f"{LINK}3"),
    "start": ("start", "2026-04-07T10:00:00", "2026-04-08T10:00:00", "2026-04-09T10:00:00"),
    "duration": ("duration", "PT1H", "PT2H", "PT3H"),
    "title taken away in the CRM": ("title", "Agreed", None, "Calendar's"),
    "title taken away in the calendar": ("title", "Agreed", "CRM's", None),
}
ENTRY_NAME = {"duration": "end"}


def in_crm(revision: float, **fields: Any) -> Event:
    """The row of the meeting."""
    return row(revision=revision, uid=UID, **fields)


def value(engine: Engine, field: str) -> Any:
    """What the entry shows of a field."""
    return engine.timeline()[0][ENTRY_NAME.get(field, field)]


def as_shown(field: str, told: Any) -> Any:
    """A told value as the entry shows it."""
    if field == "start":
        return f"{told[:11]}08:00:00Z"
    return f"2026-04-07T{8 + int(told[2]):02d}:00:00Z" if field == "duration" else told


@pytest.mark.parametrize(("field", "agreed", "crm", "calendar"), VALUES.values(), ids=VALUES.keys())
@pytest.mark.parametrize("crm_last", [False, True], ids=["the calendar changed last", "the CRM changed last"])
def test_of_a_field_changed_on_both_sides_the_calendars_value_stands(
    field: str, agreed: Any, crm: Any, calendar: Any, crm_last: bool
) -> None:
    ours, theirs = (3, 2) if crm_last else (2, 3)
    engine = same_in_any_order(
        meeting(**{field: agreed}),
        in_crm(1, **{field: agreed}),
        in_crm(ours, **{field: crm}),
        meeting(revision=theirs, **{field: calendar}),
    )
    assert value(engine, field) == as_shown(field, calendar)


@pytest.mark.parametrize(("field", "agreed", "crm", "_"), VALUES.values(), ids=VALUES.keys())
def test_a_field_changed_in_the_crm_only_survives_a_later_change_of_another_in_the_calendar(
    field: str, agreed: Any, crm: Any, _: Any
) -> None:
    other: Event = {"location": "Elsewhere"} if field != "location" else {"title": "Elsewhere"}
    same: Event = {field: agreed}
    engine = same_in_any_order(meeting(**same), in_crm(1, **same), in_crm(2, **{field: crm}), meeting(revision=3, **same, **other))
    assert value(engine, field) == as_shown(field, crm)
    assert value(engine, next(iter(other))) == "Elsewhere"


@pytest.mark.parametrize(("field", "agreed", "_", "calendar"), VALUES.values(), ids=VALUES.keys())
def test_a_field_changed_in_the_calendar_only_survives_a_later_change_of_another_in_the_crm(
    field: str, agreed: Any, _: Any, calendar: Any
) -> None:
    other: Event = {"location": "Elsewhere"} if field != "location" else {"title": "Elsewhere"}
    same: Event = {field: agreed}
    engine = same_in_any_order(meeting(**same), in_crm(1, **same), meeting(revision=2, **{field: calendar}), in_crm(3, **same, **other))
    assert value(engine, field) == as_shown(field, calendar)
    assert value(engine, next(iter(other))) == "Elsewhere"


def test_a_field_changed_to_the_same_on_both_sides_is_agreed() -> None:
    engine = same_in_any_order(meeting(), in_crm(1), in_crm(2, title="Both"), meeting(revision=3, title="Both"))
    assert engine.titles() == ["Both"]


def test_a_value_agreed_on_again_is_what_the_next_change_is_measured_by() -> None:
    """The calendar won; the CRM took its value over; then the CRM alone changed it again."""
    engine = same_in_any_order(
        meeting(), in_crm(1), in_crm(2, title="CRM's"), meeting(revision=3, title="Calendar's"), in_crm(4, title="Calendar's"),
        in_crm(5, title="CRM's second"),
    )  # fmt: skip
    assert engine.titles() == ["CRM's second"]


def test_what_was_never_agreed_on_is_the_calendars() -> None:
    engine = same_in_any_order(meeting(title="Calendar's"), in_crm(1, title="CRM's"))
    assert engine.titles() == ["Calendar's"]


def test_the_crms_change_taken_back_leaves_the_calendars() -> None:
    engine = same_in_any_order(meeting(title="Agreed"), in_crm(1, title="Agreed"), in_crm(2, title="CRM's"), in_crm(3, title="Agreed"))
    assert engine.titles() == ["Agreed"]


def test_one_instant_said_in_another_zone_is_no_change() -> None:
    moved = meeting(revision=3, start="2026-04-08T10:00:00")
    engine = same_in_any_order(meeting(), in_crm(1, start="2026-04-07T08:00:00", timeZone="UTC"), moved)
    assert engine.shown() == [("Kick-off", "2026-04-08T08:00:00Z", "confirmed")]


def test_moved_in_the_crm_and_renamed_in_the_calendar_it_is_both() -> None:
    engine = same_in_any_order(meeting(), in_crm(1), in_crm(2, start="2026-04-08T10:00:00"), meeting(revision=3, title="Renamed"))
    assert engine.shown() == [("Renamed", "2026-04-08T08:00:00Z", "confirmed")]


DAY: Event = {"start": "2026-04-10T00:00:00", "duration": "P1D", "timeZone": None, "showWithoutTime": True}
TIMES: dict[str, tuple[Event, Event, tuple[str, str]]] = {
    "made longer in the CRM, moved in the calendar": (
        {"duration": "PT2H"}, {"start": "2026-04-08T10:00:00"}, ("2026-04-08T08:00:00Z", "2026-04-08T10:00:00Z"),
    ),
    "moved in the CRM, made longer in the calendar": (
        {"start": "2026-04-08T10:00:00"}, {"duration": "PT2H"}, ("2026-04-08T08:00:00Z", "2026-04-08T10:00:00Z"),
    ),
    "moved on both sides, made longer in the CRM": (
        {"start": "2026-04-09T10:00:00", "duration": "PT2H"},
        {"start": "2026-04-08T10:00:00"},
        ("2026-04-08T08:00:00Z", "2026-04-08T10:00:00Z"),
    ),
    "moved in the CRM, made all-day in the calendar": ({"start": "2026-04-08T10:00:00"}, DAY, ("2026-04-10", "2026-04-11")),
    "made longer in the CRM, all-day in the calendar": ({"duration": "PT2H"}, DAY, ("2026-04-10", "2026-04-11")),
    "made all-day in the CRM, moved in the calendar": (
        DAY, {"start": "2026-04-08T10:00:00"}, ("2026-04-08T08:00:00Z", "2026-04-08T09:00:00Z"),
    ),
    "made all-day in the CRM, made longer in the calendar": (DAY, {"duration": "PT2H"}, ("2026-04-10", "2026-04-11")),
}  # fmt: skip


@pytest.mark.parametrize(("crm", "calendar", "expected"), TIMES.values(), ids=TIMES.keys())
def test_when_it_begins_and_how_long_it_takes_are_two_fields(crm: Event, calendar: Event, expected: tuple[str, str]) -> None:
    engine = same_in_any_order(meeting(), in_crm(1), in_crm(2, **crm), meeting(revision=3, **calendar))
    (entry,) = engine.timeline()
    assert (entry["start"], entry["end"]) == expected


# --- the losing value -------------------------------------------------------------------------------------------------

BASE = (meeting(title="Agreed"), in_crm(1, title="Agreed"))
CRMS, CALENDARS = in_crm(2, title="Lost title"), meeting(revision=3, title="Standing title")
ORDERS = {"the CRM's first": (CRMS, CALENDARS), "the calendar's first": (CALENDARS, CRMS)}


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS.keys())
def test_the_losing_value_stands_in_the_decision(order: tuple[Event, Event]) -> None:
    engine = staged(*BASE, *order)
    assert engine.decided(order[1])[0] == ("three-way", "applied")
    assert engine.notes(order[1])[0] == {"lost": {"title": "Lost title"}}


def test_the_losing_time_stands_in_the_decision() -> None:
    calendars = meeting(revision=3, title="Agreed", start="2026-04-09T10:00:00")
    engine = staged(*BASE, in_crm(2, title="Agreed", start="2026-04-08T10:00:00"), calendars)
    assert "2026-04-08" in engine.notes(calendars)[0]["lost"]["start"]


def test_several_losing_values_stand_there_together() -> None:
    crms = in_crm(3, title="Lost title", location="Lost room")
    engine = staged(*BASE, meeting(revision=2, title="Standing title", location="Standing room"), crms)
    assert engine.notes(crms)[0] == {"lost": {"title": "Lost title", "location": "Lost room"}}


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS.keys())
def test_no_decision_about_a_meeting_that_is_not_logged_holds_the_losing_value(order: tuple[Event, Event]) -> None:
    engine = staged(*(_for_a_stranger(e) for e in (*BASE, *order)))
    assert engine.shown() == []
    assert all("lost" not in note for e in order for note in engine.notes(e))
    assert b"Lost title" not in b"".join(body for _, _, _, name, body in engine.store.notifications(0, 10**6) if "decided" in name)


def _for_a_stranger(event: Event) -> Event:
    """The same with a stranger for its only guest and no association."""
    stranger = {"1": {"email": "stranger@nowhere.example", "roles": {"attendee": True}}}
    return {**event, "data": {**event["data"], "participants": stranger, "associations": {}}}


@pytest.mark.parametrize("order", ORDERS.values(), ids=ORDERS.keys())
def test_a_conflict_of_a_private_meeting_leaves_no_value(order: tuple[Event, Event]) -> None:
    hidden = meeting(revision=4, title="Agreed", privacy="private")
    engine = staged(*BASE, hidden, *order)
    assert engine.shown() == []
    assert all("lost" not in note for e in order for note in engine.notes(e))


# --- order of arrival -------------------------------------------------------------------------------------------------


def test_a_conflict_on_every_field_at_once_is_the_same_in_any_order() -> None:
    crm: Event = {"title": "CRM's", "location": "Room 2", "conferenceUrl": f"{LINK}2", "start": "2026-04-08T10:00:00"}
    calendar: Event = {"title": "Calendar's", "location": "Room 3", "conferenceUrl": f"{LINK}3", "start": "2026-04-09T10:00:00"}
    engine = same_in_any_order(meeting(), in_crm(1), in_crm(2, **crm), meeting(revision=3, **calendar))
    (entry,) = engine.timeline()
    assert {name: entry[name] for name in calendar} == {**calendar, "start": "2026-04-09T08:00:00Z"}


def test_many_changes_on_both_sides_are_the_same_in_any_order() -> None:
    told = [in_crm(n, title=f"CRM {n}", location="Room 4" if n < 5 else "Room 9") for n in (1, 3, 5)]
    told += [meeting(revision=n, title=f"Calendar {n}", guests=(BO,)) for n in (0, 2, 4)]
    engine = same_in_any_order(*told)
    assert engine.titles() == ["Calendar 4"]
    assert engine.timeline()[0]["location"] == "Room 9"
