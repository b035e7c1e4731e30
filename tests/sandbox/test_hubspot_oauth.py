"""HubSpot's OAuth, as an app and its user go through it, in both generations of the endpoints; and what a token may do."""

from __future__ import annotations

import base64
import hashlib
import re
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest

from services.sandbox.hubspot import CLIENT_ID, CLIENT_SECRET
from tests.sandbox.hubspot_asking import Api, Reply

BACK = "http://127.0.0.1:9/v1/connect/hubspot/callback"
CLIENT = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET}
NEW = "/oauth/2026-03/token"
V1 = "/oauth/v1/token"
BOTH = pytest.mark.parametrize("path", [V1, "/oauth/v3/token", NEW])
VERIFIER = "a-verifier-of-some-forty-characters-and-more"


@pytest.fixture
def api() -> Api:
    made = Api()
    made.token = None
    return made


def authorize(api: Api, **more: str) -> Reply:
    asked = {"client_id": CLIENT_ID, "redirect_uri": BACK, "scope": "oauth crm.objects.contacts.read", "state": "s&1", **more}
    return api.ask("GET", f"/oauth/authorize?{urlencode(asked)}")


def sent_back(reply: Reply) -> dict[str, list[str]]:
    assert reply.status == 302, reply
    assert reply.headers["Location"].startswith(BACK + "?")
    return parse_qs(urlsplit(reply.headers["Location"]).query)


def code(api: Api, **more: str) -> str:
    return sent_back(authorize(api, portal="62515", user="501", **more))["code"][0]


def exchange(api: Api, path: str, code: str, **more: str) -> Reply:
    return api.ask("POST", path, form={"grant_type": "authorization_code", "code": code, "redirect_uri": BACK, **CLIENT, **more})


def refresh(api: Api, path: str, token: str) -> Reply:
    return api.ask("POST", path, form={"grant_type": "refresh_token", "refresh_token": token, **CLIENT})


# --- consent -----------------------------------------------------------------------------------------------------------------


def test_the_page_can_be_clicked_through(api: Api) -> None:
    page = authorize(api).json
    assert "crm.objects.contacts.read" in page
    fields = dict(re.findall(r'name="([^"]+)" value="([^"]*)"', page.replace("&amp;", "&")))
    action = re.search(r'formaction="([^"]+)"', page)
    assert action is not None
    reply = api.ask("POST", action[1].replace("&amp;", "&"), form={name: value for name, value in fields.items() if name != "deny"})
    back = sent_back(reply)
    assert (back["state"], len(back["code"])) == (["s&1"], 1)


def test_a_user_may_refuse(api: Api) -> None:
    assert sent_back(authorize(api, deny="1"))["error"] == ["access_denied"]


@pytest.mark.parametrize(
    "more",
    [
        pytest.param({"client_id": "nobody"}, id="an unknown app"),
        pytest.param({"redirect_uri": ""}, id="nowhere to go back to"),
        pytest.param({"redirect_uri": "javascript:alert(1)"}, id="a script to go back to"),
        pytest.param({"redirect_uri": BACK + "\r\nSet-Cookie: a=b"}, id="a header in what to go back to"),
        pytest.param({"scope": ""}, id="nothing asked for"),
        pytest.param({"code_challenge_method": "plain"}, id="a plain challenge"),
    ],
)
def test_what_is_wrong_is_shown_and_nobody_is_sent_anywhere(api: Api, more: dict[str, str]) -> None:
    reply = authorize(api, portal="62515", **more)
    assert (reply.status, "Location" in reply.headers) == (400, False)


def test_a_registered_app_goes_back_to_where_it_is_registered_only(api: Api) -> None:
    api.hubspot.app.redirects.append("https://elsewhere.example/callback")
    assert authorize(api).status == 400


def test_a_page_shows_no_html_of_its_asker(api: Api) -> None:
    assert "<script>" not in authorize(api, state="<script>alert(1)</script>").json


# --- tokens ------------------------------------------------------------------------------------------------------------------


@BOTH
def test_a_code_is_exchanged_once(api: Api, path: str) -> None:
    found = code(api)
    reply = exchange(api, path, found)
    assert (reply.status, reply.json["expires_in"], reply.json["token_type"]) == (200, 1800, "bearer")
    assert len(reply.json["access_token"]) > 300
    assert exchange(api, path, found).json["status"] == "BAD_AUTH_CODE"


def test_the_newer_endpoints_say_whose_token_it_is(api: Api) -> None:
    said = exchange(api, NEW, code(api)).json
    assert (said["hub_id"], said["user_id"], said["token_use"]) == (62515, 501, "access_token")
    assert said["scopes"] == ["oauth", "crm.objects.contacts.read"]
    assert "hub_id" not in exchange(api, V1, code(api)).json


@BOTH
def test_a_challenge_is_answered_by_its_verifier_only(api: Api, path: str) -> None:
    challenge = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
    asked = {"code_challenge": challenge, "code_challenge_method": "S256"}
    assert exchange(api, path, code(api, **asked), code_verifier=VERIFIER).status == 200
    assert exchange(api, path, code(api, **asked), code_verifier="other").json["status"] == "BAD_CODE_VERIFIER"
    assert exchange(api, path, code(api, **asked)).json["status"] == "BAD_CODE_VERIFIER"


@pytest.mark.parametrize(
    ("more", "status"),
    [
        pytest.param({"redirect_uri": BACK + "/x"}, "BAD_REDIRECT_URI", id="another redirect"),
        pytest.param({"client_secret": "wrong"}, "BAD_CLIENT_SECRET", id="a wrong secret"),
        pytest.param({"client_id": "nobody"}, "BAD_CLIENT_ID", id="an unknown app"),
        pytest.param({"grant_type": "password"}, "BAD_GRANT_TYPE", id="an unknown grant"),
    ],
)
def test_an_exchange_is_refused_for_its_reason(api: Api, more: dict[str, str], status: str) -> None:
    reply = exchange(api, V1, code(api), **more)
    assert (reply.status, reply.json["status"]) == (400, status)


