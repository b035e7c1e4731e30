"""`rendezvous publish` and `translate`: how source events get into the log, and how providers' bodies become source events.

What must stay true: whoever publishes a file learns of each line what became of it; and a file is whatever can be read once, a pipe too.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import msgspec
import typer

from domain.errors import BadInput
from services.sentences import counted

if TYPE_CHECKING:
    # Loaded where they are used: `rendezvous --help` need not wait for them.
    from services.publish import Receipt

TOGETHER = 500
"""Lines that are appended in one transaction."""

Data = Annotated[Path | None, typer.Option("--data", help="Folder of the embedded store and log. \\[default: ./data]", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, one receipt a line, with the line of the file it is for.")]


class _Line(NamedTuple):
    """A line of a file that is not blank; counted from 1, blank ones too."""

    number: int
    text: bytes


def add(app: typer.Typer) -> None:
    """The commands."""
    _add_publish(app)
    _add_translate(app)


def _add_publish(app: typer.Typer) -> None:
    @app.command()
    def publish(
        file: Annotated[str, typer.Argument(help="A file of source events, one JSON a line; - for standard input.")],
        data: Data = None,
        json: Json = False,
        dry_run: Annotated[bool, typer.Option("--dry-run", help="Try the events without effect.")] = False,
    ) -> None:
        """Append source events to the log, and say what became of them; with --json, a receipt a line.

        Example: rendezvous publish events.ndjson --dry-run
        """
        from services.cli import console, installation

        lines = _lines(file)
        publisher = installation(data, begins=True).publisher
        outcomes: dict[str, int] = {}
        for chunk in _chunks(lines, TOGETHER):
            receipts = publisher.accept([line.text for line in chunk], dry_run=dry_run)
            for line, receipt in zip(chunk, receipts, strict=True):
                outcomes[receipt.outcome] = outcomes.get(receipt.outcome, 0) + 1
                _say(line.number, receipt, json)
        if not json:
            said = ", ".join(f"{count:,} {outcome}" for outcome, count in outcomes.items()) or "no events"
            console().print(("dry run: " if dry_run else "") + said)
        raise typer.Exit(1 if outcomes.get("rejected") else 0)


def _say(line: int, receipt: Receipt, json: bool) -> None:
    from services.cli import console, put

    if json:
        put({**msgspec.structs.asdict(receipt), "line": line})
    elif receipt.errors:
        reasons = "; ".join(f"{e.pointer or '(whole event)'} {e.reason}" for e in receipt.errors)
        say = console()
        say.print(f"line {line:,}: [red]rejected[/red] ", end="")
        say.print(f"{receipt.id or '(no id)'}: {reasons}", markup=False)


def _lines(file: str) -> Iterator[_Line]:
    """Raises `BadInput` at once if there is nothing to read, so that nothing is made for it."""
    if file == "-":
        return _numbered(sys.stdin.buffer)
    return _numbered(_readable(Path(file)).open("rb"))


def _numbered(lines: Any) -> Iterator[_Line]:
    with lines:
        yield from (_Line(number, text) for number, text in enumerate(lines, 1) if text.strip())


def _readable(file: Path) -> Path:
    """A file, a pipe or a device. Raises `BadInput`."""
    if file.is_dir():
        raise BadInput(str(file), "this is a folder; name a file in it")
    if not file.exists():
        raise BadInput("FILE", f"no such file: {file}")
    return file


def _chunks(lines: Iterator[_Line], size: int) -> Iterator[list[_Line]]:
    chunk: list[_Line] = []
    for line in lines:
        chunk.append(line)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


def _add_translate(app: typer.Typer) -> None:
    @app.command()
    def translate(
        provider: Annotated[str, typer.Argument(help="google, office365 or hubspot.")],
        files: Annotated[list[Path], typer.Argument(help="Provider bodies: JSON or, for hubspot, CSV.")],
        account: Annotated[str, typer.Option("--account", help="The account the bodies belong to.")],
        user: Annotated[str | None, typer.Option("--user", help="CRM user id of the calendar's owner, or of meetings without one.")] = None,
        calendar: Annotated[str | None, typer.Option("--calendar", help="The calendar's id.")] = None,
        since: Annotated[
            str | None, typer.Option("--from", help="Start of the window a Graph round was read with: 2026-03-09T10:00:00Z, or a date.")
        ] = None,
        until: Annotated[str | None, typer.Option("--to", help="End of that window.")] = None,
        owners: Annotated[Path | None, typer.Option("--owners", help="HubSpot owners (JSON or CSV): owner id to user id.")] = None,
        json: Annotated[bool, typer.Option("--json", help="Say what was refused as JSON, too, one object a line.")] = False,
    ) -> None:
        """Provider bodies to source events: NDJSON on standard output, what was refused on standard error.

        Example: rendezvous translate google page1.json page2.json --account 62515 --user 501 --calendar ana@acme.example
        """
        from services import wiring
        from services.cli import instant_of, put

        if provider not in ("google", "office365", "hubspot"):
            raise BadInput("PROVIDER", f"{provider!r} is none of google, office365, hubspot")
        if provider != "hubspot" and not user:
            raise BadInput("--user", f"required for {provider}: whose calendar is it?")
        window = _window(instant_of(since, "--from"), instant_of(until, "--to"))
        read = [(file, _bodies(file)) for file in files]
        bodies = [body for _, found in read for body in found]
        places = [str(file) for file, found in read for _ in found]
        owned = wiring.owners_map(_bodies(owners)) if owners else None
        told = wiring.translate(provider, bodies, account=account, user=user, calendar=calendar, window=window, owners=owned)
        for event in told.events:
            put(event)
        _say_left(told, places, json)
        raise typer.Exit(1 if told.refused else 0)


_NUMBERED = re.compile(r"^body (\d+)(?=, |$)")
"""How the adapters name a body that has no id: by its number. Whoever reads this knows it by its file."""


def _window(low: int | None, high: int | None) -> tuple[datetime, datetime] | None:
    from services.api.questions import span

    if (low is None) is not (high is None):
        raise BadInput("--to" if high is None else "--from", "a window has both ends")
    if low is None or high is None:
        return None
    span(low, high, "--to")
    return datetime.fromtimestamp(low / 1000, UTC), datetime.fromtimestamp(high / 1000, UTC)


def _say_left(told: Any, places: list[str], json: bool) -> None:
    """What is no source event yet, on standard error. `places`: where each body came from."""
    from services.cli import console

    def named(what: str) -> str:
        return _NUMBERED.sub(lambda body: places[int(body[1]) - 1], what)

    say = console(stderr=True)
    if json:
        left = [{"refused": named(one.what), "reason": one.reason} for one in told.refused]
        left += [{"readFirst": one.kind, "id": one.id} for one in told.hints]
        for one in left:
            say.print(msgspec.json.encode(one).decode(), markup=False)
        return
    for refused in told.refused:
        say.print(f"refused {named(refused.what)}: {refused.reason}", markup=False)
    for hint in told.hints:
        say.print(f"must be read first: {hint.kind} {hint.id}", markup=False)
    say.print(f"{counted(len(told.events), 'event')}, {len(told.refused):,} refused, {len(told.hints):,} to be read first")


def _bodies(file: Path) -> list[Any]:
    from services import wiring

    raw = _readable(file).read_bytes()
    if file.suffix.lower() == ".csv":
        try:
            return list(wiring.rows_of_csv(raw.decode("utf-8-sig")))
        except (UnicodeDecodeError, ValueError) as error:
            raise BadInput(str(file), f"no CSV: {error}") from error
    try:
        body = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise BadInput(str(file), f"no JSON: {error}") from error
    return [body]
