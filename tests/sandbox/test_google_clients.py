"""The real, unmodified clients of Google Calendar work against the simulator."""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import googleapiclient
import httpx
import pytest
from google.auth.exceptions import RefreshError
from google.oauth2.credentials import Credentials
from googleapiclient.discovery import build, build_from_document
from googleapiclient.errors import HttpError

from services.sandbox.google import ALL_SCOPES, CLIENT, Google
from services.sandbox.shell import Sandbox
from services.sandbox.world import World

ANA, BO = "ana@acme.example", "bo@client.example"
TEN = {"start": {"dateTime": "2026-03-09T10:00:00+01:00"}, "end": {"dateTime": "2026-03-09T11:00:00+01:00"}}


def credentials(sandbox: Sandbox, google: Google) -> Credentials:
    """Ana's, with an access token that nobody knows: the first call has to refresh it."""
    _, refresh = google.grant(ANA)
    given = {"token": None, "refresh_token": refresh, "token_uri": sandbox.url + "/token"}
    secret = {"client_id": CLIENT, "client_secret": "cs", "scopes": list(ALL_SCOPES)}
    return Credentials(**given, **secret)  # type: ignore[no-untyped-call]  # google-auth annotates parts of it


@pytest.fixture
def service(sandbox: Sandbox, google: Google) -> Any:
    """google-api-python-client, pointed at the sandbox as its documentation says."""
    endpoint = {"api_endpoint": sandbox.url + "/calendar/v3/"}
    return build("calendar", "v3", credentials=credentials(sandbox, google), client_options=endpoint, static_discovery=True)


def status(error: pytest.ExceptionInfo[HttpError]) -> tuple[int, str]:
    return error.value.resp.status, error.value.error_details[0]["reason"]


# --- google-api-python-client -------------------------------------------------------------------------------------------------


def test_the_official_client_reads_and_writes(service: Any) -> None:
    events = service.events()
    made = events.insert(calendarId="primary", body={"id": "kickoff01", "summary": "S", **TEN}, sendUpdates="none").execute()
    changed = events.patch(calendarId="primary", eventId=made["id"], body={"summary": "S2"}).execute()
    assert (changed["summary"], changed["id"]) == ("S2", "kickoff01")
    assert events.update(calendarId="primary", eventId=made["id"], body={"summary": "S3", **TEN}).execute()["summary"] == "S3"
    assert [item["summary"] for item in events.list(calendarId="primary").execute()["items"]] == ["S3"]
    assert events.delete(calendarId="primary", eventId=made["id"]).execute() == ""
    assert events.get(calendarId="primary", eventId=made["id"]).execute()["status"] == "cancelled"


def test_the_official_client_pages_with_its_own_next(service: Any, google: Google) -> None:
    for day in range(1, 6):
        google.event(ANA, f"Day {day}", f"2026-04-0{day}", f"2026-04-0{day + 1}")
    events, found = service.events(), []
    request = events.list(calendarId="primary", maxResults=2)
    while request is not None:
        page = request.execute()
        found += [item["summary"] for item in page["items"]]
        request = events.list_next(request, page)
    assert found == ["Day 1", "Day 2", "Day 3", "Day 4", "Day 5"]
    assert events.list(calendarId="primary", syncToken=page["nextSyncToken"]).execute()["items"] == []


def test_the_official_client_meets_the_errors_it_knows(service: Any, google: Google) -> None:
    events = service.events()
    events.insert(calendarId="primary", body={"id": "kickoff01", **TEN}).execute()
    with pytest.raises(HttpError) as twice:
        events.insert(calendarId="primary", body={"id": "kickoff01", **TEN}).execute()
    stale = events.patch(calendarId="primary", eventId="kickoff01", body={"summary": "S"})
    stale.headers["If-Match"] = '"1"'
    with pytest.raises(HttpError) as overtaken:
        stale.execute()
    token = events.list(calendarId="primary").execute()["nextSyncToken"]
    google.invalidate()
    with pytest.raises(HttpError) as expired:
        events.list(calendarId="primary", syncToken=token).execute()
    assert [status(each) for each in (twice, overtaken, expired)] == [
        (409, "duplicate"),
        (412, "conditionNotMet"),
        (410, "fullSyncRequired"),
    ]


