"""Meetings as one looks one up by its id, and as the folds need them: the view recorded last, and how far it is laid out.

What must stay true: a meeting that stands in no timeline has no content here; the stored view keeps people sealed, so that
erasing one leaves nothing to rewrite in it; how far a series is laid out is said exactly, for the clock extends it from there.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from domain import layout, recurrence
from domain.events import Exception_, Part, Shown, View
from domain.layout import Laid
from projections.contact_timeline import Associations, Faces, Moment, Organizer, Participant, Scene, fields, times, without
from projections.views import MeetingRow, Views, stamp

_FAR = 253_402_300_800_000
"""The end of the calendar (ms): year 10000."""

_encode = msgspec.json.Encoder().encode
_views = msgspec.json.Decoder(View)


class Content(Struct, rename="camel"):
    """What is shown of a meeting: of a series its first part's times and rules, without single occurrences' differences.
    `people` are the keys by which decisions name the participants, in their order, and then the organiser."""

    title: str | None
    start: str
    end: str
    time_zone: str | None
    all_day: bool
    status: str
    location: str | None
    conference_url: str | None
    organizer: Organizer | None
    participants: tuple[Participant, ...]
    people: tuple[str, ...]
    contacts: tuple[str, ...]
    origin: str
    links: dict[str, str | None]
    associations: Associations
    rules: tuple[str, ...]


class _Named(Struct, gc=False):
    """Two fields of `Content`; a piece of JSON when encoded."""

    people: tuple[str, ...]
    contacts: tuple[str, ...]


class Body(Struct, rename="camel"):
    """A meeting as readers get it. `content` is None where it stands in no timeline; `into` what it was found to be."""

    meeting: str
    into: str | None
    content: Content | None
    recorded_at: str
    position: int


_bodies = msgspec.json.Decoder(Body)


class Meetings:
    """The meetings during a fold: those stored that the batch concerns, and over them what it made of them."""

    def __init__(self, views: Views) -> None:
        self._store = views
        self._rows: dict[tuple[str, str], MeetingRow | None] = {}
        self._views: dict[tuple[str, str], View | None] = {}
        self._changed: dict[tuple[str, str], None] = {}

    def load(self, account: str, meetings: Iterable[str]) -> list[str]:
        """Look up these meetings; returns those that are stored and stand in timelines."""
        wanted = list(dict.fromkeys(meetings))
        stored = self._store.stored_meetings(account, wanted)
        for meeting in wanted:
            self._rows[account, meeting] = stored.get(meeting)
        return [meeting for meeting, row in stored.items() if row.view]

    def view(self, account: str, meeting: str) -> View | None:
        """The view recorded last, None if it stands in no timeline."""
        key = account, meeting
        if key not in self._views:
            row = self._rows.get(key)
            self._views[key] = _views.decode(row.view) if row is not None and row.view else None
        return self._views[key]

    def to_extend(self, account: str, before: int) -> list[MeetingRow]:
        """Series laid out only up to before this time (ms), in the order of their ids."""
        for row in self._store.series_to_extend(account, before):
            self._rows.setdefault((account, row.meeting), row)
        rows = [row for (of, _), row in self._rows.items() if of == account and row is not None]
        return sorted(row for row in rows if row.series_to is not None and row.series_to < before)

    def shown(self, at: Moment, scene: Scene, high: int) -> None:
        """Its timelines show it so now, laid out up to `high` ms."""
        view = scene.view
        body = (
            f'{{"meeting":"{at.meeting}","into":null,"content":{_content(scene)},'
            f'"recordedAt":"{stamp(at.recorded_at)}","position":{at.position}}}'
        ).encode()
        reach = high if _goes_on(view, high) else None
        self._put(MeetingRow(at.account, at.meeting, None, at.position, reach, _encode(view), body), view)

    def hidden(self, at: Moment, into: str | None = None) -> None:
        """It stands in no timeline any more; `into` if it was found to be another."""
        body = _encode(Body(at.meeting, into, None, stamp(at.recorded_at), at.position))
        self._put(MeetingRow(at.account, at.meeting, into, at.position, None, b"", body), None)

    def extended(self, row: MeetingRow, view: View, high: int) -> None:
        """Its series is laid out up to `high` ms now."""
        self._put(row._replace(series_to=high if _goes_on(view, high) else None), view)

    def scrub(self, account: str, keys: Iterable[str]) -> None:
        """Name nobody of these keys any more in what this batch has written."""
        erased = frozenset(keys)
        for (of, meeting), row in self._rows.items():
            if of == account and row is not None:
                self._rows[of, meeting] = scrubbed(row, erased)

    def changes(self) -> list[MeetingRow]:
        """The rows that the batch changed, as they are now."""
        return [row for key in self._changed if (row := self._rows[key]) is not None]

    def _put(self, row: MeetingRow, view: View | None) -> None:
        key = row.account, row.meeting
        self._rows[key] = row
        self._views[key] = view
        self._changed[key] = None


def _content(scene: Scene) -> str:
    """The JSON of a `Content`, put together from what the entries are."""
    view = scene.view
    part = view.parts[0] if view.parts else None
    shown = part.shown if part is not None else _first_exception(view)
    slot = layout.own_slot(shown)
    said = times(Laid(slot.start, slot, shown))
    cancelled = part is not None and part.cancelled_from is not None and shown.status != "cancelled"
    alike = scene.alike(replace(shown, status="cancelled") if cancelled else shown)
    rules = _encode(part.rules).decode() if part is not None and part.rules else "[]"
    named = fields(_Named(alike.people, shown.contacts))
    return f'{{"title":{alike.title},"start":"{said.start}","end":"{said.end}",{alike.about},{named},{scene.frame},"rules":{rules}}}'


def _first_exception(view: View) -> Shown:
    return next(exception.shown for exception in view.exceptions if exception.shown is not None)


def _goes_on(view: View, high: int) -> bool:
    """Is there anything of it still to be laid out from `high` ms on?"""
    for part in view.parts:
        if _part_goes_on(part, high):
            return True
    # Without a part, exceptions stand wherever they are.
    return bool(view.exceptions) and bool(view.parts) and any(_is_beyond(exception, high) for exception in view.exceptions)


def _is_beyond(exception: Exception_, high: int) -> bool:
    return exception.original >= high or (exception.shown is not None and layout.own_slot(exception.shown).start >= high)


def _part_goes_on(part: Part, high: int) -> bool:
    if not layout.is_series(part):
        return False
    if any("COUNT=" not in rule.upper() and "UNTIL=" not in rule.upper() for rule in part.rules):
        return True
    return bool(recurrence.starts(layout.shape(part), high, _FAR))


def scrubbed(row: MeetingRow, erased: frozenset[str]) -> MeetingRow:
    """The row without the people of these keys in its body. Its view holds them sealed, by a key that is destroyed."""
    body = _bodies.decode(row.body)
    if body.content is None or erased.isdisjoint(body.content.people):
        return row
    left = without(Faces(body.content.organizer, body.content.participants, body.content.people), erased)
    content = replace(body.content, organizer=left.organizer, participants=left.participants, people=left.keys)
    return row._replace(body=_encode(replace(body, content=content)))
