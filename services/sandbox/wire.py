"""What goes over the sandbox's wire: a request, an answer, and what the shell asks of a simulator.

A simulator is a function of its own state and the request: it opens no socket and reads no clock but its world's.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple, Protocol, runtime_checkable
from urllib.parse import parse_qsl

import msgspec


class BadBody(ValueError):
    """The body is not what its reader asked for. A simulator answers this in its provider's words."""


class Request(NamedTuple):
    """`path` is percent-decoded once and has no query, `raw_path` is as it was sent, without the query either. Names of headers are
    lower-case; the body is unpacked (gzip, chunks)."""

    method: str
    scheme: str
    host: str
    path: str
    raw_path: str
    query: list[tuple[str, str]]
    headers: Mapping[str, str]
    body: bytes

    def one(self, name: str, default: str | None = None) -> str | None:
        """The first value of a query parameter."""
        return next((value for key, value in self.query if key == name), default)

    def many(self, name: str) -> list[str]:
        """All values of a query parameter."""
        return [value for key, value in self.query if key == name]

    def form(self) -> dict[str, str]:
        """The fields of a form; of one that repeats, the last. Raises `BadBody`."""
        try:
            return dict(parse_qsl(self.body.decode(), keep_blank_values=True))
        except UnicodeDecodeError as error:
            raise BadBody(str(error)) from error

    def json(self) -> Any:
        """The body's JSON; None for an empty body. Raises `BadBody`."""
        if not self.body.strip():
            return None
        try:
            return msgspec.json.decode(self.body)
        except msgspec.DecodeError as error:
            raise BadBody(str(error)) from error

    def bearer(self) -> str | None:
        """The token of the Authorization header, if it is a bearer's."""
        kind, _, token = self.headers.get("authorization", "").partition(" ")
        return token.strip() if kind.lower() == "bearer" and token else None


class Answer(NamedTuple):
    """`route` is what the request is counted under, e.g. `events.list`; without it, its path. The shell adds Content-Length, Date and,
    when asked, gzip."""

    status: int
    headers: dict[str, str] = {}  # noqa: RUF012 - a NamedTuple's default; nobody writes into an answer's headers
    body: bytes = b""
    route: str = ""


class Simulator(Protocol):
    """One provider. The shell holds the world's lock around `answer`."""

    @property
    def name(self) -> str:
        """google, office365, entra, hubspot: what faults and counts call it."""

    def answers(self, request: Request) -> bool:
        """Is this path mine?"""

    def answer(self, request: Request) -> Answer:
        """Answer it, and change the state as the provider would."""


@runtime_checkable
class Refuses(Protocol):
    """A simulator that words a fault's status itself; the shell uses a plain JSON object otherwise."""

    def refusal(self, request: Request, status: int) -> Answer:
        """An error of this status as the provider words it (429, 500, 503, ...)."""


@runtime_checkable
class Controlled(Protocol):
    """A simulator with a control API of its own, under /sandbox/<name>/."""

    def control(self, request: Request) -> Answer:
        """Act as a person or an administrator would. The whole path is in the request."""


@runtime_checkable
class Resets(Protocol):
    """A simulator that can forget everything."""

    def reset(self) -> None:
        """As it was when it was made."""


@runtime_checkable
class Tells(Protocol):
    """A simulator that shows what it has."""

    def state(self) -> Any:
        """What it has, as JSON would hold it."""


def as_json(status: int, value: Any, headers: Mapping[str, str] | None = None, route: str = "") -> Answer:
    """An answer that holds JSON."""
    return Answer(status, {"Content-Type": "application/json; charset=UTF-8", **(headers or {})}, msgspec.json.encode(value), route)


def as_html(status: int, page: str, headers: Mapping[str, str] | None = None, route: str = "") -> Answer:
    """An answer that holds a page."""
    return Answer(status, {"Content-Type": "text/html; charset=UTF-8", **(headers or {})}, page.encode(), route)


def redirect(location: str, route: str = "") -> Answer:
    """To another place, by GET."""
    return Answer(302, {"Location": location}, b"", route)


def header_names(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Headers with lower-case names; one that repeats is joined by commas, as RFC 9110 allows."""
    found: dict[str, str] = {}
    for name, value in pairs:
        key = name.lower()
        found[key] = f"{found[key]}, {value}" if key in found else value
    return found
