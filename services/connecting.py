"""Connecting and disconnecting: a person's consent at a provider becomes a grant, cursors and `connection.activated`; and back.

What must stay true:
- a consent is begun by whoever may (`ops`), or with a ticket of theirs, ends once, in the browser that began it, and within minutes;
- a user has one calendar, Google's or Office 365's (rule one-calendar): asked before the consent, before its code is used, and once
  more with both locks held;
- whatever a crash leaves half done, `restore` finishes: a grant is kept before anything follows from it, and dropped after everything.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import NamedTuple

import msgspec
import stamina
import structlog
from msgspec.structs import replace

from domain.errors import AskAPerson, BadInput, NotFound, RendezvousError, TryAgain
from domain.outside import Authority, Channels, Cursors, Deliveries, Grant, Grants, Inbox, Link, Once, Watch
from services.connections import CALENDARS, CALLED, CRM, FEEDS, activated, disconnected, published
from services.publish import Publisher

log = structlog.get_logger(__name__)

CONSENT_MS = 15 * 60_000
"""How long a consent may take: somebody has to look for his password."""

TICKET_MS = 24 * 3_600_000
"""How long a link that was handed to a user opens."""

ACTIVATE_ATTEMPTS = 5
"""How often what follows from a consent is tried before its page says that we are busy; `restore` does it then."""

PATH = "/v1/connect"

_WAIT_SECONDS = 20.0
_REMEMBERED_MS = 3_600_000
_LONGEST_USER = 200


class Taken(AskAPerson):
    """Another calendar is connected for this user (rule one-calendar), or another portal for this account."""


class Stale(AskAPerson):
    """A consent's state or a ticket is not known: used before, too old, or of another browser."""


class Started(NamedTuple):
    """A consent that was begun: `url` is where the browser goes, `session` what it brings back, `until` when it is over (ms)."""

    url: str
    session: str
    until: int


class Ticket(NamedTuple):
    """A link for a user to open, once, until a time (ms)."""

    url: str
    until: int


class Ended(NamedTuple):
    """A disconnection. `revoked`: the provider forgot the grant; if not, `note` says why, for a person."""

    revoked: bool
    note: str | None = None


class _Kept(NamedTuple):
    """What is kept of a consent until it comes back. `session` is a digest."""

    link: Link
    note: str
    session: str


