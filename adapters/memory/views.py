"""Memory twin of the read models. See `projections.views.Views` for what each verb promises."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Iterator
from typing import NamedTuple

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from domain.errors import Conflict
from projections import contacts
from projections.bodies import EntryRow, MeetingRow, Standing, name
from projections.contact_timeline import Scrub, still_gone
from projections.views import (
    Change,
    Changes,
    ClockRow,
    ConnectionRow,
    ContactRow,
    DecisionRow,
    EntryHit,
    Page,
    StoredMeeting,
    listed,
    listed_meeting,
)

_Full = tuple[str, str, str, int]


class _Left(NamedTuple):
    """An entry left its timeline."""

    account: str
    contact: str
    meeting: str
    occurrence: int
    position: int

    @property
    def full(self) -> _Full:
        """As of a row."""
        return self[:4]


class _Calendar(Struct):
    calendar: str | None = None


_calendar = msgspec.json.Decoder(_Calendar)


class MemoryViews:
    """`projections.views.Views` in dicts. Versions and leavings have ids that grow, by which live readers follow them."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._position = self._recorded_at = self._last_id = 0
        self._told: dict[int, EntryRow | _Left] = {}
        self._timelines: dict[tuple[str, str], dict[int, None]] = {}
        self._touched: dict[tuple[str, str], int] = {}
        self._current: dict[tuple[str, str], dict[_Full, int]] = {}
        self._contacts: dict[tuple[str, str], ContactRow] = {}
        self._meetings: dict[tuple[str, str], MeetingRow] = {}
        self._decisions: dict[int, DecisionRow] = {}
        self._connections: dict[tuple[str, str], ConnectionRow] = {}
        self._clocks: dict[str, ClockRow] = {}

    # --- folding

    def position(self) -> int:
        """As promised."""
        return self._position

    def apply(self, changes: Changes, position: int, recorded_at: int) -> None:
        """As promised."""
        with self._lock:
            if position <= self._position:
                raise Conflict(f"position {position} is not ahead of {self._position}")
            removed = self._remove(set(changes.purged), set(changes.forgotten))
            for account in dict.fromkeys(account for account, _ in changes.scrubbed):
                self._scrub(account, Scrub(key for of, key in changes.scrubbed if of == account))
            self._write_entries(changes, removed, position)
            self._contacts.update({(row.account, row.contact): row for row in changes.contacts})
            self._meetings.update({(row.account, row.meeting): row for row in changes.meetings})
            for account, meeting, series_to in changes.extended:
                self._meetings[account, meeting] = self._meetings[account, meeting]._replace(series_to=series_to)
            self._decisions.update({row.position: row for row in changes.decisions})
            self._connections.update({(row.account, row.user): row for row in changes.connections})
            self._clocks.update({row.account: row for row in changes.clocks})
            self._position, self._recorded_at = position, max(self._recorded_at, recorded_at)

    def current(self, account: str, meetings: Iterable[str]) -> list[Standing]:
        """As promised."""
        with self._lock:
            found = [id_ for meeting in set(meetings) for id_ in self._current.get((account, meeting), {}).values()]
            return [_standing(id_, self._row(id_)) for id_ in found]

    def entries_of_contact(self, account: str, contact: str) -> list[Standing]:
        """As promised."""
        with self._lock:
            return [_standing(id_, row) for id_, row in self._versions_of(account, contact) if row.recorded_to is None]

    def versions(self, account: str, ids: Iterable[int]) -> dict[int, EntryRow]:
        """As promised."""
        with self._lock:
            return {id_: self._row(id_) for id_ in ids}

    def stored_meetings(self, meetings: Collection[tuple[str, str]]) -> dict[tuple[str, str], StoredMeeting]:
        """As promised."""
        with self._lock:
            return {at: _stored(row) for at in meetings if (row := self._meetings.get(at)) is not None}

    def series_to_extend(self, account: str, before: int) -> list[StoredMeeting]:
        """As promised."""
        with self._lock:
            rows = [row for row in self._meetings.values() if row.account == account]
            return [_stored(row) for row in rows if row.series_to is not None and row.series_to < before]

    def meetings_with(self, account: str, key: str) -> list[str]:
        """As promised."""
        with self._lock:
            rows = [row for row in self._told.values() if isinstance(row, EntryRow) and row.recorded_to is None]
            found = {row.common.meeting for row in rows if row.common.account == account and key in row.common.people}
            found.update(row.meeting for row in self._meetings.values() if row.account == account and key.encode() in row.view)
            return sorted(found)

    def stored_contacts(self, contacts: Collection[tuple[str, str]]) -> dict[tuple[str, str], ContactRow]:
        """As promised."""
        with self._lock:
            return {at: row for at in contacts if (row := self._contacts.get(at)) is not None}

    def contacts_merged_into(self, account: str, contact: str) -> list[ContactRow]:
        """As promised."""
        with self._lock:
            return [row for (of, _), row in sorted(self._contacts.items()) if of == account and row.into == contact]

    def connections_of_calendars(self, calendars: Collection[tuple[str, str]]) -> list[ConnectionRow]:
        """As promised."""
        wanted = set(calendars)
        accounts = sorted({account for account, _ in wanted})
        rows = [row for account in accounts for row in self.connections(account)]
        return [row for row in rows if (row.account, _calendar.decode(row.body).calendar) in wanted]

    def clocks_of(self, accounts: Collection[str]) -> dict[str, ClockRow]:
        """As promised."""
        return {account: clock for account in accounts if (clock := self._clocks.get(account)) is not None}

    # --- reading

    def clocks(self) -> list[ClockRow]:
        """As promised."""
        return [self._clocks[account] for account in sorted(self._clocks)]

    def accounts_without_clock(self) -> list[str]:
        """As promised."""
        told = {row.account for row in self._decisions.values()} | {account for account, _ in self._contacts}
        return sorted(told - self._clocks.keys())

    def recorded(self) -> int:
        """As promised."""
        return self._recorded_at

    def contact(self, account: str, contact: str) -> ContactRow | None:
        """As promised."""
        return self._contacts.get((account, contact))

    def contacts_by_key(self, account: str, key: str) -> list[ContactRow]:
        """As promised."""
        with self._lock:
            rows = [row for (of, _), row in sorted(self._contacts.items()) if of == account]
            return [row for row in rows if row.key == key and row.state == "live"]

    def entries(self, account: str, contact: str, page: Page) -> list[EntryHit]:
        """As promised."""
        with self._lock:
            found = [row for _, row in self._versions_of(account, contact) if _holds(row, page) and _fits(row, page)]
        hits = sorted((EntryHit(row.start, name(row.common.meeting, row.occurrence), row.body) for row in found), reverse=page.newest_first)
        if page.after is not None:
            hits = [hit for hit in hits if (hit[:2] < page.after if page.newest_first else hit[:2] > page.after)]
        return hits[: page.limit]

    def entry_version(self, account: str, contact: str) -> int:
        """As promised."""
        with self._lock:
            return max(self._touched.get((account, contact), 0), *self._timelines.get((account, contact), {}), 0)

    def meeting(self, account: str, meeting: str) -> MeetingRow | None:
        """As promised."""
        return self._meetings.get((account, meeting))

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
        """As promised."""
        with self._lock:
            rows = [row for position, row in sorted(self._decisions.items()) if position > after and row.account == account]
        asked = [(row, ((event, row.event), (meeting, row.meeting), (subject, row.subject))) for row in rows]
        return [row for row, pairs in asked if all(wanted in (None, is_) for wanted, is_ in pairs)][:limit]

    def connections(self, account: str) -> list[ConnectionRow]:
        """As promised."""
        with self._lock:
            return [row for (of, _), row in sorted(self._connections.items()) if of == account]

    def changes(self, account: str, contact: str | None, after: int, limit: int) -> list[Change]:
        """As promised."""
        with self._lock:
            rows = [(id_, row) for id_, row in sorted(self._told.items()) if id_ > after and row.full[0] == account]
        wanted = [(id_, row) for id_, row in rows if contact in (None, row.contact)]
        return [_change(id_, row) for id_, row in wanted[:limit]]

    def counts(self) -> dict[str, int]:
        """As promised: `entries` are current, `versions` those and former ones."""
        with self._lock:
            return {
                "contacts": len(self._contacts),
                "meetings": len(self._meetings),
                "entries": sum(map(len, self._current.values())),
                "versions": sum(isinstance(row, EntryRow) for row in self._told.values()),
                "decisions": len(self._decisions),
                "connections": len(self._connections),
                "clocks": len(self._clocks),
            }

    def rows(self) -> Iterator[tuple[object, ...]]:
        """As promised."""
        with self._lock:
            versions = [row for row in self._told.values() if isinstance(row, EntryRow)]
            found: list[tuple[object, ...]] = [("contact", *row) for _, row in sorted(self._contacts.items())]
            found += [listed_meeting(row) for _, row in sorted(self._meetings.items())]
            found += [listed(row) for row in sorted(versions, key=lambda row: (*row.full, row.common.position, row.version))]
            found += [("decision", row.account, row.position, *row[2:]) for _, row in sorted(self._decisions.items())]
            found += [("connection", *row) for _, row in sorted(self._connections.items())]
            found += [("clock", *row) for _, row in sorted(self._clocks.items())]
        yield from found

    # --- writing

    def _row(self, id_: int) -> EntryRow:
        row = self._told[id_]
        assert isinstance(row, EntryRow)  # ids of versions are asked for, not of leavings
        return row

    def _versions_of(self, account: str, contact: str) -> list[tuple[int, EntryRow]]:
        told = [(id_, self._told[id_]) for id_ in self._timelines.get((account, contact), ())]
        return [(id_, row) for id_, row in told if isinstance(row, EntryRow)]

    def _tell(self, row: EntryRow | _Left) -> int:
        self._last_id += 1
        self._told[self._last_id] = row
        self._timelines.setdefault(row.full[:2], {})[self._last_id] = None
        return self._last_id

    def _remove(self, purged: set[tuple[str, str]], forgotten: set[tuple[str, str]]) -> list[_Full]:
        if not purged and not forgotten:
            return []
        found = [
            (id_, row)
            for id_, row in self._told.items()
            if isinstance(row, EntryRow) and ((row.full[0], row.full[2]) in purged or row.full[:2] in forgotten)
        ]
        for id_, row in found:
            del self._told[id_]
            del self._timelines[row.full[:2]][id_]
            self._current.get((row.common.account, row.common.meeting), {}).pop(row.full, None)
        return [row.full for _, row in found if row.recorded_to is None]

    def _scrub(self, account: str, scrub: Scrub) -> None:
        for id_, row in self._told.items():
            if isinstance(row, EntryRow) and row.common.account == account and (clean := scrub.row(row)) is not row:
                self._told[id_] = clean
                self._last_id += 1
                self._touched[account, row.contact] = self._last_id
        for at, meeting in self._meetings.items():
            if at[0] == account and meeting.common is not None:
                self._meetings[at] = meeting._replace(common=scrub.common(meeting.common))
        for at, contact in self._contacts.items():
            if at[0] == account and contact.key in scrub.erased:
                self._contacts[at] = contacts.scrubbed(contact)

    def _write_entries(self, changes: Changes, removed: list[_Full], position: int) -> None:
        for id_, recorded_to in changes.closed:
            row = self._told.get(id_)
            if isinstance(row, EntryRow):  # else it was purged or forgotten just now
                self._told[id_] = replace(row, recorded_to=recorded_to)
                self._current[row.common.account, row.common.meeting].pop(row.full, None)
        for row in changes.entries:
            id_ = self._tell(row)
            if row.recorded_to is None:
                self._current.setdefault((row.common.account, row.common.meeting), {})[row.full] = id_
        for left in still_gone(removed, changes):
            self._tell(_Left(*left, position))


def _holds(row: EntryRow, page: Page) -> bool:
    if page.as_of is None:
        return row.recorded_to is None
    return row.common.recorded_from <= page.as_of and (row.recorded_to is None or page.as_of < row.recorded_to)


def _fits(row: EntryRow, page: Page) -> bool:
    """Does it overlap the time asked for, and is it of a status asked for? What lasts no time overlaps where it starts."""
    return (
        (page.low is None or row.end > page.low or row.start >= page.low)
        and (page.high is None or row.start < page.high)
        and (not page.status or row.common.status in page.status)
    )


def _standing(id_: int, row: EntryRow) -> Standing:
    return Standing(id_, row.contact, row.common.meeting, row.occurrence, row.start, row.version)


def _stored(row: MeetingRow) -> StoredMeeting:
    return StoredMeeting(row.meeting, row.series_to, row.view)


def _change(id_: int, row: EntryRow | _Left) -> Change:
    position, body = (row.common.position, row.body) if isinstance(row, EntryRow) else (row.position, b"")
    return Change(id_, *row.full, position, body)
