"""Bodies: what Exchange makes of the text or HTML it is given, and the block that an online meeting has in it.

What must stay true: what is read is never byte for byte what was written, except what Exchange wrote itself; the plain text in it is
the same.
"""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser

from services.sandbox.office365_times import Json

_HEAD = '<html><head>\r\n<meta http-equiv="Content-Type" content="text/html; charset=utf-8"></head><body>'
_TAIL = "</body></html>"
_BODY = re.compile(r"<body[^>]*>(.*?)(?:</body>.*)?$", re.DOTALL | re.IGNORECASE)
_BLOCK = "________________________________________________________________________________"
_PREVIEW = 255


class _Text(HTMLParser):
    """Collects what a reader sees."""

    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "style", "head"):
            self._hidden += 1
        elif tag in ("br", "p", "div", "li", "tr"):
            self.parts.append("\r\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style", "head"):
            self._hidden -= 1

    def handle_data(self, data: str) -> None:
        if self._hidden <= 0:
            self.parts.append(re.sub(r"\s+", " ", data))


def stored(body: object) -> Json:
    """A client's `itemBody` as Exchange keeps it: HTML of its own making."""
    given = body if isinstance(body, dict) else {}
    content = str(given.get("content") or "")
    if not content:
        return {"contentType": "html", "content": ""}
    if str(given.get("contentType") or "text").lower() != "html":
        # Exchange keeps a plain text's lines by breaks.
        content = re.sub(r"\r?\n", "<br>\r\n", html.escape(content, quote=False))
    match = _BODY.search(content)
    inner = re.sub(r"<(script|style)\b.*?</\1>", "", match[1] if match else content, flags=re.DOTALL | re.IGNORECASE)
    return {"contentType": "html", "content": f"{_HEAD}{inner.strip()}{_TAIL}\r\n"}


def text(body: Json) -> str:
    """What a reader sees of a stored body."""
    reader = _Text()
    reader.feed(body["content"])
    reader.close()
    return re.sub(r"[ \t]*\r\n[ \t]*", "\r\n", "".join(reader.parts)).strip()


def preview(body: Json) -> str:
    """Its first 255 characters."""
    return text(body)[:_PREVIEW]


def with_meeting(body: Json, link: str) -> Json:
    """With the block that says how to join. Losing it ends the online meeting."""
    if link in body["content"]:
        return body
    match = _BODY.search(body["content"])
    inner = match[1] if match else ""
    block = f'<br><div>{_BLOCK}</div><div><a href="{html.escape(link)}">Join the meeting now</a></div>'
    return {"contentType": "html", "content": f"{_HEAD}{inner}{block}{_TAIL}\r\n"}
