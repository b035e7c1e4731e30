"""Rule private: a private or confidential meeting is not logged and none of its content is stored; hidden details are unknown.

What is looked through here is everything that the memory twins hold, byte for byte.
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
    hour,
    meeting,
    occurrence,
    occurrence_deleted,
    person,
    row,
    row_deleted,
    series,
)

BENS = connected("502")
UID = {"icalUid": "g1@google.example"}
SECRET: Event = {
    "title": "Divorce lawyer",
    "description": "Bring the papers",
    "location": "Rue Discrete 7",
    "conferenceUrl": "https://meet.example/hush",
    "start": "2026-07-03T07:07:00",
    "guests": (BO, person("lawyer@chambers.example", name="Maitre Corbeau")),
}
TRACES = ("Divorce", "papers", "Discrete", "hush", "07:07:00", "lawyer", "Corbeau")
KICK_OFF = ("Kick-off", "2026-04-07T08:00:00Z", "confirmed")


def held(*parts: object) -> str:
    """Everything that parts of the engine hold, as text."""
    return "\n".join(repr(vars(part)) for part in parts)


def traces(*parts: object) -> list[str]:
    """What these parts hold of the secret's content."""
    everything = held(*parts)
    return [trace for trace in TRACES if trace in everything]


def everywhere(engine: Engine) -> tuple[object, ...]:
    """All that the engine stores in."""
    return engine.source, engine.store, engine.domain_log, engine.views, engine.dead


def private(revision: float = 0, privacy: str = "private", **fields: Any) -> Event:
    """Ana's meeting, private, with content that nobody may keep."""
    return meeting("g1", revision, **{**SECRET, "privacy": privacy, **fields})


def of_kind(event: Event, kind: str) -> Event:
    """The same as another kind of entry."""
    return {**event, "data": {**event["data"], "kind": kind}}


def bens(revision: float = 1, **fields: Any) -> Event:
    """Ben's copy of it, to which Ana invited him."""
    return meeting("b1", revision, **{"user": "502", "guests": (BO, BEN), "provenance": UID, **fields})


# --- private from the beginning ---------------------------------------------------------------------------------------

PRIVACIES = ["private", "secret"]
VERBS = ["meeting.created", "meeting.updated"]


def test_the_traces_are_found_where_the_meeting_is_public() -> None:
    engine = staged(private(privacy="public"))
    assert traces(engine.views) == [t for t in TRACES if t != "papers"], "or the tests below would look for nothing"


@pytest.mark.parametrize("privacy", PRIVACIES)
@pytest.mark.parametrize("verb", VERBS)
def test_a_private_meeting_is_not_logged_and_its_content_is_nowhere(privacy: str, verb: str) -> None:
    engine = staged(told := private(privacy=privacy, kind=verb))
    assert engine.shown() == []
    assert engine.decided(told) == [("private", "ignored")]
    assert traces(*everywhere(engine)) == []


@pytest.mark.parametrize("side", ["calendar", "crm"])
def test_what_is_private_is_readable_in_the_log_again(side: str) -> None:
    told = private() if side == "calendar" else row("900", 1, privacy="private", **SECRET)
    assert staged(told).dead.list(None, "", 9) == []


def test_a_private_meeting_told_again_and_again_leaves_nothing() -> None:
    engine = same_in_any_order(private(), private(1, start="2026-07-04T07:07:00"), private(2, status="cancelled"))
    assert (engine.shown(), traces(*everywhere(engine))) == ([], [])


def test_a_private_meeting_deleted_leaves_nothing_either() -> None:
    engine = same_in_any_order(private(), deleted(revision=1))
    assert (engine.shown(), traces(*everywhere(engine))) == ([], [])


def test_a_private_series_is_kept_out_with_all_its_occurrences() -> None:
    told = series(privacy="private", **{**SECRET, "start": "2026-04-07T10:00:00"})
    one = occurrence("2026-04-14T08:00:00Z", privacy="private", **{**SECRET, "start": "2026-04-14T11:00:00"})
    engine = same_in_any_order(told, one)
    assert (engine.shown(), traces(*everywhere(engine))) == ([], [])


def test_a_public_exception_of_a_private_series_is_kept_out_too() -> None:
    engine = same_in_any_order(series(privacy="private"), occurrence("2026-04-14T08:00:00Z", title="Public"))
    assert engine.shown() == []


# --- private in one mailbox -------------------------------------------------------------------------------------------

