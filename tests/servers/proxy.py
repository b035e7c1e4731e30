"""A way to a server that is slow and breaks: bytes are held back for a while, and connections are cut in the middle of anything."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from random import Random

A_READ = 65_536


class Proxy:
    """Listens on a loopback port and passes everything on to another. `delay` (seconds) holds back each piece, either way; each piece
    is the connection's last with the chance `cuts`. Both may be changed at any time, and count from the next piece."""

    def __init__(self, host: str, port: int, random: Random) -> None:
        self._there, self._random = (host, port), random
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.delay, self.cuts = 0.0, 0.0
        self.cut = 0
        self._open: set[socket.socket] = set()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(self._there)
            except OSError:
                client.close()
                continue
            self._open |= {client, server}
            for source, target in ((client, server), (server, client)):
                source.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._pass_on, args=(source, target), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while piece := source.recv(A_READ):
                time.sleep(self.delay)
                if self._random.random() < self.cuts:
                    self.cut += 1
                    target.sendall(piece[: len(piece) // 2])
                    break
                target.sendall(piece)
        for end in (source, target):
            # Wakes the thread of the other direction, which closes nothing that this one still uses.
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        """Cut all, and take nobody any more."""
        # A thread that waits to accept is not woken by closing.
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for end in list(self._open):
            end.close()


@contextmanager
def proxy(host: str, port: int, random: Random) -> Iterator[Proxy]:
    """A proxy, for the block."""
    made = Proxy(host, port, random)
    try:
        yield made
    finally:
        made.close()
