"""The embedded logs and the dead letters: three doors to one SQLite file.

What must stay true: positions are 1, 2, 3 … without a gap, given out inside the writing transaction, so that no reader sees a
later one before an earlier one; no record is ever changed or deleted; `recorded_at` never falls from one position to the next.
"""

from __future__ import annotations

import hashlib
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import ClassVar
from uuid import UUID
from weakref import WeakValueDictionary

import msgspec

from adapters.sqlite.connect import Connections
from domain.ports import Appended, DeadLetter, DomainRecord, LogRecord, NewRecord

PARTITION = "0"

# Positions are written out by `append`, which needs them for its answers; the primary key alone keeps them apart.
_SOURCE_LOG = (
    "CREATE TABLE IF NOT EXISTS source_log (position INTEGER PRIMARY KEY, account TEXT NOT NULL, event INTEGER NOT NULL, "
    "recorded_at INTEGER NOT NULL, body BLOB NOT NULL)",
    # `event` is masked by its account (see _mask), so that one index of 63-bit numbers says what is known.
    "CREATE UNIQUE INDEX IF NOT EXISTS source_log_event ON source_log (event)",
)
_DOMAIN_LOG = (
    "CREATE TABLE IF NOT EXISTS domain_log (position INTEGER PRIMARY KEY, id INTEGER NOT NULL UNIQUE, account TEXT NOT NULL, "
    "stream BLOB NOT NULL, version INTEGER NOT NULL, name TEXT NOT NULL, body BLOB NOT NULL)",
)
_DEAD_LETTERS = (
    "CREATE TABLE IF NOT EXISTS dead_letters (letter TEXT PRIMARY KEY, account TEXT NOT NULL, partition TEXT NOT NULL, "
    "position INTEGER NOT NULL, recorded_at INTEGER NOT NULL, errors BLOB NOT NULL, body BLOB NOT NULL, state TEXT NOT NULL)",
    "CREATE INDEX IF NOT EXISTS dead_letters_account ON dead_letters (account, letter)",
)
# Events come in no order, so every record of a batch dirties another page of their index. At a million records, 2 MB of cache
# and a checkpoint every 1,000 pages (SQLite's defaults) cost about 35 us a record, these about 27, of which the index is 20.
_TUNING = ("PRAGMA cache_size = -65536", "PRAGMA wal_autocheckpoint = 8000")
# The domain log is a copy of what the store holds durably, at the positions that the order of recording gives it. A tail that a power
# cut takes is relayed again, record for record to the same place, because how far it is (`last_id`) is read from its own rows:
# decision 0013. A process that is killed loses nothing either way.
_COPY_TUNING = (*_TUNING, "PRAGMA synchronous = NORMAL")

_SHORTEST_LOOK, _LONGEST_LOOK = 0.005, 0.05
_errors = msgspec.json.Decoder(list[dict[str, str]])


class _Turns:
    """Who writes next in a file that several doors of this process lead to.

    SQLite makes a second writer sleep, longer each time it looks, up to 100 ms while the first needed five. Among ourselves we know
    when it is done.
    """

    _known: ClassVar[WeakValueDictionary[Path, threading.Lock]] = WeakValueDictionary()
    _knowing = threading.Lock()

    def __init__(self, path: Path, file: Connections) -> None:
        self._file = file
        with self._knowing:
            self._turn = self._known.setdefault(path.resolve(), threading.Lock())

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """As `Connections.writing`."""
        with self._turn, self._file.writing() as writer:
            yield writer


