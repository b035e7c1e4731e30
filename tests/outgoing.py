"""What tests of writing share: requests as the domain makes them, the people in them, and a grant that never ends."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import httpx
from msgspec.structs import replace

from adapters import http
from adapters.http import Api, Throttle
from adapters.memory.buckets import MemoryBuckets
from adapters.memory.grants import MemoryGrants
from domain.events import Content, Guest
from domain.outside import Grant, Link, Request
from domain.people import Person
from tests.examples import ACCOUNT, ANA, BO, CY

MEETING = UUID("0195573e-a800-8f7c-9c1e-0f2b6a7c1d11")
GOOGLE, OFFICE365, HUBSPOT = Link(ACCOUNT, "google", "501"), Link(ACCOUNT, "office365", "501"), Link(ACCOUNT, "hubspot")
DELIVERY = "0123456789abcdef0123456789abcdef"

PEOPLE = {
    "t-ana": Person("k-ana", ANA, "Ana", "acme.example"),
    "t-bo": Person("k-bo", BO, "Bo Lindqvist", "client.example"),
    "t-cy": Person("k-cy", CY, None, "buyer.example"),
    "t-gone": Person("k-gone", erased=True),
}

PROPOSAL = Content(
    start=datetime(2026, 4, 7, 10),
    duration="PT1H",
    title="Proposal review",
    location="Room 4",
    time_zone="Europe/Paris",
    guests=(Guest("t-ana", "accepted", owner=True), Guest("t-bo")),
)


def request(link: Link = GOOGLE, content: Content = PROPOSAL, **fields: Any) -> Request:
    """Ana's proposal review with Bo, to be created; other fields of the content under their names, the request's own likewise."""
    own = {name: fields.pop(name) for name in list(fields) if name in Request.__struct_fields__}
    plain: dict[str, Any] = {"id": DELIVERY, "link": link, "meeting": MEETING, "action": "create", "owner": "501", "requested_at": 1}
    return Request(**(plain | own), content=replace(content, **fields))


def granted(*links: Link, since: int = 0) -> MemoryGrants:
    """Grants of these links; if none is named, of Ana's calendars and of the CRM."""
    grants = MemoryGrants()
    for link in dict.fromkeys(links or (GOOGLE, OFFICE365, HUBSPOT)):
        grants.put(Grant(link=link, id="g", access="", since=since))
    return grants


class Tokens:
    """`outside.Access`: one token after the other, each good until it was refused."""

    def __init__(self, *tokens: str) -> None:
        self._tokens = list(tokens) or ["bearer"]
        self.refusals: list[str] = []

    def bearer(self, link: Link) -> str:
        return self._tokens[min(len(self.refusals), len(self._tokens) - 1)]

    def refused(self, link: Link, bearer: str) -> None:
        self.refusals.append(bearer)


class Asked(NamedTuple):
    """A request as it went over the wire."""

    method: str
    path: str
    query: dict[str, str]
    headers: httpx.Headers
    body: Any


class Wire:
    """A provider that says what it is told to. `answers`: "METHOD /path" to (status, body), or to several, one after the other.
    Whoever asks for a deletion or a cancellation, or for anything else that was not foreseen, fails."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self._answers = {key: list(said) if isinstance(said, list) else [said] for key, said in answers.items()}
        self.asked: list[Asked] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        body = json.loads(request.content) if request.content else None
        asked = Asked(request.method, request.url.path, dict(request.url.params), httpx.Headers(request.headers), body)
        assert asked.method != "DELETE"
        assert "/cancel" not in asked.path
        self.asked.append(asked)
        answers = self._answers[f"{asked.method} {asked.path}"]
        said = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(said, Exception):
            raise said
        return httpx.Response(said[0], json=said[1], headers=said[2] if len(said) > 2 else None)

    def made(self, method: str) -> list[Asked]:
        """What was asked by this method."""
        return [one for one in self.asked if one.method == method]


def api(make: Callable[..., Api], wire: Callable[[httpx.Request], httpx.Response], access: Tokens | None = None) -> Api:
    """The API that `adapters.<provider>.calling.api` makes, over this wire."""
    throttle = Throttle(MemoryBuckets(), lambda: 0, lambda seconds: None)
    return make(http.client(httpx.MockTransport(wire)), access or Tokens(), throttle)
