"""Graph bodies as source events: golden rounds, one case per fact of Outlook's, laws over arbitrary JSON."""

from __future__ import annotations

import json
from copy import deepcopy
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.office365 import zones
from adapters.office365.recurrence import series
from adapters.office365.translate import translate
from adapters.wording import Hint, Translated
from domain import recurrence, source_events
from domain.errors import BadInput

GOLDEN = Path(__file__).parent / "golden" / "office365"
REFERENCE = Path(__file__).parents[3] / "shared"
JUNE = (datetime(2026, 6, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC))

Json = dict[str, Any]


def at(text: str, zone: str = "UTC") -> Json:
    return {"dateTime": f"{text}.0000000", "timeZone": zone}


def event(**changes: object) -> Json:
    """A plain meeting of Ana's, ten to eleven in Paris; `...` as a value leaves the field out."""
    plain: Json = {
        "@odata.type": "#microsoft.graph.event",
        "id": "AAMk1",
        "changeKey": "ck1",
        "createdDateTime": "2026-03-02T08:00:00.1444085Z",
        "lastModifiedDateTime": "2026-03-02T09:00:05.4884797Z",
        "subject": "Kick-off",
        "type": "singleInstance",
        "start": at("2026-03-09T09:00:00"),
        "end": at("2026-03-09T10:00:00"),
        "originalStartTimeZone": "Romance Standard Time",
        "attendees": [guest("bo@client.example")],
        "organizer": {"emailAddress": {"name": "Ana Ruiz", "address": "ana@acme.example"}},
    }
    return {name: value for name, value in (plain | changes).items() if value is not ...}


def guest(address: object, response: str = "none", kind: str = "required") -> Json:
    return {"type": kind, "status": {"response": response}, "emailAddress": {"name": "Bo", "address": address}}


def repeating(pattern: Json, extent: Json | None = None) -> Json:
    return {"pattern": {"interval": 1, **pattern}, "range": extent or {"type": "noEnd"}}


def master(**changes: object) -> Json:
    """Three days in June, 14:15 in Paris."""
    three_days = repeating({"type": "daily"}, {"type": "endDate", "endDate": "2026-06-11", "recurrenceTimeZone": "Romance Standard Time"})
    base: Json = {"type": "seriesMaster", "recurrence": three_days, "start": at("2026-06-09T12:15:00"), "end": at("2026-06-09T13:30:00")}
    return event(**({"id": "M"} | base | changes))


def bare(id: str, day: int, **changes: object) -> Json:
    start, end = at(f"2026-06-{day:02}T12:15:00"), at(f"2026-06-{day:02}T13:30:00")
    return {"id": id, "type": "occurrence", "seriesMasterId": "M", "@odata.etag": 'W/"e"', "start": start, "end": end} | changes


def page(*items: Json, link: str = "https://graph.microsoft.com/v1.0/me/calendarView/delta?$deltatoken=1") -> Json:
    return {"@odata.deltaLink": link, "value": list(items)}


def said(*bodies: object, window: tuple[datetime, datetime] | None = None) -> Translated:
    out = translate(bodies, account="62515", user="501", calendar="ana@acme.example", window=window)
    for one in out.events:
        assert isinstance(source_events.read(msgspec.json.encode(one)), source_events.SourceEvent)
    return out


def only(*bodies: object) -> Json:
    out = said(*bodies)
    assert not out.refused
    assert not out.hints
    assert len(out.events) == 1
    return out.events[0]


def data(**changes: object) -> Json:
    found: Json = only(event(**changes))["data"]
    return found


def reason(**changes: object) -> str:
    out = said(event(**changes))
    assert not out.events
    assert [r.what for r in out.refused] == ["event AAMk1"]
    return out.refused[0].reason


# --- golden rounds ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.json")), ids=lambda p: p.stem)
def test_a_round_says_what_its_golden_file_says(path: Path) -> None:
    golden = json.loads(path.read_text("utf-8"))
    given_ = golden["given"]
    window = tuple(datetime.fromisoformat(edge) for edge in given_["window"]) if given_["window"] else None
    out = said(*given_["bodies"], window=window)  # type: ignore[arg-type]  # a golden window has two edges
    assert out.events == golden["events"]
    assert [list(r) for r in out.refused] == golden["refused"]
    assert [list(h) for h in out.hints] == golden["hints"]


# --- envelope and provenance ------------------------------------------------------------------------------------------


def test_the_envelope_names_the_mailbox_the_revision_and_the_time_of_the_change() -> None:
    envelope = only(event())
    assert envelope["id"] == "office365:501:AAMk1:ck1"
    assert envelope["source"] == "/accounts/62515/calendars/office365/ana@acme.example"
    assert (envelope["type"], envelope["subject"]) == ("rendezvous.meeting.updated.v1", "AAMk1")
    assert (envelope["time"], envelope["sequence"]) == ("2026-03-02T09:00:05.488Z", "00000001772442005488")


def test_without_a_calendar_the_source_is_the_primary_one() -> None:
    out = translate([event()], account="62515", user="501")
    assert out.events[0]["source"] == "/accounts/62515/calendars/office365/primary"
    assert out.events[0]["data"]["provenance"]["calendar"] is None


@pytest.mark.parametrize(
    ("modified", "kind"),
    [("2026-03-02T08:00:05.1Z", "created"), ("2026-03-02T08:00:05.2Z", "updated")],
    ids=["within five seconds of its creation", "later"],
)
def test_a_meeting_is_created_when_it_was_changed_at_once(modified: str, kind: str) -> None:
    assert only(event(lastModifiedDateTime=modified))["type"] == f"rendezvous.meeting.{kind}.v1"


