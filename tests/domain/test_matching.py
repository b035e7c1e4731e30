"""Whose timeline a meeting stands in: each guest judged by one rule, and what an association by hand overrules."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import account as accounts
from domain.account import Account, own_domains
from domain.connection import Connection
from domain.contact import Contact
from domain.decisions import Decision, Outcome, Rule
from domain.events import AccountConfigured, ClockTicked, Guest, UserAdded, UserRemoved
from domain.matching import Judged, Matched, judge, match
from domain.people import Person, domain_of, key_of
from tests.examples import ACCOUNT, ANA, BEN, BO, CY

IGNORED, APPLIED = Outcome.IGNORED, Outcome.APPLIED


def token(address: str) -> str:
    """A sealed person, for these tests: the address itself, as long as a key."""
    return address.ljust(30, "~")


def key(address: str) -> str:
    """Whom a guest's address stands for."""
    return key_of(token(address))


def guest(address: str, owner: bool = False) -> Guest:
    """A participant."""
    return Guest(token(address), owner=owner)


class Around:
    """Surroundings in memory: an account, contacts by id and address, erased addresses."""

    def __init__(
        self, account: Account, contacts: dict[str, str | None], erased: tuple[str, ...] = (), merged: dict[str, str] | None = None
    ) -> None:
        self.account = account
        self._addresses = contacts
        self._erased = erased
        self._merged = merged or {}

    def connection(self, user: str) -> Connection:
        """Nobody is connected."""
        return Connection(user)

    def person(self, token: str) -> Person:
        """The person behind a token."""
        address = token.rstrip("~")
        if address in self._erased:
            return Person(key_of(token), erased=True)
        return Person(key_of(token), address, None, domain_of(address))

    def judged(self, token: str) -> Judged:
        """Judged each time anew."""
        return judge(token, self)

    def contacts_of(self, key_: str) -> tuple[str, ...]:
        """Contacts with this address, in the order of their ids."""
        return tuple(sorted(c for c, address in self._addresses.items() if address is not None and key(address) == key_))

    def contact(self, contact: str) -> Contact | None:
        """A contact, merges followed."""
        contact = self._merged.get(contact, contact)
        if contact not in self._addresses:
            return None
        address = self._addresses[contact]
        return Contact(
            contact, None if address is None else key(address), None if address is None else token(address), erased=address in self._erased
        )


def configured(
    *,
    domains: tuple[str, ...] = ("acme.example",),
    never: tuple[str, ...] = (),
    never_domains: tuple[str, ...] = (),
    users: dict[str, tuple[str, ...]] | None = None,
) -> Account:
    """An account after its settings and its users were told."""
    settings = AccountConfigured(
        account=ACCOUNT,
        at=0,
        recorded_at=0,
        cause="c",
        domains=own_domains(list(domains)),
        never_log=tuple(token(a) for a in never),
        never_log_domains=never_domains,
    )
    state = accounts.evolve(Account(), settings)
    for user, addresses in (users or {}).items():
        added = UserAdded(account=ACCOUNT, at=0, recorded_at=0, cause="c", user=user, addresses=tuple(token(a) for a in addresses))
        state = accounts.evolve(state, added)
    return state


CONTACTS: dict[str, str | None] = {
    "151": BO,
    "152": CY,
    "160": ANA,
    "161": "li@acme.example",
    "162": "pia@partner.example",
    "163": "me@gmail.com",
}


def matched(
    *guests: str | Guest,
    account: Account | None = None,
    associated: tuple[str, ...] = (),
    by_hand: bool = True,
    contacts: dict[str, str | None] = CONTACTS,
    erased: tuple[str, ...] = (),
    merged: dict[str, str] | None = None,
) -> Matched:
    """Matched among the contacts above, or others."""
    told = tuple(guest(g) if isinstance(g, str) else g for g in guests)
    return match(told, associated, by_hand, Around(account or configured(), contacts, erased, merged))


def verdicts(found: Matched) -> list[tuple[str, str, str | None]]:
    """(rule, outcome, contact) of every decision."""
    return [(d.rule.value, d.outcome.value, d.contact) for d in found.decisions]


# --- guests ---------------------------------------------------------------------------------------------------------------------


def test_a_guest_who_is_a_contact_has_the_meeting_in_his_timeline() -> None:
    found = matched(BO)
    assert found.contacts == ("151",)
    assert found.by_guest == {key(BO): "151"}
    assert found.guests == (guest(BO),)
    assert found.decisions == (Decision(Rule.CONTACT_MATCH, APPLIED, key(BO), "151"),)


def test_a_guest_who_is_nobody_is_shown_without_contact() -> None:
    found = matched("nobody@else.example")
    assert (found.contacts, found.by_guest, found.guests) == ((), {}, (guest("nobody@else.example"),))
    assert found.decisions == (Decision(Rule.NO_CONTACT, IGNORED, key("nobody@else.example")),)


