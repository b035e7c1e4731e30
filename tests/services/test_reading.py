"""Timelines as readers get them: found by id or address, paged both ways, fresh, and no further than their account."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import chain
from typing import Any

import pytest
from msgspec.structs import replace

from adapters.memory.cursors import MemoryCursors
from domain.errors import BadInput, NotFound, TryAgain
from domain.outside import Cursor as Bookmark
from domain.outside import Link
from projections.bodies import stamp
from services.reading import LOOK_MS, Ask, Cursor, Reading, Rounds, decoded, encoded
from tests.examples import (
    ACCOUNT,
    ANA,
    BO,
    CY,
    DEE,
    configured,
    connected,
    contact,
    contact_said,
    deleted,
    ended,
    hour,
    meeting,
    row,
    row_deleted,
    z,
)
from tests.services.asking import OTHER, Asking, asking


def day(number: int) -> str:
    return f"2026-04-{number:02}T10:00:00"


def busy(count: int = 7) -> Asking:
    """Bo's timeline with a meeting a day; two begin at the same time."""
    days = [min(n, count - 1) for n in range(1, count + 1)]
    return asking(*[meeting(f"g{n}", start=day(on), title=f"M{n}") for n, on in enumerate(days, 1)])


def titles(page: dict[str, Any]) -> list[str]:
    return [entry["title"] for entry in page["entries"]]


# --- who ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "who",
    [pytest.param("151", id="id"), pytest.param(BO, id="address"), pytest.param(" BO@Client.EXAMPLE ", id="address in other letters")],
)
def test_a_contact_is_found_by_id_or_address(who: str) -> None:
    page = asking(meeting()).page(who)
    assert (page["contact"], titles(page)) == ({"id": "151", "email": BO, "name": "Bo", "company": None}, ["Kick-off"])


def test_of_several_contacts_with_an_address_the_first_answers_and_names_the_others() -> None:
    engine = asking(contact("1000", BO), contact("99", BO))
    assert json.loads(engine.reading.contact(ACCOUNT, BO)) == {
        "id": "99",
        "email": BO,
        "name": "Bo",
        "company": None,
        "others": ["151", "1000"],
    }


def test_a_merged_contact_answers_with_its_survivor() -> None:
    engine = asking(meeting(), contact_said("152", "contact.merged", 5, {"merged": ["151"], "email": CY, "name": "Cy"}))
    page = engine.page("151")
    assert (page["contact"]["id"], titles(page)) == ("152", ["Kick-off"])


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        pytest.param("contact.deleted", "restore brings it back", id="deleted"),
        pytest.param("contact.erased", "nothing is kept", id="erased"),
    ],
)
def test_a_contact_that_is_gone_has_no_timeline(kind: str, says: str) -> None:
    engine = asking(meeting(), contact_said("151", kind, 5))
    with pytest.raises(NotFound, match=says):
        engine.page("151")


@pytest.mark.parametrize(
    ("account", "who"),
    [
        pytest.param(ACCOUNT, "999", id="an unknown id"),
        pytest.param(ACCOUNT, "nobody@client.example", id="an unknown address"),
        pytest.param(ACCOUNT, "", id="nothing"),
        pytest.param(OTHER, "151", id="another account's id"),
        pytest.param(OTHER, BO, id="another account's address"),
    ],
)
def test_nobody_else_is_found(account: str, who: str) -> None:
    engine = asking(meeting())
    with pytest.raises(NotFound):
        engine.page(who, account)
    with pytest.raises(NotFound):
        engine.reading.contact(account, who)


