"""Connecting and disconnecting: a consent ends once, in the browser that began it; a user has one calendar (rule one-calendar); and
whatever a crash leaves half done is finished."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import stamina
from msgspec.structs import replace

from adapters.memory.once import MemoryOnce
from domain.errors import BadInput, Deauthorised, NotFound, Refused, TryAgain
from domain.outside import Link, Notice
from services.connecting import CONSENT_MS, TICKET_MS, Connecting, Stale, Taken
from tests.examples import ACCOUNT, ANA, hour, meeting, stage
from tests.servers.postgres import closing_databases as closing_databases
from tests.services.consents import CRM, GOOGLE, MINUTE, OFFICE, PUBLIC, STORES, Consents, consents_on, state_of


@pytest.fixture(params=STORES)
def consents(request: pytest.FixtureRequest, tmp_path: Path) -> Consents:
    return consents_on(request.param, tmp_path)


def lose(consents: Consents, link: Link = GOOGLE) -> None:
    """The provider takes the grant no more."""
    grant = consents.grants.get(link)
    assert grant is not None
    consents.now = grant.expires_at
    consents.providers[link.provider].fails = Deauthorised("withdrawn")
    with pytest.raises(Deauthorised):
        consents.access.bearer(link)


# --- what follows from a consent ---------------------------------------------------------------------------------------------


def test_a_consent_becomes_a_grant_a_cursor_and_an_activation_at_the_sides_time(consents: Consents) -> None:
    grant = consents.connect()
    assert (grant.state, grant.address, grant.version, consents.grants.get(GOOGLE)) == ("live", ANA, 1, grant)
    assert consents.feeds() == ["events"]
    (event,) = consents.told()
    assert (event["type"], event["subject"], event["account"]) == ("rendezvous.connection.activated.v1", "501", ACCOUNT)
    assert (event["data"]["provider"], event["data"]["at"]) == ("google", "2026-03-02T08:00:00Z")
    assert ("address" in event["data"], "sealed" in event["data"]) == (False, True)


def test_a_portal_is_read_for_owners_contacts_and_meetings_and_is_no_users_connection(consents: Consents) -> None:
    grant = consents.connect(CRM)
    assert (grant.tenant, consents.feeds(CRM), consents.told()) == (ACCOUNT, ["contacts", "meetings", "owners"], [])


def test_what_is_made_from_then_on_is_synced_and_what_was_before_is_not(consents: Consents) -> None:
    """The user of the stage with a calendar that is connected at the tenth hour."""
    told = [event for event in stage() if ".connection." not in event["type"]]
    consents.now = int(hour(10).timestamp() * 1000)
    consents.engine.tell(*told)
    consents.connect()
    consents.engine.tell(meeting("before", created=hour(9)), meeting("after", 20, created=hour(11), start="2026-04-08T10:00:00"))
    assert [start for _, start, _ in consents.engine.shown()] == ["2026-04-08T08:00:00Z"]


def test_the_provider_sends_the_browser_back_to_the_address_of_its_own(consents: Consents) -> None:
    started = consents.connecting.begin(OFFICE)
    assert f"redirect_uri={PUBLIC}/v1/connect/office365/callback&" in started.url


def test_secrets_are_kept_under_no_name_that_opens_them() -> None:
    consents, once = Consents(), MemoryOnce()
    consents.once = once
    consents.start()
    started = consents.connecting.begin(GOOGLE)
    ticket = consents.connecting.hand_over(GOOGLE)
    kept = str(list(once._kept))
    assert [secret for secret in (state_of(started.url), started.session, ticket.url.split("=")[1]) if secret in kept] == []
    assert len(once._kept) == 2


def test_nothing_of_a_consent_or_a_grant_is_readable_in_the_files(tmp_path: Path) -> None:
    consents = Consents().in_files(tmp_path)
    begun = consents.connecting.begin(GOOGLE)
    consents.connect()
    raw = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    assert len(raw) > 1000
    assert [secret for secret in ("at-0", "rt-0", "note of ", state_of(begun.url)) if secret.encode() in raw] == []


# --- once, in one browser, in time -------------------------------------------------------------------------------------------


def test_a_consent_ends_once(consents: Consents) -> None:
    started = consents.connecting.begin(GOOGLE)
    consents.come_back(started, "google")
    with pytest.raises(Stale, match="finished before"):
        consents.come_back(started, "google")
    assert consents.providers["google"].redeemed == ["a-code"]


@pytest.mark.parametrize(
    "change",
    [
        pytest.param({"session": ""}, id="no cookie"),
        pytest.param({"session": "f" * 64}, id="another browser's cookie"),
        pytest.param({"url": "https://x.example/?state=" + "0" * 64}, id="a state that nobody began"),
        pytest.param({"url": "https://x.example/?state=%F0%9F%92%A3"}, id="a state that is none"),
    ],
)
def test_what_was_not_begun_in_this_browser_does_not_end_in_it(consents: Consents, change: dict[str, Any]) -> None:
    started = consents.connecting.begin(GOOGLE)
    with pytest.raises(Stale):
        consents.come_back(started._replace(**change), "google")
    assert (consents.providers["google"].redeemed, consents.grants.all()) == ([], [])


def test_a_consent_that_another_browser_tried_to_end_is_over(consents: Consents) -> None:
    started = consents.connecting.begin(GOOGLE)
    with pytest.raises(Stale):
        consents.come_back(started._replace(session="f" * 64), "google")
    with pytest.raises(Stale):
        consents.come_back(started, "google")


def test_one_providers_consent_does_not_end_at_anothers_address(consents: Consents) -> None:
    started = consents.connecting.begin(GOOGLE)
    with pytest.raises(Stale):
        consents.come_back(started, "office365")
    assert consents.providers["office365"].redeemed == []


@pytest.mark.parametrize(("ms", "connected"), [(CONSENT_MS - 1, 1), (CONSENT_MS, 0)], ids=["just in time", "too late"])
def test_a_consent_takes_minutes_at_most(consents: Consents, ms: int, connected: int) -> None:
    started = consents.connecting.begin(GOOGLE)
    consents.now += ms
    if connected:
        consents.come_back(started, "google")
    else:
        with pytest.raises(Stale):
            consents.come_back(started, "google")
    assert len(consents.grants.all()) == connected


def test_a_consent_that_was_declined_changes_nothing(consents: Consents) -> None:
    started = consents.connecting.begin(GOOGLE)
    with pytest.raises(Refused, match="not given"):
        consents.come_back(started, "google", code="", error="access_denied")
    assert (consents.grants.all(), consents.told(), consents.feeds()) == ([], [], [])


# --- links for users ---------------------------------------------------------------------------------------------------------


def ticket_in(url: str) -> str:
    return url.split("ticket=")[1]


def test_a_link_begins_one_consent(consents: Consents) -> None:
    ticket = consents.connecting.hand_over(OFFICE)
    assert (ticket.url.partition("?")[0], ticket.until) == (f"{PUBLIC}/v1/connect/office365/start", consents.now + TICKET_MS)
    started = consents.connecting.accept("office365", ticket_in(ticket.url))
    assert consents.come_back(started, "office365").link == OFFICE
    with pytest.raises(Stale, match="used before"):
        consents.connecting.accept("office365", ticket_in(ticket.url))


def test_a_link_is_good_for_its_provider_and_its_time(consents: Consents) -> None:
    late, wrong = consents.connecting.hand_over(GOOGLE), consents.connecting.hand_over(GOOGLE)
    with pytest.raises(Stale):
        consents.connecting.accept("office365", ticket_in(wrong.url))
    consents.now += TICKET_MS
    with pytest.raises(Stale):
        consents.connecting.accept("google", ticket_in(late.url))


def test_a_link_that_met_a_provider_that_is_away_is_still_good(consents: Consents) -> None:
    ticket = ticket_in(consents.connecting.hand_over(GOOGLE).url)
    consents.providers["google"].fails = TryAgain("away")
    with pytest.raises(TryAgain):
        consents.connecting.accept("google", ticket)
    consents.now += CONSENT_MS - 1
    assert consents.come_back(consents.connecting.accept("google", ticket), "google").link == GOOGLE


@pytest.mark.parametrize("ticket", ["", "x", "\ud800", "0" * 10_000])
def test_what_is_no_link_is_none(consents: Consents, ticket: str) -> None:
    with pytest.raises(Stale):
        consents.connecting.accept("google", ticket)


# --- one calendar ------------------------------------------------------------------------------------------------------------


def live(consents: Consents) -> None:
    consents.connect()


def lost(consents: Consents) -> None:
    consents.connect()
    lose(consents)


@pytest.mark.parametrize("first", [live, lost])
def test_a_second_calendar_is_refused_before_anybody_is_sent_anywhere(consents: Consents, first: Callable[[Consents], None]) -> None:
    first(consents)
    for begin in (consents.connecting.begin, consents.connecting.hand_over):
        with pytest.raises(Taken, match=rf"Google Calendar \({ANA}\) is connected .* disconnect it first"):
            begin(OFFICE)


def test_a_second_calendar_is_refused_when_it_comes_back_and_its_code_is_not_used(consents: Consents) -> None:
    second = consents.connecting.begin(OFFICE)
    consents.connect()
    with pytest.raises(Taken):
        consents.come_back(second, "office365")
    assert (consents.providers["office365"].redeemed, consents.grants.get(OFFICE), consents.verbs()) == ([], None, ["activated"])


def test_two_calendars_that_come_back_at_once_are_not_both_kept(consents: Consents, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other one is kept while this one's code is at the provider: what was redeemed in vain is given back."""
    second = consents.connecting.begin(OFFICE)
    redeem = consents.providers["office365"].redeem

    def meanwhile(*told: Any) -> Any:
        consents.connect()
        return redeem(*told)

    monkeypatch.setattr(consents.providers["office365"], "redeem", meanwhile)
    with pytest.raises(Taken):
        consents.come_back(second, "office365")
    assert [grant.link for grant in consents.grants.all()] == [GOOGLE]
    assert (consents.providers["office365"].revoked, consents.providers["google"].revoked) == (["rt-0"], [])


