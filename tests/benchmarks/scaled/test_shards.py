"""Two `sync` on two stores, beside one on one: whether stores add up, and who is busy.

What is measured begins when each member of the group has its partition, and ends when the first of them has nothing left: what is
decided meanwhile is theirs alone. On a machine with fewer cores than processes that want one, the shares say which of them is full.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest
from pydantic import SecretStr

from services.bench import Row, Workload
from services.settings import Settings
from services.wiring import Installation
from tests.benchmarks.scaled import busy, installed
from tests.benchmarks.table import WANTED
from tests.benchmarks.workload import rounds, size
from tests.servers.kafka import eventually
from tests.servers.processes import Process

pytestmark = [pytest.mark.bench, pytest.mark.scaled, pytest.mark.timeout(3600)]
PARTITIONS = 2
JOIN_SECONDS = 60.0


class Run(NamedTuple):
    """Source events decided a second, and the cores that were busy meanwhile."""

    rate: float
    shares: busy.Shares


def test_decided_by_two_on_two_stores(record: Callable[[Row], None], folder: Path) -> None:
    events = size("SHARD_EVENTS", 80_000)
    one = [_run(1, 1, events, seed, folder) for seed in range(rounds())]
    crowded = [_run(2, 1, events, seed, folder) for seed in range(rounds())]
    two = [_run(2, 2, events, seed, folder) for seed in range(rounds())]
    beside = [run.rate for run in one]
    record(Row("decided by two sync on two stores", "/s", [run.rate for run in two], "one on one", beside, WANTED["shards"]))
    record(Row("decided by two sync on one store", "/s", [run.rate for run in crowded], "one on one", beside, WANTED["crowded"]))
    for what, runs in (("one sync on one store", one), ("two on one", crowded), ("two on two", two)):
        print(f"\ncores busy, {what}: {runs[-1].shares}")


def _run(members: int, stores: int, events: int, seed: int, folder: Path) -> Run:
    with _installation(stores) as told:
        parts = installed.made(told)
        workload = Workload(seed, accounts=20, contacts=min(max(events // 200, 20), 500))
        installed.publish(told, [*workload.stage(), *workload.changes(events)])
        environment = {name: value for name, value in installed.environment(told).items() if name.startswith("RENDEZVOUS_")}
        home = folder / f"{members}-{stores}-{seed}"
        group = [Process(["sync"], environment, home / str(number)) for number in range(members)]
        try:
            return _measured(parts, group)
        finally:
            for process in group:
                process.kill()
            parts.close()


def _measured(parts: Installation, group: list[Process]) -> Run:
    ends = {p: parts.source.end(p) for p in parts.source.partitions()}
    assert eventually(lambda: _shared(group), JOIN_SECONDS), [process.said[-300:] for process in group]
    processes = {f"sync {number}": process.pid for number, process in enumerate(group, 1)}
    servers = busy.servers(parts.cluster.bootstrap, parts.settings.databases()[0].dsn)
    with busy.measured(processes | servers) as shares:
        began, before = time.perf_counter(), _places(parts)
        assert eventually(lambda: any(at >= ends[p] for p, at in _places(parts).items()), 600)
        decided, took = sum(_places(parts).values()) - sum(before.values()), time.perf_counter() - began
    assert decided, "all of it was decided before every member had a partition: more events"
    return Run(decided / took, shares)


def _shared(group: list[Process]) -> bool:
    shares = [set(process.lag()) for process in group]
    return all(shares) and sum(map(len, shares)) == PARTITIONS


def _places(parts: Installation) -> dict[str, int]:
    return {str(p): parts.shard_of_partition(str(p)).store.place(str(p)) for p in range(PARTITIONS)}


@contextmanager
def _installation(stores: int) -> Iterator[Settings]:
    told = installed.settings(PARTITIONS)
    dsn, schema = told.store_url() or "", told.store_schema
    urls = [f"{dsn}{'&' if '?' in dsn else '?'}schema={schema}_{number}" for number in range(1, stores + 1)]
    try:
        yield told.model_copy(update={"store": SecretStr(" ".join(urls))})
    finally:
        installed.gone(told)
