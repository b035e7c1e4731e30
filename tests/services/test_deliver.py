"""Deliveries: at least once in calls, once in effect, whatever passes, refuses, or dies in between."""

from __future__ import annotations

import ast
import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from adapters.memory.deliveries import MemoryDeliveries
from adapters.memory.keys import MemoryKeys
from adapters.memory.log import MemorySourceLog
from adapters.sqlite.deliveries import SqliteDeliveries
from adapters.vault import SealingVault
from domain import mentions
from domain.errors import AskAPerson, Deauthorised, Overtaken, RendezvousError, Stop, TryAgain
from domain.events import Content, Guest
from domain.outside import Deliveries, Link, Recall, Request, Written
from domain.people import Person
from domain.source_events import ConfirmedData, FailedData, SourceEvent, read
from services import deliver
from services.deliver import LEASE_MS, MOST_TRIES, REMEMBERED_MS, Deliver, Delivering
from services.monitor import Numbers
from services.publish import Publisher
from services.routed_deliveries import RoutedDeliveries
from tests.examples import ACCOUNT, BO
from tests.outgoing import DELIVERY, GOOGLE, HUBSPOT, MEETING, granted, request

ROOT = Path(__file__).parents[2]
HOUR = 3_600_000


class Clock:
    """Ours, moved by hand."""

    def __init__(self) -> None:
        self.now = 1_000_000

    def __call__(self) -> int:
        return self.now


class Calendar:
    """A provider that remembers: one event for one delivery, mailing whom it invites when it makes it. Errors first, as told."""

    def __init__(self, *errors: RendezvousError) -> None:
        self.errors = list(errors)
        self.events: dict[str, Request] = {}
        self.mails: list[str] = []
        self.calls: list[str] = []

    def write(self, request: Request, people: dict[str, Person]) -> Written:
        self.calls.append(request.id)
        if self.errors:
            raise self.errors.pop(0)
        key = request.copy or request.id
        known = key in self.events
        if not known:
            self.events[key] = request
            self.mails += [str(person.email) for person in people.values() if request.invite]
        return Written(key, f'"{key}"', f"{key}@google.com", "2026-03-02T09:00:00.000Z", called=not known)


class Scene:
    """The engine's part around a provider: what survives a crash, and a `Deliver` as a new process would make it."""

    def __init__(self, calendar: Any, *requests: Request, dice: float = 0.0, file: Path | None = None) -> None:
        self.clock, self.calendar, self.dice = Clock(), calendar, dice
        self.deliveries: Deliveries = MemoryDeliveries(self.clock) if file is None else SqliteDeliveries(file, self.clock)
        self.source, self.vault = MemorySourceLog(), SealingVault(MemoryKeys())
        self.grants = granted(GOOGLE, *(one.link for one in requests))
        [self.bo] = self.vault.seal(ACCOUNT, [(BO, "Bo")])
        self.deliveries.put([self.of(one) for one in requests])

    def of(self, one: Request) -> Request:
        """With Bo sealed as this vault does."""
        return request(one.link, one.content, **{n: getattr(one, n) for n in OWN}, guests=(Guest(self.bo),))

    def process(self, wrap: Callable[[Any], Any] = lambda part: part) -> Deliver:
        publisher = Publisher(wrap(self.source), self.vault, self.clock)
        writers = dict.fromkeys(("google", "hubspot"), wrap(self.calendar))
        return Deliver(wrap(self.deliveries), writers, wrap(self.grants), wrap(self.vault), publisher, self.clock, lambda: self.dice)

    def step(self, process: Deliver | None = None) -> list[str]:
        """Everything that is due, once; what became of each."""
        mine = process or self.process()
        return [mine.carry_out(one) for one in mine.deliveries.claim(self.clock(), LEASE_MS, 10)]

    def told(self) -> list[SourceEvent]:
        events = [read(record.body) for record in self.source.read("0", 0, 1000)]
        assert all(isinstance(event, SourceEvent) for event in events)
        return events  # type: ignore[return-value]  # asserted just above

    def state(self, id: str = DELIVERY) -> tuple[str, int, str | None]:
        found = self.deliveries.get(id)
        assert found is not None
        return found.state, found.tries, found.reason

    def due_in(self, id: str = DELIVERY) -> int:
        found = self.deliveries.get(id)
        assert found is not None
        return found.due_at - self.clock()


