"""A user's primary Outlook calendar, read as a feed: rounds of calendarView delta over a window of days.

What must stay true:
- a delta link goes on only when its round was read to the end and said; whoever begins again from the old one says the same events
  under the same ids;
- a link that Graph takes no more, and a window that has moved by a day, are answered by a new round from the beginning, and only
  such a round is told as what a complete listing held; before it, what changed in the old window until now is read: what was moved
  beyond both is missing from the new one, and was not cancelled;
- leaving the window is no deletion, though a round of changes says both in one word: what was removed is read by id, and if it only
  moved out of sight it is said as it is now; an occurrence that seems to be missing is looked for outside the window;
- a round is translated as a whole, because a bare occurrence has its content from its master, and because an occurrence that a
  series makes and a round does not hold was cancelled. A round of changes need not hold all of a series: what it leaves out is
  asked for, or nothing is concluded from its silence;
- a series, or a removed id, that always fails to be read holds up nothing else: what was read of it is said, nothing is concluded from
  what was not, no listing counts it as gone, and it is read again (`adapters.unread`);
- a bearer follows no link to another host (`adapters.http`).

A round is held in memory until it is said: a window of a calendar is some thousand items.

Facts: Graph v1.0, "event: delta", "List instances", "Use delta query" (resets: 410, or a 4xx with one of `_RESET`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Generator, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import partial
from itertools import islice
from typing import Any, NamedTuple, TypeVar
from urllib.parse import quote

import msgspec

from adapters import listing, wording
from adapters.http import Answer, Api
from adapters.listing import Held, Listing
from adapters.office365.calling import PREFER
from adapters.office365.translate import translate
from adapters.unread import AGAIN, Remembered, Unread, about_one
from adapters.wording import Translated
from domain.errors import Deauthorised, Refused, TryAgain
from domain.outside import Grant, Grants, Link, Pulled

PAGE = 200
"""Items of a page that are asked for; Graph may send fewer."""

READ_AT_ONCE = 50
"""Events that are read by id between two signs of life."""

SAID_AT_ONCE = 500
"""Events of a page of ours."""

AROUND = timedelta(days=366)
"""How far outside the window an occurrence that it lacks is looked for. Outlook moves one no further than to its neighbours (Graph
v1.0, "Update event", ErrorOccurrenceCrossingBoundary); only the first and the last of a series have none to stop them."""

_RESET = frozenset(("syncstatenotfound", "syncstateinvalid", "resyncrequired"))
_DAY_MS = 86_400_000
# What an endless series is answered with, however long one waits; whoever is throttled hears 429, or a code of its own.
_FAILING = frozenset((500, 502, 503, 504))
_DELETED = "rendezvous.meeting.deleted.v1"
# What Graph's delta itself tells of an occurrence that is as its series says.
_BARE = ("@odata.type", "@odata.etag", "seriesMasterId", "type", "id", "start", "end", "originalStart", "isAllDay")

Json = dict[str, Any]
T = TypeVar("T")


class Days(NamedTuple):
    """How far the window goes, in days before and after today."""

    before: int = 90
    after: int = 365


class Place(msgspec.Struct, frozen=True, omit_defaults=True):
    """The cursor's value: the delta link, and the window [from, to) that it is bound to (ms); `series` that failed to be read as a
    whole, and `removed` ids that failed to be looked for."""

    link: str
    low: int
    high: int
    series: dict[str, Unread] = {}
    removed: dict[str, Unread] = {}


class Office365Feed:
    """`domain.outside.Feed` for the feed `events`; the cursor's value is a `Place` as JSON."""

    def __init__(self, api: Api, grants: Grants, days: Days = Days()) -> None:  # noqa: B008 - a tuple that nobody can change
        self._api, self._grants, self._days = api, grants, days

    def pull(self, link: Link, value: str | None, now: int) -> Iterator[Pulled]:
        """See `Feed`."""
        grant = self._grants.get(link)
        if grant is None:
            raise Deauthorised("no Office 365 calendar is connected")
        low, high = self.window(link, now)
        place = _place(value)
        moved = place is not None and (place.low, place.high) != (low, high)
        reading = _Reading(self._api, grant, place, now)
        if place is not None:
            try:
                yield from reading.round(place, since=place.link, last=not moved)
                if not moved:
                    return
            except _Reset:
                pass  # nothing was said of it
            except Refused:
                if not moved:
                    raise
        yield from reading.round(Place(place.link if place else "", low, high), since=None)

    def window(self, link: Link, now: int) -> tuple[int, int]:
        """[from, to) in ms, of whole days. When a mailbox's day begins differs from one to another, so that not all begin at once."""
        offset = int.from_bytes(hashlib.blake2b(repr(link).encode(), digest_size=4).digest()) % _DAY_MS
        today = (now - offset) // _DAY_MS * _DAY_MS
        return today - self._days.before * _DAY_MS, today + (self._days.after + 1) * _DAY_MS


