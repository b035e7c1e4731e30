"""Outlook's calendar as a feed, against a mailbox that a test plays: rounds, windows, resets, and series that were told in part."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import httpx
import msgspec
import pytest
import stamina

from adapters.memory.grants import MemoryGrants
from adapters.office365 import calling
from adapters.office365.source import AROUND, Days, Office365Feed, Place
from adapters.office365.watching import LIFE_MS, Office365Watch
from domain.errors import Deauthorised, Refused, TryAgain
from domain.outside import Channel, Grant, Pulled
from tests.calling import NOW, OFFICE365, Handler, Provider, ok, query, script

BASE = "https://graph.example/v1.0/"
DELTA = f"{BASE}me/calendarView/delta"
URL = "https://us.example/v1/hooks/office365"
DAY = 86_400_000
CALENDAR = "AAMkAGI2TG93AAA="
"""The id that Graph gives a calendar says nothing of whose it is."""


@pytest.fixture(autouse=True)
def _in_no_time() -> Iterator[None]:
    """Retries wait for nobody."""
    with stamina.set_testing(True, attempts=4):
        yield


def stamp(text: str) -> dict[str, str]:
    return {"dateTime": f"{text}.0000000", "timeZone": "UTC"}


def event(id: str = "e1", **changed: Any) -> dict[str, Any]:
    plain = {
        "@odata.etag": f'W/"{id}-1"',
        "id": id,
        "changeKey": f"{id}-1",
        "type": "singleInstance",
        "createdDateTime": "2026-03-02T08:00:00.0000000Z",
        "lastModifiedDateTime": "2026-03-02T08:00:01.0000000Z",
        "iCalUId": f"uid-{id}",
        "subject": "Kick-off",
        "isAllDay": False,
        "start": stamp("2026-03-09T09:00:00"),
        "end": stamp("2026-03-09T10:00:00"),
        "originalStartTimeZone": "Romance Standard Time",
        "organizer": {"emailAddress": {"name": "Ana", "address": "ana@acme.example"}},
        "attendees": [{"type": "required", "emailAddress": {"address": "bo@client.example"}, "status": {"response": "none"}}],
    }
    return plain | changed


def series(id: str = "s1", weeks: int = 3, **changed: Any) -> dict[str, Any]:
    """On Mondays at ten in Paris, from 9 March."""
    pattern = {"type": "weekly", "interval": 1, "daysOfWeek": ["monday"], "firstDayOfWeek": "monday"}
    extent = {"type": "numbered", "startDate": "2026-03-09", "numberOfOccurrences": weeks, "recurrenceTimeZone": "Romance Standard Time"}
    return event(id, type="seriesMaster", recurrence={"pattern": pattern, "range": extent}, **changed)


def occurrence(day: str, series: str = "s1") -> dict[str, Any]:
    """As Graph's delta tells one: bare."""
    return {
        "@odata.type": "#microsoft.graph.event",
        "seriesMasterId": series,
        "type": "occurrence",
        "id": f"{series}-{day}",
        # Summer time begins on 29 March: none of these is after it.
        "start": stamp(f"2026-03-{day}T09:00:00"),
        "end": stamp(f"2026-03-{day}T10:00:00"),
    }


def removed(id: str) -> dict[str, Any]:
    return {"@odata.type": "#microsoft.graph.event", "id": id, "@removed": {"reason": "deleted"}}


def page(*items: object, next: str | None = None, delta: str | None = None) -> httpx.Response:
    links = {"@odata.nextLink": f"{DELTA}?$skiptoken={next}"} if next else {}
    links |= {"@odata.deltaLink": f"{DELTA}?$deltatoken={delta}"} if delta else {}
    return ok({"value": [*items], **links})


def error(status: int, code: str) -> httpx.Response:
    return httpx.Response(status, json={"error": {"code": code, "message": "No."}})


def feed(handler: Handler, days: Days = Days()) -> tuple[Office365Feed, Provider]:  # noqa: B008 - a tuple that nobody can change
    provider = Provider(handler)
    api = calling.api(provider.http, provider.access, provider.throttle, BASE)
    grants = MemoryGrants()
    grants.put(Grant(link=OFFICE365, id="g", access="secret", calendar=CALENDAR, address="ana@acme.example"))
    return Office365Feed(api, grants, days), provider


