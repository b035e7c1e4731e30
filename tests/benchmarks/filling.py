"""A store made large without deciding anything: copies of the rows that a real run left, under names as spread as theirs.

What must stay true of the copies: as many rows a table, as long, and as many values a key as the real run left; ids that grow
in the order of insertion, since ids begin with a time (docs/decisions/0009); keys of the indexes anywhere in 63 bits, those of
likeness anywhere behind their hour. A copy's body still says what its original says: it is never loaded, since nothing that is
decided leads to it.
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing
from math import ceil
from pathlib import Path
from typing import NamedTuple

_INDEXES = {"identities": "identities", "people": "people_added", "likeness": "likeness"}
"""Those that grow with meetings, and where a real run's rows of each are; `addresses` grows with contacts."""

_MOST_SORTED = 250_000
"""Rows of an index that are inserted in order at a time. Real batches arrive in no order; sorted runs of this length leave
pages nearly as full as those do, and take a tenth of the time."""

_DECIDED = "d0"
"""What stream ids of decisions begin with: no time, but a mark (domain/naming.py). Those of meetings begin with 01 until 2041."""


class _Template(NamedTuple):
    stream: str
    version: int
    topic: str
    state: bytes


def fill(store: Path, staged: int, events: int, chance: random.Random) -> None:
    """Add copies of what was recorded after `staged` until the store holds so many events, or a few more. Nobody may have it open."""
    with closing(sqlite3.connect(store, isolation_level=None)) as connection:
        # It is made anew if we are killed, so nothing here has to survive.
        for pragma in ("synchronous = OFF", "cache_size = -524288", "wal_autocheckpoint = 100000"):
            connection.execute(f"PRAGMA {pragma}")
        statement = "SELECT originator_id, originator_version, topic, state FROM stored_events WHERE rowid > ? ORDER BY rowid"
        templates = [_Template(*row) for row in connection.execute(statement, (staged,))]
        held = connection.execute("SELECT count(*) FROM stored_events").fetchone()[0]
        copies = ceil(max(events - held, 0) / len(templates))
        connection.execute("BEGIN")
        connection.executemany("INSERT INTO stored_events VALUES (?, ?, ?, ?)", _copied(templates, copies, chance))
        for table in _INDEXES:
            _fill_index(connection, table, {t.stream for t in templates}, copies, chance)
        connection.execute("COMMIT")
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _copied(templates: Sequence[_Template], copies: int, chance: random.Random) -> Iterator[tuple[str, int, str, bytes]]:
    """All copies of one event beside each other: of a time at which so many more accounts were at work."""
    meetings: dict[str, list[str]] = {}
    decided = 0
    for stream, version, topic, state in templates:
        if stream.startswith(_DECIDED):
            for _ in range(copies):
                decided += 1
                yield f"{stream[:12]}ff{decided:018x}", version, topic, state
            continue
        names = meetings.get(stream)
        if names is None:
            names = meetings[stream] = [f"{stream[:12]}{chance.getrandbits(80):020x}" for _ in range(copies)]
        for name in names:
            yield name, version, topic, state


def _fill_index(connection: sqlite3.Connection, table: str, streams: set[str], copies: int, chance: random.Random) -> None:
    rows = [row for row in connection.execute(f"SELECT k, v FROM {_INDEXES[table]}") if row[1] in streams]
    bits = 39 if table == "likeness" else 63  # a likeness key begins with its hour
    assert rows, f"{table} is not what it was when this was written"
    at_once = max(_MOST_SORTED // len(rows), 1)
    for begun in range(0, copies, at_once):
        new = []
        for _ in range(min(at_once, copies - begun)):
            mask, names = chance.getrandbits(bits), {stream: f"{stream[:12]}{chance.getrandbits(80):020x}" for stream in streams}
            new += [(k ^ mask, names[v]) for k, v in rows]
        connection.executemany(f"INSERT OR IGNORE INTO {table} VALUES (?, ?)", sorted(new))
