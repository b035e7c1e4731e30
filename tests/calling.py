"""A provider that a test plays: answers by handler, what was asked remembered, and a link whose grant always has another token."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx

from adapters.http import Throttle
from adapters.memory.buckets import MemoryBuckets
from adapters.memory.grants import MemoryGrants
from domain.errors import Deauthorised
from domain.outside import Grant, Link

GOOGLE = Link("62515", "google", "501")
OFFICE365 = Link("62515", "office365", "501")
HUBSPOT = Link("62515", "hubspot")
NOW = 1_772_442_000_000  # 2 March 2026, 9:00 UTC

Handler = Callable[[httpx.Request], httpx.Response]


class Tokens:
    """`outside.Access` with tokens `token-1`, `token-2`, ...; with `lost`, none at all."""

    def __init__(self, lost: bool = False) -> None:
        self.number, self.lost = 1, lost

    def bearer(self, link: Link) -> str:
        """See the port."""
        if self.lost:
            raise Deauthorised("somebody took our access away")
        return f"token-{self.number}"

    def refused(self, link: Link, bearer: str) -> None:
        """See the port."""
        self.number += bearer == f"token-{self.number}"


class Clock:
    """Stands still, but for those who sleep."""

    def __init__(self, at: int = NOW) -> None:
        self.at = at

    def __call__(self) -> int:
        return self.at

    def sleep(self, seconds: float) -> None:
        """Not for long."""
        self.at += round(seconds * 1000)


class Provider:
    """Answers requests by `handler`, and remembers them."""

    def __init__(self, handler: Handler) -> None:
        self.asked: list[httpx.Request] = []
        self._handler = handler
        self.http = httpx.Client(transport=httpx.MockTransport(self._answer))
        self.clock, self.access = Clock(), Tokens()
        self.buckets = MemoryBuckets()
        self.throttle = Throttle(self.buckets, self.clock, self.clock.sleep)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        # A call may send one request twice, with another token.
        self.asked.append(httpx.Request(request.method, request.url, headers=request.headers, content=request.content))
        return self._handler(request)

    def paths(self) -> list[str]:
        """What was asked, without queries."""
        return [f"{request.method} {request.url.path}" for request in self.asked]


def script(*answers: httpx.Response | Exception) -> Handler:
    """These answers, in order, whatever is asked."""
    left = list(answers)

    def handler(request: httpx.Request) -> httpx.Response:
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    return handler


def ok(body: object = None, **headers: str) -> httpx.Response:
    """200, with JSON."""
    return httpx.Response(200, json=body if body is not None else {}, headers=headers)


def granted(*links: Link, calendar: str | None = "ana@acme.example") -> MemoryGrants:
    """Live grants."""
    grants = MemoryGrants()
    for link in links:
        grants.put(Grant(link=link, id="g", access="secret", calendar=calendar, address=calendar))
    return grants


def query(request: httpx.Request) -> dict[str, Any]:
    """The parameters of a request, the last of each name."""
    return dict(request.url.params)
