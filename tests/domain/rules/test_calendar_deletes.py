"""Rule calendar-deletes: what is deleted or cancelled in the calendar is shown as cancelled, and nothing else is.

Single occurrences and the past of a series are in `test_series.py`, listings that are held in `test_mass_delete.py`.
"""

from __future__ import annotations

from typing import Any

import pytest

from tests.domain.rules.shuffling import same_in_any_order
from tests.engine import Engine, staged
from tests.examples import (
    ANA,
    BEN,
    BO,
    CY,
    Event,
    connected,
    deleted,
    ended,
    envelope,
    hour,
    listed,
    meeting,
    occurrence,
    occurrence_deleted,
    person,
    series,
    stage,
)

CONFIRMED = ("Kick-off", "2026-04-07T08:00:00Z", "confirmed")
CANCELLED = ("Kick-off", "2026-04-07T08:00:00Z", "cancelled")
BENS = connected("502")


def removed(id: str, revision: float, source: str, *, provider: str = "google", **data: object) -> Event:
    """A removal that carries the provider's id and nothing else."""
    told = {"provenance": {"provider": provider, "id": id}, **data}
    return envelope("meeting.deleted", id, told, id=f"removed:{id}:{revision}", source=source, at=hour(revision))


def in_window(event: Event, since: str, until: str) -> Event:
    """The same, found in a round that read this window only."""
    return {**event, "data": {**event["data"], "from": since, "to": until}}


def answers(engine: Engine, of: str) -> list[str]:
    """The answers of one guest, an entry each, soonest first."""
    return [p["participationStatus"] for e in engine.timeline() for p in e["participants"] if p["email"] == of]


# --- cancelled as such ------------------------------------------------------------------------------------------------

GONE = {
    "a tombstone": deleted(revision=1),
    "cancelled in words": meeting(revision=1, status="cancelled"),
    "a tombstone without its time": {**deleted(revision=1), "data": {"provenance": {"provider": "google", "user": "501", "id": "g1"}}},
    "an id and nothing else": removed("g1", 1, f"calendars/google/{ANA}"),
}


@pytest.mark.parametrize("gone", GONE.values(), ids=list(GONE))
def test_what_is_gone_from_its_organisers_calendar_is_shown_as_cancelled(gone: Event) -> None:
    engine = same_in_any_order(meeting(), gone)
    assert engine.shown() == [CANCELLED]
    assert engine.decided(gone)[0] == ("calendar-deletes", "applied")


def test_it_is_cancelled_with_its_last_title_and_place() -> None:
    engine = same_in_any_order(meeting(), meeting(revision=1, title="Contract", start="2026-04-08T10:00:00"), deleted(revision=2))
    assert engine.shown() == [("Contract", "2026-04-08T08:00:00Z", "cancelled")]


def test_cancelled_twice_over_is_cancelled_once() -> None:
    engine = same_in_any_order(meeting(), meeting(revision=1, status="cancelled"), deleted(revision=2))
    assert engine.shown() == [CANCELLED]
    assert engine.names().count("meeting.cancelled.v1") == 1


def test_a_removed_id_that_nobody_has_seen_says_nothing() -> None:
    engine = staged(gone := deleted("g9"))
    assert engine.shown() == []
    assert engine.decided(gone) == [("calendar-deletes", "ignored")]


def test_a_deletion_before_the_meeting_itself_counts_when_it_comes() -> None:
    engine = staged(deleted(revision=1))
    assert engine.shown() == []
    assert engine.tell(meeting()).shown() == [CANCELLED]


# --- a guest's copy ---------------------------------------------------------------------------------------------------


def test_a_guest_who_removes_his_copy_has_declined() -> None:
    engine = same_in_any_order(meeting(owner=CY, guests=(BO, ANA)), gone := deleted(revision=1))
    assert engine.shown() == [CONFIRMED]
    assert answers(engine, ANA) == ["declined"]
    assert engine.decided(gone)[0] == ("calendar-deletes", "ignored")


