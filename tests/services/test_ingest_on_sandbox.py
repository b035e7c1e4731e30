"""Pulling from the sandbox's providers over real sockets, decided and projected by a whole engine in memory: what happens at Google's,
Microsoft's and HubSpot's stands in the timeline, whatever the way there did."""

from __future__ import annotations

import datetime as dt
import hashlib
import threading
from collections import Counter
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest
import stamina

from adapters import http as calling
from adapters.google import calling as google_calling
from adapters.google.source import GoogleFeed
from adapters.google.translate import public
from adapters.google.watching import GoogleWatch
from adapters.hubspot import calling as hubspot_calling
from adapters.hubspot.calling import V3, Paths, dated
from adapters.hubspot.source import RECYCLED_MS, Notices, Owners, feeds
from adapters.memory.buckets import MemoryBuckets
from adapters.memory.channels import MemoryChannels
from adapters.memory.cursors import MemoryCursors
from adapters.memory.grants import MemoryGrants
from adapters.memory.inbox import MemoryInbox
from adapters.memory.once import MemoryOnce
from adapters.office365 import calling as office365_calling
from adapters.office365.source import Office365Feed
from adapters.office365.watching import Office365Watch
from domain.outside import Grant, Link, Notice, Pulled, Watch
from services.ingest import LEASE_MS, Ingest
from services.sandbox.entra import Entra
from services.sandbox.entra_directory import Directory
from services.sandbox.google import Google
from services.sandbox.hubspot import HubSpot
from services.sandbox.office365 import Office365
from services.sandbox.shell import Sandbox
from services.sandbox.world import World
from services.watching import Hook, Watching
from tests.engine import Engine
from tests.examples import ACCOUNT, configured, connected, ticked

NOON = int(dt.datetime(2026, 3, 2, 12, 0, tzinfo=dt.UTC).timestamp() * 1000)
MINUTE, HOUR = 60_000, 3_600_000
ANA, CEM, BO, EVE = "ana@acme.example", "cem@acme.example", "bo@client.example", "eve@elsewhere.example"
CRM, GOOGLE, OFFICE365 = Link(ACCOUNT, "hubspot"), Link(ACCOUNT, "google", "501"), Link(ACCOUNT, "office365", "502")


