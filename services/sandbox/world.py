"""What the simulators share: the clock, chance, the faults, the pushes on their way, the mails, and what was asked.

Nothing in a simulator reads another clock or another chance, so a seed and a list of requests make the same world again.
`World.lock` is held by the shell around every answer; who acts on a simulator from a test or the control API holds it too.
"""

from __future__ import annotations

import heapq
import http.client
import ipaddress
import itertools
import random
import re
import ssl
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import msgspec

from services.sandbox.wire import Answer, Request

PUSH_TIMEOUT = 10.0
"""Seconds a receiver of a push has to answer."""

KEPT = 1000
"""How many of the last exchanges, and of the last pushes, are kept for tests."""


class World:
    """One of them for all simulators. `clock` gives ms since 1970; without one, the machine's."""

    def __init__(self, seed: int = 0, clock: Callable[[], int] | None = None) -> None:
        self.seed = seed
        self.lock = threading.RLock()
        self.chance = random.Random(seed)  # noqa: S311 - repeatable on purpose; nothing in a sandbox is secret
        self._real = clock or _machine_clock
        self._skew = 0
        self._frozen: int | None = None
        self.faults = Faults(self.chance)
        self.outbox = Outbox(self.now, self.faults)
        self.requests = Traffic()
        self.mails: list[Mail] = []

    def now(self) -> int:
        """Ms since 1970, in this world."""
        return self._frozen if self._frozen is not None else self._real() + self._skew

    def freeze(self, at: int | None = None) -> None:
        """Stand still, at a time (ms) or now; `move` moves it by hand."""
        self._frozen = self.now() if at is None else at

    def move(self, ms: int) -> None:
        """Go on (or back) by so many ms."""
        if self._frozen is None:
            self._skew += ms
        else:
            self._frozen += ms

    def thaw(self) -> None:
        """Run on with the real time, from where it stands."""
        if self._frozen is not None:
            self._skew, self._frozen = self._frozen - self._real(), None

    @property
    def frozen(self) -> bool:
        """Does it stand still?"""
        return self._frozen is not None

    def mail(self, simulator: str, kind: str, sender: str, to: str, event: str, title: str) -> None:
        """A provider sent a mail: kind is invitation, update, cancellation or response; `event` its iCalendar UID."""
        self.mails.append(Mail(simulator, kind, sender, to.lower(), event, title, self.now()))

    def invitations(self, to: str | None = None) -> list[Mail]:
        """The invitations that were mailed, to all or to one address."""
        return [mail for mail in self.mails if mail.kind == "invitation" and to in (None, mail.to)]

    def reset(self) -> None:
        """As it was when it was made; chance begins anew, the clock runs with the real time."""
        self.chance.seed(self.seed)
        self._skew, self._frozen = 0, None
        self.faults.clear()
        self.outbox.clear()
        self.requests.clear()
        self.mails.clear()


class Mail(NamedTuple):
    """A mail that a provider sent to one person. `at` in ms."""

    simulator: str
    kind: str
    sender: str
    to: str
    event: str
    title: str
    at: int


# --- faults ------------------------------------------------------------------------------------------------------------------


