"""Google's authorisation server: consent to a calendar's events, tokens, and whose calendar it is.

Sources: Google Identity's guide to OAuth 2 for web servers; RFC 7636 (PKCE), RFC 9207 (`iss`). What must stay true: a grant has a
refresh token, or it is none; only `invalid_grant` ends one; the mailbox is the one that the token itself opens, whoever was meant.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping

import httpx
from msgspec.structs import replace

from adapters import authorising
from adapters.authorising import Chance, Note, Server, Told
from domain.errors import Refused
from domain.outside import Begun, Grant, Link

LOGIN = "https://accounts.google.com"
TOKENS = "https://oauth2.googleapis.com"
API = "https://www.googleapis.com/calendar/v3"

_SCOPE = "https://www.googleapis.com/auth/"
SCOPES = (f"{_SCOPE}calendar.events", f"{_SCOPE}calendar.calendarlist.readonly")
"""To read and write events; and the list of calendars, of which only the primary one is looked at, to know whose it is."""

# They may be had as parts of wider permissions, which somebody may have given before.
_WIDER = {f"{_SCOPE}calendar": SCOPES, f"{_SCOPE}calendar.readonly": SCOPES[1:], f"{_SCOPE}calendar.calendarlist": SCOPES[1:]}

_NAME = "Google"


class GoogleAuthority:
    """`outside.Authority` of Google. `login`, `tokens` and `api` are base addresses, without a stroke at their end."""

    def __init__(
        self,
        http: httpx.Client,
        client_id: str,
        client_secret: str,
        *,
        login: str = LOGIN,
        tokens: str = TOKENS,
        api: str = API,
        chance: Chance = secrets.token_bytes,
    ) -> None:
        self._server, self._client, self._chance = Server(_NAME, http), (client_id, client_secret), chance
        self._login, self._tokens, self._api = login.rstrip("/"), tokens.rstrip("/"), api.rstrip("/")

    def begin(self, redirect: str, state: str) -> Begun:
        """See the port. `prompt=consent` because without it a second consent comes without a refresh token."""
        verifier = authorising.new_verifier(self._chance)
        asked = {
            "client_id": self._client[0],
            "redirect_uri": redirect,
            "response_type": "code",
            "scope": " ".join(SCOPES),
            "access_type": "offline",
            "prompt": "consent",
            "state": state,
            "code_challenge": authorising.challenge(verifier),
            "code_challenge_method": "S256",
        }
        return Begun(authorising.address(f"{self._login}/o/oauth2/v2/auth", asked), authorising.noted(Note(verifier, redirect)))

    def redeem(self, link: Link, id: str, note: str, answer: Mapping[str, str], now: int) -> Grant:
        """See the port."""
        code = authorising.code_of(_NAME, answer, lambda issuer: issuer in (self._login, LOGIN))
        kept = authorising.note_of(note)
        form = {"grant_type": "authorization_code", "code": code, "redirect_uri": kept.redirect, "code_verifier": kept.verifier}
        told = self._token(form)
        access, refresh = told.text("access_token"), told.text("refresh_token")
        if not told.ok or access is None:
            raise Refused(f"Google gave no token for this permission ({told.code or told.status}); try once more")
        if refresh is None:
            raise Refused("Google gave a permission that does not last")
        grant = Grant(link=link, id=id, access=access, refresh=refresh, scopes=_given(told))
        calendar = self._primary(access)
        return replace(
            grant,
            address=calendar,
            calendar=calendar,
            expires_at=authorising.lasts_until(told, now),
            granted_at=authorising.granted_at(told.at, now),
        )

    def renew(self, grant: Grant, now: int) -> Grant:
        """See the port. Google keeps the refresh token; should it send another, that one counts."""
        told = self._token({"grant_type": "refresh_token", "refresh_token": grant.refresh or ""})
        access = told.text("access_token")
        if told.ok and access is not None:
            expires = authorising.lasts_until(told, now)
            return replace(grant, access=access, refresh=told.text("refresh_token") or grant.refresh, expires_at=expires)
        if told.code == "invalid_grant":
            raise authorising.lost(_NAME, "it was withdrawn, was not used for months, or an administrator ended it")
        raise self._server.app_refused(told.code)

    def revoke(self, grant: Grant) -> None:
        """See the port. With the refresh token goes every access token made from it."""
        told = self._server.post(f"{self._tokens}/revoke", {"token": grant.refresh or grant.access})
        if not told.ok and told.code != "invalid_token":  # which says that there is nothing to revoke any more
            raise Refused(f"Google did not revoke the permission ({told.code or told.status})")

    def _token(self, form: Mapping[str, str]) -> Told:
        client_id, client_secret = self._client
        return self._server.post(f"{self._tokens}/token", {**form, "client_id": client_id, "client_secret": client_secret})

    def _primary(self, access: str) -> str:
        """The id of the primary calendar, which is the address of its mailbox."""
        told = self._server.get(f"{self._api}/users/me/calendarList/primary", access)
        found = told.text("id")
        if not told.ok or found is None:
            raise Refused(f"Google did not say whose calendar it is ({told.code or told.status})")
        return found


def _given(told: Told) -> tuple[str, ...]:
    """The scopes of a token; a user may have left some out. An answer that names none gave what was asked for (RFC 6749, 5.1)."""
    text = told.text("scope")
    given = tuple(text.split()) if text else SCOPES
    authorising.lacking(_NAME, SCOPES, {*given, *(part for wide in given for part in _WIDER.get(wide, ()))})
    return given
