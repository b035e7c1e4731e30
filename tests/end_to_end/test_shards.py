"""An installation of several stores, on the real broker and database: accounts are divided among them, and nobody who asks sees that.

What must stay true: an account is in one store, whatever happens; what comes of it is what would come of it in an installation of one;
and a store that is away concerns nobody but its own accounts.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from random import Random

import pytest
from litestar.testing import TestClient

from domain.errors import BadInput, TryAgain
from domain.ports import NewRecord
from services.catch_up import catch_up
from services.held import holds
from services.serve import app_of
from services.wiring import Installation
from tests.end_to_end.installed import assert_undisturbed, feeding, is_settled, opened, story, torment_seconds
from tests.examples import ACCOUNT, Event, contact, listed, meeting, stage
from tests.servers import postgres
from tests.servers.processes import Crew, Process, crew

pytestmark = [pytest.mark.slow, pytest.mark.timeout(torment_seconds(0) * 2 + 300)]
USUAL_SECONDS = 15.0
LONGEST_SECONDS = 90.0
ELSEWHERE = "62516"
"""An account in another store than `ACCOUNT`."""


def said(events: list[Event]) -> list[bytes]:
    return [json.dumps(event).encode() for event in events]


def lived(account: str) -> list[Event]:
    """An account with a contact and a meeting in its timeline."""
    return [*stage(account), meeting(account=account, title=f"of {account}")]


@pytest.fixture
def parts(sharded: dict[str, str]) -> Iterator[Installation]:
    made = opened(sharded)
    made.migrate()
    yield made
    made.close()


def ran(settings: dict[str, str], *command: str, folder: Path, code: int = 0) -> str:
    """What a command printed."""
    process = Process(command, settings, folder / "-".join(("ran", *command)).replace("/", "_")[:80])
    try:
        assert process.ended() == code, process.said
    finally:
        process.kill()
    return process.told if code < 2 else process.said


# --- where an account is ------------------------------------------------------------------------------------------------------


def test_roles_share_the_stores_and_whoever_is_killed_the_end_is_that_of_one_undisturbed(
    sharded: dict[str, str], parts: Installation, tmp_path: Path, chance: Random
) -> None:
    seconds = torment_seconds(USUAL_SECONDS)
    told = story(max(3, round(seconds / 5)))
    with crew(sharded, tmp_path / "crew") as roles, feeding(parts, told, len(told) / seconds) as feeder:
        for number in ("one", "two"):
            for role in ("sync", "relay", "project"):
                roles.hire(f"{role}-{number}", role)
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            pause = time.monotonic() + chance.uniform(0.5, 4.0)
            roles.until(lambda pause=pause: time.monotonic() > pause)  # type: ignore[misc]  # a default has no type
            roles.kill(chance.choice([*roles.running]))
        roles.until(feeder.is_done, 120)
        took = roles.until(lambda: is_settled(parts), LONGEST_SECONDS)
        assert roles.ended == []
    records = assert_undisturbed(parts, feeder.acknowledged)
    filled = [shard.store.end() for shard in parts.shards]
    print(f"{records} records, {sum(roles.kills.values())} killed, settled {took:.1f} s after the last; events by store: {filled}")
    assert all(filled)


def test_two_processes_of_a_role_work_for_different_stores_and_one_left_alone_for_all(
    sharded: dict[str, str], parts: Installation, tmp_path: Path
) -> None:
    with crew(sharded, tmp_path / "crew") as roles:
        roles.hire("relay-one", "relay")
        roles.until(lambda: set(roles.running["relay-one"].lag()) == {"0", "1", "2"})
        roles.hire("relay-two", "relay")
        took = roles.until(lambda: _shared(roles, 3))
        roles.kill("relay-one")
        roles.dismiss("relay-one")
        over = roles.until(lambda: set(roles.running["relay-two"].lag()) == {"0", "1", "2"})
        print(f"shared after {took:.1f} s, all taken over {over:.1f} s after the other was killed")
        assert roles.dismiss("relay-two") == 0


def _shared(roles: Crew, stores: int) -> bool:
    """Does each store have one process that works for it, and each process at least one store?"""
    shares = [set(process.lag()) for process in roles.running.values()]
    return all(shares) and sum(map(len, shares)) == stores == len(set().union(*shares))


def test_readers_of_accounts_in_different_stores_read_their_own_writes(parts: Installation) -> None:
    homes = {parts.shard_of(account).number for account in (ACCOUNT, ELSEWHERE)}
    assert len(homes) == 2
    tokens = {account: parts.tokens.create(account, ["events:publish", "timeline:read"]) for account in (ACCOUNT, ELSEWHERE)}
    with TestClient(app_of(parts, lambda: True)) as client:
        for account, more in ((ACCOUNT, 0), (ELSEWHERE, 3)):
            header = {"Authorization": f"Bearer {tokens[account]}", "Content-Type": "application/cloudevents-batch+json"}
            events = [*lived(account), *(contact(f"9{n}", f"{n}@client.example", account=account) for n in range(more))]
            receipts = client.post("/v1/source-events", content=json.dumps(events), headers=header).json()["receipts"]
            catch_up(parts)
            asked = f"/v1/contacts/151/timeline?wait_for={receipts[-1]['position']}"
            answer = client.get(asked, headers=header)
            assert [entry["title"] for entry in answer.json()["entries"]] == [f"of {account}"]
            own = parts.shard_of(account)
            assert int(answer.headers["Rendezvous-Position"]) == own.views.position() == answer.json()["freshness"]["position"]
            assert client.get(asked, headers=header).content == answer.content, "kept, and of its own store"
        positions = [parts.shard_of(account).views.position() for account in (ACCOUNT, ELSEWHERE)]
        assert positions[0] != positions[1]
        assert client.get("/v1/contacts/151/timeline", headers={"Authorization": f"Bearer {tokens[ACCOUNT]}"}).headers[
            "Rendezvous-Position"
        ] == str(positions[0])
        assert client.get("/readyz").json() == {"status": "ready", "lag": 0}


# --- every command ------------------------------------------------------------------------------------------------------------


def test_every_command_works_on_several_stores(sharded: dict[str, str], parts: Installation, tmp_path: Path) -> None:
    file = tmp_path / "events.ndjson"
    bulk = [meeting(f"m{n}", account=account) for account in (ACCOUNT, ELSEWHERE) for n in range(12)]
    gone = [listed(["g1"], 100, account=ELSEWHERE)]
    broken = {**contact("666", "x@client.example"), "id": "broken"}
    events = [*lived(ACCOUNT), *lived(ELSEWHERE), *bulk, *gone]
    file.write_bytes(b"\n".join(said(events)))
    assert ran(sharded, "migrate", folder=tmp_path) == "everything is up to date\n"
    assert "accepted" in ran(sharded, "publish", str(file), folder=tmp_path)
    _put_unreadable(parts, broken)
    caught_up = json.loads(ran(sharded, "catch-up", "--json", folder=tmp_path))
    assert caught_up["decided"] == len(events) + 1
    for account in (ACCOUNT, ELSEWHERE):
        entries = json.loads(ran(sharded, "timeline", account, "151", "--json", folder=tmp_path))["entries"]
        assert f"of {account}" in {entry["title"] for entry in entries}
        one = next(entry["meeting"] for entry in entries)
        assert json.loads(ran(sharded, "history", account, one, "--json", folder=tmp_path))["meeting"] == one
        assert json.loads(ran(sharded, "explain", account, "151", "--json", folder=tmp_path))["found"]
    [hold] = holds(parts, ELSEWHERE)
    assert (hold.deletions, holds(parts, ACCOUNT)) == (12, [])
    ran(sharded, "held", "discard", ELSEWHERE, hold.hold, folder=tmp_path)
    assert holds(parts, ELSEWHERE) == []
    [letter] = [json.loads(line) for line in ran(sharded, "dead-letters", "list", "--json", folder=tmp_path).splitlines()]
    ran(sharded, "dead-letters", "drop", letter["letter"], folder=tmp_path)
    token = ran(sharded, "tokens", "create", ELSEWHERE, "--scope", "timeline:read", folder=tmp_path).strip()
    assert parts.tokens.check(token)
    ran(sharded, "catch-up", folder=tmp_path)
    rebuilt = json.loads(ran(sharded, "rebuild", "--json", folder=tmp_path))
    assert (rebuilt["equal"], rebuilt["switched"], rebuilt["different"]) == (True, True, [])
    report = json.loads(ran(sharded, "doctor", "--json", folder=tmp_path))
    assert report["ok"], report
    assert [check["name"] for check in report["checks"] if "store" in check["name"] and "read models" in check["name"]] == [
        "read models, store 1",
        "read models, store 2",
        "read models, store 3",
    ]


def _put_unreadable(parts: Installation, event: Event) -> None:
    """As a publisher with tools of his own would."""
    parts.source.append([NewRecord(ACCOUNT, 666, json.dumps({**event, "data": 7}).encode())], 1_772_442_904_000)


def test_up_says_that_it_works_on_one_store(sharded: dict[str, str], parts: Installation, tmp_path: Path) -> None:
    assert "3 stores" in ran(sharded, "up", "--port", "0", folder=tmp_path, code=2)


# --- what cannot be -----------------------------------------------------------------------------------------------------------


def test_another_number_or_order_of_stores_is_refused_and_changes_nothing(sharded: dict[str, str], parts: Installation) -> None:
    one, two, three = sharded["RENDEZVOUS_STORE"].split()
    four = f"{three}_more"
    for wrong, why in (
        (f"{one} {two}", "store 1 of 2, .* was made as number 1 of 3"),
        (f"{one} {two} {three} {four}", "store 1 of 4, .* was made as number 1 of 3"),
        (f"{two} {one} {three}", "store 1 of 3, .* was made as number 2 of 3"),
        (one, "store 1 of 1, .* was made as number 1 of 3"),
    ):
        other = opened({**sharded, "RENDEZVOUS_STORE": wrong})
        with pytest.raises(BadInput, match=why):
            other.migrate()
        with pytest.raises(BadInput, match="was made as number"):
            other.vault.key(ACCOUNT, "bo@client.example")
        other.close()
    assert not parts.shards[0].database.rows("SELECT 1 FROM pg_namespace WHERE nspname = %s", (four.rpartition("=")[2],))
    assert parts.migrate() == [], "and the right ones are as they were"


def test_a_store_that_was_in_use_before_stores_were_numbered_is_the_only_one(scaled: dict[str, str]) -> None:
    before = opened(scaled)
    before.migrate()
    before.publisher.accept(said(lived(ACCOUNT)))
    catch_up(before)
    with before.database.connection() as connection:
        connection.execute("DROP TABLE shard")
    assert before.migrate() == []
    with before.database.connection() as connection:
        connection.execute("DROP TABLE shard")
    dsn, schema = scaled["RENDEZVOUS_STORE"], scaled["RENDEZVOUS_STORE_SCHEMA"]
    several = opened({**scaled, "RENDEZVOUS_STORE": f"{dsn} {dsn}?schema={schema}_2"})
    with pytest.raises(BadInput, match="was made as number 1 of 1"):
        several.migrate()
    several.close()
    before.close()


def test_stores_that_nobody_migrated_are_refused_before_anything_is_written(sharded: dict[str, str]) -> None:
    with pytest.raises(BadInput, match="run `rendezvous migrate`"):
        _ = opened(sharded).shards[1].store


def test_several_stores_need_a_log_with_partitions_and_no_more_stores_than_those(sharded: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="several stores share the partitions of a log on Kafka"):
        opened({**sharded, "RENDEZVOUS_LOG": f"sqlite:///{tmp_path}/log.sqlite"})
    with pytest.raises(BadInput, match="3 stores, and 2 partitions"):
        opened({**sharded, "RENDEZVOUS_KAFKA_PARTITIONS": "2"}).migrate()


def test_two_that_migrate_at_once_make_every_store_once(sharded: dict[str, str], tmp_path: Path) -> None:
    both = [opened(sharded), opened(sharded)]
    with ThreadPoolExecutor(2) as threads:
        done = [line for lines in threads.map(lambda one: one.migrate(), both) for line in lines if line.startswith("schema")]
    assert len(done) == len(set(done)), "what is missing is made by one of them"
    assert {line.split(":")[0].rpartition("_")[2] for line in done} == {"1", "2", "3"}
    for one in both:
        one.close()


# --- a store that is away -----------------------------------------------------------------------------------------------------


def test_while_a_store_is_away_the_accounts_of_the_others_go_on_and_its_own_follow(scaled: dict[str, str], tmp_path: Path) -> None:
    with postgres.own_server() as server:
        settings = {**scaled, "RENDEZVOUS_STORE": f"{scaled['RENDEZVOUS_STORE']} {server.dsn}"}
        parts = opened(settings)
        parts.migrate()
        here, there = _accounts_by_store(parts)
        with crew(settings, tmp_path / "crew") as roles:
            for role in ("sync", "relay", "project"):
                roles.hire(role, role)
            roles.until(lambda: all(roles.running[role].works() for role in ("relay", "project")))
            parts.publisher.accept(said([*lived(here), *lived(there)]))
            roles.until(lambda: is_settled(parts), LONGEST_SECONDS)
            server.kill()
            begun = time.monotonic()
            meanwhile = [meeting("g9", account=here, title="meanwhile")]
            assert parts.publisher.accept(said(meanwhile))[0].outcome == "accepted"
            roles.until(lambda: "meanwhile" in _titles(parts, here), LONGEST_SECONDS)
            went_on = time.monotonic() - begun
            with pytest.raises(TryAgain):
                parts.publisher.accept(said([meeting("g9", account=there)]))
            refused = time.monotonic()
            with pytest.raises(TryAgain, match="store 2 of 2 does not answer"):
                parts.publisher.accept(said([meeting("g9", account=there)]))
            assert time.monotonic() - refused < 0.5, "nobody waits a second time for who is away"
            roles.hire("begun meanwhile", "project")
            roles.until(roles.running["begun meanwhile"].lives)
            server.start()
            receipt = _until_accepted(parts, meeting("g9", account=there, title="after"))
            took = roles.until(lambda: _passing(lambda: "after" in _titles(parts, there)), LONGEST_SECONDS)
            print(f"the other store went on within {went_on:.1f} s; {receipt:.1f} s to a receipt and {took:.1f} s more to the timeline")
            assert roles.ended == []
            assert set(roles.dismiss_all().values()) == {0}
        parts.close()


def _accounts_by_store(parts: Installation) -> tuple[str, str]:
    found = {parts.shard_of(account).number: account for account in (f"8000{n}" for n in range(9))}
    return found[0], found[1]


def _titles(parts: Installation, account: str) -> set[str]:
    return {entry["title"] for entry in json.loads(parts.reading.timeline(account, "151"))["entries"]}


def _until_accepted(parts: Installation, event: Event) -> float:
    begun = time.monotonic()
    while time.monotonic() < begun + LONGEST_SECONDS:
        if _passing(lambda: parts.publisher.accept(said([event]))[0].outcome == "accepted"):
            return time.monotonic() - begun
    raise AssertionError("nobody took it")


def _passing(holds: Callable[[], bool]) -> bool:
    try:
        return holds()
    except TryAgain:
        time.sleep(0.05)
        return False


# --- moving a store -----------------------------------------------------------------------------------------------------------


def test_a_store_is_moved_to_another_server_as_the_page_says_and_goes_on_there(sharded: dict[str, str], parts: Installation) -> None:
    parts.publisher.accept(said([*lived(ACCOUNT), *lived(ELSEWHERE)]))
    catch_up(parts)
    before = [(shard.store.end(), shard.views.position(), list(shard.views.rows())) for shard in parts.shards]
    moved = parts.shard_of(ACCOUNT).number
    schema = parts.shards[moved].database.schema
    parts.close()
    stores = sharded["RENDEZVOUS_STORE"].split()
    with postgres.own_server() as server:
        _move(stores[moved].partition("?")[0], server.dsn, schema)
        stores[moved] = f"{server.dsn}?schema={schema}"
        after = opened({**sharded, "RENDEZVOUS_STORE": " ".join(stores)})
        assert [line for line in after.migrate() if line.startswith("schema")] == []
        assert [(shard.store.end(), shard.views.position(), list(shard.views.rows())) for shard in after.shards] == before
        assert after.publisher.accept(said([meeting("g9", title="moved")]))[0].outcome == "accepted"
        catch_up(after)
        assert _titles(after, ACCOUNT) == {f"of {ACCOUNT}", "moved"}
        assert after.vault.key(ACCOUNT, "bo@client.example") in str(before[moved][2])
        after.close()
    with pytest.raises(BadInput, match="lacks"):
        _ = opened(sharded).shards[moved].store


def _move(there: str, here: str, schema: str) -> None:
    """What docs/scaling.md says, step by step."""
    programs = postgres.programs()
    if programs is None:
        pytest.skip("pg_dump and psql are not installed")
    schemas = [f"--schema={schema}", f"--schema={schema}_views"]
    dumped = subprocess.run([programs / "pg_dump", *schemas, there], capture_output=True, check=True).stdout
    said = subprocess.run(
        [programs / "psql", "--quiet", "--set=ON_ERROR_STOP=1", "--single-transaction", here],
        input=dumped,
        capture_output=True,
        check=False,
    )
    assert said.returncode == 0, said.stderr.decode()
    renamed = f"ALTER SCHEMA {schema} RENAME TO {schema}_moved".encode()
    subprocess.run([programs / "psql", "--quiet", "--set=ON_ERROR_STOP=1", there], input=renamed, capture_output=True, check=True)
