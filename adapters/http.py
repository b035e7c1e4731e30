"""Calling a provider over HTTP: whose token, how often, how long, and what an answer means. Reading and writing share it.

What must stay true:
- a bearer goes to the configured origin and nowhere else, whatever address a provider's answer names; redirects are not followed;
- nothing of a token, a body or a query stands in an error or a log: a refusal carries the status and the provider's own code;
- an answer is one of four things: taken; `errors.TryAgain`, with `after` seconds if anybody said so; `errors.Deauthorised`; or
  `errors.Refused`. Which status means which is the table in `_judged`;
- a limit is asked before each request, and whoever is told to wait tells all others by it.
"""

from __future__ import annotations

import logging
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from email.utils import formatdate, parsedate_to_datetime
from types import MappingProxyType
from typing import Any, NamedTuple

import httpx
import msgspec
import stamina

from domain.errors import Deauthorised, Refused, TryAgain
from domain.outside import Access, Buckets, DoubtingAccess, Link

Params = Mapping[str, str | int | Sequence[str]]

PATIENCE = 10.0
"""Seconds that a call waits at most, for a limit or because it was told to; who must wait longer comes back later."""

ATTEMPTS = 4
"""How often a patient call is made in all."""

LONGEST = 3600.0
"""Seconds that a provider is believed to mean at most: what it says holds up all of a limit, and may be nonsense."""

LOCKED = 2.0
"""Seconds until a lock (423) is asked about again, at least (HubSpot developer documents, "Error handling")."""

# A page of 2,500 events takes Google seconds; whoever has not answered by then will be asked again.
_TIMEOUT = httpx.Timeout(connect=5.0, read=40.0, write=20.0, pool=20.0)
# What passes by itself, beside 5xx: request timeout, HubSpot's lock (423) and its migration (477), too early, too many.
_PASSING = frozenset((408, 423, 425, 429, 477))
# Who expects one of these expects that a grant may not go that far; who expects another does not expect to hear so by it.
_GRANTS = frozenset((401, 403))
# What changes or removes one thing that is there.
_CHANGING = frozenset(("DELETE", "PATCH", "PUT"))
_CODE = re.compile(r"[A-Za-z0-9_.:-]{1,80}")


class Limit(NamedTuple):
    """A token bucket, by name: `rate` requests a second, `burst` at once."""

    key: str
    rate: float
    burst: float


class Vendor(NamedTuple):
    """How a provider is called. `base` is its API's address. `limits` names the buckets of a link's call of some kind ("" is the
    common one). `code` finds the provider's own code in an error's body. Codes in `busy` pass by themselves whatever the status
    is, those in `lost` say that the grant does not go that far (any more), and so do those in `denied`, unless the call changes one
    thing that is there: then it may be that thing alone. `advice` is what a person can do about one of these."""

    name: str
    base: str
    limits: Callable[[Link, str], Sequence[Limit]]
    code: Callable[[Any], object]
    busy: frozenset[str] = frozenset()
    lost: frozenset[str] = frozenset()
    advice: Mapping[str, str] = MappingProxyType({})
    denied: frozenset[str] = frozenset()


class Answer(NamedTuple):
    """What came back: `body` is decoded JSON, None if there is none; `code` the provider's own code of an error, "" if none."""

    status: int
    headers: httpx.Headers
    body: Any
    code: str
    content: bytes


class Throttle:
    """Asks the buckets, and waits where that is worth it. Usable by any number of threads, as far as the buckets are."""

    def __init__(self, buckets: Buckets, clock: Callable[[], int], sleep: Callable[[float], None] = time.sleep) -> None:
        self._buckets, self._clock, self._sleep = buckets, clock, sleep

    def take(self, limits: Iterable[Limit]) -> None:
        """One request out of each. Raises `TryAgain`, with `after`, if that would be longer than `PATIENCE`."""
        waited = 0.0
        for limit in limits:
            while short := self._buckets.take(limit.key, limit.rate, limit.burst, self._clock()):
                seconds = short / 1000
                waited += seconds
                if waited > PATIENCE:
                    raise TryAgain(f"the limit of {limit.key.partition(':')[0]} is used up", after=seconds)
                self._sleep(seconds)

    def date(self) -> str:
        """What time it is, as HTTP says it."""
        return formatdate(self._clock() / 1000, usegmt=True)

    def drain(self, limits: Iterable[Limit], seconds: float) -> None:
        """The provider said to wait that long."""
        until = self._clock() + int(seconds * 1000)
        for limit in limits:
            self._buckets.drain(limit.key, until)


