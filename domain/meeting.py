"""The Meeting: everything known of one meeting on both sides, and what follows from one more word about it.

`evolve` only assigns. `learn` is the decider: it takes a copy with one new revision (and what is known of other meetings
found to be this one), settles what the meeting is now, and says which event records it and which rules settled it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from uuid import UUID

import msgspec
from msgspec import UNSET, Struct
from msgspec.structs import replace

from domain.asking import Known, asks, recalled, remembered, unmade
from domain.copies import is_private, removes_nothing
from domain.decisions import Decision, Outcome, Rule
from domain.events import (
    Ask,
    Event,
    MeetingAbsorbed,
    MeetingCancelled,
    MeetingEvent,
    MeetingNoted,
    MeetingRescheduled,
    MeetingRevised,
    MeetingScheduled,
    MeetingWithdrawn,
    Part,
    Revision,
    Shown,
    Sighting,
    View,
)
from domain.layout import laid_out
from domain.matching import Surroundings
from domain.settling import Settled, settle
from domain.sighting import News, joined, last, placed, united


class Meeting(Struct, frozen=True):
    """`copies` by key; `view` as timelines show it, None in none; `into` the meeting it was found to be; `others` those that
    were found to be this one; `versions` whether read models may hold versions of it."""

    id: UUID
    account: str
    copies: dict[str, Sighting] = {}
    view: View | None = None
    into: UUID | None = None
    version: int = 0
    others: tuple[str, ...] = ()
    versions: bool = False
    asked: tuple[Ask, ...] = ()


class Learned(Struct, frozen=True, gc=False):
    """What followed: the event to record (None: nothing new), the decisions, and the meeting after it."""

    event: MeetingEvent | None
    decisions: tuple[Decision, ...]
    meeting: Meeting


class Cause(Struct, frozen=True, gc=False):
    """What an event followed from: the source event's id, when it happened at its side, and our clock (ms)."""

    event: str
    at: int
    recorded_at: int


def evolve(state: Meeting, event: Event) -> Meeting:
    """The meeting after `event`."""
    if isinstance(event, MeetingAbsorbed):
        return replace(state, account=event.account, into=UUID(event.into), view=None, version=state.version + 1)
    if not isinstance(event, MeetingEvent):
        return state
    copies = state.copies
    if event.absorbed or event.releases:
        copies = _regrouped(copies, event.absorbed, event.releases)
    if event.sighting is not None:
        one, _ = joined(copies.get(event.sighting.key), event.sighting)
        copies = {**copies, one.key: one}
    view = state.view if event.view is UNSET else event.view
    return Meeting(
        state.id,
        event.account,
        copies,
        view,
        None,
        state.version + 1,
        (*state.others, *event.absorbs) if event.absorbs else state.others,
        view is not None or (state.versions and not event.purge),
        recalled(remembered(state.asked, event.asks), event.recalls),
    )


def _regrouped(copies: dict[str, Sighting], absorbed: Iterable[Sighting], releases: Collection[str] = ()) -> dict[str, Sighting]:
    """The copies of a meeting, with others, without those that it releases."""
    kept = {key: copy for key, copy in copies.items() if key not in releases}
    for other in absorbed:
        kept[other.key] = united(kept[other.key], other) if other.key in kept else other
    return kept