def test_a_removal_that_the_providers_record_confirms_cancels() -> None:
    record = meeting(owner=CY, guests=(BO, ANA), revision=1.5, status="cancelled")
    engine = same_in_any_order(meeting(owner=CY, guests=(BO, ANA)), deleted(revision=1), record)
    assert engine.shown() == [CANCELLED]


def test_a_guest_who_takes_his_copy_back_has_his_own_answer_again() -> None:
    again = meeting(revision=2, owner=CY, guests=(BO, person(ANA, status="accepted")))
    engine = same_in_any_order(meeting(owner=CY, guests=(BO, ANA)), deleted(revision=1), again)
    assert (engine.shown(), answers(engine, ANA)) == ([CONFIRMED], ["accepted"])


def bens(revision: float = 0.5, **fields: object) -> Event:
    """Ben's copy of Ana's meeting, to which she invited him."""
    return meeting("b1", revision, user="502", guests=(BO, BEN), provenance={"icalUid": "g1@google.example"}, **fields)  # type: ignore[arg-type]  # any field of a meeting


MAILBOXES: dict[str, tuple[tuple[Event, ...], tuple[str, str, str], list[str]]] = {
    "the guest removes his": ((deleted("b1", 1, user="502"),), CONFIRMED, ["declined"]),
    "the organiser removes hers": ((deleted("g1", 1),), CANCELLED, ["needs-action"]),
    "first the guest, then the organiser": ((deleted("b1", 1, user="502"), deleted("g1", 2)), CANCELLED, ["declined"]),
}


@pytest.mark.parametrize(("gone", "expected", "bens_answers"), MAILBOXES.values(), ids=list(MAILBOXES))
def test_of_two_mailboxes_the_organisers_says_what_is_cancelled(
    gone: tuple[Event, ...], expected: tuple[str, str, str], bens_answers: list[str]
) -> None:
    engine = same_in_any_order(meeting(guests=(BO, BEN)), bens(), *gone, before=[BENS])
    assert (engine.shown(), answers(engine, BEN)) == ([expected], bens_answers)


def test_two_guests_who_both_remove_their_copies_have_both_declined() -> None:
    shared = {"icalUid": "g1@google.example"}
    annas = meeting(owner=CY, guests=(BO, ANA, BEN))
    bens_copy = meeting("b1", 0.5, user="502", owner=CY, guests=(BO, ANA, BEN), provenance=shared)
    engine = same_in_any_order(annas, bens_copy, deleted("g1", 1), deleted("b1", 2, user="502"), before=[BENS])
    assert engine.shown() == [CONFIRMED]
    assert (answers(engine, ANA), answers(engine, BEN)) == (["declined"], ["declined"])


def test_an_organisers_tombstone_cancels_also_when_only_the_guests_copy_told_what_it_was() -> None:
    engine = same_in_any_order(bens(), deleted("g1", 1, icalUid="g1@google.example"), before=[BENS])
    assert engine.shown() == [CANCELLED]


def test_a_guest_who_removes_one_occurrence_has_declined_that_one() -> None:
    engine = same_in_any_order(series(owner=CY, guests=(BO, ANA)), occurrence_deleted("2026-04-14T08:00:00Z", 1))
    assert [status for _, _, status in engine.shown()] == ["confirmed"] * 4
    assert answers(engine, ANA) == ["needs-action", "declined", "needs-action", "needs-action"]


# --- cancelled, then cleared away ------------------------------------------------------------------------------------

EVE = "eve@out.example"
INVITED: Event = {"owner": EVE, "guests": (ANA, BEN, BO)}
BENS_ID: Event = {"user": "502", "provenance": {"icalUid": "g1@google.example"}}
WEEKLY: Event = {"owner": EVE, "guests": (ANA, BO)}
FIRST, SECOND = "2026-04-07T08:00:00Z", "2026-04-14T08:00:00Z"

