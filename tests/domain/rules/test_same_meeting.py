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
    contact,
    contact_said,
    deleted,
    ended,
    hour,
    meeting,
    occurrence,
    occurrence_deleted,
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


def test_of_two_guests_words_of_one_instant_the_same_one_speaks_in_any_order() -> None:
    """Google gives all copies of a meeting the time at which it was changed."""
    told = bens(60, title="Ben's"), meeting("c1", 60, user="503", provenance=UID, guests=(BO, BEN), title="Carl's")
    engine = same_in_any_order(meeting(guests=(BO, BEN)), *told, before=[BENS, *CARLS, ended("501", revision=50)])
    assert engine.titles() == ["Ben's"]


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


BOTH = (meeting(guests=(BO, BEN)), bens())


def ours(first: Event) -> Event:
    """The row that we write in the CRM about a meeting of which this copy was seen first. It carries our link and no UID."""
    [entry] = staged(BENS, first).timeline()
    return row("900", 2, origin="rendezvous", provenance={"link": entry["meeting"]})


@pytest.mark.parametrize("first", BOTH, ids=["the organiser's", "a guest's"])
def test_our_row_leads_to_the_meeting_whichever_of_its_copies_came_first(first: Event) -> None:
    engine = same_in_any_order(*BOTH, ours(first), before=[BENS])
    [entry] = engine.timeline()
    assert entry["links"] == {"hubspot": "900", "google": "g1"}


@pytest.mark.parametrize("first", BOTH, ids=["the organiser's", "a guest's"])
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0)], ids=str)
def test_what_our_links_may_name_is_known_after_a_restart(first: Event, order: tuple[int, ...]) -> None:
    told = [*BOTH, ours(first)]
    engine = staged(BENS)
    for place in order:
        engine.tell(told[place]).start()
    assert [e["links"] for e in engine.timeline()] == [{"hubspot": "900", "google": "g1"}]


def test_two_rows_with_one_link_of_ours_are_one_meeting_before_and_after_it_is_known() -> None:
    again = row("901", 3, origin="rendezvous", provenance=(link := ours(BOTH[0]))["data"]["provenance"] | {"id": "901"})
    assert len(same_in_any_order(link, again).timeline()) == 1
    assert len(same_in_any_order(*BOTH, link, again, before=[BENS]).timeline()) == 1


def test_a_link_of_ours_leads_nowhere_in_another_account() -> None:
    theirs = ours(BOTH[0])
    told = {**theirs, "account": "70001", "partitionkey": "70001", "source": theirs["source"].replace("62515", "70001")}
    engine = Engine().tell(*stage(), *stage("70001")).tell_one_by_one(told, meeting(), meeting(account="70001", title="Theirs"))
    assert [e["links"] for e in engine.timeline()] == [{"google": "g1", "hubspot": None}]
    assert sorted(e["title"] for e in engine.timeline(account="70001")) == ["Kick-off", "Theirs"]


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


BESIDE: dict[str, Event] = {
    "of HubSpot's own sync": {"origin": "native-sync"},
    "made by a hand": {"origin": "user"},
    "written by us": {"origin": "rendezvous"},
}


@pytest.mark.parametrize("other", BESIDE.values(), ids=BESIDE)
@pytest.mark.parametrize("mailboxes", [1, 2])
def test_a_booking_is_one_with_its_echo_whatever_other_row_that_has(other: Event, mailboxes: int) -> None:
    booking = row("900", origin="booking", created=hour(0))
    copies = [meeting(guests=(BO, BEN)), bens()][:mailboxes]
    engine = same_in_any_order(booking, row("901", 1, uid="g1@google.example", **other), *copies, before=[BENS])
    [entry] = engine.timeline()
    assert (entry["origin"], entry["links"]["google"]) == ("booking", "g1")


def test_a_booking_does_not_join_a_meeting_that_another_booking_is_of() -> None:
    """A booking that names no UID comes to a calendar event that is, by its UID, the echo of another."""
    engine = same_in_any_order(
        meeting(revision=1, title="Renamed"),
        row("901", origin="booking", created=hour(0)),
        before=[meeting(), row("900", origin="booking", uid="g1@google.example")],
    )
    assert sorted((e["title"], e["links"]["hubspot"]) for e in engine.timeline()) == [("Kick-off", "901"), ("Renamed", "900")]


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


