"""Deletions held for a person (rule mass-delete): list, release, discard.

An operator's word, recorded like any other decision: straight on the store, with the same optimistic concurrency as `sync`, so
that it may be given while everything runs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from domain import sighting
from domain.errors import Conflict, NotFound
from domain.events import DeletionsDiscarded, DeletionsHeld, DeletionsReleased, Revision
from domain.meeting import Cause, learn
from domain.recurrence import moment
from services.desk import Desk

if TYPE_CHECKING:
    from services.wiring import Installation, Shard

TRIES = 5


class Hold(Struct, frozen=True):
    """Held deletions: `deletions` of `known` meetings of a user's connection, `since` (RFC 3339)."""

    hold: str
    user: str
    provider: str
    deletions: int
    known: int
    since: str


class _Held(Struct, frozen=True):
    hold: str


class _Health(Struct, frozen=True):
    """A connection's health, as far as it is needed here."""

    held: tuple[_Held, ...] = ()


_healths = msgspec.json.Decoder(_Health)


def holds(parts: Installation, account: str) -> list[Hold]:
    """What is held in an account, oldest first."""
    shard = parts.shard_of(account)
    desk = _desk(shard, account)
    found = []
    for row in shard.views.connections(account):
        for event in desk.connection(row.user).held.values():
            since = moment(event.at).isoformat().replace("+00:00", "Z")
            found.append(Hold(event.hold, event.user, event.provider, len(event.sightings), event.known, since))
    return sorted(found, key=lambda hold: hold.since)


def every_hold(parts: Installation) -> list[tuple[str, str]]:
    """What is held anywhere, by the read models: (account, hold)."""
    return [found for shard in parts.shards for account in _accounts(shard) for found in _held_in(shard, account)]


def _accounts(shard: Shard) -> list[str]:
    return sorted({*(clock.account for clock in shard.views.clocks()), *shard.views.accounts_without_clock()})


def _held_in(shard: Shard, account: str) -> list[tuple[str, str]]:
    return [(account, held.hold) for row in shard.views.connections(account) for held in _healths.decode(row.body).held]


def release(parts: Installation, account: str, hold: str) -> int:
    """Let held deletions happen. Returns how many meetings changed. Raises `NotFound`."""
    return _settle(parts, account, hold, True)


def discard(parts: Installation, account: str, hold: str) -> None:
    """Drop held deletions. Raises `NotFound`."""
    _settle(parts, account, hold, False)


def _settle(parts: Installation, account: str, hold: str, happen: bool) -> int:
    from services.wiring import now

    shard = parts.shard_of(account)
    for _ in range(TRIES):
        desk = _desk(shard, account)
        event = _found(shard, desk, account, hold)
        cause = Cause(f"operator:{hold}", event.at, now())
        kind = DeletionsReleased if happen else DeletionsDiscarded
        desk.record_connection(event.user, kind(account=account, at=event.at, recorded_at=cause.recorded_at, cause=cause.event, hold=hold))
        changed = sum(_delete(desk, one, hold, cause) for one in event.sightings) if happen else 0
        try:
            desk.commit([])
        except Conflict:
            continue  # sync recorded meanwhile: look again
        return changed
    raise Conflict(f"{hold} could not be settled while everything runs; try again")


def _delete(desk: Desk, named: str, hold: str, cause: Cause) -> bool:
    stream, _, key = named.partition(" ")
    meeting = desk.meeting(stream)
    copy = meeting.copies.get(key)
    if copy is None:
        return False
    word = Revision(cause.at, sighting.digest(hold, key), "deleted")
    learned = learn(meeting, replace(copy, revisions=(word,)), cause, desk)
    if learned.event is None:
        return False
    desk.record_meeting(learned.event, learned.meeting)
    return bool(learned.event.changed)


def _desk(parts: Shard, account: str) -> Desk:
    desk = Desk(parts.store, parts.vault)
    desk.sit(account)
    return desk


def _found(parts: Shard, desk: Desk, account: str, hold: str) -> DeletionsHeld:
    for row in parts.views.connections(account):
        event = desk.connection(row.user).held.get(hold)
        if event is not None:
            return event
    raise NotFound(f"nothing is held as {hold}; see `rendezvous held list {account}`")
