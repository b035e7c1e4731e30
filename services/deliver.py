"""The role that writes: carries out, at the providers, the requests that were recorded with the decisions they follow from.

What must stay true:
- at least once in calls, once in effect: the writers know their own work again, the confirmation's id is the delivery's, and a delivery
  is kept as done only after its confirmation is durably in the source log. Whoever dies at any point is repeated, and nothing doubles;
- whoever is at a delivery says over and over that he lives: what a dead process had is another's within a minute, and a call that takes
  longer is nobody else's; who could not say so has lost it, and what came of it is found by whoever does it again;
- one delivery of a link is under way at a time, the oldest first; a link that fails waits by itself, and failing links have a part of
  the threads, so that the others always have some;
- what passes is tried again, later each time or when the provider says, for days; what a provider refuses for good is told, stands
  among the failed ones, and waits for a person; a lost authorisation is waited for, and what waited goes on when there is another;
- nobody is invited to what is over by the time of the call, however long ago it was asked for;
- nothing is written by a link that nobody has connected here, nor what was requested before it was first connected: a history that
  is decided anew in another installation writes to nobody;
- replay, catch-up and rebuild have no part in this: only this role calls a writer.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import UTC, datetime
from functools import cache
from typing import Any, Literal

import msgspec
import structlog
from msgspec.structs import replace
from prometheus_client import CollectorRegistry, Counter

from domain import mentions, recurrence
from domain.errors import AskAPerson, Conflict, Deauthorised, Overtaken, Refused, Stop, TryAgain
from domain.events import Content
from domain.outside import Deliveries, Delivery, Grant, Grants, Request, Writer, Written
from domain.people import Person
from domain.ports import Vault
from services.monitor import Numbers
from services.publish import Publisher

log = structlog.get_logger(__name__)

LEASE_MS = 60_000
"""How long a delivery is held at a time: so long it waits when its process has died."""

RENEWED_MS = LEASE_MS * 2 // 3
"""With less than this left it is held for longer. What is left is longer than a step takes, however busy the store is."""

PAUSE = 0.5
"""Seconds between two looks for what is due, when nothing is, or while others are under way."""

MOST_TRIES = 100
"""A delivery that did not pass so often, which takes more than three days, is failed: a person may know why."""

PAGE = 1000
"""Deliveries that are looked through at once."""

REMEMBERED_MS = 30 * 86_400_000
"""How long a delivery that is over is remembered: a person who asks what became of it asks within a month."""

PRUNE_MS = 3_600_000
"""How often those that are older are dropped."""

_FIRST_MS, _LONGEST_MS = 2_000, 3_600_000
_LOST_MS = 300_000
_DAY_MS = 86_400_000
_FOREVER = recurrence.millis(datetime.max.replace(tzinfo=UTC))
_NEVER_REPEATED = "a later request of the same meeting was carried out"
_NOBODY = "nobody has connected {} here"
_EARLIER = "it was asked for before {} was connected here, and what is older is not written"
_OF_A_USER = "{} of user {}"
_CALLED = {"google": "the Google calendar", "office365": "the Office 365 calendar", "hubspot": "HubSpot"}

State = Literal["waiting", "done", "failed", "superseded"]


class Deliver:
    """Carries out one delivery. Usable by any number of threads. `writers` are by provider; `dice` gives the jitter, 0 to 1."""

    def __init__(
        self,
        deliveries: Deliveries,
        writers: Mapping[str, Writer],
        grants: Grants,
        vault: Vault,
        publisher: Publisher,
        clock: Callable[[], int],
        dice: Callable[[], float] = random.random,
    ) -> None:
        self.deliveries, self.clock = deliveries, clock
        self._writers, self._grants, self._vault, self._publisher, self._dice = writers, grants, vault, publisher, dice

    def carry_out(self, delivery: Delivery) -> State:
        """A claimed delivery, and keep what became of it: that is returned. Raises `Stop`, and `TryAgain` if the deliveries' store
        is busy."""
        after, lost = self._tried(delivery)
        try:
            self.deliveries.keep(after)
        except Conflict:
            log.info("lease lost", **_names(delivery))
        if lost is not None and _is_another(self._grants.get(lost.link), lost):
            # Connected again while we were at it: who woke the link then did not find this one put off.
            self.deliveries.wake(lost.link, self.clock())
        return after.state

    def _tried(self, delivery: Delivery) -> tuple[Delivery, Grant | None]:
        """As it is to be kept; and if it has to wait for another grant, the one that it was tried with."""
        counted, grant = replace(delivery, tries=delivery.tries + 1), None
        try:
            grant = self._grants.get(delivery.request.link)
            return self._attempted(delivery, counted, grant), None
        except Deauthorised as error:
            log.warning("waits for authorisation", **_names(delivery), reason=error.reason)
            return replace(delivery, due_at=self._later(_LOST_MS), reason=error.reason), grant
        except TryAgain as error:
            return self._put_off(counted, str(error), error.after), None
        except Stop:
            raise
        except Exception as error:  # a bug that one request brings out must not hold up the others, nor be repeated at once
            log.error("unforeseen", **_names(delivery), error=type(error).__name__)
            return self._put_off(counted, f"unforeseen: {type(error).__name__}", None), None

    def _attempted(self, delivery: Delivery, counted: Delivery, grant: Grant | None) -> Delivery:
        """As it is to be kept. Raises what `Writer.write` does for what is to be tried again, and what the source log does."""
        request = delivery.request
        if _is_repeated(delivery) and self._is_outdated(request):
            return replace(delivery, state="superseded", reason=_NEVER_REPEATED)
        try:
            written = self._written(request, grant)
        except Overtaken as error:
            self._tell(request, "overtaken", _failure(request, str(error), final=False))
            log.info("overtaken", **_names(delivery), reason=str(error))
            return replace(counted, state="superseded", reason=str(error))
        except Deauthorised:
            raise
        except AskAPerson as error:
            return self._failed(counted, str(error))
        self._tell(request, "confirmed", _confirmation(request, written), written.updated)
        log.info("delivered", **_names(delivery), called=written.called, tries=counted.tries)
        return replace(counted, state="done", reason=None)

    def _admit(self, request: Request, grant: Grant | None) -> None:
        """Raises `Refused` for what is not ours to write. A lost grant admits: it is waited for."""
        link = request.link
        called = _CALLED.get(link.provider, link.provider)
        called = _OF_A_USER.format(called, link.user) if link.user else called
        if grant is None or grant.state == "revoked":
            raise Refused(_NOBODY.format(called))
        if request.requested_at < grant.since:
            raise Refused(_EARLIER.format(called))

    def _written(self, request: Request, grant: Grant | None) -> Written:
        writer = self._writers.get(request.link.provider)
        if writer is None:
            raise AskAPerson(f"nothing writes to {request.link.provider}")
        self._admit(request, grant)
        said = [one for one in (request.content, request.former) if one is not None]
        guests = [guest.person for guest in request.content.guests]
        typed = [token for one in said for text in _texts(one) for token in mentions.tokens(text)]
        people = self._vault.open(request.link.account, [*guests, *typed]) if guests or typed else {}
        if typed:
            former = None if request.former is None else _opened(request.former, people)
            request = replace(request, content=_opened(request.content, people), former=former)
        if request.invite and _is_over(request.content, self.clock()):
            request = replace(request, invite=False)
            log.info("nobody invited", delivery=request.id, reason="it is over by now")
        return writer.write(request, {token: people[token] for token in guests})

    def _failed(self, delivery: Delivery, reason: str) -> Delivery:
        self._tell(delivery.request, "failed", _failure(delivery.request, reason, final=True))
        log.warning("failed", **_names(delivery), reason=reason, tries=delivery.tries)
        return replace(delivery, state="failed", reason=reason)

    def _put_off(self, delivery: Delivery, reason: str, after: float | None) -> Delivery:
        """Later: when the provider said, or after twice as long as the last time; failed if that was often enough."""
        if delivery.tries >= MOST_TRIES:
            return self._failed(delivery, f"tried {delivery.tries} times; the last time: {reason}")
        wait_ms = int(after * 1000) if after is not None else _FIRST_MS * 2 ** min(delivery.tries - 1, 11)
        due_at = self._later(min(max(wait_ms, _FIRST_MS), _LONGEST_MS))
        log.info("put off", **_names(delivery), reason=reason, tries=delivery.tries, ms=due_at - self.clock())
        return replace(delivery, due_at=due_at, reason=reason)

    def _later(self, wait_ms: int) -> int:
        """After that long or up to a quarter longer, at most an hour: many that failed together shall not come back together."""
        return self.clock() + min(wait_ms + int(wait_ms * 0.25 * self._dice()), _LONGEST_MS)

    def _is_outdated(self, request: Request) -> bool:
        """Was a later request of the same meeting and link carried out, while this one was failed?"""
        after = ""
        while page := self.deliveries.all(request.link.account, "done", after, PAGE):
            if any(_is_later(one.request, request) for one in page):
                return True
            after = page[-1].request.id
        return False

    # --- what is told of it

    def _tell(self, request: Request, outcome: str, data: dict[str, Any], at: str | None = None) -> None:
        """Durable when this returns. Told again, it is a duplicate: its id is the delivery's with the outcome."""
        account = request.link.account
        event = {
            "specversion": "1.0",
            "id": f"{request.id}:{outcome}",
            "source": f"/accounts/{account}/deliveries",
            "type": f"rendezvous.delivery.{'confirmed' if outcome == 'confirmed' else 'failed'}.v1",
            "subject": request.id,
            "time": at if _is_time(at) else recurrence.moment(self.clock()).isoformat(timespec="milliseconds"),
            "account": account,
            "partitionkey": account,
            "datacontenttype": "application/json",
            "dataschema": "urn:rendezvous:schema:delivery:1",
            "data": data,
        }
        [receipt] = self._publisher.accept([msgspec.json.encode(event)], account)
        if receipt.outcome == "rejected":
            raise Stop(f"the word of delivery {request.id} was rejected: {', '.join(error.pointer for error in receipt.errors)}")


