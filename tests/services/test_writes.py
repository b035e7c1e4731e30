"""What is told of outside writes from the events alone, held against what becomes of the deliveries."""

from __future__ import annotations

from datetime import datetime
from itertools import product
from typing import Any
from uuid import UUID

from adapters.memory.store import MemoryStore
from domain.events import Ask, Content, MeetingEvent, MeetingNoted
from domain.outside import Link, Request
from domain.ports import Recorded
from projections.bodies import stamp
from services.writes import Answer, Write, writes_of
from tests.examples import ACCOUNT

MEETING, OTHER = UUID(int=1), UUID(int=2)
CONTENT = Content(datetime(2026, 4, 7, 10), "PT1H")


def ask(number: int, provider: str, user: str, action: str, copy: str | None = None, changed: str = "") -> Ask:
    return Ask(f"{number:032x}", provider, user, "create" if action == "create" else "update", CONTENT, tuple(changed.split()), copy)


KINDS: tuple[tuple[Any, ...], ...] = (
    ("google", "501", "create"),
    ("google", "501", "update"),
    ("google", "501", "update", None, "title"),
    ("google", "501", "update", "w1", "title"),
    ("google", "501", "update", "w1", "title place"),
    ("google", "501", "update", "w2", "title"),
    ("google", "502", "create"),
    ("hubspot", "501", "update", "901", "title"),
    ("hubspot", "502", "create"),
)


def event(at: int, *asks: Ask, absorbs: tuple[str, ...] = (), recalls: tuple[str, ...] = ()) -> MeetingEvent:
    return MeetingNoted(account=ACCOUNT, at=at, recorded_at=at, cause=str(at), asks=asks, absorbs=absorbs, recalls=recalls)


def request(ask: Ask, at: int, meeting: UUID = MEETING) -> Request:
    link = Link(ACCOUNT, ask.provider, "" if ask.provider == "hubspot" else ask.user)
    return Request(
        id=ask.id, link=link, meeting=meeting, action=ask.action, content=CONTENT, changed=ask.changed, copy=ask.copy, requested_at=at
    )


def told(*asks: Ask, store: MemoryStore | None = None, answers: dict[str, Answer] | None = None) -> tuple[Write, ...]:
    """What is told when each was recorded a second after the one before."""
    store = store or MemoryStore()
    for version, one in enumerate(asks, 1):
        at = version * 1000
        store.commit([Recorded(MEETING, version, event(at, one))], [], [], requests=[request(one, at)])
    return writes_of(store, MEETING, answers or {})


def test_what_is_said_to_be_superseded_is_what_the_deliveries_supersede() -> None:
    for kinds in product(KINDS, repeat=3):
        store = MemoryStore()
        writes = told(*[ask(number, *kind) for number, kind in enumerate(kinds, 1)], store=store)
        states = {"waiting": "asked", "superseded": "superseded"}
        kept = {one.request.id: states[one.state] for one in store.deliveries.all(None, None, "", 99)}
        assert {write.delivery: write.state for write in writes} == kept, kinds


def test_it_says_when_the_later_one_was_asked_for() -> None:
    first, second = told(ask(1, *KINDS[3]), ask(2, *KINDS[4]))
    assert (first.state, first.at, first.sentence) == (
        "superseded",
        stamp(2000),
        "A change of title in user 501's Google calendar was asked for at 1970-01-01T00:00:01.000Z; "
        "a later one, asked for at 1970-01-01T00:00:02.000Z, says all of it.",
    )
    assert (second.state, second.at) == ("asked", stamp(2000))


def test_of_two_that_say_different_things_the_earlier_is_over_when_the_later_was_written() -> None:
    asks = ask(1, *KINDS[4]), ask(2, *KINDS[3]), ask(3, *KINDS[6]), ask(4, "google", "501", "update", "w1", "time")
    assert [write.state for write in told(*asks)] == ["asked"] * 4
    writes = told(*asks, answers={asks[1].id: Answer("confirmed", stamp(9000))})
    assert [(write.state, write.at) for write in writes] == [
        ("superseded", stamp(9000)),
        ("written", stamp(9000)),
        ("asked", stamp(3000)),
        ("asked", stamp(4000)),
    ]
    assert writes[0].sentence.endswith("; a later one was written in its place at 1970-01-01T00:00:09.000Z.")


def test_what_was_heard_of_a_write_counts_before_what_a_later_one_says() -> None:
    asks = ask(1, *KINDS[3]), ask(2, *KINDS[3]), ask(3, *KINDS[3])
    answers = {asks[0].id: Answer("confirmed", stamp(5000)), asks[1].id: Answer("failed", stamp(6000), "read-only")}
    assert [write.state for write in told(*asks, answers=answers)] == ["written", "failed", "asked"]


def test_one_that_failed_later_had_superseded_what_waited_when_it_was_asked_for() -> None:
    asks = ask(1, *KINDS[3]), ask(2, *KINDS[3])
    assert [write.state for write in told(*asks, answers={asks[1].id: Answer("failed", stamp(6000), "read-only")})] == [
        "superseded",
        "failed",
    ]


def test_what_another_meeting_asked_for_before_it_was_found_to_be_this_one_is_superseded_by_nothing_of_this_one() -> None:
    store = MemoryStore()
    theirs, older, ours = ask(1, *KINDS[0]), ask(2, *KINDS[0]), ask(3, *KINDS[0])
    store.commit([Recorded(OTHER, 1, event(1000, older))], [], [], requests=[request(older, 1000, OTHER)])
    store.commit([Recorded(OTHER, 2, event(1500, theirs))], [], [], requests=[request(theirs, 1500, OTHER)])
    store.commit([Recorded(MEETING, 1, event(2000, ours))], [], [], requests=[request(ours, 2000)])
    joined = event(3000, older, theirs, absorbs=(OTHER.hex,))
    store.commit([Recorded(MEETING, 2, joined)], [], [], requests=[request(one, 3000) for one in joined.asks])
    kept = {one.request.id: one.state for one in store.deliveries.all(None, None, "", 99)}
    assert kept == {ours.id: "waiting", older.id: "superseded", theirs.id: "waiting"}
    assert {write.delivery: write.state for write in writes_of(store, MEETING, {})} == {
        ours.id: "asked",
        older.id: "superseded",
        theirs.id: "asked",
    }
