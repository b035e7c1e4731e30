"""One holder of a file at a time, among all threads and processes of a machine; the kernel takes it back from the dead."""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from domain.errors import TryAgain

_LOOK_SECONDS = 0.01


@contextmanager
def alone(file: Path, seconds: float) -> Iterator[None]:
    """Hold it for the block. The file is made if absent, and stays: whoever removed it could let two in. Raises `TryAgain` if another
    holds it for longer than `seconds`."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.touch(mode=0o600)
    # Opened anew each time: two threads that shared an open file would share its lock as well.
    with file.open("rb") as opened:
        until = time.monotonic() + seconds
        while not _try(opened.fileno()):
            if time.monotonic() >= until:
                raise TryAgain(f"somebody else holds {file.name}")
            time.sleep(_LOOK_SECONDS)
        yield


def _try(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
