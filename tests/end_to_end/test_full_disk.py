"""The embedded store on a disk that fills up while it is written, and has room again later.

What must stay true: nothing that was acknowledged is lost, nothing is half written; who cannot write says so in a line, and waits or
ends for a supervisor to start him again; with room, everything is decided without anybody's help.
"""

from __future__ import annotations

import resource
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import count
from pathlib import Path

import pytest

from tests.end_to_end.installed import Publishing, assert_undisturbed, files_of, is_settled, opened, story
from tests.servers.processes import Process, crew

pytestmark = pytest.mark.slow
ROLES = ("sync", "relay", "project")
A_FILE = 150
COMPLAINTS = ("disk is full", "disk I/O error", "File too large")
"""SQLite's words for ENOSPC, and for EFBIG; what a receipt meets that is printed into a file."""


class FileSystem:
    """One of its own in memory, which somebody else's file fills up."""

    def __init__(self, folder: Path) -> None:
        self.data, self._ballast = folder, folder / "somebody-elses"

    def fill(self, processes: list[Process]) -> None:
        """Take what is left, and what came free since."""
        with self._ballast.open("ab", buffering=0) as file:
            try:
                while file.write(b"\0" * 4096):
                    pass
            except OSError:
                pass

    def free(self, processes: list[Process]) -> None:
        """Give it back."""
        self._ballast.unlink()


class Limit:
    """No file may grow over a size: what a quota is like. Needs no rights."""

    def __init__(self, folder: Path) -> None:
        self.data, self._most = folder, 0

    def fill(self, processes: list[Process]) -> None:
        """No file may be larger than the smallest one that is written at every step is now."""
        self._most = self._most or min(file.stat().st_size for file in self.data.glob("*.sqlite"))
        self._allow(processes, self._most)

    def free(self, processes: list[Process]) -> None:
        """As large as they like."""
        self._allow(processes, resource.RLIM_INFINITY)

    def _allow(self, processes: list[Process], size: int) -> None:
        for process in processes:
            if process.code is None:
                resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


@contextmanager
def mounted(folder: Path) -> Iterator[Path]:
    """A file system of 64 MB. Skips the test where nobody may mount one."""
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", str(folder)], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no file system can be mounted here: {done.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


@pytest.fixture(params=["file system", "limit"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[FileSystem | Limit]:
    """One that can be made full."""
    if request.param == "limit":
        (tmp_path / "disk").mkdir()
        yield Limit(tmp_path / "disk")
    else:
        with mounted(tmp_path / "disk") as folder:
            yield FileSystem(folder)


def test_what_was_acknowledged_outlives_a_full_disk_and_the_rest_is_done_when_there_is_room(
    disk: FileSystem | Limit, tmp_path: Path
) -> None:
    settings = {"RENDEZVOUS_DATA": str(disk.data)}
    parts = opened(settings)
    numbers = count(1)

    def publish(file: str) -> Process:
        return Process(["publish", "--json", file], settings, tmp_path / f"publish-{next(numbers)}")

    files = files_of(story(1, steps=900), tmp_path, A_FILE)
    with closing(Publishing(publish, files, may_fail=True)) as publishing, crew(settings, tmp_path / "crew") as roles:
        for name in ROLES:
            roles.hire(name, name)
        roles.until(lambda: not publishing.is_done() and parts.views.position() > 0)
        # So that there is something to decide when it is full.
        roles.running["sync"].freeze()
        enough = parts.source.end("0") + A_FILE
        roles.until(lambda: not publishing.is_done() and parts.source.end("0") >= enough)

        def all_processes() -> list[Process]:
            return [*roles.running.values(), publishing.process]

        def said() -> list[str]:
            return [*roles.ended, *publishing.failures, *(process.said for process in roles.running.values())]

        def is_full_for_all() -> bool:
            disk.fill(all_processes())
            publishing.tend()
            return len(publishing.failures) >= 2 and any('"sync"' in words and _complains(words) for words in said())

        disk.fill(all_processes())
        roles.running["sync"].thaw()
        roles.until(is_full_for_all)
        told, undecided = len(publishing.acknowledged), parts.source.end("0") - parts.store.place("0")
        disk.free(all_processes())
        took = roles.until(lambda: publishing.is_done() and is_settled(parts))
        assert [words for words in (*roles.ended, *publishing.failures) if not _complains(words) or "Traceback" in words] == []
        assert set(roles.dismiss_all().values()) == {0}
    print(f"{told} acknowledged before it was full, {undecided} of them undecided; settled {took:.1f} s after there was room")
    print(f"ended by themselves: {roles.ended}")
    assert_undisturbed(parts, publishing.acknowledged)
    for file in disk.data.glob("*.sqlite"):
        with closing(sqlite3.connect(file)) as connection:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)], file


def _complains(words: str) -> bool:
    return any(complaint in words for complaint in COMPLAINTS)
