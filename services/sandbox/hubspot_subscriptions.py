"""The routes of an app's webhooks: where they go, and what it wants to hear of. They are the app's, not a portal's.

What must stay true: a developer key (`hapikey`) or a token of the app opens them; and the sandbox sends nothing to another machine.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from services.sandbox import hubspot_errors as errors
from services.sandbox.hubspot_routing import DATED, answer, done
from services.sandbox.hubspot_types import object_type
from services.sandbox.hubspot_values import instant
from services.sandbox.hubspot_webhooks import EVENT_TYPES, App, Subscription
from services.sandbox.wire import Answer, BadBody, Request
from services.sandbox.world import NotLoopback, loopback

_ROOT = rf"/(?:webhooks/v3|webhooks/{DATED}|app-webhooks/{DATED})/(?P<app>\d+)"
_PATH = re.compile(_ROOT + r"/(?P<what>settings|subscriptions)(?:/(?P<id>[^/]+(?:/update)?))?/?")


class Asked(NamedTuple):
    """A request about an app's webhooks; `id` is a subscription's, None, or `batch/update`."""

    app: App
    request: Request
    id: str | None
    now: int

    def body(self) -> dict[str, Any]:
        """The JSON object of the body. Raises `Failure` 400."""
        try:
            found = self.request.json()
        except BadBody as error:
            raise errors.validation(f"Invalid input JSON: {error}") from error
        if not isinstance(found, dict):
            raise errors.validation("Invalid input JSON on line 1, column 1: an object was expected")
        return found


def app_id(request: Request) -> int | None:
    """Whose webhooks a request is about; None if it is about none."""
    found = _PATH.fullmatch(request.path)
    return int(found["app"]) if found else None


def respond(app: App, request: Request, now: int) -> Answer:
    """Answer a request that `app_id` knows. Raises `Failure`."""
    found = _PATH.fullmatch(request.path)
    assert found is not None, "app_id was asked first"
    what = found["what"] + ("/id" if found["id"] else "")
    if found["id"] == "batch/update":
        what = "subscriptions/batch"
    handler = _HANDLERS.get((request.method, what))
    if handler is None:
        raise errors.Failure(405, "Method not allowed", category="VALIDATION_ERROR")
    return handler(Asked(app, request, found["id"], now))


# --- settings ----------------------------------------------------------------------------------------------------------------


def _settings(asked: Asked) -> Answer:
    if asked.app.target is None:
        raise errors.missing_object()
    return answer(200, _shown_settings(asked.app))


def _configure(asked: Asked) -> Answer:
    body = asked.body()
    target = body.get("targetUrl")
    most = (body.get("throttling") or {}).get("maxConcurrentRequests")
    if not isinstance(target, str) or not isinstance(most, int) or most <= 5:
        raise errors.validation("A target URL, and more than five concurrent requests, are needed.")
    try:
        loopback(target)
    except (NotLoopback, ValueError) as error:
        raise errors.validation(f"The sandbox sends webhooks to this machine only, not to {target}") from error
    app = asked.app
    app.target_created = app.target_created or asked.now
    app.target, app.concurrency, app.target_updated = target, most, asked.now
    return answer(200, _shown_settings(app))


def _clear(asked: Asked) -> Answer:
    asked.app.target, asked.app.target_created = None, 0
    return done()


def _shown_settings(app: App) -> dict[str, Any]:
    return {
        "targetUrl": app.target,
        "throttling": {"maxConcurrentRequests": app.concurrency, "period": "SECONDLY"},
        "createdAt": instant(app.target_created),
        "updatedAt": instant(app.target_updated),
    }


# --- subscriptions -----------------------------------------------------------------------------------------------------------


def _list(asked: Asked) -> Answer:
    return answer(200, {"results": [_shown(one) for one in asked.app.subscriptions.values()]})


def _get(asked: Asked) -> Answer:
    return answer(200, _shown(_named(asked, asked.id)))


def _create(asked: Asked) -> Answer:
    body = asked.body()
    made = subscribe(asked.app, str(body.get("eventType")), body.get("propertyName"), body.get("objectTypeId"), asked.now)
    made.active = body.get("active") is True
    return answer(201, _shown(made))


def subscribe(app: App, event_type: str, name: str | None, object_type_id: str | None, now: int) -> Subscription:
    """A further subscription, not active yet. Raises `Failure` 400 if it is incomplete or there is one like it."""
    generic = event_type.startswith("object.")
    kind = object_type(str(object_type_id)) if generic else None
    if event_type not in EVENT_TYPES:
        raise errors.validation(f"{event_type} is no event type")
    if generic and kind is None:
        raise errors.validation("A generic subscription has an objectTypeId.")
    if event_type.endswith(".propertyChange") != isinstance(name, str):
        raise errors.validation("A propertyName belongs to a propertyChange, and to nothing else.")
    made = Subscription(
        id=max(app.subscriptions, default=512344) + 1,
        event_type=event_type,
        property=name,
        object_type=kind.id if kind else None,
        created=now,
        updated=now,
    )
    same = (made.event_type, made.property, made.object_type)
    if any((one.event_type, one.property, one.object_type) == same for one in app.subscriptions.values()):
        raise errors.validation("There is a subscription like this one.")
    app.subscriptions[made.id] = made
    return made


def _update(asked: Asked) -> Answer:
    found = _named(asked, asked.id)
    found.active, found.updated = asked.body().get("active") is True, asked.now
    return answer(200, _shown(found))


def _update_many(asked: Asked) -> Answer:
    inputs = asked.body().get("inputs") or []
    found = [(one, _named(asked, str(one.get("id")))) for one in inputs]
    for one, subscription in found:
        subscription.active, subscription.updated = one.get("active") is True, asked.now
    at = instant(asked.now)
    return answer(200, {"status": "COMPLETE", "results": [_shown(one) for _, one in found], "startedAt": at, "completedAt": at})


def _archive(asked: Asked) -> Answer:
    del asked.app.subscriptions[_named(asked, asked.id).id]
    return done()


def _named(asked: Asked, id: str | None) -> Subscription:
    found = asked.app.subscriptions.get(int(id)) if id is not None and id.isdecimal() else None
    if found is None:
        raise errors.missing_object()
    return found


def _shown(one: Subscription) -> dict[str, Any]:
    more = {"propertyName": one.property, "objectTypeId": one.object_type}
    return {
        "id": str(one.id),
        "eventType": one.event_type,
        "active": one.active,
        "createdAt": instant(one.created),
        "updatedAt": instant(one.updated),
        **{name: value for name, value in more.items() if value is not None},
    }


_HANDLERS: dict[tuple[str, str], Callable[[Asked], Answer]] = {
    ("GET", "settings"): _settings,
    ("PUT", "settings"): _configure,
    ("DELETE", "settings"): _clear,
    ("GET", "subscriptions"): _list,
    ("POST", "subscriptions"): _create,
    ("GET", "subscriptions/id"): _get,
    ("PATCH", "subscriptions/id"): _update,
    ("DELETE", "subscriptions/id"): _archive,
    ("POST", "subscriptions/batch"): _update_many,
}
