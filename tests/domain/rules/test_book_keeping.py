"""Rules recorded and malformed: facts that no rule argues about, and what cannot be read.

What must stay true: what cannot be read is decided and kept, byte for byte, and nothing behind it waits for it.
"""

from __future__ import annotations

import json

import pytest

from domain.ports import NewRecord
from tests.engine import Engine, staged
from tests.examples import ACCOUNT, Event, configured, envelope, hour, meeting, ticked


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
