"""The two sizes, each made anew for a test: files in a folder, or topics and a schema on the servers that the run shares."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from uuid import uuid4

import psycopg
import pytest

from tests.end_to_end.installed import PARTITIONS, PARTITIONS_OF_SEVERAL, stores_in
from tests.servers import kafka, postgres


@pytest.fixture
def chance() -> Random:
    """Makes the moments at which things happen. Its seed is in the output of a test that failed; RENDEZVOUS_SEED sets it."""
    seed = int(os.environ.get("RENDEZVOUS_SEED", int.from_bytes(os.urandom(3))))
    print(f"RENDEZVOUS_SEED={seed}")
    return Random(seed)


@pytest.fixture
def embedded(tmp_path: Path) -> dict[str, str]:
    """The settings of an installation on files."""
    return {"RENDEZVOUS_DATA": str(tmp_path / "data")}


@pytest.fixture
def on_servers(tmp_path: Path) -> Iterator[Callable[[str, str], dict[str, str]]]:
    """Gives the settings of an installation that nobody else has, on this broker and this database; its schema goes with the test."""
    made: list[tuple[str, str]] = []

    def settings(bootstrap: str, dsn: str) -> dict[str, str]:
        name = uuid4().hex[:12]
        made.append((dsn, f"t_{name}"))
        return {
            "RENDEZVOUS_LOG": f"kafka://{bootstrap}",
            "RENDEZVOUS_STORE": dsn,
            "RENDEZVOUS_STORE_SCHEMA": f"t_{name}",
            "RENDEZVOUS_KAFKA_TOPIC_PREFIX": f"test-{name}",
            "RENDEZVOUS_KAFKA_PARTITIONS": str(PARTITIONS),
            "RENDEZVOUS_DATA": str(tmp_path / "data"),
        }

    yield settings
    for dsn, schema in made:
        with psycopg.connect(dsn, autocommit=True) as connection:
            # With its read models, and with those of further stores beside it.
            for (name,) in connection.execute("SELECT nspname FROM pg_namespace WHERE starts_with(nspname, %s)", (schema,)).fetchall():
                connection.execute(f"DROP SCHEMA IF EXISTS {name} CASCADE".encode())


@pytest.fixture
def scaled(on_servers: Callable[[str, str], dict[str, str]]) -> dict[str, str]:
    """The settings of an installation on the servers that the run shares."""
    return on_servers(kafka.bootstrap(), postgres.dsn())


@pytest.fixture
def sharded(scaled: dict[str, str]) -> dict[str, str]:
    """The same with three stores, in one database."""
    return {**scaled, "RENDEZVOUS_STORE": stores_in(scaled, 3), "RENDEZVOUS_KAFKA_PARTITIONS": str(PARTITIONS_OF_SEVERAL)}


@pytest.fixture
def settings(request: pytest.FixtureRequest) -> dict[str, str]:
    """The settings of the size that a test is run for: `embedded` or `scaled`."""
    found: dict[str, str] = request.getfixturevalue(request.param)
    return found
