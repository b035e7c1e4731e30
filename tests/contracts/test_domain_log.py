"""One examination for every domain log; the memory twin sits it first. A new adapter is one line in `LOGS`, and in `LASTING` too
if its records outlive the process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import UUID

import pytest

from adapters.kafka.domain_log import KafkaDomainLog
from adapters.memory.log import MemoryDomainLog
from adapters.sqlite.log import SqliteDomainLog
from domain.ports import DomainLog, DomainRecord
from tests.servers import kafka

Make = Callable[[Path], DomainLog]
LASTING: dict[str, Make] = {
    "sqlite": lambda folder: SqliteDomainLog(folder / "log.db"),
    "kafka": lambda folder: kafka.opened(KafkaDomainLog(kafka.of_folder(folder))),
}
LOGS: dict[str, Make] = {"memory": lambda _: MemoryDomainLog(), **LASTING}

STREAM = UUID("0b0e5d0c-5b1c-5f3a-9c5e-0123456789ab")


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    kafka.close_all()


@pytest.fixture(params=LOGS.values(), ids=list(LOGS))
def log(request: pytest.FixtureRequest, tmp_path: Path) -> DomainLog:
    made: DomainLog = request.param(tmp_path)
    return made


def record(id_: int, position: int = 0, body: bytes = b"[]") -> DomainRecord:
    return DomainRecord(position, id_, "62515", STREAM, 3, "meeting.rescheduled.v1", body)


def test_an_empty_log_ends_at_nothing(log: DomainLog) -> None:
    assert (log.end(), log.last_id(), log.read(0, 10)) == (0, 0, [])


def test_what_was_appended_is_read_as_it_was_at_a_position_of_the_log(log: DomainLog) -> None:
    log.append([record(4, position=99, body=b"\x00\xff"), record(9)])
    assert log.read(0, 10) == [record(4, position=1, body=b"\x00\xff"), record(9, position=2)]
    assert (log.end(), log.last_id()) == (2, 9)


def test_nothing_appended_is_nothing_done(log: DomainLog) -> None:
    log.append([])
    assert log.end() == 0


@pytest.mark.parametrize(
    ("ids", "kept"),
    [
        pytest.param([[1, 2], [1, 2]], [1, 2], id="the same call again"),
        pytest.param([[1, 2], [2, 3]], [1, 2, 3], id="a call that overlaps the one before"),
        pytest.param([[5], [4]], [5], id="an id that should have come before"),
        pytest.param([[1, 1, 2]], [1, 2], id="twice in one call"),
        pytest.param([[3, 2, 4]], [3, 4], id="falling in one call"),
        pytest.param([[1], [8]], [1, 8], id="ids with a gap between them"),
    ],
)
def test_ids_only_grow(log: DomainLog, ids: list[list[int]], kept: list[int]) -> None:
    for call in ids:
        log.append([record(id_) for id_ in call])
    assert [(one.position, one.id) for one in log.read(0, 10)] == list(enumerate(kept, 1))
    assert log.last_id() == kept[-1]


def test_a_reader_gets_what_stands_after_its_position_and_no_more_than_it_asked_for(log: DomainLog) -> None:
    log.append([record(id_) for id_ in range(10, 80, 10)])
    assert [[one.position for one in log.read(after, 3)] for after in (0, 3, 6, 7)] == [[1, 2, 3], [4, 5, 6], [7], []]


def test_who_waits_for_nothing_is_told_so_in_time(log: DomainLog) -> None:
    log.append([record(1)])
    assert (log.wait(0, 60), log.wait(1, 0.02)) == (True, False)


def test_a_waiting_reader_is_woken_by_an_append(log: DomainLog) -> None:
    woken: list[bool] = []
    waiting = threading.Thread(target=lambda: woken.append(log.wait(0, 60)))
    waiting.start()
    log.append([record(1)])
    waiting.join(30)
    assert woken == [True]


def test_relays_in_several_threads_double_nothing(log: DomainLog) -> None:
    def relay() -> None:
        while (last := log.last_id()) < 200:
            log.append([record(id_) for id_ in range(last + 1, min(last + 8, 201))])

    threads = [threading.Thread(target=relay) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [(one.position, one.id) for one in log.read(0, 1_000)] == [(n, n) for n in range(1, 201)]


@pytest.mark.parametrize("make", LASTING.values(), ids=LASTING.keys())
def test_a_log_opened_again_goes_on_where_it_was(make: Make, tmp_path: Path) -> None:
    make(tmp_path).append([record(1), record(2)])
    again = make(tmp_path)
    again.append([record(2), record(3)])
    assert [(one.position, one.id) for one in again.read(0, 10)] == [(1, 1), (2, 2), (3, 3)]


@pytest.mark.parametrize("make", LASTING.values(), ids=LASTING.keys())
def test_a_waiting_reader_is_woken_by_an_append_elsewhere(make: Make, tmp_path: Path) -> None:
    here, elsewhere = make(tmp_path), make(tmp_path)
    woken: list[bool] = []
    waiting = threading.Thread(target=lambda: woken.append(here.wait(0, 60)))
    waiting.start()
    elsewhere.append([record(1)])
    waiting.join(30)
    assert woken == [True]
