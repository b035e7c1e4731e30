"""`rendezvous timeline` and `connections` say how fresh they are as the API does, and say it without a log and without providers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from msgspec.structs import replace
from typer.testing import CliRunner

from adapters.memory.cursors import MemoryCursors
from domain.errors import TryAgain
from domain.outside import Cursors, Link
from projections.bodies import stamp
from services.cli import app
from services.cli_reading import reading_of
from services.reading import Reading
from services.settings import Settings
from services.up import Engine
from services.wiring import Installation, now
from services.wiring_providers import FILE, Outside
from tests.examples import ACCOUNT, stage

ANA = Link(ACCOUNT, "google", "501")
READ_AT = 1_772_442_905_001


@pytest.fixture(autouse=True)
def quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    """A logger that was made for the runner's standard error would outlive it."""
    monkeypatch.setattr("services.cli.configure_logging", lambda _: None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An installation that was told the stage, and knows nothing of providers."""
    with closing(Installation(Settings(data=tmp_path))) as parts:
        parts.publisher.accept([json.dumps(event).encode() for event in stage()])
        engine = Engine(parts, lambda: False)
        while engine.turn():
            pass
    return tmp_path


def polled(folder: Path) -> None:
    """Ana's calendar was read to its end, and had nothing new."""
    with closing(Installation(Settings(data=folder))) as parts, closing(Outside(parts)) as outside:
        outside.cursors.want(ANA, "events", 0)
        (held,) = outside.cursors.claim(now(), 60_000, 1)
        outside.cursors.keep(replace(held, read_at=READ_AT))


def told(folder: Path, *args: str) -> dict[str, Any]:
    done = CliRunner().invoke(app, [*args, "--data", str(folder), "--json"], catch_exceptions=False)
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def last_read(answer: dict[str, Any]) -> str | None:
    found: str | None = (answer["freshness"] if "freshness" in answer else answer["connections"][0])["lastRead"]
    return found


@pytest.mark.parametrize("asked", [("timeline", ACCOUNT, "151"), ("connections", "list", ACCOUNT)], ids=["timeline", "connections"])
def test_a_calendar_that_was_read_and_had_nothing_new_is_as_fresh_as_it_was_read(folder: Path, asked: Sequence[str]) -> None:
    assert last_read(told(folder, *asked)) is None
    polled(folder)
    assert last_read(told(folder, *asked)) == stamp(READ_AT)


@pytest.mark.parametrize("asked", [("timeline", ACCOUNT, "151"), ("connections", "list", ACCOUNT)], ids=["timeline", "connections"])
def test_who_only_asks_makes_no_file_of_providers(folder: Path, asked: Sequence[str]) -> None:
    told(folder, *asked)
    assert not (folder / FILE).exists()


def test_a_log_that_is_away_keeps_nobody_from_an_answer() -> None:
    """A part of an installation whose log cannot be opened, of which only rounds need to know."""
    plain = Reading.__new__(Reading)

    def away(views: object, cursors: Cursors | None) -> Reading:
        raise TryAgain("no broker answers")

    shard = SimpleNamespace(views=None, reading=away)
    parts = SimpleNamespace(reading=plain, shard_of=lambda account: shard)
    assert reading_of(cast(Installation, parts), ACCOUNT, MemoryCursors(lambda: 0)) is plain
