"""The same work on Kafka and PostgreSQL: decided and folded by one process, and from POST to visible through all roles."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest

from services.bench import Row, Workload, relay_all, time_decisions, time_folding
from services.settings import Settings
from tests.benchmarks import stock
from tests.benchmarks.load import percentile
from tests.benchmarks.scaled import installed, peers
from tests.benchmarks.scaled.installed import made
from tests.benchmarks.serving import serving
from tests.benchmarks.table import WANTED
from tests.benchmarks.test_freshness import PUBLISHERS, Publishing, who
from tests.benchmarks.workload import rounds, size, used_for_a_while
from tests.examples import ACCOUNT, contact, stage

pytestmark = [pytest.mark.bench, pytest.mark.scaled, pytest.mark.timeout(3600)]

STOCK_TOLD = "eventsourcing's Application on PostgreSQL, one event a transaction"
STOCK_FOLDED = "eventsourcing's Projection on PostgreSQL, one event a transaction"


@contextmanager
def installations() -> Iterator[Settings]:
    """An installation's settings; what was made of it is gone afterwards."""
    told = installed.settings()
    try:
        yield told
    finally:
        installed.gone(told)


def meetings_of(workload: Workload, changes: int) -> list[bytes]:
    """So many changes, as they are published."""
    return list(workload.changes(changes))


def test_decided_and_folded(record: Callable[[Row], None], folder: Path) -> None:
    events, few = size("EVENTS", 10_000), size("STOCK", 1_000)
    decided, copied, told_stock, folded, folded_stock = [], [], [], [], []
    for number in range(rounds()):
        with installations() as told:
            parts = made(told)
            workload = used_for_a_while(number, events)
            installed.publish(told, workload.stage())
            installed.settle(parts)
            changes = meetings_of(workload, events)
            installed.publish(told, changes)
            sync = parts.sync()
            sync.decide(parts.source.read("0", parts.store.place("0"), 1000))  # the first also loads accounts, connections and contacts
            decisions = time_decisions(parts, sync)
            decided.append(decisions.events / decisions.seconds)
            copied.append(decisions.events / peers.time_copied(told, decisions.ends))
            relay_all(parts)
            folding = time_folding(parts.project())
            folded.append(folding.events / folding.seconds)
            app = peers.meetings(told)
            kept = [record.body for record in parts.source.read("0", parts.source.end("0") - few, few)]
            told_stock.append(few / stock.time_telling(app, kept))
            folded_stock.append(few / peers.time_folding(app, told))
            app.close()
            parts.close()
    what = "source log to committed decisions, Kafka and PostgreSQL, one process"
    record(Row(what, "/s", decided, "their rows by COPY, same transactions", copied, WANTED["scaled decided, copy"]))
    record(
        Row(
            what,
            "/s",
            decided,
            STOCK_TOLD,
            told_stock,
            WANTED["scaled decided, stock"],
        )
    )
    what = "domain log to timelines, Kafka and PostgreSQL, one process"
    record(
        Row(
            what,
            "/s",
            folded,
            STOCK_FOLDED,
            folded_stock,
            WANTED["scaled folded, stock"],
        )
    )


def test_many_accounts(record: Callable[[Row], None]) -> None:
    events, wanted = size("EVENTS", 10_000), (10, 500)
    decided: dict[int, list[float]] = {accounts: [] for accounts in wanted}
    folded: dict[int, list[float]] = {accounts: [] for accounts in wanted}
    for number in range(rounds()):
        for accounts in wanted:
            with installations() as told:
                parts = made(told)
                workload = Workload(number, accounts=accounts, users=2, contacts=5)
                installed.publish(told, workload.stage())
                installed.settle(parts)
                installed.publish(told, meetings_of(workload, events))
                sync = parts.sync()
                sync.decide(parts.source.read("0", parts.store.place("0"), 1000))
                decisions = time_decisions(parts, sync)
                decided[accounts].append(decisions.events / decisions.seconds)
                relay_all(parts)
                folding = time_folding(parts.project())
                folded[accounts].append(folding.events / folding.seconds)
                parts.close()
    for what, runs in (("source log to committed decisions, 500 accounts", decided), ("domain log to timelines, 500 accounts", folded)):
        record(Row(what, "/s", runs[500], "10 accounts", runs[10], WANTED["many accounts"]))


WARM = 50
"""Events before those that are measured: two of them are followed, so that every role is at work."""

HOW_MANY = {1: "one each", 10: "ten at once"}


@pytest.mark.parametrize("at_once", HOW_MANY)
def test_freshness(record: Callable[[Row], None], folder: Path, at_once: int) -> None:
    rate, seconds = size("RATE", 500), size("FRESH_SECONDS", 6)
    each, times = rate * seconds, rounds()
    with installations() as told:
        parts = made(told)
        known = [contact(who(n), f"{who(n)}@client.example") for n in range(each * times + WARM)]
        installed.publish(told, map(msgspec.json.encode, [*stage(), *known]))
        installed.settle(parts)
        token = parts.tokens.create(ACCOUNT, ["events:publish", "timeline:read"])
        parts.close()
        env = installed.environment(told)
        with (
            installed.roles(told, folder),
            serving("services.cli", "serve", "--port", "0", folder=folder, environment=env) as url,
        ):
            asyncio.run(Publishing(url, token, rate).run(range(each * times, each * times + WARM)))  # a group takes seconds to be joined
            runs = [asyncio.run(Publishing(url, token, rate, at_once).run(range(n * each, (n + 1) * each))) for n in range(times)]
    what = f"accepted by POST through all roles, {HOW_MANY[at_once]}, over {PUBLISHERS} connections"
    record(Row(what, "/s", [run.rate for run in runs], "asked for", [float(rate)], WANTED["accepted"]))
    for share in (50, 99):
        found = [percentile(run.took, share) * 1000 for run in runs]
        record(
            Row(
                f"from accepted to visible through all roles, {HOW_MANY[at_once]}, p{share}",
                "ms",
                found,
                wanted=WANTED[f"scaled freshness, p{share}"],
            )
        )