# --- pages -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ask", "expected"),
    [
        pytest.param({}, ["M7", "M6", "M5", "M4", "M3", "M2", "M1"], id="newest first if not told otherwise"),
        pytest.param({"newest_first": False, "limit": 2}, ["M1", "M2"], id="soonest first"),
        pytest.param({"low": 1_775_300_400_000, "high": 1_775_390_400_000}, ["M5"], id="what overlaps a window"),
        pytest.param({"status": ("cancelled",)}, [], id="of a status"),
        pytest.param({"status": ("cancelled", "confirmed"), "limit": 1}, ["M7"], id="of several"),
    ],
)
def test_a_page_holds_what_was_asked_for(ask: dict[str, Any], expected: list[str]) -> None:
    found = titles(busy().page(**ask))
    # M6 and M7 begin together: their order is by name, which is the same in every page.
    assert [t if t not in ("M6", "M7") else "M6/7" for t in found] == [t if t not in ("M6", "M7") else "M6/7" for t in expected]


@pytest.mark.parametrize("newest_first", [pytest.param(True, id="newest first"), pytest.param(False, id="soonest first")])
@pytest.mark.parametrize("limit", [1, 2, 3, 7, 8])
def test_pages_together_hold_every_entry_once_forwards_and_backwards(newest_first: bool, limit: int) -> None:
    engine = busy()
    whole = titles(engine.page(newest_first=newest_first))
    forwards, page = [], engine.page(newest_first=newest_first, limit=limit)
    assert page["previous"] is None
    while True:
        forwards.append(titles(page))
        if page["next"] is None:
            break
        page = engine.page(newest_first=newest_first, limit=limit, cursor=page["next"])
    backwards = [titles(page)]
    while page["previous"] is not None:
        page = engine.page(newest_first=newest_first, limit=limit, cursor=page["previous"])
        backwards.insert(0, titles(page))
    assert list(chain(*forwards)) == whole
    assert list(chain(*backwards)) == whole


def test_a_page_reached_backwards_leads_forwards_again() -> None:
    engine = busy()
    first = engine.page(limit=2)
    second = engine.page(limit=2, cursor=first["next"])
    again = engine.page(limit=2, cursor=second["previous"])
    assert titles(again) == titles(first)
    assert again["previous"] is None
    assert titles(engine.page(limit=2, cursor=again["next"])) == titles(second)


def test_an_entry_that_comes_while_somebody_pages_moves_nothing() -> None:
    engine = busy()
    first = engine.page(limit=3)
    engine.tell(meeting("g99", start="2026-05-01T10:00:00", title="M99"))
    rest = engine.page(limit=1000, cursor=first["next"])
    assert titles(first)[:2] + titles(rest) == [*titles(first)[:2], "M4", "M3", "M2", "M1"]


@pytest.mark.parametrize("limit", [-1, 0, 1001])
def test_a_page_has_from_one_to_a_thousand_entries(limit: int) -> None:
    with pytest.raises(BadInput) as refused:
        busy().page(limit=limit)
    assert refused.value.pointer == "limit"


def _cut(cursor: str) -> str:
    return cursor[:-3]


def _swapped(cursor: str) -> str:
    return cursor[:12] + ("A" if cursor[12] != "A" else "B") + cursor[13:]


@pytest.mark.parametrize(
    "tamper",
    [
        pytest.param(_cut, id="cut"),
        pytest.param(_swapped, id="with another letter"),
        pytest.param(lambda _: "x", id="too short to be any"),
        pytest.param(lambda _: "=====", id="padding only"),
        pytest.param(lambda _: "ünïcode", id="of other letters"),
        pytest.param(lambda _: "W10", id="JSON of another shape"),
        pytest.param(lambda c: c + "A" * 4000, id="longer"),
    ],
)
def test_a_cursor_that_was_not_ours_is_refused(tamper: Callable[[str], str]) -> None:
    engine = busy()
    with pytest.raises(BadInput) as refused:
        engine.page(limit=2, cursor=tamper(engine.page(limit=2)["next"]))
    assert refused.value.pointer == "cursor"


def test_a_cursor_belongs_to_the_order_it_came_from() -> None:
    engine = busy()
    with pytest.raises(BadInput, match="other order"):
        engine.page(limit=2, newest_first=False, cursor=engine.page(limit=2)["next"])


