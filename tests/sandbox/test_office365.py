"""Graph's calendars over HTTP: events, lists, times, conditions, batches, limits."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.sandbox.office365_world import ANA, BO, CEM, FAY, Json, Office, at, guests, plain, read, repeating, request_of, valid

LINK = "String {66f5a359-4659-4830-9070-00047ec6ac6e} Name RendezvousMeeting"


@pytest.fixture
def office() -> Office:
    return Office()


# --- who asks ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "who", "status", "code"),
    [
        pytest.param("/me", None, 401, "InvalidAuthenticationToken", id="nobody"),
        pytest.param("/me", "forged", 401, "InvalidAuthenticationToken", id="a token nobody made"),
        pytest.param(f"/users/{CEM}/events", ANA, 403, "ErrorAccessDenied", id="another's mailbox"),
        pytest.param("/users/nobody@acme.example/events", ANA, 404, "ErrorInvalidUser", id="a mailbox that is none"),
        pytest.param("/me/events/AAMkAnone", ANA, 404, "ErrorItemNotFound", id="an event that is none"),
        pytest.param("/me/calendars/AAMkAnone/events", ANA, 404, "ErrorItemNotFound", id="a calendar that is none"),
        pytest.param("/me/messages", ANA, 400, "BadRequest", id="mail, which is not simulated"),
        pytest.param("/teams", ANA, 400, "BadRequest", id="what is not Outlook's"),
    ],
)
def test_what_may_not_be_read_is_refused_in_graphs_words(office: Office, target: str, who: str | None, status: int, code: str) -> None:
    said = office.get(target, who=who, client_request_id="7f5c")
    assert (said.status, said.code) == (status, code)
    assert said.body["error"]["innerError"]["client-request-id"] == "7f5c"
    assert said.body["error"]["innerError"]["date"] == "2026-03-03T12:00:00"
    valid(said.body, "odataError")


def test_a_token_is_good_for_an_hour(office: Office) -> None:
    office.later(59)
    assert office.get("/me").status == 200
    office.later(1)
    assert office.get("/me").code == "InvalidAuthenticationToken"


def test_me_is_whose_token_it_is(office: Office) -> None:
    said = office.get("/me").body
    assert (said["mail"], said["userPrincipalName"], said["displayName"]) == (ANA, ANA, "Ana")
    assert office.get(f"/users/{ANA}").body["id"] == said["id"] == office.get(f"/users/{said['id']}").body["id"]


def test_of_a_user_and_a_calendar_only_what_is_asked_for_is_said(office: Office) -> None:
    assert sorted(office.get("/me?$select=mail").body) == ["@odata.context", "id", "mail"]
    assert sorted(office.get("/me/calendar?$select=id,name").body) == ["@odata.context", "id", "name"]


def test_an_application_has_no_me_but_sees_every_mailbox(office: Office) -> None:
    token = office.directory.access(office.directory.grant("daemon", None, [".default"]))
    assert office.get("/me", who=token).code == "BadRequest"
    assert office.get(f"/users/{CEM}/events", who=token).body["value"] == []


@pytest.mark.parametrize(
    ("scopes", "reads", "writes"), [(["Calendars.Read"], 200, 403), (["User.Read"], 403, 403), ([".default"], 200, 201)]
)
def test_scopes_say_what_a_token_may(office: Office, scopes: list[str], reads: int, writes: int) -> None:
    token = office.outlook.token(ANA, *scopes)
    assert (office.get("/me/events", who=token).status, office.post("/me/events", plain(), who=token).status) == (reads, writes)


# --- one event --------------------------------------------------------------------------------------------------------


def test_an_event_is_made_read_changed_and_deleted(office: Office) -> None:
    made = office.event()
    valid(made, "event")
    assert office.get(f"/me/events/{made['id']}").body == made
    office.later()
    changed = office.patch(f"/me/events/{made['id']}", {"subject": "Kick-off 2"}).body
    assert (changed["subject"], changed["createdDateTime"]) == ("Kick-off 2", made["createdDateTime"])
    assert changed["lastModifiedDateTime"] == "2026-03-03T12:01:00Z"
    assert changed["changeKey"] != made["changeKey"]
    assert changed["@odata.etag"] == f'W/"{changed["changeKey"]}"'
    assert office.delete(f"/me/events/{made['id']}").status == 204
    assert office.get(f"/me/events/{made['id']}").code == "ErrorItemNotFound"


def test_an_event_says_what_graph_says_of_one_nobody_said_much_of(office: Office) -> None:
    made = office.event()
    wanted = {
        "type": "singleInstance",
        "isOrganizer": True,
        "isCancelled": False,
        "isDraft": False,
        "sensitivity": "normal",
        "showAs": "busy",
        "responseStatus": {"response": "organizer", "time": "0001-01-01T00:00:00Z"},
        "seriesMasterId": None,
        "recurrence": None,
        "originalStartTimeZone": "Romance Standard Time",
        "attendees": [],
        "organizer": {"emailAddress": {"name": "Ana", "address": ANA}},
        "locations": [],
        "onlineMeeting": None,
    }
    assert {name: made[name] for name in wanted} == wanted
    assert "originalStart" not in made


@pytest.mark.parametrize(
    ("given", "prefer", "start"),
    [
        pytest.param(at("2026-03-09T10:00:00"), None, at("2026-03-09T09:00:00.0000000", "UTC"), id="a Windows zone is read in UTC"),
        pytest.param(at("2026-03-09T10:00:00", "Europe/Paris"), None, at("2026-03-09T09:00:00.0000000", "UTC"), id="an IANA zone too"),
        pytest.param(at("2026-03-09T10:00:00.1230000", "UTC"), None, at("2026-03-09T10:00:00.1230000", "UTC"), id="fractions stay"),
        pytest.param(at("2026-03-09T10:00:00+05:00", "UTC"), None, at("2026-03-09T05:00:00.0000000", "UTC"), id="an offset counts"),
        pytest.param(
            at("2026-03-09T10:00:00"),
            'outlook.timezone="Tokyo Standard Time"',
            at("2026-03-09T18:00:00.0000000", "Tokyo Standard Time"),
            id="or in the zone one prefers",
        ),
    ],
)
def test_times_are_written_in_any_zone_and_read_in_one(office: Office, given: Json, prefer: str | None, start: Json) -> None:
    made = office.event(start=given, end=at("2026-03-10T10:00:00"))
    said = office.get(f"/me/events/{made['id']}", **({"prefer": prefer} if prefer else {}))
    assert said.body["start"] == start
    assert said.headers.get("Preference-Applied") == prefer


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        pytest.param({"start": ...}, "ErrorPropertyValidationFailure", id="no start"),
        pytest.param({"end": ...}, "ErrorPropertyValidationFailure", id="no end"),
        pytest.param({"start": at("noon")}, "ErrorInvalidParameter", id="a start that is none"),
        pytest.param({"start": at("2026-03-09T10:00:00", "Nowhere")}, "TimeZoneNotSupportedException", id="a zone that is none"),
        pytest.param({"end": at("2026-03-09T09:00:00")}, "ErrorCalendarEndDateIsEarlierThanStartDate", id="an end before its start"),
        pytest.param({"isAllDay": True}, "ErrorPropertyValidationFailure", id="whole days from ten to eleven"),
        pytest.param({"sensitivity": "secret"}, "RequestBodyRead", id="a sensitivity that Graph has not"),
        pytest.param({"showAs": 1}, "RequestBodyRead", id="a wrong type"),
        pytest.param({"subject": ["a"]}, "RequestBodyRead", id="a subject that is a list"),
        pytest.param({"attendees": [{"emailAddress": {}}]}, "ErrorInvalidRecipients", id="a guest without address"),
        pytest.param({"recurrence": {"pattern": {"type": "hourly"}}}, "ErrorInvalidRecurrencePattern", id="every hour"),
        pytest.param({"recurrence": repeating("weekly")}, "ErrorInvalidRecurrencePattern", id="weekly on no day"),
    ],
)
def test_what_graph_does_not_take_is_refused_and_nothing_is_there(office: Office, changes: Json, code: str) -> None:
    said = office.post("/me/events", plain(**({"attendees": guests(BO)} | changes)))
    assert (said.status, said.code) == (400, code)
    assert (office.get("/me/events").body["value"], office.world.mails) == ([], [])


@pytest.mark.parametrize("body", [None, [], "text"], ids=str)
def test_a_body_that_is_no_event_is_refused(office: Office, body: Any) -> None:
    assert office.post("/me/events", body).code == "BadRequest"


def test_whole_days_are_midnights_of_their_zone_and_shift_when_read_in_another(office: Office) -> None:
    made = office.event(isAllDay=True, start=at("2026-03-09T00:00:00"), end=at("2026-03-11T00:00:00"))
    assert (made["start"]["dateTime"], made["end"]["dateTime"]) == ("2026-03-08T23:00:00.0000000", "2026-03-10T23:00:00.0000000")
    own = office.get(f"/me/events/{made['id']}", prefer='outlook.timezone="Romance Standard Time"').body
    assert (own["start"]["dateTime"], own["end"]["dateTime"]) == ("2026-03-09T00:00:00.0000000", "2026-03-11T00:00:00.0000000")


def test_a_body_is_written_anew_and_says_the_same(office: Office) -> None:
    made = office.event(body={"contentType": "text", "content": "Bring <cake>\nand tea"})
    assert made["body"]["contentType"] == "html"
    assert "Bring &lt;cake&gt;<br>" in made["body"]["content"]
    assert made["bodyPreview"] == "Bring <cake>\r\nand tea"
    said = office.get(f"/me/events/{made['id']}", prefer='outlook.body-content-type="text"').body
    assert said["body"] == {"contentType": "text", "content": "Bring <cake>\r\nand tea"}


def test_a_body_read_and_written_back_stays_as_it_is(office: Office) -> None:
    made = office.event(body={"contentType": "html", "content": "<p>Agenda</p><script>x()</script>"})
    again = office.patch(f"/me/events/{made['id']}", {"body": made["body"]}).body
    assert again["body"] == made["body"]
    assert "x()" not in made["body"]["content"]


def test_setting_the_location_drops_the_other_locations(office: Office) -> None:
    made = office.event(locations=[{"displayName": "Room 4"}, {"displayName": "Café"}])
    assert ([place["displayName"] for place in made["locations"]], made["location"]["displayName"]) == (["Room 4", "Café"], "Room 4; Café")
    changed = office.patch(f"/me/events/{made['id']}", {"location": {"displayName": "Room 5"}}).body
    assert [place["displayName"] for place in changed["locations"]] == ["Room 5"]
    gone = office.patch(f"/me/events/{made['id']}", {"location": {"displayName": ""}}).body
    assert (gone["location"]["displayName"], gone["locations"]) == ("", [])


def test_an_online_meeting_stays_one_until_its_block_is_taken_out_of_the_body(office: Office) -> None:
    made = office.event(isOnlineMeeting=True)
    link = made["onlineMeeting"]["joinUrl"]
    assert (made["onlineMeetingProvider"], link in made["body"]["content"]) == ("teamsForBusiness", True)
    path = f"/me/events/{made['id']}"
    kept = office.patch(path, {"isOnlineMeeting": False, "onlineMeetingProvider": "skypeForBusiness", "subject": "S"}).body
    assert (kept["isOnlineMeeting"], kept["onlineMeetingProvider"], kept["subject"]) == (True, "teamsForBusiness", "S")
    same = office.patch(path, {"body": {"contentType": "html", "content": f"<p>New</p>{made['body']['content']}"}}).body
    assert same["onlineMeeting"] == made["onlineMeeting"]
    lost = office.patch(path, {"body": {"contentType": "text", "content": "no block"}}).body
    assert (lost["isOnlineMeeting"], lost["onlineMeeting"]) == (False, None)


def test_the_same_body_with_what_graph_keeps_for_itself_changes_nothing_of_that(office: Office) -> None:
    made = office.event(attendees=guests(CEM))
    back = made | {"id": "x", "iCalUId": "y", "organizer": {"emailAddress": {"address": BO}}, "isOrganizer": False, "subject": "Again"}
    said = office.patch(f"/me/events/{made['id']}", back).body
    assert [said[name] for name in ("id", "iCalUId", "organizer", "isOrganizer", "subject")] == [
        made["id"],
        made["iCalUId"],
        made["organizer"],
        True,
        "Again",
    ]


# --- writing twice, and at the same time ------------------------------------------------------------------------------


def test_a_create_that_is_repeated_is_the_same_event_and_one_invitation(office: Office) -> None:
    body = plain(transactionId="tx-1", attendees=guests(BO))
    first, second = office.post("/me/events", body), office.post("/me/events", body)
    assert (first.status, second.status, second.body) == (201, 201, first.body)
    assert (first.body["transactionId"], office.mailed()) == ("tx-1", [BO])


def test_a_create_that_is_repeated_can_be_a_conflict_instead(office: Office) -> None:
    office.outlook.switch(repeated_transaction="conflict")
    body = plain(transactionId="tx-1")
    assert [office.post("/me/events", body).status for _ in range(2)] == [201, 409]
    assert len(office.get("/me/events").body["value"]) == 1


def test_a_transaction_is_a_mailboxs_own(office: Office) -> None:
    body = plain(transactionId="tx-1")
    ids = {office.post("/me/events", body, who=who).body["id"] for who in (ANA, CEM)}
    assert len(ids) == 2


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_a_conditional_write_succeeds_once_for_each_version(office: Office, method: str) -> None:
    made = office.event()
    path = f"/me/events/{made['id']}"
    assert office.patch(path, {"subject": "Mine"}, if_match=made["@odata.etag"]).status == 200
    late = office.ask(method, path, {"subject": "Late"}, if_match=made["@odata.etag"])
    assert (late.status, late.code) == (412, "ErrorIrresolvableConflict")
    assert office.get(path).body["subject"] == "Mine"
    assert office.ask(method, path, {"subject": "Any"}, if_match="*").status in (200, 204)


# --- ids --------------------------------------------------------------------------------------------------------------


def test_an_event_taken_elsewhere_has_another_id_and_the_same_immutable_one(office: Office) -> None:
    made = office.event()
    immutable = {"prefer": 'IdType="ImmutableId"'}
    for_life = office.get(f"/me/events/{made['id']}", **immutable).body["id"]
    moved = office.outlook.relocate(ANA, made["id"], office.outlook.calendar(ANA, "Archive"))
    assert moved != made["id"]
    assert office.get(f"/me/events/{made['id']}").status == 404
    assert office.get(f"/me/events/{for_life}", **immutable).body["id"] == for_life
    assert office.get(f"/me/events/{for_life}").body["id"] == moved


def test_ids_are_case_sensitive(office: Office) -> None:
    assert office.get(f"/me/events/{office.event()['id'].swapcase()}").status == 404


def test_ids_are_translated_there_and_back(office: Office) -> None:
    rest = office.event()["id"]
    asked = {"inputIds": [rest, "nobody"], "sourceIdType": "restId", "targetIdType": "restImmutableEntryId"}
    there, lost = office.post("/me/translateExchangeIds", asked).body["value"]
    assert (there["sourceId"], there["targetId"] != rest, lost["errorDetails"]["code"]) == (rest, True, "ErrorItemNotFound")
    back = office.post(
        "/me/translateExchangeIds", asked | {"InputIds": [there["targetId"]], "inputIds": [there["targetId"]], "targetIdType": "restId"}
    )
    assert back.body["value"] == [{"sourceId": there["targetId"], "targetId": rest}]
    assert office.post("/me/translateExchangeIds", asked | {"inputIds": ["x"] * 1001}).code == "ErrorInvalidArgument"


# --- lists ------------------------------------------------------------------------------------------------------------


def three(office: Office) -> None:
    for day, subject in ((11, "Alpha"), (9, "Beta"), (10, "Gamma's")):
        office.event(subject=subject, start=at(f"2026-03-{day:02}T10:00:00"), end=at(f"2026-03-{day:02}T11:00:00"), showAs="free")


@pytest.mark.parametrize(
    ("query", "subjects"),
    [
        ("", ["Alpha", "Beta", "Gamma's"]),
        ("$orderby=start/dateTime", ["Beta", "Gamma's", "Alpha"]),
        ("$orderby=subject desc", ["Gamma's", "Beta", "Alpha"]),
        ("$orderby=showAs,start/dateTime desc&$top=2", ["Alpha", "Gamma's"]),
        ("$filter=subject eq 'Gamma''s'", ["Gamma's"]),
        ("$filter=startswith(subject,'al')", ["Alpha"]),
        ("$filter=contains(subject,'a') and not startswith(subject,'b')", ["Alpha", "Gamma's"]),
        ("$filter=start/dateTime ge '2026-03-10T00:00:00Z' and start/dateTime lt '2026-03-11T00:00:00Z'", ["Gamma's"]),
        ("$filter=isAllDay eq false and (showAs eq 'free')", ["Alpha", "Beta", "Gamma's"]),
        ("$filter=type eq 'seriesMaster'", []),
        ("$filter=createdDateTime gt 2026-03-03T12:00:00Z", []),
        ("%24top=1&%24skip=1", ["Beta"]),
    ],
)
def test_lists_are_filtered_ordered_and_cut(office: Office, query: str, subjects: list[str]) -> None:
    three(office)
    assert [item["subject"] for item in office.get(f"/me/events?{query}").body["value"]] == subjects


@pytest.mark.parametrize(
    "query", ["$filter=nonsense", "$filter=shoe eq 'x'", "$filter=subject like 'x'", "$top=many", "$expand=calendar", "$orderby=shoe"]
)
def test_an_option_nobody_understands_is_refused(office: Office, query: str) -> None:
    three(office)
    assert office.get(f"/me/events?{query}").code == "BadRequest"


def test_a_list_is_read_page_by_page(office: Office) -> None:
    three(office)
    first = office.get("/me/events?$top=2&$count=true&$select=subject").body
    assert first["@odata.count"] == 3
    assert [sorted(item) for item in first["value"]] == [["@odata.etag", "id", "subject"]] * 2
    last = office.get(first["@odata.nextLink"]).body
    assert ([item["subject"] for item in last["value"]], "@odata.nextLink" in last) == (["Gamma's"], False)


def test_extended_properties_are_kept_found_and_shown_only_when_asked_for(office: Office) -> None:
    made = office.event(singleValueExtendedProperties=[{"id": LINK, "value": "m-1"}])
    office.event()
    assert "singleValueExtendedProperties" not in made
    expand = f"$expand=singleValueExtendedProperties($filter=id eq '{LINK}')"
    assert office.get(f"/me/events/{made['id']}?{expand}").body["singleValueExtendedProperties"] == [{"id": LINK, "value": "m-1"}]
    found = office.get(f"/me/events?$filter=singleValueExtendedProperties/any(ep: ep/id eq '{LINK}' and ep/value eq 'm-1')&{expand}").body[
        "value"
    ]
    assert [(item["id"], item["singleValueExtendedProperties"][0]["value"]) for item in found] == [(made["id"], "m-1")]


def test_calendars_are_listed_made_and_kept_apart(office: Office) -> None:
    (own,) = office.get("/me/calendars").body["value"]
    assert (own["name"], own["isDefaultCalendar"], own["owner"]["address"]) == ("Calendar", True, ANA)
    valid(own, "calendar")
    other = office.post("/me/calendars", {"name": "Side"}).body["id"]
    office.post(f"/me/calendars/{other}/events", plain(subject="Aside"))
    office.event()
    assert [e["subject"] for e in office.get(f"/me/calendars/{other}/events").body["value"]] == ["Aside"]
    assert [e["subject"] for e in office.get("/me/calendar/events").body["value"]] == ["Kick-off"]
    assert office.get("/me/calendar").body["id"] == own["id"] == office.get("/calendar").body["id"]


def test_a_view_lays_series_out_and_a_list_does_not(office: Office) -> None:
    office.event(recurrence=repeating(count=3), subject="Daily")
    office.event(start=at("2026-03-10T08:00:00"), end=at("2026-03-10T09:00:00"))
    view = office.get("/me/calendarView?startDateTime=2026-03-10T00:00:00Z&endDateTime=2026-04-01T00:00:00Z").body["value"]
    assert [(e["type"], e["start"]["dateTime"][:13]) for e in view] == [
        ("singleInstance", "2026-03-10T07"),
        ("occurrence", "2026-03-10T09"),
        ("occurrence", "2026-03-11T09"),
    ]
    assert {e["originalStart"] for e in view[1:]} == {"2026-03-10T09:00:00Z", "2026-03-11T09:00:00Z"}
    assert [e["type"] for e in office.get("/me/events").body["value"]] == ["seriesMaster", "singleInstance"]
    for event in view:
        valid(event, "event")


@pytest.mark.parametrize(
    ("since", "until", "seen"),
    [("09T08:00", "09T09:00", False), ("09T08:00", "09T09:01", True), ("09T09:59", "09T12:00", True), ("09T10:00", "09T12:00", False)],
)
def test_a_view_shows_what_overlaps_its_window(office: Office, since: str, until: str, seen: bool) -> None:
    office.event()
    said = office.get(f"/me/calendarView?startDateTime=2026-03-{since}:00Z&endDateTime=2026-03-{until}:00Z").body
    assert bool(said["value"]) == seen


@pytest.mark.parametrize(
    "query", ["", "startDateTime=2026-03-01", "startDateTime=x&endDateTime=y", "startDateTime=2026-03-02&endDateTime=2026-03-01"]
)
def test_a_view_without_a_window_is_refused(office: Office, query: str) -> None:
    assert office.get(f"/me/calendarView?{query}").code == "ErrorInvalidParameter"


# --- batches and limits -----------------------------------------------------------------------------------------------


def test_a_batch_answers_each_request_by_itself(office: Office) -> None:
    made = office.event()["id"]
    requests = [
        {"id": "1", "method": "GET", "url": f"/me/events/{made}?$select=subject"},
        {"id": "2", "method": "GET", "url": "/me/events/none"},
        {
            "id": "3",
            "method": "PATCH",
            "url": f"me/events/{made}",
            "body": {"subject": "B"},
            "headers": {"Content-Type": "application/json"},
        },
        {"id": "4", "method": "DELETE", "url": f"/me/events/{made}", "dependsOn": ["2"]},
        {"id": "5", "method": "DELETE", "url": f"/me/events/{made}", "dependsOn": ["3"]},
    ]
    said = office.post("/$batch", {"requests": requests}).body["responses"]
    assert [(one["id"], one["status"]) for one in said] == [("1", 200), ("2", 404), ("3", 200), ("4", 424), ("5", 204)]
    assert (said[0]["body"]["subject"], said[2]["body"]["subject"], "body" in said[4]) == ("Kick-off", "B", False)


@pytest.mark.parametrize("number", [0, 21])
def test_a_batch_of_none_or_of_more_than_twenty_is_refused(office: Office, number: int) -> None:
    one = [{"id": str(n), "method": "GET", "url": "/me"} for n in range(number)]
    assert office.post("/$batch", {"requests": one}).status == 400


def test_too_many_requests_of_a_mailbox_wait_until_the_first_is_ten_minutes_old(office: Office) -> None:
    office.outlook.switch(per_ten_minutes=2)
    office.get("/me/events")
    office.later(4)
    assert [office.get("/me/events").status for _ in range(2)] == [200, 429]
    late = office.get("/me/events")
    assert (late.code, late.headers["Retry-After"]) == ("ApplicationThrottled", "360")
    assert office.get("/me/events", who=CEM).status == 200
    office.later(6)
    assert office.get("/me/events").status == 200


def test_the_fifth_request_at_once_is_one_too_many_also_in_a_batch(office: Office) -> None:
    office.outlook.switch(busy_ms=50)
    requests = [{"id": str(n), "method": "GET", "url": "/me"} for n in range(6)]
    said = office.post("/$batch", {"requests": requests}).body["responses"]
    assert [one["status"] for one in said] == [200, 200, 200, 200, 429, 429]
    assert said[5]["headers"]["Retry-After"] == "5"
    office.world.move(50)
    assert office.get("/me").status == 200


@pytest.mark.parametrize(
    ("status", "code"), [(429, "ApplicationThrottled"), (503, "ErrorConcurrentItemSave"), (410, "SyncStateNotFound"), (418, "UnknownError")]
)
def test_a_fault_is_worded_as_graph_words_it(office: Office, status: int, code: str) -> None:
    said = office.outlook.refusal(request_of("GET", "/me/calendarView/delta", {}, b""), status)
    assert (said.status, json.loads(said.body)["error"]["code"]) == (status, code)
    assert ("Retry-After" in said.headers) == (status in (429, 503))


# --- control ----------------------------------------------------------------------------------------------------------


def test_people_act_over_the_control_api(office: Office) -> None:
    def act(action: str, method: str = "POST", **arguments: Any) -> Any:
        target = f"http://127.0.0.1:8080/sandbox/office365/{action}"
        return read(office.outlook.control(request_of(method, target, {}, json.dumps(arguments).encode())))

    made = act("event", address=ANA, subject="Lunch", start="2026-03-09T12:00:00", end="2026-03-09T13:00:00", guests=[FAY]).body["result"]
    act("move", address=ANA, event=made, start="2026-03-09T13:00:00", end="2026-03-09T14:00:00")
    theirs = act("copy", address=ANA, event=made, other=FAY).body["result"]
    act("respond", address=FAY, event=theirs, answer="accepted")
    (seen,) = act("events", address=ANA).body["result"]
    assert (seen["start"]["dateTime"][:16], seen["attendees"][0]["status"]["response"]) == ("2026-03-09T13:00", "accepted")
    assert act("state", method="GET").body["mailboxes"][0]["address"] == ANA
    assert [act(*case).status for case in (("fly",), ("event",))] == [404, 400]
    assert act("delete", address=ANA, event="none").body["code"] == "ErrorItemNotFound"
    assert act("respond", address=FAY, event=theirs, answer="maybe").status == 400
    assert act("switch", empty_pages=True).body["result"]["empty_pages"] is True
    assert (act("switch", no_such=1).status, act("switch", page="ten").status) == (400, 400)


def test_a_reset_leaves_nothing(office: Office) -> None:
    office.event()
    office.outlook.switch(page=3)
    office.outlook.reset()
    assert office.outlook.state() == {"mailboxes": [], "subscriptions": [], "switches": office.outlook.switch()}
    assert office.outlook.switches.page == 10
