"""Fresh access tokens: refreshed ahead of their end, once for all who ask at the same time, in whatever process they are.

What must stay true:
- a refresh token that the provider rotated is kept before the access token that came with it is used, because it exists nowhere else;
- a grant that the provider takes no more is lost once, and stays lost until somebody connects again; the cursors stay, so that what
  happened meanwhile is read then;
- a grant is lost, too, whose tokens the provider refuses though its authority renews them, and that over more than a moment: a new token
  may be unknown for seconds, and a provider that is ill refuses everybody's;
- a provider that is busy or away loses nothing: whoever asks gets the token at hand while it is good, and `TryAgain` after that.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping

import stamina
import structlog
from msgspec.structs import replace

from domain.errors import Conflict, Deauthorised, TryAgain
from domain.outside import Authority, Grant, Grants, Link
from services.connections import CALLED, deauthorised, published
from services.publish import Publisher

log = structlog.get_logger(__name__)

AHEAD_MS = 180_000
"""A token with less than this left is refreshed, if nobody is at it and the provider answers."""

LEAST_MS = 60_000
"""A token with less than this left is not handed out."""

WAIT_SECONDS = 20.0
"""How long somebody who needs a token waits for another who is fetching it, or for whoever connects or disconnects."""

KEEP_ATTEMPTS = 5
"""How often keeping a refreshed grant is tried: a rotated token that is not kept is a connection lost."""


SURE_MS = 60_000
"""Fresh tokens that are refused so long after one another are refused for good."""

FORGOTTEN_MS = 300_000
"""A refusal so long ago says nothing about the next one."""

_REFUSED = "{} refuses every token, new ones too: the permission may have been withdrawn there. Connect again"


class FreshAccess:
    """`outside.DoubtingAccess` over the grants. `authorities` by provider; `clock` in ms. What it doubts, each process finds for itself."""

    def __init__(self, grants: Grants, authorities: Mapping[str, Authority], publisher: Publisher, clock: Callable[[], int]) -> None:
        self._grants, self._authorities, self._publisher, self._clock = grants, authorities, publisher, clock
        self._doubted: dict[tuple[Link, str], int] = {}  # by link and consent, since when

    def bearer(self, link: Link) -> str:
        """See the port. Raises `TryAgain` if the token at hand has ended and no other can be had now."""
        grant = self._live(link)
        left = grant.expires_at - self._clock()
        if left >= AHEAD_MS:
            return grant.access
        try:
            # Who has a good token does not wait for whoever fetches the next.
            return self._refreshed(link, WAIT_SECONDS if left < LEAST_MS else 0.0)
        except TryAgain:
            if left < LEAST_MS:
                raise
            return grant.access

    def refused(self, link: Link, bearer: str) -> None:
        """See the port. Alone, so that it cannot come between a refresh and the keeping of what it brought."""
        with self._grants.alone(link, WAIT_SECONDS):
            grant = self._grants.get(link)
            if grant is not None and grant.state == "live" and grant.expires_at and _same(grant.access, bearer):
                self._grants.put(replace(grant, expires_at=0))

    def doubt(self, link: Link, bearer: str) -> None:
        """See the port."""
        called, now = CALLED.get(link.provider, link.provider), self._clock()
        with self._grants.alone(link, WAIT_SECONDS):
            grant = self._live(link)
            if _same(grant.access, bearer) and now - self._since(grant, now) >= SURE_MS:
                self._lose(grant, _REFUSED.format(called))
                del self._doubted[link, grant.id]
                raise Deauthorised(_REFUSED.format(called))
        raise TryAgain(f"{called} takes no token at the moment", after=SURE_MS / 1000)

    def _since(self, grant: Grant, now: int) -> int:
        """Since when its fresh tokens are refused, by what is remembered here."""
        since = self._doubted.get((grant.link, grant.id), now)
        since = now if now - since > FORGOTTEN_MS else since
        self._doubted[grant.link, grant.id] = since
        return since

    def _live(self, link: Link) -> Grant:
        grant = self._grants.get(link)
        if grant is None or grant.state == "revoked":
            raise Deauthorised(f"{link.provider} is not connected")
        if grant.state == "lost":
            raise Deauthorised(grant.reason or f"{link.provider} takes the permission no more. Connect again")
        return grant

    def _refreshed(self, link: Link, seconds: float) -> str:
        with self._grants.alone(link, seconds):
            grant = self._live(link)
            if grant.expires_at - self._clock() >= AHEAD_MS:  # whoever was inside before us fetched it
                return grant.access
            return self._renewed(grant).access

    def _renewed(self, grant: Grant) -> Grant:
        try:
            fresh = self._authority(grant.link).renew(grant, self._clock())
        except Deauthorised as error:
            self._lose(grant, error.reason)
            raise
        for attempt in stamina.retry_context(on=_busy, attempts=KEEP_ATTEMPTS, wait_initial=0.05, wait_max=1.0):
            with attempt:
                return self._grants.put(fresh)
        raise AssertionError("a retry ends with an answer or an error")

    def _authority(self, link: Link) -> Authority:
        authority = self._authorities.get(link.provider)
        if authority is None:
            raise TryAgain(f"this process has no client id for {link.provider}")
        return authority

    def _lose(self, grant: Grant, reason: str) -> None:
        """Say it first: whoever asks again after a crash in between is refused again, and says the same event, which is then known.
        A lost grant keeps the time of its loss as its end: the next consent comes after it."""
        link, now = grant.link, self._clock()
        log.warning("deauthorised", account=link.account, provider=link.provider, user=link.user, reason=reason)
        published(self._publisher, deauthorised(grant, reason, now))
        self._grants.put(replace(grant, state="lost", reason=reason, access="", refresh=None, expires_at=now))


def _busy(error: Exception) -> bool:
    return isinstance(error, TryAgain) and not isinstance(error, Conflict)


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())
