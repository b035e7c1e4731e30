"""Answers kept in memory: of one position of the read models, and of no other."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest
from litestar.testing import TestClient
from msgspec.structs import replace

from adapters.memory.cursors import MemoryCursors
from domain.outside import Cursor, Link
from projections.bodies import stamp
from services.api import timelines
from services.api.timelines import Kept, Whole
from services.reading import LOOK_MS, Reading, Rounds
from tests.examples import contact_said, meeting
from tests.services.asking import Asking, asking

Client = TestClient[Any]
ASKED = ("62515", "151", b"limit=3")
FRESH = b"{}"


def page(body: bytes = b"{}", freshness: bytes = FRESH) -> Whole:
    return Whole(b'W/"1"', [], body, freshness)


def test_an_answer_is_given_again_at_its_position_only() -> None:
    kept = Kept()
    kept.put(7, ASKED, page())
    assert (kept.get(7, ASKED, FRESH), kept.get(8, ASKED, FRESH), kept.get(6, ASKED, FRESH)) == (page(), None, None)


def test_another_question_is_another_answer() -> None:
    kept = Kept()
    kept.put(7, ASKED, page())
    others = ("62516", "151", b"limit=3"), ("62515", "152", b"limit=3"), ("62515", "151", b"")
    assert [kept.get(7, asked, FRESH) for asked in others] == [None] * 3


def test_an_answer_that_is_less_fresh_than_one_could_be_is_not_given_again() -> None:
    kept = Kept()
    kept.put(7, ASKED, page())
    assert kept.get(7, ASKED, b"fresher") is None
    kept.put(7, ASKED, page(freshness=b"fresher"))
    assert (kept.get(7, ASKED, b"fresher"), kept.get(7, ASKED, FRESH)) == (page(freshness=b"fresher"), None)


def test_with_the_next_position_nothing_of_the_one_before_is_held() -> None:
    kept = Kept()
    kept.put(7, ASKED, page())
    kept.put(8, ("62515", "152", b""), page())
    assert kept.get(8, ASKED, FRESH) is None


def test_what_does_not_fit_starts_anew() -> None:
    kept = Kept(most=10)
    kept.put(7, ASKED, page(b"123456"))
    kept.put(7, ("62515", "152", b""), page(b"123456"))
    assert (kept.get(7, ASKED, FRESH), kept.get(7, ("62515", "152", b""), FRESH)) == (None, page(b"123456"))


def test_an_answer_in_the_place_of_a_former_one_takes_its_room() -> None:
    kept = Kept(most=10)
    kept.put(7, ("62515", "152", b""), page(b"1234"))
    for _ in range(3):
        kept.put(7, ASKED, page(b"123456"))
    assert kept.get(7, ("62515", "152", b""), FRESH) == page(b"1234")


PAGE = "/v1/contacts/151/timeline"


def test_through_the_api_a_change_an_erasure_and_a_revoked_token_count_at_once() -> None:
    engine = asking(meeting())
    header = engine.header("timeline:read")
    with TestClient(engine.app()) as client:

        def titles() -> list[str]:
            return [entry["title"] for entry in client.get(PAGE, headers=header).json()["entries"]]

        assert (titles(), titles()) == (["Kick-off"], ["Kick-off"])
        engine.tell(meeting(revision=1, title="Renamed"))
        assert (titles(), titles()) == (["Renamed"], ["Renamed"])
        assert client.get(PAGE, headers=engine.header("timeline:read", account="70001")).status_code == 404
        (token,) = engine.tokens.list("62515")
        engine.tokens.revoke(token.id)
        assert client.get(PAGE, headers=header).status_code == 401
        engine.tell(contact_said("151", "contact.erased", 2))
        assert client.get(PAGE, headers=engine.header("timeline:read")).status_code == 404


class Polled:
    """An engine with one calendar that was read to its end, and its API. `at` is the clock of both (ms)."""

    def __init__(self) -> None:
        self.engine: Asking = asking(meeting())
        self.at = self.engine.at + 60_000
        self.cursors = MemoryCursors(lambda: self.at)
        self.cursors.want(Link("62515", "google", "501"), "events", self.at)
        rounds = Rounds(self.cursors, self.engine.progress, self.engine.views.position, lambda: self.at)
        self.engine.reading = Reading(self.engine.views, self.engine.vault, self.engine.store, rounds)
        self.header = self.engine.header("timeline:read")

    def round(self) -> str:
        """It is read once more, and has no news."""
        self.at += LOOK_MS
        self.cursors.wake(Link("62515", "google", "501"), "events", self.at)
        (held,) = self.cursors.claim(self.at, 1, 9)
        self.cursors.keep(replace(held, read_at=self.at, due_at=self.at))
        return stamp(self.at)


@pytest.fixture
def polled() -> Polled:
    return Polled()


@pytest.fixture
def client(polled: Polled) -> Iterator[Client]:
    with TestClient(polled.engine.app()) as client:
        yield client


def test_through_the_api_a_page_is_as_fresh_as_the_last_round_though_nothing_was_folded(polled: Polled, client: Client) -> None:
    answers = []
    for _ in range(3):
        read = polled.round()
        body = client.get(PAGE, headers=polled.header).json()
        assert body["freshness"]["lastRead"] == read
        assert client.get(PAGE, headers=polled.header).json() == body
        answers.append({name: value for name, value in body.items() if name != "freshness"} | {"position": body["freshness"]["position"]})
    assert answers == [answers[0]] * 3


def test_who_has_a_page_is_not_sent_it_again_for_a_round_without_news(polled: Polled, client: Client) -> None:
    polled.round()
    first = client.get(PAGE, headers=polled.header)
    polled.round()
    again = client.get(PAGE, headers={**polled.header, "If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", first.headers["etag"])
    polled.engine.tell(meeting(revision=1, title="Renamed"))
    assert client.get(PAGE, headers={**polled.header, "If-None-Match": first.headers["etag"]}).status_code == 200


def test_through_the_api_a_connection_is_as_fresh_as_its_last_round(polled: Polled, client: Client) -> None:
    read = polled.round()
    ops = polled.engine.header("ops")
    (one,) = client.get("/v1/connections", headers=ops).json()["connections"]
    assert (one["user"], one["lastRead"]) == ("501", read)


def test_nobody_waits_for_a_look_that_takes_long(polled: Polled, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timelines, "LOOK_SECONDS", 0.0)
    answered, told = threading.Event(), threading.Event()
    find = polled.cursors.all

    def slow(account: str | None = None) -> list[Cursor]:
        assert answered.wait(30)
        told.set()
        return find(account)

    monkeypatch.setattr(polled.cursors, "all", slow)
    read = polled.round()
    try:
        before = client.get(PAGE, headers=polled.header).json()
        assert client.get(PAGE, headers=polled.header).json() == before
    finally:
        answered.set()
    assert told.wait(30)
    assert before["freshness"]["lastRead"] == before["entries"][0]["recordedAt"] != read
