"""Writing to Outlook: one event for a meeting, changed as it was decided, mailing only whom it was asked to."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import httpx
import pytest

from adapters.office365 import calling
from adapters.office365.translate import translate
from adapters.office365.writer import LINK_PROPERTY, Office365Writer
from domain.errors import Deauthorised, Overtaken, Refused, TryAgain
from domain.events import Guest
from domain.outside import Request, Written
from tests.examples import ACCOUNT, ANA, BO, CY
from tests.outgoing import MEETING, OFFICE365, PEOPLE, PROPOSAL, Wire, api, request

ID = "AAMkAD/1="
EVENTS = "/v1.0/me/events"
LIST, CREATE, GET, PATCH = f"GET {EVENTS}", f"POST {EVENTS}", f"GET {EVENTS}/{ID}", f"PATCH {EVENTS}/{ID}"
NONE: Any = (200, {"value": []})
PREFER = 'IdType="ImmutableId", outlook.timezone="UTC"'


def attendee(address: str, response: str = "none") -> dict[str, Any]:
    return {"emailAddress": {"address": address, "name": "Bo"}, "type": "required", "status": {"response": response}}


def event(**changed: Any) -> dict[str, Any]:
    """The proposal review as Graph has it; a field given as None is left out."""
    plain = {
        "id": ID,
        "@odata.etag": 'W/"k7"',
        "changeKey": "k7",
        "type": "singleInstance",
        "createdDateTime": "2026-03-02T08:00:00Z",
        "lastModifiedDateTime": "2026-03-02T08:00:02Z",
        "iCalUId": "uid-1",
        "subject": "Proposal review",
        "body": {"contentType": "html", "content": "<html><body></body></html>"},
        "location": {"displayName": "Room 4"},
        "start": {"dateTime": "2026-04-07T08:00:00.0000000", "timeZone": "UTC"},
        "end": {"dateTime": "2026-04-07T09:00:00.0000000", "timeZone": "UTC"},
        "originalStartTimeZone": "Romance Standard Time",
        "isAllDay": False,
        "isOrganizer": True,
        "showAs": "busy",
        "organizer": {"emailAddress": {"address": ANA, "name": "Ana"}},
        "attendees": [attendee(BO, "accepted")],
    }
    return {name: value for name, value in (plain | changed).items() if value is not None}


def error(status: int, code: str) -> tuple[int, dict[str, Any]]:
    return status, {"error": {"code": code, "message": f"about {BO}"}}


def write(wire: Wire, one: Request) -> Written:
    return Office365Writer(api(calling.api, wire)).write(one, PEOPLE)


def new(**fields: Any) -> Request:
    return request(OFFICE365, **fields)


def update(*changed: str, **fields: Any) -> Request:
    return new(action="update", copy=ID, revision="k7", changed=changed, **fields)


def test_a_meeting_becomes_an_event_that_graph_will_know_again() -> None:
    wire = Wire({LIST: NONE, CREATE: (201, event())})
    assert write(wire, new()) == Written(ID, "k7", "uid-1", "2026-03-02T08:00:02Z", "2026-03-02T08:00:00Z", called=True)
    [asked] = wire.made("POST")
    assert asked.headers["Prefer"] == PREFER
    assert asked.body == {
        "transactionId": f"rendezvous:{MEETING}",
        "singleValueExtendedProperties": [{"id": LINK_PROPERTY, "value": str(MEETING)}],
        "subject": "Proposal review",
        "location": {"displayName": "Room 4"},
        "showAs": "busy",
        "start": {"dateTime": "2026-04-07T10:00:00", "timeZone": "Romance Standard Time"},
        "end": {"dateTime": "2026-04-07T11:00:00", "timeZone": "Romance Standard Time"},
        "isAllDay": False,
    }


def test_guests_are_written_only_where_they_are_to_be_mailed_and_the_organiser_never() -> None:
    wire = Wire({LIST: NONE, CREATE: (201, event())})
    write(wire, new(invite=True))
    assert wire.made("POST")[0].body["attendees"] == [{"emailAddress": {"address": BO, "name": "Bo Lindqvist"}, "type": "required"}]


@pytest.mark.parametrize("carried", ["transactionId", "singleValueExtendedProperties"])
def test_what_was_written_is_read_back_as_ours(carried: str) -> None:
    wire = Wire({LIST: NONE, CREATE: (201, event())})
    write(wire, new())
    told = event() | {carried: wire.made("POST")[0].body[carried]}
    assert translate([told], account=ACCOUNT, user="501").events[0]["data"]["provenance"]["link"] == str(MEETING)


@pytest.mark.parametrize(
    ("fields", "start", "end"),
    [
        pytest.param(
            {"time_zone": "Europe/Madrid"}, ("10:00", "Europe/Madrid"), ("11:00", "Europe/Madrid"), id="a zone Windows has no name for"
        ),
        pytest.param({"time_zone": None}, ("10:00", "UTC"), ("11:00", "UTC"), id="floating"),
        pytest.param({"time_zone": "UTC"}, ("10:00", "UTC"), ("11:00", "UTC"), id="UTC"),
    ],
)
def test_zones_are_named_as_graph_does(fields: dict[str, Any], start: tuple[str, str], end: tuple[str, str]) -> None:
    wire = Wire({LIST: NONE, CREATE: (201, event())})
    write(wire, new(**fields))
    body = wire.made("POST")[0].body
    assert [body[n] for n in ("start", "end")] == [{"dateTime": f"2026-04-07T{at}:00", "timeZone": zone} for at, zone in (start, end)]


def test_the_second_of_two_equal_hours_is_said_in_utc() -> None:
    wire = Wire({LIST: NONE, CREATE: (201, event())})
    write(wire, new(start=datetime(2026, 10, 25, 2, 30)))
    body = wire.made("POST")[0].body
    assert body["start"] == {"dateTime": "2026-10-25T02:30:00", "timeZone": "Romance Standard Time"}
    assert body["end"] == {"dateTime": "2026-10-25T01:30:00", "timeZone": "UTC"}


def test_an_all_day_meeting_is_two_midnights() -> None:
    wire = Wire({LIST: NONE, CREATE: (201, event())})
    write(wire, new(start=datetime(2026, 4, 7), duration="P1D", all_day=True))
    body = wire.made("POST")[0].body
    midnights = [{"dateTime": f"2026-04-0{day}T00:00:00", "timeZone": "UTC"} for day in (7, 8)]
    assert ([body["start"], body["end"]], body["isAllDay"]) == (midnights, True)


def test_a_series_is_written_with_its_rule_or_not_at_all() -> None:
    wire = Wire({LIST: NONE, CREATE: (201, event())})
    write(wire, new(rules=("FREQ=WEEKLY;COUNT=4",)))
    assert wire.made("POST")[0].body["recurrence"] == {
        "pattern": {"type": "weekly", "interval": 1, "daysOfWeek": ["tuesday"], "firstDayOfWeek": "monday"},
        "range": {
            "type": "numbered",
            "numberOfOccurrences": 4,
            "startDate": "2026-04-07",
            "recurrenceTimeZone": "Romance Standard Time",
        },
    }
    with pytest.raises(Refused, match="Outlook"):
        write(wire, new(rules=("FREQ=HOURLY;COUNT=4",)))
    assert len(wire.made("POST")) == 1


# --- once ---------------------------------------------------------------------------------------------------------------------


def test_an_event_that_carries_our_link_is_not_made_again() -> None:
    wire = Wire({LIST: (200, {"value": [event(seriesMasterId="m"), event(id="gone", isCancelled=True), event()]})})
    assert write(wire, new(title="Another", invite=True))[::5] == (ID, False)
    [asked] = wire.asked
    linked = f"ep/id eq '{LINK_PROPERTY}' and ep/value eq '{MEETING}'"
    assert asked.query["$filter"] == f"singleValueExtendedProperties/Any(ep: {linked})"


def test_of_an_event_that_a_person_changed_since_only_the_identity_is_confirmed() -> None:
    made = "2026-03-02T08:00:00Z"
    wire = Wire({LIST: (200, {"value": [event(subject="Hers", changeKey="k9")]})})
    assert write(wire, new()) == Written(ID, None, "uid-1", made, made, called=False)
    assert write(Wire({LIST: (200, {"value": [event()]})}), new()).revision == "k7"


def test_a_creation_that_graph_knows_and_does_not_show_yet_is_tried_again() -> None:
    with pytest.raises(TryAgain):
        write(Wire({LIST: NONE, CREATE: error(409, "ErrorDuplicateTransactionId")}), new())


# --- changes ------------------------------------------------------------------------------------------------------------------


def test_a_change_is_conditional_and_says_only_what_changed() -> None:
    wire = Wire({GET: (200, event()), PATCH: (200, event(changeKey="k8"))})
    assert write(wire, update("title", "place", title="Another")).revision == "k8"
    [asked] = wire.made("PATCH")
    assert (asked.body, asked.headers["If-Match"], asked.headers["Prefer"]) == ({"subject": "Another"}, 'W/"k7"', PREFER)


@pytest.mark.parametrize(
    ("changed", "fields", "there", "body"),
    [
        pytest.param(
            ("time",),
            {"start": datetime(2026, 4, 7, 12)},
            {},
            {
                "start": {"dateTime": "2026-04-07T12:00:00", "timeZone": "Romance Standard Time"},
                "end": {"dateTime": "2026-04-07T13:00:00", "timeZone": "Romance Standard Time"},
                "isAllDay": False,
            },
            id="moved",
        ),
        pytest.param(("status",), {"tentative": True}, {}, {"showAs": "tentative"}, id="tentative"),
        pytest.param(("status",), {}, {"showAs": "tentative"}, {"showAs": "busy"}, id="confirmed"),
        pytest.param(("description",), {"description": "Plan"}, {}, {"body": {"contentType": "text", "content": "Plan"}}, id="described"),
    ],
)
def test_what_a_change_says(changed: tuple[str, ...], fields: dict[str, Any], there: dict[str, Any], body: dict[str, Any]) -> None:
    wire = Wire({GET: (200, event(**there)), PATCH: (200, event())})
    write(wire, update(*changed, **fields))
    assert wire.made("PATCH")[0].body == body


@pytest.mark.parametrize(
    ("fields", "there"),
    [
        pytest.param({}, {}, id="as it is"),
        pytest.param({}, {"showAs": "free"}, id="free is not tentative"),
        pytest.param({"description": "Plan"}, {"body": {"contentType": "html", "content": "<p>Plan</p>\r\n"}}, id="the same text as HTML"),
        pytest.param({"description": "Plan"}, {"isOnlineMeeting": True}, id="the body of an online meeting is not touched"),
        pytest.param({"guests": (Guest("t-cy"),)}, {}, id="guests, who would be mailed"),
        pytest.param(
            {"conference_url": "https://teams.example/a"},
            {"onlineMeeting": {"joinUrl": "https://teams.example/a"}},
            id="Outlook's own link",
        ),
    ],
)
def test_what_is_said_already_or_must_not_be_said_is_not_written(fields: dict[str, Any], there: dict[str, Any]) -> None:
    wire = Wire({GET: (200, event(changeKey="k99", **there))})
    changed = ("title", "description", "time", "place", "conference", "guests", "status")
    assert write(wire, update(*changed, **fields))[::5] == (ID, False)
    assert wire.made("PATCH") == []


def test_a_guest_is_added_to_the_others_as_they_are() -> None:
    wire = Wire({GET: (200, event()), PATCH: (200, event())})
    write(wire, update("guests", guests=(Guest("t-bo"), Guest("t-cy")), invite=True))
    added = {"emailAddress": {"address": CY, "name": CY}, "type": "required"}
    assert wire.made("PATCH")[0].body == {"attendees": [attendee(BO, "accepted"), added]}


@pytest.mark.parametrize(
    "answers",
    [
        pytest.param({GET: (200, event(changeKey="k8"))}, id="read in another revision"),
        pytest.param({GET: (200, event()), PATCH: error(412, "ErrorIrresolvableConflict")}, id="changed between reading and writing"),
        pytest.param({GET: (200, event()), PATCH: error(409, "ErrorIrresolvableConflict")}, id="written at the same time"),
        pytest.param({GET: (200, event(isCancelled=True))}, id="cancelled"),
        pytest.param({GET: error(404, "ErrorItemNotFound")}, id="not there"),
    ],
)
def test_what_was_changed_since_is_overtaken(answers: dict[str, Any]) -> None:
    with pytest.raises(Overtaken):
        write(Wire(answers), update("title", title="Another"))


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        pytest.param({GET: (200, event(isOrganizer=False))}, "another organiser's", id="another organiser's"),
        pytest.param({GET: (200, event()), PATCH: error(400, "ErrorOccurrenceCrossingBoundary")}, "moves no occurrence", id="crossing"),
        pytest.param({GET: (200, event()), PATCH: error(400, "ErrorInvalidRequest")}, "ErrorInvalidRequest", id="not understood"),
        pytest.param({GET: (200, event()), PATCH: error(403, "ErrorAccessDenied")}, "ErrorAccessDenied", id="this one it keeps closed"),
    ],
)
def test_what_outlook_does_not_do_is_refused_by_name(answers: dict[str, Any], reason: str) -> None:
    with pytest.raises(Refused, match=reason):
        write(Wire(answers), update("title", title="Another"))


def test_a_cancellation_never_reaches_a_calendar() -> None:
    wire = Wire({})
    with pytest.raises(Refused, match="never cancelled"):
        write(wire, update("status", cancelled=True))
    assert wire.asked == []


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        pytest.param((429, {}, {"Retry-After": "7"}), TryAgain, id="too many"),
        pytest.param(error(503, "ErrorConcurrentItemSave"), TryAgain, id="tired"),
        pytest.param(httpx.ReadTimeout("slow"), TryAgain, id="no answer"),
        pytest.param(error(403, "ErrorAccessDenied"), Deauthorised, id="no permission to write"),
        pytest.param(error(403, "ErrorSubmissionQuotaExceeded"), Refused, id="forbidden"),
        pytest.param(error(401, "InvalidAuthenticationToken"), Deauthorised, id="no token is taken"),
    ],
)
def test_errors_are_of_our_kinds_and_name_nobody(answer: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind) as caught:
        write(Wire({LIST: NONE, CREATE: answer}), new())
    assert type(caught.value) is kind
    assert "@" not in str(caught.value)


# --- a creation that is asked for again --------------------------------------------------------------------------------------

NEWER: dict[str, Any] = {"former": PROPOSAL, "title": "Second reading", "location": "Room 9", "guests": (Guest("t-bo"), Guest("t-cy"))}
ROOM_9 = {"location": {"displayName": "Room 9"}}
CY_TOO = {"attendees": [attendee(BO, "accepted"), {"emailAddress": {"address": CY, "name": CY}, "type": "required"}]}


@pytest.mark.parametrize(
    ("there", "invite", "body"),
    [
        pytest.param({}, True, {"subject": "Second reading"} | ROOM_9 | CY_TOO, id="as it was made"),
        pytest.param({"subject": "Hers"}, True, ROOM_9 | CY_TOO, id="with a title of hers"),
        pytest.param({"attendees": []}, False, {"subject": "Second reading"} | ROOM_9, id="mailing nobody"),
        pytest.param(
            {"attendees": [attendee(CY)]},
            True,
            {"subject": "Second reading"} | ROOM_9,
            id="whom she took away stays away, who is there stays",
        ),
    ],
)
@pytest.mark.parametrize("late", [False, True], ids=["found", "found by its repetition"])
def test_a_creation_brings_what_an_earlier_one_made_to_what_is_asked_for_by_now(
    there: dict[str, Any], invite: bool, body: dict[str, Any], late: bool
) -> None:
    known = event(**there)
    wire = Wire({LIST: NONE if late else (200, {"value": [known]}), CREATE: (201, known), PATCH: (200, known | body | {"changeKey": "k8"})})
    written = write(wire, new(invite=invite, **NEWER))
    [asked] = wire.made("PATCH")
    assert (asked.body, asked.headers["If-Match"]) == (body, 'W/"k7"')
    assert (written.id, written.called, written.revision) == (ID, True, "k8" if "subject" in body else None)


@pytest.mark.parametrize(
    "there",
    [
        pytest.param({"isOrganizer": False}, id="another organiser's"),
        pytest.param({"subject": "Second reading", **ROOM_9, **CY_TOO}, id="saying all of it"),
    ],
)
def test_a_creation_changes_nothing_of_what_is_not_to_change(there: dict[str, Any]) -> None:
    wire = Wire({LIST: (200, {"value": [event(**there)]})})
    assert not write(wire, new(invite=True, **NEWER)).called
    assert wire.made("PATCH") == []


@pytest.mark.parametrize("status", [404, 409, 412])
def test_a_creation_whose_event_is_changed_meanwhile_looks_again(status: int) -> None:
    wire = Wire({LIST: (200, {"value": [event()]}), PATCH: error(status, "ErrorIrresolvableConflict")})
    with pytest.raises(TryAgain, match="changed in the calendar meanwhile"):
        write(wire, new(**NEWER))
