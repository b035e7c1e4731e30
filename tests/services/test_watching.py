"""The upkeep of channels: one live one for each calendar, the next open before the last is closed, and failures of one link its own."""

from __future__ import annotations

from itertools import count

import pytest
from msgspec.structs import replace

from adapters.memory.channels import MemoryChannels
from adapters.memory.cursors import MemoryCursors
from adapters.memory.once import MemoryOnce
from domain.errors import Deauthorised, Refused, TryAgain
from domain.outside import Channel, Link
from services.watching import LOOK_MS, OVERLAP_MS, Hook, Watching
from tests.examples import ACCOUNT

ANA, BEN, CRM = Link(ACCOUNT, "google", "501"), Link(ACCOUNT, "google", "502"), Link(ACCOUNT, "hubspot")
BEGIN = 1_772_442_000_000
LIFE, HOUR = 100 * 3_600_000, 3_600_000
URL = "https://us.example/v1/hooks/google"


class FakeWatch:
    """Opens channels that live for `LIFE`; `renews` the same one, or opens another."""

    def __init__(self, renews: bool = False) -> None:
        self.said, self._renews, self._numbers = list[str](), renews, count(1)
        self.fails: dict[Link, Exception] = {}
        self.gone: set[str] = set()

    def open(self, link: Link, feed: str, url: str, now: int) -> Channel:
        """See `Watch`."""
        assert url == URL
        if link in self.fails:
            raise self.fails[link]
        id = f"c{next(self._numbers)}"
        self.said.append(f"open {id}")
        return Channel(id=id, link=link, feed=feed, resource="r", secret="s", expires_at=now + LIFE, made_at=now)

    def renew(self, channel: Channel, url: str, now: int) -> Channel:
        """See `Watch`."""
        if channel.id in self.gone:
            raise Refused("gone")
        if not self._renews:
            return self.open(channel.link, channel.feed, url, now)
        self.said.append(f"renew {channel.id}")
        return replace(channel, expires_at=now + LIFE, made_at=now)

    def close(self, channel: Channel) -> None:
        """See `Watch`."""
        self.said.append(f"close {channel.id}")


class World:
    """Cursors, channels, and a clock that is moved by hand."""

    def __init__(self, *links: Link, renews: bool = False) -> None:
        self.at = BEGIN
        self.cursors, self.channels, self.once = MemoryCursors(lambda: self.at), MemoryChannels(), MemoryOnce()
        self.watch = FakeWatch(renews)
        for link in links:
            self.cursors.want(link, "meetings" if link.provider == "hubspot" else "events", BEGIN + LIFE * 10)
        self.watching = self.another()

    def another(self) -> Watching:
        """As another process would see to the same channels."""
        return Watching(self.cursors, self.channels, self.once, {"google": Hook(self.watch, URL)}, lambda: self.at)

    def look(self, after_ms: int = LOOK_MS) -> list[str]:
        """Let time pass, look, and tell what was said to the provider since the last look."""
        self.at += after_ms
        before = len(self.watch.said)
        self.watching.step()
        return self.watch.said[before:]

    def shown(self, link: Link = ANA) -> list[tuple[str, str]]:
        return [(one.id, one.state) for one in self.channels.of(link)]


def test_every_calendar_gets_a_channel_and_the_crm_none() -> None:
    world = World(ANA, BEN, CRM)
    assert (world.look(), world.look()) == (["open c1", "open c2"], [])
    assert [world.shown(link) for link in (ANA, BEN, CRM)] == [[("c1", "active")], [("c2", "active")], []]


def test_a_calendar_is_read_as_soon_as_it_is_watched() -> None:
    world = World(ANA)
    world.look()
    assert [one.due_at for one in world.cursors.all()] == [world.at]


def test_the_next_channel_is_open_before_the_last_is_closed() -> None:
    world = World(ANA)
    world.look()
    assert world.look(LIFE * 6 // 10 - 1) == []
    assert world.look(LOOK_MS) == ["open c2"]
    assert world.shown() == [("c1", "old"), ("c2", "active")]
    assert world.look(OVERLAP_MS - LOOK_MS) == []
    assert world.look(LOOK_MS) == ["close c1"]
    assert world.shown() == [("c2", "active")]


def test_a_channel_that_can_be_renewed_stays_the_same() -> None:
    world = World(ANA, renews=True)
    world.look()
    assert world.look(LIFE * 6 // 10) == ["renew c1"]
    assert world.shown() == [("c1", "active")]
    assert world.look(LIFE * 6 // 10) == ["renew c1"]


def test_a_channel_that_is_gone_is_opened_anew() -> None:
    world = World(ANA, renews=True)
    world.look()
    world.watch.gone = {"c1"}
    assert world.look(LIFE * 6 // 10) == ["open c2"]
    assert world.shown() == [("c1", "old"), ("c2", "active")]


def test_a_channel_that_ended_while_nobody_looked_is_replaced_and_not_closed() -> None:
    world = World(ANA)
    world.look()
    assert world.look(LIFE + HOUR) == ["open c2"]
    assert world.shown() == [("c2", "active")]


def test_of_two_live_channels_one_is_kept() -> None:
    world = World(ANA)
    for number in (1, 2):
        world.channels.put(world.watch.open(ANA, "events", URL, BEGIN + number))
    assert world.look() == []
    assert world.shown() == [("c1", "old"), ("c2", "active")]
    assert world.look(OVERLAP_MS) == ["close c1"]


def test_two_processes_open_one_channel() -> None:
    world = World(ANA)
    other = world.another()
    world.at += LOOK_MS
    world.channels.of = lambda link: []  # type: ignore[method-assign]  # both look before either has written
    assert (world.watching.step(), other.step()) == (1, 0)
    assert world.watch.said == ["open c1"]


@pytest.mark.parametrize(
    ("error", "first_ms"),
    [
        pytest.param(TryAgain("down"), 60_000, id="down"),
        pytest.param(TryAgain("busy", after=1_000.0), 1_000_000, id="told to wait"),
        pytest.param(Refused("no https"), 60_000, id="refused"),
        pytest.param(Deauthorised("revoked"), HOUR, id="lost"),
        pytest.param(KeyError("bo@client.example"), 60_000, id="our own bug"),
    ],
)
def test_a_link_that_fails_waits_by_itself(error: Exception, first_ms: int) -> None:
    world = World(ANA, BEN)
    world.watch.fails = {ANA: error}
    assert world.look() == ["open c1"]
    world.watch.fails = {}
    assert world.look(first_ms - 1) == []
    assert world.look(150_000) == ["open c2"]
    assert world.shown() == [("c2", "active")]


def test_without_an_address_of_ours_nothing_is_watched() -> None:
    world = World(ANA)
    assert Watching(world.cursors, world.channels, world.once, {}, lambda: world.at).step() == 0
