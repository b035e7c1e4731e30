"""Google bodies in our words: golden pages, tables of awkward times, and the law that nothing a body holds can break it."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.google.translate import examined, translate
from adapters.wording import Hint, Translated
from domain import source_events
from domain.source_events import MAX_BYTES, DeletedData, MeetingData, SourceEvent

GOLDEN = sorted((Path(__file__).parent / "golden" / "google").glob("*.json"))
REFERENCE = Path(__file__).parents[3] / "shared"
RECORDED = REFERENCE / "fixtures" / "google" / "gcal_sync_test_payloads.json"
SCENARIOS = REFERENCE / "conformance" / "scenarios"

ANA = {"email": "ana@acme.example", "displayName": "Ana Ruiz", "self": True}
BO = {"email": "bo@client.example", "displayName": "Bo Lindqvist", "responseStatus": "needsAction"}


def event(**changed: Any) -> dict[str, Any]:
    """Ana's meeting of an hour and a half in Paris; a field given as None is left out."""
    plain = {
        "kind": "calendar#event",
        "etag": '"3544876805000000"',
        "id": "kickoff01",
        "status": "confirmed",
        "created": "2026-03-02T08:00:00.000Z",
        "updated": "2026-03-02T08:00:02.500Z",
        "summary": "Kick-off",
        "organizer": ANA,
        "start": {"dateTime": "2026-03-09T10:00:00+01:00", "timeZone": "Europe/Paris"},
        "end": {"dateTime": "2026-03-09T11:30:00+01:00", "timeZone": "Europe/Paris"},
        "iCalUID": "kickoff01@google.com",
    }
    return {name: value for name, value in (plain | changed).items() if value is not None}


def page(*items: object, **about: Any) -> dict[str, Any]:
    return {"kind": "calendar#events", "updated": "2026-03-04T17:00:05.000Z", "timeZone": "Europe/Paris", "items": [*items]} | about


def timed(start: str, end: str, zone: str | None = None) -> dict[str, Any]:
    named = {"timeZone": zone} if zone else {}
    return {"start": {"dateTime": start, **named}, "end": {"dateTime": end, **named}}


def said(*bodies: object, **told: Any) -> Translated:
    return translate(bodies, **({"account": "62515", "user": "501", "calendar": "ana@acme.example"} | told))


def one(body: object, **told: Any) -> dict[str, Any]:
    """The only event said of this body, nothing being refused."""
    found = said(body, **told)
    assert (len(found.events), found.refused) == (1, [])
    return found.events[0]


def data(body: object, **told: Any) -> dict[str, Any]:
    found: dict[str, Any] = one(body, **told)["data"]
    return found


def refusal(body: object) -> str:
    """Why the only item of this body is refused, nothing being said."""
    found = said(body)
    assert (found.events, len(found.refused)) == ([], 1)
    return found.refused[0].reason


def accepted(found: dict[str, Any]) -> SourceEvent:
    """The event as the source log takes it."""
    read = source_events.read(msgspec.json.encode(found))
    assert isinstance(read, SourceEvent), read
    return read


# --- golden pages -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("file", GOLDEN, ids=lambda file: file.stem)
def test_a_golden_body_is_said_as_written_down(file: Path) -> None:
    golden = json.loads(file.read_text("utf-8"))
    found = said(*golden["bodies"])
    assert found.events == golden["events"]
    assert [list(refused) for refused in found.refused] == golden["refused"]
    assert [list(hint) for hint in found.hints] == golden.get("hints", [])


@pytest.mark.parametrize("file", GOLDEN, ids=lambda file: file.stem)
def test_the_log_takes_every_golden_event(file: Path) -> None:
    events = json.loads(file.read_text("utf-8"))["events"]
    assert [accepted(found).id for found in events] == [found["id"] for found in events] != []


@pytest.mark.parametrize("file", GOLDEN, ids=lambda file: file.stem)
def test_what_is_said_comes_as_the_log_reads_it_too(file: Path) -> None:
    bodies = json.loads(file.read_text("utf-8"))["bodies"]
    found, read = said(*bodies), examined(bodies, "62515", "501", "ana@acme.example", None)
    assert read.events == [accepted(event) for event in found.events] != []
    assert (read.refused, read.hints) == (found.refused, found.hints)


# --- who, which, and which revision -----------------------------------------------------------------------------------


def test_the_calendar_is_the_primary_one_unless_it_is_named() -> None:
    found = one(event(), calendar=None)
    assert found["source"] == "/accounts/62515/calendars/google/primary"
    assert found["data"]["provenance"]["calendar"] == "primary"


@pytest.mark.parametrize(
    "body", [event(), [event()], page(event()), [page(event())]], ids=["alone", "in a list", "in a page", "page in a list"]
)
def test_an_event_is_the_same_however_it_comes(body: object) -> None:
    assert one(body)["data"] == data(event())


