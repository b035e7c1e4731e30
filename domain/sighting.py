"""A copy of a meeting in one place, and what is known of it: revisions in the provider's order, whatever order they came in.

What must stay true: the revisions kept are a function of the set of events that arrived, not of their order. Only where
a side gives two different revisions the very same place does arrival decide (contract: "then arrival").
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import datetime
from enum import Enum

from msgspec.structs import replace

from domain.events import Content, Guest, Revision, Sighting, Words
from domain.people import key_of
from domain.recurrence import millis
from domain.source_events import DeletedData, MeetingData, PrivateMeetingData, SourceEvent

KEPT = 200
"""Revisions kept of one copy: the first, for the entry's name, and the newest; of a row also its newest deletion or restore."""

CLOCKS_APART = 10_000
"""How far (ms) a side's clock may be ahead of ours. A removal without a time is heard of by ours; what its series said, by its side's."""

_EPOCH = datetime(1970, 1, 1)


class News(Enum):
    """What a revision is beside those known."""

    FIRST = "first"
    NEWER = "newer"
    STALE = "stale"
    KNOWN = "known"
    DUPLICATE = "duplicate"


def digest(*parts: str) -> int:
    """63 bits that stand for these texts; for recognising, never for secrecy."""
    raw = hashlib.blake2b("\0".join(parts).encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(raw) >> 1


def key(provider: str, mailbox: str, id_: str) -> str:
    """The name of a copy: ids are a mailbox's own. The CRM is one mailbox."""
    return f"{provider}|{mailbox}|{id_}"


def mailbox_in(copy: Sighting) -> str:
    """The mailbox that a copy's key names; `crm` of a row."""
    return copy.key[len(copy.provider) + 1 : -len(copy.id) - 1]


def mailbox_of(event: SourceEvent, side: str, user_of_calendar: Callable[[str, str], str | None]) -> str:
    """The mailbox an event speaks of: the CRM; else its user; else the user of the calendar it names; else its source."""
    provenance = event.data.provenance
    if side == "crm":
        return "crm"
    if provenance.user:
        return str(provenance.user)
    calendar = provenance.calendar or event.source.rsplit("/", 1)[-1]
    return user_of_calendar(provenance.provider, calendar) or event.source


def side_of(event: SourceEvent) -> str:
    """Calendar or CRM. A deletion does not say; its provider or its source does."""
    side = getattr(event.data, "side", None)
    if side:
        return str(side)
    return "crm" if event.data.provenance.provider == "hubspot" or "/crm/" in event.source else "calendar"


def of(event: SourceEvent, mailbox: str, side: str, mark: int | None = None, recorded_at: int | None = None) -> Sighting:
    """The copy that this event speaks of, with the one revision it brings. `mark` is its digest, where it is known already;
    `recorded_at` when the source log accepted it (ms)."""
    p = event.data.provenance
    original = p.original_start
    return Sighting(
        key=key(p.provider, mailbox, p.id),
        side=side,
        provider=p.provider,
        id=p.id,
        user=p.user if p.user or side == "crm" else mailbox,
        origin=p.origin,
        uid=p.ical_uid,
        link=p.link,
        series=p.series_id,
        original=None if original is None else millis(original),
        original_day=_local_day(original),
        created=None if p.created is None else millis(p.created),
        revisions=(revision(event, mark, recorded_at),),
    )


def revision(event: SourceEvent, mark: int | None = None, recorded_at: int | None = None) -> Revision:
    """The word that this event is."""
    data = event.data
    p = data.provenance
    told = p.updated or event.time
    updated = 0 if told is None else millis(told)
    if mark is None:
        mark = digest(event.source, event.id)
    if isinstance(data, DeletedData):
        span = None if data.from_ is None or data.to is None else (millis(data.from_), millis(data.to))
        heard = _heard(event, recorded_at)
        return Revision(updated if heard is None else heard, mark, "deleted", event.sequence, p.revision, span=span, heard=heard)
    private = data.privacy != "public"
    state = "restored" if event.kind == "meeting.restored" else ("cancelled" if data.status == "cancelled" else "confirmed")
    bare = private or isinstance(data, PrivateMeetingData) or data.kind != "meeting"
    return Revision(
        updated,
        mark,
        state,
        event.sequence,
        p.revision,
        p.details_hidden,
        private,
        data.kind,
        None if bare else content(data),
        off=state == "restored" and data.status == "cancelled",
    )


def _heard(event: SourceEvent, recorded_at: int | None) -> int | None:
    """When we heard of a removal that has no time of its own: its side gave none, and its event's, if any, is our door's."""
    if recorded_at is None or event.data.provenance.updated is not None or event.sequence is not None:
        return None
    return recorded_at if event.time is None or millis(event.time) == recorded_at else None


def told_at(r: Revision) -> int:
    """When this was said (ms), as far as anybody knows: what is past is judged by it. The order of revisions is `compare`'s."""
    return r.updated if r.heard is None else r.heard


def told_by(r: Revision) -> int:
    """By when this was said at the latest, by its side's clock (ms)."""
    return r.updated if r.heard is None else r.heard + CLOCKS_APART


def placed(known: Sighting | None, seen: Sighting) -> Sighting:
    """The copy with its one revision; a removal without a time of its own is put just behind what is known of the copy by now, so
    that every later revision is later than it. Of a copy that is not known it keeps the time at which it was heard of."""
    (new,) = seen.revisions
    if known is None or new.heard is None:
        return seen
    newest = known.revisions[-1]
    return replace(seen, revisions=(replace(new, updated=newest.updated, sequence=newest.sequence),))


def content(m: MeetingData) -> Content:
    """What a meeting says, people sealed."""
    a = m.associations
    return Content(
        start=m.start,
        duration=m.duration,
        title=m.title,
        description=m.description,
        location=m.location,
        conference_url=m.conference_url,
        time_zone=m.time_zone,
        all_day=m.show_without_time,
        tentative=m.status == "tentative",
        guests=tuple(
            # Whoever is not merely the organiser is a guest, whatever else his role says: optional, chair, or nothing.
            [
                Guest(g.sealed, g.participation_status, g.roles.owner, g.roles.attendee or not g.roles.owner)
                for g in m.participants.values()
                if g.sealed
            ]
        ),
        rules=tuple(m.recurrence_rules),
        excluded=tuple(m.excluded_starts),
        added=tuple(m.added_starts),
        contacts=tuple(a.contacts),
        companies=tuple(a.companies),
        deals=tuple(a.deals),
        tickets=tuple(a.tickets),
    )


def _local_day(original: datetime | None) -> int | None:
    """Midnight UTC of the day that an offset-bearing local midnight names; None where that is the instant itself."""
    if original is None or original.utcoffset() is None or not original.utcoffset():
        return None
    local = original.replace(tzinfo=None)
    if (local.hour, local.minute, local.second) != (0, 0, 0):
        return None
    return int((local - _EPOCH).total_seconds() * 1000)


def compare(a: Revision, b: Revision) -> int:
    """Below zero if `a` comes before `b` at the source, above zero if after, zero if the source gives them one place. What is restored
    was deleted before, also within one instant, and may still tell the time at which it was last changed."""
    if a.sequence is not None and b.sequence is not None:
        left, right = _place(a), _place(b)
        return (left > right) - (left < right)
    if a.updated == b.updated:
        return (a.state == "restored") - (b.state == "restored")
    return (a.updated > b.updated) - (a.updated < b.updated)


def _place(r: Revision) -> tuple[str, bool, int]:
    """The place of a revision with a sequence among such."""
    return (r.sequence or "", r.state == "restored", r.updated)


def joined(known: Sighting | None, seen: Sighting) -> tuple[Sighting, News]:
    """What is known of a copy together with one more revision of it, and what that revision was."""
    if known is None:
        return seen, News.FIRST
    (new,) = seen.revisions
    revisions = known.revisions
    later = compare(revisions[-1], new) < 0
    worded = not _same_identity(seen, known)
    for r in revisions:
        if r.event == new.event:
            return known, News.DUPLICATE
        later = later and (r.sequence is None) is (new.sequence is None)
        worded = worded or r.words is not None
    if not later:  # what comes after the last of one kind has the place of none
        for place, r in enumerate(revisions):
            if compare(r, new) == 0 and _says_the_same(r, new):
                return _filled(known, seen, place), News.KNOWN
    if worded:
        revisions = tuple([_worded(r, known) for r in revisions])
        new = _worded(new, seen)
    together = (*revisions, new) if later else _placed(revisions, new)
    newest = together[-1] is new
    if len(together) > KEPT:
        drop = 2 if known.side == "crm" and _decides_alone(together[1:]) else 1
        together = (*together[:drop], *together[drop + 1 :])
    return _identified(known, together, seen), News.NEWER if newest else News.STALE


def _decides_alone(revisions: tuple[Revision, ...]) -> bool:
    """Is the first of these the only one that deletes or restores? A row that was deleted in the CRM stays out by it."""
    turns = ("deleted", "restored")
    return revisions[0].state in turns and all(r.state not in turns for r in revisions[1:])


def _filled(known: Sighting, seen: Sighting, place: int) -> Sighting:
    """The copy, whose revision at `place` was told once more and now says more of the copy's identity."""
    if _same_identity(seen, known) and known.revisions[place].words is None:
        return _identified(known, known.revisions, seen)
    revisions = [_worded(r, known) for r in known.revisions]
    said, more = revisions[place].words, _worded(seen.revisions[0], seen).words
    assert said is not None
    assert more is not None
    filled = {name: getattr(said, name) if getattr(said, name) is not None else getattr(more, name) for name in _WORDS}
    origin = said.origin if said.origin != "user" else more.origin
    words = Words(**filled, origin=origin)
    if words == known.revisions[place].words:
        return _identified(known, known.revisions, seen)
    revisions[place] = replace(revisions[place], words=words)
    return _identified(known, tuple(revisions), seen)


def _placed(revisions: tuple[Revision, ...], new: Revision) -> tuple[Revision, ...]:
    """The revisions with one more, in an order that does not depend on which came first.

    Those with a sequence are ordered by it. One without comes after the last of them that is not later by `updated`; among
    themselves, those without are ordered by `updated`.
    """
    if all((r.sequence is None) is (new.sequence is None) for r in revisions):
        place = len(revisions)
        while place and compare(revisions[place - 1], new) > 0:
            place -= 1
        return (*revisions[:place], new, *revisions[place:])
    everything = (*revisions, new)
    ordered = sorted([r for r in everything if r.sequence is not None], key=_place)
    for loose in sorted([r for r in everything if r.sequence is None], key=lambda r: r.updated):
        place = len(ordered)
        while place and compare(ordered[place - 1], loose) > 0:
            place -= 1
        ordered.insert(place, loose)
    return tuple(ordered)


def _says_the_same(a: Revision, b: Revision) -> bool:
    return (a.state, a.hidden, a.private, a.kind, a.off, a.span) == (b.state, b.hidden, b.private, b.kind, b.off, b.span) and same_content(
        a.content, b.content
    )


def same_content(a: Content | None, b: Content | None) -> bool:
    """Do they say the same of the same people? A person is his key: how he is sealed changes when he is erased."""
    if a == b:
        return True
    if a is None or b is None:
        return False
    return same_guests(a.guests, b.guests) and replace(a, guests=()) == replace(b, guests=())


def same_guests(a: tuple[Guest, ...], b: tuple[Guest, ...]) -> bool:
    """The same people with the same answers?"""
    return a == b or [(key_of(g.person), g.status, g.owner, g.attendee) for g in a] == [
        (key_of(g.person), g.status, g.owner, g.attendee) for g in b
    ]


_WORDS = ("user", "uid", "link", "series", "original", "original_day")


def _same_identity(a: Sighting, b: Sighting) -> bool:
    return (
        a.user == b.user
        and a.uid == b.uid
        and a.link == b.link
        and a.series == b.series
        and a.original == b.original
        and a.original_day == b.original_day
        and a.origin == b.origin
    )


def _worded(r: Revision, s: Sighting) -> Revision:
    """The revision with what it says of its copy's identity written into it."""
    return r if r.words is not None else replace(r, words=Words(s.user, s.uid, s.link, s.series, s.original, s.original_day, s.origin))


def _identified(known: Sighting, revisions: tuple[Revision, ...], seen: Sighting) -> Sighting:
    """The copy with these revisions. Of each name the newest revision that says it is believed."""
    created = known.created
    if created is None or (seen.created is not None and seen.created < created):
        created = seen.created
    words = [r.words for r in reversed(revisions) if r.words is not None]
    if not words:
        same = revisions is known.revisions and created == known.created
        return known if same else _with(known, revisions, created)
    names = {name: next((v for w in words if (v := getattr(w, name)) is not None), None) for name in _WORDS}
    origin = next((w.origin for w in words if w.origin != "user"), "user")
    changed = Sighting(known.key, known.side, known.provider, known.id, created=created, revisions=revisions, origin=origin, **names)
    return known if _same_identity(changed, known) and revisions is known.revisions and created == known.created else changed


def _with(known: Sighting, revisions: tuple[Revision, ...], created: int | None) -> Sighting:
    # By hand: `replace` takes four times as long, and there is one a source event.
    return Sighting(
        known.key,
        known.side,
        known.provider,
        known.id,
        known.user,
        known.origin,
        known.uid,
        known.link,
        known.series,
        known.original,
        known.original_day,
        created,
        revisions,
    )


def last(s: Sighting) -> Revision:
    """Its newest revision."""
    return s.revisions[-1]


def united(a: Sighting, b: Sighting) -> Sighting:
    """Two records of one copy (it was recorded under two meetings) as one."""
    for r in b.revisions:
        w = r.words
        told = b if w is None else replace(b, **{name: getattr(w, name) for name in (*_WORDS, "origin")})
        a, _ = joined(a, replace(told, revisions=(r,)))
    return a
