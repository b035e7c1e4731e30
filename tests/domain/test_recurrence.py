"""Series laid out in time: what each rule makes, around the clock changes of several zones, and beside a slow reading of the
standard written here a second time.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.recurrence import MOST, Duration, Slot, duration, instant, makes, millis, moment, slot, spec, starts, why_not

PARIS, NEW_YORK, LORD_HOWE, KATHMANDU, APIA = "Europe/Paris", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Pacific/Apia"
SINCE, UNTIL = datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)


def at(text: str) -> datetime:
    """A time in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def local(text: str) -> datetime:
    """A local time."""
    return datetime.fromisoformat(text)


def locals_(found: list[Slot]) -> list[str]:
    """Local starts to the minute, without the year 2026."""
    return [s.local.isoformat(sep=" ", timespec="minutes").removeprefix("2026-") for s in found]


def laid(
    *rules: str,
    start: str = "2026-03-02T10:00",
    zone: str | None = PARIS,
    all_day: bool = False,
    excluded: tuple[str, ...] = (),
    added: tuple[str, ...] = (),
    since: datetime = SINCE,
    until: datetime = UNTIL,
) -> list[str]:
    """The local starts of a series."""
    shape = spec(
        local(start), zone, "P1D" if all_day else "PT1H", all_day, rules, tuple(local(t) for t in excluded), tuple(local(t) for t in added)
    )
    return locals_(starts(shape, since, until))


# --- local times as instants -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "told", "meant"),
    [
        (PARIS, "2026-01-15T10:00", "2026-01-15T09:00"),
        (PARIS, "2026-07-15T10:00", "2026-07-15T08:00"),
        (PARIS, "2026-03-29T02:30", "2026-03-29T01:30"),
        (PARIS, "2026-03-29T03:30", "2026-03-29T01:30"),
        (PARIS, "2026-10-25T02:30", "2026-10-25T00:30"),
        (PARIS, "2026-10-25T03:00", "2026-10-25T02:00"),
        (NEW_YORK, "2026-03-08T02:30", "2026-03-08T07:30"),
        (NEW_YORK, "2026-11-01T01:30", "2026-11-01T05:30"),
        (LORD_HOWE, "2026-10-04T02:15", "2026-10-03T15:45"),
        (LORD_HOWE, "2026-10-04T02:30", "2026-10-03T15:30"),
        (LORD_HOWE, "2026-04-05T01:45", "2026-04-04T14:45"),
        (LORD_HOWE, "2026-04-05T02:00", "2026-04-04T15:30"),
        (KATHMANDU, "2026-06-01T09:00", "2026-06-01T03:15"),
        (APIA, "2011-12-29T10:00", "2011-12-29T20:00"),
        (APIA, "2011-12-30T10:00", "2011-12-30T20:00"),
        (APIA, "2011-12-31T10:00", "2011-12-30T20:00"),
        ("Etc/GMT+5", "2026-06-01T09:00", "2026-06-01T14:00"),
        ("UTC", "2026-06-01T09:00", "2026-06-01T09:00"),
        (None, "2026-06-01T09:00", "2026-06-01T09:00"),
    ],
    ids=[
        "winter",
        "summer",
        "in the gap: by the offset before",
        "after the gap",
        "in the fold: the first",
        "after the fold",
        "gap in the evening of UTC",
        "fold in New York",
        "half an hour's gap",
        "after half an hour's gap",
        "half an hour's fold",
        "after half an hour's fold",
        "45 minutes",
        "before the missing day",
        "on the missing day",
        "after the missing day",
        "fixed offset",
        "UTC",
        "floating is read as UTC",
    ],
)
def test_a_local_time_is_read_as_rfc_5545_says(zone: str | None, told: str, meant: str) -> None:
    assert moment(instant(local(told), zone)) == at(meant)


@pytest.mark.parametrize(
    "text", ["1970-01-01T00:00:00.001", "1969-12-31T23:59:59.999", "2026-03-02T08:00:00.120", "0001-01-01", "9999-12-31"]
)
def test_an_instant_is_milliseconds_there_and_back(text: str) -> None:
    assert moment(millis(at(text))) == at(text)


def test_an_instant_is_the_millisecond_that_has_begun_also_before_1970() -> None:
    assert millis(at("2026-03-02T08:00:00.999999")) == 1_772_438_400_999
    assert millis(at("1969-12-31T23:59:59.000001")) == -1000
    assert millis(datetime.fromisoformat("1969-12-31T23:59:59+01:00")) == -3_601_000


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("PT0S", Duration(0, 0)),
        ("PT1H", Duration(0, 3600)),
        ("PT90M", Duration(0, 5400)),
        ("PT1H30M15S", Duration(0, 5415)),
        ("PT1.5S", Duration(0, 1)),
        ("P1D", Duration(1, 0)),
        ("P2W", Duration(14, 0)),
        ("P1W2DT3H", Duration(9, 10800)),
        ("PT36H", Duration(0, 129600)),
        ("P1M", None),
        ("P1Y", None),
        ("-PT1H", None),
        ("+PT1H", None),
        ("P", None),
        ("PT", None),
        ("P1DT", None),
        ("PT1", None),
        ("PT1H ", None),
        ("pt1h", None),
        ("P1H", None),
        ("PT1D", None),
        ("PT1M1H", None),
        ("P9999999D", None),
        ("", None),
    ],
)
def test_durations(text: str, meant: Duration | None) -> None:
    assert duration(text) == meant


