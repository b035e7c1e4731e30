"""The role that pulls: reads each link's feeds with their cursors, and what notices name, and puts it all in the source log.

What must stay true:
- a cursor moves only after the last page is durably in the log: whoever dies in between reads the same again, and the log knows it;
- a notice is done only when what it came to is in the log; one that always fails keeps no other from it, and is tried ever more rarely;
- a feed has one reader at a time, by lease, which pages extend; whoever lost it keeps nothing;
- a link that fails waits by itself: longer each time, or as long as its provider said; one that lost its authorisation keeps its
  cursor and waits for somebody to connect it again. Failing links have a part of the threads, so that the others always have some;
- a CRM's users and contacts are known before the meetings that are matched with them are read for the first time; and before a
  calendar's changes are told, its CRM's contacts are read anew: a guest who became a contact a moment ago shall be found one.

Nothing of what was read is remembered here: a thousand links take the memory of as many pages as there are threads.
"""

from __future__ import annotations

import random
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import msgspec
import structlog
from msgspec.structs import replace

from domain.errors import AskAPerson, Conflict, Deauthorised, Refused, Stop, TryAgain
from domain.outside import Channels, Cursor, Cursors, Feed, Inbox, Link, Notice, Pulled
from services.connections import CRM
from services.publish import Publisher, Receipt

log = structlog.get_logger(__name__)

LEASE_MS = 300_000
"""How long a feed or a notice is held; a page that takes nearly as long was lost."""

PAUSE = 1.0
"""Seconds that a step takes at most, while what it began is under way."""

LOOKS = 4
"""Looks for what is due in that time."""

BATCH = 500
"""Source events that are put in the log at once."""

NOTICE_LEASE_MS = 60_000
"""How long notices are held, and held again while they are read: what a process was reading that died is read within a minute."""

NOTICES = 100
"""Notices that are read at once: as many as a batch of HubSpot's may name objects."""

# A lease with this much left is long enough for a page. Each extension waits for the disk, and most polls are over in a moment.
_ENOUGH_MS = LEASE_MS * 4 // 5
_FIRST_MS, _LONGEST_MS = 2_000, 900_000
# A lost grant is found out without asking the provider, so looking again costs nothing; `connect` wakes the cursor anyway.
_LOST_MS = 3_600_000
_FIRSTS = {"events": ("owners", "contacts"), "meetings": ("owners", "contacts"), "contacts": ("owners",)}
_AWAITED_MS = 1_000
# So many notices that fail one after another say that it is not about them.
_ALONE = 5
# How old the knowledge of contacts may be, and how long a calendar's changes wait for younger.
_FRESH_MS, _PATIENT_MS = 10_000, 15_000


class Reader(Protocol):
    """Reads what notices of a link name."""

    def read(self, link: Link, bodies: Sequence[bytes], now: int) -> Pulled:
        """What they come to. Raises as `Feed.pull` does."""


class Pace(NamedTuple):
    """How often a feed is read, in ms: `pushed` if its provider tells us when there is news, else `alone`."""

    pushed: int = 300_000
    alone: int = 60_000


class Counts(NamedTuple):
    """What became of source events."""

    accepted: int = 0
    duplicate: int = 0
    refused: int = 0

    def plus(self, other: Counts) -> Counts:
        """Both."""
        return Counts(*(one + two for one, two in zip(self, other, strict=True)))


