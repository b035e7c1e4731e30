"""Items of HubSpot's webhook batches: what each is about, and the few that can be said without reading anything. Pure.

What must stay true: an item is a hint and never data. Only a deletion says all there is to say; every other item names
an object to read. Items come unordered, repeated, and with event ids that are not unique.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from adapters import wording
from adapters.hubspot import contacts, meetings
from adapters.hubspot.objects import Merge
from adapters.hubspot.values import identifier, moment, text
from adapters.wording import Hint, Refused

_KINDS = {"0-1": "contact", "0-47": "meeting"}
_ACTIONS = {
    "contact": ("creation", "deletion", "privacyDeletion", "propertyChange", "associationChange", "merge", "restore"),
    "object": ("creation", "deletion", "propertyChange", "associationChange", "merge", "restore"),
}


class Item(NamedTuple):
    """One item: `action` (as `propertyChange`) happened to the object `kind` `id` at `at`; `name` is the item's own."""

    action: str
    kind: str
    id: str
    at: datetime | None
    name: str


def read(body: Mapping[str, Any]) -> Item | Merge | Refused:
    """What a webhook item is about. An association is about its meeting, where it has one."""
    subscription = text(body.get("subscriptionType"), 100) or ""
    family, _, action = subscription.partition(".")
    what = f"webhook {subscription or 'without a subscriptionType'}"
    if action not in _ACTIONS.get(family, ()):
        return Refused(what, "no subscription of meetings or contacts")
    ends = _ends(body, "0-1" if family == "contact" else None)
    about = next(((kind, id) for wanted in ("meeting", "contact") for kind, id in ends if kind == wanted and id), None)
    if about is None:
        kinds = ", ".join(sorted({text(body.get(name), 20) or "" for name in ("objectTypeId", "fromObjectTypeId")} - {""}))
        return Refused(what, f"no meeting or contact is named; object type {kinds or 'unknown'}")
    kind, id = about
    if action == "merge" and kind == "contact":
        return _merge(body, id)
    at = moment(body.get("occurredAt"))
    order = text(body.get("occurredAt"), 100) or wording.digest(body)
    return Item(action, kind, id, at, f"hubspot:webhook:{subscription}:{id}:{order}")


def said(item: Item, *, account: str) -> dict[str, Any] | Hint:
    """A deletion as its event; anything else as the object to read."""
    match item.kind, item.action:
        case "meeting", "deletion":
            return meetings.deletion(item.id, account=account, at=item.at, event_id=item.name)
        case "contact", "deletion":
            return contacts.removal("deleted", item.id, account=account, at=item.at, event_id=item.name)
        case "contact", "privacyDeletion":
            return contacts.removal("erased", item.id, account=account, at=item.at, event_id=item.name)
        case _:
            return Hint(item.kind, item.id)


def _ends(body: Mapping[str, Any], default: str | None) -> list[tuple[str | None, str | None]]:
    """Each object the item names, with its kind; classic items do not say the type of their own."""
    named = [
        (text(body.get("objectTypeId"), 20) or default, body.get("objectId")),
        (text(body.get("fromObjectTypeId"), 20) or text(body.get("objectTypeId"), 20) or default, body.get("fromObjectId")),
        (text(body.get("toObjectTypeId"), 20), body.get("toObjectId")),
    ]
    return [(_KINDS.get(type_ or ""), identifier(id)) for type_, id in named]


def _merge(body: Mapping[str, Any], id: str) -> Merge | Item:
    """The survivor may be a new contact, in which case the primary was merged into it like the others."""
    survivor = identifier(body.get("newObjectId")) or identifier(body.get("primaryObjectId")) or id
    listed = body.get("mergedObjectIds")
    named = [identifier(one) for one in (body.get("primaryObjectId"), *(listed if isinstance(listed, list) else ()))]
    others = tuple(dict.fromkeys(one for one in named if one and one != survivor))
    at = moment(body.get("occurredAt"))
    return Merge(survivor, others, at) if others else Item("merge", "contact", survivor, at, "")
