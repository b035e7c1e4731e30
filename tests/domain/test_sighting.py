"""What is known of one copy: the same whatever order its revisions came in, and however often."""

from __future__ import annotations

import json
from datetime import datetime
from functools import reduce
from itertools import permutations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from domain import sighting
from domain.events import Content, Guest, Revision, Sighting, Words
from domain.sighting import KEPT, News, compare, digest, joined, last, mailbox_of, placed, side_of, told_at, united
from domain.source_events import SourceEvent, read
from tests import examples
from tests.examples import Event, hour

TOKEN = "K" * 40


def told(event: Event) -> SourceEvent:
    """The event as the domain reads it."""
    found = read(json.dumps(event).encode())
    assert isinstance(found, SourceEvent), found
    return found


def ms(number: float) -> int:
    """The `number`th hour of the story in milliseconds."""
    return int(hour(number).timestamp() * 1000)


def content(title: str) -> Content:
    """A meeting on Tuesday, called something."""
    return Content(start=datetime(2026, 4, 7, 10), duration="PT1H", title=title, time_zone="Europe/Paris")


def word(updated: int, sequence: str | None = None, event: int | None = None, title: str | None = None, **said: Any) -> Sighting:
    """One revision of a copy, and what it says of the copy's identity."""
    mark = event if event is not None else updated * 1000 + int(sequence or 0)
    state = said.pop("state", "confirmed")
    one = Revision(updated, mark, state, sequence, content=None if state == "deleted" else content(title or f"at {mark}"))
    whose = {"user": "501", "created": 5, **said}
    return Sighting(key="google|501|g1", side="calendar", provider="google", id="g1", revisions=(one,), **whose)


def known(*words: Sighting) -> Sighting:
    """What is known after these words, in the order of their arrival."""
    return reduce(lambda a, b: joined(a, b)[0], words[1:], words[0])


def updates(copy: Sighting) -> list[int]:
    """When each revision kept was told."""
    return [r.updated for r in copy.revisions]


# --- one event as a sighting --------------------------------------------------------------------------------------------------


def test_an_event_is_a_copy_with_one_revision() -> None:
    event = examples.meeting(
        revision=2,
        participants={"1": {"sealed": TOKEN, "roles": {"owner": True, "attendee": True}, "participationStatus": "accepted"}},
        provenance={"seriesId": "g0", "originalStart": "2026-04-07T08:00:00Z", "link": "0b0e"},
    )
    found = sighting.of(told(event), "501", "calendar")
    assert (found.key, found.side, found.provider, found.id, found.user) == ("google|501|g1", "calendar", "google", "g1", "501")
    assert (found.uid, found.series, found.link, found.origin) == ("g1@google.example", "g0", "0b0e", "user")
    assert (found.created, found.original) == (ms(0), int(datetime.fromisoformat("2026-04-07T08:00:00Z").timestamp() * 1000))
    (only,) = found.revisions
    assert (only.updated, only.sequence, only.revision, only.state) == (ms(2), event["sequence"], '"g1-2"', "confirmed")
    assert only.event == digest(event["source"], event["id"])
    assert only.content is not None
    assert (only.content.title, only.content.start, only.content.time_zone) == ("Kick-off", datetime(2026, 4, 7, 10), "Europe/Paris")
    assert only.content.guests == (Guest(TOKEN, "accepted", True, True),)


@pytest.mark.parametrize(
    ("event", "state", "has_content"),
    [
        (examples.meeting(), "confirmed", True),
        (examples.meeting(status="tentative"), "confirmed", True),
        (examples.meeting(status="cancelled"), "cancelled", True),
        (examples.deleted(), "deleted", False),
        (examples.row(kind="meeting.restored"), "restored", True),
        (examples.meeting(privacy="private"), "confirmed", False),
        (examples.meeting(privacy="secret", status="cancelled"), "cancelled", False),
    ],
    ids=["confirmed", "tentative", "cancelled", "deleted", "restored", "private", "secret and cancelled"],
)
def test_the_state_of_a_revision(event: Event, state: str, has_content: bool) -> None:
    found = sighting.revision(told(event))
    assert (found.state, found.content is not None) == (state, has_content)


@pytest.mark.parametrize("kind", ["focus", "out-of-office", "working-location", "birthday", "other"])
def test_of_what_is_no_meeting_no_content_is_kept(kind: str) -> None:
    event = examples.meeting()
    event["data"]["kind"] = kind
    found = sighting.revision(told(event))
    assert (found.kind, found.content) == (kind, None)


