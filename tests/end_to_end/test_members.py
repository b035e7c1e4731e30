"""The members of the `sync` group coming, going and freezing under load, on the real broker and database.

What must stay true: whoever owns a partition when, each record is decided once; and who was away for longer than his session commits
nothing of what he had begun.
"""

from __future__ import annotations

import time
from contextlib import closing
from itertools import count
from pathlib import Path
from random import Random

import pytest

from adapters.kafka.reading import SESSION_MS
from services.wiring import Installation
from tests.end_to_end.installed import PARTITIONS, assert_undisturbed, feeding, is_settled, opened, story, torment_seconds
from tests.servers.processes import Crew, Process, crew

pytestmark = [pytest.mark.slow, pytest.mark.timeout(torment_seconds(0) * 2 + 300)]
USUAL_SECONDS = 15.0
WORLD_SECONDS = 10.0
MOST_MEMBERS = 3
SHORTEST_PAUSE, LONGEST_PAUSE = 0.5, 2.5
"""Seconds between two changes of members."""

LONGEST_SECONDS = 90.0
"""Within which others must have taken over from one who is frozen. In the middle of a commit he holds up every writer."""


def test_a_storm_of_members_that_join_leave_and_die_loses_and_doubles_nothing(
    scaled: dict[str, str], tmp_path: Path, chance: Random
) -> None:
    seconds = torment_seconds(USUAL_SECONDS)
    fewest = max(2, round(seconds / 8))
    parts = opened(scaled)
    parts.migrate()
    told = story(max(1, round(seconds / WORLD_SECONDS)))
    names = (f"sync-{number}" for number in count(1))
    with crew(scaled, tmp_path / "crew") as roles, feeding(parts, told, len(told) / seconds) as feeder:
        for name in ("relay", "project"):
            roles.hire(name, name)
        joined = left = died = 0
        members: list[str] = []
        until = time.monotonic() + seconds
        # A slow machine takes longer over each change: the storm is as many changes as it is seconds.
        while time.monotonic() < until or min(joined, left + died) < fewest:
            pause = time.monotonic() + chance.uniform(SHORTEST_PAUSE, LONGEST_PAUSE)
            roles.until(lambda pause=pause: time.monotonic() > pause)  # type: ignore[misc]  # a default has no type
            if len(members) < 2 or (len(members) < MOST_MEMBERS and chance.random() < 0.5):
                members.append(next(names))
                roles.hire(members[-1], "sync")
                joined += 1
                continue
            member = members.pop(chance.randrange(len(members)))
            if chance.random() < 0.5:
                # Who has not begun yet does not know how to stop in order.
                had_begun = roles.running[member].lives()
                assert roles.dismiss(member) == 0 or not had_begun
                left += 1
            else:
                roles.kill(member)
                roles.dismiss(member)
                died += 1
        roles.until(feeder.is_done, 120)
        took = roles.until(lambda: is_settled(parts), 120)
        assert roles.ended == []
    records = assert_undisturbed(parts, feeder.acknowledged)
    print(f"{joined} joined, {left} left, {died} died; {records} records, settled {took:.1f} s after the last was published")


@pytest.mark.parametrize("moment", ["deciding", "committing"])
def test_who_was_frozen_for_longer_than_his_session_commits_nothing_when_he_wakes(
    moment: str, scaled: dict[str, str], tmp_path: Path
) -> None:
    parts = opened(scaled)
    parts.migrate()
    told, later = story(6), story(1, steps=200)
    with crew(scaled, tmp_path / "crew") as roles, feeding(parts, told, 1_000_000) as feeder:
        roles.until(feeder.is_done)
        freeze = _in_the_middle_of_deciding if moment == "deciding" else _in_the_middle_of_a_commit
        sleeper = freeze(parts, roles)
        undecided = _undecided(parts)
        begun = time.monotonic()
        for name in ("other-one", "other-two"):
            roles.hire(name, "sync")
        for name in ("relay", "project"):
            roles.hire(name, name)
        took = roles.until(lambda: is_settled(parts), LONGEST_SECONDS)
        events = parts.store.end()
        sleeper.thaw()
        frozen = time.monotonic() - begun
        back = roles.until(lambda: _shared(roles))
        refused = sleeper.said.count('"conflict"') + sleeper.said.count('"again"')
        print(f"{moment}: {undecided} records left by who was frozen, decided {took:.1f} s later; he slept {frozen:.1f} s, was refused")
        print(f"{refused} times, and was a member again after {back:.1f} s")
        assert frozen > SESSION_MS / 1000, "his session had not ended"
        assert undecided > 0, "he was frozen when nothing was left to decide"
        assert parts.store.end() == events, "he committed what others had decided"
        assert moment == "deciding" or refused > 0
        with feeding(parts, later, 1_000_000) as again:
            roles.until(again.is_done)
            roles.until(lambda: is_settled(parts))
        assert roles.ended == []
        assert set(roles.dismiss_all().values()) == {0}
    assert_undisturbed(parts, feeder.acknowledged + again.acknowledged)


def _in_the_middle_of_deciding(parts: Installation, roles: Crew) -> Process:
    """Who has just committed a batch, and has begun with the next."""
    sleeper = roles.hire("sleeper", "sync")
    roles.until(lambda: parts.store.end() > 0)
    sleeper.freeze()
    return sleeper


def _in_the_middle_of_a_commit(parts: Installation, roles: Crew) -> Process:
    """Who has begun his transaction, and holds up every other writer until the server ends it."""
    turn = parts.database.lock_key("store")
    with closing(parts.database.alone()) as connection:
        connection.execute("SELECT pg_advisory_lock(%s)", [turn])
        sleeper = roles.hire("sleeper", "sync")
        waits = (
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND ((classid::bigint << 32) | objid::bigint) = %s"
        )
        roles.until(lambda: connection.execute(waits, [turn]).fetchone() == (1,))
        sleeper.freeze()
    return sleeper


def _undecided(parts: Installation) -> int:
    return sum(parts.source.end(partition) - parts.store.place(partition) for partition in parts.source.partitions())


def _shared(roles: Crew) -> bool:
    """Has each member partitions of its own, and all of them together every one?"""
    shares = [set(process.lag()) for name, process in roles.running.items() if process.command == ("sync",)]
    return all(shares) and sum(map(len, shares)) == PARTITIONS == len(set().union(*shares))
