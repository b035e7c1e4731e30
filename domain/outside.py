"""The doors to the providers, and to what must be remembered of them between two calls: grants, cursors, channels, deliveries.

None of it is history: it is never replayed, and losing a part of it costs time, not truth. What the providers said is in the
source log; what was decided is in the store.

Words used on every door, beside those of domain/ports.py:
  LINK      an account's or a user's tie to one provider: (account, provider, user). `user` is the CRM user id, "" for the CRM itself.
  LEASE     a claim on a piece of work until a time (ms). Who lets it run out has lost it, and what he keeps is refused.
  KEEP      write back a piece of work that was claimed, and give up the lease.

All methods may raise `errors.TryAgain` and `errors.Stop`, as those of domain/ports.py do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any, Literal, NamedTuple, Protocol, runtime_checkable
from uuid import UUID

from msgspec import Struct

from domain.events import Content
from domain.people import Person
from domain.source_events import SourceEvent


class Link(NamedTuple):
    """See LINK above. `provider` is google, office365 or hubspot."""

    account: str
    provider: str
    user: str = ""


# --- grants ------------------------------------------------------------------------------------------------------------------


class Grant(Struct, frozen=True, kw_only=True, repr_omit_defaults=True):
    """What a provider granted to us, and how far it goes. `id` is new with each consent. Times are in ms. `access` and `refresh`
    are secret: they stand in no log, URL or error.

    `address` is the mailbox's, `calendar` the id of its primary calendar, `tenant` the portal's or directory's id. `state` is
    `live`, `lost` (the provider takes it no more; `reason` says why, for a person) or `revoked` (by us). `granted_at` is when the
    newest consent was given; `since` when the link was first connected here, by our clock: a consent that renews it keeps that, a
    disconnection ends it. `version` counts what was put, from 1."""

    link: Link
    id: str
    access: str
    refresh: str | None = None
    expires_at: int = 0
    scopes: tuple[str, ...] = ()
    address: str | None = None
    calendar: str | None = None
    tenant: str | None = None
    state: Literal["live", "lost", "revoked"] = "live"
    reason: str | None = None
    granted_at: int = 0
    since: int = 0
    version: int = 0

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("link", self.link), ("id", self.id), ("state", self.state), ("version", self.version)]

    def __repr__(self) -> str:
        return f"Grant(link={self.link!r}, id={self.id!r}, state={self.state!r}, version={self.version})"


class Grants(Protocol):
    """Grants, sealed where they are kept: whoever reads the files or the tables reads no token."""

    def get(self, link: Link) -> Grant | None:
        """The newest of a link, whatever its state."""

    def put(self, grant: Grant) -> Grant:
        """Keep it, if `grant.version` is still the version that is kept (0: none); what is returned has the next version. Raises
        `errors.Conflict` otherwise."""

    def all(self, account: str | None = None) -> list[Grant]:
        """Of an account, or of all, in the order of their links."""

    def of_tenant(self, provider: str, tenant: str) -> list[Grant]:
        """Those of a portal or directory: whom an incoming webhook concerns."""

    def drop(self, link: Link) -> None:
        """Forget it; nothing is left of its tokens."""

    def alone(self, link: Link, seconds: float) -> AbstractContextManager[None]:
        """Only one of all processes and threads at a time is inside, for each link: a refresh token that rotates can be used once.
        Raises `errors.TryAgain` if another is inside for longer than `seconds`."""

    def reseal(self) -> int:
        """Seal all of it under the newest key; how many were sealed anew."""


class Sealed(Protocol):
    """Whatever keeps secrets under a key-encryption key: grants, cursors, channels, inbox and once, where they are kept for longer
    than the process."""

    def reseal(self) -> int:
        """See `Grants.reseal`. An old key is needed by nobody when all of them answer 0."""


class Access(Protocol):
    """Fresh access tokens."""

    def bearer(self, link: Link) -> str:
        """A token that is good for another minute at least, refreshed if need be, once for all who ask at the same time. Raises
        `errors.Deauthorised` if the grant is lost or there is none."""

    def refused(self, link: Link, bearer: str) -> None:
        """The provider took this token no more (401): the next `bearer` is another one."""


@runtime_checkable
class DoubtingAccess(Access, Protocol):
    """Access that finds out of itself that a grant is lost which the authority goes on renewing."""

    def doubt(self, link: Link, bearer: str) -> None:
        """Not even this token, fetched because another was refused, was taken. Raises `errors.Deauthorised` if that has been so for
        long enough, and the grant is lost then; `errors.TryAgain`, with `after`, until then."""


class Begun(NamedTuple):
    """A consent that was begun: `url` is where its user goes, `note` what `redeem` needs of it again. The note is secret."""

    url: str
    note: str


class Authority(Protocol):
    """A provider's authorisation server: OAuth 2's code flow with PKCE."""

    def begin(self, redirect: str, state: str) -> Begun:
        """Where somebody grants us what we need, to be sent back to `redirect` with this `state`."""

    def redeem(self, link: Link, id: str, note: str, answer: Mapping[str, str], now: int) -> Grant:
        """The grant that the query of the redirect stands for, with the mailbox or portal that the provider says it is of. Raises
        `errors.Refused` if it grants nothing, or not all that we need."""

    def renew(self, grant: Grant, now: int) -> Grant:
        """The grant with a fresh access token and, where the provider rotates it, the next refresh token. Raises
        `errors.Deauthorised` if the provider takes it no more."""

    def revoke(self, grant: Grant) -> None:
        """Have the provider forget it. Raises `errors.Refused` if it will not, or has no way to."""


# --- cursors -----------------------------------------------------------------------------------------------------------------


class Cursor(Struct, frozen=True, kw_only=True):
    """How far one feed of a link was read. `feed` is `events` (a calendar), `meetings`, `contacts`, `owners` (a CRM). `value` is the
    provider's sync token or delta link, or our own note (JSON), sealed where it is kept; None: read from the beginning. `due_at`
    when it is to be read next, `read_at` when it was last read to its end, `failures` how often in a row it could not, and
    `reason` why, for a person; with no failures it names what alone is still to be read. `until` and `lease` are the claim's."""

    link: Link
    feed: str
    value: str | None = None
    due_at: int = 0
    read_at: int | None = None
    failures: int = 0
    reason: str | None = None
    until: int = 0
    lease: int = 0


