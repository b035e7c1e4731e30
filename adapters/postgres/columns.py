"""How our texts become columns.

PostgreSQL's text holds no NUL and no lone surrogate, and its indexes no entry of more than 2,700 bytes, while an id that a side told
us may be any text of a thousand characters. Hence: what is only stored is stored as bytes, whose order is that of the characters;
what is looked up by is a 63-bit digest, as in the embedded store.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache


def to_bytes(text: str) -> bytes:
    """Any text as a bytea.

    >>> to_bytes("Zoë\\0") == b"Zo\\xc3\\xab\\0"
    True
    """
    return text.encode("utf-8", "surrogatepass")


def to_text(raw: bytes) -> str:
    """The text of a bytea.

    >>> to_text(to_bytes("\\ud800")) == "\\ud800"
    True
    """
    return raw.decode("utf-8", "surrogatepass")


@lru_cache(maxsize=200_000)  # a key is looked up first and written after
def digest(account: str, key: str) -> int:
    """A key of an account as a bigint: nothing can be read from it, and it is never negative."""
    raw = hashlib.blake2b(to_bytes(f"{account}\0{key}"), digest_size=8).digest()
    return int.from_bytes(raw) >> 1
