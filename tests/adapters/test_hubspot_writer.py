"""Writing to HubSpot: one row for a meeting, read before it is written, and none beside HubSpot's own."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import httpx
import pytest

from adapters.hubspot import calling
from adapters.hubspot.meetings import LINK
from adapters.hubspot.writer import OURS, HubSpotWriter
from domain.errors import Deauthorised, Overtaken, Refused, TryAgain
from domain.outside import Link, Request, Written
from tests.examples import ACCOUNT, BO
from tests.outgoing import HUBSPOT, MEETING, PEOPLE, PROPOSAL, Wire, api, request

OBJECTS, PROPERTIES = "/crm/v3/objects/meetings", "/crm/v3/properties/meetings"
DEFINED, DEFINED_TOO = f"GET {PROPERTIES}/{LINK}", f"GET {PROPERTIES}/{OURS}"
DEFINE, BESIDE = f"POST {PROPERTIES}", f"GET {PROPERTIES}/hs_meeting_title"
LINKED, UPSERT, SEARCH = f"GET {OBJECTS}/{MEETING}", f"POST {OBJECTS}/batch/upsert", f"POST {OBJECTS}/search"
GET, PATCH = f"GET {OBJECTS}/9001", f"PATCH {OBJECTS}/9001"
OWNERS = "GET /crm/v3/owners"
JOIN, PART = "POST /crm/v4/associations/meetings/{}/batch/create", "POST /crm/v4/associations/meetings/contacts/batch/archive"
READ_ON = "POST /crm/v4/associations/meetings/contacts/batch/read"
UNIQUE: Any = (200, {"name": LINK, "hasUniqueValue": True})
PLAIN: Any = (200, {"name": OURS, "hasUniqueValue": False})
MISSING: Any = (404, {"status": "error", "category": "OBJECT_NOT_FOUND", "message": "resource not found"})
ANAS: Any = (200, {"results": [{"id": "7001", "userId": 501, "email": "ana@acme.example", "type": "PERSON", "archived": False}]})
NOBODY: Any = (200, {"results": []})
MADE: Any = (201, {"status": "COMPLETE", "results": []})

TIMES = {
    "hs_timestamp": "2026-04-07T08:00:00.000Z",
    "hs_meeting_start_time": "2026-04-07T08:00:00.000Z",
    "hs_meeting_end_time": "2026-04-07T09:00:00.000Z",
}
WHOLE = TIMES | {"hs_meeting_title": "Proposal review", "hs_meeting_location": "Room 4", "hs_meeting_outcome": "SCHEDULED"}


def row(associations: dict[str, list[str]] | None = None, **changed: Any) -> dict[str, Any]:
    """The proposal review as HubSpot has it."""
    own = {"hs_createdate": "2026-03-02T08:00:00Z", "hs_lastmodifieddate": "2026-03-02T08:00:05.120Z", LINK: str(MEETING)}
    linked = {kind: {"results": [{"id": id, "type": "x"} for id in ids]} for kind, ids in (associations or {}).items()}
    plain = {"id": "9001", "properties": WHOLE | own | changed, "archived": False}
    return plain | ({"associations": linked} if linked else {})


def upserted(**changed: Any) -> tuple[int, dict[str, Any]]:
    return 200, {"status": "COMPLETE", "results": [row(**changed) | {"new": True}]}


def creating(**answers: Any) -> Wire:
    plain = {DEFINED: UNIQUE, DEFINED_TOO: PLAIN, LINKED: MISSING, OWNERS: [ANAS, NOBODY], UPSERT: upserted()}
    return Wire(plain | answers)


def updating(there: dict[str, Any], **answers: Any) -> Wire:
    return Wire({DEFINED: UNIQUE, DEFINED_TOO: PLAIN, GET: (200, there), PATCH: (200, there)} | answers)


def write(wire: Wire, one: Request) -> Written:
    return HubSpotWriter(api(calling.api, wire)).write(one, PEOPLE)


def new(**fields: Any) -> Request:
    return request(HUBSPOT, **fields)


def update(*changed: str, **fields: Any) -> Request:
    return new(action="update", copy="9001", revision="2026-03-02T08:00:05.120Z", changed=changed, **fields)


def test_a_meeting_becomes_a_row_under_our_link_with_its_owner() -> None:
    wire = creating()
    written = write(wire, new())
    assert written == Written("9001", "2026-03-02T08:00:05.120Z", None, "2026-03-02T08:00:05.120Z", "2026-03-02T08:00:00.000Z", called=True)
    [asked] = wire.made("POST")
    properties = WHOLE | {LINK: str(MEETING), "hubspot_owner_id": "7001"}
    assert asked.body == {"inputs": [{"id": str(MEETING), "idProperty": LINK, "properties": properties}]}


def test_whose_row_it_is_does_not_change_whose_grant_it_is_written_by() -> None:
    wire = creating()
    assert write(wire, request(Link(ACCOUNT, "hubspot", "501"))).id == "9001"


@pytest.mark.parametrize(
    ("fields", "properties"),
    [
        pytest.param({"cancelled": True}, {"hs_meeting_outcome": "CANCELED"}, id="cancelled"),
        pytest.param({"conference_url": "https://meet.example/a"}, {"hs_meeting_external_url": "https://meet.example/a"}, id="with a link"),
        pytest.param({"description": "a < b\nc"}, {"hs_meeting_body": "a &lt; b<br>c"}, id="described, as HTML"),
        pytest.param(
            {"start": datetime(2026, 4, 7), "duration": "P1D", "all_day": True},
            {
                "hs_timestamp": "2026-04-07T00:00:00.000Z",
                "hs_meeting_start_time": "2026-04-07T00:00:00.000Z",
                "hs_meeting_end_time": "2026-04-08T00:00:00.000Z",
            },
            id="all-day, of which HubSpot knows midnights",
        ),
    ],
)
def test_what_a_new_row_says(fields: dict[str, Any], properties: dict[str, str]) -> None:
    wire = creating()
    write(wire, new(**fields))
    assert wire.made("POST")[0].body["inputs"][0]["properties"] == WHOLE | properties | {LINK: str(MEETING), "hubspot_owner_id": "7001"}


def test_a_user_who_is_no_owner_leaves_the_row_without_one() -> None:
    wire = creating(**{OWNERS: NOBODY})
    write(wire, new())
    assert "hubspot_owner_id" not in wire.made("POST")[0].body["inputs"][0]["properties"]


def test_owners_are_read_to_the_last_page_and_remembered() -> None:
    more = (200, NOBODY[1] | {"paging": {"next": {"after": "7000"}}})
    wire = creating(**{OWNERS: [more, ANAS, NOBODY]})
    writer = HubSpotWriter(api(calling.api, wire))
    for _ in range(2):
        writer.write(new(), PEOPLE)
    assert [one.query.get("after") for one in wire.asked if one.path.endswith("owners")] == [None, "7000", None]
    assert [one.body["inputs"][0]["properties"]["hubspot_owner_id"] for one in wire.made("POST")] == ["7001", "7001"]


def test_somebody_who_came_back_is_the_owner_he_is_now() -> None:
    former = (200, {"results": [ANAS[1]["results"][0] | {"id": "6001", "userId": None, "userIdIncludingInactive": 501, "archived": True}]})
    wire = creating(**{OWNERS: [ANAS, former]})
    write(wire, new())
    assert wire.made("POST")[0].body["inputs"][0]["properties"]["hubspot_owner_id"] == "7001"


def test_a_new_row_is_associated_by_hubspots_own_types() -> None:
    kinds = {"contacts": 200, "companies": 188, "deals": 212, "tickets": 226}
    joined = {JOIN.format(kind): MADE for kind in kinds}
    wire = creating(**joined, **{GET: (200, row(hs_lastmodifieddate="2026-03-02T08:00:09Z"))})
    written = write(wire, new(contacts=("151", "152"), companies=("41",), deals=("88",), tickets=("5",)))
    assert written.revision == "2026-03-02T08:00:09Z"  # as it is with its associations
    assert wire.made("POST")[0].body["inputs"][0]["properties"][OURS] == "151 152"
    asked = {one.path.split("/")[5]: one.body["inputs"] for one in wire.made("POST") if "associations" in one.path}
    assert [one["to"]["id"] for one in asked["contacts"]] == ["151", "152"]
    assert {kind: inputs[0]["types"] for kind, inputs in asked.items()} == {
        kind: [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": id}] for kind, id in kinds.items()
    }


def test_a_contact_that_was_deleted_meanwhile_is_no_reason_to_fail() -> None:
    partly = (207, {"status": "COMPLETE", "results": [], "numErrors": 1, "errors": [{"category": "OBJECT_NOT_FOUND"}]})
    wire = creating(**{JOIN.format("contacts"): partly, GET: (200, row())})
    assert write(wire, new(contacts=("151",))).id == "9001"


# --- once ---------------------------------------------------------------------------------------------------------------------


def test_a_row_that_carries_our_link_is_not_made_again() -> None:
    wire = creating(**{LINKED: (200, row({"contacts": ["151"]}))})
    assert write(wire, new(title="Another", contacts=("151",))).called is False
    assert wire.made("POST") == []
    assert wire.asked[-1].query["idProperty"] == LINK


def test_of_a_row_that_a_person_changed_since_only_the_identity_is_confirmed() -> None:
    made = "2026-03-02T08:00:00.000Z"
    assert write(creating(**{LINKED: (200, row(hs_meeting_title="Hers"))}), new()) == Written("9001", None, None, made, made, called=False)
    assert write(updating(row(hs_meeting_location="Elsewhere")), update("title", title="Another")).revision is None
    assert write(creating(**{LINKED: (200, row())}), new()).revision == "2026-03-02T08:00:05.120Z"


def test_a_row_whose_associations_were_not_made_any_more_gets_them() -> None:
    wire = creating(**{LINKED: (200, row()), JOIN.format("contacts"): MADE, GET: (200, row())})
    assert write(wire, new(contacts=("151",))).called is True
    assert [one.path for one in wire.made("POST")] == ["/crm/v4/associations/meetings/contacts/batch/create"]


def native(id: str = "9001", start: str = TIMES["hs_timestamp"]) -> dict[str, Any]:
    own: dict[str, Any] = {"hs_meeting_source": "BIDIRECTIONAL_SYNC", "hs_i_cal_uid": "abc@google.com", LINK: None}
    return row(**own, hs_meeting_start_time=start) | {"id": id}


def test_beside_a_row_of_hubspots_own_sync_none_is_made() -> None:
    rows = [native("8000", "2026-03-31T08:00:00Z"), native("9001")]
    wire = creating(**{SEARCH: (200, {"total": 2, "results": rows}), GET: (200, native())})
    written = write(wire, new(uid="abc@google.com", contacts=("151",)))
    assert (written.id, written.uid, written.called) == ("9001", "abc@google.com", False)
    [search] = wire.made("POST")
    assert search.body["filterGroups"] == [
        {
            "filters": [
                {"propertyName": "hs_i_cal_uid", "operator": "EQ", "value": "abc@google.com"},
                {"propertyName": "hs_meeting_source", "operator": "EQ", "value": "BIDIRECTIONAL_SYNC"},
            ]
        }
    ]


@pytest.mark.parametrize(
    "found",
    [
        pytest.param((200, {"total": 0, "results": []}), id="none is found"),
        pytest.param((400, {"category": "VALIDATION_ERROR"}), id="the portal does not have the properties"),
    ],
)
def test_without_such_a_row_one_is_made(found: Any) -> None:
    wire = creating(**{SEARCH: found})
    assert write(wire, new(uid="abc@google.com")).called is True


def test_of_a_row_of_hubspots_own_sync_only_associations_are_ours() -> None:
    wire = updating(native(), **{JOIN.format("contacts"): MADE})
    write(wire, update("title", "associations", title="Another", contacts=("151",)))
    assert [one.body["properties"] for one in wire.made("PATCH")] == [{OURS: "151"}]
    assert [one.path for one in wire.made("POST")] == ["/crm/v4/associations/meetings/contacts/batch/create"]


def test_a_portal_that_lacks_what_its_own_sync_would_write_is_read_without() -> None:
    lacking: Any = (400, {"category": "VALIDATION_ERROR"})
    wire = Wire({DEFINED: UNIQUE, DEFINED_TOO: PLAIN, GET: [lacking, (200, row())], PATCH: (200, row())})
    assert write(wire, update("title", title="Another")).id == "9001"
    asked = [one.query["properties"] for one in wire.asked if one.path.endswith("9001") and one.method == "GET"]
    assert ["hs_i_cal_uid" in one for one in asked] == [True, False, True]
    with pytest.raises(Refused, match="400 VALIDATION_ERROR"):
        write(Wire({DEFINED: UNIQUE, DEFINED_TOO: PLAIN, GET: lacking}), update("title", title="Another"))


# --- the properties -----------------------------------------------------------------------------------------------------------


def test_the_properties_are_defined_once_where_they_are_missing() -> None:
    made = {DEFINE: [(201, UNIQUE[1]), (201, PLAIN[1])]}
    wire = creating(**{DEFINED: MISSING, DEFINED_TOO: MISSING, BESIDE: (200, {"groupName": "meeting_details"})}, **made)
    writer = HubSpotWriter(api(calling.api, wire))
    for _ in range(2):
        writer.write(new(), PEOPLE)
    definitions = [one.body for one in wire.made("POST") if one.path == PROPERTIES]
    assert [(one["name"], one["hasUniqueValue"]) for one in definitions] == [(LINK, True), (OURS, False)]
    expected = {"type": "string", "fieldType": "text", "groupName": "meeting_details"}
    assert [{name: one[name] for name in expected} for one in definitions] == [expected, expected]


def test_somebody_else_may_define_it_in_the_same_moment() -> None:
    wire = creating(**{DEFINED: MISSING, BESIDE: MISSING, DEFINE: (409, {"category": "CONFLICT"})})
    assert write(wire, new()).id == "9001"


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        pytest.param({DEFINED: MISSING, BESIDE: MISSING, DEFINE: (403, {"category": "MISSING_SCOPES"})}, "connect again", id="no scope"),
        pytest.param({DEFINED: (200, {"hasUniqueValue": False})}, "unique values", id="one that is not unique"),
    ],
)
def test_without_the_property_nothing_is_written_and_the_reason_is_told(answers: dict[str, Any], reason: str) -> None:
    wire = creating(**answers)
    with pytest.raises(Refused, match=reason):
        write(wire, new())
    assert [one for one in wire.asked if one.path.startswith(OBJECTS)] == []


def test_a_property_that_was_deleted_is_looked_for_again() -> None:
    wire = creating(**{UPSERT: [(400, {"category": "VALIDATION_ERROR"}), upserted()]})
    writer = HubSpotWriter(api(calling.api, wire))
    with pytest.raises(Refused, match="400 VALIDATION_ERROR"):
        writer.write(new(), PEOPLE)
    writer.write(new(), PEOPLE)
    assert [one.path for one in wire.asked].count(f"{PROPERTIES}/{LINK}") == 2


def refused(word: str, status: int = 400) -> tuple[int, dict[str, Any]]:
    """HubSpot's way of saying what is wrong with a value: in the message, as JSON; 207 of a part of a batch."""
    error = {"status": "error", "category": "VALIDATION_ERROR", "message": f'Property values were not valid: [{{"error":"{word}"}}]'}
    return status, {"results": [], "errors": [error]} if status == 207 else error


