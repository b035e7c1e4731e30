"""Calling HubSpot: where its objects are, its limits, and its words for what went wrong.

Facts: HubSpot developer documents, "API usage guidelines" (110 requests in ten seconds for an OAuth app in each account, searches five
a second and not counted there) and "Error handling". Paths are those of v3 and v4, or dated ones, by configuration.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import httpx

from adapters.http import Api, Limit, Throttle, Vendor
from domain.outside import Access, Link

BASE = "https://api.hubapi.com/"
SEARCH = "search"
"""The kind of call that a search is."""

# "VALIDATION_ERROR" is also what an unknown id is answered with, and stays a refusal.
_BUSY = frozenset(("RATE_LIMIT", "RATE_LIMITS"))
_LOST = frozenset(("MISSING_SCOPES", "BANNED", "EXPIRED_AUTHENTICATION", "INVALID_AUTHENTICATION", "APP_NOT_INSTALLED"))
_ADVICE = {
    "MISSING_SCOPES": "the permission does not go that far. Connect the portal again, and allow all that is asked for",
    "APP_NOT_INSTALLED": "the app is not installed in the portal any more. Connect the portal again",
}


class Paths(NamedTuple):
    """Where things are below the base: objects of a type, associations in batches of two types, and owners."""

    objects: str = "crm/v3/objects/{type}"
    associations: str = "crm/v4/associations/{one}/{other}"
    owners: str = "crm/v3/owners"


V3 = Paths()


def dated(version: str) -> Paths:
    """The paths of a dated version.

    >>> dated("2026-03").owners
    'crm/owners/2026-03'
    """
    return Paths(f"crm/objects/{version}/{{type}}", f"crm/associations/{version}/{{one}}/{{other}}", f"crm/owners/{version}")


def api(http: httpx.Client, access: Access, throttle: Throttle, base: str = BASE) -> Api:
    """The API at `base`."""
    return Api(Vendor("hubspot", base, _limits, _code, _BUSY, _LOST, _ADVICE), http, access, throttle)


def _limits(link: Link, kind: str) -> tuple[Limit, ...]:
    if kind == SEARCH:
        return (Limit(f"hubspot:search:{link.account}", 4.0, 1.0),)
    return (Limit(f"hubspot:account:{link.account}", 9.0, 20.0),)


def _code(body: Any) -> object:
    """`errorType` of a limit, `category` of all else, `status` where there is neither."""
    if not isinstance(body, dict):
        return None
    return next((found for name in ("errorType", "category", "status") if (found := body.get(name))), None)
