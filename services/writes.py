"""What a meeting asked to be written outside, and what became of it, for people."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from msgspec import Struct

from domain.asking import CRM
from domain.events import Ask, MeetingAbsorbed, MeetingEvent
from domain.ports import Store
from projections.views import stamp

CALENDARS = {"google": "Google", "office365": "Office 365"}

_FIELDS = {"conference": "conference link", "associations": "contacts"}


class Answer(Struct, frozen=True):
    """What became of a write: `confirmed` or `failed`, as its provider said, or `recalled` by the meeting; when, and why."""

    kind: str
    at: str
    reason: str | None = None


class Write(Struct, frozen=True):
    """An outside write: `state` is asked, written, failed or recalled; `at` when it came to that."""

    delivery: str
    provider: str
    user: str
    action: str
    state: str
    at: str
    sentence: str


def writes_of(store: Store, meeting: UUID, answers: Mapping[str, Answer]) -> tuple[Write, ...]:
    """What a meeting, or the one it was found to be, asked for, in order. `answers` by delivery."""
    events = store.load([meeting]).get(meeting, [])
    while events and isinstance(events[-1], MeetingAbsorbed):
        meeting = UUID(events[-1].into)
        events = store.load([meeting]).get(meeting, [])
    asked = {ask.id: (ask, e.recorded_at) for e in events if isinstance(e, MeetingEvent) for ask in e.asks}
    recalled = {id: _recalled(e) for e in events if isinstance(e, MeetingEvent) for id in e.recalls}
    return tuple(_write(ask, stamp(at), answers.get(ask.id) or recalled.get(ask.id)) for ask, at in asked.values())


def _recalled(event: MeetingEvent) -> Answer:
    why = "the meeting turned private" if event.purge else "the CRM called it off before it was made"
    return Answer("recalled", stamp(event.recorded_at), why)


def _write(ask: Ask, asked_at: str, answer: Answer | None) -> Write:
    state = "asked" if answer is None else {"confirmed": "written"}.get(answer.kind, answer.kind)
    at = asked_at if answer is None else answer.at
    return Write(ask.id, ask.provider, ask.user, ask.action, state, at, _sentence(ask, state, at, answer))


def _sentence(ask: Ask, state: str, at: str, answer: Answer | None) -> str:
    where = "HubSpot" if ask.provider == CRM else f"user {ask.user}'s {CALENDARS.get(ask.provider, ask.provider)} calendar"
    if ask.action == "create":
        what = f"A meeting in {where}" + (", with invitations," if ask.invite else "")
    else:
        named = ", ".join(_FIELDS.get(field, field) for field in ask.changed)
        what = f"A change of {named} in {where}"
    if state == "asked":
        return f"{what} was asked for at {at} and is not confirmed yet."
    if state == "written":
        return f"{what} was written at {at}."
    if state == "recalled":
        return f"{what} was not to be written any more from {at} on: {answer.reason if answer else None}."
    return f"{what} could not be written ({answer.reason if answer else None})."