DELETED: dict[str, dict[str, Any]] = {
    "when the row is looked for": {LINKED: [MISSING, refused("PROPERTY_DOESNT_EXIST"), refused("PROPERTY_DOESNT_EXIST"), MISSING]},
    "when the row is made": {UPSERT: [upserted(), refused("PROPERTY_DOESNT_EXIST"), upserted()]},
    "in a batch": {UPSERT: [upserted(), refused("PROPERTY_DOESNT_EXIST", 207), upserted()]},
}


@pytest.mark.parametrize("answers", DELETED.values(), ids=list(DELETED))
def test_a_property_that_was_deleted_in_the_portal_is_defined_anew(answers: dict[str, Any]) -> None:
    wire = creating(**answers, **{DEFINED: [UNIQUE, MISSING], BESIDE: MISSING, DEFINE: (201, UNIQUE[1])})
    writer = HubSpotWriter(api(calling.api, wire))
    writer.write(new(), PEOPLE)
    with pytest.raises(TryAgain, match="defined anew"):
        writer.write(new(), PEOPLE)
    assert writer.write(new(), PEOPLE).id == "9001"
    assert [one.body["name"] for one in wire.made("POST") if one.path == PROPERTIES] == [LINK]


def test_a_property_that_is_deleted_before_a_row_is_changed_is_defined_anew() -> None:
    wire = updating(row(), **{PATCH: refused("PROPERTY_DOESNT_EXIST")})
    writer = HubSpotWriter(api(calling.api, wire))
    assert writer.write(update("title"), PEOPLE).called is False
    with pytest.raises(TryAgain, match="defined anew"):
        writer.write(update("title", title="Another"), PEOPLE)


