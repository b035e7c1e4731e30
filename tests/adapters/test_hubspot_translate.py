"""What HubSpot says becomes source events of the public contract; what cannot be said is refused with its reason."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.hubspot.translate import owners_map, rows, translate
from adapters.wording import Hint, Refused, Translated
from domain.source_events import SourceEvent, read

HERE = Path(__file__).parent
GOLDEN = sorted((HERE / "golden" / "hubspot").glob("*.json"))
EXPORTS = HERE.parents[2] / "shared" / "fixtures" / "hubspot"
ACCOUNT = "62515"
# 2026-03-05T08:40:00.123Z
DELETED_AT = 1772700000123


def meeting(**properties: Any) -> dict[str, Any]:
    """A meeting as the API answers it, read with its associations, with these properties instead of or beside the usual ones."""
    usual = {
        "hs_createdate": "2026-03-02T08:00:00Z",
        "hs_lastmodifieddate": "2026-03-03T08:00:00Z",
        "hs_meeting_title": "Tuesday review",
        "hs_meeting_start_time": "2026-03-24T13:00:00Z",
        "hs_meeting_end_time": "2026-03-24T14:00:00Z",
        "hubspot_owner_id": "7001",
    }
    return {"id": "9101", "properties": {**usual, **properties}, "archived": False, "associations": {}}


def contact(id: str = "151", **properties: Any) -> dict[str, Any]:
    """A contact as the API answers it."""
    usual = {"email": "bo@client.example", "firstname": "Bo", "lastname": "Lindqvist", "lastmodifieddate": "2026-03-10T08:00:00Z"}
    return {"id": id, "properties": {**usual, **properties}, "archived": False}


def item(subscription: str, **fields: Any) -> dict[str, Any]:
    """One item of a webhook batch."""
    return {"eventId": 1, "portalId": 62515, "occurredAt": DELETED_AT, "subscriptionType": subscription, **fields}


def said(*bodies: object, owners: Mapping[str, str] | None = None) -> Translated:
    """The bodies translated, owner 7001 being user 501, after each event was accepted by the contract."""
    translated = translate(bodies, account=ACCOUNT, owners={"7001": "501"} if owners is None else owners)
    for event in translated.events:
        assert isinstance(read(msgspec.json.encode(event)), SourceEvent), read(msgspec.json.encode(event))
    return translated


def only(*bodies: object) -> dict[str, Any]:
    """The one event that these bodies are."""
    translated = said(*bodies)
    assert (len(translated.events), translated.refused) == (1, [])
    return translated.events[0]


def kinds(translated: Translated) -> list[str]:
    return [event["type"].removeprefix("rendezvous.").removesuffix(".v1") for event in translated.events]


# --- golden bodies ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_golden_bodies_are_said_as_they_were(path: Path) -> None:
    golden = json.loads(path.read_text(encoding="utf-8"))
    translated = translate(golden["bodies"], **golden["options"])
    assert translated.events == golden["events"]
    assert [one._asdict() for one in translated.refused] == golden["refused"]
    assert [one._asdict() for one in translated.hints] == golden["hints"]


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_golden_events_are_accepted_by_the_contract(path: Path) -> None:
    for event in json.loads(path.read_text(encoding="utf-8"))["events"]:
        accepted = read(msgspec.json.encode(event))
        assert isinstance(accepted, SourceEvent), accepted
        assert (accepted.id, accepted.subject) == (event["id"], event["subject"])


# --- meetings -----------------------------------------------------------------------------------------------------------

TIMES = {
    "ISO 8601 with Z": ("2026-03-24T13:00:00Z", "2026-03-24T14:30:00.000Z"),
    "ISO 8601 with an offset": ("2026-03-24T14:00:00+01:00", "2026-03-24T15:30:00+0100"),
    "ISO 8601 without a zone is UTC": ("2026-03-24T13:00:00", "2026-03-24T14:30"),
    "a warehouse's timestamps are UTC": ("2026-03-24 13:00:00.000", "2026-03-24 14:30:00 UTC"),
    "milliseconds as text": ("1774357200000", "1774362600000"),
    "milliseconds as numbers": (1774357200000, 1774362600000.0),
}


@pytest.mark.parametrize(("start", "end"), TIMES.values(), ids=TIMES.keys())
def test_a_time_is_read_in_every_form_it_is_written_in(start: object, end: object) -> None:
    data = only(meeting(hs_meeting_start_time=start, hs_meeting_end_time=end))["data"]
    assert (data["start"], data["timeZone"], data["duration"]) == ("2026-03-24T13:00:00", "UTC", "PT1H30M")


@pytest.mark.parametrize("missing", ["", None, "  "])
def test_without_a_start_time_the_timestamp_is_the_start_and_without_an_end_the_start_is_the_end(missing: str | None) -> None:
    body = meeting(hs_meeting_start_time=missing, hs_meeting_end_time=missing, hs_timestamp="2026-03-24T13:00:00Z")
    assert (only(body)["data"]["start"], only(body)["data"]["duration"]) == ("2026-03-24T13:00:00", "PT0S")


REFUSED_MEETINGS = {
    "an end before the start": (
        {"hs_meeting_end_time": "2026-03-24T12:00:00Z"},
        "it ends (2026-03-24T12:00:00.000Z) before it starts (2026-03-24T13:00:00.000Z)",
    ),
    "no start": ({"hs_meeting_start_time": None}, "it has no start"),
    "an unreadable start": ({"hs_meeting_start_time": "soon"}, "hs_meeting_start_time is no time: 'soon'"),
    "an unreadable end": ({"hs_meeting_end_time": "2026-02-30T08:00:00Z"}, "hs_meeting_end_time is no time: '2026-02-30T08:00:00Z'"),
    "an owner nobody knows": (
        {"hubspot_owner_id": "7999"},
        "no owner known: neither its hubspot_owner_id among the owners, nor a user given",
    ),
    "no time of change": ({"hs_lastmodifieddate": "", "hs_createdate": ""}, "nothing says when it last changed"),
}


@pytest.mark.parametrize(("properties", "reason"), REFUSED_MEETINGS.values(), ids=REFUSED_MEETINGS.keys())
def test_a_meeting_that_cannot_be_said_is_refused_with_its_reason(properties: dict[str, Any], reason: str) -> None:
    assert said(meeting(**properties)) == Translated([], [Refused("meeting 9101", reason)], [])


ORIGINS = {
    "CRM_UI": "user",
    "INTEGRATION": "user",
    "BIDIRECTIONAL_API": "user",
    "BIDIRECTIONAL_SYNC": "native-sync",
    "MEETINGS_PUBLIC": "booking",
    "MEETINGS_EMBEDDED": "booking",
    "": "user",
}


@pytest.mark.parametrize(("source", "origin"), ORIGINS.items())
def test_the_source_says_who_made_the_meeting(source: str, origin: str) -> None:
    assert only(meeting(hs_meeting_source=source))["data"]["provenance"]["origin"] == origin


def test_a_meeting_that_carries_our_link_is_ours_whatever_its_source() -> None:
    provenance = only(meeting(hs_meeting_source="BIDIRECTIONAL_SYNC", rendezvous_meeting_id="0b0e"))["data"]["provenance"]
    assert (provenance["origin"], provenance["link"]) == ("rendezvous", "0b0e")


OUTCOMES = {"SCHEDULED": "confirmed", "COMPLETED": "confirmed", "NO_SHOW": "confirmed", "CANCELED": "cancelled", "cancelled": "cancelled"}


@pytest.mark.parametrize(("outcome", "status"), OUTCOMES.items())
def test_only_a_cancelled_outcome_changes_the_status(outcome: str, status: str) -> None:
    assert only(meeting(hs_meeting_outcome=outcome))["data"]["status"] == status


LINKS = {
    "the external link": ({"hs_meeting_external_url": "https://meet.example/a", "hs_meeting_location": "Room 4"}, "https://meet.example/a"),
    "a place that is a link": ({"hs_meeting_location": "https://meet.example/b"}, "https://meet.example/b"),
    "the external link before the place": (
        {"hs_meeting_external_url": "https://meet.example/a", "hs_meeting_location": "https://meet.example/b"},
        "https://meet.example/a",
    ),
    "no other scheme": ({"hs_meeting_external_url": "javascript:alert(1)", "hs_meeting_location": "tel:+4930"}, None),
}


@pytest.mark.parametrize(("properties", "url"), LINKS.values(), ids=LINKS.keys())
def test_the_conference_link_is(properties: dict[str, Any], url: str | None) -> None:
    data = only(meeting(**properties))["data"]
    assert (data["conferenceUrl"], data["location"]) == (url, properties.get("hs_meeting_location"))


ASSOCIATED = {
    "v3": {"contacts": {"results": [{"id": "151", "type": "meeting_event_to_contact"}, {"id": "152", "type": "x"}]}},
    "v4": {"contacts": [{"toObjectId": 151, "associationTypes": []}, {"toObjectId": "152"}]},
    "v4 of a batch": {"contacts": {"results": [{"from": {"id": "9101"}, "to": [{"toObjectId": 151}, {"toObjectId": 152}]}]}},
    "each once": {"contacts": {"results": [{"id": "151"}, {"id": "152"}, {"id": "151"}]}},
}


@pytest.mark.parametrize("associations", ASSOCIATED.values(), ids=ASSOCIATED.keys())
def test_associations_are_read_in_each_version_of_the_api(associations: dict[str, Any]) -> None:
    found = only({**meeting(), "associations": associations})["data"]["associations"]
    assert found == {"contacts": ["151", "152"], "companies": [], "deals": [], "tickets": []}


def partly(meeting: dict[str, Any], **more: Any) -> dict[str, Any]:
    """The meeting as it is read where nobody asked for its associations."""
    return {name: value for name, value in meeting.items() if name != "associations"} | more


def found_by_search(*meetings: dict[str, Any]) -> dict[str, Any]:
    """What a search answers, which never shows associations."""
    return {"total": len(meetings), "results": list(meetings)}


NEWER = "2026-03-04T08:00:00Z"
UNREAD: dict[str, tuple[list[object], list[str]]] = {
    "found by a search": ([found_by_search(partly(meeting()))], []),
    "the field is null": ([found_by_search(meeting() | {"associations": None})], []),
    "newer than the whole one": ([meeting(), found_by_search(partly(meeting(hs_lastmodifieddate=NEWER)))], ["meeting.updated"]),
    "restored": ([item("object.restore", objectTypeId="0-47", objectId=9101), found_by_search(partly(meeting()))], []),
}


@pytest.mark.parametrize(("bodies", "told"), UNREAD.values(), ids=UNREAD.keys())
def test_a_meeting_without_its_associations_is_to_be_read(bodies: list[object], told: list[str]) -> None:
    translated = said(*bodies)
    assert (kinds(translated), translated.refused, translated.hints) == (told, [], [Hint("meeting", "9101")])


READ: dict[str, tuple[list[object], list[str]]] = {
    "read whole in the same call": ([found_by_search(partly(meeting())), meeting()], ["meeting.updated"]),
    "read whole later": ([found_by_search(partly(meeting())), meeting(hs_lastmodifieddate=NEWER)], ["meeting.updated"]),
    "read by its id, with none": ([partly(meeting())], ["meeting.updated"]),
    "in a page of objects, with none": ([{"results": [partly(meeting())]}], ["meeting.updated"]),
    "deleted": ([found_by_search(partly(meeting(), archived=True))], ["meeting.deleted"]),
    "in a page that asked for them": (
        [{"results": [partly(meeting()), meeting() | {"id": "9102", "associations": {"contacts": {"results": [{"id": "151"}]}}}]}],
        ["meeting.updated", "meeting.updated"],
    ),
}


@pytest.mark.parametrize(("bodies", "told"), READ.values(), ids=READ.keys())
def test_a_meeting_whose_associations_were_read_is_told(bodies: list[object], told: list[str]) -> None:
    translated = said(*bodies)
    assert (kinds(translated), translated.refused, translated.hints) == (told, [], [])


def test_what_the_log_would_not_take_is_refused_by_name() -> None:
    crowd = ";".join(f"guest{number}@client.example" for number in range(1001))
    reason = "/data/participants: 1001; at most 1000 are accepted"
    assert said(meeting(hs_guest_emails=crowd)) == Translated([], [Refused("meeting 9101", reason)], [])


def test_control_characters_and_markup_are_taken_off_and_names_cut() -> None:
    body = meeting(
        hs_meeting_title="Kick\x00-off" + "x" * 2000, hs_meeting_location="Room\x07 4", hs_meeting_body="<p>a&amp;b</p><script>c</script>"
    )
    data = only(body)["data"]
    assert (data["title"], len(data["title"])) == ("Kick-off" + "x" * 992, 1000)
    assert (data["location"], data["description"]) == ("Room 4", "a&b")


def test_numbers_where_text_is_expected_are_text() -> None:
    body = {**meeting(hs_meeting_title=2026, hubspot_owner_id=7001), "id": 9101.0}
    assert (only(body)["subject"], only(body)["data"]["title"], only(body)["data"]["provenance"]["user"]) == ("9101", "2026", "501")


def test_the_user_given_stands_in_for_an_unknown_owner_only() -> None:
    known, unknown = meeting(), {**meeting(hubspot_owner_id=None), "id": "9102"}
    events = translate([known, unknown], account=ACCOUNT, user="502", owners={"7001": "501"}).events
    assert [event["data"]["provenance"]["user"] for event in events] == ["501", "502"]


def test_an_owner_among_the_bodies_says_whose_a_meeting_is() -> None:
    owner = {"id": "7001", "userId": 501, "email": "ana@acme.example", "type": "PERSON"}
    translated = said(meeting(), owner, owners={})
    assert kinds(translated) == ["meeting.updated", "user.added"]
    assert translated.events[0]["data"]["provenance"]["user"] == "501"


@pytest.mark.parametrize(("modified", "kind"), [("2026-03-02T08:00:05Z", "created"), ("2026-03-02T08:00:06Z", "updated")])
def test_a_meeting_changed_within_five_seconds_of_its_making_was_made(modified: str, kind: str) -> None:
    assert kinds(said(meeting(hs_lastmodifieddate=modified))) == [f"meeting.{kind}"]


def test_revisions_are_ordered_and_one_revision_with_other_content_is_another_event() -> None:
    first, later = only(meeting()), only(meeting(hs_lastmodifieddate="2026-03-03T08:00:00.001Z"))
    other = only({**meeting(), "associations": {"contacts": {"results": [{"id": "151"}]}}})
    assert first["sequence"] < later["sequence"]
    assert first["sequence"] == other["sequence"]
    assert len({first["id"], later["id"], other["id"]}) == 3


def test_an_archived_meeting_is_deleted_whatever_else_is_wrong_with_it() -> None:
    body = {**meeting(hubspot_owner_id=None, hs_meeting_start_time="soon"), "archived": True, "archivedAt": "2026-03-04T08:00:00Z"}
    event = only(body)
    assert event["type"] == "rendezvous.meeting.deleted.v1"
    assert (event["data"]["provenance"]["id"], event["data"]["provenance"]["updated"]) == ("9101", "2026-03-04T08:00:00.000Z")
    assert event["sequence"] > only(meeting())["sequence"]


def test_archived_at_counts_only_where_archived_is_not_said() -> None:
    stub = partly(meeting())
    del stub["archived"]
    assert kinds(said({**stub, "archivedAt": "2026-03-04T08:00:00Z"})) == ["meeting.deleted"]
    assert kinds(said({**meeting(), "archivedAt": "1970-01-01T00:00:00Z"})) == ["meeting.updated"]


def test_a_restored_meeting_comes_after_its_deletion_although_its_revision_is_older() -> None:
    deleted = only(item("object.deletion", objectTypeId="0-47", objectId=9101))
    translated = said(item("object.restore", objectTypeId="0-47", objectId=9101, occurredAt=DELETED_AT + 1), meeting())
    restored, before = translated.events[0], only(meeting())
    assert (kinds(translated), translated.hints) == (["meeting.restored"], [])
    assert before["sequence"] < deleted["sequence"] < restored["sequence"]
    assert restored["id"] != before["id"]
    assert restored["data"] == before["data"]


# --- contacts -----------------------------------------------------------------------------------------------------------

NAMES = {
    "both": ({"firstname": "Bo", "lastname": "Lindqvist"}, "Bo Lindqvist"),
    "first only": ({"firstname": " Bo ", "lastname": None}, "Bo"),
    "last only": ({"firstname": "", "lastname": "Lindqvist"}, "Lindqvist"),
    "none": ({"firstname": None, "lastname": ""}, None),
}


@pytest.mark.parametrize(("properties", "name"), NAMES.values(), ids=NAMES.keys())
def test_a_contacts_name_is_what_is_known_of_it(properties: dict[str, Any], name: str | None) -> None:
    assert only(contact(**properties))["data"]["name"] == name


@pytest.mark.parametrize(("email", "kept"), [(" Bo@Client.example ", "Bo@Client.example"), ("", None), (None, None)])
def test_a_contacts_email_is_the_email_property_trimmed(email: str | None, kept: str | None) -> None:
    assert only(contact(email=email, hs_additional_emails="other@client.example"))["data"]["email"] == kept


def test_a_contact_says_whom_it_took_in_without_naming_itself() -> None:
    translated = said(
        contact(hs_calculated_merged_vids="152:1773129500000;151:1773129700000;153:1773129600000", hs_merged_object_ids="153;154")
    )
    assert kinds(translated) == ["contact.updated", "contact.merged"]
    state, merged = translated.events
    assert merged["data"] == {"merged": ["152", "153", "154"], "email": "bo@client.example", "name": "Bo Lindqvist", "company": None}
    assert (merged["id"], merged["time"]) == ("hubspot:contact:151:merged:152+153+154", "2026-03-10T08:00:00.000Z")
    assert merged["sequence"] == state["sequence"]


def test_hundreds_of_merged_contacts_still_make_an_event() -> None:
    merged = said(contact(hs_merged_object_ids=";".join(str(10**10 + n) for n in range(300)))).events[1]
    assert len(merged["data"]["merged"]) == 300


def test_an_archived_contact_is_deleted_and_says_nothing_more() -> None:
    event = only({**contact(hs_merged_object_ids="152"), "archived": True})
    assert (event["type"], event["data"]) == ("rendezvous.contact.deleted.v1", {})


def test_a_restored_contact_comes_back_as_a_new_event_in_its_place() -> None:
    before, deleted = only(contact()), only(item("contact.deletion", objectId=151, occurredAt=1773200000000))
    restored = only(item("contact.restore", objectId=151, occurredAt=1773200000001), contact())
    assert restored["type"] == "rendezvous.contact.updated.v1"
    assert before["sequence"] < deleted["sequence"] < restored["sequence"]
    assert restored["id"] != before["id"]


def test_a_merge_needs_the_survivors_body() -> None:
    audit = {"canonical_vid": "151", "vid_to_merge": "152", "timestamp": "2026-03-09 08:00:00"}
    assert said(audit) == Translated([], [], [Hint("contact", "151")])
    translated = said(audit, contact())
    assert (kinds(translated), translated.hints) == (["contact.updated", "contact.merged"], [])
    assert translated.events[1]["time"] == "2026-03-09T08:00:00.000Z"
    assert translated.events[1]["data"]["email"] == "bo@client.example"


def test_a_merge_into_a_deleted_contact_is_refused() -> None:
    translated = said({"canonical_vid": "151", "vid_to_merge": "152"}, {**contact(), "archived": True})
    assert kinds(translated) == ["contact.deleted"]
    assert translated.refused == [Refused("merge into contact 151", "the surviving contact is deleted")]


def test_a_merge_told_by_webhook_may_survive_under_a_new_id() -> None:
    told = item("contact.merge", primaryObjectId=151, mergedObjectIds=[152], newObjectId=160, objectId=160)
    assert said(told).hints == [Hint("contact", "160")]
    translated = said(told, contact("160"))
    assert (translated.events[1]["subject"], translated.events[1]["data"]["merged"]) == ("160", ["151", "152"])


# --- owners and users ---------------------------------------------------------------------------------------------------

ANA = {"id": "7001", "email": "ana@acme.example", "type": "PERSON", "userId": 501, "updatedAt": "2026-01-06T08:00:00Z"}
PEOPLE: dict[str, tuple[dict[str, Any], list[str], str | None]] = {
    "an owner is a user": (ANA, ["user.added"], None),
    "an archived owner was one": ({**ANA, "userId": None, "userIdIncludingInactive": 501, "archived": True}, ["user.removed"], None),
    "a queue is none": ({**ANA, "type": "QUEUE"}, [], "a queue is no person"),
    "an owner without a user": ({**ANA, "userId": None}, [], "it names no user"),
    "an owner without an address": ({**ANA, "email": ""}, [], "it has no e-mail"),
    "a user of the user list": ({"id": "501", "email": "ana@acme.example", "roleIds": []}, ["user.added"], None),
}


@pytest.mark.parametrize(("body", "said_as", "reason"), PEOPLE.values(), ids=PEOPLE.keys())
def test_owners_and_users(body: dict[str, Any], said_as: list[str], reason: str | None) -> None:
    translated = said(body)
    assert kinds(translated) == said_as
    assert [one.reason for one in translated.refused] == ([reason] if reason else [])
    assert [event["subject"] for event in translated.events] == ["501"] * len(said_as)


def test_the_table_of_owners_holds_active_and_former_people_and_no_queues() -> None:
    former = {"id": "7002", "email": "cem@acme.example", "userId": None, "userIdIncludingInactive": 502, "archived": True}
    queue = {"id": "7003", "email": "", "type": "QUEUE", "userId": 503}
    row = {"owner_id": "7004", "email": "x", "active_user_id": "504"}
    blank = {"owner_id": "7005", "email": "x", "active_user_id": ""}
    assert owners_map([{"results": [ANA, former, queue]}, row, blank, meeting(), "noise"]) == {"7001": "501", "7002": "502", "7004": "504"}


# --- webhooks -----------------------------------------------------------------------------------------------------------

HINTS: dict[str, tuple[dict[str, Any], Hint]] = {
    "a contact made": (item("contact.creation", objectId=201), Hint("contact", "201")),
    "a contact changed": (item("contact.propertyChange", objectId=201, propertyName="email", propertyValue="x"), Hint("contact", "201")),
    "a contact restored": (item("contact.restore", objectId=201), Hint("contact", "201")),
    "a meeting made": (item("object.creation", objectTypeId="0-47", objectId=101), Hint("meeting", "101")),
    "a meeting changed": (item("object.propertyChange", objectTypeId="0-47", objectId=101), Hint("meeting", "101")),
    "a meeting restored": (item("object.restore", objectTypeId="0-47", objectId=101), Hint("meeting", "101")),
    "a meeting associated": (
        item("object.associationChange", objectTypeId="0-47", fromObjectId=101, toObjectId=201, toObjectTypeId="0-1"),
        Hint("meeting", "101"),
    ),
    "a contact associated with a meeting": (
        item("object.associationChange", objectTypeId="0-1", fromObjectId=201, toObjectId=101, toObjectTypeId="0-47"),
        Hint("meeting", "101"),
    ),
}


@pytest.mark.parametrize(("body", "hint"), HINTS.values(), ids=HINTS.keys())
def test_a_webhook_item_is_a_hint_and_never_data(body: dict[str, Any], hint: Hint) -> None:
    assert said([body, body]) == Translated([], [], [hint])


DELETIONS = {
    "a meeting": (item("object.deletion", objectTypeId="0-47", objectId=101), "meeting.deleted", "101"),
    "a contact, classic": (item("contact.deletion", objectId=201), "contact.deleted", "201"),
    "a contact, generic": (item("object.deletion", objectTypeId="0-1", objectId=201), "contact.deleted", "201"),
    "a contact's privacy deletion": (item("contact.privacyDeletion", objectId=201), "contact.erased", "201"),
}


@pytest.mark.parametrize(("body", "kind", "subject"), DELETIONS.values(), ids=DELETIONS.keys())
def test_a_deletion_says_all_there_is_and_its_repetition_nothing(body: dict[str, Any], kind: str, subject: str) -> None:
    translated = said([body, {**body, "eventId": 2, "attemptNumber": 1}])
    assert (kinds(translated), translated.hints) == ([kind], [])
    event = translated.events[0]
    assert (event["subject"], event["time"], event["sequence"]) == (subject, "2026-03-05T08:40:00.123Z", "00000001772700000123")


@pytest.mark.parametrize(
    "body",
    [
        item("company.creation", objectId=1),
        item("object.deletion", objectTypeId="0-3", objectId=1),
        item("object.deletion", objectTypeId="0-47"),
        item("contact.teleportation", objectId=1),
        item(""),
    ],
    ids=["a company", "a deal", "no id", "an unknown action", "no type"],
)
def test_a_webhook_item_of_anything_else_is_refused(body: dict[str, Any]) -> None:
    translated = said(body)
    assert (translated.events, len(translated.refused), translated.hints) == ([], 1, [])


def test_a_hint_whose_body_is_in_the_call_is_answered() -> None:
    made, other = item("contact.creation", objectId=151), item("contact.creation", objectId=152)
    assert said([made, other], contact()).hints == [Hint("contact", "152")]


# --- rows of exports ----------------------------------------------------------------------------------------------------


def test_a_row_of_a_meeting_is_ordered_by_when_it_was_read_and_has_no_creation() -> None:
    text = (
        "\ufeffengagement_id,_fivetran_synced,end_time,source,start_time,meeting_outcome,body,external_url,title\r\n"
        '3416,2020-07-09 11:04:22.087,2019-09-26 14:30:00,CRM_UI,2019-09-26 13:00:00,CANCELED,"two\nlines",,"Plans, and ""more"""\r\n'
    )
    (event,) = translate(rows(text), account=ACCOUNT, user="501").events
    provenance, data = event["data"]["provenance"], event["data"]
    assert (event["subject"], data["title"], data["description"]) == ("3416", 'Plans, and "more"', "two\nlines")
    assert (data["start"], data["duration"], data["status"]) == ("2019-09-26T13:00:00", "PT1H30M", "cancelled")
    assert (provenance["created"], provenance["updated"], provenance["revision"]) == (None, "2020-07-09T11:04:22.087Z", None)


