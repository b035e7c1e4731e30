"""`rendezvous up`, killed with SIGKILL in the middle of its writes: the providers have done what they were asked, and nobody has heard
their answers. Begun again it finds its own work: one event, one invitation and one row for each meeting, and every delivery done.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import msgspec
import pytest

from domain.outside import Link
from services.cli_sandbox import ACCOUNT, ANA, BEN, BO, people
from services.live import HOST, Town, free_port
from services.sandbox.hubspot_types import CONTACTS, MEETINGS
from services.sandbox.world import Fault
from services.settings import Settings
from services.wiring import Installation, now
from services.wiring_providers import Outside
from tests.end_to_end.two_sides import EVERYTHING
from tests.servers.processes import Process
from tests.services.test_cli_sandbox import interrupted, pressed

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

LONG = 120.0
"""Seconds after which something that should have happened is given up: what a dead process had is another's after one minute."""

WRITES = {"google": r"/events$", "office365": r"/events$", "hubspot": r"objects/meetings(/batch/upsert)?$"}
"""What the first write to each is."""


class Unheard:
    """Takes the place of `Faults.take`, which is asked whether an answer is lost once its request was carried out: that of each
    provider's first write waits until it is released, and is lost."""

    def __init__(self, take: Callable[..., Fault | None]) -> None:
        self._take, self._released = take, Event()
        self.done: list[str] = []

    def __call__(self, effect: str, simulator: str, method: str = "*", path: str = "") -> Fault | None:
        write = Fault(effect="drop_after", simulator=simulator, method="POST", path=WRITES.get(simulator, "^$"))
        if simulator in self.done or not write.concerns(effect, simulator, method, path):
            return self._take(effect, simulator, method, path)
        self.done.append(simulator)
        self._released.wait(LONG)
        return write

    def release(self) -> None:
        """Whoever waited for them is gone."""
        self._released.set()


class Office:
    """A town, and an installation beside it in a process of its own."""

    def __init__(self, town: Town, folder: Path) -> None:
        self.town, self._folder, self._port, self._begun = town, folder, free_port(), 0
        self.api = f"http://{HOST}:{self._port}"
        self._told = town.settings(data=str(folder / "data"), public_url=self.api)
        # The same stores, seen from here, as an operator's command would.
        self.parts = Installation(Settings(**self._told, log=None, store=None, log_level="warning"))
        self.outside = Outside(self.parts)
        self.process = self.begin()

    def begin(self) -> Process:
        """`rendezvous up`, when it answers."""
        self._begun += 1
        settings = {f"RENDEZVOUS_{name.upper()}": str(value) for name, value in self._told.items()}
        self.process = Process(("up", "--port", str(self._port)), settings, self._folder / f"{self._begun}")
        self.eventually(lambda: "rendezvous is up" in self.process.told)
        return self.process

    def eventually(self, holds: Callable[[], Any]) -> None:
        """Wait until it does."""
        until = time.monotonic() + LONG
        while not holds():
            assert self.process.code is None, self.process.said[-2000:]
            assert time.monotonic() < until, f"not within {LONG:.0f} s; {self.process.said[-2000:]}"
            time.sleep(0.1)

    def write_both_ways(self) -> None:
        """The account's settings say so."""
        event = {
            "specversion": "1.0",
            "id": "1",
            "source": f"/accounts/{ACCOUNT}/settings",
            "type": "rendezvous.account.configured.v1",
            "subject": ACCOUNT,
            "account": ACCOUNT,
            "time": "2026-03-02T09:00:00Z",
            "data": {"policy": {"writes": {"calendar": True, "crm": True}}},
        }
        [receipt] = self.parts.publisher.accept([msgspec.json.encode(event)])
        assert receipt.outcome == "accepted"

    def connect(self, *connections: tuple[Link, str]) -> None:
        """Each by its owner, through a link that was handed to him."""
        token = self.parts.tokens.create(ACCOUNT, ("ops",), "test")
        with httpx.Client(trust_env=False, timeout=20, follow_redirects=True) as client:
            for link, address in connections:
                user = {"user": link.user} if link.user else {}
                asked = client.post(
                    f"{self.api}/v1/connect/{link.provider}/link", params=user, headers={"authorization": f"Bearer {token}"}
                )
                assert "is connected" in pressed(client, asked.json()["url"], address)

    def read(self) -> bool:
        """Was everything read that is connected?"""
        return all(cursor.read_at is not None for cursor in self.outside.cursors.all())

    def states(self) -> Counter[str]:
        """How many deliveries are in which state."""
        return Counter(one.state for one in self.outside.deliveries.all(None, None, "", EVERYTHING))

    def under_way(self) -> list[str]:
        """Where the deliveries go that somebody had begun and not kept."""
        return sorted(one.request.link.provider for one in self.outside.deliveries.all(None, "waiting", "", EVERYTHING) if one.lease)

    def confirmed(self) -> Counter[str]:
        """How often each delivery was."""
        records = [msgspec.json.decode(record.body) for record in self.parts.source.read("0", 0, EVERYTHING)]
        return Counter(record["subject"] for record in records if record["type"] == "rendezvous.delivery.confirmed.v1")

    def in_calendars(self) -> list[str]:
        """The titles of all that stands in Ana's and Ben's."""
        return sorted(
            [event["summary"] for event in self.town.google.events(ANA)] + [e["subject"] for e in self.town.office365.events(BEN)]
        )

    def in_crm(self) -> list[str]:
        """The titles of the rows."""
        return sorted(str(row.current()["hs_meeting_title"]) for row in self.town.hubspot.portal(int(ACCOUNT)).listed(MEETINGS))

    def invited(self) -> Counter[str]:
        """How often Bo was invited to what."""
        return Counter(mail.title for mail in self.town.world.invitations(BO))

    def close(self) -> None:
        """Leave nothing behind."""
        self.process.kill()
        self.outside.close()
        self.parts.close()


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    town = Town()
    with closing(town.sandbox):
        town.sandbox.start()
        people(town)
        with closing(Office(town, tmp_path)) as office:
            yield office


