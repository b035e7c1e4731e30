"""Rules own-domain, crm-user and never-log: who is never logged, from when on, and who stands among an entry's participants."""

from __future__ import annotations

from typing import Any

import pytest

from tests.domain.rules.shuffling import same_in_any_order
from tests.engine import staged
from tests.examples import ANA, BEN, BO, CY, Event, configured, contact, meeting, row, user

EVE, AT = "eve@acme.example", "2026-04-07T08:00:00Z"
ENTRY = [("Kick-off", AT, "confirmed")]


def never(*addresses: str, domains: tuple[str, ...] = (), revision: float = -10, own: tuple[str, ...] = ("acme.example",)) -> Event:
    """Settings with a never-log list."""
    return configured(revision, domains=own, never_log={"addresses": list(addresses), "domains": list(domains)})


def addresses(entry: Event) -> list[str]:
    """The addresses of an entry's participants."""
    return [p["email"] for p in entry["participants"]]


def logged(address: str, *before: Event) -> bool:
    """Is a contact with this address logged?"""
    return staged(contact("154", address), *before, meeting(revision=5, guests=(address, BO))).shown("154") == ENTRY


# --- own-domain -------------------------------------------------------------------------------------------------------

OWN: dict[str, tuple[str, tuple[str, ...], bool]] = {
    "the domain": ("eve@acme.example", ("acme.example",), False),
    "in capitals": ("EVE@ACME.EXAMPLE", ("acme.example",), False),
    "told in capitals": ("eve@acme.example", ("ACME.Example",), False),
    "told with an at sign and blanks": ("eve@acme.example", (" @acme.example ",), False),
    "a subdomain": ("eve@mail.acme.example", ("acme.example",), False),
    "a subdomain of a subdomain": ("eve@a.b.acme.example", ("acme.example",), False),
    "the domain above": ("eve@acme.example", ("mail.acme.example",), True),
    "a domain that ends alike": ("eve@notacme.example", ("acme.example",), True),
    "a domain that begins alike": ("eve@acme.example.org", ("acme.example",), True),
    "one of several": ("eve@two.example", ("one.example", "two.example"), False),
    "no domain told": ("eve@acme.example", (), True),
    "gmail.com": ("eve@gmail.com", ("gmail.com", "acme.example"), True),
    "outlook.com": ("eve@outlook.com", ("outlook.com",), True),
    "hotmail.com in capitals": ("eve@hotmail.com", ("HOTMAIL.COM",), True),
    "yahoo.com": ("eve@yahoo.com", ("yahoo.com",), True),
    "icloud.com": ("eve@icloud.com", ("icloud.com",), True),
}


@pytest.mark.parametrize(("address", "domains", "is_logged"), OWN.values(), ids=OWN.keys())
def test_addresses_on_own_domains_are_never_logged(address: str, domains: tuple[str, ...], is_logged: bool) -> None:
    assert logged(address, configured(-10, domains=domains)) is is_logged


def test_a_users_free_mail_address_makes_its_domain_nobodys_own() -> None:
    before = (configured(-10, domains=("gmail.com",)), user("503", "salesman@gmail.com"))
    assert logged("eve@gmail.com", *before)
    assert not logged("salesman@gmail.com", *before)


def test_the_decision_says_own_domain() -> None:
    told = meeting(guests=(EVE, BO))
    engine = staged(contact("154", EVE), told)
    assert ("own-domain", "ignored") in engine.decided(told)


def test_settings_count_from_when_they_are_made() -> None:
    engine = staged(contact("153", "dee@late.example"), meeting(guests=("dee@late.example",)))
    engine.tell(configured(1, domains=("acme.example", "late.example")))
    assert engine.shown("153") == ENTRY
    engine.tell(meeting(revision=2, guests=("dee@late.example",), title="Renamed"))
    assert engine.shown("153") == []


def test_a_domain_taken_off_the_settings_counts_from_then_on_too() -> None:
    engine = staged(contact("154", EVE), meeting(guests=(EVE,)), configured(1, domains=()))
    assert engine.shown("154") == []
    assert engine.tell(meeting(revision=2, guests=(EVE,))).shown("154") == ENTRY


def test_older_settings_that_arrive_later_change_nothing() -> None:
    old = configured(-30, domains=())
    engine = staged(contact("154", EVE), old, meeting(guests=(EVE,)))
    assert engine.decided(old) == [("stale", "ignored")]
    assert engine.shown("154") == []


def test_a_colleague_stands_among_the_participants_without_contact() -> None:
    (entry,) = staged(contact("154", EVE), meeting(guests=(EVE, BO))).timeline()
    assert [(p["email"], p["contact"]) for p in entry["participants"]] == [(EVE, None), (BO, "151")]


# --- crm-user ---------------------------------------------------------------------------------------------------------


def test_a_user_is_never_logged_whatever_his_domain() -> None:
    freelancer = "freelancer@elsewhere.example"
    told = meeting(guests=(freelancer, BO))
    engine = staged(contact("154", freelancer), user("503", freelancer), told)
    assert engine.shown("154") == []
    assert ("crm-user", "ignored") in engine.decided(told)
    assert [(p["email"], p["contact"]) for p in engine.timeline()[0]["participants"]] == [(freelancer, None), (BO, "151")]


@pytest.mark.parametrize("address", ["eva@elsewhere.example", "Eva@ELSEWHERE.example"])
def test_a_users_aliases_are_never_logged(address: str) -> None:
    assert not logged(address, user("503", EVE, aliases=("eva@elsewhere.example",)))


def test_a_user_whose_address_changed_is_known_by_the_new_one() -> None:
    changed = (user("503", "old@elsewhere.example"), user("503", "new@elsewhere.example", -5))
    assert not logged("new@elsewhere.example", *changed)
    assert logged("old@elsewhere.example", *changed)