@pytest.mark.parametrize(
    ("fields", "revision"),
    [({}, "ck1"), ({"changeKey": ..., "@odata.etag": 'W/"x"'}, 'W/"x"'), ({"changeKey": ...}, None)],
    ids=["change key", "etag", "neither"],
)
def test_the_revision_is_the_change_key_or_the_etag(fields: Json, revision: str | None) -> None:
    assert data(**fields)["provenance"]["revision"] == revision


def test_without_a_revision_the_content_tells_two_events_apart() -> None:
    first, same, other = (only(event(changeKey=..., subject=s))["id"] for s in ("A", "A", "B"))
    assert first == same != other


@pytest.mark.parametrize(
    ("fields", "link"),
    [
        ({}, None),
        ({"transactionId": "rendezvous:m-1"}, "m-1"),
        ({"transactionId": "rendezvous:"}, None),
        ({"transactionId": "7E163156"}, None),
        ({"singleValueExtendedProperties": [{"id": "String {66f5} Name RendezvousMeeting", "value": "m-2"}]}, "m-2"),
        ({"singleValueExtendedProperties": [{"id": "String {66f5} Name Colour", "value": "m-2"}]}, None),
    ],
    ids=["none", "transaction", "empty transaction", "somebody else's transaction", "extended property", "another property"],
)
def test_what_we_wrote_carries_our_link(fields: Json, link: str | None) -> None:
    provenance = data(**fields)["provenance"]
    assert (provenance["link"], provenance["origin"]) == (link, "rendezvous" if link else "user")


def test_the_same_item_twice_is_said_as_it_was_last() -> None:
    assert only(page(event(subject="Old"), link="1"), page(event(subject="New"), link="2"))["data"]["title"] == "New"


# --- content ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, {"status": "confirmed", "kind": "meeting", "privacy": "public"}),
        ({"showAs": "tentative"}, {"status": "tentative"}),
        ({"isCancelled": True, "showAs": "tentative"}, {"status": "cancelled"}),
        ({"showAs": "oof"}, {"kind": "out-of-office"}),
        ({"showAs": "workingElsewhere"}, {"kind": "meeting"}),
        ({"showAs": "workingElsewhere", "attendees": []}, {"kind": "working-location"}),
        ({"showAs": "workingElsewhere", "attendees": [guest("desk@acme.example", kind="resource")]}, {"kind": "working-location"}),
        ({"sensitivity": "private"}, {"privacy": "private"}),
        ({"sensitivity": "confidential"}, {"privacy": "private"}),
        ({"sensitivity": "personal"}, {"privacy": "public"}),
        ({"subject": ""}, {"title": None}),
        ({"subject": "Kick\x00-off" + "!" * 2000}, {"title": "Kick-off" + "!" * 992}),
        ({"location": {"displayName": " "}}, {"location": None}),
        ({"location": {"displayName": "Room 4"}}, {"location": "Room 4"}),
        ({"onlineMeeting": {"joinUrl": "https://teams.example/j/1"}}, {"conferenceUrl": "https://teams.example/j/1"}),
        ({"onlineMeeting": {"joinUrl": "javascript:alert(1)"}}, {"conferenceUrl": None}),
        ({"onlineMeeting": None, "onlineMeetingUrl": "https://old.example"}, {"conferenceUrl": None}),
        ({"body": {"contentType": "html", "content": "<p>Tea &amp; talk</p>"}}, {"description": "Tea & talk"}),
        ({"body": {"contentType": "text", "content": "1 < 2"}, "bodyPreview": "no"}, {"description": "1 < 2"}),
        ({"body": {"contentType": "html", "content": ""}}, {"description": None}),
        ({"bodyPreview": "In short"}, {"description": "In short"}),
    ],
    ids=lambda v: json.dumps(v)[:60],
)
def test_content_is_said_in_our_words(fields: Json, expected: Json) -> None:
    found = data(**fields)
    assert {name: found[name] for name in expected} == expected


def test_a_cancelled_meeting_is_a_full_record_not_a_deletion() -> None:
    envelope = only(event(isCancelled=True, lastModifiedDateTime="2026-03-02T08:00:01Z"))
    assert envelope["type"] == "rendezvous.meeting.updated.v1"
    assert (envelope["data"]["status"], envelope["data"]["title"]) == ("cancelled", "Kick-off")


@pytest.mark.parametrize(
    ("fields", "hidden"),
    [({"subject": ..., "attendees": ...}, True), ({"subject": ...}, False), ({"subject": "", "attendees": ...}, False)],
    ids=["free/busy access", "only no subject", "an empty subject"],
)
def test_details_are_hidden_only_where_all_content_is_absent(fields: Json, hidden: bool) -> None:
    assert data(**fields)["provenance"]["detailsHidden"] is hidden


def test_the_organiser_comes_first_and_rooms_and_nameless_guests_are_left_out() -> None:
    attendees = [
        guest("bo@client.example", "tentativelyAccepted"),
        guest("ANA@acme.example", "none"),
        guest("room4@acme.example", kind="resource"),
        guest("/O=EXCHANGE/CN=CEM"),
        guest(None),
        guest("Bo@client.example", "declined"),
        guest(" dee@client.example ", "notResponded", "optional"),
    ]
    assert data(attendees=attendees)["participants"] == {
        "1": {
            "email": "ana@acme.example",
            "name": "Ana Ruiz",
            "roles": {"owner": True, "attendee": True},
            "participationStatus": "accepted",
        },
        "2": {"email": "bo@client.example", "name": "Bo", "roles": {"attendee": True}, "participationStatus": "tentative"},
        "3": {
            "email": "dee@client.example",
            "name": "Bo",
            "roles": {"attendee": True, "optional": True},
            "participationStatus": "needs-action",
        },
    }