def test_several_contacts_of_one_address_all_have_it_and_the_first_stands_beside_the_guest() -> None:
    found = matched(BO, contacts={"151": BO, "99": CY, "170": BO})
    assert found.contacts == ("151", "170")
    assert found.by_guest == {key(BO): "151"}
    assert verdicts(found) == [("contact-match", "applied", "151"), ("contact-match", "applied", "170")]


def test_several_guests_are_judged_one_by_one_in_their_order() -> None:
    found = matched(CY, "nobody@else.example", BO)
    assert found.contacts == ("152", "151")
    assert verdicts(found) == [("contact-match", "applied", "152"), ("no-contact", "ignored", None), ("contact-match", "applied", "151")]


def test_the_organiser_counts_as_a_guest() -> None:
    assert matched(guest(BO, owner=True), ANA).contacts == ("151",)
    assert matched(Guest(token(BO), owner=True, attendee=False)).contacts == ("151",)


def test_a_contact_without_an_address_matches_nobody() -> None:
    assert matched(BO, contacts={"151": None}).contacts == ()


def test_a_meeting_without_guests_is_nobodys() -> None:
    assert matched() == Matched((), {}, (), ())


# --- who is never logged ----------------------------------------------------------------------------------------------------------

FULL = configured(
    domains=("acme.example", "gmail.com", "partner.example"),
    never=("vip@client.example", ANA),
    never_domains=("secret.example",),
    users={"501": (ANA, "ana@home.example"), "502": (BEN, "ben@gmail.com", "ben@secret.example")},
)


@pytest.mark.parametrize(
    ("address", "rule", "shown"),
    [
        ("vip@client.example", Rule.NEVER_LOG, False),
        ("x@secret.example", Rule.NEVER_LOG, False),
        ("x@deep.secret.example", Rule.NEVER_LOG, False),
        (ANA, Rule.NEVER_LOG, False),
        ("ben@secret.example", Rule.NEVER_LOG, False),
        (BEN, Rule.CRM_USER, True),
        ("ana@home.example", Rule.CRM_USER, True),
        ("ben@gmail.com", Rule.CRM_USER, True),
        ("li@acme.example", Rule.OWN_DOMAIN, True),
        ("li@sub.acme.example", Rule.OWN_DOMAIN, True),
        ("li@a.b.acme.example", Rule.OWN_DOMAIN, True),
        ("li@notacme.example", Rule.NO_CONTACT, True),
        ("li@acme.example.org", Rule.NO_CONTACT, True),
        ("me@notsecret.example", Rule.NO_CONTACT, True),
        ("me@mail.example", Rule.NO_CONTACT, True),
        ("nobody", Rule.NO_CONTACT, True),
        ("pia@partner.example", Rule.OWN_DOMAIN, True),
        ("me@gmail.com", Rule.CONTACT_MATCH, True),
        (BO, Rule.CONTACT_MATCH, True),
    ],
    ids=[
        "listed",
        "listed domain",
        "its subdomain",
        "listed and a user: never-log first",
        "user on a listed domain: never-log first",
        "user on an own domain: crm-user first",
        "a user's other address",
        "a user's free mail address",
        "own domain",
        "subdomain",
        "a subdomain's subdomain",
        "a domain that only ends like it",
        "a domain that only begins like it",
        "ends like the listed one",
        "another",
        "no address",
        "a contact on an own domain",
        "free mail is never an own domain",
        "a contact",
    ],
)
def test_one_rule_judges_a_guest(address: str, rule: Rule, shown: bool) -> None:
    found = matched(address, account=FULL)
    assert [d.rule for d in found.decisions] == [rule]
    assert found.guests == ((guest(address),) if shown else ())
    assert bool(found.contacts) is (rule is Rule.CONTACT_MATCH)
    assert FULL.never_logged(Person(key(address), address, None, domain_of(address))) is (
        rule if rule in (Rule.NEVER_LOG, Rule.CRM_USER, Rule.OWN_DOMAIN) else None
    )


def test_one_listed_guest_does_not_drop_the_meeting_for_the_others() -> None:
    found = matched("vip@client.example", BEN, BO, account=FULL)
    assert found.contacts == ("151",)
    assert found.guests == (guest(BEN), guest(BO))
    assert [d.rule.value for d in found.decisions] == ["never-log", "crm-user", "contact-match"]


def test_an_erased_guest_is_nowhere() -> None:
    found = matched(BO, CY, erased=(BO,))
    assert (found.contacts, found.guests) == (("152",), (guest(CY),))
    assert verdicts(found)[0] == ("erased", "ignored", None)


def test_a_decision_about_somebody_who_is_not_logged_names_no_contact() -> None:
    found = matched(ANA, "vip@client.example", account=FULL, contacts={"160": ANA, "161": "vip@client.example"})
    assert [d.contact for d in found.decisions] == [None, None]
    assert found.by_guest == {}


@pytest.mark.parametrize(
    ("told", "own"),
    [
        (["acme.example"], ("acme.example",)),
        ([" ACME.Example ", "@acme.example", "acme.example."], ("acme.example",)),
        (["gmail.com", "Outlook.com", "GMX.de", "icloud.com", "yahoo.co.uk", "proton.me"], ()),
        (["z.example", "a.example"], ("a.example", "z.example")),
        (["", " ", "@", "."], ()),
    ],
    ids=["one", "as people write it", "free mail", "sorted", "nothing"],
)
def test_which_domains_can_be_an_accounts_own(told: list[str], own: tuple[str, ...]) -> None:
    assert own_domains(told) == own


