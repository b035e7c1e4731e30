"""One examination for whatever keeps what may happen once; the memory twin sits it first. A new one is one line in `TABLES`, and in
`LASTING` too if what it keeps outlives the process."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from adapters.envelope import Envelope
from adapters.memory.once import MemoryOnce
from adapters.postgres.once import _FIRST as FIRST
from adapters.postgres.once import PostgresOnce
from adapters.sqlite.once import SqliteOnce
from domain.errors import Stop
from domain.outside import Once
from tests.contracts.stage import ALONE, ENVELOPE, ROTATED, at_once, bytes_of
from tests.servers.postgres import closing_databases as closing_databases
from tests.servers.postgres import database

Make = Callable[[Path, Envelope], Once]
LASTING: dict[str, Make] = {
    "sqlite": lambda folder, envelope: SqliteOnce(folder / "once.db", envelope),
    "postgres": lambda folder, envelope: PostgresOnce(database(folder), envelope),
}
TABLES: dict[str, Make] = {"memory": lambda _, __: MemoryOnce(), **LASTING}
STATE = "login"


@pytest.fixture(params=TABLES.values(), ids=list(TABLES))
def once(request: pytest.FixtureRequest, tmp_path: Path) -> Once:
    made: Once = request.param(tmp_path, ENVELOPE)
    return made


@pytest.mark.parametrize("value", ['{"verifier": "v"}', "", "\0", "🐝" * 10_000], ids=["plain", "empty", "a null", "very long"])
def test_a_value_is_taken_once(once: Once, value: str) -> None:
    once.put(STATE, "s1", value, 2_000)
    assert (once.take(STATE, "s1", 1_000), once.take(STATE, "s1", 1_000)) == (value, None)


def test_a_value_can_be_taken_until_its_time_is_over(once: Once) -> None:
    for key in ("s1", "s2"):
        once.put(STATE, key, key, 2_000)
    assert (once.take(STATE, "s1", 1_999), once.take(STATE, "s2", 2_000), once.take(STATE, "s2", 1_000)) == ("s1", None, None)


def test_only_the_value_named_is_taken(once: Once) -> None:
    for kind, key, value in [("a", "bc", "1"), ("ab", "c", "2"), ("a", "bd", "3")]:
        once.put(kind, key, value, 2_000)
    assert (once.take("abc", "", 1_000), once.take("", "abc", 1_000), once.take("ab", "c", 1_000)) == (None, None, "2")
    assert (once.take("a", "bc", 1_000), once.take("a", "bd", 1_000)) == ("1", "3")


def test_a_value_put_again_replaces_the_first(once: Once) -> None:
    once.put(STATE, "s1", "old", 1_500)
    once.put(STATE, "s1", "new", 2_000)
    assert (once.take(STATE, "s1", 1_600), once.take(STATE, "s1", 1_600)) == ("new", None)


def test_the_first_time_is_once_until_then(once: Once) -> None:
    asked = [once.first("signature", "x", until, now) for until, now in [(2_000, 1_000), (9_000, 1_999), (3_000, 2_000), (3_000, 2_999)]]
    assert asked == [True, False, True, False]


def test_what_was_only_asked_after_is_nothing_to_take_and_stays_asked_after(once: Once) -> None:
    once.first("signature", "x", 2_000, 1_000)
    assert (once.take("signature", "x", 1_000), once.first("signature", "x", 2_000, 1_000)) == (None, False)


def test_what_has_a_value_is_not_there_for_the_first_time(once: Once) -> None:
    once.put(STATE, "s1", "v", 2_000)
    assert (once.first(STATE, "s1", 2_000, 1_000), once.take(STATE, "s1", 1_000)) == (False, "v")


def test_kinds_and_keys_do_not_meet(once: Once) -> None:
    assert [once.first(kind, key, 2_000, 1_000) for kind, key in [("a", "bc"), ("ab", "c"), ("", "abc"), ("abc", "")]] == [True] * 4


@pytest.mark.parametrize("make", TABLES.values(), ids=TABLES.keys())
def test_of_those_who_ask_at_once_one_is_the_first_and_one_takes(make: Make, tmp_path: Path) -> None:
    made = make(tmp_path, ENVELOPE)
    tables = [made if isinstance(made, MemoryOnce) else make(tmp_path, ENVELOPE) for _ in range(4)]
    keys = [str(n) for n in range(25)]
    for key in keys:
        made.put(STATE, key, key, 2_000)

    def ask(n: int) -> tuple[list[str], list[str]]:
        taken = [value for key in keys if (value := tables[n].take(STATE, key, 1_000))]
        return taken, [key for key in keys if tables[n].first("signature", key, 2_000, 1_000)]

    got = at_once(4, ask)
    assert sorted((value for taken, _ in got for value in taken), key=int) == keys
    assert sorted((key for _, first in got for key in first), key=int) == keys


# --- what lasts --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", LASTING.values(), ids=LASTING.keys())
def test_what_was_kept_is_there_when_the_table_is_opened_again(make: Make, tmp_path: Path) -> None:
    first = make(tmp_path, ENVELOPE)
    first.put(STATE, "s1", "v", 2_000)
    first.first("signature", "x", 2_000, 1_000)
    again = make(tmp_path, ENVELOPE)
    assert (again.take(STATE, "s1", 1_000), again.first("signature", "x", 2_000, 1_000)) == ("v", False)


@pytest.mark.parametrize("make", LASTING.values(), ids=LASTING.keys())
def test_after_a_rotation_the_old_key_is_needed_by_nobody(make: Make, tmp_path: Path) -> None:
    old = make(tmp_path, ENVELOPE)
    for key in ("s1", "s2"):
        old.put(STATE, key, key, 2_000)
    old.first("signature", "x", 2_000, 1_000)
    rotated = make(tmp_path, ROTATED)
    assert isinstance(rotated, SqliteOnce | PostgresOnce)
    assert (rotated.reseal(), rotated.reseal(), make(tmp_path, ALONE).take(STATE, "s1", 1_000)) == (2, 0, "s1")
    with pytest.raises(Stop, match="2027"):
        old.take(STATE, "s2", 1_000)


def test_neither_a_value_nor_what_names_it_stands_in_the_file(tmp_path: Path) -> None:
    SqliteOnce(tmp_path / "once.db", ENVELOPE).put(STATE, "open-state", "verifier", 2_000)
    held = b"".join(held for _, held in bytes_of(tmp_path))
    assert (b"verifier" in held, b"open-state" in held, len(held) > 0) == (False, False, True)


@pytest.mark.parametrize("make", LASTING.values(), ids=LASTING.keys())
def test_what_is_over_does_not_pile_up(make: Make, tmp_path: Path) -> None:
    once = make(tmp_path, ENVELOPE)
    assert isinstance(once, SqliteOnce | PostgresOnce)
    for n in range(50):
        once.put(STATE, str(n), "v", n)
        once.first("signature", str(n), n, n - 1)
    once.first("signature", "last", 200, 100)
    count = "SELECT count(*) FROM once"
    rows = once._file.rows(count) if isinstance(once, SqliteOnce) else once._database.rows(count)
    assert rows == [(1,)]


def test_a_sqlite_file_is_synced_for_what_has_a_value_and_not_for_who_asks(tmp_path: Path) -> None:
    once = SqliteOnce(tmp_path / "once.db", ENVELOPE)
    written = list[tuple[str, str]]()

    def note(name: str, statement: str) -> None:
        written.append((name, statement.split()[0]))

    for name, file in (("synced", once._file), ("unsynced", once._unsynced)):
        (level,) = file._writer.execute("PRAGMA synchronous").fetchone()
        assert (name, level) in (("synced", 2), ("unsynced", 1)), "2 is FULL, 1 NORMAL"
        file._writer.set_trace_callback(partial(note, name))
    once.put(STATE, "s1", "v", 2_000)
    once.take(STATE, "s1", 1_000)
    once.first("signature", "x", 2_000, 1_000)
    assert [(name, verb) for name, verb in written if verb in ("INSERT", "COMMIT")] == [
        ("synced", "INSERT"),
        ("synced", "COMMIT"),
        ("synced", "COMMIT"),
        ("unsynced", "INSERT"),
        ("unsynced", "COMMIT"),
    ]


def test_a_postgres_server_is_not_waited_for_by_who_asks_and_by_all_others_as_before(tmp_path: Path) -> None:
    there, shown = database(tmp_path), "SHOW synchronous_commit"
    with there.connection() as connection:
        before = connection.execute(shown).fetchone()
    with there.transaction() as connection:
        connection.execute(FIRST, (b"name", 2_000, 1_000))
        during = connection.execute(shown).fetchone()
    with there.connection() as connection:
        assert (before != ("off",), during, connection.execute(shown).fetchone()) == (True, ("off",), before)
