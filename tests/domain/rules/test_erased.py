"""Rule erased: after a contact's privacy deletion nothing personal of him is readable anywhere, and everybody else stays.

What must stay true: no byte that any part of the engine keeps holds his address or name in clear, no sealed token of his
opens, whatever a side tells again later; a replay from zero gives the same timelines.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from uuid import UUID

import msgspec
import pytest

from adapters.memory.views import MemoryViews
from domain import mentions
from domain.events import Shown
from projections.contact_timeline import _spelled
from projections.contacts import Named
from services.history import history
from services.project import Project
from tests.domain.rules.shuffling import same_in_any_order
from tests.engine import Engine, staged
from tests.examples import (
    ACCOUNT,
    ANA,
    BO,
    CY,
    DEE,
    Event,
    configured,
    contact,
    contact_said,
    hour,
    meeting,
    people,
    person,
    row,
    series,
    stage,
)

AT = "2026-04-07T08:00:00Z"
ENTRY = [("Kick-off", AT, "confirmed")]
NAME = "Bonaventure"
BONA = person(BO, name=NAME)
NAMED = contact("151", BO, -20, kind="contact.updated", name=NAME)
ERASED = contact_said("151", "contact.erased", 5)


def kept(thing: object, seen: set[int]) -> Iterator[bytes]:
    """Every text and all bytes that something holds, however deep."""
    if isinstance(thing, bytes | bytearray):
        yield bytes(thing)
    elif isinstance(thing, str):
        yield thing.encode()
    elif id(thing) not in seen:
        seen.add(id(thing))
        for part in _parts(thing):
            yield from kept(part, seen)


def _parts(thing: object) -> Iterable[object]:
    if isinstance(thing, dict):
        return [*thing.keys(), *thing.values()]
    if isinstance(thing, list | tuple | set | frozenset):
        return thing
    if isinstance(thing, msgspec.Struct):
        return [getattr(thing, name) for name in thing.__struct_fields__]
    return getattr(thing, "__dict__", {}).values()


def readable(engine: Engine, *words: str) -> list[str]:
    """Which of these words stand in anything that the engine keeps, the vault's keys and memory included."""
    return _among(words, (*_stored(engine), engine.vault))


def stored(engine: Engine, *words: str) -> list[str]:
    """As `readable`, after the process that accepted the events ended: what it remembered is gone."""
    return _among(words, _stored(engine))


def _stored(engine: Engine) -> tuple[object, ...]:
    return (engine.source, engine.domain_log, engine.dead, engine.store, engine.views)


def _among(words: Iterable[str], parts: object) -> list[str]:
    everything = b"\n".join(kept(parts, set())).lower()
    return [word for word in words if word.lower().encode() in everything]


def test_the_search_finds_what_is_there() -> None:
    """Before the erasure name and address stand in the read models."""
    assert readable(staged(NAMED, meeting(guests=(BONA, CY))), BO, NAME) == [BO, NAME]


def opened(engine: Engine, address: str) -> list[str | None]:
    """The addresses that the vault opens of all stored tokens of this person."""
    key = engine.vault.key(ACCOUNT, address)
    texts = b"\n".join(kept((engine.source, engine.store, engine.domain_log), set())).decode()
    tokens = set(re.findall(rf"{re.escape(key)}\.[A-Za-z0-9_-]*", texts))
    return [one.email for one in engine.vault.open(ACCOUNT, tokens).values() if one.email is not None]


