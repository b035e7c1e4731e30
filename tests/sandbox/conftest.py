"""What the sandbox's tests share: a world that stands still, and the simulators as servers in it."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.sandbox.google import Google
from services.sandbox.shell import Sandbox
from services.sandbox.world import World

NOON = int(dt.datetime(2026, 3, 2, 12, 0, tzinfo=dt.UTC).timestamp() * 1000)
CONTRACTS = Path(__file__).parents[3] / "shared" / "contracts"


@pytest.fixture
def world() -> World:
    """It is noon of 2 March 2026, until a test moves it."""
    world = World(seed=7)
    world.freeze(NOON)
    return world


@pytest.fixture
def google(world: World) -> Google:
    """Ana and Bo have Google accounts; Ana lives in Paris."""
    google = Google(world)
    google.user("ana@acme.example", "Ana Ruiz", "Europe/Paris")
    google.user("bo@client.example", "Bo Lindqvist", "Europe/Stockholm")
    return google


@pytest.fixture
def sandbox(world: World, google: Google) -> Iterator[Sandbox]:
    """The Google simulator on free ports."""
    with Sandbox([google], world) as sandbox:
        yield sandbox


@pytest.fixture
def contract() -> Any:
    """Read a file of the contracts folder; the test is skipped where there is none."""

    def read(name: str) -> Any:
        if not CONTRACTS.exists():
            pytest.skip("no contracts folder beside this repository")
        return json.loads((CONTRACTS / name).read_text())

    return read


@pytest.fixture
def ana(sandbox: Sandbox, google: Google) -> Iterator[httpx.Client]:
    """Ana's program, at the Calendar API."""
    with _caller(sandbox, google.token("ana@acme.example")) as client:
        yield client


@pytest.fixture
def bo(sandbox: Sandbox, google: Google) -> Iterator[httpx.Client]:
    """Bo's program, at the Calendar API."""
    with _caller(sandbox, google.token("bo@client.example")) as client:
        yield client


def _caller(sandbox: Sandbox, token: str) -> httpx.Client:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.Client(base_url=f"{sandbox.url}/calendar/v3/", headers=headers, verify=False, trust_env=False)
