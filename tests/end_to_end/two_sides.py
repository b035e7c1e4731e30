"""An account with a calendar of either provider and a CRM, both simulated: what people do on the sides, and what both must come to.

What must stay true: what is compared was read at the simulators and in the timeline, never in what was asked of them; and a title
names one meeting.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import msgspec
import pytest

from domain.outside import Link
from projections.views import Page
from services import live as moving
from services import wiring_providers
from services.live import Live
from services.sandbox.hubspot_types import MEETINGS
from services.story import ACCOUNT, ANA, BO, Story
from services.wiring import now

BEFORE = "Lunch, arranged long ago"
"""What stood in the calendar before it was connected."""

EVERYTHING = 100_000
_READING = ("search", "batch/read", "token")
# What POST is for, too.


class Meeting(NamedTuple):
    """As a side shows it. `start` in UTC, RFC 3339."""

    title: str
    start: str
    cancelled: bool


class Sides:
    """Both sides and the installation between them. `provider` is the calendar's."""

    def __init__(self, live: Live, provider: str, monkeypatch: pytest.MonkeyPatch) -> None:
        self.live, self.town, self.provider = live, live.town, provider
        self._patch, self._story = monkeypatch, Story(live, provider)
        self._day = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        self.called_off: set[str] = set()

    @property
    def calendar(self) -> Link:
        """Ana's calendar."""
        return Link(ACCOUNT, self.provider, self._story.ana)

    def connect(self) -> None:
        """People, the CRM, Ana's calendar; settled."""
        self._story.people()
        # Google tells in which second an event was made, and an answer in which it was given: one is before the consent, the next after.
        self.town.world.move(1000)
        self.live.connect(Link(ACCOUNT, "hubspot"), ANA)
        self.live.publish(self._story.configured())
        self.live.connect(self.calendar, ANA)
        self.live.settle()
        self.town.world.move(1000)

    # --- what people do

    def _span(self, day: int) -> tuple[datetime, datetime]:
        start = self._day + timedelta(days=day)
        return start, start + timedelta(hours=1)

    def _local(self, day: int) -> tuple[str, str]:
        start, end = (edge.isoformat().replace("+00:00", "") for edge in self._span(day))
        return (f"{start}Z", f"{end}Z") if self.provider == "google" else (start, end)

    def schedule(self, title: str, day: int, contact: str = "") -> str:
        """In the CRM, from Bo's record or another contact's; its id."""
        return self.town.hubspot.schedule(ANA, title, *self._span(day), contacts=[contact or self._story.bo])

    def reschedule(self, row: str, day: int) -> None:
        """In the CRM."""
        self.town.hubspot.move(row, *self._span(day), by=ANA)

    def make(self, title: str, day: int) -> str:
        """In the calendar, with Bo; its id there."""
        start, end = self._local(day)
        if self.provider == "google":
            return str(self.town.google.event(ANA, title, start, end, [BO])["id"])
        return self.town.office365.event(ANA, title, start, end, guests=[BO])

    def make_daily(self, title: str, day: int, count: int) -> str:
        """In the calendar, with Bo, a meeting a day from this one on, never one that is on now; its id there."""
        start, end = self._zoned(day)
        if self.provider == "google":
            rule = [f"RRULE:FREQ=DAILY;COUNT={count}"]
            return str(self.town.google.event(ANA, title, f"{start}Z", f"{end}Z", [BO], recurrence=rule)["id"])
        span = {"type": "numbered", "startDate": start[:10], "numberOfOccurrences": count, "recurrenceTimeZone": "UTC"}
        daily = {"pattern": {"type": "daily", "interval": 1}, "range": span}
        return self.town.office365.event(ANA, title, start, end, guests=[BO], recurrence=daily)

    def shift(self, event: str, day: int, minutes: int) -> None:
        """In the calendar: all of a series that began on this day."""
        start, end = ({"dateTime": edge, "timeZone": "UTC"} for edge in self._zoned(day, minutes))
        (self.town.google if self.provider == "google" else self.town.office365).change(ANA, event, start=start, end=end)

    def _zoned(self, day: int, minutes: int = 0) -> tuple[str, str]:
        start, end = (edge + timedelta(hours=2, minutes=minutes) for edge in self._span(day))
        return start.isoformat().removesuffix("+00:00"), end.isoformat().removesuffix("+00:00")

    def move(self, event: str, day: int) -> None:
        """In the calendar."""
        (self.town.google if self.provider == "google" else self.town.office365).move(ANA, event, *self._local(day))

    def call_off(self, event: str, title: str) -> None:
        """In the calendar."""
        (self.town.google if self.provider == "google" else self.town.office365).cancel(ANA, event)
        self.called_off.add(title)

    def revoke(self) -> None:
        """Ana takes back what she granted."""
        if self.provider == "google":
            self.town.google.revoke(ANA)
        else:
            self.town.office365.directory.revoke(ANA)

    def forget_cursors(self) -> None:
        """The provider takes no cursor of before any more."""
        if self.provider == "google":
            self.town.google.invalidate(ANA)
        else:
            self.town.office365.expire_cursors(ANA)

    # --- what time does

    def begin_anew(self, later_ms: int = 0) -> None:
        """The roles begin with what is stored, so much later by their clock: nobody waits for a lease in a test."""
        self._patch.setattr(wiring_providers, "now", lambda: now() + later_ms)
        self.live.start()

    def impatient(self, seconds: float = 0.2) -> None:
        """What cannot be written is not waited for."""
        self._patch.setattr(moving, "PATIENCE", seconds)

    def patient(self) -> None:
        """It is again."""
        self._patch.setattr(moving, "PATIENCE", 30.0)

    # --- what they show

    def in_calendar(self) -> list[Meeting]:
        """What Ana has, but for what was there before."""
        shown = self._google() if self.provider == "google" else self._office365()
        return sorted(one for one in shown if one.title != BEFORE)

    def _google(self) -> list[Meeting]:
        events = [e for e in self.town.google.events(ANA) if "summary" in e]
        return [Meeting(e["summary"], _utc(e["start"]["dateTime"]), e["status"] == "cancelled") for e in events]

    def _office365(self) -> list[Meeting]:
        events = self.town.office365.events(ANA)
        return [Meeting(e["subject"], _utc(e["start"]["dateTime"][:19] + "Z"), e["isCancelled"]) for e in events]

    def in_crm(self) -> list[Meeting]:
        """The rows that are not deleted."""
        rows = [row.current() for row in self.town.hubspot.portal(int(ACCOUNT)).listed(MEETINGS)]
        times = [_utc(str(row["hs_meeting_start_time"])) for row in rows]
        off = [row["hs_meeting_outcome"] == "CANCELED" for row in rows]
        return sorted(Meeting(str(row["hs_meeting_title"]), at, gone) for row, at, gone in zip(rows, times, off, strict=True))

    def in_timeline(self) -> list[Meeting]:
        """Bo's entries."""
        hits = self.live.parts.views.entries(ACCOUNT, self._story.bo, Page(limit=1000))
        entries: list[dict[str, Any]] = [msgspec.json.decode(hit.body) for hit in hits]
        return sorted(Meeting(e["title"], e["start"], e["status"] == "cancelled") for e in entries)

    def invited(self) -> Counter[str]:
        """How often Bo was invited to what."""
        return Counter(mail.title for mail in self.town.world.invitations(BO) if mail.title != BEFORE)

    def told(self, kind: str) -> list[str]:
        """The ids of the source events of a kind."""
        records = [msgspec.json.decode(record.body) for record in self.live.parts.source.read("0", 0, EVERYTHING)]
        return [str(record["id"]) for record in records if record["type"] == kind]

    def writes(self) -> list[tuple[str, str]]:
        """The calls that change something at a provider, of those that are remembered."""
        asked = [(exchange.request.method, exchange.request.path) for exchange in self.town.world.requests.last]
        return [(method, path) for method, path in asked if method not in ("GET", "HEAD") and not path.endswith(_READING)]


def _utc(text: str) -> str:
    return datetime.fromisoformat(text).astimezone(UTC).isoformat().replace("+00:00", "Z")
