"""Microsoft's authorisation server (Entra), through msal: consent to a mailbox's calendar, tokens, and whose mailbox it is.

What must stay true: msal keeps nothing (its cache would hold every mailbox's tokens in clear, and grow); what it is asked goes over
our HTTP client; refresh tokens rotate, so what `renew` returns must be kept before it is used; and which code ends a grant is told
by `error` and AADSTS numbers, never by text.
"""

from __future__ import annotations

import re
import threading
import warnings
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import httpx
import msal
import msgspec
from msal.exceptions import MsalServiceError
from msgspec.structs import replace

from adapters import authorising
from adapters.authorising import Server, Told
from adapters.http import retry_after
from domain.errors import BadInput, Refused, TryAgain
from domain.outside import Begun, Grant, Link

LOGIN = "https://login.microsoftonline.com"
API = "https://graph.microsoft.com/v1.0"
TENANT = "common"
SCOPES = ("Calendars.ReadWrite", "User.Read")
"""msal adds `offline_access`, for a refresh token, and `openid` and `profile`."""

_NAME = "Microsoft"
# In these clouds a scope must say which Graph it is for.
_NATIONAL = ("graph.microsoft.us", "dod-graph.microsoft.us", "microsoftgraph.chinacloudapi.cn")
_GONE = ("invalid_grant", "interaction_required", "consent_required", "login_required")
_OUR_APP = (7000215, 7000222, 700016, 90002)  # a wrong or expired secret, an unknown app, an unknown directory: no grant's fault
_PERSONAL = "9188040d-6c67-4c5b-b112-36a304b66dad"  # the directory of all personal accounts, by Microsoft's documents
_TENANT = re.compile(r"[0-9A-Za-z.-]{1,80}")
_WHY = (
    (frozenset((70008, 700082, 700084)), "it was not used for too long"),
    (frozenset((50173, 50133)), "the password was changed, or the sign-ins were revoked"),
    (frozenset((65001,)), "the consent was withdrawn"),
    (frozenset((50076, 50078, 50079)), "a further proof of identity is asked for"),
    (frozenset((50057, 50034)), "the user is disabled or gone"),
)


class _Forgetting(msal.TokenCache):  # type: ignore[misc]  # msal ships no types
    """Grants are kept sealed, by whoever calls us, and nowhere else."""

    def add(self, event: Any, now: Any = None) -> None:
        """Keep nothing."""


class _Wire:
    """Our HTTP client as msal calls one. msal takes https addresses only; where the server is a plain one (a sandbox on this machine)
    its address is told to msal as https and put right on the way."""

    def __init__(self, http: httpx.Client, login: str) -> None:
        self._http = http
        parts = urlsplit(login)
        self.plain, self.secure = f"{parts.scheme}://{parts.netloc}", f"https://{parts.netloc}"
        self._last = threading.local()

    @property
    def at(self) -> int | None:
        """When the server said it gave this thread's last answer (ms)."""
        return getattr(self._last, "at", None)

    def get(self, url: str, params: Any = None, headers: Any = None, **_: object) -> _Said:
        """See msal's `HttpClient`."""
        return self._said(self._http.get(self.outward(url), params=params, headers=headers))

    def post(self, url: str, params: Any = None, data: Any = None, headers: Any = None, **_: object) -> _Said:
        """See msal's `HttpClient`."""
        return self._said(self._http.post(self.outward(url), params=params, data=data, headers=headers))

    def close(self) -> None:
        """The client is its owner's to close."""

    def outward(self, url: str) -> str:
        """The address as it is."""
        return self.plain + url[len(self.secure) :] if url.startswith(self.secure + "/") else url

    def _said(self, response: httpx.Response) -> _Said:
        if response.status_code == 429 or response.status_code >= 500:
            # Said here, because msal would keep such an answer, and repeat it to others.
            after = retry_after(response.headers, response.headers.get("Date"))
            raise TryAgain(f"Microsoft answered {response.status_code}", after=after)
        self._last.at = authorising.side_time(response.headers.get("Date"))
        return _Said(response.status_code, response.text.replace(self.plain + "/", self.secure + "/"), dict(response.headers))