def client(transport: httpx.BaseTransport | None = None) -> httpx.Client:
    """Connections to providers, for any number of threads."""
    for chatty in ("httpx", "httpcore", "googleapiclient"):
        # They would tell addresses and tokens to whoever turns on the logs of this process.
        logging.getLogger(chatty).setLevel(logging.WARNING)
    limits = httpx.Limits(max_connections=64, max_keepalive_connections=32, keepalive_expiry=30.0)
    return httpx.Client(timeout=_TIMEOUT, limits=limits, transport=transport, follow_redirects=False)


class Api:
    """One provider's API, called in the name of a link. Usable by any number of threads."""

    def __init__(self, vendor: Vendor, http: httpx.Client, access: Access, throttle: Throttle) -> None:
        self.vendor, self._http, self._access, self._throttle = vendor, http, access, throttle
        self._base = vendor.base.rstrip("/") + "/"
        self._origin = _origin(httpx.URL(self._base))

    def call(
        self,
        link: Link,
        method: str,
        path: str,
        *,
        params: Params | None = None,
        json: object = None,
        content: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        expected: Iterable[int] = (),
        kind: str = "",
        patient: bool = False,
    ) -> Answer:
        """One request. `path` is below the base, or a whole address of the same origin (`Refused` otherwise). Statuses in
        `expected` are answers to the caller, besides all 2xx, unless the code says something else. `kind` picks the limits.
        `patient`: what passes by itself is tried again in here, which is for calls that may be made twice.
        """
        url = self.address(path)
        body = msgspec.json.encode(json) if json is not None else content
        given = ({"Content-Type": "application/json"} if json is not None else {}) | dict(headers or {})
        request = self._http.build_request(method, url, params=dict(params) if params else None, content=body, headers=given)
        wanted = frozenset(expected)
        if not patient:
            return self._authorised(link, request, wanted, kind)
        for attempt in stamina.retry_context(on=_soon, attempts=ATTEMPTS, timeout=None, wait_initial=0.2, wait_max=5.0, wait_jitter=0.5):
            with attempt:
                return self._authorised(link, request, wanted, kind)
        raise AssertionError("a retry ends with an answer or an error")

    def address(self, path: str) -> httpx.URL:
        """The whole address. Raises `Refused` if it leads elsewhere."""
        if "://" not in path:
            return httpx.URL(self._base + path.lstrip("/"))
        try:
            url = httpx.URL(path)
        except httpx.InvalidURL:
            raise Refused(f"{self.vendor.name} named an address that is none") from None
        if _origin(url) != self._origin or url.userinfo:
            raise Refused(f"{self.vendor.name} named an address outside {self._origin[1]}")
        return url

    def _authorised(self, link: Link, request: httpx.Request, expected: frozenset[int], kind: str) -> Answer:
        """With a token; if that is refused, once more with another one. If that is, too, the grant is doubted."""
        bearer = self._access.bearer(link)
        answer = self._sent(link, request, bearer, kind)
        if answer.status == 401 and 401 not in expected:
            self._access.refused(link, bearer)
            bearer = self._access.bearer(link)
            answer = self._sent(link, request, bearer, kind)
            if answer.status == 401:
                self._access.refused(link, bearer)
                if answer.code in self.vendor.lost and isinstance(self._access, DoubtingAccess):
                    # By its code it is about the token: Google answers 401 also of an address that it will not push to.
                    self._access.doubt(link, bearer)
                raise Deauthorised(f"{self.vendor.name} takes no access token any more ({_said(answer)})")
        return self._judged(link, request.method, answer, expected, kind)

    def _sent(self, link: Link, request: httpx.Request, bearer: str, kind: str) -> Answer:
        self._throttle.take(self.vendor.limits(link, kind))
        request.headers["Authorization"] = f"Bearer {bearer}"
        try:
            response = self._http.send(request)
        except httpx.TransportError as error:
            raise TryAgain(f"{self.vendor.name} was not reached: {type(error).__name__}") from None
        except httpx.DecodingError:
            raise TryAgain(f"{self.vendor.name} answered what cannot be unpacked") from None
        return self._answer(response)

    def _answer(self, response: httpx.Response) -> Answer:
        body: Any = None
        if response.content:
            try:
                body = msgspec.json.decode(response.content)
            except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
                if response.is_success and "json" in response.headers.get("Content-Type", "json"):
                    raise TryAgain(f"{self.vendor.name} answered {response.status_code} with what is no JSON") from None
        code = "" if response.is_success else _code(self.vendor.code, body)
        return Answer(response.status_code, response.headers, body, code, response.content)

    def _judged(self, link: Link, method: str, answer: Answer, expected: frozenset[int], kind: str) -> Answer:
        """What is the caller's business; anything else as the error that it means."""
        passing = answer.status in _PASSING or answer.status >= 500 or answer.code in self.vendor.busy
        if 200 <= answer.status < 300 or (answer.status in expected and not self._is_about_us(answer)):
            return answer
        said = f"{self.vendor.name} answered {_said(answer)}"
        if passing:
            after = retry_after(answer.headers, answer.headers.get("Date") or self._throttle.date())
            after = max(after or 0.0, LOCKED) if answer.status == 423 else after
            if answer.status == 429 or answer.code in self.vendor.busy:
                self._throttle.drain(self.vendor.limits(link, kind), 1.0 if after is None else after)
            raise TryAgain(said, after=after)
        if answer.code in self.vendor.lost or (answer.code in self.vendor.denied and method not in _CHANGING):
            raise Deauthorised(f"{said}: {self.vendor.advice.get(answer.code, 'the grant does not go that far')}")
        raise Refused(said)

    def _is_about_us(self, answer: Answer) -> bool:
        """Is it no answer to what was asked, whatever its status says, but one to how often, or to whether we may?"""
        return answer.code in self.vendor.busy or (answer.code in self.vendor.lost and answer.status not in _GRANTS)


