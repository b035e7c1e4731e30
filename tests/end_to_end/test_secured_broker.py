"""Every role on a broker that asks for a name and shows a certificate; and what is said to whoever has a wrong one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.end_to_end.installed import opened
from tests.examples import ACCOUNT, meeting, stage
from tests.servers import postgres
from tests.servers.processes import Process
from tests.servers.secured import PASSWORD, USER, Secured, Tokens, bearer, certificate, secured_broker, token_address

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
WRONG = "entirely-wrong"

Settings = dict[str, str]


@pytest.fixture(scope="module")
def broker() -> Iterator[Secured]:
    """Of this module alone."""
    with secured_broker() as made:
        yield made


@pytest.fixture(scope="module")
def tokens() -> Iterator[Tokens]:
    """Likewise."""
    with token_address() as made:
        yield made


def scram(broker: Secured, folder: Path, tokens: Tokens, password: str = PASSWORD) -> tuple[str, Settings]:
    return broker.scram, {
        "SECURITY": "SASL_SSL",
        "MECHANISM": "SCRAM-SHA-512",
        "USERNAME": USER,
        "PASSWORD": password,
        "CA_FILE": str(broker.ca_file),
    }


def plain(broker: Secured, folder: Path, tokens: Tokens, password: str = PASSWORD) -> tuple[str, Settings]:
    return broker.plain, {"SECURITY": "SASL_PLAINTEXT", "MECHANISM": "PLAIN", "USERNAME": USER, "PASSWORD": password}


def token_in_a_file(broker: Secured, folder: Path, tokens: Tokens, password: str = PASSWORD) -> tuple[str, Settings]:
    file = folder / "token"
    file.write_text(bearer(3600 if password == PASSWORD else -60))
    told = {"SECURITY": "SASL_SSL", "MECHANISM": "OAUTHBEARER", "TOKEN_FILE": str(file), "CA_FILE": str(broker.ca_file)}
    return broker.oauth, told


def token_by_client_credentials(broker: Secured, folder: Path, tokens: Tokens, password: str = PASSWORD) -> tuple[str, Settings]:
    told = {"SECURITY": "SASL_SSL", "MECHANISM": "OAUTHBEARER", "CA_FILE": str(broker.ca_file), "SCOPE": "kafka"}
    return broker.oauth, {**told, "TOKEN_URL": tokens.url, "CLIENT_ID": USER, "CLIENT_SECRET": password}


WAYS = (scram, plain, token_in_a_file, token_by_client_credentials)


def settings_of(made: Settings, way: tuple[str, Settings]) -> Settings:
    address, told = way
    return {**made, "RENDEZVOUS_LOG": f"kafka://{address}", **{f"RENDEZVOUS_KAFKA_{name}": value for name, value in told.items()}}


def ran(settings: Settings, folder: Path, *command: str) -> Process:
    process = Process(command, settings, folder / "-".join(command[:2]).replace("/", "_"))
    try:
        process.ended()
    finally:
        process.kill()
    return process


@pytest.mark.parametrize("way", WAYS, ids=[way.__name__.replace("_", " ") for way in WAYS])
def test_whoever_says_his_name_publishes_decides_relays_and_folds(
    way: Callable[[Secured, Path, Tokens], tuple[str, Settings]],
    broker: Secured,
    tokens: Tokens,
    on_servers: Callable[[str, str], Settings],
    tmp_path: Path,
) -> None:
    settings = settings_of(on_servers(broker.open, postgres.dsn()), way(broker, tmp_path, tokens))
    events = tmp_path / "events.ndjson"
    events.write_text("\n".join(json.dumps(event) for event in [*stage(), meeting(title="Behind a lock")]))
    commands = (["migrate"], ["publish", str(events)], *([role, "--until-idle"] for role in ("sync", "relay", "project")))
    for command in commands:
        process = ran(settings, tmp_path, *command)
        assert process.code == 0, process.said
    timeline = ran(settings, tmp_path, "timeline", ACCOUNT, "151", "--json")
    assert [entry["title"] for entry in json.loads(timeline.told)["entries"]] == ["Behind a lock"]
    if way is token_by_client_credentials:
        assert set(tokens.given) == {"kafka"}


@pytest.mark.parametrize(
    ("way", "command"),
    [*((way, "sync") for way in WAYS), (scram, "publish"), (scram, "migrate")],
    ids=[*(way.__name__.replace("_", " ") for way in WAYS), "publishing", "migrating"],
)
def test_a_wrong_password_or_token_is_one_line_without_it_and_code_2(
    way: Callable[[Secured, Path, Tokens, str], tuple[str, Settings]],
    command: str,
    broker: Secured,
    tokens: Tokens,
    on_servers: Callable[[str, str], Settings],
    tmp_path: Path,
) -> None:
    made = on_servers(broker.open, postgres.dsn())
    opened(made).migrate()
    address, told = way(broker, tmp_path, tokens, WRONG)
    events = tmp_path / "events.ndjson"
    events.write_text(json.dumps(meeting()))
    process = refused(settings_of(made, (address, told)), tmp_path, command, *([str(events)] if command == "publish" else []))
    assert WRONG not in process.said
    assert f"Kafka at {address} and we do not trust each other: " in process.said


def refused(settings: Settings, folder: Path, *command: str) -> Process:
    process = ran({**settings, "RENDEZVOUS_LOG_LEVEL": "warning"}, folder, *command)
    assert (process.code, process.said.count("\n")) == (2, 1), process.said
    assert process.said.startswith("rendezvous: "), process.said
    return process


def test_a_broker_whose_certificate_a_stranger_signed_is_not_spoken_to(
    broker: Secured, tokens: Tokens, on_servers: Callable[[str, str], Settings], tmp_path: Path
) -> None:
    stranger = certificate(tmp_path, "somebody else").ca_file
    address, told = scram(broker, tmp_path, tokens)
    made = on_servers(broker.open, postgres.dsn())
    opened(made).migrate()
    process = refused(settings_of(made, (address, {**told, "CA_FILE": str(stranger)})), tmp_path, "sync")
    assert "certificate" in process.said.lower()
