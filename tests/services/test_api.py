"""The routes of version 1: what each answers, to whom, and how it refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from litestar.testing import TestClient

from domain.ports import NewRecord
from services.api import shapes
from services.api.app import framework
from services.explain import Explained
from services.history import History
from services.tokens import SCOPES
from tests.examples import ACCOUNT, BO, CY, contact_said, meeting
from tests.services.asking import OTHER, Asking, asking

Client = TestClient[Any]


@pytest.fixture
def engine() -> Asking:
    return asking(meeting(), meeting("g2", start="2026-04-08T10:00:00", title="Follow-up"))


@pytest.fixture
def client(engine: Asking) -> Iterator[Client]:
    with TestClient(engine.app(), raise_server_exceptions=False) as client:
        yield client


def problem(answer: Any) -> dict[str, Any]:
    """The problem in an answer, which must be one in form."""
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert {"type", "title", "status", "detail", "instance"} <= set(body)
    assert body["status"] == answer.status_code
    return body


def pointers(answer: Any) -> list[str]:
    return [error["pointer"] for error in problem(answer).get("errors", [])]


# --- what is answered ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "scope", "shape"),
    [
        pytest.param("/v1/contacts/151", "timeline:read", shapes.ContactBody, id="a contact"),
        pytest.param(f"/v1/contacts/{BO}", "timeline:read", shapes.ContactBody, id="a contact by address"),
        pytest.param("/v1/contacts/151/timeline", "timeline:read", shapes.TimelineBody, id="a timeline"),
        pytest.param("/v1/contacts/152/timeline", "timeline:read", shapes.TimelineBody, id="an empty timeline"),
        pytest.param("/v1/decisions", "history:read", shapes.DecisionsBody, id="decisions"),
        pytest.param("/v1/decisions?subject=g1&limit=1", "ops", shapes.DecisionsBody, id="decisions about a subject"),
        pytest.param("/v1/explain?what=g1", "timeline:read", Explained, id="an explanation"),
        pytest.param("/v1/explain?what=unheard-of", "ops", Explained, id="an explanation of nothing"),
        pytest.param("/v1/connections", "ops", shapes.ConnectionsBody, id="connections"),
        pytest.param("/v1/meetings/{meeting}/history", "history:read", History, id="a history"),
        pytest.param("/healthz", None, shapes.HealthBody, id="health"),
        pytest.param("/readyz", None, shapes.ReadyBody, id="readiness"),
        pytest.param("/v1/readyz", None, shapes.ReadyBody, id="readiness under the version"),
    ],
)
def test_an_answer_has_the_shape_that_the_description_promises(
    client: Client, engine: Asking, path: str, scope: str | None, shape: type[Any]
) -> None:
    headers = engine.header(scope) if scope else {}
    answer = client.get(path.format(meeting=engine.meeting_id()), headers=headers)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
    read = msgspec.json.decode(answer.content, type=shape, strict=True)
    # Nothing more than is promised, either: written out again, it says as much.
    assert json.loads(msgspec.json.encode(read)) == answer.json()


def test_a_timeline_is_the_contact_his_entries_and_how_fresh_they_are(client: Client, engine: Asking) -> None:
    answer = client.get("/v1/contacts/151/timeline", headers=engine.header("timeline:read"))
    body = answer.json()
    assert [entry["title"] for entry in body["entries"]] == ["Follow-up", "Kick-off"]
    assert (body["contact"]["email"], body["next"], body["previous"]) == (BO, None, None)
    assert int(answer.headers["rendezvous-position"]) == body["freshness"]["position"] == engine.views.position()


def test_a_timeline_is_paged_by_cursor(client: Client, engine: Asking) -> None:
    headers, path = engine.header("timeline:read"), "/v1/contacts/151/timeline"
    first = client.get(path, params={"limit": 1, "order": "soonest"}, headers=headers).json()
    second = client.get(path, params={"limit": 1, "order": "soonest", "cursor": first["next"]}, headers=headers).json()
    back = client.get(path, params={"limit": 1, "order": "soonest", "cursor": second["previous"]}, headers=headers).json()
    assert [page["entries"][0]["title"] for page in (first, second, back)] == ["Kick-off", "Follow-up", "Kick-off"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        pytest.param("from=2026-04-08", ["Follow-up"], id="from a date"),
        pytest.param("to=2026-04-07", ["Kick-off"], id="to the end of a date"),
        pytest.param("from=2026-04-08&to=2026-04-08", ["Follow-up"], id="one date"),
        pytest.param("to=2026-04-07T08:00:00Z", [], id="to a time, exclusive"),
        pytest.param("from=2026-04-07T10:30:00%2B02:00&to=2026-04-07T08:31:00Z", ["Kick-off"], id="within a meeting"),
        pytest.param("from=2026-04-07T10:30:00+02:00&to=2026-04-08", ["Follow-up", "Kick-off"], id="a plus that nobody encoded"),
        pytest.param("status=cancelled", [], id="of a status"),
        pytest.param("status=cancelled,confirmed&order=soonest", ["Kick-off", "Follow-up"], id="of two, soonest first"),
        pytest.param("as_of=2020-01-01T00:00:00Z", [], id="before anything was recorded"),
        pytest.param("limit=1", ["Follow-up"], id="one"),
    ],
)
def test_a_timeline_is_filtered(client: Client, engine: Asking, query: str, found: list[str]) -> None:
    answer = client.get(f"/v1/contacts/151/timeline?{query}", headers=engine.header("timeline:read"))
    assert [entry["title"] for entry in answer.json()["entries"]] == found


def test_the_page_behind_the_framework_is_the_page_in_front_of_it(engine: Asking) -> None:
    front = engine.app()
    headers = engine.header("timeline:read")
    for path in ("/v1/contacts/151/timeline?limit=1", "/v1/contacts/999/timeline", "/v1/contacts/151/timeline?limit=x"):
        with TestClient(front) as ahead, TestClient(front.litestar) as behind:
            one, other = ahead.get(path, headers=headers), behind.get(path, headers=headers)
        assert (one.status_code, one.content) == (other.status_code, other.content)
        assert dict(one.headers) == dict(other.headers)


def test_a_merged_contact_answers_with_its_survivors_timeline(client: Client, engine: Asking) -> None:
    engine.tell(contact_said("152", "contact.merged", 5, {"merged": ["151"], "email": CY, "name": "Cy"}))
    body = client.get("/v1/contacts/151/timeline", headers=engine.header("timeline:read")).json()
    assert (body["contact"]["id"], len(body["entries"])) == ("152", 2)


# --- if nothing changed ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["{}", '"other", {}', "*", "{strong}"])
def test_who_has_this_version_is_told_so_and_no_more(client: Client, engine: Asking, form: str) -> None:
    headers, path = engine.header("timeline:read"), "/v1/contacts/151/timeline"
    tag = client.get(path, headers=headers).headers["etag"]
    assert tag.startswith('W/"')
    again = client.get(path, headers={**headers, "If-None-Match": form.format(tag, strong=tag[2:])})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)


def test_another_version_or_another_question_is_answered_in_full(client: Client, engine: Asking) -> None:
    headers, path = engine.header("timeline:read"), "/v1/contacts/151/timeline"
    known = {**headers, "If-None-Match": client.get(path, headers=headers).headers["etag"]}
    assert client.get(f"{path}?limit=1", headers=known).status_code == 200
    engine.tell(meeting(revision=1, title="Renamed"))
    assert client.get(path, headers=known).status_code == 200


def test_if_none_match_may_be_said_in_several_lines(client: Client, engine: Asking) -> None:
    headers, path = engine.header("timeline:read"), "/v1/contacts/151/timeline"
    tag = client.get(path, headers=headers).headers["etag"]
    lines = [*headers.items(), ("If-None-Match", '"other"'), ("If-None-Match", tag)]
    assert client.get(path, headers=lines).status_code == 304
    assert client.get(path, headers=lines[:-1]).status_code == 200


def test_not_modified_is_no_way_past_the_door(client: Client, engine: Asking) -> None:
    assert client.get("/v1/contacts/151/timeline", headers={"If-None-Match": "*"}).status_code == 401
    assert client.get("/v1/contacts/999/timeline", headers={"If-None-Match": "*", **engine.header("timeline:read")}).status_code == 404


# --- read your writes ------------------------------------------------------------------------------------------------------------


def test_who_waits_for_a_position_that_is_there_is_answered_at_once(client: Client, engine: Asking) -> None:
    (receipt,) = engine.publish([meeting("g3", title="Third")])
    engine.settle()
    headers = engine.header("timeline:read")
    answer = client.get(f"/v1/contacts/151/timeline?wait_for={receipt.position}", headers=headers)
    assert "Third" in answer.text
    again = client.get(f"/v1/contacts/151/timeline?wait_for={answer.headers['rendezvous-position']}", headers=headers)
    assert again.status_code == 200


def test_who_waits_for_what_does_not_come_is_told_to_try_again(client: Client, engine: Asking) -> None:
    (receipt,) = engine.publish([meeting("g3")])
    headers = engine.header("timeline:read")
    answer = client.get(f"/v1/contacts/151/timeline?wait_for={receipt.position}", headers=headers)
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert problem(answer)["type"] == "urn:rendezvous:problem:try-again"
    assert client.get("/v1/contacts/151/timeline", headers=headers).status_code == 200


def test_a_position_ahead_of_the_log_is_all_there_is(client: Client, engine: Asking) -> None:
    assert client.get("/v1/contacts/151/timeline?wait_for=99999999", headers=engine.header("timeline:read")).status_code == 200


@pytest.mark.parametrize(
    "stop_after", [pytest.param(0, id="not decided"), pytest.param(1, id="decided, not relayed"), pytest.param(2, id="relayed, not folded")]
)
def test_every_step_between_accepting_and_reading_is_waited_for(engine: Asking, stop_after: int) -> None:
    (receipt,) = engine.publish([meeting("g3")])
    assert receipt.position is not None
    there = engine.progress.reached(ACCOUNT, receipt.position)
    steps = [lambda: engine.sync.step("0"), engine.relay.step, engine.project.step]
    for step in steps[:stop_after]:
        step()
    assert there() is False
    for step in steps[stop_after:]:
        step()
    assert there() is True


# --- who may -----------------------------------------------------------------------------------------------------------------------

ROUTES = {
    "/v1/contacts/151": {"timeline:read"},
    "/v1/contacts/151/timeline": {"timeline:read"},
    "/v1/contacts/151/changes": {"timeline:read"},
    "/v1/timeline-changes": {"timeline:read"},
    "/v1/meetings/{meeting}": {"timeline:read"},
    "/v1/meetings/{meeting}/history": {"history:read"},
    "/v1/decisions": {"timeline:read", "history:read", "ops"},
    "/v1/explain?what=g1": {"timeline:read", "history:read", "ops"},
    "/v1/connections": {"timeline:read", "ops"},
    "/metrics": {"ops"},
}


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("path", ROUTES)
def test_a_route_asks_for_its_scope(client: Client, engine: Asking, path: str, scope: str) -> None:
    answer = client.get(path.format(meeting=engine.meeting_id()), headers=engine.header(scope))
    if scope in ROUTES[path]:
        assert answer.status_code == 200
    else:
        assert answer.status_code == 403
        assert problem(answer)["type"] == "urn:rendezvous:problem:forbidden"


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="no header"),
        pytest.param({"Authorization": "Bearer"}, id="no token"),
        pytest.param({"Authorization": "Bearer rzv_" + "A" * 43}, id="a token that was never made"),
        pytest.param({"Authorization": "Basic YTpi"}, id="another scheme"),
        pytest.param({"Authorization": "\u00fc"}, id="what is no header at all"),
    ],
)
@pytest.mark.parametrize("path", ROUTES)
def test_without_a_live_token_nothing_is_answered(client: Client, path: str, headers: dict[str, str]) -> None:
    answer = client.get(path.format(meeting="x"), headers={k: v.encode("latin-1") for k, v in headers.items()})  # type: ignore[arg-type]  # httpx takes bytes
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert problem(answer)["title"] == "Unauthorised"


def test_every_route_is_on_this_list() -> None:
    """A new route must be tried here, and by the isolation tests, which walk the same list."""
    described = framework(None).openapi_schema.to_schema()["paths"]
    open_to_all = {"/healthz", "/readyz"}
    # How calendars are connected is tried in tests/services/test_api_connecting.py, with what the providers call.
    connecting = {"/v1/connect/{provider}", "/v1/connect/{provider}/link"}
    tried = {path.partition("?")[0].replace("151", "{who}") for path in ROUTES} | {"/v1/source-events"} | connecting
    assert set(described) - open_to_all == tried


def test_a_revoked_token_opens_nothing(client: Client, engine: Asking) -> None:
    headers = engine.header("timeline:read")
    assert client.get("/v1/contacts/151", headers=headers).status_code == 200
    engine.tokens.revoke(engine.tokens.list()[0].id)
    assert client.get("/v1/contacts/151", headers=headers).status_code == 401
    assert client.get("/v1/contacts/151/timeline", headers=headers).status_code == 401


@pytest.mark.parametrize(
    ("client_address", "headers", "status"),
    [
        pytest.param("127.0.0.1", {}, 200, id="this machine"),
        pytest.param("::1", {}, 200, id="this machine by its other name"),
        pytest.param("127.0.0.1", {"X-Forwarded-For": "10.0.0.9"}, 401, id="a proxy on this machine"),
        pytest.param("10.0.0.9", {}, 401, id="another machine"),
    ],
)
def test_metrics_are_for_this_machine_or_an_operator(engine: Asking, client_address: str, headers: dict[str, str], status: int) -> None:
    front = engine.app()

    async def from_there(scope: Any, receive: Any, send: Any) -> None:
        await front({**scope, "client": (client_address, 1)}, receive, send)

    with TestClient(from_there) as client:
        assert client.get("/metrics", headers=headers).status_code == status


def test_metrics_count_requests_by_route_and_name_nobody(client: Client, engine: Asking) -> None:
    for path in (f"/v1/contacts/{BO}/timeline", "/v1/contacts/151/timeline", "/v1/contacts/999", "/wp-login.php"):
        client.get(path, headers=engine.header("timeline:read"))
    answer = client.get("/metrics", headers=engine.header("ops", account="*"))
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    text = answer.text
    assert 'rendezvous_http_requests_total{method="GET",route="/v1/contacts/{who}/timeline",status="200"} 2.0' in text
    assert 'route="/v1/contacts/{who}",status="404"} 1.0' in text
    assert "rendezvous_lag_events 0.0" in text
    assert 'rendezvous_rows{model="entries"} 2.0' in text
    assert [word for word in (BO, "/151", "/999", ACCOUNT, "wp-login") if word in text] == []


# --- a token for every account ---------------------------------------------------------------------------------------------------


def test_a_token_for_every_account_must_name_one(client: Client, engine: Asking) -> None:
    headers = engine.header("ops", account="*")
    assert pointers(client.get("/v1/connections", headers=headers)) == ["/account"]
    assert len(client.get(f"/v1/connections?account={ACCOUNT}", headers=headers).json()["connections"]) == 1
    assert client.get(f"/v1/connections?account={OTHER}", headers=headers).json() == {"connections": []}


def test_a_token_for_one_account_may_name_its_own(client: Client, engine: Asking) -> None:
    headers = engine.header("timeline:read")
    assert client.get(f"/v1/contacts/151?account={ACCOUNT}", headers=headers).status_code == 200
    assert client.get(f"/v1/contacts/151/timeline?account={ACCOUNT}", headers=headers).status_code == 200


def test_an_event_that_nobody_could_read_is_explained_by_its_id(client: Client, engine: Asking) -> None:
    engine.source.append([NewRecord(ACCOUNT, 1, b'{"id":"lost-1"}')], 1_772_442_905_001)
    engine.settle()
    explained = client.get("/v1/explain?what=lost-1", headers=engine.header("timeline:read")).json()
    assert (explained["what"], explained["found"], [one["rule"] for one in explained["decisions"]]) == ("lost-1", True, ["malformed"])


# --- refusals ----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("query", "pointer"),
    [
        pytest.param("limit=0", "/limit", id="no entries"),
        pytest.param("limit=1001", "/limit", id="too many"),
        pytest.param("limit=ten", "/limit", id="a word"),
        pytest.param("limit=\u0661", "/limit", id="another script's digit"),
        pytest.param("limit=1&limit=2", "/limit", id="twice"),
        pytest.param("order=oldest", "/order", id="an unknown order"),
        pytest.param("status=gone", "/status", id="an unknown status"),
        pytest.param("from=yesterday", "/from", id="no time"),
        pytest.param("to=2026-02-30", "/to", id="no date"),
        pytest.param("to=9999-12-31", "/to", id="the end of the calendar"),
        pytest.param("from=0001-01-01T00:00:00%2B14:00", "/from", id="before the calendar in UTC"),
        pytest.param("from=2026-04-09&to=2026-04-07", "/to", id="an end before the beginning"),
        pytest.param("from=2026-04-07T10:30:00", "/from", id="a time without an offset"),
        pytest.param("as_of=", "/as_of", id="a moment of the log that is empty"),
        pytest.param("status=", "/status", id="a status that is empty"),
        pytest.param("to=20260407", "/to", id="a date that is read as a time without one"),
        pytest.param("as_of=2026-04-07T10:30:00.123", "/as_of", id="a moment of the log without an offset"),
        pytest.param("as_of=99999-01-01T00:00:00Z", "/as_of", id="beyond the calendar"),
        pytest.param("cursor=abc", "/cursor", id="no cursor"),
        pytest.param("wait_for=-1", "/wait_for", id="before the beginning"),
        pytest.param("wait_for=99999999999999999999", "/wait_for", id="beyond every number"),
        pytest.param("limit=%FF", "", id="no UTF-8"),
        pytest.param("&".join(f"a{n}=1" for n in range(51)), "", id="too many parameters"),
        pytest.param("account=", "/account", id="an account without a name"),
    ],
)
def test_a_question_that_cannot_be_understood_is_refused_with_its_place(client: Client, engine: Asking, query: str, pointer: str) -> None:
    answer = client.get(f"/v1/contacts/151/timeline?{query}", headers=engine.header("timeline:read"))
    assert (answer.status_code, pointers(answer)) == (400, [pointer])


def test_a_time_without_an_offset_is_told_how_to_write_it(client: Client, engine: Asking) -> None:
    answer = client.get("/v1/contacts/151/timeline?as_of=2026-04-07T10:30:00", headers=engine.header("timeline:read"))
    [error] = answer.json()["errors"]
    assert error["reason"] == ("'2026-04-07T10:30:00' has no offset; write 2026-03-09, 2026-03-09T10:00:00Z or 2026-03-09T10:00:00+01:00")


@pytest.mark.parametrize(
    ("path", "pointer"),
    [
        pytest.param("/v1/explain", "/what", id="nothing to explain"),
        pytest.param("/v1/explain?what=%20", "/what", id="a blank to explain"),
        pytest.param("/v1/decisions?event=a&meeting=b", "/meeting", id="two questions"),
        pytest.param("/v1/decisions?cursor=abc", "/cursor", id="no cursor"),
        pytest.param("/v1/decisions?limit=0", "/limit", id="no decisions"),
        pytest.param("/v1/decisions?event=", "/event", id="an event without a name"),
        pytest.param("/v1/decisions?meeting=", "/meeting", id="a meeting without a name"),
        pytest.param("/v1/connections?account=", "/account", id="an account without a name"),
    ],
)
def test_so_is_any_other_question(client: Client, engine: Asking, path: str, pointer: str) -> None:
    answer = client.get(path, headers=engine.header("timeline:read"))
    assert (answer.status_code, pointers(answer)) == (400, [pointer])


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        pytest.param("GET", "/nowhere", 404, id="an unknown route"),
        pytest.param("GET", "/v1/nowhere", 404, id="an unknown route of the version"),
        pytest.param("POST", "/v1/nowhere", 404, id="writing to an unknown route"),
        pytest.param("GET", "/v1", 404, id="the version itself"),
        pytest.param("GET", "/v1/openapi.json/x", 404, id="something beneath the description"),
        pytest.param("GET", "/v1/contacts/999", 404, id="an unknown contact"),
        pytest.param("GET", "/v1/contacts/a%2Fb/timeline", 404, id="a stroke in a contact's name"),
        pytest.param("GET", "/v1/contacts//timeline", 404, id="no contact"),
        pytest.param("GET", "/v1/meetings/nothing", 404, id="no meeting's id"),
        pytest.param("GET", "/v1/decisions?meeting=nothing", 404, id="decisions about no meeting's id"),
        pytest.param("DELETE", "/v1/contacts/151", 405, id="a method that is not allowed"),
        pytest.param("POST", "/v1/contacts/151/timeline", 405, id="a method that a page does not know"),
        pytest.param("GET", "/v1/source-events", 405, id="reading where one writes"),
    ],
)
def test_what_is_not_there_is_a_problem_like_any_other(client: Client, engine: Asking, method: str, path: str, status: int) -> None:
    answer = client.request(method, path, headers=engine.header("timeline:read"))
    assert answer.status_code == status
    assert problem(answer)["instance"].startswith("/")


@pytest.mark.parametrize("path", ROUTES)
def test_a_parameter_that_a_path_does_not_know_is_refused_and_the_known_are_named(client: Client, engine: Asking, path: str) -> None:
    if path == "/metrics":  # what watches a process may say what it likes
        assert client.get("/metrics?foo=1", headers=engine.header("ops")).status_code == 200
        return
    asked = f"{path.format(meeting=engine.meeting_id())}{'&' if '?' in path else '?'}foo=1"
    answer = client.get(asked, headers=engine.header("timeline:read", "history:read", "ops"))
    assert (answer.status_code, pointers(answer)) == (400, ["/foo"])
    assert "account" in problem(answer)["detail"]
    assert client.get(asked).status_code == 401


def test_the_parameters_that_are_known_are_those_that_are_described(client: Client, engine: Asking) -> None:
    answer = client.get("/v1/contacts/151/timeline?until=2026-01-01", headers=engine.header("timeline:read"))
    known = "account, as_of, cursor, from, limit, order, status, to, wait_for"
    assert problem(answer)["errors"] == [{"pointer": "/until", "reason": f"no parameter of this path, which knows {known}"}]


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        pytest.param("DELETE", "/v1/contacts/151", "GET, HEAD, OPTIONS", id="a contact"),
        pytest.param("POST", "/v1/contacts/151/timeline", "GET, HEAD, OPTIONS", id="a timeline"),
        pytest.param("HEAD", "/v1/timeline-changes", "GET, OPTIONS", id="a stream, which has no end to be told"),
        pytest.param("HEAD", "/v1/contacts/151/changes", "GET, OPTIONS", id="a contact's stream"),
        pytest.param("GET", "/v1/source-events", "OPTIONS, POST", id="what is written only"),
        pytest.param("HEAD", "/v1/connect/google/callback", "GET, OPTIONS", id="a consent, which a look would use up"),
    ],
)
def test_a_method_that_a_path_does_not_take_is_refused_with_those_that_it_takes(
    client: Client, method: str, path: str, allowed: str
) -> None:
    answer = client.request(method, path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
    assert client.options(path).headers["allow"] == allowed
    if method != "HEAD":
        assert problem(answer)["detail"] == f"this path takes {allowed}"


@pytest.mark.parametrize("path", [*ROUTES, "/healthz", "/readyz", "/v1/openapi.json", "/v1/contacts/999", "/nowhere"])
def test_head_answers_as_get_does_without_the_body(client: Client, engine: Asking, path: str) -> None:
    if path.endswith("changes"):
        return
    asked, headers = path.format(meeting=engine.meeting_id()), engine.header("timeline:read", "history:read", "ops")
    told, head = client.get(asked, headers=headers), client.head(asked, headers=headers)
    assert (head.status_code, head.content) == (told.status_code, b"")
    assert len(told.content) > 0
    ours = {name: value for name, value in told.headers.items() if path != "/metrics" or name != "content-length"}
    assert ours.items() <= dict(head.headers).items()


def test_head_is_counted_as_what_it_is(client: Client, engine: Asking) -> None:
    client.head("/healthz")
    client.head("/v1/contacts/151/timeline", headers=engine.header("timeline:read"))
    text = client.get("/metrics", headers=engine.header("ops")).text
    assert 'rendezvous_http_requests_total{method="HEAD",route="/healthz",status="200"} 1.0' in text
    assert 'rendezvous_http_requests_total{method="HEAD",route="/v1/contacts/{who}/timeline",status="200"} 1.0' in text


def test_a_stroke_in_a_contacts_id_is_part_of_it(client: Client, engine: Asking) -> None:
    engine.tell(contact_said("a/b c", "contact.created", 6, {"email": "x/y@client.example", "name": "Odd"}))
    engine.tell(meeting("g9", guests=("x/y@client.example",), title="With Odd"))
    headers = engine.header("timeline:read")
    for who in ("a%2Fb%20c", "a%2fb%20c", "x%2Fy%40client.example"):
        assert client.get(f"/v1/contacts/{who}", headers=headers).json()["id"] == "a/b c"
        for path in (f"/v1/contacts/{who}/timeline", f"/v1/contacts/{who}/timeline/"):  # in front of the framework, and behind it
            assert [entry["title"] for entry in client.get(path, headers=headers).json()["entries"]] == ["With Odd"]
        stream = client.get(f"/v1/contacts/{who}/changes", headers={**headers, "Last-Event-ID": "0"})
        assert (stream.status_code, "With Odd" in stream.text) == (200, True)
    gone = client.get("/v1/contacts/a%2Fc", headers=headers)
    assert (gone.status_code, problem(gone)["instance"]) == (404, "/v1/contacts/a/c")
    assert client.get("/v1/contacts/a/b%20c", headers=headers).status_code == 404
    assert problem(client.get("/v1/no%2Fwhere"))["instance"] == "/v1/no/where"


@pytest.mark.parametrize("path", ["/v1/contacts/{}", "/v1/contacts/{}/timeline", "/v1/{}"])
def test_a_problem_repeats_little_of_what_was_sent(client: Client, engine: Asking, path: str) -> None:
    answer = client.get(path.format("x" * 6000), headers=engine.header("timeline:read"))
    assert (answer.status_code, len(answer.content) < 2000) == (404, True)
    assert problem(answer)["instance"].startswith("/v1/")


@pytest.mark.parametrize("path", ["/v1/contacts/151", "/v1/contacts/151/timeline", "/v1/explain?what=151", "/readyz"])
def test_an_error_of_ours_shows_nothing_of_us(engine: Asking, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> Any:
        raise RuntimeError("secret path /var/lib/rendezvous")

    headers = engine.header("timeline:read")
    monkeypatch.setattr(engine.views, "contact", broken)
    monkeypatch.setattr(engine.views, "position", broken)
    with TestClient(engine.app(), raise_server_exceptions=False) as client:
        answer = client.get(path, headers=headers)
    assert answer.status_code == 500
    assert "secret" not in answer.text
    assert problem(answer)["detail"] == "something went wrong here; it is in our log"


# --- health and description ------------------------------------------------------------------------------------------------------


def test_it_is_ready_when_the_read_models_have_caught_up(engine: Asking) -> None:
    engine.publish([meeting("g3")])
    with TestClient(engine.app(ready_lag=0)) as client:
        assert problem(client.get("/readyz"))["detail"] == "1 events wait to be decided or folded; ready at 0"
        assert client.get("/healthz").status_code == 200
        engine.settle()
        assert client.get("/readyz").json() == {"status": "ready", "lag": 0}
    with TestClient(engine.app(ready_lag=5)) as client:
        engine.publish([meeting("g4")])
        assert client.get("/readyz").status_code == 200


def test_the_api_describes_itself(client: Client) -> None:
    described = client.get("/v1/openapi.json").json()
    assert described["openapi"].startswith("3.1")
    assert described["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    names = {p["name"] for p in described["paths"]["/v1/contacts/{who}/timeline"]["get"]["parameters"]}
    assert names == {"who", "from", "to", "status", "as_of", "cursor", "limit", "order", "wait_for", "account", "If-None-Match"}
    publishing = described["paths"]["/v1/source-events"]["post"]["responses"]
    assert {"200", "202", "400", "401", "403", "413", "415", "422"} <= set(publishing)
    assert "application/problem+json" in publishing["422"]["content"]


def test_the_description_needs_no_installation() -> None:
    assert framework(None).openapi_schema.to_schema()["info"]["title"] == "Rendezvous"
