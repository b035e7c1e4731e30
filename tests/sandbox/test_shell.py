"""The sandbox's servers: what HTTP asks of them, the faults, the clock, the pushes, and the control API."""

from __future__ import annotations

import gzip
import re
import ssl
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from services.sandbox.shell import Sandbox
from services.sandbox.wire import Answer, Request, as_json
from services.sandbox.world import Fault, NotLoopback, Push, World
from tests.sandbox.conftest import NOON
from tests.sandbox.receiver import Receiver


class Echo:
    """A simulator that says what it was asked, and counts its work."""

    name = "echo"

    def __init__(self) -> None:
        self.done = 0

    def answers(self, request: Request) -> bool:
        return request.path.startswith("/echo")

    def answer(self, request: Request) -> Answer:
        self.done += 1
        if request.path == "/echo/bug":
            raise RuntimeError("broken")
        asked = request._asdict() | {"headers": dict(request.headers), "body": request.body.decode()}
        return as_json(200, {**asked, "done": self.done}, route="echo")

    def refusal(self, request: Request, status: int) -> Answer:
        return as_json(status, {"echo": "refused"}, {"Retry-After": "3"})

    def control(self, request: Request) -> Answer:
        return as_json(200, {"control": request.path})

    def state(self) -> Any:
        return {"done": self.done}

    def reset(self) -> None:
        self.done = 0


@pytest.fixture
def echo() -> Echo:
    return Echo()


@pytest.fixture
def served(world: World, echo: Echo) -> Iterator[Sandbox]:
    with Sandbox([echo], world) as sandbox:
        yield sandbox


@pytest.fixture
def client(served: Sandbox) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=served.url, trust_env=False) as client:
        yield client


# --- HTTP ---------------------------------------------------------------------------------------------------------------------


def test_a_request_comes_to_its_simulator_as_it_was_sent(client: httpx.Client) -> None:
    told = client.post("/echo/a%2Fb%20c?x=1&x=2&y=", content=b"body", headers={"X-Own": "Yes"}).json()
    assert (told["method"], told["scheme"], told["path"], told["raw_path"]) == ("POST", "http", "/echo/a/b c", "/echo/a%2Fb%20c")
    assert (told["query"], told["body"], told["headers"]["x-own"]) == ([["x", "1"], ["x", "2"], ["y", ""]], "body", "Yes")


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_every_method_is_served(client: httpx.Client, method: str) -> None:
    assert client.request(method, "/echo").json()["method"] == method


def test_a_connection_serves_many_requests(client: httpx.Client) -> None:
    first, second = client.get("/echo"), client.get("/echo")
    assert first.extensions["network_stream"] is second.extensions["network_stream"]
    assert (first.json()["done"], second.json()["done"]) == (1, 2)


def test_a_body_in_chunks_is_put_together(client: httpx.Client) -> None:
    assert client.post("/echo", content=iter([b"one ", b"two"])).json()["body"] == "one two"


def test_a_packed_body_is_unpacked(client: httpx.Client) -> None:
    packed = gzip.compress(b"x" * 1000)
    assert client.post("/echo", content=packed, headers={"Content-Encoding": "gzip"}).json()["body"] == "x" * 1000


def test_a_body_that_only_says_it_is_packed_is_refused(client: httpx.Client) -> None:
    assert client.post("/echo", content=b"plain", headers={"Content-Encoding": "gzip"}).status_code == 400


def test_a_long_answer_is_packed_for_who_asks_and_plain_for_others(client: httpx.Client) -> None:
    asked = client.post("/echo", content=b"x" * 2000, headers={"Accept-Encoding": "gzip"})
    plain = client.post("/echo", content=b"x" * 2000, headers={"Accept-Encoding": "identity"})
    assert (asked.headers.get("content-encoding"), plain.headers.get("content-encoding")) == ("gzip", None)
    assert asked.json()["body"] == plain.json()["body"] == "x" * 2000


def test_an_unknown_path_is_told_which_simulators_there_are(client: httpx.Client) -> None:
    answer = client.get("/elsewhere")
    assert (answer.status_code, answer.json()["simulators"]) == (404, ["echo"])


def test_https_shows_a_certificate_that_its_file_vouches_for(served: Sandbox) -> None:
    answer = httpx.get(served.https_url + "/echo", verify=ssl.create_default_context(cafile=served.certificate), trust_env=False)
    assert answer.json()["scheme"] == "https"