@pytest.mark.parametrize(
    ("updated", "kind"),
    [
        pytest.param("2026-03-02T08:00:00.000Z", "created", id="at the same moment"),
        pytest.param("2026-03-02T08:00:05.000Z", "created", id="five seconds later"),
        pytest.param("2026-03-02T08:00:05.001Z", "updated", id="later than that"),
        pytest.param(None, "created", id="never, as far as Google says"),
    ],
)
def test_a_meeting_just_made_is_created_and_any_other_updated(updated: str | None, kind: str) -> None:
    assert one(event(updated=updated))["type"] == f"rendezvous.meeting.{kind}.v1"


def test_a_repeated_item_is_said_twice_in_order() -> None:
    later = event(etag='"2"', updated="2026-03-03T08:00:00Z")
    ids = [found["id"] for found in said(page(event()), page(later, event())).events]
    first = 'google:501:kickoff01:"3544876805000000"'
    assert ids == [first, 'google:501:kickoff01:"2"', first]


def test_without_an_etag_the_update_names_the_revision_and_without_either_the_content() -> None:
    assert one(event(etag=None))["id"] == "google:501:kickoff01:2026-03-02T08:00:02.500Z"
    bare, other = (one(event(etag=None, updated=None, summary=title))["id"] for title in ("Kick-off", "Kick-out"))
    assert bare != other
    assert re.fullmatch("google:501:kickoff01:[0-9a-f]{16}", bare)


def test_the_longest_id_that_google_allows_still_makes_an_event() -> None:
    found = one(event(id="v" * 1024))
    assert found["subject"] == "v" * 1024
    assert re.fullmatch("google:501:[0-9a-f]{16}", found["id"])


def test_only_an_update_of_its_own_gives_an_item_a_sequence() -> None:
    assert one(page(event()))["sequence"] == "00000001772438402500"
    assert "sequence" not in one(page(event(updated=None)))


@pytest.mark.parametrize("in_a_page", [True, False], ids=["in a page, whose time is another", "alone"])
def test_a_tombstone_without_an_update_has_no_time(in_a_page: bool) -> None:
    tombstone = {"id": "kickoff01", "status": "cancelled"}
    found = one(page(tombstone) if in_a_page else tombstone)
    assert found.keys().isdisjoint({"time", "sequence"})
    assert "updated" not in found["data"]["provenance"]
    assert isinstance(accepted(found).data, DeletedData)


def test_a_tombstone_with_an_update_happened_then() -> None:
    found = one(page({"id": "kickoff01", "status": "cancelled", "updated": "2026-03-04T09:00:00.000Z"}))
    assert found["data"]["provenance"]["updated"] == found["time"] == "2026-03-04T09:00:00.000Z"
    assert found["sequence"] == "00000001772614800000"


OTHERS: dict[str, Any] = {
    "status": "cancelled",
    "organizer": {"email": "eve@out.example"},
    "attendees": [{"email": "eve@out.example", "organizer": True}, ANA | {"responseStatus": "accepted"}, BO],
}
OWN: dict[str, Any] = {"status": "cancelled", "attendees": [ANA | {"organizer": True}, BO]}


def answered(answer: str, **more: Any) -> list[dict[str, Any]]:
    """A guest list in which Ana, whose calendar it is, gave this answer."""
    return [{"email": "Ana@Acme.example", "responseStatus": answer, **more}, BO]


@pytest.mark.parametrize(
    ("changed", "kind"),
    [
        pytest.param(OTHERS, "updated", id="cancelled by its organiser"),
        pytest.param(OWN, "updated", id="cancelled by oneself"),
        pytest.param(OTHERS | {"attendees": answered("needsAction")}, "updated", id="before one answered"),
        pytest.param(OTHERS | {"attendees": answered("declined")}, "deleted", id="declined: taken off one's own calendar"),
        pytest.param(OWN | {"attendees": answered("declined")}, "updated", id="declined, but one's own"),
        pytest.param(OTHERS | {"organizer": None, "attendees": answered("declined", organizer=True)}, "updated", id="so marked"),
        pytest.param(OTHERS | {"attendees": None}, "deleted", id="without guests"),
        pytest.param(OTHERS | {"attendeesOmitted": True}, "deleted", id="with some of the guests"),
        pytest.param(OTHERS | {"start": None}, "deleted", id="without a start"),
        pytest.param(OTHERS | {"start": {"dateTime": "soon"}}, "deleted", id="with a start that is none"),
        pytest.param(OTHERS | {"created": None}, "deleted", id="without its creation"),
        pytest.param(OTHERS | {"updated": None}, "deleted", id="without its revision's time"),
    ],
)
@pytest.mark.parametrize("listed", [True, False], ids=["listed", "read by id"])
def test_only_a_whole_record_is_a_cancelled_meeting(changed: dict[str, Any], kind: str, listed: bool) -> None:
    body = event(**changed)
    found = one(page(body) if listed else body)
    assert found["type"] == f"rendezvous.meeting.{kind}.v1"
    assert found["data"].get("status") == ("cancelled" if kind == "updated" else None)


def test_the_record_read_by_id_is_another_event_than_the_tombstone_of_its_revision() -> None:
    tombstone, record = said({"id": "kickoff01", "etag": '"2"', "status": "cancelled"}, event(**OTHERS, etag='"2"')).events
    assert (tombstone["id"], record["id"]) == ('google:501:kickoff01:"2"', 'google:501:kickoff01:"2":cancelled')


