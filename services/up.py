"""Everything in one process, embedded: sync, relay and project as threads, the API beside them, and the accounts' clocks.

A role that stops with an error stops the process: a supervisor starts it again, and nothing acknowledged is lost. Roles wait on
what they read, so that an event accepted is in its timeline within milliseconds.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec
import structlog

from domain.errors import TryAgain
from domain.recurrence import moment
from services.running import Stopping, settle_in

if TYPE_CHECKING:
    from services.wiring import Installation

log = structlog.get_logger(__name__)

DAY = 86_400_000
PAUSE = 0.5


class Roles:
    """The embedded roles of one installation, running in threads of this process."""

    def __init__(self, parts: Installation, stopping: Stopping) -> None:
        self._parts, self._stopping = parts, stopping
        self.failure: BaseException | None = None
        self._recorded = threading.Event()
        self._threads = [
            threading.Thread(target=self._guarded, args=(loop,), name=name, daemon=True)
            for name, loop in (("sync", self._sync), ("relay", self._relay), ("project", self._project), ("clock", self._clock))
        ]

    def start(self) -> None:
        """Start them."""
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        """Wait until each has finished the batch at hand."""
        for thread in self._threads:
            thread.join(timeout=30)

    def _guarded(self, loop: Callable[[], None]) -> None:
        try:
            loop()
        except BaseException as error:  # whatever ended a role ends the process; who started us starts us again
            log.error("role failed", role=threading.current_thread().name, error=str(error), exc_info=True)
            self.failure = error
            self._stopping.ask()

    def _patiently(self, step: Callable[[], bool], wait: Callable[[], object]) -> None:
        while not self._stopping.asked:
            try:
                moved = step()
            except TryAgain as error:
                log.warning("again", role=threading.current_thread().name, error=str(error))
                self._stopping.wait(PAUSE)
                continue
            if not moved:
                wait()

    def _sync(self) -> None:
        sync, parts = self._parts.sync(), self._parts

        def step() -> bool:
            moved = [sync.step(partition) is not None for partition in parts.source.partitions()]
            if any(moved):
                self._recorded.set()
            return any(moved)

        self._patiently(step, lambda: parts.source.wait(parts.store.place("0"), PAUSE))

    def _relay(self) -> None:
        relay = self._parts.relay()

        def wait() -> None:
            self._recorded.wait(0.05)
            self._recorded.clear()

        self._patiently(lambda: relay.step() > 0, wait)

    def _project(self) -> None:
        project, parts = self._parts.project(), self._parts
        self._patiently(lambda: project.step() > 0, lambda: parts.domain_log.wait(parts.views.position(), PAUSE))

    def _clock(self) -> None:
        """Tick every account's clock once a day, through the log like everything else, so that a replay ticks the same."""
        from services.wiring import now

        while not self._stopping.asked:
            at = now() // DAY * DAY
            late = [clock.account for clock in self._parts.views.clocks() if clock.ticked < at]
            late += [account for account in self._parts.views.accounts_without_clock()]
            for account in late:
                self._parts.publisher.accept([_tick(account, at)])
            self._stopping.wait(60)


def _tick(account: str, at: int) -> bytes:
    time = moment(at).isoformat().replace("+00:00", "Z")
    return msgspec.json.encode(
        {
            "specversion": "1.0",
            "id": f"tick:{time}",
            "source": f"/accounts/{account}/clock",
            "type": "rendezvous.clock.ticked.v1",
            "subject": account,
            "time": time,
            "account": account,
            "data": {"at": time},
        }
    )


def up(parts: Installation, host: str, port: int) -> None:
    """Run until asked to stop. Raises what ended a role, if one failed."""
    from services.serve import Server

    with Stopping() as stopping:
        roles = Roles(parts, stopping)
        server = Server(parts, host, port)
        settle_in()
        roles.start()
        server.start()
        print(f"rendezvous is up: {server.url}/v1 (stop with Ctrl-C)", flush=True)
        while not stopping.wait(0.2):
            if server.failed:
                stopping.ask()
        server.stop()
        roles.join()
        if roles.failure is not None:
            raise roles.failure
