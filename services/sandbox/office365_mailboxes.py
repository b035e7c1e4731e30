"""What the mailboxes hold: calendars, events, the occurrences that series make, and the order in which things changed.

What must stay true:
- An occurrence is not kept: its series makes it, and its id names the series and its original start. An exception keeps only what
  differs from its series; a removed occurrence leaves its original start behind.
- An item has two ids: one that changes when it is taken elsewhere, and one for life. Both find it.
- Every change gives the item a new version and moves it to the end of its mailbox's changes: what changed since a number is what
  stands after it. Nothing here decides what a change means to others; `Mailbox.hears` is told of each.
"""

from __future__ import annotations

import base64
import random
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import msgspec

from services.sandbox import office365_recurrence as recurrence
from services.sandbox.office365_errors import missing
from services.sandbox.office365_times import Json, from_ms, instant, local

_OCCURRENCE = re.compile(r"(.+)FR([0-9a-f]{8})(AAA=)")
# 2,000 years of minutes fit into eight hexadecimal digits.
_ORIGIN = datetime(1601, 1, 1, tzinfo=UTC)
_UID = "040000008200E00074C5B7101A82E008"


class Times(NamedTuple):
    """From when to when: instants, the zones they were given in, and whether they are whole days in those."""

    start: datetime
    end: datetime
    start_zone: str
    end_zone: str
    all_day: bool = False


class Changed(msgspec.Struct, kw_only=True, eq=False):
    """An exception: an occurrence at other times, or with other content. `content` holds what differs from the series; `change` is the
    number of its mailbox's change that changed it last."""

    times: Times
    content: Json
    created: int
    modified: int
    version: int
    change: int = 0


class Event(msgspec.Struct, kw_only=True, eq=False):
    """A single event, or a series with everything about its occurrences. `key` is its number in the mailbox, `id` and `immutable` its
    ids, `uid` what all copies of a meeting share. `content` is Graph's own JSON, whatever is not kept apart here. `created` and
    `modified` in ms; `change` is the number of the mailbox's change that changed it last, apart from its exceptions."""

    key: int
    calendar: str
    id: str
    immutable: str
    uid: str
    times: Times
    content: Json
    created: int
    modified: int
    version: int
    change: int = 0
    recurrence: Json | None = None
    removed: set[datetime] = msgspec.field(default_factory=set)
    exceptions: dict[datetime, Changed] = msgspec.field(default_factory=dict)
    transaction: str | None = None
    extended: dict[str, str] = msgspec.field(default_factory=dict)

    @property
    def organised(self) -> bool:
        """Is this the organiser's own copy?"""
        return bool(self.content["isOrganizer"])


class Shown(NamedTuple):
    """An event as somebody sees it: a single one or a series (`original` is None), or one occurrence by its original start."""

    event: Event
    original: datetime | None = None

    @property
    def exception(self) -> Changed | None:
        """What differs from the series, if anything."""
        return None if self.original is None else self.event.exceptions.get(self.original)

    @property
    def kind(self) -> str:
        """Graph's `type`."""
        if self.original is None:
            return "singleInstance" if self.event.recurrence is None else "seriesMaster"
        return "occurrence" if self.exception is None else "exception"

    @property
    def times(self) -> Times:
        """When it is."""
        own = self.event.times
        if self.exception is not None:
            return self.exception.times
        if self.original is None:
            return own
        return own._replace(start=self.original, end=_end(own, self.original))

    @property
    def content(self) -> Json:
        """What it says."""
        return self.event.content if self.exception is None else {**self.event.content, **self.exception.content}

    @property
    def state(self) -> Event | Changed:
        """Where its version stands."""
        return self.exception or self.event

    def id(self, immutable: bool) -> str:
        """Its id of this form."""
        whole = self.event.immutable if immutable else self.event.id
        if self.original is None:
            return whole
        return f"{whole[:-4]}FR{(self.original - _ORIGIN) // timedelta(minutes=1):08x}AAA="

    @property
    def uid(self) -> str:
        """Its iCalendar UID as Graph gives it: an occurrence's has its date in it."""
        if self.original is None:
            return f"{_UID}00000000{self.event.uid}"
        day = local(self.original, self.event.times.start_zone)
        return f"{_UID}{day.year:04X}{day.month:02X}{day.day:02X}{self.event.uid}"


