"""What only a file of read models can do wrong: two processes that fold, a second set that takes its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.sqlite.views import SqliteViews
from domain.errors import Conflict
from projections.views import Changes, ClockRow


def clock(ticked: int) -> Changes:
    """Something to write."""
    return Changes(clocks=[ClockRow("62515", ticked, 365, 365)])


def test_who_folded_from_a_position_that_another_has_left_writes_nothing(tmp_path: Path) -> None:
    late, quick = SqliteViews(tmp_path / "views.db"), SqliteViews(tmp_path / "views.db")
    assert (late.position(), quick.position()) == (0, 0)
    quick.apply(clock(1), 5, 1000)
    with pytest.raises(Conflict):
        late.apply(clock(2), 9, 2000)  # ahead of 5, but folded from 0: it would fold 1 to 5 once more
    assert (late.position(), late.clock("62515")) == (5, ClockRow("62515", 1, 365, 365))
    late.apply(clock(3), 9, 3000)
    assert quick.position() == 9


def test_live_readers_are_told_greater_ids_after_a_switch(tmp_path: Path) -> None:
    live = SqliteViews(tmp_path / "views.db")
    with live._file.writing() as connection:
        connection.execute("UPDATE state SET last_id = 700")
    live.become(live.beside())
    assert live._rows("SELECT last_id FROM state") == [(700,)]
