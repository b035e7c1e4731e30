"""Rule same-meeting: one meeting seen through several mailboxes, rows and our own link is one meeting, in any order.

Split series are in `test_series.py`; private and hidden copies in `test_private.py`.
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
    hour,
    meeting,
    occurrence,
    person,
    row,
    row_deleted,
    series,
    stage,
    user,
)

BENS = connected("502")
UID = {"icalUid": "g1@google.example"}
CARLS = (user("503", "carl@acme.example"), connected("503"))


def bens(revision: float = 1, *, answer: str = "needs-action", owner: str = ANA, provenance: Event | None = None, **fields: Any) -> Event:
    """Ben's copy of the meeting `g1`, to which he is invited."""
    guests = (BO, person(BEN, status=answer))
    return meeting("b1", revision, **{"user": "502", "owner": owner, "guests": guests, "provenance": UID | (provenance or {}), **fields})


def answer_of(engine: Engine, email: str, contact: str = "151") -> list[str]:
    """The answers of a guest, an entry each."""
    return [p["participationStatus"] for e in engine.timeline(contact) for p in e["participants"] if p["email"] == email]


# --- several mailboxes ------------------------------------------------------------------------------------------------


def test_two_mailboxes_that_tell_one_uid_make_one_entry() -> None:
    engine = same_in_any_order(meeting(guests=(BO, BEN)), told := bens(), before=[BENS])
    assert engine.shown() == [("Kick-off", "2026-04-07T08:00:00Z", "confirmed")]
    assert engine.decided(told)[0] == ("same-meeting", "merged")


ORGANISERS: dict[str, Event] = {
    "title": {"title": "Ben's word"},
    "time": {"start": "2026-04-09T10:00:00"},
    "place": {"location": "Ben's room"},
    "guests": {"guests": (CY, BEN)},
    "cancelled": {"status": "cancelled"},
}


@pytest.mark.parametrize("word", ORGANISERS.values(), ids=list(ORGANISERS))
def test_the_organisers_copy_speaks_however_new_another_is(word: Event) -> None:
    engine = same_in_any_order(meeting(guests=(BO, BEN)), bens(1), bens(2, **word), before=[BENS])
    [entry] = engine.timeline()
    said = (entry["title"], entry["start"], entry["location"], entry["status"])
    assert said == ("Kick-off", "2026-04-07T08:00:00Z", "Room 4", "confirmed")
    assert engine.titles("152") == []


def test_of_a_guests_copy_his_own_answer_is_taken_and_nobody_elses() -> None:
    told = bens(2, guests=(person(BO, status="declined"), person(BEN, status="accepted")))
    engine = same_in_any_order(meeting(guests=(BO, BEN)), bens(1), told, before=[BENS])
    assert (answer_of(engine, BEN), answer_of(engine, BO)) == (["accepted"], ["needs-action"])


def test_without_the_organisers_mailbox_the_newest_revision_of_any_copy_speaks() -> None:
    told = [meeting(owner=CY, guests=(BO, ANA, BEN), revision=n, title=f"Ana's {n}") for n in (0, 3)]
    bens_copies = [bens(n, owner=CY, guests=(BO, ANA, BEN), title=f"Ben's {n}") for n in (1, 2)]
    assert same_in_any_order(*told, *bens_copies, before=[BENS]).titles() == ["Ana's 3"]
    assert same_in_any_order(*told[:1], *bens_copies, before=[BENS]).titles() == ["Ben's 2"]


def test_without_the_organisers_mailbox_each_guest_answers_from_his_own() -> None:
    anas = meeting(owner=CY, guests=(BO, person(ANA, status="accepted"), BEN))
    bens_copy = bens(2, owner=CY, guests=(BO, ANA, person(BEN, status="tentative")))
    engine = same_in_any_order(anas, bens_copy, before=[BENS])
    assert (answer_of(engine, ANA), answer_of(engine, BEN)) == (["accepted"], ["tentative"])


