"""The modules beside this one, run in processes of their own without anybody's settings."""

from __future__ import annotations

import subprocess
import sys
from typing import TypeVar

import msgspec

from tests.benchmarks.serving import ROOT, unset

T = TypeVar("T")


def lines(module: str, *arguments: str, type: type[T], told: str = "") -> list[T]:
    """What a module says, a line of JSON each. `told` goes to its standard input."""
    command = [sys.executable, "-m", f"tests.benchmarks.providers.{module}", *arguments]
    done = subprocess.run(command, input=told.encode(), stdout=subprocess.PIPE, check=True, env=unset(), cwd=ROOT)
    return [msgspec.json.decode(line, type=type) for line in done.stdout.splitlines()]
