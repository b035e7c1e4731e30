"""Google's events.list: what is listed, in which pages, and how a sync token goes on."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from services.sandbox.google import Google
from services.sandbox.world import World

EVENTS = "calendars/primary/events"
ANA, BO = "ana@acme.example", "bo@client.example"


def listed(client: httpx.Client, **asked: Any) -> dict[str, Any]:
    answer = client.get(EVENTS, params=asked)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def titles(page: dict[str, Any]) -> list[str]:
    return [item.get("summary", item["id"]) for item in page["items"]]


def refused(answer: httpx.Response) -> tuple[int, str]:
    error = answer.json()["error"]
    assert (error["code"], error["message"]) == (answer.status_code, error["errors"][0]["message"])
    return answer.status_code, error["errors"][0]["reason"]


def days(google: Google, *numbers: int) -> list[str]:
    return [google.event(ANA, f"Day {n}", f"2026-03-{n:02d}T10:00", f"2026-03-{n:02d}T11:00")["id"] for n in numbers]


def weekly(google: Google, count: int = 3, **fields: Any) -> str:
    rule = [f"RRULE:FREQ=WEEKLY;COUNT={count}"]
    made: str = google.event(ANA, "Weekly", "2026-03-23T09:00", "2026-03-23T09:30", recurrence=rule, **fields)["id"]
    return made


# --- pages and tokens ---------------------------------------------------------------------------------------------------------


def test_pages_hold_everything_once_and_only_the_last_has_a_sync_token(ana: httpx.Client, google: Google) -> None:
    days(google, 3, 4, 5, 6, 7)
    pages = [listed(ana, maxResults=2)]
    while token := pages[-1].get("nextPageToken"):
        pages.append(listed(ana, maxResults=2, pageToken=token))
    assert [titles(page) for page in pages] == [["Day 3", "Day 4"], ["Day 5", "Day 6"], ["Day 7"]]
    assert ["nextSyncToken" in page for page in pages] == [False, False, True]


def test_a_page_may_be_empty_though_more_follow(ana: httpx.Client, google: Google) -> None:
    days(google, 3, 4)
    google.switches.empty_pages = 1.0
    pages = [listed(ana, maxResults=1)]
    while token := pages[-1].get("nextPageToken"):
        pages.append(listed(ana, maxResults=1, pageToken=token))
    assert [titles(page) for page in pages] == [[], ["Day 3"], [], ["Day 4"]]


def test_the_same_page_can_be_read_again(ana: httpx.Client, google: Google) -> None:
    days(google, 3, 4)
    token = listed(ana, maxResults=1)["nextPageToken"]
    assert listed(ana, maxResults=1, pageToken=token) == listed(ana, maxResults=1, pageToken=token)


def test_what_changes_between_two_pages_comes_with_the_next_increment(ana: httpx.Client, google: Google) -> None:
    first, second = days(google, 3, 4)
    page = listed(ana, maxResults=1)
    google.change(ANA, first, summary="Changed")
    google.change(ANA, second, summary="Changed too")
    last = listed(ana, maxResults=1, pageToken=page["nextPageToken"])
    assert titles(listed(ana, syncToken=last["nextSyncToken"])) == ["Changed", "Changed too"]


def test_an_increment_holds_what_changed_since_and_what_is_gone(ana: httpx.Client, google: Google) -> None:
    kept, changed, gone = days(google, 3, 4, 5)
    token = listed(ana)["nextSyncToken"]
    google.change(ANA, changed, summary="Changed")
    google.delete(ANA, gone)
    increment = listed(ana, syncToken=token)
    assert [(item["id"], item["status"]) for item in increment["items"]] == [(changed, "confirmed"), (gone, "cancelled")]
    assert kept not in [item["id"] for item in increment["items"]]
    assert listed(ana, syncToken=increment["nextSyncToken"])["items"] == []


def test_an_increment_of_several_pages_repeats_its_token(ana: httpx.Client, google: Google) -> None:
    token = listed(ana)["nextSyncToken"]
    days(google, 3, 4, 5)
    first = listed(ana, syncToken=token, maxResults=2)
    assert titles(first) == ["Day 3", "Day 4"]
    assert titles(listed(ana, syncToken=token, maxResults=2, pageToken=first["nextPageToken"])) == ["Day 5"]


@pytest.mark.parametrize(
    "parameter",
    ["iCalUID", "orderBy", "privateExtendedProperty", "q", "sharedExtendedProperty", "timeMin", "timeMax", "updatedMin"],
)
def test_a_sync_token_goes_with_no_other_restriction(ana: httpx.Client, parameter: str) -> None:
    values = {"orderBy": "updated", "timeMin": "2026-03-01T00:00:00Z", "timeMax": "2026-03-01T00:00:00Z"}
    values["updatedMin"] = values["timeMin"]
    token = listed(ana)["nextSyncToken"]
    assert refused(ana.get(EVENTS, params={"syncToken": token, parameter: values.get(parameter, "a=b")})) == (400, "badRequest")


@pytest.mark.parametrize("changed", [{"singleEvents": "true"}, {"showDeleted": "false"}, {"eventTypes": "default"}], ids=str)
def test_a_sync_token_goes_with_no_other_parameters_than_its_first_listing_had(ana: httpx.Client, changed: dict[str, str]) -> None:
    token = listed(ana)["nextSyncToken"]
    assert refused(ana.get(EVENTS, params={"syncToken": token, **changed})) == (400, "badRequest")


def test_a_listing_that_cannot_go_on_gives_no_sync_token(ana: httpx.Client, google: Google) -> None:
    days(google, 3)
    assert "nextSyncToken" not in listed(ana, q="Day")
    assert "nextSyncToken" in listed(ana, timeMin="2026-03-01T00:00:00Z")


def test_an_invalidated_token_asks_for_a_full_sync_in_the_middle_of_its_pages_too(ana: httpx.Client, google: Google) -> None:
    token = listed(ana)["nextSyncToken"]
    days(google, 3, 4)
    page = listed(ana, syncToken=token, maxResults=1)
    google.invalidate(ANA)
    answer = ana.get(EVENTS, params={"syncToken": token, "pageToken": page["nextPageToken"], "maxResults": 1})
    assert refused(answer) == (410, "fullSyncRequired")
    assert answer.json()["error"]["errors"][0]["location"] == "syncToken"
    assert listed(ana, syncToken=listed(ana)["nextSyncToken"])["items"] == []


def test_a_fault_can_expire_a_token_once(ana: httpx.Client, world: World) -> None:
    token = listed(ana)["nextSyncToken"]
    world.faults.add("expired_cursor", simulator="google")
    assert refused(ana.get(EVENTS, params={"syncToken": token})) == (410, "fullSyncRequired")
    assert listed(ana, syncToken=token)["items"] == []


def test_tokens_of_another_calendar_or_of_nowhere_are_worth_nothing(ana: httpx.Client, bo: httpx.Client) -> None:
    theirs = listed(bo)["nextSyncToken"]
    assert refused(ana.get(EVENTS, params={"syncToken": theirs})) == (410, "fullSyncRequired")
    assert refused(ana.get(EVENTS, params={"syncToken": "EXPIRED"})) == (400, "invalid")
    assert refused(ana.get(EVENTS, params={"pageToken": "nonsense"})) == (400, "invalid")


def test_a_token_goes_on_with_the_window_of_its_listing_only_if_that_is_switched_on(ana: httpx.Client, google: Google) -> None:
    token = listed(ana, timeMin="2026-03-10T00:00:00Z")["nextSyncToken"]
    days(google, 3, 12)
    assert titles(listed(ana, syncToken=token)) == ["Day 3", "Day 12"]
    google.switches.window_sticks = True
    assert titles(listed(ana, syncToken=token)) == ["Day 12"]


# --- filters ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        pytest.param({"timeMin": "2026-03-04T10:00:00Z"}, ["Day 5"], id="ended when it begins: not in it"),
        pytest.param({"timeMin": "2026-03-04T09:59:59Z"}, ["Day 4", "Day 5"], id="ends in it"),
        pytest.param({"timeMax": "2026-03-04T09:00:00Z"}, ["Day 3"], id="begins when it ends: not in it"),
        pytest.param({"timeMax": "2026-03-04T09:00:01Z"}, ["Day 3", "Day 4"], id="begins in it"),
        pytest.param({"timeMin": "2026-03-04T00:00:00+01:00", "timeMax": "2026-03-05T00:00:00+01:00"}, ["Day 4"], id="one day"),
        pytest.param({"q": "DAY 4"}, ["Day 4"], id="words, whatever their case"),
        pytest.param({"singleEvents": "true", "orderBy": "startTime"}, ["Day 3", "Day 4", "Day 5"], id="by start"),
        pytest.param({"eventTypes": "focusTime"}, [], id="a kind"),
        pytest.param({"eventTypes": ["default", "focusTime"]}, ["Day 3", "Day 4", "Day 5"], id="kinds"),
    ],
)
def test_a_listing_holds_what_was_asked_for(ana: httpx.Client, google: Google, asked: dict[str, Any], found: list[str]) -> None:
    days(google, 3, 4, 5)  # from ten to eleven in Paris: nine to ten in UTC
    assert titles(listed(ana, **asked)) == found


def test_an_event_is_found_by_its_uid_its_properties_and_its_guests(ana: httpx.Client, google: Google) -> None:
    properties = {"private": {"rendezvous": "m1"}, "shared": {"deal": "7"}}
    made = google.event(ANA, "Linked", "2026-03-09T10:00", "2026-03-09T11:00", guests=[BO], extendedProperties=properties)
    days(google, 3)
    for asked in (
        {"iCalUID": made["iCalUID"]},
        {"privateExtendedProperty": "rendezvous=m1"},
        {"sharedExtendedProperty": "deal=7"},
        {"q": "bo@client.example"},
    ):
        assert titles(listed(ana, **asked)) == ["Linked"]
    assert titles(listed(ana, privateExtendedProperty="rendezvous=m2")) == []


def test_updated_min_tells_deletions_and_reaches_back_thirty_days(ana: httpx.Client, google: Google, world: World) -> None:
    old, new = days(google, 3, 4)
    world.move(1_800_000)
    google.delete(ANA, new)
    recent = listed(ana, updatedMin="2026-03-02T12:15:00Z")
    assert [(item["id"], item["status"]) for item in recent["items"]] == [(new, "cancelled")]
    assert refused(ana.get(EVENTS, params={"updatedMin": "2026-01-30T00:00:00Z"})) == (410, "updatedMinTooLongAgo")
    assert [item["id"] for item in listed(ana)["items"]] == [old]


def test_by_update_the_last_change_comes_last(ana: httpx.Client, google: Google) -> None:
    first, _ = days(google, 3, 4)
    google.change(ANA, first, summary="Later")
    assert titles(listed(ana, orderBy="updated")) == ["Day 4", "Later"]


@pytest.mark.parametrize(
    ("asked", "reason"),
    [
        pytest.param({"orderBy": "startTime"}, "badRequest", id="an order that needs single events"),
        pytest.param({"orderBy": "size"}, "badRequest", id="an order there is not"),
        pytest.param({"timeMin": "2026-03-01T00:00:00"}, "invalid", id="a time without offset"),
        pytest.param({"timeMin": "2026-03-02T00:00:00Z", "timeMax": "2026-03-02T00:00:00Z"}, "timeRangeEmpty", id="no time at all"),
        pytest.param({"maxResults": "0"}, "invalid", id="no results"),
        pytest.param({"maxResults": "many"}, "invalid", id="not a number"),
        pytest.param({"eventTypes": "lunch"}, "invalid", id="no kind of event"),
        pytest.param({"singleEvents": "maybe"}, "invalid", id="neither true nor false"),
        pytest.param({"timeZone": "Mars/Olympus"}, "invalid", id="no zone"),
        pytest.param({"fields": "items(id"}, "invalidParameter", id="fields that do not close"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(ana: httpx.Client, asked: dict[str, str], reason: str) -> None:
    assert refused(ana.get(EVENTS, params=asked)) == (400, reason)


def test_a_partial_answer_holds_the_fields_that_were_asked_for(ana: httpx.Client, google: Google) -> None:
    days(google, 3)
    told = listed(ana, fields="kind,items(summary,start/dateTime)")
    assert told == {"kind": "calendar#events", "items": [{"summary": "Day 3", "start": {"dateTime": "2026-03-03T10:00:00+01:00"}}]}


def test_times_are_shown_in_the_zone_that_was_asked_for(ana: httpx.Client, google: Google) -> None:
    days(google, 3)
    assert listed(ana, timeZone="Asia/Tokyo")["items"][0]["start"]["dateTime"] == "2026-03-03T18:00:00+09:00"


def test_too_many_guests_are_left_out_and_it_is_said(ana: httpx.Client, google: Google) -> None:
    guests = [f"g{n}@client.example" for n in range(5)]
    google.event(ANA, "All", "2026-03-09T10:00", "2026-03-09T11:00", guests=guests)
    item = listed(ana, maxAttendees=3)["items"][0]
    assert (item["attendeesOmitted"], [each["email"] for each in item["attendees"]]) == (True, [ANA])


# --- series -------------------------------------------------------------------------------------------------------------------


def test_a_series_is_one_item_and_its_exceptions_are_others(ana: httpx.Client, google: Google) -> None:
    master = weekly(google)
    google.move(ANA, f"{master}_20260330T070000Z", "2026-03-31T15:00", "2026-03-31T15:30")
    google.delete(ANA, f"{master}_20260406T070000Z")
    items = listed(ana)["items"]
    assert [(item["id"].removeprefix(master), item["status"]) for item in items] == [
        ("", "confirmed"),
        ("_20260330T070000Z", "confirmed"),
        ("_20260406T070000Z", "cancelled"),
    ]
    assert items[0]["recurrence"] == ["RRULE:FREQ=WEEKLY;COUNT=3"]
    assert items[1]["originalStartTime"] == {"dateTime": "2026-03-30T09:00:00+02:00", "timeZone": "Europe/Paris"}
    assert items[1]["start"]["dateTime"] == "2026-03-31T15:00:00+02:00"
    assert set(items[2]) == {"kind", "etag", "id", "status", "recurringEventId", "originalStartTime"}


def test_a_tombstone_of_an_instance_can_be_bare(ana: httpx.Client, google: Google) -> None:
    google.delete(ANA, f"{weekly(google)}_20260330T070000Z")
    google.switches.bare_tombstones = True
    assert set(listed(ana)["items"][1]) == {"kind", "etag", "id", "status"}


def test_single_events_are_the_instances_the_clocks_change_and_ten_stays_ten(ana: httpx.Client, google: Google) -> None:
    master = weekly(google)
    items = listed(ana, singleEvents="true", orderBy="startTime")["items"]
    assert [item["start"]["dateTime"] for item in items] == [
        "2026-03-23T09:00:00+01:00",
        "2026-03-30T09:00:00+02:00",
        "2026-04-06T09:00:00+02:00",
    ]
    assert {item["recurringEventId"] for item in items} == {master}
    assert items[0]["id"] == f"{master}_20260323T080000Z"
    assert all("recurrence" not in item for item in items)


def test_single_events_hold_the_exceptions_and_without_deleted_no_tombstones(ana: httpx.Client, google: Google) -> None:
    master = weekly(google)
    google.change(ANA, f"{master}_20260323T080000Z", summary="First")
    google.delete(ANA, f"{master}_20260330T070000Z")
    assert titles(listed(ana, singleEvents="true", orderBy="startTime")) == ["First", "Weekly"]
    with_deleted = listed(ana, singleEvents="true", showDeleted="true")["items"]
    assert [item["id"] for item in with_deleted if item["status"] == "cancelled"] == [f"{master}_20260330T070000Z"]


def test_a_deleted_series_is_told_by_its_instances_to_who_reads_single_events(ana: httpx.Client, google: Google) -> None:
    master = weekly(google)
    token = listed(ana, singleEvents="true")["nextSyncToken"]
    google.delete(ANA, master)
    increment = listed(ana, singleEvents="true", syncToken=token)["items"]
    assert len(increment) == 3
    assert {(item["status"], item.get("recurringEventId")) for item in increment} == {("cancelled", master)}


def test_a_series_is_in_a_window_that_one_of_its_occurrences_is_in(ana: httpx.Client, google: Google) -> None:
    weekly(google)
    assert titles(listed(ana, timeMin="2026-03-29T22:00:00Z", timeMax="2026-03-30T22:00:00Z")) == ["Weekly"]
    assert titles(listed(ana, timeMin="2026-03-30T22:00:00Z", timeMax="2026-04-05T22:00:00Z")) == []
    assert titles(listed(ana, timeMin="2026-04-07T00:00:00Z")) == []


def test_a_series_without_end_is_laid_out_for_two_years_and_a_half(ana: httpx.Client, google: Google) -> None:
    google.event(ANA, "For ever", "2026-03-03", "2026-03-04", recurrence=["RRULE:FREQ=MONTHLY"])
    items = listed(ana, singleEvents="true", maxResults=2500)["items"]
    assert (items[0]["start"], items[0]["end"], items[0]["id"][-9:]) == ({"date": "2026-03-03"}, {"date": "2026-03-04"}, "_20260303")
    assert (len(items), items[-1]["start"]) == (30, {"date": "2028-08-03"})


@pytest.mark.parametrize(
    ("recurrence", "starts"),
    [
        pytest.param(["RRULE:FREQ=DAILY;UNTIL=20260325T080000Z"], ["23", "24", "25"], id="until an instant"),
        pytest.param(["RRULE:FREQ=DAILY;UNTIL=20260325T075959Z"], ["23", "24"], id="until a second before"),
        pytest.param(["RRULE:FREQ=DAILY;UNTIL=20260324"], ["23", "24"], id="until a day"),
        pytest.param(["RRULE:FREQ=DAILY;COUNT=4", "EXDATE;TZID=Europe/Paris:20260324T090000"], ["23", "25", "26"], id="left out"),
        pytest.param(["RRULE:FREQ=DAILY;COUNT=2", "EXDATE:20260323T080000Z"], ["24"], id="left out, in UTC"),
        pytest.param(["RDATE;TZID=Europe/Paris:20260327T090000,20260328T090000"], ["23", "27", "28"], id="dates only"),
        pytest.param(["RRULE:FREQ=WEEKLY;BYDAY=MO,WE;COUNT=3"], ["23", "25", "30"], id="on two days"),
    ],
)
def test_a_series_is_laid_out_as_its_lines_say(ana: httpx.Client, google: Google, recurrence: list[str], starts: list[str]) -> None:
    google.event(ANA, "Series", "2026-03-23T09:00", "2026-03-23T09:30", recurrence=recurrence)
    items = listed(ana, singleEvents="true", orderBy="startTime")["items"]
    assert [item["start"]["dateTime"][8:10] for item in items] == starts


def test_instances_are_listed_with_their_exceptions_and_by_original_start(ana: httpx.Client, google: Google) -> None:
    master = weekly(google)
    google.move(ANA, f"{master}_20260330T070000Z", "2026-03-24T15:00", "2026-03-24T15:30")
    google.delete(ANA, f"{master}_20260406T070000Z")
    path = f"{EVENTS}/{master}/instances"
    told = ana.get(path, params={"maxResults": 1}).json()
    rest = ana.get(path, params={"maxResults": 1, "pageToken": told["nextPageToken"]}).json()
    assert [item["start"]["dateTime"][:16] for item in told["items"] + rest["items"]] == ["2026-03-23T09:00", "2026-03-24T15:00"]
    assert "nextSyncToken" not in rest
    assert len(ana.get(path, params={"showDeleted": "true"}).json()["items"]) == 3
    by_start = ana.get(path, params={"originalStart": "2026-03-30T09:00:00+02:00"}).json()["items"]
    assert [item["id"] for item in by_start] == [f"{master}_20260330T070000Z"]
