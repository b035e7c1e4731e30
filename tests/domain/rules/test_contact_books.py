"""Rule contact-books: a booking row and its calendar echo are one meeting, by UID, by link, or by likeness and by nothing less."""

from __future__ import annotations

import random
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


# --- rivals -------------------------------------------------------------------------------------------------------------


def pairs(engine: Engine) -> list[tuple[str | None, str | None]]:
    """Which row goes with which calendar event."""
    return sorted({(e["links"].get("hubspot"), e["links"].get("google")) for e in engine.timeline()}, key=str)


def event(name: str, created: float, **fields: Any) -> Event:
    """A calendar meeting with the same guest at the same time, made so many minutes later."""
    return meeting(name, created=hour(created * MINUTE), **fields)


def booking(name: str, created: float, revision: float = 0, **fields: Any) -> Event:
    """A booking row, made so many minutes later."""
    return booked(revision, created * MINUTE, id=name, **fields)


RIVALS: dict[str, tuple[list[Event], list[tuple[str | None, str | None]]]] = {
    "two events, the nearer one": ([event("g1", 3), event("g2", 6), booking("900", 0)], [("900", "g1"), (None, "g2")]),
    "two rows, the nearer one": ([event("g1", 3), booking("900", 0), booking("901", 4)], [("900", None), ("901", "g1")]),
    "two of each": ([event("g1", 1), event("g2", 6), booking("900", 0), booking("901", 5)], [("900", "g1"), ("901", "g2")]),
    "the nearest first, though the other has to go farther": (
        [event("g1", 4), event("g2", 9), booking("900", 0), booking("901", 3)],
        [("900", "g2"), ("901", "g1")],
    ),
    "one that is too far": (
        [event("g1", 4), event("g2", 14), booking("900", 0), booking("901", 3)],
        [("900", None), ("901", "g1"), (None, "g2")],
    ),
    "a row that tells the UID of the farther": (
        [event("g1", 1), event("g2", 6), booking("900", 0), booking("900", 0, 2, uid="g2@google.example")],
        [("900", "g2"), (None, "g1")],
    ),
    "a row that tells a UID nobody knows": (
        [event("g1", 1), booking("900", 0), booking("900", 0, 2, uid="other@booking.example")],
        [("900", None), (None, "g1")],
    ),
    "a row that makes way for the next by its UID": (
        [event("g1", 1), booking("900", 0), booking("900", 0, 2, uid="other@booking.example"), booking("901", 6)],
        [("900", None), ("901", "g1")],
    ),
    "a row by UID beside a nearer one": (
        [event("g1", 1), booking("900", 9, uid="g1@google.example"), booking("901", 1)],
        [("900", "g1"), ("901", None)],
    ),
    "one that is deleted in the CRM takes its own along": (
        [event("g1", 1), event("g2", 6), booking("900", 5), row_deleted("900", revision=2)],
        [(None, "g1")],
    ),
}


@pytest.mark.parametrize(("told", "expected"), RIVALS.values(), ids=RIVALS.keys())
def test_of_several_alike_the_nearest_go_together_in_any_order(told: list[Event], expected: list[tuple[str | None, str | None]]) -> None:
    engine = same_in_any_order(*told)
    assert pairs(engine) == sorted(expected, key=str)


def test_a_row_that_goes_elsewhere_leaves_nothing_of_it_behind() -> None:
    engine = staged(booking("900", 0, title="Booked"), event("g1", 3, title="First", guests=(BO, CY)))
    left = engine.timeline("152")[0]["meeting"]
    engine.tell(event("g2", 1, title="Nearer"))
    assert pairs(engine) == [("900", "g2"), (None, "g1")]
    assert [(e["title"], e["meeting"], e["links"]) for e in engine.timeline("152")] == [("First", left, {"hubspot": None, "google": "g1"})]


def world(seed: int) -> list[Event]:
    """Rows and events that may be alike, with changes of time, guests and UID, deletions and a colleague's copies."""
    chance = random.Random(seed)
    starts, guests = ("2026-04-07T10:00:00", "2026-04-07T12:00:00"), ((BO,), (CY,), (BO, CY))
    told: list[Event] = []
    for n in range(chance.randint(1, 3)):
        name, created = str(900 + n), chance.choice([0, 3, 5, 7, 9, 12])
        said: dict[str, Any] = {"guests": chance.choice(guests), "start": chance.choice(starts[:1] * 4 + starts[1:]), "title": f"row {n}"}
        told.append(booking(name, created, **said))
        again: dict[str, Any] = {
            "a UID": {"uid": f"g{chance.randint(1, 3)}@google.example"},
            "a start": {"start": chance.choice(starts)},
            "guests": {"guests": chance.choice(guests)},
        }
        what = chance.choice(["a UID", "a start", "guests", "gone", "", ""])
        told += [booking(name, created, 2, **said | again[what])] if what in again else [row_deleted(name, revision=2)] if what else []
    for n in range(1, chance.randint(1, 3) + 1):
        created = chance.choice([0, 1, 4, 6, 8, 11])
        said = {"guests": chance.choice(guests), "start": chance.choice(starts[:1] * 4 + starts[1:]), "title": f"event {n}"}
        told.append(event(f"g{n}", created, **said))
        what = chance.choice(["a start", "guests", "gone", "a colleague's", "", ""])
        again = {"a start": {"start": chance.choice(starts)}, "guests": {"guests": chance.choice(guests)}}
        if what in again:
            told.append(event(f"g{n}", created, revision=2, **said | again[what]))
        elif what:
            theirs = event(f"b{n}", created, uid=f"g{n}@google.example", **BENS, **said)
            told.append(deleted(f"g{n}", revision=2) if what == "gone" else theirs)
    return told


@pytest.mark.parametrize("seed", range(12))
def test_random_rivals_go_together_alike_in_any_order(seed: int) -> None:
    same_in_any_order(*world(seed), before=(connected("502"),), seed=seed)


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
