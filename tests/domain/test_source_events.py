"""The contract at its door: what `read` accepts, what it refuses and where it points, and that nothing makes it raise."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any, cast

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain import recurrence, sighting
from domain.source_events import (
    MAX_BYTES,
    MAX_PARTICIPANTS,
    TYPES,
    ContactData,
    MeetingData,
    PrivateMeetingData,
    Problem,
    SourceEvent,
    UserData,
    read,
)
from tests import examples
from tests.examples import Event

GONE = object()
"""Marks a field to leave out."""


def delivery(kind: str = "confirmed") -> Event:
    """A provider's answer to an outside write."""
    answer: Event = {"meeting": "0b0e", "provider": "google", "id": "g1", "revision": "2", "icalUid": "g1@google.example"}
    data = answer if kind == "confirmed" else {"reason": "quota", "final": True, "meeting": "0b0e"}
    return examples.envelope(f"delivery.{kind}", "d1", data, id=f"d1:{kind}", source="deliveries", at=examples.hour(1))


def series(**fields: Any) -> Event:
    """A weekly meeting, with everything a master may say."""
    told = {"recurrenceRules": ["FREQ=WEEKLY"], "excludedStarts": ["2026-04-14T10:00:00"], "addedStarts": ["2026-04-15T10:00:00"]}
    return examples.meeting(**{**told, **fields})


GOOD: dict[str, Callable[[], Event]] = {
    "meeting.created": examples.meeting,
    "meeting.updated": lambda: series(revision=1),
    "meeting.deleted": examples.deleted,
    "meeting.restored": lambda: examples.row(kind="meeting.restored"),
    "calendar.listed": lambda: examples.listed(["g1", "g2"]),
    "contact.created": lambda: examples.contact("151", examples.BO),
    "contact.updated": lambda: examples.contact("151", None, kind="contact.updated"),
    "contact.deleted": lambda: examples.contact_said("151", "contact.deleted", 1),
    "contact.erased": lambda: examples.contact_said("151", "contact.erased", 1),
    "contact.merged": lambda: examples.contact_said("151", "contact.merged", 1, {"merged": ["152"], "email": examples.BO, "name": "Bo"}),
    "user.added": lambda: examples.user("501", examples.ANA, aliases=("a@acme.example",)),
    "user.removed": lambda: examples.user("501", examples.ANA, kind="user.removed"),
    "account.configured": lambda: examples.configured(
        never_log={"addresses": ["x@y.example"], "domains": ["z.example"]},
        policy={"late_contact": "backfill", "mass_delete": {"count": 3, "share": 0.5}, "series": {"before_days": 10, "after_days": 20}},
    ),
    "connection.activated": examples.connected,
    "connection.deauthorised": lambda: examples.ended(kind="deauthorised"),
    "connection.disconnected": examples.ended,
    "delivery.confirmed": delivery,
    "delivery.failed": lambda: delivery("failed"),
    "clock.ticked": examples.ticked,
}


def parts_of(pointer: str) -> list[str]:
    """The names in a JSON Pointer."""
    return [p.replace("~1", "/").replace("~0", "~") for p in pointer.split("/")[1:]]


def put(event: Event, pointer: str, value: object) -> Event:
    """The event with `value` at the pointer, or without what stands there."""
    changed: Any = deepcopy(event)
    place = changed
    *path, name = parts_of(pointer)
    for part in path:
        place = place[int(part)] if isinstance(place, list) else place[part]
    key: Any = int(name) if isinstance(place, list) else name
    if value is GONE:
        del place[key]
    else:
        place[key] = value
    return cast(Event, changed)