def test_a_guest_without_an_address_is_nobody_to_keep() -> None:
    found = sighting.revision(told(examples.meeting(participants={"1": {"name": "Room 4"}, "2": {"sealed": TOKEN}})))
    assert found.content is not None
    assert found.content.guests == (Guest(TOKEN),)


@pytest.mark.parametrize(
    ("roles", "guest"),
    [
        ({"attendee": True}, Guest(TOKEN)),
        ({"optional": True}, Guest(TOKEN)),
        ({"chair": True}, Guest(TOKEN)),
        ({"informational": True}, Guest(TOKEN)),
        ({}, Guest(TOKEN)),
        ({"owner": True, "attendee": True}, Guest(TOKEN, owner=True)),
        ({"owner": True}, Guest(TOKEN, owner=True, attendee=False)),
    ],
    ids=["attendee", "optional", "chair", "informational", "nothing", "organiser who attends", "organiser only"],
)
def test_whoever_is_not_merely_the_organiser_is_a_guest(roles: dict[str, bool], guest: Guest) -> None:
    found = sighting.revision(told(examples.meeting(participants={"1": {"sealed": TOKEN, "roles": roles}})))
    assert found.content is not None
    assert found.content.guests == (guest,)


def test_a_deletion_without_a_time_takes_that_of_its_event() -> None:
    event = examples.deleted(revision=3)
    del event["data"]["provenance"]["updated"]
    assert sighting.revision(told(event)).updated == ms(3)


def untimed(**said: Any) -> Event:
    """A tombstone without a time of its own; `said` is what of its time is told nevertheless."""
    event = examples.deleted(revision=3)
    del event["data"]["provenance"]["updated"], event["sequence"], event["time"]
    event["data"]["provenance"].update(said.pop("provenance", {}))
    return event | said


HEARD: dict[str, tuple[Event, int | None]] = {
    "without any time": (untimed(), ms(9)),
    "stamped by our door": (untimed(time=examples.z(hour(9))), ms(9)),
    "with a time of its event's own": (untimed(time=examples.z(hour(3))), None),
    "with a sequence": (untimed(sequence="7"), None),
    "with a time of its own": (untimed(provenance={"updated": examples.z(hour(3))}), None),
}


@pytest.mark.parametrize(("event", "heard"), HEARD.values(), ids=list(HEARD))
def test_only_a_deletion_without_a_time_of_its_own_keeps_when_it_was_heard_of(event: Event, heard: int | None) -> None:
    found = sighting.revision(told(event), recorded_at=ms(9))
    assert found.heard == heard
    assert told_at(found) == (found.updated if heard is None else ms(9))


def test_words_of_a_meeting_are_never_without_a_time() -> None:
    event = examples.meeting(revision=3)
    del event["sequence"]
    event["time"] = examples.z(hour(9))
    assert sighting.revision(told(event), recorded_at=ms(9)).heard is None


def removal(heard: int, event: int = 99) -> Sighting:
    """A removal without a time of its own."""
    return replace(word(heard), revisions=(Revision(heard, event, "deleted", heard=heard),))


PLACES: dict[str, tuple[list[Sighting], list[int]]] = {
    "after what is known": ([word(1), word(2), removal(50)], [1, 2, 99]),
    "before what is told later": ([word(1), removal(50), word(2), word(3)], [1, 99, 2, 3]),
    "after what is known, by sequence": ([word(9, "1"), word(3, "2"), removal(50), word(2, "3")], [1, 2, 99, 3]),
    "after older words that come late": ([word(3), removal(50), word(2)], [2, 3, 99]),
    "of a copy not known": ([removal(50), word(2), word(3)], [2, 3, 99]),
    "twice": ([word(1), removal(50), removal(60, 98), word(2)], [1, 99, 2]),
    "of a clock that is ahead": ([word(70), removal(50), word(71)], [70, 99, 71]),
}


@pytest.mark.parametrize(("words", "expected"), PLACES.values(), ids=list(PLACES))
def test_a_removal_without_a_time_comes_right_after_the_newest_known_on_arrival(words: list[Sighting], expected: list[int]) -> None:
    copy = words[0]
    for one in words[1:]:
        copy, _ = joined(copy, placed(copy, one))
    names = [r.event if r.event in (98, 99) else int(r.sequence) if r.sequence else r.updated for r in copy.revisions]
    assert names == expected


