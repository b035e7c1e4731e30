"""Changing the keys that providers' tokens are sealed under.

Embedded, the keys are in a file, and this adds one; elsewhere an operator adds one to RENDEZVOUS_KEYS. Then everything is sealed anew.
What must stay true: an old key is removed only when nothing is sealed under it, and by a second call, because processes that were
running at the first one may have sealed under it since.
"""

from __future__ import annotations

import base64
import secrets
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from msgspec import Struct

from domain.errors import TryAgain
from domain.outside import Sealed


class Keyring(Protocol):
    """A file of keys, the newest of which seals."""

    def rotate(self) -> str:
        """Add one; its id."""

    def keep_newest(self) -> list[str]:
        """Remove all others; their ids."""


class Keeping(NamedTuple):
    """What is sealed, opened when called for, and the file of its keys; None where an operator keeps them."""

    sealed: Callable[[], Sequence[Sealed]]
    keyring: Keyring | None


class Rotated(Struct, frozen=True):
    """What was done: the id of the key that was added, how many secrets were sealed anew, the ids of the keys that were removed."""

    added: str | None
    resealed: int
    removed: list[str]


def new_key() -> str:
    """A key by chance, as RENDEZVOUS_KEYS takes it: ID:BASE64 of 32 bytes. The id is by chance too, so that two operators make two."""
    return f"{secrets.token_hex(4)}:{base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()}"


def rotate(keeping: Keeping) -> Rotated:
    """Add a key, if it is ours to add, and seal everything under the newest."""
    # First the key, then what is sealed: it is opened with the keys that are there when it is opened.
    added = keeping.keyring.rotate() if keeping.keyring is not None else None
    return Rotated(added, _resealed(keeping), [])


def remove_old(keeping: Keeping) -> Rotated:
    """Remove the keys that seal nothing any more. Raises `TryAgain` if somebody went on sealing under one."""
    resealed = _resealed(keeping)
    if _resealed(keeping):
        raise TryAgain("a process still seals under an old key: restart those that ran before the last rotation, then try again")
    return Rotated(None, resealed, keeping.keyring.keep_newest() if keeping.keyring is not None else [])


def _resealed(keeping: Keeping) -> int:
    return sum(one.reseal() for one in keeping.sealed())
