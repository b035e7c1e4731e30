"""The generated documents are what the code says, the schemas judge as the reader does, and the pages about rules and errors
leave nothing out."""

from __future__ import annotations

import ast
import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
import yaml
from referencing import Registry, Resource

from domain import errors, events, source_events
from domain.decisions import Rule
from domain.source_events import TYPES, ContactData, Participant, SourceEvent, read
from services.documents.asyncapi import asyncapi
from services.documents.catalogue import worded
from services.documents.names import kind_of, readers, said
from services.documents.schemas import schemas
from services.documents.writing import DOCS, differences, documents, main, write

ROOT = Path(__file__).parents[2]
SHARED = ROOT.parent / "shared"
STANDARDS = SHARED / "contracts" / "standards"
SCENARIOS = SHARED / "conformance" / "scenarios"
RULE_TABLES = sorted((ROOT / "tests" / "domain" / "rules").glob("test_*.py"))
GOLDEN = sorted((ROOT / "tests" / "adapters" / "golden").rglob("*.json"))

Event = dict[str, Any]

MEETING: Event = {
    "side": "calendar",
    "provenance": {
        "provider": "google",
        "user": "501",
        "calendar": "ana@acme.example",
        "primary": True,
        "id": "7k1b0",
        "revision": '"3181161784712000"',
        "icalUid": "7k1b0@google.com",
        "seriesId": None,
        "originalStart": None,
        "created": "2026-03-01T08:00:00Z",
        "updated": "2026-03-02T09:15:04.120Z",
        "origin": "user",
        "link": None,
        "detailsHidden": False,
    },
    "title": "Kick-off",
    "description": None,
    "start": "2026-03-09T10:00:00",
    "timeZone": "Europe/Paris",
    "duration": "PT1H",
    "showWithoutTime": False,
    "status": "confirmed",
    "privacy": "public",
    "kind": "meeting",
    "location": "Room 4",
    "conferenceUrl": None,
    "participants": {
        "1": {"email": "ana@acme.example", "name": "Ana", "roles": {"owner": True, "attendee": True}, "participationStatus": "accepted"},
        "2": {"email": "bo@client.example", "name": "Bo", "roles": {"attendee": True}, "participationStatus": "needs-action"},
    },
    "recurrenceRules": [],
    "excludedStarts": [],
    "addedStarts": [],
    "associations": {"contacts": [], "companies": [], "deals": [], "tickets": []},
}
EXAMPLE: Event = {
    "specversion": "1.0",
    "id": 'google:ana@acme.example:7k1b0:"3181161784712000"',
    "source": "/accounts/62515/calendars/google/ana@acme.example",
    "type": "rendezvous.meeting.updated.v1",
    "subject": "7k1b0",
    "time": "2026-03-02T09:15:04.120Z",
    "account": "62515",
    "partitionkey": "62515",
    "sequence": "00000001772442904120",
    "datacontenttype": "application/json",
    "dataschema": "urn:rendezvous:schema:meeting:1",
    "data": MEETING,
}
WHOLE = {
    "side": "crm",
    "provenance": {"provider": "hubspot", "id": "9001", "user": "501", "updated": "2026-03-02T09:15:04Z"},
    "start": "2026-03-09T10:00:00",
    "duration": "PT0S",
    "status": "confirmed",
}
AT = "2026-03-01T09:00:00Z"
MINIMAL: dict[str, Event] = {
    "meeting.created": WHOLE,
    "meeting.updated": WHOLE,
    "meeting.deleted": {"provenance": {"provider": "google", "id": "7k1b0"}},
    "meeting.restored": WHOLE,
    "calendar.listed": {
        "provenance": {"provider": "google"},
        "ids": [],
        "complete": True,
        "from": "2026-01-01T00:00:00Z",
        "to": "2027-01-01T00:00:00Z",
    },
    "contact.created": {},
    "contact.updated": {},
    "contact.deleted": {},
    "contact.erased": {},
    "contact.merged": {"merged": []},
    "user.added": {"email": "ana@acme.example"},
    "user.removed": {},
    "account.configured": {},
    "connection.activated": {"provider": "google", "at": AT},
    "connection.deauthorised": {"provider": "office365", "at": AT},
    "connection.disconnected": {"provider": "office365", "at": AT},
    "delivery.confirmed": {},
    "delivery.failed": {"reason": "gone"},
    "clock.ticked": {"at": AT},
}