def retry_after(headers: Mapping[str, str], date: str | None) -> float | None:
    """Seconds to wait by `Retry-After`, at most `LONGEST`. It is a number of them or a time; the latter counts from `date`, which is
    the answer's own `Date` if it has one.

    >>> retry_after({"Retry-After": "12"}, None)
    12.0
    >>> retry_after({"Retry-After": "Mon, 02 Mar 2026 08:00:30 GMT"}, "Mon, 02 Mar 2026 08:00:00 GMT")
    30.0
    >>> retry_after({"Retry-After": "99999999"}, None)
    3600.0
    >>> retry_after({"Retry-After": "soon"}, None) is None
    True
    """
    said = (headers.get("Retry-After") or "").strip()
    if re.fullmatch(r"[0-9]+(\.[0-9]{1,6})?", said):
        return min(float(said), LONGEST)
    with suppress(TypeError, ValueError):
        seconds = (parsedate_to_datetime(said) - parsedate_to_datetime(date or "")).total_seconds()
        return min(max(seconds, 0.0), LONGEST)
    return None


def _soon(error: Exception) -> bool | float:
    """Is it worth waiting for in the call itself, and how many seconds, if somebody said so?"""
    if not isinstance(error, TryAgain):
        return False
    return True if error.after is None else error.after if error.after <= PATIENCE else False


def _origin(url: httpx.URL) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _code(find: Callable[[Any], object], body: Any) -> str:
    """The provider's code, if it is one: free text may hold anything."""
    found = find(body)
    return found if isinstance(found, str) and _CODE.fullmatch(found) else ""


def _said(answer: Answer) -> str:
    return f"{answer.status} {answer.code}".strip()
