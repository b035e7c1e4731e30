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

from domain.errors import NotFound, RendezvousError, TryAgain

if TYPE_CHECKING:
    # Loaded where they are used: `rendezvous --help` need not wait for them.
    from domain.outside import Cursors
    from services.explain import Explained
    from services.reading import Reading
    from services.wiring import Installation

Account = Annotated[str, typer.Argument(help="The account (HubSpot portal id).")]
Data = Annotated[Path | None, typer.Option("--data", help="Folder of the embedded store and log. [default: ./data]", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, as the API would answer.")]

LETTERS = 1000
"""Dead letters of an account that are looked through for an event's id."""

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


def explain_or_its_letter(parts: Installation, account: str, what: str) -> Explained:
    """The explanation; of an event whose record nobody could read, that of its dead letter, which has the event's id in it."""
    explained = parts.explainer.explain(account, what)
    if explained.found:
        return explained
    try:
        letters = parts.dead.list(account, "", LETTERS, None)
    except TryAgain:  # the log that they stand in is away; the read models are not
        return explained
    letter = next((one.letter for one in letters if _id_in(one.body) == what), None)
    return explained if letter is None else parts.explainer.explain(account, letter)


def _id_in(body: bytes) -> object:
    try:
        told = msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None
    return told.get("id") if isinstance(told, dict) else None


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
        from services.printing import decided_by_meeting, print_explained

        parts = installation(data)
        explained = explain_or_its_letter(parts, account, what)
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