OWN = ("id", "action", "changed", "copy", "revision", "invite", "meeting", "requested_at")


def test_what_is_written_is_confirmed_and_then_done() -> None:
    scene = Scene(Calendar(), request(invite=True))
    assert scene.step() == ["done"]
    [event] = scene.told()
    assert (event.kind, event.subject, event.id, event.source) == (
        "delivery.confirmed",
        DELIVERY,
        f"{DELIVERY}:confirmed",
        f"/accounts/{ACCOUNT}/deliveries",
    )
    at = datetime(2026, 3, 2, 9, tzinfo=UTC)
    assert event.data == ConfirmedData(str(MEETING), "google", DELIVERY, f'"{DELIVERY}"', f"{DELIVERY}@google.com", at)
    assert event.time == at
    assert (scene.state(), scene.calendar.mails) == (("done", 1, None), [BO])
    assert scene.step() == []


def ms(day: int, hour: int, minute: int = 0) -> int:
    """A time in April 2026, UTC. The proposal review is on the 7th, from 8 to 9."""
    return int(datetime(2026, 4, day, hour, minute, tzinfo=UTC).timestamp() * 1000)


WEEKLY: dict[str, Any] = {"rules": ("FREQ=WEEKLY;COUNT=2",)}


@pytest.mark.parametrize(
    ("fields", "now", "mailed"),
    [
        pytest.param({}, ms(7, 7, 59), True, id="before it begins"),
        pytest.param({}, ms(7, 8, 59), True, id="while it is under way"),
        pytest.param({}, ms(7, 9), False, id="when it has ended"),
        pytest.param({"action": "update", "copy": "e1", "changed": ("time",)}, ms(7, 8, 59), True, id="a change while it is under way"),
        pytest.param({"action": "update", "copy": "e1", "changed": ("time",)}, ms(7, 9), False, id="a change when it has ended"),
        pytest.param({"start": datetime(2026, 4, 7), "duration": "P1D", "all_day": True}, ms(7, 23), True, id="on its day"),
        pytest.param({"start": datetime(2026, 4, 7), "duration": "P1D", "all_day": True}, ms(8, 0), False, id="the day after"),
        pytest.param(WEEKLY, ms(10, 0), True, id="before a series' last occurrence"),
        pytest.param(WEEKLY, ms(14, 8, 59), True, id="during a series' last occurrence"),
        pytest.param(WEEKLY, ms(14, 9), False, id="after a series' last occurrence"),
        pytest.param(WEEKLY | {"excluded": (datetime(2026, 4, 14, 10),)}, ms(10, 0), False, id="the last one left out"),
        pytest.param({"rules": ("FREQ=DAILY;UNTIL=20260409T220000Z",)}, ms(9, 8), True, id="before the last one until a day"),
        pytest.param({"rules": ("FREQ=DAILY;UNTIL=20260409T220000Z",)}, ms(10, 8), False, id="after the last one until a day"),
        pytest.param({"rules": ("FREQ=WEEKLY",)}, ms(30, 0), True, id="a series without an end"),
        pytest.param({"added": (datetime(2026, 4, 20, 10),)}, ms(10, 0), True, id="before an added one"),
        pytest.param({"added": (datetime(2026, 4, 20, 10),)}, ms(20, 9), False, id="after an added one"),
    ],
)
def test_nobody_is_invited_to_what_is_over_by_the_time_of_the_call(fields: dict[str, Any], now: int, mailed: bool) -> None:
    scene = Scene(Calendar(), request(invite=True, **fields))
    scene.clock.now = now
    assert scene.step() == ["done"]
    assert (len(scene.calendar.events), scene.calendar.mails) == (1, [BO] if mailed else [])
    assert scene.deliveries.all(ACCOUNT, "done", "", 9)[0].request.invite is True


