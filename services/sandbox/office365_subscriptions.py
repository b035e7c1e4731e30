"""Subscriptions: who is told of changes, and the telling.

What must stay true:
- A subscription begins only after every URL of it echoed a token. It ends at its time, and is then 404.
- A notice says that something changed, never what. Its ids are of the form that was preferred when it was subscribed.
- What is told about a subscription itself goes to its lifecycle URL, if it has one; that cannot be given later.
"""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec

from services.sandbox.office365_errors import Refusal, invalid, missing
from services.sandbox.office365_mailboxes import Event, Mailbox, Shown
from services.sandbox.office365_showing import etag
from services.sandbox.office365_switches import Switches
from services.sandbox.office365_times import Json, from_ms, parsed, say_instant, to_ms
from services.sandbox.world import Push, World, loopback

SHORTEST = timedelta(minutes=45)
"""Less is raised to this."""

RETRY = (10.0, 30.0, 60.0, 300.0, 900.0, 1800.0, 3600.0, 7200.0)
"""Seconds until a notice is tried again: about four hours, then it is lost."""

LIFECYCLE = ("reauthorizationRequired", "subscriptionRemoved", "missed")
_KINDS = ("created", "updated", "deleted")
_TOKEN = "Validation: Testing client application reachability for subscription Request-Id: "  # noqa: S105 - the public words of the handshake


class Subscription(msgspec.Struct, kw_only=True, eq=False):
    """`address` is whose mailbox, `calendar` which one (None: all). `until` in ms."""

    id: str
    client: str
    creator: str
    address: str
    calendar: str | None
    resource: str
    kinds: tuple[str, ...]
    url: str
    lifecycle: str | None
    secret: str | None
    until: int
    immutable: bool

    def shown(self) -> Json:
        """As Graph shows it: the secret stays with it."""
        return {
            "id": self.id,
            "resource": self.resource,
            "applicationId": self.client,
            "changeType": ",".join(self.kinds),
            "clientState": None,
            "notificationUrl": self.url,
            "notificationQueryOptions": None,
            "lifecycleNotificationUrl": self.lifecycle,
            "expirationDateTime": say_instant(from_ms(self.until)),
            "creatorId": self.creator,
            "includeResourceData": None,
            "latestSupportedTlsVersion": "v1_2",
            "encryptionCertificate": None,
            "encryptionCertificateId": None,
            "notificationUrlAppId": None,
        }


