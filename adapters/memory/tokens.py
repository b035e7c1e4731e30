"""Memory twin of the table of tokens."""

from __future__ import annotations

import threading

from msgspec.structs import replace

from domain.tokens import Token


class MemoryTokens:
    """`tokens.TokenStore` in a dict."""

    def __init__(self) -> None:
        self._tokens: dict[str, Token] = {}
        self._lock = threading.Lock()

    def put(self, token: Token) -> None:
        """See the port."""
        with self._lock:
            self._tokens[token.digest] = token

    def find(self, digest: str) -> Token | None:
        """See the port."""
        return self._tokens.get(digest)

    def list(self, account: str | None) -> list[Token]:
        """See the port."""
        with self._lock:
            return [token for token in self._tokens.values() if account in (None, token.account)]

    def revoke(self, id: str) -> bool:
        """See the port."""
        with self._lock:
            found = next((token for token in self._tokens.values() if token.id == id), None)
            if found is not None:
                self._tokens[found.digest] = replace(found, revoked=True)
        return found is not None
