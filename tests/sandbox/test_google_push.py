"""Google's push: channels, their first word, their numbers, and their end."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from services.sandbox.google import Google
from services.sandbox.world import World
from tests.sandbox.conftest import NOON
from tests.sandbox.receiver import Receiver

ANA, BO = "ana@acme.example", "bo@client.example"
WATCH = "calendars/primary/events/watch"


@pytest.fixture
def hook() -> Iterator[Receiver]:
    receiver = Receiver(200)
    yield receiver
    receiver.close()


def watch(client: httpx.Client, hook: Receiver, **said: Any) -> httpx.Response:
    return client.post(WATCH, json={"id": "ch-1", "type": "web_hook", "address": hook.url, "token": "secret", **said})


def told(hook: Receiver, world: World) -> list[dict[str, str]]:
    """The headers of what was pushed so far, by Google alone."""
    world.outbox.flush()  # what the sandbox's own thread is sending at this moment is waited for
    return [{name.lower(): value for name, value in headers.items()} for _, headers, _ in hook.taken]


def meeting(google: Google, owner: str = ANA, **fields: Any) -> str:
    made: str = google.event(owner, "Kick-off", "2026-03-09T10:00", "2026-03-09T11:00", **fields)["id"]
    return made


def test_a_channel_says_first_that_it_is_there(ana: httpx.Client, hook: Receiver, world: World) -> None:
    channel = watch(ana, hook).json()
    assert channel["expiration"] == str(NOON + 604_800_000)
    assert (channel["kind"], channel["id"], channel["token"]) == ("api#channel", "ch-1", "secret")
    (first,) = told(hook, world)
    assert hook.taken[0][2] == b""
    assert {name: value for name, value in first.items() if name.startswith("x-goog-")} == {
        "x-goog-channel-id": "ch-1",
        "x-goog-channel-token": "secret",
        "x-goog-channel-expiration": "Mon, 09 Mar 2026 12:00:00 GMT",
        "x-goog-resource-id": channel["resourceId"],
        "x-goog-resource-uri": channel["resourceUri"],
        "x-goog-resource-state": "sync",
        "x-goog-message-number": "1",
    }
    assert channel["resourceUri"].endswith("/calendar/v3/calendars/ana%40acme.example/events?alt=json")


def test_every_change_is_told_with_growing_numbers(ana: httpx.Client, google: Google, hook: Receiver, world: World) -> None:
    watch(ana, hook)
    id = meeting(google)
    google.change(ANA, id, summary="S2")
    google.delete(ANA, id)
    words = told(hook, world)
    assert [each["x-goog-resource-state"] for each in words] == ["sync", "exists", "exists", "exists"]
    numbers = [int(each["x-goog-message-number"]) for each in words]
    assert numbers == sorted(set(numbers))


def test_a_calendar_that_did_not_change_says_nothing(ana: httpx.Client, google: Google, hook: Receiver, world: World) -> None:
    watch(ana, hook)
    meeting(google, BO)
    assert len(told(hook, world)) == 1
    meeting(google, BO, guests=[ANA])
    assert len(told(hook, world)) == 2


def test_a_channel_ends_when_it_was_said_to(ana: httpx.Client, google: Google, hook: Receiver, world: World) -> None:
    assert watch(ana, hook, params={"ttl": "60"}).json()["expiration"] == str(NOON + 60_000)
    world.move(59_999)
    meeting(google)
    world.move(1)
    meeting(google)
    assert len(told(hook, world)) == 2


@pytest.mark.parametrize(
    ("said", "expiration"),
    [
        pytest.param({"expiration": str(NOON + 5000)}, NOON + 5000, id="a time"),
        pytest.param({"expiration": NOON + 10**12}, NOON + 30 * 86_400_000, id="a time that is too far"),
        pytest.param({"params": {"ttl": "99999999"}}, NOON + 30 * 86_400_000, id="too long"),
    ],
)
def test_a_channel_lives_as_long_as_asked_or_shorter(ana: httpx.Client, hook: Receiver, said: dict[str, Any], expiration: int) -> None:
    assert watch(ana, hook, **said).json()["expiration"] == str(expiration)


@pytest.mark.parametrize(
    ("said", "status", "reason"),
    [
        pytest.param({"id": None}, 400, "required", id="no id"),
        pytest.param({"id": "x" * 65}, 400, "invalid", id="an id that is too long"),
        pytest.param({"type": "email"}, 400, "badRequest", id="no web hook"),
        pytest.param({"token": "x" * 257}, 400, "invalid", id="a token that is too long"),
        pytest.param({"address": "http://hooks.example/google"}, 400, "push.webhookUrlNotHttps", id="plain, and elsewhere"),
        pytest.param({"address": "https://hooks.example/google"}, 401, "push.webhookUrlUnauthorized", id="elsewhere"),
        pytest.param({"params": {"ttl": "long"}}, 400, "invalid", id="no time"),
    ],
)
def test_a_channel_that_cannot_be_is_refused(ana: httpx.Client, hook: Receiver, said: dict[str, Any], status: int, reason: str) -> None:
    answer = watch(ana, hook, **said)
    assert (answer.status_code, answer.json()["error"]["errors"][0]["reason"]) == (status, reason)


def test_https_can_be_asked_for_on_loopback_too(ana: httpx.Client, google: Google, hook: Receiver) -> None:
    google.switches.https_push_only = True
    answer = watch(ana, hook)
    assert answer.json()["error"]["message"] == f"WebHook callback must be HTTPS: {hook.url}"


def test_a_channel_id_is_used_once(ana: httpx.Client, bo: httpx.Client, hook: Receiver) -> None:
    watch(ana, hook)
    for client in (ana, bo):
        answer = watch(client, hook)
        assert (answer.status_code, answer.json()["error"]["errors"][0]["reason"]) == (400, "channelIdNotUnique")


def test_a_channel_is_stopped_by_who_opened_it(ana: httpx.Client, bo: httpx.Client, google: Google, hook: Receiver, world: World) -> None:
    channel = watch(ana, hook).json()
    names = {name: channel[name] for name in ("id", "resourceId")}
    assert bo.post("channels/stop", json=names).status_code == 404
    assert ana.post("channels/stop", json={**names, "resourceId": "other"}).status_code == 404
    assert ana.post("channels/stop", json=names).status_code == 204
    meeting(google)
    assert len(told(hook, world)) == 1
    assert ana.post("channels/stop", json=names).status_code == 404


def test_a_stopped_channel_can_go_on(ana: httpx.Client, google: Google, hook: Receiver, world: World) -> None:
    google.switches.lingering_channels = True
    channel = watch(ana, hook).json()
    ana.post("channels/stop", json={name: channel[name] for name in ("id", "resourceId")})
    meeting(google)
    assert len(told(hook, world)) == 2


def test_a_new_channel_overlaps_the_old_one(ana: httpx.Client, google: Google, hook: Receiver, world: World) -> None:
    first = watch(ana, hook).json()
    second = watch(ana, hook, id="ch-2").json()
    assert first["resourceId"] == second["resourceId"]
    meeting(google)
    assert sorted(each["x-goog-channel-id"] for each in told(hook, world)) == ["ch-1", "ch-1", "ch-2", "ch-2"]


@pytest.mark.parametrize(("status", "tries"), [(503, 3), (500, 3), (404, 1), (202, 1)])
def test_a_receiver_that_is_tired_is_tried_again_and_one_that_refuses_is_not(google: Google, world: World, status: int, tries: int) -> None:
    receiver = Receiver(status)
    try:
        body = {"id": "ch-1", "type": "web_hook", "address": receiver.url}
        google.channels.watch(ANA, ANA, "cid", body, "http://127.0.0.1/calendar/v3")
        for seconds in (0, 1, 2):
            world.move(seconds * 1000)
            world.outbox.flush()
    finally:
        receiver.close()
    assert len(receiver.taken) == tries
