"""Servers in processes of their own, as their users run them."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
STOP_SECONDS = 30.0


def unset() -> dict[str, str]:
    """Ours without anybody's settings, so that no benchmark meets a real store."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RENDEZVOUS_")}
    return kept | {"PYTHONPATH": str(ROOT)}


@contextmanager
def serving(module: str, *arguments: str, folder: Path, environment: dict[str, str] | None = None) -> Iterator[str]:
    """Run a module that prints its URL when it answers; the URL's origin. Stopped at the end, and checked to have been alive."""
    command = [sys.executable, "-m", module, *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment or unset(), cwd=folder) as process:
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            found = re.search(r"http://[^/\s]+", said)
            if found is None:
                raise RuntimeError(f"{module} did not start: {said!r}")
            yield found.group()
        finally:
            ended = process.poll()
            _stop(process)
            if ended is not None:  # whatever the client made of that, this is what happened
                raise RuntimeError(f"{module} ended by itself with {ended}; standard error says why")


def _stop(process: subprocess.Popen[str]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
