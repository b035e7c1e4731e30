"""What a meeting does to others: copies, answers, cancellations, and above all mails."""

from __future__ import annotations

import pytest

from services.sandbox.office365_errors import Refusal
from tests.sandbox.office365_world import ANA, BO, CEM, FAY, Json, Office, at, guests, repeating


@pytest.fixture
def office() -> Office:
    return Office()


def copies(office: Office, who: str) -> list[Json]:
    return list(office.get("/me/events", who=who).body["value"])


def the_copy(office: Office, who: str = CEM) -> Json:
    (one,) = copies(office, who)
    return one


def answers(office: Office, id: str) -> dict[str, str]:
    """What each guest answered, as the organiser sees it."""
    seen = office.get(f"/me/events/{id}").body["attendees"]
    return {guest["emailAddress"]["address"]: guest["status"]["response"] for guest in seen}


# --- inviting ---------------------------------------------------------------------------------------------------------


def test_guests_are_mailed_once_each_and_those_here_get_a_copy(office: Office) -> None:
    made = office.event(attendees=guests(CEM, BO, ANA))
    theirs = the_copy(office)
    assert office.mailed() == [CEM, BO]
    assert (theirs["id"] != made["id"], theirs["iCalUId"] == made["iCalUId"], theirs["changeKey"] != made["changeKey"]) == (
        True,
        True,
        True,
    )
    assert (theirs["isOrganizer"], theirs["organizer"]["emailAddress"]["address"]) == (False, ANA)
    assert (theirs["responseStatus"]["response"], theirs["showAs"]) == ("notResponded", "tentative")


def test_nothing_a_client_can_say_keeps_an_invitation_back(office: Office) -> None:
    office.event(attendees=guests(BO), responseRequested=False, isDraft=True, hideAttendees=True)
    assert office.mailed() == [BO]


def test_an_event_without_guests_mails_nobody(office: Office) -> None:
    made = office.event()
    office.patch(f"/me/events/{made['id']}", {"subject": "S"})
    office.delete(f"/me/events/{made['id']}")
    assert office.world.mails == []


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        pytest.param({"subject": "S"}, [CEM, BO], id="a title"),
        pytest.param({"start": at("2026-03-09T09:00:00")}, [CEM, BO], id="a time"),
        pytest.param({"body": {"contentType": "text", "content": "x"}}, [CEM, BO], id="a body"),
        pytest.param({"showAs": "free", "categories": ["Red"], "isReminderOn": False}, [], id="what is the organiser's own"),
        pytest.param({"subject": "Kick-off"}, [], id="nothing"),
    ],
)
def test_a_change_is_mailed_to_all_if_others_see_it(office: Office, changes: Json, told: list[str]) -> None:
    made = office.event(attendees=guests(CEM, BO))
    office.patch(f"/me/events/{made['id']}", changes)
    assert (office.mailed("update"), office.mailed()) == (told, [CEM, BO])


def test_a_change_of_the_guests_alone_is_mailed_to_those_it_concerns(office: Office) -> None:
    made = office.event(attendees=guests(CEM, BO))
    office.patch(f"/me/events/{made['id']}", {"attendees": guests(BO, FAY)})
    assert [(mail.kind, mail.to) for mail in office.world.mails[2:]] == [("cancellation", CEM), ("invitation", FAY)]
    assert (the_copy(office)["isCancelled"], the_copy(office, FAY)["isCancelled"]) == (True, False)


def test_a_series_is_mailed_once_and_once_more_for_each_changed_instance(office: Office) -> None:
    made = office.event(attendees=guests(BO), recurrence=repeating(count=5))
    for occurrence in office.get(f"/me/events/{made['id']}/instances?startDateTime=2026-03-09&endDateTime=2026-03-11").body["value"]:
        office.patch(f"/me/events/{occurrence['id']}", {"subject": "Changed"})
    office.world.mails.clear()
    office.patch(f"/me/events/{made['id']}", {"location": {"displayName": "Room 4"}})
    assert [(mail.kind, mail.title) for mail in office.world.mails] == [
        ("update", "Kick-off"),
        ("update", "Changed"),
        ("update", "Changed"),
    ]


# --- copies -----------------------------------------------------------------------------------------------------------


def test_a_copy_follows_the_organisers_and_keeps_what_is_its_own(office: Office) -> None:
    made = office.event(attendees=guests(CEM))
    theirs = the_copy(office)["id"]
    office.patch(f"/me/events/{theirs}", {"categories": ["Mine"], "showAs": "workingElsewhere"}, who=CEM)
    office.patch(f"/me/events/{made['id']}", {"subject": "New", "sensitivity": "private"})
    now = the_copy(office)
    assert [now[n] for n in ("id", "subject", "sensitivity", "categories", "showAs")] == [
        theirs,
        "New",
        "private",
        ["Mine"],
        "workingElsewhere",
    ]
    assert office.mailed("update") == [CEM]