def test_an_organiser_who_declined_his_own_meeting_declined_it() -> None:
    assert data(attendees=[guest("ana@acme.example", "declined")])["participants"]["1"]["participationStatus"] == "declined"


@pytest.mark.parametrize(
    ("own", "response", "expected"),
    [
        ("none", "accepted", "accepted"),
        ("none", "tentativelyAccepted", "tentative"),
        ("accepted", "declined", "declined"),
        ("accepted", "notResponded", "accepted"),
        ("declined", "none", "declined"),
        ("declined", "organizer", "declined"),
        ("declined", ["accepted"], "declined"),
    ],
)
def test_the_mailboxs_own_answer_is_its_copys_response(own: str, response: object, expected: str) -> None:
    attendees = [guest("Ana@acme.example", own), guest("bo@client.example")]
    organizer = {"emailAddress": {"address": "eve@out.example"}}
    found = data(attendees=attendees, organizer=organizer, responseStatus={"response": response})["participants"]
    assert [(p["email"], p["participationStatus"]) for p in found.values()] == [
        ("eve@out.example", "accepted"),
        ("Ana@acme.example", expected),
        ("bo@client.example", "needs-action"),
    ]


@pytest.mark.parametrize(
    ("calendar", "address", "expected"),
    [
        ("ana@acme.example", None, "declined"),
        ("AAMkAGI2TG93AAA=", "Ana@acme.example ", "declined"),
        ("AAMkAGI2TG93AAA=", None, "needs-action"),
        (None, None, "needs-action"),
    ],
    ids=["the calendar is named by it", "the calendar has an id", "unknown", "nothing is known"],
)
def test_the_mailboxs_owner_is_known_by_his_address(calendar: str | None, address: str | None, expected: str) -> None:
    item = event(attendees=[guest("ana@acme.example")], organizer=..., responseStatus={"response": "declined"})
    (found,) = translate([item], account="62515", user="501", calendar=calendar, address=address).events
    assert [p["participationStatus"] for p in found["data"]["participants"].values()] == [expected]


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"isOrganizer": True}, "tentative"),
        ({}, "tentative"),
        ({"isOrganizer": False}, "confirmed"),
        ({"isOrganizer": False, "isCancelled": True}, "cancelled"),
    ],
    ids=["the organiser's", "nobody knows whose", "a guest's", "a guest's, cancelled"],
)
def test_a_meeting_is_tentative_where_its_organisers_copy_shows_it(fields: Json, status: str) -> None:
    assert data(showAs="tentative", **fields)["status"] == status


# --- times ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "end", "made_in", "expected"),
    [
        (at("2026-03-09T09:00:00"), at("2026-03-09T10:30:00"), "Romance Standard Time", ("2026-03-09T10:00:00", "Europe/Paris", "PT1H30M")),
        (at("2026-07-09T09:00:00"), at("2026-07-09T10:00:00"), "Romance Standard Time", ("2026-07-09T11:00:00", "Europe/Paris", "PT1H")),
        (at("2026-03-09T09:00:00"), at("2026-03-09T10:00:00"), "Europe/Paris", ("2026-03-09T10:00:00", "Europe/Paris", "PT1H")),
        (
            at("2026-03-09T09:00:00", "Pacific Standard Time"),
            at("2026-03-09T09:00:00", "Pacific Standard Time"),
            None,
            ("2026-03-09T09:00:00", "America/Los_Angeles", "PT0S"),
        ),
        (at("2026-03-09T09:00:00"), at("2026-03-09T10:00:00"), "tzone://Microsoft/Utc", ("2026-03-09T09:00:00", "UTC", "PT1H")),
        (at("2026-03-09T09:00:00"), at("2026-03-09T10:00:00"), "tzone://Microsoft/Custom", ("2026-03-09T09:00:00", "UTC", "PT1H")),
        (at("2026-03-09T09:00:00"), at("2026-03-09T10:00:00"), "Mars Standard Time", ("2026-03-09T09:00:00", "UTC", "PT1H")),
        (at("2026-03-09T09:00:00"), at("2026-03-09T10:00:00"), "UTC+03:00", ("2026-03-09T12:00:00", "Etc/GMT-3", "PT1H")),
        (at("2026-03-09T09:00:00", "UTC+05:30"), at("2026-03-09T10:00:00", "UTC+05:30"), None, ("2026-03-09T03:30:00", "UTC", "PT1H")),
        (at("2026-03-28T23:00:00"), at("2026-03-29T23:00:00"), "Romance Standard Time", ("2026-03-29T00:00:00", "Europe/Paris", "PT24H")),
        (at("2026-10-25T00:30:00"), at("2026-10-25T02:00:00"), "Romance Standard Time", ("2026-10-25T02:30:00", "Europe/Paris", "PT1H30M")),
        (at("2026-10-25T01:30:00"), at("2026-10-25T02:00:00"), "Romance Standard Time", ("2026-10-25T01:30:00", "UTC", "PT30M")),
        ({"dateTime": "2026-03-09T09:00:00"}, {"dateTime": "2026-03-09T09:00:45Z"}, None, ("2026-03-09T09:00:00", "UTC", "PT45S")),
    ],
    ids=[
        "winter",
        "summer",
        "IANA name",
        "another zone, no length",
        "Exchange's name for UTC",
        "custom zone",
        "unknown zone",
        "whole fixed offset",
        "half fixed offset",
        "a day of 23 hours lasts 24 exact ones",
        "first hour of a fold",
        "second hour of a fold",
        "no zone, seconds",
    ],
)
def test_a_time_is_said_in_the_zone_it_was_made_in(start: Json, end: Json, made_in: str | None, expected: tuple[str, str, str]) -> None:
    found = data(start=start, end=end, originalStartTimeZone=made_in)
    assert (found["start"], found["timeZone"], found["duration"]) == expected


