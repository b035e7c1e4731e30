"""Where a question is answered: at once, or aside, in a thread.

An embedded store answers within a fraction of a millisecond, which is less than a thread costs. A server's answer has to be waited for,
however far it is and however busy: meanwhile the event loop goes on with everybody else's requests.

What must stay true: the threads are the questions' own, so that what is published never waits behind readers; and there are only so
many, since each takes one of the database's connections.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

THREADS = 6
"""Two fewer than the connections that are kept to a database: those are for what is published."""

IN_TIME_SECONDS = 1.0
"""More than a log takes that answers, and less than a reader minds."""

P = ParamSpec("P")
T = TypeVar("T")


class Aside:
    """Answers questions, in `threads` threads, or without any on the event loop itself. `is_far` says which: what is far may have copies
    of which one is behind the other."""

    def __init__(self, threads: int = 0) -> None:
        self.is_far = threads > 0
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="aside") if threads else None

    async def __call__(self, question: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The answer, or what was raised."""
        if self._pool is None:
            return question(*args, **kwargs)
        return await asyncio.get_running_loop().run_in_executor(self._pool, lambda: question(*args, **kwargs))


class InTime:
    """Answers questions to what may be away, of which an answer can do without: whoever asks waits for so many seconds and no longer. In
    threads of their own, so that nobody else waits behind them; without any, on the event loop itself."""

    def __init__(self, threads: int = 0, seconds: float = IN_TIME_SECONDS) -> None:
        self._seconds = seconds
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="in time") if threads else None

    async def __call__(self, question: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
        """The answer, or what was raised; None if it did not come in time."""
        if self._pool is None:
            return question(*args, **kwargs)
        asked = self._pool.submit(question, *args, **kwargs)
        done, _ = await asyncio.wait([asyncio.wrap_future(asked)], timeout=self._seconds)
        if not done:
            asked.cancel()  # if it was not even begun, behind others that wait
            return None
        return done.pop().result()


AT_ONCE = Aside()
"""Where nothing has to be waited for."""
