"""The grants in a SQLite file. Whoever reads it reads no token: a grant is sealed whole, and beside it stands only what it is found by.

What must stay true: once `drop` returns, not even the sealed grant is in the file or beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager
from hashlib import sha256
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from adapters.envelope import Envelope
from adapters.file_lock import alone
from adapters.sealed_records import Old, grant_opened, grant_sealed, of_grant, resealed
from adapters.sqlite.private import PrivateFile
from domain.errors import Conflict
from domain.outside import Grant, Link

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS grants (account TEXT NOT NULL, provider TEXT NOT NULL, user TEXT NOT NULL, tenant TEXT,"
    " version INTEGER NOT NULL, box BLOB NOT NULL, PRIMARY KEY (account, provider, user))",
    "CREATE INDEX IF NOT EXISTS grants_tenant ON grants (provider, tenant)",
)
_LINK = "account = ? AND provider = ? AND user = ?"
_SELECT = "SELECT account, provider, user, box FROM grants"
_ORDER = "ORDER BY account, provider, user"
_INSERT = "INSERT OR IGNORE INTO grants (tenant, version, box, account, provider, user) VALUES (?, ?, ?, ?, ?, ?)"
_UPDATE = f"UPDATE grants SET tenant = ?, version = ?, box = ? WHERE {_LINK} AND version = ?"  # noqa: S608 - the condition is a constant


class SqliteGrants:
    """`outside.Grants` in a file, and a folder of locks beside it."""

    def __init__(self, path: Path, envelope: Envelope) -> None:
        self._file = PrivateFile(path, _SCHEMA)
        self._locks = path.with_name(f"{path.name}.locks")
        self._envelope = envelope

    def close(self) -> None:
        """Close every connection."""
        self._file.close()

    def get(self, link: Link) -> Grant | None:
        """See the port."""
        found = self._opened(f"WHERE {_LINK}", *link)
        return found[0] if found else None

    def put(self, grant: Grant) -> Grant:
        """See the port."""
        new = replace(grant, version=grant.version + 1)
        row = (new.tenant, new.version, grant_sealed(self._envelope, new), *new.link)
        with self._file.writing() as writer:
            done = writer.execute(_UPDATE, (*row, grant.version)) if grant.version else writer.execute(_INSERT, row)
            if not done.rowcount:
                raise Conflict(f"the grant is not at version {grant.version}")
        return new

    def all(self, account: str | None = None) -> list[Grant]:
        """See the port."""
        return self._opened(f"WHERE ? IS NULL OR account = ? {_ORDER}", account, account)

    def of_tenant(self, provider: str, tenant: str) -> list[Grant]:
        """See the port."""
        return self._opened(f"WHERE provider = ? AND tenant = ? {_ORDER}", provider, tenant)

    def drop(self, link: Link) -> None:
        """See the port. Raises `TryAgain` if it is dropped and its bytes could not be cleared away; the same call again does it."""
        with self._file.writing() as writer:
            writer.execute(f"DELETE FROM grants WHERE {_LINK}", link)  # noqa: S608 - the condition is a constant
        self._file.scrub()

    def alone(self, link: Link, seconds: float) -> AbstractContextManager[None]:
        """See the port. By a lock that the kernel takes back from a process that died."""
        return alone(self._locks / sha256(msgspec.json.encode(link)).hexdigest()[:32], seconds)

    def reseal(self) -> int:
        """See the port."""
        return resealed(self._envelope, self._boxes(), self._replace)

    def _opened(self, condition: str, *parameters: Any) -> list[Grant]:
        rows = self._file.rows(f"{_SELECT} {condition}", parameters)
        return [grant_opened(self._envelope, Link(*link), box) for *link, box in rows]

    def _boxes(self) -> Iterator[Old[Link]]:
        for *link, box in self._file.rows(_SELECT):
            yield Old(Link(*link), of_grant(Link(*link)), box)

    def _replace(self, link: Link, old: bytes, new: bytes) -> bool:
        with self._file.writing() as writer:
            return bool(writer.execute(f"UPDATE grants SET box = ? WHERE {_LINK} AND box = ?", (new, *link, old)).rowcount)  # noqa: S608 - as above
