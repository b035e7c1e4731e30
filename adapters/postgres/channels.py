"""The channels in PostgreSQL; their secrets sealed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from adapters.envelope import Envelope
from adapters.postgres.columns import to_bytes, to_text
from adapters.postgres.connect import Database
from adapters.postgres.links import link_of, name_of
from adapters.postgres.scrubbing import scrub
from adapters.sealed_records import Old, of_channel, resealed
from domain.outside import Channel, Link

_COLUMNS = "provider, id, account, user_id, feed, resource, secret, expires_at, state, made_at"
_PUT = (
    f"INSERT INTO channels ({_COLUMNS}, name, link) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"  # noqa: S608 - only names
    " ON CONFLICT (provider, name) DO UPDATE SET " + ", ".join(f"{name} = excluded.{name}" for name in [*_COLUMNS.split(", ")[2:], "link"])
)
_ONE = "provider = %s AND name = %s"


class PostgresChannels:
    """`outside.Channels` in a schema."""

    def __init__(self, database: Database, envelope: Envelope) -> None:
        self._database, self._envelope = database, envelope

    def put(self, channel: Channel) -> None:
        """See the port."""
        c, secret = channel, self._envelope.seal(of_channel(channel.link, channel.id), channel.secret.encode())
        place = (c.link.provider, to_bytes(c.id), to_bytes(c.link.account), to_bytes(c.link.user))
        row = (*place, c.feed, to_bytes(c.resource), secret, c.expires_at, c.state, c.made_at, name_of(c.id), name_of(*c.link))
        with self._database.connection() as connection:
            connection.execute(_PUT, row)

    def get(self, provider: str, id: str) -> Channel | None:
        """See the port."""
        found = self._found(_ONE, provider, name_of(id))
        return found[0] if found else None

    def ending(self, before: int) -> list[Channel]:
        """See the port. The first to expire first."""
        return self._found("expires_at < %s ORDER BY expires_at, provider, id", before)

    def of(self, link: Link) -> list[Channel]:
        """See the port. In the order in which they were made."""
        return self._found("link = %s ORDER BY made_at, id", name_of(*link))

    def drop(self, provider: str, id: str) -> None:
        """See the port. Raises `TryAgain` if it is dropped and its bytes could not be cleared away; the same call again does it."""
        with self._database.connection() as connection:
            connection.execute(f"DELETE FROM channels WHERE {_ONE}", (provider, name_of(id)))  # noqa: S608 - the condition is a constant
        scrub(self._database, "channels")

    def reseal(self) -> int:
        """See `outside.Sealed`."""
        return resealed(self._envelope, self._boxes(), self._replace)

    def _boxes(self) -> Iterator[Old[tuple[str, bytes]]]:
        for *columns, id, box in self._database.rows("SELECT account, provider, user_id, id, secret FROM channels"):
            link = link_of(*columns)
            yield Old((link.provider, name_of(to_text(id))), of_channel(link, to_text(id)), box)

    def _replace(self, row: tuple[str, bytes], old: bytes, new: bytes) -> bool:
        with self._database.connection() as connection:
            return bool(connection.execute(f"UPDATE channels SET secret = %s WHERE {_ONE} AND secret = %s", (new, *row, old)).rowcount)  # noqa: S608 - as above

    def _found(self, condition: str, *parameters: Any) -> list[Channel]:
        rows = self._database.rows(f"SELECT {_COLUMNS} FROM channels WHERE {condition}", parameters)  # noqa: S608 - conditions are constants
        return [self._channel(row) for row in rows]

    def _channel(self, row: tuple[Any, ...]) -> Channel:
        provider, raw_id, account, user_id, feed, resource, box, expires_at, state, made_at = row
        link, id = link_of(account, provider, user_id), to_text(raw_id)
        return Channel(
            id=id,
            link=link,
            feed=feed,
            resource=to_text(resource),
            secret=self._envelope.open(of_channel(link, id), box).decode(),
            expires_at=expires_at,
            state=state,
            made_at=made_at,
        )
