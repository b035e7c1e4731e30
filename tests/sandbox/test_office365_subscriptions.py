"""Subscriptions: the handshake, how long they live, and what is told to whom."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.sandbox.office365_world import ANA, BO, CEM, Json, Office, guests, repeating, valid

DAY = 24 * 60
TIMES = {
    0: "2026-03-03T12:00:00Z",
    10: "2026-03-03T12:10:00Z",
    45: "2026-03-03T12:45:00Z",
    DAY: "2026-03-04T12:00:00Z",
    7 * DAY: "2026-03-10T12:00:00Z",
}


class Receiver:
    """An HTTP server that echoes tokens, or does not, and keeps what it is told."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, Json]] = []
        self.shaken: list[str] = []
        self.answer = self.echo
        self.taken = [202]
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked, body = urlsplit(self.path), self.rfile.read(int(self.headers["Content-Length"]))
                token = parse_qs(asked.query).get("validationToken")
                if token:
                    receiver.shaken.append(asked.path)
                else:
                    receiver.heard.append((asked.path, json.loads(body)["value"][0]))
                status, kind, said = receiver.answer(token[0]) if token else (receiver.take(), "text/plain", "")
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(said)))
                self.end_headers()
                self.wfile.write(said.encode())

            def log_message(self, *args: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def take(self) -> int:
        """How the next notice is answered: the last of these for ever."""
        return self.taken.pop(0) if len(self.taken) > 1 else self.taken[0]

    @staticmethod
    def echo(token: str) -> tuple[int, str, str]:
        return 200, "text/plain", token


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    one = Receiver()
    yield one
    one.server.shutdown()
    one.server.server_close()


@pytest.fixture
def office() -> Office:
    return Office()


def wanted(receiver: Receiver, **changes: Any) -> Json:
    body = {
        "changeType": "created,updated,deleted",
        "notificationUrl": f"{receiver.url}/notices",
        "lifecycleNotificationUrl": f"{receiver.url}/lifecycle",
        "resource": "me/events",
        "expirationDateTime": TIMES[DAY],
        "clientState": "secret",
    }
    return {name: value for name, value in (body | changes).items() if value is not ...}


def told(office: Office, receiver: Receiver) -> list[tuple[str, str]]:
    office.world.outbox.flush()
    return [(path, str(notice.get("changeType") or notice.get("lifecycleEvent"))) for path, notice in receiver.heard]


def test_a_subscription_begins_with_both_urls_echoing(office: Office, receiver: Receiver) -> None:
    said = office.post("/subscriptions", wanted(receiver))
    assert (said.status, sorted(receiver.shaken)) == (201, ["/lifecycle", "/notices"])
    assert (said.body["expirationDateTime"], said.body["resource"], said.body["clientState"]) == (TIMES[DAY], "me/events", "secret")
    valid(said.body, "subscription")
    shown = office.get(f"/subscriptions/{said.body['id']}").body
    assert (shown["id"], shown["clientState"]) == (said.body["id"], None)
    assert [one["id"] for one in office.get("/subscriptions").body["value"]] == [said.body["id"]]


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param((202, "text/plain", None), id="accepted is not good enough"),
        pytest.param((200, "text/html", None), id="a page is none"),
        pytest.param((200, "text/plain", "other"), id="something else"),
    ],
)
def test_whoever_does_not_echo_is_not_told(office: Office, receiver: Receiver, answer: tuple[int, str, str | None]) -> None:
    status, kind, text = answer
    receiver.answer = lambda token: (status, kind, text if text is not None else token)
    said = office.post("/subscriptions", wanted(receiver))
    assert (said.status, said.code, office.get("/subscriptions").body["value"]) == (400, "ValidationError", [])


