"""An installation beside a sandbox, both in this process, moved on by hand: for the demo, and for tests that tell a whole story.

Everything but the pace is real: the simulators answer on loopback ports, consent is given on their pages, and the roles are those of
`rendezvous up`. What must stay true: when `settle` returns, no side has anything to say to the other that would change anything.
"""

from __future__ import annotations

import html
import re
import socket
import threading
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx
import msgspec

from domain.errors import Stop
from domain.outside import Link
from services.deliver import Delivering
from services.ingest import Ingesting
from services.monitor import Numbers
from services.sandbox.entra import Entra
from services.sandbox.entra_directory import Directory
from services.sandbox.google import CLIENT, Google
from services.sandbox.hubspot import CLIENT_ID, CLIENT_SECRET, HubSpot
from services.sandbox.office365 import Office365
from services.sandbox.page import page
from services.sandbox.shell import Sandbox
from services.sandbox.world import World
from services.serve import Listener, app_of
from services.settings import Settings
from services.up import Engine
from services.wiring import Installation, now
from services.wiring_providers import Outside

MOST_ROUNDS = 12
"""What one side writes, the other tells back once; more rounds than a few are two sides that never come to an end."""

PATIENCE, PAUSE = 90.0, 0.05
"""Seconds for which a write may wait, and between two looks."""

HOST = "127.0.0.1"


class Town:
    """The providers: one sandbox with a calendar service of each kind, a login, and a CRM."""

    def __init__(self, seed: int = 0, port: int = 0, https_port: int = 0, host: str = HOST) -> None:
        self.world = World(seed)
        directory = Directory(self.world)
        self.google, self.office365, self.hubspot = Google(self.world), Office365(self.world, directory), HubSpot(self.world)
        self.entra = Entra(self.world, directory)
        self.sandbox = Sandbox(
            [self.google, self.entra, self.office365, self.hubspot], self.world, port=port, https_port=https_port, host=host, page=page
        )

    def settings(self, **more: Any) -> dict[str, Any]:
        """What an installation must be told to take this for its providers."""
        there = self.sandbox.url
        return {
            "google_client_id": CLIENT,
            "google_client_secret": "sandbox",
            "google_login_url": there,
            "google_token_url": there,
            "google_api_url": f"{there}/calendar/v3",
            "office365_client_id": CLIENT,
            "office365_client_secret": "sandbox",
            "office365_login_url": there,
            "office365_api_url": f"{there}/v1.0",
            "hubspot_client_id": CLIENT_ID,
            "hubspot_client_secret": CLIENT_SECRET,
            "hubspot_login_url": there,
            "hubspot_api_url": there,
            **more,
        }


