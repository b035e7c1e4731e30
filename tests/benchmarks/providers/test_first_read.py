"""The first read of a calendar, until all of it stands decided in timelines, beside gcal_sync's own engine reading the same calendar."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from domain.outside import Link
from services.bench import Row
from tests.benchmarks.providers.asking import lines
from tests.benchmarks.providers.connected import asked, close, grant, stage, with_google
from tests.benchmarks.providers.first_read import FirstRead
from tests.benchmarks.providers.peer import Synced
from tests.benchmarks.serving import serving
from tests.benchmarks.table import WANTED
from tests.benchmarks.workload import rounds, size
from tests.examples import ACCOUNT

pytestmark = [pytest.mark.bench, pytest.mark.timeout(1800)]

CONTACTS = 200
"""Enough that a page of a timeline holds all that each of them comes to."""

MICROSECONDS = 1e6


class Pair(NamedTuple):
    """Both, one after the other, and how many requests each made."""

    ours: FirstRead
    theirs: Synced
    our_requests: int
    their_requests: int


def test_first_read(record: Callable[[Row], None], folder: Path) -> None:
    events = size("CALENDAR", 10_000)
    with serving("tests.benchmarks.providers.calendars", "1", str(events), str(CONTACTS), folder=folder) as url:
        pairs = [both(folder / str(number), url, events) for number in range(rounds())]
    theirs = "gcal_sync's engine, into memory", [events / one.theirs.seconds for one in pairs]
    what = f"first read of {events:,} calendar events"
    record(Row(f"{what}, into timelines", "/s", [events / one.ours.folded for one in pairs], *theirs, WANTED["first read"]))
    record(Row("  into the source log", "/s", [events / one.ours.read for one in pairs], *theirs))
    worked = [one.ours.worked / events * MICROSECONDS for one in pairs], [one.theirs.worked / events * MICROSECONDS for one in pairs]
    record(Row("  processor time of an event", "us", worked[0], "gcal_sync's", worked[1]))
    requests = [float(one.our_requests) for one in pairs], [float(one.their_requests) for one in pairs]
    record(Row("  requests", "", requests[0], "gcal_sync's", requests[1]))


def both(data: Path, url: str, events: int) -> Pair:
    """Read it with ours, then with theirs."""
    token = prepare(data, url)
    begun = asked(url)
    (ours,) = lines("first_read", str(data), url, type=FirstRead)
    between = asked(url)
    (theirs,) = lines("peer", url, told=token, type=Synced)
    assert ours.events > events
    assert theirs.events == events
    assert shown(data, url) == 2 * events
    shutil.rmtree(data)
    return Pair(ours, theirs, between - begun, asked(url) - between)


def prepare(data: Path, url: str) -> str:
    """An account with a connected calendar that nobody has read; the access token."""
    stage(data, 1, CONTACTS)
    outside = with_google(data, url)
    grant(outside, url, 1)
    found = outside.grants.get(Link(ACCOUNT, "google", "0"))
    close(outside)
    assert found is not None
    return found.access


def shown(data: Path, url: str) -> int:
    """Entries of all timelines: a meeting stands in those of its two contacts."""
    outside = with_google(data, url)
    pages = [msgspec.json.decode(outside.parts.reading.timeline(ACCOUNT, f"c{n}", limit=1000)) for n in range(CONTACTS)]
    close(outside)
    return sum(len(page["entries"]) for page in pages)
