"""A small world for the folds: records of real domain events, and a vault that opens what it is told to.

`Log` numbers the records and keeps our clock: each event is recorded a second after the last.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any
from uuid import UUID, uuid5

import msgspec

from domain.decisions import Decision, Outcome, Rule
from domain.events import (
    ClockTicked,
    ConnectionActivated,
    ConnectionDeauthorised,
    ConnectionDisconnected,
    ContactDeleted,
    ContactErased,
    ContactMerged,
    ContactRecorded,
    DeletionsDiscarded,
    DeletionsHeld,
    Event,
    Exception_,
    Guest,
    MeetingAbsorbed,
    MeetingCancelled,
    MeetingEvent,
    MeetingNoted,
    MeetingRescheduled,
    MeetingRevised,
    MeetingScheduled,
    MeetingWithdrawn,
    Part,
    Shown,
    SourceEventDecided,
    View,
)
from domain.people import Person
from domain.ports import DomainRecord
from domain.recurrence import instant
from projections.contacts import OpenPeople
from projections.folding import fold
from projections.views import Views

ACCOUNT = "62515"
SPACE = UUID("6ba7b810-9dad-11d1-80b4-00c04fd430c8")
BEGAN = 1_772_442_905_000  # 2026-03-02T09:15:05Z
DAY = 86_400_000
DOMAINS = {"ana": "acme.example", "bo": "client.example", "cy": "client.example", "di": "other.example"}


def meeting(name: str) -> str:
    """The id of a meeting."""
    return str(uuid5(SPACE, name))


def key(name: str) -> str:
    """The person key of somebody of the cast."""
    return name.ljust(22, "_")


def token(name: str) -> str:
    """The same, sealed: name and address cannot be read in it."""
    return key(name) + "sealed"


def opened(erased: Iterable[str] = ()) -> OpenPeople:
    """A vault in which these people's keys are destroyed."""
    gone = {key(name) for name in erased}

    def open_people(tokens: Mapping[str, Iterable[str]]) -> Mapping[str, Person]:
        asked = [t for some in tokens.values() for t in some]
        return {t: Person(t[:22], erased=True) if t[:22] in gone else _person(t) for t in asked}

    return open_people


def _person(sealed: str) -> Person:
    name = sealed[:22].rstrip("_")
    return Person(sealed[:22], f"{name}@{DOMAINS[name]}", f"{name.title()} Person", DOMAINS[name])


def shown(title: str = "Kick-off", at: str = "2026-03-09T10:00:00", guests: str = "bo", **more: Any) -> Shown:
    """Ana's meeting with these guests; bo is contact 151, cy 152, di no contact."""
    contacts = {"bo": "151", "cy": "152"}
    names = guests.split()
    fields: dict[str, Any] = {
        "start": datetime.fromisoformat(at),
        "duration": "PT1H",
        "title": title,
        "location": "Room 4",
        "time_zone": "Europe/Paris",
        "guests": (Guest(token("ana"), "accepted", owner=True), *(Guest(token(name)) for name in names)),
        "contacts": tuple(contacts[name] for name in names if name in contacts),
        "matched": {key(name): contacts[name] for name in names if name in contacts},
    }
    return Shown(**{**fields, **more})


def single(one: Shown, at_first: str | None = None, **more: Any) -> View:
    """A view of a single meeting, which was at another time at first if that is given."""
    start = datetime.fromisoformat(at_first) if at_first is not None else one.start
    first = instant(start, None if one.all_day else one.time_zone)
    return View(parts=(Part(one, first=first),), links={"google": "7k1b0"}, **more)


def series(one: Shown, rule: str = "FREQ=WEEKLY", exceptions: tuple[Exception_, ...] = (), **more: Any) -> View:
    """A view of a series."""
    return View(parts=(Part(one, rules=(rule,), **more),), exceptions=exceptions, links={"google": "series"})


class Log:
    """Records, in order."""

    def __init__(self) -> None:
        self.records: list[DomainRecord] = []

    @property
    def now(self) -> int:
        """When the next event is recorded."""
        return BEGAN + 1000 * len(self.records)

    def add(self, kind: type[Event], stream: str = "other", /, *, account: str = ACCOUNT, at: int | None = None, **fields: Any) -> int:
        """Record an event; returns when (ms)."""
        now = self.now
        event = kind(account=account, at=now if at is None else at, recorded_at=now, cause=f"cause-{len(self.records)}", **fields)
        return self.add_record(account, uuid5(SPACE, stream), kind.NAME, msgspec.json.encode(event), now)

    def add_record(self, account: str, stream: UUID, name: str, body: bytes, now: int) -> int:
        """Record these bytes."""
        position = len(self.records) + 1
        self.records.append(DomainRecord(position, position, account, stream, 1, name, body))
        return now

    def shows(self, name: str, view: View | None, kind: type[MeetingEvent] = MeetingScheduled, **fields: Any) -> int:
        """A meeting is shown so from now on."""
        return self.add(kind, name, view=view, **fields)

    def fold_into(self, views: Views, sizes: Iterable[int] = (), open_people: OpenPeople | None = None) -> None:
        """Fold what `views` do not have yet, in batches of these sizes and then of all the rest."""
        for size in (*sizes, len(self.records)):
            self.fold_some(views, size, open_people or opened())

    def fold_some(self, views: Views, size: int, open_people: OpenPeople) -> None:
        """Fold a batch of this size."""
        batch = self.records[views.position() :][:size]
        if batch:
            recorded_at = BEGAN + 1000 * (batch[-1].position - 1)
            views.apply(fold(batch, views, open_people), batch[-1].position, recorded_at)