def test_a_cursor_shows_nothing_of_whom_it_is_about() -> None:
    cursor = encoded(Cursor(5, "m:1", True, False)).decode()
    assert decoded(cursor) == Cursor(5, "m:1", True, False)
    assert cursor.isascii()
    assert ":" not in cursor


def test_a_timeline_can_be_read_as_it_stood() -> None:
    engine = asking(meeting())
    before = engine.at
    engine.tell(meeting(revision=1, title="Renamed"))
    assert (titles(engine.page()), titles(engine.page(as_of=before)), titles(engine.page(as_of=0))) == (["Renamed"], ["Kick-off"], [])


def test_who_was_merged_later_is_read_as_he_stood_before() -> None:
    """Along a chain of merges: each time by those only that were recorded by then."""
    engine = asking(contact("153", DEE), meeting(title="Bo's"), meeting("g2", guests=(CY,), title="Cy's"))
    engine.tell(meeting("g3", guests=(DEE,), title="Dee's"))
    times = [engine.at]
    for survivor, gone, revision, email in (("152", "153", 5, CY), ("151", "152", 6, BO)):
        engine.tell(contact_said(survivor, "contact.merged", revision, {"merged": [gone], "email": email, "name": "One"}))
        times.append(engine.at)

    def read(who: str, at: int | None) -> tuple[str, list[str]]:
        page = engine.page(who, as_of=at)
        return page["contact"]["id"], sorted(titles(page))

    assert [read("153", at) for at in times] == [("153", ["Dee's"]), ("152", ["Cy's", "Dee's"]), ("151", ["Bo's", "Cy's", "Dee's"])]
    assert [read("152", at) for at in times] == [("152", ["Cy's"]), ("152", ["Cy's", "Dee's"]), ("151", ["Bo's", "Cy's", "Dee's"])]
    assert read("153", None) == ("151", ["Bo's", "Cy's", "Dee's"])


def test_who_was_erased_is_read_at_no_time_not_even_by_the_id_of_one_who_was_merged() -> None:
    engine = asking(meeting("g2", guests=(CY,), title="Cy's"))
    before = engine.at
    engine.tell(contact_said("151", "contact.merged", 5, {"merged": ["152"], "email": BO, "name": "Bo"}))
    engine.tell(contact_said("151", "contact.erased", 6))
    for who in ("151", "152"):
        with pytest.raises(NotFound, match="nothing is kept"):
            engine.page(who, as_of=before)


# --- freshness and versions --------------------------------------------------------------------------------------------------


def test_an_answer_says_how_fresh_it_is() -> None:
    engine = asking(meeting())
    freshness = engine.page()["freshness"]
    assert freshness["position"] == engine.views.position()
    assert freshness["recordedAt"] == engine.timeline()[0]["recordedAt"]
    assert freshness["lastRead"] == freshness["recordedAt"]


def test_it_is_as_fresh_as_the_connection_read_longest_ago() -> None:
    engine = asking(meeting())
    assert engine.page()["freshness"]["lastRead"] is not None
    engine.tell(connected("502"))
    assert engine.page()["freshness"]["lastRead"] is None
    engine.tell(meeting("g2", user="502"))
    both = engine.page()["freshness"]["lastRead"]
    engine.tell(meeting("g3", user="502"))
    assert engine.page()["freshness"]["lastRead"] == both
    engine.tell(ended("501"))
    assert engine.page()["freshness"]["lastRead"] > both


def test_the_freshness_of_one_account_says_nothing_of_another() -> None:
    engine = asking(meeting())
    engine.tell(contact("151", BO, account=OTHER))
    assert engine.page("151", OTHER)["freshness"]["lastRead"] is None


