"""Meetings as one looks one up by its id, and as the folds need them: the view recorded last, and how far it is laid out.

What must stay true: a meeting that stands in no timeline has no content here; the stored view keeps people sealed, so that
erasing one leaves nothing to rewrite in it; how far a series is laid out is said exactly, for the clock extends it from there.
"""

from __future__ import annotations

from collections.abc import Collection

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from domain import layout, recurrence
from domain.events import Exception_, Part, Shown, View
from domain.layout import Laid
from projections.bodies import MeetingRow
from projections.contact_timeline import Associations, Moment, Organizer, Participant, Scene, Scrub
from projections.views import StoredMeeting, Views

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


class Body(Struct, rename="camel"):
    """A meeting as readers get it. `content` is None where it stands in no timeline; `into` what it was found to be."""

    meeting: str
    into: str | None
    content: Content | None
    recorded_at: str
    position: int


class Meetings:
    """The meetings during a fold: those stored that the batch concerns, and over them what it made of them."""

    def __init__(self, views: Views) -> None:
        self._store = views
        self._stored: dict[tuple[str, str], StoredMeeting] = {}
        self._views: dict[tuple[str, str], View | None] = {}
        self._rows: dict[tuple[str, str], MeetingRow] = {}
        self._extended: dict[tuple[str, str], int | None] = {}

    def load(self, meetings: Collection[tuple[str, str]]) -> set[tuple[str, str]]:
        """Look up these (account, meeting)s; returns those that are stored and stand in timelines."""
        stored = self._store.stored_meetings(meetings)
        self._stored.update(stored)
        return {at for at, row in stored.items() if row.view}

    def view(self, account: str, meeting: str) -> View | None:
        """The view recorded last, None if it stands in no timeline."""
        key = account, meeting
        if key not in self._views:
            row = self._stored.get(key)
            self._views[key] = _views.decode(row.view) if row is not None and row.view else None
        return self._views[key]

    def to_extend(self, account: str, before: int) -> list[tuple[str, int]]:
        """Series laid out only up to before this time (ms), and how far, in the order of their ids."""
        for stored in self._store.series_to_extend(account, before):
            self._stored.setdefault((account, stored.meeting), stored)
        reach = {meeting: row.series_to for (of, meeting), row in self._stored.items() if of == account}
        reach.update((meeting, row.series_to) for (of, meeting), row in self._rows.items() if of == account)
        reach.update((meeting, series_to) for (of, meeting), series_to in self._extended.items() if of == account)
        return sorted((meeting, series_to) for meeting, series_to in reach.items() if series_to is not None and series_to < before)

    def shown(self, at: Moment, scene: Scene, only: Laid | None, high: int, ticked: bool) -> None:
        """Its timelines show it so now, laid out up to `high` ms; `only` is its occurrence if it is no more than a single meeting. A
        series of an account whose clock has not `ticked` is looked at again when it does, also if it has ended before."""
        view = scene.view
        part = view.parts[0] if view.parts else None
        if only is not None:
            _, slot, shown = only
        else:
            shown = _as_a_whole(part) if part is not None else _first_exception(view)
            slot = layout.own_slot(shown)
        common = scene.common(shown)
        rules = _encode(part.rules).decode() if part is not None and part.rules else "[]"
        contacts = _encode(shown.contacts).decode() if shown.contacts else "[]"
        reach = high if _goes_on(view, high) or (scene.is_series and not ticked) else None
        what = at.account, at.meeting, None, at.position, at.recorded_at, reach, _encode(view)
        row = MeetingRow(*what, common, slot.start, slot.end, contacts, rules)
        self._put(row, view)

    def hidden(self, at: Moment, into: str | None = None) -> None:
        """It stands in no timeline any more; `into` if it was found to be another."""
        self._put(MeetingRow(at.account, at.meeting, into, at.position, at.recorded_at), None)

    def extended(self, account: str, meeting: str, high: int) -> None:
        """Its series is laid out up to `high` ms now."""
        view = self.view(account, meeting)
        reach = high if view is not None and _goes_on(view, high) else None
        key = account, meeting
        row = self._rows.get(key)
        if row is None:
            self._extended[key] = reach
        else:
            self._rows[key] = row._replace(series_to=reach)

    def scrub(self, account: str, scrub: Scrub) -> None:
        """Name nobody of the scrub's keys any more in what this batch has written."""
        for key, row in self._rows.items():
            if key[0] == account and row.common is not None:
                self._rows[key] = row._replace(common=scrub.common(row.common))

    def rows(self) -> list[MeetingRow]:
        """The rows that the batch made, as they are now."""
        return list(self._rows.values())

    def reaches(self) -> list[tuple[str, str, int | None]]:
        """How far the series of other meetings are laid out now."""
        return [(*key, reach) for key, reach in self._extended.items()]

    def _put(self, row: MeetingRow, view: View | None) -> None:
        key = row.account, row.meeting
        self._rows[key] = row
        self._views[key] = view
        self._extended.pop(key, None)


def _as_a_whole(part: Part) -> Shown:
    shown = part.shown
    return replace(shown, status="cancelled") if part.cancelled_from is not None and shown.status != "cancelled" else shown


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
