"""Series: which dates a pattern makes, what single occurrences may do, and what becomes of them when the series changes."""

from __future__ import annotations

from typing import Any

import pytest

from services.sandbox import office365_zones as zones
from tests.sandbox.office365_world import Json, Office, at, repeating

YEARS = "startDateTime=2026-01-01&endDateTime=2030-01-01"


@pytest.fixture
def office() -> Office:
    return Office()


def instances(office: Office, master: Json, **more: Any) -> list[Json]:
    return list(office.get(f"/me/events/{master['id']}/instances?{YEARS}&$top=100", **more).body["value"])


def dates(office: Office, master: Json) -> list[str]:
    return [one["start"]["dateTime"][:10] for one in instances(office, master, prefer='outlook.timezone="Romance Standard Time"')]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        pytest.param({"type": "daily", "interval": 2}, ["2026-03-09", "2026-03-11", "2026-03-13"], id="every second day"),
        pytest.param(
            {"type": "weekly", "interval": 1, "daysOfWeek": ["tuesday", "monday"]},
            ["2026-03-09", "2026-03-10", "2026-03-16"],
            id="two days a week",
        ),
        pytest.param(
            {"type": "weekly", "interval": 1, "daysOfWeek": ["friday"]},
            ["2026-03-13", "2026-03-20", "2026-03-27"],
            id="not on its own start",
        ),
        pytest.param(
            {"type": "weekly", "interval": 2, "daysOfWeek": ["sunday", "monday"], "firstDayOfWeek": "monday"},
            ["2026-03-09", "2026-03-15", "2026-03-23"],
            id="a week that begins on Monday",
        ),
        pytest.param(
            {"type": "weekly", "interval": 2, "daysOfWeek": ["sunday", "monday"], "firstDayOfWeek": "sunday"},
            ["2026-03-09", "2026-03-22", "2026-03-23"],
            id="or on Sunday",
        ),
        pytest.param(
            {"type": "absoluteMonthly", "interval": 1, "dayOfMonth": 31},
            ["2026-03-31", "2026-04-30", "2026-05-31"],
            id="the 31st of each month",
        ),
        pytest.param(
            {"type": "relativeMonthly", "interval": 1, "daysOfWeek": ["thursday"], "index": "last"},
            ["2026-03-26", "2026-04-30", "2026-05-28"],
            id="the last Thursday",
        ),
        pytest.param(
            {"type": "absoluteYearly", "interval": 1, "dayOfMonth": 29, "month": 2},
            ["2027-02-28", "2028-02-29", "2029-02-28"],
            id="29 February",
        ),
        pytest.param(
            {"type": "relativeYearly", "interval": 1, "daysOfWeek": ["monday"], "index": "second", "month": 3},
            ["2026-03-09", "2027-03-08", "2028-03-13"],
            id="the second Monday of March",
        ),
    ],
)
def test_a_pattern_makes_the_dates_outlook_makes(office: Office, pattern: Json, expected: list[str]) -> None:
    master = office.event(recurrence={"pattern": pattern, "range": {"type": "numbered", "numberOfOccurrences": 3}})
    assert dates(office, master) == expected
    own = office.get(f"/me/events/{master['id']}", prefer='outlook.timezone="Romance Standard Time"').body
    assert own["start"]["dateTime"][:10] == expected[0]


def test_a_range_ends_with_its_last_day(office: Office) -> None:
    extent = {"type": "endDate", "startDate": "2026-03-09", "endDate": "2026-03-11"}
    master = office.event(recurrence={"pattern": {"type": "daily", "interval": 1}, "range": extent})
    assert dates(office, master) == ["2026-03-09", "2026-03-10", "2026-03-11"]
    assert master["recurrence"]["range"] == extent | {"recurrenceTimeZone": "Romance Standard Time", "numberOfOccurrences": 0}


def test_an_endless_series_is_endless(office: Office) -> None:
    master = office.event(recurrence={"pattern": {"type": "daily", "interval": 1}, "range": {"type": "noEnd"}})
    said = office.get(f"/me/events/{master['id']}/instances?startDateTime=2033-01-01&endDateTime=2033-01-03").body["value"]
    assert [one["start"]["dateTime"] for one in said] == ["2033-01-01T09:00:00.0000000", "2033-01-02T09:00:00.0000000"]


def test_a_series_keeps_its_clock_through_summer_time(office: Office) -> None:
    master = office.event(
        start=at("2026-03-28T10:00:00"),
        end=at("2026-03-28T11:00:00"),
        recurrence={"pattern": {"type": "daily", "interval": 1}, "range": {"type": "numbered", "numberOfOccurrences": 2}},
    )
    assert [one["start"]["dateTime"][11:16] for one in instances(office, master)] == ["09:00", "08:00"]


def test_whole_days_repeat_as_whole_days_through_summer_time(office: Office) -> None:
    master = office.event(isAllDay=True, start=at("2026-03-28T00:00:00"), end=at("2026-03-29T00:00:00"), recurrence=repeating(count=3))
    own = instances(office, master, prefer='outlook.timezone="Romance Standard Time"')
    assert [(one["start"]["dateTime"][:16], one["end"]["dateTime"][:16]) for one in own] == [
        ("2026-03-28T00:00", "2026-03-29T00:00"),
        ("2026-03-29T00:00", "2026-03-30T00:00"),
        ("2026-03-30T00:00", "2026-03-31T00:00"),
    ]


