"""Which waiting requests a new one makes needless: the same for every table of deliveries.

What must stay true: whatever a superseded request would have said, the one that is kept says; and a copy that was never made is
made, not updated.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from msgspec.structs import replace

from domain.outside import Request


class Kept(NamedTuple):
    """What is kept of a new request, and the ids of those that it supersedes."""

    request: Request
    superseded: tuple[str, ...]


def kept(new: Request, waiting: Sequence[Request]) -> Kept:
    """Of a new request, given those of the same meeting and link that wait and that nobody has begun."""
    gone = [old for old in waiting if _says_all(new, old)]
    return Kept(_with_all(new, gone), tuple(old.id for old in gone))


def _says_all(new: Request, old: Request) -> bool:
    if new.action == "create":
        return True
    if old.action == "create":
        # A new one that knows a copy speaks of another one than is still to be made.
        return new.copy is None
    return new.copy == old.copy and set(old.changed) <= set(new.changed)


def _with_all(new: Request, gone: Sequence[Request]) -> Request:
    """The new request, mailing whom the others would have mailed, and making what they would have made."""
    new = replace(new, invite=True) if any(old.invite for old in gone) else new
    made = next((old for old in gone if old.action == "create"), None)
    if made is None or new.action == "create":
        return new
    return replace(new, action="create", changed=(), revision=None, uid=new.uid or made.uid)
