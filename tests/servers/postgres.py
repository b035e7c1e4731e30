"""A real PostgreSQL for tests: one that is named, one in Docker, or one made by `initdb`, in this order; else the tests are skipped.

What must stay true: however a run ends, killed ones included, nothing of it keeps running; the workers of a run share one server;
each folder a test asks for has a schema of its own, so that a test may open an installation twice and meets nobody else's.

A server is kept by a process of its own, this module run with a folder. It waits for a lock that every worker shares and the
kernel takes back from the dead: when it gets it, nobody is left, and it stops the server and removes the folder.
"""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, NamedTuple, NoReturn, Protocol

import psycopg
import pytest
from psycopg.conninfo import conninfo_to_dict

from adapters.postgres.connect import Database
from adapters.postgres.migrating import migrate

NAMED = "RENDEZVOUS_TEST_POSTGRES"
MISSING = f"no PostgreSQL: set {NAMED} to a DSN, start Docker, or install a server (on Debian: apt-get install postgresql)"
IMAGE = "postgres:17"

_ROOT = Path(__file__).parents[2]
_USER, _PASSWORD = "rendezvous", "not-secret"
_START_SECONDS = 60.0
_PING_SECONDS = 5
_IMAGE_SECONDS = 300.0
"""For an image to be fetched."""

_SETTINGS = {"max_connections": "200", "shared_buffers": "256MB", "timezone": "UTC"}


class Server(Protocol):
    """A server that a test may ill-treat."""

    dsn: str

    def start(self) -> None:
        """Start it, again on the same port, and wait until it answers."""

    def stop(self) -> None:
        """Shut it down in order, disconnecting everybody."""

    def kill(self) -> None:
        """As a power cut would: all its processes at once."""

    def remove(self) -> None:
        """Stop it and leave nothing behind."""


# --- what tests use ---------------------------------------------------------------------------------------------------------


def database(folder: Path, most: int = 4) -> Database:
    """The migrated schema that belongs to a folder, the same whenever the folder is the same. Closed after the test if the test's
    module imports `closing_databases`. Skips the test if there is no server."""
    opened = unmigrated(folder, most)
    if opened.schema not in _migrated:
        migrate(opened)
        _migrated.add(opened.schema)
    return opened


def unmigrated(folder: Path, most: int = 4) -> Database:
    """As `database`, of a schema that nobody has made yet."""
    schema = "t_" + hashlib.sha256(str(folder).encode()).hexdigest()[:24]
    opened = Database(dsn(), schema, most)
    _opened.append(opened)
    return opened


_opened: list[Database] = []
_migrated: set[str] = set()


@pytest.fixture(autouse=True)
def closing_databases() -> Iterator[None]:
    """Closes what `database` opened, and drops its schemas."""
    yield
    schemas = {one.schema for one in _opened}
    while _opened:
        _opened.pop().close()
    if schemas:
        with psycopg.connect(dsn(), autocommit=True) as connection:
            for schema in schemas:
                for read_models in ("", "_views", "_views_next", "_views_former"):
                    connection.execute(f"DROP SCHEMA IF EXISTS {schema}{read_models} CASCADE".encode())
    _migrated.clear()


def dsn() -> str:
    """The DSN of the server of this run. Skips the test if there is none, or fails it where servers are required."""
    named = os.environ.get(NAMED)
    if named:
        return named
    answer = _shared_answer()
    if answer is None:
        _without()
    return str(answer)


@contextlib.contextmanager
def own_server() -> Iterator[Server]:
    """A server for one test alone, which may stop and kill it. Skips the test if none can be made; one that is named is not ours."""
    with contextlib.ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="rendezvous-postgres-own-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        server = _make(folder)
        if server is None:
            _without()
        stack.callback(server.remove)
        yield server


class Pair(NamedTuple):
    """A server and its hot standby, which has all that was committed before a commit returns, and shows it a moment later."""

    primary: Server
    standby: Server

    @property
    def whichever_writes(self) -> str:
        """A DSN of both, which leads to the one that takes writes."""
        told = [conninfo_to_dict(server.dsn) for server in self]
        hosts = ",".join(f"{one['host']}:{one['port']}" for one in told)
        return f"postgresql://{_USER}:{_PASSWORD}@{hosts}/{told[0]['dbname']}?target_session_attrs=read-write"

    def promote(self) -> None:
        """The standby is the primary from now on; returns when it is."""
        with psycopg.connect(self.standby.dsn, autocommit=True) as connection:
            assert connection.execute("SELECT pg_promote()").fetchone() == (True,)


