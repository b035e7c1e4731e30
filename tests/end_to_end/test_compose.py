"""`docker compose up` as it stands in the repository: the demo's day goes through it, half before and half after it is scaled out.

What must stay true: Kafka, PostgreSQL and a container a role come to the timelines and decisions that the embedded engine comes to in
one process, from the same source events, whoever of them was stopped meanwhile.
"""

from __future__ import annotations

import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

import httpx
import pytest

from domain.errors import NotFound
from services import demo
from services.catch_up import catch_up
from services.demo_day import ACCOUNT, CONTACTS, Event, day
from services.settings import Settings
from services.wiring import Installation
from tests.servers.docker import SCALED, Composition, client, composition, without_engine
from tests.servers.kafka import eventually

# Before anything is collected, so that it is said in one line and not once a test.
if (lacking := without_engine()) is not None:
    pytest.skip(lacking, allow_module_level=True)

CHUNK = 100
CAUGHT_UP_SECONDS = 120
OF_THE_LOG = {"recordedAt", "position"}
"""When and where an entry was recorded: each installation has a log of its own."""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]


class Runs(NamedTuple):
    """The composition after the day, what its API asked for, and the embedded installation after the same day."""

    composed: Composition
    api: httpx.Client
    receipts: list[dict[str, Any]]
    embedded: Installation
    embedded_receipts: list[Any]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runs]:
    events = clock_first(day(datetime.now(UTC).date()))
    embedded = Installation(Settings(data=tmp_path_factory.mktemp("embedded"), log=None, store=None))
    with composition() as composed:
        receipts = demo.publish(embedded, events)
        catch_up(embedded, show=False)
        with client(composed, ACCOUNT, "events:publish", "timeline:read", "history:read") as api:
            try:
                told = published_in_two_halves(composed, api, events)
            except BaseException:
                print(composed.logs())
                raise
            yield Runs(composed, api, told, embedded, receipts)


def clock_first(events: list[Event]) -> list[Event]:
    """The account's settings and its clock before everything else. Running roles tick the clock as soon as they know of the account, at
    a moment nobody chose, and a series that was last told of before the first tick is laid out further than one told of after it."""
    order = {"rendezvous.account.configured.v1": 0, "rendezvous.clock.ticked.v1": 1}
    return sorted(events, key=lambda event: order.get(event["type"], 2))


def published_in_two_halves(composed: Composition, api: httpx.Client, events: list[Event]) -> list[dict[str, Any]]:
    """The first half to one process a role, the second to three of some, of which those that had worked were told to stop meanwhile."""
    half = len(events) // 2 // CHUNK * CHUNK
    first = publish(api, events[:half])
    composed.up(SCALED)
    composed.stop("project", "relay", "sync")
    second = publish(api, events[half:])
    composed.up(SCALED)
    until_caught_up(api)
    return first + second


def publish(api: httpx.Client, events: list[Event]) -> list[dict[str, Any]]:
    """POST them in chunks. The receipts in order."""
    receipts: list[dict[str, Any]] = []
    for at in range(0, len(events), CHUNK):
        answer = api.post(
            "/v1/source-events",
            content=json.dumps(events[at : at + CHUNK]),
            headers={"Content-Type": "application/cloudevents-batch+json"},
        )
        assert answer.status_code in (200, 202), answer.text
        receipts += answer.json()["receipts"]
    return receipts


def until_caught_up(api: httpx.Client) -> None:
    """Until nothing waits to be decided or folded."""
    until = time.monotonic() + CAUGHT_UP_SECONDS
    while (answer := api.get("/readyz")).json().get("lag") != 0:
        assert time.monotonic() < until, f"not caught up: {answer.text}"
        time.sleep(0.2)


