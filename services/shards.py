"""Several stores behind one door: each question goes to the store that holds its account.

What must stay true: an account is in one store for ever, the one its partition of the source log belongs to; so a position, a page's
version and what is waited for are that store's, and nothing is ever put together from two. What concerns no account (how much waits,
how many rows there are) is asked of all.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Generic, TypeVar

import structlog

from domain.errors import Conflict, TryAgain
from domain.people import Person
from domain.ports import Vault
from projections.views import Change, Views
from services.explain import Explained, Explainer
from services.progress import Progress, Standing
from services.reading import Ask, Found, Reading

log = structlog.get_logger(__name__)

PROBE_SECONDS = 0.5
"""How often a store that is away is looked after."""

T = TypeVar("T")
R = TypeVar("R")
V = TypeVar("V")


def store_of(partition: int, stores: int) -> int:
    """The number of the store that a partition of the source log belongs to.

    By remainder and not by ranges, so that any number of stores shares any number of partitions as evenly as can be.

    >>> [store_of(partition, 3) for partition in range(7)]
    [0, 1, 2, 0, 1, 2, 0]
    """
    return partition % stores


class Each(Generic[T]):
    """One of a kind for each store, made when it is first asked for. `make` makes that of a number, `store` says an account's number.

    A store that is away keeps nobody from the others: whoever asks after the first one to find it so is refused at once, instead of
    waiting for it with everybody behind him, until `probe` finds in the background that it answers again. `closing` ends that.
    """

    def __init__(
        self,
        make: Callable[[int], T],
        store: Callable[[str], int],
        stores: int,
        probe: Callable[[int], object],
        closing: threading.Event,
    ) -> None:
        self._make, self._stores, self._probe, self._closing, self.store = make, stores, probe, closing, store
        self._made: dict[int, T] = {}
        self._away: set[int] = set()
        self._lock = threading.Lock()

    def ask(self, account: str, question: Callable[[T], R]) -> R:
        """The answer of an account's own. Raises `TryAgain` if its store is away."""
        return self._ask(self.store(account), question)

    def ask_each(self, by_account: Mapping[str, V], question: Callable[[T, Mapping[str, V]], R]) -> list[R]:
        """The answer of each store that has some of these accounts, asked about those. Raises as `ask`."""
        shares: dict[int, dict[str, V]] = {}
        for account, one in by_account.items():
            shares.setdefault(self.store(account), {})[account] = one
        return [self._ask(store, partial(_asked, question, share)) for store, share in shares.items()]

    def answers(self, question: Callable[[T], R]) -> list[R]:
        """The answers of all that can be asked at the moment. Raises `TryAgain` if none can."""
        return answers([partial(self._ask, store, question) for store in range(self._stores)])

    def _ask(self, store: int, question: Callable[[T], R]) -> R:
        if store in self._away:
            raise TryAgain(f"store {store + 1} of {self._stores} does not answer")
        try:
            if store not in self._made:
                self._made[store] = self._make(store)
            return question(self._made[store])
        except TryAgain as refusal:
            if not isinstance(refusal, Conflict):
                self._leave_alone(store)
            raise

    def _leave_alone(self, store: int) -> None:
        with self._lock:
            if store in self._away:
                return
            self._away.add(store)
        log.warning("a store is away", store=store + 1)
        threading.Thread(target=self._look_after, args=(store,), name=f"store {store + 1}", daemon=True).start()

    def _look_after(self, store: int) -> None:
        try:
            while not self._answers(store) and not self._closing.wait(PROBE_SECONDS):
                pass
        finally:
            self._away.discard(store)  # what is wrong with it is told to whoever asks next

    def _answers(self, store: int) -> bool:
        try:
            self._probe(store)
        except TryAgain:
            return False
        return True


def _asked(question: Callable[[T, Mapping[str, V]], R], share: Mapping[str, V], own: T) -> R:
    return question(own, share)


class RoutedVault:
    """`ports.Vault` over several: an account's people are sealed by its own store's."""

    def __init__(self, of: Each[Vault]) -> None:
        self._of = of

    def key(self, account: str, address: str) -> str:
        """See the port."""
        return self._of.ask(account, lambda own: own.key(account, address))

    def seal(self, account: str, people: Sequence[tuple[str, str | None]]) -> list[str]:
        """See the port."""
        return self._of.ask(account, lambda own: own.seal(account, people))

    def open(self, account: str, tokens: Iterable[str]) -> Mapping[str, Person]:
        """See the port."""
        return self._of.ask(account, lambda own: own.open(account, tokens))

    def seal_all(self, people: Mapping[str, Sequence[tuple[str, str | None]]]) -> Mapping[str, list[str]]:
        """See the port."""
        found: dict[str, list[str]] = {}
        for sealed in self._of.ask_each(people, lambda own, some: own.seal_all(some)):
            found.update(sealed)
        return found

    def open_all(self, tokens: Mapping[str, Iterable[str]]) -> Mapping[str, Person]:
        """See the port."""
        found: dict[str, Person] = {}
        for opened in self._of.ask_each(tokens, lambda own, some: own.open_all(some)):
            found.update(opened)
        return found

    def erase(self, account: str, keys: Iterable[str]) -> None:
        """See the port."""
        self._of.ask(account, lambda own: own.erase(account, keys))


