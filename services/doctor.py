"""Look an installation over and say what a person should look at.

What must stay true: a part that is broken is a line of the report, and the others are looked at all the same.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec import Struct

from domain.errors import Stop
from domain.outside import Cursor, Delivery, Grant, Link
from services import folder
from services.held import every_hold
from services.sentences import counted

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
    checks = [check for name, look in _looks(parts, outside).items() for check in _looked(name, look)]
    return Report(all(c.ok for c in checks), checks)


def _looks(parts: Installation, outside: Outside | None) -> dict[str, Callable[[], list[Check]]]:
    """What is looked at, in order, each under the name that it has if it cannot be."""
    return {
        "stored in": lambda: [_where(parts)],
        "source log": lambda: [_decided(parts)],
        "domain log": lambda: _numbered([_relayed(shard) for shard in parts.shards]),
        "read models": lambda: _numbered([_projected(shard) for shard in parts.shards]),
        "dead letters": lambda: [_dead(parts)],
        "held deletions": lambda: [_held(parts)],
        "second read models": lambda: _left(parts),
        "providers": lambda: _outside(outside),
        "files": lambda: _sound(parts),
    }


def _looked(name: str, look: Callable[[], list[Check]]) -> list[Check]:
    """A file that is no database, or of another version, is a line like any other. A server that is away is not: it is waited for."""
    try:
        return look()
    except Stop as error:
        return [Check(name, False, str(error))]
    except Exception as error:
        # The library of the event store wraps what SQLite says in errors of its own.
        if not any(isinstance(one, sqlite3.Error) for one in (error, error.__cause__)):
            raise
        return [Check(name, False, f"sqlite: {error}")]


def _numbered(checks: list[Check]) -> list[Check]:
    """Of several stores each check says which one it is of."""
    if len(checks) == 1:
        return checks
    return [Check(f"{check.name}, store {number}", check.ok, check.says) for number, check in enumerate(checks, 1)]


def _where(parts: Installation) -> Check:
    places = [where for where in (parts.where_logs(), parts.where_store()) if where]
    if parts.settings.scheme_of_store() == "sqlite":
        place = parts.settings.store_folder()
        size = sum(f.stat().st_size for f in place.glob("*.sqlite*"))
        places.append(f"{place.resolve()}, {size / 1_048_576:,.1f} MiB")
    return Check("stored in", True, "; ".join(places))


def _decided(parts: Installation) -> Check:
    lag = sum(parts.source.end(p) - parts.shard_of_partition(p).store.place(p) for p in parts.source.partitions())
    return Check("source log", lag == 0, "every source event is decided" if lag == 0 else f"{lag:,} source events wait: run `sync` or `up`")


def _relayed(parts: Shard) -> Check:
    lag = parts.store.end() - parts.domain_log.last_id()
    return Check("domain log", lag == 0, "every domain event is published" if lag == 0 else f"{lag:,} wait: run `relay` or `up`")


def _projected(parts: Shard) -> Check:
    lag = parts.domain_log.end() - parts.views.position()
    counts = ", ".join(counted(count, _one_of(name)) for name, count in parts.views.counts().items())
    return Check("read models", lag == 0, counts if lag == 0 else f"{lag:,} domain events wait: run `project` or `up`")


def _one_of(several: str) -> str:
    return f"{several.removesuffix('ies')}y" if several.endswith("ies") else several.removesuffix("s")


def _left(parts: Installation) -> list[Check]:
    """Said only where there is one: of a rebuild that was killed, and nobody has folded anything since."""
    says = "a rebuild that was killed left one, with people in clear: the next event that is folded removes it, or `rendezvous rebuild`"
    several = len(parts.shards) > 1
    left = [number for number, shard in enumerate(parts.shards, 1) if shard.views.left()]
    return [Check("second read models" + (f", store {number}" if several else ""), False, says) for number in left]


def _dead(parts: Installation) -> Check:
    waiting = len(parts.dead.list(None, "", _PAGE, "waiting"))
    many = f"{waiting:,} or more" if waiting == _PAGE else f"{waiting:,}"
    says = f"{many} {'waits' if waiting == 1 else 'wait'}: see `rendezvous dead-letters list --state waiting`"
    return Check("dead letters", waiting == 0, says if waiting else "none wait")


def _held(parts: Installation) -> Check:
    """Deletions wait for a person, and nothing else does."""
    waiting = every_hold(parts)
    accounts = list(dict.fromkeys(account for account, _ in waiting))
    if not waiting:
        return Check("held deletions", True, "none")
    more = f" and {counted(len(accounts) - NAMED, 'more account')}" if len(accounts) > NAMED else ""
    says = f"{counted(len(waiting), 'listing')} would have removed unusually many meetings, in account {', '.join(accounts[:NAMED])}{more}"
    return Check("held deletions", False, f"{says}: see `rendezvous held list {accounts[0]}`")


# --- between us and the providers ---------------------------------------------------------------------------------------------


def _outside(outside: Outside | None) -> list[Check]:
    if outside is None or not outside.is_set_up:
        return []
    from services.wiring import now

    at, grants = now(), outside.grants.all()
    try:
        checks = [_permissions(grants), _feeds(outside, grants, at), *_unread(outside, grants)]
        return [*checks, _channels(outside, at), _failed(outside), _waiting(outside, at)]
    finally:
        outside.close()


def _permissions(grants: list[Grant]) -> Check:
    lost = [grant.link for grant in grants if grant.state == "lost"]
    live = sum(grant.state == "live" for grant in grants)
    says = f"{counted(len(lost), 'permission')} lost, of {_named(lost)}: have these users connect again"
    return Check("permissions", not lost, says if lost else f"{counted(live, 'permission')} live")


def _unread(outside: Outside, grants: list[Grant]) -> list[Check]:
    """Said only where there is something: what feeds go on without, and go on trying to read."""
    live = {grant.link for grant in grants if grant.state == "live"}
    partly = [c for c in outside.cursors.all() if c.link in live and c.reason and not c.failures and c.read_at is not None]
    if not partly:
        return []
    says = f"{counted(len(partly), 'feed')} could not read everything, of {_named([c.link for c in partly])}"
    return [Check("unread", False, f"{says}; {partly[0].reason}. It is tried again by itself")]


def _feeds(outside: Outside, grants: list[Grant], now: int) -> Check:
    """Those of a lost permission wait for it, and are told there."""
    live = {grant.link for grant in grants if grant.state == "live"}
    feeds = [cursor for cursor in outside.cursors.all() if cursor.link in live]
    late = [cursor for cursor in feeds if _is_late(cursor, now)]
    if not late:
        return Check("feeds", True, f"{counted(len(feeds), 'feed')} read within the hour")
    why = next((f"; {cursor.reason}" for cursor in late if cursor.reason), "")
    return Check(
        "feeds",
        False,
        f"{counted(len(late), 'feed')} not read for an hour, of {_named([c.link for c in late])}{why}: see the log of `ingest`",
    )


def _is_late(cursor: Cursor, now: int) -> bool:
    """One that was never read is late when it fails."""
    return cursor.failures > 0 if cursor.read_at is None else now - cursor.read_at > HOUR_MS


def _channels(outside: Outside, now: int) -> Check:
    """Renewed long before they end, so that one which ends soon was not."""
    ending = [one.link for one in outside.channels.ending(now + HOUR_MS) if one.state == "active"]
    many = f"{counted(len(ending), 'channel')} ended or about to, of {_named(ending)}"
    says = f"{many}: does `ingest` run, and is RENDEZVOUS_PUBLIC_URL reached?"
    return Check("channels", not ending, says if ending else "none is about to end")


def _failed(outside: Outside) -> Check:
    failed = outside.deliveries.all(None, "failed", "", _PAGE)
    says = f"{counted(len(failed), 'delivery')} failed: see `rendezvous deliveries list --state failed`"
    return Check("deliveries failed", not failed, says if failed else "none")


def _waiting(outside: Outside, now: int) -> Check:
    waiting = outside.deliveries.all(None, "waiting", "", _PAGE)
    late = [one for one in waiting if _waits_long(one, now)]
    why = next((f"; {one.reason}" for one in late if one.reason), "")
    says = f"{counted(len(late), 'delivery')} asked for more than an hour ago, for {_named([one.request.link for one in late])}{why}"
    return Check("deliveries waiting", not late, says if late else f"{counted(len(waiting), 'delivery')} on the way")


def _waits_long(delivery: Delivery, now: int) -> bool:
    return now - delivery.request.requested_at > HOUR_MS


def _named(links: list[Link]) -> str:
    """Accounts and CRM users, never an address."""
    different = list(dict.fromkeys(links))
    named = [f"account {account} {provider}" + (f" user {user}" if user else "") for account, provider, user in different[:NAMED]]
    return ", ".join(named) + (f" and {len(different) - NAMED:,} more" if len(different) > NAMED else "")


def _sound(parts: Installation) -> list[Check]:
    says = {file.name: folder.soundness(file) for file in folder.files(parts.settings)}
    return [Check(name, said == "ok", "sound" if said == "ok" else f"not sound: {said}") for name, said in says.items()]
