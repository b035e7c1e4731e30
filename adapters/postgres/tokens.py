"""The table of tokens in PostgreSQL."""

from __future__ import annotations

from typing import Any

from adapters.postgres.columns import to_bytes, to_text
from adapters.postgres.connect import Database
from domain.tokens import Token

_PUT = "INSERT INTO tokens (id, digest, account, scopes, created, label, revoked) VALUES (%s, %s, %s, %s, %s, %s, %s)"
_SELECT = "SELECT id, digest, account, scopes, created, label, revoked FROM tokens"


class PostgresTokens:
    """`tokens.TokenStore` in a schema."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, token: Token) -> None:
        """See the port."""
        account, label = to_bytes(token.account), to_bytes(token.label)
        row = (token.id, token.digest, account, " ".join(token.scopes), token.created, label, token.revoked)
        with self._database.connection() as connection:
            connection.execute(_PUT, row)

    def find(self, digest: str) -> Token | None:
        """See the port."""
        rows = self._database.rows(f"{_SELECT} WHERE digest = %s", (digest,))
        return _token(rows[0]) if rows else None

    def list(self, account: str | None) -> list[Token]:
        """See the port."""
        if account is None:
            return [_token(row) for row in self._database.rows(f"{_SELECT} ORDER BY n")]
        return [_token(row) for row in self._database.rows(f"{_SELECT} WHERE account = %s ORDER BY n", (to_bytes(account),))]

    def revoke(self, id: str) -> bool:
        """See the port."""
        with self._database.connection() as connection:
            return bool(connection.execute("UPDATE tokens SET revoked = true WHERE id = %s", (id,)).rowcount)


def _token(row: tuple[Any, ...]) -> Token:
    id_, digest, account, scopes, created, label, revoked = row
    return Token(id_, digest, to_text(account), tuple(scopes.split()), created, to_text(label), revoked)