def test_a_user_added_later_counts_from_then_on() -> None:
    engine = staged(meeting(), user("503", BO, 1))
    assert engine.shown() == ENTRY
    assert engine.tell(meeting(revision=2)).shown() == []


def test_a_user_removed_later_counts_from_then_on() -> None:
    engine = staged(user("503", BO), meeting(), user("503", BO, 1, kind="user.removed"))
    assert engine.shown() == []
    assert engine.tell(meeting(revision=2)).shown() == ENTRY


def test_a_user_removed_stays_removed_when_an_older_word_arrives() -> None:
    late = user("503", BO, 0.5)
    engine = staged(user("503", BO, 1, kind="user.removed"), late, meeting(revision=2))
    assert engine.decided(late) == [("stale", "ignored")]
    assert engine.shown() == ENTRY


def test_a_user_removed_and_added_again_is_a_user() -> None:
    assert not logged(BO, user("503", BO), user("503", BO, 1, kind="user.removed"), user("503", BO, 2))


def test_an_address_that_two_users_have_stays_until_both_are_gone() -> None:
    both = (user("503", BO), user("504", "other@elsewhere.example", aliases=(BO,)))
    assert not logged(BO, *both, user("503", BO, 1, kind="user.removed"))


# --- never-log --------------------------------------------------------------------------------------------------------

LISTED: dict[str, tuple[Event, str]] = {
    "the address": (never("cy@buyer.example"), CY),
    "the address in capitals": (never("CY@Buyer.example"), CY),
    "the address with blanks": (never("  cy@buyer.example "), CY),
    "its domain": (never(domains=("buyer.example",)), CY),
    "its domain with an at sign": (never(domains=("@Buyer.example",)), CY),
    "the domain above": (never(domains=("buyer.example",)), "cy@mail.buyer.example"),
    "a free-mail domain": (never(domains=("gmail.com",)), "cy@gmail.com"),
}


@pytest.mark.parametrize(("settings", "address"), LISTED.values(), ids=LISTED.keys())
def test_the_listed_are_never_logged_and_the_others_are(settings: Event, address: str) -> None:
    told = meeting(guests=(address, BO))
    engine = staged(contact("154", address), settings, told)
    assert engine.shown("152") == engine.shown("154") == []
    assert engine.shown("151") == ENTRY
    assert ("never-log", "ignored") in engine.decided(told)


def test_a_listed_address_is_compared_whole() -> None:
    assert logged("cy+news@buyer.example", never("cy@buyer.example"))


def test_the_listed_do_not_stand_among_the_participants() -> None:
    (entry,) = staged(never("cy@buyer.example"), meeting(guests=(CY, BO, EVE, BEN))).timeline()
    assert addresses(entry) == [BO, EVE, BEN]


def test_a_listed_organiser_does_not_stand_there_either() -> None:
    (entry,) = staged(never("cy@buyer.example"), meeting(owner=CY, guests=(ANA, BO))).timeline()
    assert entry["organizer"] is None
    assert addresses(entry) == [ANA, BO]


def test_one_who_is_listed_later_leaves_at_the_next_change() -> None:
    engine = staged(meeting(guests=(CY, BO)), never("cy@buyer.example", revision=1))
    assert engine.shown("152") == ENTRY
    engine.tell(meeting(revision=2, guests=(CY, BO)))
    assert engine.shown("152") == []
    assert addresses(engine.timeline()[0]) == [BO]


def test_one_who_is_taken_off_the_list_is_logged_at_the_next_change() -> None:
    engine = staged(never("cy@buyer.example"), meeting(guests=(CY, BO)), never(revision=1))
    assert engine.shown("152") == []
    assert engine.tell(meeting(revision=2, guests=(CY, BO))).shown("152") == ENTRY


PRECEDENCE: dict[str, tuple[tuple[Event, ...], str]] = {
    "all three": ((never(EVE), user("503", EVE)), "never-log"),
    "never-log and own-domain": ((never(EVE),), "never-log"),
    "never-log and crm-user": ((never(EVE, own=()), user("503", EVE)), "never-log"),
    "crm-user and own-domain": ((user("503", EVE),), "crm-user"),
    "own-domain alone": ((), "own-domain"),
}


@pytest.mark.parametrize(("before", "rule"), PRECEDENCE.values(), ids=PRECEDENCE.keys())
def test_the_strictest_of_the_three_rules_is_named(before: tuple[Event, ...], rule: str) -> None:
    told = meeting(revision=1, guests=(EVE,), owner=None)
    engine = staged(contact("154", EVE), *before, told)
    named = [found for found, _ in engine.decided(told) if found in ("never-log", "crm-user", "own-domain")]
    assert named == [rule]


def test_under_backfill_the_listed_are_not_backfilled() -> None:
    settings: dict[str, Any] = {"never_log": {"addresses": ["dee@late.example"], "domains": []}, "policy": {"late_contact": "backfill"}}
    engine = staged(configured(-10, **settings), meeting(guests=("dee@late.example", BO)), contact("153", "dee@late.example", 1))
    assert engine.shown("153") == []


def test_the_listed_are_not_logged_by_a_row_of_the_crm_either() -> None:
    engine = same_in_any_order(
        row(uid="g1@google.example", contacts=("151", "152"), guests=(BO, CY)), meeting(revision=1), before=(never("cy@buyer.example"),)
    )
    assert engine.shown("152") == []
    assert addresses(engine.timeline()[0]) == [BO]


def test_another_accounts_list_is_its_own() -> None:
    theirs = configured(1, account="99", domains=("client.example",), never_log={"addresses": [BO], "domains": []})
    assert staged(theirs, user("503", BO, 1, account="99"), meeting(revision=2)).shown() == ENTRY
