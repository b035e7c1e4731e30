"""The routes by which calendars and CRMs are connected: begin, hand over, come back, disconnect.

An operator's token begins and ends; what a person's browser opens needs none, because a ticket or a consent's state, each good once,
says whose it is. What must stay true: no answer and no log holds a token of a provider; a consent comes back to the browser that
began it, known by a cookie that no script reads; whatever goes wrong in a browser is a page that a person understands.

A link is opened by a button: a mail program that looks at links beforehand does not press it, and the link is still good.
"""

from __future__ import annotations

import asyncio
from typing import Annotated, Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import structlog
from litestar import Request, Response, delete, get, post
from litestar.di import NamedDependency
from litestar.exceptions import HTTPException, NotFoundException
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import PathParameter, SkipValidation
from msgspec import Struct

from domain.errors import BadInput, NotFound, Refused, TryAgain
from domain.recurrence import moment
from services.api import parameters as p
from services.api.bodies import Left, body_of
from services.api.door import Door
from services.api.pages import asking, page
from services.api.problems import MEDIA_TYPE, Problem
from services.api.questions import query_of
from services.connecting import CONSENT_MS, PATH, Connecting, Stale, Started, Taken
from services.connections import CALLED

log = structlog.get_logger(__name__)

COOKIE = "rendezvous_consent"
FORM_BYTES = 8 * 1024


class Desk:
    """What these routes ask. Without `connecting` nothing can be connected here, and they say so."""

    def __init__(self, connecting: Connecting | None, door: Door | None) -> None:
        self._connecting, self._door = connecting, door

    @property
    def connecting(self) -> Connecting:
        """Raises `NotFound` where nothing is set up."""
        if self._connecting is None:
            raise NotFound("no provider is set up here")
        return self._connecting

    async def account(self, scope: Any) -> str:
        """The account whose operator asks; see `Door.account`."""
        if self._door is None:
            raise NotFound("no provider is set up here")
        return await self._door.account(scope, "ops")


class ConsentBody(Struct):
    """Where to go: `url` in the browser that asked (its answer set a cookie there) or, of a link, in the user's; until a time."""

    url: str
    until: str


class EndedBody(Struct):
    """What became of it. `revoked`: the provider forgot our permission; if not, `note` says why."""

    revoked: bool
    note: str | None


Asked = Request[Any, Any, Any]
AtDesk = NamedDependency[SkipValidation[Desk]]
Provider = Annotated[str, PathParameter(description="`google`, `office365` or `hubspot`.")]
User = Annotated[str | None, p.query("user", "The CRM user id of the calendar's owner; none for `hubspot`.")]


def _answers(shape: Any, description: str) -> dict[int, ResponseSpec]:
    problem = ResponseSpec(Problem, description="A problem (RFC 9457).", media_type=MEDIA_TYPE, generate_examples=False)
    return {
        200: ResponseSpec(shape, description=description, generate_examples=False),
        **dict.fromkeys((400, 401, 403, 404, 409, 503), problem),
    }


def _json(body: object, headers: dict[str, str] | None = None) -> Response[bytes]:
    plain = {"cache-control": "no-store", **(headers or {})}
    return Response(msgspec.json.encode(body), status_code=200, media_type="application/json", headers=plain)


def _time(ms: int) -> str:
    return moment(ms).isoformat(timespec="seconds").replace("+00:00", "Z")


# --- operators -------------------------------------------------------------------------------------------------------------------


@post("/{provider:str}", operation_id="connect", status_code=200, responses=_answers(ConsentBody, "Where to go."))
async def connect(request: Asked, desk: AtDesk, provider: Provider, user: User = None, account: p.Account = None) -> Response[bytes]:
    """Begin a consent in the browser that asks, whose cookie must come back with it. With the scope `ops`."""
    link = desk.connecting.link(await desk.account(request.scope), provider, query_of(request.scope).get("user"))
    started = await _untaken(desk.connecting.begin, link)
    return _json(ConsentBody(started.url, _time(started.until)), {"set-cookie": _cookie(desk, started)})


@post("/{provider:str}/link", operation_id="handOver", status_code=200, responses=_answers(ConsentBody, "The link."))
async def hand_over(request: Asked, desk: AtDesk, provider: Provider, user: User = None, account: p.Account = None) -> Response[bytes]:
    """A link to hand to the user, who begins the consent himself: good once, for a day. With the scope `ops`."""
    link = desk.connecting.link(await desk.account(request.scope), provider, query_of(request.scope).get("user"))
    ticket = await _untaken(desk.connecting.hand_over, link)
    return _json(ConsentBody(ticket.url, _time(ticket.until)))


