"""The story told live: Ana's calendar is connected, meetings are made on both sides, and each rule is seen at work at the providers.

    for chapter in Story(live).tell():
        print(chapter.title, chapter.did, chapter.shown)

What must stay true: what a chapter shows was read at the providers and from the installation after everything had settled, and nothing is
made up beside it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from msgspec import Struct

from domain.errors import Stop
from domain.outside import Link
from projections.views import Page
from services.live import Live

ACCOUNT = "62515"
ANA, BEN, BO = "ana@acme.example", "ben@acme.example", "bo@client.example"
ZONE = "Europe/Paris"
DOMAIN = "acme.example"
_CALLED = {"google": "Google calendar", "office365": "Office 365 calendar"}


class Shown(Struct, frozen=True):
    """An entry of Bo's timeline."""

    title: str
    start: str
    status: str


class Chapter(Struct, frozen=True):
    """What somebody did, Bo's timeline after it, what Ana's calendar holds (title, state), how often Bo was invited by then, and what
    `explain` says of the thing at hand, if there is one: a sentence, what was written outside, and each rule that it names."""

    title: str
    did: str
    timeline: tuple[Shown, ...]
    calendar: tuple[tuple[str, str], ...]
    invited: int
    explained: str | None = None
    writes: tuple[str, ...] = ()
    rules: frozenset[str] = frozenset()