CUT_SHORT = event(attendees=[ANA], attendeesOmitted=True)


def test_a_guest_list_cut_short_in_a_page_is_to_be_read_by_id() -> None:
    assert said(page(CUT_SHORT, CUT_SHORT)) == Translated([], [], [Hint("event", "kickoff01")])
    assert said(page(CUT_SHORT), event(attendees=[ANA, BO])).hints == []
    assert said(event(attendees=[ANA, BO]), page(CUT_SHORT)).hints == [Hint("event", "kickoff01")]


def test_guests_left_out_even_by_id_are_unknown_not_gone() -> None:
    found = data(CUT_SHORT)
    assert found["provenance"]["detailsHidden"] is True
    assert [guest["email"] for guest in found["participants"].values()] == ["ana@acme.example"]


@pytest.mark.parametrize(
    ("calendar", "people"),
    [
        pytest.param("ana@acme.example", ["ana@acme.example"], id="a primary calendar's id is its owner's address"),
        pytest.param("c_1a2b@group.calendar.google.com", [], id="another's is nobody's"),
        pytest.param("primary", [], id="no address"),
        pytest.param(None, [], id="none"),
    ],
)
def test_oneself_without_an_address_has_the_calendars(calendar: str | None, people: list[str]) -> None:
    found = data(event(organizer={"self": True}), calendar=calendar)["participants"]
    assert [person["email"] for person in found.values()] == people


def test_an_instances_id_is_opaque() -> None:
    known = data(page({"id": "standup14_20211123T170000Z", "status": "cancelled"}))["provenance"]
    assert known.keys().isdisjoint({"seriesId", "originalStart"})


def test_a_meeting_whose_creation_is_unknown_is_refused() -> None:
    assert refusal(event(created=None)).startswith("created: missing")
    assert refusal(event(created="0000-12-30T00:00:00.000Z")).startswith("created: missing or unreadable")


def test_a_refusal_names_the_item_by_its_id_or_its_place() -> None:
    names = [refused.what for refused in said(page(event(start=None)), page(event(), 7), [[]]).refused]
    assert names == ["kickoff01", "body 2, item 2", "body 3, item 1"]


# --- when -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("times", "start", "zone", "duration"),
    [
        pytest.param(
            timed("2026-03-09T09:00:00Z", "2026-03-09T10:00:00Z", "Asia/Tokyo"),
            "2026-03-09T18:00:00",
            "Asia/Tokyo",
            "PT1H",
            id="an instant in its zone",
        ),
        pytest.param(
            timed("2026-03-09T09:00:00Z", "2026-03-09T09:00:45Z"), "2026-03-09T10:00:00", "Europe/Paris", "PT45S", id="the zone of the page"
        ),
        pytest.param(
            timed("2026-03-09T09:00:00", "2026-03-09T10:00:00", "Asia/Tokyo"),
            "2026-03-09T09:00:00",
            "Asia/Tokyo",
            "PT1H",
            id="local without offset",
        ),
        pytest.param(
            timed("2026-03-28T20:00:00+01:00", "2026-03-29T20:00:00+02:00"),
            "2026-03-28T20:00:00",
            "Europe/Paris",
            "PT23H",
            id="a night with 23 hours around it",
        ),
        pytest.param(
            timed("2026-03-29T02:30:00", "2026-03-29T04:00:00"),
            "2026-03-29T02:30:00",
            "Europe/Paris",
            "PT30M",
            id="in the gap, by the offset before",
        ),
        pytest.param(
            timed("2026-10-25T02:30:00+02:00", "2026-10-25T04:00:00+01:00"),
            "2026-10-25T02:30:00",
            "Europe/Paris",
            "PT2H30M",
            id="the first in the fold",
        ),
        pytest.param(
            timed("2026-10-25T02:30:00+01:00", "2026-10-25T04:00:00+01:00"),
            "2026-10-25T01:30:00",
            "UTC",
            "PT1H30M",
            id="the second in the fold, in UTC",
        ),
        pytest.param(
            timed("2026-03-09T09:00:00+03:00", "2026-03-11T09:00:00+03:00", "Moon/Crater"),
            "2026-03-09T06:00:00",
            "UTC",
            "PT48H",
            id="an unknown zone, by its offset",
        ),
        pytest.param(
            timed("2026-03-09T09:00:00", "2026-03-09T10:00:00", "GMT+03:00"),
            "2026-03-09T09:00:00",
            "Etc/GMT-3",
            "PT1H",
            id="a zone that is an offset",
        ),
        pytest.param(
            timed("2026-03-09T09:00:00", "2026-03-09T10:00:00", "GMT-09:30"),
            "2026-03-09T18:30:00",
            "UTC",
            "PT1H",
            id="a zone that is an odd offset",
        ),
        pytest.param({"end": None}, "2026-03-09T10:00:00", "Europe/Paris", "PT0S", id="no end"),
        pytest.param({"endTimeUnspecified": True}, "2026-03-09T10:00:00", "Europe/Paris", "PT0S", id="an end that means nothing"),
        pytest.param({"start": {"date": "2026-03-09"}, "end": None}, "2026-03-09T00:00:00", None, "P1D", id="a day without end"),
        pytest.param(
            {"start": {"date": "2026-03-28", "timeZone": "Europe/Paris"}, "end": {"date": "2026-03-30"}},
            "2026-03-28T00:00:00",
            None,
            "P2D",
            id="two days, one of 23 hours",
        ),
    ],
)
def test_times_are_local_in_their_zone_and_durations_exact(times: dict[str, Any], start: str, zone: str | None, duration: str) -> None:
    found = data(page(event(**times)))
    assert (found["start"], found["timeZone"], found["duration"]) == (start, zone, duration)
    assert found["showWithoutTime"] is duration.endswith("D")


