"""The real JavaScript clients of the providers, unmodified, against the sandbox on its https port.

What each does is in its file under `npm/`; here it is run with node, and whatever it said is shown when it fails. The clients are those
that `make npm-clients` put beside the Python ones; without them, or without node, the tests are skipped with a line that says so.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

import pytest

from services.live import Town

FILES = Path(__file__).parent / "npm"
INSTALLED = Path(__file__).parents[2] / ".venv" / "npm" / "node_modules"
CLIENTS = {
    "@azure/msal-node": "msal.mjs",
    "@googleapis/calendar": "google.mjs",
    "@hubspot/api-client": "hubspot.mjs",
    "@microsoft/microsoft-graph-client": "graph.mjs",
}
SHARED = {"sandbox.mjs"}
OLDEST_NODE = 20
WHAT_TO_INSTALL = f"install Node.js {OLDEST_NODE} or newer with npm, then `make npm-clients`"
SECONDS = 120
"""A client that hangs is ended then; the slowest takes a few."""
BACK = "http://127.0.0.1:9000/callback"
TEST = re.compile(r"^test\(", re.MULTILINE)
COUNT = re.compile(r"^# (\w+) (\d+)$", re.MULTILINE)


@pytest.fixture
def node() -> str:
    """The path of node, where node and the clients are; elsewhere the test is skipped."""
    found = shutil.which("node")
    if found is None:
        missing("no node")
    if reason := _lacking(found):
        missing(reason)
    return found


def missing(reason: str) -> NoReturn:
    """No client for this test: skipped, in CI too, which may run where there is no npm."""
    pytest.skip(f"no JavaScript clients ({reason}): {WHAT_TO_INSTALL}")


@cache
def _lacking(node: str) -> str | None:
    """Why the clients cannot be run; None if they can."""
    version = subprocess.run([node, "--version"], capture_output=True, text=True, check=False).stdout.strip()
    if not (major := re.match(r"v(\d+)\.", version)) or int(major[1]) < OLDEST_NODE:
        return f"node is {version}"
    if not INSTALLED.exists():
        return "not installed"
    found = {package: _version(package) for package in CLIENTS}
    return None if found == described()["dependencies"] else f"installed: {found}"


def _version(package: str) -> str | None:
    file = INSTALLED / package / "package.json"
    return json.loads(file.read_text("utf-8"))["version"] if file.exists() else None


def described(name: str = "package.json") -> Any:
    return json.loads((FILES / name).read_text("utf-8"))


@pytest.fixture
def town() -> Iterator[Town]:
    """Every provider, with the machine's clock, and the application that msal.mjs is."""
    town = Town(seed=7)
    town.entra.directory.register("app", "s3cret", [BACK])
    with town.sandbox:
        yield town


def run(node: str, file: str, folder: Path, town: Town) -> tuple[int, str]:
    """A client's file, run in a folder where it finds the clients: how it ended, and all it said."""
    for each in FILES.glob("*.mjs"):
        shutil.copy(each, folder)
    (folder / "node_modules").symlink_to(INSTALLED)
    # Nothing else of the environment: a proxy, or somebody's own certificates, would come between.
    environment = {"PATH": os.environ["PATH"], "SANDBOX": town.sandbox.https_url, "NODE_EXTRA_CA_CERTS": str(town.sandbox.certificate)}
    log = folder / "said"
    with log.open("wb") as said:
        asked: dict[str, Any] = {"cwd": folder, "env": environment, "stdout": said, "stderr": subprocess.STDOUT, "timeout": SECONDS}
        try:
            code = subprocess.run([node, "--test-reporter=tap", file], check=False, **asked).returncode
        except subprocess.TimeoutExpired:
            code = -1
    return code, log.read_text("utf-8", errors="replace")


@pytest.mark.parametrize(("package", "file"), CLIENTS.items(), ids=list(CLIENTS))
def test_a_real_javascript_client_works_against_the_sandbox(package: str, file: str, node: str, town: Town, tmp_path: Path) -> None:
    wanted = len(TEST.findall((FILES / file).read_text("utf-8")))
    code, said = run(node, file, tmp_path, town)
    counts = dict(COUNT.findall(said))
    assert (code, counts.get("pass"), counts.get("fail")) == (0, str(wanted), "0"), f"{package}:\n{said}"
    assert wanted > 1


def test_every_file_is_run() -> None:
    assert {file.name for file in FILES.glob("*.mjs")} == {*CLIENTS.values()} | SHARED


def test_versions_are_exact_and_no_registry_is_named() -> None:
    wanted, lock = described()["dependencies"], described("package-lock.json")["packages"]
    assert wanted.keys() == CLIENTS.keys()
    assert {name: lock[f"node_modules/{name}"]["version"] for name in wanted} == wanted
    assert [name for name, one in lock.items() if "resolved" in one] == []
