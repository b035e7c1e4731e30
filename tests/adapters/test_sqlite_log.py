"""What only the SQLite logs promise: which of them the disk is waited for, one queue a file, and a lost tail that comes back the same."""

from __future__ import annotations

import json
import sqlite3
import threading
from contextlib import closing
from pathlib import Path
from uuid import UUID

import pytest

from adapters.sqlite.log import SqliteDeadLetters, SqliteDomainLog, SqliteSourceLog
from domain.ports import DomainRecord, NewRecord
from services.settings import Settings
from services.up import Engine
from services.wiring import Installation
from tests.examples import ACCOUNT, Event, meeting, stage

NORMAL, FULL = 1, 2


@pytest.mark.parametrize(
    ("door", "synchronous"),
    [
        pytest.param(SqliteSourceLog, FULL, id="receipts are given for the source log"),
        pytest.param(SqliteDeadLetters, FULL, id="a dead letter is nowhere else"),
        pytest.param(SqliteDomainLog, NORMAL, id="the domain log is a copy"),
    ],
)
def test_the_disk_is_waited_for_where_nothing_else_holds_what_was_written(
    door: type[SqliteSourceLog | SqliteDeadLetters | SqliteDomainLog], synchronous: int, tmp_path: Path
) -> None:
    with closing(door(tmp_path / "log.sqlite")) as opened, opened._file.writing() as writer:
        assert writer.execute("PRAGMA synchronous").fetchone() == (synchronous,)


def test_a_second_writer_of_this_process_is_woken_when_the_first_is_done(tmp_path: Path) -> None:
    """SQLite's own waiting is switched off: whoever met it would be refused at once."""
    (tmp_path / "other").mkdir()
    source, domain = SqliteSourceLog(tmp_path / "log.sqlite"), SqliteDomainLog(tmp_path / "other" / ".." / "log.sqlite")
    for door in (source, domain):
        with door._file.writing() as writer:
            writer.execute("PRAGMA busy_timeout = 0")
    done: list[int] = []

    def write() -> None:
        for n in range(1, 51):
            domain.append([DomainRecord(0, n, ACCOUNT, UUID(int=n), 1, "meeting.seen.v1", b"{}")])
            done.append(n)

    writing = threading.Thread(target=write)
    writing.start()
    for n in range(50):
        source.append([NewRecord(ACCOUNT, n, b"{}")], 0)
    writing.join(30)
    assert (len(done), domain.end(), source.end("0")) == (50, 50, 50)
    source.close()
    domain.close()


def rows(parts: Installation) -> list[DomainRecord]:
    return parts.domain_log.read(0, 10_000)


def publish(parts: Installation, *events: Event) -> None:
    parts.publisher.accept([json.dumps(event).encode() for event in events])


def titles(parts: Installation) -> list[str]:
    return sorted(entry["title"] for entry in json.loads(parts.reading.timeline(ACCOUNT, "151"))["entries"])


@pytest.mark.parametrize("kept", [0, 1, 7], ids=["nothing is left", "one record is left", "some are left"])
def test_what_a_power_cut_takes_of_the_domain_log_comes_back_the_same(kept: int, tmp_path: Path) -> None:
    parts = Installation(Settings(data=tmp_path))
    publish(parts, *stage(), meeting("g1", title="Kick-off"))
    Engine(parts, lambda: False).turn()
    before, folded = rows(parts), parts.views.position()
    with closing(sqlite3.connect(tmp_path / "log.sqlite", isolation_level=None)) as power_cut:
        power_cut.execute("DELETE FROM domain_log WHERE position > ?", (kept,))
    assert (len(before) > 7, len(rows(parts)), parts.views.position()) == (True, kept, folded)

    restarted = Engine(parts, lambda: False)
    restarted.turn()
    assert (rows(parts), parts.views.position()) == (before, folded)
    publish(parts, meeting("g2", title="Review"))
    restarted.turn()
    assert titles(parts) == ["Kick-off", "Review"]
