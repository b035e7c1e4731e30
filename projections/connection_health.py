"""The health of connections: is each user's calendar connected and authorised, when was it last read, what is held.

What must stay true: state and windows follow from all facts in the order of their own times (domain/connection.py), which is why
the facts stand in the stored body; a reading counts for the connections whose calendar it was when it was decided.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from domain import connection
from domain.connection import Connection, Fact
from domain.events import (
    ConnectionActivated,
    ConnectionDeauthorised,
    ConnectionDisconnected,
    DeletionsDiscarded,
    DeletionsHeld,
    DeletionsReleased,
    Event,
    SourceEventDecided,
)
from projections.decision_journal import Decided
from projections.views import ConnectionRow, Views, stamp

OfConnections = (ConnectionActivated, ConnectionDeauthorised, ConnectionDisconnected, DeletionsHeld, DeletionsReleased, DeletionsDiscarded)
_Settled = (DeletionsReleased, DeletionsDiscarded)

_encode = msgspec.json.Encoder().encode


class Window(Struct):
    """When one calendar was connected: RFC 3339, `until` None while it is."""

    provider: str
    calendar: str | None
    since: str
    until: str | None


class Held(Struct):
    """Deletions that wait for a person; `sightings` are the copies' keys, `known` how many copies the connection has."""

    hold: str
    at: str
    provider: str
    known: int
    sightings: tuple[str, ...]


class Body(Struct, rename="camel"):
    """A connection as readers get it. Provider, calendar and `since` are those of the newest window. `facts` are what all of
    this follows from; readers pass over them."""

    user: str
    state: str = "disconnected"
    provider: str | None = None
    calendar: str | None = None
    since: str | None = None
    reason: str | None = None
    last_read: str | None = None
    held: tuple[Held, ...] = ()
    windows: tuple[Window, ...] = ()
    facts: tuple[Fact, ...] = ()


decoder = msgspec.json.Decoder(Body)


def calendar_read(event: Decided | SourceEventDecided) -> str | None:
    """The calendar (casefolded) that this source event was read from, None if it came from elsewhere."""
    return _calendar_of(event.source) if event.kind.startswith(("meeting.", "calendar.")) else None


@lru_cache(maxsize=4096)
def _calendar_of(source: str) -> str | None:
    return source.rpartition("/")[2].casefold() if "/calendars/" in source else None


class Connections:
    """The connections during a fold: those stored that the batch concerns, and over them what it made of them."""

    def __init__(self, views: Views) -> None:
        self._views = views
        self._bodies: dict[str, dict[str, Body]] = {}
        self._users: dict[str, dict[str, list[str]]] = {}
        self._changed: dict[tuple[str, str], None] = {}
        # When each source was read last, of those whose readings are all written down.
        self._read: dict[tuple[str, str], int] = {}

    def load(self, events: Iterable[Event]) -> None:
        """Look up what these events concern. Events of connections come seldom, hence all of an account's for them."""
        named: dict[str, None] = {}
        calendars: dict[tuple[str, str], None] = {}
        for event in events:
            self._bodies.setdefault(event.account, {})
            if isinstance(event, Decided):
                if (calendar := calendar_read(event)) is not None:
                    calendars[event.account, calendar] = None
            elif isinstance(event, OfConnections):
                named[event.account] = None
        rows = [row for account in named for row in self._views.connections(account)]
        rows += self._views.connections_of_calendars([at for at in calendars if at[0] not in named])
        for row in rows:
            self._bodies[row.account][row.user] = decoder.decode(row.body)
        for account in dict.fromkeys(row.account for row in rows):
            self._index(account)

    def changed(self, event: Event) -> None:
        """An event of a connection."""
        bodies = self._bodies[event.account]
        if isinstance(event, _Settled):
            for user, body in bodies.items():
                if any(held.hold == event.hold for held in body.held):
                    self._put(event.account, user, replace(body, held=tuple(held for held in body.held if held.hold != event.hold)))
        elif isinstance(event, DeletionsHeld):
            body = bodies.get(event.user) or Body(event.user)
            held = Held(event.hold, stamp(event.at), event.provider, event.known, event.sightings)
            others = tuple(other for other in body.held if other.hold != event.hold)
            self._put(event.account, event.user, replace(body, held=(*others, held)))
        elif isinstance(event, ConnectionActivated | ConnectionDeauthorised | ConnectionDisconnected):
            self._put(event.account, event.user, _after(bodies.get(event.user) or Body(event.user), event))
            self._index(event.account)

    def read(self, event: Decided | SourceEventDecided) -> None:
        """A source event was decided: if it is of a calendar known here, that calendar was read."""
        key = event.account, event.source
        if self._read.get(key, -1) >= event.recorded_at:
            return  # most events of a batch are readings, and nothing of theirs is newer than the one before
        calendar = calendar_read(event)
        if calendar is None:
            return
        self._read[key] = event.recorded_at
        read = stamp(event.recorded_at)
        for user in self._users.get(event.account, {}).get(calendar, ()):
            body = self._bodies[event.account][user]
            if body.last_read is None or body.last_read < read:
                # Changed in place: the body is this fold's own.
                body.last_read = read
                self._changed[event.account, user] = None

    def changes(self) -> list[ConnectionRow]:
        """The rows that the batch changed, as they are now."""
        return [ConnectionRow(account, user, _encode(self._bodies[account][user])) for account, user in self._changed]

    def _put(self, account: str, user: str, body: Body) -> None:
        self._read.clear()  # another user may have this calendar now
        self._bodies[account][user] = body
        self._changed[account, user] = None

    def _index(self, account: str) -> None:
        users = self._users[account] = {}
        for user, body in sorted(self._bodies[account].items()):
            if body.calendar is not None:
                users.setdefault(body.calendar, []).append(user)


def _after(body: Body, event: Event) -> Body:
    state = connection.evolve(Connection(user=body.user, facts=body.facts), event)
    newest = state.windows[-1] if state.windows else None
    if state.live is None:
        word = "disconnected"
    else:
        word = "active" if state.authorised else "deauthorised"
    return Body(
        user=body.user,
        state=word,
        provider=newest.provider if newest else None,
        calendar=(newest.calendar or None) if newest else None,
        since=stamp(newest.from_) if newest else None,
        reason=state.reason,
        last_read=body.last_read,
        held=body.held,
        windows=tuple(
            Window(w.provider, w.calendar or None, stamp(w.from_), stamp(w.to) if w.to is not None else None) for w in state.windows
        ),
        facts=state.facts,
    )
