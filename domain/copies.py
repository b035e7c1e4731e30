"""A copy of a meeting, judged by itself: does it count, and what did it say over time?

What must stay true: the answers follow from the copy's revisions in the provider's order, from its fellow copies and from the
surroundings, never from the order of arrival.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from domain import recurrence
from domain.connection import Connection
from domain.decisions import Rule
from domain.events import Content, Guest, Revision, Sighting
from domain.matching import Surroundings
from domain.people import key_of
from domain.recurrence import instant
from domain.sighting import last, same_guests, told_at

_A_SECOND = 1000
"""Milliseconds; Google tells no finer when an event was made (`created`, RFC 3339)."""

_A_DAY = 86_400_000
"""A local time is within a day of the same time in UTC."""


class Told(Struct, frozen=True, gc=False):
    """A revision and what was known of the content by then. Hidden details are unknown, not empty: `bare` if they never were
    seen by then."""

    revision: Revision
    content: Content | None
    bare: bool = False


# --- 1. which copies count -----------------------------------------------------------------------------------------------


def outside(s: Sighting, copies: Sequence[Sighting], around: Surroundings) -> Rule | None:
    """The rule by which a calendar copy, or a row of HubSpot's own sync, does not count, or None."""
    if s.side == "crm":
        return None if s.origin != "native-sync" else _native_outside(s, copies, around)
    master = _master_of(s, copies)
    created = s.created if master is None or master.created is None else master.created
    connection = around.connection(s.user or "")
    if created is None:
        return None if _is_tombstone(s) else Rule.ACTIVE_WINDOW
    if connection.created_within(s.provider, created):
        return None
    if s.origin == "rendezvous" and connection.created_within(s.provider, created + _A_SECOND - 1):
        return None  # told in whole seconds, and ours was made after the consent
    if connection.created_within_any(created) and any(
        o is not s and o.user == s.user and o.created is not None and connection.created_within(o.provider, o.created) for o in copies
    ):
        return None  # the same user's other provider, before he switched
    live = connection.live
    return Rule.ONE_CALENDAR if live is not None and live.provider != s.provider else Rule.ACTIVE_WINDOW


def _native_outside(s: Sighting, copies: Sequence[Sighting], around: Surroundings) -> Rule | None:
    """As the copy in its owner's own mailbox. Else by its own time, and by that of the meeting as others' copies tell it, unless one
    of these counts."""
    seen = [o for o in copies if o.side == "calendar" and o.original is None and o.created is not None]
    own = [o for o in seen if o.user == s.user]
    if own and all(kind_of(o) != "meeting" for o in own):
        return Rule.NOT_A_MEETING
    counts = any(outside(o, copies, around) is None for o in own or seen)
    if own:
        return None if counts else Rule.ACTIVE_WINDOW
    connection = around.connection(s.user or "")
    created = [s.created] if counts else [s.created, *(o.created for o in seen)]
    return None if all(at is not None and connection.created_within_any(at) for at in created) else Rule.ACTIVE_WINDOW


def _is_tombstone(s: Sighting) -> bool:
    return all(r.state == "deleted" for r in s.revisions)


def _master_of(s: Sighting, copies: Sequence[Sighting]) -> Sighting | None:
    if s.series is None:
        return None
    return next((o for o in copies if o.id == s.series and o.provider == s.provider and o.user == s.user), None)


def counting(s: Sighting, connection: Connection, copies: Iterable[Sighting] = ()) -> Sighting | None:
    """The copy, one of `copies`, with those revisions only that count: what was said before its connection ended, and no removal
    from a window in which it was not, or of what was cancelled before."""
    if s.side == "crm":
        return s
    live = connection.live
    connected = live is not None and live.provider == s.provider
    kept = [
        r
        for r in s.revisions
        if (connected or connection.counts(s.provider, told_at(r))) and not (r.span and removes_nothing(s, r, copies))
    ]
    kept = _without_clearing_away(kept)
    if len(kept) == len(s.revisions):
        return s
    return replace(s, revisions=tuple(kept)) if kept else None


