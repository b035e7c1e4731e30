"""The table of tokens in a SQLite file of its own, so that a copy of the read models takes no access along."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from adapters.sqlite.connect import Connections
from domain.tokens import Token

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS tokens (n INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, digest TEXT NOT NULL UNIQUE,"
    " account TEXT NOT NULL, scopes TEXT NOT NULL, created INTEGER NOT NULL, label TEXT NOT NULL, revoked INTEGER NOT NULL)",
)
_COLUMNS = "id, digest, account, scopes, created, label, revoked"


class SqliteTokens:
    """`tokens.TokenStore` on one SQLite file."""

    def __init__(self, path: Path) -> None:
        self._connections = Connections(path, _SCHEMA)

    def close(self) -> None:
        """Close every connection."""
        self._connections.close()

    def put(self, token: Token) -> None:
        """See the port."""
        row = (token.id, token.digest, token.account, " ".join(token.scopes), token.created, token.label, token.revoked)
        with self._connections.writing() as writer:
            writer.execute(f"INSERT INTO tokens ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?)", row)  # noqa: S608 - the names are a constant

    def find(self, digest: str) -> Token | None:
        """See the port."""
        rows = self._connections.rows(f"SELECT {_COLUMNS} FROM tokens WHERE digest = ?", (digest,))  # noqa: S608 - as above
        return _token(rows[0]) if rows else None

    def list(self, account: str | None) -> list[Token]:
        """See the port."""
        query = f"SELECT {_COLUMNS} FROM tokens WHERE ? IS NULL OR account = ? ORDER BY n"  # noqa: S608 - as above
        return [_token(row) for row in self._connections.rows(query, (account, account))]

    def revoke(self, id: str) -> bool:
        """See the port."""
        with self._connections.writing() as writer:
            return bool(writer.execute("UPDATE tokens SET revoked = 1 WHERE id = ?", (id,)).rowcount)


def _token(row: Any) -> Token:
    id_, digest, account, scopes, created, label, revoked = row
    return Token(id_, digest, account, tuple(scopes.split()), created, label, bool(revoked))
