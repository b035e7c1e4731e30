"""`rendezvous ingest`, the role that reads calendars and CRM."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    # Loaded where they are used: `rendezvous --help` need not wait for them.
    from services.monitor import Numbers
    from services.roles import Work
    from services.wiring import Installation

Data = Annotated[Path | None, typer.Option("--data", help="Folder of the embedded store and log. \\[default: ./data]", show_default=False)]
UntilIdle = Annotated[bool, typer.Option("--until-idle", help="End when nothing is due any more.")]

Wired = Callable[["Installation", "Numbers"], "Work"]


def add(app: typer.Typer, wired: Wired) -> None:
    """The command. `wired` makes the role's work of an installation, which tells the numbers how it is."""

    @app.command()
    def ingest(data: Data = None, until_idle: UntilIdle = False) -> None:
        """Read what changed in calendars and CRM, and put it in the source log.

        Example: rendezvous ingest --until-idle
        """
        from services import roles
        from services.cli import installation

        parts = installation(data, begins=True)
        roles.run("ingest", parts, lambda numbers: wired(parts, numbers), until_idle)
