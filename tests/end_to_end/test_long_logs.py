"""What a long source log must allow: a record that nobody can read among very many, and beginning again at a time.

What must stay true: a poison record holds nobody up and is kept as it came; from a time on are exactly the records of later times.
"""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest

from adapters.kafka.connect import producer
from adapters.kafka.source_log import partition_of
from adapters.kafka.topics import SOURCE_EVENTS
from domain.ports import Place
from services.publish import Publisher
from services.wiring import Installation, now
from tests.end_to_end.installed import EVERYTHING, PARTITIONS, is_settled, last_tick, longer, opened
from tests.examples import contact, hour
from tests.servers.processes import crew

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3_000 if longer() else 400)]
RECORDS = 1_000_000 if longer() else 30_000
POISON = b'{"specversion": "1.0", "id": \xff\xfe, \x00 and no end'
ACCOUNT = "62515"
CONTACTS = 1_000
ROUNDS = 12


def test_a_poison_record_among_very_many_holds_nobody_up_and_is_kept_byte_for_byte(scaled: dict[str, str], tmp_path: Path) -> None:
    parts = opened(scaled)
    parts.migrate()
    partition = partition_of(ACCOUNT.encode(), PARTITIONS)
    poisoned = RECORDS // 2
    _write(parts, partition, poisoned)
    begun = time.monotonic()
    with crew(scaled, tmp_path / "crew") as roles:
        sync = roles.hire("sync", "sync")
        roles.until(lambda: parts.store.place(str(partition)) == RECORDS, 180 + RECORDS / 500)
        took = time.monotonic() - begun
        assert roles.ended == []
        assert sync.stop() == 0
    letters = parts.dead.list(None, "", 10)
    assert [(letter.partition, letter.position, letter.body) for letter in letters] == [(str(partition), poisoned, POISON)]
    names = [name for _, _, _, name, _ in parts.store.notifications(0, EVERYTHING)]
    assert names.count("source_event.decided.v1") == RECORDS
    assert names.count("contact.recorded.v1") == RECORDS - 1
    print(f"{RECORDS:,} records decided in {took:.1f} s, the poisoned one with them")


def _write(parts: Installation, partition: int, poisoned: int) -> None:
    """As somebody would who does not come through our door: each contact told of again and again, and one record in between."""
    template = json.dumps(contact("{contact}", None, kind="contact.updated", name="{name}"))
    writer = producer(parts.cluster, linger_ms=20)
    sent = None
    for number in range(1, RECORDS + 1):
        said = template.replace("{contact}", str(number % CONTACTS)).replace("{name}", f"Bo {number}")
        moment = f"{int(hour(0).timestamp() * 1000) + number:020d}"
        event = {**json.loads(said), "id": f"contact {number}", "sequence": moment}
        body = POISON if number == poisoned else json.dumps(event).encode()
        sent = writer.send(parts.cluster.topic(SOURCE_EVENTS), body, key=ACCOUNT.encode(), partition=partition)
    writer.flush()
    assert sent is not None
    assert sent.get(timeout=60).offset == RECORDS - 1
    writer.close()


def test_from_a_time_on_exactly_the_records_of_later_times_are_decided(scaled: dict[str, str], tmp_path: Path) -> None:
    parts = opened(scaled)
    parts.migrate()
    accounts = [f"62{number}" for number in range(8)]
    times: list[int] = []

    def clock() -> int:
        times.append(now())
        return times[-1]

    publisher = Publisher(parts.source, parts.vault, clock)
    for number in range(ROUNDS):
        # A true time, and each round's its own.
        while times and now() <= times[-1]:
            time.sleep(0.001)
        told = [contact(f"{number}", None, revision=number, account=account) for account in accounts]
        # In the last round, a clock that nobody has to tick.
        told += [last_tick(account) for account in accounts if number == ROUNDS - 1]
        publisher.accept([json.dumps(event).encode() for event in told])
    since = times[6]
    places = [Place(partition, parts.source.position_at(partition, since)) for partition in parts.source.partitions()]
    assert sum(place.position for place in places) == 7 * len(accounts)
    parts.store.commit([], [], [place for place in places if place.position])
    with crew(scaled, tmp_path / "crew") as roles:
        for name in ("sync", "relay", "project"):
            roles.hire(name, name)
        roles.until(lambda: is_settled(parts))
        assert roles.ended == []
        assert set(roles.dismiss_all().values()) == {0}
    stored = [(name, json.loads(body)) for _, _, _, name, body in parts.store.notifications(0, EVERYTHING)]
    decided = {(body["account"], body["contact"]) for name, body in stored if name == "contact.recorded.v1"}
    assert decided == {(account, str(number)) for account in accounts for number in range(7, ROUNDS)}
    later = {number: account for number in range(7) for account in accounts if parts.views.contact(account, str(number)) is not None}
    assert later == {}, "told of before that time, and there"