def pulled(handler: Handler, value: str | None = None, now: int = NOW) -> tuple[list[Pulled], Provider]:
    pulling, provider = feed(handler)
    return list(pulling.pull(OFFICE365, value, now)), provider


def place(token: str = "d1", now: int = NOW) -> str:
    low, high = feed(script())[0].window(OFFICE365, now)
    return msgspec.json.encode(Place(f"{DELTA}?$deltatoken={token}", low, high)).decode()


def events(pages: list[Pulled]) -> list[dict[str, Any]]:
    return [event for page in pages for event in page.events]


def told(pages: list[Pulled]) -> list[tuple[str, str]]:
    """What was said of what."""
    return [(str(e["type"]).removeprefix("rendezvous.").removesuffix(".v1"), e["subject"]) for e in events(pages)]


def ids(pages: list[Pulled]) -> list[str]:
    return [str(event["id"]) for event in events(pages)]


# --- a round ----------------------------------------------------------------------------------------------------------


def test_a_first_round_tells_all_pages_and_then_what_the_window_held() -> None:
    pages, provider = pulled(script(page(event("e1"), next="p2"), page(next="p3"), page(event("e2"), delta="d1")))
    assert told(pages) == [("meeting.created", "e1"), ("meeting.created", "e2"), ("calendar.listed", CALENDAR)]
    listed = events(pages)[-1]["data"]
    asked = query(provider.asked[0])
    assert (listed["ids"], listed["from"], listed["to"]) == (["e1", "e2"], asked["startDateTime"], asked["endDateTime"])
    assert [query(r).get("$skiptoken") for r in provider.asked] == [None, "p2", "p3"]
    assert [(p.last, p.next) for p in pages if p.last or p.next] == [(True, place("d1"))]


def test_every_request_of_a_round_asks_for_ids_that_stay_and_for_utc() -> None:
    _, provider = pulled(script(page(event("e1"), next="p2"), page(delta="d1")))
    assert {r.headers["Prefer"] for r in provider.asked} == {'IdType="ImmutableId", outlook.timezone="UTC", odata.maxpagesize=200'}


def test_between_two_pages_there_is_a_sign_of_life_before_anything_is_said() -> None:
    pulling, provider = feed(script(page(event("e1"), next="p2"), page(delta="d1")))
    reading = pulling.pull(OFFICE365, None, NOW)
    assert (next(reading), len(provider.asked)) == (Pulled([], []), 1)


def test_the_last_mention_of_an_item_counts() -> None:
    newer = event("e1", subject="Moved", changeKey="e1-2")
    pages, _ = pulled(script(page(event("e1"), next="p2"), page(newer, delta="d2")), place())
    assert [(e["subject"], e["data"]["title"]) for e in events(pages)] == [("e1", "Moved")]


def test_changes_are_read_from_the_delta_link_and_are_no_listing() -> None:
    pages, provider = pulled(answering(page(event("e1"), removed("e2"), delta="d2"), []), place("d1"))
    assert told(pages) == [("meeting.created", "e1"), ("meeting.deleted", "e2")]
    assert str(provider.asked[0].url) == f"{DELTA}?$deltatoken=d1"
    assert pages[-1].next == place("d2")


def test_a_removed_id_is_told_with_the_window_that_it_left() -> None:
    pages, _ = pulled(answering(page(removed("e2"), delta="d2"), []), place("d1"))
    low, high = feed(script())[0].window(OFFICE365, NOW)
    said = events(pages)[0]["data"]
    assert (said["to"] > said["from"], high - low) == (True, (90 + 365 + 1) * DAY)


@pytest.mark.parametrize(
    ("there", "instances", "said"),
    [
        pytest.param(event("e2", start=stamp("2029-03-09T09:00:00"), end=stamp("2029-03-09T10:00:00")), [], "created", id="later"),
        pytest.param(event("e2", start=stamp("2019-03-09T09:00:00"), end=stamp("2019-03-09T10:00:00")), [], "created", id="earlier"),
        pytest.param(series("e2"), [], "created", id="a series, all of it"),
        pytest.param(series("e2"), [occurrence("09", "e2")], "deleted", id="a series, not all of it"),
        pytest.param(event("e2"), [], "deleted", id="not at all, but into another calendar"),
        pytest.param(event("e2", start=None), [], "deleted", id="nobody knows"),
    ],
)
def test_what_only_left_the_window_is_told_as_it_is_now(there: dict[str, Any], instances: list[dict[str, Any]], said: str) -> None:
    pages, _ = pulled(answering(page(removed("e2"), delta="d2"), instances, e2=there), place("d1"))
    assert told(pages)[:1] == [(f"meeting.{said}", "e2")]


