"""Rules crm-schedules and crm-updates: meetings scheduled and changed in the CRM, and several rows of one meeting."""

from __future__ import annotations

from typing import Any

import pytest

from tests.domain.rules.shuffling import same_in_any_order
from tests.engine import staged
from tests.examples import (
    ANA,
    BO,
    CY,
    DEE,
    Event,
    configured,
    contact,
    contact_said,
    deleted,
    ended,
    hour,
    meeting,
    row,
    row_deleted,
    series,
    stage,
    user,
)

AT = "2026-04-07T08:00:00Z"
ENTRY = [("Kick-off", AT, "confirmed")]
UID = "g1@google.example"

# --- crm-schedules ----------------------------------------------------------------------------------------------------


def test_a_meeting_scheduled_from_a_contact_is_in_that_contacts_timeline() -> None:
    told = row(guests=())
    engine = staged(told)
    assert engine.shown() == ENTRY
    assert engine.shown("152") == []
    assert engine.decided(told)[0] == ("crm-schedules", "applied")
    assert engine.timeline()[0]["origin"] == "crm"
    assert engine.timeline()[0]["links"] == {"hubspot": "900"}


@pytest.mark.parametrize("kind", ["companies", "deals", "tickets"])
def test_a_meeting_scheduled_from_a_record_keeps_and_shows_the_association(kind: str) -> None:
    engine = staged(row(associations={kind: ["7", "8"]}))
    expected = {"companies": [], "deals": [], "tickets": [], kind: ["7", "8"]}
    assert engine.timeline()[0]["associations"] == expected


def test_a_meeting_from_a_deal_without_contact_is_matched_by_its_guests() -> None:
    assert staged(row(contacts=(), guests=(CY,), associations={"deals": ["7"]})).shown("152") == ENTRY


def test_a_meeting_from_a_deal_without_guest_is_in_no_timeline() -> None:
    told = row(contacts=(), guests=(), associations={"deals": ["7"]})
    engine = staged(told)
    assert engine.shown("151") == engine.shown("152") == []
    assert ("no-contact", "ignored") in engine.decided(told)


def test_associated_contacts_and_guests_each_get_it_once() -> None:
    engine = staged(row(contacts=("151", "152"), guests=(BO,)))
    assert engine.shown("151") == engine.shown("152") == ENTRY


CONNECTIONS: dict[str, dict[str, Any]] = {
    "an owner who never connected": {"user": "502"},
    "an owner whose connection has ended": {"revision": 12},
    "an owner who is connected": {},
}


@pytest.mark.parametrize("told", CONNECTIONS.values(), ids=CONNECTIONS.keys())
def test_it_is_recorded_with_and_without_a_connection(told: dict[str, Any]) -> None:
    assert staged(ended(revision=10), row(**told)).shown() == ENTRY


@pytest.mark.parametrize("length", ["PT0S", "P0D"])
def test_without_an_end_the_end_is_the_start(length: str) -> None:
    (entry,) = staged(row(duration=length)).timeline()
    assert entry["start"] == entry["end"] == AT


def test_its_calendar_echo_is_the_same_meeting() -> None:
    engine = same_in_any_order(row(uid=UID), meeting(revision=1))
    assert engine.shown() == ENTRY
    assert engine.timeline()[0]["links"] == {"hubspot": "900", "google": "g1"}


def test_the_association_outlives_a_calendar_that_does_not_know_it() -> None:
    engine = same_in_any_order(
        row(uid=UID, contacts=("151", "152"), associations={"deals": ["7"]}), meeting(revision=1), meeting(revision=2, title="Moved")
    )
    assert engine.titles("151") == engine.titles("152") == ["Moved"]
    assert engine.timeline("152")[0]["associations"]["deals"] == ["7"]


def test_an_association_taken_back_leaves_that_timeline() -> None:
    engine = same_in_any_order(row(contacts=("151", "152")), row(revision=1, contacts=("151",)))
    assert engine.shown("151") == ENTRY
    assert engine.shown("152") == []


def test_an_association_with_a_merged_contact_is_one_with_the_survivor() -> None:
    merged = contact_said("152", "contact.merged", 1, {"merged": ["151"], "email": CY, "name": "Cy"})
    assert staged(merged, row(revision=2, guests=(), contacts=("151",))).shown("152") == ENTRY


def test_an_association_with_a_contact_made_later_is_there_when_he_is() -> None:
    engine = staged(row(guests=(), contacts=("153",)), contact("153", DEE, 1))
    assert engine.shown("153") == ENTRY


