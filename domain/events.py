"""What the aggregates recorded. Names and versions are stored and never change (tests/house/event_names.txt); a change of
shape gets a new version and an upcaster.

Every event keeps both times, in milliseconds since 1970 UTC: `at`, the side's word for when it happened, and `recorded_at`,
ours. `cause` is the id of the source event it followed from. People stand as sealed tokens.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, ClassVar, Literal

from msgspec import UNSET, Struct, UnsetType

from domain.decisions import Decision
from domain.source_events import Policy


class Guest(Struct, frozen=True, gc=False, omit_defaults=True, rename={"person": "p", "status": "s", "owner": "o", "attendee": "a"}):
    """A participant: sealed person, answer, and whether he is the organiser and a guest."""

    person: str
    status: str = "needs-action"
    owner: bool = False
    attendee: bool = True


class Content(Struct, frozen=True, gc=False, omit_defaults=True, rename="camel"):
    """What one revision of one copy says. `start` and the starts are local in `time_zone`; `duration` is ISO 8601."""

    start: datetime
    duration: str
    title: str | None = None
    description: str | None = None
    location: str | None = None
    conference_url: str | None = None
    time_zone: str | None = None
    all_day: bool = False
    tentative: bool = False
    guests: tuple[Guest, ...] = ()
    rules: tuple[str, ...] = ()
    excluded: tuple[datetime, ...] = ()
    added: tuple[datetime, ...] = ()
    contacts: tuple[str, ...] = ()
    companies: tuple[str, ...] = ()
    deals: tuple[str, ...] = ()
    tickets: tuple[str, ...] = ()


class Words(Struct, frozen=True, gc=False, omit_defaults=True, rename="camel"):
    """What one revision says of its copy's identity, where not every revision says the same."""

    user: str | None = None
    uid: str | None = None
    link: str | None = None
    series: str | None = None
    original: int | None = None
    original_day: int | None = None
    origin: str = "user"


class Revision(Struct, frozen=True, gc=False, omit_defaults=True, rename="camel"):
    """One word of a side about one copy. Ordered by `sequence` where both have one, else by `updated`, then by arrival.

    `state` is confirmed, cancelled, deleted or restored; `off` that it was restored as cancelled. `content` is None where
    nothing is known or may be kept. `event` is a digest of (source, id), by which a second delivery is known. `words` is None
    where it says of the copy's identity what the copy has. `span` is the window (ms) of the round that reported a removal.
    `heard` is when (ms) we heard of a removal that has no time of its own; its `updated` and `sequence` are its place then.
    """

    updated: int
    event: int
    state: str = "confirmed"
    sequence: str | None = None
    revision: str | None = None
    hidden: bool = False
    private: bool = False
    kind: str = "meeting"
    content: Content | None = None
    words: Words | None = None
    off: bool = False
    span: tuple[int, int] | None = None
    heard: int | None = None


class Sighting(Struct, frozen=True, gc=False, omit_defaults=True, rename="camel"):
    """One copy of a meeting in one place: a mailbox or the CRM. `original` is the original start (ms) of an occurrence,
    `original_day` the same for an all-day series when the side told it as a local midnight."""

    key: str
    side: str
    provider: str
    id: str
    user: str | None = None
    origin: str = "user"
    uid: str | None = None
    link: str | None = None
    series: str | None = None
    original: int | None = None
    original_day: int | None = None
    created: int | None = None
    revisions: tuple[Revision, ...] = ()


class Shown(Struct, frozen=True, gc=False, omit_defaults=True, rename="camel"):
    """What readers of a timeline see of a meeting or of one occurrence, and for which contacts."""

    start: datetime
    duration: str
    title: str | None = None
    location: str | None = None
    conference_url: str | None = None
    time_zone: str | None = None
    all_day: bool = False
    status: str = "confirmed"
    guests: tuple[Guest, ...] = ()
    contacts: tuple[str, ...] = ()
    matched: dict[str, str] = {}


class Former(Struct, frozen=True, gc=False, omit_defaults=True, rename="camel"):
    """A shape in time that a series had until it was changed: its occurrences that ended in (since, until] stay."""

    shown: Shown
    rules: tuple[str, ...]
    until: int
    since: int | None = None
    excluded: tuple[datetime, ...] = ()
    added: tuple[datetime, ...] = ()


