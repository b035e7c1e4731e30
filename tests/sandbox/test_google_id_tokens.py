"""Where libraries look beside Google's own documents: the older address of the login's keys, and a token that is shown by a header."""

from __future__ import annotations

import base64
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from google.auth import jwt

from services.sandbox.google import Google
from services.sandbox.shell import Sandbox
from services.sandbox.world import World

ANA, BACK = "ana@acme.example", "http://127.0.0.1:1/callback"
ASKED = {"client_id": "cid", "redirect_uri": BACK, "response_type": "code", "scope": "openid", "consent": "allow", "account": ANA}


@pytest.fixture
def browser(sandbox: Sandbox, google: Google, world: World) -> Iterator[httpx.Client]:
    """With the machine's clock, which the library compares with."""
    world.freeze(time.time_ns() // 1_000_000)
    with httpx.Client(base_url=sandbox.url, trust_env=False) as client:
        yield client


def granted(browser: httpx.Client) -> dict[str, Any]:
    location = browser.get("/o/oauth2/v2/auth", params=ASKED).headers["location"]
    (code,) = parse_qs(urlsplit(location).query)["code"]
    form = {"grant_type": "authorization_code", "code": code, "client_id": "cid", "client_secret": "cs", "redirect_uri": BACK}
    return dict(browser.post("/token", data=form).json())


def certificates(browser: httpx.Client) -> dict[str, str]:
    return dict(browser.get("/oauth2/v1/certs").json())


def test_the_older_address_has_the_key_in_a_certificate(browser: httpx.Client) -> None:
    claims = jwt.decode(granted(browser)["id_token"], certs=certificates(browser), audience="cid")  # type: ignore[no-untyped-call]  # google-auth annotates parts of it
    assert claims["email"] == ANA


def test_what_another_key_signed_is_not_believed(browser: httpx.Client) -> None:
    head, claims, signature = granted(browser)["id_token"].split(".")
    signed = bytearray(base64.urlsafe_b64decode(signature + "=" * (-len(signature) % 4)))
    signed[0] ^= 1
    changed = f"{head}.{claims}.{base64.urlsafe_b64encode(signed).rstrip(b'=').decode()}"
    with pytest.raises(ValueError, match="Could not verify token signature"):
        jwt.decode(changed, certs=certificates(browser), audience="cid")  # type: ignore[no-untyped-call]  # google-auth annotates parts of it


def test_a_token_in_the_header_says_whose_it_is(browser: httpx.Client) -> None:
    token = granted(browser)["access_token"]
    said = browser.post("/tokeninfo", headers={"Authorization": f"Bearer {token}"})
    assert (said.status_code, said.json()["email"]) == (200, ANA)
    assert browser.post("/tokeninfo", headers={"Authorization": "Bearer x"}).status_code == 400
