"""Publishing over HTTP: which bodies are taken, and what each outcome is called."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from litestar.testing import TestClient

from services.api.describing import BATCH
from services.api.routes import BODY_BYTES
from tests.examples import ACCOUNT, BO, contact, meeting
from tests.services.asking import OTHER, Asking

ONE, SEVERAL, EITHER = "application/cloudevents+json", "application/cloudevents-batch+json", "application/json"


@pytest.fixture
def engine() -> Asking:
    return Asking()


@pytest.fixture
def client(engine: Asking) -> Iterator[TestClient[Any]]:
    with TestClient(engine.app()) as client:
        yield client


def post(client: TestClient[Any], engine: Asking, body: object, kind: str = EITHER, query: str = "", **headers: str) -> Any:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    shown = engine.header("events:publish")
    return client.post(f"/v1/source-events{query}", content=raw, headers={"Content-Type": kind, **shown, **headers})


def outcomes(answer: Any) -> list[tuple[str, int | None]]:
    return [(r["outcome"], r["position"]) for r in answer.json()["receipts"]]


@pytest.mark.parametrize(
    ("body", "kind", "expected"),
    [
        pytest.param(meeting(), ONE, 1, id="one"),
        pytest.param(meeting(), f"{ONE}; charset=UTF-8", 1, id="one, with its characters named"),
        pytest.param([meeting(), contact("151", BO)], SEVERAL, 2, id="a batch"),
        pytest.param(meeting(), EITHER, 1, id="one as JSON"),
        pytest.param([meeting(), contact("151", BO)], EITHER, 2, id="a batch as JSON"),
        pytest.param(b"\n [ " + json.dumps(meeting()).encode() + b" ] ", EITHER, 1, id="a batch after blanks"),
        pytest.param([], SEVERAL, 0, id="an empty batch"),
        pytest.param([contact(str(n), None) for n in range(BATCH)], SEVERAL, BATCH, id="as many as may be"),
    ],
)
def test_events_are_accepted_and_in_the_log(client: TestClient[Any], engine: Asking, body: object, kind: str, expected: int) -> None:
    answer = post(client, engine, body, kind)
    assert answer.status_code == 202
    assert outcomes(answer) == [("accepted", n) for n in range(1, expected + 1)]
    assert engine.source.end("0") == expected


def test_the_answer_says_which_position_to_wait_for(client: TestClient[Any], engine: Asking) -> None:
    answer = post(client, engine, [contact("151", BO), meeting()])
    assert answer.headers["rendezvous-position"] == "2"


def test_a_second_delivery_is_accepted_as_a_duplicate(client: TestClient[Any], engine: Asking) -> None:
    post(client, engine, meeting())
    again = post(client, engine, meeting())
    assert (again.status_code, outcomes(again)) == (202, [("duplicate", 1)])


def test_of_a_batch_with_a_bad_event_the_others_are_accepted(client: TestClient[Any], engine: Asking) -> None:
    answer = post(client, engine, [meeting(), meeting("g2", duration="-PT1H"), meeting("g3")], SEVERAL)
    assert (answer.status_code, outcomes(answer)) == (200, [("accepted", 1), ("rejected", None), ("accepted", 2)])
    assert [e["pointer"] for e in answer.json()["receipts"][1]["errors"]] == ["/data/duration"]


@pytest.mark.parametrize("kind", [ONE, EITHER])
def test_a_single_bad_event_is_a_problem_with_places(client: TestClient[Any], engine: Asking, kind: str) -> None:
    answer = post(client, engine, meeting(duration="-PT1H", timeZone="Mars/Olympus"), kind)
    body = answer.json()
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert {error["pointer"] for error in body["errors"]} == {"/data/duration", "/data/timeZone"}
    assert (body["id"], body["type"]) == ("google:501:g1:0", "urn:rendezvous:problem:rejected")
    assert engine.source.end("0") == 0


def test_events_of_another_account_are_rejected(client: TestClient[Any], engine: Asking) -> None:
    answer = post(client, engine, [contact("1", BO), contact("2", BO, account=OTHER)])
    assert outcomes(answer) == [("accepted", 1), ("rejected", None)]
    assert post(client, engine, contact("2", BO, account=OTHER)).json()["errors"][0]["pointer"] == "/account"
    assert [r.account for r in engine.source.read("0", 0, 10)] == [ACCOUNT]


@pytest.mark.parametrize("query", ["?dry_run=true", "?dry_run=false&account=" + ACCOUNT])
def test_a_dry_run_appends_nothing(client: TestClient[Any], engine: Asking, query: str) -> None:
    answer = post(client, engine, meeting(), query=query)
    assert (answer.status_code, answer.json()["receipts"][0]["outcome"]) == (202, "accepted")
    assert engine.source.end("0") == (0 if "dry_run=true" in query else 1)


def test_a_dry_run_says_duplicate_of_what_is_in_the_log(client: TestClient[Any], engine: Asking) -> None:
    post(client, engine, meeting())
    tried = post(client, engine, [meeting(), contact("151", BO)], query="?dry_run=true")
    assert (tried.status_code, outcomes(tried), engine.source.end("0")) == (202, [("duplicate", 1), ("accepted", None)], 1)


@pytest.mark.parametrize(
    ("body", "kind", "query", "status"),
    [
        pytest.param(b"{}", "text/plain", "", 415, id="another type"),
        pytest.param(b"{}", "", "", 415, id="no type"),
        pytest.param(b"{", ONE, "", 422, id="a cut event"),
        pytest.param(b"", ONE, "", 422, id="nothing"),
        pytest.param(b"[{", SEVERAL, "", 400, id="a cut batch"),
        pytest.param(b"{}", SEVERAL, "", 400, id="a batch that is none"),
        pytest.param(b"[" * 100_000, SEVERAL, "", 400, id="a nest"),
        pytest.param(b"\xff\xfe", EITHER, "", 422, id="no UTF-8"),
        pytest.param(b"[" + b"{}," * BATCH + b"{}]", SEVERAL, "", 413, id="one more than may be"),
        pytest.param(b"x" * (BODY_BYTES + 1), ONE, "", 413, id="too large a body"),
        pytest.param(b"{}", ONE, "?dry_run=maybe", 400, id="neither yes nor no"),
        pytest.param(b"{}", ONE, "?account=70000", 403, id="another account"),
        pytest.param(b"{}", ONE, "?dry-run=true", 400, id="a mistyped parameter"),
        pytest.param(b"{}", f"{ONE}; charset=iso-8859-1", "", 415, id="other characters"),
    ],
)
def test_a_body_that_cannot_be_taken_is_a_problem(
    client: TestClient[Any], engine: Asking, body: bytes, kind: str, query: str, status: int
) -> None:
    answer = post(client, engine, body, kind, query)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert engine.source.end("0") == 0


def test_a_body_as_large_as_may_be_is_read(client: TestClient[Any], engine: Asking) -> None:
    assert post(client, engine, b"x" * BODY_BYTES, ONE).status_code == 422


def test_a_mistyped_dry_run_publishes_nothing_and_is_told_the_right_word(client: TestClient[Any], engine: Asking) -> None:
    answer = post(client, engine, meeting(), query="?dryrun=true")
    assert answer.json()["errors"] == [{"pointer": "/dryrun", "reason": "no parameter of this path, which knows account, dry_run"}]
    assert engine.source.end("0") == 0


@pytest.mark.parametrize(("coding", "status"), [("gzip", 415), ("br", 415), ("identity", 202), ("", 202)])
def test_a_packed_body_is_refused_with_what_is_taken(client: TestClient[Any], engine: Asking, coding: str, status: int) -> None:
    answer = post(client, engine, meeting(), ONE, **{"Content-Encoding": coding})
    assert answer.status_code == status
    if status == 415:
        assert (answer.headers["accept-encoding"], coding in answer.json()["detail"]) == ("identity", True)


@pytest.mark.parametrize(
    ("body", "kind"),
    [pytest.param(b"x" * (BODY_BYTES + 1), ONE, id="bytes"), pytest.param(b"[" + b"{}," * BATCH + b"{}]", SEVERAL, id="events")],
)
def test_who_sends_too_much_is_told_how_much_may_be(client: TestClient[Any], engine: Asking, body: bytes, kind: str) -> None:
    assert "at most 5 MiB and 500 events are taken at once; split the batch" in post(client, engine, body, kind).json()["detail"]


@pytest.mark.parametrize("scope", ["timeline:read", "history:read", "ops"])
def test_publishing_asks_for_its_scope(client: TestClient[Any], engine: Asking, scope: str) -> None:
    headers = {"Content-Type": ONE, **engine.header(scope)}
    assert client.post("/v1/source-events", content=json.dumps(meeting()), headers=headers).status_code == 403


def test_without_a_token_nothing_is_read(client: TestClient[Any]) -> None:
    assert client.post("/v1/source-events", content=b"x" * (BODY_BYTES + 1)).status_code in (401, 413)
    assert client.post("/v1/source-events", content=b"{}").status_code == 401
