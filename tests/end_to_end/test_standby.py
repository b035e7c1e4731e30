"""A database with a hot standby: readers are answered by the standby, and after the primary has died everybody goes on with it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest
from litestar.testing import TestClient

from domain.errors import PositionLost, TryAgain
from services.catch_up import catch_up
from services.relay import Relay
from services.serve import app_of
from services.wiring import Installation
from tests.end_to_end.installed import assert_undisturbed, feeding, is_settled, opened, story
from tests.examples import ACCOUNT, Event, meeting, stage
from tests.servers import kafka, postgres
from tests.servers.processes import crew

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
LONGEST_SECONDS = 90.0
PAGE = "/v1/contacts/151/timeline"


@pytest.fixture
def pair() -> Iterator[postgres.Pair]:
    with postgres.own_pair() as made:
        yield made


def accepted(parts: Installation, events: list[Event]) -> int:
    """They are decided, relayed and folded. Where the last is in the log."""
    receipts = parts.publisher.accept([json.dumps(event).encode() for event in events])
    catch_up(parts)
    assert receipts[-1].outcome == "accepted"
    return receipts[-1].position or 0


def test_readers_read_the_standby_and_wait_for_its_position_not_the_primary_s(
    pair: postgres.Pair, on_servers: Callable[[str, str], dict[str, str]]
) -> None:
    parts = opened({**on_servers(kafka.bootstrap(), pair.primary.dsn), "RENDEZVOUS_STORE_READ": pair.standby.dsn})
    parts.migrate()
    header = {"Authorization": f"Bearer {parts.tokens.create(ACCOUNT, ['timeline:read'])}"}
    with TestClient(app_of(parts, lambda: True)) as client, psycopg.connect(pair.standby.dsn, autocommit=True) as standby:

        def page(**asked: int) -> tuple[list[str], int]:
            answer = client.get(PAGE, params=asked, headers=header)
            assert answer.status_code == 200, answer.text
            return [entry["title"] for entry in answer.json()["entries"]], int(answer.headers["Rendezvous-Position"])

        first = accepted(parts, [*stage(), meeting(title="Before")])
        folded = parts.views.position()
        assert page(wait_for=first) == (["Before"], folded)
        standby.execute("SELECT pg_wal_replay_pause()")
        second = accepted(parts, [meeting(revision=1, title="After")])
        assert parts.views.position() > folded
        assert page() == (["Before"], folded), "the standby says what it holds, and how far that is"
        with ThreadPoolExecutor(1) as thread:
            waiting = thread.submit(page, wait_for=second)
            with pytest.raises(TimeoutError):
                waiting.result(timeout=0.5)
            standby.execute("SELECT pg_wal_replay_resume()")
            assert waiting.result(timeout=LONGEST_SECONDS) == (["After"], parts.views.position())
    parts.close()


def test_after_a_failover_the_roles_go_on_with_the_standby_and_nothing_is_lost_or_doubled(
    pair: postgres.Pair, on_servers: Callable[[str, str], dict[str, str]], tmp_path: Path
) -> None:
    settings = on_servers(kafka.bootstrap(), pair.whichever_writes)
    parts = opened(settings)
    parts.migrate()
    told = story(2)
    with crew(settings, tmp_path / "crew") as roles, feeding(parts, told, len(told) / 10) as feeder:
        for role in ("sync", "relay", "project"):
            roles.hire(role, role)
        roles.until(lambda: len(feeder.acknowledged) > 500 and parts.views.position() > 0, LONGEST_SECONDS)
        pair.primary.kill()
        killed = time.monotonic()
        pair.promote()
        promoted = time.monotonic()
        before = len(feeder.acknowledged)
        taken = roles.until(lambda: len(feeder.acknowledged) > before, LONGEST_SECONDS)
        decided = roles.until(lambda: _decided(parts, feeder.acknowledged[before]), LONGEST_SECONDS)
        roles.until(feeder.is_done, LONGEST_SECONDS)
        settled = roles.until(lambda: is_settled(parts), LONGEST_SECONDS)
        assert roles.ended == []
        assert set(roles.dismiss_all().values()) == {0}
    records = assert_undisturbed(parts, feeder.acknowledged)
    print(f"promoted {promoted - killed:.1f} s after the kill; {taken:.1f} s later an event was accepted, {decided:.1f} s later folded;")
    print(f"settled {settled:.1f} s after the last of {records} records")
    parts.close()


def _decided(parts: Installation, acknowledged: tuple[str, str, int]) -> bool:
    """Is what was acknowledged decided, and everything that was decided folded?"""
    source, _, position = acknowledged
    partition = parts.partition_of(source.split("/")[2])
    try:
        return parts.store.place(partition) >= position and parts.views.position() >= parts.domain_log.end() > 0
    except TryAgain:
        return False


def test_a_store_that_lost_what_it_had_committed_is_relayed_from_no_more(scaled: dict[str, str]) -> None:
    parts = opened(scaled)
    parts.migrate()
    accepted(parts, stage())
    with parts.database.connection() as connection:
        connection.execute("DELETE FROM stored_events WHERE notification_id = (SELECT max(notification_id) FROM stored_events)")
    with pytest.raises(PositionLost, match="it lost some"):
        Relay(parts.store, parts.domain_log).step()
    parts.close()
