"""Rules one-calendar and primary-only: a user's one live connection, a switch of providers and back, and which calendar counts.

What must stay true: a meeting that both providers showed is one entry, whatever creation time the new provider gives it.
"""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest

from domain.ports import NewRecord
from tests.domain.rules.shuffling import same_in_any_order
from tests.engine import Engine, staged
from tests.examples import ACCOUNT, ANA, BO, Event, connected, deleted, ended, hour, listed, meeting, person, row, row_deleted, stage

UID = "one@meeting.example"
AT = "2026-04-07T08:00:00Z"
WEEKLY: Event = {"recurrenceRules": ["FREQ=WEEKLY;COUNT=3"]}
SWITCHED = (ended(revision=10), connected("501", "office365", 11))
SWITCHED_BACK = (*SWITCHED, ended("501", "office365", 20), connected("501", "google", 21))


def on_google(revision: float = 0, id: str = "g1", **fields: Any) -> Event:
    """The meeting in Ana's Google calendar."""
    return meeting(id, revision, provenance={"icalUid": UID}, **fields)


def on_office(revision: float = 12, id: str = "o1", created: datetime | None = None, **fields: Any) -> Event:
    """The same meeting in her Office 365 calendar, copied there at hour 12 unless `created` says when."""
    return meeting(id, revision, provider="office365", created=created or hour(12), provenance={"icalUid": UID}, **fields)


# --- activations ------------------------------------------------------------------------------------------------------


def test_the_first_activation_is_applied() -> None:
    engine = staged()
    assert engine.decided(connected()) == [("one-calendar", "applied")]


def test_a_second_provider_is_refused_while_the_first_is_live() -> None:
    second = connected("501", "office365", 1)
    engine = staged(second)
    assert engine.decided(second) == [("one-calendar", "ignored")]
    assert engine.notes(second) == [{"live": "google"}]


def test_the_first_stays_live_after_a_refusal() -> None:
    told = meeting(revision=3, created=hour(3))
    engine = staged(connected("501", "office365", 1), told)
    assert engine.shown() == [("Kick-off", AT, "confirmed")]


def test_meetings_of_the_refused_provider_are_ignored_with_this_rule() -> None:
    told = on_office(2, created=hour(2))
    engine = staged(connected("501", "office365", 1), told)
    assert engine.shown() == []
    assert engine.decided(told) == [("one-calendar", "ignored")]


def test_a_refused_activation_does_not_come_alive_when_the_first_ends() -> None:
    told = on_office(12)
    engine = staged(connected("501", "office365", 1), ended(revision=10), told)
    assert engine.shown() == []


def test_a_refused_provider_is_connected_by_a_new_activation() -> None:
    engine = staged(connected("501", "office365", 1), *SWITCHED, on_office(12))
    assert engine.titles() == ["Kick-off"]


@pytest.mark.parametrize("at", [1, 5], ids=["at once", "later"])
def test_the_same_provider_and_calendar_renews(at: float) -> None:
    renewed = connected(revision=at)
    engine = staged(ended(revision=0.5, kind="deauthorised"), renewed, meeting(revision=6))
    assert engine.decided(renewed) == [("one-calendar", "applied")]
    assert engine.titles() == ["Kick-off"]


def test_a_renewal_does_not_move_the_beginning_of_the_window() -> None:
    engine = staged(connected(revision=5), meeting(revision=6, created=hour(1)))
    assert engine.titles() == ["Kick-off"]


def test_the_case_of_a_calendar_name_makes_no_other_calendar() -> None:
    renewed = connected(revision=5, calendar="Ana@Acme.example")
    assert staged(renewed).decided(renewed) == [("one-calendar", "applied")]


def test_another_calendar_of_the_same_provider_is_refused_while_the_first_is_live() -> None:
    other = connected(revision=5, calendar="second@acme.example", address="second@acme.example")
    assert staged(other).decided(other) == [("one-calendar", "ignored")]


def test_another_users_connection_is_his_own() -> None:
    bens = connected("502", "office365", 1)
    engine = staged(bens, meeting("b1", 2, user="502", provider="office365", created=hour(2), owner="ben@acme.example"))
    assert engine.decided(bens) == [("one-calendar", "applied")]
    assert engine.titles() == ["Kick-off"]


def test_an_activation_that_arrives_before_the_disconnection_it_followed_counts() -> None:
    engine = staged(connected("501", "office365", 11), ended(revision=10), on_office(12))
    assert engine.titles() == ["Kick-off"]


