"""Pages for a person in a browser: a consent to begin, how it ended, and why not.

What must stay true: everything that is not written here is escaped; a page loads nothing, runs nothing, is framed by nobody, is kept
by nobody, and tells no other site where it stood.
"""

from __future__ import annotations

import base64
import hashlib
from html import escape

from litestar import Response

_STYLE = (
    "body{font:1.1rem/1.5 system-ui,sans-serif;color:#1d2733;background:#f5f7fa;margin:0;display:grid;place-items:center;min-height:100vh}"
    "main{background:#fff;border:1px solid #d8dfe7;border-radius:.75rem;padding:2rem 2.5rem;max-width:32rem;margin:1rem}"
    "h1{font-size:1.4rem;margin:0 0 .75rem}p{margin:.5rem 0}"
    "button{font:inherit;color:#fff;background:#1f5fbf;border:0;border-radius:.5rem;padding:.6rem 1.4rem;margin-top:1rem;cursor:pointer}"
    "button:focus-visible{outline:3px solid #9cc2ff}"
)
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

# No form-action: browsers hold the redirect that answers a form against it, and that one leads to a provider.
_HEADERS = {
    "content-security-policy": f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cache-control": "no-store",
}


def page(title: str, *paragraphs: str, status: int = 200, headers: dict[str, str] | None = None) -> Response[bytes]:
    """A page that says this."""
    return _page(title, "".join(f"<p>{escape(one)}</p>" for one in paragraphs), status, headers)


def asking(title: str, paragraph: str, button: str, field: str, value: str) -> Response[bytes]:
    """A page with one button, which sends one field back to the address of the page."""
    form = (
        f'<form method="post" action=""><input type="hidden" name="{escape(field)}" value="{escape(value)}">'
        f'<button type="submit">{escape(button)}</button></form>'
    )
    return _page(title, f"<p>{escape(paragraph)}</p>{form}", 200, None)


def _page(title: str, inside: str, status: int, headers: dict[str, str] | None) -> Response[bytes]:
    body = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body><main><h1>{escape(title)}</h1>{inside}</main></body></html>"
    )
    return Response(body.encode(), status_code=status, media_type="text/html", headers=_HEADERS | (headers or {}))
