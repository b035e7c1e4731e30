"""The whole engine in a cruel world made from a seed: words shuffled, repeated, delayed, cut into batches, and crashes anywhere.

Each law is a test of its own. They are judged by the town's own books (world.py) and by comparing runs with each other, never
by asking the engine what it thinks of itself.
"""

from __future__ import annotations

import json
from collections import Counter
from functools import lru_cache
from random import Random
from typing import Any

import pytest

from adapters.memory.views import MemoryViews
from services.project import Project
from tests.engine import Late
from tests.examples import (
    ANA,
    BEN,
    BO,
    CY,
    DEE,
    Event,
    connected,
    contact,
    contact_said,
    deleted,
    hour,
    meeting,
    row,
    row_deleted,
    stage,
)
from tests.simulation.crashing import Crash, Fuse, Machine, RepeatingLog
from tests.simulation.world import NEVER, OWN, STEADY, USER, Town, World

Chunks = list[list[Event]]


# --- how words are delivered ---------------------------------------------------------------------------------------------------


@lru_cache(maxsize=4)
def world(seed: int, erasures: bool = True) -> World:
    """The world of a seed."""
    return World(seed, erasures=erasures)


def in_order(of: World) -> Chunks:
    """Each epoch's surroundings, then its meetings' words as they were said."""
    return [chunk for epoch in of.epochs() for chunk in (epoch.first, epoch.free) if chunk]


def shuffled(of: World, random: Random, repeats: int) -> Chunks:
    """Words about meetings in any order within their epoch, some of earlier ones again, all cut anywhere."""
    told: list[Event] = []
    chunks: Chunks = []
    for epoch in of.epochs():
        free = [*epoch.free, *random.sample(told, min(len(told), repeats))]
        random.shuffle(free)
        told += epoch.free
        chunks += [*_cut(epoch.first, random), *_cut(free, random)]
    return chunks


def _cut(events: list[Event], random: Random) -> Chunks:
    chunks: Chunks = []
    while events:
        size = random.randint(1, 12)
        chunks.append(events[:size])
        events = events[size:]
    return chunks


@lru_cache(maxsize=4)
def undisturbed(seed: int, erasures: bool = True) -> Machine:
    """A run in which everything is delivered in order, in one go, and nothing happens."""
    return Machine(seed).deliver(in_order(world(seed, erasures)))


def timelines(machine: Machine, of: World) -> dict[str, Any]:
    """What all timelines of both towns show."""
    return {town.account: machine.essence(town.account, town.timelines()) for town in of.towns}


