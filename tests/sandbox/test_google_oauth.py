"""Google's login, as a browser and a server go through it, and what makes a grant worth nothing."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from services.sandbox.google import Google
from services.sandbox.shell import Sandbox
from services.sandbox.world import World

ANA = "ana@acme.example"
BACK = "http://127.0.0.1:1/v1/connect/google/callback"
SCOPE = "https://www.googleapis.com/auth/calendar.events"
VERIFIER = "v" * 43
CHALLENGE = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
ASKED = {
    "client_id": "cid",
    "redirect_uri": BACK,
    "response_type": "code",
    "scope": SCOPE,
    "state": "s1",
    "access_type": "offline",
    "code_challenge": CHALLENGE,
    "code_challenge_method": "S256",
}
REVOKED = {"error": "invalid_grant", "error_description": "Token has been expired or revoked."}


@pytest.fixture
def browser(sandbox: Sandbox) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=sandbox.url, trust_env=False, verify=False) as client:
        yield client


def consent(browser: httpx.Client, **asked: str) -> dict[str, str]:
    """What comes back to the redirect address after a click."""
    answer = browser.get("/o/oauth2/v2/auth", params={**ASKED, "consent": "allow", "account": ANA, **asked})
    assert answer.status_code == 302, answer.text
    assert answer.headers["location"].startswith(BACK + "?")
    return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}


def exchange(browser: httpx.Client, code: str, **said: str) -> httpx.Response:
    form = {"grant_type": "authorization_code", "code": code, "client_id": "cid", "client_secret": "cs"}
    return browser.post("/token", data={**form, "redirect_uri": BACK, "code_verifier": VERIFIER, **said})


def refresh(browser: httpx.Client, token: str, **said: str) -> httpx.Response:
    form = {"grant_type": "refresh_token", "refresh_token": token, "client_id": "cid", "client_secret": "cs"}
    return browser.post("/token", data={**form, **said})


def granted(browser: httpx.Client, **asked: str) -> dict[str, Any]:
    answer = exchange(browser, consent(browser, **asked)["code"])
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def calls(browser: httpx.Client, token: str) -> int:
    return browser.get("/calendar/v3/calendars/primary/events", headers={"Authorization": f"Bearer {token}"}).status_code


def test_a_person_chooses_an_account_on_a_page_and_is_led_back(browser: httpx.Client) -> None:
    page = browser.get("/o/oauth2/v2/auth", params={**ASKED, "login_hint": ANA})
    assert page.status_code == 200
    assert re.findall(r'value="([^"]+)"( checked)?> ', page.text) == [(ANA, " checked"), ("bo@client.example", "")]
    form = dict(re.findall(r'type="hidden" name="([^"]+)" value="([^"]+)"', page.text))
    assert form == {**ASKED, "login_hint": ANA}
    answer = browser.post("/o/oauth2/v2/auth", data={**form, "account": ANA, "consent": "allow"})
    query = parse_qs(urlsplit(answer.headers["location"]).query)
    assert (query["state"], query["iss"], query["scope"]) == (["s1"], ["https://accounts.google.com"], [SCOPE])
    assert exchange(browser, query["code"][0]).json()["access_token"]


def test_the_page_shows_what_it_was_given_and_runs_none_of_it(browser: httpx.Client) -> None:
    page = browser.get("/o/oauth2/v2/auth", params={**ASKED, "client_id": '"><script>x</script>', "state": '"><b>'}).text
    assert ("<script>" in page, "<b>" in page) == (False, False)


def test_who_says_no_is_led_back_with_that(browser: httpx.Client) -> None:
    told = consent(browser, consent="deny")
    assert (told["error"], told["state"]) == ("access_denied", "s1")


def test_who_may_not_be_shown_a_page_is_told_that_one_is_needed(browser: httpx.Client) -> None:
    assert consent(browser, prompt="none")["error"] == "interaction_required"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        pytest.param({"client_id": ""}, "client_id", id="no client"),
        pytest.param({"response_type": "token"}, "unsupported_response_type", id="another flow"),
        pytest.param({"redirect_uri": "https://evil.example/"}, "redirect_uri_mismatch", id="to another machine"),
        pytest.param({"redirect_uri": "http://["}, "redirect_uri_mismatch", id="to nowhere"),
        pytest.param({"code_challenge_method": "S1"}, "code_challenge_method", id="no way to hash"),
    ],
)
def test_a_request_that_is_wrong_is_shown_as_a_page_and_leads_nowhere(browser: httpx.Client, changed: dict[str, str], said: str) -> None:
    answer = browser.get("/o/oauth2/v2/auth", params={**ASKED, "consent": "allow", "account": ANA, **changed})
    assert (answer.status_code, said in answer.text, "location" in answer.headers) == (400, True, False)


def test_a_code_gives_tokens_that_are_good_for_an_hour(browser: httpx.Client, world: World) -> None:
    told = granted(browser)
    assert (told["expires_in"], told["token_type"], told["scope"]) == (3599, "Bearer", SCOPE)
    assert calls(browser, told["access_token"]) == 200
    world.move(3_599_000)
    assert calls(browser, told["access_token"]) == 401
    fresh = refresh(browser, told["refresh_token"]).json()
    assert "refresh_token" not in fresh
    assert calls(browser, fresh["access_token"]) == 200
    assert refresh(browser, told["refresh_token"]).status_code == 200


@pytest.mark.parametrize(
    ("changed", "status", "error"),
    [
        pytest.param({"code_verifier": "w" * 43}, 400, "invalid_grant", id="another verifier"),
        pytest.param({"code_verifier": ""}, 400, "invalid_grant", id="no verifier"),
        pytest.param({"redirect_uri": BACK + "/"}, 400, "redirect_uri_mismatch", id="another way back"),
        pytest.param({"client_id": "other"}, 400, "invalid_grant", id="another client"),
        pytest.param({"code": "4/0Anonsense"}, 400, "invalid_grant", id="another code"),
        pytest.param({"client_id": ""}, 400, "invalid_request", id="no client"),
        pytest.param({"grant_type": "password"}, 400, "unsupported_grant_type", id="another grant"),
    ],
)
def test_a_code_is_good_for_whom_it_was_made(browser: httpx.Client, changed: dict[str, str], status: int, error: str) -> None:
    answer = exchange(browser, **{"code": consent(browser)["code"], **changed})
    assert (answer.status_code, answer.json()["error"]) == (status, error)


def test_a_code_is_good_once_and_for_ten_minutes(browser: httpx.Client, world: World) -> None:
    code, late = consent(browser)["code"], consent(browser)["code"]
    assert exchange(browser, code).status_code == 200
    world.move(600_001)
    for used_up in (code, late):
        answer = exchange(browser, used_up)
        assert (answer.status_code, answer.json()) == (400, {"error": "invalid_grant", "error_description": "Bad Request"})


def test_a_refresh_token_comes_with_offline_access_and_with_the_first_consent_only(browser: httpx.Client) -> None:
    assert "refresh_token" not in granted(browser, access_type="online")
    assert "refresh_token" in granted(browser)
    assert "refresh_token" not in granted(browser)
    assert "refresh_token" in granted(browser, prompt="consent")


@pytest.mark.parametrize("which", ["access_token", "refresh_token"])
@pytest.mark.parametrize("how", ["query", "form"])
def test_who_revokes_one_token_revokes_the_grant(browser: httpx.Client, which: str, how: str) -> None:
    told = granted(browser)
    way: dict[str, Any] = {"params" if how == "query" else "data": {"token": told[which]}}
    assert browser.post("/revoke", **way).status_code == 200
    assert calls(browser, told["access_token"]) == 401
    answer = refresh(browser, told["refresh_token"])
    assert (answer.status_code, answer.json()) == (400, REVOKED)
    assert browser.post("/revoke", **way).json()["error"] == "invalid_token"


def test_a_person_takes_back_what_he_granted(browser: httpx.Client, google: Google) -> None:
    told = granted(browser)
    google.revoke(ANA)
    assert calls(browser, told["access_token"]) == 401
    assert refresh(browser, told["refresh_token"]).json() == REVOKED


@pytest.mark.parametrize(
    ("days", "testing", "status"),
    [
        pytest.param(180, False, 200, id="half a year unused"),
        pytest.param(181, False, 400, id="a day more"),
        pytest.param(7, True, 200, id="a week, in testing"),
        pytest.param(8, True, 400, id="a day more, in testing"),
    ],
)
def test_a_refresh_token_ages(browser: httpx.Client, google: Google, world: World, days: int, testing: bool, status: int) -> None:
    token = granted(browser)["refresh_token"]
    google.switches.testing = testing
    world.move(days * 86_400_000)
    assert refresh(browser, token).status_code == status


def test_the_oldest_of_more_than_a_hundred_refresh_tokens_is_dropped(browser: httpx.Client, google: Google) -> None:
    tokens = [google.grant(ANA, [SCOPE], "cid")[1] for _ in range(101)]
    assert [refresh(browser, token).status_code for token in (tokens[0], tokens[1], tokens[100])] == [400, 200, 200]


@pytest.mark.parametrize(
    ("effect", "said"),
    [
        pytest.param("revoked_grant", REVOKED, id="revoked"),
        pytest.param(
            "invalid_rapt",
            {
                "error": "invalid_grant",
                "error_description": "reauth related error (invalid_rapt)",
                "error_subtype": "invalid_rapt",
            },
            id="an administrator's policy",
        ),
    ],
)
def test_a_fault_ends_a_grant(browser: httpx.Client, world: World, effect: str, said: dict[str, str]) -> None:
    token = granted(browser)["refresh_token"]
    world.faults.add(effect, simulator="google")
    answer = refresh(browser, token)
    assert (answer.status_code, answer.json()) == (400, said)


@pytest.mark.parametrize("way", ["form", "header"])
@pytest.mark.parametrize(("client", "secret", "status"), [("cid", "right", 200), ("cid", "wrong", 401), ("other", "right", 401)])
def test_a_client_that_is_known_has_its_secret(
    browser: httpx.Client, google: Google, way: str, client: str, secret: str, status: int
) -> None:
    _, token = google.grant(ANA, [SCOPE], "cid")
    google.switches.clients = {"cid": "right"}
    form = {"grant_type": "refresh_token", "refresh_token": token}
    if way == "form":
        answer = browser.post("/token", data={**form, "client_id": client, "client_secret": secret})
    else:
        answer = browser.post("/token", data=form, auth=(client, secret))
    assert answer.status_code == status


def test_a_refresh_can_ask_for_less_and_not_for_more(browser: httpx.Client) -> None:
    token = granted(browser, scope=f"{SCOPE} openid")["refresh_token"]
    assert refresh(browser, token, scope=SCOPE).json()["scope"] == SCOPE
    assert refresh(browser, token, scope="https://www.googleapis.com/auth/drive").json()["error"] == "invalid_scope"


def test_a_token_says_whose_it_is(browser: httpx.Client) -> None:
    token = granted(browser, scope=f"{SCOPE} openid email")["access_token"]
    info = browser.get("/tokeninfo", params={"access_token": token}).json()
    assert (info["email"], info["aud"], info["expires_in"]) == (ANA, "cid", "3599")
    user = browser.get("/oauth2/v2/userinfo", headers={"Authorization": f"Bearer {token}"}).json()
    assert (user["email"], user["name"]) == (ANA, "Ana Ruiz")
    assert browser.get("/tokeninfo", params={"access_token": "x"}).status_code == 400


def test_an_identity_token_is_signed_by_the_key_that_is_published(browser: httpx.Client) -> None:
    told = granted(browser, scope=f"{SCOPE} openid", nonce="n1")
    head, claims, signature = told["id_token"].split(".")
    published = browser.get("/.well-known/openid-configuration").json()
    key = browser.get(urlsplit(published["jwks_uri"]).path).json()["keys"][0]
    numbers = rsa.RSAPublicNumbers(*(int.from_bytes(unpacked(key[name]), "big") for name in ("e", "n")))
    numbers.public_key().verify(unpacked(signature), f"{head}.{claims}".encode(), padding.PKCS1v15(), hashes.SHA256())
    said = json.loads(unpacked(claims))
    assert (said["iss"], said["aud"], said["email"], said["nonce"]) == (published["issuer"], "cid", ANA, "n1")


def unpacked(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
