"""`rendezvous connections`: which calendars and portals are connected, connecting and disconnecting them, and the keys of their tokens.

What must stay true: no token and no key that is in use is printed; a link that is printed is a secret of its own until it was used, and
says so.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer
from typer.core import TyperGroup

from domain.asking import CRM
from domain.outside import Link
from domain.recurrence import moment

if TYPE_CHECKING:
    # Loaded where they are used: `rendezvous --help` need not wait for them.
    from services.connecting import Connecting
    from services.reading import Reading
    from services.rotating import Keeping
    from services.wiring import Installation

Account = Annotated[str, typer.Argument(help="The account (HubSpot portal id).")]
Provider = Annotated[str, typer.Argument(help="google, office365 or hubspot.")]
User = Annotated[str | None, typer.Option("--user", help="CRM user id of the calendar's owner; none for hubspot.")]
Data = Annotated[Path | None, typer.Option("--data", help="Folder of the embedded store and log. \\[default: ./data]", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, as the API would answer.")]

Wired = Callable[["Installation"], "Connecting"]
Kept = Callable[["Installation"], "Keeping"]
Fresh = Callable[["Installation", str], "Reading"]


class _ListByDefault(TyperGroup):
    """`connections 62515` lists, as it did before there was anything else to do."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """See click, of which typer has a copy of its own or not, by its version."""
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            args = ["list", *args]
        return super().parse_args(ctx, args)


def add(app: typer.Typer, wired: Wired, kept: Kept, fresh: Fresh) -> None:
    """The commands. `wired` makes what connects of an installation, `kept` tells what is sealed and under which keys; `fresh` answers
    about an account, and knows when its calendars were read last."""
    group = typer.Typer(
        help="Calendars and portals: list, connect, disconnect; the keys of their tokens.", no_args_is_help=True, cls=_ListByDefault
    )
    _add_looking(group, wired, fresh)
    _add_acting(group, wired)
    _add_keys(group, kept)
    app.add_typer(group, name="connections")


def _add_looking(group: typer.Typer, wired: Wired, fresh: Fresh) -> None:
    @group.command("list")
    def list_(account: Account, data: Data = None, json: Json = False) -> None:
        """The account's calendar connections and how they are.

        Example: rendezvous connections list 62515
        """
        parts = _installation(data)
        found = msgspec.json.decode(fresh(parts, account).connections(account))["connections"]
        if json:
            _put({"connections": found})
            return
        connecting = wired(parts)
        unread = connecting.unread(account)
        for one in found:
            why = f" ({one['reason']})" if one.get("reason") else ""
            _say(f"user {one['user']}  {one.get('provider')}  {one['state']}{why}  since {one.get('since')}")
            _say_unread(unread.get(Link(account, one.get("provider") or "", one["user"])))
            for held in one.get("held") or ():
                _say(f"  deletions held for a person as {held['hold']}: see `rendezvous held list {account}`")
        for line in _portal(connecting, account):
            _say(line)
            _say_unread(unread.get(Link(account, CRM)))
        if not found:
            _say(f"no calendar was ever connected in account {account}")


def _say_unread(reason: str | None) -> None:
    if reason is not None:
        _say(f"  could not be read when last tried: {reason}")


def _portal(connecting: Connecting, account: str) -> list[str]:
    grant = connecting.portal(account)
    if grant is None:
        return []
    why = f" ({grant.reason})" if grant.reason else ""
    return [f"portal {grant.tenant}  hubspot  {grant.state}{why}  since {_time(grant.granted_at)}"]


def _add_acting(group: typer.Typer, wired: Wired) -> None:
    @group.command()
    def connect(account: Account, provider: Provider, data: Data = None, user: User = None, json: Json = False) -> None:
        """Make a link to hand to a user, who opens it and gives his consent at the provider. It opens once, within a day.

        Example: rendezvous connections connect 62515 google --user 501
        """
        connecting = wired(_installation(data, begins=True))
        ticket = connecting.hand_over(connecting.link(account, provider, user))
        if json:
            _put({"url": ticket.url, "until": _time(ticket.until)})
            return
        print(ticket.url)  # standard output, for scripts
        _say(f"good once, until {_time(ticket.until)}: whoever opens it connects his own", stderr=True)

    @group.command()
    def disconnect(account: Account, provider: Provider, data: Data = None, user: User = None, json: Json = False) -> None:
        """Disconnect: revoke the permission at the provider, forget it here, read no more. What stands in the timelines stays.

        Example: rendezvous connections disconnect 62515 google --user 501
        """
        ended = wired(_installation(data)).disconnect(Link(account, provider, user or ""))
        if json:
            _put({"revoked": ended.revoked, "note": ended.note})
            return
        _say("disconnected, and forgotten by the provider" if ended.revoked else f"disconnected; {ended.note}")


def _add_keys(group: typer.Typer, kept: Kept) -> None:
    @group.command("new-key")
    def new_key(json: Json = False) -> None:
        """Print a new key for RENDEZVOUS_KEYS, as ID:BASE64. It is kept nowhere: whoever has it opens what is sealed under it.

        Example: rendezvous connections new-key >> keys
        """
        from services import rotating

        key = rotating.new_key()
        if json:
            _put({"id": key.partition(":")[0], "key": key})
        else:
            print(key)  # standard output, for scripts

    @group.command("rotate-keys")
    def rotate_keys(
        data: Data = None,
        remove: Annotated[bool, typer.Option("--remove-old", help="Instead: remove the keys that seal nothing any more.")] = False,
        json: Json = False,
    ) -> None:
        """Seal the providers' tokens under a new key. Restart what was running meanwhile, then call it with --remove-old.

        Example: rendezvous connections rotate-keys
        """
        from services import rotating

        keeping = kept(_installation(data))
        done = rotating.remove_old(keeping) if remove else rotating.rotate(keeping)
        if json:
            _put(done)
            return
        said = [f"key {done.added} added"] if done.added else []
        said += [f"{done.resealed:,} secrets sealed anew"]
        said += [f"keys removed: {', '.join(done.removed) or 'none'}"] if remove else []
        _say("; ".join(said))


def _time(ms: int) -> str:
    return moment(ms).isoformat(timespec="seconds").replace("+00:00", "Z")


def _installation(data: Path | None, begins: bool = False) -> Installation:
    from services.cli import installation

    return installation(data, begins=begins)


def _put(value: Any) -> None:
    from services.cli import put

    put(value)


def _say(line: str, stderr: bool = False) -> None:
    from services.cli import console

    console(stderr).print(line, markup=False)
