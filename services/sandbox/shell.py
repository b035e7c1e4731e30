"""The sandbox's servers: one process, one thread a connection, http and https on loopback, the simulators behind both.

The shell knows HTTP and the faults; what a path means, the simulators know. A request is answered under the world's lock, so a
simulator needs no lock of its own; latency is slept outside it.
"""

from __future__ import annotations

import contextlib
import email.utils
import gzip
import socket
import sys
import tempfile
import threading
import time
import traceback
import zlib
from collections.abc import Callable, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from services.sandbox.control import Control
from services.sandbox.tls import Certificate, make_certificate
from services.sandbox.wire import Answer, BadBody, Refuses, Request, Simulator, as_json, header_names
from services.sandbox.world import Fault, World

MOST_BODY = 32 * 1024 * 1024
GZIP_FROM = 512
"""Bytes of a body from which packing it is worth it."""
IDLE = 75.0
"""Seconds after which a connection that says nothing is closed."""
BODILESS = (204, 304)


class TooLarge(BadBody):
    """More than `MOST_BODY`, packed or not."""


class Switch:
    """From a request to an answer; None: the connection is to be dropped."""

    def __init__(self, simulators: Sequence[Simulator], world: World, control: Control) -> None:
        self._simulators, self._world, self._control = simulators, world, control

    def answer(self, request: Request) -> Answer | None:
        """Ask whose path it is, with the faults that strike."""
        if self._control.answers(request):
            return self._control.answer(request)
        for simulator in self._simulators:
            if simulator.answers(request):
                return self._under_faults(simulator, request)
        names = [simulator.name for simulator in self._simulators]
        return as_json(404, {"error": "no simulator answers this path", "path": request.path, "simulators": names})

    def _under_faults(self, simulator: Simulator, request: Request) -> Answer | None:
        if fault := self._strikes("latency", simulator, request):
            time.sleep(fault.seconds)
        if self._strikes("drop", simulator, request):
            return None
        if fault := self._strikes("status", simulator, request):
            return self._noted(simulator, request, _refusal(simulator, request, fault))
        with self._world.lock:
            answer = self._noted(simulator, request, _answered(simulator, request))
        return None if self._strikes("drop_after", simulator, request) else answer

    def _strikes(self, effect: str, simulator: Simulator, request: Request) -> Fault | None:
        return self._world.faults.take(effect, simulator.name, request.method, request.path)

    def _noted(self, simulator: Simulator, request: Request, answer: Answer) -> Answer:
        self._world.requests.note(simulator.name, request, answer, self._world.now())
        return answer


def _answered(simulator: Simulator, request: Request) -> Answer:
    try:
        return simulator.answer(request)
    except BadBody as error:
        return as_json(400, {"error": f"the body cannot be read: {error}"})
    except Exception:
        # A simulator's bug must be seen by whoever runs the sandbox, and must not look like the provider's own 500.
        traceback.print_exc(file=sys.stderr)
        return as_json(500, {"error": f"a bug of the {simulator.name} simulator", "detail": traceback.format_exc(limit=-1)})


def _refusal(simulator: Simulator, request: Request, fault: Fault) -> Answer:
    if fault.body is None and isinstance(simulator, Refuses):
        answer = simulator.refusal(request, fault.status)
        return answer._replace(headers={**answer.headers, **fault.headers})
    return as_json(fault.status, fault.body if fault.body is not None else {"error": "fault"}, fault.headers)


