"""The real server: it answers over the network, streams, and stops cleanly when asked, inside a process that goes on."""

from __future__ import annotations

import socket
import threading
from contextlib import closing
from pathlib import Path
from typing import ClassVar

import httpx
import pytest
from litestar.testing import TestClient
from pydantic import SecretStr

from domain.errors import Stop
from domain.ports import NewRecord
from services import serve as serving
from services.serve import Listener
from services.settings import Settings
from services.up import Engine
from services.wiring import Installation
from services.wiring_providers import Outside
from tests.examples import ACCOUNT, meeting
from tests.services.asking import Asking
from tests.services.listening import engine as engine
from tests.services.listening import listener as listener


def test_it_answers_pages_routes_and_bodies(engine: Asking, listener: Listener) -> None:
    with httpx.Client(base_url=listener.url, trust_env=False, headers=engine.header("timeline:read", "events:publish")) as client:
        page = client.get("/v1/contacts/bo%40client.example/timeline")
        assert (page.status_code, page.json()["entries"][0]["title"]) == (200, "Kick-off")
        assert client.get("/v1/contacts/151/timeline", headers={"If-None-Match": page.headers["etag"]}).status_code == 304
        assert client.get("/v1/contacts/999").json()["status"] == 404
        assert client.post("/v1/source-events", json=meeting("g2")).json()["receipts"][0]["outcome"] == "accepted"
        assert client.post("/v1/source-events", content=b" " * (5 * 1024 * 1024 + 1)).status_code in (413, 415)
        assert client.get("/metrics").status_code == 200


def test_stopping_ends_open_streams_and_frees_the_port(engine: Asking, listener: Listener) -> None:
    headers = engine.header("timeline:read") | {"Last-Event-ID": "0"}
    with (
        httpx.Client(base_url=listener.url, trust_env=False) as client,
        client.stream("GET", "/v1/timeline-changes", headers=headers) as stream,
    ):
        parts = stream.iter_text()
        first = next(parts)
        while "event: entry" not in first:
            first += next(parts)
        stopper = threading.Thread(target=listener.stop)
        stopper.start()
        rest = "".join(parts)  # ends by itself, because the server ends the stream
        stopper.join()
    assert "event: entry" not in rest
    assert listener.failed is False
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(("127.0.0.1", listener.port))


def test_a_port_that_somebody_listens_on_is_an_error_at_once(engine: Asking, listener: Listener) -> None:
    second = Listener(engine.app(), "127.0.0.1", listener.port, threading.Event())
    with pytest.raises(OSError, match="in use"):
        second.start()


def test_a_host_that_is_none_is_an_error(engine: Asking) -> None:
    with pytest.raises(OSError):
        Listener(engine.app(), "no.such.host.invalid", 0, threading.Event()).start()


def test_what_nobody_could_read_is_explained_by_its_event_over_the_network_too(tmp_path: Path) -> None:
    with closing(Installation(Settings(data=tmp_path))) as parts:
        parts.source.append([NewRecord(ACCOUNT, 1, b'{"id":"lost-1"}')], 1_772_442_905_001)
        Engine(parts, lambda: False).turn()
        token = parts.tokens.create(ACCOUNT, ["timeline:read"])
        with TestClient(serving.app_of(parts, lambda: True)) as client:
            explained = client.get("/v1/explain?what=lost-1", headers={"Authorization": f"Bearer {token}"}).json()
    assert (explained["found"], [one["rule"] for one in explained["decisions"]]) == (True, ["malformed"])


class Served:
    """A server that ends at once, and remembers what it was to serve."""

    url, failed = "http://127.0.0.1:0", True
    connected: ClassVar[list[bool]] = []

    def __init__(self, parts: Installation, host: str, port: int, outside: Outside | None) -> None:
        self.connected.append(outside is not None)

    def start(self) -> int:
        return 0

    def stop(self) -> None:
        """Nothing runs."""


def test_connecting_is_served_where_a_provider_is_set_up_and_nowhere_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "Server", Served)
    for client in (None, "sandbox-client"):
        secret = None if client is None else SecretStr("secret")
        parts = Installation(Settings(data=tmp_path, log=None, store=None, google_client_id=client, google_client_secret=secret))
        with pytest.raises(Stop, match="ended by itself"):
            serving.serve(parts, "127.0.0.1", 0, Outside(parts))
        parts.close()
    assert Served.connected == [False, True]