def learn(meeting: Meeting, seen: Sighting, cause: Cause, around: Surroundings, absorbed: tuple[Meeting, ...] = ()) -> Learned:
    """What follows from one more revision of one copy. tests/domain/rules has a table of cases for each rule."""
    before = meeting
    taken = _taken(absorbed) if absorbed else _NOTHING
    if absorbed:
        meeting = replace(meeting, copies=_regrouped(meeting.copies, taken.copies))
    known = meeting.copies.get(seen.key)
    seen = placed(known, seen)
    copy, news = joined(known, seen)
    if news is News.DUPLICATE and not absorbed:
        return Learned(None, (Decision(Rule.DUPLICATE, Outcome.IGNORED),), before)
    if news is News.KNOWN and copy is known and not absorbed:
        rule = Rule.ECHO if copy.origin == "rendezvous" else Rule.STALE
        return Learned(None, (Decision(rule, Outcome.IGNORED, note={"revision": "already known"}),), before)
    copies = {**meeting.copies, copy.key: copy}
    # A word that is no news re-judges nobody: a guest keeps the contacts he was matched with until the meeting changes. That another
    # meeting was found to be this one is a change.
    keep = before.view if news in (News.STALE, News.KNOWN) and not absorbed else None
    settled = settle(tuple(copies.values()), around, keep)
    view = settled.view
    changed = _changed(before.view, view)
    shown = changed or view != before.view
    out = settled.outside.get(copy.key)
    private = _newly_private(known, copy, copies, bool(absorbed))
    versions = before.versions or taken.versions
    content_free = _without_content(seen) if out is not None and not _may_count(copy, copies, around) else seen
    kind = _kind(before.view, view, changed)
    before_asked = (*before.asked, *taken.asked)
    recalls = tuple(a.id for a in before_asked if not a.recalled) if private else unmade(before_asked, copies.values())
    asked = (*taken.asked, *asks(Known(before.id, copies.values(), view, recalled(before_asked, recalls)), around))
    event = kind(
        account=meeting.account,
        at=cause.at,
        recorded_at=cause.recorded_at,
        cause=cause.event,
        sighting=content_free,
        view=view if shown or (private and versions) else UNSET,
        absorbed=taken.copies,
        absorbs=taken.absorbs,
        changed=changed,
        purge=private and versions,
        purges=(*before.others, *taken.absorbs) if private and versions else (),
        asks=asked,
        recalls=recalls,
    )
    decisions = _decide(before, known, copy, news, settled, changed, bool(absorbed))
    if content_free is seen and not absorbed:  # what `evolve` would come to, without joining the revisions a second time
        return Learned(
            event,
            decisions,
            Meeting(
                before.id,
                before.account,
                copies,
                view,
                None,
                before.version + 1,
                before.others,
                view is not None or (versions and not private),
                recalled(remembered(before.asked, asked), recalls),
            ),
        )
    return Learned(event, decisions, evolve(before, event))


class _Taken(Struct, frozen=True, gc=False):
    """What meetings bring that were found to be this one."""

    copies: tuple[Sighting, ...] = ()
    absorbs: tuple[str, ...] = ()
    asked: tuple[Ask, ...] = ()
    versions: bool = False


_NOTHING = _Taken()


def _taken(absorbed: tuple[Meeting, ...]) -> _Taken:
    return _Taken(
        tuple(copy for other in absorbed for copy in other.copies.values()),
        tuple(name for other in absorbed for name in (other.id.hex, *other.others)),
        tuple(ask for other in absorbed for ask in other.asked),
        any(other.versions for other in absorbed),
    )


def _newly_private(known: Sighting | None, copy: Sighting, copies: dict[str, Sighting], absorbing: bool) -> bool:
    """Is something private now that was not, or may not have been? Then what was shown of it must go for good."""
    if absorbing:
        return any(c.side == "calendar" and is_private(c) for c in copies.values())
    return copy.side == "calendar" and is_private(copy) and (known is None or not is_private(known))


def _may_count(copy: Sighting, copies: dict[str, Sighting], around: Surroundings) -> bool:
    """Could a copy that does not count yet count by what is learned later? An occurrence whose series is not known yet, and the
    earlier meeting of a user who switched his provider."""
    if copy.series is not None and not any(o.id == copy.series and o.user == copy.user for o in copies.values()):
        return True
    return copy.created is not None and around.connection(copy.user or "").created_within_any(copy.created)


def _without_content(seen: Sighting) -> Sighting:
    """Of what is outside, only its identity is kept."""
    return replace(seen, revisions=tuple(replace(r, content=None) for r in seen.revisions))


def rejudge(meeting: Meeting, keys: Collection[str], cause: Cause, around: Surroundings) -> Learned:
    """Judge the people with these keys again with nothing new said of the meeting (policy backfill, an erasure). Everybody else
    keeps the contacts he was matched with."""
    if meeting.view is None:
        return Learned(None, (), meeting)
    settled = settle(tuple(meeting.copies.values()), around, meeting.view, keys)
    if settled.view == meeting.view:
        return Learned(None, (), meeting)
    event = MeetingRevised(
        account=meeting.account,
        at=cause.at,
        recorded_at=cause.recorded_at,
        cause=cause.event,
        view=settled.view,
        changed=_changed(meeting.view, settled.view),
    )
    return Learned(event, settled.decisions, evolve(meeting, event))


