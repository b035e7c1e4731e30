"""The front door: a made-up sales team's weeks (services/demo_day.py), played through the real engine, and what came of it.

What must stay true: everything stays on this machine; only a folder that an earlier demo made is ever emptied; what is printed was
read back from the installation and not made up beside it; and where nobody watches (no terminal, or CI) it ends by itself.
"""

from __future__ import annotations

import http.client
import logging
import os
import shutil
import socket
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal
from zoneinfo import ZoneInfo

import msgspec
import structlog
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from domain.decisions import Decision, Outcome, Rule
from domain.errors import BadInput, Stop
from services import demo_day
from services.catch_up import catch_up
from services.demo_day import ACCOUNT, BEN, BO, CONTACTS, MISSING, Person
from services.sentences import sentence

if TYPE_CHECKING:
    from services.publish import Receipt
    from services.wiring import Installation

FOLDER = Path("demo-data")
MARKER = ".rendezvous-demo"
HOST = "127.0.0.1"
WIDTH = 100
CHUNK = 100
"""Source events published at a time."""

BEFORE, AFTER = 20, 16
"""Days before and after today of which the timeline is shown."""

UNWIND_SECONDS = 0.1
"""The server's last native thread ends some milliseconds after the server did, and a process that ends before it is aborted: without
this pause, 6 of 50 were; with half of it, none of 40."""

Pair = tuple[Rule, Outcome]
Counts = Counter[Pair]


def demo(data: Path | None, serve_after: bool, port: int, say: Console, live: bool = True) -> None:
    """Play the demo in `data` (default: ./demo-data) and print what came of it; then serve the API until Ctrl-C, or where nobody
    watches prove it with one request. `live`: first a story told against made-up providers. Raises `BadInput` if the folder holds what
    no demo made, or a demo that is running."""
    _only_warnings()
    with claimed(data or FOLDER) as folder:
        _Demo(folder, port, say).run(serve_after, live)