def test_a_property_that_is_there_and_unknown_all_the_same_is_a_refusal() -> None:
    with pytest.raises(Refused, match="400 PROPERTY_DOESNT_EXIST"):
        write(creating(**{LINKED: refused("PROPERTY_DOESNT_EXIST")}), new())


# --- changes ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "fields", "there", "properties"),
    [
        pytest.param(("title",), {"title": "Another"}, {}, {"hs_meeting_title": "Another"}, id="title"),
        pytest.param(("place",), {"location": None}, {}, {"hs_meeting_location": ""}, id="no place any more"),
        pytest.param(("status",), {"cancelled": True}, {}, {"hs_meeting_outcome": "CANCELED"}, id="cancelled"),
        pytest.param(("status",), {}, {"hs_meeting_outcome": "CANCELED"}, {"hs_meeting_outcome": "SCHEDULED"}, id="not cancelled any more"),
        pytest.param(("time",), {"duration": "PT2H"}, {}, {"hs_meeting_end_time": "2026-04-07T10:00:00.000Z"}, id="longer"),
        pytest.param(
            ("conference",),
            {"conference_url": "https://meet.example/a"},
            {},
            {"hs_meeting_external_url": "https://meet.example/a"},
            id="with a link",
        ),
    ],
)
def test_what_a_change_says(changed: tuple[str, ...], fields: dict[str, Any], there: dict[str, Any], properties: dict[str, str]) -> None:
    wire = updating(row(**there))
    assert write(wire, update(*changed, **fields)).called is True
    assert [one.body for one in wire.made("PATCH")] == [{"properties": properties}]