def test_the_official_client_tries_again_when_the_limit_is_reached(service: Any, world: World) -> None:
    world.faults.add("status", simulator="google", status=403, path="/events$")
    assert service.events().list(calendarId="primary").execute(num_retries=2)["items"] == []
    assert world.requests.count("google", "GET") == 2


def test_the_official_client_learns_that_its_grant_is_gone(service: Any, google: Google) -> None:
    google.revoke(ANA)
    with pytest.raises(RefreshError, match="invalid_grant"):
        service.events().list(calendarId="primary").execute()


def test_the_official_client_watches_and_stops(service: Any, world: World) -> None:
    body = {"id": "ch-1", "type": "web_hook", "address": "https://127.0.0.1:1/hook", "params": {"ttl": "3600"}}
    channel = service.events().watch(calendarId="primary", body=body).execute()
    stop = {"id": channel["id"], "resourceId": channel["resourceId"]}
    assert service.channels().stop(body=stop).execute() == ""


def test_the_official_client_lists_instances_and_calendars(service: Any, google: Google) -> None:
    rule = ["RRULE:FREQ=DAILY;COUNT=3"]
    id = google.event(ANA, "Daily", "2026-03-28T09:00", "2026-03-28T09:15", recurrence=rule)["id"]
    found = service.events().instances(calendarId="primary", eventId=id).execute()["items"]
    assert [item["start"]["dateTime"] for item in found] == [
        "2026-03-28T09:00:00+01:00",
        "2026-03-29T09:00:00+02:00",
        "2026-03-30T09:00:00+02:00",
    ]
    assert service.calendarList().list().execute()["items"][0]["id"] == ANA
    assert service.calendarList().get(calendarId="primary").execute()["primary"] is True


def test_the_official_client_sends_a_long_question_as_a_form(service: Any, google: Google) -> None:
    google.event(ANA, "Found", "2026-03-09", "2026-03-10", extendedProperties={"private": {"k": "v" * 1000}})
    wanted = ["k=" + "v" * 1000] * 3
    found = service.events().list(calendarId="primary", privateExtendedProperty=wanted).execute()["items"]
    assert [item["summary"] for item in found] == ["Found"]


def test_the_official_client_batches(sandbox: Sandbox, google: Google) -> None:
    folder = Path(googleapiclient.__file__).parent / "discovery_cache" / "documents"
    document = json.loads((folder / "calendar.v3.json").read_text())
    document |= {"rootUrl": sandbox.url + "/", "baseUrl": sandbox.url + "/calendar/v3/"}
    service = build_from_document(document, credentials=credentials(sandbox, google))
    told: dict[str, Any] = {}

    def heard(id: str, response: Any, exception: HttpError | None) -> None:
        told[id] = exception.resp.status if exception else response

    batch = service.new_batch_http_request(callback=heard)
    events = service.events()
    batch.add(events.insert(calendarId="primary", body={"id": "kickoff01", "summary": "S", **TEN}), request_id="made")
    batch.add(events.get(calendarId="primary", eventId="kickoff01"), request_id="read")
    batch.add(events.get(calendarId="primary", eventId="nothing01"), request_id="missing")
    batch.add(events.delete(calendarId="primary", eventId="kickoff01"), request_id="gone")
    batch.execute()
    assert (told["made"]["summary"], told["read"]["id"], told["missing"], told["gone"]) == ("S", "kickoff01", 404, "")


# --- gcsa ---------------------------------------------------------------------------------------------------------------------