class RoutedReading(Reading):
    """`Reading` over several stores."""

    def __init__(self, of: Each[Reading]) -> None:
        self._of = of

    def store(self, account: str) -> int:
        """See `Reading`."""
        return self._of.store(account)

    def find(self, account: str, who: str, as_of: int | None = None) -> Found:
        """See `Reading`."""
        return self._of.ask(account, lambda own: own.find(account, who, as_of))

    def page(self, found: Found, ask: Ask) -> tuple[bytes, int]:
        """See `Reading`."""
        return self._of.ask(found.row.account, lambda own: own.page(found, ask))

    def version(self, found: Found) -> str:
        """See `Reading`."""
        return self._of.ask(found.row.account, lambda own: own.version(found))

    def freshness(self, account: str) -> tuple[int, bytes]:
        """See `Reading`."""
        return self._of.ask(account, lambda own: own.freshness(account))

    def is_due(self, account: str) -> bool:
        """See `Reading`."""
        return self._of.ask(account, lambda own: own.is_due(account))

    def look(self, account: str) -> None:
        """See `Reading`."""
        self._of.ask(account, lambda own: own.look(account))

    def meeting(self, account: str, meeting: str) -> bytes:
        """See `Reading`."""
        return self._of.ask(account, lambda own: own.meeting(account, meeting))

    def history(self, account: str, meeting: str) -> bytes:
        """See `Reading`."""
        return self._of.ask(account, lambda own: own.history(account, meeting))

    def decisions(
        self,
        account: str,
        *,
        event: str | None = None,
        meeting: str | None = None,
        subject: str | None = None,
        cursor: str | None = None,
        limit: int = 100,
    ) -> bytes:
        """See `Reading`."""
        named = {"event": event, "meeting": meeting, "subject": subject, "cursor": cursor}
        return self._of.ask(account, lambda own: own.decisions(account, **named, limit=limit))

    def connections(self, account: str) -> bytes:
        """See `Reading`."""
        return self._of.ask(account, lambda own: own.connections(account))

    def position(self, account: str) -> int:
        """See `Reading`."""
        return self._of.ask(account, lambda own: own.position(account))

    def changes(self, account: str, contact: str | None, after: int, limit: int) -> Sequence[Change]:
        """See `Reading`."""
        return self._of.ask(account, lambda own: own.changes(account, contact, after, limit))

    def last_change(self, account: str, contact: str | None) -> int:
        """See `Reading`."""
        return self._of.ask(account, lambda own: own.last_change(account, contact))


class RoutedExplainer(Explainer):
    """`Explainer` over several stores."""

    def __init__(self, of: Each[Explainer]) -> None:
        self._of = of

    def explain(self, account: str, what: str) -> Explained:
        """See `Explainer`."""
        return self._of.ask(account, lambda own: own.explain(account, what))


class RoutedProgress(Progress):
    """`Progress` over several stores."""

    def __init__(self, of: Each[Progress]) -> None:
        self._of = of

    def standing(self, account: str) -> Standing:
        """See `Progress`."""
        return self._of.ask(account, lambda own: own.standing(account))

    def lag(self) -> int:
        """Of those stores that answer: one that is away must not have the others' readers sent away. Raises `TryAgain` if none does."""
        return sum(self._of.answers(Progress.lag))

    def reached(self, account: str, position: int) -> Callable[[], bool]:
        """See `Progress`."""
        there = self._of.ask(account, lambda own: own.reached(account, position))
        return lambda: self._of.ask(account, lambda _: there())


class Folded:
    """The numbers of several sets of read models, as one: see `Views`."""

    def __init__(self, each: Each[Views]) -> None:
        self._each = each

    def position(self) -> int:
        """How many events were folded in all. A reader's position is another thing: that of his account's store alone."""
        return sum(self._each.answers(lambda one: one.position()))

    def recorded(self) -> int:
        """Of the set that is furthest behind; those that hold nothing yet do not count."""
        return min((at for at in self._each.answers(lambda one: one.recorded()) if at), default=0)

    def counts(self) -> dict[str, int]:
        """Of all."""
        found = self._each.answers(lambda one: one.counts())
        return {model: sum(counts[model] for counts in found) for model in found[0]}


def answers(questions: Iterable[Callable[[], T]]) -> list[T]:
    """The answers of those that can be asked at the moment. Raises the last `TryAgain` if none can."""
    found: list[T] = []
    refused: TryAgain | None = None
    for question in questions:
        try:
            found.append(question())
        except TryAgain as refusal:
            log.warning("a store is away", error=str(refusal))
            refused = refusal
    if not found and refused is not None:
        raise refused
    return found