@pytest.mark.parametrize(
    ("original", "day"),
    [
        (None, None),
        ("2026-04-07T00:00:00Z", None),
        ("2026-04-07T00:00:00+02:00", int(datetime.fromisoformat("2026-04-07T00:00:00Z").timestamp() * 1000)),
        ("2026-04-07T00:00:00-10:00", int(datetime.fromisoformat("2026-04-07T00:00:00Z").timestamp() * 1000)),
        ("2026-04-07T09:00:00+02:00", None),
    ],
    ids=["none", "midnight UTC is the instant itself", "midnight in Paris", "midnight in Honolulu", "a time of day"],
)
def test_the_original_day_of_an_all_day_occurrence_told_as_a_local_midnight(original: str | None, day: int | None) -> None:
    event = examples.meeting(provenance={"originalStart": original})
    assert sighting.of(told(event), "501", "calendar").original_day == day


@pytest.mark.parametrize(
    ("event", "side", "mailbox"),
    [
        (examples.meeting(), "calendar", "501"),
        (examples.row(), "crm", "crm"),
        (examples.row_deleted(), "crm", "crm"),
        (examples.deleted(user="502"), "calendar", "502"),
    ],
    ids=["calendar", "row", "row deleted", "tombstone"],
)
def test_the_side_and_the_mailbox_of_an_event(event: Event, side: str, mailbox: str) -> None:
    found = told(event)
    assert side_of(found) == side
    assert mailbox_of(found, side, lambda _provider, _calendar: None) == mailbox


def test_a_tombstone_without_a_user_is_of_the_mailbox_whose_calendar_it_names() -> None:
    event = examples.deleted()
    del event["data"]["provenance"]["user"]
    assert mailbox_of(told(event), "calendar", lambda provider, calendar: f"{provider}:{calendar}") == f"google:{examples.ANA}"
    del event["data"]["provenance"]["calendar"]
    assert mailbox_of(told(event), "calendar", lambda provider, calendar: f"{provider}:{calendar}") == f"google:{examples.ANA}"
    assert mailbox_of(told(event), "calendar", lambda _provider, _calendar: None) == event["source"]


def test_a_digest_tells_texts_apart_that_only_joined_look_alike() -> None:
    assert digest("a", "bc") != digest("ab", "c")
    assert digest("a", "b") == digest("a", "b")
    assert 0 <= digest("a") < 2**63


# --- the order of revisions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("a", "b", "order"),
    [
        (word(1), word(2), -1),
        (word(2), word(2), 0),
        (word(1, "2"), word(9, "1"), 1),
        (word(1, "1"), word(1, "2"), -1),
        (word(1, "1"), word(2, "1"), -1),
        (word(1, "09"), word(1, "10"), -1),
        (word(1, "9"), word(1, "10"), 1),
        (word(1, "5"), word(2), -1),
        (word(3), word(2, "5"), 1),
    ],
    ids=[
        "by time",
        "one place",
        "by sequence before time",
        "by sequence at one time",
        "by time at one sequence",
        "sequences are text",
        "text, not numbers",
        "one without sequence: by time",
        "the other without",
    ],
)
def test_sequence_orders_before_the_time_of_the_update(a: Sighting, b: Sighting, order: int) -> None:
    assert compare(last(a), last(b)) == order
    assert compare(last(b), last(a)) == -order


@pytest.mark.parametrize(
    ("words", "new", "news", "kept"),
    [
        ([word(2)], word(3), News.NEWER, [2, 3]),
        ([word(2)], word(1), News.STALE, [1, 2]),
        ([word(1), word(3)], word(2), News.STALE, [1, 2, 3]),
        ([word(2)], word(2), News.DUPLICATE, [2]),
        ([word(1), word(2)], word(1), News.DUPLICATE, [1, 2]),
        ([word(2, event=7, title="A")], word(2, event=8, title="A"), News.KNOWN, [2]),
        ([word(2, event=7, title="A")], word(2, event=8, title="B"), News.NEWER, [2, 2]),
        ([word(2, event=7)], word(3, event=7), News.DUPLICATE, [2]),
        ([word(9, "1")], word(1, "2"), News.NEWER, [9, 1]),
        ([word(1, "2")], word(9, "1"), News.STALE, [9, 1]),
    ],
    ids=[
        "newer",
        "older",
        "between",
        "the same again",
        "an older one again",
        "the same words by another event",
        "other words at one place: arrival",
        "the same event id",
        "newer by sequence though older by time",
        "older by sequence though newer by time",
    ],
)
def test_what_a_revision_is_beside_those_known(words: list[Sighting], new: Sighting, news: News, kept: list[int]) -> None:
    found, what = joined(known(*words), new)
    assert (what, updates(found)) == (news, kept)


