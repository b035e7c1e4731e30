"""From the first click to the first push, over sockets: our routes as a server, and the providers' simulators as theirs."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest
from msgspec.structs import replace

from adapters.google import calling as google
from adapters.google.oauth import GoogleAuthority
from adapters.google.watching import GoogleWatch
from adapters.http import Throttle
from adapters.hubspot.oauth import HubSpotAuthority
from adapters.memory.buckets import MemoryBuckets
from adapters.office365 import calling as office365
from adapters.office365.oauth import Office365Authority
from adapters.office365.watching import Office365Watch
from domain.errors import Deauthorised
from domain.outside import Authority, Channel, Grant, Link, Watch
from services.access import FreshAccess
from services.api.app import Front
from services.connecting import Connecting
from services.push import Push
from services.sandbox.entra import Entra
from services.sandbox.entra_directory import Directory
from services.sandbox.google import Google
from services.sandbox.hubspot import CLIENT_ID, CLIENT_SECRET, HubSpot
from services.sandbox.office365 import Office365
from services.sandbox.shell import Sandbox
from services.sandbox.world import World
from services.serve import Listener
from tests.examples import ACCOUNT, ANA
from tests.services.consents import CRM, GOOGLE, MINUTE, OFFICE, Consents

HOUR = 60 * MINUTE
LINKS = [pytest.param(GOOGLE, id="Google"), pytest.param(OFFICE, id="Office 365"), pytest.param(CRM, id="HubSpot")]


class Town:
    """The simulators, and our API beside them, all on loopback ports. The clock of the town is ours, too."""

    def __init__(self) -> None:
        self.world = World(seed=7)
        self.consents = Consents()
        self.world.freeze(self.consents.now)
        self.google, self.hubspot = Google(self.world), HubSpot(self.world)
        directory = Directory(self.world)
        self.entra, self.office365 = Entra(self.world, directory, says_issuer=True), Office365(self.world, directory)
        self.sandbox = Sandbox([self.google, self.entra, self.office365, self.hubspot], self.world)
        self._ending = threading.Event()
        self._app: Front | None = None
        self.listener = Listener(self._answer, "127.0.0.1", 0, self._ending)
        # Pages are asked for as a browser does: with cookies, and not through anybody's proxy.
        self.browser = httpx.Client(trust_env=False, timeout=10)
        self.http = httpx.Client(trust_env=False, timeout=10)

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        assert self._app is not None
        await self._app(scope, receive, send)

    def open(self) -> Town:
        """People, ports, and parts that know each other's addresses."""
        self.google.user(ANA, "Ana Ruiz", "Europe/Paris")
        self.office365.user(ANA, "Ana Ruiz")
        self.hubspot.portal(int(ACCOUNT), "Acme")
        self.hubspot.user(ANA, "Ana", "Ruiz")
        there = self.sandbox.start().url
        authorities: dict[str, Authority] = {
            "google": GoogleAuthority(self.http, "app", "secret", login=there, tokens=there, api=f"{there}/calendar/v3"),
            "office365": Office365Authority(self.http, "app", "secret", login=there, api=f"{there}/v1.0"),
            "hubspot": HubSpotAuthority(self.http, CLIENT_ID, CLIENT_SECRET, login=there, api=there),
        }
        consents = self.consents
        self._app = consents.app()
        self.listener.start()  # whose port is part of what the others are told
        parts: dict[str, Any] = {
            "grants": consents.grants,
            "cursors": consents.cursors,
            "channels": consents.channels,
            "inbox": consents.inbox,
            "once": consents.once,
            "public_url": self.listener.url,
            "clock": self.world.now,
        }
        access = consents.access = FreshAccess(consents.grants, authorities, consents.engine.publisher, self.world.now)
        throttle = Throttle(MemoryBuckets(), self.world.now)
        self.watches: dict[str, Watch] = {
            "google": GoogleWatch(google.api(self.http, access, throttle, f"{there}/calendar/v3"), consents.grants),
            "office365": Office365Watch(office365.api(self.http, access, throttle, f"{there}/v1.0")),
        }
        publisher = consents.engine.publisher
        consents.connecting = Connecting(**parts, authorities=authorities, publisher=publisher, watches=self.watches)
        consents.push = Push(**parts, dead=consents.engine.dead, secret=CLIENT_SECRET)
        self._app = consents.app()
        return self

    def close(self) -> None:
        """Close the ports."""
        self.listener.stop()
        self.sandbox.close()

    def post(self, path: str) -> httpx.Response:
        """An operator asks, in the user's browser."""
        return self.browser.post(self.listener.url + path, headers=self.consents.engine.header("ops"))

    def click(self, url: str) -> httpx.Response:
        """Consent at the provider, as Ana; the page that it ends with."""
        page = self.browser.get(url)
        assert page.status_code == 200, page.text
        action = re.search(r'formaction="([^"]+)"', page.text)
        chosen = {"account": ANA, "consent": "allow", "decision": "accept"}
        target = urljoin(url, action[1].replace("&amp;", "&")) if action else url
        asked = dict(httpx.URL(url).params) | (dict(httpx.URL(target).params) if action else chosen)
        return self.browser.get(httpx.URL(target).copy_with(query=None), params=asked, follow_redirects=True)

    def connect(self, link: Link) -> Grant:
        """A whole consent."""
        user = f"?user={link.user}" if link.user else ""
        began = self.post(f"/v1/connect/{link.provider}{user}")
        assert began.status_code == 200, began.text
        done = self.click(began.json()["url"])
        assert (done.status_code, "is connected" in done.text) == (200, True), done.text
        grant = self.consents.grants.get(link)
        assert grant is not None
        return grant

    def later(self, ms: int) -> None:
        """Time goes by."""
        self.world.freeze(self.world.now() + ms)


