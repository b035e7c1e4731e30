"""The fold: a batch of the domain log becomes what is to be written to the read models.

What must stay true: events are taken in their order, and each sees what those before it made, whether they were in the same
batch or not, so that batches of any size come to the same rows; a name that is not known is stepped over, and an event that
cannot be folded stops everything, for its caller to say where.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from domain.events import (
    BY_NAME,
    UPCASTERS,
    ClockTicked,
    ContactDeleted,
    ContactErased,
    ContactMerged,
    ContactRecorded,
    Event,
    MeetingAbsorbed,
    MeetingEvent,
    SourceEventDecided,
    View,
)
from domain.ports import DomainRecord
from projections import contact_timeline, decision_journal
from projections.connection_health import Connections, OfConnections
from projections.contact_timeline import DAY, Moment, Timelines
from projections.contacts import Contacts, OpenPeople, People
from projections.decision_journal import canonical
from projections.meeting_view import Meetings
from projections.views import Changes, ClockRow, DecisionRow, Views

UNTICKED_DAYS = 365
"""How far around an event series are laid out in an account whose clock never ticked."""

_decoders: dict[str, msgspec.json.Decoder[Any]] = {name: msgspec.json.Decoder(kind) for name, kind in BY_NAME.items()}


def fold(batch: Sequence[DomainRecord], views: Views, open_people: OpenPeople) -> Changes:
    """What these records, which follow on `views.position()`, make of the read models.

    `open_people` opens the sealed people of an account (ports.Vault.open). Raises what decoding raises for a record that
    cannot be read, and whatever views and vault raise.
    """
    folding = _Folding(views, open_people)
    events = [(record, event) for record in batch if (event := read(record.name, record.body)) is not None]
    folding.load(events)
    for record, event in events:
        folding.take(record, event)
    return folding.changes()


def read(name: str, body: bytes) -> Event | None:
    """The event in a record, brought up to date if it is of an old version; None if the name is not known."""
    if name in UPCASTERS:
        old = msgspec.json.decode(body)
        while name in UPCASTERS:
            name, old = UPCASTERS[name](old)
        return msgspec.convert(old, BY_NAME[name])
    decoder = _decoders.get(name)
    event: Event | None = decoder.decode(body) if decoder is not None else None
    return event


def view_of(event: MeetingEvent) -> View | None:
    """The view that a meeting's event carries, if it carries one."""
    return event.view if isinstance(event.view, View) else None


