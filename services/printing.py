"""Timelines, explanations and histories for people at a terminal. Text of meetings is never read as markup."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from services.sentences import counted


class Paper(Console):
    """Where people read: a reader who has gone is told to whoever writes, instead of ending the process as a failure."""

    def on_broken_pipe(self) -> None:
        """See rich, which calls it while the error is being handled."""
        raise BrokenPipeError


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


def print_explained(say: Console, explained: dict[str, Any], shown: Mapping[str, dict[str, Any]] | None = None, most: int = 10) -> None:
    """The sentence, then the chain of decisions, then what was written outside. Of several meetings the newest `most` are told apart,
    newest first, each with its time and title if `shown`, by meeting, has a body of it."""
    say.print(escape(explained["sentence"]), style="bold")
    by_meeting = decided_by_meeting(explained)
    if len(by_meeting) < 2:
        for one in explained["decisions"]:
            _print_reason(say, one)
    else:
        for one in explained["decisions"]:
            if one["meeting"] is None:
                _print_reason(say, one)
        for meeting, reasons in list(by_meeting.items())[:most]:
            say.print(f"  {_called((shown or {}).get(meeting))}  [dim]{meeting}[/dim]")
            for one in reasons:
                _print_reason(say, one, "    ")
        if len(by_meeting) > most:
            say.print(f"  [dim]and {counted(len(by_meeting) - most, 'older meeting')}: use --limit[/dim]")
    for write in explained.get("writes") or []:
        say.print(f"  {write['state']}: {write['sentence']}", markup=False)
    for check in explained.get("check") or []:
        say.print(f"  check: {check}", markup=False)


def decided_by_meeting(explained: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """The decisions about meetings, those of each in order; the meeting that was decided about last comes first."""
    found: dict[str, list[dict[str, Any]]] = {}
    for one in reversed(explained["decisions"]):
        if one["meeting"] is not None:
            found.setdefault(one["meeting"], []).insert(0, one)
    return found


def _print_reason(say: Console, one: dict[str, Any], indent: str = "  ") -> None:
    say.print(f"{indent}[cyan]{one['rule']}[/cyan] {one['outcome']}  ", end="")
    say.print(one.get("sentence") or "", markup=False, end="")
    say.print(f"  [dim]{escape(str(one.get('event') or ''))}, {one['at']}[/dim]")


def _called(meeting: dict[str, Any] | None) -> str:
    """A meeting as a line says it. Of one that no timeline shows there is nothing to say."""
    content = None if meeting is None else meeting.get("content")
    if not content:
        return "a meeting that is in no timeline"
    return f"[bold]{_when(content)}[/bold]  {escape(content.get('title') or '(no title)')}"


def print_history(say: Console, answer: dict[str, Any]) -> None:
    """A meeting's events, one a line."""
    for one in answer["events"]:
        changed = ", ".join(one.get("changed") or ())
        say.print(f"[cyan]{one['name']}[/cyan]  {one['at']}  ", end="")
        say.print(f"{changed}  because of {one['cause']}", markup=False)
