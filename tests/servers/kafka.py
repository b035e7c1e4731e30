"""A real Kafka broker for the tests, taken in this order: KAFKA_BOOTSTRAP_SERVERS; Docker, if an engine answers; Apache Kafka from Maven
Central's jars, if there is Java.

Where none can be had, the tests that need one are skipped with a line that says what to install; with CI=true or SERVERS=required they
fail. All workers of a run share one broker, so a test names its topics by a prefix of its own. The last to leave stops it.

MAVEN_CENTRAL names a mirror; what comes from there must have the sums in kafka_jars.txt.
"""

from __future__ import annotations

import atexit
import fcntl
import hashlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, NoReturn, Protocol, TypeVar

import pytest
from kafka import KafkaAdminClient
from kafka.errors import KafkaError

from adapters.kafka.connect import KafkaSettings
from adapters.kafka.topics import TopicOptions, migrate

IMAGE = "apache/kafka:4.3.0"
JARS = Path(__file__).with_name("kafka_jars.txt")
CENTRAL = "https://repo1.maven.org/maven2"
OLDEST_JAVA = 17
START_SECONDS = 60
WHAT_TO_INSTALL = "set KAFKA_BOOTSTRAP_SERVERS, start Docker, or install Java 17 or newer (Debian: openjdk-17-jre-headless)"


class Unavailable(Exception):
    """This way of getting a broker is not open here, and why."""


class Broker(Protocol):
    """One that a test may ill-treat. It keeps its data and its address."""

    bootstrap: str

    def start(self) -> None:
        """Start it, or start it again; returns when it answers."""

    def kill(self) -> None:
        """SIGKILL, as a crash would."""

    def stop(self) -> None:
        """Ask it to stop, and wait."""


# --- what tests ask for -----------------------------------------------------------------------------------------------


def bootstrap() -> str:
    """The address of the broker that this run shares. Skips or fails the test if there is none."""
    address, reason = _shared()
    return address if address is not None else missing(reason)


@contextmanager
def broker_of_ones_own() -> Iterator[Broker]:
    """A broker for one test, which may kill it. Skips or fails the test if none can be made here."""
    folder = Path(tempfile.mkdtemp(prefix="rendezvous-kafka-"))
    try:
        broker = _made(folder)
    except Unavailable as reason:
        missing(str(reason))
    try:
        yield broker
    finally:
        broker.kill()
        shutil.rmtree(folder, ignore_errors=True)


def fresh(bootstrap: str, partitions: int = 1, shards: int = 1) -> KafkaSettings:
    """Topics that no other test has, made."""
    settings = unmade(bootstrap)
    migrate(settings, TopicOptions(partitions=partitions, shards=shards))
    return settings


def unmade(bootstrap: str) -> KafkaSettings:
    """A prefix that no other test's topics have."""
    return KafkaSettings(bootstrap=bootstrap, prefix=f"test-{uuid.uuid4().hex[:12]}")


def of_folder(folder: Path) -> KafkaSettings:
    """Topics that belong to a folder as a file in it would: made when first asked for, the same ones afterwards."""
    note = folder / "kafka-prefix"
    if note.exists():
        return KafkaSettings(bootstrap=bootstrap(), prefix=note.read_text())
    settings = fresh(bootstrap())
    note.write_text(settings.prefix)
    return settings


class Closing(Protocol):
    """What has to be closed."""

    def close(self) -> None:
        """Close it."""


T = TypeVar("T", bound=Closing)
_opened: list[Closing] = []


def opened(made: T) -> T:
    """This, to be closed by `close_all`."""
    _opened.append(made)
    return made


def close_all() -> None:
    """Close what tests opened: clients have threads, which would go on asking a broker that has gone."""
    while _opened:
        _opened.pop().close()


def missing(reason: str) -> NoReturn:
    """No server for this test: skipped on a bare machine, a failure where servers are required."""
    if os.environ.get("CI") == "true" or os.environ.get("SERVERS") == "required":
        pytest.fail(f"no Kafka broker ({reason}): {WHAT_TO_INSTALL}", pytrace=False)
    pytest.skip(f"no Kafka broker ({reason}): {WHAT_TO_INSTALL}")


def eventually(holds: Callable[[], bool], seconds: float = 60) -> bool:
    """Wait until something holds. False if it did not."""
    until = time.monotonic() + seconds
    while not holds():
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True


# --- one broker for all workers of a run --------------------------------------------------------------------------------


@cache
def _shared() -> tuple[str | None, str]:
    """(address, "") or (None, why not)."""
    told = os.environ.get("KAFKA_BOOTSTRAP_SERVERS")
    if told:
        return told, ""
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID", f"alone-{os.getpid()}")
    runs = Path(tempfile.gettempdir()) / f"rendezvous-servers-{os.getuid()}"
    runs.mkdir(mode=0o700, exist_ok=True)
    with _locked(runs):
        _clear(runs)
        try:
            address = _join(runs / run)
        except Unavailable as reason:
            return None, str(reason)
    atexit.register(_leave, runs, runs / run)
    return address, ""


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _join(run: Path) -> str:
    """The address of the run's broker, which is made if this is the first worker."""
    state = run / "state.json"
    if state.exists():
        told = json.loads(state.read_text())
    else:
        run.mkdir(exist_ok=True)
        broker = _made(run)
        told = {"bootstrap": broker.bootstrap, "stop": _how_to_stop(broker), "workers": []}
    told["workers"].append(os.getpid())
    state.write_text(json.dumps(told))
    return str(told["bootstrap"])


