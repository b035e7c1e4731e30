"""Rules contact-match and no-contact: whose timeline a meeting is in, when addresses and contacts change.

What must stay true: addresses are compared as told but for case and surrounding blanks; a contact keeps what was logged for him
until the meeting itself changes; a merged contact is his survivor from then on, whatever is told late.
"""

from __future__ import annotations

from itertools import permutations

import pytest

from services.publish import Publisher
from tests.domain.rules.shuffling import same_in_any_order
from tests.engine import Engine, staged
from tests.examples import (
    ACCOUNT,
    ANA,
    BO,
    CY,
    DEE,
    Event,
    configured,
    contact,
    contact_said,
    hour,
    meeting,
    people,
    person,
    row,
    series,
    stage,
)
from tests.simulation.crashing import RepeatingLog

AT = "2026-04-07T08:00:00Z"
ENTRY = [("Kick-off", AT, "confirmed")]
BACKFILL = configured(-10, policy={"late_contact": "backfill"})

# --- comparing addresses ----------------------------------------------------------------------------------------------

GUESTS = {
    "as it is": ("bo@client.example", True),
    "in capitals": ("BO@CLIENT.EXAMPLE", True),
    "in mixed case": ("Bo@Client.Example", True),
    "with blanks around": ("  bo@client.example\t", True),
    "with a plus tag": ("bo+news@client.example", False),
    "with a dot": ("b.o@client.example", False),
    "on a subdomain": ("bo@mail.client.example", False),
    "on another domain": ("bo@client.test", False),
    "with a blank inside": ("b o@client.example", False),
    "longer": ("xbo@client.example", False),
}


@pytest.mark.parametrize(("address", "matches"), GUESTS.values(), ids=GUESTS.keys())
def test_a_guests_address_is_compared_but_for_case_and_blanks(address: str, matches: bool) -> None:
    assert staged(meeting(guests=(address,))).shown() == (ENTRY if matches else [])


@pytest.mark.parametrize("address", ["EVE+x@Late.Example", " eve+x@late.example "])
def test_a_contacts_address_is_compared_in_the_same_way(address: str) -> None:
    engine = staged(contact("154", address), meeting(guests=("eve+x@late.example", "eve@late.example")))
    assert engine.shown("154") == ENTRY


def test_dots_and_tags_are_not_folded_at_a_free_mail_provider_either() -> None:
    engine = staged(contact("154", "eve@gmail.com"), meeting(guests=("e.v.e+x@gmail.com",)))
    assert engine.shown("154") == []


def test_the_decision_names_the_contact_and_not_the_address() -> None:
    told = meeting()
    engine = staged(told)
    (found,) = list(engine.views.decisions(ACCOUNT, event=told["id"]))
    assert b'"contact":"151"' in found.body
    assert b"bo@client.example" not in found.body


# --- several, none, the organiser -------------------------------------------------------------------------------------


def test_several_contacts_among_the_guests_each_get_it() -> None:
    engine = staged(meeting(guests=(BO, CY)))
    assert engine.shown("151") == engine.shown("152") == ENTRY
    assert [(p["email"], p["contact"]) for p in engine.timeline()[0]["participants"]] == [(BO, "151"), (CY, "152")]


def test_several_contacts_with_one_address_each_get_it() -> None:
    engine = staged(contact("153", BO.upper()), meeting())
    assert engine.shown("151") == engine.shown("153") == ENTRY


def test_a_guest_told_twice_is_there_once() -> None:
    engine = staged(meeting(guests=(BO, "Bo@Client.example")))
    assert engine.shown() == ENTRY


def test_the_organiser_counts_as_a_guest() -> None:
    engine = staged(meeting(owner=BO, guests=(ANA,)))
    assert engine.shown() == ENTRY
    assert engine.timeline()[0]["organizer"] == {"email": BO, "name": "Bo", "contact": "151"}


def test_an_organiser_who_is_no_guest_counts_too() -> None:
    told = meeting(owner=None, guests=(ANA,))
    told["data"]["participants"]["9"] = {**person(BO), "roles": {"owner": True}}
    assert staged(told).shown() == ENTRY


NOBODY: dict[str, tuple[str | None, tuple[str, ...]]] = {
    "a stranger": (ANA, ("stranger@nowhere.example",)),
    "colleagues only": (ANA, ("ben@acme.example",)),
    "the organiser alone": (ANA, ()),
    "nobody at all": (None, ()),
}