STORIES: dict[str, tuple[Event, ...]] = {
    "a guest": (meeting(guests=(BONA, CY)),),
    "a guest of a series": (series(guests=(BONA, CY)),),
    "a guest who left": (meeting(guests=(BONA, CY)), meeting(revision=1, guests=(CY,))),
    "the organiser": (meeting(owner=None, participants=people(CY, owner=None) | {"8": {**BONA, "roles": {"owner": True}}}),),
    "a guest of a meeting that is not logged": (meeting(guests=(BONA,), created=hour(-100)),),
    "in the CRM": (row(guests=(BONA, CY), contacts=("151", "152")),),
    "on both sides": (meeting(guests=(BONA, CY)), row(guests=(BONA, CY), uid="g1@google.example", contacts=("151", "152"))),
    "under a former address": (
        meeting(guests=(BONA, CY)),
        contact("151", "bonaventure@new.example", 1, kind="contact.updated", name=NAME),
    ),
    "on the never-log list": (configured(-10, never_log={"addresses": [BO], "domains": []}), meeting(guests=(BONA, CY))),
    "without any meeting": (),
    "in an event that was refused": (),
    "typed into a title": (meeting(guests=(BONA, CY), title=f"Call {BO}"),),
    "typed into everything, in other letters": (
        meeting(
            guests=(CY,),
            title=f"<{BO.upper()}>",
            description=f"mail {BO}, {BO}",
            location=f"at {BO}'s",
            conferenceUrl=f"https://x.example/?u={BO}",
        ),
    ),
    "typed into the title of a series": (series(guests=(BONA, CY), title=f"{BO} weekly"),),
    "typed in the CRM": (row(guests=(CY,), title=f"{BO}: review", description=f"ask {BO}", contacts=("151", "152")),),
    "typed where nothing is logged": (meeting(guests=(BONA,), title=BO, created=hour(-100)),),
}


@pytest.mark.parametrize("story", STORIES.values(), ids=STORIES.keys())
def test_nothing_of_him_is_readable_anywhere(story: tuple[Event, ...]) -> None:
    engine = staged(NAMED, *story)
    engine.publish([{**meeting(guests=(BONA,), duration="no duration"), "id": "refused"}])
    engine.tell(ERASED)
    assert readable(engine, BO, NAME) == []
    assert opened(engine, BO) == []
    assert engine.decided(ERASED) == [("erased", "applied")]


def test_a_word_told_with_addresses_for_keys_is_no_exception() -> None:
    """JSCalendar leaves the keys of participants to the publisher."""
    told = meeting(participants={BO: BONA, CY: person(CY)})
    assert readable(staged(NAMED, told, ERASED), BO, NAME) == []


@pytest.mark.parametrize("story", [STORIES["a guest"], STORIES["in the CRM"], STORIES["on both sides"]], ids=["calendar", "crm", "both"])
def test_the_other_guests_keep_their_entries(story: tuple[Event, ...]) -> None:
    engine = staged(NAMED, *story, ERASED)
    assert engine.shown("152") == ENTRY
    assert BO not in [p["email"] for p in engine.timeline("152")[0]["participants"]]


MOVED_ON = contact("160", "other@late.example", 1.5, kind="contact.updated")


@pytest.mark.parametrize("since", [(), (MOVED_ON,)], ids=["he has it still", "he has another by now"])
def test_whoever_had_an_address_that_is_erased_stands_by_it_no_more(since: tuple[Event, ...]) -> None:
    """As if the log were decided anew: what was sealed under it is nobody's."""
    engine = staged(NAMED, contact("160", BO, -10), meeting(guests=(BONA, CY))).tell(*since)
    assert engine.shown("160") == ENTRY
    engine.tell(ERASED)
    assert (engine.shown("151"), engine.shown("160"), engine.shown("152")) == ([], [], ENTRY)


def test_whoever_has_an_address_that_is_erased_is_named_by_no_association() -> None:
    engine = staged(NAMED, contact("160", BO, -10), row(guests=(CY,), contacts=("152", "160")))
    assert engine.shown("160") == ENTRY
    engine.tell(ERASED)
    assert (engine.shown("160"), engine.shown("152")) == ([], ENTRY)


def test_his_own_timeline_is_empty_and_the_contact_is_erased() -> None:
    engine = staged(NAMED, meeting(guests=(BONA, CY)), ERASED)
    found = engine.views.contact(ACCOUNT, "151")
    assert found is not None
    assert (engine.shown("151"), found.state, found.body) == ([], "erased", b"")


def test_who_is_erased_is_taken_out_of_the_texts_and_nothing_else_is() -> None:
    engine = staged(NAMED, meeting(guests=(BONA, CY), title=f"{BO} and {CY}", location=f"at {BO}'s"))
    assert [(e["title"], e["location"]) for e in engine.timeline("152")] == [(f"{BO} and {CY}", f"at {BO}'s")]
    engine.tell(ERASED)
    assert [(e["title"], e["location"]) for e in engine.timeline("152")] == [(f"[erased] and {CY}", "at [erased]'s")]
    again = MemoryViews()
    project = Project(engine.domain_log, again, engine.vault)
    while project.step():
        pass
    assert list(again.rows()) == list(engine.views.rows())


