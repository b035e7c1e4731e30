"""The server of the API with nothing behind it: the same bytes for every request. `python -m tests.benchmarks.constant SIZE`"""

from __future__ import annotations

import sys
import threading
from typing import Any

from services.running import Stopping
from services.serve import Listener


class Constant:
    """An ASGI application that answers `body`, whatever was asked."""

    def __init__(self, body: bytes) -> None:
        self._body = body
        self._headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """See ASGI 3."""
        await send({"type": "http.response.start", "status": 200, "headers": self._headers})
        await send({"type": "http.response.body", "body": self._body})


def main() -> None:
    """Serve so many bytes until asked to stop."""
    with Stopping() as stopping:
        server = Listener(Constant(b"x" * int(sys.argv[1])), "127.0.0.1", 0, threading.Event())
        server.start()
        print(f"serves {server.url}", flush=True)
        while not stopping.wait(0.2):
            pass
        server.stop()


if __name__ == "__main__":
    main()
