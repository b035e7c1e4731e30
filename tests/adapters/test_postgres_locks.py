"""One of many: the lock is one's, comes free with its holder's end, and its loss is noticed."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.postgres.connect import Database
from adapters.postgres.locks import OnlyOne, Present
from domain.errors import TryAgain
from tests.servers.kafka import eventually
from tests.servers.postgres import closing_databases as closing_databases
from tests.servers.postgres import database, own_server


@pytest.fixture
def opened(tmp_path: Path) -> Database:
    return database(tmp_path)


@pytest.fixture
def pair(opened: Database) -> Iterator[tuple[OnlyOne, OnlyOne]]:
    with OnlyOne(opened, "relay:0") as first, OnlyOne(opened, "relay:0") as second:
        yield first, second


def sever(database: Database) -> None:
    """End the session that holds a lock of this kind, from the server's side."""
    with database.alone() as connection:
        held = "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory' AND granted AND pid <> pg_backend_pid()"
        key = " AND ((classid::bigint << 32) | objid::bigint) = %s"
        assert connection.execute((held + key).encode(), (database.lock_key("only:relay:0"),)).fetchall() == [(True,)]


def test_only_one_holds_it(pair: tuple[OnlyOne, OnlyOne]) -> None:
    first, second = pair
    assert [first.take(), second.take(), first.take(), first.still(), second.still()] == [True, False, True, True, False]


def test_it_is_free_again_when_it_is_released(pair: tuple[OnlyOne, OnlyOne]) -> None:
    first, second = pair
    first.take()
    first.release()
    assert [first.still(), second.take(seconds=10), first.take()] == [False, True, False]


def test_names_and_schemas_do_not_meet(opened: Database, tmp_path: Path) -> None:
    other = database(tmp_path / "other")
    with OnlyOne(opened, "relay:0") as one, OnlyOne(opened, "relay:1") as two, OnlyOne(other, "relay:0") as three:
        assert [one.take(), two.take(), three.take()] == [True] * 3


def test_a_standby_takes_over_when_the_holder_leaves(pair: tuple[OnlyOne, OnlyOne]) -> None:
    first, second = pair
    first.take()
    took: list[bool] = []
    waiting = threading.Thread(target=lambda: took.append(second.take(seconds=30)))
    waiting.start()
    first.release()
    waiting.join(30)
    assert (took, second.still()) == ([True], True)


def test_who_waits_in_vain_is_told_so(pair: tuple[OnlyOne, OnlyOne]) -> None:
    first, second = pair
    first.take()
    started = time.monotonic()
    assert second.take(seconds=0.4) is False
    assert 0.4 <= time.monotonic() - started < 5


def test_a_holder_that_was_cut_off_notices_and_another_takes_over(opened: Database, pair: tuple[OnlyOne, OnlyOne]) -> None:
    first, second = pair
    first.take()
    sever(opened)
    assert [second.take(seconds=10), first.still(), first.still(), first.take()] == [True, False, False, False]


def test_who_lost_it_may_take_it_again(opened: Database, pair: tuple[OnlyOne, OnlyOne]) -> None:
    first, second = pair
    first.take()
    sever(opened)
    assert [first.still(), first.take(seconds=10), second.take()] == [False, True, False]


def test_it_ends_with_its_context_also_by_an_exception(opened: Database) -> None:
    def fail() -> None:
        with OnlyOne(opened, "relay:0") as first:
            assert first.take()
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    with OnlyOne(opened, "relay:0") as second:
        assert second.take(seconds=10)


@pytest.mark.slow
def test_a_server_that_is_gone_holds_nothing_and_says_so() -> None:
    with own_server() as server:
        opened = Database(server.dsn)
        with OnlyOne(opened, "relay:0") as one:
            assert one.take()
            server.kill()
            assert one.still() is False
            with pytest.raises(TryAgain):
                one.take()
            server.start()
            assert one.take(seconds=10)


# --- how many there are -------------------------------------------------------------------------------------------------------


def test_everybody_of_a_name_counts_himself_and_the_others_and_who_has_left_is_not_counted(opened: Database) -> None:
    with Present(opened, "relay") as one:
        assert (one.count(), one.count()) == (1, 1)
        with Present(opened, "relay") as two, Present(opened, "project") as other:
            assert (two.count(), one.count(), other.count()) == (2, 2, 1)
        assert eventually(lambda: one.count() == 1, 10)  # a server takes a moment to notice who has left


def test_the_count_says_when_nobody_can_be_asked() -> None:
    with own_server() as server:
        alone = Database(server.dsn)
        with Present(alone, "relay") as one:
            assert one.count() == 1
            server.kill()
            for _ in range(2):
                with pytest.raises(TryAgain):
                    one.count()
            server.start()
            assert one.count() == 1
        alone.close()
