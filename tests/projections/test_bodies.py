"""Bodies are put together from pieces of JSON: they are what encoding their types gives, whatever is written in them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec
import pytest

from adapters.memory.views import MemoryViews
from domain.events import Exception_, MeetingCancelled, View
from domain.recurrence import instant
from projections import meeting_view
from projections.contact_timeline import Entry
from tests.projections.scripted import BEGAN, DAY, Log, eventful, key, series, shown, single, token

AWKWARD = 'a "quote", a back\\slash, a line\nbreak, {braces}, %s, é, 会议 and \u2028'


def bodies(log: Log, kind: str) -> list[bytes]:
    """The bodies of all rows of a kind that the log comes to."""
    views = MemoryViews()
    log.fold_into(views)
    rows: list[Any] = [row for row in views.rows() if row[0] == kind]
    return [row[-1] for row in rows]


def awkward() -> View:
    """A meeting in which whatever a side or a contact's id can say is hard to write."""
    texts = dict.fromkeys(("title", "location", "conference_url"), AWKWARD)
    one = shown(**texts, contacts=(AWKWARD,), matched={key("bo"): AWKWARD})
    return single(one, origin=AWKWARD, companies=(AWKWARD,), deals=("1",), tickets=("2", AWKWARD))


def cancelled_by_halves() -> View:
    """A series with an exception of its own, cancelled from some time on."""
    moved = Exception_(instant(datetime(2026, 3, 16, 10), "Europe/Paris"), shown("Moved", "2026-03-17T15:00:00"))
    return series(shown("Weekly"), "FREQ=WEEKLY;COUNT=4", exceptions=(moved,), cancelled_from=BEGAN + 10 * DAY)


VIEWS = [
    pytest.param(single(shown()), id="a single meeting"),
    pytest.param(single(shown(guests="di", contacts=("151",))), id="a contact who is no guest any more"),
    pytest.param(single(shown(guests="", contacts=("151",), location=None)), id="nothing but a time"),
    pytest.param(single(shown(at="2026-03-09T00:00:00", all_day=True, duration="P1D")), id="all-day"),
    pytest.param(single(shown(time_zone=None)), id="floating"),
    pytest.param(single(shown(contacts=("9",), matched={key("ana"): "9"})), id="the organiser is the contact"),
    pytest.param(cancelled_by_halves(), id="a series, cancelled by halves"),
    pytest.param(awkward(), id="awkward texts"),
]


@pytest.mark.parametrize("view", VIEWS)
def test_an_entry_is_written_as_its_type_is_encoded(view: View) -> None:
    log = Log()
    log.shows("a", view, MeetingCancelled)
    found = bodies(log, "entry")
    assert found
    assert found == [msgspec.json.encode(msgspec.json.decode(body, type=Entry)) for body in found]


@pytest.mark.parametrize("view", VIEWS)
def test_a_meeting_is_written_as_its_type_is_encoded(view: View) -> None:
    log = Log()
    log.shows("a", view, MeetingCancelled)
    (found,) = bodies(log, "meeting")
    assert found == msgspec.json.encode(msgspec.json.decode(found, type=meeting_view.Body))


def test_awkward_texts_come_back_as_they_were() -> None:
    log = Log()
    log.shows("a", awkward())
    (entry,) = [msgspec.json.decode(body, type=Entry) for body in bodies(log, "entry")]
    assert (entry.title, entry.location, entry.contact, entry.participants[0].contact) == (AWKWARD,) * 4
    assert (entry.origin, entry.associations.tickets) == (AWKWARD, ("2", AWKWARD))


def test_occurrences_that_were_cancelled_say_so_and_no_other_does() -> None:
    log = Log()
    log.shows("s", cancelled_by_halves())
    entries = sorted((msgspec.json.decode(body, type=Entry) for body in bodies(log, "entry")), key=lambda entry: entry.start)
    assert [(entry.title, entry.start[:10], entry.status) for entry in entries] == [
        ("Weekly", "2026-03-09", "confirmed"),
        ("Moved", "2026-03-17", "cancelled"),
        ("Weekly", "2026-03-23", "cancelled"),
        ("Weekly", "2026-03-30", "cancelled"),
    ]


def test_whatever_happens_bodies_are_written_as_their_types_are_encoded() -> None:
    log, _ = eventful()
    found = bodies(log, "entry")
    assert len(found) > 100
    assert found == [msgspec.json.encode(msgspec.json.decode(body, type=Entry)) for body in found]
    assert token("bo") not in b"".join(found).decode()
