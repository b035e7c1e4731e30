"""Rule contact-books: a booking row and its calendar echo are one meeting, by UID, by link, or by likeness and by nothing less."""

from __future__ import annotations

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
    contact_said,
    deleted,
    hour,
    meeting,
    row,
    row_deleted,
    stage,
)

AT = "2026-04-07T08:00:00Z"
ENTRY = [("Kick-off", AT, "confirmed")]
MINUTE = 1 / 60


def booked(revision: float = 0, created: float = 0, **fields: Any) -> Event:
    """The row that HubSpot's scheduling page made."""
    return row(revision=revision, origin="booking", created=hour(created), **fields)


# --- once -------------------------------------------------------------------------------------------------------------


def test_a_booking_is_in_the_timeline_of_who_booked() -> None:
    told = booked()
    engine = staged(told)
    assert engine.shown() == ENTRY
    assert engine.decided(told)[0] == ("contact-books", "applied")
    assert engine.timeline()[0]["origin"] == "booking"


IDENTITIES: dict[str, dict[str, Any]] = {
    "by UID": {"uid": "g1@google.example"},
    "by UID, created hours apart": {"uid": "g1@google.example", "created": 5},
    "by UID, another start": {"uid": "g1@google.example", "start": "2026-04-09T10:00:00"},
    "by likeness": {},
    "by likeness, its title another": {"title": "Meeting with Bo"},
    "by likeness, ten minutes later": {"created": 10 * MINUTE},
    "by likeness, ten minutes earlier": {"created": -10 * MINUTE},
    "by likeness, the guest known by the association only": {"guests": ()},
    "by likeness, with one of several guests in common": {"guests": (BO, "assistant@client.example")},
    "by likeness, its time in another zone": {"start": "2026-04-07T17:00:00", "timeZone": "Asia/Tokyo"},
}


@pytest.mark.parametrize("fields", IDENTITIES.values(), ids=IDENTITIES.keys())
def test_a_booking_and_its_calendar_echo_are_one_meeting(fields: dict[str, Any]) -> None:
    engine = same_in_any_order(meeting(), booked(**fields))
    assert engine.shown() == ENTRY
    assert engine.timeline()[0]["links"] == {"hubspot": "900", "google": "g1"}


@pytest.mark.parametrize("first", ["the row", "the calendar"])
def test_the_decision_says_merged_by_this_rule(first: str) -> None:
    told = [booked(), meeting()] if first == "the row" else [meeting(), booked()]
    engine = staged(*told)
    assert engine.decided(told[1])[0] == ("contact-books", "merged")


def test_a_link_makes_them_one() -> None:
    engine = staged(meeting())
    linked = booked(1, 5, provenance={"link": engine.timeline()[0]["meeting"]})
    assert engine.tell(linked).shown() == ENTRY


def test_a_link_in_the_calendar_makes_them_one() -> None:
    engine = staged(booked(uid="other@booking.example"))
    linked = meeting(revision=1, provenance={"link": engine.timeline()[0]["meeting"]})
    assert engine.tell(linked).shown() == ENTRY


# --- moved before the other arrives -----------------------------------------------------------------------------------

MOVES: dict[str, tuple[Event, ...]] = {
    "in the calendar": (meeting(), meeting(revision=2, start="2026-04-08T10:00:00"), booked()),
    "in the CRM": (meeting(), booked(), booked(2, start="2026-04-08T10:00:00")),
    "in both": (meeting(), meeting(revision=3, start="2026-04-08T10:00:00"), booked(), booked(2, start="2026-04-08T10:00:00")),
}


@pytest.mark.parametrize("told", MOVES.values(), ids=MOVES.keys())
def test_one_that_moved_is_still_recognised(told: tuple[Event, ...]) -> None:
    engine = same_in_any_order(*told)
    assert engine.shown() == [("Kick-off", "2026-04-08T08:00:00Z", "confirmed")]


def test_one_whose_guest_changed_is_still_recognised() -> None:
    engine = same_in_any_order(meeting(), meeting(revision=2, guests=(CY,)), booked())
    assert engine.shown("152") == ENTRY
    assert engine.shown("151") == ENTRY  # by the booking's association


# --- not alike --------------------------------------------------------------------------------------------------------

