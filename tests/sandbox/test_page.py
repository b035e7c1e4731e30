"""The control page is served as it lies there, lets no text become a script, and asks for nothing the simulators do not know."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from services.sandbox.entra import Entra
from services.sandbox.entra_directory import Directory
from services.sandbox.google import Google
from services.sandbox.hubspot import HubSpot
from services.sandbox.office365 import Office365
from services.sandbox.page import STATIC, page
from services.sandbox.shell import Sandbox
from services.sandbox.wire import Simulator
from services.sandbox.world import World

SCRIPT = (STATIC / "sandbox.js").read_text("utf-8")
# How the script names an act: a helper's argument for HubSpot, a path of the control API for the others.
ACTS = {("hubspot", verb) for verb in re.findall(r'hubspotAct\([^,]+, "(\w+)"', SCRIPT)} | {
    (name, verb) for name, verb in re.findall(r'"POST", "(google|office365|hubspot)/(\w+)"', SCRIPT)
}


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    world = World()
    directory = Directory(world)
    simulators: list[Simulator] = [HubSpot(world), Google(world), Office365(world, directory), Entra(world, directory)]
    with Sandbox(simulators, world, page=page) as sandbox, httpx.Client(base_url=sandbox.url, trust_env=False) as made:
        yield made


def test_the_page_and_its_files_are_served(client: httpx.Client) -> None:
    shown = client.get("/sandbox/")
    assert (shown.status_code, shown.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    files = re.findall(r'(?:href|src)="([^"]+)"', shown.text)
    assert sorted(Path(file).name for file in files) == ["sandbox.css", "sandbox.js"]
    kinds = {file: client.get(file).headers["Content-Type"].partition(";")[0] for file in files}
    assert set(kinds.values()) == {"text/css", "text/javascript"}


def test_the_page_is_found_without_its_last_slash(client: httpx.Client) -> None:
    assert client.get("/sandbox").headers["Location"] == "/sandbox/"


@pytest.mark.parametrize(
    "path", ["/sandbox/static/page.py", "/sandbox/static/../page.py", "/sandbox/static/nothing.js", "/sandbox/nothing"]
)
def test_nothing_else_is_served(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 404


def test_only_the_pages_own_script_runs(client: httpx.Client) -> None:
    shown = client.get("/sandbox/")
    assert "script-src 'self'" in shown.headers["Content-Security-Policy"]
    assert re.findall(r"<script[^>]*>[^<]", shown.text) == []
    assert re.findall(r"\son\w+=", shown.text) == []


def test_no_text_is_put_into_the_page_as_html() -> None:
    assert re.findall(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", SCRIPT) == []


def test_the_script_names_acts() -> None:
    assert {("hubspot", "schedule"), ("hubspot", "book"), ("google", "event"), ("office365", "event")} <= ACTS


@pytest.mark.parametrize(("simulator", "verb"), sorted(ACTS))
def test_every_act_of_the_page_is_known_to_its_simulator(client: httpx.Client, simulator: str, verb: str) -> None:
    # Without sensible arguments it is refused or done, but it is not unknown.
    assert client.post(f"/sandbox/{simulator}/{verb}", json={}).status_code != 404


def test_what_the_page_reads_is_there(client: httpx.Client) -> None:
    client.post("/sandbox/hubspot/portal", json={"id": 62515, "name": "Acme"})
    client.post("/sandbox/hubspot/user", json={"email": "ana@acme.example"})
    state = client.get("/sandbox/state").json()
    assert state.keys() >= {"clock", "simulators", "faults", "mails", "pushes"}
    portal = state["simulators"]["hubspot"]["portals"][0]
    assert portal.keys() >= {"id", "name", "users", "contacts", "companies", "deals", "tickets", "meetings"}
    assert state["simulators"]["google"].keys() >= {"users", "calendars"}
    assert state["simulators"]["office365"].keys() >= {"mailboxes"}
