"""Memory twins of the logs and the dead letters: the same words kept, nothing kept for longer than the process.

What must stay true: they answer every call of the contract suites as the real ones do, because simulation and demo trust them.
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Sequence

from domain.ports import Appended, DeadLetter, DomainRecord, LogRecord, NewRecord

PARTITION = "0"


class MemorySourceLog:
    """`ports.SourceLog` in a list, with one partition: the record at position n is the list's n-1."""

    def __init__(self) -> None:
        self._records: list[LogRecord] = []
        self._known: dict[tuple[str, int], int] = {}
        self._changed = threading.Condition()

    def append(self, records: Sequence[NewRecord], recorded_at: int) -> list[Appended]:
        """See the port. A clock that went back is not believed: the time recorded is never before the last record's."""
        with self._changed:
            at = max(recorded_at, self._records[-1].recorded_at) if self._records else recorded_at
            answers = [self._append(record, at) for record in records]
            self._changed.notify_all()
        return answers

    def known(self, names: Sequence[tuple[str, int]]) -> list[Appended | None]:
        """See the port."""
        with self._changed:
            positions = [self._known.get(name) for name in names]
        return [None if position is None else Appended(PARTITION, position, True) for position in positions]

    def _append(self, record: NewRecord, at: int) -> Appended:
        position = self._known.setdefault((record.account, record.event), len(self._records) + 1)
        duplicate = position <= len(self._records)
        if not duplicate:
            self._records.append(LogRecord(PARTITION, position, record.account, record.event, at, record.body))
        return Appended(PARTITION, position, duplicate)

    def read(self, partition: str, after: int, limit: int) -> list[LogRecord]:
        """See the port."""
        with self._changed:
            return self._records[after : after + limit] if partition == PARTITION else []

    def end(self, partition: str) -> int:
        """See the port."""
        return len(self._records) if partition == PARTITION else 0

    def position_at(self, partition: str, at: int) -> int:
        """See the port."""
        with self._changed:
            return bisect_right(self._records, at, key=lambda record: record.recorded_at) if partition == PARTITION else 0

    def partitions(self) -> list[str]:
        """See the port."""
        return [PARTITION]

    def wait(self, after: int, seconds: float) -> bool:
        """See the port."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self._records) > after, seconds)


class MemoryDomainLog:
    """`ports.DomainLog` in a list: the record at position n is the list's n-1."""

    def __init__(self) -> None:
        self._records: list[DomainRecord] = []
        self._changed = threading.Condition()

    def append(self, records: Sequence[DomainRecord]) -> None:
        """See the port."""
        with self._changed:
            for record in records:
                if record.id > self.last_id():
                    self._records.append(record._replace(position=len(self._records) + 1))
            self._changed.notify_all()

    def read(self, after: int, limit: int) -> list[DomainRecord]:
        """See the port."""
        with self._changed:
            return self._records[after : after + limit]

    def end(self) -> int:
        """See the port."""
        return len(self._records)

    def last_id(self) -> int:
        """See the port."""
        return self._records[-1].id if self._records else 0

    def wait(self, after: int, seconds: float) -> bool:
        """See the port."""
        with self._changed:
            return self._changed.wait_for(lambda: len(self._records) > after, seconds)


class MemoryDeadLetters:
    """`ports.DeadLetters` in a dict."""

    def __init__(self) -> None:
        self._letters: dict[str, DeadLetter] = {}
        self._lock = threading.Lock()

    def put(self, letters: Sequence[DeadLetter]) -> None:
        """See the port. Put again, a letter keeps the state it has come to."""
        with self._lock:
            for letter in letters:
                self._letters.setdefault(letter.letter, letter)

    def list(self, account: str | None, after: str, limit: int, state: str | None = None) -> list[DeadLetter]:
        """See the port."""
        with self._lock:
            found = [
                letter
                for letter in self._letters.values()
                if letter.letter > after and account in (None, letter.account) and state in (None, letter.state)
            ]
        return sorted(found, key=lambda letter: letter.letter)[:limit]

    def get(self, letter: str) -> DeadLetter | None:
        """See the port."""
        return self._letters.get(letter)

    def mark(self, letter: str, state: str) -> None:
        """See the port. A letter that is not there is not made."""
        with self._lock:
            if letter in self._letters:
                self._letters[letter] = self._letters[letter]._replace(state=state)