def test_whoever_is_not_there_is_not_told(office: Office, receiver: Receiver) -> None:
    assert office.post("/subscriptions", wanted(receiver, notificationUrl="http://127.0.0.1:1/x")).code == "ValidationError"


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        pytest.param({"changeType": ...}, 400, id="no kind of change"),
        pytest.param({"changeType": "moved"}, 400, id="a kind that is none"),
        pytest.param({"notificationUrl": "https://elsewhere.example/x"}, 400, id="another machine"),
        pytest.param({"resource": "me/messages"}, 400, id="mail"),
        pytest.param({"resource": f"users/{CEM}/events"}, 403, id="another's events"),
        pytest.param({"resource": "users/nobody@acme.example/events"}, 404, id="nobody's events"),
        pytest.param({"expirationDateTime": TIMES[0]}, 400, id="already over"),
        pytest.param({"expirationDateTime": "soon"}, 400, id="a time that is none"),
        pytest.param({"expirationDateTime": "2026-03-10T12:01:00Z"}, 400, id="more than seven days"),
        pytest.param({"expirationDateTime": TIMES[7 * DAY]}, 201, id="seven days"),
        pytest.param({"includeResourceData": True}, 400, id="with content, which is not simulated"),
        pytest.param({"clientState": "x" * 129}, 400, id="too long a secret"),
        pytest.param({"resource": f"/users/{ANA}/events"}, 201, id="one's own by address"),
        pytest.param({"resource": "me/calendar/events"}, 201, id="one's own calendar"),
        pytest.param({"lifecycleNotificationUrl": ...}, 201, id="without a lifecycle URL"),
    ],
)
def test_a_subscription_is_examined(office: Office, receiver: Receiver, changes: Json, status: int) -> None:
    assert office.post("/subscriptions", wanted(receiver, **changes)).status == status


def test_the_same_is_subscribed_to_once(office: Office, receiver: Receiver) -> None:
    said = [office.post("/subscriptions", wanted(receiver)).status for _ in range(2)]
    assert (said, office.post("/subscriptions", wanted(receiver, changeType="deleted")).status) == ([201, 409], 201)
    office.outlook.switch(twice=True)
    assert office.post("/subscriptions", wanted(receiver)).status == 201


def test_a_life_is_raised_to_45_minutes_lengthened_and_then_over(office: Office, receiver: Receiver) -> None:
    made = office.post("/subscriptions", wanted(receiver, expirationDateTime=TIMES[10])).body
    assert made["expirationDateTime"] == TIMES[45]
    path = f"/subscriptions/{made['id']}"
    assert office.patch(path, {"expirationDateTime": TIMES[DAY]}).body["expirationDateTime"] == TIMES[DAY]
    office.world.move(DAY * 60_000)
    office.tokens[ANA] = office.outlook.token(ANA)
    assert [office.get(path).status, office.patch(path, {}).status, office.delete(path).status] == [404, 404, 404]
    office.event()
    assert told(office, receiver) == []


def test_a_lifecycle_url_cannot_be_given_later(office: Office, receiver: Receiver) -> None:
    made = office.post("/subscriptions", wanted(receiver, lifecycleNotificationUrl=...)).body
    assert office.patch(f"/subscriptions/{made['id']}", {"lifecycleNotificationUrl": receiver.url}).status == 400


def test_each_change_is_told_with_the_secret_and_an_id(office: Office, receiver: Receiver) -> None:
    subscription = office.post("/subscriptions", wanted(receiver)).body
    made = office.event()
    office.patch(f"/me/events/{made['id']}", {"subject": "S"})
    office.delete(f"/me/events/{made['id']}")
    assert told(office, receiver) == [("/notices", "created"), ("/notices", "updated"), ("/notices", "deleted")]
    notice = receiver.heard[0][1]
    oid = office.get("/me").body["id"]
    assert notice["resource"] == f"Users/{oid}/Events/{made['id']}"
    assert (notice["clientState"], notice["subscriptionId"], notice["tenantId"]) == ("secret", subscription["id"], office.directory.tenant)
    assert notice["resourceData"]["@odata.etag"] == made["@odata.etag"]
    valid({"value": [notice for _, notice in receiver.heard]}, "changeNotificationCollection")


