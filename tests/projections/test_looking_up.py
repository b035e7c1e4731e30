"""What stands in the decision journal and in the view of a meeting."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from adapters.memory.views import MemoryViews
from domain.decisions import Decision, Outcome, Rule
from domain.events import ClockTicked, ContactErased, Exception_, MeetingRescheduled, MeetingWithdrawn, SourceEventDecided, View
from domain.recurrence import instant
from projections.bodies import DAY
from projections.views import stamp
from tests.projections.scripted import ACCOUNT, BEGAN, Log, key, meeting, series, shown, single


def test_a_decision_can_be_found_by_its_event_and_says_which_rule_settled_it() -> None:
    log, views = Log(), MemoryViews()
    guest = Decision(Rule.CONTACT_MATCH, Outcome.APPLIED, key("bo"), "151")
    at = log.add(
        SourceEventDecided,
        at=BEGAN - 4,
        source="/accounts/62515/crm",
        kind="meeting.updated",
        subject="77",
        partition="0",
        position=1843,
        meeting=meeting("a").replace("-", ""),
        decisions=(Decision(Rule.CRM_UPDATES, Outcome.APPLIED, note={"changed": ["title"]}), guest),
    )
    log.fold_into(views)
    (row,) = views.decisions(ACCOUNT, event="cause-0")
    assert (row.meeting, row.subject, row.recorded_at, row.position) == (meeting("a"), "77", at, 1)
    assert msgspec.json.decode(row.body) == {
        "event": "cause-0",
        "source": "/accounts/62515/crm",
        "kind": "meeting.updated",
        "subject": "77",
        "time": stamp(BEGAN - 4),
        "recordedAt": stamp(at),
        "meeting": meeting("a"),
        "position": 1,
        "decisions": [
            {"rule": "crm-updates", "outcome": "applied", "note": {"changed": ["title"]}},
            {"rule": "contact-match", "outcome": "applied", "guest": key("bo"), "contact": "151"},
        ],
    }


def content(log: Log, name: str = "a") -> dict[str, Any] | None:
    views = MemoryViews()
    log.fold_into(views, [1] * len(log.records))
    row = views.meeting(ACCOUNT, meeting(name))
    assert row is not None
    found: dict[str, Any] | None = msgspec.json.decode(row.body)["content"]
    return found


def test_a_meeting_says_what_is_shown_of_it_and_by_which_keys_its_people_are_decided_about() -> None:
    log = Log()
    log.shows("a", single(shown()))
    found = content(log)
    assert found is not None
    assert (found["title"], found["start"], found["contacts"], found["people"]) == (
        "Kick-off",
        "2026-03-09T09:00:00Z",
        ["151"],
        [key("bo"), key("ana")],
    )


def test_a_meeting_in_no_timeline_has_no_content() -> None:
    log = Log()
    log.shows("a", single(shown()))
    log.shows("a", None, MeetingWithdrawn)
    assert content(log) is None


def test_an_erased_person_is_taken_out_of_a_meeting() -> None:
    log = Log()
    log.shows("a", single(shown(guests="bo cy")))
    log.add(ContactErased, contact="151", keys=(key("bo"), key("ana")))
    found = content(log)
    assert found is not None
    assert (found["people"], found["organizer"], len(found["participants"])) == ([key("cy")], None, 1)


def reach(view: View) -> int | None:
    """How far the clock's first day left this series laid out, in days after it."""
    log, views = Log(), MemoryViews()
    log.add(ClockTicked, at=BEGAN, before_days=10, after_days=20)
    log.shows("s", view, MeetingRescheduled)
    log.fold_into(views)
    row = views.meeting(ACCOUNT, meeting("s"))
    assert row is not None
    return None if row.series_to is None else (row.series_to - BEGAN) // DAY


def test_only_what_goes_on_is_to_be_extended() -> None:
    late = Exception_(instant(datetime(2027, 1, 4, 10), "Europe/Paris"), shown(at="2027-01-04T12:00:00"), loose=True)
    views = {
        "single": single(shown()),
        "for ever": series(shown()),
        "until it ends within": series(shown(), "FREQ=DAILY;UNTIL=20260315"),
        "until it ends beyond": series(shown(), "FREQ=DAILY;UNTIL=20260401"),
        "a count that ends within": series(shown(), "FREQ=DAILY;COUNT=3"),
        "a count that ends beyond": series(shown(), "FREQ=WEEKLY;COUNT=30"),
        "an exception beyond the end": series(shown(), "FREQ=DAILY;COUNT=3", (late,)),
        "exceptions only, which stand wherever they are": View(exceptions=(late,)),
    }
    assert {name: reach(view) for name, view in views.items()} == {
        "single": None,
        "for ever": 20,
        "until it ends within": None,
        "until it ends beyond": 20,
        "a count that ends within": None,
        "a count that ends beyond": 20,
        "an exception beyond the end": 20,
        "exceptions only, which stand wherever they are": None,
    }
