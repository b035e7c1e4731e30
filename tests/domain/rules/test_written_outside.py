"""What is asked to be written outside, and what is not (rules crm-schedules, crm-updates, crm-delete-keeps-calendar, echo)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from domain.events import Ask, MeetingEvent
from services.explain import Explainer
from tests.engine import Engine, staged
from tests.examples import (
    ANA,
    BEN,
    BO,
    CY,
    Event,
    configured,
    connected,
    contact,
    deleted,
    ended,
    envelope,
    hour,
    meeting,
    row,
    row_deleted,
    z,
)

BOTH = {"writes": {"calendar": True, "crm": True}}


def asked(engine: Engine) -> list[Ask]:
    """Every ask that was recorded, in order."""
    streams = [stream for _, stream, _, name, _ in engine.store.notifications(0, 10**6) if name.startswith("meeting.")]
    found = engine.store.load(list(dict.fromkeys(streams)))
    return [ask for events in found.values() for e in events if isinstance(e, MeetingEvent) for ask in e.asks]


def said(engine: Engine) -> list[tuple[Any, ...]]:
    """(provider, action, title, fields changed, is anybody written to) of each."""
    return [(a.provider, a.action, a.content.title, a.changed, a.invite) for a in asked(engine)]


def addresses(engine: Engine, ask: Ask) -> list[str | None]:
    """Whom the copy shall name."""
    people = engine.vault.open("62515", [g.person for g in ask.content.guests])
    return [people[g.person].email for g in ask.content.guests]


def confirmed(engine: Engine, ask: Ask, at: float = 0.5, id: str = "w1", **data: Any) -> Event:
    """The provider's answer."""
    stream = next(s for _, s, _, name, _ in engine.store.notifications(0, 10**6) if name.startswith("meeting."))
    told = {"meeting": stream.hex, "provider": ask.provider, "id": id, "revision": '"r1"', "icalUid": "w1@google.example", **data}
    told |= {"updated": z(hour(at)), "created": z(hour(at))}
    return envelope("delivery.confirmed", ask.id, told, id=f"{ask.id}:confirmed", source="deliveries", at=hour(at))


CREATED = ("google", "create", "Kick-off", (), True)


def test_a_meeting_scheduled_in_the_crm_is_asked_into_the_calendar_once_and_its_contact_invited() -> None:
    engine = staged(row(guests=()), row(guests=(), event_id="again"), row(guests=(), revision=1))
    (ask,) = asked(engine)
    assert (ask.provider, ask.user, ask.action, ask.invite, ask.copy, ask.changed) == ("google", "501", "create", True, None, ())
    assert (ask.content.title, ask.content.location, ask.content.start.isoformat()) == ("Kick-off", "Room 4", "2026-04-07T10:00:00")
    assert addresses(engine, ask) == [ANA, BO]
    assert [g.owner for g in ask.content.guests] == [True, False]


@pytest.mark.parametrize(
    "events",
    [
        pytest.param([ended(revision=-2), row()], id="the owner's calendar is not connected any more"),
        pytest.param([row(user="502")], id="the owner never connected one"),
        pytest.param([row(created=hour(-30))], id="it was made before the calendar was connected"),
        pytest.param([row(origin="booking", provenance={"icalUid": "b1"})], id="the booking page makes its own event"),
        pytest.param([row(origin="native-sync", uid="g7@google.example")], id="HubSpot's own sync has it from the calendar"),
        pytest.param([row(start="2026-03-01T10:00:00")], id="it was over when it was made: a note of what has been"),
        pytest.param([row(status="cancelled")], id="it is off"),
        pytest.param([row_deleted(revision=1), row()], id="it was deleted in the CRM"),
        pytest.param([row(), row_deleted(revision=1)][::-1], id="its deletion came first"),
        pytest.param([meeting()], id="a calendar's own meeting"),
        pytest.param([configured(-1, policy={"writes": {"calendar": False}}), row()], id="the account wants no writes"),
        pytest.param([meeting(), row(provenance={"icalUid": "g1@google.example"})], id="the calendar has it and says the same"),
    ],
)
def test_nothing_is_asked(events: list[Event]) -> None:
    assert said(staged().tell_one_by_one(*events)) == []


