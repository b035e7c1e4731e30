"""events.list, events.instances and calendarList.list: what is listed, page by page, and the tokens that go on from there.

What must stay true: a listing is taken once, at its first page; the pages are read from that, so that what changes meanwhile is
neither lost nor doubled: the sync token of the last page goes on from the moment of the first. A page may hold nothing although
more follow. A token of another calendar, or older than the last invalidation, is worth nothing.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import msgspec

from services.sandbox import google_times as times
from services.sandbox.google_calendars import EVENT_TYPES, Calendar, Calendars, Copy
from services.sandbox.google_rendering import Rendering
from services.sandbox.google_switches import Switches
from services.sandbox.google_words import (
    bad_request,
    full_sync_required,
    invalid,
    time_range_empty,
    updated_min_too_long_ago,
)
from services.sandbox.wire import Request
from services.sandbox.world import World

Wire = dict[str, Any]

DEFAULT_RESULTS, MOST_RESULTS = 250, 2500
MOST_CALENDARS = 250
LISTINGS_KEPT = 256
# A sync token cannot be had with the second of these, nor be used with either.
WINDOW = ("timeMin", "timeMax")
FILTERS = ("iCalUID", "orderBy", "privateExtendedProperty", "q", "sharedExtendedProperty", "updatedMin")


class SyncToken(msgspec.Struct, kw_only=True, array_like=True):
    """`of` is a calendar's id, or an address followed by a slash for a list of calendars. `rev` is how far it was read."""

    of: str
    rev: int
    single: bool = False
    types: list[str] = []
    window: tuple[str | None, str | None] = (None, None)


class PageToken(msgspec.Struct, kw_only=True, array_like=True):
    """Which listing, from which item on, and whether an empty page stood in that place."""

    listing: int
    offset: int
    emptied: bool = False


class Taken(NamedTuple):
    """A listing as it stood at its first page."""

    of: str
    head: Wire
    items: list[Wire]
    sync_token: str | None
    size: int


def encode(token: SyncToken | PageToken) -> str:
    """Opaque, and safe in a URL."""
    return base64.urlsafe_b64encode(msgspec.json.encode(token)).decode()


def _sync_token(text: str) -> SyncToken:
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(text), type=SyncToken)
    except (msgspec.DecodeError, binascii.Error, ValueError):
        raise invalid("Invalid sync token value.", "syncToken") from None


def _page_token(text: str) -> PageToken:
    try:
        return msgspec.json.decode(base64.urlsafe_b64decode(text), type=PageToken)
    except (msgspec.DecodeError, binascii.Error, ValueError):
        raise invalid("Invalid page token value.", "pageToken") from None


class Question(NamedTuple):
    """What a client asks of a list of events."""

    token: SyncToken | None
    single: bool
    deleted: bool
    types: frozenset[str]
    lower: dt.datetime | None
    upper: dt.datetime | None
    updated_min: int | None
    order: str | None
    uid: str | None
    text: str | None
    private: list[str]
    shared: list[str]

    def syncable(self) -> bool:
        """May a sync token follow from it?"""
        return not (self.order or self.uid or self.text or self.private or self.shared or self.updated_min is not None)


def flag(request: Request, name: str) -> bool | None:
    """A boolean parameter; None if it was not given. Raises `Refusal`."""
    said = request.one(name)
    if said is None:
        return None
    if said.lower() not in ("true", "false"):
        raise invalid(f"Invalid boolean value: {said}", name)
    return said.lower() == "true"


def number(request: Request, name: str, most: int) -> int | None:
    """A parameter that counts, from 1; more than `most` is `most`. Raises `Refusal`."""
    said = request.one(name)
    if said is None:
        return None
    if not said.isdecimal() or int(said) < 1:
        raise invalid(f"Invalid value for: {said} is not a valid value", name)
    return min(int(said), most)