@pytest.mark.parametrize(
    ("start", "end", "made_in", "expected"),
    [
        (at("2026-06-09T00:00:00"), at("2026-06-10T00:00:00"), "Romance Standard Time", ("2026-06-09T00:00:00", "P1D")),
        (at("2026-06-08T22:00:00"), at("2026-06-10T22:00:00"), "Romance Standard Time", ("2026-06-09T00:00:00", "P2D")),
        (at("2026-03-28T23:00:00"), at("2026-03-29T22:00:00"), "Romance Standard Time", ("2026-03-29T00:00:00", "P1D")),
        (
            at("2026-06-09T00:00:00", "Pacific Standard Time"),
            at("2026-06-10T00:00:00", "Pacific Standard Time"),
            "Romance Standard Time",
            ("2026-06-09T00:00:00", "P1D"),
        ),
        (at("2026-06-09T00:00:00"), at("2026-06-10T00:00:00"), "tzone://Microsoft/Custom", ("2026-06-09T00:00:00", "P1D")),
    ],
    ids=["as dates", "shifted to UTC", "shifted, over a change of the clocks", "in its own zone", "custom zone"],
)
def test_an_all_day_meeting_is_its_dates(start: Json, end: Json, made_in: str, expected: tuple[str, str]) -> None:
    found = data(start=start, end=end, originalStartTimeZone=made_in, isAllDay=True)
    assert (found["start"], found["duration"]) == expected
    assert found["showWithoutTime"] is True
    assert found["timeZone"] is None


# --- what is refused, by name -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"isDraft": True}, "/isDraft: a draft is no meeting yet"),
        ({"createdDateTime": ...}, "/createdDateTime: required: no time is invented"),
        ({"lastModifiedDateTime": "0001-01-01T00:00:00Z"}, "/lastModifiedDateTime: required: no time is invented"),
        ({"end": at("2026-03-09T08:59:00")}, "/end: before start"),
        ({"end": ...}, "/end: no date-time: 'None'"),
        ({"start": {"dateTime": "soon", "timeZone": "UTC"}}, "/start: no date-time: 'soon'"),
        ({"start": at("2026-03-09T09:00:00"), "isAllDay": True}, "/start: an all-day boundary that is midnight in no zone of the event"),
        ({"type": "rumour"}, "/type: no known type of event: 'rumour'"),
        ({"type": "seriesMaster"}, "/recurrence: required for a series"),
        ({"type": "exception"}, "/seriesMasterId: required for one occurrence of a series"),
        ({"type": "exception", "seriesMasterId": "M", "originalStart": "then"}, "/originalStart: no time: 'then'"),
        (
            {"type": "seriesMaster", "recurrence": repeating({"type": "daily"}), "originalStartTimeZone": "tzone://Microsoft/Custom"},
            "/originalStartTimeZone: no known time zone: 'tzone://Microsoft/Custom'; the series can be carried once it is given one of the "
            "calendar's list",
        ),
        (
            {
                "type": "seriesMaster",
                "recurrence": repeating({"type": "daily"}, {"type": "noEnd", "recurrenceTimeZone": "Tokyo Standard Time"}),
                "start": at("2026-03-09T20:00:00"),
                "end": at("2026-03-09T21:00:00"),
            },
            "/recurrence/range/recurrenceTimeZone: its dates are not those of Europe/Paris",
        ),
        (
            {"attendees": [guest(f"g{n}@client.example") for n in range(1000)]},
            "input: /data/participants: 1001; at most 1000 are accepted",
        ),
    ],
    ids=lambda v: v[:40] if isinstance(v, str) else "",
)
def test_what_cannot_be_said_is_refused_by_name(fields: Json, expected: str) -> None:
    assert reason(**fields) == expected


@pytest.mark.parametrize(
    ("body", "what", "why"),
    [
        ({"error": {"code": "SyncStateNotFound", "message": "Go on."}}, "error", "SyncStateNotFound: Go on."),
        ({"id": "AAMkC", "name": "Calendar", "canEdit": True}, "item AAMkC", "no event: it has no start"),
        ({"id": "s1", "resource": "/me/events", "clientState": "x"}, "item s1", "no event: it has no start"),
        ({"@odata.type": "#microsoft.graph.contact", "id": "c", "@removed": {}}, "item c", "not an event but '#microsoft.graph.contact'"),
        ({"start": at("2026-03-09T09:00:00")}, "item without id", "no usable id"),
        ({"id": "a\x00b", "@removed": {"reason": "deleted"}}, "item ab", "no usable id"),
        ("text", "body", "no JSON object"),
        ({"value": [None]}, "body", "no JSON object"),
    ],
    ids=["error", "calendar", "subscription", "removed contact", "no id", "unclean id", "text", "null in a page"],
)
def test_a_body_that_is_no_event_is_refused(body: object, what: str, why: str) -> None:
    assert said(body) == Translated([], [(what, why)], [])  # type: ignore[list-item]  # a Refused is such a tuple


# --- series -----------------------------------------------------------------------------------------------------------


def test_bare_occurrences_have_their_masters_content_and_their_own_place_wherever_they_stand() -> None:
    out = said(page(bare("O1", 9), master(iCalUId="uid-M"), bare("O2", 10, iCalUId="uid-2")))
    assert [e["subject"] for e in out.events] == ["M", "O1", "O2"]
    series_, first, second = (e["data"] for e in out.events)
    assert series_["recurrenceRules"] == ["FREQ=DAILY;UNTIL=20260611T215959Z"]
    assert (second["title"], second["start"], second["recurrenceRules"]) == ("Kick-off", "2026-06-10T14:15:00", [])
    assert second["provenance"] == series_["provenance"] | {
        "id": "O2",
        "icalUid": "uid-2",
        "seriesId": "M",
        "originalStart": "2026-06-10T12:15:00Z",
    }
    assert first["provenance"]["icalUid"] is None


