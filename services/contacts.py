"""What is told of a contact: his address, his merges, his deletion, his erasure, and what follows for the meetings he is in.

What must stay true: no order of arrival keeps an address from an erasure. A contact and all that merges had made one with it by then
are erased together, with every address that any word, however late, told of any of them.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from domain import contact as contacts
from domain.association import dissociate
from domain.contact import Contact
from domain.decisions import Decision, Outcome, Rule
from domain.events import ContactDeleted, ContactErased, ContactMerged, ContactNoted, ContactRecorded
from domain.meeting import Cause, Meeting, ask_again, evolve, rejudge
from domain.people import key_of
from domain.ports import Vault
from domain.source_events import SourceEvent
from services.desk import Desk
from services.sealing import tokens_of

Decisions = tuple[Decision, ...]


class Contacts:
    """Decides source events about contacts, for one batch."""

    def __init__(self, desk: Desk, vault: Vault, now: int) -> None:
        self.desk, self.vault, self.now = desk, vault, now
        self.cause = Cause("", 0, now)

    def erases(self, event: SourceEvent) -> bool:
        """May this event about a contact of the desk's account destroy keys?"""
        if event.kind == "contact.erased":
            return True
        if event.kind == "contact.merged":
            return any(self.desk.contact_itself(one).erased for one in _told_merged(event))
        return self.desk.contact_itself(event.subject).erased and bool(tokens_of(event))

    def people_sought(self, told: Collection[SourceEvent]) -> list[str]:
        """The keys of the index `people` that deciding these words about contacts of the desk's account will ask for, as far as can be
        foreseen: one query for a batch, where each alone would cost as much."""
        policy = self.desk.account.policy
        backfill, invites = policy.late_contact == "backfill", policy.writes.calendar
        keys: list[str] = []
        for event in told:
            if event.kind == "contact.merged":
                keys += [association_key(one) for one in event.data.merged]
            for token in tokens_of(event):
                if backfill:
                    keys.append(key_of(token))
                if invites or self.desk.account.never_logged(self.desk.person(token)) is not None:
                    keys.append(association_key(event.subject))
        return keys

    def decide(self, event: SourceEvent, verb: str, cause: Cause) -> Decisions:
        """Record what follows from this event."""
        self.cause = cause
        contact = event.subject
        if verb == "erased":
            return self._erase([contact], Outcome.APPLIED, cause.at)
        if verb == "merged":
            return self._merge(event)
        known = self.desk.contact_itself(contact)
        if known.erased:
            return self._erased_again(known, event)
        order = order_of(event, cause.at)
        if known.order and order < known.order:
            return self._late(known, event, verb, order)
        if verb == "deleted":
            deleted = ContactDeleted(**self._common(contact), order=order)
            if contacts.is_known(known, deleted, order):
                return (Decision(Rule.DUPLICATE, Outcome.IGNORED),)
            self.desk.record_contact(contact, deleted)
            return (Decision(Rule.CONTACT_MATCH, Outcome.APPLIED, contact=contact, note={"deleted": True}),)
        told = self._told(contact, event, event.data.company, order)
        if contacts.is_known(known, told, order):
            return (Decision(Rule.DUPLICATE, Outcome.IGNORED),)
        return self._record(told)

    def _common(self, contact: str) -> dict[str, Any]:
        cause = self.cause
        return {
            "account": self.desk.account_id,
            "at": cause.at,
            "recorded_at": self.now,
            "cause": cause.event,
            "contact": contact,
        }

    def _told(self, contact: str, event: SourceEvent, company: str | None, order: str) -> ContactRecorded:
        data = event.data
        return ContactRecorded(**self._common(contact), person=data.sealed, email=data.email is not None, company=company, order=order)

    # --- as the CRM has it ---------------------------------------------------------------------------------------------------

    def _record(self, told: ContactRecorded) -> Decisions:
        desk, contact, person = self.desk, told.contact, told.person
        before = desk.contact_itself(contact)
        desk.record_contact(contact, told)
        key = key_of(person) if person and told.email else None
        if key is not None and person is not None and desk.account.never_logged(desk.person(person)) is not None:
            self._dissociate(contact)
        if key is not None and person is not None and desk.person(person).erased:
            key = None
        if before.key is not None and before.key != key:
            desk.put("addresses", before.key, contact, gone=True)
        if key is None or before.into is not None:  # of a merge, only the survivor's address matches
            return (Decision(Rule.CONTACT_MATCH, Outcome.APPLIED, contact=contact),)
        desk.put("addresses", key, contact)
        if before.key is None and desk.account.policy.writes.calendar:
            self._invite(contact)
        if key != before.key and desk.account.policy.late_contact == "backfill":
            return (Decision(Rule.CONTACT_MATCH, Outcome.APPLIED, contact=contact), *self._rejudge_with([key]))
        return (Decision(Rule.CONTACT_MATCH, Outcome.APPLIED, contact=contact),)

    def _late(self, known: Contact, event: SourceEvent, verb: str, order: str) -> Decisions:
        """An older word than the last: of a contact of whom only the deletion was told, who he is; of any, that he had an address."""
        contact = event.subject
        if verb != "deleted" and known.deleted and order > known.recorded:
            self._record(self._told(contact, event, event.data.company, order))
            self.desk.record_contact(contact, ContactDeleted(**self._common(contact), order=known.order))
            return (Decision(Rule.STALE, Outcome.IGNORED, contact=contact, note={"taken": ["contact"]}),)
        self._note(known, event)
        return (Decision(Rule.STALE, Outcome.IGNORED),)

    def _note(self, known: Contact, event: SourceEvent) -> None:
        keys = tuple(key for token in tokens_of(event) if (key := key_of(token)) not in known.keys)
        if keys:
            self.desk.record_contact(event.subject, ContactNoted(**self._common(event.subject), keys=keys))

    # --- merged --------------------------------------------------------------------------------------------------------------

    def _merge(self, event: SourceEvent) -> Decisions:
        desk, data, survivor = self.desk, event.data, event.subject
        together = _told_merged(event)
        desk.fetch_contacts([(event.account, one) for one in together])
        erased = [known for one in together if (known := desk.contact_itself(one)).erased]
        if any(self.cause.at <= known.erased_at for known in erased):
            # They were one person when that person was erased.
            at = max(known.erased_at for known in erased)
            return self._erase(together, Outcome.IGNORED, at, tuple(key_of(token) for token in tokens_of(event)))
        if desk.contact_itself(survivor).erased:
            return self._erased_again(desk.contact_itself(survivor), event)
        merged = [m for m in together if m != survivor and (known := desk.contact_itself(m)).into is None and not known.erased]
        if not merged and not erased:
            self._note(desk.contact_itself(survivor), event)
            return (Decision(Rule.DUPLICATE, Outcome.IGNORED, contact=survivor),)
        if merged:
            self._join(survivor, merged)
        known, order = desk.contact_itself(survivor), order_of(event, self.cause.at)
        told = self._told(survivor, event, data.company or known.company, order)
        if told.person is not None and order >= known.order and not contacts.is_known(known, told, order):
            self._record(told)
        else:
            self._note(known, event)
        if not merged:
            return (Decision(Rule.ERASED, Outcome.IGNORED, contact=survivor),)
        for one in merged:
            self._dissociate(one)
        return (Decision(Rule.CONTACT_MATCH, Outcome.MERGED, contact=survivor, note={"merged": merged}),)

    def _join(self, survivor: str, merged: list[str]) -> None:
        desk = self.desk
        for one in merged:
            gone = desk.contact_itself(one)
            if gone.key is not None:
                desk.put("addresses", gone.key, one, gone=True)
        keys = tuple(key for m in merged for key in desk.contact_itself(m).keys)
        for one in [*merged, survivor]:
            if not desk.contact_itself(one).id:
                # Never told of before: it has an id at least, so that the merged one leads to the survivor.
                desk.record_contact(one, ContactRecorded(**self._common(one)))
        for one in [*merged, survivor]:
            desk.record_contact(one, ContactMerged(**self._common(survivor), merged=tuple(merged), keys=keys))

    # --- erased --------------------------------------------------------------------------------------------------------------

    def _erase(self, told: list[str], outcome: Outcome, at: int, keys: tuple[str, ...] = ()) -> Decisions:
        """Erase these contacts, all that were one with them at `at` (ms), every address of any of them, and `keys`."""
        desk, account = self.desk, self.desk.account_id
        group = self._one_with(told, at)
        keys = tuple(dict.fromkeys((*keys, *(key for one in group.values() for key in _keys(one)))))
        # Before the commit: if we die in between, the event is decided again and destroys what is destroyed already.
        self.vault.erase(account, keys)
        desk.forget_people()
        others = dict.fromkeys(one for key in keys for one in desk.contacts_of(key) if one not in group)
        for key in keys:
            for one in group:
                desk.put("addresses", key, one, gone=True)
        for one, known in group.items():
            if one == told[0] or not known.erased:
                common = self._common(one) | {"at": at}
                desk.record_contact(one, ContactErased(**common, keys=keys if one == told[0] else ()))
        self._rejudge_with(keys)
        for one in others:  # who has an address that is erased is nobody whom an association may name
            self._dissociate(one)
        return (Decision(Rule.ERASED, outcome, contact=told[0]),)

    def _erased_again(self, known: Contact, event: SourceEvent) -> Decisions:
        """A word about a contact that was erased: nothing of it is kept, and what the log now holds of it is closed too. An address
        that was not known to be his is erased wherever it stands."""
        keys = tuple(key_of(token) for token in tokens_of(event))
        if any(key not in known.keys for key in keys):
            return self._erase([event.subject], Outcome.IGNORED, known.erased_at, keys)
        if keys:
            self.vault.erase(event.account, keys)
            self.desk.forget_people()
        return (Decision(Rule.ERASED, Outcome.IGNORED, contact=event.subject),)

    def _one_with(self, told: list[str], at: int) -> dict[str, Contact]:
        """These contacts, the survivors that they had become at `at`, and all that had become those."""
        group: dict[str, Contact] = {}
        pending = list(told)
        while pending:
            one = pending.pop()
            if one not in group:
                known = group[one] = self.desk.contact_itself(one)
                pending += [m for m in known.merged if self.desk.contact_itself(m).into_at <= at]
                if known.into is not None and known.into_at <= at:
                    pending.append(known.into)
        return group

    # --- what follows for meetings ---------------------------------------------------------------------------------------------

    def _rejudge_with(self, keys: Collection[str]) -> Decisions:
        """Judge the guests of every meeting of these people again."""
        found: list[Decision] = []
        streams = [m for key in keys for m in self.desk.entries("people", key)]
        self.desk.fetch_meetings(streams)
        for stream in dict.fromkeys(streams):
            meeting = self.desk.meeting(stream)
            learned = rejudge(meeting, keys, self.cause, self.desk)
            if learned.event is not None:
                self.desk.record_meeting(learned.event, learned.meeting)
                found += [d for d in learned.decisions if d.guest is not None and d.guest in keys]
        return tuple(found[:50])

    def _invite(self, contact: str) -> None:
        """Meetings that were scheduled with this contact before anybody had told his address."""
        for meeting in self._associated(contact):
            event = ask_again(meeting, self.cause, self.desk)
            if event is not None:
                self.desk.record_meeting(event, evolve(meeting, event))

    def _associated(self, contact: str) -> list[Meeting]:
        """The meetings that CRM rows associate with this contact, each once."""
        streams = self.desk.entries("people", association_key(contact))
        self.desk.fetch_meetings(streams)
        return [self.desk.meeting(stream) for stream in dict.fromkeys(streams)]

    def _dissociate(self, contact: str) -> None:
        """Take what stands in this contact's timeline by an association alone out of it, if he is never logged."""
        for meeting in self._associated(contact):
            event = dissociate(meeting, contact, self.cause, self.desk)
            if event is not None:
                self.desk.record_meeting(event, evolve(meeting, event))


def association_key(contact: str) -> str:
    """The key of the index `people` under which a contact's associated meetings are found."""
    return f"contact|{contact}"


def order_of(event: SourceEvent, at: int) -> str:
    """The revision order of a contact or user, as text."""
    return event.sequence if event.sequence is not None else f"{at:020d}"


def _told_merged(event: SourceEvent) -> list[str]:
    """The survivor and those that became it."""
    return list(dict.fromkeys((event.subject, *event.data.merged)))


def _keys(known: Contact) -> tuple[str, ...]:
    return known.keys if known.person is None else (*known.keys, key_of(known.person))
