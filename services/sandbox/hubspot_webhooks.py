"""HubSpot's webhooks: an app's subscriptions and target, the items that a change makes, and the signed batches they are sent in.

What must stay true: an item is a hint; batches hold at most 100; each try is signed anew, with its own attempt number. Order and
uniqueness are nowhere promised, and faults show it: `reorder_push` shuffles, `repeat_event_id` gives the next item the last one's
eventId, and the shell's `duplicate_push`, `lose_push`, `delay_push` do what they do to every push.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from services.sandbox.hubspot_portal import Change
from services.sandbox.hubspot_switches import Switches
from services.sandbox.hubspot_types import CONTACTS, Spec
from services.sandbox.hubspot_values import milliseconds
from services.sandbox.world import Push, World

MOST_ITEMS = 100

_CLASSIC = ("creation", "deletion", "propertyChange", "merge", "restore", "associationChange")
_FAMILIES = ("contact", "company", "deal", "ticket", "product", "line_item")
EVENT_TYPES = frozenset(
    [f"{family}.{kind}" for family in (*_FAMILIES, "object") for kind in _CLASSIC]
    + ["contact.privacyDeletion", "conversation.privacyDeletion", "conversation.newMessage"]
    + [f"conversation.{kind}" for kind in ("creation", "deletion", "propertyChange")]
)
_FLAGS = {"creation": "CREATED", "deletion": "DELETED", "restore": "RESTORED", "privacyDeletion": "DELETED"}
# What HubSpot's guide says to decode in a URI before it is signed.
_DECODED = re.compile("%(3A|2F|3F|40|21|24|27|28|29|2A|2C|3B)", re.IGNORECASE)


class Subscription(msgspec.Struct, kw_only=True):
    """What an app wants to hear of. Times in ms."""

    id: int
    event_type: str
    created: int
    updated: int
    active: bool = False
    property: str | None = None
    object_type: str | None = None

    def wants(self, change: Change) -> bool:
        """Is this change of its kind? Generic types name their object type, classic ones are of one."""
        family, _, kind = self.event_type.partition(".")
        if not self.active or kind != change.kind:
            return False
        same = change.type.id == self.object_type if family == "object" else change.type.family == family
        return same and (kind != "propertyChange" or self.property == change.fields["name"])


class App(msgspec.Struct, kw_only=True):
    """A registered app. `redirects` empty: any. `target` is where its webhooks go; `installed` the portals it may hear of."""

    id: int
    client_id: str
    secret: str
    developer_key: str = "sandbox-developer-key"
    name: str = "Rendezvous"
    redirects: list[str] = []
    target: str | None = None
    concurrency: int = 10
    target_created: int = 0
    target_updated: int = 0
    subscriptions: dict[int, Subscription] = {}
    installed: set[int] = set()


class Webhooks:
    """Changes come in by `told`; `settle` sends what they make."""

    def __init__(self, world: World, switches: Switches) -> None:
        self._world, self._switches = world, switches
        self._told: list[Change] = []
        self._last_event = 0

    def told(self, change: Change) -> None:
        """Something changed; it is sent with what else the same action changes."""
        self._told.append(change)

    def settle(self, apps: Iterable[App]) -> int:
        """Send what the changes since the last time make; how many items."""
        changes, self._told = self._told, []
        return sum(self._send(app, self._items(app, changes)) for app in apps if app.target)

    def forget(self) -> None:
        """As if nothing had changed."""
        self._told.clear()

    def _items(self, app: App, changes: list[Change]) -> list[dict[str, Any]]:
        heard = [change for change in changes if change.portal in app.installed]
        return [self._item(app, each, change) for change in heard for each in app.subscriptions.values() if each.wants(change)]

    def _item(self, app: App, subscription: Subscription, change: Change) -> dict[str, Any]:
        head = {
            "eventId": self._event_id(),
            "subscriptionId": subscription.id,
            "portalId": change.portal,
            "appId": app.id,
            "occurredAt": change.at,
            "subscriptionType": subscription.event_type,
            "attemptNumber": 0,
            "changeSource": change.source.kind,
            "sourceId": change.source.id or (f"userId:{change.source.user}" if change.source.user is not None else ""),
        }
        generic = {"objectTypeId": change.type.id} if subscription.object_type else {}
        return {**head, **generic, **self._details(change)}

    def _event_id(self) -> int:
        if not self._world.faults.take("repeat_event_id", "hubspot"):
            self._last_event = self._world.chance.randrange(1, 2**32)
        return self._last_event

    def _details(self, change: Change) -> dict[str, Any]:
        match change.kind:
            case "propertyChange":
                value = self._value(change.fields["value"], change.fields["name"])
                return {"objectId": int(change.id), "propertyName": change.fields["name"], "propertyValue": value, "isSensitive": False}
            case "associationChange":
                return _association(change)
            case "merge":
                return _merge(change)
            case kind:
                return {"objectId": int(change.id), "changeFlag": _FLAGS[kind]}

    def _value(self, value: str | None, name: str) -> str:
        looks_like_time = value is not None and re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+Z", value) is not None
        return str(milliseconds(value)) if looks_like_time and self._switches.webhook_times == "ms" else value or ""

    def _send(self, app: App, items: list[dict[str, Any]]) -> int:
        if self._world.faults.take("reorder_push", "hubspot"):
            self._world.chance.shuffle(items)
        for start in range(0, len(items), MOST_ITEMS):
            self._try(app, items[start : start + MOST_ITEMS], 0, 0.0)
        return len(items)

    def _try(self, app: App, items: list[dict[str, Any]], attempt: int, after: float) -> None:
        """One batch, one try. Whatever is not 2xx is tried again, ten times at most."""
        if app.target is None:
            return
        retries = self._switches.retry_seconds

        def ended(status: int) -> None:
            if not 200 <= status < 300 and attempt < len(retries):
                self._try(app, items, attempt + 1, retries[attempt])

        body = json.dumps([item | {"attemptNumber": attempt} for item in items], ensure_ascii=False, separators=(",", ":")).encode()
        headers = {"Content-Type": "application/json", "User-Agent": "HubSpot Connect 2.0 (http://dev.hubspot.com/) (namespace: sandbox)"}
        secret, version = app.secret, self._switches.signature_version
        self._world.outbox.send(
            Push(
                url=app.target,
                headers=headers,
                body=body,
                simulator="hubspot",
                sign=lambda push, now: signatures(secret, push.method, push.url, push.body, now, version),
                ended=ended,
            ),
            after,
        )


def signatures(secret: str, method: str, uri: str, body: bytes, now: int, version: str = "v1") -> Mapping[str, str]:
    """The headers that prove who sent a push, at `now` (ms): v3, and the older one in the version that is wanted."""
    timestamp = str(now)
    return {
        "X-HubSpot-Request-Timestamp": timestamp,
        "X-HubSpot-Signature-v3": signature_v3(secret, method, uri, body, timestamp),
        "X-HubSpot-Signature": signature_v1(secret, body) if version == "v1" else signature_v2(secret, method, uri, body),
        "X-HubSpot-Signature-Version": version,
    }


def signature_v1(secret: str, body: bytes) -> str:
    """SHA-256 of secret and body, in hexadecimal."""
    return hashlib.sha256(secret.encode() + body).hexdigest()


def signature_v2(secret: str, method: str, uri: str, body: bytes) -> str:
    """SHA-256 of secret, method, URI and body, in hexadecimal."""
    return hashlib.sha256(f"{secret}{method}{uri}".encode() + body).hexdigest()


def signature_v3(secret: str, method: str, uri: str, body: bytes, timestamp: str) -> str:
    """HMAC-SHA-256 under the secret of method, URI (some escapes decoded), body and timestamp, in base 64."""
    decoded = _DECODED.sub(lambda found: chr(int(found[1], 16)), uri)
    text = f"{method}{decoded}".encode() + body + timestamp.encode()
    return base64.b64encode(hmac.new(secret.encode(), text, hashlib.sha256).digest()).decode()


def _association(change: Change) -> dict[str, Any]:
    target, target_id = change.fields["to"]
    spec: Spec = change.fields["spec"]
    return {
        "fromObjectId": int(change.id),
        "fromObjectTypeId": change.type.id,
        "toObjectId": int(target_id),
        "toObjectTypeId": target.id,
        "associationTypeId": spec.id,
        "associationCategory": spec.category,
        "associationType": f"{change.type.word.removesuffix('_EVENT')}_TO_{target.word.removesuffix('_EVENT')}",
        "associationRemoved": change.fields["removed"],
        "isPrimaryAssociation": spec.label == "Primary",
    }


def _merge(change: Change) -> dict[str, Any]:
    return {
        "primaryObjectId": int(change.fields["primary"]),
        "mergedObjectIds": [int(id) for id in change.fields["merged"]],
        "newObjectId": int(change.fields["survivor"]),
        "numberOfPropertiesMoved": change.fields["moved"],
        "objectId": int(change.id),
    }


def usual_subscriptions() -> list[tuple[str, str | None, str | None]]:
    """(event type, property, object type) of an app that follows meetings and contacts: what tests and demos begin with."""
    meeting = [f"object.{kind}" for kind in ("creation", "deletion", "restore", "associationChange")]
    contact = [f"contact.{kind}" for kind in ("creation", "deletion", "merge", "restore", "privacyDeletion")]
    followed = ("hs_meeting_title", "hs_meeting_start_time", "hs_meeting_end_time", "hs_meeting_outcome", "hs_meeting_location")
    return (
        [(kind, None, "0-47") for kind in meeting]
        + [("object.propertyChange", name, "0-47") for name in (*followed, "hs_timestamp", "hs_meeting_body", "hubspot_owner_id")]
        + [(kind, None, None) for kind in contact]
        + [("contact.propertyChange", name, None) for name in CONTACTS.shown]
    )
