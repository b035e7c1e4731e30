"""A role for several stores, shared among any number of processes: each works for as many of them as is its share.

A store is worked for by the process that holds its lock, in a thread of its own, so that one that is away or has much to do holds up
none of the others. How many processes there are is asked of the first store; a process takes up to the number of stores divided by that,
rounded up, and gives back what is above it, at the end of a batch.

What must stay true: nothing depends on the shares but who works. Two who count differently for a moment, or cannot count, leave a store
idle for some seconds at worst, because no store is worked for without its lock.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from typing import TYPE_CHECKING, Protocol

import structlog

from domain.errors import RendezvousError, Stop, TryAgain
from services.monitor import Lag, Numbers
from services.roles import PAUSE, Asking, Lock, Role, Told, Work
from services.running import Stopping
from services.shards import answers

if TYPE_CHECKING:
    from services.wiring import Installation, Shard

log = structlog.get_logger(__name__)

COUNTS_SECONDS = 1.0
"""How often the processes are counted."""


class Counting(Protocol):
    """See adapters.postgres.locks.Present."""

    def count(self) -> int:
        """How many processes of this role there are."""


class Shares:
    """Which stores this process works for, and how many it should. Usable by any number of threads."""

    def __init__(self, stores: int) -> None:
        self._stores, self._most = stores, stores
        self._mine: list[int] = []
        self._lock = threading.Lock()

    def counted(self, processes: int) -> None:
        """There are so many of us."""
        with self._lock:
            self._most = -(-self._stores // max(processes, 1))

    def reserve(self, store: int) -> bool:
        """May this process work for one more? If so, it counts as if it did."""
        with self._lock:
            if len(self._mine) >= self._most:
                return False
            self._mine.append(store)
            return True

    def leave(self, store: int) -> None:
        """Not this one."""
        with self._lock:
            self._mine.remove(store)

    def too_many(self, store: int) -> bool:
        """Is this the one to give back? The last that was taken."""
        with self._lock:
            return len(self._mine) > self._most and self._mine[-1] == store


class Sharing:
    """A role at work for this process's share of the stores."""

    def __init__(self, parts: Installation, numbers: Numbers, begin: Callable[[Shard, Told], Work], until_idle: bool) -> None:
        self._parts, self._begin, self._until_idle = parts, begin, until_idle
        self._told = Together(numbers, parts.stalls)
        self._shares = Shares(len(parts.shards))
        self._failures: list[RendezvousError] = []

    def run(self, stopping: Stopping) -> None:
        """Work until asked to stop, or, with `until_idle`, until no store has anything left to do. Raises what ended it."""
        _ = self._parts.publisher  # made here, once, and not by several threads at the same time
        threads = [
            threading.Thread(target=self._guarded, args=(shard, stopping), name=f"store {shard.number + 1}", daemon=True)
            for shard in self._parts.shards
        ]
        with self._parts.present(self._told.role) as present:
            if not self._until_idle:
                self._count(present)
            for thread in threads:
                thread.start()
            while not self._until_idle and not stopping.wait(COUNTS_SECONDS):
                self._count(present)
            for thread in threads:
                thread.join()
        if self._failures:
            raise self._failures[0]

    def _count(self, present: Counting) -> None:
        try:
            self._shares.counted(present.count())
        except TryAgain as refusal:
            log.warning("processes not counted", role=self._told.role, error=str(refusal))

    def _guarded(self, shard: Shard, stopping: Stopping) -> None:
        try:
            self._work_for(shard, stopping)
        except BaseException as error:  # whatever ended a thread ends the process; who started us starts us again
            log.error("role failed", role=self._told.role, store=shard.number + 1, exc_info=not isinstance(error, RendezvousError))
            said = Stop(f"{self._told.role} failed: {type(error).__name__}: {error}")
            self._failures.append(error if isinstance(error, RendezvousError) else said)
            stopping.ask()

    def _work_for(self, shard: Shard, stopping: Stopping) -> None:
        """Whenever nobody else does and it is within our share."""
        with ExitStack() as opened:
            lock: Lock | None = None
            while not stopping.asked:
                try:
                    lock = lock or opened.enter_context(_lock(shard, self._told.role))
                    if self._worked(shard, lock, stopping) and self._until_idle:
                        return
                except TryAgain as refusal:
                    log.warning("again", role=self._told.role, store=shard.number + 1, error=str(refusal))
                stopping.wait(PAUSE)  # also after giving it back: somebody waits for it

    def _worked(self, shard: Shard, lock: Lock, stopping: Stopping) -> bool:
        """Take the store, if it is to be had, and work for it until somebody asks to stop, it is lost, or it is to be given back. True if
        nothing was left to do."""
        if not self._shares.reserve(shard.number):
            return False
        try:
            return lock.take() and self._worked_alone(shard, lock, stopping)
        finally:
            self._shares.leave(shard.number)
            self._told.left(shard.number)

    def _worked_alone(self, shard: Shard, lock: Lock, stopping: Stopping) -> bool:
        log.info("working", role=self._told.role, store=shard.number + 1)
        ours = _Ours(stopping, lambda: self._shares.too_many(shard.number))
        told = self._told.of(shard.number)
        try:
            Role(lambda: _Holding(self._begin(shard, told), lock, ours), self._until_idle, told).run(ours)
        finally:
            lock.release()
        return not ours.asked


