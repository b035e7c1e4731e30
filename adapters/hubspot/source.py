"""A HubSpot portal, read as three feeds: meetings, contacts, owners; and what its webhooks only name, read.

What must stay true:
- HubSpot has no cursor: ours is the time up to which the search was read, by the objects' own times of change. A search is told late
  of changes, so each read begins a little earlier than the last one ended, and passes over what it has had;
- no page is asked for by its number: an object that changes meanwhile would leave its place, and another one fall into the gap. Each
  page begins at the time at which the last one ended; where a whole page is of one time, at the last one's id;
- a search finds, it does not tell: what is said was read by id, whole (`adapters.hubspot.portal`);
- an object that always fails to be read holds up no other: it is remembered with the cursor, and tried again (`adapters.hubspot.apart`);
- what is in the recycle bin is found in no search: it is looked through now and then, and what is there no more and alive was
  restored. Webhooks say both sooner.

Facts: "CRM search", and what `adapters.hubspot.portal` and `adapters.hubspot.translate` say.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import msgspec

from adapters import wording
from adapters.http import Api
from adapters.hubspot import apart, users
from adapters.hubspot.apart import Tell
from adapters.hubspot.calling import V3, Paths
from adapters.hubspot.portal import BATCH, CONTACTS, KINDS, MEETINGS, Json, Kind, Portal
from adapters.hubspot.translate import translate
from adapters.hubspot.values import moment
from adapters.unread import Remembered, Unread
from adapters.wording import Translated
from domain.outside import Link, Pulled

OVERLAP_MS = 300_000
"""How far back a read begins: longer than a search was seen to lag."""

PAGES = 25
"""Pages of a search that are read before the cursor is moved: an account's first read takes many."""

RECYCLED_MS = 3_600_000
"""How often the recycle bin is looked through."""

OWNERS_MS = 300_000
"""How long the table from owner to user is believed."""

# What is remembered between two reads, at most: what is forgotten is read again, and known again by its id.
_MOST_SEEN = 1_000
_MOST_RECYCLED = 2_000


class Place(msgspec.Struct, omit_defaults=True):
    """The cursor's value: `at` (ms) is the newest change that was read; `seen` who changed when, of those that the next read will
    find again; `more` if it ended in the middle. `bin` is who was in the recycle bin since when, at the look at `looked`; `unread` who
    was found, and failed to be read."""

    at: int = 0
    seen: dict[str, int] = {}
    more: bool = False
    looked: int = 0
    bin: dict[str, int] = {}
    unread: dict[str, Unread] = {}


class Owners:
    """The table from owner to user of each portal, read at most once in `OWNERS_MS`. Usable by any number of threads."""

    def __init__(self) -> None:
        self._read: dict[str, tuple[int, dict[str, str]]] = {}
        self._lock = threading.Lock()

    def of(self, portal: Portal, account: str, now: int, younger: int = OWNERS_MS) -> dict[str, str]:
        """Owner id to user id; not older than `younger` (ms)."""
        with self._lock:
            at, found = self._read.get(account, (0, {}))
        if now - at < younger and found:
            return found
        found = dict(users.owners_map(portal.owners()))
        with self._lock:
            self._read[account] = (now, found)
        return found


