"""The control page, /sandbox/: act as a salesperson, a guest or an admin, and see what every provider has.

The page is files of static/ and nothing else; what it shows and does goes through the control API. Plain HTML, CSS and a script,
as they are delivered: there is nothing to build.
"""

from __future__ import annotations

import re
from pathlib import Path

from services.sandbox.wire import Answer, Request, redirect

STATIC = Path(__file__).parent / "static"
_FILE = re.compile(r"/sandbox/static/([a-z]+\.(css|js))")
_TYPES = {"css": "text/css", "js": "text/javascript", "html": "text/html"}
_HEADERS = {
    # Titles and names come from whoever uses the sandbox: none of them may become a script.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}


def page(request: Request) -> Answer | None:
    """The page or one of its files; None if the path is neither."""
    if request.path == "/sandbox":
        return redirect("/sandbox/")
    if request.path == "/sandbox/":
        return _file("index.html")
    found = _FILE.fullmatch(request.path)
    return _file(found[1]) if found and (STATIC / found[1]).is_file() else None


def _file(name: str) -> Answer:
    kind = _TYPES[name.rpartition(".")[2]]
    return Answer(200, {"Content-Type": f"{kind}; charset=utf-8", **_HEADERS}, (STATIC / name).read_bytes())
