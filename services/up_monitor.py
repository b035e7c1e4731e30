"""What `up` tells its monitor: the numbers of every role in its one process, each under its name as if it ran in a process of its own.

What must stay true: a metric is told once, with the samples of all roles, since Prometheus takes no second of the same name; and what
is looked up is looked up when somebody scrapes, so that nobody who does not pays for it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from prometheus_client import CollectorRegistry
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from services.monitor import Numbers

ENGINE = ("sync", "relay", "project")
"""The roles of the engine, in the order of its turn."""


def numbers_of(*roles: str) -> dict[str, Numbers]:
    """The numbers of these roles, by role."""
    return {role: Numbers(role) for role in roles}


class Together(Numbers):
    """The numbers of several roles as those of one process."""

    def __init__(self, roles: Iterable[Numbers]) -> None:
        self._roles = tuple(roles)
        self.registry = CollectorRegistry()
        self.registry.register(_Merged(self._roles))

    def lag(self) -> dict[str, int] | None:
        """Events that wait, by role; None if none has begun."""
        lags = {one.role: one.lag() for one in self._roles}
        found = {role: sum(lag.values()) for role, lag in lags.items() if lag is not None}
        return found or None


class _Merged(Collector):
    """The metrics of all, those of one name as one."""

    def __init__(self, roles: Sequence[Numbers]) -> None:
        self._roles = roles

    def describe(self) -> Iterable[Metric]:
        """Nothing beforehand, so that registering looks nothing up."""
        return []

    def collect(self) -> Iterable[Metric]:
        """As they stand now. A registry makes them anew for whoever asks, so that they are ours to add to."""
        found: dict[str, Metric] = {}
        for one in self._roles:
            for metric in one.registry.collect():
                if metric.name in found:
                    found[metric.name].samples += metric.samples
                else:
                    found[metric.name] = metric
        return found.values()
