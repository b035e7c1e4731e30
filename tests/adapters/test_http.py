"""Calling a provider: what an answer means, whose token goes where, and how long is waited."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import stamina

from adapters.http import LONGEST, Answer, Api, Limit, Vendor, client
from domain.errors import Deauthorised, Refused, RendezvousError, TryAgain
from domain.outside import Link
from tests.calling import NOW, Handler, Provider, ok, script

LINK = Link("62515", "plain", "501")
SECRET = "bo@client.example"


def _limits(link: Link, kind: str) -> tuple[Limit, ...]:
    return (Limit(f"plain:{link.user}:{kind}", 1.0, 2.0),)


def _code(body: Any) -> object:
    return body.get("code") if isinstance(body, dict) else None


VENDOR = Vendor(
    "plain", "https://api.example/v1/", _limits, _code, frozenset(("tooFast",)), frozenset(("noScope",)), denied=frozenset(("denied",))
)


@pytest.fixture(autouse=True)
def _in_no_time() -> Iterator[None]:
    """Retries wait for nobody."""
    with stamina.set_testing(True, attempts=4):
        yield


def calling(handler: Handler) -> tuple[Api, Provider]:
    provider = Provider(handler)
    return Api(VENDOR, provider.http, provider.access, provider.throttle), provider


def call(api: Api, **more: Any) -> Answer:
    return api.call(LINK, "GET", "things", **more)


def error(handler: Handler, **more: Any) -> RendezvousError:
    """What a call ends with."""
    with pytest.raises(RendezvousError) as caught:
        call(calling(handler)[0], **more)
    return caught.value


@pytest.mark.parametrize(
    ("status", "body", "kind", "said"),
    [
        pytest.param(400, {"code": "badRequest"}, Refused, "plain answered 400 badRequest", id="our question is wrong"),
        pytest.param(403, {"code": "noScope"}, Deauthorised, "plain answered 403 noScope: the grant does not go that far", id="too little"),
        pytest.param(403, {"code": "tooFast"}, TryAgain, "plain answered 403 tooFast", id="a limit that is called forbidden"),
        pytest.param(403, {"code": "noRight"}, Refused, "plain answered 403 noRight", id="forbidden"),
        pytest.param(404, {}, Refused, "plain answered 404", id="not there"),
        pytest.param(302, {}, Refused, "plain answered 302", id="a redirect is not followed"),
        pytest.param(423, {}, TryAgain, "plain answered 423", id="locked"),
        pytest.param(429, {"code": "tooFast"}, TryAgain, "plain answered 429 tooFast", id="too many"),
        pytest.param(477, {}, TryAgain, "plain answered 477", id="moving house"),
        pytest.param(500, {"code": SECRET}, TryAgain, "plain answered 500", id="a code that is none is not repeated"),
        pytest.param(503, {}, TryAgain, "plain answered 503", id="down"),
    ],
)
def test_an_answer_is_the_error_that_it_means(status: int, body: object, kind: type[RendezvousError], said: str) -> None:
    found = error(script(httpx.Response(status, json=body)))
    assert (type(found), str(found)) == (kind, said)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(httpx.ConnectError(f"to {SECRET}"), id="no connection"),
        pytest.param(httpx.ReadTimeout(SECRET), id="no answer"),
        pytest.param(httpx.Response(200, content=b"<html>" + SECRET.encode()), id="no JSON where JSON is due"),
        pytest.param(httpx.DecodingError(SECRET), id="broken packing"),
    ],
)
def test_what_did_not_come_through_passes_and_says_nothing_personal(answer: httpx.Response | Exception) -> None:
    found = error(script(answer))
    assert (type(found), SECRET in str(found), found.__cause__) == (TryAgain, False, None)


@pytest.mark.parametrize(
    ("method", "kind"),
    [
        pytest.param("GET", Deauthorised, id="a reading"),
        pytest.param("POST", Deauthorised, id="a creation"),
        pytest.param("PATCH", Refused, id="the change of one thing"),
        pytest.param("DELETE", Refused, id="the removal of one thing"),
    ],
)
def test_who_is_denied_all_has_too_little_and_who_is_denied_one_thing_may_have_enough(method: str, kind: type[RendezvousError]) -> None:
    api, _ = calling(script(httpx.Response(403, json={"code": "denied"})))
    with pytest.raises(kind, match="plain answered 403 denied") as caught:
        api.call(LINK, method, "things/1")
    assert type(caught.value) is kind


def test_a_status_that_is_expected_is_an_answer() -> None:
    api, _ = calling(script(httpx.Response(410, json={"code": "gone"})))
    answer = call(api, expected=(410,))
    assert (answer.status, answer.code, answer.body) == (410, "gone", {"code": "gone"})


@pytest.mark.parametrize(("status", "is_answer"), [(404, False), (410, False), (403, True), (401, True)])
def test_a_grant_that_does_not_go_that_far_is_no_answer_to_who_expected_another(status: int, is_answer: bool) -> None:
    api, _ = calling(lambda _: httpx.Response(status, json={"code": "noScope"}))
    if is_answer:
        assert call(api, expected=(status,)).code == "noScope"
        return
    with pytest.raises(Deauthorised, match=f"plain answered {status} noScope: the grant does not go that far"):
        call(api, expected=(status,))


def test_a_limit_passes_even_under_an_expected_status() -> None:
    assert type(error(script(httpx.Response(403, json={"code": "tooFast"})), expected=(403,))) is TryAgain


@pytest.mark.parametrize(
    ("headers", "after"),
    [
        pytest.param({"Retry-After": "12"}, 12.0, id="seconds"),
        pytest.param({"Retry-After": "Mon, 02 Mar 2026 09:00:30 GMT", "Date": "Mon, 02 Mar 2026 09:00:00 GMT"}, 30.0, id="a time"),
        pytest.param(
            {"Retry-After": "Mon, 02 Mar 2026 08:59:00 GMT", "Date": "Mon, 02 Mar 2026 09:00:00 GMT"}, 0.0, id="a time that is over"
        ),
        pytest.param({"Retry-After": "Mon, 02 Mar 2026 09:00:30 GMT"}, 30.0, id="a time, by our clock"),
        pytest.param({"Retry-After": "Mon, 02 Mar 2026 09:00:30 GMT", "Date": "today"}, None, id="a time, by a clock that is none"),
        pytest.param({"Retry-After": "9999999"}, LONGEST, id="a third of a year"),
        pytest.param({"Retry-After": "9" * 400}, LONGEST, id="longer than anybody can count"),
        pytest.param({"Retry-After": "Mon, 01 Mar 2027 09:00:00 GMT"}, LONGEST, id="next year"),
        pytest.param({"Retry-After": "-1"}, None, id="nonsense"),
        pytest.param({}, None, id="nothing"),
    ],
)
def test_how_long_to_wait_is_said_on(headers: dict[str, str], after: float | None) -> None:
    found = error(script(httpx.Response(503, headers=headers)))
    assert isinstance(found, TryAgain)
    assert found.after == after


@pytest.mark.parametrize(("said", "after"), [(None, 2.0), ("1", 2.0), ("5", 5.0)], ids=["nothing", "less", "more"])
def test_a_lock_is_not_asked_about_at_once(said: str | None, after: float) -> None:
    found = error(script(httpx.Response(423, headers={"Retry-After": said} if said else {})))
    assert isinstance(found, TryAgain)
    assert found.after == after


# --- whose token, and where to ----------------------------------------------------------------------------------------


def test_a_call_bears_its_links_token() -> None:
    api, provider = calling(script(ok({"a": 1})))
    assert call(api).body == {"a": 1}
    assert [(r.url, r.headers["Authorization"]) for r in provider.asked] == [(httpx.URL("https://api.example/v1/things"), "Bearer token-1")]


def test_a_token_that_is_refused_is_replaced_once() -> None:
    api, provider = calling(script(httpx.Response(401), ok({"a": 1})))
    assert call(api).body == {"a": 1}
    assert [r.headers["Authorization"] for r in provider.asked] == ["Bearer token-1", "Bearer token-2"]


def test_who_refuses_a_fresh_token_too_takes_us_no_more() -> None:
    api, provider = calling(script(httpx.Response(401), httpx.Response(401)))
    with pytest.raises(Deauthorised, match="plain takes no access token any more"):
        call(api, patient=True)
    assert len(provider.asked) == 2


def test_without_a_grant_nobody_is_called() -> None:
    api, provider = calling(script())
    provider.access.lost = True
    with pytest.raises(Deauthorised, match="somebody took our access away"):
        call(api, patient=True)
    assert provider.asked == []


def test_an_address_of_the_same_origin_is_called_as_it_is() -> None:
    api, provider = calling(script(ok()))
    api.call(LINK, "GET", "https://api.example/v1/things?$skiptoken=a%2Bb", headers={"Prefer": "x"})
    assert str(provider.asked[0].url) == "https://api.example/v1/things?$skiptoken=a%2Bb"


@pytest.mark.parametrize(
    "address",
    [
        pytest.param("https://evil.example/v1/things", id="another host"),
        pytest.param("http://api.example/v1/things", id="in clear"),
        pytest.param("https://api.example:8443/v1/things", id="another port"),
        pytest.param("https://ana@api.example/v1/things", id="somebody's"),
        pytest.param("https://api.example.evil.example/", id="a host that begins alike"),
        pytest.param("https://[", id="none"),
    ],
)
def test_a_token_follows_no_address_elsewhere(address: str) -> None:
    api, provider = calling(script(ok()))
    with pytest.raises(Refused, match="plain named an address"):
        api.call(LINK, "GET", address)
    assert provider.asked == []


# --- how often --------------------------------------------------------------------------------------------------------


def test_what_passes_is_tried_again_by_the_patient_alone() -> None:
    down = (httpx.Response(503), httpx.ConnectError("no"), httpx.Response(429, headers={"Retry-After": "0"}))
    api, provider = calling(script(*down, ok({"a": 1})))
    assert (call(api, patient=True).body, len(provider.asked)) == ({"a": 1}, 4)
    api, provider = calling(script(httpx.Response(503), ok()))
    with pytest.raises(TryAgain):
        call(api)
    assert len(provider.asked) == 1


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(httpx.Response(404), id="what does not pass"),
        pytest.param(httpx.Response(503, headers={"Retry-After": "3600"}), id="what takes an hour"),
    ],
)
def test_the_patient_know_what_is_not_worth_waiting_for(answer: httpx.Response) -> None:
    api, provider = calling(script(answer, ok()))
    with pytest.raises(RendezvousError):
        call(api, patient=True)
    assert len(provider.asked) == 1


def test_a_limit_is_waited_for_before_a_request() -> None:
    api, provider = calling(script(ok(), ok(), ok()))
    for _ in range(3):
        call(api)
    assert provider.clock.at - NOW == 1000


def test_a_limit_that_takes_too_long_is_for_later() -> None:
    api, provider = calling(script(ok()))
    provider.buckets.drain("plain:501:", NOW + 60_000)
    with pytest.raises(TryAgain) as caught:
        call(api)
    assert (caught.value.after, provider.asked, provider.clock.at) == (60.0, [], NOW)


def test_who_is_told_to_wait_tells_all_others_of_his_limit() -> None:
    api, provider = calling(script(httpx.Response(429, headers={"Retry-After": "30"}), ok()))
    with pytest.raises(TryAgain):
        call(api)
    with pytest.raises(TryAgain) as caught:
        call(api)
    assert (caught.value.after, len(provider.asked)) == (30.0, 1)
    assert call(api, kind="another").status == 200


def test_no_error_shows_a_token() -> None:
    api, _ = calling(script(httpx.Response(401, json={"code": "token-1"}), httpx.Response(500, text="token-2")))
    with pytest.raises(TryAgain) as caught:
        call(api)
    assert "token-" not in f"{caught.value!r} {caught.value.__cause__!r} {caught.value.__context__!r}"


def test_not_even_the_libraries_tell_a_log_what_was_asked(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    provider = Provider(script())
    api = Api(VENDOR, client(httpx.MockTransport(lambda _: ok())), provider.access, provider.throttle)
    api.call(LINK, "GET", f"things/{SECRET}")
    assert [record.getMessage() for record in caplog.records if SECRET in record.getMessage() or "token-" in record.getMessage()] == []
