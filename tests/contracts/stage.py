"""What the examinations of the operational stores share: links, keys, a clock that a test sets, and threads that are let go at once."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

from adapters.envelope import Envelope
from domain.outside import Link

KEYS = {"2026": bytes(range(32))}
ENVELOPE = Envelope(KEYS)
ROTATED = Envelope({**KEYS, "2027": bytes(range(1, 33))})
ALONE = Envelope({"2027": bytes(range(1, 33))})
"""What is left when the old key was removed after a rotation."""

ADA = Link("62515", "google", "501")
BO = Link("62515", "office365", "502")
CRM = Link("62515", "hubspot")
OTHER = Link("70001", "google", "501")
LINKS = [ADA, CRM, BO, OTHER]
"""In their order."""

T = TypeVar("T")


class Clock:
    """Ours, in ms."""

    def __init__(self, at: int = 1_000) -> None:
        self.at = at

    def __call__(self) -> int:
        return self.at


def at_once(count: int, act: Callable[[int], T]) -> list[T]:
    """What so many threads, let go at once, came back with, in their order; whatever one of them raised is raised here."""
    gate, done = threading.Barrier(count), dict[int, T]()
    failed: list[BaseException] = []

    def run(n: int) -> None:
        gate.wait()
        try:
            done[n] = act(n)
        except BaseException as error:  # whatever it is, the test tells it
            failed.append(error)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    for error in failed:
        raise error
    return [done[n] for n in range(count)]


def bytes_of(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file in a folder, with what it holds."""
    for file in sorted(folder.rglob("*")):
        if file.is_file():
            yield file.name, file.read_bytes()
