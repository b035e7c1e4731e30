"""The broker and the database dying, restarting and dragging along under load; all roles running.

What must stay true: nobody has to be started by hand, nothing acknowledged is lost and nothing is doubled. How long it took until a
new event went all the way again is printed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

import pytest
from psycopg.conninfo import conninfo_to_dict

from adapters.kafka.source_log import partition_of
from domain.errors import TryAgain
from services.wiring import Installation
from tests.end_to_end.installed import PARTITIONS, Feeder, assert_undisturbed, feeding, is_settled, longer, opened, story
from tests.servers import kafka, postgres
from tests.servers.processes import Crew, crew
from tests.servers.proxy import proxy

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3_000 if longer() else 300)]
TIMES = 20 if longer() else 2
A_SECOND = 200.0
"""Events published."""

LONGEST_SECONDS = 90.0
"""Within which everything must work again by itself."""


class Servers(NamedTuple):
    """A broker and a database that a test may ill-treat."""

    broker: kafka.Broker
    database: postgres.Server


@pytest.fixture(scope="module")
def servers() -> Iterator[Servers]:
    """Of this module alone."""
    with kafka.broker_of_ones_own() as broker, postgres.own_server() as database:
        yield Servers(broker, database)


def killed(server: kafka.Broker | postgres.Server) -> None:
    """SIGKILL, and started again."""
    server.kill()
    server.start()


def restarted(server: kafka.Broker | postgres.Server) -> None:
    """Stopped in order, and started again."""
    server.stop()
    server.start()


DISASTERS: dict[str, Callable[[Servers], None]] = {
    "broker killed": lambda servers: killed(servers.broker),
    "database killed": lambda servers: killed(servers.database),
    "database restarted": lambda servers: restarted(servers.database),
}


@pytest.mark.parametrize("disaster", DISASTERS.values(), ids=DISASTERS)
def test_after_a_server_was_away_all_goes_on_by_itself(
    disaster: Callable[[Servers], None],
    servers: Servers,
    on_servers: Callable[[str, str], dict[str, str]],
    tmp_path: Path,
    request: pytest.FixtureRequest,
) -> None:
    settings = on_servers(servers.broker.bootstrap, servers.database.dsn)
    parts = opened(settings)
    parts.migrate()
    with crew(settings, tmp_path / "crew") as roles, feeding(parts, story(20 if longer() else 6), A_SECOND) as feeder:
        for name, role in (("sync-one", "sync"), ("sync-two", "sync"), ("relay", "relay"), ("project", "project")):
            roles.hire(name, role)
        took = [_until_new_events_arrive(parts, feeder, roles)]
        for _ in range(TIMES):
            disaster(servers)
            took.append(_until_new_events_arrive(parts, feeder, roles))
        feeder.stop()
        roles.until(lambda: is_settled(parts), LONGEST_SECONDS)
        ended, stalled = list(roles.ended), sum(process.said.count("stalled") for process in roles.running.values())
        assert set(roles.dismiss_all().values()) == {0}
    records = assert_undisturbed(parts, feeder.acknowledged)
    again = ", ".join(f"{seconds:.1f}" for seconds in took[1:])
    print(f"{request.node.callspec.id}: begun in {took[0]:.1f} s, recovered in {again} s; {records} records, published again")
    print(f"{feeder.tried_again} times, stalls {stalled}, ended by themselves: {ended}")


def test_a_slow_database_with_a_bad_connection_loses_and_doubles_nothing(scaled: dict[str, str], tmp_path: Path, chance: Random) -> None:
    parts = opened(scaled)
    parts.migrate()
    there = conninfo_to_dict(scaled["RENDEZVOUS_STORE"])
    with proxy(str(there["host"]), int(there["port"] or 0), chance) as way:
        slow = {**scaled, "RENDEZVOUS_STORE": _through(there, way.port)}
        with crew(slow, tmp_path / "crew") as roles, feeding(parts, story(1), A_SECOND) as feeder:
            for name, role in (("sync-one", "sync"), ("sync-two", "sync"), ("relay", "relay"), ("project", "project")):
                roles.hire(name, role)
            begun = _until_new_events_arrive(parts, feeder, roles)
            way.delay, way.cuts = 0.03, 0.01
            roles.until(lambda: way.cut >= 10 and feeder.is_done(), LONGEST_SECONDS)
            behind = not is_settled(parts)
            way.delay, way.cuts = 0.0, 0.0
            took = roles.until(lambda: is_settled(parts), LONGEST_SECONDS)
            ended = list(roles.ended)
            assert set(roles.dismiss_all().values()) == {0}
    records = assert_undisturbed(parts, feeder.acknowledged)
    print(f"begun in {begun:.1f} s; {way.cut} connections cut, {records} records, settled {took:.1f} s later (behind: {behind})")
    print(f"ended by themselves: {ended}")


def _until_new_events_arrive(parts: Installation, feeder: Feeder, roles: Crew) -> float:
    """Seconds until an event that was published now is decided, relayed and folded."""
    begun, before = time.monotonic(), len(feeder.acknowledged)
    roles.until(lambda: len(feeder.acknowledged) > before, LONGEST_SECONDS)
    source, _, position = feeder.acknowledged[before]
    partition = str(partition_of(source.split("/")[2].encode(), PARTITIONS))
    roles.until(lambda: _passing(lambda: parts.store.place(partition) >= position), LONGEST_SECONDS)
    recorded = parts.store.end()
    roles.until(lambda: _passing(lambda: parts.domain_log.last_id() >= recorded), LONGEST_SECONDS)
    relayed = parts.domain_log.end()
    roles.until(lambda: _passing(lambda: parts.views.position() >= relayed), LONGEST_SECONDS)
    return time.monotonic() - begun


def _passing(holds: Callable[[], bool]) -> bool:
    try:
        return holds()
    except TryAgain:
        return False


def _through(there: dict[str, str | int | None], port: int) -> str:
    """The same database by another way."""
    return "postgresql://{user}:{password}@127.0.0.1:{port}/{dbname}".format(**{**there, "port": port})