@delete("/{provider:str}", operation_id="disconnect", status_code=200, responses=_answers(EndedBody, "It is disconnected."))
async def disconnect(request: Asked, desk: AtDesk, provider: Provider, user: User = None, account: p.Account = None) -> Response[bytes]:
    """Disconnect: revoke the permission at the provider, forget it here, and read no more. With the scope `ops`."""
    link = desk.connecting.link(await desk.account(request.scope), provider, query_of(request.scope).get("user"))
    ended = await asyncio.to_thread(desk.connecting.disconnect, link)
    return _json(EndedBody(ended.revoked, ended.note))


async def _untaken(call: Any, link: Any) -> Any:
    """In a thread: the provider may be asked for its description."""
    try:
        return await asyncio.to_thread(call, link)
    except Taken as error:
        raise HTTPException(status_code=409, detail=str(error)) from error


# --- browsers --------------------------------------------------------------------------------------------------------------------


@get("/{provider:str}/start", include_in_schema=False)
async def opened(request: Asked, desk: AtDesk, provider: Provider) -> Response[bytes]:
    """The page behind a link that was handed over. Opening it uses nothing up."""
    called, ticket = CALLED.get(provider), request.query_params.get("ticket", "")
    if called is None or not ticket:
        return page("There is nothing here", "This link is not complete.", status=404)
    told = f"You will be asked at {called} to let Rendezvous keep your meetings in step with the CRM."
    return asking(f"Connect {called}", told, f"Go on to {called}", "ticket", ticket)


@post("/{provider:str}/start", include_in_schema=False, status_code=303)
async def started(request: Asked, desk: AtDesk, provider: Provider) -> Response[bytes]:
    """The button of that page."""
    try:
        form = parse_qs((await body_of(request, FORM_BYTES, "no form of ours is as large as this")).decode("ascii", "replace"))
        begun = await asyncio.to_thread(desk.connecting.accept, provider, form.get("ticket", [""])[0])
    except Exception as error:  # in a browser every error is a page; which one, is decided in one place
        return _why(error, provider)
    headers = {"location": begun.url, "set-cookie": _cookie(desk, begun), "cache-control": "no-store", "referrer-policy": "no-referrer"}
    return Response(b"", status_code=303, headers=headers)


@get("/{provider:str}/callback", include_in_schema=False)
async def callback(request: Asked, desk: AtDesk, provider: Provider) -> Response[bytes]:
    """Where a provider sends the browser back to."""
    try:
        session = request.cookies.get(COOKIE, "")
        grant = await asyncio.to_thread(desk.connecting.finish, provider, query_of(request.scope), session)
    except Exception as error:  # as above
        return _why(error, provider)
    whose = f" of {grant.address}" if grant.address else ""
    told = f"{CALLED[provider]}{whose} is connected. You can close this page."
    return page("Connected", told, headers={"set-cookie": f"{COOKIE}=; Path={_path(desk)}; Max-Age=0; HttpOnly; SameSite=Lax"})


def _why(error: Exception, provider: str) -> Response[bytes]:
    """What went wrong, as a page."""
    called = CALLED.get(provider, "The provider")
    match error:
        case Taken():
            return page("Not connected", str(error), status=409)
        case Stale():
            return page("Not connected", str(error), status=400)
        case Left():
            raise error
        case Refused():
            return page("Not connected", f"{error.reason[:1].upper()}{error.reason[1:]}.", "Nothing was changed.", status=400)
        case TryAgain():
            return page(
                "Not connected",
                f"{called} did not answer, or we are busy. Try again in a few minutes, with a new link if this one is used.",
                status=503,
            )
        case BadInput() | NotFound() | NotFoundException():
            return page("There is nothing here", "This address is not one that a provider or a link leads to.", status=404)
        case HTTPException() if error.status_code < 500:
            return page("Not connected", "What was sent cannot be read.", status=error.status_code)
    log.error("consent failed", provider=provider if provider in CALLED else "unknown", exc_info=error)
    return page("Not connected", "Something went wrong here, and is in our log.", status=500)


def _cookie(desk: Desk, started: Started) -> str:
    """Lax: the provider's redirect is a navigation from another site, and must bring it."""
    secure = "; Secure" if desk.connecting.public_url.startswith("https:") else ""
    return f"{COOKIE}={started.session}; Path={_path(desk)}; Max-Age={CONSENT_MS // 1000}; HttpOnly; SameSite=Lax{secure}"


def _path(desk: Desk) -> str:
    """Where browsers see these routes: a proxy may have put something before them."""
    return urlsplit(desk.connecting.public_url).path + PATH


CONNECT = (connect, hand_over, disconnect, opened, started, callback)
