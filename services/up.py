"""Everything in one process, embedded: an engine that syncs, relays and projects in turn, the API beside it, and the accounts' clocks.

One thread does the three steps, because one interpreter runs one thread at a time: as three they took the interpreter from each
other in the middle of their work, and each made its own transaction for every single event. In turn, whatever arrives while one batch
is on its way makes the next batch, so that a step costs less an event the more there is to do, and an event that comes alone goes
through at once.

What must stay true: a step that stops with an error stops the process, for a supervisor to start it again, and nothing acknowledged
is lost; each step reads what the one before it committed, and knows its place from its own file, as if each ran in a process of its
own; being asked to stop, the engine first finishes the turn at hand.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Protocol

import msgspec
import structlog

from domain.errors import RendezvousError, Stop, TryAgain
from domain.recurrence import moment
from services import project, relay
from services.monitor import Monitor, Numbers, channels_seen, deliveries_seen, feeds_seen
from services.running import Stopping, settle_in
from services.up_monitor import ENGINE, Together, numbers_of

if TYPE_CHECKING:
    from projections.views import Views
    from services.publish import Publisher
    from services.roles import Work
    from services.serve import Server
    from services.wiring import Installation
    from services.wiring_providers import Outside

log = structlog.get_logger(__name__)

DAY = 86_400_000
PAUSE = 0.5
"""Seconds until an idle engine looks for what another process decided, and until it tries again what was refused."""

GATHER = 0.004
"""Seconds between two turns while there is something to do: a turn costs some 2 ms and a wait for the disk whatever it is for, and what
comes meanwhile shares them. An event that comes alone finds the engine idle, and does not wait."""

CLOCK_LOOKS = 60.0
"""Seconds between two looks at the date."""

SWITCH_SECONDS = 0.001
"""How long a thread may keep the interpreter while others wait. A request is answered in a dozen short bursts, and with Python's 5 ms
each of them may wait so long for the engine."""


class Ticked(Protocol):
    """Whose clocks are ticked, and where that is told: an installation, or one of its stores."""

    @property
    def views(self) -> Views:
        """The accounts' clocks."""

    @property
    def publisher(self) -> Publisher:
        """The door."""


class Roles:
    """The embedded roles of one installation, running in threads of this process. `clock` in ms. With `outside`, those that read and
    write at providers as well. `numbers` tell how each of them is, by role."""

    def __init__(self, parts: Installation, stopping: Stopping, clock: Callable[[], int], outside: Outside | None = None) -> None:
        self._parts, self._stopping, self._clock, self._outside = parts, stopping, clock, outside
        self.failure: RendezvousError | None = None
        """What ended a role."""
        loops = {"engine": self._run, "clock": self._tick}
        if outside is not None:
            loops |= {"ingest": self._ingest, "deliver": self._deliver}
        self.numbers = numbers_of(*ENGINE, *(() if outside is None else ("ingest", "deliver")))
        self._threads = [threading.Thread(target=self._guarded, args=(loop,), name=name, daemon=True) for name, loop in loops.items()]

    def start(self) -> None:
        """Start them."""
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        """Wait until each has finished the turn at hand."""
        for thread in self._threads:
            thread.join(timeout=30)

    def _guarded(self, loop: Callable[[], None]) -> None:
        try:
            loop()
        except BaseException as error:  # whatever ended a role ends the process; who started us starts us again
            role = threading.current_thread().name
            # What was foreseen is said in its one line; of anything else the log tells where it happened.
            log.error("role failed", role=role, error=str(error), exc_info=not isinstance(error, RendezvousError))
            self.failure = error if isinstance(error, RendezvousError) else Stop(f"{role} failed: {type(error).__name__}: {error}")
            self._stopping.ask()

    def _run(self) -> None:
        engine, parts = Engine(self._parts, lambda: self._stopping.asked, self.numbers), self._parts
        self._watch()
        while not self._stopping.asked:
            if engine.turn():
                self._stopping.wait(GATHER)
            elif engine.refused:
                self._stopping.wait(PAUSE)
            else:
                parts.source.wait(parts.store.place("0"), PAUSE)

    def _watch(self) -> None:
        """Have it told how much waits for the engine."""
        parts = self._parts
        source, store, published, views = parts.source, parts.store, parts.domain_log, parts.views
        self.numbers["sync"].watch(lambda: {p: max(source.end(p) - store.place(p), 0) for p in source.partitions()}, parts.stalls)
        self.numbers["relay"].watch(lambda: {"0": max(store.end() - published.last_id(), 0)})
        self.numbers["project"].watch(lambda: {"0": max(published.end() - views.position(), 0)})

    def _ingest(self) -> None:
        assert self._outside is not None
        outside, clock = self._outside, self._clock
        outside.connecting().restore()
        work = outside.ingesting()
        self.numbers["ingest"].look(
            lambda: [*feeds_seen(outside.grants, outside.cursors, clock()), channels_seen(outside.channels, clock())]
        )
        self._worked(work, self.numbers["ingest"])
        work.close()

    def _deliver(self) -> None:
        assert self._outside is not None
        deliveries, clock = self._outside.deliveries, self._clock
        work = self._outside.delivering(self.numbers["deliver"])
        self.numbers["deliver"].look(lambda: deliveries_seen(deliveries, clock()))
        self._worked(work, self.numbers["deliver"])
        work.close()

    def _worked(self, work: Work, numbers: Numbers) -> None:
        numbers.watch(work.lag)
        while not self._stopping.asked:
            began = time.perf_counter()
            try:
                moved = work.step()
            except TryAgain as error:
                log.warning("again", role=numbers.role, error=str(error))
                numbers.refused(type(error).__name__)
                self._stopping.wait(PAUSE)
                continue
            if moved:
                numbers.moved(moved, time.perf_counter() - began)
            else:
                work.wait()

    def _tick(self) -> None:
        while not self._stopping.asked:
            tick(self._parts, self._clock())
            self._stopping.wait(CLOCK_LOOKS)


