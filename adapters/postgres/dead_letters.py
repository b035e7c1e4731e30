"""Dead letters in PostgreSQL. What must stay true: whatever bytes made a record unreadable, its letter can be written."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from adapters.postgres.columns import digest, to_bytes, to_text
from adapters.postgres.connect import Database
from domain.ports import DeadLetter

_COLUMNS = "letter, account, partition, position, recorded_at, errors, body, state"
_SELECT = f"SELECT {_COLUMNS} FROM dead_letters"  # noqa: S608 - the columns are a constant
_PUT = (
    f"INSERT INTO dead_letters ({_COLUMNS}, account_digest) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)"  # noqa: S608 - as above
    " ON CONFLICT (letter) DO NOTHING"
)


class PostgresDeadLetters:
    """`ports.DeadLetters` in a schema."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, letters: Sequence[DeadLetter]) -> None:
        """See the port. Put again, a letter keeps the state it has come to."""
        # Sorted: of two who put the same letters one waits for the other, and not each for the other.
        rows = sorted((_row(letter) for letter in letters), key=lambda row: row[0])
        with self._database.transaction() as connection, connection.cursor() as cursor:
            cursor.executemany(_PUT, rows)

    def list(self, account: str | None, after: str, limit: int, state: str | None = None) -> list[DeadLetter]:
        """See the port. Letters are ordered by their characters, as bytes are by theirs."""
        conditions, values = ["letter > %s"], [to_bytes(after)]
        wanted: list[Any] = []
        if account is not None:
            conditions.append("account_digest = %s AND account = %s")
            wanted += [_digest(account), to_bytes(account)]
        if state is not None:
            conditions.append("state = %s")
            wanted.append(state)
        statement = f"{_SELECT} WHERE {' AND '.join(conditions)} ORDER BY letter LIMIT %s"
        return [_letter(row) for row in self._database.rows(statement, (*values, *wanted, limit))]

    def get(self, letter: str) -> DeadLetter | None:
        """See the port."""
        rows = self._database.rows(f"{_SELECT} WHERE letter = %s", (to_bytes(letter),))
        return _letter(rows[0]) if rows else None

    def mark(self, letter: str, state: str) -> None:
        """See the port. A letter that is not there is not made."""
        with self._database.connection() as connection:
            connection.execute("UPDATE dead_letters SET state = %s WHERE letter = %s", (state, to_bytes(letter)))


def _digest(account: str) -> int:
    return digest(account, "")


def _row(letter: DeadLetter) -> tuple[Any, ...]:
    name, account, partition, position, recorded_at, errors, body, state = letter
    # json and not msgspec: it writes half a surrogate pair as an escape instead of refusing it.
    told = json.dumps(errors).encode()
    return to_bytes(name), to_bytes(account), to_bytes(partition), position, recorded_at, told, body, state, _digest(account)


def _letter(row: tuple[Any, ...]) -> DeadLetter:
    name, account, partition, position, recorded_at, errors, body, state = row
    return DeadLetter(to_text(name), to_text(account), to_text(partition), position, recorded_at, json.loads(errors), body, state)
