"""The source log on Kafka: a record a source event, keyed by account, in the partition that the account's hash names.

What must stay true: an append that returned is in every replica in sync; what was told once through this object is told to be a
duplicate for as long as this object remembers it. A repetition that it does not remember, or that came through another process, is
another record of the log, and settled where it is decided: there the same (source, id) is a duplicate for ever.

`recorded_at` has to be a true time. A broker knows an idempotent producer's repetition of a batch by what it remembers of the producer, and
when it starts again it forgets those whose last record is a day old by its own time (`producer.id.expiration.ms`): with made-up times,
a broker that is killed between writing and answering writes such a batch twice.

Partitions are chosen as Java's clients choose them (murmur2), and as librdkafka's do when they are told
`partitioner=murmur2_random`. Who publishes an account's events into another partition gives up their order.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from kafka import TopicPartition
from kafka.admin import OffsetSpec
from kafka.errors import KafkaError
from kafka.partitioner.default import murmur2

from adapters.kafka.cloud_events import headers_of, told
from adapters.kafka.connect import DELIVERY_MS, KafkaSettings, administration, end, in_our_words, producer, said_in_our_words
from adapters.kafka.reading import Reader
from adapters.kafka.topics import SOURCE_EVENTS, check
from domain.errors import Stop
from domain.ports import Appended, LogRecord, NewRecord

REMEMBERED = 65_536
"""How many of the last records appended are known again: some 20 MB."""


class KafkaSourceLog:
    """`ports.SourceLog` on Kafka. With `group`, its partitions are those that the consumer group gives to this process; without, all.
    On the broker the group has the topics' prefix, so that two installations have two.

    A partition's times never fall as far as one writer goes; two processes whose clocks differ may mix theirs.
    """

    def __init__(self, settings: KafkaSettings, group: str | None = None, remembered: int = REMEMBERED) -> None:
        self._settings, self._topic = settings, settings.topic(SOURCE_EVENTS)
        self._reader = Reader(settings, self._topic, group=settings.topic(group) if group is not None else None)
        self._writer: _Writer | None = None
        self._remembered = remembered
        self._opening = threading.Lock()
        self._closed = False

    def append(self, records: Sequence[NewRecord], recorded_at: int) -> list[Appended]:
        """See the port. There is no transaction: if it raises, some may have been appended, and to append all of them again is right."""
        return self._open_writer().append(records, recorded_at) if records else []

    def known(self, names: Sequence[tuple[str, int]]) -> list[Appended | None]:
        """See the port. Of what was appended through this object and is remembered; on a log that nobody has appended to yet, of none."""
        writer = self._writer
        return [None] * len(names) if writer is None else writer.known(names)

    def _open_writer(self) -> _Writer:
        with self._opening:
            if self._closed:
                raise Stop(f"the log {self._topic} is closed")
            if self._writer is None or self._writer.broken:
                former, self._writer = self._writer, None
                if former is not None:
                    former.close()
                self._writer = _Writer(self._settings, self._remembered)
            return self._writer

    def read(self, partition: str, after: int, limit: int) -> list[LogRecord]:
        """See the port. Raises `PositionLost` if the log does not reach to `after`, or no longer goes back to it."""
        return [_log_record(partition, record) for record in self._reader.read(_number(partition), after, limit)]

    def end(self, partition: str) -> int:
        """See the port."""
        return self._reader.end(_number(partition))

    def position_at(self, partition: str, at: int) -> int:
        """See the port. If times fall, the position before the first record that is later."""
        return self._reader.before(_number(partition), at + 1)

    def partitions(self) -> list[str]:
        """See the port. A group's member has none until it has joined, and others after each change of members."""
        return [str(partition) for partition in self._reader.partitions()]

    def wait(self, after: int, seconds: float) -> bool:
        """See the port. Of several partitions each goes on where its last read ended, and `after` does not count."""
        return self._reader.wait(after, seconds)

    @property
    def stalls(self) -> int:
        """How often a consumer that delivered nothing was built anew."""
        return self._reader.stalls

    def close(self) -> None:
        """Leave the group, finish what is being appended."""
        with self._opening:
            self._closed = True
            writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()
        self._reader.close()


