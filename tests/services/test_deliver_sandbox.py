"""Deliveries over HTTP to the simulators of the three providers: one event, one invitation, one confirmation, whatever happens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import count
from typing import Any
from uuid import UUID

import httpx
import msgspec
import pytest

from adapters import http
from adapters.google import calling as google_calling
from adapters.google.writer import GoogleWriter
from adapters.http import Throttle
from adapters.hubspot import calling as hubspot_calling
from adapters.hubspot.meetings import LINK
from adapters.hubspot.writer import HubSpotWriter
from adapters.memory.buckets import MemoryBuckets
from adapters.memory.deliveries import MemoryDeliveries
from adapters.memory.keys import MemoryKeys
from adapters.memory.log import MemorySourceLog
from adapters.office365 import calling as office365_calling
from adapters.office365.writer import LINK_PROPERTY, Office365Writer
from adapters.vault import SealingVault
from domain.events import Guest
from domain.outside import Delivery, Link, Request, Writer
from services.deliver import LEASE_MS, Deliver, Delivering
from services.monitor import Numbers
from services.publish import Publisher
from services.sandbox.entra_directory import Directory
from services.sandbox.google import Google
from services.sandbox.hubspot import HubSpot
from services.sandbox.hubspot_types import CONTACTS, MEETINGS
from services.sandbox.office365 import Office365
from services.sandbox.shell import Sandbox
from services.sandbox.world import World
from tests.examples import ACCOUNT, ANA, BO, CY
from tests.outgoing import DELIVERY, GOOGLE, HUBSPOT, MEETING, OFFICE365, Tokens, granted, request

NOON = int(datetime(2026, 3, 2, 12, tzinfo=UTC).timestamp() * 1000)
LINKS = {"google": GOOGLE, "office365": OFFICE365, "hubspot": HUBSPOT}
CALENDARS = ("google", "office365")
SIDES = (*CALENDARS, "hubspot")


class Side(Tokens):
    """One provider: what it holds, and who was invited."""

    def __init__(self, name: str, world: World) -> None:
        self.world, self.name, self.link = world, name, LINKS[name]
        self.google, self.office365, self.hubspot = Google(world), Office365(world, Directory(world)), HubSpot(world)
        self.google.user(ANA, "Ana Ruiz", "Europe/Paris")
        self.hubspot.portal(int(ACCOUNT))
        self.hubspot.user(ANA, "Ana", "Ruiz")
        self.contact = self.hubspot.contact(BO, "Bo", "Lindqvist")
        super().__init__(self._token())

    def _token(self) -> str:
        if self.name == "hubspot":
            return self.hubspot.token()
        return self.google.token(ANA) if self.name == "google" else self.office365.token(ANA)

    def consented(self, *scopes: str) -> None:
        """From now on Ana's token at Microsoft goes that far."""
        super().__init__(self.office365.token(ANA, *scopes))

    @property
    def simulators(self) -> list[Any]:
        return [self.google, self.office365, self.hubspot]

    def titles(self) -> list[str]:
        """Of everything there that carries our link."""
        return [str(one["title"]) for one in self.ours()]

    def ours(self) -> list[dict[str, Any]]:
        match self.name:
            case "google":
                all_ = [one | {"title": one.get("summary")} for one in self.google.events(ANA)]
                return [
                    one for one in all_ if one.get("extendedProperties", {}).get("private", {}).get("rendezvousMeeting") == str(MEETING)
                ]
            case "office365":
                box = self.office365.exchange.box(ANA)
                found = [event for event in box.of(None) if event.extended.get(LINK_PROPERTY) == str(MEETING)]
                shown = {one["id"]: one for one in self.office365.events(ANA)}
                return [shown[event.id] | {"title": shown[event.id]["subject"], "id": event.immutable} for event in found]
        portal = self.hubspot.portal(int(ACCOUNT))
        rows = [record for record in portal.listed(MEETINGS) if record.get(LINK) == str(MEETING)]
        return [record.current() | {"id": record.id, "title": record.get("hs_meeting_title")} for record in rows]

    def everything(self) -> list[str]:
        """The titles of all that is there, whoever made it."""
        match self.name:
            case "google":
                return [str(one.get("summary")) for one in self.google.events(ANA)]
            case "office365":
                return [str(one["subject"]) for one in self.office365.events(ANA)]
        return [str(one.get("hs_meeting_title")) for one in self.hubspot.portal(int(ACCOUNT)).listed(MEETINGS)]

    def retitle(self, title: str) -> None:
        """Ana changes the title herself."""
        id = str(self.ours()[0]["id"])
        match self.name:
            case "google":
                self.google.change(ANA, id, summary=title)
            case "office365":
                self.office365.change(ANA, id, subject=title)
            case _:
                self.hubspot.change("meetings", id, {"hs_meeting_title": title})

    def addressed(self) -> list[str | None]:
        """The addresses of the contacts that our row is associated with."""
        portal = self.hubspot.portal(int(ACCOUNT))
        record = portal.records["meetings"][str(self.ours()[0]["id"])]
        return [portal.records["contacts"][id].get("email") for id, _ in portal.linked(record, CONTACTS)]

    def invited(self) -> list[str]:
        return [mail.to for mail in self.world.invitations() if mail.to != ANA]


