"""A small cruel world from a seed: two towns (accounts) whose people meet, move, cancel, switch calendars and are merged.

A town tells its story as epochs. In an epoch come first the words about the surroundings (account, users, contacts,
connections, clock, listings), in their order, since what a meeting's word comes to depends on them; then words about meetings,
which may come in any order. A delayed word stands in a later epoch, in every order that is tried.

What must stay true: nothing here asks the engine, or imports its rules. Beside telling, a town keeps books of the plainest kind:
when calendars were connected, who may never be logged, which meetings the CRM deleted. The laws are judged by them. Titles
begin with their meeting's name, as `62515-M7`, which no other meeting has.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from tests import examples
from tests.examples import ANA, BEN, Event, hour

STEPS = 60
"""Things that happen in a town."""

STEADY = "bo@client.example"
"""The one guest who is a contact (151) from the beginning and whom nothing happens to."""

CONTACTS = {
    "151": STEADY,
    "152": "cy@buyer.example",
    "153": "di@buyer.example",
    "154": "ed@client.example",
    "155": "Fay@Solo.example",
    "161": "zoe@sub.acme.example",  # own domain
    "162": BEN,  # a user
    "163": "nel@quiet.example",  # a never-log address
    "164": "olaf@blocked.example",  # a never-log domain
}
LATE = {"156": "gus@late.example", "157": "hal@late.example"}
OWN, USER, NEVER = "161", "162", ("163", "164")
MOVING = ("152", "153", "154", "155", "156", "157")
"""Contacts that are merged, deleted, erased and given other addresses."""

TIMELINES = (*CONTACTS, *LATE)
UNUSED = ("ida@nowhere.example", "jo@nowhere.example")
MAILBOXES = {"501": ANA, "502": BEN}
PROVIDERS = ("google", "office365")
LONG_AGO = -2000.0
PARIS = ZoneInfo("Europe/Paris")


@dataclass
class Epoch:
    """Words that are in force first, in order; words about meetings, in any order."""

    first: list[Event] = field(default_factory=list)
    free: list[Event] = field(default_factory=list)


@dataclass
class Window:
    """When a user's calendar was connected, in hours of the story."""

    provider: str
    since: float
    until: float | None = None

    def holds(self, at: float) -> bool:
        """Was it connected then?"""
        return self.since <= at and (self.until is None or at < self.until)


@dataclass
class Copy:
    """A meeting in one mailbox."""

    user: str
    provider: str
    id: str
    gone: bool = False


@dataclass
class Meeting:
    """What a town knows of a meeting. `asked` everybody who was ever a guest; `associated` CRM contacts ever tied by hand;
    `by_hand` that somebody made a row of it in the CRM or booked it; `deletions` the CRM's (hour, delivered in epoch, deleted)."""

    name: str
    created: float
    start: datetime
    owner: str
    guests: list[str]
    copies: list[Copy]
    rules: list[str] = field(default_factory=list)
    turn: int = 0
    place: str = "Room 1"
    row: str | None = None
    row_origin: str = "user"
    row_uid: str | None = None
    row_gone: bool = False
    kind: str = "meeting"
    private: bool = False
    cancelled: bool = False
    ever_private: bool = False
    always_private: bool = True
    asked: set[str] = field(default_factory=set)
    associated: set[str] = field(default_factory=set)
    contacts: tuple[str, ...] = ()
    by_hand: bool = False
    deletions: list[tuple[float, int, bool]] = field(default_factory=list)
    always_asked_steady: bool = True
    first_told_in: int | None = None
    listed_away: bool = False

    @property
    def title(self) -> str:
        """Its title at this turn."""
        return f"{self.name} turn {self.turn}"

    @property
    def uid(self) -> str:
        """Its iCalendar UID."""
        return f"uid-{self.name.partition('-')[2]}@calendar.example"


