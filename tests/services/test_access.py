"""Access tokens: fresh when they are handed out, fetched once whoever asks, and lost only when the provider says so."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
import stamina
from msgspec.structs import replace

from domain.errors import Conflict, Deauthorised, Stop, TryAgain
from domain.outside import Grant, Link
from services.access import AHEAD_MS, LEAST_MS, FreshAccess
from tests.servers.postgres import closing_databases as closing_databases
from tests.services.consents import CRM, GOOGLE, MINUTE, STORES, Consents, consents_on

LOST = Deauthorised("Google takes the permission no more: it was withdrawn. Connect again")


@pytest.fixture(params=STORES)
def consents(request: pytest.FixtureRequest, tmp_path: Path) -> Consents:
    made = consents_on(request.param, tmp_path)
    made.connect()
    return made


def left(consents: Consents, ms: int, link: Link = GOOGLE) -> None:
    """Move the clock to where the token has so much left."""
    grant = consents.grants.get(link)
    assert grant is not None
    consents.now = grant.expires_at - ms


def grant_of(consents: Consents, link: Link = GOOGLE) -> Grant:
    found = consents.grants.get(link)
    assert found is not None
    return found


def overtake(consents: Consents) -> None:
    """Somebody else keeps a newer grant."""
    consents.grants.put(replace(grant_of(consents), access="newer"))


@pytest.mark.parametrize(
    ("ms", "token"),
    [
        pytest.param(AHEAD_MS + 1, "at-0", id="long before its end"),
        pytest.param(AHEAD_MS, "at-0", id="just before it is refreshed"),
        pytest.param(AHEAD_MS - 1, "at-1", id="shortly before its end"),
        pytest.param(0, "at-1", id="at its end"),
        pytest.param(-MINUTE, "at-1", id="after its end"),
    ],
)
def test_a_token_is_refreshed_ahead_of_its_end(consents: Consents, ms: int, token: str) -> None:
    left(consents, ms)
    assert [consents.access.bearer(GOOGLE), consents.access.bearer(GOOGLE)] == [token, token]


def test_the_rotated_refresh_token_is_kept_before_the_access_token_is_used(consents: Consents) -> None:
    left(consents, 0)
    consents.access.bearer(GOOGLE)
    assert (grant_of(consents).refresh, grant_of(consents).access, grant_of(consents).version) == ("rt-1", "at-1", 2)


def test_a_token_whose_grant_could_not_be_kept_is_not_handed_out(consents: Consents, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_: Grant) -> Grant:
        raise Stop("the disk is full")

    left(consents, 0)
    monkeypatch.setattr(consents.grants, "put", broken)
    with pytest.raises(Stop):
        consents.access.bearer(GOOGLE)


def test_keeping_a_rotated_token_is_tried_again_while_the_store_is_busy(consents: Consents, monkeypatch: pytest.MonkeyPatch) -> None:
    put, refusals = consents.grants.put, [TryAgain("busy"), TryAgain("busy")]

    def busy(grant: Grant) -> Grant:
        if refusals:
            raise refusals.pop()
        return put(grant)

    left(consents, 0)
    monkeypatch.setattr(consents.grants, "put", busy)
    with stamina.set_testing(True, attempts=5):
        assert consents.access.bearer(GOOGLE) == "at-1"
    assert grant_of(consents).refresh == "rt-1"


def test_many_who_ask_at_once_cause_one_refresh(consents: Consents) -> None:
    """The provider would refuse a refresh token that is used twice; the fake asserts it."""
    left(consents, 0)
    together, found = threading.Barrier(8), list[str]()

    def ask() -> None:
        access = FreshAccess(consents.grants, consents.providers, consents.engine.publisher, consents.clock)  # as in a process of its own
        together.wait()
        found.append(access.bearer(GOOGLE))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (found, consents.providers["google"].refreshed) == (["at-1"] * 8, 1)


def test_who_has_a_good_token_does_not_wait_for_whoever_fetches_the_next(consents: Consents) -> None:
    left(consents, AHEAD_MS - 1)
    with consents.grants.alone(GOOGLE, 0):
        assert consents.access.bearer(GOOGLE) == "at-0"


@pytest.mark.parametrize(
    ("ms", "token"),
    [pytest.param(LEAST_MS, "at-0", id="while the token at hand is good"), pytest.param(LEAST_MS - 1, None, id="when it is about to end")],
)
def test_a_provider_that_is_away_costs_nothing_while_the_token_is_good(consents: Consents, ms: int, token: str | None) -> None:
    left(consents, ms)
    consents.providers["google"].fails = TryAgain("away")
    if token:
        assert consents.access.bearer(GOOGLE) == token
    else:
        with pytest.raises(TryAgain):
            consents.access.bearer(GOOGLE)
    assert (grant_of(consents).state, consents.verbs()) == ("live", ["activated"])


def test_a_grant_taken_no_more_is_lost_once_with_a_sentence_and_its_cursor_stays(consents: Consents) -> None:
    left(consents, 0)
    consents.providers["google"].fails = LOST
    for _ in range(3):
        with pytest.raises(Deauthorised) as lost:
            consents.access.bearer(GOOGLE)
        assert lost.value.reason == LOST.reason
    kept = grant_of(consents)
    assert (kept.state, kept.reason, kept.access, kept.refresh) == ("lost", LOST.reason, "", None)
    assert (consents.verbs(), consents.feeds()) == (["activated", "deauthorised"], ["events"])
    assert consents.told()[-1]["data"]["reason"] == LOST.reason


def test_a_crash_between_saying_and_keeping_says_it_once(consents: Consents, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(_: Grant) -> Grant:
        raise KeyboardInterrupt

    left(consents, 0)
    consents.providers["google"].fails = LOST
    with monkeypatch.context() as patched:
        patched.setattr(consents.grants, "put", crash)
        with pytest.raises(KeyboardInterrupt):
            consents.access.bearer(GOOGLE)
    consents.start()
    consents.providers["google"].fails = LOST
    with pytest.raises(Deauthorised):
        consents.access.bearer(GOOGLE)
    assert consents.verbs() == ["activated", "deauthorised"]


def test_a_lost_connection_is_shown_with_its_reason_and_stays_active(consents: Consents) -> None:
    left(consents, 0)
    consents.providers["google"].fails = LOST
    with pytest.raises(Deauthorised):
        consents.access.bearer(GOOGLE)
    consents.engine.settle()
    (shown,) = json.loads(consents.engine.reading.connections(GOOGLE.account))["connections"]
    assert (shown["state"], shown["reason"], shown["windows"][-1]["until"]) == ("deauthorised", LOST.reason, None)


def test_a_crm_that_is_lost_is_no_users_connection() -> None:
    consents = Consents()
    consents.connect(CRM)
    left(consents, 0, CRM)
    consents.providers["hubspot"].fails = Deauthorised("HubSpot takes the permission no more")
    with pytest.raises(Deauthorised):
        consents.access.bearer(CRM)
    assert (grant_of(consents, CRM).state, consents.told()) == ("lost", [])


def test_connecting_again_opens_what_was_lost(consents: Consents) -> None:
    left(consents, 0)
    consents.providers["google"].fails = LOST
    with pytest.raises(Deauthorised):
        consents.access.bearer(GOOGLE)
    consents.connect()
    assert (consents.access.bearer(GOOGLE), consents.verbs()) == ("at-0", ["activated", "deauthorised", "activated"])


# --- tokens that are refused before their time -------------------------------------------------------------------------------


def test_a_refused_token_is_replaced_once(consents: Consents) -> None:
    for _ in range(3):
        consents.access.refused(GOOGLE, "at-0")
    assert (consents.access.bearer(GOOGLE), consents.providers["google"].refreshed) == ("at-1", 1)
    consents.access.refused(GOOGLE, "at-0")  # said late, by who still had the old one
    assert (consents.access.bearer(GOOGLE), consents.providers["google"].refreshed) == ("at-1", 1)


def test_refusing_what_is_not_connected_changes_nothing() -> None:
    consents = Consents()
    consents.access.refused(GOOGLE, "at-0")
    assert consents.grants.get(GOOGLE) is None


@pytest.mark.parametrize("state", ["none", "revoked"])
def test_what_is_not_connected_has_no_token(state: str) -> None:
    consents = Consents()
    if state == "revoked":
        consents.grants.put(replace(consents.connect(), state="revoked"))
    with pytest.raises(Deauthorised, match="not connected"):
        consents.access.bearer(GOOGLE)


def test_a_consent_that_overtakes_a_refresh_wins(consents: Consents) -> None:
    """No lock is for ever: one that was lost while the provider was slow must not bring the old grant back."""
    left(consents, 0)
    consents.providers["google"].inside = lambda: overtake(consents)
    with pytest.raises(Conflict):
        consents.access.bearer(GOOGLE)
    assert grant_of(consents).access == "newer"


def test_a_process_without_the_app_of_a_provider_loses_no_grant(consents: Consents) -> None:
    left(consents, 0)
    access = FreshAccess(consents.grants, {}, consents.engine.publisher, consents.clock)
    with pytest.raises(TryAgain, match="no client id"):
        access.bearer(GOOGLE)
    assert grant_of(consents).state == "live"