class Part(Struct, frozen=True, gc=False, omit_defaults=True, rename="camel"):
    """A whole meeting, or one part of a split series. `since`: when it took its present shape, if it had others.
    `cancelled_from`: from when on its occurrences are cancelled."""

    shown: Shown
    rules: tuple[str, ...] = ()
    excluded: tuple[datetime, ...] = ()
    added: tuple[datetime, ...] = ()
    first: int | None = None
    since: int | None = None
    cancelled_from: int | None = None
    formers: tuple[Former, ...] = ()


class Exception_(Struct, frozen=True, gc=False, omit_defaults=True, rename="camel"):
    """What differs for the occurrence that its series would start at `original`. `shown` is None where the series' own
    content stands; `gone` takes it out of the timeline; `loose` shows it although no part makes it."""

    original: int
    shown: Shown | None = None
    cancelled: bool = False
    gone: bool = False
    loose: bool = False
    updated: int = 0


class View(Struct, frozen=True, gc=False, omit_defaults=True, rename="camel"):
    """A meeting as its timelines show it. None in an event: it stands in no timeline."""

    parts: tuple[Part, ...] = ()
    exceptions: tuple[Exception_, ...] = ()
    origin: str = "calendar"
    links: dict[str, str] = {}
    companies: tuple[str, ...] = ()
    deals: tuple[str, ...] = ()
    tickets: tuple[str, ...] = ()


class Ask(Struct, frozen=True, gc=False, omit_defaults=True, rename="camel"):
    """An outside write that a meeting's rules ask for: `content` is what the copy of `provider` (of `user`'s calendar, or the CRM)
    shall say, `changed` which fields of it that it says otherwise now. `copy`, `revision` and `uid` are the provider's words for what
    is updated; `invite` that the provider shall write to the guests; `cancelled` that it is shown as cancelled. `id` is the
    delivery's, 32 hexadecimal digits. `recalled`: what was not carried out of it by then is not to be any more."""

    id: str
    provider: str
    user: str
    action: Literal["create", "update"]
    content: Content
    changed: tuple[str, ...] = ()
    copy: str | None = None
    revision: str | None = None
    uid: str | None = None
    invite: bool = False
    cancelled: bool = False
    recalled: bool = False


