"""Source events in both of Kafka's content modes, and what is neither."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.kafka.cloud_events import headers_of, told
from domain.ports import NewRecord
from domain.sighting import digest
from domain.source_events import SourceEvent, read

ENVELOPE = {
    "specversion": "1.0",
    "id": "tick-1",
    "source": "/accounts/62515/clock",
    "type": "rendezvous.clock.ticked.v1",
    "account": "62515",
    "time": "2026-03-02T09:00:00Z",
}
DATA = {"at": "2026-03-02T09:00:00Z"}
VALUE = json.dumps(DATA).encode()
STRUCTURED = json.dumps(ENVELOPE | {"data": DATA}).encode()
NAME = digest("/accounts/62515/clock", "tick-1")
Headers = list[tuple[str, bytes | None]]


def binary(content_type: bytes | None = b"application/json", **changed: bytes | None) -> Headers:
    attributes = {name: text.encode() for name, text in ENVELOPE.items()} | changed
    headers: Headers = [(f"ce_{name}", text) for name, text in attributes.items()]
    return headers + ([("content-type", content_type)] if content_type is not None else [])


@pytest.mark.parametrize(
    ("value", "headers"),
    [
        pytest.param(VALUE, binary(), id="binary"),
        pytest.param(VALUE, binary(content_type=None), id="binary without a content type"),
        pytest.param(VALUE, [(name.upper(), text) for name, text in binary()], id="binary with headers in capitals"),
        pytest.param(STRUCTURED, [("content-type", b"application/cloudevents+json; charset=UTF-8")], id="structured"),
        pytest.param(STRUCTURED, [], id="structured without a word about it"),
        pytest.param(
            STRUCTURED,
            [*binary(content_type=None), ("content-type", b"application/cloudevents+json")],
            id="structured, attributes repeated",
        ),
        pytest.param(STRUCTURED, [("traceparent", b"00-1")], id="structured, with a header of somebody's"),
    ],
)
def test_an_event_is_read_in_either_mode(value: bytes, headers: Headers) -> None:
    account, event, body = told(b"62515", value, headers)
    found = read(body)
    assert isinstance(found, SourceEvent), found
    assert (account, event) == ("62515", NAME)
    assert (found.id, found.source, found.account, found.kind) == ("tick-1", "/accounts/62515/clock", "62515", "clock.ticked")


def test_our_own_records_are_read_as_they_were_written() -> None:
    record = NewRecord("62515", 2**63 - 1, b"\x00\xff")
    assert told(b"62515", record.body, headers_of(record)) == record


@pytest.mark.parametrize(
    ("key", "value", "headers", "expected"),
    [
        pytest.param(b"62515", None, [], ("62515", 0, b""), id="a tombstone"),
        pytest.param(None, b"", [], ("", 0, b""), id="nothing at all"),
        pytest.param(b"\xff", b"\x00\x01", [], ("�", 0, b"\x00\x01"), id="no JSON, no text as key"),
        pytest.param(b"62515", b'{"id": 7}', [], ("62515", 0, b'{"id": 7}'), id="an id that is no text"),
        pytest.param(b"1", b'{"id": "a", "source": "b"', binary(), ("1", 0, b'{"id": "a", "source": "b"'), id="binary, half an object"),
        pytest.param(b"1", b"{}", [("rendezvous-event", b"9" * 30)], ("1", 0, b"{}"), id="a digest out of range"),
        pytest.param(b"1", b"{}", [("rendezvous-event", b"-1")], ("1", 0, b"{}"), id="a digest below nought"),
    ],
)
def test_what_is_no_event_comes_out_as_its_bytes(
    key: bytes | None, value: bytes | None, headers: Headers, expected: tuple[str, int, bytes]
) -> None:
    assert told(key, value, headers) == expected
    assert isinstance(read(expected[2]), list)


@pytest.mark.parametrize(
    ("value", "headers", "pointer"),
    [
        pytest.param(b"{}", binary(id=b"\xff"), "/id", id="an attribute that is no text"),
        pytest.param(b"{}", [pair for pair in binary() if pair[0] != "ce_source"], "/source", id="an attribute missing"),
        pytest.param(None, binary(), "/data", id="no value"),
    ],
)
def test_a_fault_in_the_headers_is_pointed_at(value: bytes | None, headers: Headers, pointer: str) -> None:
    problems = read(told(b"62515", value, headers)[2])
    assert isinstance(problems, list)
    assert pointer in [problem.pointer for problem in problems]


@pytest.mark.parametrize(
    "value",
    [b'{}, "account": "other"', b'{}}{"account": "other"}', b'{"account": "other"}', b"{}\n{}"],
    ids=["a further member", "a further object", "a member of its own", "two values"],
)
def test_a_value_does_not_speak_for_its_envelope(value: bytes) -> None:
    _, _, body = told(b"62515", value, [*binary(), ("ce_data", b'{"account": "other"}')])
    found: Any = read(body)
    assert isinstance(found, list) or found.account == "62515"


@given(
    key=st.none() | st.binary(max_size=20),
    value=st.none() | st.binary(max_size=80) | st.sampled_from([STRUCTURED, b"{}", b"[" * 5_000]),
    headers=st.lists(
        st.tuples(
            st.sampled_from(["ce_id", "ce_source", "ce_account", "ce_specversion", "content-type", "rendezvous-event", "ce_"])
            | st.text(max_size=6),
            st.none() | st.binary(max_size=20),
        ),
        max_size=6,
    ),
)
def test_nothing_whatever_makes_reading_raise(key: bytes | None, value: bytes | None, headers: Headers) -> None:
    account, event, body = told(key, value, headers)
    assert 0 <= event < 2**63
    assert (isinstance(account, str), isinstance(body, bytes)) == (True, True)
