"""Google's login: the consent page, codes, access and refresh tokens, and what makes them worth nothing.

Source: the guides for web server applications and OpenID Connect, RFC 6749, RFC 7636 (PKCE), RFC 7009, RFC 9207 (`iss`).
A refresh answers without a new refresh token; the old one goes on.
"""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import html
from typing import Any
from urllib.parse import urlencode, urlsplit

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding

from services.sandbox.google_switches import Switches
from services.sandbox.wire import Answer, Request, as_html, as_json, redirect
from services.sandbox.world import NotLoopback, World, loopback

Wire = dict[str, Any]

ISSUER = "https://accounts.google.com"
AUTH_PATHS = ("/o/oauth2/v2/auth", "/o/oauth2/auth")
USERINFO_PATHS = ("/oauth2/v2/userinfo", "/oauth2/v3/userinfo", "/v1/userinfo")
CERTS_PATHS = ("/oauth2/v1/certs", "/oauth2/v3/certs")
PATHS = (*AUTH_PATHS, *USERINFO_PATHS, *CERTS_PATHS, "/token", "/revoke", "/tokeninfo", "/.well-known/openid-configuration")
ACCESS_SECONDS = 3599
CODE_MS = 600_000
MOST_REFRESH = 100
UNUSED_MS = 180 * 86_400_000
TESTING_MS = 7 * 86_400_000
CERTIFICATE_LIFE = dt.timedelta(days=16)
KEY_ID = "sandbox"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


class OAuthError(Exception):
    """`said` is the body's JSON."""

    def __init__(self, status: int, error: str, description: str, **more: str) -> None:
        super().__init__(error)
        self.status, self.said = status, {"error": error, "error_description": description, **more}


class Code(msgspec.Struct, kw_only=True):
    """What a person agreed to, to be fetched once within ten minutes."""

    address: str
    client: str
    redirect_uri: str
    scopes: list[str]
    until: int
    offline: bool
    challenge: str | None
    method: str
    nonce: str | None
    used: bool = False


class Token(msgspec.Struct, kw_only=True):
    """An access token, or a refresh token. `until` in ms; 0: a refresh token's, which depends on its use."""

    address: str
    client: str
    scopes: list[str]
    made: int
    used: int
    until: int = 0


