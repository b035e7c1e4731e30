"""Ids, made from what they name. The same facts give the same ids, so that a replay gives the same history.

Streams whose number grows begin with a time or a position, so that new ones lie beside each other in every store's index:
a random id costs a page write each once there are millions (measured: docs/decisions/0009).
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from uuid import UUID, uuid5

# Lengths stand before what they measure, so that no account can name another's stream by a separator in its id.
_ROOT = UUID("6f0f2f6a-2f0b-5f0e-9d43-5a1f3a0b7c11")


def account_stream(account: str) -> UUID:
    """The stream of an account."""
    return uuid5(_ROOT, f"account|{account}")


def connection_stream(account: str, user: str) -> UUID:
    """The stream of a user's connection."""
    return uuid5(_ROOT, f"connection|{len(account)}|{account}|{user}")


def contact_stream(account: str, contact: str) -> UUID:
    """The stream of a contact."""
    return uuid5(_ROOT, f"contact|{len(account)}|{account}|{contact}")


def meeting_stream(account: str, first_copy: str, created: int) -> UUID:
    """The stream of a meeting: the account and the first copy seen, after the time (ms) at which the side created it.

    A UUID of version 8 (RFC 9562): 48 bits of milliseconds as in version 7, the rest a digest instead of chance.
    """
    rest = hashlib.blake2b(f"meeting|{len(account)}|{account}|{first_copy}".encode("utf-8", "surrogatepass"), digest_size=10).digest()
    raw = bytearray(max(0, min(created, (1 << 48) - 1)).to_bytes(6) + rest)
    raw[6] = 0x80 | (raw[6] & 0x0F)
    raw[8] = 0x80 | (raw[8] & 0x3F)
    return UUID(bytes=bytes(raw))


def decided_stream(partition: str, position: int) -> UUID:
    """The stream of the decisions about one record of the source log."""
    return UUID(int=_partition_mark(partition) | position)


@lru_cache(maxsize=1024)
def _partition_mark(partition: str) -> int:
    digest = hashlib.blake2b(f"decided|{partition}".encode(), digest_size=5).digest()
    return int.from_bytes(b"\xd0" + digest + b"\x80\x00\x80" + bytes(7))
