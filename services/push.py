"""What the providers push, taken at the door: who says it is examined, and what it says becomes a notice or wakes a cursor.

A push is a hint and never data. What must stay true:
- nothing is believed before it is known who says it: HubSpot by its signature over the raw bytes, Google by channel, resource and
  token, Microsoft by subscription and client state; secrets are compared in constant time;
- a call returns only after what it must not lose is durable; whatever raises was not taken, and comes again;
- what is genuine and unreadable is taken too, into the dead letters: HubSpot sends again for a day whatever is refused;
- who is not known learns nothing, not even that.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from urllib.parse import unquote

import msgspec
import structlog
from msgspec.structs import replace

from domain.errors import BadInput, Forbidden, NotFound
from domain.outside import Channel, Channels, Cursors, Grants, Inbox, Link, Notice, Once
from domain.ports import DeadLetter, DeadLetters
from services.connections import CRM

log = structlog.get_logger(__name__)

WINDOW_MS = 300_000
"""How far HubSpot's time of a call may be from ours, either way."""

MOST_ITEMS = 100
"""Items of one call of HubSpot's, by its documentation."""

MOST_NOTIFICATIONS = 1000
"""Notifications of one call of Microsoft's that are looked at: anybody may send them, and each has a channel looked up."""

BODY_BYTES = 1024 * 1024
"""Bytes of one call."""

MOST_TOKEN = 4096
"""Characters of a validation token that are given back."""

SOON_MS = 600_000
"""How long a channel that asks for it keeps, so that it is renewed before anything else."""

# What HubSpot decodes in an address before it signs it, and nothing else.
_DECODED = re.compile("%(3A|2F|3F|40|21|24|27|28|29|2A|2C|3B)", re.IGNORECASE)
_MILLISECONDS = re.compile(r"[0-9]{1,15}")


