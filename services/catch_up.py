"""Sync, relay and project until idle, delivering nothing."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from msgspec import Struct

from services.running import settle_in

if TYPE_CHECKING:
    from services.wiring import Installation


class RuleCount(Struct, frozen=True):
    """How many source events one rule settled with one outcome."""

    rule: str
    outcome: str
    count: int


class CaughtUp(Struct, frozen=True, rename="camel"):
    """What a catch-up came to."""

    decided: int
    relayed: int
    projected: int
    by_outcome: dict[str, int]
    by_rule: list[RuleCount]


def catch_up(parts: Installation, show: bool = False) -> CaughtUp:
    """Run every role in turn until none has anything to do. With `show`, progress on standard error."""
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    settle_in()
    stores = {shard.number: (shard.sync(), shard.relay(), shard.project()) for shard in parts.shards}
    counts: Counter[tuple[str, str]] = Counter()
    relayed = projected = 0
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TextColumn("{task.completed:,}"), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not show, transient=True) as progress:
        tasks = {name: progress.add_task(name, total=None) for name in ("decided", "relayed", "projected")}
        busy = True
        while busy:
            busy = False
            for partition in parts.source.partitions():
                sync, _, _ = stores[parts.shard_of_partition(partition).number]
                if (settled := sync.step(partition)) is not None:
                    counts.update(settled)
                    progress.update(tasks["decided"], completed=sum(counts.values()))
                    busy = True
            for _, relay, project in stores.values():
                while moved := relay.step():
                    relayed, busy = relayed + moved, True
                    progress.update(tasks["relayed"], completed=relayed)
                while moved := project.step():
                    projected, busy = projected + moved, True
                    progress.update(tasks["projected"], completed=projected)
    by_outcome: Counter[str] = Counter()
    for (_, outcome), count in counts.items():
        by_outcome[outcome] += count
    rules = [RuleCount(rule, outcome, count) for (rule, outcome), count in sorted(counts.items(), key=lambda item: -item[1])]
    return CaughtUp(sum(counts.values()), relayed, projected, dict(by_outcome), rules)