@pytest.fixture
def town() -> Iterator[Town]:
    town = Town().open()
    yield town
    town.close()


# --- connecting --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("link", LINKS)
def test_a_consent_is_clicked_through_and_becomes_a_grant(town: Town, link: Link) -> None:
    grant = town.connect(link)
    assert (grant.state, grant.address, grant.tenant == ACCOUNT) == ("live", None if link == CRM else ANA, link == CRM)
    assert grant.calendar == {GOOGLE: ANA, CRM: None}.get(link, grant.calendar)
    assert grant.granted_at == town.world.now()
    assert town.consents.verbs() == ([] if link == CRM else ["activated"])


@pytest.mark.parametrize("link", LINKS)
def test_the_token_opens_the_api(town: Town, link: Link) -> None:
    town.connect(link)
    path = {GOOGLE: "/calendar/v3/calendars/primary/events", OFFICE: "/v1.0/me/events", CRM: "/crm/v3/objects/contacts"}[link]
    for _ in range(2):
        bearer = town.consents.access.bearer(link)
        assert town.http.get(town.sandbox.url + path, headers={"Authorization": f"Bearer {bearer}"}).status_code == 200
        town.later(2 * HOUR)


@pytest.mark.parametrize("link", LINKS)
def test_a_token_is_refreshed_again_and_again(town: Town, link: Link) -> None:
    """Microsoft's refresh tokens are dead once they were used."""
    town.connect(link)
    seen = set()
    for _ in range(3):
        seen.add(town.consents.access.bearer(link))
        town.later(2 * HOUR)
    assert len(seen) == 3


@pytest.mark.parametrize(
    ("link", "said"),
    [
        pytest.param(GOOGLE, "withdrawn", id="Google"),
        pytest.param(OFFICE, "the password was changed", id="Office 365"),
        pytest.param(CRM, "uninstalled", id="HubSpot"),
    ],
)
def test_what_a_user_takes_back_is_lost_with_a_sentence(town: Town, link: Link, said: str) -> None:
    town.connect(link)
    town.later(2 * HOUR)
    town.google.revoke(ANA)
    town.entra.directory.revoke(ANA)
    town.hubspot.oauth.uninstall(town.hubspot.app, town.hubspot.portals[int(ACCOUNT)])
    with pytest.raises(Deauthorised, match=said):
        town.consents.access.bearer(link)
    town.connect(link)
    assert town.consents.access.bearer(link)
    assert town.consents.verbs() == ([] if link == CRM else ["activated", "deauthorised", "activated"])


def test_declining_connects_nothing(town: Town) -> None:
    for link, choice in ((GOOGLE, {"consent": "deny"}), (OFFICE, {"decision": "decline"}), (CRM, {"deny": "1"})):
        url = town.post(f"/v1/connect/{link.provider}{'?user=501' if link.user else ''}").json()["url"]
        done = town.browser.get(url, params=dict(httpx.URL(url).params) | choice, follow_redirects=True)
        assert (done.status_code, "was not given" in done.text) == (400, True)
    assert town.consents.grants.all() == []


def test_switching_from_one_calendar_to_the_other(town: Town) -> None:
    town.connect(GOOGLE)
    assert town.post("/v1/connect/office365?user=501").status_code == 409
    assert town.consents.connecting.disconnect(GOOGLE).revoked
    town.connect(OFFICE)
    assert town.consents.verbs() == ["activated", "disconnected", "activated"]


