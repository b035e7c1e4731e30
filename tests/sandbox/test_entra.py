"""Entra's login over HTTP: the page, codes, tokens that rotate, and errors by number."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from html import unescape
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from hypothesis import given, settings
from hypothesis import strategies as st

from services.sandbox.wire import Answer
from tests.sandbox.office365_world import ANA, CEM, Json, Office, Said, read, request_of

BACK = "http://127.0.0.1:9000/v1/connect/office365/callback"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
SCOPES = "openid profile offline_access https://graph.microsoft.com/Calendars.ReadWrite User.Read"
LOGIN = "http://127.0.0.1:8080/common"


@pytest.fixture
def office() -> Office:
    made = Office()
    made.directory.register("app", "s3cret", [BACK])
    return made


def asked(**changes: str) -> dict[str, str]:
    params = {
        "client_id": "app",
        "response_type": "code",
        "redirect_uri": BACK,
        "scope": SCOPES,
        "state": "a&b=c",
        "nonce": "n-1",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }
    return {name: value for name, value in (params | changes).items() if value}


def page(office: Office, params: dict[str, str], method: str = "GET") -> Answer:
    target = f"{LOGIN}/oauth2/v2.0/authorize"
    if method == "GET":
        return office.entra.answer(request_of("GET", f"{target}?{urlencode(params)}", {}, b""))
    return office.entra.answer(request_of("POST", target, {}, urlencode(params).encode()))


def returned(answer: Answer) -> dict[str, str]:
    """What goes back to the application."""
    assert answer.status == 302, answer.body
    assert answer.headers["Location"].startswith(BACK)
    return dict(parse_qsl(urlsplit(answer.headers["Location"]).query))


def consent(office: Office, who: str = ANA, **changes: str) -> dict[str, str]:
    return returned(page(office, asked(**changes) | {"account": who, "decision": "accept"}, "POST"))


def token(office: Office, **form: str) -> Said:
    whole = {"client_id": "app", "client_secret": "s3cret"} | form
    packed = urlencode({name: value for name, value in whole.items() if value}).encode()
    return read(office.entra.answer(request_of("POST", f"{LOGIN}/oauth2/v2.0/token", {"client-request-id": "c-1"}, packed)))


def redeem(office: Office, code: str, **changes: str) -> Said:
    return token(office, **({"grant_type": "authorization_code", "code": code, "redirect_uri": BACK, "code_verifier": VERIFIER} | changes))


def tokens(office: Office, who: str = ANA) -> Json:
    said = redeem(office, consent(office, who)["code"])
    assert said.status == 200, said.body
    return dict(said.body)


def refresh(office: Office, value: str, **changes: str) -> Said:
    return token(office, **({"grant_type": "refresh_token", "refresh_token": value} | changes))


def claims(signed: str) -> Json:
    return dict(json.loads(unpacked(signed.split(".")[1])))


def unpacked(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


# --- the page ---------------------------------------------------------------------------------------------------------


def test_the_page_says_who_asks_for_what_and_its_form_leads_back(office: Office) -> None:
    shown = page(office, asked(client_id="app", login_hint=CEM)).body.decode()
    fields = {name: unescape(value) for name, value in re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', shown)}
    assert fields == asked(login_hint=CEM)
    assert f'<option value="{CEM}" selected>' in shown
    assert "Calendars.ReadWrite" in shown
    said = returned(page(office, fields | {"account": ANA, "decision": "accept"}, "POST"))
    assert (said["state"], "code" in said, "error" in said) == ("a&b=c", True, False)


def test_the_page_can_be_clicked_through_by_a_link(office: Office) -> None:
    shown = page(office, asked()).body.decode()
    links = [unescape(link) for link in re.findall(r'<a href="([^"]*)"', shown)]
    said = office.entra.answer(request_of("GET", f"http://127.0.0.1:8080{links[0]}", {}, b""))
    assert returned(said)["state"] == "a&b=c"


def test_what_an_application_says_is_shown_as_text(office: Office) -> None:
    shown = page(office, asked(client_id="<script>", redirect_uri="http://127.0.0.1:1/", state='"><script>alert(1)</script>')).body.decode()
    assert "<script>" not in shown


@pytest.mark.parametrize(
    ("changes", "error", "number"),
    [
        pytest.param({"decision": "decline"}, "access_denied", 65004, id="declined"),
        pytest.param({"prompt": "none"}, "interaction_required", 50058, id="nobody is to be asked"),
        pytest.param({"response_type": "token"}, "unsupported_response_type", 700054, id="no code wanted"),
        pytest.param({"scope": ""}, "invalid_request", 900144, id="nothing asked for"),
    ],
)
def test_what_is_not_allowed_goes_back_as_an_error(office: Office, changes: dict[str, str], error: str, number: int) -> None:
    said = returned(page(office, asked(**changes)))
    assert (said["error"], said["state"], said["error_description"].partition(":")[0]) == (error, "a&b=c", f"AADSTS{number}")


@pytest.mark.parametrize("changes", [{"redirect_uri": BACK + "/x"}, {"redirect_uri": ""}, {"client_id": ""}], ids=str)
def test_nothing_goes_back_to_an_address_that_is_not_the_applications(office: Office, changes: dict[str, str]) -> None:
    said = page(office, asked(**changes) | {"account": ANA, "decision": "accept"})
    assert (said.status, "Location" in said.headers, b"AADSTS" in said.body) == (400, False, True)


def test_an_application_nobody_registered_may_use_loopback_if_the_door_is_open(office: Office) -> None:
    free = {"client_id": "anybody", "account": ANA, "decision": "accept"}
    assert page(office, asked() | free).status == 302
    assert page(office, asked(redirect_uri="https://elsewhere.example/") | free).status == 400
    office.directory.open_door = False
    assert b"AADSTS700016" in page(office, asked() | free).body


def test_an_answer_comes_back_the_way_it_was_asked_for(office: Office) -> None:
    accepted = {"account": ANA, "decision": "accept"}
    fragment = page(office, asked(response_mode="fragment") | accepted).headers["Location"]
    assert "code" in parse_qs(urlsplit(fragment).fragment)
    posted = page(office, asked(response_mode="form_post") | accepted).body.decode()
    assert f'action="{BACK}"' in posted
    assert 'name="code"' in posted
    office.entra.says_issuer = True
    assert consent(office)["iss"] == f"http://127.0.0.1:8080/{office.directory.tenant}/v2.0"


# --- codes and tokens -------------------------------------------------------------------------------------------------


def test_a_code_becomes_tokens_that_graph_takes(office: Office) -> None:
    said = tokens(office)
    assert (said["token_type"], said["expires_in"], said["scope"]) == ("Bearer", 3600, "openid profile Calendars.ReadWrite User.Read")
    assert office.get("/me", who=said["access_token"]).body["mail"] == ANA
    assert "client_info" not in said


def test_an_id_token_is_signed_and_says_who_signed_in(office: Office) -> None:
    signed = tokens(office)["id_token"]
    said = claims(signed)
    wanted = {"aud": "app", "nonce": "n-1", "preferred_username": ANA, "tid": office.directory.tenant, "ver": "2.0", "name": "Ana"}
    assert {name: said[name] for name in wanted} == wanted
    assert said["exp"] - said["iat"] == 3600
    (key,) = read(office.entra.answer(request_of("GET", f"{LOGIN}/discovery/v2.0/keys", {}, b""))).body["keys"]
    head, _, signature = signed.split(".")
    assert json.loads(unpacked(head))["kid"] == key["kid"]
    n, e = (int.from_bytes(unpacked(key[part]), "big") for part in ("n", "e"))
    # Raises if the signature is another's.
    rsa.RSAPublicNumbers(e, n).public_key().verify(
        unpacked(signature), signed.rpartition(".")[0].encode(), padding.PKCS1v15(), hashes.SHA256()
    )


def test_client_info_is_given_when_asked_for(office: Office) -> None:
    said = redeem(office, consent(office)["code"], client_info="1").body
    assert json.loads(unpacked(said["client_info"])) == {"uid": office.directory.user(ANA).oid, "utid": office.directory.tenant}


@pytest.mark.parametrize(
    ("changes", "status", "error", "number"),
    [
        pytest.param({"code": "forged"}, 400, "invalid_grant", 70000, id="a code nobody gave"),
        pytest.param({"code_verifier": "w" * 43}, 400, "invalid_grant", 501481, id="another verifier"),
        pytest.param({"code_verifier": ""}, 400, "invalid_grant", 501481, id="no verifier"),
        pytest.param({"redirect_uri": BACK + "/x"}, 400, "invalid_grant", 50011, id="another redirect"),
        pytest.param({"client_secret": "wrong"}, 401, "invalid_client", 7000215, id="a wrong secret"),
        pytest.param({"client_secret": ""}, 401, "invalid_client", 7000218, id="no secret"),
        pytest.param({"client_id": ""}, 400, "invalid_request", 900144, id="no client"),
        pytest.param({"grant_type": "password"}, 400, "unsupported_grant_type", 70003, id="a grant there is not"),
    ],
)
def test_a_code_is_for_whom_it_was_made(office: Office, changes: dict[str, str], status: int, error: str, number: int) -> None:
    said = redeem(office, **({"code": consent(office)["code"]} | changes))
    assert (said.status, said.body["error"], said.body["error_codes"]) == (status, error, [number])
    assert said.body["error_description"].startswith(f"AADSTS{number}: ")
    assert (said.body["correlation_id"], said.body["timestamp"], said.body["error_uri"].rpartition("=")[2]) == (
        "c-1",
        "2026-03-03 12:00:00Z",
        str(number),
    )
    assert said.body["trace_id"] in said.body["error_description"]


def test_a_code_is_good_once_and_a_second_use_ends_what_came_of_the_first(office: Office) -> None:
    code = consent(office)["code"]
    said = redeem(office, code).body
    assert redeem(office, code).body["error_codes"] == [54005]
    assert office.get("/me", who=said["access_token"]).status == 401
    assert refresh(office, said["refresh_token"]).body["error_codes"] == [50173]


def test_a_code_grows_old(office: Office) -> None:
    code = consent(office)["code"]
    office.later(10)
    assert redeem(office, code).body["error_codes"] == [70008]


# --- refreshing -------------------------------------------------------------------------------------------------------


def test_a_refresh_token_is_dead_after_its_use(office: Office) -> None:
    first = tokens(office)
    second = refresh(office, first["refresh_token"]).body
    assert second["refresh_token"] != first["refresh_token"]
    late = refresh(office, first["refresh_token"])
    assert (late.status, late.body["error"], late.body["error_codes"]) == (400, "invalid_grant", [70000])
    third = refresh(office, second["refresh_token"])
    assert (third.status, office.get("/me", who=third.body["access_token"]).status) == (200, 200)


def test_without_rotation_the_old_one_lives(office: Office) -> None:
    office.entra.rotates = False
    value = tokens(office)["refresh_token"]
    assert [refresh(office, value).status for _ in range(2)] == [200, 200]


def test_without_offline_access_nothing_is_refreshed(office: Office) -> None:
    assert "refresh_token" not in redeem(office, consent(office, scope="User.Read")["code"]).body


def test_a_refresh_asks_for_no_more_than_was_allowed(office: Office) -> None:
    said = refresh(office, tokens(office)["refresh_token"], scope="User.Read Mail.Send")
    assert (said.body["error"], said.body["error_codes"], said.body["suberror"]) == ("invalid_grant", [65001], "consent_required")


def test_what_was_revoked_is_good_for_nothing(office: Office) -> None:
    mine, theirs = tokens(office), tokens(office, CEM)
    assert office.directory.revoke(ANA) > 0
    said = refresh(office, mine["refresh_token"])
    assert (said.body["error"], said.body["error_codes"]) == ("invalid_grant", [50173])
    assert office.get("/me", who=mine["access_token"]).status == 401
    assert refresh(office, theirs["refresh_token"]).status == 200
    assert redeem(office, consent(office)["code"]).status == 200


def test_who_must_come_by_again_is_told_so_until_he_did(office: Office) -> None:
    value = tokens(office)["refresh_token"]
    office.directory.ask_again(ANA)
    said = refresh(office, value)
    assert (said.body["error"], said.body["error_codes"], said.body["suberror"]) == ("interaction_required", [50076], "basic_action")
    assert refresh(office, tokens(office)["refresh_token"]).status == 200


def test_an_application_gets_a_token_of_its_own(office: Office) -> None:
    said = token(office, grant_type="client_credentials", scope="https://graph.microsoft.com/.default").body
    assert sorted(said) == ["access_token", "expires_in", "ext_expires_in", "token_type"]
    assert office.get(f"/users/{ANA}/events", who=said["access_token"]).status == 200


# --- the rest ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tenant", ["common", "organizations", "72f988bf-86f1-41af-91ab-2d7cd011db47"])
def test_discovery_names_the_endpoints_of_its_tenant(office: Office, tenant: str) -> None:
    target = f"http://127.0.0.1:8080/{tenant}/v2.0/.well-known/openid-configuration"
    said = read(office.entra.answer(request_of("GET", target, {}, b""))).body
    assert said["token_endpoint"] == f"http://127.0.0.1:8080/{tenant}/oauth2/v2.0/token"
    issuer = "{tenantid}" if tenant in ("common", "organizations") else office.directory.tenant
    assert said["issuer"] == f"http://127.0.0.1:8080/{issuer}/v2.0"


@pytest.mark.parametrize(
    ("path", "mine"),
    [
        ("/common/oauth2/v2.0/token", True),
        ("/t1/discovery/v2.0/keys", True),
        ("/o/oauth2/v2/auth", False),
        ("/oauth/v1/token", False),
        ("/v1.0/me", False),
    ],
)
def test_a_path_is_the_logins_or_it_is_not(office: Office, path: str, mine: bool) -> None:
    assert office.entra.answers(request_of("GET", f"http://127.0.0.1:8080{path}", {}, b"")) is mine


def test_an_administrator_acts_over_the_control_api(office: Office) -> None:
    def act(action: str, method: str = "POST", **arguments: Any) -> Said:
        target = f"http://127.0.0.1:8080/sandbox/entra/{action}"
        return read(office.entra.control(request_of(method, target, {}, json.dumps(arguments).encode())))

    value = tokens(office)["refresh_token"]
    assert act("ask_again", address=ANA).body["result"] == 2
    assert refresh(office, value).body["error"] == "interaction_required"
    assert act("revoke", address=ANA).body["result"] == 2
    assert refresh(office, value).body["error_codes"] == [50173]
    assert act("settings", rotates=False).body["result"] == {"says_issuer": False, "rotates": False}
    assert act("user", address="new@acme.example").status == 200
    assert [act("fly").status, act("revoke").status] == [404, 400]
    assert {grant["state"] for grant in act("state", method="GET").body["grants"] if grant["user"] == ANA} == {"revoked"}


def test_no_state_shows_a_token(office: Office) -> None:
    said = tokens(office)
    shown = json.dumps(office.entra.state())
    assert [name for name in ("access_token", "refresh_token", "id_token") if said[name] in shown] == []


def test_signing_out_leads_back_to_loopback_alone(office: Office) -> None:
    def out(back: str) -> Answer:
        return office.entra.answer(request_of("GET", f"{LOGIN}/oauth2/v2.0/logout?post_logout_redirect_uri={back}", {}, b""))

    assert (out(BACK).status, out("https://elsewhere.example/").status) == (302, 200)


WORDS = st.sampled_from(
    ["", "app", "s3cret", BACK, "http://[", "code", "token", "authorization_code", "refresh_token", "plain", "S256", "accept", ANA, "1"]
)
PARAMS = st.dictionaries(
    st.sampled_from([*asked(), "account", "decision", "response_mode", "prompt", "grant_type", "code", "client_info"]), WORDS
)


@settings(max_examples=100, deadline=None)
@given(params=PARAMS, basic=st.sampled_from(["", "Basic", "Basic %%%", "Basic /////w==", "Basic YXBwOnMzY3JldA=="]))
def test_whatever_is_asked_is_answered(params: dict[str, str], basic: str) -> None:
    office = Office()
    office.directory.register("app", "s3cret", [BACK])
    assert page(office, params).status in (200, 302, 400)
    sent = request_of("POST", f"{LOGIN}/oauth2/v2.0/token", {"authorization": basic}, urlencode(params).encode())
    said = read(office.entra.answer(sent))
    assert (said.status in (400, 401), said.body["error"] != "") == (True, True)


def test_a_body_that_is_no_form_is_refused(office: Office) -> None:
    said = read(office.entra.answer(request_of("POST", f"{LOGIN}/oauth2/v2.0/token", {}, b"\xff\xfe")))
    assert (said.status, said.body["error_codes"]) == (400, [900561])


def test_a_secret_may_come_in_a_header(office: Office) -> None:
    code = consent(office)["code"]
    basic = "Basic " + base64.b64encode(b"app:s3cret").decode()
    form = {"grant_type": "authorization_code", "code": code, "redirect_uri": BACK, "code_verifier": VERIFIER}
    said = office.entra.answer(request_of("POST", f"{LOGIN}/oauth2/v2.0/token", {"authorization": basic}, urlencode(form).encode()))
    assert said.status == 200
