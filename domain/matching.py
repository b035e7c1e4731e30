"""Whose timeline a meeting belongs in: each guest judged once, with the rule that judged him."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from msgspec import Struct

from domain.account import Account
from domain.connection import Connection
from domain.contact import Contact
from domain.decisions import Decision, Outcome, Rule
from domain.events import Guest, Sighting
from domain.people import Person


class Judged(Struct, frozen=True, gc=False):
    """One guest judged: his person key, whether he may be shown, the contacts he is, and the decisions about him."""

    key: str
    shown: bool
    contacts: tuple[str, ...]
    decisions: tuple[Decision, ...]


class Surroundings(Protocol):
    """What a decision about a meeting may look at beside the meeting itself."""

    account: Account

    def connection(self, user: str) -> Connection:
        """The user's connection, empty if he never had one."""

    def person(self, token: str) -> Person:
        """The person behind a sealed token."""

    def judged(self, token: str) -> Judged:
        """`judge`, remembered for as long as nothing it looks at changes."""

    def contacts_of(self, key: str) -> tuple[str, ...]:
        """The contacts whose Email property is this person's address: survivors only, in the order of their ids."""

    def contact(self, contact: str) -> Contact | None:
        """A contact by its CRM id, merges followed; None if it is not known."""


class Matched(Struct, frozen=True, gc=False):
    """`contacts` in whose timelines it stands; `by_guest` person key to contact; `guests` who may be shown; one decision a
    guest or association."""

    contacts: tuple[str, ...]
    by_guest: dict[str, str]
    guests: tuple[Guest, ...]
    decisions: tuple[Decision, ...]


def match(guests: tuple[Guest, ...], associated: tuple[str, ...], by_hand: bool, around: Surroundings) -> Matched:
    """Judge every guest and every association (rules contact-match, never-log, crm-user, own-domain, no-contact).

    An association made by hand wins over own-domain, not over never-log.
    """
    contacts: dict[str, None] = {}
    by_guest: dict[str, str] = {}
    shown: list[Guest] = []
    decisions: list[Decision] = []
    for guest in guests:
        judged = around.judged(guest.person)
        decisions += judged.decisions
        if judged.shown:
            shown.append(guest)
        if judged.contacts:
            by_guest[judged.key] = judged.contacts[0]
            for contact in judged.contacts:
                contacts[contact] = None
    for told in associated:
        contact, never = meant_by(told, by_hand, around)
        if never is not None:
            decisions.append(Decision(never, Outcome.IGNORED, None, contact))
        elif contact not in contacts:
            contacts[contact] = None
            decisions.append(Decision(Rule.CONTACT_MATCH, Outcome.APPLIED, None, contact, {"association": True}))
    return Matched(tuple(contacts), by_guest, tuple(shown), tuple(decisions))


def judge(token: str, around: Surroundings) -> Judged:
    """Judge one guest."""
    person = around.person(token)
    key = person.key
    never = around.account.never_logged(person)
    if never is not None:
        shown = never is not Rule.NEVER_LOG and never is not Rule.ERASED
        return Judged(key, shown, (), (Decision(never, Outcome.IGNORED, key),))
    found = around.contacts_of(key)
    if not found:
        return Judged(key, True, (), (Decision(Rule.NO_CONTACT, Outcome.IGNORED, key),))
    return Judged(key, True, found, tuple(Decision(Rule.CONTACT_MATCH, Outcome.APPLIED, key, contact) for contact in found))


def meant_by(told: str, by_hand: bool, around: Surroundings) -> tuple[str, Rule | None]:
    """The contact that an association means, and the rule that keeps it out of his timeline, if one does."""
    contact = around.contact(told)
    if contact is None:
        return told, None
    if contact.erased:
        return contact.id, Rule.ERASED
    never = around.account.never_logged(around.person(contact.person)) if contact.person else None
    if never is Rule.OWN_DOMAIN and by_hand:
        never = None
    return contact.id, never


def invited(copies: Iterable[Sighting], around: Surroundings) -> set[str]:
    """The contacts whom calendars name, or named once, as guests of this meeting: they stand by that, and leave when they are taken off,
    whatever our own row in the CRM repeats."""
    people = {g.person for s in copies if s.side == "calendar" for r in s.revisions if r.content is not None for g in r.content.guests}
    return {contact for person in people for contact in around.judged(person).contacts}