def eventful() -> tuple[Log, int]:
    """A log in which everything happens, and the position of the record that erases Bo."""
    log = Log()
    log.add(ConnectionActivated, user="501", provider="google", calendar="ana@acme.example", address=token("ana"))
    for name, contact in (("bo", "151"), ("cy", "152")):
        log.add(ContactRecorded, person=token(name), contact=contact, email=True, company="Client")
    log.add(ContactRecorded, contact="153", person=token("bo"), email=True)
    log.shows("a", single(shown()))
    _decided(log, "a")
    log.shows("a", single(shown(at="2026-03-10T10:00:00"), "2026-03-09T10:00:00"), MeetingRescheduled)
    log.shows("s", series(shown("Weekly", guests="bo cy")))
    log.add(ClockTicked, at=BEGAN, before_days=30, after_days=60)
    log.shows("b", single(shown("Both", guests="bo cy di")))
    log.add_record(ACCOUNT, uuid5(SPACE, "a"), "meeting.of_another_time.v9", b"{}", log.now)
    answered = shown("Both", guests="bo cy di")
    answered = msgspec.structs.replace(answered, guests=tuple(msgspec.structs.replace(g, status="accepted") for g in answered.guests))
    log.shows("b", single(answered), MeetingRevised)
    moved = Exception_(instant(datetime(2026, 3, 16, 10), "Europe/Paris"), shown("Weekly, moved", "2026-05-20T15:00:00", "bo cy"))
    log.shows("s", series(shown("Weekly", guests="bo cy"), exceptions=(moved,)), MeetingRescheduled)
    log.add(ClockTicked, at=BEGAN + 20 * DAY, before_days=30, after_days=60)
    log.add(MeetingNoted, "a")
    _decided(log, "s")
    log.add(ContactMerged, contact="154", merged=("152",))
    log.shows("c", single(shown("Private soon", guests="cy")))
    log.shows("c", None, MeetingWithdrawn, purge=True)
    log.shows("d", single(shown("Twin", guests="cy")))
    log.add(MeetingAbsorbed, "d", into=UUID(meeting("b")).hex)
    log.add(ContactMerged, contact="155", merged=("154", "156"))
    log.shows("s", series(shown("Weekly", guests="bo cy"), "FREQ=WEEKLY;UNTIL=20260401", since=log.now), MeetingRescheduled)
    erasing = len(log.records) + 1
    log.add(ContactErased, contact="151", keys=(key("bo"),))
    log.shows("b", single(shown("Both", guests="cy di")), MeetingRevised)
    log.add(ContactRecorded, contact="155", person=token("cy"), email=True)
    log.add(ContactDeleted, contact="155")
    log.shows("e", series(shown("Daily", guests="cy"), "FREQ=DAILY;COUNT=90"))
    log.add(ConnectionDeauthorised, user="501", provider="google", reason="revoked")
    log.add(DeletionsHeld, user="501", provider="google", hold="h1", sightings=("google|501|x",), known=20)
    _decided(log, "e")
    log.add(ClockTicked, at=BEGAN + 40 * DAY, before_days=60, after_days=60)
    log.add(ContactRecorded, contact="155", person=token("cy"), email=True)
    cancelled = series(shown("Daily", guests="cy"), "FREQ=DAILY;COUNT=90", cancelled_from=BEGAN + 45 * DAY)
    log.shows("e", cancelled, MeetingCancelled)
    log.add(DeletionsDiscarded, hold="h1")
    log.add(ConnectionDisconnected, user="501", provider="google")
    log.add(ContactRecorded, contact="151", person=token("di"), email=True)
    log.shows("f", single(shown("Again", guests="di", contacts=("151",), matched={key("di"): "151"})))
    return log, erasing


def _decided(log: Log, name: str) -> None:
    log.add(
        SourceEventDecided,
        source="/accounts/62515/calendars/google/Ana@acme.example",
        kind="meeting.updated",
        subject="7k1b0",
        partition="0",
        position=len(log.records),
        meeting=UUID(meeting(name)).hex,
        decisions=(Decision(Rule.CONTACT_MATCH, Outcome.APPLIED, key("bo"), "151"),),
    )
