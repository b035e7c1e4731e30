"""A copy judged by itself: whether a removal from a round's window says anything, what was known by when, whether it counts."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

import pytest

from domain import sighting
from domain.account import Account
from domain.connection import Connection, Window
from domain.contact import Contact
from domain.copies import counting, occurs, outside, removes_nothing, told
from domain.decisions import Rule
from domain.events import Content, Revision, Sighting
from domain.matching import Judged, judge
from domain.people import Person, key_of
from domain.source_events import SourceEvent, read
from tests.examples import deleted


def ms(text: str) -> int:
    """UTC in milliseconds."""
    return int(datetime.fromisoformat(text + "Z").timestamp() * 1000)


APRIL = (ms("2026-04-01T00:00"), ms("2026-05-01T00:00"))
INSIDE, ELSEWHERE = "2026-04-07T10:00", "2026-06-01T10:00"


def content(start: str = INSIDE, duration: str = "PT1H", **fields: Any) -> Content:
    """A meeting in UTC."""
    return Content(start=datetime.fromisoformat(start), duration=duration, time_zone="UTC", **fields)


def said(updated: int, what: Content | None = None, **more: Any) -> Revision:
    """One word about a copy."""
    return Revision(updated, updated, content=what, **more)


def removed(updated: int, span: tuple[int, int] | None = APRIL) -> Revision:
    """A removal that a round over `span` reported."""
    return Revision(updated, updated, "deleted", span=span)


def copy(
    *words: Revision,
    id: str = "g1",
    user: str = "501",
    provider: str = "google",
    side: str = "calendar",
    created: int | None = 15,
    **more: Any,
) -> Sighting:
    """A copy in a mailbox."""
    return Sighting(key=f"{provider}|{user}|{id}", side=side, provider=provider, id=id, user=user, created=created, revisions=words, **more)


# --- a removed id and the window of the round --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("what", "does"),
    [
        (content(), True),
        (content(ELSEWHERE), False),
        (content("2026-03-31T23:30"), True),
        (content("2026-03-31T22:00"), False),
        (content("2026-03-31T23:00"), False),
        (content("2026-05-01T00:00"), False),
        (content("2026-04-30T23:59"), True),
        (content("2026-04-01T00:00", "PT0S"), True),
        (content("2026-03-01T00:00", "P90D"), True),
        (content("2025-04-07T10:00", rules=("FREQ=WEEKLY",)), True),
        (content("2025-04-07T10:00", rules=("FREQ=WEEKLY;UNTIL=20251231",)), False),
        (content("2026-03-02T00:00", "P30D", rules=("FREQ=YEARLY",)), False),
        (content("2026-03-03T00:00", "P30D", rules=("FREQ=YEARLY",)), True),
        (content(rules=("FREQ=YEARLY",), excluded=(datetime.fromisoformat(INSIDE),)), False),
        (content("2026-02-07T10:00", added=(datetime.fromisoformat(INSIDE),)), True),
        (content("2026-04-30T00:00", "P1D", all_day=True), True),
    ],
    ids=[
        "inside",
        "elsewhere",
        "reaches into it",
        "before it",
        "ends where it begins",
        "starts at its end",
        "starts in its last minute",
        "without length at its beginning",
        "from before to after",
        "series through it",
        "series that ended before",
        "long occurrence that ends where it begins",
        "long occurrence that reaches into it",
        "its only occurrence excluded",
        "an added start inside",
        "all-day on its last day",
    ],
)
def test_what_occurs_in_a_window_is_removed_from_it_and_nothing_else(what: Content, does: bool) -> None:
    removal = removed(2)
    assert occurs(what, APRIL) is does
    assert removes_nothing(copy(said(1, what), removal), removal) is not does


def test_without_a_window_a_removal_is_a_removal() -> None:
    removal = removed(2, None)
    assert not removes_nothing(copy(said(1, content(ELSEWHERE)), removal), removal)


@pytest.mark.parametrize(
    ("window", "span"),
    [
        ({"from": "2026-04-01T00:00:00Z", "to": "2026-05-01T00:00:00Z"}, APRIL),
        ({"from": "2026-04-01T00:00:00Z"}, None),
        ({"to": "2026-05-01T00:00:00Z"}, None),
        ({}, None),
    ],
    ids=["both ends", "no end", "no beginning", "none"],
)
def test_a_window_has_two_ends_or_is_none(window: dict[str, str], span: tuple[int, int] | None) -> None:
    event = deleted()
    event["data"] |= window
    found = read(json.dumps(event).encode())
    assert isinstance(found, SourceEvent)
    assert sighting.revision(found).span == span


def test_a_removal_of_which_nothing_is_known_is_not_outside() -> None:
    removal = removed(2)
    assert not removes_nothing(copy(removal), removal)
    assert not removes_nothing(copy(said(1), removal), removal)


@pytest.mark.parametrize(
    ("starts", "nothing"),
    [((INSIDE, ELSEWHERE), True), ((ELSEWHERE, INSIDE), False)],
    ids=["moved out of it", "moved into it"],
)
def test_the_last_time_known_before_the_removal_counts_and_not_an_earlier_one(starts: tuple[str, str], nothing: bool) -> None:
    removal = removed(4)
    known = copy(said(1, content(starts[0])), said(2, content(starts[1])), said(3), removal)
    assert removes_nothing(known, removal) is nothing


def test_what_is_told_after_a_removal_counts_only_where_nothing_was_told_before() -> None:
    removal = removed(2)
    assert not removes_nothing(copy(said(1, content()), removal, said(3, content(ELSEWHERE))), removal)
    assert removes_nothing(copy(removal, said(3, content(ELSEWHERE))), removal)


ACTIVE = Window("google", "ana@acme.example", "", 10, 100)


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        ((said(20, content()), removed(30)), [20, 30]),
        ((said(20, content(ELSEWHERE)), removed(30)), [20]),
        ((said(20, content(ELSEWHERE)), removed(30, None)), [20, 30]),
        ((said(20, content()), said(99), said(100), said(120)), [20, 99]),
        ((said(100, content()),), None),
    ],
    ids=["a removal inside", "a removal from where it was not", "a plain removal", "until its connection ended", "nothing"],
)
def test_which_words_of_a_copy_count(words: tuple[Revision, ...], kept: list[int] | None) -> None:
    found = counting(copy(*words), Connection("501", windows=(ACTIVE,)))
    assert (None if found is None else [r.updated for r in found.revisions]) == kept


# --- what was known by when ----------------------------------------------------------------------------------------------------------

KICK_OFF = content(title="Kick-off", location="Room 4")
BUSY = content(ELSEWHERE)


@pytest.mark.parametrize(
    ("words", "known"),
    [
        ([said(1, KICK_OFF)], [(KICK_OFF, False)]),
        ([said(1, BUSY, hidden=True)], [(BUSY, True)]),
        ([said(1)], [(None, False)]),
        ([said(1, KICK_OFF), removed(2)], [(KICK_OFF, False), (KICK_OFF, False)]),
        ([removed(1), said(2, KICK_OFF)], [(None, True), (KICK_OFF, False)]),
        ([said(1, BUSY, hidden=True), said(2, KICK_OFF)], [(BUSY, True), (KICK_OFF, False)]),
        (
            [said(1, KICK_OFF), said(2, BUSY, hidden=True)],
            [(KICK_OFF, False), (content(ELSEWHERE, title="Kick-off", location="Room 4"), False)],
        ),
    ],
    ids=[
        "one word",
        "one word, details hidden",
        "one word without content",
        "what only an older word says is taken",
        "a deletion that came first",
        "details seen later",
        "hidden details are a time and nothing else",
    ],
)
def test_each_word_has_the_content_known_by_then(words: list[Revision], known: list[tuple[Content | None, bool]]) -> None:
    found = told(copy(*words))
    assert [(t.content, t.bare) for t in found] == known
    assert [t.revision for t in found] == words


# --- whether it counts -----------------------------------------------------------------------------------------------------------------


class Around:
    """Surroundings in memory: connections, and nobody else."""

    def __init__(self, **windows: tuple[Window, ...]) -> None:
        self.account = Account()
        self._windows = windows

    def connection(self, user: str) -> Connection:
        """The user's connection."""
        return Connection(user, windows=self._windows.get(f"user_{user}", ()))

    def person(self, token: str) -> Person:
        """Nobody is known."""
        return Person(key_of(token))

    def judged(self, token: str) -> Judged:
        """Judged each time anew."""
        return judge(token, self)

    def contacts_of(self, key: str) -> tuple[str, ...]:
        """Nobody is a contact."""
        return ()

    def contact(self, contact: str) -> Contact | None:
        """Nobody is a contact."""
        return None


