"""The dead letters on Kafka: a record a letter with its original bytes as the value, and a record each time its state is set.

Who lists them reads the topic once from its beginning, and then what came since. Headers are those of docs/asyncapi.yaml, so that
operators without anything of ours can read why a record is here.

What must stay true: the first telling of a letter counts and later ones add nothing; the last state told counts; and what is held in
memory of their bodies has a limit.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from kafka.errors import KafkaError

from adapters.kafka.connect import DELIVERY_MS, KafkaSettings, end, in_our_words, producer
from adapters.kafka.reading import Reader
from adapters.kafka.topics import DEAD_LETTERS, check
from domain.errors import Stop
from domain.ports import DeadLetter

LETTER, MARK = b"rendezvous.dead-letter.v1", b"rendezvous.dead-letter.marked.v1"
MOST_BYTES = 64 * 1024 * 1024
"""So much of the letters' bodies is kept in memory; the others are fetched when they are asked for."""

A_READ = 1_000
_errors = msgspec.json.Decoder(list[dict[str, str]])

Headers = list[tuple[str, bytes]]


class _Entry:
    """A letter, its body only as long as there is room; `position` is where it stands in the topic."""

    __slots__ = ("letter", "position")

    def __init__(self, letter: DeadLetter, position: int) -> None:
        self.letter, self.position = letter, position


class KafkaDeadLetters:
    """`ports.DeadLetters` on Kafka. Who only puts letters reads nothing."""

    def __init__(self, settings: KafkaSettings, most_bytes: int = MOST_BYTES) -> None:
        self._settings, self._topic = settings, settings.topic(DEAD_LETTERS)
        self._reader, self._fetcher = Reader(settings, self._topic, only=0), Reader(settings, self._topic, only=0)
        self._lock = threading.RLock()
        self._producer: Any = None
        self._closed = False
        self._entries: dict[str, _Entry] = {}
        self._held: dict[str, int] = {}
        self._room = most_bytes
        self._read_to = 0

    def put(self, letters: Sequence[DeadLetter]) -> None:
        """See the port. Put again, a letter keeps the state it has come to. May be appended though it raises; again is once."""
        self._append([(letter.account, letter.body, _headers(letter)) for letter in letters])

    def mark(self, letter: str, state: str) -> None:
        """See the port. A letter that is not there is not made."""
        with self._lock:
            self._follow()
            entry = self._entries.get(letter)
            if entry is not None:
                headers = [("ce_id", letter.encode()), ("ce_type", MARK), ("ce_specversion", b"1.0"), ("ce_state", state.encode())]
                self._append([(entry.letter.account, b"", headers)])

    def list(self, account: str | None, after: str, limit: int, state: str | None = None) -> list[DeadLetter]:
        """See the port."""
        with self._lock:
            self._follow()
            chosen = sorted(
                name
                for name, entry in self._entries.items()
                if name > after and account in (None, entry.letter.account) and state in (None, entry.letter.state)
            )
            return [self._whole(name) for name in chosen[:limit]]

    def get(self, letter: str) -> DeadLetter | None:
        """See the port."""
        with self._lock:
            self._follow()
            return self._whole(letter) if letter in self._entries else None

    @property
    def stalls(self) -> int:
        """How often a consumer that delivered nothing was built anew."""
        return self._reader.stalls + self._fetcher.stalls

    def close(self) -> None:
        """Finish what is being appended."""
        with self._lock:
            self._closed = True
            if self._producer is not None:
                end(self._producer, DELIVERY_MS / 1000)
        self._reader.close()
        self._fetcher.close()

    # --- writing -----------------------------------------------------------------------------------------------------

    def _append(self, records: Sequence[tuple[str, bytes, Headers]]) -> None:
        with self._lock:
            try:
                futures = [self._send(*record) for record in records]
                for future in futures:
                    future.get(timeout=2 * DELIVERY_MS / 1000)
            except KafkaError as error:
                raise in_our_words(self._settings, error) from error

    def _send(self, account: str, body: bytes, headers: Headers) -> Any:
        if self._closed:
            raise Stop(f"the box {self._topic} is closed")
        if self._producer is None:
            check(self._settings, [DEAD_LETTERS])
            self._producer = producer(self._settings)
        return self._producer.send(self._topic, body, key=account.encode("utf-8", "surrogatepass"), headers=headers, partition=0)

    # --- reading -----------------------------------------------------------------------------------------------------

    def _follow(self) -> None:
        """Learn what was put and marked since the last look."""
        while found := self._reader.read(0, self._read_to, A_READ):
            for record in found:
                self._learn(record, dict(record.headers))
            self._read_to = found[-1].offset + 1

    def _learn(self, record: Any, headers: dict[str, bytes]) -> None:
        name = headers.get("ce_id", b"").decode("utf-8", "replace")
        entry = self._entries.get(name)
        if headers.get("ce_type") == MARK and entry is not None:
            entry.letter = entry.letter._replace(state=headers.get("ce_state", b"").decode("utf-8", "replace"))
        if headers.get("ce_type") == LETTER and entry is None:
            self._entries[name] = _Entry(_letter(record, headers), record.offset + 1)
            self._hold(name, len(record.value))

    def _hold(self, name: str, size: int) -> None:
        self._held[name] = size
        self._room -= size
        while self._room < 0:
            oldest = next(iter(self._held))
            self._room += self._held.pop(oldest)
            entry = self._entries[oldest]
            entry.letter = entry.letter._replace(body=b"")

    def _whole(self, name: str) -> DeadLetter:
        entry = self._entries[name]
        if name in self._held:
            return entry.letter
        [record] = self._fetcher.read(0, entry.position - 1, 1)
        return entry.letter._replace(body=record.value)


def _headers(letter: DeadLetter) -> Headers:
    at = datetime.fromtimestamp(letter.recorded_at / 1000, UTC)
    return [
        ("ce_id", letter.letter.encode()),
        ("ce_type", LETTER),
        ("ce_specversion", b"1.0"),
        ("ce_source", f"/source-log/{letter.partition}".encode()),
        ("ce_subject", b"%d" % letter.position),
        ("ce_time", at.isoformat(timespec="milliseconds").encode()),
        ("ce_account", letter.account.encode("utf-8", "surrogatepass")),
        ("ce_errors", msgspec.json.encode(letter.errors)),
        ("ce_state", letter.state.encode()),
        ("content-type", b"application/octet-stream"),
    ]


def _letter(record: Any, headers: dict[str, bytes]) -> DeadLetter:
    """Raises `Stop` for a record that says it is a letter and is none of ours."""
    try:
        return DeadLetter(
            letter=headers["ce_id"].decode(),
            account=headers["ce_account"].decode("utf-8", "surrogatepass"),
            partition=headers["ce_source"].decode().removeprefix("/source-log/"),
            position=int(headers["ce_subject"]),
            recorded_at=round(datetime.fromisoformat(headers["ce_time"].decode()).timestamp() * 1000),
            errors=_errors.decode(headers["ce_errors"]),
            body=record.value,
            state=headers["ce_state"].decode(),
        )
    except (KeyError, ValueError, msgspec.DecodeError) as error:
        raise Stop(f"{record.topic}: what stands at {record.offset + 1} is no dead letter of ours") from error
