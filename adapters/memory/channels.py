"""Memory twin of the channels."""

from __future__ import annotations

import threading

from domain.outside import Channel, Link


class MemoryChannels:
    """`outside.Channels` in a dict."""

    def __init__(self) -> None:
        self._channels: dict[tuple[str, str], Channel] = {}
        self._lock = threading.Lock()

    def put(self, channel: Channel) -> None:
        """See the port."""
        with self._lock:
            self._channels[channel.link.provider, channel.id] = channel

    def get(self, provider: str, id: str) -> Channel | None:
        """See the port."""
        return self._channels.get((provider, id))

    def ending(self, before: int) -> list[Channel]:
        """See the port. The first to expire first."""
        with self._lock:
            found = [one for one in self._channels.values() if one.expires_at < before]
        return sorted(found, key=lambda one: (one.expires_at, one.link.provider, one.id))

    def of(self, link: Link) -> list[Channel]:
        """See the port. In the order in which they were made."""
        with self._lock:
            found = [one for one in self._channels.values() if one.link == link]
        return sorted(found, key=lambda one: (one.made_at, one.id))

    def drop(self, provider: str, id: str) -> None:
        """See the port."""
        with self._lock:
            self._channels.pop((provider, id), None)

    def reseal(self) -> int:
        """None: nothing is sealed here."""
        return 0