@pytest.mark.parametrize(("owner", "guests"), NOBODY.values(), ids=NOBODY.keys())
def test_with_no_contact_among_its_guests_it_is_in_no_timeline(owner: str | None, guests: tuple[str, ...]) -> None:
    told = meeting(owner=owner, guests=guests)
    engine = staged(told)
    assert engine.shown("151") == engine.shown("152") == []
    assert ("no-contact", "ignored") in engine.decided(told)
    assert ("contact-match", "applied") not in engine.decided(told)


# --- evaluated at each change -----------------------------------------------------------------------------------------


def test_a_guest_added_later_gets_it() -> None:
    engine = same_in_any_order(meeting(), meeting(revision=1, guests=(BO, CY)))
    assert engine.shown("151") == engine.shown("152") == ENTRY


def test_a_guest_taken_off_loses_it() -> None:
    engine = same_in_any_order(meeting(guests=(BO, CY)), meeting(revision=1, guests=(CY,)))
    assert engine.shown("151") == []
    assert engine.shown("152") == ENTRY


def test_a_guest_taken_off_and_added_again_has_it_again() -> None:
    engine = same_in_any_order(meeting(), meeting(revision=1, guests=()), meeting(revision=2))
    assert engine.shown() == ENTRY


def test_each_occurrence_has_its_own_guests() -> None:
    exception = meeting(
        "s1_2",
        1,
        guests=(BO, CY),
        start="2026-04-14T10:00:00",
        title="Weekly",
        provenance={"seriesId": "s1", "originalStart": "2026-04-14T08:00:00Z", "icalUid": "s1@google.example"},
    )
    engine = same_in_any_order(series(), exception)
    assert [e["start"] for e in engine.timeline("152")] == ["2026-04-14T08:00:00Z"]
    assert len(engine.timeline()) == 4


# --- an address lost or gained ----------------------------------------------------------------------------------------

LOSSES = {
    "another address": contact("151", "bo@new.example", 1, kind="contact.updated"),
    "no address": contact("151", None, 1, kind="contact.updated"),
}
NO_CHANGE: dict[str, tuple[Event, ...]] = {
    "nothing": (),
    "an older revision": (meeting(revision=-1, title="Old"),),
    "the same revision again": (meeting(event_id="again"),),
}


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())
@pytest.mark.parametrize("later", NO_CHANGE.values(), ids=NO_CHANGE.keys())
def test_a_contact_that_loses_an_address_keeps_what_was_logged(loss: Event, later: tuple[Event, ...]) -> None:
    assert staged(meeting(), loss, *later).shown() == ENTRY


@pytest.mark.parametrize("loss", LOSSES.values(), ids=LOSSES.keys())
def test_it_leaves_when_the_meeting_next_changes(loss: Event) -> None:
    engine = staged(meeting(guests=(BO, CY)), loss, meeting(revision=2, guests=(BO, CY), title="Renamed"))
    assert engine.shown("151") == []
    assert engine.titles("152") == ["Renamed"]


def test_an_older_revision_is_no_change_beside_a_guest_who_is_never_logged_either() -> None:
    secret = configured(-10, never_log={"addresses": ["x@secret.example"], "domains": []})
    guests = (BO, "x@secret.example")
    engine = staged(secret, meeting(revision=3, guests=guests), LOSSES["no address"], meeting(revision=2, guests=guests, title="Old"))
    assert engine.shown() == ENTRY


def test_an_older_revision_matches_no_contact_made_later() -> None:
    secret = configured(-10, never_log={"addresses": ["x@secret.example"], "domains": []})
    guests = (BO, DEE, "x@secret.example")
    engine = staged(secret, meeting(revision=3, guests=guests), contact("153", DEE, 4), meeting(revision=2, guests=guests, title="Old"))
    assert engine.shown("153") == []


def test_an_address_passed_on_is_the_new_owners_from_the_next_change_on() -> None:
    passed = (LOSSES["another address"], contact("153", BO, 2))
    engine = staged(meeting(), *passed)
    assert (engine.shown("151"), engine.shown("153")) == (ENTRY, [])
    engine.tell(meeting(revision=3))
    assert (engine.shown("151"), engine.shown("153")) == ([], ENTRY)


@pytest.mark.parametrize("gain", [contact("153", DEE, 2), contact("152", DEE, 2, kind="contact.updated")], ids=["made", "changed"])
def test_under_next_change_a_gained_address_is_matched_when_the_meeting_next_changes(gain: Event) -> None:
    who = gain["subject"]
    engine = staged(meeting(guests=(BO, DEE)), gain)
    assert engine.shown(who) == []
    assert engine.tell(meeting(revision=3, guests=(BO, DEE))).shown(who) == ENTRY


