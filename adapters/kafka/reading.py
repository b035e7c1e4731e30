"""Reads a topic the way our ports ask: so many records of a partition after a position, and to be told when there are more.

A position is an offset and one: 0 stands before the first record, and the position of a record is the offset behind it, which is
also what a consumer's commit says.

What must stay true: a reader that is asked for what is after a position goes on where it is if that is there, and seeks otherwise; it
never says that nothing is there while something is; a partition that is taken away in between is empty, with nothing of it kept; and
what is held in memory has a limit.

A group's commits are for the tools that show lag and for nobody else: who asks for what is after a position has that position behind
him, in his own database, and that is what is committed.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable
from typing import Any

import structlog
from kafka import ConsumerRebalanceListener, TopicPartition
from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
from kafka.errors import KafkaError
from kafka.structs import MemberState, OffsetAndMetadata

from adapters.kafka.connect import ANSWER_MS, KafkaSettings, consumer, said_in_our_words
from adapters.kafka.topics import missing_topics
from domain.errors import PositionLost, Stop, TryAgain

log = structlog.get_logger(__name__)

MOST_BYTES = 16 * 1024 * 1024
"""A read gives no more than this at a time, one record apart."""

ENOUGH_BYTES = 4 * 1024 * 1024
"""A partition with so much waiting is fetched no further until somebody reads it."""

A_POLL = 1_000_000
"""Records taken from the consumer at a time: whole answers, which the fetch sizes limit. Of one taken in part, kafka-python 3.0.12 sets the
rest aside when its partition is paused, and may not find it again when it is resumed."""

LOOK_SECONDS = 0.1
"""How long we wait for the consumer before we look around."""

GLANCE_SECONDS = 0.005
"""How long we wait for it at first, and twice as long each time. kafka-python 3.0.12 sleeps through the time that it is given, with an
answer in its hands, if that came in the moment in which it looked for what to wait for."""

PATIENCE_SECONDS = 2.0
"""How long a read waits for a record that must be there, before it says `TryAgain`."""

STALLED_SECONDS = 10.0
"""A consumer that has not delivered for so long what must be there is built anew. kafka-python's own recovery after a broker's
restart was seen to take up to seven seconds alone and twenty in a group, and in a group three times of fourteen to fail for good."""

ROUND_SECONDS = 0.02
"""How old the answer to *where does it end* may be that a read believes."""

COMMIT_SECONDS = 2.0
"""How often a group's positions are shown to the tools."""

MOST_PATIENCE = 8
"""A group that could not be joined is waited for twice as long each time, up to so many times as long as at first: where brokers are
slow, who gives up leaves a member behind that the next one has to wait for."""

SESSION_MS, HEARTBEAT_MS = 10_000, 1_000
"""A member that is silent for so long loses its partitions: Kafka's own 45 s would be how long a killed process holds them up. Of a change
of members the others hear with their next heartbeat."""

JOIN_SECONDS = 5.0
"""How long a member that has to join, at first or again, does nothing else at a time. kafka-python 3.0.12 begins to join anew if the former
attempt succeeded while nobody was polling, so members that look in only now and then might join for ever."""


class _Flow:
    """What was fetched of a partition and not yet given out; `given` is the position behind the last record that was."""

    __slots__ = ("bytes", "given", "records")

    def __init__(self, given: int) -> None:
        self.given, self.bytes = given, 0
        self.records: deque[Any] = deque()

    def add(self, records: Iterable[Any]) -> None:
        for record in records:
            self.records.append(record)
            self.bytes += _size(record)

    def take(self, limit: int) -> list[Any]:
        taken: list[Any] = []
        size = 0
        while self.records and len(taken) < limit and (size < MOST_BYTES or not taken):
            record = self.records.popleft()
            size += _size(record)
            taken.append(record)
        self.bytes -= size
        if taken:
            self.given = taken[-1].offset + 1
        return taken


def _size(record: Any) -> int:
    return len(record.value or b"") + 200  # about what key, headers and the objects themselves take


