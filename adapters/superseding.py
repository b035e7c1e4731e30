"""Which waiting requests a new one makes needless, and what is forgotten of those that are over: the same for every table of deliveries.

What must stay true: whatever a superseded request would have said, the one that is kept says; a copy that was never made is
made, not updated; and of what is over nothing stays that says what a meeting is about or who is in it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from msgspec.structs import replace

from domain.asking import CRM, says_all
from domain.events import Content
from domain.outside import Recall, Request


class Kept(NamedTuple):
    """What is kept of a new request, and the ids of those that it supersedes."""

    request: Request
    superseded: tuple[str, ...]


DROPPED = "somebody has dropped it"
"""Why a delivery is superseded that a person has given up."""

OVER = ("done", "superseded")
"""The states in which nothing is called any more, whatever anybody does."""


def kept(new: Request, waiting: Sequence[Request], begun: Sequence[Request] = ()) -> Kept:
    """Of a new request, given those of the same meeting and link that wait, the oldest first: those that nobody has begun, and those
    that somebody has."""
    gone = [old for old in waiting if says_all(new, old)]
    request = _with_all(new, gone)
    if request.action == "create":
        request = replace(request, former=_former(new, begun, gone))
    return Kept(request, tuple(old.id for old in gone))


def is_recalled(request: Request, begun: bool, by: Recall) -> bool:
    """Does this take back a request that waits or failed? `begun`: somebody has, or had, called a provider for it."""
    if (request.link.account, request.meeting.hex) != (by.account, by.meeting):
        return False
    return not by.creations or (request.action == "create" and request.link.provider != CRM and not begun)


def emptied(request: Request) -> Request:
    """Where it was to be written and for when, without a word of what it said or of who was in it."""
    said = request.content
    content = Content(said.start, said.duration, time_zone=said.time_zone, all_day=said.all_day)
    return replace(request, content=content, former=None)


def _former(new: Request, begun: Sequence[Request], gone: Sequence[Request]) -> Content | None:
    """What the newest creation said that was begun. If that is over by now, one that it leaves behind knows it; if it leaves none
    behind, whoever asks does. What nobody has begun was never made."""
    made = [old.content for old in begun if old.action == "create"]
    known = [old.former for old in gone if old.action == "create"] or [new.former]
    return (made or known)[-1]


def _with_all(new: Request, gone: Sequence[Request]) -> Request:
    """The new request, mailing whom the others would have mailed, and making what they would have made."""
    new = replace(new, invite=True) if any(old.invite for old in gone) else new
    made = next((old for old in gone if old.action == "create"), None)
    if made is None or new.action == "create":
        return new
    return replace(new, action="create", changed=(), revision=None, uid=new.uid or made.uid)