def test_a_shape_with_what_is_no_duration_is_our_own_bug() -> None:
    with pytest.raises(ValueError, match="not a duration: 'soon'"):
        spec(local("2026-03-02T10:00"), PARIS, "soon")


@pytest.mark.parametrize(
    ("zone", "start", "length", "end"),
    [
        (PARIS, "2026-03-28T10:00", "P1D", "2026-03-29T08:00"),
        (PARIS, "2026-03-28T10:00", "PT24H", "2026-03-29T09:00"),
        (PARIS, "2026-10-24T10:00", "P1D", "2026-10-25T09:00"),
        (PARIS, "2026-10-24T10:00", "PT24H", "2026-10-25T08:00"),
        (PARIS, "2026-03-28T02:30", "P1D", "2026-03-29T01:30"),
        (PARIS, "2026-03-29T01:30", "PT2H", "2026-03-29T02:30"),
        (PARIS, "2026-03-28T01:30", "P1DT2H", "2026-03-29T02:30"),
        (PARIS, "2026-10-24T02:30", "P1DT1H", "2026-10-25T01:30"),
        (LORD_HOWE, "2026-04-04T10:00", "P1D", "2026-04-04T23:30"),
        (APIA, "2011-12-29T10:00", "P2D", "2011-12-30T20:00"),
        (None, "2026-03-28T10:00", "P1W", "2026-04-04T10:00"),
        (PARIS, "2026-03-28T10:00", "PT0S", "2026-03-28T09:00"),
    ],
    ids=[
        "a day over the gap keeps the clock",
        "24 hours over the gap do not",
        "a day over the fold keeps the clock",
        "24 hours do not",
        "a day that ends in the gap",
        "hours over the gap",
        "days first, then hours",
        "days into the fold, then hours",
        "half an hour's fold",
        "over the missing day",
        "a week",
        "nothing",
    ],
)
def test_days_are_nominal_and_hours_exact(zone: str | None, start: str, length: str, end: str) -> None:
    shape = spec(local(start), zone, length)
    assert moment(slot(shape, shape.start).end) == at(end)


def test_at_the_end_of_the_calendar_an_occurrence_does_not_end_before_it_starts() -> None:
    shape = spec(datetime(9999, 12, 31, 12), None, "P9D")
    only = slot(shape, shape.start)
    assert only.end >= only.start


# --- what rules make -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "made"),
    [
        ("FREQ=DAILY;COUNT=3", ["03-02 10:00", "03-03 10:00", "03-04 10:00"]),
        ("FREQ=DAILY;INTERVAL=10;COUNT=3", ["03-02 10:00", "03-12 10:00", "03-22 10:00"]),
        ("FREQ=WEEKLY;COUNT=2", ["03-02 10:00", "03-09 10:00"]),
        ("FREQ=WEEKLY;BYDAY=MO,WE;COUNT=4", ["03-02 10:00", "03-04 10:00", "03-09 10:00", "03-11 10:00"]),
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=SU,MO;COUNT=4", ["03-02 10:00", "03-08 10:00", "03-16 10:00", "03-22 10:00"]),
        ("FREQ=WEEKLY;INTERVAL=2;WKST=SU;BYDAY=SU,MO;COUNT=4", ["03-02 10:00", "03-15 10:00", "03-16 10:00", "03-29 10:00"]),
        ("FREQ=MONTHLY;COUNT=3", ["03-02 10:00", "04-02 10:00", "05-02 10:00"]),
        ("FREQ=MONTHLY;BYDAY=1MO;COUNT=3", ["03-02 10:00", "04-06 10:00", "05-04 10:00"]),
        ("FREQ=MONTHLY;BYDAY=-1FR;COUNT=3", ["03-02 10:00", "03-27 10:00", "04-24 10:00"]),
        ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1;COUNT=2", ["03-02 10:00", "03-31 10:00"]),
        ("FREQ=MONTHLY;BYMONTHDAY=31;COUNT=4", ["03-02 10:00", "03-31 10:00", "05-31 10:00", "07-31 10:00"]),
        ("FREQ=YEARLY;BYMONTH=3,9;BYMONTHDAY=2;COUNT=2", ["03-02 10:00", "09-02 10:00"]),
        ("FREQ=DAILY;BYHOUR=10,14;COUNT=3", ["03-02 10:00", "03-02 14:00", "03-03 10:00"]),
        ("FREQ=HOURLY;INTERVAL=6;COUNT=3", ["03-02 10:00", "03-02 16:00", "03-02 22:00"]),
        ("FREQ=DAILY;UNTIL=20260304", ["03-02 10:00", "03-03 10:00", "03-04 10:00"]),
        ("FREQ=DAILY;UNTIL=20260304T100000", ["03-02 10:00", "03-03 10:00", "03-04 10:00"]),
        ("FREQ=DAILY;UNTIL=20260304T095959", ["03-02 10:00", "03-03 10:00"]),
        ("FREQ=DAILY;UNTIL=20260304T090000Z", ["03-02 10:00", "03-03 10:00", "03-04 10:00"]),
        ("FREQ=DAILY;UNTIL=20260304T085959Z", ["03-02 10:00", "03-03 10:00"]),
        ("FREQ=DAILY;UNTIL=20260101", ["03-02 10:00"]),
        ("FREQ=DAILY;UNTIL=20260301T090000Z", ["03-02 10:00"]),
        ("FREQ=DAILY;UNTIL=00010101", ["03-02 10:00"]),
        ("freq=daily; count=2;", ["03-02 10:00", "03-03 10:00"]),
    ],
)
def test_a_rule_makes_from_monday_2_march_2026_at_10(rule: str, made: list[str]) -> None:
    assert why_not(rule) is None
    assert laid(rule) == made