@pytest.mark.parametrize(
    ("offset", "start", "zone"),
    [
        pytest.param("+02:00", "2026-03-09T10:00:00", "Etc/GMT-2", id="east"),
        pytest.param("-07:00", "2026-03-09T10:00:00", "Etc/GMT+7", id="west"),
        pytest.param("+14:00", "2026-03-09T10:00:00", "Etc/GMT-14", id="as far east as there is a name"),
        pytest.param("-13:00", "2026-03-09T23:00:00", "UTC", id="further west than there is a name"),
        pytest.param("+05:30", "2026-03-09T04:30:00", "UTC", id="no whole hour"),
        pytest.param("+00:00", "2026-03-09T10:00:00", "UTC", id="none"),
        pytest.param("Z", "2026-03-09T10:00:00", "UTC", id="zulu"),
        pytest.param("", "2026-03-09T10:00:00", None, id="not even that: floating"),
    ],
)
def test_without_any_zone_the_offset_is_the_zone(offset: str, start: str, zone: str | None) -> None:
    found = data(event(**timed(f"2026-03-09T10:00:00{offset}", f"2026-03-09T11:00:00{offset}")))
    assert (found["start"], found["timeZone"], found["duration"]) == (start, zone, "PT1H")


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        pytest.param({"start": None}, "start: missing: neither a date nor a time", id="no start"),
        pytest.param({"start": {}}, "start: missing: neither a date nor a time", id="an empty start"),
        pytest.param({"start": "2026-03-09"}, "start: not an object", id="a start that is text"),
        pytest.param({"end": {"dateTime": "2026-03-09T09:59:59+01:00"}}, "end: before the start", id="ends before it starts"),
        pytest.param({"start": {"date": "2026-03-09"}, "end": {"date": "2026-03-08"}}, "end: before the start", id="ends a day before"),
        pytest.param({"end": {"date": "2026-03-10"}}, "end: not of the same sort as the start", id="from a time to a date"),
        pytest.param({"start": {"date": "2026-03-09"}}, "end: a time, where the start is a date", id="from a date to a time"),
        pytest.param({"start": {"dateTime": "2026-13-09T10:00:00Z"}}, "start.dateTime: not a time that any calendar knows", id="month 13"),
        pytest.param({"start": {"dateTime": "next Tuesday"}}, "start.dateTime: not a time that any calendar knows", id="words"),
        pytest.param({"start": {"date": "2026-02-30"}}, "start.date: not a day that any calendar knows", id="30 February"),
        pytest.param(
            timed("0001-01-01T00:00:00+10:00", "0001-01-01T01:00:00+10:00"), "start: outside the years 1 to 9999", id="before all time"
        ),
        pytest.param(
            timed("2026-03-09T10:00:00", "2026-03-09T11:00:00", "Moon/Crater"),
            "start.timeZone: no IANA time zone, and no offset to go by: 'Moon/Crater'",
            id="an unknown zone and no offset",
        ),
        pytest.param(
            timed("2026-03-09T10:00:00Z", "2026-03-09T11:00:00Z", "Moon/Crater") | {"recurrence": ["RRULE:FREQ=DAILY"]},
            "start.timeZone: no IANA time zone: 'Moon/Crater'",
            id="a series in an unknown zone",
        ),
    ],
)
def test_times_that_make_no_sense_are_refused_and_named(changed: dict[str, Any], reason: str) -> None:
    assert refusal(event(**changed)) == reason


def test_an_original_start_is_an_instant_and_of_a_date_its_midnight_in_utc() -> None:
    for given_, instant in (
        ({"dateTime": "2026-04-13T10:00:00+02:00"}, "2026-04-13T08:00:00Z"),
        ({"dateTime": "2026-04-13T10:00:00", "timeZone": "Asia/Tokyo"}, "2026-04-13T01:00:00Z"),
        ({"date": "2026-04-13"}, "2026-04-13T00:00:00Z"),
    ):
        known = data(event(recurringEventId="standup14", originalStartTime=given_))["provenance"]
        assert (known["seriesId"], known["originalStart"]) == ("standup14", instant)


