"""Decide what the source log says, a batch at a time: one load, one transaction.

For every record: the aggregates it concerns, the rule that settles it, the domain events that follow. A batch and its
position are committed together; on a conflict nothing was written, the desk is cleared and the batch is decided again from a
fresh load, so that a repeated position is never doubled. A record that cannot be read goes to the dead letters with its
original bytes and holds nobody up.

Where commits are waited for, a batch is committed while the next is decided. What must stay true: a batch is begun to be committed only
when the one before it is, so that what is committed is always a beginning of the log; what is decided meanwhile counts for nothing if
that fails; and when a step returns nothing is under way.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import NamedTuple

import structlog

from domain.decisions import Outcome, Rule
from domain.errors import Conflict, PositionLost, RendezvousError
from domain.ports import DeadLetters, LogRecord, Place, SourceLog, Store, Vault
from services.deciding import Batch
from services.desk import Desk

log = structlog.get_logger(__name__)

BATCH = 1000
"""Records decided and committed at a time."""

TRIES = 8
"""How often a batch is decided again after a conflict before the conflict is somebody's bug."""

AHEAD = 32
"""Batches of a step at most, where each is committed behind the next: so much is remembered at a time that no query shows yet."""

AHEAD_SECONDS = 2.0
"""No batch of such a step is begun later than this after the first: who asks to stop waits for no more."""

Behind = Callable[[Callable[[], None]], Callable[[], object]]
"""Begins something in another thread; what it gives waits for the end, and raises what was raised."""

Counts = Counter[tuple[str, str]]
"""How many source events were settled by (rule, outcome), main decision each."""


class Sync:
    """Decides partitions of a source log into a store. One instance owns its partitions; several own different ones."""

    def __init__(
        self,
        source: SourceLog,
        store: Store,
        vault: Vault,
        dead: DeadLetters,
        clock: Callable[[], int],
        batch: int = BATCH,
        behind: Behind | None = None,
        elapsed: Callable[[], float] = time.monotonic,
    ) -> None:
        """With `behind`, a batch is committed by it while the next is decided. `elapsed`: seconds since some time."""
        self._source, self._store, self._vault, self._dead, self._clock = source, store, vault, dead, clock
        self._batch, self._elapsed = batch, elapsed
        self._behind, self._ahead = (_at_once, 1) if behind is None else (behind, AHEAD)
        self._desk = Desk(store, vault)
        self._places: dict[str, int] = {}
        self._turn = 0
        self._writing: _Writing | None = None

    def step(self, *partitions: str) -> Counts | None:
        """Decide the next batch of these partitions, in one transaction; several, one after the other, where one is committed behind the
        next. All of it is committed when this returns. None if there is nothing to decide."""
        for attempt in range(TRIES):
            for partition in partitions:
                if partition not in self._places:
                    self._places[partition] = self._store.place(partition)
            records = self._next(partitions)
            if not records:
                for partition in partitions:
                    self._look_for_the_end(partition)
                return None
            counts: Counts = Counter()
            try:
                with self._or_nothing(counts):
                    self._decide_on(partitions, records, counts)
            except Conflict:
                # Somebody else recorded first. What we know is old: look again.
                log.info("conflict", partitions=partitions, attempt=attempt + 1)
                if not counts:
                    continue
            return counts
        raise Conflict(f"{', '.join(partitions)} could not be decided in {TRIES} tries: does another process own it?")

    def _decide_on(self, partitions: Sequence[str], records: list[LogRecord], counts: Counts) -> None:
        """These records, and those that follow as long as there are whole batches of them and it is not too much for a step."""
        until = self._elapsed() + AHEAD_SECONDS
        for ahead in range(1, self._ahead + 1):
            decided = self._begin(records, counts)
            self._places.update(_ends(records[:decided]))
            if len(records) < self._batch or ahead == self._ahead or self._elapsed() > until:
                break
            records = self._next(partitions)
            if not records:
                break
        self._finish(counts)

    def _next(self, partitions: Sequence[str]) -> list[LogRecord]:
        """At most a batch of records: where little comes of each, of all of them. The one to begin with changes, so that none has to
        wait for a busy one."""
        self._turn = (self._turn + 1) % max(len(partitions), 1)
        found: list[LogRecord] = []
        for partition in (*partitions[self._turn :], *partitions[: self._turn]):
            if len(found) < self._batch:
                found += self._source.read(partition, self._places[partition], self._batch - len(found))
        return found

    def _look_for_the_end(self, partition: str) -> None:
        """A log that ends before what was decided of it is not the log that was decided."""
        end, place = self._source.end(partition), self._places[partition]
        if end < place:
            raise PositionLost(
                f"partition {partition} of the source log ends at {end}, but was decided up to {place}: is it the right log?"
            )

    def decide(self, records: list[LogRecord]) -> tuple[Counts, int]:
        """Decide these records, or the first so many of them, and commit them. Raises `Conflict` with nothing written."""
        counts: Counts = Counter()
        with self._or_nothing(counts):
            decided = self._begin(records, counts)
            self._finish(counts)
        return counts, decided

    def _begin(self, records: list[LogRecord], counts: Counts) -> int:
        """Decide these records, or the first so many of them, and begin to commit them once what was begun before is committed."""
        batch = Batch(self._desk, self._vault, self._clock(), lambda: self._settle(counts))
        decided, letters = batch.decide(records)
        self._settle(counts)
        if letters:
            self._dead.put(letters)
        commit = self._desk.hand_over([Place(partition, position) for partition, position in _ends(records[:decided]).items()])
        self._writing = _Writing(self._behind(commit), batch.settled)
        return decided

    def _finish(self, counts: Counts) -> None:
        """Wait until everything that was begun is committed."""
        self._settle(counts)
        self._desk.written()

    def _settle(self, counts: Counts) -> None:
        """Wait until what was begun last is committed. Raises what kept it from being so."""
        writing, self._writing = self._writing, None
        if writing is not None:
            writing.end()
            counts.update({(rule.value, outcome.value): count for (rule, outcome), count in writing.settled.items()})

    @contextmanager
    def _or_nothing(self, counts: Counts) -> Iterator[None]:
        """On any error nothing is under way afterwards, and nothing is known any more of what was decided."""
        try:
            yield
        except BaseException:
            with suppress(RendezvousError):  # one error is told; how far the store is will be asked of it anew
                self._settle(counts)
            self._desk.clear()
            self._places.clear()
            raise


class _Writing(NamedTuple):
    """A batch that is being committed: what waits for its end, and how its source events were settled."""

    end: Callable[[], object]
    settled: Counter[tuple[Rule, Outcome]]


def _at_once(commit: Callable[[], None]) -> Callable[[], object]:
    commit()
    return _nothing


def _nothing() -> None:
    """It was done before."""


def _ends(records: list[LogRecord]) -> dict[str, int]:
    """How far each partition comes with these."""
    return {record.partition: record.position for record in records}
