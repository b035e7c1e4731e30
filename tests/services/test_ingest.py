"""Pulling: cursors move only behind what is durable, links wait for themselves alone, and the CRM comes first."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace
from structlog.testing import capture_logs

from adapters.memory.channels import MemoryChannels
from adapters.memory.cursors import MemoryCursors
from adapters.memory.inbox import MemoryInbox
from domain import source_events
from domain.errors import Deauthorised, Refused, Stop, TryAgain
from domain.outside import Channel, Cursor, Link, Notice, Pulled
from domain.ports import Appended
from domain.source_events import SourceEvent
from services import ingest
from services.ingest import LEASE_MS, NOTICE_LEASE_MS, Ingest, Ingesting, Pace
from services.publish import Publisher
from tests.engine import Engine
from tests.examples import ACCOUNT, contact, meeting

ANA, BEN = Link(ACCOUNT, "google", "501"), Link(ACCOUNT, "google", "502")
CRM = Link(ACCOUNT, "hubspot")
BEGIN = 1_772_442_000_000
Event = dict[str, Any]


class Script:
    """A feed whose pulls are scripted: pages, and errors in between. Remembers the values it was pulled with."""

    def __init__(self, *pulls: Sequence[Pulled | Exception]) -> None:
        self.pulls, self.values = list(pulls), list[str | None]()

    def pull(self, link: Link, value: str | None, now: int) -> Iterator[Pulled]:
        """See `Feed`."""
        self.values.append(value)
        for page in self.pulls.pop(0) if self.pulls else [done()]:
            if isinstance(page, Exception):
                raise page
            yield page


def page(*events: Event) -> Pulled:
    return Pulled(list(events), [])


def done(next: str = "next", more: bool = False) -> Pulled:
    return Pulled([], [], next, last=True, more=more)


class World:
    """An ingest over memory, with a clock that is moved by hand."""

    def __init__(self, dice: Callable[[], float] = lambda: 0.0, **feeds: Any) -> None:
        self.at = BEGIN
        self.engine = Engine()
        self.cursors, self.inbox, self.channels = MemoryCursors(self.clock), MemoryInbox(), MemoryChannels()
        self.readers: dict[str, Any] = {}
        by_name = {(provider, name): feed for name, feed in feeds.items() for provider in ("google", "office365", "hubspot")}
        publisher = Publisher(self.engine.source, self.engine.vault, self.engine.clock)
        self.ingest = Ingest(
            self.cursors, self.inbox, self.channels, by_name, self.readers, publisher, self.clock, Pace(300_000, 60_000), dice=dice
        )

    def clock(self) -> int:
        return self.at

    def want(self, link: Link = ANA, feed: str = "events") -> World:
        self.cursors.want(link, feed, BEGIN)
        return self

    def turn(self, after_ms: int = 0) -> list[Cursor]:
        """Let time pass, read what is due, and show all cursors."""
        self.at += after_ms
        for cursor in self.cursors.claim(self.at, LEASE_MS, 100):
            self.ingest.read(cursor)
        return self.cursors.all()

    def value(self, link: Link = ANA, feed: str = "events") -> str | None:
        """What the next read would begin with."""
        self.cursors.wake(link, feed, self.at)
        (cursor,) = [one for one in self.cursors.claim(self.at, 1, 100) if (one.link, one.feed) == (link, feed)]
        return cursor.value

    def logged(self) -> list[str]:
        """The ids in the source log."""
        return [msgspec.json.decode(record.body)["id"] for record in self.engine.source.read("0", 0, 1000)]


G1, G2 = meeting("g1"), meeting("g2")


# --- the cursor and the log -------------------------------------------------------------------------------------------


def test_what_was_read_is_in_the_log_and_the_cursor_has_moved() -> None:
    world = World(events=Script([page(G1), page(), page(G2), done("t1")])).want()
    (cursor,) = world.turn()
    assert world.logged() == [G1["id"], G2["id"]]
    assert (cursor.due_at, cursor.read_at, cursor.failures, cursor.reason) == (BEGIN + 60_000, BEGIN, 0, None)
    assert world.value() == "t1"


def as_read(event: Event) -> SourceEvent:
    found = source_events.read(msgspec.json.encode(event))
    assert isinstance(found, SourceEvent)
    return found


def test_what_a_feed_has_examined_is_not_examined_again() -> None:
    read = [as_read(event) for event in (G1, meeting("g2", account="70000"))]
    # In a zone for which it would be refused, if it were.
    told = Pulled([], [], examined=[replace(one, data=replace(one.data, time_zone="Mars/Base")) for one in read])
    world = World(events=Script([told, done("t1")])).want()
    with capture_logs() as logs:
        world.turn()
    assert (world.logged(), world.value()) == ([G1["id"]], "t1")
    (said,) = [line for line in logs if line["event"] == "read"]
    assert (said["accepted"], said["duplicate"], said["refused"]) == (1, 0, 1)


def test_a_page_may_tell_in_both_ways() -> None:
    world = World(events=Script([Pulled([G2, {}], [], examined=[as_read(G1)]), done("t1")])).want()
    with capture_logs() as logs:
        world.turn()
    assert (world.logged(), world.value()) == ([G1["id"], G2["id"]], "t1")
    (said,) = [line for line in logs if line["event"] == "read"]
    assert (said["accepted"], said["duplicate"], said["refused"]) == (2, 0, 1)


def test_a_read_that_breaks_off_moves_nothing_and_the_next_says_the_same_again() -> None:
    feed = Script([page(G1), TryAgain("no answer")], [page(G1), page(G2), done("t1")])
    world = World(events=feed).want()
    (cursor,) = world.turn()
    assert (cursor.read_at, cursor.failures, cursor.reason, world.logged()) == (None, 1, "no answer", [G1["id"]])
    world.turn(60_000)
    assert (feed.values, world.logged(), world.value()) == ([None, None], [G1["id"], G2["id"]], "t1")


def test_a_feed_that_ends_without_a_last_page_was_not_read_to_its_end() -> None:
    world = World(events=Script([page(G1)])).want()
    (cursor,) = world.turn()
    assert (cursor.failures, cursor.reason) == (1, "the feed broke off before its last page")


def test_a_log_that_is_busy_moves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World(events=Script([page(G1), done("t1")], [page(G1), done("t1")])).want()

    def busy(*_: object) -> list[Appended]:
        raise TryAgain("the log is busy")

    with monkeypatch.context() as patched:
        patched.setattr(world.engine.source, "append", busy)
        (cursor,) = world.turn()
    assert (cursor.reason, world.logged()) == ("the log is busy", [])
    world.turn(60_000)
    assert (world.logged(), world.value()) == ([G1["id"]], "t1")


def test_a_broken_log_ends_the_role() -> None:
    world = World(events=Script([Stop("the log is broken")])).want()
    with pytest.raises(Stop):
        world.turn()


def test_a_part_is_kept_and_the_rest_is_due_at_once() -> None:
    feed = Script([page(G1), done("half", more=True)], [page(G2), done("t1")])
    world = World(events=feed).want()
    (cursor,) = world.turn()
    assert (cursor.due_at, cursor.read_at) == (BEGIN, None)
    world.turn()
    assert (feed.values, world.logged()) == ([None, "half"], [G1["id"], G2["id"]])


def test_who_lost_the_lease_keeps_nothing() -> None:
    world = World(events=Script([page(G1), done("t1")]))

    class Slow(Script):
        def pull(self, link: Link, value: str | None, now: int) -> Iterator[Pulled]:
            world.at += LEASE_MS + 1
            yield page(G1)
            yield done("t1")

    world = World(events=Slow()).want()
    (cursor,) = world.turn()
    assert (cursor.read_at, cursor.failures, world.logged()) == (None, 0, [G1["id"]])


def test_each_page_extends_the_lease() -> None:
    class Slow(Script):
        def pull(self, link: Link, value: str | None, now: int) -> Iterator[Pulled]:
            for _ in range(4):
                world.at += LEASE_MS - 1
                yield page()
            yield done("t1")

    world = World(events=Slow()).want()
    (cursor,) = world.turn()
    assert (cursor.read_at, world.value()) == (BEGIN, "t1")


def test_what_the_log_refuses_holds_up_nothing() -> None:
    broken = G1 | {"data": G1["data"] | {"duration": "soon"}}
    world = World(events=Script([page(broken, G2), done("t1")])).want()
    world.turn()
    assert (world.logged(), world.value()) == ([G2["id"]], "t1")


# --- when it is read next ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("errors", "waits"),
    [
        pytest.param([TryAgain("x")] * 4, [2_000, 4_000, 8_000, 16_000], id="twice as long each time"),
        pytest.param([TryAgain("x")] * 14, [900_000], id="but never longer than a quarter of an hour"),
        pytest.param([TryAgain("x", after=120.0)], [120_000], id="as long as the provider said"),
        pytest.param([TryAgain("x", after=0.0)], [2_000], id="but not at once"),
        pytest.param([Refused("x")], [2_000], id="a refusal may pass, too"),
        pytest.param([Deauthorised("x")], [3_600_000], id="a lost grant for long"),
        pytest.param([KeyError("x")], [2_000], id="our own bug"),
    ],
)
def test_a_link_that_fails_waits(errors: list[Exception], waits: list[int]) -> None:
    world = World(events=Script(*([error] for error in errors))).want()
    found = []
    for _ in errors:
        (cursor,) = world.turn()
        found.append(cursor.due_at - world.at)
        world.at = cursor.due_at
    assert (found[-len(waits) :], cursor.failures) == (waits, len(errors))


def test_a_bug_shows_nothing_of_what_was_read() -> None:
    world = World(events=Script([KeyError("bo@client.example")])).want()
    (cursor,) = world.turn()
    assert cursor.reason == "KeyError while reading"


def test_a_feed_that_is_not_set_up_says_so() -> None:
    (cursor,) = World().want().turn()
    assert cursor.reason == "events of google are not set up here"


def test_a_link_that_lost_its_authorisation_goes_on_where_it_was() -> None:
    feed = Script([done("t1")], [Deauthorised("revoked")], [page(G1), done("t2")])
    world = World(events=feed).want()
    world.turn()
    (cursor,) = world.turn(60_000)
    assert (cursor.reason, world.turn(60_000)[0].failures) == ("revoked", 1)
    world.cursors.wake(ANA, "events", world.at)
    (cursor,) = world.turn()
    assert (feed.values, cursor.reason, cursor.failures) == ([None, "t1", "t1"], None, 0)


def test_a_link_that_is_told_of_news_is_polled_less_often() -> None:
    world = World(events=Script()).want()
    world.channels.put(Channel(id="c", link=ANA, feed="events", resource="r", secret="s", expires_at=BEGIN + 10**9))
    assert world.turn()[0].due_at == BEGIN + 300_000


@pytest.mark.parametrize(
    "changed",
    [pytest.param({"expires_at": BEGIN}, id="over"), pytest.param({"state": "old"}, id="old"), pytest.param({"feed": "x"}, id="another's")],
)
def test_a_channel_that_says_nothing_counts_for_nothing(changed: dict[str, Any]) -> None:
    world = World(events=Script()).want()
    about: dict[str, Any] = {"feed": "events", "expires_at": BEGIN + 10**9, **changed}
    world.channels.put(Channel(id="c", link=ANA, resource="r", secret="s", **about))
    assert world.turn()[0].due_at == BEGIN + 60_000


def test_links_that_began_together_drift_apart() -> None:
    assert World(dice=lambda: 1.0, events=Script()).want().turn()[0].due_at == BEGIN + 75_000


def test_a_wake_during_a_read_is_not_lost() -> None:
    class Woken(Script):
        def pull(self, link: Link, value: str | None, now: int) -> Iterator[Pulled]:
            world.cursors.wake(ANA, "events", BEGIN + 5)
            yield done("t1")

    world = World(events=Woken()).want()
    assert world.turn()[0].due_at == BEGIN + 5


# --- the CRM first ----------------------------------------------------------------------------------------------------


def test_users_and_contacts_are_known_before_meetings_are_first_read() -> None:
    feeds: dict[str, Any] = {name: Script() for name in ("events", "meetings", "contacts", "owners")}
    world = World(**feeds).want().want(CRM, "meetings").want(CRM, "contacts").want(CRM, "owners")
    order: list[str] = []
    while len(order) < 4:
        for cursor in world.cursors.claim(world.at, LEASE_MS, 100):
            read = len(feeds[cursor.feed].values)
            world.ingest.read(cursor)
            order += [cursor.feed] * (len(feeds[cursor.feed].values) - read)
        world.at += 2_000
    assert (order[:2], sorted(order[2:])) == (["owners", "contacts"], ["events", "meetings"])


def test_a_later_read_waits_for_nothing() -> None:
    world = World(events=Script([done("t1")]), owners=Script([TryAgain("down")])).want()
    world.turn()
    world.want(CRM, "owners")
    assert {one.feed: one.reason for one in world.turn(60_000)} == {"events": None, "owners": "down"}


def test_who_waits_for_a_feed_that_fails_says_so() -> None:
    world = World(events=Script(), owners=Script(*[[Refused("no scope")]] * 9)).want().want(CRM, "owners")
    world.turn()
    found = {one.feed: (one.reason, one.due_at - world.at) for one in world.turn(2_000)}
    assert found["events"] == ("the CRM's owners are read first", 90_000)


def known(read_at_ms_ago: int, *, more: Sequence[Sequence[Pulled | Exception]] = ()) -> tuple[World, Script, Script]:
    """A calendar with a change, and contacts that were read so long ago."""
    events, contacts = Script([done("t1")], *[[page(G1), done("t2")]] * 30), Script([done("c1")], *more)
    world = World(events=events, contacts=contacts).want()
    world.turn()
    world.want(CRM, "contacts")
    world.turn()
    world.at += read_at_ms_ago
    world.cursors.wake(ANA, "events", world.at)
    return world, events, contacts


def read(world: World, feed: str) -> bool:
    """Read this one of those that are due, the others staying claimed; was it among them?"""
    found = [one for one in world.cursors.claim(world.at, 1, 100) if one.feed == feed]
    for cursor in found:
        world.ingest.read(cursor)
    world.at += 1
    return bool(found)


def test_a_change_waits_until_the_contacts_are_known_anew() -> None:
    world, events, contacts = known(20_000)
    assert (read(world, "events"), world.logged(), len(contacts.values)) == (True, [], 1)
    assert read(world, "contacts")
    world.at += 1_000
    assert (read(world, "events"), world.logged(), events.values) == (True, [G1["id"]], [None, "t1", "t1"])


@pytest.mark.parametrize(
    ("ago", "more"),
    [
        pytest.param(9_000, [], id="they are known well enough"),
        pytest.param(70_000, [[TryAgain("down")]], id="the CRM does not answer"),
    ],
)
def test_a_change_waits_for_no_more_than_that(ago: int, more: list[list[Pulled | Exception]]) -> None:
    world, events, _ = known(ago, more=more)
    if more:
        assert read(world, "contacts")
    assert (read(world, "events"), world.logged()) == (True, [G1["id"]])
    assert events.values == [None, "t1"]


@pytest.mark.parametrize("first", [True, False], ids=["a first read", "a later one"])
def test_a_read_looks_at_no_other_users_cursors(monkeypatch: pytest.MonkeyPatch, first: bool) -> None:
    if first:
        world = World(events=Script([page(G1), done("t1")]), contacts=Script()).want().want(CRM, "contacts")
    else:
        world, *_ = known(20_000)
    looked = list[Link]()
    of = world.cursors.of

    def looking(link: Link) -> list[Cursor]:
        looked.append(link)
        return of(link)

    monkeypatch.setattr(world.cursors, "of", looking)
    monkeypatch.setattr(world.cursors, "all", lambda account=None: pytest.fail("all of an account's were read"))
    assert (read(world, "events"), looked) == (True, [CRM])


def test_a_change_waits_for_a_while_at_most() -> None:
    world, events, contacts = known(20_000)
    began = world.at
    while not world.logged():
        assert read(world, "events")
        world.at += 1_000
    assert (15_000 < world.at - began < 18_000, len(contacts.values)) == (True, 1)
    assert set(events.values) == {None, "t1"}


# --- notices ----------------------------------------------------------------------------------------------------------


class Heard:
    """Reads notices: what each says is a contact of its id."""

    def __init__(self, *errors: Exception) -> None:
        self.errors, self.heard = list(errors), list[list[str]]()

    def read(self, link: Link, bodies: Sequence[bytes], now: int) -> Pulled:
        """See `Reader`."""
        self.heard.append([body.decode() for body in bodies])
        if self.errors:
            raise self.errors.pop(0)
        return page(*(contact(body.decode(), None, account=link.account) for body in bodies))


def notice(id: str, account: str = ACCOUNT) -> Notice:
    return Notice(account, "hubspot", id, id.encode())


def test_a_notice_is_done_when_what_it_names_is_in_the_log() -> None:
    world = World()
    world.readers["hubspot"] = Heard()
    world.inbox.put([notice("1"), notice("2")], BEGIN)
    assert world.ingest.hear(world.inbox.claim(BEGIN, LEASE_MS, 100)) == 2
    assert (len(world.logged()), world.inbox.waiting()) == (2, 0)


@pytest.mark.parametrize("error", [TryAgain("down"), Deauthorised("revoked"), KeyError("bug")], ids=["passes", "lost", "ours"])
def test_a_notice_that_cannot_be_read_stays(error: Exception) -> None:
    world = World()
    world.readers["hubspot"] = Heard(error)
    world.inbox.put([notice("1")], BEGIN)
    assert world.ingest.hear(world.inbox.claim(BEGIN, LEASE_MS, 100)) == 0
    assert world.inbox.waiting() == 1
    assert world.inbox.claim(BEGIN + LEASE_MS, LEASE_MS, 100) == [notice("1")]


def test_a_notice_that_cannot_be_read_at_all_keeps_no_other_from_it() -> None:
    class Picky(Heard):
        def read(self, link: Link, bodies: Sequence[bytes], now: int) -> Pulled:
            if b"2" in bodies:
                raise Refused("no id")
            return super().read(link, bodies, now)

    world = World()
    world.readers["hubspot"] = Picky()
    world.inbox.put([notice("1"), notice("2"), notice("3")], BEGIN)
    assert world.ingest.hear(world.inbox.claim(BEGIN, LEASE_MS, 100)) == 2
    assert world.inbox.claim(BEGIN + LEASE_MS, LEASE_MS, 100) == [notice("2")]


class Failing(Heard):
    """Fails whenever one of these is among the notices."""

    def __init__(self, *names: bytes) -> None:
        super().__init__()
        self.names = set(names)

    def read(self, link: Link, bodies: Sequence[bytes], now: int) -> Pulled:
        """See `Reader`."""
        if failing := self.names & set(bodies):
            self.heard.append([body.decode() for body in bodies])
            raise TryAgain(f"no answer about {len(failing)}")
        return super().read(link, bodies, now)


def test_a_notice_that_always_fails_keeps_no_other_from_being_read() -> None:
    world = World()
    world.readers["hubspot"] = Failing(b"2")
    world.inbox.put([notice("1"), notice("2"), notice("3")], BEGIN)
    assert world.ingest.hear(world.inbox.claim(BEGIN, NOTICE_LEASE_MS, 100)) == 2
    assert world.inbox.claim(BEGIN + NOTICE_LEASE_MS, NOTICE_LEASE_MS, 100) == [notice("2")]


def test_a_notice_that_always_fails_is_tried_ever_more_rarely_and_read_in_the_end() -> None:
    world = World()
    world.readers["hubspot"] = failing = Failing(b"2")
    world.inbox.put([notice("2")], BEGIN)
    tried = []
    while world.at < BEGIN + 3_600_000:
        if claimed := world.inbox.claim(world.at, NOTICE_LEASE_MS, 100):
            world.ingest.hear(claimed)
            tried.append((world.at - BEGIN) // 60_000)
        world.at += 60_000
    assert tried == [0, 1, 3, 7, 15, 30, 45]
    failing.names.clear()
    world.at += 3_600_000
    assert world.ingest.hear(world.inbox.claim(world.at, NOTICE_LEASE_MS, 100)) == 1
    assert world.inbox.waiting() == 0


def test_of_notices_that_all_fail_only_some_are_tried_one_by_one() -> None:
    world = World()
    names = [str(number) for number in range(100, 140)]
    world.readers["hubspot"] = failing = Failing(*(name.encode() for name in names))
    world.inbox.put([notice(name) for name in names], BEGIN)
    assert world.ingest.hear(world.inbox.claim(BEGIN, NOTICE_LEASE_MS, 100)) == 0
    assert (len(failing.heard), world.inbox.waiting()) == (6, 40)


def test_a_provider_that_says_how_long_it_is_busy_is_not_asked_about_each_notice() -> None:
    world = World()
    world.readers["hubspot"] = busy = Heard(TryAgain("too many", after=60.0))
    world.inbox.put([notice("1"), notice("2")], BEGIN)
    assert (world.ingest.hear(world.inbox.claim(BEGIN, NOTICE_LEASE_MS, 100)), len(busy.heard)) == (0, 1)


def test_what_a_feed_goes_on_without_stands_in_its_cursor_until_it_is_read() -> None:
    unread = [("meeting 102", "tried 3 times: no answer"), ("meeting 103", "tried once: no answer")]
    last = Pulled([], unread, "t1", last=True)
    world = World(events=Script([page(G1), last], [done("t2")])).want()
    (cursor,) = world.turn()
    assert (cursor.failures, cursor.read_at, cursor.reason) == (0, BEGIN, "meeting 102: tried 3 times: no answer; and 1 more")
    (cursor,) = world.turn(60_000)
    assert (cursor.failures, cursor.reason) == (0, None)


# --- as a role --------------------------------------------------------------------------------------------------------


def until_idle(working: Ingesting, world: World, most: int = 200) -> int:
    """Steps until there is nothing to do; the clock moves half a second with each."""
    for number in range(most):
        if not working.step():
            working.close()
            return number
        world.at += 500
    raise AssertionError("never idle")


def test_the_role_reads_all_that_is_due_and_then_is_idle() -> None:
    feeds: dict[str, Any] = {name: Script() for name in ("events", "meetings", "contacts", "owners")}
    world = World(**feeds).want().want(BEN).want(CRM, "meetings").want(CRM, "contacts").want(CRM, "owners")
    heard = world.readers["hubspot"] = Heard()
    world.inbox.put([notice("1"), notice("2"), notice("3", "another")], BEGIN)
    until_idle(Ingesting(world.ingest, threads=2), world)
    assert {name: feed.values for name, feed in feeds.items()} == {
        "events": [None, None],
        "meetings": [None],
        "contacts": [None],
        "owners": [None],
    }
    assert (sorted(heard.heard), world.inbox.waiting()) == ([["1", "2"], ["3"]], 0)


def test_notices_stay_with_who_reads_them_however_long_it_takes() -> None:
    release, hanging = threading.Event(), threading.Event()

    class Slow(Heard):
        def read(self, link: Link, bodies: Sequence[bytes], now: int) -> Pulled:
            hanging.set()
            assert release.wait(30)
            return super().read(link, bodies, now)

    world = World()
    heard = world.readers["hubspot"] = Slow()
    world.inbox.put([notice("1")], BEGIN)
    working = Ingesting(world.ingest, threads=2)
    working.step()
    assert hanging.wait(30)
    for _ in range(6):
        world.at += ingest.NOTICE_LEASE_MS // 2
        working.step()
        assert world.inbox.claim(world.at, 1, 100) == []
    release.set()
    until_idle(working, world)
    assert (heard.heard, world.inbox.waiting()) == ([["1"]], 0)


def test_what_a_dead_process_had_heard_is_read_by_the_next_within_a_minute() -> None:
    world = World()
    heard = world.readers["hubspot"] = Heard()
    world.inbox.put([notice("1")], BEGIN)
    assert world.inbox.claim(BEGIN, ingest.NOTICE_LEASE_MS, 100) == [notice("1")]
    world.at += 60_000
    until_idle(Ingesting(world.ingest, threads=2), world)
    assert (heard.heard, world.inbox.waiting()) == ([["1"]], 0)


def test_a_link_that_hangs_delays_no_other() -> None:
    release, hanging = threading.Event(), threading.Event()

    class Hanging(Script):
        def pull(self, link: Link, value: str | None, now: int) -> Iterator[Pulled]:
            if link == ANA:
                hanging.set()
                assert release.wait(30)
            yield from super().pull(link, value, now)

    feed = Hanging()
    world = World(events=feed).want()
    working = Ingesting(world.ingest, threads=2)
    working.step()
    assert hanging.wait(30)
    for number in range(20):
        world.want(Link(ACCOUNT, "google", str(600 + number)))
    while len(feed.values) < 20:
        assert working.step() > 0
    release.set()
    until_idle(working, world)
    assert len(feed.values) == 21


def test_a_thousand_links_are_read_by_a_few_threads() -> None:
    inside, most = [0], [0]
    lock = threading.Lock()

    class Counted(Script):
        def pull(self, link: Link, value: str | None, now: int) -> Iterator[Pulled]:
            with lock:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
            yield page()
            with lock:
                inside[0] -= 1
            yield from super().pull(link, value, now)

    feed = Counted()
    world = World(events=feed)
    for number in range(1000):
        world.want(Link(ACCOUNT, "google", str(number)))
    working = Ingesting(world.ingest, threads=4)
    while working.step():
        pass
    working.close()
    assert (len(feed.values), 1 <= most[0] <= 4) == (1000, True)
    assert {one.read_at for one in world.cursors.all()} == {BEGIN}


def test_links_that_fail_have_a_part_of_the_threads() -> None:
    together: list[int] = []
    inside = threading.Semaphore(0)
    gate = threading.Event()

    class Failing(Script):
        def pull(self, link: Link, value: str | None, now: int) -> Iterator[Pulled]:
            if not gate.is_set():
                raise TryAgain("down")
            inside.release()
            yield done()

    world = World(events=Failing())
    for number in range(8):
        world.want(Link(ACCOUNT, "google", str(600 + number)))
    world.turn()
    gate.set()
    world.at += 2_000
    working = Ingesting(world.ingest, threads=4)
    together.append(len(world.cursors.claim(0, 1, 1)))
    working.step()
    working.close()
    read = 0
    while inside.acquire(blocking=False):
        read += 1
    assert (read, together) == (1, [0])


def test_the_upkeep_is_done_beside() -> None:
    done_so_far = iter([3, 0, 0])
    world = World()
    working = Ingesting(world.ingest, threads=1, also=lambda: next(done_so_far))
    assert [working.step(), working.step()] == [1, 0]
    assert next(done_so_far) == 0, "not more often than once in a while"
    working.close()


def test_the_lag_is_what_waits_in_the_inbox() -> None:
    world = World()
    world.inbox.put([notice("1")], BEGIN)
    assert Ingesting(world.ingest).lag() == {"0": 1}
