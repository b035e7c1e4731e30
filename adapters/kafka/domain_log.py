"""The domain log on Kafka: a partition a shard, written by that shard's relay in the order of recording.

Every record is a CloudEvent in binary mode, so that any consumer can read it: the names of the headers are those of docs/asyncapi.yaml.

What must stay true: whoever reads from one end to the other sees each id once, in order, without a gap. Two things see to that. The
records are sent a batch at a time, and the next only once the former is there: a batch is written whole or not at all, hence what
follows in the log was sent by somebody who knew that everything before it is there. And records whose id is not above the greatest
before them are passed over by the reader, as other consumers must: a relay that lost its shard while its last batch was under way may
have repeated some.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from typing import Any
from uuid import UUID

from kafka.errors import KafkaError

from adapters.kafka.connect import DELIVERY_MS, KafkaSettings, end, in_our_words, producer
from adapters.kafka.reading import Reader
from adapters.kafka.topics import DOMAIN_EVENTS, check
from domain.errors import PositionLost, Stop
from domain.ports import DomainRecord

BATCH_BYTES = 768 * 1024
"""What is sent at a time, before compression. Kafka takes batches of up to 1 MB unless told otherwise."""

TYPE = "rendezvous.domain."
_SPEC_VERSION = ("ce_specversion", b"1.0")
_CONTENT_TYPE = ("content-type", b"application/json")


class KafkaDomainLog:
    """`ports.DomainLog` on Kafka, of one shard."""

    def __init__(self, settings: KafkaSettings, shard: int = 0) -> None:
        self._settings, self._topic, self._shard = settings, settings.topic(DOMAIN_EVENTS), shard
        self._reader = Reader(settings, self._topic, only=shard)
        self._tail = Reader(settings, self._topic, only=shard)
        self._reading, self._writing = threading.Lock(), threading.Lock()
        self._producer: Any = None
        self._closed = False
        # Where the last read ended, nowhere yet: the last record's position and id, and how far was looked for more behind it.
        self._position, self._id, self._looked = -1, 0, -1
        self._last: tuple[int, int] | None = None  # (position, id) after the last append or look

    # --- writing -----------------------------------------------------------------------------------------------------

    def append(self, records: Sequence[DomainRecord]) -> None:
        """See the port. If it raises, some may have been appended; what is behind them is not."""
        with self._writing:
            last = self._last_id()
            new: list[DomainRecord] = []
            for record in records:
                if record.id > last:
                    new.append(record)
                    last = record.id
            for batch in _batches(new):
                self._send(batch)

    def _send(self, batch: list[DomainRecord]) -> None:
        try:
            self._open_producer()
            futures = [self._sent(record) for record in batch]
            self._producer.flush(timeout=2 * DELIVERY_MS / 1000)
            placed = [future.get(timeout=0) for future in futures]
        except KafkaError as error:
            self._drop_producer()
            raise in_our_words(self._settings, error) from error
        self._last = placed[-1].offset + 1, batch[-1].id

    def _open_producer(self) -> None:
        if self._closed:
            raise Stop(f"the log {self._topic} is closed")
        if self._producer is None:
            check(self._settings, [DOMAIN_EVENTS])
            # Nothing is sent before it is flushed, so that what we call a batch is one of Kafka's.
            self._producer = producer(
                self._settings, batch_size=BATCH_BYTES * 5 // 4, linger_ms=DELIVERY_MS // 2, max_in_flight_requests_per_connection=1
            )

    def _drop_producer(self) -> None:
        """What it holds is one batch, which may still arrive, and nothing that should come behind it."""
        gone, self._producer, self._last = self._producer, None, None
        if gone is not None:
            end(gone, 0)

    def _sent(self, record: DomainRecord) -> Any:
        key = record.account.encode("utf-8", "surrogatepass")
        return self._producer.send(self._topic, record.body, key=key, headers=_headers(record), partition=self._shard)

    def last_id(self) -> int:
        """See the port."""
        with self._writing:
            return self._last_id()

    def _last_id(self) -> int:
        # Another relay may have written since: that of before, or our successor.
        last = self._tail.end(self._shard)
        if self._last is None or self._last[0] != last:
            found = self._tail.read(self._shard, last - 1, 1) if last else []
            self._last = last, _id(found[0]) if found else 0
        return self._last[1]

    # --- reading -----------------------------------------------------------------------------------------------------

    def read(self, after: int, limit: int) -> list[DomainRecord]:
        """See the port. Raises `PositionLost` if there is no record at `after`."""
        with self._reading:
            if after != self._position:
                self._go_to(after)
            while found := self._reader.read(self._shard, self._looked, limit):
                self._looked = found[-1].offset + 1
                if kept := self._above(found):
                    self._position, self._id = kept[-1].position, kept[-1].id
                    return kept
            return []

    def _go_to(self, after: int) -> None:
        """Learn the id of the record at a position: those behind it must have greater ones."""
        if after == 0:
            if self._reader.before(self._shard, 0):
                raise PositionLost(f"{self._topic}, partition {self._shard}, has lost its first records")
            self._position, self._id, self._looked = 0, 0, 0
            return
        found = self._reader.read(self._shard, after - 1, 1)
        if not found or found[0].offset != after - 1:
            raise PositionLost(f"{self._topic}, partition {self._shard}, has no record at {after}")
        self._position, self._id, self._looked = after, _id(found[0]), after

    def _above(self, found: list[Any]) -> list[DomainRecord]:
        kept: list[DomainRecord] = []
        last = self._id
        for record in found:
            read = _domain_record(record)
            if read.id > last:
                kept.append(read)
                last = read.id
        return kept

    def end(self) -> int:
        """See the port. Repetitions at the very end are not counted once they were passed over."""
        with self._reading:
            last = self._reader.end(self._shard)
            return self._position if last == self._looked else last

    def wait(self, after: int, seconds: float) -> bool:
        """See the port."""
        with self._reading:
            behind = self._looked if after == self._position else after
        return self._reader.wait(behind, seconds)

    @property
    def stalls(self) -> int:
        """How often a consumer that delivered nothing was built anew."""
        return self._reader.stalls + self._tail.stalls

    def close(self) -> None:
        """Finish what is being appended."""
        with self._writing:
            self._closed = True
            if self._producer is not None:
                end(self._producer, DELIVERY_MS / 1000)
        self._reader.close()
        self._tail.close()


def _batches(records: Sequence[DomainRecord]) -> Iterator[list[DomainRecord]]:
    batch: list[DomainRecord] = []
    size = 0
    for record in records:
        wanted = len(record.body) + 400  # key, headers and Kafka's own
        if batch and size + wanted > BATCH_BYTES:
            yield batch
            batch, size = [], 0
        batch.append(record)
        size += wanted
    if batch:
        yield batch


def _headers(record: DomainRecord) -> list[tuple[str, bytes]]:
    account = record.account.encode("utf-8", "surrogatepass")
    return [
        ("ce_id", b"%d" % record.id),
        ("ce_type", f"{TYPE}{record.name}".encode()),
        ("ce_subject", record.stream.hex.encode()),
        ("ce_sequence", b"%020d" % record.version),
        ("ce_account", account),
        ("ce_source", b"/accounts/" + account),
        _SPEC_VERSION,
        _CONTENT_TYPE,
    ]


def _id(record: Any) -> int:
    return int(dict(record.headers)["ce_id"])


def _domain_record(record: Any) -> DomainRecord:
    """Raises `Stop` for a record that no relay of ours wrote: nobody else may write here."""
    headers = dict(record.headers)
    try:
        return DomainRecord(
            record.offset + 1,
            int(headers["ce_id"]),
            record.key.decode("utf-8", "surrogatepass"),
            UUID(hex=headers["ce_subject"].decode()),
            int(headers["ce_sequence"]),
            headers["ce_type"].decode().removeprefix(TYPE),
            record.value,
        )
    except (KeyError, ValueError, AttributeError) as error:
        where = f"{record.topic}, partition {record.partition}, position {record.offset + 1}"
        raise Stop(f"{where}: no domain event of ours") from error
