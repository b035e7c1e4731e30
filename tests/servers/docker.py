"""The composition of docker-compose.yml on a Docker engine: under a project name and on ports of its own, beside whatever runs there.

What must stay true: nothing of it is left when the block ends; and where it cannot be had, the tests are skipped, in CI as well, since an
engine is nothing that a run can install. Everything it is made of is proven without one elsewhere.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.servers.kafka import free_port

ROOT = Path(__file__).parents[2]
IMAGES = ("python:3.11-slim", "postgres:17", "apache/kafka:4.3.0")
SCALED = ("docker-compose.yml", "docker-compose.scaled.yml")
START_SECONDS, STOP_SECONDS, PULL_SECONDS, ANSWER_SECONDS = 600, 120, 600, 10
MISSING = "no composition: {}; these need a Docker engine with compose, and are skipped in CI too, where none can be installed"


class Composition:
    """One that runs. `project` is its name, and its image's."""

    def __init__(self) -> None:
        self.project = f"rendezvous-test-{uuid.uuid4().hex[:8]}"
        self._image = f"{self.project}:test"
        self._ports = {"SERVE_PORT": free_port(), "KAFKA_PORT": free_port()}

    @property
    def api(self) -> str:
        """Where `serve` answers."""
        return f"http://127.0.0.1:{self._ports['SERVE_PORT']}"

    def up(self, files: Sequence[str] = SCALED[:1]) -> None:
        """Build and start it, or make it as these files say; returns when every service is healthy."""
        self._compose(files, "up", "--build", "--detach", "--wait", "--quiet-pull", timeout=START_SECONDS)

    def run(self, service: str, *command: str) -> str:
        """A command in the service's first container. Returns what it printed."""
        return self._compose(SCALED, "exec", "-T", service, *command)

    def stop(self, *services: str) -> None:
        """Ask these services to stop, and wait."""
        self._compose(SCALED, "stop", *services, timeout=STOP_SECONDS)

    def containers(self) -> list[dict[str, Any]]:
        """Of each container: Service, State, Health, ExitCode, Publishers."""
        told = self._compose(SCALED, "ps", "--all", "--format", "json")
        return [json.loads(line) for line in told.splitlines()]

    def counts(self, state: str = "running") -> dict[str, int]:
        """How many containers of each service are in this state."""
        services = [one["Service"] for one in self.containers() if one["State"] == state]
        return {service: services.count(service) for service in services}

    def remove(self) -> None:
        """Containers, volumes, network and image."""
        self._compose(SCALED, "--profile", "*", "down", "--volumes", "--timeout", "5", timeout=STOP_SECONDS)
        subprocess.run(["docker", "image", "rm", "--force", self._image], capture_output=True, check=False)

    def logs(self) -> str:
        """The last lines that each service wrote."""
        return self._compose(SCALED, "logs", "--no-color", "--tail", "20")

    def _compose(self, files: Sequence[str], *command: str, timeout: float = 60) -> str:
        named = [argument for file in files for argument in ("--file", file)]
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("RENDEZVOUS_", "POSTGRES_", "COMPOSE_"))}
        ports = {name: str(port) for name, port in self._ports.items()}
        done = subprocess.run(
            ["docker", "compose", "--project-name", self.project, "--env-file", os.devnull, *named, *command],
            cwd=ROOT,
            env=kept | ports | {"RENDEZVOUS_IMAGE": self._image},
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        assert done.returncode == 0, f"docker compose {' '.join(command)}: {done.stdout[-2000:]}{done.stderr[-4000:]}"
        return done.stdout


@contextmanager
def composition() -> Iterator[Composition]:
    """The composition, up and healthy. Skips the test where its images cannot be had."""
    lacking = [
        image for image in IMAGES if not _works("image", "inspect", image) and not _works("pull", "--quiet", image, timeout=PULL_SECONDS)
    ]
    if lacking:
        pytest.skip(MISSING.format(f"{', '.join(lacking)} cannot be pulled"))
    composed = Composition()
    try:
        composed.up()
        yield composed
    finally:
        composed.remove()


def client(composed: Composition, account: str, *scopes: str) -> httpx.Client:
    """Asks its API with a token for this account, made as an operator makes one."""
    asked = [argument for scope in scopes for argument in ("--scope", scope)]
    token = composed.run("serve", "rendezvous", "tokens", "create", account, *asked, "--label", "test").strip()
    return httpx.Client(base_url=composed.api, headers={"Authorization": f"Bearer {token}"}, timeout=30)


def without_engine() -> str | None:
    """Why there can be no composition here; None if an engine answers."""
    if shutil.which("docker") is None:
        return MISSING.format("docker is not installed")
    if not _works("info"):
        return MISSING.format("no engine answers")
    return None if _works("compose", "version") else MISSING.format("docker has no compose")


def _works(*command: str, timeout: float = ANSWER_SECONDS) -> bool:
    try:
        return subprocess.run(["docker", *command], capture_output=True, timeout=timeout, check=False).returncode == 0
    except subprocess.TimeoutExpired:
        return False
