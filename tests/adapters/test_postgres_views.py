"""What only the read models in PostgreSQL promise: who may write, how one set takes the place of another, and what is cleaned."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from adapters.memory.views import MemoryViews
from adapters.postgres import view_reading
from adapters.postgres import views as postgres_views
from adapters.postgres.columns import digest
from adapters.postgres.connect import Database
from adapters.postgres.view_tables import FOREVER, FORMER, LIVE, NEXT, Tables, account_digest
from adapters.postgres.views import PostgresViews
from domain.errors import BadInput, Conflict, TryAgain
from projections import bodies
from projections.bodies import Common, EntryRow, MeetingRow
from projections.views import Changes, ConnectionRow, ContactRow, DecisionRow, OutOfDate, Page
from tests.projections.scripted import eventful
from tests.servers.postgres import closing_databases as closing_databases
from tests.servers.postgres import database, dsn

A = "62515"
M1 = "0b0e6a5c-8d7f-5e21-a1b2-c3d4e5f60718"
BO = "bo".ljust(22, "_")
LONG = "x\0é" * 1000
"""No text of PostgreSQL's, and no key of an index."""
LOG, _ = eventful()


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Database]:
    made = database(tmp_path)
    yield made
    for suffix in (LIVE, NEXT, FORMER):
        Tables(made, suffix).drop()


@pytest.fixture
def views(opened: Database) -> PostgresViews:
    return PostgresViews(opened)


def entry(contact: str = "151", occurrence: int = 100, title: str = "v1") -> EntryRow:
    """An entry of meeting M1 that names Bo."""
    about = '"timeZone":null,"allDay":false,"status":"confirmed","location":null,"conferenceUrl":null,"organizer":null,"participants":[]'
    common = Common(A, M1, 1, 1000, "confirmed", bodies.INSTANTS, False, (BO,), f'"{title}"', about, '"origin":"calendar"')
    return EntryRow(common, contact, occurrence, 100, 200)


def contact(name: str) -> ContactRow:
    return ContactRow(A, name, BO, "live", None, b'{"id":"1","email":"bo@client.example","name":"Bo","company":null}')


def titles(views: PostgresViews) -> list[str]:
    return [msgspec.json.decode(hit.body)["title"] for hit in views.entries(A, "151", Page())]


def schemas(opened: Database) -> set[str]:
    rows = opened.rows("SELECT nspname FROM pg_namespace WHERE starts_with(nspname, %s)", (opened.schema,))
    return {name.removeprefix(opened.schema) for (name,) in rows}


def vacuumed(opened: Database) -> int:
    """How often the table of what entries say was vacuumed."""
    found = "SELECT vacuum_count FROM pg_stat_all_tables WHERE schemaname = %s AND relname = 'commons'"
    return int(opened.rows(found, (opened.schema + LIVE,))[0][0])


