"""What providers push: believed only from who says it, durable before it is acknowledged, and never twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from domain.errors import BadInput, Forbidden, NotFound, TryAgain
from domain.outside import Channel, Link
from services.push import SOON_MS, WINDOW_MS, Push, signed
from tests.examples import ACCOUNT
from tests.services.consents import CRM, GOOGLE, MINUTE, OFFICE, PUBLIC, SECRET, Consents

VECTORS = Path(__file__).parents[3] / "shared" / "contracts" / "hubspot" / "signature_vectors.json"
HOOK = "/v1/hooks/hubspot"


def item(**changed: Any) -> dict[str, Any]:
    """A webhook item of the account's portal."""
    told = {
        "eventId": 2003,
        "subscriptionId": 512345,
        "portalId": int(ACCOUNT),
        "appId": 54321,
        "occurredAt": 1767607200123,
        "attemptNumber": 0,
        "subscriptionType": "object.creation",
        "objectTypeId": "0-47",
        "objectId": 101,
    }
    return told | changed


def said(body: bytes, at: int, *, secret: str = SECRET, uri: str = PUBLIC + HOOK) -> dict[str, str]:
    """The headers of a genuine call."""
    return {"x-hubspot-signature-v3": signed(secret, "POST", uri, body, str(at)), "x-hubspot-request-timestamp": str(at)}


@pytest.fixture
def consents() -> Consents:
    made = Consents()
    made.connect(CRM)
    return made


def call(consents: Consents, *items: Any, body: bytes | None = None) -> int:
    """HubSpot calls."""
    raw = json.dumps(items).encode() if body is None else body
    return consents.push.hubspot(HOOK, "", said(raw, consents.now), raw)


def waiting(consents: Consents) -> list[dict[str, Any]]:
    return [json.loads(notice.body) for notice in consents.inbox.claim(consents.now, 0, 1000)]


def buried(consents: Consents) -> list[tuple[str, bytes]]:
    return [(letter.errors[0]["reason"], letter.body) for letter in consents.engine.dead.list(None, "", 100)]


# --- HubSpot -----------------------------------------------------------------------------------------------------------------


def test_items_become_notices_of_the_account_whose_portal_it_is(consents: Consents) -> None:
    assert call(consents, item(), item(objectId=102)) == 2
    notices = consents.inbox.claim(consents.now, 0, 10)
    assert [(notice.account, notice.provider) for notice in notices] == [(ACCOUNT, "hubspot")] * 2
    assert [told["objectId"] for told in waiting(consents)] == [101, 102]


@pytest.mark.parametrize(
    ("change", "new"),
    [
        pytest.param({}, 0, id="the same once more"),
        pytest.param({"attemptNumber": 3}, 0, id="sent again"),
        pytest.param({"eventId": 1}, 1, id="another event"),
        pytest.param({"objectId": 999}, 1, id="another object under the same event id"),
        pytest.param({"occurredAt": 1767607200124}, 1, id="another time"),
        pytest.param({"propertyName": "hs_meeting_outcome"}, 1, id="another property"),
    ],
)
def test_what_was_said_before_is_not_news(consents: Consents, change: dict[str, Any], new: int) -> None:
    call(consents, item())
    assert call(consents, item(**change)) == new


def test_what_was_read_stays_known(consents: Consents) -> None:
    call(consents, item())
    consents.inbox.done(consents.inbox.claim(consents.now, MINUTE, 10))
    assert (call(consents, item()), consents.inbox.waiting()) == (0, 0)


@pytest.mark.parametrize(
    "portal",
    [pytest.param(33, id="of a portal that is not connected"), pytest.param("33", id="the same as a text")],
)
def test_a_strangers_items_are_taken_and_dropped(consents: Consents, portal: object) -> None:
    assert call(consents, item(portalId=portal), item()) == 1
    assert ([told["portalId"] for told in waiting(consents)], buried(consents)) == ([int(ACCOUNT)], [])


