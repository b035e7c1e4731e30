"""A whole engine on memory twins, for tests of what is asked and answered: publish, catch up, ask. Times are handed in."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from adapters.memory.keys import MemoryKeys
from adapters.memory.log import MemoryDeadLetters, MemoryDomainLog, MemorySourceLog
from adapters.memory.store import MemoryStore
from adapters.memory.tokens import MemoryTokens
from adapters.memory.views import MemoryViews
from adapters.vault import SealingVault
from services.api.app import Front, create_app
from services.explain import Explainer
from services.progress import Progress
from services.project import Project
from services.publish import Publisher, Receipt
from services.reading import Reading
from services.relay import Relay
from services.sync import Sync
from services.tokens import Tokens

ACCOUNT, OTHER = "62515", "70000"
START = 1_772_442_905_000  # 2026-03-02T09:15:05Z


class Engine:
    """Everything of one installation, in memory. `now` is the clock, moved by hand."""

    def __init__(self) -> None:
        self.now = START
        self.source, self.domain_log, self.dead = MemorySourceLog(), MemoryDomainLog(), MemoryDeadLetters()
        self.store, self.vault, self.views = MemoryStore(), SealingVault(MemoryKeys()), MemoryViews()
        self.tokens = Tokens(MemoryTokens(), lambda: self.now)
        self.progress = Progress(self.source, self.store, self.domain_log, self.views)
        self.publisher = Publisher(self.source, self.vault, lambda: self.now)
        self.reading = Reading(self.views, self.vault, self.store)
        self.explainer = Explainer(self.views, self.vault, self.store, self.progress)
        self.sync = Sync(self.source, self.store, self.vault, self.dead, lambda: self.now)
        self.relay = Relay(self.store, self.domain_log)
        self.project = Project(self.domain_log, self.views, self.vault)

    def tell(self, *events: dict[str, Any]) -> list[Receipt]:
        """Publish these, which must be accepted, and catch up."""
        receipts = self.publisher.accept([msgspec.json.encode(event) for event in events])
        assert [r for r in receipts if r.outcome == "rejected"] == []
        self.catch_up()
        self.now += 1000
        return receipts

    def catch_up(self) -> None:
        """Decide, relay and fold all there is."""
        while self.sync.step("0") is not None:
            pass
        while self.relay.step():
            pass
        while self.project.step():
            pass

    def app(self, stopping: Callable[[], bool] = lambda: True, wait_seconds: float = 0.0, ready_lag: int = 0) -> Front:
        """The API over this engine. Streams end when they have told what there is; nobody waits."""
        return create_app(
            reading=self.reading,
            explainer=self.explainer,
            publisher=self.publisher,
            tokens=self.tokens,
            progress=self.progress,
            views=self.views,
            stopping=stopping,
            wait_seconds=wait_seconds,
            ready_lag=ready_lag,
        )

    def token(self, *scopes: str, account: str = ACCOUNT) -> dict[str, str]:
        """The header that shows a new token with these scopes."""
        return {"Authorization": f"Bearer {self.tokens.create(account, scopes)}"}

    def entries(self, who: str, account: str = ACCOUNT, **ask: Any) -> list[dict[str, Any]]:
        """A contact's entries."""
        found: list[dict[str, Any]] = msgspec.json.decode(self.reading.timeline(account, who, **ask))["entries"]
        return found


def event(kind: str, id: str, data: dict[str, Any], *, account: str = ACCOUNT, **more: Any) -> dict[str, Any]:
    """A structured source event."""
    told = {"specversion": "1.0", "id": id, "source": "/tests", "type": f"rendezvous.{kind}.v1", "account": account, "data": data}
    return told | {"time": "2026-03-02T09:15:04Z"} | more


def connected(user: str = "501", at: str = "2026-01-01T00:00:00Z", account: str = ACCOUNT) -> dict[str, Any]:
    """A user connected his Google calendar."""
    data = {"provider": "google", "at": at, "calendar": "ana@acme.example", "address": "ana@acme.example"}
    return event("connection.activated", f"connect-{user}", data, subject=user, account=account)


def contact(id: str, email: str | None, account: str = ACCOUNT, **more: Any) -> dict[str, Any]:
    """A contact as the CRM has it."""
    named = {"email": email, "name": more.pop("name", "Bo"), "company": "Client Ltd"}
    return event("contact.created", more.pop("event", f"contact-{id}"), named, subject=id, account=account, **more)


def configured(account: str = ACCOUNT, **data: Any) -> dict[str, Any]:
    """The account's settings."""
    return event("account.configured", "settings", data, account=account)


def meeting(
    id: str, *guests: str, event_id: str | None = None, start: str = "2026-03-09T10:00:00", account: str = ACCOUNT, **more: Any
) -> dict[str, Any]:
    """A meeting in Ana's calendar with these guests, and with whatever fields of the data are given."""
    people = {"0": {"email": "ana@acme.example", "name": "Ana", "roles": {"owner": True, "attendee": True}}}
    people |= {str(n): {"email": guest, "name": guest.split("@")[0].title(), "roles": {"attendee": True}} for n, guest in enumerate(guests, 1)}
    updated = more.pop("updated", "2026-03-02T09:15:04Z")
    provenance = {"provider": "google", "user": "501", "calendar": "ana@acme.example", "id": id, "icalUid": f"{id}@google.com"}
    provenance |= {"created": "2026-03-01T08:00:00Z", "updated": updated}
    data = {"side": "calendar", "provenance": provenance, "title": f"Meeting {id}", "start": start, "timeZone": "Europe/Paris"}
    data |= {"duration": "PT1H", "status": "confirmed", "participants": people} | more
    source = {"source": "/accounts/62515/calendars/google/ana@acme.example"}
    return event("meeting.updated", event_id or f"google:501:{id}:1", data, account=account, time=updated, **source)


def small_account() -> Engine:
    """Ana's connected calendar, the contacts Bo and Cy, and one meeting with Bo."""
    engine = Engine()
    engine.tell(configured(domains=["acme.example"]), connected(), contact("151", "bo@client.example"), contact("152", "cy@client.example"))
    engine.tell(meeting("m1", "bo@client.example"))
    return engine