class Town:
    """The three providers in one sandbox, with Ana (Google, user 501), Cem (Office 365, user 502) and Bo, a contact; and our side."""

    def __init__(self, paths: Paths = V3) -> None:
        self.world = World(seed=7)
        self.world.freeze(NOON)
        directory = Directory(self.world)
        self.google, self.outlook, self.hubspot = Google(self.world), Office365(self.world, directory), HubSpot(self.world)
        self.sandbox = Sandbox([self.google, self.outlook, Entra(self.world, directory), self.hubspot], self.world)
        self.google.user(ANA, "Ana Ruiz", "Europe/Paris")
        self.google.user(BO, "Bo Lindqvist", "Europe/Stockholm")
        self.outlook.user(CEM, "Cem Aydin")
        self.hubspot.portal(int(ACCOUNT))
        self.users = [self.hubspot.user(address).id for address in (ANA, CEM)]
        self.bo = self.hubspot.contact(BO, "Bo", "Lindqvist")
        self.engine = Engine()
        self.engine.tell(configured(), connected("501"), connected("502", "office365", calendar=CEM, address=CEM), ticked())
        self._paths = paths

    def start(self) -> Town:
        """Open the ports, and make what pulls."""
        self.sandbox.start()
        client = calling.client()
        throttle = calling.Throttle(MemoryBuckets(), self.world.now, lambda seconds: self.world.move(round(seconds * 1000)))
        google = google_calling.api(client, self, throttle, f"{self.sandbox.url}/calendar/v3/")
        graph = office365_calling.api(client, self, throttle, f"{self.sandbox.url}/v1.0/")
        hubspot = hubspot_calling.api(client, self, throttle, self.sandbox.url)
        self.cursors, self.inbox, self.channels = MemoryCursors(self.world.now), MemoryInbox(), MemoryChannels()
        grants, owners = MemoryGrants(), Owners()
        for link, address in ((GOOGLE, ANA), (OFFICE365, CEM), (CRM, None)):
            grants.put(Grant(link=link, id="g", access="", calendar=address, address=address))
        by_name: dict[tuple[str, str], Any] = {("hubspot", name): feed for name, feed in feeds(hubspot, owners, self._paths).items()}
        by_name |= {("google", "events"): GoogleFeed(google, grants), ("office365", "events"): Office365Feed(graph, grants)}
        self.feeds = by_name
        readers = {"hubspot": Notices(hubspot, owners, self._paths)}
        self.ingest = Ingest(
            self.cursors, self.inbox, self.channels, by_name, readers, self.engine.publisher, self.world.now, dice=lambda: 0.0
        )
        self.watches: dict[str, Watch] = {"google": GoogleWatch(google, grants), "office365": Office365Watch(graph)}
        for link, feed in ((GOOGLE, "events"), (OFFICE365, "events"), (CRM, "meetings"), (CRM, "contacts"), (CRM, "owners")):
            self.cursors.want(link, feed, 0)
        return self

    def watching_at(self, url: str) -> Watching:
        """The upkeep of channels that tell at this address."""
        hooks = {provider: Hook(watch, f"{url}/{provider}") for provider, watch in self.watches.items()}
        return Watching(self.cursors, self.channels, MemoryOnce(), hooks, self.world.now)

    # --- `Access`

    def bearer(self, link: Link) -> str:
        """A token for a test, without a login."""
        if link.provider == "hubspot":
            return self.hubspot.token()
        return self.google.token(ANA) if link.provider == "google" else self.outlook.token(CEM)

    def refused(self, link: Link, bearer: str) -> None:
        """The next is another one anyway."""

    # --- our side

    def pull(self, times: int = 1) -> Town:
        """Let a minute and a half pass, read what is due, and decide and project it."""
        for _ in range(times):
            self.world.move(90_000)
            while claimed := self.cursors.claim(self.world.now(), LEASE_MS, 100):
                for cursor in claimed:
                    self.ingest.read(cursor)
                self.world.move(2_000)
        self.engine.settle()
        return self

    def feed(self, link: Link, name: str) -> Any:
        """Who reads it."""
        return self.feeds[link.provider, name]

    def value(self, link: Link, name: str) -> str | None:
        """What the next read begins with."""
        self.cursors.wake(link, name, self.world.now())
        (cursor,) = [one for one in self.cursors.claim(self.world.now(), 1, 100) if (one.link, one.feed) == (link, name)]
        self.world.move(1)
        return cursor.value

    def troubles(self) -> dict[str, str]:
        """Why which feed could not be read."""
        return {f"{one.link.provider} {one.feed}": one.reason for one in self.cursors.all() if one.reason}

    def shown(self, contact: str | None = None) -> list[tuple[str, str, str]]:
        """(title, start, status) in Bo's timeline."""
        return self.engine.shown(contact or self.bo)

    def said(self) -> Counter[str]:
        """How often which id stands in the log."""
        return Counter(msgspec.json.decode(record.body)["id"] for record in self.engine.source.read("0", 0, 10**6))

    # --- the others'

    def meeting(self, title: str = "Kick-off", day: int = 9, **fields: Any) -> str:
        """Ana makes a meeting with Bo in her Google calendar, from ten to eleven; its id."""
        made = self.google.event(ANA, title, f"2026-03-{day:02}T10:00:00", f"2026-03-{day:02}T11:00:00", [BO], **fields)
        return str(made["id"])

    def invitation(self, title: str = "Theirs") -> str:
        """Eve, whose calendar is not connected, invites Ana and Bo; the meeting's id."""
        host = self.google.user(EVE, "Eve", "Europe/Paris")
        return str(self.google.event(host, title, "2026-03-09T10:00:00", "2026-03-09T11:00:00", [ANA, BO])["id"])

    def appointment(self, title: str = "Review", day: int = 9, **fields: Any) -> str:
        """Cem makes a meeting with Bo in Outlook, from nine to ten UTC; its id."""
        return self.outlook.event(CEM, title, f"2026-03-{day:02}T09:00:00", f"2026-03-{day:02}T10:00:00", guests=[BO], **fields)


@pytest.fixture
def town() -> Iterator[Town]:
    """A town whose ports are open. Retries wait for nobody."""
    town = Town().start()
    with stamina.set_testing(True, attempts=4):
        yield town
    town.sandbox.close()