BENS: dict[str, Any] = {"user": "502", "owner": BEN}
STRANGERS: dict[str, tuple[Event, Event]] = {
    "another owner": (meeting(), booked(**BENS)),
    "another owner, in his calendar": (meeting("b1", guests=(BO, ANA), created=hour(0), **BENS), booked()),
    "another start": (meeting(), booked(start="2026-04-07T10:15:00")),
    "the same wall clock in another zone": (meeting(), booked(timeZone="Europe/London")),
    "no guest in common": (meeting(guests=(CY,)), booked()),
    "only the organiser in common": (meeting(guests=(CY,)), booked(guests=(BO,))),
    "eleven minutes later": (meeting(), booked(created=11 * MINUTE)),
    "eleven minutes earlier": (meeting(), booked(created=-11 * MINUTE)),
    "a moment more than ten minutes": (meeting(), booked(created=10 * MINUTE + 1 / 3_600_000)),
    "a row that has a UID of its own": (meeting(), booked(uid="other@booking.example")),
    "a row made by hand": (meeting(), row(created=hour(0))),
    "a row of HubSpot's own sync": (meeting(), row(origin="native-sync", created=hour(0))),
    "a row that we wrote": (meeting(), row(origin="rendezvous", created=hour(0))),
}


@pytest.mark.parametrize("pair", STRANGERS.values(), ids=STRANGERS.keys())
def test_what_is_not_alike_is_two_meetings(pair: tuple[Event, Event]) -> None:
    engine = same_in_any_order(*pair, before=(connected("502"),))
    entries = engine.timeline("151") + [e for e in engine.timeline("152") if e["meeting"] not in {m["meeting"] for m in engine.timeline()}]
    assert sorted(name for e in entries for name in e["links"].values() if name) == sorted(e["subject"] for e in pair)
    assert len({e["meeting"] for e in entries}) == 2


def test_two_booking_rows_are_not_alike() -> None:
    engine = same_in_any_order(booked(), booked(id="901"))
    assert len(engine.timeline()) == 2


def test_two_calendar_meetings_are_not_alike() -> None:
    engine = same_in_any_order(meeting(), meeting("g2"))
    assert len(engine.timeline()) == 2


def joined(engine: Engine) -> tuple[list[str], int]:
    """The titles, and how many entries the row is part of."""
    return sorted(engine.titles()), sum(e["links"].get("hubspot") == "900" for e in engine.timeline())


def test_a_booking_joins_one_calendar_meeting_and_does_not_make_two_of_them_one() -> None:
    """Ana made one at the same time with the same guest herself: it is in the calendar, and stays in the timeline. Which of the
    two the row joins is whichever was known first, since a merge is not undone."""
    told = meeting(created=hour(0.05)), meeting("g2", created=hour(0.1), title="Her own"), booked()
    engine = same_in_any_order(*told, ask=joined)
    assert joined(engine) == (["Her own", "Kick-off"], 1)


def test_a_booking_and_the_calendar_of_another_account_are_two() -> None:
    engine = staged(*stage("99"), meeting(account="99"), booked())
    assert [e["links"] for e in engine.timeline()] == [{"hubspot": "900"}]


# --- what follows -----------------------------------------------------------------------------------------------------


def test_a_booking_cancelled_in_the_calendar_is_shown_as_cancelled() -> None:
    engine = same_in_any_order(meeting(), booked(), deleted(revision=2))
    assert engine.shown() == [("Kick-off", AT, "cancelled")]


def test_a_booking_cancelled_by_the_contact_is_shown_as_cancelled() -> None:
    engine = same_in_any_order(meeting(), booked(), booked(2, status="cancelled"))
    assert engine.shown() == [("Kick-off", AT, "cancelled")]


def test_a_booking_moved_by_the_contact_is_moved_once() -> None:
    moved = "2026-04-10T10:00:00"
    engine = same_in_any_order(meeting(), booked(), booked(2, start=moved), meeting(revision=2, start=moved))
    assert engine.shown() == [("Kick-off", "2026-04-10T08:00:00Z", "confirmed")]


def test_a_booking_row_deleted_in_the_crm_takes_the_echo_with_it() -> None:
    engine = same_in_any_order(meeting(), booked(), row_deleted(revision=2))
    assert engine.shown() == []


def test_a_booking_needs_no_connection() -> None:
    unconnected = [e for e in stage() if not e["type"].startswith("rendezvous.connection")]
    assert Engine().tell(*unconnected, booked()).shown() == ENTRY


def test_an_erased_guest_makes_nothing_alike_to_somebody_else() -> None:
    engine = staged(meeting(guests=(CY, BO)), contact_said("151", "contact.erased", 1), booked(2, contacts=("152",), guests=(CY,)))
    assert engine.shown("152") == ENTRY
