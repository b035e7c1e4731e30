"""What a meeting's rules ask to be written outside: into its owner's calendar, and into the CRM.

Both sides are compared with what the meeting is by now; where one lacks it, that one is asked to say it. What must stay true: the
answer follows from what is known of the meeting and from what was asked before, so that a replay asks for the same; nothing asks
for a deletion, nor for a cancellation in a calendar (rule crm-delete-keeps-calendar); what is known by a word without details is
never written back (rule private).

Why it asks for this much and no more: docs/decisions/0022-what-is-written-outside.md.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Literal, Protocol
from uuid import UUID, uuid5

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from domain import layout
from domain.copies import content_of, is_deleted, is_off, is_owners, is_private, outside, told
from domain.events import Ask, Content, Guest, Part, Revision, Shown, Sighting, View
from domain.matching import Surroundings, invited
from domain.mentions import alike
from domain.merging import merge
from domain.people import key_of
from domain.rows import whole_and_single
from domain.sighting import digest, key, last, same_content, told_at

CRM = "hubspot"
"""The provider of the account's CRM."""

KEPT = 6
"""Asks that a meeting remembers: an answer may come when others were asked since."""

_OURS = ("user", "rendezvous")
"""Rows that HubSpot itself does not keep in step: by a hand, or by us. Those of its own calendar sync and of its booking page it does."""


class Known(Struct, frozen=True, gc=False):
    """What is known of a meeting: its id, its copies, how timelines show it, and what was asked before."""

    meeting: UUID
    copies: Collection[Sighting]
    view: View | None
    asked: tuple[Ask, ...]


def asks(known: Known, around: Surroundings) -> tuple[Ask, ...]:
    """What to ask for now that was not asked for before."""
    if known.view is None or len(known.view.parts) != 1:
        return ()
    writes = around.account.policy.writes
    crm = [s for s in known.copies if s.side == "crm"]
    if not crm and not writes.crm:
        return ()
    calendar = [s for s in known.copies if s.side == "calendar"]
    rows = [r for r in whole_and_single(crm, calendar)[0] if r.origin in _OURS and not is_deleted(r) and content_of(told(r)) is not None]
    part = known.view.parts[0]
    found: list[Ask] = []
    if writes.calendar and rows:
        found += _to_calendar(part, max(rows, key=_newest), calendar, around)
    if writes.crm:
        found += _to_crm(part, rows, crm, calendar, around)
    return tuple([_with_id(ask, known) for ask in found if not _was_asked(ask, known.asked)])


def remembered(asked: tuple[Ask, ...], new: tuple[Ask, ...]) -> tuple[Ask, ...]:
    """What was asked, with what is asked now."""
    return (*asked, *new)[-KEPT:] if new else asked


def recalled(asked: tuple[Ask, ...], ids: Collection[str]) -> tuple[Ask, ...]:
    """What was asked, when some of it is recalled."""
    return tuple(replace(a, recalled=True) if a.id in ids else a for a in asked) if ids else asked


class Said(Protocol):
    """What an ask, and the request that it becomes, says of what is to be written."""

    @property
    def action(self) -> str:
        """`create` or `update`."""

    @property
    def copy(self) -> str | None:
        """The provider's id of what is updated."""

    @property
    def changed(self) -> tuple[str, ...]:
        """The fields to be written of an update."""


def says_all(new: Said, old: Said) -> bool:
    """Does what is asked of a side now say all of what was asked of it before and nobody has begun?"""
    if new.action == "create":
        return True
    if old.action == "create":
        # A new one that knows a copy speaks of another one than is still to be made.
        return new.copy is None
    return new.copy == old.copy and set(old.changed) <= set(new.changed)


def unmade(asked: Sequence[Ask], copies: Collection[Sighting]) -> tuple[str, ...]:
    """The ids of the creations in a calendar that nothing calls for any more: the CRM has called off, or deleted, all of what asked for
    them, and no calendar is known to have any. Nobody is invited to what is off by then (rule crm-schedules)."""
    made = [a.id for a in asked if a.action == "create" and a.provider != CRM and not a.recalled]
    if not made or any(s.side == "calendar" or not (is_deleted(s) or is_off(last(s))) for s in copies):
        return ()
    return tuple(made)


def answered(known: Known, delivery: str, id_: str, revision: Revision, created: int, uid: str | None) -> Sighting | None:
    """The copy that a provider says it has written, saying what was asked; None if nobody remembers that. `revision` has the
    provider's times and no content; `created` (ms) and `uid` are those of a new copy."""
    ask = next((a for a in known.asked if a.id == delivery), None)
    if ask is None:
        return None
    mailbox = "crm" if ask.provider == CRM else ask.user
    name = key(ask.provider, mailbox, id_)
    word = replace(revision, content=ask.content, state="cancelled" if ask.cancelled else "confirmed")
    copy = next((s for s in known.copies if s.key == name), None)
    if copy is not None:
        return replace(copy, revisions=(word,))
    return Sighting(
        name,
        "crm" if ask.provider == CRM else "calendar",
        ask.provider,
        id_,
        ask.user,
        "rendezvous",
        uid or ask.uid,
        str(known.meeting),
        created=created,
        revisions=(word,),
    )


