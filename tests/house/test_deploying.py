"""What the composition, the board, the alerts and the page about them name is what the code has.

What must stay true: nobody watches a metric that nothing exposes, or sets a variable that nothing reads. Needs no engine.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from services.api import metrics as of_serve
from services.cli import app
from services.monitor import Numbers
from services.settings import Settings

ROOT = Path(__file__).parents[2]
COMPOSITION: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
OURS = ("migrate", "sync", "relay", "project", "serve")
OF_COMPOSE_ALONE = {"RENDEZVOUS_IMAGE"}
PAGES = ["docker-compose.yml", "Dockerfile", "docs/deploying.md"]
WATCHING = ["deploy/alerts.yml", "deploy/grafana/boards/rendezvous.json", "docs/deploying.md"]


def exposed() -> set[str]:
    """Every metric's name, without the endings that a histogram or a counter adds."""
    told = Numbers("sync").text().decode() + Path(of_serve.__file__).read_text("utf-8")
    return {plain(name) for name in re.findall(r"rendezvous_[a-z_]+", told)}


def plain(name: str) -> str:
    """A metric's name without what its kind adds."""
    return re.sub(r"_(total|bucket|count|sum|created)$", "", name)


@pytest.mark.parametrize("file", WATCHING)
def test_whatever_is_watched_is_exposed(file: str) -> None:
    named = {plain(name) for name in re.findall(r"rendezvous_[a-z_]+", (ROOT / file).read_text("utf-8"))}
    assert (len(named) > 4, named - exposed()) == (True, set())


@pytest.mark.parametrize("file", PAGES)
def test_whatever_is_set_is_read(file: str) -> None:
    known = {f"RENDEZVOUS_{name.upper()}" for name in Settings.model_fields} | OF_COMPOSE_ALONE
    named = set(re.findall(r"RENDEZVOUS_[A-Z_]*[A-Z]", (ROOT / file).read_text("utf-8")))
    # A table of the page writes the beginning that several have in common once.
    assert {name for name in named if not any(one.startswith(name) for one in known)} == set()


def test_every_service_of_ours_runs_the_command_of_its_name() -> None:
    commands = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    assert {name: COMPOSITION["services"][name]["command"] for name in OURS} == {name: [name] for name in OURS}
    assert set(OURS) <= commands


def test_nothing_is_published_beyond_loopback() -> None:
    published = [port for service in COMPOSITION["services"].values() for port in service.get("ports", [])]
    assert [port for port in published if not port.startswith("127.0.0.1:")] == []
    assert len(published) == 4


def test_every_image_of_others_has_its_version() -> None:
    images = {service["image"] for service in COMPOSITION["services"].values() if not service["image"].startswith("${")}
    assert {image for image in images if not re.search(r":v?\d+(\.\d+)*$", image)} == set()


def test_the_board_asks_the_data_source_that_is_provisioned() -> None:
    board = json.loads((ROOT / "deploy/grafana/boards/rendezvous.json").read_text())
    provisioned = yaml.safe_load((ROOT / "deploy/grafana/provisioning/datasources/prometheus.yml").read_text())
    assert {target["datasource"]["uid"] for panel in board["panels"] for target in panel["targets"]} == {
        provisioned["datasources"][0]["uid"]
    }
