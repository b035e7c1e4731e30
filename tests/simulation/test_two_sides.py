"""A whole installation beside the providers' simulators: whatever people do on both sides, whatever the network does to us in between,
both come to the same in the end, with one event and one invitation for each meeting, and then fall silent.

`RENDEZVOUS_SEEDS` and `--seed` as for the other simulations.
"""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from adapters.google.translate import LINK_PROPERTY
from adapters.hubspot import source as hubspot_source
from domain.outside import Link
from projections.views import Page
from services.live import Live, Town
from services.story import ACCOUNT, ANA, BO, Story

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

STEPS = 30
STRANGER = "eve@elsewhere.example"
FAULTS: list[dict[str, Any]] = [
    {"effect": "status", "status": 503, "method": "PATCH"},
    {"effect": "status", "status": 429, "method": "POST", "path": "/events", "headers": {"Retry-After": "1"}},
    {"effect": "status", "status": 500, "method": "GET", "path": "/events"},
    {"effect": "drop", "path": "/events"},
    {"effect": "drop_after", "method": "POST", "path": "/events$"},
    {"effect": "drop_after", "method": "PATCH"},
    {"effect": "drop_after", "method": "POST", "path": "meetings"},
    {"effect": "status", "status": 502, "path": "crm"},
    {"effect": "duplicate_push", "times": 3},
    {"effect": "lose_push", "times": 2},
    {"effect": "expired_cursor", "simulator": "google"},
]


class Days:
    """Some days of Ana's, in which anything may happen; and what must have come of it."""

    def __init__(self, live: Live, chance: Random) -> None:
        self.live, self.town, self.chance = live, live.town, chance
        story = Story(live)
        story.people()
        self.bo = story.bo
        live.connect(Link(ACCOUNT, "hubspot"), ANA)
        live.publish(story.configured())
        live.connect(Link(ACCOUNT, "google", story.ana), ANA)
        live.settle()
        self.rows: dict[str, str] = {}
        """CRM meetings: id to title."""
        self.made: dict[str, str] = {}
        """Calendar meetings of Ana's own: id to title."""
        self.gone: set[str] = set()
        """Titles that were deleted in the CRM, and not restored."""
        self.seen: set[str] = set()
        """Titles that stood in the calendar when everything was at rest: what is made and called off in between, nobody ever saw."""
        self.number = 0

    def step(self) -> None:
        """Something happens; now and then something goes wrong; and sometimes everything comes to rest."""
        acts = [
            self.make,
            self.make,
            self.schedule,
            self.schedule,
            self.move,
            self.rename,
            self.cancel,
            self.delete,
            self.restore,
            self.answer,
        ]
        if self.chance.random() < 0.3:
            self.town.world.faults.add(**self.chance.choice(FAULTS))
        self.chance.choice(acts)()
        if self.chance.random() < 0.4:
            self.live.settle()
            self.seen |= {e["summary"].partition(",")[0] for e in self._events() if e["status"] != "cancelled"}

    def _when(self) -> tuple[datetime, datetime]:
        start = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(days=self.chance.randint(1, 20), hours=self.number)
        return start, start + timedelta(minutes=self.chance.choice([30, 60]))

    def _title(self) -> str:
        self.number += 1
        return f"Meeting {self.number}"

    def make(self) -> None:
        start, end = self._when()
        title = self._title()
        guests = self.chance.choice([[BO], [BO, STRANGER], [STRANGER]])
        made = self.town.google.event(ANA, title, start.isoformat(), end.isoformat(), guests)
        self.made[made["id"]] = title

    def schedule(self) -> None:
        start, end = self._when()
        title = self._title()
        self.rows[self.town.hubspot.schedule(ANA, title, start, end, contacts=[self.bo])] = title

    def move(self) -> None:
        start, end = self._when()
        if self.rows and self.chance.random() < 0.5:
            row = self.chance.choice(list(self.rows))
            if self.rows[row] not in self.gone:
                self.town.hubspot.move(row, start, end)
        elif living := [e for e in self._events() if e["status"] != "cancelled"]:
            self.town.google.move(ANA, self.chance.choice(living)["id"], start.isoformat(), end.isoformat())

    def rename(self) -> None:
        """The number stays in it: by that it is told which one it is."""
        if self.rows and self.chance.random() < 0.5:
            row = self.chance.choice(list(self.rows))
            if self.rows[row] not in self.gone:
                self.town.hubspot.change("meetings", row, {"hs_meeting_title": f"{self.rows[row]}, renamed {self.chance.randint(1, 99)}"})
        elif living := [e for e in self._events() if e["status"] != "cancelled"]:
            event = self.chance.choice(living)
            name = event["summary"].partition(",")[0]
            self.town.google.change(ANA, event["id"], summary=f"{name}, changed {self.chance.randint(1, 99)}")

    def cancel(self) -> None:
        if living := [e for e in self._events() if e["status"] != "cancelled"]:
            self.town.google.cancel(ANA, self.chance.choice(living)["id"])

    def delete(self) -> None:
        if self.rows:
            row = self.chance.choice(list(self.rows))
            if self.rows[row] not in self.gone:
                self.gone.add(self.rows[row])
                self.town.hubspot.delete("meetings", row)

    def restore(self) -> None:
        """What was deleted is restored."""
        for row, title in self.rows.items():
            if title in self.gone:
                self.town.hubspot.restore("meetings", row)
                self.gone.discard(title)
                return

    def answer(self) -> None:
        if living := [e for e in self._events() if e["status"] != "cancelled" and any(a["email"] == BO for a in e.get("attendees", []))]:
            self.town.google.user(BO, "Bo Lindqvist")
            event = self.chance.choice(living)
            if any(e["id"] == event["id"] for e in self.town.google.events(BO)):
                self.town.google.respond(BO, event["id"], self.chance.choice(["accepted", "declined"]))

    # --- what must have come of it

    def _events(self) -> list[dict[str, Any]]:
        """What stands in Ana's calendar, but for what was there before."""
        return [e for e in self.town.google.events(ANA) if str(e.get("summary", "")).startswith("Meeting")]

    def rest(self) -> None:
        """Nothing goes wrong any more, everything is looked for, and all comes to rest."""
        self.town.world.faults.clear()
        self.live.settle(listened=False)

    def timeline(self) -> list[tuple[str, str, str]]:
        """Title, start, status of what Bo's timeline shows."""
        hits = self.live.parts.views.entries(ACCOUNT, self.bo, Page(limit=1000))
        entries = [msgspec.json.decode(hit.body) for hit in hits]
        shown = [_compared(e["title"], e["start"], e["status"]) for e in entries]
        return sorted(one for one in shown if one[2] != "cancelled" or one[0] in self.seen)

    def expected(self) -> list[tuple[str, str, str]]:
        """The same, by what the calendar holds: everything with Bo that was not deleted in the CRM."""
        shown = []
        for e in self._events():
            name = e["summary"].partition(",")[0]
            if name in self.gone or (e["status"] == "cancelled" and name not in self.seen):
                continue
            if any(a["email"] == BO for a in e.get("attendees", [])):
                start = datetime.fromisoformat(e["start"]["dateTime"]).astimezone(UTC)
                shown.append(_compared(e["summary"], start.isoformat().replace("+00:00", "Z"), e["status"]))
        return sorted(shown)

    def linked(self) -> Counter[str]:
        """How many calendar events each meeting of ours has, by our link."""
        private = (e.get("extendedProperties", {}).get("private", {}) for e in self._events())
        return Counter(p[LINK_PROPERTY] for p in private if LINK_PROPERTY in p)