# --- how often --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "starts"),
    [
        pytest.param("RDATE:20260310T100000", ["2026-03-10T10:00:00"], id="local"),
        pytest.param("rdate:20260310t100000", ["2026-03-10T10:00:00"], id="in small letters"),
        pytest.param("RDATE:20260401T080000Z", ["2026-04-01T10:00:00"], id="an instant, in summer"),
        pytest.param('RDATE;TZID="America/New_York":20260310T050000', ["2026-03-10T10:00:00"], id="in another zone"),
        pytest.param("RDATE;VALUE=DATE:20260310", ["2026-03-10T10:00:00"], id="a date: at the usual time"),
        pytest.param(
            "RDATE;VALUE=PERIOD:20260310T100000/PT1H,20260311T100000/20260311T113000",
            ["2026-03-10T10:00:00", "2026-03-11T10:00:00"],
            id="periods",
        ),
        pytest.param("RDATE;X-NOTE=a:20260310T100000,", ["2026-03-10T10:00:00"], id="an unknown parameter, a comma too many"),
        pytest.param("RDATE:", [], id="none"),
    ],
)
def test_listed_starts_are_local_in_the_meetings_zone(line: str, starts: list[str]) -> None:
    found = data(event(recurrence=["RRULE:FREQ=WEEKLY", line, line.replace("RDATE", "EXDATE").replace("rdate", "exdate")]))
    assert found["recurrenceRules"] == ["FREQ=WEEKLY"]
    assert (found["addedStarts"], found["excludedStarts"]) == (starts, starts)


def test_starts_of_an_all_day_series_are_midnights_whatever_their_form() -> None:
    whole = {"start": {"date": "2026-03-09"}, "end": {"date": "2026-03-10"}}
    found = data(event(**whole, recurrence=["EXDATE;VALUE=DATE:20260310,20260311T000000Z,20260312T235900"]))
    assert found["excludedStarts"] == ["2026-03-10T00:00:00", "2026-03-11T00:00:00", "2026-03-12T00:00:00"]


def test_starts_in_a_zone_that_is_an_odd_offset_move_to_utc_with_their_series() -> None:
    times = timed("2026-03-09T10:00:00", "2026-03-09T11:00:00", "GMT+05:30")
    found = data(event(**times, recurrence=["RRULE:FREQ=DAILY", "EXDATE:20260310T100000"]))
    assert (found["start"], found["timeZone"], found["excludedStarts"]) == ("2026-03-09T04:30:00", "UTC", ["2026-03-10T04:30:00"])


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        pytest.param(["EXRULE:FREQ=DAILY"], "EXRULE cannot be carried", id="an exception rule"),
        pytest.param(["RRULE"], "a line that is no iCalendar property", id="no property"),
        pytest.param([7], "a line that is no iCalendar property", id="a number"),
        pytest.param("RRULE:FREQ=DAILY", "not a list", id="no list"),
        pytest.param(["RDATE:20260230T100000"], "a start that is no date or time", id="30 February"),
        pytest.param(["EXDATE;TZID=Moon/Crater:20260310T100000"], "no IANA time zone: 'Moon/Crater'", id="an unknown zone"),
    ],
)
def test_a_recurrence_that_cannot_be_carried_is_refused(lines: object, reason: str) -> None:
    assert refusal(event(recurrence=lines)) == f"recurrence: {reason}"


def test_a_rule_that_the_log_would_refuse_is_refused_here() -> None:
    refused = refusal(event(recurrence=["RRULE:FREQ=SECONDLY"]))
    assert refused == "/data/recurrenceRules/0: repeats more often than any meeting: at most hourly"


def test_a_series_whose_days_would_be_others_in_utc_is_refused() -> None:
    night = timed("2026-03-09T02:00:00+05:30", "2026-03-09T03:00:00+05:30")
    assert "UTC would change the days" in refusal(event(**night, recurrence=["RRULE:FREQ=WEEKLY;BYDAY=MO"]))
    assert data(event(**night))["start"] == "2026-03-08T20:30:00"


# --- what and who -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("event_type", "kind"),
    [
        ("default", "meeting"),
        ("fromGmail", "meeting"),
        ("focusTime", "focus"),
        ("outOfOffice", "out-of-office"),
        ("workingLocation", "working-location"),
        ("birthday", "birthday"),
        ("aTypeOfNextYear", "other"),
        (None, "meeting"),
    ],
)
def test_an_event_type_is_a_kind(event_type: str | None, kind: str) -> None:
    assert data(event(eventType=event_type))["kind"] == kind


@pytest.mark.parametrize(
    ("visibility", "privacy"),
    [("private", "private"), ("confidential", "private"), ("public", "public"), ("default", "public"), (None, "public")],
)
def test_confidential_is_private(visibility: str | None, privacy: str) -> None:
    assert data(event(visibility=visibility))["privacy"] == privacy


