"""What each rule says to somebody who knows meetings and customers, and nothing of our engine.

One sentence for each (rule, outcome) that the deciders record, and for every other pair the rule in general and what the outcome
means, so that a decision always has a sentence. `{who}` is a person, `{contact}` a contact, `{more}` what the note adds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from domain.decisions import Decision, Outcome, Rule

GENERAL: dict[Rule, str] = {
    Rule.ONE_CALENDAR: "A user has one connected calendar at a time, Google or Office 365.",
    Rule.PRIMARY_ONLY: "Only a user's primary calendar is synced.",
    Rule.ACTIVE_WINDOW: "Only meetings created while the calendar was connected are synced.",
    Rule.CRM_SCHEDULES: "It was scheduled in the CRM, and goes to the owner's calendar from there.",
    Rule.CRM_UPDATES: "It was changed in the CRM.",
    Rule.CRM_DELETE_KEEPS_CALENDAR: "It was deleted in the CRM. It stays in the calendar, and out of the timeline.",
    Rule.CONTACT_MATCH: "A meeting is in the timeline of every contact whose Email property is a guest's address.",
    Rule.CONTACT_BOOKS: "A contact booked it through the scheduling page.",
    Rule.CALENDAR_UPDATES: "It was changed in the calendar.",
    Rule.CALENDAR_DELETES: "It was deleted or cancelled in the calendar.",
    Rule.OWN_DOMAIN: "{who} is on your company's own domain.",
    Rule.CRM_USER: "{who} is a user of your CRM.",
    Rule.NEVER_LOG: "{who} is on the account's never-log list.",
    Rule.PRIVATE: "A private meeting is not logged, and nothing of it is kept.",
    Rule.NOT_A_MEETING: "This calendar entry is no meeting{more}.",
    Rule.NO_CONTACT: "No contact is among the guests.",
    Rule.ECHO: "It is what we ourselves wrote, coming back.",
    Rule.DUPLICATE: "The same was told before.",
    Rule.STALE: "A newer version was known already.",
    Rule.THREE_WAY: "It was changed in the CRM and in the calendar.",
    Rule.SAME_MEETING: "It is a meeting that is known from another place already.",
    Rule.MASS_DELETE: "A listing of the calendar would have removed unusually many meetings.",
    Rule.ERASED: "{who} was erased, and nothing of them is kept.",
    Rule.RECORDED: "It was taken down as it was told.",
    Rule.MALFORMED: "What was sent could not be read.",
}

IN_NO_TIMELINE = "No contact is among the guests, so the meeting is in no timeline."
"""Of a meeting as such; of one of its guests something else is said."""

ENDINGS: dict[Outcome, str] = {
    Outcome.APPLIED: "This was applied.",
    Outcome.IGNORED: "So this was ignored.",
    Outcome.SUPPRESSED: "So this was kept out.",
    Outcome.MERGED: "So the two are one.",
    Outcome.HELD: "So this waits for a person.",
    Outcome.REJECTED: "So this was rejected.",
}

SENTENCES: dict[tuple[Rule, Outcome], str] = {
    (Rule.ONE_CALENDAR, Outcome.APPLIED): "The user's calendar is connected from then on.",
    (Rule.ONE_CALENDAR, Outcome.IGNORED): "The user has another calendar connected{more}, and only one counts at a time.",
    (Rule.PRIMARY_ONLY, Outcome.IGNORED): "It is in a calendar that is not the user's primary one, and only that one is synced.",
    (Rule.ACTIVE_WINDOW, Outcome.APPLIED): "The connection of the user's calendar ended or lost its authorisation.",
    (Rule.ACTIVE_WINDOW, Outcome.IGNORED): "The meeting was created while no calendar of its owner was connected, so it is not synced.",
    (Rule.CRM_SCHEDULES, Outcome.APPLIED): "It was scheduled in the CRM.",
    (Rule.CRM_UPDATES, Outcome.APPLIED): "It was changed in the CRM{more}.",
    (Rule.CRM_DELETE_KEEPS_CALENDAR, Outcome.APPLIED): "It was deleted in the CRM: out of the timeline; the calendar keeps what it has.",
    (
        Rule.CRM_DELETE_KEEPS_CALENDAR,
        Outcome.SUPPRESSED,
    ): "It was deleted in the CRM, so what the calendar says of it stays out of the timeline.",
    (Rule.CONTACT_MATCH, Outcome.APPLIED): "{who} is contact {contact}, so the meeting is in that contact's timeline.",
    (Rule.CONTACT_MATCH, Outcome.MERGED): "Contacts were merged in the CRM into contact {contact}{more}, who has all their meetings.",
    (Rule.CONTACT_BOOKS, Outcome.APPLIED): "A contact booked it through the scheduling page.",
    (Rule.CONTACT_BOOKS, Outcome.MERGED): "A contact booked it through the scheduling page: booking and calendar entry are one meeting.",
    (Rule.CALENDAR_UPDATES, Outcome.APPLIED): "It was changed in the calendar{more}.",
    (Rule.CALENDAR_DELETES, Outcome.APPLIED): "It was deleted or cancelled in the calendar, and is shown as cancelled{more}.",
    (Rule.CALENDAR_DELETES, Outcome.IGNORED): "A copy of it went from a calendar, which cancels nothing{more}.",
    (Rule.OWN_DOMAIN, Outcome.IGNORED): "{who} is on your company's own domain, and colleagues are never logged.",
    (Rule.CRM_USER, Outcome.IGNORED): "{who} is a user of your CRM, and users are never logged.",
    (Rule.NEVER_LOG, Outcome.IGNORED): "{who} is on the account's never-log list, and is never logged.",
    (Rule.PRIVATE, Outcome.IGNORED): "The meeting is private, so it is not logged and nothing of it is kept.",
    (Rule.NOT_A_MEETING, Outcome.IGNORED): "This calendar entry is no meeting{more}, and is not logged.",
    (Rule.NO_CONTACT, Outcome.IGNORED): "{who} is no contact's Email property, so the meeting is in no timeline because of them.",
    (Rule.ECHO, Outcome.MERGED): "It is our own entry, found again on the other side: one meeting.",
    (Rule.DUPLICATE, Outcome.IGNORED): "The very same was told before, and counts once.",
    (Rule.STALE, Outcome.IGNORED): "A newer version was known already, so this one changes nothing{more}.",
    (
        Rule.THREE_WAY,
        Outcome.APPLIED,
    ): "CRM and calendar both changed it: both changes stand, and where they disagree the calendar's{more}.",
    (Rule.SAME_MEETING, Outcome.APPLIED): "It was recorded in the CRM by its own calendar sync.",
    (Rule.SAME_MEETING, Outcome.MERGED): "It is a meeting that is known from another calendar or from the CRM: one meeting{more}.",
    (
        Rule.MASS_DELETE,
        Outcome.HELD,
    ): "A listing of the calendar would have removed unusually many meetings{more}, so a person must say yes first.",
    (Rule.MASS_DELETE, Outcome.IGNORED): "The listing of the calendar was not complete, so nothing was taken as deleted.",
    (Rule.ERASED, Outcome.IGNORED): "{who} was erased, and nothing of them is kept or logged again.",
    (Rule.ECHO, Outcome.IGNORED): "It is what we ourselves wrote, coming back: nothing new.",
    (Rule.CRM_USER, Outcome.APPLIED): "A user of your CRM came or left; users are never logged.",
    (Rule.ERASED, Outcome.APPLIED): "The contact was erased in the CRM: nothing personal of them is kept.",
    (Rule.RECORDED, Outcome.APPLIED): "It was taken down as it was told.",
    (Rule.MALFORMED, Outcome.REJECTED): "What was sent could not be read, and waits among the dead letters{more}.",
}


def counted(count: int, what: str) -> str:
    """So many of them, in words.

    >>> counted(1, "delivery"), counted(1200, "delivery"), counted(0, "dead letter")
    ('1 delivery', '1,200 deliveries', '0 dead letters')
    """
    several = f"{what.removesuffix('y')}ies" if what.endswith("y") else f"{what}s"
    return f"1 {what}" if count == 1 else f"{count:,} {several}"


def sentence(decision: Decision, who: str | None = None) -> str:
    """A decision for people. `who` is the guest's address, if the asker may see it."""
    template = _template(decision)
    person = who or (f"Contact {decision.contact}" if decision.contact and not decision.guest else "A guest")
    return template.format(who=person, contact=decision.contact or "", more=_more(decision.note or {}))


