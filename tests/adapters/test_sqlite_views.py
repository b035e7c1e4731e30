"""What only a file of read models can do wrong: two processes that fold, a second set that takes its place."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from adapters.sqlite.views import SqliteViews
from domain.errors import Conflict
from projections.views import Changes, ClockRow

ROOT = Path(__file__).parents[2]


def clock(ticked: int) -> Changes:
    """Something to write."""
    return Changes(clocks=[ClockRow("62515", ticked, 365, 365)])


def test_who_folded_from_a_position_that_another_has_left_writes_nothing(tmp_path: Path) -> None:
    late, quick = SqliteViews(tmp_path / "views.db"), SqliteViews(tmp_path / "views.db")
    assert (late.position(), quick.position()) == (0, 0)
    quick.apply(clock(1), 5, 1000)
    with pytest.raises(Conflict):
        late.apply(clock(2), 9, 2000)  # ahead of 5, but folded from 0: it would fold 1 to 5 once more
    assert (late.position(), late.clocks_of(["62515"])) == (5, {"62515": ClockRow("62515", 1, 365, 365)})
    late.apply(clock(3), 9, 3000)
    assert quick.position() == 9


def test_live_readers_are_told_greater_ids_after_a_switch(tmp_path: Path) -> None:
    live = SqliteViews(tmp_path / "views.db")
    with live._file.writing() as connection:
        connection.execute("UPDATE state SET last_id = 700")
    live.become(live.beside())
    assert live._rows("SELECT last_id FROM state") == [(700,)]


REBUILDING = """
import sys
from pathlib import Path
from adapters.sqlite.views import SqliteViews
from projections.views import Changes, ClockRow
beside = SqliteViews(Path(sys.argv[1])).beside()
beside.apply(Changes(clocks=[ClockRow("62515", 9, 365, 365)]), 1, 1000)
print("filling", flush=True)
sys.stdin.read()
"""


def test_what_a_killed_process_was_building_is_deleted_and_what_a_living_one_builds_is_not(tmp_path: Path) -> None:
    file = tmp_path / "views.db"
    command = [sys.executable, "-c", REBUILDING, str(file)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "filling\n"
        SqliteViews(file).apply(clock(1), 1, 1000)
        assert (tmp_path / "views.rebuilt.db").exists()
        process.kill()
        process.wait()
    assert (tmp_path / "views.rebuilt.db").exists()
    SqliteViews(file).apply(clock(2), 2, 1000)
    assert [one.name for one in tmp_path.glob("*rebuilt*")] == []