def test_another_users_calendar_is_his_own_business(consents: Consents) -> None:
    consents.connect()
    consents.connect(Link(ACCOUNT, "office365", "502"))
    consents.connect(Link("70000", "office365", "501"))
    assert len(consents.grants.all()) == 3


def test_the_same_calendar_renews(consents: Consents) -> None:
    first = consents.connect()
    consents.now += MINUTE
    second = consents.connect()
    assert (second.version, second.id != first.id, consents.verbs()) == (2, True, ["activated", "activated"])
    consents.engine.settle()
    (row,) = consents.engine.views.connections(ACCOUNT)
    assert row.body.count(b'"until":null') == 1


def test_renewing_wakes_what_stood_still(consents: Consents) -> None:
    consents.connect()
    consents.later()
    consents.connect()
    assert consents.due() == consents.now


def test_another_calendar_of_the_same_provider_is_refused_and_given_back(consents: Consents) -> None:
    consents.connect()
    consents.providers["google"].address = "ana@home.example"
    with pytest.raises(Taken, match=r"another calendar \(ana@home\.example\)"):
        consents.connect()
    kept = consents.grants.get(GOOGLE)
    assert kept is not None
    assert (kept.address, kept.version, consents.providers["google"].revoked) == (ANA, 1, ["rt-0"])


