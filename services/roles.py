"""The roles as processes of their own: sync, relay, project, ingest and deliver, any number of each.

What must stay true: being asked to stop, a role finishes its batch, commits it and leaves; what passes by itself (a broker that
restarts, a database that is busy, another process that was first) is waited for and tried again, and nothing is lost or doubled by
that; what does not pass ends the process, for a supervisor to start it again and a person to read why.

`sync` shares the partitions of the source log through a consumer group. Of `relay` and of `project` one works for a store and the
others stand by, through a lock that the store takes back from whoever is gone. Of several stores each process takes its share
(services/sharing.py), and one that is away holds up nobody who works for another. `ingest` and `deliver` share their work piece by
piece, through leases; what they had begun when they were asked to stop comes to its end.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

import structlog

from domain.errors import Conflict, TryAgain
from services.monitor import Monitor, Numbers, channels_seen, deliveries_seen, feeds_seen
from services.running import Stopping, settle_in
from services.up import CLOCK_LOOKS, tick

if TYPE_CHECKING:
    from services.sync import Sync
    from services.wiring import Installation, Shard
    from services.wiring_providers import Outside

log = structlog.get_logger(__name__)

PAUSE = 1.0
"""Seconds that an idle role waits for news at most, before it looks for itself."""

FIRST_TRY, LAST_TRY = 0.05, 5.0
"""Seconds until what was refused is tried again: doubled each time, within these."""

SMALL, GATHER = 100, 0.01
"""After a batch of fewer events so many seconds pass until the next: a transaction costs the servers the same for one event as for a
hundred, and what comes meanwhile shares it."""

PATIENCE = 60.0
"""Seconds of nothing but refusals after which a role that was to end when idle ends with the refusal."""

STANDBY = 2.0
"""Seconds for which a standby asks for the lock at a time; in between it looks whether it was asked to stop."""


class Lock(Protocol):
    """At most one process at a time: see adapters.postgres.locks."""

    def take(self, seconds: float = 0.0) -> bool:
        """Hold it, waiting so long; False if another process does still."""

    def still(self) -> bool:
        """Is it ours, still?"""

    def release(self) -> None:
        """Let others have it."""


class Asking(Protocol):
    """Whether somebody asked us to stop: see services.running.Stopping."""

    @property
    def asked(self) -> bool:
        """Has somebody?"""

    def wait(self, seconds: float) -> bool:
        """Wait until somebody does, at most so long; True if so."""


class Told(Protocol):
    """Whom a role tells how it is: see services.monitor.Numbers."""

    role: str

    def watch(self, lag: Callable[[], dict[str, int]], stalls: Callable[[], int] = int) -> None:
        """It has begun; from now on these tell how much waits."""

    def moved(self, events: int, seconds: float) -> None:
        """A batch was done."""

    def refused(self, kind: str) -> None:
        """A step has to be tried again."""

    def standby(self) -> None:
        """Another process does the work."""


class Work(Protocol):
    """What a role does over and over. One that has a `close` is closed when the role is done with it."""

    def step(self) -> int:
        """Do the next of it; how many events that was, 0 if there was nothing to do."""

    def wait(self) -> None:
        """Wait for news, `PAUSE` at most."""

    def lag(self) -> dict[str, int]:
        """Events that wait, by partition."""


class Rests:
    """Stores that refused and are left alone for a while, longer each time, so that those that answer need not wait for them."""

    def __init__(self) -> None:
        self._until: dict[int, float] = {}
        self._pauses: dict[int, float] = {}

    def rests(self, store: int) -> bool:
        """Is it left alone now?"""
        return time.monotonic() < self._until.get(store, 0.0)

    def refused(self, store: int) -> None:
        """Leave it alone for twice as long as the last time."""
        pause = self._pauses[store] = min(self._pauses.get(store, FIRST_TRY / 2) * 2, LAST_TRY)
        self._until[store] = time.monotonic() + pause

    def answered(self, store: int) -> None:
        """It is well again."""
        self._pauses.pop(store, None)
        self._until.pop(store, None)

    def any(self) -> bool:
        """Has one refused and not answered since?"""
        return bool(self._until)


class Deciding:
    """sync: decides the partitions that are ours at the moment, each into its store. With `until_idle`, a store that is away is
    waited for; else the others go on."""

    name = "sync"

    def __init__(self, parts: Installation, numbers: Numbers, until_idle: bool = False) -> None:
        self._source, self._shard_of, self._numbers, self._until_idle = parts.source, parts.shard_of_partition, numbers, until_idle
        self._alone = len(parts.shards) == 1
        self._syncs: dict[int, Sync] = {}
        self._rests = Rests()

    def step(self) -> int:
        """A batch of each store's partitions."""
        moved, refusal = 0, None
        for store, partitions in self._by_store().items():
            if self._rests.rests(store) and not self._until_idle:
                continue
            try:
                moved += self._decided(partitions)
                self._rests.answered(store)
            except TryAgain as error:
                if self._alone:
                    raise
                refusal = error
                self._refused(store, error)
        if refusal is not None and self._until_idle and not moved:
            raise refusal
        return moved

    def _by_store(self) -> dict[int, list[str]]:
        found: dict[int, list[str]] = {}
        for partition in self._source.partitions():
            found.setdefault(self._shard_of(partition).number, []).append(partition)
        return found

    def _decided(self, partitions: list[str]) -> int:
        shard = self._shard_of(partitions[0])
        if shard.number not in self._syncs:
            self._syncs[shard.number] = shard.sync()
        counts = self._syncs[shard.number].step(*partitions)
        if counts is None:
            return 0
        self._numbers.decided(counts)
        return sum(counts.values())

    def _refused(self, store: int, error: TryAgain) -> None:
        self._numbers.refused(type(error).__name__)
        log.warning("again", role=self.name, store=store + 1, error=str(error))
        self._rests.refused(store)
        if isinstance(error, Conflict):
            del self._syncs[store]  # where we were may be wrong now

    def wait(self) -> None:
        """See `Work`."""
        awake = [p for p in self._source.partitions() if not self._rests.rests(self._shard_of(p).number)]
        if not awake:
            time.sleep(PAUSE / 4)  # the group has given us none, or none yet, or all of them wait for their stores
            return
        if self._rests.any():
            time.sleep(FIRST_TRY)  # what is there for a store that is away would let us wait for nothing
        self._source.wait(self._shard_of(awake[0]).store.place(awake[0]), PAUSE)

    def lag(self) -> dict[str, int]:
        """See `Work`. What cannot be asked at the moment is left out, if there are several stores."""
        found: dict[str, int] = {}
        for partition in self._source.partitions():
            store = self._shard_of(partition)
            if self._alone or not self._rests.rests(store.number):
                found[partition] = max(self._source.end(partition) - store.store.place(partition), 0)
        return found


