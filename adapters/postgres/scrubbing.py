"""Taking rows that were deleted out of a table, which is otherwise left to whenever the server has time.

As far as a server can: see adapters/postgres/keys.py for where bytes stay nevertheless.
"""

from __future__ import annotations

from adapters.postgres.connect import Database


def scrub(database: Database, table: str) -> None:
    """Of a table of ours, named by a constant. Raises `TryAgain`; then the rows are deleted and no query finds them, but their bytes
    may still stand in the table; the same call again clears them away."""
    with database.connection() as connection:
        connection.execute("SET statement_timeout = 0")
        try:
            connection.execute(f"VACUUM (INDEX_CLEANUP off, TRUNCATE off) {table}".encode())
        finally:
            connection.execute("RESET statement_timeout")
