"""Delta: what changed in a calendar, round by round, behind links that only this simulator can read.

What must stay true:
- A round is settled when it begins: what changes while its pages are read comes in the next one. Any of its links may be followed again
  and answers the same.
- A link knows its mailbox, calendar, window and form of ids; the window need not be sent along, the form must be. One that is
  forgotten, or was reset, is 410, with where to begin anew.
- After a round its reader has every event of the window, if he takes the last mention of each id and drops what is removed. An event that
  changed and is not in the window is removed, whether it ever was in it or not.
- A series comes whole: the master, then all its occurrences in the window.
"""

from __future__ import annotations

import random
import re
from collections import OrderedDict
from collections.abc import Mapping
from typing import NamedTuple

from services.sandbox.office365_errors import Refusal, invalid
from services.sandbox.office365_mailboxes import Event, Mailbox, Shown, Window, in_window, occurrences
from services.sandbox.office365_showing import Preferences, in_delta, removed
from services.sandbox.office365_switches import Switches
from services.sandbox.office365_times import Json, say_ms, to_ms

# Windows may begin before 1970; a token has no room for a sign.
_AGES = 10**14

Told = Mapping[int, tuple[str, ...]]
"""The ids that a reader has, by the event's key."""


class Scope(NamedTuple):
    """What is followed: a calendar of a mailbox, in a window (None: all events, without occurrences), by ids of one form. `path` is where
    its links begin."""

    calendar: str
    window: Window | None
    immutable: bool
    path: str


class Known(NamedTuple):
    """What a reader knows after a round: everything up to `change` (-1: nothing yet)."""

    scope: Scope
    change: int
    told: Told


class Round(NamedTuple):
    """A round that is being read: its items, a series' together, and what its reader knows in the end."""

    groups: tuple[tuple[Json, ...], ...]
    after: Known


class Place(NamedTuple):
    """How far a round was read: `group` and `item` are the next to come; `empty`: an empty page comes first."""

    round: Round
    group: int
    item: int
    empty: bool
    last: Json | None