class Live:
    """An installation whose providers are a town's. Use it as a context manager."""

    def __init__(self, town: Town, data: Path) -> None:
        self.town, self._data = town, data
        self._tokens: dict[str, str] = {}

    def __enter__(self) -> Live:
        self.town.sandbox.start()
        port = free_port()
        # Said outright that logs and store are in the folder: variables may name the places of a real installation.
        told = self.town.settings(data=self._data, log=None, store=None, public_url=f"http://{HOST}:{port}", log_level="warning")
        self.parts = Installation(Settings(**told))
        self.outside = Outside(self.parts)
        self._browser = httpx.Client(trust_env=False, timeout=30)
        self._ending = threading.Event()
        self.api = Listener(app_of(self.parts, self._ending.is_set, self.outside), HOST, port, self._ending)
        self.api.start()
        self.town.hubspot.subscribe(f"{self.api.url}/v1/hooks/hubspot")
        self.start()
        return self

    def start(self) -> None:
        """Begin the roles, or begin them anew with what is stored, as after a crash."""
        self._engine = Engine(self.parts, lambda: False)
        self._ingesting = Ingesting(self.outside.ingest(), threads=2)
        self._delivering = Delivering(self.outside.deliver(), Numbers("deliver"), threads=2)

    def __exit__(self, *_: object) -> None:
        self.api.stop()
        self._ingesting.close()
        self._browser.close()
        self.outside.close()
        self.parts.close()
        self.town.sandbox.close()

    # --- connecting

    def connect(self, link: Link, address: str) -> str:
        """A whole consent: asked of the API, given by whoever has this address on the provider's page, finished by its way back. What
        the last page says. Raises `Stop` with that if it says no."""
        token = self._token(link.account)
        user = {"user": link.user} if link.user else {}
        began = self._browser.post(f"{self.api.url}/v1/connect/{link.provider}", params=user, headers={"authorization": f"Bearer {token}"})
        if began.status_code != 200:
            raise Stop(began.json().get("detail", began.text))
        done = self._clicked(began.json()["url"], address)
        if done.status_code != 200:
            raise Stop(_text(done.text))
        return _text(done.text)

    def _token(self, account: str) -> str:
        if account not in self._tokens:
            self._tokens[account] = self.parts.tokens.create(account, ("ops",), "sandbox")
        return self._tokens[account]

    def _clicked(self, url: str, address: str) -> httpx.Response:
        """The provider's page, with consent given there, and where that leads to."""
        page = self._browser.get(url)
        action = re.search(r'formaction="([^"]+)"', page.text)
        chosen = {"account": address, "consent": "allow", "decision": "accept"}
        target = urljoin(url, action[1].replace("&amp;", "&")) if action else url
        asked = dict(httpx.URL(url).params) | (dict(httpx.URL(target).params) if action else chosen)
        return self._browser.get(httpx.URL(target).copy_with(query=None), params=asked, follow_redirects=True)

    def disconnect(self, link: Link) -> None:
        """End a connection."""
        self.outside.connecting().disconnect(link)

    # --- moving on

    def settle(self, listened: bool = True) -> int:
        """Read, decide, fold and write until nothing moves; how many source events that made. HubSpot's news come as webhooks; with
        `listened` False its feeds are searched as well, for what webhooks did not tell."""
        began = self.parts.source.end("0")
        for _ in range(MOST_ROUNDS):
            end = self.parts.source.end("0")
            self.town.world.outbox.flush()
            self._wake(("events",) if listened else ("events", "meetings", "contacts", "owners"))
            while self._ingesting.step():
                pass
            self._decide()
            self._write()
            self._decide()
            if self.parts.source.end("0") == end:
                return end - began
        raise Stop(f"after {MOST_ROUNDS} rounds the sides still have news for each other")

    def _write(self) -> None:
        """Until nothing waits to be written, not even for a provider that had refused it for the moment."""
        until = time.monotonic() + PATIENCE
        while self._delivering.step() or self.outside.deliveries.all(None, "waiting", "", 1):
            if time.monotonic() > until:
                raise Stop("something waits to be written for too long")
            time.sleep(PAUSE)

    def _decide(self) -> None:
        while self._engine.turn():
            pass

    def _wake(self, feeds: Collection[str]) -> None:
        """These are due, as if their side had said that it has news."""
        at = now()
        for cursor in self.outside.cursors.all():
            if cursor.feed in feeds:
                self.outside.cursors.wake(cursor.link, cursor.feed, at)

    def publish(self, event: dict[str, Any]) -> None:
        """Tell a source event of an account's own."""
        (receipt,) = self.parts.publisher.accept([msgspec.json.encode(event)])
        if receipt.outcome == "rejected":
            raise Stop(f"rejected: {[f'{one.pointer} {one.reason}' for one in receipt.errors]}")


def free_port() -> int:
    """A port that nobody listens on: our public address is part of the settings, which come before the server."""
    with socket.create_server((HOST, 0)) as probe:
        return int(probe.getsockname()[1])


def _text(page: str) -> str:
    """What a page says, without its markup."""
    body = re.sub(r"<(style|head|script)\b.*?</\1>", " ", page, flags=re.S)
    return html.unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", body))).strip()
