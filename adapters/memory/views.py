"""Memory twin of the read models. See `projections.views.Views` for what each verb promises."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from functools import wraps
from typing import Any, TypeVar, cast

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from domain.errors import Conflict
from domain.people import key_of
from domain.ports import EntryRow
from projections import contact_timeline, contacts, meeting_view
from projections.contact_timeline import departed, name
from projections.views import Change, Changes, ClockRow, ConnectionRow, ContactRow, DecisionRow, EntryHit, MeetingRow, Page

_F = TypeVar("_F")
_Full = tuple[str, str, str, int]


class _Calendar(Struct):
    calendar: str | None = None


class _Told(Struct):
    """A change as live readers get it, None once its version is gone; `timeline` is (account, contact)."""

    timeline: tuple[str, str]
    meeting: str
    occurrence: int
    position: int
    version: int | None


def _locked(method: _F) -> _F:
    """One at a time: readers never see half a batch."""

    @wraps(cast(Any, method))
    def alone(self: MemoryViews, *args: Any, **kwargs: Any) -> Any:
        with self._lock:
            return cast(Any, method)(self, *args, **kwargs)

    return cast(_F, alone)


def _full(row: EntryRow) -> _Full:
    return row.account, row.contact, row.meeting, row.occurrence