class Engine:
    """Sync, relay and project of one installation, in turn. `asked` says that we are to stop; `numbers`, by role, are told of it."""

    def __init__(self, parts: Installation, asked: Callable[[], bool], numbers: Mapping[str, Numbers] | None = None) -> None:
        self._source, self._sync, self._asked = parts.source, parts.sync(), asked
        self._relay, self._project = parts.relay(), parts.project()
        self._numbers = numbers_of(*ENGINE) if numbers is None else numbers
        self.refused = False
        """Was somebody else in the way of a step of the last turn?"""

    def turn(self) -> bool:
        """Decide the next batch, put it on the domain log and fold it. False if there was nothing to do for any of them."""
        self.refused = False
        # Each is tried, whatever became of the one before it: a busy file must not keep the others from their work.
        moved = [
            self._tried("sync", self._decide),
            self._tried("relay", lambda: self._all(self._relay.step, relay.BATCH)),
            self._tried("project", lambda: self._all(self._project.step, project.BATCH)),
        ]
        return any(moved)

    def _decide(self) -> int:
        return sum(self._decided(partition) for partition in self._source.partitions())

    def _decided(self, partition: str) -> int:
        """One at least, if there was anything: of what nobody can read nothing is counted."""
        counts = self._sync.step(partition)
        if counts is None:
            return 0
        self._numbers["sync"].decided(counts)
        return max(sum(counts.values()), 1)

    def _all(self, step: Callable[[], int], full: int) -> int:
        """A batch of source events may become several of domain events: a full one is not the last."""
        moved = total = step()
        while moved >= full and not self._asked():
            moved = step()
            total += moved
        return total

    def _tried(self, role: str, step: Callable[[], int]) -> int:
        began = time.perf_counter()
        try:
            moved = step()
        except TryAgain as error:
            log.warning("again", role=role, error=str(error))
            self._numbers[role].refused(type(error).__name__)
            self.refused = True
            return 0
        if moved:
            self._numbers[role].moved(moved, time.perf_counter() - began)
        return moved


def tick(parts: Ticked, now: int) -> None:
    """Tick the clock of every account that has not ticked today (UTC), through the log like everything else, so that a replay ticks
    the same. Ticking again changes nothing: it is the same source event."""
    at = now // DAY * DAY
    late = [clock.account for clock in parts.views.clocks() if clock.ticked < at]
    late += parts.views.accounts_without_clock()
    for account in late:
        parts.publisher.accept([_ticked(account, at)])


def _ticked(account: str, at: int) -> bytes:
    time = moment(at).isoformat().replace("+00:00", "Z")
    return msgspec.json.encode(
        {
            "specversion": "1.0",
            "id": f"tick:{time}",
            "source": f"/accounts/{account}/clock",
            "type": "rendezvous.clock.ticked.v1",
            "subject": account,
            "time": time,
            "account": account,
            "data": {"at": time},
        }
    )


def up(parts: Installation, host: str, port: int, outside: Outside | None = None) -> None:
    """Run until asked to stop, with `outside` connected to providers, and with a monitor if the settings name its port. Raises
    `RendezvousError` if a role or the API failed, `OSError` if an address cannot be had."""
    from services.serve import Server
    from services.wiring import now

    with Stopping() as stopping:
        roles = Roles(parts, stopping, now, outside)
        server = Server(parts, host, port, outside)
        monitor = Monitor(parts.settings.monitor, host, Together(roles.numbers.values()), parts.settings.max_lag)
        settle_in()
        sys.setswitchinterval(SWITCH_SECONDS)
        with monitor:
            roles.start()
            try:
                failed = _serve(server, stopping, monitor.url)
            finally:
                stopping.ask()
                roles.join()
    if roles.failure is not None:
        raise roles.failure
    if failed:
        raise Stop("the API ended by itself; its log says why")


def _serve(server: Server, stopping: Stopping, monitor: str) -> bool:
    """Answer until asked to stop. Did the server end by itself?"""
    server.start()
    print(f"rendezvous is up: {server.url}/v1 (stop with Ctrl-C)", flush=True)
    if monitor:
        print(f"how its roles are: {monitor}/metrics", flush=True)
    while not stopping.wait(0.2) and not server.failed:
        pass
    failed = server.failed
    server.stop()
    return failed
