"""Bearer tokens: shown once, kept hashed, refused once revoked, and reaching no further than they say."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from adapters.memory.tokens import MemoryTokens
from adapters.sqlite.tokens import SqliteTokens
from domain.errors import BadInput
from domain.tokens import TokenStore
from services.tokens import REMEMBERED_MS, Tokens


@pytest.fixture(params=["memory", "sqlite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> TokenStore:
    return MemoryTokens() if request.param == "memory" else SqliteTokens(tmp_path / "tokens.sqlite")


class Clock:
    now = 1_000

    def __call__(self) -> int:
        return self.now


def test_a_token_is_checked_by_its_text_and_knows_account_and_scopes(store: TokenStore) -> None:
    tokens = Tokens(store, Clock())
    text = tokens.create("62515", ["history:read", "timeline:read"], "dashboard")
    found = tokens.check(text)
    assert found is not None
    assert (found.account, found.scopes, found.label, found.created) == ("62515", ("timeline:read", "history:read"), "dashboard", 1_000)
    assert text.startswith("rzv_")
    assert len(text) == 47


def test_what_is_stored_is_not_the_token(tmp_path: Path) -> None:
    store = SqliteTokens(tmp_path / "tokens.sqlite")
    text = Tokens(store, Clock()).create("62515", ["ops"])
    store.close()
    assert all(text.encode() not in file.read_bytes() for file in tmp_path.iterdir())


def test_two_tokens_are_never_the_same(store: TokenStore) -> None:
    tokens = Tokens(store, Clock())
    assert tokens.create("62515", ["ops"]) != tokens.create("62515", ["ops"])
    assert len({token.id for token in tokens.list()}) == 2


def test_tokens_are_listed_in_the_order_in_which_they_were_made(store: TokenStore) -> None:
    tokens = Tokens(store, Clock())
    for account, label in (("1", "a"), ("2", "b"), ("1", "c")):
        tokens.create(account, ["ops"], label)
    assert [t.label for t in tokens.list("1")] == ["a", "c"]
    assert [t.label for t in tokens.list()] == ["a", "b", "c"]


def test_a_revoked_token_is_refused_at_once_and_stays_listed(store: TokenStore) -> None:
    tokens = Tokens(store, Clock())
    text = tokens.create("62515", ["ops"])
    assert tokens.check(text) is not None
    assert tokens.revoke(tokens.list()[0].id) is True
    assert tokens.check(text) is None
    assert [t.revoked for t in tokens.list()] == [True]


def test_a_token_revoked_by_another_process_is_believed_for_a_moment_only(store: TokenStore) -> None:
    clock = Clock()
    here, there = Tokens(store, clock), Tokens(store, clock)
    text = here.create("62515", ["ops"])
    assert here.check(text) is not None
    there.revoke(here.list()[0].id)
    clock.now += REMEMBERED_MS - 1
    assert here.check(text) is not None
    clock.now += 1
    assert here.check(text) is None


def test_revoking_what_is_no_token_says_so(store: TokenStore) -> None:
    assert Tokens(store, Clock()).revoke("nothing") is False


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda text: text[:-1] + ("A" if text[-1] != "A" else "E"), id="another last letter"),
        pytest.param(lambda text: text[:-1], id="cut"),
        pytest.param(lambda text: text + "A", id="longer"),
        pytest.param(lambda text: text.removeprefix("rzv_"), id="without its prefix"),
        pytest.param(lambda text: text.upper(), id="in capitals"),
        pytest.param(lambda text: "", id="empty"),
        pytest.param(lambda text: "rzv_" + "\udc80" * 43, id="no text at all"),
    ],
)
def test_anything_else_is_no_token(store: TokenStore, change: Callable[[str], str]) -> None:
    tokens = Tokens(store, Clock())
    assert tokens.check(change(tokens.create("62515", ["ops"]))) is None


@pytest.mark.parametrize(
    ("account", "scopes", "pointer"),
    [
        pytest.param("62515", [], "scope", id="no scope"),
        pytest.param("62515", ["timeline:read", "root"], "scope", id="an unknown scope"),
        pytest.param(" ", ["ops"], "account", id="no account"),
        pytest.param("*", ["timeline:read"], "account", id="every account's timelines"),
        pytest.param("*", ["ops", "timeline:read"], "account", id="every account's timelines, beside ops"),
    ],
)
def test_a_token_that_may_not_be_is_not_made(store: TokenStore, account: str, scopes: list[str], pointer: str) -> None:
    tokens = Tokens(store, Clock())
    with pytest.raises(BadInput) as refused:
        tokens.create(account, scopes)
    assert refused.value.pointer == pointer
    assert tokens.list() == []


def test_only_ops_reaches_across_accounts(store: TokenStore) -> None:
    tokens = Tokens(store, Clock())
    found = tokens.check(tokens.create("*", ["ops"]))
    assert found is not None
    assert (found.account, found.scopes) == ("*", ("ops",))


def test_sqlite_keeps_tokens_for_the_next_process(tmp_path: Path) -> None:
    first = SqliteTokens(tmp_path / "tokens.sqlite")
    text = Tokens(first, Clock()).create("62515", ["ops"], "kept")
    first.close()
    found = Tokens(SqliteTokens(tmp_path / "tokens.sqlite"), Clock()).check(text)
    assert found is not None
    assert found.label == "kept"
