"""The Calendar API's methods: who may call them, how often, and what they answer.

Names, paths and scopes are those of the discovery document. Order of refusals: 404 for an unknown method, 401, 403 for the scope,
403 or 429 for the quota, then what the method itself refuses.
"""

from __future__ import annotations

import re
from collections import defaultdict, deque
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, unquote

from services.sandbox import google_bodies as bodies
from services.sandbox import google_conferences as conferences
from services.sandbox import google_times as times
from services.sandbox.google_calendars import Calendar, Calendars, Copy, Mailing
from services.sandbox.google_channels import Channels
from services.sandbox.google_listing import Listings, entry, flag, number
from services.sandbox.google_oauth import Logins
from services.sandbox.google_rendering import Rendering
from services.sandbox.google_switches import Switches
from services.sandbox.google_words import (
    Refusal,
    bad_request,
    batch,
    condition_not_met,
    forbidden_scope,
    invalid,
    not_found,
    rate_limited,
    required,
    select,
    unauthorized,
)
from services.sandbox.wire import Answer, BadBody, Request, as_json
from services.sandbox.world import World

Wire = dict[str, Any]

ROOT = "/calendar/v3/"
BATCH_PATHS = ("/batch/calendar/v3", "/batch")
SCOPE = "https://www.googleapis.com/auth/"
MINUTE = 60_000

_EVENTS_WRITE = "calendar calendar.app.created calendar.events calendar.events.owned"
_EVENTS_READ = (
    "calendar calendar.app.created calendar.events calendar.events.freebusy calendar.events.owned calendar.events.owned.readonly"
    " calendar.events.public.readonly calendar.events.readonly calendar.readonly"
)
_LIST_READ = "calendar calendar.calendarlist calendar.calendarlist.readonly calendar.readonly"
_SETTINGS_READ = "calendar calendar.readonly calendar.settings calendar.settings.readonly"
SCOPES = {
    "calendarList.get": f"{_LIST_READ} calendar.app.created",
    "calendarList.list": _LIST_READ,
    "calendars.get": "calendar calendar.app.created calendar.calendars calendar.calendars.readonly calendar.readonly",
    "channels.stop": (f"{_EVENTS_READ} {_LIST_READ} calendar.acls calendar.acls.readonly calendar.settings calendar.settings.readonly"),
    "colors.get": (
        "calendar calendar.app.created calendar.calendarlist calendar.calendarlist.readonly calendar.events.freebusy"
        " calendar.events.owned calendar.events.owned.readonly calendar.events.public.readonly calendar.readonly"
    ),
    "events.delete": _EVENTS_WRITE,
    "events.get": _EVENTS_READ,
    "events.import": _EVENTS_WRITE,
    "events.insert": _EVENTS_WRITE,
    "events.instances": _EVENTS_READ,
    "events.list": _EVENTS_READ,
    "events.move": "calendar calendar.events calendar.events.owned",
    "events.patch": _EVENTS_WRITE,
    "events.quickAdd": _EVENTS_WRITE,
    "events.update": _EVENTS_WRITE,
    "events.watch": _EVENTS_READ,
    "freebusy.query": "calendar calendar.events.freebusy calendar.freebusy calendar.readonly",
    "settings.get": _SETTINGS_READ,
    "settings.list": _SETTINGS_READ,
}
ROUTES = [
    ("GET", "users/me/calendarList", "calendarList.list"),
    ("GET", "users/me/calendarList/{}", "calendarList.get"),
    ("GET", "users/me/settings", "settings.list"),
    ("GET", "users/me/settings/{}", "settings.get"),
    ("GET", "calendars/{}", "calendars.get"),
    ("GET", "calendars/{}/events", "events.list"),
    ("POST", "calendars/{}/events", "events.insert"),
    ("POST", "calendars/{}/events/import", "events.import"),
    ("POST", "calendars/{}/events/quickAdd", "events.quickAdd"),
    ("POST", "calendars/{}/events/watch", "events.watch"),
    ("GET", "calendars/{}/events/{}", "events.get"),
    ("PATCH", "calendars/{}/events/{}", "events.patch"),
    ("PUT", "calendars/{}/events/{}", "events.update"),
    ("DELETE", "calendars/{}/events/{}", "events.delete"),
    ("GET", "calendars/{}/events/{}/instances", "events.instances"),
    ("POST", "calendars/{}/events/{}/move", "events.move"),
    ("POST", "channels/stop", "channels.stop"),
    ("POST", "freeBusy", "freebusy.query"),
    ("GET", "colors", "colors.get"),
]
_PATTERNS = [(method, re.compile(path.replace("{}", "([^/]+)")), name) for method, path, name in ROUTES]
NO_CONTENT = Answer(204)


