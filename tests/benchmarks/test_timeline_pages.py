"""A timeline page of 50 entries from one server process on SQLite, asked for over 32 connections that are kept alive, beside the
same server answering constant bytes of that size."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from services.bench import Row, Workload, close
from tests.benchmarks.load import Answered, Wanted, load, maker
from tests.benchmarks.serving import serving
from tests.benchmarks.table import WANTED
from tests.benchmarks.workload import folded, rounds, size

pytestmark = [pytest.mark.bench, pytest.mark.timeout(1800)]

ENTRIES = 50
CONTACTS = 100


def test_timeline_pages(record: Callable[[Row], None], folder: Path) -> None:
    connections, seconds = size("CONNECTIONS", 32), float(size("SECONDS", 3))
    data = folder / "data"
    token, body = timelines(data)
    pages, constants = [], []
    with (
        serving("services.cli", "serve", "--data", str(data), "--port", "0", folder=folder) as url,
        serving("tests.benchmarks.constant", str(len(body)), folder=folder) as empty,
    ):
        paths = [f"/v1/contacts/{contact}/timeline?limit={ENTRIES}" for contact in range(CONTACTS)]
        page, constant = (Wanted(at, token, paths, connections, seconds) for at in (url, empty))
        load(Wanted(url, token, paths, connections, 1), folder)  # pages of the file that nobody has read yet
        for _ in range(rounds()):
            pages.append(load(page, folder))
            constants.append(load(constant, folder))
    what = f"timeline page, {ENTRIES} entries, {len(body) / 1024:.1f} KiB, {connections} connections ({maker()})"
    record(Row(what, "/s", *beside(pages, constants, "rate"), WANTED["page"]))
    record(Row(f"{what}, p99", "ms", *beside(pages, constants, "p99"), WANTED["page, p99"]))


def timelines(data: Path) -> tuple[str, bytes]:
    """One account whose contacts have enough entries each; a token that may read them, and a page."""
    workload = Workload(0, accounts=1, contacts=CONTACTS)
    parts = folded(data, workload, size("PAGES_FROM", 6_000))
    (account,) = workload.accounts
    token = parts.tokens.create(account, ["timeline:read"])
    body = parts.reading.timeline(account, "0", limit=ENTRIES)
    close(parts)
    assert len(msgspec.json.decode(body)["entries"]) == ENTRIES
    return token, body


def beside(pages: list[Answered], constants: list[Answered], figure: str) -> tuple[list[float], str, list[float]]:
    """One of the figures, as a row takes it."""
    return [getattr(p, figure) for p in pages], "the same server, constant bytes", [getattr(c, figure) for c in constants]
