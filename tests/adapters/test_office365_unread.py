"""Series and removed ids of an Outlook calendar that always fail to be read: they hold up nothing else, and are read later."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import msgspec
import pytest

from adapters.office365.source import Place
from adapters.unread import IN_A_ROW, Unread
from domain.errors import TryAgain
from domain.outside import Pulled
from tests.adapters.test_office365_source import (
    CALENDAR,
    DAY,
    DELTA,
    _in_no_time,  # noqa: F401 - a fixture that is used by being there
    error,
    event,
    events,
    occurrence,
    page,
    place,
    pulled,
    removed,
    series,
    starts,
    told,
)
from tests.calling import NOW, ok

MINUTE = 60_000
Fail = Callable[[], httpx.Response]


def in_vain() -> httpx.Response:
    raise httpx.ReadTimeout("too long")


FAILURES: dict[str, Fail] = {
    "a time-out": in_vain,
    "500": lambda: error(500, "ErrorInternalServerError"),
    "504, with a time to wait": lambda: httpx.Response(504, headers={"Retry-After": "300"}),
    "a code that passes": lambda: error(504, "ErrorTimeoutExpired"),
}
EACH_FAILURE = pytest.mark.parametrize("fail", FAILURES.values(), ids=list(FAILURES))


class Mailbox:
    """Answers its delta once, later with no news; by id what it holds, and the instances of its series. `failing` paths end that way."""

    def __init__(self, delta: httpx.Response, **held: dict[str, Any]) -> None:
        self.delta, self.held, self.instances = delta, held, dict[str, list[dict[str, Any]]]()
        self.failing: dict[str, Fail] = {}
        self.paths: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/v1.0/me/")
        self.paths.append(path)
        if path in self.failing:
            return self.failing[path]()
        if path == "calendarView/delta":
            delta, self.delta = self.delta, page(delta="d9")
            return delta
        if path.endswith("/instances"):
            return ok({"value": self.instances[path.split("/")[1]]})
        found = self.held.get(path.removeprefix("calendar/events/"))
        return ok(found) if found else error(404, "ErrorItemNotFound")


def value(pages: list[Pulled]) -> str:
    """Where the next read goes on."""
    found = pages[-1].next
    assert found is not None
    return found


def unread(pages: list[Pulled]) -> tuple[dict[str, Unread], dict[str, Unread]]:
    """The series and the removed ids that are remembered as failing."""
    found = msgspec.json.decode(value(pages), type=Place)
    return found.series, found.removed


@EACH_FAILURE
def test_a_series_that_cannot_be_laid_out_costs_the_others_nothing_and_is_laid_out_later(fail: Fail) -> None:
    mailbox = Mailbox(page(series("s1"), event("e1"), series("s2"), delta="d2"), s2=series("s2"))
    mailbox.instances = {"s1": [occurrence("09"), occurrence("23")], "s2": [occurrence("09", "s2"), occurrence("16", "s2")]}
    mailbox.failing = {"events/s2/instances": fail}
    pages, _ = pulled(mailbox, place())
    assert told(pages) == [("meeting.created", "s1"), ("meeting.created", "s2"), ("meeting.created", "e1"), *_gone("s1", "16")]
    assert msgspec.json.decode(value(pages), type=Place).link == f"{DELTA}?$deltatoken=d2"
    assert ([*unread(pages)[0]], pages[-1].refused[0][0]) == (["s2"], "series s2")

    mailbox.failing = {}
    later, _ = pulled(mailbox, value(pages), NOW + MINUTE)
    assert told(later) == [("meeting.created", id) for id in ("s2", "s2-09", "s2-16")] + _gone("s2", "23")
    assert (unread(later), later[-1].refused) == (({}, {}), [])


def _gone(series: str, day: str) -> list[tuple[str, str]]:
    return [("meeting.deleted", f"{series}:2026-03-{day}T09:00:00Z")]


def test_a_series_that_goes_on_failing_is_asked_for_more_and_more_rarely() -> None:
    mailbox = Mailbox(page(series("s1"), delta="d2"), s1=series("s1"))
    mailbox.failing = {"events/s1/instances": FAILURES["500"]}
    pages, _ = pulled(mailbox, place())
    tried = []
    for minute in range(1, 130):
        mailbox.paths.clear()
        pages, _ = pulled(mailbox, value(pages), NOW + minute * MINUTE)
        if "events/s1/instances" in mailbox.paths:
            tried.append(minute)
    assert tried == [1, 3, 7, 15, 31, 63, 127]
    ((what, why),) = pages[-1].refused
    assert (what, why) == (
        "series s1",
        "not read since 2026-03-02T09:00:00.000Z, tried 8 times: office365 answered 500 ErrorInternalServerError",
    )


@EACH_FAILURE
def test_of_a_series_that_nobody_says_the_surroundings_of_nothing_is_concluded_until_somebody_does(fail: Fail) -> None:
    mailbox = Mailbox(page(series(), occurrence("09"), event("e1"), delta="d1"), s1=series())
    mailbox.failing = {"events/s1/instances": fail}
    pages, _ = pulled(mailbox)
    assert told(pages) == [("meeting.created", id) for id in ("s1", "s1-09", "e1")] + [("calendar.listed", CALENDAR)]
    assert sorted(events(pages)[-1]["data"]["ids"]) == ["e1", "s1", "s1-09"]

    mailbox.failing = {}
    mailbox.instances = {"s1": [occurrence("09"), occurrence("23")]}
    later, _ = pulled(mailbox, value(pages), NOW + MINUTE)
    assert [(kind, start[:10]) for kind, start in starts(later)] == [
        ("created", "2026-03-09"),
        ("created", "2026-03-23"),
        ("deleted", "2026-03-16"),
    ]
    assert unread(later) == ({}, {})


def test_one_whose_series_cannot_be_read_waits_for_it_and_counts_as_listed() -> None:
    mailbox = Mailbox(page(occurrence("09"), event("e1"), delta="d1"), s1=series())
    mailbox.failing = {"calendar/events/s1": FAILURES["500"]}
    pages, _ = pulled(mailbox)
    assert told(pages) == [("meeting.created", "e1"), ("calendar.listed", CALENDAR)]
    assert (sorted(events(pages)[-1]["data"]["ids"]), [p.refused for p in pages[:-1] if p.refused]) == (["e1", "s1", "s1-09"], [])

    mailbox.failing = {}
    mailbox.instances = {"s1": [occurrence("09"), occurrence("16"), occurrence("23")]}
    later, _ = pulled(mailbox, value(pages), NOW + MINUTE)
    assert told(later) == [("meeting.created", id) for id in ("s1", "s1-09", "s1-16", "s1-23")]


def test_a_series_that_is_gone_by_the_time_it_is_tried_again_is_forgotten() -> None:
    mailbox = Mailbox(page(series("s1"), delta="d2"))
    mailbox.failing = {"events/s1/instances": FAILURES["500"]}
    pages, _ = pulled(mailbox, place())
    later, _ = pulled(mailbox, value(pages), NOW + MINUTE)
    assert (told(later), unread(later)) == ([], ({}, {}))


def test_a_series_that_graph_will_not_lay_out_at_all_is_not_asked_for_for_ever() -> None:
    mailbox = Mailbox(page(series("s1"), delta="d2"), s1=series("s1"))
    mailbox.failing = {"events/s1/instances": FAILURES["500"]}
    pages, _ = pulled(mailbox, place())
    mailbox.failing = {"events/s1/instances": lambda: error(400, "ErrorInvalidRequest")}
    later, _ = pulled(mailbox, value(pages), NOW + MINUTE)
    assert (told(later), unread(later)) == ([("meeting.created", "s1")], ({}, {}))


FAR = {"start": {"dateTime": "2029-03-09T09:00:00", "timeZone": "UTC"}, "end": {"dateTime": "2029-03-09T10:00:00", "timeZone": "UTC"}}


@pytest.mark.parametrize(
    ("held", "said"),
    [
        pytest.param({}, "meeting.deleted", id="it was deleted"),
        pytest.param({"e2": event("e2") | FAR}, "meeting.created", id="it was moved out of sight"),
    ],
)
def test_a_removed_id_that_cannot_be_looked_for_says_nothing_until_it_can(held: dict[str, dict[str, Any]], said: str) -> None:
    mailbox = Mailbox(page(removed("e2"), event("e1"), delta="d2"), **held)
    mailbox.failing = {"calendar/events/e2": FAILURES["500"]}
    pages, _ = pulled(mailbox, place())
    assert told(pages) == [("meeting.created", "e1")]
    assert [*unread(pages)[1]] == ["e2"]

    mailbox.failing = {}
    later, _ = pulled(mailbox, value(pages), NOW + MINUTE)
    assert (told(later), unread(later)) == ([(said, "e2")], ({}, {}))


def test_what_could_not_be_looked_for_is_not_counted_as_gone_by_a_listing() -> None:
    mailbox = Mailbox(page(removed("e2"), delta="d2"), e2=event("e2") | FAR)
    mailbox.failing = {"calendar/events/e2": in_vain}
    pages, _ = pulled(mailbox, place())
    mailbox.delta = page(delta="d3")  # of the last round in the old window, and then of a whole one in the new
    moved, _ = pulled(mailbox, value(pages), NOW + DAY)
    (listed,) = [e["data"]["ids"] for e in events(moved) if e["subject"] == CALENDAR]
    assert listed == ["e2"]
    mailbox.failing = {}
    later, _ = pulled(mailbox, value(moved), NOW + DAY + DAY // 4)
    assert (told(later), unread(later)) == ([("meeting.created", "e2")], ({}, {}))


def test_what_comes_back_by_itself_is_not_looked_for_any_more() -> None:
    mailbox = Mailbox(page(removed("e2"), delta="d2"))
    mailbox.failing = {"calendar/events/e2": in_vain}
    pages, _ = pulled(mailbox, place())
    mailbox.delta = page(event("e2"), delta="d3")
    later, _ = pulled(mailbox, value(pages), NOW + MINUTE // 2)
    assert (told(later), unread(later)) == ([("meeting.created", "e2")], ({}, {}))


def test_where_series_after_series_fails_it_is_the_provider() -> None:
    many = [f"s{number}" for number in range(IN_A_ROW + 1)]
    mailbox = Mailbox(page(*map(series, many), delta="d2"))
    mailbox.failing = {f"events/{id}/instances": FAILURES["500"] for id in many}
    with pytest.raises(TryAgain, match="one thing after another could not be read, the last one because office365 answered 500"):
        pulled(mailbox, place())


def test_a_limit_that_is_used_up_says_nothing_of_a_series() -> None:
    mailbox = Mailbox(page(series(), delta="d2"))
    mailbox.failing = {"events/s1/instances": lambda: httpx.Response(429, headers={"Retry-After": "60"})}
    with pytest.raises(TryAgain) as refusal:
        pulled(mailbox, place())
    assert refusal.value.after == 60.0
