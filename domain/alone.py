"""The common case of settling, taken by a shorter way: one copy in one calendar, confirmed in all its words.

What must stay true: where this answers, `settling.settle` by its general way answers the same (tests/domain/test_alone.py); it
answers nothing where any rule but the matching of guests could have a say.
"""

from __future__ import annotations

from msgspec import Struct

from domain.copies import first_start
from domain.decisions import Decision
from domain.events import Content, Part, Shown, Sighting, View
from domain.matching import Surroundings, match


class Alone(Struct, frozen=True, gc=False):
    """The meeting as its timelines show it, and one decision a guest."""

    view: View
    decisions: tuple[Decision, ...]


def alone(s: Sighting, around: Surroundings) -> Alone | None:
    """What a meeting is of which this copy is all that is known; None if that takes more than matching its guests."""
    content = _plain(s, around)
    if content is None:
        return None
    matched = match(content.guests, (), False, around)
    shown = Shown(
        content.start,
        content.duration,
        content.title,
        content.location,
        content.conference_url,
        content.time_zone,
        content.all_day,
        "tentative" if content.tentative else "confirmed",
        matched.guests,
        matched.contacts,
        matched.by_guest,
    )
    if content.rules or content.added:
        part = Part(shown, content.rules, content.excluded, content.added)
    else:
        named = s.revisions[0].content
        assert named is not None
        part = Part(shown, (), content.excluded, (), first_start(named))
    view = View((part,), (), "crm" if s.origin == "rendezvous" else "calendar", {s.provider: s.id})
    return Alone(view, _once(matched.decisions))


def _plain(s: Sighting, around: Surroundings) -> Content | None:
    """What a whole meeting's calendar copy says, if it is in the window that is open and every word of it confirms it openly."""
    if s.side != "calendar" or s.original is not None or s.series is not None or s.created is None:
        return None
    live = around.connection(s.user or "").live
    if live is None or live.provider != s.provider or s.created < live.from_:
        return None
    revisions = s.revisions
    for r in revisions:
        content = r.content
        if content is None or r.state != "confirmed" or r.hidden or r.private or r.kind != "meeting":
            return None
        if len(revisions) > 1 and (content.rules or content.added):
            return None  # a series keeps its former shapes
    return content


def _once(decisions: tuple[Decision, ...]) -> tuple[Decision, ...]:
    """A guest who was named twice is decided about once."""
    if len({d.guest for d in decisions}) == len(decisions):
        return decisions
    return tuple({(d.guest, d.contact): d for d in decisions}.values())