def test_users_count_from_when_they_are_added_until_they_are_removed() -> None:
    added = configured(domains=(), users={"501": ("ana@home.example",)})
    assert matched("ana@home.example", account=added).decisions[0].rule is Rule.CRM_USER
    removed = accounts.evolve(added, UserRemoved(account=ACCOUNT, at=1, recorded_at=1, cause="c", user="501"))
    assert matched("ana@home.example", account=removed).decisions[0].rule is Rule.NO_CONTACT


def test_settings_are_whole_and_leave_users_and_clock_alone() -> None:
    ticked = accounts.evolve(FULL, ClockTicked(account=ACCOUNT, at=50, recorded_at=50, cause="c"))
    emptied = accounts.evolve(ticked, AccountConfigured(account=ACCOUNT, at=60, recorded_at=60, cause="c"))
    assert (emptied.domains, emptied.never_keys, emptied.never_domains) == ((), frozenset(), ())
    assert (emptied.users, emptied.ticked) == (FULL.users, 50)


def test_the_accounts_clock_never_goes_back() -> None:
    state = Account()
    for at in (50, 20, 70, 60):
        state = accounts.evolve(state, ClockTicked(account=ACCOUNT, at=at, recorded_at=at, cause="c"))
    assert state.ticked == 70


# --- associations -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("contact", "by_hand", "expected"),
    [
        ("151", True, ("contact-match", "applied", "151")),
        ("151", False, ("contact-match", "applied", "151")),
        ("161", True, ("contact-match", "applied", "161")),
        ("161", False, ("own-domain", "ignored", "161")),
        ("170", True, ("crm-user", "ignored", "170")),
        ("170", False, ("crm-user", "ignored", "170")),
        ("171", True, ("never-log", "ignored", "171")),
        ("172", True, ("never-log", "ignored", "172")),
        ("173", True, ("contact-match", "applied", "173")),
        ("174", True, ("erased", "ignored", "174")),
        ("999", True, ("contact-match", "applied", "999")),
        ("150", True, ("contact-match", "applied", "151")),
    ],
    ids=[
        "by hand",
        "not by hand",
        "own domain by hand",
        "own domain, not by hand",
        "user by hand",
        "user, not by hand",
        "never-log by hand",
        "never-log domain by hand",
        "without an address",
        "erased",
        "not known yet",
        "merged: its survivor",
    ],
)
def test_an_association_made_by_hand_wins_over_own_domain_only(contact: str, by_hand: bool, expected: tuple[str, str, str]) -> None:
    contacts = {**CONTACTS, "170": BEN, "171": "vip@client.example", "172": "x@secret.example", "173": None, "174": "gone@client.example"}
    found = matched(
        account=FULL, associated=(contact,), by_hand=by_hand, contacts=contacts, erased=("gone@client.example",), merged={"150": "151"}
    )
    assert verdicts(found) == [expected]
    assert found.contacts == ((expected[2],) if expected[1] == "applied" else ())
    assert found.guests == ()


def test_a_contact_who_is_a_guest_and_associated_has_it_once() -> None:
    found = matched(BO, associated=("151", "151"))
    assert found.contacts == ("151",)
    assert verdicts(found) == [("contact-match", "applied", "151")]


def test_an_association_by_hand_brings_in_a_guest_of_an_own_domain() -> None:
    found = matched("li@acme.example", BO, associated=("161",))
    assert found.contacts == ("151", "161")
    assert verdicts(found) == [("own-domain", "ignored", None), ("contact-match", "applied", "151"), ("contact-match", "applied", "161")]


# --- laws -------------------------------------------------------------------------------------------------------------------------

ADDRESSES = st.lists(
    st.sampled_from([ANA, BEN, BO, CY, "li@acme.example", "vip@client.example", "x@secret.example", "n@else.example", "me@gmail.com"]),
    max_size=6,
)


@given(ADDRESSES)
def test_every_guest_has_a_decision_and_only_matched_contacts_are_listed(addresses: list[str]) -> None:
    found = matched(*addresses, account=FULL)
    assert {d.guest for d in found.decisions} == {key(a) for a in addresses}
    assert set(found.contacts) == {d.contact for d in found.decisions if d.outcome is APPLIED}
    assert len(set(found.contacts)) == len(found.contacts)
    assert set(found.by_guest.values()) <= set(found.contacts)


@given(ADDRESSES, st.data())
def test_the_order_of_the_guests_changes_nobodys_verdict(addresses: list[str], data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(addresses))
    a, b = matched(*addresses, account=FULL), matched(*shuffled, account=FULL)
    assert set(a.contacts) == set(b.contacts)
    assert {(d.guest, d.rule) for d in a.decisions} == {(d.guest, d.rule) for d in b.decisions}
