"""Rules echo, duplicate and stale: what is known already is recognised, and what only an older word says is still taken."""

from __future__ import annotations

import json
from itertools import permutations
from typing import Any

import pytest

from tests.domain.rules.shuffling import same_in_any_order
from tests.engine import Engine, staged
from tests.examples import ANA, BEN, BO, CY, Event, connected, deleted, hour, meeting, row, row_deleted, series

BENS = connected("502")
KICK_OFF = ("Kick-off", "2026-04-07T08:00:00Z", "confirmed")


def again(event: Event, name: str = "again") -> Event:
    """The same news under another event's id, as from an overlapping poll."""
    return {**event, "id": f"{event['id']}:{name}"}


# --- duplicate --------------------------------------------------------------------------------------------------------


def test_the_same_event_twice_is_once() -> None:
    engine = staged(told := meeting())
    [before] = engine.timeline()
    recorded = engine.names()
    assert [r.outcome for r in engine.publish([told])] == ["duplicate"]
    engine.settle()
    assert (engine.timeline(), engine.names()) == ([before], recorded)


def test_the_same_event_twice_in_one_batch_is_once() -> None:
    engine = staged()
    assert [r.outcome for r in engine.publish([meeting(), meeting()])] == ["accepted", "duplicate"]
    assert engine.settle().shown() == [KICK_OFF]


def test_it_is_a_duplicate_whatever_its_bytes_say_now() -> None:
    engine = staged(told := meeting())
    changed = {**told, "data": {**told["data"], "title": "Something else"}}
    assert [r.outcome for r in engine.publish([changed])] == ["duplicate"]
    assert engine.settle().titles() == ["Kick-off"]


DIFFERENT = {"another id": ("id", "other"), "another source": ("source", "/accounts/62515/calendars/google/other")}


@pytest.mark.parametrize(("field", "value"), DIFFERENT.values(), ids=list(DIFFERENT))
def test_only_source_and_id_together_make_an_event_the_same(field: str, value: str) -> None:
    engine = staged(told := meeting())
    assert [r.outcome for r in engine.publish([{**told, field: value}])] == ["accepted"]
    assert engine.settle().shown() == [KICK_OFF]


def test_the_same_id_in_another_account_is_another_event() -> None:
    engine = staged(meeting())
    assert [r.outcome for r in engine.publish([meeting(account="70001")])] == ["accepted"]


def test_what_a_broker_delivers_again_is_recognised_when_it_is_decided() -> None:
    engine = staged(told := meeting())
    recorded = engine.names()
    [record] = [r for r in engine.source.read("0", 0, 100) if json.loads(r.body)["id"] == told["id"]]
    engine.sync.decide([record._replace(position=record.position + 1)])
    engine.settle()
    assert engine.decided(told)[-1] == ("duplicate", "ignored")
    assert engine.names() == recorded


# --- the same news again ----------------------------------------------------------------------------------------------


def test_the_same_news_under_another_id_changes_nothing() -> None:
    engine = staged(meeting(), told := again(meeting()))
    assert engine.decided(told) == [("stale", "ignored")]
    assert [e["version"] for e in engine.timeline()] == [1]
    assert engine.names().count("meeting.noted.v1") == 0


def test_the_same_news_after_newer_news_changes_nothing() -> None:
    engine = staged(meeting(), meeting(revision=1, title="New"), told := again(meeting()))
    assert engine.decided(told) == [("stale", "ignored")]
    assert engine.titles() == ["New"]


def test_the_same_news_again_is_recognised_among_several_at_one_place() -> None:
    first, second = meeting(title="First"), meeting(title="Second", event_id="second")
    engine = staged(first, second)
    assert engine.titles() == ["Second"], "of two different words at one place the one that arrived later stands"
    assert engine.tell(again(first)).titles() == ["Second"]


