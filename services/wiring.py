"""What is running, put together in one place: plain constructor calls, top to bottom. Only this file knows the adapters."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from adapters.google import translate as google
from adapters.hubspot import translate as hubspot
from adapters.office365 import translate as office365
from adapters.sqlite.keys import SqliteKeys
from adapters.sqlite.log import SqliteDeadLetters, SqliteDomainLog, SqliteSourceLog
from adapters.sqlite.store import SqliteStore
from adapters.sqlite.tokens import SqliteTokens
from adapters.sqlite.views import SqliteViews
from adapters.vault import SealingVault
from adapters.wording import Translated
from services.explain import Explainer
from services.project import Project
from services.publish import Publisher
from services.reading import Reading
from services.relay import Relay
from services.settings import Settings
from services.sync import Sync
from services.tokens import Tokens


def now() -> int:
    """Our clock, in milliseconds since 1970 UTC."""
    return time.time_ns() // 1_000_000


class Installation:
    """One installation's parts, each opened when first asked for."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        settings.store_folder().mkdir(parents=True, exist_ok=True)
        settings.log_file().parent.mkdir(parents=True, exist_ok=True)

    @cached_property
    def source(self) -> SqliteSourceLog:
        """The source log."""
        return SqliteSourceLog(self.settings.log_file())

    @cached_property
    def domain_log(self) -> SqliteDomainLog:
        """The domain log."""
        return SqliteDomainLog(self.settings.log_file())

    @cached_property
    def dead(self) -> SqliteDeadLetters:
        """The dead letters."""
        return SqliteDeadLetters(self.settings.log_file())

    @cached_property
    def store(self) -> SqliteStore:
        """Events and the indexes decided by."""
        return SqliteStore(self.settings.store_folder() / "store.sqlite")

    @cached_property
    def vault(self) -> SealingVault:
        """People's keys."""
        return SealingVault(SqliteKeys(self.settings.store_folder() / "vault.sqlite"))

    @property
    def views_file(self) -> Path:
        """The file of the live read models."""
        return self.settings.store_folder() / "views.sqlite"

    @cached_property
    def views(self) -> SqliteViews:
        """The live read models."""
        return SqliteViews(self.views_file)

    def views_beside(self) -> SqliteViews:
        """An empty second set of read models, for a rebuild."""
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self.rebuilt_file}{suffix}").unlink(missing_ok=True)
        return SqliteViews(self.rebuilt_file)

    @property
    def rebuilt_file(self) -> Path:
        """The file of the read models being rebuilt."""
        return self.settings.store_folder() / "views.rebuilt.sqlite"

    @cached_property
    def tokens(self) -> Tokens:
        """Who may ask."""
        return Tokens(SqliteTokens(self.settings.store_folder() / "tokens.sqlite"), now)

    @cached_property
    def publisher(self) -> Publisher:
        """The door for source events."""
        return Publisher(self.source, self.vault, now)

    @cached_property
    def reading(self) -> Reading:
        """Answers from the read models."""
        return Reading(self.views, self.vault, self.store)

    @cached_property
    def explainer(self) -> Explainer:
        """Why something is, or is not, in a timeline."""
        return Explainer(self.views, self.vault, self.store)

    def sync(self) -> Sync:
        """The deciding role."""
        return Sync(self.source, self.store, self.vault, self.dead, now)

    def relay(self) -> Relay:
        """The publishing role."""
        return Relay(self.store, self.domain_log)

    def project(self, views: SqliteViews | None = None) -> Project:
        """The folding role."""
        return Project(self.domain_log, views or self.views, self.vault)


def translate(
    provider: str,
    bodies: Iterable[object],
    *,
    account: str,
    user: str | None,
    calendar: str | None,
    window: tuple[datetime, datetime] | None,
    owners: Mapping[str, str] | None,
) -> Translated:
    """Provider bodies as source events. `user` is required for calendars."""
    if provider == "hubspot":
        return hubspot.translate(bodies, account=account, user=user, owners=owners)
    assert user is not None
    if provider == "google":
        return google.translate(bodies, account=account, user=user, calendar=calendar)
    return office365.translate(bodies, account=account, user=user, calendar=calendar, window=window)


def rows_of_csv(text: str) -> list[dict[str, Any]]:
    """The rows of a CSV export of CRM objects."""
    return list(hubspot.rows(text))


def owners_map(bodies: Iterable[object]) -> dict[str, str]:
    """CRM owner id to user id."""
    return dict(hubspot.owners_map(bodies))
