"""Office 365 in the sandbox: Microsoft Graph v1.0's calendars over HTTP, and the people who work in Outlook.

People act by the methods of `Office365`, or over the control API (/sandbox/office365/ACTION, see `control`); what they do is as good as
what a client does: guests get copies and mails, subscribers notices, the next delta tells it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import msgspec

from services.sandbox.entra_directory import Directory
from services.sandbox.office365_delta import gone
from services.sandbox.office365_errors import Refusal
from services.sandbox.office365_exchange import NAME, Exchange
from services.sandbox.office365_graph import ROOT, Graph
from services.sandbox.office365_mailboxes import Mailbox, Shown, Window, in_window
from services.sandbox.office365_showing import Preferences, whole
from services.sandbox.office365_switches import Switches
from services.sandbox.office365_times import Json, read_edge
from services.sandbox.wire import Answer, Request, as_json
from services.sandbox.world import World

_CODES = {
    401: ("InvalidAuthenticationToken", "Lifetime validation failed, the token is expired."),
    403: ("ErrorAccessDenied", "Access is denied. Check credentials and try again."),
    404: ("ErrorItemNotFound", "The specified object was not found in the store."),
    429: ("ApplicationThrottled", "Application is over its MailboxConcurrency limit."),
    500: ("InternalServerError", "The server encountered an internal error."),
    503: ("ErrorConcurrentItemSave", "The server had a transient error."),
    504: ("UnknownError", "The request timed out."),
}
_PLAIN = Preferences()


class Office365:
    """The simulator. `directory` is shared with the login (`Entra`)."""

    def __init__(self, world: World, directory: Directory) -> None:
        self.world, self.directory = world, directory
        self.exchange = Exchange(world, directory)
        self.graph = Graph(self.exchange)

    # --- what the shell asks ---

    @property
    def name(self) -> str:
        """What faults and counts call it."""
        return NAME

    @property
    def switches(self) -> Switches:
        """What is uncertain about Graph, to be set."""
        return self.exchange.switches

    def answers(self, request: Request) -> bool:
        """Is this a path of Graph's?"""
        return request.path == ROOT or request.path.startswith(ROOT + "/")

    def answer(self, request: Request) -> Answer:
        """What Graph answers."""
        return self.graph.answer(request)

    def refusal(self, request: Request, status: int) -> Answer:
        """A refusal of this status in Graph's words."""
        if status == 410:
            return self.graph.refusal(request, gone(f"{request.scheme}://{request.host}{request.raw_path}?$deltatoken=", Switches()))
        code, message = _CODES.get(status, ("UnknownError", "An error occurred."))
        return self.graph.refusal(request, Refusal(status, code, message, {"Retry-After": "5"} if status in (429, 503) else {}))

    def reset(self) -> None:
        """As it was when it was made. The directory is the login's to reset."""
        self.exchange.reset()

    def state(self) -> Json:
        """Mailboxes with their events, subscriptions, switches."""
        return {
            "mailboxes": [{"address": box.address, "name": box.name, "events": self.events(box.address)} for box in self.exchange.boxes()],
            "subscriptions": [one.shown() for one in self.exchange.subscriptions.all()],
            "switches": msgspec.to_builtins(self.switches),
        }

    # --- people ---

    def user(self, address: str, name: str = "") -> str:
        """Somebody with a mailbox; returns the directory's id of them."""
        with self.world.lock:
            return self.exchange.box(self.directory.user(address, name).oid).oid

    def token(self, address: str, *scopes: str) -> str:
        """An access token of somebody's, for a test."""
        self.user(address)
        return self.directory.token(address, *scopes)

    def event(
        self,
        address: str,
        subject: str,
        start: str,
        end: str,
        *,
        zone: str = "UTC",
        guests: Iterable[str] = (),
        calendar: str | None = None,
        **more: Any,
    ) -> str:
        """Somebody makes an event: local date-times in `zone`, guests by address, `more` in Graph's own JSON. Returns its id.
        Raises `Refusal`."""
        people = [{"type": "required", "emailAddress": {"address": guest}} for guest in guests]
        times = {"start": {"dateTime": start, "timeZone": zone}, "end": {"dateTime": end, "timeZone": zone}}
        with self.world.lock:
            box = self._box(address)
            made = self.exchange.meetings.create(
                box, calendar or box.default.id, {"subject": subject, "attendees": people, **times, **more}
            )
        return made.id

    def change(self, address: str, event: str, **changes: Any) -> None:
        """Somebody changes an event or an occurrence: Graph's own JSON. Raises `Refusal`."""
        with self.world.lock:
            box = self._box(address)
            self.exchange.meetings.change(box, box.find(event), changes)

    def move(self, address: str, event: str, start: str, end: str, zone: str = "UTC") -> None:
        """Somebody moves it to another time. Raises `Refusal`."""
        self.change(address, event, start={"dateTime": start, "timeZone": zone}, end={"dateTime": end, "timeZone": zone})

    def relocate(self, address: str, event: str, calendar: str | None = None) -> str:
        """Somebody takes an event to another of their calendars, or exports it and imports it again: returns its id from now on.
        Raises `Refusal`."""
        with self.world.lock:
            box = self._box(address)
            found = box.find(event).event
            if self.switches.ids_change:
                box.relocate(found, calendar or found.calendar)
            else:
                found.calendar = calendar or found.calendar
                box.touch(found)
        return found.id

    def cancel(self, address: str, event: str) -> None:
        """The organiser cancels a meeting or an occurrence. Raises `Refusal`."""
        with self.world.lock:
            box = self._box(address)
            self.exchange.meetings.cancel(box, box.find(event))

    def delete(self, address: str, event: str) -> None:
        """Somebody deletes an event or an occurrence from their calendar. Raises `Refusal`."""
        with self.world.lock:
            box = self._box(address)
            self.exchange.meetings.delete(box, box.find(event))

    def respond(self, address: str, event: str, answer: str, guest: str | None = None) -> None:
        """Somebody answers their copy: accepted, declined or tentativelyAccepted. With `guest`: one from elsewhere answers, and it
        reaches the organiser `address`. Raises `Refusal`, `ValueError` for another answer."""
        if answer not in ("accepted", "declined", "tentativelyAccepted"):
            raise ValueError(f"no such answer: {answer}")
        with self.world.lock:
            box = self._box(address)
            if guest is None:
                self.exchange.meetings.answer(box, box.find(event), answer)
            else:
                self.exchange.meetings.heard(box, box.find(event), guest, answer)

    def calendar(self, address: str, name: str) -> str:
        """Somebody makes one more calendar; returns its id."""
        with self.world.lock:
            return self._box(address).add_calendar(name).id

    def copy(self, address: str, event: str, other: str) -> str | None:
        """The id of another's copy of a meeting, if they have one."""
        with self.world.lock:
            shown = self._box(address).find(event)
            copy = self._box(other).copy_of(shown.event.uid)
            return Shown(copy, shown.original).id(immutable=False) if copy else None

    def immutable(self, address: str, event: str) -> str:
        """The id under which whoever asks for immutable ones sees an event."""
        with self.world.lock:
            return self._box(address).find(event).id(immutable=True)

    def events(self, address: str, start: str | None = None, end: str | None = None) -> list[Json]:
        """What somebody has, the oldest first: single events and series as Graph says them, or, with a window, what is in it."""
        with self.world.lock:
            box = self._box(address)
            if start is None or end is None:
                return [whole(Shown(event), box, _PLAIN) for event in box.of(None)]
            window = Window(read_edge(start, "start"), read_edge(end, "end"))
            return [whole(shown, box, _PLAIN) for event in box.of(None) for shown in in_window(event, window)]

    # --- the administrator and chance ---

    def expire_cursors(self, address: str | None = None) -> None:
        """Every delta link of a mailbox, or of all, is 410 from now on."""
        with self.world.lock:
            for box in self.exchange.boxes():
                if address in (None, box.address):
                    self.exchange.delta(box).forget()

    def lifecycle(self, event: str, address: str | None = None) -> int:
        """Tell subscriptions `reauthorizationRequired`, `subscriptionRemoved` or `missed`; how many that were."""
        with self.world.lock:
            return self.exchange.subscriptions.lifecycle(event, address)

    def switch(self, **changes: Any) -> Json:
        """Set switches; what they are then. Raises `msgspec.ValidationError`."""
        self.switches.set(changes)
        return dict(msgspec.structs.asdict(self.switches))

    def control(self, request: Request) -> Answer:
        """POST /sandbox/office365/ACTION, with the arguments of the method of that name as a JSON object; GET .../state."""
        action = request.path.removeprefix(f"/sandbox/{NAME}").strip("/")
        if request.method == "GET" and action in ("", "state"):
            return as_json(200, self.state())
        act = self._actions().get(action)
        if act is None or request.method != "POST":
            return as_json(404, {"error": "no such action", "actions": sorted(self._actions())})
        try:
            return as_json(200, {"result": act(**(request.json() or {}))})
        except Refusal as refusal:
            return as_json(refusal.status, {"error": refusal.message, "code": refusal.code})
        except (TypeError, ValueError) as error:
            return as_json(400, {"error": str(error)})

    def _actions(self) -> dict[str, Callable[..., Any]]:
        acts = (self.user, self.token, self.event, self.change, self.move, self.relocate, self.cancel, self.delete, self.respond)
        more = (self.calendar, self.copy, self.events, self.expire_cursors, self.lifecycle, self.switch)
        return {act.__name__: act for act in (*acts, *more)}

    def _box(self, address: str) -> Mailbox:
        return self.exchange.box(address)