class _Demo:
    """One run."""

    def __init__(self, folder: Path, port: int, say: Console) -> None:
        from services.settings import Settings
        from services.wiring import Installation

        # Said outright that logs and store are in the folder: variables may name the places of a real installation.
        self.parts = Installation(Settings(data=folder, log=None, store=None, host=HOST, port=0, log_level="warning"))
        self.folder, self.wanted, self.say = folder, port, say
        self.today = datetime.now(UTC).date()
        if not say.is_terminal:
            say.width = WIDTH

    def run(self, serve_after: bool, live: bool) -> None:
        """Play, print, serve."""
        if live:
            self.live()
        began = time.perf_counter()
        self.introduce()
        events = demo_day.day(self.today)
        receipts = publish(self.parts, events)
        self.published(events, receipts)
        caught = catch_up(self.parts, show=sys.stderr.isatty())
        took = time.perf_counter() - began
        self.happened(receipts)
        self.timeline()
        self.absence()
        self.ask_yourself(serve_after, f"{len(events):,} source events became {caught.projected:,} domain events in {took:.1f} s.")

    # --- printing ------------------------------------------------------------------------------------------------------------

    def put(self, what: RenderableType, style: str = "") -> None:
        """Print within the width."""
        self.say.print(what, style=style or None, soft_wrap=False, width=WIDTH)

    def put_in(self, *parts: str | tuple[str, str], style: str = "") -> None:
        """Print a text, indented; a part may be (text, style)."""
        self.put(Padding(Text.assemble(*parts), (0, 0, 0, 3), expand=False), style)

    def put_whole(self, line: str) -> None:
        """Print a line that is to be copied, and is not broken."""
        self.say.print(Text(f"   {line}", style="cyan"), soft_wrap=True)

    def head(self, number: int, title: str) -> None:
        """Begin a part."""
        self.put("")
        self.put(Text(f"{number}  {title}"), "bold")

    def command(self, *words: str) -> str:
        """A command about this demo's data, as it can be typed."""
        program = sys.argv[0] if Path(sys.argv[0]).name == "rendezvous" else "rendezvous"
        return " ".join((program, *words, "--data", str(self.folder)))

    # --- the parts -----------------------------------------------------------------------------------------------------------

    def live(self) -> None:
        """A story of two calendars and a CRM, at providers that are made up and answer like the real ones."""
        from services.demo_live import tell

        self.put(Text.assemble(("Rendezvous", "bold"), "  live, against a made-up Google, Office 365 and HubSpot on this machine"))
        calls = tell(self.folder / "live", lambda what: self.put(what))  # type: ignore[arg-type]  # whatever rich can show
        self.put("")
        self.put_in(f"It took {calls:,} calls over HTTP. To act in it yourself: rendezvous up --sandbox", style="dim")
        self.put("")

    def introduce(self) -> None:
        """Whose weeks these are."""
        self.put(
            Text.assemble(("Rendezvous", "bold"), f"  six weeks in sales at {demo_day.COMPANY}, up to {self.today.day} {self.today:%B %Y}")
        )
        cast = f"{len(demo_day.USERS)} salespeople and {len(CONTACTS)} contacts, all made up"
        self.put(Text(f"{cast}. Nothing leaves this machine; it is kept in {self.folder}."), "dim")

    def published(self, events: Sequence[demo_day.Event], receipts: Sequence[Receipt]) -> None:
        """What the sides told, and the receipts for it."""
        self.head(1, f"What the sides told us: {len(events):,} source events")
        table = _table(("", 5, "right"), ("", None, "left"))
        for name, count in told_by(events).items():
            table.add_row("", f"{count:,}", name)
        self.put(table)
        outcomes = Counter(receipt.outcome for receipt in receipts)
        self.put_in("Receipts: " + ", ".join(f"{count:,} {outcome}" for outcome, count in sorted(outcomes.items())))
        for error in (error for receipt in receipts for error in receipt.errors):
            self.put_in(("rejected", "red"), f"  {error.pointer}  {error.reason}")

    def happened(self, receipts: Sequence[Receipt]) -> None:
        """Every decision, counted by rule and outcome."""
        of_events, of_guests = decided(self.parts)
        self.head(2, "What became of it, by rule")
        for title, counts, words in (
            ("At the door", at_the_door(receipts), DOOR),
            ("Source events, each by the rule that settled it", of_events, EVENTS),
            ("Guests of meetings, each by the rule that judged them", of_guests, GUESTS),
        ):
            self.put_in(title, style="dim")
            self.put(_rules(counts, words))

    def timeline(self) -> None:
        """Bo's timeline around today."""
        midnight = datetime(self.today.year, self.today.month, self.today.day, tzinfo=UTC)
        low, high = (int((midnight + timedelta(days=days)).timestamp() * 1000) for days in (-BEFORE, AFTER))
        body = msgspec.json.decode(self.parts.reading.timeline(ACCOUNT, BO, low=low, high=high, newest_first=False))
        zone = next(one for one in CONTACTS if one.id == BO).zone
        self.head(3, f"The timeline of {body['contact']['name']}, contact {BO}")
        self.put(_entries(body["entries"], ZoneInfo(zone), self.today))
        self.put_in(f"↻ one of a series; times in {zone}", style="dim")
        self.put_whole(self.command("timeline", ACCOUNT, body["contact"]["email"]))

    def absence(self) -> None:
        """Why a meeting is in no timeline."""
        answer = self.parts.explainer.explain(ACCOUNT, MISSING)
        self.head(4, f"{BEN.first} asks: my lunch with Bo is in my calendar, why is it not there?")
        for line in sentences(answer.sentence, MISSING):
            self.put_in(line)
        for one in answer.decisions:
            self.put_in((one.rule, "bold"), f"  {one.outcome}  (told by his calendar as of {_moment(one.at)})")
        self.put_in(connected(self.parts, BEN))
        self.put_whole(self.command("explain", ACCOUNT, MISSING))

    def ask_yourself(self, serve_after: bool, took: str) -> None:
        """How to ask the API, and how long it all took; then the API."""
        port, token = free_port(self.wanted), self.parts.tokens.create(ACCOUNT, ["timeline:read", "history:read"], "demo")
        self.head(5, "Ask the API")
        if self.wanted not in (0, port):
            self.put_in(f"Port {self.wanted} cannot be had, so it is {port}.", style="yellow")
        self.put_whole(f"TOKEN={token}")
        for path in (f"/contacts/{BO}/timeline?limit=3", f"/explain?what={MISSING}"):
            self.put_whole(f'curl -sH "Authorization: Bearer $TOKEN" "http://{HOST}:{port}/v1{path}"')
        self.put("")
        self.put(Text(took), "dim")
        if not serve_after:
            self.put("Nothing is running now. To start the API:")
            self.put_whole(self.command("up", "--port", str(port)))
        elif watched():
            from services.up import up

            up(self.parts, HOST, port)
        else:
            entries = asked_once(self.parts, port, token)
            self.put(f"The API answered with {entries} entries of Bo's timeline. As nobody watches, it was stopped. To start it:")
            self.put_whole(self.command("up", "--port", str(port)))