def test_the_portal_must_be_the_accounts(consents: Consents) -> None:
    consents.providers["hubspot"].tenant = "33"
    with pytest.raises(Taken, match="This is portal 33, and the account is portal 62515"):
        consents.connect(CRM)
    assert (consents.grants.all(), consents.providers["hubspot"].revoked) == ([], ["rt-0"])


# --- who may be meant --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("user", [None, "", "a\nb", "x" * 201])
def test_a_calendar_has_a_user(consents: Consents, user: str | None) -> None:
    with pytest.raises(BadInput, match="user"):
        consents.connecting.link(ACCOUNT, "google", user)


def test_a_portal_has_none(consents: Consents) -> None:
    assert consents.connecting.link(ACCOUNT, "hubspot", None) == CRM
    with pytest.raises(BadInput, match="not for a user"):
        consents.connecting.link(ACCOUNT, "hubspot", "501")


def test_a_provider_that_is_not_set_up_is_named_with_what_it_needs(consents: Consents) -> None:
    del consents.providers["office365"]
    for begin in (consents.connecting.begin, consents.connecting.hand_over):
        with pytest.raises(NotFound, match="RENDEZVOUS_OFFICE365_CLIENT_ID"):
            begin(OFFICE)


def test_a_provider_that_is_set_up_no_more_can_be_disconnected(consents: Consents) -> None:
    consents.connect()
    del consents.providers["google"]
    ended = consents.connecting.disconnect(consents.connecting.link(ACCOUNT, "google", "501"))
    assert (ended.revoked, consents.grants.get(GOOGLE), consents.verbs()) == (False, None, ["activated", "disconnected"])


