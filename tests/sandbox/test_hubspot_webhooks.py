"""HubSpot's webhooks: who is told what, signed how, and how often again; as a server on loopback receives them."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from services.sandbox.hubspot import APP_ID, CLIENT_SECRET
from services.sandbox.hubspot_webhooks import signature_v1, signature_v2, signature_v3
from tests.sandbox.hubspot_asking import START, Api

Signature = pytest.importorskip("hubspot.utils.signature", reason="hubspot-api-client is not installed").Signature
VECTORS = Path(__file__).parents[3] / "shared" / "contracts" / "hubspot" / "signature_vectors.json"
SAMPLES = VECTORS.with_name("webhook_samples.json")


class Received(NamedTuple):
    """A request that came in; its headers in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def items(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = json.loads(self.body)
        return found


class Receiver:
    """A server that keeps what it receives, and answers with `status`."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.status = 204
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.received.append(Received(self.path, {name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(receiver.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1/hooks/hubspot"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def api(receiver: Receiver) -> Api:
    made = Api()
    made.hubspot.subscribe(receiver.url)
    return made


@pytest.fixture
def told(api: Api, receiver: Receiver) -> Callable[[], list[dict[str, Any]]]:
    """What came in since the last time, once everything that is due is sent."""

    def read() -> list[dict[str, Any]]:
        api.world.outbox.flush()
        items = [item for each in receiver.received for item in each.items]
        receiver.received.clear()
        return items

    return read


Told = Callable[[], list[dict[str, Any]]]


def kinds(items: list[dict[str, Any]]) -> set[tuple[str, str | None]]:
    return {(item["subscriptionType"], item.get("propertyName")) for item in items}


# --- what is told ------------------------------------------------------------------------------------------------------------


def test_a_scheduled_meeting_is_told_with_its_properties_and_associations(api: Api, told: Told) -> None:
    contact = api.hubspot.contact("bo@client.example")
    told()
    meeting = api.meeting(contacts=[contact])
    items = told()
    assert {("object.creation", None), ("object.propertyChange", "hs_meeting_title"), ("object.associationChange", None)} < kinds(items)
    created = next(item for item in items if item["subscriptionType"] == "object.creation")
    assert created | {"eventId": 0, "subscriptionId": 0} == {
        "eventId": 0,
        "subscriptionId": 0,
        "portalId": 62515,
        "appId": APP_ID,
        "occurredAt": START,
        "subscriptionType": "object.creation",
        "attemptNumber": 0,
        "changeSource": "CRM_UI",
        "sourceId": "userId:501",
        "objectTypeId": "0-47",
        "objectId": int(meeting),
        "changeFlag": "CREATED",
    }
    start = next(item for item in items if item.get("propertyName") == "hs_meeting_start_time")
    assert (start["propertyValue"], start["isSensitive"]) == ("1773050400000", False)
    linked = next(item for item in items if item["subscriptionType"] == "object.associationChange")
    assert (linked["fromObjectId"], linked["toObjectId"], linked["associationTypeId"]) == (int(meeting), int(contact), 200)
    assert (linked["associationType"], linked["associationRemoved"]) == ("MEETING_TO_CONTACT", False)


def test_our_own_writes_are_told_too_as_an_integrations(api: Api, told: Told) -> None:
    api.post("/crm/v3/objects/meetings", {"properties": {"hs_timestamp": START}}, 201)
    assert {(item["changeSource"], item["sourceId"]) for item in told()} == {("INTEGRATION", str(APP_ID))}


@pytest.mark.parametrize(
    ("act", "kind", "fields"),
    [
        pytest.param(lambda api, id: api.hubspot.delete("meetings", id), "object.deletion", {"changeFlag": "DELETED"}, id="deletion"),
        pytest.param(
            lambda api, id: (api.hubspot.delete("meetings", id), api.hubspot.restore("meetings", id)),
            "object.restore",
            {"changeFlag": "RESTORED"},
            id="restore",
        ),
        pytest.param(lambda api, id: api.hubspot.cancel(id), "object.propertyChange", {"propertyValue": "CANCELED"}, id="cancellation"),
    ],
)
def test_what_happens_to_a_meeting_is_told(api: Api, told: Told, act: Any, kind: str, fields: dict[str, Any]) -> None:
    meeting = api.meeting()
    told()
    act(api, meeting)
    item = next(item for item in told() if item["subscriptionType"] == kind)
    assert item.items() >= {"objectId": int(meeting), "objectTypeId": "0-47", **fields}.items()


def test_a_merge_is_told_with_all_three_ids(api: Api, told: Told) -> None:
    bo, bob = api.hubspot.contact("bo@client.example"), api.hubspot.contact("bob@client.example", "Bob")
    told()
    new = api.hubspot.merge(bo, bob)
    item = next(item for item in told() if item["subscriptionType"] == "contact.merge")
    assert (item["primaryObjectId"], item["mergedObjectIds"], item["newObjectId"]) == (int(bo), [int(bob)], int(new))
    assert (item["numberOfPropertiesMoved"], "objectTypeId" in item) == (1, False)


def test_a_privacy_deletion_is_told_as_one(api: Api, told: Told) -> None:
    bo = api.hubspot.contact("bo@client.example")
    told()
    api.hubspot.erase(bo)
    assert [(item["subscriptionType"], item["objectId"]) for item in told()] == [("contact.privacyDeletion", int(bo))]


def test_times_stand_as_iso_by_the_switch(api: Api, told: Told) -> None:
    api.hubspot.switches.webhook_times = "iso"
    api.meeting()
    assert "2026-03-09T10:00:00Z" in [item.get("propertyValue") for item in told()]


def test_nobody_hears_of_a_portal_where_the_app_is_not_installed(api: Api, told: Told) -> None:
    api.hubspot.portal(777)
    api.hubspot.contact("cy@client.example", portal=777)
    api.hubspot.uninstall()
    api.hubspot.contact("di@client.example")
    assert told() == []


# --- how it is sent ----------------------------------------------------------------------------------------------------------


def test_a_batch_holds_a_hundred_at_most(api: Api, receiver: Receiver) -> None:
    inputs = [{"properties": {"email": f"g{n}@client.example"}} for n in range(100)]
    api.post("/crm/v3/objects/contacts/batch/create", {"inputs": inputs}, 201)
    api.world.outbox.flush()
    assert [len(each.items) for each in receiver.received] == [100, 100]


def test_every_batch_is_signed_as_the_client_library_checks_it(receiver: Receiver) -> None:
    api = Api()
    api.world.thaw()
    api.world.move(time.time_ns() // 1_000_000 - api.world.now())  # the library reads the machine's clock
    api.hubspot.subscribe(receiver.url)
    api.meeting("Zoë – Überblick")
    api.world.outbox.flush()
    (batch,) = receiver.received
    body, timestamp = batch.body.decode(), batch.headers["x-hubspot-request-timestamp"]
    for version, header in (("v1", "x-hubspot-signature"), ("v3", "x-hubspot-signature-v3")):
        assert Signature.is_valid(batch.headers[header], CLIENT_SECRET, body, receiver.url, "POST", version, timestamp)
        assert not Signature.is_valid(batch.headers[header], CLIENT_SECRET, body + " ", receiver.url, "POST", version, timestamp)


def test_the_older_signature_is_v2_by_the_switch(api: Api, receiver: Receiver) -> None:
    api.hubspot.switches.signature_version = "v2"
    api.meeting()
    api.world.outbox.flush()
    headers, body = receiver.received[0].headers, receiver.received[0].body.decode()
    assert headers["x-hubspot-signature-version"] == "v2"
    assert Signature.is_valid(headers["x-hubspot-signature"], CLIENT_SECRET, body, receiver.url, "POST", "v2")


def test_a_uri_is_signed_with_the_listed_escapes_decoded() -> None:
    escaped = signature_v3("s", "POST", "http://127.0.0.1/a%2Fb?c=%20%40", b"", "1")
    assert escaped == signature_v3("s", "POST", "http://127.0.0.1/a/b?c=%20@", b"", "1")


@pytest.mark.parametrize("status", [400, 404, 500, 503])
def test_what_is_not_taken_comes_again_ten_times_with_its_number_and_a_new_signature(api: Api, receiver: Receiver, status: int) -> None:
    receiver.status = status
    api.meeting()
    for _ in range(12):
        api.world.outbox.flush()
        api.world.move(21_600_000)
    assert [{item["attemptNumber"] for item in each.items} for each in receiver.received] == [{n} for n in range(11)]
    assert len({each.headers["x-hubspot-signature-v3"] for each in receiver.received}) == 11
    assert api.world.outbox.waiting() == 0


def test_what_is_taken_the_second_time_comes_no_more(api: Api, receiver: Receiver) -> None:
    receiver.status = 500
    api.meeting()
    api.world.outbox.flush()
    receiver.status = 200
    api.world.move(60_000)
    api.world.outbox.flush()
    assert (len(receiver.received), api.world.outbox.waiting()) == (2, 0)


# --- faults ------------------------------------------------------------------------------------------------------------------


def test_a_batch_may_come_twice_out_of_order_or_never(api: Api, receiver: Receiver, told: Told) -> None:
    api.world.faults.add("duplicate_push", simulator="hubspot")
    api.meeting()
    twice = told()
    assert len(twice) > 2
    assert twice[: len(twice) // 2] == twice[len(twice) // 2 :]
    api.world.faults.add("reorder_push")
    api.meeting()
    shuffled = told()
    assert [item["subscriptionType"] for item in shuffled] != [item["subscriptionType"] for item in twice[: len(twice) // 2]]
    assert kinds(shuffled) == kinds(twice)
    api.world.faults.add("lose_push", simulator="hubspot")
    api.meeting()
    assert told() == []


def test_an_event_id_may_be_another_items_too(api: Api, told: Told) -> None:
    api.world.faults.add("repeat_event_id", times=None)
    first, second = told(), [api.meeting(), api.meeting()]
    assert (first, len(second), len({item["eventId"] for item in told()})) == ([], 2, 1)


# --- settings ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("root", ["/webhooks/v3/54321", "/webhooks/2026-03/54321", "/app-webhooks/2026-09/54321"])
def test_settings_and_subscriptions_are_made_over_the_api(root: str) -> None:
    api, key = Api(), "?hapikey=sandbox-developer-key"
    api.token = None
    assert api.ask("GET", f"{root}/settings{key}").status == 404
    settings = {"targetUrl": "http://127.0.0.1:9/hooks", "throttling": {"maxConcurrentRequests": 10}}
    assert api.ask("PUT", f"{root}/settings{key}", settings).json["targetUrl"] == "http://127.0.0.1:9/hooks"
    body = {"eventType": "object.propertyChange", "propertyName": "hs_meeting_title", "objectTypeId": "0-47", "active": False}
    made = api.ask("POST", f"{root}/subscriptions{key}", body)
    assert (made.status, made.json["active"], made.json["objectTypeId"]) == (201, False, "0-47")
    id = made.json["id"]
    assert api.ask("PATCH", f"{root}/subscriptions/{id}{key}", {"active": True}).json["active"] is True
    inputs = {"inputs": [{"id": int(id), "active": False}]}
    assert api.ask("POST", f"{root}/subscriptions/batch/update{key}", inputs).json["results"][0]["active"] is False
    assert api.ask("DELETE", f"{root}/subscriptions/{id}{key}").status == 204
    assert api.get(f"{root}/subscriptions{key}")["results"] == []


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"eventType": "contact.birthday"}, id="no event type"),
        pytest.param({"eventType": "object.creation"}, id="a generic one without a type"),
        pytest.param({"eventType": "contact.propertyChange"}, id="a change of no property"),
        pytest.param({"eventType": "contact.creation", "propertyName": "email"}, id="a creation of a property"),
    ],
)
def test_an_incomplete_subscription_is_refused(body: dict[str, Any]) -> None:
    assert Api().ask("POST", "/webhooks/v3/54321/subscriptions?hapikey=sandbox-developer-key", body).status == 400


def test_settings_need_the_developers_key_and_stay_on_this_machine() -> None:
    api = Api()
    api.token = None
    assert api.ask("GET", "/webhooks/v3/54321/subscriptions?hapikey=guess").status == 401
    away = {"targetUrl": "https://example.com/hooks", "throttling": {"maxConcurrentRequests": 10}}
    assert api.ask("PUT", "/webhooks/v3/54321/settings?hapikey=sandbox-developer-key", away).status == 400


# --- the published vectors ---------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not VECTORS.exists(), reason="no contracts folder beside this repository")
def test_the_published_signatures_are_recomputed() -> None:
    found = json.loads(VECTORS.read_text())
    expected: list[tuple[dict[str, Any], str, str]] = [(one, one["version"], one["signature"]) for one in found["published"]]
    expected += [(one, version, one[version]) for one in found["own"] for version in ("v1", "v2", "v3")]
    assert len(expected) > 10
    for one, version, signature in expected:
        body, method = one["body"].encode(), one["method"]
        match version:
            case "v1":
                assert signature_v1(one["secret"], body) == signature
            case "v2":
                assert signature_v2(one["secret"], method, one["uri"], body) == signature
            case _:
                assert signature_v3(one["secret"], method, one["uri"], body, one["timestamp"]) == signature


@pytest.mark.skipif(not SAMPLES.exists(), reason="no contracts folder beside this repository")
def test_items_have_the_fields_of_the_samples(api: Api, told: Told) -> None:
    bo, bob = api.hubspot.contact("bo@client.example", "Bo"), api.hubspot.contact("bob@client.example")
    meeting = api.meeting(contacts=[bo])
    api.hubspot.delete("meetings", meeting)
    api.hubspot.restore("meetings", meeting)
    api.hubspot.erase(api.hubspot.merge(bo, bob))
    fields = {item["subscriptionType"]: set(item) for item in told()}
    for sample in json.loads(SAMPLES.read_text())["batch"]:
        missing = set(sample) - fields[sample["subscriptionType"]] - {"objectId"}
        assert missing == set(), sample["subscriptionType"]