@pytest.mark.parametrize(
    ("rule", "made"),
    [
        ("FREQ=WEEKLY;BYDAY=TU;COUNT=1", ["03-02 10:00"]),
        ("FREQ=WEEKLY;BYDAY=TU;COUNT=3", ["03-02 10:00", "03-03 10:00", "03-10 10:00"]),
        ("FREQ=DAILY;BYHOUR=9;COUNT=2", ["03-02 10:00", "03-03 09:00"]),
        ("FREQ=WEEKLY;BYDAY=TU;UNTIL=20260310", ["03-02 10:00", "03-03 10:00", "03-10 10:00"]),
    ],
)
def test_a_first_start_that_the_rule_would_not_make_is_an_occurrence_and_counts(rule: str, made: list[str]) -> None:
    assert laid(rule) == made


@pytest.mark.parametrize(
    ("zone", "last"),
    [(PARIS, "2026-03-29T08:00"), (NEW_YORK, "2026-03-29T14:00"), (KATHMANDU, "2026-03-29T04:15"), (LORD_HOWE, "2026-03-28T23:00")],
)
def test_until_in_utc_is_the_instant_of_the_last_occurrence_in_every_zone(zone: str, last: str) -> None:
    end = at(last).strftime("%Y%m%dT%H%M%SZ")
    assert laid(f"FREQ=DAILY;UNTIL={end}", start="2026-03-27T10:00", zone=zone) == ["03-27 10:00", "03-28 10:00", "03-29 10:00"]
    before = (at(last) - timedelta(seconds=1)).strftime("%Y%m%dT%H%M%SZ")
    assert laid(f"FREQ=DAILY;UNTIL={before}", start="2026-03-27T10:00", zone=zone) == ["03-27 10:00", "03-28 10:00"]


@pytest.mark.parametrize(
    ("start", "until", "made"),
    [
        ("2026-10-24T02:45", "20261025T011500Z", ["10-24 02:45", "10-25 02:45"]),
        ("2026-10-24T02:15", "20261025T001000Z", ["10-24 02:15"]),
        ("2026-03-28T02:30", "20260329T011500Z", ["03-28 02:30"]),
    ],
    ids=["after the fold, when the first 2:45 has been", "before the first 2:15", "before the instant of a time in the gap"],
)
def test_until_in_utc_is_compared_as_an_instant_also_where_the_clock_changes(start: str, until: str, made: list[str]) -> None:
    assert laid(f"FREQ=DAILY;UNTIL={until}", start=start) == made


def test_until_of_a_floating_series_is_read_as_it_is_written() -> None:
    assert laid("FREQ=DAILY;UNTIL=20260303T100000Z", zone=None) == ["03-02 10:00", "03-03 10:00"]


@pytest.mark.parametrize("zone", [PARIS, "Asia/Tokyo", NEW_YORK, None])
@pytest.mark.parametrize(
    ("until", "made"),
    [("99991231T235959Z", 4), ("99991231T235959", 4), ("99991231", 4), ("00010101T000000Z", 1), ("00010101", 1)],
)
def test_an_until_at_the_edge_of_the_calendar_is_as_good_as_any(zone: str | None, until: str, made: int) -> None:
    rule = f"FREQ=WEEKLY;UNTIL={until}"
    assert why_not(rule) is None
    assert len(laid(rule, zone=zone, until=at("2026-03-24T00:00"))) == made


