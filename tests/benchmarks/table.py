"""The table at the end of a run, and what would be good enough for each row of it."""

from __future__ import annotations

import os
import platform
import sqlite3
from collections.abc import Sequence

from rich.console import Console

from services.bench import Row, table

WIDTH = 130
"""Wide enough for the longest row; a pipe has no width of its own."""

WANTED = {
    "decided, raw": "12,000 /s, 0.15 x or more",
    "decided, stock": "5 x or more",
    "folded, raw": "20,000 /s",
    "folded, stock": "10 x or more",
    "page": "8,000 /s, 0.4 x or more",
    "page, p99": "10 ms or less",
    "accepted": "0.95 x or more",
    "freshness, p50": "-",
    "freshness, p99": "60 ms or less",
    "rebuild": "1.2 x or less",
    "rebuild, memory": "2 x or less",
    "growth": "1.2 x or less",
    "scaled decided, copy": "10,000 /s, 0.10 x or more",
    "scaled decided, stock": "10 x or more",
    "scaled folded, stock": "10,000 /s, 8 x or more",
    "many accounts": "-",
    "shards": "1.8 x or more, with a core for each",
    "crowded": "-",
    "scaled freshness, p50": "-",
    "scaled freshness, p99": "300 ms or less",
    "first read": "1 x or more",
    "polls": "155 /s: our limit",
    "polls, memory": "1.1 x or less",
    "webhooks": "0.3 x or more",
    "webhooks, longest": "5,000 ms or less",
}
"""By row, in the words of docs/benchmarks.md. Nothing fails by them: they tell a reader which figures to worry about."""


def print_rows(rows: Sequence[Row]) -> None:
    """The table, and what it was measured on."""
    if not rows:
        return
    say = Console(width=WIDTH, highlight=False)
    say.print()
    say.print(table(rows))
    say.print(f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, {os.cpu_count()} cores, {platform.machine()}")
