"""HubSpot's feeds, against a portal that a test plays: a search with its habits, the recycle bin, owners, and what notices name."""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import httpx
import msgspec
import pytest
import stamina

from adapters import wording
from adapters.hubspot import calling, source
from adapters.hubspot.calling import V3, Paths, dated
from adapters.hubspot.portal import BATCH, CONTACTS, MEETINGS, PAGE
from adapters.hubspot.source import OVERLAP_MS, PAGES, RECYCLED_MS, Notices, ObjectsFeed, Owners, OwnersFeed, Place, feeds
from adapters.hubspot.translate import translate
from adapters.unread import AGAIN, MOST, Unread
from domain.errors import Deauthorised, Refused, TryAgain
from domain.outside import Pulled
from tests.calling import HUBSPOT, NOW, Provider, ok, query

BASE = "https://hubspot.example/"
MINUTE, HOUR = 60_000, 3_600_000
OWNER = {"id": "7001", "userId": 501, "email": "ana@acme.example", "type": "PERSON", "archived": False, "updatedAt": "2026-01-01T00:00:00Z"}


class FakePortal:
    """Objects by type; each with its own time of change in ms. A search does not find the `hidden`; `lacking` properties are unknown."""

    def __init__(self) -> None:
        self.objects: dict[str, dict[str, dict[str, Any]]] = {"meetings": {}, "contacts": {}}
        self.linked: dict[tuple[str, str], list[str]] = {}
        self.lacking: set[str] = set()
        self.owners = [OWNER]
        self.hidden: set[str] = set()
        self.searches = 0
        self.provider = Provider(self.answer)

    def meeting(self, id: str, at: int = NOW, **properties: Any) -> None:
        plain = {"hs_meeting_title": "Kick-off", "hs_meeting_start_time": "2026-03-09T09:00:00Z", "hubspot_owner_id": "7001"}
        self._keep("meetings", id, at, {"hs_lastmodifieddate": at, "hs_createdate": at, **plain, **properties})

    def contact(self, id: str, at: int = NOW, **properties: Any) -> None:
        self._keep("contacts", id, at, {"lastmodifieddate": at, "createdate": at, "email": f"{id}@client.example", **properties})

    def _keep(self, path: str, id: str, at: int, properties: dict[str, Any]) -> None:
        self.objects[path][id] = {"id": id, "at": at, "properties": properties, "archived": False}

    def recycle(self, path: str, id: str, at: int) -> None:
        self.objects[path][id] |= {"archived": True, "archivedAt": _iso(at)}

    def restore(self, path: str, id: str) -> None:
        self.objects[path][id] |= {"archived": False, "archivedAt": None}

    # --- the wire

    def answer(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path.removeprefix("/")
        if path == "crm/v3/owners":
            wanted = query(request)["archived"] == "true"
            return ok({"results": [one for one in self.owners if one["archived"] == wanted]})
        asked = json.loads(request.content) if request.content else {}
        if path.startswith("crm/v4/associations/meetings/"):
            return self._associations(path.split("/")[4], [one["id"] for one in asked["inputs"]])
        type_ = path.split("/")[3]
        if path.endswith("/search"):
            return self._search(type_, asked)
        if request.method == "GET":
            return self._list(type_, query(request))
        if lacking := [name for name in asked["properties"] if name in self.lacking]:
            said = "".join(f'{{\\"error\\":\\"PROPERTY_DOESNT_EXIST\\",\\"name\\":\\"{name}\\"}}' for name in lacking)
            return httpx.Response(400, json={"status": "error", "category": "VALIDATION_ERROR", "message": said})
        archived = query(request).get("archived") == "true"
        found = [self.objects[type_].get(one["id"]) for one in asked["inputs"]]
        there = [_shown(one, asked["properties"]) for one in found if one and one["archived"] == archived]
        return httpx.Response(200 if len(there) == len(found) else 207, json={"status": "COMPLETE", "results": there})

    def _search(self, type_: str, asked: dict[str, Any]) -> httpx.Response:
        self.searches += 1
        (group,), (sort,) = asked["filterGroups"], asked["sorts"]
        modified = {"meetings": MEETINGS, "contacts": CONTACTS}[type_].modified
        found = [one for id, one in self.objects[type_].items() if not one["archived"] and id not in self.hidden]
        for rule in group["filters"]:
            name = "at" if rule["propertyName"] == modified else "id"
            fits = {"GTE": operator.ge, "EQ": operator.eq, "GT": operator.gt}[rule["operator"]]
            found = [one for one in found if fits(int(one[name]), int(rule["value"]))]
        found.sort(key=(lambda one: int(one["id"])) if sort["propertyName"] == "hs_object_id" else (lambda one: one["at"]))
        shown = [_shown(one, asked["properties"]) for one in found[: asked["limit"]]]
        more = {"paging": {"next": {"after": str(asked["limit"])}}} if len(found) > asked["limit"] else {}
        return ok({"total": len(found), "results": shown} | more)

    def _list(self, type_: str, asked: dict[str, Any]) -> httpx.Response:
        bin_ = [one for one in self.objects[type_].values() if one["archived"]]
        start = int(asked.get("after", 0))
        shown = [_shown(one, asked["properties"].split(",")) for one in bin_[start : start + BATCH]]
        more = {"paging": {"next": {"after": str(start + BATCH)}}} if len(bin_) > start + BATCH else {}
        return ok({"results": shown} | more)

    def _associations(self, other: str, ids: list[str]) -> httpx.Response:
        results = [
            {"from": {"id": id}, "to": [{"toObjectId": int(to)} for to in self.linked[id, other]]}
            for id in ids
            if (id, other) in self.linked
        ]
        errors = [{"category": "OBJECT_NOT_FOUND", "subCategory": "crm.associations.NO_ASSOCIATIONS_FOUND"}]
        return httpx.Response(207, json={"results": results, "errors": errors if len(results) < len(ids) else []})

    # --- reading it

    def feed(self, kind: str) -> ObjectsFeed | OwnersFeed:
        return feeds(self.api(), Owners())[kind]

    def api(self) -> Any:
        return calling.api(self.provider.http, self.provider.access, self.provider.throttle, BASE)

    def pull(self, kind: str = "meetings", value: str | None = None, now: int = NOW) -> list[Pulled]:
        return list(self.feed(kind).pull(HUBSPOT, value, now))

    def hear(self, *items: dict[str, Any]) -> Pulled:
        return Notices(self.api(), Owners()).read(HUBSPOT, [json.dumps(item).encode() for item in items], NOW)


def _iso(at: int) -> str:
    return wording.instant(datetime.fromtimestamp(at / 1000, UTC))


def _shown(one: dict[str, Any], properties: list[str]) -> dict[str, Any]:
    times = {"hs_lastmodifieddate", "lastmodifieddate", "hs_createdate", "createdate"}
    shown = {name: _iso(value) if name in times else value for name, value in one["properties"].items() if name in properties}
    about = {name: one[name] for name in ("id", "archived", "archivedAt") if one.get(name) is not None}
    return about | {"properties": shown, "updatedAt": _iso(one["at"])}


def events(pages: list[Pulled]) -> list[dict[str, Any]]:
    return [event for page in pages for event in page.events]


def told(pages: list[Pulled]) -> list[tuple[str, str]]:
    return [(str(e["type"]).removeprefix("rendezvous.").removesuffix(".v1"), e["subject"]) for e in events(pages)]


def after(pages: list[Pulled]) -> str:
    """Where the next read goes on."""
    (value,) = [page.next for page in pages if page.last]
    assert value is not None
    return value


@pytest.fixture(autouse=True)
def _in_no_time() -> Iterator[None]:
    """Retries wait for nobody."""
    with stamina.set_testing(True, attempts=4):
        yield


@pytest.fixture
def portal() -> FakePortal:
    return FakePortal()


# --- searching --------------------------------------------------------------------------------------------------------


def test_a_first_read_tells_meetings_whole(portal: FakePortal) -> None:
    portal.meeting("101", NOW - HOUR)
    portal.meeting("102", NOW)
    portal.linked = {("101", "contacts"): ["151", "152"], ("102", "deals"): ["9"]}
    pages = portal.pull()
    assert [(e["subject"], e["data"]["associations"], e["data"]["provenance"]["user"]) for e in events(pages)] == [
        ("101", {"contacts": ["151", "152"], "companies": [], "deals": [], "tickets": []}, "501"),
        ("102", {"contacts": [], "companies": [], "deals": ["9"], "tickets": []}, "501"),
    ]


def test_contacts_are_read_without_owners_and_associations(portal: FakePortal) -> None:
    portal.contact("151", firstname="Bo")
    assert [(e["subject"], e["data"]["email"], e["data"]["name"]) for e in events(portal.pull("contacts"))] == [
        ("151", "151@client.example", "Bo")
    ]
    assert not [path for path in portal.provider.paths() if "owners" in path or "associations" in path]


def test_a_second_read_finds_what_changed_and_reads_nothing_twice(portal: FakePortal) -> None:
    portal.meeting("101", NOW - 1000)
    value = after(portal.pull())
    before = len(portal.provider.asked)
    assert told(portal.pull(value=value, now=NOW + MINUTE)) == []
    assert portal.provider.paths()[before:] == ["POST /crm/v3/objects/meetings/search"]
    portal.meeting("101", NOW + MINUTE, hs_meeting_title="Moved")
    portal.meeting("102", NOW + MINUTE)
    assert told(portal.pull(value=value, now=NOW + 2 * MINUTE)) == [("meeting.created", "101"), ("meeting.created", "102")]


def test_what_the_search_shows_late_is_found_late(portal: FakePortal) -> None:
    portal.meeting("101", NOW - 1000)
    portal.meeting("102", NOW - 1000 - OVERLAP_MS + 1)
    portal.hidden = {"102"}
    value = after(portal.pull())
    portal.hidden = set()
    assert told(portal.pull(value=value)) == [("meeting.created", "102")]


def test_a_large_portal_is_read_by_the_time_of_change_and_each_object_once(portal: FakePortal) -> None:
    for number in range(PAGE * 3 + 7):
        portal.contact(str(1000 + number), NOW - HOUR + number)
    pages = portal.pull("contacts")
    assert [e["subject"] for e in events(pages)] == [str(1000 + n) for n in range(PAGE * 3 + 7)]
    assert portal.searches == 4


@pytest.mark.parametrize(
    "together", [pytest.param(PAGE, id="a page"), pytest.param(PAGE * 2 + 1, id="pages"), pytest.param(PAGE + 1, id="one more")]
)
def test_those_of_one_millisecond_are_told_apart_by_their_ids(portal: FakePortal, together: int) -> None:
    portal.contact("1", NOW - 2000)
    for number in range(together):
        portal.contact(str(1000 + number), NOW - 1000)
    portal.contact("2", NOW)
    pages = portal.pull("contacts")
    subjects = [e["subject"] for e in events(pages)]
    assert (len(subjects), len(set(subjects)), subjects[0], subjects[-1]) == (together + 2, together + 2, "1", "2")


def test_a_long_read_is_done_in_parts_and_each_is_kept(portal: FakePortal) -> None:
    most = PAGES * (PAGE - 1)
    for number in range(most + PAGE):
        portal.contact(str(1000 + number), NOW - HOUR + number)
    first = portal.pull("contacts")
    assert (first[-1].last, first[-1].more) == (True, True)
    second = portal.pull("contacts", after(first))
    assert (second[-1].last, second[-1].more) == (True, False)
    subjects = [e["subject"] for e in events(first) + events(second)]
    assert sorted(set(subjects), key=int) == subjects
    assert len(subjects) == most + PAGE


def test_a_part_that_is_read_again_says_the_same(portal: FakePortal) -> None:
    portal.meeting("101")
    assert [e["id"] for e in events(portal.pull())] == [e["id"] for e in events(portal.pull())] != []


def test_an_unreadable_cursor_begins_anew(portal: FakePortal) -> None:
    portal.meeting("101")
    assert told(portal.pull(value="of another release")) == [("meeting.created", "101")]


# --- what a portal lacks ----------------------------------------------------------------------------------------------


def test_a_property_that_a_portal_lacks_costs_that_property_alone(portal: FakePortal) -> None:
    portal.meeting("101", hs_i_cal_uid="u1", rendezvous_meeting_id="m1")
    portal.lacking = {"rendezvous_meeting_id"}
    (said,) = events(portal.pull())
    assert (said["data"]["provenance"]["icalUid"], said["data"]["provenance"]["link"]) == ("u1", None)


def test_a_portal_that_lacks_what_is_needed_is_refused(portal: FakePortal) -> None:
    portal.meeting("101")
    portal.lacking = {"hs_meeting_title"}
    with pytest.raises(Refused, match="hubspot answered 400 VALIDATION_ERROR"):
        portal.pull()


def test_an_owner_that_is_new_is_looked_up(portal: FakePortal) -> None:
    reading = portal.feed("meetings")
    portal.meeting("101", NOW - 1000)
    value = after(list(reading.pull(HUBSPOT, None, NOW)))
    portal.owners = [OWNER, OWNER | {"id": "7002", "userId": 502, "email": "ben@acme.example"}]
    portal.meeting("102", NOW + MINUTE, hubspot_owner_id="7002")
    pages = list(reading.pull(HUBSPOT, value, NOW + MINUTE))
    assert [e["data"]["provenance"]["user"] for e in events(pages)] == ["502"]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        pytest.param(httpx.Response(403, json={"category": "MISSING_SCOPES"}), Deauthorised, id="a scope is missing"),
        pytest.param(httpx.Response(429, json={"errorType": "RATE_LIMIT"}, headers={"Retry-After": "60"}), TryAgain, id="too many"),
        pytest.param(httpx.Response(400, json={"category": "VALIDATION_ERROR"}), Refused, id="a wrong question"),
        pytest.param(httpx.Response(200), TryAgain, id="nothing"),
    ],
)
def test_what_goes_wrong_is_named(answer: httpx.Response, kind: type[Exception]) -> None:
    provider = Provider(lambda _: answer)
    reading = ObjectsFeed(calling.api(provider.http, provider.access, provider.throttle, BASE), CONTACTS, Owners())
    with pytest.raises(kind):
        list(reading.pull(HUBSPOT, None, NOW))


