"""Sealing people: each one's name and address under a data key of that person's own, kept in a small table.

A token is `KEY.BOX`: the person key, and base64url of nonce, AES-256-GCM and tag over the JSON `[address, name]`. An erased
person's is `KEY.` and nothing else. What must stay true:

  * the same pair gives the same token, in every process, for ever: a repeated event stays recognisable as repeated;
  * no two different pairs share a nonce, except where HMAC-SHA256 collides in 96 bits: the nonce is made from the content;
  * what was erased in any process is opened in none: every call first asks for the table's generation.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import re
import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Generic, Protocol, TypeVar

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from domain.people import KEY_LENGTH, Person, domain_of, key_of, normalised

REMEMBERED = 32_768
"""How many tokens, people and person keys each are remembered at least, in up to about 60 MB."""

_KEY_BYTES, _DATA_KEY_BYTES, _NONCE_BYTES, _TAG_BYTES = 16, 32, 12, 16
_TOKEN = re.compile(rf"[A-Za-z0-9_-]{{{KEY_LENGTH}}}\.[A-Za-z0-9_-]*")
_UNREADABLE = Person("", erased=True)
_content = msgspec.json.Decoder(tuple[str, str | None])

Whose = tuple[str, str]
"""Whose a data key is: (account, person key)."""

_K = TypeVar("_K")
_V = TypeVar("_V")


class Keys(Protocol):
    """The table of the vault: a data key for each (account, person key). Durable when a method returns."""

    def secret(self) -> bytes:
        """The installation's secret, 32 bytes, made once and the same for ever."""

    def generation(self) -> int:
        """A number that differs after each `destroy`, whichever process called it."""

    def get(self, keys: Collection[Whose]) -> dict[Whose, bytes | None]:
        """The data keys of those that are known, of whatever accounts; None for those that are erased."""

    def put(self, new: Mapping[Whose, bytes]) -> dict[Whose, bytes | None]:
        """Keep data keys for persons not known yet. Answers what stands there now, which is not always what was brought."""

    def destroy(self, account: str, keys: Sequence[str]) -> None:
        """Destroy the data keys without a trace; these are known to be erased from now on, even if they never had one."""


class SealingVault:
    """`ports.Vault` over a table of keys. Usable by any number of threads."""

    def __init__(self, keys: Keys, remembered: int = REMEMBERED) -> None:
        self._keys = keys
        self._secret = keys.secret()
        self._remembered = remembered
        self._memory = _Memory(keys.generation(), remembered)

    def key(self, account: str, address: str) -> str:
        """See the port."""
        memory = self._memory
        known = memory.keys.get((account, address))
        if known is None:
            known = person_key(self._secret, account, address)
            memory.keys.put((account, address), known)
        return known

    def seal(self, account: str, people: Sequence[tuple[str, str | None]]) -> list[str]:
        """See the port."""
        return self.seal_all({account: people})[account]

    def seal_all(self, people: Mapping[str, Sequence[tuple[str, str | None]]]) -> Mapping[str, list[str]]:
        """See the port."""
        memory = self._current()
        known = memory.tokens.get
        tokens = {(account, *one): known((account, *one)) for account, some in people.items() for one in some}
        missing = [one for one, token in tokens.items() if token is None]
        sealed = self._seal(missing, memory) if missing else {}
        return {account: [tokens[account, *one] or sealed[account, *one] for one in some] for account, some in people.items()}

    def open(self, account: str, tokens: Iterable[str]) -> Mapping[str, Person]:
        """See the port. What is no token of this account opens to an erased person without a key; nothing raises."""
        return self.open_all({account: tokens})

    def open_all(self, tokens: Mapping[str, Iterable[str]]) -> Mapping[str, Person]:
        """See the port."""
        memory = self._current()
        known = memory.people.get
        accounts = {token: account for account, some in tokens.items() for token in some}
        people = {token: known((account, token)) for token, account in accounts.items()}
        missing = {token: accounts[token] for token, person in people.items() if person is None}
        opened = self._open(missing, memory) if missing else {}
        return {token: person or opened[token] for token, person in people.items()}

    def erase(self, account: str, keys: Iterable[str]) -> None:
        """See the port. May be repeated, and has to be if it raised."""
        try:
            self._keys.destroy(account, list(keys))
        finally:
            # Erasures are few and forgetting is cheap: everybody is forgotten, so that nobody is overlooked.
            self._memory = _Memory(self._keys.generation(), self._remembered)

    def _current(self) -> _Memory:
        # A memory is only used by calls that saw its generation. A call that was overtaken by an erasure may still write
        # what it knew into the old one, where no later call looks.
        generation, memory = self._keys.generation(), self._memory
        if memory.generation != generation:
            self._memory = memory = _Memory(generation, self._remembered)
        return memory

    def _seal(self, people: Sequence[tuple[str, str, str | None]], memory: _Memory) -> dict[tuple[str, str, str | None], str]:
        """The tokens of these (account, address, name)."""
        keys = [(account, self.key(account, address)) for account, address, _ in people]
        data_keys = self._data_keys(keys)
        tokens = {}
        for at, one in zip(keys, people, strict=True):
            data_key = data_keys[at]
            if data_key is None:
                # Not remembered: the memory would hold the address of somebody who is erased.
                tokens[one] = f"{at[1]}."
            else:
                tokens[one] = token = _sealed(data_key, *at, *one[1:])
                memory.tokens.put(one, token)
        return tokens

    def _data_keys(self, keys: Sequence[Whose]) -> dict[Whose, bytes | None]:
        known = self._keys.get(keys)
        new = {at: secrets.token_bytes(_DATA_KEY_BYTES) for at in keys if at not in known}
        return known | self._keys.put(new) if new else known

    def _open(self, accounts: Mapping[str, str], memory: _Memory) -> dict[str, Person]:
        """The people behind these tokens, each with its account."""
        well_formed = [(token, account) for token, account in accounts.items() if _TOKEN.fullmatch(token)]
        data_keys = self._keys.get({(account, key_of(token)) for token, account in well_formed})
        opened = dict.fromkeys(accounts, _UNREADABLE)
        for token, account in well_formed:
            opened[token] = person = _opened(account, token, data_keys)
            # Not remembered if unreadable: whoever makes tokens up would push out those of people.
            if person.key:
                memory.people.put((account, token), person)
        return opened


