"""The reading role as an installation runs it: SQLite stores, real refreshes of tokens, several threads, and the sandbox's providers."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from pydantic import SecretStr

from domain.outside import Grant, Link
from services.ingest import Ingesting
from services.sandbox.google import Google
from services.sandbox.hubspot import CLIENT_ID, CLIENT_SECRET, HubSpot
from services.sandbox.shell import Sandbox
from services.sandbox.world import World
from services.settings import Settings
from services.wiring import Installation, now
from services.wiring_providers import Outside
from tests.examples import ACCOUNT

ANA, BO = "ana@acme.example", "bo@client.example"
CRM, GOOGLE = Link(ACCOUNT, "hubspot"), Link(ACCOUNT, "google", "501")


class Wired:
    """An installation in a folder, and the sandbox that its settings name."""

    def __init__(self, folder: Path) -> None:
        self.world = World(seed=7)
        self.google, self.hubspot = Google(self.world), HubSpot(self.world)
        self.sandbox = Sandbox([self.google, self.hubspot], self.world).start()
        url = self.sandbox.url
        self.settings = Settings(
            data=folder,
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
        self.google.user(ANA, "Ana", "Europe/Paris")
        self.hubspot.portal(int(ACCOUNT))
        self.hubspot.user(ANA)
        self.hubspot.contact(BO, "Bo")
        self._connect()

    def _connect(self) -> None:
        """Grants whose access tokens are over: the first call refreshes them."""
        outside = Outside(Installation(self.settings))
        refresh = {GOOGLE: self.google.grant(ANA)[1], CRM: self.hubspot.install(ANA).refresh}
        for link, token in refresh.items():
            calendar = ANA if link == GOOGLE else None
            outside.grants.put(Grant(link=link, id="g", access="over", refresh=token, calendar=calendar, address=calendar))
        for link, feed in ((GOOGLE, "events"), (CRM, "meetings"), (CRM, "contacts"), (CRM, "owners")):
            outside.cursors.want(link, feed, 0)
        outside.close()

    def ingest(self) -> list[str | None]:
        """Read until idle in a process of its own, so to speak; why which feed could not be read."""
        parts = Installation(self.settings)
        outside = Outside(parts)
        working = Ingesting(outside.ingest(), threads=4, also=outside.watching().step)
        while working.step():
            pass
        working.close()
        reasons = [one.reason for one in outside.cursors.all()]
        outside.close()
        parts.close()
        return reasons

    def wake(self) -> None:
        """Everything is due."""
        outside = Outside(Installation(self.settings))
        for one in outside.cursors.all():
            outside.cursors.wake(one.link, one.feed, now())
        outside.close()

    def said(self) -> list[tuple[str, str]]:
        """(type, subject) of all that is in the log, in order."""
        parts = Installation(self.settings)
        found = [msgspec.json.decode(record.body) for record in parts.source.read("0", 0, 1000)]
        parts.close()
        return [(str(one["type"]).removeprefix("rendezvous.").removesuffix(".v1"), one["subject"]) for one in found]


@pytest.fixture
def wired(tmp_path: Path) -> Iterator[Wired]:
    """An installation."""
    wired = Wired(tmp_path / "data")
    yield wired
    wired.sandbox.close()


def meet(wired: Wired, title: str) -> str:
    """Ana makes a meeting with Bo; its id."""
    return str(wired.google.event(ANA, title, "2030-03-09T10:00:00", "2030-03-09T11:00:00", [BO])["id"])


def test_an_installation_reads_what_there_is_and_then_what_changed(wired: Wired) -> None:
    first = meet(wired, "Kick-off")
    assert wired.ingest() == [None] * 4
    said = wired.said()
    assert [kind for kind, _ in said] == ["user.added", "contact.created", "meeting.created", "calendar.listed"]
    assert said[2][1] == first
    assert wired.ingest() == [None] * 4
    assert wired.said() == said, "nothing is due yet"
    second = meet(wired, "Review")
    wired.wake()
    assert wired.ingest() == [None] * 4
    assert wired.said() == [*said, ("meeting.created", second)]


def test_a_user_who_takes_his_permission_back_stops_his_calendar_alone(wired: Wired) -> None:
    wired.ingest()
    before = wired.said()
    wired.google.revoke(ANA)
    wired.hubspot.contact("eve@elsewhere.example", "Eve")
    wired.wake()
    reasons = wired.ingest()
    assert (len([one for one in reasons if one]), len(reasons)) == (1, 4)
    assert [kind for kind, _ in wired.said()[len(before) :]] in (
        ["connection.deauthorised", "contact.created"],
        ["contact.created", "connection.deauthorised"],
    )
