"""Look an installation over and say what a person should look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec import Struct

if TYPE_CHECKING:
    from services.wiring import Installation, Shard


class Check(Struct, frozen=True):
    """One thing looked at."""

    name: str
    ok: bool
    says: str


class Report(Struct, frozen=True):
    """All of them."""

    ok: bool
    checks: list[Check]


def examine(parts: Installation) -> Report:
    """Files, positions and lag, dead letters. Changes nothing."""
    relayed, projected = [[look(shard) for shard in parts.shards] for look in (_relayed, _projected)]
    checks = [_where(parts), _decided(parts), *_numbered(relayed), *_numbered(projected), _dead(parts), *_sound(parts)]
    return Report(all(c.ok for c in checks), checks)


def _numbered(checks: list[Check]) -> list[Check]:
    """Of several stores each check says which one it is of."""
    if len(checks) == 1:
        return checks
    return [Check(f"{check.name}, store {number}", check.ok, check.says) for number, check in enumerate(checks, 1)]


def _where(parts: Installation) -> Check:
    places = [where for where in (parts.where_logs(), parts.where_store()) if where]
    if parts.settings.scheme_of_store() == "sqlite":
        folder = parts.settings.store_folder()
        size = sum(f.stat().st_size for f in folder.glob("*.sqlite*"))
        places.append(f"{folder.resolve()}, {size / 1_048_576:,.1f} MiB")
    return Check("stored in", True, "; ".join(places))


def _decided(parts: Installation) -> Check:
    lag = sum(parts.source.end(p) - parts.shard_of_partition(p).store.place(p) for p in parts.source.partitions())
    return Check("source log", lag == 0, "every source event is decided" if lag == 0 else f"{lag:,} source events wait: run `sync` or `up`")


def _relayed(parts: Shard) -> Check:
    lag = parts.store.end() - parts.domain_log.last_id()
    return Check("domain log", lag == 0, "every domain event is published" if lag == 0 else f"{lag:,} wait: run `relay` or `up`")


def _projected(parts: Shard) -> Check:
    lag = parts.domain_log.end() - parts.views.position()
    counts = ", ".join(f"{count:,} {name}" for name, count in parts.views.counts().items())
    return Check("read models", lag == 0, counts if lag == 0 else f"{lag:,} domain events wait: run `project` or `up`")


def _dead(parts: Installation) -> Check:
    waiting = len(parts.dead.list(None, "", 1000, "waiting"))
    return Check("dead letters", waiting == 0, "none wait" if waiting == 0 else f"{waiting:,} wait: see `rendezvous dead-letters list`")


def _sound(parts: Installation) -> list[Check]:
    import sqlite3

    checks: list[Check] = []
    if parts.settings.scheme_of_store() != "sqlite":
        return checks
    for file in sorted(parts.settings.store_folder().glob("*.sqlite")):
        connection = sqlite3.connect(file)
        says = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
        connection.close()
        checks.append(Check(file.name, says == "ok", "sound" if says == "ok" else says))
    return checks