class Cursors(Protocol):
    """One owner of each at a time, by lease."""

    def want(self, link: Link, feed: str, due_at: int) -> None:
        """There shall be such a cursor; nothing happens if there is."""

    def claim(self, now: int, lease_ms: int, limit: int) -> list[Cursor]:
        """At most `limit` of those that are due and that nobody has, the longest due first."""

    def extend(self, cursor: Cursor, until: int) -> Cursor:
        """Hold it for longer: long reads say so after each page. Raises `errors.Conflict` if the lease is lost."""

    def keep(self, cursor: Cursor) -> None:
        """See KEEP. Raises `errors.Conflict` if the lease is lost. A `wake` that came after the claim stands: the cursor is due
        then, whatever `due_at` says."""

    def wake(self, link: Link, feed: str, at: int) -> bool:
        """Something is new, somebody said: due at `at` or earlier. False if there is no such cursor."""

    def forget(self, link: Link) -> None:
        """Drop all of a link."""

    def of(self, link: Link) -> list[Cursor]:
        """Those of one link, in the order of their feeds; their values left out."""

    def all(self, account: str | None = None) -> list[Cursor]:
        """Of an account, or of all; their values left out."""


# --- what the providers push -------------------------------------------------------------------------------------------------


class Channel(Struct, frozen=True, kw_only=True):
    """A provider's promise to tell us. `id` is ours (Google) or theirs (Graph: the subscription's); `resource` what they call what
    is watched; `secret` what they repeat so that we know them, sealed where it is kept. `state` is `active`, or `old` while its
    successor has begun: then its words are taken and nothing is renewed."""

    id: str
    link: Link
    feed: str
    resource: str
    secret: str
    expires_at: int
    state: Literal["active", "old"] = "active"
    made_at: int = 0


class Channels(Protocol):
    """Which channels are open."""

    def put(self, channel: Channel) -> None:
        """Keep it; one of the same provider and id is replaced."""

    def get(self, provider: str, id: str) -> Channel | None:
        """One, whatever its state."""

    def ending(self, before: int) -> list[Channel]:
        """Those of any state that expire before a time (ms)."""

    def of(self, link: Link) -> list[Channel]:
        """All of a link."""

    def drop(self, provider: str, id: str) -> None:
        """Forget it."""


class Notice(NamedTuple):
    """A provider's word that is no state yet and must be read at the provider before it can be decided. `id` is a digest of what
    makes it the same word again; `body` its JSON."""

    account: str
    provider: str
    id: str
    body: bytes