def test_a_deletion_that_carries_only_the_id_of_a_sighting_is_understood() -> None:
    gone = deleted("b1", 3, user="502")
    engine = same_in_any_order(meeting(guests=(BO, BEN)), bens(1), gone, before=[BENS])
    assert (engine.shown(), answer_of(engine, BEN)) == ([("Kick-off", "2026-04-07T08:00:00Z", "confirmed")], ["declined"])


def test_the_same_id_in_another_mailbox_is_another_copy() -> None:
    own = {"icalUid": None}
    engine = same_in_any_order(
        meeting("x1", title="Ana's", provenance=own),
        meeting("x1", user="502", owner=BEN, title="Ben's", provenance=own),
        deleted("x1", 1, user="502"),
        before=[BENS],
    )
    assert sorted(engine.shown()) == [("Ana's", "2026-04-07T08:00:00Z", "confirmed"), ("Ben's", "2026-04-07T08:00:00Z", "cancelled")]


def test_three_mailboxes_of_two_providers_are_one_meeting_in_any_order() -> None:
    annas = meeting("a1", 0, provider="office365", provenance=UID, guests=(BO, BEN, "carl@acme.example"))
    carls = meeting("c1", 1, user="503", provenance=UID, guests=(BO, BEN, person("carl@acme.example", status="accepted")))
    switched = [ended("501", revision=-22), connected("501", "office365", -21)]
    engine = same_in_any_order(annas, bens(1, answer="accepted"), carls, before=[*switched, BENS, *CARLS])
    [entry] = engine.timeline()
    assert entry["links"]["office365"] == "a1"
    assert (answer_of(engine, BEN), answer_of(engine, "carl@acme.example")) == (["accepted"], ["accepted"])


# --- what makes two meetings one, and what does not -------------------------------------------------------------------


def test_two_meetings_alike_in_all_but_their_uids_stay_two() -> None:
    engine = same_in_any_order(meeting(), meeting("b1", user="502"), before=[BENS])
    assert engine.titles() == ["Kick-off", "Kick-off"]


def test_two_meetings_alike_in_everything_without_uids_stay_two() -> None:
    without: Event = {"icalUid": None}
    engine = same_in_any_order(meeting(provenance=without), meeting("b1", user="502", provenance=without), before=[BENS])
    assert engine.titles() == ["Kick-off", "Kick-off"]


def test_a_uid_learned_later_makes_two_meetings_one() -> None:
    before = bens(0.5, provenance={"icalUid": None})
    engine = same_in_any_order(meeting(guests=(BO, BEN)), before, told := bens(1), before=[BENS])
    assert engine.titles() == ["Kick-off"]
    assert engine.decided(told)[0] == ("same-meeting", "merged")
    assert engine.names().count("meeting.absorbed.v1") == 1


def test_one_uid_in_two_accounts_is_two_meetings() -> None:
    engine = Engine().tell(*stage(), *stage("70001"), meeting(), meeting(account="70001", title="Theirs"))
    assert (engine.titles(), [e["title"] for e in engine.timeline(account="70001")]) == (["Kick-off"], ["Theirs"])


def test_a_merge_that_a_stale_word_brings_about_is_one_too() -> None:
    early = bens(0.5)
    engine = same_in_any_order(meeting(guests=(BO, BEN)), bens(1, provenance={"icalUid": None}), early, before=[BENS])
    assert engine.titles() == ["Kick-off"]


def test_our_own_link_leads_to_the_meeting_we_wrote() -> None:
    scheduled = row("900", 0)
    [entry] = staged(scheduled).timeline()
    ours = meeting("g7", 1, provenance={"origin": "rendezvous", "link": entry["meeting"]})
    engine = same_in_any_order(ours, meeting("g7", 2, title="Renamed", provenance={"origin": "rendezvous"}), before=[scheduled])
    [entry] = engine.timeline()
    assert (entry["title"], entry["origin"]) == ("Renamed", "crm")
    assert entry["links"] == {"hubspot": "900", "google": "g7"}


@pytest.mark.parametrize("link", ["0b0e6a5c-8d7f-4e21-a1b2-c3d4e5f60718", "not one of ours", ""])
def test_a_link_that_leads_nowhere_leads_to_a_meeting_of_its_own(link: str) -> None:
    engine = same_in_any_order(meeting(), meeting("g2", title="Other", provenance={"link": link}))
    assert sorted(engine.titles()) == ["Kick-off", "Other"]


