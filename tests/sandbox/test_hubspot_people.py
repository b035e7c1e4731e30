"""What people do in HubSpot's sandbox, by methods and by the control API."""

from __future__ import annotations

import json
from typing import Any

import pytest

from services.sandbox.wire import Request
from tests.sandbox.hubspot_asking import Api

SHOWN = (
    "hs_meeting_source,hs_meeting_source_id,hs_i_cal_uid,hs_guest_emails,hs_meeting_outcome,"
    "hs_meeting_start_time,hs_meeting_end_time,hubspot_owner_id"
)


@pytest.fixture
def api() -> Api:
    return Api()


def shown(api: Api, meeting: str) -> dict[str, Any]:
    found = api.get(f"/crm/v3/objects/meetings/{meeting}?properties={SHOWN}&associations=contacts")
    linked = [one["id"] for one in found.get("associations", {}).get("contacts", {}).get("results", [])]
    return {**found["properties"], "contacts": linked}


def control(api: Api, method: str, what: str, body: Any = None) -> tuple[int, Any]:
    sent = b"" if body is None else json.dumps(body).encode()
    found = api.hubspot.control(Request(method, "http", "x", f"/sandbox/hubspot/{what}", "", [], {}, sent))
    return found.status, json.loads(found.body)


def test_a_meeting_is_scheduled_from_every_kind_of_record(api: Api) -> None:
    hubspot = api.hubspot
    ids = {
        "contacts": hubspot.contact("bo@client.example"),
        "companies": hubspot.company("Client"),
        "deals": hubspot.deal("Renewal"),
        "tickets": hubspot.ticket("Broken"),
    }
    associated: dict[str, Any] = {kind: [id] for kind, id in ids.items()}
    meeting = api.meeting(**associated, location="Room 4", body="<p>Hi</p>")
    for kind, id in ids.items():
        assert [one["toObjectId"] for one in api.get(f"/crm/v4/objects/meetings/{meeting}/associations/{kind}")["results"]] == [id]
    assert shown(api, meeting)["hubspot_owner_id"] == "7001"
    assert shown(api, meeting)["hs_meeting_source"] == "CRM_UI"


def test_a_moved_meeting_keeps_its_length(api: Api) -> None:
    meeting = api.meeting()
    api.hubspot.move(meeting, "2026-03-10T14:30:00Z")
    found = shown(api, meeting)
    assert (found["hs_meeting_start_time"], found["hs_meeting_end_time"]) == ("2026-03-10T14:30:00Z", "2026-03-10T15:30:00Z")


def test_a_guest_who_books_becomes_a_contact_once(api: Api) -> None:
    times = ("2026-03-09T10:00:00Z", "2026-03-10T10:00:00Z")
    first, second = (shown(api, api.hubspot.book("ana@acme.example", "new@client.example", at, name="Nia New")) for at in times)
    assert (first["hs_meeting_source"], first["hs_guest_emails"], first["hs_i_cal_uid"]) == ("MEETINGS_PUBLIC", "new@client.example", None)
    assert first["contacts"] == second["contacts"] != []


def test_native_sync_mirrors_only_for_users_who_turned_it_on(api: Api) -> None:
    bo = api.hubspot.contact("bo@client.example")

    def mirror(**more: Any) -> str | None:
        at = {"start": "2026-03-09T10:00:00Z", "end": "2026-03-09T11:00:00Z", **more}
        return api.hubspot.mirror("ana@acme.example", "u1@google.com", "Kick-off", guests=["bo@client.example", "x@y.example"], **at)

    assert mirror() is None
    api.hubspot.native_sync("ana@acme.example")
    row = mirror()
    assert row is not None
    found = shown(api, row)
    assert (found["hs_meeting_source"], found["hs_i_cal_uid"], found["contacts"]) == ("BIDIRECTIONAL_SYNC", "u1@google.com", [bo])
    assert mirror(start="2026-03-09T12:00:00Z", end=None) == row
    assert shown(api, row)["hs_meeting_start_time"] == "2026-03-09T12:00:00Z"
    other = mirror(occurrence="2026-03-16T10:00:00Z")
    assert other not in (row, None)
    assert shown(api, str(other))["hs_i_cal_uid"] == "u1@google.com"
    mirror(state="cancelled")
    assert shown(api, row)["hs_meeting_outcome"] == "CANCELED"
    mirror(state="deleted")
    assert api.ask("GET", f"/crm/v3/objects/meetings/{row}").status == 404


def test_the_control_api_calls_acts_by_name(api: Api) -> None:
    assert control(api, "POST", "contact", {"email": "bo@client.example"}) == (200, {"result": "151"})
    arguments = {"user": "ana@acme.example", "title": "Kick-off", "start": "2026-03-09T10:00:00Z", "contacts": ["151"]}
    assert control(api, "POST", "schedule", arguments) == (200, {"result": "80000000001"})
    assert control(api, "POST", "portal", {"id": 777, "name": "Other"}) == (200, {"result": {"id": 777, "name": "Other"}})
    status, state = control(api, "GET", "state")
    assert (status, [portal["id"] for portal in state["portals"]]) == (200, [62515, 777])
    meeting = state["portals"][0]["meetings"][0]
    assert (meeting["title"], meeting["owner"], meeting["contacts"]) == ("Kick-off", "ana@acme.example", ["151"])


@pytest.mark.parametrize(
    ("what", "body", "status"),
    [
        pytest.param("reset", {}, 404, id="no act"),
        pytest.param("contact", {"mail": "x"}, 400, id="no such argument"),
        pytest.param("contact", {"email": "nonsense"}, 400, id="a value HubSpot refuses"),
    ],
)
def test_the_control_api_says_what_it_cannot_do(api: Api, what: str, body: Any, status: int) -> None:
    found, said = control(api, "POST", what, body)
    assert (found, "error" in said) == (status, True)


def test_switches_are_shown_and_set(api: Api) -> None:
    assert control(api, "GET", "switches")[1]["search_lag_ms"] == 0
    assert control(api, "POST", "switches", {"search_lag_ms": 3000})[1]["search_lag_ms"] == 3000
    assert api.hubspot.switches.search_lag_ms == 3000
    with pytest.raises(ValueError, match="no such switch"):
        control(api, "POST", "switches", {"speed": 1})


def test_a_reset_forgets_everything_but_the_app(api: Api) -> None:
    api.meeting()
    api.hubspot.switches.limit = 1
    api.hubspot.reset()
    assert api.hubspot.state()["portals"] == []
    assert api.hubspot.switches.limit == 110
    assert api.ask("GET", "/crm/v3/owners").status == 401
    api.hubspot.portal()
    api.hubspot.user("ana@acme.example")
    assert api.meeting() == "80000000001"


def test_a_seed_makes_the_same_world_again() -> None:
    one, two = Api(seed=5), Api(seed=5)
    assert one.token == two.token
    assert one.token != Api(seed=6).token
