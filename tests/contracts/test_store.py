"""One examination for every store; the memory twin sits it first. A new store is one line in `STORES`, and in `LASTING` too if what
it holds outlives the process."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from uuid import UUID

import pytest

from adapters.memory.store import MemoryStore
from adapters.postgres.deliveries import PostgresDeliveries
from adapters.postgres.store import PostgresStore
from adapters.recording import decode
from adapters.sqlite.deliveries import SqliteDeliveries
from adapters.sqlite.store import SqliteStore
from domain.errors import Conflict
from domain.events import ContactRecorded, Content, Event
from domain.outside import Deliveries, Delivery, Link, Recall, Request
from domain.ports import IndexChange, Place, Recorded, Snapshot, Store
from tests.servers.postgres import closing_databases as closing_databases
from tests.servers.postgres import database

Make = Callable[[Path], Store]
LASTING: dict[str, Make] = {
    "sqlite": lambda folder: SqliteStore(folder / "store.db"),
    "postgres": lambda folder: PostgresStore(database(folder)),
}
STORES: dict[str, Make] = {"memory": lambda _: MemoryStore(), **LASTING}
REQUESTED: dict[str, Callable[[Path], tuple[Store, Deliveries]]] = {
    "memory": lambda _: ((store := MemoryStore()), store.deliveries),
    "sqlite": lambda folder: (SqliteStore(folder / "store.db"), SqliteDeliveries(folder / "store.db", lambda: 1_000)),
    "postgres": lambda folder: (PostgresStore(database(folder)), PostgresDeliveries(database(folder), lambda: 1_000)),
}
TABLES = ["identities", "people", "addresses", "likeness"]
MANY = ["people", "addresses", "likeness"]
ACME, BETA = "62515", "70001"
ONE, TWO, THREE = (UUID(int=n) for n in (1, 2, 3))


@pytest.fixture(params=STORES.values(), ids=list(STORES))
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    made: Store = request.param(tmp_path)
    return made


def told(n: int, text: str = "") -> Event:
    return ContactRecorded(account=ACME, at=n, recorded_at=n + 1, cause="c", contact=str(n), company=text or None)


def recorded(stream: UUID, *versions: int) -> list[Recorded]:
    return [Recorded(stream, version, told(version)) for version in versions]


def change(table: str, key: str, value: str, gone: bool = False, account: str = ACME) -> IndexChange:
    return IndexChange(table, account, key, value, gone)


def values(store: Store, table: str, key: str, account: str = ACME) -> list[str]:
    return sorted(store.look_up(table, [(account, key)]).get((account, key), ()))


# --- events ---------------------------------------------------------------------------------------------------------------


def test_an_empty_store_has_nothing(store: Store) -> None:
    assert (store.end(), store.place("0"), store.load([ONE]), store.notifications(0, 10)) == (0, 0, {}, [])
    assert (store.snapshots([ONE]), [store.look_up(table, [(ACME, "k")]) for table in TABLES]) == ({}, [{}] * 4)


def test_asking_for_nothing_is_answered_with_nothing(store: Store) -> None:
    store.commit(recorded(ONE, 1), [change("people", "k", "v")], [], [Snapshot(ONE, 1, "k", b"{}")])
    assert (store.load([]), store.snapshots([]), store.look_up("people", [])) == ({}, {}, {})


def test_committing_nothing_is_harmless(store: Store) -> None:
    store.commit([], [], [])
    assert store.end() == 0


def test_events_are_loaded_as_they_were_recorded_in_the_order_of_their_versions(store: Store) -> None:
    store.commit([*recorded(ONE, 1, 2), *recorded(TWO, 1)], [], [])
    store.commit(recorded(ONE, 3), [], [])
    assert store.load([THREE, TWO, ONE]) == {ONE: [told(1), told(2), told(3)], TWO: [told(1)]}


def test_a_stream_asked_for_twice_is_loaded_once(store: Store) -> None:
    store.commit(recorded(ONE, 1, 2), [], [])
    assert store.load([ONE, ONE]) == {ONE: [told(1), told(2)]}


def test_many_streams_are_loaded_at_once(store: Store) -> None:
    streams = [UUID(int=n) for n in range(1, 2_001)]
    store.commit([one for stream in streams for one in recorded(stream, 1, 2)], [], [])
    found = store.load(streams)
    assert (len(found), set(map(len, found.values()))) == (2_000, {2})


AFTER = {
    "the first": (1, [2, 3]),
    "nothing": (0, [1, 2, 3]),
    "the last": (3, None),
    "what is not there yet": (9, None),
}


@pytest.mark.parametrize(("after", "expected"), AFTER.values(), ids=AFTER.keys())
def test_events_after_a_version_are_loaded(store: Store, after: int, expected: list[int] | None) -> None:
    store.commit([*recorded(ONE, 1, 2, 3), *recorded(TWO, 1, 2)], [], [])
    wanted = {TWO: [told(1), told(2)]}
    if expected is not None:
        wanted[ONE] = [told(version) for version in expected]
    assert store.load([ONE, TWO], {ONE: after}) == wanted


def test_a_version_of_a_stream_nobody_asked_for_loads_nothing(store: Store) -> None:
    store.commit([*recorded(ONE, 1, 2), *recorded(TWO, 1, 2)], [], [])
    assert store.load([TWO], {ONE: 1, TWO: 1}) == {TWO: [told(2)]}


TEXTS = {
    "a null": "a\0b",
    "another script": "Zoë, 東京 and 🐝",
    "quotes and backslashes": '\'; DROP TABLE "x" -- \\ \\x00 {} %s %(a)s',
    "very long": "長" * 400_000,
}


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS.keys())
def test_an_event_may_hold_any_text(store: Store, text: str) -> None:
    store.commit([Recorded(ONE, 1, told(1, text))], [], [])
    [(_, _, _, name, body)] = store.notifications(0, 1)
    assert (store.load([ONE]), decode(name, body)) == ({ONE: [told(1, text)]}, told(1, text))


# --- refusals -------------------------------------------------------------------------------------------------------------


def everything(store: Store) -> object:
    looked_up = [store.look_up(table, [(ACME, "k"), (ACME, "new")]) for table in TABLES]
    return store.end(), store.load([ONE, TWO, THREE]), store.place("0"), store.place("1"), looked_up, store.snapshots([ONE, TWO, THREE])


REFUSED = {
    "a version that is taken": (recorded(ONE, 2), 20),
    "a version that is taken, behind one that is free": ([*recorded(THREE, 1), *recorded(ONE, 1)], 20),
    "a version twice": (recorded(THREE, 1, 1), 20),
    "a place that was reached": (recorded(THREE, 1), 10),
    "a place that was passed": (recorded(THREE, 1), 9),
    "a place before the first": (recorded(THREE, 1), 0),
}


@pytest.mark.parametrize(("events", "position"), REFUSED.values(), ids=REFUSED.keys())
def test_a_refused_commit_leaves_nothing_behind(store: Store, events: list[Recorded], position: int) -> None:
    store.commit(recorded(ONE, 1, 2), [change("people", "k", "v")], [Place("0", 10)], [Snapshot(ONE, 2, "k", b"1")])
    before = everything(store)
    index = [*(change(table, "new", "v") for table in TABLES), change("people", "k", "v", gone=True)]
    with pytest.raises(Conflict):
        store.commit(events, index, [Place("1", 5), Place("0", position)], [Snapshot(ONE, 3, "k", b"2"), Snapshot(THREE, 1, "k", b"3")])
    assert everything(store) == before
    store.commit(recorded(ONE, 3), [], [Place("0", 11)])
    assert ([id for id, *_ in store.notifications(0, 10)], store.place("0")) == ([1, 2, 3], 11), "and the next one passes"


def test_a_place_may_be_moved_without_events(store: Store) -> None:
    store.commit([], [], [Place("0", 7), Place("1", 1)])
    store.commit([], [], [Place("0", 8)])
    assert [store.place(partition) for partition in ("0", "1", "2")] == [8, 1, 0]


def test_one_place_that_is_not_ahead_refuses_all(store: Store) -> None:
    store.commit([], [], [Place("0", 7), Place("1", 7)])
    with pytest.raises(Conflict):
        store.commit(recorded(ONE, 1), [], [Place("0", 8), Place("1", 7)])
    assert (store.place("0"), store.end()) == (7, 0)


def test_a_position_may_be_as_large_as_a_log_can_count(store: Store) -> None:
    store.commit([], [], [Place("0", 2**63 - 1)])
    assert store.place("0") == 2**63 - 1


def race(count: int, act: Callable[[int], None]) -> list[bool]:
    """Which of so many threads, let go at once, got through; any error that is not a conflict fails the test."""
    gate, passed = threading.Barrier(count), [False] * count
    failed: list[BaseException] = []

    def run(n: int) -> None:
        gate.wait()
        try:
            act(n)
            passed[n] = True
        except Conflict:
            pass
        except BaseException as error:  # whatever it is, the test tells it
            failed.append(error)

    threads = [threading.Thread(target=run, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert failed == []
    return passed


@pytest.mark.parametrize("make", LASTING.values(), ids=LASTING.keys())
def test_of_writers_that_race_for_a_place_one_wins(make: Make, tmp_path: Path) -> None:
    stores = [make(tmp_path) for _ in range(4)]
    passed = race(4, lambda n: stores[n].commit(recorded(UUID(int=n + 1), 1), [change("people", "k", str(n))], [Place("0", 5)]))
    winner = passed.index(True)
    assert (sum(passed), list(stores[0].load([UUID(int=n + 1) for n in range(4)]))) == (1, [UUID(int=winner + 1)])
    assert values(stores[0], "people", "k") == [str(winner)]


@pytest.mark.parametrize("make", LASTING.values(), ids=LASTING.keys())
def test_of_writers_that_race_for_a_version_one_wins(make: Make, tmp_path: Path) -> None:
    stores = [make(tmp_path) for _ in range(4)]
    passed = race(4, lambda n: stores[n].commit([Recorded(ONE, 1, told(n))], [], [Place(str(n), 1)]))
    winner = passed.index(True)
    assert (sum(passed), stores[0].load([ONE])) == (1, {ONE: [told(winner)]})
    assert [stores[0].place(str(n)) for n in range(4)] == [int(n == winner) for n in range(4)]


# --- notifications --------------------------------------------------------------------------------------------------------


def test_notifications_tell_events_in_the_order_of_recording(store: Store) -> None:
    store.commit([*recorded(TWO, 1), *recorded(ONE, 1, 2)], [], [])
    store.commit(recorded(TWO, 2), [], [])
    found = store.notifications(0, 10)
    assert [(id, stream, version) for id, stream, version, _, _ in found] == [(1, TWO, 1), (2, ONE, 1), (3, ONE, 2), (4, TWO, 2)]
    assert [decode(name, body) for *_, name, body in found] == [told(1), told(1), told(2), told(2)]
    assert (found[0][3], store.end()) == ("contact.recorded.v1", 4)


@pytest.mark.parametrize(
    ("after", "limit", "expected"),
    [
        pytest.param(0, 2, [1, 2], id="the first"),
        pytest.param(2, 2, [3, 4], id="in the middle"),
        pytest.param(4, 9, [5], id="the last"),
        pytest.param(5, 9, [], id="behind the last"),
        pytest.param(99, 9, [], id="far behind the last"),
    ],
)
def test_notifications_are_read_in_pieces(store: Store, after: int, limit: int, expected: list[int]) -> None:
    store.commit(recorded(ONE, 1, 2, 3, 4, 5), [], [])
    assert [id for id, *_ in store.notifications(after, limit)] == expected


@pytest.mark.parametrize("make", LASTING.values(), ids=LASTING.keys())
def test_who_follows_the_notifications_misses_none_while_several_write(make: Make, tmp_path: Path) -> None:
    """Refused commits in between leave no gap either."""
    stores, reader = [make(tmp_path) for _ in range(3)], make(tmp_path)
    seen: list[tuple[int, UUID, int]] = []
    done = threading.Event()

    def follow() -> None:
        while not (done.is_set() and len(seen) == reader.end()):
            seen.extend((id, stream, version) for id, stream, version, _, _ in reader.notifications(seen[-1][0] if seen else 0, 50))

    def write(n: int) -> None:
        for version in range(1, 31):
            stores[n].commit([Recorded(UUID(int=n + 1), v, told(v)) for v in (2 * version - 1, 2 * version)], [], [Place(str(n), version)])
            with pytest.raises(Conflict):
                stores[n].commit(recorded(UUID(int=n + 1), 2 * version + 1), [], [Place(str(n), version)])

    following = threading.Thread(target=follow)
    following.start()
    passed = race(3, write)
    done.set()
    following.join(30)
    assert (passed, [id for id, _, _ in seen]) == ([True] * 3, list(range(1, 181)))
    for n in range(3):
        assert [version for _, stream, version in seen if stream.int == n + 1] == list(range(1, 61))


# --- indexes --------------------------------------------------------------------------------------------------------------


def test_of_the_values_of_an_identity_the_last_one_stays(store: Store) -> None:
    store.commit([], [change("identities", "k", "a"), change("identities", "k", "b")], [])
    assert values(store, "identities", "k") == ["b"]
    store.commit([], [change("identities", "k", "c")], [])
    assert values(store, "identities", "k") == ["c"]


@pytest.mark.parametrize("table", MANY)
def test_the_other_indexes_have_several_values_each_of_them_once(store: Store, table: str) -> None:
    store.commit([], [change(table, "k", "b"), change(table, "k", "a"), change(table, "k", "b")], [])
    store.commit([], [change(table, "k", "c"), change(table, "k", "a")], [])
    assert (values(store, table, "k"), values(store, table, "other")) == (["a", "b", "c"], [])


@pytest.mark.parametrize("table", TABLES)
def test_what_is_gone_is_gone_and_the_rest_stays(store: Store, table: str) -> None:
    store.commit([], [change(table, "k", "a"), change(table, "other", "a")], [])
    store.commit([], [change(table, "k", "a", gone=True), change(table, "k", "never there", gone=True)], [])
    assert (values(store, table, "k"), values(store, table, "other")) == ([], ["a"])


@pytest.mark.parametrize("table", TABLES)
def test_a_value_that_is_no_longer_there_does_not_take_its_successor_along(store: Store, table: str) -> None:
    store.commit([], [change(table, "k", "a")], [])
    store.commit([], [change(table, "k", "b")], [])
    store.commit([], [change(table, "k", "a", gone=True)], [])
    assert values(store, table, "k") == ["b"]


SEQUENCES = {
    "added and gone": ([("a", False), ("a", True)], []),
    "gone and added": ([("a", True), ("a", False)], ["a"]),
    "added, gone and added": ([("a", False), ("a", True), ("a", False)], ["a"]),
    "gone, and another one added": ([("z", True), ("a", False)], ["a"]),
}


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize(("steps", "expected"), SEQUENCES.values(), ids=SEQUENCES.keys())
def test_changes_of_one_entry_are_made_in_their_order(store: Store, table: str, steps: list[tuple[str, bool]], expected: list[str]) -> None:
    store.commit([], [change(table, "k", "z")], [])
    store.commit([], [change(table, "k", "z", gone=True), *(change(table, "k", value, gone) for value, gone in steps)], [])
    assert values(store, table, "k") == expected


@pytest.mark.parametrize("table", TABLES)
def test_accounts_and_tables_do_not_see_each_others_entries(store: Store, table: str) -> None:
    store.commit([], [change(table, "k", "a"), change(table, "k", "b", account=BETA)], [])
    assert (values(store, table, "k"), values(store, table, "k", BETA)) == (["a"], ["b"])
    assert [values(store, other, "k") for other in TABLES if other != table] == [[], [], []]


def test_an_account_and_a_key_are_not_confused_with_another_pair(store: Store) -> None:
    store.commit([], [change("people", "1k", "a", account="1"), change("people", "k", "b", account="11")], [])
    assert (values(store, "people", "1k", "1"), values(store, "people", "k", "11"), values(store, "people", "11k", "")) == (
        ["a"],
        ["b"],
        [],
    )


@pytest.mark.parametrize("table", TABLES)
def test_many_keys_are_looked_up_at_once(store: Store, table: str) -> None:
    store.commit([], [change(table, f"k{n}", f"v{n}") for n in range(3_000)], [])
    found = store.look_up(table, [(ACME, f"k{n}") for n in range(1_000, 5_000)])
    assert found == {(ACME, f"k{n}"): (f"v{n}",) for n in range(1_000, 3_000)}


@pytest.mark.parametrize("table", TABLES)
def test_many_accounts_are_looked_up_at_once(store: Store, table: str) -> None:
    store.commit([], [change(table, "k", f"v{n}", account=f"{n}") for n in range(300)], [])
    found = store.look_up(table, [*((f"{n}", "k") for n in range(100, 400)), ("100", "other")])
    assert found == {(f"{n}", "k"): (f"v{n}",) for n in range(100, 300)}


def test_a_key_asked_for_twice_is_answered_once(store: Store) -> None:
    store.commit([], [change("people", "k", "a"), change("people", "k", "b")], [])
    assert {at: sorted(found) for at, found in store.look_up("people", [(ACME, "k"), (ACME, "k")]).items()} == {(ACME, "k"): ["a", "b"]}


KEYS = {**TEXTS, "empty": "", "half a surrogate pair": "\ud83d", "the other half": "\udc1d"}


@pytest.mark.parametrize("key", KEYS.values(), ids=KEYS.keys())
@pytest.mark.parametrize("table", TABLES)
def test_a_key_may_be_any_text(store: Store, table: str, key: str) -> None:
    store.commit([], [change(table, key, "a"), change(table, f"{key}x", "b")], [])
    assert store.look_up(table, [(ACME, key), (ACME, f"{key}y")]) == {(ACME, key): ("a",)}


@pytest.mark.parametrize("value", [*TEXTS.values(), ""], ids=[*TEXTS, "empty"])
@pytest.mark.parametrize("table", TABLES)
def test_a_value_may_be_any_text(store: Store, table: str, value: str) -> None:
    store.commit([], [change(table, "k", value), change(table, "k", value)], [])
    assert values(store, table, "k") == [value]
    store.commit([], [change(table, "k", value, gone=True)], [])
    assert values(store, table, "k") == []


@pytest.mark.parametrize("make", LASTING.values(), ids=LASTING.keys())
def test_a_table_that_is_no_index_cannot_be_looked_up(make: Make, tmp_path: Path) -> None:
    with pytest.raises(ValueError):
        make(tmp_path).look_up("stored_events", [(ACME, "k")])


# --- snapshots ------------------------------------------------------------------------------------------------------------


def test_a_snapshot_is_read_as_it_was_taken_and_replaced_by_the_next(store: Store) -> None:
    first, second = Snapshot(ONE, 1, "meeting.1", b'{"a": 1}'), Snapshot(ONE, 2, "meeting.2", b"\x00\xff")
    store.commit(recorded(ONE, 1), [], [], [first])
    assert store.snapshots([TWO, ONE, ONE]) == {ONE: first}
    other = Snapshot(TWO, 1, "meeting.1", b"")
    store.commit([*recorded(ONE, 2), *recorded(TWO, 1)], [], [], [second, other])
    assert store.snapshots([ONE, TWO]) == {ONE: second, TWO: other}


def test_of_two_snapshots_of_a_stream_in_one_commit_the_later_stays(store: Store) -> None:
    store.commit(recorded(ONE, 1, 2), [], [], [Snapshot(ONE, 1, "k", b"1"), Snapshot(ONE, 2, "k", b"2")])
    assert store.snapshots([ONE]) == {ONE: Snapshot(ONE, 2, "k", b"2")}


def test_many_snapshots_are_read_at_once(store: Store) -> None:
    taken = [Snapshot(UUID(int=n), 1, "k", str(n).encode()) for n in range(1, 1_501)]
    store.commit([], [], [], taken)
    assert store.snapshots([one.stream for one in taken]) == {one.stream: one for one in taken}


# --- stores that last -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", LASTING.values(), ids=LASTING.keys())
def test_what_was_committed_is_there_when_the_store_is_opened_again(make: Make, tmp_path: Path) -> None:
    snapshot = Snapshot(ONE, 2, "k", b"{}")
    make(tmp_path).commit(recorded(ONE, 1, 2), [change(table, "k", "v") for table in TABLES], [Place("0", 3)], [snapshot])
    again = make(tmp_path)
    assert (again.load([ONE]), again.place("0"), again.end()) == ({ONE: [told(1), told(2)]}, 3, 2)
    assert ([values(again, table, "k") for table in TABLES], again.snapshots([ONE])) == ([["v"]] * 4, {ONE: snapshot})


@pytest.mark.parametrize("make", LASTING.values(), ids=LASTING.keys())
def test_what_one_opening_commits_another_sees_at_once(make: Make, tmp_path: Path) -> None:
    here, there = make(tmp_path), make(tmp_path)
    assert (there.end(), there.load([ONE])) == (0, {})
    here.commit(recorded(ONE, 1), [change("people", "k", "v")], [Place("0", 3)])
    assert (there.end(), there.load([ONE]), there.place("0"), values(there, "people", "k")) == (1, {ONE: [told(1)]}, 3, ["v"])


# --- outside writes ----------------------------------------------------------------------------------------------------------


@pytest.fixture(params=REQUESTED.values(), ids=list(REQUESTED))
def both(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Store, Deliveries]:
    made: tuple[Store, Deliveries] = request.param(tmp_path)
    return made


def asked(id: str) -> Request:
    content = Content(datetime(2026, 3, 9, 10), "PT1H", "Kick-off")
    return Request(id=id, link=Link(ACME, "google", "501"), meeting=ONE, action="create", content=content, requested_at=100)


def test_what_is_asked_for_is_kept_with_the_events_it_follows_from(both: tuple[Store, Deliveries]) -> None:
    store, deliveries = both
    store.commit(recorded(ONE, 1), [], [Place("0", 1)], (), [asked("a")])
    assert (store.end(), deliveries.get("a")) == (1, Delivery(request=asked("a"), due_at=100))
    store.commit([], [], [], (), [asked("a"), asked("b")])
    store.commit([], [], [], (), [Recall(ACME, ONE.hex, "it turned private"), asked("c")])
    states = {one.request.id: one.state for one in deliveries.all(None, None, "", 9)}
    assert states == {"a": "superseded", "b": "superseded", "c": "waiting"}, "and by the rules of deliveries"


@pytest.mark.parametrize(("events", "position"), REFUSED.values(), ids=REFUSED.keys())
def test_a_refused_commit_asks_for_nothing(both: tuple[Store, Deliveries], events: list[Recorded], position: int) -> None:
    store, deliveries = both
    store.commit(recorded(ONE, 1, 2), [], [Place("0", 10)])
    with pytest.raises(Conflict):
        store.commit(events, [], [Place("0", position)], (), [asked("a")])
    assert (store.end(), store.place("0"), deliveries.get("a"), deliveries.claim(1_000, 500, 9)) == (2, 10, None, [])
    store.commit(recorded(ONE, 3), [], [Place("0", 11)], (), [asked("a")])
    assert [one.request.id for one in deliveries.claim(1_000, 500, 9)] == ["a"]