class Relaying:
    """relay: puts on the domain log what a store recorded. Begun anew whenever the lock was taken: where the log ends is asked then."""

    name = "relay"

    def __init__(self, shard: Shard) -> None:
        self._store, self._log, self._relay, self._number = shard.store, shard.domain_log, shard.relay(), shard.number

    def step(self) -> int:
        """See `Work`."""
        return self._relay.step()

    def wait(self) -> None:
        """The store has nobody who tells: look again soon, for this is on the way of every event."""
        time.sleep(0.01)

    def lag(self) -> dict[str, int]:
        """See `Work`."""
        return {str(self._number): max(self._store.end() - self._log.last_id(), 0)}


class Folding:
    """project: folds a store's part of the domain log into its read models. With `clock`, ticks the clocks of accounts once a day."""

    name = "project"

    def __init__(self, shard: Shard, clock: Callable[[], int] | None) -> None:
        self._shard, self._clock = shard, clock
        self._log, self._views, self._project = shard.domain_log, shard.views, shard.project()
        self._looked = -CLOCK_LOOKS

    def step(self) -> int:
        """See `Work`."""
        if self._clock is not None and time.monotonic() - self._looked > CLOCK_LOOKS:
            self._looked = time.monotonic()
            tick(self._shard, self._clock())
        return self._project.step()

    def wait(self) -> None:
        """See `Work`."""
        self._log.wait(self._views.position(), PAUSE)

    def lag(self) -> dict[str, int]:
        """See `Work`."""
        return {str(self._shard.number): max(self._log.end() - self._views.position(), 0)}


