"""Which bookings and calendar meetings are one by likeness, kept true while rivals come and go (rule contact-books).

A booking row that has neither UID nor link is its meeting's by likeness alone, and goes to another one if that is nearer, or if the
row later tells a UID or a link that leads elsewhere. Which goes with which follows from all that are alike (`identity.nearest`), and
not from which was known first.

What must stay true: only such rows ever leave a meeting, and what moves leaves an event on both sides.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from uuid import UUID

from msgspec import Struct

from domain.copies import outside
from domain.events import Sighting
from domain.identity import Candidate, alike, by_likeness, is_booking, likeness, likeness_key, nearest, starts_of
from domain.meeting import Cause, Meeting, absorb, regroup
from domain.naming import meeting_stream
from domain.sighting import joined, placed
from services.desk import Desk

_OWN = ""
"""The name of the meeting of the copy that is being decided, if that is no such row: it may have none yet, or be several that turn out
to be one."""


class _Row(Struct):
    """A booking row that nothing but likeness joins to anything, and the meeting that it is in, which may be its alone. None: it is
    told for the first time."""

    copy: Sighting
    meeting: Meeting | None


class _Alike:
    """Rows by key, and the other copies of calendar meetings by stream, as far as likeness leads from one to the next. `copy` is the
    one that is being decided, `own` are the meetings to which its names lead; `told` are copies of which more is known than their
    meetings say."""

    def __init__(self, copy: Sighting, own: Collection[Meeting], *told: Sighting) -> None:
        self._own: set[UUID] = set()
        self._told = {one.key: one for one in (copy, *told)}
        self._here: set[UUID] = set()
        self.rows: dict[str, _Row] = {}
        self.calendars: dict[str, list[Sighting]] = {}
        known = next((list(meeting.copies.values()) for meeting in own if copy.key in meeting.copies), None)
        if copy.key not in by_likeness(self._newest(known or [copy])):
            self._own = {meeting.id for meeting in own}
        if known is None:
            self._sort([copy], None, _OWN)

    def name(self, meeting: Meeting) -> str:
        """What this meeting is called among the `calendars`."""
        return _OWN if meeting.id in self._own else meeting.id.hex

    def inside(self, row: _Row) -> str | None:
        """The calendar meeting that a row is in."""
        return self.name(row.meeting) if row.meeting is not None and len(row.meeting.copies) > 1 else None

    def add(self, meeting: Meeting) -> list[Sighting]:
        """Have a meeting here. Returns its copies if it was not."""
        if meeting.id in self._here:
            return []
        self._here.add(meeting.id)
        copies = self._newest(meeting.copies.values())
        self._sort(copies, meeting, self.name(meeting))
        return copies

    def _newest(self, copies: Iterable[Sighting]) -> list[Sighting]:
        return [self._told.get(copy.key, copy) for copy in copies]

    def _sort(self, copies: list[Sighting], meeting: Meeting | None, name: str) -> None:
        passing = by_likeness(copies)
        for copy in copies:
            if copy.key in passing:
                self.rows[copy.key] = _Row(copy, meeting)
            else:
                self.calendars.setdefault(name, []).append(copy)


class Pairing:
    """What likeness joins, around one copy after another. `index` notes what leads to the meeting that a copy has come to."""

    def __init__(self, desk: Desk, index: Callable[[Sighting, str], None]) -> None:
        self._desk, self._index = desk, index

    def part(self, seen: Sighting, own: Collection[Meeting], led: Collection[UUID], cause: Cause) -> bool:
        """Let a row that tells a UID or a link leave the meeting that it was like, if that is none of those to which they lead. `own`
        are the meetings of this copy. True if it left."""
        for meeting in own:
            known = meeting.copies.get(seen.key)
            if known is None or meeting.id in led or len(meeting.copies) == 1 or seen.key not in by_likeness(meeting.copies.values()):
                continue
            told = _with(known, seen)
            if not by_likeness([told]):
                self._release(meeting, known, cause)
                self._fill(meeting.id.hex, told, cause)
                return True
        return False

    def _fill(self, left: str, row: Sighting, cause: Cause) -> None:
        """A meeting that this row has left may be the nearest to another one."""
        for copy in self._desk.meeting(left).copies.values():
            if likeness(copy):
                for stream in self._settle(copy, [self._desk.meeting(left)], cause, row):
                    self._unite(self._desk.meeting(left), self._desk.meeting(stream), cause)

    def settle(self, seen: Sighting, own: Collection[Meeting], cause: Cause) -> list[str] | None:
        """Have every row around this copy where it belongs; `own` are the meetings to which names lead from it. Returns the streams of
        what goes with it by likeness; None if nothing was to be settled, and nothing has moved."""
        known = next((meeting.copies[seen.key] for meeting in own if seen.key in meeting.copies), None)
        if not self._may_move(seen, known, own):
            return None
        copy = seen if known is None else _with(known, seen)
        if copy.side != "crm" and outside(copy, (copy,), self._desk) is not None:
            return None  # what is outside is like nothing
        return self._settle(copy, own, cause)

    def _settle(self, copy: Sighting, own: Collection[Meeting], cause: Cause, *told: Sighting) -> list[str]:
        around = _Alike(copy, own, *told)
        self._look_around(around, copy, own)
        chosen = nearest(self._candidates(around))
        self._part_those_that_go(around, chosen, cause)
        return self._join_those_that_come(copy, around, chosen, cause)

    # --- who is alike --------------------------------------------------------------------------------------------------------

    def _may_move(self, seen: Sighting, known: Sighting | None, own: Collection[Meeting]) -> bool:
        """Is there anything to settle? To most copies nothing is alike, which has to be found out cheaply: a start that it had before
        matters if it has other guests now."""
        if is_booking(seen) or (known is not None and is_booking(known)):
            return True
        if not likeness(seen) and (known is None or not likeness(known)):
            return False
        if len(own) > 1 or any(True for _ in self._like(seen)):
            return True
        return known is not None and last_people(seen) not in ([], last_people(known)) and any(True for _ in self._like(known))

    def _look_around(self, around: _Alike, copy: Sighting, own: Collection[Meeting]) -> None:
        todo = [copy, *(c for meeting in own for c in around.add(meeting))]
        while todo:
            one = todo.pop()
            if likeness(one):
                for meeting in self._like(one):
                    todo += around.add(meeting)

    def _like(self, copy: Sighting) -> Iterator[Meeting]:
        for start in starts_of(copy):
            for stream in self._desk.entries("likeness", likeness_key(copy, start, other=True)):
                yield self._desk.meeting(stream)

    def _candidates(self, around: _Alike) -> Iterator[Candidate]:
        for name, copies in around.calendars.items():
            if any(map(is_booking, copies)):
                continue  # this one has its booking for good
            for row in around.rows.values():
                for copy in copies:
                    together = around.inside(row) == name and copy.side == "calendar"
                    if together or alike(row.copy, copy, self._contact_key):
                        yield Candidate(abs((copy.created or 0) - (row.copy.created or 0)), row.copy.key, copy.key, name)

    def _contact_key(self, contact: str) -> str | None:
        found = self._desk.contact(contact)
        return found.key if found is not None else None

    # --- moving --------------------------------------------------------------------------------------------------------------

    def _part_those_that_go(self, around: _Alike, chosen: dict[str, str], cause: Cause) -> None:
        for key, row in sorted(around.rows.items()):
            inside = around.inside(row)
            if row.meeting is not None and inside is not None and inside != chosen.get(key):
                meeting = self._desk.meeting(row.meeting.id.hex)
                row.meeting = self._release(meeting, meeting.copies[key], cause)

    def _join_those_that_come(self, copy: Sighting, around: _Alike, chosen: dict[str, str], cause: Cause) -> list[str]:
        """What comes to this copy is left to who learns of the copy."""
        own: list[str] = []
        for key, goes in sorted(chosen.items()):
            row = around.rows[key]
            if around.inside(row) == goes:
                continue
            if key == copy.key:
                own.append(goes)
            elif row.meeting is not None and goes == _OWN:
                own.append(row.meeting.id.hex)
            elif row.meeting is not None:
                self._unite(self._desk.meeting(goes), row.meeting, cause)
        return own

    def _release(self, meeting: Meeting, row: Sighting, cause: Cause) -> Meeting:
        """The row has a meeting of its own from now on, under a name that none had before. Returns it."""
        desk = self._desk
        stream = meeting_stream(desk.account_id, f"{row.key}|{meeting.id.hex}|{cause.event}", row.created or cause.at)
        desk.record_meeting(*regroup(meeting, cause, desk, releases=(row.key,)))
        event, alone = regroup(desk.new_meeting(stream), cause, desk, comes=(row,))
        desk.record_meeting(event, alone)
        self._index(row, stream.hex)
        return alone

    def _unite(self, meeting: Meeting, other: Meeting, cause: Cause) -> None:
        event, after = regroup(meeting, cause, self._desk, absorbed=(other,))
        self._desk.record_meeting(event, after)
        self._desk.record_meeting(*absorb(other, after.id, cause))
        for copy in other.copies.values():
            self._index(copy, after.id.hex)


def _with(known: Sighting, seen: Sighting) -> Sighting:
    """What is known of a copy, and what is new."""
    return joined(known, placed(known, seen))[0]


def last_people(copy: Sighting) -> list[str]:
    """The guests that a copy's newest revision names."""
    content = copy.revisions[-1].content
    return [] if content is None else [guest.person for guest in content.guests]