# --- into the calendar -------------------------------------------------------------------------------------------------------


def _to_calendar(part: Part, row: Sighting, calendar: Sequence[Sighting], around: Surroundings) -> list[Ask]:
    """What its owner's calendar lacks of what the CRM says. A row that is off leaves the calendar alone (rule crm-updates)."""
    if is_off(_word(row)):
        return []
    whole = [s for s in calendar if s.original is None]
    if not whole:
        return [] if calendar else _event_made(part, row, around)
    copy = max((s for s in whole if _may_write(s, calendar, around)), key=_newest, default=None)
    return [] if copy is None else _event_changed(part, row, copy, around)


def _event_made(part: Part, row: Sighting, around: Surroundings) -> list[Ask]:
    """Rule crm-schedules: only in a calendar that was connected when the row was made, only for what was then still to come."""
    connection = around.connection(row.user or "")
    live, created = connection.live, row.created if row.created is not None else row.revisions[0].updated
    if row.origin != "user" or live is None or not connection.created_within(live.provider, created) or _was_over(part, created):
        return []
    guests = _guests(part.shown, live.address, around)
    content = replace(_said(part.shown, content_of(told(row))), guests=guests)
    invite = any(not g.owner for g in guests)
    return [_ask(live.provider, row.user or "", "create", content, invite=invite)]


def _event_changed(part: Part, row: Sighting, copy: Sighting, around: Surroundings) -> list[Ask]:
    """Rule crm-updates: what of the meeting as it is now the calendar does not say yet. Guests are added, never taken away."""
    theirs = content_of(told(copy))
    assert theirs is not None
    changed = _differing(part.shown, theirs, time_too=not (theirs.rules or theirs.added))
    if _described(row, copy):
        changed = (*changed, "description")
    new = _uninvited(part.shown, copy, around) if copy.origin == "rendezvous" and row.origin == "user" else ()
    if not changed and not new:
        return []
    content = replace(_with(theirs, part.shown, changed), guests=(*theirs.guests, *new))
    if "description" in changed:
        content = replace(content, description=content_of(told(row)).description)  # type: ignore[union-attr]  # rows have content here
    # Who moves a meeting, or adds a guest, has them told; a corrected title is no reason to write to anybody.
    invite = bool(new) or "time" in changed
    return [_ask(copy.provider, copy.user or "", "update", content, (*changed, *(("guests",) if new else ())), copy, invite)]


def _described(row: Sighting, copy: Sighting) -> bool:
    """Did the CRM alone change the description since both sides agreed? Timelines do not show it, so that nothing merged it before."""
    left, right = ([(told_at(w.revision), w.content.description) for w in told(s) if w.content is not None] for s in (row, copy))
    return merge(left, right).from_left


def _may_write(s: Sighting, calendar: Sequence[Sighting], around: Surroundings) -> bool:
    """Is it a copy that we see whole, in its organiser's own mailbox, which is connected?"""
    word, live = last(s), around.connection(s.user or "").live
    if live is None or live.provider != s.provider or word.state != "confirmed" or word.hidden or is_private(s):
        return False
    content = content_of(told(s))
    return content is not None and outside(s, calendar, around) is None and is_owners(s, content, around)


def _guests(shown: Shown, owner: str | None, around: Surroundings) -> tuple[Guest, ...]:
    """Whose calendar it is, whom the row names and whom it is associated with, each once."""
    found: dict[str, Guest] = {} if owner is None else {key_of(owner): Guest(owner, "accepted", owner=True)}
    for guest in (*(g for g in shown.guests if not g.owner), *_invited(shown, around)):
        found.setdefault(key_of(guest.person), Guest(guest.person))
    return tuple(found.values())


def _invited(shown: Shown, around: Surroundings) -> tuple[Guest, ...]:
    """The contacts in whose timelines it stands, as guests: those with an address."""
    found = [around.contact(contact) for contact in shown.contacts]
    return tuple(Guest(c.person) for c in found if c is not None and c.person and c.key and not around.person(c.person).erased)


def _uninvited(shown: Shown, copy: Sighting, around: Surroundings) -> tuple[Guest, ...]:
    """Those of the contacts who never were guests of this copy: whom its organiser took away stays away."""
    were = {key_of(g.person) for r in copy.revisions if r.content is not None for g in r.content.guests}
    return tuple(g for g in _invited(shown, around) if key_of(g.person) not in were)


def _was_over(part: Part, created: int) -> bool:
    """Was it over when it was made? Then somebody noted what had been, and invites nobody."""
    return not layout.is_series(part) and layout.own_slot(part.shown).end <= created


# --- into the CRM ------------------------------------------------------------------------------------------------------------