class Subscriptions:
    """All of one simulator. `tenant` gives the directory's id."""

    def __init__(self, world: World, switches: Switches, tenant: Callable[[], str]) -> None:
        self._world, self._switches, self._tenant = world, switches, tenant
        self._all: dict[str, Subscription] = {}

    def reset(self) -> None:
        """Nobody is told of anything."""
        self._all.clear()

    def all(self) -> list[Subscription]:
        """Those whose time is not over."""
        now = self._world.now()
        return [one for one in self._all.values() if one.until > now]

    def get(self, id: str, client: str) -> Subscription:
        """One of an application's. Raises `Refusal`."""
        found = next((one for one in self.all() if one.id == id and one.client == client), None)
        if found is None:
            raise Refusal(404, "ResourceNotFound", "The object was not found.")
        return found

    def create(self, body: Any, client: str, creator: str, immutable: bool, where: Callable[[str], tuple[Mailbox, str | None]]) -> Json:
        """A new one; `where` says what a resource is. Raises `Refusal`."""
        given = body if isinstance(body, dict) else {}
        lacking = [name for name in ("changeType", "notificationUrl", "resource", "expirationDateTime") if not given.get(name)]
        if lacking:
            raise invalid(f"{lacking[0]} is a required property for subscription creation request.", "InvalidRequest")
        if given.get("includeResourceData"):
            raise invalid("Notices with resource data are not simulated.", "InvalidRequest")
        box, calendar = where(str(given["resource"]))
        made = Subscription(
            id=self._uuid(),
            client=client,
            creator=creator,
            address=box.address,
            calendar=calendar,
            resource=str(given["resource"]),
            kinds=_kinds(str(given["changeType"])),
            url=_url(given["notificationUrl"], "notificationUrl"),
            lifecycle=_url(given["lifecycleNotificationUrl"], "lifecycleNotificationUrl")
            if given.get("lifecycleNotificationUrl")
            else None,
            secret=_secret(given.get("clientState")),
            until=self._until(given["expirationDateTime"]),
            immutable=immutable,
        )
        self._refuse_second(made)
        for url in {made.url, made.lifecycle} - {None}:
            self._shake_hands(str(url))
        self._all[made.id] = made
        return made.shown() | {"clientState": made.secret}

    def renew(self, id: str, client: str, body: Any) -> Json:
        """A longer life. Raises `Refusal`."""
        found = self.get(id, client)
        given = body if isinstance(body, dict) else {}
        if "lifecycleNotificationUrl" in given and given["lifecycleNotificationUrl"] != found.lifecycle:
            raise invalid("The property 'lifecycleNotificationUrl' cannot be updated.", "InvalidRequest")
        if "expirationDateTime" in given:
            found.until = self._until(given["expirationDateTime"])
        return found.shown()

    def delete(self, id: str, client: str) -> None:
        """Tell them no more. Raises `Refusal`."""
        del self._all[self.get(id, client).id]

    def _until(self, value: object) -> int:
        asked, now = parsed(value, "expirationDateTime"), from_ms(self._world.now())
        at = asked if asked.tzinfo else asked.replace(tzinfo=now.tzinfo)
        if at <= now:
            raise invalid("Subscription expiration must be in the future.", "InvalidRequest")
        # Clocks differ by a little, and a request takes its time.
        if at > now + timedelta(minutes=self._switches.longest_minutes, seconds=30):
            raise invalid(f"Subscription expiration can only be {self._switches.longest_minutes} minutes in the future.", "InvalidRequest")
        return to_ms(max(at, now + SHORTEST))

    def _refuse_second(self, made: Subscription) -> None:
        mine = (made.client, made.address, made.calendar, sorted(made.kinds))
        if not self._switches.twice and any((o.client, o.address, o.calendar, sorted(o.kinds)) == mine for o in self.all()):
            raise Refusal(409, "ExtensionError", "Operation: Create; Exception: [Status Code: Conflict; Reason: Conflict]")

    def _shake_hands(self, url: str) -> None:
        token = _TOKEN + self._uuid()
        asked = f"{url}{'&' if '?' in url else '?'}validationToken={quote(token, safe='')}"
        said = self._world.outbox.call(Push(url=asked, headers={"Content-Type": "text/plain; charset=utf-8"}, simulator="office365"))
        kind = next((value for name, value in said.headers.items() if name.lower() == "content-type"), "")
        if said.status == 0:
            raise invalid("Subscription validation request timed out.", "ValidationError")
        if said.status != 200 or not kind.startswith("text/plain") or said.body.decode(errors="replace") != token:
            raise invalid(
                f"Subscription validation request failed. Response must match validationToken; HTTP {said.status}.", "ValidationError"
            )

    # --- telling ---

    def changed(self, box: Mailbox, event: Event, kind: str) -> None:
        """Something in a mailbox changed: those who wish to know are told."""
        kinds = (kind, "updated") if kind == "created" and self._switches.pairs else (kind,)
        for one in self.all():
            if one.address == box.address and one.calendar in (None, event.calendar):
                for told in kinds:
                    if told in one.kinds:
                        self._send(one, one.url, _notice(one, box, event, told, self._uuid(), self._tenant()))

    def lifecycle(self, word: str, address: str | None = None) -> int:
        """Tell the subscriptions (of a mailbox, or all) about themselves; how many that were. One that is removed is gone."""
        if word not in LIFECYCLE:
            raise invalid(f"No such lifecycle event: {word}")
        found = [one for one in self.all() if address in (None, one.address)]
        for one in found:
            if one.lifecycle is not None:
                self._send(one, one.lifecycle, _about(one, self._tenant()) | {"lifecycleEvent": word})
            if word == "subscriptionRemoved":
                del self._all[one.id]
        return len(found)

    def _send(self, one: Subscription, url: str, notice: Json) -> None:
        self._world.outbox.send(
            Push(
                url=url,
                headers={"Content-Type": "application/json; charset=utf-8"},
                body=msgspec.json.encode({"value": [notice]}),
                retry=RETRY,
                simulator="office365",
            )
        )

    def _uuid(self) -> str:
        return new_uuid(self._world.chance)


def new_uuid(chance: random.Random) -> str:
    """A random one."""
    return str(uuid.UUID(bytes=chance.randbytes(16), version=4))


def _about(one: Subscription, tenant: str) -> Json:
    until = say_instant(from_ms(one.until))
    return {"subscriptionId": one.id, "subscriptionExpirationDateTime": until, "tenantId": tenant, "clientState": one.secret}


def _notice(one: Subscription, box: Mailbox, event: Event, kind: str, id: str, tenant: str) -> Json:
    shown = Shown(event)
    name = f"Users/{box.oid}/Events/{shown.id(one.immutable)}"
    data = {"@odata.type": "#Microsoft.Graph.Event", "@odata.id": name, "@odata.etag": etag(shown, box), "id": shown.id(one.immutable)}
    return _about(one, tenant) | {"id": id, "changeType": kind, "resource": name, "resourceData": data}


def _kinds(text: str) -> tuple[str, ...]:
    kinds = tuple(part.strip().lower() for part in text.split(","))
    if any(kind not in _KINDS for kind in kinds):
        raise invalid(f"The value '{text}' for changeType is not supported.", "InvalidRequest")
    return kinds


def _url(value: object, name: str) -> str:
    text = str(value)
    try:
        loopback(text)
    except ValueError:  # `NotLoopback` among them
        raise invalid(f"{name} must be on this machine: the sandbox sends nothing elsewhere.", "InvalidRequest") from None
    if urlsplit(text).scheme not in ("http", "https"):
        raise invalid(f"{name} must be an https URL.", "InvalidRequest")
    return text


def _secret(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or len(value) > 128:
        raise invalid("The clientState property has a maximum of 128 characters.", "InvalidRequest")
    return value


def resource_parts(resource: str) -> list[str]:
    """A resource's path, without the host, the version and any query. Raises `Refusal` for an empty one."""
    path = resource.partition("?")[0]
    parts = [part for part in path.rpartition("/v1.0/")[2].strip("/").split("/") if part]
    if not parts:
        raise missing()
    return parts
