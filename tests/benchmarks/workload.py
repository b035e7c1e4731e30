"""How large the benchmarks are, and the installations they measure.

Sizes are read from `RENDEZVOUS_BENCH_*`; the defaults need some ten minutes on two cores. What the accounts tell is the
workload of `rendezvous bench` (services/bench.py).
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from services.bench import Workload, prepared, relay_all
from services.sync import Sync
from services.wiring import Installation


def size(name: str, default: int) -> int:
    """A size: `RENDEZVOUS_BENCH_` and this name, in the environment."""
    return int(os.environ.get(f"RENDEZVOUS_BENCH_{name}", default))


def rounds() -> int:
    """How often each thing is measured."""
    return size("ROUNDS", 5)


def used_for_a_while(seed: int, changes: int) -> Workload:
    """A workload in which each contact comes to some ten meetings."""
    return Workload(seed, contacts=min(max(changes // 100, 20), 500))


def published(folder: Path, seed: int, changes: int) -> tuple[Installation, Sync]:
    """An installation with so many changes in its source log, not decided."""
    return prepared(folder, used_for_a_while(seed, changes), changes)


def decided(folder: Path, seed: int, changes: int) -> Installation:
    """An installation whose domain log holds what so many changes came to, not folded."""
    parts, sync = published(folder, seed, changes)
    while sync.step("0") is not None:
        pass
    relay_all(parts)
    return parts


def folded(folder: Path, workload: Workload, changes: int) -> Installation:
    """An installation whose timelines hold what so many changes came to."""
    parts, sync = prepared(folder, workload, changes)
    while sync.step("0") is not None:
        pass
    relay_all(parts)
    project = parts.project()
    while project.step():
        pass
    return parts


def bodies(log: Path, most: int) -> list[bytes]:
    """The first records of meetings in a source log, as they are kept."""
    with closing(sqlite3.connect(log)) as connection:
        found = connection.execute(
            "SELECT body FROM source_log WHERE instr(body, CAST('rendezvous.meeting.' AS BLOB)) ORDER BY position LIMIT ?", (most,)
        )
        return [row[0] for row in found]