class Scene:
    """Our part: what survives a crash, and a role as a new process would make it."""

    def __init__(self, side: Side, url: str) -> None:
        self.side, self.url, self.now = side, url, NOON
        self.deliveries = MemoryDeliveries(self.clock)
        self.source, self.vault = MemorySourceLog(), SealingVault(MemoryKeys())
        others = [Link(ACCOUNT, side.name, f"{600 + number}") for number in range(5)]
        self.grants = granted(side.link, Link("70000", side.name, "9"), *others)
        self.bo, self.cy = self.vault.seal(ACCOUNT, [(BO, "Bo Lindqvist"), (CY, None)])

    def clock(self) -> int:
        return self.now

    def role(self, wrap: Callable[[httpx.BaseTransport], httpx.BaseTransport] = lambda plain: plain) -> Deliver:
        client = http.client(wrap(httpx.HTTPTransport(verify=False)))
        throttle = Throttle(MemoryBuckets(), self.clock, lambda seconds: None)
        google = f"{self.url}/calendar/v3/"
        writers: dict[str, Writer] = {
            "google": GoogleWriter(google_calling.api(client, self.side, throttle, google), google),
            "office365": Office365Writer(office365_calling.api(client, self.side, throttle, f"{self.url}/v1.0/")),
            "hubspot": HubSpotWriter(hubspot_calling.api(client, self.side, throttle, self.url)),
        }
        publisher = Publisher(self.source, self.vault, self.clock)
        return Deliver(self.deliveries, writers, self.grants, self.vault, publisher, self.clock, lambda: 0.0)

    def ask(self, **fields: Any) -> Request:
        """The proposal review with Bo, who is to be invited; in the CRM associated."""
        plain: dict[str, Any] = {"link": self.side.link, "guests": (Guest(self.bo),), "invite": True}
        if self.side.name == "hubspot":
            plain["contacts"] = (self.side.contact,)
        return request(**(plain | fields))

    def step(self, role: Deliver | None = None) -> list[str]:
        mine = role or self.role()
        return [mine.carry_out(one) for one in mine.deliveries.claim(self.clock(), LEASE_MS, 10)]

    def carry(self, *requests: Request) -> list[str]:
        self.deliveries.put(requests)
        return [state for _ in requests for state in self.step()]

    def told(self) -> list[dict[str, Any]]:
        return [msgspec.json.decode(record.body) for record in self.source.read("0", 0, 1000)]

    def confirmed(self) -> dict[str, Any]:
        """The provider's word on the last delivery that was carried out."""
        data: dict[str, Any] = [one for one in self.told() if one["type"] == "rendezvous.delivery.confirmed.v1"][-1]["data"]
        return data

    def delivery(self, id: str = DELIVERY) -> Delivery:
        found = self.deliveries.get(id)
        assert found is not None
        return found

    def change(self, id: str, *changed: str, **fields: Any) -> Request:
        """A later request for the copy as it was confirmed."""
        known = self.confirmed()
        own = {"action": "update", "copy": known["id"], "revision": known["revision"], "changed": changed, "requested_at": 2}
        return self.ask(**({"id": id, "invite": False} | own | fields))


@pytest.fixture
def world() -> World:
    world = World(seed=3)
    world.freeze(NOON)
    return world


@pytest.fixture
def scene(side: str, world: World) -> Iterator[Scene]:
    provider = Side(side, world)
    with Sandbox(provider.simulators, world) as sandbox:
        yield Scene(provider, sandbox.url)
    methods = {exchange.request.method for exchange in world.requests.last}
    assert methods <= {"GET", "POST", "PATCH"}


