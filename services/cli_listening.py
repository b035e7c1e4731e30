"""Where a command listens: an address that cannot be had is refused by name, before anything is made.

What must stay true: this only looks. Whoever takes a port between the look and the listening is met by the listener, as before.
"""

from __future__ import annotations

import errno
import os
import socket
from typing import TYPE_CHECKING

from domain.errors import BadInput

if TYPE_CHECKING:
    from services.settings import Settings


def wanted(settings: Settings, host: str | None, port: int | None) -> tuple[str, int]:
    """Host and port of the API, by flags or else by settings. Raises `BadInput` if they cannot be had."""
    at = host or settings.host, settings.port if port is None else port
    must_be_free(*at)
    return at


def must_be_free(host: str, port: int, option: str = "--port") -> None:
    """Raises `BadInput` if nobody can listen there; `option` is what chooses another."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            # As the server itself does: a connection that lingers from before keeps nobody from listening again.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address[:2])
    except OSError as error:
        raise BadInput(f"{host}:{port}", _why(error, option)) from error


def _why(error: OSError, option: str) -> str:
    if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
        return "no address of this machine; choose another with --host"
    said = os.strerror(error.errno).lower() if error.errno else str(error)
    return f"{said}; choose another with {option}"
