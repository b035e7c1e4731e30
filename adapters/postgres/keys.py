"""The vault's table of keys in PostgreSQL. See `adapters.vault.Keys` for what each verb promises.

What must stay true: once `destroy` returns, no query finds the data key, and the row that held it is out of the table, unless a
transaction was open that began before; then it goes with the next VACUUM. A server is no file of ours, though: the bytes stay in
its write-ahead log until that is recycled, and in its archives, replicas' delays and backups as long as those are kept. Whoever runs
the server decides how long an erased person could be brought back from there.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence

from adapters.postgres.columns import digest, to_bytes
from adapters.postgres.connect import Database

# A subquery of its own for each key, by the index, whatever the statistics say (see `store`).
_GET = (
    "SELECT u.n, t.data_key FROM unnest(%b::bigint[], %b::bytea[]) WITH ORDINALITY AS u (account, key, n),"
    " LATERAL (SELECT data_key FROM vault_keys WHERE account = u.account AND key = u.key OFFSET 0) AS t"
)
_PUT = (
    "INSERT INTO vault_keys (account, key, data_key) SELECT unnest(%b::bigint[]), unnest(%b::bytea[]), unnest(%b::bytea[])"
    " ON CONFLICT DO NOTHING"
)
_DESTROY = "INSERT INTO vault_keys (account, key) SELECT %s, unnest(%b::bytea[]) ON CONFLICT (account, key) DO UPDATE SET data_key = NULL"


class PostgresKeys:
    """`vault.Keys` in a schema. Whoever may read the schema may open everything: give the role to nobody else."""

    def __init__(self, database: Database) -> None:
        self._database = database
        with database.connection() as connection:
            # The first to come decides; not the server's random(), which promises no secrecy.
            secret = (secrets.token_bytes(32),)
            connection.execute("INSERT INTO vault_installation (one, secret) VALUES (1, %s) ON CONFLICT DO NOTHING", secret)

    def secret(self) -> bytes:
        """The installation's."""
        [(found,)] = self._database.rows("SELECT secret FROM vault_installation")
        return bytes(found)

    def generation(self) -> int:
        """The number of erasures, in whatever process. Costs a round trip."""
        [(erasures,)] = self._database.rows("SELECT erasures FROM vault_installation")
        return int(erasures)

    def get(self, keys: Collection[tuple[str, str]]) -> dict[tuple[str, str], bytes | None]:
        """What is known of these."""
        wanted = list(dict.fromkeys(keys))
        return {wanted[n - 1]: data_key for n, data_key in self._database.rows(_GET, _columns(wanted))}

    def put(self, new: Mapping[tuple[str, str], bytes]) -> dict[tuple[str, str], bytes | None]:
        """The first one stays."""
        # Sorted: of two who bring the same keys one waits for the other, and not each for the other.
        keys = sorted(new)
        with self._database.connection() as connection:
            connection.execute(_PUT, (*_columns(keys), [new[at] for at in keys]), prepare=True)
        return self.get(keys)

    def destroy(self, account: str, keys: Sequence[str]) -> None:
        """Known to be erased from now on. Raises `TryAgain` if the table could not be cleaned: then the keys are destroyed, but
        their bytes may still stand in it; the same call again cleans it."""
        gone = [to_bytes(key) for key in sorted(set(keys))]
        with self._database.transaction() as connection:
            connection.execute(_DESTROY, (_account(account), gone))
            connection.execute("UPDATE vault_installation SET erasures = erasures + 1")
        self._clean()

    def _clean(self) -> None:
        """Take the rows that were replaced out of the table, which is otherwise left to whenever the server has time."""
        with self._database.connection() as connection:
            connection.execute("SET statement_timeout = 0")
            try:
                connection.execute("VACUUM (INDEX_CLEANUP off, TRUNCATE off) vault_keys")
            finally:
                connection.execute("RESET statement_timeout")


def _columns(keys: Collection[tuple[str, str]]) -> tuple[list[int], list[bytes]]:
    accounts = {account: _account(account) for account, _ in keys}
    return [accounts[account] for account, _ in keys], [to_bytes(key) for _, key in keys]


def _account(account: str) -> int:
    return digest(account, "")
