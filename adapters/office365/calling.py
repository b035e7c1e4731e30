"""Calling Microsoft Graph: its limits, and its words for what went wrong.

Facts: Graph v1.0, "Throttling limits" (Outlook: 10,000 requests in ten minutes and four at a time, for each app and mailbox) and
"Error responses"; EWS, "ResponseCode" (`ErrorAccessDenied`: the caller has no right to the action). The four at a time need no
bucket: of a mailbox, one feed is read, one delivery is under way and one channel renewed at any time, each by whoever has its lease.
"""

from __future__ import annotations

from typing import Any

import httpx

from adapters.http import Api, Limit, Throttle, Vendor
from domain.outside import Access, Link

BASE = "https://graph.microsoft.com/v1.0/"

PREFER = 'IdType="ImmutableId", outlook.timezone="UTC"'
"""On every request that reads or writes events: ids that survive a move, and times in UTC."""

_BUSY = frozenset(
    (
        "ApplicationThrottled",
        "ErrorConcurrentItemSave",
        "ErrorMailboxInTransit",
        "ErrorMailboxStoreUnavailable",
        "ErrorServerBusy",
        "ErrorTimeoutExpired",
        "TooManyRequests",
        "activityLimitReached",
    )
)
_TOO_LITTLE = ("Authorization_RequestDenied", "ErrorInsufficientScopes")
# Exchange's own word for a token without the scope, and for a mailbox that is closed to apps. All that is asked for is the user's
# own calendar (`me`), so that a reading or a creation can be denied for nothing else; the change of one event can.
_DENIED = "ErrorAccessDenied"
_NO_MAILBOX = "MailboxNotEnabledForRESTAPI"
_LOST = frozenset((*_TOO_LITTLE, _NO_MAILBOX, "InvalidAuthenticationToken"))
_ADVICE = {
    **dict.fromkeys(
        _TOO_LITTLE,
        "the permission does not go that far. Connect again, and accept all of it; where only an administrator may, have him do it",
    ),
    _DENIED: "Microsoft lets us not into the calendar. Connect again, and accept all that is asked for; if that does not help, "
    "an administrator may open the mailbox to this app",
    _NO_MAILBOX: "the mailbox is inactive, or not in Exchange Online. An administrator can change that; connecting again does not",
}


def api(http: httpx.Client, access: Access, throttle: Throttle, base: str = BASE) -> Api:
    """The API at `base`, whose version is part of it."""
    return Api(Vendor("office365", base, _limits, _code, _BUSY, _LOST, _ADVICE, frozenset((_DENIED,))), http, access, throttle)


def _limits(link: Link, kind: str) -> tuple[Limit, ...]:
    return (Limit(f"office365:mailbox:{link.account}:{link.user}", 16.0, 200.0),)


def _code(body: Any) -> object:
    error = body.get("error") if isinstance(body, dict) else None
    return error.get("code") if isinstance(error, dict) else None
