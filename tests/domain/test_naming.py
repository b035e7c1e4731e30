"""Ids are made from what they name: stored for ever, so their values stand here."""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.naming import account_stream, connection_stream, contact_stream, decided_stream, meeting_stream

NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("stream", "id"),
    [
        (account_stream("62515"), "babf410c-c0e9-5f20-89e0-899bc7bcd1ca"),
        (connection_stream("62515", "501"), "aef234f4-f9cd-5c13-b36e-930782bc6a5f"),
        (contact_stream("62515", "151"), "ec51a767-a505-54e2-86d8-b2b202141fd7"),
        (meeting_stream("62515", "google|501|g1", 1_772_438_400_000), "019cad8f-ac00-8006-85cb-008fcf094142"),
        (decided_stream("0", 1), "d0e691f5-4ca6-8000-8000-000000000001"),
    ],
    ids=["account", "connection", "contact", "meeting", "decided"],
)
def test_a_stream_has_the_id_it_always_had(stream: UUID, id: str) -> None:
    assert str(stream) == id


def test_streams_of_different_kinds_and_names_differ() -> None:
    streams = {
        account_stream("1"),
        account_stream("2"),
        connection_stream("1", "2"),
        connection_stream("2", "1"),
        contact_stream("1", "2"),
        contact_stream("2", "1"),
        meeting_stream("1", "g|5|x", 0),
        meeting_stream("2", "g|5|x", 0),
        meeting_stream("1", "g|5|x", 1),
        meeting_stream("1", "g|5|y", 0),
        decided_stream("0", 1),
        decided_stream("0", 2),
        decided_stream("1", 1),
    }
    assert len(streams) == 13


@pytest.mark.parametrize("stream", [connection_stream, contact_stream], ids=["connection", "contact"])
def test_no_account_can_name_anothers_stream_by_a_separator_in_its_id(stream: object) -> None:
    assert callable(stream)
    assert stream("1|2", "3") != stream("1", "2|3")


def test_no_account_can_name_anothers_meeting_by_a_separator_in_its_id() -> None:
    assert meeting_stream("1|google", "501|g1", 5) != meeting_stream("1", "google|501|g1", 5)


def test_a_meetings_id_is_of_version_8_and_begins_with_its_creation() -> None:
    made = meeting_stream("62515", "google|501|g1", 0x0123456789AB)
    assert made.hex.startswith("0123456789ab8")
    assert (made.version, made.variant) == (8, "specified in RFC 4122")


@pytest.mark.parametrize(("created", "begins"), [(-1, "000000000000"), (1 << 48, "ffffffffffff"), (1 << 90, "ffffffffffff")])
def test_a_creation_time_outside_48_bits_is_taken_as_the_first_or_the_last(created: int, begins: str) -> None:
    assert meeting_stream("62515", "google|501|g1", created).hex.startswith(begins)


def test_a_copys_id_may_hold_any_text() -> None:
    assert meeting_stream("62515", "google|501|\ud800", 0) != meeting_stream("62515", "google|501|\ud801", 0)


@given(NAMES, NAMES, st.integers(0, (1 << 48) - 1), st.integers(0, (1 << 48) - 1))
def test_meetings_lie_in_the_order_of_their_creation(account: str, copy: str, one: int, other: int) -> None:
    a, b = meeting_stream(account, copy, one), meeting_stream(account, copy, other)
    assert (a.hex[:12] < b.hex[:12]) == (one < other)
    assert (a == b) == (one == other)


@given(st.text(max_size=5), st.integers(0, 1 << 50), st.integers(0, 1 << 50))
def test_decisions_of_a_partition_lie_in_the_order_of_its_log(partition: str, one: int, other: int) -> None:
    a, b = decided_stream(partition, one), decided_stream(partition, other)
    assert (a < b) == (one < other)
    assert a.version == 8
