"""The real process on real files, killed with SIGKILL while it publishes, decides, relays and projects.

What must stay true: whatever was killed when, in the end the store holds the very events of a run that nobody disturbed, and
the read models the same rows; and what a printed receipt acknowledged is in the log, once.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from adapters.sqlite.log import SqliteDomainLog, SqliteSourceLog
from adapters.sqlite.store import SqliteStore
from adapters.sqlite.views import SqliteViews
from tests.examples import Event
from tests.simulation.world import World

ROOT = Path(__file__).parents[2]
KILLS = 12
SLICES = 4
MOST_STARTS = 60
TIMES = {"recorded_at", "recordedAt", "lastRead"}
ROLES = (["sync", "--until-idle"], ["relay", "--until-idle"], ["project", "--until-idle"], ["catch-up"])

pytestmark = pytest.mark.slow


class Installation:
    """A data folder, and the processes that are run on it."""

    def __init__(self, data: Path, random: Random) -> None:
        self.data, self.random, self.kills = data, random, 0
        self.killed: dict[str, int] = {}

    def run(self, *command: str) -> str:
        """Run to the end. Returns what it printed."""
        with self._start(command) as process:
            told, said = process.communicate(timeout=60)
        assert process.returncode == 0, said
        return str(told)

    def run_and_kill(self, *command: str) -> str:
        """Run, and kill it a moment after it was seen to write. Returns what it had printed by then."""
        before = self._written()
        with self._start(command) as process:
            while process.poll() is None and self._written() == before:
                time.sleep(0.001)
            until = time.monotonic() + self.random.randint(5, 150) / 1000
            while process.poll() is None and time.monotonic() < until:
                time.sleep(0.001)
            process.send_signal(signal.SIGKILL)
            told, said = process.communicate(timeout=60)
        if process.returncode == -signal.SIGKILL:
            self.kills += 1
            self.killed[command[0]] = self.killed.get(command[0], 0) + 1
        else:
            assert process.returncode == 0, said
        return str(told)

    def _start(self, command: tuple[str, ...]) -> subprocess.Popen[str]:
        arguments = [sys.executable, "-m", "services.cli", *command, "--data", str(self.data)]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("RENDEZVOUS_")}
        return subprocess.Popen(arguments, cwd=ROOT, env=kept, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def _written(self) -> list[tuple[str, int, int]]:
        """Size and time of every file that holds data; the shared-memory files change when somebody only looks."""
        found = []
        for file in sorted(self.data.glob("*")):
            if not file.name.endswith("-shm"):
                try:
                    at = file.stat()
                except FileNotFoundError:  # a write-ahead log goes when its last user closes it
                    continue
                found.append((file.name, at.st_size, at.st_mtime_ns))
        return found

    # --- what is on the disk

    def source_ids(self) -> list[str]:
        """The ids in the source log, in order."""
        return [json.loads(record.body)["id"] for record in SqliteSourceLog(self.data / "log.sqlite").read("0", 0, 10**9)]

    def stored(self) -> list[tuple[Any, ...]]:
        """Every stored event, in order, without our times."""
        rows = SqliteStore(self.data / "store.sqlite").notifications(0, 10**9)
        return [(id_, stream, version, name, _timeless(json.loads(body))) for id_, stream, version, name, body in rows]

    def relayed(self) -> list[tuple[Any, ...]]:
        """Every event of the domain log, in order, without our times."""
        records = SqliteDomainLog(self.data / "log.sqlite").read(0, 10**9)
        return [(r.id, r.stream, r.version, r.name, _timeless(json.loads(r.body))) for r in records]

    def rows(self) -> list[tuple[Any, ...]]:
        """Every row of the read models without our times."""
        return [_untimed(row) for row in SqliteViews(self.data / "views.sqlite").rows()]


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _timeless(inner) for name, inner in value.items() if name not in TIMES}
    return [_timeless(inner) for inner in value] if isinstance(value, list) else value


def _untimed(row: tuple[object, ...]) -> tuple[object, ...]:
    """A row of the read models without our times; whether an entry's version still holds is kept."""
    ours = {"decision": (6,), "entry": (10, 11)}.get(str(row[0]), ())
    columns = [value is not None if index in ours else value for index, value in enumerate(row)]
    return tuple(_timeless(json.loads(c)) if isinstance(c, bytes) and c.startswith(b"{") else c for c in columns)