each_side = pytest.mark.parametrize("side", SIDES)
each_calendar = pytest.mark.parametrize("side", CALENDARS)


@each_side
def test_a_meeting_is_made_once_and_its_guest_invited_once(scene: Scene) -> None:
    assert scene.carry(scene.ask()) == ["done"]
    [ours] = scene.side.ours()
    assert (ours["title"], scene.confirmed()["id"]) == ("Proposal review", ours["id"])
    assert scene.side.invited() == ([] if scene.side.name == "hubspot" else [BO])


@each_calendar
def test_without_an_invitation_nobody_is_mailed(scene: Scene) -> None:
    scene.carry(scene.ask(invite=False))
    assert (scene.side.titles(), scene.side.invited()) == (["Proposal review"], [])


@each_calendar
def test_what_is_over_when_it_is_delivered_is_made_and_nobody_is_mailed(scene: Scene) -> None:
    scene.deliveries.put([scene.ask()])
    scene.now = int(datetime(2026, 4, 7, 9, tzinfo=UTC).timestamp() * 1000)
    assert scene.step() == ["done"]
    assert (scene.side.titles(), scene.side.invited()) == (["Proposal review"], [])


@each_side
def test_the_same_delivery_again_changes_nothing(scene: Scene) -> None:
    one = scene.ask()
    scene.carry(one)
    first, there = scene.told(), scene.side.ours()
    scene.deliveries = MemoryDeliveries(scene.clock)  # nothing is remembered of it
    assert scene.carry(one) == ["done"]
    assert (scene.told(), scene.side.ours(), len(scene.side.invited()) < 2) == (first, there, True)


@each_side
def test_a_creation_whose_answer_is_lost_is_found_again(scene: Scene) -> None:
    path = "upsert" if scene.side.name == "hubspot" else "events"
    scene.side.world.faults.add("drop_after", simulator=scene.side.name, method="POST", path=path)
    assert scene.carry(scene.ask()) == ["waiting"]
    assert scene.side.titles() == ["Proposal review"]
    scene.now += 2_000
    assert scene.step() == ["done"]
    assert (scene.side.titles(), len(scene.told())) == (["Proposal review"], 1)
    assert scene.side.invited() == ([] if scene.side.name == "hubspot" else [BO])


@each_side
def test_what_a_person_makes_of_it_before_the_repetition_stands_and_is_not_confirmed_as_ours(scene: Scene) -> None:
    path = "upsert" if scene.side.name == "hubspot" else "events"
    scene.side.world.faults.add("drop_after", simulator=scene.side.name, method="POST", path=path)
    scene.carry(scene.ask())
    scene.side.world.move(60_000)
    scene.side.retitle("Hers")
    scene.now += 2_000
    assert (scene.step(), scene.side.titles()) == (["done"], ["Hers"])
    assert scene.confirmed()["revision"] is None
    assert scene.confirmed()["updated"] == scene.confirmed()["created"]


def asked_twice(scene: Scene, **newer: Any) -> Request:
    """A creation whose answer was lost, and that is asked for again with newer content before that is known."""
    path = "upsert" if scene.side.name == "hubspot" else "events"
    scene.side.world.faults.add("drop_after", simulator=scene.side.name, method="POST", path=path)
    assert scene.carry(scene.ask()) == ["waiting"]
    again = scene.ask(id="1" * 32, requested_at=2, **newer)
    scene.deliveries.put([again])
    scene.now += 2_000
    return again


@each_side
def test_a_creation_that_is_asked_again_while_the_first_is_on_its_way_comes_to_one_with_the_newer_content(scene: Scene) -> None:
    newer: dict[str, Any] = {"guests": (Guest(scene.bo), Guest(scene.cy))}
    if scene.side.name == "hubspot":
        newer = {"contacts": (scene.side.contact, scene.side.hubspot.contact(CY))}
    asked_twice(scene, title="Second reading", start=datetime(2026, 4, 8, 9), **newer)
    assert (scene.step(), scene.side.titles()) == (["done"], ["Proposal review"])
    assert (scene.step(), scene.side.titles(), len(scene.told())) == (["done"], ["Second reading"], 2)
    assert scene.confirmed()["revision"] is not None
    if scene.side.name == "hubspot":
        assert sorted(map(str, scene.side.addressed())) == sorted([BO, CY])
    else:
        assert sorted(set(scene.side.invited())) == sorted([BO, CY])
    assert len(scene.side.everything()) == 1