def test_a_row_of_a_contact_is_a_contact_and_a_deleted_one_a_deletion() -> None:
    text = (
        "_fivetran_deleted,id,property_email,property_firstname,property_lastname\n"
        "FALSE,151,bo@client.example,Bo,Lindqvist\nTRUE,152,dee@client.example,Dee,Okafor\n"
    )
    translated = said(*rows(text))
    assert kinds(translated) == ["contact.updated", "contact.deleted"]
    assert translated.events[0]["data"] == {"email": "bo@client.example", "name": "Bo Lindqvist", "company": None}


def test_rows_of_another_table_are_refused_once_for_the_table() -> None:
    translated = said(*rows("deal_id,contact_id\n1,2\n3,4\n"))
    assert translated.refused == [
        Refused("an object with contact_id, deal_id", "neither a meeting, a contact, an owner, a user nor a merge")
    ]


def test_short_and_long_rows_are_filled_and_cut() -> None:
    assert rows("id,property_email\n1\n2,b,c\n") == [{"id": "1", "property_email": ""}, {"id": "2", "property_email": "b"}]


# Events, refusals and hints of each table of a real portal, anonymised.
COUNTS = {
    "company": (0, 1, 0),
    "contact": (23, 0, 0),
    "contact_merge_audit": (0, 0, 4),
    "contact_property_history": (0, 1, 0),
    "deal": (0, 1, 0),
    "deal_contact": (0, 1, 0),
    "engagement": (0, 1, 0),
    "engagement_company": (0, 1, 0),
    "engagement_contact": (0, 1, 0),
    "engagement_meeting": (100, 0, 0),
    "owner": (4, 96, 0),
    "property": (0, 1, 0),
    "users": (2, 0, 0),
}


