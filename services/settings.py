"""Settings: flags, then RENDEZVOUS_* variables, then rendezvous.toml in the working folder, then the defaults here."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from domain.errors import BadInput


class Settings(BaseSettings):
    """What an operator may choose. Every field is a variable of its name in capitals after RENDEZVOUS_."""

    model_config = SettingsConfigDict(env_prefix="RENDEZVOUS_", toml_file="rendezvous.toml", extra="ignore")

    data: Path = Field(default=Path("data"), description="folder of the embedded store and log")
    log: str | None = Field(
        default=None, description="where the logs are: sqlite:///FILE or kafka://HOST:PORT[,HOST:PORT]; default: in the data folder"
    )
    store: SecretStr | None = Field(
        default=None, description="where events and read models are: sqlite:///FOLDER or postgresql://...; default: the data folder"
    )
    store_schema: str = Field(default="rendezvous", description="PostgreSQL schema, so that installations can share a database")
    host: str = Field(default="127.0.0.1", description="address the API listens on")
    port: int = Field(default=8321, ge=0, le=65535, description="port the API listens on; 0: any free one")
    monitor: int | None = Field(default=None, ge=0, le=65535, description="port of a role's metrics and health; default: none")
    max_lag: int = Field(default=10_000, ge=0, description="a role is ready when no more events than this wait for it")
    log_level: str = Field(default="warning", description="debug, info, warning or error")

    kafka_topic_prefix: str = Field(default="rendezvous", description="what topics and groups begin with: a cluster can hold several")
    kafka_partitions: int = Field(default=12, ge=1, description="partitions of the source log that `migrate` makes")
    kafka_replicas: int | None = Field(default=None, ge=1, description="replicas that `migrate` makes; default: up to three")
    kafka_in_sync: int | None = Field(default=None, ge=1, description="replicas that must have a record before it is acknowledged")
    kafka_retention_days: int | None = Field(default=None, ge=1, description="days the source log keeps; default: for ever")
    kafka_security: str = Field(default="PLAINTEXT", description="PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL")
    kafka_mechanism: str | None = Field(default=None, description="PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER")
    kafka_username: str | None = Field(default=None, description="for PLAIN and SCRAM")
    kafka_password: SecretStr | None = Field(default=None, description="for PLAIN and SCRAM")
    kafka_token_file: Path | None = Field(default=None, description="for OAUTHBEARER: a file somebody keeps a fresh token in")
    kafka_token_url: str | None = Field(default=None, description="for OAUTHBEARER: where client credentials get a token")
    kafka_client_id: str | None = Field(default=None, description="for OAUTHBEARER with a token URL")
    kafka_client_secret: SecretStr | None = Field(default=None, description="for OAUTHBEARER with a token URL")
    kafka_scope: str | None = Field(default=None, description="for OAUTHBEARER with a token URL")
    kafka_ca_file: Path | None = Field(default=None, description="for SSL: who signs the brokers' certificates")
    kafka_certificate_file: Path | None = Field(default=None, description="for SSL: our certificate, if the brokers want one")
    kafka_key_file: Path | None = Field(default=None, description="for SSL: its key")
    kafka_key_password: SecretStr | None = Field(default=None, description="for SSL: what the key is closed with")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Flags win over variables, variables over the file."""
        return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    def scheme_of_log(self) -> str:
        """sqlite or kafka. Raises `BadInput`."""
        return _scheme(self.log, "log", {"sqlite": "sqlite", "kafka": "kafka"})

    def scheme_of_store(self) -> str:
        """sqlite or postgresql. Raises `BadInput`."""
        schemes = {"sqlite": "sqlite", "postgresql": "postgresql", "postgres": "postgresql"}
        return _scheme(self.store_url(), "store", schemes)

    def store_url(self) -> str | None:
        """The store's URL in clear: it may hold a password."""
        return None if self.store is None else self.store.get_secret_value()

    def embedded(self) -> bool:
        """Is all of it in files of this machine?"""
        return (self.scheme_of_log(), self.scheme_of_store()) == ("sqlite", "sqlite")

    def log_file(self) -> Path:
        """The file of the embedded logs."""
        return _path(self.log) if self.log else self.data / "log.sqlite"

    def store_folder(self) -> Path:
        """The folder of the embedded store and read models."""
        url = self.store_url()
        return _path(url) if url and self.scheme_of_store() == "sqlite" else self.data


def _scheme(url: str | None, name: str, known: dict[str, str]) -> str:
    if not url:
        return "sqlite"
    scheme, separator, rest = url.partition("://")
    if scheme not in known or not separator or not rest.strip("/"):
        one = {"log": "sqlite:///FILE or kafka://HOST:PORT", "store": "sqlite:///FOLDER or postgresql://USER@HOST/DATABASE"}[name]
        # Without a scheme nobody knows which part of it is a password.
        said = f"{scheme}:// is not supported here" if separator and scheme.isalpha() else "that is no URL"
        raise BadInput(f"RENDEZVOUS_{name.upper()}", f"{said}; use {one}")
    return known[scheme]


def _path(url: str) -> Path:
    return Path(url.partition("://")[2][1:])  # sqlite:///data is a relative path, sqlite:////var/data an absolute one