class Call(NamedTuple):
    """A request that may be carried out. `ids` are the path's, decoded."""

    request: Request
    viewer: str
    client: str
    ids: list[str]


class Api:
    """The API, over the calendars."""

    def __init__(self, world: World, switches: Switches, calendars: Calendars, channels: Channels, logins: Logins) -> None:
        self._world, self._switches = world, switches
        self._calendars, self._channels, self._logins = calendars, channels, logins
        self._listings = Listings(calendars, world, switches)
        self._calls: dict[str, deque[int]] = defaultdict(deque)
        self._methods: dict[str, Callable[[Call], Answer]] = {
            "calendarList.get": self._entry,
            "calendarList.list": lambda call: as_json(200, self._listings.calendars(call.viewer, call.request)),
            "calendars.get": self._calendar,
            "channels.stop": self._stop,
            "colors.get": self._colors,
            "events.delete": self._delete,
            "events.get": self._get,
            "events.import": self._import,
            "events.insert": self._insert,
            "events.instances": self._instances,
            "events.list": self._list,
            "events.move": self._move,
            "events.patch": lambda call: self._change(call, whole=False),
            "events.quickAdd": self._quick_add,
            "events.update": lambda call: self._change(call, whole=True),
            "events.watch": self._watch,
            "freebusy.query": self._free_busy,
            "settings.get": self._setting,
            "settings.list": self._settings,
        }

    def answer(self, request: Request) -> Answer:
        """A call, or a batch of them."""
        try:
            if request.path.rstrip("/") in BATCH_PATHS:
                return batch(request, self.answer)
            return self._selected(request, self._call(_overridden(request)))
        except Refusal as refusal:
            return refusal.answer()._replace(route=_name(request))
        except BadBody:
            return Refusal(400, "parseError", "Parse Error").answer()._replace(route=_name(request))

    def _selected(self, request: Request, answer: Answer) -> Answer:
        fields = request.one("fields")
        if fields is None or not answer.body or answer.status != 200:
            return answer
        picked = select(_decoded(answer), fields)
        return as_json(200, picked, answer.headers, answer.route)

    def _call(self, request: Request) -> Answer:
        name, ids = _routed(request)
        token = self._logins.holder(request.bearer() or request.one("access_token"))
        if token is None:
            raise unauthorized()
        if not {SCOPE + scope for scope in SCOPES[name].split()} & set(token.scopes):
            raise forbidden_scope()
        self._count(token.address, token.client)
        answer = self._methods[name](Call(request, token.address, token.client, ids))
        return answer._replace(route=name)

    def _count(self, viewer: str, client: str) -> None:
        """Refuses what goes beyond a minute's worth, sliding; a refused call counts for nothing."""
        now = self._world.now()
        limits = ((f"{client}/{viewer}", self._switches.user_limit), (client, self._switches.project_limit))
        for key, limit in limits:
            calls = self._calls[key]
            while calls and calls[0] <= now - MINUTE:
                calls.popleft()
            if len(calls) >= limit:
                raise rate_limited(self._switches.quota_status)
        for key, _ in limits:
            self._calls[key].append(now)

    # --- events ---

    def _list(self, call: Call) -> Answer:
        return as_json(200, self._listings.events(self._readable(call), call.viewer, call.request))

    def _instances(self, call: Call) -> Answer:
        return as_json(200, self._listings.instances(self._readable(call), call.viewer, call.ids[1], call.request))

    def _get(self, call: Call) -> Answer:
        calendar = self._readable(call)
        found = self._calendars.find(calendar, call.ids[1])
        if call.request.headers.get("if-none-match") == found.etag:
            return Answer(304, {"ETag": found.etag})
        answer = self._shown(call, calendar, found)
        if found.event.id in calendar.copies and conferences.pending(found.event.fields.get("conferenceData")):
            request = found.event.fields["conferenceData"]["createRequest"]
            self._calendars.set_conference(found, conferences.made(request, self._world.chance))
        return answer

    def _insert(self, call: Call) -> Answer:
        calendar = self._writable(call)
        body = self._body(call, None)
        return self._shown(call, calendar, self._calendars.insert(calendar, call.viewer, body, self._mailing(call.request)))

    def _import(self, call: Call) -> Answer:
        calendar = self._writable(call)
        return self._shown(call, calendar, self._calendars.import_(calendar, call.viewer, self._body(call, None)))

    def _quick_add(self, call: Call) -> Answer:
        """The text is the title, and it is in the next full hour: nothing of it is understood here."""
        calendar, text = self._writable(call), call.request.one("text")
        if not text:
            raise required("Missing text.")
        hour = (self._world.now() // 3_600_000 + 1) * 3_600_000
        body = {"summary": text, "start": {"dateTime": times.rfc3339(hour)}, "end": {"dateTime": times.rfc3339(hour + 3_600_000)}}
        return self._shown(call, calendar, self._calendars.insert(calendar, call.viewer, body, self._mailing(call.request)))

    def _change(self, call: Call, *, whole: bool) -> Answer:
        calendar, found = self._condition(call)
        body = self._body(call, found.event.fields.get("conferenceData"))
        changed = self._calendars.change(calendar, call.ids[1], body, self._mailing(call.request), whole=whole)
        return self._shown(call, calendar, changed)

    def _delete(self, call: Call) -> Answer:
        calendar, _ = self._condition(call)
        self._calendars.remove(calendar, call.ids[1], self._mailing(call.request))
        return NO_CONTENT

    def _move(self, call: Call) -> Answer:
        calendar = self._writable(call)
        target = self._calendars.calendar(call.request.one("destination") or "", call.viewer, write=True)
        return self._shown(call, target, self._calendars.relocate(calendar, call.ids[1], target, self._mailing(call.request)))

    def _readable(self, call: Call) -> Calendar:
        return self._calendars.calendar(call.ids[0], call.viewer)

    def _writable(self, call: Call) -> Calendar:
        return self._calendars.calendar(call.ids[0], call.viewer, write=True)

    def _condition(self, call: Call) -> tuple[Calendar, Copy]:
        """What is to be written, if it is still what the caller has seen. Raises `Refusal`."""
        calendar = self._writable(call)
        found = self._calendars.find(calendar, call.ids[1])
        if call.request.headers.get("if-match", "*") not in ("*", found.etag):
            raise condition_not_met()
        return calendar, found

    def _body(self, call: Call, conference: Wire | None) -> Wire:
        said = bodies.event(_object(call.request))
        version = call.request.one("conferenceDataVersion")
        return conferences.read(said, version, conference, self._world.chance, slow=self._switches.slow_conferences)

    def _mailing(self, request: Request) -> Mailing:
        wanted = request.one("sendUpdates") or ("all" if flag(request, "sendNotifications") else "none")
        if wanted not in ("all", "externalOnly", "none"):
            raise invalid(f"Invalid value for: {wanted} is not a valid value", "sendUpdates")
        return Mailing(self._world, wanted)

    def _shown(self, call: Call, calendar: Calendar, copy: Copy) -> Answer:
        most, zone = number(call.request, "maxAttendees", 10_000), call.request.one("timeZone")
        if zone:
            times.zone(zone)
        rendering = Rendering(self._calendars, calendar, call.viewer, zone=zone, most=most)
        return as_json(200, rendering.whole(copy), {"ETag": copy.etag, "Cache-Control": "private, max-age=0, must-revalidate"})

    # --- channels ---

    def _watch(self, call: Call) -> Answer:
        calendar, body = self._readable(call), bodies.channel(_object(call.request))
        base = f"{call.request.scheme}://{call.request.host}{ROOT.rstrip('/')}"
        return as_json(200, self._channels.watch(calendar.id, call.viewer, call.client, body, base))

    def _stop(self, call: Call) -> Answer:
        self._channels.stop(call.viewer, call.client, bodies.channel(_object(call.request)))
        return NO_CONTENT

    # --- calendars, settings and the rest ---

    def _entry(self, call: Call) -> Answer:
        return as_json(200, entry(self._readable(call), call.viewer))

    def _calendar(self, call: Call) -> Answer:
        shown = entry(self._readable(call), call.viewer)
        kept = ("etag", "id", "summary", "timeZone", "conferenceProperties")
        return as_json(200, {"kind": "calendar#calendar", **{name: shown[name] for name in kept}})

    def _setting(self, call: Call) -> Answer:
        found = next((each for each in self._all_settings(call.viewer) if each["id"] == call.ids[0]), None)
        if found is None:
            raise not_found()
        return as_json(200, found)

    def _settings(self, call: Call) -> Answer:
        items = self._all_settings(call.viewer)
        return as_json(200, {"kind": "calendar#settings", "etag": '"p1"', "items": items, "nextSyncToken": "settings"})

    def _all_settings(self, viewer: str) -> list[Wire]:
        zone = self._calendars.mailboxes[viewer].zone
        said = {"timezone": zone, "locale": "en", "weekStart": "1", "format24HourTime": "true"}
        return [{"kind": "calendar#setting", "etag": '"1"', "id": name, "value": value} for name, value in said.items()]

    def _colors(self, call: Call) -> Answer:
        plain = {"background": "#9fe1e7", "foreground": "#1d1d1d"}
        return as_json(
            200, {"kind": "calendar#colors", "updated": "2012-02-14T00:00:00.000Z", "calendar": {"14": plain}, "event": {"7": plain}}
        )

    def _free_busy(self, call: Call) -> Answer:
        body = _object(call.request)
        if not isinstance(body.get("timeMin"), str) or not isinstance(body.get("timeMax"), str):
            raise bad_request("Missing time range.")
        items = [each for each in body.get("items") or [] if isinstance(each, dict)]
        calendars = {str(each.get("id")): self._busy(call, each, body) for each in items}
        return as_json(200, {"kind": "calendar#freeBusy", "timeMin": body["timeMin"], "timeMax": body["timeMax"], "calendars": calendars})

    def _busy(self, call: Call, item: Wire, body: Wire) -> Wire:
        try:
            calendar = self._calendars.calendar(str(item.get("id")), call.viewer)
        except Refusal:
            return {"errors": [{"domain": "global", "reason": "notFound"}], "busy": []}
        window = [("timeMin", body["timeMin"]), ("timeMax", body["timeMax"]), ("singleEvents", "true"), ("maxResults", "2500")]
        listed = self._listings.events(calendar, call.viewer, call.request._replace(query=[*window, ("timeZone", "UTC")]))["items"]
        opaque = [each for each in listed if each.get("transparency") != "transparent" and "dateTime" in each["start"]]
        return {"busy": [{"start": each["start"]["dateTime"], "end": each["end"]["dateTime"]} for each in opaque]}


def _routed(request: Request) -> tuple[str, list[str]]:
    """The method's name and the path's ids. Raises `Refusal`."""
    rest = request.raw_path.removeprefix(ROOT)
    for verb, pattern, name in _PATTERNS:
        if verb == request.method and (match := pattern.fullmatch(rest)):
            return name, [unquote(each) for each in match.groups()]
    raise not_found()


def _object(request: Request) -> Wire:
    """The body's JSON object. Raises `Refusal` for any other JSON, and `BadBody` for none."""
    said = request.json()
    if not isinstance(said, dict):
        raise Refusal(400, "parseError", "Parse Error")
    return said


def _name(request: Request) -> str:
    """The method's name, for counting; empty for none that is known."""
    try:
        return _routed(_overridden(request))[0]
    except Refusal:
        return ""


def _overridden(request: Request) -> Request:
    """A GET whose parameters were too long for a URL comes as a POST with a form."""
    method = request.headers.get("x-http-method-override")
    if method is None:
        return request
    return request._replace(method=method.upper(), query=parse_qsl(request.body.decode(), keep_blank_values=True), body=b"")


def _decoded(answer: Answer) -> Any:
    return Request("", "", "", "", "", [], {}, answer.body).json()
