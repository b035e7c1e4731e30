"""The API's answers as types, for its OpenAPI description only: bodies are joined from stored JSON, never made from these.

A test holds real answers against them.
"""

from __future__ import annotations

from msgspec import UNSET, Struct, UnsetType

from projections.connection_health import Held, Window
from projections.contact_timeline import Entry
from projections.decision_journal import Body as DecisionsAboutOneEvent
from services.publish import Receipt


class ContactBody(Struct):
    """A contact. `others` are further contacts with the same address, where it was asked for by address."""

    id: str
    email: str | None = None
    name: str | None = None
    company: str | None = None
    others: list[str] | UnsetType = UNSET


class Freshness(Struct, rename="camel"):
    """How fresh an answer is: the reader's position, when the newest of it was recorded, and until when all active connections
    were read (null while one never was)."""

    position: int
    recorded_at: str | None
    last_read: str | None


class TimelineBody(Struct):
    """A page of a timeline. `next` and `previous` are cursors."""

    contact: ContactBody
    entries: list[Entry]
    next: str | None
    previous: str | None
    freshness: Freshness


class DecisionsBody(Struct):
    """Decisions in order, people as their keys. `next` is a cursor."""

    decisions: list[DecisionsAboutOneEvent]
    next: str | None


class ConnectionBody(Struct, rename="camel"):
    """A user's connection."""

    user: str
    state: str
    provider: str | None
    calendar: str | None
    since: str | None
    reason: str | None
    last_read: str | None
    held: list[Held]
    windows: list[Window]


class ConnectionsBody(Struct):
    """All connections of an account."""

    connections: list[ConnectionBody]


class ReceiptsBody(Struct):
    """A receipt an event, in the events' order."""

    receipts: list[Receipt]


class HealthBody(Struct):
    """Alive."""

    status: str


class ReadyBody(Struct):
    """Ready, and how many events wait."""

    status: str
    lag: int
