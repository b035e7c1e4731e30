"""How fast this machine is: source events decided and domain events folded, each beside the least that any program must do.

What must stay true: nothing but a temporary folder is touched, whatever the environment says; the floor writes the rows that
the measured run left, with the same schema, settings and transactions, in the same round, so that a busy machine is slow for
both; and what is printed is the median of all rounds, with the lowest and the highest.

`make bench` measures more with the same workload and the same floors (docs/benchmarks.md).
"""

from __future__ import annotations

import gc
import random
import sqlite3
import tempfile
import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from msgspec import Struct

from domain.errors import Stop
from services.running import settle_in
from services.settings import Settings
from services.wiring import Installation

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from services.project import Project
    from services.sync import Sync

ROUNDS = 5
"""Fewer say nothing about how much the figures vary."""

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
"""When the calendars of the workload were connected."""

_BETWEEN = timedelta(seconds=30)
"""Between two source events of the workload: a million of them are a year."""

_AT_ONCE = 1000
_INDEXES = ("identities", "people_added", "addresses", "likeness")
# Those of adapters/sqlite, which no connection but the engine's own would have by itself.
_PRAGMAS = ("journal_mode = WAL", "synchronous = FULL", "cache_size = -131072", "wal_autocheckpoint = 8000")
_WORDS = "quarterly review offer contract kick-off retro planning demo onboarding call budget roadmap renewal visit".split()

_json = msgspec.json.Encoder().encode