def test_deleting_in_the_crm_asks_nothing_of_the_calendar() -> None:
    engine = staged(row())
    (ask,) = asked(engine)
    engine.tell_one_by_one(confirmed(engine, ask), row_deleted(revision=2), row(revision=3, title="Later"))
    assert said(engine) == [CREATED]


def test_what_the_crm_calls_off_leaves_the_calendar_alone() -> None:
    engine = staged(row())
    engine.tell_one_by_one(confirmed(engine, asked(engine)[0]), row(revision=2, status="cancelled", title="Off"))
    assert said(engine) == [CREATED]


def recalls(engine: Engine) -> list[str]:
    """The ids of the asks that were taken back, in order."""
    streams = [stream for _, stream, _, name, _ in engine.store.notifications(0, 10**6) if name.startswith("meeting.")]
    found = engine.store.load(list(dict.fromkeys(streams)))
    return [id for events in found.values() for e in events if isinstance(e, MeetingEvent) for id in e.recalls]


@pytest.mark.parametrize("off", [row_deleted(revision=2), row(revision=2, status="cancelled")], ids=["deleted", "called off"])
def test_what_the_crm_calls_off_before_it_was_made_is_not_made_and_nobody_is_invited(off: Event) -> None:
    engine = staged(row(guests=()), row(guests=(), revision=1, title="Renamed"))
    engine.tell(off)
    assert recalls(engine) == [ask.id for ask in asked(engine)]
    assert [one.state for one in engine.store.deliveries.all(None, None, "", 9)] == ["superseded"] * 2
    assert engine.store.deliveries.claim(10**15, 1, 9) == []
    assert [state for state, _ in explained(engine, "900")] == ["recalled", "recalled"]


def test_what_a_provider_may_have_heard_of_by_then_is_not_taken_back() -> None:
    engine = staged(row(guests=()))
    (begun,) = engine.store.deliveries.claim(10**15, 1, 9)
    engine.tell(row_deleted(revision=2))
    assert [one.state for one in engine.store.deliveries.all(None, None, "", 9)] == ["waiting"]
    assert engine.store.deliveries.get(begun.request.id) == begun


def test_what_was_taken_back_is_asked_for_again_when_the_crm_restores_it() -> None:
    engine = staged(row(guests=()))
    engine.tell(row_deleted(revision=2)).tell(row(guests=(), revision=3, kind="meeting.restored"))
    first, second = asked(engine)
    assert (second.action, second.invite, second.id == first.id) == ("create", True, False)
    assert [one.request.id for one in engine.store.deliveries.claim(10**15, 1, 9)] == [second.id]


def test_what_waits_when_its_meeting_turns_private_is_never_written_and_says_nothing_any_more() -> None:
    engine = staged(
        configured(-1, policy=BOTH), meeting(), row(provenance={"icalUid": "g1@google.example"}, title="Said by the CRM", revision=1)
    )
    waiting = [one.request for one in engine.store.deliveries.all(None, "waiting", "", 9)]
    assert waiting
    engine.tell(meeting(revision=5, privacy="private"))
    assert recalls(engine) == [ask.id for ask in asked(engine)]
    over = engine.store.deliveries.all(None, None, "", 9)
    assert {(one.state, one.request.content.title, one.request.content.guests) for one in over} == {("superseded", None, ())}
    assert {state for state, _ in explained(engine, "900")} == {"recalled"}


def test_what_waits_under_the_id_of_a_meeting_that_was_found_to_be_a_private_one_is_taken_back() -> None:
    engine = staged(connected("502"), configured(-1, policy=BOTH), meeting(), meeting("g2", user="502", owner=BEN))
    waiting = [one.request.id for one in engine.store.deliveries.all(None, "waiting", "", 9)]
    assert len(waiting) == 2
    engine.tell(meeting("g2", 3, user="502", owner=BEN, privacy="private", provenance={"icalUid": "g1@google.example"}))
    assert [one.state for one in engine.store.deliveries.all(None, None, "", 9)].count("waiting") == 0


