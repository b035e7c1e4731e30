"""One examination for every table of channels; the memory twin sits it first. A new table is one line in `TABLES`, and in `LASTING`
too if its channels outlive the process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from adapters.envelope import Envelope
from adapters.memory.channels import MemoryChannels
from adapters.postgres.channels import PostgresChannels
from adapters.sqlite.channels import SqliteChannels
from domain.errors import Stop
from domain.outside import Channel, Channels, Link
from tests.contracts.stage import ADA, ALONE, BO, CRM, ENVELOPE, OTHER, ROTATED, bytes_of
from tests.servers.postgres import closing_databases as closing_databases
from tests.servers.postgres import database

Make = Callable[[Path, Envelope], Channels]
LASTING: dict[str, Make] = {
    "sqlite": lambda folder, envelope: SqliteChannels(folder / "channels.db", envelope),
    "postgres": lambda folder, envelope: PostgresChannels(database(folder), envelope),
}
TABLES: dict[str, Make] = {"memory": lambda _, __: MemoryChannels(), **LASTING}


@pytest.fixture(params=TABLES.values(), ids=list(TABLES))
def channels(request: pytest.FixtureRequest, tmp_path: Path) -> Channels:
    made: Channels = request.param(tmp_path, ENVELOPE)
    return made


def channel(id: str = "c1", link: Link = ADA, **said: object) -> Channel:
    plain = Channel(id=id, link=link, feed="events", resource="r1", secret="hush-hush", expires_at=5_000, made_at=10)
    return replace(plain, **said)


WHOLE = {
    "as opened": channel(),
    "on its way out": channel(state="old"),
    "with any text in it": channel("\0長" * 1_000, Link("6\0", "google", "Zoë"), resource="'\0\"", secret="🐝\0" * 5_000),
    "with nothing in it": channel("", Link("", "google", ""), feed="", resource="", secret="", expires_at=0),
}


@pytest.mark.parametrize("one", WHOLE.values(), ids=WHOLE.keys())
def test_a_channel_is_got_as_it_was_put(channels: Channels, one: Channel) -> None:
    channels.put(one)
    assert (channels.get(one.link.provider, one.id), channels.of(one.link)) == (one, [one])


def test_what_was_never_put_is_not_there(channels: Channels) -> None:
    channels.put(channel())
    assert (channels.get("google", "c2"), channels.get("office365", "c1"), channels.of(BO), channels.ending(5_000)) == (None, None, [], [])


def test_one_of_the_same_provider_and_id_is_replaced(channels: Channels) -> None:
    newer = channel(link=OTHER, secret="other", state="old", expires_at=9_000, made_at=20, resource="r2", feed="more")
    for one in (channel(), channel(link=BO), newer):
        channels.put(one)
    assert (channels.get("google", "c1"), channels.get("office365", "c1")) == (newer, channel(link=BO))
    assert (channels.of(ADA), channels.of(OTHER)) == ([], [newer])


def test_those_that_end_soon_are_told_whatever_their_state_the_first_first(channels: Channels) -> None:
    for id, link, expires_at in [("c", ADA, 300), ("a", BO, 100), ("b", CRM, 200), ("d", OTHER, 400)]:
        channels.put(channel(id, link, expires_at=expires_at, state="old" if id == "b" else "active"))
    assert [one.id for one in channels.ending(400)] == ["a", "b", "c"]
    assert channels.ending(100) == []


def test_all_of_a_link_are_told_in_the_order_in_which_they_were_made(channels: Channels) -> None:
    for id, made_at in [("c", 1), ("a", 3), ("b", 2)]:
        channels.put(channel(id, made_at=made_at, state="old" if id == "b" else "active"))
    channels.put(channel("z", BO))
    assert [one.id for one in channels.of(ADA)] == ["c", "b", "a"]


def test_a_dropped_channel_is_gone_and_the_others_stay(channels: Channels) -> None:
    for one in (channel("c1"), channel("c2"), channel("c1", BO)):
        channels.put(one)
    channels.drop("google", "c1")
    channels.drop("google", "c1")
    assert (channels.get("google", "c1"), channels.of(ADA), channels.of(BO)) == (None, [channel("c2")], [channel("c1", BO)])


# --- channels that last ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", LASTING.values(), ids=LASTING.keys())
def test_channels_are_there_when_the_table_is_opened_again(make: Make, tmp_path: Path) -> None:
    make(tmp_path, ENVELOPE).put(channel())
    assert make(tmp_path, ENVELOPE).get("google", "c1") == channel()


@pytest.mark.parametrize("make", LASTING.values(), ids=LASTING.keys())
def test_after_a_rotation_the_old_key_is_needed_by_nobody(make: Make, tmp_path: Path) -> None:
    put = [channel("a"), channel("b")]
    for one in put:
        make(tmp_path, ENVELOPE).put(one)
    rotated = make(tmp_path, ROTATED)
    assert isinstance(rotated, SqliteChannels | PostgresChannels)
    assert (rotated.reseal(), rotated.reseal(), make(tmp_path, ALONE).of(ADA)) == (2, 0, put)
    with pytest.raises(Stop, match="2027"):
        make(tmp_path, ENVELOPE).get("google", "a")


def test_no_secret_stands_in_the_file_and_a_dropped_one_is_not_even_there_sealed(tmp_path: Path) -> None:
    channels = SqliteChannels(tmp_path / "channels.db", ENVELOPE)
    channels.put(channel())
    [(box,)] = channels._file.rows("SELECT secret FROM channels")
    held = b"".join(held for _, held in bytes_of(tmp_path))
    assert (b"hush-hush" in held, box in held) == (False, True)
    channels.drop("google", "c1")
    assert not any(box[-32:] in held for _, held in bytes_of(tmp_path))
