"""HubSpot's owners and users as source events, and the table from owner to user that meetings need. Pure.

What must stay true: a meeting names an *owner* id, everything else a *user* id, and the two are never taken for each other.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from adapters import wording
from adapters.hubspot.objects import Person, flatten, read
from adapters.wording import Refused


def owners_map(bodies: Iterable[object]) -> dict[str, str]:
    """Owner id -> user id, of every owner in these bodies (API objects, pages, or rows of a CSV), former ones included.

    >>> owners_map([{"results": [{"id": "7001", "userId": 501, "email": "ana@acme.example", "type": "PERSON"}]}])
    {'7001': '501'}
    """
    people = [found for found in map(read, flatten(bodies)) if isinstance(found, Person)]
    return {p.owner: user for p in people if p.owner and not p.queue and (user := p.user or p.inactive_user)}


def event(person: Person, *, account: str) -> dict[str, Any] | Refused:
    """`user.added`, or `user.removed` for an archived owner; refused without a user id, or without the address to know him by."""
    user = person.user or (person.inactive_user if person.archived else None)
    what = f"owner {person.owner}" if person.owner else "a user"
    if person.queue:
        return Refused(what, "a queue is no person")
    if user is None:
        return Refused(what, "it names no user")
    if person.email is None and not person.archived:
        return Refused(what, "it has no e-mail")
    kind = "removed" if person.archived else "added"
    data: dict[str, Any] = {"email": person.email, "aliases": []}
    return wording.envelope(
        f"user.{kind}",
        id=f"hubspot:user:{user}:{kind}:{person.revision or wording.digest(data)}",
        source=f"/accounts/{account}/crm/hubspot/users",
        subject=user,
        time=wording.instant(person.updated) if person.updated else None,
        account=account,
        data=data,
        sequence=wording.sequence(person.updated) if person.updated else None,
    )