KNOWN_MS = 7 * 86_400_000
"""How long a notice is known after it came: longer than any provider repeats one."""


class Inbox(Protocol):
    """Notices between their acknowledgement and their reading: durable, each once."""

    def put(self, notices: Sequence[Notice], now: int) -> int:
        """Keep those that are not there and were not there within the last `KNOWN_MS`; how many were kept. Durable when it returns."""

    def claim(self, now: int, lease_ms: int, limit: int) -> list[Notice]:
        """At most `limit` that nobody has, the oldest first."""

    def extend(self, notices: Sequence[Notice], until: int) -> None:
        """Hold claimed ones for longer, until a time (ms), never shorter; those that are read by now stay so."""

    def done(self, notices: Sequence[Notice]) -> None:
        """They are read: out of the inbox, still known for days."""

    def waiting(self) -> int:
        """How many there are to be read."""

    def forget(self, account: str, provider: str) -> None:
        """Drop all of an account's notices of a provider, read or not. Nothing is known of them any more."""


class Once(Protocol):
    """What may happen once: a login's state, a signature, a nonce."""

    def put(self, kind: str, key: str, value: str, until: int) -> None:
        """Keep a value until a time (ms)."""

    def take(self, kind: str, key: str, now: int) -> str | None:
        """The value, and it is gone: whoever asks next gets None. None if its time is over."""

    def first(self, kind: str, key: str, until: int, now: int) -> bool:
        """Is this the first time, until `until`? It outlives the process that asked, but need not outlive a machine that stops in the
        next moments: whoever asks must bear to hear twice that it is."""


class Buckets(Protocol):
    """Token buckets shared by all processes: how much of a provider's limit is left."""

    def take(self, key: str, rate: float, burst: float, now: int, cost: float = 1.0) -> int:
        """0 if that much was there, and it is taken; otherwise how many ms until it will be, and nothing is taken. `rate` per second."""

    def drain(self, key: str, until: int) -> None:
        """The provider said to wait until then (ms): nothing is there before."""


# --- deliveries --------------------------------------------------------------------------------------------------------------