def test_associations_that_were_not_answered_are_not_taken_for_none(portal: FakePortal) -> None:
    portal.meeting("101")
    whole = portal.answer

    def broken(request: httpx.Request) -> httpx.Response:
        if "/associations/" in request.url.path:
            return httpx.Response(207, json={"results": [], "errors": [{"category": "INTERNAL_ERROR"}]})
        return whole(request)

    well, portal.provider = portal.provider, Provider(broken)
    pages = portal.pull()
    assert (told(pages), list(unread(pages))) == ([], ["101"])
    portal.provider = well
    assert told(portal.pull(value=after(pages), now=NOW + MINUTE)) == [("meeting.created", "101")]


# --- what fails to be read --------------------------------------------------------------------------------------------


def failing(portal: FakePortal, ids: set[str], fail: Callable[[httpx.Response, str], httpx.Response]) -> Provider:
    """The portal on a bad day: these objects always fail when they are asked for by id."""

    def answer(request: httpx.Request) -> httpx.Response:
        said = portal.answer(request)
        asked = json.loads(request.content)["inputs"] if request.url.path.endswith("/batch/read") else ()
        return next((fail(said, one["id"]) for one in asked if one["id"] in ids), said)

    return Provider(answer)


def in_part(error: dict[str, Any]) -> Callable[[httpx.Response, str], httpx.Response]:
    """The batch without this object, and an error instead."""

    def fail(said: httpx.Response, id: str) -> httpx.Response:
        body = json.loads(said.content)
        results = [one for one in body["results"] if one.get("id") != id]
        return httpx.Response(207, json=body | {"results": results, "numErrors": 1, "errors": [error]})

    return fail


