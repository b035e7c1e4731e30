"""The rows of entries and meetings, and the JSON that they stand for.

What all entries of one event say alike is kept once, as a `Common`; a version of an entry adds a handful of numbers, and its body is
put together from both whenever it is read. What must stay true: a body is, byte for byte, what encoding an `Entry`
(projections/contact_timeline.py) gives.

An entry's id is the hex of a uuid5 of "account|contact|meeting|occurrence (ms)". `occurrence` is written as the entry's times are: an
instant with Z, a local time if it floats, a date if it is all-day (and began as that: a meeting that was made all-day keeps the
instant that names it).
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import lru_cache
from hashlib import sha1
from typing import NamedTuple
from uuid import UUID

import msgspec
from msgspec import Struct
from msgspec.structs import astuple

DAY = 86_400_000
"""Milliseconds of a day."""

INSTANTS, FLOATING, DATES = "instants", "floating", "dates"
"""How the times of entries are written."""

TYPED = "@"
"""Before the key of somebody who is named in a text."""

_EPOCH = datetime(1970, 1, 1)
_FIRST, _BEYOND = -62_135_596_800_000, 253_402_300_800_000
"""The calendar (ms): years 1 to 9999."""

_NAMESPACE = UUID("5f0c0b1e-7a52-5d0e-9f0e-3a9d8c1b6e42")
_NAMED = sha1(_NAMESPACE.bytes, usedforsecurity=False)
_VARIANT = {digit: "89ab"[int(digit, 16) % 4] for digit in "0123456789abcdef"}
"""RFC 9562: the first two bits of this digit are 10."""

_encode = msgspec.json.Encoder().encode


# --- times ---------------------------------------------------------------------------------------------------------------------


def local(at: int) -> datetime:
    """The instant (ms) as a UTC datetime without zone; what lies outside the calendar is its first or last day.

    >>> local(0), local(10**15)
    (datetime.datetime(1970, 1, 1, 0, 0), datetime.datetime(9999, 12, 31, 0, 0))
    """
    try:
        return _EPOCH + timedelta(0, 0, 0, at)
    except OverflowError:
        return datetime(9999, 12, 31) if at > 0 else datetime(1, 1, 1)


@lru_cache(maxsize=4096)
def stamp(at: int) -> str:
    """A time (ms) as bodies say when something happened or was recorded: RFC 3339, UTC, with milliseconds.

    >>> stamp(1772442905001)
    '2026-03-02T09:15:05.001Z'
    """
    return local(at).isoformat(timespec="milliseconds") + "Z"


def floating(at: int) -> str:
    """Date and time of day.

    >>> floating(1772442905000), floating(10**15)
    ('2026-03-02T09:15:05', '9999-12-31T00:00:00')
    """
    # In two halves, of which there are few: a page has a hundred times, and meetings begin at the same few times of day.
    if _FIRST <= at < _BEYOND:
        return _day(at // DAY) + _time(at % DAY)
    return local(at).isoformat()


# Asked for again and again: whoever reads a timeline reads it again after each change.
@lru_cache(maxsize=16_384)
def _instant(at: int) -> str:
    if _FIRST <= at < _BEYOND:
        return f"{_day(at // DAY)}{_time(at % DAY)}Z"
    return floating(at) + "Z"


def _date(at: int) -> str:
    return local(at).date().isoformat()


def _date_or_instant(original: int) -> str:
    return _instant(original) if original % DAY else _date(original)


@lru_cache(maxsize=8192)
def _day(day: int) -> str:
    return _date(day * DAY)


@lru_cache(maxsize=2048)
def _time(at: int) -> str:
    return local(at).isoformat()[10:]


_Write = Callable[[int], str]
_WRITTEN: dict[str, tuple[_Write, _Write]] = {
    INSTANTS: (_instant, _instant),
    FLOATING: (floating, floating),
    DATES: (_date_or_instant, _date),
}
"""How the original start that names an occurrence, and how its other times."""


# --- rows ----------------------------------------------------------------------------------------------------------------------


class Common(Struct, frozen=True, gc=False):
    """What entries of a meeting say alike that one event made and that show the same.

    `position` and `recorded_from` (ms) are the event's. `times` is INSTANTS, FLOATING or DATES; `series`: these are occurrences of a
    series. `people` are the keys of those who are named: the participants in their order, then the organiser, then, each behind a
    TYPED, those whose addresses stand in the title, the location and the conference link, in their order there. `title` is JSON;
    `about` and `frame` are fields within an object's JSON: from "timeZone" to "participants", from "origin" to "associations"."""

    account: str
    meeting: str
    position: int
    recorded_from: int
    status: str
    times: str
    series: bool
    people: tuple[str, ...]
    title: str
    about: str
    frame: str


class EntryRow(Struct, frozen=True, gc=False):
    """One version of a timeline entry. `start`, `end` (ms) order and filter; `occurrence` (ms, its original start) and the common
    part's meeting name it with `contact`; it is current from the common part's `recorded_from` until `recorded_to` (ms, None: still).
    Rows of one event share their `common`: it is one object, and a store keeps it once."""

    common: Common
    contact: str
    occurrence: int
    start: int
    end: int
    version: int = 1
    recorded_to: int | None = None

    @property
    def full(self) -> tuple[str, str, str, int]:
        """What names the entry: account, contact, meeting, occurrence."""
        return self.common.account, self.contact, self.common.meeting, self.occurrence

    @property
    def body(self) -> bytes:
        """The entry as JSON, ready to be sent."""
        return pieces(self.contact, self.common).entry(self.occurrence, self.start, self.end, self.version)


