"""Committing in a thread of its own: a database's answer is waited for there, while the next batch is decided here."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor


class Commits:
    """Begins commits, one at a time and in order. What it gives for each waits for its end and raises what it raised."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="commit")

    def __call__(self, commit: Callable[[], None]) -> Callable[[], object]:
        return self._thread.submit(commit).result
