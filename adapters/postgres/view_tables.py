"""Where a set of read models is, and that it is there: a PostgreSQL schema beside the store's.

What must stay true: nothing is asked of tables of another form; every statement names the schema of its tables, so that a set which
was put in the place of another is read from the next statement on, by every process, whatever it has prepared.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from psycopg import errors

from adapters.postgres.columns import digest
from adapters.postgres.connect import Connection, Database
from domain.errors import BadInput
from projections.views import OutOfDate

FORM = 1
"""Which form of `read_models.sql` a set has."""
FOREVER = 2**63 - 1
"""Until when (ms) a current version holds."""
LIVE, NEXT, FORMER = "_views", "_views_next", "_views_former"
"""What follows the store's schema in the name of that of the live set, of one that is being built, of one that is about to go."""

_SQL = Path(__file__).with_name("read_models.sql")
_LONGEST_NAME = 63  # the server cuts a longer one off, and two may become one
_FORM = "SELECT form FROM views.state"
_STATE = "SELECT form, made, position, last_id, last_common, unclean FROM views.state"


class State(NamedTuple):
    """Where a set is. `made` is its own number, `last_id` and `last_common` the ids given last. `unclean`: rows that were deleted or
    replaced because somebody was erased may still lie in its pages."""

    made: int
    position: int
    last_id: int
    last_common: int
    unclean: bool


def account_digest(account: str) -> int:
    """What the tables call an account by."""
    return digest(account, "")


class Tables:
    """One set of read models. Opens nothing before it is first used; then it is made if it is not there."""

    def __init__(self, database: Database, suffix: str = LIVE) -> None:
        if len(database.schema + FORMER) > _LONGEST_NAME:
            raise BadInput("schema", f"{_LONGEST_NAME - len(FORMER)} letters at most: the read models' is called by it and {FORMER}")
        self.database, self.schema = database, database.schema + suffix
        self._statements: dict[str, str] = {}
        self._is_ready = False
        self._lock = threading.Lock()

    def named(self, statement: str) -> str:
        """The statement with this set's schema in the place of `views`."""
        found = self._statements.get(statement)
        if found is None:
            found = self._statements[statement] = statement.replace("views.", f"{self.schema}.")
        return found

    def rows(self, statement: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> list[Any]:
        """All rows of a query. Raises `OutOfDate` if the tables are of another form."""
        self.ready()
        return self.database.rows(self.named(statement), parameters)

    def state(self) -> State:
        """Where it is now. Raises `OutOfDate`, also if a set of another form has taken its place."""
        form, *found = self.rows(_STATE)[0]
        self._is_ours(form)
        return State._make(found)

    def ready(self) -> None:
        """Make sure that the tables are there, and ours. On a standby, which makes nothing, `TryAgain` until they are."""
        if self._is_ready:
            return
        with self._lock, self.database.connection() as connection:
            form = self.form(connection)
            if form is None:
                form = self._make(connection)
            self._is_ours(form)
            self._is_ready = True

    def _is_ours(self, form: int) -> None:
        if form != FORM:
            raise OutOfDate(f"the read models in {self.schema} are of another version: run `rendezvous rebuild`")

    def form(self, connection: Connection) -> int | None:
        """The form of the tables that are there; None if there are none."""
        try:
            row = connection.execute(self.named(_FORM)).fetchone()
        except errors.UndefinedTable:
            return None
        return int(row[0]) if row else None

    def _make(self, connection: Connection) -> int:
        with connection.transaction():
            # Of two who come at once the second finds what the first has made.
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (self.database.lock_key("views"),))
            there = connection.execute("SELECT to_regclass(%s)", (f"{self.schema}.state",)).fetchone()
            if there is not None and there[0] is not None:
                return self.form(connection) or 0
            self._create(connection)
        return FORM

    def _create(self, connection: Connection) -> None:
        # Asked first: IF NOT EXISTS demands the right to create schemas, also where an administrator has made it for us.
        if connection.execute("SELECT 1 FROM pg_namespace WHERE nspname = %s", (self.schema,)).fetchone() is None:
            connection.execute(f"CREATE SCHEMA {self.schema}".encode())
        connection.execute("SELECT set_config('search_path', %s, true)", (self.schema,))
        connection.execute(_SQL.read_bytes())
        values = (FORM, secrets.randbits(62))
        connection.execute("INSERT INTO state VALUES (1, %s, %s, 0, 0, 0, 0, false)", values)

    def cleaned(self, state: State) -> bool:
        """Nothing is unclean any more, if nobody has written since."""
        with self.database.connection() as connection:
            statement = self.named("UPDATE views.state SET unclean = false WHERE made = %s AND position = %s")
            return connection.execute(statement, (state.made, state.position)).rowcount == 1

    def renamed(self) -> None:
        """Look again, before the next question, what is there."""
        self._is_ready = False

    def drop(self) -> None:
        """Nothing of the set is left."""
        with self.database.connection() as connection:
            connection.execute(f"DROP SCHEMA IF EXISTS {self.schema} CASCADE".encode())
        self._is_ready = False

    def maintain(self, command: str) -> None:
        """VACUUM or ANALYZE, however long it takes. Raises `TryAgain`."""
        with self.database.connection() as connection:
            connection.execute("SET statement_timeout = 0")
            try:
                connection.execute(self.named(command).encode())
            finally:
                if not connection.closed:
                    connection.execute("RESET statement_timeout")


def without_limits(connection: Connection) -> None:
    """This transaction may take its time: it looks at all that an account has."""
    connection.execute("SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0")