def test_a_provider_that_nobody_knows_is_none(consents: Consents) -> None:
    with pytest.raises(NotFound, match="there are google, office365, hubspot"):
        consents.connecting.link(ACCOUNT, "lotus", "501")


def test_without_a_public_address_nobody_is_sent_anywhere(consents: Consents) -> None:
    parts: dict[str, Any] = {name[1:]: value for name, value in vars(consents.connecting).items()}
    parts["public_url"] = None
    with pytest.raises(BadInput, match="RENDEZVOUS_PUBLIC_URL"):
        Connecting(**parts).begin(GOOGLE)


# --- disconnecting -----------------------------------------------------------------------------------------------------------


def test_disconnecting_leaves_nothing_but_history(consents: Consents) -> None:
    consents.connect()
    consents.channel()
    consents.now += MINUTE
    ended = consents.connecting.disconnect(GOOGLE)
    assert (ended.revoked, consents.providers["google"].revoked, consents.watch.closed) == (True, ["rt-0"], ["c1"])
    assert (consents.grants.get(GOOGLE), consents.feeds(), consents.channels.of(GOOGLE)) == (None, [], [])
    assert consents.verbs() == ["activated", "disconnected"]
    assert consents.told()[-1]["data"]["at"] == "2026-03-02T08:01:00Z"


def test_after_it_the_other_calendar_may_be_connected(consents: Consents) -> None:
    consents.connect()
    consents.connecting.disconnect(GOOGLE)
    consents.connect(OFFICE)
    consents.engine.settle()
    assert [grant.link for grant in consents.grants.all()] == [OFFICE]
    (row,) = consents.engine.views.connections(ACCOUNT)
    assert row.body.count(b'"until":null') == 1


def test_connecting_again_is_after_the_disconnection_whichever_clock_goes_wrong(consents: Consents) -> None:
    """Our clock is ahead of the provider's, by which the consent is dated."""
    consents.connect()
    consents.now += MINUTE
    consents.connecting.disconnect(GOOGLE)
    consents.now -= MINUTE // 2
    assert consents.connect().granted_at == int(hour(0).timestamp() * 1000) + MINUTE + 1


def test_connecting_again_is_after_the_loss_whichever_clock_goes_wrong(consents: Consents) -> None:
    consents.connect()
    lose(consents)
    lost_at = consents.now
    consents.now -= MINUTE
    assert consents.connect().granted_at == lost_at + 1
    consents.engine.settle()
    (row,) = consents.engine.views.connections(ACCOUNT)
    assert b'"state":"active"' in row.body