def as_a_whole(said: httpx.Response, id: str) -> httpx.Response:
    return httpx.Response(500, json={"status": "error", "message": "internal error"})


def not_at_all(said: httpx.Response, id: str) -> httpx.Response:
    raise httpx.ReadTimeout("too long")


FAILED: dict[str, dict[str, Any]] = {
    "an error of HubSpot's": {"status": "error", "category": "INTERNAL_ERROR", "context": {"ids": ["102"]}},
    "without saying why": {"status": "error"},
}
FAILURES: dict[str, Callable[[httpx.Response, str], httpx.Response]] = {
    **{name: in_part(error) for name, error in FAILED.items()},
    "the whole batch is an error": as_a_whole,
    "the whole batch takes too long": not_at_all,
}


def unread(pages: list[Pulled]) -> dict[str, Unread]:
    """What is remembered as failing."""
    return msgspec.json.decode(after(pages), type=Place).unread


@pytest.mark.parametrize("fail", FAILURES.values(), ids=list(FAILURES))
def test_a_meeting_that_fails_holds_up_no_other_and_is_read_later(
    portal: FakePortal, fail: Callable[[httpx.Response, str], httpx.Response]
) -> None:
    for number in range(100, 108):
        portal.meeting(str(number), NOW - HOUR + number)
    well, portal.provider = portal.provider, failing(portal, {"102"}, fail)
    pages = portal.pull()
    assert [e["subject"] for e in events(pages)] == ["100", "101", "103", "104", "105", "106", "107"]
    assert (pages[-1].last, list(unread(pages))) == (True, ["102"])
    portal.provider = well
    later = portal.pull(value=after(pages), now=NOW + MINUTE)
    assert (told(later), unread(later)) == ([("meeting.created", "102")], {})