def test_an_occurrence_is_said_anew_when_its_master_changes() -> None:
    before, after = (said(page(master(subject=s), bare("O1", 9))).events[1]["id"] for s in ("A", "B"))
    assert before != after


def test_a_bare_occurrence_without_its_master_is_a_hint_at_both() -> None:
    out = said(page(bare("O1", 9), bare("O2", 10)))
    assert out.events == []
    assert out.hints == [Hint("event", "M"), Hint("event", "O1"), Hint("event", "O2")]


def test_the_occurrences_of_a_refused_series_are_refused_with_it() -> None:
    out = said(page(master(originalStartTimeZone="tzone://Microsoft/Custom"), bare("O1", 9)), window=JUNE)
    assert out.events == []
    assert [r.what for r in out.refused] == ["event M", "event O1"]


def test_an_exception_keeps_the_start_its_series_gave_it() -> None:
    moved = event(id="X", type="exception", seriesMasterId="M", originalStart="2026-06-10T12:15:00Z")
    assert only(moved)["data"]["provenance"]["originalStart"] == "2026-06-10T12:15:00Z"
    assert only(moved | {"originalStart": None})["data"]["provenance"]["originalStart"] == "2026-03-09T09:00:00Z"


@pytest.mark.parametrize("original", ["2026-06-10T00:00:00Z", "2026-06-09T22:00:00Z"], ids=["as a date", "shifted to UTC"])
@pytest.mark.parametrize("all_day", [True, False], ids=["all-day exception", "timed exception"])
def test_the_original_start_of_an_all_day_series_is_its_dates_midnight(original: str, all_day: bool) -> None:
    week = repeating({"type": "daily"}, {"type": "numbered", "numberOfOccurrences": 5})
    dates: Json = {"isAllDay": True, "start": at("2026-06-09T00:00:00"), "end": at("2026-06-10T00:00:00")}
    exception = event(**{**dates, "id": "X", "type": "exception", "seriesMasterId": "M", "originalStart": original, "isAllDay": all_day})
    out = said(page(master(recurrence=week, **dates), exception))
    assert out.events[0]["data"]["recurrenceRules"] == ["FREQ=DAILY;COUNT=5"]
    assert out.events[1]["data"]["provenance"]["originalStart"] == "2026-06-10T00:00:00Z"


def test_an_all_day_exception_of_a_timed_series_keeps_the_time_of_the_series() -> None:
    dates: Json = {"isAllDay": True, "start": at("2026-06-10T00:00:00"), "end": at("2026-06-11T00:00:00")}
    exception = event(**dates, id="X", type="exception", seriesMasterId="M", originalStart="2026-06-10T12:15:00Z")
    for bodies in ([exception], [master(), exception]):
        assert said(page(*bodies)).events[-1]["data"]["provenance"]["originalStart"] == "2026-06-10T12:15:00Z"


def test_a_master_whose_start_its_pattern_does_not_make_excludes_it() -> None:
    mondays = repeating({"type": "weekly", "daysOfWeek": ["monday"]}, {"type": "numbered", "numberOfOccurrences": 2})
    found = only(master(recurrence=mondays))["data"]  # 9 June 2026 is a Tuesday
    assert found["recurrenceRules"] == ["FREQ=WEEKLY;BYDAY=MO;WKST=SU;COUNT=3"]
    assert found["excludedStarts"] == ["2026-06-09T14:15:00"]
    assert starts_of(found) == ["2026-06-15", "2026-06-22"]


def starts_of(found: Json, until: datetime = datetime(2030, 1, 1, tzinfo=UTC)) -> list[str]:
    """The days on which our engine has a translated series."""
    rules, out = tuple(found["recurrenceRules"]), tuple(datetime.fromisoformat(s) for s in found["excludedStarts"])
    start = datetime.fromisoformat(found["start"])
    shape = recurrence.spec(start, found["timeZone"], found["duration"], found["showWithoutTime"], rules, out)
    return [str(slot.local.date()) for slot in recurrence.starts(shape, start.replace(tzinfo=UTC).replace(month=1), until)]


# --- removals ---------------------------------------------------------------------------------------------------------

GONE: Json = {"@odata.type": "#microsoft.graph.event", "id": "AAMk1", "@removed": {"reason": "deleted"}}


def test_a_removed_id_is_a_deletion_with_the_window_of_its_round() -> None:
    out = said(page(GONE), window=JUNE)
    assert out.events[0]["type"] == "rendezvous.meeting.deleted.v1"
    assert "time" not in out.events[0]
    assert out.events[0]["data"] == {
        "provenance": {"provider": "office365", "user": "501", "calendar": "ana@acme.example", "id": "AAMk1"},
        "from": "2026-06-01T00:00:00.000Z",
        "to": "2026-07-01T00:00:00.000Z",
    }
    assert said(page(GONE)).events[0]["data"].keys() == {"provenance"}


def test_a_removal_is_the_same_in_the_same_round_and_another_in_a_later_one() -> None:
    rounds = [page(GONE), deepcopy(page(GONE)), page(GONE, link="2"), page(GONE, event(id="other"))]
    first, again, later, with_more = (said(r).events[0]["id"] for r in rounds)
    assert first == again
    assert len({first, later, with_more}) == 3


def absences(*items: Json, window: tuple[datetime, datetime] | None = JUNE, link: str | None = "1") -> list[str]:
    body = page(*items) if link else {"value": list(items)}
    gone = [e for e in said(body, window=window).events if e["type"] == "rendezvous.meeting.deleted.v1"]
    return [e["data"]["provenance"]["originalStart"] for e in gone]