@pytest.mark.parametrize("state", ["lost", "revoked"])
def test_a_lost_installation_still_hears_and_a_revoked_one_does_not(consents: Consents, state: Any) -> None:
    grant = consents.grants.get(CRM)
    assert grant is not None
    consents.grants.put(replace(grant, state=state))
    assert call(consents, item()) == (1 if state == "lost" else 0)


@pytest.mark.parametrize(
    ("change", "at"),
    [
        pytest.param({"x-hubspot-signature-v3": ""}, 0, id="no signature"),
        pytest.param({"x-hubspot-signature-v3": "\u00fc"}, 0, id="a signature that is none"),
        pytest.param({"x-hubspot-request-timestamp": ""}, 0, id="no time"),
        pytest.param({"x-hubspot-request-timestamp": "-1"}, 0, id="a time that is none"),
        pytest.param({"x-hubspot-request-timestamp": "1" * 400}, 0, id="a time beyond all"),
        pytest.param({}, -WINDOW_MS - 1, id="too old"),
        pytest.param({}, WINDOW_MS + 1, id="of the future"),
    ],
)
def test_a_call_that_is_not_hubspots_of_now_is_refused(consents: Consents, change: dict[str, str], at: int) -> None:
    raw = json.dumps([item()]).encode()
    with pytest.raises(Forbidden):
        consents.push.hubspot(HOOK, "", said(raw, consents.now + at) | change, raw)
    assert (consents.inbox.waiting(), buried(consents)) == (0, [])


@pytest.mark.parametrize("at", [-WINDOW_MS, 0, WINDOW_MS])
def test_the_window_is_five_minutes_either_way(consents: Consents, at: int) -> None:
    raw = json.dumps([item()]).encode()
    assert consents.push.hubspot(HOOK, "", said(raw, consents.now + at), raw) == 1


@pytest.mark.parametrize(
    "told",
    [
        pytest.param({"secret": "another"}, id="another secret"),
        pytest.param({"uri": "https://evil.example" + HOOK}, id="another address"),
        pytest.param({"uri": "http://sync.example" + HOOK}, id="another scheme"),
    ],
)
def test_a_signature_is_over_our_address_with_our_secret(consents: Consents, told: dict[str, str]) -> None:
    raw = json.dumps([item()]).encode()
    with pytest.raises(Forbidden):
        consents.push.hubspot(HOOK, "", said(raw, consents.now, **told), raw)


def test_a_byte_more_breaks_the_signature(consents: Consents) -> None:
    raw = json.dumps([item()]).encode()
    with pytest.raises(Forbidden):
        consents.push.hubspot(HOOK, "", said(raw, consents.now), raw + b" ")


@pytest.mark.parametrize(
    ("query", "signed_as"),
    [
        pytest.param("a=1%2F2", "?a=1/2", id="escapes that HubSpot takes back"),
        pytest.param("a=%3a%40%2C", "?a=:@,", id="more of them, in either case"),
        pytest.param("a=1%2F2", "?a=1%2F2", id="as HubSpot's libraries sign it"),
        pytest.param("a=%20x", "?a=%20x", id="an escape that it leaves alone"),
    ],
)
def test_the_address_is_read_as_it_is_signed(consents: Consents, query: str, signed_as: str) -> None:
    raw = json.dumps([item()]).encode()
    headers = said(raw, consents.now, uri=PUBLIC + HOOK + signed_as)
    assert consents.push.hubspot(HOOK, query, headers, raw) == 1


def test_an_escape_that_hubspot_leaves_alone_is_not_taken_back(consents: Consents) -> None:
    raw = json.dumps([item()]).encode()
    with pytest.raises(Forbidden):
        consents.push.hubspot(HOOK, "a=%20x", said(raw, consents.now, uri=PUBLIC + HOOK + "?a= x"), raw)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        pytest.param(b"", "not a JSON array", id="nothing"),
        pytest.param(b"{}", "not a JSON array", id="an object"),
        pytest.param(b"\xff[", "not a JSON array", id="no text"),
        pytest.param(b"[" * 100_000, "not a JSON array", id="depths"),
        pytest.param(json.dumps([item(eventId=n) for n in range(101)]).encode(), "101 items; at most 100 are sent at once", id="too many"),
    ],
)
def test_a_genuine_body_that_cannot_be_read_is_taken_into_the_dead_letters(consents: Consents, body: bytes, reason: str) -> None:
    assert call(consents, body=body) == 0
    call(consents, body=body)
    assert (buried(consents), consents.inbox.waiting()) == ([(reason, body)], 0)