# --- the wall clock ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zone", "start", "instants"),
    [
        (PARIS, "2026-03-28T02:30", ["2026-03-28T01:30", "2026-03-29T01:30", "2026-03-30T00:30"]),
        (PARIS, "2026-10-24T02:30", ["2026-10-24T00:30", "2026-10-25T00:30", "2026-10-26T01:30"]),
        (NEW_YORK, "2026-03-07T02:30", ["2026-03-07T07:30", "2026-03-08T07:30", "2026-03-09T06:30"]),
        (NEW_YORK, "2026-10-31T01:30", ["2026-10-31T05:30", "2026-11-01T05:30", "2026-11-02T06:30"]),
        (LORD_HOWE, "2026-10-03T02:15", ["2026-10-02T15:45", "2026-10-03T15:45", "2026-10-04T15:15"]),
        (LORD_HOWE, "2026-04-04T01:45", ["2026-04-03T14:45", "2026-04-04T14:45", "2026-04-05T15:15"]),
        (KATHMANDU, "2026-03-28T00:10", ["2026-03-27T18:25", "2026-03-28T18:25", "2026-03-29T18:25"]),
    ],
    ids=["Paris gap", "Paris fold", "New York gap", "New York fold", "Lord Howe gap", "Lord Howe fold", "Kathmandu, no change"],
)
def test_a_daily_series_keeps_its_wall_clock_time(zone: str, start: str, instants: list[str]) -> None:
    shape = spec(local(start), zone, "PT1H", rules=("FREQ=DAILY;COUNT=3",))
    found = starts(shape, SINCE, UNTIL)
    assert [moment(s.start) for s in found] == [at(t) for t in instants]
    assert {s.local.time() for s in found} == {local(start).time()}


def test_on_the_day_that_apia_did_not_have_there_is_no_second_occurrence_at_the_same_instant() -> None:
    shape = spec(local("2011-12-29T10:00"), APIA, "PT1H", rules=("FREQ=DAILY;COUNT=4",))
    found = starts(shape, at("2011-12-01T00:00"), at("2012-02-01T00:00"))
    assert [moment(s.start) for s in found] == [at("2011-12-29T20:00"), at("2011-12-30T20:00"), at("2011-12-31T20:00")]


@pytest.mark.parametrize(
    ("rule", "start", "added", "instants"),
    [
        ("FREQ=DAILY;BYHOUR=2,3;COUNT=4", "2026-03-28T02:00", (), ["28T01:00", "28T02:00", "29T01:00"]),
        ("FREQ=HOURLY;COUNT=4", "2026-03-29T01:00", (), ["29T00:00", "29T01:00", "29T02:00"]),
        ("FREQ=DAILY;COUNT=2", "2026-03-28T03:00", ("2026-03-29T02:45",), ["28T02:00", "29T01:00", "29T01:45"]),
    ],
    ids=["two hours, one of them in the gap", "hourly", "an added start in the gap, and the rule's after it"],
)
def test_occurrences_over_a_gap_are_unique_and_in_order(rule: str, start: str, added: tuple[str, ...], instants: list[str]) -> None:
    shape = spec(local(start), PARIS, "PT15M", rules=(rule,), added=tuple(local(t) for t in added))
    assert [moment(s.start) for s in starts(shape, SINCE, UNTIL)] == [at(f"2026-03-{t}") for t in instants]


# --- excluded, added, several rules, all-day, floating ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rules", "excluded", "added", "made"),
    [
        (("FREQ=DAILY;COUNT=3",), ("2026-03-03T10:00",), (), ["03-02 10:00", "03-04 10:00"]),
        (("FREQ=DAILY;COUNT=3",), ("2026-03-02T10:00",), (), ["03-03 10:00", "03-04 10:00"]),
        (("FREQ=DAILY;COUNT=2",), ("2026-03-03T11:00",), (), ["03-02 10:00", "03-03 10:00"]),
        (("FREQ=DAILY;COUNT=1",), ("2026-03-02T10:00",), (), []),
        (("FREQ=DAILY;COUNT=1",), (), ("2026-03-05T16:00",), ["03-02 10:00", "03-05 16:00"]),
        (("FREQ=DAILY;COUNT=2",), (), ("2026-03-03T10:00",), ["03-02 10:00", "03-03 10:00"]),
        (("FREQ=DAILY;COUNT=1",), (), ("2026-03-01T10:00", "2026-03-02T09:59"), ["03-02 10:00"]),
        (("FREQ=DAILY;UNTIL=20260303",), (), ("2026-03-03T23:59", "2026-03-04T00:00"), ["03-02 10:00", "03-03 10:00", "03-03 23:59"]),
        (("FREQ=DAILY;UNTIL=20260302T100000Z",), (), ("2026-03-02T11:00", "2026-03-02T11:01"), ["03-02 10:00", "03-02 11:00"]),
        (("FREQ=DAILY;UNTIL=20260101",), (), ("2026-03-03T10:00",), ["03-02 10:00"]),
        (("FREQ=DAILY;COUNT=1",), ("2026-03-05T16:00",), ("2026-03-05T16:00",), ["03-02 10:00"]),
        ((), (), ("2026-03-05T16:00", "2026-03-01T16:00"), ["03-02 10:00", "03-05 16:00"]),
        ((), ("2026-03-02T10:00",), ("2026-03-05T16:00",), ["03-05 16:00"]),
        (("FREQ=WEEKLY;COUNT=2", "FREQ=MONTHLY;COUNT=2"), (), (), ["03-02 10:00", "03-09 10:00", "04-02 10:00"]),
        (
            ("FREQ=DAILY;UNTIL=20260303", "FREQ=WEEKLY;COUNT=2"),
            (),
            ("2026-06-01T10:00",),
            ["03-02 10:00", "03-03 10:00", "03-09 10:00", "06-01 10:00"],
        ),
        (
            ("FREQ=DAILY;UNTIL=20260303", "FREQ=DAILY;UNTIL=20260304"),
            (),
            ("2026-03-04T12:00", "2026-03-05T12:00"),
            ["03-02 10:00", "03-03 10:00", "03-04 10:00", "03-04 12:00"],
        ),
    ],
    ids=[
        "excluded",
        "first excluded still counts",
        "excluded that is none",
        "nothing left",
        "added",
        "added that is one",
        "added before the first",
        "added after UNTIL",
        "added up to UNTIL in UTC",
        "added, and UNTIL before the first",
        "added and excluded",
        "no rule",
        "no rule, first excluded",
        "two rules",
        "two rules, one without end",
        "two rules, the later end",
    ],
)
def test_what_is_added_and_excluded(rules: tuple[str, ...], excluded: tuple[str, ...], added: tuple[str, ...], made: list[str]) -> None:
    assert laid(*rules, excluded=excluded, added=added) == made