def wait_until(done: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(1000):
        if done():
            return
        pause.wait(0.01)
    raise TimeoutError


def somebody_waits(opened: Database) -> bool:
    return bool(opened.rows("SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND application_name = 'rendezvous'"))


# --- rows ------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 7, 1000], ids=lambda size: f"batches of {size}")
def test_a_log_comes_to_the_same_rows_as_in_memory(views: PostgresViews, size: int) -> None:
    memory = MemoryViews()
    LOG.fold_into(memory)
    LOG.fold_into(views, [size] * len(LOG.records))
    assert list(views.rows()) == list(memory.rows())
    assert views.counts() == memory.counts()


def test_ids_that_no_text_or_index_of_the_server_holds(views: PostgresViews) -> None:
    one, other = entry(LONG), entry(LONG + "y")
    rows = [contact(LONG), ContactRow(A, "2", None, "merged", LONG, b"")]
    decision = DecisionRow(A, 1, LONG, LONG, LONG, 1000, b"{}")
    connection = ConnectionRow(A, LONG, msgspec.json.encode({"calendar": LONG}))
    views.apply(Changes(entries=[one, other], contacts=rows, decisions=[decision], connections=[connection]), 1, 1000)
    assert [hit.body for hit in views.entries(A, LONG, Page())] == [one.body]
    assert [change.contact for change in views.changes(A, LONG, 0, 9)] == [LONG]
    assert (views.contact(A, LONG), views.contacts_merged_into(A, LONG)) == (rows[0], rows[1:])
    assert (views.decisions(A, event=LONG), views.decisions(A, subject=LONG)) == ([decision], [decision])
    assert (views.connections(A), views.connections_of_calendars([(A, LONG)])) == ([connection], [connection])


def test_a_page_is_read_from_its_index_however_long_the_timeline(views: PostgresViews, opened: Database) -> None:
    rows = [EntryRow(entry(title=str(n)).common, "151", n, n, n + 1) for n in range(2000)]
    views.apply(Changes(entries=rows), 1, 1000)
    statement = view_reading._entries(*[False] * 5, True)
    asked = digest(A, "151"), account_digest(A), FOREVER, 50
    with opened.transaction() as connection:
        tables = Tables(opened)
        connection.execute(tables.named("ANALYZE views.versions, views.commons").encode())
        plan = "\n".join(row[0] for row in connection.execute(tables.named(f"EXPLAIN (ANALYZE, COSTS OFF) {statement}"), asked))
    assert re.search(r"versions_of_timeline on versions v \(actual time=\S+ rows=51 ", plan), plan


def test_two_that_come_first_make_one_set(opened: Database) -> None:
    positions: list[int] = []
    threads = [threading.Thread(target=lambda: positions.append(PostgresViews(opened).position())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (positions, schemas(opened)) == ([0] * 4, {"", LIVE})


# --- who may write -----------------------------------------------------------------------------------------------------------------


def test_who_folded_from_where_another_has_gone_on_writes_nothing(opened: Database) -> None:
    """A batch that ends further ahead is refused, too: its beginning was folded by the other."""
    frozen, other = PostgresViews(opened), PostgresViews(opened)
    assert frozen.position() == other.position() == 0
    other.apply(Changes(entries=[entry(title="other")]), 3, 1000)
    with pytest.raises(Conflict):
        frozen.apply(Changes(entries=[entry(title="frozen")]), 5, 1000)
    assert (titles(other), other.position()) == (["other"], 3)
    assert frozen.position() == 3
    frozen.apply(Changes(entries=[entry(occurrence=5, title="frozen")]), 5, 1000)
    assert sorted(titles(other)) == ["frozen", "other"]


def test_a_question_of_another_thread_does_not_bring_a_late_writer_up_to_date(opened: Database) -> None:
    frozen, other = PostgresViews(opened), PostgresViews(opened)
    frozen.position()
    other.apply(Changes(), 3, 1000)
    reader = threading.Thread(target=frozen.position)
    reader.start()
    reader.join()
    with pytest.raises(Conflict):
        frozen.apply(Changes(), 5, 1000)


def test_a_write_that_fails_leaves_nothing_and_can_be_done_again(views: PostgresViews) -> None:
    views.position()
    with pytest.raises(msgspec.DecodeError):
        views.apply(Changes(entries=[entry()], connections=[ConnectionRow(A, "501", b"not JSON")]), 1, 1000)
    assert list(views.rows()) == []
    views.apply(Changes(entries=[entry()]), 1, 1000)
    assert (titles(views), views.position()) == (["v1"], 1)


def test_a_writer_whose_connection_was_lost_may_try_again(opened: Database, views: PostgresViews) -> None:
    failed: list[TryAgain] = []

    def fold() -> None:
        try:
            views.apply(Changes(entries=[entry()]), 1, 1000)
        except TryAgain as error:
            failed.append(error)
            views.position()
            views.apply(Changes(entries=[entry()]), 1, 1000)

    views.position()
    with opened.transaction() as connection:
        connection.execute(f"SELECT 1 FROM {opened.schema}{LIVE}.state FOR UPDATE".encode())
        folding = threading.Thread(target=fold)
        folding.start()
        kill = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE %s"
        wait_until(lambda: bool(opened.rows(kill, (f"UPDATE {opened.schema}{LIVE}.state%",))))
    folding.join(30)
    assert (len(failed), titles(views), views.position()) == (1, ["v1"], 1)


def test_who_may_only_read_is_answered(opened: Database, views: PostgresViews) -> None:
    """As on a standby."""
    standby = Database(f"{dsn()}?options=-c%20default_transaction_read_only%3Don", opened.schema)
    reading = PostgresViews(standby)
    with pytest.raises(TryAgain):
        reading.position()
    views.apply(Changes(entries=[entry()], contacts=[contact("151")]), 1, 1000)
    assert (reading.position(), titles(reading), reading.contact(A, "151")) == (1, ["v1"], contact("151"))
    assert list(reading.rows()) == list(views.rows())
    with pytest.raises(TryAgain):
        reading.apply(Changes(), 2, 1000)
    standby.close()


# --- a second set --------------------------------------------------------------------------------------------------------------------


def test_a_second_set_is_filled_beside_the_live_one_and_takes_its_place(opened: Database, views: PostgresViews, tmp_path: Path) -> None:
    views.apply(Changes(entries=[entry(title="live")]), 1, 1000)
    elsewhere = PostgresViews(database(tmp_path))
    for _ in range(8):  # whatever is prepared, is prepared now
        assert (titles(elsewhere), elsewhere.meeting(A, M1)) == (["live"], None)
    beside = views.beside()
    assert beside.position() == 0
    beside.apply(Changes(entries=[entry(title="new")]), 1, 1000)
    assert (titles(views), titles(beside), schemas(opened)) == (["live"], ["new"], {"", LIVE, NEXT})
    views.become(beside)
    assert (titles(views), titles(elsewhere), schemas(opened)) == (["new"], ["new"], {"", LIVE})
    elsewhere.position()
    elsewhere.apply(Changes(entries=[entry(occurrence=5, title="later")]), 2, 1000)
    assert sorted(titles(views)) == ["later", "new"]


def test_live_readers_are_given_no_id_again_after_a_switch(views: PostgresViews) -> None:
    views.apply(Changes(entries=[entry(occurrence=n) for n in range(9)]), 1, 1000)
    seen = views.changes(A, None, 0, 99)[-1].id
    beside = views.beside()
    beside.apply(Changes(entries=[entry()]), 1, 1000)
    views.become(beside)
    views.position()
    views.apply(Changes(entries=[entry(occurrence=5, title="later")]), 2, 1000)
    assert [msgspec.json.decode(change.body)["title"] for change in views.changes(A, None, seen, 99)] == ["later"]


def test_what_was_folded_from_a_set_that_was_replaced_is_not_written(opened: Database, views: PostgresViews) -> None:
    folding = PostgresViews(opened)
    folding.position()
    views.become(views.beside())
    with pytest.raises(Conflict):
        folding.apply(Changes(entries=[entry()]), 1, 1000)
    assert list(views.rows()) == []


def test_who_waits_to_write_while_the_sets_are_switched_writes_to_neither(opened: Database, views: PostgresViews) -> None:
    refused: list[str] = []

    def fold() -> None:
        views.position()
        began.set()
        at_it.wait(30)
        try:
            views.apply(Changes(entries=[entry()]), 1, 1000)
        except Conflict as error:
            refused.append(str(error))

    began, at_it, folding = threading.Event(), threading.Event(), threading.Thread(target=fold)
    folding.start()
    began.wait(30)
    beside = views.beside()
    with opened.transaction() as connection:
        views._replace(connection, beside._tables, Tables(opened, FORMER), beside._tables.state())
        at_it.set()
        wait_until(lambda: somebody_waits(opened))
    folding.join(30)
    assert refused == ["the read models are not where they were seen, at position 0"]
    assert (list(views.rows()), views.position()) == ([], 0)


def test_who_reads_all_of_it_while_the_sets_are_switched_reads_the_former_one(opened: Database, views: PostgresViews) -> None:
    views.apply(Changes(contacts=[contact("151")], entries=[entry(title="former")]), 1, 1000)
    before = list(views.rows())
    reading = views.rows()
    first = next(reading)
    with contextlib.closing(Database(f"{dsn()}?options=-c%20lock_timeout%3D50ms", opened.schema)) as hasty:
        switching = PostgresViews(hasty)
        switching.become(switching.beside())
        assert schemas(opened) == {"", LIVE, FORMER}, "what is read cannot be thrown away yet"
    assert [first, *reading] == before
    assert list(views.rows()) == []
    views.become(views.beside())
    assert schemas(opened) == {"", LIVE}


def test_a_set_that_was_begun_and_left_is_thrown_away(views: PostgresViews) -> None:
    left = views.beside()
    left.apply(Changes(entries=[entry()]), 1, 1000)
    begun = views.beside()
    assert list(begun.rows()) == []
    with pytest.raises(Conflict):
        left.apply(Changes(), 2, 1000)
    views.apply(Changes(entries=[entry(title="live")]), 1, 1000)
    assert titles(views) == ["live"]


def test_a_set_of_another_version_is_refused_and_can_be_replaced(opened: Database, views: PostgresViews) -> None:
    views.apply(Changes(entries=[entry()]), 1, 1000)
    with opened.connection() as connection:
        connection.execute(f"UPDATE {opened.schema}{LIVE}.state SET form = 99".encode())
    newer = PostgresViews(opened)
    with pytest.raises(OutOfDate, match="run `rendezvous rebuild`"):
        newer.position()
    beside = newer.beside()
    beside.apply(Changes(entries=[entry(title="new")]), 1, 1000)
    newer.become(beside)
    assert (titles(newer), newer.position()) == (["new"], 1)


def test_a_schema_whose_name_leaves_no_room_is_refused() -> None:
    with pytest.raises(BadInput):
        PostgresViews(Database("postgresql://h/d", "x" * 51))


# --- erasing -------------------------------------------------------------------------------------------------------------------------


def test_what_is_said_of_a_meeting_outlives_neither_its_last_entry_nor_its_purge(opened: Database, views: PostgresViews) -> None:
    """Entries share what they say. Nothing keeps it once no version says it, but for the meeting as it is shown now."""
    shared, shown = entry(title="shared").common, entry(title="shown").common
    rows = [EntryRow(shared, name, 100, 100, 200) for name in ("151", "152")]
    meeting = MeetingRow(A, M1, None, 1, 1000, None, b"{}", shown, 100, 200)

    def said() -> list[str]:
        return sorted(title for (title,) in opened.rows(f"SELECT title FROM {opened.schema}{LIVE}.commons"))

    steps = [
        (Changes(entries=[*rows, entry(title="alone")], meetings=[meeting]), ['"alone"', '"shared"', '"shown"']),
        (Changes(forgotten=[(A, "151")]), ['"shared"', '"shown"']),
        (Changes(purged=[(A, M1)]), ['"shown"']),
        (Changes(meetings=[MeetingRow(A, M1, None, 2, 2000)]), []),
    ]
    for position, (changes, left) in enumerate(steps, 1):
        views.apply(changes, position, 1000)
        assert said() == left


def test_former_rows_are_cleaned_away_after_an_erasure_only(opened: Database, views: PostgresViews) -> None:
    views.apply(Changes(entries=[entry()]), 1, 1000)
    assert vacuumed(opened) == 0
    for position, erasing in enumerate([Changes(scrubbed=[(A, BO)]), Changes(purged=[(A, M1)]), Changes(forgotten=[(A, "151")])], 2):
        views.apply(erasing, position, 1000)
        assert vacuumed(opened) == position - 1
    assert not Tables(opened).state().unclean


def test_after_a_long_cleaning_there_is_a_rest(opened: Database, views: PostgresViews, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_views, "_SHORT", 0)
    monkeypatch.setattr(postgres_views, "_REST", 10**9)
    views.apply(Changes(scrubbed=[(A, BO)]), 1, 1000)
    views.apply(Changes(scrubbed=[(A, BO)]), 2, 1000)
    assert (vacuumed(opened), Tables(opened).state().unclean) == (1, True)
    views.close()
    assert (vacuumed(opened), Tables(opened).state().unclean) == (2, False)


def test_a_cleaning_that_somebody_stood_in_the_way_of_is_done_by_a_later_batch(opened: Database) -> None:
    hasty = Database(f"{dsn()}?options=-c%20lock_timeout%3D50ms", opened.schema)
    with contextlib.closing(hasty):
        views = PostgresViews(hasty)
        views.apply(Changes(entries=[entry()]), 1, 1000)
        with opened.transaction() as other:
            other.execute(f"LOCK TABLE {opened.schema}{LIVE}.commons IN SHARE UPDATE EXCLUSIVE MODE".encode())
            views.apply(Changes(scrubbed=[(A, BO)]), 2, 1000)
            assert (vacuumed(opened), Tables(opened).state().unclean) == (0, True)
        views.apply(Changes(), 3, 1000)
        assert (vacuumed(opened), Tables(opened).state().unclean) == (1, False)
