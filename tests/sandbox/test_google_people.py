"""People act at Google's without a program of ours, also over the control API, and others write to them from elsewhere."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from services.sandbox.google import Google
from services.sandbox.google_switches import Switches
from services.sandbox.google_words import Refusal
from services.sandbox.shell import Sandbox
from services.sandbox.world import World
from tests.sandbox.google_asking import ANA, BO, EVE, EVENTS, SERIES, TEN, answers, get, insert, mails, patch, refused

# --- the control API ----------------------------------------------------------------------------------------------------------


def test_people_act_over_http(sandbox: Sandbox, google: Google) -> None:
    with httpx.Client(base_url=f"{sandbox.url}/sandbox/google/", trust_env=False) as control:
        control.post("user", json={"address": "Cy@Acme.Example", "zone": "UTC"})
        body = {"owner": "cy@acme.example", "summary": "Kick-off", "start": "2026-03-09T10:00", "end": "2026-03-09T11:00", "guests": [BO]}
        id = control.post("event", json=body).json()["id"]
        assert control.post("respond", json={"guest": BO, "id": id, "answer": "accepted"}).status_code == 200
        moved = {"address": "cy@acme.example", "id": id, "start": "2026-03-10", "end": "2026-03-11"}
        assert control.post("move", json=moved).json()["start"] == {"date": "2026-03-10"}
        assert control.post("cancel", json={"organizer": "cy@acme.example", "id": id}).json()["status"] == "cancelled"
        state = control.get("").json()
    assert [each["address"] for each in state["users"]] == [ANA, BO, "cy@acme.example"]
    assert [item["status"] for item in state["calendars"][BO]["items"]] == ["cancelled"]


@pytest.mark.parametrize(
    ("action", "body", "status"),
    [
        pytest.param(
            "event", {"owner": "nobody@acme.example", "summary": "", "start": "2026-03-09", "end": "2026-03-10"}, 404, id="nobody"
        ),
        pytest.param("event", {"owner": ANA}, 400, id="too little"),
        pytest.param("switch", {"sound": True}, 400, id="no such switch"),
        pytest.param("switch", {"page_limit": "few"}, 400, id="no such value"),
        pytest.param("fly", {}, 404, id="no such action"),
        pytest.param("user", [ANA], 400, id="no object"),
    ],
)
def test_what_nobody_can_do_is_refused(sandbox: Sandbox, action: str, body: Any, status: int) -> None:
    assert httpx.post(f"{sandbox.url}/sandbox/google/{action}", json=body, trust_env=False).status_code == status


def test_switches_are_set_over_http(sandbox: Sandbox, google: Google) -> None:
    told = httpx.post(f"{sandbox.url}/sandbox/google/switch", json={"page_limit": 2}, trust_env=False).json()
    assert (told["page_limit"], google.switches.page_limit) == (2, 2)


def test_a_reset_forgets_people_events_and_switches(sandbox: Sandbox, google: Google, world: World) -> None:
    google.switches.page_limit = 2
    assert httpx.post(f"{sandbox.url}/sandbox/reset", trust_env=False).status_code == 200
    assert (list(google.calendars.mailboxes), google.switches) == ([], Switches())


def test_calls_are_counted_by_method_whatever_came_of_them(ana: httpx.Client, world: World) -> None:
    insert(ana, id="kickoff01")
    ana.post(EVENTS, json={"id": "kickoff01", **TEN})
    ana.get(f"{EVENTS}/nothing01")
    assert {route: times for (_, _, route), times in world.requests.counts.items()} == {"events.insert": 2, "events.get": 1}


# --- from elsewhere -----------------------------------------------------------------------------------------------------------


def received(google: Google, address: str = ANA, summary: str = "Theirs", **fields: Any) -> dict[str, Any]:
    return google.receive(address, EVE, "04abc", summary, "2026-03-09T10:00", "2026-03-09T11:00", guests=["cy@x.example"], **fields)


def test_an_invitation_from_elsewhere_is_a_guests_copy(ana: httpx.Client, google: Google, world: World) -> None:
    made = received(google)
    assert (made["iCalUID"], made["organizer"]["email"], made["creator"]["email"]) == ("04abc", EVE, EVE)
    assert answers(made) == {ANA: "needsAction", "cy@x.example": "needsAction"}
    assert received(google, BO)["id"] == made["id"]
    assert refused(patch(ana, made["id"], {"summary": "Mine"})) == (403, "forbiddenForNonOrganizer")
    google.respond(ANA, made["id"], "accepted")
    assert (answers(get(ana, made["id"]))[ANA], mails(world)) == ("accepted", [("response", EVE)])


def test_an_organiser_elsewhere_changes_his_mind_and_calls_it_off(ana: httpx.Client, google: Google) -> None:
    made = received(google)
    changed = received(google, summary="Theirs, later", sequence=3)
    assert (changed["id"], changed["summary"], changed["sequence"]) == (made["id"], "Theirs, later", 3)
    gone = google.withdraw(ANA, "04abc")
    assert (gone["status"], answers(gone)[ANA]) == ("cancelled", "needsAction")
    assert [set(item) for item in ana.get(EVENTS, params={"showDeleted": "true"}).json()["items"]] == [{"kind", "etag", "id", "status"}]
    with pytest.raises(Refusal, match="Not Found"):
        google.withdraw(ANA, "other")


def test_a_guest_removes_an_invitation_from_elsewhere(ana: httpx.Client, google: Google) -> None:
    made = received(google)
    assert ana.delete(f"{EVENTS}/{made['id']}").status_code == 204
    gone = get(ana, made["id"])
    assert (gone["status"], answers(gone)[ANA]) == ("cancelled", "declined")


def test_a_series_from_elsewhere_is_changed_in_one_calendar_and_not_in_the_other(google: Google) -> None:
    rule = ["RRULE:FREQ=DAILY;COUNT=3"]
    series, theirs = received(google, recurrence=rule), received(google, BO, recurrence=rule)
    day = f"{series['id']}_20260310T090000Z"
    google.delete(ANA, day)
    assert (google.get(ANA, day)["status"], google.get(BO, day)["status"]) == ("cancelled", "confirmed")
    before = google.get(BO, series["id"])
    received(google, summary="Only Ana heard", recurrence=rule)
    assert (theirs["id"], google.get(BO, series["id"])) == (series["id"], before)


def test_what_was_imported_without_oneself_changes_visibly(ana: httpx.Client, google: Google) -> None:
    body = {"iCalUID": "x@elsewhere", "organizer": {"email": EVE}, **SERIES}
    made = ana.post(f"{EVENTS}/import", json=body).json()
    token = ana.get(EVENTS).json()["nextSyncToken"]
    ana.delete(f"{EVENTS}/{made['id']}_20260330T070000Z")
    (stone,) = ana.get(EVENTS, params={"syncToken": token}).json()["items"]
    assert (stone["status"], stone["etag"] != '"0"') == ("cancelled", True)
