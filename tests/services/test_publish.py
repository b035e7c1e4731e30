"""Publishing: a receipt an event, whatever bytes come, and nothing in the log that should not be there."""

from __future__ import annotations

import json
from typing import Any

import pytest

from adapters.memory.keys import MemoryKeys
from adapters.memory.log import MemorySourceLog
from adapters.vault import SealingVault
from domain.source_events import SourceEvent, read
from services.publish import Publisher, Receipt
from tests.examples import ACCOUNT, BO, Event, contact, meeting

NOW = 1_772_442_905_123  # 2026-03-02T09:15:05.123Z


class Door:
    """A publisher over memory twins."""

    def __init__(self) -> None:
        self.log, self.keys = MemorySourceLog(), MemoryKeys()
        self.publisher = Publisher(self.log, SealingVault(self.keys), lambda: NOW)

    def accept(self, *events: Event | bytes, **more: Any) -> list[Receipt]:
        raws = [event if isinstance(event, bytes) else json.dumps(event).encode() for event in events]
        return self.publisher.accept(raws, **more)

    def kept(self) -> list[bytes]:
        return [record.body for record in self.log.read("0", 0, 1000)]


def said(receipts: list[Receipt]) -> list[tuple[str, int | None]]:
    return [(r.outcome, r.position) for r in receipts]


def test_an_accepted_event_is_in_the_log_when_its_receipt_is_given() -> None:
    door = Door()
    (receipt,) = door.accept(meeting("g1"))
    assert (receipt.id, receipt.outcome, receipt.position, receipt.errors) == ("google:501:g1:0", "accepted", 1, ())
    (body,) = door.kept()
    event = read(body)
    assert isinstance(event, SourceEvent)
    assert (event.account, event.data.title) == (ACCOUNT, "Kick-off")


def test_nobody_stands_in_the_log_in_clear() -> None:
    door = Door()
    door.accept(meeting("g1"), contact("151", BO, name="Bo Berg"))
    assert [b"bo@" in body or b"Berg" in body or b'ana@acme.example","name' in body for body in door.kept()] == [False, False]


def test_a_private_meeting_leaves_its_identity_only() -> None:
    door = Door()
    (receipt,) = door.accept(meeting("g1", privacy="private", title="Job interview"))
    (body,) = door.kept()
    assert receipt.outcome == "accepted"
    assert b"interview" not in body
    assert b'"id":"g1"' in body


def test_a_private_meeting_may_not_leave_out_what_is_required() -> None:
    """Only what stands in our own log may be without."""
    door = Door()
    told = meeting("g1", privacy="private")
    told["data"] = {name: told["data"][name] for name in ("side", "provenance", "status", "privacy")}
    (receipt,) = door.accept(told)
    assert [(p.pointer, p.reason) for p in receipt.errors] == [
        ("/data/start", "required field `start` is missing"),
        ("/data/duration", "required field `duration` is missing"),
    ]
    assert (receipt.outcome, door.kept()) == ("rejected", [])


def test_an_event_without_a_time_gets_the_time_of_acceptance() -> None:
    door = Door()
    told = contact("151", BO)
    del told["time"]
    door.accept(told)
    assert json.loads(door.kept()[0])["time"] == "2026-03-02T09:15:05.123000Z"


def test_the_order_of_a_batch_is_kept_and_the_refused_take_no_place() -> None:
    door = Door()
    receipts = door.accept(contact("1", "a@x.example"), b"{", contact("2", "b@x.example"), contact("1", "a@x.example"))
    assert said(receipts) == [("accepted", 1), ("rejected", None), ("accepted", 2), ("duplicate", 1)]
    assert [json.loads(body)["subject"] for body in door.kept()] == ["1", "2"]


def test_the_same_event_later_is_a_duplicate_of_the_first() -> None:
    door = Door()
    first = door.accept(meeting("g1"))
    assert said(first + door.accept(meeting("g1"))) == [("accepted", 1), ("duplicate", 1)]
    assert len(door.kept()) == 1