# --- rows of HubSpot's own sync ---------------------------------------------------------------------------------------


def native(id: str, revision: float = 1, uid: str = "g1@google.example", **fields: Any) -> Event:
    """A row that HubSpot's own calendar sync made."""
    return row(id, revision, uid=uid, origin="native-sync", **fields)


def test_a_row_of_hubspots_own_sync_and_its_calendar_event_are_one() -> None:
    engine = same_in_any_order(meeting(), native("900"))
    [entry] = engine.timeline()
    assert (entry["title"], entry["origin"], entry["links"]) == ("Kick-off", "calendar", {"hubspot": "900", "google": "g1"})


def test_rows_and_mailboxes_together_are_one() -> None:
    engine = same_in_any_order(meeting(guests=(BO, BEN)), bens(1, answer="accepted"), native("900"), native("900", 2), before=[BENS])
    assert (engine.titles(), answer_of(engine, BEN)) == (["Kick-off"], ["accepted"])


def test_one_row_of_a_series_is_the_whole() -> None:
    told = native("900", uid="s1@google.example", title="Weekly", associations={"deals": ["7"]})
    engine = same_in_any_order(series(), told)
    assert [e["start"][:10] for e in engine.timeline()] == ["2026-04-07", "2026-04-14", "2026-04-21", "2026-04-28"]
    assert {e["links"]["hubspot"] for e in engine.timeline()} == {"900"}


def test_a_row_with_an_original_start_is_that_occurrence() -> None:
    told = native("900", uid="s1@google.example", title="Weekly", start="2026-04-14T10:00:00", contacts=("151", "152"),
                  provenance={"originalStart": "2026-04-14T08:00:00Z"})  # fmt: skip
    engine = same_in_any_order(series(), told)
    assert len(engine.timeline()) == 4
    assert [e["start"] for e in engine.timeline("152")] == ["2026-04-14T08:00:00Z"]


def of_series(id: str, day: str, contacts: tuple[str, ...] = ("151",), **fields: Any) -> Event:
    """A row of the series' UID that starts on this day."""
    return native(id, uid="s1@google.example", **{"title": "Weekly", "start": f"{day}T10:00:00", "contacts": contacts, **fields})


def test_of_several_rows_of_a_uid_each_is_the_occurrence_with_its_start() -> None:
    rows = [of_series("901", "2026-04-07"), of_series("902", "2026-04-14", ("151", "152")), of_series("903", "2026-04-21")]
    engine = same_in_any_order(series(), *rows)
    assert [e["start"][:10] for e in engine.timeline()] == ["2026-04-07", "2026-04-14", "2026-04-21", "2026-04-28"]
    assert [e["start"][:10] for e in engine.timeline("152")] == ["2026-04-14"]


def test_several_rows_without_their_series_are_its_occurrences_all_the_same() -> None:
    engine = same_in_any_order(of_series("901", "2026-04-07"), of_series("902", "2026-04-14"))
    assert [e["start"] for e in engine.timeline()] == ["2026-04-07T08:00:00Z", "2026-04-14T08:00:00Z"]


def test_one_of_several_rows_deleted_takes_its_occurrence_out_and_no_other() -> None:
    rows = [of_series("901", "2026-04-07"), of_series("902", "2026-04-14")]
    engine = same_in_any_order(series(), *rows, row_deleted("902", 3))
    assert [e["start"][:10] for e in engine.timeline()] == ["2026-04-07", "2026-04-21", "2026-04-28"]


def test_a_row_moved_in_the_crm_still_is_the_occurrence_it_was() -> None:
    moved = of_series("902", "2026-04-15", revision=2)
    engine = same_in_any_order(series(), of_series("901", "2026-04-07"), of_series("902", "2026-04-14"), moved)
    assert [e["occurrence"][:10] for e in engine.timeline()] == ["2026-04-07", "2026-04-14", "2026-04-21", "2026-04-28"]


ALL_DAY: Event = {"duration": "P1D", "showWithoutTime": True}


