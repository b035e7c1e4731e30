"""A CRM contact: its address, merges, deletion and erasure."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from domain.events import ContactDeleted, ContactErased, ContactMerged, ContactRecorded
from domain.people import key_of


class Contact(Struct, frozen=True):
    """`key` is the person key of the Email property, None without one; `into` the survivor it was merged into;
    `keys` every address it ever had, for erasing. An erased id stays erased, a merged one merged."""

    id: str = ""
    key: str | None = None
    person: str | None = None
    order: str = ""
    keys: tuple[str, ...] = ()
    into: str | None = None
    deleted: bool = False
    erased: bool = False
    company: str | None = None


def evolve(state: Contact, event: object) -> Contact:
    """The contact after `event`."""
    match event:
        case ContactRecorded():
            key = key_of(event.person) if event.email and event.person else None
            keys = state.keys if key is None or key in state.keys else (*state.keys, key)
            return replace(
                state, id=event.contact, key=key, person=event.person, order=event.order, keys=keys, deleted=False, company=event.company
            )
        case ContactMerged():
            if state.id in event.merged:
                return replace(state, into=event.contact)
            keys = tuple(dict.fromkeys((*state.keys, *event.keys)))
            return replace(state, id=event.contact, keys=keys)
        case ContactDeleted():
            return replace(state, id=event.contact, deleted=True, order=event.order)
        case ContactErased():
            return replace(state, id=event.contact, erased=True, deleted=True, key=None, person=None, keys=())
    return state
