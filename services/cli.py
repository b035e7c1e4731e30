"""The command line: one verb a command, for people by default and as JSON with --json.

Exit codes: 0 it ran; 1 it ran, and something was refused, differs or is not known; 2 it could not run. Every error is one line that
says what is wrong and what to do, never a traceback.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import msgspec
import typer
from typer.core import TyperGroup

from domain.errors import BadInput, NotFound, RendezvousError
from services import cli_listening, cli_operators, cli_reading, cli_upstream

if TYPE_CHECKING:
    from domain.outside import Cursors
    from services.settings import Settings
    from services.wiring import Installation
    from services.wiring_providers import Outside


class _Commands(TyperGroup):
    """All of them. Whoever reads may stop when he has seen enough (`rendezvous explain ... | head`)."""

    def invoke(self, ctx: Any) -> Any:
        """See click, of which typer has a copy of its own or not, by its version."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            # What is left goes nowhere, also when the interpreter empties its buffers at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(0) from None


app = typer.Typer(
    name="rendezvous",
    cls=_Commands,
    help="Keeps the meetings of a CRM and its users' calendars in step, and gives every contact a timeline.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Data = Annotated[Path | None, typer.Option("--data", help="Folder of the embedded store and log. \\[default: ./data]", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, as the API would answer.")]
Host = Annotated[str | None, typer.Option("--host", help="Address to listen on. \\[default: 127.0.0.1]", show_default=False)]
Port = Annotated[
    int | None, typer.Option("--port", min=0, max=65535, help="Port to listen on; 0: any free. \\[default: 8321]", show_default=False)
]
UntilIdle = Annotated[bool, typer.Option("--until-idle", help="End when there is nothing left to do.")]


def installation(data: Path | None, group: str | None = None, begins: bool = False, broken: bool = False) -> Installation:
    """The installation that the settings and this flag name; of the source log, the share of a consumer group. Raises `AskAPerson` if
    it is in files and there are none yet, unless this `begins` one; `BadInput` for a setting, and, unless it is to be looked at though
    `broken`, for a file that is no database."""
    from services import folder
    from services.wiring import Installation

    settings = settings_of(data)
    configure_logging(settings.log_level)
    folder.must_be_folder(settings)
    if not begins:
        folder.must_exist(settings)
    if not broken:
        folder.must_be_databases(settings)
    return Installation(settings, group)


def settings_of(data: Path | None) -> Settings:
    """What the settings and this flag say. Raises `BadInput`."""
    from services.settings import Settings

    return Settings() if data is None else Settings(data=data)


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
    from services.printing import Paper

    return Paper(stderr=stderr, highlight=False, soft_wrap=True)


def instant_of(text: str | None, option: str, end_of_day: bool = False) -> int | None:
    """A time option in ms, as the API reads its own. Raises `BadInput`."""
    from services.api.questions import moment

    return None if text is None else moment(text, option, end_of_day)


# --- upstream and the engine -------------------------------------------------------------------------------------------------


cli_upstream.add(app)


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

    roles.sync(installation(data, group=None if until_idle else "sync", begins=True), until_idle)


@app.command()
def relay(data: Data = None, until_idle: UntilIdle = False) -> None:
    """Put recorded domain events on the domain log, for ever. Of several, one works and the others stand by.

    Example: rendezvous relay --until-idle
    """
    from services import roles

    roles.relay(installation(data, begins=True), until_idle)


@app.command()
def project(data: Data = None, until_idle: UntilIdle = False) -> None:
    """Fold the domain log into the read models, for ever. Of several, one works and the others stand by.

    Example: rendezvous project --until-idle
    """
    from services import roles

    roles.project(installation(data, begins=True), until_idle)


@app.command()
def serve(
    data: Data = None,
    host: Host = None,
    port: Port = None,
) -> None:
    """Answer the HTTP API from the read models, for ever.

    Example: rendezvous serve --port 8321
    """
    from services import folder
    from services.serve import serve as run

    at = cli_listening.wanted(settings_of(data), host, port)
    parts = installation(data, begins=True)
    try:
        run(parts, *at, _outside(parts))
    finally:
        folder.bring_in(parts.settings)


@app.command()
def up(
    data: Data = None,
    host: Host = None,
    port: Port = None,
    sandbox: Annotated[bool, typer.Option("--sandbox", help="With made-up providers beside it, to connect and act in.")] = False,
) -> None:
    """Everything in one process, embedded: logs, all roles and the API on a loopback port.

    Example: rendezvous up --sandbox
    """
    from services import folder
    from services.up import up as run

    if sandbox:
        from services.cli_sandbox import up_with_sandbox

        up_with_sandbox(data, host, port)
        return
    at = cli_listening.wanted(settings_of(data), host, port)
    parts = installation(data, begins=True)
    outside = _outside(parts)
    try:
        run(parts, *at, outside if outside.is_set_up else None)
    finally:
        folder.bring_in(parts.settings)


@app.command()
def migrate(data: Data = None, json: Json = False) -> None:
    """Make topics, tables and indexes, or bring them up to date. The embedded store migrates itself; safe twice and by two at once.

    Example: RENDEZVOUS_LOG=kafka://localhost:9092 RENDEZVOUS_STORE=postgresql://localhost/rendezvous rendezvous migrate
    """
    parts = installation(data, begins=True)
    if (outside := _outside(parts)).is_set_up:
        _ = outside.envelope  # without keys the roles would begin and stop: said here, before anything is made
    done = parts.migrate()
    for line in () if json else done:
        console().print(line, markup=False)
    parts.opened()
    if json:
        put({"done": done})
    else:
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
cli_operators.add(app)


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


@app.command()
def doctor(data: Data = None, json: Json = False) -> None:
    """Look the installation over: files, positions, lag, dead letters, permissions, feeds, channels, deliveries.

    Example: rendezvous doctor
    """
    from services.doctor import examine

    report = examine(parts := installation(data, broken=True), _outside(parts))
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
        Path | None, typer.Option("--data", help="Folder for the demo's data. \\[default: ./demo-data]", show_default=False)
    ] = None,
    serve_after: Annotated[bool, typer.Option("--serve/--no-serve", help="Leave the API running at the end.")] = True,
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="Port of the API; 0: any free one.")] = 8321,
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
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")  # a name that the terminal has no letters for is no reason to stop
    with _one_line_errors():
        app()


@contextmanager
def _one_line_errors() -> Iterator[None]:
    try:
        yield
    except NotFound as error:
        _refuse(str(error), 1)
    except RendezvousError as error:
        _refuse(str(error))
    except OSError as error:
        _refuse(f"{error.strerror or error}: {error.filename or ''}".rstrip(": "))
    except UnicodeEncodeError as error:
        if error.reason != "surrogates not allowed":
            raise
        _refuse("an argument is not in this terminal's encoding; say which that is, as in LC_ALL=C.UTF-8")
    except Exception as error:
        # The library of the event store wraps what SQLite says in errors of its own.
        if not any(isinstance(one, sqlite3.Error) for one in (error, error.__cause__)):
            raise
        _refuse(f"sqlite: {error}; see `rendezvous doctor`")


def _refuse(why: str, code: int = 2) -> NoReturn:
    print(f"rendezvous: {why}", file=sys.stderr)
    raise SystemExit(code) from None


if __name__ == "__main__":
    main()