def minimal(kind: str, data: Any) -> Event:
    return {
        "specversion": "1.0",
        "id": "1",
        "source": "/s",
        "type": f"rendezvous.{kind}.v1",
        "account": "62515",
        "subject": "7",
        "data": data,
    }


def validator(schema: Event) -> Any:
    """For one schema, the others being at hand by their ids."""
    registry = Registry().with_resources((s["$id"], Resource.from_contents(s)) for s in schemas().values())
    return jsonschema.Draft202012Validator(schema, registry=registry)


ENVELOPE = validator(schemas()["envelope"])


def by_schema(event: Event) -> bool:
    return bool(ENVELOPE.is_valid(event))


def by_reader(event: Event) -> bool:
    return isinstance(read(msgspec.json.encode(event)), SourceEvent)


# --- written and checked -------------------------------------------------------------------------------------------------


def test_the_documents_in_the_repository_are_what_the_code_says() -> None:
    assert differences(DOCS, documents()) == []


def test_writing_twice_writes_once_and_takes_away_what_is_no_longer_made(tmp_path: Path) -> None:
    wanted = {"events.md": "a", "schemas/meeting.json": "b"}
    (tmp_path / "schemas").mkdir()
    (tmp_path / "schemas" / "old.json").write_text("c")
    assert write(tmp_path, wanted) == ["events.md", "schemas/meeting.json", "schemas/old.json"]
    assert write(tmp_path, wanted) == []
    assert sorted(f.name for f in tmp_path.rglob("*.*")) == ["events.md", "meeting.json"]


def test_checking_writes_nothing_and_says_what_differs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check"], tmp_path) == 1
    assert list(tmp_path.iterdir()) == []
    assert f"{tmp_path.name}/events.md is not what the code says" in capsys.readouterr().out
    assert (main([], tmp_path), main(["--check"], tmp_path)) == (0, 0)


def test_a_changed_docstring_would_be_seen(tmp_path: Path) -> None:
    wanted = documents()
    write(tmp_path, wanted)
    changed = wanted | {"events.md": wanted["events.md"].replace("A CRM contact.", "A person.")}
    assert differences(tmp_path, changed) == ["events.md"]


# --- the schemas judge as the reader does --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(schemas()))
def test_a_schema_is_one_and_says_which(name: str) -> None:
    schema = schemas()[name]
    jsonschema.Draft202012Validator.check_schema(schema)
    assert schema["$id"] == f"urn:rendezvous:schema:{name}:1"


def test_the_example_of_the_contract_is_accepted() -> None:
    assert (list(ENVELOPE.iter_errors(EXAMPLE)), by_reader(EXAMPLE)) == ([], True)
    assert list(validator(schemas()["meeting"]).iter_errors(MEETING)) == []


def test_every_type_has_a_least_example() -> None:
    assert list(MINIMAL) == [kind_of(name) for name in TYPES]


@pytest.mark.parametrize("kind", MINIMAL)
def test_the_least_of_every_type_is_accepted(kind: str) -> None:
    event = minimal(kind, MINIMAL[kind])
    assert (list(ENVELOPE.iter_errors(event)), by_reader(event)) == ([], True)
    assert validator(schemas()[kind.split(".")[0]]).is_valid(MINIMAL[kind])


def changed(change: Event, **data: Any) -> Event:
    """The contract's example with other attributes, and with other values in its data."""
    return EXAMPLE | change | {"data": MEETING | data}


