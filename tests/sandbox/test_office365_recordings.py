"""Requests as real client libraries sent them once: each is understood, whatever its way of writing a path, a query or a body."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.sandbox.office365_world import ANA, SCHEMAS, Office, read, request_of

RECORDED = SCHEMAS.parents[1] / "client_wire_recordings.jsonl"
OF_GRAPH = ("msgraph-sdk(py)", "O365(py)", "@microsoft/microsoft-graph-client")
OF_ENTRA = ("msal(py)", "@azure/msal-node")
# What the recorder could not know: its event, calendar, token and callback are nobody's here.
EXPECTED = {
    "subscriptions": {"ValidationError", "InvalidRequest"},
    "events": {"ErrorItemNotFound", "ErrorPropertyValidationFailure", "ErrorIrresolvableConflict"},
    "delta": {"SyncStateNotFound"},
}


def recorded(clients: tuple[str, ...]) -> list[Any]:
    if not RECORDED.exists():
        return []
    found = [json.loads(line) for line in RECORDED.read_text("utf-8").splitlines() if line.strip()]
    return [pytest.param(one, id=f"{one['client']} {one['method']} {one['target'][:60]}") for one in found if one["client"] in clients]


@pytest.mark.parametrize("one", recorded(OF_GRAPH))
def test_graph_understands_what_clients_sent(one: dict[str, Any]) -> None:
    office = Office()
    headers = {name.lower(): value for name, value in one["headers"].items()} | {"authorization": f"Bearer {office.tokens[ANA]}"}
    request = request_of(one["method"], f"http://127.0.0.1:8080{one['target']}", headers, one["body"].encode())
    assert ([list(pair) for pair in request.query], office.outlook.answers(request)) == (one["query"], True)
    said = read(office.outlook.answer(request))
    # A sound request about what is not there: refused for that, never for how it is written.
    allowed = set().union(*(codes for word, codes in EXPECTED.items() if word in one["target"]))
    assert said.status < 300 or said.code in allowed, said.body


@pytest.mark.parametrize("one", recorded(OF_ENTRA))
def test_the_login_understands_what_clients_sent(one: dict[str, Any]) -> None:
    office = Office()
    headers = {name.lower(): value for name, value in one["headers"].items()}
    request = request_of(one["method"], f"https://localhost:8443{one['target']}", headers, one["body"].encode())
    assert office.entra.answers(request)
    said = read(office.entra.answer(request))
    assert said.status == 200 or said.body["error_codes"] == [70000], said.body
