"""What stands in a contact's timeline, version by version."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
import pytest

from adapters.memory.views import MemoryViews
from domain.events import (
    ClockTicked,
    ContactDeleted,
    ContactErased,
    ContactMerged,
    ContactRecorded,
    Exception_,
    Guest,
    MeetingAbsorbed,
    MeetingCancelled,
    MeetingNoted,
    MeetingRescheduled,
    MeetingRevised,
    MeetingWithdrawn,
    Part,
    View,
)
from domain.recurrence import instant
from projections.bodies import DAY
from projections.contact_timeline import Entry
from projections.views import Page, stamp
from tests.projections.scripted import ACCOUNT, BEGAN, Log, key, meeting, opened, series, shown, single, token


def timeline(log: Log, contact: str = "151", erased: tuple[str, ...] = (), **page: Any) -> list[dict[str, Any]]:
    """The contact's entries once everything is folded, an event a batch, by a vault that does not open `erased`."""
    views = MemoryViews()
    log.fold_into(views, [1] * len(log.records), opened(erased))
    return [msgspec.json.decode(hit.body) for hit in views.entries(ACCOUNT, contact, Page(**{"limit": 1000, **page}))]


def versions(log: Log, contact: str = "151") -> list[tuple[int, str, str, int | None]]:
    """Version, title, start and end of validity of everything that ever stood in the timeline, in order."""
    views = MemoryViews()
    log.fold_into(views)
    rows: list[Any] = [row for row in views.rows() if row[0] == "entry" and row[2] == contact]
    bodies = [(row, msgspec.json.decode(row[-1])) for row in rows]
    return [(row[8], body["title"], body["start"], row[11]) for row, body in bodies]


def test_an_entry_says_what_the_contract_says() -> None:
    log = Log()
    log.add(ContactRecorded, contact="151", person=token("bo"), email=True)
    log.shows("a", single(shown(guests="bo di"), companies=("9",)))
    (entry,) = timeline(log)
    assert UUID(hex=entry.pop("entry")).version == 5
    assert entry == {
        "contact": "151",
        "meeting": meeting("a"),
        "occurrence": "2026-03-09T09:00:00Z",
        "title": "Kick-off",
        "start": "2026-03-09T09:00:00Z",
        "end": "2026-03-09T10:00:00Z",
        "timeZone": "Europe/Paris",
        "allDay": False,
        "status": "confirmed",
        "location": "Room 4",
        "conferenceUrl": None,
        "organizer": {"email": "ana@acme.example", "name": "Ana Person"},
        "participants": [
            {"email": "bo@client.example", "name": "Bo Person", "contact": "151", "participationStatus": "needs-action"},
            {"email": "di@other.example", "name": "Di Person", "contact": None, "participationStatus": "needs-action"},
        ],
        "origin": "calendar",
        "links": {"hubspot": None, "google": "7k1b0"},
        "associations": {"companies": ["9"], "deals": [], "tickets": []},
        "series": None,
        "recordedAt": "2026-03-02T09:15:06.000Z",
        "version": 1,
        "position": 2,
    }


@pytest.mark.parametrize(
    ("one", "expected"),
    [
        pytest.param(
            {"at": "2026-03-09T00:00:00", "all_day": True, "duration": "P2D", "time_zone": None},
            ("2026-03-09", "2026-03-09", "2026-03-11", None),
            id="all-day: dates, the end exclusive, no zone",
        ),
        pytest.param(
            {"time_zone": None},
            ("2026-03-09T10:00:00", "2026-03-09T10:00:00", "2026-03-09T11:00:00", None),
            id="floating: local times",
        ),
        pytest.param(
            {"at": "2026-07-09T10:00:00", "duration": "PT0S"},
            ("2026-07-09T08:00:00Z", "2026-07-09T08:00:00Z", "2026-07-09T08:00:00Z", "Europe/Paris"),
            id="a zone in summer, and no length",
        ),
        pytest.param(
            {"at": "9999-12-31T23:00:00", "duration": "PT9000H", "time_zone": None},
            ("9999-12-31T23:00:00", "9999-12-31T23:00:00", "9999-12-31T00:00:00", None),
            id="the end of the calendar stops nothing",
        ),
    ],
)
def test_times_are_written_as_they_are_meant(one: dict[str, Any], expected: tuple[str, str, str, str | None]) -> None:
    log = Log()
    log.shows("a", single(shown(**one)))
    (entry,) = timeline(log)
    assert (entry["occurrence"], entry["start"], entry["end"], entry["timeZone"]) == expected


