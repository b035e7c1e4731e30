"""What a meeting is, from all the copies of it that are known: the one place where copies, sides and rules meet.

What must stay true: `settle` is a pure function of the copies (each with its revisions in the provider's order) and of
the surroundings. It knows nothing of the order in which anything arrived, so that no order of deliveries can matter.

The steps, in the order of the functions below:
1. which copies count (rules active-window, primary-only, one-calendar, not-a-meeting);
2. is it kept out altogether (crm-delete-keeps-calendar, private);
3. whose copy speaks for the calendar (same-meeting), and what it says of the whole and of single occurrences;
4. what the CRM's rows add (three-way, crm-updates);
5. whose timelines it stands in (matching).
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Sequence
from operator import attrgetter

from msgspec import Struct
from msgspec.structs import replace

from domain import layout, recurrence
from domain.alone import alone
from domain.copies import (
    Told,
    addresses_of,
    as_made,
    by_word,
    calling_off,
    content_of,
    counting,
    first_start,
    first_start_of,
    is_deleted,
    is_off,
    is_owners,
    is_private,
    kind_of,
    newest_of,
    outside,
    owner_key,
    told,
    uncovered,
)
from domain.decisions import Decision, Rule
from domain.events import Content, Exception_, Former, Guest, Part, Shown, Sighting, View
from domain.matching import Matched, Surroundings, match
from domain.merging import History, Merged, merge
from domain.people import key_of
from domain.rows import associated, associations, by_original, is_series_known, is_suppressed, made_by, whole_and_single
from domain.sighting import last, told_at, told_by

FORMERS = 20
"""Former shapes kept of a series."""

_name = attrgetter("key")


class Settled(Struct, frozen=True, gc=False):
    """`view` is None with the rule that keeps it out, if one does; `lost` the CRM's values that the calendar's overruled;
    `merged` whether both sides had moved; `decisions` one a guest; `outside` the copies that do not count, and why."""

    view: View | None
    why_not: Rule | None
    lost: dict[str, object]
    merged: bool
    decisions: tuple[Decision, ...]
    outside: dict[str, Rule]


# --- 2. and the whole --------------------------------------------------------------------------------------------------------


def settle(copies: Sequence[Sighting], around: Surroundings, keep: View | None = None, again: Collection[str] = ()) -> Settled:
    """What the meeting is. With `keep`, guest lists that stand in it unchanged keep the contacts they were matched with, and
    only the people with the keys `again` are judged anew, for contacts they may have become."""
    if len(copies) == 1 and keep is None and (short := alone(copies[0], around)) is not None:
        return Settled(short.view, None, {}, False, short.decisions, {})
    return settle_any(copies, around, keep, again)


def settle_any(copies: Sequence[Sighting], around: Surroundings, keep: View | None = None, again: Collection[str] = ()) -> Settled:
    """`settle` without its short way."""
    copies = copies if len(copies) < 2 else sorted(copies, key=_name)  # the order in which they came is nobody's
    excluded: dict[str, Rule] = {}
    calendar, crm, why_not = _that_count(copies, around, excluded)
    if not calendar and not crm:
        return Settled(None, why_not, {}, False, (), excluded)
    whole_rows, single_rows = whole_and_single(crm, calendar) if crm else ([], [])
    if (rows := [s for s in copies if s.side == "crm"]) and is_suppressed(whole_and_single(rows, calendar)[0]):
        # Any row's deletion counts, also of a row that by itself would let nothing in.
        return Settled(None, Rule.CRM_DELETE_KEEPS_CALENDAR, {}, False, (), excluded)
    for s in copies:
        if s.original is None and s.side == "calendar" and is_private(s):
            return Settled(None, Rule.PRIVATE, {}, False, (), excluded)
    return _Settling(around, keep, again, rows).settled(calendar, whole_rows, single_rows, crm, why_not, excluded)


def _that_count(
    copies: Sequence[Sighting], around: Surroundings, excluded: dict[str, Rule]
) -> tuple[list[Sighting], list[Sighting], Rule | None]:
    calendar: list[Sighting] = []
    crm: list[Sighting] = []
    why_not: Rule | None = None
    for s in copies:
        rule = outside(s, copies, around)
        if rule is not None:
            why_not = why_not or rule
            excluded[s.key] = rule
            continue
        counted = counting(s, around.connection(s.user or ""), copies)
        if counted is None:
            why_not = why_not or Rule.ACTIVE_WINDOW
            excluded[s.key] = Rule.ACTIVE_WINDOW
        elif kind_of(counted) != "meeting":
            why_not = Rule.NOT_A_MEETING
        else:
            (crm if s.side == "crm" else calendar).append(counted)
    return calendar, crm, why_not


class _Settling:
    """One settling: the surroundings, and what is gathered on the way."""

    def __init__(self, around: Surroundings, keep: View | None, again: Collection[str], rows: Sequence[Sighting]) -> None:
        self.around = around
        associated = [c for row in rows for r in row.revisions if r.content is not None for c in r.content.contacts] if keep else []
        self.kept = {} if keep is None else self._kept(keep, frozenset(map(self._now, associated)))
        self.again = again
        self.lost: dict[str, object] = {}
        self.crm_moved = False
        self.calendar_moved = False
        self.decisions: dict[tuple[str | None, str | None], Decision] = {}
        self.associated: tuple[str, ...] = ()
        self.by_hand = False

    def settled(
        self,
        calendar: list[Sighting],
        rows: list[Sighting],
        single_rows: list[Sighting],
        crm: list[Sighting],
        why_not: Rule | None,
        excluded: dict[str, Rule],
    ) -> Settled:
        masters, speaking = self._speaking([s for s in calendar if s.original is None])
        if rows:
            self.associated, self.by_hand = associated(rows, calendar, self.around)
        parts = self._parts(masters, speaking, calendar, rows)
        occurrences = [s for s in calendar if s.original is not None]
        exceptions = self._exceptions(occurrences, parts, masters, speaking, single_rows) if occurrences or single_rows else []
        if not parts and not any(e.shown for e in exceptions):
            return Settled(None, why_not, {}, False, (), excluded)
        view = View(
            parts=tuple(parts),
            exceptions=tuple(exceptions),
            origin=_origin(calendar, crm),
            links=_links(calendar, crm, speaking),
            companies=_gathered(crm, "companies") if crm else (),
            deals=_gathered(crm, "deals") if crm else (),
            tickets=_gathered(crm, "tickets") if crm else (),
        )
        return Settled(view, None, self.lost, self.crm_moved and self.calendar_moved, tuple(self.decisions.values()), excluded)

    # --- 3. whose copy speaks --------------------------------------------------------------------------------------------

    def _speaking(self, masters: list[Sighting]) -> tuple[list[Sighting], list[Sighting]]:
        """All copies of the whole, and those that speak: the organiser's if his mailbox is among them, of a user's several
        providers the one connected last; else those of the mailbox whose word is the newest."""
        if len(masters) < 2:
            return masters, masters
        known = {s.key: words[-1] for s in masters if (words := told(s))[-1].content is not None}
        seen = [s for s in masters if s.key in known and not known[s.key].bare]
        # A copy of which only free or busy is seen has no organiser to speak for.
        owners = [s for s in seen if is_owners(s, known[s.key].content, self.around)]
        candidates = owners or [s for s in seen if not is_deleted(s)] or seen or masters
        groups: dict[tuple[str | None, str], list[Sighting]] = {}
        for s in candidates:
            groups.setdefault((s.user, s.provider), []).append(s)
        newest = max(groups.values(), key=lambda group: self._precedence(group, bool(owners)))
        return masters, newest

    def _precedence(self, group: list[Sighting], owners: bool) -> tuple[int, int, str]:
        first = group[0]
        connected = max((w.from_ for w in self.around.connection(first.user or "").windows if w.provider == first.provider), default=0)
        newest = max(told_at(last(s)) for s in group)
        return (connected if owners else 0, newest, first.key)

    def _later_guest_words(self, masters: list[Sighting], speaking: list[Sighting], since: int) -> Told | None:
        """The newest word of another copy from a time when the speaking mailbox was not connected."""
        found: Told | None = None
        connection = self.around.connection(speaking[0].user or "")
        for s in masters:
            if s in speaking or is_deleted(s) or s.user == speaking[0].user:
                continue
            word = told(s)[-1]
            after = told_at(word.revision)
            if after > since and word.content is not None and not word.revision.hidden and not connection.created_within_any(after):
                found = word if found is None or after > told_at(found.revision) else found
        return found

    # --- the whole ---------------------------------------------------------------------------------------------------------

    def _parts(self, masters: list[Sighting], speaking: list[Sighting], calendar: list[Sighting], rows: list[Sighting]) -> list[Part]:
        known = [(s, words) for s in speaking if content_of(words := told(s)) is not None]
        if not known:
            return self._only_rows(calendar, rows)
        series = [(s, words) for s, words in known if (c := content_of(words)) is not None and (c.rules or c.added)]
        if len(series) < 2:
            living = [pair for pair in known if not is_deleted(pair[0])] or known
            series = [max(living, key=lambda pair: (told_at(last(pair[0])), pair[0].key))]
        living_starts = {first_start_of(words) for s, words in series if not _is_off(s)}
        # What was made anew under another id stands in its place.
        series = [(s, words) for s, words in series if not (_is_off(s) and first_start_of(words) in living_starts)]
        series.sort(key=lambda pair: (first_start_of(pair[1]), pair[0].key))
        return [self._part(s, words, masters, speaking, rows) for s, words in series]

    def _only_rows(self, calendar: list[Sighting], rows: list[Sighting]) -> list[Part]:
        """The whole as the CRM alone tells it, cancelled if its calendar copy is known by its tombstone."""
        known = [r for r in rows if content_of(told(r)) is not None]
        if not known or any(s.original is not None for s in calendar):
            return []
        row = max(known, key=lambda one: (last(one).updated, one.key))
        part = self._crm_part(row, known)
        content = content_of(told(row))
        for s in calendar:
            if part.cancelled_from is None and is_deleted(s) and is_owners(s, content, self.around):
                part = replace(part, cancelled_from=told_at(last(s)))
        return [part]

    def _part(self, s: Sighting, words: list[Told], masters: list[Sighting], speaking: list[Sighting], rows: list[Sighting]) -> Part:
        live = [w for w in words if w.revision.state != "deleted" and w.content is not None]
        later = self._later_guest_words(masters, speaking, told_at(words[-1].revision)) if len(masters) > 1 else None
        if later is not None:
            live.append(later)
        content = live[-1].content if live else content_of(words)
        assert content is not None
        others = [m for m in masters if m not in speaking]
        answers = self._answers(_counterparts(others, content), content, s.user) if others else {}
        cancelled = self._cancelled(s, words, content)
        if cancelled is None and others:
            tombs = [told_at(last(m)) for m in others if is_deleted(m) and not told(m)[-1].content and is_owners(m, content, self.around)]
            cancelled = min(tombs, default=None)
        if later is not None and later.revision.state == "cancelled":
            cancelled = later.revision.updated
        if cancelled is None and is_deleted(s):
            answers = {**answers, **dict.fromkeys(addresses_of(s.user, self.around), "declined")}
        shown = self._shown(_with_answers(content, answers))
        shown, row_cancelled = self._with_rows(shown, live, rows, bool(content.rules or content.added))
        if cancelled is None:
            cancelled = row_cancelled
        formers, since = self._formers(live)
        return Part(
            shown=shown,
            rules=content.rules,
            excluded=content.excluded,
            added=content.added,
            first=None if content.rules or content.added else _named([*masters, *rows], since, content),
            since=since,
            cancelled_from=cancelled,
            formers=formers,
        )

    def _cancelled(self, s: Sighting, words: list[Told], content: Content) -> int | None:
        """From when on it is cancelled. A guest who removes his copy has declined, no more."""
        counts = ("cancelled", "deleted") if is_owners(s, content, self.around) else ("cancelled",)
        return next((told_at(w.revision) for w in calling_off(words) if w.revision.state in counts), None)

    def _answers(self, others: list[Sighting], content: Content, speaker: str | None) -> dict[str, str]:
        """Other copies' owners' answers, by person key: of another's copy only its owner's answer counts. What the speaking
        mailbox's owner answers stands in his own copy."""
        found: dict[str, str] = {}
        for s in sorted(others, key=by_word):
            if s.user == speaker:
                continue
            keys = addresses_of(s.user, self.around)
            if is_deleted(s):
                found.update((key, "declined") for key in keys if not is_owners(s, content, self.around))
                continue
            own = next((g for g in (content_of(told(s)) or content).guests if key_of(g.person) in keys), None)
            if own is not None and own.status != "needs-action":
                found[key_of(own.person)] = own.status
        return found

    def _formers(self, live: list[Told]) -> tuple[tuple[Former, ...], int | None]:
        """The shapes a series had before the present one, and since when it has that."""
        formers: list[Former] = []
        since: int | None = None
        for before, after in itertools.pairwise(live):
            old, new = before.content, after.content
            if old is None or new is None or _shape(old) == _shape(new) or not (old.rules or old.added):
                continue
            formers.append(Former(self._shown(old), old.rules, after.revision.updated, since, old.excluded, old.added))
            since = after.revision.updated
        return tuple(formers[-FORMERS:]), since

    # --- single occurrences ----------------------------------------------------------------------------------------------

    def _exceptions(
        self,
        occurrences: list[Sighting],
        parts: list[Part],
        masters: list[Sighting],
        speaking: list[Sighting],
        single_rows: list[Sighting],
    ) -> list[Exception_]:
        by_start: dict[int, list[Sighting]] = {}
        all_day = bool(parts) and parts[0].shown.all_day
        for s in occurrences:
            original = s.original_day if all_day and s.original_day is not None else s.original
            assert original is not None
            by_start.setdefault(original, []).append(s)
        rows = by_original(single_rows, parts, by_start) if single_rows else {}
        if (single := layout.made_single(parts)) is not None:
            by_start.pop(single, None)
        made: list[Exception_] = []
        for original in sorted({*by_start, *rows}):
            made_one = self._exception(original, by_start.get(original, []), rows.get(original, []), parts, masters, speaking)
            if made_one is not None:
                made.append(made_one)
        return made

    def _exception(
        self,
        original: int,
        copies: list[Sighting],
        rows: list[Sighting],
        parts: list[Part],
        masters: list[Sighting],
        speaking: list[Sighting],
    ) -> Exception_ | None:
        if is_suppressed(rows) or any(is_private(s) for s in copies):
            return Exception_(original, gone=True)
        owners = bool(speaking) and is_owners(speaking[0], content_of(told(speaking[0])), self.around)
        own = [s for s in copies if not owners or s.user == speaking[0].user] if speaking else copies
        made = self._from_copy(original, own, masters) if own else None
        made = self._with_answers_to(original, made, copies, own, parts, masters)
        if rows:
            made = self._with_occurrence_rows(original, made, rows, parts)
        if made is not None and not parts:
            made = replace(made, loose=True)
        return made

    def _from_copy(self, original: int, own: list[Sighting], masters: list[Sighting]) -> Exception_ | None:
        s = newest_of(own)
        words = told(s)
        word = words[-1].revision
        content = content_of(words)
        if content is None and len(own) > 1:  # removed by its start: what it was stands under its own id
            content = content_of(told(newest_of([o for o in own if content_of(told(o)) is not None] or own)))
        known = masters if len(masters) < 2 else sorted(masters, key=lambda m: (m.user == s.user, m.id == s.series, *by_word(m)))
        heads = [w.content for m in known for w in told(m) if w.content is not None and not w.bare]
        if content is not None and words[-1].bare and heads:
            content = uncovered(heads[-1], content)  # its details are hidden: they are its series', as far as is known
        whose = content or (heads[-1] if heads else None)
        cancelled = word.state == "cancelled" or (word.state == "deleted" and is_owners(s, whose, self.around))
        if content is not None and any(as_made(content, told_at(word), told(m), original) for m in masters):
            content = None  # as its series has it: a sighting, no exception
        at = told_by(calling_off(words)[0].revision if cancelled else word)
        if content is None:
            return Exception_(original, cancelled=True, updated=at) if cancelled else None
        return Exception_(original, self._shown(content, original=original), cancelled, updated=at)

    def _with_answers_to(
        self,
        original: int,
        made: Exception_ | None,
        copies: list[Sighting],
        own: list[Sighting],
        parts: list[Part],
        masters: list[Sighting],
    ) -> Exception_ | None:
        """The occurrence with what the owners of other copies of it answered, where that is not what they answered to the
        series."""
        base = made.shown if made is not None and made.shown is not None else self._made_by(parts, original)
        others = [
            s
            for s in copies
            if not (own and s is newest_of(own) and not is_deleted(s)) and not _says_what_he_says_of_all(s, masters, original)
        ]
        if base is None or not others:
            return made
        answers: dict[str, str] = {}
        for s in sorted(others, key=by_word):
            keys = addresses_of(s.user, self.around)
            if is_deleted(s):
                answers.update((key, "declined") for key in keys if key != owner_key(base.guests))
                continue
            guests = content.guests if (content := content_of(told(s))) is not None else ()
            guest = next((g for g in guests if key_of(g.person) in keys), None)
            if guest is not None and guest.status != "needs-action":
                answers[key_of(guest.person)] = guest.status
        answered = _answered(base.guests, answers)
        if answered == base.guests:
            return made
        kept = made or Exception_(original, updated=max(told_at(last(s)) for s in others))
        return replace(kept, shown=replace(base, guests=answered))

    def _with_occurrence_rows(self, original: int, made: Exception_ | None, rows: list[Sighting], parts: list[Part]) -> Exception_ | None:
        row = max(rows, key=lambda one: (last(one).updated, one.key))
        words = [w for w in told(row) if w.content is not None]
        if not words:
            return made
        row_cancelled = is_off(words[-1].revision)
        base = made.shown if made is not None and made.shown is not None else made_by(parts, original)
        if base is None and row.origin == "native-sync" and is_series_known(parts):
            return made
        if base is None:
            content = words[-1].content
            assert content is not None
            contacts = associations([row])
            shown = self._shown(content, contacts, original)
            return Exception_(original, shown, row_cancelled, loose=True, updated=words[-1].revision.updated)
        head = [(0, base)]
        shown = self._overlaid(base, head, [row], time_too=False)
        shown = self._also_for(shown, associations([row]))
        if shown == base and not row_cancelled:
            return made
        kept = made or Exception_(original, updated=words[-1].revision.updated)
        return replace(kept, shown=shown, cancelled=kept.cancelled or row_cancelled)

    def _made_by(self, parts: list[Part], original: int) -> Shown | None:
        for part in parts:
            if not layout.is_series(part):
                continue
            for slot in recurrence.starts(layout.shape(part), original, original + 1):
                if slot.start == original:
                    return replace(part.shown, start=slot.local)
        return None

    # --- 4. what the CRM's rows add ----------------------------------------------------------------------------------------

    def _crm_part(self, row: Sighting, rows: list[Sighting]) -> Part:
        words = [w for w in told(row) if w.content is not None]
        content = words[-1].content
        assert content is not None
        cancelled = words[-1].revision.updated if is_off(words[-1].revision) else None
        return Part(
            shown=self._shown(content, (self.associated, self.by_hand)),
            rules=content.rules,
            excluded=content.excluded,
            added=content.added,
            first=None if content.rules or content.added else _named(rows, None, content),
            cancelled_from=cancelled,
        )

    def _with_rows(self, shown: Shown, live: list[Told], rows: list[Sighting], series: bool) -> tuple[Shown, int | None]:
        """The calendar's word with what only the CRM changed, and from when on the CRM has it cancelled."""
        told_rows = [r for r in rows if any(w.content is not None for w in told(r))]
        if not told_rows:
            return shown, None
        history = [(w.revision.updated, w.content) for w in live if w.content is not None]
        shown = self._overlaid(shown, history, told_rows, time_too=not series)
        row = max(told_rows, key=lambda one: (last(one).updated, one.key))
        word = [r for r in row.revisions if r.content is not None][-1]
        return self._also_for(shown, (self.associated, self.by_hand)), word.updated if is_off(word) else None

    def _overlaid(self, shown: Shown, history: Sequence[tuple[int, Content | Shown]], rows: list[Sighting], time_too: bool) -> Shown:
        row = max(rows, key=lambda one: (last(one).updated, one.key))
        left = [(w.revision.updated, w.content) for w in told(row) if w.content is not None]
        changes: dict[str, object] = {}
        for field in ("title", "location", "conference_url"):
            result = merge([(t, getattr(c, field)) for t, c in left], [(t, getattr(c, field)) for t, c in history])
            if result.from_left:
                changes[field] = result.value
            if result.lost:
                self.lost[field] = getattr(left[-1][1], field)
            self._moved(result)
        if time_too:
            changes |= self._retimed(shown, left, history)
        return replace(shown, **changes) if changes else shown

    def _retimed(self, shown: Shown, left: History, history: History) -> dict[str, object]:
        """What of its time only the CRM changed: where it begins, with time zone and being all-day, and how long it takes."""
        newest: Content = left[-1][1]
        begins = merge([(t, layout.begins(c)) for t, c in left], [(t, layout.begins(c)) for t, c in history])
        lasts = merge([(t, layout.lasts(c)) for t, c in left], [(t, layout.lasts(c)) for t, c in history])
        self._moved(begins)
        self._moved(lasts)
        changes: dict[str, object] = {}
        if begins.from_left:
            changes |= {"start": newest.start, "time_zone": newest.time_zone, "all_day": newest.all_day}
        # All-day meetings last whole days: where that is told on one side, so is the length.
        fits = newest.all_day == changes.get("all_day", shown.all_day)
        if fits and (lasts.from_left or newest.all_day != shown.all_day):
            changes["duration"] = newest.duration
        if begins.lost or lasts.lost or (lasts.from_left and not fits):
            self.lost["start"] = _said(newest)
        return changes

    def _moved(self, result: Merged) -> None:
        self.crm_moved = self.crm_moved or result.left_moved
        self.calendar_moved = self.calendar_moved or result.right_moved

    # --- 5. whose timelines --------------------------------------------------------------------------------------------------

    def _shown(self, content: Content, associated: tuple[tuple[str, ...], bool] = ((), False), original: int | None = None) -> Shown:
        """`original` tells which occurrence it is, None the whole."""
        matched = self._match(content.guests, associated, original)
        return Shown(
            start=content.start,
            duration=content.duration,
            title=content.title,
            location=content.location,
            conference_url=content.conference_url,
            time_zone=content.time_zone,
            all_day=content.all_day,
            status="tentative" if content.tentative else "confirmed",
            guests=matched.guests,
            contacts=matched.contacts,
            matched=matched.by_guest,
        )

    def _match(self, guests: tuple[Guest, ...], associated: tuple[tuple[str, ...], bool], original: int | None = None) -> Matched:
        if self.kept and not associated[0]:
            keys = self._visible(guests)
            kept = self.kept.get((original, keys)) or self.kept.get((None, keys))
            if kept is not None:
                return self._as_matched_before(guests, *kept)
        matched = match(guests, associated[0], associated[1], self.around)
        for decision in matched.decisions:
            self.decisions[decision.guest, decision.contact] = decision
        return matched

    def _kept(
        self, view: View, told: Collection[str]
    ) -> dict[tuple[int | None, frozenset[str]], tuple[tuple[str, ...], dict[str, str], frozenset[str]]]:
        """By occurrence (None is the whole) and by who of its guest list may be shown now: the contacts, who of the guests they were,
        and who was shown. An occurrence's contacts are not the whole's: its CRM row may have some of its own. Whom rows `told` and no
        guest is are left out: rows speak for themselves each time, and not for every shape and occurrence with the same guests."""
        shown = [(None, p.shown) for p in view.parts] + [(e.original, e.shown) for e in view.exceptions if e.shown is not None]
        return {
            (original, keys := self._visible(s.guests)): (self._as_guests(s, told) if told else s.contacts, s.matched, keys)
            for original, s in shown
        }

    def _as_guests(self, shown: Shown, told: Collection[str]) -> tuple[str, ...]:
        """The contacts without those who are there for their association alone."""
        guests = {*shown.matched.values(), *(c for g in shown.guests for c in self.around.judged(g.person).contacts)}
        return tuple([c for c in shown.contacts if c in guests or self._now(c) not in told])

    def _now(self, contact: str) -> str:
        """What merges made of a contact."""
        found = self.around.contact(contact)
        return contact if found is None else found.id

    def _visible(self, guests: tuple[Guest, ...]) -> frozenset[str]:
        """Who of these may be shown: by them, what was shown before is recognised."""
        return frozenset(judged.key for g in guests if (judged := self.around.judged(g.person)).shown)

    def _as_matched_before(
        self, guests: tuple[Guest, ...], contacts: tuple[str, ...], by_guest: dict[str, str], keys: frozenset[str]
    ) -> Matched:
        """Who was matched before stays so, but for what merges and erasures made of them since."""
        now = {c: self._now(c) for c in {*contacts, *by_guest.values()}}
        gone = {c for c in now if (found := self.around.contact(c)) is not None and found.erased} | self._without_ground(
            guests, now, by_guest
        )
        more = {j.key: j for g in guests if key_of(g.person) in self.again and (j := self.around.judged(g.person)).contacts}
        for judged in more.values():
            self.decisions.update({(d.guest, d.contact): d for d in judged.decisions})
        new = [c for judged in more.values() for c in judged.contacts]
        return Matched(
            tuple(dict.fromkeys([*(now[c] for c in contacts if c not in gone), *new])),
            {**{key: now[c] for key, c in by_guest.items() if c not in gone}, **{key: j.contacts[0] for key, j in more.items()}},
            tuple([g for g in guests if key_of(g.person) in keys and not self.around.person(g.person).erased]),
            (),
        )

    def _without_ground(self, guests: tuple[Guest, ...], contacts: Collection[str], by_guest: dict[str, str]) -> set[str]:
        """The contacts who stood by an address alone that is erased now: another contact had it, too."""
        erased = {key_of(g.person) for g in guests if self.around.person(g.person).erased}
        if not erased:
            return set()
        living = [g for g in guests if key_of(g.person) not in erased]
        others = {c for g in living for c in (by_guest.get(key_of(g.person)), *self.around.judged(g.person).contacts)}
        return {
            c for c in contacts if c not in others and (found := self.around.contact(c)) is not None and erased.intersection(found.keys)
        }

    def _also_for(self, shown: Shown, associated: tuple[tuple[str, ...], bool]) -> Shown:
        """The same, and for the contacts that CRM rows are associated with."""
        if not associated[0]:
            return shown
        more = self._match((), associated)
        new = tuple(c for c in more.contacts if c not in shown.contacts)
        return replace(shown, contacts=shown.contacts + new) if new else shown


