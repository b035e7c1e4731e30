"""What a lease costs: an extension is a write that waits for the disk, so a poll that is over in a moment makes none."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from domain.outside import Cursor, Link, Pulled
from services.ingest import LEASE_MS
from tests.services.test_ingest import Script, World, done, page


class Slow(Script):
    """Three pages, each so many ms after the one before."""

    def __init__(self, page_ms: int) -> None:
        super().__init__()
        self._page_ms = page_ms
        self.world: World | None = None

    def pull(self, link: Link, value: str | None, now: int) -> Iterator[Pulled]:
        assert self.world is not None
        for _ in range(3):
            self.world.at += self._page_ms
            yield page()
        yield done("t1")


@pytest.mark.parametrize(
    ("page_ms", "extended"),
    [
        pytest.param(100, 0, id="over in a moment"),
        pytest.param(LEASE_MS // 5, 3, id="a fifth of the lease for each page"),
        pytest.param(LEASE_MS // 10, 1, id="a fifth of the lease is gone after the second page"),
        pytest.param(LEASE_MS - 1, 3, id="nearly all of the lease for each page"),
    ],
)
def test_a_lease_is_extended_when_a_fifth_of_it_is_gone(monkeypatch: pytest.MonkeyPatch, page_ms: int, extended: int) -> None:
    feed = Slow(page_ms)
    feed.world = world = World(events=feed).want()
    until: list[int] = []
    extend = world.cursors.extend

    def counted(cursor: Cursor, to: int) -> Cursor:
        until.append(to)
        return extend(cursor, to)

    monkeypatch.setattr(world.cursors, "extend", counted)
    (cursor,) = world.turn()
    assert (len(until), cursor.failures, world.value()) == (extended, 0, "t1")
