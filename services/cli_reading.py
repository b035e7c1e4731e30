"""`rendezvous timeline`, `explain` and `history`: what readers and analysts ask at a terminal.

What must stay true: an answer is as fresh as it says, and says it as the API does: also of calendars that were read and had nothing
new; and a log that is away keeps nobody from an answer, which then says only what the read models know.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import msgspec
import typer

from domain.errors import NotFound, RendezvousError

if TYPE_CHECKING:
    # Loaded where they are used: `rendezvous --help` need not wait for them.
    from domain.outside import Cursors
    from services.reading import Reading
    from services.wiring import Installation

Account = Annotated[str, typer.Argument(help="The account (HubSpot portal id).")]
Data = Annotated[Path | None, typer.Option("--data", help="Folder of the embedded store and log. [default: ./data]", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, as the API would answer.")]

Opened = Callable[["Installation"], "Cursors | None"]


def reading_of(parts: Installation, account: str, cursors: Cursors | None) -> Reading:
    """Answers about this account, as fresh as its calendars' cursors say, where there are any."""
    shard = parts.shard_of(account)
    try:
        reading = shard.reading(shard.views, cursors)
    except RendezvousError:  # the log that rounds are compared with is not there; the read models are
        return parts.reading
    reading.look(account)
    return reading


def add(app: typer.Typer, opened: Opened) -> None:
    """The commands. `opened` tells how far an installation's calendars were read, None if nobody keeps that."""
    _add_timeline(app, opened)
    _add_why(app)


def _add_timeline(app: typer.Typer, opened: Opened) -> None:
    @app.command()
    def timeline(
        account: Account,
        who: Annotated[str, typer.Argument(help="A contact's CRM id, or an e-mail address.")],
        data: Data = None,
        json: Json = False,
        as_of: Annotated[str | None, typer.Option("--as-of", help="As it was recorded at this time (ours).")] = None,
        since: Annotated[str | None, typer.Option("--from", help="Entries that end after this time.")] = None,
        until: Annotated[str | None, typer.Option("--to", help="Entries that start before this time.")] = None,
        limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="At most this many entries.")] = 50,
    ) -> None:
        """A contact's timeline.

        Example: rendezvous timeline 62515 bo@client.example --from 2026-03-01
        """
        from services.cli import console, installation, instant_of, put
        from services.printing import print_timeline

        low, high = instant_of(since, "--from"), instant_of(until, "--to", end_of_day=True)
        at = instant_of(as_of, "--as-of")
        parts = installation(data)
        try:
            body = reading_of(parts, account, opened(parts)).timeline(account, who, low=low, high=high, as_of=at, limit=limit)
        except NotFound:
            if json:
                put({"entries": [], "next": None, "previous": None})
            else:
                console().print(f"No contact {who} is known in account {account}. Try: rendezvous explain {account} {who}")
            raise typer.Exit(1) from None
        if json:
            put(body)
        else:
            print_timeline(console(), msgspec.json.decode(body))


def _add_why(app: typer.Typer) -> None:
    @app.command()
    def explain(
        account: Account,
        what: Annotated[str, typer.Argument(help="A source event's id, a meeting, a side's id, a contact, or an address.")],
        data: Data = None,
        json: Json = False,
    ) -> None:
        """Why something is, or is not, in a timeline: a sentence, then every decision with its rule.

        Example: rendezvous explain 62515 bo@client.example
        """
        from services.cli import console, installation, put
        from services.printing import print_explained

        explained = installation(data).explainer.explain(account, what)
        if json:
            put(explained)
        else:
            print_explained(console(), msgspec.to_builtins(explained))
        raise typer.Exit(0 if explained.found else 1)

    @app.command()
    def history(
        account: Account, meeting: Annotated[str, typer.Argument(help="A meeting's id.")], data: Data = None, json: Json = False
    ) -> None:
        """A meeting's domain events, in order.

        Example: rendezvous history 62515 0195573e-a800-8f7c-9c1e-0f2b6a7c1d11
        """
        from services.cli import console, installation, put
        from services.printing import print_history

        body = installation(data).reading.history(account, meeting)
        if json:
            put(body)
        else:
            print_history(console(), msgspec.json.decode(body))