@pytest.mark.parametrize(
    ("fields", "there"),
    [
        pytest.param({}, {}, id="as it is"),
        pytest.param({}, {"hs_meeting_outcome": "COMPLETED"}, id="an outcome of the salesperson's"),
        pytest.param({"cancelled": True}, {"hs_meeting_outcome": "CANCELED"}, id="cancelled already"),
        pytest.param({"description": "Plan"}, {"hs_meeting_body": "<p>Plan</p>"}, id="the same text as HTML"),
        pytest.param({}, {"hs_meeting_start_time": "1775548800000"}, id="the same time in milliseconds"),
        pytest.param({"rules": ("FREQ=WEEKLY",)}, {}, id="a series, of which HubSpot knows the first"),
    ],
)
def test_what_a_row_says_already_is_not_written(fields: dict[str, Any], there: dict[str, Any]) -> None:
    wire = updating(row(**there, hs_lastmodifieddate="2026-03-03T08:00:00Z"))
    changed = ("title", "description", "time", "place", "conference", "status", "associations")
    written = write(wire, update(*changed, **fields))
    assert (written.called, written.revision) == (False, "2026-03-03T08:00:00Z")


def test_associations_are_added_and_of_the_contacts_on_a_row_ours_are_taken_off() -> None:
    there = row({"contacts": ["151", "152", "160"], "companies": ["41"]}, **{OURS: "151 152"})
    wire = updating(there, **{JOIN.format("contacts"): MADE, PART: (204, None)})
    write(wire, update("associations", contacts=("151", "153")))
    types = [{"associationCategory": "HUBSPOT_DEFINED", "associationTypeId": 200}]
    assert [one.body for one in wire.asked if one.method != "GET"] == [
        {"inputs": [{"from": {"id": "9001"}, "to": [{"id": "152"}]}]},
        {"properties": {OURS: "151 153"}},
        {"inputs": [{"from": {"id": "9001"}, "to": {"id": "153"}, "types": types}]},
    ]


