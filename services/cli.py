"""The command line: one verb a command, for people by default and as JSON with --json.

Exit codes: 0 it ran; 1 it ran, and something was refused or differs; 2 it could not run. Every error is one line that says what
is wrong and what to do, never a traceback.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from domain.errors import BadInput, NotFound, RendezvousError
from services import cli_reading

if TYPE_CHECKING:
    from domain.outside import Cursors
    from services.wiring import Installation
    from services.wiring_providers import Outside

app = typer.Typer(
    name="rendezvous",
    help="Keeps the meetings of a CRM and its users' calendars in step, and gives every contact a timeline.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Data = Annotated[Path | None, typer.Option("--data", help="Folder of the embedded store and log. [default: ./data]", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, as the API would answer.")]
AccountArg = Annotated[str, typer.Argument(help="The account (HubSpot portal id).")]
UntilIdle = Annotated[bool, typer.Option("--until-idle", help="End when there is nothing left to do.")]


def installation(data: Path | None, group: str | None = None) -> Installation:
    """The installation that the settings and this flag name; of the source log, the share of a consumer group."""
    from services.settings import Settings
    from services.wiring import Installation

    settings = Settings() if data is None else Settings(data=data)
    configure_logging(settings.log_level)
    return Installation(settings, group)


def configure_logging(level: str) -> None:
    """Log lines of this level and above, as JSON on standard error. Raises `BadInput`."""
    import orjson
    import structlog

    from services import tracing

    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise BadInput("RENDEZVOUS_LOG_LEVEL", f"{level!r} is none of debug, info, warning, error")
    tracing.listen(number <= logging.DEBUG)
    if number > logging.DEBUG:
        # What their clients say on the way is said once, in our words, by whoever asked for the connection.
        for chatty in ("psycopg.pool", "kafka"):
            logging.getLogger(chatty).addHandler(logging.NullHandler())
            logging.getLogger(chatty).propagate = False
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(serializer=orjson.dumps),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.BytesLoggerFactory(file=sys.stderr.buffer),
        cache_logger_on_first_use=True,
    )


def put(value: object) -> None:
    """One JSON value on a line of standard output."""
    body = value if isinstance(value, bytes) else msgspec.json.encode(value)
    sys.stdout.buffer.write(body + b"\n")
    sys.stdout.buffer.flush()


def console(stderr: bool = False) -> Any:
    """Where people read."""
    from rich.console import Console

    return Console(stderr=stderr, highlight=False, soft_wrap=True)


def instant_of(text: str | None, option: str, end_of_day: bool = False) -> int | None:
    """A time option in ms: RFC 3339, or a date (its midnight in UTC)."""
    if text is None:
        return None
    try:
        if len(text) == 10:
            at = datetime.combine(date.fromisoformat(text), datetime.min.time(), UTC)
            at += timedelta(days=1) if end_of_day else timedelta()
        else:
            at = datetime.fromisoformat(text)
    except ValueError as error:
        raise BadInput(option, f"{text!r} is no time; write 2026-03-09 or 2026-03-09T10:00:00Z") from error
    if at.tzinfo is None:
        at = at.replace(tzinfo=UTC)
    return int(at.timestamp() * 1000)


# --- upstream ------------------------------------------------------------------------------------------------------------------


@app.command()
def publish(
    file: Annotated[str, typer.Argument(help="A file of source events, one JSON a line; - for standard input.")],
    data: Data = None,
    json: Json = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Try the events without effect.")] = False,
) -> None:
    """Append source events to the log; one receipt a line.

    Example: rendezvous publish events.ndjson --dry-run
    """
    publisher = installation(data).publisher
    outcomes: dict[str, int] = {}
    for chunk in _chunks(_lines(file), 500):
        for receipt in publisher.accept(chunk, dry_run=dry_run):
            outcomes[receipt.outcome] = outcomes.get(receipt.outcome, 0) + 1
            if json:
                put(receipt)
            elif receipt.errors:
                reasons = "; ".join(f"{e.pointer or '(whole event)'} {e.reason}" for e in receipt.errors)
                console().print(f"[red]rejected[/red] {receipt.id or '(no id)'}: ", end="")
                console().print(reasons, markup=False)
    if not json:
        said = ", ".join(f"{count:,} {outcome}" for outcome, count in outcomes.items()) or "no events"
        console().print(("dry run: " if dry_run else "") + said)
    raise typer.Exit(1 if outcomes.get("rejected") else 0)


def _lines(file: str) -> Iterator[bytes]:
    if file == "-":
        yield from (line for line in sys.stdin.buffer if line.strip())
        return
    path = Path(file)
    if not path.is_file():
        raise BadInput("FILE", f"no such file: {file}")
    with path.open("rb") as lines:
        yield from (line for line in lines if line.strip())


def _chunks(lines: Iterator[bytes], size: int) -> Iterator[list[bytes]]:
    chunk: list[bytes] = []
    for line in lines:
        chunk.append(line)
        if len(chunk) == size:
            yield chunk
            chunk = []
    if chunk:
        yield chunk


@app.command()
def translate(
    provider: Annotated[str, typer.Argument(help="google, office365 or hubspot.")],
    files: Annotated[list[Path], typer.Argument(help="Provider bodies: JSON or, for hubspot, CSV.")],
    account: Annotated[str, typer.Option("--account", help="The account the bodies belong to.")],
    user: Annotated[str | None, typer.Option("--user", help="CRM user id of the calendar's owner, or of meetings without one.")] = None,
    calendar: Annotated[str | None, typer.Option("--calendar", help="The calendar's id.")] = None,
    since: Annotated[str | None, typer.Option("--from", help="Start of the window a Graph round was read with.")] = None,
    until: Annotated[str | None, typer.Option("--to", help="End of that window.")] = None,
    owners: Annotated[Path | None, typer.Option("--owners", help="HubSpot owners (JSON or CSV): owner id to user id.")] = None,
) -> None:
    """Provider bodies to source events: NDJSON on standard output, what was refused on standard error.

    Example: rendezvous translate google page1.json page2.json --account 62515 --user 501 --calendar ana@acme.example
    """
    from services import wiring

    if provider not in ("google", "office365", "hubspot"):
        raise BadInput("PROVIDER", f"{provider!r} is none of google, office365, hubspot")
    if provider != "hubspot" and not user:
        raise BadInput("--user", f"required for {provider}: whose calendar is it?")
    low, high = instant_of(since, "--from"), instant_of(until, "--to")
    if (low is None) is not (high is None):
        raise BadInput("--to" if high is None else "--from", "a window has both ends")
    window = None if low is None or high is None else (datetime.fromtimestamp(low / 1000, UTC), datetime.fromtimestamp(high / 1000, UTC))
    bodies = [body for file in files for body in _bodies(file)]
    owned = wiring.owners_map(_bodies(owners)) if owners else None
    told = wiring.translate(provider, bodies, account=account, user=user, calendar=calendar, window=window, owners=owned)
    for event in told.events:
        put(event)
    say = console(stderr=True)
    for refused in told.refused:
        say.print(f"refused {refused.what}: {refused.reason}", markup=False)
    for hint in told.hints:
        say.print(f"must be read first: {hint.kind} {hint.id}", markup=False)
    say.print(f"{len(told.events):,} events, {len(told.refused):,} refused, {len(told.hints):,} to be read first")
    raise typer.Exit(1 if told.refused else 0)


def _bodies(file: Path) -> list[Any]:
    from services import wiring

    if not file.is_file():
        raise BadInput("FILE", f"no such file: {file}")
    raw = file.read_bytes()
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


# --- the engine ------------------------------------------------------------------------------------------------------------------


@app.command("catch-up")
def catch_up(data: Data = None, json: Json = False) -> None:
    """Decide, relay and project until nothing is left, delivering nothing; print counts by outcome and rule.

    Example: rendezvous catch-up --json
    """
    from services.catch_up import catch_up as run

    counts = run(installation(data), show=sys.stderr.isatty() and not json)
    if json:
        put(counts)
        return
    _print_counts(counts)


def _print_counts(counts: Any) -> None:
    from rich.table import Table

    say = console()
    if not counts.decided:
        say.print("nothing new to decide")
        return
    table = Table("rule", "outcome", "source events", box=None, pad_edge=False)
    table.columns[2].justify = "right"
    for one in counts.by_rule:
        table.add_row(one.rule, one.outcome, f"{one.count:,}")
    say.print(table)
    say.print(f"{counts.decided:,} source events decided, {counts.relayed:,} domain events relayed, {counts.projected:,} projected")


@app.command()
def sync(data: Data = None, until_idle: UntilIdle = False) -> None:
    """Decide what the source log says, for ever. Several share its partitions.

    Example: rendezvous sync --until-idle
    """
    from services import roles

    roles.sync(installation(data, group=None if until_idle else "sync"), until_idle)


@app.command()
def relay(data: Data = None, until_idle: UntilIdle = False) -> None:
    """Put recorded domain events on the domain log, for ever. Of several, one works and the others stand by.

    Example: rendezvous relay --until-idle
    """
    from services import roles

    roles.relay(installation(data), until_idle)


@app.command()
def project(data: Data = None, until_idle: UntilIdle = False) -> None:
    """Fold the domain log into the read models, for ever. Of several, one works and the others stand by.

    Example: rendezvous project --until-idle
    """
    from services import roles

    roles.project(installation(data), until_idle)


@app.command()
def serve(
    data: Data = None,
    host: Annotated[str | None, typer.Option("--host", help="Address to listen on. [default: 127.0.0.1]", show_default=False)] = None,
    port: Annotated[int | None, typer.Option("--port", help="Port to listen on. [default: 8321]", show_default=False)] = None,
) -> None:
    """Answer the HTTP API from the read models, for ever.

    Example: rendezvous serve --port 8321
    """
    from services.serve import serve as run

    parts = installation(data)
    run(parts, host or parts.settings.host, parts.settings.port if port is None else port, _outside(parts))


@app.command()
def up(
    data: Data = None,
    host: Annotated[str | None, typer.Option("--host", help="Address to listen on. [default: 127.0.0.1]", show_default=False)] = None,
    port: Annotated[int | None, typer.Option("--port", help="Port to listen on. [default: 8321]", show_default=False)] = None,
    sandbox: Annotated[bool, typer.Option("--sandbox", help="With made-up providers beside it, to connect and act in.")] = False,
) -> None:
    """Everything in one process, embedded: logs, all roles and the API on a loopback port.

    Example: rendezvous up --sandbox
    """
    from services.up import up as run

    if sandbox:
        from services.cli_sandbox import up_with_sandbox

        up_with_sandbox(data, host, port)
        return
    parts = installation(data)
    outside = _outside(parts)
    run(parts, host or parts.settings.host, parts.settings.port if port is None else port, outside if outside.is_set_up else None)


@app.command()
def migrate(data: Data = None) -> None:
    """Make topics, tables and indexes, or bring them up to date. The embedded store migrates itself; safe twice and by two at once.

    Example: RENDEZVOUS_LOG=kafka://localhost:9092 RENDEZVOUS_STORE=postgresql://localhost/rendezvous rendezvous migrate
    """
    parts = installation(data)
    if (outside := _outside(parts)).is_set_up:
        _ = outside.envelope  # without keys the roles would begin and stop: said here, before anything is made
    for done in parts.migrate():
        console().print(done, markup=False)
    parts.opened()
    console().print("everything is up to date")


# --- readers and analysts ----------------------------------------------------------------------------------------------------


def _cursors(parts: Installation) -> Cursors | None:
    """How far calendars were read, where anybody keeps it: beside a database only for who has the keys, else in a file."""
    from services.wiring_providers import FILE

    outside = _outside(parts)
    if parts.on_postgres:
        return outside.cursors if outside.is_set_up and parts.settings.keys is not None else None
    return outside.cursors if (parts.settings.store_folder() / FILE).exists() else None


cli_reading.add(app, _cursors)


# --- operators -----------------------------------------------------------------------------------------------------------------


@app.command()
def rebuild(
    data: Data = None,
    json: Json = False,
    verify: Annotated[bool, typer.Option("--verify", help="Only compare; leave the live read models as they are.")] = False,
) -> None:
    """Build the read models anew beside the live ones, compare, and switch in one step.

    Example: rendezvous rebuild --verify
    """
    from services.rebuild import rebuild as run

    result = run(installation(data), switch=not verify, show=sys.stderr.isatty() and not json)
    if json:
        put(result)
    else:
        console().print(f"{result.events:,} domain events folded anew; {result.sentence}")
    raise typer.Exit(0 if result.equal else 1)


dead_letters = typer.Typer(help="Records that could not be read: list, show, retry, drop.", no_args_is_help=True)
app.add_typer(dead_letters, name="dead-letters")
Letter = Annotated[str, typer.Argument(help="A dead letter's id, from `dead-letters list`.")]


@dead_letters.command("list")
def dead_letters_list(
    data: Data = None,
    json: Json = False,
    account: Annotated[str | None, typer.Option("--account", help="Only this account's.")] = None,
    state: Annotated[str | None, typer.Option("--state", help="waiting, retried or dropped.")] = None,
) -> None:
    """List them.

    Example: rendezvous dead-letters list --state waiting
    """
    letters = installation(data).dead.list(account, "", 1000, state)
    for one in letters:
        if json:
            put({"letter": one.letter, "account": one.account, "state": one.state, "recordedAt": one.recorded_at, "errors": one.errors})
        else:
            reasons = "; ".join(f"{e['pointer'] or '(whole)'} {e['reason']}" for e in one.errors[:3])
            console().print(f"{one.letter}  {one.state}  account {one.account}  {reasons}", markup=False)
    if not json:
        console().print(f"{len(letters):,} dead letters")


@dead_letters.command("show")
def dead_letters_show(letter: Letter, data: Data = None) -> None:
    """Print the original bytes of one, and why it was refused (on standard error).

    Example: rendezvous dead-letters show 0-1843
    """
    one = _letter(installation(data), letter)
    for error in one.errors:
        console(stderr=True).print(f"{error['pointer'] or '(whole)'}: {error['reason']}", markup=False)
    sys.stdout.buffer.write(one.body + b"\n")


@dead_letters.command("retry")
def dead_letters_retry(letter: Letter, data: Data = None) -> None:
    """Publish one again, after what refused it was mended.

    Example: rendezvous dead-letters retry 0-1843
    """
    parts = installation(data)
    one = _letter(parts, letter)
    (receipt,) = parts.publisher.accept([one.body], ours=True)
    if receipt.outcome == "rejected":
        reasons = "; ".join(f"{e.pointer or '(whole)'} {e.reason}" for e in receipt.errors)
        raise BadInput(letter, f"still refused: {reasons}")
    parts.dead.mark(letter, "retried")
    console().print(f"{letter} is in the log again, at position {receipt.position}")


@dead_letters.command("drop")
def dead_letters_drop(letter: Letter, data: Data = None) -> None:
    """Mark one as not wanted.

    Example: rendezvous dead-letters drop 0-1843
    """
    parts = installation(data)
    _letter(parts, letter)
    parts.dead.mark(letter, "dropped")
    console().print(f"{letter} is dropped")


def _letter(parts: Installation, letter: str) -> Any:
    one = parts.dead.get(letter)
    if one is None:
        raise NotFound(f"no dead letter is called {letter}; see `rendezvous dead-letters list`")
    return one


held = typer.Typer(help="Deletions held for a person: list, release, discard.", no_args_is_help=True)
app.add_typer(held, name="held")
Hold = Annotated[str, typer.Argument(help="A hold's id, from `held list`.")]


@held.command("list")
def held_list(account: AccountArg, data: Data = None, json: Json = False) -> None:
    """List them.

    Example: rendezvous held list 62515
    """
    from services.held import holds

    found = holds(installation(data), account)
    for one in found:
        if json:
            put(one)
        else:
            console().print(f"{one.hold}  user {one.user}  {one.provider}  {one.deletions} of {one.known} meetings  since {one.since}")
    if not json:
        console().print("nothing is held" if not found else "1 hold" if len(found) == 1 else f"{len(found)} holds")


@held.command("release")
def held_release(account: AccountArg, hold: Hold, data: Data = None) -> None:
    """Let the deletions happen.

    Example: rendezvous held release 62515 62515-1f3a
    """
    from services.held import release

    console().print(f"{release(installation(data), account, hold):,} meetings are shown as cancelled now")


@held.command("discard")
def held_discard(account: AccountArg, hold: Hold, data: Data = None) -> None:
    """Drop the deletions: nothing was deleted.

    Example: rendezvous held discard 62515 62515-1f3a
    """
    from services.held import discard

    discard(installation(data), account, hold)
    console().print(f"{hold} is discarded: nothing was deleted")


tokens = typer.Typer(help="Bearer tokens of the API: create, list, revoke.", no_args_is_help=True)
app.add_typer(tokens, name="tokens")


@tokens.command("create")
def tokens_create(
    account: AccountArg,
    scope: Annotated[list[str], typer.Option("--scope", help="timeline:read, events:publish, history:read, ops; repeat for several.")],
    data: Data = None,
    label: Annotated[str, typer.Option("--label", help="What it is for.")] = "",
) -> None:
    """Make a token. It is shown once and stored hashed.

    Example: rendezvous tokens create 62515 --scope timeline:read --label 'sales dashboard'
    """
    print(installation(data).tokens.create(account, scope, label))  # standard output, for scripts


@tokens.command("list")
def tokens_list(data: Data = None, account: Annotated[str | None, typer.Option("--account")] = None) -> None:
    """List tokens, without what they are.

    Example: rendezvous tokens list
    """
    for one in installation(data).tokens.list(account):
        state = "revoked" if one.revoked else "live"
        console().print(f"{one.id}  account {one.account}  {' '.join(one.scopes)}  {state}  {one.label}", markup=False)


@tokens.command("revoke")
def tokens_revoke(token: Annotated[str, typer.Argument(help="A token's id, from `tokens list`.")], data: Data = None) -> None:
    """End a token.

    Example: rendezvous tokens revoke 1f3a
    """
    if not installation(data).tokens.revoke(token):
        raise NotFound(f"no token is called {token}; see `rendezvous tokens list`")
    console().print(f"{token} is revoked")


@app.command()
def doctor(data: Data = None, json: Json = False) -> None:
    """Look the installation over: files, positions, lag, dead letters, permissions, feeds, channels, deliveries.

    Example: rendezvous doctor
    """
    from services.doctor import examine

    report = examine(parts := installation(data), _outside(parts))
    if json:
        put(report)
    else:
        for check in report.checks:
            mark = "[green]ok  [/green]" if check.ok else "[red]look[/red]"
            console().print(f"{mark} {check.name}: ", end="")
            console().print(check.says, markup=False)
    raise typer.Exit(0 if report.ok else 1)


@app.command()
def bench(events: Annotated[int, typer.Option("--events", min=1000, help="Source events to measure with.")] = 20_000) -> None:
    """Measure this machine: source events decided and domain events folded, each beside its floor.

    Example: rendezvous bench --events 50000
    """
    from services.bench import bench as run

    run(events, console())


@app.command()
def demo(
    data: Annotated[
        Path | None, typer.Option("--data", help="Folder for the demo's data. [default: ./demo-data]", show_default=False)
    ] = None,
    serve_after: Annotated[bool, typer.Option("--serve/--no-serve", help="Leave the API running at the end.")] = True,
    port: Annotated[int, typer.Option("--port", help="Port of the API; 0: any free one.")] = 8321,
    live: Annotated[bool, typer.Option("--live/--no-live", help="Begin with a story told against made-up providers.")] = True,
) -> None:
    """A day in the life of an account: play it, print what happened by rule, a timeline, and why a meeting is missing.

    Example: rendezvous demo --no-serve
    """
    from services.demo import demo as run

    run(data, serve_after, port, console(), live)


def _outside(parts: Installation) -> Outside:
    from services.wiring_providers import Outside

    return Outside(parts)


def _add_providers() -> None:
    """The commands about providers, each in a module of its own."""
    from services import cli_connections, cli_deliver, cli_ingest, cli_sandbox

    def roles() -> Any:
        from services import roles

        return roles

    cli_ingest.add(app, lambda parts, numbers: roles().ingesting(_outside(parts), numbers))
    cli_deliver.add(app, lambda parts, numbers: roles().delivering(_outside(parts), numbers), lambda parts: _outside(parts).deliveries)
    cli_connections.add(
        app,
        lambda parts: _outside(parts).connecting(),
        lambda parts: _outside(parts).keeping(),
        lambda parts, account: cli_reading.reading_of(parts, account, _cursors(parts)),
    )
    cli_sandbox.add(app)


_add_providers()


def main() -> None:
    """The entry point: errors become one line and exit code 2."""
    with _one_line_errors():
        app()


@contextmanager
def _one_line_errors() -> Iterator[None]:
    try:
        yield
    except RendezvousError as error:
        print(f"rendezvous: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except BrokenPipeError:
        raise SystemExit(1) from None
    except OSError as error:
        print(f"rendezvous: {error.strerror or error}: {error.filename or ''}".rstrip(": "), file=sys.stderr)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