def test_an_item_that_cannot_be_read_harms_no_other(consents: Consents) -> None:
    assert call(consents, 7, item(), {"portalId": True}, {"portalId": "6\u0661"}, [], None) == 1
    assert len(buried(consents)) == 5


def test_what_is_not_kept_is_not_acknowledged_and_comes_again_with_the_same_signature(
    consents: Consents, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*_: object) -> int:
        raise TryAgain("busy")

    with monkeypatch.context() as patched:
        patched.setattr(consents.inbox, "put", busy)
        with pytest.raises(TryAgain):
            call(consents, item())
    assert (call(consents, item()), call(consents, item()), consents.inbox.waiting()) == (1, 0, 1)


def test_where_hubspot_is_not_set_up_nothing_is_there(consents: Consents) -> None:
    parts: dict[str, Any] = {name[1:]: value for name, value in vars(consents.push).items()}
    for missing in ("secret", "public_url"):
        with pytest.raises(NotFound):
            Push(**(parts | {missing: None})).hubspot(HOOK, "", said(b"[]", consents.now), b"[]")


@pytest.mark.skipif(not VECTORS.is_file(), reason="the published vectors are not here")
def test_the_published_signatures_are_ours() -> None:
    told = json.loads(VECTORS.read_text("utf-8"))
    mine = [(v["secret"], v["method"], v["uri"], v["body"], v["timestamp"], v["v3"]) for v in told["own"]]
    mine += [
        (v["secret"], v["method"], v["uri"], v["body"], v["timestamp"], v["signature"]) for v in told["published"] if v["version"] == "v3"
    ]
    assert len(mine) > 5
    assert [v for v in mine if signed(v[0], v[1], v[2], v[3].encode(), v[4]) != v[5]] == []


# --- Google ------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def watched(consents: Consents) -> Consents:
    consents.connect(GOOGLE)
    consents.connect(Link(ACCOUNT, "office365", "502"))
    consents.later()
    consents.channel()
    consents.channel(Link(ACCOUNT, "office365", "502"), "sub1")
    return consents


def hint(**changed: str) -> dict[str, str]:
    told = {"channel-id": "c1", "channel-token": "s1", "resource-id": "r1", "resource-state": "exists", "message-number": "7"}
    return {f"x-goog-{name}": value for name, value in (told | {k.replace("_", "-"): v for k, v in changed.items()}).items()}


@pytest.mark.parametrize("state", ["exists", "not_exists"])
def test_a_hint_wakes_the_cursor(watched: Consents, state: str) -> None:
    assert watched.push.google(hint(resource_state=state))
    assert watched.due() == watched.now


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"resource_state": "sync"}, id="the greeting of a channel"),
        pytest.param({"channel_id": "c2"}, id="an unknown channel"),
        pytest.param({"channel_token": "s2"}, id="another token"),
        pytest.param({"channel_token": "\u00fc"}, id="a token that is none"),
        pytest.param({"resource_id": "r2"}, id="another resource"),
        pytest.param({"channel_id": "sub1"}, id="a channel of another provider"),
    ],
)
def test_what_is_no_hint_of_ours_wakes_nobody(watched: Consents, changed: dict[str, str]) -> None:
    assert not watched.push.google(hint(**changed))
    assert watched.due() > watched.now


def test_an_old_channel_is_still_believed(watched: Consents) -> None:
    watched.channels.put(replace(watched.channel(), state="old"))
    assert watched.push.google(hint())


def test_no_header_at_all_wakes_nobody(watched: Consents) -> None:
    assert not watched.push.google({})