CLEARED: dict[str, tuple[tuple[Event, ...], list[str]]] = {
    "cancelled, then removed": (
        (meeting(**INVITED), meeting(revision=1, status="cancelled", **INVITED), deleted(revision=2)),
        ["cancelled"],
    ),
    "cancelled, removed and removed once more": (
        (meeting(**INVITED), meeting(revision=1, status="cancelled", **INVITED), deleted(revision=2), deleted(revision=3)),
        ["cancelled"],
    ),
    "cancelled, but confirmed again before it was removed": (
        (meeting(**INVITED), meeting(revision=1, status="cancelled", **INVITED), meeting(revision=2, **INVITED), deleted(revision=3)),
        ["confirmed"],
    ),
    "cancelled, removed and there again": (
        (meeting(**INVITED), meeting(revision=1, status="cancelled", **INVITED), deleted(revision=2), meeting(revision=3, **INVITED)),
        ["confirmed"],
    ),
    "cancelled in two mailboxes, removed from one": (
        (
            meeting(**INVITED),
            meeting("b1", **BENS_ID, **INVITED),
            meeting(revision=1, status="cancelled", **INVITED),
            meeting("b1", 1, status="cancelled", **BENS_ID, **INVITED),
            deleted(revision=2),
        ),
        ["cancelled"],
    ),
    "cancelled in two mailboxes, removed from both": (
        (
            meeting(**INVITED),
            meeting("b1", **BENS_ID, **INVITED),
            meeting(revision=1, status="cancelled", **INVITED),
            meeting("b1", 1, status="cancelled", **BENS_ID, **INVITED),
            deleted(revision=2),
            deleted("b1", 3, user="502"),
        ),
        ["cancelled"],
    ),
    "cancelled in one mailbox and removed there, the other not told yet": (
        (
            meeting(**INVITED),
            meeting("b1", 0.5, **BENS_ID, **INVITED),
            meeting(revision=1, status="cancelled", **INVITED),
            deleted(revision=2),
        ),
        ["cancelled"],
    ),
    "an occurrence cancelled, then removed": (
        (series(**WEEKLY), occurrence(SECOND, 1, status="cancelled", **WEEKLY), occurrence_deleted(SECOND, 2)),
        ["confirmed", "cancelled", "confirmed", "confirmed"],
    ),
    "a series cancelled, then removed": (
        (series(**WEEKLY), series(revision=1, status="cancelled", **WEEKLY), deleted("s1", 2)),
        ["cancelled"] * 4,
    ),
}


@pytest.mark.parametrize(("told", "expected"), CLEARED.values(), ids=list(CLEARED))
def test_what_was_cancelled_and_then_removed_by_a_guest_stays_cancelled(told: tuple[Event, ...], expected: list[str]) -> None:
    engine = same_in_any_order(*told, before=[BENS])
    assert [status for _, _, status in engine.shown()] == expected


def test_clearing_a_cancelled_meeting_away_is_no_answer() -> None:
    engine = staged(meeting(**INVITED), meeting(revision=1, status="cancelled", **INVITED), gone := deleted(revision=2))
    assert answers(engine, ANA) == ["needs-action"]
    assert engine.notes(gone)[0] == {"reason": "it was cancelled already"}


def test_clearing_a_cancelled_occurrence_away_is_no_answer() -> None:
    off = occurrence(SECOND, 1, status="cancelled", **WEEKLY)
    engine = staged(series(**WEEKLY), off, gone := occurrence_deleted(SECOND, 2))
    assert answers(engine, ANA) == ["needs-action"] * 4
    assert engine.notes(gone)[0] == {"reason": "it was cancelled already"}


def test_a_cancelled_meeting_that_a_listing_lacks_stays_cancelled() -> None:
    assert staged(meeting(**INVITED), meeting(revision=1, status="cancelled", **INVITED), listed([])).shown() == [CANCELLED]


RECORDS: dict[str, tuple[Event, str]] = {
    "read once more, it is cancelled": (meeting(revision=1, status="cancelled", **INVITED), "cancelled"),
    "read once more, it is as it was": (meeting(event_id="read again", **INVITED), "confirmed"),
}


