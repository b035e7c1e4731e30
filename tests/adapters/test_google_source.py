"""Google's calendar as a feed, against a calendar that a test plays: pages, tokens that are lost, and what must be read by id."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest
import stamina

from adapters.google import calling
from adapters.google.source import SAID_AT_ONCE, GoogleFeed
from adapters.google.translate import public, translate
from adapters.google.watching import LIFE_MS, GoogleWatch
from domain import source_events
from domain.errors import Deauthorised, Refused, TryAgain
from domain.outside import Pulled
from tests.calling import GOOGLE, NOW, Handler, Provider, granted, ok, query, script

BASE = "https://google.example/calendar/v3/"
EVENTS = "/calendar/v3/calendars/ana@acme.example/events"


@pytest.fixture(autouse=True)
def _in_no_time() -> Iterator[None]:
    """Retries wait for nobody."""
    with stamina.set_testing(True, attempts=4):
        yield


ANA = {"email": "ana@acme.example", "self": True, "organizer": True, "responseStatus": "accepted"}
BO = {"email": "bo@client.example", "responseStatus": "needsAction"}


def event(id: str = "e1", **changed: Any) -> dict[str, Any]:
    plain = {
        "kind": "calendar#event",
        "etag": f'"{id}-1"',
        "id": id,
        "status": "confirmed",
        "created": "2026-03-02T08:00:00.000Z",
        "updated": "2026-03-02T08:00:01.000Z",
        "summary": "Kick-off",
        "iCalUID": f"{id}@google.com",
        "organizer": {"email": "ana@acme.example", "self": True},
        "attendees": [ANA, BO],
        "start": {"dateTime": "2026-03-09T10:00:00+01:00", "timeZone": "Europe/Paris"},
        "end": {"dateTime": "2026-03-09T11:00:00+01:00", "timeZone": "Europe/Paris"},
    }
    return plain | changed


def tombstone(id: str, etag: str = '"gone"') -> dict[str, Any]:
    return {"kind": "calendar#event", "id": id, "etag": etag, "status": "cancelled"}


def page(*items: object, **about: Any) -> httpx.Response:
    return ok({"kind": "calendar#events", "updated": "2026-03-02T08:59:00.000Z", "timeZone": "Europe/Paris", "items": [*items]} | about)


def feed(handler: Handler) -> tuple[GoogleFeed, Provider]:
    provider = Provider(handler)
    return GoogleFeed(calling.api(provider.http, provider.access, provider.throttle, BASE), granted(GOOGLE)), provider


def pulled(handler: Handler, value: str | None = None) -> tuple[list[Pulled], Provider]:
    pulling, provider = feed(handler)
    return list(pulling.pull(GOOGLE, value, NOW)), provider


def events(pages: list[Pulled]) -> list[dict[str, Any]]:
    return [event for page in pages for event in [*map(public, page.examined), *page.events]]


def ids(pages: list[Pulled]) -> list[str]:
    return [str(event["id"]) for event in events(pages)]


def error(code: int, reason: str) -> httpx.Response:
    return httpx.Response(code, json={"error": {"code": code, "errors": [{"domain": "calendar", "reason": reason}]}})


# --- all of it --------------------------------------------------------------------------------------------------------


def test_a_first_read_tells_every_page_and_then_what_it_held() -> None:
    pages, provider = pulled(
        script(page(event("e1"), nextPageToken="p2"), page(nextPageToken="p3"), page(event("e2"), tombstone("e3"), nextSyncToken="t1"))
    )
    assert [e["type"].split(".", 1)[1] for e in events(pages)] == [
        "meeting.created.v1",
        "meeting.created.v1",
        "meeting.deleted.v1",
        "calendar.listed.v1",
    ]
    listed = events(pages)[-1]
    assert (listed["data"]["ids"], listed["data"]["complete"], listed["time"]) == (["e1", "e2"], True, "2026-03-02T09:00:00.000Z")
    assert [(p.last, p.next) for p in pages if p.last or p.next] == [(True, "t1")]
    assert [query(r) for r in provider.asked] == [
        {"singleEvents": "false", "showDeleted": "true", "maxResults": "2500", "alt": "json"} | more
        for more in ({}, {"pageToken": "p2"}, {"pageToken": "p3"})
    ]


def test_a_long_page_is_told_as_shorter_ones_and_held_whole() -> None:
    names = [f"e{number:04}" for number in range(2 * SAID_AT_ONCE + 1)]
    cut_short = event(names[0], attendeesOmitted=True)
    whole = page(cut_short, *map(event, names[1:]), nextSyncToken="t1")
    pages, provider = pulled(script(whole, ok(event(names[0]))))
    assert [(len(page.examined), len(page.events)) for page in pages] == [(SAID_AT_ONCE - 1, 0), (SAID_AT_ONCE, 0), (1, 0), (1, 0), (0, 1)]
    assert [event["subject"] for event in events(pages)[:-1]] == [*names[1:], names[0]]
    assert events(pages)[-1]["data"]["ids"] == names
    assert provider.paths() == [f"GET {EVENTS}", f"GET {EVENTS}/{names[0]}"]


def test_what_is_told_is_as_the_log_reads_it() -> None:
    body = {"items": [event("e1"), event("e2", start={"date": "soon"}), tombstone("e3")]}
    pages, _ = pulled(script(page(*body["items"], nextSyncToken="t1")))
    said = translate([page(*body["items"]).json()], account="62515", user="501", calendar="ana@acme.example")
    assert [page.examined for page in pages] == [[source_events.read(msgspec.json.encode(event)) for event in said.events], ()]
    assert len(pages[0].examined) == 2


def test_an_empty_calendar_is_listed_as_empty() -> None:
    pages, _ = pulled(script(page(nextSyncToken="t1")))
    assert [(e["data"]["ids"], e["data"]["from"], e["data"]["to"]) for e in events(pages)] == [
        ([], "1970-01-01T00:00:00.000Z", "2100-01-01T00:00:00.000Z")
    ]


def test_an_event_that_cannot_be_said_is_held_all_the_same() -> None:
    pages, _ = pulled(script(page(event("e1", start={"date": "soon"}), nextSyncToken="t1")))
    assert events(pages)[-1]["data"]["ids"] == ["e1"]
    assert [page.refused for page in pages if page.refused] == [[("e1", "start.date: not a day that any calendar knows")]]


def test_the_same_state_has_the_same_ids_however_often_it_is_read() -> None:
    first, _ = pulled(script(page(event("e1"), tombstone("e2"), nextSyncToken="t1")))
    again, _ = pulled(script(page(event("e1"), tombstone("e2"), nextSyncToken="t2")))
    assert (ids(first), len(ids(first))) == (ids(again), 3)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param((page(event("e1"), nextSyncToken="t1", updated="2026-03-02T09:00:00Z"), None), id="the calendar was touched since"),
        pytest.param((page(event("e1", etag='"e1-2"'), nextSyncToken="t1"), None), id="one of it changed"),
        pytest.param((page(event("e1"), nextSyncToken="t1"), "t0"), id="another token was lost"),
    ],
)
def test_another_listing_of_the_same_ids_is_another(other: tuple[httpx.Response, str | None]) -> None:
    first, _ = pulled(script(page(event("e1"), nextSyncToken="t1")))
    answer, token = other
    answers = [error(410, "fullSyncRequired"), answer] if token else [answer]
    second, _ = pulled(script(*answers), token)
    assert events(first)[-1]["data"] == events(second)[-1]["data"]
    assert ids(first)[-1] != ids(second)[-1]


# --- what changed -----------------------------------------------------------------------------------------------------


def test_changes_are_read_with_the_token_and_are_no_listing() -> None:
    pages, provider = pulled(script(page(event("e1"), nextPageToken="p2"), page(event("e2"), nextSyncToken="t2")), "t1")
    assert [e["subject"] for e in events(pages)] == ["e1", "e2"]
    assert [(query(r)["syncToken"], query(r).get("pageToken")) for r in provider.asked] == [("t1", None), ("t1", "p2")]
    assert pages[-1] == Pulled([], [], "t2", last=True)


@pytest.mark.parametrize("code", [pytest.param(410, id="lost"), pytest.param(400, id="never good")])
def test_a_token_that_is_lost_is_answered_by_reading_all(code: int) -> None:
    pages, provider = pulled(script(error(code, "fullSyncRequired"), page(event("e1"), nextSyncToken="t2")), "t1")
    assert [e["type"] for e in events(pages)] == ["rendezvous.meeting.created.v1", "rendezvous.calendar.listed.v1"]
    assert [query(r).get("syncToken") for r in provider.asked] == ["t1", None]
    assert pages[-1].next == "t2"


def test_a_token_may_be_lost_between_two_pages() -> None:
    answers = [page(event("e1"), nextPageToken="p2"), error(410, "fullSyncRequired"), page(event("e1"), event("e2"), nextSyncToken="t2")]
    pages, _ = pulled(script(*answers), "t1")
    assert [e["subject"] for e in events(pages)] == ["e1", "e1", "e2", "ana@acme.example"]
    assert events(pages)[-1]["data"]["ids"] == ["e1", "e2"]


def test_a_listing_that_breaks_off_says_nothing_of_what_is_gone() -> None:
    reading, _ = feed(script(page(event("e1"), nextPageToken="p2"), error(410, "fullSyncRequired")))
    pages = reading.pull(GOOGLE, None, NOW)
    assert [e.subject for e in next(pages).examined] == ["e1"]
    with pytest.raises(TryAgain, match="google lost the listing's place"):
        list(pages)


# --- read by id -------------------------------------------------------------------------------------------------------


def test_a_guest_list_that_was_cut_short_is_read_whole() -> None:
    short = event("e1", attendees=[ANA], attendeesOmitted=True)
    pages, provider = pulled(script(page(short, nextSyncToken="t2"), ok(event("e1"))), "t1")
    assert [len(e["data"]["participants"]) for e in events(pages)] == [2]
    assert provider.paths()[1] == f"GET {EVENTS}/e1"


def test_a_deletion_is_read_once_more_by_id() -> None:
    record = event("e1", status="cancelled", etag='"e1-2"', updated="2026-03-02T08:30:00.000Z")
    pages, _ = pulled(script(page(tombstone("e1", '"e1-2"'), nextSyncToken="t2"), ok(record)), "t1")
    assert [(e["type"], e["data"].get("status")) for e in events(pages)] == [
        ("rendezvous.meeting.deleted.v1", None),
        ("rendezvous.meeting.updated.v1", "cancelled"),
    ]


@pytest.mark.parametrize("answer", [pytest.param(error(404, "notFound"), id="not there"), pytest.param(error(410, "deleted"), id="gone")])
def test_a_deletion_of_which_nothing_is_left_stands_as_it_is(answer: httpx.Response) -> None:
    pages, _ = pulled(script(page(tombstone("e1"), nextSyncToken="t2"), answer), "t1")
    assert [e["type"] for e in events(pages)] == ["rendezvous.meeting.deleted.v1"]


def test_a_removed_occurrence_says_of_which_series_it_was() -> None:
    gone = tombstone("s1_20260316T090000Z") | {
        "recurringEventId": "s1",
        "originalStartTime": {"dateTime": "2026-03-16T10:00:00+01:00", "timeZone": "Europe/Paris"},
    }
    pages, _ = pulled(script(page(gone, nextSyncToken="t2"), error(404, "notFound")), "t1")
    (said,) = events(pages)
    assert (said["data"]["provenance"]["seriesId"], said["data"]["provenance"]["originalStart"]) == ("s1", "2026-03-16T09:00:00Z")


def test_between_two_hundred_reads_there_are_signs_of_life() -> None:
    gone = [tombstone(f"e{number}") for number in range(120)]
    pages, provider = pulled(script(page(*gone, nextSyncToken="t2"), *[error(404, "notFound")] * 120), "t1")
    assert (len(provider.asked), [len(p.examined) for p in pages]) == (121, [120, 0, 0, 0, 0])


# --- what goes wrong --------------------------------------------------------------------------------------------------


def test_without_a_grant_nothing_is_asked() -> None:
    provider = Provider(script())
    reading = GoogleFeed(calling.api(provider.http, provider.access, provider.throttle, BASE), granted())
    with pytest.raises(Deauthorised):
        list(reading.pull(GOOGLE, None, NOW))


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        pytest.param(error(403, "insufficientPermissions"), Deauthorised, id="the consent does not go that far"),
        pytest.param(error(403, "userRateLimitExceeded"), TryAgain, id="too many requests, said as forbidden"),
        pytest.param(error(403, "quotaExceeded"), Refused, id="a limit that does not pass"),
        pytest.param(error(404, "notFound"), Refused, id="no such calendar"),
        pytest.param(page(event("e1")), TryAgain, id="a last page without a token"),
    ],
)
def test_what_goes_wrong_is_named(answer: httpx.Response, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        pulled(lambda _: answer, "t1")


def test_two_limits_are_asked_before_each_request() -> None:
    pages, provider = pulled(script(page(nextSyncToken="t1")))
    assert provider.buckets.take("google:user:62515:501", 9.0, 50.0, NOW, 50.0) > 0
    assert provider.buckets.take("google:project", 155.0, 600.0, NOW, 600.0) > 0
    assert len(pages) == 2


# --- channels ---------------------------------------------------------------------------------------------------------


def watch(handler: Handler) -> tuple[GoogleWatch, Provider]:
    provider = Provider(handler)
    return GoogleWatch(calling.api(provider.http, provider.access, provider.throttle, BASE), granted(GOOGLE)), provider


def test_a_channel_is_opened_with_a_secret_of_its_own() -> None:
    opened, provider = watch(lambda _: ok({"resourceId": "r1", "expiration": str(NOW + 3_600_000)}))
    one, two = (opened.open(GOOGLE, "events", "https://us.example/v1/hooks/google", NOW) for _ in range(2))
    assert (one.resource, one.expires_at, one.made_at, one.state) == ("r1", NOW + 3_600_000, NOW, "active")
    assert len({one.id, two.id, one.secret, two.secret}) == 4
    asked = [httpx.Response(200, content=request.content).json() for request in provider.asked]
    assert [(a["id"], a["token"], a["type"], a["address"], a["expiration"]) for a in asked] == [
        (c.id, c.secret, "web_hook", "https://us.example/v1/hooks/google", str(NOW + LIFE_MS)) for c in (one, two)
    ]
    assert provider.paths() == [f"POST {EVENTS}/watch"] * 2


def test_renewing_is_opening_another() -> None:
    opened, _ = watch(lambda _: ok({"resourceId": "r1"}))
    one = opened.open(GOOGLE, "events", "https://us.example/", NOW)
    two = opened.renew(one, "https://us.example/", NOW + 1000)
    assert (one.id == two.id, two.expires_at) == (False, NOW + 1000 + 86_400_000)


@pytest.mark.parametrize("answer", [httpx.Response(204), error(404, "notFound")], ids=["open", "gone"])
def test_closing_says_which_and_of_what(answer: httpx.Response) -> None:
    opened, provider = watch(script(ok({"resourceId": "r1"}), answer))
    channel = opened.open(GOOGLE, "events", "https://us.example/", NOW)
    opened.close(channel)
    assert httpx.Response(200, content=provider.asked[1].content).json() == {"id": channel.id, "resourceId": "r1"}
