"""Rule not-a-meeting: focus time, out of office, working location and birthdays are ignored."""

from __future__ import annotations

from typing import Any

import pytest

from tests.domain.rules.shuffling import same_in_any_order
from tests.engine import staged
from tests.examples import Event, connected, deleted, meeting

KINDS = ["focus", "out-of-office", "working-location", "birthday", "other"]
KICK_OFF = ("Kick-off", "2026-04-07T08:00:00Z", "confirmed")


def block(kind: str = "focus", revision: float = 0, **fields: Any) -> Event:
    """An entry of the calendar that is no meeting."""
    told = meeting("g1", revision, **{"title": "Deep thought", **fields})
    return {**told, "data": {**told["data"], "kind": kind}}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_meeting_is_ignored(kind: str) -> None:
    engine = staged(told := block(kind))
    assert engine.shown() == []
    assert engine.decided(told) == [("not-a-meeting", "ignored")]
    assert engine.notes(told) == [{"kind": kind}]


@pytest.mark.parametrize("kind", KINDS)
def test_of_what_is_no_meeting_the_event_store_and_the_read_models_hold_no_content(kind: str) -> None:
    engine = staged(block(kind))
    assert "Deep thought" not in repr(vars(engine.store)) + repr(vars(engine.domain_log)) + repr(vars(engine.views))


@pytest.mark.parametrize("kind", KINDS)
def test_a_meeting_that_turned_into_something_else_leaves_the_timeline(kind: str) -> None:
    assert same_in_any_order(meeting(), block(kind, 1)).shown() == []


def test_something_else_that_turned_into_a_meeting_comes_into_it() -> None:
    assert same_in_any_order(block(), meeting(revision=1)).shown() == [KICK_OFF]


def test_deleted_it_still_is_no_meeting() -> None:
    engine = same_in_any_order(block(), deleted(revision=1))
    assert engine.shown() == []


def test_a_former_meeting_that_was_deleted_as_something_else_is_not_shown_as_cancelled() -> None:
    engine = same_in_any_order(meeting(), block(revision=1), deleted(revision=2))
    assert engine.shown() == []


def test_back_and_forth_the_newest_word_stands() -> None:
    engine = same_in_any_order(meeting(), block("out-of-office", 1), meeting(revision=2, title="Back"), block("focus", 3))
    assert engine.shown() == []


def test_one_mailboxs_focus_time_does_not_take_out_anothers_meeting() -> None:
    told = meeting("b1", 1, user="502", provenance={"icalUid": "g1@google.example"})
    told["data"]["kind"] = "focus"
    assert same_in_any_order(meeting(), told, before=[connected("502")]).shown() == [KICK_OFF]
