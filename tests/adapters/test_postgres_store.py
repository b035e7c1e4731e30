"""What only the PostgreSQL store promises: who holds it up and who does not, how it finds its rows, and the library's own way in."""

from __future__ import annotations

import threading
from pathlib import Path
from uuid import UUID

import pytest
from eventsourcing.persistence import StoredEvent, Tracking

from adapters.postgres.connect import Database
from adapters.postgres.store import PostgresStore
from adapters.recording import encode
from domain.errors import Conflict, TryAgain
from domain.events import ContactRecorded
from domain.ports import IndexChange, Place, Recorded
from tests.servers.postgres import closing_databases as closing_databases
from tests.servers.postgres import database

ACME = "62515"
ONE = UUID(int=1)


def told(n: int) -> ContactRecorded:
    return ContactRecorded(account=ACME, at=n, recorded_at=n, cause="c", contact=str(n))


@pytest.fixture
def opened(tmp_path: Path) -> Database:
    return database(tmp_path)


@pytest.fixture
def store(opened: Database) -> PostgresStore:
    return PostgresStore(opened)


def test_writers_take_turns_from_the_first_statement_to_the_last(opened: Database, store: PostgresStore) -> None:
    """Who has begun is waited for, so that no number becomes visible before a smaller one."""
    done = threading.Event()

    def write() -> None:
        store.commit([Recorded(ONE, 1, told(1))], [], [])
        done.set()

    with opened.transaction() as another:
        another.execute("SELECT pg_advisory_xact_lock(%s)", (opened.lock_key("store"),))
        writing = threading.Thread(target=write)
        writing.start()
        waiting = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted AND pid <> pg_backend_pid()"
        while opened.rows(waiting)[0][0] == 0:
            assert not done.is_set()
        assert (store.end(), store.load([ONE])) == (0, {}), "readers wait for nobody"
    writing.join(30)
    assert (done.is_set(), store.end()) == (True, 1)


def test_a_vacuum_of_the_events_holds_up_no_batch(opened: Database, store: PostgresStore) -> None:
    with opened.transaction() as vacuum:
        vacuum.execute("LOCK TABLE stored_events IN SHARE UPDATE EXCLUSIVE MODE")
        store.commit([Recorded(ONE, 1, told(1))], [], [Place("0", 1)])
    assert store.end() == 1


def test_a_writer_whose_connection_was_lost_may_try_again(opened: Database, store: PostgresStore) -> None:
    failed: list[BaseException] = []

    def write() -> None:
        try:
            store.commit([Recorded(ONE, 1, told(1))], [], [Place("0", 1)])
        except TryAgain as error:
            failed.append(error)

    with opened.transaction() as another:
        another.execute("SELECT pg_advisory_xact_lock(%s)", (opened.lock_key("store"),))
        writing = threading.Thread(target=write)
        writing.start()
        kill = "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
        while not opened.rows(kill):
            pass
        writing.join(30)
    assert (len(failed), isinstance(failed[0], Conflict), store.end(), store.place("0")) == (1, False, 0, 0)
    store.commit([Recorded(ONE, 1, told(1))], [], [Place("0", 1)])
    assert (store.end(), store.place("0")) == (1, 1)


QUESTIONS = {
    "events of streams": "SELECT e.topic FROM unnest(%s::uuid[]) AS u (stream), LATERAL (SELECT * FROM stored_events"
    " WHERE originator_id = u.stream AND originator_version > 0 ORDER BY originator_version) AS e",
    "entries of keys": "SELECT e.v FROM unnest(%s::bigint[]) AS u (k), LATERAL (SELECT v FROM people AS t WHERE t.k = u.k OFFSET 0) AS e",
}


@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS.keys())
def test_rows_are_found_by_an_index_also_before_the_server_has_counted_them(question: str, opened: Database, store: PostgresStore) -> None:
    streams = [UUID(int=n) for n in range(1, 4_001)]
    store.commit([Recorded(one, 1, told(1)) for one in streams], [IndexChange("people", ACME, one.hex, "v") for one in streams], [])
    keys = streams if "uuid" in question else list(range(4_000))
    plan = "\n".join(line for (line,) in opened.rows(f"EXPLAIN {question}", (keys,)))
    assert ("Seq Scan" in plan, "Index" in plan) == (False, True), plan


def test_a_contact_id_longer_than_an_index_takes_is_an_entry_like_any_other(store: PostgresStore) -> None:
    """Random, because the server compresses the rest."""
    long = "".join(chr(0x4E00 + (n * 7_919) % 20_000) for n in range(1_024))
    other = long[:-1] + "x"
    for _ in range(2):
        store.commit([], [IndexChange("addresses", ACME, "k", one) for one in (long, other)], [])
    assert sorted(store.look_up("addresses", [(ACME, "k")])[ACME, "k"]) == sorted([long, other])
    store.commit([], [IndexChange("addresses", ACME, "k", long, gone=True)], [])
    assert store.look_up("addresses", [(ACME, "k")]) == {(ACME, "k"): (other,)}


def test_nothing_of_a_key_or_an_account_can_be_read_in_an_index(opened: Database, store: PostgresStore) -> None:
    store.commit([], [IndexChange("people", ACME, "bo@client.example", "m")], [])
    assert [type(k) for (k,) in opened.rows("SELECT k FROM people")] == [int]


def test_the_librarys_own_way_in_and_out_leads_to_the_same_rows(store: PostgresStore) -> None:
    recorder = store._recorder
    store.commit([Recorded(ONE, 1, told(1))], [], [Place("0", 4)])
    recorder.insert_events([StoredEvent(ONE, 2, "contact.recorded.v1", encode(told(2)))], tracking=Tracking("source:0", 5))
    assert (store.load([ONE]), store.place("0")) == ({ONE: [told(1), told(2)]}, 5)
    assert [(n.id, n.originator_id, n.originator_version) for n in recorder.select_notifications(1, 10)] == [(1, ONE, 1), (2, ONE, 2)]
    assert [e.originator_version for e in recorder.select_events(ONE, gt=1)] == [2]
    assert (recorder.max_notification_id(), recorder.max_tracking_id("source:0")) == (2, 5)
    with pytest.raises(Conflict):
        recorder.insert_events([], tracking=Tracking("source:0", 5))
    assert store.end() == 2, "and our own reading goes on as before"
