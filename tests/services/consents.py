"""Connections in memory: the memory twins behind `Connecting`, `FreshAccess` and `Push`, and a provider that grants what it is told to."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from msgspec.structs import replace

from adapters.envelope import Envelope, KeyFile
from adapters.memory.channels import MemoryChannels
from adapters.memory.cursors import MemoryCursors
from adapters.memory.grants import MemoryGrants
from adapters.memory.inbox import MemoryInbox
from adapters.memory.once import MemoryOnce
from adapters.postgres.channels import PostgresChannels
from adapters.postgres.cursors import PostgresCursors
from adapters.postgres.grants import PostgresGrants
from adapters.postgres.inbox import PostgresInbox
from adapters.postgres.once import PostgresOnce
from adapters.sqlite.channels import SqliteChannels
from adapters.sqlite.cursors import SqliteCursors
from adapters.sqlite.grants import SqliteGrants
from adapters.sqlite.inbox import SqliteInbox
from adapters.sqlite.once import SqliteOnce
from domain.errors import Refused
from domain.outside import Begun, Channel, Channels, Cursors, Grant, Grants, Inbox, Link, Once
from services.access import FreshAccess
from services.api.app import Front, create_app
from services.connecting import Connecting, Started
from services.push import Push
from tests.examples import ACCOUNT, ANA, START
from tests.servers.postgres import database
from tests.services.asking import Asking

PUBLIC = "https://sync.example"
SECRET = "hubspot-secret"
GOOGLE, OFFICE = Link(ACCOUNT, "google", "501"), Link(ACCOUNT, "office365", "501")
CRM = Link(ACCOUNT, "hubspot")
MINUTE = 60_000


class Granting:
    """A provider's authorisation server. `address` whose mailbox it finds, `tenant` which portal; `fails` is raised by the next call;
    tokens are counted, and refresh tokens rotate: each is good once."""

    def __init__(self, name: str) -> None:
        self.name, self.address, self.tenant = name, ANA, ACCOUNT
        self.fails: Exception | None = None
        self.lifetime = 60 * MINUTE
        self.refreshed, self.revoked, self.redeemed = 0, list[str](), list[str]()
        self.good: str | None = "rt-0"
        self.inside: Callable[[], None] = lambda: None
        self._lock = threading.Lock()

    def begin(self, redirect: str, state: str) -> Begun:
        self._maybe_fail()
        return Begun(f"https://{self.name}.example/auth?redirect_uri={redirect}&state={state}", f"note of {state}")

    def redeem(self, link: Link, id: str, note: str, answer: Mapping[str, str], now: int) -> Grant:
        self._maybe_fail()
        if "code" not in answer:
            raise Refused(f"the permission was not given at {self.name}")
        assert note == f"note of {answer['state']}"
        self.redeemed.append(answer["code"])
        self.good = "rt-0"
        grant = Grant(link=link, id=id, access="at-0", refresh="rt-0", expires_at=now + self.lifetime, granted_at=now)
        if self.name == "hubspot":
            return replace(grant, tenant=self.tenant)
        return replace(grant, address=self.address, calendar=self.address)

    def renew(self, grant: Grant, now: int) -> Grant:
        self.inside()
        self._maybe_fail()
        with self._lock:
            assert grant.refresh == self.good, "a refresh token was used twice"
            self.refreshed += 1
            self.good = f"rt-{self.refreshed}"
            return replace(grant, access=f"at-{self.refreshed}", refresh=self.good, expires_at=now + self.lifetime)

    def revoke(self, grant: Grant) -> None:
        self._maybe_fail()
        self.revoked.append(grant.refresh or "")

    def _maybe_fail(self) -> None:
        failure, self.fails = self.fails, None
        if failure is not None:
            raise failure


class Watching:
    """A provider's channels, as far as they are closed."""

    def __init__(self) -> None:
        self.closed: list[str] = []
        self.fails: Exception | None = None

    def open(self, link: Link, feed: str, url: str, now: int) -> Channel:
        return Channel(id="c1", link=link, feed=feed, resource="r1", secret="s1", expires_at=now + MINUTE)

    def renew(self, channel: Channel, url: str, now: int) -> Channel:
        return channel

    def close(self, channel: Channel) -> None:
        if self.fails is not None:
            raise self.fails
        self.closed.append(channel.id)


def consents_on(stores: str, folder: Path) -> Consents:
    """Over stores of a kind: one of `STORES`."""
    made = Consents()
    return {"memory": lambda: made, "files": lambda: made.in_files(folder), "a server": lambda: made.on_a_server(folder)}[stores]()


STORES = ("memory", "files", "a server")


