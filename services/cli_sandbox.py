"""`rendezvous sandbox`: made-up providers on this machine, and `rendezvous up --sandbox`, an installation connected to them.

What must stay true: everything listens on loopback, unless somebody says otherwise; what stands in a sandbox is gone when it ends.
"""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from domain.errors import BadInput
from domain.outside import Link

if TYPE_CHECKING:
    # Loaded where they are used: `rendezvous --help` need not wait for them.
    from services.live import Town

ACCOUNT, ANA, BEN, BO = "62515", "ana@acme.example", "ben@acme.example", "bo@client.example"
USER = "501"
"""Ana's CRM user id: the first in a portal."""
HTTP, HTTPS, LOOPBACK = 8400, 8443, "127.0.0.1"

Port = Annotated[int, typer.Option("--port", min=0, max=65535, help="Port of the simulators; 0: any free one.")]
SecurePort = Annotated[
    int, typer.Option("--https-port", min=0, max=65535, help="The same with TLS, which some clients insist on; 0: any free one.")
]
Seed = Annotated[int, typer.Option("--seed", help="What chance begins with: the same gives the same ids.")]
Host = Annotated[str, typer.Option("--host", help="Address to listen on. Beyond loopback, whoever reaches it may act in it.")]
Hooks = Annotated[str | None, typer.Option("--hooks", help="Where the CRM's webhooks go: an installation's address on this machine.")]
Empty = Annotated[bool, typer.Option("--empty", help="With nobody in it.")]


def add(app: typer.Typer) -> None:
    """The command."""

    @app.command()
    def sandbox(
        port: Port = HTTP,
        https_port: SecurePort = HTTPS,
        seed: Seed = 0,
        empty: Empty = False,
        host: Host = LOOPBACK,
        hooks: Hooks = None,
    ) -> None:
        """Made-up providers on this machine: Google Calendar, Microsoft Graph and HubSpot, over real HTTP.

        Act in them on the page that is printed, or over /sandbox/...; any of their client libraries can be pointed at them.

        Example: rendezvous sandbox --port 8400
        """
        from services.cli_listening import must_be_free
        from services.live import Town
        from services.running import Stopping

        must_be_free(host, port)
        must_be_free(host, https_port, "--https-port")
        town = Town(seed, port, https_port, host)
        with closing(town.sandbox):
            town.sandbox.start()
            if not empty:
                people(town)
            if hooks is not None:
                _send_webhooks(town, hooks, "--hooks")
            if host != LOOPBACK:
                _say(f"it listens on {host}: nobody is asked for a password, so let no stranger reach it")
            _say(f"the sandbox is at {town.sandbox.url}/sandbox/ and {town.sandbox.https_url} (stop with Ctrl-C)")
            _say(f"certificate of the latter: {town.sandbox.certificate}")
            _say("an installation is pointed at it by:")
            for name, value in town.settings().items():
                _say(f"  export RENDEZVOUS_{name.upper()}={value}")
            with Stopping() as stopping:
                while not stopping.wait(0.5):
                    pass


def people(town: Town) -> None:
    """A portal with two who work there and a contact, and their calendars."""
    town.hubspot.portal(int(ACCOUNT), "Acme")
    for address, first, last in ((ANA, "Ana", "Ruiz"), (BEN, "Ben", "Kaya")):
        town.hubspot.user(address, first, last)
        town.google.user(address, f"{first} {last}", "Europe/Paris")
        town.office365.user(address, f"{first} {last}")
    town.hubspot.contact(BO, "Bo", "Lindqvist")
    town.google.user(BO, "Bo Lindqvist", "Europe/Stockholm")


def up_with_sandbox(data: Path | None, host: str | None, port: int | None) -> None:
    """`rendezvous up` with a sandbox in the same process, which sends its webhooks here."""
    from services.cli import configure_logging, settings_of
    from services.cli_listening import wanted
    from services.folder import bring_in
    from services.live import Town, free_port
    from services.settings import Settings
    from services.up import up
    from services.wiring import Installation
    from services.wiring_providers import Outside

    usual = settings_of(data)
    listens, chosen = wanted(usual, host, port)
    at = listens, chosen or free_port()
    configure_logging(usual.log_level)
    town = Town()
    with closing(town.sandbox):
        town.sandbox.start()
        people(town)
        told: dict[str, Any] = {} if data is None else {"data": data}
        where = f"http://{_reached(listens)}:{at[1]}"
        _send_webhooks(town, where, "--host")
        parts = Installation(Settings(**told, **town.settings(public_url=where)))
        outside = Outside(parts)
        _say(f"act as a salesperson, a guest or an admin: {town.sandbox.url}/sandbox/")
        _say("connect in a browser, as Ana; each link opens once:")
        for link in (Link(ACCOUNT, "hubspot"), Link(ACCOUNT, "google", USER), Link(ACCOUNT, "office365", USER)):
            _say(f"  {link.provider:<10} {outside.connecting().hand_over(link).url}")
        _say("then ask, for instance:")
        _say(f"  rendezvous timeline {ACCOUNT} {BO}" + ("" if data is None else f" --data {data}"))
        try:
            up(parts, *at, outside)
        finally:
            outside.close()
            parts.close()
            bring_in(parts.settings)


def _reached(host: str) -> str:
    """How this machine reaches what listens on this address, as a URL has it."""
    host = {"0.0.0.0": LOOPBACK, "::": "::1"}.get(host, host)  # noqa: S104 - compared with, not bound to
    return f"[{host}]" if ":" in host else host


def _send_webhooks(town: Town, where: str, option: str) -> None:
    """Have the CRM tell an installation what changes. Raises `BadInput`, with the option that says where that is, if it is not here."""
    from services.sandbox.world import NotLoopback

    try:
        town.hubspot.subscribe(f"{where}/v1/hooks/hubspot")
    except NotLoopback as error:
        raise BadInput(option, f"{where} is not on this machine, and the sandbox sends nothing to another") from error


def _say(line: str) -> None:
    print(line, flush=True)
