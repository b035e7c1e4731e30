"""The windows in which a user's calendar was connected, from facts in any order of arrival (rules one-calendar, active-window)."""

from __future__ import annotations

from functools import reduce
from itertools import pairwise, permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.connection import Connection, Window, evolve
from domain.events import (
    ConnectionActivated,
    ConnectionDeauthorised,
    ConnectionDisconnected,
    ContactDeleted,
    DeletionsDiscarded,
    DeletionsHeld,
    DeletionsReleased,
    Event,
)
from tests.examples import ACCOUNT, ANA

ADDRESS = "K" * 22


def on(at: int, provider: str = "google", calendar: str | None = ANA) -> Event:
    """A calendar was connected."""
    return ConnectionActivated(
        account=ACCOUNT, at=at, recorded_at=at, cause="c", user="501", provider=provider, calendar=calendar, address=ADDRESS
    )


def off(at: int, provider: str = "google", reason: str | None = "asked") -> Event:
    """It was disconnected."""
    return ConnectionDisconnected(account=ACCOUNT, at=at, recorded_at=at, cause="c", user="501", provider=provider, reason=reason)


def lost(at: int, provider: str = "google") -> Event:
    """It lost its authorisation."""
    return ConnectionDeauthorised(account=ACCOUNT, at=at, recorded_at=at, cause="c", user="501", provider=provider, reason="revoked")


def after(*events: Event) -> Connection:
    """The connection after these events."""
    return reduce(evolve, events, Connection())


def spans(connection: Connection) -> list[tuple[str, int, int | None]]:
    """(provider, from, to) of its windows."""
    return [(w.provider, w.from_, w.to) for w in connection.windows]


STORIES: dict[str, tuple[list[Event], list[tuple[str, int, int | None]], tuple[int, ...]]] = {
    "never connected": ([], [], ()),
    "connected": ([on(10)], [("google", 10, None)], ()),
    "connected and disconnected": ([on(10), off(20)], [("google", 10, 20)], ()),
    "with a gap": ([on(10), off(20), on(30)], [("google", 10, 20), ("google", 30, None)], ()),
    "renewed": ([on(10), on(20)], [("google", 10, None)], ()),
    "renewed, the calendar in capitals": ([on(10), on(20, calendar=ANA.upper())], [("google", 10, None)], ()),
    "renewed, then disconnected": ([on(10), on(20), off(30)], [("google", 10, 30)], ()),
    "the other provider meanwhile": ([on(10), on(20, "office365")], [("google", 10, None)], (20,)),
    "another calendar of the same provider": ([on(10), on(20, calendar="team@acme.example")], [("google", 10, None)], (20,)),
    "refused, and not live when the first ends": ([on(10), on(20, "office365"), off(30)], [("google", 10, 30)], (20,)),
    "refused, and its end ends nothing": ([on(10), on(20, "office365"), off(30, "office365")], [("google", 10, None)], (20,)),
    "switched": ([on(10), off(20), on(30, "office365")], [("google", 10, 20), ("office365", 30, None)], ()),
    "switched at the same instant": ([on(10), off(20), on(20, "office365")], [("google", 10, 20), ("office365", 20, None)], ()),
    "switched and back": (
        [on(10), off(20), on(30, "office365"), off(40, "office365"), on(50)],
        [("google", 10, 20), ("office365", 30, 40), ("google", 50, None)],
        (),
    ),
    "disconnected without having been connected": ([off(10)], [], ()),
    "disconnected twice": ([on(10), off(20), off(25)], [("google", 10, 20)], ()),
    "disconnected before it was connected": ([off(5), on(10)], [("google", 10, None)], ()),
    "lost its authorisation": ([on(10), lost(20)], [("google", 10, None)], ()),
    "lost it, then disconnected": ([on(10), lost(20), off(30)], [("google", 10, 30)], ()),
    "the other provider while it is lost": ([on(10), lost(20), on(30, "office365")], [("google", 10, None)], (30,)),
}


@pytest.mark.parametrize("story", STORIES)
def test_the_windows_of_a_story_in_every_order_of_arrival(story: str) -> None:
    events, windows, refused = STORIES[story]
    whole = after(*events)
    assert spans(whole) == windows
    assert whole.refused == refused
    for order in permutations(events):
        other = after(*order)
        assert (other.windows, other.refused, other.authorised, other.reason) == (
            whole.windows,
            whole.refused,
            whole.authorised,
            whole.reason,
        )


@pytest.mark.parametrize("story", STORIES)
def test_every_fact_told_twice_is_told_once(story: str) -> None:
    events, _, _ = STORIES[story]
    assert after(*events, *reversed(events)) == after(*events)


