"""The demo's first part: the story told live, against made-up providers on this machine, over real HTTP."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from services.live import Live, Town
from services.story import Chapter, Story

Put = Callable[[object], None]

_STYLES = {"confirmed": "green", "cancelled": "red"}


def tell(folder: Path, put: Put) -> int:
    """Tell it with the installation kept in `folder`; how many calls to providers it took."""
    with Live(Town(), folder) as live:
        for number, chapter in enumerate(Story(live).tell(), 1):
            put("")
            put(Padding(Text.assemble((f"{number}. {chapter.title}  ", "bold"), chapter.did), (0, 0, 0, 3), expand=False))
            put(_shown(chapter))
        return sum(live.town.world.requests.counts.values())


def _shown(chapter: Chapter) -> Table:
    """What came of it, on both sides."""
    table = Table(box=None, show_header=False, padding=(0, 1), pad_edge=False)
    table.add_column(width=6)
    table.add_column(width=16, style="dim", no_wrap=True)
    table.add_column()
    table.add_row("", "Bo's timeline", _listed([(one.title, one.status) for one in chapter.timeline]))
    table.add_row("", "Ana's calendar", _listed(list(chapter.calendar)))
    table.add_row("", "invitations", Text(f"{chapter.invited} mailed to Bo by now"))
    for write in chapter.writes[-1:]:
        table.add_row("", "written", Text(write))
    if chapter.explained is not None:
        table.add_row("", "explain", Text(chapter.explained))
    return table


def _listed(entries: list[tuple[str, str]]) -> Text:
    if not entries:
        return Text("nothing", style="dim")
    parts = [(title, _STYLES.get(status, "")) for title, status in entries]
    text = Text()
    for n, (title, style) in enumerate(parts):
        text.append(", " if n else "").append(title, style=style)
        if style == "red":
            text.append(" (cancelled)", style="dim")
    return text