def person_key(secret: bytes, account: str, address: str) -> str:
    """The keyed digest of a normalised address: the first 16 bytes of HMAC-SHA256, as 22 characters of base64url.

    >>> person_key(b"secret", "62515", "bo@client.example") == person_key(b"secret", "62515", " Bo@Client.example")
    True
    """
    return _base64(hmac.digest(secret, f"{account}\0{normalised(address)}".encode(), "sha256")[:_KEY_BYTES])


def _sealed(data_key: bytes, account: str, key: str, address: str, name: str | None) -> str:
    content = msgspec.json.encode((address.strip(), name))
    nonce = hmac.digest(data_key, content, "sha256")[:_NONCE_BYTES]
    return f"{key}.{_base64(nonce + AESGCM(data_key).encrypt(nonce, content, account.encode()))}"


def _opened(account: str, token: str, data_keys: Mapping[Whose, bytes | None]) -> Person:
    """The person behind a well-formed token, given the data keys."""
    key, box = key_of(token), token[KEY_LENGTH + 1 :]
    data_key = data_keys.get((account, key))
    if not box or (data_key is None and (account, key) in data_keys):
        return Person(key, erased=True)
    content = _unboxed(data_key, account, box) if data_key else None
    if content is None:
        return _UNREADABLE
    address, name = _content.decode(content)
    return Person(key, address, name, domain_of(normalised(address)))


def _unboxed(data_key: bytes, account: str, box: str) -> bytes | None:
    """What was sealed, or None if the box was not made with this data key and account."""
    try:
        raw = base64.urlsafe_b64decode(box + "=" * (-len(box) % 4))
    except binascii.Error:
        return None
    # Bits behind the last byte are ignored by the decoder; a box that differs in them is not one we made.
    if len(raw) < _NONCE_BYTES + _TAG_BYTES or _base64(raw) != box:
        return None
    try:
        return AESGCM(data_key).decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], account.encode())
    except InvalidTag:
        return None


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


class _Recent(Generic[_K, _V]):
    """A dict that forgets what was not asked for lately: two halves, of which the older is dropped when the younger is full.
    Needs no lock: every step is one operation on a dict or a name."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._young: dict[_K, _V] = {}
        self._old: dict[_K, _V] = {}

    def get(self, key: _K) -> _V | None:
        """What was put, or None if it was never or long ago."""
        found = self._young.get(key)
        if found is None:
            found = self._old.get(key)
            if found is not None:
                self.put(key, found)
        return found

    def put(self, key: _K, value: _V) -> None:
        """Remember it."""
        if len(self._young) >= self._most:
            self._old, self._young = self._young, {}
        self._young[key] = value


class _Memory:
    """What one generation of keys has sealed and opened. Holds addresses in clear, hence is dropped at each erasure."""

    def __init__(self, generation: int, most: int) -> None:
        self.generation = generation
        self.tokens: _Recent[tuple[str, str, str | None], str] = _Recent(most)
        self.people: _Recent[tuple[str, str], Person] = _Recent(most)
        self.keys: _Recent[tuple[str, str], str] = _Recent(most)