# --- the engine's side ---------------------------------------------------------------------------------------------------------


def publish(parts: Installation, events: Sequence[demo_day.Event]) -> list[Receipt]:
    """Publish the events in chunks, as anybody would. The receipts in order."""
    raws = [msgspec.json.encode(event) for event in events]
    return [receipt for at in range(0, len(raws), CHUNK) for receipt in parts.publisher.accept(raws[at : at + CHUNK])]


class _Row(msgspec.Struct):
    decisions: tuple[Decision, ...]


_rows = msgspec.json.Decoder(_Row)


def decided(parts: Installation) -> tuple[Counts, Counts]:
    """The decisions of the account, counted: those that settled a source event, and those about one guest or association each."""
    of_events: Counts = Counter()
    of_guests: Counts = Counter()
    after = 0
    while rows := parts.views.decisions(ACCOUNT, after=after, limit=500):
        after = rows[-1].position
        for row in rows:
            first, *rest = _rows.decode(row.body).decisions
            of_events[first.rule, first.outcome] += 1
            of_guests.update((one.rule, one.outcome) for one in rest if one.guest or one.contact)
    return of_events, of_guests


def at_the_door(receipts: Iterable[Receipt]) -> Counts:
    """What never came to a decision: refused, or recognised as accepted before."""
    pairs = {"rejected": (Rule.MALFORMED, Outcome.REJECTED), "duplicate": (Rule.DUPLICATE, Outcome.IGNORED)}
    return Counter(pairs[receipt.outcome] for receipt in receipts if receipt.outcome in pairs)


def told_by(events: Iterable[demo_day.Event]) -> dict[str, int]:
    """Source events, counted by what they are about and who told them; the most first."""
    return dict(Counter(_teller(str(event["source"]), str(event["type"]).split(".")[1]) for event in events).most_common())


def _teller(source: str, noun: str) -> str:
    if noun == "meeting":
        return next(f"meetings, told by {name}" for part, name in _SIDES.items() if part in source)
    return _OTHERS[noun]


_SIDES = {"calendars/google": "Google calendars", "calendars/office365": "Office 365 calendars", "crm/hubspot": "HubSpot"}
_OTHERS = {
    "contact": "contacts, told by HubSpot",
    "user": "users, told by HubSpot",
    "connection": "calendars connected, disconnected, or out of reach",
    "calendar": "listings of a whole calendar",
    "account": "settings of the account",
    "clock": "ticks of the account's clock",
    "delivery": "confirmations of what we wrote ourselves",
}


