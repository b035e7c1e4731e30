"""A whole engine in memory, for tests: events in, timelines and decisions out. Its clock is handed in and moves by itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from adapters.memory.keys import MemoryKeys
from adapters.memory.log import MemoryDeadLetters, MemoryDomainLog, MemorySourceLog
from adapters.memory.store import MemoryStore
from adapters.memory.views import MemoryViews
from adapters.vault import SealingVault
from projections.views import Page
from services.project import Project
from services.publish import Publisher, Receipt
from services.relay import Relay
from services.sync import Behind, Sync
from tests.examples import ACCOUNT, Event, hour, stage

FOREVER = Page(limit=1000)


class Late:
    """Commits at the last moment: when somebody waits for the end."""

    def __init__(self) -> None:
        self.under_way = self.begun = 0

    def __call__(self, commit: Callable[[], None]) -> Callable[[], object]:
        self.under_way += 1
        self.begun += 1

        def end() -> None:
            self.under_way -= 1
            commit()

        return end


class Engine:
    """`tell` events, then ask. Every part is the real one over the memory twins."""

    def __init__(self, batch: int = 1000, behind: Behind | None = None, keys: MemoryKeys | None = None) -> None:
        self.at = int(hour(2000).timestamp() * 1000)  # after everything that the story tells
        self.source, self.domain_log, self.dead = MemorySourceLog(), MemoryDomainLog(), MemoryDeadLetters()
        self.store, self.views = MemoryStore(), MemoryViews()
        self.vault = SealingVault(keys or MemoryKeys())
        self.batch, self.behind = batch, behind
        self.publisher = Publisher(self.source, self.vault, self.clock)
        self.start()

    def start(self) -> None:
        """Begin anew with what is stored, as after a crash."""
        self.sync = Sync(self.source, self.store, self.vault, self.dead, self.clock, self.batch, self.behind)
        self.relay = Relay(self.store, self.domain_log)
        self.project = Project(self.domain_log, self.views, self.vault)

    def clock(self) -> int:
        """A second later at each look."""
        self.at += 1000
        return self.at

    def publish(self, events: Iterable[Event]) -> list[Receipt]:
        """To the log, no further."""
        return self.publisher.accept([json.dumps(e).encode() for e in events])

    def tell(self, *events: Event) -> Engine:
        """Publish and settle. Every event must be accepted or a duplicate."""
        for receipt in self.publish(events):
            assert receipt.outcome != "rejected", receipt
        return self.settle()

    def tell_one_by_one(self, *events: Event) -> Engine:
        """Settled after each."""
        for event in events:
            self.tell(event)
        return self

    def settle(self) -> Engine:
        """Decide, relay and project what there is."""
        while self.sync.step("0") is not None:
            pass
        while self.relay.step():
            pass
        while self.project.step():
            pass
        return self

    def timeline(self, contact: str = "151", account: str = ACCOUNT, page: Page = FOREVER) -> list[dict[str, Any]]:
        """A contact's entries, soonest first."""
        return [json.loads(hit.body) for hit in self.views.entries(account, contact, page)]

    def shown(self, contact: str = "151", account: str = ACCOUNT) -> list[tuple[str, str, str]]:
        """(title, start, status) of a contact's entries."""
        return [(e["title"], e["start"], e["status"]) for e in self.timeline(contact, account)]

    def titles(self, contact: str = "151") -> list[str]:
        """The titles of a contact's entries."""
        return [e["title"] for e in self.timeline(contact)]

    def decided(self, event: str | Event, account: str = ACCOUNT) -> list[tuple[str, str]]:
        """(rule, outcome) of every decision about a source event."""
        name = event if isinstance(event, str) else event["id"]
        rows = self.views.decisions(account, event=name)
        return [(d["rule"], d["outcome"]) for r in rows for d in json.loads(r.body)["decisions"]]

    def notes(self, event: str | Event) -> list[dict[str, Any]]:
        """The notes of the decisions about a source event."""
        name = event if isinstance(event, str) else event["id"]
        rows = self.views.decisions(ACCOUNT, event=name)
        return [d["note"] for r in rows for d in json.loads(r.body)["decisions"] if d.get("note")]

    def names(self) -> list[str]:
        """The names of all domain events, in order, without the decisions."""
        return [n for _, _, _, n, _ in self.store.notifications(0, 10**6) if n != "source_event.decided.v1"]

    def essence(self, account: str = ACCOUNT, contacts: tuple[str, ...] = ("151", "152", "153")) -> Any:
        """What all timelines show, without ids, versions and our times: what must not depend on the order of arrival."""
        drop = ("entry", "meeting", "version", "position", "recordedAt", "series")
        entries = {c: [{k: v for k, v in e.items() if k not in drop} for e in self.timeline(c, account)] for c in contacts}
        ordered = {c: sorted(found, key=lambda e: json.dumps(e, sort_keys=True)) for c, found in entries.items()}
        return json.loads(msgspec.json.encode(ordered))


def staged(*events: Event) -> Engine:
    """An engine that was told the stage, and these."""
    return Engine().tell(*stage(), *events)
