"""The buckets in a SQLite file of their own. It does not wait for the disk: after a power cut a bucket is fuller than it should be."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

from adapters.sqlite.connect import Connections
from adapters.token_bucket import ask, wait

_SCHEMA = ("CREATE TABLE IF NOT EXISTS buckets (key BLOB PRIMARY KEY, full_at REAL NOT NULL, shut_until INTEGER NOT NULL) WITHOUT ROWID",)
_TUNING = ("PRAGMA synchronous = OFF",)
# Asked and taken in one statement; no row comes back if it is not there. Summed in the order of `token_bucket.wait`, to its last digit.
_TAKE = (
    "INSERT INTO buckets AS b (key, full_at, shut_until) VALUES (:key, :now + :need, 0) ON CONFLICT (key) DO UPDATE"
    " SET full_at = max(b.full_at, :now) + :need"
    " WHERE b.shut_until <= :now AND max(b.full_at, :now) + :need - :room - :now <= 0 RETURNING 1"
)
_DRAIN = (
    "INSERT INTO buckets AS b (key, full_at, shut_until) VALUES (?, 0, ?)"
    " ON CONFLICT (key) DO UPDATE SET shut_until = max(b.shut_until, excluded.shut_until)"
)


class SqliteBuckets:
    """`outside.Buckets` in a file."""

    def __init__(self, path: Path) -> None:
        self._file = Connections(path, _SCHEMA, _TUNING)

    def close(self) -> None:
        """Close every connection."""
        self._file.close()

    def take(self, key: str, rate: float, burst: float, now: int, cost: float = 1.0) -> int:
        """See the port. Raises ValueError if no waiting would help."""
        asked, name = ask(rate, burst, cost), _name(key)
        with self._file.writing() as writer:
            if writer.execute(_TAKE, {"key": name, "now": now, "need": asked.need, "room": asked.room}).fetchall():
                return 0
            full_at, shut_until = writer.execute("SELECT full_at, shut_until FROM buckets WHERE key = ?", (name,)).fetchone()
        return wait(full_at, shut_until, now, asked)

    def drain(self, key: str, until: int) -> None:
        """See the port. An earlier word that asks for longer stands."""
        with self._file.writing() as writer:
            writer.execute(_DRAIN, (_name(key), until))


def _name(key: str) -> bytes:
    # A key may hold a user's id; nothing of a link that was forgotten is left in here.
    return sha256(key.encode("utf-8", "surrogatepass")).digest()
