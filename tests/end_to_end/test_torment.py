"""Every role killed at any moment, on both sizes, for as long as RENDEZVOUS_TORMENT_SECONDS says.

What must stay true: in the end everything is as if nobody had been killed, and a role ends for no other reason.
"""

from __future__ import annotations

import signal
import time
from contextlib import closing
from itertools import count
from pathlib import Path
from random import Random

import pytest

from tests.end_to_end.installed import SIZES, Publishing, assert_undisturbed, files_of, is_settled, opened, story, torment_seconds
from tests.servers.processes import Process, crew

pytestmark = [pytest.mark.slow, pytest.mark.timeout(torment_seconds(0) * 2 + 300)]
USUAL_SECONDS = 20.0
WORLD_SECONDS = 10.0
"""So long is a world's story published, in files of so many events, if its publisher is killed now and then."""
A_FILE = {"embedded": 300, "scaled": 700}

CREW = {
    "embedded": {"sync": "sync", "relay": "relay", "project": "project"},
    "scaled": {
        "sync-one": "sync",
        "sync-two": "sync",
        "relay-one": "relay",
        "relay-two": "relay",
        "project": "project",
    },
}
LONGEST_PAUSE = 1.6
"""Seconds between two kills at most. A role needs one to two to begin: some die while they begin, most while they work."""


@pytest.mark.parametrize(("size", "settings"), list(zip(SIZES, SIZES, strict=True)), ids=SIZES, indirect=["settings"])
def test_whoever_is_killed_whenever_the_end_is_that_of_an_undisturbed_run(
    size: str, settings: dict[str, str], tmp_path: Path, chance: Random
) -> None:
    seconds = torment_seconds(USUAL_SECONDS)
    parts = opened(settings)
    parts.migrate()
    files = files_of(story(max(2, round(seconds / WORLD_SECONDS))), tmp_path, A_FILE[size])
    numbers = count(1)

    def publish(file: str) -> Process:
        return Process(["publish", "--json", file], settings, tmp_path / f"publish-{next(numbers)}")

    with closing(Publishing(publish, files)) as publishing, crew(settings, tmp_path / "crew") as roles:
        for name, role in CREW[size].items():
            roles.hire(name, role)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            pause = time.monotonic() + chance.uniform(0.05, LONGEST_PAUSE)
            roles.until(lambda pause=pause: publishing.is_done() or time.monotonic() > pause)  # type: ignore[misc]  # a default has no type
            victim = chance.choice([*roles.running, "publish"])
            publishing.kill() if victim == "publish" else roles.kill(victim)
        print(f"{size}: killed {roles.kills}, the publisher {publishing.kills} times")
        roles.until(publishing.is_done, 240)
        took = roles.until(lambda: is_settled(parts), 120)
        assert roles.ended == []
        assert sum(roles.kills.values()) >= seconds / 4, "hardly anybody was killed"
        # Who was killed at the very end need not have been started again.
        assert set(roles.dismiss_all().values()) <= {0, -signal.SIGKILL}
    records = assert_undisturbed(parts, publishing.acknowledged)
    print(f"{size}: {records} records, settled {took:.1f} s after the last was published")