def test_a_window_keeps_whose_calendar_it_was() -> None:
    assert after(on(10, calendar=ANA.upper())).live == Window("google", ANA, ADDRESS, 10, None)
    assert after(on(10)).user == "501"
    assert after(on(10), off(20)).live is None


@pytest.mark.parametrize(
    ("events", "authorised", "reason"),
    [
        ([on(10)], True, None),
        ([on(10), lost(20)], False, "revoked"),
        ([on(10), lost(20), on(30)], True, None),
        ([on(10), lost(20), on(30, "office365")], False, "revoked"),
        ([on(10), lost(20, "office365")], True, None),
        ([on(10), off(20)], True, "asked"),
        ([on(10), off(20), on(30)], True, None),
        ([on(10), off(20, reason=None)], True, None),
    ],
    ids=[
        "connected",
        "lost",
        "renewed",
        "another's activation renews nothing",
        "another's loss",
        "disconnected",
        "connected again",
        "no reason",
    ],
)
def test_whether_it_is_authorised_and_why_not(events: list[Event], authorised: bool, reason: str | None) -> None:
    found = after(*events)
    assert (found.authorised, found.reason) == (authorised, reason)


@pytest.mark.parametrize(
    ("provider", "created", "within"),
    [
        ("google", 9, False),
        ("google", 10, True),
        ("google", 19, True),
        ("google", 20, False),
        ("google", 25, False),
        ("google", 29, False),
        ("google", 30, False),
        ("office365", 10, False),
        ("office365", 29, False),
        ("office365", 30, True),
        ("office365", 10**15, True),
    ],
)
def test_a_creation_counts_from_the_activation_until_before_the_disconnection(provider: str, created: int, within: bool) -> None:
    found = after(on(10), off(20), on(30, "office365"))
    assert found.created_within(provider, created) is within
    assert found.created_within_any(created) is (10 <= created < 20 or created >= 30)


def test_nothing_was_created_within_a_connection_that_never_was() -> None:
    assert not Connection().created_within("google", 10)
    assert not Connection().created_within_any(10)


def test_what_was_created_while_the_authorisation_was_lost_counts() -> None:
    assert after(on(10), lost(20), on(30)).created_within("google", 25)


def test_what_a_refused_activation_would_have_covered_does_not_count() -> None:
    assert not after(on(10), on(20, "office365")).created_within("office365", 25)


@pytest.mark.parametrize(
    ("provider", "updated", "does"), [("google", 19, True), ("google", 20, False), ("google", 5, True), ("office365", 15, False)]
)
def test_a_change_from_before_the_disconnection_counts_when_it_arrives_after_it(provider: str, updated: int, does: bool) -> None:
    assert after(on(10), off(20)).counts(provider, updated) is does


def test_any_change_counts_while_it_is_live() -> None:
    assert after(on(10)).counts("google", 10**15)


def held(hold: str) -> Event:
    """Deletions are held for a person."""
    return DeletionsHeld(
        account=ACCOUNT, at=1, recorded_at=1, cause="c", user="501", provider="google", hold=hold, sightings=("google|501|g1",), known=40
    )


def test_held_deletions_stand_until_they_are_released_or_discarded() -> None:
    both = after(on(10), held("h1"), held("h2"))
    assert sorted(both.held) == ["h1", "h2"]
    released = evolve(both, DeletionsReleased(account=ACCOUNT, at=2, recorded_at=2, cause="c", hold="h1"))
    assert sorted(released.held) == ["h2"]
    discarded = evolve(released, DeletionsDiscarded(account=ACCOUNT, at=3, recorded_at=3, cause="c", hold="h2"))
    assert discarded.held == {}
    assert discarded.windows == both.windows


def test_what_is_not_about_a_connection_leaves_it_as_it_was() -> None:
    before = after(on(10))
    assert evolve(before, ContactDeleted(account=ACCOUNT, at=1, recorded_at=1, cause="c", contact="151")) == before


FACTS = st.builds(
    lambda make, at, provider: make(at, provider),
    st.sampled_from([on, off, lost]),
    st.integers(0, 20),
    st.sampled_from(["google", "office365"]),
)


@given(st.lists(FACTS, max_size=10), st.data())
def test_the_order_and_repetition_of_arrival_never_matter(events: list[Event], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations([*events, *events[:3]]))
    assert after(*shuffled).windows == after(*events).windows
    assert after(*shuffled).refused == after(*events).refused


@given(st.lists(FACTS, max_size=10))
def test_windows_follow_each_other_and_only_the_last_is_open(events: list[Event]) -> None:
    windows = after(*events).windows
    assert all(w.to is not None and w.from_ <= w.to for w in windows[:-1])
    assert all(a.to is not None and a.to <= b.from_ for a, b in pairwise(windows))