def test_who_is_typed_into_a_text_is_written_as_typed_and_stands_nowhere_else() -> None:
    scene = Scene(Calendar())
    [cy] = scene.vault.seal(ACCOUNT, [("cy@buyer.example", None)])
    text = mentions.sealed("Call cy@buyer.example", lambda _: cy)
    said = Content(datetime(2026, 3, 9, 10), "PT1H", text, description=text, location="Room 4", guests=(Guest(scene.bo),))
    asked = replace(request(), content=said, former=replace(said, title=text))
    scene.grants = granted(GOOGLE, asked.link)
    scene.deliveries.put([asked])
    assert scene.step() == ["done"]
    [written] = scene.calendar.events.values()
    assert (written.content.title, written.content.description, written.content.location) == (
        "Call cy@buyer.example",
        "Call cy@buyer.example",
        "Room 4",
    )
    assert written.former.title == "Call cy@buyer.example"
    assert b"cy@buyer" not in b"".join(record.body for record in scene.source.read("0", 0, 9))


def test_who_is_erased_by_then_is_not_written_into_a_text() -> None:
    scene = Scene(Calendar())
    [cy] = scene.vault.seal(ACCOUNT, [("cy@buyer.example", None)])
    text = mentions.sealed("Call cy@buyer.example", lambda _: cy)
    asked = request(content=Content(datetime(2026, 3, 9, 10), "PT1H", text))
    scene.grants = granted(GOOGLE, asked.link)
    scene.deliveries.put([asked])
    scene.vault.erase(ACCOUNT, [cy[:22]])
    assert scene.step() == ["done"]
    assert [one.content.title for one in scene.calendar.events.values()] == ["Call [erased]"]


def test_people_are_opened_for_the_writer_and_stand_in_no_word_about_it() -> None:
    scene = Scene(Calendar(), request(invite=True))
    scene.step()
    assert scene.calendar.mails == [BO]
    assert BO.encode() not in scene.source.read("0", 0, 10)[0].body


@pytest.mark.parametrize(
    ("error", "dice", "ms"),
    [
        pytest.param(TryAgain("busy"), 0.0, 2_000, id="a first time: two seconds"),
        pytest.param(TryAgain("busy"), 1.0, 2_500, id="with all the jitter there is"),
        pytest.param(TryAgain("busy", after=90.0), 0.0, 90_000, id="as long as the provider said"),
        pytest.param(TryAgain("busy", after=86_400.0), 1.0, HOUR, id="an hour at most"),
        pytest.param(Deauthorised("connect again"), 0.0, 300_000, id="until somebody connects again"),
    ],
)
def test_what_passes_is_tried_later(error: RendezvousError, dice: float, ms: int) -> None:
    scene = Scene(Calendar(error), request(), dice=dice)
    assert scene.step() == ["waiting"]
    assert (scene.due_in(), scene.step(), scene.told()) == (ms, [], [])
    scene.clock.now += ms
    assert scene.step() == ["done"]


def test_each_try_is_later_than_the_last_and_none_later_than_an_hour() -> None:
    scene = Scene(Calendar(*(TryAgain("busy") for _ in range(14))), request())
    waits = []
    for _ in range(14):
        scene.step()
        waits.append(scene.due_in())
        scene.clock.now += waits[-1]
    assert waits[:4] == [2_000, 4_000, 8_000, 16_000]
    assert (waits[-1], waits == sorted(waits)) == (HOUR, True)
    assert scene.state() == ("waiting", 14, "busy")


