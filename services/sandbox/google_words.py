"""How Google words an error, picks the fields of a partial response, and packs several calls into one.

Source: the Calendar API's error guide, the discovery document, and the guides for partial responses and for batching.
"""

from __future__ import annotations

import email.parser
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from services.sandbox.wire import Answer, Request, as_json, header_names

BATCH_LIMIT = 1000
CHALLENGE = 'Bearer realm="https://accounts.google.com/", error="invalid_token"'


class Refusal(Exception):
    """Google says no. `place` is (locationType, location): the header or parameter at fault."""

    def __init__(self, status: int, reason: str, message: str, domain: str = "global", place: tuple[str, str] | None = None) -> None:
        super().__init__(message)
        self.status, self.reason, self.message, self.domain, self.place = status, reason, message, domain, place

    def answer(self) -> Answer:
        """On the wire."""
        error = {"domain": self.domain, "reason": self.reason, "message": self.message}
        if self.place:
            error["locationType"], error["location"] = self.place
        headers = {"WWW-Authenticate": CHALLENGE} if self.status == 401 else {}
        return as_json(self.status, {"error": {"errors": [error], "code": self.status, "message": self.message}}, headers)


def invalid(message: str, parameter: str | None = None) -> Refusal:
    """400: a value that cannot be used."""
    return Refusal(400, "invalid", message, place=("parameter", parameter) if parameter else None)


def required(message: str) -> Refusal:
    """400: a value that must be there."""
    return Refusal(400, "required", message)


def bad_request(message: str) -> Refusal:
    """400: these values do not go together."""
    return Refusal(400, "badRequest", message)


def not_found() -> Refusal:
    """404: it does not exist, or you may not know that it does."""
    return Refusal(404, "notFound", "Not Found")


def unauthorized() -> Refusal:
    """401: no token, or one that is not good."""
    return Refusal(401, "authError", "Invalid Credentials", place=("header", "Authorization"))


def forbidden_scope() -> Refusal:
    """403: the token is good, for something else."""
    return Refusal(403, "insufficientPermissions", "Request had insufficient authentication scopes.")


def forbidden_writer() -> Refusal:
    """403: one may read this calendar only."""
    return Refusal(403, "requiredAccessLevel", "You need to have writer access to this calendar.", "calendar")


def forbidden_non_organizer() -> Refusal:
    """403: a guest may not change what belongs to all."""
    return Refusal(403, "forbiddenForNonOrganizer", "Shared properties can only be changed by the organizer of the event.", "calendar")


def rate_limited(status: int) -> Refusal:
    """403 or 429: too many calls in the last minute."""
    return Refusal(status, "rateLimitExceeded", "Rate Limit Exceeded", "usageLimits")


def full_sync_required() -> Refusal:
    """410: the sync token is worth nothing any more."""
    message = "Sync token is no longer valid, a full sync is required."
    return Refusal(410, "fullSyncRequired", message, "calendar", ("parameter", "syncToken"))


def updated_min_too_long_ago() -> Refusal:
    """410: deletions are not remembered for that long."""
    message = "The requested minimum modification time lies too far in the past."
    return Refusal(410, "updatedMinTooLongAgo", message, "calendar", ("parameter", "updatedMin"))


def time_range_empty() -> Refusal:
    """400: it ends before it begins."""
    return Refusal(400, "timeRangeEmpty", "The specified time range is empty.", "calendar", ("parameter", "timeMax"))


def duplicate() -> Refusal:
    """409: the identifier is taken."""
    return Refusal(409, "duplicate", "The requested identifier already exists.")


def deleted() -> Refusal:
    """410: there is nothing left to delete."""
    return Refusal(410, "deleted", "Resource has been deleted")


def condition_not_met() -> Refusal:
    """412: it is another revision than the one you have seen."""
    return Refusal(412, "conditionNotMet", "Precondition Failed", place=("header", "If-Match"))


_FAULTS = {
    400: Refusal(400, "badRequest", "Bad Request"),
    401: unauthorized(),
    403: rate_limited(403),
    404: not_found(),
    410: full_sync_required(),
    412: condition_not_met(),
    429: rate_limited(429),
}


def fault(status: int) -> Refusal:
    """What Google says with a status when it is asked to fail with it."""
    return _FAULTS.get(status) or Refusal(status, "backendError", "Backend Error")