@contextlib.contextmanager
def own_pair() -> Iterator[Pair]:
    """Both for one test alone. Skips the test if they cannot be made here: a standby is made by the server's own programs."""
    found = programs()
    if found is None:
        _without()
    with contextlib.ExitStack() as stack:
        folders = [Path(tempfile.mkdtemp(prefix=f"rendezvous-postgres-{name}-")) for name in ("primary", "standby")]
        for folder in folders:
            stack.callback(shutil.rmtree, folder, ignore_errors=True)
        primary = _Local(found, folders[0])
        stack.callback(primary.remove)
        standby = _Local(found, folders[1], of=primary)
        stack.callback(standby.remove)
        # Not before the copy is made, which would have the setting too, and wait for a standby of its own.
        with psycopg.connect(primary.dsn, autocommit=True) as connection:
            connection.execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
            connection.execute("SELECT pg_reload_conf()")
        yield Pair(primary, standby)


def _without() -> NoReturn:
    if os.environ.get("SERVERS") == "required" or os.environ.get("CI") == "true":
        pytest.fail(MISSING, pytrace=False)
    pytest.skip(MISSING)


# --- one server a run -------------------------------------------------------------------------------------------------------


def _run_folder() -> Path:
    run = os.environ.get("PYTEST_XDIST_TESTRUNUID") or f"alone-{os.getpid()}"
    return Path(tempfile.gettempdir()) / f"rendezvous-postgres-{os.getuid()}-{run}"


_held: list[IO[str]] = []  # open as long as this process lives: it shares the lock that the keeper waits for


@functools.cache
def _shared_answer() -> str | None:
    """What the run's keeper has to say; the first worker to ask starts it."""
    folder = _run_folder()
    folder.mkdir(exist_ok=True)
    users = (folder / "users").open("a")
    fcntl.flock(users, fcntl.LOCK_SH)
    _held.append(users)
    with (folder / "starting").open("a") as starting:
        fcntl.flock(starting, fcntl.LOCK_EX)
        told = folder / "answer"
        if not told.exists():
            _start_keeper(folder, told)
    answer: str | None = json.loads(told.read_text())
    return answer