def test_a_single_meeting_has_one_occurrence_wherever_it_is_unless_excluded() -> None:
    assert laid(start="1999-01-01T10:00") == ["1999-01-01 10:00"]
    assert laid(excluded=("2026-03-02T10:00",)) == []


def test_an_all_day_series_is_dates_from_midnight_utc_to_midnight_utc() -> None:
    shape = spec(local("2026-03-28"), PARIS, "P1D", True, ("FREQ=DAILY;UNTIL=20260330",))
    found = starts(shape, SINCE, UNTIL)
    assert [moment(s.start) for s in found] == [at("2026-03-28"), at("2026-03-29"), at("2026-03-30")]
    assert {s.end - s.start for s in found} == {86_400_000}
    assert shape.zone is None


def test_an_all_day_series_excludes_and_adds_dates() -> None:
    made = laid("FREQ=WEEKLY;COUNT=3", start="2026-03-02", all_day=True, excluded=("2026-03-09",), added=("2026-03-11",))
    assert made == ["03-02 00:00", "03-11 00:00", "03-16 00:00"]


def test_a_floating_series_knows_no_clock_change() -> None:
    shape = spec(local("2026-03-28T02:30"), None, "P1D", rules=("FREQ=DAILY;COUNT=3",))
    found = starts(shape, SINCE, UNTIL)
    assert [moment(s.start) for s in found] == [at("2026-03-28T02:30"), at("2026-03-29T02:30"), at("2026-03-30T02:30")]


def test_a_first_start_with_a_fraction_of_a_second_is_one_occurrence() -> None:
    shape = spec(datetime(2026, 3, 2, 10, 0, 0, 500_000), PARIS, "PT1H", rules=("FREQ=DAILY;COUNT=3",))
    found = starts(shape, SINCE, UNTIL)
    assert [s.local.date() for s in found] == [date(2026, 3, 2), date(2026, 3, 3), date(2026, 3, 4)]


# --- the span --------------------------------------------------------------------------------------------------------------------


def test_the_span_begins_with_its_first_instant_and_ends_before_its_last() -> None:
    assert laid("FREQ=DAILY", since=at("2026-03-03T09:00"), until=at("2026-03-05T09:00")) == ["03-03 10:00", "03-04 10:00"]


def test_a_span_may_be_told_in_milliseconds() -> None:
    shape = spec(local("2026-03-02T10:00"), PARIS, "PT1H", rules=("FREQ=DAILY",))
    low, high = at("2026-03-03T09:00"), at("2026-03-05T09:00")
    assert starts(shape, millis(low), millis(high)) == starts(shape, low, high)


def test_an_empty_span_holds_nothing() -> None:
    assert laid("FREQ=DAILY", since=UNTIL, until=SINCE) == []
    assert laid("FREQ=DAILY", since=SINCE, until=SINCE) == []


def test_a_span_may_be_as_wide_as_the_calendar() -> None:
    shape = spec(local("2026-03-02T10:00"), PARIS, "PT1H", rules=("FREQ=YEARLY;COUNT=2",))
    assert locals_(starts(shape, -(10**17), 10**17)) == ["03-02 10:00", "2027-03-02 10:00"]


