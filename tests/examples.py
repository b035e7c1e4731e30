"""The cast and the props that all tests share: the same Ana, the same Tuesday meeting. Builders of source events in the public form.

Account 62515: Ana (user 501) and Ben (502) work at acme.example; Bo (contact 151) and Cy (152) are contacts. Ana's Google
calendar has been connected since 1 March 2026.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

ACCOUNT = "62515"
ANA, BEN = "ana@acme.example", "ben@acme.example"
BO, CY, DEE = "bo@client.example", "cy@buyer.example", "dee@late.example"
USERS = {"501": ANA, "502": BEN}
START = datetime(2026, 3, 2, 8, tzinfo=UTC)

Event = dict[str, Any]


def z(moment: datetime) -> str:
    """RFC 3339 in UTC."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def hour(number: float) -> datetime:
    """The `number`th hour of the story, which begins on 2 March 2026 at 8."""
    return START + timedelta(hours=number)


def envelope(kind: str, subject: str, data: Event, *, id: str, source: str, at: datetime | str, account: str = ACCOUNT) -> Event:
    """A source event. `at` also gives the sequence."""
    time = at if isinstance(at, str) else z(at)
    moment = datetime.fromisoformat(time)
    return {
        "specversion": "1.0",
        "id": id,
        "source": f"/accounts/{account}/{source}",
        "type": f"rendezvous.{kind}.v1",
        "subject": subject,
        "time": time,
        "account": account,
        "partitionkey": account,
        "sequence": f"{int(moment.timestamp() * 1000):020d}",
        "datacontenttype": "application/json",
        "dataschema": f"urn:rendezvous:schema:{kind.split('.')[0]}:1",
        "data": data,
    }


def person(email: str, *, owner: bool = False, status: str = "needs-action", name: str | None = None) -> Event:
    """A participant."""
    roles = {"owner": True, "attendee": True} if owner else {"attendee": True}
    return {"email": email, "name": name or email.split("@")[0].title(), "roles": roles, "participationStatus": status}


def people(*guests: str | Event, owner: str | None = ANA) -> dict[str, Event]:
    """The organiser, who has accepted, and guests."""
    told = [person(owner, owner=True, status="accepted")] if owner else []
    told += [person(g) if isinstance(g, str) else g for g in guests]
    return {str(n): one for n, one in enumerate(told, 1)}


def meeting(
    id: str = "g1",
    revision: float = 0,
    *,
    user: str = "501",
    provider: str = "google",
    kind: str | None = None,
    guests: tuple[str | Event, ...] = (BO,),
    owner: str | None = ANA,
    created: datetime | None = None,
    updated: datetime | None = None,
    account: str = ACCOUNT,
    event_id: str | None = None,
    provenance: Event | None = None,
    **fields: Any,
) -> Event:
    """A calendar meeting as seen in a user's mailbox. `revision` is the hour of the story at which it was told."""
    told = updated or hour(revision)
    data: Event = {
        "side": "calendar",
        "provenance": {
            "provider": provider,
            "user": user,
            "calendar": USERS.get(user, user),
            "primary": True,
            "id": id,
            "revision": f'"{id}-{revision}"',
            "icalUid": f"{id}@{provider}.example",
            "seriesId": None,
            "originalStart": None,
            "created": z(created or hour(0)),
            "updated": z(told),
            "origin": "user",
            "link": None,
            "detailsHidden": False,
            **(provenance or {}),
        },
        "title": "Kick-off",
        "description": None,
        "start": "2026-04-07T10:00:00",
        "timeZone": "Europe/Paris",
        "duration": "PT1H",
        "showWithoutTime": False,
        "status": "confirmed",
        "privacy": "public",
        "kind": "meeting",
        "location": "Room 4",
        "conferenceUrl": None,
        "participants": people(*guests, owner=owner),
        "recurrenceRules": [],
        "excludedStarts": [],
        "addedStarts": [],
        "associations": {"contacts": [], "companies": [], "deals": [], "tickets": []},
        **fields,
    }
    verb = kind or ("meeting.created" if revision == 0 else "meeting.updated")
    name = event_id or f"{provider}:{user}:{id}:{revision}"
    return envelope(verb, id, data, id=name, source=f"calendars/{provider}/{USERS.get(user, user)}", at=told, account=account)