class SqliteSourceLog:
    """`ports.SourceLog` in a SQLite file, with one partition."""

    def __init__(self, path: Path) -> None:
        self._file = Connections(path, _SOURCE_LOG, _TUNING)
        self._turns = _Turns(path, self._file)
        self._news = _News()

    def append(self, records: Sequence[NewRecord], recorded_at: int) -> list[Appended]:
        """See the port. A clock that went back is not believed: the time recorded is never before the last record's."""
        if not records:
            return []
        masked = [record.event ^ _mask(record.account) for record in records]
        with self._turns.writing() as writer:
            known = dict(writer.execute(_KNOWN, (msgspec.json.encode(masked),)).fetchall())
            last, before = writer.execute(_LAST_SOURCE).fetchone() or (0, recorded_at)
            answers, rows = _place(records, masked, known, last, max(recorded_at, before))
            writer.executemany("INSERT INTO source_log VALUES (?, ?, ?, ?, ?)", rows)
        self._news.tell()
        return answers

    def known(self, names: Sequence[tuple[str, int]]) -> list[Appended | None]:
        """See the port."""
        masked = [event ^ _mask(account) for account, event in names]
        known = dict(self._file.rows(_KNOWN, (msgspec.json.encode(masked),)))
        return [Appended(PARTITION, known[event], True) if event in known else None for event in masked]

    def read(self, partition: str, after: int, limit: int) -> list[LogRecord]:
        """See the port."""
        if partition != PARTITION:
            return []
        return [
            LogRecord(PARTITION, position, account, event ^ _mask(account), recorded_at, body)
            for position, account, event, recorded_at, body in self._file.rows(_READ_SOURCE, (after, limit))
        ]

    def end(self, partition: str) -> int:
        """See the port."""
        return self._end() if partition == PARTITION else 0

    def position_at(self, partition: str, at: int) -> int:
        """See the port. Halves the log, whose times never fall: some twenty look-ups in a million."""
        low, high = 0, self.end(partition)
        while low < high:
            middle = (low + high + 1) // 2
            [(recorded_at,)] = self._file.rows("SELECT recorded_at FROM source_log WHERE position = ?", (middle,))
            low, high = (middle, high) if recorded_at <= at else (low, middle - 1)
        return low

    def partitions(self) -> list[str]:
        """See the port."""
        return [PARTITION]

    def wait(self, after: int, seconds: float) -> bool:
        """See the port."""
        return self._news.wait(lambda: self._end() > after, seconds)

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _end(self) -> int:
        [(position,)] = self._file.rows("SELECT coalesce(max(position), 0) FROM source_log")
        return int(position)


# One statement whatever the number of events; SQLite looks them up in the order of the index.
_KNOWN = "SELECT event, position FROM source_log WHERE event IN (SELECT value FROM json_each(?))"
_LAST_SOURCE = "SELECT position, recorded_at FROM source_log ORDER BY position DESC LIMIT 1"
_READ_SOURCE = "SELECT position, account, event, recorded_at, body FROM source_log WHERE position > ? ORDER BY position LIMIT ?"


@lru_cache(maxsize=4096)
def _mask(account: str) -> int:
    # Events are digests of (source, id), which two accounts may share. Under the mask they differ by account, and it comes
    # off again when they are read: a column and an index of its own for the account are not needed.
    return int.from_bytes(hashlib.blake2b(account.encode(), digest_size=8).digest(), "big") >> 1


_Row = tuple[int, str, int, int, bytes]


def _place(
    records: Sequence[NewRecord], masked: Sequence[int], known: dict[int, int], last: int, recorded_at: int
) -> tuple[list[Appended], list[_Row]]:
    """Where each record stands, and the rows of those that are new. `known` gains them: twice in one call is a duplicate."""
    answers: list[Appended] = []
    rows: list[_Row] = []
    for record, event in zip(records, masked, strict=True):
        position = known.get(event)
        if position is None:
            last += 1
            known[event] = last
            rows.append((last, record.account, event, recorded_at, record.body))
        answers.append(Appended(PARTITION, position or last, position is not None))
    return answers, rows