def _end(own: Times, start: datetime) -> datetime:
    """When an occurrence ends that starts then: whole days are days of the calendar, hours are hours."""
    if not own.all_day:
        return start + (own.end - own.start)
    days = local(own.end, own.end_zone) - local(own.start, own.start_zone)
    return instant(local(start, own.start_zone) + days, own.start_zone)


class Calendar(NamedTuple):
    """One calendar of a mailbox."""

    id: str
    name: str
    default: bool


class Window(NamedTuple):
    """[start, end), instants."""

    start: datetime
    end: datetime

    def holds(self, times: Times) -> bool:
        """Is some of this in the window?"""
        return times.start < self.end and (times.end > self.start or times.start == times.end >= self.start)


Hears = Callable[["Mailbox", Event, str], None]
"""Is told what changed: the mailbox, the event, and `created`, `updated` or `deleted`."""


class Mailbox:
    """A person's events. `zone` is what their Outlook is set to."""

    def __init__(self, address: str, name: str, oid: str, now: Callable[[], int], chance: random.Random, hears: Hears) -> None:
        self.address, self.name, self.oid = address, name, oid
        self.zone = "UTC"
        self.events: dict[int, Event] = {}
        self.calendars: dict[str, Calendar] = {}
        self.transactions: dict[str, int] = {}
        self.changes = 0
        self.changed: dict[int, int] = {}
        self._ids: dict[str, int] = {}
        self._uids: dict[str, int] = {}
        self._gone: dict[int, tuple[str, str, str]] = {}
        self._last = 0
        self._now, self._chance, self._hears = now, chance, hears
        self.default = self.add_calendar("Calendar", default=True)

    # --- calendars ---

    def add_calendar(self, name: str, *, default: bool = False) -> Calendar:
        """One more."""
        calendar = Calendar(self._new_id("AAMkAD"), name, default)
        self.calendars[calendar.id] = calendar
        return calendar

    def calendar(self, id: str) -> Calendar:
        """One by its id. Raises `Refusal`."""
        if id not in self.calendars:
            raise missing()
        return self.calendars[id]

    # --- events ---

    def new_uid(self) -> str:
        """For a meeting that begins in this mailbox."""
        return self._chance.randbytes(28).hex().upper()

    def add(self, calendar: str, uid: str, times: Times, content: Json, repeats: Json | None = None) -> Event:
        """A new event. A series starts with its first occurrence."""
        self._last += 1
        now = self._now()
        if repeats is not None:
            times = self._from_first(times, repeats)
        event = Event(
            key=self._last,
            calendar=calendar,
            id=self._new_id("AAMkAD"),
            immutable=self._new_id("AAkALg"),
            uid=uid,
            times=times,
            content=content,
            created=now,
            modified=now,
            version=1,
            change=self.changes + 1,
            recurrence=repeats,
        )
        self.events[event.key] = event
        self._ids |= {event.id: event.key, event.immutable: event.key}
        self._uids[uid] = event.key
        self._note(event, "created")
        return event

    def touch(self, event: Event, original: datetime | None = None) -> None:
        """It changed: the event, or the occurrence with this original start, which is then an exception."""
        now = self._now()
        if original is not None and original in event.exceptions:
            exception = event.exceptions[original]
            exception.modified, exception.version, exception.change = now, exception.version + 1, self.changes + 1
        else:
            event.change = self.changes + 1
        # Outlook keeps exceptions inside their series: it changes with them.
        event.modified, event.version = now, event.version + 1
        self._note(event, "updated")

    def remove(self, event: Event) -> None:
        """It is gone, the whole of it."""
        del self.events[event.key]
        self._gone[event.key] = (event.calendar, event.id, event.immutable)
        self._note(event, "deleted")

    def remove_occurrence(self, event: Event, original: datetime) -> None:
        """One occurrence is gone."""
        event.exceptions.pop(original, None)
        event.removed.add(original)
        self.touch(event)

    def relocate(self, event: Event, calendar: str) -> None:
        """Take it elsewhere (or out and in again): it has another id from now on, and the same one for life."""
        del self._ids[event.id]
        event.calendar, event.id = calendar, self._new_id("AAMkAD")
        self._ids[event.id] = event.key
        self.touch(event)

    def _from_first(self, times: Times, repeats: Json) -> Times:
        begin = local(times.start, times.start_zone)
        first = instant(recurrence.first_start(repeats, begin.time()), times.start_zone)
        return times._replace(start=first, end=_end(times, first))

    def repeat(self, event: Event, times: Times, repeats: Json | None) -> None:
        """Other times, or another pattern: what was said of single occurrences no longer holds."""
        event.recurrence = repeats
        event.times = times if repeats is None else self._from_first(times, repeats)
        event.exceptions.clear()
        event.removed.clear()

    def except_from(self, shown: Shown) -> Changed:
        """What differs in one occurrence, to be changed further."""
        if shown.original is None:
            raise ValueError("not an occurrence")
        if shown.exception is None:
            now = self._now()
            shown.event.exceptions[shown.original] = Changed(times=shown.times, content={}, created=now, modified=now, version=0)
        return shown.event.exceptions[shown.original]

    def _note(self, event: Event, kind: str) -> None:
        self.changes += 1
        self.changed.pop(event.key, None)
        self.changed[event.key] = self.changes
        self._hears(self, event, kind)

    def _new_id(self, kind: str) -> str:
        return f"{kind}{base64.urlsafe_b64encode(self._chance.randbytes(45)).decode()}AAA="

    # --- finding ---

    def find(self, id: str) -> Shown:
        """What has this id, of either form. Raises `Refusal`."""
        if id in self._ids and self._ids[id] in self.events:
            return Shown(self.events[self._ids[id]])
        match = _OCCURRENCE.fullmatch(id)
        event = self.events.get(self._ids.get(match[1] + match[3], 0)) if match else None
        if match is None or event is None or event.recurrence is None:
            raise missing()
        minute = _ORIGIN + timedelta(minutes=int(match[2], 16))
        made = originals(event, Window(minute, minute + timedelta(minutes=1)))
        if not made or made[0] in event.removed:
            raise missing()
        return Shown(event, made[0])

    def copy_of(self, uid: str) -> Event | None:
        """This mailbox's copy of a meeting."""
        return self.events.get(self._uids.get(uid, 0))

    def of(self, calendar: str | None) -> list[Event]:
        """The events of a calendar (None: of all), the oldest first."""
        return [event for event in self.events.values() if calendar in (None, event.calendar)]

    def tombstone(self, key: int, calendar: str, *, immutable: bool) -> str | None:
        """The id that a removed event of this calendar had."""
        there, id, for_life = self._gone.get(key, ("", "", ""))
        return (for_life if immutable else id) if there == calendar else None

    def changed_since(self, number: int) -> list[int]:
        """The keys of what changed after this number, in order of the change."""
        since: list[int] = []
        for key, change in reversed(self.changed.items()):
            if change <= number:
                break
            since.append(key)
        return since[::-1]

    def clock(self) -> datetime:
        """Now, as an instant."""
        return from_ms(self._now())


