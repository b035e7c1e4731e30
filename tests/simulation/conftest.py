"""Which seeds the simulation runs: some that are always the same, a few new ones each time, and those asked for.

`pytest tests/simulation --seed 123` runs one seed; `RENDEZVOUS_SEEDS=500` runs that many. A failing test has its seed in its name.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from random import Random

import pytest

from services import desk

FIXED = range(1, 13)
NEW = 4
_SEEDS = pytest.StashKey[list[int]]()


@pytest.fixture(autouse=True)
def short_of_breath(monkeypatch: pytest.MonkeyPatch) -> None:
    """Here every stream is long, so that who begins anew begins from snapshots."""
    monkeypatch.setattr(desk, "LONG", 3)


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--seed`, for replaying a world that broke a law."""
    parser.addoption("--seed", type=int, action="append", help="Simulate this world only; may be given again.")


def seeds(config: pytest.Config) -> list[int]:
    """The seeds of this run. Workers of one run agree on the new ones, by the run's own id."""
    asked: list[int] | None = config.getoption("seed", default=None)
    if asked:
        return asked
    chance = Random(os.environ.get("PYTEST_XDIST_TESTRUNUID") or os.urandom(16))
    many = max(int(os.environ.get("RENDEZVOUS_SEEDS", "0")) - len(FIXED), NEW)
    return [*FIXED, *chance.sample(range(1000, 1_000_000), many)]


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that wants a seed is run with each."""
    stash = metafunc.config.stash
    if _SEEDS not in stash:
        stash[_SEEDS] = seeds(metafunc.config)
    chosen: list[int] = stash[_SEEDS]
    if "seed" in metafunc.fixturenames:
        metafunc.parametrize("seed", list[object](chosen), scope="module")
    if "live_seed" in metafunc.fixturenames:  # over sockets and in real time, a seed takes a quarter of a minute
        asked = metafunc.config.getoption("seed", default=None) or os.environ.get("RENDEZVOUS_SEEDS")
        some = chosen if asked else chosen[:3]
        metafunc.parametrize("live_seed", list[object](some), scope="module")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Under a failure, how to have it again."""
    report = yield
    callspec = getattr(item, "callspec", None)
    drawn = None if callspec is None else callspec.params.get("seed", callspec.params.get("live_seed"))
    if report.failed and drawn is not None:
        name = getattr(item, "originalname", item.name)
        report.sections.append(("replay", f"pytest tests/simulation -k {name} --seed {drawn}"))
    return report
