"""What a role tells its monitor: metrics in Prometheus' text format, whether it lives, and whether it is ready, on a port of its own.

Ready means caught up within a limit: a process that lags is alive, and is not to be relied upon yet. No label names an account or a
person.
"""

from __future__ import annotations

import threading
from collections import Counter as Counted
from collections.abc import Callable, Iterable, Mapping
from socketserver import ThreadingMixIn
from types import TracebackType
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import orjson
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from domain.errors import RendezvousError
from domain.outside import Channels, Cursors, Deliveries, Delivery, Grants

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"

MOST = 1000
"""Deliveries that are looked at in a scrape: above it, it is told that there are so many at least."""

Lag = Callable[[], dict[str, int]]
Look = Callable[[], Iterable[Metric]]


class Numbers:
    """A role's counts."""

    def __init__(self, role: str) -> None:
        self.registry = CollectorRegistry()
        self._events = Counter("rendezvous_role_events", "Events a role has done with", ["role"], registry=self.registry).labels(role)
        self._seconds = Histogram("rendezvous_role_batch_seconds", "Time of a batch", ["role"], registry=self.registry).labels(role)
        self._refusals = Counter("rendezvous_role_refusals", "Steps to be tried again, by kind", ["role", "kind"], registry=self.registry)
        self._working = Gauge("rendezvous_role_working", "1 if it works, 0 if it stands by", ["role"], registry=self.registry).labels(role)
        self._decisions = Counter(
            "rendezvous_decisions", "Source events by the rule that settled them", ["rule", "outcome"], registry=self.registry
        )
        self.role = role
        self._lag: Lag | None = None
        self._stalls: Callable[[], int] = int
        self._look: Look = list
        self.registry.register(_Standing(self))

    def watch(self, lag: Lag, stalls: Callable[[], int] = int) -> None:
        """From now on these tell how much waits, and how often a consumer was built anew because nothing arrived."""
        self._lag, self._stalls = lag, stalls
        self._working.set(1)

    def look(self, look: Look) -> None:
        """From now on this tells what stands at the time of a scrape, instead of what did before."""
        self._look = look

    def standing(self) -> Iterable[Metric]:
        """That."""
        return self._look()

    def decided(self, counts: Mapping[tuple[str, str], int]) -> None:
        """So many source events were settled by (rule, outcome)."""
        for (rule, outcome), events in counts.items():
            self._decisions.labels(rule, outcome).inc(events)

    def stalls(self) -> int:
        """How often a consumer was built anew."""
        return self._stalls()

    def moved(self, events: int, seconds: float) -> None:
        """A batch was done."""
        self._events.inc(events)
        self._seconds.observe(seconds)

    def refused(self, kind: str) -> None:
        """A step has to be tried again."""
        self._refusals.labels(self.role, kind).inc()

    def standby(self) -> None:
        """Another process does the work."""
        self._lag = None
        self._working.set(0)

    def lag(self) -> dict[str, int] | None:
        """Events that wait, by partition; None if it does not work yet, or stands by."""
        return None if self._lag is None else self._lag()

    def text(self) -> bytes:
        """All of it."""
        return generate_latest(self.registry)


class _Standing(Collector):
    """Looked up when somebody scrapes."""

    def __init__(self, numbers: Numbers) -> None:
        self._numbers = numbers

    def describe(self) -> Iterable[Metric]:
        """Nothing beforehand, so that registering looks nothing up."""
        return []

    def collect(self) -> Iterable[Metric]:
        """How much waits, by partition, the stalls so far, and what the role itself has to tell."""
        lags = GaugeMetricFamily("rendezvous_role_lag_events", "Events that wait for a role", labels=["role", "partition"])
        for partition, events in (self._numbers.lag() or {}).items():
            lags.add_metric([self._numbers.role, partition], events)
        yield lags
        stalls = CounterMetricFamily("rendezvous_role_stalls", "Consumers built anew because nothing arrived", labels=["role"])
        stalls.add_metric([self._numbers.role], self._numbers.stalls())
        yield stalls
        yield from self._numbers.standing()


