"""A law: whoever follows the sync tokens knows what the calendar holds, whatever happened in between.

gcal_sync's sync engine, written by others against the real service, follows; pages of any size, empty pages and expired tokens come
in between. Its store must then equal the simulator's list.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from services.sandbox.google import Google
from services.sandbox.shell import Sandbox
from services.sandbox.world import World
from tests.sandbox.conftest import NOON

ANA, BO = "ana@acme.example", "bo@client.example"
DAILY = ["RRULE:FREQ=DAILY;COUNT=4"]

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("make"), st.integers(1, 25), st.booleans()),
        st.tuples(st.just("series"), st.integers(1, 25), st.booleans()),
        st.tuples(st.just("rename"), st.integers(0, 30), st.integers(0, 3)),
        st.tuples(st.just("move"), st.integers(0, 30), st.integers(1, 25)),
        st.tuples(st.just("delete"), st.integers(0, 30), st.booleans()),
        st.tuples(st.just("respond"), st.integers(0, 30), st.sampled_from(["accepted", "declined"])),
        st.tuples(st.just("instance"), st.integers(0, 30), st.sampled_from(["rename", "delete"])),
        st.tuples(st.just("invalidate"), st.just(0), st.just(0)),
        st.tuples(st.just("sync"), st.integers(1, 4), st.booleans()),
    ),
    min_size=8,
    max_size=30,
)


class People:
    """Ana, Bo and their calendars, changed step by step. A step that fits nothing that is there does nothing."""

    def __init__(self, google: Google) -> None:
        self._google = google

    def do(self, what: str, first: int, second: Any) -> None:
        getattr(self, what)(first, second)

    def make(self, day: int, from_bo: bool) -> None:
        owner, guest = (BO, ANA) if from_bo else (ANA, BO)
        self._google.event(owner, f"Day {day}", f"2026-03-{day:02d}T10:00", f"2026-03-{day:02d}T11:00", guests=[guest])

    def series(self, day: int, whole_days: bool) -> None:
        start, end = (f"2026-03-{day:02d}", f"2026-03-{day + 1:02d}")
        times = (start, end) if whole_days else (start + "T09:00", start + "T09:30")
        self._google.event(ANA, f"Series {day}", *times, recurrence=DAILY)

    def rename(self, which: int, to: int) -> None:
        if event := self._own(which):
            self._google.change(ANA, event["id"], summary=f"Name {to}")

    def move(self, which: int, day: int) -> None:
        if (event := self._own(which)) and "recurrence" not in event:
            self._google.move(ANA, event["id"], f"2026-03-{day:02d}T15:00", f"2026-03-{day:02d}T16:00")

    def delete(self, which: int, by_bo: bool) -> None:
        person = BO if by_bo else ANA
        live = [each for each in self._google.events(person) if each["status"] != "cancelled"]
        if live:
            self._google.delete(person, live[which % len(live)]["id"])

    def respond(self, which: int, answer: str) -> None:
        invited = [each for each in self._google.events(BO) if each["status"] != "cancelled" and each.get("attendees")]
        if invited:
            self._google.respond(BO, invited[which % len(invited)]["id"], answer)

    def instance(self, which: int, what: str) -> None:
        masters = [each for each in self._google.events(ANA) if each["status"] != "cancelled" and "recurrence" in each]
        if not masters:
            return
        master = masters[which % len(masters)]
        day = f"{dt.date.fromisoformat(master['start'].get('date') or master['start']['dateTime'][:10]):%Y%m%d}"
        id = f"{master['id']}_{day}" + ("" if "date" in master["start"] else "T090000Z")
        gone = any(each["id"] == id and each["status"] == "cancelled" for each in self._google.events(ANA))
        if what == "rename" or gone:
            self._google.change(ANA, id, summary="Special")
        else:
            self._google.delete(ANA, id)

    def invalidate(self, *_: int) -> None:
        self._google.invalidate(ANA)

    def _own(self, which: int) -> dict[str, Any] | None:
        mine = [each for each in self._google.events(ANA) if each["organizer"].get("self") and each["status"] != "cancelled"]
        return mine[which % len(mine)] if mine else None


class Follower:
    """gcal_sync's engine for Ana, with a store in memory, and what that store holds."""

    def __init__(self, sandbox: Sandbox, google: Google) -> None:
        self._sandbox, self._google = sandbox, google
        self._store = pytest.importorskip("gcal_sync.store").InMemoryCalendarStore()

    async def sync(self) -> None:
        import aiohttp
        from gcal_sync.api import GoogleCalendarService
        from gcal_sync.auth import AbstractAuth
        from gcal_sync.sync import CalendarEventSyncManager

        token = self._google.token(ANA)

        class Auth(AbstractAuth):
            async def async_get_access_token(self) -> str:
                return token

        async with aiohttp.ClientSession() as session:
            service = GoogleCalendarService(Auth(session, self._sandbox.url + "/calendar/v3"))
            await CalendarEventSyncManager(service, calendar_id="primary", store=self._store).run()

    def holds(self) -> dict[str, tuple[Any, ...]]:
        """What is alive, by id."""
        data = asyncio.run(self._store.async_load()) or {}
        items = data.get("event_sync", {}).get("primary", {}).get("items", {})
        return {id: told(item) for id, item in items.items() if item.get("status") != "cancelled"}


def told(item: dict[str, Any]) -> tuple[Any, ...]:
    """An event in words that are the same from either side."""
    start = item["start"]
    when = start.get("date") or dt.datetime.fromisoformat(start.get("date_time") or start["dateTime"]).astimezone(dt.UTC)
    answers = sorted((each["email"], each.get("response_status") or each.get("responseStatus")) for each in item.get("attendees", []))
    return item.get("summary"), when, answers, len(item.get("recurrence") or [])


@pytest.fixture(scope="module")
def standing() -> Iterator[tuple[Sandbox, Google, World]]:
    """One sandbox for all examples: each begins with a reset."""
    world = World(seed=3)
    google = Google(world)
    with Sandbox([google], world) as sandbox:
        yield sandbox, google, world


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=STEPS)
def test_who_follows_the_tokens_knows_what_the_calendar_holds(
    standing: tuple[Sandbox, Google, World], steps: list[tuple[str, int, Any]]
) -> None:
    sandbox, google, world = standing
    world.reset()
    world.freeze(NOON)
    google.reset()
    for address in (ANA, BO):
        google.user(address)
    google.switches.user_limit = google.switches.project_limit = 10**6
    people, follower = People(google), Follower(sandbox, google)
    for what, first, second in [*steps, ("sync", 2, False)]:
        if what != "sync":
            people.do(what, first, second)
            continue
        google.switches.page_limit, google.switches.empty_pages = first, 0.5 if second else 0.0
        asyncio.run(follower.sync())
        live = {each["id"]: told(each) for each in google.events(ANA) if each["status"] != "cancelled"}
        assert follower.holds() == live, json.dumps(steps)