@pytest.mark.parametrize(
    ("told", "does"),
    [
        ("2026-03-09T09:00", True),
        ("2026-03-09T09:01", False),
        ("2026-03-30T08:00", True),
        ("2026-03-30T09:00", False),
        ("2026-02-23T09:00", False),
    ],
    ids=["an occurrence", "a minute later", "in summer", "an hour later", "before the first"],
)
def test_a_series_makes_an_instant_or_does_not(told: str, does: bool) -> None:
    assert makes(spec(local("2026-03-02T10:00"), PARIS, "PT1H", rules=("FREQ=WEEKLY",)), millis(at(told))) is does


# --- nothing takes long ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rule", "start", "first", "many"),
    [
        ("FREQ=DAILY;COUNT=1000000", "2026-01-01T10:00", "01-01 10:00", 365),
        ("FREQ=DAILY;COUNT=1000000", "1601-01-01T10:00", "01-01 10:00", 365),
        ("FREQ=WEEKLY", "1601-01-01T10:00", "01-05 10:00", 52),
        ("FREQ=YEARLY", "0001-07-01T10:00", "07-01 10:00", 1),
        ("FREQ=YEARLY;INTERVAL=4;BYMONTH=2;BYMONTHDAY=29", "2026-03-02T10:00", "03-02 10:00", 1),
        ("FREQ=DAILY;INTERVAL=7;BYDAY=TU", "2026-03-02T10:00", "03-02 10:00", 1),
        ("FREQ=DAILY;INTERVAL=999999999", "2026-03-02T10:00", "03-02 10:00", 1),
        ("FREQ=HOURLY", "2026-01-01T10:00", "01-01 10:00", 8750),
    ],
)
def test_a_rule_that_makes_much_or_long_ago_or_never_again_is_laid_out(rule: str, start: str, first: str, many: int) -> None:
    assert why_not(rule) is None
    made = laid(rule, start=start, zone=None)
    assert (made[0], len(made)) == (first, many)


@pytest.mark.timeout(5)  # an hour's worth of steps a day since the year 1 is minutes of one core; a second is plenty
def test_an_hourly_rule_from_the_first_day_of_the_calendar_is_refused_or_laid_out() -> None:
    assert why_not("FREQ=HOURLY") or laid("FREQ=HOURLY", start="0001-01-01T10:00", until=at("2026-01-02T00:00"))[0] == "01-01 01:00"


def test_a_layout_ends_at_the_most() -> None:
    shape = spec(local("2024-01-01T00:00"), None, "PT1H", rules=("FREQ=HOURLY",))
    found = starts(shape, at("2024-01-01T00:00"), at("2026-01-01T00:00"))
    assert len(found) == MOST
    assert found[-1].local == local("2024-01-01T00:00") + timedelta(hours=MOST - 1)


# --- which rules are refused ---------------------------------------------------------------------------------------------------------