class Ingest:
    """Reads a cursor to its end, or notices. Usable by any number of threads.

    `feeds` are by provider and feed; `readers` of notices by provider. `pushing` names providers whose news come through the inbox;
    those with an open channel are pushed, too. `dice` gives the jitter, 0 to 1.
    """

    def __init__(
        self,
        cursors: Cursors,
        inbox: Inbox,
        channels: Channels,
        feeds: Mapping[tuple[str, str], Feed],
        readers: Mapping[str, Reader],
        publisher: Publisher,
        clock: Callable[[], int],
        pace: Pace = Pace(),  # noqa: B008 - a tuple that nobody can change
        pushing: Sequence[str] = (),
        dice: Callable[[], float] = random.random,
    ) -> None:
        self.cursors, self.inbox = cursors, inbox
        self._channels, self._feeds, self._readers, self._publisher = channels, feeds, readers, publisher
        self.clock, self._pace, self._pushing, self._dice = clock, pace, pushing, dice
        self.awaited_until = 0
        self._waiting: dict[Link, int] = {}
        self._failing: dict[tuple[str, str], int] = {}

    def read(self, cursor: Cursor) -> int:
        """Read a claimed cursor to its end and keep it; how many events that was."""
        try:
            return self._read(cursor)
        except Conflict:
            log.info("lease lost", **_names(cursor))
        except Stop:
            raise
        except (TryAgain, AskAPerson) as error:
            self._put_off(cursor, error, str(error))
        except Exception as error:
            # Our own bug, met by what one provider said to one link: seen by whoever reads the log, and no other link's business.
            log.error("bug", **_names(cursor), error=type(error).__name__, where=where(error))
            self._put_off(cursor, error, f"{type(error).__name__} while reading")
        return 0

    def _read(self, cursor: Cursor) -> int:
        began = self.clock()
        if (first := self._awaited(cursor)) is not None:
            self._await(cursor, first)
            return 0
        pulled = self._pull(cursor, began)
        if pulled is None:
            self._put_back(cursor, _AWAITED_MS, cursor.reason)
            return 0
        moved, counts = pulled
        self.cursors.keep(moved)
        log.info("read", **_names(cursor), **counts._asdict(), ms=self.clock() - began)
        return counts.accepted + counts.duplicate

    def _awaited(self, cursor: Cursor) -> Cursor | None:
        """The CRM's cursor that must have been read once before this one is read for the first time, if there is one."""
        firsts = _FIRSTS.get(cursor.feed, ())
        if cursor.value is not None or not firsts:
            return None
        unread = {one.feed: one for one in self._of_crm(cursor) if one.read_at is None}
        return next((unread[feed] for feed in firsts if feed in unread), None)

    def _of_crm(self, cursor: Cursor) -> list[Cursor]:
        """The cursors of the CRM beside it. Asked for at each read that has news: what it takes must not grow with the connections."""
        return self.cursors.of(Link(cursor.link.account, CRM))

    def _await(self, cursor: Cursor, first: Cursor) -> None:
        """Look again soon; not so soon if what is awaited fails."""
        reason = f"the CRM's {first.feed} are read first"
        if first.failures:
            self.cursors.keep(replace(cursor, due_at=self.clock() + _LONGEST_MS // 10, reason=reason))
        else:
            self._put_back(cursor, _AWAITED_MS, reason)

    def _put_back(self, cursor: Cursor, wait_ms: int, reason: str | None) -> None:
        due_at = self.clock() + wait_ms
        self.awaited_until = max(self.awaited_until, due_at + wait_ms)
        self.cursors.keep(replace(cursor, due_at=due_at, reason=reason))

    def _is_early(self, cursor: Cursor) -> bool:
        """Must a calendar's changes wait, because what is known of contacts may be older than they are? Not for long, and not for a CRM
        that does not answer. Whoever must wait has the contacts read."""
        if cursor.feed != "events":
            return False
        now = self.clock()
        contacts = next((one for one in self._of_crm(cursor) if one.feed == "contacts"), None)
        known = contacts is None or contacts.failures > 0 or contacts.read_at is None or now - contacts.read_at <= _FRESH_MS
        if contacts is None or known or now - self._waiting.setdefault(cursor.link, now) > _PATIENT_MS:
            self._waiting.pop(cursor.link, None)
            return False
        self.cursors.wake(contacts.link, contacts.feed, now)
        return True

    def _pull(self, cursor: Cursor, began: int) -> tuple[Cursor, Counts] | None:
        """The cursor as it is to be kept; None, and nothing was told, if it was too early for that. Raises what `Feed.pull` does, and
        `Conflict` if the lease was lost."""
        feed = self._feeds.get((cursor.link.provider, cursor.feed))
        if feed is None:
            raise Refused(f"{cursor.feed} of {cursor.link.provider} are not set up here")
        counts = Counts()
        for page in feed.pull(cursor.link, cursor.value, began):
            if (page.events or page.examined) and not (counts.accepted or counts.duplicate) and self._is_early(cursor):
                return None
            counts = counts.plus(self._publish(cursor.link.account, page))
            cursor = self._held(cursor)
            if page.last:
                return self._moved(cursor, page, began), counts
        raise TryAgain("the feed broke off before its last page")

    def _held(self, cursor: Cursor) -> Cursor:
        """For another page. Raises `Conflict` if the lease was lost."""
        now = self.clock()
        return cursor if cursor.until - now > _ENOUGH_MS else self.cursors.extend(cursor, now + LEASE_MS)

    def _moved(self, cursor: Cursor, page: Pulled, began: int) -> Cursor:
        now = self.clock()
        if page.more:
            return replace(cursor, value=page.next, due_at=now, failures=0, reason=None)
        due_at = now + self._spread(self._pace.pushed if self._is_pushed(cursor, now) else self._pace.alone)
        return replace(cursor, value=page.next, due_at=due_at, read_at=began, failures=0, reason=_unread(page))

    def _is_pushed(self, cursor: Cursor, now: int) -> bool:
        if cursor.link.provider in self._pushing:
            return True
        return any(one.feed == cursor.feed and one.state == "active" and one.expires_at > now for one in self._channels.of(cursor.link))

    def _put_off(self, cursor: Cursor, error: Exception, reason: str) -> None:
        """Later: when the provider said, or after twice as long as the last time."""
        failures = cursor.failures + 1
        if isinstance(error, Deauthorised):
            wait_ms = _LOST_MS
        elif isinstance(error, TryAgain) and error.after is not None:
            wait_ms = max(int(error.after * 1000), _FIRST_MS)
        else:
            wait_ms = min(_FIRST_MS * 2 ** min(failures - 1, 10), _LONGEST_MS)
        say = log.info if isinstance(error, TryAgain) else log.warning
        say("put off", **_names(cursor), error=type(error).__name__, reason=reason, failures=failures, ms=wait_ms)
        try:
            self.cursors.keep(replace(cursor, due_at=self.clock() + self._spread(wait_ms), failures=failures, reason=reason))
        except TryAgain as refusal:
            # The lease ends by itself, and then it is somebody's again.
            log.info("not put off", **_names(cursor), error=type(refusal).__name__)

    def _spread(self, wait_ms: int) -> int:
        """That long or up to a quarter longer: many links that began together shall not stay together."""
        return wait_ms + int(wait_ms * 0.25 * self._dice())

    # --- notices

    def hear(self, notices: Sequence[Notice]) -> int:
        """Read what claimed notices of one account and provider name; how many events that was. Those that could not be read yet
        come again when their lease is over; one that cannot be read at all keeps no other from it."""
        link = Link(notices[0].account, notices[0].provider)
        try:
            return self._hear(link, notices)
        except Stop:
            raise
        except (TryAgain, Deauthorised) as error:
            about_one = isinstance(error, TryAgain) and error.after is None
            if about_one and len(notices) > 1:
                return self._hear_apart(notices)
            log.warning("notices wait", account=link.account, provider=link.provider, error=type(error).__name__, reason=str(error))
            if about_one:
                self._put_aside(notices[0])
        except Exception as error:  # a refusal, or our own bug, as in `read`
            if len(notices) > 1:
                return sum(self.hear([one]) for one in notices)
            log.error("bug", account=link.account, provider=link.provider, error=type(error).__name__, where=where(error))
            self._put_aside(notices[0])
        return 0

    def _hear_apart(self, notices: Sequence[Notice]) -> int:
        """One of these fails, or all do: then the provider does, and the rest is left alone."""
        events = 0
        for number, one in enumerate(notices, 1):
            events += self.hear([one])
            if number == _ALONE and all(self._failing.get((failed.account, failed.id)) for failed in notices[:number]):
                break
        return events

    def _put_aside(self, notice: Notice) -> None:
        """For longer each time."""
        name = (notice.account, notice.id)
        self._failing[name] = tries = self._failing.get(name, 0) + 1
        with suppress(TryAgain):  # then it comes again when its lease is over
            self.inbox.extend([notice], self.clock() + min(NOTICE_LEASE_MS * 2 ** min(tries - 1, 10), _LONGEST_MS))

    def _hear(self, link: Link, notices: Sequence[Notice]) -> int:
        said = self._readers[link.provider].read(link, [one.body for one in notices], self.clock())
        counts = self._publish(link.account, said)
        self.inbox.done(notices)
        for one in notices:
            self._failing.pop((one.account, one.id), None)
        log.info("heard", account=link.account, provider=link.provider, notices=len(notices), **counts._asdict())
        return counts.accepted + counts.duplicate

    def _publish(self, account: str, said: Pulled) -> Counts:
        """Durable when this returns."""
        for what, reason in said.refused:
            log.debug("refused", account=account, what=what, reason=reason)
        outcomes = Counter[str]()
        for receipts in self._accepted(account, said):
            outcomes.update(receipt.outcome for receipt in receipts)
            for receipt in receipts:
                if receipt.outcome == "rejected":
                    log.warning("rejected", account=account, id=receipt.id, errors=[error.pointer for error in receipt.errors])
        return Counts(outcomes["accepted"], outcomes["duplicate"], outcomes["rejected"] + len(said.refused))

    def _accepted(self, account: str, said: Pulled) -> Iterator[list[Receipt]]:
        for start in range(0, len(said.examined), BATCH):
            yield self._publisher.accept_read(said.examined[start : start + BATCH], account)
        for start in range(0, len(said.events), BATCH):
            yield self._publisher.accept([msgspec.json.encode(event) for event in said.events[start : start + BATCH]], account)


class Ingesting:
    """`services.roles.Work`: all of it, by a bounded number of threads. `also` is done over and over beside it (the channels' upkeep),
    by a thread of its own; it says how much it did."""

    name = "ingest"

    def __init__(self, ingest: Ingest, threads: int = 8, also: Callable[[], int] = int) -> None:
        self._ingest, self._threads, self._also = ingest, threads, also
        self._pool = ThreadPoolExecutor(threads + 1, thread_name_prefix="ingest")
        self._flying: dict[Future[int], bool] = {}  # is it of a failing link?
        self._heard: dict[Future[int], tuple[list[Notice], int]] = {}  # until when they are ours
        self._beside: Future[int] | None = None
        self._looked = -PAUSE

    def step(self) -> int:
        """Begin what is due, and wait for some of it. How many events were read; 1 if none was, but something is under way."""
        begun, done = 0, set[Future[int]]()
        for _ in range(LOOKS):
            self._hold()
            begun += self._begin()
            self._begin_beside()
            under_way: list[Future[int]] = [*self._flying, *([self._beside] if self._beside else ())]
            done, _unfinished = wait(under_way, timeout=PAUSE / LOOKS, return_when=FIRST_COMPLETED)
            if done or not under_way:
                break
        # A thread's failure is the role's: what passes by itself was dealt with by then.
        events: int = sum([future.result() for future in done if self._flying.pop(future, None) is not None])
        if self._beside is not None and self._beside in done:
            begun += self._beside.result()
            self._beside = None
        if begun or self._flying or self._beside:
            return max(events, 1)
        if self._ingest.clock() < self._ingest.awaited_until:
            time.sleep(PAUSE / LOOKS)
            return 1
        return events

    def _begin_beside(self) -> None:
        if self._beside is None and time.monotonic() - self._looked >= PAUSE:
            self._looked = time.monotonic()
            self._beside = self._pool.submit(self._also)

    def _begin(self) -> int:
        free = self._threads - len(self._flying)
        return self._begin_notices(free) + self._begin_cursors(self._threads - len(self._flying)) if free > 0 else 0

    def _begin_notices(self, free: int) -> int:
        """Those of an account together."""
        now = self._ingest.clock()
        notices = self._ingest.inbox.claim(now, NOTICE_LEASE_MS, NOTICES) if free > 0 else []
        accounts: dict[tuple[str, str], list[Notice]] = {}
        for notice in notices:
            accounts.setdefault((notice.account, notice.provider), []).append(notice)
        for together in accounts.values():
            future = self._pool.submit(self._ingest.hear, together)
            self._flying[future], self._heard[future] = False, (together, now + NOTICE_LEASE_MS)
        return len(notices)

    def _hold(self) -> None:
        """What is being read stays ours."""
        now = self._ingest.clock()
        self._heard = {future: held for future, held in self._heard.items() if not future.done()}
        for future, (together, until) in self._heard.items():
            if until - now < NOTICE_LEASE_MS * 2 // 3:
                try:
                    self._ingest.inbox.extend(together, now + NOTICE_LEASE_MS)
                except TryAgain:
                    continue  # at the next turn; if the lease runs out, it is read twice, under the same ids
                self._heard[future] = (together, now + NOTICE_LEASE_MS)

    def _begin_cursors(self, free: int) -> int:
        cursors = self._ingest.cursors.claim(self._ingest.clock(), LEASE_MS, free) if free > 0 else []
        begun = 0
        for cursor in cursors:
            if cursor.failures and sum(self._flying.values()) >= max(self._threads // 4, 1):
                self._put_back(cursor)
                continue
            self._flying[self._pool.submit(self._ingest.read, cursor)] = bool(cursor.failures)
            begun += 1
        return begun

    def _put_back(self, cursor: Cursor) -> None:
        """Enough threads are at failing links."""
        try:
            self._ingest.cursors.keep(replace(cursor, due_at=self._ingest.clock() + _FIRST_MS))
        except Conflict:
            pass  # somebody else has it already

    def close(self) -> None:
        """Begin nothing more, and wait until what was begun has come to its end."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def wait(self) -> None:
        """See `Work`: nobody tells us when a cursor is due, or woken."""
        time.sleep(PAUSE / LOOKS)

    def lag(self) -> dict[str, int]:
        """See `Work`: the notices that wait."""
        return {"0": self._ingest.inbox.waiting()}


def where(error: Exception) -> str:
    """Where an error was raised. Its text is left out, and so are the values around it: they may be somebody's name."""
    frames = traceback.extract_tb(error.__traceback__)
    return f"{Path(frames[-1].filename).name}:{frames[-1].lineno}" if frames else ""


def _unread(page: Pulled) -> str | None:
    """What a feed goes on without, and goes on trying to read: it is named on its last page."""
    if not page.refused:
        return None
    (what, reason), *others = page.refused
    return f"{what}: {reason}" + (f"; and {len(others):,} more" if others else "")


def _names(cursor: Cursor) -> dict[str, Any]:
    return {"account": cursor.link.account, "provider": cursor.link.provider, "user": cursor.link.user, "feed": cursor.feed}
