"""Answers from the read models: contacts, timelines, meetings, decisions, connections, changes.

What must stay true: every question names its account and reaches no further; an answer's position is read before its rows, so that
it never claims more than it holds; stored bodies are joined as they are, since writing an entry out again for each reader would be
most of the work of a page.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import zlib
from collections.abc import Callable, Mapping, Sequence
from threading import Lock
from types import MappingProxyType
from typing import NamedTuple
from uuid import UUID

import msgspec
import structlog

from domain.errors import BadInput, NotFound, RendezvousError
from domain.events import ContactMerged
from domain.naming import contact_stream
from domain.outside import Cursors, Link
from domain.ports import Store, Vault
from projections.bodies import MeetingRow, stamp
from projections.views import Change, ContactRow, DecisionRow, EntryHit, Page, Views
from services.history import history
from services.progress import Progress

log = structlog.get_logger(__name__)

MOST = 1000
"""Entries of a page, and decisions of an answer, at most."""

LOOK_MS = 10_000
"""How often it is looked when the calendars of an account were read last."""

STATUSES = ("confirmed", "tentative", "cancelled")

_encode = msgspec.json.Encoder().encode
_MARK = 6


class Found(NamedTuple):
    """A contact that may be read: its row, and the ids of others with the same address."""

    row: ContactRow
    others: tuple[str, ...] = ()


class Cursor(NamedTuple):
    """A place between two entries: after (start, name) in the order of the page, or before it if `backwards`."""

    start: int
    name: str
    newest_first: bool
    backwards: bool


class Ask(NamedTuple):
    """A question for a page of a timeline; times in ms. See `projections.views.Page`."""

    low: int | None = None
    high: int | None = None
    status: tuple[str, ...] = ()
    as_of: int | None = None
    cursor: str | None = None
    newest_first: bool = True
    limit: int = 50


class _LastRead(msgspec.Struct, rename="camel"):
    user: str = ""
    provider: str | None = None
    state: str = ""
    last_read: str | None = None


Ends = Mapping[Link, str]
"""When the calendar of each link was last read to its end (RFC 3339)."""

_NO_ENDS: Ends = MappingProxyType({})
_EVER = 2**63 - 1


class _Looked(NamedTuple):
    """What is known of an account: since when (ms), its `ends`, the position of the read models that shows all that was read by then,
    and what was found meanwhile and is not shown yet, with the question whether it is."""

    at: int
    ends: Ends = _NO_ENDS
    position: int = 0
    found: Ends | None = None
    is_shown: Callable[[], bool] | None = None


class Rounds:
    """When an account's calendars were last read to their end, be it that nothing was new: of that the read models know nothing.

    What must stay true: a round counts only when everything that was accepted until it was heard of is folded, for what it found may
    be among that; and who reads a timeline asks memory only, because the log that `look` asks may be a server, and away. Usable by any
    number of threads. `clock` in ms.
    """

    def __init__(self, cursors: Cursors, progress: Progress, position: Callable[[], int], clock: Callable[[], int]) -> None:
        self._cursors, self._progress, self._position, self._clock = cursors, progress, position, clock
        self._looked: dict[str, _Looked] = {}
        self._looking = Lock()

    def ends(self, account: str) -> tuple[int, Ends]:
        """What is known of an account, and from which position of the read models on they show all of it."""
        looked = self._looked.get(account)
        return (0, _NO_ENDS) if looked is None else (looked.position, looked.ends)

    def is_due(self, account: str) -> bool:
        """Is it time to look again? Also when the clock was put back."""
        looked = self._looked.get(account)
        return looked is None or not 0 <= self._clock() - looked.at < LOOK_MS

    def look(self, account: str) -> None:
        """Learn what can be known now. Nothing, while somebody else looks, or if one of those that are asked does not answer."""
        if not self._looking.acquire(blocking=False):
            return
        try:
            self._looked[account] = before = self._looked.get(account, _Looked(0))._replace(at=self._clock())
            self._looked[account] = self._after(before, account)
        except RendezvousError as error:
            log.info("not known when calendars were read", account=account, error=type(error).__name__)
        finally:
            self._looking.release()

    def _after(self, looked: _Looked, account: str) -> _Looked:
        """What was found before is asked about once more: where there is always something to fold, what is found now never is at once."""
        if looked.is_shown is not None:
            looked = self._shown(looked)
        return looked if looked.is_shown is not None else self._shown(self._found(looked, account))

    def _found(self, looked: _Looked, account: str) -> _Looked:
        read = {one.link: stamp(one.read_at) for one in self._cursors.all(account) if one.feed == "events" and one.read_at is not None}
        # Asked after the cursors: whatever a round told was in the log before it was said to be over.
        return looked if read == looked.ends else looked._replace(found=read, is_shown=self._progress.reached(account, _EVER))

    def _shown(self, looked: _Looked) -> _Looked:
        if looked.found is None or looked.is_shown is None or not looked.is_shown():
            return looked
        return _Looked(looked.at, looked.found, self._position())


class _Fresh(NamedTuple):
    """How fresh an account is, as long as the read models are at this position and nothing else is known of its rounds."""

    position: int
    ends: Ends
    body: bytes


_last_read = msgspec.json.Decoder(_LastRead)
_places = msgspec.json.Decoder(tuple[int, str, bool, bool])


class Reading:
    """The read models of an installation, for readers. Usable by any number of threads, as far as its parts are. Without `rounds` a
    calendar counts as read only when something of it was."""

    _rounds: Rounds | None = None

    def __init__(self, views: Views, vault: Vault, store: Store, rounds: Rounds | None = None) -> None:
        self._views, self._vault, self._store, self._rounds = views, vault, store, rounds
        self._freshness: dict[str, _Fresh] = {}

    # --- contacts ----------------------------------------------------------------------------------------------------------

    def find(self, account: str, who: str, as_of: int | None = None) -> Found:
        """The contact of this CRM id, or with this address; a merged one is its survivor, as of a time (ms) the one it was by then.
        Raises `NotFound`: also for one that the CRM deleted or erased."""
        if "@" in who and (rows := self._views.contacts_by_key(account, self._vault.key(account, who))):
            first, *rest = sorted(rows, key=lambda row: (len(row.contact), row.contact))
            return Found(first, tuple(row.contact for row in rest))
        row = self._views.contact(account, who)
        if row is not None and row.into is not None:
            row = self._views.contact(account, row.into if as_of is None else self._survivor(account, who, as_of))
        if row is None:
            raise NotFound(f"no contact {who} is known in account {account}")
        if row.state != "live" and not (row.state == "merged" and as_of is not None):
            again = "; a restore brings it back" if row.state == "deleted" else ", and nothing is kept of it"
            raise NotFound(f"contact {who} was {row.state} in the CRM{again}")
        return Found(row)

    def _survivor(self, account: str, contact: str, as_of: int) -> str:
        """Who a contact was by then. The rows say only who it is now; its events say since when."""
        seen: set[str] = set()
        while contact not in seen:
            seen.add(contact)
            stream = contact_stream(account, contact)
            for event in self._store.load([stream]).get(stream, ()):
                if isinstance(event, ContactMerged) and contact in event.merged and event.recorded_at <= as_of:
                    contact = event.contact
                    break
        return contact

    def contact(self, account: str, who: str) -> bytes:
        """A contact: `{"id", "email", "name", "company", "others"?}`. Raises `NotFound`."""
        return _contact(self.find(account, who))

    # --- timelines ---------------------------------------------------------------------------------------------------------

    def timeline(
        self,
        account: str,
        who: str,
        *,
        low: int | None = None,
        high: int | None = None,
        status: tuple[str, ...] = (),
        as_of: int | None = None,
        cursor: str | None = None,
        newest_first: bool = True,
        limit: int = 50,
    ) -> bytes:
        """A page of a contact's timeline (see `page`). Raises `NotFound` and `BadInput`."""
        return self.page(self.find(account, who, as_of), Ask(low, high, status, as_of, cursor, newest_first, limit))[0]

    def page(self, found: Found, ask: Ask) -> tuple[bytes, int]:
        """A page: `{"contact", "entries", "next", "previous", "freshness"}`, and the reader's position. Raises `BadInput`."""
        if not 1 <= ask.limit <= MOST:
            raise BadInput("limit", f"{ask.limit}; from 1 to {MOST}")
        account, contact = found.row.account, found.row.contact
        cursor = _cursor(ask.cursor, ask.newest_first) if ask.cursor is not None else None
        backwards = cursor is not None and cursor.backwards
        position, freshness = self.freshness(account)
        page = Page(
            low=ask.low,
            high=ask.high,
            status=ask.status,
            as_of=ask.as_of,
            after=(cursor.start, cursor.name) if cursor is not None else None,
            newest_first=ask.newest_first is not backwards,
            limit=ask.limit + 1,  # one more than asked for says whether there is more
        )
        hits = self._views.entries(account, contact, page)
        more, hits = len(hits) > ask.limit, hits[: ask.limit]
        if backwards:
            hits.reverse()
        behind, ahead = (more, bool(hits)) if backwards else (cursor is not None and bool(hits), more)
        body = b'{"contact":%b,"entries":[%b],"next":%b,"previous":%b,"freshness":%b}' % (
            _contact(found),
            b",".join([hit.body for hit in hits]),
            _quoted(hits[-1], ask.newest_first, False) if ahead else b"null",
            _quoted(hits[0], ask.newest_first, True) if behind else b"null",
            freshness,
        )
        return body, position

    def version(self, found: Found) -> str:
        """A text that changes whenever this contact or an entry of it does; how fresh that is has no part in it."""
        row = found.row
        return f"{self._views.entry_version(row.account, row.contact):x}-{zlib.crc32(_contact(found)):x}"

    def freshness(self, account: str) -> tuple[int, bytes]:
        """The reader's position, and `{"position", "recordedAt", "lastRead"}`: how far everything is folded, when the newest of it
        was recorded, and until when all of the account's active connections were read (None while one never was)."""
        position, ends = self._ends(account)
        known = self._freshness.get(account)
        # Connections change by being folded only, so at an equal position nothing of them did.
        if known is None or known.position != position or known.ends is not ends:
            known = self._freshness[account] = _Fresh(position, ends, self._fresh(account, position, ends))
        return position, known.body

    def _ends(self, account: str) -> tuple[int, Ends]:
        """The reader's position, and the rounds of which it shows everything."""
        shown_from, ends = (0, _NO_ENDS) if self._rounds is None else self._rounds.ends(account)
        position = self._views.position()
        return position, _NO_ENDS if position < shown_from else ends  # behind it only if they were exchanged for others

    def _fresh(self, account: str, position: int, ends: Ends) -> bytes:
        recorded = self._views.recorded()
        bodies = [_last_read.decode(row.body) for row in self._views.connections(account)]
        reads = [_read(account, body, ends) for body in bodies if body.state == "active"]
        last_read = min(reads, default="") or None  # "": one was never read
        return _encode({"position": position, "recordedAt": stamp(recorded) if recorded else None, "lastRead": last_read})

    def is_due(self, account: str) -> bool:
        """Is it time for a `look`?"""
        return self._rounds is not None and self._rounds.is_due(account)

    def look(self, account: str) -> None:
        """Learn when the account's calendars were last read to their end, for `freshness`. Asks what may be slow."""
        if self._rounds is not None:
            self._rounds.look(account)

    # --- meetings ------------------------------------------------------------------------------------------------------------

    def meeting(self, account: str, meeting: str) -> bytes:
        """A meeting that stands in a timeline, as readers see it; one found to be another is that other. Raises `NotFound`."""
        row = self._views.meeting(account, str(_uuid(account, meeting)))
        if row is not None and row.into is not None:
            row = self._views.meeting(account, row.into)
        if row is None or not row.view or not self._stands(row):
            raise NotFound(f"no meeting {meeting} stands in a timeline of account {account}; ask explain why")
        return row.body

    def _stands(self, row: MeetingRow) -> bool:
        """Is it in some contact's timeline? A meeting of colleagues has a view too, and its content is nobody's to read."""
        return row.common is not None and (row.contacts != "[]" or bool(self._views.current(row.account, [row.meeting])))

    def history(self, account: str, meeting: str) -> bytes:
        """A meeting's domain events (services.history.History). Raises `NotFound`."""
        return _encode(history(account, _uuid(account, meeting), self._store, self._vault))

    def decisions(
        self,
        account: str,
        *,
        event: str | None = None,
        meeting: str | None = None,
        subject: str | None = None,
        cursor: str | None = None,
        limit: int = 100,
    ) -> bytes:
        """Decisions in order: `{"decisions": [...], "next"}`, people as their keys. Raises `BadInput`, and `NotFound` for a meeting
        whose id is none."""
        if not 1 <= limit <= MOST:
            raise BadInput("limit", f"{limit}; from 1 to {MOST}")
        after = _cursor(cursor, False).start if cursor is not None else 0
        meeting = str(_uuid(account, meeting)) if meeting is not None else None
        rows = self._views.decisions(account, event=event, meeting=meeting, subject=subject, after=after, limit=limit + 1)
        return b'{"decisions":[%b],"next":%b}' % (b",".join([row.body for row in rows[:limit]]), _after(rows, limit))

    def connections(self, account: str) -> bytes:
        """`{"connections": [...]}`, without what is for the folds only, and as freshly read as is known."""
        _, ends = self._ends(account)
        rows = [row.body for row in self._views.connections(account)]
        found = [{**msgspec.json.decode(body), "lastRead": _read(account, _last_read.decode(body), ends) or None} for body in rows]
        return _encode({"connections": [{k: v for k, v in one.items() if k != "facts"} for one in found]})

    def position(self, account: str) -> int:
        """The reader's position. Each store has its own: it says nothing of accounts that are in another (see `store`)."""
        return self._views.position()

    def store(self, account: str) -> int:
        """The number of the store that holds an account."""
        return 0

    # --- changes -------------------------------------------------------------------------------------------------------------

    def changes(self, account: str, contact: str | None, after: int, limit: int) -> Sequence[Change]:
        """Changes of timelines, of one contact or of all."""
        return self._views.changes(account, contact, after, limit)

    def last_change(self, account: str, contact: str | None) -> int:
        """The id after which nothing has changed yet: where a live reader begins who names no place."""

        def beyond(place: int) -> bool:
            return bool(self._views.changes(account, contact, place, 1))

        # Ids grow and the port names no last one: double, then halve; some forty look-ups when a stream is opened.
        high = 1
        while beyond(high):
            high *= 2
        low = high // 2
        while low < high:
            middle = (low + high) // 2
            low, high = (middle + 1, high) if beyond(middle) else (low, middle)
        return low


