"""Names once written never change, and what was stored once loads for ever.

`event_names.txt` is append-only: a name leaves the code only by getting an upcaster. For each domain event there is a stored
example in `stored_events/`, read here in a fresh interpreter that knows nothing but the recording: what loads only because
something else was imported would not load for the next program.

A new event or version: append its name, add a rich instance to `RICH`, and store its example; the failing test prints it. An
example that stands there is never edited: what an optional field later added holds stands in a further example, in a folder
below `stored_events/` that `GROWN` names.
"""

from __future__ import annotations

import json
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from adapters.recording import decode, encode
from domain import events as e
from domain.decisions import Decision, Outcome, Rule
from domain.errors import Stop
from domain.source_events import TYPES, MassDelete, Policy, SeriesWindow, Writes

HERE = Path(__file__).parent
NAMES = (HERE / "event_names.txt").read_text("utf-8").splitlines()
STORED = HERE / "stored_events"

ANA, BO = "mL2v0sJ5q9cXw1TzR8bYkA.q7", "Zt4hN6pE3gUdC0aFxK5oiQ.w2"
START = datetime(2026, 3, 9, 10)
GUESTS = (e.Guest(ANA, "accepted", owner=True), e.Guest(BO, "tentative", attendee=False))
CONTENT = e.Content(
    start=START,
    duration="PT1H",
    title="Kick-off",
    description="Agenda",
    location="Room 4",
    conference_url="https://meet.example/a",
    time_zone="Europe/Paris",
    all_day=True,
    tentative=True,
    guests=GUESTS,
    rules=("FREQ=WEEKLY;COUNT=4",),
    excluded=(datetime(2026, 3, 16, 10),),
    added=(datetime(2026, 3, 17, 10),),
    contacts=("151",),
    companies=("7",),
    deals=("8",),
    tickets=("9",),
)
SIGHTING = e.Sighting(
    key="google|501|7k1b0_1",
    side="calendar",
    provider="google",
    id="7k1b0_1",
    user="501",
    origin="booking",
    uid="7k1b0@google.com",
    link="0b0e",
    series="7k1b0",
    original=1773046800000,
    original_day=1773014400000,
    created=1772352000000,
    revisions=(
        e.Revision(1772442904120, 41, "cancelled", "00000001772442904120", '"3181161784712000"', True, True, "focus", CONTENT),
        e.Revision(1772442904121, 42),
    ),
)
SHOWN = e.Shown(
    start=START,
    duration="PT1H",
    title="Kick-off",
    location="Room 4",
    conference_url="https://meet.example/a",
    time_zone="Europe/Paris",
    all_day=True,
    status="tentative",
    guests=GUESTS,
    contacts=("151",),
    matched={BO[:22]: "151"},
)
FORMER = e.Former(SHOWN, ("FREQ=DAILY",), 1772500000000, 1772400000000, (START,), (datetime(2026, 3, 10, 10),))
VIEW = e.View(
    parts=(
        e.Part(SHOWN, ("FREQ=WEEKLY",), (START,), (datetime(2026, 3, 18, 10),), 1773046800000, 1772500000000, 1772600000000, (FORMER,)),
    ),
    exceptions=(e.Exception_(1773046800000, SHOWN, True, True, True, 1772442904120),),
    origin="booking",
    links={"google": "7k1b0", "hubspot": "9001"},
    companies=("7",),
    deals=("8",),
    tickets=("9",),
)
COMMON: dict[str, Any] = {"account": "62515", "at": 1772442904120, "recorded_at": 1772442905001, "cause": "google:7k1b0:1"}
MEETING: dict[str, Any] = COMMON | {
    "sighting": SIGHTING,
    "view": VIEW,
    "absorbed": (SIGHTING,),
    "changed": ("time", "title"),
    "purge": True,
}
DECISIONS = (
    Decision(Rule.THREE_WAY, Outcome.APPLIED, note={"lost": {"title": "Kick off"}}),
    Decision(Rule.CONTACT_MATCH, Outcome.APPLIED, BO[:22], "151"),
)