def test_what_is_shown_again_after_it_was_private_is_asked_for_again() -> None:
    engine = staged(configured(-1, policy=BOTH), meeting())
    engine.tell(meeting(revision=5, privacy="private")).tell(meeting(revision=6))
    first, second = asked(engine)
    assert (first.provider, second.provider, first.id == second.id) == ("hubspot", "hubspot", False)
    assert [one.request.id for one in engine.store.deliveries.claim(10**15, 1, 9)] == [second.id]


def test_a_change_before_the_answer_makes_it_the_newer_event() -> None:
    engine = staged(row(guests=())).tell(row(guests=(), revision=0.2, title="Kick-off, moved"))
    first, second = asked(engine)
    assert (first.action, second.action, second.content.title) == ("create", "create", "Kick-off, moved")
    assert first.id != second.id


@pytest.mark.parametrize(
    ("change", "fields", "told"),
    [
        ({"title": "Kick-off, second try"}, ("title",), False),
        ({"start": "2026-04-08T11:00:00"}, ("time",), True),
        ({"duration": "PT2H", "location": "Room 9"}, ("time", "place"), True),
        ({"contacts": ("151", "152")}, ("guests",), True),
        ({"description": "An agenda"}, ("description",), False),
        ({"associations": {"deals": ["77"]}}, None, False),
    ],
    ids=["title", "time", "time and place", "one more contact", "what only the event shows", "what no calendar has"],
)
def test_a_change_in_the_crm_is_asked_of_the_calendar_once(change: dict[str, Any], fields: tuple[str, ...] | None, told: bool) -> None:
    engine = staged(row(guests=()))
    engine.tell(confirmed(engine, asked(engine)[0]))
    change = {"guests": (), **change}
    engine.tell_one_by_one(row(revision=2, **change), row(revision=3, **change))
    wanted = [] if fields is None else [("google", "update", change.get("title", "Kick-off"), fields, told)]
    assert said(engine) == [CREATED, *wanted]
    if wanted:
        assert (asked(engine)[-1].copy, asked(engine)[-1].revision) == ("w1", '"r1"')


def test_a_confirmed_write_is_no_news_when_it_comes_back() -> None:
    engine = staged(row(guests=()))
    (ask,) = asked(engine)
    engine.tell(confirmed(engine, ask))
    before = engine.names()
    mine = {"origin": "rendezvous", "link": str(_stream(engine)), "icalUid": "w1@google.example", "revision": '"r1"'}
    echo = meeting("w1", 0.5, created=hour(0.5), provenance=mine)
    engine.tell(echo)
    assert engine.names() == before
    assert engine.decided(echo) == [("echo", "ignored")]
    assert said(engine) == [CREATED]
    assert [e["links"] for e in engine.timeline()] == [{"hubspot": "900", "google": "w1"}]


@pytest.mark.parametrize(
    "fields",
    [{}, {"start": "2026-04-07T08:00:00", "timeZone": "UTC"}, {"guests": (BO,)}],
    ids=["as it was written", "in another zone", "with guests"],
)
def test_our_own_row_is_no_news_when_it_comes_back_in_whatever_words(fields: dict[str, Any]) -> None:
    engine = staged(configured(-1, policy=BOTH), meeting())
    (ask,) = asked(engine)
    engine.tell(confirmed(engine, ask, id="800", revision="r1", icalUid=None))
    echo = row("800", 0.5, origin="rendezvous", created=hour(0.5), provenance={"link": str(_stream(engine))}, **{"guests": (), **fields})
    engine.tell(echo)
    assert engine.decided(echo) == [("echo", "ignored")]
    later = row("800", 2, origin="rendezvous", title="Renamed", guests=(), provenance={"link": str(_stream(engine))})
    engine.tell(later)
    assert engine.decided(later)[0] == ("crm-updates", "applied")
    assert len(asked(engine)) == 2


