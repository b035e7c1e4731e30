"""Live changes: each told once and in order, resumed without a gap, and ended with the token or the server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from litestar.testing import TestClient

from services.api.aside import Aside
from services.api.door import Door
from services.api.live import HEARTBEAT_SECONDS, LOOK_AGAIN_SECONDS, changes
from services.api.timelines import TimelinePage
from tests.examples import ACCOUNT, BO, CY, Event, contact_said, deleted, meeting, row, row_deleted
from tests.services.asking import OTHER, Asking, asking


def told(stream: bytes) -> list[dict[str, str]]:
    """The events of a stream, as fields."""
    blocks = [block for block in stream.decode().split("\n\n") if block.startswith("id: ")]
    return [dict(line.split(": ", 1) for line in block.splitlines()) for block in blocks]


def follow(engine: Asking, path: str, last: str | None = "0", account: str = ACCOUNT) -> Any:
    headers = engine.header("timeline:read", account=account) | ({"Last-Event-ID": last} if last is not None else {})
    with TestClient(engine.app()) as client:
        return client.get(path, headers=headers)


def test_changes_are_told_in_order_with_ids_to_resume_by() -> None:
    engine = asking(meeting("g1"), meeting("g2", guests=(CY,), title="With Cy"))
    answer = follow(engine, "/v1/timeline-changes")
    events = told(answer.content)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert [(e["event"], json.loads(e["data"])["title"]) for e in events] == [("entry", "Kick-off"), ("entry", "With Cy")]
    assert told(follow(engine, "/v1/timeline-changes", events[0]["id"]).content) == events[1:]
    assert told(follow(engine, "/v1/timeline-changes", events[-1]["id"]).content) == []


def test_a_contacts_changes_are_his_own() -> None:
    engine = asking(meeting("g1"), meeting("g2", guests=(CY,), title="With Cy"))
    assert [json.loads(e["data"])["contact"] for e in told(follow(engine, f"/v1/contacts/{CY}/changes").content)] == ["152"]


def test_an_entry_that_leaves_is_told_by_its_name() -> None:
    engine = asking(row())
    entry = engine.timeline()[0]
    engine.tell(row_deleted())
    last = told(follow(engine, "/v1/contacts/151/changes").content)[-1]
    gone = json.loads(last["data"])
    assert last["event"] == "removed"
    assert (gone["entry"], gone["contact"], gone["meeting"]) == (entry["entry"], "151", entry["meeting"])


def test_another_account_hears_nothing_of_it() -> None:
    engine = asking(meeting())
    assert told(follow(engine, "/v1/timeline-changes", account=OTHER).content) == []
    assert follow(engine, "/v1/contacts/151/changes", account=OTHER).status_code == 404


@pytest.mark.parametrize("last", ["x", "-1", "1.5", "99999999999999999999"])
def test_a_place_that_is_none_is_refused(last: str) -> None:
    answer = follow(asking(), "/v1/timeline-changes", last)
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "/Last-Event-ID")


def test_a_place_ahead_of_the_log_is_refused_and_not_waited_at_for_ever() -> None:
    engine = asking(meeting("g1"))
    last = int(told(follow(engine, "/v1/timeline-changes").content)[-1]["id"])
    for path in ("/v1/timeline-changes", "/v1/contacts/151/changes", "/v1/contacts/152/changes"):
        assert follow(engine, path, str(last)).status_code == 200
        answer = follow(engine, path, str(last + 1))
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (400, "/Last-Event-ID")
        assert "begin again without it" in answer.json()["detail"]


@pytest.mark.parametrize(
    "gone",
    [
        pytest.param([contact_said("151", "contact.erased", 5)], id="a contact was erased"),
        pytest.param([contact_said("151", "contact.erased", 5), contact_said("152", "contact.erased", 6)], id="everybody was erased"),
        pytest.param([meeting("g1", 5, guests=(BO, CY), privacy="private")], id="the meeting turned private"),
        pytest.param([deleted("g1", 4), contact_said("151", "contact.erased", 5)], id="cancelled, and then a contact was erased"),
        pytest.param([contact_said("151", "contact.deleted", 5), contact_said("151", "contact.erased", 6)], id="deleted, and then erased"),
    ],
)
@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "one by one"])
def test_a_place_whose_change_was_purged_since_goes_on_with_what_followed(gone: list[Event], at_once: bool) -> None:
    engine = asking(meeting("g1", guests=(BO, CY)), meeting("g1", 1, guests=(BO, CY), title="Renamed"))
    before = told(follow(engine, "/v1/timeline-changes").content)
    told_ids = [int(one["id"]) for one in before]
    (engine.tell if at_once else engine.tell_one_by_one)(*gone)
    left = [change.id for change in engine.reading.changes(ACCOUNT, None, 0, 100)]
    assert set(told_ids) - set(left), "nothing of what was told is purged"
    for last in told_ids:
        answer = follow(engine, "/v1/timeline-changes", str(last))
        assert (answer.status_code, [int(one["id"]) for one in told(answer.content)]) == (200, [id_ for id_ in left if id_ > last])
    assert "removed" in {one["event"] for one in told(follow(engine, "/v1/timeline-changes", str(told_ids[-1])).content)}
    assert follow(engine, "/v1/timeline-changes", str(left[-1] + 1)).status_code == 400


def test_a_place_that_this_server_comes_to_a_moment_later_is_waited_for() -> None:
    """Of two servers with a copy of the store each, one may be ahead of the other."""
    engine = asking(meeting("g1"))
    last = int(told(follow(engine, "/v1/timeline-changes").content)[-1]["id"])

    async def pause(_: float) -> None:
        engine.tell(meeting("g2"))

    page = TimelinePage(engine.reading, Door(engine.tokens), engine.progress, frozenset(), 0.0, pause, Aside(1))
    asyncio.run(page.told(ACCOUNT, last + 1))
    assert len(engine.timeline()) == 2


class Reader:
    """Reads a stream by hand. While the stream waits, `meanwhile` happens, one after the other; then the server stops."""

    def __init__(self, engine: Asking, *meanwhile: Callable[[], object], may_go_on: bool = True) -> None:
        self.engine, self.meanwhile, self.may_go_on = engine, list(meanwhile), may_go_on
        self.waited = 0.0
        self.asked_again = 0

    async def pause(self, seconds: float) -> None:
        assert seconds == LOOK_AGAIN_SECONDS
        self.waited += seconds
        if self.meanwhile:
            self.meanwhile.pop(0)()

    async def allowed(self) -> bool:
        self.asked_again += 1
        return self.may_go_on

    def stream(self, contact: str | None, after: int | None) -> AsyncIterator[bytes]:
        return changes(
            self.engine.reading, ACCOUNT, contact, after, self.allowed, lambda: not self.meanwhile and self.waited > 0, self.pause
        )

    def read(self, contact: str | None = None, after: int | None = None) -> bytes:
        async def gathered() -> list[bytes]:
            return [part async for part in self.stream(contact, after)]

        return b"".join(asyncio.run(gathered()))


def test_who_names_no_place_hears_what_changes_from_now_on() -> None:
    engine = asking(meeting("g1"))
    reader = Reader(engine, lambda: engine.tell(meeting("g2", title="New")), lambda: engine.tell(meeting("g2", 1, title="Newer")))
    assert [json.loads(e["data"])["title"] for e in told(reader.read())] == ["New", "Newer"]


def test_many_changes_at_once_are_all_told_once() -> None:
    engine = asking()
    reader = Reader(engine, lambda: engine.tell(*[meeting(f"g{n}") for n in range(450)]))
    ids = [int(e["id"]) for e in told(reader.read("151"))]
    assert len(ids) == 450
    assert ids == sorted(set(ids))


def test_a_silent_stream_shows_that_it_lives() -> None:
    looks = int(HEARTBEAT_SECONDS / LOOK_AGAIN_SECONDS)
    reader = Reader(asking(), *[lambda: None] * (2 * looks))
    stream = reader.read()
    assert (stream.count(b": still here\n\n"), reader.asked_again) == (2, 2)
    assert told(stream) == []


def test_a_stream_ends_when_its_token_is_no_longer_good() -> None:
    looks = int(HEARTBEAT_SECONDS / LOOK_AGAIN_SECONDS)
    reader = Reader(asking(), *[lambda: None] * (10 * looks), may_go_on=False)
    assert b"still here" not in reader.read()
    assert reader.waited == HEARTBEAT_SECONDS
