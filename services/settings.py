"""Settings: flags, then RENDEZVOUS_* variables, then rendezvous.toml in the working folder, then the defaults here.

What must stay true: what cannot be used is refused by its name, and never shown: it may be a secret.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

from pydantic import Field, ModelWrapValidatorHandler, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from domain.errors import BadInput

_DATABASES = {"postgresql": "postgresql", "postgres": "postgresql"}
_STORES = {"sqlite": "sqlite"} | _DATABASES
_PREFIX, _FILE = "RENDEZVOUS_", "rendezvous.toml"


class DatabaseAt(NamedTuple):
    """A schema in a PostgreSQL database. The DSN may hold a password."""

    dsn: str
    schema: str


class Settings(BaseSettings):
    """What an operator may choose. Every field is a variable of its name in capitals after RENDEZVOUS_. Making them raises `BadInput`
    for a value of the wrong kind, for a file that is no TOML, and for a name in it that is none of these."""

    model_config = SettingsConfigDict(env_prefix=_PREFIX, toml_file=_FILE, extra="ignore")

    data: Path = Field(default=Path("data"), description="folder of the embedded store and log")
    log: str | None = Field(
        default=None, description="where the logs are: sqlite:///FILE or kafka://HOST:PORT[,HOST:PORT]; default: in the data folder"
    )
    store: SecretStr | None = Field(
        default=None,
        description="where events and read models are: sqlite:///FOLDER or postgresql://...[?schema=NAME], several by blanks: a shard "
        "each, in this order; default: the data folder",
    )
    store_read: SecretStr | None = Field(
        default=None, description="what `serve` reads timelines from: a standby for each store, in the same order; default: the stores"
    )
    store_schema: str = Field(default="rendezvous", description="PostgreSQL schema, so that installations can share a database")
    host: str = Field(default="127.0.0.1", description="address the API listens on")
    port: int = Field(default=8321, ge=0, le=65535, description="port the API listens on; 0: any free one")
    monitor: int | None = Field(
        default=None, ge=0, le=65535, description="port of a role's metrics and health, or of those of `up`; default: none"
    )
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

    public_url: str | None = Field(default=None, description="where browsers and providers reach the API: https://HOST[/PREFIX]")
    keys: SecretStr | None = Field(
        default=None,
        description="keys that tokens of providers are sealed under: ID:BASE64,..., the newest last; default: a file of the store",
    )
    google_client_id: str | None = Field(default=None, description="of our app at Google; without, Google is not set up")
    google_client_secret: SecretStr | None = Field(default=None, description="of our app at Google")
    google_login_url: str = Field(default="https://accounts.google.com", description="where users give Google's consent")
    google_token_url: str = Field(default="https://oauth2.googleapis.com", description="where Google gives tokens")
    google_api_url: str = Field(default="https://www.googleapis.com/calendar/v3", description="Google's calendar API")
    office365_client_id: str | None = Field(default=None, description="of our app at Microsoft; without, Office 365 is not set up")
    office365_client_secret: SecretStr | None = Field(default=None, description="of our app at Microsoft")
    office365_tenant: str = Field(
        default="common", description="whose users may connect: a directory's id or domain, organizations, or common"
    )
    office365_login_url: str = Field(default="https://login.microsoftonline.com", description="Entra; national clouds have their own")
    office365_api_url: str = Field(
        default="https://graph.microsoft.com/v1.0", description="Microsoft Graph; national clouds have their own"
    )
    hubspot_client_id: str | None = Field(default=None, description="of our app at HubSpot; without, HubSpot is not set up")
    hubspot_client_secret: SecretStr | None = Field(default=None, description="of our app at HubSpot; it also signs HubSpot's webhooks")
    hubspot_login_url: str = Field(default="https://app.hubspot.com", description="where our app is installed in a portal")
    hubspot_api_url: str = Field(default="https://api.hubapi.com", description="HubSpot's API")
    hubspot_api_version: str = Field(default="v3", description="of its objects: v3, or a dated one such as 2026-03")
    hubspot_oauth_version: str = Field(default="2026-03", description="of its OAuth API; v1 ends in February 2027")
    hubspot_scopes: str | None = Field(
        default=None, description="permissions asked for, separated by blanks, if not those in docs/connecting.md"
    )

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
        return init_settings, env_settings, _from_file(settings_cls)

    @model_validator(mode="wrap")
    @classmethod
    def _usable(cls, told: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        try:
            return handler(told)
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            name = str(first["loc"][0]) if first["loc"] else "settings"
            raise BadInput(_where(name), first["msg"].lower()) from None

    def scheme_of_log(self) -> str:
        """sqlite or kafka. Raises `BadInput`."""
        return _scheme(self.log, "log", {"sqlite": "sqlite", "kafka": "kafka"})

    def scheme_of_store(self) -> str:
        """sqlite or postgresql. Raises `BadInput`."""
        urls = _separate(self.store_url())
        kinds = {_scheme(url, "store", _STORES) for url in urls} or {"sqlite"}
        if len(urls) > 1 and kinds != {"postgresql"}:
            raise BadInput("RENDEZVOUS_STORE", "of several stores each is a postgresql:// URL")
        return kinds.pop()

    def store_url(self) -> str | None:
        """The store's URL in clear, or those of all stores: they may hold passwords."""
        return None if self.store is None else self.store.get_secret_value()

    def databases(self) -> list[DatabaseAt]:
        """The stores, if they are in PostgreSQL: the first is number 0. Raises `BadInput`, also if two are the same."""
        found = [_located(url, self.store_schema) for url in _separate(self.store_url())]
        if len(set(found)) < len(found):
            raise BadInput(
                "RENDEZVOUS_STORE", "names a store twice; of one database each takes another schema: postgresql://...?schema=NAME"
            )
        return found

    def replicas(self) -> list[DatabaseAt]:
        """What `serve` reads from instead of the stores: none, or one for each. Raises `BadInput`."""
        urls, stores = _separate(None if self.store_read is None else self.store_read.get_secret_value()), self.databases()
        if urls and len(urls) != len(stores):
            raise BadInput("RENDEZVOUS_STORE_READ", f"names {len(urls)} for {len(stores)} stores: one for each, in the same order")
        for url in urls:
            _scheme(url, "store_read", _DATABASES)
            if "load_balance_hosts=random" in url:
                raise BadInput(
                    "RENDEZVOUS_STORE_READ", "an answer comes from one server: let a process read from one, and balance processes"
                )
        return [_located(url, store.schema) for url, store in zip(urls, stores, strict=False)]

    def embedded(self) -> bool:
        """Is all of it in files of this machine?"""
        return (self.scheme_of_log(), self.scheme_of_store()) == ("sqlite", "sqlite")

    def public(self) -> str | None:
        """The public address, without a stroke at its end. Raises `BadInput` if it is none. Plain http is for this machine: providers
        send people and their own calls to https addresses only."""
        if self.public_url is None:
            return None
        parts = urlsplit(self.public_url)
        loopback = parts.hostname in ("127.0.0.1", "::1", "localhost")
        if not parts.hostname or parts.query or parts.fragment or parts.scheme not in (("https", "http") if loopback else ("https",)):
            raise BadInput("RENDEZVOUS_PUBLIC_URL", f"{self.public_url!r}: write https://HOST or https://HOST/PREFIX")
        return self.public_url.rstrip("/")

    def app_of(self, provider: str) -> tuple[str, str] | None:
        """The client id and secret of our app at a provider; None if it is not set up. Raises `BadInput` if one of the two is missing."""
        id_, secret = getattr(self, f"{provider}_client_id"), getattr(self, f"{provider}_client_secret")
        clear = None if secret is None else secret.get_secret_value()
        if bool(id_) != bool(clear):
            name = f"RENDEZVOUS_{provider.upper()}_CLIENT_{'SECRET' if id_ else 'ID'}"
            raise BadInput(name, "required: a client id and its secret go together")
        return (id_, clear) if id_ and clear else None

    def log_file(self) -> Path:
        """The file of the embedded logs."""
        return _path(self.log) if self.log else self.data / "log.sqlite"

    def store_folder(self) -> Path:
        """The folder of the embedded store and read models."""
        url = self.store_url()
        return _path(url) if url and self.scheme_of_store() == "sqlite" else self.data


