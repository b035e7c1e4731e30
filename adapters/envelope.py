"""Sealing secrets: each record under a data key of its own, which is wrapped by a key-encryption key that is kept elsewhere.

A box is: 1 (the form), the length of the key-encryption key's id and the id, nonce and wrapped data key, nonce and content; both
AES-256-GCM. What must stay true:

  * a box opens only for whom and for what it was sealed: that is bound to it, and so is the id of its key;
  * the newest key seals, all that are held open: to rotate is to add a key, to reseal, and then to remove the old one;
  * what cannot be opened stops us. A secret that were silently missing would be asked for anew, and a person with it.

A key-encryption key may wrap 2**32 records, far more than any installation makes of them.
"""

from __future__ import annotations

import base64
import binascii
import os
import secrets
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import NamedTuple

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from adapters.durable import on_disk
from adapters.file_lock import alone
from domain.errors import Stop

KEY_BYTES = 32

_FORM = b"\x01"
_NONCE_BYTES, _TAG_BYTES = 12, 16
_WRAPPED_BYTES = _NONCE_BYTES + KEY_BYTES + _TAG_BYTES
_LOCK_SECONDS = 10.0


class About(NamedTuple):
    """For whom and for what a record is sealed. What belongs to no link leaves the first three empty."""

    account: str
    provider: str
    user: str
    kind: str


class Envelope:
    """Seals and opens. `keys` are key-encryption keys by id, 32 bytes each, the newest last. Where another process may add one, `again`
    is asked for them before anything is sealed, and when a box names one that is not there. Raises `Stop` for keys that are none."""

    def __init__(self, keys: Mapping[str, bytes], again: Callable[[], Mapping[str, bytes]] | None = None) -> None:
        self._keys, self._again = _checked(keys), again

    def __repr__(self) -> str:
        return f"Envelope({', '.join(self._keys)})"

    @property
    def newest(self) -> str:
        """The id of the key that seals."""
        self._renew()
        return next(reversed(self._keys))

    def seal(self, about: About, secret: bytes) -> bytes:
        """A box."""
        data_key = secrets.token_bytes(KEY_BYTES)
        return self._wrapped(about, data_key) + _encrypted(data_key, secret, _bound(about))

    def open(self, about: About, box: bytes) -> bytes:
        """What was sealed. Raises `Stop`."""
        read = _read(box)
        data_key = self._unwrapped(about, read)
        return _decrypted(data_key, read.content, _bound(about), read.key)

    def reseal(self, about: About, box: bytes) -> bytes | None:
        """The same content under the newest key; None if it is already. Only the data key is wrapped anew. Raises `Stop`."""
        read = _read(box)
        if read.key == self.newest:
            return None
        return self._wrapped(about, self._unwrapped(about, read)) + read.content

    def _renew(self) -> None:
        if self._again is not None:
            self._keys = _checked(self._again())

    def _wrapped(self, about: About, data_key: bytes) -> bytes:
        newest = self.newest
        header = _header(newest)
        return header + _encrypted(self._keys[newest], data_key, _bound(about, header))

    def _unwrapped(self, about: About, read: _Box) -> bytes:
        if read.key not in self._keys:
            self._renew()
        key = self._keys.get(read.key)
        if key is None:
            raise Stop(f"a secret is sealed under the key {read.key}, which is not among those held: {', '.join(self._keys)}")
        return _decrypted(key, read.wrapped, _bound(about, _header(read.key)), read.key)


class _Box(NamedTuple):
    """A box taken apart: the id of its key, the wrapped data key, the content."""

    key: str
    wrapped: bytes
    content: bytes


def _read(box: bytes) -> _Box:
    if box[:1] != _FORM or len(box) < 2:
        raise Stop("a secret is not sealed in a form that this version knows")
    behind = 2 + box[1]
    try:
        key = box[2:behind].decode()
    except UnicodeDecodeError:
        raise Stop("a sealed secret is damaged") from None
    return _Box(key, box[behind : behind + _WRAPPED_BYTES], box[behind + _WRAPPED_BYTES :])


def _header(key: str) -> bytes:
    raw = key.encode()
    return _FORM + bytes([len(raw)]) + raw


def _bound(about: About, header: bytes = b"") -> bytes:
    # As JSON, so that no two different ones are written alike.
    return header + msgspec.json.encode(tuple(about))


