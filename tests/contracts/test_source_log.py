"""One examination for every source log; the memory twin sits it first. A new adapter is one line in `LOGS`, and in `LASTING` too
if its records outlive the process.

A log in `FORGETFUL` is excused from one promise: to know a repetition of what another object appended, or the same one very long ago.
Such a repetition is another record of it, with the same account and event, and deciding settles it.
"""

from __future__ import annotations

import random
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.kafka.source_log import KafkaSourceLog
from adapters.memory.log import MemorySourceLog
from adapters.sqlite.connect import connect
from adapters.sqlite.log import SqliteSourceLog
from domain.errors import Stop, TryAgain
from domain.ports import Appended, LogRecord, NewRecord, SourceLog
from tests.servers import kafka

ROOT = Path(__file__).parents[2]
Make = Callable[[Path], SourceLog]
LASTING: dict[str, Make] = {
    "sqlite": lambda folder: SqliteSourceLog(folder / "log.db"),
    "kafka": lambda folder: kafka.opened(KafkaSourceLog(kafka.of_folder(folder))),
}
LOGS: dict[str, Make] = {"memory": lambda _: MemorySourceLog(), **LASTING}
FORGETFUL = {"kafka"}


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    kafka.close_all()


@pytest.fixture(params=LOGS.values(), ids=list(LOGS))
def log(request: pytest.FixtureRequest, tmp_path: Path) -> SourceLog:
    made: SourceLog = request.param(tmp_path)
    return made


def record(event: int, account: str = "62515", body: bytes = b"{}") -> NewRecord:
    return NewRecord(account, event, body)


def events(log: SourceLog, partition: str = "0") -> list[int]:
    return [kept.event for kept in log.read(partition, 0, 1_000_000)]


# --- appending and reading --------------------------------------------------------------------------------------------


def test_an_empty_log_has_an_end_and_nothing_else(log: SourceLog) -> None:
    [partition] = log.partitions()
    assert (log.end(partition), log.read(partition, 0, 10), log.position_at(partition, 2**60)) == (0, [], 0)


def test_what_was_appended_is_read_as_it_was(log: SourceLog) -> None:
    largest = 2**63 - 1
    log.append([record(7, body=b"\x00\xff"), record(largest, "another account é", b"")], 1_000)
    assert log.read("0", 0, 10) == [
        LogRecord("0", 1, "62515", 7, 1_000, b"\x00\xff"),
        LogRecord("0", 2, "another account é", largest, 1_000, b""),
    ]


def test_each_record_is_told_where_it_stands(log: SourceLog) -> None:
    assert log.append([record(7), record(8)], 1) == [Appended("0", 1, False), Appended("0", 2, False)]
    assert log.append([record(9)], 2) == [Appended("0", 3, False)]


def test_nothing_appended_is_nothing_done(log: SourceLog) -> None:
    assert (log.append([], 1), log.end("0")) == ([], 0)


def test_a_reader_gets_what_stands_after_its_position_and_no_more_than_it_asked_for(log: SourceLog) -> None:
    log.append([record(event) for event in range(1, 8)], 1)
    pages = [[kept.position for kept in log.read("0", after, 3)] for after in (0, 3, 6, 7)]
    assert (pages, log.end("0")) == ([[1, 2, 3], [4, 5, 6], [7], []], 7)


def test_a_partition_that_is_not_there_is_empty(log: SourceLog) -> None:
    log.append([record(7)], 1)
    assert (log.read("1", 0, 10), log.end("1"), log.position_at("1", 9)) == ([], 0, 0)


# --- the same event again ---------------------------------------------------------------------------------------------


def test_the_same_event_again_is_a_duplicate_of_the_first_whatever_its_bytes_say(log: SourceLog) -> None:
    log.append([record(7, body=b"first"), record(8)], 1)
    assert log.append([record(9), record(7, body=b"second")], 2) == [Appended("0", 3, False), Appended("0", 1, True)]
    assert [kept.body for kept in log.read("0", 0, 10)] == [b"first", b"{}", b"{}"]


def test_twice_in_one_call_is_twice(log: SourceLog) -> None:
    answers = log.append([record(7, body=b"first"), record(8), record(7, body=b"second")], 1)
    assert answers == [Appended("0", 1, False), Appended("0", 2, False), Appended("0", 1, True)]
    assert [kept.body for kept in log.read("0", 0, 10)] == [b"first", b"{}"]


def test_the_same_event_of_another_account_is_another_event(log: SourceLog) -> None:
    log.append([record(7, "62515")], 1)
    assert log.append([record(7, "70001")], 1) == [Appended("0", 2, False)]
    assert [(kept.account, kept.event) for kept in log.read("0", 0, 10)] == [("62515", 7), ("70001", 7)]


def test_more_duplicates_than_one_query_may_have_parameters_are_found(log: SourceLog) -> None:
    many = [record(event) for event in range(40_000)]
    log.append(many, 1)
    assert all(answer.duplicate and answer.position == at for at, answer in enumerate(log.append(many, 2), 1))