def ask_again(meeting: Meeting, cause: Cause, around: Surroundings) -> MeetingNoted | None:
    """What records that something is to be written outside by what was learned of others: a contact has an address now, and can be
    invited. None if nothing is."""
    asked = asks(Known(meeting.id, meeting.copies.values(), meeting.view, meeting.asked), around)
    if not asked:
        return None
    return MeetingNoted(account=meeting.account, at=cause.at, recorded_at=cause.recorded_at, cause=cause.event, asks=asked)


def regroup(
    meeting: Meeting,
    cause: Cause,
    around: Surroundings,
    *,
    releases: Collection[str] = (),
    comes: tuple[Sighting, ...] = (),
    absorbed: tuple[Meeting, ...] = (),
) -> tuple[MeetingEvent, Meeting]:
    """What records that copies (their keys) are another meeting's now, that others have come, or that all of some meetings are this
    one's, with nothing new said of any of them; and the meeting after it."""
    taken = _taken(absorbed)
    copies = _regrouped(meeting.copies, (*taken.copies, *comes), releases)
    view = settle(tuple(copies.values()), around).view
    changed = _changed(meeting.view, view)
    private = bool(absorbed) and any(c.side == "calendar" and is_private(c) for c in copies.values())
    purge = private and (meeting.versions or taken.versions)
    before_asked = (*meeting.asked, *taken.asked)
    recalls = tuple(a.id for a in before_asked if not a.recalled) if private else unmade(before_asked, copies.values())
    event = _kind(meeting.view, view, changed)(
        account=meeting.account,
        at=cause.at,
        recorded_at=cause.recorded_at,
        cause=cause.event,
        view=view if view != meeting.view or purge else UNSET,
        absorbed=(*taken.copies, *comes),
        absorbs=taken.absorbs,
        releases=tuple(releases),
        changed=changed,
        purge=purge,
        purges=(*meeting.others, *taken.absorbs) if purge else (),
        asks=(*taken.asked, *asks(Known(meeting.id, copies.values(), view, recalled(before_asked, recalls)), around)),
        recalls=recalls,
    )
    return event, evolve(meeting, event)


def absorb(meeting: Meeting, into: UUID, cause: Cause) -> tuple[MeetingAbsorbed, Meeting]:
    """This meeting was found to be another."""
    event = MeetingAbsorbed(account=meeting.account, at=cause.at, recorded_at=cause.recorded_at, cause=cause.event, into=into.hex)
    return event, evolve(meeting, event)


# --- what changed, and what it is called -------------------------------------------------------------------------------------


def _changed(before: View | None, after: View | None) -> tuple[str, ...]:
    if before is None or after is None:
        return () if before is after else ("timeline",)
    if before == after:
        return ()
    if len(before.parts) == len(after.parts) == 1 and not before.exceptions and not after.exceptions:
        return _changed_part(before.parts[0], after.parts[0]) + (("links",) if before.links != after.links else ()) or ("details",)
    old, new = _heads(before), _heads(after)
    names = []
    if [(s.start, s.duration, s.time_zone, s.all_day) for s in old] != [(s.start, s.duration, s.time_zone, s.all_day) for s in new]:
        names.append("time")
    names += [
        {"conference_url": "conferenceUrl"}.get(field, field)
        for field in ("title", "location", "conference_url", "guests", "contacts")
        if [getattr(s, field) for s in old] != [getattr(s, field) for s in new]
    ]
    if _cancelled(before) != _cancelled(after) or [s.status for s in old] != [s.status for s in new]:
        names.append("status")
    if [(p.rules, p.excluded, p.added) for p in before.parts] != [(p.rules, p.excluded, p.added) for p in after.parts]:
        names.append("series")
    if before.links != after.links:
        names.append("links")
    return tuple(names) or ("details",)


def _changed_part(old: Part, new: Part) -> tuple[str, ...]:
    """As `_changed`, for the common case: a meeting of one part."""
    a, b = old.shown, new.shown
    names = []
    if (a.start, a.duration, a.time_zone, a.all_day) != (b.start, b.duration, b.time_zone, b.all_day):
        names.append("time")
    if a.title != b.title:
        names.append("title")
    if a.location != b.location:
        names.append("location")
    if a.conference_url != b.conference_url:
        names.append("conferenceUrl")
    if a.guests != b.guests:
        names.append("guests")
    if a.contacts != b.contacts:
        names.append("contacts")
    if a.status != b.status or (old.cancelled_from is None) is not (new.cancelled_from is None):
        names.append("status")
    if (old.rules, old.excluded, old.added) != (new.rules, new.excluded, new.added):
        names.append("series")
    return tuple(names)