@pytest.mark.parametrize("zone", [None, "Europe/Paris", "America/New_York"])
def test_rows_of_an_all_day_series_are_its_days_whatever_zone_they_name(zone: str | None) -> None:
    rows = [of_series(id, "", start=f"2026-04-{day}T00:00:00", timeZone=zone, **ALL_DAY) for id, day in (("901", "07"), ("902", "14"))]
    engine = same_in_any_order(series(start="2026-04-07T00:00:00", timeZone=zone, **ALL_DAY), *rows)
    assert [e["start"] for e in engine.timeline()] == ["2026-04-07", "2026-04-14", "2026-04-21", "2026-04-28"]


def test_several_rows_of_a_single_meeting_are_the_meeting() -> None:
    rows = [native("901", contacts=("151",)), native("902", contacts=("152",), user="502")]
    engine = same_in_any_order(meeting(), *rows, before=[BENS])
    assert (engine.titles("151"), engine.titles("152")) == (["Kick-off"], ["Kick-off"])


def test_what_several_rows_are_associated_with_does_not_depend_on_their_order() -> None:
    rows = [native(id, associations={"companies": [company], "deals": [company]}) for id, company in (("901", "7"), ("902", "3"))]
    [entry] = same_in_any_order(meeting(), *rows).timeline()
    assert {name: sorted(ids) for name, ids in entry["associations"].items()} == {
        "companies": ["3", "7"],
        "deals": ["3", "7"],
        "tickets": [],
    }


# --- occurrences seen through another mailbox -------------------------------------------------------------------------


def invited_to_one(revision: float = 2, **fields: Any) -> Event:
    """Ben was invited to the second occurrence only: his mailbox tells it with the series' UID."""
    told = {"icalUid": "s1@google.example", "originalStart": "2026-04-14T08:00:00Z", "seriesId": "b-series"}
    guests = (BO, person(BEN, status="accepted"))
    start = {"title": "Weekly", "start": "2026-04-14T10:00:00"}
    return meeting("b1", revision, **{"user": "502", "guests": guests, "provenance": told, **start, **fields})


def test_a_guest_of_one_occurrence_tells_of_that_one() -> None:
    own = occurrence("2026-04-14T08:00:00Z", guests=(BO, BEN))
    engine = same_in_any_order(series(), own, invited_to_one(), before=[BENS])
    assert [e["start"][:10] for e in engine.timeline()] == ["2026-04-07", "2026-04-14", "2026-04-21", "2026-04-28"]
    assert answer_of(engine, BEN) == ["accepted"]


def test_a_guests_answer_to_one_occurrence_counts_also_where_the_organiser_tells_nothing_of_it() -> None:
    engine = same_in_any_order(series(guests=(BO, BEN)), invited_to_one(), before=[BENS])
    assert answer_of(engine, BEN) == ["needs-action", "accepted", "needs-action", "needs-action"]


def test_the_organisers_occurrence_speaks_over_a_guests() -> None:
    own = occurrence("2026-04-14T08:00:00Z", title="Weekly, with Ben", guests=(BO, BEN))
    engine = same_in_any_order(series(), own, invited_to_one(title="Ben's word"), before=[BENS])
    assert engine.titles() == ["Weekly", "Weekly, with Ben", "Weekly", "Weekly"]


def test_an_occurrence_whose_series_is_not_known_is_a_meeting_of_its_own() -> None:
    engine = staged(BENS, invited_to_one())
    assert engine.shown() == [("Weekly", "2026-04-14T08:00:00Z", "confirmed")]
    [entry] = engine.timeline()
    assert engine.tell(series()).timeline()[1]["occurrence"] == entry["occurrence"] == "2026-04-14T08:00:00Z"


# --- mailboxes connected later ----------------------------------------------------------------------------------------


def test_a_mailbox_connected_later_tells_nothing_of_what_was_created_before() -> None:
    created = hour(1)
    late = connected("502", revision=2)
    engine = same_in_any_order(meeting(guests=(BO, BEN), created=created), bens(3, created=created, answer="accepted"), before=[late])
    assert (engine.titles(), answer_of(engine, BEN)) == (["Kick-off"], ["needs-action"])
