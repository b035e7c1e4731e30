"""The Google simulator: login, Calendar API v3 and push, and people who act in their calendars without it.

    google = Google(world)
    google.user("ana@acme.example", zone="Europe/Paris")
    google.event("ana@acme.example", "Kick-off", "2026-03-09T10:00", "2026-03-09T11:00", guests=["bo@client.example"])

What people do here, they do as in Google's own pages: guests are mailed. `control` is the same over HTTP, see `ACTIONS`.

Faults of its own, beside the shell's: `expired_cursor` (a sync token is answered 410), `revoked_grant` and `invalid_rapt` (a refresh
is answered `invalid_grant`). How it behaves where Google may behave either way: `google_switches`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from services.sandbox import google_oauth as oauth
from services.sandbox.google_api import BATCH_PATHS, ROOT, SCOPE, Api
from services.sandbox.google_calendars import Calendar, Calendars, Copy, Mailing
from services.sandbox.google_channels import Channels
from services.sandbox.google_rendering import Rendering
from services.sandbox.google_switches import Switches
from services.sandbox.google_words import Refusal, fault, not_found
from services.sandbox.wire import Answer, BadBody, Request, as_json
from services.sandbox.world import World

Wire = dict[str, Any]

CLIENT = "sandbox-client"
ALL_SCOPES = (SCOPE + "calendar",)


class Google:
    """A simulator for the shell. What it raises to whoever calls it directly is `google_words.Refusal`."""

    name = "google"

    def __init__(self, world: World, switches: Switches | None = None) -> None:
        self._world = world
        self.switches = switches or Switches()
        self._first = msgspec.to_builtins(self.switches)
        self._begin()

    def reset(self) -> None:
        """Nobody is there, nothing is granted, the switches are as they were at first."""
        with self._world.lock:
            self._switch(**self._first)
            self._begin()

    def _begin(self) -> None:
        self.channels = Channels(self._world, self.switches)
        self.calendars = Calendars(self._world, self.channels.changed)
        self.logins = oauth.Logins(self._world, self.switches)
        self._api = Api(self._world, self.switches, self.calendars, self.channels, self.logins)

    # --- the wire ---

    def answers(self, request: Request) -> bool:
        """The API's paths, the batch's, and the login's (which Google has on hosts of their own)."""
        path = request.path
        return path.startswith(ROOT) or path.rstrip("/") in BATCH_PATHS or path in oauth.PATHS

    def answer(self, request: Request) -> Answer:
        """As Google would."""
        if request.path in oauth.PATHS:
            return self.logins.answer(request, {box.address: box.name for box in self.calendars.mailboxes.values()})
        return self._api.answer(request)

    def refusal(self, request: Request, status: int) -> Answer:
        """An error of this status in Google's words."""
        return fault(status).answer()

    # --- people ---

    def user(self, address: str, name: str | None = None, zone: str = "UTC") -> str:
        """A person with a Google account and a calendar; his address."""
        with self._world.lock:
            return self.calendars.add_mailbox(address, name, zone).address

    def calendar(self, owner: str, id: str, summary: str = "", zone: str | None = None) -> str:
        """A second calendar of a person; its id."""
        with self._world.lock:
            zone = zone or self.calendars.mailboxes[owner.lower()].zone
            return self.calendars.add_calendar(owner.lower(), id, summary or id, zone).id

    def share(self, calendar: str, address: str, role: str) -> None:
        """Give somebody a role in a calendar: freeBusyReader, reader, writerWithoutPrivateAccess, writer, owner."""
        with self._world.lock:
            self.calendars.share(calendar, address, role)

    def event(
        self, owner: str, summary: str, start: str, end: str, guests: Sequence[str] = (), *, mail: bool = True, **fields: Any
    ) -> Wire:
        """A meeting, or, if `start` is a date, a whole day; `fields` are the API's. Times without offset are in the owner's zone."""
        with self._world.lock:
            home = self._home(owner)
            body = {"summary": summary, "start": _wire(start, home), "end": _wire(end, home), **fields}
            if guests:
                people: list[Wire] = [{"email": home.id, "responseStatus": "accepted"}, *({"email": guest} for guest in guests)]
                body["attendees"] = people
            return self._shown(home, self.calendars.insert(home, home.owner, body, self._mailing(mail)))

    def receive(
        self, address: str, organizer: str, uid: str, summary: str, start: str, end: str, guests: Sequence[str] = (), **fields: Any
    ) -> Wire:
        """An invitation from somebody without a Google calendar, as it came by mail; the same `uid` again is its change."""
        with self._world.lock:
            home = self._home(address)
            told = {"iCalUID": uid, "organizer": {"email": organizer}, "attendees": [{"email": who} for who in (home.id, *guests)]}
            body = {"summary": summary, "start": _wire(start, home), "end": _wire(end, home), **told, **fields}
            return self._shown(home, self.calendars.import_(home, organizer.lower(), body))

    def withdraw(self, address: str, uid: str) -> Wire:
        """Somebody without a Google calendar calls off what `receive` brought."""
        with self._world.lock:
            home = self._home(address)
            return self._shown(home, self.calendars.withdraw(home, uid))

    def change(self, address: str, id: str, *, mail: bool = True, **fields: Any) -> Wire:
        """Change an event, or an instance, in a person's calendar; `fields` are the API's, None takes away."""
        with self._world.lock:
            home = self._home(address)
            return self._shown(home, self.calendars.change(home, id, fields, self._mailing(mail)))

    def move(self, address: str, id: str, start: str, end: str, *, mail: bool = True) -> Wire:
        """To another time."""
        home = self._home(address)
        other = {"dateTime": None} if "T" not in start else {"date": None}
        return self.change(address, id, start={**_wire(start, home), **other}, end={**_wire(end, home), **other}, mail=mail)

    def cancel(self, organizer: str, id: str, *, mail: bool = True) -> Wire:
        """The organiser calls it off, for all."""
        with self._world.lock:
            home = self._home(organizer)
            if self.calendars.find(home, id).event.organizer != home.id:
                raise Refusal(403, "forbiddenForNonOrganizer", "Only the organizer can cancel an event.", "calendar")
            return self._shown(home, self.calendars.remove(home, id, self._mailing(mail)))

    def delete(self, address: str, id: str, *, mail: bool = True) -> Wire:
        """A person deletes it from his calendar: for all if he is the organiser; otherwise he declines, and it is gone for him."""
        with self._world.lock:
            home = self._home(address)
            return self._shown(home, self.calendars.remove(home, id, self._mailing(mail)))

    def respond(self, guest: str, id: str, answer: str, comment: str | None = None, *, mail: bool = True) -> Wire:
        """A guest answers: accepted, tentative, declined, needsAction."""
        with self._world.lock:
            home = self._home(guest)
            return self._shown(home, self.calendars.respond(home, id, answer, comment, self._mailing(mail)))

    def get(self, address: str, id: str) -> Wire:
        """An event as its calendar's owner sees it, gone or not."""
        with self._world.lock:
            home = self._home(address)
            return self._shown(home, self.calendars.find(home, id))

    def events(self, address: str) -> list[Wire]:
        """All that is in a person's calendar, what is gone too, in the order it was made."""
        with self._world.lock:
            home = self._home(address)
            return [self._shown(home, copy) for copy in home.copies.values()]

    # --- what an administrator, or bad luck, does ---

    def token(self, address: str, scopes: Sequence[str] = ALL_SCOPES, client: str = CLIENT) -> str:
        """An access token, without a login."""
        return self.grant(address, scopes, client)[0]

    def grant(self, address: str, scopes: Sequence[str] = ALL_SCOPES, client: str = CLIENT) -> tuple[str, str]:
        """An access and a refresh token, without a login."""
        with self._world.lock:
            access, refresh = self.logins.grant(self._home(address).owner, client, list(scopes))
        return access, refresh or ""

    def revoke(self, address: str) -> None:
        """A person takes back all he granted."""
        with self._world.lock:
            self.logins.revoke(address.lower())

    def invalidate(self, calendar: str | None = None) -> None:
        """The sync tokens of a calendar, or of all, are worth nothing from now on."""
        with self._world.lock:
            self.calendars.invalidate(calendar)

    # --- control ---

    def state(self) -> Wire:
        """People, calendars with their events, channels, and the switches."""
        with self._world.lock:
            return {
                "users": [msgspec.to_builtins(box) for box in self.calendars.mailboxes.values()],
                "calendars": {id: self._listed(calendar) for id, calendar in self.calendars.calendars.items()},
                "channels": [msgspec.to_builtins(channel) for channel in self.channels.open.values()],
                "switches": msgspec.to_builtins(self.switches),
            }

    def control(self, request: Request) -> Answer:
        """GET /sandbox/google is the state; POST /sandbox/google/ACTION acts, with the arguments as a JSON object."""
        action = request.path.removeprefix("/sandbox/google").strip("/")
        if request.method == "GET" and not action:
            return as_json(200, self.state())
        if request.method != "POST" or action not in ACTIONS:
            return as_json(404, {"error": "no such action", "actions": sorted(ACTIONS)})
        return self._act(ACTIONS[action], request)

    def _act(self, act: Callable[..., Any], request: Request) -> Answer:
        arguments = request.json() or {}
        if not isinstance(arguments, dict):
            raise BadBody("the arguments are no object")
        try:
            return as_json(200, act(self, **arguments))
        except Refusal as refusal:
            return refusal.answer()
        except TypeError as error:
            return as_json(400, {"error": str(error)})

    def _switch(self, **values: Any) -> Wire:
        """Set switches. All are read before one is set."""
        new = msgspec.convert({**msgspec.to_builtins(self.switches), **values}, Switches)
        for name in values:
            setattr(self.switches, name, getattr(new, name))
        return msgspec.to_builtins(self.switches)  # type: ignore[no-any-return]  # a Struct's builtins are a dict

    def _listed(self, calendar: Calendar) -> Wire:
        rendering = Rendering(self.calendars, calendar, calendar.owner)
        items = [rendering.whole(copy) for copy in calendar.copies.values()]
        return {"owner": calendar.owner, "summary": calendar.summary, "timeZone": calendar.zone, "items": items}

    def _home(self, address: str) -> Calendar:
        """A person's primary calendar. Raises `Refusal`."""
        found = self.calendars.calendars.get(address.lower())
        if found is None:
            raise not_found()
        return found

    def _mailing(self, mail: bool) -> Mailing:
        return Mailing(self._world, "all" if mail else "none")

    def _shown(self, calendar: Calendar, copy: Copy) -> Wire:
        return Rendering(self.calendars, calendar, calendar.owner).whole(copy)


def _wire(text: str, home: Calendar) -> Wire:
    """A date, or a time in the calendar's zone."""
    return {"dateTime": text, "timeZone": home.zone} if "T" in text else {"date": text}


ACTIONS: dict[str, Callable[..., Any]] = {
    "user": Google.user,
    "calendar": Google.calendar,
    "share": Google.share,
    "event": Google.event,
    "change": Google.change,
    "move": Google.move,
    "cancel": Google.cancel,
    "delete": Google.delete,
    "receive": Google.receive,
    "withdraw": Google.withdraw,
    "respond": Google.respond,
    "get": Google.get,
    "events": Google.events,
    "grant": Google.grant,
    "revoke": Google.revoke,
    "invalidate": Google.invalidate,
    "switch": Google._switch,
}
"""What can be done over HTTP: the methods' names, and their arguments."""
