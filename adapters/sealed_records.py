"""What the tables of the operational stores hold sealed, and for whom and what it is sealed: the same in every kind of database.

What must stay true: a box moved to another row, of another link or another kind, opens to nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Generic, NamedTuple, TypeVar

import msgspec

from adapters.envelope import About, Envelope
from domain.outside import Grant, Link, Notice

_grant = msgspec.json.Decoder(Grant)

_K = TypeVar("_K")


def of_grant(link: Link) -> About:
    """A grant's."""
    return About(*link, "grant")


def of_cursor(link: Link, feed: str) -> About:
    """A cursor's value's."""
    return About(*link, f"cursor:{feed}")


def of_channel(link: Link, id: str) -> About:
    """A channel's secret's."""
    return About(*link, f"channel:{id}")


def of_notice(account: str, provider: str, id: str) -> About:
    """A notice's body's."""
    return About(account, provider, "", f"notice:{id}")


def of_once(name: bytes) -> About:
    """That of what may happen once."""
    return About("", "", "", f"once:{name.hex()}")


def grant_sealed(envelope: Envelope, grant: Grant) -> bytes:
    """A grant, whole."""
    return envelope.seal(of_grant(grant.link), msgspec.json.encode(grant))


def grant_opened(envelope: Envelope, link: Link, box: bytes) -> Grant:
    """The grant of a link."""
    return _grant.decode(envelope.open(of_grant(link), box))


def notice_sealed(envelope: Envelope, notice: Notice) -> bytes:
    """A notice's body."""
    return envelope.seal(of_notice(notice.account, notice.provider, notice.id), notice.body)


def notice_opened(envelope: Envelope, account: str, provider: str, id: str, box: bytes) -> Notice:
    """A notice."""
    return Notice(account, provider, id, envelope.open(of_notice(account, provider, id), box))


def text_sealed(envelope: Envelope, about: About, text: str | None) -> bytes | None:
    """A text, or None as None."""
    return None if text is None else envelope.seal(about, text.encode())


def text_opened(envelope: Envelope, about: About, box: bytes | None) -> str | None:
    """A text, or None as None."""
    return None if box is None else envelope.open(about, box).decode()


class Old(NamedTuple, Generic[_K]):
    """A box that stands in a row."""

    row: _K
    about: About
    box: bytes


def resealed(envelope: Envelope, found: Iterable[Old[_K]], replace: Callable[[_K, bytes, bytes], bool]) -> int:
    """Seal anew what is under an older key; how many were. `replace(row, old box, new box)` is True if the old one still stood there."""
    count = 0
    for row, about, box in found:
        new = envelope.reseal(about, box)
        count += new is not None and replace(row, box, new)
    return count
