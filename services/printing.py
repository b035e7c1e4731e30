"""Timelines, explanations and histories for people at a terminal. Text of meetings is never read as markup."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

_COLOURS = {"confirmed": "green", "tentative": "yellow", "cancelled": "red"}


def print_timeline(say: Console, answer: dict[str, Any]) -> None:
    """A contact's entries as a table."""
    contact = answer.get("contact") or {}
    name = contact.get("name") or contact.get("email") or contact.get("id") or "contact"
    say.print(f"[bold]{escape(str(name))}[/bold] (contact {escape(str(contact.get('id')))})")
    table = Table("when", "title", "status", "with", "from", box=None, pad_edge=False)
    for entry in answer["entries"]:
        status = entry["status"]
        people = [p.get("name") or p.get("email") or "?" for p in entry["participants"]]
        table.add_row(
            _when(entry),
            escape(entry.get("title") or "(no title)"),
            f"[{_COLOURS.get(status, 'white')}]{status}[/]",
            escape(", ".join(people[:3]) + (f" +{len(people) - 3}" if len(people) > 3 else "")),
            entry["origin"],
        )
    say.print(table if answer["entries"] else "no entries")
    if answer.get("next"):
        say.print("[dim]there are more: use --limit, --from and --to[/dim]")


def _when(entry: dict[str, Any]) -> str:
    if entry["allDay"]:
        return str(entry["start"])
    return str(entry["start"]).replace("T", " ").replace(":00Z", "Z")


def print_explained(say: Console, explained: dict[str, Any]) -> None:
    """The sentence, then the chain of decisions, then what was written outside."""
    say.print(escape(explained["sentence"]), style="bold")
    for one in explained["decisions"]:
        say.print(f"  [cyan]{one['rule']}[/cyan] {one['outcome']}  ", end="")
        say.print(one.get("sentence") or "", markup=False, end="")
        say.print(f"  [dim]{escape(str(one.get('event') or ''))}[/dim]")
    for write in explained.get("writes") or []:
        say.print(f"  {write['state']}: {write['sentence']}", markup=False)
    for check in explained.get("check") or []:
        say.print(f"  check: {check}", markup=False)


def print_history(say: Console, answer: dict[str, Any]) -> None:
    """A meeting's events, one a line."""
    for one in answer["events"]:
        changed = ", ".join(one.get("changed") or ())
        say.print(f"[cyan]{one['name']}[/cyan]  {one['at']}  ", end="")
        say.print(f"{changed}  because of {one['cause']}", markup=False)