# --- Microsoft ---------------------------------------------------------------------------------------------------------------

BEN = Link(ACCOUNT, "office365", "502")


def change(**changed: Any) -> dict[str, Any]:
    told = {"subscriptionId": "sub1", "clientState": "s1", "changeType": "updated", "resource": "Users/x/Events/y", "tenantId": "t1"}
    return told | changed


def notify(consents: Consents, *told: Any) -> int:
    return consents.push.office365(json.dumps({"value": told}).encode())


def sub(consents: Consents) -> Channel | None:
    return consents.channels.get("office365", "sub1")


def test_a_notification_wakes_the_cursor_once(watched: Consents) -> None:
    assert notify(watched, change(), change(changeType="created")) == 2
    assert watched.due(BEN) == watched.now


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param({"clientState": "s2"}, id="another state"),
        pytest.param({"clientState": None}, id="no state"),
        pytest.param({"clientState": ["s1"]}, id="a state that is no text"),
        pytest.param({"subscriptionId": "sub2"}, id="an unknown subscription"),
        pytest.param({"subscriptionId": "c1"}, id="a channel of another provider"),
        pytest.param({"subscriptionId": 1}, id="a subscription that is no text"),
        pytest.param({"clientState": "s2", "lifecycleEvent": "subscriptionRemoved"}, id="a stranger's removal"),
    ],
)
def test_what_is_no_notification_of_ours_wakes_nobody_and_removes_nothing(watched: Consents, changed: dict[str, Any]) -> None:
    assert notify(watched, change(**changed), 7, None) == 0
    assert (watched.due(BEN) > watched.now, sub(watched) is not None) == (True, True)


@pytest.mark.parametrize(("tenant", "believed"), [("t1", 1), ("t2", 0), ("", 1), (None, 1)])
def test_it_must_come_from_the_mailboxs_directory(watched: Consents, tenant: str | None, believed: int) -> None:
    grant = watched.grants.get(BEN)
    assert grant is not None
    watched.grants.put(replace(grant, tenant="t1"))
    assert notify(watched, change(tenantId=tenant)) == believed


@pytest.mark.parametrize("event", ["reauthorizationRequired", "subscriptionRemoved", "missed", "somethingNew"])
def test_every_lifecycle_notification_has_the_calendar_read(watched: Consents, event: str) -> None:
    assert notify(watched, change(lifecycleEvent=event)) == 1
    assert watched.due(BEN) == watched.now


def test_a_subscription_that_must_be_authorised_again_is_renewed_soon(watched: Consents) -> None:
    notify(watched, change(lifecycleEvent="reauthorizationRequired"))
    kept = sub(watched)
    assert kept is not None
    assert (kept.expires_at, kept.state) == (watched.now + SOON_MS, "active")
    assert [channel.id for channel in watched.channels.ending(watched.now + SOON_MS + 1)] == ["sub1"]


def test_a_subscription_that_ends_sooner_is_not_made_to_last(watched: Consents) -> None:
    known = sub(watched)
    assert known is not None
    watched.channels.put(replace(known, expires_at=watched.now + 1))
    notify(watched, change(lifecycleEvent="reauthorizationRequired"))
    kept = sub(watched)
    assert kept is not None
    assert kept.expires_at == watched.now + 1


def test_a_subscription_that_was_removed_is_forgotten(watched: Consents) -> None:
    notify(watched, change(lifecycleEvent="subscriptionRemoved"))
    assert sub(watched) is None


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{}", b'{"value":{}}', b"\xff", b'{"value":' + b"[" * 100_000, b'{"value":[' + b"1," * 1000 + b"1]}"]
)
def test_a_body_that_is_no_batch_is_refused(watched: Consents, body: bytes) -> None:
    with pytest.raises(BadInput):
        watched.push.office365(body)
    assert watched.due(BEN) > watched.now


def test_links_are_told_apart(watched: Consents) -> None:
    notify(watched, change())
    assert (watched.due(GOOGLE) > watched.now, watched.grants.get(OFFICE)) == (True, None)