class Connecting:
    """Begins, finishes and ends connections. `authorities` and `watches` by provider; `public_url` is where browsers and providers
    reach us; `clock` in ms; `chance` gives that many random bytes; of `deliveries`, if any, those that wait for a connection are woken
    when it is made."""

    def __init__(
        self,
        *,
        authorities: Mapping[str, Authority],
        grants: Grants,
        cursors: Cursors,
        channels: Channels,
        inbox: Inbox,
        once: Once,
        publisher: Publisher,
        watches: Mapping[str, Watch],
        public_url: str | None,
        clock: Callable[[], int],
        chance: Callable[[int], bytes] = secrets.token_bytes,
        deliveries: Deliveries | None = None,
    ) -> None:
        self._authorities, self._watches, self._public_url = authorities, watches, (public_url or "").rstrip("/")
        self._grants, self._cursors, self._channels, self._once = grants, cursors, channels, once
        self._inbox, self._deliveries = inbox, deliveries
        self._publisher, self._clock, self._chance = publisher, clock, chance

    @property
    def public_url(self) -> str:
        """Where we are reached, without a stroke at its end. Raises `BadInput` if nobody said."""
        if not self._public_url:
            raise BadInput("RENDEZVOUS_PUBLIC_URL", "required to connect: the address that browsers and providers reach the API at")
        return self._public_url

    def link(self, account: str, provider: str, user: str | None) -> Link:
        """The link that these name. Raises `NotFound` for a provider that nobody knows, `BadInput` for a user that cannot be."""
        if provider not in FEEDS:
            raise NotFound(f"no provider is called so; there are {', '.join(FEEDS)}")
        if provider == CRM:
            if user:
                raise BadInput("user", "HubSpot is connected for the account, not for a user")
            return Link(account, provider)
        if not user or len(user) > _LONGEST_USER or not user.isprintable():
            raise BadInput("user", "required: the CRM user id of the calendar's owner")
        return Link(account, provider, user)

    # --- connecting

    def begin(self, link: Link) -> Started:
        """Begin a consent in the browser that asks. Raises `Taken`, and `NotFound` for a provider that is not set up."""
        authority = self._authority(link.provider)
        self._one_calendar(link)
        state, session = self._secret(), self._secret()
        begun = authority.begin(self._redirect(link.provider), state)
        until = self._clock() + CONSENT_MS
        kept = msgspec.json.encode(_Kept(link, begun.note, _digest(session))).decode()
        self._once.put("consent", _digest(state), kept, until)
        return Started(begun.url, session, until)

    def hand_over(self, link: Link) -> Ticket:
        """A link with which the user himself begins. Raises as `begin`."""
        self._authority(link.provider)
        self._one_calendar(link)
        ticket, until = self._secret(), self._clock() + TICKET_MS
        self._once.put("ticket", _digest(ticket), msgspec.json.encode(link).decode(), until)
        return Ticket(f"{self.public_url}{PATH}/{link.provider}/start?ticket={ticket}", until)

    def accept(self, provider: str, ticket: str) -> Started:
        """Begin with a ticket, which is then used. Raises `Stale`, `Taken`; `TryAgain` leaves the ticket good for as long as a consent."""
        kept = self._once.take("ticket", _digest(ticket), self._clock())
        link = msgspec.json.decode(kept, type=Link) if kept is not None else None
        if kept is None or link is None or link.provider != provider:
            raise Stale("This link was used before, or is too old. Ask for a new one.")
        try:
            return self.begin(link)
        except TryAgain:
            self._once.put("ticket", _digest(ticket), kept, self._clock() + CONSENT_MS)
            raise

    def finish(self, provider: str, answer: Mapping[str, str], session: str) -> Grant:
        """What the provider's redirect brought: the grant, kept, and everything that follows from it. Raises `Stale`, `Taken`,
        `Refused` if the consent was not given, `TryAgain`."""
        kept = self._taken(provider, answer.get("state", ""), session)
        self._one_calendar(kept.link)
        grant = self._authority(provider).redeem(kept.link, self._chance(16).hex(), kept.note, answer, self._clock())
        try:
            self._right_portal(grant)
            with self._alone(grant.link):
                grant = self._keep(grant)
        except Taken:
            self._revoke(grant)  # nobody would ever use it
            raise
        self._activate_patiently(grant)
        log.info("connected", account=grant.link.account, provider=provider, user=grant.link.user)
        return grant

    def _taken(self, provider: str, state: str, session: str) -> _Kept:
        text = self._once.take("consent", _digest(state), self._clock())
        if text is None:
            raise Stale("This consent was finished before, or took too long. Begin once more.")
        kept = msgspec.json.decode(text, type=_Kept)
        if kept.link.provider != provider or not hmac.compare_digest(kept.session, _digest(session)):
            raise Stale("This consent was begun in another browser. Begin once more in this one.")
        return kept

    def _one_calendar(self, link: Link) -> None:
        for other in CALENDARS:
            grant = self._grants.get(link._replace(provider=other)) if link.provider != CRM and link.provider != other else None
            # A connection that lost its authorisation is still active: what is created meanwhile is synced when it has it again.
            if grant is not None and grant.state != "revoked":
                raise Taken(
                    f"{CALLED[other]}{_of(grant)} is connected for this user, and a user has one calendar. To switch, disconnect it "
                    f"first, then connect {CALLED[link.provider]}: what stands in the timelines stays."
                )

    def _right_portal(self, grant: Grant) -> None:
        if grant.link.provider == CRM and grant.tenant != grant.link.account:
            raise Taken(f"This is portal {grant.tenant}, and the account is portal {grant.link.account}. Choose that one in HubSpot.")

    def _keep(self, grant: Grant) -> Grant:
        """Keep it in place of the one before, with all locks of the user held."""
        self._one_calendar(grant.link)
        old = self._grants.get(grant.link)
        if old is not None and old.state == "revoked":
            self._end(old)
            old = None
        if old is not None and (old.calendar or "").casefold() != (grant.calendar or "").casefold():
            raise Taken(
                f"{CALLED[old.link.provider]}{_of(old)} is connected for this user, and this is another calendar{_of(grant)}. To switch, "
                "disconnect the first one: what stands in the timelines stays."
            )
        granted_at, since = self._after_last(grant, old), old.since if old is not None else self._clock()
        return self._grants.put(replace(grant, version=old.version if old else 0, granted_at=granted_at, since=since))

    def _after_last(self, grant: Grant, old: Grant | None) -> int:
        """Not before the last disconnection or loss, by whichever clock that was timed: their order is what windows are made of."""
        ended = self._once.take("disconnected", _named(grant.link), self._clock())
        lost = old.expires_at if old is not None and old.state == "lost" else 0
        return max(grant.granted_at, int(ended or 0) + 1, lost + 1)

    def _activate_patiently(self, grant: Grant) -> None:
        """A log that is busy is asked again: whoever is in front of the page cannot consent once more to the same."""
        for attempt in stamina.retry_context(on=TryAgain, attempts=ACTIVATE_ATTEMPTS, wait_initial=0.05, wait_max=1.0):
            with attempt:
                self._activate(grant)

    def _activate(self, grant: Grant) -> None:
        """What follows from a grant that is kept. The cursors come last: a grant without any is one whose activation was cut off."""
        published(self._publisher, activated(grant))
        now = self._clock()
        if self._deliveries is not None:
            self._deliveries.wake(grant.link, now)
        for feed in FEEDS[grant.link.provider]:
            self._cursors.want(grant.link, feed, now)
            self._cursors.wake(grant.link, feed, now)  # one that stood still because its grant was lost

    # --- disconnecting

    def disconnect(self, link: Link) -> Ended:
        """End a connection. Raises `NotFound` if there is none. What the provider will not forget is said, and ends nothing less."""
        if self._grants.get(link) is None:
            raise NotFound(f"{CALLED.get(link.provider, link.provider)} is not connected here")
        self._close_channels(link)  # while there is a token; not inside, because that takes the lock itself
        with self._grants.alone(link, _WAIT_SECONDS):
            grant = self._grants.get(link)
            if grant is None:
                raise NotFound(f"{CALLED.get(link.provider, link.provider)} is not connected here")
            if grant.state != "revoked":
                grant = self._grants.put(replace(grant, state="revoked", reason=None))
            ended = self._end(grant)
        log.info("disconnected", account=link.account, provider=link.provider, user=link.user, revoked=ended.revoked)
        return ended

    def _end(self, grant: Grant) -> Ended:
        """What follows from a grant that is revoked; again if need be. It is dropped last."""
        link = grant.link
        event = disconnected(grant, self._clock())
        published(self._publisher, event)
        ended = self._revoke(grant)
        self._cursors.forget(link)
        if link.provider == CRM:  # of which an account has one link; of another provider each user has his own
            self._inbox.forget(link.account, link.provider)
        for channel in self._channels.of(link):
            self._channels.drop(link.provider, channel.id)
        now = self._clock()
        self._once.put("disconnected", _named(link), str(max(now, grant.granted_at + 1)), now + _REMEMBERED_MS)
        self._grants.drop(link)
        return ended

    def _revoke(self, grant: Grant) -> Ended:
        if self._shared(grant):
            return Ended(False, f"{CALLED[grant.link.provider]} was not asked to forget it: another connection of this mailbox needs it")
        if not grant.access and not grant.refresh:
            return Ended(True)  # the provider forgot it before us
        try:
            self._authority(grant.link.provider).revoke(grant)
        except RendezvousError as error:
            return Ended(False, str(error))
        return Ended(True)

    def _shared(self, grant: Grant) -> bool:
        """Has the same mailbox another connection, in whatever account? Google forgets all of our app's tokens of a mailbox at once."""
        others = (one for one in self._grants.all() if one.id != grant.id and one.state == "live")
        return grant.address is not None and any((o.link.provider, o.address) == (grant.link.provider, grant.address) for o in others)

    def _close_channels(self, link: Link) -> None:
        watch = self._watches.get(link.provider)
        if watch is None:
            return
        for channel in self._channels.of(link):
            try:
                watch.close(channel)
            except RendezvousError as error:  # it ends by itself, and what it says meanwhile is not taken
                log.info("channel left open", provider=link.provider, error=type(error).__name__)

    def portal(self, account: str) -> Grant | None:
        """The account's installation in its CRM, if there is one."""
        return self._grants.get(Link(account, CRM))

    def unread(self, account: str) -> dict[Link, str]:
        """The links of which a feed could not be read when last tried, and why, for a person."""
        return {one.link: one.reason for one in self._cursors.all(account) if one.failures and one.reason}

    # --- after a crash

    def restore(self) -> int:
        """Finish what was cut off: connections kept and not begun, or revoked and not ended; how many there were."""
        begun = {cursor.link for cursor in self._cursors.all()}
        half = [g for g in self._grants.all() if g.state == "revoked" or (g.state == "live" and g.link not in begun)]
        for grant in half:
            with self._grants.alone(grant.link, _WAIT_SECONDS):
                now = self._grants.get(grant.link)
                if now is not None and now.state == "revoked":
                    self._end(now)
                elif now is not None and now.state == "live":
                    self._activate(now)
        return len(half)

    # --- small things

    def _authority(self, provider: str) -> Authority:
        found = self._authorities.get(provider)
        if found is None:
            known = ", ".join(sorted(self._authorities)) or "none"
            raise NotFound(
                f"{provider} is not set up here (set up: {known}): it needs RENDEZVOUS_{provider.upper()}_CLIENT_ID and _CLIENT_SECRET"
            )
        return found

    def _redirect(self, provider: str) -> str:
        return f"{self.public_url}{PATH}/{provider}/callback"

    def _secret(self) -> str:
        return self._chance(32).hex()

    @contextmanager
    def _alone(self, link: Link) -> Iterator[None]:
        """Alone with all calendars of a user, so that two consents at the same time cannot both find the other one free."""
        providers = (CRM,) if link.provider == CRM else CALENDARS
        with ExitStack() as locks:
            for provider in providers:
                locks.enter_context(self._grants.alone(link._replace(provider=provider), _WAIT_SECONDS))
            yield


def _digest(secret: str) -> str:
    """Under which a secret is kept: whoever reads the keys of what is kept can begin nothing with them."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def _named(link: Link) -> str:
    """What a user's calendars have in common: of them, one is connected after the other."""
    return _digest("\0".join((link.account, CRM if link.provider == CRM else "calendar", link.user)))


def _of(grant: Grant) -> str:
    return f" ({grant.address})" if grant.address else ""
