"""A whole installation between the providers' simulators, over real HTTP, when things go wrong: whoever dies, whatever is lost, refused,
repeated or forgotten, there is one event and one invitation for each meeting, nothing is missing, both sides come to the same, and
nothing is written afterwards.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from adapters.google.writer import GoogleWriter
from adapters.hubspot.writer import HubSpotWriter
from adapters.office365 import source as office365_source
from adapters.office365.writer import Office365Writer
from domain.errors import Stop
from services import deliver, ingest
from services.deliver import Deliver
from services.ingest import Ingest
from services.live import Live, Town
from services.sandbox.wire import Answer, Request
from services.sandbox.world import Fault
from services.story import ANA
from tests.end_to_end.two_sides import Sides
from tests.examples import contact

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

PROVIDERS = ("google", "office365")
WRITERS: dict[str, type] = {"google": GoogleWriter, "office365": Office365Writer, "hubspot": HubSpotWriter}
MINUTE = 60_000
LATE = "late@client.example"
WAITS = "waits to be written"


@pytest.fixture(params=PROVIDERS)
def provider(request: pytest.FixtureRequest) -> str:
    """The calendar's."""
    return str(request.param)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses that are there for the providers' sake are short: whether they are kept, other tests say."""
    monkeypatch.setattr(ingest, "_AWAITED_MS", 20)
    monkeypatch.setattr(ingest, "_FIRST_MS", 100)
    monkeypatch.setattr(deliver, "_FIRST_MS", 100)


@pytest.fixture
def live(tmp_path: Path, quick: None) -> Iterator[Live]:
    with Live(Town(), tmp_path / "data") as live:
        yield live


@pytest.fixture
def sides(live: Live, provider: str, monkeypatch: pytest.MonkeyPatch) -> Sides:
    """Connected, and settled."""
    made = Sides(live, provider, monkeypatch)
    made.connect()
    return made


def assert_in_step(sides: Sides, *titles: str) -> None:
    """Exactly these meetings are on both sides and in the timeline, each once and at the same time, with one invitation each; and then
    nobody has anything to say any more."""
    timeline, calendar = sides.in_timeline(), sides.in_calendar()
    assert [one.title for one in timeline] == sorted(titles)
    # What its organiser calls off, Outlook takes out of his calendar; Google keeps it, marked.
    assert [one for one in calendar if not one.cancelled] == [one for one in timeline if not one.cancelled]
    assert {one.title for one in timeline if one.cancelled} == sides.called_off
    assert sides.in_crm() == timeline
    assert sides.invited() == Counter(titles)
    sides.town.world.requests.clear()
    assert sides.live.settle(listened=False) == 0
    assert sides.writes() == []


# --- who dies --------------------------------------------------------------------------------------------------------------------


class Killed(BaseException):
    """A process died here: nothing of ours catches it."""