TEN = ("Kick-off", "2026-03-09T09:00:00Z", "confirmed")
NINE = ("Review", "2026-03-09T09:00:00Z", "confirmed")


# --- Google -----------------------------------------------------------------------------------------------------------


def test_what_is_in_a_google_calendar_is_in_the_timeline(town: Town) -> None:
    town.meeting()
    assert (town.pull().shown(), town.troubles()) == ([TEN], {})


def test_what_changes_in_a_google_calendar_changes_in_the_timeline(town: Town) -> None:
    town.pull()
    id = town.meeting()
    assert town.pull().shown() == [TEN]
    town.google.move(ANA, id, "2026-03-09T11:00:00", "2026-03-09T12:00:00")
    assert town.pull().shown() == [("Kick-off", "2026-03-09T10:00:00Z", "confirmed")]
    town.google.cancel(ANA, id)
    assert town.pull().shown() == [("Kick-off", "2026-03-09T10:00:00Z", "cancelled")]


@pytest.mark.parametrize("bare", [False, True], ids=["tombstones that say of what", "bare tombstones"])
def test_a_google_series_with_an_exception_and_a_hole(town: Town, bare: bool) -> None:
    town.google.switches.bare_tombstones = bare
    town.meeting("Weekly", recurrence=["RRULE:FREQ=WEEKLY;COUNT=3"])
    town.pull()
    (master,) = town.google.events(ANA)
    town.google.change(ANA, f"{master['id']}_20260316T090000Z", summary="Monthly")
    town.google.delete(ANA, f"{master['id']}_20260323T090000Z")
    assert town.pull().shown() == [
        ("Weekly", "2026-03-09T09:00:00Z", "confirmed"),
        ("Monthly", "2026-03-16T09:00:00Z", "confirmed"),
        ("Weekly", "2026-03-23T09:00:00Z", "cancelled"),
    ]


@pytest.mark.parametrize("empty", [0.0, 0.7], ids=["full pages", "some empty"])
def test_a_google_calendar_of_many_pages(town: Town, empty: float) -> None:
    town.google.switches.page_limit, town.google.switches.empty_pages = 2, empty
    for day in range(3, 12):
        town.meeting(f"Day {day}", day)
    assert [title for title, _, _ in town.pull().shown()] == [f"Day {day}" for day in range(3, 12)]


def test_a_google_token_that_is_lost_costs_nothing_and_finds_what_is_gone(town: Town) -> None:
    town.meeting("Stays")
    gone = town.meeting("Goes", 10)
    town.pull()
    town.google.cancel(ANA, gone)
    later = town.meeting("Comes", 11)
    town.google.invalidate()
    expected = [
        ("Stays", "2026-03-09T09:00:00Z", "confirmed"),
        ("Goes", "2026-03-10T09:00:00Z", "cancelled"),
        ("Comes", "2026-03-11T09:00:00Z", "confirmed"),
    ]
    assert (town.pull().shown(), later in str(town.said())) == (expected, True)
    assert town.pull().shown() == expected


def in_public(page: Pulled) -> list[dict[str, Any]]:
    return [*map(public, page.examined), *page.events]


def test_a_google_token_that_is_lost_between_two_pages(town: Town) -> None:
    town.pull()
    town.google.switches.page_limit = 1
    for day in (9, 10, 11):
        town.meeting(f"Day {day}", day)
    pages = town.feed(GOOGLE, "events").pull(GOOGLE, town.value(GOOGLE, "events"), town.world.now())
    town.engine.publish(in_public(next(pages)))
    town.google.invalidate()
    rest = [event for page in pages for event in in_public(page)]
    town.engine.publish(rest)
    assert [title for title, _, _ in town.engine.settle().shown(town.bo)] == ["Day 9", "Day 10", "Day 11"]
    assert rest[-1]["type"] == "rendezvous.calendar.listed.v1"


