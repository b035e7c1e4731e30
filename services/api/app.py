"""The API put together: the framework with its routes, and in front of it the timeline page.

Why in front: nearly every request asks for a timeline page, and Litestar's routing, injection and response objects cost 60 to 100
microseconds, about as much as reading 50 entries from SQLite. The same route is registered behind, and both answer through
`TimelinePage`.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import cache
from typing import Any

import msgspec
from litestar import Litestar, Request, Response, Router
from litestar.connection import ASGIConnection
from litestar.di import Provide
from litestar.exceptions import NotFoundException
from litestar.handlers.base import BaseRouteHandler
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme

from domain.ports import DeadLetters
from projections.views import Views
from services.api import routes
from services.api.aside import AT_ONCE, Aside, InTime
from services.api.connecting import CONNECT, Desk
from services.api.describing import described
from services.api.door import Door
from services.api.gathering import Gathering
from services.api.hooks import HOOKS, Doorstep
from services.api.metrics import Metrics
from services.api.parameters import declared
from services.api.paths import methods, path_of, plain, takes_head, without_marks
from services.api.problems import answer_to
from services.api.routes import Api
from services.api.timelines import TimelinePage, named
from services.connecting import Connecting
from services.explain import Explainer
from services.progress import Progress
from services.publish import Publisher
from services.push import Push
from services.reading import Reading
from services.tokens import Tokens

READY_LAG = 1000
"""Events that may wait while we call ourselves ready."""

WAIT_SECONDS = 10.0
"""How long `wait_for` waits."""

_METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")

LOG_THREADS = 2
"""For what explanations ask of logs that are servers."""

DESCRIPTION = "/v1/openapi.json"

TIMELINE = "/v1/contacts/{who}/timeline"


def create_app(
    *,
    reading: Reading,
    explainer: Explainer,
    publisher: Publisher,
    tokens: Tokens,
    progress: Progress,
    views: Views,
    stopping: Callable[[], bool] = lambda: False,
    wait_seconds: float = WAIT_SECONDS,
    ready_lag: int = READY_LAG,
    connecting: Connecting | None = None,
    push: Push | None = None,
    aside: Aside = AT_ONCE,
    dead: DeadLetters | None = None,
) -> Front:
    """The API over these parts, as an ASGI application. `stopping` ends its streams. Without `connecting` or `push`, its routes for
    that answer that nothing is set up. `aside` answers what the parts have to wait for. In `dead` an explanation is looked for that
    the read models do not have."""
    door = Door(tokens, aside)
    in_time = InTime(LOG_THREADS if aside.is_far else 0)
    page = TimelinePage(reading, door, progress, declared(routes.timeline.fn), wait_seconds, aside=aside)
    metrics = Metrics(views, progress)
    api = Api(reading, explainer, publisher, Gathering(publisher), progress, door, page, metrics, stopping, ready_lag, aside, in_time, dead)
    return Front(framework(api, Desk(connecting, door), Doorstep(push)), page, metrics)


_NOBODY = Desk(None, None)
_UNEXPECTED = Doorstep(None)


def framework(api: Api | None, desk: Desk = _NOBODY, doorstep: Doorstep = _UNEXPECTED) -> Litestar:
    """The framework with every route. Without parts it answers nothing, and describes itself all the same."""
    return Litestar(
        route_handlers=[
            Router("/v1", route_handlers=routes.VERSION_1),
            Router("/v1/connect", route_handlers=CONNECT),
            Router("/v1/hooks", route_handlers=HOOKS),
            *routes.WITHOUT_VERSION,
            # Also here, where whoever lets only /v1 through finds them; described once.
            Router("/v1", route_handlers=routes.WITHOUT_VERSION, include_in_schema=False),
        ],
        dependencies={
            "api": Provide(lambda: api, sync_to_thread=False),
            "desk": Provide(lambda: desk, sync_to_thread=False),
            "doorstep": Provide(lambda: doorstep, sync_to_thread=False),
        },
        # Exception: whatever nobody thought of is a problem of status 500, in our shape and without its text.
        exception_handlers={Exception: _problem},
        openapi_config=_openapi(),
        before_request=_unmarked,
        request_max_body_size=None,  # each route that reads a body gives `bodies.body_of` its limit
        logging_config=None,
        debug=False,
    )


async def _unmarked(request: Request[Any, Any, Any]) -> None:
    """Names in the path as the routes expect them. A new mapping: the framework keeps the one it has made."""
    request.scope["path_params"] = without_marks(request.scope["path_params"])


def _problem(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    answer = answer_to(error, plain(request.scope["path"]))
    headers = {name.decode(): value.decode() for name, value in answer.headers if name != b"content-length"}
    return Response(answer.body, status_code=answer.status, headers=headers, media_type=headers.pop("content-type"))


class _Rendered(JsonRenderPlugin):
    """The framework's description with what it cannot say."""

    def render(self, request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        """As JSON."""
        return super().render(request, described(openapi_schema))


def _openapi() -> OpenAPIConfig:
    bearer = SecurityScheme(type="http", scheme="bearer", description="A token: `rendezvous tokens create`.")
    return OpenAPIConfig(
        title="Rendezvous",
        version="1",  # of the API: what its paths begin with; the release has a number of its own
        description="Timelines of contacts, and the source events they are made from.",
        openapi_router=Router(DESCRIPTION, route_handlers=[], include_in_schema=False, guards=[_only_the_description]),
        render_plugins=[_Rendered(path="/")],
        components=Components(security_schemes={"token": bearer}),
        security=[{"token": []}],
        use_handler_docstrings=True,
    )


def _only_the_description(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """The framework answers beneath the description's path with a page of its own; there is nothing there."""
    if connection.scope["path"] != DESCRIPTION:
        raise NotFoundException


@cache  # the framework names a handler's parts anew each time it is put together
def openapi_document() -> dict[str, Any]:
    """The API's description, as `/v1/openapi.json` answers it."""
    document: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(described(framework(None).openapi_schema.to_schema())))
    return document


class Front:
    """The ASGI application: timeline pages at once, everything else through the framework; all of it counted."""

    def __init__(self, litestar: Litestar, page: TimelinePage, metrics: Metrics) -> None:
        self.litestar, self._page, self._metrics = litestar, page, metrics

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """See ASGI 3."""
        if scope["type"] != "http":
            await self.litestar(scope, receive, send)
            return
        began, method, path = time.perf_counter(), scope["method"], path_of(scope)
        bare = method == "HEAD" and takes_head(path)
        who = named(path) if bare or method == "GET" else None
        if who is None:
            # A copy: the framework writes into it.
            asked: Any = {**scope, "path": path, "method": "GET" if bare else method}
            await self.litestar(asked, receive, self._counting(asked, method, _bare(send) if bare else send, began))
            return
        answer = await self._page.answer(plain(who), scope)
        self._metrics.answered(method, TIMELINE, answer.status, time.perf_counter() - began)
        await send({"type": "http.response.start", "status": answer.status, "headers": answer.headers})
        await send({"type": "http.response.body", "body": b"" if bare else answer.body})

    def _counting(self, scope: Any, method: str, send: Any, began: float) -> Any:
        async def sent(message: Any) -> None:
            if message["type"] == "http.response.start":
                # Without a template nothing of ours was asked for; its path could be anything, so it is no label.
                route = scope.get("path_template") or "unknown"
                self._metrics.answered(method if method in _METHODS else "other", route, message["status"], time.perf_counter() - began)
                message = _allowing(message, scope["path"]) if method == "OPTIONS" else message
            await send(message)

        return sent


def _bare(send: Any) -> Any:
    """Sends an answer without its body: what HEAD gets of a GET, with the length it would have (RFC 9110, 9.3.2)."""

    async def sent(message: Any) -> None:
        await send(message | {"body": b""} if message["type"] == "http.response.body" else message)

    return sent


def _allowing(message: Any, path: str) -> Any:
    """The start of an answer that says which methods a path takes: the framework does not know that HEAD is one."""
    headers = [(name, methods(value.decode(), path).encode() if name.lower() == b"allow" else value) for name, value in message["headers"]]
    return message | {"headers": headers}
