"""What only a real server shows: clients that write before they read, that leave, that ask by HEAD, whose paths are decoded for us."""

from __future__ import annotations

import http.client
import json
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import structlog

from services.api.bodies import DRAINED_BYTES
from services.api.routes import BODY_BYTES
from services.serve import Listener
from tests.examples import contact_said
from tests.services.asking import Asking
from tests.services.listening import engine as engine
from tests.services.listening import listener as listener

Headers = Mapping[str, str]


def ask(listener: Listener, method: str, path: str, headers: Headers, body: bytes | None = None) -> tuple[http.client.HTTPResponse, bytes]:
    """By a client that sends all of its body before it looks for an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", listener.port, timeout=30)
    try:
        connection.request(method, path, body, dict(headers))
        answer = connection.getresponse()
        return answer, answer.read()
    finally:
        connection.close()


def wait_for(there: Callable[[], bool]) -> None:
    """Until it is so; a test that waits in vain fails by the runner's own limit."""
    until = time.monotonic() + 30
    while not there():
        assert time.monotonic() < until, "it did not come"
        time.sleep(0.01)


def publishing(engine: Asking) -> dict[str, str]:
    return engine.header("events:publish") | {"Content-Type": "application/cloudevents-batch+json"}


@pytest.mark.parametrize("size", [BODY_BYTES + 1, 4 * BODY_BYTES])
def test_who_sends_too_much_hears_so_when_all_is_sent(engine: Asking, listener: Listener, size: int) -> None:
    answer, body = ask(listener, "POST", "/v1/source-events", publishing(engine), b" " * size)
    assert (answer.status, "split the batch" in json.loads(body)["detail"]) == (413, True)
    assert ask(listener, "GET", "/healthz", {})[0].status == 200


def test_who_says_that_he_will_send_far_too_much_is_answered_at_once(engine: Asking, listener: Listener) -> None:
    told = "".join(f"{name}: {value}\r\n" for name, value in publishing(engine).items())
    with socket.create_connection(("127.0.0.1", listener.port), timeout=30) as client:
        client.sendall(f"POST /v1/source-events HTTP/1.1\r\nHost: x\r\n{told}Content-Length: {DRAINED_BYTES + 1}\r\n\r\n".encode())
        assert client.recv(12) == b"HTTP/1.1 413"


@pytest.mark.parametrize("path", ["/v1/source-events", "/v1/connect/google/start"])
def test_who_leaves_while_he_sends_is_no_failure_of_ours_and_is_counted_apart(engine: Asking, listener: Listener, path: str) -> None:
    told = "".join(f"{name}: {value}\r\n" for name, value in publishing(engine).items())
    with structlog.testing.capture_logs() as said:
        with socket.create_connection(("127.0.0.1", listener.port), timeout=30) as client:
            client.sendall(f"POST {path} HTTP/1.1\r\nHost: x\r\n{told}Content-Length: 100\r\n\r\n[".encode())
        wait_for(lambda: 'status="499"' in metrics(engine, listener))
    assert [(one["event"], one["log_level"]) for one in said] == [("the client left", "info")]
    assert 'status="5' not in metrics(engine, listener)


def metrics(engine: Asking, listener: Listener) -> str:
    return ask(listener, "GET", "/metrics", engine.header("ops"))[1].decode()


@pytest.mark.parametrize("path", ["/healthz", "/v1/contacts/151", "/v1/contacts/151/timeline", "/v1/contacts/999", "/v1/openapi.json"])
def test_head_has_the_length_of_what_get_would_send(engine: Asking, listener: Listener, path: str) -> None:
    headers = engine.header("timeline:read")
    (told, body), (head, nothing) = ask(listener, "GET", path, headers), ask(listener, "HEAD", path, headers)
    assert (head.status, nothing) == (told.status, b"")
    assert head.getheader("content-length") == str(len(body))


def test_a_stroke_that_was_sent_as_part_of_a_name_stays_one(engine: Asking, listener: Listener) -> None:
    engine.tell(contact_said("a/b c", "contact.created", 6, {"email": "odd@client.example", "name": "Odd"}))
    headers = engine.header("timeline:read")

    def named(path: str) -> Any:
        return json.loads(ask(listener, "GET", path, headers)[1])

    assert named("/v1/contacts/a%2Fb%20c")["id"] == "a/b c"
    assert named("/v1/contacts/a%2Fb%20c/timeline")["contact"]["id"] == "a/b c"
    assert named("/v1/contacts/a/b%20c")["status"] == 404