def _lock(shard: Shard, role: str) -> AbstractContextManager[Lock]:
    lock = shard.only_one(role)
    assert lock is not None, "several stores are databases"
    return lock


class _Ours:
    """Asks to stop also when the store is lost, or is to be given back."""

    def __init__(self, stopping: Asking, is_too_many: Callable[[], bool]) -> None:
        self._stopping, self._is_too_many = stopping, is_too_many
        self.lost = False

    @property
    def asked(self) -> bool:
        """Has anybody asked?"""
        return self.lost or self._stopping.asked or self._is_too_many()

    def wait(self, seconds: float) -> bool:
        """See `Asking`."""
        return self._stopping.wait(seconds) or self.asked


class _Holding:
    """Work for a store, as long as its lock is ours."""

    def __init__(self, work: Work, lock: Lock, ours: _Ours) -> None:
        self._work, self._lock, self._ours = work, lock, ours
        self.lag = work.lag

    def step(self) -> int:
        """See `Work`. Nothing once the lock was lost."""
        self._ours.lost = not self._lock.still()
        return 0 if self._ours.lost else self._work.step()

    def wait(self) -> None:
        """See `Work`."""
        if not self._ours.asked:
            self._work.wait()


class Together:
    """The numbers of all stores that this process works for, told as one role's."""

    def __init__(self, numbers: Numbers, stalls: Callable[[], int]) -> None:
        self._numbers, self._stalls, self.role = numbers, stalls, numbers.role
        self._lags: dict[int, Lag] = {}

    def of(self, store: int) -> _OfStore:
        """Whom a store's role tells."""
        return _OfStore(self, self._numbers, store)

    def works(self, store: int, lag: Lag) -> None:
        """It has begun."""
        self._lags[store] = lag
        self._numbers.watch(self._lag, self._stalls)

    def left(self, store: int) -> None:
        """It is another process's now, or nobody's."""
        self._lags.pop(store, None)
        if not self._lags:
            self._numbers.standby()

    def _lag(self) -> dict[str, int]:
        found = answers(list(self._lags.values()))
        return {partition: events for one in found for partition, events in one.items()}


class _OfStore:
    def __init__(self, together: Together, numbers: Numbers, store: int) -> None:
        self._together, self._store, self.role = together, store, numbers.role
        self.moved, self.refused = numbers.moved, numbers.refused

    def watch(self, lag: Lag, stalls: Callable[[], int] = int) -> None:
        """See `Told`."""
        self._together.works(self._store, lag)

    def standby(self) -> None:
        """See `Told`."""
        self._together.left(self._store)
