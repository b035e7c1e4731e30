"""From a path to what answers it: the routes of HubSpot's API in all the versions it is served in, and one call of one of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from services.sandbox.hubspot_errors import CONTENT_TYPE, validation
from services.sandbox.hubspot_portal import Portal, Source
from services.sandbox.hubspot_types import ObjectType, object_type
from services.sandbox.wire import Answer, BadBody, Request, as_json

DATED = r"\d{4}-\d{2}(?:-beta)?"
MOST_INPUTS = 100


class Call(NamedTuple):
    """A request of a portal's app. `parts` come from the path; `source` is who changes something by it."""

    request: Request
    parts: Mapping[str, str]
    portal: Portal
    source: Source

    def kind(self, part: str = "type") -> ObjectType:
        """The object type that the path names. Raises `Failure` 400."""
        found = object_type(self.parts[part])
        if found is None:
            raise validation(f"Unable to infer object type from: {self.parts[part]}")
        return found

    def body(self) -> dict[str, Any]:
        """The JSON object of the body. Raises `Failure` 400."""
        found = _json(self.request)
        if not isinstance(found, dict):
            raise validation("Invalid input JSON on line 1, column 1: an object was expected")
        return found

    def listing(self) -> list[Any]:
        """The JSON array of the body. Raises `Failure` 400."""
        found = _json(self.request)
        if not isinstance(found, list):
            raise validation("Invalid input JSON on line 1, column 1: an array was expected")
        return found

    def inputs(self, most: int = MOST_INPUTS) -> list[dict[str, Any]]:
        """The `inputs` of a batch. Raises `Failure` 400 if there are too many, or none."""
        found = self.body().get("inputs")
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
            raise validation("Invalid input JSON: inputs must be a list of objects")
        if not 0 < len(found) <= most:
            raise validation(f"A batch takes 1 to {most} inputs; there were {len(found)}")
        return found

    def words(self, name: str) -> list[str]:
        """A list in the query: repeated, or parted by commas."""
        return [word.strip() for written in self.request.many(name) for word in written.split(",") if word.strip()]

    def flag(self, name: str) -> bool:
        """A yes or no in the query."""
        return (self.request.one(name) or "").lower() == "true"

    def limit(self, default: int, most: int) -> int:
        """How many to answer. Raises `Failure` 400."""
        written = self.request.one("limit") or str(default)
        if not written.isdecimal() or not 0 < int(written) <= most:
            raise validation(f"The limit must be between 1 and {most}; it was {written}")
        return int(written)


Handler = Callable[[Call], Answer]


class Route(NamedTuple):
    """`name` is what the request is counted under; `scopes` what the token must have, given the call; `|` stands
    between those of which one will do."""

    method: str
    pattern: re.Pattern[str]
    name: str
    handler: Handler
    scopes: Callable[[Call], Iterable[str]]
    search: bool = False


def route(method: str, pattern: str, name: str, handler: Handler, scopes: Callable[[Call], Iterable[str]] | None = None) -> Route:
    """A route; a slash at the path's end makes no difference."""
    return Route(method, re.compile(pattern + "/?"), name, handler, scopes or _none)


def _none(call: Call) -> Iterable[str]:
    return ()


def answer(status: int, value: Any) -> Answer:
    """JSON as HubSpot sends it."""
    return as_json(status, value, {"Content-Type": CONTENT_TYPE})


def done(status: int = 204) -> Answer:
    """Nothing more to say."""
    return Answer(status)


def paged(items: list[Any], start: int, size: int, request: Request, after: Callable[[Any], str]) -> tuple[list[Any], dict[str, Any]]:
    """A page, and its `paging` if there is a further one; `after` makes the cursor of the page's last item."""
    page, rest = items[start : start + size], items[start + size :]
    if not rest:
        return page, {}
    cursor = after(page[-1])
    kept = "".join(f"&{name}={value}" for name, value in request.query if name != "after")
    return page, {
        "paging": {"next": {"after": cursor, "link": f"{request.scheme}://{request.host}{request.raw_path}?after={cursor}{kept}"}}
    }


def _json(request: Request) -> Any:
    try:
        return request.json()
    except BadBody as error:
        raise validation(f"Invalid input JSON: {error}") from error
