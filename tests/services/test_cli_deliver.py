"""`rendezvous deliver` and `rendezvous deliveries`, as an operator sees them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from adapters.memory.deliveries import MemoryDeliveries
from adapters.memory.keys import MemoryKeys
from adapters.vault import SealingVault
from domain.errors import NotFound, Refused
from domain.outside import Deliveries, Request, Written
from domain.people import Person
from services import cli, cli_deliver, roles
from services.deliver import Deliver, Delivering
from services.monitor import Numbers
from services.settings import Settings
from services.wiring import Installation
from tests.outgoing import DELIVERY, HUBSPOT, MEETING, granted, request


class Refusing:
    """A provider that does nothing for anybody."""

    def write(self, request: Request, people: dict[str, Person]) -> Written:
        raise Refused("google answered 403 forbiddenForNonOrganizer")


class Office:
    """The command line around these deliveries, without a process."""

    def __init__(self, folder: Path) -> None:
        self.deliveries = MemoryDeliveries()
        self.parts = Installation(Settings(data=folder))
        self.app = typer.Typer()
        cli_deliver.add(self.app, self.wired, self.opened)

    def wired(self, parts: Installation, numbers: Numbers) -> Delivering:
        vault = SealingVault(MemoryKeys())
        return Delivering(Deliver(self.deliveries, {"google": Refusing()}, granted(), vault, parts.publisher, lambda: 5), numbers)

    def opened(self, parts: Installation) -> Deliveries:
        return self.deliveries

    def said(self, *words: str) -> str:
        found = CliRunner().invoke(self.app, list(words), catch_exceptions=False)
        assert found.exit_code == 0
        return found.output


@pytest.fixture
def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Office:
    office = Office(tmp_path)
    monkeypatch.setattr(cli, "installation", lambda data, **_: office.parts)
    monkeypatch.setattr(roles, "settle_in", lambda: None)  # this process does other things after it
    return office


def lines(told: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in told.splitlines()]


def test_the_role_runs_until_nothing_is_due(office: Office) -> None:
    office.deliveries.put([request(guests=())])
    office.said("deliver", "--until-idle")
    [record] = office.parts.source.read("0", 0, 10)
    assert json.loads(record.body)["id"] == f"{DELIVERY}:failed"


def test_a_list_says_where_each_goes_and_why_it_waits(office: Office) -> None:
    office.deliveries.put([request(guests=()), request(HUBSPOT, id="f" * 32)])
    office.said("deliver", "--until-idle")
    [failed, waiting, total] = office.said("deliveries", "list").splitlines()
    assert failed == f"{DELIVERY}  failed  create google  account 62515  tries 1  google answered 403 forbiddenForNonOrganizer"
    assert waiting.startswith(f"{'f' * 32}  failed  create hubspot")
    assert total == "2 deliveries"
    assert [one["delivery"] for one in lines(office.said("deliveries", "list", "--json", "--state", "waiting"))] == []


def test_a_list_as_json_and_by_state_holds_nothing_of_what_the_meeting_says(office: Office) -> None:
    office.deliveries.put([request(), request(HUBSPOT, id="f" * 32)])
    first, second = lines(office.said("deliveries", "list", "--json", "--state", "waiting", "--account", "62515"))
    assert first == {
        "delivery": DELIVERY,
        "state": "waiting",
        "account": "62515",
        "provider": "google",
        "user": "501",
        "meeting": str(MEETING),
        "action": "create",
        "tries": 0,
        "dueAt": "1970-01-01T00:00:00.001Z",
    }
    assert (second["provider"], second["user"]) == ("hubspot", "501")


def test_one_is_shown_in_full(office: Office) -> None:
    office.deliveries.put([request(action="update", copy="e1", changed=("title", "time"))])
    shown = office.said("deliveries", "show", DELIVERY)
    assert "changed   title, time" in shown
    assert "copy      e1" in shown
    assert "Proposal" not in shown


def test_what_failed_is_tried_again_and_nothing_else(office: Office) -> None:
    office.deliveries.put([request(guests=())])
    with pytest.raises(NotFound, match="is waiting"):
        office.said("deliveries", "retry", DELIVERY)
    office.said("deliver", "--until-idle")
    assert office.said("deliveries", "retry", DELIVERY) == f"{DELIVERY} waits again\n"
    assert [one.state for one in office.deliveries.all(None, None, "", 10)] == ["waiting"]


@pytest.mark.parametrize(("done", "state"), [("retry", "waiting"), ("drop", "superseded")])
def test_what_becomes_of_one_that_failed_is_told_as_json(office: Office, done: str, state: str) -> None:
    office.deliveries.put([request(guests=())])
    office.said("deliver", "--until-idle")
    told = json.loads(office.said("deliveries", done, DELIVERY, "--json"))
    assert (told["delivery"], told["state"]) == (DELIVERY, state)


def test_an_unknown_one_is_named(office: Office) -> None:
    with pytest.raises(NotFound, match="no delivery is called abc"):
        office.said("deliveries", "show", "abc")
