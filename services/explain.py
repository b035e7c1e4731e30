"""Why something is, or is not, in a timeline: one sentence, then every decision with its rule.

What must stay true: an answer names no address that the asker did not type, but of guests who are logged as contacts; whoever knows the
address or the contact id of somebody who was erased learns that he was, and nothing of his meetings; of a meeting's guest who was erased it
says that, whatever was decided about him before, and no more; and for what was never seen it says so, by what it can be asked, and what
to look at.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from msgspec import UNSET, Struct, UnsetType
from msgspec.structs import replace

from domain.account import Account
from domain.decisions import Decision, Outcome, Rule
from domain.errors import RendezvousError
from domain.events import MeetingEvent, Sighting
from domain.naming import account_stream
from domain.people import Person, domain_of, normalised
from domain.ports import DeadLetters, Store, Vault
from projections.views import ConnectionRow, ContactRow, DecisionRow, Views
from services.contacts import association_key
from services.history import account_of
from services.progress import Progress, Standing
from services.sentences import GENERAL, IN_NO_TIMELINE, SENTENCES, counted, sentence
from services.writes import CALENDARS, Answer, Write, writes_of

MOST = 200
"""Decisions in an answer, and meetings of a person that are looked at; the newest ones."""

UNDERSTOOD = (
    "What can be asked about: the id of a source event, a meeting, a side's object or a contact, an iCalendar UID, an address; of a "
    "timeline's entry, its `meeting`."
)
"""What has a name here."""

LETTERS = 1000
"""Dead letters of an account that are looked through for an event's id."""

NOWHERE = "The meeting is in no timeline now."

_PAGE = 500
_LETTERS_AT_ONCE = 100
_KEPT_OUT = (Outcome.IGNORED, Outcome.SUPPRESSED, Outcome.HELD, Outcome.REJECTED)
_KNOWN_ALREADY = (Rule.DUPLICATE, Rule.STALE)
_FOR_GOOD = (Rule.OWN_DOMAIN, Rule.CRM_USER, Rule.NEVER_LOG, Rule.ERASED)


class Reason(Struct, frozen=True):
    """One decision. `guest` is his address if the asker may see it, else his person key; `at` the side's time. Whatever was decided
    about somebody who is erased reads `erased`, without guest, contact or note."""

    rule: str
    outcome: str
    event: str
    meeting: str | None
    at: str
    sentence: str
    guest: str | UnsetType = UNSET
    contact: str | UnsetType = UNSET
    note: dict[str, Any] | UnsetType = UNSET


class Explained(Struct, frozen=True):
    """The answer. `writes` are the outside writes that the one meeting it is about asked for; `check` is what to look at when the
    answer is not what was expected."""

    what: str
    found: bool
    sentence: str
    decisions: tuple[Reason, ...] = ()
    writes: tuple[Write, ...] = ()
    check: tuple[str, ...] = ()


class _Row(Struct, frozen=True):
    """A row of the decision journal, as far as it is needed here."""

    event: str
    kind: str
    subject: str
    time: str
    meeting: str | None
    position: int
    decisions: tuple[Decision, ...]


class _Named(Struct, frozen=True):
    """A dead letter's body, as far as it is one."""

    id: object = None


class _Contact(Struct, frozen=True):
    email: str | None = None


class _Held(Struct, frozen=True):
    hold: str
    sightings: tuple[str, ...] = ()


class _Connection(Struct, frozen=True):
    user: str
    state: str
    provider: str | None = None
    since: str | None = None
    reason: str | None = None
    held: tuple[_Held, ...] = ()


class _Asked(NamedTuple):
    """Whom the question may be about: person keys, contacts by id, and the address as the asker typed it."""

    keys: frozenset[str]
    contacts: dict[str, ContactRow]
    address: str | None


class _Gone(NamedTuple):
    """Who was erased: guests by their person keys, and contacts."""

    guests: frozenset[str]
    contacts: frozenset[str]


