"""What a batch of 1,000 source events costs with few events in the store, and with many.

The role is one that has just begun: half of each batch are changes of meetings that it does not remember and has to load.
"""

from __future__ import annotations

import random
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from services.bench import Row, close, installation, prepared, publish
from services.sync import BATCH
from tests.benchmarks.filling import fill
from tests.benchmarks.table import WANTED
from tests.benchmarks.workload import rounds, size, used_for_a_while

pytestmark = [pytest.mark.bench, pytest.mark.timeout(7200)]


def test_growth(record: Callable[[Row], None], folder: Path) -> None:
    few, many = size("GROWTH_FEW", 100_000), size("GROWTH_MANY", 2_000_000)
    small, large = (batches(folder / str(events), events) for events in (few, many))
    what = f"a batch of {BATCH:,} source events, {many:,} events in the store"
    record(Row(what, "ms", large, f"{few:,} events in the store", small, WANTED["growth"]))


def batches(folder: Path, events: int) -> list[float]:
    """How long each of some batches took (ms) in a store of this size."""
    history = min(10_000, events // 4)
    workload = used_for_a_while(0, history)
    parts, sync = prepared(folder, workload, history)
    staged = parts.store.end()
    while sync.step("0") is not None:
        pass
    close(parts)
    fill(folder / "store.sqlite", staged, events, random.Random(0))
    # One more than is measured: the first also loads accounts, connections and contacts.
    publish(folder, workload.changes((rounds() + 1) * BATCH, reach=len(workload.made)))
    parts = installation(folder)
    assert parts.store.end() >= events
    sync = parts.sync()
    sync.step("0")
    took = []
    for _ in range(rounds()):
        began = time.perf_counter()
        assert sync.step("0") is not None
        took.append((time.perf_counter() - began) * 1000)
    close(parts)
    shutil.rmtree(folder)
    return took