def test_a_read_of_google_that_dies_between_two_pages_says_the_same_again(town: Town) -> None:
    town.pull()
    town.google.switches.page_limit = 2
    for day in range(3, 9):
        town.meeting(f"Day {day}", day)
    pages = town.feed(GOOGLE, "events").pull(GOOGLE, town.value(GOOGLE, "events"), town.world.now())
    for _ in range(2):
        town.engine.publish(in_public(next(pages)))
    first = town.said()
    assert [title for title, _, _ in town.pull().shown()] == [f"Day {day}" for day in range(3, 9)]
    assert (set(town.said().values()), len(town.said() - first)) == ({1}, 2)


def test_a_read_of_outlook_that_dies_before_its_cursor_moves_says_the_same_again(town: Town) -> None:
    town.pull()
    town.appointment(**SERIES)
    town.outlook.delete(CEM, town.appointment("Goes", 10))
    town.engine.publish(
        event for page in town.feed(OFFICE365, "events").pull(OFFICE365, town.value(OFFICE365, "events"), NOON) for event in page.events
    )
    first = town.said()
    assert (town.pull().shown(), town.said()) == (WHOLE, first)


def test_what_passes_at_google_costs_a_little_time(town: Town) -> None:
    town.meeting()
    for status in (503, 429, 500):
        town.world.faults.add("status", simulator="google", status=status, times=1)
    town.world.faults.add("drop_after", simulator="google", times=1)
    assert (town.pull(2).shown(), town.troubles()) == ([TEN], {})


def test_a_limit_at_google_is_kept_to_until_it_passes(town: Town) -> None:
    town.google.switches.page_limit, town.google.switches.user_limit = 1, 4
    for day in range(3, 6):
        town.meeting(f"Day {day}", day)
    town.pull()
    for day in range(6, 9):
        town.meeting(f"Day {day}", day)
    assert [title for title, _, _ in town.pull(4).shown()] == [f"Day {day}" for day in range(3, 9)]


def test_a_guest_who_deletes_his_copy_calls_nothing_off(town: Town) -> None:
    id = town.invitation()
    assert [(title, status) for title, _, status in town.pull().shown()] == [("Theirs", "confirmed")]
    town.google.delete(ANA, id)
    assert [(title, status) for title, _, status in town.pull().shown()] == [("Theirs", "confirmed")]


def test_a_meeting_that_its_organiser_elsewhere_calls_off_is_called_off(town: Town) -> None:
    id = town.invitation()
    town.pull()
    town.google.cancel(EVE, id)
    assert [(title, status) for title, _, status in town.pull().shown()] == [("Theirs", "cancelled")]


# --- Office 365 -------------------------------------------------------------------------------------------------------


def test_what_changes_in_outlook_changes_in_the_timeline(town: Town) -> None:
    town.pull()
    id = town.appointment()
    assert (town.pull().shown(), town.troubles()) == ([NINE], {})
    town.outlook.move(CEM, id, "2026-03-09T10:00:00", "2026-03-09T11:00:00")
    assert town.pull().shown() == [("Review", "2026-03-09T10:00:00Z", "confirmed")]
    town.outlook.delete(CEM, id)
    assert town.pull().shown() == [("Review", "2026-03-09T10:00:00Z", "cancelled")]


SERIES: dict[str, Any] = {
    "recurrence": {
        "pattern": {"type": "weekly", "interval": 1, "daysOfWeek": ["monday"]},
        "range": {"type": "numbered", "startDate": "2026-03-09", "numberOfOccurrences": 3},
    }
}
WHOLE = [("Review", f"2026-03-{day}T09:00:00Z", "confirmed") for day in ("09", "16", "23")]


def occurrences(town: Town, id: str) -> list[str]:
    """The ids of the occurrences of Cem's series, in order."""
    shown = town.outlook.events(CEM, "2026-03-01T00:00:00Z", "2026-04-30T00:00:00Z")
    return [str(one["id"]) for one in sorted(shown, key=lambda one: str(one["start"]["dateTime"])) if one.get("seriesMasterId")]