def test_a_disconnection_and_an_activation_at_one_instant_are_a_switch() -> None:
    engine = staged(connected("501", "office365", 10), ended(revision=10), on_office(12))
    assert engine.titles() == ["Kick-off"]


def test_disconnecting_a_provider_that_is_not_connected_ends_nothing() -> None:
    engine = staged(ended("501", "office365", 1), meeting(revision=2, created=hour(2)))
    assert engine.titles() == ["Kick-off"]


# --- switching --------------------------------------------------------------------------------------------------------


def test_history_stays_when_the_provider_is_disconnected() -> None:
    engine = staged(on_google(), ended(revision=10))
    assert engine.shown() == [("Kick-off", AT, "confirmed")]


CREATED = {"copied at the switch": 12, "with the old creation time": 0}


@pytest.mark.parametrize("created", CREATED.values(), ids=CREATED.keys())
def test_the_same_meeting_through_the_new_provider_is_not_doubled(created: float) -> None:
    engine = same_in_any_order(on_google(), on_office(created=hour(created)), before=SWITCHED)
    assert engine.shown() == [("Kick-off", AT, "confirmed")]
    assert engine.timeline()[0]["links"] == {"hubspot": None, "google": "g1", "office365": "o1"}


@pytest.mark.parametrize("created", CREATED.values(), ids=CREATED.keys())
def test_it_follows_the_new_provider(created: float) -> None:
    moved = on_office(13, created=hour(created), title="Moved", start="2026-04-08T10:00:00")
    engine = same_in_any_order(on_google(), on_office(created=hour(created)), moved, before=SWITCHED)
    assert engine.shown() == [("Moved", "2026-04-08T08:00:00Z", "confirmed")]


def test_a_late_word_of_the_old_provider_does_not_overrule_the_new_one() -> None:
    late = on_google(9, title="Old word")
    engine = same_in_any_order(on_google(), late, on_office(title="New word"), before=SWITCHED)
    assert engine.titles() == ["New word"]


@pytest.mark.parametrize("at", [9, 15], ids=["before the disconnection", "after it"])
def test_clearing_out_the_old_calendar_cancels_nothing(at: float) -> None:
    engine = same_in_any_order(on_google(), on_office(), deleted("g1", at), before=SWITCHED)
    assert engine.shown() == [("Kick-off", AT, "confirmed")]


def test_a_deletion_in_the_new_calendar_cancels() -> None:
    engine = same_in_any_order(on_google(), on_office(), deleted("o1", 15, provider="office365"), before=SWITCHED)
    assert engine.shown() == [("Kick-off", AT, "cancelled")]


def test_a_guests_answer_in_the_new_calendar_outlives_the_removal_of_his_old_copy() -> None:
    coming = (person(ANA, status="accepted"),)
    engine = same_in_any_order(on_google(owner=BO, guests=coming), on_office(owner=BO, guests=coming), deleted("g1", 9), before=SWITCHED)
    assert [p["participationStatus"] for p in engine.timeline()[0]["participants"]] == ["accepted"]


def test_a_series_is_not_doubled_and_keeps_its_exception() -> None:
    exception = meeting(
        "g1_x", 1, start="2026-04-14T11:00:00", provenance={"icalUid": UID, "seriesId": "g1", "originalStart": "2026-04-14T08:00:00Z"}
    )
    engine = same_in_any_order(on_google(**WEEKLY), exception, on_office(**WEEKLY), before=SWITCHED)
    assert [e["start"] for e in engine.timeline()] == [AT, "2026-04-14T09:00:00Z", "2026-04-21T08:00:00Z"]


def test_a_meeting_made_in_the_gap_is_not_synced_with_the_old_creation_time() -> None:
    engine = staged(*SWITCHED, on_office(created=hour(10.5)))
    assert engine.shown() == []


def test_an_old_meeting_that_the_first_provider_never_showed_is_not_synced_through_the_second() -> None:
    told = on_office(created=hour(-30))
    engine = staged(*SWITCHED, told)
    assert engine.shown() == []
    assert engine.decided(told) == [("active-window", "ignored")]


def test_after_switching_back_the_first_provider_speaks_again() -> None:
    engine = same_in_any_order(on_google(), on_office(title="Office"), on_google(22, title="Google again"), before=SWITCHED_BACK)
    assert engine.shown() == [("Google again", AT, "confirmed")]