def _named(copies: list[Sighting], since: int | None, content: Content) -> int:
    """The start that a single meeting was first told with, whoever told it, by the sides' own times: it names its entries for good.
    One that was a series before is named by its own start: the series' first start is another entry's name."""
    starts = [
        (word.revision.updated, s.side == "calendar", first_start(word.content))
        for s in copies
        if (word := _first_single_word(s, since)) is not None and word.content is not None
    ]
    return min(starts)[2] if starts else first_start(content)


def _first_single_word(s: Sighting, since: int | None) -> Told | None:
    return next(
        (
            w
            for w in told(s)
            if w.content is not None
            and w.revision.state != "deleted"
            and not (w.content.rules or w.content.added)
            and (since is None or w.revision.updated >= since)
        ),
        None,
    )


def _is_off(s: Sighting) -> bool:
    return last(s).state in ("deleted", "cancelled")


def _gathered(crm: Sequence[Sighting], field: str) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for row in crm:
        content = content_of(told(row))
        if content is not None:
            found.update(dict.fromkeys(getattr(content, field)))
    return tuple(sorted(found))


def _origin(calendar: Sequence[Sighting], crm: Sequence[Sighting]) -> str:
    """Where it began: the CRM if a row there is no row of its own calendar sync, a booking if a contact booked it."""
    origins = {row.origin for row in crm}
    if "booking" in origins:
        return "booking"
    if origins & {"user", "rendezvous"} or any(s.origin == "rendezvous" for s in calendar):
        return "crm"
    return "calendar"