@pytest.mark.parametrize(
    "event",
    [
        pytest.param(EXAMPLE | {"type": "rendezvous.meeting.moved.v1"}, id="a type nobody knows"),
        pytest.param(EXAMPLE | {"specversion": "0.3"}, id="another CloudEvents"),
        pytest.param({k: v for k, v in EXAMPLE.items() if k != "account"}, id="no account"),
        pytest.param({k: v for k, v in EXAMPLE.items() if k != "data"}, id="no data"),
        pytest.param(EXAMPLE | {"id": ""}, id="an empty id"),
        pytest.param(EXAMPLE | {"time": "2026-03-02T09:15:04"}, id="a time without an offset"),
        pytest.param(EXAMPLE | {"sequence": "9" * 129}, id="a sequence too long to compare"),
        pytest.param(EXAMPLE | {"data": []}, id="data that is a list"),
        pytest.param(changed({}, duration="-PT1H"), id="a duration below zero"),
        pytest.param(changed({}, duration="an hour"), id="a duration in words"),
        pytest.param(changed({}, duration="P1M"), id="a month, which has no length"),
        pytest.param(changed({}, start="2026-03-09T10:00:00Z"), id="a local start with an offset"),
        pytest.param(changed({}, start="9 March"), id="a start in words"),
        pytest.param(changed({}, status="maybe"), id="an unknown status"),
        pytest.param(changed({}, side="left"), id="an unknown side"),
        pytest.param(changed({}, title=7), id="a title that is a number"),
        pytest.param(changed({}, showWithoutTime=True), id="an all-day start with a time of day"),
        pytest.param(changed({}, showWithoutTime=True, start="2026-03-09T00:00:00"), id="an all-day meeting of an hour"),
        pytest.param(changed({}, participants={str(n): {} for n in range(1001)}), id="more than a thousand participants"),
        pytest.param(changed({}, participants={"1": {"roles": {"owner": "yes"}}}), id="a role that is text"),
        pytest.param(changed({}, excludedStarts=["2026-03-09"]), id="an excluded start without a time"),
        pytest.param(changed({}, provenance={k: v for k, v in MEETING["provenance"].items() if k != "created"}), id="no creation time"),
        pytest.param(
            changed({}, recurrenceRules=["FREQ=DAILY"], provenance=MEETING["provenance"] | {"originalStart": AT}),
            id="rules on an occurrence",
        ),
        pytest.param(changed({}, provenance=MEETING["provenance"] | {"seriesId": "s1"}), id="an occurrence without its original start"),
        pytest.param(changed({"type": "rendezvous.meeting.restored.v1"}), id="a restore by a calendar"),
        pytest.param(minimal("meeting.deleted", {"provenance": {"provider": "google"}}), id="a deletion of nothing"),
        pytest.param(minimal("calendar.listed", MINIMAL["calendar.listed"] | {"ids": [7]}), id="a listed id that is a number"),
        pytest.param(minimal("contact.created", {"email": ["a@b.example"]}), id="several Email properties"),
        pytest.param(minimal("contact.merged", {"email": "a@b.example"}), id="a merge of nobody said"),
        pytest.param(minimal("user.added", {"aliases": ["a@b.example"]}), id="a user without an address"),
        pytest.param({k: v for k, v in minimal("user.added", MINIMAL["user.added"]).items() if k != "subject"}, id="a user without an id"),
        pytest.param(minimal("account.configured", {"policy": {"late_contact": "never"}}), id="a policy there is not"),
        pytest.param(minimal("account.configured", {"policy": {"mass_delete": {"share": 1.5}}}), id="a share above the whole"),
        pytest.param(minimal("connection.activated", {"provider": "icloud", "at": AT}), id="a provider there is not"),
        pytest.param(minimal("connection.disconnected", {"provider": "google"}), id="a disconnection without a time"),
        pytest.param(minimal("delivery.failed", {}), id="a failure without a reason"),
        pytest.param(minimal("clock.ticked", {"at": 1772442904120}), id="a tick in milliseconds"),
    ],
)
def test_what_the_reader_refuses_a_schema_can_refuse_too(event: Event) -> None:
    assert (by_schema(event), by_reader(event)) == (False, False)