def test_of_more_contacts_than_a_row_shows_at_once_all_are_taken_off() -> None:
    ids = [str(1000 + number) for number in range(150)]
    there = row({"contacts": ids[:100], "deals": ["3"]}, **{OURS: " ".join(ids)})
    there["associations"]["contacts"]["paging"] = {"next": {"after": "1100", "link": "x"}}
    page = {"from": {"id": "9001"}, "to": [{"toObjectId": int(id)} for id in ids[:100]], "paging": {"next": {"after": "1100"}}}
    rest = {"from": {"id": "9001"}, "to": [{"toObjectId": int(id)} for id in ids[100:]]}
    pages = [(200, {"results": [one]}) for one in (page, rest)]
    wire = updating(there, **{READ_ON: [*pages, *pages], PART: (204, None)})
    write(wire, update("associations", contacts=("1000",), deals=("3",)))
    (gone,) = [one.body["inputs"] for one in wire.asked if one.path.endswith("/archive")]
    assert gone == [{"from": {"id": "9001"}, "to": [{"id": id} for id in ids[1:]]}]
    assert [one.body["properties"] for one in wire.made("PATCH")] == [{OURS: "1000"}]


def test_a_contact_whom_somebody_put_on_the_row_by_hand_stays() -> None:
    wire = updating(row({"contacts": ["151", "152"]}, **{OURS: "151"}))
    assert write(wire, update("associations", contacts=("151",))).called is False


