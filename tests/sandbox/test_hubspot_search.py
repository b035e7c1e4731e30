"""HubSpot's search: what its filters find, in which order, how far, how often, and how late."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sandbox.hubspot_asking import START, Api

MEETINGS = "/crm/v3/objects/meetings"


@pytest.fixture
def api() -> Api:
    """Three meetings, made a second apart: Alpha and Beta of Ana's, Gamma of nobody's; Beta was cancelled."""
    made = Api()
    for title in ("Alpha review", "Beta review", "Gamma"):
        properties = {"hs_timestamp": START, "hs_meeting_title": title, "hubspot_owner_id": None if title == "Gamma" else "7001"}
        made.hubspot.record("meetings", properties)
        made.world.move(1000)
    made.hubspot.cancel("80000000002")
    return made


def titles(api: Api, **body: Any) -> list[str]:
    found = api.post(f"{MEETINGS}/search", {"properties": ["hs_meeting_title"], **body})
    return [one["properties"]["hs_meeting_title"][:1] for one in found["results"]]


def where(name: str, operator: str, **values: Any) -> list[dict[str, Any]]:
    return [{"filters": [{"propertyName": name, "operator": operator, **values}]}]


@pytest.mark.parametrize(
    ("groups", "found"),
    [
        pytest.param([], "ABG", id="everything"),
        pytest.param(where("hs_meeting_title", "EQ", value="alpha REVIEW"), "A", id="EQ has no case"),
        pytest.param(where("hs_meeting_title", "NEQ", value="Gamma"), "AB", id="NEQ"),
        pytest.param(where("hs_createdate", "GTE", value=str(START + 1000)), "BG", id="GTE in ms"),
        pytest.param(where("hs_createdate", "GT", value="2026-03-05T08:40:01Z"), "G", id="GT in ISO"),
        pytest.param(where("hs_createdate", "LT", value=START + 1000), "A", id="LT as a number"),
        pytest.param(where("hs_createdate", "LTE", value=str(START + 1000)), "AB", id="LTE"),
        pytest.param(where("hs_createdate", "BETWEEN", value=str(START + 500), highValue=str(START + 1500)), "B", id="BETWEEN"),
        pytest.param(where("hs_object_id", "GT", value="80000000001"), "BG", id="ids are numbers"),
        pytest.param(where("hubspot_owner_id", "HAS_PROPERTY"), "AB", id="HAS_PROPERTY"),
        pytest.param(where("hubspot_owner_id", "NOT_HAS_PROPERTY"), "G", id="NOT_HAS_PROPERTY"),
        pytest.param(where("hs_meeting_outcome", "IN", values=["CANCELED", "NO_SHOW"]), "B", id="IN"),
        pytest.param(where("hs_meeting_outcome", "NOT_IN", values=["CANCELED"]), "AG", id="NOT_IN"),
        pytest.param(where("hs_meeting_title", "CONTAINS_TOKEN", value="review"), "AB", id="CONTAINS_TOKEN"),
        pytest.param(where("hs_meeting_title", "CONTAINS_TOKEN", value="gam*"), "G", id="CONTAINS_TOKEN with a star"),
        pytest.param(where("hs_meeting_title", "NOT_CONTAINS_TOKEN", value="review"), "G", id="NOT_CONTAINS_TOKEN"),
        pytest.param(
            where("hs_meeting_title", "EQ", value="Gamma") + where("hs_meeting_outcome", "EQ", value="CANCELED"), "BG", id="groups are or"
        ),
        pytest.param(
            [
                {
                    "filters": where("hubspot_owner_id", "EQ", value="7001")[0]["filters"]
                    + where("hs_object_id", "EQ", value="80000000001")[0]["filters"]
                }
            ],
            "A",
            id="filters are and",
        ),
    ],
)
def test_filters_find(api: Api, groups: list[dict[str, Any]], found: str) -> None:
    assert "".join(titles(api, filterGroups=groups)) == found


def test_meetings_of_a_contact_are_found(api: Api) -> None:
    contact = api.hubspot.contact("bo@client.example")
    api.hubspot.associate("80000000003", "contacts", contact)
    assert titles(api, filterGroups=where("associations.contact", "EQ", value=contact)) == ["G"]


@pytest.mark.parametrize(
    ("sorts", "found"),
    [
        pytest.param(["hs_lastmodifieddate"], "AGB", id="a name"),
        pytest.param(["-hs_lastmodifieddate"], "BGA", id="a name turned round"),
        pytest.param([{"propertyName": "hs_createdate", "direction": "DESCENDING"}], "GBA", id="an object"),
    ],
)
def test_what_is_found_is_sorted(api: Api, sorts: list[Any], found: str) -> None:
    assert "".join(titles(api, sorts=sorts)) == found


def test_words_are_searched_for(api: Api) -> None:
    assert titles(api, query="rev alp") == ["A"]


def test_pages_follow_each_other(api: Api) -> None:
    first = api.post(f"{MEETINGS}/search", {"limit": 2})
    second = api.post(f"{MEETINGS}/search", {"limit": 2, "after": first["paging"]["next"]["after"]})
    assert (first["total"], len(first["results"]), len(second["results"]), "paging" in second) == (3, 2, 1, False)


@pytest.mark.parametrize(
    "body",
    [
        pytest.param({"limit": 201}, id="more than 200 a page"),
        pytest.param({"limit": 200, "after": "9900"}, id="beyond 10,000"),
        pytest.param({"filterGroups": where("hs_createdate", "GTE", value="1") * 6}, id="six groups"),
        pytest.param({"filterGroups": [{"filters": where("hs_createdate", "GTE", value="1")[0]["filters"] * 7}]}, id="seven filters"),
        pytest.param({"sorts": ["hs_createdate", "hs_object_id"]}, id="two sorts"),
        pytest.param({"filterGroups": where("nope", "EQ", value="1")}, id="an unknown property"),
        pytest.param({"filterGroups": where("hs_createdate", "LIKE", value="1")}, id="an unknown operator"),
        pytest.param({"filterGroups": where("hs_createdate", "GTE", value="soon")}, id="no time"),
        pytest.param({"filterGroups": where("hs_createdate", "GTE")}, id="no value"),
        pytest.param({"filterGroups": where("hs_object_id", "IN", values=[])}, id="no values"),
        pytest.param({"query": "x" * 3001}, id="a long query"),
        pytest.param({"limit": "many"}, id="no number"),
        pytest.param({"after": "next"}, id="no cursor"),
    ],
)
def test_what_search_does_not_take_is_refused(api: Api, body: dict[str, Any]) -> None:
    reply = api.ask("POST", f"{MEETINGS}/search", body)
    assert (reply.status, reply.json["category"]) == (400, "VALIDATION_ERROR")


def test_the_last_page_within_ten_thousand_is_answered(api: Api) -> None:
    assert api.post(f"{MEETINGS}/search", {"limit": 100, "after": "9900"})["results"] == []


def test_archived_meetings_and_associations_are_not_found(api: Api) -> None:
    api.hubspot.associate("80000000001", "contacts", api.hubspot.contact("bo@client.example"))
    api.hubspot.delete("meetings", "80000000002")
    found = api.post(f"{MEETINGS}/search", {})
    assert [(one["id"], "associations" in one) for one in found["results"]] == [("80000000001", False), ("80000000003", False)]


def test_search_lags_behind_as_long_as_the_switch_says(api: Api) -> None:
    api.world.move(60_000)
    api.hubspot.switches.search_lag_ms = 5000
    api.hubspot.change("meetings", "80000000001", {"hs_meeting_title": "Zeta"})
    api.hubspot.delete("meetings", "80000000003")
    new = api.meeting("New")
    assert sorted(titles(api)) == ["A", "B", "G"]
    assert api.get(f"{MEETINGS}/{new}?properties=hs_meeting_title")["properties"]["hs_meeting_title"] == "New"
    api.world.move(5000)
    assert sorted(titles(api)) == ["B", "N", "Z"]


def test_five_searches_a_second_and_no_more(api: Api) -> None:
    replies = [api.ask("POST", f"{MEETINGS}/search", {}) for _ in range(6)]
    assert [reply.status for reply in replies] == [200] * 5 + [429]
    assert (replies[5].json["policyName"], replies[5].json["errorType"]) == ("SECONDLY", "RATE_LIMIT")
    assert not any(name.startswith("X-HubSpot-RateLimit") for reply in replies for name in reply.headers)
    api.world.move(1000)
    assert api.ask("POST", f"{MEETINGS}/search", {}).status == 200