IN_ONE: dict[str, tuple[Event, ...]] = {
    "in the organiser's": (private(1), bens(2, title="Divorce lawyer")),
    "in a guest's": (meeting("g1", 1, **SECRET), bens(2, privacy="private")),
    "in a guest's, before the organiser's changed": (meeting("g1", 1), bens(2, privacy="private"), meeting("g1", 3, **SECRET)),
    "in a guest's, who removed it": (meeting("g1", 1, **SECRET), bens(2, privacy="private"), deleted("b1", 3, user="502")),
    "in the organiser's, who removed it": (private(1), bens(2, title="Divorce lawyer"), deleted("g1", 3)),
}


@pytest.mark.parametrize("told", IN_ONE.values(), ids=list(IN_ONE))
def test_private_in_one_mailbox_is_private(told: tuple[Event, ...]) -> None:
    engine = same_in_any_order(*told, before=[BENS], ask=lambda e: (e.essence(), traces(e.views)))
    assert (engine.shown(), traces(engine.views)) == ([], [])


def test_another_mailboxs_word_about_a_private_meeting_is_decided_by_this_rule() -> None:
    engine = staged(BENS, private(1), told := bens(2))
    assert engine.decided(told) == [("private", "ignored")]


def test_a_row_of_a_private_meeting_is_kept_out() -> None:
    told = row("900", 2, uid="g1@google.example", origin="native-sync", title="Divorce lawyer")
    engine = same_in_any_order(private(1), told, ask=lambda e: (e.essence(), traces(e.views)))
    assert (engine.shown(), traces(engine.views)) == ([], [])


# --- turned private later ---------------------------------------------------------------------------------------------

LATER: dict[str, tuple[Event, ...]] = {
    "at once": (private(privacy="public"), private(1)),
    "after several versions": (private(privacy="public"), private(1, privacy="public", title="Divorce!"), private(2)),
    "and was then deleted": (private(privacy="public"), private(1), deleted(revision=2)),
    "and was then cancelled": (private(privacy="public"), private(1), private(2, status="cancelled")),
    "after it was deleted": (private(privacy="public"), deleted(revision=1), private(2)),
    "after it was no meeting for a while": (private(privacy="public"), of_kind(meeting(revision=1), "focus"), private(2)),
    "as a series": (series("g1", **{**SECRET, "start": "2026-04-07T07:07:00"}), series("g1", 1, privacy="private")),
}


@pytest.mark.parametrize("told", LATER.values(), ids=list(LATER))
def test_turned_private_it_leaves_the_timeline_and_every_former_version_the_read_models(told: tuple[Event, ...]) -> None:
    engine = same_in_any_order(*told, ask=lambda e: (e.essence(), traces(e.views)))
    assert (engine.shown(), traces(engine.views)) == ([], [])


def test_the_decision_says_so_and_the_event_purges() -> None:
    engine = staged(meeting(), told := private(1))
    assert engine.decided(told) == [("private", "ignored")]
    assert engine.names()[-1] == "meeting.withdrawn.v1"


def test_turned_private_after_it_had_left_the_timeline_its_versions_go_too() -> None:
    native = row("900", 0.5, uid="g1@google.example", origin="native-sync", **SECRET)
    engine = staged(private(privacy="public"), native, row_deleted("900", 1), private(2))
    assert (engine.shown(), traces(engine.views)) == ([], [])


def test_versions_from_before_two_meetings_were_found_to_be_one_go_too() -> None:
    before = bens(0.5, provenance={"icalUid": None}, created=hour(0.2), **{**SECRET, "guests": (BO, BEN)})
    engine = staged(BENS, meeting(), before, bens(1, created=hour(0.2)), private(2))
    assert (engine.shown(), traces(engine.views)) == ([], [])


def test_versions_of_a_copy_that_is_found_to_be_of_a_private_meeting_go_too() -> None:
    before = bens(0.5, provenance={"icalUid": None}, created=hour(0.2), **{**SECRET, "guests": (BO, BEN)})
    engine = staged(BENS, private(0), before, bens(1, created=hour(0.2)))
    assert (engine.shown(), traces(engine.views)) == ([], [])


def test_a_losing_value_in_an_earlier_decision_goes_too() -> None:
    uid = "g1@google.example"
    both = [row("900", 0, uid=uid), meeting(), row("900", 1, uid=uid, title="Divorce lawyer"), told := meeting(revision=2, title="Winner")]
    engine = staged(*both)
    assert {"lost": {"title": "Divorce lawyer"}} in engine.notes(told), "or this test would look for nothing"
    engine.tell(meeting(revision=3, privacy="private"))
    assert (engine.shown(), traces(engine.views)) == ([], [])


