"""The real client library, unmodified, against the simulator as a server; and every answer against the library's own models."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from urllib3.exceptions import HTTPError

from services.sandbox.hubspot import CLIENT_ID, CLIENT_SECRET, HubSpot
from services.sandbox.shell import Sandbox
from services.sandbox.world import World
from tests.sandbox.hubspot_asking import Api

hubspot = pytest.importorskip("hubspot", reason="hubspot-api-client is not installed")
ApiException = pytest.importorskip("hubspot.crm.objects.exceptions").ApiException
OwnersException = pytest.importorskip("hubspot.crm.owners.exceptions").ApiException
OAuthException = pytest.importorskip("hubspot.oauth.exceptions").ApiException

CONTRACT = Path(__file__).parents[3] / "shared" / "contracts" / "hubspot" / "hubspot_apache2_contract.json"
RECORDED = CONTRACT.parents[1] / "client_wire_recordings.jsonl"
TYPES = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 200}]


@pytest.fixture
def simulator() -> HubSpot:
    made = HubSpot(World())
    made.portal()
    made.user("ana@acme.example", "Ana")
    return made


@pytest.fixture
def sandbox(simulator: HubSpot) -> Iterator[Sandbox]:
    with Sandbox([simulator], simulator.world) as running:
        yield running


@pytest.fixture
def client(simulator: HubSpot, sandbox: Sandbox) -> Any:
    return hubspot.HubSpot(access_token=simulator.token(), host=sandbox.url)


def test_objects_one_by_one(client: Any, simulator: HubSpot) -> None:
    bo = simulator.contact("bo@client.example")
    properties = {"hs_meeting_title": "T", "hs_timestamp": "2026-01-05T10:00:00Z"}
    made = client.crm.objects.meetings.basic_api.create({"properties": properties, "associations": [{"to": {"id": bo}, "types": TYPES}]})
    api = client.crm.objects.meetings.basic_api
    read = api.get_by_id(made.id, properties=["hs_meeting_title"], associations=["contacts"])
    assert (read.properties["hs_meeting_title"], read.associations["contacts"].results[0].id) == ("T", bo)
    assert api.update(made.id, {"properties": {"hs_meeting_outcome": "CANCELED"}}).properties["hs_meeting_outcome"] == "CANCELED"
    assert [one.id for one in api.get_page(limit=10, properties=["hs_meeting_title", "hs_timestamp"]).results] == [made.id]
    api.archive(made.id)
    assert [one.id for one in api.get_page(archived=True).results] == [made.id]
    with pytest.raises(ApiException) as refused:
        client.crm.objects.basic_api.get_by_id("meetings", made.id)
    assert (refused.value.status, json.loads(refused.value.body)["category"]) == (404, "OBJECT_NOT_FOUND")


def test_objects_in_batches(client: Any) -> None:
    api = client.crm.contacts.batch_api
    inputs = [{"properties": {"email": f"g{n}@client.example"}, "associations": []} for n in range(3)]
    made = api.create({"inputs": inputs}).results
    ids = [{"id": one.id} for one in made]
    read = api.read({"inputs": [*ids, {"id": "9"}], "properties": ["email"], "propertiesWithHistory": []})
    assert (len(read.results), read.num_errors, read.errors[0].context) == (3, 1, {"ids": ["9"]})
    upserted = api.upsert({"inputs": [{"id": "g0@client.example", "idProperty": "email", "properties": {"firstname": "G"}}]})
    assert (upserted.results[0].id, upserted.results[0].new) == (made[0].id, False)
    assert api.update({"inputs": [{"id": made[0].id, "properties": {"lastname": "Z"}}]}).results[0].properties["lastname"] == "Z"
    api.archive({"inputs": ids})
    assert client.crm.contacts.basic_api.get_page().results == []


def test_search(client: Any, simulator: HubSpot) -> None:
    meetings = [simulator.schedule("ana@acme.example", str(n), 1_773_050_400_000) for n in range(3)]
    filters = [{"propertyName": "hs_lastmodifieddate", "operator": "GTE", "value": "0"}]
    asked = {"filterGroups": [{"filters": filters}], "sorts": ["hs_lastmodifieddate"], "properties": ["hs_meeting_title"], "limit": 2}
    first = client.crm.objects.meetings.search_api.do_search(asked)
    second = client.crm.objects.meetings.search_api.do_search(asked | {"after": first.paging.next.after})
    assert [one.id for one in first.results + second.results] == meetings
    assert (first.total, second.paging) == (3, None)


def test_associations(client: Any, simulator: HubSpot) -> None:
    bo, meeting = simulator.contact("bo@client.example"), simulator.schedule("ana@acme.example", "T", 1_773_050_400_000)
    api, batch = client.crm.associations.v4.basic_api, client.crm.associations.v4.batch_api
    assert api.create("meetings", meeting, "contacts", bo, TYPES).to_object_id == bo
    assert [one.to_object_id for one in api.get_page("meetings", meeting, "contacts").results] == [bo]
    read = batch.get_page("contacts", "meetings", {"inputs": [{"id": bo}]})
    assert [(one._from.id, one.to[0].association_types[0].type_id) for one in read.results] == [(bo, 199)]
    api.archive("meetings", meeting, "contacts", bo)
    assert api.create_default("meetings", meeting, "contacts", bo).results[0].association_spec.association_type_id == 200
    batch.archive("meetings", "contacts", {"inputs": [{"from": {"id": meeting}, "to": [{"id": bo}]}]})
    batch.create("meetings", "contacts", {"inputs": [{"from": {"id": meeting}, "to": {"id": bo}, "types": TYPES}]})
    assert [spec.type_id for spec in client.crm.associations.v4.schema.definitions_api.get_all("meetings", "contacts").results] == [200]


def test_merge_and_privacy_deletion(client: Any, simulator: HubSpot) -> None:
    bo, bob = simulator.contact("bo@client.example"), simulator.contact("bob@client.example")
    merged = client.crm.contacts.basic_api.merge({"primaryObjectId": bo, "objectIdToMerge": bob})
    client.crm.contacts.basic_api.purge({"objectId": merged.id})
    assert client.crm.contacts.basic_api.get_page(archived=True).results == []


def test_owners_users_and_properties(client: Any) -> None:
    owners = client.crm.owners.owners_api
    assert [one.email for one in owners.get_page(email="ana@acme.example").results] == ["ana@acme.example"]
    assert owners.get_by_id("7001").user_id == 501
    assert client.settings.users.users_api.get_by_id("501").email == "ana@acme.example"
    definition = {"name": "our_id", "label": "Our id", "type": "string", "fieldType": "text", "groupName": "meeting"}
    made = client.crm.properties.core_api.create("meetings", definition | {"hasUniqueValue": True})
    assert (made.has_unique_value, made.modification_metadata.read_only_value) == (True, False)
    assert "hs_i_cal_uid" in [one.name for one in client.crm.properties.core_api.get_all("meetings").results]


def test_oauth(simulator: HubSpot, sandbox: Sandbox) -> None:
    refresh = simulator.install("ana@acme.example").refresh
    client: Any = hubspot.HubSpot(host=sandbox.url)
    asked = {"grant_type": "refresh_token", "client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "refresh_token": refresh}
    tokens = client.oauth.tokens_api.create(**asked)
    assert (tokens.expires_in, tokens.refresh_token) == (1800, refresh)
    about = client.oauth.access_tokens_api.get(tokens.access_token)
    assert (about.hub_id, about.user, about.app_id) == (62515, "ana@acme.example", 54321)
    client.oauth.refresh_tokens_api.archive(refresh)
    with pytest.raises(OAuthException) as refused:
        client.oauth.tokens_api.create(**asked)
    assert json.loads(refused.value.body)["status"] == "BAD_REFRESH_TOKEN"


def test_webhook_subscriptions(sandbox: Sandbox) -> None:
    client: Any = hubspot.HubSpot(api_key="sandbox-developer-key", host=sandbox.url)
    settings = {"targetUrl": "http://127.0.0.1:9/hooks", "throttling": {"maxConcurrentRequests": 10}}
    assert client.webhooks.settings_api.configure(54321, settings).target_url == "http://127.0.0.1:9/hooks"
    api = client.webhooks.subscriptions_api
    made = api.create(54321, {"eventType": "contact.propertyChange", "propertyName": "email", "active": True})
    assert [one.event_type for one in api.get_all(54321).results] == ["contact.propertyChange"]
    assert api.update(made.id, 54321, {"active": False}).active is False
    api.archive(made.id, 54321)
    client.webhooks.settings_api.clear(54321)
    assert api.get_all(54321).results == []


def test_a_dropped_answer_is_a_change_all_the_same(client: Any, simulator: HubSpot) -> None:
    simulator.world.faults.add("drop_after", simulator="hubspot", method="POST")
    with pytest.raises(HTTPError):
        client.crm.contacts.basic_api.create({"properties": {"email": "bo@client.example"}})
    assert [one["email"] for one in simulator.state()["portals"][0]["contacts"]] == ["bo@client.example"]


def test_a_fault_reaches_the_client_in_hubspots_words(client: Any, simulator: HubSpot) -> None:
    simulator.world.faults.add("status", simulator="hubspot", status=429)
    with pytest.raises(OwnersException) as refused:
        client.crm.owners.owners_api.get_page()
    assert json.loads(refused.value.body)["policyName"] == "TEN_SECONDLY_ROLLING"


# --- the contract ------------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not RECORDED.exists(), reason="no contracts folder beside this repository")
def test_every_recorded_request_of_hubspots_clients_is_understood() -> None:
    recorded = [one for line in RECORDED.read_text().splitlines() if (one := json.loads(line))["client"].startswith("hubspot")]
    assert len(recorded) > 8
    for one in recorded:
        api = Api()
        form = one["headers"].get("Content-Type", "").startswith("application/x-www-form-urlencoded")
        body = dict(part.split("=") for part in one["body"].split("&")) if form else json.loads(one["body"] or "null")
        reply = api.ask(one["method"], one["target"], form=body) if form else api.ask(one["method"], one["target"], body)
        # What it names is not there; but the path, the query and the form of the body are known.
        assert reply.status < 405, (one["target"], reply)
        assert "Unable to infer" not in str(reply.json)
        assert "Invalid input JSON" not in str(reply.json)


def _answers(api: Api) -> list[tuple[str, str, Any]]:
    """(package, model, an answer that is to be one)."""
    bo = api.hubspot.contact("bo@client.example")
    meeting = api.meeting(contacts=[bo])
    inputs = {"inputs": [{"id": meeting}, {"id": "9"}], "properties": [], "propertiesWithHistory": ["hs_meeting_title"]}
    objects, v4 = "/crm/v3/objects/meetings", "/crm/v4/associations/meetings/contacts"
    pair = {"from": {"id": meeting}, "to": {"id": bo}}
    whole = f"{objects}?associations=contacts&propertiesWithHistory=hs_meeting_title&limit=1"
    key = "?hapikey=sandbox-developer-key"
    settings = {"targetUrl": "http://127.0.0.1:9/", "throttling": {"maxConcurrentRequests": 10}}
    about = api.hubspot.install("ana@acme.example")
    return [
        ("crm.objects", "CollectionResponseSimplePublicObjectWithAssociationsForwardPaging", api.get(whole)),
        ("crm.objects", "BatchResponseSimplePublicObjectWithErrors", api.post(f"{objects}/batch/read", inputs, 207)),
        ("crm.objects", "CollectionResponseWithTotalSimplePublicObjectForwardPaging", api.post(f"{objects}/search", {"limit": 1})),
        ("crm.objects", "Error", api.ask("GET", f"{objects}/9").json),
        (
            "crm.associations.v4",
            "CollectionResponseMultiAssociatedObjectWithLabelForwardPaging",
            api.get(f"/crm/v4/objects/meetings/{meeting}/associations/contacts"),
        ),
        ("crm.associations.v4", "BatchResponsePublicDefaultAssociation", api.post(f"{v4}/batch/associate/default", {"inputs": [pair]})),
        (
            "crm.associations.v4",
            "BatchResponseLabelsBetweenObjectPair",
            api.post(f"{v4}/batch/create", {"inputs": [pair | {"types": TYPES}]}, 201),
        ),
        ("crm.associations.v4", "BatchResponsePublicAssociationMultiWithLabelWithErrors", api.post(f"{v4}/batch/read", inputs, 207)),
        ("crm.owners", "CollectionResponsePublicOwnerForwardPaging", api.get("/crm/v3/owners")),
        ("crm.properties", "CollectionResponsePropertyNoPaging", api.get("/crm/v3/properties/contacts")),
        ("settings.users", "CollectionResponsePublicUserForwardPaging", api.get("/settings/v3/users")),
        ("oauth", "AccessTokenInfoResponse", api.get(f"/oauth/v1/access-tokens/{api.hubspot.oauth.access(about).token}")),
        ("oauth", "RefreshTokenInfoResponse", api.get(f"/oauth/v1/refresh-tokens/{about.refresh}")),
        ("webhooks", "SettingsResponse", api.ask("PUT", f"/webhooks/v3/54321/settings{key}", settings).json),
        ("webhooks", "SubscriptionResponse", api.post(f"/webhooks/v3/54321/subscriptions{key}", {"eventType": "contact.merge"}, 201)),
    ]


@pytest.mark.skipif(not CONTRACT.exists(), reason="no contracts folder beside this repository")
def test_answers_are_what_the_clients_models_say() -> None:
    packages = json.loads(CONTRACT.read_text())["packages"]
    for package, model, answer in _answers(Api()):
        definitions = packages[package]["$defs"]
        schema = {"$ref": f"#/$defs/{model}", "$defs": _nullable(definitions)}
        errors = [f"{error.json_path}: {error.message}" for error in Draft202012Validator(schema).iter_errors(answer)]
        assert errors == [], model


def _nullable(definitions: dict[str, Any]) -> dict[str, Any]:
    """HubSpot answers null for a property without a value, and for an association without a label; its models say text."""
    changed: dict[str, Any] = json.loads(json.dumps(definitions))
    for name, definition in changed.items():
        if "properties" in definition.get("properties", {}) and "additionalProperties" in definition["properties"]["properties"]:
            definition["properties"]["properties"]["additionalProperties"] = {"type": ["string", "null"]}
        if name == "AssociationSpecWithLabel":
            definition["properties"]["label"] = {"type": ["string", "null"]}
    return changed | {"object": {}}