def test_what_never_passes_is_failed_after_days_and_told() -> None:
    scene = Scene(Calendar(*(TryAgain("busy") for _ in range(MOST_TRIES))), request())
    while scene.state()[0] == "waiting":
        scene.clock.now += HOUR
        scene.step()
    assert scene.state() == ("failed", MOST_TRIES, f"tried {MOST_TRIES} times; the last time: busy")
    assert [event.data.final for event in scene.told()] == [True]


def test_a_lost_authorisation_is_no_try() -> None:
    scene = Scene(Calendar(*(Deauthorised("connect again") for _ in range(3))), request())
    for _ in range(3):
        scene.step()
        scene.clock.now += HOUR
    assert scene.state() == ("waiting", 0, "connect again")


def test_what_a_provider_refuses_is_told_and_waits_for_a_person() -> None:
    scene = Scene(Calendar(AskAPerson("no")), request())
    assert scene.step() == ["failed"]
    [event] = scene.told()
    assert (event.kind, event.id, event.data) == ("delivery.failed", f"{DELIVERY}:failed", FailedData("no", True, str(MEETING)))
    scene.clock.now += 10 * HOUR
    assert (scene.step(), scene.state()) == ([], ("failed", 1, "no"))
    assert scene.deliveries.retry(DELIVERY, scene.clock())
    assert (scene.step(), scene.state()) == (["done"], ("done", 2, None))


def test_what_was_overtaken_is_superseded_and_told_as_not_final() -> None:
    scene = Scene(Calendar(Overtaken("changed since")), request(action="update", copy="e1", changed=("title",)))
    assert scene.step() == ["superseded"]
    [event] = scene.told()
    assert (event.id, event.data) == (f"{DELIVERY}:overtaken", FailedData("changed since", False, str(MEETING)))
    assert scene.state() == ("superseded", 1, "changed since")


def test_a_bug_that_one_request_brings_out_is_put_off_and_not_repeated_at_once() -> None:
    scene = Scene(Calendar(ValueError("bo@client.example")), request())  # type: ignore[arg-type]  # no error of ours, on purpose
    assert scene.step() == ["waiting"]
    assert scene.state() == ("waiting", 1, "unforeseen: ValueError")


def test_a_broken_store_ends_the_role() -> None:
    scene = Scene(Calendar(Stop("broken")), request())
    with pytest.raises(Stop):
        scene.step()


def test_a_provider_that_nothing_writes_to_is_refused() -> None:
    scene = Scene(Calendar(), request(Link(ACCOUNT, "elsewhere", "501")))
    assert (scene.step(), scene.state()[2]) == (["failed"], "nothing writes to elsewhere")


@pytest.mark.parametrize(
    ("link", "called"),
    [
        pytest.param(GOOGLE, "the Google calendar of user 501", id="a calendar"),
        pytest.param(HUBSPOT, "HubSpot", id="the CRM"),
    ],
)
@pytest.mark.parametrize("how", ["never", "revoked", "disconnected"])
def test_what_nobody_has_connected_here_is_not_written_and_told_at_once(link: Link, called: str, how: str) -> None:
    scene = Scene(Calendar(), request(link))
    there = scene.grants.get(link)
    assert there is not None
    if how == "revoked":
        scene.grants.put(replace(there, state="revoked"))
    else:
        scene.grants = granted(Link("70000", link.provider, link.user))
    assert (scene.step(), scene.calendar.calls) == (["failed"], [])
    reason = f"nobody has connected {called} here"
    assert (scene.state(), [event.data for event in scene.told()]) == (("failed", 1, reason), [FailedData(reason, True, str(MEETING))])