def test_a_disconnected_grant_is_worth_nothing_at_the_provider(town: Town) -> None:
    google, crm = town.connect(GOOGLE), town.connect(CRM)
    assert town.consents.connecting.disconnect(GOOGLE).revoked
    assert town.consents.connecting.disconnect(CRM).revoked
    form = {"grant_type": "refresh_token", "client_id": "app", "client_secret": "secret", "refresh_token": google.refresh or ""}
    assert town.http.post(f"{town.sandbox.url}/token", data=form).json()["error"] == "invalid_grant"
    form |= {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET, "refresh_token": crm.refresh or ""}
    assert town.http.post(f"{town.sandbox.url}/oauth/2026-03/token", data=form).status_code == 400


# --- pushes ------------------------------------------------------------------------------------------------------------------


def idle(town: Town, link: Link) -> None:
    """As if all feeds had just been read."""
    town.consents.now = town.world.now()
    town.consents.later(link)


def test_a_webhook_of_hubspots_is_believed_and_kept(town: Town) -> None:
    town.connect(CRM)
    town.hubspot.subscribe(f"{town.listener.url}/v1/hooks/hubspot")
    contact = town.hubspot.contact("bo@client.example", "Bo")
    town.world.outbox.flush()
    notices = town.consents.inbox.claim(town.world.now(), 0, 100)
    assert {(notice.account, notice.provider) for notice in notices} == {(ACCOUNT, "hubspot")}
    assert [notice for notice in notices if str(contact).encode() in notice.body] != []
    assert town.consents.engine.dead.list(None, "", 10) == []


def test_a_webhook_of_somebody_elses_is_not(town: Town) -> None:
    town.connect(CRM)
    town.hubspot.app.secret = "another"
    town.hubspot.subscribe(f"{town.listener.url}/v1/hooks/hubspot")
    town.hubspot.contact("bo@client.example", "Bo")
    town.world.outbox.flush()
    assert town.consents.inbox.waiting() == 0


def open_channel(town: Town, link: Link) -> Channel:
    """Ask the provider to tell us, as the upkeep of channels does."""
    watch = town.watches[link.provider]
    channel = watch.open(link, "events", f"{town.listener.url}/v1/hooks/{link.provider}", town.world.now())
    town.consents.channels.put(channel)
    return channel


def schedule(town: Town, link: Link) -> None:
    """Ana puts something into her calendar, and the provider says so."""
    town.world.outbox.flush()
    idle(town, link)
    simulator: Any = town.google if link == GOOGLE else town.office365
    simulator.event(ANA, "Kick-off", "2026-03-09T10:00:00", "2026-03-09T11:00:00")
    town.world.outbox.flush()


CALENDARS = [pytest.param(GOOGLE, id="Google"), pytest.param(OFFICE, id="Office 365")]


@pytest.mark.parametrize("link", CALENDARS)
def test_a_channel_wakes_its_calendar_and_no_greeting_does(town: Town, link: Link) -> None:
    town.connect(link)
    open_channel(town, link)
    town.world.outbox.flush()
    idle(town, link)
    town.world.outbox.flush()
    assert town.consents.due(link) > town.world.now()
    schedule(town, link)
    assert town.consents.due(link) <= town.world.now()


@pytest.mark.parametrize("link", CALENDARS)
def test_a_channel_with_another_secret_wakes_nobody(town: Town, link: Link) -> None:
    town.connect(link)
    town.consents.channels.put(replace(open_channel(town, link), secret="another"))
    schedule(town, link)
    assert town.consents.due(link) > town.world.now()


@pytest.mark.parametrize("link", CALENDARS)
def test_disconnecting_closes_the_channel_at_the_provider(town: Town, link: Link) -> None:
    town.connect(link)
    channel = open_channel(town, link)
    bearer = town.consents.access.bearer(link)
    town.consents.connecting.disconnect(link)
    assert town.consents.channels.of(link) == []
    if link == GOOGLE:
        assert [one["stopped"] for one in town.google.state()["channels"]] == [True]
    else:
        headers = {"Authorization": f"Bearer {bearer}"}
        assert town.http.get(f"{town.sandbox.url}/v1.0/subscriptions/{channel.id}", headers=headers).status_code == 404


@pytest.mark.parametrize(
    ("event", "left"),
    [("reauthorizationRequired", 1), ("subscriptionRemoved", 0), ("missed", 1)],
    ids=["authorise again", "removed", "missed"],
)
def test_what_microsoft_says_of_a_subscription_is_heard(town: Town, event: str, left: int) -> None:
    town.connect(OFFICE)
    made = open_channel(town, OFFICE)
    idle(town, OFFICE)
    town.office365.lifecycle(event)
    town.world.outbox.flush()
    kept = town.consents.channels.of(OFFICE)
    assert (town.consents.due(OFFICE) <= town.world.now(), len(kept)) == (True, left)
    assert [one.expires_at < made.expires_at for one in kept] == [event == "reauthorizationRequired"] * left