@each_side
def test_what_a_person_makes_of_the_first_stands_when_the_second_comes(scene: Scene) -> None:
    asked_twice(scene, title="Second reading", location="Room 9")
    scene.side.world.move(60_000)
    scene.side.retitle("Hers")
    assert [*scene.step(), *scene.step()] == ["done", "done"]
    assert (scene.side.titles(), len(scene.side.everything())) == (["Hers"], 1)
    [ours] = scene.side.ours()
    place = {"google": ours.get("location"), "office365": ours.get("location"), "hubspot": ours.get("hs_meeting_location")}[scene.side.name]
    assert (place["displayName"] if isinstance(place, dict) else place) == "Room 9"
    assert scene.confirmed()["revision"] is None, "the next reading tells what she made of it"


@pytest.mark.parametrize("side", ["google"])
def test_what_a_person_deleted_is_not_made_again_by_the_second(scene: Scene) -> None:
    asked_twice(scene, title="Second reading")
    scene.step()
    scene.side.google.cancel(ANA, MEETING.hex)
    assert scene.step() == ["done"]
    assert [one["status"] for one in scene.side.google.events(ANA)] == ["cancelled"]
    assert scene.confirmed() | {"updated": 0, "created": 0} == {
        "meeting": str(MEETING),
        "provider": "google",
        "id": MEETING.hex,
        "revision": None,
        "icalUid": f"{MEETING.hex}@google.com",
        "updated": 0,
        "created": 0,
    }


class Crash(BaseException):
    """The process died here."""


class Dying(httpx.BaseTransport):
    """The process dies at its so-manieth request: before it went out, or before the answer came in."""

    def __init__(self, plain: httpx.BaseTransport, at: int, after: bool) -> None:
        self._plain, self._left, self._after = plain, at, after

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        self._left -= 1
        if self._left == 0 and not self._after:
            raise Crash
        response = self._plain.handle_request(request)
        if self._left == 0:
            response.read()
            raise Crash
        return response


def killed_at_every_request(side: str, after: bool, prepare: Callable[[Scene], Request], holds: Callable[[Scene], None]) -> int:
    """What is prepared, carried out by a process that dies at its first request, then at its second, and so on, each time in a world
    of its own and followed by one that does not die; how many requests it makes if it is left alone."""
    for at in count(1):
        world = World(seed=at)
        world.freeze(NOON)
        provider = Side(side, world)
        with Sandbox(provider.simulators, world) as sandbox:
            scene = Scene(provider, sandbox.url)
            scene.deliveries.put([prepare(scene)])
            died = step_and_die(scene, at, after)
            scene.now += LEASE_MS
            scene.step()
            holds(scene)
        if not died:
            return at - 1
    raise AssertionError("count ends never")


def step_and_die(scene: Scene, at: int, after: bool) -> bool:
    try:
        scene.step(scene.role(lambda plain: Dying(plain, at, after)))
    except Crash:
        return True
    return False


each_moment = pytest.mark.parametrize(
    "after", [pytest.param(False, id="before it went out"), pytest.param(True, id="before its answer came")]
)


@each_side
@each_moment
def test_killed_at_any_request_it_comes_to_one_of_everything(side: str, after: bool) -> None:
    def holds(scene: Scene) -> None:
        assert (scene.side.titles(), len(scene.told()), scene.delivery().state) == (["Proposal review"], 1, "done")
        assert scene.side.invited() == ([] if side == "hubspot" else [BO])

    assert killed_at_every_request(side, after, Scene.ask, holds) >= 2  # the look whether it is there, and the creation


@each_side
@each_moment
def test_a_change_that_is_killed_at_any_request_is_made_all_the_same(side: str, after: bool) -> None:
    def prepare(scene: Scene) -> Request:
        scene.carry(scene.ask())
        if side != "hubspot":
            return scene.change("1" * 32, "title", "guests", title="Another", guests=(Guest(scene.bo), Guest(scene.cy)), invite=True)
        cy = scene.side.hubspot.contact(CY)
        return scene.change("1" * 32, "title", "associations", title="Another", contacts=(cy,))

    def holds(scene: Scene) -> None:
        assert (scene.side.titles(), len(scene.told()), scene.delivery("1" * 32).state) == (["Another"], 2, "done")
        assert sorted(scene.side.invited()) == ([] if side == "hubspot" else sorted([BO, CY]))
        assert side != "hubspot" or scene.side.addressed() == [CY]

    assert killed_at_every_request(side, after, prepare, holds) >= 2