def test_one_whose_link_is_connected_afterwards_is_written_only_if_it_was_asked_for_since() -> None:
    """A person has both tried again; the one belongs to a history from elsewhere."""
    old, new = request(requested_at=999_999), request(id="f" * 32, meeting=UUID(int=7), requested_at=1_000_000)
    scene = Scene(Calendar(), old, new)
    scene.grants = granted(HUBSPOT)
    assert [*scene.step(), *scene.step()] == ["failed", "failed"]
    scene.grants = granted(GOOGLE, since=1_000_000)
    for id in (DELIVERY, "f" * 32):
        scene.deliveries.retry(id, scene.clock())
    assert [*scene.step(), *scene.step()] == ["failed", "done"]
    assert scene.calendar.calls == ["f" * 32]
    before = "it was asked for before the Google calendar of user 501 was connected here, and what is older is not written"
    assert scene.state() == ("failed", 2, before)


def test_one_whose_grant_is_lost_waits_for_it() -> None:
    scene = Scene(Calendar(Deauthorised("connect again")), request())
    there = scene.grants.get(GOOGLE)
    assert there is not None
    scene.grants.put(replace(there, state="lost"))
    assert (scene.step(), scene.state()) == (["waiting"], ("waiting", 0, "connect again"))


def test_one_retried_after_a_later_one_was_carried_out_is_superseded_without_a_call(tmp_path: Path) -> None:
    old, new = request(action="update", copy="e1"), request(id="f" * 32, action="update", copy="e1", requested_at=2)
    scene = Scene(Calendar(AskAPerson("no")), old, file=tmp_path / "store.sqlite")
    scene.step()
    scene.deliveries.put([scene.of(new)])
    scene.step()
    scene.deliveries.retry(DELIVERY, scene.clock())
    assert scene.step() == ["superseded"]
    assert scene.calendar.calls == [DELIVERY, "f" * 32]


def test_one_retried_after_another_meetings_was_carried_out_is_carried_out() -> None:
    other = request(id="f" * 32, meeting=UUID(int=7), requested_at=2)
    scene = Scene(Calendar(AskAPerson("no")), request())
    scene.step()
    scene.deliveries.put([scene.of(other)])
    scene.step()
    scene.deliveries.retry(DELIVERY, scene.clock())
    assert scene.step() == ["done"]


def test_a_failing_link_holds_up_its_own_deliveries_and_no_others() -> None:
    broken, later = request(), request(id="1" * 32, meeting=UUID(int=7), requested_at=2)
    well = request(Link(ACCOUNT, "google", "502"), id="2" * 32, requested_at=3)
    scene = Scene(Calendar(TryAgain("busy", after=60.0)), broken, later, well)
    assert scene.step() == ["waiting", "done"]
    assert [scene.state(id)[0] for id in (DELIVERY, "1" * 32, "2" * 32)] == ["waiting", "waiting", "done"]
    scene.clock.now += 60_000
    assert (scene.step(), scene.step()) == (["done"], ["done"])
    assert scene.calendar.calls == [DELIVERY, "2" * 32, DELIVERY, "1" * 32]


# --- whoever dies is repeated, and nothing doubles ---------------------------------------------------------------------------


class Crash(BaseException):
    """The process died here."""


class Fuse:
    """Counts the calls of all wrapped parts, and lets the process die at one of them: before it took effect, or after."""

    def __init__(self, at: int, after: bool) -> None:
        self.left, self.after = at, after

    def wrap(self, part: Any) -> Any:
        return _Wrapped(part, self)

    def burn(self, call: Callable[[], Any]) -> Any:
        self.left -= 1
        if self.left == 0 and not self.after:
            raise Crash
        result = call()
        if self.left == 0:
            raise Crash
        return result


class _Wrapped:
    def __init__(self, part: Any, fuse: Fuse) -> None:
        self._part, self._fuse = part, fuse

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._part, name)
        return (lambda *args: self._fuse.burn(lambda: found(*args))) if callable(found) else found


def crashed(scene: Scene, at: int, after: bool) -> bool:
    """A process that dies at its so-manieth call of a port; False if it made fewer."""
    try:
        scene.step(scene.process(Fuse(at, after).wrap))
    except Crash:
        return True
    return False


