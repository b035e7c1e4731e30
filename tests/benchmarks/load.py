"""Load on a server, from a process of its own: so many connections kept alive, each asking again as soon as it is answered.

`wrk` makes it if it is on the path. If not, this file does, run as a module: one thread over a selector, which on two cores
asks faster than one worker answers pages of SQLite; of constant bytes it may be the slower of the two, so the figures of
constant bytes are then a lower bound.
"""

from __future__ import annotations

import re
import selectors
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import cycle
from math import ceil
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
from msgspec import Struct

from tests.benchmarks.serving import ROOT, unset

_HEADERS_END = b"\r\n\r\n"
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_PERIODS = {"us": 0.001, "ms": 1.0, "s": 1000.0}


class Wanted(Struct):
    """Paths that are asked for in turn."""

    url: str
    token: str
    paths: list[str]
    connections: int
    seconds: float


class Answered(Struct):
    """Requests a second, and how long they took (ms): the median and the 99th percentile."""

    rate: float
    p50: float
    p99: float


def maker() -> str:
    """Who makes the load."""
    return "wrk" if shutil.which("wrk") else "tests/benchmarks/load.py"


def load(wanted: Wanted, folder: Path) -> Answered:
    """Make it. Raises `RuntimeError` if anything but 200 is answered."""
    if shutil.which("wrk"):
        return _by_wrk(wanted, folder)
    command = [sys.executable, "-m", "tests.benchmarks.load"]
    told = subprocess.run(command, input=msgspec.json.encode(wanted), stdout=subprocess.PIPE, check=True, env=unset(), cwd=ROOT)
    return msgspec.json.decode(told.stdout, type=Answered)


# --- wrk -----------------------------------------------------------------------------------------------------------------------

_SCRIPT = """
local paths = { %s }
local at = 0
wrk.headers["Authorization"] = "Bearer %s"
request = function()
  at = at %% #paths + 1
  return wrk.format("GET", paths[at])
end
"""


def _by_wrk(wanted: Wanted, folder: Path) -> Answered:
    script = folder / "load.lua"
    script.write_text(_SCRIPT % (", ".join(f'"{path}"' for path in wanted.paths), wanted.token))
    options = ["-t1", f"-c{wanted.connections}", f"-d{max(round(wanted.seconds), 1)}s", "--latency", "-s", str(script)]
    said = subprocess.run(["wrk", *options, wanted.url], capture_output=True, text=True, check=True).stdout
    return of_wrk(said)


def of_wrk(said: str) -> Answered:
    """What wrk printed.

    >>> of_wrk("    50%    4.30ms\\n    99%    1.02s\\nRequests/sec:   6438.25\\n")
    Answered(rate=6438.25, p50=4.3, p99=1020.0)
    """
    if "Non-2xx" in said or "Socket errors" in said:
        raise RuntimeError(said)
    share = {int(n): float(v) * _PERIODS[unit] for n, v, unit in re.findall(r"^\s+(\d+)%\s+([\d.]+)(us|ms|s)", said, re.MULTILINE)}
    rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
    if rate is None:
        raise RuntimeError(said)
    return Answered(float(rate.group(1)), share[50], share[99])


# --- without wrk ---------------------------------------------------------------------------------------------------------------


class _Connection:
    """One connection and the request it is waiting for."""

    def __init__(self, address: tuple[str, int], requests: Iterator[bytes]) -> None:
        self.socket = socket.create_connection(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._requests = requests
        self.ask()

    def ask(self) -> None:
        """The next request."""
        self.asked, self._head, self._missing = time.perf_counter(), b"", -1
        self.socket.sendall(next(self._requests))

    def answered(self) -> bool:
        """Take what arrived. Is the answer whole?"""
        data = self.socket.recv(1 << 18)
        if not data:
            raise RuntimeError("the server closed a connection")
        if self._missing < 0:
            self._head += data
            end = self._head.find(_HEADERS_END)
            if end < 0:
                return False
            data = self._head[end + len(_HEADERS_END) :]
            self._missing = _length(self._head[:end])
        self._missing -= len(data)
        return self._missing <= 0


def _length(head: bytes) -> int:
    found = _LENGTH.search(head)
    if b" 200 " not in head[:20] or found is None:
        raise RuntimeError(head.decode("latin-1"))
    return int(found.group(1))


def measured(wanted: Wanted) -> Answered:
    """Ask for so many seconds, from this process."""
    url = urlsplit(wanted.url)
    address = (str(url.hostname), int(url.port or 80))
    head = f"HTTP/1.1\r\nHost: {url.netloc}\r\nAuthorization: Bearer {wanted.token}\r\n\r\n"
    requests = cycle([f"GET {path} {head}".encode() for path in wanted.paths])
    selector = selectors.DefaultSelector()
    for _ in range(wanted.connections):
        connection = _Connection(address, requests)
        selector.register(connection.socket, selectors.EVENT_READ, connection)
    began = time.perf_counter()
    took: list[float] = []
    while time.perf_counter() - began < wanted.seconds:
        for key, _ in selector.select(1):
            if key.data.answered():
                took.append(time.perf_counter() - key.data.asked)
                key.data.ask()
    seconds = time.perf_counter() - began
    return Answered(len(took) / seconds, percentile(took, 50) * 1000, percentile(took, 99) * 1000)


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that `share` percent are not above.

    >>> percentile([5, 1, 3, 2, 4], 50), percentile([1, 2], 99)
    (3, 2)
    """
    ordered = sorted(values)
    return ordered[max(0, ceil(len(ordered) * share / 100) - 1)]


if __name__ == "__main__":
    answered = measured(msgspec.json.decode(sys.stdin.buffer.read(), type=Wanted))
    sys.stdout.buffer.write(msgspec.json.encode(answered))
