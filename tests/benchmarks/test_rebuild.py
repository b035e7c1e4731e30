"""Rebuilding the read models: does it take as long a domain event at the end as at the beginning, and how much memory?"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from services.bench import Row, close
from services.project import BATCH
from tests.benchmarks.rebuilding import Slice
from tests.benchmarks.serving import ROOT, unset
from tests.benchmarks.table import WANTED
from tests.benchmarks.workload import decided, size

pytestmark = [pytest.mark.bench, pytest.mark.timeout(7200)]

SLICES = 9
A_HUNDRED_THOUSAND = 100_000


def test_rebuild(record: Callable[[Row], None], folder: Path) -> None:
    events = size("REBUILD", 200_000)
    # Of a change two domain events come: what it did, and the decision.
    parts = decided(folder / "data", 0, events // 2)
    staged, end = parts.views.position(), parts.domain_log.end()
    close(parts)
    slices = rebuilt(folder / "data", staged, events // SLICES)
    # The last batch of the stage may have taken some changes with it.
    assert 0 <= end - staged - sum(s.events for s in slices) < BATCH
    third = max(len(slices) // 3, 1)
    seconds = [s.seconds / s.events * A_HUNDRED_THOUSAND for s in slices]
    what = f"rebuild of {sum(s.events for s in slices):,} domain events"
    record(Row(what, "s", [sum(s.seconds for s in slices)]))
    record(Row("  last third, per 100,000 domain events", "s", seconds[-third:], "first third", seconds[:third], WANTED["rebuild"]))
    memory = [s.memory for s in slices]
    record(Row("  memory, last third", "MB", memory[-third:], "first third", memory[:third], WANTED["rebuild, memory"]))
    record(Row("  memory with mapped files, at most", "MB", [slices[-1].peak], "in the first ninth", [slices[0].peak]))


def rebuilt(data: Path, staged: int, slice_: int) -> list[Slice]:
    """Run it."""
    command = [sys.executable, "-m", "tests.benchmarks.rebuilding", str(data), str(staged), str(slice_)]
    told = subprocess.run(command, stdout=subprocess.PIPE, check=True, env=unset(), cwd=ROOT)
    return [msgspec.json.decode(line, type=Slice) for line in told.stdout.splitlines()]