RICH: tuple[e.Event, ...] = (
    e.MeetingScheduled(**MEETING),
    e.MeetingRescheduled(**MEETING),
    e.MeetingRevised(**MEETING),
    e.MeetingCancelled(**MEETING),
    e.MeetingWithdrawn(**MEETING | {"view": None}),
    e.MeetingNoted(**COMMON, sighting=SIGHTING),
    e.MeetingAbsorbed(**COMMON, into="0195557e8f008000a1b2c3d4e5f60718"),
    e.AccountConfigured(
        **COMMON,
        domains=("acme.example",),
        never_log=(BO,),
        never_log_domains=("press.example",),
        policy=Policy("backfill", MassDelete(5, 0.5), SeriesWindow(30, 60)),
    ),
    e.UserAdded(**COMMON, user="501", addresses=(ANA,), order="00000001772442904120"),
    e.UserRemoved(**COMMON, user="501", order="00000001772442904121"),
    e.ClockTicked(**COMMON, before_days=30, after_days=60),
    e.ConnectionActivated(**COMMON, user="501", provider="google", calendar="ana@acme.example", address=ANA),
    e.ConnectionDeauthorised(**COMMON, user="501", provider="google", reason="invalid_grant"),
    e.ConnectionDisconnected(**COMMON, user="501", provider="google", reason="by hand"),
    e.DeletionsHeld(**COMMON, user="501", provider="google", hold="62515-a1", sightings=("0195 google|501|7k1b0",), known=40),
    e.DeletionsReleased(**COMMON, hold="62515-a1"),
    e.DeletionsDiscarded(**COMMON, hold="62515-a1"),
    e.ContactRecorded(**COMMON, contact="151", person=BO, email=True, company="Client", order="00000001772442904120"),
    e.ContactNoted(**COMMON, contact="151", keys=(BO[:22],)),
    e.ContactMerged(**COMMON, contact="151", merged=("152", "153"), keys=(BO[:22],)),
    e.ContactDeleted(**COMMON, contact="151", order="00000001772442904120"),
    e.ContactErased(**COMMON, contact="151", keys=(BO[:22],)),
    e.SourceEventDecided(
        **COMMON,
        source="/accounts/62515/calendars/google/ana@acme.example",
        kind="meeting.updated",
        subject="7k1b0",
        partition="0",
        position=1843,
        meeting="0195557e8f008000a1b2c3d4e5f60718",
        decisions=DECISIONS,
    ),
)