@each_side
def test_a_change_reaches_the_copy_and_its_repetition_does_not(scene: Scene) -> None:
    scene.carry(scene.ask())
    one = scene.change("1" * 32, "title", "time", title="Proposal, second reading", start=datetime(2026, 4, 8, 9))
    assert scene.carry(one) == ["done"]
    assert scene.side.titles() == ["Proposal, second reading"]
    there, changes = scene.side.ours(), scene.side.world.requests.count(scene.side.name, "PATCH")
    scene.deliveries = MemoryDeliveries(scene.clock)
    assert scene.carry(one) == ["done"]
    assert (scene.side.ours(), scene.side.world.requests.count(scene.side.name, "PATCH")) == (there, changes)
    assert len(scene.told()) == 2


@each_side
def test_a_change_whose_answer_is_lost_is_not_made_twice(scene: Scene) -> None:
    scene.carry(scene.ask())
    scene.side.world.faults.add("drop_after", simulator=scene.side.name, method="PATCH")
    assert scene.carry(scene.change("1" * 32, "title", title="Another")) == ["waiting"]
    scene.now += 2_000
    assert scene.step() == ["done"]
    assert (scene.side.titles(), scene.side.world.requests.count(scene.side.name, "PATCH")) == (["Another"], 1)


@each_calendar
def test_what_was_changed_in_the_calendar_since_stands(scene: Scene) -> None:
    scene.carry(scene.ask())
    late = scene.change("1" * 32, "title", title="Ours")
    scene.side.world.move(60_000)
    scene.side.retitle("Hers")
    assert scene.carry(late) == ["superseded"]
    assert scene.side.titles() == ["Hers"]
    assert scene.told()[-1]["data"]["final"] is False


@each_calendar
def test_a_guest_who_joins_later_is_the_only_one_who_is_invited_then(scene: Scene) -> None:
    scene.carry(scene.ask())
    scene.carry(scene.change("1" * 32, "guests", guests=(Guest(scene.bo), Guest(scene.cy)), invite=True))
    assert sorted(scene.side.invited()) == sorted([BO, CY])


@pytest.mark.parametrize(
    ("side", "status"),
    [pytest.param("google", 403, id="google"), pytest.param("office365", 429, id="office365"), pytest.param("hubspot", 429, id="hubspot")],
)
def test_who_is_told_that_it_was_too_much_waits_and_comes_back(scene: Scene, status: int) -> None:
    reason = {"error": {"errors": [{"reason": "rateLimitExceeded"}], "code": 403}} if status == 403 else None
    scene.side.world.faults.add("status", simulator=scene.side.name, status=status, body=reason, method="POST", times=2)
    assert scene.carry(scene.ask()) == ["waiting"]
    waits = [scene.delivery().due_at - scene.now]
    scene.now = scene.delivery().due_at
    assert scene.step() == ["waiting"]
    scene.now = scene.delivery().due_at
    assert (scene.step(), scene.side.titles(), scene.delivery().tries) == (["done"], ["Proposal review"], 3)
    assert waits[0] >= 2_000


@pytest.mark.parametrize("scopes", [pytest.param(["User.Read"], id="nothing"), pytest.param(["Calendars.Read"], id="reading alone")])
@pytest.mark.parametrize("side", ["office365"])
def test_what_the_permission_does_not_cover_waits_for_a_wider_one(scene: Scene, scopes: list[str]) -> None:
    scene.side.consented(*scopes)
    assert scene.carry(scene.ask()) == ["waiting"]
    assert (scene.delivery().reason or "").startswith("office365 answered 403 ErrorAccessDenied: Microsoft lets us not into the calendar")
    scene.side.consented("Calendars.ReadWrite")
    scene.now = scene.delivery().due_at
    assert (scene.step(), scene.side.titles(), scene.side.invited()) == (["done"], ["Proposal review"], [BO])


@pytest.mark.parametrize("side", ["google"])
def test_a_meeting_that_has_a_uid_keeps_it_and_is_known_by_it(scene: Scene) -> None:
    scene.carry(scene.ask(uid="row-9001@crm.example"))
    assert [one["iCalUID"] for one in scene.side.ours()] == ["row-9001@crm.example"]
    other = scene.ask(id="3" * 32, meeting=UUID(int=7), uid="row-9001@crm.example", requested_at=3)
    assert scene.carry(other) == ["done"]
    assert scene.confirmed()["id"] == MEETING.hex


