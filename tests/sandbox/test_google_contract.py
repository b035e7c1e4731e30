"""The Google simulator against Google's own discovery document and error table, and against requests of real clients.

Skipped where the contracts folder is not beside this repository.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx
import jsonschema
import pytest

from services.sandbox import google_api as api
from services.sandbox.google import Google
from services.sandbox.google_words import Refusal, fault
from services.sandbox.world import World
from tests.sandbox.conftest import CONTRACTS

EVENTS = "calendars/primary/events"
ANA, BO = "ana@acme.example", "bo@client.example"
TEN = {"start": {"dateTime": "2026-03-09T10:00:00+01:00"}, "end": {"dateTime": "2026-03-09T11:00:00+01:00"}}
RECORDED = CONTRACTS / "client_wire_recordings.jsonl"


@pytest.fixture
def schemas(contract: Any) -> Any:
    return contract("google/calendar.v3.jsonschema.json")


def check(schemas: Any, name: str, value: Any) -> None:
    """Valid, and without a member the schema does not name at its top: that would be an invention of ours."""
    jsonschema.validate(value, {"$ref": f"#/$defs/{name}", "$defs": schemas["$defs"]})
    unknown = set(value) - set(schemas["$defs"][name]["properties"])
    assert unknown == set(), f"{name} has no {unknown}"


def every_kind_of_event(google: Google, ana: httpx.Client) -> Iterator[dict[str, Any]]:
    """Single and whole-day, with guests and conference, a series, its exception, tombstones, other kinds."""
    rich = {
        "summary": "Rich",
        "attendees": [{"email": BO, "optional": True, "comment": "c"}],
        "extendedProperties": {"private": {"a": "1"}, "shared": {"b": "2"}},
        "conferenceData": {"createRequest": {"requestId": "r1"}},
        "reminders": {"useDefault": False, "overrides": [{"method": "email", "minutes": 5}]},
        "visibility": "private",
        "transparency": "transparent",
        "guestsCanModify": True,
        "guestsCanSeeOtherGuests": False,
        "source": {"title": "CRM", "url": "https://crm.example/1"},
        "colorId": "7",
        **TEN,
    }
    yield ana.post(EVENTS, json=rich, params={"conferenceDataVersion": 1, "maxAttendees": 1}).json()
    yield ana.post(EVENTS, json={"eventType": "focusTime", "focusTimeProperties": {"chatStatus": "doNotDisturb"}, **TEN}).json()
    master = google.event(ANA, "Series", "2026-03-23", "2026-03-24", recurrence=["RRULE:FREQ=DAILY;COUNT=3"])["id"]
    google.change(ANA, f"{master}_20260324", summary="Special")
    google.delete(ANA, f"{master}_20260325")
    google.delete(ANA, google.event(ANA, "Gone", "2026-03-09T10:00", "2026-03-09T11:00")["id"])
    google.delete(ANA, google.event(BO, "Removed", "2026-03-09T10:00", "2026-03-09T11:00", guests=[ANA])["id"])
    for single in ("true", "false"):
        yield from ana.get(EVENTS, params={"showDeleted": "true", "singleEvents": single}).json()["items"]


def test_every_event_is_one_by_googles_own_schema(schemas: Any, google: Google, ana: httpx.Client) -> None:
    shown = list(every_kind_of_event(google, ana))
    assert {each["status"] for each in shown} == {"confirmed", "cancelled"}
    for event in shown:
        check(schemas, "Event", event)


def test_every_other_answer_is_what_the_schema_says(schemas: Any, ana: httpx.Client) -> None:
    watched = {"id": "ch-1", "type": "web_hook", "address": "https://127.0.0.1:1/hook", "token": "t"}
    week = {"timeMin": "2026-03-02T00:00:00Z", "timeMax": "2026-03-09T00:00:00Z", "items": [{"id": ANA}, {"id": "nobody"}]}
    for name, answer in (
        ("Events", ana.get(EVENTS)),
        ("CalendarList", ana.get("users/me/calendarList")),
        ("CalendarListEntry", ana.get("users/me/calendarList/primary")),
        ("Calendar", ana.get("calendars/primary")),
        ("Settings", ana.get("users/me/settings")),
        ("Setting", ana.get("users/me/settings/timezone")),
        ("Colors", ana.get("colors")),
        ("Channel", ana.post(f"{EVENTS}/watch", json=watched)),
        ("FreeBusyResponse", ana.post("freeBusy", json=week)),
    ):
        assert answer.status_code == 200, answer.text
        check(schemas, name, answer.json())


def test_every_method_has_the_path_and_the_scopes_of_the_discovery_document(contract: Any) -> None:
    methods = {each["id"].removeprefix("calendar."): each for each in contract("google/calendar.v3.methods.json")}
    for verb, path, name in api.ROUTES:
        known = methods[name]
        shape = "/".join("{}" if part.startswith("{") else part for part in known["path"].removeprefix(api.ROOT).split("/"))
        assert (known["httpMethod"], shape) == (verb, path)
        assert {scope.removeprefix(api.SCOPE) for scope in known["scopes"]} == set(api.SCOPES[name].split()), name


def test_a_list_of_events_takes_every_parameter_of_the_discovery_document(contract: Any, ana: httpx.Client) -> None:
    methods = {each["id"]: each for each in contract("google/calendar.v3.methods.json")}
    values = {
        "alwaysIncludeEmail": "true",
        "eventTypes": "default",
        "maxAttendees": "3",
        "maxResults": "10",
        "orderBy": "updated",
        "privateExtendedProperty": "a=b",
        "sharedExtendedProperty": "a=b",
        "showDeleted": "true",
        "showHiddenInvitations": "true",
        "singleEvents": "false",
        "timeMax": "2026-04-01T00:00:00Z",
        "timeMin": "2026-03-01T00:00:00Z",
        "timeZone": "UTC",
        "updatedMin": "2026-03-01T00:00:00Z",
    }
    asked = {name: values.get(name, "x") for name in methods["calendar.events.list"]["query"] if name not in ("pageToken", "syncToken")}
    assert ana.get(EVENTS, params=asked).json()["items"] == []


@pytest.mark.parametrize(
    ("name", "provoke"),
    [
        ("badRequest_timeRangeEmpty", {"params": {"timeMin": "2026-03-02T00:00:00Z", "timeMax": "2026-03-01T00:00:00Z"}}),
        ("invalidCredentials", {"headers": {"Authorization": "Bearer none"}}),
        ("notFound", {"url": "calendars/nobody/events"}),
        ("updatedMinTooLongAgo", {"params": {"updatedMin": "2020-01-01T00:00:00Z"}}),
        ("duplicate", {"method": "POST", "json": {"id": "kickoff01", **TEN}}),
        ("conditionNotMet", {"method": "PATCH", "url": f"{EVENTS}/kickoff01", "json": {}, "headers": {"If-Match": '"0"'}}),
        ("deleted", {"method": "DELETE", "url": f"{EVENTS}/gone00001"}),
        ("syncTokenWithTimeMin", {"params": {"syncToken": "x", "timeMin": "2026-03-01T00:00:00Z"}}),
    ],
)
def test_an_error_is_worded_as_published(contract: Any, ana: httpx.Client, name: str, provoke: dict[str, Any]) -> None:
    published = contract("google/error_bodies.json")["errors"][name]
    for id in ("kickoff01", "gone00001"):
        ana.post(EVENTS, json={"id": id, **TEN})
    ana.delete(f"{EVENTS}/gone00001")
    answer = ana.request(**{"method": "GET", "url": EVENTS, **provoke})
    assert (answer.status_code, answer.json()) == (published["status"], published["body"])


@pytest.mark.parametrize("name", ["rateLimitExceeded_403", "rateLimitExceeded_429", "fullSyncRequired", "backendError"])
def test_a_fault_is_worded_as_published(contract: Any, name: str) -> None:
    published = contract("google/error_bodies.json")["errors"][name]
    assert isinstance(fault(published["status"]), Refusal)
    answer = fault(published["status"]).answer()
    assert (answer.status, json.loads(answer.body)) == (published["status"], published["body"])


def recorded() -> list[Any]:
    """What real clients sent to Google's API, each as one case."""
    if not RECORDED.exists():
        return [pytest.param({}, marks=pytest.mark.skip(reason="no contracts folder beside this repository"), id="recorded")]
    lines = [json.loads(line) for line in RECORDED.read_text().splitlines()]
    calls = [each for each in lines if each["target"].startswith("/calendar/v3/")]
    return [pytest.param(each, id=f"{n} {each['client']} {each['method']}") for n, each in enumerate(calls)]


@pytest.mark.parametrize("call", recorded())
def test_a_request_as_a_real_client_sent_it_is_understood(ana: httpx.Client, google: Google, world: World, call: dict[str, Any]) -> None:
    """Understood: what is refused is refused for what it asks, not for how it is written."""
    for id in ("abcdef0123", "abc123def456"):
        ana.post(EVENTS, json={"id": id, **TEN}) if call["method"] != "POST" else None
    headers = {name: value for name, value in call["headers"].items() if name.lower() not in ("host", "authorization", "content-length")}
    url = str(ana.base_url).removesuffix("/calendar/v3/") + call["target"]
    answer = ana.request(call["method"], url, headers=headers, content=call["body"].encode())
    expected = {200, 204}
    if "syncToken" in call["target"]:
        expected = {400}  # a token that the recorder made up
    elif "channels/stop" in call["target"]:
        expected = {404}  # a channel that is not open here
    elif "cb" in call["body"] and "watch" in call["target"]:
        expected = {401}  # an address on another machine
    elif any(name.lower() == "if-match" for name in headers):
        expected = {412}  # a revision that the recorder made up
    assert answer.status_code in expected, answer.text
