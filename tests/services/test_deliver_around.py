"""All the way round: what the CRM schedules is decided, written to a calendar, confirmed and read back, and stays one meeting."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from adapters import http
from adapters.google import calling as google_calling
from adapters.google.translate import translate as of_google
from adapters.google.writer import GoogleWriter
from adapters.http import Api, Throttle
from adapters.memory.buckets import MemoryBuckets
from adapters.office365 import calling as office365_calling
from adapters.office365.calling import PREFER
from adapters.office365.translate import translate as of_office365
from adapters.office365.writer import Office365Writer
from domain.outside import Writer
from services.deliver import LEASE_MS, Deliver
from services.sandbox.entra_directory import Directory
from services.sandbox.google import Google
from services.sandbox.office365 import Office365
from services.sandbox.shell import Sandbox
from services.sandbox.world import World
from tests.engine import Engine
from tests.examples import ACCOUNT, ANA, BO, Event, connected, hour, row, stage
from tests.outgoing import GOOGLE, OFFICE365, Tokens, granted

LINKS = {"google": GOOGLE, "office365": OFFICE365}


class Round:
    """An engine in memory, a provider in the sandbox, and what goes between them."""

    def __init__(self, provider: str, world: World) -> None:
        self.provider, self.world = provider, world
        self.google, self.office365 = Google(world), Office365(world, Directory(world))
        self.google.user(ANA, "Ana Ruiz", "Europe/Paris")
        self.access = Tokens(self.google.token(ANA) if provider == "google" else self.office365.token(ANA))
        self.engine = Engine()
        self.engine.at = world.now()
        others = [event for event in stage() if not event["type"].startswith("rendezvous.connection.")]
        self.engine.tell(*others, connected("501", provider))

    def open(self, url: str, since: int = 0) -> None:
        """Make what writes, with a calendar that was first connected here at a time (ms)."""
        self.url = url
        client, throttle = http.client(httpx.HTTPTransport(verify=False)), Throttle(MemoryBuckets(), self.world.now, lambda seconds: None)
        base = f"{url}/calendar/v3/" if self.provider == "google" else f"{url}/v1.0/"
        make = google_calling.api if self.provider == "google" else office365_calling.api
        self.api: Api = make(client, self.access, throttle, base)
        writer: Writer = GoogleWriter(self.api, base) if self.provider == "google" else Office365Writer(self.api)
        self.deliver = Deliver(
            self.engine.store.deliveries,
            {self.provider: writer},
            granted(LINKS[self.provider], since=since),
            self.engine.vault,
            self.engine.publisher,
            self.engine.clock,
            lambda: 0.0,
        )

    def tell(self, event: Event) -> None:
        """The CRM speaks, and what follows is written."""
        self.world.move(60_000)
        self.engine.tell(event)
        self.write()

    def write(self) -> list[str]:
        """All that is due; what became of each."""
        done: list[str] = []
        while claimed := self.deliver.deliveries.claim(self.engine.clock(), LEASE_MS, 10):
            done += [self.deliver.carry_out(one) for one in claimed]
            self.engine.settle()
        return done

    def read(self) -> list[tuple[str, str]]:
        """The calendar is read, whole, and what follows is written; the first decision about each event."""
        said = self._said()
        self.engine.tell(*said)
        return [self.engine.decided(event)[0] for event in said]

    def _said(self) -> list[Event]:
        about: Any = {"account": ACCOUNT, "user": "501", "calendar": ANA}
        if self.provider == "google":
            page = self.api.call(GOOGLE, "GET", "calendars/primary/events").body
            return of_google([page], **about).events
        return of_office365([self.api.call(OFFICE365, "GET", "me/events", headers={"Prefer": PREFER}).body], **about).events

    def retitle(self, title: str) -> None:
        """Ana does so herself."""
        self.world.move(60_000)
        if self.provider == "google":
            self.google.change(ANA, self.google.events(ANA)[0]["id"], summary=title)
        else:
            self.office365.change(ANA, self.office365.events(ANA)[0]["id"], subject=title)

    def shown(self) -> list[tuple[str, str, str | None]]:
        return [(entry["title"], entry["start"], entry["location"]) for entry in self.engine.timeline()]

    def invited(self) -> list[str]:
        return [mail.to for mail in self.world.invitations() if mail.to != ANA]


@pytest.fixture(params=sorted(LINKS))
def around(request: pytest.FixtureRequest) -> Iterator[Round]:
    world = World(seed=5)
    world.freeze(int(hour(1).timestamp() * 1000))
    around = Round(request.param, world)
    with Sandbox([around.google, around.office365], world) as sandbox:
        around.open(sandbox.url)
        yield around


def test_what_the_crm_schedules_is_one_meeting_everywhere(around: Round) -> None:
    around.tell(row(revision=1))
    assert around.invited() == [BO]
    assert around.read() == [("echo", "ignored")]
    assert (around.write(), around.shown()) == ([], [("Kick-off", "2026-04-07T08:00:00Z", "Room 4")])


def test_what_both_sides_change_afterwards_survives_on_both(around: Round) -> None:
    around.tell(row(revision=1))
    around.retitle("Kick-off, with coffee")
    assert around.read() == [("calendar-updates", "applied")]
    assert around.write() == []
    around.tell(row(revision=9, location="Room 9"))
    assert around.read() == [("echo", "ignored")]
    assert (around.write(), around.shown()) == ([], [("Kick-off, with coffee", "2026-04-07T08:00:00Z", "Room 9")])
    assert around.invited() == [BO]


def test_a_history_that_was_decided_before_its_calendar_was_connected_here_invites_nobody(around: Round) -> None:
    """As in another installation that is fed with the same source log; what comes after it is written as ever."""
    around.open(around.url, since=around.engine.clock() + 10_000_000)
    around.tell(row(revision=1))
    assert (around.read(), around.invited()) == ([], [])
    assert [one.state for one in around.deliver.deliveries.all(None, None, "", 9)] == ["failed"]
    around.engine.at += 20_000_000
    around.tell(row("9002", revision=2))
    assert (around.invited(), len(around.read())) == ([BO], 1)
