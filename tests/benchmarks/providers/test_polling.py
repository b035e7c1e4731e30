"""A thousand connections, polled by one process: how many a second, and whether its memory grows from one round to the next."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from services.bench import Row
from tests.benchmarks.providers.asking import lines
from tests.benchmarks.providers.connected import close, grant, stage, with_google
from tests.benchmarks.providers.polling import THREADS, Round
from tests.benchmarks.serving import serving
from tests.benchmarks.table import WANTED
from tests.benchmarks.workload import size

pytestmark = [pytest.mark.bench, pytest.mark.timeout(1800)]

CONTACTS = 20


def test_polling(record: Callable[[Row], None], folder: Path) -> None:
    people, rounds = size("POLLED", 1_000), size("POLL_ROUNDS", 10)
    data = folder / "data"
    with serving("tests.benchmarks.providers.calendars", str(people), "1", str(CONTACTS), folder=folder) as url:
        stage(data, people, CONTACTS)
        outside = with_google(data, url)
        grant(outside, url, people)
        close(outside)
        done = lines("polling", str(data), url, str(people), str(rounds), type=Round)
    assert len(done) == rounds
    what = f"{people:,} Google calendars polled by one process, nothing new"
    alone = f"the same requests alone, {THREADS} threads as well"
    record(Row(what, "/s", [one.polled for one in done], alone, [one.alone for one in done], WANTED["polls"]))
    memory = [done[-1].memory], f"after the first round of {rounds}", [done[0].memory]
    record(Row("  memory after the last round", "MB", *memory, WANTED["polls, memory"]))