def pointers(value: object, here: str = "") -> Iterator[str]:
    """Every place below the root."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, inner in items:
        pointer = f"{here}/{str(name).replace('~', '~0').replace('/', '~1')}"
        yield pointer
        yield from pointers(inner, pointer)


def raw(event: object) -> bytes:
    """As it comes from outside."""
    return json.dumps(event).encode()


def accepted(event: object) -> SourceEvent:
    """The event, which must not be refused."""
    found = read(event if isinstance(event, bytes) else raw(event))
    assert isinstance(found, SourceEvent), found
    return found


def refused(event: object) -> list[Problem]:
    """The problems, of which there must be some."""
    found = read(event if isinstance(event, bytes) else raw(event))
    assert isinstance(found, list), f"accepted: {found}"
    assert found
    return found


def places(event: object) -> list[str]:
    """The pointers of the problems, sorted."""
    return sorted(p.pointer for p in refused(event))


# --- what is accepted -----------------------------------------------------------------------------------------------------


def test_every_type_has_an_example_here() -> None:
    assert {f"rendezvous.{kind}.v1" for kind in GOOD} == set(TYPES)


@pytest.mark.parametrize("kind", GOOD)
def test_a_good_event_of_each_type_is_accepted_with_its_envelope(kind: str) -> None:
    event = GOOD[kind]()
    found = accepted(event)
    assert (found.kind, found.id, found.source, found.account) == (kind, event["id"], event["source"], "62515")
    assert (found.subject, found.sequence) == (event["subject"], event["sequence"])
    assert found.time == datetime.fromisoformat(event["time"])


@pytest.mark.parametrize("kind", GOOD)
def test_unknown_fields_are_ignored_at_every_depth(kind: str) -> None:
    event = GOOD[kind]()
    changed = deepcopy(event)
    changed["unheard"] = {"of": [1, None]}
    for pointer in [p for p in pointers(event) if p.startswith("/data")]:
        place: Any = changed
        for part in parts_of(pointer):
            place = place[int(part)] if isinstance(place, list) else place[part]
        if isinstance(place, dict) and pointer != "/data/participants":
            place["unheard"] = {"of": [1, None]}
    assert accepted(changed).data == accepted(event).data


def test_a_meeting_says_all_of_the_contract() -> None:
    found = accepted(
        series(
            description="Agenda",
            conferenceUrl="https://meet.example/x",
            status="tentative",
            privacy="public",
            provenance={"link": "0b0e", "detailsHidden": True, "origin": "rendezvous", "primary": False},
        )
    ).data
    assert isinstance(found, MeetingData)
    assert (found.start, found.time_zone, found.duration) == (datetime(2026, 4, 7, 10), "Europe/Paris", "PT1H")
    assert (found.description, found.conference_url, found.status) == ("Agenda", "https://meet.example/x", "tentative")
    assert found.recurrence_rules == ["FREQ=WEEKLY"]
    assert (found.excluded_starts, found.added_starts) == ([datetime(2026, 4, 14, 10)], [datetime(2026, 4, 15, 10)])
    p = found.provenance
    assert (p.provider, p.user, p.id, p.ical_uid) == ("google", "501", "g1", "g1@google.example")
    assert (p.link, p.details_hidden, p.origin, p.primary) == ("0b0e", True, "rendezvous", False)
    assert p.created == datetime(2026, 3, 2, 8, tzinfo=UTC)
    organiser, guest = found.participants["1"], found.participants["2"]
    assert (organiser.email, organiser.roles.owner, organiser.participation_status) == (examples.ANA, True, "accepted")
    assert (guest.email, guest.name, guest.roles.owner, guest.roles.attendee) == (examples.BO, "Bo", False, True)


def test_a_meeting_with_only_what_is_required_has_the_defaults_of_the_contract() -> None:
    event = examples.meeting()
    event["data"] = {
        "side": "calendar",
        "provenance": {n: event["data"]["provenance"][n] for n in ("provider", "id", "user", "created", "updated")},
        "start": "2026-04-07T10:00:00",
        "duration": "PT0S",
        "status": "confirmed",
    }
    found = accepted(event).data
    assert isinstance(found, MeetingData)
    assert (found.title, found.description, found.time_zone, found.location, found.conference_url) == (None,) * 5
    assert (found.show_without_time, found.privacy, found.kind, found.participants) == (False, "public", "meeting", {})
    assert (found.recurrence_rules, found.excluded_starts, found.added_starts) == ([], [], [])
    assert (found.provenance.primary, found.provenance.origin, found.provenance.details_hidden) == (True, "user", False)


def test_the_crm_side_needs_no_creation_time() -> None:
    assert accepted(examples.row(provenance={"created": None})).data.provenance.created is None


def test_settings_keep_the_default_of_a_policy_key_left_out_and_ignore_an_unknown_one() -> None:
    policy = accepted(examples.configured(policy={"mass_delete": {"count": 3}, "colour": "red"})).data.policy
    assert (policy.late_contact, policy.mass_delete.count, policy.mass_delete.share) == ("next-change", 3, 0.2)
    assert (policy.series.before_days, policy.series.after_days) == (365, 365)


def test_an_event_without_optional_attributes_is_accepted() -> None:
    bare = {name: value for name, value in examples.meeting().items() if name in ("specversion", "id", "source", "type", "account", "data")}
    found = accepted(bare)
    assert (found.subject, found.time, found.sequence) == ("g1", None, None)


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("/data/start", "9999-12-31T23:00:00"),
        ("/data/start", "0001-01-01T00:00:00"),
        ("/data/duration", "P1W"),
        ("/data/duration", "P1DT1H30M"),
        ("/data/duration", "PT0S"),
        ("/data/timeZone", None),
        ("/data/timeZone", "UTC"),
        ("/data/timeZone", "Etc/GMT+5"),
        ("/data/timeZone", "Asia/Kathmandu"),
        ("/data/title", "\U0001f600 نص \u0000"),
        ("/data/participants", {}),
        ("/data/provenance/provider", "zimbra"),
        ("/data/recurrenceRules", ["freq=weekly;byday=mo"]),
        ("/data/recurrenceRules", ["FREQ=DAILY;COUNT=1000000"]),
        ("/sequence", "~" * 128),
    ],
    ids=lambda v: str(v)[:30].encode("ascii", "replace").decode(),
)
def test_the_unusual_but_possible_is_accepted(pointer: str, value: object) -> None:
    assert accepted(put(examples.meeting(), pointer, value)).id == "google:501:g1:0"


# --- what is refused, and where ---------------------------------------------------------------------------------------------

REQUIRED = {
    "meeting.created": [
        "/data/side",
        "/data/provenance",
        "/data/start",
        "/data/duration",
        "/data/status",
        "/data/provenance/provider",
        "/data/provenance/id",
        "/data/provenance/user",
        "/data/provenance/updated",
        "/data/provenance/created",
    ],
    "meeting.deleted": ["/data/provenance", "/data/provenance/provider", "/data/provenance/id"],
    "calendar.listed": ["/data/provenance", "/data/provenance/provider", "/data/ids", "/data/complete", "/data/from", "/data/to"],
    "contact.created": ["/subject"],
    "contact.merged": ["/data/merged", "/subject"],
    "user.added": ["/data/email", "/subject"],
    "user.removed": ["/subject"],
    "connection.activated": ["/data/provider", "/data/at", "/subject"],
    "connection.disconnected": ["/data/provider", "/data/at", "/subject"],
    "delivery.confirmed": ["/subject"],
    "delivery.failed": ["/data/reason", "/subject"],
    "clock.ticked": ["/data/at"],
    "contact.erased": ["/specversion", "/id", "/source", "/type", "/account", "/data", "/subject"],
}


@pytest.mark.parametrize(("kind", "pointer"), [(k, p) for k, found in REQUIRED.items() for p in found])
def test_a_missing_required_field_is_pointed_at(kind: str, pointer: str) -> None:
    assert places(put(GOOD[kind](), pointer, GONE)) == [pointer]


def test_all_missing_fields_of_the_envelope_are_named_at_once() -> None:
    assert places({}) == ["/account", "/id", "/source", "/specversion", "/type"]


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("/specversion", "0.3"),
        ("/specversion", 1.0),
        ("/id", ""),
        ("/id", 7),
        ("/id", "x" * 1025),
        ("/source", None),
        ("/account", 62515),
        ("/partitionkey", "62516"),
        ("/subject", ""),
        ("/time", "yesterday"),
        ("/time", "2026-03-02T08:00:00"),
        ("/time", "2026-02-30T08:00:00Z"),
        ("/time", 1772438400),
        ("/sequence", 12),
        ("/sequence", "0" * 129),
        ("/type", 1),
        ("/type", "rendezvous.meeting.created.v2"),
        ("/type", "meeting.created"),
        ("/type", ""),
        ("/data", None),
        ("/data", "text"),
        ("/data", []),
        ("/data/side", "both"),
        ("/data/provenance", []),
        ("/data/provenance/provider", ""),
        ("/data/provenance/id", 7),
        ("/data/provenance/user", None),
        ("/data/provenance/primary", "yes"),
        ("/data/provenance/origin", "import"),
        ("/data/provenance/created", None),
        ("/data/provenance/created", "2026-03-01T08:00:00"),
        ("/data/provenance/updated", "2026-03-01"),
        ("/data/provenance/updated", None),
        ("/data/provenance/originalStart", "2026-04-07T10:00:00"),
        ("/data/provenance/detailsHidden", 0),
        ("/data/title", 5),
        ("/data/start", "2026-04-07T10:00:00Z"),
        ("/data/start", "2026-04-07"),
        ("/data/start", "2026-13-07T10:00:00"),
        ("/data/start", "10000-01-01T00:00:00"),
        ("/data/start", None),
        ("/data/timeZone", "Mars/Olympus"),
        ("/data/timeZone", ""),
        ("/data/timeZone", "localtime"),
        ("/data/timeZone", "posixrules"),
        ("/data/timeZone", "europe/paris"),
        ("/data/timeZone", "../../etc/passwd"),
        ("/data/timeZone", "/etc/localtime"),
        ("/data/timeZone", "Europe/Paris\u0000"),
        ("/data/timeZone", "x" * 100_000),
        ("/data/duration", "-PT1H"),
        ("/data/duration", "PT-1H"),
        ("/data/duration", "P1M"),
        ("/data/duration", "P1Y"),
        ("/data/duration", "P"),
        ("/data/duration", "PT"),
        ("/data/duration", "P1DT"),
        ("/data/duration", ""),
        ("/data/duration", "1H"),
        ("/data/duration", "PT1H\n"),
        ("/data/duration", "PT٣H"),
        ("/data/duration", "P" + "9" * 4000 + "D"),
        ("/data/duration", 3600),
        ("/data/status", "CONFIRMED"),
        ("/data/privacy", "personal"),
        ("/data/kind", "party"),
        ("/data/showWithoutTime", "true"),
        ("/data/participants", []),
        ("/data/participants/2", None),
        ("/data/participants/2/email", ["bo@client.example"]),
        ("/data/participants/2/participationStatus", "maybe"),
        ("/data/participants/2/roles/owner", 1),
        ("/data/recurrenceRules", "FREQ=DAILY"),
        ("/data/recurrenceRules", None),
        ("/data/excludedStarts", [["2026-04-07T10:00:00"]]),
        ("/data/associations/contacts", [151]),
        ("/data/associations", []),
    ],
    ids=lambda v: str(v)[:40].encode("ascii", "replace").decode(),
)
def test_a_wrong_type_or_impossible_value_is_pointed_at(pointer: str, value: object) -> None:
    (problem,) = refused(put(examples.meeting(), pointer, value))
    assert problem.pointer == (pointer + "/0" if isinstance(value, list) and value and pointer != "/data/participants/2/email" else pointer)
    assert problem.reason


@pytest.mark.parametrize(
    ("kind", "pointer", "value"),
    [
        ("calendar.listed", "/data/complete", "true"),
        ("calendar.listed", "/data/ids/1", 7),
        ("calendar.listed", "/data/to", "2026-01-01T00:00:00Z"),
        ("calendar.listed", "/data/to", "2025-01-01T00:00:00Z"),
        ("contact.created", "/data/email", 5),
        ("contact.merged", "/data/merged", "152"),
        ("contact.merged", "/data/merged/0", ""),
        ("user.added", "/data/email", None),
        ("user.added", "/data/aliases", "a@acme.example"),
        ("account.configured", "/data/policy/late_contact", "never"),
        ("account.configured", "/data/policy/mass_delete/count", -1),
        ("account.configured", "/data/policy/mass_delete/count", True),
        ("account.configured", "/data/policy/mass_delete/share", 1.01),
        ("account.configured", "/data/policy/mass_delete/share", -0.1),
        ("account.configured", "/data/policy/series/after_days", 3661),
        ("account.configured", "/data/never_log/addresses/0", None),
        ("account.configured", "/data/domains", "acme.example"),
        ("connection.activated", "/data/provider", "zimbra"),
        ("connection.activated", "/data/at", "now"),
        ("delivery.failed", "/data/final", "yes"),
        ("clock.ticked", "/data/at", 0),
        ("meeting.deleted", "/data/provenance/id", None),
        ("meeting.restored", "/data/side", "calendar"),
    ],
)
def test_a_wrong_value_of_any_type_is_pointed_at(kind: str, pointer: str, value: object) -> None:
    assert places(put(GOOD[kind](), pointer, value)) == [pointer]


def test_several_wrong_types_are_all_named() -> None:
    event = examples.meeting()
    wrong: dict[str, object] = {
        "/id": 3,
        "/time": "soon",
        "/data/side": "left",
        "/data/provenance/updated": GONE,
        "/data/provenance/primary": 1,
        "/data/status": None,
        "/data/participants/1/roles": [],
        "/data/participants/2/participationStatus": "no",
    }
    for pointer, value in wrong.items():
        event = put(event, pointer, value)
    assert places(event) == sorted(wrong)


def test_several_impossible_values_are_all_named() -> None:
    event = series(timeZone="Mars/Olympus", duration="-PT1H", recurrenceRules=["FREQ=DAILY", "FREQ=SECONDLY", "weekly"])
    event = put(put(event, "/data/provenance/created", None), "/partitionkey", "1")
    assert places(event) == [
        "/data/duration",
        "/data/provenance/created",
        "/data/recurrenceRules/1",
        "/data/recurrenceRules/2",
        "/data/timeZone",
        "/partitionkey",
    ]


def test_a_name_with_a_slash_or_a_tilde_is_escaped_in_the_pointer() -> None:
    event = examples.meeting(participants={"a/b~c": {"email": 5}})
    assert places(event) == ["/data/participants/a~1b~0c/email"]


@pytest.mark.parametrize("fields", [{"start": "2026-04-07T10:00:00"}, {"start": "2026-04-07T00:00:01"}, {"start": "2026-04-07T00:00:00.5"}])
def test_an_all_day_start_has_no_time_of_day(fields: Event) -> None:
    assert places(examples.meeting(showWithoutTime=True, duration="P1D", **fields)) == ["/data/start"]


def test_an_all_day_meeting_lasts_whole_days() -> None:
    day: Event = {"showWithoutTime": True, "start": "2026-04-07T00:00:00"}
    assert accepted(examples.meeting(duration="P2D", **day)).data.duration == "P2D"
    assert places(examples.meeting(duration="PT24H", **day)) == ["/data/duration"]


def test_only_a_master_has_rules() -> None:
    event = series(provenance={"seriesId": "g0", "originalStart": "2026-04-07T08:00:00Z"})
    assert places(event) == ["/data/recurrenceRules"]


def test_a_thousand_participants_are_accepted_and_one_more_is_not() -> None:
    crowd = {str(n): {"email": f"p{n}@client.example"} for n in range(MAX_PARTICIPANTS)}
    assert len(accepted(examples.meeting(participants=crowd)).data.participants) == 1000
    assert places(examples.meeting(participants={**crowd, "more": {}})) == ["/data/participants"]


# --- hostile bytes ------------------------------------------------------------------------------------------------------------

TEXT = json.dumps(examples.meeting())
DEEP = 100_000


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"\x00",
        b"null",
        b"7",
        b'"meeting"',
        b"[]",
        TEXT[:200].encode(),
        TEXT[:-1].encode(),
        TEXT.encode() + b"}",
        TEXT.encode() * 2,
        b"\xef\xbb\xbf" + TEXT.encode(),
        TEXT.encode("utf-16"),
        TEXT.encode().replace(b"Kick-off", b"\xff\xfe"),
        TEXT.encode().replace(b"Kick-off", b"\xed\xa0\x80"),
        TEXT.replace("Kick-off", "\\ud800").encode(),
        TEXT.replace("Kick-off", "\\udfff\\ud800").encode(),
        TEXT.replace('"PT1H"', "NaN").encode(),
        TEXT.replace('"PT1H"', "-Infinity").encode(),
        TEXT.replace('"PT1H"', "1e999").encode(),
        TEXT.replace('"PT1H"', "1" + "0" * 5000).encode(),
        b"[" * DEEP,
        b"[" * DEEP + b"]" * DEEP,
        b'{"data":' * 30_000,
        TEXT.replace('"PT1H"', "[" * DEEP + "]" * DEEP).encode(),
        TEXT.replace('"Kick-off"', '{"a":' * 40_000 + "1" + "}" * 40_000).encode(),
        TEXT.replace('"specversion"', '"unheard":' + "[" * DEEP + "]" * DEEP + ',"specversion"', 1).encode(),
    ],
    ids=[
        "empty",
        "blank",
        "nul",
        "null",
        "number",
        "text",
        "list",
        "cut short",
        "without its end",
        "with more after",
        "twice",
        "byte order mark",
        "UTF-16",
        "invalid UTF-8",
        "surrogate in UTF-8",
        "lone surrogate",
        "surrogates reversed",
        "NaN",
        "infinity",
        "float too large",
        "integer too large",
        "nested open",
        "nested list",
        "nested objects open",
        "nested in a field",
        "nested in title",
        "nested in unknown",
    ],
)
def test_what_is_no_json_object_is_refused_as_a_whole(body: bytes) -> None:
    assert [p.pointer for p in refused(body)] == [""]


def test_at_256_kib_it_is_accepted_and_a_byte_more_is_refused_whatever_it_is() -> None:
    room = MAX_BYTES - len(TEXT) + len("Kick-off")
    largest = TEXT.replace("Kick-off", "x" * room).encode()
    assert (len(largest), accepted(largest).data.title) == (256 * 1024, "x" * room)
    assert refused(TEXT.replace("Kick-off", "x" * (room + 1)).encode()) == [
        Problem("", "262145 bytes; at most 262144 (256 KiB) are accepted")
    ]
    assert [p.pointer for p in refused(b"\xff" * (MAX_BYTES + 1))] == [""]


def test_of_a_field_given_twice_the_last_counts() -> None:
    twice = TEXT.replace('"title": "Kick-off"', '"title": "First", "title": "Second"')
    assert accepted(twice.encode()).data.title == "Second"


@pytest.mark.parametrize(
    "rule",
    [
        "FREQ=DAILY;" * 10_000,
        "FREQ=DAILY;BYDAY=" + ",".join(["MO"] * 50_000),
        "FREQ=DAILY;COUNT=" + "9" * 1900,
        "FREQ=SECONDLY",
        "FREQ=MINUTELY;INTERVAL=999999",
        "FREQ=YEARLY;BYMONTH=2;BYMONTHDAY=30",
        "FREQ=FORTNIGHTLY",
        "every Monday",
        "",
        "RRULE:FREQ=DAILY",
        "FREQ=DAILY\nRRULE:FREQ=SECONDLY",
        "FREQ=DAILY RRULE:FREQ=SECONDLY",
        "FREQ=DAILY\nRDATE:20260408T111111",
        "FREQ=DAILY\nEXDATE:20260408T100000",
    ],
    ids=lambda rule: repr(rule[:40]),
)
def test_a_rule_that_cannot_be_carried_is_pointed_at(rule: str) -> None:
    (problem,) = refused(series(recurrenceRules=["FREQ=WEEKLY", rule]))
    assert problem.pointer == "/data/recurrenceRules/1"
    assert len(problem.reason) < 1000


# --- what is accepted can be decided about -------------------------------------------------------------------------------------

ABSURD = ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"]
TIMES = ["/time", "/data/provenance/created", "/data/provenance/updated", "/data/provenance/originalStart"]


def decide_about(event: SourceEvent) -> None:
    """The first steps that the domain takes with any accepted meeting; whatever they raise is a hole in the examination."""
    if event.time is not None:
        recurrence.millis(event.time)
    if isinstance(event.data, MeetingData):
        m = event.data
        sighting.of(event, "501", m.side)
        shape = recurrence.spec(
            m.start,
            m.time_zone,
            m.duration,
            m.show_without_time,
            tuple(m.recurrence_rules),
            tuple(m.excluded_starts),
            tuple(m.added_starts),
        )
        recurrence.starts(shape, datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 7, 1, tzinfo=UTC))


@pytest.mark.parametrize("pointer", TIMES)
@pytest.mark.parametrize("time", ABSURD)
def test_a_time_at_the_edge_of_the_calendar_is_refused_or_can_be_decided_about(pointer: str, time: str) -> None:
    found = read(raw(put(examples.meeting(), pointer, time)))
    if isinstance(found, SourceEvent):
        decide_about(found)
    else:
        assert [p.pointer for p in found] == [pointer]


@pytest.mark.parametrize("time", ABSURD)
@pytest.mark.parametrize("pointer", ["/data/from", "/data/to"])
def test_so_is_the_span_of_a_listing(pointer: str, time: str) -> None:
    found = read(raw(put(examples.listed(["g1"]), pointer, time)))
    if isinstance(found, SourceEvent):
        assert recurrence.millis(found.data.from_) < recurrence.millis(found.data.to)
    else:
        assert {p.pointer for p in found} <= {"/data/from", "/data/to"}


@pytest.mark.parametrize("time", ABSURD)
@pytest.mark.parametrize("kind", ["connection.activated", "connection.disconnected", "clock.ticked"])
def test_so_is_the_time_of_a_connection_or_a_tick(kind: str, time: str) -> None:
    found = read(raw(put(GOOD[kind](), "/data/at", time)))
    if isinstance(found, SourceEvent):
        assert abs(recurrence.millis(found.data.at)) < 10**15
    else:
        assert [p.pointer for p in found] == ["/data/at"]


@pytest.mark.parametrize(
    "fields",
    [
        {"recurrenceRules": ["FREQ=WEEKLY;UNTIL=99991231T235959Z"], "timeZone": "Asia/Tokyo"},
        {"recurrenceRules": ["FREQ=WEEKLY;UNTIL=00010101T000000Z"], "timeZone": "America/New_York"},
        {"recurrenceRules": ["FREQ=WEEKLY;UNTIL=00010101"]},
        {"recurrenceRules": ["FREQ=HOURLY;INTERVAL=24;BYHOUR=9"], "start": "2026-04-07T10:00:00"},
        {"recurrenceRules": ["FREQ=HOURLY;INTERVAL=12;BYHOUR=3,15"], "start": "2026-04-07T10:00:00"},
        {"recurrenceRules": ["FREQ=WEEKLY"], "start": "9999-12-31T23:00:00", "duration": "P99999W"},
        {"recurrenceRules": ["FREQ=WEEKLY"], "start": "0001-01-01T00:00:00", "timeZone": "Asia/Tokyo"},
        {"start": "0001-01-01T00:00:00", "timeZone": "Asia/Tokyo"},
        {"start": "9999-12-31T23:59:59", "timeZone": "America/New_York", "duration": "P999999DT9999999H"},
    ],
    ids=lambda fields: " ".join(str(v) for v in fields.values())[:60],
)
def test_a_shape_at_the_edge_is_refused_or_can_be_decided_about(fields: Event) -> None:
    found = read(raw(examples.meeting(**fields)))
    if isinstance(found, SourceEvent):
        decide_about(found)
    else:
        assert {p.pointer for p in found} <= {"/data/recurrenceRules/0", "/data/start", "/data/duration"}


# --- public and kept form ----------------------------------------------------------------------------------------------------


def test_both_forms_of_a_participant_are_read() -> None:
    kept = examples.meeting(participants={"1": {"sealed": "A" * 40, "roles": {"owner": True}}})
    assert accepted(kept).data.participants["1"].sealed == "A" * 40
    assert accepted(kept).data.participants["1"].email is None
    assert accepted(examples.meeting()).data.participants["2"].sealed is None


def test_both_forms_of_contacts_and_users_are_read() -> None:
    contact = accepted(
        examples.envelope("contact.created", "151", {"sealed": "K", "email": "sealed"}, id="1", source="c", at=examples.hour(0))
    )
    user = accepted(examples.envelope("user.added", "501", {"sealed": ["K", "L"]}, id="1", source="c", at=examples.hour(0)))
    assert contact.data == ContactData(email="sealed", sealed="K")
    assert user.data == UserData(sealed=["K", "L"])


def bare(event: Event) -> Event:
    """The kept form of a private meeting: only which one it is."""
    return {**event, "data": {n: event["data"][n] for n in ("side", "provenance", "status", "privacy", "kind")}}


@pytest.mark.parametrize("privacy", ["private", "secret"])
@pytest.mark.parametrize(
    "event",
    [
        lambda **f: examples.meeting(**f),
        lambda **f: examples.meeting(revision=2, **f),
        lambda **f: examples.row(kind="meeting.restored", **f),
    ],
    ids=["created", "updated", "restored"],
)
def test_the_kept_form_of_a_private_meeting_is_read_whatever_the_type(event: Callable[..., Event], privacy: str) -> None:
    whole = event(privacy=privacy)
    kept = accepted(bare(whole)).data
    assert isinstance(kept, PrivateMeetingData)
    assert kept.privacy == privacy
    assert kept.provenance == accepted(whole).data.provenance


def test_an_occurrence_needs_its_original_start() -> None:
    """Without it, nothing would tell it from its series."""
    told = examples.meeting("s1_1", provenance={"seriesId": "s1"})
    assert places(told) == ["/data/provenance/originalStart"]
    assert places(examples.row(provenance={"seriesId": "s1"})) == ["/data/provenance/originalStart"]
    accepted(examples.meeting("s1_1", provenance={"seriesId": "s1", "originalStart": "2026-04-07T08:00:00Z"}))
    accepted(examples.row(provenance={"originalStart": "2026-04-07T08:00:00Z"}))
    accepted(examples.deleted("s1_1", seriesId="s1"))


def test_a_public_meeting_without_content_is_not_let_through() -> None:
    assert places(bare(examples.meeting())) == ["/data/duration", "/data/start"]


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("/data/duration", 5),
        ("/data/start", "soon"),
        ("/data/title", {}),
        ("/data/participants", []),
        ("/data/timeZone", "Mars/Olympus"),
        ("/data/duration", "-PT1H"),
        ("/data/provenance/created", GONE),
    ],
)
def test_a_private_meeting_with_content_is_examined_like_any_other(pointer: str, value: object) -> None:
    assert places(put(examples.meeting(privacy="private"), pointer, value)) == [pointer]


def test_a_private_meeting_without_content_still_needs_its_creation_time() -> None:
    assert places(put(bare(examples.meeting(privacy="private")), "/data/provenance/created", GONE)) == ["/data/provenance/created"]


@pytest.mark.parametrize("kind", GOOD)
def test_what_was_read_can_be_written_and_read_again(kind: str) -> None:
    event = GOOD[kind]()
    first = accepted(event)
    again = {**event, "data": msgspec.to_builtins(first.data)}
    assert accepted(again).data == first.data


# --- nothing makes it raise ----------------------------------------------------------------------------------------------------

SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from([*ABSURD, "FREQ=DAILY", "PT1H", "Asia/Tokyo"])
)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3), max_leaves=8
)
SPOTS = [(kind, pointer) for kind, make in GOOD.items() for pointer in pointers(make())]


def well_formed(found: SourceEvent | list[Problem]) -> bool:
    """An event, or problems that each point somewhere from the root and say why."""
    if isinstance(found, SourceEvent):
        return True
    return bool(found) and all((p.pointer == "" or p.pointer.startswith("/")) and p.reason for p in found)


@given(st.binary(max_size=2000))
@example(b"\x80")
@example(b'{"type": "rendezvous.meeting.created.v1", "data": {"start": 1}}')
def test_read_answers_any_bytes(body: bytes) -> None:
    assert well_formed(read(body))


@given(st.sampled_from(SPOTS), JSON)
@example(("meeting.created", "/data"), {"side": [], "provenance": {"id": {}}, "participants": {"/~": 1}})
def test_read_answers_any_json_at_any_place_of_a_good_event(spot: tuple[str, str], value: object) -> None:
    kind, pointer = spot
    assert well_formed(read(raw(put(GOOD[kind](), pointer, value))))


@given(st.sampled_from(SPOTS))
def test_read_answers_a_good_event_without_any_one_place(spot: tuple[str, str]) -> None:
    kind, pointer = spot
    assert well_formed(read(raw(put(GOOD[kind](), pointer, GONE))))


@given(st.sampled_from(SPOTS), JSON)
def test_a_problem_points_at_the_place_that_was_changed_or_below_or_at_what_it_contradicts(spot: tuple[str, str], value: object) -> None:
    kind, pointer = spot
    found = read(raw(put(GOOD[kind](), pointer, value)))
    if isinstance(found, list) and found[0].pointer and pointer not in ("/type", "/data", "/account", "/data/provenance"):
        related = {
            "/data/from": "/data/to",
            "/data/showWithoutTime": "/data",
            "/data/side": "/data",
            "/data/provenance/seriesId": "/data/provenance/originalStart",
        }
        near = related.get(pointer, "/data/recurrenceRules" if "riginalStart" in pointer else pointer)
        assert all(p.pointer.startswith((pointer, near)) for p in found)


@given(st.integers(0, len(TEXT) - 1), st.integers(0, 255))
def test_read_answers_a_good_event_with_one_byte_changed(place: int, byte: int) -> None:
    body = bytearray(TEXT.encode())
    body[place] = byte
    assert well_formed(read(bytes(body)))