def test_a_meeting_made_all_day_keeps_the_instant_that_names_it() -> None:
    log = Log()
    log.shows("a", single(shown()))
    all_day = shown(at="2026-03-09T00:00:00", all_day=True, duration="P1D", time_zone=None)
    first = instant(datetime(2026, 3, 9, 10), "Europe/Paris")
    log.shows("a", View(parts=(Part(all_day, first=first),)), MeetingRescheduled)  # as of its first start, in its zone
    (entry,) = timeline(log)
    assert (entry["occurrence"], entry["start"], entry["version"]) == ("2026-03-09T09:00:00Z", "2026-03-09", 2)


def test_an_organiser_who_is_a_contact_says_so_and_is_no_participant() -> None:
    log = Log()
    bo = shown(guests="", contacts=("151",), matched={key("bo"): "151"})
    bo = msgspec.structs.replace(bo, guests=(Guest(token("bo"), owner=True), Guest(token("ana"), "accepted")))
    log.shows("a", single(bo))
    (entry,) = timeline(log)
    assert entry["organizer"] == {"email": "bo@client.example", "name": "Bo Person", "contact": "151"}
    assert [p["email"] for p in entry["participants"]] == ["ana@acme.example"]


# --- versions ----------------------------------------------------------------------------------------------------------------


def test_every_recorded_state_can_be_read_again() -> None:
    log = Log()
    first = log.shows("a", single(shown("One")))
    second = log.shows("a", single(shown("Two")), MeetingRevised)
    third = log.shows("a", single(shown("Two", "2026-04-01T10:00:00"), "2026-03-09T10:00:00"), MeetingRescheduled)
    gone = log.shows("a", None, MeetingWithdrawn)
    assert versions(log) == [
        (1, "One", "2026-03-09T09:00:00Z", second),
        (2, "Two", "2026-03-09T09:00:00Z", third),
        (3, "Two", "2026-04-01T08:00:00Z", gone),
    ]
    read = {at: [e["title"] + e["start"][5:7] for e in timeline(log, as_of=at)] for at in (first - 1, first, third - 1, third, gone)}
    assert read == {first - 1: [], first: ["One03"], third - 1: ["Two03"], third: ["Two04"], gone: []}


def test_a_view_that_says_the_same_makes_no_version() -> None:
    log = Log()
    log.shows("a", single(shown()))
    log.shows("a", single(shown()), MeetingRevised)
    log.add(MeetingNoted, "a")
    assert [version for version, *_ in versions(log)] == [1]


def test_of_a_series_only_the_occurrence_that_changed_gets_a_version() -> None:
    log = Log()
    log.shows("s", series(shown("Weekly"), "FREQ=WEEKLY;COUNT=3"))
    second = instant(datetime(2026, 3, 16, 10), "Europe/Paris")
    moved = Exception_(second, shown("Weekly", "2026-03-17T10:00:00"))
    log.shows("s", series(shown("Weekly"), "FREQ=WEEKLY;COUNT=3", (moved,)), MeetingRescheduled)
    entries = timeline(log)
    assert [(e["occurrence"][:10], e["start"][:10], e["version"]) for e in entries] == [
        ("2026-03-09", "2026-03-09", 1),
        ("2026-03-16", "2026-03-17", 2),
        ("2026-03-23", "2026-03-23", 1),
    ]
    assert {e["series"]["id"] for e in entries} == {meeting("s")}
    assert [e["series"]["occurrence"] for e in entries] == [e["occurrence"] for e in entries]


def test_a_guest_who_is_dropped_loses_the_entry_and_the_other_gets_a_version() -> None:
    log = Log()
    log.shows("a", single(shown(guests="bo cy")))
    log.shows("a", single(shown(guests="cy")), MeetingRevised)
    assert timeline(log) == []
    (entry,) = timeline(log, "152")
    assert ([p["contact"] for p in entry["participants"]], entry["version"]) == (["152"], 2)


def test_what_was_cancelled_stays_and_says_so() -> None:
    log = Log()
    log.shows("a", single(shown()))
    view = single(shown())
    log.shows("a", msgspec.structs.replace(view, parts=(msgspec.structs.replace(view.parts[0], cancelled_from=log.now),)), MeetingCancelled)
    assert [(e["status"], e["version"]) for e in timeline(log)] == [("cancelled", 2)]
    assert timeline(log, status=("confirmed",)) == []


def test_an_absorbed_meeting_leaves_its_timelines() -> None:
    log, views = Log(), MemoryViews()
    log.shows("a", single(shown()))
    at = log.add(MeetingAbsorbed, "a", into=UUID(meeting("b")).hex)
    assert [end for *_, end in versions(log)] == [at]
    log.fold_into(views)
    row = views.meeting(ACCOUNT, meeting("a"))
    assert row is not None
    assert (row.into, row.view, msgspec.json.decode(row.body)["content"]) == (meeting("b"), b"", None)


