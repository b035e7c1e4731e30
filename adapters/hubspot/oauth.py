"""HubSpot's authorisation server: the installation of our app in a portal, its tokens, and which portal it is.

Sources: HubSpot's guide to its OAuth API (2026-03), which takes secrets in bodies only. What must stay true: no token stands in
an address (the older way to look one up puts it there); only what HubSpot says about the *grant* ends one.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence

import httpx
from msgspec.structs import replace

from adapters import authorising
from adapters.authorising import Chance, Note, Server, Told
from domain.errors import Refused
from domain.outside import Begun, Grant, Link

LOGIN = "https://app.hubspot.com"
API = "https://api.hubapi.com"
VERSION = "2026-03"
SCOPES = (
    "oauth",
    "crm.objects.contacts.read",  # contacts; meetings as well, which have no scope of their own
    "crm.objects.contacts.write",
    "crm.objects.companies.read",  # what meetings are associated with
    "crm.objects.deals.read",
    "crm.objects.owners.read",  # whose meeting it is
)

_NAME = "HubSpot"
_GONE = ("invalid_grant", "BAD_REFRESH_TOKEN", "BAD_AUTH_CODE")


class HubSpotAuthority:
    """`outside.Authority` of HubSpot. `login` and `api` are base addresses, `version` the one of its OAuth API (also `v1`, `v3`)."""

    def __init__(
        self,
        http: httpx.Client,
        client_id: str,
        client_secret: str,
        *,
        login: str = LOGIN,
        api: str = API,
        version: str = VERSION,
        scopes: Sequence[str] = SCOPES,
        chance: Chance = secrets.token_bytes,
    ) -> None:
        self._server, self._client, self._scopes, self._chance = Server(_NAME, http), (client_id, client_secret), tuple(scopes), chance
        self._login, self._api = login.rstrip("/"), api.rstrip("/")
        self._oauth = f"{self._api}/oauth/{version}"

    def begin(self, redirect: str, state: str) -> Begun:
        """See the port."""
        verifier = authorising.new_verifier(self._chance)
        asked = {
            "client_id": self._client[0],
            "redirect_uri": redirect,
            "response_type": "code",
            "scope": " ".join(self._scopes),
            "state": state,
            "code_challenge": authorising.challenge(verifier),
            "code_challenge_method": "S256",
        }
        return Begun(authorising.address(f"{self._login}/oauth/authorize", asked), authorising.noted(Note(verifier, redirect)))

    def redeem(self, link: Link, id: str, note: str, answer: Mapping[str, str], now: int) -> Grant:
        """See the port. HubSpot has one redirect address a provider to tell its answers by, and sends no `iss`."""
        code = authorising.code_of(_NAME, answer, lambda issuer: issuer == self._login)
        kept = authorising.note_of(note)
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": kept.redirect, "code_verifier": kept.verifier}
        told = self._token(form)
        access, refresh = told.text("access_token"), told.text("refresh_token")
        if not told.ok or access is None or refresh is None:
            raise Refused(f"HubSpot gave no token for this permission ({told.code or told.status}); try once more")
        expires = authorising.lasts_until(told, now)
        grant = Grant(link=link, id=id, access=access, refresh=refresh, scopes=self._given(told), expires_at=expires)
        return replace(grant, tenant=self._portal(told, access), granted_at=authorising.granted_at(told.at, now))

    def renew(self, grant: Grant, now: int) -> Grant:
        """See the port."""
        told = self._token({"grant_type": "refresh_token", "refresh_token": grant.refresh or ""})
        access = told.text("access_token")
        if told.ok and access is not None:
            expires = authorising.lasts_until(told, now)
            return replace(grant, access=access, refresh=told.text("refresh_token") or grant.refresh, expires_at=expires)
        if told.code in _GONE:
            raise authorising.lost(_NAME, "the app was uninstalled, or its permission withdrawn")
        raise self._server.app_refused(told.code)

    def revoke(self, grant: Grant) -> None:
        """See the port."""
        client_id, client_secret = self._client
        form = {"token": grant.refresh or "", "token_type_hint": "refresh_token", "client_id": client_id, "client_secret": client_secret}
        told = self._server.post(f"{self._oauth}/token/revoke", form)
        if not told.ok and told.code not in _GONE:
            raise Refused(f"HubSpot did not revoke the permission ({told.code or told.status}); uninstall the app in the portal's settings")

    def _token(self, form: Mapping[str, str]) -> Told:
        client_id, client_secret = self._client
        return self._server.post(f"{self._oauth}/token", {**form, "client_id": client_id, "client_secret": client_secret})

    def _given(self, told: Told) -> tuple[str, ...]:
        listed = told.body.get("scopes")
        if not isinstance(listed, list):
            return self._scopes
        given = tuple(one for one in listed if isinstance(one, str))
        authorising.lacking(_NAME, set(self._scopes) - {"oauth"}, given)
        return given

    def _portal(self, told: Told, access: str) -> str:
        """The portal's id: newer answers name it, older ones have to be asked for it."""
        hub = told.body.get("hub_id")
        if hub is None:
            hub = self._server.get(f"{self._api}/account-info/v3/details", access).body.get("portalId")
        if not isinstance(hub, int | str) or isinstance(hub, bool) or not str(hub).isdigit():
            raise Refused("HubSpot did not say which portal it is")
        return str(hub)