# With the fields that were added after the first examples were stored.
WORDED = replace(
    SIGHTING,
    revisions=(
        e.Revision(
            1772442904122,
            43,
            "restored",
            words=e.Words("501", "7k1b0@google.com", "0b0e", "7k1b0", 1773046800000, 1773014400000, "booking"),
            off=True,
        ),
        e.Revision(1772442904123, 44, "deleted", span=(1772323200000, 1774915200000)),
    ),
)
ABSORBS: dict[str, Any] = {"absorbed": (WORDED,), "absorbs": ("0195557e8f008000a1b2c3d4e5f60718",)}
GROWING: dict[str, Any] = MEETING | ABSORBS | {"sighting": WORDED, "purges": ("0195557e8f008000a1b2c3d4e5f60719",)}
HEARD = replace(SIGHTING, revisions=(e.Revision(1772442904123, 45, "deleted", "00000001772442904123", heard=1772442999000),))
GROWN: dict[str, tuple[e.Event, ...]] = {
    "grown": (
        e.MeetingScheduled(**GROWING),
        e.MeetingRescheduled(**GROWING),
        e.MeetingRevised(**GROWING),
        e.MeetingCancelled(**GROWING),
        e.MeetingWithdrawn(**GROWING | {"view": None}),
        e.MeetingNoted(**COMMON, **ABSORBS, sighting=WORDED),
    ),
    "grown/heard": (e.MeetingCancelled(**COMMON, sighting=HEARD, changed=("status",)), e.MeetingNoted(**COMMON, sighting=HEARD)),
}
ASK = e.Ask(
    "5d0f7c1e2a3b4c5d8e9f0a1b2c3d4e5f",
    "google",
    "501",
    "update",
    CONTENT,
    ("title", "time"),
    "w7k1b0",
    '"3181161784712000"',
    "7k1b0@google.com",
    True,
    True,
)
ASKING: dict[str, Any] = COMMON | {"sighting": HEARD, "asks": (ASK,)}
GROWN["grown/asking"] = (
    e.MeetingScheduled(**ASKING),
    e.MeetingRescheduled(**ASKING),
    e.MeetingRevised(**ASKING),
    e.MeetingCancelled(**ASKING),
    e.MeetingWithdrawn(**ASKING, view=None),
    e.MeetingNoted(**ASKING),
    e.AccountConfigured(**COMMON, policy=Policy(writes=Writes(calendar=False, crm=True))),
)
TAKEN_BACK: dict[str, Any] = COMMON | {
    "sighting": HEARD,
    "asks": (msgspec.structs.replace(ASK, recalled=True),),
    "recalls": (ASK.id, "0" * 32),
}
GROWN["grown/recalling"] = (
    e.MeetingScheduled(**TAKEN_BACK),
    e.MeetingRescheduled(**TAKEN_BACK),
    e.MeetingRevised(**TAKEN_BACK),
    e.MeetingCancelled(**TAKEN_BACK),
    e.MeetingWithdrawn(**TAKEN_BACK, view=None),
    e.MeetingNoted(**TAKEN_BACK),
)
LEFT: dict[str, Any] = COMMON | {"releases": ("hubspot|crm|900",)}
GROWN["grown/releasing"] = (
    e.MeetingScheduled(**LEFT),
    e.MeetingRescheduled(**LEFT),
    e.MeetingRevised(**LEFT),
    e.MeetingCancelled(**LEFT),
    e.MeetingWithdrawn(**LEFT, view=None),
    e.MeetingNoted(**LEFT),
)
FURTHER = [pytest.param(folder, event, id=f"{folder}/{event.NAME}") for folder, events in GROWN.items() for event in events]

LOAD = """
import json, pathlib, sys
import adapters.recording
stored = pathlib.Path(sys.argv[1])
loaded = {str(f.relative_to(stored)): repr(adapters.recording.decode(f.stem, f.read_bytes())) for f in stored.rglob("*.json")}
print(json.dumps({"loaded": loaded, "rooms": sorted({name.split(".")[0] for name in sys.modules})}))
"""