@pytest.mark.parametrize(("table", "counts"), COUNTS.items(), ids=COUNTS.keys())
def test_the_export_of_a_real_portal_runs_through(table: str, counts: tuple[int, int, int]) -> None:
    path = EXPORTS / f"fivetran_{table}_data.csv"
    if not path.exists():
        pytest.skip("the exports of a real portal are not part of the repository and are not beside it")
    translated = translate(rows(path.read_text(encoding="utf-8")), account=ACCOUNT, user="501")
    assert (len(translated.events), len(translated.refused), len(translated.hints)) == counts
    for event in translated.events:
        assert isinstance(read(msgspec.json.encode(event)), SourceEvent), read(msgspec.json.encode(event))


# --- whatever comes -----------------------------------------------------------------------------------------------------

SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
SPOKEN = st.sampled_from(
    ["0-1", "0-47", "TRUE", "PERSON", "2026-03-24T13:00:00Z", "9999-12-31T23:59:59-12:00", "1:2;3:4", "<p>a<![", "7001"]
)
JSON = st.recursive(
    SCALARS | SPOKEN, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3), max_leaves=8
)
BODIES = [
    {
        **meeting(
            hs_timestamp="", hs_meeting_body="", hs_meeting_location="", hs_guest_emails="", hs_meeting_source="", rendezvous_meeting_id=""
        ),
        "archivedAt": "",
        "createdAt": "",
        "updatedAt": "",
        "associations": {"contacts": [{"to": []}], "deals": {"results": []}},
    },
    {**contact(hs_calculated_merged_vids="", hs_merged_object_ids="", company="", createdate=""), "archivedAt": ""},
    {**ANA, "userIdIncludingInactive": "", "archived": False},
    {"id": "501", "email": "ana@acme.example", "role_id": "1"},
    {"engagement_id": "1", "start_time": "2019-09-26 13:00:00", "end_time": "", "title": "", "_fivetran_synced": "2020-07-09 11:04:22.087"},
    {"id": "151", "property_email": "", "_fivetran_deleted": "FALSE", "_fivetran_synced": ""},
    {"owner_id": "7001", "email": "", "active_user_id": "", "type": "", "updated_at": ""},
    {"canonical_vid": "151", "vid_to_merge": "152", "timestamp": ""},
    item(
        "object.associationChange",
        objectTypeId="0-47",
        objectId=1,
        fromObjectId=1,
        fromObjectTypeId="0-47",
        toObjectId=1,
        toObjectTypeId="",
    ),
    item("contact.merge", primaryObjectId=151, mergedObjectIds=[152], newObjectId=160),
    {"status": "COMPLETE", "results": [], "errors": [], "category": "", "message": ""},
]


@st.composite
def disturbed(draw: st.DrawFn) -> object:
    """A body of any kind with any JSON in any of its fields."""
    body: dict[str, Any] = json.loads(json.dumps(draw(st.sampled_from(BODIES))))
    inner = body.get("properties")
    place = inner if isinstance(inner, dict) and draw(st.booleans()) else body
    for name in draw(st.sets(st.sampled_from(sorted(place)), max_size=4)):
        place[name] = draw(JSON)
    return body


@settings(deadline=None)
@given(st.lists(disturbed() | JSON, max_size=4), st.none() | st.just("501"))
def test_no_json_makes_it_raise_and_each_event_is_accepted(bodies: list[object], user: str | None) -> None:
    translated = translate(bodies, account=ACCOUNT, user=user, owners={"7001": "501"})
    assert translate(bodies, account=ACCOUNT, user=user, owners={"7001": "501"}) == translated
    owners_map(bodies)
    for event in translated.events:
        accepted = read(msgspec.json.encode(event))
        assert isinstance(accepted, SourceEvent), accepted


@settings(deadline=None)
@given(st.text(max_size=200))
def test_no_text_makes_the_reading_of_rows_raise(text: str) -> None:
    assert all(isinstance(value, str) for row in rows(text) for value in row.values())
