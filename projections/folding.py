"""The fold: a batch of the domain log becomes what is to be written to the read models.

What must stay true: events are taken in their order, and each sees what those before it made, whether they were in the same
batch or not, so that batches of any size come to the same rows; a name that is not known is stepped over, and an event that
cannot be folded stops everything, for its caller to say where.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, UnsetType

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
from projections.bodies import DAY
from projections.connection_health import Connections, OfConnections
from projections.contact_timeline import Moment, Scene, Scrub, Timelines
from projections.contacts import Contacts, OpenPeople, People
from projections.decision_journal import Decided, canonical
from projections.meeting_view import Meetings
from projections.views import Changes, ClockRow, DecisionRow, Views

FOREVER = 2**62
"""Later than any series is laid out to (ms)."""

UNTICKED_DAYS = 365
"""How far around an event series are laid out in an account whose clock never ticked."""


class MeetingTold(Event, frozen=True, kw_only=True):
    """What the read models need of any of the meeting's events. Most of such an event is what it learned of a copy, which is
    not even decoded."""

    view: View | UnsetType | None = UNSET
    purge: bool = False
    purges: tuple[str, ...] = ()


OfMeetings = (MeetingTold, MeetingAbsorbed)
_read_as: dict[str, type[Event]] = {name: MeetingTold if issubclass(kind, MeetingEvent) else kind for name, kind in BY_NAME.items()}
_read_as[SourceEventDecided.NAME] = Decided
_decoders: dict[str, msgspec.json.Decoder[Any]] = {name: msgspec.json.Decoder(kind) for name, kind in _read_as.items()}


class Told(NamedTuple):
    """An event, the meeting it is of (if it is of one), and the position of its record."""

    event: Event
    meeting: str
    position: int

    @property
    def moment(self) -> Moment:
        """Where and when it is recorded."""
        return Moment(self.event.account, self.meeting, self.position, self.event.recorded_at)


def fold(batch: Sequence[DomainRecord], views: Views, open_people: OpenPeople) -> Changes:
    """What these records, which follow on `views.position()`, make of the read models.

    `open_people` opens sealed people, by account (ports.Vault.open_all). Raises what decoding raises for a record that
    cannot be read, and whatever views and vault raise.
    """
    folding = _Folding(views, open_people)
    events = [_told(record, event) for record in batch if (event := read(record.name, record.body)) is not None]
    folding.load(events)
    for told in events:
        folding.take(told)
    return folding.changes()


def _told(record: DomainRecord, event: Event) -> Told:
    # Only meetings are called by their stream; writing it as text takes as long as folding a small event.
    return Told(event, str(record.stream) if isinstance(event, OfMeetings) else "", record.position)


def read(name: str, body: bytes) -> Event | None:
    """The event in a record, brought up to date if it is of an old version; None if the name is not known."""
    if name in UPCASTERS:
        old = msgspec.json.decode(body)
        while name in UPCASTERS:
            name, old = UPCASTERS[name](old)
        body = msgspec.json.encode(old)
    decoder = _decoders.get(name)
    event: Event | None = decoder.decode(body) if decoder is not None else None
    return event


class _Folding:
    """One batch: the rows of each read model as they become, and the clocks."""

    def __init__(self, views: Views, open_people: OpenPeople) -> None:
        self._views = views
        self._people = People(open_people)
        self._contacts = Contacts(views)
        self._meetings = Meetings(views)
        self._timelines = Timelines(views, self._contacts)
        self._connections = Connections(views)
        self._decisions: list[DecisionRow] = []
        self._clocks: dict[str, ClockRow | None] = {}
        self._ticked: dict[str, None] = {}

    def load(self, events: Sequence[Told]) -> None:
        """Look up what the batch is going to need, of all its accounts together."""
        accounts = dict.fromkeys(told.event.account for told in events)
        self._clocks.update({**dict.fromkeys(accounts), **self._views.clocks_of(accounts)})
        self._load_meetings(events)
        self._load_people(events)
        self._connections.load([told.event for told in events])

    def _load_meetings(self, events: Sequence[Told]) -> None:
        meetings = {(told.event.account, told.meeting): None for told in events if told.meeting and _concerns_entries(told.event)}
        shown = self._meetings.load(meetings)
        by_account: dict[str, list[str]] = {}
        for account, meeting in meetings:
            if (account, meeting) in shown:
                by_account.setdefault(account, []).append(meeting)
            else:
                self._timelines.starts_empty(account, meeting)
        for account, some in by_account.items():
            self._timelines.load(account, some)

    def _load_people(self, events: Sequence[Told]) -> None:
        tokens: dict[str, set[str]] = {}
        contacts: dict[str, set[str]] = {}
        for event, _, _ in events:
            account = event.account
            if isinstance(event, MeetingTold) and isinstance(event.view, View):
                contact_timeline.add_named(event.view, tokens.setdefault(account, set()), contacts.setdefault(account, set()))
            elif isinstance(event, ContactRecorded) and event.person is not None:
                tokens.setdefault(account, set()).add(event.person)
        self._load_named(tokens, contacts)

    def _load_named(self, tokens: Mapping[str, set[str]], contacts: Mapping[str, set[str]]) -> None:
        # Sorted: what is asked of vault and store should not depend on the order of a set.
        self._people.load({account: sorted(some) for account, some in tokens.items()})
        self._contacts.load([(account, contact) for account, some in contacts.items() for contact in sorted(some)])

    def take(self, told: Told) -> None:
        """One event."""
        event = told.event
        if isinstance(event, Decided):
            self._decisions.append(decision_journal.row(event, told.position))
            self._connections.read(event)
        elif isinstance(event, MeetingTold):
            if event.view is not UNSET:
                self._meeting(told.moment, event)
        elif isinstance(event, MeetingAbsorbed):
            self._timelines.close(told.moment)
            self._meetings.hidden(told.moment, canonical(event.into))
        elif isinstance(event, ClockTicked):
            self._tick(told.position, event)
        elif isinstance(event, OfConnections):
            self._connections.changed(event)
        else:
            self._contact(told.position, event)

    def changes(self) -> Changes:
        """What came of it."""
        return self._timelines.changes()._replace(
            contacts=self._contacts.changes(),
            meetings=self._meetings.rows(),
            extended=self._meetings.reaches(),
            decisions=self._decisions,
            connections=self._connections.changes(),
            clocks=[clock for account in self._ticked if (clock := self._clocks[account]) is not None],
        )

    # --- meetings

    def _meeting(self, at: Moment, event: MeetingTold) -> None:
        if event.purge:
            self._purge(at.account, [at.meeting, *(canonical(other) for other in event.purges)])
        if isinstance(event.view, View):
            low, high = self._horizon(event.account, event.at)
            scene = self._scene(at, event.view)
            # After a purge nothing of it stands there, whatever its view was.
            before = None if event.purge else self._meetings.view(at.account, at.meeting)
            only = self._timelines.show(at, before, scene, low, high)
            self._meetings.shown(at, scene, only, high, self._clocks[event.account] is not None)
        else:
            self._timelines.close(at)
            self._meetings.hidden(at)

    def _purge(self, account: str, meetings: Sequence[str]) -> None:
        """Every version of these goes, and the values that earlier decisions about them kept."""
        for meeting in meetings:
            self._timelines.purge(account, meeting)
            self._decisions += [bare for row in self._stored_decisions(account, meeting) if (bare := decision_journal.without_values(row))]
        wanted = set(meetings)
        self._decisions = [
            (decision_journal.without_values(row) or row) if row.account == account and row.meeting in wanted else row
            for row in self._decisions
        ]

    def _stored_decisions(self, account: str, meeting: str) -> list[DecisionRow]:
        found: list[DecisionRow] = []
        while page := self._views.decisions(account, meeting=meeting, after=found[-1].position if found else 0):
            found += page
        return found

    def _scene(self, at: Moment, view: View) -> Scene:
        return Scene(at, view, self._people, self._contacts)

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
        # As the clock goes forward the span behind is laid out already; a longer past has all to do. The first tick lays out every
        # series anew: what was shown before followed no clock, and must not depend on how much of it was told before the tick.
        onward = former_low is not None and former_low <= low
        for meeting, series_to in self._meetings.to_extend(account, high if former is not None else FOREVER):
            view = self._meetings.view(account, meeting)
            if view is not None:
                at = Moment(account, meeting, position, event.recorded_at)
                tokens: set[str] = set()
                contacts: set[str] = set()
                contact_timeline.add_named(view, tokens, contacts)
                self._load_named({account: tokens}, {account: contacts})
                scene = self._scene(at, view)
                if former is None:
                    self._timelines.show(at, view, scene, low, high, keeps_past=False)
                else:
                    self._timelines.extend(at, scene, max(low, series_to) if onward else low, high, looks=not onward)
                self._meetings.extended(account, meeting, high)

    # --- contacts

    def _contact(self, position: int, event: Event) -> None:
        if isinstance(event, ContactRecorded):
            person = self._people.of(event.account)[event.person] if event.person is not None else None
            self._contacts.recorded(event, person)
        elif isinstance(event, ContactMerged):
            moved = self._contacts.merged(event)
            self._timelines.move(event.account, moved, position, event.recorded_at)
        elif isinstance(event, ContactDeleted):
            self._contacts.deleted(event)
        elif isinstance(event, ContactErased):
            # One scrub for both: what meetings and entries share they share after it.
            scrub = Scrub(event.keys)
            self._people.erase(event.account, event.keys)
            self._meetings.scrub(event.account, scrub)
            self._timelines.forget(event.account, self._contacts.erased(event), scrub)


def _concerns_entries(event: Event) -> bool:
    return isinstance(event, MeetingAbsorbed) or (isinstance(event, MeetingTold) and event.view is not UNSET)
