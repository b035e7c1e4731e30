"""The upkeep of push channels: every calendar that is read has one, and always a live one.

What must stay true:
- a channel is renewed long before it ends, so that a day on which nothing works costs none;
- where a provider renews none, the new one is open and known before the old one is closed, and the old one's words are taken meanwhile;
- after a channel was opened the calendar is read: what changed in between nobody told;
- a channel is a convenience: whatever fails here is tried again later, and the calendar is polled all the same. One link's failure is
  no other's.

Several processes may do this at once: of each link one does, by `Once`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import NamedTuple

import structlog
from msgspec.structs import replace

from domain.errors import Deauthorised, Refused, RendezvousError, Stop, TryAgain
from domain.outside import Channel, Channels, Cursors, Link, Once, Watch
from services.ingest import where

log = structlog.get_logger(__name__)

LOOK_MS = 30_000
"""How often it is looked whether something is to be done."""

SHARE = 0.6
"""The part of a channel's life after which it is renewed."""

OVERLAP_MS = 600_000
"""How long a channel stays open beside its successor."""

AT_ONCE = 25
"""Links whose channels are seen to between two looks at anything else."""

_FIRST_MS, _LONGEST_MS = 60_000, 3_600_000
_TURN_MS = 120_000
_FEED = "events"


class Hook(NamedTuple):
    """A provider's `watch`, and the address at which it shall tell us."""

    watch: Watch
    url: str


class _Waiting(NamedTuple):
    """A link that failed: when it is tried again, and how often it failed in a row."""

    until: int
    failures: int


class Watching:
    """Sees to the channels of all calendars. `hooks` are by provider; without any, nothing is done."""

    def __init__(self, cursors: Cursors, channels: Channels, once: Once, hooks: Mapping[str, Hook], clock: Callable[[], int]) -> None:
        self._cursors, self._channels, self._once, self._hooks, self._clock = cursors, channels, once, hooks, clock
        self._looked = -LOOK_MS
        self._todo: list[Link] = []
        self._waiting: dict[Link, _Waiting] = {}

    def step(self) -> int:
        """See to a few links, if it is time; how many channels were opened, renewed or closed."""
        now = self._clock()
        if not self._todo and now - self._looked >= LOOK_MS and self._hooks:
            self._looked = now
            self._todo = self._links(now)
        turn, self._todo = self._todo[:AT_ONCE], self._todo[AT_ONCE:]
        return sum(self._see_to(link) for link in turn)

    def _links(self, now: int) -> list[Link]:
        """Whose calendars are read, or were watched and are read no more; without those that wait."""
        read = [one.link for one in self._cursors.all() if one.feed == _FEED]
        self._waiting = {link: one for link, one in self._waiting.items() if link in set(read)}
        return [link for link in dict.fromkeys(read) if link.provider in self._hooks and self._is_due(link, now)]

    def _is_due(self, link: Link, now: int) -> bool:
        waiting = self._waiting.get(link)
        return waiting is None or waiting.until <= now

    def _see_to(self, link: Link) -> int:
        now = self._clock()
        channels = self._channels.of(link)
        if not self._is_work(channels, now) or not self._once.first("watching", "|".join(link), now + _TURN_MS, now):
            return 0
        try:
            done = self._tend(link, self._channels.of(link), now)
        except Stop:
            raise
        except Exception as error:
            # Also what is our own bug, met by what one provider said of one link: no other link's business.
            self._put_off(link, error, now)
            return 0
        self._waiting.pop(link, None)
        return done

    def _is_work(self, channels: Iterable[Channel], now: int) -> bool:
        active = [one for one in channels if one.state == "active"]
        return len(active) != 1 or _is_aging(active[0], now) or any(_is_over(one, active[0], now) for one in channels)

    def _tend(self, link: Link, channels: list[Channel], now: int) -> int:
        """Open or renew what has to be, and close what is over."""
        hook = self._hooks[link.provider]
        active = [one for one in channels if one.state == "active"]
        newest = max(active, key=lambda one: one.expires_at, default=None)
        done = 0
        if newest is None or newest.expires_at <= now:
            newest, done = self._opened(hook, link, now), 1
        elif _is_aging(newest, now):
            newest, done = self._renewed(hook, newest, now), 1
        for one in active:
            if one.id != newest.id:
                self._channels.put(replace(one, state="old"))
        return done + sum(self._closed(hook, one) for one in channels if one.id != newest.id and _is_over(one, newest, now))

    def _opened(self, hook: Hook, link: Link, now: int) -> Channel:
        channel = hook.watch.open(link, _FEED, hook.url, now)
        self._channels.put(channel)
        self._cursors.wake(link, _FEED, now)
        log.info("channel opened", account=link.account, provider=link.provider, user=link.user, expires_at=channel.expires_at)
        return channel

    def _renewed(self, hook: Hook, old: Channel, now: int) -> Channel:
        try:
            channel = hook.watch.renew(old, hook.url, now)
        except Refused:  # it is gone, and will be closed like any old one
            return self._opened(hook, old.link, now)
        self._channels.put(channel)
        if channel.id != old.id:
            self._cursors.wake(old.link, _FEED, now)
        log.info("channel renewed", account=old.link.account, provider=old.link.provider, user=old.link.user, expires_at=channel.expires_at)
        return channel

    def _closed(self, hook: Hook, channel: Channel) -> int:
        """Closed at the provider, unless it ended by itself, and forgotten."""
        if channel.expires_at > self._clock():
            hook.watch.close(channel)
        self._channels.drop(channel.link.provider, channel.id)
        return 1

    def _put_off(self, link: Link, error: Exception, now: int) -> None:
        failures = self._waiting[link].failures + 1 if link in self._waiting else 1
        wait_ms = _LONGEST_MS if isinstance(error, Deauthorised) else min(_FIRST_MS * 2 ** min(failures - 1, 10), _LONGEST_MS)
        if isinstance(error, TryAgain) and error.after is not None:
            wait_ms = max(wait_ms, int(error.after * 1000))
        self._waiting[link] = _Waiting(now + wait_ms, failures)
        say = log.info if isinstance(error, TryAgain) else log.warning
        reason = str(error) if isinstance(error, RendezvousError) else f"a bug at {where(error)}"
        say("no channel", account=link.account, provider=link.provider, user=link.user, error=type(error).__name__, reason=reason)


def _is_aging(channel: Channel, now: int) -> bool:
    return now >= channel.made_at + SHARE * (channel.expires_at - channel.made_at)


def _is_over(channel: Channel, newest: Channel, now: int) -> bool:
    """Is it old, or to be, and its successor open for long enough? Or did it end by itself?"""
    return channel.id != newest.id and (channel.expires_at <= now or now >= newest.made_at + OVERLAP_MS)
