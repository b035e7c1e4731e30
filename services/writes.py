"""What a meeting asked to be written outside, and what became of it, for people.

What must stay true: told from the events alone, it says of no write that it is superseded which the deliveries would keep if nobody
had begun it (adapters/superseding.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple
from uuid import UUID

from msgspec import Struct
from msgspec.structs import replace

from domain.asking import CRM, says_all
from domain.events import Ask, Event, MeetingAbsorbed, MeetingEvent
from domain.ports import Store
from projections.views import stamp

CALENDARS = {"google": "Google", "office365": "Office 365"}

_FIELDS = {"conference": "conference link", "associations": "contacts"}


class Answer(Struct, frozen=True):
    """What became of a write: `confirmed` or `failed`, as its provider said, `recalled` by the meeting, or `superseded` by a later one;
    when, and why."""

    kind: str
    at: str
    reason: str | None = None


class Write(Struct, frozen=True):
    """An outside write: `state` is asked, written, failed, recalled or superseded (a later one says all of it, or was written in its
    place; the provider is not heard of it any more); `at` when it came to that."""

    delivery: str
    provider: str
    user: str
    action: str
    state: str
    at: str
    sentence: str


class _Asked(NamedTuple):
    """When it was recorded (RFC 3339)."""

    ask: Ask
    at: str


def writes_of(store: Store, meeting: UUID, answers: Mapping[str, Answer]) -> tuple[Write, ...]:
    """What a meeting, or the one it was found to be, asked for, in order. `answers` by delivery."""
    events = store.load([meeting]).get(meeting, [])
    while events and isinstance(events[-1], MeetingAbsorbed):
        meeting = UUID(events[-1].into)
        events = store.load([meeting]).get(meeting, [])
    streams = _absorbed(store, events) | {meeting: _meeting_events(events)}
    asked = {ask.id: _Asked(ask, stamp(e.recorded_at)) for e in streams[meeting] for ask in e.asks}
    recalled = {id: _recalled(e) for stream in streams.values() for e in stream for id in e.recalls}
    known = {**recalled, **answers}
    superseded = {id: answer for own in _asked_under(streams) for id, answer in _superseded(own, known).items()}
    known = {**superseded, **known}
    return tuple(_write(ask, at, known.get(ask.id)) for ask, at in asked.values())


def _meeting_events(events: Iterable[Event]) -> list[MeetingEvent]:
    return [event for event in events if isinstance(event, MeetingEvent)]


def _absorbed(store: Store, events: Iterable[Event]) -> dict[UUID, list[MeetingEvent]]:
    """The streams of all that were found to be this meeting."""
    streams = [UUID(name) for event in _meeting_events(events) for name in event.absorbs]
    return {stream: _meeting_events(found) for stream, found in store.load(streams).items()} if streams else {}


def _asked_under(streams: Mapping[UUID, Sequence[MeetingEvent]]) -> Iterator[list[_Asked]]:
    """What each asked for under its own id. What it took over from another is handed on under that one's id, and a delivery
    supersedes none of another id."""
    ids = {stream.hex: {ask.id for event in events for ask in event.asks} for stream, events in streams.items()}
    for events in streams.values():
        own = list[_Asked]()
        for event in events:
            taken = {id for name in event.absorbs for id in ids.get(name, ())}
            own += [_Asked(ask, stamp(event.recorded_at)) for ask in event.asks if ask.id not in taken]
        yield own


def _superseded(asked: Iterable[_Asked], known: Mapping[str, Answer]) -> dict[str, Answer]:
    """Those that nothing will be heard of, because of one that was asked for later. Of a side one is carried out after the other, so
    that when the later one was written the earlier one is over."""
    over: dict[str, Answer] = {}
    waiting: list[Ask] = []
    for ask, at in asked:
        gone = [old for old in waiting if _side(old) == _side(ask) and says_all(ask, old)]
        over |= {old.id: Answer("superseded", at, f"a later one, asked for at {at}, says all of it") for old in gone}
        answer = known.get(ask.id)
        if answer is not None and answer.kind == "confirmed":
            passed = [old for old in waiting if old not in gone and _side(old) == _side(ask)]
            over |= {old.id: Answer("superseded", answer.at, f"a later one was written in its place at {answer.at}") for old in passed}
        waiting = [old for old in waiting if old.id not in over]
        if answer is None:  # an update that stands for a creation creates
            waiting.append(replace(ask, action="create") if any(old.action == "create" for old in gone) else ask)
    return over


def _side(ask: Ask) -> tuple[str, str]:
    """Whose calendar, or the CRM, of which there is one."""
    return ask.provider, "" if ask.provider == CRM else ask.user


def _recalled(event: MeetingEvent) -> Answer:
    why = "the meeting turned private" if event.purge else "the CRM called it off before it was made"
    return Answer("recalled", stamp(event.recorded_at), why)


def _write(ask: Ask, asked_at: str, answer: Answer | None) -> Write:
    state = "asked" if answer is None else {"confirmed": "written"}.get(answer.kind, answer.kind)
    at = asked_at if answer is None else answer.at
    return Write(ask.id, ask.provider, ask.user, ask.action, state, at, _sentence(ask, asked_at, state, at, answer))


def _sentence(ask: Ask, asked_at: str, state: str, at: str, answer: Answer | None) -> str:
    where = "HubSpot" if ask.provider == CRM else f"user {ask.user}'s {CALENDARS.get(ask.provider, ask.provider)} calendar"
    if ask.action == "create":
        what = f"A meeting in {where}" + (", with invitations," if ask.invite else "")
    else:
        named = ", ".join(_FIELDS.get(field, field) for field in ask.changed)
        what = f"A change of {named} in {where}"
    if state == "asked":
        return f"{what} was asked for at {at} and is not confirmed yet."
    if state == "superseded":
        return f"{what} was asked for at {asked_at}; {answer.reason if answer else None}."
    if state == "written":
        return f"{what} was written at {at}."
    if state == "recalled":
        return f"{what} was not to be written any more from {at} on: {answer.reason if answer else None}."
    return f"{what} could not be written ({answer.reason if answer else None})."
