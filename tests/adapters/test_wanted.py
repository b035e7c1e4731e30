"""What is written is read back as what was meant, so that it is never written again: for any meeting, at Google and at Outlook."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters import wanted
from adapters.google import calling as google
from adapters.google.writer import GoogleWriter
from adapters.office365 import calling as office365
from adapters.office365.writer import Office365Writer
from domain.events import Content, Guest
from domain.outside import Link, Request, Writer
from tests.examples import ANA
from tests.outgoing import GOOGLE, OFFICE365, PEOPLE, PROPOSAL, api, request

ZONES = st.sampled_from([None, "UTC", "Europe/Paris", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "Etc/GMT-3"])
# Blanks alone are no title to anybody, and a control character is taken out on the way in.
SIGNS = st.characters(min_codepoint=33, max_codepoint=0x2FFF, exclude_categories=("Cc", "Cs", "Z"))
TEXTS = st.none() | st.text(SIGNS, min_size=1, max_size=30)
RULES = st.sampled_from([(), (), ("FREQ=DAILY;COUNT=5",), ("FREQ=WEEKLY;COUNT=3",), ("FREQ=MONTHLY;BYMONTHDAY=-1",)])
LENGTHS = st.sampled_from(["PT0S", "PT45M", "PT1H30M", "PT25H"])


@st.composite
def contents(draw: st.DrawFn) -> Content:
    """A timed meeting or a whole day, single or a series."""
    start = datetime(2026, 1, 1) + timedelta(minutes=15 * draw(st.integers(0, 365 * 96)))
    all_day, rules = draw(st.booleans()), draw(RULES)
    if rules and "-1" in rules[0]:
        start = start.replace(month=1, day=31)
    return Content(
        start=start.replace(hour=0, minute=0) if all_day else start,
        duration=draw(st.sampled_from(["P1D", "P3D"])) if all_day else draw(LENGTHS),
        title=draw(TEXTS),
        location=draw(TEXTS),
        conference_url=draw(st.none() | st.just("https://meet.example/a")),
        time_zone=None if all_day else draw(ZONES),
        all_day=all_day,
        tentative=draw(st.booleans()),
        guests=(Guest("t-ana", owner=True), Guest("t-bo")),
        rules=rules,
    )


class Keeper:
    """A calendar that keeps the one event it is given, and shows it as it is; a change to it fails."""

    def __init__(self, **seen: Any) -> None:
        self._seen = seen
        self.event: dict[str, Any] = {}

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            self.event = json.loads(request.content) | self._seen
            return httpx.Response(201, json=self.event)
        assert request.method == "GET"
        listed = request.url.path.endswith("events")
        return httpx.Response(200, json={"items": [], "value": []} if listed else self.event)


OUTLOOK = {
    "id": "e1",
    "changeKey": "k1",
    "createdDateTime": "2026-01-01T00:00:00Z",
    "lastModifiedDateTime": "2026-01-01T00:00:00Z",
    "organizer": {"emailAddress": {"address": ANA}},
    "isOrganizer": True,
}
GOOGLES = {
    "id": "e1",
    "etag": '"1"',
    "created": "2026-01-01T00:00:00Z",
    "updated": "2026-01-01T00:00:00Z",
    "organizer": {"email": ANA, "self": True},
}


def repeated(writer: Writer, link: Link, content: Content) -> bool:
    """Is anything written by asking for the very same, whole, after it was created?"""
    plain: dict[str, Any] = {"id": "0" * 32, "link": link, "meeting": request().meeting, "content": content, "invite": True}
    writer.write(Request(action="create", **plain), PEOPLE)
    return writer.write(Request(action="update", copy="e1", changed=wanted.FIELDS, **plain), PEOPLE).called


@given(content=contents())
def test_at_google(content: Content) -> None:
    assert repeated(GoogleWriter(api(google.api, Keeper(**GOOGLES))), GOOGLE, content) is False


@given(content=contents())
def test_at_outlook(content: Content) -> None:
    assert repeated(Office365Writer(api(office365.api, Keeper(**OUTLOOK))), OFFICE365, content) is False


@pytest.mark.parametrize(
    ("guests", "organiser", "addresses"),
    [
        pytest.param((Guest("t-bo"), Guest("t-cy")), False, ["bo@client.example", "cy@buyer.example"], id="in order"),
        pytest.param((Guest("t-bo"), Guest("t-bo", "accepted")), False, ["bo@client.example"], id="each once"),
        pytest.param((Guest("t-gone"), Guest("unknown")), False, [], id="without those nobody knows any more"),
        pytest.param((Guest("t-ana", owner=True), Guest("t-bo")), False, ["bo@client.example"], id="without the organiser"),
        pytest.param((Guest("t-ana", owner=True),), True, [ANA], id="with the organiser"),
        pytest.param((Guest("t-ana", owner=True, attendee=False),), True, [], id="an organiser who is no guest"),
    ],
)
def test_who_is_a_guest(guests: tuple[Guest, ...], organiser: bool, addresses: list[str]) -> None:
    content = Content(PROPOSAL.start, "PT1H", guests=guests)
    assert [address for _, address, _ in wanted.guests(content, PEOPLE, organiser)] == addresses


def test_what_could_not_be_read_counts_as_not_said() -> None:
    assert wanted.unsaid(PROPOSAL, wanted.FIELDS, {}, PROPOSAL.location) == {"title", "time", "place"}