# --- partial responses -------------------------------------------------------------------------------------------------------


def select(value: Any, fields: str) -> Any:
    """What `fields` asks for: `a,b/c,d(e,f),*`. Raises `Refusal` if it cannot be read.

    >>> select({"kind": "k", "items": [{"id": "1", "start": {"date": "d", "timeZone": "z"}}]}, "items(id,start/date)")
    {'items': [{'id': '1', 'start': {'date': 'd'}}]}
    """
    tree, rest = _selection(fields)
    if rest:
        raise Refusal(400, "invalidParameter", f"Invalid field selection {fields}", place=("parameter", "fields"))
    return _picked(value, tree)


Tree = dict[str, Any]


def _selection(text: str) -> tuple[Tree, str]:
    """The tree of what is selected up to a closing bracket or the end, and what follows it."""
    tree: Tree = {}
    while text and text[0] != ")":
        path, text = _path(text)
        inner: Tree = {}
        if text.startswith("("):
            inner, text = _selection(text[1:])
            text = text[1:] if text.startswith(")") else "("  # unbalanced: a rest that is refused
        _plant(tree, path, inner)
        if text.startswith(","):
            text = text[1:]
        elif text and text[0] != ")":
            return tree, text
    return tree, text


def _path(text: str) -> tuple[list[str], str]:
    end = next((place for place, sign in enumerate(text) if sign in ",()"), len(text))
    return [part.strip() for part in text[:end].split("/")], text[end:]


def _plant(tree: Tree, path: list[str], inner: Tree) -> None:
    for part in path:
        tree = tree.setdefault(part, {})
    tree.update(inner)


def _picked(value: Any, tree: Tree) -> Any:
    if not tree:
        return value
    if isinstance(value, list):
        return [_picked(each, tree) for each in value]
    if not isinstance(value, dict):
        return value
    if "*" in tree:
        return {name: _picked(each, tree[name] if name in tree else tree["*"]) for name, each in value.items()}
    return {name: _picked(each, tree[name]) for name, each in value.items() if name in tree}


# --- several calls in one ----------------------------------------------------------------------------------------------------


def batch(request: Request, answer: Callable[[Request], Answer]) -> Answer:
    """Each part of a multipart/mixed body is a request of its own; so is each part of the answer. Raises `Refusal`."""
    head = f"Content-Type: {request.headers.get('content-type', '')}\r\n\r\n".encode()
    message = email.parser.BytesParser().parsebytes(head + request.body)
    if not message.is_multipart():
        raise bad_request("The batch request is not multipart.")
    parts = message.get_payload()
    if len(parts) > BATCH_LIMIT:
        raise bad_request("The batch request holds too many calls.")
    boundary = "batch_sandbox"
    body = b"".join(_part(boundary, each, answer(_inner(each, request))) for each in parts)
    return Answer(200, {"Content-Type": f"multipart/mixed; boundary={boundary}"}, body + f"--{boundary}--\r\n".encode(), "batch")


def _inner(part: Any, outer: Request) -> Request:
    """The request inside a part; its headers before those of the whole."""
    head, _, body = part.get_payload(decode=True).replace(b"\r\n", b"\n").partition(b"\n\n")
    line, _, headers = head.decode().partition("\n")
    method, _, rest = line.partition(" ")
    own = header_names(email.parser.Parser().parsestr(headers).items())
    kept = {name: value for name, value in outer.headers.items() if name == "authorization"}
    parts = urlsplit(rest.partition(" ")[0])
    return outer._replace(
        method=method,
        path=unquote(parts.path),
        raw_path=parts.path,
        query=parse_qsl(parts.query, keep_blank_values=True),
        headers={**kept, **own},
        body=body.strip(),
    )


def _part(boundary: str, asked: Any, answer: Answer) -> bytes:
    name = (asked.get("Content-ID") or "<0>").strip().removeprefix("<")
    head = f"--{boundary}\r\nContent-Type: application/http\r\nContent-ID: <response-{name}\r\n\r\nHTTP/1.1 {answer.status} -\r\n"
    headers = "".join(f"{name}: {value}\r\n" for name, value in answer.headers.items())
    return f"{head}{headers}Content-Length: {len(answer.body)}\r\n\r\n".encode() + answer.body + b"\r\n"
