"""What can go wrong, as a tree. The kind says what follows; each leaf has its line in docs/when-it-breaks.md.

RendezvousError
  TryAgain          the other side, or another writer, was busy: the same call may pass later
    Conflict          somebody else recorded first; load afresh and decide again
    Overtaken         a provider's copy was changed since we read it; what it says now will come and be decided
  AskAPerson        nothing will change until somebody acts
    BadInput          the input cannot be used; carries where and why
    NotFound          nothing of that name is known in this account
    Forbidden         this token may not ask that
    Deauthorised      a provider takes our grant no more; somebody must connect again
    Refused           a provider will not do what we ask, however often
  Stop              our own bug or a broken store: go no further, say where
    PositionLost      a log or store does not continue where we left it
    ProjectionFailed  a fold failed at a position; nothing after it was read
"""

from __future__ import annotations


class RendezvousError(Exception):
    """Root of the tree."""


class TryAgain(RendezvousError):
    """The same call may pass later; `after` so many seconds, if the other side said so."""

    def __init__(self, *args: object, after: float | None = None) -> None:
        super().__init__(*args)
        self.after = after


class Conflict(TryAgain):
    """A stream or a position moved under us. Nothing was recorded: load afresh and decide again."""


class Overtaken(TryAgain):
    """A provider's copy was changed since we read it. Nothing was written: what it says now will come and be decided."""


class AskAPerson(RendezvousError):
    """Nothing will change until somebody acts."""


class BadInput(AskAPerson):
    """The input cannot be used. `pointer` says where (a JSON Pointer or an option's name), `reason` why."""

    def __init__(self, pointer: str, reason: str) -> None:
        super().__init__(f"{pointer or 'input'}: {reason}")
        self.pointer, self.reason = pointer, reason


class NotFound(AskAPerson):
    """Nothing of that name is known in this account."""


class Forbidden(AskAPerson):
    """This token may not ask that."""


class Deauthorised(AskAPerson):
    """A provider takes our grant no more. `reason` says why, in words for the person who must connect again."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Refused(AskAPerson):
    """A provider will not do what we ask, however often. `reason` says why; it holds nothing personal and no secret."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Stop(RendezvousError):
    """Our own bug, or a broken store."""


class PositionLost(Stop):
    """A log or store does not continue where we left it."""


class ProjectionFailed(Stop):
    """A fold failed at `position`; everything before it is committed, nothing after it was read."""

    def __init__(self, view: str, position: int, cause: str) -> None:
        super().__init__(f"{view} stopped at position {position}: {cause}")
        self.view, self.position, self.cause = view, position, cause
