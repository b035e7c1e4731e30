"""Connecting again: what waited to be written goes on at once, and what waits for somebody else goes on waiting."""

from __future__ import annotations

from msgspec.structs import replace

from adapters.memory.deliveries import MemoryDeliveries
from domain.errors import Deauthorised
from domain.outside import Link, Request, Written
from domain.people import Person
from services.connecting import Connecting
from services.deliver import LEASE_MS, Deliver
from tests.outgoing import request
from tests.services.consents import GOOGLE, PUBLIC, Consents

BEN = Link(GOOGLE.account, "google", "502")


class Calendar:
    """Takes what is written with a token."""

    def __init__(self, consents: Consents) -> None:
        self._consents = consents
        self.written: list[Link] = []

    def write(self, request: Request, people: dict[str, Person]) -> Written:
        self._consents.access.bearer(request.link)
        self.written.append(request.link)
        return Written(request.id, None)


class Office:
    """Two connected calendars whose grants were lost, and a meeting to be written to each."""

    def __init__(self) -> None:
        self.consents = consents = Consents()
        self.deliveries, self.calendar = MemoryDeliveries(consents.clock), Calendar(consents)
        parts = {name: getattr(consents, name) for name in ("grants", "cursors", "channels", "inbox", "once", "clock")}
        publisher, vault = consents.engine.publisher, consents.engine.vault
        consents.connecting = Connecting(
            **parts,
            authorities=consents.providers,
            publisher=publisher,
            watches={},
            public_url=PUBLIC,
            deliveries=self.deliveries,
        )
        self._deliver = Deliver(self.deliveries, {"google": self.calendar}, consents.grants, vault, publisher, consents.clock, lambda: 0.0)
        for number, link in enumerate((GOOGLE, BEN)):
            consents.connect(link)
            self.deliveries.put([request(link, id=f"{number:032x}", guests=(), requested_at=consents.now)])
            self._lose(link)

    def _lose(self, link: Link) -> None:
        """The provider takes the permission no more, and we hear of it at the next token."""
        grant = self.consents.grants.get(link)
        assert grant is not None
        self.consents.grants.put(replace(grant, expires_at=self.consents.now))
        self.consents.providers["google"].fails = Deauthorised("withdrawn. Connect again")
        try:
            self.consents.access.bearer(link)
        except Deauthorised:
            return
        raise AssertionError("it was not lost")

    def step(self) -> list[str]:
        """All that is due, once."""
        return [self._deliver.carry_out(one) for one in self.deliveries.claim(self.consents.now, LEASE_MS, 9)]


def test_what_waited_for_a_connection_is_written_as_soon_as_it_is_made_again() -> None:
    office = Office()
    assert (office.step(), office.step(), office.calendar.written) == (["waiting", "waiting"], [], [])
    office.consents.now += 1_000
    office.consents.connect(GOOGLE)
    assert (office.step(), office.calendar.written) == (["done"], [GOOGLE])
    [waiting] = office.deliveries.all(None, "waiting", "", 9)
    assert (waiting.request.link, waiting.reason) == (BEN, "withdrawn. Connect again")