class Listings:
    """The listings that are being read."""

    def __init__(self, calendars: Calendars, world: World, switches: Switches) -> None:
        self._calendars, self._world, self._switches = calendars, world, switches
        self._taken: OrderedDict[int, Taken] = OrderedDict()
        self._numbers = 0

    # --- events ---

    def events(self, calendar: Calendar, viewer: str, request: Request) -> Wire:
        """A page of events.list. Raises `Refusal`."""
        question = self._question(calendar, request)
        if page := request.one("pageToken"):
            return self._page(calendar.id, _page_token(page), request)
        rendering = self._rendering(calendar, viewer, request)
        items = [rendering.item(copy) for copy in self._found(calendar, question)]
        return self._first(calendar.id, self._head(calendar, viewer), items, self._next_token(calendar, question), request)

    def instances(self, calendar: Calendar, viewer: str, id: str, request: Request) -> Wire:
        """A page of events.instances. Raises `Refusal`."""
        of = f"{calendar.id}/{id}"
        if page := request.one("pageToken"):
            return self._page(of, _page_token(page), request)
        master = self._calendars.copy(calendar, id)
        lower, upper = _window(request)
        original = request.one("originalStart")
        deleted = flag(request, "showDeleted") or False
        rendering = self._rendering(calendar, viewer, request)
        found = [
            copy
            for copy in self._occurrences(master, upper)
            if (deleted or not copy.gone) and _within(copy, calendar, lower, upper) and (original is None or _begins(copy, original))
        ]
        found.sort(key=lambda copy: times.instant(copy.event.fields["start"], calendar.zone))
        return self._first(of, self._head(calendar, viewer), [rendering.item(copy) for copy in found], None, request)

    def _rendering(self, calendar: Calendar, viewer: str, request: Request) -> Rendering:
        zone, most = request.one("timeZone"), number(request, "maxAttendees", 10_000)
        if zone:
            times.zone(zone)
        return Rendering(self._calendars, calendar, viewer, zone=zone, most=most, bare=self._switches.bare_tombstones)

    def _head(self, calendar: Calendar, viewer: str) -> Wire:
        newest = max((copy.updated for copy in calendar.copies.values()), default=0)
        return {
            "kind": "calendar#events",
            "etag": f'"p{self._calendars.rev}"',
            "summary": calendar.summary,
            "updated": times.rfc3339(newest),
            "timeZone": calendar.zone,
            "accessRole": calendar.acl[viewer],
            "defaultReminders": [{"method": "popup", "minutes": 10}] if calendar.owner == viewer else [],
        }

    def _question(self, calendar: Calendar, request: Request) -> Question:
        token = self._token(calendar, request)
        lower, upper = _window(request)
        single, deleted = flag(request, "singleEvents") or False, flag(request, "showDeleted")
        types, order = frozenset(request.many("eventTypes")), request.one("orderBy")
        if unknown := types - set(EVENT_TYPES):
            raise invalid(f"Invalid event type: {min(unknown)}", "eventTypes")
        if order not in (None, "startTime", "updated") or (order == "startTime" and not single):
            raise bad_request("The requested ordering is not available for the particular query.")
        if token and (deleted is False or token.single != single or token.types != sorted(types)):
            # Documented as undefined: refused here, so that a client that does it is found out.
            raise bad_request("Sync token cannot be used with other parameters than those of the initial request.")
        since = self._updated_min(request)
        if token and self._switches.window_sticks:
            lower, upper = (dt.datetime.fromisoformat(edge) if edge else None for edge in token.window)
        return Question(
            token=token,
            single=single,
            deleted=bool(deleted) or token is not None or since is not None,
            types=types,
            lower=lower,
            upper=upper,
            updated_min=since,
            order=order,
            uid=request.one("iCalUID"),
            text=request.one("q"),
            private=request.many("privateExtendedProperty"),
            shared=request.many("sharedExtendedProperty"),
        )

    def _token(self, calendar: Calendar, request: Request) -> SyncToken | None:
        text = request.one("syncToken")
        if text is None:
            return None
        if any(request.one(name) is not None for name in (*WINDOW, *FILTERS)):
            raise bad_request("Sync token cannot be used with other query restrictions.")
        if self._world.faults.take("expired_cursor", "google", request.method, request.path):
            raise full_sync_required()
        token = _sync_token(text)
        if token.of != calendar.id or token.rev < calendar.oldest_token:
            raise full_sync_required()
        return token

    def _updated_min(self, request: Request) -> int | None:
        said = request.one("updatedMin")
        if said is None:
            return None
        since = int(times.moment(said, "updatedMin").timestamp() * 1000)
        if since < self._world.now() - self._switches.updated_min_days * 86_400_000:
            raise updated_min_too_long_ago()
        return since

    def _next_token(self, calendar: Calendar, question: Question) -> str | None:
        if not question.syncable():
            return None
        window = (_text(question.lower), _text(question.upper))
        rev, single, types = self._calendars.rev, question.single, sorted(question.types)
        return encode(SyncToken(of=calendar.id, rev=rev, single=single, types=types, window=window))

    def _found(self, calendar: Calendar, question: Question) -> list[Copy]:
        found = [copy for copy in self._candidates(calendar, question) if _asked_for(copy, question)]
        if question.order == "updated":
            found.sort(key=lambda copy: copy.updated)
        elif question.order == "startTime":
            found.sort(key=lambda copy: times.instant(copy.event.fields["start"], calendar.zone))
        elif question.token:
            found.sort(key=lambda copy: copy.rev)
        return found

    def _candidates(self, calendar: Calendar, question: Question) -> Iterator[Copy]:
        since = question.token.rev if question.token else 0
        for copy in list(calendar.copies.values()):
            if copy.rev <= since:
                continue
            if question.single and copy.event.recurrence:
                yield from (each for each in self._laid_out(copy, question) if _within(each, calendar, question.lower, question.upper))
            elif self._shows(copy, question) and self._touches(copy, calendar, question.lower, question.upper):
                yield copy

    def _laid_out(self, master: Copy, question: Question) -> Iterator[Copy]:
        """A series' instances that are no exceptions; those stand in the calendar themselves."""
        if master.gone and not question.deleted:
            return
        known = {each.event.id for each in self._calendars.exceptions(master)}
        yield from (each for each in self._instances(master, question.upper) if each.event.id not in known)

    def _instances(self, master: Copy, upper: dt.datetime | None) -> Iterator[Copy]:
        for original in self._calendars.originals(master, upper or self._calendars.far()):
            yield self._calendars.instance(master, original)

    def _occurrences(self, master: Copy, upper: dt.datetime | None) -> Iterator[Copy]:
        """All of a series, its exceptions in their places."""
        exceptions = {each.event.id: each for each in self._calendars.exceptions(master)}
        for instance in self._instances(master, upper):
            yield exceptions.pop(instance.event.id, instance)
        yield from exceptions.values()

    def _shows(self, copy: Copy, question: Question) -> bool:
        if not copy.gone or question.deleted:
            return True
        # Without its cancelled exceptions a series could not be laid out by the client.
        master = self._calendars.calendars[copy.calendar].copies.get(copy.event.master or "")
        return not question.single and master is not None and not master.gone

    def _touches(self, copy: Copy, calendar: Calendar, lower: dt.datetime | None, upper: dt.datetime | None) -> bool:
        if not copy.event.recurrence or (lower is None and upper is None):
            return _within(copy, calendar, lower, upper)
        return any(_within(each, calendar, lower, upper) for each in self._instances(copy, upper))

    # --- calendars ---

    def calendars(self, viewer: str, request: Request) -> Wire:
        """A page of calendarList.list. Raises `Refusal`."""
        of, since = f"{viewer}/", 0
        if text := request.one("syncToken"):
            token = _sync_token(text)
            if token.of != of:
                raise full_sync_required()
            since = token.rev
        if page := request.one("pageToken"):
            return self._page(of, _page_token(page), request)
        items = [entry(each, viewer) for each in self._calendars.calendars_of(viewer) if each.rev > since]
        head = {"kind": "calendar#calendarList", "etag": f'"p{self._calendars.rev}"'}
        return self._first(of, head, items, encode(SyncToken(of=of, rev=self._calendars.rev)), request, MOST_CALENDARS)

    # --- pages ---

    def _first(self, of: str, head: Wire, items: list[Wire], sync_token: str | None, request: Request, most: int = MOST_RESULTS) -> Wire:
        asked = number(request, "maxResults", most) or (100 if most == MOST_CALENDARS else DEFAULT_RESULTS)
        size = min(asked, self._switches.page_limit or asked)
        self._numbers += 1
        self._taken[self._numbers] = Taken(of, head, items, sync_token, size)
        if len(self._taken) > LISTINGS_KEPT:
            self._taken.popitem(last=False)
        return self._page(of, PageToken(listing=self._numbers, offset=0), request)

    def _page(self, of: str, token: PageToken, request: Request) -> Wire:
        taken = self._taken.get(token.listing)
        if taken is None or taken.of != of:
            raise invalid("Invalid page token value.", "pageToken")
        here, rest = taken.items[token.offset : token.offset + taken.size], len(taken.items) - token.offset
        if here and not token.emptied and self._switches.empty_pages and self._world.chance.random() < self._switches.empty_pages:
            again = encode(PageToken(listing=token.listing, offset=token.offset, emptied=True))
            return {**taken.head, "items": [], "nextPageToken": again}
        if rest > taken.size:
            return {
                **taken.head,
                "items": here,
                "nextPageToken": encode(PageToken(listing=token.listing, offset=token.offset + taken.size)),
            }
        return {**taken.head, "items": here, **({"nextSyncToken": taken.sync_token} if taken.sync_token else {})}


