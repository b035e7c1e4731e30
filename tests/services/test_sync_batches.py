"""What a batch knows of those before it: a mailbox's many meetings, people who were judged, records that did not come by the door."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

import pytest

from domain.people import Person
from domain.ports import NewRecord
from domain.sighting import digest
from services.desk import MANY, Desk
from tests.engine import Engine, staged
from tests.examples import ACCOUNT, ANA, BO, DEE, Event, configured, contact, listed, meeting, stage, user

NEW = "new@partner.example"
MEETINGS = [f"m{n}" for n in range(MANY + 5)]


@pytest.mark.parametrize("batch", [1, 1000], ids=["one-by-one", "all-at-once"])
def test_what_is_told_after_a_listing_is_missed_from_the_next_one(batch: int) -> None:
    engine = Engine(batch).tell(*stage(), *[meeting(name, title=name) for name in MEETINGS])
    first, second = listed(MEETINGS, 100), listed(MEETINGS, 102)
    engine.tell(first, meeting("late", 101, title="late", created=None), second)
    assert engine.notes(first) == [{"deleted": 0, "known": len(MEETINGS)}]
    assert engine.notes(second) == [{"deleted": 1, "known": len(MEETINGS) + 1}]
    assert [title for title, _, status in engine.shown() if status == "cancelled"] == ["late"]


def written(engine: Engine, body: bytes) -> None:
    """A record that somebody wrote to the log without us."""
    engine.source.append([NewRecord(ACCOUNT, digest("past the door", body.decode()), body)], engine.clock())
    engine.settle()


@pytest.mark.parametrize(
    ("event", "guest", "expected"),
    [
        (contact("153", DEE), DEE, [("contact-match", "applied"), ("crm-user", "ignored"), ("contact-match", "applied")]),
        (user("509", NEW), NEW, [("no-contact", "ignored"), ("crm-user", "ignored"), ("crm-user", "ignored")]),
        (
            configured(1, never_log={"addresses": [BO], "domains": []}),
            BO,
            [("no-contact", "ignored"), ("crm-user", "ignored"), ("never-log", "ignored")],
        ),
    ],
    ids=["contact", "user", "settings"],
)
def test_whom_a_record_names_that_did_not_come_by_the_door_is_known(event: Event, guest: str, expected: list[tuple[str, str]]) -> None:
    engine = staged()
    written(engine, json.dumps(event).encode())
    later = meeting("g1", 5, guests=(guest,))
    assert engine.tell(later).decided(later) == expected
    assert not any(guest.encode() in body for _, _, _, _, body in engine.store.notifications(0, 100))


def test_an_address_is_found_however_its_name_is_written() -> None:
    engine = staged()
    written(engine, json.dumps(meeting("g1", title="Escaped")).encode().replace(b'"email"', rb'"\u0065mail"'))
    assert engine.titles() == ["Escaped"]


class Opening:
    """A vault that counts whom it opened."""

    def __init__(self, engine: Engine) -> None:
        self._vault, self.opened = engine.vault, list[str]()

    def open(self, account: str, tokens: Iterable[str]) -> Mapping[str, Person]:
        return self.open_all({account: tokens})

    def open_all(self, tokens: Mapping[str, Iterable[str]]) -> Mapping[str, Person]:
        asked = {account: list(some) for account, some in tokens.items()}
        self.opened += [token for some in asked.values() for token in some]
        return self._vault.open_all(asked)


def test_whoever_was_judged_is_opened_again_only_if_somebody_asks_for_him() -> None:
    engine = staged()
    bo, ana = engine.vault.seal(ACCOUNT, [(BO, "Bo"), (ANA, "Ana")])
    vault = Opening(engine)
    desk = Desk(engine.store, vault)  # type: ignore[arg-type]  # it only opens
    desk.sit(ACCOUNT)
    desk.open({ACCOUNT: [bo, ana]})
    contacts = desk.judged(bo).contacts
    desk.commit([])
    vault.opened.clear()
    desk.open({ACCOUNT: [bo, ana]})
    assert vault.opened == [ana]
    assert desk.judged(bo).contacts == contacts == ("151",)
    assert vault.opened == [ana]
    assert desk.person(bo).email == BO
    assert set(vault.opened[1:]) == {bo}
