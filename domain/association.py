"""An association of the CRM whose contact turns out to be one who is never logged (rules never-log, crm-user, own-domain, erased).

A row may be associated with a contact nobody has told us of: it stands in that contact's timeline, since nothing is known against
it. What must stay true: once the contact is told, it is as if he had been known before.
"""

from __future__ import annotations

from msgspec.structs import replace

from domain.events import MeetingRevised, Shown, Sighting, View
from domain.matching import Surroundings, meant_by
from domain.meeting import Cause, Meeting
from domain.rows import by_hand


def contacts_of(copy: Sighting) -> set[str]:
    """The contacts that a copy ever was associated with."""
    return {contact for r in copy.revisions if r.content is not None for contact in r.content.contacts}


def dissociate(meeting: Meeting, contact: str, cause: Cause, around: Surroundings) -> MeetingRevised | None:
    """What records that the meeting stands by association alone in the timeline of a contact who is never logged, and leaves it;
    None if it does not."""
    if meeting.view is None:
        return None
    hand = any(by_hand(copy) and contact in contacts_of(copy) for copy in meeting.copies.values())
    standing, never = meant_by(contact, hand, around)
    view = meeting.view if never is None else _without(meeting.view, {contact, standing})
    if view == meeting.view:
        return None
    return MeetingRevised(
        account=meeting.account,
        at=cause.at,
        recorded_at=cause.recorded_at,
        cause=cause.event,
        view=view,
        changed=("contacts",),
    )


def _without(view: View, contacts: set[str]) -> View:
    return replace(
        view,
        parts=tuple(replace(part, shown=_shown_without(part.shown, contacts)) for part in view.parts),
        exceptions=tuple(e if e.shown is None else replace(e, shown=_shown_without(e.shown, contacts)) for e in view.exceptions),
    )


def _shown_without(shown: Shown, contacts: set[str]) -> Shown:
    """A contact who is a guest too keeps what was logged until the meeting changes, as every guest does."""
    gone = contacts - set(shown.matched.values())
    return replace(shown, contacts=tuple(c for c in shown.contacts if c not in gone)) if gone & set(shown.contacts) else shown
