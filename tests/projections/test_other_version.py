"""Read models that another version of the program left: refused, and made anew by a rebuild."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.sqlite import connect
from projections.views import OutOfDate, Page
from services.rebuild import rebuild
from services.settings import Settings
from services.wiring import Installation
from tests.projections.scripted import ACCOUNT, eventful


def installation(folder: Path) -> Installation:
    return Installation(Settings(data=folder, log=None, store=None, host="127.0.0.1", port=0, log_level="warning"))


def left_in(folder: Path) -> list[str]:
    """What is left of second sets: people stand in them in clear."""
    return [file.name for file in folder.rglob("*rebuilt*")]


@pytest.mark.parametrize("switch", [True, False], ids=["switched", "not switched"])
def test_a_rebuild_replaces_what_another_version_left(tmp_path: Path, switch: bool) -> None:
    parts = installation(tmp_path)
    log, _ = eventful()
    parts.domain_log.append(log.records)
    left = connect.connect(parts.views_file)
    left.execute("CREATE TABLE state (one INTEGER PRIMARY KEY)")
    left.close()
    done = rebuild(parts, switch=switch)
    assert left_in(tmp_path) == []
    assert (done.events, done.switched, "were not compared" in done.sentence) == (len(log.records), switch, True)
    if not switch:
        with pytest.raises(OutOfDate):
            installation(tmp_path).views.position()
        return
    again = rebuild(installation(tmp_path))
    assert (again.equal, again.rows) == (True, done.rows)
    assert len(installation(tmp_path).views.entries(ACCOUNT, "151", Page(limit=5))) == 1


def test_a_rebuild_that_only_compares_leaves_no_copy_of_anybody(tmp_path: Path) -> None:
    parts = installation(tmp_path)
    log, _ = eventful()
    parts.domain_log.append(log.records)
    assert (rebuild(parts, switch=False).equal, left_in(tmp_path)) == (True, [])


def test_a_rebuild_that_is_interrupted_leaves_no_copy_of_anybody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parts = installation(tmp_path)
    log, _ = eventful()
    parts.domain_log.append(log.records)

    def interrupted(*_: object) -> None:
        assert left_in(tmp_path) != []
        raise KeyboardInterrupt

    monkeypatch.setattr("services.rebuild.compare", interrupted)
    with pytest.raises(KeyboardInterrupt):
        rebuild(parts)
    assert left_in(tmp_path) == []