def test_the_first_word_is_all_that_is_known() -> None:
    assert joined(None, word(1)) == (word(1), News.FIRST)


def test_a_word_that_is_known_still_tells_what_only_it_says() -> None:
    found, what = joined(word(2, event=7, title="A"), word(2, event=8, title="A", uid="u1"))
    assert (what, found.uid) == (News.KNOWN, "u1")


# --- identity is taken from whichever revision says it ------------------------------------------------------------------------------


@pytest.mark.parametrize("field", ["user", "uid", "link", "series"])
@pytest.mark.parametrize("first", [1, 3], ids=["said first", "said later"])
def test_what_only_one_revision_says_is_taken_whenever_it_comes(field: str, first: int) -> None:
    silence: dict[str, Any] = {"user": None, field: None}
    says, silent = word(1, **{**silence, field: "x"}), word(2, **silence)
    order = (says, silent) if first == 1 else (silent, says)
    assert getattr(known(*order), field) == "x"


def test_the_earliest_creation_time_stands() -> None:
    for order in permutations([word(1, created=9), word(2, created=None), word(3, created=4)]):
        assert known(*order).created == 4


@pytest.mark.parametrize(
    ("field", "values", "stands"),
    [
        ("user", ("501", "502", None), "502"),
        ("uid", ("u1", "u2", None), "u2"),
        ("link", (None, "l1", "l2"), "l2"),
        ("series", ("s1", None, "s2"), "s2"),
        ("user", ("501", "502", "501"), "501"),
        ("origin", ("user", "booking", "user"), "booking"),
        ("origin", ("native-sync", "rendezvous", "user"), "native-sync"),
    ],
    ids=["owner changed, then deleted", "UID", "link", "series", "owner changed back", "origin said once", "origin said twice"],
)
def test_of_several_words_about_the_identity_the_same_stands_in_every_order(
    field: str, values: tuple[str | None, ...], stands: str
) -> None:
    said: list[dict[str, Any]] = [{field: value} for value in values]
    words = [word(n, **one) for n, one in enumerate(said, 1)]
    found = {getattr(known(*order), field) for order in permutations(words)}
    assert len(found) == 1
    if field != "origin":
        assert found == {stands}


# --- the limit --------------------------------------------------------------------------------------------------------------------


def test_the_first_revision_and_the_newest_are_kept() -> None:
    words = [word(n) for n in range(1, KEPT + 11)]
    expected = [1, *range(12, KEPT + 11)]
    assert len(expected) == KEPT
    assert updates(known(*words)) == expected
    assert updates(known(*reversed(words))) == expected
    assert updates(known(*words[50:], *words[:50])) == expected


def test_a_revision_older_than_the_first_becomes_the_first() -> None:
    full = known(*[word(n) for n in range(2, KEPT + 2)])
    found, what = joined(full, word(1))
    assert what is News.STALE
    assert (updates(found)[0], updates(found)[-1], len(found.revisions)) == (1, KEPT + 1, KEPT)


def test_a_revision_that_was_dropped_changes_nothing_when_it_comes_again() -> None:
    full = known(*[word(n) for n in range(1, KEPT + 3)])
    found, what = joined(full, word(2))
    assert (found, what) == (full, News.STALE)


def test_a_word_told_again_with_more_of_its_names_has_them_from_then_on() -> None:
    """Also where the copy was known by these names already, from another of its words."""
    named, bare = word(60, event=1, uid="u1"), word(61, event=2, state="deleted")
    again, what = joined(known(named, bare), word(61, event=3, state="deleted", uid="u1"))
    assert what is News.KNOWN
    assert [r.words.uid for r in again.revisions if r.words is not None] == ["u1", "u1"]
    assert joined(again, word(61, event=4, state="deleted", uid="u1"))[0] is again


def a_row(updated: int, state: str = "confirmed") -> Sighting:
    """One revision of a row in the CRM."""
    return replace(word(updated, state=state), side="crm")


@pytest.mark.parametrize(
    ("turns", "spared"),
    [
        ({2: "deleted"}, [2]),
        ({2: "restored"}, [2]),
        ({2: "deleted", 3: "restored"}, [3]),
        ({2: "deleted", KEPT: "restored"}, []),
    ],
    ids=["a deletion", "a restore", "the later of two", "where a later one is kept"],
)
def test_what_keeps_a_row_out_of_the_timeline_is_kept_however_long_ago(turns: dict[int, str], spared: list[int]) -> None:
    words = [a_row(n, turns.get(n, "confirmed")) for n in range(1, KEPT + 11)]
    expected = [1, *spared, *range(12 + len(spared), KEPT + 11)]
    assert updates(known(*words)) == expected
    assert updates(known(*reversed(words))) == expected
    assert updates(known(*words[50:], *words[:50])) == expected