class Reader:
    """A topic's partitions: one of them, all of them, or those that a consumer group gives to this member.

    Usable by any number of threads, one at a time. `stalls` counts how often its consumer had to be built anew.
    """

    def __init__(self, settings: KafkaSettings, topic: str, *, only: int | None = None, group: str | None = None) -> None:
        self._settings, self._topic, self._only, self._group = settings, topic, only, group
        self._lock = threading.Lock()
        self._consumer: Any = None
        # A second one, never assigned anything: on one connection a question waits until the fetch before it is answered, which
        # takes a tenth of a second where there is nothing to fetch.
        self._asking: Any = None
        self._ends: dict[int, int] = {}
        self._ends_until = 0.0
        self._closed = False
        self._known: frozenset[int] = frozenset()
        self._flows: dict[int, _Flow] = {}
        self._moved: deque[int] = deque()  # filled by kafka-python's thread, hence nothing that needs the lock
        self._silent: dict[int, float] = {}
        self._unjoined: float | None = None
        self._patience = 1
        self._shown: dict[int, int] = {}
        self._show_at = 0.0
        self.stalls = 0

    # --- questions ---------------------------------------------------------------------------------------------------

    def partitions(self) -> list[int]:
        """Those this reader may read now, in order."""
        with self._lock, said_in_our_words(self._settings):
            self._open()
            if self._group is not None:
                self._poll(0.0)
                self._join()
                self._look_for_a_group_that_is_stuck()
            return sorted(self._mine())

    def end(self, partition: int) -> int:
        """The last position, 0 if empty or if there is no such partition."""
        with self._lock, said_in_our_words(self._settings):
            self._open()
            return self._asked_ends([partition])[partition] if partition in self._known else 0

    def before(self, partition: int, at: int) -> int:
        """The position before the first record of a time (ms) or later; the end if there is none."""
        with self._lock, said_in_our_words(self._settings):
            self._open()
            if partition not in self._known:
                return 0
            asked = TopicPartition(self._topic, partition)
            found = self._ask("offsets_for_times", {asked: at})[asked]
            return self._asked_ends([partition])[partition] if found is None else int(found.offset)

    def read(self, partition: int, after: int, limit: int) -> list[Any]:
        """At most `limit` of kafka-python's `ConsumerRecord`s after a position, in order; none only if there is none, or if the
        partition is not this reader's. Raises `TryAgain` if what must be there does not come, `PositionLost` if there is no such
        position."""
        with self._lock, said_in_our_words(self._settings):
            self._open()
            if partition not in self._mine():
                return []
            flow = self._flow(partition, after)
            self._show(partition, after)
            if flow is None or not self._fill(partition, flow, limit):
                return []
            return flow.take(limit)

    def wait(self, after: int, seconds: float) -> bool:
        """Return as soon as something may be read, at the latest after `seconds`; True if so. `after` counts if there is one
        partition; of several, each goes on where its last read ended."""
        until = time.monotonic() + seconds
        while True:
            left = until - time.monotonic()
            with self._lock, said_in_our_words(self._settings):
                self._open()
                if self._something_after(after):
                    return True
                self._poll(max(0.0, min(left, LOOK_SECONDS)))
                self._join()
                if self._something_after(after):
                    return True
            if left <= 0:
                return False

    def close(self) -> None:
        """Leave the group, if there is one, and the cluster. Further questions raise `Stop`."""
        with self._lock:
            self._closed = True
            self._forget_consumer(orderly=True)
            if self._asking is not None:
                self._asking.close()

    # --- the consumer ------------------------------------------------------------------------------------------------

    def _open(self) -> None:
        if self._closed:
            raise Stop(f"the reader of {self._topic} is closed")
        if self._asking is None:
            self._asking = consumer(self._settings)
        if self._consumer is None:
            self._consumer = self._connected()

    def _connected(self) -> Any:
        made = consumer(self._settings, **self._group_options())
        try:
            self._known = frozenset(made.partitions_for_topic(self._topic))
            if not self._known:
                raise missing_topics(self._settings, [self._topic])
            if self._group is not None:
                made.subscribe([self._topic], listener=_Moves(made, self._moved))
            else:
                wanted = sorted(self._known) if self._only is None else [self._only]
                chosen = [TopicPartition(self._topic, partition) for partition in wanted]
                made.assign(chosen)
                _set_aside(made, chosen)
        except BaseException:
            made.close(autocommit=False, timeout_ms=0)
            raise
        return made

    def _group_options(self) -> dict[str, Any]:
        if self._group is None:
            return {}
        return {
            "group_id": self._group,
            "partition_assignment_strategy": [CooperativeStickyAssignor()],
            "session_timeout_ms": SESSION_MS,
            "heartbeat_interval_ms": HEARTBEAT_MS,
        }

    def _forget_consumer(self, orderly: bool) -> None:
        gone, self._consumer = self._consumer, None
        if gone is None:
            return
        try:
            if orderly and self._group is not None and self._shown:
                gone.commit(self._offsets(gone), timeout_ms=1_000)
        except KafkaError as error:
            log.debug("positions not shown", topic=self._topic, error=str(error))
        gone.close(autocommit=False, timeout_ms=1_000)
        self._flows.clear()
        self._moved.clear()
        self._silent.clear()
        self._shown.clear()
        self._unjoined = None

    def _mine(self) -> set[int]:
        return {assigned.partition for assigned in self._consumer.assignment()}

    def _end(self, partition: int) -> int:
        """Where a partition of ours ends. All are asked for at once, and the answer serves each of them once, for a moment: who
        goes through many partitions asks one question and not many."""
        if partition not in self._ends or time.monotonic() > self._ends_until:
            self._ends = self._asked_ends(self._mine() | {partition})
            self._ends_until = time.monotonic() + ROUND_SECONDS
        return self._ends.pop(partition)

    def _asked_ends(self, partitions: Iterable[int]) -> dict[int, int]:
        asked = [TopicPartition(self._topic, partition) for partition in partitions]
        return {partition.partition: int(end) for partition, end in self._ask("end_offsets", asked).items()}

    def _ask(self, question: str, about: Any) -> Any:
        try:
            return getattr(self._asking, question)(about, timeout_ms=ANSWER_MS)
        except KafkaError:
            gone, self._asking = self._asking, None  # the next question goes through a new one, whatever ailed this
            gone.close(autocommit=False, timeout_ms=0)
            raise

    # --- fetching ----------------------------------------------------------------------------------------------------

    def _flow(self, partition: int, after: int) -> _Flow | None:
        """The partition's flow, at this position: as it is, or after a seek."""
        self._note_moves()
        flow = self._flows.get(partition)
        if flow is None or flow.given != after:
            flow = self._flows[partition] = _Flow(after)
            self._seek(partition, after)
            self._note_moves()  # it may have gone and come back meanwhile, and would stand aside
        return self._flows.get(partition)

    def _seek(self, partition: int, after: int) -> None:
        asked = TopicPartition(self._topic, partition)
        first, end = int(self._ask("beginning_offsets", [asked])[asked]), self._asked_ends([partition])[partition]
        # From 0 is from the first that there is; who stood somewhere must find what followed.
        if after > end or 0 < after < first:
            raise PositionLost(f"{self._topic}, partition {partition}, holds {first + 1} to {end}, and was to be read after {after}")
        try:
            self._consumer.seek(asked, max(after, first))
            self._consumer.resume(asked)
        except (ValueError, KeyError):
            self._flows.pop(partition, None)  # taken away this moment

    def _fill(self, partition: int, flow: _Flow, limit: int) -> bool:
        """Fetch until there is as much as was asked for, or all there is. False if the partition was taken away."""
        if len(flow.records) < limit:
            self._resume(partition)
            self._poll(0.0, partition)
        if len(flow.records) >= limit:
            return self._flows.get(partition) is flow
        end = self._end(partition)
        until = time.monotonic() + PATIENCE_SECONDS
        while len(flow.records) < limit and flow.bytes < MOST_BYTES and self._reached(partition, flow) < end:
            before = len(flow.records)
            self._poll(LOOK_SECONDS, partition)
            if self._flows.get(partition) is not flow:
                return False
            if len(flow.records) > before:
                until = time.monotonic() + PATIENCE_SECONDS
            elif time.monotonic() > until:
                if flow.records:
                    break
                raise self._late(partition, end)
        return self._flows.get(partition) is flow

    def _reached(self, partition: int, flow: _Flow) -> int:
        """The position up to which the partition was fetched: what holds no record, as the end of a transaction, is passed over."""
        last = flow.records[-1].offset + 1 if flow.records else flow.given
        try:
            fetched = self._consumer.position(TopicPartition(self._topic, partition), timeout_ms=0)
        except KafkaError:
            return last  # taken away this moment
        return max(last, fetched or 0)

    def _resume(self, partition: int) -> None:
        asked = TopicPartition(self._topic, partition)
        if asked in self._consumer.paused():
            self._consumer.resume(asked)

    def _poll(self, seconds: float, wanted: int | None = None) -> None:
        """Take what the consumer has, waiting for it at most so long. Others than the wanted stop when they have enough."""
        glance = GLANCE_SECONDS if self._unjoined_since() is None else seconds  # who joins must not look away
        while not (found := self._consumer.poll(timeout_ms=round(min(seconds, glance) * 1000), max_records=A_POLL)) and seconds > glance:
            seconds, glance = seconds - glance, 2 * glance
        self._take(found, wanted)

    def _join(self) -> None:
        """Wait for a place in the group, if there is a group and it has none for us. Not by each of many reads: together they would
        take so long that who is asked to stop does not hear it."""
        until = time.monotonic() + JOIN_SECONDS
        while self._unjoined_since() is not None and time.monotonic() < until:
            # Who leads a group and joins again because its topic has grown forgets why once the broker has answered; if nobody was
            # polling in that moment, kafka-python 3.0.12 asks for nothing more, and neither joins nor sends heartbeats ever again.
            self._consumer._coordinator.request_rejoin()
            self._poll(LOOK_SECONDS)

    def _unjoined_since(self) -> float | None:
        """When this member was first seen to have no place in its group; None if it has one, or is in none."""
        if self._group is None or self._consumer.group_metadata().state is MemberState.STABLE:
            self._unjoined, self._patience = None, 1
        elif self._unjoined is None:
            self._unjoined = time.monotonic()
        return self._unjoined

    def _take(self, found: dict[TopicPartition, list[Any]], wanted: int | None) -> None:
        self._note_moves()
        for source, records in found.items():
            flow = self._flows.get(source.partition)
            self._silent.pop(source.partition, None)
            if flow is not None:
                flow.add(records)
                if flow.bytes >= ENOUGH_BYTES and source.partition != wanted:
                    self._pause(source)

    def _pause(self, source: TopicPartition) -> None:
        try:
            self._consumer.pause(source)
        except KeyError:
            pass  # taken away this moment

    def _note_moves(self) -> None:
        """Drop what we had of partitions that were taken away or given to us."""
        while self._moved:
            moved = self._moved.popleft()
            self._flows.pop(moved, None)
            self._silent.pop(moved, None)
            self._shown.pop(moved, None)

    def _something_after(self, after: int) -> bool:
        mine = self._mine()
        alone = len(mine) == 1 and self._group is None
        if alone and not self._flows:
            self._flow(next(iter(mine)), after)
        for partition in mine:
            flow = self._flows.get(partition)
            if flow is None:
                return True  # never read: who may read it should
            if flow.records if not alone else max(flow.given, flow.records[-1].offset + 1 if flow.records else 0) > after:
                return True
        return False

    # --- what else can go wrong --------------------------------------------------------------------------------------

    def _late(self, partition: int, end: int) -> TryAgain:
        """What must be there did not come. If that has been so for long, the consumer is built anew."""
        since = self._silent.setdefault(partition, time.monotonic() - PATIENCE_SECONDS)
        if time.monotonic() - since > STALLED_SECONDS:
            self._stalled(partition=partition, end=end)
        return TryAgain(f"{self._topic}, partition {partition}, goes up to {end}, and nothing comes")

    def _look_for_a_group_that_is_stuck(self) -> None:
        since = self._unjoined_since()
        # Joining waits for every member, and a dead one is waited for as long as its session.
        if since is not None and time.monotonic() - since > (STALLED_SECONDS + SESSION_MS / 1000) * self._patience:
            self._patience = min(2 * self._patience, MOST_PATIENCE)
            self._stalled(group=self._group)
            raise TryAgain(f"group {self._group} of {self._topic} could not be joined")

    def _stalled(self, **where: object) -> None:
        self.stalls += 1
        log.warning("consumer stalled, building it anew", topic=self._topic, stalls=self.stalls, **where)
        self._forget_consumer(orderly=False)

    # --- lag, for the tools ------------------------------------------------------------------------------------------

    def _show(self, partition: int, after: int) -> None:
        """Commit to the group what the database holds, now and then. Whether it succeeds matters to nobody but a picture of lag."""
        if self._group is None:
            return
        self._shown[partition] = after
        if time.monotonic() >= self._show_at:
            self._show_at = time.monotonic() + COMMIT_SECONDS
            self._consumer.commit_async(self._offsets(self._consumer))

    def _offsets(self, member: Any) -> dict[TopicPartition, OffsetAndMetadata]:
        """What to commit: of a partition that is another's by now, nothing."""
        shown = {TopicPartition(self._topic, partition): OffsetAndMetadata(after, "", -1) for partition, after in self._shown.items()}
        return {partition: after for partition, after in shown.items() if partition in member.assignment()}


def _set_aside(of: Any, partitions: Iterable[TopicPartition]) -> None:
    """Give partitions a position and let them rest there: only who reads one knows where from."""
    for partition in partitions:
        of.seek(partition, 0)
        of.pause(partition)


class _Moves(ConsumerRebalanceListener):  # type: ignore[misc]  # kafka-python ships no types
    """Hears of partitions that come and go. Called on kafka-python's own thread, which must not wait for one of ours."""

    def __init__(self, of: Any, moved: deque[int]) -> None:
        self._of, self._moved = of, moved

    def on_partitions_revoked(self, revoked: Iterable[TopicPartition]) -> None:
        """Taken away."""
        self._moved.extend(partition.partition for partition in revoked)

    def on_partitions_assigned(self, assigned: Iterable[TopicPartition]) -> None:
        """Given to us."""
        assigned = list(assigned)
        _set_aside(self._of, assigned)
        self._moved.extend(partition.partition for partition in assigned)
