"""When two copies are one meeting: by the names they carry, and, for a bare booking row alone, by likeness."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest
from msgspec.structs import replace

from domain.events import Content, Guest, Revision, Sighting
from domain.identity import APART, alike, identities, likeness, likeness_key, likeness_sought, starts_of
from domain.source_events import SourceEvent, read
from tests import examples
from tests.examples import Event

ANA, BO, CY = "A" * 22, "B" * 22, "C" * 22
TUESDAY = datetime(2026, 4, 7, 10)
AT_EIGHT = int(datetime.fromisoformat("2026-04-07T08:00:00Z").timestamp() * 1000)
HOUR = 3_600_000
CREATED = 1_772_438_400_000


def content(*guests: str, start: datetime = TUESDAY, contacts: tuple[str, ...] = (), zone: str = "Europe/Paris") -> Content:
    """A meeting of Ana's with these guests."""
    people = (Guest(ANA + "x", owner=True), *(Guest(g + "x") for g in guests))
    return Content(start=start, duration="PT1H", time_zone=zone, guests=people, contacts=contacts)


def copy(side: str, origin: str, *contents: Content, **said: Any) -> Sighting:
    """A copy in Ana's mailbox or in the CRM, one revision a content."""
    words = tuple(Revision(n, n, content=one) for n, one in enumerate(contents, 1))
    provider = "google" if side == "calendar" else "hubspot"
    named: dict[str, Any] = {"user": "501", "created": CREATED, **said}
    return Sighting(key=f"{provider}|x|1", side=side, provider=provider, id="1", origin=origin, revisions=words, **named)


def booked(*contents: Content, **said: Any) -> Sighting:
    """A booking row without UID and link."""
    return copy("crm", "booking", *(contents or (content(BO),)), **said)


def seen(*contents: Content, **said: Any) -> Sighting:
    """A calendar meeting."""
    return copy("calendar", "user", *(contents or (content(BO),)), **{"uid": "u1", **said})


def nobody(_contact: str) -> str | None:
    """No contact has an address."""
    return None


# --- by name ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("series", "uid", "keys"),
    [
        (None, None, ["google|501|g1"]),
        ("g0", None, ["google|501|g1", "google|501|g0"]),
        (None, "u1", ["google|501|g1", "uid|u1"]),
        ("g0", "u1", ["google|501|g1", "google|501|g0", "uid|u1"]),
        (None, "", ["google|501|g1"]),
    ],
    ids=["itself", "its series", "its UID", "all", "an empty UID is none"],
)
def test_the_names_that_lead_to_a_copys_meeting(series: str | None, uid: str | None, keys: list[str]) -> None:
    assert identities("google", "501", "g1", series, uid) == keys


# --- by likeness ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "may"),
    [
        (booked(), True),
        (seen(), True),
        (booked(uid="u1"), False),
        (booked(link="0b0e"), False),
        (copy("crm", "user", content(BO)), False),
        (copy("crm", "native-sync", content(BO)), False),
        (copy("crm", "rendezvous", content(BO)), False),
        (copy("calendar", "rendezvous", content(BO)), False),
        (booked(user=None), False),
        (booked(created=None), False),
        (seen(created=None), False),
        (seen(original=5), False),
        (booked(original=5), False),
    ],
    ids=[
        "bare booking row",
        "calendar meeting",
        "row with UID",
        "row with link",
        "row made by hand",
        "row of HubSpot's sync",
        "row of ours",
        "calendar entry of ours",
        "row without owner",
        "row without creation",
        "calendar meeting without creation",
        "an occurrence",
        "a row that is an occurrence",
    ],
)
def test_what_may_be_matched_by_likeness(one: Sighting, may: bool) -> None:
    assert likeness(one) is may