@pytest.mark.parametrize(
    ("again", "lost"),
    [
        pytest.param(True, "removed", id="series told again"),
        pytest.param(False, "removed", id="exception alone"),
        pytest.param(True, "silent", id="series told again without the hole"),
    ],
)
def test_an_outlook_series_with_an_exception_and_a_hole(town: Town, again: bool, lost: str) -> None:
    town.outlook.switch(series_again=again, lost_occurrences=lost)
    id = town.appointment(**SERIES)
    assert town.pull().shown() == WHOLE
    _, second, third = occurrences(town, id)
    town.outlook.change(CEM, second, subject="Other")
    assert town.pull().shown() == [WHOLE[0], ("Other", "2026-03-16T09:00:00Z", "confirmed"), WHOLE[2]]
    town.outlook.delete(CEM, third)
    assert town.pull().shown() == [
        WHOLE[0],
        ("Other", "2026-03-16T09:00:00Z", "confirmed"),
        ("Review", "2026-03-23T09:00:00Z", "cancelled"),
    ]


def test_an_occurrence_that_a_series_lost_in_silence_is_told(town: Town) -> None:
    town.outlook.switch(lost_occurrences="silent")
    id = town.appointment(**SERIES)
    before = town.pull().said()
    town.outlook.delete(CEM, occurrences(town, id)[2])
    told = [msgspec.json.decode(record.body) for record in town.pull().engine.source.read("0", sum(before.values()), 1000)]
    assert [e["data"]["provenance"]["originalStart"] for e in told if e["type"] == "rendezvous.meeting.deleted.v1"] == [
        "2026-03-23T09:00:00Z"
    ]


@pytest.mark.parametrize("expired", [False, True], ids=["changes", "a lost link"])
def test_a_series_that_outlook_fails_to_lay_out_holds_up_no_other_and_is_laid_out_when_it_can_be(town: Town, expired: bool) -> None:
    town.outlook.switch(lost_occurrences="silent")
    id, other = town.appointment(**SERIES), town.appointment("Once", 10)
    town.pull()
    fault = town.world.faults.add("status", simulator="office365", path=r"/instances", status=504, times=None)
    town.outlook.delete(CEM, occurrences(town, id)[2])
    town.outlook.move(CEM, other, "2026-03-10T11:00:00", "2026-03-10T12:00:00")
    if expired:
        town.outlook.expire_cursors()
    moved = ("Once", "2026-03-10T11:00:00Z", "confirmed")
    assert town.pull().shown() == [WHOLE[0], moved, *WHOLE[1:]]
    trouble = town.troubles()["office365 events"]
    assert (trouble.startswith("series AAk"), ": not read since 2026-03-02T" in trouble, "tried once: " in trouble) == (True,) * 3
    fault.times = 0
    assert town.pull(2).shown() == [WHOLE[0], moved, WHOLE[1], ("Review", "2026-03-23T09:00:00Z", "cancelled")]
    assert town.troubles() == {}


@pytest.mark.parametrize(
    "switches",
    [
        pytest.param({"page": 1}, id="pages of one"),
        pytest.param({"page": 2, "empty_pages": True}, id="empty pages"),
        pytest.param({"page": 2, "repeated_items": True}, id="items twice"),
        pytest.param({"page": 2, "split_series": True}, id="a series over two pages"),
    ],
)
def test_an_outlook_calendar_of_many_pages(town: Town, switches: dict[str, Any]) -> None:
    town.outlook.switch(**switches)
    town.appointment(**SERIES)
    for day in range(3, 8):
        town.appointment(f"Day {day}", day)
    assert [title for title, _, _ in town.pull().shown()] == [*[f"Day {day}" for day in range(3, 8)], *["Review"] * 3]


def test_an_outlook_link_that_is_lost_costs_nothing_and_finds_what_is_gone(town: Town) -> None:
    town.appointment("Stays")
    gone = town.appointment("Goes", 10)
    town.pull()
    town.outlook.delete(CEM, gone)
    town.appointment("Comes", 11)
    town.outlook.expire_cursors()
    expected = [
        ("Stays", "2026-03-09T09:00:00Z", "confirmed"),
        ("Goes", "2026-03-10T09:00:00Z", "cancelled"),
        ("Comes", "2026-03-11T09:00:00Z", "confirmed"),
    ]
    assert town.pull().shown() == expected
    assert (town.pull().shown(), town.troubles()) == (expected, {})


def test_a_day_later_the_window_has_moved_and_nothing_is_gone(town: Town) -> None:
    town.appointment(**SERIES)
    town.appointment("Once", 10)
    shown = town.pull().shown()
    before = town.said()
    town.world.move(24 * HOUR)
    assert (town.pull().shown(), town.troubles()) == (shown, {})
    assert [id for id in town.said() - before if "listed" not in id] == []


