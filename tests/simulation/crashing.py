"""Processes that die: wrappers around the memory twins that raise a `Crash` at any call, before or after it took effect.

What must stay true: a crash is no `Exception`, so that no code that copes with errors can cope with it, as none could with a
power cut; what the twins hold survives, and everything else is made anew by `Machine.start`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from random import Random
from typing import Any, TypeVar

from adapters.memory.keys import MemoryKeys
from adapters.memory.log import MemorySourceLog
from adapters.vault import SealingVault
from domain.ports import Appended, NewRecord
from services.publish import Publisher
from services.sync import Behind
from tests.engine import Engine

Result = TypeVar("Result")


class Crash(BaseException):
    """The process died here."""


class Fuse:
    """Decides at which calls the process dies: each with a chance, half of them after the call took effect."""

    def __init__(self, random: Random, chance: float) -> None:
        self._random, self.chance = random, chance
        self.blown = 0

    def burn(self, call: Callable[[], Result]) -> Result:
        """The call, or a crash before or after it."""
        dies = self._random.random() < self.chance
        after = dies and self._random.random() < 0.5
        if dies:
            self.blown += 1
        if dies and not after:
            raise Crash
        result = call()
        if after:
            raise Crash
        return result


class Crashing:
    """A twin whose every call may be the last one of the process."""

    def __init__(self, twin: Any, fuse: Fuse) -> None:
        self._twin, self._fuse = twin, fuse

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._twin, name)
        if not callable(found):
            return found
        return lambda *args, **named: self._fuse.burn(lambda: found(*args, **named))


class SeededKeys(MemoryKeys):
    """Keys that are the same for the same person in every run, so that runs can be compared byte for byte."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        self._secret = blake2b(str(seed).encode(), digest_size=32).digest()

    def put(self, new: Mapping[tuple[str, str], bytes]) -> dict[tuple[str, str], bytes | None]:
        """The first one stays."""
        return super().put({at: blake2b("|".join(at).encode(), key=self._secret, digest_size=len(old)).digest() for at, old in new.items()})


class RepeatingLog(MemorySourceLog):
    """A source log that keeps repeated records, as Kafka does."""

    def _append(self, record: NewRecord, at: int) -> Appended:
        self._known.pop((record.account, record.event), None)
        return super()._append(record, at)


class Machine(Engine):
    """An engine on the same keys in every run, which may crash and be started again. `source` may be another machine's log."""

    def __init__(
        self,
        seed: int,
        fuse: Fuse | None = None,
        batch: int = 1000,
        source: MemorySourceLog | None = None,
        keys: MemoryKeys | None = None,
        behind: Behind | None = None,
    ) -> None:
        super().__init__(batch, behind)
        self.keys: Any = keys or SeededKeys(seed)
        if source is not None:
            self.source = source
        if fuse is not None:
            for name in ("source", "domain_log", "dead", "store", "views", "keys"):
                setattr(self, name, Crashing(getattr(self, name), fuse))
        self._restart()

    def start(self) -> None:
        """A new process: nothing is left but what was stored."""
        if hasattr(self, "keys"):
            self.vault = SealingVault(self.keys)
            self.publisher = Publisher(self.source, self.vault, self.clock)
        super().start()

    def survive(self, action: Callable[[], Result]) -> Result:
        """Do this, again after every crash, until it is done."""
        while True:
            try:
                return action()
            except Crash:
                self._restart()

    def _restart(self) -> None:
        while True:
            try:
                return self.start()
            except Crash:
                continue

    def deliver(self, chunks: Sequence[Sequence[dict[str, Any]]]) -> Machine:
        """Publish and settle these chunks, one after the other, whatever happens."""
        for chunk in chunks:
            receipts = self.survive(lambda chunk=chunk: self.publish(chunk))  # type: ignore[misc]  # a lambda's default has no type
            assert all(r.outcome != "rejected" for r in receipts), [r for r in receipts if r.outcome == "rejected"]
            self.survive(self.settle)
        return self