class Delta:
    """The links of one mailbox."""

    def __init__(self, box: Mailbox, chance: random.Random, switches: Switches) -> None:
        self._box, self._chance, self._switches = box, chance, switches
        self._links: OrderedDict[str, Known | Place] = OrderedDict()

    def begin(self, scope: Scope, prefer: Preferences) -> Json:
        """The first page of everything there is."""
        return self._page(self._place(Known(scope, -1, {}), prefer), prefer)

    def follow(self, token: str, fresh: str, prefer: Preferences) -> Json:
        """The page behind a link. Raises `Refusal`; `fresh` is where to begin anew if nobody knows better."""
        link = self._links.get(token)
        if link is None:
            raise gone(fresh, self._switches)
        if (link if isinstance(link, Known) else link.round.after).scope.immutable != prefer.immutable:
            # What Graph does then is not documented, only that it must not happen; here it is heard of at once.
            raise invalid("The IdType preference must be the same on every request of a round.", "ErrorInvalidParameter")
        place = self._place(link, prefer) if isinstance(link, Known) else link
        return self._page(place, prefer)

    def forget(self) -> None:
        """Every link is 410 from now on."""
        self._links.clear()

    # --- rounds ---

    def _place(self, known: Known, prefer: Preferences) -> Place:
        return Place(self._round(known, prefer), 0, 0, False, None)

    def _round(self, known: Known, prefer: Preferences) -> Round:
        told = dict(known.told)
        groups = []
        # Whoever knows nothing is not told of what is not there.
        first = known.change < 0
        for key in self._box.changed_since(known.change):
            items = self._of(key, known, told, prefer)
            if first:
                items = [item for item in items if "@removed" not in item]
            if items:
                groups.append(tuple(items))
        return Round(tuple(groups), Known(known.scope, self._box.changes, told))

    def _of(self, key: int, known: Known, told: dict[int, tuple[str, ...]], prefer: Preferences) -> list[Json]:
        """What a round says of one event that changed; what its reader then has of it goes into `told`."""
        event = self._box.events.get(key)
        had = told.pop(key, ())
        if event is None or event.calendar != known.scope.calendar:
            return [removed(id) for id in had or self._unseen(key, event, known)]
        shown = in_scope(event, known.scope)
        now = tuple(one.id(known.scope.immutable) for one in shown)
        if not now:
            return [removed(id) for id in had or (Shown(event).id(known.scope.immutable),)]
        told[key] = now
        lost = [id for id in had if id not in now]
        silent = self._switches.lost_occurrences == "silent" and Shown(event).id(known.scope.immutable) not in lost
        again = [one for one in shown if self._comes_again(one, event, known, had)]
        return [in_delta(one, self._box, prefer) for one in again] + [removed(id) for id in lost if not silent]

    def _comes_again(self, one: Shown, event: Event, known: Known, had: tuple[str, ...]) -> bool:
        """Does it come, its event having changed? Everything does, unless the change was in exceptions alone and these come alone."""
        if self._switches.series_again or event.change > known.change or one.id(known.scope.immutable) not in had:
            return True
        return one.exception is not None and one.exception.change > known.change

    def _unseen(self, key: int, event: Event | None, known: Known) -> tuple[str, ...]:
        """The id of something that is gone before its reader saw it."""
        if event is not None:
            return ()  # it is in another calendar, and always was as far as this reader knows
        return tuple(id for id in (self._box.tombstone(key, known.scope.calendar, immutable=known.scope.immutable),) if id)

    # --- pages ---

    def _page(self, place: Place, prefer: Preferences) -> Json:
        size = prefer.page or self._switches.page
        items, rest = self._cut(place, size)
        scope = place.round.after.scope
        if rest is not None:
            link = f"{scope.path}?$skiptoken={self._keep(rest)}"
            return {"@odata.nextLink": link, "value": items}
        return {"@odata.deltaLink": f"{scope.path}?$deltatoken={self._keep(place.round.after)}", "value": items}

    def _cut(self, place: Place, size: int) -> tuple[list[Json], Place | None]:
        """A page's items, and where the next one begins."""
        if place.empty:
            return [], place._replace(empty=False)
        items = [place.last] if place.last is not None else []
        group, item = place.group, place.item
        while group < len(place.round.groups) and len(items) < size:
            whole = place.round.groups[group]
            upto = len(whole) if not self._switches.split_series else min(len(whole), item + size - len(items))
            items += whole[item:upto]
            group, item = (group + 1, 0) if upto == len(whole) else (group, upto)
        if group >= len(place.round.groups):
            return items, None
        # A page of one that begins with the one before would never come to an end.
        repeat = items[-1] if self._switches.repeated_items and items and size > 1 else None
        return items, Place(place.round, group, item, self._switches.empty_pages, repeat)

    def _keep(self, link: Known | Place) -> str:
        scope = (link if isinstance(link, Known) else link.round.after).scope
        token = f"R0usmc{self._chance.randbytes(12).hex()}{_packed(scope.window)}"
        self._links[token] = link
        while len(self._links) > self._switches.kept_tokens:
            self._links.popitem(last=False)
        return token


def in_scope(event: Event, scope: Scope) -> list[Shown]:
    """What of an event is in a scope: itself, or a series with what it makes there; a series that makes nothing there is not."""
    single = Shown(event)
    if scope.window is None:
        return [single, *occurrences(event, None)]
    made = in_window(event, scope.window)
    return made if event.recurrence is None or not made else [single, *made]


def _packed(window: Window | None) -> str:
    """A window at the end of a token, so that even a forgotten one tells where to begin anew."""
    edges = (0, 0) if window is None else (to_ms(window.start), to_ms(window.end))
    return "".join(f"{edge + _AGES:012x}" for edge in edges)


def window_of(token: str) -> str:
    """The window of a token as the beginning of a query; nothing if it has none.

    >>> window_of(f"R0usmc{10**14:012x}{10**14 + 86_400_000:012x}")
    'startDateTime=1970-01-01T00:00:00Z&endDateTime=1970-01-02T00:00:00Z&'
    """
    edges = [int(part, 16) - _AGES for part in (token[-24:-12], token[-12:]) if re.fullmatch(r"[0-9a-f]{12}", part)]
    if len(edges) < 2 or edges == [0, 0]:
        return ""
    return f"startDateTime={say_ms(edges[0])}&endDateTime={say_ms(edges[1])}&"


def gone(location: str, switches: Switches) -> Refusal:
    """410, or as it is switched: the reader must begin anew."""
    return Refusal(
        switches.reset_status,
        switches.reset_code,
        "The sync state generation is not found; continue with full sync.",
        {"Location": location},
    )


def unsupported(names: list[str]) -> Refusal:
    """400: a delta knows none of these."""
    return invalid(f"The following parameters are not supported with change tracking over the 'Events' resource: '{', '.join(names)}'.")
