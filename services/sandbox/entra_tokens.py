"""Signed tokens and the key they are signed with: RS256, and the JSON by which anybody can examine it.

What must stay true: the key is new with every process and never leaves it; only its public half is shown.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any

import msgspec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

_BITS = 2048


def unpadded(data: bytes) -> str:
    """Base64url without padding, as JOSE has it."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Signer:
    """One RSA key."""

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=_BITS)
        numbers = self._key.public_key().public_numbers()
        self._n, self._e = (unpadded(n.to_bytes((n.bit_length() + 7) // 8, "big")) for n in (numbers.n, numbers.e))
        self.id = unpadded(hashlib.sha256(self._n.encode()).digest())[:27]

    def sign(self, claims: dict[str, Any]) -> str:
        """Claims as a JWT."""
        head = {"typ": "JWT", "alg": "RS256", "kid": self.id}
        signed = ".".join(unpadded(msgspec.json.encode(part)) for part in (head, claims))
        return f"{signed}.{unpadded(self._key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"

    def shown(self) -> dict[str, Any]:
        """The public half, as a set of keys shows it."""
        return {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.id, "x5t": self.id, "n": self._n, "e": self._e}


def challenge_of(verifier: str, method: str) -> str:
    """What PKCE makes of a verifier: S256, or plain."""
    return unpadded(hashlib.sha256(verifier.encode()).digest()) if method == "S256" else verifier