class Fault(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One rule. It concerns what `simulator`, `method` (* is any) and `path` (a regular expression that is searched; for a push, its
    URL) match, `times` times (None: for ever), each time with `probability`.

    `effect`, applied by the shell: `latency` (`seconds`), `status` (`status`, with `body` and `headers`, or in the provider's own
    words), `drop` (the connection, before anything is done), `drop_after` (everything is done, the answer is lost). Applied to pushes:
    `duplicate_push`, `lose_push`, `delay_push` (`seconds`). Any other word is a simulator's own (`Faults.take`)."""

    effect: str
    simulator: str = "*"
    method: str = "*"
    path: str = ""
    seconds: float = 0.0
    status: int = 503
    body: Any = None
    headers: dict[str, str] = {}
    times: int | None = 1
    probability: float = 1.0

    def concerns(self, effect: str, simulator: str, method: str, path: str) -> bool:
        """Does the rule speak of this?"""
        return (
            self.effect == effect
            and self.times != 0
            and self.simulator in ("*", simulator)
            and self.method in ("*", method)
            and re.search(self.path, path) is not None
        )


class Faults:
    """The rules in force. The first that concerns a request and whose chance comes up is used, and used up by one."""

    def __init__(self, chance: random.Random) -> None:
        self.rules: list[Fault] = []
        self._chance = chance
        self._lock = threading.Lock()

    def add(self, effect: str, **fields: Any) -> Fault:
        """A rule from a test: the fields of `Fault`."""
        return self.put(Fault(effect=effect, **fields))

    def put(self, fault: Fault) -> Fault:
        """A rule. Raises `re.error` if its path is no regular expression."""
        re.compile(fault.path)
        with self._lock:
            self.rules.append(fault)
        return fault

    def take(self, effect: str, simulator: str, method: str = "*", path: str = "") -> Fault | None:
        """The rule that strikes now, or None."""
        with self._lock:
            for fault in self.rules:
                if fault.concerns(effect, simulator, method, path) and self._comes_up(fault):
                    if fault.times is not None:
                        fault.times -= 1
                    return fault
        return None

    def _comes_up(self, fault: Fault) -> bool:
        """A certain rule draws no chance, so that it changes nothing else of a seed."""
        return fault.probability >= 1.0 or self._chance.random() < fault.probability

    def clear(self) -> None:
        """No rule is in force."""
        with self._lock:
            self.rules.clear()


# --- pushes ------------------------------------------------------------------------------------------------------------------


class Push(NamedTuple):
    """An HTTP request that a provider sends by itself. It is over when the answer is in `ok`, or, if `retry_on` is given, in neither;
    otherwise, and when there is no answer, it is tried again after `retry[n]` seconds. `sign` makes further headers at each try, from the
    push and the time (ms); `ended` hears the last status (0: no answer)."""

    url: str
    method: str = "POST"
    headers: Mapping[str, str] = {}
    body: bytes = b""
    retry: tuple[float, ...] = ()
    ok: frozenset[int] = frozenset(range(200, 300))
    simulator: str = ""
    retry_on: frozenset[int] | None = None
    sign: Callable[[Push, int], Mapping[str, str]] | None = None
    ended: Callable[[int], None] | None = None


class Sent(NamedTuple):
    """One try of a push. Status 0: there was no answer. `at` in ms."""

    push: Push
    status: int
    at: int
    attempt: int


class NotLoopback(ValueError):
    """The sandbox sends nothing to another machine."""


class Outbox:
    """Pushes wait here until they are due in the world's time, and are sent one after the other: by a thread between `start` and
    `close`, and by `flush`."""

    def __init__(self, now: Callable[[], int], faults: Faults) -> None:
        self.sent: deque[Sent] = deque(maxlen=KEPT)
        self._now, self._faults = now, faults
        self._waiting: list[tuple[int, int, int, Push]] = []
        self._order = itertools.count()
        self._changed = threading.Condition()
        self._sending = threading.Lock()
        self._thread: threading.Thread | None = None
        self._open = False

    def send(self, push: Push, after: float = 0.0) -> None:
        """Have it sent, `after` so many seconds. Raises `NotLoopback`."""
        loopback(push.url)
        if self._faults.take("lose_push", push.simulator, push.method, push.url):
            return
        delay = self._faults.take("delay_push", push.simulator, push.method, push.url)
        copies = 2 if self._faults.take("duplicate_push", push.simulator, push.method, push.url) else 1
        for _ in range(copies):
            self._put(push, after + (delay.seconds if delay else 0.0), 0)

    def waiting(self) -> int:
        """How many wait, due or not."""
        with self._changed:
            return len(self._waiting)

    def flush(self) -> int:
        """Send everything that is due now, here; how many tries that were. When it returns, none that was due is still on its way."""
        tries = 0
        with self._sending:
            while (due := self._take()) is not None:
                self._try(*due)
                tries += 1
        return tries

    def call(self, push: Push) -> Answer:
        """Send it at once and return what the receiver says; status 0 if it says nothing. Raises `NotLoopback`."""
        loopback(push.url)
        return _http(push, {**push.headers, **(push.sign(push, self._now()) if push.sign else {})})

    def start(self) -> None:
        """Send in the background from now on."""
        self._open = True
        self._thread = threading.Thread(target=self._run, name="sandbox-outbox", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Send no more; what waits stays."""
        with self._changed:
            self._open = False
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(PUSH_TIMEOUT + 1)
            self._thread = None

    def clear(self) -> None:
        """Forget what waits and what was sent."""
        with self._changed:
            self._waiting.clear()
            self.sent.clear()

    def _run(self) -> None:
        while self._open:
            if self.flush() == 0:
                with self._changed:
                    # Not for longer: the world's clock may be moved by hand, and nobody rings then.
                    self._changed.wait(0.05)

    def _put(self, push: Push, after: float, attempt: int) -> None:
        with self._changed:
            heapq.heappush(self._waiting, (self._now() + int(after * 1000), next(self._order), attempt, push))
            self._changed.notify_all()

    def _take(self) -> tuple[Push, int] | None:
        with self._changed:
            if self._waiting and self._waiting[0][0] <= self._now():
                _, _, attempt, push = heapq.heappop(self._waiting)
                return push, attempt
        return None

    def _try(self, push: Push, attempt: int) -> None:
        status = self.call(push).status
        self.sent.append(Sent(push, status, self._now(), attempt))
        again = status not in push.ok and (push.retry_on is None or status in push.retry_on or status == 0)
        if again and attempt < len(push.retry):
            self._put(push, push.retry[attempt], attempt + 1)
        elif push.ended is not None:
            push.ended(status)


def loopback(url: str) -> None:
    """Raises `NotLoopback` unless the URL's host is this machine itself, and for what is no URL."""
    try:
        parts = urlsplit(url)
        inside = parts.hostname == "localhost" or ipaddress.ip_address(parts.hostname or "").is_loopback
        if inside and (parts.port is None or parts.port > 0):
            return
    except ValueError:
        pass  # no address, or no port: nowhere on this machine
    raise NotLoopback(url)


def _http(push: Push, headers: Mapping[str, str]) -> Answer:
    """One HTTP call. Whatever goes wrong on the way is status 0: a provider sees no more of it either."""
    parts = urlsplit(push.url)
    connection = _connection(parts.scheme, parts.hostname or "", parts.port)
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request(push.method, target, body=push.body, headers={"Content-Length": str(len(push.body)), **headers})
        response = connection.getresponse()
        return Answer(response.status, dict(response.getheaders()), response.read())
    except (OSError, http.client.HTTPException, ValueError):  # the last: a header that HTTP cannot carry
        return Answer(0)
    finally:
        connection.close()


def _connection(scheme: str, host: str, port: int | None) -> http.client.HTTPConnection:
    if scheme != "https":
        return http.client.HTTPConnection(host, port, timeout=PUSH_TIMEOUT)
    context = ssl.create_default_context()
    # A receiver on loopback has a certificate of its own making, and nobody stands between.
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return http.client.HTTPSConnection(host, port, timeout=PUSH_TIMEOUT, context=context)


# --- what was asked ----------------------------------------------------------------------------------------------------------


class Exchange(NamedTuple):
    """A request and what was answered. `at` in ms."""

    simulator: str
    request: Request
    answer: Answer
    at: int


class Traffic:
    """How often what was asked, by simulator, method and route, and the last exchanges, the oldest first."""

    def __init__(self) -> None:
        self.counts: Counter[tuple[str, str, str]] = Counter()
        self.last: deque[Exchange] = deque(maxlen=KEPT)

    def note(self, simulator: str, request: Request, answer: Answer, at: int) -> None:
        """It was asked, and answered."""
        self.counts[simulator, request.method, answer.route or request.path] += 1
        self.last.append(Exchange(simulator, request, answer, at))

    def count(self, simulator: str, method: str | None = None, route: str | None = None) -> int:
        """How often; None is any."""
        return sum(
            times
            for (name, verb, way), times in self.counts.items()
            if name == simulator and method in (None, verb) and route in (None, way)
        )

    def clear(self) -> None:
        """Nothing was asked."""
        self.counts.clear()
        self.last.clear()


def _machine_clock() -> int:
    return time.time_ns() // 1_000_000