def _without_clearing_away(revisions: list[Revision]) -> list[Revision]:
    """The words without the removals at the end that follow a cancellation: what was cancelled for all and is then cleared away,
    stays cancelled, and is nobody's answer."""
    end = len(revisions)
    while end and revisions[end - 1].state == "deleted":
        end -= 1
    return revisions[:end] if end and revisions[end - 1].state == "cancelled" else revisions


def removes_nothing(s: Sighting, removal: Revision, copies: Iterable[Sighting] = ()) -> bool:
    """Was the copy, when last heard of before, outside the window of the round that reports it removed? Then the report says
    nothing: providers report as removed what only left the window. `copies` are those among which its occurrences may be."""
    if removal.span is None:
        return False
    told_before: Content | None = None
    for r in s.revisions:
        if r is removal and told_before is not None:
            break
        told_before = r.content or told_before
    return told_before is not None and not is_in(s, told_before, removal.span, copies, told_at(removal))


def is_in(s: Sighting, content: Content, span: tuple[int, int], copies: Iterable[Sighting], before: int) -> bool:
    """Had the copy, which says `content`, an occurrence in [from, to), after what was told of single ones `before` then (ms)?"""
    if not content.rules and not content.added:
        return occurs(content, span)
    apart: dict[int, Content | None] = {}
    for o in copies:
        if o.original is not None and (o.series, o.provider, o.user) == (s.id, s.provider, s.user):
            original = o.original_day if content.all_day and o.original_day is not None else o.original
            words = [r for r in o.revisions if told_at(r) < before]
            where = next((r.content for r in reversed(words) if r.content is not None), None)
            if words and _is_gone(words[-1]):
                apart[original] = None
            elif where is not None:
                apart[original] = where
    return occurs(content, span, apart) or any(where is not None and occurs(where, span) for where in apart.values())


def _is_gone(word: Revision) -> bool:
    """Is an occurrence gone by this? A removal from a window may be one with that of its series, and says nothing by itself."""
    return word.state == "cancelled" or (word.state == "deleted" and word.span is None)


def occurs(content: Content, span: tuple[int, int], apart: Collection[int] = ()) -> bool:
    """Has it an occurrence that overlaps [from, to), other than those that would start at `apart`?"""
    if _is_far(content, span):
        return False
    shape = recurrence.spec(
        content.start, content.time_zone, content.duration, content.all_day, content.rules, content.excluded, content.added
    )
    low, high = span
    first = recurrence.slot(shape, shape.start)
    length = max(first.end - first.start, 1)
    return any(
        at.start < high and max(at.end, at.start + 1) > low and at.start not in apart for at in recurrence.starts(shape, low - length, high)
    )


def _is_far(content: Content, span: tuple[int, int]) -> bool:
    """Is a meeting without rule so far from [from, to) that no zone could bring it there? A listing is looked through for each of a
    mailbox's meetings, of which nearly all are."""
    length = recurrence.duration(content.duration)
    if content.rules or content.added or length is None:
        return False
    start = instant(content.start, None)
    end = start + (length.days * 86_400 + length.seconds) * 1000
    return start - _A_DAY >= span[1] or end + _A_DAY < span[0]


# --- what a copy says over time ------------------------------------------------------------------------------------------


def told(s: Sighting) -> list[Told]:
    """The copy's words in order, each with the content known by then; what only an older word says is taken, and for a
    deletion that came first, what a later one says."""
    if len(s.revisions) == 1:
        return [Told(s.revisions[0], s.revisions[0].content, s.revisions[0].hidden)]
    words: list[Told] = []
    known: Content | None = None
    bare = True
    for r in s.revisions:
        if r.content is not None and not r.hidden:
            known, bare = r.content, False
        elif r.content is not None:
            known = r.content if known is None else uncovered(known, r.content)
        words.append(Told(r, known, bare))
    return words


def calling_off(words: list[Told]) -> list[Told]:
    """The unbroken run of cancelling words at the end: it is cancelled from the first of them."""
    run: list[Told] = []
    for word in reversed(words):
        if word.revision.state not in ("cancelled", "deleted"):
            break
        run.insert(0, word)
    return run