def places(value: Any, pointer: str = "") -> Iterator[str]:
    """A JSON Pointer to everything inside."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in inside:
        yield f"{pointer}/{key}"
        yield from places(item, f"{pointer}/{key}")


def damaged(event: Event, pointer: str) -> Iterator[Event]:
    """The event with this place missing, and with other things in it."""
    for value in (None, True, -1, 1.5, "", "x", [], ["x"], {}, {"x": "x"}, ...):
        other = copy.deepcopy(event)
        *path, last = pointer.split("/")[1:]
        inner = other
        for key in path:
            inner = inner[key]
        if value is ...:
            del inner[last]
        else:
            inner[last] = value
        yield other


def test_a_damaged_event_is_judged_alike_by_schema_and_reader() -> None:
    """Only what no schema can say is left to the reader: that a zone exists, a rule parses, two fields are equal."""
    left_to_the_reader = set()
    for pointer in places(EXAMPLE):
        for event in damaged(EXAMPLE, pointer):
            schema, reader = by_schema(event), by_reader(event)
            assert schema or not reader, f"the schema refuses what the reader accepts: {pointer}"
            if schema and not reader:
                left_to_the_reader.add(pointer)
    assert left_to_the_reader == {"/account", "/partitionkey", "/data/timeZone", "/data/recurrenceRules"}


@pytest.mark.parametrize("file", GOLDEN, ids=lambda file: f"{file.parent.name}-{file.stem}")
def test_what_our_adapters_say_fits_the_schemas(file: Path) -> None:
    """By the envelope, and by the schema that the event itself names."""
    for event in json.loads(file.read_text("utf-8"))["events"]:
        assert list(ENVELOPE.iter_errors(event)) == []
        named = event["dataschema"].split(":")[-2]
        assert list(validator(schemas()[named]).iter_errors(event["data"])) == []


def test_what_the_scenarios_publish_is_judged_alike_by_schema_and_reader() -> None:
    if not SCENARIOS.is_dir():
        pytest.skip("the conformance scenarios are not beside the repository")
    published = [
        e for file in sorted(SCENARIOS.glob("*.json")) for step in json.loads(file.read_text("utf-8"))["steps"] for e in _events(step)
    ]
    assert len(published) > 100
    assert [e for e in published if by_reader(e) and not by_schema(e)] == []


def _events(step: Event) -> list[Event]:
    return [e for e in step.get("publish") or [] if isinstance(e, dict)]


def test_a_whole_meeting_with_a_mistake_does_not_pass_for_a_deletion() -> None:
    meeting = validator(schemas()["meeting"])
    assert not meeting.is_valid({k: v for k, v in MEETING.items() if k != "start"})
    assert meeting.is_valid({"provenance": {"provider": "google", "id": "7k1b0"}})


# --- what the public may not see, and words --------------------------------------------------------------------------------


def test_the_kept_form_stands_in_no_public_schema() -> None:
    assert "sealed" in {f.name for f in msgspec.structs.fields(Participant)}
    public = [text for name, text in documents().items() if name.startswith("schemas/")]
    structs: list[type[msgspec.Struct]] = [*TYPES.values(), Participant]
    public += [json.dumps(asyncapi()["components"]["schemas"][struct.__name__]) for struct in structs]
    assert [text for text in public if "sealed" in text or "kept form" in text] == []


def test_docstrings_speak_of_json() -> None:
    assert said(ContactData, public=True) == "A CRM contact. `email` is the Email property, null if it has none."
    assert said(events.Shown) == "What readers of a timeline see of a meeting or of one occurrence, and for which contacts."
    assert "`conferenceUrl`" not in said(events.Shown)
    assert "`cancelledFrom`" in said(events.Part)


@pytest.mark.parametrize(
    ("told", "words"),
    [
        pytest.param(str | None, "text, or null", id="optional"),
        pytest.param(dict[str, list[bool]], "map of text to list of true or false", id="nested"),
        pytest.param(source_events.Instant, "instant, RFC 3339", id="an instant"),
        pytest.param(source_events.LocalTime, "local time, RFC 3339 without offset", id="a local time"),
        pytest.param(source_events.Name, "text (1 to 1024 characters)", id="bounded text"),
        pytest.param(Rule, "the id of a [rule](rules.md)", id="a rule"),
        pytest.param(Any, "anything", id="anything"),
    ],
)
def test_types_are_told_in_words(told: Any, words: str) -> None:
    assert worded(msgspec.inspect.type_info(told)) == words


def test_the_catalogue_has_every_event_and_no_other() -> None:
    text = (DOCS / "events.md").read_text("utf-8")
    assert re.findall(r"^\| `(rendezvous\.[^`]+)`", text, re.MULTILINE) == list(TYPES)
    assert re.findall(r"^### (\S+\.v\d+)$", text, re.MULTILINE) == list(events.BY_NAME)


def test_a_reader_is_a_projection_that_names_the_event() -> None:
    assert "connection_health" in readers()["connection.activated.v1"]
    assert "connection_health" not in readers()["meeting.absorbed.v1"]


# --- AsyncAPI ------------------------------------------------------------------------------------------------------------


def refs(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        for inner in value.values():
            yield from refs(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from refs(inner)


def resolved(document: Any, ref: str) -> Any:
    for part in ref.removeprefix("#/").split("/"):
        document = document.get(part) if isinstance(document, dict) else None
    return document


def test_every_reference_of_the_asyncapi_document_leads_somewhere() -> None:
    document = yaml.safe_load((DOCS / "asyncapi.yaml").read_text("utf-8"))
    found = set(refs(document))
    assert len(found) > 100
    assert [ref for ref in sorted(found) if resolved(document, ref) is None] == []


def test_every_event_is_a_message_of_its_topic() -> None:
    document = asyncapi()
    assert {name: channel["address"] for name, channel in document["channels"].items()} == {
        "source-events": "rendezvous.source-events",
        "domain-events": "rendezvous.domain-events",
        "dead-letters": "rendezvous.dead-letters",
    }
    named = {m["name"] for m in document["components"]["messages"].values()}
    assert named == {*TYPES, *(f"rendezvous.domain.{name}" for name in events.BY_NAME), "rendezvous.dead-letter.v1"}
    assert sum(len(c["messages"]) for c in document["channels"].values()) == len(named)


def test_headers_are_those_of_cloudevents() -> None:
    shapes = asyncapi()["components"]["schemas"]
    for name in ("SourceEventHeaders", "DomainEventHeaders", "DeadLetterHeaders"):
        assert {"ce_specversion", "ce_type", "ce_id", "ce_source", "ce_account"} <= set(shapes[name]["required"])
    attributes = {f"ce_{f.name}" for f in msgspec.structs.fields(source_events.Envelope)}
    assert set(shapes["SourceEventHeaders"]["properties"]) <= attributes


def test_a_message_validates_as_its_schema_does() -> None:
    document = asyncapi()
    ref = {"$ref": "#/components/schemas/MeetingData", "components": document["components"]}
    judge = jsonschema.Draft7Validator(ref | {"components": document["components"]})
    assert (judge.is_valid(MEETING), judge.is_valid(MEETING | {"duration": "-PT1H"})) == (True, False)


@pytest.fixture(scope="session")
def standards() -> Path:
    if not STANDARDS.is_dir():
        pytest.skip("the standards' own schemas are not beside the repository")
    return STANDARDS


def test_the_asyncapi_document_is_one(standards: Path) -> None:
    schema = json.loads((standards / "asyncapi-3.0.0.schema.json").read_text("utf-8"))
    document = yaml.safe_load((DOCS / "asyncapi.yaml").read_text("utf-8"))
    judge = jsonschema.Draft7Validator(schema)
    assert [f"{list(e.absolute_path)}: {e.message[:200]}" for e in judge.iter_errors(document)] == []
    assert not judge.is_valid(document | {"operations": {"x": {"action": "shout"}}})


@pytest.mark.parametrize("kind", MINIMAL)
def test_our_events_are_cloudevents(kind: str, standards: Path) -> None:
    schema = json.loads((standards / "cloudevents.v1.schema.json").read_text("utf-8"))
    assert list(jsonschema.Draft7Validator(schema).iter_errors(minimal(kind, MINIMAL[kind]))) == []


# --- pages written by hand -------------------------------------------------------------------------------------------------


def leaves(kind: type[errors.RendezvousError]) -> Iterator[type[errors.RendezvousError]]:
    below = [one for one in kind.__subclasses__() if one.__module__ == errors.__name__]
    for one in below:
        yield from leaves(one)
    if not below:
        yield kind


def page(name: str) -> str:
    return (DOCS / name).read_text("utf-8")


def test_every_error_has_its_line_in_when_it_breaks() -> None:
    known = {kind.__name__ for kind in leaves(errors.RendezvousError)}
    told = set(re.findall(r"`([A-Z]\w+)`", page("when-it-breaks.md")))
    assert (known - told, {name for name in told if not hasattr(errors, name)}) == (set(), set())


def test_every_rule_has_its_section_and_every_section_its_rule() -> None:
    assert sorted(re.findall(r"^### `([a-z-]+)`$", page("rules.md"), re.MULTILINE)) == sorted(rule.value for rule in Rule)


@pytest.mark.parametrize("rule", list(Rule), ids=str)
def test_every_rule_is_named_by_the_tables_that_try_to_break_it(rule: Rule) -> None:
    """As `docs/rules.md` promises: who looks for a rule's id among the tests finds them, by the words at the top of their file."""
    tops = [ast.get_docstring(ast.parse(file.read_text("utf-8"))) or "" for file in RULE_TABLES]
    assert [top for top in tops if re.search(rf"(?<![\w-]){rule.value}(?![\w-])", top)] != []


@pytest.mark.parametrize("name", ["map.md", "rules.md", "when-it-breaks.md"])
def test_a_file_named_in_a_page_exists(name: str) -> None:
    named = set(re.findall(r"`((?:domain|projections|adapters|services|tests|docs)/[\w./-]+)`", page(name)))
    assert sorted(path for path in named if not (ROOT / path).exists()) == []


def test_every_module_of_the_domain_is_on_the_map() -> None:
    files = [f.name for f in (ROOT / "domain").glob("*.py") if f.stem != "__init__"]
    assert [name for name in files if f"`{name.removesuffix('.py')}`" not in page("map.md")] == []