class Event(Struct, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """What every domain event has."""

    NAME: ClassVar[str] = ""

    account: str
    at: int
    recorded_at: int
    cause: str


class MeetingEvent(Event, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """Something about a meeting. `sighting` holds the one new revision it learned; `view` how its timelines show it now, or UNSET
    where that did not change; `absorbed` the copies of the meetings `absorbs` (32 hexadecimal digits each) found to be this one;
    `releases` the keys of copies that are no more of this one, but of another meeting; `purge` that what was once shown of it, also
    under the ids in `purges`, must leave the read models for good (rule private), and what `view` shows is all there is; `asks` the
    outside writes it asks for; `recalls` the ids of those that it asked for before and that are not to be carried out any more."""

    sighting: Sighting | None = None
    view: View | UnsetType | None = UNSET
    absorbed: tuple[Sighting, ...] = ()
    absorbs: tuple[str, ...] = ()
    releases: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    purge: bool = False
    purges: tuple[str, ...] = ()
    asks: tuple[Ask, ...] = ()
    recalls: tuple[str, ...] = ()


class MeetingScheduled(MeetingEvent, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """It stands in timelines for the first time, or again."""

    NAME: ClassVar[str] = "meeting.scheduled.v1"


class MeetingRescheduled(MeetingEvent, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """Its time changed."""

    NAME: ClassVar[str] = "meeting.rescheduled.v1"


class MeetingRevised(MeetingEvent, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """Something else that readers see changed."""

    NAME: ClassVar[str] = "meeting.revised.v1"


class MeetingCancelled(MeetingEvent, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """It, or an occurrence, is shown as cancelled."""

    NAME: ClassVar[str] = "meeting.cancelled.v1"


class MeetingWithdrawn(MeetingEvent, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """It stands in no timeline any more."""

    NAME: ClassVar[str] = "meeting.withdrawn.v1"


class MeetingNoted(MeetingEvent, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """Something was learned that readers do not see."""

    NAME: ClassVar[str] = "meeting.noted.v1"


class MeetingAbsorbed(Event, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """It was found to be another meeting, `into`, which has all that was known of it."""

    NAME: ClassVar[str] = "meeting.absorbed.v1"

    into: str


class AccountConfigured(Event, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """The account's settings, whole; `never_log` holds sealed addresses."""

    NAME: ClassVar[str] = "account.configured.v1"

    domains: tuple[str, ...] = ()
    never_log: tuple[str, ...] = ()
    never_log_domains: tuple[str, ...] = ()
    policy: Policy = Policy()


class UserAdded(Event, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """A user of the account and his addresses (sealed). `order` is the revision order at the source."""

    NAME: ClassVar[str] = "account.user_added.v1"

    user: str
    addresses: tuple[str, ...] = ()
    order: str = ""


class UserRemoved(Event, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """A user left."""

    NAME: ClassVar[str] = "account.user_removed.v1"

    user: str
    order: str = ""


class ClockTicked(Event, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """The account's clock moved to `at`: series are laid out around it."""

    NAME: ClassVar[str] = "account.clock_ticked.v1"

    before_days: int = 365
    after_days: int = 365


class ConnectionActivated(Event, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """A user connected a calendar. Whether it counts follows from the connection's whole history."""

    NAME: ClassVar[str] = "connection.activated.v1"

    user: str
    provider: str
    calendar: str | None = None
    address: str | None = None


class ConnectionDeauthorised(Event, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """A connection lost its authorisation; it is still active."""

    NAME: ClassVar[str] = "connection.deauthorised.v1"

    user: str
    provider: str
    reason: str | None = None


class ConnectionDisconnected(Event, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """A connection ended."""

    NAME: ClassVar[str] = "connection.disconnected.v1"

    user: str
    provider: str
    reason: str | None = None


class DeletionsHeld(Event, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """A listing would have removed too much of a connection: held for a person. `sightings` are the copies' keys."""

    NAME: ClassVar[str] = "connection.deletions_held.v1"

    user: str
    provider: str
    hold: str
    sightings: tuple[str, ...] = ()
    known: int = 0


class DeletionsReleased(Event, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """A person let held deletions happen."""

    NAME: ClassVar[str] = "connection.deletions_released.v1"

    hold: str


class DeletionsDiscarded(Event, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """A person dropped held deletions: nothing was deleted."""

    NAME: ClassVar[str] = "connection.deletions_discarded.v1"

    hold: str


class ContactRecorded(Event, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """A contact as the CRM has it. `person` is the sealed Email property and name, `email` whether it has an address."""

    NAME: ClassVar[str] = "contact.recorded.v1"

    contact: str
    person: str | None = None
    email: bool = False
    company: str | None = None
    order: str = ""


class ContactNoted(Event, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """Something was learned of a contact that readers do not see: `keys` are addresses it once had, told late, for an erasure to
    reach them."""

    NAME: ClassVar[str] = "contact.noted.v1"

    contact: str
    keys: tuple[str, ...] = ()


class ContactMerged(Event, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """The contacts `merged` became `contact`; `keys` are the addresses they ever had, for an erasure to reach them."""

    NAME: ClassVar[str] = "contact.merged.v1"

    contact: str
    merged: tuple[str, ...] = ()
    keys: tuple[str, ...] = ()


class ContactDeleted(Event, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """The CRM deleted a contact; a restore brings it back."""

    NAME: ClassVar[str] = "contact.deleted.v1"

    contact: str
    order: str = ""


class ContactErased(Event, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """A privacy deletion: `keys` are the keys of the person's addresses, which nothing opens any more."""

    NAME: ClassVar[str] = "contact.erased.v1"

    contact: str
    keys: tuple[str, ...] = ()


class SourceEventDecided(Event, frozen=True, gc=False, omit_defaults=True, kw_only=True):
    """Which rules settled a source event. `position` is its place in the source log, `meeting` what it was about."""

    NAME: ClassVar[str] = "source_event.decided.v1"

    source: str
    kind: str
    subject: str
    partition: str
    position: int
    meeting: str | None = None
    decisions: tuple[Decision, ...] = ()


ALL: tuple[type[Event], ...] = (
    MeetingScheduled,
    MeetingRescheduled,
    MeetingRevised,
    MeetingCancelled,
    MeetingWithdrawn,
    MeetingNoted,
    MeetingAbsorbed,
    AccountConfigured,
    UserAdded,
    UserRemoved,
    ClockTicked,
    ConnectionActivated,
    ConnectionDeauthorised,
    ConnectionDisconnected,
    DeletionsHeld,
    DeletionsReleased,
    DeletionsDiscarded,
    ContactRecorded,
    ContactNoted,
    ContactMerged,
    ContactDeleted,
    ContactErased,
    SourceEventDecided,
)
BY_NAME: dict[str, type[Event]] = {kind.NAME: kind for kind in ALL}

# Upcasters by stored name: plain dict of an old version in, (name, dict) of the next version out.
UPCASTERS: dict[str, Any] = {}
