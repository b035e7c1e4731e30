"""What a complete listing says about what it does not hold."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from domain.account import Account
from domain.connection import Connection, Window
from domain.events import Content, Revision, Sighting, View
from domain.listing import missing_from, standing
from domain.matching import Judged
from domain.meeting import Meeting
from domain.people import Person

PREFIX = "google|501|"


def ms(text: str) -> int:
    """UTC in milliseconds."""
    return int(datetime.fromisoformat(text + "Z").timestamp() * 1000)


SPAN = (ms("2026-04-01T00:00"), ms("2026-05-01T00:00"))
LISTED_AT = ms("2026-03-20T00:00")
KNOWN_AT = ms("2026-03-10T00:00")
SINCE = ms("2026-01-01T00:00")


def content(start: str = "2026-04-07T10:00", duration: str = "PT1H", **fields: Any) -> Content:
    """A meeting in UTC."""
    return Content(start=datetime.fromisoformat(start), duration=duration, time_zone="UTC", **fields)


def copy(
    id: str = "g1",
    what: Content | None = None,
    *,
    prefix: str = PREFIX,
    state: str = "confirmed",
    updated: int = KNOWN_AT,
    user: str = "501",
    created: int | None = SINCE,
    **said: Any,
) -> Sighting:
    """A copy of a meeting in a mailbox."""
    words: tuple[Revision, ...] = (Revision(updated - 1, 1, content=what or content()),)
    words += (Revision(updated, 2, state, content=None if state == "deleted" else what or content()),)
    return Sighting(key=f"{prefix}{id}", side="calendar", provider="google", id=id, user=user, created=created, revisions=words, **said)


def meeting(*copies: Sighting) -> Meeting:
    """A meeting with these copies."""
    return Meeting(UUID(int=1), "62515", {c.key: c for c in copies}, View())


def missing(*meetings: Meeting, listed: tuple[str, ...] = (), span: tuple[int, int] = SPAN, at: int = LISTED_AT) -> tuple[list[str], int]:
    """The keys of the copies that are gone, and how many are known that somebody sees."""
    found = missing_from(standing(meetings, PREFIX, Around()), frozenset(listed), span, at)
    return [key for _, key in found.gone], found.known


class Around:
    """Surroundings in memory: everybody's Google calendar was connected all the time since `SINCE`."""

    account = Account()

    def connection(self, user: str) -> Connection:
        """See above."""
        return Connection(user, windows=(Window("google", "", "", SINCE),))

    def person(self, token: str) -> Person:
        """Nobody in particular."""
        return Person(token)

    def judged(self, token: str) -> Judged:
        """Shown, and no contact."""
        return Judged(token, True, (), ())

    def contacts_of(self, key: str) -> tuple[str, ...]:
        """No contacts."""
        return ()

    def contact(self, contact: str) -> None:
        """No contacts."""