@pytest.mark.parametrize("sequence", [True, False], ids=["with a sequence", "without"])
def test_every_delivery_of_a_story_may_come_twice(sequence: bool) -> None:
    told = [meeting(), meeting(revision=1, title="New"), deleted(revision=2)]
    if not sequence:
        told = [{**e, "sequence": None} for e in told]
    engine = same_in_any_order(*told, *(again(e) for e in told))
    assert engine.shown() == [("New", "2026-04-07T08:00:00Z", "cancelled")]


# --- stale ------------------------------------------------------------------------------------------------------------


def test_an_older_revision_changes_nothing() -> None:
    engine = staged(meeting(revision=5, title="New"), told := meeting(revision=4, title="Old"))
    assert engine.decided(told)[0] == ("stale", "ignored")
    assert engine.titles() == ["New"]


def test_the_sides_sequence_orders_and_not_its_clock() -> None:
    late = meeting(revision=1, title="By sequence")
    early = meeting(revision=2, title="By clock")
    late["sequence"], early["sequence"] = "00000000000000000009", "00000000000000000008"
    assert same_in_any_order(late, early).titles() == ["By sequence"]


def test_without_a_sequence_the_time_of_the_revision_orders() -> None:
    told = [{**meeting(revision=n, title=f"No. {n}"), "sequence": None} for n in (3, 1, 2)]
    assert same_in_any_order(*told).titles() == ["No. 3"]


def test_content_under_a_deletion_is_taken() -> None:
    engine = staged(deleted(revision=5), told := meeting(revision=1, title="What it was"))
    assert engine.shown() == [("What it was", "2026-04-07T08:00:00Z", "cancelled")]
    assert engine.decided(told)[0] == ("stale", "ignored")


def test_of_several_older_words_under_a_deletion_the_newest_stands() -> None:
    told = [meeting(revision=n, title=f"No. {n}") for n in range(3)]
    assert same_in_any_order(*told, deleted(revision=3)).shown() == [("No. 2", "2026-04-07T08:00:00Z", "cancelled")]


def test_a_series_under_its_deletion_is_taken() -> None:
    engine = same_in_any_order(series(), deleted("s1", 1))
    assert [(start[:10], status) for _, start, status in engine.shown()] == [
        (f"2026-04-{day}", "cancelled") for day in ("07", "14", "21", "28")
    ]


def test_a_uid_that_only_an_older_revision_says_is_taken() -> None:
    uid: Event = {"icalUid": "g1@google.example"}
    without: Event = {"icalUid": None}
    bens = [meeting("b1", n, user="502", guests=(BO, BEN), provenance=uid if n == 1 else without, title=f"Ben's {n}") for n in (1, 2)]
    engine = same_in_any_order(meeting(guests=(BO, BEN)), *bens, before=[BENS])
    assert engine.titles() == ["Kick-off"]


def test_a_link_that_only_an_older_revision_says_is_taken() -> None:
    [entry] = staged(scheduled := row("900", 0)).timeline()
    without: Event = {"origin": "rendezvous"}
    ours = [meeting("g7", n, provenance=without | ({"link": entry["meeting"]} if n == 1 else {}), title=f"No. {n}") for n in (1, 2)]
    engine = same_in_any_order(*ours, before=[scheduled])
    assert engine.titles() == ["No. 2"]
    assert engine.timeline()[0]["links"] == {"hubspot": "900", "google": "g7"}


def test_a_sighting_that_only_an_older_revision_made_is_remembered() -> None:
    bens = [meeting("b1", n, user="502", guests=(BO, BEN), provenance={"icalUid": "g1@google.example"}) for n in (1, 2)]
    gone = deleted("b1", 3, user="502")
    engine = same_in_any_order(meeting(guests=(BO, BEN)), *bens, gone, before=[BENS])
    assert [p["participationStatus"] for e in engine.timeline() for p in e["participants"] if p["email"] == BEN] == ["declined"]


