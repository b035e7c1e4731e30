"""HubSpot's OAuth: the consent page, codes, access and refresh tokens, and what the two generations of its endpoints say.

What must stay true: a code is good once and for its own redirect; a refresh token stays the same; an access token lives as long as
the switch says. v1 refuses in HubSpot's own words only, the newer endpoints in those of RFC 6749 as well.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec

from services.sandbox.hubspot_errors import CONTENT_TYPE, Failure, unauthenticated
from services.sandbox.hubspot_portal import Portal, User
from services.sandbox.hubspot_switches import Switches
from services.sandbox.hubspot_webhooks import App
from services.sandbox.wire import Answer, BadBody, Request, as_html, as_json, redirect
from services.sandbox.world import World

CODE_SECONDS = 600
_AUTHORIZE = re.compile(r"/oauth(?:/\d+)?/authorize/?")
_NEW = r"/oauth/(?:v3|\d{4}-\d{2}(?:-beta)?)"
_TOKEN = re.compile(rf"(?:/oauth/v1|{_NEW})/token/?")
_INTROSPECT = re.compile(rf"{_NEW}/token/introspect/?")
_REVOKE = re.compile(rf"{_NEW}/token/revoke/?")
_V1_TOKEN = re.compile(r"/oauth/v1/(access|refresh)-tokens/([^/]+)/?")
_URL = re.compile(r"https?://[!-~]+")
# What v1 says -> what RFC 6749 says.
_WORDS = {
    "BAD_REFRESH_TOKEN": "invalid_grant",
    "BAD_AUTH_CODE": "invalid_grant",
    "BAD_CODE_VERIFIER": "invalid_grant",
    "BAD_REDIRECT_URI": "invalid_grant",
    "BAD_CLIENT_ID": "invalid_client",
    "BAD_CLIENT_SECRET": "invalid_client",
    "BAD_GRANT_TYPE": "unsupported_grant_type",
}


class Consent(msgspec.Struct, kw_only=True):
    """What a user of a portal let an app do; `refresh` names it. Without a portal: the app itself (client credentials)."""

    app: App
    portal: Portal | None
    user: User | None
    scopes: tuple[str, ...]
    refresh: str
    live: bool = True


class Access(msgspec.Struct, kw_only=True):
    """An access token until `expires` (ms; None: for ever, a private app's). `everything`: it needs no scopes."""

    token: str
    consent: Consent
    expires: int | None
    everything: bool = False
    revoked: bool = False


class Code(msgspec.Struct, kw_only=True):
    """What a consent is exchanged by, once."""

    consent: Consent
    redirect: str
    expires: int
    challenge: str | None


class OAuth:
    """Who may do what: the consents to apps, their codes and tokens."""

    def __init__(self, world: World, apps: Mapping[int, App], portals: Mapping[int, Portal], switches: Switches) -> None:
        self._world, self._apps, self._portals, self._switches = world, apps, portals, switches
        self.codes: dict[str, Code] = {}
        self.consents: dict[str, Consent] = {}
        self.accesses: dict[str, Access] = {}

    # --- for simulator and people ----------------------------------------------------------------------------------------

    def consent(self, app: App, portal: Portal | None, user: User | None, scopes: tuple[str, ...]) -> Consent:
        """A user installs an app."""
        found = Consent(app=app, portal=portal, user=user, scopes=scopes, refresh=f"eu1-{self._random(36)}")
        self.consents[found.refresh] = found
        if portal is not None:
            app.installed.add(portal.id)
        return found

    def access(self, consent: Consent, everything: bool = False) -> Access:
        """A fresh access token, or the everlasting one of a private app."""
        token = f"pat-eu1-{self._random(36)}" if everything else f"C{self._random(self._switches.access_token_length - 1)}"
        expires = None if everything else self._world.now() + self._switches.access_token_seconds * 1000
        self.accesses[token] = Access(token=token, consent=consent, expires=expires, everything=everything)
        return self.accesses[token]

    def uninstall(self, app: App, portal: Portal) -> None:
        """The app is removed from a portal: none of its tokens is good there any more."""
        app.installed.discard(portal.id)
        for consent in self.consents.values():
            if consent.app is app and consent.portal is portal:
                self._end(consent)

    def forget(self) -> None:
        """Nobody consented to anything."""
        for kept in (self.codes, self.consents, self.accesses):
            kept.clear()

    def revoke(self, consent: Consent) -> None:
        """The refresh token is good no more; access tokens live on to their end."""
        consent.live = False

    def _end(self, consent: Consent) -> None:
        consent.live = False
        for access in self.accesses.values():
            access.revoked = access.revoked or access.consent is consent

    def good(self, token: str | None) -> Access:
        """Whose token this is. Raises `Failure` 401."""
        if token is None:
            raise unauthenticated("Authentication credentials not found. This API supports OAuth 2.0 authentication.")
        found = self.accesses.get(token)
        if found is None or found.revoked or self._world.faults.take("revoked", "hubspot"):
            raise unauthenticated("Invalid access token.")
        late = 0 if found.expires is None else self._world.now() - found.expires
        if late > 0 or self._world.faults.take("expired", "hubspot"):
            message = f"The OAuth token used to make this call expired {late // 60_000} minute(s) ago."
            raise unauthenticated(message, "EXPIRED_AUTHENTICATION")
        return found

    # --- over HTTP -------------------------------------------------------------------------------------------------------

    def answer(self, request: Request) -> Answer | None:
        """Answer a request of OAuth's; None if the path is none. Raises `Failure`."""
        path = request.path
        if _AUTHORIZE.fullmatch(path):
            return self._authorize(request)
        if found := _V1_TOKEN.fullmatch(path):
            return self._v1_token(request, found[1], found[2])
        if request.method == "POST" and _TOKEN.fullmatch(path):
            return self._token(request)
        if request.method == "POST" and _INTROSPECT.fullmatch(path):
            return self._introspect(request)
        if request.method == "POST" and _REVOKE.fullmatch(path):
            return self._revoke(request)
        return None

    # --- the consent page --------------------------------------------------------------------------------------------------

    def _authorize(self, request: Request) -> Answer:
        """The page on GET; with `portal` and `user` (GET or POST) the choice is made, with `deny` it is refused."""
        asked = dict(request.query) | (_form(request) if request.method == "POST" else {})
        app = next((app for app in self._apps.values() if app.client_id == asked.get("client_id")), None)
        wrong = _wrong(asked, app)
        if wrong or app is None:
            return as_html(400, f"<!doctype html><title>HubSpot</title><h1>Authorization failed</h1><p>{html.escape(wrong)}</p>")
        if "deny" in asked:
            return self._back(asked, error="access_denied", error_description="The user denied the request")
        if "portal" not in asked:
            return as_html(200, self._page(asked, app), route="oauth.authorize")
        return self._chosen(asked, app)

    def _chosen(self, asked: Mapping[str, str], app: App) -> Answer:
        portal = self._portals.get(int(asked["portal"])) if asked["portal"].isdecimal() else None
        if portal is None:
            return as_html(400, "<!doctype html><title>HubSpot</title><h1>No such account</h1>")
        user = portal.users.get(int(asked["user"])) if asked.get("user", "").isdecimal() else next(iter(portal.users.values()), None)
        consent = self.consent(app, portal, user, tuple(dict.fromkeys(f"{asked['scope']} {asked.get('optional_scope', '')}".split())))
        code = f"eu1-{self._random(36)}"
        expires = self._world.now() + CODE_SECONDS * 1000
        self.codes[code] = Code(consent=consent, redirect=asked["redirect_uri"], expires=expires, challenge=asked.get("code_challenge"))
        return self._back(asked, code=code)

    def _back(self, asked: Mapping[str, str], **said: str) -> Answer:
        answer = said | ({"state": asked["state"]} if "state" in asked else {})
        there = asked["redirect_uri"]
        return redirect(f"{there}{'&' if urlsplit(there).query else '?'}{urlencode(answer)}", route="oauth.authorize")

    def _page(self, asked: Mapping[str, str], app: App) -> str:
        """Plain links: a browser clicks them, and so can a test."""
        hidden = "".join(f'<input type="hidden" name="{html.escape(name)}" value="{html.escape(value)}">' for name, value in asked.items())
        scopes = "".join(f"<li>{html.escape(scope)}</li>" for scope in asked["scope"].split())
        choices = "".join(_choice(portal, user) for portal in self._portals.values() for user in portal.users.values())
        return (
            '<!doctype html><html lang="en"><meta charset="utf-8"><title>HubSpot (sandbox): connect an app</title>'
            '<link rel="stylesheet" href="/sandbox/static/sandbox.css"><main class="consent">'
            f"<h1>Connect {html.escape(app.name)} to HubSpot</h1><p>The app asks for:</p><ul>{scopes}</ul>"
            f'<form method="post" action="/oauth/authorize">{hidden}<p>Install it in an account, as one of its users:</p>{choices}</form>'
            f'<form method="post" action="/oauth/authorize">{hidden}<button name="deny" value="1">Cancel</button></form></main></html>'
        )

    # --- tokens ------------------------------------------------------------------------------------------------------------

    def _token(self, request: Request) -> Answer:
        asked, new = _form(request), "/v1/" not in request.path
        app = self._client(asked, new)
        match asked.get("grant_type"):
            case "authorization_code":
                consent = self._exchanged(asked, app, new)
            case "refresh_token":
                consent = self._refreshed(asked, app, new)
            case "client_credentials" if new:
                consent = self.consent(app, None, None, tuple(asked.get("scope", "").split()))
            case _:
                raise refused("BAD_GRANT_TYPE", "missing or unknown grant_type", new)
        return as_json(200, self._granted(consent, new), {"Content-Type": CONTENT_TYPE, "Cache-Control": "no-store"}, "oauth.token")

    def _granted(self, consent: Consent, new: bool) -> dict[str, Any]:
        said: dict[str, Any] = {
            "access_token": self.access(consent).token,
            "expires_in": self._switches.access_token_seconds,
            "token_type": "bearer",
        }
        if consent.portal is not None:
            said["refresh_token"] = consent.refresh
        return said | ({"token_use": "access_token", **_about(consent)} if new else {})

    def _client(self, asked: Mapping[str, str], new: bool) -> App:
        app = next((app for app in self._apps.values() if app.client_id == asked.get("client_id")), None)
        if app is None:
            raise refused("BAD_CLIENT_ID", "missing or invalid client id", new)
        if asked.get("client_secret") != app.secret:
            raise refused("BAD_CLIENT_SECRET", "missing or invalid client secret", new)
        return app

    def _exchanged(self, asked: Mapping[str, str], app: App, new: bool) -> Consent:
        code = self.codes.pop(asked.get("code", ""), None)
        if code is None or code.consent.app is not app or code.expires < self._world.now():
            raise refused("BAD_AUTH_CODE", "missing or unknown auth code", new)
        if asked.get("redirect_uri") != code.redirect:
            raise refused("BAD_REDIRECT_URI", "redirect URI does not match initial redirect URI", new)
        if code.challenge is not None and _challenge(asked.get("code_verifier", "")) != code.challenge:
            raise refused("BAD_CODE_VERIFIER", "the code verifier does not match the challenge", new)
        return code.consent

    def _refreshed(self, asked: Mapping[str, str], app: App, new: bool) -> Consent:
        consent = self.consents.get(asked.get("refresh_token", ""))
        gone = self._world.faults.take("revoked_grant", "hubspot") is not None
        if consent is None or not consent.live or consent.app is not app or gone:
            raise refused("BAD_REFRESH_TOKEN", "missing or invalid refresh token", new)
        return consent

    def _introspect(self, request: Request) -> Answer:
        asked = _form(request)
        self._client(asked, new=True)
        return as_json(200, self._known(asked.get("token", "")), {"Content-Type": CONTENT_TYPE}, "oauth.introspect")

    def _known(self, token: str) -> dict[str, Any]:
        access, consent = self.accesses.get(token), self.consents.get(token)
        if access is not None and not access.revoked and (access.expires is None or access.expires > self._world.now()):
            left = {"expires_in": (access.expires - self._world.now()) // 1000} if access.expires is not None else {}
            return {"active": True, "token_use": "access_token", **left, **_about(access.consent)}
        if consent is not None and consent.live:
            return {"active": True, "token_use": "refresh_token", **_about(consent)}
        return {"active": False}

    def _revoke(self, request: Request) -> Answer:
        """RFC 7009: a token that nobody knows is revoked already."""
        asked = _form(request)
        self._client(asked, new=True)
        token = asked.get("token", "")
        if token in self.accesses:
            self.accesses[token].revoked = True
        elif token in self.consents:
            self._end(self.consents[token])
        return as_json(200, {}, {"Content-Type": CONTENT_TYPE}, "oauth.revoke")

    def _v1_token(self, request: Request, use: str, token: str) -> Answer:
        consent = self.consents.get(token) if use == "refresh" else None
        if request.method == "DELETE" and use == "refresh":
            if consent is not None:
                self.revoke(consent)
            return Answer(204)
        access = self.accesses.get(token) if use == "access" else None
        if request.method != "GET" or not ((consent and consent.live) or (access and not access.revoked)):
            raise Failure(404, "token does not exist", category="OBJECT_NOT_FOUND")
        return as_json(200, self._described(access, consent), {"Content-Type": CONTENT_TYPE}, f"oauth.{use}_token")

    def _described(self, access: Access | None, consent: Consent | None) -> dict[str, Any]:
        found = access.consent if access is not None else consent
        assert found is not None, "the caller has one of both"
        about = _about(found)
        if access is None:
            return {"token": found.refresh, "token_type": "refresh", **about}
        left = (access.expires - self._world.now()) // 1000 if access.expires is not None else self._switches.access_token_seconds
        return {"token": access.token, "token_type": "access", "expires_in": left, **about}

    def _random(self, length: int) -> str:
        return "".join(self._world.chance.choices("ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789", k=length))


def refused(status: str, message: str, new: bool) -> Failure:
    """400 in OAuth's words: v1 has HubSpot's only. The exact body of the newer endpoints is of no document."""
    failure = Failure(400, message)
    failure.fields = {"status": status} | ({"error": _WORDS[status], "error_description": message} if new else {})
    return failure


def _about(consent: Consent) -> dict[str, Any]:
    about: dict[str, Any] = {"client_id": consent.app.client_id, "app_id": consent.app.id, "scopes": list(consent.scopes)}
    if consent.portal is not None:
        about |= {"hub_id": consent.portal.id, "hub_domain": consent.portal.domain}
        about |= {"user_id": consent.user.id if consent.user else 0, "user": consent.user.email if consent.user else ""}
    return about


def _wrong(asked: Mapping[str, str], app: App | None) -> str:
    """Why nobody can be asked; HubSpot shows it on a page and redirects nowhere."""
    if app is None:
        return "No app has this client_id."
    if not _URL.fullmatch(asked.get("redirect_uri", "")):
        return "There is no redirect_uri, or it is no URL."
    if app.redirects and asked["redirect_uri"] not in app.redirects:
        return "The redirect_uri is not one of those that the app is registered with."
    if not asked.get("scope"):
        return "No scopes were asked for."
    return "" if asked.get("code_challenge_method", "S256") == "S256" else "Only S256 code challenges are taken."


def _choice(portal: Portal, user: User) -> str:
    """Two fields of one button: a form sends only the button that was pressed."""
    action = f"/oauth/authorize?{urlencode({'portal': portal.id, 'user': user.id})}"
    who = html.escape(f"{portal.name} ({portal.id}), as {user.email}")
    return f'<p><button formaction="{html.escape(action)}">{who}</button></p>'


def _form(request: Request) -> dict[str, str]:
    try:
        return request.form()
    except BadBody as error:
        raise Failure(400, f"Invalid form: {error}", category="VALIDATION_ERROR") from error


def _challenge(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
