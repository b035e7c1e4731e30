"""Where things are, as an operator says it; what is wrong is said without a secret."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from domain.errors import BadInput
from services.settings import Settings
from services.wiring import kafka_settings, topic_options


def test_by_default_everything_is_in_the_data_folder() -> None:
    settings = Settings()
    assert (settings.log_file(), settings.store_folder(), settings.embedded()) == (Path("data/log.sqlite"), Path("data"), True)


@pytest.mark.parametrize(
    ("log", "store", "found"),
    [
        ("sqlite:///logs/all.sqlite", "sqlite:////var/store", ("sqlite", "sqlite", True)),
        ("kafka://one:9092,two:9092", "postgresql://r@db/r", ("kafka", "postgresql", False)),
        (None, "postgres://r@db/r", ("sqlite", "postgresql", False)),
        ("kafka://one:9092", None, ("kafka", "sqlite", False)),
    ],
    ids=["files", "servers", "files and a database", "a broker and files"],
)
def test_log_and_store_are_chosen_by_url(log: str | None, store: str | None, found: tuple[str, str, bool]) -> None:
    settings = Settings(log=log, store=None if store is None else SecretStr(store))
    assert (settings.scheme_of_log(), settings.scheme_of_store(), settings.embedded()) == found


@pytest.mark.parametrize("url", ["mysql://u:hunter2@db/x", "hunter2", "postgresql:hunter2", "sqlite://", "postgresql://"])
def test_a_url_that_cannot_be_used_is_refused_without_its_secrets(url: str) -> None:
    with pytest.raises(BadInput, match="RENDEZVOUS_STORE") as refused:
        Settings(store=SecretStr(url)).scheme_of_store()
    assert "hunter2" not in str(refused.value)


def test_what_kafka_is_told_comes_from_the_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "LOG": "kafka://one:9092,two:9093",
        "KAFKA_TOPIC_PREFIX": "mine",
        "KAFKA_SECURITY": "SASL_SSL",
        "KAFKA_MECHANISM": "SCRAM-SHA-512",
        "KAFKA_USERNAME": "ana",
        "KAFKA_PASSWORD": "hunter2",
        "KAFKA_PARTITIONS": "5",
        "KAFKA_RETENTION_DAYS": "30",
    }.items():
        monkeypatch.setenv(f"RENDEZVOUS_{name}", value)
    settings = Settings()
    cluster, options = kafka_settings(settings), topic_options(settings)
    assert (cluster.servers, cluster.topic("x"), cluster.security, cluster.mechanism) == (
        ["one:9092", "two:9093"],
        "mine.x",
        "SASL_SSL",
        "SCRAM-SHA-512",
    )
    assert (cluster.username, cluster.password, "hunter2" in repr(cluster), "hunter2" in repr(settings)) == ("ana", "hunter2", False, False)
    assert (options.partitions, options.retention_ms) == (5, 30 * 86_400_000)