def test_what_leaves_the_window_is_not_gone(town: Town) -> None:
    id = town.appointment()
    town.pull()
    town.outlook.move(CEM, id, "2029-03-09T09:00:00", "2029-03-09T10:00:00")
    assert town.pull().shown() == [("Review", "2029-03-09T09:00:00Z", "confirmed")]


# --- HubSpot ----------------------------------------------------------------------------------------------------------


@pytest.fixture(params=[V3, dated("2026-03")], ids=["v3", "dated"])
def portal(request: pytest.FixtureRequest) -> Iterator[Town]:
    """A town, read by either version of HubSpot's paths."""
    town = Town(request.param).start()
    with stamina.set_testing(True, attempts=4):
        yield town
    town.sandbox.close()


def test_a_meeting_in_the_crm_is_in_the_timeline_of_its_contacts(portal: Town) -> None:
    id = portal.hubspot.schedule(ANA, "Demo", "2026-03-09T09:00:00Z", "2026-03-09T10:00:00Z", contacts=[portal.bo])
    assert (portal.pull().shown(), portal.troubles()) == ([("Demo", "2026-03-09T09:00:00Z", "confirmed")], {})
    portal.hubspot.move(id, "2026-03-09T11:00:00Z")
    assert portal.pull().shown() == [("Demo", "2026-03-09T11:00:00Z", "confirmed")]
    portal.hubspot.delete("meetings", id)
    portal.world.move(RECYCLED_MS)
    assert portal.pull().shown() == []
    portal.hubspot.restore("meetings", id)
    portal.world.move(RECYCLED_MS)
    assert portal.pull().shown() == [("Demo", "2026-03-09T11:00:00Z", "confirmed")]


def test_a_search_that_lags_is_waited_for(town: Town) -> None:
    town.pull()
    town.hubspot.switches.search_lag_ms = 240_000
    town.hubspot.schedule(ANA, "Demo", "2026-03-09T09:00:00Z", "2026-03-09T10:00:00Z", contacts=[town.bo])
    town.world.move(MINUTE)
    assert town.pull().shown() == []
    assert town.pull(3).shown() == [("Demo", "2026-03-09T09:00:00Z", "confirmed")]


def test_a_portal_that_knows_nothing_of_our_property_is_read_all_the_same(town: Town) -> None:
    town.hubspot.switches.unknown_reads_are_400 = True
    town.hubspot.schedule(ANA, "Demo", "2026-03-09T09:00:00Z", "2026-03-09T10:00:00Z", contacts=[town.bo])
    assert (town.pull().shown(), town.troubles()) == ([("Demo", "2026-03-09T09:00:00Z", "confirmed")], {})


def test_a_meeting_that_hubspot_fails_to_read_holds_up_no_other_and_comes_when_it_can_be(portal: Town) -> None:
    ids = [
        portal.hubspot.schedule(ANA, f"Demo {day}", f"2026-03-{day:02}T09:00:00Z", f"2026-03-{day:02}T10:00:00Z", contacts=[portal.bo])
        for day in range(9, 15)
    ]
    fault = portal.world.faults.add("unreadable", path=f"/batch/read/{ids[2]}$", times=None)
    assert [title for title, _, _ in portal.pull().shown()] == ["Demo 9", "Demo 10", "Demo 12", "Demo 13", "Demo 14"]
    trouble = portal.troubles()["hubspot meetings"]
    assert (trouble.startswith(f"meeting {ids[2]}: not read since 2026-03-02T"), trouble.endswith("answered a part of a batch only")) == (
        True,
        True,
    )
    portal.hubspot.move(ids[3], "2026-03-12T11:00:00Z")
    assert portal.pull(3).shown()[2] == ("Demo 12", "2026-03-12T11:00:00Z", "confirmed")
    fault.times = 0
    assert [title for title, _, _ in portal.pull(8).shown()] == [f"Demo {day}" for day in range(9, 15)]
    assert portal.troubles() == {}


