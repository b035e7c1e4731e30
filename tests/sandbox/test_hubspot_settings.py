"""Around HubSpot's objects: owners, users, the account, definitions of properties, limits, and what faults look like."""

from __future__ import annotations

import json
from typing import Any

import pytest

from services.sandbox.wire import Request
from tests.sandbox.hubspot_asking import Api

OWNERS = pytest.mark.parametrize("path", ["/crm/v3/owners", "/crm/v3/owners/", "/crm/owners/2026-03"])


@pytest.fixture
def api() -> Api:
    return Api()


@OWNERS
def test_an_owner_is_not_his_user(api: Api, path: str) -> None:
    found = api.get(path)["results"]
    assert [(one["id"], one["userId"], one["email"], one["type"]) for one in found] == [("7001", 501, "ana@acme.example", "PERSON")]


@OWNERS
def test_an_owner_who_left_is_found_among_the_archived_only(api: Api, path: str) -> None:
    api.hubspot.leave("ana@acme.example")
    assert api.get(path)["results"] == []
    gone = api.get(f"{path}?archived=true")["results"][0]
    assert (gone["archived"], "userId" in gone, gone["userIdIncludingInactive"]) == (True, False, 501)


def test_owners_are_found_by_address_by_id_and_by_user(api: Api) -> None:
    api.hubspot.user("bea@acme.example")
    assert [one["id"] for one in api.get("/crm/v3/owners/?email=bea@acme.example")["results"]] == ["7002"]
    assert api.get("/crm/v3/owners/7002")["email"] == "bea@acme.example"
    assert api.get("/crm/v3/owners/502?idProperty=userId")["id"] == "7002"
    assert api.ask("GET", "/crm/v3/owners/9").status == 404


@pytest.mark.parametrize("path", ["/crm/v3/owners", "/settings/v3/users", "/settings/users/2026-03"])
def test_people_are_listed_page_by_page(api: Api, path: str) -> None:
    for n in range(3):
        api.hubspot.user(f"user{n}@acme.example")
    first = api.get(f"{path}?limit=3")
    second = api.get(f"{path}?limit=3&after={first['paging']['next']['after']}")
    assert [one["email"] for one in first["results"] + second["results"]] == [
        "ana@acme.example",
        "user0@acme.example",
        "user1@acme.example",
        "user2@acme.example",
    ]


def test_users_come_and_go(api: Api) -> None:
    made = api.post("/settings/v3/users/", {"email": "bea@acme.example", "sendWelcomeEmail": False}, 201)
    assert api.get("/settings/v3/users/bea@acme.example?idProperty=EMAIL")["id"] == made["id"]
    assert api.ask("POST", "/settings/v3/users/", {"email": "bea@acme.example"}).status == 409
    assert api.ask("DELETE", f"/settings/v3/users/{made['id']}").status == 204
    assert api.ask("GET", f"/settings/v3/users/{made['id']}").status == 404


@pytest.mark.parametrize("path", ["/account-info/v3/details", "/account-info/2026-03/details", "/integrations/v1/me"])
def test_the_account_says_its_id_and_its_time(api: Api, path: str) -> None:
    found = api.get(path)
    assert (found["portalId"], found["timeZone"], found["utcOffset"], found["utcOffsetMilliseconds"]) == (
        62515,
        "Europe/Paris",
        "+01:00",
        3_600_000,
    )


# --- definitions -------------------------------------------------------------------------------------------------------------

DEFINITION = {"name": "our_id", "label": "Our id", "type": "string", "fieldType": "text", "groupName": "meeting"}


@pytest.mark.parametrize("root", ["/crm/v3/properties", "/crm/properties/2026-03"])
def test_a_property_is_defined_found_changed_and_archived(api: Api, root: str) -> None:
    assert api.ask("GET", f"{root}/meetings/our_id").status == 404
    made = api.post(f"{root}/meetings", DEFINITION | {"hasUniqueValue": True}, 201)
    assert (made["hasUniqueValue"], made["hubspotDefined"], made["archived"]) == (True, False, False)
    assert api.ask("POST", f"{root}/meetings", DEFINITION).status == 409
    assert api.ask("PATCH", f"{root}/meetings/our_id", {"label": "Other"}).json["label"] == "Other"
    assert "our_id" in [one["name"] for one in api.get(f"{root}/meetings")["results"]]
    assert api.ask("DELETE", f"{root}/meetings/our_id").status == 204
    assert "our_id" not in [one["name"] for one in api.get(f"{root}/meetings")["results"]]