@pytest.mark.parametrize(
    ("role", "visibility", "summary", "hidden"),
    [
        pytest.param("freeBusyReader", None, None, True, id="free-busy"),
        pytest.param("freeBusyReader", "public", "Busy", True, id="free-busy, with a word for it"),
        pytest.param("reader", "private", None, True, id="a reader before a private event"),
        pytest.param("writerWithoutPrivateAccess", "confidential", None, True, id="a writer without private access"),
        pytest.param("reader", "private", "Doctor", False, id="a private event that is shown"),
        pytest.param("reader", None, None, False, id="an event without title"),
        pytest.param("owner", "private", None, False, id="one's own private event without title"),
        pytest.param(None, "private", None, False, id="nobody says who reads"),
        pytest.param("none", None, "Busy", True, id="no access"),
    ],
)
def test_hidden_details_are_unknown_not_empty(role: str | None, visibility: str | None, summary: str | None, hidden: bool) -> None:
    found = data(page(event(visibility=visibility, summary=summary), accessRole=role))
    assert found["provenance"]["detailsHidden"] is hidden
    assert found["title"] == summary


@pytest.mark.parametrize(
    ("shown", "hidden"),
    [({}, True), ({"organizer": ANA}, False), ({"creator": ANA}, False), ({"attendees": []}, False), ({"summary": ""}, False)],
    ids=["nothing but times", "an organiser", "a creator", "a guest list", "an empty title"],
)
def test_an_event_read_by_id_hides_its_details_where_it_has_none(shown: dict[str, Any], hidden: bool) -> None:
    assert data(event(**({"summary": None, "organizer": None} | shown)))["provenance"]["detailsHidden"] is hidden


@pytest.mark.parametrize(
    ("organizer", "attendees", "people"),
    [
        pytest.param(
            ANA, [BO], [("bo@client.example", ["attendee"]), ("ana@acme.example", ["owner"])], id="the organiser comes last if no guest"
        ),
        pytest.param(
            ANA,
            [{"email": " ANA@Acme.Example "}, BO],
            [("ANA@Acme.Example", ["attendee", "owner"]), ("bo@client.example", ["attendee"])],
            id="and only once, whatever the letters",
        ),
        pytest.param(
            None, [BO | {"organizer": True}], [("bo@client.example", ["attendee", "owner"])], id="a guest may be marked the organiser"
        ),
        pytest.param({"self": True}, [{"self": True}], [("ana@work.example", ["attendee", "owner"])], id="one's own address fills in"),
        pytest.param(
            None,
            [BO | {"resource": True}, {"displayName": "Nobody"}, {"email": " "}, 7],
            [],
            id="rooms and people without address are left out",
        ),
        pytest.param("ana", "bo", [], id="no people at all"),
    ],
)
def test_people_keep_their_order_and_the_organiser_is_among_them(organizer: Any, attendees: Any, people: list[Any]) -> None:
    found = data(event(organizer=organizer, attendees=attendees), address="ana@work.example")["participants"]
    assert [(person["email"], sorted(person["roles"])) for person in found.values()] == people
    assert list(found) == [str(number) for number in range(1, len(people) + 1)]


def test_more_than_a_thousand_people_are_refused() -> None:
    crowd = [{"email": f"guest{number}@client.example"} for number in range(1001)]
    assert len(data(event(organizer=None, attendees=crowd[:1000]))["participants"]) == 1000
    assert refusal(event(organizer=None, attendees=crowd)) == "/data/participants: 1001; at most 1000 are accepted"


def test_a_meeting_too_large_for_the_log_is_refused() -> None:
    assert "256 KiB" in refusal(event(description="x" * 300_000))


@pytest.mark.parametrize(
    ("told", "description"),
    [
        ("<p>Bring the <b>plan</b> &amp; tea</p>", "Bring the plan & tea"),
        ("Bring the plan & <tea>\n  soon", "Bring the plan & <tea>\n  soon"),
        ("<script>alert(1)</script><br>", None),
        (7, None),
    ],
)
def test_a_description_is_text_whether_it_came_as_html_or_not(told: object, description: str | None) -> None:
    assert one(event(description=told))["data"]["description"] == description


@pytest.mark.parametrize(
    ("conference", "url"),
    [
        pytest.param({"hangoutLink": "https://meet.example/a"}, "https://meet.example/a", id="hangoutLink"),
        pytest.param({"hangoutLink": "javascript:alert(1)"}, None, id="a link that is none"),
        pytest.param(
            {
                "conferenceData": {
                    "entryPoints": [
                        {"entryPointType": "phone", "uri": "https://dial.example"},
                        {"entryPointType": "video", "uri": "https://meet.example/b"},
                    ]
                }
            },
            "https://meet.example/b",
            id="the video among the entry points",
        ),
        pytest.param({"conferenceData": {"entryPoints": {"uri": "https://meet.example/c"}}}, None, id="entry points that are no list"),
    ],
)
def test_a_conference_is_its_http_link(conference: dict[str, Any], url: str | None) -> None:
    assert data(event(**conference))["conferenceUrl"] == url


# --- what the log sets bounds to --------------------------------------------------------------------------------------

EMOJI = "\U0001f600"


def at_its_longest(guests: int, description: str) -> dict[str, Any]:
    """An event of which all that is cut is as long as it may be, in characters that take the most room."""
    people = [{"email": f"{n:03}{EMOJI * 997}", "displayName": EMOJI * 1000, "optional": True} for n in range(guests)]
    words = {"summary": EMOJI * 1000, "location": EMOJI * 1000, "hangoutLink": f"https://{EMOJI * 1992}"}
    return event(id="e" * 1024, attendees=people, description=description, **words)


