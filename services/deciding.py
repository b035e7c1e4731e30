"""One batch of the source log, decided: for every record the aggregates it concerns, the rule that settles it, the domain events that
follow.

Nothing is written here: what is decided lies on the desk (services/desk.py) until it is committed (services/sync.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from decimal import Decimal
from operator import attrgetter
from typing import Any
from uuid import UUID

from msgspec.structs import replace

from domain import sighting
from domain.account import is_known, own_domains
from domain.asking import Known, answered
from domain.association import contacts_of
from domain.copies import outside
from domain.decisions import Decision, Outcome, Rule
from domain.events import (
    AccountConfigured,
    ClockTicked,
    ConnectionActivated,
    ConnectionDeauthorised,
    ConnectionDisconnected,
    DeletionsHeld,
    Event,
    Revision,
    Sighting,
    SourceEventDecided,
    UserAdded,
    UserRemoved,
)
from domain.identity import identities, is_booking, likeness, likeness_key, likeness_sought, starts_of
from domain.listing import Standing, missing_from, standing
from domain.meeting import Cause, Meeting, absorb, learn
from domain.naming import decided_stream, meeting_stream
from domain.people import key_of
from domain.ports import DeadLetter, LogRecord, Vault
from domain.recurrence import millis
from domain.source_events import (
    ActivatedData,
    ConfiguredData,
    ContactData,
    FailedData,
    MeetingData,
    MergedData,
    Problem,
    SourceEvent,
    UserData,
    read,
)
from services.contacts import Contacts, association_key, order_of
from services.desk import Desk
from services.pairing import Pairing, last_people
from services.sealing import keep_all, tokens_of
from services.tracing import followed, is_listening

OF_ONE_SIDE = ("google", "office365", "hubspot")
"""Providers whose side is known."""


class _Wanted:
    """What a batch certainly needs of one account: people by token, names and looks of meetings, users, contacts, streams of meetings,
    and the words about contacts themselves."""

    def __init__(self) -> None:
        self.tokens: set[str] = set()
        self.names: list[str] = []
        self.similar: list[str] = []
        self.users: dict[str, None] = {}
        self.contacts: dict[str, None] = {}
        self.streams: list[str] = []
        self.about_contacts: list[SourceEvent] = []

    def add(self, event: SourceEvent) -> None:
        """What this event needs."""
        self.tokens.update(tokens_of(event))
        if event.kind.startswith("meeting."):
            self._add_meeting(event)
        elif event.kind.startswith("delivery."):
            self.streams += _named([event.data.meeting])
        elif event.kind.startswith("contact."):
            self.contacts[event.subject] = None
            self.about_contacts.append(event)

    def _add_meeting(self, event: SourceEvent) -> None:
        provenance = event.data.provenance
        if provenance.user:
            self.users[provenance.user] = None
        side = sighting.side_of(event)
        mailbox = "crm" if side == "crm" else provenance.user
        if mailbox:
            self.names += identities(provenance.provider, mailbox, provenance.id, provenance.series_id, provenance.ical_uid)
        if side == "crm" and isinstance(event.data, MeetingData):
            self.contacts.update(dict.fromkeys(event.data.associations.contacts))
        self.similar += likeness_sought(event)


# Of (account, provider, mailbox), those copies that a listing may miss, as long as nothing else was decided since.
_Stand = tuple[tuple[str, str, str], list[Standing]]
_NOBODYS: _Stand = (("", "", ""), [])


class Batch:
    """One batch being decided: which account and which source event it is about, and how to record what follows."""

    def __init__(self, desk: Desk, vault: Vault, now: int, settle: Callable[[], None]) -> None:
        self.desk, self.vault, self.now, self.settle = desk, vault, now, settle
        self.settled: Counter[tuple[Rule, Outcome]] = Counter()
        self.cause = Cause("", 0, now)
        self.contacts = Contacts(desk, vault, now)
        self.pairing = Pairing(desk, self._index)
        self._stand = _NOBODYS

    def decide(self, records: list[LogRecord]) -> tuple[int, list[DeadLetter]]:
        """Decide each record in order, and stop before one that erases: it must be the first of its batch. Returns how many were
        decided, and those that could not be read."""
        letters: list[DeadLetter] = []
        events: list[tuple[LogRecord, SourceEvent | list[Problem]]] = [(r, read(r.body)) for r in records]
        kept = [e for _, e in events if isinstance(e, SourceEvent)]
        if any(map(_names_people, kept)):
            kept = keep_all(kept, self.vault)  # written by somebody who did not come through our door
        self._fetch(kept)
        in_order = iter(kept)
        for number, (record, event) in enumerate(events):
            if not isinstance(event, SourceEvent):
                letters.append(self._unreadable(record, event))
                continue
            known = next(in_order)
            if known.kind.startswith("contact.") and self._erases(known):
                if number:
                    return number, letters
                self.settle()
            self._one(record, known)
        return len(records), letters

    def _erases(self, event: SourceEvent) -> bool:
        """Will this event destroy keys? That is done before its batch is committed, so that no crash can spare a key; what stood
        before it, in the batch or in one that is not committed yet, would then be decided again as if it had been erased already."""
        if self.desk.account_id != event.account:
            self.desk.sit(event.account)
        return self.contacts.erases(event)

    def _fetch(self, events: list[SourceEvent]) -> None:
        """Everything that the batch certainly needs, in a few queries, however many accounts it is about."""
        wanted: dict[str, _Wanted] = {}
        for event in events:
            of = wanted.get(event.account)
            if of is None:
                of = wanted[event.account] = _Wanted()
            of.add(event)
        desk = self.desk
        desk.open({account: of.tokens for account, of in wanted.items()})
        desk.look_up("identities", {account: of.names for account, of in wanted.items()})
        desk.look_up("addresses", {account: sorted(set(map(key_of, of.tokens))) for account, of in wanted.items()})
        desk.look_up("likeness", {account: of.similar for account, of in wanted.items()})
        desk.fetch_accounts(wanted)
        desk.fetch_connections([(account, user) for account, of in wanted.items() for user in of.users])
        desk.fetch_contacts([(account, contact) for account, of in wanted.items() for contact in of.contacts])
        people: dict[str, Iterable[str]] = {}
        streams: list[str] = []
        for account, of in wanted.items():
            desk.sit(account)
            if of.about_contacts:
                people[account] = self.contacts.people_sought(of.about_contacts)
            streams += of.streams
            streams += desk.named(dict.fromkeys(of.names))
        desk.look_up("people", people)
        desk.fetch_meetings(streams)

    def _one(self, record: LogRecord, event: SourceEvent) -> None:
        if self.desk.account_id != event.account:
            self.desk.sit(event.account)
        at = record.recorded_at if event.time is None else millis(event.time)
        self.cause = Cause(event.id, at, self.now)
        meeting, decisions = self._route(event, record)
        self._decided(record, event.account, event.source, event.kind, event.subject, meeting, decisions)

    def _decided(
        self,
        record: LogRecord,
        account: str,
        source: str,
        kind: str,
        subject: str,
        meeting: str | None,
        decisions: tuple[Decision, ...],
    ) -> None:
        main = decisions[0]
        self.settled[main.rule, main.outcome] += 1
        if is_listening():
            said = {"partition": record.partition, "position": record.position, "meeting": meeting}
            followed("decided", account, self.cause.event, rule=main.rule.value, outcome=main.outcome.value, **said)
        self.desk.record_decided(
            decided_stream(record.partition, record.position),
            SourceEventDecided(
                account=account,
                at=self.cause.at,
                recorded_at=self.now,
                cause=self.cause.event,
                source=source,
                kind=kind,
                subject=subject,
                partition=record.partition,
                position=record.position,
                meeting=meeting,
                decisions=decisions,
            ),
        )

    def _unreadable(self, record: LogRecord, problems: list[Problem]) -> DeadLetter:
        """A record nobody can read: its decision says so, its bytes go to the dead letters."""
        letter = f"{record.partition}-{record.position}"
        account = record.account or "unknown"
        self.cause = Cause(letter, record.recorded_at, self.now)
        if self.desk.account_id != account:
            self.desk.sit(account)
        errors = [{"pointer": p.pointer, "reason": p.reason} for p in problems]
        decision = Decision(Rule.MALFORMED, Outcome.REJECTED, note={"letter": letter, "errors": errors[:20]})
        self._decided(record, account, "", "unreadable", letter, None, (decision,))
        return DeadLetter(letter, account, record.partition, record.position, self.now, errors, record.body)

    # --- by kind -----------------------------------------------------------------------------------------------------------

    def _route(self, event: SourceEvent, record: LogRecord) -> tuple[str | None, tuple[Decision, ...]]:
        """Which meeting it was about, if any, and what was decided."""
        noun, _, verb = event.kind.partition(".")
        if noun != "calendar":
            self._stand = _NOBODYS
        if noun == "meeting":
            return self._meeting(self._sided(event), record)
        if noun == "contact":
            return None, self.contacts.decide(event, verb, self.cause)
        if noun == "connection":
            return None, self._connection(event, verb)
        if noun == "calendar":
            return None, self._listed(event)
        if noun in ("account", "user", "clock"):
            return None, self._account(event)
        return self._delivery(event, record)

    def _account(self, event: SourceEvent) -> tuple[Decision, ...]:
        data, desk = event.data, self.desk
        common: dict[str, Any] = {"account": event.account, "at": self.cause.at, "recorded_at": self.now, "cause": event.id}
        if event.kind == "clock.ticked":
            at = millis(data.at)
            if desk.account.ticked is not None and at <= desk.account.ticked:
                return (Decision(Rule.STALE, Outcome.IGNORED),)
            self._tick({**common, "at": at})
            return (Decision(Rule.RECORDED, Outcome.APPLIED),)
        if event.kind == "account.configured":
            return self._configure(data, common)
        order = order_of(event, self.cause.at)
        if order < desk.account.user_orders.get(event.subject, ""):
            return (Decision(Rule.STALE, Outcome.IGNORED),)
        if event.kind == "user.added":
            told: UserAdded | UserRemoved = UserAdded(**common, user=event.subject, addresses=tuple(data.sealed), order=order)
        else:
            told = UserRemoved(**common, user=event.subject, order=order)
        if is_known(desk.account, told):
            return (Decision(Rule.DUPLICATE, Outcome.IGNORED),)
        desk.record_account(told)
        return (Decision(Rule.CRM_USER, Outcome.APPLIED),)

    def _configure(self, data: ConfiguredData, common: dict[str, Any]) -> tuple[Decision, ...]:
        desk, before = self.desk, self.desk.account
        told = AccountConfigured(
            **common,
            domains=own_domains(data.domains),
            never_log=tuple(data.never_log.sealed),
            never_log_domains=tuple(d.strip().lower().lstrip("@") for d in data.never_log.domains if d.strip(" @")),
            policy=data.policy,
        )
        if self.cause.at < before.configured_at:
            return (Decision(Rule.STALE, Outcome.IGNORED),)
        if is_known(before, told):
            return (Decision(Rule.DUPLICATE, Outcome.IGNORED),)
        desk.record_account(told)
        if before.ticked is not None and data.policy.series != before.policy.series:
            self._tick({**common, "at": before.ticked})  # the clock stands still, but series are laid out further or less far
        return (Decision(Rule.RECORDED, Outcome.APPLIED),)

    def _tick(self, common: dict[str, Any]) -> None:
        series = self.desk.account.policy.series
        self.desk.record_account(ClockTicked(**common, before_days=series.before_days, after_days=series.after_days))

    def _connection(self, event: SourceEvent, verb: str) -> tuple[Decision, ...]:
        data, user = event.data, event.subject
        at = millis(data.at)
        common: dict[str, Any] = {
            "account": event.account,
            "at": at,
            "recorded_at": self.now,
            "cause": event.id,
            "user": user,
            "provider": data.provider,
        }
        before = self.desk.connection(user)
        if verb == "activated":
            self.desk.record_connection(user, ConnectionActivated(**common, calendar=data.calendar, address=data.sealed))
            for name in {data.calendar} - {None}:
                self.desk.put("identities", _calendar_key(data.provider, name), user)
        elif verb == "disconnected":
            self.desk.record_connection(user, ConnectionDisconnected(**common, reason=data.reason))
        else:
            self.desk.record_connection(user, ConnectionDeauthorised(**common, reason=data.reason))
        after = self.desk.connection(user)
        if verb == "activated" and at in after.refused:
            live = after.windows[-1]
            return (Decision(Rule.ONE_CALENDAR, Outcome.IGNORED, note={"live": live.provider}),)
        if after.facts == before.facts:
            return (Decision(Rule.DUPLICATE, Outcome.IGNORED),)
        return (Decision(Rule.ONE_CALENDAR if verb == "activated" else Rule.ACTIVE_WINDOW, Outcome.APPLIED),)

    # --- meetings ------------------------------------------------------------------------------------------------------------

    def _sided(self, event: SourceEvent) -> SourceEvent:
        """A deletion by a publisher whose side nothing says, with the side on which its meeting is known."""
        data = event.data
        if event.kind != "meeting.deleted" or data.side or data.provenance.provider in OF_ONE_SIDE or sighting.side_of(event) == "crm":
            return event
        key = sighting.key(data.provenance.provider, "crm", data.provenance.id)
        return replace(event, data=replace(data, side="crm")) if self.desk.entries("identities", key) else event

    def _meeting(self, event: SourceEvent, record: LogRecord) -> tuple[str | None, tuple[Decision, ...]]:
        side = sighting.side_of(event)
        mailbox = sighting.mailbox_of(event, side, self._user_of_calendar)
        if side == "calendar" and not event.data.provenance.user and mailbox != event.source and self._known_by_source(event):
            mailbox = event.source  # told before its calendar was known: the same copy still
        if side == "calendar" and not self._is_primary(event, mailbox):
            return None, (Decision(Rule.PRIMARY_ONLY, Outcome.IGNORED),)
        seen = sighting.of(event, mailbox, side, record.event, record.recorded_at)
        target, others = self._found(seen, mailbox)
        learned = learn(target, seen, self.cause, self.desk, others)
        stream = learned.meeting.id.hex
        if learned.event is not None:
            self._record(target, learned.event, learned.meeting, stream, seen, others)
        return stream, learned.decisions

    def _known_by_source(self, event: SourceEvent) -> bool:
        provenance = event.data.provenance
        return bool(self.desk.entries("identities", sighting.key(provenance.provider, event.source, provenance.id)))

    def _record(self, target: Meeting, event: Event, after: Meeting, stream: str, seen: Sighting, others: tuple[Meeting, ...]) -> None:
        desk = self.desk
        desk.record_meeting(event, after)
        for other in others:
            gone, absorbed = absorb(other, after.id, self.cause)
            desk.record_meeting(gone, absorbed)
            for copy in other.copies.values():
                self._index(copy, stream)
        known = target.copies.get(seen.key)
        self._index(seen, stream, None if others else known)
        if known is None and target.copies and seen.original is None and (own := self._begun_by(seen).hex) != stream:
            desk.add("identities", _link_key(own), stream)

    def _index(self, copy: Sighting, meeting: str, known: Sighting | None = None) -> None:
        """What leads to this meeting from now on."""
        desk, mailbox = self.desk, sighting.mailbox_in(copy)
        if known is None or (known.uid, known.series) != (copy.uid, copy.series):
            for key in identities(copy.provider, mailbox, copy.id, copy.series, copy.uid):
                desk.put("identities", key, meeting)
            if copy.link and (linked := _uuid(copy.link)) is not None and linked != meeting:
                desk.put("identities", _link_key(linked), meeting)  # for the row that our own copy overtook
                if not desk.meeting(linked).copies:
                    desk.add("people", _AWAITED, linked)  # and for any other copy that was the first when the link was written
        if copy.side == "calendar" and known is None:
            desk.add("people", _mailbox_key(copy.provider, mailbox), meeting)
        for key in _new_guests(copy, known):
            desk.add("people", key, meeting)
        if copy.side == "crm":
            for contact in contacts_of(copy) - (contacts_of(known) if known is not None else set()):
                desk.add("people", association_key(contact), meeting)
        if likeness(copy) and (starts := _new_starts(copy, known)) and self._may_be_like(copy):
            for start in starts:
                desk.add("likeness", likeness_key(copy, start), meeting)

    def _found(self, seen: Sighting, mailbox: str) -> tuple[Meeting, tuple[Meeting, ...]]:
        """The meeting this copy belongs to, and those now found to be the same; a new one if there is none."""
        names = identities(seen.provider, mailbox, seen.id, seen.series, seen.uid)
        found = self._led(names, seen.link)
        if is_booking(seen) and self.pairing.part(seen, found.values(), self._led(names[1:], seen.link), self.cause):
            found = self._led(names, seen.link)
        if (like := self.pairing.settle(seen, found.values(), self.cause)) is not None:
            found = self._led(names, seen.link) | self._known_of(like)
        if seen.original is not None or any(seen.key in meeting.copies for meeting in found.values()):
            own = None
        else:
            own = self._begun_by(seen)
            if (seen.side == "crm" and not found) or self.desk.has("people", _AWAITED, own.hex):
                found |= self._known_of(self.desk.named([_link_key(own.hex)]))
        if not found:
            return self.desk.new_meeting(own or self._begun_by(seen)), ()
        first, *rest = [found[id_] for id_ in sorted(found)]
        return first, tuple(rest)

    def _led(self, names: Iterable[str], link: str | None) -> dict[UUID, Meeting]:
        """The meetings to which these names of a copy lead, or its link."""
        streams = self.desk.named(names)
        if link and (linked := _uuid(link)) is not None:
            streams += [linked] if self.desk.meeting(linked).copies else self.desk.named([_link_key(linked)])
        return self._known_of(streams)

    def _known_of(self, streams: Iterable[str]) -> dict[UUID, Meeting]:
        """The meetings that these lead to, those of which nothing is known, or that are another account's, left out."""
        found: dict[UUID, Meeting] = {}
        for stream in dict.fromkeys(streams):
            meeting = self.desk.meeting(stream)
            if meeting.copies and meeting.account == self.desk.account_id:
                found[meeting.id] = meeting
        return found

    def _begun_by(self, copy: Sighting) -> UUID:
        """The meeting that this copy begins, where it is the first that is seen of one. Another copy may have been the first when a
        link to it was written: it is known by the names that any of its copies would have given it."""
        created = copy.created if copy.created is not None else copy.revisions[0].updated
        return meeting_stream(self.desk.account_id, copy.key, created)

    def _may_be_like(self, copy: Sighting) -> bool:
        """A calendar copy that is outside is like nothing."""
        return copy.side == "crm" or outside(copy, (copy,), self.desk) is None

    def _user_of_calendar(self, provider: str, calendar: str) -> str | None:
        users = self.desk.entries("identities", _calendar_key(provider, calendar))
        return users[0] if users else None

    def _is_primary(self, event: SourceEvent, user: str) -> bool:
        provenance = event.data.provenance
        if not provenance.primary:
            return False
        return not self.desk.connection(user).is_other_calendar(provenance.provider, provenance.calendar)

    # --- outside writes -------------------------------------------------------------------------------------------------------

    def _delivery(self, event: SourceEvent, record: LogRecord) -> tuple[str | None, tuple[Decision, ...]]:
        """What became of a write that a meeting asked for. What was written is a word of that copy, known before it comes back."""
        data = event.data
        meeting = next((m for s in _named([data.meeting]) if (m := self.desk.meeting(s)).copies), None)
        if meeting is None or meeting.account != self.desk.account_id:
            return None, (Decision(Rule.RECORDED, Outcome.APPLIED),)
        stream = meeting.id.hex
        if isinstance(data, FailedData):
            return stream, (Decision(Rule.RECORDED, Outcome.APPLIED, note={"reason": data.reason, "final": data.final}),)
        updated = self.cause.at if data.updated is None else millis(data.updated)
        created = self.cause.at if data.created is None else millis(data.created)
        known = Known(meeting.id, meeting.copies.values(), meeting.view, meeting.asked)
        word = Revision(updated, record.event, revision=data.revision)
        copy = answered(known, event.subject, data.id, word, created, data.ical_uid) if data.id else None
        if copy is not None:
            learned = learn(meeting, copy, self.cause, self.desk)
            if learned.event is not None:
                self._record(meeting, learned.event, learned.meeting, stream, copy, ())
        return stream, (Decision(Rule.RECORDED, Outcome.APPLIED),)

    # --- listings -----------------------------------------------------------------------------------------------------------

    def _listed(self, event: SourceEvent) -> tuple[Decision, ...]:
        data = event.data
        if not data.complete:
            return (Decision(Rule.MASS_DELETE, Outcome.IGNORED, note={"reason": "only a complete listing says what is gone"}),)
        mailbox = sighting.mailbox_of(event, "calendar", self._user_of_calendar)
        if not self._is_primary(event, mailbox):
            return (Decision(Rule.PRIMARY_ONLY, Outcome.IGNORED),)
        provider = data.provenance.provider
        connection = self.desk.connection(mailbox)
        if connection.windows and not connection.counts(provider, self.cause.at):
            return (Decision(Rule.ACTIVE_WINDOW, Outcome.IGNORED),)
        known = self._standing(provider, mailbox)
        span = (millis(data.from_), millis(data.to))
        missing = missing_from(known, frozenset(data.ids), span, self.cause.at)
        gone = missing.gone
        if not gone and not missing.unseen:
            self._stand = (event.account, provider, mailbox), known
        policy = self.desk.account.policy.mass_delete
        if len(gone) > policy.count and len(gone) > Decimal(str(policy.share)) * missing.known:
            return self._hold(event, mailbox, gone, missing.known)
        taken = sum([self._delete(copy_key, meeting, event) for meeting, copy_key in gone])
        for meeting, copy_key in missing.unseen:
            self._delete(copy_key, meeting, event)
        return (Decision(Rule.CALENDAR_DELETES, Outcome.APPLIED, note={"deleted": taken, "known": missing.known}),)

    def _standing(self, provider: str, mailbox: str) -> list[Standing]:
        """The copies of a mailbox that a listing may miss. A large calendar is listed in parts, one right after the other, which are
        mostly about the same."""
        (of, known), self._stand = self._stand, _NOBODYS
        if of == (self.desk.account_id, provider, mailbox):
            return known
        streams = list(self.desk.entries("people", _mailbox_key(provider, mailbox)))
        self.desk.fetch_meetings(streams)
        meetings = [m for m in (self.desk.meeting(s) for s in dict.fromkeys(streams)) if m.copies]
        return standing(meetings, f"{provider}|{mailbox}|", self.desk)

    def _hold(self, event: SourceEvent, user: str, gone: list[tuple[Meeting, str]], live: int) -> tuple[Decision, ...]:
        hold = f"{event.account}-{sighting.digest(event.source, event.id):x}"
        self.desk.record_connection(
            user,
            DeletionsHeld(
                account=event.account,
                at=self.cause.at,
                recorded_at=self.now,
                cause=event.id,
                user=user,
                provider=event.data.provenance.provider,
                hold=hold,
                sightings=tuple(f"{meeting.id.hex} {key}" for meeting, key in gone),
                known=live,
            ),
        )
        return (Decision(Rule.MASS_DELETE, Outcome.HELD, note={"hold": hold, "deletions": len(gone), "known": live}),)

    def _delete(self, copy_key: str, meeting: Meeting, event: SourceEvent) -> bool:
        """A copy is gone from a complete listing."""
        meeting = self.desk.meeting(meeting.id.hex)
        copy = meeting.copies[copy_key]
        word = Revision(self.cause.at, sighting.digest(event.source, event.id, copy_key), "deleted")
        learned = learn(meeting, replace(copy, revisions=(word,)), self.cause, self.desk)
        if learned.event is not None:
            self.desk.record_meeting(learned.event, learned.meeting)
        return learned.event is not None