EACH_SECOND = "BYMINUTE=" + ",".join(map(str, range(60))) + ";BYSECOND=" + ",".join(map(str, range(60)))


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ("", "not an RRULE: '' is not NAME=value"),
        ("every Monday", "not an RRULE: 'every Monday' is not NAME=value"),
        ("FREQ=", "not an RRULE: 'FREQ=' is not NAME=value"),
        ("COUNT=3", "not an RRULE: FREQ is missing"),
        ("RRULE:FREQ=DAILY", "not an RRULE: 'RRULE:FREQ' is unknown"),
        ("FREQ=DAILY;BYEASTER=1", "not an RRULE: 'BYEASTER' is unknown"),
        ("FREQ=DAILY;FREQ=DAILY", "not an RRULE: 'FREQ' is repeated"),
        ("FREQ=DAILY;COUNT=0", "not an RRULE: COUNT=0 is no positive number"),
        ("FREQ=DAILY;COUNT=-1", "not an RRULE: COUNT=-1 is no positive number"),
        ("FREQ=DAILY;COUNT=1e3", "not an RRULE: COUNT=1E3 is no positive number"),
        ("FREQ=DAILY;COUNT=٣", "not an RRULE: COUNT='٣' is no value"),
        ("FREQ=DAILY;INTERVAL=0", "not an RRULE: INTERVAL=0 is no positive number"),
        ("FREQ=DAILY;INTERVAL=1000000000", "not an RRULE: INTERVAL=1000000000 is no positive number"),
        ("FREQ=DAILY;COUNT=2;UNTIL=20260101", "not an RRULE: both COUNT and UNTIL"),
        ("FREQ=DAILY;UNTIL=soon", "not an RRULE: UNTIL=SOON is no date"),
        ("FREQ=DAILY;UNTIL=20260230", "not an RRULE: UNTIL=20260230 is no date"),
        ("FREQ=SECONDLY", "repeats more often than any meeting: at most hourly"),
        ("FREQ=MINUTELY;INTERVAL=60", "repeats more often than any meeting: at most hourly"),
        ("FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30", "this rule never happens"),
        ("FREQ=YEARLY;BYMONTH=4;BYMONTHDAY=31;COUNT=3", "this rule never happens"),
        ("FREQ=MONTHLY;BYDAY=6MO", "this rule never happens"),
        ("FREQ=DAILY;BYMONTHDAY=32", "not an RRULE: BYMONTHDAY=32 is out of range"),
        ("X" * 2001, "not an RRULE: longer than 2,000 characters"),
    ],
    ids=lambda text: text[:40].encode("ascii", "replace").decode(),
)
def test_a_rule_is_refused_with_its_reason(rule: str, reason: str) -> None:
    assert why_not(rule) == reason


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=FORTNIGHTLY",
        "FREQ=DAILY;BYDAY=XX",
        "FREQ=DAILY;BYDAY=MO,",
        "FREQ=DAILY;BYHOUR=24",
        "FREQ=DAILY;BYMINUTE=60",
        "FREQ=DAILY;BYSETPOS=0",
        "FREQ=DAILY;BYSETPOS=367",
        "FREQ=YEARLY;BYMONTH=x",
        "FREQ=DAILY;WKST=XX",
        "FREQ=YEARLY;BYDAY=0MO",
        "FREQ=MONTHLY;BYMONTHDAY=0",
        "FREQ=YEARLY;BYMONTH=2\nRRULE:FREQ=DAILY",
        "FREQ=DAILY RRULE:FREQ=SECONDLY",
        "FREQ=DAILY\tRDATE:20260408T111111",
        "FREQ=DAILY;UNTIL=2026-01-01",
        "FREQ=DAILY;UNTIL=2026111",
        f"FREQ=HOURLY;{EACH_SECOND}",
        f"FREQ=DAILY;BYHOUR={','.join(map(str, range(24)))};{EACH_SECOND}",
        "FREQ=HOURLY;BYMINUTE=0,15,30,45",
    ],
    ids=lambda rule: repr(rule[:50]),
)
def test_a_rule_that_does_not_parse_or_repeats_more_often_than_hourly_is_refused(rule: str) -> None:
    assert why_not(rule)


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29",
        "FREQ=MONTHLY;BYMONTHDAY=-31",
        "FREQ=MONTHLY;BYDAY=5FR",
        "FREQ=YEARLY;BYWEEKNO=53",
        "FREQ=YEARLY;BYYEARDAY=366",
        "FREQ=WEEKLY;BYDAY=MO;WKST=SU;INTERVAL=2",
        "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1",
        "FREQ=DAILY;UNTIL=20261231T225959Z",
        "FREQ=DAILY;BYHOUR=9,14",
        "FREQ=HOURLY;INTERVAL=24;BYHOUR=5",
        "FREQ=YEARLY;INTERVAL=9000",
    ],
)
def test_a_rare_rule_is_carried(rule: str) -> None:
    assert why_not(rule) is None


@pytest.mark.parametrize(
    "rule", ["FREQ=HOURLY;INTERVAL=24;BYHOUR=9", "FREQ=HOURLY;INTERVAL=999999984;BYHOUR=9", "FREQ=HOURLY;INTERVAL=2;BYHOUR=9"]
)
def test_a_rule_that_is_carried_can_be_laid_out_from_any_first_start(rule: str) -> None:
    if why_not(rule) is None:
        assert laid(rule, start="2026-03-02T10:00", until=at("2026-03-02T10:00")) == ["03-02 10:00"]


# --- laws --------------------------------------------------------------------------------------------------------------------------------

ZONES = st.sampled_from([PARIS, NEW_YORK, LORD_HOWE, KATHMANDU, APIA, "Asia/Tokyo", "UTC", None])
STARTS = st.datetimes(datetime(2011, 1, 1), datetime(2027, 12, 31)).map(lambda t: t.replace(second=0, microsecond=0))
DAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")


@st.composite
def simple_rules(draw: st.DrawFn) -> tuple[str, int, tuple[int, ...], int | None, int | None]:
    """(DAILY or WEEKLY, interval, weekdays, count, days until the end)."""
    freq = draw(st.sampled_from(["DAILY", "WEEKLY"]))
    days = tuple(draw(st.lists(st.integers(0, 6), unique=True, max_size=4)))
    count, until = draw(st.sampled_from([(None, None), (draw(st.integers(1, 40)), None), (None, draw(st.integers(-3, 200)))]))
    return freq, draw(st.integers(1, 5)), days, count, until


def rule_text(rule: tuple[str, int, tuple[int, ...], int | None, int | None], start: datetime) -> str:
    freq, interval, days, count, until = rule
    parts = [f"FREQ={freq}", f"INTERVAL={interval}"]
    parts += ["BYDAY=" + ",".join(DAYS[d] for d in days)] if days else []
    parts += [f"COUNT={count}"] if count else []
    parts += [(start + timedelta(days=until)).strftime("UNTIL=%Y%m%dT%H%M%S")] if until is not None else []
    return ";".join(parts)