def _compared(title: str, start: str, status: str) -> tuple[str, str, str]:
    """What is called off in the calendar is not written to any more: what the CRM says of it later stands in the timeline alone."""
    return (title.partition(",")[0], "", status) if status == "cancelled" else (title, start, status)


READING = ("search", "batch/read", "token")
"""What POST is for, too."""


def writes(town: Town) -> list[tuple[str, str]]:
    """The calls that change something at a provider, of those since `requests.clear`."""
    asked = [(e.request.method, e.request.path) for e in town.world.requests.last]
    return [(method, path) for method, path in asked if method not in ("GET", "HEAD") and not path.endswith(READING)]


def test_both_sides_come_to_the_same_and_fall_silent(live_seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chance = Random(live_seed)
    with Live(Town(live_seed), tmp_path) as live:
        days = Days(live, chance)
        for _ in range(STEPS):
            days.step()
        # A deletion whose push was lost is found in the recycle bin, at its next look: the hour until then has passed.
        monkeypatch.setattr(hubspot_source, "RECYCLED_MS", 0)
        days.rest()
        assert days.timeline() == days.expected()
        assert set(days.linked().values()) <= {1}, "a meeting has two events"
        invited = Counter(mail.title.partition(",")[0] for mail in live.town.world.invitations(BO))
        assert [title for title, count in invited.items() if count > 1] == []
        scheduled = set(days.rows.values())
        assert {e["summary"].partition(",")[0] for e in days._events()} >= scheduled - days.gone
        live.town.world.requests.clear()
        assert live.settle(listened=False) == 0
        assert writes(live.town) == []