def _new_guests(copy: Sighting, known: Sighting | None) -> set[str]:
    """The keys of everybody who ever was a guest of this copy, and was none as far as it was known."""
    if known is not None and len(copy.revisions) == 1 and last_people(copy) == last_people(known):
        return set()  # as in most changes
    found = {key_of(g.person) for r in copy.revisions if r.content is not None for g in r.content.guests}
    for r in reversed(known.revisions) if known is not None else ():
        if not found:
            break
        if r.content is not None:
            found.difference_update([key_of(g.person) for g in r.content.guests])
    return found


def _last_start(copy: Sighting) -> tuple[object, ...]:
    content = copy.revisions[-1].content
    return () if content is None else (content.start, content.time_zone, content.all_day)


def _new_starts(copy: Sighting, known: Sighting | None) -> list[int]:
    """The starts that this copy ever had, and did not have as far as it was known."""
    if known is not None and len(copy.revisions) == 1 and _last_start(copy) == _last_start(known):
        return []
    told = [] if known is None else starts_of(known)
    return [start for start in starts_of(copy) if start not in told]


_address = attrgetter("email")


def _names_people(event: SourceEvent) -> bool:
    """Does it name anybody in clear, as nothing does that came through our door?"""
    match event.data:
        case MeetingData() as m:
            return any(map(_address, m.participants.values()))
        case ContactData() | MergedData() as c:
            return c.sealed is None and bool(c.email or c.name)
        case UserData() as u:
            return bool(u.email or u.aliases)
        case ConfiguredData() as a:
            return bool(a.never_log.addresses)
        case ActivatedData() as c:
            return c.sealed is None
    return False


_AWAITED = "link|awaited"
"""The key of the links that led nowhere when they were told."""


def _calendar_key(provider: str, calendar: str) -> str:
    return f"calendar|{provider}|{calendar.casefold()}"


def _link_key(meeting: str) -> str:
    return f"link|{meeting}"


def _mailbox_key(provider: str, mailbox: str) -> str:
    return f"mailbox|{provider}|{mailbox}"


def _named(meetings: Iterable[str | None]) -> list[str]:
    """The streams of these meetings, those that are no ids left out."""
    return [stream for one in meetings if one and (stream := _uuid(one)) is not None]


def _uuid(text: str) -> str | None:
    try:
        return UUID(text).hex
    except ValueError:
        return None