def bench(events: int, say: Console) -> None:
    """Measure with this many source events, in `ROUNDS` rounds of as many each, and print both rows."""
    each = max(events // ROUNDS, 1)
    with say.status("measuring"), tempfile.TemporaryDirectory(prefix="rendezvous-bench-") as folder:
        rounds = [one_round(Path(folder) / str(number), number, each) for number in range(ROUNDS)]
    raw = "its rows, inserted raw"
    rows = [
        Row("source events decided", "/s", [r.decided for r in rounds], raw, [r.decided_raw for r in rounds]),
        Row("domain events folded", "/s", [r.folded for r in rounds], raw, [r.folded_raw for r in rounds]),
    ]
    say.print(table(rows))
    say.print(f"{ROUNDS} rounds of {each:,} source events; one process, SQLite")


class Round(NamedTuple):
    """What one round came to, in events a second: ours, and the rows of the same events written raw."""

    decided: float
    decided_raw: float
    folded: float
    folded_raw: float


def one_round(folder: Path, seed: int, events: int) -> Round:
    """Publish, decide, fold; then write both results' rows raw."""
    # As many contacts as give each some ten meetings, like an account that has been used for a while.
    contacts = min(max(events // 100, 20), 500)
    parts, sync = prepared(folder, Workload(seed, contacts=contacts), events)
    decided = time_decisions(parts, sync)
    staged = parts.views.position()
    relay_all(parts)
    folded = time_folding(parts.project())
    close(parts)
    decided_raw = time_decided_rows(parts.settings.store_folder() / "store.sqlite", decided.ends, folder / "raw-store.sqlite")
    folded_raw = time_folded_rows(parts.views_file, staged, folded.transactions, folder / "raw-views.sqlite")
    return Round(decided.events / decided.seconds, decided.events / decided_raw, folded.events / folded.seconds, folded.events / folded_raw)


# --- what is printed -----------------------------------------------------------------------------------------------------------


class Row(Struct, frozen=True):
    """A figure, a run each, and what it stands beside, measured in the same runs; nothing if `beside` is empty. `wanted` says
    what would be good enough."""

    what: str
    unit: str
    runs: Sequence[float]
    beside: str = ""
    beside_runs: Sequence[float] = ()
    wanted: str = ""

    @property
    def ratio(self) -> float:
        """How many times the other figure this one is: the median over the runs, pair by pair where they are pairs."""
        if len(self.runs) == len(self.beside_runs):
            return median(a / b for a, b in zip(self.runs, self.beside_runs, strict=True))
        return median(self.runs) / median(self.beside_runs)


def table(rows: Sequence[Row]) -> Table:
    """The rows for people, what each stands beside below it."""
    from rich.table import Table

    found = Table("", "median", "lowest to highest", "ratio", "wanted" if any(row.wanted for row in rows) else "", box=None, pad_edge=False)
    for column in found.columns[1:4]:
        column.justify, column.no_wrap = "right", True
    for row in rows:
        found.add_row(row.what, *_figures(row.runs, row.unit), f"{row.ratio:.2f} x" if row.beside else "", row.wanted)
        if row.beside:
            found.add_row(f"  beside: {row.beside}", *_figures(row.beside_runs, row.unit), "", "", style="dim")
    return found


def _figures(runs: Sequence[float], unit: str) -> tuple[str, str]:
    spread = f"{_number(min(runs))} to {_number(max(runs))}" if len(runs) > 1 else ""
    return f"{_number(median(runs))} {unit}", spread


def _number(value: float) -> str:
    """Three digits at least.

    >>> _number(15234.4), _number(12.345), _number(0.01234)
    ('15,234', '12.3', '0.0123')
    """
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


# --- the workload --------------------------------------------------------------------------------------------------------------


class _Made(Struct):
    """A meeting that the workload has told of: what its next revision begins from."""

    account: str
    user: int
    id: str
    created: datetime
    data: dict[str, Any]


class Workload:
    """Made-up accounts and what their calendars tell, as structured CloudEvents in the public form; the same for a seed.

    Half of the changes are to meetings told of before. A meeting has an organiser, two contacts and a third guest, who is a
    colleague or a stranger; one in ten is a weekly series of ten. Accounts of two seeds never have a name in common.
    """

    def __init__(self, seed: int, accounts: int = 10, users: int = 20, contacts: int = 500) -> None:
        self.accounts = [f"{seed:04}{number:04}" for number in range(accounts)]
        self._users, self._contacts = users, contacts
        self._random = random.Random(seed)  # noqa: S311 - meetings are made up, not secrets
        self._told = 0
        self.made: list[_Made] = []

    def stage(self) -> Iterator[bytes]:
        """What comes before the first meeting: settings, users, connections, contacts."""
        for account in self.accounts:
            yield _event(account, "account.configured", account, {"domains": [_domain(account)]}, "settings", BEGIN)
            yield _event(account, "clock.ticked", account, {"at": _z(BEGIN)}, "clock", BEGIN)
            for user in range(self._users):
                address = _user(account, user)
                yield _event(account, "user.added", str(user), {"email": address}, "users", BEGIN)
                told = {"provider": "google", "calendar": address, "address": address, "at": _z(BEGIN)}
                yield _event(account, "connection.activated", str(user), told, "connections", BEGIN)
            for contact in range(self._contacts):
                told = {"email": _contact(account, contact), "name": f"Contact {contact}", "company": f"Company {contact // 3}"}
                yield _event(account, "contact.created", str(contact), told, "contacts", BEGIN)

    def changes(self, count: int, reach: int | None = None) -> Iterator[bytes]:
        """The next changes. With `reach`, only the first so many meetings are changed again."""
        for _ in range(count):
            self._told += 1
            known = self.made[:reach] if reach is not None and reach < len(self.made) else self.made
            yield self._changed(self._random.choice(known)) if known and self._random.random() < 0.5 else self._new()

    def _now(self) -> datetime:
        return BEGIN + self._told * _BETWEEN

    def _new(self) -> bytes:
        account, user = self._random.choice(self.accounts), self._random.randrange(self._users)
        id_ = f"m{self._told}"
        made = _Made(account, user, id_, self._now(), {**self._content(), "participants": self._people(account, user)})
        if self._random.random() < 0.1:
            made.data["recurrenceRules"] = ["FREQ=WEEKLY;COUNT=10"]
        self.made.append(made)
        return self._meeting("meeting.created", made)

    def _changed(self, made: _Made) -> bytes:
        """It moved, was told of in other words, or somebody answered."""
        chance = self._random.random()
        if chance < 0.5:
            made.data["start"] = self._start()
        elif chance < 0.75:
            made.data["title"] = self._title()
        else:
            guest = self._random.choice(list(made.data["participants"].values()))
            guest["participationStatus"] = self._random.choice(("accepted", "declined", "tentative"))
        return self._meeting("meeting.updated", made)

    def _content(self) -> dict[str, Any]:
        return {
            "side": "calendar",
            "title": self._title(),
            "description": " ".join(self._random.choices(_WORDS, k=30)),
            "start": self._start(),
            "timeZone": "Europe/Paris",
            "duration": "PT1H",
            "status": "confirmed",
            "location": f"Room {self._random.randrange(40)}",
            "conferenceUrl": f"https://meet.example/{self._told}",
        }

    def _title(self) -> str:
        return " ".join(self._random.choices(_WORDS, k=4))

    def _start(self) -> str:
        day = (self._now() + timedelta(days=self._random.randrange(1, 30))).date()
        return f"{day}T{self._random.randrange(8, 18):02}:00:00"

    def _people(self, account: str, user: int) -> dict[str, Any]:
        guests = [_contact(account, contact) for contact in self._random.sample(range(self._contacts), k=2)]
        other = self._random.randrange(self._users)
        guests.append(_user(account, other) if self._random.random() < 0.5 else f"guest{self._told % 5000}@elsewhere.example")
        organiser = {"email": _user(account, user), "roles": {"owner": True, "attendee": True}, "participationStatus": "accepted"}
        told = {str(n): {"email": guest, "name": guest.split("@")[0], "roles": {"attendee": True}} for n, guest in enumerate(guests, 2)}
        return {"1": organiser, **told}

    def _meeting(self, kind: str, made: _Made) -> bytes:
        now = self._now()
        provenance = {
            "provider": "google",
            "user": str(made.user),
            "calendar": _user(made.account, made.user),
            "id": made.id,
            "revision": f'"{self._told}"',
            "icalUid": f"{made.account}-{made.id}@google.example",
            "created": _z(made.created),
            "updated": _z(now),
        }
        source = f"calendars/google/{_user(made.account, made.user)}"
        return _event(made.account, kind, made.id, {**made.data, "provenance": provenance}, source, now, f"{self._told:020}")


def _event(account: str, kind: str, subject: str, data: dict[str, Any], source: str, at: datetime, sequence: str | None = None) -> bytes:
    return _json(
        {
            "specversion": "1.0",
            "id": f"{kind}:{subject}:{sequence or 0}",
            "source": f"/accounts/{account}/{source}",
            "type": f"rendezvous.{kind}.v1",
            "subject": subject,
            "time": _z(at),
            "account": account,
            **({"sequence": sequence} if sequence else {}),
            "data": data,
        }
    )


def _z(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _domain(account: str) -> str:
    return f"company{account}.example"


def _user(account: str, user: int) -> str:
    return f"user{user}@{_domain(account)}"


def _contact(account: str, contact: int) -> str:
    return f"contact{contact}@client{contact // 3}.example"


# --- measuring -----------------------------------------------------------------------------------------------------------------


class Decisions(NamedTuple):
    """Source events decided, in how long, and the last event recorded before the first batch and after each."""

    events: int
    seconds: float
    ends: list[int]


class Folding(NamedTuple):
    """Domain events folded, in how long and how many transactions."""

    events: int
    seconds: float
    transactions: int


def installation(folder: Path) -> Installation:
    """An embedded installation in this folder, whatever the environment says."""
    # Every setting is given: what is given wins over variables and files, and a benchmark must not meet anybody's own store.
    return Installation(Settings(data=folder, log=None, store=None, host="127.0.0.1", port=0, log_level="warning"))


def prepared(folder: Path, workload: Workload, changes: int) -> tuple[Installation, Sync]:
    """An installation whose stage is decided and folded, and whose source log holds so many changes in the kept form; with
    the role that decided the stage, as a process that has been running for a while."""
    publish(folder, workload.stage())
    parts = installation(folder)
    sync = parts.sync()
    while sync.step("0") is not None:
        pass
    relay_all(parts)
    project = parts.project()
    while project.step():
        pass
    publish(folder, workload.changes(changes))
    return parts, sync


def publish(folder: Path, events: Iterable[bytes]) -> None:
    """Through the door, in an installation of its own: the role that is measured has seen nobody before."""
    parts = installation(folder)
    for chunk in _chunks(events):
        for receipt in parts.publisher.accept(chunk):
            if receipt.outcome != "accepted":
                raise Stop(f"the workload breaks the contract: {receipt}")
    close(parts)


def _chunks(events: Iterable[bytes]) -> Iterator[list[bytes]]:
    rest = iter(events)
    while chunk := list(islice(rest, _AT_ONCE)):
        yield chunk


def relay_all(parts: Installation) -> None:
    """Put all that is recorded on the domain log."""
    relay = parts.relay()
    while relay.step():
        pass


def close(parts: Installation) -> None:
    """Close what was opened of it."""
    for part in list(vars(parts).values()):
        finish = getattr(part, "close", None)
        if finish is not None:
            finish()


def time_decisions(parts: Installation, sync: Sync) -> Decisions:
    """Decide what the source log holds."""
    ends = [parts.store.end()]
    events = 0
    with _undisturbed():
        began = time.perf_counter()
        while (counts := sync.step("0")) is not None:
            events += counts.total()
            ends += _evenly(ends[-1], parts.store.end(), -(-counts.total() // _AT_ONCE))  # some microseconds a step
        seconds = time.perf_counter() - began
    return Decisions(events, seconds, ends)


def _evenly(low: int, high: int, parts: int) -> list[int]:
    """The ends of so many parts. A step is one transaction, or several where each is committed behind the next.

    >>> _evenly(100, 400, 3), _evenly(100, 400, 1)
    ([200, 300, 400], [400])
    """
    return [low + (high - low) * part // parts for part in range(1, parts + 1)]


def time_folding(project: Project) -> Folding:
    """Fold what the domain log holds."""
    events = transactions = 0
    with _undisturbed():
        began = time.perf_counter()
        while moved := project.step():
            events, transactions = events + moved, transactions + 1
        seconds = time.perf_counter() - began
    return Folding(events, seconds, transactions)


@contextmanager
def _undisturbed() -> Iterator[None]:
    # What making the workload left behind would be walked through by the collector, which in a role's own process is not there.
    before = gc.get_threshold()
    settle_in()
    try:
        yield
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)


# --- floors --------------------------------------------------------------------------------------------------------------------

_Rows = list[Sequence[object]]
_Batch = list[tuple[str, _Rows]]
"""What one transaction inserts, by table."""


def time_decided_rows(store: Path, ends: Sequence[int], at: Path) -> float:
    """Seconds for inserting, and nothing else, the rows that these batches left in the store: domain events, decisions,
    indexes, position. What is before `ends[0]` is there already."""
    before, *batches = _decided_rows(store, ends)
    with closing(_like(store, at)) as connection:
        _insert(connection, before)
        return _timed(lambda: _insert_all(connection, batches))


def _decided_rows(store: Path, ends: Sequence[int]) -> list[_Batch]:
    with closing(sqlite3.connect(store)) as connection:
        batches: list[dict[str, _Rows]] = [{name: [] for name in ("stored_events", "tracking", *_INDEXES)} for _ in ends]
        first: dict[str, int] = {}
        for id_, *row in connection.execute("SELECT rowid, * FROM stored_events ORDER BY rowid"):
            batch = bisect_left(ends, id_)
            first.setdefault(row[0], batch)
            batches[batch]["stored_events"].append(row)
        for table_ in _INDEXES:
            # In the order of the index, as the store writes them; a row belongs to the batch that recorded its meeting first.
            for k, v in connection.execute(f"SELECT k, v FROM {table_} ORDER BY k, v"):  # noqa: S608 - one of the constants above
                batches[first.get(v, 0)][table_].append((k, v))
        for number, end in enumerate(ends):
            batches[number]["tracking"].append((f"floor:{number}", end))
    if not any(batch["identities"] for batch in batches[1:]):
        raise Stop("the store's indexes are not what the floor takes them for; see services/bench.py")
    return [list(batch.items()) for batch in batches]


_VIEWS = {
    "versions": "id",
    "commons": "id",
    "leavings": "id",
    "meetings": "id",
    "timelines": "id",
    "decisions": "position",
    "decided": "position",
}
"""What folding adds to, and what each grows by. Rows that are rewritten later are inserted once, as they are in the end."""


def time_folded_rows(views: Path, staged: int, transactions: int, at: Path) -> float:
    """Seconds for inserting, and nothing else, the rows that so many transactions left in the read models after `staged`."""
    with closing(sqlite3.connect(views)) as connection:
        rows = {name: connection.execute(_added(name, by), (staged if by == "position" else 0,)).fetchall() for name, by in _VIEWS.items()}
    batches = [[(name, sorted(_share(found, number, transactions))) for name, found in rows.items()] for number in range(transactions)]
    with closing(_like(views, at)) as connection:
        return _timed(lambda: _insert_all(connection, batches))


def _added(table_: str, by: str) -> str:
    return f"SELECT * FROM {table_} WHERE {by} > ? ORDER BY {by}"  # noqa: S608 - of the constants above


def _share(rows: Sequence[Any], number: int, of: int) -> Sequence[Any]:
    """
    >>> [_share("abcdefg", n, 3) for n in range(3)]
    ['ab', 'cd', 'efg']
    """
    return rows[len(rows) * number // of : len(rows) * (number + 1) // of]


def _like(file: Path, at: Path) -> sqlite3.Connection:
    """A new file with the tables and indexes of another and nothing in them."""
    with closing(sqlite3.connect(file)) as connection:
        schema = [row[0] for row in connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY type DESC")]
    new = sqlite3.connect(at, isolation_level=None)
    for pragma in _PRAGMAS:
        new.execute(f"PRAGMA {pragma}")
    for statement in schema:
        new.execute(statement)
    return new


def _insert_all(connection: sqlite3.Connection, batches: Sequence[_Batch]) -> None:
    for batch in batches:
        _insert(connection, batch)


def _insert(connection: sqlite3.Connection, batch: _Batch) -> None:
    connection.execute("BEGIN IMMEDIATE")
    for table_, rows in batch:
        if rows:
            marks = ", ".join("?" * len(rows[0]))
            connection.executemany(f"INSERT INTO {table_} VALUES ({marks})", rows)  # noqa: S608 - a table's name and marks
    connection.execute("COMMIT")


def _timed(work: Callable[[], object]) -> float:
    with _undisturbed():
        began = time.perf_counter()
        work()
        return time.perf_counter() - began