def test_the_id_of_a_rejected_event_stays_free() -> None:
    door = Door()
    assert said(door.accept(meeting("g1", duration="-PT1H")) + door.accept(meeting("g1"))) == [("rejected", None), ("accepted", 1)]


@pytest.mark.parametrize(
    ("raw", "pointer"),
    [
        pytest.param(b"", "", id="nothing"),
        pytest.param(b"\xff\xfe{}", "", id="no UTF-8"),
        pytest.param(b'{"id": "a', "", id="truncated"),
        pytest.param(b"[]", "", id="an array"),
        pytest.param(b"null", "", id="null"),
        pytest.param(b'{"a":' * 100_000, "", id="nested deeply and never closed"),
        pytest.param(b'{"specversion":"1.0","data":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "", id="nested deeply"),
        pytest.param(b'{"id":"a\x00b"}', "", id="a NUL byte"),
        pytest.param(b"\x00" * 64, "", id="NUL bytes only"),
        pytest.param(b'{"id":"' + b"a" * (5 * 1024 * 1024) + b'"}', "", id="five MiB"),
        pytest.param(b'{"id":"\\ud800"}', "", id="half a character"),
        pytest.param(b'{"id":1e999,"source":[]}', "", id="a number out of range"),
        pytest.param(b"{}", "/specversion", id="an empty object"),
    ],
)
def test_bytes_that_are_no_event_get_a_receipt_like_everybody(raw: bytes, pointer: str) -> None:
    door = Door()
    receipts = door.accept(raw, contact("1", "a@x.example"))
    assert said(receipts) == [("rejected", None), ("accepted", 1)]
    assert pointer in [error.pointer for error in receipts[0].errors]


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        pytest.param({"account": "a\0b"}, "/account", id="in the account"),
        pytest.param({"id": "a\0b"}, "/id", id="in the id"),
        pytest.param({"source": "a\0b"}, "/source", id="in the source"),
        pytest.param({"subject": "a\0b"}, "/subject", id="in the subject"),
    ],
)
def test_a_nul_character_in_a_name_is_refused(changes: Event, pointer: str) -> None:
    (receipt,) = Door().accept(contact("151", BO) | {"partitionkey": None} | changes)
    assert [e.pointer for e in receipt.errors] == [pointer]


def test_a_receipt_names_what_can_be_read_of_a_rejected_event() -> None:
    receipts = Door().accept({"id": "e1", "source": "/crm", "type": "x"}, {"id": 7, "source": None}, b'{"id":"' + b"a" * 5000 + b'"}')
    assert [(r.id, r.source) for r in receipts] == [("e1", "/crm"), (None, None), ("a" * 1024, None)]


def test_an_event_of_another_account_is_refused_and_the_rest_is_not() -> None:
    door = Door()
    receipts = door.accept(contact("1", "a@x.example"), contact("2", "b@x.example", account="70000"), account=ACCOUNT)
    assert said(receipts) == [("accepted", 1), ("rejected", None)]
    assert [e.pointer for e in receipts[1].errors] == ["/account"]


def as_read(*events: Event) -> list[SourceEvent]:
    found = [read(json.dumps(event).encode()) for event in events]
    assert all(isinstance(one, SourceEvent) for one in found)
    return [one for one in found if isinstance(one, SourceEvent)]


def test_what_was_read_already_is_kept_as_if_its_bytes_had_come() -> None:
    events = [meeting("g1"), meeting("g2", privacy="private"), contact("151", BO, name="Bo Berg") | {"time": None}, meeting("g1")]
    one, other = Door(), Door()
    other.publisher = Publisher(other.log, SealingVault(one.keys), lambda: NOW)
    assert other.publisher.accept_read(as_read(*events), ACCOUNT) == one.accept(*events)
    assert (other.kept(), len(other.kept())) == (one.kept(), 3)


def test_what_was_read_of_another_account_is_refused_and_the_rest_is_not() -> None:
    receipts = Door().publisher.accept_read(as_read(contact("1", "a@x.example", account="70000"), contact("2", "b@x.example")), ACCOUNT)
    assert said(receipts) == [("rejected", None), ("accepted", 1)]
    assert [e.pointer for e in receipts[0].errors] == ["/account"]