def entry(calendar: Calendar, viewer: str) -> Wire:
    """A calendar as a list of calendars shows it."""
    primary = calendar.primary and calendar.owner == viewer
    return {
        "kind": "calendar#calendarListEntry",
        "etag": f'"{calendar.rev}"',
        "id": calendar.id,
        "summary": calendar.summary,
        "timeZone": calendar.zone,
        "colorId": "14",
        "backgroundColor": "#9fe1e7",
        "foregroundColor": "#000000",
        "selected": True,
        "accessRole": calendar.acl[viewer],
        "defaultReminders": [{"method": "popup", "minutes": 10}] if primary else [],
        "conferenceProperties": {"allowedConferenceSolutionTypes": ["hangoutsMeet"]},
        **({"primary": True} if primary else {}),
    }


def _window(request: Request) -> tuple[dt.datetime | None, dt.datetime | None]:
    edges = [request.one(name) for name in WINDOW]
    lower, upper = (times.moment(said, name) if said else None for said, name in zip(edges, WINDOW, strict=True))
    if lower and upper and upper <= lower:
        raise time_range_empty()
    return lower, upper


def _text(edge: dt.datetime | None) -> str | None:
    return edge.isoformat() if edge else None


def _within(copy: Copy, calendar: Calendar, lower: dt.datetime | None, upper: dt.datetime | None) -> bool:
    fields = copy.event.fields
    after = lower is None or times.instant(fields["end"], calendar.zone) > lower
    return after and (upper is None or times.instant(fields["start"], calendar.zone) < upper)


