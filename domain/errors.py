"""What can go wrong, as a tree. The kind says what follows; each leaf has its line in docs/when-it-breaks.md.

RendezvousError
  TryAgain          the other side, or another writer, was busy: the same call may pass later
    Conflict          somebody else recorded first; load afresh and decide again
  AskAPerson        nothing will change until somebody acts
    BadInput          the input cannot be used; carries where and why
    NotFound          nothing of that name is known in this account
    Forbidden         this token may not ask that
  Stop              our own bug or a broken store: go no further, say where
    PositionLost      a log or store does not continue where we left it
    ProjectionFailed  a fold failed at a position; nothing after it was read
"""

from __future__ import annotations


class RendezvousError(Exception):
    """Root of the tree."""


class TryAgain(RendezvousError):
    """The same call may pass later."""


class Conflict(TryAgain):
    """A stream or a position moved under us. Nothing was recorded: load afresh and decide again."""


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


class Stop(RendezvousError):
    """Our own bug, or a broken store."""


class PositionLost(Stop):
    """A log or store does not continue where we left it."""


class ProjectionFailed(Stop):
    """A fold failed at `position`; everything before it is committed, nothing after it was read."""

    def __init__(self, view: str, position: int, cause: str) -> None:
        super().__init__(f"{view} stopped at position {position}: {cause}")
        self.view, self.position, self.cause = view, position, cause
