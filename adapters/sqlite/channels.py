"""The channels in a SQLite file; their secrets sealed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from adapters.envelope import Envelope
from adapters.sealed_records import Old, of_channel, resealed
from adapters.sqlite.private import PrivateFile
from domain.outside import Channel, Link

_SCHEMA = (
    "CREATE TABLE IF NOT EXISTS channels (provider TEXT NOT NULL, id TEXT NOT NULL, account TEXT NOT NULL, user TEXT NOT NULL,"
    " feed TEXT NOT NULL, resource TEXT NOT NULL, secret BLOB NOT NULL, expires_at INTEGER NOT NULL, state TEXT NOT NULL,"
    " made_at INTEGER NOT NULL, PRIMARY KEY (provider, id))",
    "CREATE INDEX IF NOT EXISTS channels_link ON channels (account, provider, user)",
    "CREATE INDEX IF NOT EXISTS channels_ending ON channels (expires_at)",
)
_COLUMNS = "provider, id, account, user, feed, resource, secret, expires_at, state, made_at"


class SqliteChannels:
    """`outside.Channels` in a file."""

    def __init__(self, path: Path, envelope: Envelope) -> None:
        self._file = PrivateFile(path, _SCHEMA)
        self._envelope = envelope

    def close(self) -> None:
        """Close every connection."""
        self._file.close()

    def put(self, channel: Channel) -> None:
        """See the port."""
        c, secret = channel, self._envelope.seal(of_channel(channel.link, channel.id), channel.secret.encode())
        row = (c.link.provider, c.id, c.link.account, c.link.user, c.feed, c.resource, secret, c.expires_at, c.state, c.made_at)
        with self._file.writing() as writer:
            writer.execute(f"INSERT OR REPLACE INTO channels ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)  # noqa: S608 - the names are a constant

    def get(self, provider: str, id: str) -> Channel | None:
        """See the port."""
        found = self._found("provider = ? AND id = ?", provider, id)
        return found[0] if found else None

    def ending(self, before: int) -> list[Channel]:
        """See the port. The first to expire first."""
        return self._found("expires_at < ? ORDER BY expires_at, provider, id", before)

    def of(self, link: Link) -> list[Channel]:
        """See the port. In the order in which they were made."""
        return self._found("account = ? AND provider = ? AND user = ? ORDER BY made_at, id", *link)

    def drop(self, provider: str, id: str) -> None:
        """See the port. Raises `TryAgain` if it is dropped and its bytes could not be cleared away; the same call again does it."""
        with self._file.writing() as writer:
            writer.execute("DELETE FROM channels WHERE provider = ? AND id = ?", (provider, id))
        self._file.scrub()

    def reseal(self) -> int:
        """See `outside.Sealed`."""
        return resealed(self._envelope, self._boxes(), self._replace)

    def _boxes(self) -> Iterator[Old[tuple[str, str]]]:
        for account, provider, user, id, box in self._file.rows("SELECT account, provider, user, id, secret FROM channels"):
            yield Old((provider, id), of_channel(Link(account, provider, user), id), box)

    def _replace(self, row: tuple[str, str], old: bytes, new: bytes) -> bool:
        statement = "UPDATE channels SET secret = ? WHERE provider = ? AND id = ? AND secret = ?"
        with self._file.writing() as writer:
            return bool(writer.execute(statement, (new, *row, old)).rowcount)

    def _found(self, condition: str, *parameters: Any) -> list[Channel]:
        rows = self._file.rows(f"SELECT {_COLUMNS} FROM channels WHERE {condition}", parameters)  # noqa: S608 - conditions are constants
        return [self._channel(row) for row in rows]

    def _channel(self, row: Any) -> Channel:
        provider, id, account, user, feed, resource, box, expires_at, state, made_at = row
        link = Link(account, provider, user)
        return Channel(
            id=id,
            link=link,
            feed=feed,
            resource=resource,
            secret=self._envelope.open(of_channel(link, id), box).decode(),
            expires_at=expires_at,
            state=state,
            made_at=made_at,
        )