def test_a_text_from_before_texts_were_sealed_hides_nobody_beside_it() -> None:
    """The title was stored in clear by an older version; the place is sealed. Who stands in the place is erased there, and only there."""
    [token] = staged().vault.seal(ACCOUNT, [(CY, None)])
    shown = Shown(datetime(2026, 4, 7, 10), "PT1H", f"{BO} and {DEE}", f"at {mentions.sealed(CY, lambda _: token)}")
    cy = Named(token[:22], CY, None, "")
    texts, keys = _spelled(shown, {token: cy})
    assert (texts, keys) == ((f"{BO} and {DEE}", f"at {CY}", None), ("@", "@", f"@{cy.key}"))
    assert mentions.without(texts, keys, frozenset([f"@{cy.key}"])) == ((f"{BO} and {DEE}", "at [erased]", None), ("@", "@"))


def test_a_history_names_in_its_texts_whom_the_timeline_names() -> None:
    engine = staged(NAMED, meeting(guests=(CY,), title=f"{BO} and {CY}"))
    of = UUID(engine.timeline("152")[0]["meeting"])

    def told() -> list[str | None]:
        return [shape.title for line in history(ACCOUNT, of, engine.store, engine.vault).events for shape in line.shown]

    assert told() == [f"{BO} and {CY}"]
    engine.tell(ERASED)
    assert told() == [f"[erased] and {CY}"]


def test_who_is_named_in_a_text_alone_is_no_participant_and_no_reason_to_log() -> None:
    engine = staged(NAMED, meeting(guests=(CY,), title=f"About {BO}"))
    (entry,) = engine.timeline("152")
    assert (entry["title"], [p["email"] for p in entry["participants"]], engine.shown("151")) == (f"About {BO}", [CY], [])
    shown = engine.views.meeting(ACCOUNT, entry["meeting"])
    assert shown is not None
    assert len(msgspec.json.decode(shown.body)["content"]["people"]) == 2


def test_a_title_told_again_after_the_erasure_is_no_reason_to_write_anywhere() -> None:
    uid = {"icalUid": "g1@google.example"}
    engine = staged(NAMED, meeting(guests=(CY,), title=f"Call {BO}"), row(guests=(CY,), provenance=uid, title=f"Call {BO}"), ERASED)
    engine.tell(meeting(revision=6, guests=(CY,), title=f"Call {BO}"))
    assert engine.store.deliveries.all(None, None, "", 9) == []


def test_another_guest_keeps_what_was_logged_before_he_lost_his_address() -> None:
    """Somebody else's erasure is no change of the meeting."""
    engine = staged(NAMED, meeting(guests=(BONA, CY)), contact("152", None, 1, kind="contact.updated"), ERASED)
    assert engine.shown("152") == ENTRY


# --- told again -------------------------------------------------------------------------------------------------------

AGAIN: dict[str, tuple[Event, ...]] = {
    "the same revision": (meeting(guests=(BONA, CY), event_id="again"),),
    "a newer revision": (meeting(revision=6, guests=(BONA, CY)),),
    "an older revision": (meeting(revision=-1, guests=(BONA, CY)),),
    "another spelling": (meeting(revision=6, guests=(person(" BO@Client.example ", name=NAME), CY)),),
    "another meeting": (meeting("g2", 6, guests=(BONA, CY)),),
    "in the CRM": (row(revision=6, guests=(BONA, CY), contacts=("151", "152")),),
    "the contact, from before": (contact("151", BO, -21, name=NAME),),
    "the contact, from after": (contact("151", BO, 6, name=NAME),),
    "another contact with the address": (contact("160", BO, 6, name=NAME), meeting(revision=7, guests=(BONA, CY))),
    "a merge that names him": (contact_said("152", "contact.merged", 6, {"merged": ["151"], "email": BO, "name": NAME}),),
    "the erasure": (contact_said("151", "contact.erased", 8), meeting(revision=9, guests=(BONA, CY))),
    "typed into a text": (meeting(revision=6, guests=(CY,), title=f"Call {BO}", description=BO, location=BO),),
}