class Polling:
    """An engine whose calendars are polled: cursors, and how fresh a reader is told to be. `at` is the clock of both (ms)."""

    def __init__(self, engine: Asking) -> None:
        self.engine, self.at = engine, engine.at + 60_000
        self.cursors = MemoryCursors(lambda: self.at)
        rounds = Rounds(self.cursors, engine.progress, engine.views.position, lambda: self.at)
        engine.reading = Reading(engine.views, engine.vault, engine.store, rounds)

    def round(self, user: str = "501", provider: str = "google", feed: str = "events") -> str:
        """A round that comes to its end, now; when that was."""
        link = Link(ACCOUNT, provider, user)
        self.cursors.want(link, feed, self.at)
        held = self._claimed(link, feed)
        self.cursors.keep(replace(held, read_at=self.at, due_at=self.at + 1))
        return stamp(self.at)

    def _claimed(self, link: Link, feed: str) -> Bookmark:
        self.at += 1
        self.cursors.wake(link, feed, self.at)
        found = {(one.link, one.feed): one for one in self.cursors.claim(self.at, 1, 99)}
        return found[link, feed]

    def looked(self, account: str = ACCOUNT) -> str | None:
        """What a reader is told who comes when it is time to look again."""
        self.at += LOOK_MS
        assert self.engine.reading.is_due(account)
        self.engine.reading.look(account)
        return self.told(account)

    def told(self, account: str = ACCOUNT) -> str | None:
        """What a reader is told."""
        found: str | None = json.loads(self.engine.reading.freshness(account)[1])["lastRead"]
        return found


def test_a_calendar_that_was_read_without_news_is_as_fresh_as_that() -> None:
    polling = Polling(asking(meeting()))
    assert polling.told() == polling.engine.timeline()[0]["recordedAt"]
    first = polling.round()
    assert polling.looked() == first
    second = polling.round()
    assert (polling.told(), polling.looked()) == (first, second)
    assert polling.engine.page()["freshness"]["lastRead"] == second


def test_a_calendar_that_never_had_anything_was_read_all_the_same() -> None:
    polling = Polling(asking())
    assert polling.told() is None
    read = polling.round()
    assert polling.looked() == read


@pytest.mark.parametrize(
    "folded",
    [lambda e: None, lambda e: e.sync.step("0"), lambda e: (e.sync.step("0"), e.relay.step())],
    ids=["not decided", "not relayed", "not folded"],
)
def test_a_round_does_not_count_while_something_that_was_read_by_then_is(folded: Callable[[Asking], Any]) -> None:
    polling = Polling(asking(meeting()))
    before = polling.told()
    polling.engine.publish([meeting("g2")])
    read = polling.round()
    folded(polling.engine)
    assert (polling.looked(), polling.looked()) == (before, before)
    polling.engine.settle()
    assert polling.looked() == read


def test_what_comes_later_keeps_no_earlier_round_from_counting() -> None:
    polling = Polling(asking(meeting()))
    polling.engine.publish([meeting("g2")])
    read = polling.round()
    polling.looked()
    polling.engine.settle().publish([meeting("g3")])
    polling.round()
    assert polling.looked() == read


def test_a_round_counts_for_its_own_connection_and_feed() -> None:
    polling = Polling(asking(meeting(), connected("502")))
    polling.round("501")
    assert polling.looked() is None
    polling.round("502", "office365")
    polling.round("502", feed="contacts")
    polling.round("", "hubspot", "contacts")
    assert polling.looked() is None
    second = polling.round("502")
    first = polling.round("501")
    assert second < first
    assert polling.looked() == second
    assert polling.looked(OTHER) is None


def test_a_calendar_whose_cursor_is_gone_is_read_no_more() -> None:
    polling = Polling(asking(meeting()))
    before = polling.told()
    polling.round()
    polling.looked()
    polling.cursors.forget(Link(ACCOUNT, "google", "501"))
    assert polling.looked() == before


def test_read_models_that_were_exchanged_for_others_claim_no_round_before_they_are_as_far() -> None:
    polling = Polling(asking(meeting()))
    before = polling.told()
    read = polling.round()
    polling.looked()
    position = polling.engine.views.position()
    rounds = polling.engine.reading._rounds
    behind = Reading(_Behind(polling.engine.views, position - 1), polling.engine.vault, polling.engine.store, rounds)
    assert json.loads(behind.freshness(ACCOUNT)[1])["lastRead"] == before
    assert polling.told() == read