class Town:
    """One account's story, told to its end when made."""

    def __init__(self, random: Random, account: str, steps: int = STEPS, erasures: bool = True) -> None:
        self.random, self.account, self.now, self.erasures = random, account, 0.0, erasures
        self.epochs = [Epoch()]
        self.meetings: list[Meeting] = []
        self.windows: dict[str, list[Window]] = {"501": [], "502": []}
        self.addresses: dict[str, str | None] = dict(CONTACTS)
        self.had: dict[str, set[str]] = {contact: {address.casefold()} for contact, address in CONTACTS.items()}
        self.merged: dict[str, str] = {}
        self.deleted_contacts: set[str] = set()
        self.erased: dict[str, int] = {}
        self._begin()
        actions = self._actions()
        for _ in range(steps):
            self.now += random.randint(7, 300) / 60
            random.choice(actions)()

    # --- telling ------------------------------------------------------------------------------------------------------------

    def around(self, event: Event) -> None:
        """A word about the surroundings: an epoch begins with it, unless the present one has told of no meeting yet."""
        if self.epochs[-1].free:
            self.epochs.append(Epoch())
        self.epochs[-1].first.append(event)

    def say(self, event: Event) -> int:
        """A word about a meeting, now or late. Returns the epoch in which it is delivered."""
        at = len(self.epochs) - 1 if self.random.random() < 0.85 else len(self.epochs)
        if at == len(self.epochs):
            self.epochs.append(Epoch())
        self.epochs[at].free.append(event)
        return at

    def later(self) -> float:
        """A little later: no two words have one time."""
        self.now += self.random.randint(1, 9) / 60
        return round(self.now, 6)

    def _begin(self) -> None:
        policy: dict[str, Any] = {"late_contact": "backfill"} if self.random.random() < 0.3 else {}
        never = {"addresses": [" Nel@quiet.example "], "domains": ["blocked.example"]}
        self.around(examples.configured(account=self.account, never_log=never, policy=policy))
        for user, address in MAILBOXES.items():
            self.around(examples.user(user, address, account=self.account))
        for contact, address in CONTACTS.items():
            self.around(examples.contact(contact, address, account=self.account))
        self._connect("501", self.random.choice(PROVIDERS), -23)
        self.around(examples.ticked(account=self.account))

    def _actions(self) -> list[Callable[[], None]]:
        weights: dict[Callable[[], None], int] = {
            self.meets: 14,
            self.changes: 14,
            self.cancels: 3,
            self.removes: 3,
            self.turns_private: 1,
            self.differs_once: 6,
            self.reshapes: 3,
            self.scheduled_in_crm: 4,
            self.booked: 4,
            self.native_row: 4,
            self.row_changes: 4,
            self.row_deleted: 3,
            self.row_restored: 2,
            self.late_contact: 2,
            self.contact_moves: 2,
            self.contacts_merge: 1,
            self.contact_leaves: 2,
            self.connection_turns: 3,
            self.second_user: 1,
            self.lists: 2,
            self.ticks: 2,
            self.resyncs: 3,
        }
        if self.erasures:
            weights[self.contact_erased] = 1
        return [action for action, weight in weights.items() for _ in range(weight)]

    # --- the surroundings --------------------------------------------------------------------------------------------------

    def _connect(self, user: str, provider: str, at: float) -> None:
        self.around(examples.connected(user, provider, at, account=self.account))
        live = self.live(user)
        if live is None:
            self.windows[user].append(Window(provider, at))

    def live(self, user: str) -> Window | None:
        """The user's connection, if it is connected."""
        windows = self.windows[user]
        return windows[-1] if windows and windows[-1].until is None else None

    def connection_turns(self) -> None:
        """A calendar is disconnected, connected again, or another one beside it (refused), or loses its authorisation."""
        user, at = self.random.choice(list(self.windows)), self.later()
        live = self.live(user)
        if live is None:
            self._connect(user, self.random.choice(PROVIDERS), at)
        elif self.random.random() < 0.6:
            self.around(examples.ended(user, live.provider, at, account=self.account))
            live.until = at
        elif self.random.random() < 0.5:
            self.around(examples.ended(user, live.provider, at, kind="deauthorised", account=self.account))
        else:
            self._connect(user, self.random.choice(PROVIDERS), at)

    def late_contact(self) -> None:
        """Somebody becomes a contact."""
        unknown = [contact for contact in LATE if contact not in self.addresses]
        if unknown:
            self._contact(unknown[0], LATE[unknown[0]], "contact.created")

    def contact_moves(self) -> None:
        """A contact gets another address, or none."""
        contact = self._some_contact()
        if contact is not None:
            self._contact(contact, self.random.choice([*UNUSED, None, f"new.{contact}@client.example"]), "contact.updated")

    def _contact(self, contact: str, address: str | None, kind: str) -> None:
        self.around(examples.contact(contact, address, self.later(), kind=kind, account=self.account))
        self.addresses[contact] = address
        self.had.setdefault(contact, set()).update({address.casefold()} if address else ())

    def _some_contact(self) -> str | None:
        alive = [
            c for c in MOVING if c in self.addresses and c not in self.merged and c not in self.erased and c not in self.deleted_contacts
        ]
        return self.random.choice(alive) if alive else None

    def contacts_merge(self) -> None:
        """Two contacts are one."""
        gone, survivor = self._some_contact(), self._some_contact()
        if gone is None or survivor is None or gone == survivor:
            return
        address = self.random.choice([self.addresses[survivor], self.addresses[gone]])
        data = {"merged": [gone], "email": address, "name": "Merged"}
        self.around(examples.contact_said(survivor, "contact.merged", self.later(), data, account=self.account))
        self.merged[gone] = survivor
        self.addresses[survivor] = address
        self.had[survivor] |= self.had[gone]

    def contact_leaves(self) -> None:
        """A contact is deleted, or a deleted one is restored."""
        if self.deleted_contacts and self.random.random() < 0.5:
            contact = self.random.choice(sorted(self.deleted_contacts))
            self.deleted_contacts.discard(contact)
            self._contact(contact, self.addresses[contact], "contact.created")
        elif (found := self._some_contact()) is not None:
            self.around(examples.contact_said(found, "contact.deleted", self.later(), account=self.account))
            self.deleted_contacts.add(found)

    def contact_erased(self) -> None:
        """A privacy deletion."""
        contact = self._some_contact()
        if contact is not None:
            self.around(examples.contact_said(contact, "contact.erased", self.later(), account=self.account))
            self.erased[contact] = len(self.epochs) - 1

    def second_user(self) -> None:
        """A user comes or goes: a freelancer with an address of her own, whom nobody has as a contact."""
        kind = self.random.choice(["user.added", "user.removed"])
        self.around(examples.user("503", "flo@freelance.example", self.later(), kind=kind, account=self.account))

    def ticks(self) -> None:
        """The account's clock moves."""
        self.around(examples.ticked(self.later(), account=self.account))

    def lists(self) -> None:
        """A mailbox is listed completely: some deletions nobody told of are noticed by it."""
        user = self.random.choice(list(self.windows))
        live = self.live(user)
        if live is None:
            return
        held = [(m, c) for m in self.meetings for c in m.copies if (c.user, c.provider) == (user, live.provider) and not c.gone]
        lost = [pair for pair in held if self.random.random() < 0.07]
        for meeting, copy in lost:
            copy.gone, meeting.listed_away = True, True
        ids = [c.id for m, c in held if not c.gone]
        self.around(examples.listed(ids, self.later(), user=user, provider=live.provider, account=self.account))

    # --- meetings in calendars -------------------------------------------------------------------------------------------------

    def meets(self) -> None:
        """Somebody arranges a meeting: in a user's calendar, or in his own, and a user is invited."""
        meeting = self._new(self.random.choice([self.now, self.now, self.now, self._in_a_gap(), LONG_AGO]))
        meeting.created = round(meeting.created, 6)
        user = self.random.choice(["501", "501", "502"])
        meeting.owner = self.random.choice([MAILBOXES[user], MAILBOXES[user], CONTACTS["152"]])
        self._copy(meeting, user)
        other = "502" if user == "501" else "501"
        if self.random.random() < 0.3:
            meeting.guests.append(MAILBOXES[other])
            self._copy(meeting, other)
        if self.random.random() < 0.3:
            meeting.rules = [self.random.choice(["FREQ=WEEKLY;COUNT=6", "FREQ=DAILY;COUNT=5", "FREQ=WEEKLY;BYDAY=MO,TH;COUNT=8"])]
        if self.random.random() < 0.08:
            meeting.kind = self.random.choice(["focus", "out-of-office", "birthday"])
        if self.random.random() < 0.08:
            meeting.private = meeting.ever_private = True
        self._told(meeting)

    def _new(self, created: float) -> Meeting:
        name = f"{self.account}-M{len(self.meetings)}"
        # A minute of its own: what is like each other is meant to be.
        start = datetime(2026, 3, 1, 9) + timedelta(days=self.random.randint(0, 60), minutes=len(self.meetings))
        guests = self.random.sample([*CONTACTS.values(), *LATE.values(), *UNUSED, "flo@freelance.example"], self.random.randint(1, 4))
        if self.random.random() < 0.5 and STEADY not in guests:
            guests.append(STEADY)
        meeting = Meeting(name, created, start, ANA, [g for g in guests if g != BEN] or [STEADY], [])
        self.meetings.append(meeting)
        return meeting

    def _in_a_gap(self) -> float:
        ends = [w.until for windows in self.windows.values() for w in windows if w.until is not None]
        return self.random.choice(ends) + 0.001 if ends else LONG_AGO

    def _copy(self, meeting: Meeting, user: str, provider: str | None = None) -> Copy:
        live = self.live(user)
        provider = provider or (live.provider if live else self.random.choice(PROVIDERS))
        copy = Copy(user, provider, f"{meeting.name.partition('-')[2]}-{provider[0]}{user}")
        meeting.copies.append(copy)
        return copy

    def _told(self, meeting: Meeting) -> None:
        """Every mailbox that has it tells it as it is now."""
        for copy in meeting.copies:
            if not copy.gone:
                self._tell(meeting, copy)

    def _tell(self, meeting: Meeting, copy: Copy, **fields: Any) -> None:
        """One mailbox's word about the meeting, or about one occurrence of it."""
        hidden = MAILBOXES[copy.user] != meeting.owner and self.random.random() < 0.1
        provenance = {"icalUid": meeting.uid, "detailsHidden": hidden, **fields.pop("provenance", {})}
        told: dict[str, Any] = {
            "title": None if hidden else meeting.title,
            "start": meeting.start.isoformat(),
            "location": None if hidden else meeting.place,
            "recurrenceRules": meeting.rules,
            "privacy": "private" if meeting.private else "public",
            "status": "cancelled" if meeting.cancelled else "confirmed",
            **fields,
        }
        event = examples.meeting(
            provenance.get("id", copy.id),
            self.later(),
            user=copy.user,
            provider=copy.provider,
            guests=() if hidden else tuple(meeting.guests),
            owner=None if hidden else meeting.owner,
            created=hour(meeting.created),
            account=self.account,
            provenance=provenance,
            **told,
        )
        event["data"]["kind"] = meeting.kind
        self._asks(meeting)
        delivered = self.say(event)
        meeting.first_told_in = delivered if meeting.first_told_in is None else min(meeting.first_told_in, delivered)

    def _asks(self, meeting: Meeting) -> None:
        meeting.asked |= {g.casefold() for g in (*meeting.guests, meeting.owner)}
        meeting.always_asked_steady &= STEADY in meeting.guests
        meeting.always_private &= meeting.private

    def _some(self, fits: Callable[[Meeting], object]) -> Meeting | None:
        found = [m for m in self.meetings if fits(m)]
        return self.random.choice(found) if found else None

    def changes(self) -> None:
        """Title, place, time or guests change."""
        meeting = self._some(lambda m: any(not c.gone for c in m.copies))
        if meeting is None:
            return
        meeting.turn += 1
        change = self.random.random()
        if change < 0.3:
            meeting.place = f"Room {self.random.randint(1, 5)}"
        elif change < 0.6 and not meeting.rules:
            meeting.start += timedelta(hours=self.random.randint(1, 50))
        elif change < 0.8:
            meeting.guests = self._new_guests(meeting)
        if self.random.random() < 0.1:
            meeting.cancelled = not meeting.cancelled
        self._told(meeting)

    def _new_guests(self, meeting: Meeting) -> list[str]:
        invited = [MAILBOXES[c.user] for c in meeting.copies if MAILBOXES[c.user] != meeting.owner]
        others = [g for g in (*CONTACTS.values(), *LATE.values(), *UNUSED) if g not in invited]
        return [*invited, *self.random.sample(others, self.random.randint(1, 3))]

    def cancels(self) -> None:
        """A meeting is cancelled, for all."""
        meeting = self._some(lambda m: any(not c.gone for c in m.copies) and not m.cancelled)
        if meeting is not None:
            meeting.cancelled = True
            self._told(meeting)

    def removes(self) -> None:
        """A meeting vanishes from one mailbox: a tombstone that may say nothing but the id."""
        meeting = self._some(lambda m: any(not c.gone for c in m.copies))
        if meeting is None:
            return
        copy = self.random.choice([c for c in meeting.copies if not c.gone])
        copy.gone = True
        if MAILBOXES[copy.user] == meeting.owner or copy is meeting.copies[0]:
            meeting.cancelled = True
        word = examples.deleted(copy.id, self.later(), user=copy.user, provider=copy.provider, account=self.account)
        if self.random.random() < 0.3:
            word["data"]["provenance"]["user"] = None  # only its calendar is named
        self.say(word)

    def turns_private(self) -> None:
        """A meeting is made private, or public again."""
        meeting = self._some(lambda m: any(not c.gone for c in m.copies))
        if meeting is not None:
            meeting.private = not meeting.private
            meeting.ever_private = True
            self._told(meeting)

    def differs_once(self) -> None:
        """One occurrence of a series is moved, renamed, cancelled or removed."""
        meeting = self._some(lambda m: m.rules and any(not c.gone for c in m.copies))
        if meeting is None:
            return
        copy = self.random.choice([c for c in meeting.copies if not c.gone])
        original = meeting.start + timedelta(days=7 * self.random.randint(0, 2))
        stamp = original.replace(tzinfo=PARIS)
        id_ = f"{copy.id}_{original:%Y%m%d}"
        provenance = {"seriesId": copy.id, "originalStart": stamp.isoformat(), "id": id_}
        if self.random.random() < 0.25:
            known = {"seriesId": copy.id, "originalStart": stamp.isoformat()} if self.random.random() < 0.7 else {}
            self.say(examples.deleted(id_, self.later(), user=copy.user, provider=copy.provider, account=self.account, **known))
            return
        fields: dict[str, Any] = {"provenance": provenance, "recurrenceRules": [], "start": original.isoformat()}
        change = self.random.random()
        if change < 0.4:
            fields["start"] = (original + timedelta(hours=self.random.randint(1, 30))).isoformat()
        elif change < 0.6:
            fields["title"] = f"{meeting.title} once"
        elif change < 0.85:
            fields["status"] = "cancelled"
        self._tell(meeting, copy, **fields)

    def reshapes(self) -> None:
        """A series gets another rule."""
        meeting = self._some(lambda m: m.rules and any(not c.gone for c in m.copies))
        if meeting is not None:
            meeting.rules = [self.random.choice(["FREQ=WEEKLY;COUNT=4", "FREQ=WEEKLY;UNTIL=20260401T000000Z", "FREQ=DAILY;COUNT=3"])]
            if self.random.random() < 0.3:
                meeting.start += timedelta(days=1)
            self._told(meeting)

    def resyncs(self) -> None:
        """A meeting is told again through a user's present calendar: after a switch, a copy it had not had."""
        meeting = self._some(lambda m: any(not c.gone for c in m.copies))
        if meeting is None:
            return
        copy = self.random.choice([c for c in meeting.copies if not c.gone])
        live = self.live(copy.user)
        if (
            live is not None
            and live.provider != copy.provider
            and not any((c.user, c.provider) == (copy.user, live.provider) for c in meeting.copies)
        ):
            copy = self._copy(meeting, copy.user, live.provider)
        self._tell(meeting, copy)

    # --- meetings in the CRM ---------------------------------------------------------------------------------------------------

    def scheduled_in_crm(self) -> None:
        """A meeting is scheduled in the CRM; its calendar event may come back with the row's UID."""
        meeting = self._new(round(self.now, 6))
        meeting.row, meeting.by_hand = self._row_id(meeting), True
        meeting.contacts = tuple(self.random.sample(list(CONTACTS), self.random.randint(1, 2)))
        meeting.row_uid = meeting.uid if self.random.random() < 0.5 else None
        if meeting.row_uid is not None:
            self._copy(meeting, "501")
        self._tell_row(meeting)
        self._told(meeting)

    def booked(self) -> None:
        """A contact books: a row, with or without the UID, and its echo in the calendar."""
        meeting = self._new(round(self.now, 6))
        meeting.row, meeting.row_origin, meeting.by_hand = self._row_id(meeting), "booking", True
        meeting.row_uid = self.random.choice([meeting.uid, None])
        meeting.guests = [self.random.choice([STEADY, CONTACTS["152"], CONTACTS["154"]])]
        self._copy(meeting, "501")
        self._tell_row(meeting)
        self._told(meeting)

    def native_row(self) -> None:
        """HubSpot's own sync makes a row of a calendar meeting."""
        meeting = self._some(lambda m: m.row is None and m.copies)
        if meeting is not None:
            meeting.row, meeting.row_origin, meeting.row_uid = self._row_id(meeting), "native-sync", meeting.uid
            self._tell_row(meeting)

    def _row_id(self, meeting: Meeting) -> str:
        return f"9{int(meeting.name.partition('-M')[2]):03d}"

    def row_changes(self) -> None:
        """The CRM changes a meeting."""
        meeting = self._some(lambda m: m.row is not None and not m.row_gone)
        if meeting is None:
            return
        meeting.turn += 1
        if self.random.random() < 0.4:
            meeting.place = f"Room {self.random.randint(6, 9)}"
        elif self.random.random() < 0.4:
            meeting.start += timedelta(hours=self.random.randint(1, 20))
        self._tell_row(meeting)

    def row_deleted(self) -> None:
        """The CRM deletes a meeting; its calendars go on telling of it."""
        meeting = self._some(lambda m: m.row is not None and not m.row_gone)
        if meeting is not None and meeting.row is not None:
            meeting.row_gone = True
            at = self.later()
            word = examples.row_deleted(meeting.row, at, account=self.account)
            word["data"]["provenance"]["user"] = None  # a webhook names the row, no more
            meeting.deletions.append((at, self.say(word), True))

    def row_restored(self) -> None:
        """The CRM restores a meeting."""
        meeting = self._some(lambda m: m.row_gone)
        if meeting is not None:
            meeting.row_gone = False
            at, delivered = self._tell_row(meeting, "meeting.restored")
            meeting.deletions.append((at, delivered, False))

    def _tell_row(self, meeting: Meeting, kind: str | None = None) -> tuple[float, int]:
        assert meeting.row is not None
        at = self.later()
        event = examples.row(
            meeting.row,
            at,
            kind=kind,
            user=meeting.copies[0].user if meeting.copies else "501",
            contacts=meeting.contacts,
            origin=meeting.row_origin,
            uid=meeting.row_uid,
            guests=tuple(meeting.guests),
            account=self.account,
            created=hour(meeting.created),
            title=meeting.title,
            start=meeting.start.isoformat(),
            location=meeting.place,
        )
        self._asks(meeting)
        if meeting.row_origin == "user":
            meeting.associated |= set(meeting.contacts)
        return at, self.say(event)

    # --- the books -------------------------------------------------------------------------------------------------------------

    def timelines(self) -> tuple[str, ...]:
        """Every contact there may be a timeline of."""
        return TIMELINES

    def never_in_a_window(self) -> set[str]:
        """The names of meetings that nobody made in the CRM and that were created when none of their mailboxes was connected."""
        return {m.name for m in self.meetings if not m.by_hand and not any(self._connected(c.user, m.created) for c in m.copies)}

    def _connected(self, user: str, at: float) -> bool:
        return any(window.holds(at) for window in self.windows[user])

    def deleted_in_crm(self, epoch: int) -> set[str]:
        """The names of meetings of whose row the newest word of deletion or restore, of those delivered, is a deletion."""
        newest = {m.name: max((d for d in m.deletions if d[1] <= epoch), default=None) for m in self.meetings}
        return {name for name, word in newest.items() if word is not None and word[2]}

    def no_meetings(self) -> set[str]:
        """The names of what is no meeting: focus time and the like."""
        return {m.name for m in self.meetings if m.kind != "meeting" and not m.by_hand}

    def private_now(self) -> set[str]:
        """The names of meetings of which every word, from the first on, was private, and that nobody made in the CRM."""
        return {m.name for m in self.meetings if m.always_private and not m.by_hand and m.copies}

    def erased_addresses(self) -> set[str]:
        """Every address that a person had who was erased, except one that somebody else has now."""
        kept = {a.casefold() for c, a in self.addresses.items() if a is not None and c not in self.erased}
        return {address for contact in self.erased for address in self.had[contact]} - kept

    def wanted_by_steady(self) -> dict[str, bool]:
        """Names of the plainest meetings, which contact 151 must see once: one mailbox, the organiser's, connected when it was
        created and ever since; the contact always invited; nothing private, no row. With each: was it cancelled?"""
        found = {}
        for m in self.meetings:
            plain = len(m.copies) == 1 and m.row is None and not m.rules and not m.ever_private and m.kind == "meeting"
            if not plain or not m.always_asked_steady or m.owner != MAILBOXES[m.copies[0].user]:
                continue
            live = self.live(m.copies[0].user)
            if live is not None and live.provider == m.copies[0].provider and live.holds(m.created):
                found[m.name] = m.cancelled or m.listed_away
        return found

    def single(self) -> set[str]:
        """The names of meetings that never were a series."""
        return {m.name for m in self.meetings if not m.rules}

    def may_stand(self, contact: str) -> set[str]:
        """The names of all meetings that a contact, or somebody merged into it, was ever asked to or tied to."""
        ids = {contact} | {gone for gone, into in self.merged.items() if self._survivor(gone) == contact}
        had = {address for id_ in ids for address in self.had.get(id_, ())}
        return {m.name for m in self.meetings if m.asked & had or m.associated & ids}

    def _survivor(self, contact: str) -> str:
        while contact in self.merged:
            contact = self.merged[contact]
        return contact


class World:
    """Two towns that use the same ids for different people, their epochs one after the other's."""

    def __init__(self, seed: int, steps: int = STEPS, erasures: bool = True) -> None:
        random = Random(seed)
        self.seed, self.random = seed, random
        self.towns = [Town(random, "62515", steps, erasures), Town(random, "70001", steps // 4, erasures)]

    def epochs(self) -> list[Epoch]:
        """Both towns' epochs together: the first ones of both, the second ones, and so on."""
        most = max(len(town.epochs) for town in self.towns)
        padded = [[*town.epochs, *[Epoch()] * (most - len(town.epochs))] for town in self.towns]
        return [Epoch([*a.first, *b.first], [*a.free, *b.free]) for a, b in zip(*padded, strict=True)]