@pytest.mark.parametrize("value", [pytest.param(None, id="all of it"), pytest.param(place(), id="changes")])
def test_the_same_state_has_the_same_ids_however_often_it_is_read(value: str | None) -> None:
    items = [series(), occurrence("09"), occurrence("23"), removed("e2"), event("e1")]
    first, _ = pulled(answering(page(*items, delta="d7"), instances=[]), value)
    again, _ = pulled(answering(page(*reversed(items), delta="d8"), instances=[]), value)
    assert sorted(ids(first)) == sorted(ids(again))
    assert len(ids(first)) == len(set(ids(first))) >= 5


def answering(delta: httpx.Response, instances: list[dict[str, Any]], **events: dict[str, Any]) -> Handler:
    """A mailbox with one answer for its delta, one for every series' instances, and these events by id."""

    def handler(request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/v1.0/me/")
        if path == "calendarView/delta":
            return delta
        if path.endswith("/instances"):
            return ok({"value": instances})
        found = events.get(path.removeprefix("calendar/events/"))
        return ok(found) if found else error(404, "ErrorItemNotFound")

    return handler


# --- a new round ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(httpx.Response(410, headers={"Location": f"{DELTA}?$deltatoken="}), id="gone"),
        pytest.param(error(410, "SyncStateNotFound"), id="gone, with a reason"),
        pytest.param(error(400, "syncStateInvalid"), id="a bad request"),
        pytest.param(error(404, "ResyncRequired"), id="not found"),
    ],
)
def test_a_link_that_is_lost_is_answered_by_a_new_round(answer: httpx.Response) -> None:
    pages, provider = pulled(script(answer, page(event("e1"), delta="d2")), place())
    assert told(pages) == [("meeting.created", "e1"), ("calendar.listed", CALENDAR)]
    assert ["startDateTime" in query(r) for r in provider.asked] == [False, True]


def test_a_link_may_be_lost_between_two_pages_and_nothing_was_said_of_them() -> None:
    answers = [page(event("e1"), next="p2"), error(410, "SyncStateNotFound"), page(event("e2"), delta="d2")]
    pages, _ = pulled(script(*answers), place())
    assert told(pages) == [("meeting.created", "e2"), ("calendar.listed", CALENDAR)]


def test_a_new_round_that_is_lost_is_for_later() -> None:
    with pytest.raises(TryAgain, match="office365 lost the round's place"):
        pulled(script(page(event("e1"), next="p2"), error(410, "SyncStateNotFound")))


def test_a_window_of_yesterday_is_moved_by_a_new_round_after_what_changed_in_it_until_now() -> None:
    pages, provider = pulled(script(page(event("e2"), delta="d2"), page(event("e1"), delta="d3")), place("d1", NOW - DAY))
    assert told(pages) == [("meeting.created", "e2"), ("meeting.created", "e1"), ("calendar.listed", CALENDAR)]
    assert [set(query(r)) for r in provider.asked] == [{"$deltatoken"}, {"startDateTime", "endDateTime"}]
    assert [(p.last, p.next) for p in pages if p.last or p.next] == [(True, place("d3", NOW))]


def test_what_was_moved_beyond_the_window_of_yesterday_and_that_of_today_is_told() -> None:
    far = event("e1", changeKey="e1-2", start=stamp("2029-03-09T09:00:00"), end=stamp("2029-03-09T10:00:00"))

    def handler(request: httpx.Request) -> httpx.Response:
        if "$deltatoken" in query(request):
            return page(removed("e1"), delta="d2")
        return page(delta="d3") if "delta" in request.url.path else ok(far)

    pages, _ = pulled(handler, place("d1", NOW - DAY))
    assert [(e["subject"], e["data"].get("start")) for e in events(pages)] == [("e1", "2029-03-09T10:00:00"), (CALENDAR, None)]
    assert events(pages)[-1]["data"]["ids"] == []


