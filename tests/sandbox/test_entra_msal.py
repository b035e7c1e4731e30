"""The real msal, unmodified, against the login on its https port."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from urllib.parse import parse_qsl, urlsplit

import httpx
import msal
import pytest
import requests

from tests.sandbox.office365_world import ANA, Running, running

# msal recommends another response_mode than ours at every sign-in.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")
BACK = "http://127.0.0.1:9000/callback"
SCOPES = ["Calendars.ReadWrite", "User.Read"]


@pytest.fixture
def at_work() -> Iterator[Running]:
    with running() as one:
        yield one


def application(at_work: Running, tenant: str = "common") -> msal.ConfidentialClientApplication:
    session = requests.Session()
    session.verify, session.trust_env = str(at_work.sandbox.certificate), False
    return msal.ConfidentialClientApplication(
        "app", client_credential="s3cret", authority=f"{at_work.sandbox.https_url}/{tenant}", instance_discovery=False, http_client=session
    )


def clicked(at_work: Running, url: str, who: str = ANA) -> dict[str, str]:
    """What the browser brings back after somebody accepted."""
    verified = ssl.create_default_context(cafile=at_work.sandbox.certificate)
    with httpx.Client(verify=verified, trust_env=False) as browser:
        assert "Sandbox" in browser.get(url).text
        asked = dict(parse_qsl(urlsplit(url).query))
        said = browser.post(url.partition("?")[0], data=asked | {"account": who, "decision": "accept"})
    return dict(parse_qsl(urlsplit(said.headers["location"]).query))


def test_msal_signs_somebody_in_and_refreshes(at_work: Running) -> None:
    at_work.office.directory.register("app", "s3cret", [BACK])
    app = application(at_work)
    flow = app.initiate_auth_code_flow(SCOPES, redirect_uri=BACK)
    said = app.acquire_token_by_auth_code_flow(flow, clicked(at_work, flow["auth_uri"]))
    assert (said.get("error"), said["id_token_claims"]["preferred_username"]) == (None, ANA)
    first = said["refresh_token"]
    again = app.acquire_token_by_refresh_token(first, SCOPES)
    assert ("access_token" in again, again["refresh_token"] != first) == (True, True)
    assert app.acquire_token_by_refresh_token(first, SCOPES)["error"] == "invalid_grant"
    (known,) = app.get_accounts(ANA)
    assert app.acquire_token_silent(SCOPES, known)["access_token"]
    at_work.office.directory.revoke(ANA)
    lost = app.acquire_token_by_refresh_token(again["refresh_token"], SCOPES)
    assert (lost["error"], lost["error_codes"]) == ("invalid_grant", [50173])


def test_msal_hears_that_somebody_declined(at_work: Running) -> None:
    app = application(at_work)
    flow = app.initiate_auth_code_flow(SCOPES, redirect_uri=BACK)
    verified = ssl.create_default_context(cafile=at_work.sandbox.certificate)
    said = httpx.get(flow["auth_uri"] + "&decision=decline", verify=verified, trust_env=False)
    back = dict(parse_qsl(urlsplit(said.headers["location"]).query))
    assert app.acquire_token_by_auth_code_flow(flow, back)["error"] == "access_denied"


def test_msal_gets_a_token_for_an_application(at_work: Running) -> None:
    said = application(at_work, "tenant-1").acquire_token_for_client(["https://graph.microsoft.com/.default"])
    got = httpx.get(f"{at_work.sandbox.url}/v1.0/users/{ANA}", headers={"Authorization": f"Bearer {said['access_token']}"}, trust_env=False)
    assert got.json()["mail"] == ANA
