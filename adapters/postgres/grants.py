"""The grants in PostgreSQL. Whoever reads the table reads no token: a grant is sealed whole, and beside it stands only what it is
found by."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from msgspec.structs import replace

from adapters.envelope import Envelope
from adapters.postgres.columns import to_bytes
from adapters.postgres.connect import Database
from adapters.postgres.links import columns_of, link_of, name_of
from adapters.postgres.locks import OnlyOne
from adapters.postgres.scrubbing import scrub
from adapters.sealed_records import Old, grant_opened, grant_sealed, of_grant, resealed
from domain.errors import Conflict, TryAgain
from domain.outside import Grant, Link

_SELECT = "SELECT account, provider, user_id, box FROM grants"
_ORDER = "ORDER BY account, provider, user_id"
_INSERT = (
    "INSERT INTO grants (tenant, version, box, link, account, provider, user_id) VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT DO NOTHING"
)
_UPDATE = "UPDATE grants SET tenant = %s, version = %s, box = %s WHERE link = %s AND version = %s"


class PostgresGrants:
    """`outside.Grants` in a schema."""

    def __init__(self, database: Database, envelope: Envelope) -> None:
        self._database, self._envelope = database, envelope

    def get(self, link: Link) -> Grant | None:
        """See the port."""
        found = self._opened("WHERE link = %s", name_of(*link))
        return found[0] if found else None

    def put(self, grant: Grant) -> Grant:
        """See the port. After `TryAgain` it may have been kept; then the same call is a `Conflict`."""
        new = replace(grant, version=grant.version + 1)
        columns = columns_of(new.link)
        told = (None if new.tenant is None else to_bytes(new.tenant), new.version, grant_sealed(self._envelope, new))
        statement, parameters = (_UPDATE, (columns.link, grant.version)) if grant.version else (_INSERT, columns)
        with self._database.connection() as connection:
            if not connection.execute(statement, (*told, *parameters)).rowcount:
                raise Conflict(f"the grant is not at version {grant.version}")
        return new

    def all(self, account: str | None = None) -> list[Grant]:
        """See the port."""
        return self._opened(_ORDER) if account is None else self._opened(f"WHERE account = %s {_ORDER}", to_bytes(account))

    def of_tenant(self, provider: str, tenant: str) -> list[Grant]:
        """See the port."""
        condition = f"WHERE provider = %s AND sha256(tenant) = sha256(%s) {_ORDER}"
        return self._opened(condition, provider, to_bytes(tenant))

    def drop(self, link: Link) -> None:
        """See the port. Raises `TryAgain` if it is dropped and its bytes could not be cleared away; the same call again does it."""
        with self._database.connection() as connection:
            connection.execute("DELETE FROM grants WHERE link = %s", (name_of(*link),))
        scrub(self._database, "grants")

    @contextmanager
    def alone(self, link: Link, seconds: float) -> Iterator[None]:
        """See the port. By a lock that the server takes back when the connection ends."""
        with OnlyOne(self._database, f"grant:{name_of(*link).hex()}") as one:
            if not one.take(seconds):
                raise TryAgain("somebody else is at this grant")
            yield

    def reseal(self) -> int:
        """See the port."""
        return resealed(self._envelope, self._boxes(), self._replace)

    def _opened(self, condition: str, *parameters: Any) -> list[Grant]:
        rows = self._database.rows(f"{_SELECT} {condition}", parameters)
        return [grant_opened(self._envelope, link_of(*link), box) for *link, box in rows]

    def _boxes(self) -> Iterator[Old[bytes]]:
        for *columns, box in self._database.rows(_SELECT):
            link = link_of(*columns)
            yield Old(name_of(*link), of_grant(link), box)

    def _replace(self, link: bytes, old: bytes, new: bytes) -> bool:
        with self._database.connection() as connection:
            return bool(connection.execute("UPDATE grants SET box = %s WHERE link = %s AND box = %s", (new, link, old)).rowcount)