def _template(decision: Decision) -> str:
    match decision.rule, decision.outcome:
        case Rule.CONTACT_MATCH, Outcome.APPLIED:
            return _matched(decision)
        case Rule.NO_CONTACT, Outcome.IGNORED if decision.guest is None:
            return IN_NO_TIMELINE
        case Rule.CRM_DELETE_KEEPS_CALENDAR, Outcome.APPLIED if (decision.note or {}).get("restored"):
            return "It was restored in the CRM, and is in timelines again."
    template = SENTENCES.get((decision.rule, decision.outcome))
    return template or f"{GENERAL[decision.rule]} {ENDINGS[decision.outcome]}"


def _matched(decision: Decision) -> str:
    """A match is of a guest, of an association, of a contact's own record, or of the meeting as such."""
    note = decision.note or {}
    if note.get("deleted"):
        return "Contact {contact} was deleted in the CRM: the timeline is closed until a restore."
    if note.get("association"):
        return "It is associated with contact {contact} in the CRM, so it is in that contact's timeline."
    if decision.guest is None and decision.contact:
        return "Contact {contact} is as the CRM has it; meetings with that Email property are logged from then on."
    if decision.guest is None:
        return "The meeting was taken up; who of its guests is a contact decides whose timeline it is in."
    return SENTENCES[Rule.CONTACT_MATCH, Outcome.APPLIED]


def _more(note: Mapping[str, Any]) -> str:
    """What a note adds, as the end of a sentence."""
    parts = []
    if note.get("kind"):
        parts.append(f" but {str(note['kind']).replace('-', ' ')}")
    if note.get("live"):
        parts.append(f" ({_provider(note['live'])})")
    if note.get("changed"):
        parts.append(f": {', '.join(_field(f) for f in note['changed'])}")
    if note.get("merged"):
        parts.append(f" (formerly {', '.join(str(m) for m in note['merged'])})")
    if note.get("lost"):
        parts.append(f"; the CRM said {', '.join(f'{_field(k)} {str(v)!r}' for k, v in note['lost'].items())}")
    if note.get("reason"):
        parts.append(f": {note['reason']}")
    if note.get("taken"):
        parts.append(", except that it told something not known before")
    if note.get("deletions"):
        parts.append(f" ({note['deletions']} of {note.get('known', '?')}; {note.get('hold', 'held')})")
    if note.get("letter"):
        parts.append(f" as {note['letter']}")
    return "".join(parts)


def _field(name: str) -> str:
    return {"conferenceUrl": "conference link", "conference_url": "conference link", "timeline": "whether it is in a timeline"}.get(
        name, name
    )


def _provider(name: object) -> str:
    return {"google": "Google", "office365": "Office 365"}.get(str(name), str(name))
