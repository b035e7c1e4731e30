"""The port of the read models: what a fold may look up and write, and what readers may ask.

What must stay true: rows and position are written in one transaction, so that folding again from the position is folding
once; every read names its account, so that nothing of another account can be in an answer; a rebuilt set of views is equal
to the live one, row for row.

MS: milliseconds since 1970 UTC. Bodies are JSON, ready to be sent. A meeting's id is its stream's UUID as canonical text.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Any, NamedTuple, Protocol

from domain.errors import Stop
from projections.bodies import EntryRow, MeetingRow, Standing
from projections.bodies import stamp as stamp


class OutOfDate(Stop):
    """The stored read models are of another version of this program. They are made anew from the domain log: `rendezvous rebuild`."""


class ContactRow(NamedTuple):
    """A contact as readers may ask for it. `into` is the survivor it was merged into, at the end of a chain of merges.
    `state` is live, deleted, merged or erased. `body`: {"id", "email", "name", "company"} as JSON; empty once erased."""

    account: str
    contact: str
    key: str | None
    state: str
    into: str | None
    body: bytes


class StoredMeeting(NamedTuple):
    """What folds need of a meeting: see `MeetingRow`."""

    meeting: str
    series_to: int | None
    view: bytes


class DecisionRow(NamedTuple):
    """The decisions about one source event. `event` is its id; `position` its record's in the domain log. `body`: {"event",
    "source", "kind", "subject", "time", "recordedAt", "meeting", "position", "decisions": [{"rule", "outcome", "guest"?,
    "contact"?, "note"?}]} as JSON, `guest` being a person key."""

    account: str
    position: int
    event: str
    subject: str
    meeting: str | None
    recorded_at: int
    body: bytes


class ConnectionRow(NamedTuple):
    """A user's connection. `body`: {"user", "state", "provider", "calendar", "since", "reason", "lastRead", "held",
    "windows", "facts"}, where `state` is active, deauthorised or disconnected, and `facts` are for the folds only."""

    account: str
    user: str
    body: bytes


class ClockRow(NamedTuple):
    """An account's clock: `ticked` (ms) and how far around it series are laid out (days)."""

    account: str
    ticked: int
    before_days: int
    after_days: int


class Changes(NamedTuple):
    """What folding a batch came to. `closed` are stored versions (`Standing.id`) that end at so many ms; `entries` new versions, in
    order; `left` entries (account, contact, meeting, occurrence) that stood in their timeline before or for a moment, and do no
    more, to be told to live readers; `purged` meetings (account, meeting) of which every version goes for good; `scrubbed` (account,
    person key) people whom no row may name any more; `forgotten` contacts (account, contact) of whom every version of every entry
    goes for good; `extended` meetings (account, meeting) whose series is laid out up to so many ms now.

    Purged, scrubbed and forgotten speak of what was stored before; then the rows here, which are without it already, are
    written. A store tells live readers by itself of current entries that it purges or forgets, unless they stand here again.
    Of contacts, meetings, connections and clocks each is here once at most, as it is at the end."""

    entries: Sequence[EntryRow] = ()
    closed: Sequence[tuple[int, int]] = ()
    left: Sequence[tuple[str, str, str, int]] = ()
    purged: Sequence[tuple[str, str]] = ()
    scrubbed: Sequence[tuple[str, str]] = ()
    contacts: Sequence[ContactRow] = ()
    meetings: Sequence[MeetingRow] = ()
    extended: Sequence[tuple[str, str, int | None]] = ()
    decisions: Sequence[DecisionRow] = ()
    connections: Sequence[ConnectionRow] = ()
    clocks: Sequence[ClockRow] = ()
    forgotten: Sequence[tuple[str, str]] = ()


class Page(NamedTuple):
    """A question for entries of one contact. `low`, `high` (ms): entries that overlap [low, high). `after` is the (start,
    entry name) of the last entry seen, where "entry name" is `meeting:occurrence` (ms). `as_of` (ms, inclusive) reads the
    timeline as it was recorded then. The order is by (start, name as text), `newest_first` turns it; an empty `status` is any."""

    low: int | None = None
    high: int | None = None
    status: tuple[str, ...] = ()
    as_of: int | None = None
    after: tuple[int, str] | None = None
    newest_first: bool = False
    limit: int = 50


class EntryHit(NamedTuple):
    """An entry found: what a cursor needs, and its body."""

    start: int
    name: str
    body: bytes


class Change(NamedTuple):
    """One change of a timeline, for live readers. `id` grows; `body` is the entry's, or b"" when it left the timeline."""

    id: int
    account: str
    contact: str
    meeting: str
    occurrence: int
    position: int
    body: bytes