def test_ids_are_of_the_form_that_was_preferred_at_the_beginning(office: Office, receiver: Receiver) -> None:
    office.post("/subscriptions", wanted(receiver), prefer='IdType="ImmutableId"')
    made = office.event()
    office.world.outbox.flush()
    id = receiver.heard[0][1]["resourceData"]["id"]
    assert (id != made["id"], office.get(f"/me/events/{id}").body["id"]) == (True, made["id"])


def test_a_change_by_somebody_else_is_told_too(office: Office, receiver: Receiver) -> None:
    office.post("/subscriptions", wanted(receiver, resource="me/events"), who=CEM)
    made = office.event(attendees=guests(CEM, BO), recurrence=repeating(count=2))
    first = office.get(f"/me/events/{made['id']}/instances?startDateTime=2026-03-01&endDateTime=2026-04-01").body["value"][0]
    office.delete(f"/me/events/{first['id']}")
    assert told(office, receiver) == [("/notices", "created"), ("/notices", "updated")]


def test_only_the_kinds_asked_for_and_only_the_calendar_are_told(office: Office, receiver: Receiver) -> None:
    office.post("/subscriptions", wanted(receiver, changeType="deleted", resource="me/calendar/events"))
    other = office.outlook.calendar(ANA, "Side")
    for calendar in (None, other):
        office.outlook.delete(ANA, office.outlook.event(ANA, "S", "2026-03-09T10:00:00", "2026-03-09T11:00:00", calendar=calendar))
    assert told(office, receiver) == [("/notices", "deleted")]


def test_a_creation_can_be_told_as_an_update_too(office: Office, receiver: Receiver) -> None:
    office.outlook.switch(pairs=True)
    office.post("/subscriptions", wanted(receiver))
    office.event()
    assert told(office, receiver) == [("/notices", "created"), ("/notices", "updated")]


def test_a_deleted_subscription_is_told_nothing(office: Office, receiver: Receiver) -> None:
    made = office.post("/subscriptions", wanted(receiver)).body
    assert office.delete(f"/subscriptions/{made['id']}").status == 204
    office.event()
    assert told(office, receiver) == []


@pytest.mark.parametrize(("word", "left"), [("reauthorizationRequired", 1), ("missed", 1), ("subscriptionRemoved", 0)])
def test_what_becomes_of_a_subscription_is_told_to_its_lifecycle_url(office: Office, receiver: Receiver, word: str, left: int) -> None:
    made = office.post("/subscriptions", wanted(receiver)).body
    assert office.outlook.lifecycle(word, ANA) == 1
    assert (told(office, receiver), len(office.get("/subscriptions").body["value"])) == ([("/lifecycle", word)], left)
    notice = receiver.heard[0][1]
    assert (notice["clientState"], notice["subscriptionId"]) == ("secret", made["id"])
    assert office.post(f"/subscriptions/{made['id']}/reauthorize").status == (204 if left else 404)


def test_without_a_lifecycle_url_nothing_is_told_of_it(office: Office, receiver: Receiver) -> None:
    office.post("/subscriptions", wanted(receiver, lifecycleNotificationUrl=...))
    assert (office.outlook.lifecycle("missed"), told(office, receiver)) == (1, [])


def test_a_notice_that_is_not_taken_comes_again(office: Office, receiver: Receiver) -> None:
    office.post("/subscriptions", wanted(receiver))
    receiver.taken = [503, 500, 202]
    office.event()
    seen = [len(told(office, receiver))]
    for seconds in (10, 29, 1, 60):
        office.world.move(seconds * 1000)
        seen.append(len(told(office, receiver)))
    assert (seen, office.world.outbox.waiting()) == ([1, 2, 2, 3, 3], 0)


def test_a_notice_may_come_twice(office: Office, receiver: Receiver) -> None:
    office.post("/subscriptions", wanted(receiver))
    office.world.faults.add("duplicate_push", simulator="office365")
    office.event()
    assert told(office, receiver) == [("/notices", "created")] * 2