class _Behind:
    """Read models that are at another position."""

    def __init__(self, views: Any, at: int) -> None:
        self._views, self._at = views, at

    def position(self) -> int:
        return self._at

    def __getattr__(self, name: str) -> Any:
        return getattr(self._views, name)


def test_what_is_known_stays_known_when_whoever_is_asked_does_not_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    polling = Polling(asking(meeting()))
    first = polling.round()
    polling.looked()
    second = polling.round()

    def away(account: str | None = None) -> list[Bookmark]:
        raise TryAgain("away")

    with monkeypatch.context() as patched:
        patched.setattr(polling.cursors, "all", away)
        assert polling.looked() == first
        assert not polling.engine.reading.is_due(ACCOUNT)
    assert polling.looked() == second


def test_only_one_looks_at_a_time_and_nobody_waits_for_him(monkeypatch: pytest.MonkeyPatch) -> None:
    polling = Polling(asking(meeting()))
    read, find, asked = polling.round(), polling.cursors.all, list[str | None]()

    def meanwhile(account: str | None = None) -> list[Bookmark]:
        asked.append(account)
        polling.engine.reading.look(OTHER)
        return find(account)

    monkeypatch.setattr(polling.cursors, "all", meanwhile)
    assert (polling.looked(), asked) == (read, [ACCOUNT])
    assert polling.engine.reading.is_due(OTHER)


def test_each_connection_is_as_fresh_as_its_own_last_round() -> None:
    polling = Polling(asking(meeting(), connected("502"), connected("503")))

    def told() -> list[tuple[str, str | None]]:
        listed = json.loads(polling.engine.reading.connections(ACCOUNT))["connections"]
        return [(one["user"], one["lastRead"]) for one in listed]

    before = polling.engine.timeline()[0]["recordedAt"]
    assert told() == [("501", before), ("502", None), ("503", None)]
    read = polling.round("502")
    polling.looked()
    assert told() == [("501", before), ("502", read), ("503", None)]


def test_it_is_looked_once_in_a_while_and_never_where_nothing_is_polled() -> None:
    polling = Polling(asking(meeting()))
    assert polling.engine.reading.is_due(ACCOUNT)
    polling.engine.reading.look(ACCOUNT)
    due = []
    for later in (0, LOOK_MS - 1, LOOK_MS, -1):
        polling.at += later
        due.append(polling.engine.reading.is_due(ACCOUNT))
        polling.at -= later
    assert due == [False, False, True, True]
    alone = asking(meeting())
    before = alone.reading.freshness(ACCOUNT)
    alone.reading.look(ACCOUNT)
    assert (alone.reading.is_due(ACCOUNT), alone.reading.freshness(ACCOUNT)) == (False, before)


def test_a_round_changes_how_fresh_a_page_is_and_not_its_version() -> None:
    polling = Polling(asking(meeting()))
    found = polling.engine.reading.find(ACCOUNT, "151")
    before = polling.engine.reading.version(found), polling.told()
    polling.round()
    polling.looked()
    assert (polling.engine.reading.version(found) == before[0], polling.told() == before[1]) == (True, False)


@pytest.mark.parametrize(
    ("event", "changes"),
    [
        pytest.param(meeting(revision=1, title="Renamed"), True, id="an entry of his"),
        pytest.param(contact("151", BO, 5, kind="contact.updated", name="Bob"), True, id="himself"),
        pytest.param(meeting("g9", guests=(CY,)), False, id="an entry of somebody else"),
    ],
)
def test_a_version_changes_with_what_is_shown_and_not_otherwise(event: dict[str, Any], changes: bool) -> None:
    engine = asking(meeting())
    before = engine.reading.version(engine.reading.find(ACCOUNT, "151"))
    engine.tell(event)
    assert (engine.reading.version(engine.reading.find(ACCOUNT, "151")) != before) is changes