class Views(Protocol):
    """The read models of one installation."""

    # --- folding
    def position(self) -> int:
        """The domain-log position folded last, 0 if none."""

    def apply(self, changes: Changes, position: int, recorded_at: int) -> None:
        """Write all of it and the position (with the recording time (ms) of the event there) in one transaction. Raises
        `errors.Conflict`, with nothing written, if the position is not ahead."""

    def current(self, account: str, meetings: Iterable[str]) -> list[Standing]:
        """The current entries of these meetings, in no order."""

    def entries_of_contact(self, account: str, contact: str) -> list[Standing]:
        """All current entries of a contact (for a merge)."""

    def versions(self, account: str, ids: Iterable[int]) -> dict[int, EntryRow]:
        """The stored versions of these ids, whole."""

    def stored_meetings(self, meetings: Collection[tuple[str, str]]) -> dict[tuple[str, str], StoredMeeting]:
        """These (account, meeting)s, of whatever accounts, as folds need them."""

    def series_to_extend(self, account: str, before: int) -> list[StoredMeeting]:
        """Series laid out only up to before this time (ms)."""

    def meetings_with(self, account: str, key: str) -> list[str]:
        """The meetings whose entries or view name this person key."""

    def stored_contacts(self, contacts: Collection[tuple[str, str]]) -> dict[tuple[str, str], ContactRow]:
        """The rows of these (account, contact)s, of whatever accounts."""

    def contacts_merged_into(self, account: str, contact: str) -> list[ContactRow]:
        """The contacts whose survivor this one is."""

    def connections_of_calendars(self, calendars: Collection[tuple[str, str]]) -> list[ConnectionRow]:
        """The connections whose (account, `calendar`) is one of these (casefolded), of whatever accounts."""

    def clocks_of(self, accounts: Collection[str]) -> dict[str, ClockRow]:
        """The clocks of those of these accounts that have one."""

    # --- reading
    def recorded(self) -> int:
        """The recording time (ms) of the newest event folded, 0 if none."""

    def clocks(self) -> list[ClockRow]:
        """Every account's clock."""

    def accounts_without_clock(self) -> list[str]:
        """Accounts that something was told of and whose clock never ticked."""

    def contact(self, account: str, contact: str) -> ContactRow | None:
        """One contact by CRM id."""

    def contacts_by_key(self, account: str, key: str) -> list[ContactRow]:
        """Live contacts whose Email property is this person's address."""

    def entries(self, account: str, contact: str, page: Page) -> list[EntryHit]:
        """The entries of one contact, in order."""

    def entry_version(self, account: str, contact: str) -> int:
        """A number that changes whenever an entry of this contact does (for an ETag)."""

    def meeting(self, account: str, meeting: str) -> MeetingRow | None:
        """One meeting."""

    def decisions(
        self,
        account: str,
        *,
        event: str | None = None,
        meeting: str | None = None,
        subject: str | None = None,
        after: int = 0,
        limit: int = 500,
    ) -> list[DecisionRow]:
        """Decisions about a source event (by its id), a meeting, or a subject (the side's id); all of the account if none is
        named; in order of position."""

    def connections(self, account: str) -> list[ConnectionRow]:
        """All connections of an account."""

    def changes(self, account: str, contact: str | None, after: int, limit: int) -> list[Change]:
        """Changes of timelines after an id, in order."""

    def counts(self) -> dict[str, int]:
        """How many rows each read model has (for doctor and metrics)."""

    def rows(self) -> Iterable[tuple[object, ...]]:
        """Every row of every read model in a fixed order, without what depends on when it was written: for comparing a rebuilt
        set with the live one."""


class Rebuildable(Views, Protocol):
    """Read models beside which a second set can be built, and take their place."""

    def beside(self) -> Rebuildable:
        """An empty second set, in the place of any that was begun and left."""

    def become(self, other: Any) -> None:
        """Be what `other`, made by `beside`, is, in one step: whoever asks after it is answered from the new set."""

    def discard(self, other: Any) -> None:
        """Delete what `beside` made and nobody wants: people stand in it in clear, and no erasure would reach it."""

    def left(self) -> bool:
        """Is there a second set whose builder is gone? The next batch that is folded deletes it, and so does the next rebuild."""

    def close(self) -> None:
        """Leave them; nobody may use this object any more."""


def listed(row: EntryRow) -> tuple[object, ...]:
    """A version of an entry as `Views.rows` has it."""
    common = row.common
    return (
        "entry",
        *row.full,
        row.start,
        row.end,
        common.status,
        row.version,
        common.position,
        common.recorded_from,
        row.recorded_to,
        " ".join(common.people),
        row.body,
    )


def listed_meeting(row: MeetingRow) -> tuple[object, ...]:
    """A meeting as `Views.rows` has it."""
    return "meeting", row.account, row.meeting, row.into, row.position, row.series_to, row.view, row.body
