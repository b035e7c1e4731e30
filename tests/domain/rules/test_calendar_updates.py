"""Rule calendar-updates: a change in the calendar updates the timeline entry by itself, whatever order its revisions come in.

What a changed series no longer makes is in `test_series.py`.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.domain.rules.shuffling import same_in_any_order
from tests.engine import staged
from tests.examples import ANA, BO, CY, Event, deleted, meeting, people, person

CHANGES: dict[str, tuple[Event, Event]] = {
    "title": ({"title": "Contract"}, {"title": "Contract"}),
    "title taken away": ({"title": None}, {"title": None}),
    "a later time": ({"start": "2026-04-08T14:30:00"}, {"start": "2026-04-08T12:30:00Z", "end": "2026-04-08T13:30:00Z"}),
    "an earlier time": ({"start": "2026-03-20T10:00:00"}, {"start": "2026-03-20T09:00:00Z", "end": "2026-03-20T10:00:00Z"}),
    "length": ({"duration": "PT30M"}, {"start": "2026-04-07T08:00:00Z", "end": "2026-04-07T08:30:00Z"}),
    "no length": ({"duration": "PT0S"}, {"start": "2026-04-07T08:00:00Z", "end": "2026-04-07T08:00:00Z"}),
    "zone, same time of day": (
        {"timeZone": "America/New_York"},
        {"start": "2026-04-07T14:00:00Z", "end": "2026-04-07T15:00:00Z", "timeZone": "America/New_York"},
    ),
    "zone, same instant": (
        {"timeZone": "Europe/Lisbon", "start": "2026-04-07T09:00:00"},
        {"start": "2026-04-07T08:00:00Z", "timeZone": "Europe/Lisbon"},
    ),
    "all day": (
        {"start": "2026-04-07T00:00:00", "timeZone": None, "duration": "P1D", "showWithoutTime": True},
        {"start": "2026-04-07", "end": "2026-04-08", "allDay": True, "timeZone": None},
    ),
    "floating": (
        {"timeZone": None},
        # Its name is the same instant, in the form that its present times have.
        {"start": "2026-04-07T10:00:00", "end": "2026-04-07T11:00:00", "timeZone": None, "occurrence": "2026-04-07T08:00:00"},
    ),
    "place": ({"location": "Room 9"}, {"location": "Room 9"}),
    "place taken away": ({"location": None}, {"location": None}),
    "conference link": ({"conferenceUrl": "https://meet.example/x"}, {"conferenceUrl": "https://meet.example/x"}),
    "tentative": ({"status": "tentative"}, {"status": "tentative"}),
    "an answer": (
        {"guests": (person(BO, status="accepted"),)},
        {"participants": [{"email": BO, "name": "Bo", "contact": "151", "participationStatus": "accepted"}]},
    ),
    "a guest more": (
        {"guests": (BO, "eve@nobody.example")},
        {
            "participants": [
                {"email": BO, "name": "Bo", "contact": "151", "participationStatus": "needs-action"},
                {"email": "eve@nobody.example", "name": "Eve", "contact": None, "participationStatus": "needs-action"},
            ]
        },
    ),
    "organiser": ({"owner": CY}, {"organizer": {"email": CY, "name": "Cy", "contact": "152"}}),
}


@pytest.mark.parametrize(("change", "expected"), CHANGES.values(), ids=list(CHANGES))
def test_what_changes_in_the_calendar_changes_in_the_timeline(change: Event, expected: Event) -> None:
    first, between = meeting(), meeting(revision=1, title="Between", location="Nowhere")
    engine = same_in_any_order(first, between, meeting(revision=2, **change))
    [entry] = engine.timeline()
    unchanged = {"title": "Kick-off", "status": "confirmed", "location": "Room 4", "occurrence": "2026-04-07T08:00:00Z"}
    assert {key: entry[key] for key in (*unchanged, *expected)} == unchanged | expected


def test_a_moved_meeting_keeps_its_entry_which_gets_a_new_version() -> None:
    engine = staged(meeting())
    [before] = engine.timeline()
    [after] = engine.tell(meeting(revision=1, start="2026-05-05T10:00:00")).timeline()
    assert (after["entry"], after["occurrence"]) == (before["entry"], "2026-04-07T08:00:00Z")
    assert (before["version"], after["version"]) == (1, 2)
    assert after["start"] == "2026-05-05T08:00:00Z"


def test_it_is_decided_by_this_rule_and_the_decision_names_what_changed() -> None:
    engine = staged(meeting(), told := meeting(revision=1, title="Contract", location="Room 9"))
    assert engine.decided(told)[0] == ("calendar-updates", "applied")
    assert engine.notes(told)[0] == {"changed": ["title", "location"]}


def test_a_revision_that_changes_nothing_readers_see_makes_no_new_version() -> None:
    engine = staged(meeting(), meeting(revision=1))
    assert [entry["version"] for entry in engine.timeline()] == [1]


def test_a_change_taken_back_shows_what_was_there_before() -> None:
    engine = same_in_any_order(meeting(), meeting(revision=1, title="Contract"), meeting(revision=2))
    assert engine.titles() == ["Kick-off"]


GUESTS: dict[str, tuple[tuple[str, ...], dict[str, list[str]]]] = {
    "invited: he gets it": ((BO, CY), {"151": ["Kick-off"], "152": ["Kick-off"]}),
    "no longer invited: it leaves him": ((CY,), {"151": [], "152": ["Kick-off"]}),
    "nobody left": ((), {"151": [], "152": []}),
}


@pytest.mark.parametrize(("guests", "expected"), GUESTS.values(), ids=list(GUESTS))
def test_guests_are_judged_again_at_each_change(guests: tuple[str, ...], expected: dict[str, list[str]]) -> None:
    engine = same_in_any_order(meeting(), meeting(revision=1, guests=(CY, BO)), meeting(revision=2, guests=guests))
    assert {contact: engine.titles(contact) for contact in expected} == expected


def test_a_guest_who_was_taken_out_and_invited_again_has_it_again() -> None:
    engine = same_in_any_order(meeting(), meeting(revision=1, guests=()), meeting(revision=2))
    assert engine.shown() == [("Kick-off", "2026-04-07T08:00:00Z", "confirmed")]


@pytest.mark.parametrize(
    "gone",
    [pytest.param(deleted(revision=1), id="deleted"), pytest.param(meeting(revision=1, status="cancelled"), id="cancelled")],
)
def test_a_meeting_that_comes_back_in_the_calendar_is_confirmed_again(gone: Event) -> None:
    engine = same_in_any_order(meeting(), gone, meeting(revision=2, title="After all"))
    assert engine.shown() == [("After all", "2026-04-07T08:00:00Z", "confirmed")]


ORDERS: dict[str, dict[str, Any]] = {
    "by sequence": {},
    "by the time of the revision, without a sequence": {"sequence": None},
}


@pytest.mark.parametrize("envelope", ORDERS.values(), ids=list(ORDERS))
def test_the_newest_revision_stands_by_the_providers_own_order(envelope: Event) -> None:
    told = [{**meeting(revision=n, title=f"No. {n}"), **envelope} for n in range(5)]
    assert same_in_any_order(*told).titles() == ["No. 4"]


def test_a_meeting_without_an_organiser_is_carried_like_any_other() -> None:
    engine = same_in_any_order(meeting(owner=None), meeting(revision=1, participants=people(BO, owner=None), title="Contract"))
    [entry] = engine.timeline()
    assert (entry["title"], entry["organizer"]) == ("Contract", None)


ROLES: dict[str, Event] = {
    "optional": {"roles": {"optional": True}},
    "chair": {"roles": {"chair": True}},
    "informational": {"roles": {"informational": True}},
    "nothing": {"roles": {}},
    "no roles at all": {},
}


@pytest.mark.parametrize("roles", ROLES.values(), ids=list(ROLES))
def test_whoever_is_invited_is_a_participant_whatever_his_role(roles: Event) -> None:
    told = meeting(participants={**people(BO), "3": {"email": CY, "participationStatus": "accepted", **roles}})
    [entry] = staged(told).timeline("152")
    assert [(guest["email"], guest["contact"]) for guest in entry["participants"]] == [(BO, "151"), (CY, "152")]


def test_the_organiser_is_no_participant() -> None:
    [entry] = staged(meeting()).timeline()
    assert entry["organizer"] == {"email": ANA, "name": "Ana"}
    assert [guest["email"] for guest in entry["participants"]] == [BO]