def _read(account: str, body: _LastRead, ends: Ends) -> str:
    """When this connection was read last, "" if never."""
    return max(body.last_read or "", ends.get(Link(account, body.provider or "", body.user), ""))


def _contact(found: Found) -> bytes:
    if not found.others:
        return found.row.body
    return b'%b,"others":%b}' % (found.row.body[:-1], _encode(found.others))


def _uuid(account: str, meeting: str) -> UUID:
    try:
        return UUID(meeting)
    except ValueError:
        raise NotFound(f"no meeting {meeting[:80]} is known in account {account}: a meeting's id is a UUID") from None


def _after(rows: Sequence[DecisionRow], limit: int) -> bytes:
    return b'"%b"' % encoded(Cursor(rows[limit - 1].position, "", False, False)) if len(rows) > limit else b"null"


def _quoted(hit: EntryHit, newest_first: bool, backwards: bool) -> bytes:
    return b'"%b"' % encoded(Cursor(hit.start, hit.name, newest_first, backwards))


def encoded(cursor: Cursor) -> bytes:
    """A cursor as readers carry it. The mark in front is no secret: it tells a cursor that was cut or mistyped from one of ours."""
    raw = _encode(cursor)
    return base64.urlsafe_b64encode(_mark(raw) + raw).rstrip(b"=")


def decoded(text: str) -> Cursor:
    """The cursor in this text. Raises `BadInput` for what `encoded` did not make.

    >>> decoded(encoded(Cursor(5, "a:1", True, False)).decode())
    Cursor(start=5, name='a:1', newest_first=True, backwards=False)
    """
    try:
        raw = base64.urlsafe_b64decode(text.encode("ascii") + b"=" * (-len(text) % 4))
        if raw[:_MARK] == _mark(raw[_MARK:]):
            return Cursor(*_places.decode(raw[_MARK:]))
    except (binascii.Error, UnicodeError, ValueError, msgspec.DecodeError):
        pass  # whatever is wrong with it, it is none of ours
    raise BadInput("cursor", "not a cursor of ours: take it from `next` or `previous` as it is")


def _cursor(text: str, newest_first: bool) -> Cursor:
    cursor = decoded(text)
    if cursor.newest_first is not newest_first:
        raise BadInput("cursor", "belongs to the other order")
    return cursor


def _mark(raw: bytes) -> bytes:
    return hashlib.blake2b(raw, digest_size=_MARK).digest()