class Story:
    """Told once, in a town of its own. `provider` is the calendar it begins with; it ends with the other."""

    def __init__(self, live: Live, provider: str = "google", today: datetime | None = None) -> None:
        self.live, self.town = live, live.town
        self.provider, self.other = (provider, "office365") if provider == "google" else (provider, "google")
        self._named: dict[str, str] = {}
        self._day = (today or datetime.now(UTC)).replace(hour=9, minute=0, second=0, microsecond=0)

    def tell(self) -> Iterator[Chapter]:
        """Chapter by chapter; each is settled when it is handed out."""
        before = self.people()
        yield self._connected(before)
        yield from self._scheduled_in_the_crm()
        yield from self._made_in_the_calendar()
        yield self._among_colleagues()
        yield from self._switched()

    # --- before it begins ------------------------------------------------------------------------------------------------------

    def people(self) -> str:
        """Who there is, and a meeting from before anything was connected; its id."""
        town = self.town
        town.google.user(ANA, "Ana Ruiz", ZONE)
        town.office365.user(ANA, "Ana Ruiz")
        town.hubspot.portal(int(ACCOUNT), "Acme")
        self.ana = str(town.hubspot.user(ANA, "Ana", "Ruiz").id)
        town.hubspot.user(BEN, "Ben", "Kaya")
        self.bo = town.hubspot.contact(BO, "Bo", "Lindqvist")
        return self._makes("Lunch, arranged long ago", 2, BO)

    def _connected(self, before: str) -> Chapter:
        self.live.connect(Link(ACCOUNT, "hubspot"), ANA)
        self.live.publish(self.configured())
        self.live.connect(Link(ACCOUNT, self.provider, self.ana), ANA)
        did = (
            f"Ana connects HubSpot and her {_CALLED[self.provider]}, which has a meeting with Bo in it. It is from before, and stays hers."
        )
        return self._chapter("Connected", did, before)

    def configured(self) -> dict[str, Any]:
        """The account's settings: its domain, and that both sides are written to."""
        time = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        data = {"domains": [DOMAIN], "policy": {"writes": {"calendar": True, "crm": True}}}
        return {
            "specversion": "1.0",
            "id": f"story:{time}",
            "source": f"/accounts/{ACCOUNT}/settings",
            "type": "rendezvous.account.configured.v1",
            "subject": ACCOUNT,
            "account": ACCOUNT,
            "time": time,
            "data": data,
        }

    # --- the chapters ------------------------------------------------------------------------------------------------------------

    def _scheduled_in_the_crm(self) -> Iterator[Chapter]:
        hubspot = self.town.hubspot
        start = self._at(3)
        row = hubspot.schedule(ANA, "Kick-off", start, start + timedelta(hours=1), contacts=[self.bo], location="Room 4")
        yield self._chapter("Scheduled in the CRM", "Ana schedules a meeting from Bo's record in HubSpot.", row)
        hubspot.move(row, start + timedelta(hours=2), by=ANA)
        yield self._chapter("Moved in the CRM", "She moves it there, by two hours.", row)
        hubspot.delete("meetings", row, by=ANA)
        yield self._chapter("Deleted in the CRM", "She deletes it there. Her calendar keeps it; Bo's timeline does not.", row)

    def _made_in_the_calendar(self) -> Iterator[Chapter]:
        made = self._makes("Review", 4, BO, BEN)
        yield self._chapter("Made in the calendar", "Ana makes a meeting in her calendar and invites Bo, and Ben, a colleague.", made)
        self._moves(made, 5)
        yield self._chapter("Moved in the calendar", "She moves it to the next day.", made)
        self._cancels(made)
        yield self._chapter("Cancelled in the calendar", "She calls it off.", made)

    def _among_colleagues(self) -> Chapter:
        made = self._makes("Payroll", 6, BEN)
        return self._chapter("Among colleagues", "Ana meets Ben alone.", made)

    def _switched(self) -> Iterator[Chapter]:
        told = self._refused()
        yield self._chapter("One calendar, never both", f"Ana tries to connect her {_CALLED[self.other]} as well, and reads: {told}", None)
        self.live.disconnect(Link(ACCOUNT, self.provider, self.ana))
        self.live.connect(Link(ACCOUNT, self.other, self.ana), ANA)
        self.provider, self.other = self.other, self.provider
        self.live.settle()
        # Google tells only in which second an event was made, and what was made before the consent is not synced.
        self.town.world.move(1000)
        made = self._makes("Next steps", 7, BO)
        did = (
            f"She disconnects, connects her {_CALLED[self.provider]}, and makes a meeting with Bo there. What stood in his timeline stays."
        )
        yield self._chapter("Switched", did, made)

    def _refused(self) -> str:
        try:
            self.live.connect(Link(ACCOUNT, self.other, self.ana), ANA)
        except Stop as refusal:
            return str(refusal)
        raise Stop("both calendars were connected")

    # --- at the calendar, whichever it is ------------------------------------------------------------------------------------------

    def _at(self, days: int, hour: int = 9) -> datetime:
        return self._day.replace(hour=hour) + timedelta(days=days)

    def _span(self, days: int) -> tuple[str, str]:
        return self._at(days, 14).strftime("%Y-%m-%dT%H:%M:%S"), self._at(days, 15).strftime("%Y-%m-%dT%H:%M:%S")

    def _makes(self, title: str, days: int, *guests: str) -> str:
        """Ana makes a meeting in her calendar; its id there."""
        start, end = self._span(days)
        if self.provider == "google":
            return str(self.town.google.event(ANA, title, start, end, guests)["id"])
        made = self.town.office365.event(ANA, title, start, end, zone=ZONE, guests=guests)
        self._named[made] = self.town.office365.immutable(ANA, made)  # asked now: what is cancelled is gone there
        return made

    def _said(self, id: str) -> str:
        """The id under which an installation sees it."""
        return self._named.get(id, id)

    def _moves(self, id: str, days: int) -> None:
        start, end = self._span(days)
        if self.provider == "google":
            self.town.google.move(ANA, id, start, end)
        else:
            self.town.office365.move(ANA, id, start, end, ZONE)

    def _cancels(self, id: str) -> None:
        (self.town.google if self.provider == "google" else self.town.office365).cancel(ANA, id)

    def _calendar(self) -> tuple[tuple[str, str], ...]:
        """What is in Ana's calendar, as she sees it."""
        if self.provider == "google":
            events = self.town.google.events(ANA)
            return tuple((e["summary"], e["status"]) for e in events if "summary" in e)
        events = self.town.office365.events(ANA)
        return tuple((e["subject"], "cancelled" if e["isCancelled"] else "confirmed") for e in events)

    # --- what is shown ---------------------------------------------------------------------------------------------------------------

    def _chapter(self, title: str, did: str, about: str | None) -> Chapter:
        self.live.settle()
        about = None if about is None else self._said(about)
        explained = None if about is None else self.live.parts.explainer.explain(ACCOUNT, about)
        return Chapter(
            title,
            did,
            self._timeline(),
            self._calendar(),
            len(self.town.world.invitations(BO)),
            None if explained is None else explained.sentence.removeprefix(f"{about}: "),
            () if explained is None else tuple(write.sentence for write in explained.writes),
            frozenset() if explained is None else frozenset(reason.rule for reason in explained.decisions),
        )

    def _timeline(self) -> tuple[Shown, ...]:
        hits = self.live.parts.views.entries(ACCOUNT, self.bo, Page(limit=100))
        return tuple(msgspec.json.decode(hit.body, type=Shown) for hit in hits)
