"""Memory twin of the vault's table of keys. See `adapters.vault.Keys` for what each verb promises."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Collection, Mapping, Sequence


class MemoryKeys:
    """`vault.Keys` in a dict."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)
        self._keys: dict[tuple[str, str], bytes | None] = {}
        self._erasures = 0
        self._lock = threading.Lock()

    def secret(self) -> bytes:
        """The installation's."""
        return self._secret

    def generation(self) -> int:
        """The number of erasures."""
        return self._erasures

    def get(self, keys: Collection[tuple[str, str]]) -> dict[tuple[str, str], bytes | None]:
        """What is known of these."""
        with self._lock:
            return {at: self._keys[at] for at in keys if at in self._keys}

    def put(self, new: Mapping[tuple[str, str], bytes]) -> dict[tuple[str, str], bytes | None]:
        """The first one stays."""
        with self._lock:
            return {at: self._keys.setdefault(at, data_key) for at, data_key in new.items()}

    def destroy(self, account: str, keys: Sequence[str]) -> None:
        """Known to be erased from now on."""
        with self._lock:
            self._keys.update(dict.fromkeys(((account, key) for key in keys), None))
            self._erasures += 1