def size(found: dict[str, Any]) -> int:
    return len(msgspec.json.encode(found))


# Of the guests as many as are taken to fit without looking; some more; and so many that little else fits beside them.
@pytest.mark.parametrize("guests", [0, 20, 21, 27])
@pytest.mark.parametrize("character", ["x", EMOJI, '"'], ids=["of a byte", "of four bytes", "that is escaped"])
def test_an_event_is_told_up_to_the_logs_last_byte_and_refused_beyond_it(guests: int, character: str) -> None:
    room, rest = divmod(MAX_BYTES - size(one(at_its_longest(guests, "x"))) + 1, size({"": character}) - size({"": ""}))
    fits = at_its_longest(guests, character * room + "x" * rest)
    assert size(one(fits)) == MAX_BYTES
    assert examined([fits], "62515", "501", "ana@acme.example", None).events == [accepted(one(fits))]
    assert (
        refusal(fits | {"description": character * room + "x" * (rest + 1)})
        == f"{MAX_BYTES + 1} bytes; at most 262144 (256 KiB) are accepted"
    )


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"created": "2026-03-02T08:00:00.000999Z", "updated": "2026-03-02T08:00:05.001Z"}, id="times finer than the log's"),
        pytest.param({"summary": "gpj.exe\u202e", "description": "a\u202db", "location": "\x00Room\r"}, id="texts that turn round"),
        pytest.param({"hangoutLink": "https://meet.example/\u202ea"}, id="a link that turns round"),
        pytest.param({"recurrence": ["RRULE:FREQ=DAILY", "EXDATE:20260310T090000Z", "RDATE;VALUE=DATE:20260411"]}, id="a series"),
        pytest.param({"recurringEventId": "s1", "originalStartTime": {"dateTime": "2026-03-09T10:00:00.5+01:00"}}, id="an occurrence"),
        pytest.param({"status": "cancelled", "start": None}, id="a tombstone"),
        pytest.param({"status": "cancelled", "attendees": [BO]}, id="a record"),
    ],
)
def test_an_event_is_examined_as_the_log_would(changed: dict[str, Any]) -> None:
    assert examined([event(**changed)], "62515", "501", "ana@acme.example", None).events == [accepted(one(event(**changed)))]


def test_what_the_log_would_refuse_is_refused() -> None:
    required = "required with seriesId: it says which occurrence of the series this is"
    assert refusal(event(recurringEventId="s1")) == f"/data/provenance/originalStart: {required}"


def test_a_series_is_told_up_to_the_logs_last_byte_and_refused_beyond_it() -> None:
    starts = ["EXDATE:" + ",".join(["20260310T090000Z"] * 10_000), "RDATE:" + ",".join(["20260311T090000Z"] * 1_500)]
    series = event(recurrence=["RRULE:FREQ=DAILY", *starts], description="x")
    room = MAX_BYTES - size(one(series)) + 1
    assert 0 < room < 14_000
    assert size(one(series | {"description": "x" * room})) == MAX_BYTES
    assert refusal(series | {"description": "x" * (room + 1)}) == f"{MAX_BYTES + 1} bytes; at most 262144 (256 KiB) are accepted"


@pytest.mark.parametrize("field", ["etag", "iCalUID", "recurringEventId"])
def test_a_name_without_end_is_refused(field: str) -> None:
    endless = event(**{field: "x" * MAX_BYTES}, originalStartTime={"date": "2026-03-09"})
    assert refusal(endless).endswith("bytes; at most 262144 (256 KiB) are accepted")
    assert refusal({"id": "gone", "status": "cancelled", field: "x" * MAX_BYTES}).endswith("bytes; at most 262144 (256 KiB) are accepted")


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        pytest.param({"user": ""}, "/data/provenance/user: Expected `str` of length >= 1", id="no user"),
        pytest.param({"user": "u" * 1010}, "/id: Expected `str` of length <= 1024", id="a user without end"),
        pytest.param({"account": ""}, "/account: Expected `str` of length >= 1", id="no account"),
        pytest.param({"account": "a\0"}, "/source: holds a NUL character; holds a NUL character", id="an account that no database keeps"),
        pytest.param({"calendar": "c" * 2000}, "/source: Expected `str` of length <= 1024", id="a calendar without end"),
    ],
)
def test_a_mailbox_with_an_impossible_name_tells_nothing(told: dict[str, Any], reason: str) -> None:
    found = said(event(), **told)
    assert (found.events, [refused.reason for refused in found.refused]) == ([], [reason])


# --- whatever a body holds --------------------------------------------------------------------------------------------

