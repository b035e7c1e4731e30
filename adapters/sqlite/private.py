"""A SQLite file for what its owner alone may read, in which what was deleted can be made to leave no trace."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from adapters.sqlite.connect import Connections, in_our_words

# secure_delete overwrites what is deleted; VACUUM, which builds the file anew, must not do it by way of another file.
_TUNING = ("PRAGMA secure_delete = ON", "PRAGMA temp_store = MEMORY")


class PrivateFile(Connections):
    """Connections to such a file; several tables may each open it."""

    def __init__(self, path: Path, schema: Sequence[str]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        # SQLite gives its write-ahead log the same permissions.
        path.touch(mode=0o600)
        super().__init__(path, schema, _TUNING)

    def scrub(self) -> None:
        """Leave nothing of what was deleted. secure_delete alone promises nothing about rows that were copied to another page when
        theirs was split. Raises `TryAgain` if a reader stands in the way; then the next call does it."""
        with self._lock:
            try:
                self._writer.execute("VACUUM")
            except sqlite3.Error as error:
                raise in_our_words(error) from error
        self.truncate_wal()