class Role:
    """A process's work, done until somebody asks to stop. With `until_idle`, until there is nothing to do."""

    def __init__(self, begin: Callable[[], Work], until_idle: bool, numbers: Told, stalls: Callable[[], int] = int) -> None:
        self._name, self._begin, self._until_idle, self._numbers, self._stalls = numbers.role, begin, until_idle, numbers, stalls
        self._work: Work | None = None
        self._moved = 0

    def run(self, stopping: Asking) -> None:
        """Work. Raises what does not pass by itself."""
        try:
            self._run(stopping)
        finally:
            self._leave()

    def _run(self, stopping: Asking) -> None:
        pause, refused_since = FIRST_TRY, None
        while not stopping.asked:
            try:
                idle = self._turn()
            except TryAgain as refusal:
                now = time.monotonic()
                refused_since = refused_since or now
                if self._until_idle and now - refused_since > PATIENCE:
                    raise
                self._refused(refusal, pause)
                stopping.wait(pause * random.uniform(0.5, 1.0))  # noqa: S311 - so that several do not come back at once
                pause = min(pause * 2, LAST_TRY)
                continue
            pause, refused_since = FIRST_TRY, None
            if idle and self._until_idle:
                return
            if 0 < self._moved < SMALL and not self._until_idle:
                stopping.wait(GATHER)

    def _turn(self) -> bool:
        """One step, or the wait for one. True if there was nothing to do."""
        if self._work is None:
            self._work = self._begin()
            self._numbers.watch(self._work.lag, self._stalls)
        began = time.perf_counter()
        moved = self._moved = self._work.step()
        if moved:
            self._numbers.moved(moved, time.perf_counter() - began)
            log.info("batch", role=self._name, events=moved, seconds=round(time.perf_counter() - began, 4))
            return False
        if not self._until_idle:
            self._work.wait()
        return True

    def _refused(self, refusal: TryAgain, pause: float) -> None:
        self._numbers.refused(type(refusal).__name__)
        say = log.info if isinstance(refusal, Conflict) else log.warning
        say("again", role=self._name, error=str(refusal), seconds=pause)
        if isinstance(refusal, Conflict):
            self._leave()  # where we were may be wrong now: the next step begins from what is stored

    def _leave(self) -> None:
        work, self._work = self._work, None
        _close(work)


def _close(work: object) -> None:
    close = getattr(work, "close", None)
    if close is not None:
        close()


Begin = Callable[[Numbers], Work]


def run(name: str, parts: Installation, begin: Begin, until_idle: bool, lock: AbstractContextManager[Lock] | None = None) -> None:
    """A role in this process, until it is asked to stop or idle. With `lock`, only while it holds that."""
    numbers = Numbers(name)
    settle_in()
    try:
        with Stopping() as stopping, Monitor(parts.settings.monitor, parts.settings.host, numbers, parts.settings.max_lag):
            if lock is None:
                Role(lambda: begin(numbers), until_idle, numbers, parts.stalls).run(stopping)
                return
            with lock as held:
                _while_held(Role(lambda: _Held(begin(numbers), held), until_idle, numbers, parts.stalls), numbers, stopping, held)
    finally:
        parts.close()


def _while_held(role: Role, numbers: Told, stopping: Asking, held: Lock) -> None:
    """Stand by until the lock is ours, then work."""
    while not stopping.asked:
        try:
            taken = held.take(STANDBY)
        except TryAgain as refusal:
            log.warning("again", role=numbers.role, error=str(refusal))
            stopping.wait(PAUSE)
            continue
        if taken:
            log.info("working", role=numbers.role)
            role.run(stopping)
            return
        numbers.standby()