def _heads(view: View) -> list[Shown]:
    heads = [p.shown for p in view.parts]
    return heads + [e.shown for e in view.exceptions if e.shown is not None] if view.exceptions else heads


def _cancelled(view: View) -> tuple[object, ...]:
    return tuple(p.cancelled_from is not None for p in view.parts), frozenset(e.original for e in view.exceptions if e.cancelled)


def _kind(before: View | None, after: View | None, changed: tuple[str, ...]) -> type[MeetingEvent]:
    if after is None:
        return MeetingNoted if before is None else MeetingWithdrawn
    if before is None:
        return MeetingScheduled
    if not changed or set(changed) <= {"links"}:
        return MeetingNoted
    if "status" in changed and _more_cancelled(before, after):
        return MeetingCancelled
    return MeetingRescheduled if {"time", "series"} & set(changed) else MeetingRevised


def _more_cancelled(before: View, after: View) -> bool:
    parts = sum(p.cancelled_from is not None for p in after.parts) > sum(p.cancelled_from is not None for p in before.parts)
    return parts or sum(e.cancelled for e in after.exceptions) > sum(e.cancelled for e in before.exceptions)


# --- which rule settled it -----------------------------------------------------------------------------------------------------


def _decide(
    before: Meeting,
    known: Sighting | None,
    copy: Sighting,
    news: News,
    settled: Settled,
    changed: tuple[str, ...],
    absorbing: bool,
) -> tuple[Decision, ...]:
    main = _main(before, known, copy, news, settled, changed, absorbing)
    if settled.view is None or (main.outcome is Outcome.IGNORED and main.rule is not Rule.CALENDAR_DELETES):
        return (main,)
    rest = settled.decisions
    if (settled.decisions or before.version == 0) and not any(s.contacts for s in _heads(settled.view)):
        nobody = Decision(Rule.NO_CONTACT, Outcome.IGNORED)
        return (nobody, *rest) if before.version == 0 and main.rule is Rule.CONTACT_MATCH else (main, nobody, *rest)
    return (main, *rest)


def _main(
    before: Meeting,
    known: Sighting | None,
    copy: Sighting,
    news: News,
    settled: Settled,
    changed: tuple[str, ...],
    absorbing: bool,
) -> Decision:
    """The one rule that settled the source event, most decisive first."""
    word = last(copy)
    out = settled.outside.get(copy.key)
    if word.kind != "meeting":
        return Decision(Rule.NOT_A_MEETING, Outcome.IGNORED, note={"kind": word.kind})
    if out is not None:
        return Decision(out, Outcome.IGNORED)
    if copy.side == "crm" and word.state == "deleted" and news is not News.STALE:
        return Decision(Rule.CRM_DELETE_KEEPS_CALENDAR, Outcome.APPLIED)
    if settled.why_not is Rule.CRM_DELETE_KEEPS_CALENDAR:
        return Decision(Rule.CRM_DELETE_KEEPS_CALENDAR, Outcome.SUPPRESSED)
    if settled.why_not is Rule.PRIVATE or (copy.side == "calendar" and is_private(copy)):
        return Decision(Rule.PRIVATE, Outcome.IGNORED)
    if removes_nothing(copy, word, before.copies.values()):
        return Decision(Rule.CALENDAR_DELETES, Outcome.IGNORED, note={"reason": "outside the window that was read"})
    if news in (News.STALE, News.KNOWN) and _is_what_we_wrote(known, copy):
        return Decision(Rule.ECHO, Outcome.IGNORED, note={"revision": "already known"})
    if news is News.STALE or news is News.KNOWN:
        return Decision(Rule.STALE, Outcome.IGNORED, note={"taken": list(changed)} if changed else None)
    if settled.view is None:
        if copy.side == "calendar" and word.state == "deleted":
            return Decision(Rule.CALENDAR_DELETES, Outcome.IGNORED, note={"reason": "nothing was known of it"})
        return Decision(settled.why_not or Rule.ACTIVE_WINDOW, Outcome.IGNORED)
    if copy.side == "crm":
        return _main_crm(before, known, copy, settled, changed, absorbing)
    return _main_calendar(before, known, copy, word, settled, changed, absorbing)