def _texts(content: Content) -> tuple[str | None, ...]:
    """What somebody may have typed an address into."""
    return content.title, content.description, content.location, content.conference_url


def _opened(content: Content, people: Mapping[str, Person]) -> Content:
    """As it was typed, as far as those named in it may be."""
    title, description, location, conference_url = (mentions.opened(text, people) for text in _texts(content))
    return replace(content, title=title, description=description, location=location, conference_url=conference_url)


def _is_over(content: Content, at: int) -> bool:
    """Has all of it, a series' last occurrence too, ended by a time (ms)? A series whose rules name no end is never over."""
    shape = recurrence.spec(
        content.start, content.time_zone, content.duration, content.all_day, content.rules, content.excluded, content.added
    )
    if any("COUNT=" not in rule.upper() and "UNTIL=" not in rule.upper() for rule in shape.rules):
        return False
    # What may be under way began no longer ago than it lasts; with a day more no change of the clocks matters.
    since = at - (shape.length.days + 1) * _DAY_MS - shape.length.seconds * 1000
    return all(slot.end <= at for slot in recurrence.starts(shape, since, _FOREVER))


def _confirmation(request: Request, written: Written) -> dict[str, Any]:
    said = {"provider": request.link.provider, "id": written.id, "revision": written.revision, "icalUid": written.uid}
    times = {name: at for name, at in (("updated", written.updated), ("created", written.created)) if _is_time(at)}
    return {"meeting": str(request.meeting), **said, **times}


