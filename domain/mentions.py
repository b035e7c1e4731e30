"""Addresses that somebody typed into a text: a title, a description, a place, a link.

In the kept form each of them stands as its sealed token between two marks, so that erasing a person reaches it there too (rule erased).
What must stay true: opened again, a text is what was typed, character for character, as long as nobody in it is erased; what is shown
of an opened text as an address is what was sealed of it; and only we make marks.

What counts as an address is less than RFC 5321 allows: what people write between blanks, brackets and quotes. A sealed token is looked
up by it alone, so that a character too many would name nobody.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Protocol

from domain.people import KEY_LENGTH

ERASED = "[erased]"
"""What stands where the address of an erased person stood."""

_OPENS, _CLOSES = "\ue000", "\ue001"  # of the private use area: no keyboard types them
_MARKED = re.compile(rf"{_OPENS}([A-Za-z0-9_-]{{{KEY_LENGTH}}}\.[A-Za-z0-9_-]*){_CLOSES}")
_LONGEST = 64, 255
"""Of an address, before and behind the @ (RFC 5321, 4.5.3.1)."""
# Read backwards from the @, so that no text takes longer than its length.
_BEFORE = re.compile(r"[\w.+'-]*\w")
# The last of a domain's names has no digits: Teams calls its meetings meeting_x@thread.v2.
_BEHIND = re.compile(r"@(?:[\w-]+\.)+(?:xn--[\w-]+|[^\W\d_]{2,})(?!\w)")

Texts = tuple[str | None, ...]


class Opened(Protocol):
    """Somebody whose token was opened; without an address he is erased, or nobody of ours."""

    @property
    def email(self) -> str | None:
        """The address."""


def addresses(text: str | None) -> list[str]:
    """The addresses in a text, in order, each as often as it stands there.

    >>> addresses("Call <bo@client.example>, or o'neil@client.example."), addresses("a @ b, @c.example, d@e")
    (['bo@client.example', "o'neil@client.example"], [])
    """
    return [text[start:end] for start, end in _found(text)] if text else []


def sealed(text: str | None, token_of: Callable[[str], str]) -> str | None:
    """The text with a token in the place of each address."""
    return _replaced(text, lambda address: f"{_OPENS}{token_of(address)}{_CLOSES}") if text and "@" in text else text


def tokens(text: str | None) -> list[str]:
    """The tokens in a sealed text, in order."""
    return _MARKED.findall(text) if text and _OPENS in text else []


def opened(text: str | None, people: Mapping[str, Opened | None]) -> str | None:
    """A sealed text as it was typed, as far as its people may be named."""
    if not text or _OPENS not in text:
        return text
    return _MARKED.sub(lambda mark: _named(people.get(mark[1])), text)


def alike(one: str | None, other: str | None) -> bool:
    """Do two sealed texts say the same? One may have been told after somebody in it was erased."""
    return one == other or _keys_only(one) == _keys_only(other)


def is_marked(text: str) -> bool:
    """May a token stand in it?"""
    return _OPENS in text


def unmarked(text: str | None) -> str | None:
    """What comes from outside, without what only we may say."""
    return _MARKED.sub(r"\1", text) if text and _OPENS in text else text


def without(texts: Texts, keys: Iterable[str], erased: frozenset[str]) -> tuple[Texts, tuple[str, ...]]:
    """Opened texts without the addresses of those who are erased, and the keys of those that are left in them. `keys` are those of the
    addresses in these texts, in their order; none are there for what was stored before any was sealed."""
    left: list[str] = []
    of = iter(keys)

    def kept(address: str) -> str:
        key = next(of, "")
        if key in erased:
            return ERASED
        left.extend([key] if key else [])
        return address

    return tuple(_replaced(text, kept) if text and "@" in text else text for text in texts), tuple(left)


def _named(person: Opened | None) -> str:
    return ERASED if person is None or person.email is None else person.email


def _keys_only(text: str | None) -> str | None:
    return _MARKED.sub(lambda mark: mark[0][: KEY_LENGTH + 1], text) if text and _OPENS in text else text


def _replaced(text: str, by: Callable[[str], str]) -> str:
    parts, at = [], 0
    for start, end in _found(text):
        parts += [text[at:start], by(text[start:end])]
        at = end
    return "".join([*parts, text[at:]]) if parts else text


def _found(text: str) -> Iterator[tuple[int, int]]:
    """Where its addresses begin and end."""
    last, at = 0, text.find("@")
    while at >= 0:
        before = _BEFORE.match(text[max(last, at - _LONGEST[0]) : at][::-1])
        behind = _BEHIND.match(text, at, at + _LONGEST[1])
        if before is not None and behind is not None:
            yield at - before.end(), behind.end()
            last = behind.end()
        at = text.find("@", max(at + 1, last))
