"""The doors to the outside, each a short list of verbs. Adapters implement them; one contract suite examines all of a port.

Words used on every door:
  POSITION  where a record stands in a log or store: an integer, growing, never reused; 0 is before the first.
  PARTITION a named share of a log that is ordered in itself; an account is always in the same one. Embedded: one, "0".
  TOKEN     a sealed person (domain/people.py).
  MS        milliseconds since 1970 UTC.

All methods may raise `errors.TryAgain` when the other side is busy, and `errors.Stop` when it is broken; refusals of their
own are named at the method.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, Protocol
from uuid import UUID

from domain.events import Event
from domain.outside import Recall, Request
from domain.people import Person


class LogRecord(NamedTuple):
    """A record of the source log. `event` is a digest of (source, id); `body` a structured CloudEvent in the kept form;
    `recorded_at` (ms) when it was appended."""

    partition: str
    position: int
    account: str
    event: int
    recorded_at: int
    body: bytes


class NewRecord(NamedTuple):
    """A record to append: `event` is a digest of (source, id)."""

    account: str
    event: int
    body: bytes


class Appended(NamedTuple):
    """Where a record is in the log; `duplicate` if it was there before (then `position` is the earlier one's)."""

    partition: str
    position: int
    duplicate: bool


class SourceLog(Protocol):
    """What the sides said, never rewritten. Ordered per account."""

    def append(self, records: Sequence[NewRecord], recorded_at: int) -> list[Appended]:
        """Append what is not there yet by (account, event), in order, in one transaction; durable when this returns.
        Twice in one call counts as twice."""

    def known(self, names: Sequence[tuple[str, int]]) -> list[Appended | None]:
        """Of each (account, event), where `append` would say that it is; None if it would be appended. Appends nothing."""

    def read(self, partition: str, after: int, limit: int) -> list[LogRecord]:
        """At most `limit` records after a position, in order."""

    def end(self, partition: str) -> int:
        """The last position, 0 if empty."""

    def position_at(self, partition: str, at: int) -> int:
        """The last position recorded at or before `at` (ms); 0 if none: where to read from to see what came later."""

    def partitions(self) -> list[str]:
        """The partitions this process may read."""

    def wait(self, after: int, seconds: float) -> bool:
        """Return as soon as something may stand after position `after`, at the latest after `seconds`; True if so."""


class DomainRecord(NamedTuple):
    """A record of the domain log. `id` is the event's place in the store it was recorded in (its notification id)."""

    position: int
    id: int
    account: str
    stream: UUID
    version: int
    name: str
    body: bytes


class DomainLog(Protocol):
    """What was decided, in the order in which it was recorded."""

    def append(self, records: Sequence[DomainRecord]) -> None:
        """Append in order, once each: records whose `id` is not above the last one's are passed over. `position` is set here."""

    def read(self, after: int, limit: int) -> list[DomainRecord]:
        """At most `limit` records after a position, in order."""

    def end(self) -> int:
        """The last position, 0 if empty."""

    def last_id(self) -> int:
        """The `id` of the last record, 0 if empty: from where to relay on."""

    def wait(self, after: int, seconds: float) -> bool:
        """Return as soon as something may stand after `after`, at the latest after `seconds`; True if so."""


class DeadLetter(NamedTuple):
    """A record that could not be read. `letter` is its id; `body` its original bytes; `state` is waiting, retried or dropped."""

    letter: str
    account: str
    partition: str
    position: int
    recorded_at: int
    errors: list[dict[str, str]]
    body: bytes
    state: str = "waiting"


class DeadLetters(Protocol):
    """Records that could not be read, kept with reason and original bytes."""

    def put(self, letters: Sequence[DeadLetter]) -> None:
        """Keep these; the same `letter` again is once."""

    def list(self, account: str | None, after: str, limit: int, state: str | None = None) -> list[DeadLetter]:
        """In the order of `letter`, after one."""

    def get(self, letter: str) -> DeadLetter | None:
        """One, or None."""

    def mark(self, letter: str, state: str) -> None:
        """Set its state."""


class Vault(Protocol):
    """Names and addresses, each person's under a key of its own. Destroying the key is erasing the person everywhere."""

    def key(self, account: str, address: str) -> str:
        """The person key of an address: a keyed digest of it, normalised; the same for ever, and nothing can be read from it."""

    def seal(self, account: str, people: Sequence[tuple[str, str | None]]) -> list[str]:
        """A token for each (address, name), in order. The same pair gives the same token. Keys are durable when this returns.
        An erased person's token holds nothing."""

    def seal_all(self, people: Mapping[str, Sequence[tuple[str, str | None]]]) -> Mapping[str, list[str]]:
        """As `seal`, for the people of several accounts in one go."""

    def open(self, account: str, tokens: Iterable[str]) -> Mapping[str, Person]:
        """The people behind these tokens; erased ones with nothing but their key."""

    def open_all(self, tokens: Mapping[str, Iterable[str]]) -> Mapping[str, Person]:
        """As `open`, for the tokens of several accounts in one go. No two accounts have a token in common."""

    def erase(self, account: str, keys: Iterable[str]) -> None:
        """Destroy the keys of these people, for ever: every token of theirs, old or new, opens to nothing."""


class Recorded(NamedTuple):
    """A domain event at its place in a stream; versions count from 1 without gaps."""

    stream: UUID
    version: int
    event: Event


class Place(NamedTuple):
    """How far a partition of the source log has been decided."""

    partition: str
    position: int


class IndexChange(NamedTuple):
    """An entry of the indexes that decisions look up. `table` is one of `identities` (what names a meeting), `people` (who was
    in a meeting), `addresses` (whose Email property an address is), `likeness` (start and owner of a meeting; its keys begin with the
    start in ms, so that a store can keep together what is near in time). `gone` removes it."""

    table: str
    account: str
    key: str
    value: str
    gone: bool = False


NOWHERE: Mapping[UUID, int] = MappingProxyType({})
"""No version of any stream."""


class Snapshot(NamedTuple):
    """What a long stream comes to at a version, so that a reader folds only what follows. `kind` names the state's form and the way
    it was folded: whoever wants another one passes it over. `body` is the state as JSON."""

    stream: UUID
    version: int
    kind: str
    body: bytes


class Store(Protocol):
    """Domain events, the indexes decided by, the positions, and the outside writes asked for: written together or not at all."""

    def commit(
        self,
        events: Sequence[Recorded],
        index: Sequence[IndexChange],
        places: Sequence[Place],
        snapshots: Sequence[Snapshot] = (),
        requests: Sequence[Request | Recall] = (),
    ) -> None:
        """One transaction. Raises `errors.Conflict`, with nothing written, if a version is taken or a place is not ahead. A
        stream's snapshot replaces its former one; requests are kept as by `outside.Deliveries.put`."""

    def place(self, partition: str) -> int:
        """The position that was committed last, 0 if none."""

    def load(self, streams: Sequence[UUID], after: Mapping[UUID, int] = NOWHERE) -> dict[UUID, list[Event]]:
        """The events of these streams in order, of some only those above a version; streams without such are left out."""

    def snapshots(self, streams: Sequence[UUID]) -> dict[UUID, Snapshot]:
        """The snapshots of those of these streams that have one."""

    def look_up(self, table: str, keys: Sequence[tuple[str, str]]) -> dict[tuple[str, str], tuple[str, ...]]:
        """The values of each (account, key) that has some, in no order; of whatever accounts, in one go."""

    def notifications(self, after: int, limit: int) -> list[tuple[int, UUID, int, str, bytes]]:
        """Events in the order of recording: (id, stream, version, name, body)."""

    def end(self) -> int:
        """The id of the last event recorded, 0 if none."""
