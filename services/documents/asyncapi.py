"""The three topics as an AsyncAPI 3.0.0 document, seen from Rendezvous: it receives source events and sends the rest."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import msgspec
from msgspec import Struct

from domain import events
from domain.events import Event
from domain.source_events import TYPES
from services.documents.names import DEAD_LETTERS, DOMAIN_EVENTS, SOURCE_EVENTS, kind_of, said, shapes_of
from services.documents.schemas import Json, of_kind, public_shapes, timed


def asyncapi() -> Json:
    """The three topics as an AsyncAPI 3.0.0 document, seen from Rendezvous: it receives source events and sends the rest."""
    told = {kind_of(name): _source_message(name) for name in TYPES}
    recorded = {f"domain.{name}": _domain_message(kind) for name, kind in events.BY_NAME.items()}
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Rendezvous",
            "version": "1.0.0",
            "description": "What the sides say (source events), what was decided about it (domain events), and what could not be read"
            " (dead letters). Order is total per account, the key of every record, and promised nowhere else. An installation may"
            " have a prefix before its topics' names.",
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": {
            "source-events": _channel(SOURCE_EVENTS, "What the sides say. Anybody with a right to publish may write here.", told),
            "domain-events": _channel(DOMAIN_EVENTS, "What was recorded, in the order in which it was recorded.", recorded),
            "dead-letters": _channel(DEAD_LETTERS, "Records that could not be read, as they came.", ["dead-letter"]),
        },
        "operations": {
            "receiveSourceEvents": _operation("receive", "source-events", "Decide what a side said."),
            "sendDomainEvents": _operation("send", "domain-events", "Publish what was recorded, once each by `ce_id`."),
            "sendDeadLetters": _operation("send", "dead-letters", "Set aside what could not be read, so that what is behind it goes on."),
        },
        "components": {
            "messages": told | recorded | {"dead-letter": _dead_letter()},
            "schemas": _asyncapi_shapes(),
        },
    }


def _channel(address: str, description: str, messages: Iterable[str]) -> Json:
    refs = {name: {"$ref": f"#/components/messages/{name}"} for name in messages}
    return {"address": address, "description": description, "messages": refs, "bindings": {"kafka": {"topic": address}}}


def _operation(action: str, channel: str, summary: str) -> Json:
    return {"action": action, "channel": {"$ref": f"#/channels/{channel}"}, "summary": summary}


def _message(name: str, summary: str, headers: str, payload: Json, content_type: str = "application/json") -> Json:
    typed = {"type": "object", "properties": {"ce_type": {"const": name}}}
    return {
        "name": name,
        "summary": summary,
        "contentType": content_type,
        "headers": {"allOf": [{"$ref": f"#/components/schemas/{headers}"}, typed]},
        "payload": payload,
        "bindings": {"kafka": {"key": {"type": "string", "description": "The account."}}},
    }


def _source_message(name: str) -> Json:
    struct = TYPES[name]
    payload = of_kind(kind_of(name), f"#/components/schemas/{struct.__name__}")
    return _message(name, said(struct, public=True), "SourceEventHeaders", payload)


def _domain_message(kind: type[Event]) -> Json:
    return _message(f"rendezvous.domain.{kind.NAME}", said(kind), "DomainEventHeaders", {"$ref": f"#/components/schemas/{kind.__name__}"})


def _dead_letter() -> Json:
    payload = {"description": "The original bytes, whatever they are."}
    summary = "A record that could not be read as a source event."
    return _message("rendezvous.dead-letter.v1", summary, "DeadLetterHeaders", payload, "application/octet-stream")


def _asyncapi_shapes() -> dict[str, Json]:
    template = "#/components/schemas/{name}"
    _, recorded = msgspec.json.schema_components(list(events.ALL), ref_template=template)
    by_name = {s.__name__: s for s in shapes_of(events.ALL)}
    described = {name: _described(shape, by_name.get(name)) for name, shape in recorded.items()}
    return HEADERS | described | public_shapes(list(dict.fromkeys(TYPES.values())), template)


def _described(shape: Json, struct: type[Struct] | None) -> Json:
    return cast("Json", timed(shape)) | ({"description": said(struct)} if struct else {})


def _headers(attributes: dict[str, str], optional: dict[str, str]) -> Json:
    common = {"ce_specversion": {"const": "1.0"}, "ce_type": {"type": "string"}}
    told = {f"ce_{name}": {"type": "string", "description": text} for name, text in (attributes | optional).items()}
    return {"type": "object", "properties": common | told, "required": [*common, *(f"ce_{name}" for name in attributes)]}


HEADERS: dict[str, Json] = {
    "SourceEventHeaders": _headers(
        {
            "id": "With `ce_source` the event's name: the same pair again is the same event.",
            "source": "Who says it, as /accounts/62515/calendars/google/ana@acme.example.",
            "account": "The HubSpot portal it belongs to.",
        },
        {
            "subject": "The side's id of what it is about. Required for contacts, users, connections and deliveries.",
            "time": "When it happened at the source, RFC 3339.",
            "partitionkey": "If given, the account.",
            "sequence": "The revision order of the subject at the source, compared as text.",
            "dataschema": "The schema of the value, as urn:rendezvous:schema:meeting:1.",
        },
    ),
    "DomainEventHeaders": _headers(
        {
            "id": "The event's place in the store it was recorded in; it grows, and by it a repetition is known.",
            "source": "The account, as /accounts/62515.",
            "subject": "The stream of the aggregate, 32 hexadecimal digits.",
            "account": "The HubSpot portal it belongs to.",
            "sequence": "The version of the event in its stream, from 1 without a gap, 20 digits.",
        },
        {},
    ),
    "DeadLetterHeaders": _headers(
        {
            "id": "The letter: partition and position, as 0-1843.",
            "source": "The partition of the source log, as /source-log/0.",
            "subject": "Its position there.",
            "time": "When it was set aside, RFC 3339.",
            "account": "The account it claims to be of, `unknown` if it does not say.",
            "errors": 'Why, as JSON: [{"pointer": "/data/duration", "reason": "..."}].',
        },
        {},
    ),
}
