"""A calendar that takes none of our tokens any more, while its authorisation server goes on renewing them: the connection is lost once,
with a sentence for a person, nobody goes on asking, and after connecting again nothing is missing and nothing is there twice."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec import json

from services import deliver, ingest
from services.access import SURE_MS
from services.live import Live, Town
from services.story import ACCOUNT, ANA
from services.wiring import now
from tests.end_to_end.two_sides import Sides

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

API = {"google": "^/calendar/", "office365": "^/v1.0/"}
SENTENCE = {
    "google": "Google Calendar refuses every token, new ones too: the permission may have been withdrawn there. Connect again",
    "office365": "Office 365 refuses every token, new ones too: the permission may have been withdrawn there. Connect again",
}


@pytest.fixture(params=sorted(API))
def sides(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sides]:
    """Connected, and settled; pauses for the providers' sake are short."""
    monkeypatch.setattr(ingest, "_AWAITED_MS", 20)
    monkeypatch.setattr(ingest, "_FIRST_MS", 100)
    monkeypatch.setattr(deliver, "_FIRST_MS", 100)
    with Live(Town(), tmp_path / "data") as live:
        made = Sides(live, str(request.param), monkeypatch)
        made.connect()
        yield made


def _later(ms: int) -> Callable[[], int]:
    return lambda: now() + ms


def _asked(sides: Sides) -> int:
    """How often the calendar was since it was last asked that."""
    asked = [one for one in sides.town.world.requests.last if one.request.path.startswith(API[sides.provider][1:])]
    sides.town.world.requests.clear()
    return len(asked)


def _shown(sides: Sides) -> list[tuple[str, str | None]]:
    rows = [json.decode(row.body) for row in sides.live.parts.views.connections(ACCOUNT)]
    return [(row["state"], row.get("reason")) for row in rows]


def test_tokens_that_are_renewed_and_refused_lose_the_connection_once_and_nothing_else(
    sides: Sides, monkeypatch: pytest.MonkeyPatch
) -> None:
    grants, link = sides.live.outside.grants, sides.calendar
    deaf = sides.town.world.faults.add("status", status=401, simulator=sides.provider, path=API[sides.provider], times=None)
    sides.make("While away", 9)
    _asked(sides)
    sides.live.settle()
    first = grants.get(link)
    assert first is not None
    assert (_asked(sides) > 0, first.state, _shown(sides)) == (True, "live", [("active", None)])

    monkeypatch.setattr(sides.live.outside.access, "_clock", _later(SURE_MS))
    sides.live.settle()
    lost = grants.get(link)
    assert lost is not None
    assert (lost.state, lost.reason, lost.access, lost.refresh) == ("lost", SENTENCE[sides.provider], "", None)
    assert _shown(sides) == [("deauthorised", SENTENCE[sides.provider])]
    assert len(sides.told("rendezvous.connection.deauthorised.v1")) == 1
    [cursor] = [one for one in sides.live.outside.cursors.all() if one.link == link]
    assert cursor.reason == SENTENCE[sides.provider]

    _asked(sides)
    for _ in range(2):
        sides.live.settle()
    assert (_asked(sides), len(sides.told("rendezvous.connection.deauthorised.v1"))) == (0, 1)

    sides.town.world.faults.rules.remove(deaf)
    monkeypatch.setattr(sides.live.outside.access, "_clock", now)
    sides.live.connect(link, ANA)
    sides.schedule("Called back", 10)
    sides.live.settle(listened=False)
    assert [one.title for one in sides.in_timeline()] == ["Called back", "While away"]
    assert sides.in_calendar() == sides.in_crm() == sides.in_timeline()
    assert sides.invited() == {"Called back": 1, "While away": 1}
