"""What operators see of a connection."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from adapters.memory.views import MemoryViews
from domain.events import (
    ConnectionActivated,
    ConnectionDeauthorised,
    ConnectionDisconnected,
    DeletionsDiscarded,
    DeletionsHeld,
    DeletionsReleased,
    Event,
    SourceEventDecided,
)
from projections.views import stamp
from tests.projections.scripted import ACCOUNT, BEGAN, Log, token


def activate(log: Log, at: int = BEGAN, provider: str = "google", calendar: str = "Ana@acme.example") -> int:
    return log.add(ConnectionActivated, at=at, user="501", provider=provider, calendar=calendar, address=token("ana"))


def health(log: Log) -> dict[str, Any]:
    """The one connection's body, folded an event a batch; without the facts it follows from."""
    views = MemoryViews()
    log.fold_into(views, [1] * len(log.records))
    (row,) = views.connections(ACCOUNT)
    body: dict[str, Any] = msgspec.json.decode(row.body)
    del body["facts"]
    return body


def decided(log: Log, source: str, kind: str = "meeting.updated") -> int:
    return log.add(SourceEventDecided, source=source, kind=kind, subject="s", partition="0", position=1)


def test_a_connected_calendar_is_active() -> None:
    log = Log()
    activate(log)
    assert health(log) == {
        "user": "501",
        "state": "active",
        "provider": "google",
        "calendar": "ana@acme.example",
        "since": stamp(BEGAN),
        "reason": None,
        "lastRead": None,
        "held": [],
        "windows": [{"provider": "google", "calendar": "ana@acme.example", "since": stamp(BEGAN), "until": None}],
    }


@pytest.mark.parametrize(
    ("kind", "state", "until"),
    [
        pytest.param(ConnectionDeauthorised, "deauthorised", None, id="a lost authorisation ends no window"),
        pytest.param(ConnectionDisconnected, "disconnected", stamp(BEGAN + 7), id="a disconnection does"),
    ],
)
def test_what_ended_a_connection_is_said(kind: type[Event], state: str, until: str | None) -> None:
    log = Log()
    log.add(kind, at=BEGAN + 7, user="501", provider="google", reason="revoked")
    activate(log)  # arrives later, happened before
    found = health(log)
    assert (found["state"], found["reason"], [w["until"] for w in found["windows"]]) == (state, "revoked", [until])


def test_of_two_calendars_the_newest_window_is_shown() -> None:
    log = Log()
    activate(log)
    log.add(ConnectionDisconnected, at=BEGAN + 5, user="501", provider="google")
    activate(log, BEGAN + 9, "office365", "ana@acme.example")
    found = health(log)
    assert (found["provider"], found["since"], [w["provider"] for w in found["windows"]]) == (
        "office365",
        stamp(BEGAN + 9),
        ["google", "office365"],
    )


@pytest.mark.parametrize("answer", [DeletionsReleased, DeletionsDiscarded], ids=["released", "discarded"])
def test_held_deletions_stand_there_until_they_are_answered(answer: type[Event]) -> None:
    log = Log()
    activate(log)
    at = log.add(DeletionsHeld, user="501", provider="google", hold="h1", sightings=("k1", "k2"), known=3)
    held = {"hold": "h1", "at": stamp(at), "provider": "google", "known": 3, "sightings": ["k1", "k2"]}
    assert health(log)["held"] == [held]
    log.add(answer, hold="h1")
    assert health(log)["held"] == []


@pytest.mark.parametrize(
    ("source", "kind", "counts"),
    [
        pytest.param("/accounts/62515/calendars/google/ana@ACME.example", "meeting.updated", True, id="a meeting of this calendar"),
        pytest.param("/accounts/62515/calendars/google/ana@acme.example", "calendar.listed", True, id="a listing of this calendar"),
        pytest.param("/accounts/62515/calendars/google/ana@acme.example", "connection.activated", False, id="no reading"),
        pytest.param("/accounts/62515/calendars/google/bo@acme.example", "meeting.updated", False, id="another calendar"),
        pytest.param("/accounts/62515/crm/ana@acme.example", "meeting.updated", False, id="another side"),
    ],
)
def test_a_calendar_was_read_when_something_of_it_was_decided(source: str, kind: str, counts: bool) -> None:
    log = Log()
    activate(log)
    at = decided(log, source, kind)
    assert health(log)["lastRead"] == (stamp(at) if counts else None)


def test_what_was_read_before_the_connection_was_known_does_not_count() -> None:
    log, views = Log(), MemoryViews()
    decided(log, "/accounts/62515/calendars/google/ana@acme.example")
    activate(log)
    log.fold_into(views)  # in one batch
    assert b'"lastRead":null' in views.connections(ACCOUNT)[0].body
    assert health(log)["lastRead"] is None