def receipts(printed: str) -> Iterator[dict[str, Any]]:
    """The receipts in what was printed; a line that was cut by the kill is none."""
    for line in printed.splitlines():
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            return


def story(seed: int) -> list[Event]:
    """A long world's words. Without erasures: what an erasure leaves unsaid in what is decided again depends on the moment."""
    return [event for epoch in World(seed, steps=1500, erasures=False).epochs() for event in (*epoch.first, *epoch.free)]


def write(events: list[Event], file: Path) -> str:
    """Events as a file to publish. Returns its name."""
    file.write_text("".join(json.dumps(event) + "\n" for event in events))
    return str(file)


def cruelly(installation: Installation, files: list[str]) -> list[dict[str, Any]]:
    """Publish these files and run the roles, killing all of them. Returns the receipts that were printed."""
    printed: list[dict[str, Any]] = []
    for file in files:
        printed += receipts(installation.run_and_kill("publish", "--json", file))
        for role in installation.random.sample(ROLES, len(ROLES)):
            installation.run_and_kill(*role)
        printed += receipts(installation.run("publish", "--json", file))
    for _ in range(MOST_STARTS):
        if installation.kills >= KILLS:
            break
        installation.run_and_kill(*installation.random.choice(ROLES))
    for role in ROLES:
        installation.run(*role)
    return printed


def undisturbed(killed: Installation, file: str, data: Path) -> Installation:
    """The same events in the same order on a folder of its own, with the same keys, so that people are sealed alike."""
    data.mkdir()
    for kept in killed.data.glob("vault.sqlite*"):
        shutil.copy(kept, data / kept.name)
    calm = Installation(data, killed.random)
    calm.run("publish", "--json", file)
    calm.run("catch-up")
    return calm


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Installation, Installation, list[Event], list[dict[str, Any]]]:
    """The killed run, the calm one, what was published, and the receipts of the killed run."""
    folder = tmp_path_factory.mktemp("kill")
    seed = int.from_bytes(os.urandom(3))
    print(f"kills are timed by seed {seed}")
    events = story(1)
    size = -(-len(events) // SLICES)
    files = [write(events[at : at + size], folder / f"{at}.ndjson") for at in range(0, len(events), size)]
    (folder / "killed").mkdir()
    killed = Installation(folder / "killed", Random(seed))
    printed = cruelly(killed, files)
    return killed, undisturbed(killed, write(events, folder / "all.ndjson"), folder / "calm"), events, printed


def test_the_process_was_killed_often_enough_to_mean_something(runs: Any) -> None:
    killed = runs[0]
    assert killed.kills >= KILLS, killed.killed
    assert len(killed.killed) >= 3, f"killed only in {killed.killed}"


def test_nothing_acknowledged_is_lost_and_nothing_is_doubled(runs: Any) -> None:
    killed, _, events, printed = runs
    ids = killed.source_ids()
    assert {r["id"] for r in printed if r["outcome"] in ("accepted", "duplicate")} <= set(ids), (
        "a receipt was printed for what is not there"
    )
    assert {r["position"]: r["id"] for r in printed} == {position: ids[position - 1] for position in {r["position"] for r in printed}}
    assert ids == [event["id"] for event in events], "lost, doubled, or in another order"


def test_the_store_holds_the_events_of_an_undisturbed_run(runs: Any) -> None:
    killed, calm, events, _ = runs
    stored = killed.stored()
    assert len([1 for row in stored if row[3] == "source_event.decided.v1"]) == len(events)
    assert stored == calm.stored()


def test_the_domain_log_holds_every_stored_event_once_in_order(runs: Any) -> None:
    killed = runs[0]
    assert killed.relayed() == killed.stored()


def test_the_read_models_hold_the_rows_of_an_undisturbed_run(runs: Any) -> None:
    killed, calm, _, _ = runs
    rows = killed.rows()
    assert {row[0] for row in rows} == {"contact", "meeting", "entry", "decision", "connection", "clock"}
    assert rows == calm.rows()
