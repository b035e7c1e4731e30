"""A CRM contact: its address, merges, deletion and erasure."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from domain.events import ContactDeleted, ContactErased, ContactMerged, ContactNoted, ContactRecorded, Event
from domain.people import key_of
from domain.sighting import digest

REMEMBERED = 20
"""Words of one instant that are remembered beside the last."""


class Contact(Struct, frozen=True):
    """`key` is the person key of the Email property, None without one; `into` the survivor it was merged into, `merged` those that
    became it; `keys` every address it ever had, for erasing. An erased id stays erased, a merged one merged. `recorded` is the
    place in the side's order of the last word that said who it is, `order` that of the last word; `told` what other words of the
    same place said. `into_at` and `erased_at` are when it was merged and erased (ms), by the side's word."""

    id: str = ""
    key: str | None = None
    person: str | None = None
    order: str = ""
    keys: tuple[str, ...] = ()
    into: str | None = None
    deleted: bool = False
    erased: bool = False
    company: str | None = None
    recorded: str = ""
    told: tuple[int, ...] = ()
    merged: tuple[str, ...] = ()
    into_at: int = 0
    erased_at: int = 0


def evolve(state: Contact, event: object) -> Contact:
    """The contact after `event`."""
    match event:
        case ContactRecorded():
            key = key_of(event.person) if event.email and event.person else None
            return replace(
                state,
                id=event.contact,
                key=key,
                person=event.person,
                order=event.order,
                keys=_with(state.keys, () if event.person is None else (key_of(event.person),)),
                deleted=False,
                company=event.company,
                recorded=event.order,
                told=_told(state, event.order),
            )
        case ContactNoted():
            return replace(state, id=event.contact, keys=_with(state.keys, event.keys))
        case ContactMerged():
            if state.id in event.merged:
                return replace(state, into=event.contact, into_at=event.at)
            return replace(state, id=event.contact, keys=_with(state.keys, event.keys), merged=_with(state.merged, event.merged))
        case ContactDeleted():
            return replace(state, id=event.contact, deleted=True, order=event.order, told=_told(state, event.order))
        case ContactErased():
            keys, at = _with(state.keys, event.keys), max(state.erased_at, event.at)
            return replace(state, id=event.contact, erased=True, deleted=True, key=None, person=None, keys=keys, erased_at=at)
    return state


def is_known(state: Contact, word: Event, order: str) -> bool:
    """Was this told already at this very place in the side's order, whatever was told there since?"""
    if not order or order != state.order:
        return False
    said = _said(evolve(state, word))
    return said == _said(state) or said in state.told


def _with(known: tuple[str, ...], more: tuple[str, ...]) -> tuple[str, ...]:
    return known if all(one in known for one in more) else tuple(dict.fromkeys((*known, *more)))


def _told(state: Contact, order: str) -> tuple[int, ...]:
    return (*state.told, _said(state))[-REMEMBERED:] if order and order == state.order else ()


def _said(state: Contact) -> int:
    """What the last word said, as a digest."""
    if state.deleted:
        return digest("deleted")
    return digest("recorded", state.person or "", "address" if state.key else "", state.company or "")
