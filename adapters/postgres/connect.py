"""How this house connects to PostgreSQL: one pool for each database, and its errors in our words.

What must stay true: a password is in no message, no `repr` and no log; nobody waits for ever, neither for a connection nor for a
lock nor for a network that swallows everything; a server that was restarted is found again by the next call.
"""

from __future__ import annotations

import re
import select
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import errors
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg_pool import ConnectionPool, PoolTimeout

from adapters.postgres.columns import digest
from domain.errors import BadInput, RendezvousError, Stop, TryAgain

SCHEMA = "rendezvous"
SETTING = "RENDEZVOUS_STORE"
"""The setting whose fault it is if nothing can be reached; named in messages."""

Connection = psycopg.Connection[tuple[Any, ...]]

_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_WAIT_SECONDS = 3.0
"""For a connection: longer than all of them are in use at once, and short enough to ask again soon for a server that comes back."""

# What a connection is opened with where the DSN says nothing else. A peer that is gone without a word is noticed in 15 to 25 seconds.
_DEFAULTS = {
    "application_name": "rendezvous",
    "connect_timeout": "5",
    "keepalives_idle": "10",
    "keepalives_interval": "5",
    "keepalives_count": "3",
    "tcp_user_timeout": "15000",
}
_SESSION = {
    "statement_timeout": "30s",
    # A batch writes for some tens of milliseconds; who waits for ten seconds waits for somebody who hangs.
    "lock_timeout": "10s",
    # Whoever stops in the middle of a transaction holds up every other writer of the store.
    "idle_in_transaction_session_timeout": "15s",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    # Each statement of a transaction must see what was committed before it began: see `store`.
    "default_transaction_isolation": r"read\ committed",
    # Our statements take milliseconds; a compilation ordered because of a wrong estimate takes a tenth of a second.
    "jit": "off",
}
# Busy or gone, though psycopg does not call it operational: a primary that became a replica, a connection closed under us.
_PASSING = (psycopg.OperationalError, psycopg.InterfaceError, errors.ReadOnlySqlTransaction)
_NOT_MIGRATED = (errors.UndefinedTable, errors.UndefinedColumn, errors.InvalidSchemaName)
# psycopg calls these operational, but the same call will fail for ever.
_HOPELESS = (errors.ProgramLimitExceeded,)


def in_our_words(error: psycopg.Error) -> RendezvousError:
    """What follows from an error of PostgreSQL or of the way to it."""
    said = f"postgresql: {' '.join(str(error).split()) or type(error).__name__}"
    if isinstance(error, _NOT_MIGRATED):
        return Stop(f"{said} (has `rendezvous migrate` been run?)")
    return TryAgain(said) if isinstance(error, _PASSING) and not isinstance(error, _HOPELESS) else Stop(said)


class Database:
    """One installation's schema in a database, and the connections to it. Opens nothing before it is first used.

    `dsn` as libpq understands it, `postgresql://…` or `key=value …`; what it says wins over our defaults. `most` connections are kept.
    Every method raises `TryAgain` or `Stop`, never an error of psycopg; the constructor `BadInput`.
    """

    def __init__(self, dsn: str, schema: str = SCHEMA, most: int = 8) -> None:
        if not _NAME.fullmatch(schema):
            raise BadInput("schema", "up to 63 small letters, digits and underscores, the first no digit")
        self.schema = schema
        self._conninfo, self.shown = _conninfo(dsn, schema)
        self._pool: ConnectionPool[Connection] = ConnectionPool(
            self._conninfo,
            kwargs={"autocommit": True},
            min_size=1,
            max_size=most,
            open=False,
            timeout=_WAIT_SECONDS,
            # The pool waits twice as long from try to try. Given up after the second, it begins anew at the next call.
            reconnect_timeout=1.0,
            num_workers=2,
            name=schema,
        )

    def __repr__(self) -> str:
        return f"Database({self.shown})"

    @contextmanager
    def connection(self) -> Iterator[Connection]:
        """A connection in autocommit, for the block alone.

        A transaction of which `TryAgain` was raised may have been committed nevertheless, if the connection was lost while
        the answer was on its way: what is written must be recognisable when it is written again.
        """
        self._pool.open()
        lent: Connection | None = None
        try:
            lent = self._lent()
            yield lent
        except PoolTimeout as error:
            raise self._why_none() from error
        except psycopg.Error as error:
            if lent is not None and lent.closed:
                # The others went the same way, as a rule.
                self._pool.drain()
            raise in_our_words(error) from error
        finally:
            if lent is not None:
                self._pool.putconn(lent)

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A connection in a transaction: durable when the block is left, or rolled back if it is left by an exception."""
        with self.connection() as connection, connection.transaction():
            yield connection

    def rows(self, statement: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query, prepared and read in binary form."""
        with self.connection() as connection:
            return connection.execute(statement, parameters, prepare=True, binary=True).fetchall()

    def alone(self) -> Connection:
        """A connection outside the pool, in autocommit, which the caller closes. Raises `TryAgain`."""
        try:
            return psycopg.connect(self._conninfo, autocommit=True)
        except psycopg.Error as error:
            raise in_our_words(error) from error

    def lock_key(self, name: str) -> int:
        """The number of an advisory lock of this schema: such locks belong to the whole database."""
        return digest(self.schema, name)

    def close(self) -> None:
        """Close every connection. Nobody may use them any more."""
        self._pool.close()

    def _lent(self) -> Connection:
        """A connection that lives. Not the pool's own `check`: it waits a second and longer before each further try."""
        lent: Connection = self._pool.getconn()
        if _is_dead(lent):
            # So are the others that lay in the pool. Returned to a drained one it is closed, and we are given a new one.
            self._pool.drain()
            self._pool.putconn(lent)
            lent = self._pool.getconn()
        return lent

    def _why_none(self) -> RendezvousError:
        """Why the pool had no connection for us: it knows, and does not tell."""
        try:
            psycopg.connect(self._conninfo).close()
        except psycopg.Error as error:
            return in_our_words(error)
        return TryAgain(f"postgresql: all connections to {self.shown} are in use")


def _is_dead(connection: Connection) -> bool:
    """Asks the socket, not the server: on an idle connection nothing waits to be read, except its end."""
    waiting = select.poll()
    waiting.register(connection.fileno(), select.POLLIN)
    if not waiting.poll(0):
        return False
    try:
        connection.execute("SELECT 1")
    except psycopg.Error:
        return True
    return False


def _conninfo(dsn: str, schema: str) -> tuple[str, str]:
    """What libpq is given, and what of it may be shown."""
    try:
        told = {key: str(value) for key, value in conninfo_to_dict(dsn).items() if value is not None}
    except psycopg.Error:
        # libpq's words quote the DSN, and nobody knows which part of it is the password.
        raise BadInput(SETTING, "not a PostgreSQL URL; write special characters of the password as %XX") from None
    if "@" in told.get("host", "")[1:]:
        raise BadInput(SETTING, "an @ in the password is written as %40")
    session = " ".join(f"-c {key}={value}" for key, value in {**_SESSION, "search_path": schema}.items())
    options = f"{session} {told.get('options', '')}".strip()
    place = f"{told.get('host', 'local')}:{told.get('port', '5432')}/{told.get('dbname', '')}, schema {schema}"
    return make_conninfo(**{**_DEFAULTS, **told, "options": options}), place