class Consents:
    """An engine with everything that connections need. Its clock stands until it is moved."""

    def __init__(self) -> None:
        self.now = int(START.timestamp() * 1000)
        self.engine = Asking()
        self.grants: Grants = MemoryGrants()
        self.once: Once = MemoryOnce()
        self.inbox: Inbox = MemoryInbox()
        self.channels: Channels = MemoryChannels()
        self.cursors: Cursors = MemoryCursors(self.clock)
        self.providers = {name: Granting(name) for name in ("google", "office365", "hubspot")}
        self.watch = Watching()
        self.start()

    def start(self) -> None:
        """Begin anew with what is stored, as after a crash."""
        self.access = FreshAccess(self.grants, self.providers, self.engine.publisher, self.clock)
        self.connecting = Connecting(
            authorities=self.providers,
            grants=self.grants,
            cursors=self.cursors,
            channels=self.channels,
            inbox=self.inbox,
            once=self.once,
            publisher=self.engine.publisher,
            watches={"google": self.watch, "office365": self.watch},
            public_url=PUBLIC,
            clock=self.clock,
        )
        self.push = Push(
            grants=self.grants,
            cursors=self.cursors,
            channels=self.channels,
            inbox=self.inbox,
            once=self.once,
            dead=self.engine.dead,
            secret=SECRET,
            public_url=PUBLIC,
            clock=self.clock,
        )

    def in_files(self, folder: Path) -> Consents:
        """The same over the embedded stores, which seal and lock."""
        keys, file = KeyFile(folder / "keys"), folder / "providers.sqlite"
        envelope = Envelope(keys.keys(), keys.keys)
        self.grants, self.once, self.inbox = SqliteGrants(file, envelope), SqliteOnce(file, envelope), SqliteInbox(file, envelope)
        self.channels, self.cursors = SqliteChannels(file, envelope), SqliteCursors(file, envelope, self.clock)
        self.start()
        return self

    def on_a_server(self, folder: Path) -> Consents:
        """The same over PostgreSQL. To be used by modules that import `closing_databases`."""
        keys, there = KeyFile(folder / "keys"), database(folder)
        envelope = Envelope(keys.keys(), keys.keys)
        self.grants, self.once, self.inbox = PostgresGrants(there, envelope), PostgresOnce(there, envelope), PostgresInbox(there, envelope)
        self.channels, self.cursors = PostgresChannels(there, envelope), PostgresCursors(there, envelope, self.clock)
        self.start()
        return self

    def app(self, **changed: Any) -> Front:
        """The API with all of it."""
        engine = self.engine
        parts: dict[str, Any] = {
            "reading": engine.reading,
            "explainer": engine.explainer,
            "publisher": engine.publisher,
            "tokens": engine.tokens,
            "progress": engine.progress,
            "views": engine.views,
            "connecting": self.connecting,
            "push": self.push,
        }
        return create_app(**(parts | changed))

    def clock(self) -> int:
        """Our time."""
        return self.now

    def come_back(self, started: Started, provider: str, **answer: str) -> Grant:
        """The end of a consent in the browser that began it."""
        told = {"state": state_of(started.url), "code": "a-code"} | answer
        return self.connecting.finish(provider, {name: value for name, value in told.items() if value}, started.session)

    def connect(self, link: Link = GOOGLE) -> Grant:
        """A whole consent."""
        return self.come_back(self.connecting.begin(link), link.provider)

    def told(self) -> list[dict[str, Any]]:
        """What the source log holds, in order."""
        return [json.loads(record.body) for record in self.engine.source.read("0", 0, 1000)]

    def verbs(self) -> list[str]:
        """What was told of connections, in order."""
        return [event["type"].split(".")[2] for event in self.told() if ".connection." in event["type"]]

    def feeds(self, link: Link = GOOGLE) -> list[str]:
        """The feeds of a link that are read."""
        return sorted(cursor.feed for cursor in self.cursors.all() if cursor.link == link)

    def channel(self, link: Link = GOOGLE, id: str = "c1") -> Channel:
        """An open channel."""
        made = Channel(id=id, link=link, feed="events", resource="r1", secret="s1", expires_at=self.now + 1000 * MINUTE, made_at=self.now)
        self.channels.put(made)
        return made

    def due(self, link: Link = GOOGLE) -> int:
        """When the first of a link's feeds is read."""
        return min(cursor.due_at for cursor in self.cursors.all() if cursor.link == link)

    def later(self, link: Link = GOOGLE) -> None:
        """As if all its feeds had just been read: next in an hour."""
        for cursor in self.cursors.claim(self.now, MINUTE, 100):
            self.cursors.keep(replace(cursor, due_at=self.now + 60 * MINUTE, value="token"))


def state_of(url: str) -> str:
    """The state in an address of a provider's."""
    return parse_qs(urlsplit(url).query)["state"][0]
