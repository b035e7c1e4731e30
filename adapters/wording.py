"""What every vendor's `translate` needs to say a provider's fact as a source event: the envelope, clean text, revision order.

A `translate` is pure: decoded provider bodies in, `Translated` out. It is tolerant of missing and unknown fields, never
invents a value, and says what it could not carry instead of dropping it in silence.
"""

from __future__ import annotations

import hashlib
import json
import re
from datetime import UTC, datetime
from typing import Any, NamedTuple

MAX_NAME = 1000
# Everything below space but tab and line feed, DEL and the C1 block, and lone surrogates, which no UTF-8 text can hold.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")
_LINK = re.compile(r"https?://[^\s<>\"]+", re.IGNORECASE)


class Refused(NamedTuple):
    """A provider object that could not be said as a source event: which one, and why, for a person."""

    what: str
    reason: str


class Hint(NamedTuple):
    """A provider object that was only named (a webhook item), or read in part: it must be read, whole, before it can be said."""

    kind: str
    id: str


class Translated(NamedTuple):
    """Source events as JSON-ready dicts in the public form, in order; what was refused; what must be read first."""

    events: list[dict[str, Any]]
    refused: list[Refused]
    hints: list[Hint]


def envelope(
    kind: str, *, id: str, source: str, subject: str, time: str | None, account: str, data: dict[str, Any], sequence: str | None = None
) -> dict[str, Any]:
    """A CloudEvents 1.0 envelope around `data`; `kind` as `meeting.updated`."""
    schema = kind.split(".")[0]
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": id,
        "source": source,
        "type": f"rendezvous.{kind}.v1",
        "subject": subject,
        "account": account,
        "partitionkey": account,
        "datacontenttype": "application/json",
        "dataschema": f"urn:rendezvous:schema:{schema}:1",
        "data": data,
    }
    if time is not None:
        event["time"] = time
    if sequence is not None:
        event["sequence"] = sequence
    return event


def clean(text: object, limit: int | None = MAX_NAME) -> str | None:
    """Text without control characters, cut at `limit` characters; None for anything that is no text.

    >>> clean("Kick\\x00-off")
    'Kick-off'
    """
    if not isinstance(text, str):
        return None
    cleaned = _CONTROL.sub("", text)
    return cleaned if limit is None else cleaned[:limit]


def link(text: object) -> str | None:
    """An http(s) URL, or None: any other link (javascript:, data:, tel:) is dropped.

    >>> link("https://meet.example/a"), link("javascript:alert(1)")
    ('https://meet.example/a', None)
    """
    cleaned = clean(text, 2000)
    return cleaned.strip() if cleaned and _LINK.fullmatch(cleaned.strip()) else None


def parted(place: str | None) -> tuple[str | None, str | None]:
    """A place, and the conference's link that a writer has put behind it for want of a field of its own (`wanted.place`).

    >>> parted("Room 4; https://meet.example/a"), parted("https://meet.example/a"), parted("Room 4; by the stairs")
    (('Room 4', 'https://meet.example/a'), (None, 'https://meet.example/a'), ('Room 4; by the stairs', None))
    """
    before, _, last = (place or "").rpartition("; ")
    found = link(last)
    return (before or None, found) if found else (place, None)


def instant(moment: datetime) -> str:
    """RFC 3339 in UTC with milliseconds, as `2026-03-02T09:15:04.120Z`."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def sequence(moment: datetime) -> str:
    """A revision order that compares as text: milliseconds since 1970, 20 digits."""
    return f"{int(moment.timestamp() * 1000):020d}"


def digest(value: object) -> str:
    """A short fingerprint of a JSON-ready value, for ids of revisions that a provider does not number."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()
