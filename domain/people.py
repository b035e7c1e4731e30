"""People as the domain sees them: a keyed digest to compare by, a domain to judge by, a sealed token to keep.

Names and addresses in clear exist only at the two doors (where events are accepted, and where read models are written),
so that erasing a person is destroying one key. What must stay true: nothing in this room needs an address.
"""

from __future__ import annotations

from msgspec import Struct

KEY_LENGTH = 22
"""A key is 16 bytes as unpadded base64url; a token begins with it."""


class Person(Struct, frozen=True, gc=False):
    """An opened token. `key` is the same for the same normalised address in one account; the rest is None once erased."""

    key: str
    email: str | None = None
    name: str | None = None
    domain: str = ""
    erased: bool = False


def key_of(token: str) -> str:
    """The person's key, which every token begins with."""
    return token[:KEY_LENGTH]


def normalised(address: str) -> str:
    """An address for comparison: case and surrounding blanks do not count, everything else does (rule contact-match).

    >>> normalised("  Bo@CLIENT.example ")
    'bo@client.example'
    """
    return address.strip().lower()


def domain_of(address: str) -> str:
    """What stands behind the last @ of a normalised address; empty if there is none."""
    return address.rpartition("@")[2] if "@" in address else ""
