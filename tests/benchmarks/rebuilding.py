"""One rebuild of the read models, in a process of its own so that its memory is its own.

Called as `python -m tests.benchmarks.rebuilding DATA STAGED SLICE`, it prints a line of JSON for each slice of that many domain
events: what it took, and how much memory is in use. The first STAGED events are settings and contacts, which cost less than
meetings; they are folded and not counted.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import msgspec
from msgspec import Struct

from services.bench import close, installation
from tests.benchmarks.memory import memory, peak


class Slice(Struct):
    """Domain events folded and the seconds they took; memory in MB, then and at most so far."""

    events: int
    seconds: float
    memory: float
    peak: float


def main() -> None:
    """Fold the domain log into an empty second set of read models, as `rendezvous rebuild` begins."""
    data, staged, slice_ = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
    parts = installation(data)
    beside = parts.views.beside()
    project = parts.project(beside)
    while beside.position() < staged:
        project.step()
    events, began = 0, time.perf_counter()
    while moved := project.step():
        events += moved
        if events >= slice_:
            _tell(Slice(events, time.perf_counter() - began, memory(), peak()))
            events, began = 0, time.perf_counter()
    if events:
        _tell(Slice(events, time.perf_counter() - began, memory(), peak()))
    beside.close()
    close(parts)


def _tell(slice_: Slice) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(slice_) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
