"""What only the vault's keys in PostgreSQL promise: one secret for all who come at once, and rows that go when a key does."""

from __future__ import annotations

import threading
from pathlib import Path

from adapters.postgres.keys import PostgresKeys
from adapters.vault import SealingVault
from domain.people import key_of
from tests.servers.postgres import closing_databases as closing_databases
from tests.servers.postgres import database

ACME = "62515"


def test_who_opens_a_new_vault_at_once_shares_its_secret(tmp_path: Path) -> None:
    opened = [database(tmp_path) for _ in range(4)]
    secrets: list[bytes] = []
    threads = [threading.Thread(target=lambda one=one: secrets.append(PostgresKeys(one).secret())) for one in opened]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert (len(secrets), len(set(secrets)), len(secrets[0])) == (4, 1, 32)


def test_who_brings_the_same_keys_in_another_order_is_not_in_the_way(tmp_path: Path) -> None:
    tables = [PostgresKeys(database(tmp_path)) for _ in range(2)]
    names = [f"{n:022}" for n in range(500)]
    told: list[dict[tuple[str, str], bytes | None]] = []

    def bring(n: int) -> None:
        told.append(tables[n].put({(ACME, name): bytes([n]) * 32 for name in (names if n else reversed(names))}))

    threads = [threading.Thread(target=bring, args=(n,)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert (len(told), told[0] == told[1], sorted(told[0]) == [(ACME, name) for name in names]) == (2, True, True)


def test_the_row_that_held_a_destroyed_key_is_out_of_the_table(tmp_path: Path) -> None:
    opened = database(tmp_path)
    keys = PostgresKeys(opened)
    token = SealingVault(keys).seal(ACME, [("bo@client.example", "Bo")])[0]
    assert keys.get([(ACME, key_of(token))])[ACME, key_of(token)] is not None
    before = opened.rows("SELECT pg_relation_size('vault_keys')")
    keys.destroy(ACME, [key_of(token)])
    assert keys.get([(ACME, key_of(token))]) == {(ACME, key_of(token)): None}
    # Room for a row again: as many as were there fit where they stood, for ever.
    for n in range(300):
        keys.put({(ACME, f"{n:022}"): bytes(32)})
        keys.destroy(ACME, [f"{n:022}"])
    [(size,)] = opened.rows("SELECT pg_relation_size('vault_keys') / 8192")
    assert (before, size <= 5) == ([(8192,)], True)
