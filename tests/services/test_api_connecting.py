"""The routes that connect: who may begin, what a browser is sent and brings back, and pages that say what went wrong."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from litestar.testing import TestClient

from domain.errors import Stop, TryAgain
from domain.outside import Link
from services.api.connecting import COOKIE
from services.tokens import SCOPES
from tests.examples import ACCOUNT, ANA
from tests.services.asking import OTHER
from tests.services.consents import CRM, GOOGLE, PUBLIC, Consents, state_of

Client = TestClient[Any]
ROUTES = [
    pytest.param("POST", "/v1/connect/google?user=501", id="connect"),
    pytest.param("POST", "/v1/connect/google/link?user=501", id="hand over"),
    pytest.param("DELETE", "/v1/connect/google?user=501", id="disconnect"),
]


@pytest.fixture
def consents() -> Consents:
    return Consents()


@pytest.fixture
def client(consents: Consents) -> Iterator[Client]:
    # At the public address: a cookie that is for https alone goes nowhere else.
    with TestClient(consents.app(), base_url=PUBLIC, raise_server_exceptions=False) as client:
        client.follow_redirects = False
        yield client


@pytest.fixture
def ops(consents: Consents) -> dict[str, str]:
    return consents.engine.header("ops")


def begun(client: Client, ops: dict[str, str], path: str = "/v1/connect/google?user=501") -> str:
    """Begin in this browser; the address at the provider."""
    return str(client.post(path, headers=ops).json()["url"])


def back(client: Client, url: str, provider: str = "google", **answer: str) -> Any:
    """The provider sends the browser back."""
    return client.get(f"/v1/connect/{provider}/callback", params={"state": state_of(url), "code": "a-code"} | answer)


def words(answer: Any) -> str:
    """What a page says, without its tags."""
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    return " ".join(re.sub(r"<style>.*?</style>|<[^>]*>", " ", answer.text).split())


# --- who may -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_beginning_and_ending_is_for_operators(client: Client, consents: Consents, method: str, path: str, scope: str) -> None:
    consents.connect()
    status = client.request(method, path, headers=consents.engine.header(scope)).status_code
    assert status == (200 if scope == "ops" else 403)


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_without_a_token_nothing_begins_or_ends(client: Client, consents: Consents, method: str, path: str) -> None:
    consents.connect()
    assert client.request(method, path).status_code == 401
    assert consents.grants.get(GOOGLE) is not None


@pytest.mark.parametrize(("method", "path"), ROUTES)
def test_another_account_is_out_of_reach(client: Client, consents: Consents, method: str, path: str) -> None:
    consents.connect()
    theirs = consents.engine.header("ops", account=OTHER)
    assert client.request(method, f"{path}&account={ACCOUNT}", headers=theirs).status_code == 403
    client.request(method, path, headers=theirs)  # their own user of the same name
    assert [(grant.link, grant.state) for grant in consents.grants.all()] == [(GOOGLE, "live")]


def test_a_consent_begun_for_an_account_is_that_accounts(client: Client, consents: Consents) -> None:
    url = begun(client, consents.engine.header("ops", account="*"), f"/v1/connect/google?user=501&account={OTHER}")
    assert back(client, url).status_code == 200
    assert [grant.link for grant in consents.grants.all()] == [Link(OTHER, "google", "501")]


# --- in one browser ----------------------------------------------------------------------------------------------------------


def test_a_consent_from_beginning_to_end(client: Client, consents: Consents, ops: dict[str, str]) -> None:
    answer = client.post("/v1/connect/google?user=501", headers=ops)
    assert (answer.status_code, answer.json()["until"], answer.headers["cache-control"]) == (200, "2026-03-02T08:15:00Z", "no-store")
    done = back(client, answer.json()["url"])
    assert (done.status_code, words(done)) == (
        200,
        f"Connected Connected Google Calendar of {ANA} is connected. You can close this page.",
    )
    assert (consents.verbs(), consents.feeds()) == (["activated"], ["events"])


def test_the_cookie_is_for_this_browser_alone(client: Client, ops: dict[str, str]) -> None:
    cookie = client.post("/v1/connect/google?user=501", headers=ops).headers["set-cookie"]
    value, *rest = cookie.split("; ")
    assert re.fullmatch(rf"{COOKIE}=[0-9a-f]{{64}}", value)
    assert sorted(rest) == ["HttpOnly", "Max-Age=900", "Path=/v1/connect", "SameSite=Lax", "Secure"]


def test_it_is_gone_when_the_consent_is(client: Client, ops: dict[str, str]) -> None:
    done = back(client, begun(client, ops))
    assert f"{COOKIE}=; Path=/v1/connect; Max-Age=0" in done.headers["set-cookie"]
    assert COOKIE not in client.cookies


def test_without_the_cookie_a_consent_does_not_end(client: Client, consents: Consents, ops: dict[str, str]) -> None:
    url = begun(client, ops)
    client.cookies.clear()
    answer = back(client, url)
    assert (answer.status_code, "begun in another browser" in words(answer), consents.grants.all()) == (400, True, [])


def test_a_link_is_opened_by_a_button_and_looking_at_it_uses_nothing_up(client: Client, consents: Consents, ops: dict[str, str]) -> None:
    url = client.post("/v1/connect/google/link?user=501", headers=ops).json()["url"]
    assert client.post("/v1/connect/google/link?user=501", headers=ops).headers.get("set-cookie") is None
    for _ in range(3):
        shown = client.get(url)
        assert (shown.status_code, shown.headers.get("set-cookie")) == (200, None)
    assert "Go on to Google Calendar" in shown.text
    ticket = re.search(r'name="ticket" value="([0-9a-f]{64})"', shown.text)
    assert ticket is not None
    sent = client.post(url, data={"ticket": ticket[1]})
    assert (sent.status_code, sent.headers["location"].partition("?")[0]) == (303, "https://google.example/auth")
    assert back(client, sent.headers["location"]).status_code == 200
    assert [grant.link for grant in consents.grants.all()] == [GOOGLE]
    again = client.post(url, data={"ticket": ticket[1]})
    assert (again.status_code, "used before" in words(again)) == (400, True)


def test_a_portal_is_connected_for_the_account(client: Client, consents: Consents, ops: dict[str, str]) -> None:
    done = back(client, begun(client, ops, "/v1/connect/hubspot"), "hubspot")
    assert (words(done).endswith("HubSpot is connected. You can close this page."), consents.feeds(CRM)) == (
        True,
        ["contacts", "meetings", "owners"],
    )


# --- what goes wrong ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "status"),
    [
        pytest.param("/v1/connect/google", 400, id="no user"),
        pytest.param("/v1/connect/hubspot?user=501", 400, id="a user of a portal"),
        pytest.param("/v1/connect/lotus?user=501", 404, id="a provider that nobody knows"),
        pytest.param("/v1/connect/google?user=501&user=502", 400, id="two users"),
    ],
)
def test_what_cannot_be_connected_is_a_problem(client: Client, ops: dict[str, str], path: str, status: int) -> None:
    for method, asked in (("POST", path), ("POST", path.replace("?", "/link?") if "?" in path else f"{path}/link"), ("DELETE", path)):
        answer = client.request(method, asked, headers=ops)
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")


def test_a_second_calendar_is_a_problem_that_says_which_is_connected_and_how_to_switch(
    client: Client, consents: Consents, ops: dict[str, str]
) -> None:
    consents.connect()
    for path in ("/v1/connect/office365?user=501", "/v1/connect/office365/link?user=501"):
        answer = client.post(path, headers=ops)
        assert (answer.status_code, answer.headers.get("set-cookie")) == (409, None)
        assert f"Google Calendar ({ANA}) is connected" in answer.json()["detail"]
        assert "disconnect it first" in answer.json()["detail"]


def test_in_a_browser_it_is_a_page(client: Client, consents: Consents, ops: dict[str, str]) -> None:
    link = client.post("/v1/connect/office365/link?user=501", headers=ops).json()["url"]
    url = begun(client, ops, "/v1/connect/office365?user=501")
    consents.connect()
    sent, done = client.post(link, data={"ticket": link.split("=")[1]}), back(client, url, "office365")
    for answer in (sent, done):
        assert (answer.status_code, f"Google Calendar ({ANA}) is connected for this user" in words(answer)) == (409, True)


@pytest.mark.parametrize(
    ("answer", "status", "said"),
    [
        pytest.param(
            {"code": "", "error": "access_denied"}, 400, "The permission was not given at google. Nothing was changed.", id="declined"
        ),
        pytest.param({"state": "x"}, 400, "finished before, or took too long", id="a state that nobody began"),
        pytest.param({"state": ""}, 400, "finished before, or took too long", id="no state"),
    ],
)
def test_a_page_says_why_nothing_was_connected(
    client: Client, consents: Consents, ops: dict[str, str], answer: dict[str, str], status: int, said: str
) -> None:
    asked = {name: value for name, value in ({"state": state_of(begun(client, ops)), "code": "c"} | answer).items() if value}
    page = client.get("/v1/connect/google/callback", params=asked)
    assert (page.status_code, said in words(page), consents.grants.all()) == (status, True, [])


@pytest.mark.parametrize(
    ("failure", "status", "said"),
    [
        pytest.param(TryAgain("secret: rt-0"), 503, "did not answer", id="away"),
        pytest.param(Stop("secret: rt-0"), 500, "in our log", id="broken"),
        pytest.param(RuntimeError("secret: rt-0"), 500, "in our log", id="a bug"),
    ],
)
def test_what_is_inside_stays_inside(
    client: Client, consents: Consents, ops: dict[str, str], failure: Exception, status: int, said: str
) -> None:
    url = begun(client, ops)
    consents.providers["google"].fails = failure
    answer = back(client, url)
    assert (answer.status_code, said in words(answer), "rt-0" in answer.text) == (status, True, False)


@pytest.mark.parametrize(
    "path",
    ["/v1/connect/lotus/callback", "/v1/connect/lotus/start?ticket=x", "/v1/connect/google/start", "/v1/connect/google/callback?a=1&a=2"],
)
def test_what_leads_nowhere_is_a_page_as_well(client: Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status_code in (400, 404)
    assert "Nothing" in words(answer) or "nothing" in words(answer) or "Not connected" in words(answer)


HOSTILE = '"><script>alert(1)</script>'


def test_everything_from_outside_is_escaped(client: Client, consents: Consents, ops: dict[str, str]) -> None:
    consents.providers["google"].address = HOSTILE
    pages = [client.get("/v1/connect/google/start", params={"ticket": HOSTILE}), back(client, begun(client, ops))]
    consents.providers["google"].address = ANA
    consents.connecting.disconnect(GOOGLE)
    pages.append(client.get("/v1/connect/google/callback", params={"error": HOSTILE, "state": state_of(begun(client, ops))}))
    assert [page.status_code for page in pages] == [200, 200, 400]
    assert [page for page in pages if "<script" in page.text] == []
    assert "&lt;script&gt;" in pages[0].text + pages[1].text


def test_a_page_runs_nothing_loads_nothing_and_is_framed_by_nobody(client: Client) -> None:
    headers = client.get("/v1/connect/google/start?ticket=x").headers
    assert headers["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert (headers["referrer-policy"], headers["cache-control"], headers["x-content-type-options"]) == (
        "no-referrer",
        "no-store",
        "nosniff",
    )


def test_a_form_of_many_fields_is_no_link(client: Client) -> None:
    answer = client.post("/v1/connect/google/start", content="&".join(f"a{n}=1" for n in range(500)))
    assert (answer.status_code, "used before" in words(answer)) == (400, True)


def test_a_form_of_any_size_is_not_read(client: Client) -> None:
    answer = client.post("/v1/connect/google/start", data={"ticket": "x" * 10_000})
    assert (answer.status_code, words(answer).startswith("Not connected")) == (413, True)


# --- disconnecting -----------------------------------------------------------------------------------------------------------


def test_disconnecting_says_whether_the_provider_forgot_it(client: Client, consents: Consents, ops: dict[str, str]) -> None:
    consents.connect()
    answer = client.delete("/v1/connect/google?user=501", headers=ops)
    assert (answer.status_code, answer.json(), consents.grants.all()) == (200, {"revoked": True, "note": None}, [])
    assert client.delete("/v1/connect/google?user=501", headers=ops).status_code == 404


def test_where_no_provider_is_set_up_nothing_can_be_connected(consents: Consents, ops: dict[str, str]) -> None:
    with TestClient(consents.app(connecting=None, push=None), base_url=PUBLIC) as client:
        assert client.post("/v1/connect/google?user=501", headers=ops).status_code == 404
        assert client.get("/v1/connect/google/callback?state=x").status_code == 404
        assert client.post("/v1/hooks/google").status_code == 404


def test_behind_a_proxys_prefix_the_cookie_comes_back(consents: Consents, ops: dict[str, str]) -> None:
    consents.connecting._public_url = "http://127.0.0.1:8321/sync"
    with TestClient(consents.app(), base_url="http://127.0.0.1:8321") as client:
        cookie = client.post("/v1/connect/google?user=501", headers=ops).headers["set-cookie"]
    assert ("Path=/sync/v1/connect;" in cookie, "Secure" in cookie) == (True, False)