def test_writes_whose_answers_nobody_heard_before_the_process_was_killed_are_found_and_done(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    town, ana, ben, crm = office.town, Link(ACCOUNT, "google", "501"), Link(ACCOUNT, "office365", "502"), Link(ACCOUNT, "hubspot")
    office.write_both_ways()
    office.connect((crm, ANA), (ana, ANA), (ben, BEN))
    office.eventually(office.read)
    town.world.move(1000)  # Google tells in which second an event was made: this one is after the consent
    unheard = Unheard(town.world.faults.take)
    monkeypatch.setattr(town.world.faults, "take", unheard)
    bo = next(iter(town.hubspot.portal(int(ACCOUNT)).listed(CONTACTS))).id
    town.google.event(ANA, "Lunch", "2036-03-04T12:00:00Z", "2036-03-04T13:00:00Z", [BO])
    office.outside.cursors.wake(ana, "events", now())
    office.eventually(lambda: unheard.done == ["hubspot"])
    for whose, title in ((ANA, "Kick-off"), (BEN, "Review")):
        town.hubspot.schedule(whose, title, "2036-03-03T09:00:00Z", contacts=[str(bo)])
    office.outside.cursors.wake(crm, "meetings", now())
    office.eventually(lambda: len(unheard.done) == len(WRITES))

    assert office.process.kill()
    unheard.release()
    assert (office.under_way(), office.confirmed()) == (["google", "hubspot", "office365"], Counter())
    done = (["Kick-off", "Lunch", "Review"], ["Kick-off", "Lunch", "Review"], {"Kick-off": 1, "Lunch": 1, "Review": 1})
    assert (office.in_calendars(), office.in_crm(), office.invited()) == done

    office.begin()
    office.eventually(lambda: not office.states()["waiting"])
    assert interrupted(office.process) == 0
    assert set(office.states()) == {"done"}
    assert (len(office.confirmed()) >= 3, set(office.confirmed().values())) == (True, {1})
    assert (office.in_calendars(), office.in_crm(), office.invited()) == done