_rows = msgspec.json.Decoder(_Row)
_named = msgspec.json.Decoder(_Named)
_contacts = msgspec.json.Decoder(_Contact)
_connections = msgspec.json.Decoder(_Connection)


class Explainer:
    """Explains an account's timelines, by what is decided and folded."""

    def __init__(self, views: Views, vault: Vault, store: Store) -> None:
        self._views, self._vault, self._store = views, vault, store

    def explain(self, account: str, what: str) -> Explained:
        """`what` is a source event's id, a side's id, a meeting's id, its iCalendar UID, a contact's id or an address; it may be several
        of these."""
        return _Question(self._views, self._vault, self._store, account, what.strip()[:1024]).answer()


def with_logs(found: Explained, account: str, explainer: Explainer, dead: DeadLetters | None, progress: Progress | None) -> Explained:
    """An explanation with what the read models alone do not know: of an event whose record nobody could read, its dead letter, in whose
    bytes alone the event's id stands; and how far the engine has come, if that could make the answer another. Without these, or where
    their logs are away, as it was found. Where the logs are servers, this takes as long as they do."""
    try:
        # First: if the log is away, so is that of the dead letters, and nobody should wait for both.
        standing = None if progress is None else progress.standing(account)
        whole = found if found.found or dead is None else _or_its_letter(found, account, explainer, dead)
    except RendezvousError:  # nobody who reads needs a log
        return found
    check = None if standing is None else _progress_check(standing, bool(whole.check))
    return whole if check is None else replace(whole, check=(*whole.check, check))


def _or_its_letter(found: Explained, account: str, explainer: Explainer, dead: DeadLetters) -> Explained:
    letter = _letter_with(dead, account, found.what)
    rejected = None if letter is None else explainer.explain(account, letter)
    if letter is None or rejected is None or not rejected.found:  # it may be among the dead letters, and not folded yet
        return found
    return replace(rejected, what=found.what, sentence=f"{found.what}{rejected.sentence.removeprefix(letter)}")


def _progress_check(standing: Standing, in_doubt: bool) -> str | None:
    """How far the engine has come: where the answer is in doubt, and wherever there is more to come."""
    accepted, decided, waiting = standing
    if decided < accepted or waiting:
        behind = f"of source position {accepted}, {decided} is decided, and {counted(waiting, 'domain event')} wait to be folded"
        return f"The engine has not caught up: {behind}. Ask again in a moment; if that does not help, see `rendezvous doctor`."
    return f"The engine has caught up with everything it was told: source position {accepted}." if in_doubt else None


