"""Serve the API: Granian in a thread of its own, inside whatever process it is, until asked to stop.

What must stay true: who starts it decides when it ends, so signals are met here and not by the server; a port somebody else listens on
is an error at once, although the server would share it; and streams are ended first, so that stopping waits for no reader.
"""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import structlog
from granian.constants import Interfaces
from granian.server import embed as granian

from domain.errors import Stop
from services.running import Stopping

if TYPE_CHECKING:
    from services.api.app import Front
    from services.wiring import Installation
    from services.wiring_providers import Outside

log = structlog.get_logger(__name__)

START_SECONDS = 10.0
STOP_SECONDS = 10.0
"""How long requests at hand may take once we are asked to stop."""

_LOOK_AGAIN_SECONDS = 0.02
_LINGERING_SECONDS = 0.1
"""The server's native thread outlives its stop by some milliseconds, and a process that ends meanwhile is aborted."""


class Listener:
    """One listening server: its thread, its event loop, its port. Starts once. `ending` is set as soon as it is stopped, for the
    application to end its streams by."""

    def __init__(self, app: Any, host: str, port: int, ending: threading.Event) -> None:
        self._app, self._host, self._wanted, self._ending = app, host, port, ending
        self._loop: asyncio.AbstractEventLoop | None = None
        self._granian: granian.Server | None = None
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="api", daemon=True)
        self.port = 0

    def start(self) -> int:
        """Listen. Returns the port once requests are answered. Raises `OSError` if the address cannot be had."""
        self._address, self.port = _available(self._host, self._wanted)
        self._thread.start()
        until = time.monotonic() + START_SECONDS
        while not _answers(self._address, self.port):
            if self._failed is not None or not self._thread.is_alive() or time.monotonic() > until:
                raise Stop(f"the API did not start on {self._host}:{self.port}: {self._failed or 'it does not answer'}")
            time.sleep(_LOOK_AGAIN_SECONDS)
        return self.port

    def stop(self) -> None:
        """Take no more requests, and return when those at hand are answered or `STOP_SECONDS` have passed."""
        self._ending.set()
        loop, server = self._loop, self._granian
        if loop is not None and server is not None and self._thread.is_alive():
            loop.call_soon_threadsafe(server.stop)
            self._thread.join(STOP_SECONDS)
        time.sleep(_LINGERING_SECONDS)
        if self._thread.is_alive():
            # Its thread is a daemon's, so the process ends all the same.
            log.warning("requests were cut off", after_seconds=STOP_SECONDS)

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://{f'[{self._host}]' if ':' in self._host else self._host}:{self.port}"

    @property
    def failed(self) -> bool:
        """Has it ended without being stopped?"""
        return not self._ending.is_set() and not self._thread.is_alive()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # whatever ends this thread is for the one who waits for it in `start`
            self._failed = error
            log.error("the API ended", exc_info=error)

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._granian = granian.Server(
            self._app, address=self._address, port=self.port, interface=Interfaces.ASGI, websockets=False, backlog=1024, log_enabled=False
        )
        await self._granian.serve()


class Server(Listener):
    """The API of an installation; with `outside`, of its connections too."""

    def __init__(self, parts: Installation, host: str, port: int, outside: Outside | None = None) -> None:
        ending = threading.Event()
        super().__init__(app_of(parts, ending.is_set, outside), host, port, ending)


def serve(parts: Installation, host: str, port: int, outside: Outside | None = None) -> None:
    """Answer the API until SIGTERM or SIGINT; with `outside`, and a provider set up, that of connections and pushes too. Raises `OSError`
    if the address cannot be had, `Stop` if the server ends by itself."""
    connected = outside if outside is not None and outside.is_set_up else None
    with Stopping() as stopping:
        server = Server(parts, host, port, connected)
        server.start()
        print(f"rendezvous serves {server.url}/v1 (stop with Ctrl-C)", flush=True)
        while not stopping.wait(0.2) and not server.failed:
            pass
        failed = server.failed
        server.stop()
    if connected is not None:
        connected.close()
    if failed:
        raise Stop("the API ended by itself; its log says why")


def app_of(parts: Installation, stopping: Callable[[], bool], outside: Outside | None = None) -> Front:
    """The API over an installation's parts; its streams end when `stopping` says so. Without `outside` nothing can be connected."""
    from services.api.app import create_app
    from services.api.aside import AT_ONCE, THREADS, Aside

    serving = parts.serving(None if outside is None else outside.cursors)
    return create_app(
        reading=serving.reading,
        explainer=serving.explainer,
        publisher=parts.publisher,
        tokens=parts.tokens,
        progress=serving.progress,
        views=serving.views,
        stopping=stopping,
        connecting=None if outside is None else outside.connecting(),
        push=None if outside is None else outside.push(),
        aside=Aside(THREADS) if parts.on_postgres or parts.on_kafka else AT_ONCE,
        dead=parts.dead,
    )


def _available(host: str, port: int) -> tuple[str, int]:
    """The numeric address and a port that nobody listens on. Granian binds so that several processes may share a port; two
    installations on one port would then answer in turns."""
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address[:2])
        found = probe.getsockname()
    return str(address[0]), int(found[1])


def _answers(address: str, port: int) -> bool:
    reachable = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address, address)  # noqa: S104 - compared with, not bound to
    try:
        with socket.create_connection((reachable, port), timeout=1):
            return True
    except OSError:
        return False
