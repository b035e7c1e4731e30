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

from domain.events import Content, Guest, Revision, Sighting
from domain.recurrence import millis
from domain.source_events import DeletedData, MeetingData, PrivateMeetingData, SourceEvent

KEPT = 200
"""Revisions kept of one copy: the first, for the entry's name, and the newest."""

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


def of(event: SourceEvent, mailbox: str, side: str, mark: int | None = None) -> Sighting:
    """The copy that this event speaks of, with the one revision it brings. `mark` is its digest, where it is known already."""
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
        revisions=(revision(event, mark),),
    )


def revision(event: SourceEvent, mark: int | None = None) -> Revision:
    """The word that this event is."""
    data = event.data
    p = data.provenance
    told = p.updated or event.time
    updated = 0 if told is None else millis(told)
    if mark is None:
        mark = digest(event.source, event.id)
    if isinstance(data, DeletedData):
        return Revision(updated, mark, "deleted", event.sequence, p.revision)
    private = data.privacy != "public"
    state = "restored" if event.kind == "meeting.restored" else ("cancelled" if data.status == "cancelled" else "confirmed")
    bare = private or isinstance(data, PrivateMeetingData) or data.kind != "meeting"
    return Revision(updated, mark, state, event.sequence, p.revision, p.details_hidden, private, data.kind, None if bare else content(data))


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
            [Guest(g.sealed, g.participation_status, g.roles.owner, g.roles.attendee) for g in m.participants.values() if g.sealed]
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
    """Below zero if `a` comes before `b` at the source, above zero if after, zero if the source gives them one place."""
    if a.sequence is not None and b.sequence is not None and a.sequence != b.sequence:
        return -1 if a.sequence < b.sequence else 1
    return (a.updated > b.updated) - (a.updated < b.updated)


def joined(known: Sighting | None, seen: Sighting) -> tuple[Sighting, News]:
    """What is known of a copy together with one more revision of it, and what that revision was."""
    if known is None:
        return seen, News.FIRST
    (new,) = seen.revisions
    revisions = known.revisions
    if any(new.event == r.event for r in revisions):
        return known, News.DUPLICATE
    place = len(revisions)
    while place and compare(revisions[place - 1], new) > 0:
        place -= 1
    if place and compare(revisions[place - 1], new) == 0 and _says_the_same(revisions[place - 1], new):
        return _with_words(known, seen, False), News.KNOWN
    newest = place == len(revisions)
    together = (*revisions[:place], new, *revisions[place:])
    if len(together) > KEPT:
        together = (together[0], *together[2:])
    return replace(_with_words(known, seen, newest), revisions=together), News.NEWER if newest else News.STALE


def _says_the_same(a: Revision, b: Revision) -> bool:
    return (a.state, a.hidden, a.private, a.kind, a.content) == (b.state, b.hidden, b.private, b.kind, b.content)


def _with_words(known: Sighting, seen: Sighting, newest: bool) -> Sighting:
    """Identity is taken from whichever revision says it; of two words the newer stands."""

    def pick(old: object, new: object) -> object:
        return (new if newest and new is not None else old) if old is not None else new

    created = min((c for c in (known.created, seen.created) if c is not None), default=None)
    origin = seen.origin if known.origin == "user" else known.origin
    changes = {
        name: pick(getattr(known, name), getattr(seen, name)) for name in ("user", "uid", "link", "series", "original", "original_day")
    }
    if created == known.created and origin == known.origin and all(getattr(known, n) == v for n, v in changes.items()):
        return known
    return replace(known, created=created, origin=origin, **changes)


def last(s: Sighting) -> Revision:
    """Its newest revision."""
    return s.revisions[-1]


def united(a: Sighting, b: Sighting) -> Sighting:
    """Two records of one copy (it was recorded under two meetings) as one."""
    for r in b.revisions:
        a, _ = joined(a, replace(b, revisions=(r,)))
    return a