def _leave(runs: Path, run: Path) -> None:
    with _locked(runs):
        state = run / "state.json"
        told = json.loads(state.read_text())
        told["workers"] = [worker for worker in told["workers"] if worker != os.getpid() and _is_alive(worker)]
        state.write_text(json.dumps(told))
        if not told["workers"]:
            _end(run, told)


def _clear(runs: Path) -> None:
    """End what a run left behind whose workers were all killed."""
    for state in runs.glob("*/state.json"):
        told = json.loads(state.read_text())
        if not any(_is_alive(worker) for worker in told["workers"]):
            _end(state.parent, told)


def _end(run: Path, told: dict[str, Any]) -> None:
    kind, name = told["stop"]
    if kind == "pid" and str(run) in _command_line(int(name)):
        os.kill(int(name), signal.SIGKILL)
    if kind == "container":
        subprocess.run(["docker", "rm", "--force", name], capture_output=True, check=False)
    shutil.rmtree(run, ignore_errors=True)


def _how_to_stop(broker: Broker) -> tuple[str, str]:
    return ("container", broker.name) if isinstance(broker, DockerBroker) else ("pid", str(getattr(broker, "pid", 0)))


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _command_line(pid: int) -> str:
    """So that no stranger is ended who got the number of one of ours."""
    shown = subprocess.run(["ps", "-ww", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return shown.stdout


# --- how one is made ----------------------------------------------------------------------------------------------------


def _made(folder: Path) -> Broker:
    """A broker, started. Raises `Unavailable` with the reason of the last way tried."""
    if _docker_answers():
        try:
            contained = DockerBroker()
            contained.start()
            return contained
        except Exception as error:  # an engine without a registry, for instance; the next in order may do
            print(f"no container: {error}", file=sys.stderr)
    local = LocalBroker(folder)
    local.start()
    return local


def free_port() -> int:
    """A port of loopback that nobody listens on."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def answers(bootstrap: str) -> bool:
    """Is a broker there, and ready? A port may take connections before."""
    try:
        KafkaAdminClient(bootstrap_servers=bootstrap, bootstrap_timeout_ms=1_000).close()
    except KafkaError:
        return False
    return True


_PROPERTIES = """
process.roles=broker,controller
node.id=1
controller.quorum.bootstrap.servers={host}:{controller}
listeners={listeners}
advertised.listeners=PLAINTEXT://127.0.0.1:{port}
controller.listener.names=CONTROLLER
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs={data}
auto.create.topics.enable=false
num.partitions=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
broker.heartbeat.interval.ms=500
broker.session.timeout.ms=2000
"""
_LOGGING = """
rootLogger.level = WARN
rootLogger.appenderRef.out.ref = out
appender.out.type = Console
appender.out.name = out
appender.out.target = SYSTEM_ERR
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{HH:mm:ss.SSS} %-5p %c{1} %m%n
"""


class LocalBroker:
    """Apache Kafka as a child process: one KRaft node on loopback, its data in a folder."""

    def __init__(self, folder: Path, properties: str = "", formatted: Sequence[str] = ()) -> None:
        self._folder, self._java, self._jars = folder, _java(), _jars()
        self._process: subprocess.Popen[bytes] | None = None
        port, controller = free_port(), free_port()
        self.bootstrap = f"127.0.0.1:{port}"
        listeners = f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller}"
        data = folder / "data"
        told = _PROPERTIES.format(host="127.0.0.1", port=port, controller=controller, listeners=listeners, data=data)
        file = folder / "server.properties"
        file.write_text(_joined(told, properties))
        (folder / "log4j2.properties").write_text(_LOGGING)
        self._run("kafka.tools.StorageTool", "format", "--standalone", "-t", "rendezvous-testsAAAAAA", "-c", str(file), *formatted)

    @property
    def pid(self) -> int:
        """Of the broker's process, 0 if it was not started."""
        return self._process.pid if self._process is not None else 0

    def _command(self, heap: str, *arguments: str) -> list[str]:
        return [self._java, f"-Xmx{heap}", "-cp", f"{self._folder}{os.pathsep}{self._jars}/*", *arguments]

    def _run(self, *arguments: str) -> None:
        done = subprocess.run(self._command("128m", *arguments), capture_output=True, text=True, check=False)
        if done.returncode:
            raise Unavailable(f"Apache Kafka could not be made ready: {done.stderr.strip().splitlines()[-1:]}")

    def start(self) -> None:
        """Start it, or start it again; returns when it answers."""
        log = self._folder / "log"
        command = self._command("512m", "-XX:+UseSerialGC", "kafka.Kafka", str(self._folder / "server.properties"))
        with log.open("ab") as out:
            # In a group of its own: an interrupt at the keyboard is for the tests, which then stop it.
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True)
        ready = eventually(lambda: self._ended() or answers(self.bootstrap), START_SECONDS)
        if not ready or self._ended():
            raise Unavailable(f"Apache Kafka did not start: {log.read_text(errors='replace').splitlines()[-3:]}")

    def _ended(self) -> bool:
        return self._process is not None and self._process.poll() is not None

    def kill(self) -> None:
        """SIGKILL, as a crash would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        """Ask it to stop, and wait."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(START_SECONDS)


def _joined(properties: str, more: str) -> str:
    """Both; where both say something, one after the other, as a list of Kafka's is written."""
    told: dict[str, str] = {}
    for line in (properties + more).strip().splitlines():
        name, _, value = line.partition("=")
        told[name] = f"{told[name]},{value}" if name in told else value
    return "".join(f"{name}={value}\n" for name, value in told.items())


@cache
def _java() -> str:
    """The path of a Java that is new enough. Raises `Unavailable`."""
    home = os.environ.get("JAVA_HOME")
    found = shutil.which("java", path=f"{home}/bin") if home else shutil.which("java")
    if found is None:
        raise Unavailable("there is no java")
    said = subprocess.run([found, "-version"], capture_output=True, text=True, check=False).stderr
    version = re.search(r'version "(\d+)', said)
    if version is None or int(version[1]) < OLDEST_JAVA:
        raise Unavailable(f"{found} is older than Java {OLDEST_JAVA}")
    return found


@cache
def _jars() -> Path:
    """The folder with Apache Kafka's jars, fetched once for this user. Raises `Unavailable`."""
    cache_home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    listed = JARS.read_text()
    folder = cache_home / "rendezvous" / f"kafka-{hashlib.sha256(listed.encode()).hexdigest()[:12]}"
    folder.mkdir(parents=True, exist_ok=True)
    lines = [line.split() for line in listed.splitlines() if not line.startswith("#")]
    with _locked(folder), ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda line: _fetch(folder, *line), lines))
    return folder