class Push:
    """Takes pushes. `secret` is HubSpot's app's, None where that is not set up; `public_url` where providers reach us; `clock` in ms."""

    def __init__(
        self,
        *,
        grants: Grants,
        cursors: Cursors,
        channels: Channels,
        inbox: Inbox,
        once: Once,
        dead: DeadLetters,
        secret: str | None,
        public_url: str | None,
        clock: Callable[[], int],
    ) -> None:
        self._grants, self._cursors, self._channels, self._inbox, self._once, self._dead = grants, cursors, channels, inbox, once, dead
        self._secret, self._public_url, self._clock = secret, (public_url or "").rstrip("/"), clock

    # --- HubSpot

    def hubspot(self, path: str, query: str, headers: Mapping[str, str], body: bytes) -> int:
        """Take a batch of HubSpot's webhooks; how many notices are new. `path` and `query` are as they came, `headers` by lower-case
        name. Raises `Forbidden` if HubSpot did not send it, or did so too long ago; `NotFound` where HubSpot is not set up."""
        now = self._clock()
        signature = self._signed(path, query, headers, body, now)
        items = self._items(body, now)
        notices = self._notices(items, now)
        new = self._inbox.put(notices, now) if notices else 0
        # After what it says is durable, so that a call that failed may come again with the same signature. A call that was played
        # back in the meantime changed nothing: each notice is known by what it says for longer than a signature is good.
        if not self._once.first("hubspot-signature", hashlib.sha256(signature.encode()).hexdigest(), now + 2 * WINDOW_MS, now):
            log.info("webhook repeated", provider=CRM)
        return new

    def _signed(self, path: str, query: str, headers: Mapping[str, str], body: bytes, now: int) -> str:
        if not self._secret or not self._public_url:
            raise NotFound("HubSpot is not set up here")
        signature, at = headers.get("x-hubspot-signature-v3", ""), headers.get("x-hubspot-request-timestamp", "")
        if not signature or not _MILLISECONDS.fullmatch(at) or abs(now - int(at)) > WINDOW_MS:
            raise Forbidden("no signature of a call of the last minutes")
        uri = self._public_url + path + (f"?{query}" if query else "")
        good = [hmac.compare_digest(signed(self._secret, "POST", one, body, at).encode(), signature.encode()) for one in _readings(uri)]
        if not any(good):
            raise Forbidden("the signature is not HubSpot's")
        return signature

    def _items(self, body: bytes, now: int) -> list[dict[str, Any]]:
        """The items of a genuine body; what is none goes to the dead letters."""
        try:
            raws = msgspec.json.decode(body, type=list[msgspec.Raw])
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            self._bury(body, "", "not a JSON array", now)
            return []
        if len(raws) > MOST_ITEMS:
            self._bury(body, "", f"{len(raws)} items; at most {MOST_ITEMS} are sent at once", now)
            return []
        items = []
        for raw in raws:
            item = _object(bytes(raw))
            if item is None or _portal(item) is None:
                self._bury(bytes(raw), "", "not an object with a portalId", now)
            else:
                items.append(item)
        return items

    def _notices(self, items: Iterable[dict[str, Any]], now: int) -> list[Notice]:
        accounts: dict[str, list[str]] = {}
        notices, strangers = [], 0
        for item in items:
            portal = _portal(item) or ""
            if portal not in accounts:
                accounts[portal] = [g.link.account for g in self._grants.of_tenant(CRM, portal) if g.state != "revoked"]
            strangers += not accounts[portal]
            notices += [Notice(account, CRM, named(item), msgspec.json.encode(item)) for account in accounts[portal]]
        if strangers:
            log.info("webhook of a portal that is not connected", items=strangers)
        return notices

    def _bury(self, body: bytes, pointer: str, reason: str, now: int) -> None:
        letter = f"{CRM}-{hashlib.sha256(body).hexdigest()[:32]}"
        errors = [{"pointer": pointer, "reason": reason}]
        self._dead.put([DeadLetter(letter, "", "hooks", 0, now, errors, body)])
        log.warning("webhook unreadable", letter=letter, reason=reason)

    # --- Google

    def google(self, headers: Mapping[str, str]) -> bool:
        """Take a notification of a Google channel: did it wake a cursor? `headers` by lower-case name."""
        channel = self._channels.get("google", headers.get("x-goog-channel-id", ""))
        if channel is None:  # stopped, or so new that it is not kept yet: then this is its greeting, and nothing is missed
            return False
        told = headers.get("x-goog-channel-token", ""), headers.get("x-goog-resource-id", "")
        if not (_same(told[0], channel.secret) & _same(told[1], channel.resource)):
            log.warning("push not believed", provider="google")
            return False
        return headers.get("x-goog-resource-state") != "sync" and self._wake(channel)

    # --- Microsoft

    def office365(self, body: bytes) -> int:
        """Take a batch of Graph's change or lifecycle notifications; how many were believed. Raises `BadInput` if it is none."""
        told = _object(body)
        listed = told.get("value") if told is not None else None
        if not isinstance(listed, list) or len(listed) > MOST_NOTIFICATIONS:
            raise BadInput("/value", f"not a batch of at most {MOST_NOTIFICATIONS} notifications")
        believed = [(channel, one) for one in listed if isinstance(one, dict) and (channel := self._of_graph(one)) is not None]
        for channel, one in believed:
            self._lifecycle(channel, one.get("lifecycleEvent"))
        for channel in {(c.link, c.feed): c for c, _ in believed}.values():
            self._wake(channel)
        if len(believed) < len(listed):
            log.info("push not believed", provider="office365", items=len(listed) - len(believed))
        return len(believed)

    def _of_graph(self, told: dict[str, Any]) -> Channel | None:
        """The subscription that says it, if it is one of ours and knows our secret."""
        id, state, tenant = (told.get(name) for name in ("subscriptionId", "clientState", "tenantId"))
        channel = self._channels.get("office365", id) if isinstance(id, str) else None
        if channel is None or not isinstance(state, str) or not _same(state, channel.secret):
            return None
        return channel if self._same_tenant(channel.link, tenant) else None

    def _same_tenant(self, link: Link, tenant: object) -> bool:
        """Is it the mailbox's directory, as far as both are known?"""
        grant = self._grants.get(link) if isinstance(tenant, str) and tenant else None
        return grant is None or grant.tenant is None or grant.tenant == tenant

    def _lifecycle(self, channel: Channel, event: object) -> None:
        if event == "reauthorizationRequired":
            self._channels.put(replace(channel, expires_at=min(channel.expires_at, self._clock() + SOON_MS)))
        elif event == "subscriptionRemoved":
            self._channels.drop("office365", channel.id)

    def _wake(self, channel: Channel) -> bool:
        return self._cursors.wake(channel.link, channel.feed, self._clock())


def signed(secret: str, method: str, uri: str, body: bytes, at: str) -> str:
    """HubSpot's signature, version 3: over method, address, raw body and time (ms, as text)."""
    return base64.b64encode(hmac.digest(secret.encode(), f"{method}{uri}".encode() + body + at.encode(), "sha256")).decode()


def _readings(uri: str) -> set[str]:
    """The address as HubSpot's documentation says it is signed, with a few escapes taken back, and as its own libraries sign it."""
    return {uri, _DECODED.sub(lambda found: unquote(found.group()), uri)}


def named(item: Mapping[str, Any]) -> str:
    """What makes an item the same word again: all it says but how often it was sent. Its eventId alone is not unique."""
    said = {name: value for name, value in sorted(item.items()) if name != "attemptNumber"}
    return hashlib.sha256(msgspec.json.encode(said)).hexdigest()[:32]


def _object(raw: bytes) -> dict[str, Any] | None:
    try:
        found = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    return found if isinstance(found, dict) else None


def _portal(item: Mapping[str, Any]) -> str | None:
    portal = item.get("portalId")
    return (
        str(portal)
        if isinstance(portal, int | str) and not isinstance(portal, bool) and str(portal).isascii() and str(portal).isdigit()
        else None
    )


def _same(told: str, kept: str) -> bool:
    return hmac.compare_digest(told.encode("utf-8", "surrogatepass"), kept.encode("utf-8", "surrogatepass"))
