"""A user's primary Google calendar, read as a feed: what changed since a sync token, or all of it.

What must stay true:
- the token goes on only with the last page; whoever begins again from the old one says the same events under the same ids;
- a token that Google takes no more is answered by reading all of it, and only then is it told what a complete listing held;
- what a list says in part is read by id: a guest list that was cut short, and a deletion, of which the record says whether it is
  one for all (rule calendar-deletes);
- all requests of a token ask alike: other parameters than it was made with would be undefined.

All of the calendar is read at first, not only what is new or to come. Only meetings made from now on count, but an exception made
from now on belongs to a series that was there before, and whether Google keeps an earlier bound with the token is not documented.

Facts: Calendar API v3, events.list, events.get, and "Synchronize resources efficiently".
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

from adapters import listing, wording
from adapters.google import calling
from adapters.google.translate import Examined, examined
from adapters.http import Api
from adapters.listing import Held, Listing
from domain.errors import Deauthorised, TryAgain
from domain.outside import Grant, Grants, Link, Pulled
from domain.source_events import DeletedData

PAGE = 2500
"""Events of a page: Google's most."""

READ_AT_ONCE = 50
"""Events that are read by id between two pages of ours, so that whoever reads can say that he is still there."""

SAID_AT_ONCE = 500
"""Events of a page of ours: what is said of Google's whole page would be several times as large as the page is."""

_ALWAYS = datetime(1970, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
# A token that is no longer good: 410 by the documents; 400 by what others have seen, for one that was never good.
_NO_TOKEN = (400, 410)


class GoogleFeed:
    """`domain.outside.Feed` for the feed `events`; the cursor's value is Google's sync token."""

    def __init__(self, api: Api, grants: Grants) -> None:
        self._api, self._grants = api, grants
        self._events = calling.service(api.vendor.base).events()

    def pull(self, link: Link, value: str | None, now: int) -> Iterator[Pulled]:
        """See `Feed`."""
        grant = self._grants.get(link)
        if grant is None:
            raise Deauthorised("no Google calendar is connected")
        reading = _Reading(self._api, self._events, grant)
        if value is not None:
            told = yield from reading.changes(value)
            if told:
                return
        yield from reading.all(value, now)


class _Reading:
    """One pull."""

    def __init__(self, api: Api, events: Any, grant: Grant) -> None:
        self._api, self._events, self._grant, self._link = api, events, grant, grant.link
        self._calendar = grant.calendar or "primary"

    def changes(self, token: str) -> Generator[Pulled, None, bool]:
        """Pages since a token; False, after some or none, if Google takes it no more."""
        page: str | None = None
        while True:
            body = self._list(token, page)
            if body is None:
                return False
            yield from self._said(body, deletions=True)
            page = body.get("nextPageToken")
            if not page:
                yield Pulled([], [], _next(body), last=True)
                return True

    def all(self, lost: str | None, now: int) -> Iterator[Pulled]:
        """All pages, and at the end what they held. `lost` is the token that was lost: then deletions may be news."""
        held: dict[str, Held] = {}
        marks: list[object] = [lost]
        page: str | None = None
        while True:
            body = self._list(None, page)
            if body is None:
                # Not the token's fault, then; the page's perhaps, which is forgotten by the next time.
                raise TryAgain("google lost the listing's place")
            items = [item for item in body.get("items") or () if isinstance(item, dict)]
            listed = {str(item["id"]): Held(str(item["id"])) for item in items if item.get("id") and item.get("status") != "cancelled"}
            for pulled in self._said(body, deletions=lost is not None):
                listed |= {id: found for id, found in listing.held_by_read(pulled.examined).items() if id in listed}
                yield pulled
            held |= listed
            marks.append(wording.digest([body.get("updated"), [(item.get("id"), item.get("etag")) for item in items]]))
            page = body.get("nextPageToken")
            if not page:
                yield Pulled(self._listed(held, marks, now), [], _next(body), last=True)
                return

    def _listed(self, held: dict[str, Held], marks: list[object], now: int) -> list[dict[str, Any]]:
        source = f"/accounts/{self._link.account}/calendars/google/{self._calendar}"
        # Read again after a crash, the same calendar gives the same name; another state of it, or after another token, another.
        name = wording.digest(marks)
        what = Listing("google", self._link.account, self._link.user, self._calendar, source, _ALWAYS, now, name)
        return listing.events(what, held.values())

    def _list(self, token: str | None, page: str | None) -> dict[str, Any] | None:
        """A page; None if the token is good no more."""
        request = self._events.list(
            calendarId=self._calendar, singleEvents=False, showDeleted=True, maxResults=PAGE, syncToken=token, pageToken=page
        )
        status, body = calling.run(request, self._api, self._link, _NO_TOKEN if token else (410,))
        return body if status == 200 else None

    def _said(self, body: dict[str, Any], deletions: bool) -> Iterator[Pulled]:
        """The page, and then what must be read by id: what was cut short, and with `deletions` those, too."""
        unread = list[str]()
        for part in _parts(body):
            said = self._translated([part])
            yield _pulled(said)
            unread += [hint.id for hint in said.hints]
            unread += [event.subject for event in said.events if deletions and isinstance(event.data, DeletedData)]
        for start in range(0, len(unread), READ_AT_ONCE):
            yield _pulled(self._translated(self._read(unread[start : start + READ_AT_ONCE])))

    def _read(self, ids: Iterable[str]) -> Iterator[dict[str, Any]]:
        """These events as they are now; without those that nobody has any more."""
        for id in ids:
            request = self._events.get(calendarId=self._calendar, eventId=id)
            status, body = calling.run(request, self._api, self._link, (404, 410))
            if status == 200:
                yield body

    def _translated(self, bodies: Iterable[object]) -> Examined:
        return examined(bodies, self._link.account, self._link.user, self._calendar, self._grant.address)


def _parts(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """A long page as shorter ones."""
    items = body.get("items")
    if not isinstance(items, list) or len(items) <= SAID_AT_ONCE:
        yield body
        return
    for start in range(0, len(items), SAID_AT_ONCE):
        yield body | {"items": items[start : start + SAID_AT_ONCE]}


def _pulled(said: Examined) -> Pulled:
    return Pulled([], [(one.what, one.reason) for one in said.refused], examined=said.events)


def _next(body: dict[str, Any]) -> str:
    token = body.get("nextSyncToken")
    if not isinstance(token, str) or not token:
        raise TryAgain("google ended a list without a token to go on from")
    return token
