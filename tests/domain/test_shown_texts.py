"""Texts that readers are shown, whoever told them: nothing in them that cannot be seen, and no link that is none."""

from __future__ import annotations

import json
from typing import Any

import pytest

from domain.source_events import SourceEvent, read
from tests.examples import BO, contact, meeting


def told(event: dict[str, Any]) -> Any:
    """The data that is read of this event."""
    found = read(json.dumps(event).encode())
    assert isinstance(found, SourceEvent)
    return found.data


TEXTS: list[Any] = [
    pytest.param("Kick-off", "Kick-off", id="plain"),
    pytest.param("", "", id="empty"),
    pytest.param(None, None, id="none"),
    pytest.param("Kick\x00-\x07off\x7f\x85", "Kick-off", id="control characters"),
    pytest.param("one\r\n\ttwo", "one\n\ttwo", id="lines and tabs stay"),
    pytest.param("\u202egpj.exe\u202c", "gpj.exe\u202c", id="what turns the writing round"),
    pytest.param("\u202dabc", "abc", id="and what turns it back"),
    pytest.param("\u2067\u05e9\u05dc\u05d5\u05dd\u2069 \u200fx", "\u2067\u05e9\u05dc\u05d5\u05dd\u2069 \u200fx", id="what Hebrew needs"),
    pytest.param(
        "\U0001f468\u200d\U0001f469\u200d\U0001f467 \u00fc\u00a0\u65e5",
        "\U0001f468\u200d\U0001f469\u200d\U0001f467 \u00fc\u00a0\u65e5",
        id="joined",
    ),
    pytest.param("\ue000k.t\ue001", "\ue000k.t\ue001", id="our own marks"),
]


@pytest.mark.parametrize(("said", "shown"), TEXTS)
@pytest.mark.parametrize("field", ["title", "description", "location"])
def test_a_meetings_text_is_kept_but_for_what_cannot_be_seen(field: str, said: str | None, shown: str | None) -> None:
    texts: dict[str, Any] = {field: said}
    assert getattr(told(meeting(**texts)), field) == shown


@pytest.mark.parametrize(("said", "shown"), TEXTS)
def test_so_is_a_name(said: str | None, shown: str | None) -> None:
    guest = {"email": BO, "name": said, "roles": {"attendee": True}, "participationStatus": "accepted"}
    kept = told(meeting(participants={"2": guest})).participants["2"]
    assert (kept.name, kept.email, kept.roles.attendee, kept.participation_status) == (shown, BO, True, "accepted")
    merged = {"type": "rendezvous.contact.merged.v1", "data": {"merged": ["1"], "email": BO, "name": said, "company": said}}
    for event in (contact("151", BO) | {"data": {"email": BO, "name": said, "company": said}}, contact("151", BO) | merged):
        data = told(event)
        assert (data.name, data.company, data.email) == (shown, shown, BO)


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        pytest.param("https://meet.example/a?b=c#d", "https://meet.example/a?b=c#d", id="a link"),
        pytest.param("HTTP://meet.example", "HTTP://meet.example", id="in capitals"),
        pytest.param(" https://meet.example/a\n", "https://meet.example/a", id="between blanks"),
        pytest.param("https://meet.example/\u202ea\x00", "https://meet.example/a", id="with what cannot be seen"),
        pytest.param("https://meet.example/\ue000k.t\ue001", "https://meet.example/\ue000k.t\ue001", id="with an address that is sealed"),
        pytest.param("javascript:alert(1)", None, id="a script"),
        pytest.param("java\x00script:https://x", None, id="a script in disguise"),
        pytest.param("data:text/html,x", None, id="data"),
        pytest.param("https://a\"onclick='x'", None, id="a way out of an attribute"),
        pytest.param("tel:+331234", None, id="a telephone"),
        pytest.param("meet.example/a", None, id="no scheme"),
        pytest.param("", None, id="empty"),
        pytest.param(None, None, id="none"),
    ],
)
def test_a_conference_is_a_link_or_nothing(said: str | None, shown: str | None) -> None:
    data = told(meeting(conferenceUrl=said))
    assert (data.conference_url, data.title) == (shown, "Kick-off")


def test_what_was_read_is_the_same_when_it_is_read_again() -> None:
    first = told(meeting(title="a\x00b\u202e", description="c\r\nd", conferenceUrl=" https://x.example "))
    again = told(meeting(title=first.title, description=first.description, conferenceUrl=first.conference_url))
    assert again == first


def test_ids_and_addresses_are_what_they_are() -> None:
    found = read(json.dumps(meeting() | {"id": "a\u202eb", "subject": "c\u202ed"}).encode())
    assert isinstance(found, SourceEvent)
    assert (found.id, found.subject) == ("a\u202eb", "c\u202ed")