class Kill(NamedTuple):
    """Where: at a method, before it or after it. "calendar" stands for the calendar's writer."""

    owner: type | str
    method: str
    after: bool

    def strike(self, provider: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
        """Whoever comes there first dies, once; the list then says so."""
        owner = self.owner if isinstance(self.owner, type) else WRITERS[provider]
        whole, after, struck = getattr(owner, self.method), self.after, list[str]()

        def dies(*args: Any) -> Any:
            if struck:
                return whole(*args)
            struck.append(self.method)
            if after:
                whole(*args)
            raise Killed

        monkeypatch.setattr(owner, self.method, dies)
        return struck


KILLS = {
    "before the calendar is called": Kill("calendar", "write", after=False),
    "after the calendar did it": Kill("calendar", "write", after=True),
    "before the CRM is called": Kill(HubSpotWriter, "write", after=False),
    "after the CRM did it": Kill(HubSpotWriter, "write", after=True),
    "after the answer was told, before it was kept": Kill(Deliver, "_tell", after=True),
    "after pages were told, before the cursor moved": Kill(Ingest, "_moved", after=False),
}


@pytest.mark.parametrize("kill", KILLS.values(), ids=KILLS)
def test_whoever_dies_at_the_worst_moment_is_repeated_and_nothing_doubles(
    sides: Sides, kill: Kill, monkeypatch: pytest.MonkeyPatch
) -> None:
    struck = kill.strike(sides.provider, monkeypatch)
    sides.schedule("Kick-off", 3)
    sides.make("Review", 4)
    with pytest.raises(Killed):
        sides.live.settle()
    assert struck == [kill.method]
    sides.begin_anew(max(deliver.LEASE_MS, ingest.LEASE_MS) + 1)
    sides.live.settle(listened=False)
    assert_in_step(sides, "Kick-off", "Review")


# --- who is told late ------------------------------------------------------------------------------------------------------------


def test_a_contact_whose_address_is_told_while_the_event_is_written_is_invited_to_it(sides: Sides, monkeypatch: pytest.MonkeyPatch) -> None:
    lost = sides.town.world.faults.add("lose_push", simulator="hubspot", times=None)
    late = sides.town.hubspot.contact(LATE, "Di")
    sides.town.world.outbox.flush()
    sides.town.world.faults.rules.remove(lost)
    writer, written = WRITERS[sides.provider], list[str]()
    whole = writer.write  # type: ignore[attr-defined]  # whichever of them

    def write(*args: Any) -> Any:
        answer = whole(*args)
        if not written:
            sides.live.publish(contact(late, LATE))
        written.append(args[1].action)
        return answer

    monkeypatch.setattr(writer, "write", write)
    sides.schedule("Kick-off", 3, late)
    for _ in range(3):
        sides.live.settle()
    assert written[:2] == ["create", "create"]
    assert [mail.title for mail in sides.town.world.invitations(LATE)] == ["Kick-off"]


# --- what is lost, and what comes twice --------------------------------------------------------------------------------------------


def test_an_answer_that_is_lost_after_the_deed_makes_no_second_one(sides: Sides) -> None:
    row, made = sides.schedule("Kick-off", 3), sides.make("Review", 4)
    faults = sides.town.world.faults
    lost = [
        faults.add("drop_after", simulator=sides.provider, method="POST", path="/events"),
        faults.add("drop_after", simulator="hubspot", method="POST", path="meetings$"),
    ]
    sides.live.settle(listened=False)
    sides.reschedule(row, 5)
    sides.move(made, 6)
    lost += [
        faults.add("drop_after", simulator=sides.provider, method="PATCH"),
        faults.add("drop_after", simulator="hubspot", method="PATCH"),
    ]
    sides.live.settle(listened=False)
    assert [fault.times for fault in lost] == [0, 0, 0, 0]
    assert_in_step(sides, "Kick-off", "Review")


@pytest.mark.parametrize("effect", ["duplicate_push", "lose_push"])
def test_pushes_that_come_twice_or_never_change_nothing_in_the_end(sides: Sides, effect: str) -> None:
    assert sides.live.outside.watching().step() == 1  # the calendar tells us, too
    sides.live.settle()
    fault = sides.town.world.faults.add(effect, times=None)
    row, made = sides.schedule("Kick-off", 3), sides.make("Review", 4)
    sides.live.settle()
    sides.reschedule(row, 5)
    sides.move(made, 6)
    sides.live.settle()
    sides.town.world.faults.rules.remove(fault)
    sides.live.settle(listened=False)
    assert_in_step(sides, "Kick-off", "Review")


def test_a_calendar_s_push_has_it_read_and_what_it_says_is_not_believed(sides: Sides) -> None:
    assert sides.live.outside.watching().step() == 1
    sides.live.settle()
    (due,) = [one.due_at for one in sides.live.outside.cursors.all() if one.link == sides.calendar]
    sides.make("Review", 4)
    sides.town.world.outbox.flush()
    (woken,) = [one for one in sides.live.outside.cursors.all() if one.link == sides.calendar]
    assert woken.due_at < due
    assert sides.in_timeline() == []
    sides.live.settle()
    assert_in_step(sides, "Review")


# --- a grant, a cursor -------------------------------------------------------------------------------------------------------------


def test_a_grant_revoked_between_two_pages_is_lost_once_and_everything_is_there_after_connecting_again(
    sides: Sides, monkeypatch: pytest.MonkeyPatch
) -> None:
    sides.town.google.switches.page_limit = 2
    monkeypatch.setattr(office365_source, "PAGE", 2)
    before = _cursor(sides)
    revoked = _revoked_at_the_second_page(sides, monkeypatch)
    titles = [f"Meeting {n}" for n in range(5)]
    for day, title in enumerate(titles, 3):
        sides.make(title, day)
    for _ in range(3):
        sides.live.settle()
    assert len(revoked) == 1
    grant = sides.live.outside.grants.get(sides.calendar)
    assert grant is not None
    assert (grant.state, grant.access, grant.refresh) == ("lost", "", None)
    assert _cursor(sides) == before
    assert len(sides.told("rendezvous.connection.deauthorised.v1")) == 1

    sides.make("While away", 9)
    sides.schedule("Called back", 10)
    sides.impatient()
    with pytest.raises(Stop, match=WAITS):
        sides.live.settle()
    sides.live.connect(sides.calendar, ANA)
    sides.patient()
    sides.begin_anew(later_ms=10 * MINUTE)
    sides.live.settle(listened=False)
    assert_in_step(sides, *titles, "While away", "Called back")
    assert len(sides.told("rendezvous.connection.deauthorised.v1")) == 1


def _revoked_at_the_second_page(sides: Sides, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """From then on; the list says of which request, when it has been."""
    simulator = sides.town.google if sides.provider == "google" else sides.town.office365
    whole, revoked = simulator.answer, list[str]()

    def answer(request: Request) -> Answer:
        if not revoked and (request.one("pageToken") or request.one("$skiptoken")):
            revoked.append(request.path)
            sides.revoke()
        return whole(request)

    monkeypatch.setattr(simulator, "answer", answer)
    return revoked


def _cursor(sides: Sides) -> str | None:
    (found,) = [one.value for one in sides.live.outside.cursors.all() if one.link == sides.calendar]
    return found


def test_cursors_that_are_forgotten_in_a_storm_of_changes_lose_nothing_and_double_nothing(
    sides: Sides, monkeypatch: pytest.MonkeyPatch
) -> None:
    sides.town.google.switches.page_limit = 3
    monkeypatch.setattr(office365_source, "PAGE", 3)
    made = {f"Meeting {n}": sides.make(f"Meeting {n}", n + 3) for n in range(6)}
    rows = {f"Planned {n}": sides.schedule(f"Planned {n}", n + 12) for n in range(3)}
    sides.live.settle()
    for turn in range(2):
        forgotten = sides.town.world.faults.add("expired_cursor", simulator=sides.provider)
        sides.move(made[f"Meeting {turn}"], 20 + turn)
        sides.reschedule(rows[f"Planned {turn}"], 30 + turn)
        sides.forget_cursors()
        made[f"Late {turn}"] = sides.make(f"Late {turn}", 40 + turn)
        sides.live.settle()
        assert forgotten.times == 0
    sides.call_off(made["Meeting 5"], "Meeting 5")
    sides.forget_cursors()
    sides.live.settle(listened=False)
    assert_in_step(sides, *made, *rows)


# --- limits, clocks, outages -------------------------------------------------------------------------------------------------------


_WHY = {"domain": "usageLimits", "reason": "rateLimitExceeded"}
GOOGLE_S_LIMIT = {"error": {"code": 403, "message": "Rate Limit Exceeded", "errors": [_WHY]}}


def test_limits_of_both_sides_are_waited_for(sides: Sides) -> None:
    soon = {"Retry-After": "1"}
    refusals = [
        Fault(effect="status", status=429, simulator=sides.provider, path="events|calendarView", headers=soon, times=2),
        Fault(effect="status", status=429, simulator="hubspot", path="crm", headers=soon, times=2),
        Fault(effect="status", status=429, simulator="hubspot", method="POST", path="meetings$", headers=soon),
        Fault(effect="status", status=429, simulator=sides.provider, method="POST", path="events", headers=soon),
    ]
    if sides.provider == "google":
        refusals.append(Fault(effect="status", status=403, body=GOOGLE_S_LIMIT, simulator="google", method="GET", path="events"))
    for refusal in refusals:
        sides.town.world.faults.put(refusal)
    sides.schedule("Kick-off", 3)
    sides.make("Review", 4)
    sides.live.settle(listened=False)
    sides.live.settle(listened=False)
    assert [refusal.times for refusal in refusals] == [0] * len(refusals)
    assert_in_step(sides, "Kick-off", "Review")


@pytest.mark.parametrize("minutes", [10, -10], ids=["ahead", "behind"])
def test_providers_whose_clocks_are_ten_minutes_off_are_kept_in_step(
    provider: str, minutes: int, tmp_path: Path, quick: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    town = Town()
    town.world.move(minutes * MINUTE)
    with Live(town, tmp_path / "data") as live:
        sides = Sides(live, provider, monkeypatch)
        sides.connect()
        row, made = sides.schedule("Kick-off", 3), sides.make("Review", 4)
        sides.live.settle(listened=False)
        sides.reschedule(row, 5)
        sides.move(made, 6)
        sides.live.settle(listened=False)
        assert_in_step(sides, "Kick-off", "Review")


ENDS = {
    "shifted": lambda sides, series: sides.shift(series, -3, 30),
    "cancelled": lambda sides, series: sides.call_off(series, "Daily"),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_what_a_series_has_behind_it_stays_whatever_its_calendar_removes(sides: Sides, end: Callable[[Sides, str], None]) -> None:
    series = sides.make_daily("Daily", -3, 6)
    sides.live.settle()
    before = sides.in_timeline()
    assert len(before) == 6
    end(sides, series)
    sides.live.settle()
    sides.forget_cursors()
    sides.live.settle()
    past, to_come = sides.in_timeline()[:3], sides.in_timeline()[3:]
    assert past == before[:3]
    assert len(to_come) == 3
    assert not set(to_come) & set(before)


@pytest.mark.parametrize("away", ["calendar", "crm"])
def test_a_side_that_is_away_for_a_while_is_waited_for_and_caught_up_with(sides: Sides, away: str) -> None:
    row = sides.schedule("Kick-off", 3)
    sides.live.settle()
    fault = sides.town.world.faults.add("drop", simulator=sides.provider if away == "calendar" else "hubspot", times=None)
    sides.impatient()
    for turn in range(2):
        sides.schedule(f"Planned {turn}", 10 + turn)
        sides.make(f"Meeting {turn}", 20 + turn)
        sides.reschedule(row, 30 + turn)
        with pytest.raises(Stop, match=WAITS):
            sides.live.settle()
    sides.town.world.faults.rules.remove(fault)
    sides.patient()
    sides.begin_anew(later_ms=10 * MINUTE)
    sides.live.settle(listened=False)
    assert_in_step(sides, "Kick-off", "Planned 0", "Planned 1", "Meeting 0", "Meeting 1")
