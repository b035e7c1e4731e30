"""Rules as Outlook says them: the very same occurrences, or a refusal."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.office365.recurrence import series
from adapters.office365.repeating import patterned
from adapters.office365.zones import find
from adapters.wanted import shape
from domain import recurrence
from domain.errors import Refused
from domain.events import Content

PARIS, WINDOWS = "Europe/Paris", "Romance Standard Time"
MONDAY = datetime(2026, 3, 9, 10)


def content(*rules: str, start: datetime = MONDAY, **fields: object) -> Content:
    return Content(start, "PT1H", time_zone=PARIS, rules=rules, **fields)  # type: ignore[arg-type]  # the fields of a content


@pytest.mark.parametrize(
    ("rule", "pattern", "extent"),
    [
        pytest.param("FREQ=DAILY;INTERVAL=2", {"type": "daily", "interval": 2}, {"type": "noEnd"}, id="every other day"),
        pytest.param(
            "FREQ=WEEKLY;BYDAY=MO,WE;WKST=SU;COUNT=6",
            {"type": "weekly", "interval": 1, "daysOfWeek": ["monday", "wednesday"], "firstDayOfWeek": "sunday"},
            {"type": "numbered", "numberOfOccurrences": 6},
            id="some days of each week",
        ),
        pytest.param(
            "FREQ=WEEKLY;UNTIL=20260420T080000Z",
            {"type": "weekly", "interval": 1, "daysOfWeek": ["monday"], "firstDayOfWeek": "monday"},
            {"type": "endDate", "endDate": "2026-04-20"},
            id="until the start of the last one",
        ),
        pytest.param(
            "FREQ=WEEKLY;UNTIL=20260420T075959Z",
            {"type": "weekly", "interval": 1, "daysOfWeek": ["monday"], "firstDayOfWeek": "monday"},
            {"type": "endDate", "endDate": "2026-04-19"},
            id="until a second before it",
        ),
        pytest.param(
            "FREQ=MONTHLY", {"type": "absoluteMonthly", "interval": 1, "dayOfMonth": 9}, {"type": "noEnd"}, id="a day of the month"
        ),
        pytest.param(
            "FREQ=MONTHLY;BYDAY=2MO",
            {"type": "relativeMonthly", "interval": 1, "daysOfWeek": ["monday"], "index": "second"},
            {"type": "noEnd"},
            id="the second Monday",
        ),
        pytest.param(
            "FREQ=YEARLY;BYMONTH=3;BYDAY=MO;BYSETPOS=2",
            {"type": "relativeYearly", "interval": 1, "month": 3, "daysOfWeek": ["monday"], "index": "second"},
            {"type": "noEnd"},
            id="the second Monday of March",
        ),
        pytest.param(
            "FREQ=YEARLY", {"type": "absoluteYearly", "interval": 1, "month": 3, "dayOfMonth": 9}, {"type": "noEnd"}, id="a day of the year"
        ),
    ],
)
def test_what_outlook_can_say(rule: str, pattern: dict[str, object], extent: dict[str, object]) -> None:
    assert patterned(content(rule), WINDOWS) == {
        "pattern": pattern,
        "range": extent | {"startDate": "2026-03-09", "recurrenceTimeZone": WINDOWS},
    }


def test_the_last_day_of_each_month_is_the_31st() -> None:
    made = patterned(content("FREQ=MONTHLY;BYMONTHDAY=-1", start=datetime(2026, 3, 31, 10)), WINDOWS)
    assert made["pattern"] == {"type": "absoluteMonthly", "interval": 1, "dayOfMonth": 31}


@pytest.mark.parametrize(
    "refused",
    [
        pytest.param(content("FREQ=HOURLY"), id="hourly"),
        pytest.param(content("FREQ=DAILY;BYDAY=MO,TU"), id="daily on some days"),
        pytest.param(content("FREQ=MONTHLY", start=datetime(2026, 3, 31, 10)), id="the 31st, which a rule leaves out of April"),
        pytest.param(content("FREQ=YEARLY", start=datetime(2028, 2, 29, 10)), id="a leap day"),
        pytest.param(content("FREQ=MONTHLY;BYDAY=5MO", start=datetime(2026, 3, 30, 10)), id="a fifth Monday"),
        pytest.param(content("FREQ=MONTHLY;BYDAY=MO"), id="every Monday of a month"),
        pytest.param(content("FREQ=MONTHLY;BYMONTHDAY=9,10"), id="two days of the month"),
        pytest.param(content("FREQ=MONTHLY;BYMONTHDAY=8,9;BYSETPOS=-1"), id="the later of two days"),
        pytest.param(content("FREQ=YEARLY;BYDAY=2MO"), id="the second Monday of the year"),
        pytest.param(content("FREQ=YEARLY;BYMONTH=3,4"), id="two months"),
        pytest.param(content("FREQ=WEEKLY;BYDAY=TU"), id="a first start that the rule does not make"),
        pytest.param(content("FREQ=WEEKLY", "FREQ=MONTHLY"), id="two rules"),
        pytest.param(content("FREQ=WEEKLY", excluded=(datetime(2026, 3, 16, 10),)), id="a start taken out"),
        pytest.param(content("FREQ=WEEKLY", added=(datetime(2026, 3, 17, 10),)), id="a start added"),
        pytest.param(content(added=(datetime(2026, 3, 17, 10),)), id="starts without a rule"),
    ],
)
def test_what_outlook_would_make_otherwise_is_refused(refused: Content) -> None:
    with pytest.raises(Refused, match="Outlook"):
        patterned(refused, WINDOWS)


DAYS = st.lists(st.sampled_from(["MO", "TU", "WE", "TH", "FR", "SA", "SU"]), min_size=1, max_size=3, unique=True).map(",".join)
RULES = st.tuples(
    st.sampled_from(["DAILY", "WEEKLY", "MONTHLY", "YEARLY"]),
    st.fixed_dictionaries(
        {},
        optional={
            "INTERVAL": st.integers(1, 3).map(str),
            "COUNT": st.integers(1, 9).map(str),
            "BYDAY": DAYS,
            "BYSETPOS": st.sampled_from(["1", "2", "4", "-1"]),
            "BYMONTHDAY": st.sampled_from(["1", "9", "28", "29", "31", "-1"]),
            "BYMONTH": st.sampled_from(["2", "3", "4"]),
            "WKST": st.sampled_from(["MO", "SU"]),
        },
    ),
).map(lambda made: ";".join([f"FREQ={made[0]}", *(f"{name}={value}" for name, value in made[1].items())]))


@given(rule=RULES, day=st.integers(0, 800))
def test_what_is_said_has_the_very_occurrences_of_the_rule(rule: str, day: int) -> None:
    wanted = content(rule, start=MONDAY + timedelta(days=day))
    try:
        made = patterned(wanted, WINDOWS)
    except Refused:
        return
    zone = find(WINDOWS)
    assert zone is not None
    back = series(made, first=wanted.start.date(), zone=zone.tz)
    years = recurrence.moment(0), recurrence.moment(0) + timedelta(days=70 * 366)
    assert recurrence.starts(shape(wanted), *years) == recurrence.starts(shape(wanted)._replace(rules=(back.rule,)), *years)