@pytest.mark.parametrize("code", ["SyncStateNotFound", "ErrorInvalidRequest"])
def test_a_link_of_yesterday_that_is_good_no_more_keeps_no_window_from_moving(code: str) -> None:
    pages, _ = pulled(script(error(400, code), page(event("e1"), delta="d3")), place("d1", NOW - DAY))
    assert told(pages) == [("meeting.created", "e1"), ("calendar.listed", CALENDAR)]
    assert pages[-1].next == place("d3", NOW)


def test_a_link_of_today_that_is_refused_is_refused() -> None:
    with pytest.raises(Refused, match="400 ErrorInvalidRequest"):
        pulled(script(error(400, "ErrorInvalidRequest")), place("d1"))


def test_the_listings_of_two_rounds_are_two_though_they_hold_the_same() -> None:
    first, _ = pulled(script(page(delta="d2"), page(event("e1"), delta="d2")), place("d1", NOW - DAY))
    second, _ = pulled(script(page(delta="d3"), page(event("e1"), delta="d3")), place("d2", NOW - DAY))
    assert (ids(first)[0] == ids(second)[0], ids(first)[1] == ids(second)[1]) == (True, False)


def test_an_unreadable_cursor_begins_anew() -> None:
    pages, _ = pulled(script(page(delta="d2")), "of another release")
    assert told(pages) == [("calendar.listed", CALENDAR)]


# --- series -----------------------------------------------------------------------------------------------------------


def starts(pages: list[Pulled]) -> list[tuple[str, str]]:
    """Of each occurrence: whether it is there, and when it would start."""
    found = [(e["type"].split(".")[2], e["data"]["provenance"].get("originalStart")) for e in events(pages) if "ids" not in e["data"]]
    return sorted((kind, start) for kind, start in found if start)


def test_a_round_shows_by_silence_which_occurrence_was_cancelled() -> None:
    pages, provider = pulled(answering(page(series(), occurrence("09"), occurrence("23"), delta="d1"), instances=[]))
    assert starts(pages) == [("created", "2026-03-09T09:00:00Z"), ("created", "2026-03-23T09:00:00Z"), ("deleted", "2026-03-16T09:00:00Z")]
    assert events(pages)[-1]["data"]["ids"] == ["s1", "s1-09", "s1-23"]
    assert provider.paths()[1:] == ["GET /v1.0/me/events/s1/instances"]
    asked = [[datetime.fromisoformat(query(r)[name]) for name in ("startDateTime", "endDateTime")] for r in provider.asked]
    assert (asked[0][0] - asked[1][0], asked[1][1] - asked[0][1]) == (AROUND, AROUND)


def test_a_round_that_holds_all_that_its_series_makes_asks_for_no_more() -> None:
    _, provider = pulled(answering(page(series(), occurrence("09"), occurrence("16"), occurrence("23"), delta="d1"), instances=[]))
    assert len(provider.asked) == 1


@pytest.mark.parametrize("value", [pytest.param(None, id="all of it"), pytest.param(place(), id="changes")])
@pytest.mark.parametrize("day", ["2025-01-16", "2027-11-16"], ids=["before", "after"])
def test_an_occurrence_that_was_moved_out_of_the_window_is_not_cancelled(day: str, value: str | None) -> None:
    away = event("s1-16", type="exception", seriesMasterId="s1", originalStart="2026-03-16T09:00:00Z")
    away |= {"start": stamp(f"{day}T12:00:00"), "end": stamp(f"{day}T13:00:00")}

    def handler(request: httpx.Request) -> httpx.Response:
        if "delta" in request.url.path:
            return page(series(), occurrence("09"), delta="d1")
        low, high = (query(request)[name] for name in ("startDateTime", "endDateTime"))
        return ok({"value": [occurrence("09"), *([away] if low < day < high else [])]})

    pages, _ = pulled(handler, value)
    assert [(kind, start[:10]) for kind, start in starts(pages)] == [
        ("created", "2026-03-09"),
        ("created", "2026-03-16"),
        ("deleted", "2026-03-23"),
    ]
    (moved,) = [e for e in events(pages) if e["subject"] == "s1-16"]
    assert moved["data"]["start"] == f"{day}T13:00:00"


