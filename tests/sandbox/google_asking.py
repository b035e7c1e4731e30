"""How the tests of the Google simulator ask it: as a program with a token, over HTTP."""

from __future__ import annotations

from typing import Any

import httpx

from services.sandbox.world import World

EVENTS = "calendars/primary/events"
ANA, BO, EVE = "ana@acme.example", "bo@client.example", "eve@elsewhere.example"
TEN = {"start": {"dateTime": "2026-03-09T10:00:00+01:00"}, "end": {"dateTime": "2026-03-09T11:00:00+01:00"}}
SERIES = {
    "start": {"dateTime": "2026-03-23T09:00:00", "timeZone": "Europe/Paris"},
    "end": {"dateTime": "2026-03-23T09:30:00", "timeZone": "Europe/Paris"},
    "recurrence": ["RRULE:FREQ=WEEKLY;COUNT=3"],
}
GUESTS = [{"email": ANA, "responseStatus": "accepted"}, {"email": BO}, {"email": EVE}]


def insert(client: httpx.Client, /, **body: Any) -> dict[str, Any]:
    asked = {"sendUpdates": body.pop("sendUpdates", "none")}
    answer = client.post(EVENTS, json={"summary": "Kick-off", **TEN, **body}, params=asked)
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def patch(client: httpx.Client, id: str, body: dict[str, Any], **asked: str) -> httpx.Response:
    return client.patch(f"{EVENTS}/{id}", json=body, params=asked)


def get(client: httpx.Client, id: str) -> dict[str, Any]:
    told: dict[str, Any] = client.get(f"{EVENTS}/{id}").json()
    return told


def refused(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["errors"][0]["reason"]


def answers(event: dict[str, Any]) -> dict[str, str]:
    return {each["email"]: each["responseStatus"] for each in event["attendees"]}


def mails(world: World) -> list[tuple[str, str]]:
    return [(mail.kind, mail.to) for mail in world.mails]