def test_a_page_says_the_position_it_was_read_at() -> None:
    engine = asking(meeting())
    body, position = engine.reading.page(engine.reading.find(ACCOUNT, "151"), Ask())
    assert json.loads(body)["freshness"]["position"] == position == engine.views.position()


# --- meetings, decisions, connections, changes -------------------------------------------------------------------------------


def test_a_meeting_is_found_with_and_without_hyphens() -> None:
    engine = asking(meeting())
    id_ = engine.meeting_id()
    bodies = [json.loads(engine.reading.meeting(ACCOUNT, name)) for name in (id_, id_.replace("-", ""), id_.upper())]
    assert [body["content"]["title"] for body in bodies] == ["Kick-off"] * 3


def _id_of(engine: Asking) -> str:
    return str(next(r.meeting for r in engine.views.decisions(ACCOUNT, subject="g1")))


@pytest.mark.parametrize(
    "events",
    [
        pytest.param([meeting(guests=(), title="Salaries")], id="of colleagues only"),
        pytest.param([meeting(guests=("stranger@x.example",))], id="without a contact"),
        pytest.param([meeting(), meeting(revision=1, privacy="private")], id="turned private"),
    ],
)
def test_a_meeting_in_no_timeline_is_nobodys_to_read(events: list[dict[str, Any]]) -> None:
    engine = asking(*events)
    with pytest.raises(NotFound, match="stands in a timeline"):
        engine.reading.meeting(ACCOUNT, _id_of(engine))


@pytest.mark.parametrize("read", ["meeting", "history"])
@pytest.mark.parametrize(
    ("account", "name"),
    [
        pytest.param(ACCOUNT, "m1", id="no UUID"),
        pytest.param(ACCOUNT, "00000000-0000-0000-0000-000000000000", id="an unknown one"),
        pytest.param(OTHER, None, id="another account's"),
    ],
)
def test_no_other_meeting_is_found(read: str, account: str, name: str | None) -> None:
    engine = asking(meeting())
    with pytest.raises(NotFound):
        getattr(engine.reading, read)(account, name or engine.meeting_id())


def history(engine: Asking) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(engine.reading.history(ACCOUNT, _id_of(engine)))["events"]
    return found


def test_a_history_tells_every_event_with_names_and_both_times() -> None:
    engine = asking(meeting(), meeting(revision=1, start="2026-04-08T10:00:00"), deleted(revision=2))
    events = history(engine)
    assert [(e["version"], e["name"], e["cause"]) for e in events] == [
        (1, "meeting.scheduled.v1", "google:501:g1:0"),
        (2, "meeting.rescheduled.v1", "google:501:g1:1"),
        (3, "meeting.cancelled.v1", "google:501:g1:deleted:2"),
    ]
    assert [e["at"] for e in events] == [z(hour(0)), z(hour(1)), z(hour(2))]
    assert [guest["name"] for guest in events[0]["shown"][0]["guests"]] == ["Ana", "Bo"]
    assert events[2]["copy"]["state"] == "deleted"
    assert events[2]["shown"][0]["status"] == "cancelled"


def test_a_history_shows_nothing_of_a_meeting_that_turned_private() -> None:
    engine = asking(meeting(title="Layoffs"), meeting(revision=1, privacy="private"))
    events = history(engine)
    assert [e["name"] for e in events] == ["meeting.scheduled.v1", "meeting.withdrawn.v1"]
    assert "Layoffs" not in json.dumps(events)


def test_a_history_shows_nothing_of_what_was_never_in_a_timeline() -> None:
    engine = asking(meeting(title="Salaries", guests=()), meeting(revision=1, title="Open talk"))
    assert "Salaries" not in json.dumps(history(engine))
    assert "Open talk" in json.dumps(history(engine))