def differing(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Where two answers of `timelines` differ: account and contact, and the entries that only one has."""
    return {
        f"{account}/{contact}": (
            [e for e in entries if e not in other[account][contact]],
            [e for e in other[account][contact] if e not in entries],
        )
        for account, contacts in one.items()
        for contact, entries in contacts.items()
        if entries != other[account][contact]
    }


def events_of(machine: Machine) -> list[tuple[Any, ...]]:
    """Everything that was recorded, in order, without our times."""
    return [(id_, stream, version, name, _timeless(body)) for id_, stream, version, name, body in machine.store.notifications(0, 10**9)]


def _timeless(body: bytes) -> Any:
    return {name: value for name, value in json.loads(body).items() if name != "recorded_at"}


def entries(machine: Machine, town: Town) -> list[dict[str, Any]]:
    """Every entry in every timeline of a town."""
    return [entry for contact in town.timelines() for entry in machine.timeline(contact, town.account)]


def names(found: list[dict[str, Any]]) -> set[str]:
    """The names of the meetings of these entries. Where details are hidden there is no title."""
    return {entry["title"].split(" ")[0] for entry in found if entry["title"]}


# --- 1: rebuilt is live ----------------------------------------------------------------------------------------------------------


def test_folding_the_domain_log_anew_gives_the_same_rows(seed: int) -> None:
    live = Machine(seed).deliver(shuffled(world(seed), Random(seed), 1))
    fresh = MemoryViews()
    fold = Project(live.domain_log, fresh, live.vault, batch=Random(seed).randint(1, 50))
    while fold.step():
        pass
    assert list(fresh.rows()) == list(live.views.rows()), "views folded anew differ from the live ones"


def test_deciding_the_source_log_anew_gives_the_same_timelines(seed: int) -> None:
    live = undisturbed(seed)
    again = Machine(seed, source=live.source, keys=live.keys)
    again.settle()
    assert differing(timelines(live, world(seed)), timelines(again, world(seed))) == {}, "a replay from zero differs from the live run"


# --- 2: no order, no repetition, no cut, no crash matters ------------------------------------------------------------------------


@pytest.mark.parametrize("keeps_repeats", [pytest.param(False, id="log-knows-repeats"), pytest.param(True, id="log-keeps-repeats")])
def test_no_order_and_no_repetition_changes_a_timeline(seed: int, keeps_repeats: bool) -> None:
    random = Random(seed)
    other = Machine(seed, source=RepeatingLog() if keeps_repeats else None).deliver(shuffled(world(seed), random, 3))
    assert differing(timelines(undisturbed(seed), world(seed)), timelines(other, world(seed))) == {}, "another order gave other timelines"


at_once_or_behind = pytest.mark.parametrize("behind", [None, Late()], ids=["committed at once", "committed behind the next"])


@at_once_or_behind
def test_no_batch_size_changes_an_event(seed: int, behind: Late | None) -> None:
    """What is decided about a log is the same event for event, in batches of any size."""
    chunks = in_order(world(seed, False))
    small = Machine(seed, batch=Random(seed).randint(1, 7), behind=behind).deliver(chunks)
    assert events_of(small) == events_of(undisturbed(seed, False)), "smaller batches recorded other events"


@at_once_or_behind
def test_no_crash_changes_an_event(seed: int, behind: Late | None) -> None:
    """Killed at any call of a log, store, view or vault, and started again: event for event the same."""
    fuse = Fuse(Random(seed), 0.03)
    crashed = Machine(seed, fuse, batch=Random(seed).randint(5, 40), behind=behind).deliver(in_order(world(seed, False)))
    fuse.chance = 0.0
    calm = undisturbed(seed, False)
    assert fuse.blown > 5, "hardly a crash happened"
    assert events_of(crashed) == events_of(calm), "crashes changed what was recorded"
    assert [r[1:4] for r in _relayed(crashed)] == [n[:3] for n in crashed.store.notifications(0, 10**9)], (
        "the domain log lacks or doubles events"
    )
    assert differing(timelines(calm, world(seed, False)), timelines(crashed, world(seed, False))) == {}, "crashes changed timelines"
    assert crashed.views.counts() == calm.views.counts(), "crashes changed the number of rows"


def _relayed(machine: Machine) -> list[tuple[Any, ...]]:
    return [(r.account, r.id, r.stream, r.version) for r in machine.domain_log.read(0, 10**9)]


@at_once_or_behind
def test_no_crash_changes_an_event_when_people_are_erased(seed: int, behind: Late | None) -> None:
    """An erasure takes effect before it is recorded; hence it is the first of its batch, and nothing is decided again after it."""
    fuse = Fuse(Random(seed), 0.03)
    crashed = Machine(seed, fuse, batch=40 if behind is None else 5, behind=behind).deliver(in_order(world(seed)))
    fuse.chance = 0.0
    assert events_of(crashed) == events_of(undisturbed(seed)), "crashes changed what was recorded"
    assert differing(timelines(undisturbed(seed), world(seed)), timelines(crashed, world(seed))) == {}, "crashes changed timelines"


# --- 3 to 5: what must never be ----------------------------------------------------------------------------------------------------


def test_a_meeting_deleted_in_the_crm_stays_out_until_it_is_restored(seed: int) -> None:
    machine = Machine(seed)
    for number, epoch in enumerate(world(seed).epochs()):
        machine.deliver([chunk for chunk in (epoch.first, epoch.free) if chunk])
        for town in world(seed).towns:
            back = names(entries(machine, town)) & town.deleted_in_crm(number)
            assert back == set(), f"after epoch {number}: deleted in the CRM, yet in a timeline"


def test_a_deletion_in_the_crm_never_cancels_in_a_calendar(seed: int) -> None:
    """Nothing that is recorded after a CRM row's deletion says that something should be written to, or removed from, a calendar."""
    kinds = {name for _, _, _, name, _ in undisturbed(seed).store.notifications(0, 10**9)}
    wrong = {
        kind
        for kind in kinds
        if kind.startswith(("delivery.", "calendar.")) and any(word in kind for word in ("delete", "deletion", "cancel"))
    }
    cancelled = [
        event
        for _, _, _, name, event in events_of(undisturbed(seed))
        if name == "meeting.cancelled.v1" and event["cause"].startswith("hubspot:") and ":deleted:" in event["cause"]
    ]
    assert (wrong, cancelled) == (set(), []), "a CRM deletion led to a deletion or cancellation"


def test_what_was_made_outside_an_active_window_is_in_no_timeline(seed: int) -> None:
    for town in world(seed).towns:
        found = names(entries(undisturbed(seed), town)) & town.never_in_a_window()
        assert found == set(), "created while no calendar was connected, yet in a timeline"


def test_nobody_excluded_is_ever_logged(seed: int) -> None:
    machine = Machine(seed)
    for epoch in world(seed).epochs():
        machine.deliver([chunk for chunk in (epoch.first, epoch.free) if chunk])
        for town in world(seed).towns:
            for id_ in (*NEVER, USER):
                assert machine.timeline(id_, town.account) == [], f"{id_} must never be logged"
            by_hand = {m.name for m in town.meetings if OWN in m.associated}
            assert names(machine.timeline(OWN, town.account)) <= by_hand, "own domain, and nobody associated it by hand"
            shown = {p["email"] for entry in entries(machine, town) for p in entry["participants"]}
            assert shown & {"nel@quiet.example", "olaf@blocked.example"} == set(), "a never-log address among participants"


def test_of_the_erased_no_row_says_anything(seed: int) -> None:
    machine = undisturbed(seed)
    for town in world(seed).towns:
        assert [c for c in town.erased if machine.timeline(c, town.account)] == [], "erased, yet with a timeline"
        rows = [row for row in machine.views.rows() if row[1] == town.account]
        text = json.dumps(rows, default=lambda raw: raw.decode() if isinstance(raw, bytes) else str(raw)).casefold()
        assert [a for a in town.erased_addresses() if f'{a}\\"' in text] == [], "an erased address is still readable in the read models"


def test_what_is_private_or_no_meeting_is_in_no_timeline(seed: int) -> None:
    for town in world(seed).towns:
        found = names(entries(undisturbed(seed), town))
        assert found & town.no_meetings() == set(), "no meeting, yet in a timeline"
        assert found & town.private_now() == set(), "private, yet in a timeline"


# --- 6: everything is answered for -------------------------------------------------------------------------------------------------


def test_every_record_of_the_source_log_is_decided_once(seed: int) -> None:
    machine = Machine(seed, source=RepeatingLog()).deliver(shuffled(world(seed), Random(seed), 3))
    decided = [event for _, _, _, name, event in events_of(machine) if name == "source_event.decided.v1"]
    records = machine.source.read("0", 0, 10**9)
    assert [event["position"] for event in decided] == [record.position for record in records], "a record without its one decided event"
    assert [event["cause"] for event in decided if not event["decisions"]] == [], "a source event without a decision"
    assert [e["cause"] for e in decided] == [json.loads(r.body)["id"] for r in records], "a decision about another event than its record's"


# --- nothing lost, nothing invented, nothing doubled -------------------------------------------------------------------------------


def test_plain_meetings_are_in_the_timeline_once_as_their_calendar_has_them(seed: int) -> None:
    for town in world(seed).towns:
        found = undisturbed(seed).timeline("151", town.account)
        shown = [(name, entry["status"] == "cancelled") for entry in found for name in names([entry])]
        wanted = town.wanted_by_steady()
        assert sorted(pair for pair in shown if pair[0] in wanted) == sorted(wanted.items()), "lost, doubled or with the wrong status"


def test_a_single_meeting_stands_in_a_timeline_once(seed: int) -> None:
    for town in world(seed).towns:
        for id_ in town.timelines():
            count = Counter(name for entry in undisturbed(seed).timeline(id_, town.account) for name in names([entry]))
            assert [n for n in town.single() if count[n] > 1] == [], f"doubled in the timeline of {id_}"


def test_nobody_has_an_entry_of_a_meeting_he_had_nothing_to_do_with(seed: int) -> None:
    for town in world(seed).towns:
        for id_ in town.timelines():
            found = names(undisturbed(seed).timeline(id_, town.account))
            assert found - town.may_stand(id_) == set(), f"invented for {id_}, or another account's"


def test_the_worlds_are_worth_living_in() -> None:
    """Over the fixed seeds every action of the story comes to something: laws about nothing would hold by themselves."""
    kinds: Counter[str] = Counter()
    rules: Counter[str] = Counter()
    for seed in range(1, 13):
        for _, _, _, name, event in events_of(undisturbed(seed)):
            kinds[name] += 1
            rules.update(d["rule"] for d in event.get("decisions", ()))
        assert len(undisturbed(seed).timeline("151")) > 0
    assert STEADY in {g for seed in range(1, 13) for m in world(seed).towns[0].meetings for g in m.guests}
    assert len(kinds) >= 18, sorted(kinds)
    met = "contact-match active-window private never-log crm-user own-domain contact-books same-meeting not-a-meeting"
    assert set(met.split()) - rules.keys() == set()


# --- what worlds have brought to light, as small as it gets ------------------------------------------------------------------------
# Each is a law that was broken once.

UNCONNECTED = [event for event in stage() if "connection" not in event["type"]]
BOOKED = row("900", 0, origin="booking", contacts=(), created=hour(0))
ECHOED = meeting("g1", 0.1, created=hour(0))
NATIVE = row("900", 2, origin="native-sync", contacts=(), uid="g1@google.example")
MERGES = [
    contact_said("152", "contact.merged", 2, {"merged": ["151"], "email": CY, "name": "Cy"}),
    contact_said("153", "contact.merged", 3, {"merged": ["152"], "email": DEE, "name": "Dee"}),
]


def told(*chunks: list[Event], repeating: bool = False) -> Machine:
    """A machine that was told this, chunk by chunk."""
    return Machine(0, source=RepeatingLog() if repeating else None).deliver(chunks)


@pytest.mark.parametrize("kind", ["meeting.created", "meeting.updated"])
def test_a_meeting_told_private_is_read_and_leaves_the_timeline(kind: str) -> None:
    machine = told([*stage(), meeting(), meeting(revision=2, kind=kind, privacy="private")])
    assert (machine.titles(), machine.dead.list(None, "", 9)) == ([], [])


def test_a_booking_and_its_echo_outside_every_window_are_one_in_either_order() -> None:
    later = meeting("g1", 3, kind="meeting.created", privacy="private")
    row_first, echo_first = told([*UNCONNECTED, BOOKED, ECHOED, later]), told([*UNCONNECTED, ECHOED, BOOKED, later])
    assert row_first.essence() == echo_first.essence()


def test_an_occurrence_told_as_its_series_is_no_exception_when_a_guest_was_erased_meanwhile() -> None:
    series = meeting("g1", 1, guests=(BO, CY), recurrenceRules=["FREQ=WEEKLY;COUNT=3"])
    provenance = {"seriesId": "g1", "originalStart": "2026-04-08T10:00:00+02:00"}  # not one that the rule makes
    once = meeting("g1_once", 2, guests=(BO, CY), start="2026-04-08T10:00:00", provenance=provenance)
    erased = contact_said("152", "contact.erased", 1.5)
    together, apart = told([*stage(), erased], [series, once]), told([*stage(), erased, series], [once])
    assert together.essence() == apart.essence()


def test_a_crash_amid_an_erasure_lets_nothing_before_it_be_decided_as_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """The keys are gone and nothing was committed: the meeting before the erasure is decided as ever, if it was decided before it."""
    chunk = [meeting("g1", 1), contact_said("152", "contact.erased", 2), contact("152", BO, 3), meeting("g2", 4)]
    calm, crashed = told(stage()), told(stage())
    commit = crashed.store.commit
    commits = iter(range(9))

    def dying(*args: Any) -> None:
        if next(commits) in (0, 1, 3):
            raise Crash
        commit(*args)

    monkeypatch.setattr(crashed.store, "commit", dying)
    for machine in (calm, crashed):
        machine.deliver([chunk])
    assert events_of(crashed) == events_of(calm)
    assert next(commits) > 4, "nothing crashed"


def test_a_repeated_merge_changes_nothing() -> None:
    machine = told([*stage(), contact("153", DEE), meeting(), *MERGES], MERGES[:1], repeating=True)
    rows = {at[1]: row for at, row in machine.views.stored_contacts([("62515", "151"), ("62515", "152")]).items()}
    assert [found.into for found in rows.values()] == ["153", "153"]


def test_a_repeated_creation_brings_no_erased_contact_back() -> None:
    machine = told([*stage(), contact_said("151", "contact.erased", 2)], [contact("151", BO)], repeating=True)
    assert [found.state for found in machine.views.stored_contacts([("62515", "151")]).values()] == ["erased"]


def test_a_repeated_tombstone_is_a_duplicate_though_its_calendar_became_known() -> None:
    tombstone = deleted("b1", 2, user="502")
    tombstone["data"]["provenance"]["user"] = None
    machine = told([*stage(), tombstone], [connected("502", revision=3)], [tombstone], repeating=True)
    assert machine.decided(tombstone)[1] == ("duplicate", "ignored")


def test_the_deletion_of_any_row_of_a_meeting_takes_it_out() -> None:
    ben = meeting("b1", 1, user="502", owner=ANA, guests=(BO, BEN), created=hour(0), provenance={"icalUid": "g1@google.example"})
    machine = told([*stage()[:-2], connected("502"), ben, NATIVE])  # Ana's mailbox is not connected, Ben's is
    assert machine.titles() == ["Kick-off"]
    assert machine.deliver([[row_deleted("900", 3)]]).titles() == []


def test_focus_time_is_ignored_though_hubspot_made_a_row_of_it() -> None:
    focus = meeting("g1", 1)
    focus["data"]["kind"] = "focus"
    assert told([*stage(), focus, NATIVE]).titles() == []