MOVED: Json = event(id="X", type="exception", seriesMasterId="M", originalStart="2026-06-10T12:15:00Z", start=at("2026-06-20T12:00:00"))
MOVED["end"] = at("2026-06-20T13:00:00")


@pytest.mark.parametrize(
    ("items", "gone"),
    [
        ((master(), bare("O1", 9), bare("O3", 11)), ["2026-06-10T12:15:00Z"]),
        ((master(), bare("O1", 9), bare("O2", 10), bare("O3", 11)), []),
        ((master(), bare("O1", 9), MOVED, bare("O3", 11)), []),
        ((master(), bare("O1", 9), MOVED | {"isDraft": True}, bare("O3", 11)), []),
        ((master(), bare("O1", 9), bare("O3", 11), bare("O?", 10, originalStart="then")), []),
        ((master(),), []),
        ((master(isCancelled=True), bare("O1", 9)), []),
        ((bare("O1", 9),), []),
    ],
    ids=[
        "one is not held",
        "all are held",
        "moved, and held by its original start",
        "held, though refused",
        "one that cannot be placed",
        "the round did not lay it out",
        "the whole series is cancelled",
        "no master",
    ],
)
def test_an_occurrence_that_a_complete_round_does_not_hold_is_cancelled(items: tuple[Json, ...], gone: list[str]) -> None:
    assert absences(*items) == gone


def test_absence_says_nothing_without_a_window_or_before_the_last_page_or_outside_the_window() -> None:
    items = (master(), bare("O1", 9))
    assert absences(*items) == ["2026-06-10T12:15:00Z", "2026-06-11T12:15:00Z"]
    assert absences(*items, window=None) == []
    assert absences(*items, link=None) == []
    until_the_eleventh = (JUNE[0], datetime(2026, 6, 11, 12, 15, tzinfo=UTC))
    assert absences(*items, window=until_the_eleventh) == ["2026-06-10T12:15:00Z"]


def test_a_cancelled_occurrence_names_its_series_and_dates_from_the_masters_change() -> None:
    gone = said(page(master(), bare("O1", 9), bare("O2", 10)), window=JUNE).events[-1]
    assert gone["data"] == {
        "provenance": {
            "provider": "office365",
            "user": "501",
            "calendar": "ana@acme.example",
            "id": "M:2026-06-11T12:15:00Z",
            "seriesId": "M",
            "originalStart": "2026-06-11T12:15:00Z",
            "updated": "2026-03-02T09:00:05.488Z",
        }
    }
    assert gone["time"] == "2026-03-02T09:00:05.488Z"


def test_a_date_at_the_edge_of_the_window_is_cancelled_only_where_every_zone_agrees() -> None:
    week = repeating({"type": "daily"}, {"type": "numbered", "numberOfOccurrences": 3})
    dates: Json = {"isAllDay": True, "start": at("2026-06-09T00:00:00"), "end": at("2026-06-10T00:00:00")}
    items = (master(recurrence=week, **dates), bare("O1", 9, **{k: dates[k] for k in ("start", "end")}))
    assert absences(*items, window=(JUNE[0], datetime(2026, 6, 11, 6, tzinfo=UTC))) == ["2026-06-10T00:00:00Z"]
    assert absences(*items, window=(JUNE[0], datetime(2026, 6, 12, tzinfo=UTC))) == ["2026-06-10T00:00:00Z", "2026-06-11T00:00:00Z"]


# --- recurrence -------------------------------------------------------------------------------------------------------

NO_END = {"type": "noEnd"}
PARIS = ZoneInfo("Europe/Paris")


@pytest.mark.parametrize(
    ("pattern", "first", "rule"),
    [
        ({"type": "daily"}, "2026-03-02", "FREQ=DAILY"),
        ({"type": "daily", "interval": 3}, "2026-03-02", "FREQ=DAILY;INTERVAL=3"),
        ({"type": "weekly", "daysOfWeek": ["friday", "monday"]}, "2026-03-02", "FREQ=WEEKLY;BYDAY=MO,FR;WKST=SU"),
        (
            {"type": "weekly", "interval": 2, "daysOfWeek": ["Sunday"], "firstDayOfWeek": "monday"},
            "2026-03-01",
            "FREQ=WEEKLY;INTERVAL=2;BYDAY=SU;WKST=MO",
        ),
        ({"type": "absoluteMonthly", "dayOfMonth": 15}, "2026-03-15", "FREQ=MONTHLY;BYMONTHDAY=15"),
        ({"type": "absoluteMonthly", "dayOfMonth": 31}, "2026-03-31", "FREQ=MONTHLY;BYMONTHDAY=-1"),
        ({"type": "absoluteMonthly", "dayOfMonth": 30}, "2026-03-30", "FREQ=MONTHLY;BYMONTHDAY=28,29,30;BYSETPOS=-1"),
        ({"type": "relativeMonthly", "daysOfWeek": ["tuesday"], "index": "second"}, "2026-03-10", "FREQ=MONTHLY;BYDAY=TU;BYSETPOS=2"),
        ({"type": "relativeMonthly", "daysOfWeek": ["tuesday"]}, "2026-03-03", "FREQ=MONTHLY;BYDAY=TU;BYSETPOS=1"),
        (
            {"type": "relativeMonthly", "daysOfWeek": ["monday", "tuesday", "wednesday", "thursday", "friday"], "index": "last"},
            "2026-03-31",
            "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
        ),
        ({"type": "absoluteYearly", "dayOfMonth": 31, "month": 1}, "2026-01-31", "FREQ=YEARLY;BYMONTH=1;BYMONTHDAY=31"),
        ({"type": "absoluteYearly", "dayOfMonth": 29, "month": 2}, "2026-02-28", "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=-1"),
        (
            {"type": "relativeYearly", "daysOfWeek": ["thursday"], "index": "fourth", "month": 11},
            "2026-11-26",
            "FREQ=YEARLY;BYMONTH=11;BYDAY=TH;BYSETPOS=4",
        ),
    ],
    ids=lambda v: v if isinstance(v, str) and v.startswith("FREQ") else "",
)
def test_a_pattern_is_one_rule(pattern: Json, first: str, rule: str) -> None:
    made = series(repeating(pattern), first=date.fromisoformat(first), zone=UTC)
    assert made == (rule, True)
    assert recurrence.why_not(rule) is None