@pytest.mark.parametrize(("record", "expected"), RECORDS.values(), ids=list(RECORDS))
def test_the_providers_record_read_after_a_guests_tombstone_says_whether_it_is_cancelled(record: Event, expected: str) -> None:
    """The record's own time is that of its last change, before the guest removed his copy."""
    engine = same_in_any_order(meeting(**INVITED), deleted(revision=2), record)
    assert [status for _, _, status in engine.shown()] == [expected]


CUT_SHORT = series(revision=3, rule="FREQ=WEEKLY;UNTIL=20260408T000000Z")
MOVED_ON = occurrence("2026-04-21T08:00:00Z", 1, start="2026-04-22T10:00:00", title="Moved")
BEHIND_THE_CUT = {
    "with it": occurrence_deleted("2026-04-21T08:00:00Z", 3),
    "later": occurrence_deleted("2026-04-21T08:00:00Z", 4),
    "before": occurrence_deleted("2026-04-21T08:00:00Z", 2),
    "later, told whole": occurrence("2026-04-21T08:00:00Z", 4, start="2026-04-22T10:00:00", title="Moved", status="cancelled"),
}


@pytest.mark.parametrize("gone", BEHIND_THE_CUT.values(), ids=BEHIND_THE_CUT.keys())
def test_an_exception_that_a_cut_leaves_behind_is_not_shown_as_cancelled_when_it_is_called_off(gone: Event) -> None:
    """A side that cuts a series short calls off the exceptions behind the cut; they left with the others there."""
    engine = same_in_any_order(series(), MOVED_ON, CUT_SHORT, gone)
    assert engine.shown() == [("Weekly", "2026-04-07T08:00:00Z", "confirmed")]


def test_an_exception_that_is_told_again_after_the_cut_is_there_until_it_is_called_off() -> None:
    engine = staged(series(), MOVED_ON, CUT_SHORT, occurrence("2026-04-21T08:00:00Z", 5, start="2026-04-22T11:00:00", title="Moved"))
    assert [title for title, _, _ in engine.shown()] == ["Weekly", "Moved"]
    engine.tell(occurrence_deleted("2026-04-21T08:00:00Z", 6))
    assert [title for title, _, _ in engine.shown()] == ["Weekly"]


# --- a removed id outside the window that was read --------------------------------------------------------------------

WINDOWS: dict[str, tuple[str, str, tuple[str, str, str]]] = {
    "it is in the window": ("2026-04-01T00:00:00Z", "2026-05-01T00:00:00Z", CANCELLED),
    "it is later": ("2026-03-01T00:00:00Z", "2026-04-01T00:00:00Z", CONFIRMED),
    "it is earlier": ("2026-05-01T00:00:00Z", "2026-06-01T00:00:00Z", CONFIRMED),
    "it begins as the window ends": ("2026-04-01T00:00:00Z", "2026-04-07T08:00:00Z", CONFIRMED),
    "it ends as the window begins": ("2026-04-07T09:00:00Z", "2026-05-01T00:00:00Z", CONFIRMED),
    "it reaches into the window": ("2026-04-07T08:30:00Z", "2026-05-01T00:00:00Z", CANCELLED),
    "it begins in the window": ("2026-04-01T00:00:00Z", "2026-04-07T08:30:00Z", CANCELLED),
}


@pytest.mark.parametrize(("since", "until", "expected"), WINDOWS.values(), ids=list(WINDOWS))
def test_a_removed_id_counts_only_if_its_last_known_time_was_in_the_window(since: str, until: str, expected: tuple[str, str, str]) -> None:
    engine = same_in_any_order(meeting(), in_window(deleted(revision=1), since, until))
    assert engine.shown() == [expected]


def test_it_is_the_last_known_time_that_counts_not_the_first() -> None:
    moved = meeting(revision=1, start="2026-06-02T10:00:00")
    engine = same_in_any_order(meeting(), moved, in_window(deleted(revision=2), "2026-04-01T00:00:00Z", "2026-05-01T00:00:00Z"))
    assert engine.shown() == [("Kick-off", "2026-06-02T08:00:00Z", "confirmed")]


