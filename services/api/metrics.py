"""What a monitor reads: requests by route and status, and how far the engine has come, in Prometheus' text format.

Positions and counts are looked up when somebody scrapes, requests are counted as they are answered. No label names an account or a
person.
"""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from projections.views import Views
from services.progress import Progress

# The framework adds the charset.
MEDIA_TYPE = "text/plain; version=0.0.4"


class Metrics:
    """One application's numbers, in a registry of its own: two applications in one process do not add up."""

    def __init__(self, views: Views, progress: Progress) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_Standing(views, progress))
        self._requests = Counter("rendezvous_http_requests", "Requests answered", ["method", "route", "status"], registry=self._registry)
        self._seconds = Histogram("rendezvous_http_seconds", "Time to the answer's first byte", ["route"], registry=self._registry)

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request was answered. `route` is its template, never its path."""
        self._requests.labels(method, route, str(status)).inc()
        self._seconds.labels(route).observe(seconds)

    def text(self) -> bytes:
        """All of it."""
        return generate_latest(self._registry)


class _Standing(Collector):
    """Gauges that are looked up when asked for."""

    def __init__(self, views: Views, progress: Progress) -> None:
        self._views, self._progress = views, progress

    def describe(self) -> Iterable[Metric]:
        """Nothing beforehand, so that registering looks nothing up."""
        return []

    def collect(self) -> Iterable[Metric]:
        """The gauges as they stand now."""
        yield GaugeMetricFamily("rendezvous_lag_events", "Source events not decided and domain events not folded", self._progress.lag())
        yield GaugeMetricFamily("rendezvous_folded_position", "Domain-log position folded last", self._views.position())
        yield GaugeMetricFamily("rendezvous_folded_recorded_seconds", "When that was recorded", self._views.recorded() / 1000)
        rows = GaugeMetricFamily("rendezvous_rows", "Rows of each read model", labels=["model"])
        for model, count in self._views.counts().items():
            rows.add_metric([model], count)
        yield rows
