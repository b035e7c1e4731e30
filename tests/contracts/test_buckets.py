"""One examination for every table of buckets; the memory twin sits it first. A new table is one line in `TABLES`, and in `SHARED` too
if several openings share its buckets."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from adapters.memory.buckets import MemoryBuckets
from adapters.postgres.buckets import PostgresBuckets
from adapters.sqlite.buckets import SqliteBuckets
from domain.outside import Buckets
from tests.contracts.stage import at_once, bytes_of
from tests.servers.postgres import closing_databases as closing_databases
from tests.servers.postgres import database

Make = Callable[[Path], Buckets]
SHARED: dict[str, Make] = {
    "sqlite": lambda folder: SqliteBuckets(folder / "buckets.db"),
    "postgres": lambda folder: PostgresBuckets(database(folder)),
}
TABLES: dict[str, Make] = {"memory": lambda _: MemoryBuckets(), **SHARED}
NOW = 1_795_000_000_000
"""As large as our clock's numbers are: fractions of a millisecond are lost beside larger ones."""


@pytest.fixture(params=TABLES.values(), ids=list(TABLES))
def buckets(request: pytest.FixtureRequest, tmp_path: Path) -> Buckets:
    made: Buckets = request.param(tmp_path)
    return made


def test_a_new_bucket_is_full_and_then_fills_by_its_rate(buckets: Buckets) -> None:
    assert [buckets.take("k", 10, 3, NOW) for _ in range(5)] == [0, 0, 0, 100, 100]
    assert [buckets.take("k", 10, 3, NOW + 40), buckets.take("k", 10, 3, NOW + 100), buckets.take("k", 10, 3, NOW + 100)] == [60, 0, 100]


def test_a_bucket_that_nobody_took_from_is_full_and_no_fuller(buckets: Buckets) -> None:
    buckets.take("k", 10, 3, NOW)
    assert [buckets.take("k", 10, 3, NOW + 3_600_000) for _ in range(4)] == [0, 0, 0, 100]


COSTS = {"a part": (0.5, [0, 0, 0, 0, 50]), "more than one": (2.0, [0, 200]), "all of it": (2.0, [0, 200]), "nothing": (0.0, [0] * 5)}


@pytest.mark.parametrize(("cost", "expected"), COSTS.values(), ids=COSTS.keys())
def test_a_take_costs_what_it_says(buckets: Buckets, cost: float, expected: list[int]) -> None:
    assert [buckets.take("k", 10, 2, NOW, cost) for _ in expected] == expected


def test_what_is_refused_takes_nothing(buckets: Buckets) -> None:
    buckets.take("k", 10, 3, NOW, 2)
    assert [buckets.take("k", 10, 3, NOW, 3) for _ in range(3)] == [200, 200, 200]
    assert buckets.take("k", 10, 3, NOW) == 0


def test_buckets_do_not_share(buckets: Buckets) -> None:
    assert [buckets.take(key, 1, 1, NOW) for key in ("a", "b", "\0", "ab", "長" * 2_000, "")] == [0] * 6
    assert buckets.take("a", 1, 1, NOW) == 1_000


def test_a_drained_bucket_has_nothing_before_its_time(buckets: Buckets) -> None:
    buckets.take("k", 10, 3, NOW)
    buckets.drain("k", NOW + 5_000)
    assert (buckets.take("k", 10, 3, NOW), buckets.take("k", 10, 3, NOW + 4_999)) == (5_000, 1)
    assert buckets.take("k", 10, 3, NOW + 5_000) == 0


def test_a_bucket_may_be_drained_before_anybody_took_from_it(buckets: Buckets) -> None:
    buckets.drain("k", NOW + 5_000)
    assert (buckets.take("k", 10, 3, NOW), buckets.take("other", 10, 3, NOW), buckets.take("k", 10, 3, NOW + 5_000)) == (5_000, 0, 0)


def test_of_two_words_to_wait_the_longer_stands(buckets: Buckets) -> None:
    for until in (NOW + 5_000, NOW + 2_000):
        buckets.drain("k", until)
    assert buckets.take("k", 10, 3, NOW) == 5_000


