"""`rendezvous deliver`, the role that writes to the providers, and `rendezvous deliveries`, an operator's view of what it has to write.

What must stay true: what is printed of a delivery says where it goes and what became of it, and nothing of what the meeting says or of
who is in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from domain.errors import NotFound
from domain.outside import Deliveries, Delivery
from domain.recurrence import moment
from services.sentences import counted

if TYPE_CHECKING:
    # Loaded where they are used: `rendezvous --help` need not wait for them.
    from services.monitor import Numbers
    from services.roles import Work
    from services.wiring import Installation

PAGE = 1000
"""Deliveries that are read at once."""

Data = Annotated[Path | None, typer.Option("--data", help="Folder of the embedded store and log. \\[default: ./data]", show_default=False)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON, one object a line.")]
UntilIdle = Annotated[bool, typer.Option("--until-idle", help="End when nothing is due any more.")]
Id = Annotated[str, typer.Argument(help="A delivery's id, from `deliveries list`.")]
Account = Annotated[str | None, typer.Option("--account", help="Only this account's.")]


class Known(StrEnum):
    """What became of a delivery."""

    WAITING = "waiting"
    DONE = "done"
    FAILED = "failed"
    SUPERSEDED = "superseded"


State = Annotated[Known | None, typer.Option("--state", help="Only those of this state.")]

Opened = Callable[["Installation"], Deliveries]
Wired = Callable[["Installation", "Numbers"], "Work"]


def add(app: typer.Typer, wired: Wired, opened: Opened) -> None:
    """The commands. `wired` makes the role's work of an installation, which tells the numbers how it is; `opened`
    only the table, which needs no provider's settings."""

    @app.command()
    def deliver(data: Data = None, until_idle: UntilIdle = False) -> None:
        """Write to calendars and CRM what was decided.

        Example: rendezvous deliver --until-idle
        """
        from services import roles
        from services.cli import installation

        parts = installation(data, begins=True)
        roles.run("deliver", parts, lambda numbers: wired(parts, numbers), until_idle)

    app.add_typer(_deliveries(opened), name="deliveries")


def _deliveries(opened: Opened) -> typer.Typer:
    group = typer.Typer(help="What is to be written to providers: list, show, retry, drop.", no_args_is_help=True)

    @group.command("list")
    def list_(data: Data = None, json: Json = False, account: Account = None, state: State = None) -> None:
        """List them, in the order of their ids.

        Example: rendezvous deliveries list --state failed
        """
        found = 0
        for one in _all(_opened(opened, data), account, state):
            _say(one, json)
            found += 1
        if not json:
            _print(counted(found, "delivery"))

    @group.command()
    def show(id: Id, data: Data = None, json: Json = False) -> None:
        """Where one goes, and what became of it.

        Example: rendezvous deliveries show 0123456789abcdef0123456789abcdef
        """
        one = _one(_opened(opened, data), id)
        if json:
            _say(one, json)
            return
        for name, value in _told(one).items():
            _print(f"{name:9} {', '.join(value) if isinstance(value, list) else value}")

    @group.command()
    def retry(id: Id, data: Data = None, json: Json = False) -> None:
        """Have one that failed tried again, after what it failed at was mended.

        Example: rendezvous deliveries retry 0123456789abcdef0123456789abcdef
        """
        from services.wiring import now

        deliveries = _opened(opened, data)
        if not deliveries.retry(id, now()):
            raise NotFound(f"{id} is {_one(deliveries, id).state}, and only what failed can be tried again")
        _settled(deliveries, id, "waits again", json)

    @group.command()
    def drop(id: Id, data: Data = None, json: Json = False) -> None:
        """Give up one that failed; what it said is forgotten.

        Example: rendezvous deliveries drop 0123456789abcdef0123456789abcdef
        """
        deliveries = _opened(opened, data)
        if not deliveries.drop(id):
            raise NotFound(f"{id} is {_one(deliveries, id).state}, and only what failed can be dropped")
        _settled(deliveries, id, "is dropped", json)

    return group


def _opened(opened: Opened, data: Path | None) -> Deliveries:
    from services.cli import installation

    return opened(installation(data))


def _settled(deliveries: Deliveries, id: str, says: str, json: bool) -> None:
    if json:
        _say(_one(deliveries, id), json)
    else:
        _print(f"{id} {says}")


def _all(deliveries: Deliveries, account: str | None, state: str | None) -> Iterator[Delivery]:
    after = ""
    while page := deliveries.all(account, state, after, PAGE):
        yield from page
        after = page[-1].request.id


def _one(deliveries: Deliveries, id: str) -> Delivery:
    found = deliveries.get(id)
    if found is None:
        raise NotFound(f"no delivery is called {id}; see `rendezvous deliveries list`")
    return found


def _told(one: Delivery) -> dict[str, Any]:
    """What may be printed of it; what there is nothing to say of is left out."""
    request = one.request
    told = {
        "delivery": request.id,
        "state": one.state,
        "account": request.link.account,
        "provider": request.link.provider,
        "user": request.link.user or request.owner,
        "meeting": str(request.meeting),
        "action": request.action,
        "changed": list(request.changed),
        "copy": request.copy,
        "tries": one.tries,
        "dueAt": _instant(one.due_at) if one.state == "waiting" else None,
        "reason": one.reason,
    }
    return {name: value for name, value in told.items() if value not in (None, "", [])}


def _instant(at: int) -> str:
    return moment(at).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _say(one: Delivery, json: bool) -> None:
    from services.cli import put

    if json:
        put(_told(one))
        return
    request = one.request
    why = f"  {one.reason}" if one.reason else ""
    _print(f"{request.id}  {one.state}  {request.action} {request.link.provider}  account {request.link.account}  tries {one.tries}{why}")


def _print(line: str) -> None:
    from services.cli import console

    console().print(line, markup=False)