class Request(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A write to a provider that a meeting's rules ask for. `id` is the delivery's (32 hexadecimal digits), the same however often
    it is decided. `link` is whose calendar or CRM, `owner` the CRM user whose meeting it is; `meeting` our meeting; `action` create or
    update. `copy` is the provider's id
    of what is updated, `revision` the provider's revision (ETag, changeKey) that it was decided by, `uid` the iCalendar UID.

    `content` is what the copy shall say, whole; `changed` which of its fields to write: `title`, `description`, `time`, `place`,
    `conference`, `guests`, `status`, `associations`; for a create all. `invite` says that the provider shall mail the guests.
    `cancelled`: shown as cancelled (a CRM's outcome; never a calendar's). People stand as sealed tokens.

    `former`, of a creation, is what an earlier request to make the same copy said, if that was begun, or done, before this
    one was put. Where a copy that is found says something else, a person changed it."""

    id: str
    link: Link
    meeting: UUID
    action: Literal["create", "update"]
    content: Content
    owner: str = ""
    changed: tuple[str, ...] = ()
    copy: str | None = None
    revision: str | None = None
    uid: str | None = None
    invite: bool = False
    cancelled: bool = False
    requested_at: int = 0
    former: Content | None = None


class Recall(NamedTuple):
    """What was asked for of a meeting (32 hexadecimal digits) is not to be carried out any more: whatever waits or failed, and with
    `creations` only the copies in calendars that nobody has begun to make. `reason` says why, for a person."""

    account: str
    meeting: str
    reason: str
    creations: bool = False


class Delivery(Struct, frozen=True, kw_only=True):
    """A request on its way. `state` is waiting, done, failed (for good; a person may retry it) or superseded (a later request of the
    same meeting and link says all of it, or it was recalled or dropped). `tries` how often it was called, `due_at` when it is next,
    `reason` why not yet. What the request of a done or superseded one said (words, people, records) is forgotten; what was written
    where, and for when, stays."""

    request: Request
    state: Literal["waiting", "done", "failed", "superseded"] = "waiting"
    tries: int = 0
    due_at: int = 0
    reason: str | None = None
    until: int = 0
    lease: int = 0


class Deliveries(Protocol):
    """Requests that were recorded with the events they follow from, and what became of them."""

    def put(self, requests: Sequence[Request | Recall]) -> None:
        """In their order, keep requests and carry out recalls. A request that is there stays as it is. A waiting one of the
        same meeting and link that nobody has begun is superseded if the new one says all it said (a create stays a create, with the
        newer content). A create that is put behind one that somebody has begun has that one's content as its `former`; behind one
        that nobody had begun, what that one had; behind none that waits, what it brings. What is recalled is superseded, also while
        somebody has it: what he keeps then changes nothing, unless it is done."""

    def claim(self, now: int, lease_ms: int, limit: int) -> list[Delivery]:
        """At most one of each link, its oldest waiting one, if that is due and nobody has any of that link; the longest due first."""

    def extend(self, delivery: Delivery, until: int) -> Delivery:
        """Hold it for longer, until a time (ms): who is at a long one says so while he lives. Raises `errors.Conflict` if the lease is
        lost. It can be kept as it was claimed, too."""

    def keep(self, delivery: Delivery) -> None:
        """See KEEP. Raises `errors.Conflict` if the lease is lost."""

    def wake(self, link: Link, now: int) -> int:
        """What hindered the link is gone, somebody said: those of its waiting ones that were put off are due; how many those were. One
        that somebody has stays with him, and is put off as he says."""

    def get(self, id: str) -> Delivery | None:
        """One, or None."""

    def all(self, account: str | None, state: str | None, after: str, limit: int) -> list[Delivery]:
        """In the order of their ids, after one."""

    def retry(self, id: str, now: int) -> bool:
        """A failed one waits again; False if there is none such."""

    def drop(self, id: str) -> bool:
        """A failed one is given up by a person, and superseded; False if there is none such."""

    def prune(self, before: int) -> int:
        """Drop the done and superseded ones that were last due before a time (ms); how many those were. They stay beside a failed or
        waiting one of the same meeting and link: only by them it is known whether that one is outdated."""


# --- providers ---------------------------------------------------------------------------------------------------------------


class Pulled(NamedTuple):
    """A page of what a side said: source events in the public form (dicts, see `rendezvous translate`), what of the page could not be
    said, and, on the last page only, the cursor's next value. A page may hold nothing. `more`: the last page, but not the end of what
    there is; read on at once. `examined` are more of them, as `source_events.read` gives them, of a side whose adapter has had them
    examined: they stand beside `events`, and nobody need examine them again. `refused` of the last page is what the feed goes on
    without, and tries again by itself."""

    events: list[dict[str, Any]]
    refused: list[tuple[str, str]]
    next: str | None = None
    last: bool = False
    more: bool = False
    examined: Sequence[SourceEvent] = ()


class Feed(Protocol):
    """One feed of a link, read with a cursor. `errors.Deauthorised` if the grant is lost; `errors.TryAgain`, with `after` seconds if
    the provider said so, for what passes; a cursor that the provider takes no more is begun anew in here, and a complete listing
    ends with a `calendar.listed` event."""

    def pull(self, link: Link, value: str | None, now: int) -> Iterator[Pulled]:
        """Pages from `value` on (None: from the beginning). Nothing was read to its end unless the last page was seen."""


class Watch(Protocol):
    """A provider's push channels."""

    def open(self, link: Link, feed: str, url: str, now: int) -> Channel:
        """Ask to be told at `url`."""

    def renew(self, channel: Channel, url: str, now: int) -> Channel:
        """The same one with more time, or a new one where the provider renews none. Raises `errors.Refused` if it is gone."""

    def close(self, channel: Channel) -> None:
        """Ask to be told no more; one that is gone is closed."""


class Written(NamedTuple):
    """What the provider answered: its id and revision of the copy, its iCalendar UID, and when it says it was changed and made
    (RFC 3339). `called` is False if nothing had to be written because the copy said all of it."""

    id: str
    revision: str | None
    uid: str | None = None
    updated: str | None = None
    created: str | None = None
    called: bool = True


class Writer(Protocol):
    """One provider's writes. The same request twice has one effect, also when the first call's answer was lost. Nothing in here
    deletes."""

    def write(self, request: Request, people: dict[str, Person]) -> Written:
        """Carry it out. `people` opens the request's tokens. Raises `errors.TryAgain` (may pass; `after` seconds), `errors.Overtaken` (the
        copy was changed since: what it says now will come, and be decided), `errors.Deauthorised`, or `errors.Refused`: for good."""
