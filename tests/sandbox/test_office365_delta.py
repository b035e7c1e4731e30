"""Delta rounds: what they hold, how they are cut into pages, how they end, and that whoever follows them has it all."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.sandbox.office365_world import ANA, CEM, MARCH, Json, Office, at, guests, repeating, valid

DELTA = f"/me/calendarView/delta?{MARCH}"
APRIL = {"start": at("2026-04-09T10:00:00"), "end": at("2026-04-09T11:00:00")}


@pytest.fixture
def office() -> Office:
    return Office()


def brief(items: list[Json]) -> list[str]:
    """What each item of a round is."""
    return ["removed" if "@removed" in item else str(item["type"]) for item in items]


# --- what a round holds -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("word", ["delta", "delta()", "microsoft.graph.delta()", "microsoft.graph.delta"])
@pytest.mark.parametrize("owner", ["/me", f"/users/{ANA}", "/me/calendar", "", "/me/calendars/{calendar}"])
def test_every_way_of_writing_it_is_the_same_delta(office: Office, owner: str, word: str) -> None:
    office.event()
    (calendar,) = office.get("/me/calendars").body["value"]
    items, link = office.round(f"{owner.format(calendar=calendar['id'])}/calendarView/{word}?{MARCH}")
    assert (brief(items), "/delta?$deltatoken=" in link) == (["singleInstance"], True)
    assert office.round(link)[0] == []


def test_a_page_is_what_graph_says_it_is(office: Office) -> None:
    office.event()
    said = office.get(DELTA)
    valid(said.body, "eventDeltaPage")
    assert said.body["@odata.context"].endswith("/v1.0/$metadata#Collection(event)")
    assert (said.body["value"][0]["@odata.type"], said.body["value"][0]["subject"]) == ("#microsoft.graph.event", "Kick-off")


def test_a_series_is_its_master_and_bare_occurrences(office: Office) -> None:
    made = office.event(recurrence=repeating(count=3))
    items, _ = office.round(DELTA)
    assert brief(items) == ["seriesMaster", "occurrence", "occurrence", "occurrence"]
    assert items[0]["recurrence"]["range"] == {
        "type": "numbered",
        "startDate": "2026-03-09",
        "endDate": "0001-01-01",
        "recurrenceTimeZone": "Romance Standard Time",
        "numberOfOccurrences": 3,
    }
    assert sorted(items[1]) == ["@odata.etag", "@odata.type", "end", "id", "seriesMasterId", "start", "type"]
    assert [item["start"]["dateTime"][:13] for item in items[1:]] == ["2026-03-09T09", "2026-03-10T09", "2026-03-11T09"]
    assert {item["seriesMasterId"] for item in items[1:]} == {made["id"]}


def test_an_exception_comes_whole_and_with_it_its_series(office: Office) -> None:
    office.event(recurrence=repeating(count=3))
    items, link = office.round(DELTA)
    office.patch(f"/me/events/{items[2]['id']}", {"subject": "Other"})
    again, _ = office.round(link)
    assert brief(again) == ["seriesMaster", "occurrence", "exception", "occurrence"]
    assert (again[2]["id"], again[2]["subject"], again[2]["originalStart"]) == (items[2]["id"], "Other", "2026-03-10T09:00:00Z")


def test_an_exception_can_come_alone(office: Office) -> None:
    office.outlook.switch(series_again=False)
    office.event(recurrence=repeating(count=3))
    items, link = office.round(DELTA)
    office.patch(f"/me/events/{items[2]['id']}", {"subject": "Other"})
    again, _ = office.round(link)
    assert [(item["id"], item["type"]) for item in again] == [(items[2]["id"], "exception")]


@pytest.mark.parametrize(("switch", "says"), [("removed", ["removed"]), ("silent", [])])
def test_a_removed_occurrence_is_told_by_its_id_or_by_its_absence(office: Office, switch: str, says: list[str]) -> None:
    office.outlook.switch(lost_occurrences=switch)
    office.event(recurrence=repeating(count=3))
    items, link = office.round(DELTA)
    office.delete(f"/me/events/{items[2]['id']}")
    again, _ = office.round(link)
    assert brief(again) == ["seriesMaster", "occurrence", "occurrence", *says]
    assert [item["id"] for item in again if "@removed" in item] == [items[2]["id"]] * len(says)
    assert office.get(f"/me/events/{items[2]['id']}").status == 404


def test_what_changed_outside_the_window_is_removed_though_it_never_was_inside(office: Office) -> None:
    _, link = office.round(DELTA)
    outside = office.event(**APRIL)
    items, link = office.round(link)
    assert items == [{"@odata.type": "#microsoft.graph.event", "id": outside["id"], "@removed": {"reason": "deleted"}}]
    valid(items[0], "removedItem")
    office.delete(f"/me/events/{outside['id']}")
    assert brief(office.round(link)[0]) == ["removed"]


def test_the_first_round_says_nothing_of_what_is_outside_or_gone(office: Office) -> None:
    office.event(**APRIL)
    office.delete(f"/me/events/{office.event()['id']}")
    assert office.round(DELTA)[0] == []


def test_what_is_moved_out_of_the_window_is_removed_and_comes_back(office: Office) -> None:
    made = office.event()
    _, link = office.round(DELTA)
    office.patch(f"/me/events/{made['id']}", APRIL)
    items, link = office.round(link)
    assert [(item["id"], "@removed" in item) for item in items] == [(made["id"], True)]
    office.outlook.move(ANA, made["id"], "2026-03-20T10:00:00", "2026-03-20T11:00:00")
    assert brief(office.round(link)[0]) == ["singleInstance"]


def test_another_id_is_one_removed_and_one_new_unless_ids_are_immutable(office: Office) -> None:
    made = office.event()
    _, link = office.round(DELTA)
    _, for_life = office.round(DELTA, prefer='IdType="ImmutableId"')
    moved = office.outlook.relocate(ANA, made["id"])
    items, _ = office.round(link)
    assert [(item["id"], "@removed" in item) for item in items] == [(moved, False), (made["id"], True)]
    items, _ = office.round(for_life, prefer='IdType="ImmutableId"')
    assert brief(items) == ["singleInstance"]
    assert items[0]["id"] not in (moved, made["id"])


def test_the_form_of_ids_is_preferred_on_every_request_of_a_round(office: Office) -> None:
    _, link = office.round(DELTA, prefer='IdType="ImmutableId"')
    assert [office.get(link).code, office.get(link, prefer='IdType="ImmutableId"').status] == ["ErrorInvalidParameter", 200]


def test_what_leaves_the_calendar_leaves_its_delta(office: Office) -> None:
    made = office.event()
    other = office.outlook.calendar(ANA, "Side")
    _, link = office.round(DELTA)
    _, beside = office.round(f"/me/calendars/{other}/calendarView/delta?{MARCH}")
    office.outlook.relocate(ANA, made["id"], other)
    assert (brief(office.round(link)[0]), brief(office.round(beside)[0])) == (["removed"], ["singleInstance"])


def test_a_delta_of_events_has_no_window_and_no_occurrences(office: Office) -> None:
    office.event(recurrence=repeating(count=3))
    office.event(**APRIL)
    items, link = office.round("/me/events/delta")
    assert (brief(items), "/events/delta?" in link) == (["seriesMaster", "singleInstance"], True)
    office.outlook.switch(events_delta=False)
    assert office.get("/me/events/delta").status == 400


# --- pages ------------------------------------------------------------------------------------------------------------


def pages(office: Office, link: str, size: int) -> list[list[str]]:
    """The ids of each page of a round."""
    found = []
    while link:
        said = office.get(link, prefer=f"odata.maxpagesize={size}")
        assert said.headers["Preference-Applied"] == f"odata.maxpagesize={size}"
        found.append([item["id"] for item in said.body["value"]])
        link = said.body.get("@odata.nextLink", "")
    return found


@pytest.mark.parametrize(
    ("switches", "lengths"),
    [
        pytest.param({}, [2, 5, 1], id="a series stays on one page"),
        pytest.param({"split_series": True}, [2, 2, 2, 2], id="or is split"),
        pytest.param({"empty_pages": True}, [2, 0, 5, 0, 1], id="an empty page is not the last one"),
        pytest.param({"split_series": True, "repeated_items": True}, [2] * 7, id="an item comes twice"),
    ],
)
def test_pages_are_as_long_as_asked_for(office: Office, switches: Json, lengths: list[int]) -> None:
    office.outlook.switch(**switches)
    for recurrence in (None, None, repeating(count=4), None):
        office.event(recurrence=recurrence)
    found = pages(office, DELTA, 2)
    assert [len(page) for page in found] == lengths
    assert len({id for page in found for id in page}) == 8


def test_a_link_can_be_followed_again_and_says_the_same(office: Office) -> None:
    for _ in range(3):
        office.event()
    first = office.get(DELTA, prefer="odata.maxpagesize=1").body
    second = office.get(first["@odata.nextLink"], prefer="odata.maxpagesize=1").body
    office.event()
    assert office.get(first["@odata.nextLink"], prefer="odata.maxpagesize=1").body["value"] == second["value"]


def test_what_happens_during_a_round_comes_in_the_next_one(office: Office) -> None:
    made = [office.event()["id"] for _ in range(3)]
    first = office.get(DELTA, prefer="odata.maxpagesize=1").body
    office.delete(f"/me/events/{made[2]}")
    items, link = office.round(first["@odata.nextLink"])
    assert [item["id"] for item in items] == made[1:]
    assert [(item["id"], "@removed" in item) for item in office.round(link)[0]] == [(made[2], True)]


@pytest.mark.parametrize("option", ["$select=subject", "$filter=isAllDay eq true", "$expand=extensions", "$orderby=subject", "$search=x"])
def test_options_that_a_delta_does_not_know_are_refused(office: Office, option: str) -> None:
    assert office.get(f"{DELTA}&{option}").code == "ErrorInvalidRequest"


@pytest.mark.parametrize("query", ["", "startDateTime=2026-03-01T00:00:00Z", "endDateTime=2026-03-01T00:00:00Z"])
def test_a_delta_without_its_window_is_refused(office: Office, query: str) -> None:
    assert office.get(f"/me/calendarView/delta?{query}").code == "ErrorInvalidParameter"


# --- the end of a link ------------------------------------------------------------------------------------------------


def test_a_reset_link_is_gone_and_says_where_to_begin_anew(office: Office) -> None:
    office.event()
    _, link = office.round(DELTA)
    office.outlook.expire_cursors(ANA)
    said = office.get(link)
    assert (said.status, said.code) == (410, "SyncStateNotFound")
    assert said.headers["Location"].endswith(f"/v1.0/me/calendarView/delta?{MARCH}&$deltatoken=")
    items, fresh = office.round(said.headers["Location"])
    assert brief(items) == ["singleInstance"]
    assert office.round(fresh)[0] == []


@pytest.mark.parametrize(("status", "code"), [(400, "syncStateInvalid"), (404, "resyncRequired")])
def test_a_reset_can_be_said_in_other_words(office: Office, status: int, code: str) -> None:
    office.outlook.switch(reset_status=status, reset_code=code)
    _, link = office.round(DELTA)
    office.outlook.expire_cursors()
    assert (office.get(link).status, office.get(link).code) == (status, code)


def test_a_link_is_gone_when_a_fault_says_so_and_is_good_again_after_it(office: Office) -> None:
    _, link = office.round(DELTA)
    office.world.faults.add("expired_cursor", simulator="office365")
    assert [office.get(link).status for _ in range(2)] == [410, 200]


def test_old_links_are_forgotten_first(office: Office) -> None:
    office.outlook.switch(kept_tokens=2)
    links = [office.round(DELTA)[1] for _ in range(3)]
    assert [office.get(link).status for link in links[:2]] == [410, 200]


def test_anothers_link_is_no_link_of_mine(office: Office) -> None:
    _, link = office.round(DELTA)
    assert office.get(link, who=CEM).status == 410


# --- whoever follows has it all ---------------------------------------------------------------------------------------


class Follower:
    """Knows the documented rules and no more: the last mention of an id counts, what is removed is dropped, a gone link means beginning
    anew, and a round is done at its delta link."""

    def __init__(self, office: Office, prefer: str) -> None:
        self.office, self.prefer = office, prefer
        self.link = DELTA
        self.has: dict[str, Json] = {}

    def follow(self) -> None:
        """One round to its end."""
        link, fresh = self.link, self.link == DELTA
        seen: dict[str, Json] = {} if fresh else dict(self.has)
        while True:
            said = self.office.get(link, prefer=self.prefer)
            if said.status == 410:
                link, seen = said.headers["Location"], {}
                continue
            for item in said.body["value"]:
                seen.pop(item["id"], None)
                if "@removed" not in item:
                    seen[item["id"]] = item
            if "@odata.deltaLink" in said.body:
                self.link, self.has = said.body["@odata.deltaLink"], seen
                return
            link = said.body["@odata.nextLink"]

    def shape(self) -> dict[str, tuple[str, str, str | None]]:
        """What is known, without the masters, which a view does not show."""
        return {id: described(item) for id, item in self.has.items() if item["type"] != "seriesMaster"}


def described(item: Json) -> tuple[str, str, str | None]:
    # A bare occurrence says no more than its time.
    return item["type"], item["start"]["dateTime"], item["subject"] if item["type"] != "occurrence" else None


def shown(office: Office, prefer: str) -> dict[str, tuple[str, str, str | None]]:
    """The truth: a view of the window."""
    items = office.get(f"/me/calendarView?{MARCH}&$top=1000", prefer=prefer).body["value"]
    return {item["id"]: described(item) for item in items}


PATTERNS: list[Json | None] = [None, repeating(count=6), repeating("weekly", count=9, daysOfWeek=["monday", "friday"])]


def mutate(office: Office, chance: random.Random) -> None:
    """Somebody does something."""
    day, month = chance.randint(1, 28), chance.choice(["02", "03", "03", "04"])
    times: Json = {"start": at(f"2026-{month}-{day:02}T10:00:00"), "end": at(f"2026-{month}-{day:02}T11:30:00")}
    everything = office.get("/me/events?$top=1000").body["value"] + office.get(f"/me/calendarView?{MARCH}&$top=1000").body["value"]
    target = chance.choice(everything)["id"] if everything else ""
    match chance.choice(["make", "make", "move", "rename", "delete", "delete", "relocate", "away", "repeat"]):
        case "make":
            office.event(subject=f"M{chance.random()}", recurrence=chance.choice(PATTERNS), attendees=guests(CEM), **times)
        case "move" if target:
            office.patch(f"/me/events/{target}", times)
        case "rename" if target:
            office.patch(f"/me/events/{target}", {"subject": f"R{chance.random()}"})
        case "delete" if target:
            office.delete(f"/me/events/{target}")
        case "relocate" if target:
            office.outlook.relocate(ANA, target)
        case "away" if target:
            office.outlook.relocate(ANA, target, chance.choice(list(office.outlook.exchange.box(ANA).calendars)))
        case "repeat" if target:
            office.patch(f"/me/events/{target}", {"recurrence": chance.choice(PATTERNS)})
        case _:
            pass


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    sizes=st.lists(st.integers(1, 7), min_size=1, max_size=4),
    switches=st.fixed_dictionaries({name: st.booleans() for name in ("split_series", "empty_pages", "repeated_items", "series_again")}),
    immutable=st.booleans(),
)
def test_whoever_follows_the_rules_has_what_the_window_shows(seed: int, sizes: list[int], switches: Any, immutable: bool) -> None:
    office, chance = Office(), random.Random(seed)
    office.outlook.switch(**switches)
    office.outlook.calendar(ANA, "Side")
    form = 'IdType="ImmutableId", ' if immutable else ""
    follower = Follower(office, form)
    for size in sizes * 2:
        for _ in range(chance.randint(0, 5)):
            mutate(office, chance)
        if chance.random() < 0.2:
            office.outlook.expire_cursors()
        follower.prefer = f"{form}odata.maxpagesize={size}"
        follower.follow()
        assert follower.shape() == shown(office, form)
