"""What HubSpot said, as source events: CRM objects, pages and batches of them, webhook batches, and rows of CSV exports.

Pure: decoded bodies in, `Translated` out, and never an exception, whatever the bodies hold. What must stay true: no
body is passed over in silence (each ends as an event, as a refusal with its reason, or as a hint to read), and the
same bodies give the same events, ids included.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from adapters.hubspot import contacts, meetings, objects, users, webhooks
from adapters.hubspot.csv_rows import rows
from adapters.hubspot.objects import CrmObject, Merge, Person
from adapters.hubspot.users import owners_map
from adapters.hubspot.webhooks import Item
from adapters.wording import Hint, Refused, Translated
from domain import source_events

__all__ = ["owners_map", "rows", "translate"]

Read = CrmObject | Person | Merge | Item | Refused
Said = dict[str, Any] | Hint | Refused


class _Call(NamedTuple):
    """What one call knows besides the body at hand. `restored`: (kind, id) -> when a webhook item said it came back."""

    account: str
    user: str | None
    owners: Mapping[str, str]
    contacts: Mapping[str, CrmObject]
    restored: Mapping[tuple[str, str], datetime]


def translate(bodies: Iterable[object], *, account: str, user: str | None = None, owners: Mapping[str, str] | None = None) -> Translated:
    """The bodies as source events of `account`, in their order, merges last; each event once.

    `owners` (owner id -> user id) says whose a meeting is, with the owners among the bodies; `user` is for the rest. A
    hint is left out when a body of that object is in the call: it has been read. A meeting that a search found has not:
    a search never shows associations, and it would be told as having none.

    >>> contact = {"id": "151", "properties": {"email": "bo@client.example", "firstname": "Bo", "lastname": "Lindqvist"}}
    >>> [(e["type"], e["subject"], e["data"]["name"]) for e in translate([contact], account="62515").events]
    [('rendezvous.contact.updated.v1', '151', 'Bo Lindqvist')]
    >>> translate([{"subscriptionType": "object.creation", "objectTypeId": "0-47", "objectId": 101}], account="62515").hints
    [Hint(kind='meeting', id='101')]
    """
    flat = list(objects.flatten(bodies))
    found = [_read(body) for body in flat]
    # A merge needs the survivor's body, which may come after it.
    found.sort(key=lambda one: isinstance(one, Merge))
    call = _Call(account, user, {**owners_map(flat), **(owners or {})}, _newest_contacts(found), _restored(found))
    said = [_acceptable(one) for each in found for one in _say(each, call)]
    return _sorted(said, _read_whole(found))


def _read(body: object) -> Read:
    return webhooks.read(body) if isinstance(body, dict) and "subscriptionType" in body else objects.read(body)


def _is_part(one: CrmObject) -> bool:
    """Is this a meeting without its associations? Of a deleted one they do not matter."""
    return one.kind == "meeting" and one.associations is None and not one.archived


def _read_whole(found: Iterable[Read]) -> set[tuple[str, str]]:
    """The objects, as (kind, id), of which no newer body was read in part."""
    newest: dict[tuple[str, str], CrmObject] = {}
    for one in found:
        if isinstance(one, CrmObject):
            # Of two of one revision the whole one counts.
            newest[one.kind, one.id] = max(newest.get((one.kind, one.id), one), one, key=lambda body: (_order(body), not _is_part(body)))
    return {key for key, one in newest.items() if not _is_part(one)}


def _newest_contacts(found: Iterable[Read]) -> dict[str, CrmObject]:
    newest: dict[str, CrmObject] = {}
    for one in found:
        if isinstance(one, CrmObject) and one.kind == "contact":
            newest[one.id] = max(newest.get(one.id, one), one, key=_order)
    return newest


def _order(body: CrmObject) -> float:
    return body.updated.timestamp() if body.updated else float("-inf")


def _restored(found: Iterable[Read]) -> dict[tuple[str, str], datetime]:
    times = [(one.kind, one.id, one.at) for one in found if isinstance(one, Item) and one.action == "restore" and one.at]
    return {(kind, id): at for kind, id, at in sorted(times, key=lambda one: one[2])}


def _say(one: Read, call: _Call) -> Iterator[Said]:
    match one:
        case CrmObject() if _is_part(one):
            yield Hint("meeting", one.id)
        case CrmObject(kind="meeting"):
            restored = call.restored.get(("meeting", one.id))
            yield meetings.event(one, account=call.account, user=call.user, owners=call.owners, restored=restored)
        case CrmObject():
            yield from contacts.events(one, account=call.account, restored=call.restored.get(("contact", one.id)))
        case Person():
            yield users.event(one, account=call.account)
        case Merge():
            yield _merge(one, call)
        case Item():
            yield webhooks.said(one, account=call.account)
        case Refused():
            yield one


def _merge(merge: Merge, call: _Call) -> Said:
    survivor = call.contacts.get(merge.survivor)
    if survivor is None:
        return Hint("contact", merge.survivor)
    if survivor.archived:
        return Refused(f"merge into contact {merge.survivor}", "the surviving contact is deleted")
    return contacts.merged(survivor, merge.merged, at=merge.at, account=call.account)


def _acceptable(one: Said) -> Said:
    """The event, if the source log will take it: better refused here, by its name, than there."""
    if not isinstance(one, dict):
        return one
    found = source_events.read(msgspec.json.encode(one))
    if isinstance(found, source_events.SourceEvent):
        return one
    what = str(one["type"]).removeprefix(source_events.PREFIX).partition(".")[0]
    return Refused(f"{what} {one['subject']}", "; ".join(f"{problem.pointer}: {problem.reason}" for problem in found[:3]))


def _sorted(said: Iterable[Said], read: set[tuple[str, str]]) -> Translated:
    """Events, refusals and hints apart, each once and in order. The first of two events of one id is the event."""
    events: dict[tuple[str, str], dict[str, Any]] = {}
    others: dict[Hint | Refused, None] = {}
    for one in said:
        if isinstance(one, dict):
            events.setdefault((one["source"], one["id"]), one)
        else:
            others[one] = None
    hints = [one for one in others if isinstance(one, Hint) and (one.kind, one.id) not in read]
    return Translated(list(events.values()), [one for one in others if isinstance(one, Refused)], hints)
