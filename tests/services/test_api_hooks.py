"""The routes that providers call: open to all, believing few, and acknowledging only what is durable."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from litestar.testing import TestClient

from domain.errors import TryAgain
from services.api.app import framework
from services.push import BODY_BYTES, MOST_TOKEN
from tests.services.consents import CRM, GOOGLE, OFFICE, PUBLIC, Consents
from tests.services.test_push import change, hint, item, said

Client = TestClient[Any]


@pytest.fixture
def consents() -> Consents:
    made = Consents()
    made.connect(CRM)
    made.connect(GOOGLE)
    made.later()
    made.channel()
    made.channel(OFFICE, "sub1")
    return made


@pytest.fixture
def client(consents: Consents) -> Iterator[Client]:
    # Not at the public address, as behind a proxy: what is signed is told by the settings and not by the request.
    with TestClient(consents.app(), base_url="http://inside.local:8321", raise_server_exceptions=False) as client:
        yield client


def hubspot(client: Client, consents: Consents, body: bytes, query: str = "", **headers: str) -> Any:
    told = said(body, consents.now, uri=PUBLIC + "/v1/hooks/hubspot" + query) | headers
    return client.post("/v1/hooks/hubspot" + query, content=body, headers=told)


def test_a_signed_batch_is_taken(client: Client, consents: Consents) -> None:
    answer = hubspot(client, consents, json.dumps([item(), item(objectId=7)]).encode(), "?from=hub")
    assert (answer.status_code, answer.content, consents.inbox.waiting()) == (200, b"", 2)


def test_a_batch_that_is_not_signed_is_refused(client: Client, consents: Consents) -> None:
    answer = client.post("/v1/hooks/hubspot", content=json.dumps([item()]))
    assert (answer.status_code, consents.inbox.waiting()) == (403, 0)


def test_what_is_genuine_and_cannot_be_read_is_acknowledged_because_it_stands_in_the_dead_letters(
    client: Client, consents: Consents
) -> None:
    assert hubspot(client, consents, b"{not json").status_code == 200
    assert [letter.body for letter in consents.engine.dead.list(None, "", 10)] == [b"{not json"]


@pytest.mark.parametrize("part", ["inbox", "engine.dead"])
def test_what_could_not_be_kept_is_not_acknowledged(client: Client, consents: Consents, monkeypatch: pytest.MonkeyPatch, part: str) -> None:
    def busy(*_: object) -> int:
        raise TryAgain("busy")

    target: Any = consents
    for name in part.split("."):
        target = getattr(target, name)
    monkeypatch.setattr(target, "put", busy)
    body = json.dumps([item()]).encode() if part == "inbox" else b"{"
    assert hubspot(client, consents, body).status_code == 503


@pytest.mark.parametrize("path", ["hubspot", "office365", "google"])
def test_a_body_has_its_limit(client: Client, consents: Consents, path: str) -> None:
    assert client.post(f"/v1/hooks/{path}", content=b" " * (BODY_BYTES + 1)).status_code == 413
    assert consents.inbox.waiting() == 0


@pytest.mark.parametrize(
    ("headers", "woken"), [(hint(), True), (hint(channel_token="no"), False), (hint(channel_id="no"), False), ({}, False)]
)
def test_google_learns_nothing_and_wakes_what_is_its_own(client: Client, consents: Consents, headers: dict[str, str], woken: bool) -> None:
    answer = client.post("/v1/hooks/google", headers=headers)
    assert (answer.status_code, answer.content, consents.due() == consents.now) == (200, b"", woken)


def test_a_hint_that_wakes_nobody_because_the_store_is_busy_comes_again(
    client: Client, consents: Consents, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: object) -> bool:
        raise TryAgain("busy")

    monkeypatch.setattr(consents.cursors, "wake", busy)
    assert client.post("/v1/hooks/google", headers=hint()).status_code == 503
    assert client.post("/v1/hooks/office365", json={"value": [change()]}).status_code == 503


@pytest.mark.parametrize(
    ("token", "echo"),
    [
        pytest.param("Validation: Testing client application reachability for subscription Request-Id: abc", None, id="Microsoft's"),
        pytest.param("\u00fc + 1/2", None, id="other letters"),
        pytest.param("<script>alert(1)</script>&", "&lt;script&gt;alert(1)&lt;/script&gt;&amp;", id="a hostile one"),
        pytest.param("", None, id="an empty one"),
    ],
)
def test_microsofts_question_is_answered_with_its_token_as_plain_text(client: Client, token: str, echo: str | None) -> None:
    answer = client.post("/v1/hooks/office365", params={"validationToken": token}, content=b"")
    assert (answer.status_code, answer.text) == (200, token if echo is None else echo)
    assert (answer.headers["content-type"], answer.headers["x-content-type-options"]) == ("text/plain; charset=utf-8", "nosniff")


def test_a_token_of_any_length_is_not_given_back(client: Client) -> None:
    assert client.post("/v1/hooks/office365", params={"validationToken": "x" * (MOST_TOKEN + 1)}).status_code == 400


@pytest.mark.parametrize("told", [change(), change(clientState="no"), change(lifecycleEvent="missed")])
def test_a_batch_of_microsofts_is_taken_whatever_it_is_worth(client: Client, told: dict[str, Any]) -> None:
    assert client.post("/v1/hooks/office365", json={"value": [told]}).status_code == 202


def test_a_batch_that_is_none_is_refused(client: Client) -> None:
    assert client.post("/v1/hooks/office365", content=b"<xml/>").status_code == 400


@pytest.mark.parametrize("path", ["hubspot", "google", "office365"])
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_nothing_can_be_asked_of_them(client: Client, path: str, method: str) -> None:
    assert client.request(method, f"/v1/hooks/{path}").status_code == 405


def test_a_token_is_neither_needed_nor_a_help(client: Client, consents: Consents) -> None:
    headers = hint(channel_token="no") | consents.engine.header("ops")
    assert client.post("/v1/hooks/google", headers=headers).status_code == 200
    assert consents.due() > consents.now


def test_these_and_no_others_are_open_to_all() -> None:
    """Whatever is not described is here: providers and browsers call it without a token, and it must prove itself otherwise."""
    described = set(framework(None).openapi_schema.to_schema()["paths"])
    undescribed = {re.sub(r":\w+}", "}", route.path) for route in framework(None).routes} - described
    of_the_framework = {path for path in undescribed if path.startswith("/v1/openapi.json")}
    again_under_the_version = {"/v1/healthz", "/v1/readyz", "/v1/metrics"}
    assert undescribed - of_the_framework - again_under_the_version == {
        "/v1/connect/{provider}/callback",
        "/v1/connect/{provider}/start",
        "/v1/hooks/google",
        "/v1/hooks/hubspot",
        "/v1/hooks/office365",
    }