@pytest.mark.parametrize(
    "wrong",
    [{"type": "text"}, {"fieldType": "line"}, {"groupName": "nowhere"}, {"name": "Our Id"}, {"label": None}],
    ids=lambda wrong: next(iter(wrong)),
)
def test_a_definition_that_lacks_something_is_refused(api: Api, wrong: dict[str, Any]) -> None:
    assert api.ask("POST", "/crm/v3/properties/meetings", DEFINITION | wrong).status == 400


def test_a_date_has_no_time(api: Api) -> None:
    api.post("/crm/v3/properties/meetings", DEFINITION | {"name": "due", "type": "date", "fieldType": "date"}, 201)
    made = api.post("/crm/v3/objects/meetings", {"properties": {"hs_timestamp": "1772700000000", "due": "2026-03-05T00:00:00Z"}}, 201)
    assert made["properties"]["due"] == "2026-03-05"


def test_groups_are_made_and_definitions_in_batches(api: Api) -> None:
    api.post("/crm/v3/properties/meetings/groups", {"name": "ours", "label": "Ours"}, 201)
    inputs = [DEFINITION | {"name": name, "groupName": "ours"} for name in ("a_id", "b_id")]
    api.post("/crm/v3/properties/meetings/batch/create", {"inputs": inputs}, 201)
    found = api.post("/crm/v3/properties/meetings/batch/read", {"archived": False, "inputs": [{"name": "a_id"}, {"name": "b_id"}]})
    assert [one["groupName"] for one in found["results"]] == ["ours", "ours"]


def test_what_hubspot_defines_it_keeps(api: Api) -> None:
    found = api.get("/crm/v3/properties/meetings/hs_meeting_outcome")
    assert [option["value"] for option in found["options"]] == ["SCHEDULED", "COMPLETED", "RESCHEDULED", "NO_SHOW", "CANCELED"]
    assert api.ask("DELETE", "/crm/v3/properties/meetings/hs_meeting_outcome").status == 400


# --- limits and faults -------------------------------------------------------------------------------------------------------


def test_a_hundred_and_ten_requests_in_ten_seconds_and_no_more(api: Api) -> None:
    replies = [api.ask("GET", "/crm/v3/owners") for _ in range(111)]
    assert [reply.status for reply in replies] == [200] * 110 + [429]
    assert [replies[n].headers["X-HubSpot-RateLimit-Remaining"] for n in (0, 109, 110)] == ["109", "0", "0"]
    assert (replies[110].json["policyName"], replies[110].json["errorType"]) == ("TEN_SECONDLY_ROLLING", "RATE_LIMIT")
    assert replies[110].headers["X-HubSpot-RateLimit-Interval-Milliseconds"] == "10000"
    assert "Retry-After" not in replies[110].headers
    api.world.move(10_000)
    assert api.ask("GET", "/crm/v3/owners").status == 200


def test_a_day_may_be_limited_too(api: Api) -> None:
    api.hubspot.switches.daily_limit = 2
    replies = [api.ask("GET", "/crm/v3/owners") for _ in range(3)]
    assert [reply.status for reply in replies] == [200, 200, 429]
    assert (replies[1].headers["X-HubSpot-RateLimit-Daily-Remaining"], replies[2].json["policyName"]) == ("0", "DAILY")


@pytest.mark.parametrize(
    ("status", "name", "value"),
    [
        (401, "category", "EXPIRED_AUTHENTICATION"),
        (403, "category", "MISSING_SCOPES"),
        (423, "message", "Locked"),
        (429, "policyName", "TEN_SECONDLY_ROLLING"),
        (477, "message", "Migration in progress"),
        (502, "message", "internal error"),
    ],
)
def test_a_fault_is_told_in_hubspots_words(api: Api, status: int, name: str, value: str) -> None:
    found = api.hubspot.refusal(Request("GET", "http", "x", "/crm/v3/owners", "/crm/v3/owners", [], {}, b""), status)
    body = json.loads(found.body)
    assert (found.status, body["status"], body[name]) == (status, "error", value)
    assert ("Retry-After" in found.headers) == (status == 477)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/crm/v3/nothing", 404),
        ("PUT", "/crm/v3/objects/meetings", 405),
        ("GET", "/crm/v3/objects/unicorns", 400),
        ("GET", "/crm/v3/objects/meetings/1", 404),
    ],
)
def test_what_is_not_there_is_said_in_json(api: Api, method: str, path: str, status: int) -> None:
    reply = api.ask(method, path)
    assert (reply.status, reply.json["status"], len(reply.json["correlationId"])) == (status, "error", 36)


def test_a_body_that_is_no_json_is_refused(api: Api) -> None:
    request = Request("POST", "http", "x", "/crm/v3/objects/meetings", "", [], {"authorization": f"Bearer {api.token}"}, b"{")
    assert api.hubspot.answer(request).status == 400