def test_a_series_removed_with_an_occurrence_in_the_window_is_cancelled() -> None:
    engine = same_in_any_order(series(), in_window(deleted("s1", 1), "2026-04-20T00:00:00Z", "2026-04-22T00:00:00Z"))
    assert [status for _, _, status in engine.shown()] == ["cancelled"] * 4


def test_a_series_removed_without_an_occurrence_in_the_window_stays() -> None:
    engine = same_in_any_order(series(), in_window(deleted("s1", 1), "2026-05-20T00:00:00Z", "2026-06-22T00:00:00Z"))
    assert [status for _, _, status in engine.shown()] == ["confirmed"] * 4


WEEK: dict[str, Any] = {"since": "2026-04-12T00:00:00Z", "until": "2026-04-18T00:00:00Z"}
AWAY = occurrence(SECOND, 1, start="2026-04-24T10:00:00")

APART: dict[str, tuple[tuple[Event, ...], bool]] = {
    "it is there": ((), True),
    "it was removed before": ((occurrence_deleted(SECOND, 1),), False),
    "it was cancelled before": ((occurrence(SECOND, 1, status="cancelled"),), False),
    "it was moved out of it before": ((AWAY,), False),
    "it was moved within it": ((occurrence(SECOND, 1, start="2026-04-16T10:00:00"),), True),
    "another was moved into it": ((occurrence_deleted(SECOND, 1), occurrence(FIRST, 1, start="2026-04-16T10:00:00")), True),
    "it was moved out of it, and back": ((AWAY, occurrence(SECOND, 2)), True),
    "it was removed after": ((occurrence_deleted(SECOND, 6),), True),
    "it was removed together with its series": ((in_window(occurrence_deleted(SECOND, 5), *WEEK.values()),), True),
    "it left the window just before its series did": ((in_window(occurrence_deleted(SECOND, 4), *WEEK.values()),), True),
}


@pytest.mark.parametrize(("told", "counts"), APART.values(), ids=list(APART))
def test_a_series_is_in_a_window_by_what_its_occurrences_there_have_become(told: tuple[Event, ...], counts: bool) -> None:
    """The window is the week of its second occurrence, the fourth is far from it."""
    engine = same_in_any_order(series(), *told, in_window(deleted("s1", 5), *WEEK.values()))
    assert engine.shown()[-1][2] == ("cancelled" if counts else "confirmed")


@pytest.mark.parametrize(("told", "counts"), list(APART.values())[:6], ids=list(APART)[:6])
def test_a_series_is_missed_from_a_listing_by_what_its_occurrences_there_have_become(told: tuple[Event, ...], counts: bool) -> None:
    engine = staged(series(), *told, listed([], **WEEK))
    assert engine.shown()[-1][2] == ("cancelled" if counts else "confirmed")


# --- complete listings ------------------------------------------------------------------------------------------------

LISTINGS: dict[str, tuple[Event, tuple[str, str, str]]] = {
    "not listed": (listed([]), CANCELLED),
    "listed": (listed(["g1"]), CONFIRMED),
    "not complete": (listed([], complete=False), CONFIRMED),
    "outside the span": (listed([], since="2026-05-01T00:00:00Z"), CONFIRMED),
    "begins as the span ends": (listed([], until="2026-04-07T08:00:00Z"), CONFIRMED),
    "ends as the span begins": (listed([], since="2026-04-07T09:00:00Z"), CONFIRMED),
    "reaches into the span": (listed([], since="2026-04-07T08:59:00Z"), CANCELLED),
    "of another mailbox": (listed([], user="502"), CONFIRMED),
    "of another provider": (listed([], provider="office365"), CONFIRMED),
    "made before the meeting": (listed([], revision=-1), CONFIRMED),
}


@pytest.mark.parametrize(("listing", "expected"), LISTINGS.values(), ids=list(LISTINGS))
def test_what_a_complete_listing_does_not_hold_is_cancelled(listing: Event, expected: tuple[str, str, str]) -> None:
    assert staged(BENS, meeting(), listing).shown() == [expected]


def test_a_listing_of_a_calendar_that_is_not_the_primary_one_says_nothing() -> None:
    other = listed([])
    other["data"]["provenance"]["primary"] = False
    engine = staged(meeting(), other)
    assert engine.shown() == [CONFIRMED]
    assert engine.decided(other) == [("primary-only", "ignored")]