def _from_file(settings: type[BaseSettings]) -> TomlConfigSettingsSource:
    """What the file says, all of it known. Raises `BadInput`."""
    try:
        source = TomlConfigSettingsSource(settings)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadInput(_FILE, f"no TOML: {error}") from error
    for name in source.toml_data:
        if name not in settings.model_fields:
            near = difflib.get_close_matches(name, settings.model_fields, 1)
            raise BadInput(_FILE, f"no setting is called {name!r}" + (f"; did you mean {near[0]!r}?" if near else ""))
    return source


def _where(name: str) -> str:
    """What to look at for a field's value: the variable if there is one, for it wins over the file."""
    variable = f"{_PREFIX}{name.upper()}"
    return variable if variable in map(str.upper, os.environ) else f"{_FILE}: {name}"


def _separate(urls: str | None) -> list[str]:
    """Several URLs, one after the other. A comma alone stands inside of one, between its hosts."""
    return re.split(r"[\s,]+(?=[a-z]+://)", urls.strip()) if urls and urls.strip() else []


def _located(url: str, schema: str) -> DatabaseAt:
    """libpq knows no `schema` and refuses what it does not know, so that is ours to take out.

    >>> _located("postgresql://db/r?schema=one&sslmode=require", "rendezvous")
    DatabaseAt(dsn='postgresql://db/r?sslmode=require', schema='one')
    """
    place, _, query = url.partition("?")
    named = [word for word in query.split("&") if word]
    rest = "&".join(word for word in named if not word.startswith("schema="))
    told = [word.removeprefix("schema=") for word in named if word.startswith("schema=")]
    return DatabaseAt(f"{place}?{rest}" if rest else place, told[-1] if told else schema)


def _scheme(url: str | None, name: str, known: dict[str, str]) -> str:
    if not url:
        return "sqlite"
    scheme, separator, rest = url.partition("://")
    if scheme not in known or not separator or not rest.strip("/"):
        one = {
            "log": "sqlite:///FILE or kafka://HOST:PORT",
            "store": "sqlite:///FOLDER or postgresql://USER@HOST/DATABASE",
            "store_read": "postgresql://USER@HOST/DATABASE",
        }[name]
        # Without a scheme nobody knows which part of it is a password.
        said = f"{scheme}:// is not supported here" if separator and scheme.isalpha() else "that is no URL"
        raise BadInput(f"RENDEZVOUS_{name.upper()}", f"{said}; use {one}")
    return known[scheme]


def _path(url: str) -> Path:
    return Path(url.partition("://")[2][1:])  # sqlite:///data is a relative path, sqlite:////var/data an absolute one