def test_a_clock_that_goes_back_hands_out_nothing_more(buckets: Buckets) -> None:
    for _ in range(3):
        buckets.take("k", 10, 3, NOW)
    assert buckets.take("k", 10, 3, NOW - 1_000) == 1_100


NEVER = {"more than the bucket holds": (10.0, 3.0, 3.5), "no rate": (0.0, 3.0, 1.0), "less than nothing": (10.0, 3.0, -1.0)}


@pytest.mark.parametrize(("rate", "burst", "cost"), NEVER.values(), ids=NEVER.keys())
def test_what_no_waiting_would_help_is_our_own_bug(buckets: Buckets, rate: float, burst: float, cost: float) -> None:
    with pytest.raises(ValueError, match="never be there"):
        buckets.take("k", rate, burst, NOW, cost)


# --- laws --------------------------------------------------------------------------------------------------------------------

_names = itertools.count()
# What providers set: from one in two minutes to thousands a second.
_RATES = st.floats(0.01, 10_000)
_STEPS = st.lists(st.tuples(st.integers(0, 2_000), st.floats(0.1, 1.0)), min_size=1, max_size=40)


def test_no_more_is_handed_out_than_the_rate_allows(buckets: Buckets) -> None:
    @settings(deadline=None)  # a take is a round trip to a server that others keep busy
    @given(rate=_RATES, burst=st.floats(1, 100), steps=_STEPS)
    @example(rate=3.0, burst=1.0, steps=[(0, 1.0), (333, 1.0), (1, 1.0)])
    def holds(rate: float, burst: float, steps: list[tuple[int, float]]) -> None:
        key, now = f"law {next(_names)}", NOW
        taken: list[tuple[int, float]] = []
        for pause, share in steps:
            now += pause
            cost = share * min(burst, 5.0)
            if buckets.take(key, rate, burst, now, cost) == 0:
                taken.append((now, cost))
        for first, last in itertools.combinations_with_replacement(range(len(taken)), 2):
            total = math.fsum(cost for _, cost in taken[first : last + 1])
            # A hundredth of a millisecond more: the last digits of our clock's number.
            assert total <= burst + rate * (taken[last][0] - taken[first][0] + 0.01) / 1_000

    holds()


def test_who_waits_as_long_as_he_is_told_gets_it(buckets: Buckets) -> None:
    @settings(deadline=None)  # as above
    @given(rate=_RATES, burst=st.floats(1, 100), costs=st.lists(st.floats(0.01, 1.0), min_size=1, max_size=30))
    def holds(rate: float, burst: float, costs: list[float]) -> None:
        key, now = f"law {next(_names)}", NOW
        for cost in costs:
            if wait := buckets.take(key, rate, burst, now, cost):
                # Told to the millisecond: one less is too little.
                assert buckets.take(key, rate, burst, now + wait - 1, cost) == 1
                now += wait
                assert buckets.take(key, rate, burst, now, cost) == 0

    holds()


@pytest.mark.parametrize("make", TABLES.values(), ids=TABLES.keys())
def test_of_those_who_take_at_once_no_more_get_it_than_there_is(make: Make, tmp_path: Path) -> None:
    made = make(tmp_path)
    tables = [made if isinstance(made, MemoryBuckets) else make(tmp_path) for _ in range(4)]
    got = at_once(4, lambda n: sum(tables[n].take("k", 0.001, 50, NOW) == 0 for _ in range(30)))
    assert sum(got) == 50


@pytest.mark.parametrize("make", SHARED.values(), ids=SHARED.keys())
def test_what_one_opening_drains_another_sees_at_once(make: Make, tmp_path: Path) -> None:
    here, there = make(tmp_path), make(tmp_path)
    here.drain("k", NOW + 5_000)
    assert there.take("k", 10, 3, NOW) == 5_000


def test_nothing_of_a_key_can_be_read_in_the_file(tmp_path: Path) -> None:
    SqliteBuckets(tmp_path / "buckets.db").take("google:62515:501", 1, 1, NOW)
    assert not any(b"62515" in held for _, held in bytes_of(tmp_path))