def test_a_listing_tells_how_many_it_took_of_how_many() -> None:
    engine = staged(meeting(), meeting("g2"), listing := listed(["g2"]))
    assert engine.decided(listing) == [("calendar-deletes", "applied")]
    assert engine.notes(listing) == [{"deleted": 1, "known": 2}]


def test_a_calendar_that_is_listed_in_parts_is_looked_at_anew_after_each_loss_and_each_word() -> None:
    parts = [listed(["g1", "g2"], 100), listed(["g2"], 101), listed([], 102), listed([], 103)]
    after = [meeting("g3", revision=50), listed(["g3"], 104), listed([], 105, user="502"), listed([], 106)]
    engine = staged(BENS, meeting(), meeting("g2"), *parts, *after)
    taken = [(note["deleted"], note["known"]) for event in [*parts, *after[1:]] for note in engine.notes(event)]
    assert taken == [(0, 2), (1, 2), (1, 1), (0, 0), (0, 1), (0, 0), (1, 1)]


def test_a_listing_again_changes_nothing_more() -> None:
    engine = staged(meeting(), listed([]))
    before = engine.names()
    assert engine.tell(listed([], revision=101)).shown() == [CANCELLED]
    assert engine.names() == before


def test_a_meeting_changed_after_the_listing_is_there() -> None:
    engine = staged(meeting(), listed([], revision=5), meeting(revision=6, title="After all"))
    assert engine.shown() == [("After all", "2026-04-07T08:00:00Z", "confirmed")]


def test_a_listing_that_comes_after_a_later_change_says_nothing_of_that_meeting() -> None:
    engine = staged(meeting(), meeting(revision=6, title="Changed"), listed([], revision=5))
    assert engine.shown() == [("Changed", "2026-04-07T08:00:00Z", "confirmed")]


def test_an_older_change_that_comes_after_a_listing_does_not_bring_it_back() -> None:
    engine = staged(meeting(), listed([], revision=5), meeting(revision=1, title="Older"))
    assert engine.shown() == [("Older", "2026-04-07T08:00:00Z", "cancelled")]


def test_an_exception_that_is_not_listed_is_not_cancelled_by_that() -> None:
    engine = staged(series(), occurrence("2026-04-14T08:00:00Z", title="Moved up"), listed(["s1"]))
    assert [status for _, _, status in engine.shown()] == ["confirmed"] * 4


def test_an_occurrence_whose_series_is_not_known_is_missed_like_a_meeting_of_its_own() -> None:
    engine = staged(occurrence("2026-04-14T08:00:00Z"), listed([]))
    assert engine.shown() == [("Weekly", "2026-04-14T08:00:00Z", "cancelled")]


def test_a_guests_listing_without_the_meeting_is_his_answer() -> None:
    engine = staged(BENS, meeting(guests=(BO, BEN)), bens(), listed([], user="502"))
    assert (engine.shown(), answers(engine, BEN)) == ([CONFIRMED], ["declined"])


# --- a removal without a time of its own --------------------------------------------------------------------------------


def untimed(event: Event, number: int = 1) -> Event:
    """The same tombstone without any time: as a delta gives an id that is gone."""
    provenance = {name: value for name, value in event["data"]["provenance"].items() if name != "updated"}
    bare = {name: value for name, value in event.items() if name not in ("time", "sequence")}
    return {**bare, "id": f"untimed:{event['subject']}:{number}", "data": {**event["data"], "provenance": provenance}}


BACK = ("Back", "2026-04-07T08:00:00Z", "confirmed")
OLDER = ("Older", "2026-04-07T08:00:00Z", "cancelled")

