"""Google's push: channels that are told that something changed, and never what.

Source: the push guide and the discovery document. The first message says `sync`; numbers grow, not one by one; there is no renewal.
"""

from __future__ import annotations

import base64
import email.utils
import hashlib
import re
from typing import Any
from urllib.parse import quote

from msgspec import Struct

from services.sandbox.google_switches import Switches
from services.sandbox.google_words import Refusal, bad_request, invalid, required
from services.sandbox.world import NotLoopback, Push, World, loopback

Wire = dict[str, Any]

DEFAULT_TTL = 604_800
MOST_TTL = 30 * 86_400
OK = frozenset({102, 200, 201, 202, 204})
RETRIED = frozenset({500, 502, 503, 504})
RETRY = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)
ID = re.compile(r"[A-Za-z0-9\-_+/=]{1,64}")


class Channel(Struct, kw_only=True):
    """`until` in ms; `number` is that of its last message."""

    id: str
    calendar: str
    viewer: str
    client: str
    address: str
    token: str | None
    resource_id: str
    resource_uri: str
    until: int
    number: int = 0
    stopped: bool = False


class Channels:
    """All of them, by id: an id is unique in the sandbox, as it is in a project."""

    def __init__(self, world: World, switches: Switches) -> None:
        self.open: dict[str, Channel] = {}
        self._world, self._switches = world, switches

    def watch(self, calendar: str, viewer: str, client: str, body: Wire, base: str) -> Wire:
        """events.watch. `base` is where the API is reached. Raises `Refusal`."""
        self._refuse(body)
        uri = f"{base}/calendars/{quote(calendar, safe='')}/events?alt=json"
        channel = Channel(
            id=body["id"],
            calendar=calendar,
            viewer=viewer,
            client=client,
            address=body["address"],
            token=body.get("token"),
            resource_id=_resource_id(calendar),
            resource_uri=uri,
            until=self._until(body),
        )
        self.open[channel.id] = channel
        self._send(channel, "sync", 1)
        told = {"kind": "api#channel", "id": channel.id, "resourceId": channel.resource_id, "resourceUri": uri}
        return told | ({"token": channel.token} if channel.token else {}) | {"expiration": str(channel.until)}

    def stop(self, viewer: str, client: str, body: Wire) -> None:
        """channels.stop, by the same person through the same client. Raises `Refusal`."""
        channel = self.open.get(str(body.get("id")))
        known = channel is not None and not channel.stopped and (channel.viewer, channel.client) == (viewer, client)
        if channel is None or not known or channel.resource_id != body.get("resourceId"):
            raise Refusal(404, "notFound", f"Channel '{body.get('id')}' not found for project '{client}'")
        channel.stopped = True

    def changed(self, calendar: str) -> None:
        """Tell every channel of a calendar."""
        now = self._world.now()
        for channel in list(self.open.values()):
            if channel.until <= now:
                del self.open[channel.id]
            elif channel.calendar == calendar and (not channel.stopped or self._switches.lingering_channels):
                self._send(channel, "exists", channel.number + self._world.chance.randint(1, 3))

    def _until(self, body: Wire) -> int:
        now, most = self._world.now(), self._world.now() + MOST_TTL * 1000
        try:
            if ttl := (body.get("params") or {}).get("ttl"):
                return min(now + int(ttl) * 1000, most)
            return min(int(body.get("expiration") or now + DEFAULT_TTL * 1000), most)
        except (TypeError, ValueError):
            raise invalid("Invalid expiration.", "expiration") from None

    def _refuse(self, body: Wire) -> None:
        if not body.get("id"):
            raise required("Missing channel id.")
        if not ID.fullmatch(str(body["id"])):
            raise invalid("Invalid channel id.", "id")
        if body.get("type") not in ("web_hook", "webhook"):
            raise bad_request("Unknown channel type.")
        if len(str(body.get("token") or "")) > 256:
            raise invalid("Channel token is too long.", "token")
        if body["id"] in self.open and not self.open[body["id"]].stopped:
            raise Refusal(400, "channelIdNotUnique", f"Channel id {body['id']} not unique")
        self._refuse_address(str(body.get("address") or ""))

    def _refuse_address(self, address: str) -> None:
        """Plain http is taken on loopback only, where nobody stands between; Google takes it nowhere (`https_push_only`)."""
        here = True
        try:
            loopback(address)
        except NotLoopback:
            here = False
        plain = address.lower().startswith("http://") and here and not self._switches.https_push_only
        if not plain and not address.lower().startswith("https://"):
            raise Refusal(400, "push.webhookUrlNotHttps", f"WebHook callback must be HTTPS: {address}")
        if not here:
            raise Refusal(401, "push.webhookUrlUnauthorized", f"Unauthorized WebHook callback channel: {address}")

    def _send(self, channel: Channel, state: str, number: int) -> None:
        channel.number = number
        headers = {
            "Content-Type": "application/json; utf-8",
            "User-Agent": "APIs-Google; (+https://developers.google.com/webmasters/APIs-Google.html)",
            "X-Goog-Channel-ID": channel.id,
            "X-Goog-Channel-Expiration": email.utils.formatdate(channel.until / 1000, usegmt=True),
            "X-Goog-Resource-ID": channel.resource_id,
            "X-Goog-Resource-URI": channel.resource_uri,
            "X-Goog-Resource-State": state,
            "X-Goog-Message-Number": str(number),
        }
        if channel.token:
            headers["X-Goog-Channel-Token"] = channel.token
        self._world.outbox.send(Push(channel.address, headers=headers, retry=RETRY, ok=OK, retry_on=RETRIED, simulator="google"))


def _resource_id(calendar: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(calendar.encode()).digest()).decode()[:27]
