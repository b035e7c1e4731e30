"""Domain events folded into timelines, beside the rows they leave inserted raw and a stock projection, one event a transaction."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from services.bench import Row, close, time_folded_rows, time_folding
from tests.benchmarks import stock
from tests.benchmarks.table import WANTED
from tests.benchmarks.workload import bodies, decided, rounds, size

pytestmark = [pytest.mark.bench, pytest.mark.timeout(1800)]


def test_domain_events_folded(record: Callable[[Row], None], folder: Path) -> None:
    changes, told = size("EVENTS", 10_000), size("STOCK", 1_000)
    ours, raw, stocks = [], [], []
    for number in range(rounds()):
        here = folder / str(number)
        parts = decided(here, 100 + number, changes)
        staged = parts.views.position()
        folding = time_folding(parts.project())
        close(parts)
        # A decision about each change, and what it came to.
        assert changes < folding.events <= 2 * changes
        ours.append(folding.events / folding.seconds)
        raw.append(folding.events / time_folded_rows(parts.views_file, staged, folding.transactions, here / "raw.sqlite"))
        stocks.append(stock_folding(here, bodies(here / "log.sqlite", told)))
        shutil.rmtree(here)
    what = "domain events folded into timelines"
    record(Row(what, "/s", ours, "the rows they leave inserted raw, same transactions", raw, WANTED["folded, raw"]))
    record(Row(what, "/s", ours, "eventsourcing's Projection, one event a transaction", stocks, WANTED["folded, stock"]))


def stock_folding(here: Path, told: list[bytes]) -> float:
    """Events a second of the library's way."""
    app = stock.meetings(here / "stock.sqlite")
    stock.time_telling(app, told)
    rate = len(told) / stock.time_folding(app, here / "stock-timelines.sqlite")
    app.close()
    return rate