def test_two_accounts_may_use_one_id() -> None:
    mine, theirs = contact("1", "a@x.example"), contact("1", "a@x.example", account="70000")
    assert said(Door().accept(mine, theirs | {"source": mine["source"]})) == [("accepted", 1), ("accepted", 2)]


def test_an_event_that_sealing_makes_too_large_is_refused_at_the_door() -> None:
    door = Door()
    guests = {str(n): {"email": f"g{n}@x.example"} for n in range(1000)}
    event = meeting("g1", participants=guests, description="x" * 190_000)
    assert len(json.dumps(event)) < 256 * 1024
    receipts = door.accept(event, contact("1", "a@x.example"))
    assert said(receipts) == [("rejected", None), ("accepted", 1)]
    assert "sealed" in receipts[0].errors[0].reason


def test_who_is_typed_into_a_text_stands_in_the_log_in_clear_no_more_than_a_guest() -> None:
    door = Door()
    texts: Event = {"title": "Call bo@client.example", "description": "or cy@client.example", "location": "at bo@client.example's"}
    event = meeting("g1", conferenceUrl="https://x.example/?u=bo@client.example")
    [receipt] = door.accept({**event, "data": {**event["data"], **texts}})
    assert receipt.outcome == "accepted"
    assert b"@client.example" not in b"".join(door.kept())


def test_a_text_cannot_be_sealed_from_outside() -> None:
    door = Door()
    door.accept(meeting("g1", title="bo@client.example"))
    told = json.loads(door.kept()[0])
    title = told["data"]["title"]
    door.accept(meeting("g2", title=title))
    assert json.loads(door.kept()[1])["data"]["title"] == title[1:-1]


@pytest.mark.parametrize(
    ("start", "outcome"),
    [
        ("0001-12-31T10:00:00", "rejected"),
        ("0002-01-01T00:00:00", "accepted"),
        ("9998-12-31T23:30:00", "accepted"),
        ("9999-01-01T00:00:00", "rejected"),
    ],
)
def test_a_start_on_the_edge_of_all_time_is_refused_at_the_door_but_read_where_it_is_in_the_log(start: str, outcome: str) -> None:
    event = meeting("g1", start=start)
    for dry_run in (True, False):
        (receipt,) = Door().accept(event, dry_run=dry_run)
        assert receipt.outcome == outcome
        assert [error.pointer for error in receipt.errors] == (["/data/start"] if outcome == "rejected" else [])
    raw = json.dumps(event).encode()
    assert isinstance(read(raw), SourceEvent)
    assert Door().publisher.accept([raw], ours=True)[0].outcome == "accepted"


def test_a_title_and_a_link_from_outside_are_in_the_log_as_readers_are_shown_them() -> None:
    door = Door()
    door.accept(meeting("g1", title="Kick\x07-off\u202e", conferenceUrl="javascript:alert(1)"))
    (body,) = door.kept()
    event = read(body)
    assert isinstance(event, SourceEvent)
    assert (event.data.title, event.data.conference_url, b"javascript" in body) == ("Kick-off", None, False)


def test_a_dry_run_says_the_same_and_leaves_no_trace() -> None:
    door = Door()
    receipts = door.accept(meeting("g1"), b"{", meeting("g1"), dry_run=True)
    assert said(receipts) == [("accepted", None), ("rejected", None), ("duplicate", None)]
    assert door.kept() == []
    assert door.keys._keys == {}


def test_a_dry_run_knows_what_the_log_has() -> None:
    door = Door()
    door.accept(meeting("g1"), contact("151", BO))
    other = contact("151", BO, account="70000") | {"source": contact("151", BO)["source"]}
    events = [contact("151", BO), meeting("g2"), meeting("g1"), other, meeting("g2")]
    receipts = door.accept(*events, dry_run=True)
    assert said(receipts) == [("duplicate", 2), ("accepted", None), ("duplicate", 1), ("accepted", None), ("duplicate", None)]
    assert [r.outcome for r in door.accept(*events)] == [r.outcome for r in receipts]


def test_no_events_are_no_receipts() -> None:
    assert Door().accept() == []
