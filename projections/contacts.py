"""Contacts, and the people behind sealed tokens, as a fold meets them.

What must stay true: an entry stands with the survivor of all merges, and with nobody once its contact is erased; a person who
is erased is named by no row, whatever the vault still opened when the batch began.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import msgspec
from msgspec import Struct

from domain.events import ContactDeleted, ContactErased, ContactMerged, ContactRecorded
from domain.people import Person, key_of
from projections.views import ContactRow, Views

OpenPeople = Callable[[Mapping[str, Iterable[str]]], Mapping[str, Person]]
"""The people behind tokens of an account (ports.Vault.open)."""

_encode = msgspec.json.Encoder().encode


class Body(Struct):
    """A contact as readers get it."""

    id: str
    email: str | None = None
    name: str | None = None
    company: str | None = None


_decoder = msgspec.json.Decoder(Body)


class Named(NamedTuple):
    """An opened person: his key, address and name, and the last two as fields within an object's JSON."""

    key: str
    email: str | None
    name: str | None
    said: str


class _Said(Struct, gc=False):
    email: str | None
    name: str | None


def _named(person: Person) -> Named | None:
    if person.erased:
        return None
    return Named(person.key, person.email, person.name, _encode(_Said(person.email, person.name))[1:-1].decode())


class People:
    """The people of one batch, by token, None for those who may not be named. Tokens are opened many at a time, each once."""

    def __init__(self, open_people: OpenPeople) -> None:
        self._open = open_people
        self._known: dict[str, dict[str, Named | None]] = {}

    def load(self, tokens: Mapping[str, Iterable[str]]) -> None:
        """Open these tokens, by account, as far as they are closed."""
        wanted: dict[str, list[str]] = {}
        for account, some in tokens.items():
            known = self._known.setdefault(account, {})
            if missing := [token for token in dict.fromkeys(some) if token not in known]:
                wanted[account] = missing
        if not wanted:
            return
        opened = self._open(wanted)
        for account, some in wanted.items():
            self._known[account].update([(token, _named(opened[token])) for token in some])

    def of(self, account: str) -> Mapping[str, Named | None]:
        """All that are loaded of an account."""
        return self._known.setdefault(account, {})

    def erase(self, account: str, keys: Iterable[str]) -> None:
        """Nobody of these keys may be named any more."""
        known, erased = self._known.setdefault(account, {}), frozenset(keys)
        known.update((token, None) for token in list(known) if key_of(token) in erased)


class Contacts:
    """The contacts' rows during a fold: those stored, and over them what the batch made of them."""

    def __init__(self, views: Views) -> None:
        self._views = views
        self._rows: dict[tuple[str, str], ContactRow | None] = {}
        self._changed: dict[tuple[str, str], None] = {}
        # What `standing` answers as long as no row changes.
        self._standing: dict[tuple[str, str], str | None] = {}

    def load(self, contacts: Iterable[tuple[str, str]]) -> None:
        """Look up these (account, contact)s, as far as they have not been."""
        wanted = [at for at in dict.fromkeys(contacts) if at not in self._rows]
        if wanted:
            stored = self._views.stored_contacts(wanted)
            self._rows.update((at, stored.get(at)) for at in wanted)

    def row(self, account: str, contact: str) -> ContactRow | None:
        """A contact as it is now."""
        key = account, contact
        if key not in self._rows:
            self.load((key,))
        return self._rows[key]

    def standing(self, account: str, contact: str) -> str | None:
        """In whose timeline an entry for this contact stands: the survivor's, or nobody's once erased."""
        key = account, contact
        try:
            return self._standing[key]
        except KeyError:
            found = self._standing[key] = self._survivor(account, contact)
            return found

    def _survivor(self, account: str, contact: str) -> str | None:
        row = self.row(account, contact)
        seen: set[str] = set()
        while row is not None and row.into is not None and contact not in seen:
            seen.add(contact)
            contact = row.into
            row = self.row(account, contact)
        return None if row is not None and row.state == "erased" else contact

    def changes(self) -> list[ContactRow]:
        """The rows that the batch changed, as they are now."""
        return [row for key in self._changed if (row := self._rows[key]) is not None]

    def recorded(self, event: ContactRecorded, person: Named | None) -> None:
        """It is as the CRM has it, and alive; one that was merged stays that."""
        key = key_of(event.person) if event.email and event.person else None
        email = person.email if person and event.email else None
        body = _encode(Body(event.contact, email, person.name if person else None, event.company))
        before = self.row(event.account, event.contact)
        into = before.into if before is not None else None
        self._put(ContactRow(event.account, event.contact, key, "live" if into is None else "merged", into, body))

    def deleted(self, event: ContactDeleted) -> None:
        """The CRM deleted it. One that was merged still answers with its survivor."""
        row = self._row_or_new(event.account, event.contact)
        if row.state == "live":
            self._put(row._replace(state="deleted"))

    def merged(self, event: ContactMerged) -> tuple[str, ...]:
        """The merged became the survivor, and with them those that had become them. Returns the contacts that moved."""
        account, survivor = event.account, event.contact
        moved = tuple(dict.fromkeys(contact for contact in event.merged if contact != survivor))
        if self.row(account, survivor) is None:
            self._put(self._row_or_new(account, survivor))
        last = self.standing(account, survivor) or survivor  # it may have been merged itself before this was told
        for contact in moved:
            for former in self._merged_into(account, contact):
                self._put(former._replace(into=last))
            self._put(self._row_or_new(account, contact)._replace(state="merged", into=last))
        return moved

    def erased(self, event: ContactErased) -> tuple[str, ...]:
        """Nothing of it may be read any more. Returns the contacts that are this person: it, and those merged into it."""
        rows = [self._row_or_new(event.account, event.contact), *self._merged_into(event.account, event.contact)]
        for row in rows:
            self._put(row._replace(key=None, state="erased", into=None, body=b""))
        self._scrub(event.account, event.keys)
        return tuple(row.contact for row in rows)

    def _scrub(self, account: str, keys: tuple[str, ...]) -> None:
        for (of, _), row in list(self._rows.items()):
            if of == account and row is not None and row.key in keys:
                self._rows[account, row.contact] = scrubbed(row)

    def _merged_into(self, account: str, contact: str) -> list[ContactRow]:
        self.load([(account, row.contact) for row in self._views.contacts_merged_into(account, contact)])
        return [row for (of, _), row in sorted(self._rows.items()) if of == account and row is not None and row.into == contact]

    def _row_or_new(self, account: str, contact: str) -> ContactRow:
        return self.row(account, contact) or ContactRow(account, contact, None, "live", None, _encode(Body(contact)))

    def _put(self, row: ContactRow) -> None:
        self._standing.clear()
        self._rows[row.account, row.contact] = row
        self._changed[row.account, row.contact] = None


def scrubbed(row: ContactRow) -> ContactRow:
    """The row without the address and name of its person, who was erased. The key stays: by it he is recognised."""
    if not row.body:
        return row
    body = _decoder.decode(row.body)
    return row._replace(body=_encode(Body(body.id, None, None, body.company)))
