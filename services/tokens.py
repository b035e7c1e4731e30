"""Bearer tokens: who may ask what, of which account.

A token is `rzv_` and 32 random bytes. What is stored is its SHA-256 and never itself: a slow, salted hash protects what people
think up, and nobody can try out 2^256 random values against any hash. What must stay true: a token is shown once, when made; what
was revoked in any process is refused in all within `REMEMBERED_MS`; only `ops` reaches across accounts.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable, Sequence

from domain.errors import BadInput
from domain.tokens import Token, TokenStore

PREFIX = "rzv_"
SCOPES = ("timeline:read", "events:publish", "history:read", "ops")
EVERY_ACCOUNT = "*"
REMEMBERED_MS = 5_000
"""How long a checked token is believed without asking the store again."""

_REMEMBERED = 10_000
_LENGTH = len(PREFIX) + 43


class Tokens:
    """Makes, lists, revokes and checks tokens. `clock` in ms; `chance` gives that many random bytes."""

    def __init__(self, store: TokenStore, clock: Callable[[], int], chance: Callable[[int], bytes] = secrets.token_bytes) -> None:
        self._store, self._clock, self._chance = store, clock, chance
        self._checked: OrderedDict[str, tuple[int, Token]] = OrderedDict()

    def create(self, account: str, scopes: Sequence[str], label: str = "") -> str:
        """A new token's text, which nobody can be shown again. Raises `BadInput`."""
        _examine(account, scopes)
        text = PREFIX + base64.urlsafe_b64encode(self._chance(32)).rstrip(b"=").decode()
        ordered = tuple(s for s in SCOPES if s in scopes)
        self._store.put(Token(self._chance(6).hex(), _digest(text), account, ordered, self._clock(), label))
        return text

    def list(self, account: str | None = None) -> list[Token]:
        """The tokens of an account, or all."""
        return self._store.list(account)

    def revoke(self, id: str) -> bool:
        """End a token by its id; here at once. False if none is called so."""
        self._checked.clear()
        return self._store.revoke(id)

    def remembered(self, text: str) -> Token | None:
        """The live token with this text, if it was checked a moment ago. Asks no store."""
        # By digest, also in memory: a look-up's duration then says nothing about the text, and no secret is kept.
        known = self._checked.get(_digest(text))
        return known[1] if known is not None and 0 <= self._clock() - known[0] < REMEMBERED_MS else None

    def check(self, text: str) -> Token | None:
        """The live token with this text, or None. Usable by any number of threads."""
        if len(text) != _LENGTH or not text.startswith(PREFIX):
            return None
        known = self.remembered(text)
        if known is not None:
            return known
        digest = _digest(text)
        self._checked.pop(digest, None)
        now = self._clock()
        found = self._store.find(digest)
        if found is None or found.revoked or not hmac.compare_digest(found.digest, digest):
            return None
        self._checked[digest] = (now, found)
        if len(self._checked) > _REMEMBERED:
            self._checked.popitem(last=False)
        return found


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _examine(account: str, scopes: Sequence[str]) -> None:
    unknown = [s for s in scopes if s not in SCOPES]
    if not scopes or unknown:
        raise BadInput("scope", f"{', '.join(unknown) or 'none'}: choose of {', '.join(SCOPES)}")
    if not account.strip():
        raise BadInput("account", "empty")
    if account == EVERY_ACCOUNT and set(scopes) != {"ops"}:
        raise BadInput("account", "a token for every account may have the scope ops only")
