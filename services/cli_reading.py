"""`rendezvous timeline`, `explain` and `history`: what readers and analysts ask at a terminal.

What must stay true: an answer is as fresh as it says, and says it as the API does: also of calendars that were read and had nothing
new; and a log that is away keeps nobody from an answer, which then says only what the read models know.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from domain.errors import BadInput, NotFound, RendezvousError

if TYPE_CHECKING:
    # Loaded where they are used: `rendezvous --help` need not wait for them.
    from domain.outside import Cursors
    from services.progress import Progress
    from services.reading import Reading
    from services.wiring import Installation

Account = Annotated[str, typer.Argument(help="The account (HubSpot portal id).")]
Data = Annotated[Path | None, typer.Option("--data", help="Folder of the embedded store and log. \\[default: ./data]", show_default=False)]
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


def progress_of(parts: Installation, account: str) -> Progress | None:
    """How far the engine has come with this account; None where a log is away."""
    try:
        shard = parts.shard_of(account)
        return shard.progress(shard.views)
    except RendezvousError:
        return None


def given(argument: str, name: str) -> None:
    """Raises `BadInput` for an argument that says nothing: a variable that a script did not set."""
    if not argument.strip():
        raise BadInput(name, "empty; name one")


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
        as_of: Annotated[
            str | None, typer.Option("--as-of", help="As it was recorded at this time (ours): 2026-03-09T10:00:00Z, or a date.")
        ] = None,
        since: Annotated[str | None, typer.Option("--from", help="Entries that end after this time, or date (UTC).")] = None,
        until: Annotated[str | None, typer.Option("--to", help="Entries that start before this time, or the end of this date.")] = None,
        limit: Annotated[int, typer.Option("--limit", min=1, max=1000, help="At most this many entries.")] = 50,
    ) -> None:
        """A contact's timeline.

        Example: rendezvous timeline 62515 bo@client.example --from 2026-03-01
        """
        from services.api.questions import span
        from services.cli import console, installation, instant_of, put
        from services.printing import print_timeline

        low, high = instant_of(since, "--from"), instant_of(until, "--to", end_of_day=True)
        span(low, high, "--to")
        at = instant_of(as_of, "--as-of")
        given(account, "ACCOUNT")
        given(who, "WHO")
        parts = installation(data)
        try:
            body = reading_of(parts, account, opened(parts)).timeline(account, who, low=low, high=high, as_of=at, limit=limit)
        except NotFound as error:
            if json:
                put({"entries": [], "next": None, "previous": None})
            else:
                console().print(f"{error}. Try: rendezvous explain {account} {who}", markup=False)
            raise typer.Exit(1) from None
        if json:
            put(body)
        else:
            print_timeline(console(), msgspec.json.decode(body))


def _shown(reading: Reading, account: str, meetings: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Of these meetings those that stand in a timeline, as readers see them."""
    found = {}
    for meeting in meetings:
        with suppress(NotFound):
            found[meeting] = msgspec.json.decode(reading.meeting(account, meeting))
    return found


def _add_why(app: typer.Typer) -> None:
    @app.command()
    def explain(
        account: Account,
        what: Annotated[str, typer.Argument(help="A source event's id, a meeting, a side's id, a contact, or an address.")],
        data: Data = None,
        json: Json = False,
        limit: Annotated[int, typer.Option("--limit", min=1, max=200, help="Of several meetings, print at most this many.")] = 10,
    ) -> None:
        """Why something is, or is not, in a timeline: a sentence, then every decision with its rule.

        Example: rendezvous explain 62515 bo@client.example
        """
        from services.cli import console, installation, put
        from services.explain import with_logs
        from services.printing import decided_by_meeting, print_explained

        given(account, "ACCOUNT")
        given(what, "WHAT")
        parts = installation(data)
        explained = parts.explainer.explain(account, what)
        if explained.check or not parts.on_kafka:  # a broker is asked only where the answer is in doubt: it may be away
            explained = with_logs(explained, account, parts.explainer, parts.dead, progress_of(parts, account))
        if json:
            put(explained)
        else:
            told = msgspec.to_builtins(explained)
            shown = _shown(parts.reading, account, list(decided_by_meeting(told))[:limit])
            print_explained(console(), told, shown, limit)
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
