"""Entra's login (v2.0): discovery, keys, the page where somebody allows it, and the tokens.

What must stay true:
- A refresh token is dead once it was used; the answer holds its successor. Whoever keeps the old one must come by again.
- A code is good once, for the redirect and the verifier it was asked with. Whoever brings it a second time ends what came of it.
- An error names its AADSTS number in three places: the text, `error_codes`, and `error_uri`.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from functools import cached_property
from typing import Any
from urllib.parse import urlencode, urlsplit

from services.sandbox import entra_page
from services.sandbox.entra_directory import ACCESS_SECONDS, CODE_SECONDS, Client, Code, Directory, Grant, User
from services.sandbox.entra_tokens import Signer, challenge_of, unpadded
from services.sandbox.office365_subscriptions import new_uuid
from services.sandbox.office365_times import from_ms
from services.sandbox.wire import Answer, BadBody, Request, as_html, as_json, redirect
from services.sandbox.world import World, loopback

NAME = "entra"
_PATH = re.compile(r"/([^/]+)/(v2\.0/\.well-known/openid-configuration|discovery/v2\.0/keys|oauth2/v2\.0/(?:authorize|token|logout))")
_ANYBODY = ("common", "organizations", "consumers")
_OPEN_ID = frozenset({"openid", "profile", "email", "offline_access"})
_GRAPH = "https://graph.microsoft.com/"


class Refused(Exception):
    """An OAuth error: HTTP status, `error`, the AADSTS number, its text, `suberror`."""

    def __init__(self, status: int, error: str, code: int, text: str, suberror: str | None = None) -> None:
        super().__init__(f"{error} AADSTS{code}")
        self.status, self.error, self.code, self.text, self.suberror = status, error, code, text, suberror


class Entra:
    """The simulator. `says_issuer`: is `iss` (RFC 9207) among what goes back to the application? `rotates`: is a refresh token dead
    after its use?"""

    def __init__(self, world: World, directory: Directory, *, says_issuer: bool = False, rotates: bool = True) -> None:
        self.world, self.directory = world, directory
        self.says_issuer, self.rotates = says_issuer, rotates

    @cached_property
    def _signer(self) -> Signer:
        """Made when somebody first signs in: making a key takes a moment."""
        return Signer()

    # --- what the shell asks ---

    @property
    def name(self) -> str:
        """What faults and counts call it."""
        return NAME

    def answers(self, request: Request) -> bool:
        """Is this a path of the login's?"""
        return _PATH.fullmatch(request.path) is not None

    def answer(self, request: Request) -> Answer:
        """What the login answers."""
        match = _PATH.fullmatch(request.path)
        if match is None:
            return as_json(404, {"error": "not_found"})
        tenant, what = match[1], match[2].rpartition("/")[2]
        answers: dict[str, Callable[[Request, str], Answer]] = {
            "openid-configuration": self._discovery,
            "keys": self._keys,
            "authorize": self._authorize,
            "token": self._token,
            "logout": self._logout,
        }
        return answers[what](request, tenant)._replace(route=what)

    def refusal(self, request: Request, status: int) -> Answer:
        """A refusal of this status in Entra's words."""
        return self._error(request, Refused(status, "temporarily_unavailable", 90033, "A transient error has occurred. Please try again."))

    def reset(self) -> None:
        """Nobody is there, nothing is granted."""
        self.directory.reset()

    def state(self) -> dict[str, Any]:
        """Users and grants; no token."""
        grants = [{"client": g.client, "user": g.user.address if g.user else None, "state": g.state} for g in self.directory.grants]
        users = [{"address": u.address, "name": u.name, "oid": u.oid} for u in self.directory.users.values()]
        return {"tenant": self.directory.tenant, "users": users, "grants": grants}

    def control(self, request: Request) -> Answer:
        """POST /sandbox/entra/revoke and /ask_again {"address"}, /user {"address", "name"}, /settings {"says_issuer", "rotates"}."""
        action = request.path.removeprefix(f"/sandbox/{NAME}").strip("/")
        said = request.json() or {}
        if request.method == "GET" and action in ("", "state"):
            return as_json(200, self.state())
        if request.method != "POST" or action not in ("revoke", "ask_again", "user", "settings"):
            return as_json(404, {"error": "no such action", "actions": ["revoke", "ask_again", "user", "settings"]})
        if action == "settings":
            self.says_issuer = bool(said.get("says_issuer", self.says_issuer))
            self.rotates = bool(said.get("rotates", self.rotates))
            return as_json(200, {"result": {"says_issuer": self.says_issuer, "rotates": self.rotates}})
        if not isinstance(said.get("address"), str):
            return as_json(400, {"error": "address is required"})
        if action == "user":
            return as_json(200, {"result": self.directory.user(said["address"], str(said.get("name") or "")).oid})
        act = self.directory.revoke if action == "revoke" else self.directory.ask_again
        return as_json(200, {"result": act(said["address"])})

    # --- what is public ---

    def _discovery(self, request: Request, tenant: str) -> Answer:
        base = f"{request.scheme}://{request.host}/{tenant}"
        return as_json(
            200,
            {
                "token_endpoint": f"{base}/oauth2/v2.0/token",
                "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic", "private_key_jwt"],
                "jwks_uri": f"{base}/discovery/v2.0/keys",
                "response_modes_supported": ["query", "fragment", "form_post"],
                "subject_types_supported": ["pairwise"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "response_types_supported": ["code"],
                "scopes_supported": ["openid", "profile", "email", "offline_access"],
                "issuer": self._issuer(request, "{tenantid}" if tenant in _ANYBODY else self.directory.tenant),
                "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
                "end_session_endpoint": f"{base}/oauth2/v2.0/logout",
                "code_challenge_methods_supported": ["plain", "S256"],
                "tenant_region_scope": "EU",
                "cloud_instance_name": "microsoftonline.com",
                "msgraph_host": request.host,
            },
        )

    def _keys(self, request: Request, tenant: str) -> Answer:
        return as_json(200, {"keys": [self._signer.shown()]})

    def _logout(self, request: Request, tenant: str) -> Answer:
        back = request.one("post_logout_redirect_uri")
        return redirect(back) if back and _on_loopback(back) else as_html(200, "<!doctype html><p>You signed out.</p>")

    def _issuer(self, request: Request, tenant: str) -> str:
        return f"{request.scheme}://{request.host}/{tenant}/v2.0"

    # --- the page ---

    def _authorize(self, request: Request, tenant: str) -> Answer:
        params = dict(request.query) | (request.form() if request.method == "POST" else {})
        try:
            client = self._client(params.get("client_id"))
            _examine_redirect(client, params.get("redirect_uri", ""))
        except Refused as refused:
            return as_html(400, entra_page.refused(refused.code, refused.text))
        try:
            return self._asked(request, params)
        except Refused as refused:
            said = {"error": refused.error, "error_description": f"AADSTS{refused.code}: {refused.text}"}
            return self._back(request, params, said)

    def _asked(self, request: Request, params: dict[str, str]) -> Answer:
        if params.get("response_type") != "code":
            raise Refused(400, "unsupported_response_type", 700054, f"response_type {params.get('response_type')!r} is not enabled.")
        if not params.get("scope"):
            raise Refused(400, "invalid_request", 900144, "The request must contain the following parameter: 'scope'.")
        scopes = _scopes(params["scope"])
        if params.get("prompt") == "none":
            raise Refused(400, "interaction_required", 50058, "A silent sign-in request was sent but no user is signed in.")
        if params.get("decision") == "decline":
            raise Refused(400, "access_denied", 65004, "User declined to consent to access the app.")
        user = self.directory.find(params.get("account", ""))
        if params.get("decision") != "accept" or user is None:
            return as_html(200, entra_page.consent(request.path, params, self.directory.users.values(), scopes))
        return self._back(request, params, self._consented(params, user, scopes))

    def _consented(self, params: dict[str, str], user: User, scopes: tuple[str, ...]) -> dict[str, str]:
        code = Code(
            grant=self.directory.grant(params["client_id"], user, scopes),
            redirect=params["redirect_uri"],
            nonce=params.get("nonce"),
            challenge=params.get("code_challenge"),
            method=params.get("code_challenge_method", "plain"),
            until=self.world.now() + CODE_SECONDS * 1000,
        )
        told = {"code": self.directory.code(code)}
        return told | ({"client_info": self._client_info(user)} if params.get("client_info") == "1" else {})

    def _back(self, request: Request, params: dict[str, str], said: dict[str, str]) -> Answer:
        """To the application, by the way it asked for."""
        told = said | ({"state": params["state"]} if "state" in params else {})
        told["session_state"] = new_uuid(self.world.chance)
        if self.says_issuer:
            told["iss"] = self._issuer(request, self.directory.tenant)
        where = params["redirect_uri"]
        if params.get("response_mode") == "form_post":
            return as_html(200, entra_page.sent_back(where, told))
        mark = "#" if params.get("response_mode") == "fragment" else "&" if "?" in where else "?"
        return redirect(f"{where}{mark}{urlencode(told)}")

    # --- tokens ---

    def _token(self, request: Request, tenant: str) -> Answer:
        try:
            form = request.form()
            client = self._client(form.get("client_id") or _basic(request)[0])
            _examine_secret(client, form.get("client_secret") or _basic(request)[1])
            return self._granted(request, form, client)
        except Refused as refused:
            return self._error(request, refused)
        except BadBody:
            return self._error(request, Refused(400, "invalid_request", 900561, "The endpoint only accepts POST requests with a form."))

    def _granted(self, request: Request, form: dict[str, str], client: Client) -> Answer:
        match form.get("grant_type"):
            case "authorization_code":
                code = self._redeemed(form, client)
                return self._tokens(request, form, code.grant, code.nonce)
            case "refresh_token":
                return self._tokens(request, form, self._refreshed(form, client), None)
            case "client_credentials":
                grant = self.directory.grant(client.id, None, _scopes(form.get("scope", "")))
                return as_json(200, self._access(grant))
            case other:
                raise Refused(400, "unsupported_grant_type", 70003, f"The app requested an unsupported grant type '{other}'.")

    def _redeemed(self, form: dict[str, str], client: Client) -> Code:
        name = form.get("code", "")
        if name in self.directory.used_codes:
            self.directory.used_codes[name].state = "revoked"
            raise Refused(
                400, "invalid_grant", 54005, "OAuth2 Authorization code was already redeemed, please retry with a new valid code."
            )
        code = self.directory.codes.pop(name, None)
        if code is None or code.grant.client != client.id:
            raise Refused(400, "invalid_grant", 70000, "The provided value for the 'code' parameter is not valid.")
        self.directory.used_codes[name] = code.grant
        if code.until <= self.world.now():
            raise Refused(400, "invalid_grant", 70008, "The provided authorization code or refresh token has expired due to inactivity.")
        if code.redirect != form.get("redirect_uri"):
            raise Refused(400, "invalid_grant", 50011, "The redirect URI specified in the request does not match the one it began with.")
        if code.challenge is None and client.secret is None and client.id in self.directory.clients:
            raise Refused(400, "invalid_request", 9002325, "Proof Key for Code Exchange is required for public clients.")
        if code.challenge is not None and challenge_of(form.get("code_verifier", ""), code.method) != code.challenge:
            raise Refused(400, "invalid_grant", 501481, "The Code_Verifier does not match the code_challenge of the authorization request.")
        return code

    def _refreshed(self, form: dict[str, str], client: Client) -> Grant:
        token = form.get("refresh_token", "")
        grant = self.directory.refreshes.get(token)
        if grant is None or grant.client != client.id:
            raise Refused(400, "invalid_grant", 70000, "The provided value for the 'refresh_token' parameter is not valid.")
        if grant.state == "revoked":
            raise Refused(
                400, "invalid_grant", 50173, "The provided grant has expired due to it being revoked, a fresh auth token is needed."
            )
        if grant.state == "asks":
            text = "Due to a configuration change made by your administrator, you must use multi-factor authentication."
            raise Refused(400, "interaction_required", 50076, text, "basic_action")
        asked = set(_scopes(form.get("scope", ""))) - _OPEN_ID - {".default"} - set(grant.scopes)
        if asked:
            raise Refused(
                400, "invalid_grant", 65001, f"The user or administrator has not consented to {sorted(asked)}.", "consent_required"
            )
        if self.rotates:
            del self.directory.refreshes[token]
        return grant

    def _access(self, grant: Grant) -> dict[str, Any]:
        said = {"token_type": "Bearer", "expires_in": ACCESS_SECONDS, "ext_expires_in": ACCESS_SECONDS}
        return said | {"access_token": self.directory.access(grant)}

    def _tokens(self, request: Request, form: dict[str, str], grant: Grant, nonce: str | None) -> Answer:
        said = self._access(grant) | {"scope": " ".join(scope for scope in grant.scopes if scope != "offline_access")}
        if "offline_access" in grant.scopes:
            said["refresh_token"] = self.directory.refresh(grant)
        if "openid" in grant.scopes and grant.user is not None:
            said["id_token"] = self._signer.sign(self._claims(request, grant.client, grant.user, nonce))
        if form.get("client_info") == "1" and grant.user is not None:
            said["client_info"] = self._client_info(grant.user)
        return as_json(200, said, {"Cache-Control": "no-store", "Pragma": "no-cache"})

    def _claims(self, request: Request, client: str, user: User, nonce: str | None) -> dict[str, Any]:
        now = self.world.now() // 1000
        return {
            "aud": client,
            "iss": self._issuer(request, self.directory.tenant),
            "iat": now,
            "nbf": now,
            "exp": now + ACCESS_SECONDS,
            "name": user.name,
            "oid": user.oid,
            "preferred_username": user.address,
            "email": user.address,
            "sub": unpadded(f"{client}:{user.oid}".encode()),
            "tid": self.directory.tenant,
            "ver": "2.0",
            **({"nonce": nonce} if nonce else {}),
        }

    def _client_info(self, user: User) -> str:
        return unpadded(f'{{"uid":"{user.oid}","utid":"{self.directory.tenant}"}}'.encode())

    # --- applications ---

    def _client(self, id: str | None) -> Client:
        if not id:
            raise Refused(400, "invalid_request", 900144, "The request body must contain the following parameter: 'client_id'.")
        known = self.directory.clients.get(id)
        if known is None and not self.directory.open_door:
            raise Refused(400, "unauthorized_client", 700016, f"Application with identifier '{id}' was not found in the directory.")
        return known or Client(id, None)

    def _error(self, request: Request, refused: Refused) -> Answer:
        trace = new_uuid(self.world.chance)
        correlation = request.headers.get("client-request-id") or request.one("client-request-id") or trace
        at = f"{from_ms(self.world.now()):%Y-%m-%d %H:%M:%S}Z"
        text = f"AADSTS{refused.code}: {refused.text} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {at}"
        body = {
            "error": refused.error,
            "error_description": text,
            "error_codes": [refused.code],
            "timestamp": at,
            "trace_id": trace,
            "correlation_id": correlation,
            "error_uri": f"{request.scheme}://{request.host}/error?code={refused.code}",
        }
        return as_json(refused.status, body | ({"suberror": refused.suberror} if refused.suberror else {}))


def _scopes(text: str) -> tuple[str, ...]:
    """Scopes by their short names, each once, in order."""
    return tuple(dict.fromkeys(scope.removeprefix(_GRAPH) for scope in text.split()))


def _basic(request: Request) -> tuple[str | None, str | None]:
    kind, _, packed = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "basic":
        return None, None
    try:
        id, _, secret = base64.b64decode(packed).decode().partition(":")
    except ValueError:
        return None, None
    return id, secret


def _examine_secret(client: Client, secret: str | None) -> None:
    if client.secret is None:
        return
    if not secret:
        raise Refused(401, "invalid_client", 7000218, "The request body must contain: 'client_assertion' or 'client_secret'.")
    if secret != client.secret:
        raise Refused(401, "invalid_client", 7000215, "Invalid client secret provided.")


def _examine_redirect(client: Client, where: str) -> None:
    fits = where in client.redirects if client.redirects else _on_loopback(where)
    if not fits:
        raise Refused(400, "invalid_request", 50011, "The redirect URI specified in the request does not match those of the application.")


def _on_loopback(url: str) -> bool:
    try:
        loopback(url)
    except ValueError:  # `NotLoopback` among them
        return False
    return urlsplit(url).scheme in ("http", "https")
