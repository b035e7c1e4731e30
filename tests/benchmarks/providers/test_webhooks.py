"""A burst of HubSpot's webhooks at the API: how many items a second become durable notices, and how long a call waits at most.

HubSpot takes a call for failed that is not acknowledged within five seconds.
"""

from __future__ import annotations

import asyncio
import shutil
import sqlite3
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from domain.outside import Grant, Link
from services.bench import Row
from services.push import MOST_ITEMS
from tests.benchmarks.load import percentile
from tests.benchmarks.providers.burst import CONNECTIONS, bodies, told
from tests.benchmarks.providers.connected import close, with_hubspot
from tests.benchmarks.serving import serving
from tests.benchmarks.table import WANTED
from tests.benchmarks.workload import rounds, size
from tests.examples import ACCOUNT

pytestmark = [pytest.mark.bench, pytest.mark.timeout(1800)]

HUBSPOT_SECONDS = 5.0


def test_webhooks(record: Callable[[Row], None], folder: Path) -> None:
    items = size("WEBHOOKS", 100_000)
    calls = bodies(items)
    rates, raws, p99s, longest = [], [], [], []
    for number in range(rounds()):
        data = folder / str(number)
        install(data)
        with serving("tests.benchmarks.providers.door", str(data), folder=folder) as url:
            began = time.perf_counter()
            took = asyncio.run(told(url, calls))
            rates.append(items / (time.perf_counter() - began))
        assert len(took) == len(calls)
        assert waiting(data) == items
        raws.append(items / raw(data, folder / f"raw-{number}"))
        p99s.append(percentile(took, 99) * 1000)
        longest.append(max(took) * 1000)
        shutil.rmtree(data)
    what = f"webhook items, {MOST_ITEMS} a call, {CONNECTIONS} calls at once"
    record(Row(what, "/s", rates, "their rows inserted raw, same transactions", raws, WANTED["webhooks"]))
    patience = "HubSpot's patience", [HUBSPOT_SECONDS * 1000]
    record(Row("  until a call is acknowledged, p99", "ms", p99s, *patience, WANTED["webhooks, longest"]))
    record(Row("  the longest", "ms", longest, *patience, WANTED["webhooks, longest"]))


def install(data: Path) -> None:
    """A portal that granted itself to us."""
    outside = with_hubspot(data)
    outside.grants.put(Grant(link=Link(ACCOUNT, "hubspot"), id="g", access="token", tenant=ACCOUNT))
    close(outside)


def waiting(data: Path) -> int:
    """The notices that another process finds in the inbox once the server is gone."""
    outside = with_hubspot(data)
    try:
        return outside.inbox.waiting()
    finally:
        close(outside)


def raw(data: Path, at: Path) -> float:
    """Seconds for inserting, and nothing else, what the calls left: the notices of each in a transaction that waits for the disk, its
    signature in another that does not, since whoever forgets one bears to hear the call twice."""
    at.mkdir()
    notices, signatures = rows(data / "inbox.sqlite", "inbox"), rows(data / "providers.sqlite", "once")
    with (
        closing(like(data / "inbox.sqlite", at / "inbox.sqlite", "inbox", "FULL")) as inbox,
        closing(like(data / "providers.sqlite", at / "once.sqlite", "once", "NORMAL")) as once,
    ):
        began = time.perf_counter()
        for call, signature in enumerate(signatures):
            insert(inbox, "inbox", notices[call * MOST_ITEMS : (call + 1) * MOST_ITEMS])
            insert(once, "once", [signature])
        return time.perf_counter() - began


def rows(file: Path, table: str) -> list[Any]:
    """All of a table's."""
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute(f"SELECT * FROM {table}").fetchall()


def like(file: Path, at: Path, table: str, synchronous: str) -> sqlite3.Connection:
    """A new file with a table of another and its indexes, of which a commit waits for the disk (FULL) or not (NORMAL)."""
    query = "SELECT sql FROM sqlite_master WHERE tbl_name = ? AND sql IS NOT NULL ORDER BY type DESC"
    with closing(sqlite3.connect(file)) as connection:
        schema = [row[0] for row in connection.execute(query, (table,))]
    new = sqlite3.connect(at, isolation_level=None)
    for statement in ("PRAGMA journal_mode = WAL", f"PRAGMA synchronous = {synchronous}", *schema):
        new.execute(statement)
    return new


def insert(connection: sqlite3.Connection, table: str, found: Sequence[Any]) -> None:
    """In one transaction."""
    connection.execute("BEGIN IMMEDIATE")
    connection.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(found[0]))})", found)
    connection.execute("COMMIT")