OLDER = {
    "an older revision of the series": [series(revision=1, title="Weekly?")],
    "an older revision of a row": [of_series("902", "2026-04-14", ("151", "152"), revision=1, location="Room 1")],
    "an older revision of a guest's copy": [
        connected("502"),
        series("b1", 4, user="502", owner=ANA, guests=(BO, BEN), provenance={"icalUid": "s1@google.example"}),
        series("b1", 1, user="502", owner=ANA, guests=(BO, BEN), provenance={"icalUid": "s1@google.example"}),
    ],
    "the erasure of another guest": [contact("153", "eve@client.example", 3), contact_said("153", "contact.erased", 5)],
}


@pytest.mark.parametrize("older", OLDER.values(), ids=OLDER)
def test_what_one_of_several_rows_is_associated_with_is_not_given_to_the_whole_later(older: list[Event]) -> None:
    rows = [of_series("901", "2026-04-07", revision=2), of_series("902", "2026-04-14", ("151", "152"), revision=2)]
    engine = staged(series(revision=2, guests=(BO, "eve@client.example")), *rows)
    assert [e["start"][:10] for e in engine.timeline("152")] == ["2026-04-14"]
    engine.tell_one_by_one(*older)
    assert [e["start"][:10] for e in engine.timeline("152")] == ["2026-04-14"]
    assert len(engine.timeline()) == 4


BEGAN: Event = {"start": "2026-03-03T10:00:00", "rule": "FREQ=WEEKLY;COUNT=5"}

ASSOCIATED: dict[str, tuple[tuple[Event, ...], list[str]]] = {
    "the series changed shape": (
        (series(**BEGAN), series(revision=24 * 15, **BEGAN | {"start": "2026-03-03T12:00:00"}), of_series("901", "2026-03-17", ("152",))),
        ["03-17", "03-24", "03-31"],
    ),
    "a series became a single meeting": (
        (series(**BEGAN), series(revision=24 * 15, rule=None, start="2026-03-24T10:00:00"), of_series("901", "2026-03-24", ("152",))),
        ["03-24"],
    ),
    "a row of the whole is one of an occurrence, as an older word of it says": (
        (
            series(),
            of_series("901", "2026-04-14", ("152",), revision=2),
            of_series("901", "2026-04-14", ("152",), provenance={"originalStart": "2026-04-14T08:00:00Z"}),
        ),
        ["04-14"],
    ),
}


@pytest.mark.parametrize(("told", "expected"), ASSOCIATED.values(), ids=ASSOCIATED)
def test_whom_a_row_is_associated_with_has_what_the_row_is_in_any_order(told: tuple[Event, ...], expected: list[str]) -> None:
    engine = same_in_any_order(*told)
    assert [e["start"][5:10] for e in engine.timeline("152")] == expected
    assert len(engine.timeline()) > len(expected)


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


SECOND = "2026-04-14T08:00:00Z"
TO_FIFTEENTH = occurrence(SECOND, 1, start="2026-04-15T11:00:00", title="Moved")
LATER_IN_THE_DAY = series(revision=1, start="2026-04-07T12:00:00")
LATER_ROWS = tuple(of_series(id, day, revision=2, start=f"2026-04-{day}T12:00:00") for id, day in (("901", "07"), ("902", "14")))

ROWS_OF_A_SERIES: dict[str, tuple[tuple[Event, ...], list[str]]] = {
    "an occurrence moved, its row told after that": (
        (series(), TO_FIFTEENTH, of_series("901", "2026-04-07"), of_series("902", "2026-04-15", start="2026-04-15T11:00:00")),
        ["07 08:00", "15 09:00", "21 08:00", "28 08:00"],
    ),
    "an occurrence moved again, its row not yet": (
        (
            series(),
            TO_FIFTEENTH,
            occurrence(SECOND, 2, start="2026-04-16T11:00:00"),
            of_series("901", "2026-04-07"),
            of_series("902", "2026-04-15", start="2026-04-15T11:00:00"),
        ),
        ["07 08:00", "16 09:00", "21 08:00", "28 08:00"],
    ),
    "the whole moved, its rows too": (
        (series(), of_series("901", "2026-04-07"), of_series("902", "2026-04-14"), LATER_IN_THE_DAY, *LATER_ROWS),
        ["07 10:00", "14 10:00", "21 10:00", "28 10:00"],
    ),
    "the whole moved, its rows not yet": (
        (series(), of_series("901", "2026-04-07"), of_series("902", "2026-04-14"), LATER_IN_THE_DAY),
        ["07 10:00", "14 10:00", "21 10:00", "28 10:00"],
    ),
    "the series shortened": (
        (series(), of_series("901", "2026-04-07"), of_series("904", "2026-04-28"), series(revision=1, rule="FREQ=WEEKLY;COUNT=3")),
        ["07 08:00", "14 08:00", "21 08:00"],
    ),
    "the series shortened, the occurrence cancelled before": (
        (
            series(),
            of_series("901", "2026-04-07"),
            of_series("904", "2026-04-28"),
            occurrence_deleted("2026-04-28T08:00:00Z", 0.5),
            series(revision=1, rule="FREQ=WEEKLY;COUNT=3"),
        ),
        ["07 08:00", "14 08:00", "21 08:00"],
    ),
    "a row with an original start that the series has not": (
        (series(), of_series("902", "2026-04-15", provenance={"originalStart": "2026-04-15T08:00:00Z"})),
        ["07 08:00", "14 08:00", "21 08:00", "28 08:00"],
    ),
}


