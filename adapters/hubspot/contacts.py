"""A HubSpot contact (object type 0-1) as source events: its state, its deletion, its erasure, and whom it took in. Pure.

What must stay true: the e-mail is the Email property and no other; a merge is told with the address and name of the
survivor as one body had them, and in that body's order, so that neither can be taken for older than the other.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from adapters import wording
from adapters.hubspot.objects import CrmObject
from adapters.hubspot.values import identifier, moment, text

# An event's id holds at most 1,024 characters; a contact may have taken in hundreds.
_LONGEST_LIST = 600


def source(account: str) -> str:
    """The `source` of every event about contacts of this portal."""
    return f"/accounts/{account}/crm/hubspot/contacts"


def events(contact: CrmObject, *, account: str, restored: datetime | None = None) -> list[dict[str, Any]]:
    """The contact's state, and `contact.merged` if it says whom it took in; or its deletion if it is archived.

    `restored` is when a webhook item said that it came back: see `meetings.event`.
    """
    if contact.archived:
        name = f"hubspot:contact:{contact.id}:deleted:{wording.instant(contact.updated) if contact.updated else ''}"
        return [removal("deleted", contact.id, account=account, at=contact.updated, event_id=name)]
    data = _data(contact)
    kind, revision = "created" if contact.just_made else "updated", contact.revision or wording.digest(data)
    if restored:
        kind, revision = "updated", f"restored:{wording.instant(restored)}"
        contact = contact._replace(updated=max(contact.updated or restored, restored))
    name = f"hubspot:contact:{contact.id}:{revision}"
    state = _event(kind, contact.id, account, data, contact.updated, contact.updated, name)
    taken, latest = _taken_in(contact)
    return [state, merged(contact, taken, at=latest, account=account)] if taken else [state]


def removal(kind: str, id: str, *, account: str, at: datetime | None, event_id: str) -> dict[str, Any]:
    """`contact.deleted` or `contact.erased`; it says nothing of the person."""
    return _event(kind, id, account, {}, at, at, event_id)


def merged(survivor: CrmObject, ids: Iterable[str], *, at: datetime | None, account: str) -> dict[str, Any]:
    """The contacts `ids` became `survivor`, at `at` if that is known."""
    taken = list(ids)
    joined = "+".join(sorted(taken))
    name = f"hubspot:contact:{survivor.id}:merged:{joined if len(joined) <= _LONGEST_LIST else wording.digest(joined)}"
    data = {"merged": taken, **_data(survivor)}
    return _event("merged", survivor.id, account, data, at or survivor.updated, survivor.updated, name)


def _event(
    kind: str, id: str, account: str, data: dict[str, Any], at: datetime | None, order: datetime | None, event_id: str
) -> dict[str, Any]:
    return wording.envelope(
        f"contact.{kind}",
        id=event_id,
        source=source(account),
        subject=id,
        time=wording.instant(at) if at else None,
        account=account,
        data=data,
        sequence=wording.sequence(order) if order else None,
    )


def _data(contact: CrmObject) -> dict[str, Any]:
    email, first, last, company = (
        (text(contact.properties.get(name)) or "").strip() for name in ("email", "firstname", "lastname", "company")
    )
    return {"email": email or None, "name": wording.clean(f"{first} {last}".strip()) or None, "company": company or None}


def _taken_in(contact: CrmObject) -> tuple[list[str], datetime | None]:
    """Whom this contact took in, and when last: `id:ms;id:ms`, which may name the survivor too, or `id;id`."""
    listed = (text(contact.properties.get(name), None) or "" for name in ("hs_calculated_merged_vids", "hs_merged_object_ids"))
    parts = [part.partition(":") for written in listed for part in written.split(";")]
    found = [(identifier(id), moment(at)) for id, _, at in parts]
    others = [(id, at) for id, at in found if id and id != contact.id]
    return list(dict.fromkeys(id for id, _ in others)), max((at for _, at in others if at), default=None)
