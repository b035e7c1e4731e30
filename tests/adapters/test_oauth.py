"""Consent, tokens and revocation at the three authorisation servers: what they have in common, then what each has of its own."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from adapters.google.oauth import GoogleAuthority
from adapters.office365.oauth import Office365Authority
from domain.errors import BadInput, Deauthorised, Refused, TryAgain
from domain.outside import Grant, Link
from tests.adapters.token_endpoint import DISCOVERY, ENTRA, MAKERS, REDIRECT, SIDE, Provider, google, hubspot, office365

NOW = SIDE + 90_000
SECRETS = ("hunter2", "at-1", "rt-1", "at-2", "rt-2", "the-code")

Make = Callable[[], Provider]


@pytest.fixture(params=sorted(MAKERS))
def provider(request: pytest.FixtureRequest) -> Provider:
    return MAKERS[request.param]()


def link(provider: Provider) -> Link:
    return Link("62515", provider.name, "" if provider.name == "hubspot" else "501")


def connected(provider: Provider, **answer: str) -> Grant:
    """A whole consent."""
    begun = provider.consent()
    return provider.authority.redeem(link(provider), "g1", begun.note, {"code": "the-code", "state": "a-state", **answer}, NOW)


def kept(provider: Provider) -> Grant:
    return Grant(link=link(provider), id="g1", access="at-1", refresh="rt-1", expires_at=NOW, version=3)


def tokens(provider: Provider, **changed: Any) -> dict[str, Any]:
    """What the token endpoint answers, with these changed; None leaves one out."""
    answer = provider.endpoint.answers[provider.token][0]
    assert isinstance(answer, tuple)
    return {name: value for name, value in {**answer[1], **changed}.items() if value is not None}


# --- all of them -------------------------------------------------------------------------------------------------------------


def test_a_consent_is_asked_for_with_a_challenge_whose_verifier_comes_with_the_code(provider: Provider) -> None:
    begun = provider.consent()
    asked = {name: values[0] for name, values in parse_qs(urlsplit(begun.url).query).items()}
    assert (asked["redirect_uri"], asked["state"], asked["response_type"], asked["client_id"]) == (REDIRECT, "a-state", "code", "app")
    provider.authority.redeem(link(provider), "g1", begun.note, {"code": "the-code", "state": "a-state"}, NOW)
    form = provider.endpoint.form(provider.token)
    digest = hashlib.sha256(form["code_verifier"].encode()).digest()
    assert asked["code_challenge_method"] == "S256"
    assert asked["code_challenge"] == base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    assert (form["code"], form["redirect_uri"], form["client_secret"]) == ("the-code", REDIRECT, "hunter2")
    assert len(form["code_verifier"]) >= 43


def test_no_two_consents_share_a_verifier(provider: Provider) -> None:
    assert provider.authority.begin(REDIRECT, "s").note != provider.authority.begin(REDIRECT, "s").note


def test_a_grant_is_what_was_given_and_whose_it_is(provider: Provider) -> None:
    grant = connected(provider)
    address, calendar, tenant, seconds = {
        "google": ("ana@acme.example", "ana@acme.example", None, 3599),
        "office365": ("ana@acme.example", "AAMk", "84bd8158", 3599),
        "hubspot": (None, None, "62515", 1800),
    }[provider.name]
    assert (grant.link, grant.id, grant.access, grant.refresh, grant.state) == (link(provider), "g1", "at-1", "rt-1", "live")
    assert (grant.address, grant.calendar, grant.tenant) == (address, calendar, tenant)
    assert grant.expires_at == NOW + seconds * 1000


def test_it_counts_from_the_sides_own_time(provider: Provider) -> None:
    assert connected(provider).granted_at == SIDE


def test_no_token_code_or_secret_stands_in_an_address(provider: Provider) -> None:
    grant = connected(provider)
    provider.authority.renew(grant, NOW)
    paths = [path for _, path, _, _ in provider.endpoint.asked]
    assert [secret for secret in SECRETS for path in [*paths, provider.authority.begin(REDIRECT, "s").url] if secret in path] == []
    assert [secret for secret in SECRETS if secret in repr(grant)] == []


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        pytest.param({"error": "access_denied"}, "not given", id="declined"),
        pytest.param({"error": "server_error", "error_description": "<b>x</b>"}, "server_error", id="an error it names"),
        pytest.param({"error": "<script>"}, "did not name", id="an error that is no code"),
        pytest.param({}, "sent no permission", id="nothing at all"),
        pytest.param({"code": ""}, "sent no permission", id="an empty code"),
        pytest.param({"code": "c", "iss": "https://evil.example"}, "did not come from", id="another server's answer"),
        pytest.param({"error": "access_denied", "iss": "https://evil.example"}, "did not come from", id="another server's error"),
    ],
)
def test_an_answer_that_grants_nothing_is_refused_and_no_code_is_used(provider: Provider, answer: dict[str, str], said: str) -> None:
    begun = provider.consent()
    before = len(provider.endpoint.asked)
    with pytest.raises(Refused, match=said) as refused:
        provider.authority.redeem(link(provider), "g1", begun.note, {"state": "a-state", **answer}, NOW)
    assert "<" not in refused.value.reason
    assert len(provider.endpoint.asked) == before


@pytest.mark.parametrize(
    ("name", "issuer"),
    [
        pytest.param("google", "https://accounts.google.com", id="Google"),
        pytest.param("office365", f"{ENTRA}/84bd8158-6d4d-4958-8b9f-9d6445542f95/v2.0", id="a directory of Microsoft's"),
    ],
)
def test_the_issuer_that_was_asked_is_taken(name: str, issuer: str) -> None:
    assert connected(MAKERS[name](), iss=issuer).access == "at-1"


@pytest.mark.parametrize("issuer", [f"{ENTRA}/a/b/v2.0", f"{ENTRA}.evil.example/84bd/v2.0", f"{ENTRA}//v2.0", f"{ENTRA}/v2.0"])
def test_what_only_looks_like_the_issuer_is_not(issuer: str) -> None:
    with pytest.raises(Refused, match="did not come from"):
        connected(office365(), iss=issuer)


def test_a_code_that_is_refused_gives_no_grant(provider: Provider) -> None:
    provider.says((400, {"error": "invalid_grant", "error_description": "the-code hunter2"}))
    with pytest.raises(Refused, match="gave no token") as refused:
        connected(provider)
    assert [secret for secret in SECRETS if secret in refused.value.reason] == []


def test_a_grant_without_a_refresh_token_is_none(provider: Provider) -> None:
    provider.says((200, tokens(provider, refresh_token=None)))
    with pytest.raises(Refused):
        connected(provider)


@pytest.mark.parametrize(
    ("make", "given"),
    [
        pytest.param(google, {"scope": "https://www.googleapis.com/auth/calendar.events"}, id="Google, a box left empty"),
        pytest.param(office365, {"scope": "User.Read openid"}, id="Microsoft"),
        pytest.param(hubspot, {"scopes": ["oauth", "crm.objects.contacts.read"]}, id="HubSpot"),
    ],
)
def test_less_than_we_need_is_refused_with_what_is_missing(make: Make, given: dict[str, Any]) -> None:
    provider = make()
    provider.says((200, tokens(provider, **given)))
    with pytest.raises(Refused, match="missing: "):
        connected(provider)


def test_a_wider_permission_is_enough() -> None:
    provider = google()
    provider.says((200, tokens(provider, scope="https://www.googleapis.com/auth/calendar")))
    assert connected(provider).address == "ana@acme.example"


def test_a_renewed_grant_has_a_new_token_and_is_otherwise_the_same(provider: Provider) -> None:
    provider.says((200, {"access_token": "at-2", "expires_in": 600, "token_type": "Bearer"}))
    fresh = provider.authority.renew(kept(provider), NOW)
    assert (fresh.access, fresh.refresh, fresh.expires_at) == ("at-2", "rt-1", NOW + 600_000)
    assert (fresh.link, fresh.id, fresh.version) == (link(provider), "g1", 3)
    assert provider.endpoint.form(provider.token)["refresh_token"] == "rt-1"


def test_a_rotated_refresh_token_is_the_one_that_counts(provider: Provider) -> None:
    provider.says((200, {"access_token": "at-2", "refresh_token": "rt-2", "expires_in": 600, "token_type": "Bearer"}))
    assert provider.authority.renew(kept(provider), NOW).refresh == "rt-2"


@pytest.mark.parametrize(
    ("make", "status", "body"),
    [
        pytest.param(google, 400, {"error": "invalid_grant", "error_description": "Token has been expired or revoked."}, id="Google"),
        pytest.param(google, 400, {"error": "invalid_grant", "error_subtype": "invalid_rapt"}, id="Google, by an administrator"),
        pytest.param(office365, 400, {"error": "invalid_grant", "error_codes": [50173]}, id="Microsoft, a changed password"),
        pytest.param(office365, 400, {"error": "invalid_grant", "error_codes": [700082]}, id="Microsoft, inactivity"),
        pytest.param(office365, 400, {"error": "interaction_required", "error_codes": [50076]}, id="Microsoft, a further proof"),
        pytest.param(hubspot, 400, {"status": "BAD_REFRESH_TOKEN", "message": "missing or invalid refresh token"}, id="HubSpot, older"),
        pytest.param(hubspot, 400, {"error": "invalid_grant"}, id="HubSpot, newer"),
    ],
)
def test_a_grant_that_is_taken_no_more_is_told_as_that(make: Make, status: int, body: dict[str, Any]) -> None:
    provider = make().says((status, body))
    with pytest.raises(Deauthorised, match="Connect again"):
        provider.authority.renew(kept(provider), NOW)


@pytest.mark.parametrize(
    ("make", "status", "body"),
    [
        pytest.param(google, 401, {"error": "invalid_client"}, id="Google, a wrong secret"),
        pytest.param(google, 400, {"error": "unauthorized_client"}, id="Google, another app's"),
        pytest.param(office365, 401, {"error": "invalid_client", "error_codes": [7000215]}, id="Microsoft, a wrong secret"),
        pytest.param(office365, 401, {"error": "invalid_client", "error_codes": [7000222]}, id="Microsoft, an expired secret"),
        pytest.param(office365, 400, {"error": "unauthorized_client", "error_codes": [700016]}, id="Microsoft, an unknown app"),
        pytest.param(hubspot, 400, {"status": "BAD_CLIENT_SECRET"}, id="HubSpot, a wrong secret"),
        pytest.param(google, 418, {}, id="something nobody expects"),
    ],
)
def test_a_mistake_of_the_operators_ends_no_grant(make: Make, status: int, body: dict[str, Any]) -> None:
    provider = make().says((status, body))
    with pytest.raises(TryAgain, match="refused this app"):
        provider.authority.renew(kept(provider), NOW)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param((500, {}), id="broken"),
        pytest.param((503, {"error": "invalid_grant"}), id="busy, whatever else it says"),
        pytest.param((429, {}), id="too many"),
        pytest.param(httpx.ConnectError("rt-1"), id="away"),
        pytest.param(httpx.ReadTimeout("rt-1"), id="silent"),
    ],
)
def test_a_server_that_is_away_ends_no_grant(provider: Provider, answer: Any) -> None:
    provider.authority.begin(REDIRECT, "s")
    provider.says(answer)
    with pytest.raises(TryAgain) as away:
        provider.authority.renew(kept(provider), NOW)
    assert [secret for secret in SECRETS if secret in str(away.value)] == []


def test_how_long_to_wait_is_passed_on_and_whoever_asks_then_is_answered(provider: Provider) -> None:
    provider.authority.begin(REDIRECT, "s")
    provider.says((429, {}), (200, {"access_token": "at-2", "expires_in": 600, "token_type": "Bearer"}))
    with pytest.raises(TryAgain) as busy:
        provider.authority.renew(kept(provider), NOW)
    assert (busy.value.after, provider.authority.renew(kept(provider), NOW).access) == (7.0, "at-2")


@pytest.mark.parametrize("told", ["soon", None, -5, 1e12, True])
def test_a_lifetime_that_cannot_be_is_taken_to_be_short(told: Any) -> None:
    provider = google()
    provider.says((200, tokens(provider, expires_in=told)))
    assert connected(provider).expires_at == NOW + 300_000


# --- revoking ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "path"),
    [pytest.param(google, "/revoke", id="Google"), pytest.param(hubspot, "/oauth/2026-03/token/revoke", id="HubSpot")],
)
def test_revoking_sends_the_refresh_token_in_the_body(make: Make, path: str) -> None:
    provider = make()
    provider.authority.revoke(kept(provider))
    assert provider.endpoint.form(path)["token"] == "rt-1"


@pytest.mark.parametrize(
    ("make", "path", "body"),
    [
        pytest.param(google, "/revoke", {"error": "invalid_token"}, id="Google"),
        pytest.param(hubspot, "/oauth/2026-03/token/revoke", {"error": "invalid_grant"}, id="HubSpot"),
    ],
)
def test_what_is_revoked_already_is_revoked(make: Make, path: str, body: dict[str, str]) -> None:
    provider = make()
    provider.endpoint.answers[path] = [(400, body)]
    provider.authority.revoke(kept(provider))
    assert provider.endpoint.form(path)["token"] == "rt-1"


@pytest.mark.parametrize(
    ("make", "path"),
    [
        pytest.param(google, "/revoke", id="Google"),
        pytest.param(hubspot, "/oauth/2026-03/token/revoke", id="HubSpot"),
        pytest.param(office365, "/nothing", id="Microsoft, always"),
    ],
)
def test_a_revocation_that_did_not_happen_is_said(make: Make, path: str) -> None:
    provider = make()
    provider.endpoint.answers[path] = [(400, {"error": "unsupported_token_type"})]
    with pytest.raises(Refused, match="revoke"):
        provider.authority.revoke(kept(provider))


# --- each of its own ---------------------------------------------------------------------------------------------------------


def test_google_is_asked_for_a_permission_that_lasts() -> None:
    asked = parse_qs(urlsplit(google().authority.begin(REDIRECT, "s").url).query)
    assert (asked["access_type"], asked["prompt"]) == (["offline"], ["consent"])


def test_hubspot_is_asked_which_portal_it_is_if_it_does_not_say() -> None:
    provider = hubspot()
    provider.says((200, tokens(provider, hub_id=None)))
    assert connected(provider).tenant == "62515"
    assert provider.endpoint.asked[-1][3]["Authorization"] == "Bearer at-1"


def test_microsofts_description_is_read_once() -> None:
    provider = office365()
    for _ in range(3):
        connected(provider)
        provider.authority.renew(kept(provider), NOW)
    assert [path for _, path, _, _ in provider.endpoint.asked].count(DISCOVERY) == 1


def test_msal_keeps_no_token() -> None:
    provider = office365()
    connected(provider)
    assert isinstance(provider.authority, Office365Authority)
    app, _ = provider.authority._app()
    assert list(app.token_cache.search("AccessToken")) + list(app.token_cache.search("RefreshToken")) == []


def test_an_identity_token_of_another_consent_gives_no_grant() -> None:
    provider = office365()
    begun = provider.consent()
    provider.consent()
    with pytest.raises(Refused, match="another consent"):
        provider.authority.redeem(link(provider), "g1", begun.note, {"code": "the-code"}, NOW)


def test_a_directory_that_is_none_is_the_operators_business() -> None:
    provider = office365()
    provider.endpoint.answers[DISCOVERY] = [(400, {"error": "invalid_tenant"})]
    with pytest.raises(BadInput, match="RENDEZVOUS_OFFICE365_TENANT"):
        provider.authority.begin(REDIRECT, "s")


def test_a_server_on_this_machine_is_reached_over_plain_http() -> None:
    here = "http://127.0.0.1:5000"
    provider = office365()
    described = {name: f"{here}/common/{name}" for name in ("issuer", "authorization_endpoint", "token_endpoint")}
    provider.endpoint.answers |= {DISCOVERY: [(200, described)], "/common/token_endpoint": provider.endpoint.answers[provider.token]}
    provider.authority = Office365Authority(provider.endpoint.client(), "app", "hunter2", login=here, api=f"{here}/v1.0")
    begun = provider.consent()
    grant = provider.authority.redeem(
        link(provider), "g1", begun.note, {"code": "c", "state": "a-state", "iss": f"{here}/common/issuer"}, NOW
    )
    assert begun.url.startswith(f"{here}/common/authorization_endpoint?")
    assert grant.access == "at-1"


def test_in_a_national_cloud_a_scope_says_which_graph_it_is_for() -> None:
    authority = Office365Authority(httpx.Client(), "app", "hunter2", api="https://graph.microsoft.us/v1.0")
    assert authority.scopes == ["https://graph.microsoft.us/Calendars.ReadWrite", "https://graph.microsoft.us/User.Read"]


def test_a_personal_account_is_in_no_directory_that_its_mailbox_is_in() -> None:
    provider = office365()
    provider.says((200, tokens(provider, id_token={"tid": "9188040d-6c67-4c5b-b112-36a304b66dad"})))
    assert connected(provider).tenant is None


def test_an_identity_without_a_mailbox_is_known_by_its_sign_in_name() -> None:
    provider = office365()
    provider.endpoint.answers["/v1.0/me"] = [(200, {"mail": None, "userPrincipalName": "ana@home.example"})]
    provider.says((200, tokens(provider, id_token={})))
    grant = connected(provider)
    assert (grant.address, grant.tenant) == ("ana@home.example", None)


def test_a_calendar_that_cannot_be_named_is_no_grant() -> None:
    provider = google()
    provider.endpoint.answers["/calendar/v3/users/me/calendarList/primary"] = [(403, {"error": {"code": 403}})]
    with pytest.raises(Refused, match="whose calendar"):
        connected(provider)


def test_addresses_are_configurable() -> None:
    provider = google()
    here = "http://127.0.0.1:5000"
    authority = GoogleAuthority(provider.endpoint.client(), "app", "hunter2", login=here, tokens=here, api=f"{here}/calendar/v3/")
    begun = authority.begin(REDIRECT, "s")
    assert begun.url.startswith(f"{here}/o/oauth2/v2/auth?")
    assert authority.redeem(link(provider), "g1", begun.note, {"code": "c", "iss": here}, NOW).address == "ana@acme.example"