def _encrypted(key: bytes, content: bytes, bound: bytes) -> bytes:
    nonce = secrets.token_bytes(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, content, bound)


def _decrypted(key: bytes, raw: bytes, bound: bytes, named: str) -> bytes:
    try:
        return AESGCM(key).decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], bound)
    except (InvalidTag, ValueError):
        # ValueError: too short to hold a nonce and a tag.
        raise Stop(f"a secret cannot be opened: the key {named} is not the one it was sealed under, or it is damaged") from None


def _checked(keys: Mapping[str, bytes]) -> dict[str, bytes]:
    if not keys:
        raise Stop("there is no key-encryption key")
    for name, key in keys.items():
        if not 0 < len(name.encode()) < 256 or len(key) != KEY_BYTES:
            # Its name is not told: whoever left out the colon gave a key for one.
            raise Stop(f"a key-encryption key needs a short name and {KEY_BYTES} bytes; one has {len(key)}")
    return dict(keys)


# --- keys as text ------------------------------------------------------------------------------------------------------------


def keys_of(text: str) -> dict[str, bytes]:
    """Keys written as `ID:BASE64` separated by blanks, commas or line ends, the newest last; base64 of either alphabet. Raises `Stop`,
    which says nothing of a key.

    >>> [(name, len(key)) for name, key in keys_of("2026a:" + "A" * 43 + "=").items()]
    [('2026a', 32)]
    """
    return _checked(dict(map(_key_of, text.replace(",", " ").split())))


def _key_of(word: str) -> tuple[str, bytes]:
    name, _, told = word.partition(":")
    standard = told.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return name, base64.b64decode(standard + "=" * (-len(standard) % 4), validate=True)
    except binascii.Error:
        raise Stop("a key-encryption key is not written as ID:BASE64") from None


class KeyFile:
    """The keys of an embedded installation, in a file beside the vault that its owner alone can read. Made when first asked for.

    file = KeyFile(folder / "keys")
    envelope = Envelope(file.keys(), file.keys)
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._known: tuple[object, dict[str, bytes]] | None = None

    def keys(self) -> dict[str, bytes]:
        """All of them, the newest last. Raises `Stop` if the file cannot be read."""
        if not self._path.exists():
            with self._alone():
                if not self._path.exists():
                    self._write(dict([_new()]))
        return self._read()

    def rotate(self) -> str:
        """Add a key, whose id is returned: it seals in every process that reads the file from now on."""
        self.keys()
        with self._alone():
            name, key = _new()
            self._write(self._read() | {name: key})
        return name

    def keep_newest(self) -> list[str]:
        """Remove all keys but the newest, once everything is resealed and no process holds the old ones; the ids of those removed."""
        self.keys()
        with self._alone():
            *old, newest = self._read().items()
            self._write(dict([newest]))
        return [name for name, _ in old]

    def _read(self) -> dict[str, bytes]:
        # Asked for at each seal, and read when it was replaced: reading it each time cost more than sealing.
        try:
            known, now = self._known, self._path.stat()
            mark = (now.st_ino, now.st_mtime_ns, now.st_size)
            if known is None or known[0] != mark:
                known = self._known = mark, keys_of(self._path.read_text("ascii"))
            return dict(known[1])
        except (OSError, UnicodeDecodeError) as error:
            raise Stop(f"{self._path.name} cannot be read: {type(error).__name__}") from None

    def _write(self, keys: Mapping[str, bytes]) -> None:
        """All of it or nothing, and on the disk: a key that was lost after it had sealed is lost for good."""
        beside = self._path.with_name(f"{self._path.name}.new")
        beside.unlink(missing_ok=True)
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write("".join(f"{name}:{base64.urlsafe_b64encode(key).decode()}\n" for name, key in keys.items()).encode())
            file.flush()
            os.fsync(file.fileno())
        beside.replace(self._path)
        on_disk(self._path.parent)

    def _alone(self) -> AbstractContextManager[None]:
        return alone(self._path.with_name(f"{self._path.name}.lock"), _LOCK_SECONDS)


def _new() -> tuple[str, bytes]:
    # By chance and not by counting: of two files made one after the other, no key passes for the other's.
    return secrets.token_hex(4), secrets.token_bytes(KEY_BYTES)
