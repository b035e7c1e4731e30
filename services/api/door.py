"""Who asks, and about which account: the token decides.

What must stay true: every route but health and the API's own description comes through here, and what it returns is the only
account that the route may pass on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from domain.errors import BadInput, Forbidden
from domain.tokens import Token
from services.api.aside import AT_ONCE, Aside
from services.api.parameters import declared
from services.api.problems import Unauthorised
from services.api.questions import query_of, understood
from services.tokens import EVERY_ACCOUNT, Tokens

_LOOPBACK = ("127.0.0.1", "::1")
_FORWARDED = (b"forwarded", b"x-forwarded-for", b"x-real-ip")


class Door:
    """Lets in who shows a live token with one of the scopes asked for. Scopes are ASGI's connection scopes where named `scope`."""

    def __init__(self, tokens: Tokens, aside: Aside = AT_ONCE) -> None:
        self._tokens, self._aside = tokens, aside

    async def account(self, scope: Mapping[str, Any], *any_of: str) -> str:
        """The account that this request may ask about. Raises `Unauthorised`, `Forbidden`, and `BadInput` if a token for every
        account names none, or if a parameter is none of the route's."""
        token = await self._token(scope)
        if not any(needed in token.scopes for needed in any_of):
            raise Forbidden(f"this needs a token with the scope {' or '.join(any_of)}")
        named = _asked(scope).get("account") if scope["query_string"] else None
        if named == "":
            raise BadInput("account", "empty; leave it out, or name one")
        if token.account != EVERY_ACCOUNT:
            if named is not None and named != token.account:
                raise Forbidden(f"this token is not for account {named}")
            return token.account
        if not named:
            raise BadInput("account", "required: this token is for every account")
        return named

    async def operator(self, scope: Mapping[str, Any]) -> None:
        """Let in an operator: by a token with the scope ops, or from the machine itself. Raises as `account`."""
        if _local(scope):
            return
        token = await self._token(scope)
        if "ops" not in token.scopes:
            raise Forbidden("this needs a token with the scope ops")

    async def _token(self, scope: Mapping[str, Any]) -> Token:
        text = _bearer(scope["headers"])
        # A thread for each request, to look into memory, would cost more than the rest of the door.
        token = self._tokens.remembered(text) or await self._aside(self._tokens.check, text)
        if token is None:
            raise Unauthorised("send `Authorization: Bearer rzv_...` with a live token")
        return token


def _asked(scope: Mapping[str, Any]) -> dict[str, str]:
    """The query of a route, which knows all of it. What stands in front of the framework examines its own: of that, no more than
    whether it names an account."""
    route = scope.get("route_handler")
    if route is None and b"account" not in scope["query_string"]:
        return {}
    query = query_of(scope)
    if route is not None:
        understood(query, declared(route.fn))
    return query


def _bearer(headers: Iterable[tuple[bytes, bytes]]) -> str:
    for name, value in headers:
        if name == b"authorization":
            scheme, _, text = value.decode("latin-1").partition(" ")
            return text.strip() if scheme.lower() == "bearer" else ""
    return ""


def _local(scope: Mapping[str, Any]) -> bool:
    """Does it come from this machine? What a proxy on this machine passes on does not."""
    client = scope.get("client")
    return client is not None and client[0] in _LOOPBACK and not any(name in _FORWARDED for name, _ in scope["headers"])
