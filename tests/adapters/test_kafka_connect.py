"""How a cluster is reached: addresses, what clients are told, what is never told, and what errors mean."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest
from kafka import errors

from adapters.kafka.connect import KafkaSettings, _connecting, client_options, in_our_words, producer, servers_of
from adapters.kafka.oauth import ClientCredentials, TokenFile
from domain.errors import BadInput, PositionLost, Stop, TryAgain
from tests.servers.kafka import free_port

ONE = KafkaSettings(bootstrap="one:9092")


@pytest.mark.parametrize(
    ("url", "servers"),
    [
        pytest.param("kafka://one:9092", "one:9092", id="one broker"),
        pytest.param("kafka://one:9092,two:9093/", "one:9092,two:9093", id="several"),
        pytest.param("kafka://[::1]:9092", "[::1]:9092", id="an IPv6 address"),
    ],
)
def test_an_address_names_brokers(url: str, servers: str) -> None:
    assert servers_of(url) == servers


@pytest.mark.parametrize("url", ["kafka://", "kafka://one", "kafka://one:port", "sqlite:///log", "one:9092", "kafka://u:secret@one:9092"])
def test_what_is_no_address_is_refused_without_being_repeated(url: str) -> None:
    with pytest.raises(BadInput) as refusal:
        servers_of(url)
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize(
    ("given", "told"),
    [
        pytest.param({}, {"security_protocol": "PLAINTEXT"}, id="nothing"),
        pytest.param(
            {
                "security": "SSL",
                "ca_file": Path("ca.pem"),
                "certificate_file": Path("c.pem"),
                "key_file": Path("k.pem"),
                "key_password": "s3",
            },
            {
                "security_protocol": "SSL",
                "ssl_cafile": "ca.pem",
                "ssl_certfile": "c.pem",
                "ssl_keyfile": "k.pem",
                "ssl_password": "s3",
                "ssl_check_hostname": True,
            },
            id="TLS with a certificate of ours",
        ),
        pytest.param(
            {"security": "SASL_SSL", "mechanism": "SCRAM-SHA-512", "username": "ana", "password": "s3"},
            {"sasl_mechanism": "SCRAM-SHA-512", "sasl_plain_username": "ana", "sasl_plain_password": "s3", "ssl_cafile": None},
            id="name and password over TLS",
        ),
        pytest.param(
            {"security": "SASL_PLAINTEXT", "mechanism": "PLAIN", "username": "ana", "password": "s3"},
            {"sasl_mechanism": "PLAIN", "sasl_plain_username": "ana", "sasl_plain_password": "s3"},
            id="name and password in clear",
        ),
    ],
)
def test_clients_are_told_how_to_be_let_in(given: dict[str, Any], told: dict[str, Any]) -> None:
    options = client_options(KafkaSettings(bootstrap="one:9092", **given))
    assert {name: options[name] for name in told} == told


@pytest.mark.parametrize(
    ("given", "kind"),
    [
        pytest.param({"token_file": Path("token")}, TokenFile, id="from a file"),
        pytest.param({"token_url": "https://id.example/t", "client_id": "r", "client_secret": "s3"}, ClientCredentials, id="by OAuth"),
    ],
)
def test_tokens_come_from_where_the_settings_say(given: dict[str, Any], kind: type) -> None:
    options = client_options(KafkaSettings(bootstrap="one:9092", security="SASL_SSL", mechanism="OAUTHBEARER", **given))
    assert isinstance(options["sasl_oauth_token_provider"], kind)


@pytest.mark.parametrize(
    ("given", "pointer"),
    [
        pytest.param({"security": "TLS"}, "security", id="a word that is not Kafka's"),
        pytest.param({"security": "SASL_SSL"}, "mechanism", id="SASL without a mechanism"),
        pytest.param({"security": "SASL_SSL", "mechanism": "KERBEROS"}, "mechanism", id="a mechanism we do not offer"),
        pytest.param({"security": "SASL_SSL", "mechanism": "OAUTHBEARER"}, "token_file", id="OAUTHBEARER without a token"),
        pytest.param(
            {"security": "SASL_SSL", "mechanism": "OAUTHBEARER", "token_url": "https://id.example/t"},
            "token_file",
            id="a token address without a client",
        ),
    ],
)
def test_settings_that_cannot_work_are_refused(given: dict[str, Any], pointer: str) -> None:
    with pytest.raises(BadInput) as refusal:
        KafkaSettings(bootstrap="one:9092", **given)
    assert refusal.value.pointer == pointer


def test_no_secret_is_shown() -> None:
    settings = KafkaSettings(
        bootstrap="one:9092",
        security="SASL_SSL",
        mechanism="PLAIN",
        username="ana",
        password="s3-a",
        client_secret="s3-b",
        key_password="s3-c",
    )
    assert "ana" in repr(settings)
    assert "s3-" not in repr(settings)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        pytest.param(errors.KafkaTimeoutError("30 s"), TryAgain, id="nobody answered"),
        pytest.param(errors.NotEnoughReplicasError(), TryAgain, id="too few replicas"),
        pytest.param(errors.OutOfOrderSequenceNumberError(), TryAgain, id="a producer that lost its place"),
        pytest.param(errors.UnknownMemberIdError(), TryAgain, id="put out of the group"),
        pytest.param(errors.OffsetOutOfRangeError(), PositionLost, id="a position that is not there"),
        pytest.param(errors.TopicAuthorizationFailedError(), Stop, id="not allowed"),
        pytest.param(errors.SaslAuthenticationFailedError(), Stop, id="not let in"),
        pytest.param(errors.MessageSizeTooLargeError(), Stop, id="too large"),
    ],
)
def test_errors_say_what_follows(error: errors.KafkaError, kind: type) -> None:
    ours = in_our_words(ONE, error)
    assert type(ours) is kind
    assert "one:9092" in str(ours)


def test_nobody_there_says_try_again_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("adapters.kafka.connect.BOOTSTRAP_MS", 300)
    with pytest.raises(TryAgain):
        producer(KafkaSettings(bootstrap=f"127.0.0.1:{free_port()}"))


NOBODY = errors.KafkaConnectionError("111 ECONNREFUSED")
CUT_OFF = errors.KafkaConnectionError("socket disconnected")
LATE = errors.RequestTimedOutError("Request timed out after 100 ms")
REFUSED = errors.SaslAuthenticationFailedError("invalid credentials")
STRANGE = errors.KafkaConnectionError("Handshake failed: [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed")


@pytest.mark.parametrize(
    ("security", "causes", "kind", "says"),
    [
        ("SASL_SSL", [CUT_OFF, REFUSED, CUT_OFF], Stop, "do not trust each other: .*invalid credentials"),
        ("SSL", [NOBODY, STRANGE], Stop, "do not trust each other: .*certificate verify failed"),
        ("SASL_PLAINTEXT", [CUT_OFF, CUT_OFF, LATE], Stop, "it closes the connection when it hears who we are"),
        ("SASL_PLAINTEXT", [CUT_OFF, NOBODY], TryAgain, "cannot be reached: .*ECONNREFUSED"),
        ("SASL_PLAINTEXT", [LATE], TryAgain, "cannot be reached: .*timed out after 100 ms"),
        ("PLAINTEXT", [CUT_OFF, CUT_OFF], TryAgain, "cannot be reached: .*socket disconnected"),
        ("PLAINTEXT", [], TryAgain, "Unable to bootstrap"),
    ],
    ids=[
        "a name is refused",
        "a stranger's certificate",
        "cut off each time",
        "away",
        "slow",
        "cut off without a name",
        "nothing is known",
    ],
)
def test_who_cannot_connect_is_told_why_and_whether_it_may_pass(
    security: str, causes: list[errors.KafkaError], kind: type, says: str
) -> None:
    settings = KafkaSettings(bootstrap="one:9092", security=security, mechanism="PLAIN" if "SASL" in security else None)
    timeout = errors.KafkaTimeoutError("Unable to bootstrap from one:9092")
    said = logging.getLogger("kafka.net.manager")

    def connect() -> None:
        with _connecting(settings):
            for cause in causes:
                said.error("Connection failed: %s", cause)
            said.error("Bootstrap failed: %s", timeout)
            raise timeout

    with pytest.raises(kind, match=f"one:9092.*{says}"):
        connect()
    assert said.handlers == []


# --- tokens -----------------------------------------------------------------------------------------------------------


def test_a_token_file_is_read_each_time(tmp_path: Path) -> None:
    tokens = TokenFile(tmp_path / "token")
    (tmp_path / "token").write_text("first\n")
    assert tokens.token() == "first"
    (tmp_path / "token").write_text("second\n")
    assert tokens.token() == "second"


def test_a_token_file_that_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(errors.SaslAuthenticationFailedError):
        TokenFile(tmp_path / "token").token()


@contextmanager
def token_address(*answers: tuple[int, Any]) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """An address that gives these answers in turn, and what it was asked: (authorization, form)."""
    asked: list[tuple[str, str]] = []
    left = iter(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            form = self.rfile.read(int(self.headers["Content-Length"])).decode()
            asked.append((self.headers["Authorization"], form))
            status, body = next(left)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, format: str, *args: Any) -> None:
            """Not on the tests' output."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/token", asked
    finally:
        server.shutdown()
        server.server_close()


