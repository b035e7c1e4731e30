"""One meeting's events in any order, repeated, told one by one and at once: whatever the deliveries, the timelines are the same.

What must stay true: with four events or fewer every order is played; with more, a sample from a seed, among it the order of the
story backwards. An event is repeated under its own id (the transport delivered it twice) and under another (polls overlapped).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from itertools import permutations
from math import factorial

from tests.engine import Engine
from tests.examples import Event, stage

Ask = Callable[[Engine], object]

MOST = 24
"""Orders that are played of one story."""


def same_in_any_order(
    *events: Event, before: Sequence[Event] = (), after: Sequence[Event] = (), seed: int = 1, ask: Ask = Engine.essence
) -> Engine:
    """The engine that was told `events` in their order, between the stage with `before`, and `after`, which both keep their
    places. Asserts that whatever `ask` asks it has the same answer after every other delivery of `events`.

    Works as a check on deliveries only: what the answer ought to be is for the caller to assert on the engine returned.
    """
    told = Engine().tell(*stage(), *before).tell_one_by_one(*events, *after)
    expected = ask(told)
    assert told.dead.list(None, "", 1) == [], "every event of the story can be read"
    for order in _orders(events, seed):
        for name, engine in _played(order, before, after):
            found = ask(engine)
            assert engine.dead.list(None, "", 1) == [], f"{name}, after {' | '.join(e['id'] for e in order)}: unreadable"
            assert found == expected, f"{name}, after {' | '.join(e['id'] for e in order)}"
    return told


def _orders(events: Sequence[Event], seed: int) -> Iterator[tuple[Event, ...]]:
    """Every order of few events, some of many; each event is there once, or twice at places of their own."""
    chance = random.Random(seed)
    if factorial(len(events)) <= MOST:
        orders = [list(order) for order in permutations(events)]
    else:
        orders = [list(events), list(reversed(events)), *(chance.sample(events, len(events)) for _ in range(MOST - 2))]
    for order in orders:
        yield tuple(order)
        yield tuple(_repeated(order, chance))


def _repeated(order: list[Event], chance: random.Random) -> list[Event]:
    """The same with some events delivered again, later, under their own id or under another."""
    told = list(order)
    for event in chance.sample(order, chance.randint(1, len(order))):
        again = event if chance.random() < 0.5 else {**event, "id": f"{event['id']}:again"}
        told.insert(chance.randint(told.index(event) + 1, len(told)), again)
    return told


def _played(order: Sequence[Event], before: Sequence[Event], after: Sequence[Event]) -> Iterator[tuple[str, Engine]]:
    begun = [*stage(), *before]
    yield "one by one", Engine().tell(*begun).tell_one_by_one(*order, *after)
    yield "in one batch", Engine().tell(*begun, *order, *after)