class _Held:
    """Work that is done only while a lock is held; who lost it stands by again at the next step."""

    def __init__(self, work: Work, held: Lock) -> None:
        self._work, self._held = work, held
        self.wait, self.lag = work.wait, work.lag

    def close(self) -> None:
        """Close the work, if it has to be."""
        _close(self._work)

    def step(self) -> int:
        """See `Work`. Raises `Conflict` if the lock is another's by now, `TryAgain` if nobody can tell."""
        if not self._held.still() and not self._held.take(STANDBY):
            raise Conflict("another process has taken over")
        return self._work.step()


def run_each(name: str, parts: Installation, begin: Callable[[Shard, Told], Work], until_idle: bool) -> None:
    """A role that one process does for a store: for the only one, or in this process's share of them."""
    if len(parts.shards) == 1:
        [shard] = parts.shards
        run(name, parts, lambda numbers: begin(shard, numbers), until_idle, shard.only_one(name))
        return
    from services.sharing import Sharing

    numbers = Numbers(name)
    settle_in()
    try:
        with Stopping() as stopping, Monitor(parts.settings.monitor, parts.settings.host, numbers, parts.settings.max_lag):
            Sharing(parts, numbers, begin, until_idle).run(stopping)
    finally:
        parts.close()


def sync(parts: Installation, until_idle: bool) -> None:
    """Decide what the source log says."""
    run("sync", parts, lambda numbers: Deciding(parts, numbers, until_idle), until_idle)


def relay(parts: Installation, until_idle: bool) -> None:
    """Put recorded domain events on the domain log."""
    run_each("relay", parts, lambda shard, _: Relaying(shard), until_idle)


def project(parts: Installation, until_idle: bool) -> None:
    """Fold the domain log into the read models."""
    from services.wiring import now

    # Who is to end when nothing is left to do adds nothing to do.
    run_each("project", parts, lambda shard, _: Folding(shard, None if until_idle else now), until_idle)


# --- the roles that work with providers ------------------------------------------------------------------------------------------


class _NotSetUp:
    """Nothing to do, since our app is known at no provider: settings are read when a process begins."""

    def __init__(self, role: str) -> None:
        log.warning("no provider is set up, so there is nothing to do", role=role)

    def step(self) -> int:
        """See `Work`."""
        return 0

    def wait(self) -> None:
        """See `Work`."""
        time.sleep(PAUSE)

    def lag(self) -> dict[str, int]:
        """See `Work`."""
        return {}


class _WithOutside:
    """Work with providers, and what was opened for it, which is closed after it."""

    def __init__(self, work: Work, outside: Outside) -> None:
        self._work, self._outside = work, outside
        self.step, self.wait, self.lag = work.step, work.wait, work.lag

    def close(self) -> None:
        """First the work, whose last calls need what is outside."""
        _close(self._work)
        self._outside.close()


def ingesting(outside: Outside, numbers: Numbers) -> Work:
    """What `ingest` does, with its numbers. Connections whose beginning or end was cut off are finished before."""

    def begun() -> Work:
        from services.wiring import now

        outside.connecting().restore()
        numbers.look(lambda: [*feeds_seen(outside.grants, outside.cursors, now()), channels_seen(outside.channels, now())])
        return outside.ingesting()

    return _with(outside, "ingest", begun)


def delivering(outside: Outside, numbers: Numbers) -> Work:
    """What `deliver` does, with its numbers."""

    def begun() -> Work:
        from services.wiring import now

        numbers.look(lambda: deliveries_seen(outside.deliveries, now()))
        return outside.delivering(numbers)

    return _with(outside, "deliver", begun)


def _with(outside: Outside, role: str, begun: Callable[[], Work]) -> Work:
    if not outside.is_set_up:
        return _NotSetUp(role)
    try:
        return _WithOutside(begun(), outside)
    except BaseException:  # whoever tries again begins with another
        outside.close()
        raise
