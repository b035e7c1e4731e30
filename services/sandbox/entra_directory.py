"""The directory: who there is, who let which application do what, and which tokens are good.

What must stay true: a code is good once, a refresh token until it is used, revoked or forgotten, an access token until its time is
over or its grant is revoked. Both simulators, the login and Graph, ask here and nowhere else.
"""

from __future__ import annotations

import base64
import uuid
from collections.abc import Iterable
from typing import Literal

import msgspec

from services.sandbox.world import World

ACCESS_SECONDS = 3600
"""How long an access token is good; Entra's is random between 60 and 90 minutes."""

CODE_SECONDS = 600
"""How long a code is good."""


class User(msgspec.Struct, frozen=True):
    """Somebody who can sign in. `oid` is the directory's id of them."""

    address: str
    name: str
    oid: str


class Grant(msgspec.Struct, kw_only=True, eq=False):
    """What a user allowed an application (or an administrator, without a user). `state` is `live`, `revoked`, or `asks`: the user must
    come by again."""

    client: str
    user: User | None
    scopes: tuple[str, ...]
    state: Literal["live", "revoked", "asks"] = "live"


class Access(msgspec.Struct, frozen=True):
    """An access token's grant, and until when (ms) it is good."""

    grant: Grant
    until: int


class Code(msgspec.Struct, frozen=True, kw_only=True):
    """A code on its way back to an application, and what must come with it."""

    grant: Grant
    redirect: str
    nonce: str | None
    challenge: str | None
    method: str
    until: int


class Client(msgspec.Struct, frozen=True):
    """A registered application. `redirects` are matched exactly; none: any on loopback."""

    id: str
    secret: str | None
    redirects: tuple[str, ...] = ()


class Directory:
    """One tenant. `open_door`: an application that nobody registered may sign users in as well, with any secret."""

    def __init__(self, world: World, *, open_door: bool = True) -> None:
        self.world, self.open_door = world, open_door
        self.reset()

    def reset(self) -> None:
        """Nobody is there, nothing is granted."""
        self.tenant = str(uuid.UUID(bytes=self.world.chance.randbytes(16), version=4))
        self.users: dict[str, User] = {}
        self.clients: dict[str, Client] = {}
        self.grants: list[Grant] = []
        self.codes: dict[str, Code] = {}
        self.used_codes: dict[str, Grant] = {}
        self.refreshes: dict[str, Grant] = {}
        self.used_refreshes: dict[str, Grant] = {}
        self.accesses: dict[str, Access] = {}

    def user(self, address: str, name: str = "") -> User:
        """Somebody by their address, made if not there yet."""
        key = address.strip().lower()
        if key not in self.users:
            oid = str(uuid.UUID(bytes=self.world.chance.randbytes(16), version=4))
            self.users[key] = User(key, name or key.partition("@")[0].title(), oid)
        return self.users[key]

    def find(self, id: str) -> User | None:
        """Somebody by address or directory id."""
        key = id.strip().lower()
        return self.users.get(key) or next((user for user in self.users.values() if user.oid == key), None)

    def register(self, id: str, secret: str | None, redirects: Iterable[str] = ()) -> Client:
        """An application. Without a secret it is a public one."""
        self.clients[id] = Client(id, secret, tuple(redirects))
        return self.clients[id]

    def grant(self, client: str, user: User | None, scopes: Iterable[str]) -> Grant:
        """A user (or an administrator) allows it."""
        made = Grant(client=client, user=user, scopes=tuple(scopes))
        self.grants.append(made)
        return made

    def access(self, grant: Grant, seconds: int = ACCESS_SECONDS) -> str:
        """A new access token."""
        token = self._secret("eyJ0eXAiOiJKV1Qi")
        self.accesses[token] = Access(grant, self.world.now() + seconds * 1000)
        return token

    def refresh(self, grant: Grant) -> str:
        """A new refresh token."""
        token = self._secret("0.AX0A")
        self.refreshes[token] = grant
        return token

    def code(self, code: Code) -> str:
        """A new code."""
        name = self._secret("0.AX0Ac")
        self.codes[name] = code
        return name

    def token(self, address: str, *scopes: str) -> str:
        """An access token for a test: the user's, for everything unless `scopes` say less."""
        return self.access(self.grant("sandbox", self.user(address), scopes or ("Calendars.ReadWrite", "User.Read")))

    def allowed(self, token: str) -> Grant | None:
        """The grant of a token that is good now."""
        access = self.accesses.get(token)
        if access is None or access.until <= self.world.now() or access.grant.state == "revoked":
            return None
        return access.grant

    def of(self, address: str) -> list[Grant]:
        """Everything a user granted."""
        return [grant for grant in self.grants if grant.user is not None and grant.user.address == address.strip().lower()]

    def revoke(self, address: str) -> int:
        """The user's password changed, or an administrator ended all sessions: how many grants that ended."""
        return self._set(address, "revoked")

    def ask_again(self, address: str) -> int:
        """The user must come by in person before anything is refreshed."""
        return self._set(address, "asks")

    def _set(self, address: str, state: Literal["revoked", "asks"]) -> int:
        found = [grant for grant in self.of(address) if grant.state not in (state, "revoked")]
        for grant in found:
            grant.state = state
        return len(found)

    def _secret(self, kind: str) -> str:
        return f"{kind}.{base64.urlsafe_b64encode(self.world.chance.randbytes(48)).decode()}"