def deleted(
    id: str = "g1", revision: float = 1, *, user: str = "501", provider: str = "google", account: str = ACCOUNT, **provenance: Any
) -> Event:
    """A tombstone from a user's mailbox."""
    data = {
        "provenance": {
            "provider": provider,
            "user": user,
            "calendar": USERS.get(user, user),
            "id": id,
            "updated": z(hour(revision)),
            **provenance,
        }
    }
    name = f"{provider}:{user}:{id}:deleted:{revision}"
    return envelope(
        "meeting.deleted", id, data, id=name, source=f"calendars/{provider}/{USERS.get(user, user)}", at=hour(revision), account=account
    )


def row(
    id: str = "900",
    revision: float = 0,
    *,
    user: str = "501",
    kind: str | None = None,
    contacts: tuple[str, ...] = ("151",),
    origin: str = "user",
    uid: str | None = None,
    guests: tuple[str | Event, ...] = (BO,),
    provenance: Event | None = None,
    account: str = ACCOUNT,
    **fields: Any,
) -> Event:
    """A meeting in the CRM."""
    associations = {"contacts": list(contacts), "companies": [], "deals": [], "tickets": [], **fields.pop("associations", {})}
    told = meeting(
        id,
        revision,
        user=user,
        provider="hubspot",
        guests=guests,
        account=account,
        associations=associations,
        side="crm",
        provenance={"calendar": "meetings", "icalUid": uid, "origin": origin, **(provenance or {})},
        **fields,
    )
    told["type"] = f"rendezvous.{kind}.v1" if kind else told["type"]
    told["source"] = f"/accounts/{account}/crm/hubspot/meetings"
    return told


def row_deleted(id: str = "900", revision: float = 1, *, account: str = ACCOUNT) -> Event:
    """A meeting deleted in the CRM."""
    data = {"provenance": {"provider": "hubspot", "user": "501", "calendar": "meetings", "id": id, "updated": z(hour(revision))}}
    return envelope(
        "meeting.deleted",
        id,
        data,
        id=f"hubspot:{id}:deleted:{revision}",
        source="crm/hubspot/meetings",
        at=hour(revision),
        account=account,
    )


def contact(
    id: str, email: str | None, revision: float = -25, *, kind: str = "contact.created", name: str | None = None, account: str = ACCOUNT
) -> Event:
    """A CRM contact."""
    data = {"email": email, "name": name or (email or id).split("@")[0].title(), "company": None}
    return envelope(kind, id, data, id=f"{kind}:{id}:{revision}", source="crm/hubspot/contacts", at=hour(revision), account=account)


def contact_said(id: str, kind: str, revision: float, data: Event | None = None, account: str = ACCOUNT) -> Event:
    """Something about a contact: contact.deleted, contact.erased, contact.merged."""
    return envelope(kind, id, data or {}, id=f"{kind}:{id}:{revision}", source="crm/hubspot/contacts", at=hour(revision), account=account)


def user(
    id: str, email: str, revision: float = -26, *, kind: str = "user.added", aliases: tuple[str, ...] = (), account: str = ACCOUNT
) -> Event:
    """A user of the account."""
    data = {"email": email, "aliases": list(aliases)}
    return envelope(kind, id, data, id=f"{kind}:{id}:{revision}", source="crm/hubspot/users", at=hour(revision), account=account)


def configured(revision: float = -27, *, domains: tuple[str, ...] = ("acme.example",), account: str = ACCOUNT, **data: Any) -> Event:
    """The account's settings."""
    told = {"domains": list(domains), "never_log": {"addresses": [], "domains": []}, "policy": {}, **data}
    return envelope("account.configured", account, told, id=f"configured:{revision}", source="settings", at=hour(revision), account=account)


