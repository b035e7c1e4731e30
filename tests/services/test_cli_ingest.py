"""`rendezvous ingest`: the role runs until there is nothing to do, over the installation that the flags name."""

from __future__ import annotations

from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from adapters.memory.channels import MemoryChannels
from adapters.memory.cursors import MemoryCursors
from adapters.memory.inbox import MemoryInbox
from services import cli_ingest
from services.ingest import Ingest, Ingesting
from services.monitor import Numbers
from services.settings import Settings
from services.wiring import Installation, now
from tests.examples import meeting
from tests.services.test_ingest import ANA, Script, done, page


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    # It would bind the loggers of this process to what the runner captures, for all tests after this.
    monkeypatch.setattr("services.cli.configure_logging", lambda _: None)


def test_what_is_due_is_read_into_the_installations_log(tmp_path: Path) -> None:
    cursors = MemoryCursors(now)
    cursors.want(ANA, "events", 0)
    feed = Script([page(meeting("g1")), done("t1")])

    def wired(parts: Installation, _: Numbers) -> Ingesting:
        ingest = Ingest(cursors, MemoryInbox(), MemoryChannels(), {("google", "events"): feed}, {}, parts.publisher, now)
        return Ingesting(ingest, threads=2)

    app = typer.Typer()
    cli_ingest.add(app, wired)
    app.command("another")(lambda: None)  # with one command alone, its name would not be asked for
    outcome = CliRunner().invoke(app, ["ingest", "--until-idle", "--data", str(tmp_path / "data")])
    assert outcome.exit_code == 0, outcome.output
    parts = Installation(Settings(data=tmp_path / "data"))
    assert (feed.values, parts.source.end("0"), [one.reason for one in cursors.all()]) == ([None], 1, [None])
    parts.close()