def test_gcsa_reads_and_writes(service: Any, sandbox: Sandbox, google: Google, world: World) -> None:
    pytest.importorskip("gcsa")
    from gcsa.event import Event  # type: ignore[import-untyped]  # it ships no annotations
    from gcsa.google_calendar import GoogleCalendar, SendUpdatesMode  # type: ignore[import-untyped]  # the same

    calendar = GoogleCalendar(credentials=credentials(sandbox, google))
    calendar.service = service
    at = dt.datetime(2026, 3, 9, 9, tzinfo=dt.UTC)
    made = calendar.add_event(Event("Kick-off", start=at, end=at + dt.timedelta(hours=1), attendees=[BO]), send_updates=SendUpdatesMode.ALL)
    made.summary = "Kick-off, again"
    calendar.update_event(made)
    found = list(calendar.get_events(time_min=at, time_max=at + dt.timedelta(days=1), single_events=True))
    assert [(each.summary, each.start) for each in found] == [("Kick-off, again", at)]
    assert [mail.to for mail in world.invitations()] == [BO]
    assert calendar.get_calendar().id == ANA
    calendar.delete_event(made)
    assert list(calendar.get_events(time_min=at, time_max=at + dt.timedelta(days=1))) == []


# --- gcal_sync ----------------------------------------------------------------------------------------------------------------


def gcal(sandbox: Sandbox, google: Google, act: Callable[[Any], Awaitable[None]]) -> None:
    """Run `act` with gcal_sync's service for Ana."""
    aiohttp, api, auth = (pytest.importorskip(name) for name in ("aiohttp", "gcal_sync.api", "gcal_sync.auth"))
    token = google.token(ANA)

    class Auth(auth.AbstractAuth):  # type: ignore[misc, name-defined]  # what importorskip returns has no type
        async def async_get_access_token(self) -> str:
            return token

    async def run() -> None:
        async with aiohttp.ClientSession() as session:
            await act(api.GoogleCalendarService(Auth(session, sandbox.url + "/calendar/v3")))

    asyncio.run(run())


def test_gcal_sync_lists_calendars_and_adds_an_event(sandbox: Sandbox, google: Google) -> None:
    async def act(service: Any) -> None:
        from gcal_sync.model import Event

        calendars = await service.async_list_calendars()
        assert [(each.id, each.timezone, each.access_role.value) for each in calendars.items] == [(ANA, "Europe/Paris", "owner")]
        await service.async_create_event("primary", Event.model_validate({"summary": "Kick-off", **TEN}))

    gcal(sandbox, google, act)
    assert [each["summary"] for each in google.events(ANA)] == ["Kick-off"]


def test_gcal_syncs_engine_syncs_calendars_and_starts_again_after_a_410(sandbox: Sandbox, google: Google) -> None:
    async def act(service: Any) -> None:
        from gcal_sync.sync import CalendarEventSyncManager, CalendarListSyncManager

        lists = CalendarListSyncManager(service)
        await lists.run()
        await lists.run()
        assert [each.id for each in (await lists.store_service.async_list_calendars()).calendars] == [ANA]

        google.event(ANA, "Kick-off", "2026-03-09T10:00", "2026-03-09T11:00")
        events = CalendarEventSyncManager(service, calendar_id="primary")
        await events.run()
        google.invalidate(ANA)
        google.event(ANA, "Retro", "2026-03-10T10:00", "2026-03-10T11:00")
        await events.run()
        timeline = await events.store_service.async_get_timeline(dt.UTC)
        assert [each.summary for each in timeline] == ["Kick-off", "Retro"]

    gcal(sandbox, google, act)


# --- many at once -------------------------------------------------------------------------------------------------------------


def test_many_programs_at_once_lose_nothing_and_see_every_change_once(sandbox: Sandbox, google: Google) -> None:
    token = google.token(ANA)

    def write(program: int) -> list[str]:
        headers = {"Authorization": f"Bearer {token}"}
        url = sandbox.url + "/calendar/v3/calendars/primary/events"
        with httpx.Client(headers=headers, trust_env=False, verify=False) as client:
            return [client.post(url, json={"id": f"p{program:02d}e{n:03d}", **TEN}).json()["etag"] for n in range(20)]

    with ThreadPoolExecutor(8) as pool:
        etags = [etag for made in pool.map(write, range(8)) for etag in made]
    assert len(set(etags)) == len(google.events(ANA)) == 160
