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


AT_ONCE = Aside()
"""Where nothing has to be waited for."""