def test_a_contact_that_is_merged_takes_its_timeline_along(town: Town) -> None:
    other = town.hubspot.contact("bo.lindqvist@client.example", "Bo")
    town.meeting()
    assert town.pull().shown() == [TEN]
    survivor = town.hubspot.merge(town.bo, other)
    assert town.pull().shown(survivor) == [TEN]


def test_a_user_who_leaves_is_one_no_more(town: Town) -> None:
    town.pull()
    town.hubspot.leave(CEM)
    town.pull()
    told = [msgspec.json.decode(record.body)["type"] for record in town.engine.source.read("0", 0, 10**6)]
    assert Counter(kind for kind in told if ".user." in kind) == {"rendezvous.user.added.v1": 2, "rendezvous.user.removed.v1": 1}


def test_nothing_is_read_twice_when_nothing_changes(town: Town) -> None:
    town.meeting()
    town.appointment()
    town.hubspot.schedule(ANA, "Demo", "2026-03-12T09:00:00Z", "2026-03-12T10:00:00Z", contacts=[town.bo])
    before = town.pull().said()
    town.world.requests.clear()
    assert town.pull(3).said() == before
    assert town.world.requests.count("hubspot", "POST", None) == 6, "a search of meetings and one of contacts each time, and no more"


# --- all of them ------------------------------------------------------------------------------------------------------


def test_colleagues_and_contacts_are_known_before_the_first_meeting_is_matched(town: Town) -> None:
    town.google.event(ANA, "Both", "2026-03-09T10:00:00", "2026-03-09T11:00:00", [BO, CEM])
    (entry,) = town.pull().engine.timeline(town.bo)
    assert [person.get("contact") for person in entry["participants"]] == [town.bo, None]


def test_a_guest_who_became_a_contact_a_moment_ago_is_found_one(town: Town) -> None:
    town.pull()
    town.world.move(20_000)
    eve = town.hubspot.contact(EVE, "Eve")
    town.google.event(ANA, "Hello", "2026-03-09T10:00:00", "2026-03-09T11:00:00", [EVE])
    # A push wakes the calendar alone.
    town.cursors.wake(GOOGLE, "events", town.world.now())
    for _ in range(4):
        for cursor in town.cursors.claim(town.world.now(), LEASE_MS, 100):
            town.ingest.read(cursor)
        town.world.move(1_000)
    assert town.engine.settle().titles(eve) == ["Hello"]


def test_a_provider_that_is_down_delays_no_other(town: Town) -> None:
    town.pull()
    town.meeting()
    town.appointment()
    town.world.faults.add("status", simulator="google", status=503, times=None)
    assert (town.pull().shown(), list(town.troubles())) == ([NINE], ["google events"])
    town.world.faults.clear()
    assert (sorted(town.pull(2).shown()), town.troubles()) == (sorted([NINE, TEN]), {})