def _start_keeper(folder: Path, told: Path) -> None:
    with (folder / "keeper.log").open("w") as log:
        command = [sys.executable, "-m", "tests.servers.postgres", str(folder)]
        # In a session of its own, so that a Ctrl-C for the tests is none for it.
        keeper = subprocess.Popen(command, cwd=_ROOT, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    _wait(lambda: told.exists() or keeper.poll() is not None, _IMAGE_SECONDS)
    # The keeper lives longer than we do, and nobody waits for it.
    keeper.returncode = 0
    if not told.exists():
        pytest.fail(f"the keeper of PostgreSQL ended: {(folder / 'keeper.log').read_text()}", pytrace=False)


def keep(folder: Path) -> None:
    """Make a server, tell its DSN, and remove it when nobody shares the lock any more. The keeper's whole life."""
    server = _make(folder)
    try:
        part = folder / "answer.part"
        part.write_text(json.dumps(server.dsn if server else None))
        part.rename(folder / "answer")
        with (folder / "users").open() as users:
            fcntl.flock(users, fcntl.LOCK_EX)
    finally:
        if server:
            server.remove()
        shutil.rmtree(folder, ignore_errors=True)


def _make(folder: Path) -> Server | None:
    return _in_docker() or _local(folder)


def _wait(done: Callable[[], bool], seconds: float) -> None:
    until = time.monotonic() + seconds
    while not done():
        if time.monotonic() > until:
            raise TimeoutError
        time.sleep(0.02)


def _answers(dsn: str) -> bool:
    try:
        psycopg.connect(dsn, connect_timeout=3).close()
    except psycopg.OperationalError:
        return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


# --- in Docker --------------------------------------------------------------------------------------------------------------


def _in_docker() -> Server | None:
    """A container, if an engine answers and can get the image."""
    # Its janitor is one more image to fetch, and goes when the process that started it does; we have a keeper.
    os.environ["TESTCONTAINERS_RYUK_DISABLED"] = "true"
    try:
        from testcontainers.core.docker_client import DockerClient

        DockerClient(timeout=_PING_SECONDS).client.ping()
    except Exception as error:  # whatever the client has against this machine, there is no engine here
        print(f"no Docker: {error}", file=sys.stderr)
        return None
    try:
        return _Container()
    except Exception as error:  # an engine without a registry, for instance; the next in order may do
        print(f"no container: {error}", file=sys.stderr)
        return None


class _Container:
    """A server in a container, on a port that stays the same."""

    def __init__(self) -> None:
        from testcontainers.community.postgres import PostgresContainer

        port = _free_port()
        made = PostgresContainer(IMAGE, username=_USER, password=_PASSWORD, dbname=_USER, driver=None)
        made.with_bind_ports(5432, port).with_command("postgres " + " ".join(f"-c {k}={v}" for k, v in _SETTINGS.items()))
        self._made = made.start()
        self.dsn = f"postgresql://{_USER}:{_PASSWORD}@{made.get_container_host_ip()}:{port}/{_USER}"
        self._wait()

    def start(self) -> None:
        self._made.get_wrapped_container().start()
        self._wait()

    def stop(self) -> None:
        self._made.get_wrapped_container().stop()

    def kill(self) -> None:
        self._made.get_wrapped_container().kill()

    def remove(self) -> None:
        self._made.stop(force=True, delete_volume=True)

    def _wait(self) -> None:
        _wait(lambda: _answers(self.dsn), _START_SECONDS)


# --- by initdb --------------------------------------------------------------------------------------------------------------


def _local(folder: Path) -> Server | None:
    """A server in a folder, if its programs are here."""
    found = programs()
    return _Local(found, folder) if found else None


def programs() -> Path | None:
    """The folder of initdb and postgres, the newest of them; Debian keeps them off the PATH."""
    on_path = shutil.which("initdb")
    found = [Path(on_path).resolve()] if on_path else list(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    found.sort(key=lambda file: int(file.parts[-3]) if file.parts[-3].isdigit() else 0)
    return found[-1].parent if found else None


def _somebody() -> str | None:
    """Whom to run the server as: nobody else, or, because it refuses to be run by root, its own user or nobody."""
    if os.getuid() != 0:
        return None
    users = {user.pw_name for user in pwd.getpwall()}
    return "postgres" if "postgres" in users else "nobody"


class _Local:
    """A server on a loopback port, with its files in a folder. It waits for the disk, as a real one does."""

    def __init__(self, programs: Path, folder: Path, of: _Local | None = None) -> None:
        self._programs, self._user, self._port = programs, _somebody(), _free_port()
        self.dsn = f"postgresql://{_USER}:{_PASSWORD}@127.0.0.1:{self._port}/postgres"
        self._home = folder / "server"
        self._process: subprocess.Popen[bytes] | None = None
        # Down to the server's folder, others have to be let through.
        folder.chmod(0o755)
        self._home.mkdir(mode=0o700)
        if self._user:
            shutil.chown(self._home, self._user)
        if of is None:
            self._initialise()
        else:
            self._copy(of)
        self.start()

    def _initialise(self) -> None:
        password = self._home / "password"
        password.write_text(_PASSWORD)
        password.chmod(0o644)
        # -N: the disk is not waited for; a server that is lost before it has begun is made anew.
        words = f"-U {_USER} -A password --pwfile={password} -N -E UTF8 --no-locale".split()
        self._run("initdb", *words)

    def _copy(self, of: _Local) -> None:
        """Become a standby of another."""
        self._run("pg_basebackup", "--write-recovery-conf", "--checkpoint=fast", "--no-sync", f"--dbname={of.dsn}")

    def _run(self, program: str, *words: str) -> None:
        command = [str(self._programs / program), "-D", str(self._home / "data"), *words]
        done = subprocess.run(command, user=self._user, cwd=self._home, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    def start(self) -> None:
        settings = {**_SETTINGS, "listen_addresses": "127.0.0.1", "port": str(self._port), "unix_socket_directories": ""}
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        command = [str(self._programs / "postgres"), "-D", str(self._home / "data"), *options]
        with (self._home / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, user=self._user, cwd=self._home, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        started = self._process
        _wait(lambda: _answers(self.dsn) or started.poll() is not None, _START_SECONDS)
        assert started.poll() is None, (self._home / "log").read_text(errors="replace")[-2000:]

    def stop(self) -> None:
        if self._process:
            self._process.send_signal(signal.SIGINT)  # PostgreSQL's fast shutdown
            self._process.wait(_START_SECONDS)
            self._process = None

    def kill(self) -> None:
        assert self._process, "it is not running"
        family = [self._process.pid, *_children(self._process.pid)]
        for process in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        self._process.wait(_START_SECONDS)
        # The next server refuses to start as long as one of them is attached to the memory they shared.
        _wait(lambda: not any(_lives(process) for process in family), _START_SECONDS)
        self._process = None

    def remove(self) -> None:
        self.stop()
        shutil.rmtree(self._home, ignore_errors=True)


def _children(parent: int) -> list[int]:
    """The processes that one has started, itself. Each of PostgreSQL's has a session of its own, so that a group is not enough."""
    return [pid for pid, (_, started_by) in _processes().items() if started_by == parent]


def _lives(process: int) -> bool:
    """Is it there, and no zombie that only waits to be counted?"""
    state, _ = _processes().get(process, ("Z", 0))
    return state != "Z"


def _processes() -> dict[int, tuple[str, int]]:
    """State and parent of each process, as Linux tells them."""
    found = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The name before them is in brackets, and may hold blanks and brackets itself.
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
            found[int(stat.parent.name)] = (state, int(parent))
    return found


if __name__ == "__main__":
    keep(Path(sys.argv[1]))