@pytest.mark.parametrize("gain", [contact("153", DEE, 2), contact("152", DEE, 2, kind="contact.updated")], ids=["made", "changed"])
def test_under_backfill_a_gained_address_is_matched_at_once(gain: Event) -> None:
    who = gain["subject"]
    engine = staged(BACKFILL, meeting(guests=(BO, DEE)), meeting("g2", guests=(DEE,), title="Second"), gain)
    assert sorted(engine.titles(who)) == ["Kick-off", "Second"]
    assert [d for d in engine.decided(gain) if d == ("contact-match", "applied")] != []


def test_backfill_brings_in_only_what_was_in_the_window() -> None:
    engine = staged(BACKFILL, meeting(guests=(DEE,), created=hour(-100)), contact("153", DEE, 2))
    assert engine.shown("153") == []


def test_backfill_for_one_contact_does_not_take_it_from_another() -> None:
    """Bo lost his address and keeps what was logged: that Dee is backfilled changes nothing of the meeting."""
    engine = staged(BACKFILL, meeting(guests=(BO, DEE)), LOSSES["no address"], contact("153", DEE, 2))
    assert (engine.shown("151"), engine.shown("153")) == (ENTRY, ENTRY)


def test_a_contact_told_again_unchanged_is_backfilled_nothing() -> None:
    engine = staged(meeting(guests=(BO, DEE)), contact("153", DEE, 1), configured(2, policy={"late_contact": "backfill"}))
    assert engine.tell(contact("153", DEE, 3, kind="contact.updated")).shown("153") == []


def test_an_older_word_about_a_contact_changes_nothing() -> None:
    stale = contact("151", "bo@old.example", -30)
    engine = staged(stale, meeting())
    assert engine.decided(stale) == [("stale", "ignored")]
    assert engine.shown() == ENTRY


# --- two words of one instant ------------------------------------------------------------------------------------------


def bare(event: Event) -> Event:
    """As a publisher tells it who gives no sequence: its time orders it, then arrival."""
    return {name: value for name, value in event.items() if name != "sequence"}


def keeping_repeats(*events: Event) -> Engine:
    """Told one by one to an engine whose log keeps a repeated event, as Kafka's does."""
    engine = Engine()
    engine.source = RepeatingLog()
    engine.publisher = Publisher(engine.source, engine.vault, engine.clock)
    engine.start()
    return engine.tell(*stage()).tell_one_by_one(*events)


def is_live(engine: Engine, who: str) -> bool:
    """Has the contact a timeline?"""
    row_ = engine.views.contact(ACCOUNT, who)
    return row_ is not None and row_.state == "live"


OLD, NEW = bare(contact("160", "old@late.example", -5)), bare(contact("160", DEE, -5, kind="contact.updated"))
GONE = bare(contact_said("160", "contact.deleted", -5))
AT_ONE_INSTANT: dict[str, tuple[tuple[Event, ...], tuple[str, str], list[str], bool]] = {
    "another address": ((OLD, NEW), ("contact-match", "applied"), [DEE], True),
    "and the first again": ((OLD, NEW, OLD), ("duplicate", "ignored"), [DEE], True),
    "and the first again under another id": ((OLD, NEW, {**OLD, "id": "polled twice"}), ("duplicate", "ignored"), [DEE], True),
    "the last again": ((OLD, NEW, NEW), ("duplicate", "ignored"), [DEE], True),
    "both again": ((OLD, NEW, OLD, NEW), ("duplicate", "ignored"), [DEE], True),
    "a deletion": ((NEW, GONE), ("contact-match", "applied"), [DEE], False),
    "a deletion, and what it deleted again": ((NEW, GONE, NEW), ("duplicate", "ignored"), [DEE], False),
    "a restore": ((GONE, NEW), ("contact-match", "applied"), [DEE], True),
    "a restore, and the deletion again": ((GONE, NEW, GONE), ("duplicate", "ignored"), [DEE], True),
}


@pytest.mark.parametrize(("told", "last", "addresses", "live"), AT_ONE_INSTANT.values(), ids=AT_ONE_INSTANT.keys())
def test_of_two_words_of_one_instant_the_one_that_arrived_later_counts(
    told: tuple[Event, ...], last: tuple[str, str], addresses: list[str], live: bool
) -> None:
    engine = keeping_repeats(*told, meeting("g1", guests=("old@late.example",)), meeting("g2", guests=(DEE,)))
    assert is_live(engine, "160") is live
    assert [p["email"] for e in engine.timeline("160") for p in e["participants"]] == addresses
    assert engine.decided(told[-1])[-1] == last


