"""HubSpot's refusals, in its words.

A handler raises a `Failure`; the simulator makes the answer of it. Texts that no document gives are marked where they are made.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

CONTENT_TYPE = "application/json;charset=utf-8"


class Failure(Exception):
    """A request that is refused: the answer's status, and the fields of its body beside status, message and correlationId."""

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None, **fields: Any) -> None:
        super().__init__(message)
        self.status, self.message, self.headers, self.fields = status, message, dict(headers or {}), fields

    def body(self, correlation: str) -> dict[str, Any]:
        """What is answered; OAuth's refusals put a word of their own into `status`."""
        return {"status": "error", "message": self.message, "correlationId": correlation, **self.fields}


class Invalid(NamedTuple):
    """A property value that cannot be taken."""

    name: str
    error: str
    message: str

    def as_json(self) -> dict[str, Any]:
        return {"isValid": False, "message": self.message, "error": self.error, "name": self.name}


def validation(message: str, **fields: Any) -> Failure:
    """400: the request is not what this route takes."""
    return Failure(400, message, category="VALIDATION_ERROR", **fields)


def invalid_values(found: Iterable[Invalid]) -> Failure:
    """400: values of properties, all of them at once."""
    listed = json.dumps([one.as_json() for one in found], separators=(",", ":"))
    return validation(f"Property values were not valid: {listed}")


def unknown_property(name: str) -> Invalid:
    return Invalid(name, "PROPERTY_DOESNT_EXIST", f'Property "{name}" does not exist')


def missing_object(what: str = "resource not found") -> Failure:
    """404: no such object, or not (or only) an archived one."""
    return Failure(404, what, category="OBJECT_NOT_FOUND")


def item_error(category: str, message: str, **context: list[str]) -> dict[str, Any]:
    """One of the `errors` of a 207."""
    return {"status": "error", "category": category, "message": message, "context": context, "errors": [], "links": {}}


def unauthenticated(message: str, category: str = "INVALID_AUTHENTICATION") -> Failure:
    """401: no token, or none that is good."""
    return Failure(401, message, category=category)


def missing_scopes(scopes: Iterable[str]) -> Failure:
    """403: the token is good for other things."""
    detail = {"message": "One or more of the following scopes are required.", "context": {"requiredGranularScopes": list(scopes)}}
    return Failure(
        403, "This app hasn't been granted all required scopes to make this call.", category="MISSING_SCOPES", errors=[detail], links={}
    )


def rate_limited(policy: str, headers: Mapping[str, str] | None = None) -> Failure:
    """429 under TEN_SECONDLY_ROLLING, SECONDLY (search) or DAILY. HubSpot says no Retry-After."""
    return Failure(
        429, f"You have reached your {policy.lower()} limit.", headers, errorType="RATE_LIMIT", policyName=policy, requestId="sandbox"
    )


def of_status(status: int) -> Failure:
    """What a fault of this status looks like. The texts of 423, 477 and the gateway's 5xx are of no document."""
    match status:
        case 401:
            return unauthenticated("The OAuth token used to make this call expired 5 minute(s) ago.", "EXPIRED_AUTHENTICATION")
        case 403:
            return missing_scopes(["crm.objects.contacts.read"])
        case 404:
            return missing_object()
        case 409:
            return Failure(409, "A concurrent change was made to this object.", category="CONFLICT")
        case 423:
            return Failure(423, "Locked")
        case 429:
            return rate_limited("TEN_SECONDLY_ROLLING")
        case 477:
            return Failure(477, "Migration in progress", {"Retry-After": "10"})
        case _:
            return Failure(status, "internal error" if status >= 500 else "There was a problem with the request.")
