"""Single events of concurrent requests, accepted together: one transaction, one wait for the disk, a receipt each.

What is appended takes as long as the disk takes to say that it is there, whether it is one event or fifty. So while one group is being
appended, what arrives waits, and is the next group, for which a moment more is taken: a hand-over between threads costs as much as
several events, and where some came others follow. Who comes alone waits for nobody.

What must stay true: a request is answered only after its own event is durable; what goes wrong with one event is told to its
request only; an account is never mixed up with another's, because each event is examined for the account that came with it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from domain.errors import TryAgain
from services.publish import Publisher, Receipt, Told

MOST = 100
"""Events of one group: enough that the disk is no limit, and few enough that none of them waits long for the others."""

GATHER_SECONDS = 0.002
"""The moment that is taken between two groups."""


class _Waiting(NamedTuple):
    told: Told
    answer: asyncio.Future[Receipt]


class Gathering:
    """The door for single events, in front of a publisher. To be used from one event loop. Those of different stores are different
    groups, since of one that is away the whole group has to wait."""

    def __init__(self, publisher: Publisher, most: int = MOST) -> None:
        self._publisher, self._most = publisher, most
        self._groups: dict[int | None, _Gathering] = {}

    async def accept(self, raw: bytes, account: str | None) -> Receipt:
        """The receipt of this event, as `Publisher.accept` gives it, and raising what that raises."""
        store = None if account is None else self._publisher.store(account)
        if store not in self._groups:
            self._groups[store] = _Gathering(self._publisher, self._most)
        return await self._groups[store].accept(raw, account)


class _Gathering:
    """What is gathered for one store."""

    def __init__(self, publisher: Publisher, most: int) -> None:
        self._publisher, self._most = publisher, most
        self._waiting: deque[_Waiting] = deque()
        self._working: asyncio.Task[None] | None = None

    async def accept(self, raw: bytes, account: str | None) -> Receipt:
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[Receipt] = loop.create_future()
        self._waiting.append(_Waiting(Told(raw, account), answer))
        if self._working is None:
            self._working = loop.create_task(self._work())
        return await answer

    async def _work(self) -> None:
        try:
            while self._waiting:
                group = [self._waiting.popleft() for _ in range(min(len(self._waiting), self._most))]
                # In a thread: durable means that the disk was waited for.
                outcomes = await asyncio.to_thread(self._outcomes, [one.told for one in group])
                for one, outcome in zip(group, outcomes, strict=True):
                    _settle(one.answer, outcome)
                if self._waiting:
                    await asyncio.sleep(GATHER_SECONDS)
        finally:
            self._working = None

    def _outcomes(self, group: Sequence[Told]) -> Sequence[Receipt | Exception]:
        try:
            return self._publisher.accept_each(group)
        except TryAgain as error:  # the log is busy, whoever asks
            return [error] * len(group)
        except Exception:
            return [self._alone(one) for one in group]  # nothing was accepted, and one of them may be to blame

    def _alone(self, one: Told) -> Receipt | Exception:
        try:
            return self._publisher.accept_each([one])[0]
        except Exception as error:
            return error


def _settle(answer: asyncio.Future[Receipt], outcome: Receipt | Exception) -> None:
    if answer.done():  # whoever asked has gone; his event is in the log all the same, and is a duplicate if he sends it again
        return
    if isinstance(outcome, Exception):
        answer.set_exception(outcome)
    else:
        answer.set_result(outcome)
