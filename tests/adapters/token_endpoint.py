"""The providers' authorisation servers as far as our adapters call them, behind httpx: answers are set, what was asked is kept."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import httpx

from adapters.google.oauth import GoogleAuthority
from adapters.hubspot.oauth import HubSpotAuthority
from adapters.office365.oauth import Office365Authority
from domain.outside import Authority, Begun

REDIRECT = "https://sync.example/v1/connect/x/callback"
DATE = "Mon, 02 Mar 2026 08:00:30 GMT"
SIDE = 1772438430000
"""`DATE` in ms."""

ENTRA = "https://login.microsoftonline.com"
DISCOVERY = "/common/v2.0/.well-known/openid-configuration"

Answer = tuple[int, Any] | Exception


def id_token(**claims: str) -> str:
    """A token as msal reads one: unsigned, because it came straight from the token endpoint."""
    parts = [
        json.dumps(part).encode() for part in ({"alg": "none"}, {"aud": "app", "sub": "u", "iss": "x", "exp": 2e9, "iat": 1, **claims})
    ]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts) + "."


class Endpoint:
    """`answers` by path; of a list, one at a time and the last for ever."""

    def __init__(self, answers: dict[str, list[Answer]]) -> None:
        self.answers, self.nonce = answers, ""
        self.asked: list[tuple[str, str, dict[str, str], httpx.Headers]] = []

    def client(self) -> httpx.Client:
        return httpx.Client(transport=httpx.MockTransport(self._answer))

    def form(self, path: str) -> dict[str, str]:
        """The last form posted there."""
        return next(form for _, asked, form, _ in reversed(self.asked) if asked == path)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        form = {name: values[0] for name, values in parse_qs(request.content.decode()).items()}
        self.asked.append((request.method, request.url.path, form, request.headers))
        left = self.answers.get(request.url.path, [(404, {})])
        answer = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(answer, Exception):
            raise answer
        status, body = answer
        if isinstance(body, dict) and isinstance(claims := body.get("id_token"), dict):
            body = body | {"id_token": id_token(nonce=self.nonce, **claims)}
        headers = {"Date": DATE} | ({"Retry-After": "7"} if status == 429 else {})
        return httpx.Response(status, json=body, headers=headers)


class Provider:
    """One provider with its authority over a fake of its server. `token` is the path of its token endpoint."""

    def __init__(self, name: str, token: str, answers: dict[str, list[Answer]], make: Callable[[httpx.Client], Authority]) -> None:
        self.name, self.token, self.endpoint = name, token, Endpoint(answers)
        self.authority = make(self.endpoint.client())

    def consent(self, state: str = "a-state") -> Begun:
        """Begin one. Entra says the nonce of the consent in the token that it then gives."""
        begun = self.authority.begin(REDIRECT, state)
        note = json.loads(begun.note)
        self.endpoint.nonce = hashlib.sha256(note["nonce"].encode()).hexdigest() if isinstance(note, dict) else ""
        return begun

    def says(self, *answers: Answer) -> Provider:
        """The next answers of the token endpoint."""
        self.endpoint.answers[self.token] = list(answers)
        return self


def google() -> Provider:
    tokens = {
        "access_token": "at-1",
        "refresh_token": "rt-1",
        "expires_in": 3599,
        "token_type": "Bearer",
        "scope": "https://www.googleapis.com/auth/calendar.calendarlist.readonly https://www.googleapis.com/auth/calendar.events",
    }
    answers: dict[str, list[Answer]] = {
        "/token": [(200, tokens)],
        "/calendar/v3/users/me/calendarList/primary": [(200, {"id": "ana@acme.example", "primary": True})],
        "/revoke": [(200, {})],
    }
    return Provider("google", "/token", answers, lambda http: GoogleAuthority(http, "app", "hunter2"))


def office365() -> Provider:
    tokens = {
        "access_token": "at-1",
        "refresh_token": "rt-1",
        "expires_in": 3599,
        "token_type": "Bearer",
        "scope": "https://graph.microsoft.com/Calendars.ReadWrite https://graph.microsoft.com/User.Read openid profile",
        "id_token": {"tid": "84bd8158"},
    }
    described = {
        "issuer": f"{ENTRA}/{{tenantid}}/v2.0",
        "authorization_endpoint": f"{ENTRA}/common/oauth2/v2.0/authorize",
        "token_endpoint": f"{ENTRA}/common/oauth2/v2.0/token",
    }
    answers: dict[str, list[Answer]] = {
        DISCOVERY: [(200, described)],
        "/common/oauth2/v2.0/token": [(200, tokens)],
        "/v1.0/me": [(200, {"mail": "ana@acme.example", "userPrincipalName": "ana@acme.onmicrosoft.example"})],
        "/v1.0/me/calendar": [(200, {"id": "AAMk", "name": "Calendar"})],
    }
    return Provider("office365", "/common/oauth2/v2.0/token", answers, lambda http: Office365Authority(http, "app", "hunter2"))


def hubspot() -> Provider:
    tokens = {
        "access_token": "at-1",
        "refresh_token": "rt-1",
        "expires_in": 1800,
        "token_type": "bearer",
        "hub_id": 62515,
        "scopes": [
            "oauth",
            "crm.objects.contacts.read",
            "crm.objects.contacts.write",
            "crm.objects.companies.read",
            "crm.objects.deals.read",
            "crm.objects.owners.read",
        ],
    }
    answers: dict[str, list[Answer]] = {
        "/oauth/2026-03/token": [(200, tokens)],
        "/oauth/2026-03/token/revoke": [(200, {})],
        "/account-info/v3/details": [(200, {"portalId": 62515})],
    }
    return Provider("hubspot", "/oauth/2026-03/token", answers, lambda http: HubSpotAuthority(http, "app", "hunter2"))


MAKERS = {"google": google, "office365": office365, "hubspot": hubspot}
