"""Source events as Kafka records: CloudEvents in structured mode as we write them, in either mode as others may.

What must stay true: no record whatever makes this raise; a record that is no CloudEvent comes out as the bytes it is made of, so that
the dead letters keep them; and a value cannot speak for its envelope.

The protocol binding is https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from domain.ports import NewRecord
from domain.sighting import digest

CONTENT_TYPE = "content-type"
STRUCTURED = b"application/cloudevents"
EVENT = "rendezvous-event"
"""A header of our own records: the digest of (source, id), so that it need not be computed again at each reading."""

_ATTRIBUTE = re.compile(r"ce_([a-z0-9]+)", re.IGNORECASE)
_NOT_ATTRIBUTES = frozenset({"data", "data_base64", "datacontenttype"})

Headers = Sequence[tuple[str, bytes | None]]


def headers_of(record: NewRecord) -> list[tuple[str, bytes]]:
    """The headers of a record that we append, its body being a structured CloudEvent."""
    return [(EVENT, b"%d" % record.event), (CONTENT_TYPE, STRUCTURED + b"+json; charset=UTF-8")]


def told(key: bytes | None, value: bytes | None, headers: Headers) -> tuple[str, int, bytes]:
    """(account, event, body) of a record, as `ports.LogRecord` has them. What cannot be told is "" and 0."""
    if headers and headers[0][0] == EVENT and key is not None and (event := _number(headers[0][1])) is not None:
        return key.decode("utf-8", "replace"), event, value or b""
    body = _body(value, headers)
    named = _named(body)
    account = named.account if named.account is not None else (key or b"").decode("utf-8", "replace")
    return account, digest(named.source, named.id) if named.source and named.id else 0, body


def _number(text: bytes | None) -> int | None:
    return int(text) if text is not None and text.isdigit() and len(text) < 20 and int(text) < 2**63 else None


def _body(value: bytes | None, headers: Headers) -> bytes:
    content_type, attributes = b"", {}
    for name, text in headers:
        if name.lower() == CONTENT_TYPE:
            content_type = text or b""
        elif (match := _ATTRIBUTE.fullmatch(name)) and match[1].lower() not in _NOT_ATTRIBUTES:
            attributes[match[1].lower()] = _text(text)
    if not attributes or content_type.lower().startswith(STRUCTURED):
        return value or b""
    return _structured(attributes, content_type, value)


def _text(text: bytes | None) -> str | bool:
    try:
        return (text or b"").decode("utf-8")
    except UnicodeDecodeError:
        return False  # no attribute is a truth value: the event is refused with a pointer to this one


def _structured(attributes: dict[str, str | bool], content_type: bytes, value: bytes | None) -> bytes:
    """A binary-mode record in structured mode. A value that is no JSON stays alone, as it came."""
    envelope: dict[str, Any] = dict(attributes)
    if content_type:
        envelope["datacontenttype"] = content_type.decode("utf-8", "replace")
    if value is not None:
        try:
            # Looked through before it is put inside: half an object followed by another would otherwise become part of the envelope.
            envelope["data"] = msgspec.json.decode(value, type=msgspec.Raw)
        except (msgspec.DecodeError, RecursionError):
            return value
    return msgspec.json.encode(envelope)


class _Named(msgspec.Struct):
    """As much of an envelope as gives an event its name."""

    id: str = ""
    source: str = ""
    account: str | None = None


_names = msgspec.json.Decoder(_Named)
_NAMELESS = _Named()


def _named(body: bytes) -> _Named:
    try:
        return _names.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError, ValueError):
        return _NAMELESS
