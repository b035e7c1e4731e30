"""Stop when asked, at the end of the batch at hand."""

from __future__ import annotations

import gc
import signal
import threading
from types import FrameType
from typing import Any


def settle_in() -> None:
    """What has been loaded by now stays: the garbage collector need not look at it again, nor look so often. A batch makes
    thousands of small objects that end with it, and looking through everything for each hundred of them cost a third of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


class Stopping:
    """`asked` turns true on SIGTERM or SIGINT; a second one ends the process as usual."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._before: dict[signal.Signals, Any] = {}

    @property
    def asked(self) -> bool:
        """Has somebody asked us to stop?"""
        return self._event.is_set()

    def ask(self) -> None:
        """Ask ourselves."""
        self._event.set()

    def wait(self, seconds: float) -> bool:
        """Wait until asked, at most so long; True if asked."""
        return self._event.wait(seconds)

    def __enter__(self) -> Stopping:
        for number in (signal.SIGTERM, signal.SIGINT):
            self._before[number] = signal.signal(number, self._on_signal)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        if self._event.is_set():
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        self._event.set()
