"""Where the tokens for SASL/OAUTHBEARER come from: a file that somebody keeps fresh, or a token address.

What must stay true: a token that is about to end is not handed out, and neither token nor secret is in any message.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path

import httpx
import msgspec
from kafka.errors import KafkaConnectionError, SaslAuthenticationFailedError
from kafka.net.sasl.oauth import AbstractTokenProvider

ASK_SECONDS = 5.0
"""How long a token address may take: kafka-python's connections stand still meanwhile."""

SHARE_OF_LIFE = 0.8
"""A token is used for this share of its life, then another is asked for."""


class TokenFile(AbstractTokenProvider):  # type: ignore[misc]  # kafka-python ships no types
    """The content of a file, read at each connection: whoever keeps it fresh need not tell us."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def token(self) -> str:
        """The token. Raises kafka-python's `SaslAuthenticationFailedError` if there is none."""
        try:
            return self._path.read_text("utf-8").strip()
        except OSError as error:
            raise SaslAuthenticationFailedError(f"the token file {self._path} cannot be read: {error.strerror}") from error


class _Answer(msgspec.Struct):
    """RFC 6749, section 5.1. Who does not say how long a token lives is taken to mean five minutes."""

    access_token: str
    expires_in: float = 300.0


class ClientCredentials(AbstractTokenProvider):  # type: ignore[misc]  # kafka-python ships no types
    """Tokens by OAuth's client credentials grant (RFC 6749, section 4.4), each used until it is near its end."""

    def __init__(self, url: str, client_id: str, client_secret: str, scope: str | None = None) -> None:
        self._url, self._client, self._scope = url, (client_id, client_secret), scope
        self._token, self._until = "", 0.0
        self._asking = threading.Lock()

    def token(self) -> str:
        """The token. Raises kafka-python's `KafkaConnectionError` if nobody answers, `SaslAuthenticationFailedError` if refused."""
        with self._asking:
            if time.monotonic() >= self._until:
                answer = self._ask()
                self._token, self._until = answer.access_token, time.monotonic() + answer.expires_in * SHARE_OF_LIFE
            return self._token

    def _ask(self) -> _Answer:
        form = {"grant_type": "client_credentials"} | ({"scope": self._scope} if self._scope else {})
        try:
            response = httpx.post(self._url, data=form, auth=self._client, timeout=ASK_SECONDS)
        except httpx.HTTPError as error:
            raise KafkaConnectionError(f"the token address did not answer: {type(error).__name__}") from error
        if response.status_code != httpx.codes.OK:
            raise SaslAuthenticationFailedError(f"the token address answered {response.status_code}")
        try:
            return msgspec.json.decode(response.content, type=_Answer)
        except msgspec.DecodeError:
            # Without its cause, which could quote the answer.
            raise SaslAuthenticationFailedError("the token address answered something that is no token") from None