def test_a_link_is_connected_since_its_first_consent_until_it_is_disconnected(consents: Consents) -> None:
    """By our clock: what was asked for before is told by it too."""
    first = consents.now
    assert consents.connect().since == first
    consents.now += 61 * MINUTE
    consents.access.bearer(GOOGLE)
    lose(consents)
    assert [grant.since for grant in consents.grants.all()] == [first]
    consents.now += MINUTE
    assert consents.connect().since == first
    consents.connecting.disconnect(GOOGLE)
    consents.now += MINUTE
    assert consents.connect().since == consents.now


def test_disconnecting_the_crm_forgets_what_it_pushed_and_nothing_else(consents: Consents) -> None:
    others = [Notice("70000", "hubspot", "a", b"{}")]
    consents.inbox.put([Notice(ACCOUNT, "hubspot", "a", b"{}"), *others], consents.now)
    consents.connect()
    consents.connecting.disconnect(GOOGLE)
    assert consents.inbox.waiting() == 2
    consents.connect(CRM)
    consents.connecting.disconnect(CRM)
    assert consents.inbox.claim(consents.now, MINUTE, 10) == others


def test_what_is_not_connected_cannot_be_disconnected(consents: Consents) -> None:
    with pytest.raises(NotFound):
        consents.connecting.disconnect(GOOGLE)


@pytest.mark.parametrize("failure", [TryAgain("away"), Refused("Microsoft has no way to revoke it for us")], ids=["away", "refused"])
def test_a_provider_that_forgets_nothing_holds_nothing_up_and_is_said(consents: Consents, failure: Exception) -> None:
    consents.connect()
    consents.providers["google"].fails = failure
    ended = consents.connecting.disconnect(GOOGLE)
    assert (ended.revoked, ended.note, consents.grants.get(GOOGLE)) == (False, str(failure), None)
    assert consents.verbs() == ["activated", "disconnected"]


def test_a_channel_that_cannot_be_closed_holds_nothing_up(consents: Consents) -> None:
    consents.connect()
    consents.channel()
    consents.watch.fails = Deauthorised("gone")
    assert consents.connecting.disconnect(GOOGLE).revoked
    assert consents.channels.of(GOOGLE) == []


def test_a_lost_connection_is_disconnected_without_asking_the_provider(consents: Consents) -> None:
    consents.connect()
    lose(consents)
    assert consents.connecting.disconnect(GOOGLE).revoked
    assert (consents.providers["google"].revoked, consents.verbs()) == ([], ["activated", "deauthorised", "disconnected"])


def test_a_mailbox_that_another_connection_needs_is_not_revoked(consents: Consents) -> None:
    """Google forgets all of an app's tokens of a mailbox at once, and somebody may work in two portals."""
    consents.connect()
    consents.connect(Link("70000", "google", "9"))
    ended = consents.connecting.disconnect(GOOGLE)
    assert (ended.revoked, consents.providers["google"].revoked) == (False, [])
    assert "another connection" in (ended.note or "")
    assert consents.connecting.disconnect(Link("70000", "google", "9")).revoked


# --- crashes -----------------------------------------------------------------------------------------------------------------


class Crash(BaseException):
    """The process ends here."""


STEPS = [("grants", "put"), ("cursors", "want"), ("grants", "drop"), ("cursors", "forget"), ("channels", "drop"), ("once", "put")]


def cut(consents: Consents, monkeypatch: pytest.MonkeyPatch, step: tuple[str, str], after: bool, act: Callable[[], object]) -> bool:
    """Do something in a process that ends at a step, before it or after it; did it come so far?"""
    part, verb = step
    real = getattr(getattr(consents, part), verb)

    def ends(*told: Any) -> Any:
        if after:
            real(*told)
        raise Crash

    with monkeypatch.context() as patched:
        patched.setattr(getattr(consents, part), verb, ends)
        try:
            act()
        except Crash:
            return True
    return False


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", STEPS[:2], ids=lambda step: ".".join(step))
def test_a_connection_that_was_cut_off_is_finished(
    consents: Consents, monkeypatch: pytest.MonkeyPatch, step: tuple[str, str], after: bool
) -> None:
    started = consents.connecting.begin(GOOGLE)
    assert cut(consents, monkeypatch, step, after, lambda: consents.come_back(started, "google"))
    consents.start()
    consents.connecting.restore()
    kept = consents.grants.get(GOOGLE)
    # What was never kept was never promised: he begins once more.
    assert (consents.verbs(), consents.feeds()) == ((["activated"], ["events"]) if kept else ([], []))
    assert (kept is not None) == (step != ("grants", "put") or after)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", [STEPS[0], *STEPS[2:]], ids=lambda step: ".".join(step))