def _begins(copy: Copy, original: str) -> bool:
    """Is this the instance whose original start the client names, as it was shown to him?"""
    own = copy.event.original or copy.event.fields["start"]
    if times.all_day(own):
        return str(own["date"]) == original
    return times.instant(own, "UTC") == times.moment(original, "originalStart")


def _asked_for(copy: Copy, question: Question) -> bool:
    event = copy.event
    return (
        (not question.types or event.fields.get("eventType", "default") in question.types)
        and (question.uid is None or event.uid == question.uid)
        and (question.updated_min is None or copy.updated >= question.updated_min)
        and (question.text is None or _mentions(copy, question.text))
        and _has(copy.properties, question.private)
        and _has(event.shared_properties, question.shared)
    )


def _has(properties: dict[str, str], wanted: Iterable[str]) -> bool:
    return all(properties.get(name) == value for name, _, value in (each.partition("=") for each in wanted))


def _mentions(copy: Copy, text: str) -> bool:
    said = [copy.event.fields.get(name, "") for name in ("summary", "description", "location")]
    people = [str(each.get(name, "")) for each in copy.event.attendees.values() for name in ("email", "displayName")]
    whole = " ".join([*said, *people, copy.event.organizer]).lower()
    return all(word in whole for word in text.lower().split())