def _links(calendar: Sequence[Sighting], crm: Sequence[Sighting], speaking: Sequence[Sighting]) -> dict[str, str]:
    """Each side's id of it: of several copies the speaking one's, of several rows the first."""
    if len(calendar) == 1 and not crm:
        return {calendar[0].provider: calendar[0].id}
    links: dict[str, str] = {}
    whole = [s for s in calendar if s.original is None] or list(calendar)
    first = sorted(crm, key=lambda r: (r.original is not None, r.created or 0, r.key))
    for s in [*first, *sorted(speaking, key=_precedes), *sorted(whole, key=_precedes)]:
        links.setdefault(s.provider, s.id)
    return links


def _precedes(s: Sighting) -> tuple[bool, int, str]:
    """Living copies first, then those created earlier."""
    return (is_deleted(s), s.created or 0, s.key)


def _counterparts(others: list[Sighting], content: Content) -> list[Sighting]:
    """Of other mailboxes' copies those of this part, where a mailbox has several: the ones with its first start."""
    counts: dict[str | None, int] = {}
    for s in others:
        counts[s.user] = counts.get(s.user, 0) + 1
    start = first_start(content)
    return [s for s in others if counts[s.user] == 1 or any(w.content is not None and first_start(w.content) == start for w in told(s))]


def _says_what_he_says_of_all(s: Sighting, masters: list[Sighting], original: int) -> bool:
    """Does a copy of one occurrence say what the series in the same mailbox says?"""
    content = content_of(told(s))
    if is_deleted(s) or content is None:
        return False
    return any(as_made(content, told_at(last(s)), told(m), original) for m in masters if m.user == s.user)


def _with_answers(content: Content, answers: dict[str, str]) -> Content:
    if not answers:
        return content
    guests = _answered(content.guests, answers)
    return content if guests == content.guests else replace(content, guests=guests)


def _answered(guests: tuple[Guest, ...], answers: dict[str, str]) -> tuple[Guest, ...]:
    return tuple(
        [replace(g, status=answers[key]) if (key := key_of(g.person)) in answers and g.status != answers[key] else g for g in guests]
    )


def _shape(content: Content) -> tuple[object, ...]:
    return (content.start, content.time_zone, content.all_day, content.rules, content.excluded, content.added)


def _said(content: Content | None) -> str:
    return "" if content is None else f"{content.start.isoformat()} {content.duration}"
