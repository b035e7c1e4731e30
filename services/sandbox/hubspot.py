"""HubSpot as a simulator: who asks, may he, is he within his limits; and then to the route that answers.

What must stay true: every answer to an app carries what is left of its limit, save those of search; and what a request changed is
told by webhooks when it is answered, not before. A meeting made by the API invites nobody.
"""

from __future__ import annotations

import inspect
from collections import defaultdict, deque
from collections.abc import Callable
from typing import Any

import msgspec

from services.sandbox import hubspot_associations, hubspot_settings, hubspot_subscriptions
from services.sandbox import hubspot_errors as errors
from services.sandbox.hubspot_oauth import Access
from services.sandbox.hubspot_objects import Objects
from services.sandbox.hubspot_people import People
from services.sandbox.hubspot_portal import Portal, Source
from services.sandbox.hubspot_routing import Call, Route, answer
from services.sandbox.hubspot_state import portal_state
from services.sandbox.hubspot_switches import Switches
from services.sandbox.hubspot_webhooks import App
from services.sandbox.wire import Answer, Request, as_json
from services.sandbox.world import World

APP_ID, CLIENT_ID, CLIENT_SECRET = 54321, "sandbox-hubspot", "sandbox-hubspot-secret"
"""The app that is registered from the beginning."""

WINDOW_MS = 10_000
DAY_MS = 86_400_000
_PREFIXES = ("/crm/", "/oauth/", "/settings/", "/account-info/", "/integrations/v1/", "/webhooks/", "/app-webhooks/")
_ACTS = (
    "portal user leave native_sync install token uninstall subscribe contact company deal ticket record change delete restore merge "
    "erase associate schedule move cancel book mirror"
).split()


class HubSpot(People):
    """HubSpot's API, OAuth and webhooks for one registered app and any number of portals; and, inherited, what people do there.

    >>> from services.sandbox.world import World
    >>> hubspot = HubSpot(World())
    >>> hubspot.portal(62515).id, hubspot.user("ana@acme.example").id
    (62515, 501)
    """

    name = "hubspot"

    def __init__(self, world: World, *, app_id: int = APP_ID, client_id: str = CLIENT_ID, secret: str = CLIENT_SECRET) -> None:
        super().__init__(world, App(id=app_id, client_id=client_id, secret=secret))
        self._routes = [*hubspot_associations.routes(), *Objects(self.switches, world.faults).routes(), *hubspot_settings.routes()]
        self._limits = Limits(world.now, self.switches)

    def reset(self) -> None:
        """No portal, no consent, the switches as they were; the app has no webhooks."""
        old = self.app
        old.target = None  # what is still on its way is tried no more
        self.app = App(id=old.id, client_id=old.client_id, secret=old.secret, redirects=old.redirects)
        self.apps.clear()
        self.apps[self.app.id] = self.app
        self.portals.clear()
        self.oauth.forget()
        self.webhooks.forget()
        self.switches.take(Switches())
        self._limits.forget()

    # --- over HTTP ---------------------------------------------------------------------------------------------------------

    def answers(self, request: Request) -> bool:
        """Is this one of HubSpot's paths?"""
        return request.path.startswith(_PREFIXES)

    def answer(self, request: Request) -> Answer:
        """Answer as HubSpot would, and tell by webhooks what it changed."""
        try:
            return self._answer(request)
        except errors.Failure as failure:
            return self._refused(failure)
        finally:
            self.webhooks.settle(self.apps.values())

    def refusal(self, request: Request, status: int) -> Answer:
        """A fault of this status in HubSpot's words."""
        return self._refused(errors.of_status(status))

    def _refused(self, failure: errors.Failure) -> Answer:
        found = answer(failure.status, failure.body(self._correlation()))
        return found._replace(headers={**found.headers, **failure.headers})

    def _correlation(self) -> str:
        drawn = f"{self.world.chance.getrandbits(128):032x}"
        return "-".join((drawn[:8], drawn[8:12], drawn[12:16], drawn[16:20], drawn[20:]))

    def _answer(self, request: Request) -> Answer:
        found = self.oauth.answer(request)
        if found is not None:
            return found
        app = hubspot_subscriptions.app_id(request)
        if app is not None:
            return self._webhook_settings(app, request)
        return self._routed(request)

    def _webhook_settings(self, id: int, request: Request) -> Answer:
        app = self.apps.get(id)
        if app is None:
            raise errors.missing_object()
        if request.one("hapikey") != app.developer_key and self.oauth.good(request.bearer()).consent.app is not app:
            raise errors.unauthenticated("The API key provided is invalid.")
        return hubspot_subscriptions.respond(app, request, self.world.now())._replace(route="webhooks.settings")

    def _routed(self, request: Request) -> Answer:
        found = [(route, parts) for route in self._routes if (parts := route.pattern.fullmatch(request.path))]
        route, parts = next(((route, parts) for route, parts in found if route.method == request.method), (None, None))
        if route is None or parts is None:
            status = 405 if found else 404
            raise errors.Failure(status, "Method not allowed" if found else "resource not found", category="OBJECT_NOT_FOUND")
        access = self.oauth.good(request.bearer())
        if access.consent.portal is None:
            raise errors.missing_scopes(["oauth"])
        headers = self._limits.take(access.consent.app, access.consent.portal, route)
        call = Call(request, parts.groupdict(), access.consent.portal, Source("INTEGRATION", str(access.consent.app.id)))
        return self._handled(route, call, access, headers)

    def _handled(self, route: Route, call: Call, access: Access, headers: dict[str, str]) -> Answer:
        """What is left of the limit stands on refusals too."""
        try:
            self._check_scopes(route, call, access)
            found = route.handler(call)
        except errors.Failure as failure:
            failure.headers = headers | failure.headers
            raise
        return found._replace(headers={**found.headers, **headers}, route=route.name)

    def _check_scopes(self, route: Route, call: Call, access: Access) -> None:
        """Each of the route's scopes, or one of those that stand for it."""
        granted = set(access.consent.scopes)
        missing = sorted(scope for scope in set(route.scopes(call)) if not granted & set(scope.split("|")))
        if missing and self.switches.enforce_scopes and not access.everything:
            raise errors.missing_scopes(scope for scopes in missing for scope in scopes.split("|"))

    # --- for people --------------------------------------------------------------------------------------------------------

    def control(self, request: Request) -> Answer:
        """/sandbox/hubspot/...: `state`; `switches` (GET, POST some of them); POST an act of people by its name, with its arguments."""
        what = request.path.rstrip("/").rpartition("/")[2]
        if what in ("state", self.name):
            return as_json(200, self.state())
        if what == "switches":
            return as_json(200, self._switched(request))
        if request.method == "POST" and what in _ACTS:
            return self._acted(getattr(self, what), request.json() or {})
        return as_json(404, {"error": "no such act", "acts": [*_ACTS, "state", "switches"]})

    def _acted(self, act: Callable[..., Any], arguments: dict[str, Any]) -> Answer:
        try:
            inspect.signature(act).bind(**arguments)
            return as_json(200, {"result": _plain(act(**arguments))})
        except TypeError as error:
            return as_json(400, {"error": str(error)})
        except errors.Failure as failure:
            return as_json(400, {"error": failure.message})

    def _switched(self, request: Request) -> dict[str, Any]:
        now: dict[str, Any] = msgspec.to_builtins(self.switches)
        if request.method == "POST":
            said = request.json() or {}
            if unknown := sorted(said.keys() - now.keys()):
                raise ValueError(f"no such switch: {unknown}")
            self.switches.take(msgspec.convert(now | said, Switches))
        return dict(msgspec.to_builtins(self.switches))

    def state(self) -> dict[str, Any]:
        """What there is, for people to look at."""
        app = {"id": self.app.id, "clientId": self.app.client_id, "target": self.app.target, "subscriptions": len(self.app.subscriptions)}
        return {
            "app": app | {"installed": sorted(self.app.installed)},
            "portals": [portal_state(portal) for portal in self.portals.values()],
            "switches": msgspec.to_builtins(self.switches),
        }