def test_a_merge_of_the_same_instant_as_a_word_about_its_survivor_counts_by_arrival_too() -> None:
    merge = bare(merged("151", "152", email=CY, revision=1))
    later = bare(contact("151", "bo@new.example", 1, kind="contact.updated"))
    for order, address in (((merge, later), "bo@new.example"), ((later, merge), CY), ((merge, later, merge), "bo@new.example")):
        engine = keeping_repeats(*order, meeting(revision=2, guests=(address,)))
        assert engine.shown("151") == ENTRY


# --- deleted and restored ---------------------------------------------------------------------------------------------


def test_a_deleted_contact_has_no_timeline() -> None:
    engine = staged(meeting(), contact_said("151", "contact.deleted", 1))
    row_ = engine.views.contact(ACCOUNT, "151")
    assert row_ is not None
    assert row_.state == "deleted"


def test_a_restored_contact_has_his_timeline_back_with_what_happened_meanwhile() -> None:
    gone, back = contact_said("151", "contact.deleted", 1), contact("151", BO, 5)
    engine = staged(meeting(), gone, meeting("g2", 2, title="Meanwhile"), back)
    row_ = engine.views.contact(ACCOUNT, "151")
    assert row_ is not None
    assert row_.state == "live"
    assert sorted(engine.titles()) == ["Kick-off", "Meanwhile"]


def test_a_word_from_before_the_deletion_restores_nobody() -> None:
    engine = staged(contact_said("151", "contact.deleted", 3), contact("151", BO, 2, kind="contact.updated"))
    row_ = engine.views.contact(ACCOUNT, "151")
    assert row_ is not None
    assert row_.state == "deleted"


LIVED = (contact("160", "dee@former.example", -20), contact("160", DEE, -18, kind="contact.updated"))
DELETED = contact_said("160", "contact.deleted", -15)


@pytest.mark.parametrize("told", list(permutations((*LIVED, DELETED))), ids=lambda told: " | ".join(e["id"] for e in told))
def test_a_deletion_that_arrives_before_the_contact_loses_nothing_for_a_restore(told: tuple[Event, ...]) -> None:
    engine = Engine().tell(*stage()).tell_one_by_one(*told)
    assert not is_live(engine, "160")
    engine.tell(meeting(guests=(DEE,)), contact("160", DEE, 5, kind="contact.updated"))
    assert (is_live(engine, "160"), engine.shown("160")) == (True, ENTRY)


def test_what_is_taken_of_a_contact_from_under_his_deletion_stands_in_the_decision() -> None:
    engine = staged(DELETED, LIVED[1], LIVED[0])
    assert engine.notes(LIVED[1]) == [{"taken": ["contact"]}]
    assert engine.decided(LIVED[1]) == engine.decided(LIVED[0]) == [("stale", "ignored")]


def test_a_deleted_contact_takes_nothing_from_the_others() -> None:
    engine = staged(meeting(guests=(BO, CY)), contact_said("151", "contact.deleted", 1), meeting(revision=2, guests=(BO, CY)))
    assert engine.shown("152") == ENTRY


# --- merged -----------------------------------------------------------------------------------------------------------


def merged(survivor: str, *gone: str, revision: float = 5, email: str | None = BO) -> Event:
    """`gone` became `survivor`."""
    return contact_said(survivor, "contact.merged", revision, {"merged": list(gone), "email": email, "name": "One"})


def into(engine: Engine, who: str) -> str | None:
    """Whom a contact's id answers with."""
    row_ = engine.views.contact(ACCOUNT, who)
    assert row_ is not None
    return row_.into


def test_a_merge_moves_every_entry_to_the_survivor() -> None:
    engine = staged(meeting(), meeting("g2", guests=(CY,), title="Cy's"), merged("151", "152"))
    assert sorted(engine.titles("151")) == ["Cy's", "Kick-off"]
    assert engine.shown("152") == []
    assert into(engine, "152") == "151"


def test_a_shared_meeting_is_there_once() -> None:
    assert staged(meeting(guests=(BO, CY)), merged("151", "152")).shown() == ENTRY


def test_a_series_moves_with_every_occurrence() -> None:
    engine = staged(series(guests=(CY,)), merged("151", "152"))
    assert len(engine.timeline("151")) == 4
    assert engine.timeline("152") == []


def test_from_then_on_only_the_survivors_address_matches() -> None:
    engine = staged(merged("151", "152"), meeting(revision=6), meeting("g2", 6, guests=(CY,), title="To the old address"))
    assert engine.titles("151") == ["Kick-off"]
    assert engine.shown("152") == []


def test_a_merge_may_give_the_survivor_the_others_address() -> None:
    engine = staged(merged("151", "152", email=CY), meeting(revision=6), meeting("g2", 6, guests=(CY,), title="To Cy"))
    assert engine.titles("151") == ["To Cy"]