def of_the_meeting(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry without its place and time in the log."""
    return {name: value for name, value in entry.items() if name not in OF_THE_LOG}


# --- the same as embedded -----------------------------------------------------------------------------------------------


def test_every_timeline_is_the_embedded_one(runs: Runs) -> None:
    entries = 0
    for contact in CONTACTS:
        answer = runs.api.get(f"/v1/contacts/{contact.id}/timeline", params={"limit": 1000})
        if answer.status_code == 404:
            with pytest.raises(NotFound):
                runs.embedded.reading.timeline(ACCOUNT, contact.id, limit=1000)
            continue
        here, there = answer.json(), json.loads(runs.embedded.reading.timeline(ACCOUNT, contact.id, limit=1000))
        assert here["contact"] == there["contact"]
        assert [of_the_meeting(one) for one in here["entries"]] == [of_the_meeting(one) for one in there["entries"]], contact
        entries += len(here["entries"])
    assert entries > 500


def test_every_receipt_is_the_embedded_one(runs: Runs) -> None:
    told = [(one["id"], one["outcome"], len(one["errors"])) for one in runs.receipts]
    assert told == [(one.id, one.outcome, len(one.errors)) for one in runs.embedded_receipts]
    assert {outcome for _, outcome, _ in told} == {"accepted", "duplicate", "rejected"}


def test_source_events_are_settled_by_the_same_rules(runs: Runs) -> None:
    found: Counter[tuple[str, str]] = Counter()
    cursor: str | None = ""
    while cursor is not None:
        page = runs.api.get("/v1/decisions", params={"limit": 1000, **({"cursor": cursor} if cursor else {})}).json()
        found.update((one["decisions"][0]["rule"], one["decisions"][0]["outcome"]) for one in page["decisions"])
        cursor = page["next"]
    assert found == demo.decided(runs.embedded)[0]


# --- as it is written down ----------------------------------------------------------------------------------------------


def test_it_is_scaled_out_as_the_second_file_says(runs: Runs) -> None:
    assert runs.composed.counts() == {"kafka": 1, "postgres": 1, "sync": 3, "relay": 1, "project": 3, "ingest": 2, "deliver": 2, "serve": 1}


def test_everything_is_healthy_and_migrate_has_ended_well(runs: Runs) -> None:
    others = {(one["Service"], one["State"], one["ExitCode"]) for one in runs.composed.containers() if one["Health"] != "healthy"}
    assert others == {("migrate", "exited", 0)}


def test_nothing_listens_beyond_this_machine(runs: Runs) -> None:
    published = [one for container in runs.composed.containers() for one in container["Publishers"] if one["PublishedPort"]]
    assert {one["URL"] for one in published} == {"127.0.0.1"}
    assert len(published) == 2


def test_migrating_once_more_changes_nothing(runs: Runs) -> None:
    assert runs.composed.run("serve", "rendezvous", "migrate").splitlines() == ["everything is up to date"]


def test_a_role_is_not_root_and_can_write_no_file(runs: Runs) -> None:
    assert runs.composed.run("sync", "id", "-u").strip() == "10001"
    with pytest.raises(AssertionError, match="Read-only file system"):
        runs.composed.run("sync", "touch", "/data/here")


@pytest.mark.parametrize(
    ("role", "metric"),
    [
        ("sync", r'rendezvous_decisions_total\{outcome="applied",rule="contact-match"\} [1-9]'),
        ("sync", r'rendezvous_role_lag_events\{partition="8",role="sync"\} 0\.0'),
        ("relay", r'rendezvous_role_working\{role="relay"\} 1\.0'),
        ("project", r'rendezvous_role_batch_seconds_count\{role="project"\} [1-9]'),
        ("ingest", r'rendezvous_role_working\{role="ingest"\} 1\.0'),
        ("deliver", r'rendezvous_role_working\{role="deliver"\} 1\.0'),
    ],
)
def test_a_role_tells_its_numbers(runs: Runs, role: str, metric: str) -> None:
    containers = [one["Name"] for one in runs.composed.containers() if one["Service"] == role]
    # A partition may be on its way from one to the other.
    assert eventually(lambda: any(re.search(metric, numbers(runs.composed, one)) for one in containers), seconds=60), containers


def numbers(composed: Composition, container: str) -> str:
    """A role's metrics, asked for by another container: their port is not published."""
    ask = f"import urllib.request as u; print(u.urlopen('http://{container}:9321/metrics').read().decode())"
    return composed.run("serve", "python", "-c", ask)


def test_a_role_that_is_asked_to_stop_ends_by_itself(runs: Runs) -> None:
    """The last of these, since what it stops stays stopped. Killed after its grace period, a container would end with 137."""
    roles = ("sync", "relay", "project", "ingest", "deliver", "serve")
    runs.composed.stop(*roles)
    ended = {(one["Service"], one["ExitCode"]) for one in runs.composed.containers() if one["State"] == "exited"}
    assert ended == {(service, 0) for service in ("migrate", *roles)}
