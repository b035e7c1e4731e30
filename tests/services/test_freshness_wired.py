"""How fresh a timeline is, in an installation on files: what its calendars' cursors say is what its readers are told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace

from domain.outside import Link
from projections.bodies import stamp
from services.settings import Settings
from services.up import Engine
from services.wiring import Installation, now
from services.wiring_providers import Outside
from tests.examples import ACCOUNT, stage

ANA = Link(ACCOUNT, "google", "501")


@pytest.fixture
def outside(tmp_path: Path) -> Iterator[Outside]:
    """An installation that was told the stage, and has read nothing yet."""
    with closing(Installation(Settings(data=tmp_path))) as parts, closing(Outside(parts)) as outside:
        parts.publisher.accept([json.dumps(event).encode() for event in stage()])
        engine = Engine(parts, lambda: False)
        while engine.turn():
            pass
        yield outside


def last_read(outside: Outside, polled: bool) -> str | None:
    reading = outside.parts.serving(outside.cursors if polled else None).reading
    reading.look(ACCOUNT)
    found: str | None = json.loads(reading.timeline(ACCOUNT, "151"))["freshness"]["lastRead"]
    return found


def test_a_round_without_news_is_told_to_readers_where_providers_are_set_up(outside: Outside) -> None:
    assert last_read(outside, True) is None
    outside.cursors.want(ANA, "events", 0)
    (held,) = outside.cursors.claim(now(), 60_000, 1)
    outside.cursors.keep(replace(held, read_at=1_772_442_905_001))
    assert (last_read(outside, True), last_read(outside, False)) == (stamp(1_772_442_905_001), None)
