"""OAuth 2 as every vendor's `oauth` needs it: PKCE, forms posted to an authorisation server, and what its answers mean.

What must stay true:
- no token, code, verifier or secret stands in an error, a log or an address; secrets travel in bodies and headers only;
- that a *grant* is refused (`errors.Deauthorised`, `errors.Refused`) is told from *our app* being refused, which is an operator's
  mistake, ends no grant and passes once it is mended, and from a server that is busy or away: both are `errors.TryAgain`.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from email.utils import parsedate_to_datetime
from typing import Any, NamedTuple
from urllib.parse import urlencode

import httpx
import msgspec

from adapters.http import retry_after
from domain.errors import Deauthorised, Refused, TryAgain

Chance = Callable[[int], bytes]

_CODE = re.compile(r"[A-Za-z0-9_.-]{1,80}")
_TOO_MANY, _OUR_FAULT = 429, 500
_MOST_SECONDS = 366 * 86_400
_SAME_CLOCK_MS = 2_000


class Note(NamedTuple):
    """What is kept of a consent between its beginning and its end: the PKCE verifier and the address it comes back to."""

    verifier: str
    redirect: str


class Told(NamedTuple):
    """An answer: `body` is its JSON object, empty if it held none; `at` when the server says it answered (ms), None if it does not."""

    status: int
    body: dict[str, Any]
    at: int | None

    @property
    def ok(self) -> bool:
        """Is it what was asked for?"""
        return 200 <= self.status < 300

    def text(self, name: str) -> str | None:
        """A field, if it is a text with something in it."""
        value = self.body.get(name)
        return value if isinstance(value, str) and value else None

    @property
    def code(self) -> str:
        """The server's own code of an error, "" if it gave none that looks like one."""
        found = next((self.body[name] for name in ("error", "status", "category") if isinstance(self.body.get(name), str)), "")
        return found if _CODE.fullmatch(found) else ""


class Server:
    """An authorisation server, or an API asked once with a fresh token. `name` is the vendor's, for people."""

    def __init__(self, name: str, http: httpx.Client) -> None:
        self.name, self._http = name, http

    def post(self, url: str, form: Mapping[str, str]) -> Told:
        """Post a form. Raises `TryAgain` if nobody who can judge it answered."""
        return self._told(lambda: self._http.post(url, data=dict(form), headers={"Accept": "application/json"}))

    def get(self, url: str, bearer: str, params: Mapping[str, str] | None = None) -> Told:
        """Ask with a token. Raises `TryAgain` as `post` does."""
        headers = {"Accept": "application/json", "Authorization": f"Bearer {bearer}"}
        return self._told(lambda: self._http.get(url, params=dict(params or {}), headers=headers))

    def _told(self, call: Callable[[], httpx.Response]) -> Told:
        try:
            response = call()
        except httpx.HTTPError as error:
            raise TryAgain(f"{self.name} was not reached: {type(error).__name__}") from None
        if response.status_code == _TOO_MANY or response.status_code >= _OUR_FAULT:
            after = retry_after(response.headers, response.headers.get("Date"))
            raise TryAgain(f"{self.name} answered {response.status_code}", after=after)
        return Told(response.status_code, _object(response.content), side_time(response.headers.get("Date")))

    def app_refused(self, code: str) -> TryAgain:
        """The error that our app, and not a grant, was refused."""
        return TryAgain(f"{self.name} refused this app ({code or 'no reason given'}): look at its client id and secret")


def _object(content: bytes) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(content)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return {}
    return found if isinstance(found, dict) else {}


def side_time(date: str | None) -> int | None:
    """A `Date` header in ms.

    >>> side_time("Mon, 02 Mar 2026 08:00:30 GMT"), side_time("soon"), side_time(None)
    (1772438430000, None, None)
    """
    try:
        return int(parsedate_to_datetime(date or "").timestamp() * 1000)
    except (TypeError, ValueError, OverflowError):
        return None


def new_verifier(chance: Chance) -> str:
    """A PKCE verifier (RFC 7636, 4.1): 43 characters."""
    return _base64(chance(32))


def challenge(verifier: str) -> str:
    """Its S256 challenge (RFC 7636, 4.2).

    >>> challenge("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
    'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM'
    """
    return _base64(hashlib.sha256(verifier.encode()).digest())


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def noted(note: Note) -> str:
    """A note as text."""
    return msgspec.json.encode(note).decode()


def note_of(text: str) -> Note:
    """The note in a text that `noted` made."""
    return msgspec.json.decode(text, type=Note)


def address(url: str, params: Mapping[str, str]) -> str:
    """Where a browser is sent with these."""
    return f"{url}?{urlencode(params)}"


def code_of(name: str, answer: Mapping[str, str], issuer: Callable[[str], bool]) -> str:
    """The code in a redirect's query. Raises `Refused` if it holds none, or came from another server than the one that was asked
    (RFC 9207)."""
    if "iss" in answer and not issuer(answer["iss"]):
        raise Refused(f"the answer did not come from {name}")
    if "error" in answer:
        raise Refused(_declined(name, answer["error"]))
    if not answer.get("code"):
        raise Refused(f"{name} sent no permission back")
    return answer["code"]


def _declined(name: str, code: str) -> str:
    if code in ("access_denied", "consent_required", "user_cancelled"):
        return f"the permission was not given at {name}"
    return f"{name} gave no permission ({code if _CODE.fullmatch(code) else 'for a reason it did not name'})"


def lasts_until(told: Told, now: int) -> int:
    """When its access token ends, by our clock (ms). One that does not say is taken to last for five minutes."""
    seconds = told.body.get("expires_in")
    if isinstance(seconds, str) and seconds.isascii() and seconds.isdigit():
        seconds = int(seconds[:9])
    sane = isinstance(seconds, int | float) and not isinstance(seconds, bool) and 0 <= seconds <= _MOST_SECONDS
    return now + int((seconds if sane and seconds is not None else 300) * 1000)


def granted_at(told: int | None, now: int) -> int:
    """When a consent was given, by the side's clock (ms): what the user makes from then on counts, and the side dates it. An answer
    dates itself to the second; where the clocks agree as far as that can tell, ours is the finer one.

    >>> granted_at(1_000, 2_900), granted_at(None, 2_900), granted_at(61_000, 2_900)
    (2900, 2900, 61000)
    """
    return now if told is None or abs(told - now) <= _SAME_CLOCK_MS else told


def lacking(name: str, wanted: Iterable[str], given: Iterable[str]) -> None:
    """Raises `Refused` if some of what we need was not given."""
    missing = sorted(set(wanted) - set(given))
    if missing:
        raise Refused(f"not all permissions were given at {name}; missing: {', '.join(missing)}")


def lost(name: str, why: str) -> Deauthorised:
    """The error that a grant is at its end, with what to do."""
    return Deauthorised(f"{name} takes the permission no more: {why}. Connect again")
