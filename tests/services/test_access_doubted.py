"""Tokens that are refused though they were just fetched: a moment is waited, and then the grant is lost, once, with a sentence."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import stamina

from adapters.http import Api, Vendor
from domain.errors import Deauthorised, RendezvousError, TryAgain
from domain.outside import Link
from services.access import FORGOTTEN_MS, SURE_MS
from tests.calling import Provider
from tests.services.consents import CRM, GOOGLE, Consents

REASON = "Google Calendar refuses every token, new ones too: the permission may have been withdrawn there. Connect again"
ABOUT_THE_TOKEN, ABOUT_US = {"code": "badToken"}, {"code": "push.notYours"}


class Deaf:
    """A provider that takes no token, or those of `good` only; its authorisation server renews them all the same."""

    def __init__(self, link: Link = GOOGLE, body: object = ABOUT_THE_TOKEN) -> None:
        self.consents = Consents()
        self.consents.connect(link)
        self.link, self.good, self._body = link, set[str](), body
        self.provider = Provider(self._answer)
        vendor = Vendor("plain", "https://api.example/", lambda *_: (), _code, lost=frozenset(("badToken",)))
        self._api = Api(vendor, self.provider.http, self.consents.access, self.provider.throttle)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        taken = request.headers["Authorization"].removeprefix("Bearer ") in self.good
        return httpx.Response(200, json={}) if taken else httpx.Response(401, json=self._body)

    def error(self) -> RendezvousError | None:
        """What a patient call comes to."""
        try:
            with stamina.set_testing(True, attempts=4):
                self._api.call(self.link, "GET", "things", patient=True)
        except RendezvousError as error:
            return error
        return None

    def grant(self) -> Any:
        """As it is kept."""
        return self.consents.grants.get(self.link)


def _code(body: Any) -> object:
    return body.get("code")


def test_a_fresh_token_that_is_refused_is_tried_again_in_a_minute() -> None:
    deaf = Deaf()
    error = deaf.error()
    assert (str(error), isinstance(error, TryAgain) and error.after) == ("Google Calendar takes no token at the moment", 60.0)
    assert (len(deaf.provider.asked), deaf.grant().state, deaf.consents.verbs()) == (2, "live", ["activated"])


def test_one_that_is_refused_a_minute_later_too_loses_the_grant_once_and_nobody_is_asked_any_more() -> None:
    deaf = Deaf()
    deaf.error()
    deaf.consents.now += SURE_MS
    errors = [deaf.error() for _ in range(3)]
    assert [(type(error), str(error)) for error in errors] == [(Deauthorised, REASON)] * 3
    assert len(deaf.provider.asked) == 4, "two tokens each time, and none after that"
    grant = deaf.grant()
    assert (grant.state, grant.reason, grant.access, grant.refresh) == ("lost", REASON, "", None)
    assert (deaf.consents.verbs(), deaf.consents.feeds()) == (["activated", "deauthorised"], ["events"])
    assert deaf.consents.told()[-1]["data"]["reason"] == REASON


def test_many_who_are_refused_at_the_same_time_are_refused_once() -> None:
    deaf = Deaf()
    assert [type(deaf.error()) for _ in range(5)] == [TryAgain] * 5
    deaf.consents.now += SURE_MS - 1
    assert (type(deaf.error()), deaf.grant().state) == (TryAgain, "live")


def test_a_refusal_of_long_ago_says_nothing_about_the_next() -> None:
    deaf = Deaf()
    for _ in range(4):
        assert type(deaf.error()) is TryAgain
        deaf.consents.now += FORGOTTEN_MS + 1
    assert deaf.grant().state == "live"


def test_a_token_that_is_not_known_everywhere_at_once_loses_nothing() -> None:
    deaf = Deaf()
    deaf.error()
    deaf.good = {"at-2"}
    deaf.consents.now += SURE_MS
    assert (deaf.error(), deaf.grant().state, deaf.consents.verbs()) == (None, "live", ["activated"])


def test_a_refusal_of_the_last_consent_says_nothing_about_the_next() -> None:
    deaf = Deaf()
    deaf.error()
    deaf.consents.now += SURE_MS
    deaf.consents.connect()
    assert (type(deaf.error()), deaf.grant().state) == (TryAgain, "live")


def test_one_that_was_refused_for_what_the_token_has_no_part_in_loses_nothing() -> None:
    """Google answers so of an address that it will not push to."""
    deaf = Deaf(body=ABOUT_US)
    for _ in range(3):
        error = deaf.error()
        assert (type(error), deaf.grant().state) == (Deauthorised, "live")
        deaf.consents.now += SURE_MS


@pytest.mark.parametrize("overtaken", [True, False], ids=["another was fetched since", "it is the newest"])
def test_only_the_newest_token_says_something_about_the_grant(overtaken: bool) -> None:
    deaf = Deaf()
    access = deaf.consents.access
    with pytest.raises(TryAgain):
        access.doubt(GOOGLE, "at-0")
    deaf.consents.now += SURE_MS
    if overtaken:
        access.refused(GOOGLE, "at-0")
        assert access.bearer(GOOGLE) == "at-1"
    with pytest.raises(TryAgain if overtaken else Deauthorised):
        access.doubt(GOOGLE, "at-0")
    assert deaf.grant().state == ("live" if overtaken else "lost")


def test_a_crm_that_takes_no_token_is_lost_and_no_users_connection() -> None:
    deaf = Deaf(CRM)
    deaf.error()
    deaf.consents.now += SURE_MS
    error = deaf.error()
    assert str(error).startswith("HubSpot refuses every token")
    assert (deaf.grant().state, deaf.consents.told(), deaf.consents.feeds(CRM)) == ("lost", [], ["contacts", "meetings", "owners"])


def test_what_is_not_connected_cannot_be_doubted() -> None:
    consents = Consents()
    with pytest.raises(Deauthorised, match="not connected"):
        consents.access.doubt(GOOGLE, "at-0")
