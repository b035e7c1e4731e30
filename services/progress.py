"""How far the engine has come: accepted, decided, relayed, folded. For read-your-writes, for `readyz`, for explaining an absence.

Two kinds of position are told apart here and nowhere else. A *receipt's* is a place in the account's partition of the source log; a
*reader's* (`Rendezvous-Position`) is a place in the domain log. Everything a reader's position stands for followed from source
events, so whoever waits for "all that was accepted up to N, or up to now if N is ahead of the log" may give either.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from domain.ports import DomainLog, SourceLog, Store
from projections.views import Views


class Standing(NamedTuple):
    """Of an account's partition: the last source position accepted and the last decided; of all: domain events that wait for
    being relayed or folded."""

    accepted: int
    decided: int
    waiting: int


def only_partition(_: str) -> str:
    """Embedded, every account is in partition "0" (domain/ports.py)."""
    return "0"


def every_partition(_: str) -> bool:
    """One store has them all."""
    return True


class Progress:
    """Looks at the logs, one store and its read models; changes nothing. `has` says which partitions of the source log are decided
    into this store."""

    def __init__(
        self,
        source: SourceLog,
        store: Store,
        domain: DomainLog,
        views: Views,
        partition_of: Callable[[str], str] = only_partition,
        has: Callable[[str], bool] = every_partition,
    ) -> None:
        self._source, self._store, self._domain, self._views = source, store, domain, views
        self._partition_of, self._has = partition_of, has

    def standing(self, account: str) -> Standing:
        """How far this account has come."""
        partition = self._partition_of(account)
        return Standing(self._source.end(partition), self._store.place(partition), self._waiting())

    def lag(self) -> int:
        """Source events not decided and domain events not folded, of all accounts this process may read."""
        undecided = sum(self._source.end(p) - self._store.place(p) for p in self._source.partitions() if self._has(p))
        return undecided + self._waiting()

    def _waiting(self) -> int:
        unrelayed = self._store.end() - self._domain.last_id()
        return max(unrelayed, 0) + max(self._domain.end() - self._views.position(), 0)

    def reached(self, account: str, position: int) -> Callable[[], bool]:
        """A question to be asked again until it says True: do the read models hold all that was accepted for this account up to
        `position`, or up to now if that is ahead of the log?"""
        partition = self._partition_of(account)
        wanted = min(position, self._source.end(partition))
        recorded: int | None = None
        relayed: int | None = None

        def ask() -> bool:
            nonlocal recorded, relayed
            if recorded is None:
                if self._store.place(partition) < wanted:
                    return False
                recorded = self._store.end()  # what was decided up to `wanted` is recorded up to here at the latest
            if relayed is None:
                if self._domain.last_id() < recorded:
                    return False
                relayed = self._domain.end()
            return self._views.position() >= relayed

        return ask