def test_public_again_it_is_back_with_what_it_says_now() -> None:
    engine = same_in_any_order(private(privacy="public"), private(1), meeting(revision=2))
    assert engine.shown() == [KICK_OFF]
    assert traces(engine.views) == []


# --- single occurrences -----------------------------------------------------------------------------------------------

OTHERS = ["2026-04-07", "2026-04-21", "2026-04-28"]
SECOND = "2026-04-14T08:00:00Z"
IN_SERIES = {**SECRET, "start": "2026-04-14T07:07:00"}

OCCURRENCES: dict[str, tuple[Event, ...]] = {
    "from the beginning": (occurrence(SECOND, privacy="private", **IN_SERIES),),
    "after it was an exception": (occurrence(SECOND, 1, **IN_SERIES), occurrence(SECOND, 2, privacy="private", **IN_SERIES)),
    "and was then deleted": (
        occurrence(SECOND, 1, **IN_SERIES),
        occurrence(SECOND, 2, privacy="private", **IN_SERIES),
        occurrence_deleted(SECOND, 3),
    ),
}


@pytest.mark.parametrize("told", OCCURRENCES.values(), ids=list(OCCURRENCES))
def test_a_private_occurrence_leaves_the_others_where_they_are(told: tuple[Event, ...]) -> None:
    engine = same_in_any_order(series(), *told, ask=lambda e: (e.essence(), traces(e.views)))
    assert [e["start"][:10] for e in engine.timeline()] == OTHERS
    assert traces(engine.views) == []


@pytest.mark.parametrize("before", [pytest.param([], id="series unknown"), pytest.param([series()], id="series known")])
def test_a_private_occurrence_is_decided_by_this_rule(before: list[Event]) -> None:
    engine = staged(*before, told := occurrence(SECOND, privacy="private", **IN_SERIES))
    assert engine.decided(told)[0] == ("private", "ignored")
    assert traces(*everywhere(engine)) == []


# --- hidden details ---------------------------------------------------------------------------------------------------

NOTHING: Event = {"title": None, "location": None, "conferenceUrl": None, "description": None, "participants": {}}


def hidden(event: Event, **fields: Any) -> Event:
    """The same as somebody with access to free and busy only is told it."""
    data = event["data"]
    return {**event, "data": {**data, **NOTHING, **fields, "provenance": {**data["provenance"], "detailsHidden": True}}}


def test_hidden_details_do_not_overwrite_what_is_known() -> None:
    engine = same_in_any_order(meeting(), hidden(meeting(revision=1)))
    [entry] = engine.timeline()
    assert (entry["title"], entry["location"], entry["organizer"]["email"]) == ("Kick-off", "Room 4", ANA)


def test_the_time_under_hidden_details_is_known() -> None:
    engine = same_in_any_order(meeting(), hidden(meeting(revision=1, start="2026-04-08T10:00:00")))
    assert engine.shown() == [("Kick-off", "2026-04-08T08:00:00Z", "confirmed")]


def test_details_that_were_never_seen_put_it_in_no_timeline() -> None:
    engine = same_in_any_order(hidden(meeting()), hidden(meeting(revision=1)))
    assert (engine.essence(), engine.decided("google:501:g1:0")) == ({"151": [], "152": [], "153": []}, [("no-contact", "ignored")])


def test_details_seen_later_put_it_there() -> None:
    assert same_in_any_order(hidden(meeting()), meeting(revision=1)).shown() == [KICK_OFF]


HIDDEN_ELSEWHERE: dict[str, str] = {"the organiser's mailbox is connected": ANA, "the organiser is somebody outside": CY}


@pytest.mark.parametrize("owner", HIDDEN_ELSEWHERE.values(), ids=list(HIDDEN_ELSEWHERE))
def test_details_hidden_in_another_mailbox_do_not_speak_over_those_that_are_seen(owner: str) -> None:
    engine = same_in_any_order(meeting(owner=owner, guests=(BO, BEN)), hidden(bens(1)), hidden(bens(2)), before=[BENS])
    assert engine.shown() == [KICK_OFF]


def test_a_guest_whose_details_are_hidden_may_still_remove_his_copy() -> None:
    engine = same_in_any_order(meeting(owner=CY, guests=(BO, BEN)), hidden(bens(1)), deleted("b1", 2, user="502"), before=[BENS])
    assert engine.shown() == [KICK_OFF]


def test_an_occurrence_with_hidden_details_takes_them_from_its_series() -> None:
    engine = same_in_any_order(series(), hidden(occurrence(SECOND, start="2026-04-15T10:00:00")))
    assert engine.shown() == [("Weekly", f"2026-04-{day}T08:00:00Z", "confirmed") for day in ("07", "15", "21", "28")]