def test_what_would_be_a_duplicate_is_known_before_it_is_told(log: SourceLog) -> None:
    assert log.known([("62515", 7)]) == [None]
    log.append([record(7), record(8)], 1)
    assert log.known([("62515", 8), ("62515", 9), ("70001", 7), ("62515", 7)]) == [
        Appended("0", 2, True),
        None,
        None,
        Appended("0", 1, True),
    ]
    assert (log.known([]), log.end("0")) == ([], 2)


_CALLS = st.lists(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 6)), max_size=6), max_size=6)


@given(calls=_CALLS)
@settings(deadline=None)  # a log on a server takes a while to be made
@pytest.mark.parametrize("make", LOGS.values(), ids=LOGS.keys())
def test_any_calls_leave_each_event_once_in_the_order_of_its_first_telling(
    make: Make, tmp_path_factory: pytest.TempPathFactory, calls: list[list[tuple[str, int]]]
) -> None:
    log = make(tmp_path_factory.mktemp("log"))
    told = [pair for call in calls for pair in call]
    answers = [answer for call in calls for answer in log.append([record(event, account) for account, event in call], 1)]
    first = list(dict.fromkeys(told))
    assert [(kept.account, kept.event) for kept in log.read("0", 0, 100)] == first
    assert [answer.position for answer in answers] == [first.index(pair) + 1 for pair in told]
    assert [answer.duplicate for answer in answers] == [pair in told[:at] for at, pair in enumerate(told)]
    kafka.close_all()


# --- when -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("at", "position"),
    [
        pytest.param(0, 0, id="before everything"),
        pytest.param(999, 0, id="a moment before the first"),
        pytest.param(1_000, 2, id="when two were recorded at once, that moment included"),
        pytest.param(1_500, 2, id="between two times"),
        pytest.param(2_000, 3, id="a single one"),
        pytest.param(2_999, 3, id="a moment before the last"),
        pytest.param(3_000, 6, id="the last"),
        pytest.param(2**60, 6, id="after everything"),
    ],
)
def test_a_time_is_the_last_position_recorded_by_then(log: SourceLog, at: int, position: int) -> None:
    log.append([record(1), record(2)], 1_000)
    log.append([record(3)], 2_000)
    log.append([record(4), record(5), record(6)], 3_000)
    assert log.position_at("0", at) == position


def test_a_clock_that_went_back_is_not_believed(log: SourceLog) -> None:
    log.append([record(1)], 2_000)
    log.append([record(2)], 1_000)
    log.append([record(3)], 2_500)
    assert [kept.recorded_at for kept in log.read("0", 0, 10)] == [2_000, 2_000, 2_500]
    assert (log.position_at("0", 1_000), log.position_at("0", 2_000)) == (0, 2)


# --- waiting ----------------------------------------------------------------------------------------------------------


def test_nobody_waits_for_what_is_already_there(log: SourceLog) -> None:
    log.append([record(1)], 1)
    begun = time.monotonic()
    assert log.wait(0, 60) is True
    assert time.monotonic() - begun < 30


def test_who_waits_for_nothing_is_told_so_in_time(log: SourceLog) -> None:
    log.append([record(1)], 1)
    assert (log.wait(1, 0.02), log.wait(1, 0)) == (False, False)


def test_a_waiting_reader_is_woken_by_an_append(log: SourceLog) -> None:
    woken: list[bool] = []
    waiting = threading.Thread(target=lambda: woken.append(log.wait(0, 60)))
    waiting.start()
    log.append([record(1)], 1)
    waiting.join(30)
    assert woken == [True]


# --- several at once --------------------------------------------------------------------------------------------------


