"""`rendezvous sandbox` and `rendezvous up --sandbox` as somebody at a terminal meets them: processes of their own, whose addresses
are what they print, and a browser that presses buttons."""

from __future__ import annotations

import html
import os
import re
import signal
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx
import pytest

from services.cli_sandbox import ACCOUNT, ANA, BO
from tests.servers.kafka import free_port
from tests.servers.processes import Process

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

LONG = 40.0
"""Seconds after which something that should have happened is given up."""

START = "2036-03-03T09:00:00Z"
"""Of a meeting that is to come, whenever this is run."""


@contextmanager
def running(folder: Path, *command: str) -> Iterator[Process]:
    process = Process(command, {}, folder / "process")
    try:
        yield process
    finally:
        process.kill()


def eventually(found: Callable[[], Any], process: Process) -> Any:
    """What is found in the end, if it is anything. A process that ended by itself finds nothing any more."""
    until = time.monotonic() + LONG
    while not (it := found()):
        assert process.code is None, process.said
        assert time.monotonic() < until, f"not within {LONG:.0f} s; {process.told} {process.said[-1000:]}"
        time.sleep(0.1)
    return it


def printed(process: Process, pattern: str) -> str:
    """What a line says, once it is printed."""
    match = eventually(lambda: re.search(pattern, process.told), process)
    return str(match[1])


def interrupted(process: Process) -> int:
    """Ctrl-C; what it ended with."""
    os.kill(process.pid, signal.SIGINT)
    return process.ended()


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    """A browser, with its cookies."""
    with httpx.Client(trust_env=False, timeout=20, follow_redirects=True) as client:
        yield client


# --- the sandbox alone -----------------------------------------------------------------------------------------------------------


def test_the_sandbox_answers_at_the_addresses_it_prints_and_ends_in_order(tmp_path: Path, client: httpx.Client) -> None:
    with running(tmp_path, "sandbox", "--port", "0", "--https-port", "0") as process:
        settings = printed(process, r"(?s)(export RENDEZVOUS_GOOGLE_CLIENT_ID=.*HUBSPOT_API_URL=\S+)")
        url = printed(process, r"the sandbox is at (\S+)/sandbox/")
        secure, certificate = printed(process, r" and (https://\S+)"), printed(process, r"certificate of the latter: (\S+)")
        assert client.get(f"{url}/sandbox/").status_code == 200
        assert client.get(f"{url}/sandbox/hubspot/state").json()["portals"][0]["id"] == int(ACCOUNT)
        assert sorted(client.get(f"{url}/sandbox/google").json()["calendars"]) == [ANA, "ben@acme.example", BO]
        with httpx.Client(trust_env=False, verify=ssl.create_default_context(cafile=certificate)) as careful:
            assert careful.get(f"{secure}/sandbox/state").status_code == 200
        assert client.get(f"{_exported(settings)['RENDEZVOUS_OFFICE365_API_URL']}/me").status_code == 401
        assert interrupted(process) == 0
        assert process.said == ""


def _exported(lines: str) -> dict[str, str]:
    return dict(line.strip().removeprefix("export ").split("=", 1) for line in lines.splitlines())


def test_an_empty_sandbox_has_nobody_in_it(tmp_path: Path, client: httpx.Client) -> None:
    with running(tmp_path, "sandbox", "--port", "0", "--https-port", "0", "--empty") as process:
        url = printed(process, r"the sandbox is at (\S+)/sandbox/")
        assert client.get(f"{url}/sandbox/google").json()["calendars"] == {}
        assert client.get(f"{url}/sandbox/hubspot/state").json()["portals"] == []
        assert interrupted(process) == 0


# --- with an installation beside it ----------------------------------------------------------------------------------------------


def pressed(client: httpx.Client, link: str, address: str) -> str:
    """A link is opened, its button pressed, and consent given on the provider's page by whoever has this address; what the last page
    says."""
    there = client.post(link, data=_hidden(client.get(link).text))
    assert there.status_code == 200, there.text
    asked = _hidden(there.text)
    chosen = re.search(r'formaction="([^"]+)"', there.text)  # HubSpot has a button for each of its users
    action = chosen or re.search(r'<form method="post" action="([^"]+)"', there.text)
    assert action is not None
    answers = {"account": address, "consent": "allow", "decision": "accept"} if chosen is None else {}
    done = client.post(urljoin(str(there.url), html.unescape(action[1])), data={**asked, **answers})
    assert done.status_code == 200, done.text
    return done.text


def _hidden(text: str) -> dict[str, str]:
    found = re.findall(r'<input type="hidden" name="([^"]*)" value="([^"]*)">', text)
    return {html.unescape(name): html.unescape(value) for name, value in found}