def test_what_was_moved_stays_until_the_meeting_changes() -> None:
    engine = staged(meeting(guests=(CY, DEE)), merged("151", "152"))
    assert engine.shown("151") == ENTRY
    assert engine.tell(meeting(revision=6, guests=(CY, DEE))).shown("151") == []


def test_a_chain_of_merges_ends_at_the_last_survivor() -> None:
    third = contact("153", DEE)
    engine = staged(third, meeting(guests=(DEE,)), merged("152", "153", revision=3, email=CY), merged("151", "152"))
    assert engine.shown("151") == ENTRY
    assert engine.shown("152") == engine.shown("153") == []
    assert (into(engine, "152"), into(engine, "153")) == ("151", "151")


def test_a_chain_told_in_the_other_order_ends_there_too() -> None:
    engine = staged(contact("153", DEE), meeting(guests=(DEE,)), merged("151", "152"), merged("152", "153", revision=3, email=CY))
    assert engine.shown("151") == ENTRY
    assert (into(engine, "152"), into(engine, "153")) == ("151", "151")


def test_several_are_merged_at_once() -> None:
    engine = staged(contact("153", DEE), meeting(guests=(CY,)), meeting("g2", guests=(DEE,), title="Dee's"), merged("151", "152", "153"))
    assert sorted(engine.titles()) == ["Dee's", "Kick-off"]


def test_a_merge_told_twice_is_once() -> None:
    engine = staged(meeting(guests=(BO, CY)), merged("151", "152"), {**merged("151", "152"), "id": "again"})
    assert engine.shown() == ENTRY
    assert into(engine, "151") is None


def test_contacts_that_were_never_told_of_are_merged_all_the_same() -> None:
    engine = staged(merged("160", "161", email=DEE), meeting(revision=6, guests=(DEE,)))
    assert engine.shown("160") == ENTRY
    assert into(engine, "161") == "160"


LATE_WORDS = {
    "from before the merge": contact("152", CY, 3, kind="contact.updated"),
    "from after it": contact("152", CY, 6, kind="contact.updated"),
    "its deletion": contact_said("152", "contact.deleted", 6),
}


@pytest.mark.parametrize("late", LATE_WORDS.values(), ids=LATE_WORDS.keys())
def test_a_later_word_about_the_merged_one_undoes_no_merge(late: Event) -> None:
    engine = staged(meeting(guests=(CY,)), merged("151", "152"), late, meeting("g2", 7, guests=(CY,), title="To the old address"))
    assert into(engine, "152") == "151"
    assert engine.titles("151") == ["Kick-off"]
    assert engine.titles("152") == []


def test_a_merge_that_arrives_before_the_merged_contact_holds() -> None:
    engine = staged(merged("151", "153"), contact("153", DEE, -25), meeting(revision=6, guests=(DEE,)))
    assert into(engine, "153") == "151"
    assert engine.shown("153") == []


def test_a_merge_reaches_the_participants_of_the_others_entries() -> None:
    engine = staged(contact("153", DEE), meeting(guests=(CY, DEE)), merged("151", "152"), meeting(revision=6, guests=(BO, DEE)))
    assert [(p["email"], p["contact"]) for p in engine.timeline("153")[0]["participants"]] == [(BO, "151"), (DEE, "153")]


def test_an_older_merge_does_not_take_back_the_survivors_newer_address() -> None:
    engine = staged(contact("151", DEE, 6, kind="contact.updated"), merged("151", "152"), meeting(revision=7, guests=(DEE,)))
    assert engine.shown() == ENTRY


# --- whatever comes first ---------------------------------------------------------------------------------------------


def test_under_backfill_contacts_settings_and_meetings_may_come_in_any_order() -> None:
    events = (contact("153", DEE, -25), meeting(guests=(BO, DEE)), meeting(revision=1, guests=(DEE,), title="Renamed"))
    shown = [Engine().tell(*stage(), BACKFILL).tell_one_by_one(*order).titles("153") for order in permutations(events)]
    assert shown == [["Renamed"]] * 6


def test_accounts_have_contacts_of_their_own() -> None:
    engine = staged(*stage("99"), contact("153", DEE, account="99"), meeting(guests=(BO, DEE)))
    assert engine.shown() == ENTRY
    assert engine.shown("153") == engine.shown("151", "99") == engine.shown("153", "99") == []


def test_a_row_and_a_guest_list_agree_on_who_it_is_for() -> None:
    engine = same_in_any_order(meeting(participants=people(BO)), row(revision=1, uid="g1@google.example", contacts=("151",)))
    assert engine.shown() == ENTRY
