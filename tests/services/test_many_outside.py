"""Two processes of `ingest` and two of `deliver` over one PostgreSQL store: they share the work by leases, and nothing happens twice.

Processes so to speak: each is an installation of its own, with connections of its own, in a thread of its own.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace
from pydantic import SecretStr

from domain.outside import Grant, Link
from services.catch_up import catch_up
from services.monitor import Numbers
from services.roles import Work, delivering, ingesting
from services.rotating import new_key
from services.sandbox.google import Google
from services.sandbox.hubspot import CLIENT_ID, CLIENT_SECRET, HubSpot
from services.sandbox.shell import Sandbox
from services.sandbox.world import World
from services.settings import Settings
from services.wiring import Installation, now
from services.wiring_providers import Outside
from tests.contracts.stage import at_once
from tests.examples import ACCOUNT
from tests.servers.postgres import closing_databases as closing_databases
from tests.servers.postgres import database, dsn

USERS = [f"user{n}@acme.example" for n in range(6)]
BO = "bo@client.example"
MEETINGS = 4
"""Of each user with Bo."""

Begun = Callable[[Outside, Numbers], Work]


class Town:
    """A portal whose users have calendars, and installations that share a store."""

    def __init__(self, folder: Path) -> None:
        self.world = World(seed=7)
        self.google, self.hubspot = Google(self.world), HubSpot(self.world)
        self.sandbox = Sandbox([self.google, self.hubspot], self.world).start()
        url, store = self.sandbox.url, database(folder)
        self.settings = Settings(
            data=folder,
            log=None,
            store=SecretStr(dsn()),
            store_schema=store.schema,
            keys=SecretStr(new_key()),
            google_client_id="sandbox-client",
            google_client_secret=SecretStr("secret"),
            google_login_url=url,
            google_token_url=url,
            google_api_url=f"{url}/calendar/v3",
            hubspot_client_id=CLIENT_ID,
            hubspot_client_secret=SecretStr(CLIENT_SECRET),
            hubspot_login_url=url,
            hubspot_api_url=url,
        )
        self.parts = Installation(self.settings)
        self.parts.migrate()
        self._inhabited()

    def _inhabited(self) -> None:
        self.hubspot.portal(int(ACCOUNT))
        for address in USERS:
            self.hubspot.user(address)
            self.google.user(address, zone="Europe/Paris")
        self.bo = self.hubspot.contact(BO, "Bo")
        outside = Outside(self.parts)
        grants = {Link(ACCOUNT, "hubspot"): self.hubspot.install(USERS[0]).refresh}
        grants |= {Link(ACCOUNT, "google", str(501 + n)): self.google.grant(address)[1] for n, address in enumerate(USERS)}
        for link, refresh in grants.items():
            mailbox = USERS[int(link.user) - 501] if link.user else None
            # Kept and not begun, as by a process that died in between: whoever begins to read first finishes it.
            tenant = None if link.user else ACCOUNT
            grant = Grant(link=link, id="g", access="over", refresh=refresh, calendar=mailbox, address=mailbox, tenant=tenant)
            outside.grants.put(replace(grant, granted_at=now()))
        outside.close()

    def two(self, begun: Begun) -> None:
        """Two processes until there is nothing to do for either."""

        def work(_: int) -> None:
            parts = Installation(self.settings)
            working = begun(Outside(parts), Numbers("role"))
            while working.step():
                pass
            working.close()  # type: ignore[attr-defined] # not all work has to be closed; this has
            parts.close()

        at_once(2, work)

    def wake(self) -> None:
        """All feeds are due."""
        outside = Outside(self.parts)
        for one in outside.cursors.all():
            outside.cursors.wake(one.link, one.feed, now())
        outside.close()

    def said(self) -> Counter[str]:
        """What is in the log, by type."""
        found = [msgspec.json.decode(record.body) for record in self.parts.source.read("0", 0, 1000)]
        return Counter(str(one["type"]).removeprefix("rendezvous.").removesuffix(".v1") for one in found)


@pytest.fixture
def town(tmp_path: Path) -> Iterator[Town]:
    town = Town(tmp_path)
    yield town
    town.parts.close()
    town.sandbox.close()


def test_two_of_ingest_and_two_of_deliver_do_everything_once(town: Town) -> None:
    town.two(ingesting)
    begun = {"connection.activated": len(USERS), "user.added": len(USERS), "contact.created": 1, "calendar.listed": len(USERS)}
    assert town.said() == begun

    for address in USERS:
        for n in range(MEETINGS):
            town.hubspot.schedule(address, f"Meeting {n}", f"2030-03-0{n + 1}T10:00:00Z", f"2030-03-0{n + 1}T11:00:00Z", contacts=[town.bo])
    town.wake()
    town.two(ingesting)
    assert town.said() == begun | {"meeting.created": len(USERS) * MEETINGS}

    catch_up(town.parts, show=False)
    town.two(delivering)
    outside = Outside(town.parts)
    deliveries = outside.deliveries.all(ACCOUNT, None, "", 1000)
    outside.close()
    assert Counter((one.state, one.tries) for one in deliveries) == {("done", 1): len(USERS) * MEETINGS}
    assert [len(town.google.events(address)) for address in USERS] == [MEETINGS] * len(USERS)
    assert town.said() == begun | {"meeting.created": len(USERS) * MEETINGS, "delivery.confirmed": len(USERS) * MEETINGS}
