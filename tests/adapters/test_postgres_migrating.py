"""Migrations are applied once, whole, in order, by one at a time; a schema that does not fit is refused."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from adapters.postgres.connect import Database
from adapters.postgres.migrating import FOLDER, check, known, migrate
from domain.errors import BadInput, Stop, TryAgain
from tests.servers.postgres import closing_databases as closing_databases
from tests.servers.postgres import unmigrated


@pytest.fixture
def opened(tmp_path: Path) -> Database:
    return unmigrated(tmp_path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "migrations"
    made.mkdir()
    (made / "0001_a.sql").write_text("CREATE TABLE a (n int); INSERT INTO a VALUES (1);")
    (made / "0002_b.sql").write_text("CREATE TABLE b (n int);")
    return made


def tables(database: Database) -> list[str]:
    found = database.rows("SELECT tablename::text FROM pg_tables WHERE schemaname = %s ORDER BY 1", (database.schema,))
    return [name for (name,) in found]


def test_a_schema_is_made_with_all_that_the_files_say(opened: Database, folder: Path) -> None:
    assert (migrate(opened, folder), tables(opened)) == (["0001_a", "0002_b"], ["a", "b", "migrations"])


def test_twice_is_once(opened: Database, folder: Path) -> None:
    migrate(opened, folder)
    assert (migrate(opened, folder), opened.rows("SELECT n FROM a")) == ([], [(1,)])
    check(opened, folder)


def test_only_what_is_missing_is_applied(opened: Database, folder: Path) -> None:
    migrate(opened, folder)
    (folder / "0003_c.sql").write_text("INSERT INTO a VALUES (3)")
    assert (migrate(opened, folder), opened.rows("SELECT n FROM a ORDER BY n")) == (["0003_c"], [(1,), (3,)])


def test_of_several_at_once_each_migration_is_applied_by_one(opened: Database) -> None:
    applied: list[list[str]] = []
    threads = [threading.Thread(target=lambda: applied.append(migrate(opened))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(applied) == [[], [], [], [one.name for one in known()]]
    check(opened)


def test_schemas_of_one_database_do_not_meet(opened: Database, folder: Path, tmp_path: Path) -> None:
    other = unmigrated(tmp_path / "other")
    migrate(opened, folder)
    assert (migrate(other, folder), other.rows("SELECT n FROM a")) == (["0001_a", "0002_b"], [(1,)])


def test_a_migration_that_fails_leaves_nothing_and_those_before_it_stay(opened: Database, folder: Path) -> None:
    (folder / "0003_c.sql").write_text("CREATE TABLE c (n int); SELECT 1 / 0;")
    with pytest.raises(Stop, match="division by zero"):
        migrate(opened, folder)
    assert tables(opened) == ["a", "b", "migrations"]
    (folder / "0003_c.sql").write_text("CREATE TABLE c (n int)")
    assert migrate(opened, folder) == ["0003_c"]


def test_a_schema_that_is_behind_is_refused_with_what_to_do(opened: Database, folder: Path) -> None:
    with pytest.raises(BadInput, match=r"lacks 0001_a, 0002_b: run `rendezvous migrate`"):
        check(opened, folder)
    migrate(opened, folder)
    (folder / "0003_c.sql").write_text("SELECT 1")
    with pytest.raises(BadInput, match=r"lacks 0003_c: run"):
        check(opened, folder)


@pytest.mark.parametrize("act", [migrate, check])
def test_a_schema_of_a_newer_version_is_left_alone(act: object, opened: Database, folder: Path) -> None:
    migrate(opened, folder)
    (folder / "0002_b.sql").unlink()
    with pytest.raises(BadInput, match=r"0002_b by a newer version"):
        act(opened, folder)  # type: ignore[operator]  # one of the two above, which differ in what they return
    assert tables(opened) == ["a", "b", "migrations"]


@pytest.mark.parametrize("act", [migrate, check])
def test_a_file_that_was_changed_after_it_was_applied_is_noticed(act: object, opened: Database, folder: Path) -> None:
    migrate(opened, folder)
    (folder / "0001_a.sql").write_text("CREATE TABLE a (n bigint)")
    with pytest.raises(Stop, match="another content"):
        act(opened, folder)  # type: ignore[operator]  # as above


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("0004_d.sql", id="a number is left out"),
        pytest.param("0002_c.sql", id="a number is there twice"),
        pytest.param("3_c.sql", id="a number too short"),
        pytest.param("0003 c.sql", id="a blank in the name"),
    ],
)
def test_files_that_are_not_numbered_in_a_row_are_refused(name: str, folder: Path) -> None:
    (folder / name).write_text("SELECT 1")
    with pytest.raises(Stop):
        known(folder)


def test_our_own_files_are_in_order() -> None:
    assert [one.number for one in known()] == list(range(1, len(list(FOLDER.glob("*.sql"))) + 1))


def test_a_server_that_cannot_be_reached_is_tried_again() -> None:
    away = Database("postgresql://ana:x@127.0.0.1:1/crm?connect_timeout=1")
    with pytest.raises(TryAgain):
        migrate(away)
