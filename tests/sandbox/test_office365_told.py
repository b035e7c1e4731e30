"""Stories in Outlook that Graph tells in a roundabout way: what Ana's mailbox in the sandbox goes through, read as a feed, stands in
the timeline as it was."""

from __future__ import annotations

import httpx
import pytest

from adapters.http import Throttle
from adapters.memory.buckets import MemoryBuckets
from adapters.memory.grants import MemoryGrants
from adapters.office365 import calling
from adapters.office365.source import Days, Office365Feed
from domain.outside import Grant, Link
from tests.calling import OFFICE365, Clock
from tests.engine import Engine
from tests.examples import connected, stage
from tests.sandbox.office365_world import ANA, BO, CEM, Json, Office, at, guests, plain, repeating, request_of

A_DAY = 24 * 60
MONDAYS = repeating("weekly", count=4, daysOfWeek=["monday"])
NINTH, SIXTEENTH, TWENTY_THIRD, THIRTIETH = (f"2026-03-{day}Z" for day in ("09T09:00:00", "16T09:00:00", "23T09:00:00", "30T08:00:00"))


class Told:
    """An office, Ana's mailbox in it as a feed, and an engine that is told what it says."""

    def __init__(self, days: Days = Days()) -> None:  # noqa: B008 - a tuple that nobody can change
        self.office = Office()
        self.calendar = self.office.get("/me/calendar?$select=id,name").body["id"]
        clock, grants = Clock(), MemoryGrants()
        grants.put(Grant(link=OFFICE365, id="g", access="s", calendar=self.calendar, address=ANA))
        http = httpx.Client(transport=httpx.MockTransport(self._answer))
        api = calling.api(http, self, Throttle(MemoryBuckets(), clock, clock.sleep), "http://127.0.0.1:8080/v1.0")
        self.feed = Office365Feed(api, grants, days)
        outlooks = connected(provider="office365", calendar=self.calendar)
        self.engine = Engine().tell(*[outlooks if e["type"] == outlooks["type"] else e for e in stage()])
        self.place: str | None = None

    def _answer(self, request: httpx.Request) -> httpx.Response:
        headers = {name.lower(): value for name, value in request.headers.items()}
        answer = self.office.outlook.answer(request_of(request.method, str(request.url), headers, request.content))
        return httpx.Response(answer.status, headers=dict(answer.headers), content=answer.body)

    # --- `Access`

    def bearer(self, link: Link) -> str:
        """A token for a test, without a login."""
        return self.office.outlook.token(ANA)

    def refused(self, link: Link, bearer: str) -> None:
        """The next is another one anyway."""

    # --- what happens

    def later(self, minutes: int = 1) -> Told:
        """Time passes."""
        self.office.later(minutes)
        self.office.tokens = {address: self.office.outlook.token(address) for address in self.office.tokens}
        return self

    def read(self) -> Told:
        """Read what is new, and tell it."""
        for pulled in self.feed.pull(OFFICE365, self.place, self.office.world.now()):
            assert pulled.refused == []
            self.engine.tell(*pulled.events)
            self.place = pulled.next or self.place
        return self

    def patch(self, event: Json, **changes: object) -> None:
        """Ana changes it in Outlook."""
        assert self.office.patch(f"/me/events/{event['id']}", changes).status == 200
        self.later()

    def occurrences(self, series: Json) -> list[Json]:
        """All of a series in spring."""
        spring = "startDateTime=2026-03-01T00:00:00Z&endDateTime=2026-06-01T00:00:00Z"
        return list(self.office.get(f"/me/events/{series['id']}/instances?{spring}").body["value"])

    def shown(self) -> list[tuple[str, str]]:
        """When, and whether it is on."""
        return [(start, status) for _, start, status in self.engine.shown()]


def on(*starts: str) -> list[tuple[str, str]]:
    """These, none of them cancelled."""
    return [(start, "confirmed") for start in starts]


def half_an_hour(text: str) -> Json:
    """From then on, in Paris."""
    return {"start": at(f"{text}:00:00"), "end": at(f"{text}:30:00")}