@pytest.mark.parametrize(
    ("pattern", "first"),
    [
        ({"type": "weekly", "daysOfWeek": ["monday"]}, "2026-03-03"),
        ({"type": "absoluteMonthly", "dayOfMonth": 30}, "2026-03-31"),
        ({"type": "absoluteYearly", "dayOfMonth": 31, "month": 1}, "2026-03-31"),
        ({"type": "relativeMonthly", "daysOfWeek": ["tuesday"], "index": "last"}, "2026-03-24"),
    ],
    ids=lambda v: v["type"] if isinstance(v, dict) else v,
)
def test_a_start_that_is_no_day_of_the_pattern_is_seen(pattern: Json, first: str) -> None:
    assert series(repeating(pattern), first=date.fromisoformat(first), zone=UTC).makes_start is False


@pytest.mark.parametrize(
    ("extent", "zone", "end"),
    [
        (NO_END, UTC, ""),
        ({"type": "numbered", "numberOfOccurrences": 4}, UTC, ";COUNT=4"),
        ({"type": "endDate", "endDate": "2026-03-28"}, PARIS, ";UNTIL=20260328T225959Z"),
        ({"type": "endDate", "endDate": "2026-03-29"}, PARIS, ";UNTIL=20260329T215959Z"),
        ({"type": "endDate", "endDate": "2026-10-25"}, PARIS, ";UNTIL=20261025T225959Z"),
        ({"type": "endDate", "endDate": "2025-10-25"}, ZoneInfo("Asia/Beirut"), ";UNTIL=20251025T215959Z"),
        ({"type": "endDate", "endDate": "2026-06-11"}, ZoneInfo("America/Los_Angeles"), ";UNTIL=20260612T065959Z"),
        ({"type": "endDate", "endDate": "2026-06-11"}, None, ";UNTIL=20260611"),
    ],
    ids=[
        "no end",
        "numbered",
        "day before summer time",
        "day of summer time",
        "day of winter time",
        "a day of two ends",
        "west",
        "all-day",
    ],
)
def test_a_range_ends_with_its_last_local_day(extent: Json, zone: ZoneInfo | None, end: str) -> None:
    assert series(repeating({"type": "daily"}, extent), first=date(2026, 3, 2), zone=zone).rule == f"FREQ=DAILY{end}"


def test_a_series_over_a_change_of_the_clocks_keeps_its_wall_clock_time_and_its_last_day() -> None:
    extent = {"type": "endDate", "endDate": "2026-03-30", "recurrenceTimeZone": "Romance Standard Time"}
    daily = repeating({"type": "daily"}, extent)
    late = master(recurrence=daily, start=at("2026-03-27T22:30:00"), end=at("2026-03-27T22:45:00"))
    found = only(late)["data"]
    assert (found["start"], found["timeZone"]) == ("2026-03-27T23:30:00", "Europe/Paris")
    assert starts_of(found) == ["2026-03-27", "2026-03-28", "2026-03-29", "2026-03-30"]


def test_the_last_day_of_shorter_months_stands_in_for_the_thirtieth() -> None:
    monthly = repeating({"type": "absoluteMonthly", "dayOfMonth": 30}, {"type": "numbered", "numberOfOccurrences": 4})
    found = only(master(recurrence=monthly, start=at("2026-12-30T09:00:00"), end=at("2026-12-30T10:00:00")))["data"]
    assert starts_of(found) == ["2026-12-30", "2027-01-30", "2027-02-28", "2027-03-30"]


@pytest.mark.parametrize(
    ("whole", "pointer"),
    [
        (repeating({"type": "hourly"}), "/recurrence/pattern/type"),
        (repeating({"type": ["daily"]}), "/recurrence/pattern/type"),
        (repeating({"type": "daily", "interval": 0}), "/recurrence/pattern/interval"),
        (repeating({"type": "daily", "interval": True}), "/recurrence/pattern/interval"),
        (repeating({"type": "weekly"}), "/recurrence/pattern/daysOfWeek"),
        (repeating({"type": "weekly", "daysOfWeek": ["someday"]}), "/recurrence/pattern/daysOfWeek"),
        (repeating({"type": "weekly", "daysOfWeek": ["monday"], "firstDayOfWeek": 1}), "/recurrence/pattern/firstDayOfWeek"),
        (repeating({"type": "absoluteMonthly", "dayOfMonth": 0}), "/recurrence/pattern/dayOfMonth"),
        (repeating({"type": "absoluteYearly", "dayOfMonth": 31, "month": 4}), "/recurrence/pattern/dayOfMonth"),
        (repeating({"type": "absoluteYearly", "dayOfMonth": 1, "month": 13}), "/recurrence/pattern/month"),
        (repeating({"type": "relativeMonthly", "daysOfWeek": ["monday"], "index": "fifth"}), "/recurrence/pattern/index"),
        (repeating({"type": "daily"}, {"type": "forAWhile"}), "/recurrence/range/type"),
        (repeating({"type": "daily"}, {"type": "numbered", "numberOfOccurrences": 0}), "/recurrence/range/numberOfOccurrences"),
        (repeating({"type": "daily"}, {"type": "endDate", "endDate": "9999-12-31"}), "/recurrence/range/endDate"),
        (repeating({"type": "daily"}, {"type": "endDate"}), "/recurrence/range/endDate"),
        ({"pattern": {"type": "daily", "interval": 1}}, "/recurrence/range"),
        (None, "/recurrence"),
    ],
    ids=lambda v: v if isinstance(v, str) else "",
)
def test_a_recurrence_that_is_not_understood_is_refused_by_name(whole: object, pointer: str) -> None:
    with pytest.raises(BadInput) as refused:
        series(whole, first=date(2026, 3, 2), zone=ZoneInfo("America/New_York"))
    assert refused.value.pointer == pointer