def test_who_does_not_trust_the_certificate_is_not_served(served: Sandbox, capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(served.https_url + "/echo", trust_env=False)
    assert capfd.readouterr().err == ""


def test_a_bug_of_a_simulator_is_called_one_and_is_shown(client: httpx.Client, capfd: pytest.CaptureFixture[str]) -> None:
    answer = client.get("/echo/bug")
    assert (answer.status_code, answer.json()["error"]) == (500, "a bug of the echo simulator")
    assert "RuntimeError: broken" in capfd.readouterr().err


def test_the_date_of_an_answer_is_the_worlds(client: httpx.Client) -> None:
    assert client.get("/echo").headers["date"] == "Mon, 02 Mar 2026 12:00:00 GMT"


def test_a_sandbox_that_was_closed_answers_nobody_and_comes_back_where_it_was(world: World, echo: Echo) -> None:
    sandbox = Sandbox([echo], world).start()
    url = sandbox.url
    with httpx.Client(trust_env=False) as client:
        assert client.get(url + "/echo").json()["done"] == 1
        sandbox.close()
        with pytest.raises(httpx.TransportError):
            client.get(url + "/echo")
    with sandbox:
        assert sandbox.url == url
        assert httpx.get(url + "/echo", trust_env=False).json()["done"] == 2


# --- faults -------------------------------------------------------------------------------------------------------------------


def test_a_status_is_refused_in_the_providers_words_and_does_nothing(client: httpx.Client, world: World, echo: Echo) -> None:
    world.faults.add("status", simulator="echo", status=429)
    answer = client.get("/echo")
    assert (answer.status_code, answer.json(), answer.headers["retry-after"], echo.done) == (429, {"echo": "refused"}, "3", 0)
    assert client.get("/echo").status_code == 200


def test_a_connection_is_dropped_before_anything_is_done(client: httpx.Client, world: World, echo: Echo) -> None:
    world.faults.add("drop")
    with pytest.raises(httpx.RemoteProtocolError):
        client.get("/echo")
    assert echo.done == 0


def test_a_connection_is_dropped_after_all_is_done(client: httpx.Client, world: World, echo: Echo) -> None:
    world.faults.add("drop_after")
    with pytest.raises(httpx.RemoteProtocolError):
        client.get("/echo")
    assert echo.done == 1


def test_an_answer_comes_late(client: httpx.Client, world: World, echo: Echo) -> None:
    world.faults.add("latency", seconds=0.2)
    with pytest.raises(httpx.ReadTimeout):
        client.get("/echo", timeout=0.05)
    assert client.get("/echo").status_code == 200


@pytest.mark.parametrize(
    ("rule", "struck"),
    [
        pytest.param({"method": "POST"}, [False, True, False, False], id="one method"),
        pytest.param({"path": "^/echo/b$", "times": None}, [False, False, True, True], id="one path, for ever"),
        pytest.param({"simulator": "other"}, [False, False, False, False], id="another simulator"),
        pytest.param({"times": 2}, [True, True, False, False], id="twice"),
        pytest.param({"probability": 0.0, "times": None}, [False, False, False, False], id="never"),
    ],
)
def test_a_rule_strikes_what_it_concerns_as_often_as_it_says(
    client: httpx.Client, world: World, rule: dict[str, Any], struck: list[bool]
) -> None:
    world.faults.put(Fault(effect="status", status=503, **rule))
    asked = [("GET", "/echo"), ("POST", "/echo"), ("GET", "/echo/b"), ("GET", "/echo/b")]
    assert [client.request(method, path).status_code == 503 for method, path in asked] == struck


def test_a_rule_that_is_no_regular_expression_is_not_taken(world: World) -> None:
    with pytest.raises(re.error):
        world.faults.add("status", path="(")
    assert world.faults.rules == []


# --- the clock ----------------------------------------------------------------------------------------------------------------


def test_the_clock_stands_moves_and_runs_on_from_where_it_stands() -> None:
    real = [1000]
    world = World(clock=lambda: real[0])
    world.freeze(5000)
    real[0] = 1500
    assert world.now() == 5000
    world.move(250)
    assert world.now() == 5250
    world.thaw()
    real[0] = 1600
    assert world.now() == 5350
    world.move(-350)
    assert world.now() == 5000


# --- pushes -------------------------------------------------------------------------------------------------------------------


def test_a_push_is_tried_again_when_the_provider_would_until_it_is_taken(world: World) -> None:
    receiver = Receiver(503, 500, 204)
    try:
        world.outbox.send(Push(receiver.url, body=b"hint", headers={"X-Kind": "k"}, retry=(10.0, 60.0), simulator="echo"))
        assert world.outbox.flush() == 1
        world.move(9_999)
        assert world.outbox.flush() == 0
        world.move(1)
        assert world.outbox.flush() == 1
        world.move(60_000)
        assert (world.outbox.flush(), world.outbox.waiting()) == (1, 0)
    finally:
        receiver.close()
    assert [(sent.status, sent.attempt) for sent in world.outbox.sent] == [(503, 0), (500, 1), (204, 2)]
    assert [(path, headers["X-Kind"], body) for path, headers, body in receiver.taken] == [("/hook", "k", b"hint")] * 3


def test_a_push_that_is_refused_for_good_is_not_tried_again(world: World) -> None:
    receiver, ended = Receiver(404), list[int]()
    try:
        push = Push(receiver.url, retry=(0.0,), retry_on=frozenset({503}), ended=ended.append)
        world.outbox.send(push)
        assert (world.outbox.flush(), ended) == (1, [404])
    finally:
        receiver.close()


@pytest.mark.parametrize(
    ("effect", "at_once", "later"),
    [
        pytest.param("lose_push", 0, 0, id="lost"),
        pytest.param("duplicate_push", 2, 0, id="twice"),
        pytest.param("delay_push", 0, 1, id="late"),
    ],
)
def test_pushes_are_lost_doubled_and_late(world: World, effect: str, at_once: int, later: int) -> None:
    receiver = Receiver(200)
    try:
        world.faults.add(effect, simulator="echo", seconds=5.0)
        world.outbox.send(Push(receiver.url, simulator="echo"))
        assert world.outbox.flush() == at_once
        world.move(5000)
        assert world.outbox.flush() == later
    finally:
        receiver.close()
    assert len(receiver.taken) == at_once + later


def test_each_try_of_a_push_is_signed_at_its_own_time(world: World) -> None:
    receiver = Receiver(500, 200)
    try:
        world.outbox.send(Push(receiver.url, retry=(1.0,), sign=lambda push, now: {"X-At": str(now)}))
        world.outbox.flush()
        world.move(1000)
        world.outbox.flush()
    finally:
        receiver.close()
    assert [headers["X-At"] for _, headers, _ in receiver.taken] == [str(NOON), str(NOON + 1000)]


@pytest.mark.parametrize(
    "url",
    [
        *("http://example.com/hook", "http://10.0.0.1/", "https://127.0.0.1.example.com/", "http://127.0.0.1@example.com/"),
        *("nowhere", "http://[", "http://127.0.0.1:99999/", "http://127.0.0.1:x/"),
    ],
)
def test_nothing_is_pushed_to_another_machine(world: World, url: str) -> None:
    with pytest.raises(NotLoopback):
        world.outbox.send(Push(url))
    with pytest.raises(NotLoopback):
        world.outbox.call(Push(url))


def test_a_running_sandbox_sends_by_itself(served: Sandbox, world: World) -> None:
    receiver, taken = Receiver(200), threading.Event()
    try:
        world.outbox.send(Push(receiver.url, ended=lambda status: taken.set()))
        assert taken.wait(10)
    finally:
        receiver.close()
    assert len(receiver.taken) == 1


# --- the control API ----------------------------------------------------------------------------------------------------------


def test_faults_are_set_read_and_dropped_over_http(client: httpx.Client) -> None:
    rule = {"effect": "status", "simulator": "echo", "status": 500, "times": 2}
    assert client.post("/sandbox/faults", json=rule).json() == [{"effect": "status", "simulator": "echo", "status": 500, "times": 2}]
    assert client.get("/echo").status_code == 500
    assert client.get("/sandbox/faults").json()[0].get("times", 1) == 1
    assert client.delete("/sandbox/faults").json() == []
    assert client.get("/echo").status_code == 200


@pytest.mark.parametrize(
    "rule", [{"status": 500}, {"effect": "status", "path": "("}, {"effect": "status", "times": "often"}, "status"], ids=str
)
def test_a_fault_that_cannot_be_read_is_refused(client: httpx.Client, rule: Any) -> None:
    assert client.post("/sandbox/faults", json=rule).status_code == 400
    assert client.get("/sandbox/faults").json() == []


def test_the_clock_is_set_over_http(client: httpx.Client, world: World) -> None:
    assert client.get("/sandbox/clock").json() == {"now": NOON, "frozen": True}
    assert client.post("/sandbox/clock", json={"move": 60_000}).json() == {"now": NOON + 60_000, "frozen": True}
    assert client.post("/sandbox/clock", json={"freeze": 1000}).json() == {"now": 1000, "frozen": True}
    assert client.post("/sandbox/clock", json={"thaw": True}).json()["frozen"] is False


def test_what_was_asked_is_counted_and_shown(client: httpx.Client, world: World) -> None:
    client.get("/echo/1")
    client.get("/echo/2?q=x")
    told = client.get("/sandbox/requests?last=1").json()
    assert told["counts"] == [{"simulator": "echo", "method": "GET", "route": "echo", "times": 2}]
    assert [(each["path"], each["query"], each["status"]) for each in told["last"]] == [("/echo/2", [["q", "x"]], 200)]
    assert (world.requests.count("echo"), world.requests.count("echo", route="other")) == (2, 0)


def test_each_simulator_has_its_own_part_and_its_state(client: httpx.Client) -> None:
    client.get("/echo")
    assert client.post("/sandbox/echo/do").json() == {"control": "/sandbox/echo/do"}
    assert client.get("/sandbox/state").json()["simulators"] == {"echo": {"done": 1}}


def test_a_reset_forgets_everything(client: httpx.Client, world: World) -> None:
    client.get("/echo")
    world.faults.add("latency")
    world.mail("echo", "invitation", "a@x.example", "b@x.example", "uid", "Title")
    assert client.post("/sandbox/reset").status_code == 200
    told = client.get("/sandbox/state").json()
    assert (told["simulators"], told["faults"], told["mails"], told["clock"]["frozen"]) == ({"echo": {"done": 0}}, [], [], False)


def test_an_unknown_part_is_told_which_there_are(client: httpx.Client) -> None:
    answer = client.get("/sandbox/nothing")
    assert answer.status_code == 404
    assert {"clock", "echo", "faults", "reset"} <= set(answer.json()["parts"])


def test_the_control_page_is_asked_last_and_by_get_only(world: World, echo: Echo) -> None:
    pages: list[str] = []

    def page(request: Request) -> Answer | None:
        pages.append(request.path)
        return Answer(200, {}, b"page") if request.path == "/sandbox/" else None

    with Sandbox([echo], world, page=page) as sandbox, httpx.Client(base_url=sandbox.url, trust_env=False) as client:
        assert client.get("/sandbox/").text == "page"
        assert client.get("/sandbox/none").status_code == client.post("/sandbox/").status_code == 404
        client.get("/sandbox/clock")
    assert pages == ["/sandbox/", "/sandbox/none"]


def test_a_sandbox_that_is_not_open_can_be_closed(echo: Echo) -> None:
    sandbox = Sandbox([echo])
    sandbox.close()
    with sandbox:
        assert httpx.get(sandbox.url + "/echo", trust_env=False).status_code == 200
    sandbox.close()


def test_a_taken_port_is_said_and_nothing_stays_open(served: Sandbox, echo: Echo) -> None:
    taken = int(served.url.rpartition(":")[2])
    second = Sandbox([echo], https_port=taken)
    with pytest.raises(OSError, match="in use"):
        second.start()
    with pytest.raises(RuntimeError, match="not started"):
        _ = second.certificate


def test_a_part_that_breaks_says_so_and_goes_on(client: httpx.Client, echo: Echo, capfd: pytest.CaptureFixture[str]) -> None:
    def broken(request: Request) -> Answer:
        raise AttributeError("no such thing")

    echo.control = broken  # type: ignore[method-assign]  # a simulator with a bug
    answer = client.post("/sandbox/echo/do")
    assert (answer.status_code, answer.json()["error"]) == (500, "AttributeError: no such thing")
    assert "no such thing" in capfd.readouterr().err
    assert client.get("/sandbox/clock").status_code == 200


def test_a_push_that_http_cannot_carry_stops_no_other(world: World) -> None:
    receiver = Receiver(200)
    try:
        world.outbox.send(Push(receiver.url, headers={"X-Token": "two\nlines"}))
        world.outbox.send(Push(receiver.url))
        assert world.outbox.flush() == 2
    finally:
        receiver.close()
    assert [sent.status for sent in world.outbox.sent] == [0, 200]
