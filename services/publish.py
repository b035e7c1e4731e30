"""The door for source events: read, sealed, appended, one receipt each.

What must stay true: a receipt that says `accepted` or `duplicate` is given only after the event is durable; no bytes whatever
make this raise; nothing of a person reaches the log in clear; and a dry run leaves no trace, not even a person's key.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import MAXYEAR, MINYEAR, UTC, datetime
from typing import Any, Literal, NamedTuple

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from domain.ports import NewRecord, SourceLog, Vault
from domain.sighting import digest
from domain.source_events import MAX_BYTES, MeetingData, PrivateMeetingData, Problem, SourceEvent, read
from services.sealing import as_told, encode, keep_all
from services.tracing import followed

MOST_ECHOED = 1024
"""Characters of an unreadable event's id and source that its receipt repeats: as many as either may have."""


class Receipt(Struct, frozen=True, kw_only=True):
    """What a publisher gets for one event. `position` is its place in the source log, None if it has none; `errors` say where
    (a JSON Pointer from the event's root) and why it was rejected."""

    id: str | None
    source: str | None
    outcome: Literal["accepted", "duplicate", "rejected"]
    position: int | None = None
    errors: tuple[Problem, ...] = ()


class Told(NamedTuple):
    """A structured CloudEvent, and the account it must be of; None: of any."""

    raw: bytes
    account: str | None


class Publisher:
    """Takes source events into a log. Usable by any number of threads, as far as the log and the vault are. `store` says the number of
    the store that an account's people are sealed by: one that is away refuses all that is accepted together with its own."""

    def __init__(self, source: SourceLog, vault: Vault, clock: Callable[[], int], store: Callable[[str], int] = lambda _: 0) -> None:
        self._source, self._vault, self._clock, self.store = source, vault, clock, store

    def accept(self, raws: Sequence[bytes], account: str | None = None, dry_run: bool = False, ours: bool = False) -> list[Receipt]:
        """A receipt for each of these structured CloudEvents, in order. With `account`, events of any other are rejected.

        `ours` says that they come from our own log (a dead letter tried again) and that their seals are ours.

        A dry run examines all the same and appends nothing: it says what the log would, as far as that knows without sealing. Raises
        `TryAgain` or `Stop` if log or vault do, and then nothing was accepted.
        """
        return self._accept([_examined(raw, account, ours) for raw in raws], dry_run, ours)

    def accept_each(self, told: Sequence[Told]) -> list[Receipt]:
        """As `accept`, for events that came separately and each for an account of its own: still one transaction."""
        return self._accept([_examined(raw, account, ours=False) for raw, account in told])

    def accept_read(self, events: Sequence[SourceEvent], account: str) -> list[Receipt]:
        """As `accept`, for events that an adapter of ours has had examined, by `source_events.examined` or `read`."""
        return self._accept([_admitted(event, account, ours=False) for event in events])

    def _accept(self, examined: Sequence[SourceEvent | Receipt], dry_run: bool = False, ours: bool = False) -> list[Receipt]:
        now = self._clock()
        events = [_timed(one if ours else as_told(one), now) for one in examined if isinstance(one, SourceEvent)]
        settled = iter(self._try(events) if dry_run else self._append(events, now))
        return [next(settled) if isinstance(one, SourceEvent) else one for one in examined]

    def _try(self, events: list[SourceEvent]) -> list[Receipt]:
        """What a dry run says of events that could be read."""
        names = [(event.account, digest(event.source, event.id)) for event in events]
        told, receipts = set[tuple[str, int]](), []
        for event, name, place in zip(events, names, self._source.known(names), strict=True):
            outcome: Literal["accepted", "duplicate"] = "duplicate" if place is not None or name in told else "accepted"
            receipts.append(Receipt(id=event.id, source=event.source, outcome=outcome, position=place.position if place else None))
            told.add(name)
        return receipts

    def _append(self, events: list[SourceEvent], now: int) -> list[Receipt]:
        records = [NewRecord(e.account, digest(e.source, e.id), encode(e)) for e in keep_all(events, self._vault)]
        fitting = [record for record in records if len(record.body) <= MAX_BYTES]
        appended = iter(self._source.append(fitting, now) if fitting else ())
        receipts = []
        for event, record in zip(events, records, strict=True):
            if len(record.body) > MAX_BYTES:
                receipts.append(_too_large(event, len(record.body)))
                continue
            place = next(appended)
            outcome: Literal["accepted", "duplicate"] = "duplicate" if place.duplicate else "accepted"
            receipts.append(Receipt(id=event.id, source=event.source, outcome=outcome, position=place.position))
            followed(outcome, event.account, event.id, kind=event.kind, partition=place.partition, position=place.position)
        return receipts


def _examined(raw: bytes, account: str | None, ours: bool) -> SourceEvent | Receipt:
    """The event, or the receipt that rejects it."""
    found = read(raw)
    return _admitted(found, account, ours) if isinstance(found, SourceEvent) else _unreadable(raw, found)


def _admitted(found: SourceEvent, account: str | None, ours: bool) -> SourceEvent | Receipt:
    """The event, or the receipt that rejects it because of who says it, or of what is new: `read` goes on reading what is in the log."""
    if not ours and isinstance(found.data, PrivateMeetingData):  # the kept form, which only we may say
        return _rejected(found.id, found.source, [Problem(f"/data/{n}", f"required field `{n}` is missing") for n in ("start", "duration")])
    if not ours and isinstance(found.data, MeetingData) and found.data.start.year in (MINYEAR, MAXYEAR):
        # There is no time in UTC for every time in these: a meeting on their edge would stand where it is not.
        return _rejected(found.id, found.source, [Problem("/data/start", f"not within the years {MINYEAR + 1} to {MAXYEAR - 1}")])
    if account is not None and found.account != account:
        return _rejected(found.id, found.source, [Problem("/account", f"this token publishes for account {account} only")])
    return found


def _unreadable(raw: bytes, problems: list[Problem]) -> Receipt:
    """Its receipt, with as much of a name as can be read."""
    try:
        told: Any = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, ValueError):
        told = None
    id_, source = (told.get("id"), told.get("source")) if isinstance(told, dict) else (None, None)
    return _rejected(_name(id_), _name(source), problems)


def _name(told: object) -> str | None:
    return told[:MOST_ECHOED] if isinstance(told, str) else None


def _rejected(id_: str | None, source: str | None, errors: Sequence[Problem]) -> Receipt:
    return Receipt(id=id_, source=source, outcome="rejected", errors=tuple(errors))


def _too_large(event: SourceEvent, size: int) -> Receipt:
    # Found here, because a record that `sync` refuses later would be a dead letter that somebody got a receipt for.
    return _rejected(event.id, event.source, [Problem("", f"{size} bytes once its people are sealed; at most {MAX_BYTES} are accepted")])


def _timed(event: SourceEvent, now: int) -> SourceEvent:
    """A publisher who leaves the time out gets the time of acceptance."""
    return event if event.time is not None else replace(event, time=datetime.fromtimestamp(now / 1000, UTC))
