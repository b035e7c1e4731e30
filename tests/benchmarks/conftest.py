"""What the benchmarks share: where their rows go, and a folder that is gone afterwards."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from services.bench import Row
from tests.benchmarks.table import print_rows


@pytest.fixture(scope="session")
def rows() -> Iterator[list[Row]]:
    """Everything measured in this run; printed when the last benchmark is done."""
    found: list[Row] = []
    yield found
    print_rows(found)


@pytest.fixture
def record(rows: list[Row]) -> Callable[[Row], None]:
    """Put a row in the table."""
    return rows.append


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder for some gigabytes, which pytest's own would keep for three runs."""
    with tempfile.TemporaryDirectory(prefix="rendezvous-bench-") as name:
        yield Path(name)
