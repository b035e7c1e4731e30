"""Graph's subscriptions. One says that something changed in a mailbox's events, and never what.

What must stay true: `clientState` is a secret of each subscription; the lifecycle address is given at the start, as it cannot be added;
a subscription of ours that is in the way of a new one is taken away first, never another app's, which we do not see.

Facts: Graph v1.0, "subscription" (events: under 10,080 minutes), "Create", "Update", "Delete subscription", "Lifecycle notifications".
"""

from __future__ import annotations

import secrets
from datetime import UTC, datetime

from adapters import wording
from adapters.http import Answer, Api
from domain.errors import Refused, TryAgain
from domain.outside import Channel, Link

LIFE_MS = 3 * 86_400_000
"""For how long a subscription is asked for: less than any limit that was ever documented for events without their content."""

RESOURCE = "/me/events"
_CHANGES = "created,updated,deleted"


class Office365Watch:
    """`domain.outside.Watch` for the feed `events`. `life_ms` for how long a subscription is asked for."""

    def __init__(self, api: Api, life_ms: int = LIFE_MS) -> None:
        self._api, self._life_ms = api, life_ms

    def open(self, link: Link, feed: str, url: str, now: int) -> Channel:
        """See `Watch`."""
        secret = secrets.token_urlsafe(48)
        answer = self._create(link, url, secret, now)
        if answer.status == 409:
            # Ours, of which we lost the memory.
            self._clear(link, url)
            answer = self._create(link, url, secret, now)
        if answer.status == 409:
            raise Refused("office365 has such a subscription already")
        id = answer.body.get("id") if isinstance(answer.body, dict) else None
        if not isinstance(id, str) or not id:
            raise TryAgain("office365 made a subscription and did not say which")
        return Channel(
            id=id, link=link, feed=feed, resource=RESOURCE, secret=secret, expires_at=_expires(answer, now + self._life_ms), made_at=now
        )

    def renew(self, channel: Channel, url: str, now: int) -> Channel:
        """See `Watch`: the same one."""
        asked = {"expirationDateTime": _instant(now + self._life_ms)}
        answer = self._api.call(channel.link, "PATCH", f"subscriptions/{channel.id}", json=asked, expected=(404, 410), patient=True)
        if answer.status >= 300:
            raise Refused("the subscription is gone")
        return Channel(
            id=channel.id,
            link=channel.link,
            feed=channel.feed,
            resource=channel.resource,
            secret=channel.secret,
            expires_at=_expires(answer, now + self._life_ms),
            made_at=now,
        )

    def close(self, channel: Channel) -> None:
        """See `Watch`."""
        self._delete(channel.link, channel.id)

    def _create(self, link: Link, url: str, secret: str, now: int) -> Answer:
        asked = {
            "changeType": _CHANGES,
            "notificationUrl": url,
            "lifecycleNotificationUrl": url,
            "resource": RESOURCE,
            "expirationDateTime": _instant(now + self._life_ms),
            "clientState": secret,
        }
        return self._api.call(link, "POST", "subscriptions", json=asked, headers={"Prefer": 'IdType="ImmutableId"'}, expected=(409,))

    def _clear(self, link: Link, url: str) -> None:
        answer = self._api.call(link, "GET", "subscriptions", patient=True)
        listed = answer.body.get("value") if isinstance(answer.body, dict) else None
        for one in listed if isinstance(listed, list) else ():
            if isinstance(one, dict) and one.get("notificationUrl") == url and isinstance(one.get("id"), str):
                self._delete(link, one["id"])

    def _delete(self, link: Link, id: str) -> None:
        self._api.call(link, "DELETE", f"subscriptions/{id}", expected=(404, 410), patient=True)


def _instant(ms: int) -> str:
    return wording.instant(datetime.fromtimestamp(ms / 1000, UTC))


def _expires(answer: Answer, asked: int) -> int:
    """What Graph gave, in ms."""
    told = answer.body.get("expirationDateTime") if isinstance(answer.body, dict) else None
    try:
        at = datetime.fromisoformat(told if isinstance(told, str) else "")
    except ValueError:
        return asked
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)