def test_nothing_is_concluded_from_silence_when_nobody_says_what_lies_outside_the_window() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        if "delta" in request.url.path:
            return page(series(), occurrence("09"), delta="d1")
        return error(400, "ErrorInvalidRequest")

    pages, _ = pulled(handler)
    assert told(pages) == [("meeting.created", "s1"), ("meeting.created", "s1-09"), ("calendar.listed", CALENDAR)]


def test_the_answer_of_the_mailboxs_owner_is_read_though_the_calendars_id_does_not_name_him() -> None:
    invited = event("e1", organizer={"emailAddress": {"address": "eve@out.example"}}, responseStatus={"response": "declined"})
    invited["attendees"] = [{"type": "required", "emailAddress": {"address": "Ana@acme.example"}, "status": {"response": "none"}}]
    pages, _ = pulled(script(page(invited, delta="d1")))
    found = events(pages)[0]["data"]["participants"].values()
    assert [(p["email"], p["participationStatus"]) for p in found] == [("eve@out.example", "accepted"), ("Ana@acme.example", "declined")]


def test_changes_of_a_series_conclude_nothing_before_all_of_it_was_asked_for() -> None:
    moved = event("s1-16", type="exception", seriesMasterId="s1", originalStart="2026-03-16T09:00:00Z", start=stamp("2026-03-16T12:00:00"))
    moved["end"] = stamp("2026-03-16T13:00:00")
    whole = [event("s1-09", type="occurrence", seriesMasterId="s1"), moved, event("s1-23", type="occurrence", seriesMasterId="s1")]
    whole[0] |= {name: occurrence("09")[name] for name in ("start", "end")}
    whole[2] |= {name: occurrence("23")[name] for name in ("start", "end")}
    pages, provider = pulled(answering(page(series(), moved, delta="d2"), instances=whole), place())
    # What is as its series says was told with the whole round; that it is still there is no news.
    assert told(pages) == [("meeting.created", "s1"), ("meeting.created", "s1-16")]
    assert provider.paths()[1] == "GET /v1.0/me/events/s1/instances"


def test_an_occurrence_that_its_series_lost_meanwhile_is_told() -> None:
    pages, _ = pulled(answering(page(series(), delta="d2"), instances=[occurrence("09"), occurrence("16")]), place())
    assert starts(pages) == [("deleted", "2026-03-23T09:00:00Z")]


def test_nothing_is_concluded_from_a_series_that_nobody_lays_out() -> None:
    def handler(request: httpx.Request) -> httpx.Response:
        return page(series(), occurrence("09"), delta="d2") if "delta" in request.url.path else error(400, "ErrorInvalidRequest")

    pages, _ = pulled(handler, place())
    assert told(pages) == [("meeting.created", "s1"), ("meeting.created", "s1-09")]


def test_a_bare_occurrence_gets_its_content_from_its_series_read_by_id() -> None:
    pages, provider = pulled(
        answering(page(occurrence("16"), delta="d2"), instances=[occurrence("09"), occurrence("23")], s1=series()), place()
    )
    assert [(e["subject"], e["data"]["title"]) for e in events(pages)] == [("s1", "Kick-off"), ("s1-16", "Kick-off")]
    assert provider.paths()[1:] == ["GET /v1.0/me/calendar/events/s1", "GET /v1.0/me/events/s1/instances"]


def test_a_bare_occurrence_without_a_series_is_read_itself() -> None:
    whole = event("s1-16", type="occurrence", seriesMasterId="s1", **{k: occurrence("16")[k] for k in ("start", "end")})
    pages, _ = pulled(answering(page(occurrence("16"), delta="d2"), instances=[], **{"s1-16": whole}), place())
    assert told(pages) == [("meeting.created", "s1-16")]


def test_an_occurrence_of_which_nothing_is_left_is_named() -> None:
    pages, _ = pulled(answering(page(occurrence("16"), delta="d2"), instances=[]), place())
    assert ([p.refused for p in pages if p.refused], told(pages)) == ([[("s1", "its series is gone"), ("s1-16", "its series is gone")]], [])


