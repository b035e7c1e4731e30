"""The way to PostgreSQL: no password is told, no error is psycopg's, and a server that went away is found again."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import psycopg
import pytest
from psycopg import errors

from adapters.postgres.columns import digest, to_bytes, to_text
from adapters.postgres.connect import Database, in_our_words
from domain.errors import BadInput, Conflict, RendezvousError, Stop, TryAgain
from tests.servers.postgres import closing_databases as closing_databases
from tests.servers.postgres import database, own_server, unmigrated

SECRET = "s3cr3t-w0rd"


def chain(error: BaseException | None) -> str:
    """All that an error and its causes say."""
    told = ""
    while error is not None:
        told += f"{error!r} {error} "
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return told


@pytest.mark.parametrize(
    "dsn",
    [
        pytest.param(f"postgresql://ana:{SECRET}@[host/db", id="a bracket that is not closed"),
        pytest.param(f"postgresql://ana:x@{SECRET}@host/db", id="an at sign in it"),
        pytest.param(f"host=h password {SECRET}", id="no equals sign"),
        pytest.param(f"postgresql://ana:%zz{SECRET}@host/db", id="a broken escape"),
    ],
)
def test_a_dsn_that_cannot_be_read_is_refused_without_being_told(dsn: str) -> None:
    with pytest.raises(BadInput) as refused:
        Database(dsn)
    assert (refused.value.pointer, SECRET in chain(refused.value)) == ("RENDEZVOUS_STORE", False)


def test_nobody_is_shown_the_password() -> None:
    opened = Database(f"postgresql://ana:{SECRET}@127.0.0.1:1/crm?connect_timeout=1", "acme")
    try:
        assert repr(opened) == "Database(127.0.0.1:1/crm, schema acme)"
        with pytest.raises(TryAgain) as failed:
            opened.rows("SELECT 1")
    finally:
        opened.close()
    assert ("port 1" in str(failed.value), SECRET in chain(failed.value)) == (True, False), "and the reason is told"


@pytest.mark.parametrize("schema", ["", "1a", "Acme", "a-b", "a; DROP", "x" * 64, "a\n"])
def test_a_schema_is_named_so_that_it_needs_no_quotes(schema: str) -> None:
    with pytest.raises(BadInput):
        Database("postgresql://host/db", schema)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        pytest.param(errors.SerializationFailure, TryAgain, id="serialisation"),
        pytest.param(errors.DeadlockDetected, TryAgain, id="deadlock"),
        pytest.param(errors.LockNotAvailable, TryAgain, id="a lock that was waited for too long"),
        pytest.param(errors.QueryCanceled, TryAgain, id="a statement that took too long"),
        pytest.param(errors.AdminShutdown, TryAgain, id="the server was stopped"),
        pytest.param(errors.CannotConnectNow, TryAgain, id="the server is starting"),
        pytest.param(errors.TooManyConnections, TryAgain, id="too many connections"),
        pytest.param(errors.DiskFull, TryAgain, id="no room on the disk"),
        pytest.param(errors.ReadOnlySqlTransaction, TryAgain, id="the primary became a replica"),
        pytest.param(psycopg.InterfaceError, TryAgain, id="the connection was closed under us"),
        pytest.param(errors.ProgramLimitExceeded, Stop, id="too large for ever"),
        pytest.param(errors.IndexCorrupted, Stop, id="a broken index"),
        pytest.param(errors.SyntaxError, Stop, id="our own mistake"),
        pytest.param(errors.UniqueViolation, Stop, id="a double where the port knows none"),
        pytest.param(errors.UndefinedTable, Stop, id="no table"),
    ],
)
def test_what_follows_from_an_error(error: type[psycopg.Error], kind: type[RendezvousError]) -> None:
    found = in_our_words(error("it said so"))
    assert (type(found), isinstance(found, Conflict), "it said so" in str(found)) == (kind, False, True)


def test_a_schema_that_was_never_made_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(Stop, match="rendezvous migrate"):
        unmigrated(tmp_path).rows("SELECT * FROM stored_events")


def test_a_session_is_opened_with_limits_and_our_name(tmp_path: Path) -> None:
    opened = database(tmp_path)
    names = ["search_path", "application_name", "statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout", "jit"]
    names.append("default_transaction_isolation")
    told = {name: opened.rows(f"SHOW {name}")[0][0] for name in names}
    assert told == {
        "search_path": opened.schema,
        "application_name": "rendezvous",
        "statement_timeout": "30s",
        "lock_timeout": "10s",
        "idle_in_transaction_session_timeout": "15s",
        "jit": "off",
        "default_transaction_isolation": "read committed",
    }


def test_what_the_dsn_says_wins(tmp_path: Path) -> None:
    ours = database(tmp_path)
    dsn = psycopg.conninfo.make_conninfo(ours._conninfo, application_name="mine", options="-c statement_timeout=7s")
    opened = Database(dsn, ours.schema)
    try:
        assert [opened.rows(f"SHOW {name}")[0][0] for name in ("application_name", "statement_timeout", "jit")] == ["mine", "7s", "off"]
    finally:
        opened.close()


def test_a_transaction_left_by_an_exception_did_not_happen(tmp_path: Path) -> None:
    opened = database(tmp_path)

    def fail() -> None:
        with opened.transaction() as connection:
            connection.execute("INSERT INTO tracking VALUES ('a', 1)")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert opened.rows("SELECT * FROM tracking") == []


def test_who_waits_for_a_lock_is_told_to_try_again(tmp_path: Path) -> None:
    opened = database(tmp_path)
    with opened.transaction() as holder:
        holder.execute("LOCK TABLE tracking")
        with opened.alone() as waiting:
            waiting.execute("SET lock_timeout = '50ms'")
            with pytest.raises(errors.LockNotAvailable) as refused:
                waiting.execute("SELECT * FROM tracking")
    assert isinstance(in_our_words(refused.value), TryAgain)
    assert opened.rows("SELECT * FROM tracking") == []


def test_who_finds_all_connections_in_use_is_told_so(tmp_path: Path) -> None:
    opened = database(tmp_path, most=1)
    with opened.connection(), pytest.raises(TryAgain, match="in use"):
        opened.rows("SELECT 1")
    assert opened.rows("SELECT 1") == [(1,)]


def test_threads_share_the_connections(tmp_path: Path) -> None:
    opened = database(tmp_path, most=3)
    told: list[tuple[int, ...]] = []
    threads = [threading.Thread(target=lambda: told.extend(opened.rows("SELECT 1 FROM pg_sleep(0.02)"))) for _ in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert told == [(1,)] * 12


def test_connections_that_died_in_the_pool_are_not_lent(tmp_path: Path) -> None:
    opened = database(tmp_path, most=4)
    with opened.connection() as one, opened.connection() as two, opened.connection() as three:
        pids = [connection.info.backend_pid for connection in (one, two, three)]
    with opened.alone() as killer:
        killer.execute("SELECT pg_terminate_backend(pid, 5000) FROM unnest(%s::int[]) AS pid", (pids,))
    started = time.monotonic()
    assert [opened.rows("SELECT pg_backend_pid()")[0][0] in pids for _ in range(4)] == [False] * 4
    assert time.monotonic() - started < 1


def test_a_connection_lost_at_work_is_told_and_replaced(tmp_path: Path) -> None:
    opened = database(tmp_path)

    def work() -> None:
        with opened.connection() as connection:
            with opened.alone() as killer:
                killer.execute("SELECT pg_terminate_backend(%s, 5000)", (connection.info.backend_pid,))
            connection.execute("SELECT 1")

    with pytest.raises(TryAgain):
        work()
    assert opened.rows("SELECT 1") == [(1,)]


@pytest.mark.slow
@pytest.mark.parametrize("end", ["stop", "kill"])
def test_a_server_that_comes_back_is_found_again(end: str) -> None:
    with own_server() as server:
        opened = Database(server.dsn)
        try:
            assert opened.rows("SELECT 1") == [(1,)]
            getattr(server, end)()
            with pytest.raises(TryAgain):
                opened.rows("SELECT 1")
            server.start()
            started = time.monotonic()
            assert opened.rows("SELECT 1") == [(1,)]
            assert time.monotonic() - started < 3
        finally:
            opened.close()


@pytest.mark.parametrize("text", ["", "plain", "a\0b", "Zoë 東京 🐝", "\ud83d", "\udc1d\ud83d"])
def test_any_text_comes_back_from_its_bytes(text: str) -> None:
    assert to_text(to_bytes(text)) == text


def test_bytes_are_ordered_as_their_characters_are() -> None:
    texts = ["", "a", "a\0", "b", "é", "\ud7ff", "\ud800", "\ue000", "\uffff", "🐝"]
    shuffled = texts[5:] + texts[:5]
    assert sorted(shuffled, key=to_bytes) == texts


def test_a_digest_fits_a_bigint_and_is_the_same_for_ever() -> None:
    assert digest("62515", "k") == 6140207714640550495
    assert all(0 <= digest(str(n), "k") < 2**63 for n in range(1_000))