WHOLE = event(
    attendees=[ANA | {"organizer": True}, BO],
    hangoutLink="https://meet.example/a",
    location="Room 4",
    description="Agenda",
    visibility="default",
    eventType="default",
    recurrence=["RRULE:FREQ=WEEKLY;COUNT=4", "EXDATE;TZID=Asia/Tokyo:20260316T180000"],
    recurringEventId=None,
    originalStartTime=None,
    extendedProperties={"private": {"rendezvousMeeting": "0b0e6a52"}},
    conferenceData={"entryPoints": [{"entryPointType": "video", "uri": "https://meet.example/b"}]},
)
OCCURRENCE = event(recurringEventId="standup14", originalStartTime={"dateTime": "2026-03-09T10:00:00+01:00"})
TOMBSTONE = OCCURRENCE | {"status": "cancelled"}
DECORATION = (
    "summary description location hangoutLink conferenceData attendees organizer extendedProperties etag iCalUID visibility eventType "
    "updated reminders creator attachments colorId sequence htmlLink"
).split()

TELLING = st.sampled_from(
    [
        *("2026-03-09T10:00:00+01:00", "9999-12-31T23:59:59-12:00", "0001-01-01T00:00:00+14:00", "0000-12-30T00:00:00Z"),
        *("2026-03-09", "9999-12-31", "Europe/Paris", "GMT+05:30", "localtime", "../etc/passwd", "cancelled", "freeBusyReader"),
        *("calendar#event", "RRULE:FREQ=DAILY", "RDATE;TZID=GMT-14:00:99991231T235959", "EXDATE:00010101T000000Z,20260310"),
        *("\ud800", "\x00", ""),
    ]
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=12) | TELLING,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["dateTime", "date", "timeZone", "email", "self", "items", "id", "\ud800"]), inner, max_size=3)
    ),
    max_leaves=6,
)


def paths(value: object, here: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Every place in a JSON value."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [here] + [path for key, part in inside for path in paths(part, (*here, key))]


def put(value: Any, path: tuple[str | int, ...], new: object) -> Any:
    """The value with something else at one place."""
    if not path:
        return new
    changed = copy.copy(value)
    changed[path[0]] = put(value[path[0]], path[1:], new)
    return changed


RECORD = WHOLE | {"status": "cancelled"}
PAGES = [page(whole, accessRole="owner") for whole in (WHOLE, OCCURRENCE, TOMBSTONE, RECORD, CUT_SHORT)]
PLACES = [(body, path) for body in PAGES for path in paths(body)]


@settings(deadline=None)
@given(st.sampled_from(PLACES), JSON)
def test_anything_at_any_place_of_a_page_is_said_refused_or_to_be_read(
    place: tuple[dict[str, Any], tuple[str | int, ...]], anything: Any
) -> None:
    body = put(*place, anything)
    found = said(body)
    items = body.get("items") if isinstance(body, dict) else None
    if place[1] != ("items",) and place[1] != ():
        assert isinstance(items, list)
        assert len(found.events) + len(found.refused) + len(found.hints) == len(items)
    assert examined([body], "62515", "501", "ana@acme.example", None).events == [accepted(event_) for event_ in found.events]


@settings(deadline=None)
@given(st.lists(JSON, max_size=4))
def test_anything_for_a_body_is_said_or_refused(bodies: list[Any]) -> None:
    assert [accepted(found).kind for found in said(*bodies).events] in ([], ["meeting.deleted"])


@settings(deadline=None)
@given(st.sampled_from(DECORATION), JSON)
def test_no_decoration_keeps_a_meeting_from_being_said(field: str, anything: Any) -> None:
    read = accepted(one(page(event() | {field: anything})))
    assert isinstance(read.data, MeetingData)
    assert (read.subject, read.data.duration, read.data.time_zone) == ("kickoff01", "PT1H30M", "Europe/Paris")


# --- bodies of others -------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not RECORDED.exists(), reason="the recorded Google bodies do not lie beside this repository")
def test_recorded_bodies_are_said_or_refused_for_want_of_a_creation_time() -> None:
    """A client library's own test bodies: live events without `created`, calendars, colours, empty answers."""
    bodies = [body for case in json.loads(RECORDED.read_text("utf-8"))["cases"] for body in case["responses"]]
    found = said(*bodies)
    assert [(accepted(e).subject, e["type"]) for e in found.events] == [("some-event-id-1", "rendezvous.meeting.deleted.v1")]
    made = {"created": "2022-04-01T08:00:00Z", "updated": "2022-04-01T08:00:00Z"}
    dated = [body | {"items": [item | made for item in body["items"]]} for body in bodies if "items" in body]
    kinds = [accepted(e).kind for e in said(*dated).events]
    assert (kinds.count("meeting.created"), kinds.count("meeting.deleted")) == (sum("start" in i for b in dated for i in b["items"]), 1)


@pytest.mark.skipif(not SCENARIOS.exists(), reason="the example scenarios do not lie beside this repository")
def test_every_google_item_of_the_example_scenarios_is_said() -> None:
    steps = [step for file in sorted(SCENARIOS.glob("*.json")) for step in json.loads(file.read_text("utf-8"))["steps"]]
    bodies = [body for step in steps if step.get("bodies", {}).get("provider") == "google" for body in step["bodies"]["pages"]]
    found = said(*bodies)
    assert found.refused == []
    assert [accepted(e).subject for e in found.events] == [item["id"] for body in bodies for item in body["items"]] != []
