"""How links, and whatever else may be text of any length, become columns: see migrations/0002_providers.sql."""

from __future__ import annotations

from hashlib import sha256
from typing import NamedTuple

from adapters.postgres.columns import to_bytes, to_text
from domain.outside import Link


class LinkColumns(NamedTuple):
    """A link's columns: what it is found by, and what it is listed by."""

    link: bytes
    account: bytes
    provider: str
    user_id: bytes


def columns_of(link: Link) -> LinkColumns:
    """A link as columns."""
    return LinkColumns(name_of(*link), to_bytes(link.account), link.provider, to_bytes(link.user))


def link_of(account: bytes, provider: str, user_id: bytes) -> Link:
    """A link from its columns."""
    return Link(to_text(account), provider, to_text(user_id))


def name_of(*parts: str) -> bytes:
    """What a row is found by: a SHA-256 of these texts, of no others.

    >>> name_of("a", "bc") == name_of("ab", "c")
    False
    """
    return sha256(b"".join(b"%d:%b" % (len(raw), raw) for raw in map(to_bytes, parts))).digest()
