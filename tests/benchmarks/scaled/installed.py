"""Installations on a real Kafka and a real PostgreSQL, each with topics and a schema of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from pydantic import SecretStr

from domain.errors import Stop
from services.bench import relay_all
from services.settings import Settings
from services.wiring import Installation
from tests.servers import kafka, postgres

ROOT = Path(__file__).parents[3]
ROLES = ("sync", "relay", "project")


def settings(partitions: int = 1) -> Settings:
    """Topics and a schema that nobody has yet, on the servers of this run."""
    name = uuid.uuid4().hex[:12]
    return Settings(
        log=f"kafka://{kafka.bootstrap()}",
        store=SecretStr(postgres.dsn()),
        store_schema=f"bench_{name}",
        kafka_topic_prefix=f"bench-{name}",
        kafka_partitions=partitions,
        host="127.0.0.1",
        port=0,
    )


def made(told: Settings) -> Installation:
    """The installation, with topics and tables."""
    parts = Installation(told)
    parts.migrate()
    return parts


def publish(told: Settings, events: Iterable[bytes]) -> None:
    """Through the door, in an installation of its own: the role that is measured has seen nobody before."""
    parts = Installation(told)
    rest = list(events)
    for begun in range(0, len(rest), 1000):
        if any(receipt.outcome != "accepted" for receipt in parts.publisher.accept(rest[begun : begun + 1000])):
            raise Stop("the workload breaks the contract")
    parts.close()


def settle(parts: Installation) -> None:
    """Decide, relay and fold what is there."""
    sync, project = parts.sync(), parts.project()
    for partition in parts.source.partitions():
        while sync.step(partition) is not None:
            pass
    relay_all(parts)
    while project.step():
        pass


def gone(told: Settings) -> None:
    """Drop the schemas; topics go with their broker."""
    with psycopg.connect(told.store_url() or "", autocommit=True) as connection:
        names = connection.execute("SELECT nspname FROM pg_namespace WHERE starts_with(nspname, %s)", (told.store_schema,)).fetchall()
        for (name,) in names:
            connection.execute(f"DROP SCHEMA {name} CASCADE".encode())


def environment(told: Settings) -> dict[str, str]:
    """What a role in a process of its own is told."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("RENDEZVOUS_")}
    return kept | {
        "PYTHONPATH": str(ROOT),
        "RENDEZVOUS_LOG": told.log or "",
        "RENDEZVOUS_STORE": told.store_url() or "",
        "RENDEZVOUS_STORE_SCHEMA": told.store_schema,
        "RENDEZVOUS_KAFKA_TOPIC_PREFIX": told.kafka_topic_prefix,
    }


@contextmanager
def roles(told: Settings, folder: Path, names: Iterable[str] = ROLES) -> Iterator[None]:
    """These roles, each in a process of its own, asked to stop at the end."""
    running = [
        subprocess.Popen([sys.executable, "-m", "services.cli", name], env=environment(told), cwd=folder, stdout=subprocess.DEVNULL)
        for name in names
    ]
    try:
        yield
    finally:
        ended = [process.poll() for process in running]
        for process in running:
            process.terminate()
        for process in running:
            process.wait(30)
        if any(code is not None for code in ended):  # whatever was measured, this is what happened
            raise RuntimeError(f"roles ended by themselves with {ended}; standard error says why")
