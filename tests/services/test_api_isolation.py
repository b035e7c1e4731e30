"""Nobody reads another account. Two accounts with the very same ids; every route and every parameter, with the other's token and names.

Ours speaks of Bo, theirs of somebody else; whatever ours is asked, nothing of theirs may be in the answer.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from litestar.testing import TestClient

from services.api.app import framework
from tests.examples import ACCOUNT, ANA, BO, contact, meeting, stage
from tests.services.asking import OTHER, Asking
from tests.services.test_api import ROUTES

THEIR_ADDRESS, THEIR_TITLE, THEIR_NAME = "zoe@rival.example", "Their secret plan", "Zoe Zimmer"
SECRETS = (THEIR_ADDRESS, THEIR_TITLE, THEIR_NAME, "Their room")
EVERYTHING = ("timeline:read", "history:read", "events:publish", "ops")


def two_accounts() -> Asking:
    """The same contact ids, event ids, sides' ids and positions in both."""
    engine = Asking()
    engine.tell(*stage(), meeting("g1"), meeting("g2", start="2026-04-09T10:00:00"))
    theirs = [e for e in stage(OTHER) if e["subject"] != "151"]
    engine.tell(*theirs, contact("151", THEIR_ADDRESS, name=THEIR_NAME, account=OTHER))
    told: dict[str, Any] = {"title": THEIR_TITLE, "location": "Their room", "account": OTHER, "guests": (THEIR_ADDRESS,)}
    engine.tell(meeting("g1", **told), meeting("g3", **told))
    return engine


def answers(engine: Asking, paths: list[str], account: str = ACCOUNT) -> dict[str, tuple[int, str]]:
    headers = engine.header(*EVERYTHING, account=account) | {"Last-Event-ID": "0"}
    with TestClient(engine.app()) as client:
        found = {path: client.get(path, headers=headers) for path in paths}
    return {path: (answer.status_code, answer.text) for path, answer in found.items()}


def leaks(found: dict[str, tuple[int, str]]) -> list[str]:
    return [f"{path}: {secret}" for path, (_, body) in found.items() for secret in SECRETS if secret in body and secret not in path]


def every_path(engine: Asking, meeting_id: str) -> list[str]:
    """Every route of the list, and every query parameter that the description knows, with names of both accounts."""
    names = ["151", "152", "153", BO, THEIR_ADDRESS, ANA, "g1", "g3", "google:501:g1:0", "google:501:g3:0", meeting_id, OTHER]
    paths = [path.format(meeting=meeting_id) for path in ROUTES]
    for template, methods in framework(None).openapi_schema.to_schema()["paths"].items():
        if "get" not in methods or not template.startswith("/v1"):
            continue
        filled = [template.replace("{who}", name).replace("{meeting}", name) for name in names] if "{" in template else [template]
        queries = [p["name"] for p in methods["get"].get("parameters", []) if p["in"] == "query" and p["name"] != "account"]
        paths += filled + [
            f"{path}?{query}={value}" for path in filled[:2] for query in queries for value in [*names, "1", "100", "2020-01-01"]
        ]
    return paths


def test_the_secrets_would_be_seen() -> None:
    """What the tests below look for is there to be seen by who may."""
    engine = two_accounts()
    id_ = engine.meeting_id("151", OTHER)
    found = answers(
        engine, ["/v1/contacts/151/timeline", f"/v1/meetings/{id_}", f"/v1/meetings/{id_}/history", "/v1/timeline-changes"], OTHER
    )
    assert {status for status, _ in found.values()} == {200}
    assert all(THEIR_TITLE in body and THEIR_ADDRESS in body for _, body in found.values())


def test_no_route_and_no_parameter_shows_anything_of_another_account() -> None:
    engine = two_accounts()
    paths = every_path(engine, engine.meeting_id("151", OTHER))
    found = answers(engine, paths)
    assert len(paths) > 300
    assert leaks(found) == []
    assert {status for status, _ in found.values()} == {200, 400, 404}


# Not the metrics: they count the whole installation and name no account.
@pytest.mark.parametrize("path", [*(path for path in ROUTES if path != "/metrics"), "/v1/source-events"])
def test_naming_another_account_is_refused(path: str) -> None:
    engine = two_accounts()
    asked = path.format(meeting=engine.meeting_id("151", OTHER))
    url = f"{asked}{'&' if '?' in asked else '?'}account={OTHER}"
    with TestClient(engine.app()) as client:
        answer = client.request("POST" if "source-events" in path else "GET", url, headers=engine.header(*EVERYTHING))
    assert answer.status_code == 403
    assert leaks({url: (403, answer.text)}) == []


@pytest.mark.parametrize(
    "path",
    [
        pytest.param("/v1/contacts/{address}", id="a contact by its address"),
        pytest.param("/v1/contacts/{address}/timeline", id="a timeline by its address"),
        pytest.param("/v1/meetings/{meeting}", id="a meeting"),
        pytest.param("/v1/meetings/{meeting}/history", id="a history"),
    ],
)
def test_what_only_they_have_is_not_found(path: str) -> None:
    engine = two_accounts()
    theirs = path.format(address=THEIR_ADDRESS, meeting=engine.meeting_id("151", OTHER))
    assert answers(engine, [theirs])[theirs][0] == 404
    assert answers(engine, [theirs], OTHER)[theirs][0] == 200


def test_the_same_names_lead_each_to_his_own() -> None:
    engine = two_accounts()
    paths = ["/v1/contacts/151", "/v1/contacts/151/timeline", "/v1/explain?what=g1"]
    ours, theirs = answers(engine, paths), answers(engine, paths, OTHER)
    assert all(BO in body and THEIR_ADDRESS not in body for _, body in ours.values())
    assert all(THEIR_ADDRESS in body and BO not in body for _, body in theirs.values())


def test_a_cursor_of_theirs_pages_in_ours_only() -> None:
    engine = two_accounts()
    cursor = msgspec.json.decode(engine.reading.timeline(OTHER, "151", limit=1))["next"]
    found = answers(engine, [f"/v1/contacts/151/timeline?cursor={cursor}"])
    assert leaks(found) == []


def test_one_accounts_person_keys_are_nobody_elses() -> None:
    engine = two_accounts()
    assert engine.vault.key(ACCOUNT, BO) != engine.vault.key(OTHER, BO)


def test_what_ours_publishes_changes_nothing_of_theirs() -> None:
    engine = two_accounts()
    before = engine.reading.timeline(OTHER, "151", limit=10)
    told: list[dict[str, Any]] = [meeting("g1", 5, title="Renamed"), contact("151", "other@client.example", 5, kind="contact.updated")]
    with TestClient(engine.app()) as client:
        answer = client.post("/v1/source-events", json=told, headers=engine.header("events:publish"))
    assert answer.status_code == 202
    engine.settle()
    after = engine.reading.timeline(OTHER, "151", limit=10)
    assert msgspec.json.decode(after)["entries"] == msgspec.json.decode(before)["entries"]
    assert msgspec.json.decode(after)["contact"] == msgspec.json.decode(before)["contact"]