def test_a_stale_word_of_another_guest_judges_nobody_again() -> None:
    engine = staged(meeting(revision=5, guests=(BO, CY)), meeting(revision=1, guests=()))
    assert (engine.titles("151"), engine.titles("152")) == (["Kick-off"], ["Kick-off"])


def test_an_older_row_under_a_deletion_in_the_crm_does_not_bring_it_back() -> None:
    for order in permutations([row("900", 0), row("900", 1, title="New"), row_deleted("900", 2)]):
        assert staged().tell_one_by_one(*order).shown() == []


# --- echo -------------------------------------------------------------------------------------------------------------


def ours(revision: float = 1, **fields: Any) -> Event:
    """The calendar event that we made of the CRM's meeting 900, as the provider tells it."""
    return meeting("g7", revision, **{"provenance": {"origin": "rendezvous", "link": _meeting_id()}, **fields})


def _meeting_id() -> str:
    [entry] = staged(row("900", 0)).timeline()
    return str(entry["meeting"])


def scheduled() -> Engine:
    """A meeting of the CRM's, for which a calendar event is written."""
    return staged(row("900", 0))


def test_our_own_write_that_comes_back_is_no_news() -> None:
    engine = scheduled()
    before = engine.shown()
    engine.tell(told := ours())
    assert engine.decided(told)[0] == ("echo", "merged")
    assert engine.shown() == before
    assert [n for n in engine.names() if n.startswith("meeting.")] == ["meeting.scheduled.v1", "meeting.noted.v1"]


def test_our_own_write_that_comes_back_again_is_nothing_at_all() -> None:
    engine = scheduled().tell(ours())
    recorded, shown = engine.names(), engine.timeline()
    engine.tell(told := again(ours()))
    assert engine.decided(told) == [("echo", "ignored")]
    assert (engine.names(), engine.timeline()) == (recorded, shown)


def test_what_somebody_changes_in_our_own_write_is_news() -> None:
    engine = scheduled().tell(ours(), told := ours(2, title="Changed by hand"))
    assert engine.titles() == ["Changed by hand"]
    assert engine.decided(told)[0] == ("calendar-updates", "applied")


def test_our_own_row_that_comes_back_from_the_crm_is_no_news() -> None:
    [entry] = staged(meeting()).timeline()
    told = row("900", 1, origin="rendezvous", provenance={"link": entry["meeting"]})
    engine = staged(meeting(), told)
    assert engine.decided(told)[0] == ("echo", "merged")
    assert engine.shown() == [KICK_OFF]


def test_echoes_in_any_order_come_to_the_same() -> None:
    told = [ours(1), again(ours(1)), ours(2, title="Changed by hand")]
    engine = same_in_any_order(*told, before=[row("900", 0)])
    assert engine.shown() == [("Changed by hand", "2026-04-07T08:00:00Z", "confirmed")]


def test_the_answer_to_a_delivery_is_no_news_of_the_meeting() -> None:
    engine = scheduled()
    before = engine.timeline()
    confirmed = {
        **row("900", 0),
        "id": "delivery:1",
        "type": "rendezvous.delivery.confirmed.v1",
        "subject": "delivery-1",
        "data": {"meeting": _meeting_id(), "provider": "google", "id": "g7", "revision": "1", "icalUid": f"g7@{ANA}"},
    }
    assert engine.tell(confirmed).timeline() == before


def test_after_a_restart_what_was_known_is_known() -> None:
    engine = staged(meeting(), meeting(revision=1, title="New"))
    engine.start()
    engine.tell(told := again(meeting()), meeting(revision=1, title="New"))
    assert engine.decided(told) == [("stale", "ignored")]
    assert engine.titles() == ["New"]


def test_deliveries_days_apart_come_to_the_same() -> None:
    late = meeting(revision=1, title="New", created=hour(0))
    engine = staged(deleted(revision=2))
    engine.at += 5 * 86_400_000
    assert engine.tell(late).shown() == [("New", "2026-04-07T08:00:00Z", "cancelled")]
