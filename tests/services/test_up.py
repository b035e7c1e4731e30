"""Everything in one process: steps in turn, a failure that ends it, a stop that finishes what is at hand, a clock that ticks daily.

The engine's order and its manners are examined on steps that are told what to do; the rest on a real installation, and on the real
process where signals and exit codes are concerned.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, cast

import httpx
import pytest

from domain.errors import PositionLost, RendezvousError, TryAgain
from services import relay
from services.monitor import Numbers
from services.running import Stopping
from services.settings import Settings
from services.up import DAY, Engine, Roles, tick
from services.up_monitor import ENGINE, Together, numbers_of
from services.wiring import Installation
from tests.examples import ACCOUNT, Event, contact, meeting, stage

ROOT = Path(__file__).parents[2]
LONG = 30.0
"""Seconds after which something that should have happened is given up."""


class Step:
    """A role's step: does what it was told, a word a call, and then nothing. A word is how many it moved, an error, or a function
    that answers how many. Notes its name in `seen`."""

    def __init__(self, name: str, seen: list[str], does: list[Any]) -> None:
        self._name, self._seen, self._does = name, seen, iter(does)

    def step(self, *_: str) -> int | dict[tuple[str, str], int] | None:
        self._seen.append(self._name)
        does = next(self._does, 0)
        if isinstance(does, Exception):
            raise does
        found: int = does() if callable(does) else does
        if self._name != "sync":
            return found
        return {("contact-match", "applied"): found} if found else None


class Told:
    """The parts of an installation whose steps do as they are told."""

    def __init__(self, **does: list[Any]) -> None:
        self.seen: list[str] = []
        self._steps = {name: Step(name, self.seen, does.get(name, [])) for name in ("sync", "relay", "project")}
        self.source = self.store = self.views = self.domain_log = self

    def sync(self) -> Step:
        return self._steps["sync"]

    def relay(self) -> Step:
        return self._steps["relay"]

    def project(self) -> Step:
        return self._steps["project"]

    def partitions(self) -> list[str]:
        return ["0"]

    def place(self, _: str) -> int:
        return 0

    def wait(self, _: int, __: float) -> bool:
        return False

    def clocks(self) -> list[Any]:
        return []

    def accounts_without_clock(self) -> list[str]:
        return []

    def stalls(self) -> int:
        return 0

    def engine(self, asked: bool = False, numbers: Mapping[str, Numbers] | None = None) -> Engine:
        return Engine(cast(Installation, self), lambda: asked, numbers)


# --- the engine ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("does", "seen", "moved"),
    [
        pytest.param({}, "sync relay project", False, id="nothing to do"),
        pytest.param({"sync": [1], "relay": [2], "project": [2]}, "sync relay project", True, id="one event"),
        pytest.param({"project": [1]}, "sync relay project", True, id="what another process relayed"),
        pytest.param({"sync": [1000], "relay": [relay.BATCH, 9]}, "sync relay relay project", True, id="more than one batch to relay"),
    ],
)
def test_a_turn_takes_the_steps_in_the_order_of_events(does: dict[str, Any], seen: str, moved: bool) -> None:
    told = Told(**does)
    assert (told.engine().turn(), " ".join(told.seen)) == (moved, seen)


def test_asked_to_stop_it_finishes_the_batch_at_hand_and_begins_no_other() -> None:
    told = Told(sync=[1000], relay=[relay.BATCH, relay.BATCH])
    assert (told.engine(asked=True).turn(), " ".join(told.seen)) == (True, "sync relay project")


@pytest.mark.parametrize("busy", ["sync", "relay", "project"])
def test_a_busy_file_keeps_no_other_step_from_its_work(busy: str) -> None:
    told = Told(**{busy: [TryAgain("sqlite: database is locked")]})
    engine = told.engine()
    assert (engine.turn(), engine.refused, " ".join(told.seen)) == (False, True, "sync relay project")
    assert (engine.turn(), engine.refused) == (False, False)


def test_the_engine_tells_what_each_of_its_roles_has_done() -> None:
    told = Told(sync=[3], relay=[relay.BATCH, 9], project=[TryAgain("sqlite: database is locked")])
    numbers = numbers_of(*ENGINE)
    told.engine(numbers=numbers).turn()
    samples = {line for line in text(*numbers.values()).splitlines() if line.partition(" ")[2] not in ("", "0.0")}
    assert samples >= {
        'rendezvous_decisions_total{outcome="applied",rule="contact-match"} 3.0',
        'rendezvous_role_events_total{role="sync"} 3.0',
        f'rendezvous_role_events_total{{role="relay"}} {relay.BATCH + 9}.0',
        'rendezvous_role_batch_seconds_count{role="relay"} 1.0',
        'rendezvous_role_refusals_total{kind="TryAgain",role="project"} 1.0',
    }


def test_of_several_roles_each_metric_is_told_once_and_what_waits_by_role() -> None:
    numbers = numbers_of("sync", "relay")
    together = Together(numbers.values())
    assert together.lag() is None
    numbers["sync"].watch(lambda: {"0": 2, "1": 3})
    assert together.lag() == {"sync": 5}
    numbers["relay"].watch(lambda: {"0": 1})
    assert together.lag() == {"sync": 5, "relay": 1}
    said = text(*numbers.values()).splitlines()
    kinds = [line.split()[2] for line in said if line.startswith("# TYPE")]
    assert len(kinds) == len(set(kinds)) > 5
    lags = {line for line in said if line.startswith("rendezvous_role_lag_events{")}
    assert lags == {
        'rendezvous_role_lag_events{partition="0",role="sync"} 2.0',
        'rendezvous_role_lag_events{partition="1",role="sync"} 3.0',
        'rendezvous_role_lag_events{partition="0",role="relay"} 1.0',
    }


def text(*numbers: Numbers) -> str:
    return Together(numbers).text().decode()


# --- the threads --------------------------------------------------------------------------------------------------------------


def running(told: Told) -> tuple[Roles, Stopping]:
    stopping = Stopping()
    roles = Roles(cast(Installation, told), stopping, lambda: 0)
    roles.start()
    return roles, stopping


@pytest.mark.parametrize(
    ("error", "said"),
    [
        pytest.param(PositionLost("the log ends at 3"), "the log ends at 3", id="foreseen"),
        pytest.param(ValueError("no such thing"), "engine failed: ValueError: no such thing", id="a bug"),
    ],
)
@pytest.mark.parametrize("role", ["sync", "relay", "project"])
def test_a_role_that_fails_asks_all_to_stop_and_says_why(role: str, error: Exception, said: str) -> None:
    roles, stopping = running(Told(**{role: [error]}))
    assert stopping.wait(LONG)
    roles.join()
    assert isinstance(roles.failure, RendezvousError)
    assert str(roles.failure) == said


def test_a_stop_in_the_middle_of_a_turn_lets_it_end() -> None:
    deciding, go_on = threading.Event(), threading.Event()

    def decide() -> int:
        deciding.set()
        assert go_on.wait(LONG)
        return 1

    told = Told(sync=[decide, 1])
    roles, stopping = running(told)
    assert deciding.wait(LONG)
    stopping.ask()
    go_on.set()
    roles.join()
    assert (roles.failure, " ".join(told.seen)) == (None, "sync relay project")


# --- on a real installation ---------------------------------------------------------------------------------------------------


@pytest.fixture
def parts(tmp_path: Path) -> Installation:
    return Installation(Settings(data=tmp_path))


def publish(parts: Installation, *events: Event) -> list[str]:
    return [receipt.outcome for receipt in parts.publisher.accept([json.dumps(event).encode() for event in events])]


def titles(parts: Installation) -> list[str]:
    return [entry["title"] for entry in json.loads(parts.reading.timeline(ACCOUNT, "151"))["entries"]]


def test_one_turn_takes_an_event_from_the_log_to_its_timeline(parts: Installation) -> None:
    engine = Engine(parts, lambda: False)
    publish(parts, *stage(), meeting())
    assert (engine.turn(), titles(parts), engine.turn()) == (True, ["Kick-off"], False)


def ticks(parts: Installation) -> list[str]:
    told = [json.loads(record.body) for record in parts.source.read("0", 0, 1000)]
    return [f"{event['account']} {event['data']['at']}" for event in told if event["type"] == "rendezvous.clock.ticked.v1"]


def test_each_account_ticks_once_a_day_through_the_log(parts: Installation) -> None:
    engine = Engine(parts, lambda: False)
    publish(parts, *stage(), contact("1", None, account="70000"))  # the stage has ticked on 1 March, the other account never
    engine.turn()
    midnight = 20_515 * DAY  # 2026-03-03
    for now in (midnight + 5, midnight + DAY - 1, midnight + DAY):
        tick(parts, now)
        tick(parts, now)  # before it was folded: the same event again
        engine.turn()
    days = ("2026-03-03T00:00:00Z", "2026-03-04T00:00:00Z")
    assert ticks(parts)[1:] == [f"{account} {day}" for day in days for account in (ACCOUNT, "70000")]
    assert [(clock.account, clock.ticked) for clock in parts.views.clocks()] == [(ACCOUNT, midnight + DAY), ("70000", midnight + DAY)]


# --- the real process ---------------------------------------------------------------------------------------------------------


@contextmanager
def process(data: Path, port: int = 0, told: Mapping[str, str] = MappingProxyType({})) -> Iterator[subprocess.Popen[str]]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RENDEZVOUS_")} | dict(told)
    command = [sys.executable, "-m", "services.cli", "up", "--data", str(data), "--port", str(port)]
    with subprocess.Popen(command, cwd=ROOT, env=kept, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as started:
        try:
            yield started
        finally:
            started.kill()


def url(started: subprocess.Popen[str]) -> str:
    assert started.stdout is not None
    said = started.stdout.readline()
    found = re.search(r"http://[^/\s]+", said)
    assert found is not None, said
    return found.group()


def post(at: str, token: str, *events: Event) -> int:
    headers = {"Authorization": f"Bearer {token}"}
    with httpx.Client(base_url=at, headers=headers, trust_env=False) as client:
        answers = [client.post("/v1/source-events", json=event) for event in events]
        assert {answer.status_code for answer in answers} == {202}, answers[-1].text
        page = client.get("/v1/contacts/151/timeline", params={"wait_for": answers[-1].headers["rendezvous-position"]})
        return len(page.json()["entries"])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
def test_a_signal_ends_it_in_good_order_with_everything_in_its_place(tmp_path: Path, number: signal.Signals) -> None:
    parts = Installation(Settings(data=tmp_path))
    publish(parts, *stage())
    token = parts.tokens.create(ACCOUNT, ["events:publish", "timeline:read"])
    with process(tmp_path) as started:
        assert post(url(started), token, meeting("g1"), meeting("g2")) == 2
        started.send_signal(number)
        _, said = started.communicate(timeout=LONG)
        assert (started.returncode, said) == (0, "")
    assert parts.views.position() == parts.domain_log.end()
    assert parts.domain_log.last_id() == parts.store.end()
    assert parts.store.place("0") > 0


GOOGLE = {"RENDEZVOUS_GOOGLE_CLIENT_ID": "app", "RENDEZVOUS_GOOGLE_CLIENT_SECRET": "secret"}


@pytest.mark.parametrize(
    ("app", "roles", "only"),
    [
        pytest.param({}, {"sync", "relay", "project"}, "rendezvous_decisions_total{", id="alone"),
        pytest.param(
            GOOGLE,
            {"sync", "relay", "project", "ingest", "deliver"},
            'rendezvous_deliveries_open{state="failed"} 0.0',
            id="with a provider",
        ),
    ],
)
def test_its_monitor_tells_of_all_its_roles(tmp_path: Path, app: dict[str, str], roles: set[str], only: str) -> None:
    parts = Installation(Settings(data=tmp_path))
    publish(parts, *stage())
    token = parts.tokens.create(ACCOUNT, ["events:publish", "timeline:read"])
    with process(tmp_path, told={"RENDEZVOUS_MONITOR": "0"} | app) as started:
        assert post(url(started), token, meeting("g1")) == 1
        monitor = url(started)
        lags = "rendezvous_role_lag_events{"
        deadline = time.monotonic() + LONG
        while {lag.partition('role="')[2].partition('"')[0] for lag in told_by(monitor, lags)} != roles:
            assert time.monotonic() < deadline
        assert told_by(monitor, only)
        assert httpx.get(f"{monitor}/readyz", trust_env=False).json() == {"status": "ready", "waiting": 0}
        started.send_signal(signal.SIGTERM)
        _, said = started.communicate(timeout=LONG)
        assert (started.returncode, said) == (0, "")


def told_by(monitor: str, name: str) -> list[str]:
    return [line for line in httpx.get(f"{monitor}/metrics", trust_env=False).text.splitlines() if line.startswith(name)]


def test_a_role_that_fails_ends_it_with_two_and_one_line(tmp_path: Path) -> None:
    parts = Installation(Settings(data=tmp_path))
    publish(parts, *stage(), meeting())
    Engine(parts, lambda: False).turn()
    for file in tmp_path.glob("log.sqlite*"):
        file.unlink()  # what was decided came from another log
    with process(tmp_path) as started:
        _, said = started.communicate(timeout=LONG)
        assert started.returncode == 2
    lines = [line for line in said.splitlines() if not line.startswith("{")]  # the log's lines are JSON
    assert len(lines) == 1, said
    assert lines[0].startswith("rendezvous: partition 0 of the source log ends at")
    assert "Traceback" not in said


def test_a_port_that_is_taken_ends_it_with_two(tmp_path: Path) -> None:
    with process(tmp_path / "one") as first:
        port = int(url(first).rpartition(":")[2])
        began = time.monotonic()
        with process(tmp_path / "two", port) as second:
            _, said = second.communicate(timeout=LONG)
            assert (second.returncode, said.count("\n")) == (2, 1)
            assert "in use" in said
        assert time.monotonic() - began < LONG