UNTIMED: dict[str, tuple[tuple[Event, ...], tuple[str, str, str]]] = {
    "removed": ((meeting(revision=1), untimed(deleted())), ("Kick-off", "2026-04-07T08:00:00Z", "cancelled")),
    "then changed": ((meeting(revision=1), untimed(deleted()), meeting(revision=2, title="Back")), BACK),
    "then changed, and removed again": (
        (meeting(revision=1), untimed(deleted()), meeting(revision=2, title="Back"), untimed(deleted(), 2)),
        ("Back", "2026-04-07T08:00:00Z", "cancelled"),
    ),
    "then an older word": ((meeting(revision=1, title="Older"), untimed(deleted()), meeting(revision=0)), OLDER),
    "then the same word again": (
        (meeting(revision=1, title="Older"), untimed(deleted()), meeting(revision=1, title="Older", event_id="again")),
        OLDER,
    ),
    "removed twice over": ((meeting(revision=1, title="Older"), untimed(deleted()), untimed(deleted(), 2)), OLDER),
    "before anything was known": ((untimed(deleted()), meeting(revision=1, title="Older")), OLDER),
    "before anything was known, with words in no order": (
        (untimed(deleted()), meeting(revision=2, title="Older"), meeting(revision=1)),
        OLDER,
    ),
    "without sequences anywhere": (
        tuple(
            {name: value for name, value in told.items() if name != "sequence"}
            for told in (meeting(revision=1), untimed(deleted()), meeting(revision=2, title="Back"))
        ),
        BACK,
    ),
}


@pytest.mark.parametrize(("told", "expected"), UNTIMED.values(), ids=list(UNTIMED))
def test_a_removal_without_a_time_of_its_own_comes_after_what_was_known(told: tuple[Event, ...], expected: tuple[str, str, str]) -> None:
    assert staged(*told).shown() == [expected]
    assert Engine().tell(*stage()).tell_one_by_one(*told).shown() == [expected]


def test_a_replay_puts_removals_without_a_time_where_they_were() -> None:
    lived = Engine().tell(*stage()).tell_one_by_one(*[told for story, _ in UNTIMED.values() for told in story])
    again = Engine()
    again.source, again.vault = lived.source, lived.vault
    again.start()
    assert again.settle().essence() == lived.essence()
    assert lived.shown() == [("Back", "2026-04-07T08:00:00Z", "cancelled")]


def test_of_a_series_removed_without_a_time_what_was_past_when_it_was_heard_of_stays() -> None:
    """The engine hears of it on 24 May 2026, and the series ran from April to July."""
    engine = staged(series(rule="FREQ=MONTHLY;COUNT=4"), untimed(deleted("s1")))
    assert [status for _, _, status in engine.shown()] == ["confirmed", "confirmed", "cancelled", "cancelled"]


def test_a_removal_without_a_time_that_was_heard_of_after_the_disconnect_says_nothing() -> None:
    assert staged(meeting(), ended(revision=50), untimed(deleted())).shown() == [CONFIRMED]


MOVED: dict[str, Any] = {"start": "2026-04-15T11:00:00", "title": "Weekly, moved"}
NAMELESS: dict[str, tuple[tuple[Event, ...], tuple[str, str, str]]] = {
    "as its series made it": ((), ("Weekly", "2026-04-14T08:00:00Z", "cancelled")),
    "seen before under its own id": ((occurrence(SECOND, 1),), ("Weekly", "2026-04-14T08:00:00Z", "cancelled")),
    "changed before under its own id": ((occurrence(SECOND, 1, **MOVED),), ("Weekly, moved", "2026-04-15T09:00:00Z", "cancelled")),
    "changed again after it": ((occurrence(SECOND, 4, **MOVED),), ("Weekly, moved", "2026-04-15T09:00:00Z", "confirmed")),
}


@pytest.mark.parametrize(("seen", "expected"), NAMELESS.values(), ids=list(NAMELESS))
def test_an_occurrence_that_is_missed_from_its_series_is_removed_under_whatever_id_it_has(
    seen: tuple[Event, ...], expected: tuple[str, str, str]
) -> None:
    engine = same_in_any_order(series(), *seen, occurrence_deleted(SECOND, 3, id="s1:2026-04-14"))
    assert [entry for entry in engine.shown() if entry[1][:10] in ("2026-04-14", "2026-04-15")] == [expected]