def test_hidden_guests_see_themselves_alone(office: Office) -> None:
    made = office.event(attendees=guests(CEM, BO), hideAttendees=True)
    seen = [[guest["emailAddress"]["address"] for guest in event["attendees"]] for event in (made, the_copy(office))]
    assert seen == [[CEM, BO], [CEM]]


def test_another_time_asks_everybody_anew(office: Office) -> None:
    made = office.event(attendees=guests(CEM))
    office.post(f"/me/events/{the_copy(office)['id']}/accept", {}, who=CEM)
    assert answers(office, made["id"]) == {CEM: "accepted"}
    office.patch(f"/me/events/{made['id']}", {"end": at("2026-03-09T12:00:00")})
    assert answers(office, made["id"]) == {CEM: "none"}
    assert the_copy(office)["responseStatus"]["response"] == "notResponded"


def test_all_copies_of_an_occurrence_have_a_uid_of_their_own(office: Office) -> None:
    office.event(attendees=guests(CEM), recurrence=repeating(count=2))
    window = "/me/calendarView?startDateTime=2026-03-01&endDateTime=2026-04-01"
    mine, theirs = ([item["iCalUId"] for item in office.get(window, who=who).body["value"]] for who in (ANA, CEM))
    assert (mine == theirs, len(set(mine)), the_copy(office)["iCalUId"] in mine) == (True, 2, False)
    assert [uid[32:40] for uid in mine] == ["07EA0309", "07EA030A"]


def test_somebody_invited_later_gets_the_series_as_it_is(office: Office) -> None:
    made = office.event(recurrence=repeating(count=4))
    first, second, *_ = office.get(f"/me/events/{made['id']}/instances?startDateTime=2026-03-09&endDateTime=2026-03-20").body["value"]
    office.delete(f"/me/events/{first['id']}")
    office.patch(f"/me/events/{second['id']}", {"subject": "Other"})
    office.patch(f"/me/events/{made['id']}", {"attendees": guests(CEM)})
    view = office.get("/me/calendarView?startDateTime=2026-03-01&endDateTime=2026-04-01", who=CEM).body["value"]
    assert [(item["start"]["dateTime"][:10], item["subject"]) for item in view] == [
        ("2026-03-10", "Other"),
        ("2026-03-11", "Kick-off"),
        ("2026-03-12", "Kick-off"),
    ]


# --- answering --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verb", "answer", "shows"),
    [
        ("accept", "accepted", "busy"),
        ("tentativelyAccept", "tentativelyAccepted", "tentative"),
        ("microsoft.graph.accept", "accepted", "busy"),
    ],
)
def test_an_answer_stands_in_both_copies_and_is_mailed(office: Office, verb: str, answer: str, shows: str) -> None:
    made = office.event(attendees=guests(CEM))
    office.later(5)
    said = office.post(f"/me/events/{the_copy(office)['id']}/{verb}", {"Comment": "ok", "SendResponse": True}, who=CEM)
    theirs = the_copy(office)
    assert (said.status, said.body) == (202, None)
    assert (theirs["responseStatus"], theirs["showAs"]) == ({"response": answer, "time": "2026-03-03T12:05:00Z"}, shows)
    assert answers(office, made["id"]) == {CEM: answer}
    assert [(mail.to, mail.sender) for mail in office.world.mails if mail.kind == "response"] == [(ANA, CEM)]


def test_an_answer_that_is_not_sent_is_known_to_its_giver_alone(office: Office) -> None:
    made = office.event(attendees=guests(CEM))
    office.post(f"/me/events/{the_copy(office)['id']}/accept", {"sendResponse": False}, who=CEM)
    assert (the_copy(office)["responseStatus"]["response"], answers(office, made["id"]), office.mailed("response")) == (
        "accepted",
        {CEM: "none"},
        [],
    )


@pytest.mark.parametrize(("stays", "left"), [(False, []), (True, ["declined"])])
def test_who_declines_has_no_copy_any_more_or_a_declined_one(office: Office, stays: bool, left: list[str]) -> None:
    office.outlook.switch(declined_stays=stays)
    made = office.event(attendees=guests(CEM))
    office.post(f"/me/events/{the_copy(office)['id']}/decline", {}, who=CEM)
    assert [one["responseStatus"]["response"] for one in copies(office, CEM)] == left
    assert answers(office, made["id"]) == {CEM: "declined"}