class _Reset(Exception):
    """The delta link is good no more."""


class _Reading:
    """One pull."""

    def __init__(self, api: Api, grant: Grant, place: Place | None, now: int) -> None:
        self._api, self._grant, self._link, self._now = api, grant, grant.link, now
        self._series = Remembered(place.series if place else {}, now)
        self._removed = Remembered(place.removed if place else {}, now)

    def round(self, place: Place, since: str | None, last: bool = True) -> Iterator[Pulled]:
        """The round over the place's window: of changes `since` a delta link, or a whole one. `last`: nothing else is read after it."""
        items: dict[str, Json] = {}
        odd: list[object] = []
        end = ""
        for body in self._pages(place, since):
            for item in body.get("value") or ():
                _take(item, items, odd)
            end = str(body.get("@odata.deltaLink") or "")
            yield Pulled([], [])  # a sign of life
        if not end:
            raise TryAgain("office365 ended a round without a link to go on from")
        round = _Round(items, odd, _window(place), wording.digest([place.link, place.low, place.high, since is None]), {}, set())
        if since is not None:
            yield from self._look_for_removed(round)
            yield from self._recall(round)
        yield from self._said(round, place, whole=since is None)
        if last:
            unread = [*self._series.named("series"), *self._removed.named("event")]
            value = Place(end, place.low, place.high, self._series.unread, self._removed.unread)
            yield Pulled([], unread, msgspec.json.encode(value).decode(), last=True)

    # --- asking

    def _pages(self, place: Place, since: str | None) -> Iterator[Json]:
        low, high = (wording.instant(edge) for edge in _window(place))
        answer = self._get(since) if since else self._get("me/calendarView/delta", {"startDateTime": low, "endDateTime": high})
        while True:
            if _is_reset(answer):
                raise _Reset if since else TryAgain("office365 lost the round's place")
            yield answer.body
            next = answer.body.get("@odata.nextLink")
            if not isinstance(next, str):
                return
            answer = self._get(next)

    def _get(self, path: str, params: dict[str, str] | None = None, patient: bool = True, failing: frozenset[int] = frozenset()) -> Answer:
        """Statuses in `failing` are the caller's business, besides a reset."""
        headers, expected = {"Prefer": f"{PREFER}, odata.maxpagesize={PAGE}"}, {400, 404, 409, 410, 412, *failing}
        answer = self._api.call(self._link, "GET", path, params=params, headers=headers, expected=expected, patient=patient)
        if answer.status >= 300 and answer.status not in failing and not _is_reset(answer):
            raise Refused(f"office365 answered {answer.status} {answer.code}".strip())
        if answer.status < 300 and not isinstance(answer.body, dict):
            raise TryAgain("office365 answered without a body")
        return answer

    def _event(self, id: str, patient: bool = True) -> Json | None:
        """This event as it is now, or None."""
        answer = self._api.call(
            self._link, "GET", f"me/calendar/events/{_quoted(id)}", headers={"Prefer": PREFER}, expected=(404, 410), patient=patient
        )
        return answer.body if answer.status < 300 and isinstance(answer.body, dict) else None

    def _instances(self, master: str, window: tuple[datetime, datetime]) -> Iterator[Json]:
        """All occurrences of a series in the window. Raises `Refused` if Graph does not lay it out, `TryAgain` if it failed to."""
        low, high = (wording.instant(edge) for edge in window)
        # Who failed before is given one chance only: all its time-outs together would take longer than the feed is ours.
        patient = master not in self._series.unread
        params = {"startDateTime": low, "endDateTime": high, "$top": str(PAGE)}
        answer = self._get(f"me/events/{_quoted(master)}/instances", params, patient, _FAILING)
        while answer.status < 300:
            yield from (item for item in answer.body.get("value") or () if isinstance(item, dict) and isinstance(item.get("id"), str))
            next = answer.body.get("@odata.nextLink")
            if not isinstance(next, str):
                return
            answer = self._get(next, None, patient, _FAILING)
        if answer.status >= 500:
            raise TryAgain(f"office365 answered {answer.status} {answer.code}".strip())
        raise Refused("office365 lost the series' place")

    # --- what fails

    def _recall(self, round: _Round) -> Iterator[Pulled]:
        """Put series that are to be tried again among the changes, as if they had changed."""
        for id in islice(self._series.due(), AGAIN):
            if id in round.items:
                continue
            master = yield from self._tried(self._series, id, partial(self._event, id, patient=False))
            if isinstance(master, dict):
                round.items[id] = master
                round.recalled.add(id)
            elif master is None:
                self._series.read(id)

    def _tried(self, unread: Remembered, id: str, ask: Callable[[], T]) -> Generator[Pulled, None, T | _Failed]:
        """What is answered; that it failed, if the failure is about this one."""
        try:
            return ask()
        except TryAgain as error:
            why = about_one(error)
            if why is None:
                raise
            unread.failed(id, why)
        yield Pulled([], [])  # it may have taken long
        return _Failed.IT

    # --- saying

    def _said(self, round: _Round, place: Place, whole: bool) -> Iterator[Pulled]:
        """What the round says, in pages of ours; of a whole one what it held, too."""
        partly = yield from self._complete(round)
        silent: set[str] = set()
        if not whole:
            partly |= yield from self._lay_out(round, silent)
        said = self._translated(round, partly)
        if lost := _series_that_lost(said.events):
            known = len(round.items)
            doubted = yield from self._look_around(round, lost)
            partly |= doubted
            if doubted or len(round.items) > known:
                said = self._translated(round, partly)
        self._settle(round, partly)
        # What has no master any more, though it was listed with one, is gone; the next round says so.
        refused = [(one.what, one.reason) for one in said.refused] + [(hint.id, "its series is gone") for hint in said.hints]
        yield Pulled([], refused)
        events = [event for event in said.events if event["subject"] not in silent]
        for start in range(0, len(events), SAID_AT_ONCE):
            yield Pulled(events[start : start + SAID_AT_ONCE], [])
        if whole:
            yield Pulled(self._listed(round, place, said.events), [])

    def _settle(self, round: _Round, partly: set[str]) -> None:
        """What was read is unread no more."""
        for id, item in round.items.items():
            if id not in partly:
                self._series.read(id)
            if "@removed" not in item:
                self._removed.read(id)

    def _translated(self, round: _Round, partly: set[str]) -> Translated:
        """What the items say, and what their silence does; of the series that were read `partly` it says nothing."""
        return translate(
            [{"value": [*round.items.values(), *round.odd], "@odata.deltaLink": round.name}],
            account=self._link.account,
            user=self._link.user,
            calendar=self._grant.calendar,
            address=self._grant.address,
            window=round.window,
            partial=partly,
        )

    def _look_around(self, round: _Round, series: Iterable[str]) -> Generator[Pulled, None, set[str]]:
        """Add the exceptions of these series that lie outside the window: one that was moved there is not cancelled. Which could not
        be laid out."""
        wide = (round.window[0] - AROUND, round.window[1] + AROUND)
        partly: set[str] = set()
        for master in series:
            found = yield from self._laid_out(master, wide)
            for item in found or ():
                if item.get("type") == "exception":
                    round.items.setdefault(item["id"], item)
            if found is None:
                partly.add(master)
            yield Pulled([], [])
        return partly

    def _laid_out(self, master: str, window: tuple[datetime, datetime]) -> Generator[Pulled, None, list[Json] | None]:
        """All occurrences of a series in the window, or None."""
        try:
            found = yield from self._tried(self._series, master, lambda: list(self._instances(master, window)))
        except Refused:
            self._series.read(master)  # and will not be another time
            return None
        return None if found is _Failed.IT else found

    def _look_for_removed(self, round: _Round) -> Iterator[Pulled]:
        """Put in the place of removals what is there still, outside the window; also of those that could not be looked for before."""
        removed = [id for id, item in round.items.items() if "@removed" in item]
        for number, id in enumerate(removed, 1):
            yield from self._look(id, round)
            if number % READ_AT_ONCE == 0:
                yield Pulled([], [])
        for id in self._removed.due():
            if id not in round.items:
                round.items[id] = {"id": id, "@removed": {"reason": "deleted"}}
                yield from self._look(id, round)

    def _look(self, id: str, round: _Round) -> Iterator[Pulled]:
        found = yield from self._tried(self._removed, id, partial(self._outside, id, round.window))
        if found is _Failed.IT:
            round.waiting[id] = round.items.pop(id)
            return
        self._removed.read(id)
        if found is not None:
            round.items[id] = found

    def _outside(self, id: str, window: tuple[datetime, datetime]) -> Json | None:
        """This event, if it is there and has nothing in the window."""
        item = self._event(id, patient=id not in self._removed.unread)
        return item if item is not None and not self._is_inside(item, window) else None

    def _is_inside(self, item: Json, window: tuple[datetime, datetime]) -> bool:
        """Has it an occurrence in the window? Who cannot be placed is, and stays removed."""
        if item.get("type") == "seriesMaster":
            return any(True for _ in self._instances(str(item["id"]), window))
        start, end = _moment(item.get("start")), _moment(item.get("end"))
        return start is None or end is None or (start < window[1] and end > window[0])

    def _complete(self, round: _Round) -> Generator[Pulled, None, set[str]]:
        """Read the masters that bare occurrences need, and of those that have none, the occurrences themselves. Which masters could not
        be read: their occurrences wait."""
        needed: dict[str, list[str]] = {}
        for id, item in round.items.items():
            series = item.get("seriesMasterId")
            if "@removed" not in item and item.get("createdDateTime") is None and isinstance(series, str) and series not in round.items:
                needed.setdefault(series, []).append(id)
        partly: set[str] = set()
        for series, occurrences in needed.items():
            master = yield from self._tried(self._series, series, partial(self._event, series))
            if master is _Failed.IT:
                partly.add(series)
                round.waiting.update({id: round.items.pop(id) for id in occurrences})
                continue
            found = {series: master} if master is not None else {id: one for id in occurrences if (one := self._event(id)) is not None}
            round.items.update(found)
        return partly

    def _lay_out(self, round: _Round, silent: set[str]) -> Generator[Pulled, None, set[str]]:
        """Add what the round leaves out of its series, and to `silent` the ids of those that are as their series says, which nobody
        asked to be told. Which series could not be laid out."""
        partly: set[str] = set()
        for master in [id for id, item in round.items.items() if item.get("type") == "seriesMaster"]:
            found = yield from self._laid_out(master, round.window)
            if found is None:
                partly.add(master)
            for item in found or ():
                if item["id"] in round.items:
                    continue
                if item.get("type") == "occurrence":
                    # Of a series that failed before nobody knows which were told.
                    silent.update([item["id"]] if master not in round.recalled else ())
                    item = {name: item[name] for name in _BARE if name in item}
                round.items[item["id"]] = item
        return partly

    def _listed(self, round: _Round, place: Place, events: Iterable[Json]) -> list[Json]:
        items = round.items | round.waiting
        there = {id for id, item in items.items() if "@removed" not in item}
        there |= {series for id in there if isinstance(series := items[id].get("seriesMasterId"), str)}
        # They may have been moved out of sight, and nobody could say so.
        there |= self._removed.unread.keys()
        held = {id: Held(id) for id in there} | {id: one for id, one in listing.held_by(events).items() if id in there}
        marks = [round.name, sorted((id, item.get("changeKey") or item.get("@odata.etag")) for id, item in round.items.items())]
        source = f"/accounts/{self._link.account}/calendars/office365/{self._grant.calendar or 'primary'}"
        name = wording.digest(marks)
        what = Listing("office365", self._link.account, self._link.user, self._grant.calendar, source, round.window, self._now, name)
        return listing.events(what, held.values())