def test_a_disconnection_that_was_cut_off_is_finished(
    consents: Consents, monkeypatch: pytest.MonkeyPatch, step: tuple[str, str], after: bool
) -> None:
    consents.connect()
    consents.channel()
    assert cut(consents, monkeypatch, step, after, lambda: consents.connecting.disconnect(GOOGLE))
    consents.start()
    consents.connecting.restore()
    if step == ("grants", "put") and not after:
        assert consents.verbs() == ["activated"]  # nothing was begun, and the connection is as it was
        return
    assert (consents.verbs(), consents.grants.get(GOOGLE)) == (["activated", "disconnected"], None)
    assert (consents.feeds(), consents.channels.of(GOOGLE)) == ([], [])


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_disconnection_of_the_crm_that_was_cut_off_leaves_nothing_pushed(
    consents: Consents, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    consents.connect(CRM)
    consents.inbox.put([Notice(ACCOUNT, "hubspot", "a", b"{}")], consents.now)
    assert cut(consents, monkeypatch, ("inbox", "forget"), after, lambda: consents.connecting.disconnect(CRM))
    consents.start()
    assert (consents.connecting.restore(), consents.inbox.waiting(), consents.grants.get(CRM)) == (1, 0, None)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_consent_again_that_was_cut_off_changes_nothing_of_since_when(
    consents: Consents, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    since = consents.connect().since
    consents.now += MINUTE
    started = consents.connecting.begin(GOOGLE)
    assert cut(consents, monkeypatch, ("grants", "put"), after, lambda: consents.come_back(started, "google"))
    consents.start()
    consents.connecting.restore()
    assert [grant.since for grant in consents.grants.all()] == [since]


@pytest.mark.parametrize(("refusals", "connected"), [(4, True), (5, False)], ids=["for a moment", "for longer"])
def test_a_log_that_is_busy_costs_no_consent(consents: Consents, monkeypatch: pytest.MonkeyPatch, refusals: int, connected: bool) -> None:
    accept, left = consents.engine.publisher.accept, [TryAgain("busy")] * refusals

    def busy(*told: Any) -> Any:
        if left:
            raise left.pop()
        return accept(*told)

    monkeypatch.setattr(consents.engine.publisher, "accept", busy)
    with stamina.set_testing(True, attempts=5):
        if connected:
            consents.connect()
        else:
            with pytest.raises(TryAgain):
                consents.connect()
    assert (consents.connecting.restore(), consents.verbs(), consents.feeds()) == (0 if connected else 1, ["activated"], ["events"])


def test_connecting_again_finishes_a_disconnection_first(consents: Consents, monkeypatch: pytest.MonkeyPatch) -> None:
    consents.connect()
    assert cut(consents, monkeypatch, ("cursors", "forget"), False, lambda: consents.connecting.disconnect(GOOGLE))
    consents.now += MINUTE
    consents.connect()
    consents.engine.settle()
    assert consents.verbs() == ["activated", "disconnected", "activated"]
    (row,) = consents.engine.views.connections(ACCOUNT)
    assert row.body.count(b'"until":null') == 1


def test_what_is_whole_is_left_alone(consents: Consents) -> None:
    consents.connect()
    consents.connect(CRM)
    lost = Link(ACCOUNT, "google", "502")
    consents.grants.put(replace(consents.connect(lost), state="lost"))
    assert (consents.connecting.restore(), consents.verbs()) == (0, ["activated", "activated"])