# --- occurrences ------------------------------------------------------------------------------------------------------


def test_an_occurrence_that_is_changed_is_an_exception_with_the_same_id(office: Office) -> None:
    master = office.event(recurrence=repeating(count=3))
    first, second, _ = instances(office, master)
    said = office.patch(f"/me/events/{second['id']}", {"start": at("2026-03-10T15:00:00"), "end": at("2026-03-10T16:00:00")}).body
    assert [said[name] for name in ("id", "type", "seriesMasterId", "originalStart")] == [
        second["id"],
        "exception",
        master["id"],
        "2026-03-10T09:00:00Z",
    ]
    assert [one["start"]["dateTime"][11:13] for one in instances(office, master)] == ["09", "14", "09"]
    assert office.get(f"/me/events/{first['id']}").body["type"] == "occurrence"


def test_an_exception_keeps_what_it_says_itself_and_takes_the_rest_from_its_series(office: Office) -> None:
    master = office.event(recurrence=repeating(count=2))
    _, second = instances(office, master)
    office.patch(f"/me/events/{second['id']}", {"subject": "Own"})
    office.patch(f"/me/events/{master['id']}", {"subject": "Series", "importance": "high"})
    assert [(one["subject"], one["importance"]) for one in instances(office, master)] == [("Series", "high"), ("Own", "high")]


@pytest.mark.parametrize(
    ("start", "status"),
    [
        pytest.param("2026-03-09T23:00:00", 400, id="onto the day of the one before"),
        pytest.param("2026-03-08T10:00:00", 400, id="before the one before"),
        pytest.param("2026-03-11T00:00:00", 400, id="onto the day of the next"),
        pytest.param("2026-03-10T00:30:00", 200, id="within its own day"),
        pytest.param("2026-03-10T23:30:00", 200, id="late on its own day"),
    ],
)
def test_an_occurrence_stays_between_its_neighbours(office: Office, start: str, status: int) -> None:
    _, second, _ = instances(office, office.event(recurrence=repeating(count=3)))
    said = office.patch(f"/me/events/{second['id']}", {"start": at(start), "end": at("2026-03-12T00:00:00")})
    assert said.status == status
    if status == 400:
        assert (said.code, office.get(f"/me/events/{second['id']}").body["type"]) == ("ErrorOccurrenceCrossingBoundary", "occurrence")


def test_where_its_neighbours_are_gone_an_occurrence_has_more_room(office: Office) -> None:
    _, second, third, _ = instances(office, office.event(recurrence=repeating(count=4)))
    office.delete(f"/me/events/{third['id']}")
    moved = {"start": at("2026-03-11T10:00:00"), "end": at("2026-03-11T11:00:00")}
    assert office.patch(f"/me/events/{second['id']}", moved).status == 200


def test_a_removed_occurrence_is_nowhere(office: Office) -> None:
    master = office.event(recurrence=repeating(count=3))
    _, second, _ = instances(office, master)
    assert office.delete(f"/me/events/{second['id']}").status == 204
    assert dates(office, master) == ["2026-03-09", "2026-03-11"]
    assert (office.get(f"/me/events/{second['id']}").status, office.delete(f"/me/events/{second['id']}").status) == (404, 404)


def test_an_id_that_no_occurrence_has_is_none(office: Office) -> None:
    first, second = (office.event(recurrence=repeating(count=2)) for _ in range(2))
    only = instances(office, first)[0]["id"]
    assert office.get(f"/me/events/{only.replace('FR', 'FRf')}").status == 404
    office.patch(f"/me/events/{first['id']}", {"recurrence": None})
    assert (office.get(f"/me/events/{only}").status, office.get(f"/me/events/{first['id']}").body["type"]) == (404, "singleInstance")
    assert len(instances(office, second)) == 2


def test_another_pattern_takes_the_exceptions_with_it(office: Office) -> None:
    master = office.event(recurrence=repeating(count=3))
    first, second, _ = instances(office, master)
    office.delete(f"/me/events/{first['id']}")
    office.patch(f"/me/events/{second['id']}", {"subject": "Own"})
    office.patch(f"/me/events/{master['id']}", {"recurrence": repeating(count=4)})
    assert [(one["type"], one["subject"]) for one in instances(office, master)] == [("occurrence", "Kick-off")] * 4


def test_a_series_moved_to_another_day_begins_there(office: Office) -> None:
    master = office.event(recurrence=repeating(count=2))
    said = office.patch(f"/me/events/{master['id']}", {"start": at("2026-03-12T10:00:00"), "end": at("2026-03-12T11:00:00")}).body
    assert (said["recurrence"]["range"]["startDate"], dates(office, master)) == ("2026-03-12", ["2026-03-12", "2026-03-13"])


def test_a_single_occurrence_does_not_repeat(office: Office) -> None:
    first, _ = instances(office, office.event(recurrence=repeating(count=2)))
    assert office.patch(f"/me/events/{first['id']}", {"recurrence": repeating()}).code == "ErrorInvalidPropertySet"


# --- zones ------------------------------------------------------------------------------------------------------------


def test_every_windows_zone_is_there() -> None:
    assert len(zones.WINDOWS) > 130
    assert [name for name in zones.WINDOWS if zones.find(name) is None] == []


@pytest.mark.parametrize("name", ["", "Nowhere Standard Time", "../../etc/passwd", "Europe"])
def test_a_name_that_is_no_zones_is_none(name: str) -> None:
    assert zones.find(name) is None