def connected(parts: Installation, user: Person) -> str:
    """When a user's calendar was connected, as a sentence."""
    connections = msgspec.json.decode(parts.reading.connections(ACCOUNT))["connections"]
    windows = next(one["windows"] for one in connections if one["user"] == user.id)
    spans = [f"from {_moment(w['since'])}" + (f" until {_moment(w['until'])}" if w["until"] else "") for w in windows]
    return f"{user.first}'s calendar was connected {', and '.join(spans)} (UTC)."


def sentences(text: str, what: str) -> list[str]:
    """An explanation's sentences, without the name in front that was asked for.

    >>> sentences("7k1b0: It is private. It is in no timeline.", "7k1b0")
    ['It is private.', 'It is in no timeline.']
    """
    return [f"{one.rstrip('.')}." for one in text.removeprefix(f"{what}: ").split(". ")]


# --- tables --------------------------------------------------------------------------------------------------------------------

DOOR: dict[Pair, str] = {
    (Rule.DUPLICATE, Outcome.IGNORED): "The very same delivery again: accepted once.",
    (Rule.MALFORMED, Outcome.REJECTED): "Cannot be read: refused, with place and reason.",
}

EVENTS: dict[Pair, str] = {
    (Rule.ONE_CALENDAR, Outcome.APPLIED): "A user connected a calendar, or renewed the access.",
    (Rule.ONE_CALENDAR, Outcome.IGNORED): "A second calendar beside a live one: not read.",
    (Rule.PRIMARY_ONLY, Outcome.IGNORED): "Not in the user's primary calendar.",
    (Rule.ACTIVE_WINDOW, Outcome.APPLIED): "A calendar was disconnected, or lost its access.",
    (Rule.ACTIVE_WINDOW, Outcome.IGNORED): "Made while the calendar was not connected.",
    (Rule.CRM_SCHEDULES, Outcome.APPLIED): "Scheduled in the CRM.",
    (Rule.CRM_UPDATES, Outcome.APPLIED): "Changed in the CRM.",
    (Rule.CRM_DELETE_KEEPS_CALENDAR, Outcome.APPLIED): "Deleted in the CRM, or restored there.",
    (Rule.CRM_DELETE_KEEPS_CALENDAR, Outcome.SUPPRESSED): "The calendar speaks of it again: it stays out.",
    (Rule.CONTACT_MATCH, Outcome.APPLIED): "A new meeting, or a contact as the CRM has it.",
    (Rule.CONTACT_MATCH, Outcome.MERGED): "Two contacts became one, with all their meetings.",
    (Rule.CONTACT_BOOKS, Outcome.APPLIED): "Booked by a contact on a scheduling page.",
    (Rule.CONTACT_BOOKS, Outcome.MERGED): "A booking and its calendar entry: one meeting.",
    (Rule.CALENDAR_UPDATES, Outcome.APPLIED): "Changed in the calendar, so in the timeline too.",
    (Rule.CALENDAR_DELETES, Outcome.APPLIED): "Cancelled or deleted there: shown as cancelled.",
    (Rule.CALENDAR_DELETES, Outcome.IGNORED): "A copy went from a calendar: cancels nothing.",
    (Rule.CRM_USER, Outcome.APPLIED): "A user of the account, who is never logged.",
    (Rule.PRIVATE, Outcome.IGNORED): "Private: not logged, and nothing of it is kept.",
    (Rule.NOT_A_MEETING, Outcome.IGNORED): "Focus time, out of office and the like.",
    (Rule.NO_CONTACT, Outcome.IGNORED): "No contact among the guests: in no timeline.",
    (Rule.ECHO, Outcome.MERGED): "Our own entry, coming back: one meeting.",
    (Rule.ECHO, Outcome.IGNORED): "Our own entry, told once more: no news.",
    (Rule.DUPLICATE, Outcome.IGNORED): "One change, told in two ways: counts once.",
    (Rule.STALE, Outcome.IGNORED): "Older than what is known, or known already.",
    (Rule.THREE_WAY, Outcome.APPLIED): "Both sides changed it: the calendar's word wins.",
    (Rule.SAME_MEETING, Outcome.APPLIED): "A row of HubSpot's own sync, told first.",
    (Rule.SAME_MEETING, Outcome.MERGED): "Known from another place: one meeting, not two.",
    (Rule.MASS_DELETE, Outcome.HELD): "Would remove too many at once: waits for a person.",
    (Rule.MASS_DELETE, Outcome.IGNORED): "A listing that was broken off: says nothing.",
    (Rule.ERASED, Outcome.APPLIED): "Erased at their own wish: nothing of them is kept.",
    (Rule.RECORDED, Outcome.APPLIED): "Settings, the clock, confirmations.",
    (Rule.MALFORMED, Outcome.REJECTED): "Cannot be read: among the dead letters.",
}

