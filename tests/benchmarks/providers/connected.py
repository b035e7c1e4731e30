"""An installation on files whose users' calendars are connected to a simulator, without anybody having clicked.

People and contacts are numbered: person 0 has the CRM user id "0" and the address `address_of(0)`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import msgspec

from domain.outside import Grant, Link
from services.bench import publish, relay_all
from services.sandbox.google import CLIENT
from services.settings import Settings
from services.wiring import Installation, now
from services.wiring_providers import Outside
from tests.examples import ACCOUNT, Event, configured, contact, hour, ticked, user

PUBLIC = "https://sync.example"
"""Where HubSpot believes that we are: what it signs says so."""

SECRET = "hubspot-secret"

_TOKEN_MS = 3_600_000
"""How long a simulator's access token is good."""


def address_of(number: int) -> str:
    """A person's."""
    return f"user{number}@acme.example"


def contact_at(number: int) -> str:
    """A contact's."""
    return f"contact{number}@client{number // 3}.example"


def with_google(data: Path, url: str) -> Outside:
    """An installation in this folder whose Google is the simulator at `url`."""
    google = {"google_login_url": url, "google_token_url": url, "google_api_url": f"{url}/calendar/v3"}
    return _installed(data, google_client_id=CLIENT, google_client_secret="sandbox", **google)


def with_hubspot(data: Path) -> Outside:
    """An installation in this folder to which HubSpot sends its webhooks."""
    return _installed(data, public_url=PUBLIC, hubspot_client_id="app", hubspot_client_secret=SECRET)


def _installed(data: Path, **more: Any) -> Outside:
    # What is given wins over variables and files, and a benchmark must not meet anybody's own store or keys.
    usual: dict[str, Any] = {"log": None, "store": None, "keys": None, "host": "127.0.0.1", "port": 0, "log_level": "error"}
    return Outside(Installation(Settings(data=data, **usual, **more)))


def stage(data: Path, people: int, contacts: int) -> None:
    """An account whose users and contacts are decided and folded."""
    publish(data, map(msgspec.json.encode, _staged(people, contacts)))
    outside = _installed(data)
    parts = outside.parts
    sync, project = parts.sync(), parts.project()
    while sync.step("0") is not None:
        pass
    relay_all(parts)
    while project.step():
        pass
    close(outside)


def _staged(people: int, contacts: int) -> Iterator[Event]:
    yield configured()
    yield from (user(str(number), address_of(number)) for number in range(people))
    yield from (contact(f"c{number}", contact_at(number)) for number in range(contacts))
    yield ticked()


def grant(outside: Outside, url: str, people: int) -> None:
    """Have the simulator's people grant us their calendars, since the story began; what follows of it, whoever reads finds out."""
    with httpx.Client(base_url=url, trust_env=False) as client:
        for number in range(people):
            answer = client.post("/sandbox/google/grant", json={"address": address_of(number)}).raise_for_status()
            access, refresh = answer.json()
            address = address_of(number)
            outside.grants.put(
                Grant(
                    link=Link(ACCOUNT, "google", str(number)),
                    id=f"g{number}",
                    access=access,
                    refresh=refresh,
                    expires_at=now() + _TOKEN_MS,
                    address=address,
                    calendar=address,
                    granted_at=int(hour(0).timestamp() * 1000),
                )
            )


def asked(url: str) -> int:
    """How many requests the simulator's Google has answered."""
    counts = httpx.get(f"{url}/sandbox/requests?last=1", trust_env=False).raise_for_status().json()["counts"]
    return sum(one["times"] for one in counts if one["simulator"] == "google")


def close(outside: Outside) -> None:
    """Close what was opened."""
    outside.close()
    outside.parts.close()