def _number(partition: str) -> int:
    return int(partition) if partition.isdecimal() else -1


def _log_record(partition: str, record: Any) -> LogRecord:
    account, event, body = told(record.key, record.value, record.headers)
    return LogRecord(partition, record.offset + 1, account, event, max(record.timestamp, 0), body)


@lru_cache(maxsize=65_536)
def partition_of(account: bytes, partitions: int) -> int:
    """The partition of an account, as Java's clients find it.

    >>> partition_of(b"62515", 12)
    8
    """
    return int((murmur2(account) & 0x7FFFFFFF) % partitions)


class _Writer:
    """A producer, and what it wrote last. `broken` once it failed: what it still holds is unknown, and another takes its place."""

    def __init__(self, settings: KafkaSettings, remembered: int) -> None:
        self._settings, self._topic, self._most = settings, settings.topic(SOURCE_EVENTS), remembered
        self._partitions = check(settings, [SOURCE_EVENTS])[SOURCE_EVENTS]
        self._latest = _latest(settings, self._topic, self._partitions)
        self._known: OrderedDict[tuple[str, int], Any] = OrderedDict()
        self._sending = threading.Lock()
        self._producer = producer(settings)
        self.broken = False

    def append(self, records: Sequence[NewRecord], recorded_at: int) -> list[Appended]:
        """Each record's place, or that of the same record before."""
        with self._sending, said_in_our_words(self._settings):
            sent = [self._send(record, recorded_at) for record in records]
        answers = [self._placed(known, duplicate) for known, duplicate in sent]
        with self._sending:
            for record, answer in zip(records, answers, strict=True):
                # In place of the future, which is large.
                if (record.account, record.event) in self._known:
                    self._known[record.account, record.event] = answer
        return answers

    def known(self, names: Sequence[tuple[str, int]]) -> list[Appended | None]:
        """Where those are that `append` would know again."""
        with self._sending:
            places = [self._known.get(name) for name in names]
        return [place._replace(duplicate=True) if isinstance(place, Appended) else None for place in places]

    def _send(self, record: NewRecord, recorded_at: int) -> tuple[Any, bool]:
        """What will say where the record is, and whether it was there before."""
        name = (record.account, record.event)
        known = self._known.get(name)
        if known is not None and (isinstance(known, Appended) or not known.failed()):
            return known, True
        key = record.account.encode("utf-8", "surrogatepass")
        partition = partition_of(key, self._partitions)
        # A clock that went back is not believed.
        at = self._latest[partition] = max(recorded_at, self._latest[partition])
        future = self._producer.send(self._topic, record.body, key=key, headers=headers_of(record), partition=partition, timestamp_ms=at)
        self._known[name] = future
        if len(self._known) > self._most:
            self._known.popitem(last=False)
        return future, False

    def _placed(self, known: Any, duplicate: bool) -> Appended:
        if isinstance(known, Appended):
            return known._replace(duplicate=True)
        try:
            # Twice the limit: kafka-python itself ends an unanswered delivery at the first.
            there = known.get(timeout=2 * DELIVERY_MS / 1000)
        except KafkaError as error:
            self.broken = True
            raise in_our_words(self._settings, error) from error
        return Appended(str(there.partition), there.offset + 1, duplicate)

    def close(self) -> None:
        """Finish what is being sent."""
        end(self._producer, DELIVERY_MS / 1000)


def _latest(settings: KafkaSettings, topic: str, partitions: int) -> list[int]:
    """The latest time that each partition holds, 0 if none."""
    with administration(settings) as admin:
        asked = {TopicPartition(topic, partition): OffsetSpec.MAX_TIMESTAMP for partition in range(partitions)}
        found = admin.list_partition_offsets(asked)
    return [max(0, found[TopicPartition(topic, partition)].timestamp) for partition in range(partitions)]
