"""The inbox in a SQLite file; the bodies sealed. What was read keeps its name for some days, and no body."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from adapters.envelope import Envelope
from adapters.sealed_records import Old, notice_opened, notice_sealed, of_notice, resealed
from adapters.sqlite.private import PrivateFile
from domain.outside import KNOWN_MS, Notice

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS inbox (n INTEGER PRIMARY KEY, account TEXT NOT NULL, provider TEXT NOT NULL, id TEXT NOT NULL,"
    " body BLOB, at INTEGER NOT NULL, until INTEGER NOT NULL DEFAULT 0, UNIQUE (account, provider, id))",
    "CREATE INDEX IF NOT EXISTS inbox_waiting ON inbox (n) WHERE body IS NOT NULL",
    "CREATE INDEX IF NOT EXISTS inbox_known ON inbox (at) WHERE body IS NULL",
)
_FREE = "body IS NOT NULL AND until <= ?"
_CLAIM = (
    f"UPDATE inbox SET until = ? WHERE n IN (SELECT n FROM inbox WHERE {_FREE} ORDER BY n LIMIT ?)"  # noqa: S608 - the condition is a constant
    " RETURNING n, account, provider, id, body"
)


class SqliteInbox:
    """`outside.Inbox` in a file."""

    def __init__(self, path: Path, envelope: Envelope) -> None:
        self._file = PrivateFile(path, _SCHEMA)
        self._envelope = envelope

    def close(self) -> None:
        """Close every connection."""
        self._file.close()

    def put(self, notices: Sequence[Notice], now: int) -> int:
        """See the port."""
        rows = [(n.account, n.provider, n.id, notice_sealed(self._envelope, n), now) for n in notices]
        with self._file.writing() as writer:
            writer.execute("DELETE FROM inbox WHERE body IS NULL AND at <= ?", (now - KNOWN_MS,))
            return writer.executemany("INSERT OR IGNORE INTO inbox (account, provider, id, body, at) VALUES (?, ?, ?, ?, ?)", rows).rowcount

    def claim(self, now: int, lease_ms: int, limit: int) -> list[Notice]:
        """See the port."""
        # Looked first: who finds nothing to do holds up no writer.
        if not self._file.rows(f"SELECT 1 FROM inbox WHERE {_FREE} LIMIT 1", (now,)):  # noqa: S608 - the condition is a constant
            return []
        with self._file.writing() as writer:
            rows = writer.execute(_CLAIM, (now + lease_ms, now, limit)).fetchall()
        return [notice_opened(self._envelope, *row) for _, *row in sorted(rows)]

    def extend(self, notices: Sequence[Notice], until: int) -> None:
        """See the port."""
        rows = [(until, n.account, n.provider, n.id, until) for n in notices]
        with self._file.writing() as writer:
            writer.executemany("UPDATE inbox SET until = ? WHERE account = ? AND provider = ? AND id = ? AND until < ?", rows)

    def done(self, notices: Sequence[Notice]) -> None:
        """See the port."""
        keys = [(n.account, n.provider, n.id) for n in notices]
        with self._file.writing() as writer:
            writer.executemany("UPDATE inbox SET body = NULL WHERE account = ? AND provider = ? AND id = ?", keys)

    def waiting(self) -> int:
        """See the port."""
        [(count,)] = self._file.rows("SELECT count(*) FROM inbox WHERE body IS NOT NULL")
        return int(count)

    def forget(self, account: str, provider: str) -> None:
        """See the port."""
        with self._file.writing() as writer:
            writer.execute("DELETE FROM inbox WHERE account = ? AND provider = ?", (account, provider))

    def reseal(self) -> int:
        """See `outside.Sealed`."""
        return resealed(self._envelope, self._boxes(), self._replace)

    def _boxes(self) -> Iterator[Old[int]]:
        for n, account, provider, id, box in self._file.rows("SELECT n, account, provider, id, body FROM inbox WHERE body IS NOT NULL"):
            yield Old(n, of_notice(account, provider, id), box)

    def _replace(self, n: int, old: bytes, new: bytes) -> bool:
        with self._file.writing() as writer:
            return bool(writer.execute("UPDATE inbox SET body = ? WHERE n = ? AND body = ?", (new, n, old)).rowcount)