def test_one_occurrence_is_answered_by_itself(office: Office) -> None:
    made = office.event(attendees=guests(CEM), recurrence=repeating(count=2))
    occurrences = f"/me/events/{the_copy(office)['id']}/instances?startDateTime=2026-03-01&endDateTime=2026-04-01"
    first, second = office.get(occurrences, who=CEM).body["value"]
    office.post(f"/me/events/{first['id']}/accept", {}, who=CEM)
    seen = office.get(f"/me/events/{made['id']}/instances?startDateTime=2026-03-01&endDateTime=2026-04-01").body["value"]
    assert [one["attendees"][0]["status"]["response"] for one in seen] == ["accepted", "none"]
    again = office.get(occurrences, who=CEM).body["value"]
    assert [(one["id"], one["type"], one["responseStatus"]["response"]) for one in again] == [
        (first["id"], "exception", "accepted"),
        (second["id"], "occurrence", "notResponded"),
    ]


def test_somebody_at_another_provider_answers_by_mail(office: Office) -> None:
    made = office.event(attendees=guests(BO))
    office.outlook.respond(ANA, made["id"], "accepted", guest=BO.upper())
    assert answers(office, made["id"]) == {BO: "accepted"}


@pytest.mark.parametrize("verb", ["accept", "tentativelyAccept", "decline"])
def test_the_organiser_answers_nobody(office: Office, verb: str) -> None:
    made = office.event(attendees=guests(CEM))
    assert office.post(f"/me/events/{made['id']}/{verb}", {}).code == "ErrorInvalidRequest"


# --- ending -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["delete", "cancel"])
def test_the_organisers_deletion_cancels_the_meeting_for_all(office: Office, way: str) -> None:
    made = office.event(attendees=guests(CEM, BO))
    path = f"/me/events/{made['id']}"
    said = office.delete(path) if way == "delete" else office.post(f"{path}/cancel", {"Comment": "Sorry"})
    theirs = the_copy(office)
    assert (said.status, office.get(path).status) == (204 if way == "delete" else 202, 404)
    assert (theirs["isCancelled"], theirs["subject"], theirs["showAs"]) == (True, "Canceled: Kick-off", "free")
    assert office.mailed("cancellation") == [CEM, BO]


def test_only_the_organiser_cancels(office: Office) -> None:
    office.event(attendees=guests(CEM))
    said = office.post(f"/me/events/{the_copy(office)['id']}/cancel", {}, who=CEM)
    assert (said.status, said.body["error"]["message"]) == (
        400,
        "Your request can't be completed. You need to be an organizer to cancel a meeting.",
    )


def test_a_guest_who_removes_his_copy_tells_nobody(office: Office) -> None:
    made = office.event(attendees=guests(CEM))
    office.delete(f"/me/events/{the_copy(office)['id']}", who=CEM)
    assert (copies(office, CEM), office.mailed("cancellation"), answers(office, made["id"])) == ([], [], {CEM: "none"})


def test_one_cancelled_occurrence_is_gone_here_and_shown_as_cancelled_there(office: Office) -> None:
    made = office.event(attendees=guests(CEM), recurrence=repeating(count=3))
    window = "startDateTime=2026-03-01&endDateTime=2026-04-01"
    _, second, _ = office.get(f"/me/events/{made['id']}/instances?{window}").body["value"]
    office.post(f"/me/events/{second['id']}/cancel", {})
    assert [one["start"]["dateTime"][8:10] for one in office.get(f"/me/calendarView?{window}").body["value"]] == ["09", "11"]
    assert [one["isCancelled"] for one in office.get(f"/me/calendarView?{window}", who=CEM).body["value"]] == [False, True, False]
    assert office.mailed("cancellation") == [CEM]


def test_people_act_as_clients_do(office: Office) -> None:
    made = office.outlook.event(ANA, "Lunch", "2026-03-09T12:00:00", "2026-03-09T13:00:00", zone="Europe/Paris", guests=[CEM, BO])
    theirs = office.outlook.copy(ANA, made, CEM)
    office.outlook.respond(CEM, str(theirs), "tentativelyAccepted")
    office.outlook.move(ANA, made, "2026-03-09T13:00:00", "2026-03-09T14:00:00")
    office.outlook.cancel(ANA, made)
    assert [(mail.kind, mail.to) for mail in office.world.mails] == [
        ("invitation", CEM),
        ("invitation", BO),
        ("response", ANA),
        ("update", CEM),
        ("update", BO),
        ("cancellation", CEM),
        ("cancellation", BO),
    ]
    with pytest.raises(Refusal) as refused:
        office.outlook.delete(ANA, made)
    assert refused.value.status == 404