@pytest.mark.parametrize(
    ("row", "entry", "are"),
    [
        (booked(), seen(), True),
        (booked(), seen(created=CREATED + APART), True),
        (booked(), seen(created=CREATED - APART), True),
        (booked(), seen(created=CREATED + APART + 1), False),
        (booked(), seen(created=CREATED - APART - 1), False),
        (booked(), seen(user="502"), False),
        (booked(), seen(content(BO, start=datetime(2026, 4, 7, 10, 1))), False),
        (booked(), seen(content(BO, start=datetime(2026, 4, 7, 8), zone="UTC")), True),
        (booked(), seen(content(CY)), False),
        (booked(), seen(content(CY, BO)), True),
        (booked(content()), seen(content()), False),
        (booked(content(), content(BO)), seen(content(CY), content(BO)), True),
        (booked(), seen(content(BO, start=datetime(2026, 5, 1, 9)), content(BO)), True),
        (booked(content(BO), content(BO, start=datetime(2026, 5, 1, 9))), seen(), True),
        (booked(uid="u2"), seen(), False),
        (copy("crm", "user", content(BO)), seen(), False),
        (copy("crm", "native-sync", content(BO)), seen(), False),
        (booked(), booked(), False),
        (seen(), seen(), False),
        (booked(), seen(original=5), False),
        (booked(), copy("calendar", "rendezvous", content(BO)), False),
        (booked(content()), seen(), False),
    ],
    ids=[
        "alike",
        "ten minutes later",
        "ten minutes earlier",
        "a millisecond more",
        "a millisecond less",
        "another owner",
        "another start",
        "the same start in another zone",
        "another guest",
        "one guest of several",
        "only the organiser in common",
        "a guest who came later",
        "moved before it was told",
        "the row moved",
        "a row with a UID",
        "a row made by hand",
        "a row of HubSpot's sync",
        "two rows",
        "two calendar meetings",
        "an occurrence",
        "an entry of ours",
        "a row without guests",
    ],
)
def test_a_bare_booking_row_and_a_calendar_meeting_are_alike_or_not(row: Sighting, entry: Sighting, are: bool) -> None:
    assert alike(row, entry, nobody) is are
    assert alike(entry, row, nobody) is are


def test_the_contact_of_a_booking_row_is_its_guest() -> None:
    row = booked(content(contacts=("151",)))
    assert alike(row, seen(), {"151": BO}.get)
    assert not alike(row, seen(), {"151": CY}.get)


def test_ten_minutes_are_ten_minutes() -> None:
    assert APART == 10 * 60 * 1000


def test_starts_are_those_of_every_revision_once() -> None:
    one = seen(content(BO), content(BO, start=datetime(2026, 4, 7, 11)), content(BO))
    assert starts_of(one) == [AT_EIGHT, AT_EIGHT + HOUR]
    assert starts_of(replace(one, revisions=(Revision(1, 1, "deleted"),))) == []


def test_rows_are_sought_among_calendar_meetings_and_the_other_way() -> None:
    assert likeness_key(booked(), AT_EIGHT) == f"{AT_EIGHT}|row|501" == likeness_key(seen(), AT_EIGHT, other=True)
    assert likeness_key(seen(), AT_EIGHT) == f"{AT_EIGHT}|calendar|501" == likeness_key(booked(), AT_EIGHT, other=True)


@pytest.mark.parametrize(
    ("event", "sought"),
    [
        (examples.row(origin="booking"), [f"{AT_EIGHT}|calendar|501"]),
        (examples.meeting(), [f"{AT_EIGHT}|row|501"]),
        (examples.row(origin="booking", uid="u1"), []),
        (examples.row(origin="booking", provenance={"link": "0b0e"}), []),
        (examples.row(), []),
        (examples.row(origin="native-sync"), []),
        (examples.meeting(provenance={"origin": "rendezvous"}), []),
        (examples.meeting(provenance={"originalStart": "2026-04-07T08:00:00Z"}), []),
        (examples.deleted(), []),
        (examples.meeting(kind="meeting.updated", revision=2), [f"{AT_EIGHT}|row|501"]),
    ],
    ids=[
        "bare booking row",
        "calendar meeting",
        "row with UID",
        "row with link",
        "row made by hand",
        "row of HubSpot's sync",
        "entry of ours",
        "an occurrence",
        "a deletion",
        "an update",
    ],
)
def test_what_is_fetched_ahead_is_what_likeness_will_ask_for(event: Event, sought: list[str]) -> None:
    found = read(json.dumps(event).encode())
    assert isinstance(found, SourceEvent)
    assert likeness_sought(found) == sought