@pytest.mark.parametrize("side", ["office365"])
def test_graph_may_answer_a_repeated_creation_with_a_conflict(scene: Scene) -> None:
    scene.side.office365.switch(repeated_transaction="conflict")
    scene.side.world.faults.add("drop_after", simulator="office365", method="POST")
    scene.carry(scene.ask())
    scene.now += 2_000
    assert (scene.step(), scene.side.titles(), scene.side.invited()) == (["done"], ["Proposal review"], [BO])


@pytest.mark.parametrize("side", ["office365"])
def test_a_series_lies_in_outlook_as_it_was_asked_for(scene: Scene) -> None:
    scene.carry(scene.ask(rules=("FREQ=WEEKLY;BYDAY=TU;COUNT=3",)))
    shown = scene.side.office365.events(ANA, "2026-04-01T00:00:00Z", "2026-06-01T00:00:00Z")
    assert sorted(one["start"]["dateTime"][:16] for one in shown) == ["2026-04-07T08:00", "2026-04-14T08:00", "2026-04-21T08:00"]


@pytest.mark.parametrize("side", ["hubspot"])
def test_a_row_in_hubspot_has_its_owner_and_its_contact(scene: Scene) -> None:
    scene.carry(scene.ask())
    [row] = scene.side.ours()
    assert (row["hubspot_owner_id"], row["hs_meeting_outcome"]) == ("7001", "SCHEDULED")
    assert row["hs_meeting_start_time"] == "2026-04-07T08:00:00Z"
    assert scene.side.addressed() == [BO]
    assert scene.carry(scene.change("1" * 32, "associations", contacts=())) == ["done"]
    assert scene.side.addressed() == []


@pytest.mark.parametrize("side", ["hubspot"])
def test_a_row_of_hubspots_own_sync_is_the_row(scene: Scene) -> None:
    scene.side.hubspot.native_sync(ANA)
    native = scene.side.hubspot.mirror(ANA, "abc@google.com", "Proposal review", "2026-04-07T08:00:00Z", "2026-04-07T09:00:00Z")
    assert scene.carry(scene.ask(uid="abc@google.com")) == ["done"]
    assert (scene.confirmed()["id"], scene.side.ours()) == (native, [])


@pytest.mark.parametrize("side", ["hubspot"])
def test_a_cancelled_meeting_has_its_outcome_in_hubspot(scene: Scene) -> None:
    scene.carry(scene.ask())
    scene.carry(scene.change("1" * 32, "status", cancelled=True))
    assert [row["hs_meeting_outcome"] for row in scene.side.ours()] == ["CANCELED"]


@each_side
def test_links_of_other_accounts_have_nothing_to_do_with_it(scene: Scene) -> None:
    other = Link("70000", scene.side.link.provider, "9")
    scene.deliveries.put([scene.ask(), scene.ask(id="2" * 32, meeting=UUID(int=7), link=other, guests=(), contacts=())])
    assert sorted(scene.step()) == ["done", "done"]
    assert {one["account"] for one in scene.told()} == {ACCOUNT, "70000"}


@each_side
def test_many_at_a_time_on_a_bad_day_come_to_one_each(scene: Scene) -> None:
    bad: dict[str, Any] = {"simulator": scene.side.name, "times": None}
    for effect, probability in (("drop", 0.1), ("drop_after", 0.2), ("status", 0.1)):
        scene.side.world.faults.add(effect, probability=probability, **bad)
    wanted = [f"Meeting {number}" for number in range(12)]
    links = [Link(ACCOUNT, scene.side.link.provider, f"{600 + number % 5}") for number in range(12)]
    asks = [
        scene.ask(id=f"{number:032x}", meeting=UUID(int=number + 1), link=links[number], title=title, requested_at=number)
        for number, title in enumerate(wanted)
    ]
    scene.deliveries.put(asks)
    role = Delivering(scene.role(), Numbers("deliver"), threads=4)
    while role.lag()["0"]:
        while role.step():
            pass
        scene.now += 3_600_000
    assert max(one.tries for one in scene.deliveries.all(None, "done", "", 100)) > 1  # it was a bad day
    assert sorted(scene.side.everything()) == sorted(wanted)
    assert len(scene.side.invited()) == (0 if scene.side.name == "hubspot" else 12)
    assert sorted(one["subject"] for one in scene.told()) == sorted(ask.id for ask in asks)