def originals(event: Event, window: Window) -> list[datetime]:
    """The original starts in a window that the pattern of a series makes, the removed ones included."""
    if event.recurrence is None:
        return []
    zone = event.times.start_zone
    # A day on either side: the clock of the zone and the instant differ by less.
    since, until = (local(edge, zone) for edge in (window.start - timedelta(days=1), window.end + timedelta(days=1)))
    clock = local(event.times.start, zone).time()
    made = (instant(start, zone) for start in recurrence.starts(event.recurrence, clock, since, until))
    return [start for start in made if window.start <= start < window.end]


def occurrences(event: Event, window: Window | None) -> Iterator[Shown]:
    """What a series shows in a window, in order of the original starts; None: its exceptions only."""
    if window is None:
        yield from (Shown(event, original) for original in sorted(event.exceptions))
        return
    reach = Window(window.start - (event.times.end - event.times.start) - timedelta(hours=1), window.end)
    near = {start for start in originals(event, reach) if start not in event.removed} | event.exceptions.keys()
    for original in sorted(near):
        shown = Shown(event, original)
        if window.holds(shown.times):
            yield shown


def in_window(event: Event, window: Window) -> list[Shown]:
    """What an event shows in a window: itself, or a series' occurrences."""
    if event.recurrence is not None:
        return list(occurrences(event, window))
    return [Shown(event)] if window.holds(event.times) else []


def neighbours(event: Event, original: datetime) -> tuple[Shown | None, Shown | None]:
    """The occurrences before and after one."""
    around = Window(original - timedelta(days=1500), original + timedelta(days=1500))
    there = [start for start in originals(event, around) if start not in event.removed or start == original]
    at = there.index(original)
    before = Shown(event, there[at - 1]) if at > 0 else None
    return before, Shown(event, there[at + 1]) if at + 1 < len(there) else None