@pytest.mark.parametrize(("told", "expected"), ROWS_OF_A_SERIES.values(), ids=list(ROWS_OF_A_SERIES))
def test_rows_of_hubspots_own_sync_never_double_a_series(told: tuple[Event, ...], expected: list[str]) -> None:
    engine = same_in_any_order(*told)
    assert [e["start"][8:16].replace("T", " ") for e in engine.timeline()] == expected


def test_rows_of_what_was_past_when_the_series_moved_are_that_past() -> None:
    """The series moved by two hours on 17 March, when two occurrences were past."""
    began = series(start="2026-03-03T10:00:00", rule="FREQ=WEEKLY;COUNT=3")
    moved = series(revision=24 * 15, start="2026-03-03T12:00:00", rule="FREQ=WEEKLY;COUNT=3")
    past = of_series("901", "2026-03-03", ("151", "152"))
    engine = same_in_any_order(began, past, of_series("903", "2026-03-17"), moved)
    assert [e["start"] for e in engine.timeline()] == ["2026-03-03T09:00:00Z", "2026-03-10T09:00:00Z", "2026-03-17T11:00:00Z"]
    assert [e["start"] for e in engine.timeline("152")] == ["2026-03-03T09:00:00Z"]


def test_a_row_somebody_made_by_hand_is_shown_though_its_series_has_no_such_occurrence() -> None:
    made = row("905", 1, uid="s1@google.example", title="Extra", start="2026-04-09T10:00:00")
    engine = same_in_any_order(series(), of_series("901", "2026-04-07"), made)
    assert engine.titles() == ["Weekly", "Extra", "Weekly", "Weekly", "Weekly"]


ALL_DAY: Event = {"duration": "P1D", "showWithoutTime": True}


@pytest.mark.parametrize("zone", [None, "Europe/Paris", "America/New_York"])
def test_rows_of_an_all_day_series_are_its_days_whatever_zone_they_name(zone: str | None) -> None:
    rows = [of_series(id, "", start=f"2026-04-{day}T00:00:00", timeZone=zone, **ALL_DAY) for id, day in (("901", "07"), ("902", "14"))]
    engine = same_in_any_order(series(start="2026-04-07T00:00:00", timeZone=zone, **ALL_DAY), *rows)
    assert [e["start"] for e in engine.timeline()] == ["2026-04-07", "2026-04-14", "2026-04-21", "2026-04-28"]


def test_a_row_of_an_all_day_series_may_give_its_original_start_as_a_local_midnight() -> None:
    told = of_series("902", "", ("151", "152"), start="2026-04-14T00:00:00", provenance={"originalStart": "2026-04-14T00:00:00+02:00"})
    engine = same_in_any_order(series(start="2026-04-07T00:00:00", **ALL_DAY), {**told, "data": {**told["data"], **ALL_DAY}})
    assert len(engine.timeline()) == 4
    assert [e["start"] for e in engine.timeline("152")] == ["2026-04-14"]


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


# --- what names an entry for good --------------------------------------------------------------------------------------

MOVED: Event = {"start": "2026-04-07T12:00:00"}
INVITED: Event = {"owner": "eve@out.example", "guests": (BO, ANA, BEN)}
SWITCH = (ended("501", revision=50), connected("501", "office365", 51))
THROUGH_THE_OTHER = meeting("o1", 52, provider="office365", provenance=UID, created=hour(0), **MOVED)