# --- zones ------------------------------------------------------------------------------------------------------------


def test_every_windows_zone_is_an_iana_zone_we_have() -> None:
    assert [name for name in zones.WINDOWS if zones.find(name) is None] == []


@pytest.mark.parametrize(
    ("name", "iana"),
    [
        ("romance standard time", "Europe/Paris"),
        ("UTC", "UTC"),
        ("Etc/UTC", "UTC"),
        ("tzone://Microsoft/Utc", "UTC"),
        ("tzone://Microsoft/Custom", None),
        ("UTC+12", "Etc/GMT-12"),
        ("UTC-02", "Etc/GMT+2"),
        ("GMT+3", "Etc/GMT-3"),
        ("UTC+00:00", "UTC"),
        ("UTC+05:30", "UTC"),
        ("UTC-13:00", "UTC"),
        ("UTC+24:00", None),
        ("America/New_York", "America/New_York"),
        ("../../etc/passwd", None),
    ],
)
def test_a_zone_is_known_by_any_of_its_names(name: str, iana: str | None) -> None:
    found = zones.find(name)
    assert (found.name if found else None) == iana


# --- against the published references ---------------------------------------------------------------------------------


def reference(path: str) -> Any:
    file = REFERENCE / path
    if not file.exists():
        pytest.skip(f"the reference file {path} is not beside this repository")
    return json.loads(file.read_text("utf-8"))


def test_our_zone_table_agrees_with_the_published_one() -> None:
    assert reference("fixtures/tz/windows_iana.json")["windows_to_iana"] == zones.WINDOWS


def test_the_examples_of_graphs_documentation_are_said_or_refused_none_lost() -> None:
    bodies = [e["json"] for e in reference("fixtures/msgraph/graph_docs_examples.json")["examples"] if e["json"] is not None]
    for body in bodies:
        items = body["value"] if isinstance(body, dict) and isinstance(body.get("value"), list) else [body]
        out = said(body, window=JUNE)
        assert len(out.events) + len(out.refused) + len(out.hints) >= len({json.dumps(i) for i in items})
    titles = {e["data"].get("title") for body in bodies for e in said(body).events}
    assert "Let's go for lunch" in titles


@pytest.mark.parametrize("name", ["bodies-microsoft-series", "bodies-microsoft-occurrence-removed"])
def test_the_pages_of_the_published_scenarios_are_said_whole(name: str) -> None:
    rounds = [s["bodies"]["pages"] for s in reference(f"conformance/scenarios/{name}.json")["steps"] if "bodies" in s]
    first = said(*rounds[0], window=JUNE)
    assert not first.refused
    assert not first.hints
    assert [e["data"]["title"] for e in first.events] == ["Retreat"] * 4
    assert [e["data"]["start"] for e in first.events[1:]] == [f"2026-06-{day:02}T14:15:00" for day in (9, 10, 11)]
    for later in rounds[1:]:
        assert [e["subject"] for e in said(*later).events] == ["AAMkAGUxANA-series=-2"]


# --- laws -------------------------------------------------------------------------------------------------------------

words = st.sampled_from(
    "|UTC|tzone://Microsoft/Custom|2026-06-10T12:15:00Z|0001-01-01T00:00:00.0000000|9999-12-31T23:59:59|M|seriesMaster|"
    "daily|html|oof|\ud800|exception|UTC-12:30|2026-06-10|relativeMonthly".split("|")
)
values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | words | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(words | st.text(max_size=10), inner, max_size=3),
    max_leaves=6,
)
items = [event(), master(), bare("O1", 9), MOVED, GONE, event(isAllDay=True), event(body={"contentType": "html", "content": "<p>"})]


def paths(value: object, here: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """Every place in a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [here, *(p for key, item in inner for p in paths(item, (*here, key)))]


@st.composite
def disturbed(draw: st.DrawFn) -> Any:
    """A round with something else in one or a few of its places."""
    body: Any = [deepcopy(page(*items))]
    for _ in range(draw(st.integers(1, 3))):
        path = draw(st.sampled_from(paths(body)[1:]))
        owner = body
        for step in path[:-1]:
            owner = owner[step]
        owner[path[-1]] = draw(values)
    return body


@settings(deadline=None)
@given(disturbed())
def test_whatever_stands_in_a_field_nothing_raises_and_all_that_is_said_is_accepted(bodies: list[object]) -> None:
    said(*bodies, window=JUNE)


@settings(deadline=None)
@given(st.lists(values, max_size=3))
def test_whatever_a_body_is_nothing_raises(bodies: list[object]) -> None:
    said(*bodies, window=JUNE)


@settings(deadline=None)
@given(st.permutations([master(), bare("O1", 9), bare("O3", 11), MOVED]))
def test_the_order_within_a_round_changes_only_the_order_of_what_is_said(shuffled: list[Json]) -> None:
    def told(body: Json) -> list[Json]:
        return sorted((e["data"] for e in said(body, window=JUNE).events), key=lambda d: str(d["provenance"]["id"]))

    assert told(page(*shuffled)) == told(page(master(), bare("O1", 9), bare("O3", 11), MOVED))
