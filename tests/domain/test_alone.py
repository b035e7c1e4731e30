"""The short way of settling a meeting says what the long way says, wherever it says anything."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.account import Account
from domain.alone import alone
from domain.connection import Connection, Window
from domain.contact import Contact
from domain.events import Content, Guest, Revision, Sighting
from domain.matching import Judged, judge
from domain.people import KEY_LENGTH, Person, key_of
from domain.settling import settle, settle_any

ANA, BO, CY, DEE = (name.ljust(KEY_LENGTH, "_") + ".1" for name in ("ana", "bo", "cy", "dee"))
START = datetime(2026, 4, 7, 10)


class Around:
    """Ana is a user, Bo two contacts, Cy of the own domain, and Dee nobody."""

    def __init__(self, *windows: Window) -> None:
        self.account = Account(domains=("own.example",), users={"501": (key_of(ANA),)}, user_keys={key_of(ANA): "501"})
        self._connection = Connection("501", windows=windows)

    def connection(self, user: str) -> Connection:
        return self._connection if user == "501" else Connection()

    def person(self, token: str) -> Person:
        return Person(key_of(token), "x@y.example", None, "own.example" if token == CY else "y.example")

    def judged(self, token: str) -> Judged:
        return judge(token, self)

    def contacts_of(self, key: str) -> tuple[str, ...]:
        return ("151", "152") if key == key_of(BO) else ()

    def contact(self, contact: str) -> Contact | None:
        return Contact(contact)


OPEN = Window("google", "primary", ANA, 10)


def content(**more: Any) -> Content:
    """Ana with Bo and Cy."""
    return Content(**{"start": START, "duration": "PT1H", "guests": (Guest(ANA, owner=True), Guest(BO), Guest(CY)), **more})


def copy(*revisions: Revision, **more: Any) -> Sighting:
    """Ana's copy, made while her calendar was connected."""
    told = {"user": "501", "created": 15, **more}
    return Sighting("google|501|g1", "calendar", "google", "g1", revisions=revisions, **told)


def test_a_confirmed_meeting_in_one_calendar_takes_the_short_way() -> None:
    found = alone(copy(Revision(20, 1, content=content(title="Kick-off"))), Around(OPEN))
    assert found is not None
    [part] = found.view.parts
    assert (part.shown.title, part.shown.contacts) == ("Kick-off", ("151", "152"))
    assert [d.rule.value for d in found.decisions] == ["crm-user", "contact-match", "contact-match", "own-domain"]


@pytest.mark.parametrize(
    ("seen", "windows"),
    [
        (copy(Revision(20, 1, "cancelled", content=content())), (OPEN,)),
        (copy(Revision(20, 1, "deleted")), (OPEN,)),
        (copy(Revision(20, 1, private=True)), (OPEN,)),
        (copy(Revision(20, 1, hidden=True, content=content())), (OPEN,)),
        (copy(Revision(20, 1, kind="focus")), (OPEN,)),
        (copy(Revision(20, 1, content=content()), Revision(21, 2, "deleted")), (OPEN,)),
        (copy(Revision(20, 1, content=content(rules=("FREQ=DAILY",))), Revision(21, 2, content=content())), (OPEN,)),
        (copy(Revision(20, 1, content=content()), created=9), (OPEN,)),
        (copy(Revision(20, 1, content=content()), created=None), (OPEN,)),
        (copy(Revision(20, 1, content=content()), original=5), (OPEN,)),
        (copy(Revision(20, 1, content=content()), series="g0"), (OPEN,)),
        (copy(Revision(20, 1, content=content())), ()),
        (copy(Revision(20, 1, content=content())), (Window("google", "primary", ANA, 10, 30),)),
        (copy(Revision(20, 1, content=content())), (Window("office365", "primary", ANA, 10),)),
    ],
    ids=[
        "cancelled",
        "deleted",
        "private",
        "details hidden",
        "no meeting",
        "deleted later",
        "a series before",
        "from before",
        "of unknown age",
        "an occurrence",
        "of a series",
        "never connected",
        "connected no more",
        "the other provider",
    ],
)
def test_where_another_rule_has_a_say_the_long_way_is_taken(seen: Sighting, windows: tuple[Window, ...]) -> None:
    assert alone(seen, Around(*windows)) is None


maybe = st.none() | st.integers(5, 25)
guests = st.lists(
    st.builds(
        Guest, st.sampled_from([ANA, BO, CY, DEE]), st.sampled_from(["accepted", "declined", "needs-action"]), st.booleans(), st.booleans()
    ),
    max_size=4,
).map(tuple)
contents = st.builds(
    Content,
    start=st.integers(0, 3).map(lambda days: START + timedelta(days=days)),
    duration=st.sampled_from(["PT1H", "PT30M"]),
    title=st.none() | st.just("Kick-off"),
    time_zone=st.none() | st.just("Europe/Paris"),
    all_day=st.booleans(),
    tentative=st.booleans(),
    guests=guests,
    rules=st.sampled_from([(), (), ("FREQ=WEEKLY;COUNT=3",)]),
    added=st.sampled_from([(), (), (START + timedelta(days=9),)]),
)
revisions = st.builds(
    Revision,
    updated=st.integers(5, 30),
    event=st.integers(1, 9),
    state=st.sampled_from(["confirmed"] * 6 + ["cancelled", "deleted"]),
    hidden=st.sampled_from([False] * 6 + [True]),
    private=st.sampled_from([False] * 6 + [True]),
    kind=st.sampled_from(["meeting"] * 6 + ["focus"]),
    content=st.none() | contents | contents | contents,
)
copies = st.builds(
    copy,
    created=maybe,
    original=st.sampled_from([None, None, None, 7]),
    series=st.sampled_from([None, None, None, "g0"]),
    origin=st.sampled_from(["user", "rendezvous", "booking"]),
    uid=st.none() | st.just("u"),
)
windows = st.lists(
    st.builds(Window, st.sampled_from(["google", "office365"]), st.just("primary"), st.just(ANA), st.integers(5, 25), maybe), max_size=2
)


@given(copies, st.lists(revisions, min_size=1, max_size=3), windows)
def test_both_ways_say_the_same(seen: Sighting, said: list[Revision], connected: list[Window]) -> None:
    in_order = tuple(sorted(said, key=lambda r: r.updated))
    one = Sighting(**{field: getattr(seen, field) for field in seen.__struct_fields__ if field != "revisions"}, revisions=in_order)
    around = Around(*connected)
    assert settle((one,), around) == settle_any((one,), around)
