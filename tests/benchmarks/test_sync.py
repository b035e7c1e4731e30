"""Source events validated, decided and committed by one process, beside their rows inserted raw and the library's stock way."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from services.bench import Row, close, time_decided_rows, time_decisions
from tests.benchmarks import stock
from tests.benchmarks.table import WANTED
from tests.benchmarks.workload import bodies, published, rounds, size

pytestmark = [pytest.mark.bench, pytest.mark.timeout(1800)]


def test_source_events_decided(record: Callable[[Row], None], folder: Path) -> None:
    events, told = size("EVENTS", 10_000), size("STOCK", 1_000)
    ours, raw, stocks = [], [], []
    for number in range(rounds()):
        here = folder / str(number)
        parts, sync = published(here, number, events)
        decisions = time_decisions(parts, sync)
        close(parts)
        assert decisions.events == events
        ours.append(events / decisions.seconds)
        raw.append(events / time_decided_rows(here / "store.sqlite", decisions.ends, here / "raw.sqlite"))
        some = bodies(here / "log.sqlite", told)
        app = stock.meetings(here / "stock.sqlite")
        stocks.append(len(some) / stock.time_telling(app, some))
        assert app.recorder.max_notification_id() == len(some)
        app.close()
        shutil.rmtree(here)
    what = "source events validated, decided, committed"
    record(Row(what, "/s", ours, "their rows inserted raw, same transactions", raw, WANTED["decided, raw"]))
    record(Row(what, "/s", ours, "eventsourcing's Application, one event a transaction", stocks, WANTED["decided, stock"]))
