"""Look an installation over and say what a person should look at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, cast

from msgspec import Struct

from domain.outside import Cursor, Delivery, Grant, Link

if TYPE_CHECKING:
    from services.wiring import Installation, Shard
    from services.wiring_providers import Outside

HOUR_MS = 3_600_000
"""A feed that was not read for so long, a delivery that waits for so long, or a channel that ends so soon should be looked at."""

NAMED = 3
"""Links that are named; of more it is said how many."""

_PAGE = 1000


class Check(Struct, frozen=True):
    """One thing looked at."""

    name: str
    ok: bool
    says: str


class Report(Struct, frozen=True):
    """All of them."""

    ok: bool
    checks: list[Check]


def examine(parts: Installation, outside: Outside | None = None) -> Report:
    """Files, positions and lag, dead letters; with `outside`, and a provider set up, what is between us and the providers. Changes
    nothing."""
    relayed, projected = [[look(shard) for shard in parts.shards] for look in (_relayed, _projected)]
    checks = [_where(parts), _decided(parts), *_numbered(relayed), *_numbered(projected), _dead(parts)]
    checks += [*_left(parts), *_outside(outside), *_sound(parts)]
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


class _Beside(Protocol):
    """Read models that know of a second set beside them."""

    def left(self) -> bool:
        """Is there one whose builder is gone?"""


def _left(parts: Installation) -> list[Check]:
    """Said only where there is one: of a rebuild that was killed, and nobody has folded anything since."""
    says = "a rebuild that was killed left one, with people in clear: the next event that is folded removes it, or `rendezvous rebuild`"
    several = len(parts.shards) > 1
    left = [number for number, shard in enumerate(parts.shards, 1) if cast(_Beside, shard.views).left()]
    return [Check("second read models" + (f", store {number}" if several else ""), False, says) for number in left]


def _dead(parts: Installation) -> Check:
    waiting = len(parts.dead.list(None, "", 1000, "waiting"))
    return Check("dead letters", waiting == 0, "none wait" if waiting == 0 else f"{waiting:,} wait: see `rendezvous dead-letters list`")


# --- between us and the providers ---------------------------------------------------------------------------------------------


def _outside(outside: Outside | None) -> list[Check]:
    if outside is None or not outside.is_set_up:
        return []
    from services.wiring import now

    at, grants = now(), outside.grants.all()
    try:
        return [_permissions(grants), _feeds(outside, grants, at), _channels(outside, at), _failed(outside), _waiting(outside, at)]
    finally:
        outside.close()


def _permissions(grants: list[Grant]) -> Check:
    lost = [grant.link for grant in grants if grant.state == "lost"]
    live = sum(grant.state == "live" for grant in grants)
    says = f"{_many(len(lost), 'permission')} lost, of {_named(lost)}: have these users connect again"
    return Check("permissions", not lost, says if lost else f"{_many(live, 'permission')} live")


def _feeds(outside: Outside, grants: list[Grant], now: int) -> Check:
    """Those of a lost permission wait for it, and are told there."""
    live = {grant.link for grant in grants if grant.state == "live"}
    feeds = [cursor for cursor in outside.cursors.all() if cursor.link in live]
    late = [cursor for cursor in feeds if _is_late(cursor, now)]
    if not late:
        return Check("feeds", True, f"{_many(len(feeds), 'feed')} read within the hour")
    why = next((f"; {cursor.reason}" for cursor in late if cursor.reason), "")
    return Check(
        "feeds",
        False,
        f"{_many(len(late), 'feed')} not read for an hour, of {_named([c.link for c in late])}{why}: see the log of `ingest`",
    )


def _is_late(cursor: Cursor, now: int) -> bool:
    """One that was never read is late when it fails."""
    return cursor.failures > 0 if cursor.read_at is None else now - cursor.read_at > HOUR_MS


def _channels(outside: Outside, now: int) -> Check:
    """Renewed long before they end, so that one which ends soon was not."""
    ending = [one.link for one in outside.channels.ending(now + HOUR_MS) if one.state == "active"]
    says = (
        f"{_many(len(ending), 'channel')} ended or about to, of {_named(ending)}: does `ingest` run, and is RENDEZVOUS_PUBLIC_URL reached?"
    )
    return Check("channels", not ending, says if ending else "none is about to end")


def _failed(outside: Outside) -> Check:
    failed = outside.deliveries.all(None, "failed", "", _PAGE)
    says = f"{_many(len(failed), 'delivery')} failed: see `rendezvous deliveries list --state failed`"
    return Check("deliveries failed", not failed, says if failed else "none")


def _waiting(outside: Outside, now: int) -> Check:
    waiting = outside.deliveries.all(None, "waiting", "", _PAGE)
    late = [one for one in waiting if _waits_long(one, now)]
    why = next((f"; {one.reason}" for one in late if one.reason), "")
    says = f"{_many(len(late), 'delivery')} asked for more than an hour ago, for {_named([one.request.link for one in late])}{why}"
    return Check("deliveries waiting", not late, says if late else f"{_many(len(waiting), 'delivery')} on the way")


def _waits_long(delivery: Delivery, now: int) -> bool:
    return now - delivery.request.requested_at > HOUR_MS


def _many(count: int, what: str) -> str:
    several = f"{what.removesuffix('y')}ies" if what.endswith("y") else f"{what}s"
    return f"1 {what}" if count == 1 else f"{count:,} {several}"


def _named(links: list[Link]) -> str:
    """Accounts and CRM users, never an address."""
    different = list(dict.fromkeys(links))
    named = [f"account {account} {provider}" + (f" user {user}" if user else "") for account, provider, user in different[:NAMED]]
    return ", ".join(named) + (f" and {len(different) - NAMED:,} more" if len(different) > NAMED else "")


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
