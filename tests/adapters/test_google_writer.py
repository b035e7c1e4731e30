"""Writing to Google: one event for a meeting, changed as it was decided, mailing only where it was asked for."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from adapters.google import calling
from adapters.google.translate import translate
from adapters.google.writer import GoogleWriter
from domain.errors import Deauthorised, Overtaken, Refused, TryAgain
from domain.events import Guest
from domain.outside import Request, Written
from tests.examples import ACCOUNT, ANA, BO, CY
from tests.outgoing import MEETING, PEOPLE, PROPOSAL, Tokens, Wire, api, request

EVENTS = "/calendar/v3/calendars/primary/events"
LIST, INSERT, GET, PATCH = f"GET {EVENTS}", f"POST {EVENTS}", f"GET {EVENTS}/e1", f"PATCH {EVENTS}/e1"
OWN = MEETING.hex
NONE: Any = (200, {"kind": "calendar#events", "items": []})


def event(id: str = "e1", **changed: Any) -> dict[str, Any]:
    """The proposal review as Google has it; a field given as None is left out."""
    plain = {
        "kind": "calendar#event",
        "etag": '"7"',
        "id": id,
        "status": "confirmed",
        "created": "2026-03-02T08:00:00.000Z",
        "updated": "2026-03-02T08:00:02.500Z",
        "summary": "Proposal review",
        "location": "Room 4",
        "organizer": {"email": ANA, "self": True},
        "start": {"dateTime": "2026-04-07T10:00:00+02:00", "timeZone": "Europe/Paris"},
        "end": {"dateTime": "2026-04-07T11:00:00+02:00", "timeZone": "Europe/Paris"},
        "attendees": [
            {"email": ANA, "self": True, "organizer": True, "responseStatus": "accepted"},
            {"email": BO, "responseStatus": "tentative", "comment": "perhaps later"},
        ],
        "iCalUID": f"{id}@google.com",
        "extendedProperties": {"private": {"rendezvousMeeting": str(MEETING)}},
    }
    return {name: value for name, value in (plain | changed).items() if value is not None}


def error(status: int, reason: str) -> tuple[int, dict[str, Any]]:
    return status, {"error": {"errors": [{"domain": "x", "reason": reason, "message": f"about {BO}"}], "code": status, "message": BO}}


def write(wire: Wire, one: Request, access: Tokens | None = None) -> Written:
    return GoogleWriter(api(calling.api, wire, access)).write(one, PEOPLE)


def update(*changed: str, **fields: Any) -> Request:
    return request(action="update", copy="e1", revision='"7"', changed=changed, **fields)


def test_a_meeting_becomes_an_event_under_the_meetings_id() -> None:
    wire = Wire({LIST: NONE, INSERT: (200, event(OWN))})
    written = write(wire, request(invite=True))
    assert written == Written(OWN, '"7"', f"{OWN}@google.com", "2026-03-02T08:00:02.500Z", "2026-03-02T08:00:00.000Z", called=True)
    [asked] = wire.made("POST")
    assert asked.query["sendUpdates"] == "all"
    assert asked.headers["Authorization"] == "Bearer bearer"
    assert asked.body == {
        "id": OWN,
        "summary": "Proposal review",
        "location": "Room 4",
        "status": "confirmed",
        "start": {"dateTime": "2026-04-07T10:00:00+02:00", "timeZone": "Europe/Paris"},
        "end": {"dateTime": "2026-04-07T11:00:00+02:00", "timeZone": "Europe/Paris"},
        "attendees": [
            {"email": ANA, "displayName": "Ana", "responseStatus": "accepted"},
            {"email": BO, "displayName": "Bo Lindqvist", "responseStatus": "needsAction"},
        ],
        "extendedProperties": {"private": {"rendezvousMeeting": str(MEETING)}},
    }


def test_what_was_written_is_read_back_as_it_was_meant_and_as_ours() -> None:
    wire = Wire({LIST: NONE, INSERT: (200, event())})
    write(wire, request(rules=("FREQ=WEEKLY;COUNT=4",), excluded=(datetime(2026, 4, 14, 10),), tentative=True))
    told = wire.made("POST")[0].body | {"etag": '"1"', "created": "2026-03-02T08:00:00Z", "updated": "2026-03-02T08:00:00Z"}
    [said] = translate([told], account=ACCOUNT, user="501").events
    data = said["data"]
    assert (data["provenance"]["link"], data["provenance"]["origin"]) == (str(MEETING), "rendezvous")
    assert (data["start"], data["timeZone"], data["duration"]) == ("2026-04-07T10:00:00", "Europe/Paris", "PT1H")
    assert (data["recurrenceRules"], data["excludedStarts"]) == (["FREQ=WEEKLY;COUNT=4"], ["2026-04-14T10:00:00"])
    assert data["status"] == "tentative"


@pytest.mark.parametrize(
    ("fields", "start", "end"),
    [
        pytest.param(
            {"time_zone": None},
            {"dateTime": "2026-04-07T10:00:00+00:00", "timeZone": "UTC"},
            {"dateTime": "2026-04-07T11:00:00+00:00", "timeZone": "UTC"},
            id="floating, which Google does not know, as UTC",
        ),
        pytest.param(
            {"start": datetime(2026, 4, 7), "duration": "P2D", "all_day": True},
            {"date": "2026-04-07"},
            {"date": "2026-04-09"},
            id="all-day, the end exclusive",
        ),
        pytest.param(
            {"start": datetime(2026, 3, 28, 10), "duration": "P1D"},
            {"dateTime": "2026-03-28T10:00:00+01:00", "timeZone": "Europe/Paris"},
            {"dateTime": "2026-03-29T10:00:00+02:00", "timeZone": "Europe/Paris"},
            id="a nominal day in which clocks change",
        ),
        pytest.param(
            {"start": datetime(2026, 10, 25, 2, 30), "duration": "PT1H"},
            {"dateTime": "2026-10-25T02:30:00+02:00", "timeZone": "Europe/Paris"},
            {"dateTime": "2026-10-25T02:30:00+01:00", "timeZone": "Europe/Paris"},
            id="the hour that comes twice",
        ),
    ],
)
def test_times_are_exact(fields: dict[str, Any], start: dict[str, str], end: dict[str, str]) -> None:
    wire = Wire({LIST: NONE, INSERT: (200, event())})
    write(wire, request(**fields))
    assert (wire.made("POST")[0].body["start"], wire.made("POST")[0].body["end"]) == (start, end)


def test_nobody_is_mailed_unless_it_is_asked_for() -> None:
    wire = Wire({LIST: NONE, INSERT: (200, event())})
    write(wire, request())
    assert wire.made("POST")[0].query["sendUpdates"] == "none"


def test_a_conference_that_is_not_googles_stands_with_the_place() -> None:
    wire = Wire({LIST: NONE, INSERT: (200, event())})
    write(wire, request(conference_url="https://meet.example/a"))
    assert wire.made("POST")[0].body["location"] == "Room 4; https://meet.example/a"


def test_whoever_was_erased_is_not_invited() -> None:
    wire = Wire({LIST: NONE, INSERT: (200, event())})
    write(wire, request(guests=(Guest("t-gone"), Guest("t-bo"))))
    assert [one["email"] for one in wire.made("POST")[0].body["attendees"]] == [BO]


# --- once ---------------------------------------------------------------------------------------------------------------------


def test_an_event_that_carries_our_link_is_not_made_again() -> None:
    wire = Wire({LIST: (200, {"items": [event("e9")]})})
    assert (write(wire, request(title="Another")).id, write(wire, request()).called) == ("e9", False)
    assert wire.made("POST") == []
    assert wire.asked[0].query["privateExtendedProperty"] == f"rendezvousMeeting={MEETING}"


@pytest.mark.parametrize(
    "listed",
    [
        pytest.param(event("e9", status="cancelled"), id="a deleted event"),
        pytest.param(event("e9_20260407T080000Z", recurringEventId="e9"), id="an occurrence"),
    ],
)
def test_what_is_not_the_meeting_any_more_is_passed_over(listed: dict[str, Any]) -> None:
    wire = Wire({LIST: (200, {"items": [listed]}), INSERT: (200, event(OWN))})
    assert write(wire, request()).id == OWN


def test_the_event_is_looked_for_to_the_last_page() -> None:
    wire = Wire({LIST: [(200, {"items": [], "nextPageToken": "p2"}), (200, {"items": [event("e9")]})]})
    assert (write(wire, request()).id, wire.made("POST")) == ("e9", [])
    assert [(one.query.get("pageToken"), one.query["privateExtendedProperty"]) for one in wire.asked] == [
        (None, f"rendezvousMeeting={MEETING}"),
        ("p2", f"rendezvousMeeting={MEETING}"),
    ]


def test_an_event_of_the_same_uid_is_the_meeting() -> None:
    wire = Wire({LIST: [NONE, (200, {"items": [event("e9")]})]})
    written = write(wire, request(uid="abc@crm"))
    assert (written.id, written.called, wire.asked[1].query["iCalUID"]) == ("e9", False, "abc@crm")


@pytest.mark.parametrize("status", ["confirmed", "cancelled"])
def test_a_repeated_creation_finds_its_event_even_deleted(status: str) -> None:
    own = f"GET {EVENTS}/{OWN}"
    wire = Wire({LIST: NONE, INSERT: error(409, "duplicate"), own: (200, event(OWN, status=status))})
    assert write(wire, request(invite=True))[::5] == (OWN, False)


def test_a_repeated_creation_whose_event_is_gone_but_for_its_id_was_made_and_is_not_made_again() -> None:
    tombstone = {"kind": "calendar#event", "etag": '"9"', "id": OWN, "status": "cancelled"}
    wire = Wire({LIST: NONE, INSERT: error(409, "duplicate"), f"GET {EVENTS}/{OWN}": (200, tombstone)})
    assert write(wire, request(former=PROPOSAL, title="Newer")) == Written(OWN, None, called=False)


def test_of_an_event_that_a_person_changed_since_only_the_identity_is_confirmed() -> None:
    wire = Wire({LIST: (200, {"items": [event("e9", summary="Hers", etag='"9"')]})})
    made = "2026-03-02T08:00:00.000Z"
    assert write(wire, request()) == Written("e9", None, "e9@google.com", made, made, called=False)
    wire = Wire({LIST: (200, {"items": [event("e9")]})})
    assert write(wire, request()).revision == '"7"'


FORMER = replace(PROPOSAL, guests=(Guest("t-ana", owner=True), Guest("t-bo")))
NEWER: dict[str, Any] = {"former": FORMER, "title": "Second reading", "location": "Room 9", "guests": (Guest("t-bo"), Guest("t-cy"))}
ALL = event("e9")["attendees"]
CY_TOO = {"email": CY, "responseStatus": "needsAction"}


@pytest.mark.parametrize(
    ("there", "body", "mails"),
    [
        pytest.param({}, {"summary": "Second reading", "location": "Room 9", "attendees": [*ALL, CY_TOO]}, "all", id="as it was made"),
        pytest.param({"summary": "Hers"}, {"location": "Room 9", "attendees": [*ALL, CY_TOO]}, "all", id="with a title of hers"),
        pytest.param({"location": "Hers"}, {"summary": "Second reading", "attendees": [*ALL, CY_TOO]}, "all", id="at a place of hers"),
        pytest.param(
            {"attendees": [ALL[0], CY_TOO]},
            {"summary": "Second reading", "location": "Room 9"},
            "none",
            id="whom she took away stays away, who is there is not invited again",
        ),
    ],
)
def test_a_creation_brings_what_an_earlier_one_made_to_what_is_asked_for_by_now(there: dict[str, Any], body: Any, mails: str) -> None:
    known = event("e9", **there)
    wire = Wire({LIST: (200, {"items": [known]}), f"PATCH {EVENTS}/e9": (200, known | body | {"etag": '"8"'})})
    written = write(wire, request(invite=True, **NEWER))
    [asked] = wire.made("PATCH")
    assert (asked.body, asked.query["sendUpdates"], asked.headers["If-Match"]) == (body, mails, '"7"')
    says_all = {"summary", "location"} <= body.keys()
    assert (written.id, written.called, written.revision) == ("e9", True, '"8"' if says_all else None)


def test_a_repeated_creation_brings_what_is_found_late_to_what_is_asked_for() -> None:
    own = f"{EVENTS}/{OWN}"
    there = event(OWN)
    answers = {LIST: NONE, INSERT: error(409, "duplicate"), f"GET {own}": (200, there), f"PATCH {own}": (200, there | {"summary": "Newer"})}
    wire = Wire(answers)
    assert write(wire, request(former=PROPOSAL, title="Newer")).called
    assert wire.made("PATCH")[0].body == {"summary": "Newer"}


@pytest.mark.parametrize(
    "there",
    [
        pytest.param({"extendedProperties": None, "iCalUID": "abc@crm"}, id="known by its UID only"),
        pytest.param({"organizer": {"email": CY}}, id="another organiser's"),
        pytest.param({"summary": "Second reading", "location": "Room 9", "attendees": [*ALL, CY_TOO]}, id="saying all of it"),
    ],
)
def test_a_creation_changes_nothing_of_what_is_not_to_change(there: dict[str, Any]) -> None:
    wire = Wire({LIST: (200, {"items": [event("e9", **there)]})})
    assert not write(wire, request(**NEWER)).called
    assert wire.made("PATCH") == []


def test_a_creation_whose_event_is_changed_meanwhile_looks_again() -> None:
    wire = Wire({LIST: (200, {"items": [event("e9")]}), f"PATCH {EVENTS}/e9": error(412, "conditionNotMet")})
    with pytest.raises(TryAgain, match="changed in the calendar meanwhile"):
        write(wire, request(**NEWER))


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"extendedProperties": {"private": {"rendezvousMeeting": "another"}}}, id="another meeting's"),
        pytest.param({"extendedProperties": {"private": {"rendezvousMeeting": "another"}}, "status": "cancelled"}, id="deleted since"),
        pytest.param({"extendedProperties": None}, id="nobody knows whose"),
    ],
)
def test_somebody_elses_event_under_our_id_is_not_taken_for_ours(other: dict[str, Any]) -> None:
    other = event(OWN, **other)
    wire = Wire({LIST: NONE, INSERT: error(409, "duplicate"), f"GET {EVENTS}/{OWN}": (200, other)})
    with pytest.raises(Refused, match="somebody else's"):
        write(wire, request())


def test_a_conflict_at_googles_is_tried_again() -> None:
    with pytest.raises(TryAgain):
        write(Wire({LIST: NONE, INSERT: error(409, "conflict")}), request())


# --- changes ------------------------------------------------------------------------------------------------------------------


def test_a_change_is_conditional_and_says_only_what_changed() -> None:
    wire = Wire({GET: (200, event()), PATCH: (200, event(etag='"8"'))})
    assert write(wire, update("title", "place", title="Proposal, second reading")).revision == '"8"'
    [asked] = wire.made("PATCH")
    assert asked.body == {"summary": "Proposal, second reading"}
    assert (asked.headers["If-Match"], asked.query["sendUpdates"]) == ('"7"', "none")


@pytest.mark.parametrize(
    ("changed", "fields", "there", "body"),
    [
        pytest.param(
            ("time",),
            {"start": datetime(2026, 4, 7, 12)},
            {},
            {
                "start": {"date": None, "dateTime": "2026-04-07T12:00:00+02:00", "timeZone": "Europe/Paris"},
                "end": {"date": None, "dateTime": "2026-04-07T13:00:00+02:00", "timeZone": "Europe/Paris"},
            },
            id="moved",
        ),
        pytest.param(
            ("time",),
            {"start": datetime(2026, 4, 7), "duration": "P1D", "all_day": True},
            {},
            {
                "start": {"date": "2026-04-07", "dateTime": None, "timeZone": None},
                "end": {"date": "2026-04-08", "dateTime": None, "timeZone": None},
            },
            id="made all-day: what the other form holds is emptied",
        ),
        pytest.param(("status",), {"tentative": True}, {}, {"status": "tentative"}, id="tentative"),
        pytest.param(("description",), {"description": "Bring the plan"}, {}, {"description": "Bring the plan"}, id="described"),
        pytest.param(
            ("description",),
            {"description": "Use <b> & go"},
            {},
            {"description": "Use &lt;b&gt; &amp; go"},
            id="described in what looks like HTML",
        ),
        pytest.param(("place",), {"location": None}, {}, {"location": None}, id="without a place"),
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
        pytest.param({"start": datetime(2026, 4, 7, 8), "time_zone": "UTC"}, {}, id="the same time in another zone"),
        pytest.param({"title": "Proposal  review "}, {}, id="with other blanks"),
        pytest.param({"description": "Use <b>\nTea"}, {"description": "Use &lt;b&gt;<br>Tea"}, id="described in HTML"),
        pytest.param({"conference_url": "https://meet.google.com/a"}, {"hangoutLink": "https://meet.google.com/a"}, id="Google's own link"),
        pytest.param({"guests": (Guest("t-bo"),)}, {}, id="fewer guests: none is taken off"),
        pytest.param(
            {"rules": ("FREQ=WEEKLY;COUNT=4",)},
            {"recurrence": ["RRULE:COUNT=4;FREQ=WEEKLY"]},
            id="the same rule in another order",
        ),
    ],
)
def test_what_an_event_says_already_is_not_written(fields: dict[str, Any], there: dict[str, Any]) -> None:
    wire = Wire({GET: (200, event(etag='"99"', **there))})
    changed = ("title", "description", "time", "place", "conference", "guests", "status")
    written = write(wire, update(*changed, **fields))
    assert (written.called, written.revision, wire.made("PATCH")) == (False, '"99"', [])


def test_a_guest_is_added_to_the_others_with_their_answers() -> None:
    wire = Wire({GET: (200, event()), PATCH: (200, event())})
    write(wire, update("guests", guests=(Guest("t-bo"), Guest("t-cy")), invite=True))
    [asked] = wire.made("PATCH")
    assert asked.body == {"attendees": [*event()["attendees"], {"email": CY, "responseStatus": "needsAction"}]}
    assert asked.query["sendUpdates"] == "all"


def test_a_guest_list_that_was_cut_short_is_never_written_back() -> None:
    wire = Wire({GET: (200, event(attendeesOmitted=True))})
    with pytest.raises(Refused, match="a part of the guests"):
        write(wire, update("guests", guests=(Guest("t-cy"),)))
    assert wire.made("PATCH") == []


def test_an_update_whose_copy_is_not_known_yet_finds_it_by_our_link() -> None:
    wire = Wire({LIST: (200, {"items": [event()]}), PATCH: (200, event())})
    write(wire, request(action="update", changed=("title",), title="Another"))
    assert (wire.made("PATCH")[0].body, wire.made("POST")) == ({"summary": "Another"}, [])


@pytest.mark.parametrize(
    "answers",
    [
        pytest.param({GET: (200, event(etag='"8"'))}, id="read in another revision"),
        pytest.param({GET: (200, event()), PATCH: error(412, "conditionNotMet")}, id="changed between reading and writing"),
        pytest.param({GET: (200, event()), PATCH: error(410, "deleted")}, id="deleted between reading and writing"),
        pytest.param({GET: (200, event(status="cancelled"))}, id="deleted"),
        pytest.param({GET: error(404, "notFound")}, id="not there"),
    ],
)
def test_what_was_changed_since_is_overtaken(answers: dict[str, Any]) -> None:
    with pytest.raises(Overtaken):
        write(Wire(answers), update("title", title="Another"))


def test_another_organisers_meeting_is_left_alone() -> None:
    wire = Wire({GET: (200, event(organizer={"email": CY}))})
    with pytest.raises(Refused, match="another organiser's"):
        write(wire, update("title", title="Another"))


def test_a_cancellation_never_reaches_a_calendar() -> None:
    wire = Wire({})
    with pytest.raises(Refused, match="never cancelled"):
        write(wire, update("status", cancelled=True))
    assert wire.asked == []


# --- what goes wrong ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        pytest.param(error(403, "rateLimitExceeded"), TryAgain, id="too many, as 403"),
        pytest.param((429, {}, {"Retry-After": "7"}), TryAgain, id="too many"),
        pytest.param(error(503, "backendError"), TryAgain, id="tired"),
        pytest.param(httpx.ReadTimeout("slow"), TryAgain, id="no answer"),
        pytest.param(error(403, "forbiddenForNonOrganizer"), Refused, id="forbidden"),
        pytest.param(error(400, "invalid"), Refused, id="not understood"),
        pytest.param(error(403, "insufficientPermissions"), Deauthorised, id="the grant does not go that far"),
        pytest.param(error(401, "authError"), Deauthorised, id="no token is taken"),
    ],
)
def test_errors_are_of_our_kinds_and_name_nobody(answer: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind) as caught:
        write(Wire({LIST: NONE, INSERT: answer}), request())
    assert type(caught.value) is kind
    assert "@" not in str(caught.value)


def test_a_token_that_is_refused_is_replaced() -> None:
    access = Tokens("old", "new")
    wire = Wire({LIST: NONE, INSERT: [error(401, "authError"), (200, event(OWN))]})
    assert write(wire, request(), access).id == OWN
    assert [one.headers["Authorization"] for one in wire.made("POST")] == ["Bearer old", "Bearer new"]
    assert access.refusals == ["old"]