def _failure(request: Request, reason: str, final: bool) -> dict[str, Any]:
    return {"meeting": str(request.meeting), "reason": reason, "final": final}


def _is_time(text: str | None) -> bool:
    try:
        return text is not None and datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False


def _is_repeated(delivery: Delivery) -> bool:
    """Did a person have it tried again? Only then it was tried before, and nothing says why it has to wait."""
    return delivery.tries > 0 and delivery.reason is None


def _is_later(done: Request, request: Request) -> bool:
    return (done.meeting, done.link) == (request.meeting, request.link) and done.requested_at > request.requested_at


def _is_another(now: Grant | None, before: Grant) -> bool:
    """Is there a grant of a newer consent?"""
    return now is not None and now.state == "live" and now.id != before.id


def _names(delivery: Delivery) -> dict[str, Any]:
    link = delivery.request.link
    return {"delivery": delivery.request.id, "account": link.account, "provider": link.provider, "user": link.user}


@cache
def _outcomes(registry: CollectorRegistry) -> Counter:
    """Once a registry: a role that begins anew goes on counting."""
    return Counter("rendezvous_deliveries", "Deliveries that were tried, by what became of them", ["provider", "state"], registry=registry)


class Delivering:
    """`services.roles.Work`: what is due, by a bounded number of threads."""

    name = "deliver"

    def __init__(self, deliver: Deliver, numbers: Numbers, threads: int = 8) -> None:
        self._deliver, self._threads = deliver, threads
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="deliver")
        self._flying: dict[Future[State], Delivery] = {}
        self._outcomes = _outcomes(numbers.registry)
        self._pruned_at = 0

    def step(self) -> int:
        """Begin what is due, and wait until some of it is done with; how many that was, 0 if there is nothing to do."""
        self._hold()  # first: of several stores one that is away would let us come to nothing else
        self._prune()
        while self._begin() or self._flying:
            done, _ = wait(self._flying, timeout=PAUSE, return_when=FIRST_COMPLETED)
            if done:
                return sum(self._landed(future) for future in done)
            self._hold()
        return 0

    def _prune(self) -> None:
        """Drop what is over for long, now and then."""
        now = self._deliver.clock()
        if now >= self._pruned_at + PRUNE_MS:
            self._pruned_at = now
            if gone := self._deliver.deliveries.prune(now - REMEMBERED_MS):
                log.info("pruned", deliveries=gone)

    def _begin(self) -> int:
        free = self._threads - len(self._flying)
        claimed = self._deliver.deliveries.claim(self._deliver.clock(), LEASE_MS, free) if free > 0 else []
        for delivery in claimed:
            if delivery.tries and self._failing() >= max(self._threads // 4, 1):
                self._put_back(delivery)
            else:
                self._flying[self._pool.submit(self._deliver.carry_out, delivery)] = delivery
        return len(claimed)

    def _failing(self) -> int:
        return sum(delivery.tries > 0 for delivery in self._flying.values())

    def _put_back(self, delivery: Delivery) -> None:
        """Enough threads are at failing links."""
        try:
            self._deliver.deliveries.keep(replace(delivery, due_at=self._deliver.clock() + _FIRST_MS))
        except Conflict:
            pass  # somebody else has it already

    def _hold(self) -> None:
        """Say of all that is under way that we are still at it."""
        now = self._deliver.clock()
        for future, delivery in self._flying.items():
            if delivery.lease and delivery.until - now < RENEWED_MS and not future.done():
                self._flying[future] = self._held(delivery, now + LEASE_MS)

    def _held(self, delivery: Delivery, until: int) -> Delivery:
        try:
            return self._deliver.deliveries.extend(delivery, until)
        except Conflict:
            return replace(delivery, lease=0)  # it is kept already, or it is another's and its end will say so
        except TryAgain as error:
            log.info("not held", **_names(delivery), error=type(error).__name__)
            return delivery  # said again at the next turn

    def _landed(self, future: Future[State]) -> int:
        """Counted. A thread's failure is the role's: what passes by itself was dealt with by then."""
        delivery = self._flying.pop(future)
        self._outcomes.labels(delivery.request.link.provider, future.result()).inc()
        return 1

    def wait(self) -> None:
        """See `Work`: nobody tells us when a delivery is due."""
        time.sleep(PAUSE)

    def close(self) -> None:
        """Begin nothing more, and wait until what was begun has come to its end: it is held until then."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        while flying := [future for future in self._flying if not future.done()]:
            self._hold()
            wait(flying, timeout=PAUSE)
        self._pool.shutdown(wait=True)

    def lag(self) -> dict[str, int]:
        """See `Work`: the deliveries that wait, up to a page of them."""
        return {"0": len(self._deliver.deliveries.all(None, "waiting", "", PAGE))}
