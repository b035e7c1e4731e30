"""What the doctor says of permissions, feeds, channels and deliveries: nothing where nobody is set up, and what a person should look at."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Literal

import pytest
from msgspec.structs import replace
from pydantic import SecretStr

from domain.outside import Channel, Deliveries, Delivery, Grant, Link
from services.doctor import HOUR_MS, examine
from services.held import discard, holds
from services.rebuild import rebuild
from services.settings import Settings
from services.up import Engine
from services.wiring import Installation, now
from services.wiring_providers import Outside
from tests.examples import listed, meeting, stage
from tests.outgoing import request

ANA, BEN = Link("62515", "google", "501"), Link("62515", "office365", "502")
OF_PROVIDERS = ("permissions", "feeds", "channels", "deliveries failed", "deliveries waiting")
HOUR_AND_A_BIT = HOUR_MS + 60_000

Looked = dict[str, tuple[bool, str]]


class Office:
    """An installation with Google set up, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings(data=folder, log=None, store=None, google_client_id="id", google_client_secret=SecretStr("secret"))
        self.parts = Installation(self.settings)
        self.outside = Outside(self.parts)
        _ = self.parts.store  # whose file holds the deliveries

    def granted(self, link: Link, state: Literal["live", "lost"] = "live") -> None:
        self.outside.grants.put(Grant(link=link, id="g", access="a", refresh="r", state=state, granted_at=now()))
        self.outside.cursors.want(link, "events", 0)

    def read(self, ms_ago: int | None, failures: int = 0, reason: str | None = None) -> None:
        """All feeds, so long ago."""
        for cursor in self.outside.cursors.claim(now(), 60_000, 100):
            read_at = None if ms_ago is None else now() - ms_ago
            self.outside.cursors.keep(replace(cursor, read_at=read_at, failures=failures, reason=reason))

    def asked(self, ms_ago: int, state: Literal["waiting", "failed"] = "waiting") -> None:
        """A delivery, requested so long ago."""
        deliveries: Deliveries = self.outside.deliveries
        deliveries.put([replace(request(guests=()), requested_at=now() - ms_ago)])
        if state == "failed":
            [one] = deliveries.claim(now(), 60_000, 1)
            deliveries.keep(replace(one, state="failed", reason="google answered 403"))

    def channel(self, ms_left: int) -> None:
        at = now()
        self.outside.channels.put(
            Channel(id="c", link=ANA, feed="events", resource="r", secret="s", expires_at=at + ms_left, made_at=at - HOUR_MS)
        )

    def looked(self) -> Looked:
        return {one.name: (one.ok, one.says) for one in examine(self.parts, self.outside).checks if one.name in OF_PROVIDERS}


@pytest.fixture
def office(tmp_path: Path) -> Iterator[Office]:
    office = Office(tmp_path)
    yield office
    office.outside.close()
    office.parts.close()


def test_all_is_well_with_a_calendar_that_was_read_and_a_delivery_on_its_way(office: Office) -> None:
    office.granted(ANA)
    office.read(60_000)
    office.asked(60_000)
    office.channel(2 * HOUR_MS)
    assert office.looked() == {
        "permissions": (True, "1 permission live"),
        "feeds": (True, "1 feed read within the hour"),
        "channels": (True, "none is about to end"),
        "deliveries failed": (True, "none"),
        "deliveries waiting": (True, "1 delivery on the way"),
    }


def test_a_lost_permission_is_told_once_and_not_as_a_feed_that_is_late(office: Office) -> None:
    office.granted(ANA)
    office.granted(BEN, "lost")
    office.read(HOUR_AND_A_BIT)
    looked = office.looked()
    said = "1 permission lost, of account 62515 office365 user 502: have these users connect again"
    assert looked["permissions"] == (False, said)
    assert looked["feeds"] == (False, "1 feed not read for an hour, of account 62515 google user 501: see the log of `ingest`")


@pytest.mark.parametrize(
    ("ms_ago", "failures", "well"),
    [
        (HOUR_MS - 60_000, 3, True),
        (HOUR_AND_A_BIT, 0, False),
        (None, 0, True),
        (None, 1, False),
    ],
    ids=["failing for a while", "not read for an hour", "not read yet", "never read, and failing"],
)
def test_a_feed_is_late_after_an_hour_or_if_its_first_reading_fails(office: Office, ms_ago: int | None, failures: int, well: bool) -> None:
    office.granted(ANA)
    office.read(ms_ago, failures)
    assert office.looked()["feeds"][0] is well


