"""What a listing of any size says: every id in every stretch of time that it may lie in, and each stretch small enough for the log."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from adapters.listing import Held, Listing, events, held_by
from domain import source_events
from domain.source_events import MAX_BYTES, SourceEvent
from tests.examples import deleted, meeting, series

FROM, TO = datetime(2026, 1, 1, tzinfo=UTC), datetime(2028, 1, 1, tzinfo=UTC)
LISTING = Listing("google", "62515", "501", "ana@acme.example", "/accounts/62515/calendars/google/ana@acme.example", (FROM, TO), 0, "n1")
DAY = 86_400_000


def ms(moment: datetime) -> int:
    return int(moment.timestamp() * 1000)


def ids_at(found: list[dict[str, object]], at: datetime) -> set[str]:
    """The ids of the one stretch that holds this moment."""
    read = [source_events.read(msgspec.json.encode(one)) for one in found]
    (part,) = [one for one in read if isinstance(one, SourceEvent) and one.data.from_ <= at < one.data.to]
    return set(part.data.ids)


def test_a_small_listing_is_one_event_with_everything() -> None:
    (said,) = events(LISTING, [Held("b", 0, 1), Held("a")])
    assert (said["data"]["ids"], said["data"]["from"], said["data"]["to"]) == (
        ["a", "b"],
        "2026-01-01T00:00:00.000Z",
        "2028-01-01T00:00:00.000Z",
    )


def test_a_large_listing_is_cut_into_stretches_that_the_log_takes() -> None:
    # As long as Graph's ids are: two years of meetings, and a series.
    held = [Held(f"{n:05}{'x' * 150}", ms(FROM) + n * DAY // 10, ms(FROM) + n * DAY // 10 + 3_600_000) for n in range(7000)] + [
        Held("series")
    ]
    found = events(LISTING, held)
    sizes = [len(msgspec.json.encode(one)) for one in found]
    assert (len(found) > 4, max(sizes) < MAX_BYTES, len({one["id"] for one in found})) == (True, True, len(found))
    assert (found[0]["data"]["from"], found[-1]["data"]["to"]) == ("2026-01-01T00:00:00.000Z", "2028-01-01T00:00:00.000Z")
    assert [one["data"]["from"] for one in found[1:]] == [one["data"]["to"] for one in found[:-1]]
    for number in (0, 1, 3333, 6999):
        one = held[number]
        there = ids_at(found, FROM + timedelta(milliseconds=one.low - ms(FROM)))
        assert {one.id, "series"} <= there


def test_what_cannot_be_cut_is_not_told() -> None:
    assert events(LISTING, [Held(f"{n:05}{'x' * 150}") for n in range(3000)]) == []


@pytest.mark.parametrize("seed", range(5))
def test_no_id_is_missing_where_its_meeting_lies(seed: int) -> None:
    chance = random.Random(seed)
    spans = [(chance.randrange(730), chance.choice((0, 0, 0, 1, 40))) for _ in range(1500)]
    held = [Held(f"{n:04}{'x' * 200}", ms(FROM) + low * DAY, ms(FROM) + (low + length) * DAY + 1) for n, (low, length) in enumerate(spans)]
    found = events(LISTING, held)
    there = {day: ids_at(found, FROM + timedelta(days=day)) for day in range(0, 730, 10)}
    expected = {
        day: {one.id for one, (low, length) in zip(held, spans, strict=True) if low <= day <= low + length} for day in range(0, 730, 10)
    }
    assert len(found) > 1
    assert [day for day in expected if not expected[day] <= there[day]] == []


@pytest.mark.parametrize(
    ("event", "low", "high"),
    [
        pytest.param(
            meeting("g1"), datetime(2026, 4, 6, 10, tzinfo=UTC), datetime(2026, 4, 8, 11, tzinfo=UTC), id="an hour, and a day each way"
        ),
        pytest.param(
            meeting("g1", start="2026-04-07T00:00:00", duration="P2D", showWithoutTime=True, timeZone=None),
            datetime(2026, 4, 6, tzinfo=UTC),
            datetime(2026, 4, 10, tzinfo=UTC),
            id="days",
        ),
    ],
)
def test_a_meeting_lies_about_its_time(event: dict[str, object], low: datetime, high: datetime) -> None:
    assert held_by([event]) == {"g1": Held("g1", ms(low), ms(high))}


@pytest.mark.parametrize("event", [pytest.param(series("g1"), id="a series"), pytest.param(deleted("g1"), id="no time at all")])
def test_what_has_no_one_time_may_lie_anywhere(event: dict[str, object]) -> None:
    assert held_by([event]) == {"g1": Held("g1")}
