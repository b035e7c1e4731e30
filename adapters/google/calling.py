"""Calling the Google Calendar API: its limits, its words for what went wrong, and google-api-python-client over our own HTTP.

The library builds the requests and reads the answers; what it sends goes through `adapters.http`, which is safe for threads,
where the library's own transport is not. Facts: Calendar API, "Handle API errors" and "Manage quotas".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import httpx
from googleapiclient import discovery
from googleapiclient.errors import HttpError
from googleapiclient.model import JsonModel

from adapters.http import Answer, Api, Limit, Throttle, Vendor
from domain.outside import Access, Link

BASE = "https://www.googleapis.com/calendar/v3/"

_BUSY = frozenset(("rateLimitExceeded", "userRateLimitExceeded", "backendError"))
_TOO_LITTLE = ("insufficientPermissions", "ACCESS_TOKEN_SCOPE_INSUFFICIENT")
_LOST = frozenset((*_TOO_LITTLE, "authError"))
# On Google's page each permission has a box of its own, which a user may leave empty.
_ADVICE = dict.fromkeys(_TOO_LITTLE, "the permission does not go that far. Connect again, and tick every box on Google's page")


def api(http: httpx.Client, access: Access, throttle: Throttle, base: str = BASE) -> Api:
    """The API at `base`, whose path is part of it."""
    return Api(Vendor("google", base, _limits, _code, _BUSY, _LOST, _ADVICE), http, access, throttle)


def service(base: str = BASE) -> Any:
    """The library's description of the API, from its own files. Thread-safe as long as no request is executed without `http`."""
    options = {"api_endpoint": base.rstrip("/") + "/"}
    return discovery.build("calendar", "v3", http=_Nowhere(), static_discovery=True, client_options=options, model=_Decoded())


def _limits(link: Link, kind: str) -> tuple[Limit, ...]:
    """600 requests a minute for each user, 10,000 for the project, both sliding: burst and a minute's rate stay below."""
    return Limit(f"google:user:{link.account}:{link.user}", 9.0, 50.0), Limit("google:project", 155.0, 600.0)


def _code(body: Any) -> object:
    """The first error's `reason`, which is finer than the status."""
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict):
        return error
    errors = error.get("errors")
    first = errors[0] if isinstance(errors, list) and errors else None
    return (first.get("reason") if isinstance(first, dict) else None) or error.get("status")


def run(request: Any, api: Api, link: Link, expected: Iterable[int] = (), patient: bool = True) -> tuple[int, Any]:
    """The status and the decoded answer of a request of the library's, in the name of a link. Of an error that was `expected` the
    answer is the provider's code."""
    try:
        return 200, request.execute(http=Http(api, link, expected, patient))
    except HttpError as error:
        return int(error.resp.status), str(error.resp.reason)


class Http:
    """What the library asks of its `http`, in the name of a link. Statuses in `expected` come back to it, which then raises
    `googleapiclient.errors.HttpError`; any other is one of our errors."""

    def __init__(self, api: Api, link: Link, expected: Iterable[int] = (), patient: bool = False) -> None:
        self._api, self._link, self._expected, self._patient = api, link, frozenset(expected), patient

    def request(
        self, uri: str, method: str = "GET", body: str | bytes | None = None, headers: Mapping[str, str] | None = None, **_: object
    ) -> tuple[_Response, bytes]:
        """As httplib2's."""
        content = body.encode() if isinstance(body, str) else body
        kept = {
            name: value for name, value in (headers or {}).items() if name.casefold() not in ("content-length", "host", "accept-encoding")
        }
        answer = self._api.call(self._link, method, uri, content=content, headers=kept, expected=self._expected, patient=self._patient)
        return _Response(answer), answer.content


class _Nowhere:
    """Stands where a request must not go: each is executed with an `Http` of its link's."""

    def request(self, uri: str, **_: object) -> tuple[_Response, bytes]:
        """Never."""
        raise AssertionError("a request was executed in nobody's name")


class _Response(dict[str, str]):
    """What the library reads of an httplib2.Response."""

    def __init__(self, answer: Answer) -> None:
        super().__init__({"content-type": answer.headers.get("Content-Type", "application/json")})
        self.status, self.reason, self.body = answer.status, answer.code, answer.body


class _Decoded(JsonModel):  # type: ignore[misc]  # the library says nothing of its types
    """The library's reading of an answer, without decoding once more what `adapters.http` has decoded: a page may be megabytes."""

    def response(self, resp: _Response, content: bytes) -> Any:
        """The body; raises `HttpError` for what is no success."""
        return resp.body if resp.status < 300 and resp.body is not None else super().response(resp, content)