@pytest.mark.parametrize(
    "wire",
    [
        pytest.param(Wire({DEFINED: UNIQUE, DEFINED_TOO: PLAIN, GET: MISSING}), id="not there"),
        pytest.param(updating(row(), **{PATCH: MISSING}), id="deleted between reading and writing"),
    ],
)
def test_what_was_deleted_since_is_overtaken(wire: Wire) -> None:
    with pytest.raises(Overtaken):
        write(wire, update("title", "associations", title="Another"))


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        pytest.param((429, {"errorType": "RATE_LIMIT", "policyName": "TEN_SECONDLY_ROLLING"}), TryAgain, id="too many"),
        pytest.param((423, {"message": f"locked by {BO}"}), TryAgain, id="locked"),
        pytest.param((409, {"category": "CONFLICT"}), TryAgain, id="made by another in the same moment"),
        pytest.param(refused("CONFLICTING_UNIQUE_VALUE"), TryAgain, id="made by an earlier call that nobody waited for"),
        pytest.param(refused("CONFLICTING_UNIQUE_VALUE", 207), TryAgain, id="the same, in a batch"),
        pytest.param(refused("INVALID_LONG"), Refused, id="a value that is none"),
        pytest.param((200, {"results": []}), TryAgain, id="answered with nothing"),
        pytest.param(httpx.ReadTimeout("slow"), TryAgain, id="no answer"),
        pytest.param((207, {"results": [], "errors": [{"category": "VALIDATION_ERROR", "message": BO}]}), Refused, id="refused in a batch"),
        pytest.param((403, {"category": "MISSING_SCOPES"}), Deauthorised, id="the grant does not go that far"),
        pytest.param((401, {"category": "EXPIRED_AUTHENTICATION"}), Deauthorised, id="no token is taken"),
    ],
)
def test_errors_are_of_our_kinds_and_name_nobody(answer: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind) as caught:
        write(creating(**{UPSERT: answer}), new())
    assert type(caught.value) is kind
    assert "@" not in str(caught.value)


# --- a creation that is asked for again --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("there", "body"),
    [
        pytest.param(
            {OURS: "151"}, {"hs_meeting_title": "Second reading", "hs_meeting_location": "Room 9", OURS: "151 152"}, id="as it was made"
        ),
        pytest.param(
            {OURS: "151", "hs_meeting_title": "Hers"}, {"hs_meeting_location": "Room 9", OURS: "151 152"}, id="with a title of hers"
        ),
    ],
)
def test_a_creation_brings_what_an_earlier_one_made_to_what_is_asked_for_by_now(there: dict[str, str], body: dict[str, str]) -> None:
    linked, whole = row({"contacts": ["151"]}, **there), row({"contacts": ["151", "152"]}, **(there | body))
    wire = updating(whole, **{LINKED: (200, linked), JOIN.format("contacts"): MADE})
    written = write(wire, new(former=PROPOSAL, title="Second reading", location="Room 9", contacts=("151", "152")))
    assert [asked.body for asked in wire.made("PATCH")] == [{"properties": body}]
    [joined] = wire.made("POST")
    assert [one["to"]["id"] for one in joined.body["inputs"]] == ["152"]
    assert (written.called, written.revision is None) == (True, "hs_meeting_title" not in body)


def test_a_creation_of_which_no_earlier_one_is_known_leaves_what_it_finds() -> None:
    wire = updating(row(), **{LINKED: (200, row(hs_meeting_title="Hers"))})
    written = write(wire, new())
    assert (written.called, written.revision, wire.made("PATCH")) == (False, None, [])
