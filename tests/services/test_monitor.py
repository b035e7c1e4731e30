"""What a role tells on its port: it lives, whether it is ready, and its numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, cast

import httpx
import pytest
from msgspec.structs import replace
from prometheus_client.core import GaugeMetricFamily, Metric

from adapters.memory.channels import MemoryChannels
from adapters.memory.cursors import MemoryCursors
from adapters.memory.deliveries import MemoryDeliveries
from adapters.memory.grants import MemoryGrants
from domain.errors import TryAgain
from domain.outside import Channel, Grant, Link
from services.monitor import Monitor, Numbers, channels_seen, deliveries_seen, feeds_seen
from tests.outgoing import request


def asked(path: str, lag: Callable[[], dict[str, int]] | None = None, numbers: Numbers | None = None) -> httpx.Response:
    """The answer of a role that may lag by 100."""
    numbers = numbers or Numbers("sync")
    if lag is not None:
        numbers.watch(lag)
    with Monitor(0, "127.0.0.1", numbers, 100) as monitor:
        return httpx.get(monitor.url + path)


@pytest.mark.parametrize(
    ("lag", "status", "says"),
    [
        (lambda: {"0": 60, "1": 40}, 200, {"status": "ready", "waiting": 100}),
        (lambda: {"0": 60, "1": 41}, 503, {"status": "catching up", "waiting": 101}),
        (dict, 200, {"status": "ready", "waiting": 0}),
        (None, 200, {"status": "standing by, or about to begin"}),
    ],
    ids=["within the limit", "beyond it", "no partition", "no work"],
)
def test_ready_means_caught_up_within_a_limit(lag: Any, status: int, says: dict[str, Any]) -> None:
    answer = asked("/readyz", lag)
    assert (answer.status_code, answer.json()) == (status, says)


def test_who_cannot_ask_how_far_it_is_lives_and_is_not_ready() -> None:
    def unknown() -> dict[str, int]:
        raise TryAgain("the broker does not answer")

    answer = asked("/readyz", unknown)
    assert (answer.status_code, answer.json()) == (503, {"status": "the broker does not answer"})
    assert asked("/healthz", unknown).status_code == 200
    assert asked("/metrics", unknown).status_code == 503


def test_metrics_tell_lag_by_partition_decisions_by_rule_and_stalls() -> None:
    numbers = Numbers("sync")
    numbers.watch(lambda: {"3": 12}, lambda: 2)
    numbers.decided({("contact-match", "applied"): 7})
    numbers.moved(7, 0.25)
    lines = asked("/metrics", numbers=numbers).text.splitlines()
    assert {
        'rendezvous_role_lag_events{partition="3",role="sync"} 12.0',
        'rendezvous_role_stalls_total{role="sync"} 2.0',
        'rendezvous_decisions_total{outcome="applied",rule="contact-match"} 7.0',
        'rendezvous_role_working{role="sync"} 1.0',
        'rendezvous_role_events_total{role="sync"} 7.0',
    } <= set(lines)


def test_a_standby_lags_by_nothing() -> None:
    numbers = Numbers("relay")
    numbers.watch(lambda: {"0": 10_000})
    numbers.standby()
    assert asked("/readyz", numbers=numbers).status_code == 200
    assert 'rendezvous_role_working{role="relay"} 0.0' in numbers.text().decode().splitlines()


def test_what_is_not_there_is_404_and_without_a_port_nothing_listens() -> None:
    assert asked("/elsewhere").status_code == 404
    with Monitor(None, "127.0.0.1", Numbers("sync"), 100) as monitor:
        assert monitor.url == ""


# --- what a role tells of providers --------------------------------------------------------------------------------------------

ADA, BEN, CRM = Link("62515", "google", "501"), Link("62515", "google", "502"), Link("62515", "hubspot")
NOW = 10_000_000


def samples(metrics: Iterable[Metric]) -> dict[tuple[str, ...], float]:
    """By name and the values of its labels, in their order."""
    return {(one.name, *one.labels.values()): one.value for metric in metrics for one in metric.samples}


def test_of_feeds_the_one_read_longest_ago_tells_its_age_and_a_lost_one_none() -> None:
    grants, cursors = MemoryGrants(), MemoryCursors(lambda: NOW)
    for link, read_at, failures, state in (
        (ADA, NOW - 30_000, 0, "live"),
        (BEN, NOW - 90_000, 2, "live"),
        (CRM, None, 0, "live"),
        (Link("70001", "google", "501"), 0, 9, "lost"),
    ):
        grants.put(Grant(link=link, id="g", access="a", state=cast("Any", state)))
        cursors.want(link, "events", 0)
        [one] = cursors.claim(NOW, 1_000, 1)
        cursors.keep(replace(one, read_at=read_at, failures=failures, due_at=NOW * 2))
    assert samples(feeds_seen(grants, cursors, NOW)) == {
        ("rendezvous_feed_age_seconds", "google", "events"): 90,
        ("rendezvous_feeds", "google", "read"): 1,
        ("rendezvous_feeds", "google", "failing"): 1,
        ("rendezvous_feeds", "hubspot", "unread"): 1,
        ("rendezvous_feeds", "google", "lost"): 1,
    }


def test_a_channel_that_nobody_renewed_has_ended() -> None:
    channels = MemoryChannels()
    for id, left, state in (("a", 1, "active"), ("b", 1_000, "old"), ("c", 0, "active"), ("d", 90 * 86_400_000, "active")):
        channels.put(
            Channel(id=id, link=ADA, feed="events", resource="r", secret="s", expires_at=NOW + left, state=cast("Any", state), made_at=1)
        )
    assert samples([channels_seen(channels, NOW)]) == {
        ("rendezvous_channels", "google", "active"): 2,
        ("rendezvous_channels", "google", "old"): 1,
        ("rendezvous_channels", "google", "ended"): 1,
    }


def test_of_deliveries_it_is_told_how_many_are_open_and_since_when_the_oldest_waits() -> None:
    deliveries = MemoryDeliveries(lambda: NOW)
    assert samples(deliveries_seen(deliveries, NOW))["rendezvous_delivery_age_seconds",] == 0
    wanted = [(ADA, 3_000), (BEN, 7_000), (CRM, 90_000)]
    deliveries.put([request(link, id=f"{n:032x}", requested_at=NOW - ago) for n, (link, ago) in enumerate(wanted)])
    [failed] = [one for one in deliveries.claim(NOW, 1_000, 10) if one.request.link == CRM]
    deliveries.keep(replace(failed, state="failed"))
    assert samples(deliveries_seen(deliveries, NOW)) == {
        ("rendezvous_deliveries_open", "waiting"): 2,
        ("rendezvous_deliveries_open", "failed"): 1,
        ("rendezvous_delivery_age_seconds",): 7,
    }


def test_what_a_role_looks_up_is_looked_up_at_each_scrape_and_by_the_last_who_said_so() -> None:
    numbers, left = Numbers("deliver"), iter([3, 2])

    def look() -> Iterator[Metric]:
        yield GaugeMetricFamily("rendezvous_deliveries_open", "says", value=next(left))

    numbers.look(lambda: [GaugeMetricFamily("rendezvous_deliveries_open", "says", value=9)])
    numbers.look(look)
    told = [asked("/metrics", numbers=numbers).text.splitlines() for _ in range(2)]
    assert [[line for line in lines if line.startswith("rendezvous_deliveries_open ")] for lines in told] == [
        ["rendezvous_deliveries_open 3.0"],
        ["rendezvous_deliveries_open 2.0"],
    ]