def _fetch(folder: Path, digest: str, path: str) -> None:
    jar = folder / path.rpartition("/")[2]
    if jar.exists():
        return
    try:
        with urllib.request.urlopen(f"{os.environ.get('MAVEN_CENTRAL', CENTRAL).rstrip('/')}/{path}", timeout=60) as answer:
            content = answer.read()
    except (OSError, urllib.error.URLError) as error:
        raise Unavailable(f"Apache Kafka could not be fetched from Maven Central: {error}") from error
    if hashlib.sha256(content).hexdigest() != digest:
        raise Unavailable(f"{jar.name} is not the file that kafka_jars.txt names")
    part = jar.with_suffix(".part")
    part.write_bytes(content)
    part.rename(jar)


class DockerBroker:
    """Apache Kafka in a container. Its port is chosen here, so that it is the same after a restart."""

    def __init__(self) -> None:
        # Here, because importing it looks for an engine's settings and warns of what it finds.
        from testcontainers.core.config import testcontainers_config
        from testcontainers.core.container import DockerContainer

        # Its watchdog would end the container with the worker that made it, while others still use it.
        testcontainers_config.ryuk_disabled = True
        self._port = free_port()
        self.bootstrap = f"127.0.0.1:{self._port}"
        listeners = f"PLAINTEXT://0.0.0.0:{self._port},CONTROLLER://127.0.0.1:9093"
        told = _PROPERTIES.format(host="127.0.0.1", port=self._port, controller=9093, listeners=listeners, data="/var/lib/kafka/data")
        pairs = (line.split("=", 1) for line in told.split())
        settings = {f"KAFKA_{key.upper().replace('.', '_')}": value for key, value in pairs if key != "log.dirs"}
        self._container = DockerContainer(IMAGE).with_bind_ports(self._port, self._port).with_envs(**settings)
        self._made = False

    @property
    def name(self) -> str:
        """What the engine calls the container."""
        return str(self._container.get_wrapped_container().name)

    def start(self) -> None:
        """Start it, or start it again; returns when it answers."""
        if self._made:
            self._container.get_wrapped_container().start()
        else:
            self._container.start()
            self._made = True
        if not eventually(lambda: answers(self.bootstrap), START_SECONDS):
            raise Unavailable(f"{IMAGE} did not start")

    def kill(self) -> None:
        """SIGKILL, as a crash would."""
        self._container.get_wrapped_container().kill()

    def stop(self) -> None:
        """Ask it to stop, and wait."""
        self._container.get_wrapped_container().stop()


@cache
def _docker_answers() -> bool:
    if shutil.which("docker") is None:
        return False
    try:
        asked = subprocess.run(["docker", "info", "--format", "{{.ServerVersion}}"], capture_output=True, timeout=10, check=False)
    except subprocess.TimeoutExpired:
        return False
    return asked.returncode == 0
