"""A user's link to a calendar, over time: which windows of activity there were.

Google or Office 365, never both (rule one-calendar). The windows follow from all activations and disconnections in the order
of the side's own times, so that the order of their arrival does not matter. Losing the authorisation ends no window.
"""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from domain.events import (
    ConnectionActivated,
    ConnectionDeauthorised,
    ConnectionDisconnected,
    DeletionsDiscarded,
    DeletionsHeld,
    DeletionsReleased,
)


class Fact(Struct, frozen=True, order=True):
    """One word about the connection; `verb` sorts a disconnection before an activation at the same instant."""

    at: int
    verb: str
    provider: str
    calendar: str = ""
    address: str = ""
    reason: str = ""


class Window(Struct, frozen=True):
    """[from_, to): when one calendar was connected. `to` is None while it is."""

    provider: str
    calendar: str
    address: str
    from_: int
    to: int | None = None


class Connection(Struct, frozen=True):
    """`windows` in order; `refused` the activations that were ignored (their times)."""

    user: str = ""
    facts: tuple[Fact, ...] = ()
    windows: tuple[Window, ...] = ()
    refused: tuple[int, ...] = ()
    authorised: bool = True
    reason: str | None = None
    held: dict[str, DeletionsHeld] = {}

    @property
    def live(self) -> Window | None:
        """The open window, if any."""
        return self.windows[-1] if self.windows and self.windows[-1].to is None else None

    def created_within(self, provider: str, created: int) -> bool:
        """Was a window of this provider open at `created`?"""
        for w in self.windows:  # noqa: SIM110 - any() with its generator takes three times as long, and there are several a source event
            if w.provider == provider and w.from_ <= created and (w.to is None or created < w.to):
                return True
        return False

    def created_within_any(self, created: int) -> bool:
        """Was any window of this user open at `created`?"""
        return any(w.from_ <= created and (w.to is None or created < w.to) for w in self.windows)

    def is_other_calendar(self, provider: str, calendar: str | None) -> bool:
        """Is this a calendar that was never the connected one, as far as is known? `primary` is everybody's own."""
        if calendar is None:
            return False
        name = calendar.casefold()
        if name == "primary":
            return False
        known = False
        for window in self.windows:
            if window.provider == provider and window.calendar:
                if window.calendar in (name, "primary"):
                    return False
                known = True
        return known

    def counts(self, provider: str, updated: int) -> bool:
        """Does a change made at `updated` count? Those before a window's end do, also when they arrive after it."""
        return any(w.provider == provider and (w.to is None or updated < w.to) for w in self.windows)


def evolve(state: Connection, event: object) -> Connection:
    """The connection after `event`."""
    match event:
        case ConnectionActivated():
            fact = Fact(event.at, "on", event.provider, (event.calendar or "").casefold(), event.address or "")
            return _with(replace(state, user=event.user), fact)
        case ConnectionDisconnected():
            return _with(state, Fact(event.at, "off", event.provider, reason=event.reason or ""))
        case ConnectionDeauthorised():
            return _with(state, Fact(event.at, "lost", event.provider, reason=event.reason or ""))
        case DeletionsHeld():
            return replace(state, held={**state.held, event.hold: event})
        case DeletionsReleased() | DeletionsDiscarded():
            return replace(state, held={h: e for h, e in state.held.items() if h != event.hold})
    return state


def _with(state: Connection, fact: Fact) -> Connection:
    facts = tuple(sorted({*state.facts, fact}))
    windows: list[Window] = []
    refused: list[int] = []
    authorised, reason = True, None
    for one in facts:
        live = windows[-1] if windows and windows[-1].to is None else None
        if one.verb == "on" and live is None:
            windows.append(Window(one.provider, one.calendar, one.address, one.at))
            authorised, reason = True, None
        elif one.verb == "on" and live is not None:
            if (live.provider, live.calendar) == (one.provider, one.calendar):
                authorised, reason = True, None
            else:
                refused.append(one.at)
        elif live is not None and live.provider == one.provider:
            reason = one.reason or None
            if one.verb == "off":
                windows[-1] = replace(live, to=one.at)
            else:
                authorised = False
    return replace(state, facts=facts, windows=tuple(windows), refused=tuple(refused), authorised=authorised, reason=reason)