class Standing(NamedTuple):
    """A current entry as folds need it; `id` is its store's own name for this version, above 0."""

    id: int
    contact: str
    meeting: str
    occurrence: int
    start: int
    version: int


class MeetingRow(NamedTuple):
    """A meeting. For the folds: `view` (a stored domain View as JSON, people sealed, b"" if it stands in no timeline) and `series_to`
    (ms up to which its series is laid out, None if it is none or has ended before). For readers: `into` if absorbed, `position` and
    `recorded_at` (ms) of the record that last changed its view, and what is shown of it: `common`, which its entries of that event
    share, `start`, `end` (ms), `contacts` and `rules` (JSON); None, 0 and empty if it stands in no timeline."""

    account: str
    meeting: str
    into: str | None
    position: int
    recorded_at: int
    series_to: int | None = None
    view: bytes = b""
    common: Common | None = None
    start: int = 0
    end: int = 0
    contacts: str = "[]"
    rules: str = "[]"

    @property
    def body(self) -> bytes:
        """`meeting_view.Body` as JSON, ready to be sent."""
        into = _encode(self.into).decode()
        recorded = f'"recordedAt":"{stamp(self.recorded_at)}","position":{self.position}}}'
        return f'{{"meeting":"{self.meeting}","into":{into},"content":{self._content()},{recorded}'.encode()

    def _content(self) -> str:
        common = self.common
        if common is None:
            return "null"
        _, written = _WRITTEN[common.times]
        people = [key for key in common.people if not key.startswith(TYPED)]
        named = f'"people":{_encode(people).decode()},"contacts":{self.contacts}'
        slot = f'"start":"{written(self.start)}","end":"{written(self.end)}"'
        return f'{{"title":{common.title},{slot},{common.about},{named},{common.frame},"rules":{self.rules}}}'


def name(meeting: str, occurrence: int) -> str:
    """An entry's name within its contact's timeline."""
    return f"{meeting}:{occurrence}"


# --- bodies --------------------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=16_384)
def entry_id(account: str, contact: str, meeting: str, occurrence: int) -> str:
    """The id of an entry, for good.

    >>> from uuid import uuid5
    >>> entry_id("62515", "151", "m", 0) == uuid5(_NAMESPACE, "62515|151|m|0").hex
    True
    """
    # By hand: the library's own way takes three times as long.
    named = _NAMED.copy()
    named.update(f"{account}|{contact}|{meeting}|{occurrence}".encode())
    hashed = named.hexdigest()
    return f"{hashed[:12]}5{hashed[13:16]}{_VARIANT[hashed[16]]}{hashed[17:32]}"


class Pieces(NamedTuple):
    """What stands between the values that are an entry's own, made once for the entries of a timeline that share it: how the original
    start and other times are written, and the JSON up to the occurrence, the start, the end, the series' occurrence if it is one,
    the version, and the entry's end. Neither a meeting's id nor a time has a character that JSON escapes."""

    account: str
    contact: str
    meeting: str
    named: _Write
    written: _Write
    to_occurrence: str
    to_start: str
    to_series: str
    to_version: str
    to_end: str

    def entry(self, occurrence: int, start: int, end: int, version: int) -> bytes:
        """An entry's body."""
        account, contact, meeting, named, written, to_occurrence, to_start, to_series, to_version, to_end = self
        original = named(occurrence)
        starts = original if occurrence == start and named is written else written(start)
        series = f"{to_series}{original}" if to_series else ""
        return (
            f'{{"entry":"{entry_id(account, contact, meeting, occurrence)}{to_occurrence}{original}{to_start}{starts}'
            f'","end":"{written(end)}{series}{to_version}{version}{to_end}'
        ).encode()


def pieces(contact: str, common: Common) -> Pieces:
    """Those of a common part in the timeline of a contact."""
    account, meeting, position, recorded_from, _, times, series, _, title, about, frame = astuple(common)
    return said(account, contact, meeting, position, recorded_from, times, series, title, about, frame)


def said(
    account: str,
    contact: str,
    meeting: str,
    position: int,
    recorded_from: int,
    times: str,
    series: bool,
    title: str,
    about: str,
    frame: str,
) -> Pieces:
    """The same from a common part's values."""
    named, written = _WRITTEN[times]
    shown, recorded = f'",{about},{frame},"series":', f',"recordedAt":"{stamp(recorded_from)}","version":'
    return Pieces(
        account,
        contact,
        meeting,
        named,
        written,
        f'","contact":{_encode(contact).decode()},"meeting":"{meeting}","occurrence":"',
        f'","title":{title},"start":"',
        f'{shown}{{"id":"{meeting}","occurrence":"' if series else "",
        f'"}}{recorded}' if series else f"{shown}null{recorded}",
        f',"position":{position}}}',
    )
