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
- a bearer follows no link to another host (`adapters.http`).

A round is held in memory until it is said: a window of a calendar is some thousand items.

Facts: Graph v1.0, "event: delta", "List instances", "Use delta query" (resets: 410, or a 4xx with one of `_RESET`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Generator, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple
from urllib.parse import quote

import msgspec

from adapters import listing, wording
from adapters.http import Answer, Api
from adapters.listing import Held, Listing
from adapters.office365.calling import PREFER
from adapters.office365.translate import translate
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
_DELETED = "rendezvous.meeting.deleted.v1"
# What Graph's delta itself tells of an occurrence that is as its series says.
_BARE = ("@odata.type", "@odata.etag", "seriesMasterId", "type", "id", "start", "end", "originalStart", "isAllDay")

Json = dict[str, Any]


class Days(NamedTuple):
    """How far the window goes, in days before and after today."""

    before: int = 90
    after: int = 365


class Place(msgspec.Struct, frozen=True):
    """The cursor's value: the delta link, and the window [from, to) that it is bound to (ms)."""

    link: str
    low: int
    high: int


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
        reading = _Reading(self._api, grant, now)
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

    def __init__(self, api: Api, grant: Grant, now: int) -> None:
        self._api, self._grant, self._link, self._now = api, grant, grant.link, now

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
        round = _Round(items, odd, _window(place), wording.digest([place.link, place.low, place.high, since is None]))
        if since is not None:
            yield from self._look_for_removed(round)
        yield from self._said(round, place, whole=since is None)
        if last:
            yield Pulled([], [], msgspec.json.encode(Place(end, place.low, place.high)).decode(), last=True)

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

    def _get(self, path: str, params: dict[str, str] | None = None) -> Answer:
        prefer = f"{PREFER}, odata.maxpagesize={PAGE}"
        answer = self._api.call(
            self._link, "GET", path, params=params, headers={"Prefer": prefer}, expected=(400, 404, 409, 410, 412), patient=True
        )
        if answer.status >= 300 and not _is_reset(answer):
            raise Refused(f"office365 answered {answer.status} {answer.code}".strip())
        if answer.status < 300 and not isinstance(answer.body, dict):
            raise TryAgain("office365 answered without a body")
        return answer

    def _event(self, id: str) -> Json | None:
        """This event as it is now, or None."""
        answer = self._api.call(
            self._link, "GET", f"me/calendar/events/{_quoted(id)}", headers={"Prefer": PREFER}, expected=(404, 410), patient=True
        )
        return answer.body if answer.status < 300 and isinstance(answer.body, dict) else None

    def _instances(self, master: str, window: tuple[datetime, datetime]) -> Iterator[Json]:
        """All occurrences of a series in the window. Raises `Refused` if Graph does not lay it out."""
        low, high = (wording.instant(edge) for edge in window)
        answer = self._get(f"me/events/{_quoted(master)}/instances", {"startDateTime": low, "endDateTime": high, "$top": str(PAGE)})
        while answer.status < 300:
            yield from (item for item in answer.body.get("value") or () if isinstance(item, dict) and isinstance(item.get("id"), str))
            next = answer.body.get("@odata.nextLink")
            if not isinstance(next, str):
                return
            answer = self._get(next)
        raise Refused("office365 lost the series' place")

    # --- saying

    def _said(self, round: _Round, place: Place, whole: bool) -> Iterator[Pulled]:
        """What the round says, in pages of ours; of a whole one what it held, too."""
        self._complete(round)
        silent, sure = (set[str](), True) if whole else self._lay_out(round)
        said = self._translated(round, sure)
        if lost := _series_that_lost(said.events):
            known = len(round.items)
            sure = yield from self._look_around(round, lost)
            if not sure or len(round.items) > known:
                said = self._translated(round, sure)
        # What has no master any more, though it was listed with one, is gone; the next round says so.
        refused = [(one.what, one.reason) for one in said.refused] + [(hint.id, "its series is gone") for hint in said.hints]
        yield Pulled([], refused)
        events = [event for event in said.events if event["subject"] not in silent]
        for start in range(0, len(events), SAID_AT_ONCE):
            yield Pulled(events[start : start + SAID_AT_ONCE], [])
        if whole:
            yield Pulled(self._listed(round, place, said.events), [])

    def _translated(self, round: _Round, sure: bool) -> Translated:
        """What the items say; if it is `sure` that all is there, also what their silence does."""
        body: Json = {"value": [*round.items.values(), *round.odd]} | ({"@odata.deltaLink": round.name} if sure else {})
        return translate(
            [body],
            account=self._link.account,
            user=self._link.user,
            calendar=self._grant.calendar,
            address=self._grant.address,
            window=round.window,
        )

    def _look_around(self, round: _Round, series: Iterable[str]) -> Generator[Pulled, None, bool]:
        """Add the exceptions of these series that lie outside the window: one that was moved there is not cancelled. Whether all
        series could be laid out."""
        wide = (round.window[0] - AROUND, round.window[1] + AROUND)
        try:
            for master in series:
                for item in self._instances(master, wide):
                    if item.get("type") == "exception":
                        round.items.setdefault(item["id"], item)
                yield Pulled([], [])
        except Refused:
            return False
        return True

    def _look_for_removed(self, round: _Round) -> Iterator[Pulled]:
        """Put in the place of removals what is there still, outside the window."""
        removed = [id for id, item in round.items.items() if "@removed" in item]
        for number, id in enumerate(removed, 1):
            item = self._event(id)
            if item is not None and not self._is_inside(item, round.window):
                round.items[id] = item
            if number % READ_AT_ONCE == 0:
                yield Pulled([], [])

    def _is_inside(self, item: Json, window: tuple[datetime, datetime]) -> bool:
        """Has it an occurrence in the window? Who cannot be placed is, and stays removed."""
        if item.get("type") == "seriesMaster":
            return any(True for _ in self._instances(str(item["id"]), window))
        start, end = _moment(item.get("start")), _moment(item.get("end"))
        return start is None or end is None or (start < window[1] and end > window[0])

    def _complete(self, round: _Round) -> None:
        """Read the masters that bare occurrences need, and of those that have none, the occurrences themselves."""
        needed: dict[str, list[str]] = {}
        for id, item in round.items.items():
            series = item.get("seriesMasterId")
            if "@removed" not in item and item.get("createdDateTime") is None and isinstance(series, str) and series not in round.items:
                needed.setdefault(series, []).append(id)
        for series, occurrences in needed.items():
            master = self._event(series)
            found = {series: master} if master is not None else {id: one for id in occurrences if (one := self._event(id)) is not None}
            round.items.update(found)

    def _lay_out(self, round: _Round) -> tuple[set[str], bool]:
        """Add what the round leaves out of its series. The ids of those that are as their series says, which nobody asked to be
        told; and whether all series could be laid out."""
        silent: set[str] = set()
        for master in [id for id, item in round.items.items() if item.get("type") == "seriesMaster"]:
            try:
                for item in self._instances(master, round.window):
                    if item["id"] in round.items:
                        continue
                    if item.get("type") == "occurrence":
                        silent.add(item["id"])
                        item = {name: item[name] for name in _BARE if name in item}
                    round.items[item["id"]] = item
            except Refused:
                return silent, False
        return silent, True

    def _listed(self, round: _Round, place: Place, events: Iterable[Json]) -> list[Json]:
        there = {id for id, item in round.items.items() if "@removed" not in item}
        there |= {series for id in there if isinstance(series := round.items[id].get("seriesMasterId"), str)}
        held = {id: Held(id) for id in there} | {id: one for id, one in listing.held_by(events).items() if id in there}
        marks = [round.name, sorted((id, item.get("changeKey") or item.get("@odata.etag")) for id, item in round.items.items())]
        source = f"/accounts/{self._link.account}/calendars/office365/{self._grant.calendar or 'primary'}"
        name = wording.digest(marks)
        what = Listing("office365", self._link.account, self._link.user, self._grant.calendar, source, round.window, self._now, name)
        return listing.events(what, held.values())


class _Round(NamedTuple):
    """What was read: items by id, the last mention of each; what is no item; the window; and a name that a second reading of the
    same round has, too."""

    items: dict[str, Json]
    odd: list[object]
    window: tuple[datetime, datetime]
    name: str


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