class _Said:
    """An answer as msal reads one."""

    def __init__(self, status: int, text: str, headers: dict[str, str]) -> None:
        self.status_code, self.text, self.headers = status, text, headers

    def raise_for_status(self) -> None:
        """See msal's `Response`."""
        if self.status_code >= 400:
            raise MsalServiceError(f"HTTP {self.status_code}", error=None, error_description=None)


class Office365Authority:
    """`outside.Authority` of Microsoft. `login` and `api` are base addresses; `tenant` a directory's id or domain, `organizations`, or
    `common` for whoever has an account."""

    def __init__(
        self, http: httpx.Client, client_id: str, client_secret: str, *, login: str = LOGIN, api: str = API, tenant: str = TENANT
    ) -> None:
        self._http, self._client = http, (client_id, client_secret)
        self._login, self._api, self._tenant = login.rstrip("/"), api.rstrip("/"), tenant
        self._server = Server(_NAME, http)
        national = urlsplit(self._api).hostname in _NATIONAL
        self.scopes = [f"https://{urlsplit(self._api).netloc}/{scope}" if national else scope for scope in SCOPES]
        self._made: tuple[Any, _Wire] | None = None
        self._making = threading.Lock()

    def begin(self, redirect: str, state: str) -> Begun:
        """See the port. PKCE and nonce are msal's."""
        app, wire = self._app()
        flow = app.initiate_auth_code_flow(self.scopes, redirect_uri=redirect, state=state, prompt="select_account")
        url = wire.outward(flow.pop("auth_uri"))
        return Begun(url, msgspec.json.encode(flow).decode())

    def redeem(self, link: Link, id: str, note: str, answer: Mapping[str, str], now: int) -> Grant:
        """See the port."""
        app, wire = self._app()
        code = authorising.code_of(_NAME, answer, lambda issuer: self._issued(app.authority, wire, issuer))
        flow = msgspec.json.decode(note)
        # With the state of the note: whether it is the one that was asked for is examined by whoever kept it.
        result = self._called(lambda: app.acquire_token_by_auth_code_flow(flow, {"code": code, "state": flow["state"]}))
        if not result.ok or result.text("access_token") is None or result.text("refresh_token") is None:
            raise Refused(f"Microsoft gave no token for this permission ({result.code or 'no reason given'}); try once more")
        grant = Grant(link=link, id=id, access=result.body["access_token"], refresh=result.body["refresh_token"], scopes=_given(result))
        grant = replace(
            grant,
            expires_at=authorising.lasts_until(result, now),
            granted_at=authorising.granted_at(wire.at, now),
            tenant=_tenant_of(result),
        )
        return replace(grant, address=self._address(grant.access), calendar=self._calendar(grant.access))

    def renew(self, grant: Grant, now: int) -> Grant:
        """See the port."""
        app, _ = self._app()
        result = self._called(lambda: app.acquire_token_by_refresh_token(grant.refresh or "", self.scopes))
        access = result.text("access_token")
        if result.ok and access is not None:
            expires = authorising.lasts_until(result, now)
            return replace(grant, access=access, refresh=result.text("refresh_token") or grant.refresh, expires_at=expires)
        numbers = _numbers(result)
        if result.code in _GONE and not numbers & set(_OUR_APP):
            raise authorising.lost(_NAME, next((why for codes, why in _WHY if codes & numbers), "it was withdrawn or has ended"))
        raise self._server.app_refused(f"{result.code} {' '.join(f'AADSTS{n}' for n in sorted(numbers))}".strip())

    def revoke(self, grant: Grant) -> None:
        """See the port. There is no way to revoke one app's tokens: only all sign-ins of a user, everywhere, which is not asked for."""
        raise Refused("Microsoft has no way to revoke it for us: remove the app at https://myapps.microsoft.com")

    def _app(self) -> tuple[Any, _Wire]:
        """msal's application, and the wire it uses. It asks for the server's description when it is made: when first needed."""
        with self._making:
            if self._made is None:
                self._made = self._application()
            return self._made

    def _application(self) -> tuple[Any, _Wire]:
        client_id, client_secret = self._client
        wire = _Wire(self._http, self._login)
        # The answer comes as a query: what is posted from another site does not bring the cookie that says whose consent it is.
        warnings.filterwarnings("ignore", message="response_mode='form_post'")
        known = urlsplit(self._login).hostname in msal.authority.WELL_KNOWN_AUTHORITY_HOSTS
        try:
            app = msal.ConfidentialClientApplication(
                client_id,
                client_credential=client_secret,
                authority=f"{wire.secure}{urlsplit(self._login).path}/{self._tenant}",
                instance_discovery=None if known else False,
                token_cache=_Forgetting(),
                http_client=wire,
            )
        except (httpx.HTTPError, MsalServiceError, RuntimeError) as error:
            raise TryAgain(f"Microsoft was not reached: {type(error).__name__}") from None
        except ValueError:
            raise BadInput("RENDEZVOUS_OFFICE365_TENANT", f"the server knows no directory {self._tenant!r}") from None
        return app, wire

    def _called(self, call: Any) -> Told:
        try:
            body = call()
        except (httpx.HTTPError, MsalServiceError) as error:
            raise TryAgain(f"Microsoft was not reached: {type(error).__name__}") from None
        except ValueError:
            raise TryAgain("Microsoft answered what is no token") from None
        except RuntimeError:  # msal compares the nonce; what it says holds the token
            raise Refused("what Microsoft answered belongs to another consent") from None
        if body.get("error") in ("temporarily_unavailable", "server_error"):
            raise TryAgain(f"Microsoft is busy ({body['error']})")
        return Told(400 if "error" in body else 200, body, None)

    def _issued(self, authority: Any, wire: _Wire, issuer: str) -> bool:
        """Is this the server that was asked? The description of `common` leaves the directory open."""
        # msal keeps what the description said under this name, and has no public one for it.
        begin, open_, end = (authority._issuer or "").partition("{tenantid}")
        said = issuer.replace(wire.plain + "/", wire.secure + "/")
        if not open_:
            return bool(said == begin)
        return said.startswith(begin) and said.endswith(end) and bool(_TENANT.fullmatch(said[len(begin) : len(said) - len(end)]))

    def _address(self, access: str) -> str | None:
        told = self._asked("/me", access, "mail,userPrincipalName")
        return told.text("mail") or told.text("userPrincipalName")

    def _calendar(self, access: str) -> str:
        told = self._asked("/me/calendar", access, "id,name")
        return told.text("id") or "primary"

    def _asked(self, path: str, access: str, fields: str) -> Told:
        told = self._server.get(f"{self._api}{path}", access, {"$select": fields})
        if not told.ok:
            raise Refused(f"Microsoft did not say whose calendar it is ({told.status})")
        return told


def _given(result: Told) -> tuple[str, ...]:
    """The scopes of a token, without the Graph they are for."""
    text = result.text("scope")
    given = tuple(one.rpartition("/")[2] for one in text.split()) if text else SCOPES
    authorising.lacking(_NAME, ("Calendars.ReadWrite",), given)
    return given


def _tenant_of(result: Told) -> str | None:
    """The directory; None for a personal account, whose mailbox is in another one than it signs in to."""
    claims = result.body.get("id_token_claims")
    found = claims.get("tid") if isinstance(claims, dict) else None
    return found if isinstance(found, str) and found not in ("", _PERSONAL) else None


def _numbers(result: Told) -> set[int]:
    listed = result.body.get("error_codes")
    return {one for one in listed if isinstance(one, int)} if isinstance(listed, list) else set()