def _letter_with(dead: DeadLetters, account: str, id: str) -> str | None:
    """The dead letter that has this event id."""
    after = ""
    for _ in range(LETTERS // _LETTERS_AT_ONCE):
        letters = dead.list(account, after, _LETTERS_AT_ONCE)
        found = next((one.letter for one in letters if _id_in(one.body) == id), None)
        if found is not None or len(letters) < _LETTERS_AT_ONCE:
            return found
        after = letters[-1].letter
    return None


def _id_in(body: bytes) -> object:
    try:
        return _named.decode(body).id
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None


class _Question:
    """One question being answered."""

    def __init__(self, views: Views, vault: Vault, store: Store, account: str, what: str) -> None:
        self.views, self.vault, self.store = views, vault, store
        self.account, self.what = account, what
        stream = account_stream(account)
        self.settings: Account = account_of(store.load([stream]).get(stream, ()))
        self.asked = self._whom()

    def answer(self) -> Explained:
        events = self._journal(event=self.what)
        meeting = _uuid(self.what) or self._by_uid()
        told = [*events, *self._journal(subject=self.what), *(self._journal(meeting=meeting) if meeting else [])]
        picked = {(row.position, n): (row, d) for row in told for n, d in enumerate(row.decisions)}
        of_people = self._of_people()
        erased = self._is_erased(of_people)
        picked |= {at: (row, d) for at, (row, d) in of_people.items() if not erased or row.meeting is None}
        newest = self._as_of_now([(*picked[at], at[1]) for at in sorted(picked)], told)
        reasons = tuple(self._reason(row, decision) for row, decision in newest[-MOST:])
        if erased and not told:
            return Explained(self.what, True, self._erased(), reasons)
        if not newest and not self.asked.contacts:
            named = () if self.asked.address else (UNDERSTOOD,)
            return Explained(self.what, False, self._never_seen(), check=(*self._checks(), *named))
        says, settled = self._summary(newest, meeting, bool(events or (told and not self.asked.contacts)))
        check = () if settled else self._checks_on(newest, told)
        if len(newest) > MOST:
            check = (f"Only the newest {MOST} of {len(newest)} decisions are shown.", *check)
        about = {row.meeting for row in told if row.meeting is not None}
        if len(about) != 1:
            return Explained(self.what, True, says, reasons, check=check)
        [one] = about
        return Explained(self.what, True, says + self._held(one), reasons, self._writes(one), check)

    def _held(self, meeting: str) -> str:
        """What is to be added if its deletion waits for a person."""
        holds = [held for row in self.views.connections(self.account) for held in _connection(row).held]
        held = next((held.hold for held in holds if any(_meeting_of(one) == meeting for one in held.sightings)), None)
        return "" if held is None else f" Its deletion is held for a person, as {held}: see `rendezvous held list {self.account}`."

    def _writes(self, meeting: str) -> tuple[Write, ...]:
        """What the one meeting that was asked about asked for."""
        answers = {
            row.subject: Answer(row.kind.removeprefix("delivery."), row.time, (row.decisions[0].note or {}).get("reason"))
            for row in self._journal(meeting=meeting)
            if row.kind.startswith("delivery.")
        }
        return writes_of(self.store, UUID(meeting), answers)

    # --- what is asked about -------------------------------------------------------------------------------------------------

    def _whom(self) -> _Asked:
        address = self.what if "@" in self.what else None
        keys = {self.vault.key(self.account, address)} if address else set()
        rows = [row for key in keys for row in self.views.contacts_by_key(self.account, key)]
        named = self.views.contact(self.account, self.what)
        survivor = self.views.contact(self.account, named.into) if named is not None and named.into else None
        contacts = {row.contact: row for row in [*rows, named, survivor] if row is not None}
        keys |= {row.key for row in contacts.values() if row.key is not None}
        return _Asked(frozenset(keys), contacts, address)

    def _by_uid(self) -> str | None:
        """The meeting that has this iCalendar UID."""
        named = self.account, f"uid|{self.what}"
        found = self.store.look_up("identities", [named]).get(named, ())
        return str(UUID(found[0])) if found else None

    def _is_erased(self, of_people: Mapping[tuple[int, int], tuple[_Row, Decision]]) -> bool:
        """Was the person who is asked about erased? The contact says so, or a decision about the guest himself, or the contact that
        he was matched with before."""
        rows = self.asked.contacts.values()
        if any(row.state == "live" for row in rows):
            return False
        own = [decision for _, decision in of_people.values() if decision.guest in self.asked.keys]
        once = {decision.contact for decision in own if decision.contact is not None}
        return (
            any(row.state == "erased" for row in rows)
            or any(decision.rule is Rule.ERASED for decision in own)
            or any(self._contact_is_erased(contact) for contact in once)
        )

    def _contact_is_erased(self, contact: str) -> bool:
        row = self.views.contact(self.account, contact)
        survivor = self.views.contact(self.account, row.into) if row is not None and row.into is not None else row
        return any(one is not None and one.state == "erased" for one in (row, survivor))

    def _erased_guests(self, told: Iterable[_Row]) -> frozenset[str]:
        """The person keys of those who were ever guests of these meetings, and are erased."""
        contents = [revision.content for copy in self._copies(told) for revision in copy.revisions if revision.content is not None]
        people = self.vault.open(self.account, {guest.person for content in contents for guest in content.guests})
        return frozenset(person.key for person in people.values() if person.erased)

    def _copies(self, told: Iterable[_Row]) -> list[Sighting]:
        """The copies of these meetings, as often as something was learned of each."""
        meetings = {UUID(row.meeting) for row in told if row.meeting is not None}
        events = [event for stream in self.store.load(list(meetings)).values() for event in stream if isinstance(event, MeetingEvent)]
        return [copy for event in events for copy in (event.sighting, *event.absorbed) if copy is not None]

    def _as_of_now(self, picked: list[tuple[_Row, Decision, int]], told: Iterable[_Row]) -> list[tuple[_Row, Decision]]:
        """These decisions, each with its number in its row; of people who were erased since, no more than that."""
        contacts = {decision.contact for _, decision, _ in picked if decision.contact is not None}
        gone = _Gone(self._erased_guests(told), frozenset(filter(self._contact_is_erased, contacts)))
        rows = {row.position: replace(row, decisions=tuple(_said_of(gone, row, one) for one in row.decisions)) for row, _, _ in picked}
        return [(rows[row.position], rows[row.position].decisions[number]) for row, _, number in picked]

    def _journal(self, *, event: str | None = None, meeting: str | None = None, subject: str | None = None) -> list[_Row]:
        """The newest rows about it, in order."""
        found: list[DecisionRow] = []
        after = 0
        while True:
            page = self.views.decisions(self.account, event=event, meeting=meeting, subject=subject, after=after, limit=_PAGE)
            found = [*found, *page][-_PAGE:]
            if len(page) < _PAGE:
                return [_rows.decode(row.body) for row in found]
            after = page[-1].position

    def _of_people(self) -> dict[tuple[int, int], tuple[_Row, Decision]]:
        """The decisions about the people asked for: of their meetings, and of their contacts."""
        found = {}
        for meeting in self._meetings():
            for row in self._journal(meeting=meeting):
                found.update({(row.position, n): (row, d) for n, d in enumerate(row.decisions) if self._concerns(d)})
        for contact in self.asked.contacts:
            rows = [row for row in self._journal(subject=contact) if row.kind.startswith("contact.")]
            found.update({(row.position, n): (row, d) for row in rows for n, d in enumerate(row.decisions)})
        return found

    def _meetings(self) -> list[str]:
        """The meetings that these people were ever in, or are logged in, or are associated with in the CRM; the newest ones, whose ids
        are the greatest."""
        found: set[str] = set()
        keys = [*self.asked.keys, *map(association_key, self.asked.contacts)]
        for values in self.store.look_up("people", [(self.account, key) for key in keys]).values():
            found.update(str(UUID(value)) for value in values)
        for contact in self.asked.contacts:
            found.update(entry.meeting for entry in self.views.entries_of_contact(self.account, contact))
        return sorted(found)[-MOST:]

    def _concerns(self, decision: Decision) -> bool:
        if decision.guest is not None:
            return decision.guest in self.asked.keys
        return decision.contact is None or decision.contact in self.asked.contacts

    # --- what is said ----------------------------------------------------------------------------------------------------------

    def _reason(self, row: _Row, decision: Decision) -> Reason:
        address = self._address(decision)
        return Reason(
            rule=decision.rule.value,
            outcome=decision.outcome.value,
            event=row.event,
            meeting=row.meeting,
            at=row.time,
            sentence=sentence(decision, address),
            guest=(address or decision.guest) if decision.guest else UNSET,
            contact=decision.contact or UNSET,
            note=decision.note or UNSET,
        )

    def _address(self, decision: Decision) -> str | None:
        """The guest's address: as the asker typed it, or as a contact has it who is logged."""
        asked = self.asked
        if asked.address and decision.guest == self.vault.key(self.account, asked.address):
            return asked.address
        if decision.guest is None or decision.rule is not Rule.CONTACT_MATCH or decision.contact is None:
            return None
        row = asked.contacts.get(decision.contact) or self.views.contact(self.account, decision.contact)
        if row is None or row.key != decision.guest or row.state != "live":
            return None
        email = _contacts.decode(row.body).email
        return email if email and self._never_logged(row.key, email) is None else None

    def _never_logged(self, key: str, address: str) -> Rule | None:
        return self.settings.never_logged(Person(key, address, None, domain_of(normalised(address))))

    def _summary(self, newest: list[tuple[_Row, Decision]], meeting: str | None, told: bool) -> tuple[str, bool]:
        """The sentence on top, and whether nothing need be checked."""
        if meeting is not None and newest:
            return self._of_meeting(newest)
        return self._of_event(_telling(newest)) if told else self._of_person(newest)

    def _of_meeting(self, newest: list[tuple[_Row, Decision]]) -> tuple[str, bool]:
        standing = self._standing(newest[-1][0].meeting)
        return (_stands(standing), True) if standing else (_said_once(NOWHERE, self._why_not(newest)), False)

    def _of_event(self, row: _Row) -> tuple[str, bool]:
        main = row.decisions[0]
        says = sentence(main, self._address(main))
        if row.meeting is None:
            return f"{self.what}: {says}", main.outcome in (Outcome.APPLIED, Outcome.MERGED)
        standing = self._standing(row.meeting)
        if standing and main.rule is Rule.CONTACT_MATCH:
            return f"{self.what}: {_stands(standing)}", True
        return f"{self.what}: {_said_once(says, _stands(standing))}", bool(standing)

    def _erased(self) -> str:
        who = self.what if self.asked.address else f"Contact {self.what}"
        return SENTENCES[Rule.ERASED, Outcome.IGNORED].format(who=who)

    def _of_person(self, newest: list[tuple[_Row, Decision]]) -> tuple[str, bool]:
        live = [row for row in self.asked.contacts.values() if row.state == "live"]
        counts = {row.contact: len(self.views.entries_of_contact(self.account, row.contact)) for row in live}
        if counts:
            who = "; ".join(f"contact {contact}, whose timeline has {_entries(count)}" for contact, count in counts.items())
            why = "" if any(counts.values()) else f" {self._why_not(newest)}"
            return f"{self._named()} {who}.{why}", any(counts.values())
        if self.asked.contacts:
            row = next(iter(self.asked.contacts.values()))
            return f"Contact {self.what} was {row.state} in the CRM, and has no timeline.", True
        decisive = self._decisive(newest)
        return self._why_not(newest), decisive is not None and decisive.guest is not None and decisive.rule in _FOR_GOOD

    def _named(self) -> str:
        row = self.asked.contacts.get(self.what)
        if row is None:
            return f"{self.what} is"
        return f"{self.what} was merged into" if row.into is not None else "This is"

    def _why_not(self, newest: list[tuple[_Row, Decision]]) -> str:
        decisive = self._decisive(newest)
        return sentence(decisive, self._address(decisive)) if decisive else "No meeting with this contact has been seen yet."

    def _decisive(self, newest: list[tuple[_Row, Decision]]) -> Decision | None:
        """The newest decision that kept it out, if there is one that says more than that it was known already; those about the guest
        himself first, and none about another guest."""
        out = [d for row, d in reversed(newest) if d.outcome in _KEPT_OUT and row.kind.startswith("meeting.")]
        out = [d for d in out if d.rule not in _KNOWN_ALREADY] or out
        own = [d for d in out if d.guest in self.asked.keys]
        return next(iter([*own, *[d for d in out if d.guest is None], *out]), None)

    def _standing(self, meeting: str | None) -> list[str]:
        """The contacts in whose timelines a meeting is."""
        if meeting is None:
            return []
        row = self.views.meeting(self.account, meeting)
        wanted = row.into if row is not None and row.into is not None else meeting
        return sorted({entry.contact for entry in self.views.current(self.account, [wanted])})

    # --- what was never seen ---------------------------------------------------------------------------------------------------

    def _never_seen(self) -> str:
        says = f"Nothing called {self.what} has been seen in account {self.account}."
        if self.asked.address is None:
            return says
        (key,) = self.asked.keys
        rule = self._never_logged(key, self.asked.address)
        return says if rule is None else f"{says} {GENERAL[rule].format(who=self.what)} They would not be logged."

    def _checks_on(self, newest: list[tuple[_Row, Decision]], told: Iterable[_Row]) -> tuple[str, ...]:
        """What could make an answer another that has its rule: nothing else is worth looking at."""
        letters = [(decision.note or {}).get("letter") for _, decision in newest if decision.rule is Rule.MALFORMED]
        if letters:
            return (f"What was sent, and what is wrong with it: see `rendezvous dead-letters show {letters[-1]}`.",)
        decisive = self._decisive(newest)
        if decisive is None:
            return self._checks()
        if decisive.rule is Rule.ACTIVE_WINDOW:
            owners = {copy.user for copy in self._copies(told) if copy.user is not None}
            return (*self._address_checks(), *self._connections_of(owners))
        return tuple(self._address_checks()) if decisive.rule is Rule.NO_CONTACT else ()

    def _connections_of(self, users: Iterable[str]) -> Iterable[str]:
        connected = {one.user: one for one in map(_connection, self.views.connections(self.account))}
        for user in sorted(users):
            yield _health(connected[user]) if user in connected else f"User {user} has never connected a calendar."

    def _checks(self) -> tuple[str, ...]:
        return (*self._address_checks(), *self._connection_checks())

    def _address_checks(self) -> Iterable[str]:
        if self.asked.address and not self.asked.contacts:
            yield "Is the address the Email property of a contact in the CRM? Only that one is matched, whatever its case."

    def _connection_checks(self) -> Iterable[str]:
        found = [_connection(row) for row in self.views.connections(self.account)]
        if not found:
            yield f"No calendar is connected in account {self.account}: meetings are synced that are created once one is."
            return
        yield from (_health(one) for one in found[:5])
        if len(found) > 5:
            yield f"There are {len(found) - 5} more connections: see `rendezvous connections {self.account}`."
        yield "Was the meeting created after its owner's calendar was connected, and while it was? Earlier ones are not synced."
        yield "Is it in that user's primary calendar? Others are not synced."


def _connection(row: ConnectionRow) -> _Connection:
    return _connections.decode(row.body)


def _health(one: _Connection) -> str:
    calendar = f"User {one.user}'s {CALENDARS.get(one.provider or '', 'calendar')} calendar"
    if one.state == "active":
        return f"{calendar} is connected since {one.since}."
    why = f" ({one.reason})" if one.reason else ""
    if one.state == "deauthorised":
        return f"{calendar} has lost its authorisation{why}: nothing is read until it is authorised again."
    return f"{calendar} is {one.state}{why}."


def _meeting_of(sighting: str) -> str | None:
    """Held copies are told as `stream key`."""
    return _uuid(sighting.partition(" ")[0])


def _said_of(gone: _Gone, row: _Row, decision: Decision) -> Decision:
    if decision.guest not in gone.guests and decision.contact not in gone.contacts:
        return decision
    if row.meeting is not None:
        return Decision(Rule.ERASED, Outcome.IGNORED)
    return decision if decision.rule is Rule.ERASED else Decision(Rule.ERASED, Outcome.IGNORED, contact=decision.contact)


def _telling(newest: list[tuple[_Row, Decision]]) -> _Row:
    """The newest row that says more than that it was known already, if there is one."""
    rows = [row for row, _ in newest if row.decisions[0].rule not in _KNOWN_ALREADY]
    return rows[-1] if rows else newest[-1][0]


def _said_once(one: str, other: str) -> str:
    """Both sentences; the one with the reason alone, if it says that the meeting is nowhere as well."""
    return next((says for says in (one, other) if says == IN_NO_TIMELINE), f"{one} {other}")


def _stands(contacts: list[str]) -> str:
    if not contacts:
        return NOWHERE
    return f"The meeting is in the timeline of contact{'s' if len(contacts) > 1 else ''} {', '.join(contacts)}."


def _entries(count: int) -> str:
    return f"{count} entr{'y' if count == 1 else 'ies'}"


def _uuid(text: str) -> str | None:
    try:
        return str(UUID(text))
    except ValueError:
        return None
