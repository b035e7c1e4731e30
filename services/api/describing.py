"""What the framework cannot say of the API by itself: the bodies that publishing takes, and the headers of answers.

What must stay true: the description is whole (no reference leads out of it), and what it says of a body is what
`source_events.read` accepts.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from services.documents.schemas import embedded

Json = dict[str, Any]

ONE, SEVERAL, EITHER = "application/cloudevents+json", "application/cloudevents-batch+json", "application/json"
"""What a body of source events may be: one, an array of them, or whichever of both it is."""

BATCH = 500
"""Events of one call."""

_EVENT = "SourceEvent"
_SCHEMAS = "#/components/schemas/{name}"

_TEXT: Json = {"type": "string"}
_NUMBER: Json = {"type": "integer", "minimum": 0}
_HEADERS: dict[str, Json] = {
    "ETag": {"description": "The page's version, weak. Send it as `If-None-Match`, and what did not change is not sent.", "schema": _TEXT},
    "Rendezvous-Position": {
        "description": "Of what was published: the last position in the source log, to be given as `wait_for`. Of a timeline: the reader's"
        " position.",
        "schema": _NUMBER,
    },
    "Retry-After": {"description": "Ask again after so many seconds.", "schema": _NUMBER},
    "WWW-Authenticate": {"description": "`Bearer`: a token is missing, or no longer live.", "schema": _TEXT},
    "Allow": {"description": "Of an answer 405: the methods of that path.", "schema": _TEXT},
}
_PUBLISHING, _TIMELINE = "publishSourceEvents", "getTimeline"
# By operation and status; no operation stands for all of them.
_ANSWERED: dict[tuple[str | None, str], tuple[str, ...]] = {
    (_PUBLISHING, "200"): ("Rendezvous-Position",),
    (_PUBLISHING, "202"): ("Rendezvous-Position",),
    (_TIMELINE, "200"): ("ETag", "Rendezvous-Position"),
    (_TIMELINE, "304"): ("ETag", "Rendezvous-Position"),
    (None, "401"): ("WWW-Authenticate",),
    (None, "503"): ("Retry-After",),
}


def described(told: Json) -> Json:
    """The framework's description, with that. Leaves what it was given as it was."""
    components = told["components"]
    schemas = components["schemas"] | embedded(_EVENT, _SCHEMAS)
    paths = {path: {method: _operation(one) for method, one in item.items()} for path, item in told["paths"].items()}
    return told | {"paths": paths, "components": components | {"schemas": schemas, "headers": _HEADERS}}


def _operation(told: Json) -> Json:
    answers = {status: _answer(told["operationId"], status, answer) for status, answer in told["responses"].items()}
    body = {"requestBody": _body()} if told["operationId"] == _PUBLISHING else {}
    return told | body | {"responses": answers}


def _answer(operation: str, status: str, told: Json) -> Json:
    headers = {name: {"$ref": f"#/components/headers/{name}"} for name in _headers(operation, status)}
    return told | {"headers": headers} if headers else told


def _headers(operation: str, status: str) -> Iterator[str]:
    for whose in (None, operation):
        yield from _ANSWERED.get((whose, status), ())


def _body() -> Json:
    one: Json = {"$ref": _SCHEMAS.format(name=_EVENT)}
    # A batch's events are judged one by one, so that a bad one harms no other: any array of at most so many is taken.
    several: Json = {"type": "array", "items": one, "maxItems": BATCH}
    kinds: dict[str, Json] = {ONE: one, SEVERAL: several, EITHER: {"oneOf": [one, several]}}
    described = f"One source event, or at most {BATCH}; at most 5 MiB, and 256 KiB of each."
    return {"description": described, "required": True, "content": {kind: {"schema": schema} for kind, schema in kinds.items()}}
