"""The API's description: it is a valid one, it is whole, and what is really asked and answered is what it says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from litestar.testing import TestClient

from services.api.app import openapi_document
from services.api.describing import BATCH, EITHER, ONE, SEVERAL
from tests.examples import BO, contact, meeting
from tests.services.asking import Asking, asking

Json = dict[str, Any]

DOCUMENT = openapi_document()
METHODS = ("get", "post", "put", "patch", "delete")
OPERATIONS = [(method, path, told) for path, item in DOCUMENT["paths"].items() for method, told in item.items()]
PARAMETERS = [
    pytest.param(told, one, id=f"{told['operationId']} {one['name']}") for _, _, told in OPERATIONS for one in told.get("parameters", [])
]
RESPONSES = [(told["operationId"], status, answer) for _, _, told in OPERATIONS for status, answer in told["responses"].items()]


def judge(schema: Json) -> Any:
    """For one schema of the document, with its components at hand."""
    return jsonschema.Draft202012Validator(schema | {"components": DOCUMENT["components"]})


def below(value: Any) -> Iterator[Json]:
    """Every object inside."""
    if isinstance(value, dict):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from below(inner)


def schemas() -> list[Json]:
    return [one["schema"] for one in below(DOCUMENT["paths"]) if "schema" in one] + list(DOCUMENT["components"]["schemas"].values())


# --- it is a description ---------------------------------------------------------------------------------------------------------


def test_every_schema_is_one() -> None:
    assert len(schemas()) > 100
    for schema in schemas():
        jsonschema.Draft202012Validator.check_schema(schema)


def test_every_reference_leads_to_something_in_the_document() -> None:
    refs = {one["$ref"] for one in below(DOCUMENT) if isinstance(one.get("$ref"), str)}
    assert "#/components/schemas/SourceEvent" in refs
    for ref in refs:
        found: Any = DOCUMENT
        for part in ref.removeprefix("#/").split("/"):
            found = found[part]
        assert isinstance(found, dict)


def test_every_operation_has_what_openapi_asks_for() -> None:
    names = [told["operationId"] for _, _, told in OPERATIONS]
    assert len(names) == len(set(names))
    for method, path, told in OPERATIONS:
        assert (method in METHODS, path.startswith("/")) == (True, True)
        named = [(one["name"], one["in"]) for one in told.get("parameters", [])]
        assert len(named) == len(set(named))
        assert {name for name, place in named if place == "path"} == set(re.findall(r"\{(\w+)\}", path))
        assert all(one["required"] is True for one in told.get("parameters", []) if one["in"] == "path")
    for _, status, answer in RESPONSES:
        assert re.fullmatch("[1-5][0-9][0-9]", status)
        assert answer["description"]
        assert all("schema" in kind for kind in answer.get("content", {}).values())


def test_a_name_of_a_component_is_one() -> None:
    names = [name for kind in DOCUMENT["components"].values() for name in kind]
    assert [name for name in names if not re.fullmatch(r"[A-Za-z0-9._-]+", name)] == []


# --- what is asked ---------------------------------------------------------------------------------------------------------------

ASKED: dict[str, tuple[Any, Any]] = {
    "limit": (50, 0),
    "wait_for": (1843, -1),
    "Last-Event-ID": (1843, -1),
    "order": ("soonest", "oldest"),
    "dry_run": (True, "yes"),
}


@pytest.mark.parametrize(("told", "parameter"), PARAMETERS)
def test_a_parameter_admits_what_is_good_and_nothing_of_another_kind(told: Json, parameter: Json) -> None:
    good, bad = ASKED.get(parameter["name"], ("x", 7))
    schema = judge(parameter["schema"])
    assert (schema.is_valid(good), schema.is_valid(bad), schema.is_valid(None)) == (True, False, False)


BODIES: list[Any] = [
    pytest.param(meeting(), 202, True, id="a meeting"),
    pytest.param(contact("151", BO), 202, True, id="a contact"),
    pytest.param(meeting(duration="-PT1H"), 422, False, id="a meeting that ends before it begins"),
    pytest.param({k: v for k, v in contact("151", BO).items() if k != "subject"}, 422, False, id="a contact without an id"),
    pytest.param(contact("151", BO) | {"type": "rendezvous.contact.moved.v1"}, 422, False, id="an unknown type"),
]


@pytest.mark.parametrize(("event", "status", "described"), BODIES)
def test_a_body_is_judged_by_the_description_as_by_the_route(event: Json, status: int, described: bool) -> None:
    body = operation("publishSourceEvents")["requestBody"]
    assert (body["required"], list(body["content"])) == (True, [ONE, SEVERAL, EITHER])
    one, several, either = (judge(body["content"][kind]["schema"]) for kind in (ONE, SEVERAL, EITHER))
    assert [one.is_valid(event), several.is_valid([event]), either.is_valid(event), either.is_valid([event])] == [described] * 4
    assert (one.is_valid([event]), several.is_valid(event)) == (False, False)
    engine = Asking()
    with TestClient(engine.app()) as client:
        assert client.post("/v1/source-events", json=event, headers=engine.header("events:publish")).status_code == status


def test_a_batch_has_as_many_events_as_may_be() -> None:
    several = judge(operation("publishSourceEvents")["requestBody"]["content"][SEVERAL]["schema"])
    assert several.is_valid([contact("151", BO)] * BATCH)
    assert not several.is_valid([contact("151", BO)] * (BATCH + 1))


# --- what is answered ------------------------------------------------------------------------------------------------------------


def operation(name: str) -> Json:
    found: Json
    (found,) = [told for _, _, told in OPERATIONS if told["operationId"] == name]
    return found


ANSWERS: list[Any] = [
    ("getContact", "/v1/contacts/151", 200),
    ("getContact", "/v1/contacts/999", 404),
    ("getContact", "/v1/contacts/151?account=70000", 403),
    ("getTimeline", "/v1/contacts/151/timeline", 200),
    ("getTimeline", "/v1/contacts/151/timeline?limit=0", 400),
    ("getTimeline", "/v1/contacts/999/timeline", 404),
    ("getTimeline", "/v1/contacts/151/timeline?wait_for={position}", 503),
    ("followContact", "/v1/contacts/151/changes", 200),
    ("followTimelines", "/v1/timeline-changes", 200),
    ("getMeeting", "/v1/meetings/{meeting}", 200),
    ("getMeeting", "/v1/meetings/none", 404),
    ("getHistory", "/v1/meetings/{meeting}/history", 200),
    ("getDecisions", "/v1/decisions", 200),
    ("explain", "/v1/explain?what=g1", 200),
    ("explain", "/v1/explain", 400),
    ("getConnections", "/v1/connections", 200),
    ("health", "/healthz", 200),
    ("readiness", "/readyz", 503),
    ("metrics", "/metrics", 200),
    ("connect", "POST /v1/connect/google?user=501", 404),
]


def holds(name: str, answer: Any) -> None:
    """This answer is one that the description promises of this operation."""
    promised = operation(name)["responses"][str(answer.status_code)]
    told = {"ETag", "Rendezvous-Position", "Retry-After", "WWW-Authenticate", "Allow"}
    assert {name for name in told if name in answer.headers} == set(promised.get("headers", {}))
    if not promised.get("content"):
        assert answer.content == b""
        return
    kind = answer.headers["content-type"]
    (schema,) = [told["schema"] for of, told in promised["content"].items() if kind.startswith(of)]
    value = answer.json() if kind.endswith("json") else answer.text
    assert [error.message for error in judge(schema).iter_errors(value)] == []


@pytest.mark.parametrize(("name", "asked", "status"), ANSWERS, ids=str)
def test_a_real_answer_is_one_that_is_promised(name: str, asked: str, status: int) -> None:
    engine = asking(meeting())
    path = asked.replace("{meeting}", engine.meeting_id())
    if status == 503:
        (receipt,) = engine.publish([meeting("g2")])
        path = path.replace("{position}", str(receipt.position))
    method, _, path = path.rpartition(" ")
    headers = engine.header("timeline:read", "history:read", "ops")
    with TestClient(engine.app()) as client:
        answer = client.request(method or "GET", path, headers=headers)
    assert answer.status_code == status
    holds(name, answer)


def test_so_is_one_that_nothing_changed_and_one_for_nobody() -> None:
    engine = asking(meeting())
    headers, path = engine.header("timeline:read"), "/v1/contacts/151/timeline"
    with TestClient(engine.app()) as client:
        tag = client.get(path, headers=headers).headers["etag"]
        same, nobody = client.get(path, headers={**headers, "If-None-Match": tag}), client.get(path)
    assert (same.status_code, nobody.status_code) == (304, 401)
    holds("getTimeline", same)
    holds("getTimeline", nobody)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        pytest.param([meeting()], 202, id="accepted"),
        pytest.param([meeting(), meeting("g2", duration="-PT1H")], 200, id="some rejected"),
        pytest.param(meeting(duration="-PT1H"), 422, id="rejected"),
        pytest.param([{}] * (BATCH + 1), 413, id="too many"),
    ],
)
def test_so_is_what_publishing_answers(body: object, status: int) -> None:
    engine = Asking()
    with TestClient(engine.app()) as client:
        answer = client.post("/v1/source-events", json=body, headers=engine.header("events:publish"))
    assert answer.status_code == status
    holds("publishSourceEvents", answer)


def test_health_asks_for_no_token_and_everything_else_does() -> None:
    asks = {told["operationId"]: told.get("security", DOCUMENT["security"]) for _, _, told in OPERATIONS}
    assert {name for name, security in asks.items() if security == [{}]} == {"health", "readiness"}
    assert asks.pop("metrics") == [{}, {"token": []}]
    assert all(security == [{"token": []}] for name, security in asks.items() if name not in ("health", "readiness"))


def test_what_is_served_is_what_is_written() -> None:
    with TestClient(asking().app()) as client:
        assert client.get("/v1/openapi.json").json() == DOCUMENT
