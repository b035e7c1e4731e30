"""The first read of a connected calendar by the roles of `rendezvous up`, in a process of its own.

`python -m tests.benchmarks.providers.first_read DATA URL` begins with a grant that nobody has looked at, and prints a line of JSON when
all of the calendar is read, decided, published and folded into timelines.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
from msgspec import Struct

from domain.errors import Stop
from services.cli import configure_logging
from services.running import Stopping, settle_in
from services.up import SWITCH_SECONDS, Roles
from services.wiring import Installation, now
from services.wiring_providers import Outside
from tests.benchmarks.providers.connected import close, with_google

LOOK_AGAIN_SECONDS = 0.01
LOST_SECONDS = 600.0


class FirstRead(Struct):
    """Source events that were told; seconds until they were in the log, and until they were in the timelines; seconds that the
    processor worked for it."""

    events: int
    read: float
    folded: float
    worked: float


def main() -> None:
    """Read, decide and fold all of it."""
    configure_logging("error")
    outside = with_google(Path(sys.argv[1]), sys.argv[2])
    before = outside.parts.source.end("0")
    with Stopping() as stopping:
        roles = Roles(outside.parts, stopping, now, outside)
        settle_in()
        sys.setswitchinterval(SWITCH_SECONDS)
        began, at_work = time.perf_counter(), time.process_time()
        roles.start()
        read = _until(began, roles, lambda: _is_read(outside))
        folded = _until(began, roles, lambda: _is_folded(outside.parts))
        worked = time.process_time() - at_work
        stopping.ask()
        roles.join()
    told = outside.parts.source.end("0") - before
    close(outside)
    sys.stdout.buffer.write(msgspec.json.encode(FirstRead(told, read, folded, worked)))


def _until(began: float, roles: Roles, done: Callable[[], bool]) -> float:
    """Seconds since `began` when it was. Raises `Stop` if a role ended, or if it takes too long."""
    while not done():
        if roles.failure is not None:
            raise roles.failure
        if time.perf_counter() - began > LOST_SECONDS:
            raise Stop("the calendar was not read")
        time.sleep(LOOK_AGAIN_SECONDS)
    return time.perf_counter() - began


def _is_read(outside: Outside) -> bool:
    return any(cursor.read_at is not None for cursor in outside.cursors.all())


def _is_folded(parts: Installation) -> bool:
    decided = parts.store.place("0") == parts.source.end("0")
    return decided and parts.views.position() == parts.domain_log.end() == parts.store.end()


if __name__ == "__main__":
    main()