class Logins:
    """Who let whom do what. `mailboxes` are the addresses that can be chosen, with names."""

    def __init__(self, world: World, switches: Switches) -> None:
        self.codes: dict[str, Code] = {}
        self.access: dict[str, Token] = {}
        self.refresh: dict[str, Token] = {}
        self._world, self._switches = world, switches
        self._key: rsa.RSAPrivateKey | None = None

    # --- for the API and for tests ---

    def grant(self, address: str, client: str, scopes: list[str], *, offline: bool = True) -> tuple[str, str | None]:
        """An access token and, if `offline`, a refresh token, without a login."""
        now = self._world.now()
        access = self._new("ya29.a0", 120)
        self.access[access] = Token(address=address, client=client, scopes=scopes, made=now, used=now, until=now + ACCESS_SECONDS * 1000)
        if not offline:
            return access, None
        refresh = self._new("1//0", 80)
        self.refresh[refresh] = Token(address=address, client=client, scopes=scopes, made=now, used=now)
        mine = [key for key, token in self.refresh.items() if (token.address, token.client) == (address, client)]
        for oldest in mine[:-MOST_REFRESH]:
            del self.refresh[oldest]
        return access, refresh

    def holder(self, bearer: str | None) -> Token | None:
        """Whose access token this is, if it is good."""
        token = self.access.get(bearer or "")
        return token if token and token.until > self._world.now() else None

    def revoke(self, address: str, client: str | None = None) -> None:
        """A person takes back what he granted: every token of his for a client, or for all."""
        for tokens in (self.access, self.refresh):
            for key in [k for k, t in tokens.items() if t.address == address and client in (None, t.client)]:
                del tokens[key]

    def _new(self, prefix: str, length: int) -> str:
        return prefix + "".join(self._world.chance.choices(LETTERS, k=length))

    # --- on the wire ---

    def answer(self, request: Request, mailboxes: dict[str, str]) -> Answer:
        """One of `PATHS`. `mailboxes`: address -> name of whoever can log in."""
        try:
            return self._answer(request, mailboxes)
        except OAuthError as error:
            return as_json(error.status, error.said, route="oauth")

    def _answer(self, request: Request, mailboxes: dict[str, str]) -> Answer:
        if request.path in AUTH_PATHS:
            return self._authorize(request, mailboxes)
        if request.path == "/token":
            return as_json(200, self._token(request), {"Cache-Control": "no-store"}, "oauth.token")
        if request.path == "/revoke":
            return self._revoke(request)
        if request.path == "/tokeninfo":
            return self._token_info(request)
        if request.path in USERINFO_PATHS:
            return self._user_info(request, mailboxes)
        if request.path in CERTS_PATHS:
            keys = {KEY_ID: self._certificate()} if "/v1/" in request.path else {"keys": [self._public_key()]}
            return as_json(200, keys, route="oauth.certs")
        return as_json(200, _discovery(f"{request.scheme}://{request.host}"), route="oauth.discovery")

    # --- the consent page ---

    def _authorize(self, request: Request, mailboxes: dict[str, str]) -> Answer:
        """The page, by GET; the decision, as `consent=allow` or `deny` with `account`, in the query or in the form."""
        asked = dict(request.query) | (request.form() if request.method == "POST" else {})
        if problem := self._wrong(asked):
            return as_html(
                400, f"<!doctype html><title>Error 400</title><h1>Access blocked</h1><p>{html.escape(problem)}", route="oauth.auth"
            )
        if asked.get("consent") == "deny":
            return self._back(asked, {"error": "access_denied"})
        if asked.get("prompt") == "none":
            return self._back(asked, {"error": "interaction_required"})
        address = asked.get("account", "").lower()
        if asked.get("consent") == "allow" and address in mailboxes:
            return self._back(asked, {"code": self._code(asked, address), "scope": asked["scope"]})
        return as_html(200, _page(request.path, asked, mailboxes), route="oauth.auth")

    def _wrong(self, asked: dict[str, str]) -> str | None:
        for name in ("client_id", "redirect_uri", "scope"):
            if not asked.get(name):
                return f"Error 400: invalid_request. Required parameter is missing: {name}"
        if asked.get("response_type") != "code":
            return "Error 400: unsupported_response_type"
        if self._switches.clients and asked["client_id"] not in self._switches.clients:
            return "Error 401: invalid_client. The OAuth client was not found."
        if asked.get("code_challenge_method", "plain") not in ("S256", "plain"):
            return "Error 400: invalid_request. Invalid code_challenge_method."
        try:
            loopback(asked["redirect_uri"])
        except NotLoopback:
            return "Error 400: redirect_uri_mismatch. The sandbox leads back to this machine only."
        return None

    def _code(self, asked: dict[str, str], address: str) -> str:
        code = self._new("4/0A", 60)
        self.codes[code] = Code(
            address=address,
            client=asked["client_id"],
            redirect_uri=asked["redirect_uri"],
            scopes=asked["scope"].split(),
            until=self._world.now() + CODE_MS,
            offline=self._gives_refresh(asked, address),
            challenge=asked.get("code_challenge") or None,
            method=asked.get("code_challenge_method", "plain"),
            nonce=asked.get("nonce"),
        )
        return code

    def _gives_refresh(self, asked: dict[str, str], address: str) -> bool:
        """Offline access gives a refresh token at the first consent only, unless consent is asked for again."""
        if asked.get("access_type") != "offline":
            return False
        agreed = any((t.address, t.client) == (address, asked["client_id"]) for t in self.refresh.values())
        return not agreed or "consent" in asked.get("prompt", "").split()

    def _back(self, asked: dict[str, str], said: dict[str, str]) -> Answer:
        state = {"state": asked["state"]} if "state" in asked else {}
        mark = "&" if urlsplit(asked["redirect_uri"]).query else "?"
        return redirect(asked["redirect_uri"] + mark + urlencode({**state, "iss": ISSUER, **said}), "oauth.auth")

    # --- tokens ---

    def _token(self, request: Request) -> Wire:
        form = request.form()
        client = self._client(request, form)
        if form.get("grant_type") == "authorization_code":
            return self._exchange(client, form)
        if form.get("grant_type") == "refresh_token":
            return self._refresh(client, form)
        raise OAuthError(400, "unsupported_grant_type", f"Invalid grant_type: {form.get('grant_type', '')}")

    def _client(self, request: Request, form: dict[str, str]) -> str:
        id, secret = form.get("client_id", ""), form.get("client_secret", "")
        kind, _, packed = request.headers.get("authorization", "").partition(" ")
        if kind.lower() == "basic":
            try:
                id, _, secret = base64.b64decode(packed, validate=True).decode().partition(":")
            except ValueError as error:
                raise OAuthError(401, "invalid_client", "Unauthorized") from error
        if not id:
            raise OAuthError(400, "invalid_request", "Could not determine client ID from request.")
        known = self._switches.clients
        if known and id not in known:
            raise OAuthError(401, "invalid_client", "The OAuth client was not found.")
        if known and not hmac.compare_digest(known[id].encode(), secret.encode()):
            raise OAuthError(401, "invalid_client", "The provided client secret is invalid.")
        return id

    def _exchange(self, client: str, form: dict[str, str]) -> Wire:
        code = self.codes.get(form.get("code", ""))
        if code is None or code.used or code.client != client or code.until < self._world.now():
            raise OAuthError(400, "invalid_grant", "Bad Request")
        if code.redirect_uri != form.get("redirect_uri"):
            raise OAuthError(400, "redirect_uri_mismatch", "Bad Request")
        _verify(code, form.get("code_verifier"))
        code.used = True
        access, refresh = self.grant(code.address, client, code.scopes, offline=code.offline)
        said = self._said(access, code.scopes) | ({"refresh_token": refresh} if refresh else {})
        return said | ({"id_token": self._id_token(code)} if "openid" in code.scopes else {})

    def _refresh(self, client: str, form: dict[str, str]) -> Wire:
        token = self.refresh.get(form.get("refresh_token", ""))
        now = self._world.now()
        if self._world.faults.take("invalid_rapt", "google"):
            raise OAuthError(400, "invalid_grant", "reauth related error (invalid_rapt)", error_subtype="invalid_rapt")
        if token is not None and self._world.faults.take("revoked_grant", "google"):
            self.revoke(token.address, client)
        if token is None or token.client != client or form["refresh_token"] not in self.refresh or self._aged(token, now):
            raise OAuthError(400, "invalid_grant", "Token has been expired or revoked.")
        token.used = now
        scopes = form.get("scope", "").split() or token.scopes
        if not set(scopes) <= set(token.scopes):
            raise OAuthError(400, "invalid_scope", "Some requested scopes were invalid.")
        access, _ = self.grant(token.address, client, scopes, offline=False)
        return self._said(access, scopes)

    def _aged(self, token: Token, now: int) -> bool:
        return now - token.used > UNUSED_MS or (self._switches.testing and now - token.made > TESTING_MS)

    def _said(self, access: str, scopes: list[str]) -> Wire:
        return {"access_token": access, "expires_in": ACCESS_SECONDS, "scope": " ".join(scopes), "token_type": "Bearer"}

    def _revoke(self, request: Request) -> Answer:
        token = request.one("token") or request.form().get("token") or ""
        known = self.access.get(token) or self.refresh.get(token)
        if known is None:
            raise OAuthError(400, "invalid_token", "Token expired or revoked")
        self.revoke(known.address, known.client)
        return as_json(200, {}, route="oauth.revoke")

    def _token_info(self, request: Request) -> Answer:
        token = self.holder(request.one("access_token") or request.form().get("access_token") or request.bearer())
        if token is None:
            raise OAuthError(400, "invalid_token", "Invalid Value")
        left = (token.until - self._world.now()) // 1000
        said = {
            "azp": token.client,
            "aud": token.client,
            "scope": " ".join(token.scopes),
            "exp": str(token.until // 1000),
            "expires_in": str(left),
        }
        return as_json(200, {**said, "email": token.address, "email_verified": "true"}, route="oauth.tokeninfo")

    def _user_info(self, request: Request, mailboxes: dict[str, str]) -> Answer:
        token = self.holder(request.bearer())
        if token is None:
            raise OAuthError(401, "invalid_request", "Invalid Credentials")
        subject = _subject(token.address)
        name = mailboxes.get(token.address, token.address)
        said = {"id": subject, "sub": subject, "email": token.address, "email_verified": True, "verified_email": True, "name": name}
        return as_json(200, said, route="oauth.userinfo")

    # --- id tokens ---

    def _id_token(self, code: Code) -> str:
        now = self._world.now() // 1000
        claims = {"iss": ISSUER, "azp": code.client, "aud": code.client, "sub": _subject(code.address), "iat": now, "exp": now + 3600}
        claims |= {"email": code.address, "email_verified": True} | ({"nonce": code.nonce} if code.nonce else {})
        head = {"alg": "RS256", "kid": KEY_ID, "typ": "JWT"}
        signed = b".".join(_packed(msgspec.json.encode(part)) for part in (head, claims))
        signature = self._signing_key().sign(signed, padding.PKCS1v15(), hashes.SHA256())
        return (signed + b"." + _packed(signature)).decode()

    def _signing_key(self) -> rsa.RSAPrivateKey:
        """Made when it is first needed: that takes a while."""
        if self._key is None:
            self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        return self._key

    def _public_key(self) -> Wire:
        numbers = self._signing_key().public_key().public_numbers()
        n, e = (_packed(each.to_bytes((each.bit_length() + 7) // 8, "big")).decode() for each in (numbers.n, numbers.e))
        return {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": KEY_ID, "n": n, "e": e}

    def _certificate(self) -> str:
        """The same as the older address has it, which libraries still ask: in a certificate that signs itself, as PEM."""
        key, now = self._signing_key(), dt.datetime.fromtimestamp(self._world.now() // 1000, dt.UTC)
        name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "federated-signon.system.gserviceaccount.com")])
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        dated = builder.not_valid_before(now - dt.timedelta(days=1)).not_valid_after(now + CERTIFICATE_LIFE)
        return dated.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def _verify(code: Code, verifier: str | None) -> None:
    """PKCE. Raises `OAuthError`."""
    if code.challenge is None:
        return
    if not verifier:
        raise OAuthError(400, "invalid_grant", "Missing code verifier.")
    digest = _packed(hashlib.sha256(verifier.encode()).digest()).decode()
    if not hmac.compare_digest((digest if code.method == "S256" else verifier).encode(), code.challenge.encode()):
        raise OAuthError(400, "invalid_grant", "Invalid code verifier.")


def _packed(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def _subject(address: str) -> str:
    """Twenty-one digits, as Google numbers people."""
    return str(int.from_bytes(hashlib.sha256(address.encode()).digest()[:8], "big")).zfill(21)[:21]


def _discovery(base: str) -> Wire:
    return {
        "issuer": ISSUER,
        "authorization_endpoint": base + AUTH_PATHS[0],
        "token_endpoint": base + "/token",
        "revocation_endpoint": base + "/revoke",
        "userinfo_endpoint": base + "/v1/userinfo",
        "jwks_uri": base + "/oauth2/v3/certs",
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "code_challenge_methods_supported": ["plain", "S256"],
        "authorization_response_iss_parameter_supported": True,
    }


def _page(path: str, asked: dict[str, str], mailboxes: dict[str, str]) -> str:
    kept = "".join(
        f'<input type="hidden" name="{html.escape(name)}" value="{html.escape(value)}">'
        for name, value in asked.items()
        if name not in ("consent", "account")
    )
    hint = asked.get("login_hint", "").lower()
    people = "".join(
        f'<p><label><input type="radio" name="account" required value="{html.escape(address)}"{" checked" if address == hint else ""}>'
        f" {html.escape(name)} &lt;{html.escape(address)}&gt;</label>"
        for address, name in mailboxes.items()
    )
    scopes = "".join(f"<li>{html.escape(scope)}" for scope in asked["scope"].split())
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Sign in - Google (sandbox)</title>'
        '<body style="font-family:sans-serif;max-width:32rem;margin:4rem auto">'
        f"<h1>Choose an account</h1><p>{html.escape(asked['client_id'])} wants to:<ul>{scopes}</ul>"
        f'<form method="post" action="{html.escape(path)}">{kept}{people or "<p>There is nobody here yet."}'
        '<p><button name="consent" value="allow">Continue</button> '
        '<button name="consent" value="deny" formnovalidate>Cancel</button></form></body></html>'
    )
