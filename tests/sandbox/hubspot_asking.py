"""A HubSpot simulator that is asked without a socket, for the tests of what it answers."""

from __future__ import annotations

import json
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote, urlencode, urlsplit

from services.sandbox.hubspot import HubSpot
from services.sandbox.wire import Request
from services.sandbox.world import World

START = 1_772_700_000_000
"""2026-03-05T08:40:00Z: where the clock stands."""


class Reply(NamedTuple):
    """An answer, its JSON read."""

    status: int
    json: Any
    headers: dict[str, str]


class Api:
    """One portal with one user (Ana, owner 7001) on a clock that stands, asked with a token that may do everything."""

    def __init__(self, seed: int = 0) -> None:
        self.world = World(seed)
        self.world.freeze(START)
        self.hubspot = HubSpot(self.world)
        self.hubspot.portal(62515, "Acme")
        self.hubspot.user("ana@acme.example", "Ana", "Ames")
        self.token: str | None = self.hubspot.token()

    def ask(self, method: str, target: str, body: Any = None, form: dict[str, str] | None = None) -> Reply:
        """Send JSON, or a form."""
        parts = urlsplit(target)
        sent = urlencode(form).encode() if form is not None else b"" if body is None else json.dumps(body).encode()
        headers = {"authorization": f"Bearer {self.token}"} if self.token else {}
        query = parse_qsl(parts.query, keep_blank_values=True)
        request = Request(method, "http", "127.0.0.1:8080", unquote(parts.path), parts.path, query, headers, sent)
        with self.world.lock:
            found = self.hubspot.answer(request)
        is_json = "json" in found.headers.get("Content-Type", "")
        return Reply(found.status, json.loads(found.body) if is_json else found.body.decode(), dict(found.headers))

    def get(self, target: str) -> Any:
        """The JSON of an answer that is 200."""
        reply = self.ask("GET", target)
        assert reply.status == 200, reply
        return reply.json

    def post(self, target: str, body: Any, status: int = 200) -> Any:
        """The JSON of an answer of this status."""
        reply = self.ask("POST", target, body)
        assert reply.status == status, reply
        return reply.json

    def meeting(self, title: str = "Kick-off", **more: Any) -> str:
        """A meeting that Ana schedules, 2026-03-09 from ten to eleven."""
        return self.hubspot.schedule("ana@acme.example", title, "2026-03-09T10:00:00Z", "2026-03-09T11:00:00Z", **more)
