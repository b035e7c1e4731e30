"""A real server over an engine that knows one meeting. Who imports both fixtures has them."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from services.serve import Listener
from tests.examples import meeting
from tests.services.asking import Asking, asking


@pytest.fixture
def engine() -> Asking:
    """The engine."""
    return asking(meeting())


@pytest.fixture
def listener(engine: Asking) -> Iterator[Listener]:
    """Its server, on a port of its own."""
    ending = threading.Event()
    listener = Listener(engine.app(stopping=ending.is_set), "127.0.0.1", 0, ending)
    listener.start()
    yield listener
    listener.stop()
