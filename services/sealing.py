"""Between the public form of a source event and the kept one: people sealed, also where they are typed into a text; a private
meeting's content dropped.

Both doors use it: `publish` before anything is appended, `sync` for records that somebody wrote to the log without us.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from domain import mentions
from domain.ports import Vault
from domain.source_events import (
    ActivatedData,
    ConfiguredData,
    ContactData,
    MeetingData,
    MergedData,
    Participant,
    PrivateMeetingData,
    SourceEvent,
    UserData,
)

_encoder = msgspec.json.Encoder()

_Named = tuple[str, str | None]
"""An address, and the name that was told with it."""


class _Kept(Struct, frozen=True, gc=False, omit_defaults=True):
    """What is written of a `source_events.Envelope`, so that an event and its data are encoded in one go."""

    specversion: str
    id: str
    source: str
    type: str
    account: str
    data: Any
    subject: str
    time: datetime | None = None
    sequence: str | None = None


def keep(event: SourceEvent, vault: Vault) -> SourceEvent:
    """The event in its kept form; itself if it is in it already."""
    return keep_all([event], vault)[0]


def keep_all(events: list[SourceEvent], vault: Vault) -> list[SourceEvent]:
    """The events in their kept form, every address of them sealed in one go."""
    bared = [_bared(e) for e in events]
    wanted: dict[str, dict[_Named, None]] = {}
    for event in bared:
        wanted.setdefault(event.account, {}).update(dict.fromkeys(_people(event)))
    sealed = vault.seal_all({account: list(people) for account, people in wanted.items() if people})
    tokens = {account: dict(zip(wanted[account], found, strict=True)) for account, found in sealed.items()}
    return [_sealed(e, tokens.get(e.account, {})) for e in bared]


def _bared(event: SourceEvent) -> SourceEvent:
    data = event.data
    if isinstance(data, MeetingData) and data.privacy != "public":
        return replace(event, data=PrivateMeetingData(data.side, data.provenance, data.status, data.privacy, data.kind))
    return event


def _people(event: SourceEvent) -> list[_Named]:
    match event.data:
        case MeetingData() as m:
            return [(g.email, g.name) for g in m.participants.values() if g.email] + _typed(m)
        case ContactData() | MergedData() as c:
            return [(c.email or _nobody(event.subject), c.name)] if c.sealed is None and (c.email or c.name) else []
        case UserData() as u:
            return [(address, None) for address in (u.email, *u.aliases) if address]
        case ConfiguredData() as a:
            return [(address, None) for address in a.never_log.addresses if address.strip()]
        case ActivatedData() as c:
            return [(address, None)] if (address := _own_address(c)) else []
    return []


def _typed(m: MeetingData) -> list[_Named]:
    return [(address, None) for text in _texts(m) for address in mentions.addresses(text)] if "@" in _text(m) else []


def _texts(m: MeetingData) -> tuple[str | None, ...]:
    """What somebody may have typed an address into."""
    return m.title, m.description, m.location, m.conference_url


def _text(m: MeetingData) -> str:
    """All of them, to be looked through in one go: nearly always there is nothing to be found."""
    return f"{m.title}{m.description}{m.location}{m.conference_url}"


def _with_texts(m: MeetingData, change: Callable[[str | None], str | None]) -> MeetingData:
    title, description, location, conference_url = map(change, _texts(m))
    return replace(m, title=title, description=description, location=location, conference_url=conference_url)


def _own_address(c: ActivatedData) -> str | None:
    """The connected user's own address. A primary calendar that is called by an address is called by its user's."""
    if c.address or c.sealed is not None:
        return c.address
    return c.calendar if c.calendar and "@" in c.calendar else None


def _nobody(contact: str) -> str:
    """What stands for the address of a contact without one, so that his name is sealed under a key of his own."""
    return f"contact:{contact}"


def _sealed(event: SourceEvent, tokens: dict[_Named, str]) -> SourceEvent:
    data: Any = event.data
    match data:
        case MeetingData():
            if data.participants:
                # Their keys are the publisher's own and may be addresses: numbers say as much.
                participants = {str(n): _sealed_one(g, tokens) for n, g in enumerate(data.participants.values(), 1)}
                data = replace(data, participants=participants)
            if "@" in _text(data):
                data = _with_texts(data, lambda text: mentions.sealed(text, lambda address: tokens[address, None]))
        case ContactData() | MergedData() if data.sealed is None and (data.email or data.name):
            # `email` says in the kept form only that there is one; what it is stands in the seal.
            token = tokens[data.email or _nobody(event.subject), data.name]
            data = replace(data, email="sealed" if data.email else None, name=None, sealed=token)
        case UserData() if data.email or data.aliases:
            sealed = [tokens[a, None] for a in (data.email, *data.aliases) if a]
            data = UserData(None, [], sealed)
        case ConfiguredData() if data.never_log.addresses:
            sealed = [tokens[a, None] for a in data.never_log.addresses if a.strip()]
            data = replace(data, never_log=replace(data.never_log, addresses=[], sealed=data.never_log.sealed + sealed))
        case ActivatedData() if address := _own_address(data):
            data = replace(data, address=None, sealed=tokens[address, None])
    return event if data is event.data else replace(event, data=data)


def _sealed_one(g: Participant, tokens: dict[_Named, str]) -> Participant:
    if not g.email:
        return g if g.name is None else replace(g, name=None)  # a name without an address has no key to be sealed under
    return Participant(None, None, g.roles, g.participation_status, tokens[g.email, g.name])


def as_told(event: SourceEvent) -> SourceEvent:
    """The event without any seal: what comes from outside cannot be sealed by us."""
    data: Any = event.data
    match data:
        case MeetingData():
            if any(g.sealed is not None for g in data.participants.values()):
                data = replace(data, participants={key: replace(g, sealed=None) for key, g in data.participants.items()})
            if mentions.is_marked(_text(data)):
                data = _with_texts(data, mentions.unmarked)
        case ContactData() | MergedData() | ActivatedData() if data.sealed is not None:
            data = replace(data, sealed=None)
        case UserData() if data.sealed:
            data = replace(data, sealed=[])
        case ConfiguredData() if data.never_log.sealed:
            data = replace(data, never_log=replace(data.never_log, sealed=[]))
    return event if data is event.data else replace(event, data=data)


def encode(event: SourceEvent) -> bytes:
    """A kept event as a structured CloudEvent, ready for the log."""
    return _encoder.encode(
        _Kept(
            specversion="1.0",
            id=event.id,
            source=event.source,
            type=f"rendezvous.{event.kind}.v1",
            account=event.account,
            data=event.data,
            subject=event.subject,
            time=event.time,
            sequence=event.sequence,
        )
    )


def tokens_of(event: SourceEvent) -> list[str]:
    """Every sealed person in a kept event, beside those in its texts, by whom nothing is decided."""
    match event.data:
        case MeetingData() as m:
            return [g.sealed for g in m.participants.values() if g.sealed]
        case ContactData() | MergedData() | ActivatedData() as c:
            return [c.sealed] if c.sealed else []
        case UserData() as u:
            return list(u.sealed)
        case ConfiguredData() as a:
            return list(a.never_log.sealed)
    return []