def _invited(client: httpx.Client, sandbox: str) -> list[str]:
    """What Bo was invited to."""
    mails = client.get(f"{sandbox}/sandbox/mails").json()
    return [mail["title"] for mail in mails if mail["kind"] == "invitation" and mail["to"] == BO]


@pytest.mark.parametrize("provider", ["google", "office365"])
def test_who_clicks_through_the_printed_links_sees_a_scheduled_meeting_on_both_sides(
    provider: str, tmp_path: Path, client: httpx.Client
) -> None:
    data = str(tmp_path / "data")
    with running(tmp_path, "up", "--sandbox", "--port", str(free_port()), "--data", data) as process:
        api = printed(process, r"rendezvous is up: (\S+)/v1")
        sandbox = printed(process, r"an admin: (\S+)/sandbox/")
        links = dict(re.findall(r"^  (\w+) +(http\S+ticket=\S+)$", process.told, re.M))
        assert list(links) == ["hubspot", "google", "office365"]
        assert "HubSpot is connected" in pressed(client, links["hubspot"], ANA)
        assert f"of {ANA} is connected" in pressed(client, links[provider], ANA)
        again = client.post(links[provider], data=_hidden(client.get(links[provider]).text))
        assert (again.status_code, "was used before" in again.text) == (400, True)

        asked = {"user": ANA, "title": "Kick-off", "start": START, "contacts": [_contact(client, sandbox)]}
        assert client.post(f"{sandbox}/sandbox/hubspot/schedule", json=asked).status_code == 200
        token = _printed_by(tmp_path, "tokens", "create", ACCOUNT, "--scope", "timeline:read", "--data", data)
        shown = eventually(lambda: _timeline(client, api, token), process)
        assert [(entry["title"], entry["start"]) for entry in shown] == [("Kick-off", START)]
        assert eventually(lambda: _in_calendar(client, sandbox, provider), process) == ["Kick-off"]
        # His address may be read after the meeting was written: then he is invited to what is there.
        assert eventually(lambda: _invited(client, sandbox), process) == ["Kick-off"]
        assert interrupted(process) == 0
        assert "Traceback" not in process.said


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
def test_any_free_port_is_one_that_the_links_lead_to(host: str, tmp_path: Path, client: httpx.Client) -> None:
    with running(tmp_path, "up", "--sandbox", "--host", host, "--port", "0", "--data", str(tmp_path / "data")) as process:
        link = printed(process, r"  hubspot +(http://127\.0\.0\.1:[1-9]\d*/\S+ticket=\S+)")
        printed(process, r"rendezvous is up: (\S+)/v1")
        assert "Go on to HubSpot" in client.get(link).text
        assert interrupted(process) == 0
        assert process.said == ""


@pytest.mark.parametrize(
    "asked",
    [
        pytest.param(("sandbox", "--port", "0", "--https-port", "0", "--hooks", "https://crm.example"), id="of an installation elsewhere"),
        pytest.param(("sandbox", "--port", "0", "--https-port", "0", "--hooks", "nowhere"), id="of none"),
    ],
)
def test_webhooks_that_would_leave_this_machine_are_refused_in_a_line(asked: tuple[str, ...], tmp_path: Path) -> None:
    with running(tmp_path, *asked) as process:
        assert process.ended() == 2
        assert process.said == f"rendezvous: --hooks: {asked[-1]} is not on this machine, and the sandbox sends nothing to another\n"


def _contact(client: httpx.Client, sandbox: str) -> str:
    (portal,) = client.get(f"{sandbox}/sandbox/hubspot/state").json()["portals"]
    return next(str(one["id"]) for one in portal["contacts"] if BO in str(one))


def _printed_by(folder: Path, *command: str) -> str:
    process = Process(command, {}, folder / command[0])
    assert process.ended() == 0, process.said
    return process.told.strip()


def _timeline(client: httpx.Client, api: str, token: str) -> list[dict[str, Any]]:
    answer = client.get(f"{api}/v1/contacts/{BO}/timeline", headers={"authorization": f"Bearer {token}"})
    entries: list[dict[str, Any]] = answer.json().get("entries", [])  # 404 until the contact is known
    return entries


def _in_calendar(client: httpx.Client, sandbox: str, provider: str) -> list[str]:
    if provider == "google":
        return [item["summary"] for item in client.get(f"{sandbox}/sandbox/google").json()["calendars"][ANA]["items"]]
    events = client.post(f"{sandbox}/sandbox/office365/events", json={"address": ANA}).json()["result"]
    return [event["subject"] for event in events]