def feeds_seen(grants: Grants, cursors: Cursors, now: int) -> list[Metric]:
    """How long ago the feeds were read to their end, and how they are. Those of a lost permission have no age: only their user can help,
    and theirs would hide everybody else's. Times in ms."""
    lost = {grant.link for grant in grants.all() if grant.state != "live"}
    ages: Counted[tuple[str, ...]] = Counted()
    states: Counted[tuple[str, ...]] = Counted()
    for cursor in cursors.all():
        provider = cursor.link.provider
        state = "lost" if cursor.link in lost else "failing" if cursor.failures else "unread" if cursor.read_at is None else "read"
        states[provider, state] += 1
        if cursor.read_at is not None and state != "lost":
            ages[provider, cursor.feed] = max(ages[provider, cursor.feed], max(now - cursor.read_at, 0))
    return [
        _gauge("rendezvous_feed_age_seconds", "Time since the feed read longest ago was read", ("provider", "feed"), ages, 1000),
        _gauge("rendezvous_feeds", "Feeds by how they are", ("provider", "state"), states),
    ]


def channels_seen(channels: Channels, now: int) -> Metric:
    """Push channels by how they are: `ended` is one that nobody renewed. Times in ms."""
    states = Counted((one.link.provider, "ended" if one.expires_at <= now else one.state) for one in channels.ending(now + _FAR_MS))
    return _gauge("rendezvous_channels", "Push channels by how they are", ("provider", "state"), states)


def deliveries_seen(deliveries: Deliveries, now: int) -> list[Metric]:
    """How many deliveries wait or have failed, `MOST` of each at most, and how long the oldest of those has waited. Times in ms."""
    waiting, failed = (deliveries.all(None, state, "", MOST) for state in ("waiting", "failed"))
    states = Counted({("waiting",): len(waiting), ("failed",): len(failed)})
    ages = Counted({(): max((_age(one, now) for one in waiting), default=0)})
    return [
        _gauge("rendezvous_deliveries_open", "Deliveries that are not done", ("state",), states),
        _gauge("rendezvous_delivery_age_seconds", "Time since the oldest that waits was asked for", (), ages, 1000),
    ]


_FAR_MS = 10 * 365 * 86_400_000
"""Channels live for weeks: all of them end before that."""


def _age(delivery: Delivery, now: int) -> int:
    return max(now - delivery.request.requested_at, 0)


def _gauge(name: str, says: str, labels: tuple[str, ...], values: Mapping[Any, int], by: int = 1) -> Metric:
    gauge = GaugeMetricFamily(name, says, labels=labels)
    for found, value in values.items():
        gauge.add_metric(found, value / by)
    return gauge


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """A scrape each few seconds is nothing to be told."""


class Monitor:
    """`/metrics`, `/healthz` and `/readyz` on a port, while the block runs; nothing if the port is None. `url` says where."""

    def __init__(self, port: int | None, host: str, numbers: Numbers, max_lag: int) -> None:
        self._numbers, self._max_lag = numbers, max_lag
        self._server = None if port is None else make_server(host, port, self._answer, _Server, _Quiet)

    @property
    def url(self) -> str:
        """Where it listens; empty if it does not."""
        return "" if self._server is None else "http://{}:{}".format(*self._server.server_address[:2])

    def __enter__(self) -> Monitor:
        if self._server is not None:
            threading.Thread(target=self._server.serve_forever, name="monitor", daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def _answer(self, asked: dict[str, Any], begin: Callable[[str, list[tuple[str, str]]], Any]) -> list[bytes]:
        status, kind, body = self._found(str(asked.get("PATH_INFO", "")))
        begin(status, [("Content-Type", kind), ("Content-Length", str(len(body)))])
        return [body]

    def _found(self, path: str) -> tuple[str, str, bytes]:
        if path == "/healthz":
            return _json("200 OK", {"status": "alive"})
        if path not in ("/readyz", "/metrics"):
            return _json("404 Not Found", {"status": "there are /metrics, /healthz and /readyz"})
        try:
            return self._ready() if path == "/readyz" else ("200 OK", MEDIA_TYPE, self._numbers.text())
        except RendezvousError as error:
            return _json("503 Service Unavailable", {"status": str(error)})

    def _ready(self) -> tuple[str, str, bytes]:
        lag = self._numbers.lag()
        if lag is None:
            return _json("200 OK", {"status": "standing by, or about to begin"})
        waiting = sum(lag.values())
        if waiting > self._max_lag:
            return _json("503 Service Unavailable", {"status": "catching up", "waiting": waiting})
        return _json("200 OK", {"status": "ready", "waiting": waiting})


def _json(status: str, body: dict[str, object]) -> tuple[str, str, bytes]:
    return status, "application/json", orjson.dumps(body)