class _Saying:
    """One link's portal and how its bodies are said."""

    def __init__(self, api: Api, link: Link, paths: Paths, owners: Owners, now: int) -> None:
        self.portal, self.account, self._owners, self._now = Portal(api, link, paths), link.account, owners, now

    def say(self, bodies: Sequence[object], meetings: bool = True) -> Translated:
        """Translated; with the newest table of owners if a meeting's is not in the one at hand."""
        if not bodies:
            return Translated([], [], [])
        said = self._translated(bodies, self._owners.of(self.portal, self.account, self._now) if meetings else {})
        if meetings and any("no owner known" in one.reason for one in said.refused):
            said = self._translated(bodies, self._owners.of(self.portal, self.account, self._now, younger=OWNERS_MS // 10))
        return said

    def _translated(self, bodies: Iterable[object], owners: dict[str, str]) -> Translated:
        return translate(bodies, account=self.account, owners=owners)


class ObjectsFeed:
    """`domain.outside.Feed` for the feeds `meetings` and `contacts`; the cursor's value is a `Place` as JSON."""

    def __init__(self, api: Api, kind: Kind, owners: Owners, paths: Paths = V3) -> None:
        self._api, self._kind, self._owners, self._paths = api, kind, owners, paths

    def pull(self, link: Link, value: str | None, now: int) -> Iterator[Pulled]:
        """See `Feed`."""
        saying = _Saying(self._api, link, self._paths, self._owners, now)
        yield from _Reading(saying, self._kind, _place(value), now).pages()


class _Reading:
    """One pull of objects. `low` is the time (ms) at which the next page begins."""

    def __init__(self, saying: _Saying, kind: Kind, place: Place, now: int) -> None:
        self._saying, self._portal, self._kind, self._place, self._now = saying, saying.portal, kind, place, now
        self._seen = dict(place.seen)
        self._low = place.at if place.more else max(place.at - OVERLAP_MS, 0)
        self._at = place.at
        self._unread, self._coming_back = Remembered(place.unread, now), Remembered({}, now)

    def pages(self) -> Iterator[Pulled]:
        for _ in range(PAGES):
            found, more = self._portal.search(self._kind, [(self._kind.modified, "GTE", str(self._low))], self._kind.modified)
            yield from self._read(found)
            last = max((self._changed(one) for one in found), default=self._low)
            if more and last <= self._low:
                yield from self._of_one_time(self._low)
                last = self._low + 1
            self._low = max(last, self._low)
            if not more:
                yield from self._recycled()
                yield from map(_pulled, apart.again(self._tell, self._unread))
                yield self._last(more=False)
                return
        yield self._last(more=True)

    def _of_one_time(self, at: int) -> Iterator[Pulled]:
        """More than a page changed in one millisecond: an import, say. In the order of their ids, then."""
        id, more = "0", True
        while more:
            filters = [(self._kind.modified, "EQ", str(at)), ("hs_object_id", "GT", id)]
            found, more = self._portal.search(self._kind, filters, "hs_object_id")
            yield from self._read(found)
            id = str(found[-1]["id"]) if found else id

    def _read(self, found: list[Json]) -> Iterator[Pulled]:
        """Those that were not read at this time of change before."""
        new = {str(one["id"]): self._changed(one) for one in found if self._seen.get(str(one["id"])) != self._changed(one)}
        ids = list(new)
        yield Pulled([], [])  # a sign of life
        for start in range(0, len(ids), BATCH):
            yield from map(_pulled, apart.told(ids[start : start + BATCH], self._tell, self._unread))
        self._seen |= new
        self._at = max([self._at, *new.values()])

    def _tell(self, ids: Sequence[str], patient: bool) -> Translated:
        return self._say(self._portal.read(self._kind, ids, patient=patient))

    def _changed(self, one: Json) -> int:
        properties = one.get("properties") or {}
        at = moment(properties.get(self._kind.modified)) or moment(one.get("updatedAt"))
        return int(at.timestamp() * 1000) if at else self._low

    def _say(self, bodies: Iterable[object]) -> Translated:
        return self._saying.say(list(bodies), meetings=self._kind is MEETINGS)

    # --- the recycle bin

    def _recycled(self) -> Iterator[Pulled]:
        """What went into the recycle bin since the last look, and what came out of it."""
        if self._now - self._place.looked < RECYCLED_MS:
            return
        there: dict[str, int] = {}
        for page in self._portal.recycled(self._kind):
            since = {str(one["id"]): _ms(one.get("archivedAt")) for one in page if one.get("id")}
            unsaid = Remembered({}, self._now)
            news = [id for id, at in since.items() if self._place.bin.get(id) != at]
            yield from map(_pulled, apart.told(news, self._of(page), unsaid))
            there |= {id: at for id, at in since.items() if id not in unsaid.unread}
        gone = {id: at for id, at in self._place.bin.items() if id not in there}
        yield from self._restored(gone)
        # Who came back and could not be read counts as gone until the next look: told by itself, it would not come back.
        there |= {id: gone[id] for id in self._coming_back.unread}
        newest = sorted(there.items(), key=lambda one: one[1])[-_MOST_RECYCLED:]
        self._place.looked, self._place.bin = self._now, dict(newest)

    def _of(self, page: list[Json]) -> Tell:
        bodies = {str(one["id"]): one for one in page if one.get("id")}
        return lambda ids, patient: self._say(bodies[id] for id in ids)

    def _restored(self, gone: dict[str, int]) -> Iterator[Pulled]:
        def tell(ids: Sequence[str], patient: bool) -> Translated:
            alive = list(self._portal.read(self._kind, ids, patient=patient))
            return self._say([*(self._note(one, gone) for one in alive), *alive])

        ids = list(gone)
        for start in range(0, len(ids), BATCH):
            yield from map(_pulled, apart.told(ids[start : start + BATCH], tell, self._coming_back))

    def _note(self, one: Json, gone: dict[str, int]) -> Json:
        """That it was restored. When, nobody says: after it went, and not after it changed."""
        at = max(gone.get(str(one["id"]), 0) + 1, self._changed(one))
        return {"subscriptionType": "object.restore", "objectTypeId": self._kind.type_id, "objectId": one["id"], "occurredAt": at}

    def _last(self, more: bool) -> Pulled:
        since = self._low if more else self._at - OVERLAP_MS
        seen = sorted(((id, at) for id, at in self._seen.items() if at >= since), key=lambda one: one[1])[-_MOST_SEEN:]
        place = Place(self._low if more else self._at, dict(seen), more, self._place.looked, self._place.bin, self._unread.unread)
        unread = [*self._unread.named(self._kind.name), *self._coming_back.named(self._kind.name)]
        return Pulled([], unread, msgspec.json.encode(place).decode(), last=True, more=more)


class OwnersFeed:
    """`domain.outside.Feed` for the feed `owners`: all of them each time. The cursor's value is a fingerprint of what they were."""

    def __init__(self, api: Api, paths: Paths = V3) -> None:
        self._api, self._paths = api, paths

    def pull(self, link: Link, value: str | None, now: int) -> Iterator[Pulled]:
        """See `Feed`."""
        owners = Portal(self._api, link, self._paths).owners()
        name = wording.digest(owners)
        if name != value:
            yield _pulled(translate(owners, account=link.account))
        yield Pulled([], [], name, last=True)


class Notices:
    """Reads what webhook items name."""

    def __init__(self, api: Api, owners: Owners, paths: Paths = V3) -> None:
        self._api, self._owners, self._paths = api, owners, paths

    def read(self, link: Link, bodies: Sequence[bytes], now: int) -> Pulled:
        """What these items come to: deletions as they are, of all else the objects as they are by now. Raises as `Feed` does."""
        items = [msgspec.json.decode(body) for body in bodies]
        saying = _Saying(self._api, link, self._paths, self._owners, now)
        named = translate(items, account=link.account).hints
        read: list[Json] = []
        for name, kind in KINDS.items():
            ids = [hint.id for hint in named if hint.kind == name]
            found = list(saying.portal.read(kind, ids))
            lost = sorted(set(ids) - {str(one["id"]) for one in found})
            read += [*found, *(one | {"archived": True} for one in saying.portal.read(kind, lost, archived=True))]
        said = saying.say([*items, *read], meetings=any(hint.kind == MEETINGS.name for hint in named))
        # What is nowhere any more can be said by nobody.
        return Pulled(said.events, [(one.what, one.reason) for one in said.refused] + [(hint.kind, "not there") for hint in said.hints])


def feeds(api: Api, owners: Owners, paths: Paths = V3) -> dict[str, ObjectsFeed | OwnersFeed]:
    """A portal's feeds, by name."""
    return {
        "owners": OwnersFeed(api, paths),
        "contacts": ObjectsFeed(api, CONTACTS, owners, paths),
        "meetings": ObjectsFeed(api, MEETINGS, owners, paths),
    }


def _pulled(said: Translated | None) -> Pulled:
    """What is still to be read is named as refused: it was there a moment ago, and is not. None: nothing, but a sign of life."""
    if said is None:
        return Pulled([], [])
    return Pulled(said.events, [*((one.what, one.reason) for one in said.refused), *((one.kind, "not there") for one in said.hints)])


def _place(value: str | None) -> Place:
    try:
        return msgspec.json.decode(value, type=Place) if value else Place()
    except msgspec.DecodeError:  # of another release, say: begin anew
        return Place()


def _ms(value: Any) -> int:
    at = moment(value)
    return int(at.timestamp() * 1000) if at else 0