def _is_what_we_wrote(known: Sighting | None, copy: Sighting) -> bool:
    """Is this word no news because a side's answer to our own write told it before? A side may say in words of its own what was
    written, as a time in another zone; its revision is the same by when it was made."""
    if known is None or copy.origin != "rendezvous":
        return False
    told = {r.event for r in known.revisions}
    return all(r.event in told or any(r.updated == one.updated for one in known.revisions) for r in copy.revisions)


def _main_crm(
    before: Meeting, known: Sighting | None, copy: Sighting, settled: Settled, changed: tuple[str, ...], absorbing: bool
) -> Decision:
    if known is None or all(r.content is None for r in known.revisions):
        joins = bool(before.copies) or absorbing
        if copy.origin == "booking":
            return Decision(Rule.CONTACT_BOOKS, Outcome.MERGED if joins else Outcome.APPLIED)
        if copy.origin == "rendezvous":
            return Decision(Rule.ECHO, Outcome.MERGED)
        if joins:
            return Decision(Rule.SAME_MEETING, Outcome.MERGED, note=_losing(settled))
        return Decision(Rule.CRM_SCHEDULES if copy.origin == "user" else Rule.SAME_MEETING, Outcome.APPLIED)
    if settled.merged:
        return Decision(Rule.THREE_WAY, Outcome.APPLIED, note=_losing(settled))
    if last(copy).state == "restored":
        return Decision(Rule.CRM_DELETE_KEEPS_CALENDAR, Outcome.APPLIED, note={"restored": True})
    return Decision(Rule.CRM_UPDATES, Outcome.APPLIED, note={"changed": list(changed)})


def _main_calendar(
    before: Meeting,
    known: Sighting | None,
    copy: Sighting,
    word: Revision,
    settled: Settled,
    changed: tuple[str, ...],
    absorbing: bool,
) -> Decision:
    if word.state in ("deleted", "cancelled"):
        if (
            before.view is not None
            and settled.view is not None
            and not _more_cancelled(before.view, settled.view)
            and word.state == "deleted"
        ):
            cancelled = any(p.cancelled_from is not None for p in settled.view.parts) or any(
                e.cancelled and e.original in (copy.original, copy.original_day) for e in settled.view.exceptions
            )
            reason = "it was cancelled already" if cancelled else "a guest's copy is gone: his answer, not a cancellation"
            return Decision(Rule.CALENDAR_DELETES, Outcome.IGNORED, note={"reason": reason})
        if copy.original is not None and settled.view is not None and not _is_shown_off(settled.view, copy):
            return Decision(Rule.CALENDAR_DELETES, Outcome.IGNORED, note={"reason": "its series has it no more"})
        return Decision(Rule.CALENDAR_DELETES, Outcome.APPLIED)
    if absorbing or (known is None and before.copies):
        rule = Rule.ECHO if copy.origin == "rendezvous" else Rule.SAME_MEETING
        if not absorbing and copy.original is not None and any(o.original is None and o.id == copy.series for o in before.copies.values()):
            return Decision(Rule.CALENDAR_UPDATES, Outcome.APPLIED, note={"changed": list(changed)})
        if any(o.origin == "booking" for o in before.copies.values()):
            rule = Rule.CONTACT_BOOKS
        return Decision(rule, Outcome.MERGED, note=_losing(settled))
    if settled.merged and changed:
        return Decision(Rule.THREE_WAY, Outcome.APPLIED, note=_losing(settled))
    if before.version == 0:
        return Decision(Rule.CONTACT_MATCH, Outcome.APPLIED)
    return Decision(Rule.CALENDAR_UPDATES, Outcome.APPLIED, note={"changed": list(changed)})


def _is_shown_off(view: View, copy: Sighting) -> bool:
    """Is the occurrence that this copy is shown as cancelled?"""
    names = [name for name in (copy.original, copy.original_day) if name is not None]
    return any(laid.original == name and laid.shown.status == "cancelled" for name in names for laid in laid_out(view, name, name + 1))


def _losing(settled: Settled) -> dict[str, object] | None:
    """The losing values, of a meeting that is logged."""
    if not settled.lost or settled.view is None or not any(s.contacts for s in _heads(settled.view)):
        return None
    return {"lost": msgspec.to_builtins(settled.lost)}