def test_a_token_is_asked_for_once_and_used_until_it_is_near_its_end() -> None:
    with token_address((200, {"access_token": "a", "expires_in": 3600})) as (url, asked):
        tokens = ClientCredentials(url, "rendezvous", "s3", "kafka")
        assert [tokens.token(), tokens.token()] == ["a", "a"]
    assert asked == [("Basic cmVuZGV6dm91czpzMw==", "grant_type=client_credentials&scope=kafka")]


def test_a_token_that_has_ended_is_asked_for_again() -> None:
    with token_address((200, {"access_token": "a", "expires_in": 0}), (200, {"access_token": "b", "expires_in": 60})) as (url, _):
        tokens = ClientCredentials(url, "rendezvous", "s3")
        assert [tokens.token(), tokens.token(), tokens.token()] == ["a", "b", "b"]


@pytest.mark.parametrize(
    "answer",
    [pytest.param((401, {"error": "invalid_client"}), id="refused"), pytest.param((200, {"token": "s3-token"}), id="no token in it")],
)
def test_an_address_that_gives_no_token_is_told_without_what_it_said(answer: tuple[int, Any]) -> None:
    with token_address(answer) as (url, _), pytest.raises(errors.SaslAuthenticationFailedError) as refusal:
        ClientCredentials(url, "rendezvous", "s3").token()
    assert "s3" not in str(refusal.value)


def test_a_token_address_that_does_not_answer_may_be_asked_again() -> None:
    with pytest.raises(errors.KafkaConnectionError) as silence:
        ClientCredentials(f"http://127.0.0.1:{free_port()}/token", "rendezvous", "s3").token()
    assert silence.value.retriable
