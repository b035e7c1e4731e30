"""Microsoft Graph v1.0 over the wire: paths, headers and bodies to what Exchange does, and its refusals to JSON.

What must stay true:
- Every way in which a client library writes a path is taken: `delta`, `delta()`, `microsoft.graph.delta()`, escaped or not, with or
  without `me`. What is not there is 404, never something else by chance.
- A token decides whose `me` is. A delegated one sees its user's mailbox alone.
- A refusal changes nothing.
"""

from __future__ import annotations

import re
from typing import NamedTuple
from urllib.parse import parse_qsl, unquote

import msgspec

from services.sandbox.entra_directory import Grant
from services.sandbox.office365_delta import Scope, gone, unsupported, window_of
from services.sandbox.office365_errors import Refusal, forbidden, invalid, missing
from services.sandbox.office365_exchange import NAME, Exchange
from services.sandbox.office365_lists import expanded, page, selected
from services.sandbox.office365_mailboxes import Mailbox, Shown, Window, in_window, occurrences
from services.sandbox.office365_meetings import ANSWERS
from services.sandbox.office365_showing import Preferences, etag, moment, of_calendar, of_user, preferences, whole
from services.sandbox.office365_subscriptions import new_uuid, resource_parts
from services.sandbox.office365_times import Json, from_ms, read_edge
from services.sandbox.wire import Answer, BadBody, Request

ROOT = "/v1.0"
_JSON = "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8"
_DELTA = re.compile(r"(?:microsoft\.graph\.)?delta(?:\(.*\))?", re.IGNORECASE)
_BATCH = 20
_IDS = 1000
_ID_FORMS = ("entryId", "ewsId", "immutableEntryId", "restId", "restImmutableEntryId")
_OF_ME = ("calendar", "calendars", "events", "calendarView")
_CALENDAR_SCOPES = ("Calendars.Read", "Calendars.ReadWrite", "Calendars.ReadBasic", ".default")


class Call(NamedTuple):
    """A request with everything known about it. `rest` is what is left of its path."""

    request: Request
    grant: Grant
    prefer: Preferences
    box: Mailbox
    rest: tuple[str, ...]

    @property
    def way(self) -> tuple[str, ...]:
        """The method, and what is left of the path."""
        return (self.request.method, *self.rest)


