"""One examination for every table of tokens; the memory twin sits it first. A new table is one line in `TABLES`, and in `LASTING` too
if its tokens outlive the process. What tokens are for stands in tests/services/test_tokens.py."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from adapters.memory.tokens import MemoryTokens
from adapters.postgres.tokens import PostgresTokens
from adapters.sqlite.tokens import SqliteTokens
from domain.tokens import Token, TokenStore
from tests.servers.postgres import closing_databases as closing_databases
from tests.servers.postgres import database

Make = Callable[[Path], TokenStore]
LASTING: dict[str, Make] = {
    "sqlite": lambda folder: SqliteTokens(folder / "tokens.db"),
    "postgres": lambda folder: PostgresTokens(database(folder)),
}
TABLES: dict[str, Make] = {"memory": lambda _: MemoryTokens(), **LASTING}


@pytest.fixture(params=TABLES.values(), ids=list(TABLES))
def tokens(request: pytest.FixtureRequest, tmp_path: Path) -> TokenStore:
    made: TokenStore = request.param(tmp_path)
    return made


def token(id: str, account: str = "62515", label: str = "") -> Token:
    return Token(id, f"digest of {id}", account, ("timeline:read", "ops"), 1_772_442_904_120, label)


ODD = {
    "plain": token("a"),
    "of every account": token("a", "*"),
    "without scopes": replace(token("a"), scopes=()),
    "made revoked": replace(token("a"), revoked=True),
    "a null and another script": token("a", "626\0", "Zoë's \0 東京"),
    "very long": token("a", "6" * 5_000, "x" * 100_000),
}


@pytest.mark.parametrize("one", ODD.values(), ids=ODD.keys())
def test_a_token_is_found_by_its_digest_as_it_was_put(tokens: TokenStore, one: Token) -> None:
    tokens.put(one)
    assert (tokens.find("digest of a"), tokens.list(one.account), tokens.list(None)) == (one, [one], [one])


def test_what_was_never_put_is_not_found(tokens: TokenStore) -> None:
    assert (tokens.find("digest of a"), tokens.list(None), tokens.list("62515")) == (None, [], [])
    tokens.put(token("a"))
    assert (tokens.find("digest of b"), tokens.find(""), tokens.list("70001"), tokens.list("")) == (None, None, [], [])


def test_tokens_are_listed_in_the_order_in_which_they_were_put(tokens: TokenStore) -> None:
    put = [token("c"), token("a", "70001"), token("b"), token("d", "*")]
    for one in put:
        tokens.put(one)
    assert (tokens.list(None), tokens.list("62515"), tokens.list("*")) == (put, [put[0], put[2]], [put[3]])


def test_a_revoked_token_is_still_found_and_listed_in_its_place(tokens: TokenStore) -> None:
    for one in (token("a"), token("b")):
        tokens.put(one)
    assert [tokens.revoke("a"), tokens.revoke("a")] == [True, True]
    ended = replace(token("a"), revoked=True)
    assert (tokens.find("digest of a"), tokens.list(None)) == (ended, [ended, token("b")])


@pytest.mark.parametrize("id", ["b", "", "digest of a", "A"])
def test_revoking_what_is_no_token_says_so_and_changes_nothing(tokens: TokenStore, id: str) -> None:
    tokens.put(token("a"))
    assert (tokens.revoke(id), tokens.list(None)) == (False, [token("a")])


@pytest.mark.parametrize("make", LASTING.values(), ids=LASTING.keys())
def test_tokens_are_there_when_the_table_is_opened_again(make: Make, tmp_path: Path) -> None:
    first = make(tmp_path)
    first.put(token("a"))
    first.put(token("b"))
    first.revoke("b")
    assert make(tmp_path).list(None) == [token("a"), replace(token("b"), revoked=True)]


@pytest.mark.parametrize("make", LASTING.values(), ids=LASTING.keys())
def test_a_token_revoked_through_another_opening_is_revoked_here_at_once(make: Make, tmp_path: Path) -> None:
    here, there = make(tmp_path), make(tmp_path)
    here.put(token("a"))
    assert there.revoke("a")
    found = here.find("digest of a")
    assert found is not None
    assert found.revoked
