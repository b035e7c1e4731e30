"""Rules own-domain, crm-user and never-log: who is never logged, from when on, and who stands among an entry's participants."""

from __future__ import annotations

from typing import Any

import pytest

from tests.domain.rules.shuffling import same_in_any_order
from tests.engine import staged
from tests.examples import ANA, BEN, BO, CY, Event, configured, contact, contact_said, meeting, row, series, user

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
    **{
        domain: (f"eve@{domain}", (domain,), True)
        for domain in (
            "hotmail.nl",
            "outlook.com.br",
            "outlook.be",
            "live.com.au",
            "live.it",
            "windowslive.com",
            "yahoo.com.mx",
            "yahoo.com.au",
            "aol.co.uk",
            "gmx.us",
            "yandex.kz",
            "posteo.de",
            "duck.com",
            "rambler.ru",
            "telenet.be",
            "freemail.hu",
        )
    },
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


def bare(event: Event) -> Event:
    """Without a sequence: its time orders it, then arrival."""
    return {name: value for name, value in event.items() if name != "sequence"}


ADDED, REMOVED = bare(user("503", BO, 1)), bare(user("503", BO, 1, kind="user.removed"))
AT_ONE_INSTANT: dict[str, tuple[tuple[Event, ...], bool]] = {
    "added, removed": ((ADDED, REMOVED), False),
    "removed, added": ((REMOVED, ADDED), True),
    "added, removed, and added told again": ((ADDED, REMOVED, {**ADDED, "id": "again"}), False),
    "removed, added, and removed told again": ((REMOVED, ADDED, {**REMOVED, "id": "again"}), True),
    "with another address": ((ADDED, bare(user("503", CY, 1, kind="user.added") | {"id": "other"})), False),
}


@pytest.mark.parametrize(("told", "is_user"), AT_ONE_INSTANT.values(), ids=AT_ONE_INSTANT.keys())
def test_of_two_words_of_one_instant_the_one_that_arrived_later_counts(told: tuple[Event, ...], is_user: bool) -> None:
    assert staged(*told, meeting(revision=2)).shown() == ([] if is_user else ENTRY)


def test_of_two_settings_of_one_instant_those_that_arrived_later_count() -> None:
    first, second = never(BO, revision=1), {**never(revision=1), "id": "second"}
    engine = staged(first, second, again := {**first, "id": "again"}, meeting(revision=2))
    assert engine.decided(again) == [("duplicate", "ignored")]
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


# --- a row of the CRM whose contact is told later -----------------------------------------------------------------------

ASSOCIATED: dict[str, tuple[tuple[Event, ...], Event, Event, list[tuple[str, str, str]]]] = {
    "never-log, by hand": ((never("shy@client.example"),), contact("185", "shy@client.example", 1), row(contacts=("185", "151")), []),
    "a never-log domain": ((never(domains=("client.example",)),), contact("185", "shy@client.example", 1), row(contacts=("185",)), []),
    "a user, by hand": ((), contact("185", BEN, 1), row(contacts=("185", "151"), guests=()), []),
    "own-domain, a booking": ((), contact("185", EVE, 1), row(contacts=("185", "151"), origin="booking"), []),
    "own-domain, HubSpot's own sync": ((), contact("185", EVE, 1), row(contacts=("185", "151"), origin="native-sync"), []),
    "own-domain, by hand": ((), contact("185", EVE, 1), row(contacts=("185", "151")), ENTRY),
    "nothing against him": ((), contact("185", "shy@client.example", 1), row(contacts=("185", "151")), ENTRY),
    "one occurrence of a series": (
        (never("shy@client.example"), series()),
        contact("185", "shy@client.example", 1),
        row(
            contacts=("185",),
            uid="s1@google.example",
            start="2026-04-14T10:00:00",
            provenance={"originalStart": "2026-04-14T08:00:00Z"},
        ),
        [],
    ),
}


@pytest.mark.parametrize(("before", "told", "associated", "shown"), ASSOCIATED.values(), ids=ASSOCIATED.keys())
def test_an_association_with_a_contact_who_is_told_later_is_as_with_one_who_was_known(
    before: tuple[Event, ...], told: Event, associated: Event, shown: list[tuple[str, str, str]]
) -> None:
    engine = same_in_any_order(told, associated, before=before, ask=lambda e: [e.shown(c) for c in ("151", "152", "185")])
    assert engine.shown("185") == shown


def test_an_association_with_one_who_becomes_a_contact_that_is_never_logged_goes_too() -> None:
    merged = contact_said("186", "contact.merged", 2, {"merged": ["185"], "email": "shy@client.example", "name": "Shy"})
    engine = same_in_any_order(row(contacts=("185", "151")), merged, before=(never("shy@client.example"),))
    assert (engine.shown("185"), engine.shown("186"), engine.shown("151")) == ([], [], ENTRY)


def test_an_association_goes_when_its_contact_gets_an_address_that_is_never_logged() -> None:
    engine = staged(never("shy@client.example"), contact("185", "open@client.example"), row(contacts=("185", "151")))
    assert engine.shown("185") == ENTRY
    engine.tell(contact("185", "shy@client.example", 1, kind="contact.updated"))
    assert (engine.shown("185"), engine.shown("151")) == ([], ENTRY)


def test_one_who_is_a_guest_too_keeps_it_until_the_meeting_changes() -> None:
    """What is known of him as a guest is what was known when the meeting last changed."""
    guest = "open@client.example"
    engine = staged(never("shy@client.example"), contact("185", guest), row(contacts=("185",), guests=(guest,)))
    engine.tell(contact("185", "shy@client.example", 1, kind="contact.updated"))
    assert engine.shown("185") == ENTRY
    assert engine.tell(row(revision=2, contacts=("185",), guests=(guest,), title="Renamed")).shown("185") == []


def test_another_accounts_list_is_its_own() -> None:
    theirs = configured(1, account="99", domains=("client.example",), never_log={"addresses": [BO], "domains": []})
    assert staged(theirs, user("503", BO, 1, account="99"), meeting(revision=2)).shown() == ENTRY
