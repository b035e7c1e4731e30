"""`rendezvous` commands as processes of their own, which a test may ill-treat: killed, frozen, asked to stop.

What must stay true: a process knows nothing of the settings of whoever runs the tests, only of those it is given; and none is left
behind, however a test ends.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.servers.kafka import free_port

ROOT = Path(__file__).parents[2]
STOP_SECONDS = 30.0
ANSWER_SECONDS = 5.0
LOOK_SECONDS = 0.02


class Process:
    """A command that runs. What it prints goes to files in `folder`, which must be its own."""

    def __init__(self, command: Sequence[str], settings: Mapping[str, str], folder: Path) -> None:
        folder.mkdir(parents=True)
        self.command, self._folder, self._port = tuple(command), folder, free_port()
        kept = {name: value for name, value in os.environ.items() if not name.startswith("RENDEZVOUS_")}
        told = {"RENDEZVOUS_LOG_LEVEL": "info", "RENDEZVOUS_MONITOR": str(self._port), "PYTHONFAULTHANDLER": "1", **settings}
        with (folder / "told").open("wb") as told_to, (folder / "said").open("wb") as said_to:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "services.cli", *command], cwd=ROOT, env=kept | told, stdout=told_to, stderr=said_to
            )
        self.killed = False

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    @property
    def code(self) -> int | None:
        """What it ended with; None while it runs."""
        return self._process.poll()

    @property
    def told(self) -> str:
        """Its standard output so far."""
        return (self._folder / "told").read_text()

    @property
    def said(self) -> str:
        """Its standard error so far."""
        return (self._folder / "said").read_text()

    # --- what it tells of itself

    def lives(self) -> bool:
        """Does its monitor answer?"""
        return self._asked("/healthz") is not None

    def lag(self) -> dict[str, int]:
        """Events that wait, by partition, of those that are its own at the moment; none if it does not answer."""
        return {labels["partition"]: int(value) for labels, value in self._samples("rendezvous_role_lag_events")}

    def works(self) -> bool:
        """Has it begun, and does not stand by?"""
        return any(value == 1.0 for _, value in self._samples("rendezvous_role_working"))

    def _samples(self, name: str) -> Iterator[tuple[dict[str, str], float]]:
        for family in text_string_to_metric_families(self._asked("/metrics") or ""):
            for sample in family.samples:
                if sample.name == name:
                    yield sample.labels, sample.value

    def _asked(self, path: str) -> str | None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}{path}", timeout=ANSWER_SECONDS) as answer:
                return str(answer.read().decode())
        except OSError:  # not yet, no longer, or not able to tell
            return None

    # --- what is done to it

    def kill(self) -> bool:
        """SIGKILL, and its end awaited. False if it had ended before."""
        if self.code is not None:
            return False
        self.killed = True
        self._process.kill()
        self._process.wait()
        return True

    def freeze(self) -> None:
        """SIGSTOP: it stays where it is, and its connections with it."""
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on, as if nothing had been."""
        self._process.send_signal(signal.SIGCONT)

    def ended(self) -> int:
        """What it ended with by itself."""
        return self._process.wait(STOP_SECONDS * 2)

    def stop(self) -> int:
        """SIGTERM; what it ended with, after finishing its batch. One that is just beginning cannot hear it yet."""
        until = time.monotonic() + STOP_SECONDS
        while self.code is None and not self.lives() and time.monotonic() < until:
            time.sleep(0.05)
        self._process.terminate()
        try:
            return self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGABRT)  # it says where it is, and ends
            self._process.wait(STOP_SECONDS)
            raise AssertionError(f"{self.command} did not stop in {STOP_SECONDS} s; it said at the end:\n{self.said[-6000:]}") from None


class Crew:
    """Processes that are started again whenever they end, as a supervisor would. One a name; `tend` looks after them."""

    def __init__(self, settings: Mapping[str, str], folder: Path) -> None:
        self._settings, self._folder, self._started = settings, folder, 0
        self._commands: dict[str, tuple[str, ...]] = {}
        self.running: dict[str, Process] = {}
        self.kills: dict[str, int] = {}
        self.ended: list[str] = []
        """Who ended by himself, how, and his last words."""

    def hire(self, name: str, *command: str) -> Process:
        """From now on this runs."""
        self._commands[name] = command
        return self._start(name)

    def _start(self, name: str) -> Process:
        self._started += 1
        started = Process(self._commands[name], self._settings, self._folder / f"{self._started}-{name}")
        self.running[name] = started
        return started

    def tend(self) -> None:
        """Start again whoever has ended."""
        for name, process in list(self.running.items()):
            if process.code is not None:
                if not process.killed:
                    self.ended.append(f"{name} ended with {process.code}: {process.said[-500:]}")
                self._start(name)

    def kill(self, name: str) -> None:
        """SIGKILL; it is started again when next looked after."""
        if self.running[name].kill():
            self.kills[name] = self.kills.get(name, 0) + 1

    def until(self, holds: Callable[[], bool], seconds: float = 120.0) -> float:
        """Look after them until something holds; how many seconds that took. Fails after so many."""
        begun = time.monotonic()
        while not holds():
            waited = time.monotonic() - begun
            assert waited < seconds, f"not within {seconds:.0f} s; {self._last_words()}"
            self.tend()
            time.sleep(LOOK_SECONDS)
        return time.monotonic() - begun

    def _last_words(self) -> str:
        return "; ".join([*self.ended[-5:], *(f"{name} says {process.said[-2500:]}" for name, process in self.running.items())])

    def dismiss(self, name: str) -> int:
        """Ask one to stop, for good; what it ended with."""
        del self._commands[name]
        return self.running.pop(name).stop()

    def dismiss_all(self) -> dict[str, int]:
        """Ask all to stop; what each ended with."""
        return {name: self.dismiss(name) for name in list(self.running)}


@contextmanager
def crew(settings: Mapping[str, str], folder: Path) -> Iterator[Crew]:
    """A crew without anybody yet. Whoever is left at the end is killed."""
    made = Crew(settings, folder)
    try:
        yield made
    finally:
        for process in made.running.values():
            process.kill()
