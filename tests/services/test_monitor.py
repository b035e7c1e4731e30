"""What a role tells on its port: it lives, whether it is ready, and its numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from domain.errors import TryAgain
from services.monitor import Monitor, Numbers


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
