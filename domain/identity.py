"""When two copies are one meeting (rules same-meeting, contact-books): the names that lead to a meeting.

In this order: the copy itself (mailbox and provider id), the series it belongs to, the iCalendar UID, our own link. For a
booking row that has neither UID nor link, and for nothing else, likeness: same owner, a start in common, a guest in common,
created within ten minutes. Starts are those of any revision, so that a move before the other arrived does not matter.

Of several that are alike the nearest go together. Names join for good; likeness does not: it is asked again with every copy that comes.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable

from msgspec import Struct

from domain.events import Sighting
from domain.people import key_of
from domain.recurrence import instant
from domain.sighting import key
from domain.source_events import MeetingData, SourceEvent

APART = 600_000
"""Created at most this many ms apart."""


def identities(provider: str, mailbox: str, id_: str, series: str | None, uid: str | None) -> list[str]:
    """The keys under which a copy's meeting is found."""
    keys = [key(provider, mailbox, id_)]
    if series is not None:
        keys.append(key(provider, mailbox, series))
    if uid:
        keys.append(f"uid|{uid}")
    return keys


def likeness(copy: Sighting) -> bool:
    """May this copy be matched by likeness? A booking row without UID and link, or a calendar meeting."""
    if copy.user is None or copy.created is None or copy.original is not None:
        return False
    return _bare_booking(copy) or (copy.side == "calendar" and copy.origin == "user")


def _bare_booking(copy: Sighting) -> bool:
    return copy.origin == "booking" and not copy.uid and not copy.link


def is_booking(copy: Sighting) -> bool:
    """Is it the row that HubSpot's scheduling page made of a whole meeting? A calendar meeting has one of them at most."""
    return copy.side == "crm" and copy.origin == "booking" and copy.original is None


def by_likeness(copies: Collection[Sighting]) -> frozenset[str]:
    """The keys of those among the copies of a meeting that are there by likeness alone: no name leads from them to it, or back."""
    if any(copy.link for copy in copies):
        return frozenset()
    return frozenset([copy.key for copy in copies if is_booking(copy) and _bare_booking(copy)])


class Candidate(Struct, frozen=True, order=True, gc=False):
    """A row and a calendar meeting that could be one: `apart` ms between their creations, `copy` the meeting's that is like it."""

    apart: int
    row: str
    copy: str
    meeting: str


def nearest(candidates: Iterable[Candidate]) -> dict[str, str]:
    """Each row's meeting: the nearest first, every row and every meeting once."""
    chosen: dict[str, str] = {}
    taken: set[str] = set()
    for candidate in sorted(candidates):
        if candidate.row not in chosen and candidate.meeting not in taken:
            chosen[candidate.row] = candidate.meeting
            taken.add(candidate.meeting)
    return chosen


def likeness_key(copy: Sighting, start: int, other: bool = False) -> str:
    """The key under which a copy is found by likeness; with `other`, the key of what it may be like: rows are sought among
    calendar meetings, calendar meetings among rows."""
    row = _bare_booking(copy) is not other
    return f"{start}|{'row' if row else 'calendar'}|{copy.user}"


def likeness_sought(event: SourceEvent) -> list[str]:
    """The key that a meeting event will be sought under by likeness, if any, for fetching it ahead."""
    data = event.data
    if not isinstance(data, MeetingData) or data.provenance.original_start is not None:
        return []
    bare = data.provenance.origin == "booking" and not data.provenance.ical_uid and not data.provenance.link
    if not bare and (data.side != "calendar" or data.provenance.origin != "user"):
        return []
    start = instant(data.start, None if data.show_without_time else data.time_zone)
    return [f"{start}|{'calendar' if bare else 'row'}|{data.provenance.user}"]


def starts_of(copy: Sighting) -> list[int]:
    """Every start this copy ever had, as instants."""
    found: dict[int, None] = {}
    for r in copy.revisions:
        if (c := r.content) is not None:
            found[instant(c.start, None if c.all_day else c.time_zone)] = None
    return list(found)


def alike(a: Sighting, b: Sighting, key_of_contact: Callable[[str], str | None]) -> bool:
    """Are a booking row and a calendar meeting one by likeness? `key_of_contact` gives a contact's person key."""
    if _bare_booking(a) is _bare_booking(b) or not (likeness(a) and likeness(b)) or a.user != b.user:
        return False
    if a.created is None or b.created is None or abs(a.created - b.created) > APART:
        return False
    return bool(set(starts_of(a)) & set(starts_of(b))) and bool(_guests(a, key_of_contact) & _guests(b, key_of_contact))


def _guests(copy: Sighting, key_of_contact: Callable[[str], str | None]) -> set[str]:
    contents = [r.content for r in copy.revisions if r.content is not None]
    guests = {key_of(g.person) for c in contents for g in c.guests if not g.owner}
    booked = {key_of_contact(contact) for c in contents for contact in c.contacts}
    return guests | {k for k in booked if k is not None}
