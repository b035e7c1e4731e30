"""A grant that does not go far enough: whoever looks after it is told what to do, in the words of its provider's page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from adapters.google import calling as google
from adapters.http import Api
from adapters.hubspot import calling as hubspot
from adapters.office365 import calling as office365
from domain.errors import Deauthorised
from domain.outside import Link
from tests.calling import GOOGLE, HUBSPOT, OFFICE365, Provider, script


def of_google(reason: str) -> dict[str, Any]:
    return {"error": {"code": 403, "errors": [{"reason": reason}], "status": "PERMISSION_DENIED"}}


def of_graph(code: str) -> dict[str, Any]:
    return {"error": {"code": code, "message": "No."}}


@pytest.mark.parametrize(
    ("made", "link", "body", "said"),
    [
        pytest.param(
            google.api,
            GOOGLE,
            of_google("insufficientPermissions"),
            "google answered 403 insufficientPermissions: the permission does not go that far. "
            "Connect again, and tick every box on Google's page",
            id="a box was left empty at Google",
        ),
        pytest.param(
            office365.api,
            OFFICE365,
            of_graph("ErrorInsufficientScopes"),
            "office365 answered 403 ErrorInsufficientScopes: the permission does not go that far. "
            "Connect again, and accept all of it; where only an administrator may, have him do it",
            id="Microsoft was granted less",
        ),
        pytest.param(
            office365.api,
            OFFICE365,
            of_graph("ErrorAccessDenied"),
            "office365 answered 403 ErrorAccessDenied: Microsoft lets us not into the calendar. Connect again, and accept all that is "
            "asked for; if that does not help, an administrator may open the mailbox to this app",
            id="Exchange found no permission, or is closed",
        ),
        pytest.param(
            office365.api,
            OFFICE365,
            of_graph("MailboxNotEnabledForRESTAPI"),
            "office365 answered 403 MailboxNotEnabledForRESTAPI: the mailbox is inactive, or not in Exchange Online. "
            "An administrator can change that; connecting again does not",
            id="no consent helps a mailbox that is elsewhere",
        ),
        pytest.param(
            hubspot.api,
            HUBSPOT,
            {"status": "error", "category": "MISSING_SCOPES"},
            "hubspot answered 403 MISSING_SCOPES: the permission does not go that far. "
            "Connect the portal again, and allow all that is asked for",
            id="the app asks for more than the portal granted",
        ),
        pytest.param(
            hubspot.api,
            HUBSPOT,
            {"status": "error", "category": "BANNED"},
            "hubspot answered 403 BANNED: the grant does not go that far",
            id="nothing to advise",
        ),
    ],
)
def test_it_is_said_what_to_do(made: Callable[..., Api], link: Link, body: dict[str, Any], said: str) -> None:
    provider = Provider(script(httpx.Response(403, json=body)))
    with pytest.raises(Deauthorised) as caught:
        made(provider.http, provider.access, provider.throttle).call(link, "GET", "things")
    assert str(caught.value) == said