def test_whom_the_calendar_takes_off_leaves_also_where_our_own_row_names_him() -> None:
    engine = staged(configured(-1, policy=BOTH), meeting(guests=(BO, CY)))
    (ask,) = asked(engine)
    assert ask.content.contacts == ("151", "152")
    engine.tell(confirmed(engine, ask, id="800", revision="r1", icalUid=None))
    mine: Event = {"origin": "rendezvous", "guests": (), "provenance": {"link": str(_stream(engine))}}
    engine.tell(row("800", 1, contacts=("151", "152", "153"), **mine))  # a hand associated the third
    engine.tell(meeting(revision=2, guests=(CY,)))
    assert [len(engine.titles(contact)) for contact in ("151", "152", "153")] == [0, 1, 1]
    (*_, ask) = asked(engine)
    assert (ask.action, ask.changed, ask.content.contacts) == ("update", ("associations",), ("152", "153"))
    engine.tell(confirmed(engine, ask, 2.5, id="800", revision="r2", icalUid=None))
    engine.tell(row("800", 2.5, contacts=("152", "153"), **mine))
    assert len(asked(engine)) == 2
    engine.tell(meeting(revision=3, guests=(BO, CY)))
    assert [len(engine.titles(contact)) for contact in ("151", "152", "153")] == [1, 1, 1]
    assert asked(engine)[-1].content.contacts == ("152", "153", "151")


def test_an_echo_that_overtakes_its_confirmation_asks_for_nothing_either() -> None:
    engine = staged(row(guests=()))
    (ask,) = asked(engine)
    answer = confirmed(engine, ask)
    echo = meeting("w1", 0.5, provenance={"origin": "rendezvous", "link": str(_stream(engine)), "icalUid": "w1@google.example"})
    engine.tell_one_by_one(echo, answer)
    assert engine.decided(echo)[0] == ("echo", "merged")
    assert said(engine) == [CREATED]
    assert len(engine.timeline()) == 1


def test_a_change_in_the_calendar_is_not_written_back_to_it() -> None:
    engine = staged(row(guests=()))
    engine.tell(confirmed(engine, asked(engine)[0]))
    mine = {"origin": "rendezvous", "link": str(_stream(engine)), "icalUid": "w1@google.example"}
    engine.tell(meeting("w1", 2, title="Moved by Ana", start="2026-04-09T10:00:00", provenance=mine))
    assert said(engine) == [CREATED]
    assert engine.titles() == ["Moved by Ana"]


def test_both_sides_changing_different_fields_asks_for_the_one_only() -> None:
    engine = staged(row(guests=()))
    engine.tell(confirmed(engine, asked(engine)[0]))
    mine = {"origin": "rendezvous", "link": str(_stream(engine)), "icalUid": "w1@google.example", "revision": '"r2"'}
    engine.tell(meeting("w1", 2, title="Kick-off", location="Room 5", provenance=mine), row(revision=3, guests=(), title="Renamed"))
    *_, ask = asked(engine)
    assert (ask.changed, ask.revision, ask.content.title, ask.content.location) == (("title",), '"r2"', "Renamed", "Room 5")


def test_a_contact_who_is_told_after_his_meeting_is_invited_then() -> None:
    engine = staged(row(guests=(), contacts=("153",)))
    (first,) = asked(engine)
    assert (addresses(engine, first), first.invite) == ([ANA], False)
    engine.tell(contact("153", "late@client.example", 1))
    second = asked(engine)[-1]
    assert (second.action, addresses(engine, second), second.invite) == ("create", [ANA, "late@client.example"], True)


def test_a_creation_says_what_an_earlier_one_said_that_may_have_been_carried_out() -> None:
    engine = staged(row(guests=(), contacts=("153",)))
    (first,) = asked(engine)
    (one,) = engine.store.deliveries.claim(engine.at, 1000, 1)
    engine.store.deliveries.keep(replace(one, state="done"))  # and the answer is not decided yet
    engine.tell(contact("153", "late@client.example", 1))
    delivery = engine.store.deliveries.get(asked(engine)[-1].id)
    assert delivery is not None
    assert (delivery.request.action, delivery.request.former) == ("create", first.content)


def test_a_contact_who_is_told_after_the_event_was_written_is_invited_to_it_once() -> None:
    engine = staged(row(guests=(), contacts=("153",)))
    engine.tell(confirmed(engine, asked(engine)[0]))
    told = contact("153", "late@client.example", 1)
    engine.tell_one_by_one(told, {**told, "id": "again"}, contact("153", "other@client.example", 2, kind="contact.updated"))
    second = asked(engine)[-1]
    assert len(asked(engine)) == 2
    assert (second.changed, second.invite, addresses(engine, second)) == (("guests",), True, [ANA, "late@client.example"])