GUESTS: dict[Pair, str] = {
    (Rule.CONTACT_MATCH, Outcome.APPLIED): "A contact: the meeting is in that timeline.",
    (Rule.NO_CONTACT, Outcome.IGNORED): "Nobody whom the CRM knows.",
    (Rule.CRM_USER, Outcome.IGNORED): "A user of the account.",
    (Rule.OWN_DOMAIN, Outcome.IGNORED): "A colleague who is no user of the CRM.",
    (Rule.NEVER_LOG, Outcome.IGNORED): "On the never-log list: not even shown.",
    (Rule.ERASED, Outcome.IGNORED): "Erased before: not named again.",
}

_COLOURS = {
    Outcome.APPLIED: "green",
    Outcome.MERGED: "cyan",
    Outcome.IGNORED: "dim",
    Outcome.SUPPRESSED: "yellow",
    Outcome.HELD: "yellow",
    Outcome.REJECTED: "red",
}
_STATUS = {"confirmed": "green", "tentative": "yellow", "cancelled": "red"}


def _table(*columns: tuple[str, int | None, Literal["left", "right"]]) -> Table:
    """A table without lines, its first column an indent; a column is (heading, width, justification)."""
    table = Table(box=None, show_header=any(heading for heading, _, _ in columns), header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(width=1)
    for heading, width, justify in columns:
        table.add_column(heading, width=width, justify=justify, overflow="fold")
    return table


def _rules(counts: Counts, words: dict[Pair, str]) -> Table:
    """Counts in the order of the rules."""
    table = _table(("", 25, "left"), ("", 10, "left"), ("", 4, "right"), ("", None, "left"))
    order = list(Rule)
    for rule, outcome in sorted(counts, key=lambda pair: (order.index(pair[0]), pair[1])):
        means = words.get((rule, outcome)) or sentence(Decision(rule, outcome))
        table.add_row("", Text(rule), Text(outcome, style=_COLOURS[outcome]), f"{counts[rule, outcome]:,}", Text(means))
    return table


def _entries(entries: Sequence[dict[str, Any]], zone: ZoneInfo, today: date) -> Table:
    """Entries of a timeline, soonest first, with a line at today."""
    table = _table(("when", 16, "left"), ("title", 26, "left"), ("status", 9, "left"), ("by", 13, "left"), ("known from", None, "left"))
    starts = [_start(entry, zone) for entry in entries]
    past = sum(start.date() < today for start in starts)
    for n, (entry, start) in enumerate(zip(entries, starts, strict=True)):
        if n == past:
            table.add_row("", Text(f"{today:%a %d %b} today", style="dim"))
        title = Text(entry["title"] or "(no title)").append(" ↻" if entry["series"] else "", style="dim")
        status = Text(entry["status"], style=_STATUS[entry["status"]])
        organizer = (entry["organizer"] or {}).get("name") or ""
        table.add_row("", _when(entry, start), title, status, Text(organizer), Text(_sides(entry), style="dim"))
    return table


def _start(entry: dict[str, Any], zone: ZoneInfo) -> datetime:
    start = datetime.fromisoformat(entry["start"])
    return start.astimezone(zone) if start.tzinfo else start.replace(tzinfo=zone)


def _when(entry: dict[str, Any], start: datetime) -> str:
    if not entry["allDay"]:
        return f"{start:%a %d %b %H:%M}"
    last = date.fromisoformat(entry["end"]) - timedelta(days=1)
    return f"{start:%d %b} – {last:%d %b}" if last > start.date() else f"{start:%a %d %b}"


def _sides(entry: dict[str, Any]) -> str:
    names = {"google": "Google", "office365": "Office 365", "hubspot": "HubSpot"}
    return "/".join(names[side] for side, id in entry["links"].items() if id)


def _moment(text: str) -> str:
    at = datetime.fromisoformat(text)
    return f"{at.day} {at:%b %H:%M}"


# --- the machine ---------------------------------------------------------------------------------------------------------------


def _only_warnings() -> None:
    """Logs are for operators: only what is wrong is said, and not among what people read."""
    structlog.configure(
        processors=[structlog.processors.add_log_level, structlog.processors.format_exc_info, structlog.processors.LogfmtRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def watched() -> bool:
    """Is there somebody at a terminal, who can press Ctrl-C?"""
    return sys.stdout.isatty() and os.environ.get("CI", "").lower() in ("", "0", "false")


@contextmanager
def claimed(folder: Path) -> Iterator[Path]:
    """The folder, empty but for our marker, and ours alone until the end. Raises `BadInput`."""
    if folder.exists() and not folder.is_dir():
        raise BadInput("--data", f"{folder} is no folder; name another")
    marker = folder / MARKER
    if folder.is_dir() and any(folder.iterdir()) and not marker.is_file():
        raise BadInput("--data", f"{folder} holds something that no demo made, and is left alone; name another folder")
    folder.mkdir(parents=True, exist_ok=True)
    with marker.open("w") as held:
        if not _locked(held):
            raise BadInput("--data", f"a demo is running in {folder}; stop it, or name another folder")
        held.write("Made by `rendezvous demo`. The next one empties this folder.\n")
        held.flush()
        for one in folder.iterdir():  # the marker stays, so that a folder half emptied is still known as ours
            _remove(one)
        yield folder


def _remove(one: Path) -> None:
    if one.name == MARKER:
        return
    if one.is_dir() and not one.is_symlink():
        shutil.rmtree(one)
    else:
        one.unlink()


def _locked(file: IO[str]) -> bool:
    """Lock a file for this process, until it is closed. False if another has it."""
    if sys.platform == "win32":
        return True  # there, files that are open cannot be removed, which ends in an error soon enough
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def free_port(wanted: int, host: str = HOST) -> int:
    """This port if nobody listens on it, else any free one."""
    for port in (wanted, 0):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except (OSError, OverflowError):  # taken, not allowed, or no port number at all
                continue
            return int(probe.getsockname()[1])
    raise BadInput("--port", f"no port of {host} is free")


def asked_once(parts: Installation, port: int, token: str) -> int:
    """Serve the API, ask it for Bo's timeline over HTTP, stop it. Returns how many entries it answered with. Raises `Stop`."""
    from services.serve import Server

    server = Server(parts, HOST, port)
    server.start()
    connection = http.client.HTTPConnection(HOST, port, timeout=10)
    try:
        connection.request("GET", f"/v1/contacts/{BO}/timeline?limit=1000", headers={"Authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        body = answer.read()
    finally:
        connection.close()
        server.stop()
        time.sleep(UNWIND_SECONDS)
    if answer.status != 200:
        raise Stop(f"the API answered {answer.status} instead of Bo's timeline: {body[:200].decode(errors='replace')}")
    return len(msgspec.json.decode(body)["entries"])