@pytest.mark.parametrize(
    ("known", "listed", "gone", "living"),
    [
        (meeting(copy()), (), ["google|501|g1"], 1),
        (meeting(copy()), ("g1",), [], 1),
        (meeting(copy(), copy(prefix="google|502|")), (), ["google|501|g1"], 1),
        (meeting(copy(prefix="office365|501|")), (), [], 0),
        (meeting(copy(state="deleted")), (), [], 0),
        (meeting(copy(state="cancelled")), ("g1",), [], 0),
        (meeting(copy(state="cancelled")), (), [], 0),
        (meeting(copy(created=SINCE - 1)), (), [], 0),
        (replace(meeting(copy()), view=None), (), [], 0),
        (meeting(copy(original=5, series="g0")), (), ["google|501|g1"], 1),
        (meeting(copy("g0"), copy(original=5, series="g0")), ("g0",), [], 1),
        (meeting(copy("g0", prefix="google|502|", user="502"), copy(original=5, series="g0")), (), ["google|501|g1"], 1),
        (meeting(copy(updated=LISTED_AT)), (), ["google|501|g1"], 1),
        (meeting(copy(updated=LISTED_AT + 1)), (), [], 1),
        (meeting(copy(what=content("2026-03-31T23:00"))), (), [], 1),
        (meeting(copy(what=content("2026-03-31T23:01"))), (), ["google|501|g1"], 1),
        (meeting(copy(what=content("2026-04-30T23:59"))), (), ["google|501|g1"], 1),
        (meeting(copy(what=content("2026-05-01T00:00"))), (), [], 1),
        (meeting(copy(what=content("2026-04-01T00:00", "PT0S"))), (), ["google|501|g1"], 1),
        (meeting(copy(what=content("2026-03-01T00:00", "P90D"))), (), ["google|501|g1"], 1),
        (meeting(copy(what=content("2025-04-07T10:00", rules=("FREQ=WEEKLY",)))), (), ["google|501|g1"], 1),
        (meeting(copy(what=content("2025-04-07T10:00", rules=("FREQ=WEEKLY;UNTIL=20251231",)))), (), [], 1),
        (meeting(copy(what=content("2026-05-02T10:00", rules=("FREQ=WEEKLY",)))), (), [], 1),
        (meeting(copy(what=content("2026-03-02T00:00", "P30D", rules=("FREQ=YEARLY",)))), (), [], 1),
        (meeting(copy(what=content("2026-03-03T00:00", "P30D", rules=("FREQ=YEARLY",)))), (), ["google|501|g1"], 1),
        (meeting(copy(what=content("2026-04-07T10:00", excluded=(datetime(2026, 4, 7, 10),), rules=("FREQ=YEARLY",)))), (), [], 1),
        (meeting(copy(what=content("2026-04-07T00:00", "P1D", all_day=True))), (), ["google|501|g1"], 1),
    ],
    ids=[
        "not listed",
        "listed",
        "only this mailbox's copy",
        "another provider's",
        "already deleted",
        "cancelled and listed",
        "cancelled, hence gone already",
        "created before the connection: it does not count",
        "in no timeline anyway",
        "an occurrence of a series that is not known",
        "an occurrence of a known series: it may be as the series again",
        "an occurrence of a series known in another mailbox only",
        "told at the listing's time",
        "told after the listing",
        "ends where the span begins",
        "ends a minute inside",
        "starts inside",
        "starts where the span ends",
        "without length at the span's beginning",
        "long, from before to after",
        "series through the span",
        "series that ended before",
        "series that begins after",
        "long occurrence that ends at the span's beginning",
        "long occurrence that reaches into the span",
        "its only occurrence excluded",
        "all-day",
    ],
)
def test_what_a_complete_listing_misses(known: Meeting, listed: tuple[str, ...], gone: list[str], living: int) -> None:
    assert missing(known, listed=listed) == (gone, living)


def test_a_copy_of_which_nothing_is_known_is_not_missed() -> None:
    bare = Sighting(key=f"{PREFIX}g1", side="calendar", provider="google", id="g1", revisions=(Revision(1, 1),))
    assert missing(meeting(bare)) == ([], 0)


@pytest.mark.parametrize(
    "known",
    [meeting(copy(created=SINCE - 1)), replace(meeting(copy()), view=None)],
    ids=["a copy that does not count", "in no timeline"],
)
def test_what_nobody_sees_is_gone_unseen(known: Meeting) -> None:
    found = missing_from(standing([known], PREFIX, Around()), frozenset(), SPAN, LISTED_AT)
    assert ([key for _, key in found.unseen], found.gone, found.known) == (["google|501|g1"], [], 0)


def test_living_copies_are_counted_over_all_meetings() -> None:
    known = [meeting(copy(f"g{n}")) for n in range(5)] + [meeting(copy("g9", state="deleted"))]
    gone, living = missing(*known, listed=("g0", "g1", "g2"))
    assert (gone, living) == (["google|501|g3", "google|501|g4"], 5)
