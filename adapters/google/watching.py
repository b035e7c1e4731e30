"""Google's push channels. A channel says that something changed in a calendar, and never what.

What must stay true: a channel is never renewed, since Google renews none; a new one is opened with a new id and a new secret, and
whose it is, is known by both.

Facts: Calendar API, "Get push notifications"; events.watch; channels.stop.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any
from uuid import uuid4

from adapters.google import calling
from adapters.http import Api
from domain.errors import TryAgain
from domain.outside import Channel, Grants, Link

LIFE_MS = 7 * 86_400_000
"""For how long a channel is asked for; Google may give less, and says so."""


class GoogleWatch:
    """`domain.outside.Watch` for the feed `events`."""

    def __init__(self, api: Api, grants: Grants, name: Callable[[], str] = lambda: str(uuid4())) -> None:
        self._api, self._grants, self._name = api, grants, name
        service = calling.service(api.vendor.base)
        self._events, self._channels = service.events(), service.channels()

    def open(self, link: Link, feed: str, url: str, now: int) -> Channel:
        """See `Watch`."""
        grant = self._grants.get(link)
        secret = secrets.token_urlsafe(32)
        asked = {
            "id": self._name(),
            "type": "web_hook",
            "address": url,
            "token": secret,
            "expiration": str(now + LIFE_MS),
            "params": {"ttl": str(LIFE_MS // 1000)},
        }
        request = self._events.watch(calendarId=(grant.calendar if grant else None) or "primary", body=asked)
        _, told = calling.run(request, self._api, link, patient=False)
        return Channel(
            id=asked["id"],  # type: ignore[arg-type]  # the one text among values of several kinds
            link=link,
            feed=feed,
            resource=_resource(told),
            secret=secret,
            expires_at=_expiration(told, now),
            made_at=now,
        )

    def renew(self, channel: Channel, url: str, now: int) -> Channel:
        """See `Watch`: a new one."""
        return self.open(channel.link, channel.feed, url, now)

    def close(self, channel: Channel) -> None:
        """See `Watch`."""
        request = self._channels.stop(body={"id": channel.id, "resourceId": channel.resource})
        calling.run(request, self._api, channel.link, (404, 410))


def _resource(told: dict[str, Any]) -> str:
    found = told.get("resourceId")
    if not isinstance(found, str) or not found:
        raise TryAgain("google opened a channel and did not say on what")
    return found


def _expiration(told: dict[str, Any], now: int) -> int:
    """Ms, as text. If Google does not say it, a day: sooner renewed than silent."""
    found = str(told.get("expiration") or "")
    return int(found) if found.isdecimal() else now + 86_400_000