class _Ear(BaseHTTPRequestHandler):
    """Our address, as far as Graph's handshake asks for it; what it was told, by path."""

    told: ClassVar[list[str]] = []
    bodies: ClassVar[list[bytes]] = []

    def do_POST(self) -> None:
        """Say the token back."""
        self.bodies.append(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        token = parse_qs(urlsplit(self.path).query).get("validationToken", [""])[0]
        self.told.append(urlsplit(self.path).path)
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(token)))
        self.end_headers()
        self.wfile.write(token.encode())

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def ear() -> Iterator[str]:
    """An address of ours."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Ear) as server:
        _Ear.told.clear()
        _Ear.bodies.clear()
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_channels_are_opened_at_both_and_renewed_and_tell_of_news(town: Town, ear: str) -> None:
    watching = town.watching_at(ear)
    assert watching.step() == 2
    town.pull()
    town.world.outbox.flush()
    _Ear.told.clear()
    town.meeting()
    town.appointment()
    town.world.outbox.flush()
    assert {"/google", "/office365"} == set(_Ear.told)
    before = {c.id: c for link in (GOOGLE, OFFICE365) for c in town.channels.of(link)}
    town.world.move(5 * 24 * HOUR)
    assert watching.step() >= 2
    live = [c for link in (GOOGLE, OFFICE365) for c in town.channels.of(link) if c.state == "active"]
    assert [(c.link, c.expires_at > town.world.now(), c in before.values()) for c in live] == [
        (GOOGLE, True, False),
        (OFFICE365, True, False),
    ]


# --- what HubSpot tells by itself -------------------------------------------------------------------------------------


@pytest.fixture
def told(town: Town, ear: str) -> Town:
    """A town that was read once, and whose portal tells us what happens from now on."""
    town.pull()
    town.hubspot.subscribe(f"{ear}/hubspot")
    return town


def listen(town: Town) -> Town:
    """Hear what webhooks said, twice as they may, and nothing else: no feed is read."""
    hear(town)
    assert town.inbox.waiting() == 0
    return town


def hear(town: Town) -> Town:
    """As `listen`; some may have to wait."""
    town.world.move(1_000)
    town.world.outbox.flush()
    items = [item for body in _Ear.bodies for item in msgspec.json.decode(body)]
    _Ear.bodies.clear()
    for item in reversed(items):
        body = msgspec.json.encode(item)
        town.inbox.put([Notice(ACCOUNT, "hubspot", hashlib.sha256(body).hexdigest(), body)] * 2, town.world.now())
    notices = town.inbox.claim(town.world.now(), LEASE_MS, 100)
    assert len(notices) > 0
    town.ingest.hear(notices)
    town.engine.settle()
    return town


def scheduled(town: Town, *contacts: str) -> str:
    """Ana schedules a demo in the CRM."""
    return town.hubspot.schedule(ANA, "Demo", "2026-03-09T09:00:00Z", "2026-03-09T10:00:00Z", contacts=contacts)


DEMO = ("Demo", "2026-03-09T09:00:00Z", "confirmed")


def test_a_meeting_is_heard_of_with_its_contacts(told: Town) -> None:
    id = scheduled(told, told.bo)
    assert listen(told).shown() == [DEMO]
    told.hubspot.move(id, "2026-03-09T11:00:00Z")
    assert listen(told).shown() == [("Demo", "2026-03-09T11:00:00Z", "confirmed")]


def test_a_notice_of_what_cannot_be_read_keeps_no_other_from_being_heard(told: Town) -> None:
    broken, fine = scheduled(told, told.bo), scheduled(told, told.bo)
    fault = told.world.faults.add("unreadable", path=f"/batch/read/{broken}$", times=None)
    told.hubspot.move(fine, "2026-03-09T11:00:00Z")
    assert hear(told).shown() == [("Demo", "2026-03-09T11:00:00Z", "confirmed")]
    assert told.inbox.waiting() > 0
    fault.times = 0
    told.hubspot.move(broken, "2026-03-09T12:00:00Z")
    told.world.move(HOUR)
    assert listen(told).shown() == [("Demo", f"2026-03-09T{hour}:00:00Z", "confirmed") for hour in (11, 12)]


def test_an_association_is_heard_of(told: Town) -> None:
    id = scheduled(told)
    assert listen(told).shown() == []
    told.hubspot.associate(id, "contacts", told.bo)
    assert listen(told).shown() == [DEMO]


def test_a_deletion_and_a_restore_are_heard_of(told: Town) -> None:
    id = scheduled(told, told.bo)
    assert listen(told).shown() == [DEMO]
    told.hubspot.delete("meetings", id)
    assert listen(told).shown() == []
    told.hubspot.restore("meetings", id)
    assert listen(told).shown() == [DEMO]


def test_a_merge_is_heard_of(told: Town) -> None:
    scheduled(told, told.bo)
    listen(told)
    survivor = told.hubspot.merge(told.bo, told.hubspot.contact("bo.lindqvist@client.example", "Bo"))
    assert listen(told).shown(survivor) == [DEMO]


def test_a_privacy_deletion_is_heard_of_and_nothing_is_left(told: Town) -> None:
    scheduled(told, told.bo)
    listen(told)
    told.hubspot.erase(told.bo)
    listen(told)
    log = [msgspec.json.decode(record.body) for record in told.engine.source.read("0", 0, 10**6)]
    assert [(e["type"], e["subject"]) for e in log if e["type"] == "rendezvous.contact.erased.v1"] == [
        ("rendezvous.contact.erased.v1", told.bo)
    ]
    assert told.shown() == []


def test_what_was_heard_is_no_news_to_who_reads(told: Town) -> None:
    scheduled(told, told.bo)
    before = listen(told).said()
    assert told.pull().said() == before
