"""The providers' side of an installation, put together in one place: who is asked, with what right, and what is remembered of it.

What is remembered stands in the first store, but for deliveries, which stand in the store of the events they follow from. What must
stay true: nothing here is opened, and no provider's settings are needed, before it is first asked for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, cast

from adapters.envelope import Envelope, KeyFile, keys_of
from adapters.sqlite.buckets import SqliteBuckets
from adapters.sqlite.channels import SqliteChannels
from adapters.sqlite.cursors import SqliteCursors
from adapters.sqlite.deliveries import SqliteDeliveries
from adapters.sqlite.grants import SqliteGrants
from adapters.sqlite.inbox import SqliteInbox
from adapters.sqlite.once import SqliteOnce
from domain.errors import BadInput, Stop
from domain.outside import (
    Authority,
    Buckets,
    Channels,
    Cursors,
    Deliveries,
    Feed,
    Grants,
    Inbox,
    Once,
    Sealed,
    Watch,
    Writer,
)
from services.rotating import Keeping
from services.routed_deliveries import RoutedDeliveries
from services.wiring import Installation, Shard, now

if TYPE_CHECKING:
    # Loaded where they are used: who works on files alone need not wait for the providers' libraries.
    import httpx
    from pydantic import SecretStr

    from adapters.http import Api, Throttle
    from adapters.hubspot.calling import Paths
    from adapters.hubspot.source import Owners
    from services.access import FreshAccess
    from services.connecting import Connecting
    from services.deliver import Deliver, Delivering
    from services.ingest import Ingest, Ingesting, Reader
    from services.monitor import Numbers
    from services.push import Push
    from services.watching import Hook, Watching

PROVIDERS = ("google", "office365", "hubspot")
FILE = "providers.sqlite"


class Outside:
    """What an installation has to do with providers, each part made when first asked for."""

    def __init__(self, parts: Installation) -> None:
        self.parts, self.settings = parts, parts.settings
        if not parts.on_postgres:
            self.settings.store_folder().mkdir(parents=True, exist_ok=True)
        self._file = self.settings.store_folder() / FILE

    # --- what is remembered

    @cached_property
    def envelope(self) -> Envelope:
        """What seals it: under the keys of the settings, else those of a file."""
        if self.settings.keys is not None:
            return Envelope(self._told_keys(self.settings.keys))
        keyring = self._keyring()
        if keyring is None:
            raise BadInput("RENDEZVOUS_KEYS", "required beside a PostgreSQL store: keys that tokens of providers are sealed under")
        return Envelope(keyring.keys(), keyring.keys)

    @staticmethod
    def _told_keys(told: SecretStr) -> dict[str, bytes]:
        try:
            return keys_of(told.get_secret_value())
        except Stop as error:
            raise BadInput("RENDEZVOUS_KEYS", str(error)) from None

    def _keyring(self) -> KeyFile | None:
        """The file of keys, if they are ours to keep."""
        ours = self.settings.keys is None and not self.parts.on_postgres
        return KeyFile(self.settings.store_folder() / "providers.keys") if ours else None

    @cached_property
    def grants(self) -> Grants:
        """What providers granted."""
        if self.parts.on_postgres:
            from adapters.postgres.grants import PostgresGrants

            return PostgresGrants(self._first.checked, self.envelope)
        return SqliteGrants(self._file, self.envelope)

    @cached_property
    def cursors(self) -> Cursors:
        """How far their feeds were read."""
        if self.parts.on_postgres:
            from adapters.postgres.cursors import PostgresCursors

            return PostgresCursors(self._first.checked, self.envelope, now)
        return SqliteCursors(self._file, self.envelope, now)

    @cached_property
    def channels(self) -> Channels:
        """Through which they tell us."""
        if self.parts.on_postgres:
            from adapters.postgres.channels import PostgresChannels

            return PostgresChannels(self._first.checked, self.envelope)
        return SqliteChannels(self._file, self.envelope)

    @cached_property
    def inbox(self) -> Inbox:
        """What they told us and is to be read."""
        if self.parts.on_postgres:
            from adapters.postgres.inbox import PostgresInbox

            return PostgresInbox(self._first.checked, self.envelope)
        return SqliteInbox(self.settings.store_folder() / "inbox.sqlite", self.envelope)

    @cached_property
    def once(self) -> Once:
        """What may happen once."""
        if self.parts.on_postgres:
            from adapters.postgres.once import PostgresOnce

            return PostgresOnce(self._first.checked, self.envelope)
        return SqliteOnce(self._file, self.envelope)

    @cached_property
    def buckets(self) -> Buckets:
        """What is left of their limits."""
        if self.parts.on_postgres:
            from adapters.postgres.buckets import PostgresBuckets

            return PostgresBuckets(self._first.checked)
        return SqliteBuckets(self.settings.store_folder() / "buckets.sqlite")

    @cached_property
    def deliveries(self) -> Deliveries:
        """What is to be written, of all stores."""
        shards = self.parts.shards
        if len(shards) == 1:
            return self._deliveries_of(shards[0])
        return RoutedDeliveries([self._deliveries_of(shard) for shard in shards], lambda account: self.parts.shard_of(account).number)

    def _deliveries_of(self, shard: Shard) -> Deliveries:
        if self.parts.on_postgres:
            from adapters.postgres.deliveries import PostgresDeliveries

            return PostgresDeliveries(shard.checked, now)
        return SqliteDeliveries(self.settings.store_folder() / "store.sqlite", now)

    @property
    def _first(self) -> Shard:
        return self.parts.shards[0]

    def keeping(self) -> Keeping:
        """What is sealed, and under which keys, for whoever changes them."""

        def sealed() -> Sequence[Sealed]:
            # Whatever keeps them for longer than a process can reseal; their ports do not promise it, for the memory twins cannot.
            return cast("Sequence[Sealed]", (self.grants, self.cursors, self.channels, self.inbox, self.once))

        return Keeping(sealed, self._keyring())

    # --- calling them

    @cached_property
    def http(self) -> httpx.Client:
        """Our connections to them."""
        from adapters.http import client

        return client()

    @cached_property
    def _throttle(self) -> Throttle:
        from adapters.http import Throttle

        return Throttle(self.buckets, now)

    @cached_property
    def authorities(self) -> dict[str, Authority]:
        """Where they grant, by provider: those for which our app is set up."""
        found: dict[str, Authority] = {}
        settings, http = self.settings, self.http
        if (app := settings.app_of("google")) is not None:
            from adapters.google.oauth import GoogleAuthority

            login, tokens, api = settings.google_login_url, settings.google_token_url, settings.google_api_url
            found["google"] = GoogleAuthority(http, *app, login=login, tokens=tokens, api=api)
        if (app := settings.app_of("office365")) is not None:
            from adapters.office365.oauth import Office365Authority

            login, api, tenant = settings.office365_login_url, settings.office365_api_url, settings.office365_tenant
            found["office365"] = Office365Authority(http, *app, login=login, api=api, tenant=tenant)
        if (app := settings.app_of("hubspot")) is not None:
            from adapters.hubspot.oauth import SCOPES, HubSpotAuthority

            login, api, version = settings.hubspot_login_url, settings.hubspot_api_url, settings.hubspot_oauth_version
            scopes = settings.hubspot_scopes.split() if settings.hubspot_scopes else SCOPES
            found["hubspot"] = HubSpotAuthority(http, *app, login=login, api=api, version=version, scopes=scopes)
        return found

    @cached_property
    def access(self) -> FreshAccess:
        """Access tokens."""
        from services.access import FreshAccess

        return FreshAccess(self.grants, self.authorities, self.parts.publisher, now)

    @cached_property
    def _google(self) -> Api:
        from adapters.google import calling

        return calling.api(self.http, self.access, self._throttle, self.settings.google_api_url)

    @cached_property
    def _office365(self) -> Api:
        from adapters.office365 import calling

        return calling.api(self.http, self.access, self._throttle, self.settings.office365_api_url)

    @cached_property
    def _hubspot(self) -> Api:
        from adapters.hubspot import calling

        return calling.api(self.http, self.access, self._throttle, self.settings.hubspot_api_url)

    @property
    def _paths(self) -> Paths:
        from adapters.hubspot.calling import V3, dated

        version = self.settings.hubspot_api_version
        return V3 if version == "v3" else dated(version)

    @cached_property
    def _owners(self) -> Owners:
        from adapters.hubspot.source import Owners

        return Owners()

    # --- what works with them

    def connecting(self) -> Connecting:
        """Connections: begun, finished and ended."""
        from services.connecting import Connecting

        return Connecting(
            authorities=self.authorities,
            grants=self.grants,
            cursors=self.cursors,
            channels=self.channels,
            inbox=self.inbox,
            once=self.once,
            publisher=self.parts.publisher,
            watches=self.watches,
            public_url=self.settings.public(),
            clock=now,
            deliveries=self.deliveries,
        )

    def push(self) -> Push:
        """What providers tell us by themselves."""
        from services.push import Push

        app = self.settings.app_of("hubspot")
        return Push(
            grants=self.grants,
            cursors=self.cursors,
            channels=self.channels,
            inbox=self.inbox,
            once=self.once,
            dead=self.parts.dead,
            secret=None if app is None else app[1],
            public_url=self.settings.public(),
            clock=now,
        )

    @cached_property
    def watches(self) -> dict[str, Watch]:
        """Who opens and closes channels, by provider."""
        from adapters.google.watching import GoogleWatch
        from adapters.office365.watching import Office365Watch

        return {"google": GoogleWatch(self._google, self.grants), "office365": Office365Watch(self._office365)}

    def watching(self) -> Watching:
        """The upkeep of channels. Without a public address there are none: nobody could reach us."""
        from services.watching import Hook, Watching

        public = self.settings.public()
        hooks: Mapping[str, Hook] = (
            {} if public is None else {name: Hook(watch, f"{public}/v1/hooks/{name}") for name, watch in self.watches.items()}
        )
        return Watching(self.cursors, self.channels, self.once, hooks, now)

    def feeds(self) -> dict[tuple[str, str], Feed]:
        """What is read, by provider and feed."""
        from adapters.google.source import GoogleFeed
        from adapters.hubspot.source import feeds
        from adapters.office365.source import Office365Feed

        found: dict[tuple[str, str], Feed] = {
            ("google", "events"): GoogleFeed(self._google, self.grants),
            ("office365", "events"): Office365Feed(self._office365, self.grants),
        }
        found.update({("hubspot", name): feed for name, feed in feeds(self._hubspot, self._owners, self._paths).items()})
        return found

    def ingest(self) -> Ingest:
        """The reading role."""
        from adapters.hubspot.source import Notices
        from services.ingest import Ingest

        readers: dict[str, Reader] = {"hubspot": Notices(self._hubspot, self._owners, self._paths)}
        pushing = ("hubspot",) if self.settings.public() is not None else ()
        return Ingest(self.cursors, self.inbox, self.channels, self.feeds(), readers, self.parts.publisher, now, pushing=pushing)

    def deliver(self) -> Deliver:
        """The writing role."""
        from adapters.google.writer import GoogleWriter
        from adapters.hubspot.writer import HubSpotWriter
        from adapters.office365.writer import Office365Writer
        from services.deliver import Deliver

        writers: dict[str, Writer] = {
            "google": GoogleWriter(self._google, self.settings.google_api_url),
            "office365": Office365Writer(self._office365),
            "hubspot": HubSpotWriter(self._hubspot, self._paths),
        }
        return Deliver(self.deliveries, writers, self.grants, self.parts.vault, self.parts.publisher, now)

    def ingesting(self) -> Ingesting:
        """The same as a role's work, with the upkeep of channels beside it."""
        from services.ingest import Ingesting

        return Ingesting(self.ingest(), also=self.watching().step)

    def delivering(self, numbers: Numbers) -> Delivering:
        """The same as a role's work."""
        from services.deliver import Delivering

        return Delivering(self.deliver(), numbers)

    @property
    def is_set_up(self) -> bool:
        """Is our app known at any provider?"""
        return any(self.settings.app_of(provider) is not None for provider in PROVIDERS)

    def close(self) -> None:
        """Close what was opened."""
        for name in ("http", "grants", "cursors", "channels", "inbox", "once", "buckets", "deliveries"):
            opened = self.__dict__.pop(name, None)
            if opened is not None and hasattr(opened, "close"):
                opened.close()
