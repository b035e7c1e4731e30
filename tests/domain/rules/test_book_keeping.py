"""Rules recorded and malformed: facts that no rule argues about, and what cannot be read.

What must stay true: what cannot be read is decided and kept, byte for byte, and nothing behind it waits for it.
"""

from __future__ import annotations

import json

import pytest

from domain.ports import NewRecord
from tests.engine import Engine, staged
from tests.examples import ACCOUNT, Event, configured, envelope, hour, meeting, series, stage, ticked


def said_of_a_delivery(verb: str, data: Event) -> Event:
    """What became of a write of ours."""
    return envelope(f"delivery.{verb}", "d1", data, id=f"d1:{verb}", source="deliveries", at=hour(1))


@pytest.mark.parametrize(
    "told",
    [
        pytest.param(configured(1), id="settings"),
        pytest.param(ticked(1), id="the clock"),
        pytest.param(said_of_a_delivery("confirmed", {"meeting": "m", "provider": "google", "id": "g1"}), id="a write confirmed"),
        pytest.param(said_of_a_delivery("failed", {"reason": "quota"}), id="a write failed"),
    ],
)
def test_a_fact_that_no_rule_argues_about_is_taken_down(told: Event) -> None:
    assert staged(told).decided(told) == [("recorded", "applied")]


# --- how far series are laid out --------------------------------------------------------------------------------------

WEEKLY = series(rule="FREQ=WEEKLY", start="2026-03-03T10:00:00")


def laid_out(*told: Event) -> list[str]:
    """The days of a series' entries."""
    return [e["start"][:10] for e in Engine().tell(*told).timeline()]


def window(before: int, after: int, revision: float) -> Event:
    """Settings with this window, in days."""
    return configured(revision, policy={"series": {"before_days": before, "after_days": after}})


def test_a_window_counts_whether_it_is_told_before_the_clock_ticked_or_after() -> None:
    first, later = window(10, 20, -27), window(10, 20, -20)
    assert laid_out(first, *stage()[1:], WEEKLY) == laid_out(*stage(), later, WEEKLY) == ["2026-03-03", "2026-03-10", "2026-03-17"]


def test_a_longer_window_lays_out_further_at_once() -> None:
    longer = window(365, 730, 1)
    assert len(laid_out(*stage(), WEEKLY)) == 52
    assert len(laid_out(*stage(), WEEKLY, longer)) == 104


def test_settings_that_leave_the_window_as_it_is_do_not_move_the_clock() -> None:
    assert staged(configured(1, domains=())).names().count("account.clock_ticked.v1") == 1
    assert staged(window(365, 365, 1)).names().count("account.clock_ticked.v1") == 1
    assert staged(window(365, 366, 1), {**window(365, 366, 1), "id": "again"}).names().count("account.clock_ticked.v1") == 2


# --- what cannot be read ------------------------------------------------------------------------------------------------

UNREADABLE: dict[str, tuple[bytes, str, str]] = {
    "no JSON": (b"\xff\x00", "", "not JSON"),
    "not an object": (b"[]", "", "not a JSON object"),
    "an unknown type": (json.dumps(meeting() | {"type": "rendezvous.meeting.dreamt.v1"}).encode(), "/type", "unknown type"),
    "a field of the wrong kind": (json.dumps(meeting(title=7)).encode(), "/data/title", "Expected"),
}


@pytest.mark.parametrize(("body", "pointer", "reason"), UNREADABLE.values(), ids=list(UNREADABLE))
def test_what_cannot_be_read_is_rejected_and_kept_and_what_is_behind_it_goes_on(body: bytes, pointer: str, reason: str) -> None:
    """It is put into the log past the door, as by a publisher of another version."""
    engine = staged()
    (put,) = engine.source.append([NewRecord(ACCOUNT, 1, body)], engine.clock())
    engine.tell(meeting())
    [letter] = engine.dead.list(None, "", 9)
    assert (letter.position, letter.body) == (put.position, body)
    assert [(e["pointer"], e["reason"].startswith(reason)) for e in letter.errors] == [(pointer, True)]
    assert engine.decided(letter.letter) == [("malformed", "rejected")]
    assert engine.titles() == ["Kick-off"]


def test_the_door_refuses_the_same_and_appends_nothing() -> None:
    engine = Engine()
    [receipt] = engine.publish([meeting(title=7)])
    assert (receipt.outcome, engine.source.end("0")) == ("rejected", 0)