@pytest.mark.parametrize("minutes", [1, A_DAY], ids=["in a round of changes", "in a new round"])
def test_a_series_made_a_single_meeting_in_outlook_is_on(minutes: int) -> None:
    told = Told()
    series = told.office.event(attendees=guests(BO), recurrence=MONDAYS)
    told.read().later(minutes)
    told.patch(series, recurrence=None)
    assert told.read().shown() == on(NINTH)
    told.patch(series, subject="Still on")
    assert [title for title, *_ in told.read().engine.shown()] == ["Still on"]
    told.office.delete(f"/me/events/{series['id']}")
    assert told.later().read().shown() == [(NINTH, "cancelled")]


def test_an_occurrence_that_was_moved_is_called_what_its_series_is_called_later() -> None:
    told = Told()
    series = told.office.event(attendees=guests(BO), recurrence=MONDAYS)
    _, moved, named, _ = told.occurrences(series)
    told.patch(moved, **half_an_hour("2026-03-17T10"))
    told.patch(named, subject="Other room")
    before = told.office.get(f"/me/events/{moved['id']}").body
    told.read().patch(series, subject="Renamed")
    after = told.office.get(f"/me/events/{moved['id']}").body
    assert (before["changeKey"] == after["changeKey"], before["lastModifiedDateTime"] < after["lastModifiedDateTime"]) == (False, True)
    assert told.read().engine.titles() == ["Renamed", "Renamed", "Other room", "Renamed"]


def test_an_occurrence_that_the_window_leaves_behind_was_moved_and_is_on() -> None:
    told = Told(Days(2, 365))
    series = told.office.event(attendees=guests(BO), recurrence=MONDAYS)
    _, second, third, _ = told.occurrences(series)
    told.patch(second, **half_an_hour("2026-03-13T10"))
    told.patch(third, subject="Other room")
    expected = on(NINTH, "2026-03-13T09:00:00Z", TWENTY_THIRD, THIRTIETH)
    assert told.read().shown() == expected
    assert told.later(14 * A_DAY).read().shown() == expected


def test_an_occurrence_that_was_moved_behind_the_far_edge_of_the_window_is_on_from_the_beginning() -> None:
    told = Told(Days(2, 15))
    series = told.office.event(attendees=guests(BO), recurrence=MONDAYS)
    told.patch(told.occurrences(series)[1], **half_an_hour("2026-03-20T10"))
    expected = on(NINTH, "2026-03-20T09:00:00Z", TWENTY_THIRD, THIRTIETH)
    assert told.read().shown() == expected
    assert told.later(4 * A_DAY).read().shown() == expected


def test_an_occurrence_that_was_deleted_is_cancelled_wherever_the_window_goes() -> None:
    told = Told(Days(2, 365))
    series = told.office.event(attendees=guests(BO), recurrence=MONDAYS)
    told.office.delete(f"/me/events/{told.occurrences(series)[1]['id']}")
    expected = [*on(NINTH), (SIXTEENTH, "cancelled"), *on(TWENTY_THIRD, THIRTIETH)]
    assert told.later().read().shown() == expected
    assert told.later(4 * A_DAY).read().shown() == expected


def test_what_was_moved_far_away_while_the_window_moved_is_on() -> None:
    told = Told()
    meeting = told.office.event(attendees=guests(BO))
    assert told.read().shown() == on(NINTH)
    told.later().patch(meeting, **half_an_hour("2028-03-13T10"))
    assert told.later(A_DAY).read().shown() == on("2028-03-13T09:00:00Z")


def test_an_invitation_is_no_tentative_meeting_and_the_guests_answer_is_his() -> None:
    told = Told()
    assert told.office.post("/me/events", plain(attendees=guests(ANA, BO)), who=CEM).status == 201
    (mine,) = told.office.get("/me/events").body["value"]
    assert (mine["showAs"], told.read().shown()) == ("tentative", on(NINTH))
    told.later().office.post(f"/me/events/{mine['id']}/accept", {"sendResponse": False})
    told.later().read()
    (entry,) = told.engine.timeline()
    assert {p["email"]: p["participationStatus"] for p in entry["participants"]}[ANA] == "accepted"
