"""A follower that knows only what HubSpot documents ends with what HubSpot has, whatever people do and however its webhooks come.

It reads what changed by search, with an overlap as long as the search may lag, and what webhooks name by id. Webhooks come twice and
out of order; a lost one is made good by the next search, unless it told of a deletion, so that none of those is lost here.
"""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from services.sandbox.wire import Answer
from services.sandbox.world import Outbox, Push
from tests.sandbox.hubspot_asking import Api

LAG = 5000
ROOT = "/crm/v3/objects"
MODIFIED = {"meetings": "hs_lastmodifieddate", "contacts": "lastmodifieddate"}
SHOWN = {"meetings": "hs_meeting_title", "contacts": "email"}


class Kept(Outbox):
    """Keeps what would be sent."""

    def __init__(self, api: Api) -> None:
        super().__init__(api.world.now, api.world.faults)
        self.items: list[dict[str, Any]] = []

    def call(self, push: Push) -> Answer:
        self.items += json.loads(push.body)
        return Answer(204)


class Follower:
    """What it knows: by type, id -> (what is shown of it, the contacts of a meeting)."""

    def __init__(self, api: Api, outbox: Kept) -> None:
        self._api, self._outbox = api, outbox
        self.known: dict[str, dict[str, tuple[Any, tuple[str, ...]]]] = {"meetings": {}, "contacts": {}}
        self._since = dict.fromkeys(MODIFIED, 0)

    def follow(self) -> None:
        self._outbox.flush()
        items, self._outbox.items = self._outbox.items, []
        for item in items:
            for id, kind in ((item.get("objectId") or item.get("fromObjectId"), item.get("objectTypeId", "0-1")), *self._merged(item)):
                if kind in ("0-1", "0-47"):
                    self._look("contacts" if kind == "0-1" else "meetings", str(id))
        for kind in MODIFIED:
            self._search(kind)

    def _merged(self, item: dict[str, Any]) -> list[tuple[Any, str]]:
        return [(id, "0-1") for id in [item.get("primaryObjectId"), *item.get("mergedObjectIds", [])] if id]

    def _search(self, kind: str) -> None:
        now = self._api.world.now()
        filters = [{"propertyName": MODIFIED[kind], "operator": "GTE", "value": str(self._since[kind] - LAG)}]
        after: str | None = "0"
        while after is not None:
            asked = {"filterGroups": [{"filters": filters}], "sorts": [MODIFIED[kind]], "limit": 2, "after": after}
            page = self._api.post(f"{ROOT}/{kind}/search", asked)
            for one in page["results"]:
                self._look(kind, one["id"])
            after = page.get("paging", {}).get("next", {}).get("after")
        self._since[kind] = now

    def _look(self, kind: str, id: str) -> None:
        reply = self._api.ask("GET", f"{ROOT}/{kind}/{id}?properties={SHOWN[kind]}&associations=contacts")
        self.known[kind].pop(id, None)
        if reply.status == 200:
            linked = reply.json.get("associations", {}).get("contacts", {}).get("results", [])
            contacts = tuple(sorted(one["id"] for one in linked)) if kind == "meetings" else ()
            self.known[kind][reply.json["id"]] = (reply.json["properties"][SHOWN[kind]], contacts)


def truth(api: Api) -> dict[str, dict[str, tuple[Any, tuple[str, ...]]]]:
    """What is there, from the simulator's own state."""
    portal = api.hubspot.state()["portals"][0]
    return {
        "meetings": {one["id"]: (one["title"], tuple(sorted(one["contacts"]))) for one in portal["meetings"] if not one["archived"]},
        "contacts": {one["id"]: (one["email"], ()) for one in portal["contacts"] if not one["archived"]},
    }


def act(api: Api, kind: str, first: int, second: int) -> None:
    """One thing that somebody does, if it can be done."""
    portal = api.hubspot.state()["portals"][0]
    meetings = [one["id"] for one in portal["meetings"] if not one["archived"]]
    archived = [one["id"] for one in portal["meetings"] if one["archived"]]
    contacts = [one["id"] for one in portal["contacts"] if not one["archived"]]
    match kind:
        case "meet":
            api.meeting(f"M{first}", contacts=contacts[:1])
        case "rename" if meetings:
            api.hubspot.change("meetings", meetings[first % len(meetings)], {"hs_meeting_title": f"R{second}"})
        case "delete" if meetings:
            api.hubspot.delete("meetings", meetings[first % len(meetings)])
        case "restore" if archived:
            api.hubspot.restore("meetings", archived[first % len(archived)])
        case "contact":
            api.hubspot.contact(f"c{api.world.now()}@client.example")
        case "log" if meetings and contacts:
            api.hubspot.associate(meetings[first % len(meetings)], "contacts", contacts[second % len(contacts)], on=second % 3 > 0)
        case "merge" if len(contacts) > 1 and first % len(contacts) != second % len(contacts):
            api.hubspot.merge(contacts[first % len(contacts)], contacts[second % len(contacts)])
        case "erase" if contacts:
            api.hubspot.erase(contacts[first % len(contacts)])


KINDS = ["meet", "rename", "delete", "restore", "contact", "log", "merge", "erase", "wait", "follow"]
ACTS = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 9), st.integers(0, 9)), min_size=5, max_size=40)


@settings(deadline=None, max_examples=80)
@given(acts=ACTS, new_ids=st.booleans(), seed=st.integers(0, 1000))
def test_a_follower_ends_with_what_hubspot_has(acts: list[tuple[str, int, int]], new_ids: bool, seed: int) -> None:
    api = Api(seed)
    outbox = Kept(api)
    api.world.outbox = outbox
    api.hubspot.subscribe("http://127.0.0.1:9/hooks")
    switches = api.hubspot.switches
    switches.search_lag_ms, switches.limit, switches.search_limit, switches.merges_make_a_new_id = LAG, 10**6, 10**6, new_ids
    api.world.faults.add("duplicate_push", times=None, probability=0.3)
    api.world.faults.add("reorder_push", times=None, probability=0.5)
    follower = Follower(api, outbox)
    for kind, first, second in acts:
        api.world.move(LAG if kind == "wait" else 400)
        if kind == "follow":
            follower.follow()
        else:
            act(api, kind, first, second)
    api.world.move(LAG)
    follower.follow()
    expected = truth(api)
    # A merge and an erasure change which contacts its meetings have without a word about the meetings: documented nowhere as told.
    assert {id: title for id, (title, _) in follower.known["meetings"].items()} == {
        id: title for id, (title, _) in expected["meetings"].items()
    }
    assert follower.known["contacts"] == expected["contacts"]
    if not any(kind in ("merge", "erase") for kind, _, _ in acts):
        assert follower.known["meetings"] == expected["meetings"]
