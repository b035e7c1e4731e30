"""Where things are, as an operator says it; what is wrong is said without a secret."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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


@pytest.mark.parametrize(
    ("told", "named"),
    [
        ({"kafka_security": "hunter2"}, "RENDEZVOUS_KAFKA_SECURITY: one of PLAINTEXT"),
        ({"kafka_security": "SASL_SSL", "kafka_mechanism": "hunter2"}, "RENDEZVOUS_KAFKA_MECHANISM: one of PLAIN"),
        ({"kafka_security": "SASL_SSL", "kafka_mechanism": "OAUTHBEARER"}, "RENDEZVOUS_KAFKA_TOKEN_FILE: OAUTHBEARER needs"),
    ],
)
def test_what_kafka_cannot_be_told_is_refused_by_its_variable(told: dict[str, Any], named: str) -> None:
    with pytest.raises(BadInput, match=f"^{named}") as refused:
        kafka_settings(Settings(log="kafka://one:9092", **told))
    assert "hunter2" not in str(refused.value)


ONE = "postgresql://r:p%20w@one,two:5433/r?target_session_attrs=read-write"


@pytest.mark.parametrize(
    ("store", "found"),
    [
        ("postgresql://db/r", [("postgresql://db/r", "mine")]),
        ("postgresql://db/r?schema=x", [("postgresql://db/r", "x")]),
        ("postgresql://db/r?schema=x&sslmode=require", [("postgresql://db/r?sslmode=require", "x")]),
        (f"{ONE}&schema=a {ONE}&schema=b", [(ONE, "a"), (ONE, "b")]),
        (f"\n{ONE},\n  postgres://three/r\n", [(ONE, "mine"), ("postgres://three/r", "mine")]),
    ],
    ids=["one", "its schema", "its schema and more", "two of several hosts each", "two, a line and a comma apart"],
)
def test_stores_are_named_one_after_the_other_each_with_its_schema(store: str, found: list[tuple[str, str]]) -> None:
    settings = Settings(store=SecretStr(store), store_schema="mine")
    assert [tuple(one) for one in settings.databases()] == found
    assert settings.scheme_of_store() == "postgresql"


@pytest.mark.parametrize(
    ("store", "why"),
    [
        ("postgresql://u:hunter2@db/r postgresql://u:hunter2@db/r", "names a store twice"),
        ("postgresql://u:hunter2@db/r?schema=mine postgresql://u:hunter2@db/r", "names a store twice"),
        ("postgresql://u:hunter2@db/r sqlite:///data", "each is a postgresql:// URL"),
        ("sqlite:///one sqlite:///two", "each is a postgresql:// URL"),
        ("postgresql://db/r mysql://u:hunter2@db/r", "mysql:// is not supported"),
    ],
    ids=["twice", "twice, once by its schema", "a file among them", "two files", "another kind"],
)
def test_stores_that_cannot_be_are_refused_without_their_secrets(store: str, why: str) -> None:
    settings = Settings(store=SecretStr(store), store_schema="mine")
    with pytest.raises(BadInput, match=f"RENDEZVOUS_STORE: .*{why}") as refused:
        _ = settings.scheme_of_store(), settings.databases()
    assert "hunter2" not in str(refused.value)


def test_what_is_read_from_has_its_store_s_schema_and_there_is_one_for_each() -> None:
    stores = SecretStr("postgresql://one/r?schema=a postgresql://one/r?schema=b")
    read = Settings(store=stores, store_read=SecretStr("postgresql://two/r postgresql://three/r"))
    assert [tuple(one) for one in read.replicas()] == [("postgresql://two/r", "a"), ("postgresql://three/r", "b")]
    assert Settings(store=stores).replicas() == []


@pytest.mark.parametrize(
    ("read", "why"),
    [
        ("postgresql://u:hunter2@two/r postgresql://u:hunter2@three/r", "names 2 for 1 stores"),
        ("sqlite:///data", "sqlite:// is not supported"),
        ("postgresql://u:hunter2@two,three/r?load_balance_hosts=random", "an answer comes from one server"),
    ],
    ids=["more than stores", "a file", "two servers at once"],
)
def test_what_cannot_be_read_from_is_refused(read: str, why: str) -> None:
    with pytest.raises(BadInput, match=f"RENDEZVOUS_STORE_READ: .*{why}") as refused:
        Settings(store=SecretStr("postgresql://one/r"), store_read=SecretStr(read)).replicas()
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("url", "found"),
    [
        pytest.param(None, None, id="none"),
        pytest.param("https://sync.example/", "https://sync.example", id="a host"),
        pytest.param("https://sync.example/rendezvous/", "https://sync.example/rendezvous", id="a prefix"),
        pytest.param("http://127.0.0.1:8321", "http://127.0.0.1:8321", id="this machine"),
    ],
)
def test_the_public_address_has_no_stroke_at_its_end(url: str | None, found: str | None) -> None:
    assert Settings(public_url=url).public() == found


@pytest.mark.parametrize("url", ["sync.example", "http://sync.example", "https://", "https://sync.example/?a=1", "ftp://127.0.0.1", ""])
def test_what_providers_would_not_call_is_no_public_address(url: str) -> None:
    with pytest.raises(BadInput, match="RENDEZVOUS_PUBLIC_URL"):
        Settings(public_url=url).public()


@pytest.mark.parametrize("provider", ["google", "office365", "hubspot"])
def test_an_app_is_an_id_and_a_secret(provider: str) -> None:
    id_, secret = {f"{provider}_client_id": "app"}, {f"{provider}_client_secret": SecretStr("hunter2")}
    made = Settings.model_validate(id_ | secret)
    assert (made.app_of(provider), Settings().app_of(provider)) == (("app", "hunter2"), None)
    for half, missing in ((id_, "SECRET"), (secret, "ID")):
        with pytest.raises(BadInput, match=f"RENDEZVOUS_{provider.upper()}_CLIENT_{missing}") as refused:
            Settings.model_validate(half).app_of(provider)
        assert "hunter2" not in str(refused.value)
    assert "hunter2" not in repr(made)