def slowly(rule: tuple[str, int, tuple[int, ...], int | None, int | None], start: datetime, horizon: int) -> list[datetime]:
    """The local starts, by asking every day whether it is one."""
    freq, interval, days, count, until = rule
    monday = start.date() - timedelta(days=start.weekday())
    found = [start]
    for number in range(1, horizon):
        day = start + timedelta(days=number)
        if (count is not None and len(found) == count) or (until is not None and number > until):
            break
        steps = number if freq == "DAILY" else (day.date() - monday).days // 7
        wanted = days or (tuple(range(7)) if freq == "DAILY" else (start.weekday(),))
        if steps % interval == 0 and day.weekday() in wanted:
            found.append(day)
    return found


def slow_instant(told: datetime, zone: str | None) -> int:
    """The instant of a local time, through the standard library's own clock."""
    return round(told.replace(tzinfo=ZoneInfo(zone or "UTC")).timestamp() * 1000)


@given(simple_rules(), STARTS, ZONES, st.integers(-30, 200), st.integers(0, 200))
@example(("DAILY", 1, (), None, None), datetime(2011, 12, 28, 10), APIA, -1, 10)
@example(("DAILY", 1, (), 5, None), datetime(2026, 3, 27, 2, 30), PARIS, -1, 10)
@example(("WEEKLY", 2, (6, 0), 5, None), datetime(2026, 3, 3, 9), PARIS, -1, 90)
def test_daily_and_weekly_series_are_what_asking_every_day_finds(
    rule: tuple[str, int, tuple[int, ...], int | None, int | None], start: datetime, zone: str | None, begin: int, length: int
) -> None:
    low = (start + timedelta(days=begin)).replace(tzinfo=UTC)
    high = low + timedelta(days=length)
    expected = {slow_instant(told, zone) for told in slowly(rule, start, 420)}
    shape = spec(start, zone, "PT1H", rules=(rule_text(rule, start),))
    assert [s.start for s in starts(shape, low, high)] == sorted(t for t in expected if millis(low) <= t < millis(high))


RULES = st.sampled_from(
    [
        "FREQ=DAILY",
        "FREQ=DAILY;COUNT=7",
        "FREQ=WEEKLY;BYDAY=MO,TH",
        "FREQ=MONTHLY;BYDAY=-1FR",
        "FREQ=MONTHLY;BYMONTHDAY=31",
        "FREQ=YEARLY",
        "FREQ=DAILY;UNTIL=20260401T000000Z",
        "FREQ=WEEKLY;INTERVAL=3;COUNT=20",
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=29",
    ]
)


@given(st.lists(RULES, min_size=1, max_size=3), STARTS, ZONES, st.integers(-400, 800), st.integers(0, 400), st.lists(STARTS, max_size=3))
@example(["FREQ=DAILY"], datetime(2011, 12, 29, 23), APIA, -1, 9, [])
@example(["FREQ=DAILY"], datetime(2026, 3, 28, 3), PARIS, -1, 9, [datetime(2026, 3, 29, 2, 30), datetime(2026, 3, 29, 2)])
def test_occurrences_are_in_order_unique_inside_the_span_and_keep_their_wall_clock(
    rules: list[str], start: datetime, zone: str | None, begin: int, length: int, added: list[datetime]
) -> None:
    low = (start + timedelta(days=begin)).replace(tzinfo=UTC)
    high = low + timedelta(days=length)
    found = starts(spec(start, zone, "PT30M", rules=tuple(rules), added=tuple(added)), low, high)
    instants = [s.start for s in found]
    assert instants == sorted(set(instants))
    assert all(millis(low) <= t < millis(high) for t in instants)
    assert all(s.local.time() == start.time() for s in found if s.local not in added)
    assert all(s.start == instant(s.local, zone) and s.end - s.start == 1_800_000 for s in found)


@given(RULES, STARTS, ZONES, st.lists(st.integers(0, 60), max_size=4))
def test_what_is_excluded_is_missing_and_nothing_else(rule: str, start: datetime, zone: str | None, which: list[int]) -> None:
    low, high = start.replace(tzinfo=UTC) - timedelta(days=2), start.replace(tzinfo=UTC) + timedelta(days=90)
    whole = starts(spec(start, zone, "PT1H", rules=(rule,)), low, high)
    excluded = tuple(whole[n].local for n in which if n < len(whole))
    left = starts(spec(start, zone, "PT1H", rules=(rule,), excluded=excluded), low, high)
    assert left == [s for s in whole if s.local not in excluded]


@given(
    st.text(max_size=60)
    | st.lists(st.sampled_from(["FREQ=DAILY", "COUNT=2", "UNTIL=1", "BYDAY=MO", "=", "\n", "INTERVAL=-1", "BYSETPOS=1"])).map(";".join)
)
def test_any_text_is_a_rule_or_is_refused_with_a_reason(text: str) -> None:
    reason = why_not(text)
    assert reason is None or reason
    if reason is None:
        assert laid(text)[:1] == ["03-02 10:00"]
