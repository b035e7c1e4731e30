"""The routes that the providers call. None takes a bearer token: each provider proves itself in its own way (see `services.push`).

What must stay true: an answer of success is given only after what was said is durable; nothing that was sent is sent back but
Microsoft's validation token, escaped and as plain text; a body has its limit before it is read.
"""

from __future__ import annotations

import asyncio
from html import escape
from typing import Any

from litestar import Request, Response, post
from litestar.di import NamedDependency
from litestar.params import SkipValidation

from domain.errors import BadInput, NotFound
from services.api.bodies import body_of
from services.push import BODY_BYTES, MOST_TOKEN, Push

HINT_BYTES = 64 * 1024
"""A Google notification has no body at all."""

_TOO_LARGE = "no notification is as large as this"


class Doorstep:
    """What these routes ask. Without `push`, nobody is expected."""

    def __init__(self, push: Push | None) -> None:
        self._push = push

    @property
    def push(self) -> Push:
        """Raises `NotFound` where nothing is set up."""
        if self._push is None:
            raise NotFound("no provider is set up here")
        return self._push


Asked = Request[Any, Any, Any]
AtDoorstep = NamedDependency[SkipValidation[Doorstep]]


def _taken(status: int = 200, body: bytes = b"", media_type: str = "text/plain") -> Response[bytes]:
    headers = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
    return Response(body, status_code=status, media_type=media_type, headers=headers)


def _headers(request: Asked) -> dict[str, str]:
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in request.scope["headers"]}


@post("/hubspot", include_in_schema=False, status_code=200)
async def hubspot(request: Asked, doorstep: AtDoorstep) -> Response[bytes]:
    """HubSpot's webhooks: signed batches."""
    push, body = doorstep.push, await body_of(request, BODY_BYTES, _TOO_LARGE)
    query = request.scope["query_string"].decode("latin-1")
    # In a thread: durable means that the disk was waited for. The path is the one that HubSpot was told, whatever a proxy made of it.
    await asyncio.to_thread(push.hubspot, "/v1/hooks/hubspot", query, _headers(request), body)
    return _taken()


@post("/google", include_in_schema=False, status_code=200)
async def google(request: Asked, doorstep: AtDoorstep) -> Response[bytes]:
    """A Google channel's notification: all of it is in the headers."""
    await body_of(request, HINT_BYTES, _TOO_LARGE)
    await asyncio.to_thread(doorstep.push.google, _headers(request))
    return _taken()


@post("/office365", include_in_schema=False, status_code=202)
async def office365(request: Asked, doorstep: AtDoorstep) -> Response[bytes]:
    """Graph's change and lifecycle notifications, and the question by which it finds out whether we listen."""
    token = request.query_params.get("validationToken")
    if token is not None:
        if len(token) > MOST_TOKEN:
            raise BadInput("validationToken", "too long")
        return _taken(200, escape(token, quote=False).encode())
    await asyncio.to_thread(doorstep.push.office365, await body_of(request, BODY_BYTES, _TOO_LARGE))
    return _taken(202)


HOOKS = (hubspot, google, office365)