def test_writers_in_several_threads_lose_nothing_and_double_nothing(log: SourceLog) -> None:
    def write(seed: int) -> None:
        mine = list(range(100))
        random.Random(seed).shuffle(mine)
        for event in mine:
            log.append([record(event, "shared"), record(event, f"only {seed}")], event)

    threads = [threading.Thread(target=write, args=(seed,)) for seed in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept = log.read("0", 0, 1_000)
    assert [one.position for one in kept] == list(range(1, 401))
    assert {(one.account, one.event) for one in kept} == {(a, e) for a in ("shared", "only 0", "only 1", "only 2") for e in range(100)}
    assert [one.recorded_at for one in kept] == sorted(one.recorded_at for one in kept)


# --- logs that last ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", LASTING.values(), ids=LASTING.keys())
def test_a_log_opened_again_goes_on_where_it_was(make: Make, tmp_path: Path) -> None:
    make(tmp_path).append([record(1), record(2)], 5_000)
    again = make(tmp_path)
    assert again.append([record(3)], 4_000) == [Appended("0", 3, False)]
    assert [(kept.position, kept.event, kept.recorded_at) for kept in again.read("0", 0, 9)] == [
        (1, 1, 5_000),
        (2, 2, 5_000),
        (3, 3, 5_000),
    ]


@pytest.mark.parametrize(("name", "make"), LASTING.items(), ids=LASTING.keys())
def test_what_another_object_appended_is_a_duplicate_or_the_same_event_again(name: str, make: Make, tmp_path: Path) -> None:
    make(tmp_path).append([record(1), record(2)], 5_000)
    again = make(tmp_path)
    [answer] = again.append([record(2)], 6_000)
    if name in FORGETFUL:
        assert (answer, events(again)) == (Appended("0", 3, False), [1, 2, 2])
    else:
        assert (answer, events(again)) == (Appended("0", 2, True), [1, 2])


@pytest.mark.parametrize("make", LASTING.values(), ids=LASTING.keys())
def test_a_waiting_reader_is_woken_by_an_append_elsewhere(make: Make, tmp_path: Path) -> None:
    here, elsewhere = make(tmp_path), make(tmp_path)
    woken: list[bool] = []
    waiting = threading.Thread(target=lambda: woken.append(here.wait(0, 60)))
    waiting.start()
    elsewhere.append([record(1)], 1)
    waiting.join(30)
    assert (woken, events(here)) == ([True], [1])


# --- SQLite's own -----------------------------------------------------------------------------------------------------

_WRITER = """
import sys
from pathlib import Path
from adapters.sqlite.log import SqliteSourceLog
from domain.ports import NewRecord
log = SqliteSourceLog(Path(sys.argv[1]))
for batch in range(int(sys.argv[2])):
    answers = log.append([NewRecord("62515", int(sys.argv[3]) + batch * 10 + n, b"x" * 700) for n in range(10)], batch)
    print(answers[-1].position, flush=True)
"""


def _writer(path: Path, batches: int, first_event: int) -> subprocess.Popen[str]:
    arguments = [sys.executable, "-c", _WRITER, str(path), str(batches), str(first_event)]
    return subprocess.Popen(arguments, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def test_processes_that_open_a_new_file_at_once_share_it(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    writers = [_writer(path, 20, first_event) for first_event in (0, 1_000, 2_000)]
    assert [(writer.communicate(timeout=60), writer.returncode)[1] for writer in writers] == [0, 0, 0]
    kept = SqliteSourceLog(path).read("0", 0, 1_000)
    assert [one.position for one in kept] == list(range(1, 601))
    assert {one.event for one in kept} == {base + n for base in (0, 1_000, 2_000) for n in range(200)}


def test_a_killed_writer_leaves_all_it_acknowledged_and_whole_batches_only(tmp_path: Path) -> None:
    path, acknowledged = tmp_path / "log.db", 0
    for life, batches_seen in enumerate((1, 17, 60)):
        writer = _writer(path, 1_000_000, life * 10_000_000)
        assert writer.stdout is not None
        for _ in range(batches_seen):
            acknowledged = int(writer.stdout.readline())
        writer.kill()
        # Through the same reader: what it has buffered already is acknowledged too.
        acknowledged = max([acknowledged, *map(int, writer.stdout.read().split())])
        writer.wait(timeout=60)
        log = SqliteSourceLog(path)
        positions = [kept.position for kept in log.read("0", 0, 1_000_000)]
        assert positions == list(range(1, log.end("0") + 1))
        # The one transaction that was committed but not yet acknowledged may be there; half of one may not.
        assert len(positions) - acknowledged in (0, 10)
        log.close()


def test_a_new_file_that_somebody_else_is_just_making_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # SQLite itself does not wait here: it refuses the change of journal mode at once.
    other = sqlite3.connect(tmp_path / "log.db", isolation_level=None)
    other.execute("CREATE TABLE half_made (x)")
    other.execute("BEGIN IMMEDIATE")
    monkeypatch.setattr("adapters.sqlite.connect.time.sleep", lambda _: other.execute("COMMIT"))
    assert SqliteSourceLog(tmp_path / "log.db").end("0") == 0
    assert other.in_transaction is False


def test_a_file_that_somebody_else_does_not_let_go_says_try_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.sqlite.connect.BUSY_SECONDS", 0.05)
    log, other = SqliteSourceLog(tmp_path / "log.db"), connect(tmp_path / "log.db")
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(TryAgain):
        log.append([record(1)], 1)
    other.execute("ROLLBACK")
    assert log.append([record(1)], 1) == [Appended("0", 1, False)]


def test_a_broken_file_says_stop(tmp_path: Path) -> None:
    path = tmp_path / "log.db"
    path.write_bytes(b"this is no database " * 500)
    with pytest.raises(Stop):
        SqliteSourceLog(path)


def test_a_closed_log_says_stop(tmp_path: Path) -> None:
    log = SqliteSourceLog(tmp_path / "log.db")
    log.close()
    with pytest.raises(Stop):
        log.append([record(1)], 1)


def test_connections_are_opened_the_way_of_the_house(tmp_path: Path) -> None:
    connection = connect(tmp_path / "log.db")
    said = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous", "busy_timeout")]
    assert said == ["wal", 2, 10_000]