def uncovered(known: Content, hidden: Content) -> Content:
    return replace(
        known,
        start=hidden.start,
        duration=hidden.duration,
        time_zone=hidden.time_zone,
        all_day=hidden.all_day,
        tentative=hidden.tentative,
        rules=hidden.rules,
        excluded=hidden.excluded,
        added=hidden.added,
    )


def content_of(words: Sequence[Told]) -> Content | None:
    for word in reversed(words):
        if word.content is not None:
            return word.content
    return None


def first_start(content: Content) -> int:
    """The instant of its first start."""
    return instant(content.start, None if content.all_day else content.time_zone)


def first_start_of(words: Sequence[Told]) -> int:
    content = content_of(words)
    return 0 if content is None else first_start(content)


def told_of(s: Sighting) -> Revision:
    """Its newest word that is no tombstone: what was private or no meeting stays that when it is deleted."""
    newest = s.revisions[-1]
    if newest.state != "deleted":
        return newest
    return next((r for r in reversed(s.revisions) if r.state != "deleted"), newest)


def kind_of(s: Sighting) -> str:
    return told_of(s).kind


def is_private(s: Sighting) -> bool:
    """Is this copy private?"""
    return told_of(s).private


def is_off(r: Revision) -> bool:
    """Does a CRM row say that it is cancelled?"""
    return r.state == "cancelled" or r.off


def is_deleted(s: Sighting) -> bool:
    return last(s).state == "deleted"


def newest_of(copies: Sequence[Sighting]) -> Sighting:
    """The copy with the newest word, a living one if there is any: what was made anew under another id stands in its place. But a
    removal that was told by the occurrence's start, under no id that ever was a copy's, is one of whatever copy its mailbox has."""
    best = max([s for s in copies if not is_deleted(s)] or copies, key=by_word)
    if len(copies) == 1 or is_deleted(best):
        return best
    removed = [s for s in copies if s.user == best.user and _is_nameless_removal(s) and by_word(s)[0] > by_word(best)[0]]
    return max(removed, key=by_word, default=best)


def by_word(s: Sighting) -> tuple[int, str]:
    """Copies in this order are in that of their newest words; where two have one time, their names decide."""
    return (told_at(last(s)), s.key)


def _is_nameless_removal(s: Sighting) -> bool:
    """Is nothing known of it but that it is gone?"""
    return all(r.state == "deleted" and r.content is None for r in s.revisions)


def owner_key(guests: Iterable[Guest]) -> str | None:
    """The organiser's person key."""
    return next((key_of(g.person) for g in guests if g.owner), None)


def is_owners(s: Sighting, content: Content | None, around: Surroundings) -> bool:
    """Is this copy in its organiser's own mailbox? A meeting without an organiser is its mailbox's own."""
    owner = owner_key(content.guests) if content else None
    return owner is None or owner in addresses_of(s.user, around)


def addresses_of(user: str | None, around: Surroundings) -> tuple[str, ...]:
    if user is None:
        return ()
    connected = tuple(key_of(w.address) for w in around.connection(user).windows if w.address)
    return around.account.users.get(user, ()) + connected


# --- an occurrence and its series --------------------------------------------------------------------------------------


def as_made(content: Content, at: int, head: list[Told], original: int) -> bool:
    """Does an occurrence, told at `at`, say what its series, as it was then or later, says of it?"""
    if first_start(content) != original:
        return False
    then = max((n for n, w in enumerate(head) if told_at(w.revision) <= at), default=0)
    return any(w.content is not None and _says_as_much(content, w.content) and _makes(w.content, original) for w in head[then:])


def _says_as_much(content: Content, head: Content) -> bool:
    return (
        content.duration == head.duration
        and content.all_day == head.all_day
        and content.title == head.title
        and content.location == head.location
        and content.conference_url == head.conference_url
        and content.tentative == head.tentative
        and same_guests(content.guests, head.guests)
    )


def _makes(head: Content, original: int) -> bool:
    shape = recurrence.spec(head.start, head.time_zone, head.duration, head.all_day, head.rules, head.excluded, head.added)
    return recurrence.makes(shape, original)