class _Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "Rendezvous-Sandbox", ""
    # Without these two, an answer goes out in small pieces, and each waits 40 ms for the client's acknowledgement of the last.
    disable_nagle_algorithm = True
    wbufsize = 65536
    timeout = IDLE
    server: _Server

    def serve(self) -> None:
        """Read a request, answer it."""
        try:
            request = self._request()
        except BadBody as error:
            self.close_connection = True
            self._write(as_json(413 if isinstance(error, TooLarge) else 400, {"error": str(error)}), head=False)
            return
        answer = self.server.switch.answer(request)
        if answer is None:
            self._drop()
        else:
            self._write(answer, head=self.command == "HEAD")

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = serve

    def _request(self) -> Request:
        headers = header_names(self.headers.items())
        target = urlsplit(self.path if not self.path.startswith("//") else "/" + self.path.lstrip("/"))
        return Request(
            method=self.command,
            scheme=self.server.scheme,
            host=headers.get("host", self.server.authority),
            path=unquote(target.path),
            raw_path=target.path,
            query=parse_qsl(target.query, keep_blank_values=True),
            headers=headers,
            body=_unpacked(self._body(headers), headers.get("content-encoding", "")),
        )

    def _body(self, headers: dict[str, str]) -> bytes:
        if "chunked" in headers.get("transfer-encoding", "").lower():
            return self._chunks()
        length = headers.get("content-length", "0")
        if not length.isdecimal():
            raise BadBody("Content-Length is no number")
        if int(length) > MOST_BODY:
            raise TooLarge(f"more than {MOST_BODY} bytes")
        return self.rfile.read(int(length))

    def _chunks(self) -> bytes:
        body = bytearray()
        while size := self._chunk_size():
            if len(body) + size > MOST_BODY:
                raise TooLarge(f"more than {MOST_BODY} bytes")
            body += self.rfile.read(size)
            self.rfile.readline()
        while self.rfile.readline().strip():  # trailers
            pass
        return bytes(body)

    def _chunk_size(self) -> int:
        line = self.rfile.readline().partition(b";")[0].strip()
        try:
            return int(line, 16)
        except ValueError as error:
            raise BadBody("a chunk has no size") from error

    def _write(self, answer: Answer, *, head: bool) -> None:
        body, headers = self._packed(answer)
        self.send_response(answer.status)
        for name, value in headers.items():
            self.send_header(name, value)
        if answer.status not in BODILESS:
            self.send_header("Content-Length", str(len(body)))
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if not head and answer.status not in BODILESS:
            self.wfile.write(body)

    def _packed(self, answer: Answer) -> tuple[bytes, dict[str, str]]:
        accepts = "gzip" in self.headers.get("Accept-Encoding", "").lower()
        if not accepts or len(answer.body) < GZIP_FROM or "Content-Encoding" in answer.headers:
            return answer.body, answer.headers
        return gzip.compress(answer.body, 1), {**answer.headers, "Content-Encoding": "gzip", "Vary": "Accept-Encoding"}

    def _drop(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def date_time_string(self, timestamp: float | None = None) -> str:
        """The Date header: the world's time, not the machine's."""
        return email.utils.formatdate(self.server.now() / 1000 if timestamp is None else timestamp, usegmt=True)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: what was asked is in the world's traffic, and paths hold addresses."""


def _unpacked(body: bytes, encoding: str) -> bytes:
    if encoding.strip().lower() not in ("gzip", "x-gzip"):
        return body
    unpacker = zlib.decompressobj(wbits=31)
    try:
        plain = unpacker.decompress(body, MOST_BODY)
    except zlib.error as error:
        raise BadBody("the body is not gzip") from error
    if unpacker.unconsumed_tail:
        raise TooLarge(f"more than {MOST_BODY} bytes, unpacked")
    return plain


class _Server(ThreadingHTTPServer):
    """One listening port. Connections are known, so that closing ends those that are kept alive too."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], switch: Switch, now: Callable[[], int], certificate: Certificate | None) -> None:
        self.switch, self.now = switch, now
        self.scheme = "https" if certificate else "http"
        self._connections: set[socket.socket] = set()
        super().__init__(address, _Handler)
        if certificate:
            # The handshake is done by the connection's own thread, at its first read: one slow client must not hold up the others.
            self.socket = certificate.context().wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.authority = f"{address[0]}:{self.server_port}"
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), name=f"sandbox-{self.scheme}", daemon=True)

    def start(self) -> None:
        """Accept, in the background."""
        self._thread.start()

    def close(self) -> None:
        """Accept no more, and end what is open."""
        self.shutdown()
        self._thread.join()
        self.server_close()
        for connection in list(self._connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Remember it, and give it a thread."""
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """Forget it, and close it."""
        self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away, or does not trust the certificate, is no error of ours; everything else is shown."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class Sandbox:
    """The simulators on two ports of loopback (0: free ones). `page` answers for the control page's files.

    >>> from services.sandbox.world import World
    >>> with Sandbox([], World()) as sandbox:
    ...     sandbox.url.startswith("http://127.0.0.1:")
    True
    """

    def __init__(
        self,
        simulators: Sequence[Simulator],
        world: World | None = None,
        *,
        port: int = 0,
        https_port: int = 0,
        host: str = "127.0.0.1",
        page: Callable[[Request], Answer | None] | None = None,
    ) -> None:
        self.world = world or World()
        self.simulators = list(simulators)
        self._host, self._ports = host, (port, https_port)
        self._switch = Switch(self.simulators, self.world, Control(self.simulators, self.world, page))
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._servers: list[_Server] = []

    def start(self) -> Sandbox:
        """Make the certificate, open the ports, send pushes. Raises `OSError` if a port is taken."""
        self._folder = tempfile.TemporaryDirectory(prefix="rendezvous-sandbox-")
        certificate = make_certificate(Path(self._folder.name))
        try:
            for port, shown in zip(self._ports, (None, certificate), strict=True):
                self._servers.append(_Server((self._host, port), self._switch, self.world.now, shown))
        except OSError:
            self._give_up()
            raise
        for server in self._servers:
            server.start()
        self.world.outbox.start()
        return self

    def close(self) -> None:
        """Close the ports and their connections, and send no more. The state stays: `start` goes on with it, on the same ports. One
        that is closed stays closed."""
        if not self._servers:
            return
        self.world.outbox.close()
        self._ports = (self._servers[0].server_port, self._servers[1].server_port)
        for server in self._servers:
            server.close()
        self._servers.clear()
        self._give_up()

    def _give_up(self) -> None:
        for server in self._servers:
            server.server_close()
        self._servers.clear()
        if self._folder is not None:
            self._folder.cleanup()
            self._folder = None

    def __enter__(self) -> Sandbox:
        return self.start()

    def __exit__(self, *exc: object) -> None:
        self.close()

    @property
    def url(self) -> str:
        """http://127.0.0.1:PORT, without a slash at its end."""
        return f"http://{self._servers[0].authority}"

    @property
    def https_url(self) -> str:
        """https://127.0.0.1:PORT, without a slash at its end."""
        return f"https://{self._servers[1].authority}"

    @property
    def certificate(self) -> Path:
        """The PEM file that a client of `https_url` is to trust."""
        if self._folder is None:
            raise RuntimeError("the sandbox is not started")
        return Path(self._folder.name) / "sandbox.pem"