class _Folding:
    """One batch: the rows of each read model as they become, and the clocks."""

    def __init__(self, views: Views, open_people: OpenPeople) -> None:
        self._views = views
        self._people = People(open_people)
        self._contacts = Contacts(views)
        self._meetings = Meetings(views, self._people, self._contacts)
        self._timelines = Timelines(views, self._people, self._contacts)
        self._connections = Connections(views)
        self._decisions: list[DecisionRow] = []
        self._clocks: dict[str, ClockRow | None] = {}
        self._ticked: dict[str, None] = {}

    def load(self, events: Iterable[tuple[DomainRecord, Event]]) -> None:
        """Look up, an account at a time, what the batch is going to need."""
        by_account: dict[str, list[tuple[DomainRecord, Event]]] = {}
        for record, event in events:
            by_account.setdefault(event.account, []).append((record, event))
        for account, pairs in by_account.items():
            self._clocks[account] = self._views.clock(account)
            self._load_meetings(account, pairs)
            self._load_people(account, [event for _, event in pairs])
            self._connections.load(account, [event for _, event in pairs])

    def _load_meetings(self, account: str, pairs: Sequence[tuple[DomainRecord, Event]]) -> None:
        meetings = {str(record.stream): None for record, event in pairs if _concerns_entries(event)}
        shown = self._meetings.load(account, meetings)
        self._timelines.load(account, shown)
        for meeting in meetings.keys() - shown:
            self._timelines.starts_empty(account, meeting)

    def _load_people(self, account: str, events: Iterable[Event]) -> None:
        tokens: set[str] = set()
        contacts: set[str] = set()
        for event in events:
            if isinstance(event, MeetingEvent):
                if (view := view_of(event)) is not None:
                    tokens |= contact_timeline.tokens(view)
                    contacts |= contact_timeline.contacts_named(view)
            elif isinstance(event, ContactRecorded) and event.person is not None:
                tokens.add(event.person)
        # Sorted: what is asked of vault and store should not depend on the order of a set.
        self._people.load(account, sorted(tokens))
        self._contacts.load(account, sorted(contacts))

    def take(self, record: DomainRecord, event: Event) -> None:
        """One event."""
        if isinstance(event, SourceEventDecided):
            self._decisions.append(decision_journal.row(event, record.position))
            self._connections.read(event)
        elif isinstance(event, MeetingEvent):
            if event.view is not msgspec.UNSET:
                self._meeting(_moment(record, event), event)
        elif isinstance(event, MeetingAbsorbed):
            self._timelines.close(_moment(record, event))
            self._meetings.hidden(_moment(record, event), canonical(event.into))
        elif isinstance(event, ClockTicked):
            self._tick(record.position, event)
        elif isinstance(event, OfConnections):
            self._connections.changed(event)
        else:
            self._contact(record.position, event)

    def changes(self) -> Changes:
        """What came of it."""
        return self._timelines.changes()._replace(
            contacts=self._contacts.changes(),
            meetings=self._meetings.changes(),
            decisions=self._decisions,
            connections=self._connections.changes(),
            clocks=[clock for account in self._ticked if (clock := self._clocks[account]) is not None],
        )

    # --- meetings

    def _meeting(self, at: Moment, event: MeetingEvent) -> None:
        low, high = self._horizon(event.account, event.at)
        view = view_of(event)
        if event.purge:
            self._timelines.purge(at.account, at.meeting)
        self._timelines.show(at, self._meetings.view(at.account, at.meeting), view, low, high)
        if view is None:
            self._meetings.hidden(at)
        else:
            self._meetings.shown(at, view, high)

    def _horizon(self, account: str, at: int) -> tuple[int, int]:
        clock = self._clocks[account]
        if clock is None:
            return at - UNTICKED_DAYS * DAY, at + UNTICKED_DAYS * DAY
        return clock.ticked - clock.before_days * DAY, clock.ticked + clock.after_days * DAY

    def _tick(self, position: int, event: ClockTicked) -> None:
        account, former = event.account, self._clocks[event.account]
        ticked = max(event.at, former.ticked) if former is not None else event.at
        former_low = former.ticked - former.before_days * DAY if former is not None else None
        self._clocks[account] = ClockRow(account, ticked, event.before_days, event.after_days)
        self._ticked[account] = None
        low, high = self._horizon(account, ticked)
        # As the clock goes forward the span behind is laid out already; the first tick, or a longer past, has all to do.
        onward = former_low is not None and former_low <= low
        for row in self._meetings.to_extend(account, high):
            view = self._meetings.view(account, row.meeting)
            if view is not None and row.series_to is not None:
                at = Moment(account, row.meeting, position, event.recorded_at)
                self._people.load(account, contact_timeline.tokens(view))
                self._contacts.load(account, contact_timeline.contacts_named(view))
                self._timelines.extend(at, view, max(low, row.series_to) if onward else low, high, looks=not onward)
                self._meetings.extended(row, view, high)

    # --- contacts

    def _contact(self, position: int, event: Event) -> None:
        if isinstance(event, ContactRecorded):
            person = self._people.named(event.account, event.person) if event.person is not None else None
            self._contacts.recorded(event, person)
        elif isinstance(event, ContactMerged):
            moved = self._contacts.merged(event)
            self._timelines.move(event.account, moved, position, event.recorded_at)
        elif isinstance(event, ContactDeleted):
            self._contacts.deleted(event)
        elif isinstance(event, ContactErased):
            self._people.erase(event.account, event.keys)
            self._meetings.scrub(event.account, event.keys)
            self._timelines.forget(event.account, self._contacts.erased(event), event.keys)


def _concerns_entries(event: Event) -> bool:
    return isinstance(event, MeetingAbsorbed) or (isinstance(event, MeetingEvent) and event.view is not msgspec.UNSET)


def _moment(record: DomainRecord, event: Event) -> Moment:
    return Moment(event.account, str(record.stream), record.position, event.recorded_at)