def test_what_fails_is_named_with_how_and_since_when(portal: FakePortal) -> None:
    portal.meeting("102", NOW - HOUR)
    portal.provider = failing(portal, {"102"}, as_a_whole)
    pages = portal.pull(value=after(portal.pull()), now=NOW + MINUTE)
    assert pages[-1].refused == [("meeting 102", f"not read since {_iso(NOW)}, tried 2 times: hubspot answered 500 error")]


def test_what_fails_is_tried_again_after_longer_and_longer(portal: FakePortal) -> None:
    portal.meeting("102", NOW - HOUR)
    portal.provider = failing(portal, {"102"}, as_a_whole)
    value, tried = after(portal.pull()), []
    for now in range(NOW + MINUTE, NOW + 26 * HOUR, MINUTE):
        before = len(portal.provider.asked)
        value = after(portal.pull(value=value, now=now))
        if any("/batch/read" in path for path in portal.provider.paths()[before:]):
            tried.append((now - NOW) // MINUTE)
    assert tried == [1, 3, 7, 15, 31, 63, 127, 255, 511, 871, 1231]


def test_what_fails_is_tried_at_once_when_it_changes(portal: FakePortal) -> None:
    portal.meeting("102", NOW - HOUR)
    portal.provider, well = failing(portal, {"102"}, as_a_whole), portal.provider
    value = after(portal.pull())
    portal.provider = well
    portal.meeting("102", NOW + 1000, hs_meeting_title="Mended")
    pages = portal.pull(value=value, now=NOW + 2000)
    assert [(e["subject"], e["data"]["title"]) for e in events(pages)] == [("102", "Mended")]
    assert unread(pages) == {}


def test_what_failed_and_is_not_there_any_more_is_forgotten(portal: FakePortal) -> None:
    portal.meeting("102", NOW - HOUR)
    portal.provider, well = failing(portal, {"102"}, as_a_whole), portal.provider
    value = after(portal.pull())
    portal.provider = well
    del portal.objects["meetings"]["102"]
    pages = portal.pull(value=value, now=NOW + MINUTE)
    assert (told(pages), unread(pages), pages[-1].refused) == ([], {}, [])


def test_one_that_failed_before_costs_the_others_no_further_failure(portal: FakePortal) -> None:
    portal.meeting("102", NOW - HOUR)
    portal.provider = failing(portal, {"102"}, as_a_whole)
    value = after(portal.pull())
    for number in (101, 102, 103):
        portal.meeting(str(number), NOW + number)
    before = len(portal.provider.asked)
    assert [e["subject"] for e in events(portal.pull(value=value, now=NOW + 1000))] == ["101", "103"]
    assert [path for path in portal.provider.paths()[before:] if "objects/meetings/batch" in path] == [
        "POST /crm/v3/objects/meetings/batch/read"
    ] * 2


def test_of_many_that_fail_some_are_tried_in_each_turn_and_all_in_the_end(portal: FakePortal) -> None:
    ids = [str(number) for number in range(100, 100 + 2 * AGAIN)]
    for id in ids:
        portal.meeting(id, NOW - HOUR + int(id))
    well, portal.provider = portal.provider, failing(portal, set(ids), not_at_all)
    pages = portal.pull()
    tries = []
    for now in (NOW + MINUTE, NOW + MINUTE + 1):
        pages = portal.pull(value=after(pages), now=now)
        tries.append([unread(pages)[id].tries for id in ids])
    assert tries == [[2] * AGAIN + [1] * AGAIN, [2] * 2 * AGAIN]
    portal.provider = well
    assert len(events(portal.pull(value=after(pages), now=NOW + HOUR))) == 2 * AGAIN


def test_where_object_after_object_fails_it_is_the_portal(portal: FakePortal) -> None:
    everything = {str(number) for number in range(100, 150)}
    for id in everything:
        portal.meeting(id, NOW - HOUR)
    portal.provider = failing(portal, everything, as_a_whole)
    with pytest.raises(TryAgain, match="one thing after another could not be read, the last one because hubspot answered 500 error"):
        portal.pull()


def test_a_feed_that_fails_at_more_objects_than_it_can_remember_waits(portal: FakePortal) -> None:
    value = msgspec.json.encode(Place(unread={str(n): Unread(1, NOW, NOW + HOUR, "") for n in range(MOST)})).decode()
    portal.meeting("1000", NOW)
    portal.provider = failing(portal, {"1000"}, as_a_whole)
    with pytest.raises(TryAgain, match="one thing after another"):
        portal.pull(value=value)


def test_a_limit_that_is_used_up_says_nothing_of_an_object(portal: FakePortal) -> None:
    portal.meeting("102", NOW - HOUR)
    busy = httpx.Response(429, json={"errorType": "RATE_LIMIT"}, headers={"Retry-After": "60"})
    portal.provider = failing(portal, {"102"}, lambda said, id: busy)
    with pytest.raises(TryAgain) as refusal:
        portal.pull()
    assert refusal.value.after == 60.0


def test_a_bug_of_ours_that_one_object_meets_holds_up_no_other(portal: FakePortal, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(100, 104):
        portal.meeting(str(number), NOW - HOUR + number)

    def bug(bodies: Any, **more: Any) -> Any:
        if any(one.get("id") == "102" for one in bodies):
            raise KeyError("Kick-off")
        return translate(bodies, **more)

    monkeypatch.setattr(source, "translate", bug)
    pages = portal.pull()
    assert [e["subject"] for e in events(pages)] == ["100", "101", "103"]
    assert pages[-1].refused == [("meeting 102", f"not read since {_iso(NOW)}, tried once: KeyError while reading")]
    monkeypatch.undo()
    assert told(portal.pull(value=after(pages), now=NOW + MINUTE)) == [("meeting.created", "102")]


def test_a_bug_of_ours_about_a_deleted_object_leaves_its_deletion_to_be_told(portal: FakePortal, monkeypatch: pytest.MonkeyPatch) -> None:
    for id in ("101", "102"):
        portal.meeting(id, NOW - HOUR)
        portal.recycle("meetings", id, NOW - MINUTE)

    def bug(bodies: Any, **more: Any) -> Any:
        return 1 / 0 if any(one.get("id") == "102" for one in bodies) else translate(bodies, **more)

    monkeypatch.setattr(source, "translate", bug)
    pages = portal.pull()
    assert told(pages) == [("meeting.deleted", "101")]
    monkeypatch.undo()
    assert told(portal.pull(value=after(pages), now=NOW + RECYCLED_MS)) == [("meeting.deleted", "102")]


def test_one_that_fails_when_it_comes_out_of_the_recycle_bin_is_told_as_restored_later(portal: FakePortal) -> None:
    for id in ("101", "102"):
        portal.meeting(id, NOW - HOUR)
        portal.recycle("meetings", id, NOW - MINUTE)
    value = after(portal.pull())
    for id in ("101", "102"):
        portal.restore("meetings", id)
    well, portal.provider = portal.provider, failing(portal, {"102"}, as_a_whole)
    pages = portal.pull(value=value, now=NOW + RECYCLED_MS)
    assert told(pages).count(("meeting.restored", "101")) == 1
    assert "102" not in {subject for _, subject in told(pages)}
    portal.provider = well
    assert ("meeting.restored", "102") in told(portal.pull(value=after(pages), now=NOW + 2 * RECYCLED_MS))


@pytest.mark.parametrize("error", FAILED.values(), ids=list(FAILED))
def test_a_notice_of_what_could_not_be_read_is_for_later(portal: FakePortal, error: dict[str, Any]) -> None:
    portal.meeting("102", NOW - HOUR)
    portal.provider = failing(portal, {"102"}, in_part(error))
    with pytest.raises(TryAgain, match="hubspot answered a part of a batch only"):
        portal.hear(item("propertyChange", "102"))


def test_a_meeting_that_is_not_there_any_more_holds_up_no_other(portal: FakePortal) -> None:
    portal.meeting("101", NOW - 2 * HOUR)
    portal.meeting("102", NOW - HOUR)
    portal.provider = failing(portal, {"102"}, in_part({"status": "error", "category": "OBJECT_NOT_FOUND", "context": {"ids": ["102"]}}))
    assert told(portal.pull()) == [("meeting.created", "101")]


def test_associations_of_which_there_are_many_are_read_to_the_end() -> None:
    asked: list[Any] = []

    def handler(request: httpx.Request) -> httpx.Response:
        if "/batch/read" in request.url.path and "associations" in request.url.path:
            inputs = json.loads(request.content)["inputs"]
            asked.append(inputs)
            if "contacts" not in request.url.path.split("/")[5:]:
                return ok({"results": []})
            more = {} if "after" in inputs[0] else {"paging": {"next": {"after": "500"}}}
            return ok({"results": [{"from": {"id": "101"}, "to": [{"toObjectId": 152 if "after" in inputs[0] else 151}]} | more]})
        return FakePortal.answer(there, request)

    there = FakePortal()
    there.meeting("101")
    there.provider = Provider(handler)
    (said,) = events(there.pull())
    assert said["data"]["associations"]["contacts"] == ["151", "152"]
    assert [{"id": "101", "after": "500"}] in asked


# --- the recycle bin --------------------------------------------------------------------------------------------------


def test_what_is_in_the_recycle_bin_is_told_as_deleted_once(portal: FakePortal) -> None:
    portal.meeting("101", NOW - HOUR)
    value = after(portal.pull(now=NOW - HOUR))
    portal.recycle("meetings", "101", NOW - MINUTE)
    assert told(portal.pull(value=value, now=NOW - 1)) == []
    pages = portal.pull(value=value, now=NOW)
    assert [(e["type"], e["time"]) for e in events(pages)] == [("rendezvous.meeting.deleted.v1", _iso(NOW - MINUTE))]
    assert told(portal.pull(value=after(pages), now=NOW + RECYCLED_MS)) == []


def test_what_comes_out_of_the_recycle_bin_is_told_as_restored(portal: FakePortal) -> None:
    portal.meeting("101", NOW - HOUR)
    portal.recycle("meetings", "101", NOW - MINUTE)
    value = after(portal.pull())
    portal.restore("meetings", "101")
    pages = portal.pull(value=value, now=NOW + RECYCLED_MS)
    restored = [e for e in events(pages) if e["type"] == "rendezvous.meeting.restored.v1"]
    assert [(e["subject"], e["time"], e["data"]["title"]) for e in restored] == [("101", _iso(NOW - MINUTE + 1), "Kick-off")]


def test_a_full_recycle_bin_is_looked_through_page_by_page(portal: FakePortal) -> None:
    for number in range(BATCH + 5):
        portal.contact(str(1000 + number), NOW - HOUR)
        portal.recycle("contacts", str(1000 + number), NOW - MINUTE)
    assert told(portal.pull("contacts")) == [("contact.deleted", str(1000 + n)) for n in range(BATCH + 5)]


# --- owners -----------------------------------------------------------------------------------------------------------


def test_owners_are_told_as_users_when_something_changed(portal: FakePortal) -> None:
    portal.owners.append({"id": "7002", "userIdIncludingInactive": 502, "email": "ben@acme.example", "type": "PERSON", "archived": True})
    pages = portal.pull("owners")
    assert told(pages) == [("user.added", "501"), ("user.removed", "502")]
    assert told(portal.pull("owners", after(pages))) == []
    portal.owners[1] = portal.owners[1] | {"userId": 502, "archived": False, "updatedAt": _iso(NOW)}
    assert ("user.added", "502") in told(portal.pull("owners", after(pages)))


# --- notices ----------------------------------------------------------------------------------------------------------


def item(action: str, id: str, kind: str = "0-47", **more: Any) -> dict[str, Any]:
    return {"subscriptionType": f"object.{action}", "objectTypeId": kind, "objectId": int(id), "occurredAt": NOW, **more}


def test_what_a_notice_names_is_read(portal: FakePortal) -> None:
    portal.meeting("101")
    portal.linked = {("101", "contacts"): ["151"]}
    portal.contact("151")
    said = portal.hear(item("propertyChange", "101"), item("creation", "151", "0-1"))
    assert [(e["subject"], e["type"].split(".")[1]) for e in said.events] == [("101", "meeting"), ("151", "contact")]
    assert said.events[0]["data"]["associations"]["contacts"] == ["151"]


def test_a_deletion_says_all_there_is_to_say(portal: FakePortal) -> None:
    said = portal.hear(item("deletion", "101"), {"subscriptionType": "contact.privacyDeletion", "objectId": 151, "occurredAt": NOW})
    assert told([said]) == [("meeting.deleted", "101"), ("contact.erased", "151")]
    assert portal.provider.asked == []


def test_a_restore_is_told_with_what_came_back(portal: FakePortal) -> None:
    portal.meeting("101", NOW - HOUR)
    assert told([portal.hear(item("restore", "101"))]) == [("meeting.restored", "101")]


def test_a_merge_is_told_with_the_survivor(portal: FakePortal) -> None:
    portal.contact("151")
    merge = {"subscriptionType": "contact.merge", "objectId": 151, "primaryObjectId": 151, "mergedObjectIds": [152], "occurredAt": NOW}
    said = portal.hear(merge)
    assert [(e["type"], e["subject"], e["data"].get("merged")) for e in said.events] == [
        ("rendezvous.contact.created.v1", "151", None),
        ("rendezvous.contact.merged.v1", "151", ["152"]),
    ]


def test_what_was_deleted_meanwhile_is_found_in_the_recycle_bin(portal: FakePortal) -> None:
    portal.meeting("101", NOW - HOUR)
    portal.recycle("meetings", "101", NOW)
    assert told([portal.hear(item("propertyChange", "101"))]) == [("meeting.deleted", "101")]


def test_what_is_nowhere_is_named(portal: FakePortal) -> None:
    assert portal.hear(item("propertyChange", "101")) == Pulled([], [("meeting", "not there")])


def test_the_same_notice_read_twice_says_the_same(portal: FakePortal) -> None:
    portal.meeting("101")
    assert portal.hear(item("propertyChange", "101")) == portal.hear(item("propertyChange", "101"))


# --- paths and limits -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("paths", "search"),
    [
        pytest.param(V3, "crm/v3/objects/meetings/search", id="v3"),
        pytest.param(dated("2026-03"), "crm/objects/2026-03/meetings/search", id="dated"),
    ],
)
def test_paths_are_configuration(paths: Paths, search: str) -> None:
    provider = Provider(lambda _: ok({"total": 0, "results": []}))
    api = calling.api(provider.http, provider.access, provider.throttle, BASE)
    list(ObjectsFeed(api, MEETINGS, Owners(), paths).pull(HUBSPOT, msgspec.json.encode(Place(looked=NOW)).decode(), NOW))
    assert provider.paths() == [f"POST /{search}"]


def test_searches_have_a_limit_of_their_own(portal: FakePortal) -> None:
    portal.pull("contacts")
    assert portal.provider.buckets.take("hubspot:search:62515", 4.0, 1.0, NOW) == 250
    assert portal.provider.buckets.take("hubspot:account:62515", 9.0, 20.0, NOW, 19.0) == 0