def test_a_meeting_of_the_second_provider_stays_when_the_user_goes_back() -> None:
    new = meeting("o2", 12, provider="office365", created=hour(12), title="Only there")
    engine = staged(on_google(), *SWITCHED, new, ended("501", "office365", 20), connected("501", "google", 21), on_google(22))
    assert sorted(engine.titles()) == ["Kick-off", "Only there"]


def test_a_meeting_deleted_in_the_crm_does_not_come_back_through_the_new_provider() -> None:
    engine = same_in_any_order(on_google(), row(revision=1, uid=UID), row_deleted(revision=2), on_office(), before=SWITCHED)
    assert engine.shown() == []


# --- primary-only -----------------------------------------------------------------------------------------------------


def of_calendar(calendar: str | None, primary: bool) -> Event:
    """A meeting of some calendar of Ana's."""
    return meeting(provenance={"calendar": calendar, "primary": primary})


OTHER_CALENDARS = {
    "not primary, by its flag": of_calendar("team@group.example", False),
    "not primary, though it has the primary's name": of_calendar(ANA, False),
    "another calendar than the connected one": of_calendar("team@group.example", True),
}


@pytest.mark.parametrize("told", OTHER_CALENDARS.values(), ids=OTHER_CALENDARS.keys())
def test_another_calendars_meeting_is_ignored_with_this_rule(told: Event) -> None:
    engine = staged(told)
    assert engine.shown() == []
    assert engine.decided(told) == [("primary-only", "ignored")]


@pytest.mark.parametrize("calendar", [ANA, ANA.upper(), "primary", None], ids=["named", "in capitals", "the alias", "unnamed"])
def test_the_primary_calendars_meeting_is_synced(calendar: str | None) -> None:
    assert staged(of_calendar(calendar, True)).titles() == ["Kick-off"]


def test_a_copy_in_another_calendar_does_not_cancel_the_primarys() -> None:
    tombstone = deleted("g1", 5, calendar="team@group.example", primary=False)
    engine = staged(on_google(), tombstone)
    assert engine.shown() == [("Kick-off", AT, "confirmed")]
    assert engine.decided(tombstone) == [("primary-only", "ignored")]


def test_another_calendars_listing_deletes_nothing() -> None:
    told = listed([])
    told["data"]["provenance"]["primary"] = False
    engine = staged(on_google(), told)
    assert engine.shown() == [("Kick-off", AT, "confirmed")]
    assert engine.decided(told) == [("primary-only", "ignored")]


# --- whose calendar it is ---------------------------------------------------------------------------------------------

NAMED_BY_ADDRESS: dict[str, tuple[Event, str]] = {
    "with the address": ({}, "cancelled"),
    "without it: the calendar is called by it": ({"address": None}, "cancelled"),
    "in capitals": ({"address": None, "calendar": ANA.upper()}, "cancelled"),
    "without it, and the calendar is called otherwise": ({"address": None, "calendar": "primary"}, "confirmed"),
    "with another address": ({"address": "else@acme.example"}, "confirmed"),
}


@pytest.mark.parametrize(("said", "status"), NAMED_BY_ADDRESS.values(), ids=NAMED_BY_ADDRESS.keys())
@pytest.mark.parametrize("through_the_door", [True, False], ids=["through the door", "written to the log by another"])
def test_a_primary_calendar_that_is_called_by_an_address_is_its_users(said: Event, status: str, through_the_door: bool) -> None:
    """Her own deletion is a cancellation, and not a guest's answer, though nobody told of the user."""
    unnamed = [told for told in stage() if "connection" not in told["type"] and told["subject"] != "501"]
    activation = connected(**said)
    engine = Engine()
    if through_the_door:
        engine.tell(activation)
    else:
        engine.source.append([NewRecord(ACCOUNT, 1, json.dumps(activation).encode())], engine.clock())
    engine.tell(*unnamed, meeting(), deleted())
    assert engine.shown() == [("Kick-off", AT, status)]


def test_the_address_that_a_calendar_is_called_by_is_sealed() -> None:
    engine = Engine().tell(connected(address=None))
    (record,) = engine.source.read("0", 0, 9)
    kept = json.loads(record.body)["data"]
    assert engine.vault.open(ACCOUNT, [kept["sealed"]])[kept["sealed"]].email == ANA
    assert "address" not in kept


# --- isolation --------------------------------------------------------------------------------------------------------


def test_a_user_of_the_same_id_in_another_account_has_a_connection_of_his_own() -> None:
    second = connected("501", "office365", 1, account="99")
    engine = Engine().tell(connected(account=ACCOUNT), second)
    assert engine.decided(second, "99") == [("one-calendar", "applied")]