@pytest.mark.parametrize(
    "hide",
    [
        pytest.param(contact_said("152", "contact.erased", 5), id="erased"),
        pytest.param(configured(5, never_log={"addresses": [CY], "domains": []}), id="on the never-log list since"),
        pytest.param(configured(5, never_log={"addresses": [], "domains": ["buyer.example"]}), id="of a never-log domain since"),
    ],
)
def test_a_history_names_nobody_who_may_not_be_named(hide: dict[str, Any]) -> None:
    engine = asking(meeting(guests=(BO, CY)))
    assert CY in json.dumps(history(engine))
    engine.tell(hide)
    assert CY not in json.dumps(history(engine))
    assert BO in json.dumps(history(engine))


def test_a_history_has_no_contact_who_was_erased_and_nothing_of_what_stood_in_his_timeline_alone() -> None:
    engine = asking(meeting(guests=(CY,), title="With Cy alone"), meeting(revision=1, guests=(BO, CY), title="With both"))
    assert [e["shown"][0]["contacts"] for e in history(engine)] == [["152"], ["151", "152"]]
    engine.tell(contact_said("152", "contact.erased", 5))
    assert [[shape["contacts"] for shape in e["shown"]] for e in history(engine)] == [[], [["151"]], [["151"]]]
    assert "alone" not in json.dumps(history(engine))


def test_a_history_has_no_contact_who_was_merged_into_one_who_was_erased() -> None:
    engine = asking(meeting(guests=(BO, CY)), contact("170", "era@client.example", 2))
    engine.tell(contact_said("170", "contact.merged", 3, {"merged": ["152"], "email": "era@client.example", "name": "Era"}))
    engine.tell(contact_said("170", "contact.erased", 5))
    assert {contact for e in history(engine) for shape in e["shown"] for contact in shape["contacts"]} == {"151"}


def test_a_deletion_in_the_crm_is_told_as_such() -> None:
    engine = asking(row("900"), row_deleted("900"))
    id_ = str(next(r.meeting for r in engine.views.decisions(ACCOUNT, subject="900")))
    events = json.loads(engine.reading.history(ACCOUNT, id_))["events"]
    assert [e["name"] for e in events] == ["meeting.scheduled.v1", "meeting.withdrawn.v1"]


def test_decisions_are_paged_in_their_order() -> None:
    engine = asking(*[meeting(f"g{n}") for n in range(5)])
    seen: list[str] = []
    cursor = None
    while True:
        page = json.loads(engine.reading.decisions(ACCOUNT, limit=4, cursor=cursor))
        seen += [one["event"] for one in page["decisions"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert len(seen) == 12
    assert seen[-5:] == [f"google:501:g{n}:0" for n in range(5)]


def test_decisions_name_people_by_key_only() -> None:
    engine = asking(meeting())
    body = engine.reading.decisions(ACCOUNT, event="google:501:g1:0")
    assert [d["rule"] for d in json.loads(body)["decisions"][0]["decisions"]] == ["contact-match", "crm-user", "contact-match"]
    assert BO.encode() not in body
    assert engine.vault.key(ACCOUNT, BO).encode() in body


def test_connections_are_told_without_what_they_are_made_from() -> None:
    (one,) = json.loads(asking(meeting()).reading.connections(ACCOUNT))["connections"]
    assert (one["user"], one["state"], one["provider"], one["calendar"]) == ("501", "active", "google", ANA)
    assert "facts" not in one


@pytest.mark.parametrize("count", [0, 1, 2, 3, 7, 8, 9])
def test_the_last_change_is_found_however_many_there_are(count: int) -> None:
    engine = asking(*[meeting(f"g{n}") for n in range(count)])
    last = engine.reading.last_change(ACCOUNT, None)
    assert engine.reading.changes(ACCOUNT, None, last, 10) == []
    assert len(engine.reading.changes(ACCOUNT, None, last - 1, 10)) == min(count, 1)
    assert engine.reading.last_change(OTHER, None) == 0
