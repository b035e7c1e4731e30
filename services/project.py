"""Fold the domain log into the read models, rows and position in one transaction.

A fold that fails stops at its position and says so; nothing is skipped, because a reader of an incomplete timeline would never
know. What was folded before stays readable.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import msgspec
import structlog

from domain.errors import ProjectionFailed, RendezvousError
from domain.ports import DomainLog, DomainRecord, Vault
from projections.folding import fold
from projections.views import Views
from services.tracing import followed_records

log = structlog.get_logger(__name__)

BATCH = 5000


class _Recorded(msgspec.Struct):
    recorded_at: int


_recorded = msgspec.json.Decoder(_Recorded)


class Project:
    """Folds one domain log into one set of views."""

    def __init__(self, domain_log: DomainLog, views: Views, vault: Vault, batch: int = BATCH) -> None:
        self._log, self._views, self._vault, self._batch = domain_log, views, vault, batch

    def step(self) -> int:
        """Fold the next batch. Returns how many events; 0 if there was none. Raises `ProjectionFailed` at the event that
        cannot be folded, with everything before it committed."""
        records = self._log.read(self._views.position(), self._batch)
        if not records:
            return 0
        try:
            self._apply(records)
        except RendezvousError:
            raise
        except Exception:
            log.warning("batch failed, folding one by one", position=records[0].position)
            self._one_by_one(records)
        return len(records)

    def _apply(self, records: list[DomainRecord]) -> None:
        with _uncollected():
            changes = fold(records, self._views, self._vault.open_all)
            self._views.apply(changes, records[-1].position, _recorded.decode(records[-1].body).recorded_at)
        followed_records("folded", records)

    def _one_by_one(self, records: list[DomainRecord]) -> None:
        for record in records:
            try:
                self._apply([record])
            except Exception as error:  # whatever it is, the answer is the same: stop here and say where
                raise ProjectionFailed("views", record.position, f"{record.name}: {type(error).__name__}: {error}") from error


@contextmanager
def _uncollected() -> Iterator[None]:
    # What a batch makes lives until it is written: a tenth of its time the collector would walk through all of it and find nothing.
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
