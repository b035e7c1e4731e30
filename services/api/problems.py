"""Errors as readers of the API get them: problem details (RFC 9457), for every error there is.

What must stay true: one mapping from the kinds of `domain.errors` to statuses, here; and no error of ours shows what is inside.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, NamedTuple

import msgspec
import structlog
from litestar.exceptions import HTTPException, MethodNotAllowedException, NotFoundException, ValidationException
from msgspec import Struct

from domain.errors import AskAPerson, BadInput, Forbidden, NotFound, RendezvousError, TryAgain
from services.api.bodies import Left
from services.api.paths import methods

log = structlog.get_logger(__name__)

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 1

LEFT = 499
"""Of a request whose client went before it was here: nobody reads that answer, but it is counted, and apart from our failures."""

_MOST = 500
"""Characters of a path and of a detail: enough to know what is meant, however much was sent."""


class Unauthorised(AskAPerson):
    """No token, or none that is live."""


class Rejected(AskAPerson):
    """A source event was refused; `errors` say where and why, `event` is what its receipt names it."""

    def __init__(self, event: Mapping[str, str | None], errors: Sequence[Mapping[str, str]]) -> None:
        super().__init__("the source event was rejected")
        self.event, self.errors = event, errors


class Problem(Struct, frozen=True, omit_defaults=True):
    """The body. `errors` name the places that are wrong: JSON Pointers into a body, or `/` and the name of a query parameter or
    header."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    errors: tuple[Mapping[str, str], ...] = ()
    id: str | None = None
    source: str | None = None


class Answer(NamedTuple):
    """A whole response."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes


def answer_to(error: Exception, path: str) -> Answer:
    """The response that this error is, for a request to `path`."""
    problem, headers = _problem(error, path)
    if problem.status == LEFT:
        log.info("the client left", path=path[:_MOST])
    if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR and not isinstance(error, TryAgain):
        log.error("failed", path=path, exc_info=error)
    body = msgspec.json.encode(problem)
    plain = [(b"content-type", MEDIA_TYPE.encode()), (b"content-length", b"%d" % len(body)), (b"cache-control", b"no-store")]
    return Answer(problem.status, plain + [(k.lower().encode(), v.encode()) for k, v in headers.items()], body)


def _problem(error: Exception, path: str) -> tuple[Problem, dict[str, str]]:
    match error:
        case Unauthorised():
            return _said(error, 401, "unauthorised", path), {"www-authenticate": 'Bearer realm="rendezvous"'}
        case Forbidden():
            return _said(error, 403, "forbidden", path), {}
        case NotFound():
            return _said(error, 404, "not-found", path), {}
        case BadInput():
            errors = ({"pointer": f"/{error.pointer.strip('/')}" if error.pointer else "", "reason": error.reason},)
            return _said(error, 400, "bad-input", path, errors), {}
        case Rejected():
            return _said(error, 422, "rejected", path, tuple(error.errors), error.event), {}
        case TryAgain():
            return _said(error, 503, "try-again", path), {"retry-after": str(RETRY_SECONDS)}
        case Left():
            return Problem("about:blank", "Client left", LEFT, "the client left before all of its body was here", path[:_MOST]), {}
        case MethodNotAllowedException():
            allowed = methods((error.headers or {}).get("allow", ""), path)
            return _plain(405, f"this path takes {allowed}", path), {"allow": allowed}
        case NotFoundException():
            return _plain(404, "nothing is at this path; /v1/openapi.json says what there is", path), {}
        case HTTPException() if error.status_code < HTTPStatus.INTERNAL_SERVER_ERROR:
            return _plain(error.status_code, _detail(error), path, _places(error)), dict(error.headers or {})
    # Our own bug, or a broken store: what it says is for the log.
    return _plain(500, "something went wrong here; it is in our log", path), {}


def _said(
    error: RendezvousError,
    status: int,
    kind: str,
    path: str,
    errors: tuple[Mapping[str, str], ...] = (),
    event: Mapping[str, str | None] | None = None,
) -> Problem:
    title = kind.replace("-", " ").capitalize()
    named = event or {}
    detail, instance = str(error)[:_MOST], path[:_MOST]
    return Problem(f"urn:rendezvous:problem:{kind}", title, status, detail, instance, errors, named.get("id"), named.get("source"))


def _plain(status: int, detail: str, path: str, errors: tuple[Mapping[str, str], ...] = ()) -> Problem:
    return Problem("about:blank", HTTPStatus(status).phrase, status, detail[:_MOST], path[:_MOST], errors)


def _detail(error: HTTPException) -> str:
    return error.detail or HTTPStatus(error.status_code).phrase


def _places(error: HTTPException) -> tuple[Mapping[str, str], ...]:
    if not isinstance(error, ValidationException) or not isinstance(error.extra, list):
        return ()
    return tuple(_place(one) for one in error.extra if isinstance(one, dict))


def _place(told: dict[str, Any]) -> dict[str, str]:
    return {"pointer": f"/{told.get('key', '')}", "reason": str(told.get("message", "not valid"))}
