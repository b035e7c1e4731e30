"""The vault's table of keys in a SQLite file of its own. See `adapters.vault.Keys` for what each verb promises.

What must stay true: once `destroy` returns, the bytes of the data key are nowhere in the file or beside it. Hence
secure_delete, a write-ahead log emptied at once, and rows that are only ever added behind the last one.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from adapters.sqlite.connect import Connections, by_account

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS installation (one INTEGER PRIMARY KEY CHECK (one = 1), secret BLOB NOT NULL, "
    "erasures INTEGER NOT NULL DEFAULT 0)",
    # By rowid, so that no page with data keys is ever split: secure_delete speaks of what is deleted, and promises nothing
    # about rows that were copied to another page. The index, whose pages do split, holds nothing that is secret.
    "CREATE TABLE IF NOT EXISTS people (id INTEGER PRIMARY KEY, account TEXT NOT NULL, key TEXT NOT NULL, data_key BLOB)",
    "CREATE UNIQUE INDEX IF NOT EXISTS people_key ON people (account, key)",
)
_TUNING = ("PRAGMA secure_delete = ON",)
_GET = "SELECT key, data_key FROM people WHERE account = ? AND key IN (SELECT value FROM json_each(?))"


class SqliteKeys:
    """`vault.Keys` in a SQLite file, readable by its owner alone."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        # SQLite gives its write-ahead log the same permissions.
        path.touch(mode=0o600)
        self._file = Connections(path, _SCHEMA, _TUNING)
        self._seen = threading.local()
        with self._file.writing() as writer:
            # The first to open the file decides; not SQLite's randomblob, which promises no secrecy.
            writer.execute("INSERT OR IGNORE INTO installation (one, secret) VALUES (1, ?)", (secrets.token_bytes(32),))

    def secret(self) -> bytes:
        """The installation's."""
        [(found,)] = self._file.rows("SELECT secret FROM installation")
        return bytes(found)

    def generation(self) -> int:
        """The number of erasures, in whatever process. Costs a read of shared memory as long as nobody writes to the file."""
        [(version,)] = self._file.rows("PRAGMA data_version")
        # The version is this thread's connection's own; it is read first, so that a change in between is seen next time.
        if getattr(self._seen, "version", None) != version:
            [(self._seen.erasures,)] = self._file.rows("SELECT erasures FROM installation")
            self._seen.version = version
        return int(self._seen.erasures)

    def get(self, keys: Collection[tuple[str, str]]) -> dict[tuple[str, str], bytes | None]:
        """What is known of these."""
        return _found(keys, self._file.rows)

    def put(self, new: Mapping[tuple[str, str], bytes]) -> dict[tuple[str, str], bytes | None]:
        """The first one stays."""
        rows = [(*at, data_key) for at, data_key in new.items()]
        with self._file.writing() as writer:
            writer.executemany("INSERT OR IGNORE INTO people (account, key, data_key) VALUES (?, ?, ?)", rows)
            return _found(new, lambda statement, parameters: writer.execute(statement, parameters).fetchall())

    def destroy(self, account: str, keys: Sequence[str]) -> None:
        """Known to be erased from now on. Raises `TryAgain` if the write-ahead log could not be emptied: then the keys are
        destroyed, but the bytes may still stand in it; the same call again empties it."""
        rows = [(account, key) for key in keys]
        with self._file.writing() as writer:
            writer.executemany("INSERT OR IGNORE INTO people (account, key) VALUES (?, ?)", rows)
            writer.executemany("UPDATE people SET data_key = NULL WHERE account = ? AND key = ?", rows)
            writer.execute("UPDATE installation SET erasures = erasures + 1")
        self._file.truncate_wal()

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def _found(keys: Collection[tuple[str, str]], rows: Callable[[str, tuple[str, bytes]], list[Any]]) -> dict[tuple[str, str], bytes | None]:
    found: dict[tuple[str, str], bytes | None] = {}
    for account, some in by_account(keys).items():
        found.update({(account, key): data_key for key, data_key in rows(_GET, (account, msgspec.json.encode(sorted(some))))})
    return found
