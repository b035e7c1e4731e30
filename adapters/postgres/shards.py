"""Which of an installation's stores a schema is: remembered by the schema itself, from its first migration on.

What must stay true: once accounts may be in a store, nobody uses it as another one, nor as one of more or fewer. Where an account is
follows from the number of stores, so with another number it would be looked for, and begun anew, where it is not.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from typing import NamedTuple

import psycopg
from psycopg import errors

from adapters.postgres.connect import SETTING, Connection, Database, in_our_words
from adapters.postgres.migrating import migrate as make_tables
from domain.errors import BadInput

# Beside the numbered migrations and not one of them: it is looked at before any is applied.
_TABLE = (
    "CREATE TABLE IF NOT EXISTS shard"
    " (one smallint PRIMARY KEY DEFAULT 1 CHECK (one = 1), number integer NOT NULL, stores integer NOT NULL)"
)
_REMEMBERED = "SELECT number, stores FROM shard"
_IS_USED = "SELECT EXISTS (SELECT FROM tracking) OR EXISTS (SELECT FROM vault_keys)"
_REMEMBER = "INSERT INTO shard (number, stores) VALUES (%s, %s) ON CONFLICT DO NOTHING"


class Numbered(NamedTuple):
    """Number `number` of so many `stores`; numbers count from 0."""

    number: int
    stores: int


def migrate(databases: Sequence[Database]) -> list[list[str]]:
    """Bring these stores up to date, all of one installation in their order; for each the names of what was applied. Raises `BadInput`,
    with nothing touched, if one of them was made as another."""
    for number, database in enumerate(databases):
        _look(database, Numbered(number, len(databases)))
    return [_migrate(database, Numbered(number, len(databases))) for number, database in enumerate(databases)]


def check(database: Database, number: int, stores: int) -> None:
    """Raises `BadInput` if the store is not this one."""
    wanted = Numbered(number, stores)
    if _look(database, wanted) is None and stores > 1:
        raise BadInput(SETTING, f"{_named(database, wanted)} was not told yet which one it is: run `rendezvous migrate`")


def _migrate(database: Database, wanted: Numbered) -> list[str]:
    done = make_tables(database)
    try:
        with closing(database.alone()) as connection:
            # Two that migrate at once do it one after the other, however long the first takes.
            connection.execute("SET statement_timeout = 0; SET lock_timeout = 0")
            connection.execute("SELECT pg_advisory_lock(%s)", (database.lock_key("migrate"),))
            connection.execute(_TABLE)
            connection.execute(_REMEMBER, wanted)
    except psycopg.Error as error:
        raise in_our_words(error) from error
    _look(database, wanted)
    return done


def _look(database: Database, wanted: Numbered) -> Numbered | None:
    with database.connection() as connection:
        found = _remembered(connection)
    if found is not None and found != wanted:
        raise BadInput(
            SETTING,
            f"{_named(database, wanted)} was made as number {found.number + 1} of {found.stores}: name the stores it was made with, in "
            "their order; their number is chosen once (docs/scaling.md)",
        )
    return found


def _remembered(connection: Connection) -> Numbered | None:
    """None if nothing is in it yet. One that was in use before stores were numbered was the only one."""
    if (row := _asked(connection, _REMEMBERED)) is not None:
        return Numbered(*row)
    return Numbered(0, 1) if _asked(connection, _IS_USED) == (True,) else None


def _asked(connection: Connection, question: str) -> tuple[int, ...] | None:
    try:
        return connection.execute(question.encode()).fetchone()
    except errors.UndefinedTable:
        return None


def _named(database: Database, wanted: Numbered) -> str:
    return f"store {wanted.number + 1} of {wanted.stores}, {database.shown},"
