"""What is told to the source log of a connection: that it was activated, lost its authorisation, was disconnected.

What must stay true: the id of each of these follows from the consent, so that whoever has to say it again says the same event; a
CRM's own installation is no user's connection, and nothing is told of it.
"""

from __future__ import annotations

from typing import Any

import msgspec

from domain.errors import Stop
from domain.outside import Grant
from domain.recurrence import moment
from services.publish import Publisher

CALENDARS = ("google", "office365")
"""Providers of calendars, of which a user has one; in the order in which their locks are taken."""

CRM = "hubspot"

FEEDS = {"google": ("events",), "office365": ("events",), CRM: ("owners", "contacts", "meetings")}
"""What is read of each. Owners first: whose a meeting is, and who is a contact, is known when the meetings come."""

CALLED = {"google": "Google Calendar", "office365": "Office 365", CRM: "HubSpot"}
"""What people call them."""

Event = dict[str, Any]


def activated(grant: Grant) -> Event:
    """A user connected a calendar, at the side's time."""
    return _event(grant, "activated", grant.granted_at, {"calendar": grant.calendar, "address": grant.address})


def deauthorised(grant: Grant, reason: str, at: int) -> Event:
    """The provider takes the grant no more."""
    return _event(grant, "deauthorised", at, {"reason": reason})


def disconnected(grant: Grant, at: int) -> Event:
    """The user's calendar was disconnected. Never before it was connected, whatever the clocks say."""
    return _event(grant, "disconnected", max(at, grant.granted_at + 1), {})


def _event(grant: Grant, verb: str, at: int, data: Event) -> Event:
    account, provider, user = grant.link
    time = moment(at).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return {
        "specversion": "1.0",
        "id": f"connection:{grant.id}:{verb}",
        "source": f"/accounts/{account}/connections/{provider}/{user}",
        "type": f"rendezvous.connection.{verb}.v1",
        "subject": user,
        "time": time,
        "account": account,
        "data": {"provider": provider, "at": time, **{name: value for name, value in data.items() if value is not None}},
    }


def published(publisher: Publisher, event: Event) -> None:
    """Append it, durably; nothing, if it is of a CRM's installation. Raises `Stop` if it is not taken, which only a bug can cause."""
    if event["data"]["provider"] == CRM:
        return
    (receipt,) = publisher.accept([msgspec.json.encode(event)])
    if receipt.outcome == "rejected":
        raise Stop(f"{event['type']} was rejected: {'; '.join(f'{e.pointer} {e.reason}' for e in receipt.errors)}")