def test_a_code_does_not_keep(api: Api) -> None:
    found = code(api)
    api.world.move(601_000)
    assert exchange(api, V1, found).json["status"] == "BAD_AUTH_CODE"


@BOTH
def test_a_refresh_gives_another_access_token_and_the_same_refresh_token(api: Api, path: str) -> None:
    first = exchange(api, path, code(api)).json
    second = refresh(api, path, first["refresh_token"]).json
    assert second["refresh_token"] == first["refresh_token"]
    assert second["access_token"] != first["access_token"]


def test_a_refresh_after_the_app_was_removed_is_refused_in_each_generations_words(api: Api) -> None:
    token = exchange(api, V1, code(api)).json["refresh_token"]
    api.hubspot.uninstall()
    old, new = refresh(api, V1, token), refresh(api, NEW, token)
    assert (old.status, old.json["status"], "error" in old.json) == (400, "BAD_REFRESH_TOKEN", False)
    assert (new.status, new.json["error"], new.json["status"]) == (400, "invalid_grant", "BAD_REFRESH_TOKEN")


def test_a_token_can_be_looked_into_and_revoked(api: Api) -> None:
    said = exchange(api, NEW, code(api)).json

    def known(token: str) -> Reply:
        return api.ask("POST", NEW + "/introspect", form={"token": token, **CLIENT})

    about = known(said["access_token"]).json
    assert (about["active"], about["hub_id"], about["user"], about["expires_in"]) == (True, 62515, "ana@acme.example", 1800)
    assert known(said["refresh_token"]).json["token_use"] == "refresh_token"
    assert api.ask("POST", NEW + "/revoke", form={"token": said["refresh_token"], **CLIENT}).status == 200
    assert [known(said[name]).json for name in ("access_token", "refresh_token")] == [{"active": False}, {"active": False}]
    assert refresh(api, NEW, said["refresh_token"]).status == 400


def test_v1_says_whose_token_it_is_by_its_path(api: Api) -> None:
    said = exchange(api, V1, code(api)).json
    access = api.get(f"/oauth/v1/access-tokens/{said['access_token']}")
    assert (access["hub_id"], access["user"], access["app_id"], access["token_type"]) == (62515, "ana@acme.example", 54321, "access")
    assert api.get(f"/oauth/v1/refresh-tokens/{said['refresh_token']}")["token_type"] == "refresh"
    assert api.ask("DELETE", f"/oauth/v1/refresh-tokens/{said['refresh_token']}").status == 204
    assert refresh(api, V1, said["refresh_token"]).json["status"] == "BAD_REFRESH_TOKEN"


# --- what a token may do -----------------------------------------------------------------------------------------------------


def test_an_access_token_is_good_for_half_an_hour(api: Api) -> None:
    api.token = exchange(api, V1, code(api)).json["access_token"]
    assert api.ask("GET", "/crm/v3/objects/meetings").status == 200
    api.world.move(1_800_000 + 5 * 60_000)
    reply = api.ask("GET", "/crm/v3/objects/meetings")
    assert (reply.status, reply.json["category"]) == (401, "EXPIRED_AUTHENTICATION")
    assert "expired 5 minute(s) ago" in reply.json["message"]


@pytest.mark.parametrize("token", [None, "nonsense"])
def test_without_a_good_token_nothing_is_answered(api: Api, token: str | None) -> None:
    api.token = token
    reply = api.ask("GET", "/crm/v3/objects/meetings")
    assert (reply.status, reply.json["category"]) == (401, "INVALID_AUTHENTICATION")


def test_a_token_without_the_scope_is_told_which_one_is_missing(api: Api) -> None:
    api.token = exchange(api, V1, code(api)).json["access_token"]
    reply = api.ask("POST", "/crm/v3/objects/meetings", {"properties": {"hs_timestamp": "1"}})
    assert (reply.status, reply.json["category"]) == (403, "MISSING_SCOPES")
    assert reply.json["errors"][0]["context"] == {"requiredGranularScopes": ["crm.objects.contacts.write"]}
    api.hubspot.switches.enforce_scopes = False
    assert api.ask("POST", "/crm/v3/objects/meetings", {"properties": {"hs_timestamp": "1"}}).status == 201


def test_a_portals_token_sees_no_other_portal(api: Api) -> None:
    here = api.hubspot.contact("bo@client.example")
    api.hubspot.portal(777, "Other")
    there = api.hubspot.contact("cy@client.example", portal=777)
    assert here == there
    api.token = api.hubspot.token(777)
    assert api.get(f"/crm/v3/objects/contacts/{there}")["properties"]["email"] == "cy@client.example"
    assert api.get("/account-info/v3/details")["portalId"] == 777


def test_one_of_two_scopes_will_do_where_either_does(api: Api) -> None:
    api.token = exchange(api, V1, code(api, scope="oauth tickets crm.objects.contacts.write")).json["access_token"]
    assert api.ask("GET", "/crm/v3/objects/tickets").status == 200
    definition = {"name": "our_id", "label": "Our id", "type": "string", "fieldType": "text", "groupName": "engagement"}
    assert api.ask("POST", "/crm/v3/properties/meetings", definition).status == 201
    refused = api.ask("POST", "/crm/v3/properties/contacts", definition | {"groupName": "contactinformation"})
    assert refused.json["errors"][0]["context"] == {"requiredGranularScopes": ["crm.schemas.contacts.write"]}
