"""A copy of an event as the Calendar API shows it, to whom it shows it."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from services.sandbox import google_times as times
from services.sandbox.google_calendars import GUEST_RIGHTS, KIND_DETAILS, Calendar, Calendars, Copy

Wire = dict[str, Any]

# Google leaves out what is as usual.
USUAL = {"transparency": "opaque", "visibility": "default", "guestsCanInviteOthers": True, "guestsCanSeeOtherGuests": True}
PLAIN = ("summary", "description", "location", "recurrence", "colorId", "transparency", "visibility", "source", "attachments", "reminders")
HIDDEN = ("kind", "etag", "id", "status", "created", "updated", "start", "end", "recurrence", "recurringEventId", "originalStartTime")


class Rendering:
    """For one request: whose calendar, who looks, in which zone (None: the calendar's), and how many guests are shown at most."""

    def __init__(
        self, calendars: Calendars, calendar: Calendar, viewer: str, *, zone: str | None = None, most: int | None = None, bare: bool = False
    ) -> None:
        self._calendars, self._calendar, self._most, self._bare = calendars, calendar, most, bare
        self._role = calendar.acl.get(viewer, "none")
        self._zone = zone or calendar.zone

    def item(self, copy: Copy) -> Wire:
        """In a list: what is gone is a tombstone there."""
        if not copy.gone:
            return self.whole(copy)
        stone = {"kind": "calendar#event", "etag": copy.etag, "id": copy.event.id, "status": "cancelled"}
        if self._bare:
            return stone
        if copy.event.original is not None:
            return stone | self._instance(copy)
        # The organiser's list keeps what the event was; a guest's says no more than that it is gone.
        return self.whole(copy) if copy.event.organizer == copy.calendar else stone

    def whole(self, copy: Copy) -> Wire:
        """By id."""
        event = copy.event
        shown: Wire = {
            "kind": "calendar#event",
            "etag": copy.etag,
            "id": event.id,
            "status": "cancelled" if copy.gone else "tentative" if event.tentative else "confirmed",
            "htmlLink": f"https://calendar.google.com/calendar/event?eid={quote(event.id)}",
            "created": times.rfc3339(event.created),
            "updated": times.rfc3339(copy.updated),
            "creator": self._person(event.creator),
            "organizer": self._person(event.organizer),
            "start": times.shown(event.fields["start"], self._zone),
            "end": times.shown(event.fields["end"], self._zone),
            "iCalUID": event.uid,
            "sequence": event.sequence,
            "reminders": {"useDefault": True},
            "eventType": event.fields.get("eventType", "default"),
        }
        shown |= {n: v for n in (*PLAIN, *GUEST_RIGHTS, *KIND_DETAILS) if (v := copy.value(n)) is not None and USUAL.get(n) != v}
        shown |= self._guests(copy) | self._properties(copy) | _conference(event.fields) | self._instance(copy)
        return self._hidden(copy, shown)

    def _instance(self, copy: Copy) -> Wire:
        event = copy.event
        if event.master is None or event.original is None:
            return {}
        return {"recurringEventId": event.master, "originalStartTime": times.shown(event.original, self._zone)}

    def _person(self, address: str) -> Wire:
        known = self._calendars.mailboxes.get(address)
        shown: Wire = {"email": address}
        if known is not None and address != self._calendar.id:
            shown["displayName"] = known.name
        return shown | ({"self": True} if address == self._calendar.id else {})

    def _guests(self, copy: Copy) -> Wire:
        people = [self._guest(copy, who, said) for who, said in copy.event.attendees.items()]
        me = [each for each in people if each.get("self")]
        others = copy.event.fields.get("guestsCanSeeOtherGuests", True) or copy.event.organizer == copy.calendar
        shown = people if others else me
        if self._most is not None and len(shown) > self._most:
            # Of a list that is too long, only he who looks is shown.
            return {"attendees": me, "attendeesOmitted": True}
        return ({"attendees": shown} if shown else {}) | ({} if others else {"attendeesOmitted": True})

    def _guest(self, copy: Copy, who: str, said: Wire) -> Wire:
        marks = {"organizer": who == copy.event.organizer, "self": who == copy.calendar}
        return {**said, **{name: True for name, holds in marks.items() if holds}}

    def _properties(self, copy: Copy) -> Wire:
        kinds = {"private": copy.properties, "shared": copy.event.shared_properties}
        shown = {kind: dict(held) for kind, held in kinds.items() if held}
        return {"extendedProperties": shown} if shown else {}

    def _hidden(self, copy: Copy, shown: Wire) -> Wire:
        """What one who may not see details sees: when, and that it is so."""
        private = copy.value("visibility") in ("private", "confidential")
        if self._role == "freeBusyReader":
            return {name: shown[name] for name in HIDDEN if name in shown} | {"visibility": "private"}
        if private and self._role in ("reader", "writerWithoutPrivateAccess"):
            return {name: shown[name] for name in HIDDEN if name in shown} | {"visibility": shown["visibility"]}
        return shown


def _conference(fields: Wire) -> Wire:
    data = fields.get("conferenceData")
    if not data:
        return {}
    video = next((entry["uri"] for entry in data.get("entryPoints", []) if entry.get("entryPointType") == "video"), None)
    return {"conferenceData": data} | ({"hangoutLink": video} if video and "meet.google.com" in video else {})