@pytest.mark.parametrize("after", [pytest.param(False, id="before it took effect"), pytest.param(True, id="after it took effect")])
@pytest.mark.parametrize("in_file", [pytest.param(False, id="in memory"), pytest.param(True, id="in a file")])
def test_killed_at_any_call_of_any_port_it_comes_to_one_event_one_invitation_one_confirmation(
    after: bool, in_file: bool, tmp_path: Path
) -> None:
    calls = []
    for at in count(1):
        scene = Scene(Calendar(), request(invite=True), file=tmp_path / f"{at}.sqlite" if in_file else None)
        died = crashed(scene, at, after)
        scene.clock.now += LEASE_MS  # the lease of the dead runs out
        scene.step()
        assert (list(scene.calendar.events), scene.calendar.mails) == ([DELIVERY], [BO])
        assert [event.id for event in scene.told()] == [f"{DELIVERY}:confirmed"]
        assert scene.state()[0] == "done"
        if not died:
            break
        calls.append(at)
    assert calls == [1, 2, 3, 4, 5, 6]  # claim, get of the grant, open, write, append, keep


@pytest.mark.parametrize("first", range(1, 7))
@pytest.mark.parametrize("second", range(1, 7))
def test_killed_twice_it_comes_to_the_same(first: int, second: int) -> None:
    scene = Scene(Calendar(), request(invite=True))
    for at in (first, second):
        crashed(scene, at, after=True)
        scene.clock.now += LEASE_MS
    scene.step()
    assert (list(scene.calendar.events), scene.calendar.mails, len(scene.told())) == ([DELIVERY], [BO], 1)
    assert scene.state()[0] == "done"


class Deaf(Calendar):
    """Does what it is asked, and the first answer is lost."""

    def write(self, request: Request, people: dict[str, Person]) -> Written:
        written = super().write(request, people)
        if len(self.calls) == 1:
            raise TryAgain("google was not reached: ReadTimeout")
        return written


def test_a_timeout_after_success_comes_to_one_event_and_one_invitation() -> None:
    scene = Scene(Deaf(), request(invite=True))
    assert scene.step() == ["waiting"]
    scene.clock.now += 2_000
    assert scene.step() == ["done"]
    assert (list(scene.calendar.events), scene.calendar.mails, len(scene.told())) == ([DELIVERY], [BO], 1)


def test_two_processes_that_both_hold_it_come_to_one_confirmation() -> None:
    scene = Scene(Calendar(), request(invite=True))
    slow, fast = scene.process(), scene.process()
    [held] = slow.deliveries.claim(scene.clock(), LEASE_MS, 1)
    scene.clock.now += LEASE_MS
    assert scene.step(fast) == ["done"]
    slow.carry_out(held)
    assert (len(scene.calendar.calls), scene.calendar.mails, len(scene.told())) == (2, [BO], 1)
    assert scene.state() == ("done", 1, None)


