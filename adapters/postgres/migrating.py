"""Bring a schema up to date by numbered SQL files, and refuse to work on one that is not.

What must stay true: a migration is applied once, whole or not at all, in order; two that migrate at once do it one after the other; a file
that was applied is never changed. A file is `NNNN_name.sql`, any number of statements, without BEGIN and COMMIT.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import psycopg
from psycopg import errors
from psycopg.sql import SQL, Identifier

from adapters.postgres.connect import SETTING, Connection, Database, in_our_words
from domain.errors import BadInput, Stop

FOLDER = Path(__file__).with_name("migrations")

_FILE = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")
_TABLE = (
    "CREATE TABLE IF NOT EXISTS migrations (number integer PRIMARY KEY, name text NOT NULL, checksum text NOT NULL,"
    " applied_at timestamptz NOT NULL DEFAULT now())"
)
_APPLIED = "SELECT number, name, checksum FROM migrations ORDER BY number"


class Migration(NamedTuple):
    """A file of SQL, or the memory of one that was applied (then without `sql`). `checksum` is the SHA-256 of its text."""

    number: int
    name: str
    checksum: str
    sql: str = ""


def known(folder: Path = FOLDER) -> tuple[Migration, ...]:
    """The migrations of this version of ours, in order. Raises `Stop` if their numbers are not 1, 2, 3 …"""
    found = tuple(_read(file) for file in sorted(folder.glob("*.sql")))
    if [one.number for one in found] != list(range(1, len(found) + 1)):
        raise Stop(f"migrations are not numbered 1, 2, 3 …: {', '.join(one.name for one in found)}")
    return found


def _read(file: Path) -> Migration:
    named = _FILE.fullmatch(file.name)
    if named is None:
        raise Stop(f"{file.name} is no name for a migration: NNNN_name.sql")
    sql = file.read_text("utf-8")
    return Migration(int(named[1]), file.stem, hashlib.sha256(sql.encode()).hexdigest(), sql)


def migrate(database: Database, folder: Path = FOLDER) -> list[str]:
    """Apply what is missing; the names of what was applied, none if nothing was missing. Raises as `check`."""
    with closing(database.alone()) as connection, _our_words():
        # As long as it takes: a migration may build an index, and another one may be at it.
        connection.execute("SET statement_timeout = 0; SET lock_timeout = 0")
        connection.execute("SELECT pg_advisory_lock(%s)", (database.lock_key("migrate"),))
        _make_schema(connection, database.schema)
        connection.execute(_TABLE)
        missing = _missing([Migration(*row) for row in connection.execute(_APPLIED)], folder)
        for one in missing:
            _apply(connection, one)
        return [one.name for one in missing]


def check(database: Database, folder: Path = FOLDER) -> None:
    """Raises `BadInput` if the schema is behind or ahead of this version, `Stop` if it is another one's."""
    with database.connection() as connection:
        try:
            applied = [Migration(*row) for row in connection.execute(_APPLIED)]
        except errors.UndefinedTable:
            applied = []
    missing = _missing(applied, folder)
    if missing:
        raise BadInput(SETTING, f"the schema {database.schema} lacks {', '.join(one.name for one in missing)}: run `rendezvous migrate`")


def _missing(applied: list[Migration], folder: Path) -> tuple[Migration, ...]:
    """The migrations that follow on those applied."""
    ours = known(folder)
    for was, now in zip(applied, ours, strict=False):
        if (was.number, was.checksum) != (now.number, now.checksum):
            raise Stop(f"migration {was.name} was applied with another content than {now.name} has now")
    if len(applied) > len(ours):
        newer = ", ".join(one.name for one in applied[len(ours) :])
        raise BadInput(SETTING, f"the schema was brought to {newer} by a newer version of rendezvous: update this one")
    return ours[len(applied) :]


def _make_schema(connection: Connection, schema: str) -> None:
    # Asked first: IF NOT EXISTS demands the right to create schemas, also where an administrator has made it for us.
    if connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (schema,)).fetchone() is None:
        connection.execute(SQL("CREATE SCHEMA {}").format(Identifier(schema)))


def _apply(connection: Connection, one: Migration) -> None:
    with connection.transaction():
        connection.execute(one.sql.encode())
        row = (one.number, one.name, one.checksum)
        connection.execute("INSERT INTO migrations (number, name, checksum) VALUES (%s, %s, %s)", row)


@contextmanager
def _our_words() -> Iterator[None]:
    try:
        yield
    except psycopg.Error as error:
        raise in_our_words(error) from error
