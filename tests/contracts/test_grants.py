"""One examination for every table of grants; the memory twin sits it first. A new table is one line in `TABLES`, and in `LASTING` too
if its grants outlive the process."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from msgspec.structs import replace

from adapters.envelope import Envelope
from adapters.memory.grants import MemoryGrants
from adapters.postgres.grants import PostgresGrants
from adapters.sqlite.grants import SqliteGrants
from domain.errors import Conflict, Stop, TryAgain
from domain.outside import Grant, Grants, Link
from tests.contracts.stage import ADA, ALONE, BO, CRM, ENVELOPE, LINKS, OTHER, ROTATED, at_once, bytes_of
from tests.servers.postgres import closing_databases as closing_databases
from tests.servers.postgres import database

ROOT = Path(__file__).parents[2]
Make = Callable[[Path, Envelope], Grants]
LASTING: dict[str, Make] = {
    "sqlite": lambda folder, envelope: SqliteGrants(folder / "grants.db", envelope),
    "postgres": lambda folder, envelope: PostgresGrants(database(folder), envelope),
}
TABLES: dict[str, Make] = {"memory": lambda _, __: MemoryGrants(), **LASTING}


@pytest.fixture(params=TABLES.values(), ids=list(TABLES))
def grants(request: pytest.FixtureRequest, tmp_path: Path) -> Grants:
    made: Grants = request.param(tmp_path, ENVELOPE)
    return made


def grant(link: Link = ADA, **said: object) -> Grant:
    plain = Grant(link=link, id="g1", access="ya29.access", refresh="1//refresh", expires_at=5_000, scopes=("a", "b"), tenant="T1")
    return replace(plain, **said)


WHOLE = {
    "as granted": grant(),
    "of the CRM": grant(CRM, tenant="62515", refresh=None),
    "with nothing but a token": Grant(link=ADA, id="g", access=""),
    "lost": grant(state="lost", reason="the password was changed", address="ana@acme.example", calendar="ana@acme.example"),
    "with any text in it": grant(Link("6\0", "google", "Zoë 東京 '\"%s"), tenant="\0長", access="🐝\0", reason="x" * 100_000),
}


@pytest.mark.parametrize("one", WHOLE.values(), ids=WHOLE.keys())
def test_a_grant_is_got_as_it_was_put_with_its_first_version(grants: Grants, one: Grant) -> None:
    put = grants.put(one)
    assert (put, grants.get(one.link), grants.all(), put.version) == (replace(one, version=1), put, [put], 1)


def test_what_was_never_put_is_not_there(grants: Grants) -> None:
    grants.put(grant())
    assert (grants.get(BO), grants.get(OTHER), grants.all("9"), grants.of_tenant("google", "T2"), grants.of_tenant("hubspot", "T1")) == (
        None,
        None,
        [],
        [],
        [],
    )


def test_a_grant_is_replaced_by_whoever_knows_its_version(grants: Grants) -> None:
    first = grants.put(grant())
    second = grants.put(replace(first, access="new", tenant="T2"))
    assert (second.version, grants.get(ADA), grants.of_tenant("google", "T1"), grants.of_tenant("google", "T2")) == (
        2,
        second,
        [],
        [second],
    )


STALE = {"the first version again": 0, "the one before": 1, "one that is still to come": 3}


@pytest.mark.parametrize("version", STALE.values(), ids=STALE.keys())
def test_a_grant_put_by_another_version_is_refused_and_the_one_that_is_there_stays(grants: Grants, version: int) -> None:
    there = grants.put(grants.put(grant()))
    with pytest.raises(Conflict):
        grants.put(grant(version=version, access="stale"))
    assert grants.all() == [there]


def test_a_version_of_a_grant_that_is_not_there_is_refused(grants: Grants) -> None:
    with pytest.raises(Conflict):
        grants.put(grant(version=1))
    assert grants.all() == []


def test_grants_are_listed_in_the_order_of_their_links(grants: Grants) -> None:
    put = {link: grants.put(grant(link, tenant="T9")) for link in reversed(LINKS)}
    assert (grants.all(), grants.all("62515")) == ([put[link] for link in LINKS], [put[ADA], put[CRM], put[BO]])
    assert grants.of_tenant("google", "T9") == [put[ADA], put[OTHER]]


def test_a_dropped_grant_is_gone_and_the_others_stay(grants: Grants) -> None:
    other = grants.put(grant(BO))
    grants.put(grant())
    grants.drop(ADA)
    grants.drop(ADA)
    assert (grants.get(ADA), grants.all()) == (None, [other])
    assert grants.put(grant()).version == 1, "and may be granted again"


# --- alone -------------------------------------------------------------------------------------------------------------------


def test_of_many_only_one_is_inside_at_a_time(grants: Grants) -> None:
    inside, most = 0, 0

    def act(_: int) -> None:
        nonlocal inside, most
        with grants.alone(ADA, 30):
            inside += 1
            most = max(most, inside)
            threading.Event().wait(0.002)
            inside -= 1

    at_once(6, act)
    assert (inside, most) == (0, 1)


def test_who_waits_in_vain_is_told_to_try_again_and_the_next_one_gets_in(grants: Grants) -> None:
    with grants.alone(ADA, 0):
        with pytest.raises(TryAgain):
            at_once(1, lambda _: grants.alone(ADA, 0.05).__enter__())
        with grants.alone(BO, 0):
            pass
    with grants.alone(ADA, 0):
        pass


def test_who_raises_inside_lets_the_next_one_in(grants: Grants) -> None:
    with pytest.raises(ZeroDivisionError), grants.alone(ADA, 0):
        raise ZeroDivisionError
    with grants.alone(ADA, 0):
        pass


@pytest.mark.parametrize("make", LASTING.values(), ids=LASTING.keys())
def test_two_openings_exclude_each_other(make: Make, tmp_path: Path) -> None:
    here, there = make(tmp_path, ENVELOPE), make(tmp_path, ENVELOPE)
    with here.alone(ADA, 0), pytest.raises(TryAgain), there.alone(ADA, 0.05):
        pass
    with there.alone(ADA, 0):
        pass


def test_a_process_that_was_killed_inside_lets_the_next_one_in(tmp_path: Path) -> None:
    """Of files; a server ends a lost connection's locks by itself (tests/adapters/test_postgres_locks.py)."""
    script = (
        "import sys, pathlib\n"
        "from adapters.file_lock import alone\n"
        "with alone(pathlib.Path(sys.argv[1]), 0):\n"
        "    print('inside', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    grants = SqliteGrants(tmp_path / "grants.db", ENVELOPE)
    with grants.alone(ADA, 0):
        pass
    [lock] = (tmp_path / "grants.db.locks").iterdir()
    process = subprocess.Popen([sys.executable, "-c", script, lock], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"inside\n"
    with pytest.raises(TryAgain), grants.alone(ADA, 0):
        pass
    process.kill()
    process.communicate()
    with grants.alone(ADA, 0):
        pass


# --- grants that last --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", LASTING.values(), ids=LASTING.keys())
def test_grants_are_there_when_the_table_is_opened_again(make: Make, tmp_path: Path) -> None:
    put = make(tmp_path, ENVELOPE).put(grant())
    assert make(tmp_path, ENVELOPE).get(ADA) == put


@pytest.mark.parametrize("make", LASTING.values(), ids=LASTING.keys())
def test_of_those_who_replace_one_version_at_once_one_does(make: Make, tmp_path: Path) -> None:
    tables = [make(tmp_path, ENVELOPE) for _ in range(4)]
    first = tables[0].put(grant())

    def act(n: int) -> bool:
        try:
            return bool(tables[n].put(replace(first, access=str(n))))
        except Conflict:
            return False

    done = at_once(4, act)
    assert (sum(done), tables[0].get(ADA)) == (1, replace(first, access=str(done.index(True)), version=2))


@pytest.mark.parametrize("make", LASTING.values(), ids=LASTING.keys())
def test_after_a_rotation_the_old_key_is_needed_by_nobody(make: Make, tmp_path: Path) -> None:
    old = make(tmp_path, ENVELOPE)
    put = [old.put(grant(link)) for link in LINKS]
    rotated = make(tmp_path, ROTATED)
    assert (rotated.all(), rotated.reseal(), rotated.reseal()) == (put, len(put), 0)
    assert make(tmp_path, ALONE).all() == put
    with pytest.raises(Stop, match="2027"):
        old.all()


@pytest.mark.parametrize("make", LASTING.values(), ids=LASTING.keys())
def test_without_the_key_reading_stops(make: Make, tmp_path: Path) -> None:
    make(tmp_path, ENVELOPE).put(grant())
    with pytest.raises(Stop, match="sealed under the key 2026"):
        make(tmp_path, ALONE).get(ADA)


def test_no_token_stands_in_the_file_and_a_dropped_grant_is_not_even_there_sealed(tmp_path: Path) -> None:
    """Several that make pages split and merge, so that copies of rows lie about."""
    grants = SqliteGrants(tmp_path / "grants.db", ENVELOPE)
    links = [Link("62515", "google", str(n)) for n in range(60)]
    for link in links:
        grants.put(grants.put(grant(link, access="ya29.secret" + "x" * 700)))
    boxes = [bytes(box) for (box,) in grants._file.rows("SELECT box FROM grants")]
    assert not any(secret in held for _, held in bytes_of(tmp_path) for secret in (b"ya29.secret", b"1//refresh"))
    assert all(any(box[-300:] in held for _, held in bytes_of(tmp_path)) for box in boxes), "the search finds what is there"
    for link in links[:-1]:
        grants.drop(link)
    left = [
        n
        for n, box in enumerate(boxes)
        for at in range(0, len(box) - 64, 64)
        for _, held in bytes_of(tmp_path)
        if box[at : at + 64] in held
    ]
    assert (set(left), grants.all()) == ({59}, [grants.get(links[-1])])


def test_the_file_is_its_owners_alone(tmp_path: Path) -> None:
    SqliteGrants(tmp_path / "new" / "grants.db", ENVELOPE).put(grant())
    assert {oct(file.stat().st_mode & 0o777) for file in (tmp_path / "new").glob("grants.db*") if file.is_file()} == {"0o600"}


def test_no_token_stands_in_the_table_and_a_dropped_grant_leaves_it(tmp_path: Path) -> None:
    opened = database(tmp_path)
    grants = PostgresGrants(opened, ENVELOPE)
    grants.put(grant(access="ya29.secret"))
    [(row,)] = opened.rows("SELECT convert_to(g::text, 'UTF8') FROM grants AS g")
    assert (b"ya29.secret" in row, b"ya29.secret".hex().encode() in row, b"google" in row) == (False, False, True)
    # Room for a row again: as many as were there fit where they stood, for ever.
    for _ in range(40):
        grants.drop(ADA)
        grants.put(grant(access="ya29.secret"))
    assert opened.rows("SELECT pg_relation_size('grants') / 8192, count(*) FROM grants") == [(1, 1)]
