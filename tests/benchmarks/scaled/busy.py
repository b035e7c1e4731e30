"""Who uses the processor: seconds of processor time of processes and of what they started, as Linux tells them.

A server on another machine, or in a container that we do not see, is not told of at all, instead of as idle.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import psycopg

_TICKS = os.sysconf("SC_CLK_TCK")


class _Seen(NamedTuple):
    name: str
    parent: int
    own: float
    ended_children: float


class Shares:
    """By name, how many cores were busy for a process between the begin of a block and its end: 1.0 is one core, all the time."""

    def __init__(self) -> None:
        self.cores: dict[str, float] = {}

    def __str__(self) -> str:
        return ", ".join(f"{name} {cores:.2f}" for name, cores in self.cores.items())


@contextmanager
def measured(processes: dict[str, int]) -> Iterator[Shares]:
    """Of these, by their ids, each with all that it has started."""
    shares, began = Shares(), time.perf_counter()
    before = {name: _seconds(pid) for name, pid in processes.items()}
    yield shares
    took = time.perf_counter() - began
    shares.cores = {name: (_seconds(pid) - before[name]) / took for name, pid in processes.items()}


def servers(bootstrap: str, dsn: str) -> dict[str, int]:
    """The ids of the broker's and the database's processes, of those that run here."""
    found = {"broker": _broker(bootstrap), "database": _database(dsn)}
    return {name: pid for name, pid in found.items() if pid is not None}


def _broker(bootstrap: str) -> int | None:
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            words = file.read_bytes().split(b"\0")
            if b"kafka.Kafka" in words and f"//{bootstrap}" in Path(os.fsdecode(words[words.index(b"kafka.Kafka") + 1])).read_text():
                return int(file.parent.name)
    return None


def _database(dsn: str) -> int | None:
    with psycopg.connect(dsn) as connection:
        seen = _all().get(connection.info.backend_pid)
    return seen.parent if seen is not None and seen.name == "postgres" else None


def _seconds(pid: int) -> float:
    """Of a process, and of those it started: what has ended counts for its parent."""
    every = _all()
    family = [seen for number, seen in every.items() if pid in (number, seen.parent)]
    ended = every[pid].ended_children if pid in every else 0.0
    return sum(seen.own for seen in family) + ended


def _all() -> dict[int, _Seen]:
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            # The name is in brackets, and may hold blanks and brackets itself.
            number, _, rest = stat.read_text().partition(" (")
            name, _, told = rest.rpartition(") ")
            words = told.split()
            user, system, ended_user, ended_system = (int(word) / _TICKS for word in words[11:15])
            found[int(number)] = _Seen(name, int(words[1]), user + system, ended_user + ended_system)
    return found