# --- what goes wrong --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        pytest.param(
            ok({"value": [], "@odata.nextLink": "https://evil.example/v1.0/me/calendarView/delta?$skiptoken=x"}), Refused, id="elsewhere"
        ),
        pytest.param(ok({"value": []}), TryAgain, id="a last page without a link"),
        pytest.param(error(404, "ErrorItemNotFound"), Refused, id="no calendar"),
        pytest.param(error(403, "ErrorAccessDenied"), Deauthorised, id="no permission to read"),
        pytest.param(error(403, "MailboxNotEnabledForRESTAPI"), Deauthorised, id="a mailbox that is none any more"),
        pytest.param(error(404, "MailboxNotEnabledForRESTAPI"), Deauthorised, id="a mailbox that is not found"),
        pytest.param(error(429, "ApplicationThrottled"), TryAgain, id="too many"),
    ],
)
def test_what_goes_wrong_is_named(answer: httpx.Response, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        pulled(lambda _: answer)


def test_the_windows_of_two_mailboxes_move_at_different_times() -> None:
    pulling, _ = feed(script(), Days(1, 1))
    edges = {pulling.window(OFFICE365._replace(user=str(user)), NOW + hour * 3_600_000) for user in range(5) for hour in range(24)}
    assert {high - low for low, high in edges} == {3 * DAY}
    moves = [
        [pulling.window(OFFICE365._replace(user=str(user)), NOW + hour * 3_600_000) for hour in range(24)].index(
            pulling.window(OFFICE365._replace(user=str(user)), NOW + 23 * 3_600_000)
        )
        for user in range(5)
    ]
    assert len(set(moves)) > 1


# --- subscriptions ----------------------------------------------------------------------------------------------------


def watch(handler: Handler) -> tuple[Office365Watch, Provider]:
    provider = Provider(handler)
    return Office365Watch(calling.api(provider.http, provider.access, provider.throttle, BASE)), provider


def body(request: httpx.Request) -> Any:
    return msgspec.json.decode(request.content)


def made(id: str = "sub1") -> httpx.Response:
    return httpx.Response(201, json={"id": id, "expirationDateTime": "2026-03-04T09:00:00.0000000Z"})


def test_a_subscription_is_made_with_a_secret_and_both_addresses() -> None:
    opened, provider = watch(script(made()))
    channel = opened.open(OFFICE365, "events", URL, NOW)
    asked = body(provider.asked[0])
    assert (channel.id, channel.expires_at, channel.made_at) == ("sub1", NOW + 2 * DAY, NOW)
    assert (asked["clientState"], asked["notificationUrl"], asked["lifecycleNotificationUrl"]) == (channel.secret, URL, URL)
    assert (asked["expirationDateTime"], asked["resource"], len(channel.secret) <= 128) == ("2026-03-05T09:00:00.000Z", "/me/events", True)
    assert LIFE_MS == 3 * DAY


def test_one_of_ours_that_is_in_the_way_is_taken_away_first() -> None:
    there = ok({"value": [{"id": "old", "notificationUrl": URL}, {"id": "others", "notificationUrl": "https://them.example/"}]})
    opened, provider = watch(script(httpx.Response(409), there, httpx.Response(204), made("new")))
    assert opened.open(OFFICE365, "events", URL, NOW).id == "new"
    assert provider.paths() == [
        "POST /v1.0/subscriptions",
        "GET /v1.0/subscriptions",
        "DELETE /v1.0/subscriptions/old",
        "POST /v1.0/subscriptions",
    ]


CHANNEL = Channel(id="sub1", link=OFFICE365, feed="events", resource="/me/events", secret="s", expires_at=NOW + 1, made_at=NOW - DAY)


def test_a_subscription_is_renewed_as_it_is() -> None:
    opened, provider = watch(script(made()))
    renewed = opened.renew(CHANNEL, URL, NOW)
    assert (renewed.id, renewed.secret, renewed.made_at, renewed.expires_at) == ("sub1", "s", NOW, NOW + 2 * DAY)
    assert (provider.paths(), list(body(provider.asked[0]))) == (["PATCH /v1.0/subscriptions/sub1"], ["expirationDateTime"])


def test_one_that_is_gone_cannot_be_renewed_and_is_closed() -> None:
    opened, _ = watch(lambda _: error(404, "ResourceNotFound"))
    with pytest.raises(Refused, match="the subscription is gone"):
        opened.renew(CHANNEL, URL, NOW)
    opened.close(CHANNEL)
