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

from adapters.envelope import keys_of
from services import deliver, monitor
from services.api import metrics as of_serve
from services.cli import app
from services.live import Town
from services.monitor import Numbers
from services.sandbox.shell import Sandbox
from services.settings import Settings
from services.wiring_providers import PROVIDERS

ROOT = Path(__file__).parents[2]
COMPOSITION: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())


class WithOverrides(yaml.SafeLoader):  # type: ignore[misc] # PyYAML brings no types
    """Knows compose's own tags, and reads what they are on as if they were not there."""


WithOverrides.add_constructor("!override", lambda loader, node: loader.construct_sequence(node))
TOWN: dict[str, Any] = yaml.load((ROOT / "deploy/sandbox.yml").read_text(), WithOverrides)
OURS = ("migrate", "sync", "relay", "project", "ingest", "deliver", "serve")
OF_COMPOSE_ALONE = {"RENDEZVOUS_IMAGE"}
PAGES = ["docker-compose.yml", "deploy/sandbox.yml", "Dockerfile", "docs/deploying.md"]
WATCHING = ["deploy/alerts.yml", "deploy/grafana/boards/rendezvous.json", "docs/deploying.md"]


def exposed() -> set[str]:
    """Every metric's name, without the endings that a histogram or a counter adds."""
    told = Numbers("sync").text().decode()
    told += "".join(Path(str(module.__file__)).read_text("utf-8") for module in (of_serve, deliver, monitor))
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


@pytest.mark.parametrize(("composition", "ports"), [(COMPOSITION, 4), (TOWN, 2)], ids=["docker-compose.yml", "deploy/sandbox.yml"])
def test_nothing_is_published_beyond_loopback(composition: dict[str, Any], ports: int) -> None:
    published = [port for service in composition["services"].values() for port in service.get("ports", [])]
    assert [port for port in published if not port.startswith("127.0.0.1:")] == []
    assert len(published) == ports


def test_a_town_s_roles_are_told_what_the_sandbox_says_of_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    told = TOWN["x-providers"]
    monkeypatch.setattr(Sandbox, "url", "http://sandbox.localhost:8400")
    assert {f"RENDEZVOUS_{name.upper()}": value for name, value in Town().settings().items()} == {
        name: value for name, value in told.items() if name not in ("RENDEZVOUS_PUBLIC_URL", "RENDEZVOUS_KEYS")
    }
    assert {name for name, service in TOWN["services"].items() if service.get("environment") == told} == {
        "migrate",
        "ingest",
        "deliver",
        "serve",
    }


def test_a_town_s_settings_can_be_used(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in TOWN["x-providers"].items():
        monkeypatch.setenv(name, value)
    settings = Settings()
    assert (settings.public(), [settings.app_of(provider) is None for provider in PROVIDERS]) == ("http://127.0.0.1:8321", [False] * 3)
    assert settings.keys is not None
    assert list(keys_of(settings.keys.get_secret_value())) == ["sandbox"]


def test_every_image_of_others_has_its_version() -> None:
    images = {service["image"] for service in COMPOSITION["services"].values() if not service["image"].startswith("${")}
    assert {image for image in images if not re.search(r":v?\d+(\.\d+)*$", image)} == set()


def test_the_board_asks_the_data_source_that_is_provisioned() -> None:
    board = json.loads((ROOT / "deploy/grafana/boards/rendezvous.json").read_text())
    provisioned = yaml.safe_load((ROOT / "deploy/grafana/provisioning/datasources/prometheus.yml").read_text())
    assert {target["datasource"]["uid"] for panel in board["panels"] for target in panel["targets"]} == {
        provisioned["datasources"][0]["uid"]
    }