@pytest.mark.parametrize("again", AGAIN.values(), ids=AGAIN.keys())
def test_told_again_he_is_known_and_not_kept(again: tuple[Event, ...]) -> None:
    engine = staged(NAMED, meeting(guests=(BONA, CY)), ERASED, *again)
    assert readable(engine, BO, NAME) == []
    assert opened(engine, BO) == []
    assert engine.shown("151") == engine.shown("160") == []


def test_the_decision_about_a_guest_told_again_says_erased() -> None:
    later = meeting(revision=6, guests=(BONA, CY))
    assert ("erased", "ignored") in staged(NAMED, ERASED, later).decided(later)


LATE = {
    "an address he had before": contact("151", "bonaventure@old.example", -30, name=NAME),
    "his name alone": contact("151", None, -30, name=NAME),
}


@pytest.mark.parametrize("late", LATE.values(), ids=LATE.keys())
def test_a_word_about_the_erased_contact_that_arrives_late_is_not_kept(late: Event) -> None:
    assert readable(staged(NAMED, ERASED, late), NAME, "bonaventure@old.example") == []


def test_an_erasure_that_arrives_before_the_contact_holds() -> None:
    early = contact_said("170", "contact.erased", 5)
    assert readable(staged(early, contact("170", "bonaventure@early.example", -1, name=NAME)), NAME) == []


# --- merged contacts --------------------------------------------------------------------------------------------------

MERGE = contact_said("151", "contact.merged", 3, {"merged": ["152"], "email": BO, "name": NAME})


def test_the_survivors_erasure_reaches_the_addresses_of_those_merged_into_him() -> None:
    first = contact_said("152", "contact.merged", 2, {"merged": ["153"], "email": CY, "name": "Cy"})
    told = meeting(guests=(BONA, CY, DEE, "fay@late.example"))
    engine = staged(NAMED, contact("153", DEE), contact("160", "fay@late.example"), told, first, MERGE, ERASED)
    assert readable(engine, BO, CY, DEE, NAME) == []
    assert engine.shown("151") == engine.shown("152") == engine.shown("153") == []
    assert engine.shown("160") == ENTRY


OLDER = "bonaventure@older.example"
FORMER = contact("160", OLDER, -10, name=NAME)
NAMELESS = contact("160", None, -10, name=NAME)
NOW = contact("160", "bonaventure@now.example", -5, kind="contact.updated", name=NAME)
SURVIVOR = contact("161", "survivor@late.example", -9, name=NAME)
JOINED = contact_said("161", "contact.merged", -5, {"merged": ["160"], "email": "survivor@late.example", "name": NAME})
REMARRIED = contact_said("161", "contact.merged", -5, {"merged": ["160"], "email": "bonaventure@other.example", "name": NAME})
TWICE = contact_said("162", "contact.merged", -4, {"merged": ["161"], "email": "last@late.example", "name": NAME})
ERASED_160, ERASED_161, ERASED_162 = (contact_said(who, "contact.erased", 3) for who in ("160", "161", "162"))

REACHED: dict[str, tuple[Event, ...]] = {
    "an address that he had before": (FORMER, NOW, ERASED_160),
    "his name, from when he had no address": (NAMELESS, NOW, ERASED_160),
    "of one that was deleted": (FORMER, contact_said("160", "contact.deleted", -3), ERASED_160),
    "the merged one's": (FORMER, SURVIVOR, JOINED, ERASED_161),
    "the survivor's, by the merged one's id": (FORMER, SURVIVOR, JOINED, ERASED_160),
    "an address that the survivor had at the merge": (FORMER, NOW, SURVIVOR, REMARRIED, contact("161", "s@late.example", 1), ERASED_161),
    "at the end of a chain": (FORMER, SURVIVOR, JOINED, TWICE, ERASED_162),
    "from the beginning of a chain": (FORMER, SURVIVOR, JOINED, TWICE, ERASED_160),
    "from the middle of a chain": (FORMER, SURVIVOR, JOINED, TWICE, ERASED_161),
}
HIS = (OLDER, "bonaventure@now.example", "survivor@late.example", "bonaventure@other.example", "last@late.example", "s@late.example")