def test_our_own_event_counts_though_it_is_told_in_whole_seconds_and_the_consent_is_not() -> None:
    engine = staged(row(guests=(), contacts=("153",)))
    engine.tell(confirmed(engine, asked(engine)[0], created=z(hour(-23) - timedelta(milliseconds=900))))
    engine.tell(contact("153", "late@client.example", 1))
    assert said(engine)[1:] == [("google", "update", "Kick-off", ("guests",), True)]


def test_a_guest_whom_the_organiser_took_away_is_not_invited_again() -> None:
    engine = staged(row(guests=()))
    engine.tell(confirmed(engine, asked(engine)[0]))
    mine = {"origin": "rendezvous", "link": str(_stream(engine)), "icalUid": "w1@google.example"}
    engine.tell(meeting("w1", 2, guests=(), provenance=mine), row(revision=3, guests=(), location="Room 4"))
    assert said(engine) == [CREATED]


@pytest.mark.parametrize(
    "copy",
    [
        pytest.param(meeting(provenance={"detailsHidden": True}, title=None), id="its details are hidden"),
        pytest.param(meeting(guests=(BO,), owner=BEN), id="another organises it"),
        pytest.param(meeting(status="cancelled"), id="it is cancelled"),
    ],
)
def test_a_copy_that_is_not_ours_to_change_is_left_alone(copy: Event) -> None:
    engine = staged(copy, row(revision=1, uid="g1@google.example"))
    engine.tell(row(revision=2, uid="g1@google.example", title="Renamed in the CRM"))
    assert said(engine) == []


def test_after_a_switch_of_providers_the_other_calendar_is_written_to() -> None:
    engine = staged(ended(revision=1), connected(provider="office365", revision=2), row(created=hour(3), revision=3))
    assert [(a.provider, a.action) for a in asked(engine)] == [("office365", "create")]


# --- into the CRM ------------------------------------------------------------------------------------------------------------


def test_a_calendar_meeting_with_a_contact_is_asked_into_the_crm_where_the_account_wants_it() -> None:
    engine = staged(configured(-1, policy=BOTH), meeting())
    (ask,) = asked(engine)
    assert (ask.provider, ask.user, ask.action, ask.uid, ask.invite) == ("hubspot", "501", "create", "g1@google.example", False)
    assert (ask.content.title, ask.content.contacts, ask.content.guests) == ("Kick-off", ("151",), ())


@pytest.mark.parametrize(
    "events",
    [
        pytest.param([meeting(guests=("nobody@elsewhere.example",))], id="no contact is in it"),
        pytest.param([meeting(privacy="private")], id="it is private"),
        pytest.param([meeting(status="cancelled")], id="it is cancelled"),
        pytest.param([row(origin="native-sync", uid="g1@google.example"), meeting()], id="HubSpot's own sync has it"),
        pytest.param([meeting(recurrenceRules=["FREQ=WEEKLY"])], id="a series, which HubSpot has no word for"),
        pytest.param([meeting(created=hour(-40))], id="it is from before the connection"),
    ],
)
def test_nothing_is_asked_of_the_crm(events: list[Event]) -> None:
    assert said(staged(configured(-1, policy=BOTH)).tell_one_by_one(*events)) == []


def test_what_the_calendar_changes_reaches_our_row() -> None:
    engine = staged(configured(-1, policy=BOTH), meeting())
    engine.tell(confirmed(engine, asked(engine)[0], id="901", icalUid=None))
    engine.tell_one_by_one(
        meeting(revision=2, title="Renamed"),
        meeting(revision=3, title="Renamed", guests=(BO, CY)),
        deleted(revision=4),
        contact("153", "late@client.example", 5),
    )
    fields = [(a.action, a.copy, a.changed, a.content.contacts, a.cancelled) for a in asked(engine)[1:]]
    assert fields == [
        ("update", "901", ("title",), ("151",), False),
        ("update", "901", ("title", "associations"), ("151", "152"), False),
        ("update", "901", ("title", "status", "associations"), ("151", "152"), True),
    ]


