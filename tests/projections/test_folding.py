"""The fold as a whole: a log comes to the same rows in batches of any size, rebuilt or live, before or after an erasure."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.memory.views import MemoryViews
from adapters.sqlite.views import SqliteViews
from domain import events
from projections import folding
from projections.views import Page, Views
from tests.projections.scripted import ACCOUNT, Log, eventful, key, opened, shown, single, token

LOG, ERASING = eventful()


def rows_in_one_go() -> list[tuple[object, ...]]:
    views = MemoryViews()
    LOG.fold_into(views)
    return list(views.rows())


IN_ONE_GO = rows_in_one_go()


def test_the_scripted_log_leaves_something_in_every_read_model() -> None:
    assert {row[0] for row in IN_ONE_GO} == {"contact", "meeting", "entry", "decision", "connection", "clock"}
    assert sum(row[0] == "entry" for row in IN_ONE_GO) > 100


@given(sizes=st.lists(st.integers(1, 12), max_size=20))
def test_batches_of_any_size_come_to_the_same_rows(sizes: list[int]) -> None:
    views = MemoryViews()
    LOG.fold_into(views, sizes)
    assert list(views.rows()) == IN_ONE_GO


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100], ids=lambda size: f"batches of {size}")
def test_a_file_holds_the_same_rows_as_memory(tmp_path: Path, size: int) -> None:
    views = SqliteViews(tmp_path / "views.db")
    LOG.fold_into(views, [size] * len(LOG.records))
    assert list(views.rows()) == IN_ONE_GO
    views.close()


@given(sizes=st.lists(st.integers(1, 12), max_size=20))
def test_rebuilt_after_an_erasure_is_what_the_erasure_made_of_the_live_rows(sizes: list[int]) -> None:
    """The live vault opened Bo until he was erased; the one of the rebuild never does."""
    live, rebuilt = MemoryViews(), MemoryViews()
    while live.position() < len(LOG.records):
        erased = live.position() >= ERASING
        LOG.fold_some(live, sizes.pop() if sizes else 1, opened(["bo"] if erased else []))
    LOG.fold_into(rebuilt, open_people=opened(["bo"]))
    assert list(live.rows()) == list(rebuilt.rows())


def test_nobody_is_named_after_his_erasure(tmp_path: Path) -> None:
    """Neither in a row, nor in any byte of the files."""
    views = SqliteViews(tmp_path / "views.db")
    LOG.fold_some(views, ERASING - 1, opened())
    assert any(b"bo@client.example" in file.read_bytes() for file in tmp_path.iterdir())
    LOG.fold_some(views, 1, opened())
    assert [
        file.name for file in tmp_path.iterdir() if b"bo@client.example" in file.read_bytes() or b"Bo Person" in file.read_bytes()
    ] == []
    assert b"cy@client.example" in (tmp_path / "views.db").read_bytes()
    views.close()


def test_a_name_nobody_knows_is_stepped_over() -> None:
    log, views = Log(), MemoryViews()
    log.add_record(ACCOUNT, UUID(int=1), "meeting.dreamt.v1", b"not even JSON", log.now)
    log.fold_into(views)
    assert (views.position(), list(views.rows())) == (1, [])


def test_an_event_that_cannot_be_read_stops_the_fold() -> None:
    log, views = Log(), MemoryViews()
    log.add_record(ACCOUNT, UUID(int=1), "meeting.scheduled.v1", b'{"account": 3}', log.now)
    with pytest.raises(msgspec.ValidationError):
        log.fold_into(views)
    assert views.position() == 0


def test_an_event_of_an_old_version_is_brought_up_to_date(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(events.UPCASTERS, "contact.noticed.v0", lambda old: ("contact.recorded.v1", {**old, "contact": old["id"]}))
    body = b'{"account": "62515", "at": 1, "recorded_at": 2, "cause": "c", "id": "151"}'
    event = folding.read("contact.noticed.v0", body)
    assert event == events.ContactRecorded(account=ACCOUNT, at=1, recorded_at=2, cause="c", contact="151")


def test_accounts_of_one_batch_do_not_mix() -> None:
    log, views = Log(), MemoryViews()
    log.shows("a", single(shown()))
    log.shows("a", single(shown("Theirs")), account="7")
    log.add(events.ContactErased, account="7", contact="151", keys=(key("bo"),))
    log.fold_into(views)
    assert titles(views, ACCOUNT) == ["Kick-off"]
    assert titles(views, "7") == []


def titles(views: Views, account: str) -> list[str]:
    return [msgspec.json.decode(hit.body)["title"] for hit in views.entries(account, "151", Page())]


def test_every_event_that_can_be_recorded_is_folded_or_known_to_say_nothing() -> None:
    """A new kind of event must be thought of here: the fold takes whatever it does not know for one of a contact."""
    said_nothing = {"account.configured.v1", "account.user_added.v1", "account.user_removed.v1", "contact.noted.v1"}
    log = Log()
    log.add(events.AccountConfigured, domains=("acme.example",))
    log.add(events.UserAdded, user="501", addresses=(token("ana"),))
    log.add(events.UserRemoved, user="501")
    log.add(events.ContactNoted, contact="151", keys=(key("bo"),))
    views = MemoryViews()
    log.fold_into(views)
    assert list(views.rows()) == []
    assert {r.name for r in log.records} == said_nothing
    assert {r.name for r in LOG.records} | said_nothing | {"connection.deletions_released.v1"} >= set(events.BY_NAME)