def connected(user: str = "501", provider: str = "google", revision: float = -23, *, account: str = ACCOUNT, **data: Any) -> Event:
    """A calendar connection began."""
    address = USERS.get(user, user)
    told = {"provider": provider, "calendar": address, "address": address, "at": z(hour(revision)), **data}
    name = f"connection:{user}:{provider}:activated:{revision}"
    return envelope("connection.activated", user, told, id=name, source="connections", at=hour(revision), account=account)


def ended(
    user: str = "501", provider: str = "google", revision: float = 10, *, kind: str = "disconnected", account: str = ACCOUNT
) -> Event:
    """A calendar connection ended, or lost its authorisation (kind deauthorised)."""
    told = {"provider": provider, "reason": "asked", "at": z(hour(revision))}
    name = f"connection:{user}:{provider}:{kind}:{revision}"
    return envelope(f"connection.{kind}", user, told, id=name, source="connections", at=hour(revision), account=account)


def ticked(revision: float = -24, *, account: str = ACCOUNT) -> Event:
    """The account's clock."""
    return envelope(
        "clock.ticked", account, {"at": z(hour(revision))}, id=f"tick:{revision}", source="clock", at=hour(revision), account=account
    )


def listed(
    ids: list[str],
    revision: float = 100,
    *,
    user: str = "501",
    provider: str = "google",
    complete: bool = True,
    since: str = "2026-01-01T00:00:00Z",
    until: str = "2028-01-01T00:00:00Z",
    account: str = ACCOUNT,
) -> Event:
    """A complete listing of a mailbox."""
    data = {
        "provenance": {"provider": provider, "user": user, "calendar": USERS.get(user, user)},
        "ids": ids,
        "complete": complete,
        "from": since,
        "to": until,
    }
    return envelope(
        "calendar.listed",
        USERS.get(user, user),
        data,
        id=f"{provider}:{user}:listed:{revision}",
        source=f"calendars/{provider}/{USERS.get(user, user)}",
        at=hour(revision),
        account=account,
    )


def stage(account: str = ACCOUNT) -> list[Event]:
    """What every story begins with."""
    return [
        configured(account=account),
        user("501", ANA, account=account),
        user("502", BEN, account=account),
        contact("151", BO, account=account),
        contact("152", CY, account=account),
        connected(account=account),
        ticked(account=account),
    ]


def series(id: str = "s1", revision: float = 0, *, rule: str | None = "FREQ=WEEKLY;COUNT=4", **fields: Any) -> Event:
    """A series: on Tuesdays at 10 in Paris, 7 to 28 April 2026, unless told otherwise."""
    return meeting(id, revision, **{"title": "Weekly", "recurrenceRules": [rule] if rule else [], **fields})


def _of_series(series: str, original: str, provider: str, uid: str | None) -> Event:
    return {"seriesId": series, "originalStart": original, "icalUid": uid or f"{series}@{provider}.example"}


def occurrence(
    original: str,
    revision: float = 1,
    *,
    series: str = "s1",
    id: str | None = None,
    start: str | None = None,
    uid: str | None = None,
    provider: str = "google",
    provenance: Event | None = None,
    **fields: Any,
) -> Event:
    """One occurrence of a series, told by itself. `original` is its original start; it starts then, unless `start` (local, in
    Paris) says otherwise."""
    told = _of_series(series, original, provider, uid) | (provenance or {})
    here = start or datetime.fromisoformat(original).astimezone(ZoneInfo("Europe/Paris")).replace(tzinfo=None).isoformat()
    said = {"title": "Weekly", "start": here, **fields}
    return meeting(id or f"{series}_{original[:10]}", revision, provider=provider, provenance=told, **said)


def occurrence_deleted(
    original: str,
    revision: float = 1,
    *,
    series: str = "s1",
    id: str | None = None,
    uid: str | None = None,
    provider: str = "google",
    user: str = "501",
) -> Event:
    """A tombstone of one occurrence of a series."""
    return deleted(id or f"{series}_{original[:10]}", revision, user=user, provider=provider, **_of_series(series, original, provider, uid))
