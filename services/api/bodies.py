"""Bodies of requests, read whole up to a limit, as they are.

What must stay true: no more than the limit is kept in memory; and a client that still writes hears no answer, so what is too much is
read on and thrown away before the answer says so, up to a bound beyond which the rest is not worth anybody's time.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from email.message import Message
from typing import Any

from litestar import Request
from litestar.exceptions import HTTPException

DRAINED_BYTES = 64 * 1024 * 1024
"""Of a body that is too large, read so far at most."""

# None: whoever sends JSON and says nothing means UTF-8 (RFC 8259, 8.1).
_CHARSETS = (None, "utf-8", "utf8", "us-ascii")


class Left(Exception):
    """The client went before all of its body was here. Nothing was done, and there is nobody to tell."""


async def body_of(request: Request[Any, Any, Any], most: int, advice: str) -> bytes:
    """All of the body, at most `most` bytes. Raises `Left`, and an answer 413 with this advice."""
    kept, size = bytearray(), 0
    if _announced(request) > DRAINED_BYTES:
        raise HTTPException(status_code=413, detail=advice)
    async for part in _parts(request):
        size += len(part)
        if size <= most:
            kept += part
        elif size > DRAINED_BYTES:
            break
    if size > most:
        raise HTTPException(status_code=413, detail=advice)
    return bytes(kept)


async def _parts(request: Request[Any, Any, Any]) -> AsyncIterator[bytes]:
    more = True
    while more:
        message: Any = await request.receive()
        if message["type"] == "http.disconnect":
            raise Left
        yield message.get("body", b"")
        more = message.get("more_body", False)


def _announced(request: Request[Any, Any, Any]) -> int:
    """How large it says to be; 0 if it does not say."""
    told = request.headers.get("content-length", "")
    return int(told) if told.isascii() and told.isdigit() else 0


def media_type(request: Request[Any, Any, Any]) -> str:
    """What the body is, by its type and subtype. Raises an answer 415 for one that is packed, or in other characters than UTF-8."""
    packed = request.headers.get("content-encoding", "").strip().lower()
    if packed not in ("", "identity"):
        detail = f"content-encoding {packed[:40]!r} is not taken: send the body as it is"
        raise HTTPException(status_code=415, detail=detail, headers={"accept-encoding": "identity"})
    told = Message()
    told["content-type"] = request.headers.get("content-type", "")
    charset = told.get_content_charset()
    if charset not in _CHARSETS:
        raise HTTPException(status_code=415, detail=f"charset {str(charset)[:40]!r} is not taken: send UTF-8")
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()
