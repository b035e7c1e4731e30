"""Our events in the `eventsourcing` library's terms: the mapper between them and stored rows, and the application around both.

The library gives the recorder contract, tracking, the notification log and optimistic concurrency; what is ours is that a
batch is one transaction (libraries measured in docs/decisions) and that events are msgspec Structs with names of their own.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, cast
from uuid import UUID

import msgspec
from eventsourcing.application import ProcessingEvent
from eventsourcing.persistence import Mapper, StoredEvent, Tracking
from eventsourcing.projection import EventSourcedProjection

from domain.errors import Stop
from domain.events import BY_NAME, UPCASTERS, Event
from domain.ports import Recorded

_encoder = msgspec.json.Encoder()


@lru_cache(maxsize=256)
def _decoder(kind: type[Event]) -> msgspec.json.Decoder[Event]:
    return msgspec.json.Decoder(kind)


def encode(event: Event) -> bytes:
    """An event as it is stored."""
    return _encoder.encode(event)


def decode(name: str, body: bytes) -> Event:
    """A stored event of any version that ever was, as its newest version."""
    kind = BY_NAME.get(name)
    if kind is not None:
        return _decoder(kind).decode(body)
    if name not in UPCASTERS:
        raise Stop(f"no event is called {name!r}: was it written by a newer version?")
    told = msgspec.json.decode(body)
    while name in UPCASTERS:
        name, told = UPCASTERS[name](told)
    return msgspec.convert(told, BY_NAME[name])


class MsgspecMapper(Mapper[UUID]):
    """Between `ports.Recorded` and stored rows. The topic of a row is the event's own name, not a Python path."""

    def to_stored_event(self, domain_event: Any) -> StoredEvent:
        """A row."""
        stream, version, event = domain_event
        return StoredEvent(stream, version, event.NAME, _encoder.encode(event))

    def to_domain_event(self, stored_event: StoredEvent) -> Any:
        """The event of a row."""
        return Recorded(
            cast(UUID, stored_event.originator_id), stored_event.originator_version, decode(stored_event.topic, stored_event.state)
        )


class Deciding(EventSourcedProjection[UUID]):
    """The application that records what was decided about the source log. Its policy is `services.sync`, a batch at a time."""

    name = "deciding"

    def policy(self, domain_event: Any, processing_event: ProcessingEvent[UUID]) -> None:
        """Never called: batches are put, not events processed one by one."""
        raise Stop("events are decided in batches")


def tracking(partition: str, position: int) -> Tracking:
    """The library's record of how far a partition was decided."""
    return Tracking(f"source:{partition}", position)