class Graph:
    """The wire of an Exchange."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._world = exchange.world

    def answer(self, request: Request) -> Answer:
        """What Graph answers."""
        try:
            return self._routed(request)
        except Refusal as refusal:
            return self.refusal(request, refusal)
        except BadBody as error:
            return self.refusal(request, Refusal(400, "BadRequest", f"Unable to read JSON request payload. {error}"))

    def refusal(self, request: Request, refusal: Refusal) -> Answer:
        """A refusal on the wire."""
        id = new_uuid(self._world.chance)
        body = refusal.body(moment(from_ms(self._world.now())), id, request.headers.get("client-request-id"))
        headers = {"Content-Type": "application/json", "request-id": id, **refusal.headers}
        return Answer(refusal.status, headers, msgspec.json.encode(body), route_of(request))

    def _routed(self, request: Request) -> Answer:
        grant = self._allowed(request)
        parts = parts_of(request)
        match (request.method, *parts):
            case ("POST", "$batch"):
                return self._batch(request)
            case (_, "subscriptions", *rest):
                return self._subscriptions(request, grant, rest)
        box, rest = self._owner(parts, grant)
        self._exchange.limits.take(grant.client, box.address)
        return self._mailbox(Call(request, grant, preferences(request.headers), box, tuple(rest)))

    # --- who asks ---

    def _allowed(self, request: Request) -> Grant:
        token = request.bearer()
        grant = self._exchange.directory.allowed(token) if token else None
        if grant is None:
            why = "Lifetime validation failed, the token is expired." if token else "Access token is empty."
            raise Refusal(401, "InvalidAuthenticationToken", why, {"WWW-Authenticate": 'Bearer realm="", error="invalid_token"'})
        return grant

    def _owner(self, parts: list[str], grant: Grant) -> tuple[Mailbox, list[str]]:
        """Whose mailbox a path is about, and the rest of it. Raises `Refusal`."""
        if parts and parts[0].lower() == "users" and len(parts) > 1:
            box = self._exchange.box(parts[1])
            if grant.user is not None and grant.user.oid != box.oid and not any(s.endswith(".Shared") for s in grant.scopes):
                raise forbidden()
            return box, parts[2:]
        if not parts or (parts[0].lower() != "me" and parts[0] not in _OF_ME):
            raise Refusal(400, "BadRequest", f"Resource not found for the segment '{parts[0] if parts else ''}'.")
        return self._me(grant), parts[1:] if parts[0].lower() == "me" else parts

    def _me(self, grant: Grant) -> Mailbox:
        if grant.user is None:
            raise invalid("/me request is only valid with delegated authentication flow.", "BadRequest")
        return self._exchange.box(grant.user.address)

    # --- mailboxes and calendars ---

    def _mailbox(self, call: Call) -> Answer:
        box = call.box
        match call.way:
            case ("GET",):
                return self._said(call, selected(of_user(box), call.request), "users/$entity")
            case ("GET", "mailboxSettings"):
                return self._said(call, {"timeZone": box.zone}, "mailboxSettings")
            case ("POST", "translateExchangeIds" | "microsoft.graph.translateExchangeIds"):
                return self._said(call, {"value": self._translated(call)}, "Collection(microsoft.graph.convertIdResult)")
        self._examine_scopes(call)
        match call.way:
            case ("GET", "calendars"):
                shown = page([of_calendar(c, box) for c in box.calendars.values()], call.request, self._exchange.switches.page, _nothing)
                return self._said(call, shown, "calendars")
            case ("POST", "calendars"):
                name = object_of(call.request).get("name")
                return self._said(call, of_calendar(box.add_calendar(str(name)), box), "calendars/$entity", 201)
            case (_, "calendar", *rest):
                return self._calendar(call._replace(rest=tuple(rest)), box.default.id)
            case (_, "calendars", id, *rest):
                return self._calendar(call._replace(rest=tuple(rest)), box.calendar(id).id)
            case (_, "events" | "calendarView", *_):
                return self._calendar(call, box.default.id)
        raise _no_segment(call)

    def _examine_scopes(self, call: Call) -> None:
        has = [scope for scope in call.grant.scopes if scope.endswith(_CALENDAR_SCOPES) or scope.endswith(".Shared")]
        writes = call.request.method != "GET"
        if not has or (writes and not any("ReadWrite" in scope or scope.endswith(".default") for scope in has)):
            raise forbidden()

    def _calendar(self, call: Call, calendar: str) -> Answer:
        match call.way:
            case ("GET",):
                shown = selected(of_calendar(call.box.calendar(calendar), call.box), call.request)
                return self._said(call, shown, "calendars/$entity")
            case ("GET", "calendarView"):
                return self._view(call, calendar)
            case ("GET", "calendarView", word) if _DELTA.fullmatch(word):
                return self._delta(call, calendar, windowed=True)
            case ("GET", "events"):
                events = [Shown(event) for event in call.box.of(calendar)]
                return self._list(call, events, "events")
            case ("POST", "events"):
                return self._create(call, calendar)
            case ("GET", "events", word) if _DELTA.fullmatch(word):
                return self._delta(call, calendar, windowed=False)
            case (_, "events", id, *rest):
                return self._event(call._replace(rest=tuple(rest)), call.box.find(id))
        raise _no_segment(call)

    # --- events ---

    def _create(self, call: Call, calendar: str) -> Answer:
        event = self._exchange.meetings.create(call.box, calendar, call.request.json())
        return self._shown(call, Shown(event), 201)

    def _event(self, call: Call, shown: Shown) -> Answer:
        meetings, box = self._exchange.meetings, call.box
        match call.way:
            case ("GET",):
                return self._shown(call, shown)
            case ("PATCH",):
                _examine_match(call, shown)
                return self._shown(call, meetings.change(box, shown, call.request.json()))
            case ("DELETE",):
                _examine_match(call, shown)
                meetings.delete(box, shown)
                return self._done(call, 204)
            case ("GET", "instances"):
                return self._list(call, list(occurrences(shown.event, _window(call.request))), "instances")
            case ("GET", "calendar"):
                return self._said(call, of_calendar(box.calendar(shown.event.calendar), box), "calendars/$entity")
            case ("POST", verb):
                self._act(call, shown, verb.rpartition(".")[2])
                return self._done(call, 202)
        raise _no_segment(call)

    def _act(self, call: Call, shown: Shown, verb: str) -> None:
        """accept, tentativelyAccept, decline, cancel. The names of an action's parameters have no case. Raises `Refusal`."""
        said = {name.lower(): value for name, value in object_of(call.request).items()}
        if verb == "cancel":
            self._exchange.meetings.cancel(call.box, shown)
        elif verb in ANSWERS:
            self._exchange.meetings.answer(call.box, shown, ANSWERS[verb], send=said.get("sendresponse") is not False)
        else:
            raise _no_segment(call)

    def _view(self, call: Call, calendar: str) -> Answer:
        window = _window(call.request)
        found = [shown for event in call.box.of(calendar) for shown in in_window(event, window)]
        return self._list(call, sorted(found, key=lambda one: one.times.start), "calendarView")

    def _list(self, call: Call, events: list[Shown], context: str) -> Answer:
        held = {one.id(call.prefer.immutable): one.event.extended for one in events}
        items = [whole(one, call.box, call.prefer) for one in events]
        size = call.prefer.page or self._exchange.switches.page
        return self._said(call, page(items, call.request, size, lambda item: held[item["id"]]), context)

    def _shown(self, call: Call, shown: Shown, status: int = 200) -> Answer:
        item = expanded(whole(shown, call.box, call.prefer), call.request, lambda _: shown.event.extended)
        return self._said(call, selected(item, call.request), "events/$entity", status)

    def _translated(self, call: Call) -> list[Json]:
        given = {name.lower(): value for name, value in object_of(call.request).items()}
        ids, wanted = given.get("inputids"), given.get("targetidtype")
        if not isinstance(ids, list) or len(ids) > _IDS or wanted not in _ID_FORMS:
            raise invalid(f"inputIds must be a list of at most {_IDS}, targetIdType one of {', '.join(_ID_FORMS)}.", "ErrorInvalidArgument")
        return [_translation(call.box, str(id), immutable="mmutable" in wanted) for id in ids]

    # --- delta ---

    def _delta(self, call: Call, calendar: str, *, windowed: bool) -> Answer:
        request, delta = call.request, self._exchange.delta(call.box)
        if not windowed and not self._exchange.switches.events_delta:
            raise invalid("Change tracking is not supported against 'microsoft.graph.event'.", "ErrorInvalidRequest")
        path = f"{request.scheme}://{request.host}{request.raw_path.rpartition('/')[0]}/delta"
        token = request.one("$deltatoken") or request.one("$skiptoken")
        if token:
            body = self._follow(call, token, path)
        else:
            refused = [n for n, _ in request.query if n in ("$select", "$expand", "$filter", "$orderby", "$search")]
            if refused:
                raise unsupported(refused)
            window = _window(request) if windowed else None
            body = delta.begin(Scope(calendar, window, call.prefer.immutable, path), call.prefer)
        return self._said(call, body, "Collection(event)")

    def _follow(self, call: Call, token: str, path: str) -> Json:
        delta = self._exchange.delta(call.box)
        again = f"{path}?{window_of(token)}$deltatoken="
        if self._world.faults.take("expired_cursor", NAME, call.request.method, call.request.path):
            raise gone(again, self._exchange.switches)
        return delta.follow(token, again, call.prefer)

    # --- subscriptions ---

    def _subscriptions(self, request: Request, grant: Grant, rest: list[str]) -> Answer:
        held = self._exchange.subscriptions
        base = f"{request.scheme}://{request.host}{ROOT}/$metadata#subscriptions"
        match (request.method, *rest):
            case ("GET",):
                body: Json = {"value": [one.shown() for one in held.all() if one.client == grant.client]}
                return self._plain(request, {"@odata.context": base, **body})
            case ("POST",):
                made = self._subscribed(request, grant)
                return self._plain(request, {"@odata.context": f"{base}/$entity", **made}, 201)
            case ("GET", id):
                return self._plain(request, {"@odata.context": f"{base}/$entity", **held.get(id, grant.client).shown()})
            case ("PATCH", id):
                return self._plain(request, {"@odata.context": f"{base}/$entity", **held.renew(id, grant.client, request.json())})
            case ("DELETE", id):
                held.delete(id, grant.client)
                return Answer(204, {}, b"", route_of(request))
            case ("POST", id, "reauthorize"):
                held.get(id, grant.client)
                return Answer(204, {}, b"", route_of(request))
        raise missing()

    def _subscribed(self, request: Request, grant: Grant) -> Json:
        owner = self._exchange.mailbox(grant.user.address) if grant.user is not None else None
        creator = grant.user.oid if grant.user is not None else grant.client

        def where(resource: str) -> tuple[Mailbox, str | None]:
            box, calendar = self._exchange.where(resource_parts(resource), owner)
            if owner is not None and box is not owner:
                raise forbidden()
            return box, calendar

        immutable = preferences(request.headers).immutable
        return self._exchange.subscriptions.create(request.json(), grant.client, creator, immutable, where)

    # --- batches ---

    def _batch(self, request: Request) -> Answer:
        given = object_of(request).get("requests")
        if not isinstance(given, list) or not 0 < len(given) <= _BATCH or not all(isinstance(one, dict) for one in given):
            raise invalid(f"The batch must have between 1 and {_BATCH} requests.", "BadRequest")
        answers: dict[str, Json] = {}
        for one in given:
            answers[str(one.get("id"))] = self._one_of_batch(request, one, answers)
        return self._plain(request, {"responses": list(answers.values())})

    def _one_of_batch(self, request: Request, one: Json, before: dict[str, Json]) -> Json:
        id = str(one.get("id"))
        failed = [other for other in _listed(one.get("dependsOn")) if before.get(str(other), {"status": 424})["status"] >= 400]
        if failed:
            error = {"error": {"code": "FailedDependency", "message": "Failed Dependency"}}
            return {"id": id, "status": 424, "headers": {"Content-Type": "application/json"}, "body": error}
        said = self.answer(_inner(request, one))
        body = {"body": msgspec.json.decode(said.body)} if said.body else {}
        return {"id": id, "status": said.status, "headers": said.headers, **body}

    # --- saying it ---

    def _said(self, call: Call, body: Json, context: str, status: int = 200) -> Answer:
        base = f"{call.request.scheme}://{call.request.host}{ROOT}/$metadata#"
        named = f"{base}users('{call.box.oid}')/{context}" if context[0].islower() and not context.startswith("users") else base + context
        headers = {"Preference-Applied": call.prefer.applied} if call.prefer.applied else {}
        return self._plain(call.request, {"@odata.context": named, **body}, status, headers)

    def _plain(self, request: Request, body: Json, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
        id = new_uuid(self._world.chance)
        told = {
            "Content-Type": _JSON,
            "request-id": id,
            "client-request-id": request.headers.get("client-request-id", id),
            **(headers or {}),
        }
        return Answer(status, told, msgspec.json.encode(body), route_of(request))

    def _done(self, call: Call, status: int) -> Answer:
        return Answer(status, {"request-id": new_uuid(self._world.chance)}, b"", route_of(call.request))


def parts_of(request: Request) -> list[str]:
    """The segments of a path behind the version, each unescaped by itself: an id may have a stroke in it."""
    return [unquote(part) for part in request.raw_path.split("/")[2:] if part]


def route_of(request: Request) -> str:
    """What a request is counted under: its path with * for every id."""
    parts = parts_of(request)
    if parts and _DELTA.fullmatch(parts[-1]):
        parts[-1] = "delta"
    known = [part if at == 0 or (len(part) < 36 and "@" not in part) else "*" for at, part in enumerate(parts)]
    return "/".join(known)


def object_of(request: Request) -> Json:
    """A body that is a JSON object; an empty one is an empty object. Raises `Refusal`, `BadBody`."""
    said = request.json()
    if said is not None and not isinstance(said, dict):
        raise invalid("Unable to read JSON request payload: an object was expected.", "BadRequest")
    return said or {}


def _listed(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _nothing(item: Json) -> dict[str, str]:
    return {}


def _no_segment(call: Call) -> Refusal:
    return Refusal(400, "BadRequest", f"Resource not found for the segment '{'/'.join(call.rest)}'.")


def _param(request: Request, name: str) -> str | None:
    """A query parameter whose name has no case, as OData's functions have it."""
    return next((value for key, value in request.query if key.lower() == name.lower()), None)


def _window(request: Request) -> Window:
    window = Window(*(read_edge(_param(request, name), name) for name in ("startDateTime", "endDateTime")))
    if window.end <= window.start:
        raise invalid("The end of the window is not after its start.", "ErrorInvalidParameter")
    return window


def _examine_match(call: Call, shown: Shown) -> None:
    wanted = call.request.headers.get("if-match")
    if wanted not in (None, "*", etag(shown, call.box)):
        raise Refusal(
            412,
            "ErrorIrresolvableConflict",
            "The send or update operation could not be performed because the change key passed in the request does not match the"
            " current change key for the item.",
        )


def _translation(box: Mailbox, id: str, *, immutable: bool) -> Json:
    try:
        return {"sourceId": id, "targetId": box.find(id).id(immutable)}
    except Refusal as refusal:
        return {"sourceId": id, "errorDetails": {"code": refusal.code, "message": refusal.message}}


def _inner(request: Request, one: Json) -> Request:
    """A request of a batch as one by itself, with the batch's token."""
    url, _, asked = str(one.get("url")).partition("?")
    path = ROOT + "/" + url.strip("/")
    given = one.get("headers")
    headers = {name.lower(): str(value) for name, value in given.items()} if isinstance(given, dict) else {}
    body = msgspec.json.encode(one["body"]) if one.get("body") is not None else b""
    query = parse_qsl(asked, keep_blank_values=True)
    sent = {"authorization": request.headers.get("authorization", ""), **headers}
    return Request(str(one.get("method", "GET")).upper(), request.scheme, request.host, unquote(path), path, query, sent, body)