def test_what_turned_private_leaves_no_version_behind() -> None:
    log, views = Log(), MemoryViews()
    log.shows("a", single(shown("Secret plan")))
    log.shows("a", single(shown("Secret plan, too")), MeetingRevised)
    log.shows("a", None, MeetingWithdrawn, purge=True)
    log.fold_into(views, [1, 2])
    assert versions(log) == []
    assert [row for row in views.rows() if b"Secret" in b"".join(x for x in row if isinstance(x, bytes))] == []


# --- the clock -----------------------------------------------------------------------------------------------------------------


def days(entries: list[dict[str, Any]]) -> tuple[int, str, str]:
    return len(entries), entries[0]["start"][:10], entries[-1]["start"][:10]


def test_without_a_clock_a_series_is_laid_out_a_year_around_its_event() -> None:
    log = Log()
    log.shows("s", series(shown("Daily"), "FREQ=DAILY"))
    assert days(timeline(log)) == (359, "2026-03-09", "2027-03-02")


def test_the_clock_adds_days_and_takes_none_away() -> None:
    log = Log()
    log.add(ClockTicked, at=BEGAN, before_days=10, after_days=20)
    log.shows("s", series(shown("Daily", "2026-02-25T10:00:00"), "FREQ=DAILY"))
    assert days(timeline(log)) == (26, "2026-02-25", "2026-03-22")
    ticked = log.add(ClockTicked, at=BEGAN + 30 * DAY, before_days=10, after_days=20)
    entries = timeline(log)
    assert days(entries) == (56, "2026-02-25", "2026-04-21")
    assert [e["recordedAt"] for e in entries].count(stamp(ticked)) == 30
    assert {e["version"] for e in entries} == {1}


def test_a_clock_that_goes_back_changes_nothing() -> None:
    log = Log()
    log.add(ClockTicked, at=BEGAN, before_days=10, after_days=20)
    log.shows("s", series(shown("Daily"), "FREQ=DAILY"))
    log.add(ClockTicked, at=BEGAN - 100 * DAY, before_days=10, after_days=20)
    assert days(timeline(log)) == (14, "2026-03-09", "2026-03-22")


def test_what_is_past_the_laid_out_span_stays_when_its_series_changes() -> None:
    log = Log()
    log.add(ClockTicked, at=BEGAN, before_days=10, after_days=20)
    log.shows("s", series(shown("Daily"), "FREQ=DAILY"))
    log.add(ClockTicked, at=BEGAN + 30 * DAY, before_days=10, after_days=20)
    log.shows("s", series(shown("Renamed"), "FREQ=DAILY"), MeetingRevised)
    entries = timeline(log)
    assert days(entries) == (44, "2026-03-09", "2026-04-21")
    low = stamp(BEGAN + 20 * DAY)
    assert {e["title"] for e in entries if e["start"] < low} == {"Daily"}
    assert {e["title"] for e in entries if e["start"] >= low} == {"Renamed"}


def test_a_longer_past_is_laid_out_by_the_next_tick() -> None:
    log = Log()
    log.add(ClockTicked, at=BEGAN, before_days=5, after_days=20)
    log.shows("s", series(shown("Daily", "2026-01-01T10:00:00"), "FREQ=DAILY"))
    log.add(ClockTicked, at=BEGAN + DAY, before_days=30, after_days=20)
    assert days(timeline(log)) == (50, "2026-02-02", "2026-03-23")


def test_an_exception_moved_beyond_the_laid_out_span_is_added_once() -> None:
    log = Log()
    log.add(ClockTicked, at=BEGAN, before_days=10, after_days=20)
    moved = Exception_(instant(datetime(2026, 3, 10, 10), "Europe/Paris"), shown("Daily", "2026-04-05T15:00:00"))
    log.shows("s", series(shown("Daily"), "FREQ=DAILY", (moved,)))
    log.add(ClockTicked, at=BEGAN + 30 * DAY, before_days=10, after_days=20)
    found = [e for e in timeline(log) if e["start"] == "2026-04-05T13:00:00Z"]
    assert [(e["occurrence"], e["version"]) for e in found] == [("2026-03-10T09:00:00Z", 1)]


# --- contacts --------------------------------------------------------------------------------------------------------------------


def test_a_merge_moves_every_entry_to_the_survivor_a_shared_meeting_once() -> None:
    log = Log()
    log.shows("a", single(shown("Mine")))
    log.shows("b", single(shown("Shared", guests="bo cy")))
    merged = log.add(ContactMerged, contact="152", merged=("151",))
    assert timeline(log) == []
    assert [end for *_, end in versions(log)] == [merged, merged]
    mine, shared = sorted(timeline(log, "152"), key=lambda e: str(e["title"]))
    assert (mine["contact"], [p["contact"] for p in mine["participants"]], mine["version"]) == ("152", ["152"], 1)
    assert (shared["version"], shared["position"]) == (1, 2)