def test_why_a_feed_is_late_is_said(office: Office) -> None:
    office.granted(ANA)
    office.read(None, 4, "google answered 503")
    assert office.looked()["feeds"][1].endswith("; google answered 503: see the log of `ingest`")


@pytest.mark.parametrize(("ms_left", "well"), [(-60_000, False), (HOUR_MS - 60_000, False), (HOUR_AND_A_BIT, True)])
def test_a_channel_that_ends_within_the_hour_was_not_renewed(office: Office, ms_left: int, well: bool) -> None:
    office.granted(ANA)
    office.read(0)
    office.channel(ms_left)
    assert office.looked()["channels"][0] is well


def test_a_delivery_that_failed_is_a_person_s(office: Office) -> None:
    office.asked(0, "failed")
    looked = office.looked()
    assert looked["deliveries failed"] == (False, "1 delivery failed: see `rendezvous deliveries list --state failed`")
    assert looked["deliveries waiting"] == (True, "0 deliveries on the way")


def test_a_delivery_that_waits_for_an_hour_is_told(office: Office) -> None:
    office.asked(HOUR_AND_A_BIT)
    ok, says = office.looked()["deliveries waiting"]
    assert (ok, says) == (False, "1 delivery asked for more than an hour ago, for account 62515 google user 501")


def test_without_a_provider_nothing_is_said_of_providers_and_nothing_is_made(tmp_path: Path) -> None:
    parts = Installation(Settings(data=tmp_path, log=None, store=None))
    checks = examine(parts, Outside(parts)).checks
    parts.close()
    assert [one.name for one in checks if one.name in OF_PROVIDERS] == []
    assert not list(tmp_path.glob("providers*"))


def test_no_more_than_three_links_are_named(office: Office) -> None:
    for user in range(501, 506):
        office.granted(Link("62515", "google", str(user)), "lost")
    assert office.looked()["permissions"][1].startswith("5 permissions lost, of account 62515 google user 501, account")
    assert "and 2 more" in office.looked()["permissions"][1]


def test_a_delivery_s_age_is_what_counts_not_its_tries(office: Office) -> None:
    office.asked(60_000)
    [one] = office.outside.deliveries.claim(now(), 60_000, 1)
    tried: Delivery = replace(one, tries=9, due_at=now() + HOUR_MS, reason="busy")
    office.outside.deliveries.keep(tried)
    assert office.looked()["deliveries waiting"] == (True, "1 delivery on the way")


def test_held_deletions_are_a_person_s(tmp_path: Path) -> None:
    with closing(Installation(Settings(data=tmp_path))) as parts:
        told = [*stage(), *(meeting(f"m{n}") for n in range(20)), listed(["m0"])]
        parts.publisher.accept([json.dumps(event).encode() for event in told])
        engine = Engine(parts, lambda: False)
        while engine.turn():
            pass
        [held] = holds(parts, "62515")
        assert _of(parts, "held deletions") == (
            False,
            "1 listing would have removed unusually many meetings, in account 62515: see `rendezvous held list 62515`",
        )
        discard(parts, "62515", held.hold)
        while engine.turn():
            pass
        assert _of(parts, "held deletions") == (True, "none")


def _of(parts: Installation, name: str) -> tuple[bool, str]:
    [found] = [(one.ok, one.says) for one in examine(parts).checks if one.name == name]
    return found


def test_a_second_set_that_a_killed_rebuild_left_is_told_until_it_is_gone(tmp_path: Path) -> None:
    parts = Installation(Settings(data=tmp_path, log=None, store=None))

    def told() -> list[tuple[bool, str]]:
        return [(one.ok, one.says) for one in examine(parts).checks if one.name.startswith("second read models")]

    beside = parts.views.beside()
    assert told() == []  # it is being built
    del beside
    says = "a rebuild that was killed left one, with people in clear: the next event that is folded removes it, or `rendezvous rebuild`"
    assert told() == [(False, says)]
    rebuild(parts, switch=False)
    assert told() == []
    parts.close()