# --- an association by hand against the three rules that keep somebody out --------------------------------------------

EVE = "eve@acme.example"
BY_HAND = {
    "own-domain: the hand wins": ((), "user", True),
    "own-domain against HubSpot's own sync: the rule wins": ((), "native-sync", False),
    "own-domain against a booking: the rule wins": ((), "booking", False),
    "never-log by address: the rule wins": ((configured(1, never_log={"addresses": [EVE], "domains": []}),), "user", False),
    "never-log by domain: the rule wins": ((configured(1, never_log={"addresses": [], "domains": ["acme.example"]}),), "user", False),
    "crm-user: the rule wins": ((user("503", EVE),), "user", False),
}


@pytest.mark.parametrize(("before", "origin", "logged"), BY_HAND.values(), ids=BY_HAND.keys())
def test_an_association_by_hand_wins_over_own_domain_only(before: tuple[Event, ...], origin: str, logged: bool) -> None:
    told = row(revision=2, contacts=("154",), guests=(EVE,), origin=origin, created=hour(2))
    assert staged(contact("154", EVE), *before, told).shown("154") == (ENTRY if logged else [])


def test_the_hands_association_still_wins_when_the_calendars_copy_is_known() -> None:
    engine = same_in_any_order(
        row(uid=UID, contacts=("154",), guests=(EVE,)), meeting(revision=1, guests=(EVE, BO)), before=(contact("154", EVE),)
    )
    assert engine.shown("154") == engine.shown("151") == ENTRY


# --- crm-updates ------------------------------------------------------------------------------------------------------

CHANGES: dict[str, tuple[dict[str, Any], str, str]] = {
    "title": ({"title": "Renamed"}, "title", "Renamed"),
    "place": ({"location": "Room 9"}, "location", "Room 9"),
    "place taken away": ({"location": None}, "location", ""),
    "conference link": ({"conferenceUrl": "https://meet.example/9"}, "conferenceUrl", "https://meet.example/9"),
    "start": ({"start": "2026-04-08T10:00:00"}, "start", "2026-04-08T08:00:00Z"),
    "length": ({"duration": "PT2H"}, "end", "2026-04-07T10:00:00Z"),
}


@pytest.mark.parametrize(("fields", "name", "value"), CHANGES.values(), ids=CHANGES.keys())
def test_a_change_in_the_crm_is_shown(fields: dict[str, Any], name: str, value: str) -> None:
    changed = row(revision=2, uid=UID, **fields)
    engine = same_in_any_order(row(uid=UID), meeting(revision=1), changed)
    assert (engine.timeline()[0][name] or "") == value
    assert engine.decided(changed)[0] == ("crm-updates", "applied")


def test_a_change_of_a_meeting_that_only_the_crm_knows_is_shown() -> None:
    engine = same_in_any_order(row(), row(revision=2, title="Renamed", start="2026-04-08T10:00:00"))
    assert engine.shown() == [("Renamed", "2026-04-08T08:00:00Z", "confirmed")]


def test_a_moved_meeting_keeps_its_entry() -> None:
    engine = staged(row())
    before = engine.timeline()[0]
    after = engine.tell(row(revision=2, start="2026-04-08T10:00:00")).timeline()[0]
    assert (after["entry"], after["occurrence"]) == (before["entry"], AT)
    assert after["version"] == 2


WITH_OR_WITHOUT = {"known in the calendar": (meeting(),), "known in the CRM only": ()}


@pytest.mark.parametrize("calendar", WITH_OR_WITHOUT.values(), ids=WITH_OR_WITHOUT.keys())
def test_outcome_canceled_shows_the_entry_as_cancelled(calendar: tuple[Event, ...]) -> None:
    engine = same_in_any_order(*calendar, row(revision=1, uid=UID), row(revision=2, uid=UID, status="cancelled"))
    assert engine.shown() == [("Kick-off", AT, "cancelled")]


@pytest.mark.parametrize("calendar", WITH_OR_WITHOUT.values(), ids=WITH_OR_WITHOUT.keys())
def test_another_outcome_afterwards_shows_it_as_it_was(calendar: tuple[Event, ...]) -> None:
    engine = same_in_any_order(*calendar, row(revision=1, uid=UID), row(revision=2, uid=UID, status="cancelled"), row(revision=3, uid=UID))
    assert engine.shown() == ENTRY


def test_an_outcome_that_cancels_nothing_changes_nothing() -> None:
    outcome = row(revision=2, uid=UID)
    engine = staged(meeting(), row(revision=1, uid=UID))
    before = engine.timeline()
    assert engine.tell(outcome).timeline() == before


