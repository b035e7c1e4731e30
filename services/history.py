"""A meeting's domain events for people: what each was, when, and what timelines showed after it.

What must stay true: nobody sees here what no timeline may show. So of a state of the meeting that stood in no contact's timeline
there is no content, nor of anything before it turned private; and whoever is erased or on the never-log list today is not named, a
contact who is erased not even by his id: what stood in his timeline alone stands in none.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from domain import account as accounts
from domain import mentions
from domain.account import Account
from domain.decisions import Rule
from domain.errors import NotFound
from domain.events import ContactErased, Event, Guest, MeetingAbsorbed, MeetingEvent, Part, Sighting, View
from domain.naming import account_stream, contact_stream
from domain.people import Person
from domain.ports import Store, Vault
from domain.sighting import last
from projections.views import stamp

SAYS = {
    "meeting.scheduled.v1": "It stands in timelines for the first time, or again.",
    "meeting.rescheduled.v1": "Its time changed.",
    "meeting.revised.v1": "Something else that readers see changed.",
    "meeting.cancelled.v1": "It, or an occurrence of it, was cancelled.",
    "meeting.withdrawn.v1": "It stands in no timeline any more.",
    "meeting.noted.v1": "Something was learned that readers do not see.",
    "meeting.absorbed.v1": "It was found to be another meeting, which has everything known of it.",
}


class Copy(Struct, frozen=True):
    """The copy that was told of: where it is, and what became of it there."""

    side: str
    provider: str
    id: str
    user: str | None
    state: str


class Named(Struct, frozen=True, rename="camel"):
    """A guest who may be named, with his answer."""

    email: str
    name: str | None
    participation_status: str
    organizer: bool


class Shape(Struct, frozen=True, rename="camel"):
    """What timelines showed: a whole meeting, or one part of a split series. `start` is local in `timeZone`."""

    title: str | None
    start: str
    duration: str
    time_zone: str | None
    all_day: bool
    status: str
    location: str | None
    conference_url: str | None
    rules: tuple[str, ...]
    contacts: tuple[str, ...]
    guests: tuple[Named, ...]


class Line(Struct, frozen=True, rename="camel"):
    """One event. `at` is the side's time, `recordedAt` ours; `cause` the id of the source event it followed from; `exceptions` how
    many occurrences differ from their series."""

    version: int
    name: str
    says: str
    at: str
    recorded_at: str
    cause: str
    changed: tuple[str, ...] = ()
    copy: Copy | None = None
    shown: tuple[Shape, ...] = ()
    exceptions: int = 0


class History(Struct, frozen=True):
    """A meeting's events in order. `into` is the meeting it was found to be."""

    meeting: str
    into: str | None
    events: tuple[Line, ...]


def history(account: str, meeting: UUID, store: Store, vault: Vault) -> History:
    """The events of this meeting. Raises `NotFound` if the account has none of this id."""
    settings = account_stream(account)
    loaded = store.load([meeting, settings])
    events = [e for e in loaded.get(meeting, ()) if isinstance(e, MeetingEvent | MeetingAbsorbed)]
    if not events or events[0].account != account:
        raise NotFound(f"no meeting {meeting} is known in account {account}")
    public = _without_erased(account, _public(events), store)
    shown = [part.shown for view in public.values() for part in view.parts]
    tokens = [guest.person for one in shown for guest in one.guests]
    typed = [token for one in shown for text in (one.title, one.location, one.conference_url) for token in mentions.tokens(text)]
    people = vault.open(account, dict.fromkeys([*tokens, *typed]))
    nameable = _nameable(people, account_of(loaded.get(settings, ())))
    into = next((str(UUID(e.into)) for e in events if isinstance(e, MeetingAbsorbed)), None)
    return History(str(meeting), into, tuple(_line(n, e, public.get(n), nameable, people) for n, e in enumerate(events, 1)))


def account_of(events: Iterable[Event]) -> Account:
    """The account's settings and users as they are now."""
    state = Account()
    for event in events:
        state = accounts.evolve(state, event)
    return state


def _public(events: Sequence[MeetingEvent | MeetingAbsorbed]) -> dict[int, View]:
    """By version, the views that readers were shown and may still see."""
    purged = max((n for n, e in enumerate(events, 1) if isinstance(e, MeetingEvent) and e.purge), default=0)
    return {n: e.view for n, e in enumerate(events, 1) if n > purged and isinstance(e, MeetingEvent) and isinstance(e.view, View)}


def _without_erased(account: str, views: Mapping[int, View], store: Store) -> dict[int, View]:
    """The views, with those of their contacts alone who are not erased."""
    told = {contact for view in views.values() for part in view.parts for contact in part.shown.contacts}
    streams = {contact_stream(account, contact): contact for contact in told}
    loaded = store.load(list(streams))
    gone = {streams[stream] for stream, events in loaded.items() if any(isinstance(event, ContactErased) for event in events)}
    return {version: replace(view, parts=tuple(_without(gone, part) for part in view.parts)) for version, view in views.items()}


def _without(gone: Collection[str], part: Part) -> Part:
    return replace(part, shown=replace(part.shown, contacts=tuple(one for one in part.shown.contacts if one not in gone)))


def _nameable(people: Mapping[str, Person], account: Account) -> dict[str, Person]:
    never = (Rule.NEVER_LOG, Rule.ERASED)
    return {token: p for token, p in people.items() if p.email and account.never_logged(p) not in never}


def _line(
    version: int,
    event: MeetingEvent | MeetingAbsorbed,
    view: View | None,
    nameable: Mapping[str, Person],
    people: Mapping[str, Person],
) -> Line:
    told = event if isinstance(event, MeetingEvent) else None
    return Line(
        version=version,
        name=event.NAME,
        says=SAYS[event.NAME],
        at=stamp(event.at),
        recorded_at=stamp(event.recorded_at),
        cause=event.cause,
        changed=told.changed if told else (),
        copy=_copy(told.sighting) if told and told.sighting else None,
        shown=tuple(_shape(part, nameable, people) for part in view.parts if part.shown.contacts) if view else (),
        exceptions=len(view.exceptions) if view else 0,
    )


def _copy(seen: Sighting) -> Copy:
    return Copy(seen.side, seen.provider, seen.id, seen.user, last(seen).state)


def _shape(part: Part, nameable: Mapping[str, Person], people: Mapping[str, Person]) -> Shape:
    shown = part.shown
    return Shape(
        title=mentions.opened(shown.title, people),
        start=shown.start.isoformat(),
        duration=shown.duration,
        time_zone=shown.time_zone,
        all_day=shown.all_day,
        status="cancelled" if part.cancelled_from is not None else shown.status,
        location=mentions.opened(shown.location, people),
        conference_url=mentions.opened(shown.conference_url, people),
        rules=part.rules,
        contacts=shown.contacts,
        guests=tuple(_named(guest, nameable[guest.person]) for guest in shown.guests if guest.person in nameable),
    )


def _named(guest: Guest, person: Person) -> Named:
    assert person.email is not None
    return Named(person.email, person.name, guest.status, guest.owner)