def test_what_is_laid_out_after_a_merge_stands_with_the_last_survivor() -> None:
    log = Log()
    log.add(ClockTicked, at=BEGAN, before_days=10, after_days=20)
    log.shows("s", series(shown("Daily"), "FREQ=DAILY"))
    log.add(ContactMerged, contact="153", merged=("151",))
    log.add(ContactMerged, contact="154", merged=("153",))
    log.add(ClockTicked, at=BEGAN + 10 * DAY, before_days=10, after_days=20)
    assert timeline(log) == timeline(log, "153") == []
    entries = timeline(log, "154")
    assert days(entries) == (24, "2026-03-09", "2026-04-01")
    assert {p["contact"] for e in entries for p in e["participants"]} == {"154"}


def test_merged_contacts_point_to_the_last_survivor() -> None:
    log, views = Log(), MemoryViews()
    log.add(ContactRecorded, contact="151", person=token("bo"), email=True)
    log.add(ContactMerged, contact="152", merged=("151",))
    log.add(ContactMerged, contact="153", merged=("152",))
    log.add(ContactDeleted, contact="151")
    log.fold_into(views, [1] * 4)
    found = [(row.contact, row.state, row.into) for row in views.stored_contacts([(ACCOUNT, n) for n in ("151", "152", "153")]).values()]
    assert found == [("151", "merged", "153"), ("152", "merged", "153"), ("153", "live", None)]
    assert views.contacts_by_key(ACCOUNT, key("bo")) == []


def test_a_deleted_contact_keeps_its_entries_and_lives_again_when_it_is_recorded() -> None:
    log, views = Log(), MemoryViews()
    log.add(ContactRecorded, contact="151", person=token("bo"), email=True, company="Client")
    log.shows("a", single(shown()))
    log.add(ContactDeleted, contact="151")
    log.fold_into(views)
    row = views.contact(ACCOUNT, "151")
    assert row is not None
    assert (row.state, len(timeline(log))) == ("deleted", 1)
    log.add(ContactRecorded, contact="151", person=token("bo"), email=True, company="Client")
    log.fold_into(views)
    (row,) = views.contacts_by_key(ACCOUNT, key("bo"))
    assert msgspec.json.decode(row.body) == {"id": "151", "email": "bo@client.example", "name": "Bo Person", "company": "Client"}


def test_an_erased_person_is_forgotten_with_all_who_were_merged_into_him_and_named_by_nobody() -> None:
    log, views = Log(), MemoryViews()
    log.add(ContactRecorded, contact="151", person=token("bo"), email=True)
    log.add(ContactRecorded, contact="150", person=token("bo"), email=True)
    log.shows("a", single(shown(guests="bo cy")))
    log.add(ContactMerged, contact="155", merged=("151",))
    log.add(ContactErased, contact="155", keys=(key("bo"),))
    log.fold_into(views, [4, 1])
    assert versions(log) == versions(log, "155") == []
    (entry,) = timeline(log, "152")
    assert ([p["email"] for p in entry["participants"]], entry["version"]) == (["cy@client.example"], 1)
    rows = {at[1]: row for at, row in views.stored_contacts([(ACCOUNT, n) for n in ("150", "151", "155")]).items()}
    assert [(rows[c].state, rows[c].key) for c in ("150", "151", "155")] == [("live", key("bo")), ("erased", None), ("erased", None)]
    assert (rows["151"].body, msgspec.json.decode(rows["150"].body)["email"]) == (b"", None)


def test_an_erased_contact_comes_back_into_no_timeline() -> None:
    log = Log()
    log.add(ClockTicked, at=BEGAN, before_days=10, after_days=20)
    log.shows("s", series(shown("Daily", guests="bo cy"), "FREQ=DAILY"))
    log.add(ContactErased, contact="151", keys=(key("bo"),))
    log.add(ClockTicked, at=BEGAN + 10 * DAY, before_days=10, after_days=20)
    log.shows("s", series(shown("Renamed", guests="bo cy"), "FREQ=DAILY"), MeetingRevised)
    assert timeline(log) == []
    assert {p["email"] for e in timeline(log, "152", ("bo",)) for p in e["participants"]} == {"cy@client.example"}


def test_a_body_is_the_same_when_it_is_read_and_written_again() -> None:
    """Moves and erasures read bodies and write them again; what they leave alone must stay as it was, byte for byte."""
    log, views = Log(), MemoryViews()
    log.shows("a", single(shown(title='A "title", ü', guests="bo cy")))
    log.fold_into(views)
    (row,) = views.versions(ACCOUNT, [row.id for row in views.entries_of_contact(ACCOUNT, "151")]).values()
    assert msgspec.json.encode(msgspec.json.decode(row.body, type=Entry)) == row.body
    assert row.common.people == (key("bo"), key("cy"), key("ana"))
