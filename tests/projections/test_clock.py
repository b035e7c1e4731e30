"""How far a series is laid out follows from the account's clock, and not from what was told before its first tick."""

from __future__ import annotations

import itertools

import pytest

from tests.engine import Engine
from tests.examples import Event, configured, meeting, stage, ticked

POLICY = configured(-26, policy={"series": {"before_days": 30, "after_days": 60}})
TICK = ticked(30 * 24)
ENDLESS = meeting("g1", 1, recurrenceRules=["FREQ=WEEKLY"])
LONG = meeting("g2", 1, title="Course", recurrenceRules=["FREQ=WEEKLY;COUNT=40"])
REWORDED = meeting("g1", 2, title="Reworded", recurrenceRules=["FREQ=WEEKLY"])


def shown(*events: Event) -> list[tuple[str, str]]:
    """(title, day) of the entries, in an account that was told its policy first."""
    engine = Engine().tell(*(event for event in stage() if "clock" not in event["type"]), POLICY)
    return sorted((title, start[:10]) for title, start, _ in engine.tell_one_by_one(*events).shown())


ORDERS = list(itertools.permutations([TICK, ENDLESS, LONG]))


@pytest.mark.parametrize("order", ORDERS, ids=lambda order: "-".join(event["id"][-6:] for event in order))
def test_the_first_tick_lays_every_series_out_anew(order: tuple[Event, ...]) -> None:
    found = shown(*order)
    days = [day for title, day in found if title == "Course"]
    assert (days[0], days[-1], len(days)) == ("2026-04-07", "2026-05-26", 8)
    assert [day for title, day in found if title == "Kick-off"] == days


def test_a_change_after_the_tick_finds_what_the_tick_left() -> None:
    assert shown(ENDLESS, TICK, REWORDED) == shown(TICK, ENDLESS, REWORDED)


def test_before_the_first_tick_a_year_is_laid_out() -> None:
    assert len(shown(LONG)) == 40