# --- the role ----------------------------------------------------------------------------------------------------------------


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks follow each other at once."""
    monkeypatch.setattr(deliver, "PAUSE", 0.005)


def links(number: int) -> list[Request]:
    return [request(Link(ACCOUNT, "google", f"{500 + n}"), id=f"{n:032x}", requested_at=n) for n in range(number)]


def drained(work: Delivering) -> int:
    moved = 0
    while done := work.step():
        moved += done
    return moved


@pytest.mark.usefixtures("quick")
def test_the_role_carries_out_what_is_due_and_counts_it() -> None:
    scene = Scene(Calendar(AskAPerson("no")), *links(20))
    numbers = Numbers("deliver")
    work = Delivering(scene.process(), numbers, threads=4)
    assert work.lag() == {"0": 20}
    assert (drained(work), work.lag()) == (20, {"0": 0})
    metrics = numbers.text().decode()
    assert 'rendezvous_deliveries_total{provider="google",state="done"} 19.0' in metrics
    assert 'rendezvous_deliveries_total{provider="google",state="failed"} 1.0' in metrics


@pytest.mark.usefixtures("quick")
def test_a_call_that_does_not_end_holds_up_no_other_link() -> None:
    released, begun = threading.Event(), threading.Event()

    class Slow(Calendar):
        def write(self, request: Request, people: dict[str, Person]) -> Written:
            if request.link == GOOGLE:
                begun.set()
                assert released.wait(20)
            return super().write(request, people)

    scene = Scene(Slow(), request(), *links(12)[2:])
    work = Delivering(scene.process(), Numbers("deliver"), threads=2)
    try:
        moved = 0
        while moved < 10:
            moved += work.step()
        assert (begun.is_set(), scene.state()[0]) == (True, "waiting")
        assert len(scene.calendar.events) == 10
    finally:
        released.set()
    assert (work.step(), work.step(), scene.state()[0]) == (1, 0, "done")


@pytest.mark.usefixtures("quick")
def test_failing_links_have_a_part_of_the_threads_and_come_through() -> None:
    scene = Scene(Calendar(*(TryAgain("busy") for _ in range(6))), *links(6))
    work = Delivering(scene.process(), Numbers("deliver"), threads=4)
    assert drained(work) == 6
    for _ in range(20):
        scene.clock.now += 4_000
        drained(work)
    assert sorted(scene.calendar.events) == [f"{n:032x}" for n in range(6)]


@pytest.mark.usefixtures("quick")
def test_the_role_forgets_what_has_been_over_for_a_month() -> None:
    scene = Scene(Calendar(AskAPerson("no")), *links(3))
    work = Delivering(scene.process(), Numbers("deliver"))
    drained(work)
    for ms in (REMEMBERED_MS - 1_000_001, HOUR):
        before = [one.state for one in scene.deliveries.all(None, None, "", 9)]
        scene.clock.now += ms
        drained(work)
    assert sorted(before) == ["done", "done", "failed"]
    assert [one.state for one in scene.deliveries.all(None, None, "", 9)] == ["failed"]


def test_a_role_that_begins_anew_goes_on_counting() -> None:
    scene, numbers = Scene(Calendar(), *links(2)), Numbers("deliver")
    for _ in range(2):
        drained(Delivering(scene.process(), numbers))
    assert 'rendezvous_deliveries_total{provider="google",state="done"} 2.0' in numbers.text().decode()


def test_of_several_stores_each_forgets_its_own() -> None:
    stores = [MemoryDeliveries(), MemoryDeliveries()]
    routed = RoutedDeliveries(stores, lambda account: int(account != ACCOUNT))
    routed.put([request(), request(Link("70000", "google", "9"), id="f" * 32)])
    for one in routed.claim(10, 10, 2):
        routed.keep(replace(one, state="done"))
    assert [len(store.all(None, "done", "", 9)) for store in stores] == [1, 1]
    last = request(Link("70000", "google", "9"), id="e" * 32)
    routed.put([last, Recall("70000", last.meeting.hex, "it turned private")])
    assert [len(store.all(None, "superseded", "", 9)) for store in stores] == [0, 1]
    assert (routed.drop(DELIVERY), routed.prune(1), routed.prune(2), routed.all(None, None, "", 9)) == (False, 0, 3, [])


# --- who may write, and what nobody can --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["catch_up", "rebuild", "relay", "project", "sync", "explain"])
def test_nothing_that_reads_history_again_knows_the_role(name: str) -> None:
    tree = ast.parse((ROOT / "services" / f"{name}.py").read_text("utf-8"))
    assert "services.deliver" not in {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}


def test_the_confirmation_is_one_json_object_of_the_contract() -> None:
    scene = Scene(Calendar(), request())
    scene.step()
    body = json.loads(scene.source.read("0", 0, 1)[0].body)
    assert (body["type"], body["data"]["icalUid"]) == ("rendezvous.delivery.confirmed.v1", f"{DELIVERY}@google.com")
