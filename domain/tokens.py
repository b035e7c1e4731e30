"""The port of the table of bearer tokens, and a row of it. Here and not beside `services.tokens`, which makes and checks them,
because adapters implement it.
"""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct


class Token(Struct, frozen=True):
    """A token without what it is. `digest` is the SHA-256 of its text in hexadecimal, `created` ms, `account` `*` for all."""

    id: str
    digest: str
    account: str
    scopes: tuple[str, ...]
    created: int
    label: str = ""
    revoked: bool = False


class TokenStore(Protocol):
    """Where tokens are kept. Durable when a method returns; raises `TryAgain` and `Stop` as every port does."""

    def put(self, token: Token) -> None:
        """Keep a new one."""

    def find(self, digest: str) -> Token | None:
        """The one with this digest, revoked ones included."""

    def list(self, account: str | None) -> list[Token]:
        """Those of an account, or all, in the order in which they were made."""

    def revoke(self, id: str) -> bool:
        """End it. False if none is called so."""