# --- two records of one copy --------------------------------------------------------------------------------------------------------


def test_two_records_of_one_copy_are_united_whichever_is_first() -> None:
    a, b = known(word(1), word(4)), known(word(2, uid="u1"), word(3, state="deleted"), word(4))
    assert updates(united(a, b)) == updates(united(b, a)) == [1, 2, 3, 4]
    assert united(a, b) == united(b, a)
    assert united(a, a) == a


# --- laws ---------------------------------------------------------------------------------------------------------------------------

SAID = {"uid": "u1", "link": "l1", "series": "s1", "user": "501"}


@st.composite
def copies(draw: st.DrawFn) -> list[Sighting]:
    """Distinct revisions of one copy: all with a sequence, whatever their times; none with one; or some, in agreement with time."""
    manner = draw(st.sampled_from(["all", "none", "some"]))
    times = draw(st.lists(st.integers(1, 50), min_size=1, max_size=7, unique=manner != "all"))
    made = []
    for number, updated in enumerate(times):
        sequence = {"all": f"{number:03d}", "none": None, "some": f"{updated:03d}" if draw(st.booleans()) else None}[manner]
        said = {name: value if draw(st.booleans()) else None for name, value in SAID.items()}
        origin = draw(st.sampled_from(["user", "booking"]))
        state = draw(st.sampled_from(["confirmed", "cancelled", "deleted"]))
        made.append(word(updated, sequence, 1000 + number, created=draw(st.none() | st.integers(1, 9)), origin=origin, state=state, **said))
    return made


@given(copies(), st.data())
def test_any_order_and_any_repetition_give_the_same_copy(words: list[Sighting], data: st.DataObject) -> None:
    again = data.draw(st.lists(st.sampled_from(words), max_size=4))
    shuffled = data.draw(st.permutations([*words, *again]))
    assert known(*shuffled) == known(*words)


@given(copies())
def test_the_revisions_of_a_copy_are_in_the_sources_order(words: list[Sighting]) -> None:
    revisions = known(*words).revisions
    assert len(revisions) == len(words)
    assert all(compare(a, b) < 0 for n, a in enumerate(revisions) for b in revisions[n + 1 :])


@given(copies(), copies())
def test_uniting_is_joining_word_by_word(a: list[Sighting], b: list[Sighting]) -> None:
    b = [replace(w, revisions=(replace(w.revisions[0], event=w.revisions[0].event + 100, updated=w.revisions[0].updated + 60),)) for w in b]
    b = [replace(w, revisions=(replace(w.revisions[0], sequence=None),)) for w in b]
    a = [replace(w, revisions=(replace(w.revisions[0], sequence=None, updated=n),)) for n, w in enumerate(a)]
    assert spelled(united(known(*a), known(*b))) == spelled(known(*a, *b))


def spelled(copy: Sighting) -> list[Revision]:
    """The revisions, each with what it says of the copy's identity: what is left out is what the copy has."""
    here = Words(copy.user, copy.uid, copy.link, copy.series, copy.original, copy.original_day, copy.origin)
    return [r if r.words is not None else replace(r, words=here) for r in copy.revisions]


CONTRADICTING = [word(30, "1"), word(10, "2"), word(20)]
SAME_TIME = [word(10, "1"), word(10, "2"), word(10, event=7)]


@pytest.mark.parametrize("words", [CONTRADICTING, SAME_TIME], ids=["a time between that contradicts the sequences", "the same time"])
def test_a_revision_without_sequence_does_not_undo_the_order_of_those_that_have_one(words: list[Sighting]) -> None:
    for order in permutations(words):
        assert [r.sequence for r in known(*order).revisions if r.sequence is not None] == ["1", "2"]


def test_a_revision_without_sequence_has_one_place_whenever_it_comes() -> None:
    assert len({tuple(updates(known(*order))) for order in permutations(CONTRADICTING)}) == 1


@given(st.integers(0, 400))
def test_a_copy_never_grows_beyond_the_limit(many: int) -> None:
    assert len(known(*[word(n) for n in range(many + 1)]).revisions) == min(many + 1, KEPT)
