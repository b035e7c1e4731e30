"""`rendezvous connections` as a person and a script use it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import typer
from msgspec.structs import replace
from pydantic import SecretStr
from typer.testing import CliRunner

from adapters.envelope import About, Envelope, keys_of
from domain.errors import BadInput, NotFound, TryAgain
from domain.outside import Grant, Sealed
from services import cli, cli_connections
from services.rotating import Keeping, remove_old, rotate
from services.settings import Settings
from services.wiring import Installation
from services.wiring_providers import Outside
from tests.examples import ACCOUNT
from tests.services.consents import CRM, GOOGLE, PUBLIC, Consents


class Boxes:
    """Something sealed: so many each time it is asked."""

    def __init__(self, *left: int) -> None:
        self.left = list(left)

    def reseal(self) -> int:
        return self.left.pop(0) if self.left else 0


class Ring:
    """A file of keys."""

    def __init__(self) -> None:
        self.keys = ["old"]

    def rotate(self) -> str:
        self.keys.append("new")
        return "new"

    def keep_newest(self) -> list[str]:
        old, self.keys = self.keys[:-1], self.keys[-1:]
        return old


@pytest.fixture
def consents(monkeypatch: pytest.MonkeyPatch) -> Consents:
    made = Consents()
    monkeypatch.setattr(cli, "installation", lambda data=None, group=None, **_: made.engine)
    return made


@pytest.fixture
def ring() -> Ring:
    return Ring()


@pytest.fixture
def app(consents: Consents, ring: Ring) -> typer.Typer:
    app = typer.Typer()
    app.callback()(lambda: None)
    cli_connections.add(
        app, lambda _: consents.connecting, lambda _: Keeping(lambda: [Boxes(3), Boxes(2)], ring), lambda _, __: consents.engine.reading
    )
    return app


def run(app: typer.Typer, *args: str) -> Any:
    return CliRunner().invoke(app, ["connections", *args], catch_exceptions=False)


def told(app: typer.Typer, *args: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(app, *args, "--json").stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("asked", [("list", ACCOUNT), (ACCOUNT,)], ids=["list", "as it was before"])
def test_what_is_connected_is_listed(app: typer.Typer, consents: Consents, asked: Sequence[str]) -> None:
    assert run(app, *asked).stdout == f"no calendar was ever connected in account {ACCOUNT}\n"
    consents.connect()
    consents.connect(CRM)
    consents.engine.settle()
    assert run(app, *asked).stdout.splitlines() == [
        "user 501  google  active  since 2026-03-02T08:00:00.000Z",
        f"portal {ACCOUNT}  hubspot  live  since 2026-03-02T08:00:00Z",
    ]
    assert told(app, *asked) == json.loads(consents.engine.reading.connections(ACCOUNT))


def test_a_calendar_that_cannot_be_read_says_so_and_why(app: typer.Typer, consents: Consents) -> None:
    consents.connect()
    consents.connect(CRM)
    consents.engine.settle()
    for cursor in consents.cursors.claim(10**15, 1_000, 9):
        reason = "connect again, and tick every box" if cursor.link == GOOGLE else "HubSpot is away" if cursor.feed == "meetings" else None
        consents.cursors.keep(replace(cursor, failures=int(reason is not None), reason=reason))
    assert run(app, "list", ACCOUNT).stdout.splitlines() == [
        "user 501  google  active  since 2026-03-02T08:00:00.000Z",
        "  could not be read when last tried: connect again, and tick every box",
        f"portal {ACCOUNT}  hubspot  live  since 2026-03-02T08:00:00Z",
        "  could not be read when last tried: HubSpot is away",
    ]


def test_a_link_is_printed_alone_on_standard_output(app: typer.Typer, consents: Consents) -> None:
    done = run(app, "connect", ACCOUNT, "google", "--user", "501")
    (url,) = done.stdout.split()
    assert url.startswith(f"{PUBLIC}/v1/connect/google/start?ticket=")
    assert "good once, until 2026-03-03T08:00:00Z" in done.stderr
    started = consents.connecting.accept("google", url.split("ticket=")[1])
    assert consents.come_back(started, "google").link == GOOGLE


def test_a_link_for_a_script(app: typer.Typer) -> None:
    assert sorted(told(app, "connect", ACCOUNT, "hubspot")) == ["until", "url"]


def test_disconnecting_says_what_the_provider_did(app: typer.Typer, consents: Consents) -> None:
    consents.connect()
    consents.connect(CRM)
    assert (
        run(app, "disconnect", ACCOUNT, "google", "--user", "501").stdout.splitlines()[-1] == "disconnected, and forgotten by the provider"
    )
    consents.providers["hubspot"].fails = TryAgain("HubSpot was not reached")
    assert told(app, "disconnect", ACCOUNT, "hubspot") == {"revoked": False, "note": "HubSpot was not reached"}
    with pytest.raises(NotFound):
        run(app, "disconnect", ACCOUNT, "google", "--user", "501")


def test_keys_are_rotated_and_the_old_one_is_removed_by_a_second_call(app: typer.Typer, ring: Ring) -> None:
    assert run(app, "rotate-keys").stdout == "key new added; 5 secrets sealed anew\n"
    assert ring.keys == ["old", "new"]


def test_an_old_key_goes_when_nothing_is_sealed_under_it(ring: Ring) -> None:
    ring.rotate()
    boxes = Boxes(4, 0)
    assert remove_old(Keeping(lambda: [boxes], ring)).removed == ["old"]
    assert ring.keys == ["new"]


def test_an_old_key_stays_while_somebody_seals_under_it(ring: Ring) -> None:
    ring.rotate()
    boxes = Boxes(4, 1)
    with pytest.raises(TryAgain, match="restart"):
        remove_old(Keeping(lambda: [boxes], ring))
    assert ring.keys == ["old", "new"]


def test_where_an_operator_keeps_the_keys_none_is_made() -> None:
    done = rotate(Keeping(lambda: [Boxes(1)], None))
    assert (done.added, done.resealed, remove_old(Keeping(lambda: [Boxes()], None)).removed) == (None, 1, [])


def test_the_key_is_there_before_what_it_seals_is_opened(ring: Ring) -> None:
    seen: list[list[str]] = []

    def opened() -> list[Sealed]:
        seen.append(list(ring.keys))
        return []

    rotate(Keeping(opened, ring))
    assert seen == [["old", "new"]]


def test_rotating_in_files_leaves_every_secret_readable(tmp_path: Path) -> None:
    """The real file of keys, and the real store over it."""
    from adapters.envelope import Envelope, KeyFile
    from adapters.sqlite.grants import SqliteGrants

    def grants() -> SqliteGrants:
        return SqliteGrants(tmp_path / "store.sqlite", Envelope(file.keys(), file.keys))

    file = KeyFile(tmp_path / "keys")
    kept = grants().put(Grant(link=GOOGLE, id="g1", access="at-1", refresh="rt-1"))
    assert rotate(Keeping(lambda: [grants()], file)).resealed == 1
    assert len(remove_old(Keeping(lambda: [grants()], file)).removed) == 1
    assert (grants().get(GOOGLE), len(file.keys())) == (kept, 1)


def test_a_new_key_is_one_that_seals_and_another_each_time(app: typer.Typer) -> None:
    told = [CliRunner().invoke(app, ["connections", "new-key"]).stdout for _ in range(2)]
    keys = keys_of("".join(told))
    assert [len(key) for key in keys.values()] == [32, 32]
    about = About("62515", "google", "501", "grant")
    assert Envelope(keys).open(about, Envelope(keys).seal(about, b"secret")) == b"secret"


@pytest.mark.parametrize("keys", ["hunter2", "a:aHVudGVyMg=="], ids=["not as a key is written", "too short"])
def test_keys_that_are_none_are_refused_by_their_variable_and_not_shown(tmp_path: Path, keys: str) -> None:
    parts = Installation(Settings(data=tmp_path, keys=SecretStr(keys)))
    with pytest.raises(BadInput, match=r"^RENDEZVOUS_KEYS: ") as refused:
        Outside(parts).envelope  # noqa: B018 - made when it is asked for
    assert "hunter2" not in str(refused.value)
    parts.close()


@pytest.mark.parametrize("client", ["", "sandbox-client"], ids=["no provider is set up", "a provider is set up"])
def test_migrate_asks_for_keys_before_it_touches_a_database_and_only_beside_a_provider(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, client: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli, "configure_logging", lambda _: None)
    monkeypatch.setenv("RENDEZVOUS_STORE", "postgresql://nobody@127.0.0.1:1/nothing")
    monkeypatch.setenv("RENDEZVOUS_GOOGLE_CLIENT_ID", client)
    monkeypatch.setenv("RENDEZVOUS_GOOGLE_CLIENT_SECRET", client and "secret")
    error = CliRunner().invoke(cli.app, ["migrate"]).exception
    assert (isinstance(error, BadInput), "RENDEZVOUS_KEYS" in str(error)) == ((True, True) if client else (False, False))
    assert isinstance(error, BadInput if client else TryAgain)