def _to_crm(part: Part, rows: Sequence[Sighting], crm: Sequence[Sighting], calendar: Sequence[Sighting], around: Surroundings) -> list[Ask]:
    """What the CRM lacks of a meeting with its contacts. It has no series: those stand in our timelines alone. Beside a row that
    HubSpot keeps in step itself nothing is written."""
    if layout.is_series(part) or any(r.origin not in _OURS for r in crm):
        return []
    cancelled = part.cancelled_from is not None
    counted = [s for s in calendar if outside(s, calendar, around) is None]
    if rows:
        return _row_changed(part, max(rows, key=_newest), cancelled, counted, around)
    copies = [s for s in counted if s.original is None]
    if crm or not copies or not part.shown.contacts or cancelled:
        return []
    copy = max(copies, key=lambda s: (is_owners(s, content_of(told(s)), around), *_newest(s)))
    content = replace(_said(part.shown, None), contacts=part.shown.contacts)
    return [_ask(CRM, copy.user or "", "create", content, uid=copy.uid)]


def _row_changed(part: Part, row: Sighting, cancelled: bool, calendar: Sequence[Sighting], around: Surroundings) -> list[Ask]:
    theirs = content_of(told(row))
    assert theirs is not None
    changed = _differing(part.shown, theirs, time_too=True)
    ours = row.origin == "rendezvous"
    new = tuple(c for c in part.shown.contacts if c not in theirs.contacts) if ours else ()
    gone = invited(calendar, around).difference(part.shown.contacts) if ours else set[str]()
    left = tuple(c for c in theirs.contacts if c not in gone)
    off = is_off(_word(row))
    if cancelled and not off:
        changed = (*changed, "status")
    if new or left != theirs.contacts:
        changed = (*changed, "associations")
    if not changed or off:  # what the CRM has called off is the CRM's business
        return []
    content = replace(_with(theirs, part.shown, changed), contacts=(*left, *new))
    return [_ask(CRM, row.user or "", "update", content, changed, row, cancelled=cancelled)]


# --- both --------------------------------------------------------------------------------------------------------------------


def _ask(
    provider: str,
    user: str,
    action: Literal["create", "update"],
    content: Content,
    changed: tuple[str, ...] = (),
    copy: Sighting | None = None,
    invite: bool = False,
    uid: str | None = None,
    cancelled: bool = False,
) -> Ask:
    """An ask that has no id yet."""
    revision = None if copy is None else next((r.revision for r in reversed(copy.revisions) if r.revision), None)
    return Ask("", provider, user, action, content, changed, None if copy is None else copy.id, revision, uid, invite, cancelled)


def _with_id(ask: Ask, known: Known) -> Ask:
    """The same ask has the same id, however often it is decided; another one, even of the same words, another."""
    before = known.asked[-1].id if known.asked else ""
    said = digest(msgspec.json.encode(ask).decode())
    name = uuid5(known.meeting, f"{ask.provider}|{ask.user}|{ask.action}|{before}|{ask.revision}|{said}")
    return replace(ask, id=name.hex)


def _was_asked(ask: Ask, asked: tuple[Ask, ...]) -> bool:
    """Was this the last that was asked of this side?"""
    last_one = next((a for a in reversed(asked) if (a.provider, a.user) == (ask.provider, ask.user)), None)
    return (
        last_one is not None
        and not last_one.recalled
        and (last_one.action, last_one.copy, last_one.revision, last_one.cancelled) == (ask.action, ask.copy, ask.revision, ask.cancelled)
        and same_content(last_one.content, ask.content)
    )


def _differing(shown: Shown, theirs: Content, time_too: bool) -> tuple[str, ...]:
    """The fields in which a side says something else than the meeting is."""
    found = []
    if not alike(shown.title, theirs.title):
        found.append("title")
    if time_too and layout.when(shown) != layout.when(theirs):
        found.append("time")
    if not alike(shown.location, theirs.location):
        found.append("place")
    if not alike(shown.conference_url, theirs.conference_url):
        found.append("conference")
    return tuple(found)


def _said(shown: Shown, row: Content | None) -> Content:
    """What the meeting is, as a copy says it. Its description is the row's alone: timelines show none."""
    return Content(
        start=shown.start,
        duration=shown.duration,
        title=shown.title,
        description=None if row is None else row.description,
        location=shown.location,
        conference_url=shown.conference_url,
        time_zone=shown.time_zone,
        all_day=shown.all_day,
        rules=() if row is None else row.rules,
        excluded=() if row is None else row.excluded,
        added=() if row is None else row.added,
    )


def _with(theirs: Content, shown: Shown, changed: Collection[str]) -> Content:
    """What a side says, with these fields as the meeting has them."""
    if "title" in changed:
        theirs = replace(theirs, title=shown.title)
    if "time" in changed:
        theirs = replace(theirs, start=shown.start, duration=shown.duration, time_zone=shown.time_zone, all_day=shown.all_day)
    if "place" in changed:
        theirs = replace(theirs, location=shown.location)
    if "conference" in changed:
        theirs = replace(theirs, conference_url=shown.conference_url)
    return theirs


def _word(row: Sighting) -> Revision:
    """The row's newest word that says anything."""
    return next(r for r in reversed(row.revisions) if r.content is not None)


def _newest(s: Sighting) -> tuple[int, str]:
    return (told_at(last(s)), s.key)