class _Round(NamedTuple):
    """What was read: items by id, the last mention of each; what is no item; the window; and a name that a second reading of the
    same round has, too. `waiting` are items that cannot be said yet, `recalled` the series that are in it because they failed before."""

    items: dict[str, Json]
    odd: list[object]
    window: tuple[datetime, datetime]
    name: str
    waiting: dict[str, Json]
    recalled: set[str]


class _Failed(Enum):
    """No answer."""

    IT = "it"


def _series_that_lost(events: Iterable[Json]) -> list[str]:
    """The series of which an occurrence is said to be gone because the round does not hold it: a removed id knows no series."""
    gone = [event["data"]["provenance"] for event in events if event["type"] == _DELETED]
    return list(dict.fromkeys([str(what["seriesId"]) for what in gone if what.get("seriesId")]))


def _take(item: object, items: dict[str, Json], odd: list[object]) -> None:
    """The last mention counts, in its place."""
    if not isinstance(item, dict) or not isinstance(item.get("id"), str):
        odd.append(item)
        return
    items.pop(item["id"], None)
    items[item["id"]] = item


def _place(value: str | None) -> Place | None:
    try:
        return msgspec.json.decode(value, type=Place) if value else None
    except msgspec.DecodeError:  # of another release, say: begin anew
        return None


def _window(place: Place) -> tuple[datetime, datetime]:
    begin = datetime(1970, 1, 1, tzinfo=UTC)
    return begin + timedelta(milliseconds=place.low), begin + timedelta(milliseconds=place.high)


def _moment(value: object) -> datetime | None:
    """A `dateTimeTimeZone` in UTC, which is what was asked for."""
    text = value.get("dateTime") if isinstance(value, dict) else None
    try:
        return datetime.fromisoformat(text if isinstance(text, str) else "").replace(tzinfo=UTC)
    except ValueError:
        return None


def _is_reset(answer: Answer) -> bool:
    return answer.status == 410 or (answer.status >= 400 and answer.code.casefold() in _RESET)


def _quoted(id: str) -> str:
    """An id as one segment of a path: Graph's hold `=`, and may hold `/` and `+`."""
    return quote(id, safe="")