LIVE = Around(user_501=(Window("google", "", "", 10),))
SWITCHED = Around(user_501=(Window("google", "", "", 10, 20), Window("office365", "", "", 20)))
BOTH = Around(user_501=(Window("google", "", "", 14),), user_502=(Window("google", "", "", 10),))
WORD = said(30, content())
FOCUS = said(30, kind="focus")


@pytest.mark.parametrize(
    ("seen", "others", "around", "rule"),
    [
        (copy(WORD), (), LIVE, None),
        (copy(WORD, created=10), (), LIVE, None),
        (copy(WORD, created=9), (), LIVE, Rule.ACTIVE_WINDOW),
        (copy(WORD, user="502"), (), LIVE, Rule.ACTIVE_WINDOW),
        (copy(WORD, provider="office365"), (), LIVE, Rule.ONE_CALENDAR),
        (copy(WORD, created=None), (), LIVE, Rule.ACTIVE_WINDOW),
        (copy(removed(30), created=None), (), LIVE, None),
        (copy(WORD, series="s1", created=15), (copy(WORD, id="s1", created=5),), LIVE, Rule.ACTIVE_WINDOW),
        (copy(WORD, series="s1", created=5), (copy(WORD, id="s1", created=15),), LIVE, None),
        (copy(WORD, created=19), (), SWITCHED, None),
        (copy(WORD, created=20), (), SWITCHED, Rule.ONE_CALENDAR),
        (copy(WORD, provider="office365", created=15), (), SWITCHED, Rule.ACTIVE_WINDOW),
        (copy(WORD, provider="office365", created=15), (copy(WORD, created=15),), SWITCHED, None),
        (copy(WORD, side="crm", created=1), (), LIVE, None),
        (copy(WORD, side="crm", origin="booking", created=1), (), LIVE, None),
        (copy(WORD, side="crm", origin="native-sync"), (), LIVE, None),
        (copy(WORD, side="crm", origin="native-sync", created=1), (), LIVE, Rule.ACTIVE_WINDOW),
        (copy(WORD, side="crm", origin="native-sync", created=1), (copy(WORD),), LIVE, None),
        (copy(WORD, side="crm", origin="native-sync"), (copy(WORD, created=1),), LIVE, Rule.ACTIVE_WINDOW),
        (copy(WORD, side="crm", origin="native-sync"), (copy(FOCUS),), LIVE, Rule.NOT_A_MEETING),
        (copy(WORD, side="crm", origin="native-sync"), (copy(WORD, user="502", created=5),), LIVE, Rule.ACTIVE_WINDOW),
        (copy(WORD, side="crm", origin="native-sync", created=1), (copy(WORD, user="502"),), LIVE, Rule.ACTIVE_WINDOW),
        (copy(WORD, side="crm", origin="native-sync", user="502"), (copy(WORD),), LIVE, Rule.ACTIVE_WINDOW),
        (copy(WORD, side="crm", origin="native-sync"), (copy(WORD, user="502", created=12),), BOTH, None),
    ],
    ids=[
        "created while connected",
        "created at the activation",
        "created before it",
        "of a user without connection",
        "of another provider while one is connected",
        "of unknown creation",
        "a tombstone of unknown creation",
        "an exception whose series was created before",
        "an exception whose series counts",
        "of the provider before a switch, from its time",
        "of the provider before a switch, created at the switch",
        "first seen through the provider after a switch",
        "seen through both",
        "a row",
        "a booking",
        "a row of HubSpot's own sync",
        "such a row from before",
        "such a row from before of a copy that counts",
        "such a row of a copy that does not",
        "such a row of focus time",
        "such a row of a meeting that another's copy tells to be older",
        "such a row from before, of a meeting that another's copy tells to be newer",
        "such a row of an unconnected user, of a copy that counts",
        "such a row of a meeting that another's window let in",
    ],
)
def test_a_copy_counts_or_the_rule_by_which_it_does_not(
    seen: Sighting, others: tuple[Sighting, ...], around: Around, rule: Rule | None
) -> None:
    assert outside(seen, (*others, seen), around) is rule
    assert outside(seen, (seen, *others), around) is rule
