"""What a copy shall say, against what it says: the part of writing that is the same at every provider. Pure.

What must stay true: a copy is read by the vendor's own `translate`, so that nothing is written that would be read back as what stood
there already; what could not be read counts as not said; and nothing here takes a guest, a link or a word away that the request
does not speak of.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from msgspec.structs import replace

from domain import recurrence
from domain.events import Content, Guest
from domain.outside import Request
from domain.people import Person, key_of
from domain.recurrence import Duration, Slot, Spec

Data = Mapping[str, Any]
"""The `data` of a meeting's source event in the public form, of a calendar's with its place as the provider has it; without all of
that if the copy could not be read."""

FIELDS = ("title", "description", "time", "place", "conference", "guests", "status", "associations")


FAR = 30 * 366 * 86_400_000
"""How far (ms) two series are compared; whoever meets for longer will hear of the difference in time."""


def fields(request: Request) -> tuple[str, ...]:
    """What to write: of a creation all of it."""
    return FIELDS if request.action == "create" else request.changed


def untouched(former: Content, data: Data, location: str | None) -> set[str]:
    """The fields in which a copy says what it was made with: what a person made of the others since is his. `location` is the place as
    it was wanted then. Guests and associations are among them: whoever is missing is seen one by one."""
    changed = unsaid(former, FIELDS, data, location)
    return set(FIELDS) - changed - ({"conference"} if "place" in changed else set())


def joining(request: Request) -> Content:
    """The content with those guests whom no earlier creation has invited: if one of those is missing, somebody took him away."""
    were = {key_of(guest.person) for guest in request.former.guests} if request.former is not None else set()
    return replace(request.content, guests=tuple(guest for guest in request.content.guests if key_of(guest.person) not in were))


def shape(content: Content) -> Spec:
    """The wanted shape in time."""
    return recurrence.spec(
        content.start, content.time_zone, content.duration, content.all_day, content.rules, content.excluded, content.added
    )


def slot(content: Content) -> Slot:
    """When the meeting, or a series' first occurrence, starts and ends; of an all-day one the midnights in UTC."""
    return recurrence.slot(shape(content), content.start)


def place(content: Content, own_link: str | None = None) -> str | None:
    """The place as a calendar shows it: a calendar has no field for a conference of somebody else's, so its link stands there too.
    `own_link` is the one that the copy has in a field of its own.

    >>> start = datetime(2026, 3, 9, 10)
    >>> place(Content(start, "PT1H", location="Room 4", conference_url="https://meet.example/a"))
    'Room 4; https://meet.example/a'
    >>> place(Content(start, "PT1H", conference_url="https://meet.example/a"), "https://meet.example/a") is None
    True
    """
    link = content.conference_url
    if not link or link == own_link or link in (content.location or ""):
        return content.location
    return f"{content.location}; {link}" if content.location else link


def own_link(data: Data) -> str | None:
    """The conference's link that a copy has in a field of its own, and not in its place, where we would have put it."""
    link = data.get("conferenceUrl")
    return None if link and link in (data.get("location") or "") else link


def guests(content: Content, people: Mapping[str, Person], organiser: bool = False) -> list[tuple[Guest, str, str | None]]:
    """Each guest with address and name, each address once; whoever was erased has none and is left out. With `organiser` he is
    among them, if he is a guest."""
    found: dict[str, tuple[Guest, str, str | None]] = {}
    for guest in content.guests:
        person = people.get(guest.person)
        if guest.attendee and person is not None and person.email and (organiser or not guest.owner):
            found.setdefault(person.email.strip().casefold(), (guest, person.email.strip(), person.name))
    return list(found.values())


def unsaid(content: Content, names: Iterable[str], data: Data, location: str | None) -> set[str]:
    """Which of these fields the copy does not say yet, guests and associations apart. `location` is the wanted place, where it may
    hold the link too."""
    found = set()
    for name in names:
        match name:
            case "title" if _differ(data.get("title"), content.title):
                found.add("title")
            case "description" if _differ(data.get("description"), content.description):
                found.add("description")
            case "time" if not _same_time(content, data):
                found.add("time")
            case "place" | "conference" if _differ(data.get("location"), location):
                found.add("place")
            case "status" if (data.get("status") == "tentative") is not content.tentative:
                found.add("status")
    return found


def whole(content: Content, data: Data, location: str | None) -> bool:
    """Does the copy say all of the content? Only then its revision may be told as one that says it: a person may have changed another
    field since."""
    return not unsaid(content, FIELDS, data, location)


def _differ(said: object, wanted: str | None) -> bool:
    """Providers fold blanks and line ends, and to none of them is an empty text another than none."""
    return " ".join((said if isinstance(said, str) else "").split()) != " ".join((wanted or "").split())


def _same_time(content: Content, data: Data) -> bool:
    said = _shape_of(data)
    if said is None or said.all_day is not content.all_day:
        return False
    wanted = shape(content)
    if not (wanted.rules or wanted.added or said.rules or said.added):
        # The zone a single meeting is written in is the provider's matter, as long as it is the same time.
        return recurrence.slot(said, said.start)[1:] == recurrence.slot(wanted, wanted.start)[1:]
    same = (said.start, said.zone or "UTC", _length(said)) == (wanted.start, wanted.zone or "UTC", _length(wanted))
    return same and occurrences(said) == occurrences(wanted)


def _shape_of(data: Data) -> Spec | None:
    if not isinstance(data.get("start"), str) or recurrence.duration(str(data.get("duration"))) is None:
        return None
    return recurrence.spec(
        datetime.fromisoformat(data["start"]),
        data.get("timeZone"),
        data["duration"],
        data.get("showWithoutTime") is True,
        tuple(data.get("recurrenceRules") or ()),
        _times(data.get("excludedStarts")),
        _times(data.get("addedStarts")),
    )


def _times(said: object) -> tuple[datetime, ...]:
    return tuple(datetime.fromisoformat(text) for text in said) if isinstance(said, list) else ()


def occurrences(spec: Spec) -> list[int]:
    """When a series' occurrences start: rules that are written differently may make the same ones."""
    since = recurrence.slot(spec, spec.start).start
    return [slot.start for slot in recurrence.starts(spec, since, since + FAR)]


def _length(spec: Spec) -> Duration:
    """Where no clock is ever changed, a day is 24 hours."""
    days, seconds = spec.length
    return spec.length if spec.all_day or spec.zone not in (None, "UTC") else Duration(0, days * 86_400 + seconds)