@pytest.fixture(scope="module")
def fresh() -> dict[str, Any]:
    """What a new interpreter makes of the stored examples, and which rooms it imported for that."""
    root = HERE.parents[1]
    done = subprocess.run([sys.executable, "-c", LOAD, STORED], cwd=root, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def listed(log: str) -> list[str]:
    """The names of one log in event_names.txt, in its order."""
    return [name for kind, name in (line.split() for line in NAMES) if kind == log]


def test_every_name_in_the_code_is_written_down_once() -> None:
    assert sorted(NAMES) == sorted(set(NAMES))
    assert set(TYPES) - set(listed("source")) == set()
    assert set(e.BY_NAME) - set(listed("domain")) == set()


def test_no_name_that_was_ever_written_vanished() -> None:
    """A stored domain event is readable under its name or upcast from it; a published type stays in the contract."""
    assert set(listed("source")) - set(TYPES) == set()
    assert set(listed("domain")) - set(e.BY_NAME) - set(e.UPCASTERS) == set()


def test_a_name_says_its_version() -> None:
    assert [kind for kind in e.ALL if not kind.NAME.rpartition(".v")[2].isdigit()] == []
    assert len(e.BY_NAME) == len(e.ALL)


def test_the_examples_are_of_every_event_and_leave_no_field_at_its_default() -> None:
    assert [event.NAME for event in RICH] == list(e.BY_NAME)
    for event in RICH:
        told = {
            name
            for example in (event, *(more for events in GROWN.values() for more in events))
            if example.NAME == event.NAME
            for name in json.loads(encode(example))
        }
        fields = {f.encode_name for f in msgspec.structs.fields(event)}
        bare = {"changed", "purge", "purges", "view"} if isinstance(event, e.MeetingNoted) else set()
        assert fields - told == bare, event.NAME


@pytest.mark.parametrize("name", listed("domain"))
def test_every_event_has_a_stored_example(name: str) -> None:
    wanted = next((encode(event).decode() for event in RICH if name == event.NAME), "the example of an older version")
    assert (STORED / f"{name}.json").is_file(), f"store as {name}.json: {wanted}"


@pytest.mark.parametrize(("folder", "event"), FURTHER)
def test_an_event_that_grew_has_a_further_example(folder: str, event: e.Event) -> None:
    assert (STORED / folder / f"{event.NAME}.json").is_file(), f"store as {folder}/{event.NAME}.json: {encode(event).decode()}"


@pytest.mark.parametrize("event", RICH, ids=lambda event: event.NAME)
def test_a_stored_example_loads_as_what_it_was(event: e.Event, fresh: dict[str, Any]) -> None:
    assert fresh["loaded"][f"{event.NAME}.json"] == repr(event)
    assert decode(event.NAME, (STORED / f"{event.NAME}.json").read_bytes()) == event


@pytest.mark.parametrize(("folder", "event"), FURTHER)
def test_a_further_example_loads_as_what_it_was(folder: str, event: e.Event, fresh: dict[str, Any]) -> None:
    assert fresh["loaded"][f"{folder}/{event.NAME}.json"] == repr(event)
    assert decode(event.NAME, (STORED / folder / f"{event.NAME}.json").read_bytes()) == event


def test_loading_needs_no_more_than_the_recording(fresh: dict[str, Any]) -> None:
    assert {"services", "projections"} & set(fresh["rooms"]) == set()
    assert "domain" in fresh["rooms"]


def test_a_field_that_a_later_program_added_is_stepped_over() -> None:
    told = json.loads((STORED / "contact.deleted.v1.json").read_bytes()) | {"reason": "by hand"}
    assert decode("contact.deleted.v1", msgspec.json.encode(told)) == next(x for x in RICH if isinstance(x, e.ContactDeleted))


def test_an_old_version_is_brought_up_step_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if contacts had once been recorded with a person's name apart, and before that under `id`."""

    def first(told: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        return "contact.recorded.v0b", {**told, "contact": told["id"]}

    def second(told: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        return "contact.recorded.v1", {**told, "email": told["person"] is not None}

    monkeypatch.setitem(e.UPCASTERS, "contact.recorded.v0a", first)
    monkeypatch.setitem(e.UPCASTERS, "contact.recorded.v0b", second)
    old = msgspec.json.encode(COMMON | {"id": "151", "person": BO})
    assert decode("contact.recorded.v0a", old) == e.ContactRecorded(**COMMON, contact="151", person=BO, email=True)


def test_times_and_inner_shapes_survive_an_upcaster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(e.UPCASTERS, "meeting.moved.v1", lambda told: ("meeting.rescheduled.v1", told))
    stored = (STORED / "meeting.rescheduled.v1.json").read_bytes()
    assert decode("meeting.moved.v1", stored) == e.MeetingRescheduled(**MEETING)


def test_a_name_nobody_knows_stops() -> None:
    with pytest.raises(Stop, match=r"meeting\.dreamt\.v1"):
        decode("meeting.dreamt.v1", b"{}")
