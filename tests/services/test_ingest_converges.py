"""Whatever people do in their calendars, and whatever goes wrong on the way: in the end the timeline shows what the calendars show."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import stamina

from services.sandbox.google_words import Refusal as GoogleRefusal
from services.sandbox.office365_errors import Refusal as OutlookRefusal
from tests.services.test_ingest_on_sandbox import ANA, BO, CEM, GOOGLE, SERIES, Town

STEPS = 40
WEEKLY = ["RRULE:FREQ=WEEKLY;COUNT=3"]


@pytest.fixture
def town() -> Iterator[Town]:
    """A town whose ports are open."""
    town = Town().start()
    with stamina.set_testing(True, attempts=4):
        yield town
    town.sandbox.close()


def play(town: Town, seed: int, acts: list[Callable[[random.Random], object]]) -> None:
    """A random play: people act, cursors are lost, providers fail, and now and then somebody reads."""
    chance = random.Random(seed)
    town.pull()
    for _ in range(STEPS):
        try:
            chance.choice(acts)(chance)
        except (GoogleRefusal, OutlookRefusal):
            pass  # what the provider does not let anybody do
        town.world.move(chance.choice((1_000, 60_000, 3_600_000)))
        if chance.random() < 0.5:
            town.pull()
    town.world.faults.clear()
    # A link that failed waits for a quarter of an hour at most.
    for _ in range(3):
        town.world.move(1_200_000)
        town.pull()
    assert town.troubles() == {}


def confirmed(town: Town) -> list[tuple[str, str]]:
    """What Bo's timeline shows as taking place."""
    return sorted((title, start) for title, start, status in town.shown() if status == "confirmed")


def utc(text: str) -> str:
    return datetime.fromisoformat(text).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


# --- Google -----------------------------------------------------------------------------------------------------------


def google_acts(town: Town) -> list[Callable[[random.Random], object]]:
    google = town.google

    def some(chance: random.Random) -> str:
        return str(chance.choice([one["id"] for one in google.events(ANA)] or ["none"]))

    def make(chance: random.Random) -> object:
        return town.meeting(f"M{chance.randrange(1000)}", chance.randrange(3, 28))

    def make_series(chance: random.Random) -> object:
        return town.meeting(f"S{chance.randrange(1000)}", chance.randrange(3, 8), recurrence=WEEKLY)

    def move(chance: random.Random) -> object:
        hour = chance.randrange(8, 18)
        return google.move(ANA, some(chance), f"2026-03-{chance.randrange(3, 28):02}T{hour:02}:00:00", f"2026-03-28T{hour:02}:30:00")

    def instance(chance: random.Random) -> str:
        listed = instances(town)
        return str(chance.choice([one["id"] for one in listed if "recurringEventId" in one] or ["none"]))

    def page(chance: random.Random) -> None:
        google.switches.page_limit, google.switches.empty_pages = chance.choice(((None, 0.0), (1, 0.0), (2, 0.5)))

    return [
        *[make] * 3,
        *[make_series] * 2,
        lambda chance: google.change(ANA, some(chance), summary=f"C{chance.randrange(1000)}"),
        move,
        lambda chance: google.cancel(ANA, some(chance)),
        lambda chance: google.change(ANA, instance(chance), summary=f"I{chance.randrange(1000)}"),
        lambda chance: google.cancel(ANA, instance(chance)),
        lambda chance: google.respond(BO, some(chance), chance.choice(("accepted", "declined", "tentative"))),
        lambda _: google.invalidate(),
        lambda chance: town.world.faults.add(
            "status", simulator="google", status=chance.choice((500, 503, 429)), times=chance.randrange(1, 8)
        ),
        lambda _: town.world.faults.add("drop_after", simulator="google", times=2),
        page,
    ]


def instances(town: Town) -> list[dict[str, Any]]:
    """What Google shows in Ana's calendar, laid out."""
    google, rules = town.google.switches, list(town.world.faults.rules)
    limits = google.page_limit, google.empty_pages
    town.world.faults.clear()
    google.page_limit, google.empty_pages = None, 0.0
    answer = httpx.get(
        f"{town.sandbox.url}/calendar/v3/calendars/primary/events",
        params={"singleEvents": "true", "maxResults": "2500"},
        headers={"Authorization": f"Bearer {town.bearer(GOOGLE)}"},
    )
    google.page_limit, google.empty_pages = limits
    town.world.faults.rules.extend(rules)
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


@pytest.mark.parametrize("seed", range(3))
def test_a_google_calendar_and_the_timeline_come_to_the_same(town: Town, seed: int) -> None:
    play(town, seed, google_acts(town))
    shown = sorted((one["summary"], utc(one["start"]["dateTime"])) for one in instances(town))
    assert confirmed(town) == shown


# --- Office 365 -------------------------------------------------------------------------------------------------------


def outlook_acts(town: Town) -> list[Callable[[random.Random], object]]:
    outlook = town.outlook

    def some(chance: random.Random) -> str:
        return str(chance.choice([one["id"] for one in outlook.events(CEM)] or ["none"]))

    def make(chance: random.Random) -> object:
        return town.appointment(f"M{chance.randrange(1000)}", chance.randrange(3, 28))

    def make_series(chance: random.Random) -> object:
        return town.appointment(f"S{chance.randrange(1000)}", 9, **SERIES)

    def move(chance: random.Random) -> None:
        day, hour = chance.randrange(3, 28), chance.randrange(8, 18)
        outlook.move(CEM, some(chance), f"2026-03-{day:02}T{hour:02}:00:00", f"2026-03-{day:02}T{hour:02}:30:00")

    def occurrence(chance: random.Random) -> str:
        return str(chance.choice([one["id"] for one in appointments(town) if one.get("seriesMasterId")] or ["none"]))

    def switches(chance: random.Random) -> object:
        again, lost = chance.choice(((True, "removed"), (False, "removed"), (True, "silent")))
        return outlook.switch(page=chance.choice((1, 2, 10)), empty_pages=chance.random() < 0.5, series_again=again, lost_occurrences=lost)

    return [
        *[make] * 3,
        make_series,
        lambda chance: outlook.change(CEM, some(chance), subject=f"C{chance.randrange(1000)}"),
        move,
        lambda chance: outlook.delete(CEM, some(chance)),
        lambda chance: outlook.change(CEM, occurrence(chance), subject=f"I{chance.randrange(1000)}"),
        lambda chance: outlook.delete(CEM, occurrence(chance)),
        lambda _: outlook.expire_cursors(),
        lambda chance: town.world.faults.add(
            "status", simulator="office365", status=chance.choice((500, 503, 429)), times=chance.randrange(1, 8)
        ),
        lambda _: town.world.faults.add("drop_after", simulator="office365", times=2),
        lambda _: town.world.move(24 * 3_600_000),
        switches,
    ]


def appointments(town: Town) -> list[dict[str, Any]]:
    """What Outlook shows in Cem's calendar, laid out."""
    shown = town.outlook.events(CEM, "2026-03-01T00:00:00Z", "2026-05-30T00:00:00Z")
    return [one for one in shown if one.get("type") != "seriesMaster" and not one.get("isCancelled")]


@pytest.mark.parametrize("seed", range(3))
def test_an_outlook_calendar_and_the_timeline_come_to_the_same(town: Town, seed: int) -> None:
    play(town, seed, outlook_acts(town))
    shown = sorted((one["subject"], utc(f"{one['start']['dateTime'][:19]}+00:00")) for one in appointments(town))
    assert confirmed(town) == shown
