"""HubSpot's objects over its API: what is shown, what is taken, what is refused, and what a batch does in part."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.sandbox.hubspot_asking import START, Api

MEETINGS = "/crm/v3/objects/meetings"
CONTACTS = "/crm/v3/objects/contacts"


@pytest.fixture
def api() -> Api:
    return Api()


# --- reading -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "root",
    ["/crm/v3/objects", "/crm/objects/2025-09", "/crm/objects/2026-03", "/crm/objects/2026-09"],
)
@pytest.mark.parametrize("name", ["meetings", "meeting", "0-47", "MEETING_EVENT"])
def test_every_version_and_name_of_a_path_leads_to_the_same_object(api: Api, root: str, name: str) -> None:
    id = api.meeting()
    assert api.get(f"{root}/{name}/{id}")["id"] == id


def test_only_what_is_asked_for_is_shown_with_the_three_that_always_are(api: Api) -> None:
    id = api.meeting()
    assert api.get(f"{MEETINGS}/{id}?properties=hs_meeting_title,hs_meeting_location")["properties"] == {
        "hs_createdate": "2026-03-05T08:40:00Z",
        "hs_lastmodifieddate": "2026-03-05T08:40:00Z",
        "hs_meeting_location": None,
        "hs_meeting_title": "Kick-off",
        "hs_object_id": id,
    }


def test_a_contact_shows_its_name_and_address_unless_something_else_is_asked_for(api: Api) -> None:
    id = api.hubspot.contact("bo@client.example", "Bo", "Li")
    assert set(api.get(f"{CONTACTS}/{id}")["properties"]) == {
        "createdate",
        "email",
        "firstname",
        "hs_object_id",
        "lastmodifieddate",
        "lastname",
    }
    assert set(api.get(f"{CONTACTS}/{id}?properties=phone")["properties"]) == {"createdate", "hs_object_id", "lastmodifieddate", "phone"}


@pytest.mark.parametrize("query", ["properties=hs_meeting_title&properties=hs_timestamp", "properties=hs_meeting_title,hs_timestamp"])
def test_properties_are_listed_by_repeating_or_by_commas(api: Api, query: str) -> None:
    id = api.meeting()
    assert {"hs_meeting_title", "hs_timestamp"} < set(api.get(f"{MEETINGS}/{id}?{query}")["properties"])


def test_an_unknown_property_is_left_out_of_what_is_read_or_refused_by_the_switch(api: Api) -> None:
    id = api.meeting()
    assert "nope" not in api.get(f"{MEETINGS}/{id}?properties=nope")["properties"]
    api.hubspot.switches.unknown_reads_are_400 = True
    assert api.ask("GET", f"{MEETINGS}/{id}?properties=nope").status == 400


def test_history_is_shown_the_newest_first(api: Api) -> None:
    id = api.meeting()
    api.world.move(1000)
    api.hubspot.change("meetings", id, {"hs_meeting_title": "Kick-off!"})
    history = api.get(f"{MEETINGS}/{id}?propertiesWithHistory=hs_meeting_title")["propertiesWithHistory"]["hs_meeting_title"]
    assert [(one["value"], one["timestamp"], one["sourceType"]) for one in history] == [
        ("Kick-off!", "2026-03-05T08:40:01Z", "CRM_UI"),
        ("Kick-off", "2026-03-05T08:40:00Z", "CRM_UI"),
    ]


def test_a_list_is_read_page_by_page_with_associations(api: Api) -> None:
    contact = api.hubspot.contact("bo@client.example")
    ids = [api.meeting(str(n), contacts=[contact]) for n in range(5)]
    found, target = [], f"{MEETINGS}?limit=2&associations=contacts"
    while target:
        page = api.get(target)
        found += page["results"]
        after = page.get("paging", {}).get("next", {}).get("after")
        target = f"{MEETINGS}?limit=2&associations=contacts&after={after}" if after else ""
    assert [one["id"] for one in found] == ids
    assert found[0]["associations"] == {"contacts": {"results": [{"id": contact, "type": "meeting_event_to_contact"}]}}


@pytest.mark.parametrize(
    ("query", "status"),
    [
        pytest.param("limit=100", 200, id="a hundred"),
        pytest.param("limit=101", 400, id="more than a hundred"),
        pytest.param("limit=0", 400, id="none"),
        pytest.param("limit=50&propertiesWithHistory=hs_meeting_title", 200, id="fifty with history"),
        pytest.param("limit=51&propertiesWithHistory=hs_meeting_title", 400, id="more than fifty with history"),
    ],
)
def test_a_page_has_its_limits(api: Api, query: str, status: int) -> None:
    assert api.ask("GET", f"{MEETINGS}?{query}").status == status


# --- writing -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "written",
    ["2026-03-09T10:00:00Z", "2026-03-09T11:00:00+01:00", "2026-03-09T10:00:00.000Z", "1773050400000", 1773050400000],
)
def test_a_time_is_taken_in_many_forms_and_given_back_in_one(api: Api, written: Any) -> None:
    made = api.post(MEETINGS, {"properties": {"hs_timestamp": written}}, 201)
    assert made["properties"]["hs_timestamp"] == "2026-03-09T10:00:00Z"


def test_html_is_kept_as_it_is(api: Api) -> None:
    body = "<p>Agenda &amp; <b>more</b></p>"
    made = api.post(MEETINGS, {"properties": {"hs_timestamp": START, "hs_meeting_body": body}}, 201)
    assert made["properties"]["hs_meeting_body"] == body


def test_a_meeting_made_by_the_api_invites_nobody_and_says_where_it_comes_from(api: Api) -> None:
    made = api.post(MEETINGS, {"properties": {"hs_timestamp": START, "hs_guest_emails": "bo@client.example"}}, 201)
    shown = api.get(f"{MEETINGS}/{made['id']}?properties=hs_object_source,hs_object_source_id,hs_meeting_source")["properties"]
    assert (shown["hs_object_source"], shown["hs_object_source_id"], shown["hs_meeting_source"]) == ("INTEGRATION", "54321", None)
    assert api.world.mails == []


def test_a_meeting_stands_at_its_start_if_nothing_else_is_said(api: Api) -> None:
    made = api.post(MEETINGS, {"properties": {"hs_meeting_start_time": "2026-03-09T10:00:00Z"}}, 201)
    assert made["properties"]["hs_timestamp"] == "2026-03-09T10:00:00Z"


@pytest.mark.parametrize(
    ("properties", "error"),
    [
        pytest.param({"nope": "1"}, "PROPERTY_DOESNT_EXIST", id="an unknown property"),
        pytest.param({"hs_meeting_start_time": "soon"}, "INVALID_LONG", id="no time"),
        pytest.param({"hs_meeting_outcome": "MAYBE"}, "INVALID_OPTION", id="no option"),
        pytest.param({"hubspot_owner_id": "501"}, "INVALID_OWNER_ID", id="a user's id for an owner's"),
        pytest.param({"hs_object_id": "1"}, "READ_ONLY_VALUE", id="read-only"),
    ],
)
def test_a_value_that_cannot_be_taken_is_refused_by_name(api: Api, properties: dict[str, Any], error: str) -> None:
    reply = api.ask("POST", MEETINGS, {"properties": {"hs_timestamp": START, **properties}})
    listed = json.loads(reply.json["message"].removeprefix("Property values were not valid: "))
    assert (reply.status, reply.json["category"]) == (400, "VALIDATION_ERROR")
    assert [(one["name"], one["error"], one["isValid"]) for one in listed] == [(*properties, error, False)]


def test_a_meeting_without_any_time_is_refused(api: Api) -> None:
    assert api.ask("POST", MEETINGS, {"properties": {"hs_meeting_title": "When?"}}).status == 400


def test_an_ical_uid_is_writable_unless_the_switch_says_no(api: Api) -> None:
    body = {"properties": {"hs_timestamp": START, "hs_i_cal_uid": "x@example"}}
    assert api.ask("POST", MEETINGS, body).status == 201
    api.hubspot.switches.ical_uid_is_read_only = True
    assert api.ask("POST", MEETINGS, body).status == 400


def test_an_update_changes_the_modified_time_and_what_is_the_same_does_not(api: Api) -> None:
    id = api.meeting()
    api.world.move(5000)
    same = api.ask("PATCH", f"{MEETINGS}/{id}", {"properties": {"hs_meeting_title": "Kick-off"}}).json
    other = api.ask("PATCH", f"{MEETINGS}/{id}", {"properties": {"hs_meeting_title": "Kick-off!"}}).json
    assert (same["updatedAt"], other["updatedAt"]) == ("2026-03-05T08:40:00Z", "2026-03-05T08:40:05Z")


def test_no_object_is_given_one_modified_time_twice(api: Api) -> None:
    id = api.meeting()
    times = [api.ask("PATCH", f"{MEETINGS}/{id}", {"properties": {"hs_meeting_title": str(n)}}).json["updatedAt"] for n in range(3)]
    assert times == ["2026-03-05T08:40:00.001Z", "2026-03-05T08:40:00.002Z", "2026-03-05T08:40:00.003Z"]


def test_a_contact_with_a_known_address_is_refused_with_the_one_who_has_it(api: Api) -> None:
    id = api.hubspot.contact("bo@client.example")
    reply = api.ask("POST", CONTACTS, {"properties": {"email": "BO@client.example"}})
    assert (reply.status, reply.json["message"]) == (409, f"Contact already exists. Existing ID: {id}")


# --- deleting ----------------------------------------------------------------------------------------------------------------


def test_an_archived_object_is_found_only_as_such_and_comes_back_as_it_was(api: Api) -> None:
    id = api.meeting()
    assert api.ask("DELETE", f"{MEETINGS}/{id}").status == 204
    assert api.ask("GET", f"{MEETINGS}/{id}").status == 404
    assert [one["id"] for one in api.get(MEETINGS)["results"]] == []
    gone = api.get(f"{MEETINGS}/{id}?archived=true")
    assert (gone["archived"], gone["archivedAt"]) == (True, "2026-03-05T08:40:00Z")
    assert [one["id"] for one in api.get(f"{MEETINGS}?archived=true")["results"]] == [id]
    api.world.move(60_000)
    api.hubspot.restore("meetings", id)
    assert api.get(f"{MEETINGS}/{id}")["updatedAt"] == "2026-03-05T08:40:00Z"


def test_deleting_what_is_not_there_is_done_already_unless_the_switch_says_otherwise(api: Api) -> None:
    assert api.ask("DELETE", f"{MEETINGS}/1").status == 204
    api.hubspot.switches.unknown_deletes_are_404 = True
    assert api.ask("DELETE", f"{MEETINGS}/1").status == 404


def test_an_erased_contact_is_nowhere(api: Api) -> None:
    id = api.hubspot.contact("bo@client.example")
    meeting = api.meeting(contacts=[id])
    assert api.ask("POST", f"{CONTACTS}/gdpr-delete", {"objectId": "bo@client.example", "idProperty": "email"}).status == 204
    assert [api.ask("GET", f"{CONTACTS}/{id}{query}").status for query in ("", "?archived=true")] == [404, 404]
    assert "associations" not in api.get(f"{MEETINGS}/{meeting}?associations=contacts")


# --- merging -----------------------------------------------------------------------------------------------------------------


def test_a_merge_makes_a_new_contact_that_both_old_ids_answer_with(api: Api) -> None:
    bo, bob = api.hubspot.contact("bo@client.example", "Bo"), api.hubspot.contact("bob@client.example", "Bob", "Li")
    shared, own = api.meeting(contacts=[bo, bob]), api.meeting(contacts=[bob])
    merged = api.post(f"{CONTACTS}/merge", {"primaryObjectId": bo, "objectIdToMerge": bob})
    new = merged["id"]
    assert new not in (bo, bob)
    assert (merged["properties"]["email"], merged["properties"]["lastname"]) == ("bo@client.example", "Li")
    assert {api.get(f"{CONTACTS}/{id}")["id"] for id in (bo, bob, new)} == {new}
    traces = api.get(f"{CONTACTS}/{new}?properties=hs_calculated_merged_vids,hs_merged_object_ids,hs_additional_emails")["properties"]
    assert (traces["hs_merged_object_ids"], traces["hs_additional_emails"]) == (f"{bo};{bob}", "bob@client.example")
    assert traces["hs_calculated_merged_vids"].startswith(f"{bo}:1772700000")
    for meeting in (shared, own):
        linked = api.get(f"{MEETINGS}/{meeting}?associations=contacts")["associations"]["contacts"]["results"]
        assert [one["id"] for one in linked] == [new]


def test_a_merge_keeps_the_primarys_id_if_the_switch_says_so(api: Api) -> None:
    api.hubspot.switches.merges_make_a_new_id = False
    bo, bob = api.hubspot.contact("bo@client.example"), api.hubspot.contact("bob@client.example")
    assert api.post(f"{CONTACTS}/merge", {"primaryObjectId": bo, "objectIdToMerge": bob})["id"] == bo
    assert api.get(f"{CONTACTS}/{bob}")["id"] == bo


# --- batches -----------------------------------------------------------------------------------------------------------------


def test_an_object_that_a_fault_makes_unreadable_is_an_error_of_its_batch(api: Api) -> None:
    first, second = api.meeting(), api.meeting()
    api.hubspot.world.faults.add("unreadable", path=rf"/meetings/batch/read/{second}$", times=1)
    asked = {"inputs": [{"id": first}, {"id": second}]}
    found = api.post(f"{MEETINGS}/batch/read", asked, 207)
    assert ([one["id"] for one in found["results"]], found["numErrors"]) == ([first], 1)
    assert (found["errors"][0]["category"], found["errors"][0]["context"]) == ("INTERNAL_ERROR", {"ids": [second]})
    assert [one["id"] for one in api.post(f"{MEETINGS}/batch/read", asked)["results"]] == [first, second]


def test_a_batch_read_names_what_it_could_not_find(api: Api) -> None:
    id = api.meeting()
    found = api.post(f"{MEETINGS}/batch/read", {"properties": ["hs_meeting_title"], "inputs": [{"id": id}, {"id": "9"}]}, 207)
    assert [one["properties"]["hs_meeting_title"] for one in found["results"]] == ["Kick-off"]
    assert (found["numErrors"], found["errors"][0]["category"], found["errors"][0]["context"]) == (1, "OBJECT_NOT_FOUND", {"ids": ["9"]})


def test_a_batch_read_by_address_finds_contacts(api: Api) -> None:
    id = api.hubspot.contact("bo@client.example")
    body = {"idProperty": "email", "properties": ["email"], "inputs": [{"id": "Bo@client.example"}]}
    assert [one["id"] for one in api.post(f"{CONTACTS}/batch/read", body)["results"]] == [id]


@pytest.mark.parametrize("count", [0, 101])
def test_a_batch_has_one_to_a_hundred_inputs(api: Api, count: int) -> None:
    assert api.ask("POST", f"{MEETINGS}/batch/read", {"inputs": [{"id": str(n)} for n in range(count)]}).status == 400


def test_a_batch_create_with_one_bad_input_makes_nothing(api: Api) -> None:
    inputs = [{"properties": {"hs_timestamp": START}}, {"properties": {"nope": "1"}}]
    assert api.ask("POST", f"{MEETINGS}/batch/create", {"inputs": inputs}).status == 400
    assert api.get(MEETINGS)["results"] == []


def test_a_batch_create_with_trace_ids_makes_the_good_ones_and_names_the_others(api: Api) -> None:
    inputs = [
        {"objectWriteTraceId": "a", "properties": {"hs_timestamp": START}},
        {"objectWriteTraceId": "b", "properties": {"nope": "1"}},
    ]
    found = api.post(f"{MEETINGS}/batch/create", {"inputs": inputs}, 207)
    assert [one["objectWriteTraceId"] for one in found["results"]] == ["a"]
    assert found["errors"][0]["context"] == {"objectWriteTraceId": ["b"]}


def unique(api: Api) -> None:
    body = {"name": "our_id", "label": "Our id", "type": "string", "fieldType": "text", "groupName": "meeting"}
    assert api.post("/crm/v3/properties/meetings", body | {"hasUniqueValue": True}, 201)["hasUniqueValue"] is True


def test_an_upsert_by_a_unique_property_makes_once_and_updates_after(api: Api) -> None:
    unique(api)
    one = {"idProperty": "our_id", "id": "m-1", "properties": {"hs_timestamp": START, "hs_meeting_title": "A"}}
    first = api.post(f"{MEETINGS}/batch/upsert", {"inputs": [one]})["results"][0]
    one["properties"] = {"hs_meeting_title": "B"}
    second = api.post(f"{MEETINGS}/batch/upsert", {"inputs": [one]})["results"][0]
    assert (first["new"], second["new"], second["id"]) == (True, False, first["id"])
    assert api.get(f"{MEETINGS}/m-1?idProperty=our_id&properties=hs_meeting_title")["properties"]["hs_meeting_title"] == "B"


def test_a_unique_value_belongs_to_one_object(api: Api) -> None:
    unique(api)
    first = api.post(MEETINGS, {"properties": {"hs_timestamp": START, "our_id": "m-1"}}, 201)["id"]
    reply = api.ask("POST", MEETINGS, {"properties": {"hs_timestamp": START, "our_id": "m-1"}})
    assert reply.status == 400
    assert f"{first} already has that value." in reply.json["message"]
    assert "CONFLICTING_UNIQUE_VALUE" in reply.json["message"]


def test_an_upsert_by_an_ordinary_property_is_refused(api: Api) -> None:
    inputs = [{"idProperty": "hs_meeting_title", "id": "x", "properties": {}}]
    assert api.ask("POST", f"{MEETINGS}/batch/upsert", {"inputs": inputs}).status == 400


def test_a_batch_update_does_what_it_can(api: Api) -> None:
    id = api.meeting()
    inputs = [{"id": id, "properties": {"hs_meeting_title": "A"}}, {"id": "9", "properties": {"hs_meeting_title": "B"}}]
    found = api.post(f"{MEETINGS}/batch/update", {"inputs": inputs}, 207)
    assert ([one["id"] for one in found["results"]], found["errors"][0]["context"]) == ([id], {"ids": ["9"]})


def test_a_batch_archive_archives(api: Api) -> None:
    ids = [api.meeting(), api.meeting()]
    assert api.ask("POST", f"{MEETINGS}/batch/archive", {"inputs": [{"id": id} for id in ids]}).status == 204
    assert [one["id"] for one in api.get(f"{MEETINGS}?archived=true")["results"]] == ids


# --- associations ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("type", "there", "back"),
    [("contacts", 200, 199), ("companies", 188, 187), ("deals", 212, 211), ("tickets", 226, 225)],
)
def test_a_meeting_is_associated_by_the_ids_of_each_type(api: Api, type: str, there: int, back: int) -> None:
    other = api.hubspot.record(type, {})
    types = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": there}]
    body = {"properties": {"hs_timestamp": START}, "associations": [{"to": {"id": other}, "types": types}]}
    meeting = api.post(MEETINGS, body, 201)["id"]

    def seen(one: str, id: str, target: str) -> list[tuple[str, int]]:
        found = api.get(f"/crm/v4/objects/{one}/{id}/associations/{target}")["results"]
        return [(linked["toObjectId"], spec["typeId"]) for linked in found for spec in linked["associationTypes"]]

    assert seen("meetings", meeting, type) == [(other, there)]
    assert seen(type, other, "meetings") == [(meeting, back)]


@pytest.mark.parametrize("root", ["/crm/v4/associations", "/crm/associations/2026-03"])
def test_associations_are_written_and_read_in_batches(api: Api, root: str) -> None:
    contact, bare, meeting = api.hubspot.contact("bo@client.example"), api.meeting(), api.meeting()
    types = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 200}]
    pair = {"from": {"id": meeting}, "to": {"id": contact}}
    made = api.post(f"{root}/meetings/contacts/batch/create", {"inputs": [pair | {"types": types}]}, 201)
    assert made["results"][0]["toObjectId"] == contact
    read = api.post(f"{root}/meetings/contacts/batch/read", {"inputs": [{"id": meeting}, {"id": bare}, {"id": "9"}]}, 207)
    assert [(one["from"]["id"], [to["toObjectId"] for to in one["to"]]) for one in read["results"]] == [(meeting, [contact])]
    assert {id for error in read["errors"] for ids in error["context"].values() for id in ids} == {bare, "9"}
    gone = {"inputs": [{"from": {"id": meeting}, "to": [{"id": contact}]}]}
    assert api.ask("POST", f"{root}/meetings/contacts/batch/archive", gone).status == 204
    assert api.get(f"/crm/v4/objects/meetings/{meeting}/associations/contacts")["results"] == []


def test_the_unlabelled_association_needs_no_type(api: Api) -> None:
    contact, meeting = api.hubspot.contact("bo@client.example"), api.meeting()
    for root in ("/crm/v4/objects", "/crm/objects/2026-03"):
        reply = api.ask("PUT", f"{root}/meetings/{meeting}/associations/default/contacts/{contact}")
        assert (reply.status, reply.json["results"][0]["associationSpec"]["associationTypeId"]) == (200, 200)


def test_an_association_changes_the_modified_time_only_by_the_switch(api: Api) -> None:
    contact, meeting = api.hubspot.contact("bo@client.example"), api.meeting()
    api.world.move(1000)
    api.hubspot.associate(meeting, "contacts", contact)
    before = api.get(f"{MEETINGS}/{meeting}")["updatedAt"]
    api.hubspot.switches.associations_touch = True
    api.hubspot.associate(meeting, "contacts", contact, on=False)
    assert (before, api.get(f"{MEETINGS}/{meeting}")["updatedAt"]) == ("2026-03-05T08:40:00Z", "2026-03-05T08:40:01Z")


def test_an_unknown_association_type_is_refused(api: Api) -> None:
    contact, meeting = api.hubspot.contact("bo@client.example"), api.meeting()
    types = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 199}]
    assert api.ask("PUT", f"/crm/v4/objects/meetings/{meeting}/associations/contacts/{contact}", types).status == 400