def test_a_meeting_of_the_crm_is_not_asked_into_it_again() -> None:
    engine = staged(configured(-1, policy=BOTH), row(guests=()))
    engine.tell(confirmed(engine, asked(engine)[0]))
    assert said(engine) == [CREATED]


# --- answers -----------------------------------------------------------------------------------------------------------------


def test_a_failed_write_is_recorded_with_its_meeting_and_why() -> None:
    engine = staged(row(guests=()))
    (ask,) = asked(engine)
    data = {"meeting": _stream(engine).hex, "reason": "the calendar is read-only", "final": True}
    failed = envelope("delivery.failed", ask.id, data, id=f"{ask.id}:failed", source="deliveries", at=hour(1))
    engine.tell(failed)
    assert engine.decided(failed) == [("recorded", "applied")]
    assert engine.notes(failed) == [{"reason": "the calendar is read-only", "final": True}]


def test_an_answer_nobody_waits_for_is_recorded_and_changes_nothing() -> None:
    engine = staged(row(guests=()))
    (ask,) = asked(engine)
    before = engine.essence()
    data = {"provider": "google", "id": "w1"}
    strange = [
        envelope("delivery.confirmed", "f" * 32, {**data, "meeting": _stream(engine).hex}, id="s1", source="deliveries", at=hour(1)),
        envelope("delivery.confirmed", ask.id, {**data, "meeting": "0" * 32}, id="s2", source="deliveries", at=hour(1)),
        envelope("delivery.confirmed", ask.id, {**data, "meeting": "no id"}, id="s3", source="deliveries", at=hour(1)),
        envelope("delivery.confirmed", ask.id, data, id="s4", source="deliveries", at=hour(1)),
    ]
    engine.tell(*strange)
    assert [engine.decided(one) for one in strange] == [[("recorded", "applied")]] * 4
    assert engine.essence() == before


def explained(engine: Engine, what: str) -> list[tuple[str, str]]:
    """(state, sentence) of each write in the explanation of something."""
    return [(w.state, w.sentence) for w in Explainer(engine.views, engine.vault, engine.store).explain("62515", what).writes]


def test_an_explanation_says_what_was_asked_for_and_what_came_of_it() -> None:
    engine = staged(row(guests=()))
    ((state, sentence),) = explained(engine, "900")
    assert state == "asked"
    assert sentence.startswith("A meeting in user 501's Google calendar, with invitations, was asked for at 2026-05-24T16:00:0")
    engine.tell(confirmed(engine, asked(engine)[0]), row(revision=2, guests=(), title="Renamed"))
    last = asked(engine)[-1]
    data = {"meeting": _stream(engine).hex, "reason": "the calendar is read-only", "final": True}
    engine.tell(envelope("delivery.failed", last.id, data, id=f"{last.id}:failed", source="deliveries", at=hour(3)))
    assert explained(engine, str(_stream(engine))) == [
        ("written", "A meeting in user 501's Google calendar, with invitations, was written at 2026-03-02T08:30:00.000Z."),
        ("failed", "A change of title in user 501's Google calendar could not be written (the calendar is read-only)."),
    ]


def test_of_a_creation_that_a_later_one_says_all_of_it_is_said_that_it_will_not_be_heard_of() -> None:
    engine = staged(row(guests=())).tell(row(guests=(), revision=0.2, title="Kick-off, moved"))
    (before, sentence), (after, _) = explained(engine, "900")
    assert (before, after) == ("superseded", "asked")
    assert sentence.startswith("A meeting in user 501's Google calendar, with invitations, was asked for at 2026-05-24T16:00:0")
    assert sentence.endswith(", says all of it.")
    states = {one.request.id: one.state for one in engine.store.deliveries.all(None, None, "", 9)}
    assert [states[ask.id] for ask in asked(engine)] == ["superseded", "waiting"]
    engine.tell(confirmed(engine, asked(engine)[1]))
    assert [state for state, _ in explained(engine, "900")] == ["superseded", "written"]


def _stream(engine: Engine) -> Any:
    return next(s for _, s, _, name, _ in engine.store.notifications(0, 10**6) if name.startswith("meeting."))