@pytest.mark.parametrize("told", REACHED.values(), ids=REACHED.keys())
def test_no_order_keeps_an_address_from_an_erasure(told: tuple[Event, ...]) -> None:
    """Whatever the log has of the contact by then, or gets later: told late, from before a merge, or from after the erasure."""

    def left(engine: Engine) -> object:
        guests = [p["email"] for e in engine.timeline() for p in e["participants"]]
        open_still = [address for one in HIS for address in opened(engine, one)]
        return guests, stored(engine, NAME, *HIS), open_still, [who for who in ("160", "161", "162") if engine.shown(who)]

    engine = same_in_any_order(
        *told, before=(meeting(guests=(BO, *(person(one, name=NAME) for one in HIS if one in str(told)))),), ask=left
    )
    assert left(engine) == ([BO], [], [], [])


def test_a_merge_made_after_an_erasure_erases_nobody_else() -> None:
    later = contact_said("152", "contact.merged", 6, {"merged": ["151"], "email": CY, "name": "Cy"})
    engine = same_in_any_order(ERASED, later, before=(NAMED, meeting(guests=(BONA, CY))))
    assert readable(engine, BO, NAME) == []
    assert [p["email"] for p in engine.timeline("152")[0]["participants"]] == [CY]


def test_what_is_told_of_an_erased_contact_twice_is_recorded_once() -> None:
    engine = staged(NAMED, ERASED, FORMER | {"subject": "151"}, FORMER | {"subject": "151", "id": "again"})
    assert engine.names().count("contact.erased.v1") == 2


def test_two_contacts_of_one_address_are_one_person() -> None:
    engine = staged(NAMED, contact("160", BO, name=NAME), meeting(guests=(BONA, CY)), ERASED)
    assert readable(engine, BO, NAME) == []
    assert engine.shown("152") == ENTRY


# --- replay and other accounts ----------------------------------------------------------------------------------------


def replayed(lived: Engine, batch: int = 1000) -> Engine:
    """A new engine over the same log and vault, from zero."""
    again = Engine(batch)
    again.source, again.vault = lived.source, lived.vault
    again.start()
    return again.settle()


@pytest.mark.parametrize("batch", [1, 3, 1000])
def test_a_replay_works_and_gives_the_same(batch: int) -> None:
    story = (NAMED, meeting(guests=(BONA, CY)), row(revision=1, uid="g1@google.example"), ERASED, meeting(revision=6, guests=(BONA, CY)))
    lived = Engine().tell(*stage()).tell_one_by_one(*story)
    again = replayed(lived, batch)
    assert again.essence() == lived.essence()
    assert again.shown("152") == ENTRY
    assert readable(again, BO, NAME) == []


def test_it_holds_whatever_the_size_of_a_batch() -> None:
    story = (NAMED, meeting(guests=(BONA, CY)), ERASED, meeting(revision=6, guests=(BONA, CY), title="Renamed"))
    engines = [Engine(batch).tell(*stage(), *story) for batch in (1, 2, 1000)]
    assert [e.titles("152") for e in engines] == [["Renamed"]] * 3
    assert [readable(e, BO, NAME) for e in engines] == [[]] * 3


def test_meetings_of_the_erased_are_the_same_in_any_order() -> None:
    engine = same_in_any_order(
        meeting(guests=(BONA, CY)), meeting(revision=6, guests=(BONA, CY), title="Renamed"), row(revision=1, uid="g1@google.example"),
        before=(NAMED, ERASED),
    )  # fmt: skip
    assert (engine.titles("151"), engine.titles("152")) == ([], ["Renamed"])


def test_another_accounts_contact_of_the_same_address_stays() -> None:
    engine = staged(*stage("99"), meeting(), meeting(account="99"), ERASED)
    assert engine.shown() == []
    assert engine.shown("151", "99") == ENTRY
    assert engine.timeline("151", "99")[0]["participants"][0]["email"] == BO
    assert engine.timeline("151", "99")[0]["organizer"] == {"email": ANA, "name": "Ana"}
