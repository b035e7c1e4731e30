"""What may happen once, in a SQLite file. Values are sealed, and of what names them only a digest is kept: an open login's state is a
key to it."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

from adapters.envelope import Envelope
from adapters.sealed_records import Old, of_once, resealed, text_opened
from adapters.sqlite.connect import Connections
from adapters.sqlite.private import PrivateFile

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS once (name BLOB PRIMARY KEY, value BLOB, until INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE INDEX IF NOT EXISTS once_until ON once (until)",
)
# Each webhook asks for the first time: none of them waits for the disk. What it deletes may have been somebody's secret.
_UNSYNCED = ("PRAGMA synchronous = NORMAL", "PRAGMA secure_delete = ON")


class SqliteOnce:
    """`outside.Once` in a file. No value: it was only asked after by `first`."""

    def __init__(self, path: Path, envelope: Envelope) -> None:
        self._file, self._unsynced = PrivateFile(path, _SCHEMA), Connections(path, (), _UNSYNCED)
        self._envelope = envelope

    def close(self) -> None:
        """Close every connection."""
        self._file.close()
        self._unsynced.close()

    def put(self, kind: str, key: str, value: str, until: int) -> None:
        """See the port."""
        name = _name(kind, key)
        row = (name, self._envelope.seal(of_once(name), value.encode()), until)
        with self._file.writing() as writer:
            writer.execute("INSERT OR REPLACE INTO once (name, value, until) VALUES (?, ?, ?)", row)

    def take(self, kind: str, key: str, now: int) -> str | None:
        """See the port."""
        name = _name(kind, key)
        with self._file.writing() as writer:
            writer.execute("DELETE FROM once WHERE until <= ?", (now,))
            rows = writer.execute("DELETE FROM once WHERE name = ? AND value IS NOT NULL RETURNING value", (name,)).fetchall()
        return text_opened(self._envelope, of_once(name), rows[0][0]) if rows else None

    def first(self, kind: str, key: str, until: int, now: int) -> bool:
        """See the port."""
        with self._unsynced.writing() as writer:
            writer.execute("DELETE FROM once WHERE until <= ?", (now,))
            return bool(writer.execute("INSERT OR IGNORE INTO once (name, until) VALUES (?, ?)", (_name(kind, key), until)).rowcount)

    def reseal(self) -> int:
        """See `outside.Sealed`."""
        return resealed(self._envelope, self._boxes(), self._replace)

    def _boxes(self) -> Iterator[Old[bytes]]:
        for name, box in self._file.rows("SELECT name, value FROM once WHERE value IS NOT NULL"):
            yield Old(name, of_once(name), box)

    def _replace(self, name: bytes, old: bytes, new: bytes) -> bool:
        with self._file.writing() as writer:
            return bool(writer.execute("UPDATE once SET value = ? WHERE name = ? AND value = ?", (new, name, old)).rowcount)


def _name(kind: str, key: str) -> bytes:
    return sha256(f"{len(kind)}:{kind}{key}".encode("utf-8", "surrogatepass")).digest()