def test_outcome_canceled_stays_through_a_later_change_in_the_calendar() -> None:
    engine = same_in_any_order(
        meeting(), row(revision=1, uid=UID), row(revision=2, uid=UID, status="cancelled"), meeting(revision=3, title="Renamed")
    )
    assert engine.shown() == [("Renamed", AT, "cancelled")]


def test_a_meeting_cancelled_in_the_calendar_is_not_revived_by_the_crm() -> None:
    engine = same_in_any_order(meeting(), row(revision=1, uid=UID), deleted(revision=2), row(revision=3, uid=UID, title="Renamed"))
    assert engine.shown() == [("Renamed", AT, "cancelled")]


def test_a_calendar_deletion_of_a_meeting_that_only_the_crm_told_of_cancels_it() -> None:
    """Its calendar copy was never seen alive; its tombstone carries the iCalendar UID."""
    engine = same_in_any_order(row(uid="u1"), deleted("g7", 5, icalUid="u1"))
    assert engine.shown() == [("Kick-off", AT, "cancelled")]


# --- several rows of one meeting --------------------------------------------------------------------------------------


def test_two_rows_of_a_single_meeting_are_one_entry() -> None:
    engine = same_in_any_order(meeting(), row(revision=1, uid=UID), row("901", 2, uid=UID, user="502", contacts=("152",)))
    assert engine.shown("151") == engine.shown("152") == ENTRY


def test_two_rows_are_one_entry_before_the_calendar_is_known() -> None:
    engine = same_in_any_order(row(uid=UID), row("901", 1, uid=UID, user="502"))
    assert engine.shown() == ENTRY


def occurrence_rows() -> tuple[Event, Event]:
    """Two rows of one UID, each an occurrence of Tuesday's series by its start."""
    second = row("901", 2, uid="s1@google.example", start="2026-04-14T10:00:00", contacts=("151", "152"))
    return row("900", 1, uid="s1@google.example"), second


def test_rows_of_a_series_are_its_occurrences() -> None:
    engine = same_in_any_order(series(), *occurrence_rows())
    assert [e["start"][:10] for e in engine.timeline()] == ["2026-04-07", "2026-04-14", "2026-04-21", "2026-04-28"]
    assert [e["start"][:10] for e in engine.timeline("152")] == ["2026-04-14"]


def test_a_row_with_an_original_start_is_that_occurrence() -> None:
    third = {"originalStart": "2026-04-21T08:00:00Z"}
    told = row(uid="s1@google.example", contacts=("151", "152"), start="2026-04-21T10:00:00", provenance=third)
    engine = same_in_any_order(series(), told)
    assert [e["start"][:10] for e in engine.timeline("152")] == ["2026-04-21"]
    assert len(engine.timeline()) == 4


def test_the_only_row_of_a_series_is_the_whole() -> None:
    engine = same_in_any_order(series(), row(revision=1, uid="s1@google.example", contacts=("151", "152")))
    assert len(engine.timeline("152")) == 4


def test_outcome_canceled_of_one_of_several_rows_cancels_its_occurrence() -> None:
    first, second = occurrence_rows()
    cancelled = row("901", 3, uid="s1@google.example", start="2026-04-14T10:00:00", status="cancelled")
    engine = same_in_any_order(series(), first, second, cancelled)
    assert [e["status"] for e in engine.timeline()] == ["confirmed", "cancelled", "confirmed", "confirmed"]


# --- isolation --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("restarted", [False, True], ids=["in one run", "after a restart"])
def test_a_link_to_another_accounts_meeting_leads_nowhere(restarted: bool) -> None:
    engine = staged(*stage("99"), meeting(title="Secret plan"))
    secret = engine.timeline()[0]["meeting"]
    if restarted:
        engine.start()
    engine.tell(row(revision=1, account="99", title="Theirs", provenance={"link": secret}))
    assert engine.shown("151", "99") == [("Theirs", AT, "confirmed")]
    assert engine.shown() == [("Secret plan", AT, "confirmed")]
    assert engine.timeline()[0]["links"] == {"hubspot": None, "google": "g1"}


def test_equal_ids_in_two_accounts_are_two_meetings() -> None:
    theirs = [configured(account="99"), contact("151", BO, account="99"), row(account="99", uid=UID, title="Theirs")]
    engine = staged(row(uid=UID), *theirs)
    assert engine.tell(row_deleted(account="99")).shown() == ENTRY
    assert engine.shown("151", "99") == []
    assert engine.timeline()[0]["organizer"] == {"email": ANA, "name": "Ana"}