class SqliteDomainLog:
    """`ports.DomainLog` in a SQLite file."""

    def __init__(self, path: Path) -> None:
        self._file = Connections(path, _DOMAIN_LOG, _COPY_TUNING)
        self._turns = _Turns(path, self._file)
        self._news = _News()

    def append(self, records: Sequence[DomainRecord]) -> None:
        """See the port."""
        with self._turns.writing() as writer:
            position, last = writer.execute(_LAST_DOMAIN).fetchone() or (0, 0)
            rows = []
            for record in records:
                if record.id > last:
                    position, last = position + 1, record.id
                    rows.append((position, last, record.account, record.stream.bytes, record.version, record.name, record.body))
            writer.executemany("INSERT INTO domain_log VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        self._news.tell()

    def read(self, after: int, limit: int) -> list[DomainRecord]:
        """See the port."""
        return [
            DomainRecord(position, id_, account, UUID(bytes=stream), version, name, body)
            for position, id_, account, stream, version, name, body in self._file.rows(_READ_DOMAIN, (after, limit))
        ]

    def end(self) -> int:
        """See the port."""
        [(position,)] = self._file.rows("SELECT coalesce(max(position), 0) FROM domain_log")
        return int(position)

    def last_id(self) -> int:
        """See the port."""
        [(id_,)] = self._file.rows("SELECT coalesce(max(id), 0) FROM domain_log")
        return int(id_)

    def wait(self, after: int, seconds: float) -> bool:
        """See the port."""
        return self._news.wait(lambda: self.end() > after, seconds)

    def close(self) -> None:
        """Close the file."""
        self._file.close()


_LAST_DOMAIN = "SELECT position, id FROM domain_log ORDER BY position DESC LIMIT 1"
_READ_DOMAIN = "SELECT position, id, account, stream, version, name, body FROM domain_log WHERE position > ? ORDER BY position LIMIT ?"


class SqliteDeadLetters:
    """`ports.DeadLetters` in a SQLite file."""

    def __init__(self, path: Path) -> None:
        self._file = Connections(path, _DEAD_LETTERS)
        self._turns = _Turns(path, self._file)

    def put(self, letters: Sequence[DeadLetter]) -> None:
        """See the port. Put again, a letter keeps the state it has come to."""
        rows = [(*letter[:5], msgspec.json.encode(letter.errors), letter.body, letter.state) for letter in letters]
        with self._turns.writing() as writer:
            writer.executemany("INSERT OR IGNORE INTO dead_letters VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)

    def list(self, account: str | None, after: str, limit: int, state: str | None = None) -> list[DeadLetter]:
        """See the port."""
        wanted = {"account": account, "state": state}
        chosen = {column: value for column, value in wanted.items() if value is not None}
        where = "".join(f" AND {column} = ?" for column in chosen)
        # The columns are the two named above; every value is a parameter.
        statement = f"SELECT * FROM dead_letters WHERE letter > ?{where} ORDER BY letter LIMIT ?"  # noqa: S608 - see the line above
        return [_letter(row) for row in self._file.rows(statement, (after, *chosen.values(), limit))]

    def get(self, letter: str) -> DeadLetter | None:
        """See the port."""
        found = self._file.rows("SELECT * FROM dead_letters WHERE letter = ?", (letter,))
        return _letter(found[0]) if found else None

    def mark(self, letter: str, state: str) -> None:
        """See the port. A letter that is not there is not made."""
        with self._turns.writing() as writer:
            writer.execute("UPDATE dead_letters SET state = ? WHERE letter = ?", (state, letter))

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _letter(row: tuple[str, str, str, int, int, bytes, bytes, str]) -> DeadLetter:
    letter, account, partition, position, recorded_at, errors, body, state = row
    return DeadLetter(letter, account, partition, position, recorded_at, _errors.decode(errors), body, state)


class _News:
    """Lets readers sleep until something was appended: through the same object they hear of it at once, what other processes
    append they find by looking, more and more seldom down to every 50 ms."""

    def __init__(self) -> None:
        self._told = threading.Condition()

    def tell(self) -> None:
        """Something was committed."""
        with self._told:
            self._told.notify_all()

    def wait(self, arrived: Callable[[], bool], seconds: float) -> bool:
        """True as soon as `arrived` says so, False after `seconds`."""
        until, look = time.monotonic() + seconds, _SHORTEST_LOOK
        # Held while looking: who commits in that moment can tell only once we sleep, so that no news is missed.
        with self._told:
            while not arrived():
                left = until - time.monotonic()
                if left <= 0:
                    return False
                self._told.wait(min(look, left))
                look = min(look * 1.5, _LONGEST_LOOK)
        return True
