"""Google's events: what a write does to the organiser's calendar and to the guests', who is mailed, and what is refused."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from services.sandbox.google import Google
from services.sandbox.google_words import Refusal
from services.sandbox.shell import Sandbox
from services.sandbox.world import World
from tests.sandbox.google_asking import ANA, BO, EVE, EVENTS, GUESTS, SERIES, TEN, answers, get, insert, mails, patch, refused

# --- making -------------------------------------------------------------------------------------------------------------------


def test_an_event_is_made_with_what_google_adds(ana: httpx.Client) -> None:
    made = insert(ana, id="kickoff01", location="Room 4", extendedProperties={"private": {"rendezvous": "m1"}})
    assert made == get(ana, "kickoff01")
    assert (made["iCalUID"], made["sequence"], made["status"], made["eventType"]) == ("kickoff01@google.com", 0, "confirmed", "default")
    assert (made["created"], made["updated"]) == ("2026-03-02T12:00:00.000Z", "2026-03-02T12:00:00.000Z")
    assert made["organizer"] == made["creator"] == {"email": ANA, "self": True}
    assert made["start"] == {"dateTime": "2026-03-09T10:00:00+01:00", "timeZone": "Europe/Paris"}
    assert made["extendedProperties"] == {"private": {"rendezvous": "m1"}}


def test_an_identifier_is_taken_once_and_for_ever(ana: httpx.Client) -> None:
    insert(ana, id="kickoff01")
    again = ana.post(EVENTS, json={"id": "kickoff01", **TEN})
    assert refused(again) == (409, "duplicate")
    ana.delete(f"{EVENTS}/kickoff01")
    assert refused(ana.post(EVENTS, json={"id": "kickoff01", **TEN})) == (409, "duplicate")


def test_two_people_may_choose_the_same_identifier(ana: httpx.Client, bo: httpx.Client) -> None:
    insert(ana, id="kickoff01", summary="Ana's", attendees=GUESTS)
    assert refused(bo.post(EVENTS, json={"id": "kickoff01", **TEN})) == (409, "duplicate")
    insert(bo, id="retro0001", summary="Bo's")
    insert(ana, id="retro0001", summary="Ana's", attendees=GUESTS)
    assert (get(bo, "retro0001")["summary"], get(ana, "retro0001")["summary"]) == ("Bo's", "Ana's")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        pytest.param({"end": None}, "required", id="no end"),
        pytest.param({"start": {"dateTime": "2026-03-09T12:00:00Z"}}, "timeRangeEmpty", id="ends before it begins"),
        pytest.param({"start": {"date": "2026-03-09"}}, "invalid", id="a date and a time"),
        pytest.param({"start": {"date": "2026-03-09", "dateTime": "2026-03-09T08:00:00Z"}}, "invalid", id="both at once"),
        pytest.param({"start": {"dateTime": "at noon"}}, "invalid", id="no time"),
        pytest.param({"start": {"dateTime": "2026-03-09T08:00:00", "timeZone": "Mars/Olympus"}}, "invalid", id="no zone"),
        pytest.param({"id": "ABC"}, "invalid", id="letters that no identifier has"),
        pytest.param({"id": "abcd"}, "invalid", id="an identifier that is too short"),
        pytest.param({"attendees": [{"email": "nobody"}]}, "invalid", id="no address"),
        pytest.param({"attendees": [{"email": BO, "responseStatus": "yes"}]}, "invalid", id="no answer"),
        pytest.param({"recurrence": ["RRULE:FREQ=WEEKLY"]}, "required", id="a series without a zone"),
        pytest.param({**SERIES, "recurrence": ["RRULE:FREQ=SOMETIMES"]}, "invalid", id="no rule"),
        pytest.param({**SERIES, "recurrence": ["DTSTART:20260323T090000"]}, "invalid", id="a start among the rules"),
        pytest.param({"eventType": "lunch"}, "invalid", id="no kind of event"),
        pytest.param({"visibility": "hidden"}, "invalid", id="no visibility"),
    ],
)
def test_a_body_that_makes_no_event_is_refused(ana: httpx.Client, google: Google, body: dict[str, Any], reason: str) -> None:
    answer = ana.post(EVENTS, json={"summary": "Kick-off", **TEN, **body})
    assert refused(answer) == (400, reason)
    assert google.events(ANA) == []


def test_a_body_that_is_no_json_is_refused(ana: httpx.Client) -> None:
    assert refused(ana.post(EVENTS, content=b"{")) == (400, "parseError")
    assert refused(ana.post(EVENTS, content=b"[]")) == (400, "parseError")


def test_a_conference_is_made_for_who_speaks_version_1_and_once_for_a_request(ana: httpx.Client) -> None:
    wish = {"conferenceData": {"createRequest": {"requestId": "r1", "conferenceSolutionKey": {"type": "hangoutsMeet"}}}}
    plain = insert(ana, **wish)
    assert "conferenceData" not in plain
    made = ana.post(EVENTS, json={**TEN, **wish}, params={"conferenceDataVersion": 1}).json()
    assert made["conferenceData"]["createRequest"]["status"] == {"statusCode": "success"}
    assert made["hangoutLink"] == made["conferenceData"]["entryPoints"][0]["uri"]
    again = patch(ana, made["id"], wish, conferenceDataVersion="1").json()
    assert again["conferenceData"] == made["conferenceData"]
    assert patch(ana, made["id"], {"summary": "S2"}).json()["conferenceData"] == made["conferenceData"]


def test_a_slow_conference_is_pending_first(ana: httpx.Client, google: Google) -> None:
    google.switches.slow_conferences = True
    wish = {"conferenceData": {"createRequest": {"requestId": "r1"}}}
    made = ana.post(EVENTS, json={**TEN, **wish}, params={"conferenceDataVersion": 1}).json()
    read = [get(ana, made["id"]) for _ in range(2)]
    statuses = [each["conferenceData"]["createRequest"]["status"]["statusCode"] for each in (made, *read)]
    assert statuses == ["pending", "pending", "success"]
    assert "hangoutLink" in read[1]


@pytest.mark.parametrize("kind", ["focusTime", "outOfOffice", "workingLocation"])
def test_what_is_no_meeting_keeps_its_kind(ana: httpx.Client, kind: str) -> None:
    made = insert(ana, eventType=kind)
    assert made["eventType"] == kind
    assert refused(patch(ana, made["id"], {"eventType": "default"})) == (400, "eventTypeRestriction")
    assert ana.put(f"{EVENTS}/{made['id']}", json=TEN).json()["eventType"] == kind


# --- changing -----------------------------------------------------------------------------------------------------------------


def test_a_patch_merges_objects_and_replaces_arrays(ana: httpx.Client) -> None:
    made = insert(ana, location="Room 4", attendees=GUESTS, extendedProperties={"private": {"a": "1", "b": "2"}})
    body = {"location": None, "attendees": [{"email": BO}], "extendedProperties": {"private": {"b": None, "c": "3"}}}
    changed = patch(ana, made["id"], body).json()
    assert "location" not in changed
    assert answers(changed) == {BO: "needsAction"}
    assert changed["extendedProperties"] == {"private": {"a": "1", "c": "3"}}
    assert changed["summary"] == "Kick-off"


def test_a_put_takes_away_what_it_does_not_say(ana: httpx.Client) -> None:
    made = insert(ana, location="Room 4", attendees=GUESTS, extendedProperties={"private": {"a": "1"}})
    changed = ana.put(f"{EVENTS}/{made['id']}", json={"summary": "S2", **TEN}).json()
    assert changed["summary"] == "S2"
    assert {"location", "attendees", "extendedProperties"} & set(changed) == set()


def test_a_change_has_a_new_etag_and_time_and_a_sequence_only_if_it_reschedules(ana: httpx.Client) -> None:
    made = insert(ana)
    renamed = patch(ana, made["id"], {"summary": "S2"}).json()
    moved = patch(ana, made["id"], {"end": {"dateTime": "2026-03-09T12:00:00+01:00"}}).json()
    assert [each["sequence"] for each in (made, renamed, moved)] == [0, 0, 1]
    assert made["updated"] < renamed["updated"] < moved["updated"]
    assert len({each["etag"] for each in (made, renamed, moved)}) == 3


def test_a_change_that_changes_nothing_leaves_no_trace(ana: httpx.Client) -> None:
    made = insert(ana, attendees=GUESTS)
    same = {"summary": made["summary"], "start": made["start"], "end": made["end"], "attendees": made["attendees"]}
    assert patch(ana, made["id"], same).json() == made


def test_reminders_are_a_change_that_is_not_dated(ana: httpx.Client) -> None:
    made = insert(ana)
    changed = patch(ana, made["id"], {"reminders": {"useDefault": False, "overrides": []}}).json()
    assert changed["updated"] == made["updated"]
    assert changed["etag"] != made["etag"]
    assert changed["reminders"] == {"useDefault": False, "overrides": []}


def test_a_time_becomes_a_whole_day_only_if_the_time_is_taken_away(ana: httpx.Client) -> None:
    made = insert(ana)
    days = {"start": {"date": "2026-03-09"}, "end": {"date": "2026-03-10"}}
    assert refused(patch(ana, made["id"], days)) == (400, "invalid")
    cleared = {which: {**value, "dateTime": None, "timeZone": None} for which, value in days.items()}
    assert patch(ana, made["id"], cleared).json()["start"] == {"date": "2026-03-09"}


@pytest.mark.parametrize("method", ["PATCH", "PUT", "DELETE"])
def test_a_write_on_another_revision_is_refused(ana: httpx.Client, method: str) -> None:
    made = insert(ana)
    seen = {"If-Match": made["etag"]}
    patch(ana, made["id"], {"summary": "S2"})
    stale = ana.request(method, f"{EVENTS}/{made['id']}", json={"summary": "S3", **TEN}, headers=seen)
    assert refused(stale) == (412, "conditionNotMet")
    now = get(ana, made["id"])
    assert now["summary"] == "S2"
    fresh = ana.request(method, f"{EVENTS}/{made['id']}", json={"summary": "S3", **TEN}, headers={"If-Match": now["etag"]})
    assert fresh.status_code in (200, 204)


def test_what_one_has_seen_is_not_sent_again(ana: httpx.Client) -> None:
    made = insert(ana)
    answer = ana.get(f"{EVENTS}/{made['id']}", headers={"If-None-Match": made["etag"]})
    assert (answer.status_code, answer.content, answer.headers["etag"]) == (304, b"", made["etag"])
    assert ana.get(f"{EVENTS}/{made['id']}", headers={"If-None-Match": '"0"'}).status_code == 200


# --- guests -------------------------------------------------------------------------------------------------------------------


def test_a_guest_with_a_calendar_has_a_copy_with_the_same_id_and_uid(ana: httpx.Client, bo: httpx.Client) -> None:
    made = insert(ana, attendees=GUESTS, extendedProperties={"private": {"rendezvous": "m1"}, "shared": {"deal": "7"}})
    copy = get(bo, made["id"])
    assert (copy["iCalUID"], copy["summary"]) == (made["iCalUID"], "Kick-off")
    assert copy["organizer"] == {"email": ANA, "displayName": "Ana Ruiz"}
    assert copy["attendees"][0] == {"email": ANA, "responseStatus": "accepted", "organizer": True}
    assert copy["attendees"][1] == {"email": BO, "responseStatus": "needsAction", "self": True}
    assert copy["extendedProperties"] == {"shared": {"deal": "7"}}


@pytest.mark.parametrize(
    ("mode", "mailed"),
    [
        pytest.param("all", [("invitation", BO), ("invitation", EVE)], id="all"),
        pytest.param("externalOnly", [("invitation", EVE)], id="those without a Google calendar"),
        pytest.param("none", [], id="nobody"),
    ],
)
def test_guests_are_mailed_as_the_caller_says_and_once(ana: httpx.Client, world: World, mode: str, mailed: list[tuple[str, str]]) -> None:
    insert(ana, attendees=GUESTS, sendUpdates=mode)
    assert mails(world) == mailed


def test_who_is_invited_later_is_invited_alone_and_who_is_dropped_is_told(ana: httpx.Client, world: World) -> None:
    made = insert(ana, attendees=GUESTS[:2], sendUpdates="all")
    world.mails.clear()
    patch(ana, made["id"], {"attendees": [*GUESTS]}, sendUpdates="all")
    assert mails(world) == [("invitation", EVE)]
    patch(ana, made["id"], {"attendees": [GUESTS[0], GUESTS[2]]}, sendUpdates="all")
    assert mails(world)[1:] == [("cancellation", BO)]
    assert [mail.to for mail in world.invitations(EVE)] == [EVE]


def test_a_change_by_the_organiser_reaches_every_copy(ana: httpx.Client, bo: httpx.Client, world: World) -> None:
    made = insert(ana, attendees=GUESTS)
    patch(ana, made["id"], {"summary": "S2"}, sendUpdates="all")
    assert get(bo, made["id"])["summary"] == "S2"
    assert mails(world) == [("update", BO), ("update", EVE)]


def test_a_guests_answer_reaches_every_copy_and_the_organiser_is_mailed(
    ana: httpx.Client, bo: httpx.Client, google: Google, world: World
) -> None:
    made = insert(ana, attendees=GUESTS)
    google.respond(BO, made["id"], "accepted", "gladly")
    assert answers(get(ana, made["id"])) == {ANA: "accepted", BO: "accepted", EVE: "needsAction"}
    assert get(ana, made["id"])["attendees"][1]["comment"] == "gladly"
    assert answers(get(bo, made["id"]))[BO] == "accepted"
    assert get(ana, made["id"])["etag"] != made["etag"]
    assert mails(world) == [("response", ANA)]


def test_a_guests_program_answers_by_a_patch_of_his_copy(ana: httpx.Client, bo: httpx.Client) -> None:
    made = insert(ana, attendees=GUESTS)
    people = [{"email": ANA, "responseStatus": "declined"}, {"email": BO, "responseStatus": "tentative"}]
    patch(bo, made["id"], {"attendees": people})
    assert answers(get(ana, made["id"])) == {ANA: "accepted", BO: "tentative", EVE: "needsAction"}


@pytest.mark.parametrize(
    "body", [{"summary": "Mine now"}, {"extendedProperties": {"shared": {"a": "1"}}}, {"guestsCanModify": True}], ids=str
)
def test_a_guest_may_not_change_what_belongs_to_all(ana: httpx.Client, bo: httpx.Client, body: dict[str, Any]) -> None:
    made = insert(ana, attendees=GUESTS)
    assert refused(patch(bo, made["id"], body)) == (403, "forbiddenForNonOrganizer")
    assert get(ana, made["id"]) == made


def test_a_guest_may_change_it_if_the_organiser_lets_him(ana: httpx.Client, bo: httpx.Client) -> None:
    made = insert(ana, attendees=GUESTS, guestsCanModify=True)
    assert patch(bo, made["id"], {"summary": "Better"}).status_code == 200
    assert get(ana, made["id"])["summary"] == "Better"


def test_what_a_guest_sets_for_himself_is_his_own(ana: httpx.Client, bo: httpx.Client) -> None:
    made = insert(ana, attendees=GUESTS)
    own = {"visibility": "private", "colorId": "7", "extendedProperties": {"private": {"mine": "1"}}}
    copy = patch(bo, made["id"], own).json()
    assert (copy["visibility"], copy["colorId"], copy["extendedProperties"]) == ("private", "7", {"private": {"mine": "1"}})
    assert get(ana, made["id"]) == made


def test_a_guest_who_may_not_see_the_others_sees_himself(ana: httpx.Client, bo: httpx.Client) -> None:
    made = insert(ana, attendees=GUESTS, guestsCanSeeOtherGuests=False)
    assert [each["email"] for each in get(bo, made["id"])["attendees"]] == [BO]
    assert len(get(ana, made["id"])["attendees"]) == 3


# --- cancelling ---------------------------------------------------------------------------------------------------------------


def test_the_organiser_cancels_for_all(ana: httpx.Client, bo: httpx.Client, world: World) -> None:
    made = insert(ana, attendees=GUESTS)
    token = bo.get(EVENTS).json()["nextSyncToken"]
    assert ana.delete(f"{EVENTS}/{made['id']}", params={"sendUpdates": "all"}).status_code == 204
    assert (get(ana, made["id"])["status"], get(bo, made["id"])["status"]) == ("cancelled", "cancelled")
    assert mails(world) == [("cancellation", BO), ("cancellation", EVE)]
    stone = bo.get(EVENTS, params={"syncToken": token}).json()["items"]
    assert [set(item) for item in stone] == [{"kind", "etag", "id", "status"}]
    assert refused(ana.delete(f"{EVENTS}/{made['id']}")) == (410, "deleted")


def test_the_organisers_list_keeps_what_a_cancelled_event_was(ana: httpx.Client) -> None:
    made = insert(ana)
    ana.delete(f"{EVENTS}/{made['id']}")
    assert ana.get(EVENTS).json()["items"] == []
    (stone,) = ana.get(EVENTS, params={"showDeleted": "true"}).json()["items"]
    assert (stone["status"], stone["summary"], stone["sequence"]) == ("cancelled", "Kick-off", 1)


def test_a_guest_who_deletes_his_copy_declines(ana: httpx.Client, bo: httpx.Client) -> None:
    made = insert(ana, attendees=GUESTS)
    assert bo.delete(f"{EVENTS}/{made['id']}").status_code == 204
    assert get(ana, made["id"])["status"] == "confirmed"
    assert answers(get(ana, made["id"]))[BO] == "declined"
    gone = get(bo, made["id"])
    assert (gone["status"], answers(gone)[BO]) == ("cancelled", "declined")
    patch(ana, made["id"], {"summary": "S2"})
    assert get(bo, made["id"])["status"] == "cancelled"


def test_who_is_no_guest_any_more_loses_his_copy_and_has_it_back_when_invited_again(ana: httpx.Client, bo: httpx.Client) -> None:
    made = insert(ana, attendees=GUESTS)
    patch(ana, made["id"], {"attendees": [GUESTS[0]]})
    assert get(bo, made["id"])["status"] == "cancelled"
    patch(ana, made["id"], {"attendees": GUESTS})
    assert get(bo, made["id"])["status"] == "confirmed"


def test_a_status_of_cancelled_is_a_deletion_and_confirmed_takes_it_back(ana: httpx.Client) -> None:
    made = insert(ana)
    assert patch(ana, made["id"], {"status": "cancelled"}).json()["status"] == "cancelled"
    assert patch(ana, made["id"], {"status": "confirmed"}).json()["status"] == "confirmed"
    assert len(ana.get(EVENTS).json()["items"]) == 1


def test_only_the_organiser_calls_a_meeting_off(google: Google) -> None:
    made = google.event(ANA, "Kick-off", "2026-03-09T10:00", "2026-03-09T11:00", guests=[BO])
    with pytest.raises(Refusal, match="Only the organizer"):
        google.cancel(BO, made["id"])
    assert google.cancel(ANA, made["id"])["status"] == "cancelled"


# --- series -------------------------------------------------------------------------------------------------------------------


def test_an_instance_is_read_before_anybody_changed_it(ana: httpx.Client) -> None:
    master = insert(ana, **SERIES)
    one = get(ana, f"{master['id']}_20260330T070000Z")
    assert (one["recurringEventId"], one["etag"], one["start"]["dateTime"]) == (
        master["id"],
        master["etag"],
        "2026-03-30T09:00:00+02:00",
    )
    for other in ("_20260331T070000Z", "_20260330", "_20270101T000000Z"):
        assert refused(ana.get(f"{EVENTS}/{master['id']}{other}")) == (404, "notFound")


def test_a_changed_instance_is_an_exception_in_every_calendar(ana: httpx.Client, bo: httpx.Client) -> None:
    master = insert(ana, **SERIES, attendees=GUESTS)
    id = f"{master['id']}_20260330T070000Z"
    patch(ana, id, {"summary": "Special"}, sendUpdates="none")
    assert [get(client, id)["summary"] for client in (ana, bo)] == ["Special", "Special"]
    assert get(ana, f"{master['id']}_20260406T070000Z")["summary"] == "Kick-off"
    assert get(ana, master["id"])["etag"] == master["etag"]


def test_an_exception_follows_its_series_in_what_it_does_not_say_itself(ana: httpx.Client) -> None:
    master = insert(ana, **SERIES, location="Room 4")
    id = f"{master['id']}_20260330T070000Z"
    patch(ana, id, {"summary": "Special"})
    patch(ana, master["id"], {"summary": "Renamed", "location": "Room 5"})
    assert (get(ana, id)["summary"], get(ana, id)["location"]) == ("Special", "Room 5")


def test_one_cancelled_instance_is_not_a_cancelled_series(ana: httpx.Client, bo: httpx.Client) -> None:
    master = insert(ana, **SERIES, attendees=GUESTS)
    id = f"{master['id']}_20260330T070000Z"
    ana.delete(f"{EVENTS}/{id}")
    assert [get(client, master["id"])["status"] for client in (ana, bo)] == ["confirmed", "confirmed"]
    assert [get(client, id)["status"] for client in (ana, bo)] == ["cancelled", "cancelled"]
    assert len(ana.get(f"{EVENTS}/{master['id']}/instances").json()["items"]) == 2


def test_a_guest_declines_one_instance(ana: httpx.Client, bo: httpx.Client, google: Google) -> None:
    master = insert(ana, **SERIES, attendees=GUESTS)
    id = f"{master['id']}_20260330T070000Z"
    google.respond(BO, id, "declined")
    assert answers(get(ana, id))[BO] == "declined"
    assert answers(get(ana, master["id"]))[BO] == "needsAction"
    google.delete(BO, f"{master['id']}_20260406T070000Z")
    assert get(bo, f"{master['id']}_20260406T070000Z")["status"] == "cancelled"
    assert get(ana, f"{master['id']}_20260406T070000Z")["status"] == "confirmed"


def test_a_guest_of_one_instance_has_that_one_only(ana: httpx.Client, bo: httpx.Client) -> None:
    master = insert(ana, **SERIES)
    id = f"{master['id']}_20260330T070000Z"
    patch(ana, id, {"attendees": GUESTS})
    assert [item["id"] for item in bo.get(EVENTS).json()["items"]] == [id]
    assert refused(bo.get(f"{EVENTS}/{master['id']}")) == (404, "notFound")


def test_a_cancelled_series_takes_its_exceptions_along(ana: httpx.Client, bo: httpx.Client) -> None:
    master = insert(ana, **SERIES, attendees=GUESTS)
    id = f"{master['id']}_20260330T070000Z"
    patch(ana, id, {"summary": "Special"})
    ana.delete(f"{EVENTS}/{master['id']}")
    assert [get(client, each)["status"] for client in (ana, bo) for each in (master["id"], id)] == ["cancelled"] * 4
    assert bo.get(EVENTS, params={"singleEvents": "true"}).json()["items"] == []


def test_a_series_with_a_new_rule_drops_the_exceptions_it_makes_no_more(ana: httpx.Client) -> None:
    master = insert(ana, **SERIES)
    kept, dropped = (f"{master['id']}_{day}T{hour}0000Z" for day, hour in (("20260323", "08"), ("20260406", "07")))
    for id in (kept, dropped):
        patch(ana, id, {"summary": "Special"})
    patch(ana, master["id"], {"recurrence": ["RRULE:FREQ=WEEKLY;COUNT=2"]})
    assert [get(ana, id)["status"] for id in (kept, dropped)] == ["confirmed", "cancelled"]
    assert [item["summary"] for item in ana.get(EVENTS, params={"singleEvents": "true"}).json()["items"]] == ["Kick-off", "Special"]


def test_one_private_instance_makes_the_series_private_and_not_the_reverse(ana: httpx.Client) -> None:
    master = insert(ana, **SERIES)
    id = f"{master['id']}_20260330T070000Z"
    patch(ana, id, {"visibility": "private"})
    assert get(ana, master["id"])["visibility"] == "private"
    patch(ana, id, {"visibility": "public"})
    assert get(ana, master["id"])["visibility"] == "private"


def test_a_moved_series_takes_its_new_guests_along_and_leaves_its_exceptions(ana: httpx.Client, bo: httpx.Client) -> None:
    master = insert(ana, **SERIES)
    special = f"{master['id']}_20260330T070000Z"
    patch(ana, special, {"summary": "Special"})
    later = {which: {"dateTime": f"2026-03-23T{hour}:00+01:00"} for which, hour in (("start", "14:00"), ("end", "14:30"))}
    patch(ana, master["id"], {**later, "attendees": GUESTS})
    assert get(bo, master["id"])["start"]["dateTime"] == "2026-03-23T14:00:00+01:00"
    assert get(ana, special)["status"] == "cancelled"
    shown = bo.get(EVENTS, params={"singleEvents": "true"}).json()["items"]
    assert [item["id"][-16:] for item in shown] == ["20260323T130000Z", "20260330T120000Z", "20260406T120000Z"]


def test_two_series_of_one_identifier_are_two(ana: httpx.Client, bo: httpx.Client) -> None:
    insert(ana, id="meeting01", summary="Ana's", **SERIES)
    insert(bo, id="meeting01", summary="Bo's", **SERIES)
    patch(ana, "meeting01_20260330T070000Z", {"summary": "Special"})
    assert get(bo, "meeting01_20260330T070000Z")["summary"] == "Bo's"
    patch(bo, "meeting01_20260330T070000Z", {"location": "Room 4"})
    assert get(ana, "meeting01_20260330T070000Z")["summary"] == "Special"


# --- other ways in ------------------------------------------------------------------------------------------------------------


def test_an_import_is_by_uid_and_invites_nobody(ana: httpx.Client, world: World) -> None:
    body = {"iCalUID": "x@elsewhere", "organizer": {"email": EVE}, "summary": "Theirs", "attendees": GUESTS, **TEN}
    made = ana.post(f"{EVENTS}/import", json=body).json()
    assert (made["iCalUID"], made["organizer"]) == ("x@elsewhere", {"email": EVE})
    again = ana.post(f"{EVENTS}/import", json={**body, "summary": "Theirs, changed"}).json()
    assert (again["id"], again["summary"]) == (made["id"], "Theirs, changed")
    assert mails(world) == []


def test_an_event_moves_to_another_organiser(ana: httpx.Client, google: Google) -> None:
    team = google.calendar(ANA, "team@group.calendar.example", "Team")
    made = insert(ana)
    moved = ana.post(f"{EVENTS}/{made['id']}/move", params={"destination": team}).json()
    assert (moved["id"], moved["organizer"]["email"]) == (made["id"], team)
    assert get(ana, made["id"])["status"] == "cancelled"


def test_a_quick_event_has_its_text_for_a_title(ana: httpx.Client) -> None:
    made = ana.post(f"{EVENTS}/quickAdd", params={"text": "Lunch with Bo"}).json()
    assert (made["summary"], made["start"]["dateTime"]) == ("Lunch with Bo", "2026-03-02T14:00:00+01:00")


# --- who may what -------------------------------------------------------------------------------------------------------------


def test_a_calendar_that_is_not_shared_is_not_there(ana: httpx.Client, google: Google) -> None:
    assert refused(ana.get(f"calendars/{BO}/events")) == (404, "notFound")
    google.share(BO, ANA, "reader")
    assert ana.get(f"calendars/{BO}/events").json()["accessRole"] == "reader"
    assert refused(ana.post(f"calendars/{BO}/events", json=TEN)) == (403, "requiredAccessLevel")


@pytest.mark.parametrize(
    ("role", "visibility", "seen"),
    [
        pytest.param("freeBusyReader", "default", False, id="free or busy"),
        pytest.param("reader", "default", True, id="a reader"),
        pytest.param("reader", "private", False, id="a reader, private"),
        pytest.param("writerWithoutPrivateAccess", "private", False, id="a writer without private access"),
        pytest.param("writer", "private", True, id="a writer"),
    ],
)
def test_details_are_seen_by_who_may(ana: httpx.Client, bo: httpx.Client, google: Google, role: str, visibility: str, seen: bool) -> None:
    made = insert(bo, visibility=visibility)
    google.share(BO, ANA, role)
    shown = ana.get(f"calendars/{BO}/events").json()["items"][0]
    assert (shown["id"], shown["start"]["dateTime"]) == (made["id"], "2026-03-09T10:00:00+01:00")
    assert ("summary" in shown, "organizer" in shown) == (seen, seen)


def test_calendars_are_listed_the_primary_first_and_go_on_by_token(ana: httpx.Client, google: Google) -> None:
    google.share(BO, ANA, "reader")
    told = ana.get("users/me/calendarList").json()
    assert [(each["id"], each["accessRole"], each.get("primary")) for each in told["items"]] == [
        (ANA, "owner", True),
        (BO, "reader", None),
    ]
    google.calendar(ANA, "team@group.calendar.example", "Team")
    increment = ana.get("users/me/calendarList", params={"syncToken": told["nextSyncToken"]}).json()
    assert [each["summary"] for each in increment["items"]] == ["Team"]
    assert ana.get("users/me/calendarList/primary").json()["id"] == ANA
    assert ana.get("calendars/primary").json()["timeZone"] == "Europe/Paris"
    assert ana.get("users/me/settings/timezone").json()["value"] == "Europe/Paris"


@pytest.mark.parametrize(
    ("scopes", "read", "written"),
    [
        pytest.param(["calendar.events"], 200, 200, id="events"),
        pytest.param(["calendar.readonly"], 200, 403, id="read only"),
        pytest.param(["calendar.calendarlist.readonly"], 403, 403, id="the list of calendars only"),
    ],
)
def test_a_token_is_good_for_its_scopes(sandbox: Sandbox, google: Google, scopes: list[str], read: int, written: int) -> None:
    token = google.token(ANA, [f"https://www.googleapis.com/auth/{scope}" for scope in scopes])
    with httpx.Client(base_url=f"{sandbox.url}/calendar/v3/", headers={"Authorization": f"Bearer {token}"}, trust_env=False) as client:
        assert (client.get(EVENTS).status_code, client.post(EVENTS, json=TEN).status_code) == (read, written)


def test_who_has_no_token_or_an_old_one_is_refused(sandbox: Sandbox, ana: httpx.Client, world: World) -> None:
    bare = httpx.get(f"{sandbox.url}/calendar/v3/{EVENTS}", trust_env=False)
    assert refused(bare) == (401, "authError")
    world.move(3_600_000)
    assert refused(ana.get(EVENTS)) == (401, "authError")


@pytest.mark.parametrize("status", [403, 429])
def test_too_many_calls_in_a_minute_are_refused_and_the_minute_slides(
    ana: httpx.Client, bo: httpx.Client, google: Google, world: World, status: int
) -> None:
    google.switches.user_limit, google.switches.quota_status = 2, status
    assert ana.get(EVENTS).status_code == 200
    world.move(30_000)
    assert ana.get(EVENTS).status_code == 200
    assert refused(ana.get(EVENTS)) == (status, "rateLimitExceeded")
    assert bo.get(EVENTS).status_code == 200
    world.move(30_000)
    assert [ana.get(EVENTS).status_code for _ in range(2)] == [200, status]


def test_a_client_has_a_limit_for_all_its_people(ana: httpx.Client, bo: httpx.Client, google: Google) -> None:
    google.switches.project_limit = 1
    assert (ana.get(EVENTS).status_code, bo.get(EVENTS).status_code) == (200, 403)


@pytest.mark.parametrize(
    ("status", "reason"), [(403, "rateLimitExceeded"), (429, "rateLimitExceeded"), (500, "backendError"), (503, "backendError")]
)
def test_a_fault_is_worded_as_google_words_it(ana: httpx.Client, world: World, status: int, reason: str) -> None:
    world.faults.add("status", simulator="google", status=status)
    assert refused(ana.get(EVENTS)) == (status, reason)


def test_a_timeout_after_success_leaves_the_event(ana: httpx.Client, world: World) -> None:
    world.faults.add("drop_after", simulator="google", method="POST")
    with pytest.raises(httpx.RemoteProtocolError):
        insert(ana, id="kickoff01", attendees=GUESTS, sendUpdates="all")
    assert refused(ana.post(EVENTS, json={"id": "kickoff01", **TEN})) == (409, "duplicate")
    assert [mail.to for mail in world.invitations()] == [BO, EVE]
