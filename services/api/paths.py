"""What a path says before any route is asked: a stroke within a name, and where HEAD is no GET.

A contact's id or address may hold a `/`, sent as `%2F`. The server hands paths over decoded, where the two are the same; so the path is
decoded again from what was sent, a stroke within a name is marked, and the mark is taken away where a name is used or shown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

_STROKE = "\udc2f"  # half a character: no path that was sent decodes to it
# Streams have no end whose length could be told; and behind /connect/ a GET may use up a consent, which who looks first must not.
_GET_ONLY = re.compile(r"/v1/(?:timeline-changes|contacts/[^/]+/changes|connect/.*)/?")


def path_of(scope: Mapping[str, Any]) -> str:
    """The path of an ASGI scope, with strokes within names marked.

    >>> path_of({"path": "/v1/contacts/a/b c", "raw_path": b"/v1/contacts/a%2Fb%20c"}).split("/")[3:]
    ['a\\udc2fb c']
    """
    raw: bytes = scope.get("raw_path") or b""
    if b"%" not in raw or b"%2f" not in raw.lower():
        return str(scope["path"])
    return "/".join(unquote(name).replace("/", _STROKE) for name in raw.partition(b"?")[0].decode("latin-1").split("/"))


def plain(text: str) -> str:
    """A path, or a name from one, without marks."""
    return text.replace(_STROKE, "/")


def without_marks(names: Mapping[str, Any]) -> dict[str, Any]:
    """The names in a path, as they are."""
    return {name: plain(value) if isinstance(value, str) else value for name, value in names.items()}


def takes_head(path: str) -> bool:
    """May this path be asked by HEAD, if it may by GET?

    >>> takes_head("/v1/contacts/151"), takes_head("/v1/contacts/151/changes"), takes_head("/v1/connect/google/callback")
    (True, False, False)
    """
    return _GET_ONLY.fullmatch(path) is None


def methods(allowed: str, path: str) -> str:
    """The methods that a path takes, of those that its routes name.

    >>> methods("OPTIONS, GET", "/healthz"), methods("GET, OPTIONS", "/v1/timeline-changes"), methods("POST", "/v1/source-events")
    ('GET, HEAD, OPTIONS', 'GET, OPTIONS', 'POST')
    """
    named = {method.strip() for method in allowed.split(",")}
    return ", ".join(sorted(named | {"HEAD"} if "GET" in named and takes_head(path) else named))