class Limits:
    """How often an app may ask about a portal: in ten seconds, and a day; and how often anybody may search it in a second."""

    def __init__(self, now: Callable[[], int], switches: Switches) -> None:
        self._now, self._switches = now, switches
        self.forget()

    def forget(self) -> None:
        """As if nobody had asked."""
        self._asked: dict[tuple[int, int], deque[int]] = defaultdict(deque)
        self._searched: dict[int, deque[int]] = defaultdict(deque)
        self._days: dict[tuple[int, int, int], int] = defaultdict(int)

    def take(self, app: App, portal: Portal, route: Route) -> dict[str, str]:
        """One request; the headers that say what is left. Raises `Failure` 429."""
        if route.search:
            if not _room(self._searched[portal.id], self._now(), 1000, self._switches.search_limit):
                raise errors.rate_limited("SECONDLY")
            return {}
        times, most = self._asked[app.id, portal.id], self._switches.limit
        fits = _room(times, self._now(), WINDOW_MS, most)
        headers = {
            "X-HubSpot-RateLimit-Max": str(most),
            "X-HubSpot-RateLimit-Remaining": str(max(0, most - len(times))),
            "X-HubSpot-RateLimit-Interval-Milliseconds": str(WINDOW_MS),
        }
        if not fits:
            raise errors.rate_limited("TEN_SECONDLY_ROLLING", headers)
        return headers | self._daily(app, portal, headers)

    def _daily(self, app: App, portal: Portal, headers: dict[str, str]) -> dict[str, str]:
        most = self._switches.daily_limit
        if most is None:
            return {}
        today = (app.id, portal.id, self._now() // DAY_MS)
        if self._days[today] >= most:
            raise errors.rate_limited("DAILY", headers)
        self._days[today] += 1
        return {"X-HubSpot-RateLimit-Daily": str(most), "X-HubSpot-RateLimit-Daily-Remaining": str(most - self._days[today])}


def _room(times: deque[int], now: int, window: int, most: int) -> bool:
    """Is there room for one more within the window? Then it is taken."""
    while times and (times[0] <= now - window or times[0] > now):
        times.popleft()
    if len(times) >= most:
        return False
    times.append(now)
    return True


def _plain(value: Any) -> Any:
    """What an act gave, as JSON: ids as they are, of the rest what names it."""
    if isinstance(value, str | int | None):
        return value
    return {name: getattr(value, name) for name in ("id", "name", "email", "refresh") if hasattr(value, name)}
