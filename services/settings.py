"""Settings: flags, then RENDEZVOUS_* variables, then rendezvous.toml in the working folder, then the defaults here."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from domain.errors import BadInput


class Settings(BaseSettings):
    """What an operator may choose. Every field is a variable of its name in capitals after RENDEZVOUS_."""

    model_config = SettingsConfigDict(env_prefix="RENDEZVOUS_", toml_file="rendezvous.toml", extra="ignore")

    data: Path = Field(default=Path("data"), description="folder of the embedded store and log")
    log: str | None = Field(default=None, description="where the logs are; sqlite:///FILE, default: in the data folder")
    store: str | None = Field(default=None, description="where events and read models are; sqlite:///FOLDER, default: the data folder")
    host: str = Field(default="127.0.0.1", description="address the API listens on")
    port: int = Field(default=8321, ge=0, le=65535, description="port the API listens on; 0: any free one")
    log_level: str = Field(default="warning", description="debug, info, warning or error")

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

    def log_file(self) -> Path:
        """The file of the embedded logs."""
        return _sqlite(self.log, "log") if self.log else self.data / "log.sqlite"

    def store_folder(self) -> Path:
        """The folder of the embedded store and read models."""
        return _sqlite(self.store, "store") if self.store else self.data


def _sqlite(url: str, name: str) -> Path:
    scheme, separator, rest = url.partition("://")
    if scheme != "sqlite" or not separator or not rest.strip("/"):
        raise BadInput(f"RENDEZVOUS_{name.upper()}", f"{scheme}:// is not supported here; use sqlite:///PATH")
    return Path(rest[1:])  # sqlite:///data is a relative path, sqlite:////var/data an absolute one