NAMED: dict[str, tuple[tuple[Event, ...], Event]] = {
    "the user switched his provider": ((meeting(), meeting(revision=1, **MOVED), *SWITCH), THROUGH_THE_OTHER),
    "the organiser's mailbox is seen after a guest's": (
        (BENS, bens(0), bens(1, **MOVED)),
        meeting(revision=1, guests=(BO, BEN), event_id="seen late", **MOVED),
    ),
    "another guest's copy is the newest": (
        (BENS, meeting(**INVITED), meeting(revision=1, **INVITED, **MOVED)),
        meeting("b1", 2, user="502", provenance=UID, **INVITED, **MOVED),
    ),
    "a row of HubSpot's own sync comes": ((meeting(), meeting(revision=1, **MOVED)), native("900", 2, **MOVED)),
    "a row made by hand comes": ((meeting(), meeting(revision=1, **MOVED)), row("900", 2, uid="g1@google.example", **MOVED)),
    "a booking moved before its echo came": (
        (row(uid="g1@google.example", origin="booking"), row(revision=1, uid="g1@google.example", origin="booking", **MOVED)),
        meeting(revision=2, **MOVED),
    ),
    "a row moved before its calendar event came": (
        (row(uid="g1@google.example"), row(revision=1, uid="g1@google.example", **MOVED)),
        meeting(revision=2, **MOVED),
    ),
    "it was made anew under another id": (
        (meeting(), meeting(revision=1, **MOVED), deleted("g1", 2)),
        meeting("g2", 3, provenance=UID, **MOVED),
    ),
}


@pytest.mark.parametrize(("told", "last"), NAMED.values(), ids=list(NAMED))
def test_an_entry_keeps_its_name_whoever_speaks_for_the_meeting(told: tuple[Event, ...], last: Event) -> None:
    engine = staged(*told)
    [before] = engine.timeline()
    [after] = engine.tell(last).timeline()
    assert (after["entry"], after["occurrence"]) == (before["entry"], "2026-04-07T08:00:00Z")
    assert after["start"] == "2026-04-07T10:00:00Z"


def test_whichever_copy_comes_first_an_entry_is_named_by_the_start_that_was_told_first() -> None:
    anas = (meeting(**INVITED), meeting(revision=1, **INVITED, **MOVED))
    bens_copies = [meeting("b1", n, user="502", provenance=UID, **INVITED, **MOVED) for n in (2, 3)]
    engine = same_in_any_order(*anas, *bens_copies, before=[BENS])
    assert [e["occurrence"] for e in engine.timeline()] == ["2026-04-07T08:00:00Z"]


def test_a_row_known_only_since_it_was_moved_does_not_name_the_entry() -> None:
    engine = same_in_any_order(meeting(), meeting(revision=1, **MOVED), row("900", 2, uid="g1@google.example", **MOVED))
    assert [e["occurrence"] for e in engine.timeline()] == ["2026-04-07T08:00:00Z"]


# --- a series made anew under another id ----------------------------------------------------------------------------------


@pytest.mark.parametrize("gone", [deleted("s1", 2), series(revision=2, status="cancelled")], ids=["deleted", "cancelled"])
@pytest.mark.parametrize("id", ["a1", "z1"])
def test_a_series_made_anew_under_another_id_stands_in_the_place_of_the_one_that_is_gone(id: str, gone: Event) -> None:
    anew = series(id, 3, title="New", provenance={"icalUid": "s1@google.example"})
    engine = same_in_any_order(series(), gone, anew)
    assert [(e["title"], e["status"]) for e in engine.timeline()] == [("New", "confirmed")] * 4


@pytest.mark.parametrize("id", ["a1", "z1"])
def test_a_deleted_part_of_a_split_series_is_shown_as_cancelled_whatever_its_id(id: str) -> None:
    part = series(id, 1, start="2026-04-21T10:00:00", rule="FREQ=WEEKLY;COUNT=2", provenance={"icalUid": "s1@google.example"})
    engine = same_in_any_order(series(rule="FREQ=WEEKLY;COUNT=2"), part, deleted(id, 2))
    assert [e["status"] for e in engine.timeline()] == ["confirmed", "confirmed", "cancelled", "cancelled"]


# --- mailboxes connected later ----------------------------------------------------------------------------------------


def test_a_mailbox_connected_later_tells_nothing_of_what_was_created_before() -> None:
    created = hour(1)
    late = connected("502", revision=2)
    engine = same_in_any_order(meeting(guests=(BO, BEN), created=created), bens(3, created=created, answer="accepted"), before=[late])
    assert (engine.titles(), answer_of(engine, BEN)) == (["Kick-off"], ["needs-action"])
