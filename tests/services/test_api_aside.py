"""Who asks a store that has to be waited for holds up nobody but himself."""

from __future__ import annotations

import asyncio
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import pytest
from litestar.testing import TestClient

from domain.ports import Store
from domain.tokens import TokenStore
from projections.views import Views
from services.api.app import LOG_THREADS, Front, create_app
from services.api.aside import AT_ONCE, Aside, InTime
from services.explain import UNDERSTOOD, Explainer
from services.progress import Progress, Standing
from services.reading import Reading
from services.tokens import REMEMBERED_MS, Tokens
from tests.examples import ACCOUNT, meeting
from tests.services.asking import asking


class Held:
    """Stands for `of`, far away: whatever is asked of it waits until it is `released`."""

    def __init__(self, of: Any, asked: threading.Event, released: threading.Event) -> None:
        self._of, self._asked, self._released = of, asked, released

    def __getattr__(self, name: str) -> Any:
        def answer(*args: Any, **named: Any) -> Any:
            self._asked.set()
            assert self._released.wait(10), "nobody came to release it: whoever should have waits as well"
            return getattr(self._of, name)(*args, **named)

        return answer


class Far:
    """An engine that knows a contact and a meeting, whose store and read models are on a server: it answers once it is `released`."""

    def __init__(self) -> None:
        self.engine = asking(meeting())
        self.asked, self.released = threading.Event(), threading.Event()

    def held(self, of: Any) -> Any:
        return Held(of, self.asked, self.released)

    def app(self, tokens: Tokens | None = None) -> Front:
        engine = self.engine
        views, store = cast(Views, self.held(engine.views)), cast(Store, self.held(engine.store))
        progress = Progress(engine.source, store, engine.domain_log, views)
        return create_app(
            reading=Reading(views, engine.vault, store),
            explainer=Explainer(views, engine.vault, store),
            publisher=engine.publisher,
            tokens=tokens or engine.tokens,
            progress=progress,
            views=views,
            stopping=lambda: True,
            ready_lag=100,
            aside=Aside(2),
        )


@pytest.mark.parametrize(
    "path",
    [
        "/v1/contacts/151",
        "/v1/contacts/151/timeline",
        "/v1/contacts/151/timeline?wait_for=1",
        "/v1/contacts/151/changes",
        "/v1/timeline-changes",
        "/v1/meetings/{meeting}",
        "/v1/meetings/{meeting}/history",
        "/v1/decisions",
        "/v1/explain?what=151",
        "/v1/connections",
        "/readyz",
        "/metrics",
    ],
)
def test_a_question_that_has_to_wait_holds_up_nobody_else(path: str) -> None:
    far = Far()
    reads = far.engine.header("timeline:read", "history:read", "ops")
    publishes = far.engine.header("events:publish") | {"Content-Type": "application/cloudevents+json"}
    with TestClient(far.app()) as client, ThreadPoolExecutor(1) as reader:
        answer = reader.submit(client.get, path.format(meeting=far.engine.meeting_id()), headers=reads)
        try:
            assert far.asked.wait(10)
            assert client.get("/healthz").status_code == 200
            assert client.post("/v1/source-events", json=meeting("g2"), headers=publishes).status_code == 202
            assert not answer.done()
        finally:
            far.released.set()
        assert answer.result(10).status_code == 200


def test_neither_does_a_token_that_has_to_be_looked_up() -> None:
    far = Far()
    app = far.app(Tokens(cast(TokenStore, far.held(far.engine.tokens._store)), lambda: 0))
    with TestClient(app) as client, ThreadPoolExecutor(1) as reader:
        answer = reader.submit(client.get, "/v1/connections", headers=far.engine.header("ops"))
        try:
            assert far.asked.wait(10)
            assert client.get("/healthz").status_code == 200
        finally:
            far.released.set()
        assert answer.result(10).status_code == 200


def test_a_token_that_was_checked_a_moment_ago_needs_no_store() -> None:
    engine = asking()
    text = engine.tokens.create(ACCOUNT, ["ops"])
    assert engine.tokens.remembered(text) is None
    found = engine.tokens.check(text)
    assert found is not None
    assert engine.tokens.remembered(text) == found
    engine.now += REMEMBERED_MS
    assert engine.tokens.remembered(text) is None


@pytest.mark.parametrize(("aside", "elsewhere"), [(AT_ONCE, False), (Aside(1), True)], ids=["an embedded store", "a server"])
def test_what_has_to_be_waited_for_is_asked_in_a_thread_and_nothing_else(aside: Aside, elsewhere: bool) -> None:
    asked = asyncio.run(aside(threading.current_thread))
    assert (asked is not threading.main_thread()) is elsewhere


@pytest.mark.parametrize("aside", [AT_ONCE, Aside(1)], ids=["an embedded store", "a server"])
def test_what_goes_wrong_is_told_to_who_asked(aside: Aside) -> None:
    def refuse(why: str) -> None:
        raise ValueError(why)

    with pytest.raises(ValueError, match="so"):
        asyncio.run(aside(refuse, why="so"))


# --- what an answer can do without ---------------------------------------------------------------------------------------------


class Silent(Progress):
    """Its log says nothing until it is `released`."""

    released: threading.Event

    def standing(self, account: str) -> Standing:
        assert self.released.wait(10), "nobody came to release it: whoever should have waits as well"
        return super().standing(account)


def test_an_explanation_does_without_a_log_that_does_not_answer_in_time() -> None:
    engine = asking()
    progress = Silent(engine.source, engine.store, engine.domain_log, engine.views)
    progress.released = threading.Event()
    app = engine.app(aside=Aside(1), progress=progress)
    headers = engine.header("timeline:read")
    with TestClient(app) as client:
        answers = [client.get("/v1/explain?what=g77", headers=headers) for _ in range(LOG_THREADS + 1)]
        assert [answer.status_code for answer in answers] == [200] * (LOG_THREADS + 1)
        assert {answer.json()["check"][-1] for answer in answers} == {UNDERSTOOD}
        progress.released.set()
        until = time.monotonic() + 10
        while "caught up" not in client.get("/v1/explain?what=g77", headers=headers).json()["check"][-1]:
            assert time.monotonic() < until


@pytest.mark.parametrize("in_time", [InTime(), InTime(1)], ids=["at once", "in a thread"])
def test_what_comes_in_time_is_the_answer_and_what_goes_wrong_is_told(in_time: InTime) -> None:
    def refuse(why: str) -> None:
        raise ValueError(why)

    assert asyncio.run(in_time(len, "four")) == 4
    with pytest.raises(ValueError, match="so"):
        asyncio.run(in_time(refuse, why="so"))


def test_who_came_too_late_to_be_begun_is_not_asked_any_more() -> None:
    in_time, asked, begun, released = InTime(1, seconds=0.0), [], threading.Event(), threading.Event()
    assert in_time._pool is not None

    def ask(name: str) -> None:
        asked.append(name)
        begun.set()
        assert released.wait(10)

    first = in_time._pool.submit(ask, "first")
    assert begun.wait(10)
    assert asyncio.run(in_time(ask, "second")) is None
    released.set()
    first.result(10)
    in_time._pool.submit(ask, "third").result(10)
    assert asked == ["first", "third"]
